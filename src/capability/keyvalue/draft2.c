// SPDX-License-Identifier: Apache-2.0
// wasi:keyvalue@0.2.0-draft2, the component's side: the same calls as those of the first draft, with texts
// for cursors, signed numbers, and compare-and-swap as a handle.
//
// A handle of compare-and-swap keeps the hash of the value and not the value, which may be megabytes: to
// swap, the value is read again, and when it is still the one of the hash it is what the driver compares
// with.
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "capability/keyvalue/keyvalue_internal.h"
#include "crypto/hash.h"
#include "wasi/keyvalue_atomics_draft2.h"
#include "wasi/keyvalue_batch_draft2.h"
#include "wasi/keyvalue_store_draft2.h"

enum { CURSOR_TEXT_BYTES = 24 };

struct wasi_keyvalue_store_draft2_bucket {
    keyvalue_bucket bucket;
};

typedef wasi_keyvalue_store_draft2_bucket bucket;
typedef wasi_keyvalue_store_draft2_error contract_error;

struct wasi_keyvalue_atomics_draft2_cas {
    wasi_resource base;
    size_t bucket_len;
    uint8_t bucket[KEYVALUE_BUCKET_BYTES_MAX]; // its name: the handle may outlive it
    size_t key_len;
    uint8_t key[KEYVALUE_KEY_BYTES_MAX];
    bool is_there;
    uint8_t hash[HASH_BYTES]; // of the value
};

typedef wasi_keyvalue_atomics_draft2_cas cas;

static void cas_free(wasi_resource *r) { mem_free(r); }

static const wasi_resource_ops cas_ops = {.free = cas_free};

void wasi_keyvalue_store_draft2_bucket_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

void wasi_keyvalue_atomics_draft2_cas_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

static contract_error error_of(const keyvalue_failure *f) {
    return (contract_error){.tag = (uint8_t)f->tag, .of.other = f->other};
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

// --- store -------------------------------------------------------------------------------------------------

status wasi_keyvalue_store_draft2_open(host_call *call, slice identifier,
                                       wasi_keyvalue_store_draft2_result_bucket_error *ret, err *e) {
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

status wasi_keyvalue_store_draft2_bucket_get(host_call *call, bucket *self, slice key,
                                             wasi_keyvalue_store_draft2_result_option_list_u8_error *ret,
                                             err *e) {
    const keyvalue_call c = {.function = KEYVALUE_GET, .bucket = name_of(self), .key = key};
    keyvalue_answer a = {0};
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = (wasi_keyvalue_store_draft2_option_list_u8){a.is_there, a.value};
    }
    return STATUS_OK;
}

status wasi_keyvalue_store_draft2_bucket_set(host_call *call, bucket *self, slice key, slice value,
                                             wasi_keyvalue_store_draft2_result_void_error *ret, err *e) {
    const keyvalue_call c = {.function = KEYVALUE_SET, .bucket = name_of(self), .key = key, .value = value};
    keyvalue_answer a = {0};
    return do_call(call, &c, &a, &ret->is_err, &ret->err, e);
}

status wasi_keyvalue_store_draft2_bucket_delete(host_call *call, bucket *self, slice key,
                                                wasi_keyvalue_store_draft2_result_void_error *ret, err *e) {
    const keyvalue_call c = {.function = KEYVALUE_DELETE, .bucket = name_of(self), .key = key};
    keyvalue_answer a = {0};
    return do_call(call, &c, &a, &ret->is_err, &ret->err, e);
}

status wasi_keyvalue_store_draft2_bucket_exists(host_call *call, bucket *self, slice key,
                                                wasi_keyvalue_store_draft2_result_bool_error *ret, err *e) {
    const keyvalue_call c = {.function = KEYVALUE_EXISTS, .bucket = name_of(self), .key = key};
    keyvalue_answer a = {0};
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = a.is_there;
    }
    return STATUS_OK;
}

