// SPDX-License-Identifier: Apache-2.0
// wasi:keyvalue, the component's side: a bucket is its name and the link that was chosen when it was opened;
// each function is one call through that link.
//
// Whatever keeps a call from being done (a link that was cut, a lost backend, a deadline) is the contract's
// error `other` with the reason in words, or `access-denied` when somebody said no.
#include "driver/keyvalue/keyvalue.h"
#include "base/buf.h"
#include "base/mem.h"
#include "capability/links.h"
#include "wasi/keyvalue_atomics.h"
#include "wasi/keyvalue_batch.h"
#include "wasi/keyvalue_store.h"

static const char store_interface[] = "wasi:keyvalue/store";

struct wasi_keyvalue_store_bucket {
    wasi_resource base;
    size_t name_len;
    uint8_t name[KEYVALUE_BUCKET_BYTES_MAX];
};

typedef wasi_keyvalue_store_bucket bucket;
typedef wasi_keyvalue_store_error contract_error;

static void bucket_free(wasi_resource *r) { mem_free(r); }

static const wasi_resource_ops bucket_ops = {.free = bucket_free};

void wasi_keyvalue_store_bucket_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

// --- errors ------------------------------------------------------------------------------------------------

static contract_error other(host_call *call, const char *message) {
    return (contract_error){
        .tag = WASI_KEYVALUE_STORE_ERROR_OTHER,
        .of.other = arena_copy(host_call_arena(call), slice_from_text(message)),
    };
}

static contract_error error_of_status(host_call *call, status s, const err *why) {
    if (s == STATUS_DENIED) {
        return (contract_error){.tag = WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED};
    }
    return other(call, why->message);
}

static contract_error error_of_answer(const keyvalue_answer *a) {
    return (contract_error){.tag = (uint8_t)a->error, .of.other = a->message};
}

_Static_assert((int)KEYVALUE_NO_SUCH_STORE == (int)WASI_KEYVALUE_STORE_ERROR_NO_SUCH_STORE &&
                   (int)KEYVALUE_ACCESS_DENIED == (int)WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED &&
                   (int)KEYVALUE_OTHER == (int)WASI_KEYVALUE_STORE_ERROR_OTHER,
               "one list of errors");

// --- calls -------------------------------------------------------------------------------------------------

static status exchange(host_call *call, const keyvalue_call *c, buf *payload, keyvalue_answer *ret, err *e) {
    const wasi_link *link;
    slice interface = slice_from_text(keyvalue_interface_name(c->function));
    slice function = slice_from_text(keyvalue_function_name(c->function));
    slice answer;
    TRY(wasi_link_of(call, interface, &link, e));
    TRY(keyvalue_call_encode(c, payload, e));
    TRY(wasi_link_call(call, link, function, buf_slice(payload), &answer, e));
    return keyvalue_answer_decode(c->function, answer, host_call_arena(call), ret, e);
}

// STATUS_OK: look at `*ret_error`. What the answer refers to lives until the host function returns.
static status do_call(host_call *call, const keyvalue_call *c, keyvalue_answer *ret, bool *ret_is_error,
                      contract_error *ret_error, err *e) {
    auto_buf payload;
    err why;
    buf_init(&payload, KEYVALUE_CALL_BYTES_MAX);
    status s = exchange(call, c, &payload, ret, &why);
    if (s == STATUS_CANCELLED) {
        return err_set(e, s, "%s", why.message);
    }
    *ret_is_error = s != STATUS_OK || ret->is_error;
    if (*ret_is_error) {
        *ret_error = s != STATUS_OK ? error_of_status(call, s, &why) : error_of_answer(ret);
    }
    return STATUS_OK;
}

static slice name_of(const bucket *b) { return slice_of(b->name, b->name_len); }

// --- wasi:keyvalue/store -----------------------------------------------------------------------------------

