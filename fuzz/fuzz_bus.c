// SPDX-License-Identifier: Apache-2.0
// A server of NATS that lies: it answers what a bus asks it with any bytes. Operations on a bucket, a watch,
// a request and a gathering are on their way; each ends once, and only good keys are told.
//
// The input is records: what to do, a length, and so many bytes. 0: answer the oldest request with them; 1:
// as well, they begin with headers; 2: tell the watch, as a message of its consumer; 3: tell the watch, they
// begin with headers; 4: time passes; 5: the connection is lost; 6: one more operation; 7: raw bytes.
//
// links: bus
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "bus/bus_nats.h"
#include "bus/door_parse.h"
#include "fuzz.h"

enum { REPLIES_MAX = 16, OPS = 3, SAID_BYTES = 1 << 16, LINE_BYTES = 1 << 10 };

typedef struct state {
    connector base; // first
    uint64_t now_ns;
    loop *l;
    bus *b;
    loop_soon soon;
    connect_callback done;
    void *done_arg;
    int peer;
    uint8_t said[SAID_BYTES]; // by the client, and not read yet
    size_t said_len;
    char replies[REPLIES_MAX][BUS_INBOX_BYTES_MAX];
    size_t reply_count;
    char watch_sid[DOOR_SID_BYTES_MAX + 1];
    char inbox_sid[DOOR_SID_BYTES_MAX + 1];
    uint64_t number; // of messages to the watch
    bus_kv_op ops[OPS];
    bool are_on_their_way[OPS];
    bus_kv_watch w;
    bus_request r;
    bus_gather g;
} state;

static uint64_t now(void *arg) { return ((state *)arg)->now_ns; }

// --- the client's side -------------------------------------------------------------------------------------

static void on_soon(void *arg) {
    state *s = arg;
    int fd[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == 0);
    s->peer = fd[1];
    s->said_len = s->reply_count = 0;
    s->done(s->done_arg, &(connect_result){.code = STATUS_OK, .fd = fd[0]});
}

static status request(connector *c, const connect_request *q, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    state *s = (state *)c;
    (void)q, (void)e;
    s->done = done;
    s->done_arg = arg;
    *ret_id = 1;
    loop_soon_add(s->l, &s->soon);
    return STATUS_OK;
}

static void cancel(connector *c, uint64_t id) {
    (void)id;
    loop_soon_cancel(&((state *)c)->soon);
}

static void on_op(void *arg, const bus_kv_result *r) {
    bool *is_on_its_way = arg;
    CHECK(*is_on_its_way && (r->code == STATUS_OK || r->text[0] != '\0'));
    *is_on_its_way = false;
}

static void on_entry(void *arg, const bus_kv_entry *entry) {
    (void)arg;
    CHECK(bus_key_is_valid(entry->key) && (entry->kind == BUS_KV_PUT || entry->value.len == 0));
}

static void on_mark(void *arg) { (void)arg; }
static void on_failed(void *arg, status code, const char *text) {
    (void)arg;
    CHECK(code != STATUS_OK && text[0] != '\0');
}
static void on_answer(void *arg, const bus_message *m) {
    (void)arg;
    CHECK(m->subject.len <= BUS_SUBJECT_BYTES_MAX);
}
static void on_gathered(void *arg, status code) { (void)arg, (void)code; }
static void on_result(void *arg, const bus_result *r) {
    (void)arg;
    CHECK((r->code == STATUS_OK) == (r->text == NULL));
}

