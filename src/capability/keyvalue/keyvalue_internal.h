// SPDX-License-Identifier: Apache-2.0
// What both drafts of wasi:keyvalue share: their resources and errors are the same things under other names.
#pragma once

#include "capability/links.h"
#include "driver/keyvalue/keyvalue.h"

typedef struct keyvalue_bucket { // the first part of a bucket
    wasi_resource base;
    size_t name_len;
    uint8_t name[KEYVALUE_BUCKET_BYTES_MAX];
} keyvalue_bucket;

static inline slice keyvalue_bucket_name(const keyvalue_bucket *b) { return slice_of(b->name, b->name_len); }

typedef struct keyvalue_failure { // the contract's error
    keyvalue_error tag;
    slice other;
} keyvalue_failure;

// What went wrong before or on the way.
keyvalue_failure keyvalue_failure_of(host_call *call, status s, const char *why);

// One of that name. STATUS_INVALID when the name is too long, STATUS_LIMIT.
status keyvalue_bucket_new(wasi_instance *i, slice name, keyvalue_bucket **ret, err *e) WRIT_MUST_USE;

// Opens a bucket, or `*ret_failure`: then it returns NULL.
keyvalue_bucket *keyvalue_open(host_call *call, slice identifier, keyvalue_failure *ret_failure);

// One call through the link. STATUS_OK: look at `*ret_is_error`. What the answer refers to lives until the
// host function returns.
status keyvalue_do(host_call *call, const keyvalue_call *c, keyvalue_answer *ret, bool *ret_is_error,
                   keyvalue_failure *ret_failure, err *e) WRIT_MUST_USE;

// Keys as the items of a call, and the keys of an answer. STATUS_TRAP: they are too many.
status keyvalue_items_of_keys(host_call *call, const slice *keys, size_t count, const keyvalue_item **ret,
                              err *e) WRIT_MUST_USE;
status keyvalue_keys_of_answer(host_call *call, const keyvalue_answer *a, slice **ret, err *e) WRIT_MUST_USE;
status keyvalue_no_room(size_t keys, err *e); // STATUS_TRAP
