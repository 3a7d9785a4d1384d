// SPDX-License-Identifier: Apache-2.0
// Making sockets, which only the supervisor (or the single process of --workers 0) may do.
#pragma once

#include <sys/socket.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

typedef struct socket_address {
    struct sockaddr_storage storage;
    socklen_t length; // 0 = none
} socket_address;

// From a literal address without brackets.
bool socket_address_parse(slice text, uint16_t port, socket_address *ret);
// Where a socket is bound.
status socket_address_of(int fd, socket_address *ret, err *e) WRIT_MUST_USE;
// Whether that is `wanted`; a wanted port of 0 is any.
bool socket_address_is_for(const socket_address *bound, const socket_address *wanted);
uint16_t socket_address_port(const socket_address *a);

// `count` listening sockets on one TCP address, between which the kernel spreads connections (SO_REUSEPORT).
// Fails when anybody else, another host of ours included, already listens there: sharing a port by accident
// would give each half of the other's requests. `a` with port 0 receives the port that was chosen.
status socket_listen_group(socket_address *a, size_t count, int *ret_fds, err *e) WRIT_MUST_USE;

// Makes a listening socket what socket_listen_group made it, after a process that shared it and is not
// trusted: it listens, does not block, and has no options that would spoil what it accepts. What waits on it
// stays.
status socket_listen_again(int fd, err *e) WRIT_MUST_USE;

// Two connected local stream sockets, close-on-exec and non-blocking.
status socket_stream_pair(int *ret_a, int *ret_b, err *e) WRIT_MUST_USE;
// The same over TCP on the loopback, for who insists on it: no port is open when it returns, and nobody else
// can have got in between. On the first one connect(2) was called once (net/connector.h).
status socket_tcp_pair(int *ret_a, int *ret_b, err *e) WRIT_MUST_USE;

// A non-blocking stream or datagram socket, bound to `local` (may be NULL): an IPv6 one hears no IPv4.
// Returns 0 or an errno value.
int socket_open_bound(int type, int family, const socket_address *local, int *ret_fd);
// The same, and starts to connect; it is connected when writable and socket_error is 0.
int socket_open_connecting(int type, const socket_address *to, const socket_address *local, int *ret_fd);
int socket_error(int fd); // takes the pending error

// A local stream socket in an open directory, for this user alone (mode 0600); what has the name goes.
// Close-on-exec, non-blocking, listening.
status socket_listen_local(int dir, const char *name, int *ret_fd, err *e) WRIT_MUST_USE;
// Connected to it. STATUS_NOT_FOUND when nobody listens there.
status socket_connect_local(int dir, const char *name, int *ret_fd, err *e) WRIT_MUST_USE;
