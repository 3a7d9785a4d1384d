// SPDX-License-Identifier: Apache-2.0
// http-error-code: what a stream error of an HTTP body was about.
#include "capability/http/http_internal.h"

status wasi_http_types_http_error_code(host_call *call, wasi_io_error_error *err_,
                                       wasi_http_types_option_error_code *ret, err *e) {
    (void)call, (void)e;
    ret->some = err_->failure.origin == &wasi_http_types_interface;
    if (ret->some) {
        ret->value = http_error((uint8_t)err_->failure.code); // payloads are optional and left out
    }
    return STATUS_OK;
}
