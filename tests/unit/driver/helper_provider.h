// SPDX-License-Identifier: Apache-2.0
// A provider in a process of its own, with drivers that need no server, on a
// port of loopback that stays when it is killed. Failures stop the program.
#pragma once

#include <sys/types.h>

#include "unit/driver/helper_keyvalue.h"

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

// A link to it. One at a time with credentials, which are kept here.
status provider_process_open(const provider_process *s, kv *k, const char *driver_name,
                             const driver_values *settings, const driver_values *credentials, err *e);
