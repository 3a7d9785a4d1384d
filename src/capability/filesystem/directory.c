// SPDX-License-Identifier: Apache-2.0
// What works on the entries of a directory: paths, relative to a descriptor.
#include <errno.h>

#include "base/mem.h"
#include "capability/filesystem/descriptor.h"
#include "codec/utf.h"
#include "os/fd.h"
#include "wasi/filesystem_preopens.h"

#define FLAG(name) WASI_FILESYSTEM_TYPES_DESCRIPTOR_FLAGS_##name
#define OPEN(name) WASI_FILESYSTEM_TYPES_OPEN_FLAGS_##name

typedef wasi_filesystem_types_result_void_error_code void_result;

static bool follows_links(wasi_filesystem_types_path_flags flags) {
    return (flags & WASI_FILESYSTEM_TYPES_PATH_FLAGS_SYMLINK_FOLLOW) != 0;
}

// Finds the place of a name in a directory that may be used, or changed.
static int find(const descriptor *d, slice path, bool changes, path_place *ret) {
    *ret = (path_place){.dir = -1};
    int error = descriptor_check_directory(d, changes);
    if (error != 0) {
        return error;
    }
    path_base base = descriptor_base(d);
    return path_find(&base, path, ret);
}

// --- opening ---------------------------------------------------------------------------------------------

static int check_open(const descriptor *self, unsigned open_flags, unsigned flags) {
    bool changes = (open_flags & (OPEN(CREATE) | OPEN(TRUNCATE))) != 0 ||
                   (flags & (FLAG(WRITE) | FLAG(MUTATE_DIRECTORY))) != 0;
    if ((open_flags & OPEN(DIRECTORY)) != 0 && (open_flags & (OPEN(CREATE) | OPEN(TRUNCATE))) != 0) {
        return EINVAL;
    }
    return descriptor_check_directory(self, changes);
}

static int kernel_flags(unsigned open_flags, unsigned flags) {
    bool reads = (flags & FLAG(READ)) != 0, writes = (flags & FLAG(WRITE)) != 0;
    int kernel = writes ? (reads ? O_RDWR : O_WRONLY) : O_RDONLY;
    kernel |= (open_flags & OPEN(CREATE)) != 0 ? O_CREAT : 0;
    kernel |= (open_flags & OPEN(DIRECTORY)) != 0 ? O_DIRECTORY : 0;
    kernel |= (open_flags & OPEN(EXCLUSIVE)) != 0 ? O_EXCL : 0;
    kernel |= (open_flags & OPEN(TRUNCATE)) != 0 ? O_TRUNC : 0;
    kernel |= (flags & FLAG(FILE_INTEGRITY_SYNC)) != 0 ? O_SYNC : 0;
    kernel |= (flags & FLAG(DATA_INTEGRITY_SYNC)) != 0 ? O_DSYNC : 0;
    kernel |= (flags & FLAG(REQUESTED_WRITE_SYNC)) != 0 ? O_RSYNC : 0;
    return kernel;
}

// Devices, FIFOs and sockets are not files: reading them may wait, and they lead to something that nobody
// granted. (Opening one to find out does not wait, see os/file.h.)
static int wrap_opened(const descriptor *self, int fd, unsigned flags, descriptor **ret) {
    file_info info;
    int error = file_info_of(fd, &info);
    if (error == 0 && info.kind != FILE_KIND_REGULAR && info.kind != FILE_KIND_DIRECTORY) {
        error = ENOTSUP;
    }
    if (error != 0) {
        fd_close(fd);
        return error;
    }
    bool is_directory = info.kind == FILE_KIND_DIRECTORY;
    descriptor like = {
        .is_directory = is_directory,
        .is_read_only = self->is_read_only,
        .can_read = !is_directory && ((flags & FLAG(READ)) != 0 || (flags & FLAG(WRITE)) == 0),
        .can_write = !is_directory && (flags & FLAG(WRITE)) != 0,
        .sync_flags = (uint8_t)(flags & (FLAG(FILE_INTEGRITY_SYNC) | FLAG(DATA_INTEGRITY_SYNC) |
                                         FLAG(REQUESTED_WRITE_SYNC))),
    };
    return descriptor_new(self->base.instance, fd, &like, ret);
}

