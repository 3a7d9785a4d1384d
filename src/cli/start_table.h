// SPDX-License-Identifier: Apache-2.0
// What a person sees at the start: each import, its state, why; and what to add when it is refused.
#pragma once

#include <stdio.h>

#include "cli/cli.h"
#include "host/host.h"

// One row per import to `out`.
void start_table_print(const grants *decisions, FILE *out);

// As rows of a JSON array, for inspect and for `-o json`.
json_value *start_table_json(const grants *decisions);

// The same for its writ.
json_value *start_table_writ_json(const vetting *v);

// writ run --suggest-grants: prints the options to stdout.
status start_table_suggest(const workload_config *config, cli_output output, err *e) WRIT_MUST_USE;

// Where metrics are served; `what` is the name of the event.
void start_table_metrics(const char *what, const char *address, uint16_t port, cli_output output);

host_observer start_table_observer(cli_output *output);
