// SPDX-License-Identifier: Apache-2.0
// What a request and its answer over a server of NATS take at least: two clients with a blocking socket each,
// which do nothing else. The measure for calls between hosts.
//
//   bench_nats_ping HOST PORT BYTES COUNT     -> {"calls": N, "bytes": N, "mean": ns, "p50": ns, "p99": ns}
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 4 << 20, LINE_BYTES = 256 };

typedef struct client {
    int fd;
    char *buffer;
    size_t len, at;
} client;

static _Noreturn void give_up(const char *why) {
    perror(why);
    exit(1);
}

static void send_all(client *c, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t n = write(c->fd, bytes, len);
        if (n <= 0) {
            give_up("write");
        }
        bytes += n;
        len -= (size_t)n;
    }
}

static void fill(client *c) {
    memmove(c->buffer, c->buffer + c->at, c->len - c->at);
    c->len -= c->at;
    c->at = 0;
    ssize_t n = read(c->fd, c->buffer + c->len, BUFFER_BYTES - c->len);
    if (n <= 0) {
        give_up("read");
    }
    c->len += (size_t)n;
}

static void read_line(client *c, char line[LINE_BYTES]) {
    char *end;
    while ((end = memchr(c->buffer + c->at, '\n', c->len - c->at)) == NULL) {
        fill(c);
    }
    size_t len = (size_t)(end - (c->buffer + c->at));
    snprintf(line, LINE_BYTES, "%.*s", (int)(len < LINE_BYTES ? len : LINE_BYTES - 1), c->buffer + c->at);
    c->at += len + 1;
}

// The payload of the next message, in place; answers questions of the server meanwhile.
static const char *next(client *c, char reply[LINE_BYTES], size_t *ret_len) {
    char line[LINE_BYTES], subject[LINE_BYTES], sid[LINE_BYTES], third[LINE_BYTES], fourth[LINE_BYTES];
    for (;;) {
        read_line(c, line);
        if (strncmp(line, "PING", 4) == 0) {
            send_all(c, "PONG\r\n", 6);
        }
        int fields = sscanf(line, "MSG %255s %255s %255s %255s", subject, sid, third, fourth);
        if (fields < 3) {
            continue;
        }
        snprintf(reply, LINE_BYTES, "%s", fields == 4 ? third : "");
        *ret_len = strtoul(fields == 4 ? fourth : third, NULL, 10);
        while (c->len - c->at < *ret_len + 2) {
            fill(c);
        }
        const char *payload = c->buffer + c->at;
        c->at += *ret_len + 2;
        return payload;
    }
}

static client connect_to(const char *host, const char *port, const char *subject) {
    char text[LINE_BYTES];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    client c = {.fd = socket(AF_INET, SOCK_STREAM, 0), .buffer = malloc(BUFFER_BYTES)};
    int yes = 1;
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        connect(c.fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) {
        give_up("connect");
    }
    int len = snprintf(text, sizeof text,
                       "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB %s 1\r\nPING\r\n", subject);
    send_all(&c, text, (size_t)len);
    do {
        read_line(&c, text);
    } while (strncmp(text, "PONG", 4) != 0);
    return c;
}

static void publish(client *c, const char *subject, const char *reply, const char *payload, size_t len) {
    static char out[BUFFER_BYTES];
    int head = snprintf(out, LINE_BYTES * 2, "PUB %s %s %zu\r\n", subject, reply, len);
    memcpy(out + head, payload, len);
    memcpy(out + (size_t)head + len, "\r\n", 2);
    send_all(c, out, (size_t)head + len + 2);
}

static _Noreturn void answer_all(client c) {
    char reply[LINE_BYTES];
    size_t len;
    for (;;) {
        const char *payload = next(&c, reply, &len);
        publish(&c, reply, "", payload, len);
    }
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void measure(client *c, size_t bytes, size_t count) {
    uint64_t *times = malloc(count * sizeof *times), sum = 0;
    char *payload = calloc(1, bytes + 1), reply[LINE_BYTES];
    for (size_t i = 0; i < count; i++) {
        size_t len;
        uint64_t begin = now_ns();
        publish(c, "bench.ping", "bench.pong", payload, bytes);
        (void)next(c, reply, &len);
        times[i] = now_ns() - begin;
        sum += times[i];
    }
    qsort(times, count, sizeof *times, by_size);
    printf("{\"calls\": %zu, \"bytes\": %zu, \"mean\": %llu, \"p50\": %llu, \"p99\": %llu}\n", count, bytes,
           (unsigned long long)(sum / count), (unsigned long long)times[count / 2],
           (unsigned long long)times[count - 1 - count / 100]);
}

int main(int argc, char **argv) {
    if (argc != 5 || strtoul(argv[3], NULL, 10) > BUFFER_BYTES / 2 || strtoul(argv[4], NULL, 10) == 0) {
        fprintf(stderr, "usage: bench_nats_ping HOST PORT BYTES COUNT\n");
        return 2;
    }
    client server = connect_to(argv[1], argv[2], "bench.ping");
    pid_t child = fork();
    if (child == 0) {
        answer_all(server);
    }
    client c = connect_to(argv[1], argv[2], "bench.pong");
    measure(&c, strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}
