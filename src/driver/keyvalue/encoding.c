// SPDX-License-Identifier: Apache-2.0
// Calls and answers as bytes, both directions of both.
#include "base/check.h"
#include "codec/values.h"
#include "driver/keyvalue/keyvalue.h"

const char *const keyvalue_interfaces[] = {"wasi:keyvalue/store", "wasi:keyvalue/atomics",
                                           "wasi:keyvalue/batch", "wasi:keyvalue/watcher", NULL};

static const struct {
    uint8_t interface;
    const char *name;
} names[KEYVALUE_FUNCTION_COUNT] = {
    [KEYVALUE_GET] = {0, "get"},
    [KEYVALUE_SET] = {0, "set"},
    [KEYVALUE_DELETE] = {0, "delete"},
    [KEYVALUE_EXISTS] = {0, "exists"},
    [KEYVALUE_LIST_KEYS] = {0, "list-keys"},
    [KEYVALUE_INCREMENT] = {1, "increment"},
    [KEYVALUE_INCREMENT_SIGNED] = {1, "increment-signed"},
    [KEYVALUE_COMPARE_AND_SWAP] = {1, "compare-and-swap"},
    [KEYVALUE_GET_MANY] = {2, "get-many"},
    [KEYVALUE_SET_MANY] = {2, "set-many"},
    [KEYVALUE_DELETE_MANY] = {2, "delete-many"},
};

const char *keyvalue_interface_name(keyvalue_function f) { return keyvalue_interfaces[names[f].interface]; }
const char *keyvalue_function_name(keyvalue_function f) { return names[f].name; }

bool keyvalue_function_find(slice interface, slice function, keyvalue_function *ret) {
    for (unsigned f = 0; f < KEYVALUE_FUNCTION_COUNT; f++) {
        if (slice_equal_text(function, names[f].name) &&
            slice_equal_text(interface, keyvalue_interfaces[names[f].interface])) {
            *ret = (keyvalue_function)f;
            return true;
        }
    }
    return false;
}

static bool has_key(keyvalue_function f) { return f != KEYVALUE_LIST_KEYS && f < KEYVALUE_GET_MANY; }

// --- calls -------------------------------------------------------------------------------------------------

status keyvalue_call_encode(const keyvalue_call *c, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_string(&w, c->bucket);
    if (has_key(c->function)) {
        values_write_string(&w, c->key);
    }
    switch (c->function) {
    case KEYVALUE_SET:
        values_write_bytes(&w, c->value);
        break;
    case KEYVALUE_LIST_KEYS:
        values_write_option(&w, c->has_cursor);
        if (c->has_cursor) {
            values_write_u64(&w, c->cursor);
        }
        break;
    case KEYVALUE_INCREMENT:
        values_write_u64(&w, c->delta);
        break;
    case KEYVALUE_INCREMENT_SIGNED:
        values_write_s64(&w, (int64_t)c->delta);
        break;
    case KEYVALUE_COMPARE_AND_SWAP:
        values_write_option(&w, c->has_expected);
        if (c->has_expected) {
            values_write_bytes(&w, c->expected);
        }
        values_write_bytes(&w, c->value);
        break;
    case KEYVALUE_GET_MANY:
    case KEYVALUE_SET_MANY:
    case KEYVALUE_DELETE_MANY:
        values_write_count(&w, (uint32_t)c->count);
        for (size_t i = 0; i < c->count; i++) {
            values_write_string(&w, c->items[i].key);
            if (c->function == KEYVALUE_SET_MANY) {
                values_write_bytes(&w, c->items[i].value);
            }
        }
        break;
    default:
        break;
    }
    return values_write_end(&w, "arguments of a key-value function", e);
}

// The items of a list of at most `max`; NULL with a problem in `r`.
static keyvalue_item *new_items(values_reader *r, size_t item_bytes_min, size_t max, arena *a, size_t *ret) {
    *ret = values_read_count(r, item_bytes_min);
    if (*ret > max) {
        values_read_fail(r, "a list has too many items");
        return NULL;
    }
    keyvalue_item *items = ARENA_ARRAY(a, keyvalue_item, *ret);
    if (items == NULL) {
        values_read_fail(r, "no memory for a list");
    }
    return items;
}

static void read_call_items(values_reader *r, arena *a, keyvalue_call *c) {
    bool has_values = c->function == KEYVALUE_SET_MANY;
    keyvalue_item *items = new_items(r, has_values ? 2 : 1, KEYVALUE_MANY_MAX, a, &c->count);
    for (size_t i = 0; values_read_ok(r) && i < c->count; i++) {
        items[i].key = values_read_string(r);
        items[i].value = has_values ? values_read_bytes(r) : slice_empty();
    }
    c->items = items;
}

