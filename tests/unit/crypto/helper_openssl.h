// SPDX-License-Identifier: Apache-2.0
// Keys, certificates and signatures of an independent maker: the openssl command, in a folder of the test's.
#pragma once

#include <stdbool.h>

#include "base/buf.h"

typedef struct openssl_place {
    char path[64];
} openssl_place;

// False when there is no openssl command here.
bool openssl_begin(openssl_place *ret);
void openssl_end(const openssl_place *p); // removes the folder
// Runs shell text in the folder; false when a command in it failed.
bool openssl_run(const openssl_place *p, const char *script);
// The bytes of a file in the folder, into an empty buffer that is filled at once.
bool openssl_read(const openssl_place *p, const char *name, buf *ret);
