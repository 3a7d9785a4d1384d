// SPDX-License-Identifier: Apache-2.0
#include "audit/line.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "codec/base64.h"
#include "codec/date.h"
#include "codec/utf.h"

// A line ends with the member that signs what is before it, which always has the same length.
#define SIGNATURE_BEFORE ",\"sig\":\""
#define SIGNATURE_AFTER "\"}"
enum {
    SIGNATURE_TEXT_LEN = 86, // base64 of 64 bytes
    TAIL_LEN = sizeof SIGNATURE_BEFORE - 1 + SIGNATURE_TEXT_LEN + sizeof SIGNATURE_AFTER - 1,
    SEALED_BYTES_MAX = 128,
    TIME_TEXT_LEN = 24, // 2026-01-31T12:00:00.123Z
};

static const char *const kind_names[AUDIT_KIND_COUNT] = {
    [AUDIT_HOST_START] = "host.start",
    [AUDIT_HOST_END] = "host.end",
    [AUDIT_WORKLOAD_START] = "workload.start",
    [AUDIT_WORKLOAD_END] = "workload.end",
    [AUDIT_REFUSAL] = "refusal",
    [AUDIT_GRANT] = "grant",
    [AUDIT_LINK_PUT] = "link.put",
    [AUDIT_LINK_CHANGE] = "link.change",
    [AUDIT_LINK_CUT] = "link.cut",
    [AUDIT_SECRET_REVEAL] = "secret.reveal",
    [AUDIT_POLICY_CHANGE] = "policy.change",
    [AUDIT_TRUST_CHANGE] = "trust.change",
    [AUDIT_SETTINGS_CHANGE] = "settings.change",
    [AUDIT_NOTE] = "note",
    [AUDIT_LOG_START] = "log.start",
    [AUDIT_LOG_TORN] = "log.torn",
    [AUDIT_LOG_GAP] = "log.gap",
};

const char *audit_kind_name(audit_kind kind) { return kind_names[kind]; }

// --- marks and seals --------------------------------------------------------------------------------------

const char *audit_mark_text(const audit_mark *m, char text[AUDIT_MARK_TEXT_BYTES]) {
    char hex[HASH_HEX_BYTES];
    hash_hex(m->hash, hex);
    snprintf(text, AUDIT_MARK_TEXT_BYTES, "%" PRIu64 ":%s", m->seq, hex);
    return text;
}

bool audit_mark_parse(slice text, audit_mark *ret) {
    size_t colon = slice_find(text, 0, ':');
    audit_mark found = {0};
    if (colon == SIZE_MAX || !slice_to_u64(slice_sub(text, 0, colon), &found.seq) || found.seq > INT64_MAX ||
        !hash_from_hex(slice_sub(text, colon + 1, text.len), HASH_LOWER_CASE, found.hash)) {
        return false;
    }
    *ret = found;
    return true;
}

// What a signature is over. The words in front keep it from being one over anything else that the key signs.
static slice sealed_text(uint64_t seq, const uint8_t body_hash[HASH_BYTES], char text[SEALED_BYTES_MAX]) {
    char hex[HASH_HEX_BYTES];
    hash_hex(body_hash, hex);
    int len = snprintf(text, SEALED_BYTES_MAX, "writ-audit-line 1\n%" PRIu64 "\n%s", seq, hex);
    return slice_of(text, (size_t)len);
}

bool audit_seal_is_of(const audit_seal *s, const nkey_public *key) {
    char text[SEALED_BYTES_MAX];
    return nkey_verify(key, sealed_text(s->seq, s->body_hash, text), s->signature);
}

status audit_seal_make(uint64_t seq, const uint8_t body_hash[HASH_BYTES], const nkey *key, audit_seal *ret,
                       err *e) {
    char text[SEALED_BYTES_MAX];
    audit_seal s = {.seq = seq};
    memcpy(s.body_hash, body_hash, HASH_BYTES);
    TRY(nkey_sign(key, sealed_text(seq, body_hash, text), s.signature, e));
    *ret = s;
    return STATUS_OK;
}

static void hash_one(slice bytes, uint8_t ret[HASH_BYTES]) { hash_sha256(&bytes, 1, ret); }

