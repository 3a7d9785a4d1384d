// SPDX-License-Identifier: Apache-2.0
// Where a user's files are: $WRIT_HOME, else $XDG_CONFIG_HOME/writ, else ~/.config/writ.
#pragma once

#include "base/buf.h"
#include "base/err.h"

// The path of `name` ("keys", "trust.json") in that directory, NUL-terminated, in an empty buffer. Makes
// nothing.
status cli_place(const char *name, buf *ret, err *e) WRIT_MUST_USE;

// Fills the path of the user's own trust store where none was named. A user without a home has none, and
// believes nobody.
void cli_default_trust(char **path);
