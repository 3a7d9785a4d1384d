// SPDX-License-Identifier: Apache-2.0
// wasi:keyvalue, the component's side: a bucket is its name, and each function is one call, through the link
// of the import that it is called by or that is chosen then.
//
// Whatever keeps a call from being done (a link that was cut, a lost backend, a deadline) is the contract's
// error `other` with the reason in words, or `access-denied` when somebody said no.
#include "base/buf.h"
#include "base/mem.h"
#include "capability/keyvalue/keyvalue_internal.h"
#include "wasi/keyvalue_atomics.h"
#include "wasi/keyvalue_batch.h"
#include "wasi/keyvalue_store.h"

static const char store_interface[] = "wasi:keyvalue/store";

struct wasi_keyvalue_store_bucket {
    keyvalue_bucket bucket;
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

_Static_assert((int)KEYVALUE_NO_SUCH_STORE == (int)WASI_KEYVALUE_STORE_ERROR_NO_SUCH_STORE &&
                   (int)KEYVALUE_ACCESS_DENIED == (int)WASI_KEYVALUE_STORE_ERROR_ACCESS_DENIED &&
                   (int)KEYVALUE_OTHER == (int)WASI_KEYVALUE_STORE_ERROR_OTHER,
               "one list of errors");

keyvalue_failure keyvalue_failure_of(host_call *call, status s, const char *why) {
    if (s == STATUS_DENIED) {
        return (keyvalue_failure){.tag = KEYVALUE_ACCESS_DENIED};
    }
    return (keyvalue_failure){KEYVALUE_OTHER, arena_copy(host_call_arena(call), slice_from_text(why))};
}

static contract_error error_of(const keyvalue_failure *f) {
    return (contract_error){.tag = (uint8_t)f->tag, .of.other = f->other};
}

// --- calls -------------------------------------------------------------------------------------------------

// A rule that takes `increment` away means that of every draft.
static status check_first_name(host_call *call, const wasi_link *l, keyvalue_function f, err *e) {
    const char *name = keyvalue_function_name(KEYVALUE_INCREMENT);
    return f != KEYVALUE_INCREMENT_SIGNED ? STATUS_OK
                                          : wasi_call_check(wasi_of(call), l->target_name, l->interface,
                                                            slice_from_text(name), l->name, e);
}

static status exchange(host_call *call, const keyvalue_call *c, buf *payload, keyvalue_answer *ret, err *e) {
    const wasi_link *link;
    slice interface = slice_from_text(keyvalue_interface_name(c->function));
    slice function = slice_from_text(keyvalue_function_name(c->function));
    slice answer;
    TRY(wasi_link_of(call, interface, &link, e));
    TRY(check_first_name(call, link, c->function, e));
    TRY(keyvalue_call_encode(c, payload, e));
    TRY(wasi_link_call(call, link, function, buf_slice(payload), &answer, e));
    return keyvalue_answer_decode(c->function, answer, host_call_arena(call), ret, e);
}

status keyvalue_do(host_call *call, const keyvalue_call *c, keyvalue_answer *ret, bool *ret_is_error,
                   keyvalue_failure *ret_failure, err *e) {
    auto_buf payload;
    err why;
    buf_init(&payload, KEYVALUE_CALL_BYTES_MAX);
    status s = exchange(call, c, &payload, ret, &why);
    if (s == STATUS_CANCELLED) {
        return err_set(e, s, "%s", why.message);
    }
    *ret_is_error = s != STATUS_OK || ret->is_error;
    if (*ret_is_error) {
        *ret_failure = s != STATUS_OK ? keyvalue_failure_of(call, s, why.message)
                                      : (keyvalue_failure){ret->error, ret->message};
    }
    return STATUS_OK;
}

static status do_call(host_call *call, const keyvalue_call *c, keyvalue_answer *ret, bool *ret_is_error,
                      contract_error *ret_error, err *e) {
    keyvalue_failure failure;
    TRY(keyvalue_do(call, c, ret, ret_is_error, &failure, e));
    if (*ret_is_error) {
        *ret_error = error_of(&failure);
    }
    return STATUS_OK;
}

static slice name_of(const bucket *b) { return keyvalue_bucket_name(&b->bucket); }

status keyvalue_no_room(size_t keys, err *e) {
    return err_set(e, STATUS_TRAP, "%zu keys are more than one call may take", keys);
}

// --- wasi:keyvalue/store -----------------------------------------------------------------------------------

status keyvalue_bucket_new(wasi_instance *i, slice name, keyvalue_bucket **ret, err *e) {
    if (name.len > KEYVALUE_BUCKET_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "the name of a bucket has at most %d bytes",
                       KEYVALUE_BUCKET_BYTES_MAX);
    }
    keyvalue_bucket *b = WASI_NEW(i, keyvalue_bucket, &bucket_ops, WASI_CLASS_OTHER, NULL, e);
    if (b == NULL) {
        return STATUS_LIMIT;
    }
    b->name_len = name.len;
    if (name.len > 0) {
        memcpy(b->name, name.data, name.len);
    }
    *ret = b;
    return STATUS_OK;
}

