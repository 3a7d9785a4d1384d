// SPDX-License-Identifier: Apache-2.0
#include "host/host.h"
#include "os/whole_file.h"

status host_load_component(const char *path, buf *ret_bytes, component **ret, err *e) {
    component_limits limits = component_limits_default();
    TRY(file_read_whole(path, limits.bytes_max, ret_bytes, e));
    status s = component_decode(buf_slice(ret_bytes), &limits, ret, e);
    if (s != STATUS_OK) {
        buf_done(ret_bytes);
        if (s == STATUS_LIMIT && e != NULL) {
            e->code = STATUS_INVALID; // it is the file that asks for too much, not this machine that lacks
                                      // something
        }
        return err_wrap(e, "%s", path);
    }
    return STATUS_OK;
}
