// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_blobstore.h"

#include <stdio.h>

#include "base/check.h"

enum { BYTES_MAX = 4 << 20 };

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    blob_pending *p = c->host;
    CHECK(!p->is_done && (code == STATUS_OK) == (e == NULL));
    p->is_done = true;
    p->code = code;
    if (code == STATUS_OK) {
        err why;
        CHECK(buf_append(&p->bytes, payload) == STATUS_OK);
        status s = blobstore_answer_decode(&p->asked, buf_slice(&p->bytes), &p->memory, &p->answer, &why);
        if (s != STATUS_OK) {
            printf("    %s\n", why.message);
        }
        CHECK(s == STATUS_OK);
    } else {
        snprintf(p->message, sizeof p->message, "%.500s", e->message);
    }
}

void blob_begin(blobs *b, blob_pending *p, const blobstore_call *c, uint64_t deadline_ns) {
    *p = (blob_pending){.asked = {.function = c->function, .step = c->step}};
    buf_init(&p->payload, BYTES_MAX);
    buf_init(&p->bytes, BYTES_MAX);
    arena_init(&p->memory, BYTES_MAX);
    CHECK(blobstore_call_encode(c, &p->payload, NULL) == STATUS_OK);
    p->call = (driver_call){.interface = slice_from_text(BLOBSTORE_INTERFACE),
                            .function = slice_from_text(blobstore_function_name(c->function)),
                            .payload = buf_slice(&p->payload),
                            .deadline_ns = deadline_ns,
                            .end = on_end,
                            .host = p};
    b->k.d->call(b->k.link, &p->call);
}

void blob_done(blob_pending *p) {
    buf_done(&p->payload);
    buf_done(&p->bytes);
    arena_done(&p->memory);
}

void blob_wait(blobs *b, blob_pending *p) {
    while (!p->is_done) {
        kv_turn(&b->k);
    }
}

void blob_call(blobs *b, const blobstore_call *c, blob_pending *ret) {
    blob_begin(b, ret, c, UINT64_MAX);
    blob_wait(b, ret);
}

static void show(const blobstore_call *c, const blob_pending *p) {
    printf("    %s of \"%.*s\" in \"%.*s\": %s %s%.*s\n", blobstore_function_name(c->function),
           SLICE_ARG(slice_sub(c->object, 0, 80)), SLICE_ARG(c->container), status_name(p->code), p->message,
           SLICE_ARG(p->answer.message));
}

static bool do_call(blobs *b, const blobstore_call *c, blob_pending *ret) {
    blob_call(b, c, ret);
    bool ok = ret->code == STATUS_OK && !ret->answer.is_error;
    if (!ok) {
        show(c, ret);
    }
    return ok;
}

bool blob_do(blobs *b, const blobstore_call *c) {
    blob_pending p;
    bool ok = do_call(b, c, &p);
    blob_done(&p);
    return ok;
}

bool blob_is_error(blobs *b, const blobstore_call *c, blobstore_error x) {
    blob_pending p;
    blob_call(b, c, &p);
    bool ok = p.code == STATUS_OK && p.answer.is_error &&
              slice_equal_text(p.answer.message, blobstore_error_text(x));
    if (!ok) {
        show(c, &p);
    }
    blob_done(&p);
    return ok;
}

bool blob_create(blobs *b, const char *container) {
    blobstore_call c = blob_on_container(BLOBSTORE_CREATE_CONTAINER, container);
    return blob_do(b, &c);
}

static bool is_there(blobs *b, const blobstore_call *c) {
    blob_pending p;
    bool found = do_call(b, c, &p) && p.answer.is_there;
    blob_done(&p);
    return found;
}

bool blob_exists(blobs *b, const char *container) {
    blobstore_call c = blob_on_container(BLOBSTORE_CONTAINER_EXISTS, container);
    return is_there(b, &c);
}

bool blob_has(blobs *b, const char *container, slice object) {
    blobstore_call c = blob_on_object(BLOBSTORE_HAS_OBJECT, container, object);
    return is_there(b, &c);
}

// --- uploads -----------------------------------------------------------------------------------------------