status wasi_filesystem_types_descriptor_open_at(host_call *call, descriptor *self,
                                                wasi_filesystem_types_path_flags path_flags, slice path,
                                                wasi_filesystem_types_open_flags open_flags,
                                                wasi_filesystem_types_descriptor_flags flags,
                                                wasi_filesystem_types_result_descriptor_error_code *ret,
                                                err *e) {
    (void)call, (void)e;
    int fd = -1;
    int error = check_open(self, open_flags, flags);
    if (error == 0) {
        path_base base = descriptor_base(self);
        error = path_open(&base, path, follows_links(path_flags), kernel_flags(open_flags, flags), &fd);
    }
    if (error == 0) {
        error = wrap_opened(self, fd, flags, &ret->ok);
    }
    FILESYSTEM_ANSWER(ret, error);
}

status wasi_filesystem_preopens_get_directories(host_call *call,
                                                wasi_filesystem_preopens_list_tuple_descriptor_string *ret,
                                                err *e) {
    wasi_instance *i = wasi_of(call);
    const wasi_workload *w = i->workload;
    ret->items = ARENA_ARRAY(host_call_arena(call), wasi_filesystem_preopens_tuple_descriptor_string,
                             w->directory_count);
    if (ret->items == NULL) {
        return err_set(e, STATUS_TRAP, "the list of directories needs more memory than a call may use");
    }
    for (size_t n = 0; n < w->directory_count; n++) {
        const wasi_directory *from = &w->directories[n];
        descriptor like = {.is_directory = true, .is_read_only = from->is_read_only};
        int fd = -1;
        int error = file_open_component(from->fd, ".", O_RDONLY | O_DIRECTORY, &fd);
        if (error == 0) {
            error = descriptor_new(i, fd, &like, &ret->items[n].f0);
        }
        if (error != 0) {
            return err_set(e, STATUS_TRAP, "the granted directory %.*s cannot be opened: %s",
                           SLICE_ARG(from->guest_path), strerrordesc_np(error));
        }
        ret->items[n].f1 = from->guest_path;
    }
    ret->count = w->directory_count;
    return STATUS_OK;
}

// --- metadata by path ------------------------------------------------------------------------------------

static int info_at(const descriptor *self, bool follows, slice path, file_info *ret) {
    auto_fd fd = -1;
    int error = descriptor_check_directory(self, false);
    if (error == 0) {
        path_base base = descriptor_base(self);
        error = path_open(&base, path, follows, O_PATH, &fd);
    }
    return error != 0 ? error : file_info_of(fd, ret);
}

status wasi_filesystem_types_descriptor_stat_at(host_call *call, descriptor *self,
                                                wasi_filesystem_types_path_flags path_flags, slice path,
                                                wasi_filesystem_types_result_descriptor_stat_error_code *ret,
                                                err *e) {
    (void)call, (void)e;
    file_info info;
    int error = info_at(self, follows_links(path_flags), path, &info);
    if (error == 0) {
        filesystem_stat(&info, &ret->ok);
    }
    FILESYSTEM_ANSWER(ret, error);
}

status wasi_filesystem_types_descriptor_metadata_hash_at(
    host_call *call, descriptor *self, wasi_filesystem_types_path_flags path_flags, slice path,
    wasi_filesystem_types_result_metadata_hash_value_error_code *ret, err *e) {
    (void)e;
    file_info info;
    int error = info_at(self, follows_links(path_flags), path, &info);
    if (error == 0) {
        ret->ok = filesystem_hash(wasi_of(call), &info);
    }
    FILESYSTEM_ANSWER(ret, error);
}

static int set_times_at(const descriptor *self, bool follows, slice path, const file_times *times) {
    path_place place;
    int error = find(self, path, true, &place);
    if (error == 0 && !follows && !place.is_directory_itself && !place.has_slash) {
        error = file_set_times_at(place.dir, place.name, times);
        path_place_done(&place);
        return error;
    }
    path_place_done(&place);
    auto_fd fd = -1;
    if (error == 0) {
        path_base base = descriptor_base(self);
        error = path_open(&base, path, true, O_PATH, &fd);
    }
    return error != 0 ? error : file_set_times(fd, times);
}

status wasi_filesystem_types_descriptor_set_times_at(
    host_call *call, descriptor *self, wasi_filesystem_types_path_flags path_flags, slice path,
    const wasi_filesystem_types_new_timestamp *data_access_timestamp,
    const wasi_filesystem_types_new_timestamp *data_modification_timestamp, void_result *ret, err *e) {
    (void)call, (void)e;
    file_times times;
    int error = filesystem_times(data_access_timestamp, data_modification_timestamp, &times);
    FILESYSTEM_ANSWER(ret, error != 0 ? error : set_times_at(self, follows_links(path_flags), path, &times));
}

// --- making and removing ---------------------------------------------------------------------------------

