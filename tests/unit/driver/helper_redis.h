// SPDX-License-Identifier: Apache-2.0
// A Redis server of the test's own: loopback, a free port, a directory of its own, ended by its process id.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct redis_process {
    pid_t pid;
    uint16_t port; // kept over restarts
    char directory[64];
} redis_process;

// With `options` (pairs of words for the command line, NULL at the end; may be NULL). NULL, or why it cannot
// be had.
const char *redis_process_start(redis_process *p, const char *const *options);
// A command on a connection of its own, with its line end; false without any reply.
bool redis_process_say(const redis_process *p, const char *command, char *ret, size_t size);
void redis_process_signal(const redis_process *p, int number);
void redis_process_kill(redis_process *p); // at once, as a crash; its data is gone
void redis_process_stop(redis_process *p); // and its directory; idempotent
