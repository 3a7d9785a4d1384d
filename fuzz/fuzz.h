// SPDX-License-Identifier: Apache-2.0
// The contract of a harness. fuzz/fuzz_<name>.c defines this function; a comment line of its own,
// `// links: folder ...`, names the source folders that it needs. Seeds lie as text in fuzz/corpus/<name>/
// (see fuzz/corpus.py). The harness must be deterministic, keep no state between calls, and free all that it
// takes: leaks are found too.
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
