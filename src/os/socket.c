// SPDX-License-Identifier: Apache-2.0
#include "os/socket.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static long result(long n) { return n < 0 ? -(long)errno : n; }

static long receive(int fd, void *bytes, size_t len, int flags) {
    long n;
    do {
        n = result(recv(fd, bytes, len, MSG_DONTWAIT | flags));
    } while (n == -EINTR);
    return n;
}

long socket_receive(int fd, void *bytes, size_t len) { return receive(fd, bytes, len, 0); }
long socket_peek(int fd, void *bytes, size_t len) { return receive(fd, bytes, len, MSG_PEEK); }

long socket_receive_from(int fd, void *bytes, size_t len, struct sockaddr_storage *ret,
                         socklen_t *ret_length) {
    long n;
    do {
        *ret_length = sizeof *ret;
        n = result(recvfrom(fd, bytes, len, MSG_DONTWAIT, (struct sockaddr *)ret, ret_length));
    } while (n == -EINTR);
    return n;
}

long socket_send(int fd, const void *bytes, size_t len) {
    long n;
    do {
        n = result(send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL));
    } while (n == -EINTR);
    return n;
}

static bool is_ready(int fd, short events) {
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 0) > 0 && p.revents != 0;
}

bool socket_is_readable(int fd) { return is_ready(fd, POLLIN); }
bool socket_is_writable(int fd) { return is_ready(fd, POLLOUT); }

int socket_listen(int fd, int backlog) { return (int)result(listen(fd, backlog)); }

int socket_accept(int fd, struct sockaddr_storage *ret) {
    socklen_t length = sizeof *ret;
    return (int)result(accept4(fd, (struct sockaddr *)ret, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

int socket_shutdown(int fd, int how) { return (int)result(shutdown(fd, how)); }

int socket_local(int fd, struct sockaddr_storage *ret) {
    socklen_t length = sizeof *ret;
    return (int)result(getsockname(fd, (struct sockaddr *)ret, &length));
}

int socket_peer(int fd, struct sockaddr_storage *ret) {
    socklen_t length = sizeof *ret;
    return (int)result(getpeername(fd, (struct sockaddr *)ret, &length));
}

int socket_option_get(int fd, int level, int name, int *ret) {
    int value = 0;
    socklen_t length = sizeof value;
    int n = (int)result(getsockopt(fd, level, name, &value, &length));
    if (n == 0) {
        *ret = value;
    }
    return n;
}

int socket_option_set(int fd, int level, int name, int value) {
    return (int)result(setsockopt(fd, level, name, &value, sizeof value));
}

bool socket_is_of_our_user(int fd) {
    struct ucred peer = {0};
    socklen_t length = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && length == sizeof peer &&
           (peer.uid == geteuid() || peer.uid == 0);
}
