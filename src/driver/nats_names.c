// SPDX-License-Identifier: Apache-2.0
#include "driver/nats_names.h"

#include "codec/utf.h"

static const char digits[] = "0123456789ABCDEF";

static bool is_letter(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static status put_escaped(uint8_t c, buf *ret) {
    const uint8_t text[3] = {'%', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15]};
    return buf_append(ret, slice_of(text, sizeof text));
}

status nats_bucket_write(slice bucket, buf *ret) {
    size_t start = ret->len;
    if (bucket.len == 0) {
        return buf_append_text(ret, "%");
    }
    for (size_t i = 0; i < bucket.len; i++) {
        uint8_t c = bucket.data[i];
        TRY(is_letter(c) ? buf_append_byte(ret, c) : put_escaped(c, ret));
    }
    return ret->len - start <= NATS_BUCKET_BYTES_MAX ? STATUS_OK : STATUS_LIMIT;
}

// A dot that makes no empty token.
static bool is_plain_dot(slice key, size_t at, bool follows_dot) {
    return at > 0 && at + 1 < key.len && !follows_dot;
}

status nats_key_write(slice key, buf *ret) {
    size_t start = ret->len;
    bool follows_dot = false;
    for (size_t i = 0; i < key.len; i++) {
        uint8_t c = key.data[i];
        bool is_dot = c == '.' && is_plain_dot(key, i, follows_dot);
        TRY(is_letter(c) || c == '/' || c == '=' || is_dot ? buf_append_byte(ret, c) : put_escaped(c, ret));
        follows_dot = is_dot;
    }
    return ret->len - start <= NATS_KEY_BYTES_MAX ? STATUS_OK : STATUS_LIMIT;
}

static int digit_of(uint8_t c) {
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

static bool unescape(slice written, uint8_t *to, size_t *ret_len) {
    size_t len = 0;
    for (size_t i = 0; i < written.len; i++) {
        uint8_t c = written.data[i];
        if (c == '%') {
            int high = i + 2 < written.len ? digit_of(written.data[i + 1]) : -1;
            int low = high < 0 ? -1 : digit_of(written.data[i + 2]);
            if (low < 0) {
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        to[len++] = c;
    }
    *ret_len = len;
    return true;
}

bool nats_key_read(slice written, arena *a, slice *ret) {
    uint8_t *bytes = written.len > NATS_KEY_BYTES_MAX ? NULL : arena_alloc(a, written.len);
    size_t len;
    auto_buf again = {0};
    if (bytes == NULL || !unescape(written, bytes, &len)) {
        return false;
    }
    *ret = slice_of(bytes, len);
    buf_init(&again, NATS_KEY_BYTES_MAX);
    return len > 0 && utf8_valid(*ret) && nats_key_write(*ret, &again) == STATUS_OK &&
           slice_equal(buf_slice(&again), written);
}
