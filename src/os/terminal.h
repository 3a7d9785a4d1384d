// SPDX-License-Identifier: Apache-2.0
// Asking a person for something that must not be seen.
#pragma once

#include <stdbool.h>

#include <stddef.h>

#include "base/attributes.h"
#include "base/err.h"

// Prints `prompt` on the terminal of this process (not on standard output) and reads a line without showing
// it, without its line feed. STATUS_NOT_FOUND without a terminal, STATUS_CANCELLED when the person gave up
// (^C, ^D, hang-up), STATUS_LIMIT when the line is longer than `size`. On failure nothing readable is left in
// `bytes`.
status terminal_read_hidden(const char *prompt, void *bytes, size_t size, size_t *ret_len,
                            err *e) WRIT_MUST_USE;

// Whether this process has a controlling terminal (now: it goes when its window is closed).
bool terminal_is_there(void);
