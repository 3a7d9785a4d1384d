// SPDX-License-Identifier: Apache-2.0
// System calls on sockets that somebody else opened (os/ is the only folder with raw system calls).
// Everything is non-blocking; results are counts or negated errno values, so that callers can map them to
// their own errors.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// Bytes read (0 = the peer ended), or -EAGAIN, or another negated errno.
long socket_receive(int fd, void *bytes, size_t len);
// The same, and leaves them where they are.
long socket_peek(int fd, void *bytes, size_t len);
// A datagram with its sender; `*ret_length` of the address is set.
long socket_receive_from(int fd, void *bytes, size_t len, struct sockaddr_storage *ret,
                         socklen_t *ret_length);
// Bytes taken, or a negated errno. Never raises SIGPIPE.
long socket_send(int fd, const void *bytes, size_t len);

// Whether a read (or write) would not have to wait; true for errors and hang-ups as well.
bool socket_is_readable(int fd);
bool socket_is_writable(int fd);

int socket_listen(int fd, int backlog);                  // 0 or a negated errno
int socket_accept(int fd, struct sockaddr_storage *ret); // a non-blocking descriptor or a negated errno
int socket_shutdown(int fd, int how);                    // SHUT_RD, SHUT_WR, SHUT_RDWR
int socket_local(int fd, struct sockaddr_storage *ret);
int socket_peer(int fd, struct sockaddr_storage *ret);
int socket_option_get(int fd, int level, int name, int *ret);
int socket_option_set(int fd, int level, int name, int value);

// Of a connected local one: whether the process at the other end is this user's, or root's.
bool socket_is_of_our_user(int fd);
