// SPDX-License-Identifier: Apache-2.0
#include "driver/blobstore/s3_exchange.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "driver/blobstore/s3_messages.h"
#include "driver/driver.h"
#include "os/clock.h"

enum { ATTEMPTS_MAX = 3, WAIT_MS = 200, TEXT_BYTES_MAX = 64 << 10 };

static const char hash_of_nothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// --- the end -----------------------------------------------------------------------------------------------

static void let_go(s3_exchange *x) {
    http_call_free(x->call);
    x->call = NULL;
    loop_soon_cancel(&x->soon);
    loop_timer_stop(&x->retry);
}

static void end(s3_exchange *x, const s3_answer *a) {
    s3_exchange ended = *x; // its memory is the answer's; the caller may start another one
    s3_client *c = x->client;
    let_go(x);
    *x = (s3_exchange){0};
    if (a->code == STATUS_OK || a->code == STATUS_CLOSED) {
        c->heard(c->arg, a->code == STATUS_OK ? NULL : a->why);
    }
    ended.done(ended.arg, a);
    buf_done(&ended.received);
}

void s3_cancel(s3_exchange *x) {
    if (x->client != NULL) {
        let_go(x);
        buf_done(&x->received);
        *x = (s3_exchange){0};
    }
}

static void try_again(s3_exchange *x) {
    let_go(x);
    uint64_t wait = driver_wait(&x->client->random, (uint64_t)WAIT_MS << x->attempt);
    loop_timer_start_in(&x->retry, wait * 1000000);
}

static void end_without(s3_exchange *x, status code, const char *why) {
    const s3_answer a = {.code = code, .why = why};
    end(x, &a);
}

// --- an attempt's end --------------------------------------------------------------------------------------

// It cannot have got to the server.
static bool is_unsent(http_failure f) {
    return f == HTTP_FAILURE_DNS || f == HTTP_FAILURE_DNS_TIMEOUT || f == HTTP_FAILURE_REFUSED ||
           f == HTTP_FAILURE_UNREACHABLE || f == HTTP_FAILURE_CONNECT_TIMEOUT;
}

static void on_lost(s3_exchange *x) {
    http_failure f = http_call_failure(x->call);
    char why[256];
    (void)snprintf(why, sizeof why, "%.255s", http_call_failure_text(x->call));
    bool may = f != HTTP_FAILURE_DENIED && f != HTTP_FAILURE_TLS_CERTIFICATE && f != HTTP_FAILURE_LIMIT;
    if (may && x->attempt < ATTEMPTS_MAX && (x->wanted.is_repeatable || is_unsent(f))) {
        try_again(x);
        return;
    }
    bool is_late = f == HTTP_FAILURE_RESPONSE_TIMEOUT || f == HTTP_FAILURE_READ_TIMEOUT;
    end_without(x, f == HTTP_FAILURE_DENIED ? STATUS_DENIED : is_late ? STATUS_TIMEOUT : STATUS_CLOSED, why);
}

static slice field(const http_response *r, const char *name) {
    const http_header *h = http_header_find(r->headers, r->header_count, name);
    return h == NULL ? slice_empty() : h->value;
}

// "bytes 0-9/100"
static uint64_t whole_length(slice range, uint64_t otherwise) {
    uint64_t whole = 0;
    size_t slash = slice_find(range, 0, '/');
    return slash != SIZE_MAX && slice_to_u64(slice_sub(range, slash + 1, range.len), &whole) ? whole
                                                                                             : otherwise;
}

static void on_answered(s3_exchange *x, const http_response *r) {
    s3_answer a = {.status = r->status, .body = buf_slice(&x->received), .etag = field(r, "etag")};
    if (r->status >= 300 && a.body.len > 0) {
        s3_read_error(a.body, a.error);
    }
    bool did_nothing = r->status == 503 || r->status == 429;
    bool failed = did_nothing || r->status == 500 || r->status == 502 || r->status == 504;
    if (failed && x->attempt < ATTEMPTS_MAX && (did_nothing || x->wanted.is_repeatable)) {
        try_again(x);
        return;
    }
    if (!slice_to_u64(field(r, "content-length"), &a.length)) {
        a.length = x->received.len;
    }
    a.whole_length = whole_length(field(r, "content-range"), a.length);
    a.modified_at = s3_read_http_date(field(r, "last-modified"));
    http_call *call = x->call; // the fields are its own
    x->call = NULL;
    end(x, &a);
    http_call_free(call);
}

