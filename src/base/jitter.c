// SPDX-License-Identifier: Apache-2.0
#include "base/jitter.h"

uint64_t jitter_next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15; // splitmix64
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t jitter_wait(uint64_t *state, uint64_t max) { return max / 2 + jitter_next(state) % (max / 2 + 1); }
