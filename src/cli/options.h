// SPDX-License-Identifier: Apache-2.0
// Command-line options from one table per command: parsing, --help and error messages come from the same
// rows.
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

typedef struct cli_option cli_option;

// Takes one occurrence of an option. `value` is NULL for switches; `target` is the command's own structure.
typedef status (*cli_setter)(void *target, const char *value, err *e);

// Setters that only keep what they are given: CLI_KEEP_TEXT(set_out, sign_request, out) makes `set_out`,
// which puts the value into the field `out` of a sign_request. CLI_TURN_ON is for switches, CLI_KEEP_OUTPUT
// for `-o` (cli/cli.h).
#define CLI_KEEP_TEXT(setter, type, field)                                      \
    static status setter(void *target, const char *value, WRIT_UNUSED err *e) { \
        ((type *)target)->field = value;                                        \
        return STATUS_OK;                                                       \
    }                                                                           \
    static status setter(void *target, const char *value, err *e)
#define CLI_TURN_ON(setter, type, field)                                                    \
    static status setter(void *target, WRIT_UNUSED const char *value, WRIT_UNUSED err *e) { \
        ((type *)target)->field = true;                                                     \
        return STATUS_OK;                                                                   \
    }                                                                                       \
    static status setter(void *target, const char *value, err *e)
#define CLI_KEEP_OUTPUT(setter, type, field)                         \
    static status setter(void *target, const char *value, err *e) {  \
        return cli_parse_output(value, &((type *)target)->field, e); \
    }                                                                \
    static status setter(void *target, const char *value, err *e)

struct cli_option {
    const char *name;  // long form without dashes
    char letter;       // short form, or 0
    const char *value; // label of its value in help; NULL for a switch
    const char *help;  // one line; a default in parentheses at the end
    cli_setter set;
};

// Rows that many commands have.
#define CLI_OPTION_OUTPUT(setter) \
    { "output", 'o', "text|json", "format (text)", setter }
#define CLI_OPTION_TRUST(setter) \
    { "trust", 0, "FILE", "the trust store (trust.json in $WRIT_HOME or ~/.config/writ)", setter }
#define CLI_OPTION_KEYS(setter) \
    { "keys", 0, "DIR", "the directory of keys (keys in $WRIT_HOME or ~/.config/writ)", setter }
#define CLI_OPTION_PASSPHRASE_FILE(setter) \
    { "passphrase-file", 0, "FILE", "the passphrase of the issuer's key, else asked for", setter }

typedef struct cli_command {
    const char *name;
    const char *usage;   // after "writ NAME"
    const char *summary; // one line
    const char *details; // paragraphs, or NULL
    const cli_option *options;
    size_t option_count;
    const cli_option *shared; // rows that other commands have too, after those of its own; or NULL
    size_t shared_count;
    const char *examples; // lines ready to print
    size_t operands_min;
    size_t operands_max;
    // Where operands are: taken in order; the rest after "--" (or after the operands when rest_follows) is
    // `rest`.
    cli_setter operand;
    cli_setter rest; // NULL when nothing may follow "--"
} cli_command;

// Parses all arguments and calls the setters; collects every error into one message. STATUS_CANCELLED without
// a message when --help was printed.
status cli_parse(const cli_command *command, int argc, char **argv, void *target, err *e) WRIT_MUST_USE;

void cli_print_help(const cli_command *command, FILE *out);

// "64M", "1.5G", "4096", "10k": bytes, with 1024-based units.
status cli_parse_size(const char *text, uint64_t *ret_bytes, err *e) WRIT_MUST_USE;
// "250ms", "10s", "2m", "1h": nanoseconds.
status cli_parse_duration(const char *text, uint64_t *ret_ns, err *e) WRIT_MUST_USE;
// A decimal number from `min` to `max`.
status cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret, err *e) WRIT_MUST_USE;
// "90d", "12h", "2w", "1y" (365 days), also "30m" and "45s": seconds.
status cli_parse_span(const char *text, uint64_t *ret_s, err *e) WRIT_MUST_USE;
// "2027-01-31" or "2027-01-31T12:00:00Z" (codec/date.h), or a span from `now_s` on: seconds since 1970.
status cli_parse_date_or_span(const char *text, uint64_t now_s, uint64_t *ret_s, err *e) WRIT_MUST_USE;
