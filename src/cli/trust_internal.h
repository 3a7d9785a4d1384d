// SPDX-License-Identifier: Apache-2.0
// What the commands of "writ trust" share.
#pragma once

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/token_file.h"
#include "identity/trust.h"

typedef struct trust_request {
    const char *operand;
    const char *trust; // path, or NULL
    const char *note;
    slice names[TRUST_NAMES_MAX];
    size_t name_count;
    allowance_entry caps[ALLOWANCE_ENTRIES_MAX];
    size_t cap_count;
    bool has_until;
    uint64_t until_s;
    bool ratchet;
    bool has_revision;
    uint64_t revision;
    // revoke
    token_revocation revocations[TOKEN_REVOCATIONS_MAX];
    size_t revocation_count;
    bool has_before;
    uint64_t before_s;
    const char *reason;
    const char *issuer;
    const char *keys;
    const char *passphrase_file;
    bool has_number;
    uint64_t number;
    const char *from;
    const char *out;

    cli_output output;
    uint64_t now_s;
    arena memory; // of what options hold
    buf path;     // of the store, once opened
} trust_request;

typedef status (*trust_step)(trust_request *r, err *e);
// Parses, checks (may be NULL) and acts.
int trust_command(const cli_command *command, int argc, char **argv, trust_step check, trust_step act);
status trust_open(trust_request *r, trust_store **ret, err *e) WRIT_MUST_USE;
status trust_save(trust_request *r, trust_store *s, err *e) WRIT_MUST_USE;
// A line of text for people, or a document with "trust" (the file) and these members.
void trust_report(const trust_request *r, json_value *document, const char *format, ...) WRIT_FORMAT(3, 4);

int trust_list_main(int argc, char **argv);
int trust_check_main(int argc, char **argv);
int trust_revoke_main(int argc, char **argv);
int trust_import_main(int argc, char **argv);
