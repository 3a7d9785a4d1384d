// SPDX-License-Identifier: Apache-2.0
#include "lattice/wrpc_blobstore_internal.h"

// Of 0.2.0: streams have an outcome beside them. Of 0.1.0: a stream alone, or none.
lattice_paths wrpc_blobs_up(blobstore_function f) {
    return f == BLOBSTORE_WRITE ? (lattice_paths){{"1"}, 1} : (lattice_paths){.count = 0};
}

lattice_paths wrpc_blobs_down(blobstore_function f, bool is_old) {
    if (f == BLOBSTORE_READ || f == BLOBSTORE_LIST) {
        return is_old ? (lattice_paths){{"0"}, 1} : (lattice_paths){{"0.0", "0.1"}, 2};
    }
    return f == BLOBSTORE_WRITE && !is_old ? (lattice_paths){{"0"}, 1} : (lattice_paths){.count = 0};
}

bool wrpc_blobstore_paths(slice instance, slice function, lattice_paths *ret_up, lattice_paths *ret_down) {
    blobstore_function f;
    bool is_old = slice_equal_text(instance, WRPC_BLOBSTORE_OLD);
    if ((!is_old && !slice_equal_text(instance, WRPC_BLOBSTORE_NEW)) ||
        !blobstore_function_find(function, &f)) {
        return false;
    }
    *ret_up = wrpc_blobs_up(f);
    *ret_down = wrpc_blobs_down(f, is_old);
    return true;
}
