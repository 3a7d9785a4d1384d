// SPDX-License-Identifier: Apache-2.0
// A bus within this process: no port, no server. Its buckets are in a file, or in memory alone.
//
// A change is told when it is in the file: it outlives the end of the process at any moment. A machine that
// loses power may lose the last ones, as a server of NATS may. One process has the file at a time.
//
// Messages are handed over in the next turn of the loop, in the order of publishing. A subscriber that gets
// more in one turn than `subscriber_bytes_max` loses what is over it.
#pragma once

#include "bus/bus.h"

typedef struct bus_local_options {
    loop *l;
    uint64_t random;             // seeds the names of inboxes and the choice within a queue group
    const char *path;            // of the file with the buckets, made when it is not there; NULL = memory
    size_t payload_bytes_max;    // of a message, with headers; 0 = 1 MiB, as servers have it
    size_t subscriber_bytes_max; // queued for one; 0 = 64 MiB
    size_t queued_bytes_max;     // for all; 0 = 256 MiB; a message more is STATUS_LIMIT
    size_t stored_bytes_max;     // keys and values of all buckets; 0 = 256 MiB
} bus_local_options;

enum {
    BUS_LOCAL_SUBSCRIPTIONS_MAX = 1 << 16,
    BUS_LOCAL_REQUESTS_MAX = 1 << 16, // on their way
    BUS_LOCAL_OPS_MAX = 1 << 16,      // on buckets, on their way
    BUS_LOCAL_BUCKETS_MAX = 256,
    BUS_LOCAL_WATCHES_MAX = 1 << 12,
};

// STATUS_INVALID for a file that is none of these, STATUS_EXISTS when another process has it, STATUS_IO.
status bus_local_new(const bus_local_options *options, bus **ret, err *e) WRIT_MUST_USE;
