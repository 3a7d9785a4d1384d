// SPDX-License-Identifier: Apache-2.0
// The certificate transparency logs of a root are not read: docs/sigstore.md says why.
#include "identity/sigstore_internal.h"

#include "base/mem.h"
#include "codec/date.h"

enum { ROOT_MEMORY_BYTES_MAX = 2 * SIGSTORE_ROOT_BYTES_MAX, ID_BYTES_MAX = 64 };

static bool is_root_type(slice media_type) {
    static const char *const known[] = {
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.1+json",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_equal_text(media_type, known[i])) {
            return true;
        }
    }
    return false;
}

// "2022-12-31T23:59:59.999Z": the fraction is dropped at an end, and a start with one begins a second later.
static bool parse_moment(slice text, bool is_start, int64_t *ret) {
    char whole[DATE_TEXT_BYTES];
    size_t dot = slice_find(text, 0, '.');
    uint64_t seconds;
    bool fraction = false;
    if (dot != SIZE_MAX) {
        size_t at = dot + 1;
        for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
            fraction = fraction || text.data[at] != '0';
        }
        if (at == dot + 1 || at > dot + 10 || at + 1 != text.len || text.data[at] != 'Z' || dot > 19) {
            return false;
        }
        memcpy(whole, text.data, dot);
        whole[dot] = 'Z';
        text = slice_of(whole, dot + 1);
    }
    if (!date_parse(text, &seconds)) {
        return false;
    }
    *ret = (int64_t)seconds + (is_start && fraction);
    return true;
}

static sigstore_range read_range(sigstore_reader *r, const json_value *in, bool need_start) {
    sigstore_range range = {.from_s = INT64_MIN, .to_s = INT64_MAX};
    const json_value *object = sigstore_object(r, in, "validFor", need_start);
    slice start = sigstore_text(r, object, "start", 64, need_start);
    slice end = sigstore_text(r, object, "end", 64, false);
    if ((start.len > 0 && !parse_moment(start, true, &range.from_s)) ||
        (end.len > 0 && !parse_moment(end, false, &range.to_s))) {
        sigstore_fail(r, STATUS_INVALID, "\"validFor\" has a time that is not like 2026-01-31T12:00:00Z");
    }
    return range;
}

static void read_authority(sigstore_reader *r, const json_value *object, sigstore_authority *a) {
    a->valid = read_range(r, object, false);
    const json_value *chain = sigstore_object(r, object, "certChain", true);
    const json_value *list = sigstore_certificates(r, chain);
    size_t count = json_count(list);
    for (size_t i = 0; i < count; i++) { // the last one is the anchor
        sigstore_certificate(r, json_at(list, i), i + 1 == count ? &a->anchor : &a->chain);
    }
}

static void read_log(sigstore_reader *r, const json_value *object, sigstore_log *log) {
    const json_value *key = sigstore_object(r, object, "publicKey", true);
    slice der = sigstore_bytes(r, key, "rawBytes", PUBLIC_KEY_BYTES_MAX, true);
    slice hash = sigstore_text(r, object, "hashAlgorithm", 32, false);
    log->valid = read_range(r, key, true);
    log->id = sigstore_bytes(r, sigstore_object(r, object, "logId", true), "keyId", ID_BYTES_MAX, true);
    if (r->result == STATUS_OK && hash.len > 0 && !slice_equal_text(hash, "SHA2_256")) {
        sigstore_fail(r, STATUS_UNSUPPORTED, "a log uses another hash than SHA2_256");
    }
    if (r->result == STATUS_OK) {
        r->result = public_key_from_der(der, &log->key, r->e);
    }
}

static sigstore_authority *read_authorities(sigstore_reader *r, const json_value *document, const char *name,
                                            size_t *ret_count) {
    const json_value *list = sigstore_array(r, document, name, SIGSTORE_MEMBERS_MAX);
    sigstore_authority *all = sigstore_alloc(r, json_count(list) + 1, sizeof *all);
    for (size_t i = 0; i < json_count(list) && r->result == STATUS_OK; i++) {
        *ret_count = i + 1;
        read_authority(r, json_at(list, i), &all[i]);
    }
    return all;
}

static status read_root(sigstore_root *root, const json_value *document, err *e) {
    sigstore_reader r = {.memory = &root->memory, .e = e};
    if (json_kind_of(document) != JSON_KIND_OBJECT) {
        return err_set(e, STATUS_INVALID, "not a JSON object");
    }
    slice media_type = sigstore_text(&r, document, "mediaType", SIGSTORE_TEXT_BYTES_MAX, true);
    if (r.result == STATUS_OK && !is_root_type(media_type)) {
        sigstore_fail(&r, STATUS_UNSUPPORTED, "media type \"%.*s\"; trusted roots 0.1 and 0.2 are supported",
                      SLICE_ARG(slice_sub(media_type, 0, 80)));
    }
    root->authorities = read_authorities(&r, document, "certificateAuthorities", &root->authority_count);
    root->stampers = read_authorities(&r, document, "timestampAuthorities", &root->stamper_count);
    const json_value *logs = sigstore_array(&r, document, "tlogs", SIGSTORE_MEMBERS_MAX);
    root->logs = sigstore_alloc(&r, json_count(logs) + 1, sizeof(sigstore_log));
    for (size_t i = 0; i < json_count(logs) && r.result == STATUS_OK; i++) {
        root->log_count = i + 1;
        read_log(&r, json_at(logs, i), &root->logs[i]);
    }
    return r.result;
}

status sigstore_root_parse(slice json, sigstore_root **ret, err *e) {
    json_value *document = NULL;
    if (json.len > SIGSTORE_ROOT_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "trusted root: larger than %d bytes", SIGSTORE_ROOT_BYTES_MAX);
    }
    err inner = {0};
    status s = json_parse(json, &document, &inner);
    sigstore_root *root = MEM_NEW(sigstore_root);
    arena_init(&root->memory, ROOT_MEMORY_BYTES_MAX);
    s = s == STATUS_OK ? read_root(root, document, &inner) : s;
    json_free(document);
    if (s != STATUS_OK) {
        sigstore_root_free(root);
        return err_set(e, s, "trusted root: %s", inner.message);
    }
    *ret = root;
    return STATUS_OK;
}

static void free_authorities(sigstore_authority *all, size_t count) {
    for (size_t i = 0; i < count; i++) {
        certificate_list_free(&all[i].chain);
        certificate_list_free(&all[i].anchor);
    }
}

void sigstore_root_free(sigstore_root *root) {
    if (root != NULL) {
        free_authorities(root->authorities, root->authority_count);
        free_authorities(root->stampers, root->stamper_count);
        for (size_t i = 0; i < root->log_count; i++) {
            public_key_free(root->logs[i].key);
        }
        arena_done(&root->memory);
        mem_free(root);
    }
}

const sigstore_log *sigstore_find_log(const sigstore_root *root, slice id) {
    for (size_t i = 0; i < root->log_count; i++) {
        if (slice_equal(root->logs[i].id, id)) {
            return &root->logs[i];
        }
    }
    return NULL;
}
