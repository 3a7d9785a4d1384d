// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>

int sandbox_landlock_abi(void); // 0 when there is none
bool sandbox_has_seccomp(void);

// From now on this process cannot trace, read or signal processes that it does not start; everything else
// stays as it is. True without Landlock too, false when it is there and refuses. Calls only what is safe
// between fork and exec; needs no_new_privs.
bool sandbox_leave_others_alone(void);
