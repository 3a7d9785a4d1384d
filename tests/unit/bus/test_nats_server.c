// SPDX-License-Identifier: Apache-2.0
// Against a real server. Another program has the same for another server (NATS_PROGRAM).
#include <signal.h>

#include "base/check.h"
#include "base/mem.h"
#include "bus/nats.h"
#include "codec/base64.h"
#include "identity/nkey.h"
#include "test.h"
#include "unit/bus/helper_nats.h"
#include "unit/crypto/helper_openssl.h"
#include "unit/net/helper_connector.h"

#ifndef NATS_PROGRAM
#define NATS_PROGRAM NULL
#endif

static const uint64_t second = 1000000000;

typedef struct place {
    loop *l;
    direct_connector connector;
    nats_process server;
    loop_timer tick;
} place;

typedef struct client {
    nats *n;
    nats_subscription sub;
    nats_request request;
    int ups, downs, messages, ends;
    status why;
    char reason[NATS_REASON_BYTES_MAX];
    nats_result result;
    char last[2000];
    size_t bytes;
} client;

static void on_tick(void *arg) { (void)arg; }

static const char *begin(place *p, const char *config) {
    *p = (place){0};
    p->server.program = NATS_PROGRAM;
    const char *why = nats_process_start(&p->server, config);
    CHECK(loop_new(NULL, &p->l, NULL) == STATUS_OK);
    direct_connector_init(&p->connector, p->l);
    loop_timer_init(&p->tick, p->l, on_tick, p);
    return why;
}

static void done(place *p) {
    loop_timer_stop(&p->tick);
    direct_connector_done(&p->connector);
    loop_free(p->l);
    nats_process_stop(&p->server);
}

#define BEGIN(p, config)                  \
    place p;                              \
    const char *why_ = begin(&p, config); \
    if (why_ != NULL) {                   \
        done(&p);                         \
        SKIP(why_);                       \
    }

// A turn waits for a while even when nothing is to come.
static void wait_a_turn(place *p) {
    loop_timer_start_in(&p->tick, 5000000);
    loop_turn(p->l, true);
}

#define WAIT_FOR(p, condition)                          \
    for (int w_ = 0; w_ < 4000 && !(condition); w_++) { \
        wait_a_turn(p);                                 \
    }                                                   \
    EXPECT(condition)

static void on_state(void *arg, nats_state state, status why, const char *reason) {
    client *c = arg;
    c->ups += state == NATS_UP;
    c->downs += state == NATS_DOWN;
    c->why = why;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
}

static void on_message(void *arg, nats_subscription *s, const nats_message *m) {
    client *c = arg;
    c->messages++;
    c->bytes += m->payload.len;
    snprintf(c->last, sizeof c->last, "%.*s", SLICE_ARG(m->payload));
    if (m->reply.len > 0) {
        const nats_message answer = {.subject = m->reply, .payload = m->payload};
        EXPECT_OK(nats_publish(s->n, &answer, NULL));
    }
}

static void on_ended(void *arg, const nats_result *r) {
    client *c = arg;
    c->ends++;
    c->result = *r;
    snprintf(c->last, sizeof c->last, "%.*s", SLICE_ARG(r->message.payload));
}

static void connect_with(place *p, client *c, nats_options o) {
    nats_server server = {.host = "bus.example", .port = p->server.port};
    *c = (client){0};
    o.l = p->l;
    o.connector = &p->connector.base;
    o.servers = &server;
    o.server_count = 1;
    o.on_state = on_state;
    o.arg = c;
    o.ping_ns = second / 10;
    EXPECT_OK(nats_new(&o, &c->n, NULL));
    WAIT_FOR(p, c->ups + c->downs > 0);
}

static nats_message message(const char *subject, slice payload) {
    return (nats_message){.subject = slice_from_text(subject), .payload = payload};
}

static void ask(place *p, client *c, const char *subject, const char *text, status expected) {
    const nats_message m = message(subject, slice_from_text(text));
    int ends = c->ends;
    EXPECT_OK(nats_request_start(c->n, &c->request, &m, loop_now_ns(p->l) + 5 * second, on_ended, c, NULL));
    WAIT_FOR(p, c->ends > ends);
    EXPECT_STATUS(c->result.code, expected);
}

