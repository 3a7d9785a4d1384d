// SPDX-License-Identifier: Apache-2.0
#include "driver/blobstore/nats_meta.h"

#include <stdio.h>

#include "codec/base64.h"
#include "codec/json.h"
#include "codec/utf.h"
#include "driver/blobstore/blobstore.h"
#include "os/random.h"

static const char digest_kind[] = "SHA-256=";

// --- base64 with padding and the URL alphabet, as other clients have it ------------------------------------

static status put_padded(slice bytes, buf *ret) {
    size_t start = ret->len;
    TRY(base64_encode(BASE64_URL, bytes, ret));
    while ((ret->len - start) % 4 != 0) {
        TRY(buf_append_byte(ret, '='));
    }
    return STATUS_OK;
}

static status read_padded(slice text, buf *ret) {
    while (text.len > 0 && text.data[text.len - 1] == '=') {
        text.len--;
    }
    return base64_decode(BASE64_URL, text, ret);
}

// --- reading -----------------------------------------------------------------------------------------------

static bool read_nuid(const json_value *v, char ret[NATS_NUID_BYTES_MAX + 1]) {
    slice text;
    if (!json_as_text(json_get(v, "nuid"), &text) || text.len == 0 || text.len > NATS_NUID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_')) {
            return false;
        }
    }
    snprintf(ret, NATS_NUID_BYTES_MAX + 1, "%.*s", SLICE_ARG(text));
    return true;
}

static bool read_digest(const json_value *v, nats_meta *ret) {
    slice text;
    auto_buf bytes = {0};
    if (!json_as_text(json_get(v, "digest"), &text) || text.len == 0) {
        return true;
    }
    buf_init(&bytes, 2 * HASH_BYTES);
    if (!slice_starts_with(text, digest_kind) ||
        read_padded(slice_sub(text, sizeof digest_kind - 1, text.len), &bytes) != STATUS_OK ||
        bytes.len != HASH_BYTES) {
        return false;
    }
    memcpy(ret->digest, bytes.data, HASH_BYTES);
    ret->has_digest = true;
    return true;
}

static bool read_count(const json_value *v, const char *name, uint64_t *ret) {
    int64_t number = 0;
    bool ok =
        json_is_absent(json_get(v, name)) || (json_as_integer(json_get(v, name), &number) && number >= 0);
    *ret = (uint64_t)number;
    return ok;
}

static bool read_all(const json_value *v, nats_meta *ret) {
    bool is_deleted = false;
    (void)json_as_bool(json_get(v, "deleted"), &is_deleted);
    *ret = (nats_meta){.is_there = !is_deleted,
                       .is_link = !json_is_absent(json_get(json_get(v, "options"), "link"))};
    return json_is_object(v) && read_nuid(v, ret->nuid) && read_count(v, "size", &ret->size) &&
           read_count(v, "chunks", &ret->chunks) && read_digest(v, ret);
}

status nats_meta_read(slice json, nats_meta *ret, err *e) {
    json_value *v = NULL;
    nats_meta m;
    if (json_parse(json, &v, e) != STATUS_OK) {
        return err_wrap(e, "what the server keeps of the object");
    }
    bool ok = read_all(v, &m);
    json_free(v);
    if (!ok) {
        return err_set(e, STATUS_INVALID,
                       "what the server keeps of the object is not what clients of NATS write");
    }
    *ret = m;
    return STATUS_OK;
}

// --- writing -----------------------------------------------------------------------------------------------

status nats_meta_write(const nats_meta *m, slice bucket, slice name, uint64_t chunk_bytes, buf *ret) {
    auto_buf digest = {0};
    buf_init(&digest, 128);
    TRY(buf_append_text(&digest, digest_kind));
    TRY(put_padded(slice_of(m->digest, HASH_BYTES), &digest));
    json_value *v = json_object_new();
    json_put_text(v, "name", name);
    json_value *options = json_object_new();
    json_put_integer(options, "max_chunk_size", (int64_t)chunk_bytes);
    json_put(v, "options", options);
    json_put_text(v, "bucket", bucket);
    json_put_text(v, "nuid", slice_from_text(m->nuid));
    json_put_integer(v, "size", (int64_t)m->size);
    json_put_text(v, "mtime", slice_from_text("0001-01-01T00:00:00Z")); // that of the message counts
    json_put_integer(v, "chunks", (int64_t)m->chunks);
    if (m->has_digest) {
        json_put_text(v, "digest", buf_slice(&digest));
    }
    if (!m->is_there) {
        json_put_bool(v, "deleted", true);
    }
    status s = json_write(v, 0, ret);
    json_free(v);
    return s;
}

// --- subjects ----------------------------------------------------------------------------------------------

status nats_meta_subject(const char *bucket, slice name, buf *ret) {
    TRY(buf_append_format(ret, "$O.%s.M.", bucket));
    return put_padded(name, ret);
}

status nats_chunk_subject(const char *bucket, const char *nuid, buf *ret) {
    return buf_append_format(ret, "$O.%s.C.%s", bucket, nuid);
}

status nats_meta_name(const char *bucket, slice subject, buf *ret) {
    size_t prefix = strlen("$O..M.") + strlen(bucket);
    size_t start = ret->len;
    if (subject.len <= prefix || read_padded(slice_sub(subject, prefix, subject.len), ret) != STATUS_OK) {
        return STATUS_INVALID;
    }
    slice name = slice_of(ret->data + start, ret->len - start);
    bool is_name = name.len > 0 && name.len <= BLOBSTORE_OBJECT_BYTES_MAX && utf8_valid(name) &&
                   slice_find(name, 0, '\0') == SIZE_MAX;
    return is_name ? STATUS_OK : STATUS_INVALID;
}

void nats_nuid_make(char ret[NATS_NUID_BYTES + 1]) {
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint8_t bytes[NATS_NUID_BYTES];
    random_fill(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        ret[i] = letters[bytes[i] % (sizeof letters - 1)];
    }
    ret[NATS_NUID_BYTES] = '\0';
}
