// SPDX-License-Identifier: Apache-2.0
#include "cli/link_option.h"

#include "base/mem.h"
#include "cli/secret_option.h"
#include "driver/driver.h"

enum { INTERFACE_BYTES_MAX = 256 };

// The text up to `byte`, which is taken off `rest` with what precedes it; all of it when `byte` is not there.
static slice take_until(slice *rest, uint8_t byte) {
    size_t at = slice_find(*rest, 0, byte);
    slice taken = slice_sub(*rest, 0, at == SIZE_MAX ? rest->len : at);
    *rest = at == SIZE_MAX ? slice_empty() : slice_sub(*rest, at + 1, rest->len);
    return taken;
}

static bool covers(slice what, slice interface) {
    return slice_equal(what, interface) || (interface.len > what.len && interface.data[what.len] == '/' &&
                                            slice_equal(slice_sub(interface, 0, what.len), what));
}

static status list_drivers(slice what, slice driver_name, err *e) {
    auto_buf names;
    buf_init(&names, 512);
    for (const driver *const *d = driver_all(); *d != NULL; d++) {
        for (size_t i = 0; (*d)->interfaces[i] != NULL; i++) {
            if (covers(what, slice_from_text((*d)->interfaces[i]))) {
                (void)!buf_append_format(&names, "%s%s", names.len > 0 ? ", " : "", (*d)->name);
                break;
            }
        }
    }
    return names.len == 0
               ? err_set(e, STATUS_INVALID, "no driver serves %.*s", SLICE_ARG(slice_sub(what, 0, 80)))
               : err_set(e, STATUS_INVALID, "there is no driver \"%.*s\" for %.*s; there are: %.*s",
                         SLICE_ARG(slice_sub(driver_name, 0, 40)), SLICE_ARG(slice_sub(what, 0, 80)),
                         SLICE_ARG(buf_slice(&names)));
}

// NAMESPACE:PACKAGE/INTERFACE, of letters, digits and '-'.
static bool is_interface(slice what) {
    size_t colon = slice_find(what, 0, ':'), slash = slice_find(what, 0, '/');
    if (what.len > INTERFACE_BYTES_MAX || colon == 0 || slash == SIZE_MAX || colon == SIZE_MAX ||
        slash < colon + 2 || slash + 1 == what.len) {
        return false;
    }
    for (size_t i = 0; i < what.len; i++) {
        uint8_t c = what.data[i];
        bool is_plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        if (!is_plain && i != colon && i != slash) {
            return false;
        }
    }
    return true;
}

// Of a driver that has any: the one that is named, or those that other drivers have of the package.
static status add_any_interfaces(host_link *l, slice what, err *e) {
    if (is_interface(what)) {
        return host_link_add_interface(l, what, e);
    }
    for (const driver *const *d = driver_all(); *d != NULL; d++) {
        for (size_t i = 0; (*d)->interfaces[i] != NULL; i++) {
            slice interface = slice_from_text((*d)->interfaces[i]);
            if (covers(what, interface) && !host_link_serves(l, interface)) {
                TRY(host_link_add_interface(l, interface, e));
            }
        }
    }
    return l->interface_count > 0
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "name the interface, such as %.*s/NAME: no driver here tells which "
                         "ones the package has",
                         SLICE_ARG(slice_sub(what, 0, 80)));
}

static status add_interfaces(host_link *l, slice what, slice driver_name, err *e) {
    const driver *any = driver_find(driver_name, what);
    if (any != NULL && driver_has_any_interface(any)) {
        return add_any_interfaces(l, what, e);
    }
    for (const driver *const *d = driver_all(); *d != NULL; d++) {
        for (size_t i = 0; slice_equal_text(driver_name, (*d)->name) && (*d)->interfaces[i] != NULL; i++) {
            slice interface = slice_from_text((*d)->interfaces[i]);
            if (covers(what, interface)) {
                TRY(host_link_add_interface(l, interface, e));
            }
        }
    }
    return l->interface_count > 0 ? STATUS_OK : list_drivers(what, driver_name, e);
}

// Where the driver does not say what is one, whatever names a secret.
static bool is_credential(const host_link *l, slice name, slice value) {
    const driver *d = driver_find(slice_from_text(l->driver),
                                  slice_from_text(l->interface_count > 0 ? l->interfaces[0] : ""));
    const driver_setting *s = d == NULL ? NULL : driver_find_setting(d, name);
    return driver_setting_fits(s, true) &&
           (!driver_setting_fits(s, false) || (value.len > 0 && value.data[0] == '@'));
}

// A credential is never given by its value, so what is not "@" and a name is refused here, and not repeated.
static status add_credential(host_link *l, slice name, slice value, err *e) {
    host_secret found = {0};
    if (value.len == 0 || value.data[0] != '@') {
        return err_set(e, STATUS_INVALID,
                       "%.*s is a credential: store it with `writ secrets set NAME`, and write %.*s=@NAME",
                       SLICE_ARG(name), SLICE_ARG(name));
    }
    TRY(secret_option_place(name, slice_sub(value, 1, value.len), &found, e));
    status s = host_link_add_secret(l, &found, e);
    host_secret_done(&found);
    return s;
}

static status add_settings(host_link *l, slice rest, err *e) {
    while (rest.len > 0) {
        slice setting = take_until(&rest, ',');
        slice value = setting;
        slice name = take_until(&value, '=');
        if (name.len == 0 || name.len == setting.len) {
            return err_set(e, STATUS_INVALID, "\"%.*s\" is not SETTING=VALUE",
                           SLICE_ARG(slice_sub(setting, 0, setting.len < 60 ? setting.len : 60)));
        }
        TRY(is_credential(l, name, value) ? add_credential(l, name, value, e)
                                          : host_link_add_setting(l, name, value, e));
    }
    return STATUS_OK;
}

static status add(host_links *l, slice what, slice link_name, slice driver_name, slice settings, err *e) {
    host_link *made = NULL;
    char *name = mem_slice_dup(link_name.len > 0 ? link_name : slice_from_text("default"));
    char *driver_text = mem_slice_dup(driver_name);
    status s = host_links_add(l, name, driver_text, &made, e);
    mem_free(name);
    mem_free(driver_text);
    TRY(s);
    TRY(add_interfaces(made, what, driver_name, e));
    return add_settings(made, settings, e);
}

status link_option_add(host_links *l, slice text, err *e) {
    slice rest = text;
    slice left = take_until(&rest, '=');
    slice driver_name = take_until(&rest, ',');
    slice link_name = left;
    slice what = take_until(&link_name, '@');
    if (what.len == 0 || driver_name.len == 0 || memchr(text.data, 0, text.len) != NULL) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" is not INTERFACES[@NAME]=DRIVER[,SETTING=VALUE]..., such as "
                       "wasi:keyvalue=sqlite,path=counter.db",
                       SLICE_ARG(slice_sub(text, 0, text.len < 80 ? text.len : 80)));
    }
    return add(l, what, link_name, driver_name, rest, e);
}
