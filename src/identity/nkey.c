// SPDX-License-Identifier: Apache-2.0
// The first byte is the role shifted left by three, so that its base32 character is the role's letter. A seed
// begins with "S" in five bits and then the role's byte in eight, which leaves three zero bits.
#include "identity/nkey.h"

#include <stddef.h>

#include "base/mem.h"
#include "codec/base32.h"
#include "crypto/box.h"
#include "os/random.h"

enum {
    PREFIX_SEED = 'S' - 'A',
    CHECKSUM_BYTES = 2,
    PUBLIC_BODY_BYTES = 1 + SIGN_PUBLIC_BYTES + CHECKSUM_BYTES,
    SEED_HEAD_BYTES = 2,
    SEED_BODY_BYTES = SEED_HEAD_BYTES + SIGN_SEED_BYTES + CHECKSUM_BYTES,
};
#define SEAL_PREFIX "xkv1"
_Static_assert(NKEY_SEAL_OVERHEAD_BYTES == sizeof SEAL_PREFIX - 1 + BOX_OVERHEAD_BYTES, "a prefix and a box");
_Static_assert(BASE32_TEXT_LEN(PUBLIC_BODY_BYTES) == NKEY_PUBLIC_TEXT_LEN &&
                   BASE32_TEXT_LEN(SEED_BODY_BYTES) == NKEY_SEED_TEXT_LEN,
               "the lengths of the text forms");

struct nkey {
    nkey_public public_key;
    secret body; // SEED_BODY_BYTES: what the text form encodes
};

static const struct {
    const char *name;
    char letter;
} kinds[NKEY_KIND_COUNT] = {
    [NKEY_ACCOUNT] = {"account", 'A'}, [NKEY_CLUSTER] = {"cluster", 'C'},   [NKEY_MODULE] = {"module", 'M'},
    [NKEY_SERVER] = {"server", 'N'},   [NKEY_OPERATOR] = {"operator", 'O'}, [NKEY_USER] = {"user", 'U'},
    [NKEY_SERVICE] = {"service", 'V'}, [NKEY_CURVE] = {"curve", 'X'},
};

const char *nkey_kind_name(nkey_kind kind) { return kinds[kind].name; }

char nkey_kind_letter(nkey_kind kind) { return kinds[kind].letter; }

bool nkey_kind_parse(slice name, nkey_kind *ret) {
    for (int i = 0; i < NKEY_KIND_COUNT; i++) {
        if (slice_equal_text(name, kinds[i].name)) {
            *ret = (nkey_kind)i;
            return true;
        }
    }
    return false;
}

static uint8_t prefix_of(nkey_kind kind) { return (uint8_t)((kinds[kind].letter - 'A') << 3); }

static bool kind_of_prefix(uint8_t prefix, nkey_kind *ret) {
    for (int i = 0; i < NKEY_KIND_COUNT; i++) {
        if (prefix == prefix_of((nkey_kind)i)) {
            *ret = (nkey_kind)i;
            return true;
        }
    }
    return false;
}

// CRC-16/XMODEM, without branches on the bytes.
static uint16_t checksum(const uint8_t *bytes, size_t len) {
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc << 1 ^ (0x1021 & (0u - (crc >> 15 & 1)))) & 0xffff;
        }
    }
    return (uint16_t)crc;
}

static void checksum_put(uint8_t *body, size_t len) {
    uint16_t crc = checksum(body, len - CHECKSUM_BYTES);
    body[len - 2] = (uint8_t)crc;
    body[len - 1] = (uint8_t)(crc >> 8);
}

static bool checksum_is_good(const uint8_t *body, size_t len) {
    return checksum(body, len - CHECKSUM_BYTES) == (body[len - 2] | body[len - 1] << 8);
}

// --- texts ------------------------------------------------------------------------------------------------

// Says why base32 did not take a text of the right length; never what stands in it.
static status bad_text(slice text, const char *what, err *e) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c >= 'a' && c <= 'z') {
            return err_set(e, STATUS_INVALID, "%s is written in upper case; character %zu is not", what,
                           i + 1);
        }
        if (!((c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7'))) {
            return err_set(e, STATUS_INVALID, "%s has only A-Z and 2-7; character %zu is another", what,
                           i + 1);
        }
    }
    return err_set(e, STATUS_INVALID, "the last character of %s sets bits that belong to no byte", what);
}

