// SPDX-License-Identifier: Apache-2.0
// Signals of the process as events of the loop. The callback runs as any other; it may do anything.
#pragma once

#include "loop/loop.h"

typedef struct loop_signal loop_signal;

status loop_signal_new(loop *l, int number, loop_callback fn, void *arg, loop_signal **ret,
                       err *e) WRIT_MUST_USE;
void loop_signal_free(loop_signal *s); // accepts NULL; from the callback too
