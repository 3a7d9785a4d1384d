// SPDX-License-Identifier: Apache-2.0
// The helper of the tests of driver/ serves here too.
#include "unit/driver/helper_blobstore.c" // NOLINT
