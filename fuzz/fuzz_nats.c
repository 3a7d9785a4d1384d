// SPDX-License-Identifier: Apache-2.0
// Any bytes from a NATS server: the parser keeps to its input, and a client that has subscriptions and
// requests goes on or connects again. The first byte says how much is read at a time.
//
// links: bus
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "bus/jetstream.h"
#include "bus/nats.h"
#include "bus/nats_internal.h"
#include "fuzz.h"

typedef struct state {
    connector base; // first
    loop *l;
    nats *n;
    loop_soon soon;
    connect_callback done;
    void *done_arg;
    int peer;
    int ends;
    nats_request request;
} state;

static uint64_t fixed_now(void *arg) {
    (void)arg;
    return 1000;
}

static void on_soon(void *arg) {
    state *s = arg;
    int fd[2];
    CHECK(s->peer < 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == 0);
    s->peer = fd[1];
    s->done(s->done_arg, &(connect_result){.code = STATUS_OK, .fd = fd[0]});
}

static status request(connector *c, const connect_request *q, connect_callback done, void *arg,
                      uint64_t *ret_id, err *e) {
    (void)q;
    (void)e;
    state *s = (state *)c;
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

static void on_ended(void *arg, const nats_result *r) {
    CHECK((r->code == STATUS_OK) == (r->text == NULL));
    ((state *)arg)->ends++;
}

static void on_message(void *arg, nats_subscription *sub, const nats_message *m) {
    (void)sub;
    slice name;
    slice value;
    CHECK(m->subject.len <= NATS_SUBJECT_BYTES_MAX && m->payload.len <= 4096);
    for (size_t at = 0; nats_headers_next(m->headers, &at, &name, &value);) {
        CHECK(name.len + value.len <= m->headers.len);
    }
    (void)nats_headers_status(m->headers, &value);
    state *s = arg;
    const nats_message answer = {.subject = m->reply, .payload = m->payload};
    (void)!nats_publish(s->n, &answer, NULL);
}

static void parse_all(slice bytes) {
    nats_event event;
    size_t used;
    for (; nats_parse(bytes, 4096, &event, &used, NULL) == STATUS_OK;
         bytes = slice_sub(bytes, used, bytes.len)) {
        CHECK(used > 0 && used <= bytes.len);
    }
}

static void read_answers(slice bytes) {
    jetstream_fault fault;
    jetstream_stream stream;
    jetstream_message message;
    uint64_t number;
    uint64_t pending;
    auto_arena memory;
    arena_init(&memory, 1 << 20);
    (void)!jetstream_read_ack(bytes, &fault, &number, NULL);
    (void)!jetstream_read_stream(bytes, &fault, &stream, NULL);
    (void)!jetstream_read_message(bytes, &memory, &fault, &message, NULL);
    (void)!jetstream_read_consumer(bytes, &fault, &pending, NULL);
    jetstream_place place;
    (void)jetstream_read_place(bytes, &place);
}

static void turns(const state *s, int n) {
    for (int i = 0; i < n; i++) {
        loop_turn(s->l, false);
    }
}

static void feed(state *s, slice bytes, size_t step) {
    static const char greeting[] = "INFO {\"max_payload\":4096,\"headers\":true}\r\nPONG\r\n";
    WRIT_UNUSED ssize_t n = send(s->peer, greeting, sizeof greeting - 1, MSG_NOSIGNAL);
    turns(s, 6);
    const nats_message m = {.subject = SLICE_LITERAL("ask")};
    bool asked = nats_request_start(s->n, &s->request, &m, UINT64_MAX, on_ended, s, NULL) == STATUS_OK;
    CHECK(asked);
    for (size_t at = 0; at < bytes.len; at += step) {
        slice part = slice_sub(bytes, at, at + step);
        if (send(s->peer, part.data, part.len, MSG_NOSIGNAL) < 0) {
            break;
        }
        turns(s, 3);
    }
    char said[4096];
    while (read(s->peer, said, sizeof said) > 0) {
        turns(s, 1);
    }
    close(s->peer);
    s->peer = -1;
    turns(s, 3);
    CHECK(s->ends == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 100000) {
        return 0;
    }
    static const connector_ops ops = {request, cancel};
    static const nats_server server = {.host = "a", .port = 1};
    slice bytes = slice_of(data + 1, size - 1);
    parse_all(bytes);
    read_answers(bytes);
    state s = {.base = {&ops}, .peer = -1};
    nats_subscription sub = {0};
    CHECK(loop_new(&(loop_clock){fixed_now, NULL}, &s.l, NULL) == STATUS_OK);
    loop_soon_init(&s.soon, on_soon, &s);
    const nats_options o = {.l = s.l,
                            .connector = &s.base,
                            .servers = &server,
                            .server_count = 1,
                            .discovers = true,
                            .payload_bytes_max = 4096};
    CHECK(nats_new(&o, &s.n, NULL) == STATUS_OK);
    CHECK(nats_subscribe(s.n, &sub, slice_from_text(">"), slice_empty(), 0, on_message, &s, NULL) ==
          STATUS_OK);
    turns(&s, 3);
    feed(&s, bytes, data[0] == 0 ? size : data[0]);
    nats_free(s.n);
    loop_free(s.l);
    return 0;
}
