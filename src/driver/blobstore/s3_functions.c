// SPDX-License-Identifier: Apache-2.0
// What each function of the contract is in requests.
#include <inttypes.h>
#include <stdio.h>

#include "codec/base64.h"
#include "driver/blobstore/s3_internal.h"
#include "driver/blobstore/s3_messages.h"

bool s3_name_is_fit(slice name) {
    for (size_t at = 0; at <= name.len;) {
        size_t end = slice_find(name, at, '/');
        end = end == SIZE_MAX ? name.len : end;
        slice part = slice_sub(name, at, end);
        bool is_inner = part.len == 0 && (at == 0 || end < name.len);
        if (is_inner || slice_equal_text(part, ".") || slice_equal_text(part, "..")) {
            return false;
        }
        at = end + 1;
    }
    return true;
}

static void done(s3_op *o) { s3_reply(o, &(blobstore_answer){0}); }

static void send_about_container(s3_op *o, const char *method, bool is_repeatable) {
    s3_wanted w = s3_about(method, s3_call(o)->container, slice_empty());
    w.is_repeatable = is_repeatable;
    s3_send(o, &w);
}

static void send_about_object(s3_op *o, const char *method, bool is_repeatable) {
    s3_wanted w = s3_about(method, s3_call(o)->container, s3_call(o)->object);
    w.is_repeatable = is_repeatable;
    s3_send(o, &w);
}

// --- containers --------------------------------------------------------------------------------------------

static void create(s3_op *o, const s3_answer *a) {
    if (a == NULL) {
        send_about_container(o, "HEAD", true);
    } else if (o->step == 1 && a->code == STATUS_OK && a->status == 404) {
        s3_wanted w = s3_about("PUT", s3_call(o)->container, slice_empty());
        const char *region = o->link->server.region;
        if (strcmp(region, "us-east-1") != 0) { // where the element is refused
            w.has_body = s3_write_create(region, &o->body) == STATUS_OK;
            w.body = buf_slice(&o->body);
        }
        s3_send(o, &w);
    } else if (s3_is_good(a) || strcmp(a->error, "BucketAlreadyOwnedByYou") == 0) {
        done(o);
    } else {
        s3_reply_failure(o, a);
    }
}

static void exists(s3_op *o, const s3_answer *a) {
    if (a == NULL) {
        send_about_container(o, "HEAD", true);
    } else if (a->code == STATUS_OK && (s3_is_good(a) || a->status == 404 || a->status == 400)) {
        s3_reply(o, &(blobstore_answer){.is_there = s3_is_good(a)}); // 400: no bucket can have the name
    } else {
        s3_reply_failure(o, a);
    }
}

static void container_info(s3_op *o, const s3_answer *a) {
    uint64_t made = 0;
    if (a == NULL) {
        send_about_container(o, "HEAD", true);
    } else if (o->step == 1 && s3_is_good(a)) {
        s3_wanted w = s3_about("GET", slice_empty(), slice_empty());
        w.is_repeatable = true;
        s3_send(o, &w);
    } else if (o->step == 2 && a->code == STATUS_OK) { // who may not list the buckets is told 0
        if (s3_is_good(a) && s3_read_bucket_time(a->body, s3_call(o)->container, &made, NULL) != STATUS_OK) {
            made = 0;
        }
        s3_reply(o, &(blobstore_answer){.created_at = made});
    } else if (a->code == STATUS_OK && (a->status == 404 || a->status == 400)) {
        s3_reply_error(o, BLOBSTORE_NO_CONTAINER);
    } else {
        s3_reply_failure(o, a);
    }
}

static void send_list(s3_op *o, uint32_t limit, bool has_cursor, slice cursor) {
    s3_wanted w = s3_about("GET", s3_call(o)->container, slice_empty());
    w.is_repeatable = true;
    buf_clear(&o->query);
    status s = buf_append_format(&o->query, "encoding-type=url&list-type=2&max-keys=%" PRIu32, limit);
    if (s == STATUS_OK && has_cursor) {
        s = buf_append_text(&o->query, "&start-after=");
        s = s == STATUS_OK ? s3_encode(cursor, false, &o->query) : s;
    }
    s3_send_query(o, &w, s);
}

