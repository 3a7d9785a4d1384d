// SPDX-License-Identifier: Apache-2.0
// Parts of `writ token` among themselves.
#pragma once

#include "cli/cli.h"
#include "cli/options.h"
#include "identity/token.h"

int cli_token_create(int argc, char **argv);
int cli_token_inspect(int argc, char **argv);

// Reads a file ("-" is standard input) that holds one token, and drops white space around it.
status cli_token_load(const char *path, buf *ret, err *e) WRIT_MUST_USE;
