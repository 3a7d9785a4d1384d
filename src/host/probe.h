// SPDX-License-Identifier: Apache-2.0
// For tests of the sandbox: acts as hostile native code inside a worker. Compiled only with WRIT_TEST_HOOKS.
#pragma once

// Tries everything that a worker must not be able to do, prints one line for each on standard error
// ("refused: open /etc/passwd" or "ALLOWED: ..."), and ends the process. Does nothing in other builds.
void probe_run(const char *what);
