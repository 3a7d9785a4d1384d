// SPDX-License-Identifier: Apache-2.0
// One request to an S3 server and its answer, signed, with what it takes to try again.
//
// What is lost on the way is sent again when doing it twice is the same as once, when it cannot have arrived,
// or when the server says that it did nothing (503): three times in all, with growing and random waits.
// (libcurl sends again by itself what had no body and went over a kept connection that was closed meanwhile.)
// All on the thread of the loop; callbacks come from the loop only.
#pragma once

#include "driver/blobstore/s3_sign.h"
#include "loop/loop.h"
#include "net/http_client.h"

enum {
    S3_HOST_BYTES_MAX = 253,
    S3_REGION_BYTES_MAX = 64,
    S3_CODE_BYTES = 64,
    S3_ANSWER_BYTES_MAX = 4 << 20, // of a body
    S3_EXTRA_MAX = 4,
};

typedef struct s3_server {
    bool is_https;
    bool is_path_style;                    // else the bucket is in front of the host's name
    char authority[S3_HOST_BYTES_MAX + 8]; // "host", "host:port"
    char host[S3_HOST_BYTES_MAX + 1];
    uint16_t port;
    char region[S3_REGION_BYTES_MAX + 1];
} s3_server;

typedef struct s3_client { // of a link
    loop *l;
    http_client *http;
    const s3_server *server; // borrowed
    s3_keys keys;            // borrowed; empty id = requests are not signed
    uint64_t random;
    // A request was answered (`why` is NULL) or could not be.
    void (*heard)(void *arg, const char *why);
    void *arg;
} s3_client;

typedef struct s3_wanted { // what it points at stays until the answer
    const char *method;
    slice bucket;             // empty = the server itself
    slice object;             // empty = the bucket
    slice query;              // as in s3_to_sign
    const http_header *extra; // at most S3_EXTRA_MAX, lower-case names; those with x-amz- are signed
    size_t extra_count;
    slice body;
    bool has_body;
    const char *body_hash; // in hexadecimal; NULL = not known yet
    bool is_repeatable;    // twice is the same as once
} s3_wanted;

typedef struct s3_answer {
    status code; // STATUS_OK: the server has answered; else `why`, and nothing of the rest
    const char *why;
    unsigned status;
    char error[S3_CODE_BYTES]; // what the body of an error calls it, such as "NoSuchKey"; else empty
    slice body;
    slice etag;
    uint64_t length;       // the field Content-Length
    uint64_t whole_length; // of the field Content-Range, else the same
    uint64_t modified_at;  // seconds since 1970; 0 = not said
} s3_answer;

typedef struct s3_exchange { // the caller's, zeroed
    s3_client *client;       // NULL when idle
    s3_wanted wanted;
    void (*done)(void *arg, const s3_answer *a);
    void *arg;
    http_call *call;
    size_t sent;
    buf received;
    unsigned attempt;
    loop_soon soon;
    loop_timer retry;
} s3_exchange;

// `done` is called once, unless it is cancelled; the exchange is idle then, and the answer is borrowed for
// the call.
void s3_start(s3_client *c, s3_exchange *x, const s3_wanted *w, void (*done)(void *arg, const s3_answer *a),
              void *arg);
void s3_cancel(s3_exchange *x); // idempotent; accepts a zeroed one
