// SPDX-License-Identifier: Apache-2.0
// One line for each thing: KIND, a tab, its name, a tab, SHA-256 in hex. A name has no line feed (names of
// workloads and links are checked by who makes them; what has one is not compared). Links are compared by
// name: one whose digest differs was changed.
#include "cli/audit_memo.h"

#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "host/host_audit.h"
#include "host/settings.h"
#include "host/wire.h"
#include "os/whole_file.h"

enum { FILE_BYTES_MAX = 4 << 20, RULES_BYTES_MAX = 64 << 20, NAME_BYTES_MAX = 2048 };

// --- digests -----------------------------------------------------------------------------------------------

static status add_line(buf *ret, const char *kind, const char *name, const uint8_t digest[HASH_BYTES]) {
    char hex[HASH_HEX_BYTES];
    hash_hex(digest, hex);
    return buf_append_format(ret, "%s\t%s\t%s\n", kind, name, hex);
}

// One that is not there, or cannot be read, has no line.
static status add_file(buf *ret, const char *kind, const char *path) {
    auto_buf text = {0};
    uint8_t digest[HASH_BYTES];
    if (path == NULL || file_read_whole(path, FILE_BYTES_MAX, &text, NULL) != STATUS_OK) {
        return STATUS_OK;
    }
    slice bytes = buf_slice(&text);
    hash_sha256(&bytes, 1, digest);
    return add_line(ret, kind, path, digest);
}

static status add_rules(const host_config *c, buf *ret, err *e) {
    auto_buf bytes;
    wire_writer w = wire_writer_of(&bytes);
    uint8_t digest[HASH_BYTES];
    buf_init(&bytes, RULES_BYTES_MAX);
    host_rules_put(&c->rules, &w);
    if (w.has_failed) {
        return err_set(e, STATUS_LIMIT, "the rules of calls take too much room");
    }
    slice all = buf_slice(&bytes);
    hash_sha256(&all, 1, digest);
    return c->rules.count == 0 ? STATUS_OK : add_line(ret, "rules", "calls", digest);
}

static void add_text(hash_sha256_state *h, const char *text) {
    hash_sha256_add(h, slice_of(text == NULL ? "" : text, text == NULL ? 0 : strlen(text) + 1));
    hash_sha256_add(h, slice_of("\xff", 1)); // no UTF-8: NULL and "" differ, and lists do not run together
}

static void hash_link(const host_link *l, uint8_t ret[HASH_BYTES]) {
    hash_sha256_state h;
    hash_sha256_begin(&h);
    add_text(&h, l->driver);
    add_text(&h, l->target);
    for (size_t i = 0; i < l->interface_count; i++) {
        add_text(&h, l->interfaces[i]);
    }
    add_text(&h, NULL);
    for (size_t i = 0; i < l->setting_count; i++) {
        add_text(&h, l->settings[i].name);
        add_text(&h, l->settings[i].value);
    }
    add_text(&h, NULL);
    for (size_t i = 0; i < l->secret_count; i++) {
        const host_secret *s = &l->secrets[i];
        add_text(&h, s->name);
        add_text(&h, s->key);
        add_text(&h, s->field);
        add_text(&h, s->version);
    }
    hash_sha256_end(&h, ret);
}

static bool name_of(const char *workload, const char *link, char ret[NAME_BYTES_MAX]) {
    int n = snprintf(ret, NAME_BYTES_MAX, "%s %s", workload, link);
    return n > 0 && n < NAME_BYTES_MAX && strpbrk(ret, "\t\n") == NULL;
}

// "WORKLOAD LINK INTERFACE"
static bool callee_name_of(const char *workload, const host_callee *c, char ret[NAME_BYTES_MAX]) {
    int n = snprintf(ret, NAME_BYTES_MAX, "%s %s %s", workload, c->link, c->interface);
    return n > 0 && n < NAME_BYTES_MAX && strpbrk(ret, "\t\n") == NULL;
}

static status add_links(const workload_config *w, buf *ret) {
    char name[NAME_BYTES_MAX];
    uint8_t digest[HASH_BYTES];
    for (size_t i = 0; i < w->links.count; i++) {
        const host_link *l = &w->links.items[i];
        hash_link(l, digest);
        if (name_of(w->name, l->name, name)) {
            TRY(add_line(ret, "link", name, digest));
        }
    }
    for (size_t i = 0; i < w->callee_count; i++) {
        hash_sha256_state h;
        hash_sha256_begin(&h);
        add_text(&h, w->callees[i].workload);
        hash_sha256_end(&h, digest);
        if (callee_name_of(w->name, &w->callees[i], name)) {
            TRY(add_line(ret, "callee", name, digest));
        }
    }
    return STATUS_OK;
}

