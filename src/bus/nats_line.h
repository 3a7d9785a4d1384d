// SPDX-License-Identifier: Apache-2.0
// Lines of NATS's protocol, of either end. Pure; reads hostile bytes (fuzz/fuzz_nats.c, fuzz/fuzz_door.c).
#pragma once

#include "base/attributes.h"
#include "base/slice.h"
#include "base/status.h"

// The first line without its end, and where the next begins. STATUS_NOT_FOUND: it has not come as a whole;
// STATUS_LIMIT: it does not end within `bytes_max`; STATUS_INVALID: it holds a NUL.
status nats_line_take(slice bytes, size_t bytes_max, slice *ret, size_t *ret_next) WRIT_MUST_USE;
// Whether the first word is `name` in any case of letters, and what follows it.
bool nats_line_is(slice line, const char *name, slice *ret_rest);
// The words of a line, at most `max`.
size_t nats_line_split(slice line, slice *ret_words, size_t max);
