// SPDX-License-Identifier: Apache-2.0
// The JSON form of protocol buffers, as strictly as its writers allow: bytes in standard base64 with padding,
// integers as numbers or as text, and null for what is absent.
#include "identity/sigstore_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/base64.h"

enum { CERTIFICATES_MAX = 16 };

bool sigstore_fail(sigstore_reader *r, status code, const char *format, ...) {
    char text[256];
    va_list args;
    if (r->result == STATUS_OK) {
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        r->result = err_set(r->e, code, "%s", text);
    }
    return false;
}

void *sigstore_alloc(sigstore_reader *r, size_t count, size_t bytes) {
    void *p = r->result == STATUS_OK ? arena_calloc(r->memory, count, bytes) : NULL;
    if (p == NULL) {
        sigstore_fail(r, STATUS_LIMIT, "there is too much in this document");
    }
    return p;
}

// NULL when it is absent, null, of another kind, or an earlier field was wrong.
static const json_value *member(sigstore_reader *r, const json_value *in, const char *name, json_kind kind,
                                bool need) {
    const json_value *v = r->result == STATUS_OK ? json_get(in, name) : NULL;
    json_kind is = json_kind_of(v);
    if (is == JSON_KIND_NONE || is == JSON_KIND_NULL) {
        if (need) {
            sigstore_fail(r, STATUS_INVALID, "\"%s\" is missing", name);
        }
        return NULL;
    }
    if (is != kind) {
        sigstore_fail(r, STATUS_INVALID, "\"%s\" is of a wrong kind", name);
        return NULL;
    }
    return v;
}

const json_value *sigstore_object(sigstore_reader *r, const json_value *in, const char *name, bool need) {
    return member(r, in, name, JSON_KIND_OBJECT, need);
}

const json_value *sigstore_array(sigstore_reader *r, const json_value *in, const char *name, size_t max) {
    const json_value *v = member(r, in, name, JSON_KIND_ARRAY, false);
    if (json_count(v) > max) {
        sigstore_fail(r, STATUS_LIMIT, "\"%s\" has more than %zu members", name, max);
        return NULL;
    }
    for (size_t i = 0; i < json_count(v); i++) {
        if (json_kind_of(json_at(v, i)) == JSON_KIND_NULL) {
            sigstore_fail(r, STATUS_INVALID, "\"%s\" has a member that is null", name);
            return NULL;
        }
    }
    return v;
}

slice sigstore_text(sigstore_reader *r, const json_value *in, const char *name, size_t max, bool need) {
    slice text = slice_empty();
    if (!json_as_text(member(r, in, name, JSON_KIND_TEXT, need), &text) || text.len == 0) {
        if (need) {
            sigstore_fail(r, STATUS_INVALID, "\"%s\" is empty", name);
        }
        return slice_empty();
    }
    if (text.len > max) {
        sigstore_fail(r, STATUS_LIMIT, "\"%s\" is longer than %zu bytes", name, max);
        return slice_empty();
    }
    slice copy = arena_copy(r->memory, text); // the document does not outlive its reading
    if (copy.data == NULL) {
        sigstore_fail(r, STATUS_LIMIT, "there is too much in this document");
        return slice_empty();
    }
    return copy;
}

slice sigstore_decode(sigstore_reader *r, slice base64, const char *name, size_t max) {
    auto_buf bytes;
    buf_init(&bytes, max);
    if (r->result != STATUS_OK || base64.len == 0) {
        return slice_empty();
    }
    status s = base64_decode(BASE64_STANDARD, base64, &bytes);
    if (s != STATUS_OK) {
        sigstore_fail(r, s,
                      s == STATUS_LIMIT ? "\"%s\" has more than %zu bytes"
                                        : "\"%s\" is not canonical base64 (of at most %zu bytes)",
                      name, max);
        return slice_empty();
    }
    slice copy = arena_copy(r->memory, buf_slice(&bytes));
    if (copy.data == NULL) {
        sigstore_fail(r, STATUS_LIMIT, "there is too much in this document");
        return slice_empty();
    }
    return copy;
}

slice sigstore_bytes(sigstore_reader *r, const json_value *in, const char *name, size_t max, bool need) {
    slice text = slice_empty();
    if (!json_as_text(member(r, in, name, JSON_KIND_TEXT, need), &text) || text.len == 0) {
        if (need) {
            sigstore_fail(r, STATUS_INVALID, "\"%s\" is empty", name);
        }
        return slice_empty();
    }
    return sigstore_decode(r, text, name, max);
}

const json_value *sigstore_certificates(sigstore_reader *r, const json_value *in) {
    const json_value *list = sigstore_array(r, in, "certificates", CERTIFICATES_MAX);
    if (json_count(list) == 0) {
        sigstore_fail(r, STATUS_INVALID, "\"certificates\" is empty");
    }
    return list;
}

void sigstore_certificate(sigstore_reader *r, const json_value *in, certificate_list *to) {
    certificate *c = NULL;
    slice der = sigstore_bytes(r, in, "rawBytes", CERTIFICATE_BYTES_MAX, true);
    if (r->result == STATUS_OK) {
        r->result = certificate_from_der(der, &c, r->e);
    }
    if (r->result == STATUS_OK) {
        r->result = certificate_list_add(to, c, r->e);
    }
}

static int nibble(uint8_t c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

slice sigstore_hex(sigstore_reader *r, const json_value *in, const char *name, size_t max) {
    slice text = sigstore_text(r, in, name, 2 * max, true);
    uint8_t *bytes = sigstore_alloc(r, text.len / 2 + 1, 1);
    for (size_t i = 0; bytes != NULL && i < text.len; i += 2) {
        int high = nibble(text.data[i]), low = i + 1 < text.len ? nibble(text.data[i + 1]) : -1;
        if (high < 0 || low < 0) {
            sigstore_fail(r, STATUS_INVALID, "\"%s\" is not lower-case hexadecimal", name);
            return slice_empty();
        }
        bytes[i / 2] = (uint8_t)(high * 16 + low);
    }
    return bytes == NULL ? slice_empty() : slice_of(bytes, text.len / 2);
}

uint64_t sigstore_integer(sigstore_reader *r, const json_value *in, const char *name) {
    const json_value *v = r->result == STATUS_OK ? json_get(in, name) : NULL;
    json_kind kind = json_kind_of(v);
    slice text;
    int64_t number = 0;
    uint64_t value = 0;
    if (kind == JSON_KIND_NONE || kind == JSON_KIND_NULL) {
        return 0; // writers leave zeros out
    }
    bool good = json_as_text(v, &text) ? slice_to_u64(text, &value) : json_as_integer(v, &number);
    value = kind == JSON_KIND_NUMBER ? (uint64_t)number : value;
    if (!good || number < 0 || value > INT64_MAX) {
        sigstore_fail(r, STATUS_INVALID, "\"%s\" is not a whole number from 0 to 2^63-1", name);
        return 0;
    }
    return value;
}