status wasi_filesystem_types_descriptor_create_directory_at(host_call *call, descriptor *self, slice path,
                                                            void_result *ret, err *e) {
    (void)call, (void)e;
    path_place place;
    int error = find(self, path, true, &place);
    if (error == 0) {
        error = place.is_directory_itself ? EEXIST : file_make_directory(place.dir, place.name);
    }
    path_place_done(&place);
    FILESYSTEM_ANSWER(ret, error);
}

status wasi_filesystem_types_descriptor_remove_directory_at(host_call *call, descriptor *self, slice path,
                                                            void_result *ret, err *e) {
    (void)call, (void)e;
    path_place place;
    int error = find(self, path, true, &place);
    if (error == 0) {
        error = place.is_directory_itself ? EINVAL : file_remove_directory(place.dir, place.name);
    }
    path_place_done(&place);
    FILESYSTEM_ANSWER(ret, error);
}

// What a slash behind the name demands: 0 for a directory, ENOTDIR for anything else.
static int require_directory(const path_place *place) {
    file_info info;
    int error = file_info_at(place->dir, place->name, &info);
    return error != 0 ? error : info.kind == FILE_KIND_DIRECTORY ? 0 : ENOTDIR;
}

static int unlink_place(const path_place *place) {
    if (place->is_directory_itself) {
        return EISDIR;
    }
    if (place->has_slash) {
        int error = require_directory(place);
        return error != 0 ? error : EISDIR;
    }
    return file_remove(place->dir, place->name);
}

status wasi_filesystem_types_descriptor_unlink_file_at(host_call *call, descriptor *self, slice path,
                                                       void_result *ret, err *e) {
    (void)call, (void)e;
    path_place place;
    int error = find(self, path, true, &place);
    if (error == 0) {
        error = unlink_place(&place);
    }
    path_place_done(&place);
    FILESYSTEM_ANSWER(ret, error);
}

// --- two places ------------------------------------------------------------------------------------------

// Both directories must be open to changes: a name for a file of a read-only one would make it writable
// elsewhere.
static int find_both(const descriptor *old_dir, slice old_path, const descriptor *new_dir, slice new_path,
                     path_place *ret_old, path_place *ret_new) {
    *ret_new = (path_place){.dir = -1};
    int error = find(old_dir, old_path, true, ret_old);
    return error != 0 ? error : find(new_dir, new_path, true, ret_new);
}

static int rename_places(const path_place *from, const path_place *to) {
    if (from->is_directory_itself || to->is_directory_itself) {
        return EBUSY;
    }
    if (from->has_slash || to->has_slash) {
        int error = require_directory(from);
        if (error != 0) {
            return error;
        }
    }
    return file_rename(from->dir, from->name, to->dir, to->name);
}

status wasi_filesystem_types_descriptor_rename_at(host_call *call, descriptor *self, slice old_path,
                                                  descriptor *new_descriptor, slice new_path,
                                                  void_result *ret, err *e) {
    (void)call, (void)e;
    path_place from, to;
    int error = find_both(self, old_path, new_descriptor, new_path, &from, &to);
    if (error == 0) {
        error = rename_places(&from, &to);
    }
    path_place_done(&from);
    path_place_done(&to);
    FILESYSTEM_ANSWER(ret, error);
}

static int link_places(const path_place *from, const path_place *to) {
    if (from->is_directory_itself) {
        return EPERM;
    }
    if (to->is_directory_itself) {
        return EEXIST;
    }
    if (from->has_slash) {
        int error = require_directory(from);
        return error != 0 ? error : EPERM;
    }
    return to->has_slash ? ENOENT : file_link(from->dir, from->name, to->dir, to->name);
}

status wasi_filesystem_types_descriptor_link_at(host_call *call, descriptor *self,
                                                wasi_filesystem_types_path_flags old_path_flags,
                                                slice old_path, descriptor *new_descriptor, slice new_path,
                                                void_result *ret, err *e) {
    (void)call, (void)e;
    if (follows_links(old_path_flags)) {
        FILESYSTEM_ANSWER(ret, EINVAL); // nobody needs it, and a link could be exchanged in between
    }
    path_place from, to;
    int error = find_both(self, old_path, new_descriptor, new_path, &from, &to);
    if (error == 0) {
        error = link_places(&from, &to);
    }
    path_place_done(&from);
    path_place_done(&to);
    FILESYSTEM_ANSWER(ret, error);
}

// --- symbolic links --------------------------------------------------------------------------------------

// A link may point anywhere below, or nowhere; an absolute one means something else to everybody but the
// guest.
static int check_target(slice target) {
    if (target.len == 0) {
        return ENOENT;
    }
    if (target.len > PATH_BYTES_MAX) {
        return ENAMETOOLONG;
    }
    if (slice_find(target, 0, 0) != SIZE_MAX) {
        return EINVAL;
    }
    return target.data[0] == '/' ? EPERM : 0;
}

