// SPDX-License-Identifier: Apache-2.0
// Assertions that stay on in release builds. For our own mistakes only: what comes from outside is checked
// and answered with a status, never asserted.
#pragma once

#include "base/attributes.h"

_Noreturn void check_failed(const char *condition, const char *file, int line);

#define CHECK(condition)                                  \
    do {                                                  \
        if (WRIT_UNLIKELY(!(condition))) {                \
            check_failed(#condition, __FILE__, __LINE__); \
        }                                                 \
    } while (0)
