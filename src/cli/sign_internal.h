// SPDX-License-Identifier: Apache-2.0
// Parts of `writ sign` among themselves.
#pragma once

#include "cli/cli.h"
#include "cli/token_file.h"
#include "cli/validity.h"
#include "component/component.h"
#include "identity/allowance.h"
#include "identity/envelope.h"
#include "identity/token.h"

enum { SIGN_TAGS_MAX = TOKEN_LIST_MAX, SIGN_NAME_BYTES = 96 };

// What the command line asks for; texts are those of argv.
typedef struct sign_request {
    const char *path;
    const char *issuer;  // name or path of a key
    const char *subject; // the same, or a public key; NULL = chosen by sign_find_subject
    const char *keys_dir;
    const char *passphrase_file;
    const char *out;
    const char *detached;
    const char *stem; // names the subject where --subject does not; NULL = the name of the file
    bool in_place;
    bool force;
    cli_validity validity;
    const char *name;
    const char *version;
    const char *call_alias;
    bool has_revision;
    int32_t revision;
    slice tags[SIGN_TAGS_MAX];
    size_t tag_count;
    cli_chain chain;
    const char *caps[ALLOWANCE_ENTRIES_MAX];
    size_t cap_count;
    bool from_imports;
    bool no_allow_list;
    cli_output output;
} sign_request;

// The work in progress; everything borrows from `memory`, the request or the component's bytes.
typedef struct signing {
    const sign_request *request;
    const component *component;
    slice bytes; // of the component, as it was read
    envelope before;
    bool was_signed; // a token that can be read is inside
    token_claims old;
    char base_name[SIGN_NAME_BYTES]; // of the file, without ".wasm" and ".signed"
    nkey *issuer;
    nkey_public issuer_public;
    token_claims claims;
    char subject_key[SIGN_NAME_BYTES]; // name of the module key; empty when no key of the store was used
    bool subject_was_made;
    buf signed_bytes; // the canonical component, with the token unless it is detached
    buf token;
    char out_path[4096];
    arena memory;
} signing;

// sign.c: signs as the request says; `report` hears of the result while it is there.
status sign_component(const sign_request *r, void (*report)(void *context, const signing *s), void *context,
                      err *e) WRIT_MUST_USE;

// sign_claims.c: fills `claims` but for the hash.
status sign_fill_claims(signing *s, err *e) WRIT_MUST_USE;

// sign_report.c
void sign_report(const signing *s);
// A warning on stderr for each import that the allow-list does not cover; returns how many there are.
size_t sign_warn_of_imports(const signing *s);
