// SPDX-License-Identifier: Apache-2.0
// The client's end of a tunnel, with the proxy played by hand over a socket pair.
#include "net/tunnel.h"

#include <sys/socket.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/socket.h"
#include "test.h"

typedef struct scene {
    uint64_t now_ns;
    loop *l;
    tunnel *t;
    int proxy; // our end
    int ended;
    status code;
    int fd;
    char text[256];
} scene;

static uint64_t fake_now(void *arg) { return ((scene *)arg)->now_ns; }

static void on_ended(void *arg, status code, int fd, const err *e) {
    scene *s = arg;
    s->t = NULL;
    s->ended++;
    s->code = code;
    s->fd = fd;
    snprintf(s->text, sizeof s->text, "%.200s", e == NULL ? "" : e->message);
}

static status start(scene *s, const char *host, const char *authorization) {
    int fd[2];
    *s = (scene){.now_ns = 1000, .proxy = -1, .fd = -1};
    loop_clock clock = {fake_now, s};
    EXPECT_OK(loop_new(&clock, &s->l, NULL));
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd), 0);
    s->proxy = fd[1];
    const tunnel_request q = {slice_from_text(host), 443, slice_from_text(authorization), 5000};
    return tunnel_start(s->l, fd[0], &q, on_ended, s, &s->t, NULL);
}

static void turns(scene *s) {
    for (int i = 0; i < 4; i++) {
        loop_turn(s->l, false);
    }
}

static void say(scene *s, const char *text) {
    EXPECT_EQ(socket_send(s->proxy, text, strlen(text)), strlen(text));
    turns(s);
}

static void finish(scene *s) {
    tunnel_cancel(s->t);
    fd_close(s->fd);
    fd_close(s->proxy);
    loop_free(s->l);
}

TEST(the_question) {
    static const char *const rows[][3] = {
        {"api.example.org", "", "CONNECT api.example.org:443 HTTP/1.1\r\nHost: api.example.org:443\r\n\r\n"},
        {"fd00::1", "", "CONNECT [fd00::1]:443 HTTP/1.1\r\nHost: [fd00::1]:443\r\n\r\n"},
        {"a",
         "Basic eA==", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nProxy-Authorization: Basic eA==\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;
        char got[256] = {0};
        EXPECT_OK(start(&s, rows[i][0], rows[i][1]));
        turns(&s);
        EXPECT(socket_receive(s.proxy, got, sizeof got - 1) > 0);
        EXPECT_TEXT(got, rows[i][2]);
        finish(&s);
    }
}

TEST(no_host_can_write_a_line_of_its_own) {
    static const char *const bad[] = {"", "a b", "a\r\nX: y", "a/b", "u@a", "a\x7f", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        scene s;
        EXPECT_STATUS(start(&s, bad[i], ""), STATUS_INVALID);
        EXPECT_EQ(s.ended, 0);
        finish(&s);
    }
}

TEST(what_stands_behind_the_head_is_left_for_the_owner) {
    scene s;
    char got[32] = {0};
    EXPECT_OK(start(&s, "a", ""));
    say(&s, "HTTP/1.1 200 OK\r\nVia: x\r\n\r\nhello");
    EXPECT_EQ(s.ended, 1);
    EXPECT_STATUS(s.code, STATUS_OK);
    EXPECT_EQ(socket_receive(s.fd, got, sizeof got), 5);
    EXPECT_TEXT(got, "hello");
    finish(&s);
}

TEST(an_answer_byte_by_byte) {
    static const char answer[] = "HTTP/1.0 200 \r\nA: b\r\n\r\n";
    scene s;
    EXPECT_OK(start(&s, "a", ""));
    for (size_t i = 0; answer[i] != '\0'; i++) {
        EXPECT_EQ(s.ended, 0);
        say(&s, (const char[]){answer[i], '\0'});
    }
    EXPECT_EQ(s.ended, 1);
    EXPECT(s.code == STATUS_OK && s.fd >= 0);
    finish(&s);
}

TEST(answers_that_are_no_tunnel) {
    static const struct {
        const char *answer;
        status code;
    } rows[] = {
        {"HTTP/1.1 403 Forbidden\r\n\r\n", STATUS_DENIED}, {"HTTP/1.1 407 Who\r\n\r\n", STATUS_DENIED},
        {"HTTP/1.1 302 Found\r\n\r\n", STATUS_DENIED},     {"HTTP/1.1 502 Bad\r\n\r\n", STATUS_IO},
        {"HTTP/1.1 100 Continue\r\n\r\n", STATUS_INVALID}, {"HTTP/2 200 OK\r\n\r\n", STATUS_INVALID},
        {"HTTP/1.1 2000 OK\r\n\r\n", STATUS_INVALID},      {"HTTP/1.1 200", STATUS_OK},
        {"HTTP/1.1 20x OK\r\n\r\n", STATUS_INVALID},       {"\r\n\r\n", STATUS_INVALID},
        {"SSH-2.0-OpenSSH_9.2\r\n\r\n", STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scene s;
        EXPECT_OK(start(&s, "a", ""));
        say(&s, rows[i].answer);
        EXPECT_EQ(s.ended, rows[i].code != STATUS_OK); // without the end of a head nothing is decided
        EXPECT_STATUS(s.code, rows[i].code);
        EXPECT_EQ(s.fd, -1);
        finish(&s);
    }
}

TEST(heads_are_bounded) {
    scene s;
    EXPECT_OK(start(&s, "a", ""));
    say(&s, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < TUNNEL_HEAD_BYTES_MAX / 8; i++) {
        if (s.ended == 0) {
            say(&s, "X: 345\r\n");
        }
    }
    EXPECT_EQ(s.ended, 1);
    EXPECT_STATUS(s.code, STATUS_LIMIT);
    finish(&s);
}

TEST(a_proxy_that_goes_or_is_silent) {
    scene s;
    EXPECT_OK(start(&s, "a", ""));
    say(&s, "HTTP/1.1 200 OK\r\n");
    char question[256];
    EXPECT(socket_receive(s.proxy, question, sizeof question) > 0);
    fd_close(s.proxy);
    s.proxy = -1;
    turns(&s);
    EXPECT_STATUS(s.code, STATUS_CLOSED);
    finish(&s);

    EXPECT_OK(start(&s, "a", ""));
    turns(&s);
    s.now_ns = 5000;
    turns(&s);
    EXPECT_EQ(s.ended, 1);
    EXPECT_STATUS(s.code, STATUS_TIMEOUT);
    finish(&s);
}

TEST(a_cancelled_one_is_not_answered) {
    scene s;
    char byte;
    EXPECT_OK(start(&s, "a", ""));
    tunnel_cancel(s.t);
    s.t = NULL;
    turns(&s);
    EXPECT_EQ(s.ended, 0);
    EXPECT_EQ(socket_receive(s.proxy, &byte, 1), 0);
    finish(&s);
}
