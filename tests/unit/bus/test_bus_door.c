// SPDX-License-Identifier: Apache-2.0
// The door with clients of our own, which come through it as they come to a server, and with some who
// misbehave.
#include "bus/bus_door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/bus_local.h"
#include "bus/bus_nats.h"
#include "codec/base64.h"
#include "os/socket.h"
#include "os/socket_open.h"

#define CONTRACT_OF_MESSAGES
#include "unit/bus/bus_contract.h"
#include "unit/net/helper_connector.h"

struct contract_more {
    bus *inside;
    bus_door *door;
    bus_door_user *user;
    uint16_t port;
    direct_connector connector;
    uint64_t random;
    int events[BUS_DOOR_DENIED + 1];
    char text[300];
    nkey *key;
    secret seed;
};

static void on_event(void *arg, bus_door_event event, const bus_door_user *user, const char *text) {
    struct contract_more *m = arg;
    m->events[event]++;
    snprintf(m->text, sizeof m->text, "%s", text);
    EXPECT((user == NULL) == (event == BUS_DOOR_REFUSED));
}

static void open_door(contract_place *p, bus_door_options o) {
    struct contract_more *m = p->more;
    socket_address a;
    CHECK(socket_address_parse(slice_from_text("127.0.0.1"), 0, &a));
    CHECK(socket_listen_group(&a, 1, &o.listener, NULL) == STATUS_OK);
    m->port = socket_address_port(&a);
    o.l = p->l;
    o.on_event = on_event;
    o.arg = m;
    EXPECT_OK(bus_door_new(&o, &m->door, NULL));
}

static bus_door_user *add_user(contract_place *p, const bus_door_user_options *given, status expected) {
    bus_door_user_options o = *given;
    bus_door_user *u = NULL;
    err e = {0};
    o.b = p->more->inside;
    EXPECT_STATUS_ERR(bus_door_add_user(p->more->door, &o, &u, &e), expected, e);
    return u;
}

static const slice everything[] = {SLICE_LITERAL(">")};

static void begin_inside(contract_place *p) {
    const bus_local_options o = {.l = p->l, .random = 5};
    p->more = MEM_NEW(struct contract_more);
    direct_connector_init(&p->more->connector, p->l);
    CHECK(bus_local_new(&o, &p->more->inside, NULL) == STATUS_OK);
    CHECK(nkey_generate(NKEY_USER, &p->more->key, NULL) == STATUS_OK &&
          nkey_seed_text(p->more->key, &p->more->seed, NULL) == STATUS_OK);
}

static const char *contract_begin(contract_place *p) {
    begin_inside(p);
    open_door(p, (bus_door_options){0});
    const nkey_public key = nkey_public_of(p->more->key);
    const bus_door_user_options o = {.name = slice_from_text("all"),
                                     .key = &key,
                                     .publish = {everything, 1},
                                     .subscribe = {everything, 1}};
    p->more->user = add_user(p, &o, STATUS_OK);
    return NULL;
}

static bus *open_as(contract_place *p, const nats_credentials *credentials) {
    nats_server server = {.host = "bus.example", .port = p->more->port};
    bus_nats_options o = {.nats = {.l = p->l,
                                   .connector = &p->more->connector.base,
                                   .servers = &server,
                                   .server_count = 1,
                                   .random = ++p->more->random,
                                   .credentials = *credentials,
                                   .ping_ns = second_ns / 10}};
    bus *b = NULL;
    CHECK(bus_nats_new(&o, &b, NULL) == STATUS_OK);
    return b;
}

static bus *contract_open(contract_place *p) {
    const nats_credentials c = {.seed = secret_slice(&p->more->seed)};
    bus *b = open_as(p, &c);
    WAIT_FOR(p, bus_is_up(b));
    return b;
}

static void contract_close(contract_place *p, bus *b) {
    (void)p;
    bus_free(b);
}

static void contract_done(contract_place *p) {
    bus_door_free(p->more->door);
    bus_free(p->more->inside);
    direct_connector_done(&p->more->connector);
    nkey_free(p->more->key);
    secret_free(&p->more->seed);
    mem_free(p->more);
}

// --- who comes in ------------------------------------------------------------------------------------------

