// SPDX-License-Identifier: Apache-2.0
#include "driver/blobstore/directory_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "driver/blobstore/directory_list.h"
#include "driver/blobstore/directory_names.h"
#include "driver/blobstore/directory_walk.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/private.h"
#include "os/random.h"

enum {
    OBJECT_BYTES = 4096, // that one is counted as besides its own, so that empty ones are counted too
    USAGE_OFFSET = 64,   // behind what the lock writes
    LOCK_MS_MAX = 5000,
    TEMPORARY_BYTES = 24,
    COPY_BYTES = 16 << 20,
    TRIES_MAX = 16,
};

struct directory_store {
    directory_store_options options;
    int root;
    int uploads;
};

#define TRY_INT(expression)           \
    do {                              \
        int try_error = (expression); \
        if (try_error != 0) {         \
            return try_error;         \
        }                             \
    } while (0)

// --- how full it is ----------------------------------------------------------------------------------------

// Whoever changes the number of bytes holds this, alone among all processes and threads.
typedef struct usage {
    int fd;
    uint64_t bytes;
} usage;

static int usage_take(const directory_store *s, usage *ret) {
    ret->fd = -1;
    if (lock_open(s->root, "%usage", true, &ret->fd, NULL) != STATUS_OK) {
        return EACCES;
    }
    size_t got = 0;
    ret->bytes = 0;
    if (lock_take(ret->fd, false, LOCK_MS_MAX, "%usage", NULL) != STATUS_OK ||
        file_read(ret->fd, &ret->bytes, sizeof ret->bytes, USAGE_OFFSET, &got) != 0) {
        fd_close(ret->fd);
        return EBUSY;
    }
    return 0;
}

static void usage_give(usage *u, uint64_t added, uint64_t removed) {
    uint64_t before = u->bytes + added;
    uint64_t now = before > removed ? before - removed : 0;
    size_t done = 0;
    if (now != u->bytes) {
        (void)!file_write(u->fd, &now, sizeof now, USAGE_OFFSET, &done);
    }
    fd_close(u->fd); // and with it the lock
}

// Room for so many bytes more, which are counted from now on.
static int usage_reserve(const directory_store *s, uint64_t bytes) {
    usage u;
    TRY_INT(usage_take(s, &u));
    bool fits = bytes <= s->options.total_bytes_max && u.bytes <= s->options.total_bytes_max - bytes;
    usage_give(&u, fits ? bytes : 0, 0);
    return fits ? 0 : directory_problem(BLOBSTORE_FULL);
}

static void usage_release(const directory_store *s, uint64_t bytes) {
    usage u;
    if (usage_take(s, &u) == 0) {
        usage_give(&u, 0, bytes);
    }
}

// --- places ------------------------------------------------------------------------------------------------

static int open_container(const directory_store *s, slice name, int *ret) {
    char path[DIRECTORY_PATH_BYTES_MAX];
    if (!directory_path(name, path) || strchr(path, '/') != NULL) {
        return directory_problem(BLOBSTORE_NO_CONTAINER); // none of such a name can be made
    }
    int error = file_open_component(s->root, path, O_RDONLY | O_DIRECTORY, ret);
    return error == ENOENT || error == ENOTDIR || error == ELOOP ? directory_problem(BLOBSTORE_NO_CONTAINER)
                                                                 : error;
}

// Where an object is: an open directory, and its last name, which points into `path`.
typedef struct place {
    int dir;
    const char *name;
    char path[DIRECTORY_PATH_BYTES_MAX];
} place;

static void place_done(place *p) { fd_close(p->dir); }
#define auto_place WRIT_CLEANUP(place_done) place

// With `make` the directories on the way are made. ENOENT when one is not there.
static int go_down(place *p, bool make) {
    char *at = p->path;
    for (char *slash; (slash = strchr(at, '/')) != NULL; at = slash + 1) {
        *slash = '\0';
        int next = -1;
        int error = make ? file_make_directory(p->dir, at) : 0;
        error = error == EEXIST ? 0 : error;
        error = error == 0 ? file_open_component(p->dir, at, O_RDONLY | O_DIRECTORY, &next) : error;
        if (error != 0) {
            return error;
        }
        fd_close(p->dir);
        p->dir = next;
    }
    p->name = at;
    return 0;
}

