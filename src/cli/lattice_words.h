// SPDX-License-Identifier: Apache-2.0
// What commands put into requests to a lattice: lists of words and of NAME=VALUE that options gave, and the
// answers to changes.
#pragma once

#include "cli/lattice.h"

enum { CLI_WORDS_MAX = 256 };

typedef struct cli_words { // borrowed from the command line
    size_t count;
    const char *items[CLI_WORDS_MAX];
} cli_words;

status cli_words_add(cli_words *w, const char *word, err *e) WRIT_MUST_USE;
status cli_pairs_add(cli_words *w, const char *pair,
                     err *e) WRIT_MUST_USE; // STATUS_INVALID unless NAME=VALUE

json_value *cli_words_json(const cli_words *w);
json_value *cli_pairs_json(const cli_words *w); // the last of a name counts

// Setters: CLI_ADD_WORD(set_config, start_args, configs) and so on.
#define CLI_ADD_WORD(setter, type, field)                           \
    static status setter(void *target, const char *value, err *e) { \
        return cli_words_add(&((type *)target)->field, value, e);   \
    }                                                               \
    static status setter(void *target, const char *value, err *e)
#define CLI_ADD_PAIR(setter, type, field)                           \
    static status setter(void *target, const char *value, err *e) { \
        return cli_pairs_add(&((type *)target)->field, value, e);   \
    }                                                               \
    static status setter(void *target, const char *value, err *e)

// "OBJECT: WHAT", or, when the command has ended, {"changes": [{"object": ..., "result": ...}]} with `more`
// in it (may be NULL; taken).
void cli_tell(cli_lattice_args *a, const char *object, const char *what, json_value *more);

// --- what becomes of a change ------------------------------------------------------------------------------

// A host says yes to a change before it has done it. What became of it is told by an event about `id` on
// `host`: one of `done` or of `failed`.
typedef struct cli_outcome {
    const char *done;
    const char *failed; // "" = there is no such event
    const char *member; // of the event's data, that names `id`; NULL = it is about the host
    slice id;
    char host[64];
    int64_t instances; // `max_instances` of the event; -1 = any
    // the rest is not the caller's
    loop *loop;
    lattice_events events;
    bool is_known;
    char failure[512];
} cli_outcome;

status cli_outcome_listen(cli_outcome *o, cli_lattice *l,
                          err *e) WRIT_MUST_USE; // before the change is asked for
// STATUS_CANCELLED when it failed, with the reason; STATUS_TIMEOUT when nothing is known by then.
status cli_outcome_wait(cli_outcome *o, cli_lattice *l, uint64_t time_ns, err *e) WRIT_MUST_USE;
void cli_outcome_done(cli_outcome *o); // accepts one that never listened

// Stops a host and tells so. `grace_ns` 0 = what it gives by itself; `wait_ns` 0 = only until it has
// accepted.
status cli_lattice_stop_host(cli_lattice *l, cli_lattice_args *a, slice host, uint64_t grace_ns,
                             uint64_t wait_ns, err *e) WRIT_MUST_USE;
