// SPDX-License-Identifier: Apache-2.0
// Lists of header fields and the resource over them.
//
// Fields that belong to the transport (connection, framing, host) are refused from guests, and left out of
// what guests see, so that headers can be copied from one message to the next.
#include "base/mem.h"
#include "capability/http/http_internal.h"

struct wasi_http_types_fields {
    wasi_resource base;
    http_fields *list;
    bool is_immutable;
};

enum { FIELD_OVERHEAD = 32, FIRST_CAPACITY = 8 };

// --- lists -------------------------------------------------------------------------------------------------

http_fields *http_fields_new(wasi_instance *i) {
    http_fields *f = MEM_NEW(http_fields);
    f->refs = 1;
    f->account = http_account_ref(http_account_of(i));
    arena_init(&f->text, 4 * HTTP_FIELDS_BYTES_MAX);
    return f;
}

http_fields *http_fields_ref(http_fields *f) {
    f->refs++;
    return f;
}

void http_fields_unref(http_fields *f) {
    if (f != NULL && --f->refs == 0) {
        arena_done(&f->text);
        mem_free(f->items);
        http_account_refund(f->account, f->charged);
        http_account_unref(f->account);
        mem_free(f);
    }
}

// Removed fields leave their text behind; when that has become most of it, what is left is copied to a fresh
// arena.
static bool compact(http_fields *f) {
    arena fresh;
    arena_init(&fresh, f->text.max);
    for (size_t i = 0; i < f->count; i++) {
        slice name = arena_copy(&fresh, f->items[i].name);
        slice value = arena_copy(&fresh, f->items[i].value);
        if ((name.data == NULL && name.len > 0) || (value.data == NULL && value.len > 0)) {
            arena_done(&fresh);
            return false;
        }
        f->items[i] = (http_header){name, value};
    }
    arena_done(&f->text);
    f->text = fresh;
    http_account_refund(f->account, f->charged - f->bytes);
    f->charged = f->bytes;
    return true;
}

status http_fields_append(http_fields *f, slice name, slice value, err *e) {
    size_t bytes = name.len + value.len + FIELD_OVERHEAD;
    if (bytes > HTTP_FIELDS_BYTES_MAX - f->bytes) {
        return err_set(e, STATUS_LIMIT, "header fields over %d bytes", HTTP_FIELDS_BYTES_MAX);
    }
    if (f->text.used > 2 * HTTP_FIELDS_BYTES_MAX && !compact(f)) {
        return err_set(e, STATUS_LIMIT, "no memory for header fields");
    }
    if (!http_account_charge(f->account, bytes)) {
        return err_set(e, STATUS_LIMIT, "the messages of the instance take more than %d bytes",
                       HTTP_MESSAGES_BYTES_MAX);
    }
    f->charged += bytes;
    if (f->count == f->capacity) {
        f->capacity = f->capacity == 0 ? FIRST_CAPACITY : f->capacity * 2;
        f->items = mem_resize(f->items, f->capacity * sizeof *f->items);
    }
    uint8_t *text = arena_alloc(&f->text, name.len + value.len);
    if (text == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for header fields");
    }
    memcpy(text, name.data, name.len);
    if (value.len > 0) {
        memcpy(text + name.len, value.data, value.len);
    }
    f->items[f->count++] = (http_header){slice_of(text, name.len), slice_of(text + name.len, value.len)};
    f->bytes += bytes;
    return STATUS_OK;
}

static void remove_all(http_fields *f, slice name) {
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (slice_equal_nocase(f->items[i].name, name)) {
            f->bytes -= f->items[i].name.len + f->items[i].value.len + FIELD_OVERHEAD;
        } else {
            f->items[kept++] = f->items[i];
        }
    }
    f->count = kept;
}

status http_fields_from_wire(wasi_instance *i, const http_header *headers, size_t count, http_fields **ret,
                             err *e) {
    http_fields *f = http_fields_new(i);
    for (size_t k = 0; k < count; k++) {
        if (http_field_is_transport(headers[k].name)) {
            continue;
        }
        status added = http_fields_append(f, headers[k].name, headers[k].value, e);
        if (added != STATUS_OK) {
            http_fields_unref(f);
            return added;
        }
    }
    *ret = f;
    return STATUS_OK;
}