static status decode_body(slice text, const char *what, uint8_t *body, size_t body_len, err *e) {
    size_t text_len = BASE32_TEXT_LEN(body_len), len = 0;
    if (text.len != text_len) {
        return err_set(e, STATUS_INVALID, "%s has %zu characters; this has %zu", what, text_len, text.len);
    }
    if (!base32_decode(text, body, body_len, &len)) {
        return bad_text(text, what, e);
    }
    if (!checksum_is_good(body, body_len)) {
        return err_set(e, STATUS_INVALID, "the checksum of %s is wrong: it was mistyped or cut", what);
    }
    return STATUS_OK;
}

static status decode_public(slice text, uint8_t body[PUBLIC_BODY_BYTES], nkey_public *ret, err *e) {
    TRY(decode_body(text, "a public key", body, PUBLIC_BODY_BYTES, e));
    if (!kind_of_prefix(body[0], &ret->kind)) {
        return err_set(e, STATUS_INVALID,
                       "a public key begins with the letter of its kind, one of A C M N O U V X");
    }
    memcpy(ret->bytes, body + 1, SIGN_PUBLIC_BYTES);
    return STATUS_OK;
}

status nkey_public_parse(slice text, nkey_public *ret, err *e) {
    if (slice_starts_with(text, "S")) {
        return err_set(e, STATUS_INVALID,
                       "a public key belongs here, and this begins like a seed, which is secret: if it was "
                       "shown to others, replace the key");
    }
    uint8_t body[PUBLIC_BODY_BYTES];
    nkey_public k = {0};
    status s = decode_public(text, body, &k, e);
    secret_wipe(body, sizeof body); // "P..." is the text of a private key
    if (s == STATUS_OK) {
        *ret = k;
    }
    return s;
}

nkey_text nkey_public_text(const nkey_public *k) {
    uint8_t body[PUBLIC_BODY_BYTES];
    body[0] = prefix_of(k->kind);
    memcpy(body + 1, k->bytes, SIGN_PUBLIC_BYTES);
    checksum_put(body, sizeof body);
    nkey_text ret = {0};
    base32_encode(slice_of(body, sizeof body), ret.text);
    return ret;
}

bool nkey_public_equal(const nkey_public *a, const nkey_public *b) {
    return a->kind == b->kind && memcmp(a->bytes, b->bytes, SIGN_PUBLIC_BYTES) == 0;
}

bool nkey_verify(const nkey_public *k, slice message, const uint8_t signature[SIGN_SIGNATURE_BYTES]) {
    return k->kind != NKEY_CURVE && sign_verify(k->bytes, message, signature);
}

// --- key pairs --------------------------------------------------------------------------------------------

static const uint8_t *seed_of(const nkey *k) { return k->body.data + SEED_HEAD_BYTES; }

static status nkey_new(nkey **ret, err *e) {
    secret body = {0};
    TRY(secret_new(SEED_BODY_BYTES, &body, e));
    nkey *k = MEM_NEW(nkey);
    k->body = body;
    *ret = k;
    return STATUS_OK;
}

static void derive_public(nkey *k, nkey_kind kind) {
    k->public_key.kind = kind;
    if (kind == NKEY_CURVE) {
        sign_curve_public_of_seed(seed_of(k), k->public_key.bytes);
    } else {
        sign_public_of_seed(seed_of(k), k->public_key.bytes);
    }
}

status nkey_generate(nkey_kind kind, nkey **ret, err *e) {
    nkey *k = NULL;
    TRY(nkey_new(&k, e));
    uint8_t prefix = prefix_of(kind);
    k->body.data[0] = (uint8_t)(PREFIX_SEED << 3 | prefix >> 5);
    k->body.data[1] = (uint8_t)(prefix << 3);
    random_fill(k->body.data + SEED_HEAD_BYTES, SIGN_SEED_BYTES);
    checksum_put(k->body.data, k->body.len);
    derive_public(k, kind);
    *ret = k;
    return STATUS_OK;
}

