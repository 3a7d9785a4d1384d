// SPDX-License-Identifier: Apache-2.0
// Addresses to listen on, as options name them.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/err.h"

// "127.0.0.1:8000", "[::1]:0", "localhost:8000". Replaces the text at `ret_address`, which is allocated.
status cli_parse_endpoint(const char *value, char **ret_address, uint16_t *ret_port, err *e) WRIT_MUST_USE;
