// SPDX-License-Identifier: Apache-2.0
// A line: one call as either side has it, with a subject of its own below the inbox, the byte streams that
// come in on subjects below that, and those that go out to the peer.
#pragma once

#include "base/buf.h"
#include "lattice/wrpc.h"

enum {
    WRPC_BUCKETS = 1024,
    WRPC_TOKEN_BYTES = 16, // letters of a line's own token
    WRPC_REASON_BYTES_MAX = 512,
};

#define WRPC_PROTOCOL "wrpc.0.0.1"
#define WRPC_HEADER_SOURCE "source-id"
#define WRPC_HEADER_LINK "link-name"
#define WRPC_HEADER_TRACE "traceparent"
#define WRPC_HEADER_STATUS "writ-status" // of the mark that ends the results of a call that failed
#define WRPC_HEADER_REASON "writ-reason"

struct wrpc {
    lattice_transport transport; // in front: see wrpc_transport
    wrpc_options options;
    char *lattice;
    char *inbox; // "I.": lines are I.token
    size_t inbox_len;
    uint64_t last; // number of the last line
    bus_subscription subscription;
    bus_watcher watcher;
    list_node exports;
    list_node buckets[WRPC_BUCKETS];
    wrpc_counters counters;
    uint32_t given_up; // lines of calls that have ended and were not accepted yet
};

typedef struct wrpc_in {
    buf bytes;     // came and was not handed over
    bool is_ended; // its mark came
    bool is_told;  // and that was handed over
} wrpc_in;

typedef struct wrpc_out {
    slice lent; // goes first: bytes of somebody else, who keeps them
    buf bytes;  // wait to be sent, from `at` on
    size_t at;
    bool is_ended;    // nothing more will be written
    bool is_done;     // the mark was sent
    bool is_too_full; // a write was refused
} wrpc_out;

typedef struct wrpc_line wrpc_line;
typedef struct wrpc_line_ops {
    const char *in;                                      // "results" or "params"
    void (*on_open)(wrpc_line *l, const bus_message *m); // a message on its own subject
    void (*on_root)(wrpc_line *l, slice headers);        // the root bytes are complete, in root_in
    void (*on_data)(wrpc_line *l, size_t path, slice bytes);
    void (*on_end)(wrpc_line *l, size_t path);
    void (*on_room)(wrpc_line *l, size_t path);
    void (*on_sent)(wrpc_line *l);                                  // something that waited was sent
    void (*on_failure)(wrpc_line *l, status code, const char *why); // must close it
    void (*on_deadline)(wrpc_line *l);
    void (*free)(wrpc_line *l);
} wrpc_line_ops;

struct wrpc_line {
    wrpc *w;
    const wrpc_line_ops *ops;
    list_node node; // in its bucket
    uint64_t token;
    char *to; // the peer's subject, "S.params" or "C.results"; NULL before it is known
    lattice_paths in_paths, out_paths;
    wrpc_in root_in, in[LATTICE_PATHS_MAX];
    wrpc_out root_out, out[LATTICE_PATHS_MAX];
    size_t queued;  // bytes in root_in and in
    bool is_handed; // the root was handed over, so its streams may be
    bool is_paused;
    bool is_open;   // streams go out: the peer listens, and the root was given
    bool is_closed; // to be freed when nobody is inside
    unsigned inside;
    status failure; // to be told soon
    const char *why;
    loop_soon soon;
    loop_timer deadline;
    loop_timer retry; // the bus had no room
};

void wrpc_line_init(wrpc_line *l, wrpc *w, const wrpc_line_ops *ops);
// `l` is zeroed but for what its owner has; it is in the table from here on, and `ret` its subject.
void wrpc_line_open(wrpc *w, wrpc_line *l, const wrpc_line_ops *ops, char ret[BUS_SUBJECT_BYTES_MAX]);
// Takes it out of the table and frees it, at once or when who is inside has left.
void wrpc_line_close(wrpc_line *l);
void wrpc_line_enter(wrpc_line *l);
void wrpc_line_leave(wrpc_line *l);
// The failure is told from the loop.
void wrpc_line_fail_soon(wrpc_line *l, status code, const char *why);
// False when the peer's subject is none that is written to.
bool wrpc_line_set_peer(wrpc_line *l, slice subject, const char *what) WRIT_MUST_USE;
// A subject that a peer may have us write to: not the lattice's own or the server's.
bool wrpc_reply_is_fit(const wrpc *w, slice subject);
void wrpc_line_message(wrpc_line *l, slice path, const bus_message *m); // `path` is empty for its own subject
status wrpc_line_root(wrpc_line *l, slice bytes) WRIT_MUST_USE;         // STATUS_LIMIT
void wrpc_line_hand_over(wrpc_line *l); // what streams have, when it may be; from inside only
status wrpc_line_write(wrpc_line *l, size_t path, slice bytes) WRIT_MUST_USE;
void wrpc_line_end(wrpc_line *l, size_t path);
void wrpc_line_pause(wrpc_line *l, bool is_paused);
// Sends what can be sent; tries again by itself. False: there is nothing to send to any more, and it fails
// soon.
bool wrpc_line_flush(wrpc_line *l);
// What waits is dropped, and every stream gets its mark, the root's with `headers` (may be empty).
void wrpc_line_end_all(wrpc_line *l, slice headers);
bool wrpc_line_is_sent(const wrpc_line *l, bool with_streams);

extern const lattice_transport_ops wrpc_call_ops;
status wrpc_subject(const wrpc *w, slice target, slice instance, slice function,
                    char ret[BUS_SUBJECT_BYTES_MAX], err *e) WRIT_MUST_USE;
