// SPDX-License-Identifier: Apache-2.0
#include "driver/blobstore/directory_list.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "driver/blobstore/directory_names.h"
#include "driver/blobstore/directory_walk.h"

// The names that are kept: twice a page and one, of which a page and one stay whenever there is no more room.
typedef struct listing {
    const blobstore_call *call;
    const atomic_bool *is_cancelled;
    size_t count;
    size_t kept_max; // a page, and one that tells that there are more
    bool is_full;    // names from `names[kept_max - 1]` on are too many
    slice names[2 * (BLOBSTORE_PAGE_NAMES_MAX + 1)];
} listing;

static int compare(const void *a, const void *b) {
    return slice_compare(*(const slice *)a, *(const slice *)b);
}

static void shrink(listing *l) {
    qsort(l->names, l->count, sizeof l->names[0], compare);
    for (; l->count > l->kept_max; l->count--) {
        mem_free((void *)l->names[l->count - 1].data);
    }
    l->is_full = l->count == l->kept_max;
}

static int visit(void *arg, const directory_visit *v) {
    listing *l = arg;
    uint8_t bytes[BLOBSTORE_OBJECT_BYTES_MAX];
    size_t len = 0;
    if (atomic_load(l->is_cancelled)) {
        return ECANCELED;
    }
    if (v->is_directory || v->path == NULL || !directory_name(v->path, bytes, &len)) {
        return 0;
    }
    slice name = slice_of(bytes, len);
    if ((l->call->has_cursor && slice_compare(name, l->call->cursor) <= 0) ||
        (l->is_full && slice_compare(name, l->names[l->kept_max - 1]) >= 0)) {
        return 0;
    }
    l->names[l->count++] = slice_of(mem_slice_dup(name), len);
    if (l->count == 2 * l->kept_max) {
        shrink(l);
    }
    return 0;
}

static int answer(listing *l, arena *memory, blobstore_answer *ret) {
    size_t bytes = 0;
    shrink(l);
    ret->has_cursor = l->count == l->kept_max;
    ret->count = ret->has_cursor ? l->count - 1 : l->count;
    for (size_t i = 0; i < ret->count; i++) {
        bytes += l->names[i].len;
        if (bytes > BLOBSTORE_PAGE_BYTES_MAX) { // more than one, since no name is so long
            ret->has_cursor = true;
            ret->count = i;
        }
    }
    slice *names = ARENA_ARRAY(memory, slice, ret->count);
    for (size_t i = 0; names != NULL && i < ret->count; i++) {
        names[i] = arena_copy(memory, l->names[i]);
        names = names[i].data == NULL ? NULL : names;
    }
    if (names == NULL) {
        return ENOMEM;
    }
    ret->names = names;
    ret->cursor = ret->has_cursor ? names[ret->count - 1] : slice_empty();
    return 0;
}

int directory_list(int container, const blobstore_call *c, arena *memory, const atomic_bool *is_cancelled,
                   blobstore_answer *ret) {
    listing *l = MEM_NEW(listing);
    l->call = c;
    l->is_cancelled = is_cancelled;
    l->kept_max = (size_t)c->limit + 1;
    int error = directory_walk(container, visit, l);
    error = error == 0 ? answer(l, memory, ret) : error;
    for (size_t i = 0; i < l->count; i++) {
        mem_free((void *)l->names[i].data);
    }
    mem_free(l);
    return error;
}
