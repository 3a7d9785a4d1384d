// SPDX-License-Identifier: Apache-2.0
// A page of the names of objects in a container, in the order of their bytes; the cursor is the last name of
// the page before. Each page goes through the whole directory, and keeps only as many names as it may have.
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "driver/blobstore/blobstore.h"

// 0 or an errno value.
int directory_list(int container, const blobstore_call *c, arena *memory, const atomic_bool *is_cancelled,
                   blobstore_answer *ret) WRIT_MUST_USE;
