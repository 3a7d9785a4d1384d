// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include "base/check.h"

const char *status_name(status code) {
    static const char *const names[] = {
        [STATUS_OK] = "ok",
        [STATUS_INVALID] = "invalid",
        [STATUS_UNSUPPORTED] = "unsupported",
        [STATUS_DENIED] = "denied",
        [STATUS_NOT_FOUND] = "not-found",
        [STATUS_EXISTS] = "exists",
        [STATUS_LIMIT] = "limit",
        [STATUS_TIMEOUT] = "timeout",
        [STATUS_CANCELLED] = "cancelled",
        [STATUS_CLOSED] = "closed",
        [STATUS_IO] = "io",
        [STATUS_TRAP] = "trap",
        [STATUS_INTERNAL] = "internal",
    };
    CHECK((unsigned)code < sizeof names / sizeof names[0]);
    return names[code];
}
