// SPDX-License-Identifier: Apache-2.0
// The worker process, with a seam for tests of its confinement.
#pragma once

// Called in the worker when it is shut in and before it serves. The program passes NULL; a test program,
// which is its own worker, passes code that tries to get out.
typedef void (*worker_shut_in)(void);

// Returns never: the process ends.
int worker_main(worker_shut_in shut_in);