static int find_place(const directory_store *s, slice container, slice object, bool make, place *ret) {
    ret->dir = -1;
    if (!directory_path(object, ret->path)) {
        return directory_problem(BLOBSTORE_BAD_NAME);
    }
    TRY_INT(open_container(s, container, &ret->dir));
    return go_down(ret, make);
}

static int no_object(int error) {
    return error == ENOENT || error == ENOTDIR || error == ELOOP ? directory_problem(BLOBSTORE_NO_OBJECT)
                                                                 : error;
}

static int object_info(const place *p, file_info *ret) {
    int error = file_info_at(p->dir, p->name, ret);
    return error == 0 && ret->kind != FILE_KIND_REGULAR ? ENOENT : error;
}

static int open_object(const directory_store *s, const blobstore_call *c, int *ret_fd, file_info *ret) {
    auto_place p;
    TRY_INT(no_object(find_place(s, c->container, c->object, false, &p)));
    TRY_INT(no_object(file_open_component(p.dir, p.name, O_RDONLY, ret_fd)));
    int error = file_info_of(*ret_fd, ret);
    return error == 0 && ret->kind != FILE_KIND_REGULAR ? directory_problem(BLOBSTORE_NO_OBJECT) : error;
}

static void temporary_name(char ret[TEMPORARY_BYTES]) {
    (void)snprintf(ret, TEMPORARY_BYTES, "%016" PRIx64, random_u64());
}

static int sync_directory(const directory_store *s, int dir) {
    return s->options.syncs ? file_sync(dir, false) : 0;
}

// --- uploads -----------------------------------------------------------------------------------------------

struct directory_upload {
    directory_store *store;
    int fd;
    uint64_t bytes; // that are counted
    bool is_placed;
    size_t container_len, object_len;
    char temporary[TEMPORARY_BYTES];
    uint8_t names[]; // container and object
};

static slice container_of(const directory_upload *u) { return slice_of(u->names, u->container_len); }
static slice object_of(const directory_upload *u) {
    return slice_of(u->names + u->container_len, u->object_len);
}

static int new_upload(directory_store *s, slice container, slice object, directory_upload **ret) {
    directory_upload *u = mem_zalloc(sizeof *u + container.len + object.len);
    u->store = s;
    u->fd = -1;
    u->container_len = container.len;
    u->object_len = object.len;
    memcpy(u->names, container.data, container.len);
    memcpy(u->names + container.len, object.data, object.len);
    temporary_name(u->temporary);
    int error = private_file_create(s->uploads, u->temporary, &u->fd);
    if (error == 0 && flock(u->fd, LOCK_EX | LOCK_NB) != 0) {
        error = errno;
    }
    if (error == 0) {
        error = usage_reserve(s, OBJECT_BYTES);
        u->bytes = error == 0 ? OBJECT_BYTES : 0;
    }
    if (error != 0) {
        directory_upload_free(u);
        return error;
    }
    *ret = u;
    return 0;
}

int directory_upload_begin(directory_store *s, const blobstore_call *c, directory_upload **ret) {
    auto_fd container = -1;
    TRY_INT(open_container(s, c->container, &container));
    return new_upload(s, c->container, c->object, ret);
}

static int write_whole(int fd, uint64_t offset, slice bytes) {
    for (size_t at = 0, done = 0; at < bytes.len; at += done) {
        TRY_INT(file_write(fd, bytes.data + at, bytes.len - at, offset + at, &done));
        if (done == 0) {
            return ENOSPC;
        }
    }
    return 0;
}

int directory_upload_append(directory_upload *u, uint64_t offset, slice bytes) {
    TRY_INT(usage_reserve(u->store, bytes.len));
    u->bytes += bytes.len;
    return write_whole(u->fd, offset, bytes);
}

// No two writings of an object have the same time, to which its revision owes that it is never another one's.
static int stamp(int fd) {
    clock_wall now = clock_wall_now();
    const file_times times = {.modify_mode = FILE_TIME_SET,
                              .modified = {(int64_t)now.seconds, now.nanoseconds}};
    return file_set_times(fd, &times);
}

static uint64_t counted(const file_info *info) { return info->size + OBJECT_BYTES; }

