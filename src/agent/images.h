// SPDX-License-Identifier: Apache-2.0
// The files that images of components and providers stand for, kept in a directory of this host under the
// hash of their bytes: what was checked is what runs, whatever becomes of the file that was named.
//
//   file:///path   a file of this machine, where the operator allows that
//   anything else  needs a registry, from which this version fetches nothing
//
// Threads: all on the thread of the loop; files are read and written on others.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "loop/loop.h"

typedef struct images images;

enum { IMAGES_FETCHES_MAX = 8, IMAGES_WAITING_MAX = 1 << 14 };

typedef struct images_options {
    loop *loop;            // borrowed
    const char *directory; // absolute; made when it is not there; copied
    bool allows_files;
    size_t bytes_max; // of one
} images_options;

status images_new(const images_options *options, images **ret, err *e) WRIT_MUST_USE;
void images_free(images *i); // accepts NULL; waits for what is under way
bool images_is_idle(const images *i);

// `path` is of the kept file, and valid during the call; or why there is none.
typedef void (*images_ended)(void *arg, status code, const char *path, const char *why);
typedef struct images_fetch images_fetch;
// `ended` comes once, from the loop, unless it is cancelled.
status images_start(images *i, slice reference, images_ended ended, void *arg, images_fetch **ret,
                    err *e) WRIT_MUST_USE;
void images_cancel(images_fetch *f); // `ended` will not come