status wasi_filesystem_types_descriptor_symlink_at(host_call *call, descriptor *self, slice old_path,
                                                   slice new_path, void_result *ret, err *e) {
    (void)call, (void)e;
    path_place place = {.dir = -1};
    char target[PATH_BYTES_MAX + 1];
    int error = check_target(old_path);
    if (error == 0) {
        memcpy(target, old_path.data, old_path.len);
        target[old_path.len] = '\0';
        error = find(self, new_path, true, &place);
    }
    if (error == 0) {
        error = place.is_directory_itself ? EEXIST
                : place.has_slash         ? ENOENT
                                          : file_make_link(place.dir, place.name, target);
    }
    path_place_done(&place);
    FILESYSTEM_ANSWER(ret, error);
}

status wasi_filesystem_types_descriptor_readlink_at(host_call *call, descriptor *self, slice path,
                                                    wasi_filesystem_types_result_string_error_code *ret,
                                                    err *e) {
    (void)e;
    path_place place;
    char *text = (char *)wasi_instance_scratch(wasi_of(call));
    size_t len = 0;
    int error = find(self, path, false, &place);
    if (error == 0) {
        error = place.is_directory_itself || place.has_slash
                    ? EINVAL
                    : file_read_link(place.dir, place.name, text, PATH_BYTES_MAX + 1, &len);
    }
    path_place_done(&place);
    slice target = slice_of(text, len);
    if (error == 0) {
        error = len > 0 && text[0] == '/' ? EPERM : utf8_valid(target) ? 0 : EILSEQ;
    }
    if (error == 0) {
        ret->ok = target;
    }
    FILESYSTEM_ANSWER(ret, error);
}

// --- reading directories ---------------------------------------------------------------------------------

struct wasi_filesystem_types_directory_entry_stream {
    wasi_resource base;
    int fd; // of its own, since the position belongs to the open file
    file_listing listing;
};

typedef wasi_filesystem_types_directory_entry_stream entry_stream;

static void entry_stream_free(wasi_resource *r) {
    entry_stream *s = (entry_stream *)r;
    fd_close(s->fd);
    mem_free(s);
}

void wasi_filesystem_types_directory_entry_stream_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((entry_stream *)rep)->base);
}

static int entry_stream_new(const descriptor *d, entry_stream **ret) {
    static const wasi_resource_ops ops = {.free = entry_stream_free};
    auto_fd fd = -1;
    int error = descriptor_check_directory(d, false);
    if (error == 0) {
        error = file_open_component(d->fd, ".", O_RDONLY | O_DIRECTORY, &fd);
    }
    if (error != 0) {
        return error;
    }
    entry_stream *s = WASI_NEW(d->base.instance, entry_stream, &ops, WASI_CLASS_FILE, NULL, NULL);
    if (s == NULL) {
        return EDQUOT;
    }
    s->fd = fd;
    fd = -1;
    *ret = s;
    return 0;
}

status wasi_filesystem_types_descriptor_read_directory(
    host_call *call, descriptor *self, wasi_filesystem_types_result_directory_entry_stream_error_code *ret,
    err *e) {
    (void)call, (void)e;
    FILESYSTEM_ANSWER(ret, entry_stream_new(self, &ret->ok));
}

static bool is_dots(const char *name) {
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int next_entry(entry_stream *s, wasi_filesystem_types_option_directory_entry *ret) {
    file_entry entry;
    do {
        int error = file_next_entry(s->fd, &s->listing, &entry);
        if (error != 0) {
            return error;
        }
    } while (entry.name != NULL && is_dots(entry.name));
    ret->some = entry.name != NULL;
    if (!ret->some) {
        return 0;
    }
    file_info info;
    if (entry.kind == FILE_KIND_UNKNOWN && file_info_at(s->fd, entry.name, &info) == 0) {
        entry.kind = info.kind;
    }
    ret->value.type = filesystem_type(entry.kind);
    ret->value.name = slice_from_text(entry.name);
    return utf8_valid(ret->value.name) ? 0 : EILSEQ; // the next call goes on behind it
}

status wasi_filesystem_types_directory_entry_stream_read_directory_entry(
    host_call *call, entry_stream *self, wasi_filesystem_types_result_option_directory_entry_error_code *ret,
    err *e) {
    (void)call, (void)e;
    wasi_filesystem_types_option_directory_entry entry = {0};
    int error = next_entry(self, &entry);
    if (error == 0) {
        ret->ok = entry;
    }
    FILESYSTEM_ANSWER(ret, error);
}
