// SPDX-License-Identifier: Apache-2.0
// Parts of `writ token` among themselves.
#pragma once

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/token_file.h"
#include "identity/token.h"

int cli_token_create(int argc, char **argv);
int cli_token_inspect(int argc, char **argv);
