// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

status err_set(err *e, status code, const char *format, ...) {
    CHECK(code != STATUS_OK);
    if (e == NULL) {
        return code;
    }
    e->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    return code;
}

status err_wrap(err *e, const char *format, ...) {
    if (e == NULL) {
        return STATUS_INTERNAL;
    }
    if (e->code == STATUS_OK) {
        err_set(e, STATUS_INTERNAL, "it failed without a reason");
    }
    char old[ERR_MESSAGE_BYTES_MAX];
    memcpy(old, e->message, sizeof old);
    e->message[0] = '\0';
    va_list args;
    va_start(args, format);
    int n = vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    size_t at = n < 0 ? 0 : (size_t)n;
    const char *const parts[] = {": ", old};
    for (size_t i = 0; i < 2 && at < sizeof e->message - 1; i++) {
        size_t room = sizeof e->message - 1 - at;
        size_t len = strnlen(parts[i], room);
        memcpy(e->message + at, parts[i], len);
        at += len;
        e->message[at] = '\0';
    }
    return e->code;
}

status err_set_errno(err *e, int number, const char *what) {
    char text[128] = "";
    const char *reason = strerror_r(number, text, sizeof text);
    return err_set(e, STATUS_IO, "%s: %s", what, reason);
}

void err_clear(err *e) {
    if (e != NULL) {
        e->code = STATUS_OK;
        e->message[0] = '\0';
    }
}