// Under the usage's lock, so that what it takes the place of is counted off once. Another one may remove a
// directory on the way that is empty: then it is made again.
static int rename_to_place(directory_upload *u, place *p) {
    directory_store *s = u->store;
    for (int i = 0; i < TRIES_MAX; i++) {
        usage taken;
        file_info old;
        TRY_INT(find_place(s, container_of(u), object_of(u), true, p));
        TRY_INT(usage_take(s, &taken));
        bool replaces = object_info(p, &old) == 0;
        int error = file_rename(s->uploads, u->temporary, p->dir, p->name);
        u->is_placed = error == 0;
        usage_give(&taken, 0, error == 0 && replaces ? counted(&old) : 0);
        if (error != ENOENT) {
            return error;
        }
        place_done(p);
        p->dir = -1;
    }
    return EBUSY;
}

int directory_upload_finish(directory_upload *u, uint64_t size) {
    auto_place p = {.dir = -1};
    file_info info;
    TRY_INT(file_info_of(u->fd, &info));
    if (info.size != size) {
        return directory_problem(BLOBSTORE_NO_UPLOAD);
    }
    TRY_INT(stamp(u->fd));
    if (u->store->options.syncs) {
        TRY_INT(file_sync(u->fd, false));
    }
    TRY_INT(rename_to_place(u, &p));
    return sync_directory(u->store, p.dir);
}

void directory_upload_free(directory_upload *u) {
    if (u == NULL) {
        return;
    }
    if (u->fd >= 0 && !u->is_placed) {
        (void)!file_remove(u->store->uploads, u->temporary);
        usage_release(u->store, u->bytes);
    }
    fd_close(u->fd);
    mem_free(u);
}

// --- objects -----------------------------------------------------------------------------------------------

static int do_info(const directory_store *s, const blobstore_call *c, blobstore_answer *ret) {
    auto_place p;
    file_info info;
    TRY_INT(no_object(find_place(s, c->container, c->object, false, &p)));
    TRY_INT(no_object(object_info(&p, &info)));
    ret->created_at = (uint64_t)info.modified.seconds;
    ret->size = info.size;
    return 0;
}

static int do_has(const directory_store *s, const blobstore_call *c, blobstore_answer *ret) {
    int error = do_info(s, c, ret);
    ret->is_there = error == 0;
    return error == directory_problem(BLOBSTORE_NO_OBJECT) ? 0 : error;
}

// The directories that a long name is in go with the last of their files.
static void remove_empty_directories(const directory_store *s, slice container, slice object) {
    char path[DIRECTORY_PATH_BYTES_MAX];
    char *last;
    auto_fd dir = -1;
    if (!directory_path(object, path) || open_container(s, container, &dir) != 0) {
        return;
    }
    while ((last = strrchr(path, '/')) != NULL) {
        *last = '\0';
        if (unlinkat(dir, path, AT_REMOVEDIR) != 0) {
            return;
        }
    }
}

static int remove_object(const directory_store *s, slice container, slice object) {
    auto_place p;
    usage taken;
    file_info info;
    int error = find_place(s, container, object, false, &p);
    if (error != 0) {
        return error == ENOENT || error == directory_problem(BLOBSTORE_BAD_NAME) ? 0 : error;
    }
    TRY_INT(usage_take(s, &taken));
    error = object_info(&p, &info);
    error = error == 0 ? file_remove(p.dir, p.name) : error;
    usage_give(&taken, 0, error == 0 ? counted(&info) : 0);
    if (error == 0) {
        error = sync_directory(s, p.dir);
        remove_empty_directories(s, container, object);
    }
    return error == ENOENT ? 0 : error;
}

static int do_delete(const directory_store *s, const blobstore_call *c, const atomic_bool *is_cancelled) {
    auto_fd container = -1;
    TRY_INT(open_container(s, c->container, &container));
    for (size_t i = 0; i < c->count; i++) {
        if (atomic_load(is_cancelled)) {
            return ECANCELED;
        }
        TRY_INT(remove_object(s, c->container, c->names[i]));
    }
    return 0;
}

static slice revision_of(const file_info *info, char text[BLOBSTORE_REVISION_BYTES_MAX]) {
    int len = snprintf(text, BLOBSTORE_REVISION_BYTES_MAX, "%" PRIx64 "-%" PRIx64 ".%09" PRIu32 "-%" PRIx64,
                       info->inode, (uint64_t)info->modified.seconds, info->modified.nanoseconds, info->size);
    return slice_of(text, (size_t)len);
}

