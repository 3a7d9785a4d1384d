// SPDX-License-Identifier: Apache-2.0
// The other end of a host's socket (api/control.h), for commands: one call at a time, which waits.
#pragma once

#include "base/buf.h"
#include "codec/json.h"

typedef struct control_call {
    const char *host;       // its name
    const char *method;     // "GET", "POST"
    const char *target;     // "/v1/status"
    const json_value *body; // borrowed; or NULL
    // Pieces of the answer as they come; false ends the call. NULL = the answer is wanted as a whole.
    bool (*on_bytes)(void *arg, slice bytes);
    void *arg;
} control_call;

// STATUS_NOT_FOUND when no such host runs, STATUS_CLOSED when it went away. `ret_code` is the answer's;
// `ret_document` (without on_bytes) is the caller's to free. What the host refuses is a failure here, with
// its words, unless the answer says what became of a change ("taken").
status control_client_call(const control_call *c, json_value **ret_document, err *e) WRIT_MUST_USE;
