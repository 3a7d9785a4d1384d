// SPDX-License-Identifier: Apache-2.0
// What the commands of writ audit share.
#pragma once

#include "audit/reader.h"
#include "cli/cli.h"
#include "cli/options.h"

#define CLI_AUDIT_KEY "host" // the stored key that signs, where none is named
enum { CLI_AUDIT_KINDS_MAX = 32, CLI_AUDIT_WAIT_MS = 5000 };

typedef struct audit_request {
    const char *file;
    const char *text; // of a note
    const char *key;  // a public key or the name of a stored one; NULL: CLI_AUDIT_KEY
    const char *keys_dir;
    const char *passphrase_file;
    const char *kinds[CLI_AUDIT_KINDS_MAX]; // whole, or what stands before the dot
    size_t kind_count;
    const char *about;
    uint64_t since_ms;
    uint64_t until_ms; // 0: no end
    audit_mark anchor;
    bool has_anchor;
    bool keeps_going;
    bool is_csv;
    cli_output output;
} audit_request;

typedef status (*audit_act)(const audit_request *r, err *e);
int audit_run(const cli_command *command, int argc, char **argv, audit_act act);

status audit_set_file(void *target, const char *value, err *e);
status audit_set_key(void *target, const char *value, err *e);
status audit_set_keys(void *target, const char *value, err *e);
status audit_set_anchor(void *target, const char *value, err *e);
status audit_set_output(void *target, const char *value, err *e);
#define AUDIT_OPTION_KEY                                                                                 \
    {                                                                                                    \
        "key", 0, "KEY", "the public key of the host that wrote it, or the name of a stored key (host)", \
            audit_set_key                                                                                \
    }
#define AUDIT_OPTION_ANCHOR                                                                                 \
    {                                                                                                       \
        "anchor", 0, "SEQ:HASH", "a place that was noted before: it must be in the log, or just before it", \
            audit_set_anchor                                                                                \
    }

// The public key that must have signed. STATUS_NOT_FOUND without one.
status audit_signer(const audit_request *r, nkey_public *ret, err *e) WRIT_MUST_USE;
// "audit.log line 7 (number 7): signature: ...", and what the command fails with.
status audit_tell_fault(const audit_fault *f, err *e);

int audit_show_main(int argc, char **argv);
int audit_export_main(int argc, char **argv);
