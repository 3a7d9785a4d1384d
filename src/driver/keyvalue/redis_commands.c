// SPDX-License-Identifier: Apache-2.0
#include "driver/keyvalue/redis_commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "codec/utf.h"

static const char swap_script[] = "local v = redis.call('GET', KEYS[1]) "
                                  "if ARGV[1] == '1' and v == ARGV[2] or ARGV[1] == '0' and not v then "
                                  "redis.call('SET', KEYS[1], ARGV[3]) return 1 end return 0";

static slice literal(const char *text) { return slice_from_text(text); }

// --- keys --------------------------------------------------------------------------------------------------

static uint8_t *put(uint8_t *to, slice bytes) {
    if (bytes.len > 0) {
        memcpy(to, bytes.data, bytes.len);
    }
    return to + bytes.len;
}

// The name of a bucket has neither the sign that ends it nor the one that ends a prefix.
static uint8_t *put_bucket(uint8_t *to, slice bucket) {
    for (size_t i = 0; i < bucket.len; i++) {
        const char *written = bucket.data[i] == '%'   ? "%25"
                              : bucket.data[i] == ':' ? "%3A"
                              : bucket.data[i] == '/' ? "%2F"
                                                      : NULL;
        if (written != NULL) {
            to = put(to, literal(written));
        } else {
            *to++ = bucket.data[i];
        }
    }
    *to++ = ':';
    return to;
}

// From the scratch (which may be NULL) while it lasts.
static uint8_t *take(redis_scratch *s, arena *a, size_t len) {
    if (s == NULL || len > sizeof s->bytes - s->used) {
        return arena_alloc(a, len);
    }
    s->used += len;
    return s->bytes + s->used - len;
}

// What all keys of the bucket begin with, and `key`. `data` is NULL when memory is out.
static slice whole_key(redis_scratch *s, arena *a, slice prefix, slice bucket, slice key) {
    uint8_t *bytes = take(s, a, prefix.len + 3 * bucket.len + 1 + key.len);
    if (bytes == NULL) {
        return slice_empty();
    }
    uint8_t *end = put(put_bucket(put(bytes, prefix), bucket), key);
    return slice_of(bytes, (size_t)(end - bytes));
}

// The pattern of all keys of the bucket: '*' behind the prefix, whose own signs are taken literally.
static slice pattern(arena *a, slice start) {
    uint8_t *bytes = arena_alloc(a, 2 * start.len + 1);
    if (bytes == NULL) {
        return slice_empty();
    }
    uint8_t *to = bytes;
    for (size_t i = 0; i < start.len; i++) {
        if (memchr("*?[]^\\", start.data[i], 6) != NULL) {
            *to++ = '\\';
        }
        *to++ = start.data[i];
    }
    *to++ = '*';
    return slice_of(bytes, (size_t)(to - bytes));
}

static slice number_text(redis_scratch *s, arena *a, uint64_t number, bool is_signed) {
    char text[32];
    int len = is_signed ? snprintf(text, sizeof text, "%" PRId64, (int64_t)number)
                        : snprintf(text, sizeof text, "%" PRIu64, number);
    uint8_t *bytes = take(s, a, (size_t)len);
    return bytes == NULL ? slice_empty() : slice_of(memcpy(bytes, text, (size_t)len), (size_t)len);
}

// --- commands ----------------------------------------------------------------------------------------------

static size_t make_many(keyvalue_request *q, slice prefix, slice *w) {
    const keyvalue_call *c = &q->call;
    size_t n = 0;
    w[n++] = literal(c->function == KEYVALUE_GET_MANY   ? "MGET"
                     : c->function == KEYVALUE_SET_MANY ? "MSET"
                                                        : "DEL");
    for (size_t i = 0; i < c->count; i++) {
        w[n] = whole_key(NULL, &q->memory, prefix, c->bucket, c->items[i].key);
        if (w[n++].data == NULL) {
            return 0;
        }
        if (c->function == KEYVALUE_SET_MANY) {
            w[n++] = c->items[i].value;
        }
    }
    return n;
}

static size_t make_list(keyvalue_request *q, slice start, uint64_t cursor, slice *w) {
    w[0] = literal("SCAN");
    w[1] = number_text(NULL, &q->memory, cursor, false);
    w[2] = literal("MATCH");
    w[3] = pattern(&q->memory, start);
    w[4] = literal("COUNT");
    w[5] = number_text(NULL, &q->memory, KEYVALUE_PAGE_KEYS_MAX, false);
    return w[1].data == NULL || w[3].data == NULL || w[5].data == NULL ? 0 : 6;
}

