// SPDX-License-Identifier: Apache-2.0
#include "capability/virtual.h"

#include "base/mem.h"
#include "crypto/hash.h"

enum { LOOK_NS = 1000, NS_PER_S = 1000000000 };

struct wasi_virtual {
    wasi_test_mode mode;
    wasi_clock clock;
    wasi_random random;
    uint64_t elapsed_ns; // since the instance began
    uint64_t next_ns;    // the earliest moment that is waited for; UINT64_MAX: none
    uint64_t blocks;     // of random bytes
    size_t left;         // of the last one
    uint8_t block[HASH_BYTES];
};

static uint64_t look(wasi_virtual *v) {
    v->elapsed_ns += v->elapsed_ns <= UINT64_MAX - LOOK_NS ? LOOK_NS : 0;
    return v->elapsed_ns;
}

static uint64_t monotonic(void *context) { return look(context); }

static void wall(void *context, uint64_t *ret_seconds, uint32_t *ret_nanoseconds) {
    wasi_virtual *v = context;
    uint64_t elapsed = look(v);
    *ret_seconds = v->mode.start_s + elapsed / NS_PER_S;
    *ret_nanoseconds = (uint32_t)(elapsed % NS_PER_S);
}

static void next_block(wasi_virtual *v) {
    uint8_t key[HASH_KEY_BYTES] = {0};
    const slice number = slice_of(&v->blocks, sizeof v->blocks);
    memcpy(key, &v->mode.seed, sizeof v->mode.seed);
    hash_keyed(key, &number, 1, v->block);
    v->blocks++;
    v->left = sizeof v->block;
}

static void fill(void *context, void *bytes, size_t len) {
    wasi_virtual *v = context;
    uint8_t *to = bytes;
    while (len > 0) {
        if (v->left == 0) {
            next_block(v);
        }
        size_t n = len < v->left ? len : v->left;
        memcpy(to, v->block + sizeof v->block - v->left, n);
        v->left -= n;
        to += n;
        len -= n;
    }
}

wasi_virtual *wasi_virtual_new(const wasi_test_mode *mode) {
    wasi_virtual *v = MEM_NEW(wasi_virtual);
    v->mode = *mode;
    v->next_ns = UINT64_MAX;
    v->clock = (wasi_clock){v, monotonic, wall};
    v->random = (wasi_random){v, fill};
    return v;
}

void wasi_virtual_free(wasi_virtual *v) { mem_free(v); }

const wasi_clock *wasi_virtual_clock(const wasi_virtual *v) { return v->mode.has_clock ? &v->clock : NULL; }
const wasi_random *wasi_virtual_random(const wasi_virtual *v) { return v->mode.has_seed ? &v->random : NULL; }

void wasi_virtual_wait(wasi_virtual *v, uint64_t deadline_ns) {
    v->next_ns = deadline_ns < v->next_ns ? deadline_ns : v->next_ns;
}

void wasi_virtual_pass(wasi_virtual *v) {
    if (v->next_ns != UINT64_MAX && v->next_ns > v->elapsed_ns) {
        v->elapsed_ns = v->next_ns;
    }
    v->next_ns = UINT64_MAX;
}
