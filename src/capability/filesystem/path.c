// SPDX-License-Identifier: Apache-2.0
// A trailing slash makes the kernel follow the last link even where it is told not to, so slashes at the end
// never reach a system call that takes a name: they are cut off here and their meaning is kept in
// path_place.has_slash.
#include "capability/filesystem/path.h"

#include <errno.h>

#include "os/fd.h"
#include "os/file.h"

enum {
    LINKS_MAX = 40, // as the kernel counts
    DEPTH_MAX = 128,
};

// The text forms that are refused before anything is looked up.
static int check_path(slice path) {
    if (path.len == 0) {
        return ENOENT;
    }
    if (path.len > PATH_BYTES_MAX) {
        return ENAMETOOLONG;
    }
    if (slice_find(path, 0, 0) != SIZE_MAX) {
        return EINVAL;
    }
    return path.data[0] == '/' ? EPERM : 0;
}

static void copy_text(char *to, slice text) {
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
}

// --- the walk --------------------------------------------------------------------------------------------

typedef struct walk {
    int base; // borrowed
    int dirs[DEPTH_MAX];
    size_t depth;
    size_t links;
    // What is still to be resolved; a link's target is put in front of it.
    char rest[2 * PATH_BYTES_MAX + 2];
    size_t at;
    size_t len;
} walk;

static int walk_dir(const walk *w) { return w->depth == 0 ? w->base : w->dirs[w->depth - 1]; }

static void walk_done(walk *w) {
    while (w->depth > 0) {
        fd_close(w->dirs[--w->depth]);
    }
}

static int walk_push(walk *w, int fd) {
    if (w->depth == DEPTH_MAX) {
        fd_close(fd);
        return ENAMETOOLONG;
    }
    w->dirs[w->depth++] = fd;
    return 0;
}

static int walk_up(walk *w) {
    if (w->depth == 0) {
        return EPERM;
    }
    fd_close(w->dirs[--w->depth]);
    return 0;
}

// Takes the next component off the rest; an empty one when there is none.
static slice walk_next(walk *w) {
    while (w->at < w->len && w->rest[w->at] == '/') {
        w->at++;
    }
    size_t from = w->at;
    while (w->at < w->len && w->rest[w->at] != '/') {
        w->at++;
    }
    return slice_of(w->rest + from, w->at - from);
}

static bool walk_is_last(const walk *w) {
    for (size_t i = w->at; i < w->len; i++) {
        if (w->rest[i] != '/') {
            return false;
        }
    }
    return true;
}

// Replaces the link `name` by its target. EINVAL when it is no link.
static int walk_expand(walk *w, const char *name) {
    char target[PATH_BYTES_MAX + 1];
    size_t len = 0;
    int error = file_read_link(walk_dir(w), name, target, sizeof target, &len);
    if (error != 0) {
        return error;
    }
    if (++w->links > LINKS_MAX) {
        return ELOOP;
    }
    if (len == 0 || target[0] == '/') {
        return len == 0 ? ENOENT : EPERM;
    }
    size_t left = w->len - w->at;
    if (len + left >= sizeof w->rest) {
        return ENAMETOOLONG;
    }
    memmove(w->rest + len, w->rest + w->at, left);
    memcpy(w->rest, target, len);
    w->at = 0;
    w->len = len + left;
    return 0;
}

// Goes into the directory `name`, or expands it when it is a link.
static int walk_into(walk *w, const char *name) {
    int fd = -1;
    int error = file_open_component(walk_dir(w), name, O_PATH | O_DIRECTORY, &fd);
    if (error == 0) {
        return walk_push(w, fd);
    }
    if (error != ENOTDIR && error != ELOOP) {
        return error;
    }
    int expanded = walk_expand(w, name);
    return expanded == EINVAL ? ENOTDIR : expanded;
}

// The last component: leaves it in `name` for the caller, or expands it when it is a link to be followed.
static int walk_last(walk *w, bool follows, const char *name, bool *ret_is_done) {
    *ret_is_done = true;
    if (!follows) {
        return 0;
    }
    int error = walk_expand(w, name);
    if (error == EINVAL || error == ENOENT) {
        return 0; // no link, or nothing there: what to say about that is up to the call that uses the name
    }
    *ret_is_done = false;
    return error;
}

typedef struct walk_end {
    char name[PATH_NAME_BYTES_MAX + 1]; // "." for the directory that the walk ended in
    bool has_slash;
} walk_end;

// One component. True in `ret_is_done` when `end` is complete.
static int walk_step(walk *w, slice part, bool follows, bool enters, walk_end *end, bool *ret_is_done) {
    *ret_is_done = false;
    if (part.len > PATH_NAME_BYTES_MAX) {
        return ENAMETOOLONG;
    }
    if (slice_equal_text(part, ".")) {
        return 0;
    }
    if (slice_equal_text(part, "..")) {
        return walk_up(w);
    }
    copy_text(end->name, part);
    end->has_slash = w->at < w->len;
    if (!walk_is_last(w) || (end->has_slash && enters)) {
        return walk_into(w, end->name);
    }
    return walk_last(w, follows, end->name, ret_is_done);
}