TEST(clients_talk_through_a_server) {
    BEGIN(p, NULL);
    client a;
    client b[2];
    connect_with(&p, &a, (nats_options){.name = "a"});
    EXPECT_EQ(a.ups, 1);
    ask(&p, &a, "echo", "nobody", STATUS_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        connect_with(&p, &b[i], (nats_options){.random = (uint64_t)i + 1});
        EXPECT_OK(nats_subscribe(b[i].n, &b[i].sub, slice_from_text("echo.*"), slice_from_text("group"), 0,
                                 on_message, &b[i], NULL));
        ask(&p, &b[i], "nowhere", "", STATUS_NOT_FOUND); // the subscription is there
    }
    for (int i = 0; i < 200; i++) {
        const nats_message m = message("echo.me", slice_from_text("hi"));
        EXPECT_OK(nats_publish(a.n, &m, NULL));
    }
    ask(&p, &a, "echo.me", "hello", STATUS_OK);
    EXPECT_TEXT(a.last, "hello");
    WAIT_FOR(&p, b[0].messages + b[1].messages == 201); // each went to one of them
    EXPECT(b[0].messages > 0 && b[1].messages > 0);
    size_t len = nats_payload_max(a.n);
    uint8_t *big = mem_zalloc(len + 1);
    const nats_message m = message("echo.big", slice_of(big, len));
    const nats_message too_big = message("echo.big", slice_of(big, len + 1));
    EXPECT_OK(nats_publish(a.n, &m, NULL));
    EXPECT_STATUS(nats_publish(a.n, &too_big, NULL), STATUS_LIMIT);
    WAIT_FOR(&p, b[0].messages + b[1].messages == 202);
    EXPECT_U64(b[0].bytes + b[1].bytes, 200 * 2 + 5 + len);
    mem_free(big);
    nats_free(a.n);
    nats_free(b[0].n);
    nats_free(b[1].n);
    done(&p);
}

TEST(a_server_that_went_comes_back) {
    BEGIN(p, NULL);
    client a;
    connect_with(&p, &a, (nats_options){0});
    EXPECT_OK(nats_subscribe(a.n, &a.sub, slice_from_text("echo"), slice_empty(), 0, on_message, &a, NULL));
    nats_process_signal(&p.server, SIGSTOP); // it is there and says nothing
    const nats_message m = message("echo", slice_from_text("?"));
    EXPECT_OK(nats_request_start(a.n, &a.request, &m, UINT64_MAX, on_ended, &a, NULL));
    WAIT_FOR(&p, a.downs > 0);
    EXPECT_STATUS(a.why, STATUS_TIMEOUT);
    EXPECT_EQ(a.ends, 1);
    EXPECT_STATUS(a.result.code, STATUS_CLOSED);
    nats_process_signal(&p.server, SIGCONT);
    WAIT_FOR(&p, a.ups == 2);
    ask(&p, &a, "echo", "again", STATUS_OK);
    int downs = a.downs;
    nats_process_kill(&p.server);
    WAIT_FOR(&p, a.downs > downs + 1);
    EXPECT(nats_process_start(&p.server, NULL) == NULL);
    WAIT_FOR(&p, a.ups == 3);
    ask(&p, &a, "echo", "and again", STATUS_OK);
    nats_free(a.n);
    done(&p);
}

