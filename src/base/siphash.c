// SPDX-License-Identifier: Apache-2.0
#include "base/siphash.h"

typedef struct state {
    uint64_t a, b, c, d;
} state;

static uint64_t rotate(uint64_t x, unsigned bits) { return x << bits | x >> (64 - bits); }

static void rounds(state *s, int count) {
    for (int i = 0; i < count; i++) {
        s->a += s->b;
        s->c += s->d;
        s->b = rotate(s->b, 13) ^ s->a;
        s->d = rotate(s->d, 16) ^ s->c;
        s->a = rotate(s->a, 32);
        s->c += s->b;
        s->a += s->d;
        s->b = rotate(s->b, 17) ^ s->c;
        s->d = rotate(s->d, 21) ^ s->a;
        s->c = rotate(s->c, 32);
    }
}

static void absorb(state *s, uint64_t word) {
    s->d ^= word;
    rounds(s, 2);
    s->a ^= word;
}

uint64_t siphash(siphash_key key, slice bytes) {
    state s = {
        key.k0 ^ 0x736f6d6570736575,
        key.k1 ^ 0x646f72616e646f6d,
        key.k0 ^ 0x6c7967656e657261,
        key.k1 ^ 0x7465646279746573,
    };
    size_t whole = bytes.len - bytes.len % 8;
    uint64_t word;
    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, bytes.data + i, 8);
        absorb(&s, word);
    }
    word = 0;
    if (bytes.len > whole) {
        memcpy(&word, bytes.data + whole, bytes.len - whole);
    }
    absorb(&s, word | (uint64_t)bytes.len << 56);
    s.c ^= 0xff;
    rounds(&s, 4);
    return s.a ^ s.b ^ s.c ^ s.d;
}
