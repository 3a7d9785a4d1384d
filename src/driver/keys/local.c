// SPDX-License-Identifier: Apache-2.0
// A key of this host: its bytes come from a secret, stay in locked memory of the process with the drivers,
// and are used there. Nothing that is answered depends on more of it than its algorithm says.
#include "base/mem.h"
#include "codec/base64.h"
#include "crypto/hmac.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "driver/keys/keys.h"

enum { HMAC_KEY_BYTES_MIN = 16, HMAC_KEY_BYTES_MAX = 4096 };

struct driver_link {
    loop *l;
    keys_algorithm algorithm;
    uint64_t message_bytes_max;
    secret key;
    secret previous; // of before a rotation; empty: there is none
    uint64_t since_ns;
    driver_link_options options;
    loop_soon closed;
};

static const char *const algorithm_names[KEYS_ALGORITHM_COUNT] = {"hmac-sha256", "hmac-sha512", "ed25519"};

// --- keys --------------------------------------------------------------------------------------------------

static status keep(slice bytes, secret *ret, err *e) {
    TRY(secret_new(bytes.len, ret, e));
    memcpy(ret->data, bytes.data, bytes.len);
    return STATUS_OK;
}

// Appends to a buffer that the caller wipes, and that has room for it without moving.
static bool decode(slice text, buf *ret) {
    return base64_decode(BASE64_STANDARD, text, ret) == STATUS_OK ||
           base64_decode(BASE64_URL, text, ret) == STATUS_OK;
}

static status keep_decoded(slice text, size_t min, size_t max, const char *rule, secret *ret, err *e) {
    auto_buf decoded;
    buf_init(&decoded, max);
    bool is_good = decode(slice_trimmed(text), &decoded) && decoded.len >= min;
    status s = is_good ? keep(buf_slice(&decoded), ret, e) : err_set(e, STATUS_INVALID, "%s", rule);
    secret_wipe(decoded.data, decoded.capacity); // also what was decoded before something was found wrong
    return s;
}

static status keep_key(keys_algorithm a, slice given, secret *ret, err *e) {
    static const char mark[] = "base64:", hmac_rule[] = "a key for HMAC has 16 to 4096 bytes";
    if (a == KEYS_ED25519) {
        return keep_decoded(given, SIGN_SEED_BYTES, SIGN_SEED_BYTES,
                            "a key of ed25519 is a seed of 32 bytes in base64", ret, e);
    }
    if (slice_starts_with(given, mark)) {
        return keep_decoded(slice_sub(given, sizeof mark - 1, given.len), HMAC_KEY_BYTES_MIN,
                            HMAC_KEY_BYTES_MAX, hmac_rule, ret, e);
    }
    if (given.len < HMAC_KEY_BYTES_MIN || given.len > HMAC_KEY_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "%s", hmac_rule);
    }
    return keep(given, ret, e);
}

// Both or none.
static status take_keys(driver_link *k, const driver_values *credentials, err *e) {
    secret key = {0}, previous = {0};
    slice text;
    status s = driver_values_text(credentials, "key", &text);
    if (s != STATUS_OK) {
        return err_set(e, STATUS_INVALID, "the credential key is missing");
    }
    s = keep_key(k->algorithm, text, &key, e);
    if (s == STATUS_OK && driver_values_text(credentials, "previous-key", &text) == STATUS_OK) {
        s = keep_key(k->algorithm, text, &previous, e);
    }
    if (s != STATUS_OK) {
        secret_free(&key);
        secret_free(&previous);
        return s;
    }
    secret_free(&k->key);
    secret_free(&k->previous);
    k->key = key;
    k->previous = previous;
    return STATUS_OK;
}

// --- calls -------------------------------------------------------------------------------------------------

static hmac_kind mac_of(const driver_link *k) {
    return k->algorithm == KEYS_HMAC_SHA256 ? HMAC_SHA256 : HMAC_SHA512;
}

static bool is_right(const driver_link *k, const secret *key, const keys_call *c) {
    uint8_t public_key[SIGN_PUBLIC_BYTES];
    if (key->len == 0) {
        return false;
    }
    if (c->function == KEYS_VERIFY_TAG) {
        return hmac_verify(mac_of(k), secret_slice(key), c->message, c->proof);
    }
    sign_public_of_seed(key->data, public_key);
    return c->proof.len == SIGN_SIGNATURE_BYTES && sign_verify(public_key, c->message, c->proof.data);
}

static bool is_for(keys_algorithm a, keys_function f) {
    switch (f) {
    case KEYS_ALGORITHM:
        return true;
    case KEYS_AUTHENTICATE:
    case KEYS_VERIFY_TAG:
        return a != KEYS_ED25519;
    case KEYS_SIGN:
    case KEYS_VERIFY_SIGNATURE:
    case KEYS_PUBLIC_KEY:
        return a == KEYS_ED25519;
    case KEYS_FUNCTION_COUNT:
        break;
    }
    return false;
}

