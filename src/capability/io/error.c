// SPDX-License-Identifier: Apache-2.0
// wasi:io/error
#include "capability/stream.h"

void wasi_io_error_error_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_io_error_error *)rep)->base);
}

status wasi_io_error_error_to_debug_string(host_call *call, wasi_io_error_error *self, slice *ret, err *e) {
    (void)call, (void)e;
    *ret = slice_from_text(self->failure.text);
    return STATUS_OK;
}
