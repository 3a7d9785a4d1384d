// SPDX-License-Identifier: Apache-2.0
// GET /metrics: a text of metrics, in the format of Prometheus, or of OpenMetrics 1.0 for a client that
// accepts it. Read-only.
//
// Its clients are bounded in number, time and bytes by net/http_server.h, and an answer is made at once from
// counters: what the process does otherwise does not wait for it.
#pragma once

#include "api/metrics_text.h"
#include "base/err.h"
#include "loop/loop.h"

typedef struct metrics_server metrics_server;

typedef struct metrics_source {
    status (*write)(const void *arg, metrics_format format, buf *ret); // the text at this moment
    const void *arg;
} metrics_source;

// Serves connections of `listen_fd`, which stays the caller's. The source is copied, what it points at is
// borrowed.
status metrics_server_new(loop *l, int listen_fd, const metrics_source *source, metrics_server **ret,
                          err *e) WRIT_MUST_USE;
void metrics_server_free(metrics_server *m); // accepts NULL
