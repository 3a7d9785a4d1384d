// SPDX-License-Identifier: Apache-2.0
#include "net/byte_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "test.h"
#include "unit/net/helper_tls_server.h"

enum { IN_MAX = 100000, OUT_MAX = 1 << 20 };

typedef struct place {
    loop *l;
    byte_stream *s;
    int peer; // the other end, when it is ours
    buf got;
    size_t leaves;     // takes nothing before that many bytes are there
    bool pauses;       // after each delivery
    bool frees;        // at the first delivery
    tls_context *next; // begins TLS at the first delivery, and takes one byte of it
    loop_timer tick;
    int secured, rooms, ends;
    status why;
    err reason;
} place;

static size_t on_bytes(void *arg, slice bytes) {
    place *p = arg;
    if (bytes.len < p->leaves) {
        return 0;
    }
    if (p->next != NULL) {
        tls_context *c = p->next;
        p->next = NULL;
        EXPECT_OK(byte_stream_start_tls(p->s, c, slice_from_text("db.example"), NULL));
        return 1;
    }
    EXPECT_OK(buf_append(&p->got, bytes));
    if (p->pauses) {
        byte_stream_pause(p->s);
    }
    if (p->frees) {
        byte_stream_free(p->s);
        p->s = NULL;
    }
    return bytes.len;
}

static void on_secure(void *arg) { ((place *)arg)->secured++; }
static void on_room(void *arg) { ((place *)arg)->rooms++; }

static void on_end(void *arg, status why, const err *e) {
    place *p = arg;
    p->ends++;
    p->why = why;
    p->reason = *e;
}

static void on_tick(void *arg) { (void)arg; }

static void open_on(place *p, int fd) {
    const byte_stream_limits limits = {IN_MAX, OUT_MAX};
    const byte_stream_handler handler = {p, on_bytes, on_secure, on_room, on_end};
    buf_init(&p->got, 64 << 20);
    CHECK(loop_new(NULL, &p->l, NULL) == STATUS_OK);
    loop_timer_init(&p->tick, p->l, on_tick, p);
    CHECK(byte_stream_new(p->l, fd, &limits, &handler, &p->s, NULL) == STATUS_OK);
}

static void open_pair(place *p) {
    int fd[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == 0);
    *p = (place){.peer = fd[1]};
    open_on(p, fd[0]);
}

static void done(place *p) {
    byte_stream_free(p->s);
    loop_timer_stop(&p->tick);
    if (p->peer > 0) {
        close(p->peer);
    }
    buf_done(&p->got);
    loop_free(p->l);
}

static void turns(place *p, int n) {
    for (int i = 0; i < n; i++) {
        loop_turn(p->l, false);
    }
}

// A turn waits for a while even when nothing is to come: what it was waited for may have been in its first
// half.
static void wait_a_turn(place *p) {
    loop_timer_start_in(&p->tick, 5000000);
    loop_turn(p->l, true);
}

#define WAIT_FOR(p, condition)                          \
    for (int w_ = 0; w_ < 4000 && !(condition); w_++) { \
        wait_a_turn(p);                                 \
    }                                                   \
    EXPECT(condition)

static void say(const place *p, const char *text) {
    CHECK(write(p->peer, text, strlen(text)) == (ssize_t)strlen(text));
}

// --- in the clear ------------------------------------------------------------------------------------------

TEST(what_one_turn_writes_is_one_write) {
    place p;
    char bytes[64];
    open_pair(&p);
    EXPECT_OK(byte_stream_write(p.s, slice_from_text("one ")));
    EXPECT_OK(byte_stream_write(p.s, slice_from_text("two ")));
    uint8_t *to = NULL;
    EXPECT_OK(byte_stream_reserve(p.s, 100, &to));
    memcpy(to, "three", 5);
    byte_stream_commit(p.s, 5);
    EXPECT_EQ(read(p.peer, bytes, sizeof bytes), -1); // nothing from inside
    EXPECT_U64(byte_stream_queued(p.s), 13);
    turns(&p, 1);
    EXPECT_EQ(read(p.peer, bytes, sizeof bytes), 13);
    EXPECT(memcmp(bytes, "one two three", 13) == 0);
    EXPECT_U64(byte_stream_queued(p.s), 0);
    EXPECT_OK(byte_stream_write(p.s, slice_from_text("bye")));
    byte_stream_flush(p.s);
    EXPECT_EQ(read(p.peer, bytes, sizeof bytes), 3);
    done(&p);
}

