// SPDX-License-Identifier: Apache-2.0
// A NATS server of the test's own: loopback, a free port, a directory of its own, ended by its process id.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct nats_process {
    pid_t pid;
    uint16_t port; // kept over restarts
    char directory[64];
    const char *program; // NULL = nats-server of the path; stays over restarts
} nats_process;

uint16_t nats_free_port(void);
// With more text for its configuration file (may be NULL), in which %s stands for its directory. JetStream is
// on. NULL, or why it cannot be had.
const char *nats_process_start(nats_process *p, const char *config);
void nats_process_signal(const nats_process *p, int number);
void nats_process_kill(nats_process *p); // at once, as a crash; its files stay
void nats_process_stop(nats_process *p); // and its directory; idempotent
