// SPDX-License-Identifier: Apache-2.0
// From text to believed claims, in this order: size, three segments, header, the issuer's key, the signature,
// and only then everything else. Until the signature is good no message repeats anything of the claims but
// the text of the issuer's key.
#include <stdio.h>

#include "codec/base64.h"
#include "identity/token_body.h"
#include "identity/token_field.h"

enum { HEADER_BYTES_MAX = 512 };

// A token in its parts; the buffers and the document are owned.
typedef struct parts {
    slice header;      // as text
    slice claims;      // as text
    slice signed_text; // header.claims
    json_value *claims_object;
    nkey_public issuer;
} parts;

static status malformed(refusal *ret_why, err *e, const char *what) {
    *ret_why = REFUSAL_MALFORMED;
    return err_set(e, STATUS_INVALID, "%s", what);
}

static status split(slice text, parts *p, slice *ret_signature, refusal *ret_why, err *e) {
    if (text.len > TOKEN_BYTES_MAX) {
        *ret_why = REFUSAL_MALFORMED;
        return err_set(e, STATUS_INVALID, "it has %zu bytes, more than a token may have (%d)", text.len,
                       TOKEN_BYTES_MAX);
    }
    size_t first = slice_find(text, 0, '.');
    size_t second = first == SIZE_MAX ? SIZE_MAX : slice_find(text, first + 1, '.');
    if (second == SIZE_MAX || slice_find(text, second + 1, '.') != SIZE_MAX) {
        return malformed(ret_why, e, "it is not three segments with a \".\" between them");
    }
    p->header = slice_sub(text, 0, first);
    p->claims = slice_sub(text, first + 1, second);
    p->signed_text = slice_sub(text, 0, second);
    *ret_signature = slice_sub(text, second + 1, text.len);
    return STATUS_OK;
}

// --- the header --------------------------------------------------------------------------------------------

static status decode(slice text, const char *segment, size_t bytes_max, buf *ret, refusal *ret_why, err *e) {
    buf_init(ret, bytes_max);
    status s = base64_decode(BASE64_URL, text, ret);
    if (s == STATUS_OK) {
        return STATUS_OK;
    }
    *ret_why = REFUSAL_MALFORMED;
    return s == STATUS_LIMIT
               ? err_set(e, STATUS_INVALID, "its %s is longer than %zu bytes", segment, bytes_max)
               : err_set(e, STATUS_INVALID, "its %s is not canonical base64url", segment);
}

// The library's message without the piece of the text that it ends with.
static status not_json(const char *segment, const err *why, refusal *ret_why, err *e) {
    const char *near = strstr(why->message, " near ");
    int len = (int)(near == NULL ? strlen(why->message) : (size_t)(near - why->message));
    *ret_why = REFUSAL_MALFORMED;
    return err_set(e, STATUS_INVALID, "its %s cannot be read: %.*s", segment, len, why->message);
}

static status parse_object(slice text, const char *segment, json_value **ret, refusal *ret_why, err *e) {
    err why = {0};
    json_value *v = NULL;
    if (json_parse(text, &v, &why) != STATUS_OK) {
        return not_json(segment, &why, ret_why, e);
    }
    if (!json_is_object(v)) {
        json_free(v);
        *ret_why = REFUSAL_MALFORMED;
        return err_set(e, STATUS_INVALID, "its %s is no JSON object", segment);
    }
    *ret = v;
    return STATUS_OK;
}

static status judge_header(const json_value *header, refusal *ret_why, err *e) {
    slice text;
    if (!json_as_text(json_get(header, "alg"), &text) || !slice_equal_text(text, "Ed25519")) {
        *ret_why = REFUSAL_WRONG_ALGORITHM;
        return err_set(e, STATUS_INVALID,
                       "the \"alg\" of its header is not \"Ed25519\", the only algorithm that is believed");
    }
    if (!json_as_text(json_get(header, "typ"), &text) || !slice_equal_text(text, "jwt")) {
        return malformed(ret_why, e, "the \"typ\" of its header is not \"jwt\"");
    }
    if (json_member_count(header) != 2) {
        return malformed(ret_why, e, "its header has more than \"typ\" and \"alg\"");
    }
    return STATUS_OK;
}

