// SPDX-License-Identifier: Apache-2.0
// Where a collector is. What is sent to it is judged by another implementation (tests/interop/test_otlp.py).
#include "api/otlp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/config.h"
#include "os/fd.h"
#include "test.h"

TEST(where_a_collector_is) {
    static const struct {
        const char *text;
        bool is_https;
        const char *authority, *path; // NULL: refused
    } rows[] = {
        {"http://127.0.0.1:4318", false, "127.0.0.1:4318", "/v1/logs"},
        {"https://collector.example.org/", true, "collector.example.org", "/v1/logs"},
        {"http://[fd00::1]:4318/base/", false, "[fd00::1]:4318", "/base/v1/logs"},
        {"127.0.0.1:4318", false, NULL, NULL},
        {"http://", false, NULL, NULL},
        {"http://user@host:1", false, NULL, NULL},
        {"http://host:1/a?b", false, NULL, NULL},
        {"http://host:1/a b", false, NULL, NULL},
        {"http://host\r\nx", false, NULL, NULL},
        {"", false, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        otlp_endpoint to = {0};
        status s = otlp_endpoint_parse(slice_from_text(rows[i].text), &to, NULL);
        if (EXPECT_EQ(s == STATUS_OK, rows[i].path != NULL) && s == STATUS_OK) {
            EXPECT_EQ(to.is_https, rows[i].is_https);
            EXPECT_TEXT(to.authority, rows[i].authority);
            EXPECT_TEXT(to.path, rows[i].path);
        }
    }
}

TEST(names_that_are_too_long_are_refused) {
    char text[1024] = "http://host/";
    otlp_endpoint to;
    memset(text + strlen(text), 'a', 300);
    EXPECT_STATUS(otlp_endpoint_parse(slice_from_text(text), &to, NULL), STATUS_INVALID);
    (void)snprintf(text, sizeof text, "http://");
    memset(text + strlen(text), 'a', 300);
    EXPECT_STATUS(otlp_endpoint_parse(slice_from_text(text), &to, NULL), STATUS_INVALID);
}

// --- a collector that never comes to an end
// ------------------------------------------------------------------

typedef struct place {
    uint64_t now_ns;
    loop *loop;
    log_taps taps;
    host_config config;
    logger *logger;
    host_status status;
    otlp *otlp;
    int listen_fd;
    otlp_endpoint to;
} place;

static uint64_t now_ns(void *arg) { return ((place *)arg)->now_ns; }

static void place_init(place *p) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *p = (place){.now_ns = 1000000000};
    host_config_init(&p->config);
    list_init(&p->taps.list);
    EXPECT_OK(loop_new(&(loop_clock){now_ns, p}, &p->loop, NULL));
    EXPECT_OK(logger_new(&(logger_options){.fd = STDERR_FILENO, .taps = &p->taps}, &p->logger, NULL));
    p->status = (host_status){.config = &p->config, .logger = p->logger, .taps = &p->taps};
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    REQUIRE(bind(p->listen_fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(p->listen_fd, 4) == 0);
    REQUIRE(getsockname(p->listen_fd, (struct sockaddr *)&a, &len) == 0);
    (void)snprintf(p->to.authority, sizeof p->to.authority, "127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
    (void)snprintf(p->to.path, sizeof p->to.path, "/v1/logs");
    EXPECT_OK(otlp_new(p->loop, &p->to, NULL, &p->status, &p->otlp, NULL));
}

static void place_done(place *p) {
    otlp_free(p->otlp);
    logger_free(p->logger);
    host_config_done(&p->config);
    fd_close(p->listen_fd);
    loop_free(p->loop);
}

static int accept_soon(place *p) {
    int fd = -1;
    while (fd < 0) {
        loop_turn(p->loop, false);
        fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    return fd;
}

static void send_text(int fd, const char *text) { (void)!send(fd, text, strlen(text), MSG_NOSIGNAL); }

static bool is_ended(int fd) {
    char bytes[4096];
    ssize_t n;
    do {
        n = recv(fd, bytes, sizeof bytes, 0);
    } while (n > 0);
    return n == 0;
}

TEST(an_answer_that_comes_byte_by_byte_is_given_up) {
    place p;
    int bytes = 0;
    place_init(&p);
    logger_event(p.logger, LOG_INFO, "first", NULL, 0, "one");
    p.now_ns += 2000000000;
    int fd = accept_soon(&p);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    send_text(fd, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
    while (bytes < 30 && !is_ended(fd)) {
        send_text(fd, "x");
        for (int i = 0; i < 20; i++) {
            loop_turn(p.loop, false);
        }
        p.now_ns += 5000000000;
        bytes++;
    }
    EXPECT(bytes > 10 && bytes < 20);
    fd_close(fd);
    fd_close(p.listen_fd); // nobody hears the last words
    p.listen_fd = -1;
    place_done(&p);
}
