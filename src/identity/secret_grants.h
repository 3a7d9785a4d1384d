// SPDX-License-Identifier: Apache-2.0
// The secrets that one workload was granted, as the process that holds them has them: values in locked
// memory, fetched when the workload starts, all or none. The process that runs the workload knows their names
// alone and asks here for a value when a guest reveals it.
#pragma once

#include <stdbool.h>

#include "identity/secret_source.h"

enum { SECRET_GRANTS_MAX = 256, SECRET_GRANT_NAME_BYTES_MAX = 128 };

typedef struct secret_grant { // all borrowed for secret_grants_new
    const char *name;         // as the workload calls it
    const char *key;          // as the source calls it
    const char *field;        // NULL = the only one
    const char *version;      // NULL = the newest, also after a rotation
} secret_grant;

typedef struct secret_revealed { // for the audit; there is no value in it
    slice workload;
    slice name;       // what was asked for, which may be any bytes when it was not granted
    bool is_granted;  // else the asker went around what it knows
    uint64_t version; // of the source
} secret_revealed;

typedef struct secret_audit {
    void *context;
    void (*revealed)(void *context, const secret_revealed *what); // before the value goes out; may be NULL
} secret_audit;

typedef struct secret_grants secret_grants;

// Fetches all. STATUS_NOT_FOUND names every one that is missing, STATUS_INVALID a wrong list; any other
// status is that of the source.
status secret_grants_new(const secret_source *source, const char *workload, const secret_grant *grants,
                         size_t count, uint64_t now_s, secret_grants **ret, err *e) WRIT_MUST_USE;
void secret_grants_free(secret_grants *g); // accepts NULL

// Fetches all again, after a rotation or when a version may have ended. One that is not found any more is
// revealed no more (STATUS_NOT_FOUND in the end, which names it); one that cannot be fetched for another
// reason stays as it was. `ret_changed` counts new values.
status secret_grants_refresh(secret_grants *g, const secret_source *source, uint64_t now_s,
                             size_t *ret_changed, err *e) WRIT_MUST_USE;

size_t secret_grants_count(const secret_grants *g);
const char *secret_grants_name(const secret_grants *g, size_t index);

// A copy of the value. The same STATUS_NOT_FOUND whether it was never granted or does not exist.
status secret_grants_reveal(const secret_grants *g, slice name, const secret_audit *audit, secret_value *ret,
                            err *e) WRIT_MUST_USE;
