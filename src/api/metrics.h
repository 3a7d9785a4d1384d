// SPDX-License-Identifier: Apache-2.0
// GET /metrics: what a running workload is and does, in the text format of Prometheus, or of OpenMetrics 1.0
// for a client that accepts it. Read-only; it knows no secrets, but names issuers and workloads, so it
// listens on the loopback interface unless told otherwise (cli/run.c).
//
// Runs on the supervisor's loop. Its clients are bounded in number, time and bytes by net/http_server.h, and
// an answer is made at once from counters: serving does not wait for it.
#pragma once

#include "host/status.h"
#include "loop/loop.h"

typedef struct metrics metrics;

// Serves connections of `listen_fd`, which stays the caller's. Everything is borrowed.
status metrics_new(loop *l, int listen_fd, const host_status *s, metrics **ret, err *e) WRIT_MUST_USE;
void metrics_free(metrics *m); // accepts NULL

typedef enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS } metrics_format;

// The text at this moment.
status metrics_write(const host_status *s, metrics_format format, buf *ret) WRIT_MUST_USE;
