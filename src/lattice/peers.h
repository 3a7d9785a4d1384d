// SPDX-License-Identifier: Apache-2.0
// The other hosts of a lattice as this one knows them: who is there, what each serves, how busy it is. Filled
// by what hosts say of themselves (lattice/presence.h), which was verified before it comes here; asked by the
// router of calls (lattice/router.h).
//
// A host is known by its key. Each of its lives has an epoch, and what it says in one a sequence: what is not
// newer than the last is passed over, so that copies and messages that overtake each other are harmless. A
// host that was not heard of for three times as long as it promised to be silent is lost; one that ends says
// so.
//
// Pure: (state, what was said, now) -> news. No clock, no randomness but from a seed. Not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/list.h"
#include "identity/nkey.h"
#include "lattice/call.h"
#include "lattice/presence_message.h"

enum {
    PEERS_MAX = 1 << 14,
    PEER_SERVES_MAX = 1 << 14,     // of one host
    PEERS_SERVES_MAX = 1 << 20,    // of all
    PEERS_FORGOTTEN_MAX = 1 << 14, // hosts that ended or were lost, whose last epoch and sequence are kept
};
// After silence of three beats and this.
#define PEERS_GRACE_NS (1 * UINT64_C(1000000000))
// For how long a host that failed a call is passed over when there are others; doubles up to the second one.
#define PEERS_AVOID_NS (500 * UINT64_C(1000000))
#define PEERS_AVOID_NS_MAX (8 * UINT64_C(1000000000))

typedef struct peers peers;

typedef struct peer { // read only; valid until the next call that takes `now_ns`
    nkey_public host;
    uint64_t epoch;
    uint64_t heard_ns;
    uint64_t lost_at_ns; // unless it is heard of before
    char version[PRESENCE_VERSION_BYTES_MAX + 1];
    bool allows_unsigned_peers;
    bool is_draining;   // ends soon: takes no new calls if there are others
    uint32_t in_flight; // calls that it served when it last said so
    uint32_t room;      // that it would serve at once; 0 = not said
    size_t calls;       // of ours that it has now
    size_t serves;      // components and providers
} peer;

typedef enum peer_news {
    PEER_CAME,
    PEER_CHANGED,   // serves something else
    PEER_RESTARTED, // has a new life: calls to the old one are lost
    PEER_LEFT,      // said that it ends
    PEER_LOST,      // is silent
} peer_news;

// What the news mean for sessions and calls (sealed_host_ended): lives of the host before this epoch are
// over. 0: none; UINT64_MAX: it is silent.
uint64_t peer_over_before(const peer *p, peer_news news);

typedef struct peers_options {
    nkey_public self; // what it says is passed over
    uint64_t seed;    // of the choice among replicas
    // From inside the functions that take `now_ns`, after the change; must not call these. May be NULL.
    void (*changed)(void *arg, const peer *p, peer_news news);
    void *arg;
} peers_options;

peers *peers_new(const peers_options *o);
void peers_free(peers *p); // accepts NULL

typedef enum peers_heard {
    PEERS_HEARD,      // believed
    PEERS_HEARD_OLD,  // not newer than what is known: passed over
    PEERS_HEARD_PART, // believed, but what it serves is not known whole: ask it for all
} peers_heard;

// What a host says; `epoch` and `sequence` are those of its signed statement. STATUS_LIMIT when there are too
// many hosts, or one serves too much; then nothing has changed.
status peers_hear(peers *p, const nkey_public *host, uint64_t epoch, uint64_t sequence,
                  const presence_message *m, uint64_t now_ns, peers_heard *ret, err *e) WRIT_MUST_USE;
// A host has ended that life, as it said by other ways (lattice/session.h); UINT64_MAX = whatever it has.
void peers_end(peers *p, const nkey_public *host, uint64_t epoch, uint64_t now_ns);
// Loses those who are silent. Call it at peers_next_ns (UINT64_MAX = never), or more often.
void peers_tick(peers *p, uint64_t now_ns);
uint64_t peers_next_ns(const peers *p);

// --- asking ------------------------------------------------------------------------------------------------

size_t peers_count(const peers *p);
const peer *peers_find(const peers *p, const nkey_public *host); // NULL: not known
// Every host, in no order: `*at` is 0 at first; NULL at the end.
const peer *peers_next(const peers *p, size_t *at);
// What a host serves: `*at` is 0 at first; false at the end.
bool peers_serves_next(const peers *p, const peer *who, size_t *at, presence_item *ret);
size_t peers_serving(const peers *p, slice id); // how many hosts serve it

// The host for a call of `id`: of two by chance the one that is less busy; never one of `not_these`. Hosts
// that are to be avoided only when there are no others. NULL: there is none.
const peer *peers_choose(peers *p, slice id, const nkey_public *not_these, size_t not_these_count,
                         uint64_t now_ns);
// A call to that host begins; peers_call_end says how it went: `is_well` when the host answered, whatever it
// was. Nothing happens for a host that is not known.
void peers_call_begin(peers *p, const nkey_public *host);
void peers_call_end(peers *p, const nkey_public *host, bool is_well, uint64_t now_ns);
void peers_call_cancelled(peers *p, const nkey_public *host); // ended without saying anything about the host
// It may be gone (the bus says that nobody listens): avoid it for a while.
void peers_avoid(peers *p, const nkey_public *host, uint64_t now_ns);