// Opening makes no call, as in wasmCloud 1.x; but a link that is not there is told now.
status wasi_keyvalue_store_open(host_call *call, slice identifier,
                                wasi_keyvalue_store_result_bucket_error *ret, err *e) {
    wasi_instance *i = wasi_of(call);
    const wasi_link *link;
    err why;
    (void)e;
    status s = wasi_link_of(call, slice_from_text(store_interface), &link, &why);
    ret->is_err = true;
    if (s != STATUS_OK) {
        ret->err = error_of_status(call, s, &why);
        return STATUS_OK;
    }
    if (identifier.len > KEYVALUE_BUCKET_BYTES_MAX) {
        ret->err.tag = WASI_KEYVALUE_STORE_ERROR_NO_SUCH_STORE;
        return STATUS_OK;
    }
    bucket *b = WASI_NEW(i, bucket, &bucket_ops, WASI_CLASS_OTHER, NULL, &why);
    if (b == NULL) {
        ret->err = other(call, why.message);
        return STATUS_OK;
    }
    b->name_len = identifier.len;
    if (identifier.len > 0) {
        memcpy(b->name, identifier.data, identifier.len);
    }
    ret->is_err = false;
    ret->ok = b;
    return STATUS_OK;
}

status wasi_keyvalue_store_bucket_get(host_call *call, bucket *self, slice key,
                                      wasi_keyvalue_store_result_option_list_u8_error *ret, err *e) {
    const keyvalue_call c = {.function = KEYVALUE_GET, .bucket = name_of(self), .key = key};
    keyvalue_answer a = {0};
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = (wasi_keyvalue_store_option_list_u8){a.is_there, a.value};
    }
    return STATUS_OK;
}

status wasi_keyvalue_store_bucket_set(host_call *call, bucket *self, slice key, slice value,
                                      wasi_keyvalue_store_result_void_error *ret, err *e) {
    const keyvalue_call c = {.function = KEYVALUE_SET, .bucket = name_of(self), .key = key, .value = value};
    keyvalue_answer a = {0};
    return do_call(call, &c, &a, &ret->is_err, &ret->err, e);
}

status wasi_keyvalue_store_bucket_delete(host_call *call, bucket *self, slice key,
                                         wasi_keyvalue_store_result_void_error *ret, err *e) {
    const keyvalue_call c = {.function = KEYVALUE_DELETE, .bucket = name_of(self), .key = key};
    keyvalue_answer a = {0};
    return do_call(call, &c, &a, &ret->is_err, &ret->err, e);
}

status wasi_keyvalue_store_bucket_exists(host_call *call, bucket *self, slice key,
                                         wasi_keyvalue_store_result_bool_error *ret, err *e) {
    const keyvalue_call c = {.function = KEYVALUE_EXISTS, .bucket = name_of(self), .key = key};
    keyvalue_answer a = {0};
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = a.is_there;
    }
    return STATUS_OK;
}

static status no_room(const keyvalue_answer *a, err *e) {
    return err_set(e, STATUS_TRAP, "an answer with %zu keys is more than one call may take", a->count);
}

status wasi_keyvalue_store_bucket_list_keys(host_call *call, bucket *self,
                                            const wasi_keyvalue_store_option_u64 *cursor,
                                            wasi_keyvalue_store_result_key_response_error *ret, err *e) {
    const keyvalue_call c = {.function = KEYVALUE_LIST_KEYS,
                             .bucket = name_of(self),
                             .has_cursor = cursor->some,
                             .cursor = cursor->some ? cursor->value : 0};
    keyvalue_answer a = {0};
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    if (ret->is_err) {
        return STATUS_OK;
    }
    slice *keys = ARENA_ARRAY(host_call_arena(call), slice, a.count);
    if (keys == NULL) {
        return no_room(&a, e);
    }
    for (size_t k = 0; k < a.count; k++) {
        keys[k] = a.items[k].key;
    }
    ret->ok.keys = (wasi_keyvalue_store_list_string){keys, a.count};
    ret->ok.cursor = (wasi_keyvalue_store_option_u64){a.has_cursor, a.cursor};
    return STATUS_OK;
}