static const char *problem_of(const blob_pending *p) {
    if (p->code != STATUS_OK) {
        return status_name(p->code);
    }
    for (unsigned x = 0; p->answer.is_error && x < BLOBSTORE_ERROR_COUNT; x++) {
        if (slice_equal_text(p->answer.message, blobstore_error_text((blobstore_error)x))) {
            return blobstore_error_text((blobstore_error)x);
        }
    }
    return p->answer.is_error ? "another error" : NULL;
}

static const char *step(blobs *b, const blobstore_call *c, blob_upload *begun) {
    blob_pending p;
    blob_call(b, c, &p);
    const char *problem = problem_of(&p);
    if (problem != NULL && strcmp(problem, "another error") == 0) {
        show(c, &p);
    }
    if (problem == NULL && begun != NULL) {
        snprintf(begun->name, sizeof begun->name, "%.*s", SLICE_ARG(p.answer.upload));
        begun->bytes = 0;
    }
    blob_done(&p);
    return problem;
}

const char *blob_upload_begin(blobs *b, const char *container, slice object, blob_upload *ret) {
    blobstore_call c = blob_on_object(BLOBSTORE_WRITE, container, object);
    return step(b, &c, ret);
}

static blobstore_call of_upload(blobstore_step s, const blob_upload *u) {
    return (blobstore_call){
        .function = BLOBSTORE_WRITE, .step = s, .upload = slice_from_text(u->name), .offset = u->bytes};
}

const char *blob_upload_append(blobs *b, blob_upload *u, slice bytes) {
    blobstore_call c = of_upload(BLOBSTORE_APPEND, u);
    c.bytes = bytes;
    const char *problem = step(b, &c, NULL);
    u->bytes += problem == NULL ? bytes.len : 0;
    return problem;
}

const char *blob_upload_finish(blobs *b, const blob_upload *u) {
    blobstore_call c = of_upload(BLOBSTORE_FINISH, u);
    return step(b, &c, NULL);
}

const char *blob_upload_abort(blobs *b, const blob_upload *u) {
    blobstore_call c = of_upload(BLOBSTORE_ABORT, u);
    return step(b, &c, NULL);
}

const char *blob_write(blobs *b, const char *container, slice object, slice bytes) {
    blob_upload u;
    const char *problem = blob_upload_begin(b, container, object, &u);
    if (problem != NULL) {
        return problem;
    }
    while (problem == NULL && u.bytes < bytes.len) {
        slice part = slice_sub(bytes, u.bytes, u.bytes + BLOBSTORE_PART_BYTES_MAX);
        problem = blob_upload_append(b, &u, part);
    }
    problem = problem == NULL ? blob_upload_finish(b, &u) : problem;
    if (problem != NULL) {
        (void)blob_upload_abort(b, &u);
    }
    return problem;
}

bool blob_put(blobs *b, const char *container, const char *object, const char *text) {
    const char *problem = blob_write(b, container, slice_from_text(object), slice_from_text(text));
    if (problem != NULL) {
        printf("    writing \"%s\" in \"%s\": %s\n", object, container, problem);
    }
    return problem == NULL;
}

// --- reading -----------------------------------------------------------------------------------------------

bool blob_is_bytes(blobs *b, const char *container, slice object, slice bytes) {
    blobstore_call c = blob_on_object(BLOBSTORE_READ, container, object);
    char revision[BLOBSTORE_REVISION_BYTES_MAX];
    bool ok = true;
    do {
        blob_pending p;
        ok = do_call(b, &c, &p) && p.answer.size == bytes.len &&
             slice_equal(p.answer.bytes, slice_sub(bytes, c.start, c.start + c.len));
        memcpy(revision, p.answer.revision.data, p.answer.revision.len);
        c.has_revision = true;
        c.revision = slice_of(revision, p.answer.revision.len);
        c.start += c.len;
        if (!ok) {
            printf("    \"%.*s\" has %llu bytes, not %zu, or others\n", SLICE_ARG(object),
                   (unsigned long long)p.answer.size, bytes.len);
        }
        blob_done(&p);
    } while (ok && c.start < bytes.len);
    return ok;
}

bool blob_is(blobs *b, const char *container, const char *object, const char *text) {
    if (text == NULL) {
        blobstore_call c = blob_on_object(BLOBSTORE_READ, container, slice_from_text(object));
        return blob_is_error(b, &c, BLOBSTORE_NO_OBJECT) && !blob_has(b, container, slice_from_text(object));
    }
    return blob_is_bytes(b, container, slice_from_text(object), slice_from_text(text));
}