static size_t make_swap(const keyvalue_call *c, slice key, slice *w) {
    w[0] = literal("EVAL");
    w[1] = literal(swap_script);
    w[2] = literal("1");
    w[3] = key;
    w[4] = literal(c->has_expected ? "1" : "0");
    w[5] = c->expected;
    w[6] = c->value;
    return 7;
}

static size_t make_one(keyvalue_request *q, redis_scratch *s, slice key, slice *w) {
    const keyvalue_call *c = &q->call;
    w[1] = key;
    switch (c->function) {
    case KEYVALUE_GET:
        w[0] = literal("GET");
        return 2;
    case KEYVALUE_SET:
        w[0] = literal("SET");
        w[2] = c->value;
        return 3;
    case KEYVALUE_DELETE:
        w[0] = literal("DEL");
        return 2;
    case KEYVALUE_EXISTS:
        w[0] = literal("EXISTS");
        return 2;
    case KEYVALUE_COMPARE_AND_SWAP:
        return make_swap(c, key, w);
    default:
        w[0] = literal("INCRBY");
        w[2] = number_text(s, &q->memory, c->delta, c->function == KEYVALUE_INCREMENT_SIGNED);
        return w[2].data == NULL ? 0 : 3;
    }
}

status redis_command_make(keyvalue_request *q, slice prefix, uint64_t cursor, redis_scratch *scratch,
                          redis_command *ret) {
    const keyvalue_call *c = &q->call;
    slice *words = scratch->words;
    size_t count = 0;
    scratch->used = 0;
    if (c->function >= KEYVALUE_GET_MANY) {
        words = ARENA_ARRAY(&q->memory, slice, 1 + 2 * c->count);
        count = words == NULL ? 0 : make_many(q, prefix, words);
    } else {
        slice key = whole_key(scratch, &q->memory, prefix, c->bucket, c->key);
        if (key.data != NULL) {
            count = c->function == KEYVALUE_LIST_KEYS ? make_list(q, key, cursor, words)
                                                      : make_one(q, scratch, key, words);
        }
    }
    *ret = (redis_command){words, count};
    return count > 0 ? STATUS_OK : STATUS_LIMIT;
}

// --- replies -----------------------------------------------------------------------------------------------

static slice text_of(const redisReply *r) { return slice_of(r->str, r->len); }

static const struct {
    const char *starts;
    status code; // STATUS_OK: an error of the contract
    keyvalue_error error;
    const char *message; // NULL = the server's
} errors[] = {
    {"NOPERM", STATUS_OK, KEYVALUE_ACCESS_DENIED, ""},
    {"WRONGTYPE", STATUS_OK, KEYVALUE_OTHER, "the key holds something that is no value"},
    {"OOM", STATUS_OK, KEYVALUE_OTHER, "the store is full"},
    {"ERR value is not an integer", STATUS_OK, KEYVALUE_OTHER, "the value is not a number"},
    {"ERR increment or decrement would overflow", STATUS_OK, KEYVALUE_OTHER, "the sum does not fit 64 bits"},
    {"NOAUTH", STATUS_DENIED, 0, NULL},
    {"LOADING", STATUS_CLOSED, 0, NULL},
    {"READONLY", STATUS_CLOSED, 0, NULL},
    {"MASTERDOWN", STATUS_CLOSED, 0, NULL},
    {"CLUSTERDOWN", STATUS_CLOSED, 0, NULL},
    {"MISCONF", STATUS_CLOSED, 0, NULL},
    {"BUSY", STATUS_CLOSED, 0, NULL},
};

static redis_verdict read_error(keyvalue_request *q, slice text, keyvalue_answer *ret, status *ret_code) {
    char shown[200];
    *ret = (keyvalue_answer){.is_error = true, .error = KEYVALUE_OTHER};
    utf8_shown(text, shown, sizeof shown);
    ret->message = arena_copy(&q->memory, slice_from_text(shown));
    ret->message = ret->message.data == NULL ? slice_empty() : ret->message;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (!slice_starts_with(text, errors[i].starts)) {
            continue;
        }
        *ret_code = errors[i].code;
        ret->error = errors[i].error;
        if (errors[i].message != NULL) {
            ret->message = slice_from_text(errors[i].message);
        }
        return errors[i].code == STATUS_OK ? REDIS_ANSWERED : REDIS_FAILED;
    }
    return REDIS_ANSWERED;
}