static status check_header(slice segment, refusal *ret_why, err *e) {
    auto_buf bytes = {0};
    TRY(decode(segment, "header", HEADER_BYTES_MAX, &bytes, ret_why, e));
    json_value *header = NULL;
    TRY(parse_object(buf_slice(&bytes), "header", &header, ret_why, e));
    status s = judge_header(header, ret_why, e);
    json_free(header);
    return s;
}

// --- issuer and signature ----------------------------------------------------------------------------------

static bool may_issue(nkey_kind kind) {
    return kind == NKEY_ACCOUNT || kind == NKEY_OPERATOR || kind == NKEY_CLUSTER || kind == NKEY_SERVER;
}

static status find_issuer(parts *p, refusal *ret_why, err *e) {
    slice text;
    if (!json_as_text(json_get(p->claims_object, "iss"), &text)) {
        return malformed(ret_why, e, "claim \"iss\", the issuer's public key, is missing or no text");
    }
    if (nkey_public_parse(text, &p->issuer, e) != STATUS_OK) {
        *ret_why = REFUSAL_MALFORMED;
        err_wrap(e, "claim \"iss\"");
        return STATUS_INVALID;
    }
    if (!may_issue(p->issuer.kind)) {
        *ret_why = REFUSAL_WRONG_KEY_TYPE;
        return err_set(
            e, STATUS_DENIED,
            "its issuer %s is a %s key; tokens are issued by accounts, operators, clusters and hosts",
            nkey_public_text(&p->issuer).text, nkey_kind_name(p->issuer.kind));
    }
    return STATUS_OK;
}

static status check_signature(const parts *p, slice segment, refusal *ret_why, err *e) {
    auto_buf signature = {0};
    TRY(decode(segment, "signature", SIGN_SIGNATURE_BYTES, &signature, ret_why, e));
    if (signature.len != SIGN_SIGNATURE_BYTES) {
        return malformed(ret_why, e, "its signature does not have 64 bytes");
    }
    if (!nkey_verify(&p->issuer, p->signed_text, signature.data)) {
        *ret_why = REFUSAL_BAD_SIGNATURE;
        return err_set(
            e, STATUS_DENIED,
            "its signature is not one of its issuer %s: it was changed, or signed with another key",
            nkey_public_text(&p->issuer).text);
    }
    return STATUS_OK;
}

static status check_and_read(parts *p, slice signature, arena *memory, token_claims *ret, refusal *ret_why,
                             err *e) {
    TRY(find_issuer(p, ret_why, e));
    TRY(check_signature(p, signature, ret_why, e));
    return token_body_read(p->claims_object, &p->issuer, memory, ret, ret_why, e);
}

static status read_token(slice text, arena *memory, token_claims *ret, refusal *ret_why, err *e) {
    parts p = {0};
    slice signature;
    TRY(split(text, &p, &signature, ret_why, e));
    TRY(check_header(p.header, ret_why, e));
    auto_buf claims = {0};
    TRY(decode(p.claims, "claims", TOKEN_BYTES_MAX, &claims, ret_why, e));
    TRY(parse_object(buf_slice(&claims), "claims", &p.claims_object, ret_why, e));
    status s = check_and_read(&p, signature, memory, ret, ret_why, e);
    json_free(p.claims_object);
    return s;
}

// Claims are quoted in messages, which are shown in lines of their own making.
static void put_on_one_line(err *e) {
    for (char *p = e->message; *p != '\0'; p++) {
        *p = (uint8_t)*p < 0x20 || *p == 0x7f ? '?' : *p;
    }
}

status token_read(slice text, arena *memory, token_claims *ret, refusal *ret_why, err *e) {
    token_claims claims = {0};
    refusal why = REFUSAL_MALFORMED;
    err unheard = {0};
    e = e == NULL ? &unheard : e; // contexts are put around messages below, which needs one
    status s = read_token(text, memory, &claims, &why, e);
    if (s != STATUS_OK) {
        *ret_why = why;
        put_on_one_line(e);
        return err_wrap(e, "token");
    }
    *ret = claims;
    *ret_why = REFUSAL_NONE;
    return STATUS_OK;
}