TEST(a_secret_goes_first_and_alone) {
    place p;
    char bytes[64];
    open_pair(&p);
    secret a;
    secret b;
    EXPECT_OK(secret_new(6, &a, NULL));
    EXPECT_OK(secret_new(6, &b, NULL));
    memcpy(a.data, "secret", 6);
    EXPECT_OK(byte_stream_write_secret(p.s, &a));
    EXPECT(a.data == NULL);
    EXPECT_STATUS(byte_stream_write_secret(p.s, &b), STATUS_LIMIT);
    EXPECT(b.data == NULL);
    EXPECT_OK(byte_stream_write(p.s, slice_from_text(" rest")));
    turns(&p, 1);
    EXPECT_EQ(read(p.peer, bytes, sizeof bytes), 11);
    EXPECT(memcmp(bytes, "secret rest", 11) == 0);
    done(&p);
}

TEST(what_is_left_comes_again) {
    place p;
    open_pair(&p);
    p.leaves = 6;
    say(&p, "abc");
    turns(&p, 2);
    EXPECT_U64(p.got.len, 0);
    say(&p, "def");
    turns(&p, 2);
    EXPECT_BYTES(buf_slice(&p.got), slice_from_text("abcdef"));
    done(&p);
}

TEST(a_message_that_is_too_long_ends_it) {
    place p;
    open_pair(&p);
    p.leaves = SIZE_MAX;
    uint8_t *zeros = mem_zalloc(IN_MAX);
    for (size_t sent = 0; sent < IN_MAX;) {
        ssize_t n = write(p.peer, zeros, IN_MAX - sent);
        sent += n > 0 ? (size_t)n : 0;
        loop_turn(p.l, false);
    }
    turns(&p, 4);
    EXPECT_EQ(p.ends, 1);
    EXPECT_STATUS(p.why, STATUS_LIMIT);
    EXPECT_STATUS(byte_stream_write(p.s, slice_from_text("x")), STATUS_CLOSED);
    mem_free(zeros);
    done(&p);
}

TEST(a_pause_leaves_bytes_to_the_kernel_and_resume_brings_them) {
    place p;
    open_pair(&p);
    p.pauses = true;
    say(&p, "first");
    turns(&p, 2);
    say(&p, "second");
    turns(&p, 3);
    EXPECT_BYTES(buf_slice(&p.got), slice_from_text("first"));
    byte_stream_resume(p.s);
    turns(&p, 3);
    EXPECT_BYTES(buf_slice(&p.got), slice_from_text("firstsecond"));
    done(&p);
}

TEST(the_queue_is_bounded_and_room_is_told) {
    place p;
    open_pair(&p);
    uint8_t *bytes = mem_zalloc(OUT_MAX + 1);
    EXPECT_STATUS(byte_stream_write(p.s, slice_of(bytes, OUT_MAX + 1)), STATUS_LIMIT);
    turns(&p, 2);
    EXPECT_EQ(p.rooms, 1);
    EXPECT_OK(byte_stream_write(p.s, slice_of(bytes, OUT_MAX)));
    turns(&p, 2);
    EXPECT(byte_stream_queued(p.s) > 0); // the peer does not read
    EXPECT_STATUS(byte_stream_write(p.s, slice_of(bytes, OUT_MAX)), STATUS_LIMIT);
    size_t total = 0;
    for (ssize_t n; (n = read(p.peer, bytes, OUT_MAX)) > 0; total += (size_t)n) {
        turns(&p, 2);
    }
    EXPECT_U64(total, OUT_MAX);
    EXPECT_EQ(p.rooms, 2);
    mem_free(bytes);
    done(&p);
}

TEST(the_peers_end_is_told_once) {
    place p;
    open_pair(&p);
    say(&p, "last words");
    close(p.peer);
    p.peer = -1;
    turns(&p, 4);
    EXPECT_BYTES(buf_slice(&p.got), slice_from_text("last words"));
    EXPECT_EQ(p.ends, 1);
    EXPECT_STATUS(p.why, STATUS_CLOSED);
    done(&p);
}

TEST(a_write_to_nobody_is_an_end) {
    place p;
    open_pair(&p);
    byte_stream_pause(p.s);
    close(p.peer);
    p.peer = -1;
    EXPECT_OK(byte_stream_write(p.s, slice_from_text("hello?")));
    turns(&p, 4);
    EXPECT_EQ(p.ends, 1);
    EXPECT_STATUS(p.why, STATUS_CLOSED);
    done(&p);
}

TEST(it_may_be_freed_from_its_callback) {
    place p;
    open_pair(&p);
    p.frees = true;
    say(&p, "go");
    turns(&p, 3);
    EXPECT(p.s == NULL);
    EXPECT_EQ(p.ends, 0);
    done(&p);
}