static void start_op(state *s, uint8_t which) {
    static const slice bucket = SLICE_LITERAL("B");
    static const slice key = SLICE_LITERAL("k");
    for (size_t i = 0; i < OPS; i++) {
        if (s->are_on_their_way[i]) {
            continue;
        }
        uint64_t deadline = s->now_ns + 10000000000;
        bool *flag = &s->are_on_their_way[i];
        *flag = true;
        status code =
            which % 4 == 0   ? bus_kv_open(s->b, &s->ops[i], bucket, deadline, on_op, flag, NULL)
            : which % 4 == 1 ? bus_kv_get(s->b, &s->ops[i], bucket, key, deadline, on_op, flag, NULL)
            : which % 4 == 2
                ? bus_kv_put(s->b, &s->ops[i], bucket, key, key, which & 4 ? 0 : 7, deadline, on_op, flag,
                             NULL)
                : bus_kv_remove(s->b, &s->ops[i], bucket, key, which & 4 ? BUS_KV_PURGE : BUS_KV_DELETE,
                                which & 8 ? 0 : BUS_KV_ANY, deadline, on_op, flag, NULL);
        *flag = code == STATUS_OK;
        return;
    }
}

// --- the server's side -------------------------------------------------------------------------------------

static void turns(const state *s, int n) {
    for (int i = 0; i < n; i++) {
        loop_turn(s->l, false);
    }
}

static void copy(slice from, char *to, size_t size) { snprintf(to, size, "%.*s", SLICE_ARG(from)); }

static void note(state *s, const door_request *r) {
    if (r->op == DOOR_SUB && slice_starts_with(r->subject, "_INBOX.")) {
        bool is_all = r->subject.data[r->subject.len - 1] == '*';
        copy(r->sid, is_all ? s->inbox_sid : s->watch_sid, sizeof s->inbox_sid);
        s->number = is_all ? s->number : 0;
    } else if (r->op == DOOR_PUB && r->reply.len > 0 && s->reply_count < REPLIES_MAX) {
        copy(r->reply, s->replies[s->reply_count++], BUS_INBOX_BYTES_MAX);
    }
}

static void hear(state *s) {
    ssize_t n =
        s->peer < 0 ? 0 : recv(s->peer, s->said + s->said_len, SAID_BYTES - s->said_len, MSG_DONTWAIT);
    s->said_len += n > 0 ? (size_t)n : 0;
    door_request r;
    const char *error;
    size_t used;
    size_t at = 0;
    while (door_parse(slice_of(s->said + at, s->said_len - at), true, SAID_BYTES, &r, &used, &error) ==
           STATUS_OK) {
        note(s, &r);
        at += used;
    }
    memmove(s->said, s->said + at, s->said_len - at);
    s->said_len -= at;
}