status audit_memo_write(const host_config *c, const char *trust_path, buf *ret, err *e) {
    TRY(add_rules(c, ret, e));
    status s = add_file(ret, "trust", trust_path);
    s = s == STATUS_OK ? add_file(ret, "settings", HOST_SETTINGS_SYSTEM_PATH) : s;
    s = s == STATUS_OK ? add_file(ret, "settings", c->settings_path) : s;
    for (size_t i = 0; s == STATUS_OK && i < c->workload_count; i++) {
        s = add_links(&c->workloads[i], ret);
    }
    return s == STATUS_OK ? STATUS_OK : err_set(e, s, "the host has too many links to remember");
}

// --- comparing ---------------------------------------------------------------------------------------------

typedef struct entry {
    slice kind, name, digest;
} entry;

// False at the end.
static bool next_entry(slice memo, size_t *at, entry *ret) {
    slice *parts[] = {&ret->kind, &ret->name, &ret->digest};
    static const uint8_t ends[] = {'\t', '\t', '\n'};
    for (size_t i = 0; i < 3; i++) {
        size_t end = slice_find(memo, *at, ends[i]);
        if (end == SIZE_MAX) {
            return false;
        }
        *parts[i] = slice_sub(memo, *at, end);
        *at = end + 1;
    }
    return true;
}

static bool find_entry(slice memo, const entry *wanted, entry *ret) {
    size_t at = 0;
    while (next_entry(memo, &at, ret)) {
        if (slice_equal(ret->kind, wanted->kind) && slice_equal(ret->name, wanted->name)) {
            return true;
        }
    }
    return false;
}

static status tell_file(audit *log, const entry *now, bool is_gone, err *e) {
    audit_kind kind = slice_equal_text(now->kind, "rules")   ? AUDIT_POLICY_CHANGE
                      : slice_equal_text(now->kind, "trust") ? AUDIT_TRUST_CHANGE
                                                             : AUDIT_SETTINGS_CHANGE;
    return audit_event(log, e, kind, audit_slice("what", now->name),
                       audit_slice("digest", is_gone ? slice_empty() : now->digest));
}

static const host_link *find_link(const host_config *c, slice name, const char **ret_workload) {
    char text[NAME_BYTES_MAX];
    for (size_t i = 0; i < c->workload_count; i++) {
        const host_links *l = &c->workloads[i].links;
        for (size_t k = 0; k < l->count; k++) {
            if (name_of(c->workloads[i].name, l->items[k].name, text) && slice_equal_text(name, text)) {
                *ret_workload = c->workloads[i].name;
                return &l->items[k];
            }
        }
    }
    return NULL;
}

// The target of the callee of that name.
static const char *find_callee(const host_config *c, slice name) {
    char text[NAME_BYTES_MAX];
    for (size_t i = 0; i < c->workload_count; i++) {
        const workload_config *w = &c->workloads[i];
        for (size_t k = 0; k < w->callee_count; k++) {
            if (callee_name_of(w->name, &w->callees[k], text) && slice_equal_text(name, text)) {
                return w->callees[k].workload;
            }
        }
    }
    return "";
}

// Of what a name is made, up to the next space.
static slice take_word(slice *rest) {
    size_t space = slice_find(*rest, 0, ' ');
    slice word = slice_sub(*rest, 0, space == SIZE_MAX ? rest->len : space);
    *rest = space == SIZE_MAX ? slice_empty() : slice_sub(*rest, space + 1, rest->len);
    return word;
}

static status tell_name(audit *log, audit_kind kind, slice name, const char *target, err *e) {
    slice workload = take_word(&name), link = take_word(&name);
    return audit_event(log, e, kind, audit_slice("workload", workload), audit_slice("link", link),
                       audit_slice("interfaces", name), audit_text("target", target));
}

static status tell_one(audit *log, const host_config *c, const entry *now, bool was_there, err *e) {
    const char *workload = "";
    audit_kind kind = was_there ? AUDIT_LINK_CHANGE : AUDIT_LINK_PUT;
    if (slice_equal_text(now->kind, "callee")) {
        return tell_name(log, kind, now->name, find_callee(c, now->name), e);
    }
    if (!slice_equal_text(now->kind, "link")) {
        return tell_file(log, now, false, e);
    }
    const host_link *l = find_link(c, now->name, &workload);
    return l == NULL ? STATUS_OK : host_audit_link_now(log, kind, workload, l, NULL, e);
}

static status tell_gone(audit *log, const entry *before, err *e) {
    bool is_link = slice_equal_text(before->kind, "link") || slice_equal_text(before->kind, "callee");
    return is_link ? tell_name(log, AUDIT_LINK_CUT, before->name, "", e) : tell_file(log, before, true, e);
}

status audit_memo_tell(audit *log, const host_config *c, slice before, slice now, err *e) {
    entry one, other;
    for (size_t at = 0; next_entry(now, &at, &one);) {
        bool was_there = find_entry(before, &one, &other);
        if (!was_there || !slice_equal(one.digest, other.digest)) {
            TRY(tell_one(log, c, &one, was_there, e));
        }
    }
    for (size_t at = 0; next_entry(before, &at, &one);) {
        if (!find_entry(now, &one, &other)) {
            TRY(tell_gone(log, &one, e));
        }
    }
    return STATUS_OK;
}
