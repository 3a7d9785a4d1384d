// SPDX-License-Identifier: Apache-2.0
// An error: a status and a sentence for people. Lives in the caller's frame: no heap, no thread-local.
//
// Functions take `err *err` as their last parameter; it may be NULL when the caller only wants the status. On
// failure a function fills it once, saying who, what, which rule and what to do; each caller that crosses a
// folder adds its context in front ("start hello.wasm: decode: type section at byte 17: ...").
#pragma once

#include <stdarg.h>

#include "base/attributes.h"
#include "base/status.h"

enum { ERR_MESSAGE_BYTES_MAX = 1024 };

typedef struct err {
    status code;
    char message[ERR_MESSAGE_BYTES_MAX]; // UTF-8, NUL-terminated, cut at the end when too long
} err;

// Fills `e` (when not NULL) and returns `code`, so that callers can write `return err_set(...)`.
status err_set(err *e, status code, const char *format, ...) WRIT_FORMAT(3, 4);

// Puts "context: " in front of the message, keeps the code and returns it. Never STATUS_OK: where somebody
// failed without filling `e`, or there is none, it is STATUS_INTERNAL, so that a failure stays one.
status err_wrap(err *e, const char *format, ...) WRIT_FORMAT(2, 3);

// Fills `e` with `what` and the text of the errno value `number`.
status err_set_errno(err *e, int number, const char *what);

void err_clear(err *e);
