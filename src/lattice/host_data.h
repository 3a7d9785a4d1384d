// SPDX-License-Identifier: Apache-2.0
// What a host tells a capability provider of 1.x: everything it starts with, on its standard input, and
// later its links and its configuration. Writers of the JSON that such providers parse; pure.
//
// Order of members, names and what is left out when it is not there are those of 1.9.2; members of maps come
// in the order that they are given in.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "identity/nkey.h"

enum {
    HOST_DATA_BYTES_MAX = 16 << 20, // of the JSON
};

typedef struct host_data_value {
    slice name;
    slice value;
} host_data_value;

typedef struct host_data_values {
    const host_data_value *items;
    size_t count;
} host_data_values;

typedef struct host_data_secret {
    slice name;
    slice value;
    bool is_bytes; // else text
} host_data_secret;

typedef struct host_data_secrets {
    const host_data_secret *items;
    size_t count;
} host_data_secrets;

// A link with the values of its configuration.
typedef struct host_data_link {
    slice source_id;
    slice target;
    slice name; // "default"
    slice wit_namespace;
    slice wit_package;
    const slice *interfaces;
    size_t interface_count;
    host_data_values source_config;
    host_data_values target_config;
    host_data_secrets source_secrets; // in the clear; sealed as they are written
    host_data_secrets target_secrets;
} host_data_link;

typedef struct host_data_otel {
    bool is_enabled;
    const bool *traces, *metrics, *logs;                              // NULL = as is_enabled says
    slice endpoint, traces_endpoint, metrics_endpoint, logs_endpoint; // empty = not there
    bool is_grpc;
    const slice *ca_paths;
    size_t ca_path_count;
    slice trace_level; // empty = info
} host_data_otel;

typedef struct host_data {
    slice host_id;
    slice lattice;
    slice jwt, seed; // of the user with which it connects; empty = none
    slice url;       // nats://127.0.0.1:4222
    slice provider_id;
    slice instance_id; // a UUID
    const host_data_link *links;
    size_t link_count;
    host_data_values config;
    host_data_secrets secrets;
    const nkey *host_xkey;     // curve keys: links' secrets are sealed from the host's
    const nkey *provider_xkey; // to the provider's, whose seed it is told
    uint64_t rpc_timeout_ms;
    slice log_level; // empty = info
    bool structured_logging;
    host_data_otel otel;
} host_data;

// Appends the JSON. It holds seeds and secrets: the caller wipes it. STATUS_LIMIT, STATUS_INVALID.
status host_data_write(const host_data *d, buf *ret, err *e) WRIT_MUST_USE;
// Appends the line for standard input: base64 of the JSON, "\r\n".
status host_data_write_line(const host_data *d, buf *ret, err *e) WRIT_MUST_USE;

// A link as linkdefs.put has it, its secrets sealed for the provider. Without `host_xkey` they are left out.
status host_data_write_link(const host_data_link *l, const nkey *host_xkey, const nkey_public *provider_xkey,
                            buf *ret, err *e) WRIT_MUST_USE;
// As linkdefs.del has it: without configuration.
status host_data_write_link_end(const host_data_link *l, buf *ret, err *e) WRIT_MUST_USE;
// As config.update has it.
status host_data_write_values(const host_data_values *v, buf *ret, err *e) WRIT_MUST_USE;
