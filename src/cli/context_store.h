// SPDX-License-Identifier: Apache-2.0
// Contexts: lattices by name, with how they are reached, in contexts.json of the user's own directory (mode
// 0600; cli/places.h). They name files that hold credentials and never hold one.
//
//   {"current": "prod", "contexts": {"prod": {"nats": "tls://nats.example:4222", "lattice": "shop"}}}
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "codec/json.h"

// What is needed to reach a lattice; the words are those of options and of contexts.json.
typedef enum cli_setting {
    CLI_NATS,      // servers of one cluster, with ',' between
    CLI_LATTICE,   // the name
    CLI_CREDS,     // a file: JWT and seed of a user
    CLI_SEED,      // a file: an nkey's seed
    CLI_TLS_CA,    // a file
    CLI_TLS_CERT,  // a file
    CLI_TLS_KEY,   // a file
    CLI_TLS_FIRST, // "true": before the server's greeting
    CLI_PREFIX,    // of the control interface
    CLI_TIMEOUT,
    CLI_SIGN_WITH, // a key of the store, or a file
    CLI_SETTINGS,  // how many there are
} cli_setting;

extern const char *const cli_setting_names[CLI_SETTINGS]; // "nats", ...
bool cli_setting_is_file(cli_setting s);

enum { CLI_CONTEXT_NAME_BYTES_MAX = 64, CLI_CONTEXTS_MAX = 256 };

status cli_context_name_check(const char *name, err *e) WRIT_MUST_USE; // letters, digits, '.', '_', '-'

// The whole file, checked; an empty document where there is none. The caller frees it.
status cli_contexts_load(json_value **ret, err *e) WRIT_MUST_USE;
// Of a document: the name that is in use, or empty; the settings of a context, or NULL.
slice cli_context_current(const json_value *document);
const json_value *cli_context_find(const json_value *document, slice name);

json_value *cli_context_copy(const json_value *context); // its settings

// Loads, changes and writes under a lock: `change` gets the document, and fills an empty one that is written
// in its place.
typedef status (*cli_contexts_change)(void *arg, const json_value *document, json_value *next, err *e);
status cli_contexts_update(cli_contexts_change change, void *arg, err *e) WRIT_MUST_USE;
// For `change`: puts `current` (empty = none) and all contexts but `left_out` (may be NULL) into `next`.
json_value *cli_contexts_copy(const json_value *document, slice current, const char *left_out,
                              json_value *next);
