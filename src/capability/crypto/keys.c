// SPDX-License-Identifier: Apache-2.0
// writ:crypto with keys, the component's side: a key is the name of a link, and each function is one call
// through it. The worker never has a key.
#include "driver/keys/keys.h"
#include "base/mem.h"
#include "capability/links.h"
#include "writ/crypto_hmac.h"
#include "writ/crypto_keys.h"
#include "writ/crypto_signing.h"

struct writ_crypto_keys_key {
    wasi_resource base;
    size_t len;
    uint8_t link[WASI_LINK_NAME_BYTES_MAX];
};

typedef writ_crypto_keys_key crypto_key;
typedef writ_crypto_keys_error contract_error;

_Static_assert((int)KEYS_NOT_FOUND == (int)WRIT_CRYPTO_KEYS_ERROR_NOT_FOUND &&
                   (int)KEYS_OTHER == (int)WRIT_CRYPTO_KEYS_ERROR_OTHER &&
                   (int)KEYS_ED25519 == (int)WRIT_CRYPTO_KEYS_ALGORITHM_ED25519,
               "one list of errors, and one of algorithms");

static void key_free(wasi_resource *r) { mem_free(r); }

static const wasi_resource_ops key_ops = {.free = key_free};

static contract_error error_of_status(host_call *call, status s, const char *why) {
    if (s == STATUS_DENIED) {
        return (contract_error){.tag = WRIT_CRYPTO_KEYS_ERROR_ACCESS_DENIED};
    }
    if (s == STATUS_NOT_FOUND) {
        return (contract_error){.tag = WRIT_CRYPTO_KEYS_ERROR_NOT_FOUND};
    }
    return (contract_error){.tag = WRIT_CRYPTO_KEYS_ERROR_OTHER,
                            .of.other = arena_copy(host_call_arena(call), slice_from_text(why))};
}

// --- keys --------------------------------------------------------------------------------------------------

// An import with a name of its own has one key, which is called that or nothing.
static status find_key(host_call *call, slice name, const wasi_link **ret, err *e) {
    slice interface = slice_from_text(KEYS_INTERFACE), label = host_call_label(call);
    if (name.len == 0) {
        return wasi_link_of(call, interface, ret, e);
    }
    if (label.len > 0 && !slice_equal(label, name)) {
        return err_set(e, STATUS_NOT_FOUND, "the import %.*s has that key only", SLICE_ARG(label));
    }
    return wasi_link_find_named(wasi_of(call), interface, name, ret, e);
}

static status open_key(host_call *call, slice name, crypto_key **ret, err *e) {
    const wasi_link *link = NULL;
    TRY(find_key(call, name, &link, e));
    crypto_key *k = WASI_NEW(wasi_of(call), crypto_key, &key_ops, WASI_CLASS_OTHER, NULL, e);
    if (k == NULL) {
        return STATUS_LIMIT;
    }
    if (link->name.len > sizeof k->link) {
        wasi_resource_drop(&k->base);
        return err_set(e, STATUS_LIMIT, "the name of the link is too long");
    }
    k->len = link->name.len;
    memcpy(k->link, link->name.data, k->len);
    *ret = k;
    return STATUS_OK;
}

status writ_crypto_keys_open(host_call *call, slice name, writ_crypto_keys_result_key_error *ret, err *e) {
    err why = {0};
    status s = open_key(call, name, &ret->ok, &why);
    (void)e;
    ret->is_err = s != STATUS_OK;
    if (ret->is_err) {
        ret->err = error_of_status(call, s, why.message);
    }
    return STATUS_OK;
}

void writ_crypto_keys_key_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

// --- calls -------------------------------------------------------------------------------------------------