static int do_read(const directory_store *s, const blobstore_call *c, arena *memory, blobstore_answer *ret) {
    auto_fd fd = -1;
    file_info info;
    char text[BLOBSTORE_REVISION_BYTES_MAX];
    TRY_INT(open_object(s, c, &fd, &info));
    slice revision = revision_of(&info, text);
    if (c->has_revision && !slice_equal(revision, c->revision)) {
        return directory_problem(BLOBSTORE_CHANGED);
    }
    uint64_t left = c->start < info.size ? info.size - c->start : 0;
    size_t len = left < c->len ? (size_t)left : c->len;
    uint8_t *bytes = arena_alloc(memory, len);
    ret->revision = arena_copy(memory, revision);
    ret->size = info.size;
    if (bytes == NULL || ret->revision.data == NULL) {
        return ENOMEM;
    }
    for (size_t at = 0, got = 0; at < len; at += got) {
        TRY_INT(file_read(fd, bytes + at, len - at, c->start + at, &got));
        if (got == 0) {
            return EIO; // nobody makes it shorter
        }
    }
    ret->bytes = slice_of(bytes, len);
    return 0;
}

static int copy_bytes(int from, directory_upload *to, uint64_t size, const atomic_bool *is_cancelled) {
    TRY_INT(usage_reserve(to->store, size));
    to->bytes += size;
    for (uint64_t done = 0; done < size;) {
        if (atomic_load(is_cancelled)) {
            return ECANCELED;
        }
        uint64_t left = size - done;
        ssize_t n =
            copy_file_range(from, NULL, to->fd, NULL, left < COPY_BYTES ? (size_t)left : COPY_BYTES, 0);
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        done += (uint64_t)n;
    }
    return 0;
}

static bool is_to_itself(const blobstore_call *c) {
    return slice_equal(c->container, c->to_container) && slice_equal(c->object, c->to_object);
}

static int do_copy(directory_store *s, const blobstore_call *c, const atomic_bool *is_cancelled) {
    auto_fd from = -1, target = -1;
    file_info info;
    directory_upload *u = NULL;
    TRY_INT(open_object(s, c, &from, &info));
    TRY_INT(open_container(s, c->to_container, &target));
    if (is_to_itself(c)) {
        return 0;
    }
    TRY_INT(new_upload(s, c->to_container, c->to_object, &u));
    int error = copy_bytes(from, u, info.size, is_cancelled);
    error = error == 0 ? directory_upload_finish(u, info.size) : error;
    directory_upload_free(u);
    return error;
}

static int do_move(const directory_store *s, const blobstore_call *c) {
    auto_place from, to = {.dir = -1};
    usage taken;
    file_info info, old;
    TRY_INT(no_object(find_place(s, c->container, c->object, false, &from)));
    TRY_INT(no_object(object_info(&from, &info)));
    TRY_INT(find_place(s, c->to_container, c->to_object, true, &to));
    if (is_to_itself(c)) {
        return 0;
    }
    TRY_INT(usage_take(s, &taken));
    bool replaces = object_info(&to, &old) == 0;
    int error = no_object(file_rename(from.dir, from.name, to.dir, to.name));
    usage_give(&taken, 0, error == 0 && replaces ? counted(&old) : 0);
    if (error == 0) {
        remove_empty_directories(s, c->container, c->object);
        error = sync_directory(s, to.dir);
        error = error == 0 ? sync_directory(s, from.dir) : error;
    }
    return error;
}

// --- containers --------------------------------------------------------------------------------------------

typedef struct removal {
    const directory_store *store;
    bool keeps_mark; // the container stays
    bool is_shared;  // somebody else may count what it removes, so it counts each at once
    uint64_t bytes;  // to be counted off later
    const atomic_bool *is_cancelled;
} removal;

static int remove_file(removal *r, const directory_visit *v) {
    usage taken = {.fd = -1};
    file_info info = {0};
    if (r->is_shared) {
        TRY_INT(usage_take(r->store, &taken));
    }
    int error = file_info_at(v->dir, v->name, &info);
    error = error == 0 ? file_remove(v->dir, v->name) : error;
    uint64_t bytes = error == 0 && info.kind == FILE_KIND_REGULAR ? counted(&info) : 0;
    if (r->is_shared) {
        usage_give(&taken, 0, bytes);
    } else {
        r->bytes += bytes;
    }
    return error == ENOENT ? 0 : error;
}

