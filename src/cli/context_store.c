// SPDX-License-Identifier: Apache-2.0
#include "cli/context_store.h"

#include <string.h>

#include "cli/places.h"
#include "os/fd.h"
#include "os/guarded.h"
#include "os/path.h"
#include "os/private.h"
#include "os/whole_file.h"

enum { FILE_BYTES_MAX = 1 << 20, PATH_BYTES_MAX = 4096 };

static const char file_name[] = "contexts.json";

const char *const cli_setting_names[CLI_SETTINGS] = {
    [CLI_NATS] = "nats",       [CLI_LATTICE] = "lattice",     [CLI_CREDS] = "creds",
    [CLI_SEED] = "seed",       [CLI_TLS_CA] = "tls-ca",       [CLI_TLS_CERT] = "tls-certificate",
    [CLI_TLS_KEY] = "tls-key", [CLI_TLS_FIRST] = "tls-first", [CLI_PREFIX] = "prefix",
    [CLI_TIMEOUT] = "timeout", [CLI_SIGN_WITH] = "sign-with",
};

bool cli_setting_is_file(cli_setting s) {
    return s == CLI_CREDS || s == CLI_SEED || s == CLI_TLS_CA || s == CLI_TLS_CERT || s == CLI_TLS_KEY;
}

status cli_context_name_check(const char *name, err *e) {
    size_t len = strlen(name);
    bool is = len > 0 && len <= CLI_CONTEXT_NAME_BYTES_MAX;
    for (size_t i = 0; i < len && is; i++) {
        char c = name[i];
        is = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
             ((c == '.' || c == '-') && i > 0);
    }
    return is ? STATUS_OK
              : err_set(e, STATUS_INVALID,
                        "\"%.80s\" cannot be the name of a context: at most %d letters, digits, . _ and -",
                        name, CLI_CONTEXT_NAME_BYTES_MAX);
}

// --- reading -----------------------------------------------------------------------------------------------

static status check_context(const char *path, slice name, const json_value *context, err *e) {
    void *at = NULL;
    slice key, text;
    const json_value *value;
    const char *unknown = json_unknown_member(context, cli_setting_names, CLI_SETTINGS);
    if (!json_is_object(context) || unknown != NULL) {
        return err_set(e, STATUS_INVALID, "%s: the context \"%.*s\" has something that is no setting: %.60s",
                       path, SLICE_ARG(slice_sub(name, 0, 80)),
                       unknown != NULL ? unknown : "it is no object");
    }
    while (json_next_member(context, &at, &key, &value)) {
        if (!json_as_text(value, &text) || text.len == 0 || memchr(text.data, 0, text.len) != NULL) {
            return err_set(e, STATUS_INVALID, "%s: \"%.*s\" of the context \"%.*s\" is no text", path,
                           SLICE_ARG(slice_sub(key, 0, 40)), SLICE_ARG(slice_sub(name, 0, 80)));
        }
    }
    return STATUS_OK;
}

static status check_document(const char *path, const json_value *document, err *e) {
    static const char *const members[] = {"current", "contexts"};
    const json_value *contexts = json_get(document, "contexts"), *value;
    const json_value *current = json_get(document, "current");
    void *at = NULL;
    slice name;
    bool is = json_is_object(document) && json_unknown_member(document, members, 2) == NULL &&
              (json_is_absent(contexts) || json_is_object(contexts)) &&
              (json_is_absent(current) || json_as_text(current, &name));
    if (!is || json_member_count(contexts) > CLI_CONTEXTS_MAX) {
        return err_set(e, STATUS_INVALID,
                       "%s: expected an object with \"contexts\", at most %d of them, and \"current\"", path,
                       CLI_CONTEXTS_MAX);
    }
    while (json_next_member(contexts, &at, &name, &value)) {
        TRY(check_context(path, name, value, e));
    }
    return STATUS_OK;
}

static status load(const char *path, json_value **ret, err *e) {
    auto_buf text = {0};
    json_value *document = NULL;
    status s = file_read_trusted(path, FILE_BYTES_MAX, &text, e);
    if (s == STATUS_NOT_FOUND) {
        *ret = json_object_new();
        return STATUS_OK;
    }
    TRY(s);
    if (json_parse(buf_slice(&text), &document, e) != STATUS_OK) {
        return err_wrap(e, "%s", path);
    }
    s = check_document(path, document, e);
    if (s != STATUS_OK) {
        json_free(document);
        return s;
    }
    *ret = document;
    return STATUS_OK;
}

status cli_contexts_load(json_value **ret, err *e) {
    auto_buf path = {0};
    TRY(cli_place(file_name, &path, e));
    return load(buf_text(&path), ret, e);
}

slice cli_context_current(const json_value *document) {
    slice name = slice_empty();
    (void)json_as_text(json_get(document, "current"), &name);
    return name;
}

const json_value *cli_context_find(const json_value *document, slice name) {
    void *at = NULL;
    slice key;
    const json_value *value;
    while (json_next_member(json_get(document, "contexts"), &at, &key, &value)) {
        if (slice_equal(key, name)) {
            return value;
        }
    }
    return NULL;
}

// --- writing -----------------------------------------------------------------------------------------------

json_value *cli_context_copy(const json_value *context) {
    json_value *copy = json_object_new();
    for (size_t i = 0; i < CLI_SETTINGS; i++) {
        slice text;
        if (json_as_text(json_get(context, cli_setting_names[i]), &text)) {
            json_put_text(copy, cli_setting_names[i], text);
        }
    }
    return copy;
}

json_value *cli_contexts_copy(const json_value *document, slice current, const char *left_out,
                              json_value *next) {
    json_value *contexts = json_object_new();
    void *at = NULL;
    slice key;
    const json_value *value;
    while (json_next_member(json_get(document, "contexts"), &at, &key, &value)) {
        if (left_out == NULL || !slice_equal_text(key, left_out)) {
            json_put(contexts, (const char *)key.data, cli_context_copy(value)); // a key is NUL-terminated
        }
    }
    if (current.len > 0) {
        json_put_text(next, "current", current);
    }
    json_put(next, "contexts", contexts);
    return contexts;
}

static status change_and_write(int dir, const char *path, cli_contexts_change change, void *arg, err *e) {
    json_value *document = NULL, *next = json_object_new();
    auto_buf text;
    buf_init(&text, FILE_BYTES_MAX);
    status s = load(path, &document, e);
    s = s == STATUS_OK ? change(arg, document, next, e) : s;
    s = s == STATUS_OK ? check_document(path, next, e) : s;
    if (s == STATUS_OK &&
        (json_write(next, 2, &text) != STATUS_OK || buf_append_byte(&text, '\n') != STATUS_OK)) {
        s = err_set(e, STATUS_LIMIT, "%s would have more than %d bytes", path, FILE_BYTES_MAX);
    }
    s = s == STATUS_OK ? guarded_replace(dir, file_name, buf_slice(&text), e) : s;
    json_free(document);
    json_free(next);
    return s;
}

status cli_contexts_update(cli_contexts_change change, void *arg, err *e) {
    auto_buf path = {0};
    char directory[PATH_BYTES_MAX];
    const char *name;
    auto_fd dir = -1;
    auto_fd lock = -1;
    TRY(cli_place(file_name, &path, e));
    if (!path_split(buf_text(&path), directory, sizeof directory, &name)) {
        return err_set(e, STATUS_LIMIT, "the path of %s is too long", file_name);
    }
    TRY(private_directory_open(directory, &dir, e));
    TRY(guarded_lock(dir, file_name, &lock, e));
    return change_and_write(dir, buf_text(&path), change, arg, e);
}
