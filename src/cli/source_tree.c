// SPDX-License-Identifier: Apache-2.0
#include "cli/source_tree.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "os/fd.h"
#include "os/file.h"
#include "os/file_watch.h"
#include "os/path.h"
#include "os/whole_file.h"

typedef struct walk {
    const source_look *look;
    source_print *print;
    char **folders; // below the root, still to be looked at; each is ours
    size_t folder_count, folder_next;
    size_t file_count;
} walk;

static bool ends_with_tilde(const char *name) { return name[0] != '\0' && name[strlen(name) - 1] == '~'; }

static bool is_left_out(const source_look *l, const char *path, const char *name) {
    if (name[0] == '.' || ends_with_tilde(name) || strcmp(name, "node_modules") == 0 ||
        strcmp(name, "__pycache__") == 0) {
        return true;
    }
    for (size_t i = 0; i < l->left_out_count; i++) {
        if (strcmp(l->left_out[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static bool absolute(const walk *w, const char *path, char ret[PATH_MAX]) {
    bool is_root = strcmp(path, ".") == 0;
    int len = snprintf(ret, PATH_MAX, "%s%s%s", w->look->root, is_root ? "" : "/", is_root ? "" : path);
    return len > 0 && len < PATH_MAX;
}

// The order in which a directory names its files means nothing, so the hashes of files add up by XOR.
static void add(walk *w, const char *path, slice content) {
    uint8_t hash[HASH_BYTES];
    const slice parts[] = {slice_of(path, strlen(path) + 1), content};
    hash_sha256(parts, sizeof parts / sizeof parts[0], hash);
    for (size_t i = 0; i < HASH_BYTES; i++) {
        w->print->bytes[i] ^= hash[i];
    }
}

static void add_file(walk *w, const char *path, const char *full, const file_info *info) {
    auto_buf content = {0};
    if (info->size <= SOURCE_FILE_BYTES_MAX &&
        file_read_whole(full, SOURCE_FILE_BYTES_MAX, &content, NULL) == STATUS_OK) {
        add(w, path, buf_slice(&content));
    } else {
        const uint64_t facts[] = {info->size, (uint64_t)info->modified.seconds, info->modified.nanoseconds};
        add(w, path, slice_of(facts, sizeof facts));
    }
}

static void add_link(walk *w, const char *path, const char *full) {
    char target[PATH_MAX];
    size_t len = 0;
    if (file_read_link(AT_FDCWD, full, target, sizeof target, &len) == 0) {
        add(w, path, slice_of(target, len));
    }
}

static status add_path(walk *w, const char *path, err *e) {
    char full[PATH_MAX];
    file_info info;
    if (!absolute(w, path, full) || file_info_at(AT_FDCWD, full, &info) != 0) {
        return STATUS_OK;
    }
    if (info.kind == FILE_KIND_DIRECTORY) {
        if (w->folder_count == SOURCE_FOLDERS_MAX) {
            return err_set(e, STATUS_LIMIT, "more than %d folders of sources; name fewer in `sources`",
                           SOURCE_FOLDERS_MAX);
        }
        w->folders[w->folder_count++] = mem_text_dup(path);
        return STATUS_OK;
    }
    if (++w->file_count > SOURCE_FILES_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d files of sources; name fewer in `sources`",
                       SOURCE_FILES_MAX);
    }
    if (info.kind == FILE_KIND_REGULAR) {
        add_file(w, path, full, &info);
    } else if (info.kind == FILE_KIND_SYMBOLIC_LINK) {
        add_link(w, path, full);
    }
    return STATUS_OK;
}

// A watch before the look: what comes in between is seen twice rather than never.
static status watch(const walk *w, const char *full, err *e) {
    status s = w->look->watch < 0 ? STATUS_OK : file_watch_add(w->look->watch, full, e);
    if (s == STATUS_LIMIT) {
        *w->look->lost_watches = true;
    }
    return s == STATUS_NOT_FOUND || s == STATUS_LIMIT ? STATUS_OK : s;
}

static status look_into(walk *w, const char *folder, err *e) {
    char full[PATH_MAX], path[PATH_MAX];
    auto_fd fd = -1;
    file_listing listing = {0};
    file_entry entry;
    if (!absolute(w, folder, full)) {
        return STATUS_OK;
    }
    TRY(watch(w, full, e));
    if (file_open_component(AT_FDCWD, full, O_RDONLY | O_DIRECTORY, &fd) != 0) {
        return STATUS_OK;
    }
    while (file_next_entry(fd, &listing, &entry) == 0 && entry.name != NULL) {
        bool is_root = strcmp(folder, ".") == 0;
        int len =
            snprintf(path, sizeof path, "%s%s%s", is_root ? "" : folder, is_root ? "" : "/", entry.name);
        if (len > 0 && (size_t)len < sizeof path && !is_left_out(w->look, path, entry.name)) {
            TRY(add_path(w, path, e));
        }
    }
    return STATUS_OK;
}

// A file that is replaced by another is not heard of by a watch on itself: on its folder, then.
static status begin(walk *w, const char *path, err *e) {
    char folder[PATH_MAX], full[PATH_MAX];
    const char *name;
    if (path_split(path, folder, sizeof folder, &name) && absolute(w, folder, full)) {
        TRY(watch(w, full, e));
    }
    return add_path(w, path, e);
}

static status look(walk *w, err *e) {
    for (size_t i = 0; i < w->look->path_count; i++) {
        TRY(begin(w, w->look->paths[i], e));
    }
    while (w->folder_next < w->folder_count) {
        TRY(look_into(w, w->folders[w->folder_next++], e));
    }
    return STATUS_OK;
}

status source_tree_look(const source_look *l, source_print *ret, err *e) {
    walk w = {.look = l, .print = ret, .folders = mem_calloc(SOURCE_FOLDERS_MAX, sizeof(char *))};
    *ret = (source_print){{0}};
    status s = look(&w, e);
    for (size_t i = 0; i < w.folder_count; i++) {
        mem_free(w.folders[i]);
    }
    mem_free(w.folders);
    return s;
}