static void say(state *s, const void *bytes, size_t len) {
    if (s->peer >= 0 && len > 0) {
        WRIT_UNUSED ssize_t n = send(s->peer, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void say_message(state *s, const char *subject, const char *sid, const char *reply, bool has_headers,
                        slice bytes) {
    char line[LINE_BYTES];
    size_t end = 0; // of the headers
    if (has_headers) {
        static const char mark[] = "\r\n\r\n";
        const uint8_t *found = bytes.len == 0 ? NULL : memmem(bytes.data, bytes.len, mark, sizeof mark - 1);
        end = found == NULL ? 0 : (size_t)(found - bytes.data) + sizeof mark - 1;
    }
    int len = end > 0 ? snprintf(line, sizeof line, "HMSG %s %s %s %zu %zu\r\n", subject, sid, reply, end,
                                 bytes.len)
                      : snprintf(line, sizeof line, "MSG %s %s %s %zu\r\n", subject, sid, reply, bytes.len);
    say(s, line, (size_t)len);
    say(s, bytes.data, bytes.len);
    say(s, "\r\n", 2);
}

static void answer(state *s, bool has_headers, slice bytes) {
    if (s->reply_count > 0) {
        char to[BUS_INBOX_BYTES_MAX];
        memcpy(to, s->replies[0], sizeof to);
        memmove(s->replies[0], s->replies[1], sizeof s->replies[0] * --s->reply_count);
        say_message(s, to, s->inbox_sid, "", has_headers, bytes);
    }
}

// The first byte: the key, whether the number is the next one, and how much is pending.
static void tell_watch(state *s, bool has_headers, slice bytes) {
    static const char *const keys[] = {"a", "b.c", "wrong..key", "x*"};
    char subject[64];
    char reply[128];
    if (s->watch_sid[0] == '\0' || bytes.len == 0) {
        return;
    }
    uint8_t how = bytes.data[0];
    s->number += (how & 4) != 0 ? 2 : 1;
    snprintf(subject, sizeof subject, "$KV.B.%s", keys[how & 3]);
    snprintf(reply, sizeof reply, "$JS.ACK.KV_B.c.1.%llu.%llu.0.%u", (unsigned long long)s->number + 10,
             (unsigned long long)s->number, how >> 4);
    say_message(s, subject, s->watch_sid, (how & 8) != 0 ? "go.on" : reply, has_headers,
                slice_sub(bytes, 1, bytes.len));
}

static void lose(state *s) {
    if (s->peer >= 0) {
        close(s->peer);
        s->peer = -1;
    }
}

static void greet(state *s) {
    static const char greeting[] = "INFO {\"max_payload\":4096,\"headers\":true}\r\nPONG\r\n";
    for (int i = 0; i < 4 && s->peer < 0; i++) {
        s->now_ns += 20000000000;
        turns(s, 4);
    }
    say(s, greeting, sizeof greeting - 1);
    turns(s, 6);
    hear(s);
}

static void do_record(state *s, uint8_t what, slice bytes) {
    switch (what % 8) {
    case 0:
    case 1:
        answer(s, what % 8 == 1, bytes);
        break;
    case 2:
    case 3:
        tell_watch(s, what % 8 == 3, bytes);
        break;
    case 4:
        s->now_ns += (uint64_t)(bytes.len + 1) * 100000000;
        break;
    case 5:
        lose(s);
        turns(s, 3);
        greet(s);
        break;
    case 6:
        start_op(s, bytes.len > 0 ? bytes.data[0] : 0);
        break;
    default:
        say(s, bytes.data, bytes.len);
        break;
    }
    turns(s, 4);
    hear(s);
}

// --- the whole ---------------------------------------------------------------------------------------------

static void begin(state *s) {
    static const nats_server server = {.host = "a", .port = 1};
    const bus_nats_options o = {.nats = {.l = s->l,
                                         .connector = &s->base,
                                         .servers = &server,
                                         .server_count = 1,
                                         .payload_bytes_max = 4096}};
    CHECK(bus_nats_new(&o, &s->b, NULL) == STATUS_OK);
    s->w = (bus_kv_watch){
        .restarted = on_mark, .entry = on_entry, .caught_up = on_mark, .failed = on_failed, .arg = s};
    CHECK(bus_kv_watch_start(s->b, &s->w, slice_from_text("B"), NULL) == STATUS_OK);
    turns(s, 3);
    greet(s);
    const bus_message m = {.subject = slice_from_text("ask")};
    CHECK(bus_request_start(s->b, &s->r, &m, UINT64_MAX, on_result, s, NULL) == STATUS_OK);
    s->g = (bus_gather){.answer = on_answer, .ended = on_gathered, .arg = s};
    CHECK(bus_gather_start(s->b, &s->g, &m, s->now_ns + 5000000000, 0, 3, NULL) == STATUS_OK);
    turns(s, 3);
    hear(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const connector_ops ops = {request, cancel};
    if (size > 10000) {
        return 0;
    }
    state s = {.base = {&ops}, .now_ns = 1000, .peer = -1};
    const loop_clock clock = {now, &s};
    CHECK(loop_new(&clock, &s.l, NULL) == STATUS_OK);
    loop_soon_init(&s.soon, on_soon, &s);
    begin(&s);
    for (size_t at = 0; at + 2 <= size;) {
        slice bytes = slice_sub(slice_of(data, size), at + 2, at + 2 + data[at + 1]);
        do_record(&s, data[at], bytes);
        at += 2 + bytes.len;
    }
    lose(&s);
    turns(&s, 3);
    s.now_ns += 1000000000; // those that wait for another attempt
    turns(&s, 3);
    for (size_t i = 0; i < OPS; i++) {
        CHECK(!s.are_on_their_way[i]);
    }
    bus_free(s.b);
    lose(&s);
    loop_free(s.l);
    return 0;
}
