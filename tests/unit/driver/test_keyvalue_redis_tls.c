// SPDX-License-Identifier: Apache-2.0
// Key-value on a real Redis server under TLS, which demands a certificate of its clients: the contract, and
// what TLS refuses.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "unit/crypto/helper_openssl.h"
#include "unit/driver/helper_redis.h"
#include "unit/driver/keyvalue_contract.h"

typedef struct server {
    redis_process process;
    openssl_place keys;
    char url[64];
    buf ca, certificate, key;
} server;

static const char make_keys[] =
    "make() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout $1.key "
    "-out $1.pem "
    "-subj /CN=$1 -addext subjectAltName=DNS:cache.example; }; make server; make client";

static uint16_t free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    CHECK(bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
          getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

static const char *start(server *s) {
    char port[8];
    char files[3][96];
    if (!openssl_begin(&s->keys)) {
        return "there is no openssl command (apt-get install openssl)";
    }
    CHECK(openssl_run(&s->keys, make_keys) && openssl_read(&s->keys, "server.pem", &s->ca) &&
          openssl_read(&s->keys, "client.pem", &s->certificate) &&
          openssl_read(&s->keys, "client.key", &s->key));
    uint16_t tls_port = free_port();
    snprintf(port, sizeof port, "%u", tls_port);
    snprintf(files[0], sizeof files[0], "%s/server.pem", s->keys.path);
    snprintf(files[1], sizeof files[1], "%s/server.key", s->keys.path);
    snprintf(files[2], sizeof files[2], "%s/client.pem", s->keys.path);
    const char *const options[] = {
        "--tls-port", port, "--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-ca-cert-file",
        files[2],     NULL};
    snprintf(s->url, sizeof s->url, "rediss://cache.example:%u", tls_port);
    return redis_process_start(&s->process, options);
}

static void stop(server *s) {
    redis_process_stop(&s->process);
    openssl_end(&s->keys);
    buf_done(&s->ca);
    buf_done(&s->certificate);
    buf_done(&s->key);
    mem_free(s);
}

static const char *prepare(kv *k) {
    server *s = MEM_NEW(server);
    const char *why = start(s);
    if (why != NULL) {
        stop(s);
        return why;
    }
    kv_start(k);
    k->data = s;
    return NULL;
}

static status open_with(kv *k, slice url, slice ca, bool with_key, err *e) {
    server *s = k->data;
    const driver_value values[] = {KEYVALUE_CONTRACT_SETTINGS,
                                   {SLICE_LITERAL("url"), url},
                                   {SLICE_LITERAL("ca"), ca},
                                   {SLICE_LITERAL("tls-certificate"), buf_slice(&s->certificate)}};
    const driver_value key = {SLICE_LITERAL("tls-key"), buf_slice(&s->key)};
    const driver_values settings = {values, sizeof values / sizeof values[0] - (with_key ? 0 : 1)};
    const driver_values credentials = {&key, with_key ? 1 : 0};
    return kv_open(k, &keyvalue_redis, &settings, &credentials, e);
}

static const char *open_it(kv *k) {
    const char *why = prepare(k);
    if (why == NULL) {
        server *s = k->data;
        err e = {0};
        EXPECT_STATUS_ERR(open_with(k, slice_from_text(s->url), buf_slice(&s->ca), true, &e), STATUS_OK, e);
    }
    return why;
}

static void close_it(kv *k) {
    server *s = k->data;
    kv_stop(k);
    stop(s);
}

KEYVALUE_CONTRACT(open_it, close_it)

static void expect_down(kv *k, slice url, slice ca, bool with_key, const char *part) {
    err e = {0};
    EXPECT_STATUS_ERR(open_with(k, url, ca, with_key, &e), STATUS_OK, e);
    driver_health h = {0};
    for (int i = 0; i < 5000 && h.state != DRIVER_DOWN; i++) {
        kv_turn(k);
        k->d->health(k->link, &h);
    }
    EXPECT_EQ(h.state, DRIVER_DOWN);
    EXPECT_CONTAINS(h.reason, part);
    kv_close(k);
}

TEST(who_is_not_believed_gets_nothing) {
    kv k = {0};
    const char *why = prepare(&k);
    if (why != NULL) {
        SKIP(why);
    }
    server *s = k.data;
    char wrong[64];
    slice url = slice_from_text(s->url);
    expect_down(&k, url, buf_slice(&s->certificate), true, "is not believed");
    // Its alert may be lost behind the reset of the connection.
    expect_down(&k, url, buf_slice(&s->ca), false, "redis at cache.example");
    snprintf(wrong, sizeof wrong, "rediss://other.example:%s", strrchr(s->url, ':') + 1);
    expect_down(&k, slice_from_text(wrong), buf_slice(&s->ca), true, "hostname mismatch");
    snprintf(wrong, sizeof wrong, "rediss://cache.example:%u", s->process.port); // speaks no TLS
    expect_down(&k, slice_from_text(wrong), buf_slice(&s->ca), true, "cache.example");
    err e;
    EXPECT_STATUS(open_with(&k, url, slice_empty(), true, &e),
                  STATUS_INVALID); // this host has no authorities
    EXPECT_CONTAINS(e.message, "nobody to trust");
    kv_stop(&k);
    stop(s);
}
