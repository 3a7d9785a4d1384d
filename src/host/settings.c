// SPDX-License-Identifier: Apache-2.0
#include "host/settings.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "os/fd.h"
#include "os/guarded.h"
#include "os/path.h"
#include "os/whole_file.h"

void host_settings_done(host_settings *s) {
    mem_free(s->trust_store);
    *s = (host_settings){0};
}

// --- one file's text ---------------------------------------------------------------------------------------

typedef struct reader {
    const char *file;
    unsigned line;
    host_settings *settings;
    bool has_signatures; // to tell a repeated name
} reader;

static bool is_space(uint8_t c) { return c == ' ' || c == '\t'; }

// Printable ASCII and UTF-8's upper bytes: nothing that could steer a terminal when it is shown.
static bool is_plain(slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static status repeated(const reader *r, const char *name, err *e) {
    return err_set(e, STATUS_INVALID, "%s:%u: %s is set a second time", r->file, r->line, name);
}

static status set_signatures(reader *r, slice value, err *e) {
    if (r->has_signatures) {
        return repeated(r, "require_signatures", e);
    }
    bool is_locked = slice_equal_text(value, "locked");
    if (!is_locked && !slice_equal_text(value, "yes")) {
        return err_set(e, STATUS_INVALID,
                       "%s:%u: require_signatures is yes (--unsigned is possible for one run) or locked (it "
                       "never is), not \"%.*s\"",
                       r->file, r->line, SLICE_ARG(slice_sub(value, 0, 40)));
    }
    r->has_signatures = true;
    r->settings->is_locked = is_locked;
    return STATUS_OK;
}

static status set_trust_store(reader *r, slice value, err *e) {
    if (r->settings->trust_store != NULL) {
        return repeated(r, "trust_store", e);
    }
    if (!slice_starts_with(value, "/") || value.len >= HOST_SETTINGS_PATH_BYTES_MAX) {
        return err_set(e, STATUS_INVALID,
                       "%s:%u: trust_store is an absolute path of less than %d bytes, such "
                       "as " HOST_SETTINGS_SYSTEM_TRUST ", not \"%.*s\"",
                       r->file, r->line, HOST_SETTINGS_PATH_BYTES_MAX, SLICE_ARG(slice_sub(value, 0, 80)));
    }
    r->settings->trust_store = mem_slice_dup(value);
    return STATUS_OK;
}

static status read_line(reader *r, slice line, err *e) {
    if (!is_plain(line)) {
        return err_set(e, STATUS_INVALID, "%s:%u: the line has a control character", r->file, r->line);
    }
    slice text = slice_trimmed(line);
    if (text.len == 0 || text.data[0] == '#') {
        return STATUS_OK;
    }
    size_t equals = slice_find(text, 0, '=');
    if (equals == SIZE_MAX) {
        return err_set(e, STATUS_INVALID, "%s:%u: a line is NAME = VALUE or a # comment, not \"%.*s\"",
                       r->file, r->line, SLICE_ARG(slice_sub(text, 0, 60)));
    }
    slice name = slice_trimmed(slice_sub(text, 0, equals));
    // A comment may follow a value after a space; a path with " #" in it cannot be written.
    slice value = slice_sub(text, equals + 1, text.len);
    for (size_t i = 1; i < value.len; i++) {
        if (value.data[i] == '#' && is_space(value.data[i - 1])) {
            value.len = i;
            break;
        }
    }
    value = slice_trimmed(value);
    if (slice_equal_text(name, "require_signatures")) {
        return set_signatures(r, value, e);
    }
    if (slice_equal_text(name, "trust_store")) {
        return set_trust_store(r, value, e);
    }
    return err_set(e, STATUS_INVALID,
                   "%s:%u: \"%.*s\" is no setting; there are require_signatures and trust_store", r->file,
                   r->line, SLICE_ARG(slice_sub(name, 0, 40)));
}

status host_settings_parse(slice text, const char *file, host_settings *ret, err *e) {
    host_settings settings = {0};
    reader r = {.file = file, .settings = &settings};
    if (text.len > HOST_SETTINGS_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "%s is longer than %d bytes", file, HOST_SETTINGS_BYTES_MAX);
    }
    for (size_t at = 0; at < text.len;) {
        size_t end = slice_find(text, at, '\n');
        end = end == SIZE_MAX ? text.len : end;
        r.line++;
        status s = read_line(&r, slice_sub(text, at, end), e);
        if (s != STATUS_OK) {
            host_settings_done(&settings);
            return s;
        }
        at = end + 1;
    }
    *ret = settings;
    return STATUS_OK;
}

