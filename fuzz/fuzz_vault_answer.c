// SPDX-License-Identifier: Apache-2.0
// Answers of servers with the API of Vault. The first byte says which: `l` a login, anything else a secret,
// whose field is what follows up to a zero byte (empty: the only one).
//
// links: secrets
#include "base/check.h"
#include "codec/utf.h"
#include "fuzz.h"
#include "secrets/vault_answer.h"

static void read_login(slice answer) {
    vault_login l = {0};
    if (vault_answer_login(answer, &l, NULL) == STATUS_OK) {
        CHECK(l.token.len > 0 && l.token.len <= VAULT_TOKEN_BYTES_MAX);
        secret_free(&l.token);
    }
}

static void read_secret(const char *field, slice answer) {
    secret_value v = {0};
    err e = {0};
    if (vault_answer_secret(answer, field, &v, &e) == STATUS_OK) {
        CHECK(v.bytes.len > 0 && v.kind == SECRET_TEXT && utf8_valid(secret_slice(&v.bytes)));
        secret_value_free(&v);
    } else {
        CHECK(e.message[0] != '\0' && v.bytes.data == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice all = slice_of(data, size);
    size_t zero = size == 0 ? SIZE_MAX : slice_find(all, 1, 0);
    if (size > 0 && data[0] == 'l') {
        read_login(slice_sub(all, 1, size));
    } else if (zero != SIZE_MAX) {
        read_secret(zero > 1 ? (const char *)data + 1 : NULL, slice_sub(all, zero + 1, size));
    }
    return 0;
}