static status exchange(host_call *call, const crypto_key *k, const keys_call *c, keys_answer *ret, err *e) {
    const wasi_link *link;
    auto_buf payload = {0};
    slice answer, interface = slice_from_text(keys_interface_name(c->function));
    TRY(wasi_link_find_named(wasi_of(call), interface, slice_of(k->link, k->len), &link, e));
    buf_init(&payload, KEYS_CALL_BYTES_MAX);
    TRY(keys_call_encode(c, &payload, e));
    slice function = slice_from_text(keys_function_name(c->function));
    TRY(wasi_link_call(call, link, function, buf_slice(&payload), &answer, e));
    return keys_answer_decode(c->function, answer, ret, e);
}

// STATUS_OK: look at `*ret_is_error`. What the answer refers to lives until the host function returns.
static status do_call(host_call *call, const crypto_key *k, const keys_call *c, keys_answer *ret,
                      bool *ret_is_error, contract_error *ret_error, err *e) {
    err why = {0};
    bool is_large = c->message.len > KEYS_MESSAGE_BYTES_MAX || c->proof.len > KEYS_PROOF_BYTES_MAX;
    status s = is_large ? STATUS_OK : exchange(call, k, c, ret, &why);
    if (s == STATUS_CANCELLED) {
        return err_set(e, s, "%s", why.message);
    }
    if (is_large) {
        *ret = (keys_answer){.is_error = c->message.len > KEYS_MESSAGE_BYTES_MAX, .error = KEYS_TOO_LARGE};
    }
    *ret_is_error = s != STATUS_OK || ret->is_error;
    if (*ret_is_error) {
        *ret_error = s != STATUS_OK ? error_of_status(call, s, why.message)
                                    : (contract_error){.tag = (uint8_t)ret->error, .of.other = ret->text};
    }
    return STATUS_OK;
}

status writ_crypto_keys_key_algorithm(host_call *call, crypto_key *self,
                                      writ_crypto_keys_result_algorithm_error *ret, err *e) {
    const keys_call c = {.function = KEYS_ALGORITHM};
    keys_answer a = {0};
    TRY(do_call(call, self, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = (writ_crypto_keys_algorithm)a.algorithm;
    }
    return STATUS_OK;
}

status writ_crypto_hmac_authenticate(host_call *call, crypto_key *key, slice message,
                                     writ_crypto_hmac_result_list_u8_error *ret, err *e) {
    const keys_call c = {KEYS_AUTHENTICATE, message, slice_empty()};
    keys_answer a = {0};
    TRY(do_call(call, key, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = a.bytes;
    }
    return STATUS_OK;
}

status writ_crypto_hmac_verify(host_call *call, crypto_key *key, slice message, slice tag,
                               writ_crypto_hmac_result_bool_error *ret, err *e) {
    const keys_call c = {KEYS_VERIFY_TAG, message, tag};
    keys_answer a = {0};
    TRY(do_call(call, key, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = a.is_right;
    }
    return STATUS_OK;
}

status writ_crypto_signing_sign(host_call *call, crypto_key *key, slice message,
                                writ_crypto_signing_result_list_u8_error *ret, err *e) {
    const keys_call c = {KEYS_SIGN, message, slice_empty()};
    keys_answer a = {0};
    TRY(do_call(call, key, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = a.bytes;
    }
    return STATUS_OK;
}

status writ_crypto_signing_verify(host_call *call, crypto_key *key, slice message, slice signature,
                                  writ_crypto_signing_result_bool_error *ret, err *e) {
    const keys_call c = {KEYS_VERIFY_SIGNATURE, message, signature};
    keys_answer a = {0};
    TRY(do_call(call, key, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = a.is_right;
    }
    return STATUS_OK;
}

status writ_crypto_signing_public_key(host_call *call, crypto_key *key,
                                      writ_crypto_signing_result_list_u8_error *ret, err *e) {
    const keys_call c = {.function = KEYS_PUBLIC_KEY};
    keys_answer a = {0};
    TRY(do_call(call, key, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = a.bytes;
    }
    return STATUS_OK;
}
