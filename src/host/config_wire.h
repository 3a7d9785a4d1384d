// SPDX-License-Identifier: Apache-2.0
// The run configuration as bytes, for the memory file in which a worker gets it.
#pragma once

#include "host/config.h"

enum { CONFIG_WIRE_BYTES_MAX = 16 << 20 };

status config_wire_write(const host_config *c, buf *ret, err *e) WRIT_MUST_USE;
// Fills a configuration that the caller has initialised; host_config_done it in any case.
status config_wire_read(slice bytes, host_config *c, err *e) WRIT_MUST_USE;
