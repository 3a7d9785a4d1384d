// SPDX-License-Identifier: Apache-2.0
#include "lattice/cluster_file.h"

#include "base/mem.h"
#include "codec/date.h"
#include "codec/json.h"
#include "os/fd.h"
#include "os/guarded.h"
#include "os/path.h"
#include "os/private.h"
#include "os/whole_file.h"

enum { VERSION = 1, INDENT = 2, PATH_BYTES_MAX = 4096 };

static const struct list_rule {
    const char *name;
    const char *date; // NULL: has none
    bool has_role;
    size_t max;
    nkey_kind kinds[2];
} rules[CLUSTER_LIST_COUNT] = {
    [CLUSTER_ISSUERS] = {"issuers", "until", false, CLUSTER_ISSUERS_MAX, {NKEY_CLUSTER, NKEY_CLUSTER}},
    [CLUSTER_REVOKED] = {"revoked", "before", false, CLUSTER_REVOKED_MAX, {NKEY_SERVER, NKEY_CLUSTER}},
    [CLUSTER_USERS] = {"users", NULL, true, ROLES_USERS_MAX, {NKEY_USER, NKEY_USER}},
};

void cluster_file_done(cluster_file *f) {
    for (int i = 0; i < CLUSTER_LIST_COUNT; i++) {
        mem_free(f->lists[i].at);
    }
    *f = (cluster_file){0};
}

// --- entries -----------------------------------------------------------------------------------------------

static size_t index_of(const cluster_file *f, cluster_list list, const nkey_public *key) {
    size_t i = 0;
    while (i < f->lists[list].count && !nkey_public_equal(&f->lists[list].at[i].key, key)) {
        i++;
    }
    return i;
}

status cluster_file_put(cluster_file *f, cluster_list list, const cluster_entry *entry, err *e) {
    const struct list_rule *rule = &rules[list];
    size_t i = index_of(f, list, &entry->key);
    if (entry->key.kind != rule->kinds[0] && entry->key.kind != rule->kinds[1]) {
        return err_set(e, STATUS_INVALID, "\"%s\" has %s keys, and %s is a %s key", rule->name,
                       nkey_kind_name(rule->kinds[0]), nkey_public_text(&entry->key).text,
                       nkey_kind_name(entry->key.kind));
    }
    if (i == rule->max) {
        return err_set(e, STATUS_LIMIT, "\"%s\" has at most %zu entries", rule->name, rule->max);
    }
    if (i == f->lists[list].count) {
        f->lists[list].at = mem_resize(f->lists[list].at, (i + 1) * sizeof *entry);
        f->lists[list].count++;
    }
    f->lists[list].at[i] = *entry;
    return STATUS_OK;
}

bool cluster_file_remove(cluster_file *f, cluster_list list, const nkey_public *key) {
    size_t i = index_of(f, list, key), count = f->lists[list].count;
    if (i == count) {
        return false;
    }
    memmove(&f->lists[list].at[i], &f->lists[list].at[i + 1], (count - i - 1) * sizeof *f->lists[list].at);
    f->lists[list].count--;
    return true;
}

status cluster_file_apply(const cluster_file *f, cluster *c, roles *r, err *e) {
    for (size_t i = 0; i < f->lists[CLUSTER_ISSUERS].count; i++) {
        const cluster_entry *x = &f->lists[CLUSTER_ISSUERS].at[i];
        TRY(cluster_trust(c, &x->key, x->date_s, e));
    }
    for (size_t i = 0; i < f->lists[CLUSTER_REVOKED].count; i++) {
        const cluster_entry *x = &f->lists[CLUSTER_REVOKED].at[i];
        TRY(cluster_revoke(c, &x->key, x->date_s, e));
    }
    for (size_t i = 0; r != NULL && i < f->lists[CLUSTER_USERS].count; i++) {
        const cluster_entry *x = &f->lists[CLUSTER_USERS].at[i];
        TRY(roles_put(r, &x->key, x->what, e));
    }
    return STATUS_OK;
}

