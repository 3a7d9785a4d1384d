// SPDX-License-Identifier: Apache-2.0
// Files of drivers that keep their data in one.
#pragma once

#include "driver/driver.h"

enum { DRIVER_PATH_BYTES_MAX = 4096 };

// Makes an empty file that only this user can read, unless it is there.
status driver_file_make(const char *path, err *e) WRIT_MUST_USE;