static void list(s3_op *o, const s3_answer *a) {
    const blobstore_call *c = s3_call(o);
    uint32_t limit = c->limit < BLOBSTORE_MANY_MAX ? c->limit : BLOBSTORE_MANY_MAX; // servers give no more
    s3_listing found;
    err e;
    if (a == NULL) {
        send_list(o, limit, c->has_cursor, c->cursor);
    } else if (!s3_is_good(a)) {
        s3_reply_failure(o, a);
    } else if (s3_read_listing(a->body, limit, &o->request->memory, &found, &e) != STATUS_OK) {
        s3_reply_failure(o, &(s3_answer){.code = STATUS_IO, .why = e.message});
    } else {
        bool goes_on = found.is_truncated && found.count > 0;
        slice last = goes_on ? found.names[found.count - 1] : slice_empty();
        s3_reply(o, &(blobstore_answer){
                        .names = found.names, .count = found.count, .has_cursor = goes_on, .cursor = last});
    }
}

// --- removing ----------------------------------------------------------------------------------------------

static void send_delete(s3_op *o, const slice *names, size_t count) {
    s3_wanted w = s3_about("POST", s3_call(o)->container, slice_empty());
    uint8_t hash[HASH_BYTES];
    auto_buf sum;
    buf_clear(&o->body);
    if (s3_write_delete(names, count, &o->body) != STATUS_OK) {
        s3_reply_error(o, BLOBSTORE_BAD_NAME);
        return;
    }
    w.body = buf_slice(&o->body);
    w.has_body = true;
    w.query = slice_from_text("delete=");
    hash_sha256(&w.body, 1, hash);
    buf_init(&sum, sizeof o->text);
    if (base64_encode(BASE64_STANDARD, slice_of(hash, sizeof hash), &sum) != STATUS_OK) {
        return; // it fits
    }
    (void)snprintf(o->text, sizeof o->text, "%.*s", SLICE_ARG(buf_slice(&sum)));
    o->extra[0] = (http_header){slice_from_text("x-amz-checksum-sha256"), slice_from_text(o->text)};
    o->extra[1] = (http_header){slice_from_text("x-amz-sdk-checksum-algorithm"), slice_from_text("SHA256")};
    o->extra[2] = (http_header){slice_from_text("content-type"), slice_from_text("application/xml")};
    w.extra = o->extra;
    w.extra_count = 3;
    s3_send(o, &w);
}

// The answer of 200 names what could not be removed.
static bool has_removed(const s3_answer *a, s3_answer *ret_failure) {
    *ret_failure = *a;
    s3_read_delete_error(a->body, ret_failure->error);
    return s3_is_good(ret_failure);
}

static void delete_object(s3_op *o, const s3_answer *a) {
    if (a == NULL) {
        if (!s3_name_is_fit(s3_call(o)->object)) {
            send_about_container(o, "HEAD", true); // it cannot be there; but is the container?
        } else {
            send_about_object(o, "DELETE", false);
        }
    } else if (s3_is_good(a) || strcmp(a->error, "NoSuchKey") == 0) {
        done(o);
    } else {
        s3_reply_failure(o, a);
    }
}

static void delete_objects(s3_op *o, const s3_answer *a) {
    s3_answer failure;
    if (a == NULL && s3_call(o)->count == 0) {
        send_about_container(o, "HEAD", true);
    } else if (a == NULL) {
        send_delete(o, s3_call(o)->names, s3_call(o)->count);
    } else if (s3_is_good(a) && has_removed(a, &failure)) {
        done(o);
    } else {
        s3_reply_failure(o, s3_is_good(a) ? &failure : a);
    }
}

static void ended_clearing(s3_op *o) {
    if (s3_call(o)->function == BLOBSTORE_CLEAR_CONTAINER) {
        done(o);
        return;
    }
    o->step = 1000; // what comes next is the last answer
    send_about_container(o, "DELETE", false);
}

// A page of names, its removal, the next page, which is the first one again. Both functions.
static void clear(s3_op *o, const s3_answer *a) {
    s3_listing found;
    s3_answer failure;
    err e;
    if (a == NULL) {
        send_list(o, BLOBSTORE_MANY_MAX, false, slice_empty());
    } else if (!s3_is_good(a)) {
        s3_reply_failure(o, a);
    } else if (o->step > 1000) {
        done(o);
    } else if (o->step % 2 == 0) {
        if (!has_removed(a, &failure)) {
            s3_reply_failure(o, &failure);
            return;
        }
        o->step = 0;
        arena_reset(&o->names);
        send_list(o, BLOBSTORE_MANY_MAX, false, slice_empty());
    } else if (s3_read_listing(a->body, BLOBSTORE_MANY_MAX, &o->names, &found, &e) != STATUS_OK) {
        s3_reply_failure(o, &(s3_answer){.code = STATUS_IO, .why = e.message});
    } else if (found.count == 0) {
        ended_clearing(o);
    } else {
        send_delete(o, found.names, found.count);
    }
}