bool http_fields_content_length(const http_fields *f, int64_t *ret) {
    const http_header *found = NULL;
    for (size_t i = 0; i < f->count; i++) {
        if (slice_equal_nocase(f->items[i].name, slice_from_text("content-length"))) {
            if (found != NULL) {
                return false;
            }
            found = &f->items[i];
        }
    }
    uint64_t length = 0;
    if (found != NULL && (!slice_to_u64(found->value, &length) || length > INT64_MAX)) {
        return false;
    }
    *ret = found == NULL ? -1 : (int64_t)length;
    return true;
}

// --- the resource ------------------------------------------------------------------------------------------

static void free_fields(wasi_resource *r) {
    wasi_http_types_fields *f = (wasi_http_types_fields *)(void *)r;
    http_fields_unref(f->list);
    mem_free(f);
}

static const wasi_resource_ops fields_ops = {.free = free_fields};

status http_fields_resource_new(wasi_instance *i, http_fields *list, bool is_immutable,
                                wasi_http_types_fields **ret, err *e) {
    wasi_http_types_fields *f = WASI_NEW(i, wasi_http_types_fields, &fields_ops, WASI_CLASS_OTHER, NULL, e);
    if (f == NULL) {
        http_fields_unref(list);
        return STATUS_LIMIT;
    }
    f->list = list;
    f->is_immutable = is_immutable;
    *ret = f;
    return STATUS_OK;
}

status http_fields_view_new(wasi_instance *i, http_fields *list, wasi_http_types_fields **ret, err *e) {
    return http_fields_resource_new(i, http_fields_ref(list), true, ret, e);
}

http_fields *http_fields_take(wasi_http_types_fields *resource) {
    http_fields *list = http_fields_ref(resource->list);
    wasi_resource_drop(&resource->base);
    return list;
}

void wasi_http_types_fields_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_fields *)rep)->base);
}

status wasi_http_types_fields_new(host_call *call, wasi_http_types_fields **ret, err *e) {
    return http_fields_resource_new(wasi_of(call), http_fields_new(wasi_of(call)), false, ret, e);
}

typedef enum verdict {
    GOOD = -1,
    BAD_SYNTAX = WASI_HTTP_TYPES_HEADER_ERROR_INVALID_SYNTAX,
    FORBIDDEN = WASI_HTTP_TYPES_HEADER_ERROR_FORBIDDEN,
} verdict;

static verdict judge_name(slice name) {
    if (!http_token_is_valid(name)) {
        return BAD_SYNTAX;
    }
    return http_field_is_transport(name) ? FORBIDDEN : GOOD;
}

// Blanks at the ends mean nothing (RFC 9110 section 5.5) and are left out.
static verdict judge_value(slice *value) {
    *value = http_trim(*value);
    return http_value_is_valid(*value) ? GOOD : BAD_SYNTAX;
}

status wasi_http_types_fields_from_list(host_call *call,
                                        const wasi_http_types_list_tuple_string_field_value *entries,
                                        wasi_http_types_result_fields_header_error *ret, err *e) {
    http_fields *list = http_fields_new(wasi_of(call));
    for (size_t i = 0; i < entries->count; i++) {
        slice name = entries->items[i].f0;
        slice value = entries->items[i].f1;
        verdict v = judge_name(name);
        v = v == GOOD ? judge_value(&value) : v;
        if (v != GOOD) {
            http_fields_unref(list);
            ret->is_err = true;
            ret->err.tag = (uint8_t)v;
            return STATUS_OK;
        }
        status added = http_fields_append(list, name, value, e);
        if (added != STATUS_OK) {
            http_fields_unref(list);
            return added;
        }
    }
    ret->is_err = false;
    return http_fields_resource_new(wasi_of(call), list, false, &ret->ok, e);
}

