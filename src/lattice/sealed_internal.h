// SPDX-License-Identifier: Apache-2.0
// A line: one call as either side has it: what goes out of it in frames, in order and as far as the other end
// gives credit, and what has come of it.
#pragma once

#include "base/siphash.h"
#include "lattice/sealed.h"
#include "lattice/sealed_frame.h"

enum {
    SEALED_BUCKETS = 1 << 12,
    SEALED_SUBJECT_BYTES_MAX = 160,
    SEALED_ROOT_WINDOW = 1 << 20, // bytes of parameters or results that go before there is credit
    // The same of a stream; no more of it ever waits. Credit comes when so much was taken, so that a write of
    // LATTICE_STREAM_QUEUE_BYTES_MAX always finds room in the end.
    SEALED_CREDIT_BYTES = 256 << 10,
    SEALED_PATH_WINDOW = LATTICE_STREAM_QUEUE_BYTES_MAX + SEALED_CREDIT_BYTES,
    SEALED_CHUNK_BYTES_MAX = 128 << 10, // of a stream in one frame, so that others get their turn
    SEALED_HELD_MAX = 64,               // frames of a line that came before their time
    SEALED_HOST_MEMORY_MAX = SEALED_MEMORY_BYTES_MAX / 4,
    SEALED_FREE_LINES_MAX = 256,
    SEALED_GREETINGS_MAX = 3, // unanswered ones until what waits for a session fails
};
#define SEALED_MS UINT64_C(1000000)
#define SEALED_ASK_NS (1 * UINT64_C(1000000000))         // of silence: are you there?
#define SEALED_SILENCE_NS (4 * UINT64_C(1000000000))     // and then the session is given up, and its calls
#define SEALED_WAIT_NS_MAX (3600 * UINT64_C(1000000000)) // of a call of others

typedef struct sealed_peer {
    lattice_transport transport; // in front: see sealed_to
    sealed *s;
    nkey_public host;
    nkey_text name;
    char subject[SEALED_SUBJECT_BYTES_MAX];
    list_node lines;
    size_t waiting;      // lines that wait for a session
    size_t served_count; // calls of that host that are served
    size_t memory;
    unsigned greetings; // unanswered ones; 0: none is under way
    loop_timer greet_again;
    struct sealed_peer *next;
} sealed_peer;

typedef struct sealed_chunk {
    list_node node;
    uint32_t index; // of a frame that came before its time
    size_t len;
    uint8_t bytes[];
} sealed_chunk;

typedef struct sealed_out { // a stream that we write
    size_t credit;
    size_t wanted; // bytes of a write that was refused; 0: none
    bool is_over;  // nothing more will be written
    bool is_ended; // and the other end knows
} sealed_out;

typedef struct sealed_in { // a stream that comes
    list_node chunks;
    size_t held;
    size_t taken; // since the last credit
    bool is_over; // nothing more will come
    bool is_told; // and ours know
} sealed_in;

typedef struct sealed_line {
    lattice_served served; // in front; of a call of others
    lattice_call *call;    // of one of ours
    sealed *s;
    sealed_peer *peer;
    uint64_t number;
    uint64_t epoch; // the life of the host that it is with; 0: nothing was sent yet
    bool is_ours;

    // what goes out
    uint32_t out_index;
    bool has_root, is_root_begun;
    bool has_no_streams; // the results say so
    slice root;
    size_t root_at;
    size_t root_credit;
    uint8_t *root_copy;
    lattice_paths out_paths;
    sealed_out out[LATTICE_PATHS_MAX];
    status fail_code; // of a served one: in place of the rest
    char *fail_text;

    // what comes in
    uint32_t in_index;
    list_node held; // frames that came before their time
    size_t held_count;
    uint8_t *block; // the frame with the invocation
    uint8_t *in_root;
    size_t in_total, in_at, in_credit;
    bool is_in_begun, is_open; // parameters or results are handed over, so streams may be
    bool is_paused;
    lattice_paths in_paths;
    sealed_in in[LATTICE_PATHS_MAX];

    // whether what was sent has come, see sealed_call_look_after
    unsigned seconds;    // since it was sent
    unsigned unknown;    // answers that the other host does not have it, one after the other
    uint32_t missing_in; // that came late or never: as of the last answer
    bool is_missing_out;

    // its place
    size_t memory;
    bool is_waiting; // counted in peer->waiting
    bool is_closed;  // to be freed when nobody is inside
    bool is_ending;  // the end is to be told from the loop
    status end_code;
    char *end_text;
    unsigned inside;
    loop_timer deadline;
    list_node of_peer;
    list_node work;           // of s->works
    list_node blocked;        // of s->blocked
    struct sealed_line *next; // in s->served, or of free ones
} sealed_line;

