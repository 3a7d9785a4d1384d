// SPDX-License-Identifier: Apache-2.0
// Sessions between hosts of a lattice: who is at the other end is proved once, with signatures, and what is
// sent after that is sealed with keys that only the two have. docs/lattice-security.md has the messages, and
// says what each field is for.
//
//   A -> B   hello    who I am (token), for whom it is, fresh X25519 key, time, life of mine; signed
//   B -> A   welcome  the same from there, with the hash of the hello; signed
//   both     keys = HKDF-SHA256(X25519, hash of both messages), one per direction; AES-256-GCM, the nonce is
//   a
//            number that grows; a window keeps numbers from counting twice
//
// Each session ends after SESSION_LIFE_NS, before that when either host's token does, when its host says
// goodbye or has started anew (a later epoch), and when the cluster's lists change against it.
//
// Pure: (state, message, now) -> bytes. No clock, no sockets; randomness can be given, so a simulation of
// many hosts always goes the same way. Not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "identity/nkey.h"
#include "lattice/cluster.h"
#include "lattice/refused.h"

enum {
    SESSION_HEAD_BYTES = 17, // kind, session, number
    SESSION_TAG_BYTES = 16,
    SESSION_OVERHEAD_BYTES = SESSION_HEAD_BYTES + SESSION_TAG_BYTES,
    SESSION_HELLO_BYTES_MAX = 4096, // welcomes too
    SESSION_WINDOW = 4096,          // messages that may overtake each other
    SESSION_HOST_MAX = 4,           // sessions with one host; the oldest goes
    SESSIONS_MAX = 1 << 15,
    SESSION_HOSTS_MAX = 1 << 14,
    SESSION_HELLOS_PER_SECOND = 400, // of others that are looked at
};
#define SESSION_LIFE_NS (10 * 60 * UINT64_C(1000000000))
#define SESSION_HELLO_NS (10 * UINT64_C(1000000000)) // a welcome that comes later is not taken

// The first byte of what is sent to a host.
typedef enum session_kind {
    SESSION_HELLO = 0x01,
    SESSION_WELCOME = 0x02,
    SESSION_SEALED = 0x03,
} session_kind;

typedef struct session_now {
    uint64_t ns;      // goes on and never back: loop_now_ns
    uint64_t wall_ms; // since 1970
} session_now;

typedef struct session session;
typedef struct sessions sessions;

typedef struct sessions_options {
    const nkey *key;  // a server key; borrowed
    slice token;      // copied; see sessions_set_token
    slice lattice;    // copied
    uint64_t epoch;   // of this life of the host: grows with each start (milliseconds since 1970 will do)
    cluster *cluster; // borrowed
    lattice_refusals *refusals; // borrowed; may be NULL
    // A host whose sessions have all ended because it said so, or has started anew; called from inside
    // sessions_* functions. May be NULL.
    void (*host_ended)(void *arg, const nkey_public *host, uint64_t epoch);
    void *arg;
    void (*random)(void *random_arg, void *bytes, size_t len); // NULL: the kernel's
    void *random_arg;
} sessions_options;

// STATUS_DENIED when our own token is not one that others with the same lists would believe.
status sessions_new(const sessions_options *o, session_now now, sessions **ret, err *e) WRIT_MUST_USE;
void sessions_free(sessions *s); // accepts NULL; wipes all keys
status sessions_set_token(sessions *s, slice token, session_now now, err *e) WRIT_MUST_USE;
size_t sessions_count(const sessions *s);

// --- the handshake -----------------------------------------------------------------------------------------

// Appends a hello for that host. Several may be under way.
status sessions_greet(sessions *s, const nkey_public *host, session_now now, buf *ret, err *e) WRIT_MUST_USE;
// A hello has come: appends the welcome, which goes to `*ret_host`. What is refused is counted; whoever sent
// it is not answered. `within`: the session by which it came, or NULL; a host that renews is not held up by a
// flood of strangers.
status sessions_answer(sessions *s, slice hello, const session *within, session_now now,
                       nkey_public *ret_host, buf *ret, err *e) WRIT_MUST_USE;
// A welcome has come: `*ret` is the new session, ready to send with.
status sessions_finish(sessions *s, slice welcome, session_now now, session **ret, err *e) WRIT_MUST_USE;

// --- sessions ----------------------------------------------------------------------------------------------

// The one to send with: the newest by which something has come, else the newest that the host has welcomed us
// to. NULL: greet it. What is returned is
// valid until the next call of a function of `sessions` that takes `now`.
session *sessions_to(sessions *s, const nkey_public *host, session_now now);
bool session_is_due(const session *c, session_now now); // time to greet again: 8/10 of its life are over
// Something was sent that the other end answers; for how long nothing at all has come since (0: nothing is
// expected). Ask whether it is there, and pass over what stays silent: sessions are lost with the life of a
// host that said nothing.
void session_expect(session *c, session_now now);
uint64_t session_unheard_ns(const session *c, session_now now);
// Nothing is sent by it until something comes by it: a host that only stood still, or was cut off, does not
// know that it was given up, and goes on with it.
void session_pass_over(session *c);
const nkey_public *session_host(const session *c);
uint64_t session_epoch(const session *c);               // of the other host
const cluster_member *session_member(const session *c); // the other host as it was verified

// The frame holds SESSION_HEAD_BYTES of room, then what to send; becomes what goes out: head, sealed bytes,
// tag. STATUS_LIMIT when the buffer has no room for the tag.
status session_seal(session *c, buf *frame, err *e) WRIT_MUST_USE;
// Opens what has come; `plain` has room for frame.len bytes. `*ret` is the session by which it came.
// STATUS_NOT_FOUND: no such session; STATUS_DENIED: not believed.
status sessions_open(sessions *s, slice frame, session_now now, session **ret, uint8_t *plain,
                     size_t *ret_len, err *e) WRIT_MUST_USE;

// Ends all sessions with lives of a host before `epoch`, from which nothing is taken any more: it has a new
// life, or said that this one ends (session_epoch + 1). UINT64_MAX: ends all there are; the host may greet
// again.
void sessions_end_host(sessions *s, const nkey_public *host, uint64_t epoch, session_now now);
// Ends what has run out, or is not believed any more; every second or so.
void sessions_tick(sessions *s, session_now now);
// The session to send with of every host that has one. `each` calls no function of `sessions`.
void sessions_each(sessions *s, session_now now, void (*each)(void *arg, session *c), void *arg);