status wasi_http_types_fields_get(host_call *call, wasi_http_types_fields *self, slice name,
                                  wasi_http_types_list_field_value *ret, err *e) {
    const http_fields *f = self->list;
    slice *values = ARENA_ARRAY(host_call_arena(call), slice, f->count);
    if (values == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for the values of a header field");
    }
    size_t count = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (slice_equal_nocase(f->items[i].name, name)) {
            values[count++] = f->items[i].value;
        }
    }
    *ret = (wasi_http_types_list_field_value){values, count};
    return STATUS_OK;
}

status wasi_http_types_fields_has(host_call *call, wasi_http_types_fields *self, slice name, bool *ret,
                                  err *e) {
    (void)call, (void)e;
    *ret = false;
    for (size_t i = 0; i < self->list->count; i++) {
        *ret = *ret || slice_equal_nocase(self->list->items[i].name, name);
    }
    return STATUS_OK;
}

// The part that every change begins with. True when it may go on.
static bool may_change(const wasi_http_types_fields *self, slice name,
                       wasi_http_types_result_void_header_error *ret) {
    verdict v = self->is_immutable ? (verdict)WASI_HTTP_TYPES_HEADER_ERROR_IMMUTABLE : judge_name(name);
    ret->is_err = v != GOOD;
    if (ret->is_err) {
        ret->err.tag = (uint8_t)v;
    }
    return !ret->is_err;
}

status wasi_http_types_fields_set(host_call *call, wasi_http_types_fields *self, slice name,
                                  const wasi_http_types_list_field_value *value,
                                  wasi_http_types_result_void_header_error *ret, err *e) {
    (void)call;
    if (!may_change(self, name, ret)) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < value->count; i++) {
        slice one = value->items[i];
        if (judge_value(&one) != GOOD) {
            ret->is_err = true;
            ret->err.tag = BAD_SYNTAX;
            return STATUS_OK;
        }
    }
    remove_all(self->list, name);
    for (size_t i = 0; i < value->count; i++) {
        TRY(http_fields_append(self->list, name, http_trim(value->items[i]), e));
    }
    return STATUS_OK;
}

status wasi_http_types_fields_delete(host_call *call, wasi_http_types_fields *self, slice name,
                                     wasi_http_types_result_void_header_error *ret, err *e) {
    (void)call, (void)e;
    if (may_change(self, name, ret)) {
        remove_all(self->list, name);
    }
    return STATUS_OK;
}

status wasi_http_types_fields_append(host_call *call, wasi_http_types_fields *self, slice name, slice value,
                                     wasi_http_types_result_void_header_error *ret, err *e) {
    (void)call;
    if (!may_change(self, name, ret)) {
        return STATUS_OK;
    }
    if (judge_value(&value) != GOOD) {
        ret->is_err = true;
        ret->err.tag = BAD_SYNTAX;
        return STATUS_OK;
    }
    return http_fields_append(self->list, name, value, e);
}

status wasi_http_types_fields_entries(host_call *call, wasi_http_types_fields *self,
                                      wasi_http_types_list_tuple_string_field_value *ret, err *e) {
    const http_fields *f = self->list;
    wasi_http_types_tuple_string_field_value *items =
        ARENA_ARRAY(host_call_arena(call), wasi_http_types_tuple_string_field_value, f->count);
    if (items == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for header fields");
    }
    for (size_t i = 0; i < f->count; i++) {
        items[i].f0 = f->items[i].name;
        items[i].f1 = f->items[i].value;
    }
    *ret = (wasi_http_types_list_tuple_string_field_value){items, f->count};
    return STATUS_OK;
}

status wasi_http_types_fields_clone(host_call *call, wasi_http_types_fields *self,
                                    wasi_http_types_fields **ret, err *e) {
    http_fields *copy = http_fields_new(wasi_of(call));
    for (size_t i = 0; i < self->list->count; i++) {
        status added = http_fields_append(copy, self->list->items[i].name, self->list->items[i].value, e);
        if (added != STATUS_OK) {
            http_fields_unref(copy);
            return added;
        }
    }
    return http_fields_resource_new(wasi_of(call), copy, false, ret, e);
}