static int visit_removal(void *arg, const directory_visit *v) {
    removal *r = arg;
    if (r->is_cancelled != NULL && atomic_load(r->is_cancelled)) {
        return ECANCELED;
    }
    if (v->is_directory) {
        int error = file_remove_directory(v->dir, v->name);
        return error == ENOTEMPTY || error == EEXIST || error == ENOENT ? 0 : error;
    }
    if (strcmp(v->name, "%made") == 0) { // which is not counted
        return r->keeps_mark ? 0 : file_remove(v->dir, v->name);
    }
    return remove_file(r, v);
}

// A directory that nobody can reach any more.
static void remove_tree(const directory_store *s, const char *name) {
    auto_fd dir = -1;
    removal r = {.store = s};
    if (file_open_component(s->uploads, name, O_RDONLY | O_DIRECTORY, &dir) == 0) {
        (void)!directory_walk(dir, visit_removal, &r);
        (void)!file_remove_directory(s->uploads, name);
        usage_release(s, r.bytes);
    }
}

static int make_container(const directory_store *s, const char *temporary) {
    auto_fd dir = -1, mark = -1;
    TRY_INT(file_make_directory(s->uploads, temporary));
    TRY_INT(file_open_component(s->uploads, temporary, O_RDONLY | O_DIRECTORY, &dir));
    TRY_INT(private_file_create(dir, "%made", &mark));
    return sync_directory(s, dir);
}

static int do_create(const directory_store *s, const blobstore_call *c) {
    char path[DIRECTORY_PATH_BYTES_MAX], temporary[TEMPORARY_BYTES];
    auto_fd there = -1;
    if (!directory_path(c->container, path) || strchr(path, '/') != NULL) {
        return directory_problem(BLOBSTORE_BAD_NAME);
    }
    if (open_container(s, c->container, &there) == 0) {
        return 0;
    }
    int error = ENOENT;
    for (int i = 0; i < TRIES_MAX && error == ENOENT; i++) { // who cleans up may take it for left over
        temporary_name(temporary);
        error = make_container(s, temporary);
        error = error == 0 ? file_rename(s->uploads, temporary, s->root, path) : error;
        if (error != 0) {
            remove_tree(s, temporary);
        }
    }
    if (error == ENOTEMPTY || error == EEXIST) {
        return 0; // somebody was faster
    }
    return error == 0 ? sync_directory(s, s->root) : error;
}

static int do_delete_container(const directory_store *s, const blobstore_call *c) {
    char path[DIRECTORY_PATH_BYTES_MAX], temporary[TEMPORARY_BYTES];
    auto_fd container = -1;
    TRY_INT(open_container(s, c->container, &container));
    temporary_name(temporary);
    if (!directory_path(c->container, path)) {
        return directory_problem(BLOBSTORE_NO_CONTAINER);
    }
    int error = file_rename(s->root, path, s->uploads, temporary);
    if (error != 0) {
        return error == ENOENT ? directory_problem(BLOBSTORE_NO_CONTAINER) : error;
    }
    error = sync_directory(s, s->root);
    remove_tree(s, temporary);
    return error;
}

static int do_clear(const directory_store *s, const blobstore_call *c, const atomic_bool *is_cancelled) {
    auto_fd container = -1;
    removal r = {.store = s, .keeps_mark = true, .is_shared = true, .is_cancelled = is_cancelled};
    TRY_INT(open_container(s, c->container, &container));
    TRY_INT(directory_walk(container, visit_removal, &r));
    return sync_directory(s, container);
}

static int do_container_info(const directory_store *s, const blobstore_call *c, blobstore_answer *ret) {
    auto_fd container = -1;
    file_info info;
    TRY_INT(open_container(s, c->container, &container));
    if (file_info_at(container, "%made", &info) != 0) {
        TRY_INT(file_info_of(container, &info)); // one that was not made by us
    }
    ret->created_at = (uint64_t)info.modified.seconds;
    return 0;
}

static int do_exists(const directory_store *s, const blobstore_call *c, blobstore_answer *ret) {
    auto_fd container = -1;
    int error = open_container(s, c->container, &container);
    ret->is_there = error == 0;
    return error == directory_problem(BLOBSTORE_NO_CONTAINER) ? 0 : error;
}

