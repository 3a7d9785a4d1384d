// SPDX-License-Identifier: Apache-2.0
// Calls between hosts of ours: signed by who they are of, encrypted, answered by whom they were made for
// (lattice/session.h), over any bus. A call whose parameters and results fit in a message each is one message
// there and one back.
//
// All that is for a host goes to one subject, writ.v1.{lattice}.host.{key of the host}; answers are sent to
// the caller's own. No answer is taken from anywhere else, so nobody who can guess an inbox can end a call.
//
// How a call fails: STATUS_NOT_FOUND, STATUS_LIMIT and STATUS_DENIED come from the other host, sealed, or
// from before anything was sent. Without a word of it the call is STATUS_CLOSED (lost on the way) or
// STATUS_TIMEOUT, whatever the bus says: a bus that says "nobody listens" is not believed when it is about
// whether a call was done.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "bus/bus.h"
#include "identity/nkey.h"
#include "lattice/call.h"
#include "lattice/session.h"

enum {
    SEALED_HOSTS_MAX = 1 << 14,
    SEALED_CALLS_MAX = 1 << 14,      // of ours, and as many of others
    SEALED_HOST_CALLS_MAX = 1 << 12, // of one host
    SEALED_WAITING_MAX = 1 << 12,    // calls that wait for a session
    SEALED_MEMORY_BYTES_MAX =
        256 << 20, // parameters, results and streams that have come and are not whole yet
};

typedef struct sealed sealed;

typedef struct sealed_options {
    bus *bus;                       // borrowed; its loop is ours
    sessions_options session;       // `host_ended` and its `arg` are set by us: see below
    lattice_server server;          // who serves the calls of others
    uint64_t (*wall_ms)(void *arg); // NULL: the clock of the machine
    void *wall_arg;
    // That life of a host has ended: it said so, or has a new one. From the loop, and not for what
    // sealed_host_ended was told. May be NULL.
    void (*host_ended)(void *arg, const nkey_public *host, uint64_t epoch);
    // The bus says that nobody listens for that host: a hint; nothing is known before its next presence.
    void (*host_silent)(void *arg, const nkey_public *host);
    void *arg;
} sealed_options;

status sealed_new(const sealed_options *o, sealed **ret, err *e) WRIT_MUST_USE;
// What is under way ends without a callback for what we called, and with `ended(STATUS_CLOSED)` for what we
// serve.
void sealed_free(sealed *s); // accepts NULL

// The way to a host: stays until sealed_free. NULL over SEALED_HOSTS_MAX.
lattice_transport *sealed_to(sealed *s, const nkey_public *host);
// A host has a new life from `epoch` on, or has said that the one before `epoch` ends: calls to it end with
// STATUS_CLOSED, and its sessions. UINT64_MAX: it is silent, and may be back in the life that it had. Then
// only the calls end: it would not know that the sessions have, and go on to send by them.
void sealed_host_ended(sealed *s, const nkey_public *host, uint64_t epoch);
// Tells every host with which there is a session that we end. After the last answer.
void sealed_goodbye(sealed *s);

sessions *sealed_sessions(sealed *s);
session_now sealed_now(const sealed *s);

typedef struct sealed_counters {
    uint64_t calls_out, calls_in; // begun
    uint64_t failed_out;          // ended with anything but STATUS_OK
    uint64_t handshakes;          // sessions made
    uint64_t frames_out, frames_in;
    size_t open_out, open_in; // now
    size_t memory;            // now
} sealed_counters;
sealed_counters sealed_count(const sealed *s);
