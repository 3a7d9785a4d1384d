// SPDX-License-Identifier: Apache-2.0
// Numbers that should differ between instances, such as waits; not for secrets. The state is the caller's, so
// that a test with a fixed seed always goes the same way.
#pragma once

#include <stdint.h>

uint64_t jitter_next(uint64_t *state);
// From half of `max` to all of it: how long to wait before trying again, so that many do not come at once.
uint64_t jitter_wait(uint64_t *state, uint64_t max);
