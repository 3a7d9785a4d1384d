// SPDX-License-Identifier: Apache-2.0
// Calls as commands of Redis, and replies as answers. Pure.
//
// A bucket is a prefix of keys: <bucket>:<key>, and with the setting `prefix` <prefix>/<bucket>:<key>. There
// is neither '/' nor ':' in a prefix, and in the name of a bucket '%', ':' and '/' are %25, %3A and %2F: the
// first of the two signs in a key says whether there is a prefix, and which, so that no two of prefix, bucket
// and key meet.
#pragma once

#include <hiredis/hiredis.h>

#include "driver/keyvalue/keyvalue.h"

typedef struct redis_command {
    const slice *words;
    size_t count;
} redis_command;

// Where a command of one key is made, on the caller's stack; it must live until the command was sent.
typedef struct redis_scratch {
    slice words[8];
    uint8_t bytes[2304]; // the longest key, and a number
    size_t used;
} redis_scratch;

// In the scratch, and what does not fit there in the request's memory. `cursor` is for list-keys.
// STATUS_LIMIT when memory is out.
status redis_command_make(keyvalue_request *q, slice prefix, uint64_t cursor, redis_scratch *scratch,
                          redis_command *ret) WRIT_MUST_USE;

typedef enum redis_verdict {
    REDIS_ANSWERED, // `*ret` is the answer
    REDIS_GO_ON,    // list-keys found nothing yet: once more from ret->cursor
    REDIS_FAILED,   // `*ret_code`, and ret->message says why
} redis_verdict;

// The answer may be made of the reply's bytes and of the request's memory.
redis_verdict redis_reply_read(keyvalue_request *q, slice prefix, const redisReply *reply,
                               keyvalue_answer *ret, status *ret_code) WRIT_MUST_USE;