TEST(credentials_open_the_door) {
    nkey *key = NULL;
    nkey *other = NULL;
    auto_secret seed = {0};
    auto_secret wrong = {0};
    char config[1000];
    CHECK(nkey_generate(NKEY_USER, &key, NULL) == STATUS_OK && nkey_seed_text(key, &seed, NULL) == STATUS_OK);
    CHECK(nkey_generate(NKEY_USER, &other, NULL) == STATUS_OK &&
          nkey_seed_text(other, &wrong, NULL) == STATUS_OK);
    const nkey_public public = nkey_public_of(key);
    nkey_free(key);
    nkey_free(other);
    snprintf(
        config, sizeof config,
        "authorization { users = [ { nkey: %s }, { user: joe, password: \"a\\\"b\", permissions: { publish: "
        "[\"mine.>\"], subscribe: [\"_INBOX.>\"] } } ] }\n",
        nkey_public_text(&public).text);
    BEGIN(p, config);
    const struct {
        nats_credentials credentials;
        bool is_right;
    } cases[] = {
        {{.seed = secret_slice(&seed)}, true},
        {{.seed = secret_slice(&wrong)}, false},
        {{.user = SLICE_LITERAL("joe"), .password = SLICE_LITERAL("a\"b")}, true},
        {{.user = SLICE_LITERAL("joe"), .password = SLICE_LITERAL("wrong")}, false},
        {{.token = SLICE_LITERAL("wrong")}, false},
        {{.user = {0}}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        client a;
        connect_with(&p, &a, (nats_options){.credentials = cases[i].credentials});
        EXPECT_EQ(a.ups, cases[i].is_right);
        if (!cases[i].is_right) {
            EXPECT_STATUS(a.why, STATUS_DENIED);
            EXPECT_CONTAINS(a.reason, "Authorization Violation");
        }
        if (i == 2) {
            ask(&p, &a, "mine.a", "", STATUS_NOT_FOUND);
            ask(&p, &a, "yours.a", "", STATUS_DENIED);
        }
        nats_free(a.n);
    }
    done(&p);
}

// --- credentials files -------------------------------------------------------------------------------------

// A JWT of NATS: claims about the public key `subject`, by `issuer`.
static void make_jwt(const nkey *issuer, const nkey_public *subject, const char *claims, buf *ret) {
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    const nkey_public public = nkey_public_of(issuer);
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    auto_buf body = {0};
    buf_init(&body, 4096);
    buf_init(ret, 8192);
    CHECK(buf_append_format(
              &body,
              "{\"jti\":\"x\",\"iat\":1600000000,\"iss\":\"%s\",\"name\":\"n\",\"sub\":\"%s\",\"nats\":%s}",
              nkey_public_text(&public).text, nkey_public_text(subject).text, claims) == STATUS_OK);
    CHECK(base64_encode(BASE64_URL, slice_from_text(header), ret) == STATUS_OK &&
          buf_append_byte(ret, '.') == STATUS_OK &&
          base64_encode(BASE64_URL, buf_slice(&body), ret) == STATUS_OK);
    CHECK(nkey_sign(issuer, buf_slice(ret), signature, NULL) == STATUS_OK);
    CHECK(buf_append_byte(ret, '.') == STATUS_OK &&
          base64_encode(BASE64_URL, slice_of(signature, sizeof signature), ret) == STATUS_OK &&
          buf_text(ret) != NULL);
}

typedef struct authority { // an operator with one account and one user
    nkey *operator_key, *account_key, *user_key;
    buf operator_jwt, account_jwt, user_jwt;
    buf config, creds;
} authority;

static void make_authority(authority *a) {
    static const char limits[] =
        "{\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,"
        "\"wildcards\":true,\"conn\":-1,\"leaf\":-1},\"type\":\"account\",\"version\":2}";
    auto_secret seed = {0};
    CHECK(nkey_generate(NKEY_OPERATOR, &a->operator_key, NULL) == STATUS_OK &&
          nkey_generate(NKEY_ACCOUNT, &a->account_key, NULL) == STATUS_OK &&
          nkey_generate(NKEY_USER, &a->user_key, NULL) == STATUS_OK);
    const nkey_public operator= nkey_public_of(a->operator_key);
    const nkey_public account = nkey_public_of(a->account_key);
    const nkey_public user = nkey_public_of(a->user_key);
    make_jwt(a->operator_key, &operator, "{\"type\":\"operator\",\"version\":2}", &a->operator_jwt);
    make_jwt(a->operator_key, &account, limits, &a->account_jwt);
    make_jwt(a->account_key, &user,
             "{\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\",\"version\":2}", &a->user_jwt);
    buf_init(&a->config, 32768);
    buf_init(&a->creds, 16384);
    CHECK(buf_append_format(
              &a->config, "operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s }\njetstream: false\n",
              (const char *)a->operator_jwt.data, nkey_public_text(&account).text,
              (const char *)a->account_jwt.data) == STATUS_OK &&
          buf_text(&a->config) != NULL);
    CHECK(nkey_seed_text(a->user_key, &seed, NULL) == STATUS_OK);
    CHECK(buf_append_format(
              &a->creds,
              "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\nKeep it secret.\n\n"
              "-----BEGIN USER NKEY SEED-----\n%.*s\n------END USER NKEY SEED------\n",
              (const char *)a->user_jwt.data, SLICE_ARG(secret_slice(&seed))) == STATUS_OK);
}

static void free_authority(authority *a) {
    nkey_free(a->operator_key);
    nkey_free(a->account_key);
    nkey_free(a->user_key);
    buf *const all[] = {&a->operator_jwt, &a->account_jwt, &a->user_jwt, &a->config, &a->creds};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        buf_done(all[i]);
    }
}