static void signature_text(const audit_seal *s, char ret[SIGNATURE_TEXT_LEN + 1]) {
    auto_buf text;
    buf_init(&text, SIGNATURE_TEXT_LEN);
    CHECK(base64_encode(BASE64_URL, slice_of(s->signature, sizeof s->signature), &text) == STATUS_OK);
    CHECK(text.len == SIGNATURE_TEXT_LEN);
    memcpy(ret, text.data, SIGNATURE_TEXT_LEN);
    ret[SIGNATURE_TEXT_LEN] = '\0';
}

static bool signature_parse(slice text, uint8_t ret[SIGN_SIGNATURE_BYTES]) {
    auto_buf bytes;
    buf_init(&bytes, SIGN_SIGNATURE_BYTES);
    if (base64_decode(BASE64_URL, text, &bytes) != STATUS_OK || bytes.len != SIGN_SIGNATURE_BYTES) {
        return false;
    }
    memcpy(ret, bytes.data, SIGN_SIGNATURE_BYTES);
    return true;
}

// --- writing ----------------------------------------------------------------------------------------------

static bool is_field_name(const char *name) {
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz_");
    return len > 0 && len <= AUDIT_FIELD_NAME_BYTES_MAX && name[len] == '\0';
}

// NUL cannot stand in JSON that all readers take: its picture does.
static void append_without_nul(slice text, buf *ret) {
    for (size_t at = 0; at < text.len;) {
        size_t nul = slice_find(text, at, 0);
        size_t end = nul == SIZE_MAX ? text.len : nul;
        CHECK(buf_append(ret, slice_sub(text, at, end)) == STATUS_OK);
        if (nul != SIZE_MAX) {
            CHECK(buf_append_text(ret, "\xe2\x90\x80") == STATUS_OK);
        }
        at = end + 1;
    }
}

// A value that is too long is cut between two characters, and says how long it was.
static json_value *bounded_text(slice text, size_t bytes_max) {
    size_t end = text.len < bytes_max ? text.len : bytes_max;
    while (end < text.len && end > bytes_max - 4 && (text.data[end] & 0xc0) == 0x80) {
        end--;
    }
    auto_buf kept;
    buf_init(&kept, 3 * bytes_max + 64);
    append_without_nul(slice_sub(text, 0, end), &kept);
    if (end < text.len) {
        CHECK(buf_append_format(&kept, "... (%zu bytes)", text.len) == STATUS_OK);
    }
    return json_text(buf_slice(&kept));
}

static json_value *about_json(const audit_event_facts *f) {
    json_value *about = json_object_new();
    CHECK(f->field_count <= AUDIT_FIELDS_MAX);
    for (size_t i = 0; i < f->field_count; i++) {
        const audit_field *field = &f->fields[i];
        CHECK(is_field_name(field->name));
        json_put(about, field->name,
                 field->is_number ? json_integer_new(field->number)
                                  : bounded_text(field->text, AUDIT_FIELD_BYTES_MAX));
    }
    return about;
}

static json_value *body_json(const audit_event_facts *f, const nkey *key) {
    char time[CLOCK_TEXT_BYTES], prev[HASH_HEX_BYTES];
    nkey_public host = nkey_public_of(key);
    json_value *body = json_object_new();
    hash_hex(f->previous.hash, prev);
    json_put_integer(body, "seq", (int64_t)(f->previous.seq + 1));
    json_put_text(body, "time", slice_from_text(clock_wall_text(f->at, time)));
    if (f->back_ms > 0) {
        json_put_integer(body, "back_ms", (int64_t)(f->back_ms > INT64_MAX ? INT64_MAX : f->back_ms));
    }
    json_put_text(body, "kind", slice_from_text(audit_kind_name(f->kind)));
    json_put_text(body, "host", slice_from_text(nkey_public_text(&host).text));
    json_put(body, "by", bounded_text(slice_from_text(f->by), AUDIT_BY_BYTES_MAX));
    json_put_text(body, "prev", slice_from_text(prev));
    json_put(body, "about", about_json(f));
    return body;
}

