// SPDX-License-Identifier: Apache-2.0
// What was not believed, counted by reason, and told to whoever keeps the audit log. All that is refused in
// the lattice goes through here, so that nothing of it is silent and a flood of it does not fill a log.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

typedef enum lattice_refused {
    LATTICE_REFUSED_MALFORMED,       // no message of this protocol
    LATTICE_REFUSED_VERSION,         // of a version that we do not speak: also how a downgrade looks
    LATTICE_REFUSED_NOT_FOR_US,      // made for another host, another lattice, or sent by ourselves
    LATTICE_REFUSED_UNKNOWN_ISSUER,  // a good token of somebody whom nobody here trusts
    LATTICE_REFUSED_EXPIRED,         // token or issuer
    LATTICE_REFUSED_REVOKED,         // host or issuer
    LATTICE_REFUSED_BAD_SIGNATURE,   // also a token that is none, or somebody else's
    LATTICE_REFUSED_CLOCK,           // too old, or from the future
    LATTICE_REFUSED_REPLAYED,        // seen before
    LATTICE_REFUSED_STOPPED,         // of a host that has ended, or of its life before this one
    LATTICE_REFUSED_UNKNOWN_SESSION, // ended, or never there
    LATTICE_REFUSED_NOT_SEALED,      // the tag does not fit: changed on the way, or made by somebody else
    LATTICE_REFUSED_FAKE_REPLY,      // an answer to nothing that was asked
    LATTICE_REFUSED_TOO_LARGE,       // longer than was announced, or than is taken
    LATTICE_REFUSED_FLOOD,           // more than is looked at in a second
    LATTICE_REFUSED_UNSIGNED,        // of a peer or a user without a signature, where one is demanded
    LATTICE_REFUSED_ROLE,            // signed by a user who may not do that
} lattice_refused;
enum { LATTICE_REFUSED_COUNT = LATTICE_REFUSED_ROLE + 1 };

const char *lattice_refused_name(lattice_refused why); // "malformed", "unknown-session", ...

enum { LATTICE_REFUSED_TOLD_MAX = 4 }; // events in a second for each reason; the rest is counted

typedef struct lattice_refused_event {
    lattice_refused why;
    slice who;        // public key or id that it claimed; empty: unknown. Not verified
    const char *text; // a sentence
    uint64_t untold;  // refusals of this reason that were not told since the last one
} lattice_refused_event;

typedef struct lattice_refusals { // zeroed but for `tell` and `arg`
    uint64_t counts[LATTICE_REFUSED_COUNT];
    void (*tell)(void *arg, const lattice_refused_event *event); // or NULL
    void *arg;
    struct {
        uint64_t second;
        uint32_t told;
        uint64_t untold;
    } rate[LATTICE_REFUSED_COUNT];
} lattice_refusals;

// `now_ns` of any clock that goes on. `r` may be NULL.
void lattice_refuse(lattice_refusals *r, lattice_refused why, slice who, const char *text, uint64_t now_ns);
