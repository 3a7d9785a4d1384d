// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/socket_open.h"

static socket_address loopback(uint16_t port) {
    socket_address a;
    EXPECT(socket_address_parse(slice_from_text("127.0.0.1"), port, &a));
    return a;
}

static void close_all(int *fds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fd_close(fds[i]);
    }
}

TEST(literals_are_parsed) {
    socket_address a;
    EXPECT(socket_address_parse(slice_from_text("::1"), 80, &a));
    EXPECT_EQ(a.storage.ss_family, AF_INET6);
    EXPECT_EQ(socket_address_port(&a), 80);
    EXPECT(!socket_address_parse(slice_from_text("localhost"), 80, &a));
    EXPECT(!socket_address_parse(slice_from_text("127.1"), 80, &a));
    EXPECT(!socket_address_parse(slice_empty(), 80, &a));
}

TEST(a_group_shares_a_port_and_nobody_else_can_join) {
    socket_address a = loopback(0);
    int fds[3], others[1];
    err e;
    REQUIRE(socket_listen_group(&a, 3, fds, &e) == STATUS_OK);
    EXPECT(socket_address_port(&a) != 0);
    socket_address same = a;
    EXPECT_STATUS(socket_listen_group(&same, 1, others, &e), STATUS_EXISTS);
    EXPECT_CONTAINS(e.message, "already in use");
    close_all(fds, 3);
    EXPECT_OK(socket_listen_group(&same, 1, others, &e)); // free again
    close_all(others, 1);
}

// Every member of the group gets connections: that the sharing option was set after binding does not keep it
// out.
TEST(connections_spread_over_the_group) {
    socket_address a = loopback(0);
    int fds[2], clients[64];
    REQUIRE(socket_listen_group(&a, 2, fds, NULL) == STATUS_OK);
    for (size_t i = 0; i < 64; i++) {
        EXPECT_EQ(socket_open_connecting(SOCK_STREAM, &a, NULL, &clients[i]), 0);
        EXPECT_EQ(poll(&(struct pollfd){.fd = clients[i], .events = POLLOUT}, 1, 5000), 1);
        EXPECT_EQ(socket_error(clients[i]), 0);
    }
    int accepted[2] = {0, 0};
    for (size_t i = 0; i < 2; i++) {
        for (int fd; (fd = accept(fds[i], NULL, NULL)) >= 0; accepted[i]++) {
            fd_close(fd);
        }
    }
    EXPECT_EQ(accepted[0] + accepted[1], 64);
    EXPECT(accepted[0] > 0 && accepted[1] > 0);
    close_all(clients, 64);
    close_all(fds, 2);
}

TEST(refused_connections_are_reported) {
    socket_address a = loopback(0);
    int listener[1], fd = -1;
    REQUIRE(socket_listen_group(&a, 1, listener, NULL) == STATUS_OK);
    close_all(listener, 1);
    int error = socket_open_connecting(SOCK_STREAM, &a, NULL, &fd);
    if (error == 0) {
        EXPECT_EQ(poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 5000), 1);
        error = socket_error(fd);
    }
    EXPECT_EQ(error, ECONNREFUSED);
    fd_close(fd);
}

TEST(sockets_can_be_bound_first) {
    socket_address local = loopback(0);
    int fd = -1;
    EXPECT_EQ(socket_open_bound(SOCK_DGRAM, AF_INET, &local, &fd), 0);
    fd_close(fd);
    socket_address elsewhere;
    EXPECT(socket_address_parse(slice_from_text("192.0.2.1"), 0, &elsewhere));
    EXPECT_EQ(socket_open_bound(SOCK_DGRAM, AF_INET, &elsewhere, &fd), EADDRNOTAVAIL);
}

static int option(int fd, int level, int name) {
    int value = -1;
    EXPECT(getsockopt(fd, level, name, &value, &(socklen_t){sizeof value}) == 0);
    return value;
}

TEST(a_spoilt_listener_listens_again) {
    socket_address a = loopback(0);
    int fd;
    err e;
    REQUIRE(socket_listen_group(&a, 1, &fd, &e) == STATUS_OK);
    int hops = option(fd, IPPROTO_IP, IP_TTL);
    EXPECT(setsockopt(fd, IPPROTO_IP, IP_TTL, &(int){1}, sizeof(int)) == 0);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){1}, sizeof(int)) == 0);
    EXPECT_OK(fd_set_nonblocking(fd, false, NULL));
    EXPECT(shutdown(fd, SHUT_RD) == 0);
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
    EXPECT_OK(socket_listen_again(fd, &e));
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(option(fd, IPPROTO_IP, IP_TTL), hops);
    EXPECT(option(fd, SOL_SOCKET, SO_RCVBUF) >= 16384);
    EXPECT(accept(fd, NULL, NULL) < 0 && errno == EAGAIN);
    int client;
    EXPECT_EQ(socket_open_connecting(SOCK_STREAM, &a, NULL, &client), 0);
    EXPECT(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5000) == 1);
    fd_close(client);
    fd_close(fd);
}
