// SPDX-License-Identifier: Apache-2.0
// The greeting (driver/provider/greeting.h) on a connected socket, by either end. Not a byte behind it is
// read. Everything on the thread of the loop; callbacks come from the loop only.
#pragma once

#include "driver/provider/greeting.h"
#include "loop/loop.h"

typedef struct greeter greeter;

enum { GREETER_MS_MAX = 5000 };

// STATUS_OK with the socket, which is the receiver's to close. Else `fd` is -1 and `e` says why:
// STATUS_DENIED (another key), STATUS_INVALID (no greeting), STATUS_CLOSED, STATUS_TIMEOUT, STATUS_IO. The
// greeter is gone then.
typedef void (*greeter_ended)(void *arg, status code, int fd, const err *e);

// Takes `fd` over, also on failure; `key` is borrowed until the end.
status greeter_start(loop *l, int fd, greeting_side side, slice key, greeter_ended ended, void *arg,
                     greeter **ret, err *e) WRIT_MUST_USE;
// `ended` will not be called; closes the socket. Accepts NULL.
void greeter_cancel(greeter *g);
