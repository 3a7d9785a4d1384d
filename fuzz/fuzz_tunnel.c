// SPDX-License-Identifier: Apache-2.0
// Any answer of a proxy: the tunnel ends once at most, and with a socket only behind a head that says so; not
// a byte of what follows is lost.
//
// links: net
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "fuzz.h"
#include "net/tunnel.h"
#include "os/fd.h"
#include "os/socket.h"

typedef struct state {
    tunnel *t;
    int ended;
    status code;
    int fd;
} state;

static uint64_t fixed_now(void *arg) {
    (void)arg;
    return 1000;
}

static void on_ended(void *arg, status code, int fd, const err *e) {
    state *s = arg;
    CHECK((code == STATUS_OK) == (e == NULL) && (code == STATUS_OK) == (fd >= 0));
    s->t = NULL;
    s->ended++;
    s->code = code;
    s->fd = fd;
}

// What is left in the socket is the end of what the proxy wrote, right behind the first empty line.
static void check_rest(const state *s, const uint8_t *data, size_t size) {
    static uint8_t rest[1 << 16];
    const uint8_t *head = memmem(data, size, "\r\n\r\n", 4);
    CHECK(head != NULL && size >= 12 && memcmp(data, "HTTP/1.", 7) == 0 && data[9] == '2');
    size_t expected = size - (size_t)(head - data) - 4;
    long n = socket_receive(s->fd, rest, sizeof rest);
    CHECK(expected == 0 ? n <= 0 : (size_t)n == expected && memcmp(rest, head + 4, expected) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 20000) {
        return 0;
    }
    state s = {.fd = -1};
    loop *l = NULL;
    loop_clock clock = {fixed_now, NULL};
    int fd[2];
    CHECK(loop_new(&clock, &l, NULL) == STATUS_OK);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == 0);
    const tunnel_request q = {.host = slice_from_text("a.example"), .port = 443, .deadline_ns = UINT64_MAX};
    CHECK(tunnel_start(l, fd[0], &q, on_ended, &s, &s.t, NULL) == STATUS_OK);
    size_t half = size / 2;
    CHECK(socket_send(fd[1], data, half) == (long)half);
    loop_turn(l, false);
    CHECK(socket_send(fd[1], data + half, size - half) == (long)(size - half) || s.ended == 1);
    for (int i = 0; i < 4; i++) {
        loop_turn(l, false);
    }
    if (s.ended == 1 && s.code == STATUS_OK) {
        check_rest(&s, data, size);
    }
    CHECK(s.ended <= 1);
    tunnel_cancel(s.t);
    fd_close(s.fd);
    fd_close(fd[1]);
    loop_free(l);
    return 0;
}
