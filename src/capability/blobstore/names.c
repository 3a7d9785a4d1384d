// SPDX-License-Identifier: Apache-2.0
// stream-object-names: one page of a listing at a time. A read gives what is left of a page, and fetches one
// when nothing is left.
#include "base/mem.h"
#include "capability/blobstore/blobstore_internal.h"

struct wasi_blobstore_container_stream_object_names {
    wasi_resource base;
    blob_link link;
    char *container;
    arena page;     // of `names`
    size_t charged; // to the instance's account, for it
    const slice *names;
    size_t count;
    size_t at;
    bool is_last; // no page comes after this one
    size_t cursor_len;
    uint8_t cursor[BLOBSTORE_CURSOR_BYTES_MAX];
};

typedef wasi_blobstore_container_stream_object_names stream;

// Names, and where they stand.
enum { PAGE_BYTES_MAX = BLOBSTORE_CALL_BYTES_MAX + BLOBSTORE_PAGE_NAMES_MAX * 64 };

static void free_stream(wasi_resource *r) {
    stream *s = (stream *)(void *)r;
    blob_account_give(r->instance, s->charged);
    arena_done(&s->page);
    mem_free(s->container);
    mem_free(s);
}

static const wasi_resource_ops stream_ops = {.free = free_stream};

void wasi_blobstore_container_stream_object_names_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((stream *)rep)->base);
}

// The page is over. Returns how many names the next one may have.
static uint32_t make_room(stream *s) {
    wasi_instance *i = s->base.instance;
    arena_reset(&s->page);
    s->names = NULL;
    s->count = s->at = 0;
    blob_account_give(i, s->charged);
    size_t bytes = blob_account_take(i, BLOBSTORE_PAGE_BYTES_MAX, &s->charged);
    return s->charged > 0 ? BLOBSTORE_PAGE_NAMES_MAX : (uint32_t)(bytes / BLOBSTORE_OBJECT_BYTES_MAX);
}

// Most pages are smaller than they might be.
static void give_rest(stream *s) {
    if (s->page.used < s->charged) {
        blob_account_give(s->base.instance, s->charged - s->page.used);
        s->charged = s->page.used;
    }
}

static bool keep_page(stream *s, const blobstore_answer *a) {
    slice *names = ARENA_ARRAY(&s->page, slice, a->count);
    for (size_t i = 0; names != NULL && i < a->count; i++) {
        names[i] = arena_copy(&s->page, a->names[i]);
        names = names[i].data == NULL && a->names[i].len > 0 ? NULL : names;
    }
    if (names == NULL) {
        return false;
    }
    give_rest(s);
    s->names = names;
    s->count = a->count;
    s->is_last = !a->has_cursor;
    s->cursor_len = a->cursor.len;
    if (a->cursor.len > 0) {
        memcpy(s->cursor, a->cursor.data, a->cursor.len);
    }
    return true;
}

static status fetch(host_call *call, stream *s, bool is_first, bool *ret_is_error, slice *ret_error, err *e) {
    blobstore_answer a;
    const blobstore_call c = {.function = BLOBSTORE_LIST,
                              .container = slice_from_text(s->container),
                              .limit = make_room(s),
                              .has_cursor = !is_first,
                              .cursor = slice_of(s->cursor, s->cursor_len)};
    TRY(blob_call(call, &s->link, &c, &a, ret_is_error, ret_error, e));
    if (!*ret_is_error && !keep_page(s, &a)) {
        *ret_is_error = true;
        *ret_error = blob_error_text(call, "no memory for a page of names");
    }
    return STATUS_OK;
}

// The first page is fetched at once, so that what is wrong with the container is told here.
status blob_names_new(host_call *call, const wasi_blobstore_container_container *c,
                      wasi_blobstore_container_result_stream_object_names_string *ret, err *e) {
    err why;
    slice problem;
    stream *s = WASI_NEW(wasi_of(call), stream, &stream_ops, WASI_CLASS_STREAM, NULL, &why);
    if (s == NULL) {
        ret->is_err = true;
        ret->err = blob_error_text(call, why.message);
        return STATUS_OK;
    }
    s->link = c->link;
    s->container = mem_text_dup(c->name);
    arena_init(&s->page, PAGE_BYTES_MAX);
    status fetched = fetch(call, s, true, &ret->is_err, &problem, e);
    if (fetched != STATUS_OK || ret->is_err) {
        ret->err = problem;
        wasi_resource_drop(&s->base);
        return fetched;
    }
    ret->ok = s;
    return STATUS_OK;
}

// Goes on to a page with names, or the end.
static status refill(host_call *call, stream *s, bool *ret_is_error, slice *ret_error, err *e) {
    *ret_is_error = false;
    while (s->at == s->count && !s->is_last && !*ret_is_error) {
        TRY(fetch(call, s, false, ret_is_error, ret_error, e));
    }
    return STATUS_OK;
}

static bool is_at_end(const stream *s) { return s->at == s->count && s->is_last; }

status wasi_blobstore_container_stream_object_names_read_stream_object_names(
    host_call *call, stream *self, uint64_t len,
    wasi_blobstore_container_result_tuple_list_string_bool_string *ret, err *e) {
    slice problem = slice_empty();
    TRY(refill(call, self, &ret->is_err, &problem, e));
    if (ret->is_err) {
        ret->err = problem;
        return STATUS_OK;
    }
    size_t left = self->count - self->at;
    size_t count = len < left ? (size_t)len : left;
    slice *names = ARENA_ARRAY(host_call_arena(call), slice, count);
    if (names == NULL) {
        return err_set(e, STATUS_TRAP, "%zu names are more than one call may use", count);
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = self->names[self->at++];
    }
    ret->ok.f0 = (wasi_blobstore_container_list_string){names, count};
    ret->ok.f1 = is_at_end(self);
    return STATUS_OK;
}

status wasi_blobstore_container_stream_object_names_skip_stream_object_names(
    host_call *call, stream *self, uint64_t num, wasi_blobstore_container_result_tuple_u64_bool_string *ret,
    err *e) {
    uint64_t skipped = 0;
    slice problem = slice_empty();
    do {
        TRY(refill(call, self, &ret->is_err, &problem, e));
        size_t left = self->count - self->at;
        size_t count = num - skipped < left ? (size_t)(num - skipped) : left;
        self->at += count;
        skipped += count;
    } while (!ret->is_err && skipped < num && !is_at_end(self));
    if (ret->is_err) {
        ret->err = problem;
    } else {
        ret->ok.f0 = skipped;
        ret->ok.f1 = is_at_end(self);
    }
    return STATUS_OK;
}
