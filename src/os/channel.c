// SPDX-License-Identifier: Apache-2.0
#include "os/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/fd.h"

typedef union control_buffer { // aligned as the kernel wants it
    char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_DESCRIPTORS_MAX)];
    struct cmsghdr header;
} control_buffer;

status channel_pair(size_t buffer_bytes, channel *ret_a, channel *ret_b, err *e) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        return err_set_errno(e, errno, "socketpair");
    }
    int size = buffer_bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)buffer_bytes;
    for (int i = 0; i < 2; i++) {
        // A kernel that allows less gives less: senders cope with a full buffer anyway.
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    ret_a->fd = fds[0];
    ret_b->fd = fds[1];
    return STATUS_OK;
}

void channel_close(channel *c) {
    fd_close(c->fd);
    c->fd = -1;
}

static status send_failed(int number, err *e) {
    if (number == EAGAIN || number == ENOBUFS || number == ETOOMANYREFS) {
        return err_set(e, STATUS_LIMIT, "the peer does not read its packets");
    }
    if (number == EPIPE || number == ECONNRESET || number == ENOTCONN) {
        return err_set(e, STATUS_CLOSED, "the peer is gone");
    }
    return err_set_errno(e, number, "send a packet");
}

// Packets without descriptors go through send(2), the only sending call that a worker's filter leaves it.
static ssize_t send_plain(int fd, uint32_t type, slice payload) {
    uint8_t packet[sizeof type + CHANNEL_PAYLOAD_BYTES_MAX];
    memcpy(packet, &type, sizeof type);
    if (payload.len > 0) {
        memcpy(packet + sizeof type, payload.data, payload.len);
    }
    ssize_t n = send(fd, packet, sizeof type + payload.len, MSG_NOSIGNAL);
    int number = errno;
    explicit_bzero(packet, sizeof type + payload.len); // it may have been a secret
    errno = number;
    return n;
}

static ssize_t send_with_fds(int fd, uint32_t type, slice payload, const int *fds, size_t fd_count) {
    struct iovec parts[2] = {{&type, sizeof type}, {(void *)(uintptr_t)payload.data, payload.len}};
    control_buffer control = {0};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * fd_count)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

status channel_send(channel *c, uint32_t type, slice payload, const int *fds, size_t fd_count, err *e) {
    CHECK(payload.len <= CHANNEL_PAYLOAD_BYTES_MAX && fd_count <= CHANNEL_DESCRIPTORS_MAX);
    if (c->fd < 0) {
        return err_set(e, STATUS_CLOSED, "the channel is closed");
    }
    ssize_t n;
    do {
        n = fd_count == 0 ? send_plain(c->fd, type, payload)
                          : send_with_fds(c->fd, type, payload, fds, fd_count);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? send_failed(errno, e) : STATUS_OK;
}

// Collects every descriptor of the message, so that none leaks whatever else is wrong with it.
static bool take_descriptors(struct msghdr *message, channel_packet *ret) {
    bool fits = true;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h != NULL; h = CMSG_NXTHDR(message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
            if (ret->fd_count < CHANNEL_DESCRIPTORS_MAX) {
                ret->fds[ret->fd_count++] = fd;
            } else {
                fd_close(fd);
                fits = false;
            }
        }
    }
    return fits;
}

static status check_packet(const struct msghdr *message, size_t n, size_t fds_max, bool fds_fit,
                           channel_packet *p, err *e) {
    if (n < sizeof p->type || (message->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || !fds_fit ||
        p->fd_count > fds_max) {
        channel_packet_done(p);
        return err_set(e, STATUS_INVALID, "a packet of %zu bytes with %u descriptors has the wrong shape", n,
                       p->fd_count);
    }
    p->len = n - sizeof p->type;
    return STATUS_OK;
}

status channel_receive(channel *c, size_t fds_max, channel_packet *ret, err *e) {
    if (c->fd < 0) {
        return err_set(e, STATUS_CLOSED, "the channel is closed");
    }
    ret->fd_count = 0;
    struct iovec parts[2] = {{&ret->type, sizeof ret->type}, {ret->payload, sizeof ret->payload}};
    control_buffer control;
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = fds_max > 0 ? control.bytes : NULL,
                             .msg_controllen = fds_max > 0 ? sizeof control.bytes : 0};
    ssize_t n;
    do {
        n = recvmsg(c->fd, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        return STATUS_NOT_FOUND;
    }
    if (n < 0 && errno != ECONNRESET) {
        return err_set_errno(e, errno, "receive a packet");
    }
    // Packets are never empty (they start with a type), so 0 is the end.
    if (n <= 0) {
        return err_set(e, STATUS_CLOSED, "the peer is gone");
    }
    bool fds_fit = take_descriptors(&message, ret);
    return check_packet(&message, (size_t)n, fds_max, fds_fit, ret, e);
}

status channel_wait(channel *c, int timeout_ms, size_t fds_max, channel_packet *ret, err *e) {
    uint64_t end = clock_now_ns() + (timeout_ms < 0 ? 0 : (uint64_t)timeout_ms * 1000000u);
    for (;;) {
        status s = channel_receive(c, fds_max, ret, e);
        if (s != STATUS_NOT_FOUND) {
            return s;
        }
        uint64_t now = clock_now_ns();
        if (timeout_ms >= 0 && now >= end) {
            return err_set(e, STATUS_TIMEOUT, "no packet within %d ms", timeout_ms);
        }
        int wait_ms = timeout_ms < 0 ? -1 : (int)((end - now + 999999u) / 1000000u);
        (void)poll(&(struct pollfd){.fd = c->fd, .events = POLLIN}, 1, wait_ms);
    }
}

int channel_packet_take(channel_packet *p, size_t index) {
    if (index >= p->fd_count) {
        return -1;
    }
    int fd = p->fds[index];
    p->fds[index] = -1;
    return fd;
}

void channel_packet_done(channel_packet *p) {
    for (size_t i = 0; i < p->fd_count; i++) {
        fd_close(p->fds[i]);
        p->fds[i] = -1;
    }
    p->fd_count = 0;
}
