// SPDX-License-Identifier: Apache-2.0
// A provider in a process of its own, with the drivers of key-value and messaging that need no backend, on a
// port of loopback that stays when it is killed. Failures stop the program.
#pragma once

#include <sys/types.h>

#define PROVIDER_KEY "a key of the tests, 32 bytes...."

typedef struct provider_process {
    pid_t pid; // 0: none runs
    int listener;
    char address[24]; // as the setting `server`
} provider_process;

void provider_process_listen(provider_process *s);
void provider_process_start(provider_process *s); // after provider_process_listen, or a kill
void provider_process_kill(provider_process *s);
void provider_process_stop(provider_process *s); // and the port