status keyvalue_call_decode(keyvalue_function f, slice payload, arena *a, keyvalue_call *ret, err *e) {
    values_reader r = values_reader_of(payload);
    keyvalue_call c = {.function = f, .bucket = values_read_string(&r)};
    if (has_key(f)) {
        c.key = values_read_string(&r);
    }
    switch (f) {
    case KEYVALUE_SET:
        c.value = values_read_bytes(&r);
        break;
    case KEYVALUE_LIST_KEYS:
        c.has_cursor = values_read_option(&r);
        c.cursor = c.has_cursor ? values_read_u64(&r) : 0;
        break;
    case KEYVALUE_INCREMENT:
        c.delta = values_read_u64(&r);
        break;
    case KEYVALUE_INCREMENT_SIGNED:
        c.delta = (uint64_t)values_read_s64(&r);
        break;
    case KEYVALUE_COMPARE_AND_SWAP:
        c.has_expected = values_read_option(&r);
        c.expected = c.has_expected ? values_read_bytes(&r) : slice_empty();
        c.value = values_read_bytes(&r);
        break;
    case KEYVALUE_GET_MANY:
    case KEYVALUE_SET_MANY:
    case KEYVALUE_DELETE_MANY:
        read_call_items(&r, a, &c);
        break;
    default:
        break;
    }
    TRY(values_read_end(&r, "arguments of a key-value function", e));
    *ret = c;
    return STATUS_OK;
}

// --- answers -----------------------------------------------------------------------------------------------

static void write_error(values_writer *w, const keyvalue_answer *a) {
    values_write_case(w, a->error);
    if (a->error == KEYVALUE_OTHER) {
        values_write_string(w, a->message);
    }
}

static void write_answer_items(values_writer *w, keyvalue_function f, const keyvalue_answer *a) {
    values_write_count(w, (uint32_t)a->count);
    for (size_t i = 0; i < a->count; i++) {
        const keyvalue_item *item = &a->items[i];
        if (f == KEYVALUE_GET_MANY) {
            values_write_option(w, item->is_there);
            if (!item->is_there) {
                continue;
            }
        }
        values_write_string(w, item->key);
        if (f == KEYVALUE_GET_MANY) {
            values_write_bytes(w, item->value);
        }
    }
}

static void write_ok(values_writer *w, keyvalue_function f, const keyvalue_answer *a) {
    switch (f) {
    case KEYVALUE_GET:
        values_write_option(w, a->is_there);
        if (a->is_there) {
            values_write_bytes(w, a->value);
        }
        break;
    case KEYVALUE_EXISTS:
    case KEYVALUE_COMPARE_AND_SWAP:
        values_write_bool(w, a->is_there);
        break;
    case KEYVALUE_INCREMENT:
        values_write_u64(w, a->number);
        break;
    case KEYVALUE_INCREMENT_SIGNED:
        values_write_s64(w, (int64_t)a->number);
        break;
    case KEYVALUE_GET_MANY:
        write_answer_items(w, f, a);
        break;
    case KEYVALUE_LIST_KEYS:
        write_answer_items(w, f, a);
        values_write_option(w, a->has_cursor);
        if (a->has_cursor) {
            values_write_u64(w, a->cursor);
        }
        break;
    default:
        break;
    }
}

status keyvalue_answer_encode(keyvalue_function f, const keyvalue_answer *a, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_is_ok(&w, !a->is_error);
    if (a->is_error) {
        write_error(&w, a);
    } else {
        write_ok(&w, f, a);
    }
    return values_write_end(&w, "answer of a key-value function", e);
}

static void read_answer_items(values_reader *r, keyvalue_function f, arena *memory, keyvalue_answer *a) {
    size_t max = f == KEYVALUE_GET_MANY ? KEYVALUE_MANY_MAX : KEYVALUE_KEYS_READ_MAX;
    keyvalue_item *items = new_items(r, 1, max, memory, &a->count);
    for (size_t i = 0; values_read_ok(r) && i < a->count; i++) {
        items[i].is_there = f != KEYVALUE_GET_MANY || values_read_option(r);
        if (items[i].is_there) {
            items[i].key = values_read_string(r);
            items[i].value = f == KEYVALUE_GET_MANY ? values_read_bytes(r) : slice_empty();
        }
    }
    a->items = items;
}

static void read_ok(values_reader *r, keyvalue_function f, arena *memory, keyvalue_answer *a) {
    switch (f) {
    case KEYVALUE_GET:
        a->is_there = values_read_option(r);
        a->value = a->is_there ? values_read_bytes(r) : slice_empty();
        break;
    case KEYVALUE_EXISTS:
    case KEYVALUE_COMPARE_AND_SWAP:
        a->is_there = values_read_bool(r);
        break;
    case KEYVALUE_INCREMENT:
        a->number = values_read_u64(r);
        break;
    case KEYVALUE_INCREMENT_SIGNED:
        a->number = (uint64_t)values_read_s64(r);
        break;
    case KEYVALUE_GET_MANY:
        read_answer_items(r, f, memory, a);
        break;
    case KEYVALUE_LIST_KEYS:
        read_answer_items(r, f, memory, a);
        a->has_cursor = values_read_option(r);
        a->cursor = a->has_cursor ? values_read_u64(r) : 0;
        break;
    default:
        break;
    }
}

status keyvalue_answer_decode(keyvalue_function f, slice payload, arena *memory, keyvalue_answer *ret,
                              err *e) {
    values_reader r = values_reader_of(payload);
    keyvalue_answer a = {.is_error = !values_read_is_ok(&r)};
    if (a.is_error) {
        a.error = (keyvalue_error)values_read_case(&r, KEYVALUE_OTHER + 1);
        a.message = a.error == KEYVALUE_OTHER ? values_read_string(&r) : slice_empty();
    } else {
        read_ok(&r, f, memory, &a);
    }
    TRY(values_read_end(&r, "answer of a key-value function", e));
    *ret = a;
    return STATUS_OK;
}