// A file that people look at with any program: what is not printable ASCII is written as an escape of JSON.
// Such bytes can stand inside of texts alone.
static status append_ascii(slice json, buf *ret) {
    for (uint32_t at = 0, from = 0; at < json.len; from = at) {
        uint32_t code;
        if (json.data[at] >= 0x20 && json.data[at] < 0x7f) {
            while (at < json.len && json.data[at] >= 0x20 && json.data[at] < 0x7f) {
                at++;
            }
            TRY(buf_append(ret, slice_sub(json, from, at)));
            continue;
        }
        CHECK(utf8_next(json.data, (uint32_t)json.len, &at, &code));
        if (code < 0x10000) {
            TRY(buf_append_format(ret, "\\u%04x", (unsigned)code));
        } else {
            unsigned rest = code - 0x10000;
            TRY(buf_append_format(ret, "\\u%04x\\u%04x", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff)));
        }
    }
    return STATUS_OK;
}

static status append_body(const audit_event_facts *f, const nkey *key, buf *ret) {
    auto_buf json;
    buf_init(&json, AUDIT_LINE_BYTES_MAX);
    json_value *body = body_json(f, key);
    status written = json_write(body, 0, &json);
    json_free(body);
    TRY(written);
    json.len--; // the brace, which comes after the signature
    return append_ascii(buf_slice(&json), ret);
}

status audit_line_write(const audit_event_facts *f, const nkey *key, buf *ret, audit_seal *ret_seal, err *e) {
    size_t from = ret->len;
    status done = append_body(f, key, ret);
    slice body = slice_of(ret->data + from, ret->len - from);
    if (done != STATUS_OK || body.len + TAIL_LEN > AUDIT_LINE_BYTES_MAX) {
        ret->len = from;
        return err_set(e, STATUS_LIMIT, "audit: an event makes a line of more than %d bytes",
                       AUDIT_LINE_BYTES_MAX);
    }
    char signature[SIGNATURE_TEXT_LEN + 1];
    uint8_t hash[HASH_BYTES];
    hash_one(body, hash);
    TRY(audit_seal_make(f->previous.seq + 1, hash, key, ret_seal, e));
    signature_text(ret_seal, signature);
    return buf_append_format(ret, SIGNATURE_BEFORE "%s" SIGNATURE_AFTER "\n", signature);
}

void audit_head_write(const audit_seal *s, char ret[AUDIT_HEAD_BYTES]) {
    char hex[HASH_HEX_BYTES], signature[SIGNATURE_TEXT_LEN + 1];
    hash_hex(s->body_hash, hex);
    signature_text(s, signature);
    memset(ret, ' ', AUDIT_HEAD_BYTES);
    int len = snprintf(ret, AUDIT_HEAD_BYTES, "{\"seq\":%" PRIu64 ",\"body\":\"%s\",\"sig\":\"%s\"}", s->seq,
                       hex, signature);
    ret[len] = ' ';
    ret[AUDIT_HEAD_BYTES - 1] = '\n';
}

// --- reading ----------------------------------------------------------------------------------------------

static status bad(err *e, const char *what) {
    return err_set(e, STATUS_INVALID, "it is not a line of an audit log: %s", what);
}

static bool read_number(const json_value *v, uint64_t min, uint64_t *ret) {
    int64_t n;
    if (!json_as_integer(v, &n) || n < 0 || (uint64_t)n < min) {
        return false;
    }
    *ret = (uint64_t)n;
    return true;
}

// 2026-01-31T12:00:00.123Z: the form that codec/date.h has, and milliseconds.
static bool read_time(slice text, uint64_t *ret_ms) {
    char whole[DATE_TEXT_BYTES];
    uint64_t seconds, ms;
    if (text.len != TIME_TEXT_LEN || text.data[19] != '.' || text.data[23] != 'Z') {
        return false;
    }
    memcpy(whole, text.data, 19);
    whole[19] = 'Z';
    if (!date_parse(slice_of(whole, 20), &seconds) || !slice_to_u64(slice_sub(text, 20, 23), &ms)) {
        return false;
    }
    *ret_ms = seconds * 1000 + ms;
    return true;
}

static bool about_is_good(const json_value *about) {
    if (!json_is_object(about) || json_member_count(about) > AUDIT_FIELDS_MAX) {
        return false;
    }
    void *at = NULL;
    slice key, text;
    const json_value *value;
    while (json_next_member(about, &at, &key, &value)) {
        int64_t number;
        if (!json_as_text(value, &text) && !json_as_integer(value, &number)) {
            return false;
        }
    }
    return true;
}

