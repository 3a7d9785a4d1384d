// SPDX-License-Identifier: Apache-2.0
#include "capability/virtual.h"

#include "test.h"

TEST(time_passes_when_somebody_looks_or_waits) {
    const wasi_test_mode mode = {.has_clock = true, .start_s = 1000};
    wasi_virtual *v = wasi_virtual_new(&mode);
    const wasi_clock *c = wasi_virtual_clock(v);
    uint64_t seconds;
    uint32_t nanoseconds;
    EXPECT(wasi_virtual_random(v) == NULL);
    EXPECT_EQ(c->monotonic_ns(c->context), 1000);
    EXPECT_EQ(c->monotonic_ns(c->context), 2000);
    wasi_virtual_wait(v, 9000000000);
    wasi_virtual_wait(v, 5000000000);
    wasi_virtual_pass(v); // to the earliest
    c->wall(c->context, &seconds, &nanoseconds);
    EXPECT_EQ(seconds, 1005);
    EXPECT_EQ(nanoseconds, 1000);
    wasi_virtual_wait(v, 7); // gone by
    wasi_virtual_pass(v);
    wasi_virtual_pass(v); // nobody waits
    EXPECT_EQ(c->monotonic_ns(c->context), 5000002000);
    wasi_virtual_wait(v, UINT64_MAX); // for ever: time stands still
    wasi_virtual_pass(v);
    EXPECT_EQ(c->monotonic_ns(c->context), 5000003000);
    wasi_virtual_free(v);
}

TEST(a_seed_gives_the_same_bytes_however_they_are_asked_for) {
    const wasi_test_mode mode = {.has_seed = true, .seed = 42}, another = {.has_seed = true, .seed = 43};
    wasi_virtual *a = wasi_virtual_new(&mode), *b = wasi_virtual_new(&mode), *c = wasi_virtual_new(&another);
    const wasi_random *r = wasi_virtual_random(a), *s = wasi_virtual_random(b), *t = wasi_virtual_random(c);
    uint8_t whole[100], parts[100], other[100];
    r->fill(r->context, whole, sizeof whole);
    for (size_t at = 0; at < sizeof parts; at += 10) {
        s->fill(s->context, parts + at, 10);
    }
    t->fill(t->context, other, sizeof other);
    EXPECT(memcmp(whole, parts, sizeof whole) == 0);
    EXPECT(memcmp(whole, other, sizeof whole) != 0);
    EXPECT(memcmp(whole, whole + 32, 32) != 0);
    EXPECT(wasi_virtual_clock(a) == NULL);
    wasi_virtual_free(a);
    wasi_virtual_free(b);
    wasi_virtual_free(c);
}
