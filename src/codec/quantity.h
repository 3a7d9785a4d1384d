// SPDX-License-Identifier: Apache-2.0
// Sizes and spans of time as people write them. Each takes the whole text, and is false for anything else.
#pragma once

#include "base/attributes.h"
#include "base/slice.h"

// "64M", "1.5G", "4096", "10k": bytes, with 1024-based units.
bool quantity_size(slice text, uint64_t *ret_bytes) WRIT_MUST_USE;
// "250ms", "10s", "2m", "1h": nanoseconds.
bool quantity_duration(slice text, uint64_t *ret_ns) WRIT_MUST_USE;
// "90d", "12h", "2w", "1y" (365 days), also "30m" and "45s": seconds.
bool quantity_span(slice text, uint64_t *ret_s) WRIT_MUST_USE;
