// SPDX-License-Identifier: Apache-2.0
// An S3 server of the test's own (versitygw): loopback, a free port, a directory of its own, ended by its
// process id.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define S3_TEST_ID "tests-access-key"
#define S3_TEST_SECRET "tests-secret-key"

typedef struct s3_process {
    pid_t pid;
    uint16_t port; // kept over restarts
    char directory[64];
} s3_process;

// NULL, or why it cannot be had. With a certificate's files it speaks TLS.
const char *s3_process_start(s3_process *p, const char *certificate, const char *key);
void s3_process_kill(s3_process *p); // its data stays
void s3_process_stop(s3_process *p); // and its directory; idempotent
