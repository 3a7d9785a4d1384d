// SPDX-License-Identifier: Apache-2.0
// What it costs to verify a signed component, from bytes in memory to belief: prints a JSON object of
// nanoseconds, each the median of several rounds.
//
//   verify COMPONENT PUBLICKEY
#include <stdio.h>
#include <stdlib.h>

#include "identity/verify.h"
#include "os/clock.h"
#include "os/whole_file.h"

enum { ROUNDS = 31, COMPONENT_BYTES_MAX = 64 << 20 };

static _Noreturn void give_up(const char *message) {
    fprintf(stderr, "verify: %s\n", message);
    exit(1);
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void verify_once(slice bytes, const trust_store *trust) {
    verify_input input = {.bytes = bytes, .trust = trust, .now_s = clock_wall_now().seconds};
    verification v;
    verify_component(&input, &v);
    if (v.reason != REFUSAL_NONE) {
        give_up(v.error.message);
    }
    verification_done(&v);
}

static void hash_once(slice bytes, const trust_store *trust) {
    (void)trust;
    uint8_t hash[HASH_BYTES];
    hash_sha256(&bytes, 1, hash);
}

static uint64_t time_of(void (*once)(slice, const trust_store *), slice bytes, const trust_store *trust) {
    uint64_t began = clock_now_ns();
    once(bytes, trust);
    return clock_now_ns() - began;
}

// In turns, so that a change of the machine's mood meets both.
static void measure(slice bytes, const trust_store *trust, uint64_t *ret_verify_ns, uint64_t *ret_hash_ns) {
    uint64_t verify_ns[ROUNDS], hash_ns[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        verify_ns[i] = time_of(verify_once, bytes, trust);
        hash_ns[i] = time_of(hash_once, bytes, trust);
    }
    qsort(verify_ns, ROUNDS, sizeof verify_ns[0], by_size);
    qsort(hash_ns, ROUNDS, sizeof hash_ns[0], by_size);
    *ret_verify_ns = verify_ns[ROUNDS / 2];
    *ret_hash_ns = hash_ns[ROUNDS / 2];
}

int main(int argc, char **argv) {
    auto_buf bytes = {0};
    err e = {0};
    trust_issuer issuer = {0};
    if (argc != 3) {
        give_up("needs a component and the public key of its issuer");
    }
    trust_store *trust = trust_store_new();
    if (file_read_whole(argv[1], COMPONENT_BYTES_MAX, &bytes, &e) != STATUS_OK ||
        nkey_public_parse(slice_from_text(argv[2]), &issuer.key, &e) != STATUS_OK ||
        trust_store_add_issuer(trust, &issuer, &e) != STATUS_OK) {
        give_up(e.message);
    }
    uint64_t verify_ns, hash_ns;
    measure(buf_slice(&bytes), trust, &verify_ns, &hash_ns);
    printf("{\"bytes\": %zu, \"verify\": %llu, \"hash\": %llu}\n", bytes.len, (unsigned long long)verify_ns,
           (unsigned long long)hash_ns);
    trust_store_free(trust);
    return 0;
}