// --- TLS ---------------------------------------------------------------------------------------------------

static status make_context(const tls_server *t, const char *authority, const char *identity,
                           tls_context **ret, err *e) {
    auto_buf ca = {0};
    auto_buf certificate = {0};
    auto_buf key = {0};
    char name[32];
    CHECK(openssl_read(&t->place, authority, &ca));
    if (identity != NULL) {
        snprintf(name, sizeof name, "%s.pem", identity);
        CHECK(openssl_read(&t->place, name, &certificate));
        snprintf(name, sizeof name, "%s.key", identity);
        CHECK(openssl_read(&t->place, name, &key));
    }
    const tls_options o = {
        .ca = buf_slice(&ca), .certificate = buf_slice(&certificate), .key = buf_slice(&key)};
    return tls_context_new(&o, ret, e);
}

// NULL, or why there is no server.
static const char *begin(tls_server *t, const char *const *options) {
    const char *why = tls_server_prepare(t);
    if (why == NULL) {
        why = tls_server_start(t, options);
    }
    if (why != NULL) {
        tls_server_done(t);
    }
    return why;
}

static void open_secure(place *p, const tls_server *t, tls_context *c, const char *host) {
    err e;
    *p = (place){0};
    open_on(p, tls_server_connect(t));
    EXPECT_STATUS_ERR(byte_stream_start_tls(p->s, c, slice_from_text(host), &e), STATUS_OK, e);
}

static void expect_end(const tls_server *t, tls_context *c, const char *host, status why, const char *text) {
    place p;
    open_secure(&p, t, c, host);
    EXPECT_OK(byte_stream_write(p.s, slice_from_text("too early\n")));
    WAIT_FOR(&p, p.ends == 1);
    EXPECT_STATUS_ERR(p.why, why, p.reason);
    EXPECT_CONTAINS(p.reason.message, text);
    EXPECT_U64(p.got.len, 0);
    done(&p);
}

TEST(lines_come_back_through_tls) {
    tls_server t;
    tls_context *c = NULL;
    const char *why = begin(&t, NULL);
    if (why != NULL) {
        SKIP(why);
    }
    EXPECT_OK(make_context(&t, "ca.pem", NULL, &c, NULL));
    static const char *const hosts[] = {"db.example", "DB.example.", "127.0.0.1"};
    for (size_t i = 0; i < 3; i++) {
        place p;
        secret word;
        open_secure(&p, &t, c, hosts[i]);
        EXPECT_OK(secret_new(5, &word, NULL));
        memcpy(word.data, "word\n", 5);
        EXPECT_OK(byte_stream_write_secret(p.s, &word));
        EXPECT_OK(byte_stream_write(p.s, slice_from_text("hello\n")));
        EXPECT(!byte_stream_is_secure(p.s));
        WAIT_FOR(&p, p.got.len >= 11 || p.ends > 0);
        EXPECT_BYTES(buf_slice(&p.got), slice_from_text("drow\nolleh\n"));
        EXPECT_EQ(p.secured, 1);
        EXPECT(byte_stream_is_secure(p.s));
        done(&p);
    }
    tls_context_free(c);
    tls_server_done(&t);
}

TEST(much_goes_through_tls_with_pauses) {
    tls_server t;
    tls_context *c = NULL;
    place p;
    const char *why = begin(&t, NULL);
    if (why != NULL) {
        SKIP(why);
    }
    EXPECT_OK(make_context(&t, "ca.pem", NULL, &c, NULL));
    open_secure(&p, &t, c, "db.example");
    tls_context_free(c); // the session keeps it
    char line[1001];
    memset(line, 'a', 1000);
    line[0] = 'b';
    line[1000] = '\n';
    p.pauses = true;
    for (int i = 0; i < 900; i++) {
        EXPECT_OK(byte_stream_write(p.s, slice_of(line, sizeof line)));
    }
    for (int i = 0; i < 100000 && p.got.len < 900 * sizeof line && p.ends == 0; i++) {
        wait_a_turn(&p);
        byte_stream_resume(p.s);
    }
    EXPECT_U64(p.got.len, 900 * sizeof line);
    for (size_t i = 0; i < p.got.len; i++) {
        if (p.got.data[i] != (i % 1001 == 1000 ? '\n' : i % 1001 == 999 ? 'b' : 'a')) {
            EXPECT_EQ(i, 0);
            break;
        }
    }
    done(&p);
    tls_server_done(&t);
}

