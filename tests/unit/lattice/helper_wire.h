// SPDX-License-Identifier: Apache-2.0
// A blob store in a directory behind wRPC: a driver whose calls go over a bus to one that serves them.
#pragma once

#include "driver/blobstore/blobstore.h"

extern const driver wire_new; // served as 0.2.0 and 0.1.0
extern const driver wire_old; // as 0.1.0 alone