// --- moving on ---------------------------------------------------------------------------------------------

static void send_body(s3_exchange *x) {
    size_t room;
    while (x->sent < x->wanted.body.len && http_call_may_write(x->call) &&
           (room = http_call_room(x->call)) > 0) {
        slice part = slice_sub(x->wanted.body, x->sent, x->sent + room);
        if (http_call_write(x->call, part, NULL) != STATUS_OK) {
            return; // the call has failed, and says so
        }
        x->sent += part.len;
        if (x->sent == x->wanted.body.len) {
            http_call_end(x->call, NULL, 0);
        }
    }
}

static void on_soon(void *arg) {
    s3_exchange *x = arg;
    slice part;
    http_body_state state = HTTP_BODY_WAIT;
    send_body(x);
    const http_response *r = http_call_response(x->call);
    while (r != NULL && (state = http_call_read(x->call, SIZE_MAX, &part)) == HTTP_BODY_DATA) {
        if (buf_append(&x->received, part) != STATUS_OK) {
            end_without(x, STATUS_IO, "the server's answer is too long");
            return;
        }
    }
    if (state == HTTP_BODY_END) {
        on_answered(x, r);
    } else if (http_call_failure(x->call) != HTTP_FAILURE_NONE) {
        on_lost(x);
    }
}

static void on_progress(void *arg) {
    s3_exchange *x = arg;
    loop_soon_add(x->client->l, &x->soon);
}

// --- an attempt's beginning --------------------------------------------------------------------------------

// The fields of a request, sorted by name; those that are signed come first in `count`.
typedef struct fields {
    http_header items[S3_HEADERS_MAX];
    size_t count;
} fields;

static void add_field(fields *f, const char *name, slice value) {
    size_t at = f->count++;
    CHECK(at < S3_HEADERS_MAX);
    while (at > 0 && strcmp((const char *)f->items[at - 1].name.data, name) > 0) {
        f->items[at] = f->items[at - 1];
        at--;
    }
    f->items[at] = (http_header){slice_from_text(name), value};
}

typedef struct prepared {
    buf authority;
    buf path; // and query, for the call
    size_t path_len;
    buf authorization;
    char date[S3_DATE_BYTES];
    fields sent;
} prepared;

static void prepared_done(prepared *p) {
    buf_done(&p->authority);
    buf_done(&p->path);
    buf_done(&p->authorization);
}

static status write_target(const s3_exchange *x, prepared *p) {
    const s3_server *server = x->client->server;
    const s3_wanted *w = &x->wanted;
    bool in_path = server->is_path_style && w->bucket.len > 0;
    if (!server->is_path_style && w->bucket.len > 0) {
        TRY(buf_append_format(&p->authority, "%.*s.", SLICE_ARG(w->bucket)));
    }
    TRY(buf_append_text(&p->authority, server->authority));
    TRY(buf_append_text(&p->path, "/"));
    if (in_path) {
        TRY(s3_encode(w->bucket, false, &p->path));
        TRY(w->object.len > 0 ? buf_append_text(&p->path, "/") : STATUS_OK);
    }
    TRY(s3_encode(w->object, true, &p->path));
    p->path_len = p->path.len;
    return w->query.len > 0 ? buf_append_format(&p->path, "?%.*s", SLICE_ARG(w->query)) : STATUS_OK;
}

