// SPDX-License-Identifier: Apache-2.0
// Runs a component that exports wasi:cli/run, once.
#pragma once

#include "host/guest.h"

typedef struct command command;

// `exit_status`: 0 when `run` returned ok, 1 when it returned an error, its own after wasi:cli/exit; as for
// shells, 134 after a trap and 124 when its time was over.
typedef void (*command_ended)(void *context, uint8_t exit_status);

enum { COMMAND_EXIT_TRAP = 134, COMMAND_EXIT_TIMEOUT = 124 };

// Starts it on the loop; `ended` is called once, from the loop or from here.
status command_start(const guest_place *place, command_ended ended, void *context, command **ret,
                     err *e) WRIT_MUST_USE;
void command_free(command *c); // accepts NULL; cancels it
