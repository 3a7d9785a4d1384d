// SPDX-License-Identifier: Apache-2.0
#include "driver/sql/postgres_scram.h"

#include <stdio.h>

#include "codec/base64.h"
#include "crypto/hmac.h"
#include "crypto/secret.h"

// No channel binding, and no name: the server takes the one of the start-up message.
static const char header[] = "n,,";
static const char header_base64[] = "biws";

status postgres_scram_first(postgres_scram *s, const char nonce[SCRAM_NONCE_BYTES], buf *ret, err *e) {
    memcpy(s->nonce, nonce, SCRAM_NONCE_BYTES);
    s->nonce[SCRAM_NONCE_BYTES] = '\0';
    s->step = SCRAM_FIRST;
    return buf_append_format(ret, "%sn=,r=%s", header, s->nonce) == STATUS_OK
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "no room for a message of SCRAM");
}

// "x=VALUE" up to the next comma, behind which `*rest` moves.
static bool take(slice *rest, char name, slice *ret) {
    if (rest->len < 2 || rest->data[0] != (uint8_t)name || rest->data[1] != '=') {
        return false;
    }
    size_t comma = slice_find(*rest, 0, ',');
    *ret = slice_sub(*rest, 2, comma == SIZE_MAX ? rest->len : comma);
    *rest = comma == SIZE_MAX ? slice_empty() : slice_sub(*rest, comma + 1, rest->len);
    return true;
}

static status bad(err *e, const char *what) {
    return err_set(e, STATUS_INVALID, "the server's part of SCRAM is wrong: %s", what);
}

static void xor_into(uint8_t a[HASH_BYTES], const uint8_t b[HASH_BYTES]) {
    for (size_t i = 0; i < HASH_BYTES; i++) {
        a[i] ^= b[i];
    }
}

// What proves the password to the server; and what the server's proof will be.
static void prove(postgres_scram *s, const uint8_t salted[HASH_BYTES], const slice *message, size_t count,
                  uint8_t ret[HASH_BYTES]) {
    uint8_t key[HASH_BYTES];
    uint8_t stored[HASH_BYTES];
    uint8_t signature[HASH_BYTES];
    const slice client = SLICE_LITERAL("Client Key");
    const slice server = SLICE_LITERAL("Server Key");
    hmac_sha256(slice_of(salted, HASH_BYTES), &client, 1, key);
    const slice whole = slice_of(key, HASH_BYTES);
    hash_sha256(&whole, 1, stored);
    hmac_sha256(slice_of(stored, HASH_BYTES), message, count, signature);
    memcpy(ret, key, HASH_BYTES);
    xor_into(ret, signature);
    hmac_sha256(slice_of(salted, HASH_BYTES), &server, 1, key);
    hmac_sha256(whole, message, count, s->server_signature);
    secret_wipe(key, sizeof key);
    secret_wipe(stored, sizeof stored);
}

static status read_first(const postgres_scram *s, slice text, slice *ret_nonce, buf *ret_salt,
                         uint32_t *ret_rounds, err *e) {
    slice rest = text, salt, rounds;
    uint64_t number = 0;
    if (!take(&rest, 'r', ret_nonce) || !take(&rest, 's', &salt) || !take(&rest, 'i', &rounds)) {
        return bad(e, "its first message has no nonce, salt and count of rounds");
    }
    if (ret_nonce->len <= SCRAM_NONCE_BYTES || !slice_starts_with(*ret_nonce, s->nonce)) {
        return bad(e, "its nonce is not made of ours");
    }
    if (base64_decode(BASE64_STANDARD, salt, ret_salt) != STATUS_OK || ret_salt->len == 0) {
        return bad(e, "its salt is no base64");
    }
    if (!slice_to_u64(rounds, &number) || number < SCRAM_ROUNDS_MIN || number > SCRAM_ROUNDS_MAX) {
        return bad(e, "its count of rounds is too low or too high");
    }
    *ret_rounds = (uint32_t)number;
    return STATUS_OK;
}

status postgres_scram_final(postgres_scram *s, slice server_first, slice password, buf *ret, err *e) {
    auto_buf salt, bare, encoded;
    uint8_t salted[HASH_BYTES];
    uint8_t proof[HASH_BYTES];
    char without_proof[SCRAM_MESSAGE_BYTES_MAX + 32];
    slice nonce;
    uint32_t rounds;
    buf_init(&salt, SCRAM_MESSAGE_BYTES_MAX);
    buf_init(&bare, SCRAM_MESSAGE_BYTES_MAX);
    buf_init(&encoded, SCRAM_MESSAGE_BYTES_MAX);
    if (s->step != SCRAM_FIRST || server_first.len > SCRAM_MESSAGE_BYTES_MAX) {
        return bad(e, "a message that is too long, or not due");
    }
    TRY(read_first(s, server_first, &nonce, &salt, &rounds, e));
    TRY(hmac_pbkdf2_sha256(password, buf_slice(&salt), rounds, salted, e));
    snprintf(without_proof, sizeof without_proof, "c=%s,r=%.*s", header_base64, SLICE_ARG(nonce));
    TRY(buf_append_format(&bare, "n=,r=%s", s->nonce));
    const slice message[] = {buf_slice(&bare), SLICE_LITERAL(","), server_first, SLICE_LITERAL(","),
                             slice_from_text(without_proof)};
    prove(s, salted, message, sizeof message / sizeof message[0], proof);
    secret_wipe(salted, sizeof salted);
    TRY(base64_encode(BASE64_STANDARD, slice_of(proof, sizeof proof), &encoded));
    s->step = SCRAM_FINAL;
    return buf_append_format(ret, "%s,p=%.*s", without_proof, SLICE_ARG(buf_slice(&encoded))) == STATUS_OK
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "no room for a message of SCRAM");
}

status postgres_scram_verify(postgres_scram *s, slice server_final, err *e) {
    auto_buf signature;
    slice rest = server_final, value;
    buf_init(&signature, SCRAM_MESSAGE_BYTES_MAX);
    if (s->step != SCRAM_FINAL || !take(&rest, 'v', &value) || value.len > SCRAM_MESSAGE_BYTES_MAX ||
        base64_decode(BASE64_STANDARD, value, &signature) != STATUS_OK || signature.len != HASH_BYTES) {
        return bad(e, "its last message has no signature");
    }
    if (!hash_equal(signature.data, s->server_signature)) {
        return err_set(e, STATUS_DENIED, "the server does not know the password: it is somebody else");
    }
    s->step = SCRAM_DONE;
    return STATUS_OK;
}
