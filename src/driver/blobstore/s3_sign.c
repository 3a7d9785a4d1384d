// SPDX-License-Identifier: Apache-2.0
#include "driver/blobstore/s3_sign.h"

#include <stdio.h>

#include "codec/date.h"
#include "crypto/hmac.h"
#include "crypto/secret.h"

enum { REQUEST_BYTES_MAX = 32 << 10, ACCESS_KEY_BYTES_MAX = 508, DAY_BYTES = 8 };

void s3_date(uint64_t now_s, char ret[S3_DATE_BYTES]) {
    char text[DATE_TEXT_BYTES]; // 2013-05-24T00:00:00Z
    size_t at = 0;
    (void)date_text(now_s, text);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c != '-' && *c != ':') {
            ret[at++] = *c;
        }
    }
    ret[at] = '\0';
}

status s3_encode(slice text, bool is_path, buf *ret) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.data[i];
        bool is_plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                        b == '-' || b == '.' || b == '_' || b == '~' || (is_path && b == '/');
        TRY(is_plain ? buf_append_byte(ret, b) : buf_append_format(ret, "%%%02X", b));
    }
    return STATUS_OK;
}

static status add_names(const s3_to_sign *r, buf *out) {
    for (size_t i = 0; i < r->header_count; i++) {
        TRY(buf_append_format(out, "%s%.*s", i > 0 ? ";" : "", SLICE_ARG(r->headers[i].name)));
    }
    return STATUS_OK;
}

// The request in the one form that both ends sign.
static status write_request(const s3_to_sign *r, buf *out) {
    TRY(buf_append_format(out, "%s\n%.*s\n%.*s\n", r->method, SLICE_ARG(r->path), SLICE_ARG(r->query)));
    for (size_t i = 0; i < r->header_count; i++) {
        TRY(buf_append_format(out, "%.*s:%.*s\n", SLICE_ARG(r->headers[i].name),
                              SLICE_ARG(http_trim(r->headers[i].value))));
    }
    TRY(buf_append_text(out, "\n"));
    TRY(add_names(r, out));
    return buf_append_format(out, "\n%s", r->body_hash);
}

static void hmac_text(slice key, const char *text, size_t len, uint8_t ret[HASH_BYTES]) {
    (void)hmac_compute(HMAC_SHA256, key, slice_of(text, len), ret);
}

// The secret, then day, region, service and the end, each the key for the next.
static status derive(const s3_to_sign *r, slice access_key, uint8_t ret[HASH_BYTES], err *e) {
    char first[ACCESS_KEY_BYTES_MAX + 4];
    uint8_t next[HASH_BYTES];
    if (access_key.len > ACCESS_KEY_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "the secret access key is too long");
    }
    memcpy(first, "AWS4", 4);
    if (access_key.len > 0) {
        memcpy(first + 4, access_key.data, access_key.len);
    }
    hmac_text(slice_of(first, 4 + access_key.len), r->date, DAY_BYTES, ret);
    hmac_text(slice_of(ret, HASH_BYTES), r->region, strlen(r->region), next);
    hmac_text(slice_of(next, HASH_BYTES), "s3", 2, ret);
    hmac_text(slice_of(ret, HASH_BYTES), "aws4_request", 12, next);
    memcpy(ret, next, HASH_BYTES);
    secret_wipe(first, sizeof first);
    secret_wipe(next, sizeof next);
    return STATUS_OK;
}

static status sign(const s3_to_sign *r, const s3_keys *keys, buf *request, buf *ret, err *e) {
    char text[HASH_HEX_BYTES], scope[128];
    uint8_t key[HASH_BYTES], hash[HASH_BYTES];
    slice bytes = buf_slice(request);
    hash_sha256(&bytes, 1, hash);
    hash_hex(hash, text);
    int len = snprintf(scope, sizeof scope, "%.8s/%s/s3/aws4_request", r->date, r->region);
    if (len < 0 || (size_t)len >= sizeof scope) {
        return err_set(e, STATUS_INVALID, "the name of the region is too long");
    }
    buf_clear(request);
    TRY(buf_append_format(request, "AWS4-HMAC-SHA256\n%s\n%s\n%s", r->date, scope, text));
    TRY(derive(r, keys->secret, key, e));
    bytes = buf_slice(request);
    (void)hmac_compute(HMAC_SHA256, slice_of(key, sizeof key), bytes, hash);
    secret_wipe(key, sizeof key);
    hash_hex(hash, text);
    TRY(buf_append_format(ret, "AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=", SLICE_ARG(keys->id),
                          scope));
    TRY(add_names(r, ret));
    return buf_append_format(ret, ", Signature=%s", text);
}

status s3_sign(const s3_to_sign *r, const s3_keys *keys, buf *ret, err *e) {
    auto_buf request;
    buf_init(&request, REQUEST_BYTES_MAX);
    status s = write_request(r, &request);
    s = s == STATUS_OK ? sign(r, keys, &request, ret, e) : s;
    return s == STATUS_LIMIT ? err_set(e, s, "the request is too long to be signed") : s;
}