// --- the files ---------------------------------------------------------------------------------------------

// Whoever may change the directory can remove the file, and with it what it locks.
static status check_directory(const char *path, err *e) {
    char directory[HOST_SETTINGS_PATH_BYTES_MAX];
    const char *name;
    if (!path_split(path, directory, sizeof directory, &name)) {
        return err_set(e, STATUS_LIMIT, "the path %.80s... is too long", path);
    }
    auto_fd fd = -1;
    status s = guarded_directory_open(directory, &fd, e);
    return s == STATUS_NOT_FOUND ? STATUS_OK : s;
}

static status read_settings(const char *path, bool must_exist, buf *ret, err *e) {
    if (!must_exist) {
        TRY(check_directory(path, e));
    }
    return file_read_trusted(path, HOST_SETTINGS_BYTES_MAX, ret, e);
}

static status load(const char *path, bool must_exist, host_settings *ret, err *e) {
    auto_buf text = {0};
    status s = read_settings(path, must_exist, &text, e);
    if (s == STATUS_NOT_FOUND && !must_exist) {
        return STATUS_OK;
    }
    if (s == STATUS_OK) {
        s = host_settings_parse(buf_slice(&text), path, ret, e);
    }
    if (s != STATUS_OK && s != STATUS_DENIED) {
        s = STATUS_IO; // it is this machine that is set up wrongly, not the component
    }
    if (s != STATUS_OK && e != NULL) {
        e->code = s;
        err_wrap(e, "settings of this host");
    }
    return s;
}

// `extra` becomes the stricter of both; takes what it needs out of `system`.
static status make_stricter(host_settings *system, host_settings *extra, const char *extra_path, err *e) {
    if (system->is_locked && extra->trust_store != NULL &&
        strcmp(system->trust_store, extra->trust_store) != 0) {
        return err_set(e, STATUS_DENIED,
                       "%s names the trust store %s, but this host is locked to %s: remove the line",
                       extra_path, extra->trust_store, system->trust_store);
    }
    extra->is_locked = extra->is_locked || system->is_locked;
    if (extra->trust_store == NULL) {
        extra->trust_store = system->trust_store;
        system->trust_store = NULL;
    }
    return STATUS_OK;
}

status host_settings_load(const char *system_path, const char *extra_path, host_settings *ret, err *e) {
    host_settings system = {0}, extra = {0};
    status s = load(system_path, false, &system, e);
    if (s == STATUS_OK && system.is_locked && system.trust_store == NULL) {
        system.trust_store = mem_text_dup(HOST_SETTINGS_SYSTEM_TRUST);
    }
    if (s == STATUS_OK && extra_path != NULL) {
        s = load(extra_path, true, &extra, e);
    }
    if (s == STATUS_OK) {
        s = make_stricter(&system, &extra, extra_path, e);
    }
    if (s == STATUS_OK) {
        *ret = extra;
        extra = (host_settings){0};
    }
    host_settings_done(&system);
    host_settings_done(&extra);
    return s;
}

status host_settings_trust_store(const host_settings *s, const char *named, const char *usual,
                                 const char **ret, err *e) {
    const char *settled = s->trust_store != NULL ? s->trust_store : usual;
    if (s->is_locked && named != NULL && (settled == NULL || strcmp(named, settled) != 0)) {
        return err_set(e, STATUS_DENIED,
                       "this host is locked to the trust store %s (require_signatures = locked), so --trust "
                       "cannot name %s",
                       settled != NULL ? settled : "(none)", named);
    }
    *ret = named != NULL ? named : settled;
    return STATUS_OK;
}