static slice cursor_text(host_call *call, uint64_t cursor) {
    char text[CURSOR_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%" PRIu64, cursor);
    return arena_copy(host_call_arena(call), slice_from_text(text));
}

status wasi_keyvalue_store_draft2_bucket_list_keys(host_call *call, bucket *self,
                                                   const wasi_keyvalue_store_draft2_option_string *cursor,
                                                   wasi_keyvalue_store_draft2_result_key_response_error *ret,
                                                   err *e) {
    keyvalue_call c = {.function = KEYVALUE_LIST_KEYS, .bucket = name_of(self), .has_cursor = cursor->some};
    keyvalue_answer a = {0};
    slice *keys;
    if (cursor->some && !slice_to_u64(cursor->value, &c.cursor)) {
        const keyvalue_failure failure = keyvalue_failure_of(call, STATUS_INVALID, "that is no cursor");
        ret->is_err = true;
        ret->err = error_of(&failure);
        return STATUS_OK;
    }
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    if (ret->is_err) {
        return STATUS_OK;
    }
    TRY(keyvalue_keys_of_answer(call, &a, &keys, e));
    ret->ok.keys = (wasi_keyvalue_store_draft2_list_string){keys, a.count};
    ret->ok.cursor = (wasi_keyvalue_store_draft2_option_string){
        a.has_cursor, a.has_cursor ? cursor_text(call, a.cursor) : slice_empty()};
    return STATUS_OK;
}

// --- atomics -----------------------------------------------------------------------------------------------

status wasi_keyvalue_atomics_draft2_increment(host_call *call, bucket *self, slice key, int64_t delta,
                                              wasi_keyvalue_atomics_draft2_result_s64_error *ret, err *e) {
    const keyvalue_call c = {
        .function = KEYVALUE_INCREMENT_SIGNED, .bucket = name_of(self), .key = key, .delta = (uint64_t)delta};
    keyvalue_answer a = {0};
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = (int64_t)a.number;
    }
    return STATUS_OK;
}

static keyvalue_call call_of(const cas *k, keyvalue_function f) {
    return (keyvalue_call){
        .function = f, .bucket = slice_of(k->bucket, k->bucket_len), .key = slice_of(k->key, k->key_len)};
}

static bool is_expected(const cas *k, const keyvalue_answer *a) {
    uint8_t hash[HASH_BYTES];
    hash_sha256(&a->value, 1, hash);
    return a->is_there == k->is_there && (!a->is_there || hash_equal(hash, k->hash));
}

static void expect(cas *k, const keyvalue_answer *a) {
    k->is_there = a->is_there;
    hash_sha256(&a->value, 1, k->hash);
}

// Reads the value, for whoever then expects it.
static status read_value(host_call *call, const cas *k, keyvalue_answer *ret, bool *ret_is_error,
                         contract_error *ret_error, err *e) {
    const keyvalue_call c = call_of(k, KEYVALUE_GET);
    *ret = (keyvalue_answer){0};
    return do_call(call, &c, ret, ret_is_error, ret_error, e);
}

static cas *cas_of(host_call *call, const bucket *b, slice key, contract_error *ret_error) {
    err why = {0};
    cas *k = NULL;
    if (key.len > sizeof k->key) {
        (void)err_set(&why, STATUS_LIMIT, "a key has at most %d bytes", KEYVALUE_KEY_BYTES_MAX);
    } else {
        k = WASI_NEW(wasi_of(call), cas, &cas_ops, WASI_CLASS_OTHER, NULL, &why);
    }
    if (k == NULL) {
        const keyvalue_failure failure = keyvalue_failure_of(call, STATUS_LIMIT, why.message);
        *ret_error = error_of(&failure);
        return NULL;
    }
    slice name = name_of(b);
    k->bucket_len = name.len;
    memcpy(k->bucket, name.data, name.len);
    k->key_len = key.len;
    if (key.len > 0) {
        memcpy(k->key, key.data, key.len);
    }
    return k;
}

status wasi_keyvalue_atomics_draft2_cas_new(host_call *call, bucket *b, slice key,
                                            wasi_keyvalue_atomics_draft2_result_cas_error *ret, err *e) {
    keyvalue_answer a;
    cas *k = cas_of(call, b, key, &ret->err);
    ret->is_err = k == NULL;
    if (k == NULL) {
        return STATUS_OK;
    }
    contract_error error = {0};
    status s = read_value(call, k, &a, &ret->is_err, &error, e);
    if (s != STATUS_OK || ret->is_err) {
        wasi_resource_drop(&k->base);
        ret->err = error;
        return s;
    }
    expect(k, &a);
    ret->ok = k;
    return STATUS_OK;
}