// --- objects -----------------------------------------------------------------------------------------------

// HEAD says 404 for both.
static void ask_what_is_missing(s3_op *o) { send_about_container(o, "HEAD", true); }

static void reply_missing(s3_op *o, const s3_answer *a, bool is_error) {
    if (a->code == STATUS_OK && (a->status == 404 || a->status == 400)) {
        s3_reply_error(o, BLOBSTORE_NO_CONTAINER);
    } else if (!s3_is_good(a)) {
        s3_reply_failure(o, a);
    } else if (is_error) {
        s3_reply_error(o, BLOBSTORE_NO_OBJECT);
    } else {
        s3_reply(o, &(blobstore_answer){.is_there = false});
    }
}

static void object_info(s3_op *o, const s3_answer *a) {
    bool is_has = s3_call(o)->function == BLOBSTORE_HAS_OBJECT;
    if (a == NULL && s3_name_is_fit(s3_call(o)->object)) {
        send_about_object(o, "HEAD", true);
    } else if (a == NULL) {
        o->step = 1;
        ask_what_is_missing(o);
    } else if (o->step == 1 && a->code == STATUS_OK && (a->status == 404 || a->status == 400)) {
        ask_what_is_missing(o);
    } else if (o->step == 2) {
        reply_missing(o, a, !is_has);
    } else if (s3_is_good(a)) {
        s3_reply(o, &(blobstore_answer){.is_there = true, .created_at = a->modified_at, .size = a->length});
    } else {
        s3_reply_failure(o, a);
    }
}

static void send_read(s3_op *o) {
    const blobstore_call *c = s3_call(o);
    s3_wanted w = s3_about("GET", c->container, c->object);
    w.is_repeatable = true;
    (void)snprintf(o->text, sizeof o->text, "bytes=%" PRIu64 "-%" PRIu64, c->start, c->start + c->len - 1);
    o->extra[0] = (http_header){slice_from_text("range"), slice_from_text(o->text)};
    o->extra[1] = (http_header){slice_from_text("if-match"), c->revision};
    w.extra = o->extra;
    w.extra_count = c->has_revision ? 2 : 1;
    s3_send(o, &w);
}

static void reply_read(s3_op *o, const s3_answer *a, slice bytes) {
    const blobstore_call *c = s3_call(o);
    if (a->etag.len == 0 || a->etag.len > BLOBSTORE_REVISION_BYTES_MAX) {
        s3_reply_failure(o, &(s3_answer){.code = STATUS_IO, .why = "the server gives objects no ETag"});
    } else if (c->has_revision && !slice_equal(a->etag, c->revision)) {
        s3_reply_error(o, BLOBSTORE_CHANGED);
    } else {
        s3_reply(o, &(blobstore_answer){.revision = a->etag, .size = a->whole_length, .bytes = bytes});
    }
}

// A range behind the end is 416, and says neither size nor revision: HEAD does.
static void read_object(s3_op *o, const s3_answer *a) {
    const blobstore_call *c = s3_call(o);
    if (a == NULL && !s3_name_is_fit(c->object)) {
        o->step = 2;
        ask_what_is_missing(o);
    } else if (a == NULL && c->start > INT64_MAX) {
        o->step = 1;
        send_about_object(o, "HEAD", true);
    } else if (a == NULL) {
        send_read(o);
    } else if (o->step == 1 && a->code == STATUS_OK && a->status == 416) {
        send_about_object(o, "HEAD", true);
    } else if (o->step == 2 && a->code == STATUS_OK && (a->status == 404 || a->status == 400)) {
        ask_what_is_missing(o);
    } else if (o->step == 3) {
        reply_missing(o, a, true);
    } else if (o->step == 1 && a->code == STATUS_OK && (a->status == 412 || a->status == 400) &&
               c->has_revision && strcmp(a->error, "NoSuchKey") != 0) {
        s3_reply_error(o, BLOBSTORE_CHANGED);
    } else if (!s3_is_good(a)) {
        s3_reply_failure(o, a);
    } else if (o->step == 2) {
        reply_read(o, a, slice_empty());
    } else {
        uint64_t left = c->start < a->whole_length ? a->whole_length - c->start : 0;
        bool is_right = a->body.len == (left < c->len ? left : c->len) && (a->status == 206 || c->start == 0);
        if (is_right) {
            reply_read(o, a, a->body);
        } else {
            s3_reply_failure(o, &(s3_answer){.code = STATUS_IO, .why = "the server does not give the range"});
        }
    }
}

