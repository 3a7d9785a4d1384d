// SPDX-License-Identifier: Apache-2.0
// What all drivers of the contract share: the way in, with its limits, and the ways out.
#include <stdio.h>

#include "base/mem.h"
#include "driver/blobstore/blobstore.h"

// Names of the largest call or page, and a part.
enum { REQUEST_MEMORY_MAX = 2 * BLOBSTORE_CALL_BYTES_MAX + (2 << 20) };

static const uint64_t ms = 1000000;

// --- limits ------------------------------------------------------------------------------------------------

status blobstore_limits_read(const driver_values *settings, blobstore_limits *ret, err *e) {
    uint64_t object = 5ull << 30, uploads = 32, idle_ms = 60000;
    TRY(driver_values_number(settings, "object-bytes-max", 1, 1ull << 43, &object, e));
    TRY(driver_values_number(settings, "uploads-max", 1, 1024, &uploads, e));
    TRY(driver_values_number(settings, "upload-idle-ms", 1, 3600000, &idle_ms, e));
    slice containers = slice_empty();
    if (driver_values_text(settings, "containers", &containers) == STATUS_OK) {
        containers = slice_of(mem_slice_dup(containers), containers.len);
    }
    *ret = (blobstore_limits){.containers = containers,
                              .object_bytes_max = object,
                              .uploads_max = (uint32_t)uploads,
                              .upload_idle_ns = idle_ms * ms};
    return STATUS_OK;
}

void blobstore_limits_done(blobstore_limits *l) {
    mem_free((void *)l->containers.data);
    *l = (blobstore_limits){0};
}

static bool is_name(slice name) { return name.len > 0 && memchr(name.data, 0, name.len) == NULL; }

static bool has_container(const blobstore_limits *l, slice name) {
    return l->containers.len == 0 || driver_list_has(l->containers, name);
}

static bool is_about_object(const blobstore_call *c) {
    return c->function >= BLOBSTORE_COPY && c->function != BLOBSTORE_DELETE_OBJECTS &&
           (c->function != BLOBSTORE_WRITE || c->step == BLOBSTORE_BEGIN);
}

static bool has_bad_name(const blobstore_call *c) {
    bool is_bad = is_about_object(c) && !is_name(c->object);
    for (size_t i = 0; c->function == BLOBSTORE_DELETE_OBJECTS && i < c->count; i++) {
        is_bad = is_bad || !is_name(c->names[i]);
    }
    bool has_target = c->function == BLOBSTORE_COPY || c->function == BLOBSTORE_MOVE;
    return is_bad || (has_target && !is_name(c->to_object));
}

// Whether the request may go on; answers otherwise.
static bool check(blobstore_request *q, const blobstore_limits *l) {
    const blobstore_call *c = &q->call;
    bool has_target = c->function == BLOBSTORE_COPY || c->function == BLOBSTORE_MOVE;
    if (c->function == BLOBSTORE_WRITE && c->step != BLOBSTORE_BEGIN) {
        return true;
    }
    if (c->function == BLOBSTORE_CONTAINER_EXISTS &&
        (!has_container(l, c->container) || !is_name(c->container))) {
        blobstore_reply(q, &(blobstore_answer){.is_there = false});
        return false;
    }
    if (!has_container(l, c->container) || (has_target && !has_container(l, c->to_container))) {
        blobstore_reply_error(q, c->function == BLOBSTORE_CREATE_CONTAINER ? BLOBSTORE_DENIED
                                                                           : BLOBSTORE_NO_CONTAINER);
        return false;
    }
    if (!is_name(c->container) || (has_target && !is_name(c->to_container)) || has_bad_name(c)) {
        blobstore_reply_error(q, BLOBSTORE_BAD_NAME);
        return false;
    }
    return true;
}

// --- in ----------------------------------------------------------------------------------------------------

blobstore_request *blobstore_receive(driver_call *c, const blobstore_limits *l) {
    blobstore_function f;
    if (!slice_equal_text(c->interface, BLOBSTORE_INTERFACE) || !blobstore_function_find(c->function, &f)) {
        driver_fail(c, STATUS_UNSUPPORTED, "a blob store has no such function");
        return NULL;
    }
    if (c->payload.len > BLOBSTORE_CALL_BYTES_MAX) {
        driver_fail(c, STATUS_LIMIT, "arguments of %zu bytes", c->payload.len);
        return NULL;
    }
    blobstore_request *q = MEM_NEW(blobstore_request);
    arena_init(&q->memory, REQUEST_MEMORY_MAX);
    list_init(&q->node);
    q->origin = c;
    c->data = q;
    err e = {0};
    status code = blobstore_call_decode(f, c->payload, &q->memory, &q->call, &e);
    if (code != STATUS_OK) {
        blobstore_fail(q, code, "%s", e.message);
        return NULL;
    }
    return check(q, l) ? q : NULL;
}

// --- out ---------------------------------------------------------------------------------------------------

static driver_call *take_origin(blobstore_request *q) {
    driver_call *c = q->origin;
    c->data = NULL;
    return c;
}

static void free_request(blobstore_request *q) {
    loop_timer_stop(&q->timer);
    arena_done(&q->memory);
    mem_free(q);
}

void blobstore_reply(blobstore_request *q, const blobstore_answer *a) {
    driver_call *c = take_origin(q);
    auto_buf bytes;
    buf_init(&bytes, BLOBSTORE_CALL_BYTES_MAX);
    err e = {0};
    status code = blobstore_answer_encode(&q->call, a, &bytes, &e);
    // The call's own bytes may be part of the answer, so that it ends last.
    if (code == STATUS_OK) {
        driver_answer(c, buf_slice(&bytes));
    } else {
        driver_fail(c, code, "%s", e.message);
    }
    free_request(q);
}

const char *blobstore_error_text(blobstore_error x) {
    static const char *const texts[BLOBSTORE_ERROR_COUNT] = {
        [BLOBSTORE_NO_CONTAINER] = "there is no such container",
        [BLOBSTORE_NO_OBJECT] = "there is no such object",
        [BLOBSTORE_CHANGED] = "the object was changed while it was read",
        [BLOBSTORE_NO_UPLOAD] = "there is no such upload (any more)",
        [BLOBSTORE_BAD_NAME] = "this store cannot hold an object or a container of that name",
        [BLOBSTORE_TOO_LARGE] = "the object is larger than the link allows",
        [BLOBSTORE_FULL] = "the store is full",
        [BLOBSTORE_TOO_MANY] = "too many uploads are not finished yet",
        [BLOBSTORE_DENIED] = "access to it is denied",
    };
    return texts[x];
}

void blobstore_reply_error(blobstore_request *q, blobstore_error x) {
    blobstore_reply_other(q, "%s", blobstore_error_text(x));
}

void blobstore_reply_other(blobstore_request *q, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    blobstore_reply(q, &(blobstore_answer){.is_error = true, .message = slice_from_text(text)});
}

void blobstore_fail(blobstore_request *q, status code, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    driver_call *c = take_origin(q);
    driver_fail(c, code, "%s", text);
    free_request(q);
}
