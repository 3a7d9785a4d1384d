// SPDX-License-Identifier: Apache-2.0
// Words of a command line that a message tells people to type (POSIX shell, 2.2.2 "Single-Quotes").
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/slice.h"

// Appends `word` as it is, or in quotes where a shell would read it otherwise. STATUS_LIMIT when `to` is
// full.
status shell_word_append(buf *to, slice word) WRIT_MUST_USE;