static int do_list(const directory_store *s, const blobstore_call *c, arena *memory,
                   const atomic_bool *is_cancelled, blobstore_answer *ret) {
    auto_fd container = -1;
    TRY_INT(open_container(s, c->container, &container));
    return directory_list(container, c, memory, is_cancelled, ret);
}

// --- the whole ---------------------------------------------------------------------------------------------

int directory_store_do(directory_store *s, const blobstore_call *c, arena *memory,
                       const atomic_bool *is_cancelled, blobstore_answer *ret) {
    switch (c->function) {
    case BLOBSTORE_CREATE_CONTAINER:
        return do_create(s, c);
    case BLOBSTORE_CONTAINER_EXISTS:
        return do_exists(s, c, ret);
    case BLOBSTORE_DELETE_CONTAINER:
        return do_delete_container(s, c);
    case BLOBSTORE_CLEAR_CONTAINER:
        return do_clear(s, c, is_cancelled);
    case BLOBSTORE_CONTAINER_INFO:
        return do_container_info(s, c, ret);
    case BLOBSTORE_LIST:
        return do_list(s, c, memory, is_cancelled, ret);
    case BLOBSTORE_COPY:
        return do_copy(s, c, is_cancelled);
    case BLOBSTORE_MOVE:
        return do_move(s, c);
    case BLOBSTORE_HAS_OBJECT:
        return do_has(s, c, ret);
    case BLOBSTORE_OBJECT_INFO:
        return do_info(s, c, ret);
    case BLOBSTORE_DELETE_OBJECT:
    case BLOBSTORE_DELETE_OBJECTS:
        return do_delete(s, c, is_cancelled);
    case BLOBSTORE_READ:
        return do_read(s, c, memory, ret);
    default:
        return ENOSYS;
    }
}

// A file whose upload lives is locked.
static int visit_left_over(void *arg, const directory_visit *v) {
    const directory_store *s = arg;
    auto_fd fd = -1;
    file_info info;
    if (v->is_directory) {
        (void)!file_remove_directory(v->dir, v->name);
        return 0;
    }
    if (file_open_component(v->dir, v->name, O_RDONLY, &fd) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
        file_info_of(fd, &info) == 0 && file_remove(v->dir, v->name) == 0 && strcmp(v->name, "%made") != 0) {
        usage_release(s, counted(&info));
    }
    return 0;
}

static int visit_counted(void *arg, const directory_visit *v) {
    uint64_t *bytes = arg;
    file_info info;
    bool is_ours = strcmp(v->name, "%made") == 0 || strcmp(v->name, "%usage") == 0;
    if (!v->is_directory && !is_ours && file_info_at(v->dir, v->name, &info) == 0 &&
        info.kind == FILE_KIND_REGULAR) {
        *bytes += counted(&info);
    }
    return 0;
}

// A directory whose count is not there (a new one, one from elsewhere) is counted once.
static int count_if_new(const directory_store *s) {
    usage u;
    file_info info;
    uint64_t bytes = 0;
    TRY_INT(usage_take(s, &u));
    int error = file_info_of(u.fd, &info);
    if (error == 0 && info.size <= USAGE_OFFSET) {
        error = directory_walk(s->root, visit_counted, &bytes);
        u.bytes = bytes + 1; // so that it is written in any case
    }
    usage_give(&u, 0, error == 0 && info.size <= USAGE_OFFSET ? 1 : 0);
    return error;
}

status directory_store_open(const directory_store_options *o, directory_store **ret, err *e) {
    directory_store *s = MEM_NEW(directory_store);
    s->options = *o;
    s->root = s->uploads = -1;
    status code = private_directory_open(o->path, &s->root, e);
    if (code == STATUS_OK) {
        int error = file_make_directory(s->root, "%uploads");
        error = error == 0 || error == EEXIST
                    ? file_open_component(s->root, "%uploads", O_RDONLY | O_DIRECTORY, &s->uploads)
                    : error;
        error = error == 0 ? count_if_new(s) : error;
        code = error == 0 ? STATUS_OK : err_set_errno(e, error, o->path);
    }
    if (code != STATUS_OK) {
        directory_store_close(s);
        return code;
    }
    (void)!directory_walk(s->uploads, visit_left_over, s);
    *ret = s;
    return STATUS_OK;
}

void directory_store_close(directory_store *s) {
    if (s != NULL) {
        fd_close(s->root);
        fd_close(s->uploads);
        mem_free(s);
    }
}
