// SPDX-License-Identifier: Apache-2.0
// What commands about a host in the background have in common: which host, and what it says to a change.
#pragma once

#include "api/control_place.h"
#include "cli/cli.h"
#include "cli/options.h"

#define CLI_OPTION_HOST(setter) \
    { "host", 0, "NAME", "the host in the background (" CONTROL_HOST_DEFAULT ")", setter }

// The setter of that option: set_host of a structure with a field `host`.
#define CLI_KEEP_HOST(type)                                           \
    static status set_host(void *target, const char *value, err *e) { \
        ((type *)target)->host = value;                               \
        return control_check_name(value, e);                          \
    }                                                                 \
    static status set_host(void *target, const char *value, err *e)

// "GET" without a body, else "POST".
status cli_host_ask(const char *host, const char *target, const json_value *body, json_value **ret,
                    err *e) WRIT_MUST_USE;
// The same for a change that needs new workers: shows on standard error what the host said about it, and
// gives the exit code that the next generation had.
status cli_host_change(const char *host, const char *target, const json_value *body, int *ret_exit,
                       err *e) WRIT_MUST_USE;
// `writ get`: a table of "workloads", "links" and so on, or all of it as JSON. Gives the exit code.
int cli_host_show(const char *host, const char *what, cli_output output);
