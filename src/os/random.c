// SPDX-License-Identifier: Apache-2.0
#include "os/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

void random_fill(void *bytes, size_t len) {
    uint8_t *p = bytes;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0) {
            CHECK(errno == EINTR);
            continue;
        }
        p += n;
        len -= (size_t)n;
    }
}

uint64_t random_u64(void) {
    uint64_t value;
    random_fill(&value, sizeof value);
    return value;
}