TEST(only_users_come_in) {
    BEGIN(p);
    struct contract_more *m = p.more;
    nkey *other = NULL;
    auto_secret other_seed = {0};
    auto_buf creds = {0};
    CHECK(nkey_generate(NKEY_USER, &other, NULL) == STATUS_OK &&
          nkey_seed_text(other, &other_seed, NULL) == STATUS_OK);
    const bus_door_user_options joe = {.name = slice_from_text("joe"),
                                       .user = slice_from_text("joe"),
                                       .password = slice_from_text("a\"b'c"),
                                       .publish = {everything, 1},
                                       .subscribe = {everything, 1}};
    add_user(&p, &joe, STATUS_OK);
    add_user(&p, &joe, STATUS_EXISTS);
    buf_init(&creds, 8192);
    CHECK(buf_append_text(&creds, "-----BEGIN NATS USER JWT-----\n") == STATUS_OK &&
          bus_door_write_jwt(m->key, slice_from_text("a \"name\""), &creds) == STATUS_OK &&
          buf_append_text(&creds, "\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\n") ==
              STATUS_OK &&
          buf_append(&creds, secret_slice(&m->seed)) == STATUS_OK &&
          buf_append_text(&creds, "\n------END USER NKEY SEED------\n") == STATUS_OK);
    auto_buf stolen = {0}; // somebody else's JWT with an own seed
    buf_init(&stolen, 8192);
    CHECK(buf_append_text(&stolen, "-----BEGIN NATS USER JWT-----\n") == STATUS_OK &&
          bus_door_write_jwt(m->key, slice_from_text("x"), &stolen) == STATUS_OK &&
          buf_append_text(&stolen, "\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\n") ==
              STATUS_OK &&
          buf_append(&stolen, secret_slice(&other_seed)) == STATUS_OK &&
          buf_append_text(&stolen, "\n------END USER NKEY SEED------\n") == STATUS_OK);
    const struct {
        nats_credentials credentials;
        bool is_right;
    } cases[] = {
        {{.seed = secret_slice(&m->seed)}, true},
        {{.creds = buf_slice(&creds)}, true},
        {{.user = slice_from_text("joe"), .password = slice_from_text("a\"b'c")}, true},
        {{.seed = secret_slice(&other_seed)}, false},
        {{.creds = buf_slice(&stolen)}, false},
        {{.user = slice_from_text("joe"), .password = slice_from_text("a\"b'")}, false},
        {{.user = slice_from_text("joe")}, false},
        {{.user = slice_from_text("jim"), .password = slice_from_text("a\"b'c")}, false},
        {{.token = slice_from_text("joe")}, false},
        {{.user = {0}}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int came = m->events[BUS_DOOR_CAME];
        int refused = m->events[BUS_DOOR_REFUSED];
        bus *b = open_as(&p, &cases[i].credentials);
        WAIT_FOR(&p, cases[i].is_right ? bus_is_up(b) : m->events[BUS_DOOR_REFUSED] > refused);
        EXPECT_EQ(bus_is_up(b), cases[i].is_right);
        EXPECT_EQ(m->events[BUS_DOOR_CAME] - came, cases[i].is_right);
        bus_free(b);
    }
    WAIT_FOR(&p, m->events[BUS_DOOR_WENT] == 3 && bus_door_count(m->door).connections == 0);
    EXPECT_CONTAINS(m->text, "");
    nkey_free(other);
    END(p);
}

TEST(a_user_that_is_removed_is_cut) {
    BEGIN(p);
    struct contract_more *m = p.more;
    bus *b = contract_open(&p);
    EXPECT_EQ(bus_door_user_connections(m->user), 1);
    EXPECT_TEXT(bus_door_user_name(m->user), "all");
    bus_door_remove_user(m->user);
    WAIT_FOR(&p, !bus_is_up(b) && m->events[BUS_DOOR_REFUSED] > 0);
    EXPECT_EQ(m->events[BUS_DOOR_WENT], 0);
    bus_free(b);
    END(p);
}

// --- what they may -----------------------------------------------------------------------------------------

TEST(subjects_are_those_that_were_named) {
    BEGIN(p);
    struct contract_more *m = p.more;
    static const slice publish[] = {SLICE_LITERAL("out.*"), SLICE_LITERAL("more.>")};
    static const slice subscribe[] = {SLICE_LITERAL("in.>"), SLICE_LITERAL("_INBOX.>")};
    const bus_door_user_options o = {.name = slice_from_text("small"),
                                     .user = slice_from_text("small"),
                                     .password = slice_from_text("x"),
                                     .publish = {publish, 2},
                                     .subscribe = {subscribe, 2},
                                     .may_answer = true};
    const nats_credentials c = {.user = slice_from_text("small"), .password = slice_from_text("x")};
    listener in, all, wide, answers;
    asker a, ok;
    add_user(&p, &o, STATUS_OK);
    listen_to(m->inside, &all, ">", "");
    bus *b = open_as(&p, &c);
    WAIT_FOR(&p, bus_is_up(b));
    listen_to(b, &in, "in.*", "");
    in.answers = true;
    listen_to(b, &wide, ">", "");
    WAIT_FOR(&p, m->events[BUS_DOOR_DENIED] == 1);
    EXPECT_CONTAINS(m->text, "Subscription to \">\"");
    EXPECT_OK(say(b, "out.a", "1"));
    EXPECT_OK(say(b, "out.a.b", "2"));
    EXPECT_OK(say(b, "more.a.b", "3"));
    WAIT_FOR(&p, m->events[BUS_DOOR_DENIED] == 2 && all.count == 2);
    EXPECT_TEXT(all.payload, "3");
    start_asking(&p, b, &a, "out.a.b", 10 * second_ns);
    WAIT_FOR(&p, a.ends == 1);
    EXPECT_STATUS(a.code, STATUS_DENIED);
    // It answers what it was asked, there and below, and nowhere else.
    start_asking(&p, m->inside, &ok, "in.a", 10 * second_ns);
    WAIT_FOR(&p, ok.ends == 1);
    EXPECT_STATUS(ok.code, STATUS_OK);
    listen_to(m->inside, &answers, "reply.of.mine.>", "");
    const bus_message asked = {.subject = slice_from_text("in.b"), .reply = slice_from_text("reply.of.mine")};
    in.answers = false;
    EXPECT_OK(bus_publish(m->inside, &asked, NULL));
    WAIT_FOR(&p, in.count == 2);
    int denied = m->events[BUS_DOOR_DENIED];
    EXPECT_OK(say(b, "reply.of", "no"));
    EXPECT_OK(say(b, "reply.of.yours", "no"));
    EXPECT_OK(say(b, "reply.of.mine.results", "yes"));
    WAIT_FOR(&p, answers.count == 1 && m->events[BUS_DOOR_DENIED] == denied + 2);
    EXPECT_TEXT(answers.payload, "yes");
    // A reply subject where it does not listen itself would make others say things in its place.
    const bus_message bent = {.subject = slice_from_text("out.a"), .reply = slice_from_text("ctl.stop")};
    int before = all.count;
    EXPECT_OK(bus_publish(b, &bent, NULL));
    WAIT_FOR(&p, m->events[BUS_DOOR_DENIED] == denied + 3);
    EXPECT_CONTAINS(m->text, "Reply");
    EXPECT_OK(say(b, "out.end", "end"));
    WAIT_FOR(&p, all.count > before);
    EXPECT_TEXT(all.payload, "end");
    EXPECT_EQ(wide.count, 0);
    EXPECT_U64(bus_door_count(m->door).denied, (uint64_t)m->events[BUS_DOOR_DENIED]);
    bus_free(b);
    END(p);
}

TEST(each_user_has_a_bus_of_its_own) {
    BEGIN(p);
    const bus_local_options second = {.l = p.l, .random = 6};
    bus *other = NULL;
    bus_door_user *u = NULL;
    CHECK(bus_local_new(&second, &other, NULL) == STATUS_OK);
    const bus_door_user_options o = {.b = other,
                                     .user = slice_from_text("b"),
                                     .password = slice_from_text("b"),
                                     .publish = {everything, 1},
                                     .subscribe = {everything, 1},
                                     .data = &p};
    EXPECT_OK(bus_door_add_user(p.more->door, &o, &u, NULL));
    EXPECT(bus_door_user_data(u) == &p);
    const nats_credentials c = {.user = slice_from_text("b"), .password = slice_from_text("b")};
    listener x, y;
    bus *b = open_as(&p, &c);
    WAIT_FOR(&p, bus_is_up(b));
    listen_to(other, &x, "a", "");
    listen_to(p.more->inside, &y, "a", "");
    EXPECT_OK(say(b, "a", "1"));
    WAIT_FOR(&p, x.count == 1);
    EXPECT_EQ(y.count, 0);
    bus_free(b);
    bus_door_remove_user(u);
    bus_free(other);
    END(p);
}

// --- those who misbehave -----------------------------------------------------------------------------------

typedef struct raw {
    int fd;
    char got[1 << 16];
    size_t len;
    bool is_closed;
} raw;

static void raw_connect(contract_place *p, raw *x) {
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(p->more->port)};
    *x = (raw){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    CHECK(connect(x->fd, (struct sockaddr *)&a, sizeof a) == 0);
}

static void raw_send(const raw *x, const void *bytes, size_t len) {
    CHECK(send(x->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static void raw_say(const raw *x, const char *text) { raw_send(x, text, strlen(text)); }

static bool raw_has(contract_place *p, raw *x, const char *text) {
    contract_turn(p);
    ssize_t n = recv(x->fd, x->got + x->len, sizeof x->got - 1 - x->len, MSG_DONTWAIT);
    x->is_closed = n == 0 || (n < 0 && errno != EAGAIN);
    x->len += n > 0 ? (size_t)n : 0;
    return text == NULL ? x->is_closed : strstr(x->got, text) != NULL;
}

#define HELLO "CONNECT {\"user\":\"u\",\"pass\":\"p\",\"verbose\":true}\r\n"

static void add_plain_user(contract_place *p) {
    const bus_door_user_options o = {.name = slice_from_text("u"),
                                     .user = slice_from_text("u"),
                                     .password = slice_from_text("p"),
                                     .connections_max = 2,
                                     .publish = {everything, 1},
                                     .subscribe = {everything, 1}};
    add_user(p, &o, STATUS_OK);
}

TEST(the_protocol_is_that_of_a_server) {
    BEGIN(p);
    raw x;
    static const char said[] =
        HELLO "PING\r\nsub a.* 7\r\nSUB  b\tq  8\r\nUNSUB 8 1\r\nPUB a.b 5\r\nhello\r\n"
              "HPUB a.c r 15 17\r\nNATS/1.0\r\nX\r\n\r\nyo\r\n";
    add_plain_user(&p);
    raw_connect(&p, &x);
    WAIT_FOR(&p, raw_has(&p, &x, "\r\n"));
    EXPECT_CONTAINS(x.got, "INFO {\"server_id\":\"WRIT");
    EXPECT_CONTAINS(x.got, "\"headers\":true");
    EXPECT_CONTAINS(x.got, "\"max_payload\":1048576");
    raw_send(&x, said, 20); // in pieces
    contract_turn(&p);
    raw_send(&x, said + 20, sizeof said - 1 - 20);
    WAIT_FOR(&p, raw_has(&p, &x, "yo\r\n") || x.is_closed);
    EXPECT_CONTAINS(x.got, "+OK\r\nPONG\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    EXPECT_CONTAINS(x.got, "MSG a.b 7 5\r\nhello\r\n");
    EXPECT_CONTAINS(x.got, "MSG a.c 7 r 2\r\nyo\r\n"); // it said nothing of headers
    x.len = 0;
    memset(x.got, 0, sizeof x.got);
    raw_say(&x, "PUB b 1\r\n1\r\nPUB b 1\r\n2\r\nUNSUB 7\r\nPUB a.b 1\r\n3\r\nSUB c 9\r\nPUB c 0\r\n\r\n");
    WAIT_FOR(&p, raw_has(&p, &x, "MSG c 9 0\r\n\r\n"));
    EXPECT_CONTAINS(x.got, "MSG b 8 1\r\n1\r\n");
    EXPECT(strstr(x.got, "\r\n2\r\n") == NULL && strstr(x.got, "\r\n3\r\n") == NULL);
    x.len = 0;
    memset(x.got, 0, sizeof x.got);
    raw_say(&x, "SUB r 10\r\nPUB nobody r 0\r\n\r\nPUB r 0\r\n\r\n"); // 503 is for those who know it
    WAIT_FOR(&p, raw_has(&p, &x, "MSG r 10 0\r\n\r\n"));
    raw_say(&x, "PUB r 1\r\na\r\nPING\r\n");
    WAIT_FOR(&p, raw_has(&p, &x, "MSG r 10 1\r\na\r\n"));
    raw_say(&x, "UNSUB 10 2\r\nPUB r 1\r\nb\r\nSUB s 11\r\nPUB s 0\r\n\r\n"); // it has had two
    WAIT_FOR(&p, raw_has(&p, &x, "MSG s 11 0\r\n"));
    EXPECT(strstr(x.got, "\r\nb\r\n") == NULL && strstr(x.got, "503") == NULL);
    size_t messages = 0;
    for (const char *at = x.got; (at = strstr(at, "MSG r 10")) != NULL; at++) {
        messages++;
    }
    EXPECT_EQ(messages, 2);
    close(x.fd);
    WAIT_FOR(&p, p.more->events[BUS_DOOR_WENT] == 1);
    END(p);
}

TEST(who_breaks_the_protocol_is_told_and_cut) {
    BEGIN(p);
    static const struct {
        const char *said;
        const char *answer;
    } cases[] = {
        {"PUB a 1\r\nx\r\n", "Authorization Violation"},
        {"SUB a 1\r\n", "Authorization Violation"},
        {"GET / HTTP/1.1\r\n", "Authorization Violation"},
        {"CONNECT {\r\n", "Parser Error"},
        {"CONNECT []\r\n", "Parser Error"},
        {"CONNECT\r\n", "Parser Error"},
        {"CONNECT {}\r\n", "Authorization Violation"},
        {"CONNECT {\"user\":\"u\",\"pass\":\"q\"}\r\n", "Authorization Violation"},
        {"CONNECT {\"user\":\"u\",\"pass\":\"p\",\"echo\":false}\r\n", "Echo"},
        {"CONNECT {\"user\":\"u\",\"pass\":\"p\",\"tls_required\":true}\r\n", "TLS"},
        {"CONNECT {\"jwt\":\"a.b.c\",\"sig\":\"\"}\r\n", "Authorization Violation"},
        {"CONNECT {\"nkey\":\"UAAA\",\"sig\":\"\"}\r\n", "Authorization Violation"},
        {HELLO "FLY\r\n", "Unknown Protocol Operation"},
        {HELLO "PUB\r\n", "Parser Error"},
        {HELLO "PUB a -1\r\n", "Parser Error"},
        {HELLO "PUB a b c d\r\n", "Parser Error"},
        {HELLO "PUB a 1\r\nxyz\r\n", "Parser Error"},
        {HELLO "PUB a 99999999999\r\n", "Maximum Payload Violation"},
        {HELLO "PUB a 99999999999999999999999\r\n", "Parser Error"},
        {HELLO "HPUB a 5 1\r\n", "Parser Error"},
        {HELLO "SUB a\r\n", "Parser Error"},
        {HELLO "UNSUB\r\n", "Parser Error"},
        {HELLO "SUB a 123456789012345678901234567890123\r\n", "Parser Error"},
    };
    add_plain_user(&p);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        raw x;
        raw_connect(&p, &x);
        raw_say(&x, cases[i].said);
        WAIT_FOR(&p, raw_has(&p, &x, NULL));
        if (strstr(x.got, "-ERR '") == NULL || strstr(x.got, cases[i].answer) == NULL) {
            EXPECT_TEXT(x.got, cases[i].answer);
        }
        close(x.fd);
    }
    WAIT_FOR(&p, bus_door_count(p.more->door).connections == 0);
    END(p);
}

TEST(what_is_wrong_with_one_message_ends_no_connection) {
    BEGIN(p);
    raw x;
    add_plain_user(&p);
    raw_connect(&p, &x);
    static const char said[] = HELLO "PUB a.* 0\r\n\r\nPUB a..b 0\r\n\r\nSUB a.>.b 1\r\nSUB a.b q*.> 2\r\n"
                                     "HPUB a 3 3\r\nX:y\r\nUNSUB 77\r\nCONNECT {}\r\nPING\r\n";
    raw_send(&x, said, sizeof said - 1);
    WAIT_FOR(&p, raw_has(&p, &x, "PONG\r\n"));
    EXPECT_CONTAINS(x.got, "Invalid Publish Subject");
    EXPECT_CONTAINS(x.got, "Invalid Subject");
    EXPECT(!x.is_closed);
    close(x.fd);
    END(p);
}

TEST(lines_that_do_not_end_and_silence_are_ended) {
    BEGIN(p);
    raw x, silent;
    char *long_line = mem_alloc(70000);
    add_plain_user(&p);
    raw_connect(&p, &silent);
    memset(long_line, 'C', 70000);
    raw_connect(&p, &x);
    raw_send(&x, long_line, 70000);
    WAIT_FOR(&p, raw_has(&p, &x, NULL));
    close(x.fd);
    memset(long_line, 'S', 70000);
    raw_connect(&p, &x);
    raw_say(&x, HELLO);
    raw_send(&x, long_line, 5000);
    WAIT_FOR(&p, raw_has(&p, &x, NULL));
    EXPECT_CONTAINS(x.got, "Maximum Control Line Exceeded");
    close(x.fd);
    WAIT_FOR(&p, raw_has(&p, &silent, NULL));
    EXPECT_CONTAINS(silent.got, "Authentication Timeout");
    close(silent.fd);
    mem_free(long_line);
    END(p);
}

TEST(clients_are_bounded) {
    contract_place p = {0};
    CHECK(loop_new(NULL, &p.l, NULL) == STATUS_OK);
    loop_timer_init(&p.tick, p.l, contract_tick, NULL);
    begin_inside(&p);
    open_door(&p, (bus_door_options){.connections_max = 3,
                                     .subscriptions_max = 2,
                                     .payload_bytes_max = 100000,
                                     .out_bytes_max = 100000,
                                     .ping_ns = second_ns / 2});
    add_plain_user(&p);
    raw x[4];
    for (int i = 0; i < 4; i++) {
        raw_connect(&p, &x[i]);
        contract_turn(&p);
    }
    WAIT_FOR(&p, raw_has(&p, &x[3], NULL));
    EXPECT_CONTAINS(x[3].got, "maximum connections exceeded");
    for (int i = 0; i < 3; i++) {
        raw_say(&x[i], HELLO);
        contract_turn(&p);
    }
    WAIT_FOR(&p, raw_has(&p, &x[2], NULL)); // the user's own bound
    EXPECT_CONTAINS(x[2].got, "maximum connections exceeded");
    raw_say(&x[0], "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nPUB c 0\r\n\r\n");
    WAIT_FOR(&p, raw_has(&p, &x[0], "maximum subscriptions exceeded"));
    // One that does not read is cut, and nobody waits for it.
    static uint8_t big[90000];
    const bus_message m = {.subject = slice_from_text("a"), .payload = slice_of(big, sizeof big)};
    for (int i = 0; i < 1000 && bus_door_count(p.more->door).slow == 0; i++) {
        EXPECT_OK(bus_publish(p.more->inside, &m, NULL));
        contract_turn(&p);
    }
    EXPECT_U64(bus_door_count(p.more->door).slow, 1);
    // One that is silent, too: it is asked first.
    WAIT_FOR(&p, raw_has(&p, &x[1], NULL));
    EXPECT_CONTAINS(x[1].got, "PING\r\n");
    EXPECT_CONTAINS(x[1].got, "Stale Connection");
    for (int i = 0; i < 4; i++) {
        close(x[i].fd);
    }
    contract_done(&p);
    loop_free(p.l);
}

// --- life --------------------------------------------------------------------------------------------------

static void free_door(void *arg, bus_door_event event, const bus_door_user *user, const char *text) {
    bus_door **d = arg;
    (void)event, (void)user, (void)text;
    bus_door_free(*d);
    *d = NULL;
}

TEST(it_can_be_freed_from_its_callback) {
    static const char *const said[] = {HELLO, "CONNECT {}\r\n", HELLO "FLY\r\n",
                                       HELLO "SUB a 1\r\nPUB b 0\r\n\r\n"};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        contract_place p = {0};
        CHECK(loop_new(NULL, &p.l, NULL) == STATUS_OK);
        loop_timer_init(&p.tick, p.l, contract_tick, NULL);
        begin_inside(&p);
        socket_address a;
        bus_door_options o = {.l = p.l, .on_event = free_door, .arg = &p.more->door};
        CHECK(socket_address_parse(slice_from_text("127.0.0.1"), 0, &a));
        CHECK(socket_listen_group(&a, 1, &o.listener, NULL) == STATUS_OK);
        p.more->port = socket_address_port(&a);
        EXPECT_OK(bus_door_new(&o, &p.more->door, NULL));
        add_plain_user(&p);
        raw x;
        raw_connect(&p, &x);
        raw_say(&x, said[i]);
        WAIT_FOR(&p, p.more->door == NULL);
        close(x.fd);
        contract_done(&p);
        loop_free(p.l);
    }
}
