// SPDX-License-Identifier: Apache-2.0
// A secret that an operator keeps in a file of its own: its first line.
#pragma once

#include "crypto/secret.h"

// Reads the first line, without its end, of a regular file of our user that nobody else can read
// (os/private.h). STATUS_NOT_FOUND, STATUS_DENIED, STATUS_INVALID when it is empty or over `bytes_max`.
status secret_line_read(const char *path, size_t bytes_max, secret *ret, err *e) WRIT_MUST_USE;
