// SPDX-License-Identifier: Apache-2.0
// Random bytes from the kernel, fit for keys. Thread-safe.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Fills the whole buffer; stops the process if the kernel has no randomness to give, since nothing after that
// could be trusted.
void random_fill(void *bytes, size_t len);
uint64_t random_u64(void);
