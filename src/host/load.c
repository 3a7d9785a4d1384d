// SPDX-License-Identifier: Apache-2.0
#include "host/host.h"
#include "os/whole_file.h"

status host_read_component(const char *path, buf *ret_bytes, err *e) {
    return file_read_whole(path, component_limits_default().bytes_max, ret_bytes, e);
}

status host_decode_component(const char *path, slice bytes, component **ret, err *e) {
    component_limits limits = component_limits_default();
    status s = component_decode(bytes, &limits, ret, e);
    if (s != STATUS_OK) {
        if (s == STATUS_LIMIT && e != NULL) {
            e->code = STATUS_INVALID; // it is the file that asks for too much, not this machine that lacks
                                      // something
        }
        return err_wrap(e, "%s", path);
    }
    return STATUS_OK;
}

status host_load_component(const char *path, buf *ret_bytes, component **ret, err *e) {
    TRY(host_read_component(path, ret_bytes, e));
    status s = host_decode_component(path, buf_slice(ret_bytes), ret, e);
    if (s != STATUS_OK) {
        buf_done(ret_bytes);
    }
    return s;
}
