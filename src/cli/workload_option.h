// SPDX-License-Identifier: Apache-2.0
// Options about one component: what it is given, its limits, its links, its secrets. The structure of a
// command that has them begins with its host_config, made by workload_option_init.
#pragma once

#include "cli/options.h"
#include "host/config.h"

enum { WORKLOAD_OPTIONS = 23 };
extern const cli_option workload_options[WORKLOAD_OPTIONS];

// A host with one workload, which gets every request.
status workload_option_init(host_config *c, err *e) WRIT_MUST_USE;

// Operands: the file of the component, and what follows "--".
status workload_option_component(void *target, const char *value, err *e) WRIT_MUST_USE;
status workload_option_argument(void *target, const char *value, err *e) WRIT_MUST_USE;

// Where no option named it: "path/to/hello.wasm" and "path/to/hello.signed.wasm" are called "hello".
void workload_option_name(workload_config *c);