// --- copies ------------------------------------------------------------------------------------------------

static bool is_to_itself(const blobstore_call *c) {
    return slice_equal(c->container, c->to_container) && slice_equal(c->object, c->to_object);
}

static void send_copy(s3_op *o) {
    const blobstore_call *c = s3_call(o);
    s3_wanted w = s3_about("PUT", c->to_container, c->to_object);
    buf_clear(&o->body);
    status s = s3_encode(c->container, false, &o->body);
    s = s == STATUS_OK ? buf_append_byte(&o->body, '/') : s;
    s = s == STATUS_OK ? s3_encode(c->object, true, &o->body) : s;
    if (s != STATUS_OK) {
        s3_reply_error(o, BLOBSTORE_BAD_NAME);
        return;
    }
    o->extra[0] = (http_header){slice_from_text("x-amz-copy-source"), buf_slice(&o->body)};
    w.extra = o->extra;
    w.extra_count = 1;
    s3_send(o, &w);
}

// The target's container is looked at first: servers tell a missing one in many ways. A copy may fail after
// 200 was said: then there is an error in the body.
static void copy(s3_op *o, const s3_answer *a) {
    const blobstore_call *c = s3_call(o);
    s3_answer failure;
    if (a == NULL) {
        s3_wanted w = s3_about("HEAD", c->to_container, slice_empty());
        w.is_repeatable = true;
        s3_send(o, &w);
        return;
    }
    if (o->step == 1 && a->code == STATUS_OK && (a->status == 404 || a->status == 400)) {
        s3_reply_error(o, BLOBSTORE_NO_CONTAINER);
    } else if (o->step == 1 && s3_is_good(a) && !s3_name_is_fit(c->object)) {
        s3_reply_error(o, BLOBSTORE_NO_OBJECT);
    } else if (o->step == 1 && s3_is_good(a)) {
        send_about_object(o, "HEAD", true);
    } else if (o->step == 2 && a->code == STATUS_OK && (a->status == 404 || a->status == 400)) {
        o->step = 9;
        ask_what_is_missing(o);
    } else if (o->step == 10) {
        reply_missing(o, a, true);
    } else if (!s3_is_good(a)) {
        s3_reply_failure(o, a);
    } else if (o->step == 2 && is_to_itself(c)) {
        done(o);
    } else if (o->step == 2 && !s3_name_is_fit(c->to_object)) {
        s3_reply_error(o, BLOBSTORE_BAD_NAME);
    } else if (o->step == 2) {
        send_copy(o);
    } else if (o->step == 3) {
        failure = *a;
        s3_read_error(a->body, failure.error);
        if (failure.error[0] == '\0' && !s3_is_result(a->body, "CopyObjectResult")) {
            failure = (s3_answer){.code = STATUS_IO, .why = "the server's answer to a copy makes no sense"};
        }
        if (!s3_is_good(&failure)) {
            s3_reply_failure(o, &failure);
        } else if (c->function == BLOBSTORE_COPY) {
            done(o);
        } else {
            send_about_object(o, "DELETE", false);
        }
    } else {
        done(o);
    }
}

s3_handler s3_handler_of(blobstore_function f) {
    static const s3_handler handlers[BLOBSTORE_FUNCTION_COUNT] = {
        [BLOBSTORE_CREATE_CONTAINER] = create,
        [BLOBSTORE_CONTAINER_EXISTS] = exists,
        [BLOBSTORE_DELETE_CONTAINER] = clear,
        [BLOBSTORE_CLEAR_CONTAINER] = clear,
        [BLOBSTORE_CONTAINER_INFO] = container_info,
        [BLOBSTORE_LIST] = list,
        [BLOBSTORE_COPY] = copy,
        [BLOBSTORE_MOVE] = copy,
        [BLOBSTORE_HAS_OBJECT] = object_info,
        [BLOBSTORE_OBJECT_INFO] = object_info,
        [BLOBSTORE_DELETE_OBJECT] = delete_object,
        [BLOBSTORE_DELETE_OBJECTS] = delete_objects,
        [BLOBSTORE_READ] = read_object,
    };
    return handlers[f];
}
