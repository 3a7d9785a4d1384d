// SPDX-License-Identifier: Apache-2.0
// A lattice as commands use it: opened with what options say, asked, and waited for. Each function returns
// when its answer is there or its time is over; nothing goes on in between.
#pragma once

#include "cli/lattice_option.h"
#include "lattice/client.h"

typedef struct cli_lattice cli_lattice;

// Resolves the options and connects. STATUS_IO when nobody can be reached within the time of --timeout.
status cli_lattice_open(cli_lattice_args *a, cli_lattice **ret, err *e) WRIT_MUST_USE;
void cli_lattice_close(cli_lattice *l); // accepts NULL
const char *cli_lattice_name(const cli_lattice *l);
uint64_t cli_lattice_timeout_ns(const cli_lattice *l);
bus *cli_lattice_bus(cli_lattice *l);
loop *cli_lattice_loop(cli_lattice *l);
lattice_client *cli_lattice_client(cli_lattice *l);

// Parses a command line and runs it on an open lattice: the exit code. `run` fills in what it found and
// prints. The structure behind `a` begins with it.
typedef status (*cli_lattice_run)(void *target, cli_lattice *l, err *e);
int cli_lattice_command(const cli_command *command, int argc, char **argv, cli_lattice_args *a,
                        cli_lattice_run run);
// The same behind the parsing of options.
int cli_lattice_run_with(cli_lattice_args *a, cli_lattice_run run);

typedef struct cli_answer {
    json_value *response; // NULL = none; the caller's
    uint64_t next;        // of a list in pages (lattice/client.h)
    char message[512];    // what the host says, perhaps nothing; printable
} cli_answer;

// One request (lattice/client.h). STATUS_CANCELLED when the host says no, with its words; STATUS_NOT_FOUND
// when nobody listens; STATUS_TIMEOUT. `ret` may be NULL.
status cli_lattice_ask(cli_lattice *l, const char *command, slice object, const json_value *body,
                       cli_answer *ret, err *e) WRIT_MUST_USE;
// A list that may be long, "link.get" or "claims.get": as many requests as it takes.
status cli_lattice_list(cli_lattice *l, const char *command, json_value **ret, err *e) WRIT_MUST_USE;
// The responses of all that answer, as an array; empty when nobody does. `max` 0 = all.
status cli_lattice_gather(cli_lattice *l, const char *command, const json_value *body, size_t max,
                          json_value **ret, err *e) WRIT_MUST_USE;

// Runs the loop until `is_done`, whose setter calls loop_stop, or the time is over: STATUS_TIMEOUT without a
// message.
status cli_lattice_wait(cli_lattice *l, const bool *is_done, uint64_t time_ns);

// --- hosts -------------------------------------------------------------------------------------------------

// All that answer, each once; answers of what cannot be a host are passed over, which is told.
status cli_lattice_hosts(cli_lattice *l, json_value **ret, err *e) WRIT_MUST_USE;
// The host that `text` means: a key, the beginning of one (8 characters or more), or a friendly name. `hosts`
// is what host.ping gave; the result is one of it. STATUS_NOT_FOUND, STATUS_INVALID when it means several.
status cli_find_host(const json_value *hosts, const char *text, const json_value **ret, err *e) WRIT_MUST_USE;
slice cli_host_id(const json_value *host);
// Asks for all hosts, then one of them. The caller frees `*ret_hosts`.
status cli_lattice_host(cli_lattice *l, const char *text, json_value **ret_hosts, const json_value **ret,
                        err *e) WRIT_MUST_USE;
// What runs on a host. The caller frees it.
status cli_lattice_inventory(cli_lattice *l, slice host, json_value **ret, err *e) WRIT_MUST_USE;
// The same of all hosts as an array, or of the one that `host` means.
status cli_lattice_inventories(cli_lattice *l, const char *host, json_value **ret, err *e) WRIT_MUST_USE;

// Where something runs: `member` is "components" or "providers". `host` NULL = anywhere.
enum { CLI_RUNNING_MAX = 1024 };
typedef struct cli_running {
    json_value *inventories;
    size_t count; // at least one
    struct {
        slice host;
        const json_value *item;    // of that member
        bool tells_config;         // the host says which configurations components have
        const json_value *configs; // their names; NULL = none
    } items[CLI_RUNNING_MAX];
} cli_running;
// STATUS_NOT_FOUND when it does not run. The caller frees it with cli_running_done.
status cli_running_find(cli_lattice *l, const char *member, const char *id, const char *host,
                        cli_running *ret, err *e) WRIT_MUST_USE;
void cli_running_done(cli_running *r);
