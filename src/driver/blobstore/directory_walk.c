// SPDX-License-Identifier: Apache-2.0
#include "driver/blobstore/directory_walk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "driver/blobstore/directory_names.h"
#include "os/fd.h"
#include "os/file.h"

typedef struct level {
    int fd;
    size_t path_len; // of the path to it, with the '/'
    char name[256];
    file_listing listing;
} level;

typedef struct walk {
    directory_visitor visit;
    void *arg;
    char path[DIRECTORY_PATH_BYTES_MAX];
    size_t depth;
    level levels[DIRECTORY_DEPTH_MAX];
} walk;

// The path of an entry of the deepest level; NULL when it does not fit.
static const char *path_of(walk *w, const char *name) {
    size_t at = w->levels[w->depth - 1].path_len;
    int len = snprintf(w->path + at, sizeof w->path - at, "%s", name);
    return len >= 0 && (size_t)len < sizeof w->path - at ? w->path : NULL;
}

static int push(walk *w, int dir, const char *name, size_t path_len) {
    if (w->depth == DIRECTORY_DEPTH_MAX) {
        return 0;
    }
    level *l = &w->levels[w->depth];
    int error = file_open_component(dir, name, O_RDONLY | O_DIRECTORY, &l->fd);
    if (error != 0) {
        return error == ENOENT || error == ENOTDIR || error == ELOOP ? 0 : error;
    }
    w->depth++;
    l->path_len = path_len;
    l->listing = (file_listing){0};
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    return 0;
}

static int pop(walk *w) {
    level *l = &w->levels[--w->depth];
    fd_close(l->fd);
    if (w->depth == 0) {
        return 0;
    }
    const directory_visit v = {.dir = w->levels[w->depth - 1].fd,
                               .name = l->name,
                               .path = path_of(w, l->name),
                               .is_directory = true};
    return w->visit(w->arg, &v);
}

static bool is_directory(int dir, const file_entry *entry) {
    file_info info;
    return entry->kind == FILE_KIND_DIRECTORY ||
           (entry->kind == FILE_KIND_UNKNOWN && file_info_at(dir, entry->name, &info) == 0 &&
            info.kind == FILE_KIND_DIRECTORY);
}

static int visit_entry(walk *w, const level *l, const file_entry *entry) {
    const char *path = path_of(w, entry->name);
    if (!is_directory(l->fd, entry)) {
        const directory_visit v = {.dir = l->fd, .name = entry->name, .path = path};
        return w->visit(w->arg, &v);
    }
    size_t len = l->path_len + strlen(entry->name);
    if (path == NULL || len + 1 >= sizeof w->path) {
        return 0;
    }
    w->path[len] = '/';
    return push(w, l->fd, entry->name, len + 1);
}

static int step(walk *w) {
    level *l = &w->levels[w->depth - 1];
    file_entry entry;
    int error = file_next_entry(l->fd, &l->listing, &entry);
    if (error != 0) {
        return error;
    }
    if (entry.name == NULL) {
        return pop(w);
    }
    return strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0 ? 0 : visit_entry(w, l, &entry);
}

int directory_walk(int dir, directory_visitor visit, void *arg) {
    walk *w = MEM_NEW(walk);
    w->visit = visit;
    w->arg = arg;
    int error = push(w, dir, ".", 0);
    while (error == 0 && w->depth > 0) {
        error = step(w);
    }
    while (w->depth > 0) {
        fd_close(w->levels[--w->depth].fd);
    }
    mem_free(w);
    return error;
}