status wasi_keyvalue_atomics_draft2_cas_current(host_call *call, cas *self,
                                                wasi_keyvalue_atomics_draft2_result_option_list_u8_error *ret,
                                                err *e) {
    keyvalue_answer a;
    TRY(read_value(call, self, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        expect(self, &a);
        ret->ok = (wasi_keyvalue_atomics_draft2_option_list_u8){a.is_there, a.value};
    }
    return STATUS_OK;
}

// True when it was swapped, or there is an error.
static status try_swap(host_call *call, cas *k, slice value, bool *ret_is_done, bool *ret_is_error,
                       contract_error *ret_error, err *e) {
    keyvalue_answer now, swapped = {0};
    keyvalue_call c = call_of(k, KEYVALUE_COMPARE_AND_SWAP);
    TRY(read_value(call, k, &now, ret_is_error, ret_error, e));
    *ret_is_done = *ret_is_error;
    if (*ret_is_error) {
        return STATUS_OK;
    }
    if (!is_expected(k, &now)) {
        expect(k, &now);
        return STATUS_OK;
    }
    c.has_expected = now.is_there;
    c.expected = now.value;
    c.value = value;
    TRY(do_call(call, &c, &swapped, ret_is_error, ret_error, e));
    *ret_is_done = *ret_is_error || swapped.is_there;
    return STATUS_OK;
}

// It was changed between reading and swapping: the handle is for what it is now.
static status expect_again(host_call *call, cas *k, bool *ret_is_error, contract_error *ret_error, err *e) {
    keyvalue_answer now;
    TRY(read_value(call, k, &now, ret_is_error, ret_error, e));
    if (!*ret_is_error) {
        expect(k, &now);
    }
    return STATUS_OK;
}

static status swap(host_call *call, cas *k, slice value, bool *ret_is_done, bool *ret_is_error,
                   contract_error *ret_error, err *e) {
    uint8_t before[HASH_BYTES];
    bool was_there = k->is_there;
    memcpy(before, k->hash, sizeof before);
    TRY(try_swap(call, k, value, ret_is_done, ret_is_error, ret_error, e));
    bool is_told = *ret_is_done || k->is_there != was_there || !hash_equal(before, k->hash);
    return is_told ? STATUS_OK : expect_again(call, k, ret_is_error, ret_error, e);
}

status wasi_keyvalue_atomics_draft2_swap(host_call *call, cas *k, slice value,
                                         wasi_keyvalue_atomics_draft2_result_void_cas_error *ret, err *e) {
    bool is_done = false, is_error = false;
    contract_error error = {0};
    slice kept = arena_copy(host_call_arena(call), value); // it goes after a wait
    if (kept.data == NULL && value.len > 0) {
        wasi_resource_drop(&k->base);
        return err_set(e, STATUS_TRAP, "a value of %zu bytes is more than one call may use", value.len);
    }
    status s = swap(call, k, kept, &is_done, &is_error, &error, e);
    ret->is_err = is_error || !is_done;
    if (s == STATUS_OK && !is_error && !is_done) { // the handle goes back
        ret->err.tag = WASI_KEYVALUE_ATOMICS_DRAFT2_CAS_ERROR_CAS_FAILED;
        ret->err.of.cas_failed = k;
        return STATUS_OK;
    }
    wasi_resource_drop(&k->base);
    if (is_error) {
        ret->err.tag = WASI_KEYVALUE_ATOMICS_DRAFT2_CAS_ERROR_STORE_ERROR;
        ret->err.of.store_error = error;
    }
    return s;
}

// --- batch -------------------------------------------------------------------------------------------------

static status keep_found(host_call *call, const keyvalue_answer *a,
                         wasi_keyvalue_batch_draft2_list_option_tuple_string_list_u8 *ret, err *e) {
    wasi_keyvalue_batch_draft2_option_tuple_string_list_u8 *found =
        ARENA_ARRAY(host_call_arena(call), wasi_keyvalue_batch_draft2_option_tuple_string_list_u8, a->count);
    if (found == NULL) {
        return keyvalue_no_room(a->count, e);
    }
    for (size_t k = 0; k < a->count; k++) {
        found[k].some = a->items[k].is_there;
        found[k].value.f0 = a->items[k].key;
        found[k].value.f1 = a->items[k].value;
    }
    ret->items = found;
    ret->count = a->count;
    return STATUS_OK;
}

status wasi_keyvalue_batch_draft2_get_many(
    host_call *call, bucket *self, const wasi_keyvalue_batch_draft2_list_string *keys,
    wasi_keyvalue_batch_draft2_result_list_option_tuple_string_list_u8_error *ret, err *e) {
    keyvalue_call c = {.function = KEYVALUE_GET_MANY, .bucket = name_of(self), .count = keys->count};
    keyvalue_answer a = {0};
    TRY(keyvalue_items_of_keys(call, keys->items, keys->count, &c.items, e));
    TRY(do_call(call, &c, &a, &ret->is_err, &ret->err, e));
    return ret->is_err ? STATUS_OK : keep_found(call, &a, &ret->ok, e);
}

status
wasi_keyvalue_batch_draft2_set_many(host_call *call, bucket *self,
                                    const wasi_keyvalue_batch_draft2_list_tuple_string_list_u8 *key_values,
                                    wasi_keyvalue_batch_draft2_result_void_error *ret, err *e) {
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

status wasi_keyvalue_batch_draft2_delete_many(host_call *call, bucket *self,
                                              const wasi_keyvalue_batch_draft2_list_string *keys,
                                              wasi_keyvalue_batch_draft2_result_void_error *ret, err *e) {
    keyvalue_call c = {.function = KEYVALUE_DELETE_MANY, .bucket = name_of(self), .count = keys->count};
    keyvalue_answer a = {0};
    TRY(keyvalue_items_of_keys(call, keys->items, keys->count, &c.items, e));
    return do_call(call, &c, &a, &ret->is_err, &ret->err, e);
}
