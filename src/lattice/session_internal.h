// SPDX-License-Identifier: Apache-2.0
// What the files of sessions share.
#pragma once

#include "base/list.h"
#include "crypto/aes_gcm.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"
#include "lattice/session.h"

enum {
    SESSION_BUCKETS = 1 << 12,
    SESSION_PENDING_MAX = 4,  // hellos of ours to one host that wait
    SESSION_UNPROVED_MAX = 2, // sessions with one host that it has not used yet
    SESSION_SECRETS_BYTES = 2 * AES_GCM_KEY_BYTES + 2 * AES_GCM_NONCE_BYTES,
};

typedef struct session_peer session_peer;

typedef struct session_pending { // a hello of ours that waits for its welcome
    uint64_t id;
    uint8_t secret_key[X25519_BYTES];
    uint8_t hash[HASH_BYTES];
    uint64_t until_ns; // 0: free
} session_pending;

struct session_peer {
    nkey_public host;
    uint64_t epoch;     // the latest life that it has proved
    uint64_t hello_ms;  // the time of its latest hello of that life
    list_node sessions; // the newest last
    size_t count;
    session_pending pending[SESSION_PENDING_MAX];
    size_t pending_next;
    uint64_t idle_ns; // since when it has neither
    session_peer *next;
};

struct session {
    sessions *owner;
    session_peer *peer;
    cluster_member member;
    uint64_t epoch;
    uint64_t id;       // by which the other end names it
    uint64_t their_id; // by which we do
    aes_gcm *seal, *open;
    uint8_t seal_nonce[AES_GCM_NONCE_BYTES], open_nonce[AES_GCM_NONCE_BYTES];
    uint64_t sent;    // how many
    uint64_t highest; // that has come, plus one
    uint64_t window[SESSION_WINDOW / 64];
    uint64_t made_ns, ends_ns;
    bool is_proved;      // the other end has the keys: its welcome said so, or it has used them
    bool is_heard;       // something has come
    uint64_t unheard_ns; // since when something is expected; 0: nothing is
    bool is_silent;      // for too long to send by it; it may be heard of again
    list_node of_peer;
    session *next;
};

struct sessions {
    sessions_options options; // `token` and `lattice` are ours
    nkey_public self;
    session *buckets[SESSION_BUCKETS]; // by id
    session_peer *peers[SESSION_BUCKETS];
    size_t count, peer_count;
    uint64_t cluster_version; // as it was when all were looked at
    uint64_t hello_ms;        // of our latest hello
    uint64_t hello_second;    // hellos of others
    uint32_t hello_count;
};

// What a handshake has agreed on.
typedef struct session_agreed {
    session_peer *peer;
    cluster_member member;
    uint64_t epoch;
    uint64_t id, their_id;
    uint8_t secrets[SESSION_SECRETS_BYTES];
    bool is_ours; // we sent the hello
} session_agreed;

// STATUS_DENIED, counted.
status session_refuse(const sessions *s, lattice_refused why, const nkey_public *who, session_now now, err *e,
                      const char *text);
void sessions_random(sessions *s, void *bytes, size_t len);
uint64_t sessions_fresh_id(sessions *s);
session_peer *sessions_peer(sessions *s, const nkey_public *host); // NULL
status sessions_peer_make(sessions *s, const nkey_public *host, session_peer **ret, err *e) WRIT_MUST_USE;
// The host lives since `epoch`: ends what is of a life before.
void sessions_peer_lives(sessions *s, session_peer *p, uint64_t epoch);
status sessions_add(sessions *s, const session_agreed *a, session_now now, session **ret,
                    err *e) WRIT_MUST_USE;
