// SPDX-License-Identifier: Apache-2.0
// The file of a bus within a process: buckets with their last revisions, and their entries. Blocking; each
// change is whole or not there.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"
#include "bus/bus.h"

typedef struct bus_store bus_store;

typedef struct bus_store_reader { // of what there is; a failure ends the opening
    void *arg;
    status (*bucket)(void *arg, slice name, uint64_t revision, err *e);
    status (*entry)(void *arg, slice bucket, const bus_kv_entry *entry, err *e); // in the order of revisions
} bus_store_reader;

// Makes the file, which only this user can read, when it is not there; `bytes_max` bounds it.
status bus_store_open(const char *path, uint64_t bytes_max, const bus_store_reader *reader, bus_store **ret,
                      err *e) WRIT_MUST_USE;
void bus_store_close(bus_store *s); // accepts NULL

status bus_store_make(bus_store *s, slice bucket, err *e) WRIT_MUST_USE;
// An entry with its revision is put, or removed; the bucket has this revision from now on.
status bus_store_change(bus_store *s, slice bucket, const bus_kv_entry *change, err *e) WRIT_MUST_USE;