// --- reading -----------------------------------------------------------------------------------------------

static status only_known(const json_value *v, const char *const *known, size_t count, const char *where,
                         err *e) {
    if (!json_is_object(v)) {
        return err_set(e, STATUS_INVALID, "%s is no object", where);
    }
    const char *other = json_unknown_member(v, known, count);
    return other == NULL ? STATUS_OK : err_set(e, STATUS_INVALID, "%s has no member \"%s\"", where, other);
}

static status read_note(const json_value *v, const char *where, char ret[CLUSTER_NOTE_BYTES_MAX + 1],
                        err *e) {
    slice text;
    if (json_is_absent(v)) {
        return STATUS_OK;
    }
    if (!json_as_text(v, &text) || text.len > CLUSTER_NOTE_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "%s: \"note\" is text of at most %d bytes", where,
                       CLUSTER_NOTE_BYTES_MAX);
    }
    memcpy(ret, text.data, text.len);
    return STATUS_OK;
}

static status read_entry(const json_value *v, const struct list_rule *rule, cluster_entry *ret, err *e) {
    const char *known[] = {"key", "note", rule->has_role ? "role" : rule->date};
    slice text;
    cluster_entry x = {.date_s = UINT64_MAX};
    TRY(only_known(v, known, 3, rule->name, e));
    if (!json_as_text(json_get(v, "key"), &text)) {
        return err_set(e, STATUS_INVALID, "%s: an entry has a \"key\"", rule->name);
    }
    status s = nkey_public_parse(text, &x.key, e);
    if (s != STATUS_OK) {
        err_wrap(e, "%s", rule->name);
        return s;
    }
    TRY(read_note(json_get(v, "note"), rule->name, x.note, e));
    const json_value *date = rule->date == NULL ? NULL : json_get(v, rule->date);
    if (!json_is_absent(date) && (!json_as_text(date, &text) || !date_parse(text, &x.date_s))) {
        return err_set(e, STATUS_INVALID, "%s: \"%s\" is a date such as 2027-01-31", rule->name, rule->date);
    }
    if (rule->has_role && (!json_as_text(json_get(v, "role"), &text) || !role_parse(text, &x.what))) {
        return err_set(e, STATUS_INVALID, "%s: \"role\" is none, read, operate or admin", rule->name);
    }
    *ret = x;
    return STATUS_OK;
}

static status read_list(const json_value *document, cluster_list list, cluster_file *f, err *e) {
    const json_value *v = json_get(document, rules[list].name);
    if (json_is_absent(v)) {
        return STATUS_OK;
    }
    if (!json_is_array(v)) {
        return err_set(e, STATUS_INVALID, "\"%s\" is no array", rules[list].name);
    }
    for (size_t i = 0; i < json_count(v); i++) {
        cluster_entry x;
        TRY(read_entry(json_at(v, i), &rules[list], &x, e));
        if (index_of(f, list, &x.key) < f->lists[list].count) {
            return err_set(e, STATUS_INVALID, "%s: %s stands twice", rules[list].name,
                           nkey_public_text(&x.key).text);
        }
        TRY(cluster_file_put(f, list, &x, e));
    }
    return STATUS_OK;
}

static status read_document(const json_value *v, cluster_file *f, err *e) {
    static const char *const known[] = {"version", "issuers", "revoked", "users", "everybody"};
    int64_t version;
    slice text;
    TRY(only_known(v, known, sizeof known / sizeof *known, "it", e));
    if (!json_as_integer(json_get(v, "version"), &version) || version != VERSION) {
        return err_set(e, STATUS_INVALID, "its \"version\" is not %d", VERSION);
    }
    const json_value *everybody = json_get(v, "everybody");
    if (!json_is_absent(everybody) && (!json_as_text(everybody, &text) || !role_parse(text, &f->everybody))) {
        return err_set(e, STATUS_INVALID, "\"everybody\" is none, read, operate or admin");
    }
    for (int i = 0; i < CLUSTER_LIST_COUNT; i++) {
        TRY(read_list(v, (cluster_list)i, f, e));
    }
    return STATUS_OK;
}