// Resolves everything but the last component, and that too when it is a link and `follows`, or when a slash
// follows it and `enters`.
static int walk_run(walk *w, bool follows, bool enters, walk_end *ret) {
    bool is_done = false;
    while (!is_done) {
        slice part = walk_next(w);
        if (part.len == 0) {
            *ret = (walk_end){.name = "."};
            return 0;
        }
        int error = walk_step(w, part, follows, enters, ret, &is_done);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static void walk_init(walk *w, const path_base *base, slice path) {
    w->base = base->fd;
    w->depth = 0;
    w->links = 0;
    w->at = 0;
    w->len = path.len;
    memcpy(w->rest, path.data, path.len);
}

static int walk_open(const path_base *base, slice path, bool follows, int flags, int *ret_fd) {
    walk w;
    walk_end end;
    walk_init(&w, base, path);
    bool creates_new = (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0;
    int error = walk_run(&w, follows && !creates_new, true, &end);
    if (error == 0) {
        error = file_open_component(walk_dir(&w), end.name, flags, ret_fd);
    }
    walk_done(&w);
    return error;
}

// The directory that the walk ended in, as a descriptor of the caller's own.
static int walk_take_dir(walk *w, int *ret_fd) {
    if (w->depth == 0) {
        return file_open_component(w->base, ".", O_PATH | O_DIRECTORY, ret_fd);
    }
    *ret_fd = w->dirs[--w->depth];
    return 0;
}

static int walk_find(const path_base *base, slice path, path_place *ret) {
    walk w;
    walk_end end = {.name = ""};
    walk_init(&w, base, path);
    int error = walk_run(&w, false, false, &end);
    if (error == 0) {
        error = walk_take_dir(&w, &ret->dir);
    }
    if (error == 0) {
        memcpy(ret->name, end.name, sizeof ret->name);
        ret->has_slash = end.has_slash;
        ret->is_directory_itself = end.name[0] == '.' && end.name[1] == '\0';
    }
    walk_done(&w);
    return error;
}

// --- the kernel's way ------------------------------------------------------------------------------------

// Kernels and filters without openat2 answer ENOSYS or EPERM, and a directory that is renamed all the time
// EAGAIN.
// EXDEV, a way out, is final.
static bool walking_helps(int error) { return error == ENOSYS || error == EPERM || error == EAGAIN; }
static int final_error(int error) { return error == EXDEV ? EPERM : error; }

static int open_beneath(const path_base *base, slice path, int flags, int *ret_fd) {
    char text[PATH_BYTES_MAX + 1];
    copy_text(text, path);
    return file_open_beneath(base->fd, text, flags, ret_fd);
}

static int find_beneath(const path_base *base, slice path, path_place *ret) {
    size_t end = path.len;
    while (end > 0 && path.data[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && path.data[start - 1] != '/') {
        start--;
    }
    slice name = slice_sub(path, start, end);
    if (name.len > PATH_NAME_BYTES_MAX) {
        return ENAMETOOLONG;
    }
    bool is_dots = slice_equal_text(name, ".") || slice_equal_text(name, "..");
    slice parent = is_dots ? path : start == 0 ? slice_from_text(".") : slice_sub(path, 0, start);
    int error = open_beneath(base, parent, O_PATH | O_DIRECTORY, &ret->dir);
    if (error == 0) {
        copy_text(ret->name, is_dots ? slice_from_text(".") : name);
        ret->is_directory_itself = is_dots;
        ret->has_slash = !is_dots && end < path.len;
    }
    return error;
}

// --- both ------------------------------------------------------------------------------------------------

int path_open(const path_base *base, slice path, bool follows, int flags, int *ret_fd) {
    int error = check_path(path);
    if (error != 0) {
        return error;
    }
    if ((flags & O_CREAT) != 0 && path.data[path.len - 1] == '/') {
        return EISDIR;
    }
    if (!base->walks) {
        error = open_beneath(base, path, follows ? flags : flags | O_NOFOLLOW, ret_fd);
        if (!walking_helps(error)) {
            return final_error(error);
        }
    }
    return walk_open(base, path, follows, flags, ret_fd);
}

int path_find(const path_base *base, slice path, path_place *ret) {
    *ret = (path_place){.dir = -1};
    int error = check_path(path);
    if (error != 0) {
        return error;
    }
    if (!base->walks) {
        error = find_beneath(base, path, ret);
        if (!walking_helps(error)) {
            return final_error(error);
        }
    }
    return walk_find(base, path, ret);
}

void path_place_done(path_place *p) {
    fd_close(p->dir);
    p->dir = -1;
}
