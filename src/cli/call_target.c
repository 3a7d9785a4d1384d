// SPDX-License-Identifier: Apache-2.0
#include "cli/call_target.h"

#include <stdio.h>
#include <string.h>

#include "component/type_format.h"
#include "component/value_code.h"
#include "component/wave.h"
#include "os/whole_file.h"

enum { COMPONENT_BYTES_MAX = 256 << 20, VALUES_BYTES_MAX = 64 << 20, TYPE_BYTES_MAX = 400 };

// --- finding it --------------------------------------------------------------------------------------------

typedef struct wanted {
    slice interface; // without a version
    semver version;
    bool has_version;
    slice function;
} wanted;

static wanted split(const char *name) {
    slice all = slice_from_text(name), interface;
    size_t dot = SIZE_MAX;
    wanted w = {.function = all};
    for (size_t i = all.len; i > 0 && dot == SIZE_MAX && slice_find(all, 0, ':') != SIZE_MAX; i--) {
        dot = all.data[i - 1] == '.' ? i - 1 : dot;
    }
    if (dot != SIZE_MAX) {
        interface = slice_sub(all, 0, dot);
        w.function = slice_sub(all, dot + 1, all.len);
        w.has_version = component_name_split(interface, &w.interface, &w.version);
    }
    return w;
}

static bool is_interface(const wanted *w, slice full) {
    slice name;
    semver version;
    bool has_version = component_name_split(full, &name, &version);
    return slice_equal(name, w->interface) &&
           (!w->has_version || !has_version || semver_compatible(&version, &w->version));
}

static void keep(call_target *t, slice interface, const component_item *item) {
    t->func = item->func;
    (void)snprintf(t->interface, sizeof t->interface, "%.*s", SLICE_ARG(interface));
    (void)snprintf(t->function, sizeof t->function, "%.*s", SLICE_ARG(item->name));
}

// All that could be called, for a message.
static void list_function(buf *names, slice interface, const component_item *item) {
    if (item->kind == COMPONENT_FUNC && names->len + interface.len + item->name.len + 8 < names->max) {
        (void)!buf_append_text(names, names->len > 0 ? ", " : "");
        cli_append_printable(names, interface);
        (void)!buf_append_text(names, interface.len > 0 ? "." : "");
        cli_append_printable(names, item->name);
    }
}

static void look_at(call_target *t, const wanted *w, slice interface, const component_item *item,
                    buf *names) {
    bool is_there =
        w->interface.len > 0 ? interface.len > 0 && is_interface(w, interface) : interface.len == 0;
    list_function(names, interface, item);
    if (item->kind == COMPONENT_FUNC && is_there && slice_equal(item->name, w->function)) {
        keep(t, interface, item);
    }
}

static status find(call_target *t, const char *path, const char *name, err *e) {
    auto_buf names;
    wanted w = split(name);
    buf_init(&names, 600);
    for (size_t i = 0; i < component_export_count(t->c); i++) {
        const component_item *item = component_export_at(t->c, i);
        look_at(t, &w, slice_empty(), item, &names);
        for (size_t k = 0; k < item->item_count; k++) {
            look_at(t, &w, component_item_interface(item), &item->items[k], &names);
        }
    }
    if (t->func != NULL) {
        return value_code_check(t->func, e);
    }
    return err_set(e, STATUS_NOT_FOUND, "%.200s exports no \"%.120s\"; it has: %s", path, name,
                   names.len > 0 ? buf_text(&names) : "no functions");
}

status call_target_load(call_target *t, const char *path, const char *name, err *e) {
    component_limits limits = component_limits_default();
    TRY(file_read_whole(path, COMPONENT_BYTES_MAX, &t->bytes, e));
    if (component_decode(buf_slice(&t->bytes), &limits, &t->c, e) != STATUS_OK) {
        return err_wrap(e, "%.300s", path);
    }
    return find(t, path, name, e);
}

void call_target_done(call_target *t) {
    component_free(t->c);
    buf_done(&t->bytes);
    *t = (call_target){0};
}

// --- values ------------------------------------------------------------------------------------------------

static status check_count(const call_target *t, const cli_words *texts, err *e) {
    auto_buf type;
    buf_init(&type, TYPE_BYTES_MAX);
    if (texts->count == t->func->param_count) {
        return STATUS_OK;
    }
    type_format_func(t->func, &type);
    return err_set(e, STATUS_INVALID, "%s takes %u argument%s, not %zu: %.*s", t->function,
                   t->func->param_count, t->func->param_count == 1 ? "" : "s", texts->count,
                   SLICE_ARG(buf_slice(&type)));
}

status call_target_params(const call_target *t, const cli_words *texts, buf *ret, err *e) {
    auto_arena memory;
    values_writer w = values_writer_of(ret);
    arena_init(&memory, VALUES_BYTES_MAX);
    TRY(check_count(t, texts, e));
    for (uint32_t i = 0; i < t->func->param_count; i++) {
        component_value v;
        const ctype_param *p = &t->func->params[i];
        if (wave_read(p->type, slice_from_text(texts->items[i]), &memory, &v, e) != STATUS_OK) {
            return err_wrap(e, "argument %u (%.*s)", i + 1, SLICE_ARG(slice_sub(p->name, 0, 80)));
        }
        value_code_write(p->type, &v, &w);
    }
    return values_write_end(&w, "the arguments", e);
}

status call_target_result(const call_target *t, slice results, buf *ret, bool *ret_is_error, err *e) {
    auto_arena memory;
    component_value v;
    values_reader r = values_reader_of(results);
    const ctype *type = t->func->result;
    arena_init(&memory, VALUES_BYTES_MAX);
    if (type != NULL) {
        value_code_read(type, &r, &memory, &v);
    }
    TRY(values_read_end(&r, "the result", e));
    *ret_is_error = type != NULL && type->kind == CTYPE_RESULT && v.of.variant.tag == 1;
    if (type != NULL && wave_write(type, &v, ret) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the result is more text than this shows");
    }
    return STATUS_OK;
}
