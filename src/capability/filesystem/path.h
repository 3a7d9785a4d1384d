// SPDX-License-Identifier: Apache-2.0
// Resolves the paths of guests below a granted directory, and never beyond it.
//
// Two ways with the same result: the kernel resolves (openat2 with RESOLVE_BENEATH), or, where it cannot, we
// walk component by component with O_NOFOLLOW, keep the directories on a stack for "..", and read symbolic
// links as text. Either way no step follows a link on the kernel's own account, so renames and links that
// others (or other guests) make at the same time cannot lead out. What would lead out, absolute paths and
// absolute links included, is EPERM.
//
// The functions answer 0 or an errno value.
#pragma once

#include "base/attributes.h"
#include "base/slice.h"

enum {
    PATH_BYTES_MAX = 4095,     // PATH_MAX without its NUL
    PATH_NAME_BYTES_MAX = 255, // NAME_MAX
};

typedef struct path_base {
    int fd;     // of the directory that paths start from and stay below
    bool walks; // do without openat2
} path_base;

// Opens what `path` names, with the flags of open(2); the last component is followed when it is a link and
// `follows`.
int path_open(const path_base *base, slice path, bool follows, int flags, int *ret_fd) WRIT_MUST_USE;

// The place of a name: for what works on the entry of a directory and not on the file behind it.
typedef struct path_place {
    int dir; // O_PATH; owned, see path_place_done
    char name[PATH_NAME_BYTES_MAX + 1];
    bool is_directory_itself; // the path ends in "." or "..": `name` is ".", `dir` that directory
    bool has_slash; // a slash follows the name: it must be a directory (and `name` is without the slash)
} path_place;

int path_find(const path_base *base, slice path, path_place *ret) WRIT_MUST_USE;
void path_place_done(path_place *p); // accepts a zeroed one with dir = -1
