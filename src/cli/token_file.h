// SPDX-License-Identifier: Apache-2.0
// Tokens that a command line names by their files.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "identity/token.h"

// Reads a file ("-" is standard input) that holds one token, and drops white space around it. STATUS_INVALID
// when there is nothing else in it.
status cli_token_load(const char *path, buf *ret, err *e) WRIT_MUST_USE;

// What --chain names: the token of the issuer, then that of its issuer, and so on.
typedef struct cli_chain {
    size_t count;
    const char *paths[TOKEN_CHAIN_MAX];
} cli_chain;

#define CLI_OPTION_CHAIN(setter) \
    { "chain", 0, "FILE", "the token of the issuer, then that of its issuer; may be repeated", setter }

status cli_chain_add(cli_chain *c, const char *path, err *e) WRIT_MUST_USE;
// Puts the tokens into `claims`, whose issuer must be set. They are checked as whoever believes the claims
// will check them, so that a chain that does not fit is found where it can be mended.
status cli_chain_load(const cli_chain *c, arena *memory, token_claims *claims, err *e) WRIT_MUST_USE;
