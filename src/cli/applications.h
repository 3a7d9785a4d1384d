// SPDX-License-Identifier: Apache-2.0
// From files with manifests to a configuration, for every command that works on applications.
#pragma once

#include "cli/cli.h"
#include "host/config.h"

typedef struct applications_input {
    const char *const *files;
    size_t file_count;
    bool is_listener_fixed; // addresses in manifests do not count
    bool is_unsigned;       // of all workloads
    cli_output output;
} applications_input;

// Adds the workloads and rules of all manifests to `config`; what is wrong with any of them goes to stderr,
// all of it. STATUS_INVALID when there was an error: the configuration is of no use then.
status cli_applications_read(const applications_input *a, host_config *config, err *e) WRIT_MUST_USE;
