// SPDX-License-Identifier: Apache-2.0
// From manifests to a configuration, for every command that works on applications.
#pragma once

#include "api/plan.h"
#include "cli/cli.h"

typedef struct applications_input {
    plan *plan;             // whose applications; gets their texts where it has none, and their names
    bool is_listener_fixed; // addresses in manifests do not count
    cli_output output;
} applications_input;

// Adds the workloads and rules of all manifests to `config`, with what was changed by hand; what is wrong
// with any of them goes to stderr, all of it. STATUS_INVALID when there was an error: the configuration is of
// no use then. A manifest that is new takes the place of an older one in another file that has the name of
// its application.
status cli_applications_read(const applications_input *a, host_config *config, err *e) WRIT_MUST_USE;
// A plan of files as they were named.
status cli_applications_of(const char *const *files, size_t count, bool is_unsigned, plan *ret,
                           err *e) WRIT_MUST_USE;
