// SPDX-License-Identifier: Apache-2.0
#include "agent/images.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "loop/work.h"
#include "os/fd.h"
#include "os/private.h"
#include "os/replace.h"
#include "os/whole_file.h"

enum { PATH_BYTES_MAX = 4096 };

struct images {
    images_options options;
    char *directory;
    loop_work_pool *pool;
};

struct images_fetch {
    images *owner;
    loop_work work;
    char *from; // the file
    char path[PATH_BYTES_MAX];
    images_ended ended; // NULL: cancelled
    void *arg;
    status code;
    err e;
};

// --- on another thread -------------------------------------------------------------------------------------

static status name_file(images_fetch *f, slice bytes, err *e) {
    uint8_t hash[HASH_BYTES];
    char hex[HASH_HEX_BYTES];
    hash_sha256(&bytes, 1, hash);
    hash_hex(hash, hex);
    int n = snprintf(f->path, sizeof f->path, "%s/%s", f->owner->directory, hex);
    return n > 0 && (size_t)n < sizeof f->path ? STATUS_OK
                                               : err_set(e, STATUS_LIMIT, "the path of images is too long");
}

static status copy(images_fetch *f, err *e) {
    auto_buf bytes, there;
    buf_init(&bytes, f->owner->options.bytes_max);
    buf_init(&there, f->owner->options.bytes_max);
    TRY(file_read_regular(f->from, f->owner->options.bytes_max, &bytes, e));
    TRY(name_file(f, buf_slice(&bytes), e));
    bool is_there = file_read_whole(f->path, f->owner->options.bytes_max, &there, NULL) == STATUS_OK &&
                    slice_equal(buf_slice(&bytes), buf_slice(&there));
    return is_there ? STATUS_OK : file_replace_whole(f->path, buf_slice(&bytes), e);
}

static void run(void *arg) {
    images_fetch *f = arg;
    f->code = copy(f, &f->e);
}

// --- on the loop -------------------------------------------------------------------------------------------

static void done(void *arg) {
    images_fetch *f = arg;
    if (f->ended != NULL) {
        f->ended(f->arg, f->code, f->path, f->code == STATUS_OK ? "" : f->e.message);
    }
    mem_free(f->from);
    mem_free(f);
}

static status check_reference(const images *i, slice reference, slice *ret_path, err *e) {
    static const char scheme[] = "file://";
    size_t n = sizeof scheme - 1;
    slice path = slice_sub(reference, n, SIZE_MAX);
    if (!slice_equal_text(slice_sub(reference, 0, n), scheme)) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "the image %.*s is in a registry, and this host fetches from none: name a file of the "
                       "host's machine, file:///path",
                       SLICE_ARG(slice_sub(reference, 0, 200)));
    }
    if (!i->options.allows_files) {
        return err_set(e, STATUS_DENIED,
                       "the image %.*s is a file, and this host loads none: its operator allows that with "
                       "--allow-file-load",
                       SLICE_ARG(slice_sub(reference, 0, 200)));
    }
    if (path.len == 0 || path.data[0] != '/' || slice_find(path, 0, 0) != SIZE_MAX) {
        return err_set(e, STATUS_INVALID, "%.*s is not file:// with an absolute path",
                       SLICE_ARG(slice_sub(reference, 0, 200)));
    }
    *ret_path = path;
    return STATUS_OK;
}

status images_start(images *i, slice reference, images_ended ended, void *arg, images_fetch **ret, err *e) {
    slice path;
    TRY(check_reference(i, reference, &path, e));
    images_fetch *f = MEM_NEW(images_fetch);
    *f = (images_fetch){.owner = i, .from = mem_slice_dup(path), .ended = ended, .arg = arg};
    status s = loop_work_start(i->pool, &f->work, run, done, f, e);
    if (s != STATUS_OK) {
        mem_free(f->from);
        mem_free(f);
        return s;
    }
    *ret = f;
    return STATUS_OK;
}

void images_cancel(images_fetch *f) {
    f->ended = NULL;
    loop_work_cancel(&f->work);
}

status images_new(const images_options *options, images **ret, err *e) {
    auto_fd directory = -1;
    TRY(private_directory_open(options->directory, &directory, e));
    images *i = MEM_NEW(images);
    i->options = *options;
    i->directory = mem_text_dup(options->directory);
    status s = loop_work_pool_new(options->loop, IMAGES_FETCHES_MAX, IMAGES_WAITING_MAX, &i->pool, e);
    if (s != STATUS_OK) {
        mem_free(i->directory);
        mem_free(i);
        return s;
    }
    *ret = i;
    return STATUS_OK;
}

bool images_is_idle(const images *i) { return loop_work_pool_is_idle(i->pool); }

void images_free(images *i) {
    if (i == NULL) {
        return;
    }
    while (!loop_work_pool_is_idle(i->pool)) {
        loop_turn(i->options.loop, true);
    }
    loop_work_pool_free(i->pool);
    mem_free(i->directory);
    mem_free(i);
}
