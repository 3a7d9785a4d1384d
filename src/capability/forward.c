// SPDX-License-Identifier: Apache-2.0
// Contracts whose calls go to their link as they are.
#include "component/forward.h"

#include "base/buf.h"
#include "capability/links.h"

static status exchange(const forward *f, buf *payload, slice *ret_answer, err *e) {
    const wasi_link *link;
    TRY(wasi_link_of(f->call, host_call_interface(f->call), &link, e));
    return wasi_link_call(f->call, link, host_call_function(f->call), buf_slice(payload), ret_answer, e);
}

status wasi_link_forward(host_call *call, core_value *values, err *e) {
    auto_buf payload;
    slice answer;
    forward f = forward_of(call, values);
    buf_init(&payload, WASI_LINK_CALL_BYTES_MAX);
    status s = forward_params(&f, &payload, e);
    if (s == STATUS_TRAP) {
        return s;
    }
    if (s == STATUS_OK) {
        s = exchange(&f, &payload, &answer, e);
    }
    if (s == STATUS_OK) {
        s = forward_result(&f, answer, e);
        if (s != STATUS_IO) {
            return s;
        }
    }
    return s == STATUS_CANCELLED ? s : forward_failure(&f, s, e);
}
