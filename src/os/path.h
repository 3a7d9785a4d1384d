// SPDX-License-Identifier: Apache-2.0
// Paths as texts; nothing is looked up.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

// Splits a path into the directory that it is in ("." when it names none) and its last part, which is empty
// behind a slash and points into `path`. False when the directory does not fit into `size` bytes.
bool path_split(const char *path, char *ret_directory, size_t size, const char **ret_name) WRIT_MUST_USE;
