// SPDX-License-Identifier: Apache-2.0
// The log of a host for a collector of OpenTelemetry: records go in batches over HTTP, in the JSON encoding.
// Source: OpenTelemetry protocol (OTLP) 1.x, sections OTLP/HTTP and "JSON Protobuf encoding"; the data model
// of logs.
//
// A workload is a service (service.name); what the host says of itself has the host's name. The log on
// standard error stays as it is. A collector that is slow or gone costs nobody anything: what the queue does
// not hold is dropped, counted, and the count is logged.
//
// Runs on the supervisor's loop, with connections of the host's own. The collector is named by the operator;
// of its answers only the status counts.
#pragma once

#include "host/host.h"
#include "loop/loop.h"

typedef struct otlp otlp;

enum {
    OTLP_RECORDS_MAX = 8192, // that wait
    OTLP_BYTES_MAX = 8 << 20,
    OTLP_BATCH_RECORDS_MAX = 512,
    OTLP_BATCH_BYTES_MAX = 2 << 20,
};

typedef struct otlp_endpoint {
    bool is_https;
    char authority[280]; // "127.0.0.1:4318"
    char path[256];      // "/v1/logs"
} otlp_endpoint;

// "http://HOST:PORT" or "https://HOST:PORT/BASE", to which /v1/logs is added.
status otlp_endpoint_parse(slice text, otlp_endpoint *ret, err *e) WRIT_MUST_USE;

// Taps the log of the host from now on. `s` is borrowed; `ca_file` as --ca-file, may be NULL.
status otlp_new(loop *l, const otlp_endpoint *to, const char *ca_file, const host_status *s, otlp **ret,
                err *e) WRIT_MUST_USE;
// Sends what waits, for at most two seconds. Accepts NULL.
void otlp_free(otlp *o);
