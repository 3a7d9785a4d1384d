// SPDX-License-Identifier: Apache-2.0
// The files of a log: NAME is being written, NAME.000001 and so on are full ones, oldest first; NAME.head
// says which line is the last; NAME.lock is held while one writes; NAME.torn-SEQ has what was set aside.
#pragma once

#include "audit/line.h"

enum { AUDIT_NAME_BYTES_MAX = 128, AUDIT_FILE_NUMBER_MAX = 999999, AUDIT_FILE_NAME_BYTES = 160 };

typedef struct audit_place {
    int dir;
    char name[AUDIT_NAME_BYTES_MAX + 1];
} audit_place;

// Where `path` is. `make`: a missing directory is made, and must belong to this user alone.
status audit_place_open(const char *path, bool make, audit_place *ret, err *e) WRIT_MUST_USE;
void audit_place_close(audit_place *p); // accepts one that failed to open or is closed

typedef struct audit_file_name {
    char text[AUDIT_FILE_NAME_BYTES];
} audit_file_name;
audit_file_name audit_name_full(const audit_place *p, uint32_t number);
audit_file_name audit_name_with(const audit_place *p, const char *ending);

// The numbers of the full files, ascending; the caller frees them with mem_free.
status audit_list_full(const audit_place *p, uint32_t **ret, size_t *ret_count, err *e) WRIT_MUST_USE;

// STATUS_NOT_FOUND, or STATUS_INVALID for what is no regular file. `flags` are those of open(2).
status audit_open_file(const audit_place *p, audit_file_name name, int flags, int *ret_fd, uint64_t *ret_size,
                       err *e) WRIT_MUST_USE;

// STATUS_NOT_FOUND without a head, STATUS_INVALID when it is malformed.
status audit_read_head(const audit_place *p, audit_seal *ret, err *e) WRIT_MUST_USE;
