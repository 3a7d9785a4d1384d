// SPDX-License-Identifier: Apache-2.0
// Going through all of a directory's files, with the paths that directory_names.h speaks of. What is deeper
// than such a path can be is left out.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"

typedef struct directory_visit {
    int dir; // open, of the entry
    const char *name;
    const char *path; // from where the walk began; NULL when it is too long to be a name's
    bool is_directory;
} directory_visit;

// 0 to go on. A directory comes after what is in it. What is removed meanwhile may be left out.
typedef int (*directory_visitor)(void *arg, const directory_visit *v);

// Reads the directory anew; the caller's descriptor stays as it is.
int directory_walk(int dir, directory_visitor visit, void *arg) WRIT_MUST_USE;
