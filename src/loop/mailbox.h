// SPDX-License-Identifier: Apache-2.0
// Messages from other threads to a loop: a bounded queue of pointers. Posting is the only thing that other
// threads may do with a loop; callbacks that arrive on a library's own threads do only that.
#pragma once

#include <stddef.h>

#include "loop/loop.h"

typedef struct loop_mailbox loop_mailbox;

// Called on the loop's thread for each message, in the order of posting; the message is the receiver's from
// then on.
typedef void (*loop_mailbox_callback)(void *arg, void *message);

enum { LOOP_MAILBOX_MESSAGES_MAX = 1 << 16 };

status loop_mailbox_new(loop *l, size_t messages_max, loop_mailbox_callback fn, void *arg, loop_mailbox **ret,
                        err *e) WRIT_MUST_USE;
// On the loop's thread, when nobody posts any more. Messages not yet delivered go to `discard` (may be NULL).
void loop_mailbox_free(loop_mailbox *m, void (*discard)(void *message)); // accepts NULL

// From any thread. False when it is full: the message stays the caller's.
bool loop_mailbox_post(loop_mailbox *m, void *message) WRIT_MUST_USE;
