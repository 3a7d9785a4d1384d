// SPDX-License-Identifier: Apache-2.0
#include "driver/provider/greeting.h"

#include "crypto/hmac.h"

enum { MAGIC_BYTES = 8, HELLO_BYTES = MAGIC_BYTES + GREETING_NONCE_BYTES };

static const char magic[] = "WRITPRV1";
_Static_assert(sizeof magic == MAGIC_BYTES + 1, "its length");

static void prove(const greeting *g, slice key, greeting_side side, uint8_t ret[HASH_BYTES]) {
    bool is_client = g->side == GREETING_CLIENT;
    const slice parts[] = {slice_from_text(side == GREETING_CLIENT ? "client" : "server"),
                           slice_of(is_client ? g->own : g->other, GREETING_NONCE_BYTES),
                           slice_of(is_client ? g->other : g->own, GREETING_NONCE_BYTES)};
    hmac_sha256(key, parts, 3, ret);
}

static void say_hello(greeting *g) {
    memcpy(g->out, magic, MAGIC_BYTES);
    memcpy(g->out + MAGIC_BYTES, g->own, GREETING_NONCE_BYTES);
    g->out_len = HELLO_BYTES;
}

void greeting_begin(greeting *g, greeting_side side, const uint8_t nonce[GREETING_NONCE_BYTES]) {
    *g = (greeting){.side = side};
    memcpy(g->own, nonce, GREETING_NONCE_BYTES);
    g->in_wanted = side == GREETING_CLIENT ? GREETING_BYTES_MAX : HELLO_BYTES;
    if (side == GREETING_CLIENT) {
        say_hello(g);
    }
}

static status take_hello(greeting *g, err *e) {
    if (memcmp(g->in, magic, MAGIC_BYTES) != 0) {
        return err_set(e, STATUS_INVALID, "the other end is no %s",
                       g->side == GREETING_CLIENT ? "provider" : "host");
    }
    memcpy(g->other, g->in + MAGIC_BYTES, GREETING_NONCE_BYTES);
    // Its own words, sent back to it.
    return memcmp(g->other, g->own, GREETING_NONCE_BYTES) == 0
               ? err_set(e, STATUS_DENIED, "the other end repeats what it is told")
               : STATUS_OK;
}

static status check_proof(const greeting *g, slice key, const uint8_t *given, err *e) {
    uint8_t expected[HASH_BYTES];
    prove(g, key, g->side == GREETING_CLIENT ? GREETING_SERVER : GREETING_CLIENT, expected);
    return hash_equal(expected, given) ? STATUS_OK
                                       : err_set(e, STATUS_DENIED, "the other end has another key");
}

static status take_message(greeting *g, slice key, err *e) {
    if (g->side == GREETING_SERVER && g->step == 1) {
        TRY(check_proof(g, key, g->in, e));
        g->is_done = true;
        return STATUS_OK;
    }
    TRY(take_hello(g, e));
    if (g->side == GREETING_SERVER) {
        say_hello(g);
        prove(g, key, GREETING_SERVER, g->out + HELLO_BYTES);
        g->out_len = GREETING_BYTES_MAX;
        g->in_wanted = HASH_BYTES;
    } else {
        TRY(check_proof(g, key, g->in + HELLO_BYTES, e));
        prove(g, key, GREETING_CLIENT, g->out);
        g->out_len = HASH_BYTES;
        g->is_done = true;
    }
    g->in_len = 0;
    g->step++;
    return STATUS_OK;
}

status greeting_take(greeting *g, slice key, slice bytes, size_t *ret_taken, err *e) {
    size_t n = greeting_wants(g) < bytes.len ? greeting_wants(g) : bytes.len;
    if (n > 0) {
        memcpy(g->in + g->in_len, bytes.data, n);
        g->in_len += n;
    }
    *ret_taken = n;
    return n > 0 && g->in_len == g->in_wanted ? take_message(g, key, e) : STATUS_OK;
}