static void perform(const driver_link *k, const keys_call *c, uint8_t bytes[KEYS_PROOF_BYTES_MAX],
                    keys_answer *ret) {
    switch (c->function) {
    case KEYS_ALGORITHM:
        ret->algorithm = k->algorithm;
        break;
    case KEYS_AUTHENTICATE:
        ret->bytes = slice_of(bytes, hmac_compute(mac_of(k), secret_slice(&k->key), c->message, bytes));
        break;
    case KEYS_SIGN:
        sign_message(k->key.data, c->message, bytes);
        ret->bytes = slice_of(bytes, SIGN_SIGNATURE_BYTES);
        break;
    case KEYS_PUBLIC_KEY:
        sign_public_of_seed(k->key.data, bytes);
        ret->bytes = slice_of(bytes, SIGN_PUBLIC_BYTES);
        break;
    case KEYS_VERIFY_TAG:
    case KEYS_VERIFY_SIGNATURE:
        ret->is_right = is_right(k, &k->key, c) || is_right(k, &k->previous, c);
        break;
    case KEYS_FUNCTION_COUNT:
        break;
    }
}

static void answer(const driver_link *k, driver_call *c, const keys_call *asked) {
    uint8_t bytes[KEYS_PROOF_BYTES_MAX];
    keys_answer a = {0};
    auto_buf payload;
    err e = {0};
    if (!is_for(k->algorithm, asked->function)) {
        a = (keys_answer){.is_error = true, .error = KEYS_UNSUPPORTED};
    } else if (asked->message.len > k->message_bytes_max) {
        a = (keys_answer){.is_error = true, .error = KEYS_TOO_LARGE};
    } else {
        perform(k, asked, bytes, &a);
    }
    buf_init(&payload, KEYS_CALL_BYTES_MAX);
    if (keys_answer_encode(asked->function, &a, &payload, &e) != STATUS_OK) {
        driver_fail(c, e.code, "%s", e.message);
        return;
    }
    driver_answer(c, buf_slice(&payload));
}

static void call(driver_link *k, driver_call *c) {
    keys_function f;
    keys_call asked;
    err e = {0};
    if (!keys_function_find(c->interface, c->function, &f)) {
        driver_fail(c, STATUS_UNSUPPORTED, "there is no function %.*s of %.*s",
                    SLICE_ARG(slice_sub(c->function, 0, 80)), SLICE_ARG(slice_sub(c->interface, 0, 80)));
    } else if (keys_call_decode(f, c->payload, &asked, &e) != STATUS_OK) {
        driver_fail(c, STATUS_INVALID, "%s", e.message);
    } else {
        answer(k, c, &asked);
    }
}

static void cancel(driver_link *k, driver_call *c) { // all are answered at once
    (void)k, (void)c;
}

// --- the link ----------------------------------------------------------------------------------------------

static status read_algorithm(const driver_values *settings, keys_algorithm *ret, err *e) {
    slice name = slice_empty();
    WRIT_UNUSED status s = driver_values_text(settings, "algorithm", &name); // it is required
    for (unsigned i = 0; i < KEYS_ALGORITHM_COUNT; i++) {
        if (slice_equal_text(name, algorithm_names[i])) {
            *ret = (keys_algorithm)i;
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_INVALID,
                   "the setting algorithm is hmac-sha256, hmac-sha512 or ed25519, not \"%.*s\"",
                   SLICE_ARG(slice_sub(name, 0, 40)));
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    const driver_link_options o = k->options;
    mem_free(k);
    o.on_closed(o.arg);
}

static status open_key(driver_link *k, const driver_link_options *o, err *e) {
    k->message_bytes_max = KEYS_MESSAGE_BYTES_MAX;
    TRY(read_algorithm(&o->settings, &k->algorithm, e));
    TRY(driver_values_number(&o->settings, "message-bytes-max", 1, KEYS_MESSAGE_BYTES_MAX,
                             &k->message_bytes_max, e));
    return take_keys(k, &o->credentials, e);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    driver_link *k = MEM_NEW(driver_link);
    status s = open_key(k, options, e);
    if (s != STATUS_OK) {
        mem_free(k);
        return s;
    }
    k->l = env->l;
    k->since_ns = loop_now_ns(env->l);
    k->options = *options;
    loop_soon_init(&k->closed, on_closed_soon, k);
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    secret_free(&k->key);
    secret_free(&k->previous);
    loop_soon_add(k->l, &k->closed);
}

static void health(const driver_link *k, driver_health *ret) {
    *ret = (driver_health){.state = DRIVER_UP, .since_ns = k->since_ns, .next_try_ns = UINT64_MAX};
}

static const driver_setting settings[] = {
    {"algorithm", "hmac-sha256, hmac-sha512 or ed25519", false, true},
    {"message-bytes-max", "the longest message, in bytes (at most 1048576, the default)", false, false},
    {"key",
     "16 to 4096 bytes for HMAC, or base64: and their base64; for ed25519 a seed of 32 bytes in base64", true,
     true},
    {"previous-key", "the key before a rotation, which verifies and makes nothing new", true, false},
    {NULL, NULL, false, false},
};

const driver keys_local = {
    .version = DRIVER_VERSION,
    .name = "keys",
    .interfaces = keys_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
    .credentials = take_keys,
};
