// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>

int sandbox_landlock_abi(void); // 0 when there is none
bool sandbox_has_seccomp(void);
