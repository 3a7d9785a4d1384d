// SPDX-License-Identifier: Apache-2.0
#include "os/socket_open.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/fd.h"

enum {
    LISTEN_BACKLOG = 4096,       // the kernel cuts it to net.core.somaxconn
    BUFFER_BYTES_MIN = 16 << 10, // no default is below
};

bool socket_address_parse(slice text, uint16_t port, socket_address *ret) {
    char copy[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    socket_address a = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a.storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a.storage;
    if (inet_pton(AF_INET, copy, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        a.length = sizeof *v4;
    } else if (inet_pton(AF_INET6, copy, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        a.length = sizeof *v6;
    } else {
        return false;
    }
    *ret = a;
    return true;
}

uint16_t socket_address_port(const socket_address *a) {
    // Both families keep it at the same place.
    return ntohs(((const struct sockaddr_in *)&a->storage)->sin_port);
}

status socket_address_of(int fd, socket_address *ret, err *e) {
    *ret = (socket_address){.length = sizeof ret->storage};
    if (getsockname(fd, (struct sockaddr *)&ret->storage, &ret->length) != 0) {
        return err_set_errno(e, errno, "getsockname");
    }
    return STATUS_OK;
}

static bool is_same_host(const socket_address *a, const socket_address *b) {
    if (a->storage.ss_family == AF_INET) {
        return ((const struct sockaddr_in *)&a->storage)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)&b->storage)->sin_addr.s_addr;
    }
    return memcmp(&((const struct sockaddr_in6 *)&a->storage)->sin6_addr,
                  &((const struct sockaddr_in6 *)&b->storage)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

bool socket_address_is_for(const socket_address *bound, const socket_address *wanted) {
    uint16_t port = socket_address_port(wanted);
    return bound->storage.ss_family == wanted->storage.ss_family &&
           (port == 0 || port == socket_address_port(bound)) && is_same_host(bound, wanted);
}

static status listen_failed(int number, uint16_t port, err *e) {
    if (number == EADDRINUSE) {
        return err_set(e, STATUS_EXISTS,
                       "port %u is already in use; choose another one, or port 0 for any free one", port);
    }
    if (number == EACCES) {
        return err_set(e, STATUS_DENIED, "port %u needs the right to bind ports below 1024", port);
    }
    if (number == EADDRNOTAVAIL) {
        return err_set(e, STATUS_INVALID, "the address to listen on is not one of this machine's");
    }
    return err_set_errno(e, number, "listen");
}

static int set_option(int fd, int level, int name) {
    return setsockopt(fd, level, name, &(int){1}, sizeof(int)) == 0 ? 0 : errno;
}

// The first socket of a group binds without SO_REUSEPORT, which fails when anybody has the port; it allows
// sharing only then, and the others of the group join.
static int listen_one(socket_address *a, bool is_first, int *ret_fd) {
    auto_fd fd = socket(a->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    int error = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (error == 0 && !is_first) {
        error = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
    }
    if (error == 0 && a->storage.ss_family == AF_INET6) {
        error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    }
    if (error == 0 && bind(fd, (const struct sockaddr *)&a->storage, a->length) != 0) {
        error = errno;
    }
    if (error == 0 && is_first) {
        error = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
    }
    if (error == 0 && (listen(fd, LISTEN_BACKLOG) != 0 ||
                       getsockname(fd, (struct sockaddr *)&a->storage, &a->length) != 0)) {
        error = errno;
    }
    if (error == 0) {
        *ret_fd = fd;
        fd = -1;
    }
    return error;
}

status socket_listen_group(socket_address *a, size_t count, int *ret_fds, err *e) {
    socket_address address = *a;
    auto_fd chooser = -1;
    // A port that the kernel chose is given back when somebody shuts the socket down; one that was asked for
    // stays. So one socket finds a free port, and the group asks for it.
    int chosen = socket_address_port(a) == 0 ? listen_one(&address, true, &chooser) : 0;
    if (chosen != 0) {
        return listen_failed(chosen, 0, e);
    }
    for (size_t i = 0; i < count; i++) {
        int error = listen_one(&address, i == 0 && chooser < 0, &ret_fds[i]);
        if (error != 0) {
            while (i > 0) {
                fd_close(ret_fds[--i]);
            }
            return listen_failed(error, socket_address_port(a), e);
        }
    }
    *a = address;
    return STATUS_OK;
}

static void widen_buffer(int fd, int name, int bytes) {
    int now = 0;
    socklen_t length = sizeof now;
    if (getsockopt(fd, SOL_SOCKET, name, &now, &length) == 0 && now < bytes) {
        (void)setsockopt(fd, SOL_SOCKET, name, &bytes, sizeof bytes);
    }
}

status socket_listen_again(int fd, err *e) {
    const int standard = -1; // the system's own hop limit
    const struct linger none = {0};
    TRY(fd_set_nonblocking(fd, true, e));
    if (listen(fd, LISTEN_BACKLOG) != 0) {
        return err_set_errno(e, errno, "listen again");
    }
    // Accepted sockets inherit these. Each fails on sockets of the other family, which do not have it.
    (void)setsockopt(fd, IPPROTO_IP, IP_TTL, &standard, sizeof standard);
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &standard, sizeof standard);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){0}, sizeof(int));
    widen_buffer(fd, SO_RCVBUF, BUFFER_BYTES_MIN);
    widen_buffer(fd, SO_SNDBUF, BUFFER_BYTES_MIN);
    return STATUS_OK;
}

// Datagram sockets of one guest share a port, one connected to each peer. Like a listening group, the first
// binds alone, which fails when anybody has the port, and only then allows sharing (the kernel limits that to
// one user).
static int bind_datagram(int fd, const socket_address *local, bool shares) {
    int error = shares ? set_option(fd, SOL_SOCKET, SO_REUSEPORT) : 0;
    if (error == 0 && bind(fd, (const struct sockaddr *)&local->storage, local->length) != 0) {
        error = errno;
    }
    return error == 0 && !shares ? set_option(fd, SOL_SOCKET, SO_REUSEPORT) : error;
}

static int bind_stream(int fd, const socket_address *local) {
    int error = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (error == 0 && bind(fd, (const struct sockaddr *)&local->storage, local->length) != 0) {
        error = errno;
    }
    return error;
}

static int open_socket(int type, int family, const socket_address *local, bool shares, int *ret_fd) {
    auto_fd fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    if (local != NULL && local->length > 0) {
        // A place among the IPv6 addresses is none among those of IPv4.
        int error = family == AF_INET6 ? set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) : 0;
        if (error == 0) {
            error = type == SOCK_STREAM ? bind_stream(fd, local) : bind_datagram(fd, local, shares);
        }
        if (error != 0) {
            return error;
        }
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int socket_open_bound(int type, int family, const socket_address *local, int *ret_fd) {
    return open_socket(type, family, local, false, ret_fd);
}

int socket_open_connecting(int type, const socket_address *to, const socket_address *local, int *ret_fd) {
    auto_fd fd = -1;
    int error = open_socket(type, to->storage.ss_family, local, true, &fd);
    if (error != 0) {
        return error;
    }
    if (type == SOCK_STREAM) {
        (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    }
    if (connect(fd, (const struct sockaddr *)&to->storage, to->length) != 0 && errno != EINPROGRESS) {
        return errno;
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int socket_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

status socket_stream_pair(int *ret_a, int *ret_b, err *e) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
        return err_set_errno(e, errno, "make a pair of sockets");
    }
    *ret_a = fds[0];
    *ret_b = fds[1];
    return STATUS_OK;
}

// Whether what was accepted is what we connected: another process of the machine may have been faster.
static bool is_other_end(int ours, int accepted) {
    struct sockaddr_in a = {0}, b = {0};
    socklen_t a_len = sizeof a, b_len = sizeof b;
    return getsockname(ours, (struct sockaddr *)&a, &a_len) == 0 &&
           getpeername(accepted, (struct sockaddr *)&b, &b_len) == 0 && a.sin_port == b.sin_port &&
           a.sin_addr.s_addr == b.sin_addr.s_addr;
}

static status connect_loopback(int listener, int ours, err *e) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int one = 1;
    bool is_done = bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 16) == 0 &&
                   getsockname(listener, (struct sockaddr *)&at, &len) == 0 &&
                   (connect(ours, (struct sockaddr *)&at, sizeof at) == 0 || errno == EINPROGRESS) &&
                   setsockopt(ours, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0;
    return is_done ? STATUS_OK : err_set_errno(e, errno, "make a pair of sockets on the loopback");
}

status socket_tcp_pair(int *ret_a, int *ret_b, err *e) {
    enum { STRANGERS_MAX = 32 };
    auto_fd listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto_fd ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    TRY(connect_loopback(listener, ours, e));
    for (int i = 0; i < STRANGERS_MAX; i++) {
        auto_fd other = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (other >= 0 && is_other_end(ours, other)) {
            (void)setsockopt(other, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            *ret_a = ours;
            *ret_b = other;
            ours = other = -1;
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_IO, "somebody else connects to the sockets that this process makes for itself");
}

// By way of the descriptor: the path of a socket may have no more than 107 bytes.
static status local_address(int dir, const char *name, struct sockaddr_un *ret, err *e) {
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", dir, name);
    return n < 0 || (size_t)n >= sizeof ret->sun_path
               ? err_set(e, STATUS_INVALID, "\"%s\" is too long for a socket", name)
               : STATUS_OK;
}

static status open_local(int *ret_fd, err *e) {
    *ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return *ret_fd < 0 ? err_set_errno(e, errno, "open a local socket") : STATUS_OK;
}

status socket_listen_local(int dir, const char *name, int *ret_fd, err *e) {
    struct sockaddr_un a;
    auto_fd fd = -1;
    TRY(local_address(dir, name, &a, e));
    TRY(open_local(&fd, e));
    (void)unlinkat(dir, name, 0);
    mode_t before = umask(0177);
    int failed = bind(fd, (const struct sockaddr *)&a, sizeof a) == 0 ? 0 : errno;
    (void)umask(before);
    if (failed != 0 || listen(fd, SOMAXCONN) != 0) {
        err_set_errno(e, failed != 0 ? failed : errno, "listen");
        return err_wrap(e, "local socket %s", name);
    }
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}

status socket_connect_local(int dir, const char *name, int *ret_fd, err *e) {
    struct sockaddr_un a;
    auto_fd fd = -1;
    TRY(local_address(dir, name, &a, e));
    TRY(open_local(&fd, e));
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        return errno == ENOENT || errno == ECONNREFUSED
                   ? err_set(e, STATUS_NOT_FOUND, "nobody listens on %s", name)
                   : err_set_errno(e, errno, "connect to a local socket");
    }
    *ret_fd = fd;
    fd = -1;
    return STATUS_OK;
}
