// SPDX-License-Identifier: Apache-2.0
// Options about the host as a whole, which every command that starts one has. The structure of such a command
// begins with its host_config.
#pragma once

#include "cli/options.h"

status cli_set_workers(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_trust(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_settings(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_data(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_cache(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_ca_file(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_proxy(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_proxy_login(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_add_no_proxy(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_drain(void *target, const char *value, err *e) WRIT_MUST_USE;
status cli_set_verbose(void *target, const char *value, err *e) WRIT_MUST_USE;

#define CLI_OPTION_WORKERS \
    { "workers", 'w', "N", "worker processes; 0 runs all in one process (one per core)", cli_set_workers }
#define CLI_OPTION_SETTINGS                                                                         \
    {                                                                                               \
        "config", 0, "FILE", "settings that make this host stricter than /etc/writ/host.conf does", \
            cli_set_settings                                                                        \
    }
#define CLI_OPTION_DATA \
    { "data", 0, "DIR", "where drivers keep their files (the user's data directory)", cli_set_data }
#define CLI_OPTION_CACHE \
    { "cache", 0, "DIR", "where compiled code is kept (the user's cache directory)", cli_set_cache }
#define CLI_OPTION_CA_FILE \
    { "ca-file", 0, "FILE", "more certificate authorities for outgoing TLS (PEM)", cli_set_ca_file }
#define CLI_OPTIONS_PROXY                                                                                \
    {"proxy", 0, "HOST:PORT", "send outgoing HTTP through this HTTP proxy (CONNECT)", cli_set_proxy},    \
        {"proxy-login", 0, "FILE", "USER:PASSWORD for it, in a file that nobody else can read",          \
         cli_set_proxy_login},                                                                           \
    {                                                                                                    \
        "no-proxy", 0, "HOST[:PORT]", "connect to a host, *.DOMAIN or CIDR without it", cli_add_no_proxy \
    }
#define CLI_OPTION_DRAIN \
    { "drain", 0, "DURATION", "what running requests get after SIGTERM (10s)", cli_set_drain }
#define CLI_OPTION_VERBOSE \
    { "verbose", 'v', NULL, "log the phases of the start and every request", cli_set_verbose }