status cluster_file_read(slice text, cluster_file *ret, err *e) {
    json_value *document = NULL;
    cluster_file f = {0};
    TRY(json_parse(text, &document, e));
    status s = read_document(document, &f, e);
    json_free(document);
    if (s != STATUS_OK) {
        cluster_file_done(&f);
        return s;
    }
    *ret = f;
    return STATUS_OK;
}

status cluster_file_load(const char *path, cluster_file *ret, err *e) {
    auto_buf text = {0};
    buf_init(&text, CLUSTER_FILE_BYTES_MAX);
    status s = file_read_trusted(path, CLUSTER_FILE_BYTES_MAX, &text, e);
    if (s == STATUS_NOT_FOUND) {
        *ret = (cluster_file){0};
        return STATUS_OK;
    }
    TRY(s);
    s = cluster_file_read(buf_slice(&text), ret, e);
    if (s != STATUS_OK) {
        err_wrap(e, "%s", path);
    }
    return s;
}

// --- writing -----------------------------------------------------------------------------------------------

static json_value *entry_json(const cluster_entry *x, const struct list_rule *rule) {
    json_value *v = json_object_new();
    char date[DATE_TEXT_BYTES];
    json_put_text(v, "key", slice_from_text(nkey_public_text(&x->key).text));
    if (rule->has_role) {
        json_put_text(v, "role", slice_from_text(role_name(x->what)));
    }
    if (rule->date != NULL && x->date_s != UINT64_MAX) {
        json_put_text(v, rule->date, slice_from_text(date_text(x->date_s, date)));
    }
    if (x->note[0] != '\0') {
        json_put_text(v, "note", slice_from_text(x->note));
    }
    return v;
}

static status write_text(const cluster_file *f, buf *ret) {
    json_value *document = json_object_new();
    json_put_integer(document, "version", VERSION);
    for (int i = 0; i < CLUSTER_LIST_COUNT; i++) {
        json_value *list = json_array_new();
        for (size_t k = 0; k < f->lists[i].count; k++) {
            json_push(list, entry_json(&f->lists[i].at[k], &rules[i]));
        }
        json_put(document, rules[i].name, list);
    }
    json_put_text(document, "everybody", slice_from_text(role_name(f->everybody)));
    status s = json_write(document, INDENT, ret);
    json_free(document);
    return s == STATUS_OK ? buf_append_byte(ret, '\n') : s;
}

static status change_and_write(const char *path, int dir, const char *name, cluster_file_change change,
                               void *arg, err *e) {
    cluster_file f = {0};
    auto_buf text = {0};
    buf_init(&text, CLUSTER_FILE_BYTES_MAX);
    TRY(cluster_file_load(path, &f, e));
    status s = change(arg, &f, e);
    if (s == STATUS_OK && write_text(&f, &text) != STATUS_OK) {
        s = err_set(e, STATUS_LIMIT, "%s would be larger than %d bytes", path, CLUSTER_FILE_BYTES_MAX);
    }
    cluster_file_done(&f);
    return s == STATUS_OK ? guarded_replace(dir, name, buf_slice(&text), e) : s;
}

status cluster_file_update(const char *path, cluster_file_change change, void *arg, err *e) {
    char directory[PATH_BYTES_MAX];
    const char *name;
    auto_fd dir = -1;
    auto_fd lock = -1;
    if (!path_split(path, directory, sizeof directory, &name) || name[0] == '\0') {
        return err_set(e, STATUS_INVALID, "%s is no path of a file", path);
    }
    TRY(private_directory_open(directory, &dir, e));
    TRY(guarded_lock(dir, name, &lock, e));
    return change_and_write(path, dir, name, change, arg, e);
}
