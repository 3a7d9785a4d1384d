// SPDX-License-Identifier: Apache-2.0
// The thread that raises the epoch of an engine once per tick while guest code runs. It sleeps without a
// timer when no guest has run for a while, so an idle host does not wake up.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/err.h"

typedef struct ticker ticker;

// Calls `tick(context)` from a thread of its own.
status ticker_new(uint64_t tick_ns, void (*tick)(void *context), void *context, ticker **ret,
                  err *e) WRIT_MUST_USE;
// Waits for the thread to end: at most a tick.
void ticker_free(ticker *t);

// Around every stretch of guest code, from any thread.
void ticker_enter(ticker *t);
void ticker_leave(ticker *t);
