// SPDX-License-Identifier: Apache-2.0
// A copy of a command that goes on in the background once it says so, with the command waiting until then.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"

typedef struct background {
    int notice_fd; // in the copy: to the one who waits; -1 after background_ready
} background;

// True in `ret_is_copy` in the copy, which has a session of its own and neither standard input nor output.
// The other one waits: STATUS_OK with `ret_exit` of 0 when the copy is ready, else the copy's exit status.
// When it is interrupted, the copy is told to end.
status background_start(background *b, bool *ret_is_copy, int *ret_exit, err *e) WRIT_MUST_USE;
// In the copy: nobody waits any more, and its standard error is nobody's.
void background_ready(background *b);