// --- wasi:keyvalue/atomics ---------------------------------------------------------------------------------

status wasi_keyvalue_atomics_increment(host_call *call, bucket *self, slice key, uint64_t delta,
                                       wasi_keyvalue_atomics_result_u64_error *ret, err *e) {
    const keyvalue_call c = {
        .function = KEYVALUE_INCREMENT, .bucket = name_of(self), .key = key, .delta = delta};
    keyvalue_answer a = {0};
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = a.number;
    }
    return STATUS_OK;
}

// --- wasi:keyvalue/batch -----------------------------------------------------------------------------------

static status items_of_keys(host_call *call, const slice *keys, size_t count, const keyvalue_item **ret,
                            err *e) {
    keyvalue_item *items = ARENA_ARRAY(host_call_arena(call), keyvalue_item, count);
    if (items == NULL) {
        return err_set(e, STATUS_TRAP, "%zu keys are more than one call may use", count);
    }
    for (size_t k = 0; k < count; k++) {
        items[k].key = keys[k];
    }
    *ret = items;
    return STATUS_OK;
}

static status keep_found(host_call *call, const keyvalue_answer *a,
                         wasi_keyvalue_batch_list_option_tuple_string_list_u8 *ret, err *e) {
    wasi_keyvalue_batch_option_tuple_string_list_u8 *found =
        ARENA_ARRAY(host_call_arena(call), wasi_keyvalue_batch_option_tuple_string_list_u8, a->count);
    if (found == NULL) {
        return no_room(a, e);
    }
    for (size_t k = 0; k < a->count; k++) {
        const keyvalue_item *item = &a->items[k];
        found[k].some = item->is_there;
        found[k].value.f0 = item->key;
        found[k].value.f1 = item->value;
    }
    ret->items = found;
    ret->count = a->count;
    return STATUS_OK;
}

status wasi_keyvalue_batch_get_many(host_call *call, bucket *self,
                                    const wasi_keyvalue_batch_list_string *keys,
                                    wasi_keyvalue_batch_result_list_option_tuple_string_list_u8_error *ret,
                                    err *e) {
    keyvalue_call c = {.function = KEYVALUE_GET_MANY, .bucket = name_of(self), .count = keys->count};
    keyvalue_answer a = {0};
    TRY(items_of_keys(call, keys->items, keys->count, &c.items, e));
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    return ret->is_err ? STATUS_OK : keep_found(call, &a, &ret->ok, e);
}

status wasi_keyvalue_batch_set_many(host_call *call, bucket *self,
                                    const wasi_keyvalue_batch_list_tuple_string_list_u8 *key_values,
                                    wasi_keyvalue_batch_result_void_error *ret, err *e) {
    size_t count = key_values->count;
    keyvalue_item *items = ARENA_ARRAY(host_call_arena(call), keyvalue_item, count);
    if (items == NULL) {
        return err_set(e, STATUS_TRAP, "%zu keys are more than one call may use", count);
    }
    for (size_t k = 0; k < count; k++) {
        items[k] = (keyvalue_item){.key = key_values->items[k].f0, .value = key_values->items[k].f1};
    }
    const keyvalue_call c = {
        .function = KEYVALUE_SET_MANY, .bucket = name_of(self), .items = items, .count = count};
    keyvalue_answer a = {0};
    return do_call(call, &c, &a, &ret->is_err, &ret->err, e);
}

status wasi_keyvalue_batch_delete_many(host_call *call, bucket *self,
                                       const wasi_keyvalue_batch_list_string *keys,
                                       wasi_keyvalue_batch_result_void_error *ret, err *e) {
    keyvalue_call c = {.function = KEYVALUE_DELETE_MANY, .bucket = name_of(self), .count = keys->count};
    keyvalue_answer a = {0};
    TRY(items_of_keys(call, keys->items, keys->count, &c.items, e));
    return do_call(call, &c, &a, &ret->is_err, &ret->err, e);
}