static redis_verdict nonsense(keyvalue_answer *ret, status *ret_code, const char *text) {
    *ret_code = STATUS_IO;
    ret->message = slice_from_text(text);
    return REDIS_FAILED;
}

// [cursor, [key ...]]
static bool read_page(keyvalue_request *q, slice prefix, const redisReply *r, keyvalue_answer *ret) {
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 || r->element[0]->type != REDIS_REPLY_STRING ||
        r->element[1]->type != REDIS_REPLY_ARRAY || !slice_to_u64(text_of(r->element[0]), &ret->cursor)) {
        return false;
    }
    const redisReply *keys = r->element[1];
    slice start = whole_key(NULL, &q->memory, prefix, q->call.bucket, slice_empty());
    keyvalue_item *items = ARENA_ARRAY(&q->memory, keyvalue_item, keys->elements);
    for (size_t i = 0; start.data != NULL && items != NULL && i < keys->elements; i++) {
        slice key = text_of(keys->element[i]);
        if (keys->element[i]->type == REDIS_REPLY_STRING && key.len > start.len &&
            memcmp(key.data, start.data, start.len) == 0) {
            slice rest = slice_sub(key, start.len, key.len);
            if (utf8_valid(rest)) { // others may write what no key of ours is
                items[ret->count++].key = rest;
            }
        }
    }
    ret->items = items;
    ret->has_cursor = ret->cursor != 0;
    return items != NULL && start.data != NULL;
}

static bool read_many(keyvalue_request *q, const redisReply *r, keyvalue_answer *ret) {
    const keyvalue_call *c = &q->call;
    keyvalue_item *items = ARENA_ARRAY(&q->memory, keyvalue_item, c->count);
    if (r->type != REDIS_REPLY_ARRAY || r->elements != c->count || items == NULL) {
        return false;
    }
    for (size_t i = 0; i < c->count; i++) {
        const redisReply *value = r->element[i];
        items[i].key = c->items[i].key;
        items[i].is_there = value->type == REDIS_REPLY_STRING;
        items[i].value = items[i].is_there ? text_of(value) : slice_empty();
    }
    ret->items = items;
    ret->count = c->count;
    return true;
}

static bool read_value(keyvalue_request *q, const redisReply *r, keyvalue_answer *ret) {
    switch (q->call.function) {
    case KEYVALUE_GET:
        ret->is_there = r->type == REDIS_REPLY_STRING;
        ret->value = ret->is_there ? text_of(r) : slice_empty();
        return ret->is_there || r->type == REDIS_REPLY_NIL;
    case KEYVALUE_GET_MANY:
        return read_many(q, r, ret);
    case KEYVALUE_SET:
    case KEYVALUE_SET_MANY:
        return r->type == REDIS_REPLY_STATUS;
    default:
        ret->is_there = r->integer != 0;
        ret->number = (uint64_t)r->integer;
        return r->type == REDIS_REPLY_INTEGER;
    }
}

redis_verdict redis_reply_read(keyvalue_request *q, slice prefix, const redisReply *reply,
                               keyvalue_answer *ret, status *ret_code) {
    *ret = (keyvalue_answer){0};
    *ret_code = STATUS_OK;
    if (reply->type == REDIS_REPLY_ERROR) {
        return read_error(q, text_of(reply), ret, ret_code);
    }
    if (q->call.function == KEYVALUE_LIST_KEYS) {
        if (!read_page(q, prefix, reply, ret)) {
            return nonsense(ret, ret_code, "the server answered SCAN with something else");
        }
        return ret->count == 0 && ret->has_cursor ? REDIS_GO_ON : REDIS_ANSWERED;
    }
    if (!read_value(q, reply, ret)) {
        return nonsense(ret, ret_code, "the server answered with something else than the command asks for");
    }
    if (q->call.function == KEYVALUE_INCREMENT && (int64_t)ret->number < 0) {
        *ret = (keyvalue_answer){
            .is_error = true, .error = KEYVALUE_OTHER, .message = SLICE_LITERAL("the number is below 0")};
    }
    return REDIS_ANSWERED;
}