struct sealed {
    sealed_options options;
    bus *bus;
    loop *l;
    sessions *sessions;
    char prefix[SEALED_SUBJECT_BYTES_MAX - NKEY_PUBLIC_TEXT_LEN - 1]; // "writ.v1.{lattice}.host."
    char inbox[BUS_INBOX_BYTES_MAX + 1]; // of words about subjects nobody listens to
    bus_subscription own, silence;
    sealed_peer *peers[SEALED_BUCKETS];
    size_t peer_count;
    struct {
        sealed_line *line;
        uint32_t uses;
        uint32_t next_free; // plus one; 0: none
    } *calls;
    uint32_t call_count, call_free;
    uint32_t first_use; // random: numbers of an earlier life do not come again
    sealed_line *served[SEALED_BUCKETS];
    siphash_key hash_key;
    sealed_line *free_lines;
    size_t free_count;
    list_node works, blocked;
    loop_soon soon;
    loop_timer retry, tick;
    buf frame;
    uint8_t *plain; // of what was opened last
    size_t plain_size;
    size_t waiting;
    bool is_told;
    sealed_counters counters;
};

// --- sealed.c ----------------------------------------------------------------------------------------------

// A frame of a line, or (without one) a word to a host. STATUS_NOT_FOUND: there is no session, one is being
// made; STATUS_CLOSED: the life of the host that the line is with has ended; else as bus_publish.
status sealed_send(sealed_peer *p, sealed_line *l, frame *f, slice body, err *e) WRIT_MUST_USE;
size_t sealed_room(const sealed *s);                                        // bytes of a frame with its body
sealed_peer *sealed_peer_of(sealed *s, const nkey_public *host, bool make); // NULL

// --- sealed_line.c -----------------------------------------------------------------------------------------

sealed_line *sealed_line_new(sealed_peer *p, bool is_ours);
// Nothing is told any more, and it is freed when nobody is inside.
void sealed_line_close(sealed_line *l);
static inline void sealed_line_enter(sealed_line *l) { l->inside++; }
bool sealed_line_leave(sealed_line *l); // false: it is gone
bool sealed_line_charge(sealed_line *l, size_t bytes);
// Sends what there is to send, as far as it can be. `e` may be NULL.
status sealed_line_pump(sealed_line *l, err *e);
void sealed_line_need_work(sealed_line *l);
// It ends from the loop, with that.
void sealed_line_end_later(sealed_line *l, status code, const char *text);
// A frame has come, which was read from `bytes`.
void sealed_line_take(sealed_line *l, const frame *f, slice bytes);
void sealed_line_work(sealed_line *l);

// What both sides do with a stream that comes or goes.
status sealed_line_write(sealed_line *l, size_t path, slice bytes);
void sealed_line_end_path(sealed_line *l, size_t path);
void sealed_line_pause(sealed_line *l, bool is_paused);

// --- sealed_call.c, sealed_serve.c -------------------------------------------------------------------------

extern const lattice_transport_ops sealed_transport_ops;
sealed_line *sealed_call_find(const sealed *s, uint64_t number);
void sealed_call_unlist(sealed_line *l);
// Every second: asks the other host what it has of a call that takes long. Messages of a bus can be lost on
// the way without a word, and nobody should wait for those until the deadline.
void sealed_call_look_after(sealed_line *l);
void sealed_call_take_state(sealed_line *l, const frame *f);
// Tells the caller, once, and closes the line.
void sealed_call_finish(sealed_line *l, status code, const char *text);

// A call has come; `*block` is kept when it is taken.
void sealed_serve_call(sealed_peer *p, uint64_t epoch, const frame *f, uint8_t **block, size_t block_len);
void sealed_serve_hand(sealed_line *l); // the parameters are complete
sealed_line *sealed_serve_find(const sealed *s, const sealed_peer *p, uint64_t number);
void sealed_serve_unlist(sealed_line *l);
void sealed_serve_finish(sealed_line *l, status code);
