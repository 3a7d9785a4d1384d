// SPDX-License-Identifier: Apache-2.0
#include "identity/spiffe_id.h"

#include <stdio.h>

#define SCHEME "spiffe://"

enum { SCHEME_BYTES = sizeof SCHEME - 1 };

static bool is_domain_byte(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}
static bool is_path_byte(uint8_t c) { return is_domain_byte(c) || (c >= 'A' && c <= 'Z'); }

// The standard lets a name be "." or ".."; in a path or a URL that would be a way out.
bool spiffe_trust_domain_is_valid(slice name) {
    if (slice_equal_text(name, ".") || slice_equal_text(name, "..")) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!is_domain_byte(name.data[i])) {
            return false;
        }
    }
    return name.len > 0 && name.len <= SPIFFE_TRUST_DOMAIN_BYTES_MAX;
}

static status check_segment(slice s, err *e) {
    if (s.len == 0) {
        return err_set(e, STATUS_INVALID, "a SPIFFE ID has an empty path segment");
    }
    if (slice_equal_text(s, ".") || slice_equal_text(s, "..")) {
        return err_set(e, STATUS_INVALID, "a SPIFFE ID has the path segment \"%.*s\"", SLICE_ARG(s));
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_path_byte(s.data[i])) {
            return err_set(e, STATUS_INVALID,
                           "the path of a SPIFFE ID has the byte 0x%02x; letters, digits, '.', '-' and '_' "
                           "are allowed",
                           s.data[i]);
        }
    }
    return STATUS_OK;
}

// `path` is empty or starts with '/'.
static status check_path(slice path, err *e) {
    for (size_t at = 0; at < path.len;) {
        size_t end = slice_find(path, at + 1, '/');
        end = end == SIZE_MAX ? path.len : end;
        TRY(check_segment(slice_sub(path, at + 1, end), e));
        at = end;
    }
    return STATUS_OK;
}

status spiffe_id_parse(slice text, spiffe_id *ret, err *e) {
    if (text.len > SPIFFE_ID_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "a SPIFFE ID of %zu bytes; %d are allowed", text.len,
                       SPIFFE_ID_BYTES_MAX);
    }
    if (!slice_starts_with(text, SCHEME)) {
        return err_set(e, STATUS_INVALID, "a SPIFFE ID does not start with " SCHEME);
    }
    slice rest = slice_sub(text, SCHEME_BYTES, text.len);
    size_t slash = slice_find(rest, 0, '/');
    slice domain = slice_sub(rest, 0, slash);
    if (!spiffe_trust_domain_is_valid(domain)) {
        return err_set(e, STATUS_INVALID,
                       "the trust domain of a SPIFFE ID is empty, longer than %d bytes, or has other "
                       "characters than a-z, 0-9, '.', '-' and '_'",
                       SPIFFE_TRUST_DOMAIN_BYTES_MAX);
    }
    TRY(check_path(slice_sub(rest, domain.len, rest.len), e));
    *ret = (spiffe_id){.len = (uint16_t)text.len, .trust_domain_len = (uint16_t)domain.len};
    memcpy(ret->text, text.data, text.len);
    return STATUS_OK;
}

slice spiffe_id_text(const spiffe_id *id) { return slice_of(id->text, id->len); }

slice spiffe_id_trust_domain(const spiffe_id *id) {
    return id->len == 0 ? slice_empty() : slice_of(id->text + SCHEME_BYTES, id->trust_domain_len);
}

slice spiffe_id_path(const spiffe_id *id) {
    return slice_sub(spiffe_id_text(id), (size_t)SCHEME_BYTES + id->trust_domain_len, id->len);
}

bool spiffe_id_equal(const spiffe_id *a, const spiffe_id *b) {
    return slice_equal(spiffe_id_text(a), spiffe_id_text(b));
}

status spiffe_id_of_workload(slice trust_domain, const nkey_public *issuer, const nkey_public *subject,
                             spiffe_id *ret, err *e) {
    char text[SPIFFE_ID_BYTES_MAX + 1];
    nkey_text i = nkey_public_text(issuer), s = nkey_public_text(subject);
    int len = snprintf(text, sizeof text, SCHEME "%.*s/writ/%s/%s", SLICE_ARG(trust_domain), i.text, s.text);
    if (len < 0 || (size_t)len >= sizeof text) {
        return err_set(e, STATUS_INVALID, "the trust domain is too long");
    }
    return spiffe_id_parse(slice_of(text, (size_t)len), ret, e);
}
