// SPDX-License-Identifier: Apache-2.0
// wasi:logging: entries for the log of the workload. A log that cannot take them is not the guest's trouble.
#include "capability/wasi.h"
#include "wasi/logging_logging.h"

_Static_assert((int)WASI_LOG_TRACE == (int)WASI_LOGGING_LOGGING_LEVEL_TRACE &&
                   (int)WASI_LOG_CRITICAL == (int)WASI_LOGGING_LOGGING_LEVEL_CRITICAL,
               "one scale");

status wasi_logging_logging_log(host_call *call, wasi_logging_logging_level level, slice context,
                                slice message, err *e) {
    (void)e;
    wasi_instance *i = wasi_of(call);
    const wasi_log_sink *sink = &i->workload->log;
    size_t max = i->workload->limits.log_line_bytes_max;
    if (sink->entry == NULL) {
        i->counters.log_bytes_dropped += context.len + message.len;
        return STATUS_OK;
    }
    slice part = slice_sub(context, 0, context.len < max ? context.len : max);
    size_t rest = max - part.len;
    slice said = slice_sub(message, 0, message.len < rest ? message.len : rest);
    i->counters.log_bytes_dropped += context.len - part.len + message.len - said.len;
    sink->entry(sink->context, i, (wasi_log_level)level, part, said);
    return STATUS_OK;
}
