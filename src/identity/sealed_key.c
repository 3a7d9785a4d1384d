// SPDX-License-Identifier: Apache-2.0
#include "identity/sealed_key.h"

#include "codec/base32.h"
#include "crypto/passphrase.h"

static const char title[] = "writ sealed key 1\n";

bool sealed_key_is(slice text) { return slice_starts_with(text, "writ sealed key"); }

// Takes "LABEL VALUE\n" from the front of `*rest`.
static bool take_line(slice *rest, const char *label, slice *ret) {
    size_t end = slice_find(*rest, 0, '\n'), start = strlen(label);
    if (end == SIZE_MAX || end < start || !slice_starts_with(*rest, label)) {
        return false;
    }
    *ret = slice_sub(*rest, start, end);
    *rest = slice_sub(*rest, end + 1, rest->len);
    return true;
}

status sealed_key_read(slice text, sealed_key *ret, err *e) {
    sealed_key k = {0};
    if (text.len > SEALED_KEY_TEXT_BYTES_MAX || !slice_starts_with(text, title)) {
        return err_set(e, STATUS_INVALID, "no sealed key: it does not begin with \"%.17s\"", title);
    }
    slice rest = slice_sub(text, sizeof title - 1, text.len);
    slice public_text, sealed_text;
    if (!take_line(&rest, "public ", &public_text) || !take_line(&rest, "sealed ", &sealed_text) ||
        rest.len != 0) {
        return err_set(e, STATUS_INVALID, "a sealed key has a line \"public ...\" and a line \"sealed ...\"");
    }
    if (nkey_public_parse(public_text, &k.public_key, e) != STATUS_OK) {
        return err_wrap(e, "the sealed key's second line");
    }
    if (!base32_decode(sealed_text, k.sealed, sizeof k.sealed, &k.sealed_len)) {
        return err_set(e, STATUS_INVALID, "the sealed key's third line is no base32, or too long");
    }
    *ret = k;
    return STATUS_OK;
}

status sealed_key_write(const sealed_key *k, buf *ret) {
    char sealed[BASE32_TEXT_LEN(SEALED_KEY_BYTES_MAX) + 1] = {0};
    base32_encode(slice_of(k->sealed, k->sealed_len), sealed);
    return buf_append_format(ret, "%spublic %s\nsealed %s\n", title, nkey_public_text(&k->public_key).text,
                             sealed);
}

status sealed_key_seal(const nkey *k, slice passphrase, sealed_key *ret, err *e) {
    auto_secret seed = {0};
    TRY(nkey_seed_text(k, &seed, e));
    auto_buf sealed;
    buf_init(&sealed, SEALED_KEY_BYTES_MAX);
    TRY(passphrase_seal(passphrase, secret_slice(&seed), &sealed, e));
    sealed_key made = {.public_key = nkey_public_of(k), .sealed_len = sealed.len};
    memcpy(made.sealed, sealed.data, sealed.len);
    *ret = made;
    return STATUS_OK;
}

status sealed_key_open(const sealed_key *k, slice passphrase, nkey **ret, err *e) {
    auto_secret seed = {0};
    nkey *opened = NULL;
    TRY(passphrase_open(passphrase, slice_of(k->sealed, k->sealed_len), &seed, e));
    TRY(nkey_from_seed_text(secret_slice(&seed), &opened, e));
    nkey_public is = nkey_public_of(opened);
    if (!nkey_public_equal(&is, &k->public_key)) {
        nkey_free(opened);
        return err_set(e, STATUS_INVALID, "the sealed key states the public key %s and holds another's seed",
                       nkey_public_text(&k->public_key).text);
    }
    *ret = opened;
    return STATUS_OK;
}
