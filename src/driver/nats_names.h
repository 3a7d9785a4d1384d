// SPDX-License-Identifier: Apache-2.0
// Names of buckets (and containers, which are buckets of another kind) and keys as NATS has them. Pure.
//
// A bucket is the stream KV_<bucket>, a key the subject $KV.<bucket>.<key>, as every client of NATS has it.
// What such a client takes for a name stands as it is: letters, digits, '-' and '_', in keys also '/', '='
// and single dots between others. Every other byte is written %XX, and the empty bucket %, so that no two
// names meet.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

enum {
    NATS_BUCKET_BYTES_MAX = 252, // written
    NATS_KEY_BYTES_MAX = 3072,   // written
};

// Appends. STATUS_LIMIT when it is longer than the maxima.
status nats_bucket_write(slice bucket, buf *ret) WRIT_MUST_USE;
status nats_key_write(slice key, buf *ret) WRIT_MUST_USE;
// The key that is written so, into the arena; false when no key of ours is.
bool nats_key_read(slice written, arena *a, slice *ret);
