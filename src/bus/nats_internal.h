// SPDX-License-Identifier: Apache-2.0
// What the files of the client share.
#pragma once

#include "base/siphash.h"
#include "bus/nats.h"
#include "crypto/secret.h"
#include "net/byte_stream.h"

enum {
    NATS_INBOX_TOKEN = 22,
    NATS_INBOX_PREFIX_BYTES = 7 + NATS_INBOX_TOKEN + 1, // "_INBOX." and its token
    NATS_NONCE_BYTES_MAX = 256,
    NATS_INBOX_SID = 1, // of the answers to all requests; no number of a table
};

typedef enum nats_phase {
    NATS_PHASE_IDLE, // waits for the next attempt
    NATS_PHASE_CONNECTING,
    NATS_PHASE_GREETING, // waits for INFO, for TLS, for the answer to CONNECT
    NATS_PHASE_READY,
} nats_phase;

// Numbers that stand for pointers: the place in a table, and above it how often the place was used before, so
// that what comes late finds nobody.
typedef struct nats_table {
    struct nats_place {
        void *item; // NULL = free
        uint32_t uses;
        uint32_t next_free;
    } *places;
    uint32_t count;
    uint32_t capacity;
    uint32_t max;
    uint32_t first_free; // UINT32_MAX = none
} nats_table;

void nats_table_init(nats_table *t, uint32_t max);
void nats_table_done(nats_table *t);
// STATUS_LIMIT. The number is not 0.
status nats_table_add(nats_table *t, void *item, uint64_t *ret);
void *nats_table_find(const nats_table *t, uint64_t number); // NULL when it is no more
void nats_table_remove(nats_table *t, uint64_t number);

// What an INFO of a server says, checked.
typedef struct nats_info {
    size_t max_payload;
    bool has_headers;
    bool tls_required;
    bool tls_available;
    char nonce[NATS_NONCE_BYTES_MAX]; // empty = none
} nats_info;

// Servers that it names are put into `found` (at most `*found_count`, which becomes how many there were).
status nats_info_read(slice json, nats_info *ret, nats_server *found, size_t *found_count,
                      err *e) WRIT_MUST_USE;

// The CONNECT line with its end, in locked memory.
status nats_connect_line(const nats_credentials *c, const nats_info *info, const char *name, bool is_secure,
                         secret *ret, err *e) WRIT_MUST_USE;

struct nats {
    nats_options options;
    char *name;
    nats_credentials credentials;
    nats_server servers[NATS_SERVERS_MAX];
    size_t given_count;
    size_t server_count;
    size_t server_at;  // the one that is tried
    size_t failures;   // attempts in a row
    uint64_t retry_ns; // the longest wait before the next attempt
    uint64_t random;
    siphash_key hash_key;
    nats_state state;
    nats_phase phase;
    uint64_t connect_id;
    byte_stream *stream;
    loop_timer timer; // the attempt's end; the next attempt
    loop_timer pinging;
    unsigned silences;   // looks in a row at which nothing was heard
    uint64_t pings_sent; // on this connection
    uint64_t pongs;
    list_node flushes; // in the order of their pings
    loop_soon flush_soon;
    bool was_heard; // since the last look
    bool is_paused;
    bool is_greeted; // CONNECT was sent
    size_t left_out; // bytes to come of a message that is too long
    nats_info info;
    nats_table subscriptions;
    nats_table requests;
    char inbox[NATS_INBOX_PREFIX_BYTES];
    uint64_t inbox_count;
    uint64_t passed_over;
    char complaint[NATS_REASON_BYTES_MAX]; // the server's last one; often why it closes
    unsigned holds;
    bool is_freed;
};

// Names an inbox of a client's own.
void nats_name_inbox(uint64_t *random, char ret[NATS_INBOX_PREFIX_BYTES]);
// SUB for the inbox of requests and all subscriptions.
status nats_send_subscriptions(nats *n);
// A message of the server, or that there was one which is too long.
void nats_deliver(nats *n, const nats_event *event);
// The server does not allow what was asked: ends the requests that it means.
void nats_refuse_subject(nats *n, slice text);
// Those whose PING has been answered, of so many, end.
void nats_end_flushes(nats *n, uint64_t pongs, status code);
// All requests end with STATUS_CLOSED.
void nats_fail_requests(nats *n, const char *text);