static status read_members(audit_line *l, err *e) {
    static const char *const known[] = {"seq", "time", "back_ms", "kind", "host", "by", "prev", "about"};
    const json_value *root = l->root, *back = json_get(root, "back_ms");
    slice prev;
    if (!json_is_object(root) || json_unknown_member(root, known, sizeof known / sizeof *known) != NULL) {
        return bad(e, "it has members that no line has");
    }
    if (!read_number(json_get(root, "seq"), 1, &l->mark.seq)) {
        return bad(e, "\"seq\" is no number from 1 on");
    }
    if (!json_as_text(json_get(root, "time"), &l->time) || !read_time(l->time, &l->at_ms)) {
        return bad(e, "\"time\" is no time");
    }
    if (back != NULL && !read_number(back, 1, &l->back_ms)) {
        return bad(e, "\"back_ms\" is no number");
    }
    if (!json_as_text(json_get(root, "kind"), &l->kind) || !json_as_text(json_get(root, "host"), &l->host) ||
        !json_as_text(json_get(root, "by"), &l->by)) {
        return bad(e, "\"kind\", \"host\" or \"by\" is no text");
    }
    if (!json_as_text(json_get(root, "prev"), &prev) || !hash_from_hex(prev, HASH_LOWER_CASE, l->prev)) {
        return bad(e, "\"prev\" is no hash");
    }
    l->about = json_get(root, "about");
    return about_is_good(l->about) ? STATUS_OK : bad(e, "\"about\" is no object of texts and whole numbers");
}

static bool is_printable(slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static status read_body(slice body, audit_line *l, err *e) {
    auto_buf json;
    buf_init(&json, AUDIT_LINE_BYTES_MAX);
    if (buf_append(&json, body) != STATUS_OK || buf_append_byte(&json, '}') != STATUS_OK) {
        return bad(e, "it is too long");
    }
    if (json_parse(buf_slice(&json), &l->root, NULL) != STATUS_OK) {
        return bad(e, "it is no JSON");
    }
    return read_members(l, e);
}

static status read_whole(slice text, audit_line *l, err *e) {
    if (text.len <= TAIL_LEN || text.len > AUDIT_LINE_BYTES_MAX || !is_printable(text)) {
        return bad(e, "it is too short, too long or has other bytes than printable ASCII");
    }
    slice body = slice_sub(text, 0, text.len - TAIL_LEN);
    slice tail = slice_sub(text, text.len - TAIL_LEN, text.len);
    size_t at = sizeof SIGNATURE_BEFORE - 1;
    if (!slice_starts_with(tail, SIGNATURE_BEFORE) ||
        !slice_equal_text(slice_sub(tail, at + SIGNATURE_TEXT_LEN, tail.len), SIGNATURE_AFTER) ||
        !signature_parse(slice_sub(tail, at, at + SIGNATURE_TEXT_LEN), l->seal.signature)) {
        return bad(e, "it does not end with a signature");
    }
    TRY(read_body(body, l, e));
    l->text = text;
    l->seal.seq = l->mark.seq;
    hash_one(body, l->seal.body_hash);
    hash_one(text, l->mark.hash);
    return STATUS_OK;
}

status audit_line_read(slice text, audit_line *ret, err *e) {
    audit_line l = {0};
    status read = read_whole(text, &l, e);
    if (read != STATUS_OK) {
        audit_line_done(&l);
        return read;
    }
    *ret = l;
    return STATUS_OK;
}

void audit_line_done(audit_line *l) {
    json_free(l->root);
    *l = (audit_line){0};
}

static bool head_members(const json_value *root, audit_seal *s) {
    static const char *const known[] = {"seq", "body", "sig"};
    slice body, signature;
    return json_is_object(root) && json_unknown_member(root, known, 3) == NULL &&
           read_number(json_get(root, "seq"), 0, &s->seq) && json_as_text(json_get(root, "body"), &body) &&
           hash_from_hex(body, HASH_LOWER_CASE, s->body_hash) &&
           json_as_text(json_get(root, "sig"), &signature) && signature_parse(signature, s->signature);
}

status audit_head_read(slice text, audit_seal *ret, err *e) {
    json_value *root = NULL;
    audit_seal s = {0};
    bool good =
        text.len == AUDIT_HEAD_BYTES && json_parse(text, &root, NULL) == STATUS_OK && head_members(root, &s);
    json_free(root);
    if (!good) {
        return err_set(e, STATUS_INVALID, "the head of the log is malformed");
    }
    *ret = s;
    return STATUS_OK;
}
