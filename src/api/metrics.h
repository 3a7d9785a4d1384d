// SPDX-License-Identifier: Apache-2.0
// The metrics of a running workload: what it is and does. They name no secrets, but issuers and workloads, so
// they listen on the loopback interface unless told otherwise (cli/run.c).
//
// Runs on the supervisor's loop.
#pragma once

#include "api/metrics_server.h"
#include "host/status.h"

// Serves connections of `listen_fd`, which stays the caller's. Everything is borrowed.
status metrics_new(loop *l, int listen_fd, const host_status *s, metrics_server **ret, err *e) WRIT_MUST_USE;

// The text at this moment.
status metrics_write(const host_status *s, metrics_format format, buf *ret) WRIT_MUST_USE;