static status decode_seed(slice text, uint8_t body[SEED_BODY_BYTES], nkey_kind *ret, err *e) {
    if (text.len > 0 && (text.data[0] == 'P' || text.len == NKEY_PUBLIC_TEXT_LEN)) {
        return err_set(e, STATUS_INVALID,
                       "a seed belongs here, and this looks like a %s key; a seed begins "
                       "with S and has %d characters",
                       text.data[0] == 'P' ? "private" : "public", NKEY_SEED_TEXT_LEN);
    }
    TRY(decode_body(text, "a seed", body, SEED_BODY_BYTES, e));
    if (body[0] >> 3 != PREFIX_SEED) {
        return err_set(e, STATUS_INVALID, "a seed begins with S and the letter of its kind");
    }
    uint8_t prefix = (uint8_t)((body[0] & 7) << 5 | body[1] >> 3);
    if ((body[1] & 7) != 0 || !kind_of_prefix(prefix, ret)) {
        return err_set(e, STATUS_INVALID,
                       "the second letter of a seed names its kind, one of A C M N O U V X");
    }
    return STATUS_OK;
}

status nkey_from_seed_text(slice text, nkey **ret, err *e) {
    nkey *k = NULL;
    nkey_kind kind = NKEY_ACCOUNT;
    TRY(nkey_new(&k, e));
    status s = decode_seed(slice_trimmed(text), k->body.data, &kind, e);
    if (s != STATUS_OK) {
        nkey_free(k);
        return s;
    }
    derive_public(k, kind);
    *ret = k;
    return STATUS_OK;
}

void nkey_free(nkey *k) {
    if (k != NULL) {
        secret_free(&k->body);
        mem_free(k);
    }
}

nkey_public nkey_public_of(const nkey *k) { return k->public_key; }

status nkey_seed_text(const nkey *k, secret *ret, err *e) {
    TRY(secret_new(NKEY_SEED_TEXT_LEN, ret, e));
    base32_encode(secret_slice(&k->body), (char *)ret->data);
    return STATUS_OK;
}

status nkey_sign(const nkey *k, slice message, uint8_t ret[SIGN_SIGNATURE_BYTES], err *e) {
    if (k->public_key.kind == NKEY_CURVE) {
        return err_set(e, STATUS_UNSUPPORTED, "a curve key seals messages and cannot sign; use another kind");
    }
    sign_message(seed_of(k), message, ret);
    return STATUS_OK;
}

// --- sealing -----------------------------------------------------------------------------------------------

static status need_curves(const nkey *k, const nkey_public *peer, err *e) {
    if (k->public_key.kind != NKEY_CURVE || peer->kind != NKEY_CURVE) {
        return err_set(e, STATUS_UNSUPPORTED, "only curve keys (X...) seal, for curve keys; this is %s to %s",
                       nkey_kind_name(k->public_key.kind), nkey_kind_name(peer->kind));
    }
    return STATUS_OK;
}

status nkey_seal(const nkey *k, const nkey_public *peer, slice plain, buf *ret, err *e) {
    size_t before = ret->len;
    uint8_t *at = NULL;
    TRY(need_curves(k, peer, e));
    if (plain.len > SECRET_BYTES_MAX || buf_append_text(ret, SEAL_PREFIX) != STATUS_OK ||
        buf_reserve(ret, plain.len + BOX_OVERHEAD_BYTES, &at) != STATUS_OK) {
        ret->len = before;
        return err_set(e, STATUS_LIMIT, "%zu bytes are too many to be sealed", plain.len);
    }
    status s = box_seal(seed_of(k), peer->bytes, plain, at, e);
    ret->len = s == STATUS_OK ? ret->len + plain.len + BOX_OVERHEAD_BYTES : before;
    return s;
}

status nkey_open(const nkey *k, const nkey_public *peer, slice sealed, secret *ret, err *e) {
    TRY(need_curves(k, peer, e));
    if (!slice_starts_with(sealed, SEAL_PREFIX)) {
        return err_set(e, STATUS_DENIED, "sealed bytes begin with " SEAL_PREFIX);
    }
    return box_open(seed_of(k), peer->bytes, slice_sub(sealed, sizeof SEAL_PREFIX - 1, sealed.len), ret, e);
}
