// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "test/types_shared.h"

struct test_types_shared_thing {
    uint32_t value;
};

test_types_shared_thing *thing_new(uint32_t value);
