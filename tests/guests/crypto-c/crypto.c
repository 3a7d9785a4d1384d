// SPDX-License-Identifier: Apache-2.0
//
// One request, one function: /FUNCTION/KEY/MESSAGE[/PROOF], see ../README.md.
#include "crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[4096];
static uint16_t status;

static crypto_list_u8_t bytes_of(const char *s) { return (crypto_list_u8_t){(uint8_t *)s, strlen(s)}; }

static void say(const char *s) { strncat(text, s, sizeof text - strlen(text) - 1); }

static void say_hex(const crypto_list_u8_t *bytes) {
    char pair[4];
    for (size_t i = 0; i < bytes->len; i++) {
        snprintf(pair, sizeof pair, "%02x", bytes->ptr[i]);
        say(pair);
    }
}

static crypto_list_u8_t from_hex(const char *s) {
    crypto_list_u8_t bytes = {malloc(strlen(s) / 2 + 1), 0};
    unsigned byte;
    while (sscanf(s + 2 * bytes.len, "%2x", &byte) == 1) {
        bytes.ptr[bytes.len++] = (uint8_t)byte;
    }
    return bytes;
}

static void say_error(const keys_error_t *e) {
    static const char *const names[] = {"not-found", "access-denied", "unsupported", "too-large", "other: "};
    status = 502;
    say(names[e->tag]);
    if (e->tag == KEYS_ERROR_OTHER) {
        strncat(text, (const char *)e->val.other.ptr, e->val.other.len);
    }
}

// --- without keys ------------------------------------------------------------------------------------------

// N bytes 'a', `piece` at a time.
static void hash_many(const char *count, size_t piece) {
    hash_own_hasher_t h = hash_constructor_hasher(HASH_ALGORITHM_SHA256);
    crypto_list_u8_t part = {malloc(piece), piece}, made;
    memset(part.ptr, 'a', piece);
    for (size_t left = strtoull(count, NULL, 10); left > 0; left -= part.len) {
        part.len = left < piece ? left : piece;
        hash_method_hasher_update(hash_borrow_hasher(h), &part);
    }
    hash_method_hasher_finish(hash_borrow_hasher(h), &made);
    say_hex(&made);
    hash_hasher_drop_own(h);
}

static void digest(hash_algorithm_t a, const char *message) {
    crypto_list_u8_t bytes = bytes_of(message), made;
    hash_digest(a, &bytes, &made);
    say_hex(&made);
}

// --- with a key --------------------------------------------------------------------------------------------

typedef bool (*makes)(keys_borrow_key_t key, crypto_list_u8_t *message, crypto_list_u8_t *ret,
                      keys_error_t *e);
typedef bool (*checks)(keys_borrow_key_t key, crypto_list_u8_t *message, crypto_list_u8_t *proof, bool *ret,
                       keys_error_t *e);

static bool public_key(keys_borrow_key_t key, crypto_list_u8_t *message, crypto_list_u8_t *ret,
                       keys_error_t *e) {
    (void)message;
    return signing_public_key(key, ret, e);
}

static void make(makes f, keys_borrow_key_t key, const char *message) {
    crypto_list_u8_t bytes = bytes_of(message), made;
    keys_error_t e;
    if (f(key, &bytes, &made, &e)) {
        say_hex(&made);
    } else {
        say_error(&e);
    }
}

static void check(checks f, keys_borrow_key_t key, const char *message, const char *proof) {
    crypto_list_u8_t bytes = bytes_of(message), given = from_hex(proof);
    bool is_right;
    keys_error_t e;
    if (f(key, &bytes, &given, &is_right, &e)) {
        say(is_right ? "right" : "wrong");
    } else {
        say_error(&e);
    }
}

static void with_key(const char *function, const char *name, const char *message, const char *proof) {
    crypto_string_t key_name = {(uint8_t *)name, strlen(name)};
    keys_own_key_t key;
    keys_algorithm_t algorithm;
    keys_error_t e;
    if (!keys_open(&key_name, &key, &e)) {
        say_error(&e);
        return;
    }
    keys_borrow_key_t k = keys_borrow_key(key);
    if (strcmp(function, "authenticate") == 0) {
        make(hmac_authenticate, k, message);
    } else if (strcmp(function, "verify-tag") == 0) {
        check(hmac_verify, k, message, proof);
    } else if (strcmp(function, "sign") == 0) {
        make(signing_sign, k, message);
    } else if (strcmp(function, "verify") == 0) {
        check(signing_verify, k, message, proof);
    } else if (strcmp(function, "public") == 0) {
        make(public_key, k, "");
    } else if (keys_method_key_algorithm(k, &algorithm, &e)) {
        static const char *const names[] = {"hmac-sha256", "hmac-sha512", "ed25519"};
        say(names[algorithm]);
    } else {
        say_error(&e);
    }
    keys_key_drop_own(key);
}

static void work(char *path) {
    char *part[4] = {"", "", "", ""};
    for (size_t i = 0; i < 4 && path != NULL; i++) {
        part[i] = path + 1;
        path = strchr(part[i], '/');
        if (path != NULL) {
            *path = '\0';
        }
    }
    if (strcmp(part[0], "sha256") == 0) {
        digest(HASH_ALGORITHM_SHA256, part[1]);
    } else if (strcmp(part[0], "sha384") == 0) {
        digest(HASH_ALGORITHM_SHA384, part[1]);
    } else if (strcmp(part[0], "sha512") == 0) {
        digest(HASH_ALGORITHM_SHA512, part[1]);
    } else if (strcmp(part[0], "many") == 0) {
        hash_many(part[1], strtoull(part[2], NULL, 10));
    } else if (strcmp(part[0], "ed25519") == 0) {
        crypto_list_u8_t key = from_hex(part[1]), message = bytes_of(part[2]), signature = from_hex(part[3]);
        say(verification_ed25519(&key, &message, &signature) ? "right" : "wrong");
    } else {
        with_key(part[0], part[1], part[2], part[3]);
    }
}

static void send(exports_handler_own_response_outparam_t out) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    crypto_list_u8_t piece = bytes_of(text);
    io_stream_error_t failed;
    (void)io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece, &failed);
    io_output_stream_drop_own(stream);
    http_error_code_t e;
    http_static_outgoing_body_finish(body, NULL, &e);
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    static char path[2048];
    crypto_string_t asked = {0};
    status = 200;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &asked)) {
        size_t n = asked.len < sizeof path - 1 ? asked.len : sizeof path - 1;
        memcpy(path, asked.ptr, n);
    }
    work(path);
    send(out);
    http_incoming_request_drop_own(request);
}
