// SPDX-License-Identifier: Apache-2.0
#include "cli/call_target.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "component/type_format.h"
#include "component/value_code.h"
#include "component/wave.h"
#include "os/whole_file.h"

#define FILE_SCHEME "file://"

enum {
    COMPONENT_BYTES_MAX = 256 << 20,
    VALUES_BYTES_MAX = 64 << 20,
    TYPE_BYTES_MAX = 400,
    NAMES_BYTES_MAX = 600,
};

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

status call_target_find(call_target *t, const char *name, err *e) {
    auto_buf names;
    wanted w = split(name);
    buf_init(&names, NAMES_BYTES_MAX);
    t->func = NULL;
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
    return err_set(e, STATUS_NOT_FOUND, "%.200s exports no \"%.120s\"; it has: %s", t->path, name,
                   names.len > 0 ? buf_text(&names) : "no functions");
}

// --- the component -----------------------------------------------------------------------------------------

static status find_file(cli_lattice *l, const char *id, char ret[CALL_PATH_BYTES_MAX], err *e) {
    cli_running *r = MEM_NEW(cli_running);
    slice ref = slice_empty();
    status s = cli_running_find(l, "components", id, NULL, r, e);
    if (s == STATUS_OK) {
        (void)json_as_text(json_get(r->items[0].item, "image_ref"), &ref);
        bool is_file = slice_starts_with(ref, FILE_SCHEME) && ref.len < CALL_PATH_BYTES_MAX;
        slice path = slice_sub(ref, is_file ? sizeof FILE_SCHEME - 1 : ref.len, ref.len);
        memcpy(ret, path.data, path.len); // of a text that is not empty
        ret[path.len] = '\0';
        s = is_file
                ? STATUS_OK
                : err_set(
                      e, STATUS_UNSUPPORTED,
                      "%.80s runs from %.*s, whose types are not known here: name its file with --component",
                      id, SLICE_ARG(slice_sub(ref, 0, 200)));
    }
    cli_running_done(r);
    mem_free(r);
    return s;
}

static status load(call_target *t, err *e) {
    component_limits limits = component_limits_default();
    TRY(file_read_whole(t->path, COMPONENT_BYTES_MAX, &t->bytes, e));
    return component_decode(buf_slice(&t->bytes), &limits, &t->c, e) == STATUS_OK
               ? STATUS_OK
               : err_wrap(e, "%.300s", t->path);
}

status call_target_open(call_target *t, cli_lattice *l, const char *id, const char *file, err *e) {
    if (file == NULL) {
        TRY(find_file(l, id, t->path, e));
        return load(t, e) == STATUS_OK
                   ? STATUS_OK
                   : err_wrap(e, "the image of %.80s (--component names another file)", id);
    }
    if (strlen(file) >= sizeof t->path) {
        return err_set(e, STATUS_LIMIT, "--component: a path of more than %d bytes", CALL_PATH_BYTES_MAX - 1);
    }
    (void)snprintf(t->path, sizeof t->path, "%s", file);
    return load(t, e);
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

static status show(const ctype *type, const component_value *v, bool is_redacted, buf *ret, err *e) {
    status s = is_redacted ? wave_write_redacted(type, v, ret) : wave_write(type, v, ret);
    return s == STATUS_OK ? s : err_set(e, s, "more text than this shows");
}

status call_target_show_params(const call_target *t, slice params, bool is_redacted, buf *ret, err *e) {
    auto_arena memory;
    component_value *values = NULL;
    arena_init(&memory, VALUES_BYTES_MAX);
    TRY(value_code_read_params(t->func, params, &memory, &values, e));
    for (uint32_t i = 0; i < t->func->param_count; i++) {
        if (i > 0 && buf_append_text(ret, ", ") != STATUS_OK) {
            return err_set(e, STATUS_LIMIT, "more text than this shows");
        }
        TRY(show(t->func->params[i].type, &values[i], is_redacted, ret, e));
    }
    return STATUS_OK;
}

status call_target_show_result(const call_target *t, slice results, bool is_redacted, buf *ret,
                               bool *ret_is_error, err *e) {
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
    return type != NULL ? show(type, &v, is_redacted, ret, e) : STATUS_OK;
}
