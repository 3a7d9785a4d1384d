// SPDX-License-Identifier: Apache-2.0
// Packets between the supervisor and a child process: a pair of connected SOCK_SEQPACKET sockets. A packet is
// a type, a bounded payload and, from the supervisor only, file descriptors. Nothing here blocks but
// channel_wait.
//
// What arrives from a child is hostile input: a packet of wrong shape is STATUS_INVALID, never more. A
// receiver names how many descriptors it expects; where it expects none, the kernel drops what was sent.
// Children cannot send any: their system call filter forbids sendmsg.
// Not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    CHANNEL_PAYLOAD_BYTES_MAX = 8192,
    CHANNEL_DESCRIPTORS_MAX = 8,
};

typedef struct channel {
    int fd; // -1 when closed
} channel;

// Both ends, close-on-exec and non-blocking. `buffer_bytes`: what each direction can hold (the kernel rounds
// it).
status channel_pair(size_t buffer_bytes, channel *ret_a, channel *ret_b, err *e) WRIT_MUST_USE;
void channel_close(channel *c);

// STATUS_LIMIT when the peer is behind (try again when writable), STATUS_CLOSED when it is gone. Descriptors
// are duplicated into the peer; the caller keeps its own.
status channel_send(channel *c, uint32_t type, slice payload, const int *fds, size_t fd_count,
                    err *e) WRIT_MUST_USE;

typedef struct channel_packet {
    uint32_t type;
    uint32_t fd_count;
    int fds[CHANNEL_DESCRIPTORS_MAX]; // owned by the packet until taken; -1 when taken
    size_t len;
    uint8_t payload[CHANNEL_PAYLOAD_BYTES_MAX];
} channel_packet;

// The next packet. STATUS_NOT_FOUND when there is none now, STATUS_CLOSED when the peer is gone,
// STATUS_INVALID when it is not a packet of ours or carries more than `fds_max` descriptors. `ret` needs
// channel_packet_done on success.
status channel_receive(channel *c, size_t fds_max, channel_packet *ret, err *e) WRIT_MUST_USE;
// Waits up to `timeout_ms` (-1: for ever) for a packet; STATUS_TIMEOUT. For children before their loop runs.
status channel_wait(channel *c, int timeout_ms, size_t fds_max, channel_packet *ret, err *e) WRIT_MUST_USE;

static inline slice channel_packet_payload(const channel_packet *p) { return slice_of(p->payload, p->len); }
// Moves a descriptor out of the packet; -1 when there is none at this index.
int channel_packet_take(channel_packet *p, size_t index);
void channel_packet_done(channel_packet *p); // closes the descriptors that nobody took
