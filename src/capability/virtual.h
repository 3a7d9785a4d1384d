// SPDX-License-Identifier: Apache-2.0
// Time and randomness that are the same in every run, for tests of components: each instance begins at the
// same moment, with the same random bytes to come.
//
// Time passes in two ways: by a microsecond whenever somebody looks, so that loops which wait for it end; and
// to the next moment that the guest waits for, at once. A wait for a moment and for something else together
// is therefore over at once.
//
// Limits, deadlines and everything outside of wasi:clocks and wasi:random go by the machine's clock.
#pragma once

#include "capability/wasi.h"

typedef struct wasi_virtual wasi_virtual; // of one instance

wasi_virtual *wasi_virtual_new(const wasi_test_mode *mode);
void wasi_virtual_free(wasi_virtual *v); // accepts NULL
// NULL where the mode has none.
const wasi_clock *wasi_virtual_clock(const wasi_virtual *v);
const wasi_random *wasi_virtual_random(const wasi_virtual *v);

// The guest waits for a moment of its monotonic clock ...
void wasi_virtual_wait(wasi_virtual *v, uint64_t deadline_ns);
// ... and the earliest of those that it waits for has come.
void wasi_virtual_pass(wasi_virtual *v);