// Opening makes no call, as in wasmCloud 1.x; but a link that is not there is told now.
keyvalue_bucket *keyvalue_open(host_call *call, slice identifier, keyvalue_failure *ret_failure) {
    const wasi_link *link;
    keyvalue_bucket *b = NULL;
    err why;
    status s = wasi_link_of(call, slice_from_text(store_interface), &link, &why);
    if (s == STATUS_OK) {
        s = keyvalue_bucket_new(wasi_of(call), identifier, &b, &why);
    }
    if (s == STATUS_INVALID) {
        *ret_failure = (keyvalue_failure){.tag = KEYVALUE_NO_SUCH_STORE};
    } else if (s != STATUS_OK) {
        *ret_failure = keyvalue_failure_of(call, s, why.message);
    }
    return b;
}

status wasi_keyvalue_store_open(host_call *call, slice identifier,
                                wasi_keyvalue_store_result_bucket_error *ret, err *e) {
    keyvalue_failure failure;
    bucket *b = (bucket *)keyvalue_open(call, identifier, &failure);
    (void)e;
    ret->is_err = b == NULL;
    if (ret->is_err) {
        ret->err = error_of(&failure);
    } else {
        ret->ok = b;
    }
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

status keyvalue_keys_of_answer(host_call *call, const keyvalue_answer *a, slice **ret, err *e) {
    slice *keys = ARENA_ARRAY(host_call_arena(call), slice, a->count);
    if (keys == NULL) {
        return keyvalue_no_room(a->count, e);
    }
    for (size_t k = 0; k < a->count; k++) {
        keys[k] = a->items[k].key;
    }
    *ret = keys;
    return STATUS_OK;
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
    slice *keys;
    TRY(keyvalue_keys_of_answer(call, &a, &keys, e));
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

status keyvalue_items_of_keys(host_call *call, const slice *keys, size_t count, const keyvalue_item **ret,
                              err *e) {
    keyvalue_item *items = ARENA_ARRAY(host_call_arena(call), keyvalue_item, count);
    if (items == NULL) {
        return keyvalue_no_room(count, e);
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
        return keyvalue_no_room(a->count, e);
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
    TRY(keyvalue_items_of_keys(call, keys->items, keys->count, &c.items, e));
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    return ret->is_err ? STATUS_OK : keep_found(call, &a, &ret->ok, e);
}

status wasi_keyvalue_batch_set_many(host_call *call, bucket *self,
                                    const wasi_keyvalue_batch_list_tuple_string_list_u8 *key_values,
                                    wasi_keyvalue_batch_result_void_error *ret, err *e) {
    size_t count = key_values->count;
    keyvalue_item *items = ARENA_ARRAY(host_call_arena(call), keyvalue_item, count);
    if (items == NULL) {
        return keyvalue_no_room(count, e);
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
    TRY(keyvalue_items_of_keys(call, keys->items, keys->count, &c.items, e));
    return do_call(call, &c, &a, &ret->is_err, &ret->err, e);
}