TEST(a_credentials_file_opens_the_door) {
    authority right = {0};
    authority wrong = {0};
    place p;
    client a;
    make_authority(&right);
    make_authority(&wrong);
    const char *why = begin(&p, (const char *)right.config.data);
    if (why == NULL) {
        connect_with(&p, &a, (nats_options){.credentials = {.creds = buf_slice(&right.creds)}});
        EXPECT_EQ(a.ups, 1);
        ask(&p, &a, "nobody", "", STATUS_NOT_FOUND);
        nats_free(a.n);
        connect_with(&p, &a, (nats_options){.credentials = {.creds = buf_slice(&wrong.creds)}});
        EXPECT_STATUS(a.why, STATUS_DENIED);
        nats_free(a.n);
    }
    done(&p);
    free_authority(&right);
    free_authority(&wrong);
    if (why != NULL) {
        SKIP(why);
    }
}

TEST(tls_is_demanded_and_given) {
    openssl_place keys;
    char config[400];
    tls_context *tls = NULL;
    client a;
    if (!openssl_begin(&keys)) {
        SKIP("there is no openssl command");
    }
    auto_buf ca = {0};
    CHECK(openssl_run(&keys,
                      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "
                      "key.pem -out cert.pem -subj /CN=bus -addext subjectAltName=DNS:bus.example"));
    CHECK(openssl_read(&keys, "cert.pem", &ca));
    snprintf(config, sizeof config, "tls { cert_file: \"%s/cert.pem\", key_file: \"%s/key.pem\" }", keys.path,
             keys.path);
    BEGIN(p, config);
    EXPECT_OK(tls_context_new(&(tls_options){.ca = buf_slice(&ca)}, &tls, NULL));
    connect_with(&p, &a, (nats_options){.tls = tls});
    EXPECT_EQ(a.ups, 1);
    EXPECT_OK(nats_subscribe(a.n, &a.sub, slice_from_text("echo"), slice_empty(), 0, on_message, &a, NULL));
    ask(&p, &a, "echo", "hello", STATUS_OK);
    nats_free(a.n);
    connect_with(&p, &a, (nats_options){0});
    EXPECT_STATUS(a.why, STATUS_DENIED);
    EXPECT_CONTAINS(a.reason, "demands TLS");
    nats_free(a.n);
    done(&p);
    place q;
    CHECK(begin(&q, NULL) == NULL);
    connect_with(&q, &a, (nats_options){.tls = tls});
    EXPECT_STATUS(a.why, STATUS_DENIED);
    EXPECT_CONTAINS(a.reason, "has no TLS");
    nats_free(a.n);
    done(&q);
    tls_context_free(tls);
    openssl_end(&keys);
}

TEST(a_server_may_demand_a_certificate_of_the_client) {
    static const char script[] =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout ca.key -out "
        "ca.pem -subj /CN=ca && "
        "for n in bus client; do openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
        "$n.key -out $n.csr -subj /CN=$n && printf 'subjectAltName=DNS:bus.example' > ext && openssl x509 "
        "-req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out $n.pem; done";
    openssl_place keys;
    char config[400];
    tls_context *with = NULL;
    tls_context *without = NULL;
    client a;
    if (!openssl_begin(&keys)) {
        SKIP("there is no openssl command");
    }
    auto_buf ca = {0};
    auto_buf certificate = {0};
    auto_buf key = {0};
    CHECK(openssl_run(&keys, script));
    CHECK(openssl_read(&keys, "ca.pem", &ca) && openssl_read(&keys, "client.pem", &certificate) &&
          openssl_read(&keys, "client.key", &key));
    snprintf(
        config, sizeof config,
        "tls { cert_file: \"%s/bus.pem\", key_file: \"%s/bus.key\", ca_file: \"%s/ca.pem\", verify: true }",
        keys.path, keys.path, keys.path);
    BEGIN(p, config);
    const tls_options mutual = {
        .ca = buf_slice(&ca), .certificate = buf_slice(&certificate), .key = buf_slice(&key)};
    EXPECT_OK(tls_context_new(&mutual, &with, NULL));
    EXPECT_OK(tls_context_new(&(tls_options){.ca = buf_slice(&ca)}, &without, NULL));
    connect_with(&p, &a, (nats_options){.tls = with});
    EXPECT_EQ(a.ups, 1);
    nats_free(a.n);
    connect_with(&p, &a, (nats_options){.tls = without});
    EXPECT_EQ(a.ups, 0);
    nats_free(a.n);
    done(&p);
    tls_context_free(with);
    tls_context_free(without);
    openssl_end(&keys);
}
