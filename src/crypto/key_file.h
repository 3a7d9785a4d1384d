// SPDX-License-Identifier: Apache-2.0
// A random key in a file that only our own user may read.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "crypto/hash.h"

// Reads the key from the file `name` of the open directory, making it at the first use: whoever comes first
// wins, and everybody gets the same key. STATUS_DENIED when others may read it or it is not ours,
// STATUS_INVALID when it has another size. The caller wipes the key with key_wipe.
status key_file_load(int dir, const char *name, uint8_t ret[HASH_KEY_BYTES], err *e) WRIT_MUST_USE;
void key_wipe(uint8_t key[HASH_KEY_BYTES]);