static status sign_request(const s3_exchange *x, prepared *p, const char *body_hash, err *e) {
    const s3_client *c = x->client;
    fields f = {0};
    add_field(&f, "host", buf_slice(&p->authority));
    add_field(&f, "x-amz-content-sha256", slice_from_text(body_hash));
    add_field(&f, "x-amz-date", slice_from_text(p->date));
    if (c->keys.token.len > 0) {
        add_field(&f, "x-amz-security-token", c->keys.token);
    }
    for (size_t i = 0; i < x->wanted.extra_count; i++) {
        if (slice_starts_with(x->wanted.extra[i].name, "x-amz-")) {
            add_field(&f, (const char *)x->wanted.extra[i].name.data, x->wanted.extra[i].value);
        }
    }
    const s3_to_sign signed_part = {.method = x->wanted.method,
                                    .path = slice_of(p->path.data, p->path_len),
                                    .query = x->wanted.query,
                                    .headers = f.items,
                                    .header_count = f.count,
                                    .body_hash = body_hash,
                                    .region = c->server->region,
                                    .date = p->date};
    TRY(c->keys.id.len > 0 ? s3_sign(&signed_part, &c->keys, &p->authorization, e) : STATUS_OK);
    p->sent = f;
    for (size_t i = 0; i < x->wanted.extra_count; i++) {
        if (!slice_starts_with(x->wanted.extra[i].name, "x-amz-")) {
            add_field(&p->sent, (const char *)x->wanted.extra[i].name.data, x->wanted.extra[i].value);
        }
    }
    if (p->authorization.len > 0) {
        add_field(&p->sent, "authorization", buf_slice(&p->authorization));
    }
    return STATUS_OK;
}

static status prepare(const s3_exchange *x, prepared *p, char hash_room[HASH_HEX_BYTES], err *e) {
    const s3_wanted *w = &x->wanted;
    const char *body_hash = w->body_hash;
    buf_init(&p->authority, 2 * S3_HOST_BYTES_MAX);
    buf_init(&p->path, TEXT_BYTES_MAX);
    buf_init(&p->authorization, 4096);
    if (write_target(x, p) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the request's address is too long");
    }
    s3_date(clock_wall_now().seconds, p->date);
    if (body_hash == NULL && w->body.len == 0) {
        body_hash = hash_of_nothing;
    } else if (body_hash == NULL) {
        uint8_t hash[HASH_BYTES];
        hash_sha256(&w->body, 1, hash);
        hash_hex(hash, hash_room);
        body_hash = hash_room;
    }
    return sign_request(x, p, body_hash, e);
}

static status start_call(s3_exchange *x, err *e) {
    WRIT_CLEANUP(prepared_done) prepared p = {0};
    char hash_room[HASH_HEX_BYTES];
    TRY(prepare(x, &p, hash_room, e));
    bool has_body = x->wanted.has_body && x->wanted.body.len > 0;
    const http_call_request r = {.method = slice_from_text(x->wanted.method),
                                 .is_https = x->client->server->is_https,
                                 .authority = buf_slice(&p.authority),
                                 .path_with_query = buf_slice(&p.path),
                                 .headers = p.sent.items,
                                 .header_count = p.sent.count,
                                 .has_body = has_body,
                                 .content_length = has_body ? (int64_t)x->wanted.body.len : -1};
    return http_call_new(x->client->http, &r, on_progress, x, &x->call, e);
}

// From the loop, so that `done` does not come from inside of s3_start.
static void on_begin(void *arg) {
    s3_exchange *x = arg;
    err e = {0};
    x->attempt++;
    x->sent = 0;
    buf_clear(&x->received);
    status s = start_call(x, &e);
    if (s != STATUS_OK) {
        end_without(x, s, e.message);
        return;
    }
    loop_soon_add(x->client->l, &x->soon);
}

void s3_start(s3_client *c, s3_exchange *x, const s3_wanted *w, void (*done)(void *arg, const s3_answer *a),
              void *arg) {
    CHECK(x->client == NULL && w->extra_count <= S3_EXTRA_MAX);
    *x = (s3_exchange){.client = c, .wanted = *w, .done = done, .arg = arg};
    buf_init(&x->received, S3_ANSWER_BYTES_MAX);
    loop_soon_init(&x->soon, on_soon, x);
    loop_timer_init(&x->retry, c->l, on_begin, x);
    loop_timer_start_in(&x->retry, 0);
}