TEST(a_peer_is_not_believed_without_proof) {
    tls_server t;
    tls_context *right = NULL;
    tls_context *wrong = NULL;
    const char *why = begin(&t, NULL);
    if (why != NULL) {
        SKIP(why);
    }
    EXPECT_OK(make_context(&t, "ca.pem", NULL, &right, NULL));
    EXPECT_OK(make_context(&t, "other.pem", NULL, &wrong, NULL));
    expect_end(&t, right, "other.example", STATUS_DENIED, "hostname mismatch");
    expect_end(&t, right, "127.0.0.2", STATUS_DENIED, "IP address mismatch");
    expect_end(&t, wrong, "db.example", STATUS_DENIED, "db.example is not believed");
    tls_context_free(right);
    tls_context_free(wrong);
    tls_server_done(&t);
}

TEST(old_versions_are_refused) {
    tls_server t;
    tls_context *c = NULL;
    static const char *const options[] = {"-no_tls1_3", "-no_tls1_2", "-cipher", "ALL:@SECLEVEL=0", NULL};
    const char *why = begin(&t, options);
    if (why != NULL) {
        SKIP(why);
    }
    EXPECT_OK(make_context(&t, "ca.pem", NULL, &c, NULL));
    expect_end(&t, c, "db.example", STATUS_DENIED, "protocol version");
    tls_context_free(c);
    tls_server_done(&t);
}

TEST(a_client_proves_itself_where_it_must) {
    tls_server t;
    tls_context *with = NULL;
    tls_context *without = NULL;
    place p;
    static const char *const options[] = {"-Verify", "1", "-verify_return_error", NULL};
    const char *why = begin(&t, options);
    if (why != NULL) {
        SKIP(why);
    }
    EXPECT_OK(make_context(&t, "ca.pem", "client", &with, NULL));
    EXPECT_OK(make_context(&t, "ca.pem", NULL, &without, NULL));
    open_secure(&p, &t, with, "db.example");
    EXPECT_OK(byte_stream_write(p.s, slice_from_text("hello\n")));
    WAIT_FOR(&p, p.got.len >= 6 || p.ends > 0);
    EXPECT_BYTES(buf_slice(&p.got), slice_from_text("olleh\n"));
    done(&p);
    expect_end(&t, without, "db.example", STATUS_DENIED, "certificate required");
    tls_context_free(with);
    tls_context_free(without);
    tls_server_done(&t);
}

TEST(contexts_say_what_is_wrong) {
    tls_server t;
    tls_context *c = NULL;
    err e;
    const char *why = tls_server_prepare(&t);
    if (why != NULL) {
        SKIP(why);
    }
    EXPECT_STATUS(tls_context_new(&(tls_options){0}, &c, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "name a CA");
    EXPECT_STATUS(tls_context_new(&(tls_options){.ca = SLICE_LITERAL("hello")}, &c, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "no certificate in PEM form");
    auto_buf ca = {0};
    auto_buf key = {0};
    auto_buf certificate = {0};
    CHECK(openssl_read(&t.place, "ca.pem", &ca) && openssl_read(&t.place, "server.key", &key) &&
          openssl_read(&t.place, "client.pem", &certificate));
    tls_options o = {.ca = buf_slice(&ca), .key = buf_slice(&key)};
    EXPECT_STATUS(tls_context_new(&o, &c, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "go together");
    o.certificate = buf_slice(&certificate);
    EXPECT_STATUS(tls_context_new(&o, &c, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "not that of the certificate");
    EXPECT(c == NULL);
    tls_server_done(&t);
}

TEST(bytes_in_the_clear_before_tls_end_it) {
    tls_server t;
    tls_context *c = NULL;
    place p;
    const char *why = tls_server_prepare(&t);
    if (why != NULL) {
        SKIP(why);
    }
    EXPECT_OK(make_context(&t, "ca.pem", NULL, &c, NULL));
    open_pair(&p);
    p.next = c;
    say(&p, "Sinjected");
    WAIT_FOR(&p, p.ends == 1);
    EXPECT_STATUS(p.why, STATUS_INVALID);
    EXPECT_CONTAINS(p.reason.message, "in the clear");
    done(&p);
    open_pair(&p); // the same without more: it waits for the peer's hello, and garbage is none
    p.next = c;
    say(&p, "S");
    turns(&p, 3);
    EXPECT_EQ(p.ends, 0);
    say(&p, "HTTP/1.1 400 Bad Request\r\n\r\n");
    WAIT_FOR(&p, p.ends == 1);
    EXPECT_STATUS(p.why, STATUS_INVALID);
    done(&p);
    tls_context_free(c);
    tls_server_done(&t);
}
