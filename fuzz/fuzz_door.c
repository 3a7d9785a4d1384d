// SPDX-License-Identifier: Apache-2.0
// Any bytes from a client of NATS at the door of a bus: the parser keeps to its input, nothing gets inside
// that the user may not publish, and nothing stays behind. The first byte says how much comes at a time, and
// whether the client is known already.
//
// links: bus
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "bus/bus_door_internal.h"
#include "bus/bus_local.h"
#include "codec/subject.h"
#include "fuzz.h"

enum { PAYLOAD_MAX = 4096 };

typedef struct place {
    loop *l;
    bus *b;
    bus_door *d;
    int peer;
    int heard;
} place;

static uint64_t fixed_now(void *arg) {
    (void)arg;
    return 1000;
}

static void on_inside(void *arg, bus_subscription *s, const bus_message *m) {
    place *p = arg;
    p->heard++;
    CHECK(m->subject.len <= BUS_SUBJECT_BYTES_MAX && m->reply.len <= BUS_SUBJECT_BYTES_MAX);
    CHECK(m->headers.len + m->payload.len <= PAYLOAD_MAX);
    CHECK(subject_covers_within(slice_from_text("out.>"), m->subject, BUS_SUBJECT_BYTES_MAX) ||
          slice_starts_with(m->subject, "asked.1") || slice_starts_with(m->subject, "in."));
    CHECK(m->reply.len == 0 || slice_starts_with(m->reply, "in.") || slice_starts_with(m->reply, "asked."));
    if (slice_equal_text(m->subject, "out.ask")) { // and it is asked something back
        const bus_message ask = {.subject = slice_from_text("in.a"), .reply = slice_from_text("asked.1")};
        (void)!bus_publish(s->b, &ask, NULL);
    }
}

static void parse_all(slice bytes) {
    door_request r;
    size_t used;
    const char *error;
    for (; door_parse(bytes, true, PAYLOAD_MAX, &r, &used, &error) == STATUS_OK;
         bytes = slice_sub(bytes, used, bytes.len)) {
        door_connect c;
        CHECK(used > 0 && used <= bytes.len && r.payload.len <= PAYLOAD_MAX &&
              r.sid.len <= DOOR_SID_BYTES_MAX);
        if (r.op == DOOR_CONNECT) {
            (void)!door_connect_read(r.json, &c, &error);
        }
    }
}

static void turns(const place *p) {
    for (int i = 0; i < 4; i++) {
        loop_turn(p->l, false);
    }
}

static void drain(const place *p) {
    static char out[1 << 16];
    while (recv(p->peer, out, sizeof out, MSG_DONTWAIT) > 0) {
    }
}

static void send_pieces(place *p, slice bytes, size_t piece) {
    for (size_t at = 0; at < bytes.len; at += piece) {
        slice part = slice_sub(bytes, at, at + piece);
        if (send(p->peer, part.data, part.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            break; // it was cut
        }
        turns(p);
        drain(p);
    }
}

static void add_user(const place *p) {
    static const slice publish[] = {SLICE_LITERAL("out.>")};
    static const slice subscribe[] = {SLICE_LITERAL("in.>")};
    bus_door_user *u;
    const bus_door_user_options o = {.b = p->b,
                                     .user = slice_from_text("u"),
                                     .password = slice_from_text("p"),
                                     .publish = {publish, 1},
                                     .subscribe = {subscribe, 1},
                                     .may_answer = true};
    CHECK(bus_door_add_user(p->d, &o, &u, NULL) == STATUS_OK);
}

static void begin(place *p, int *listener_peer) {
    static const loop_clock clock = {fixed_now, NULL};
    int listener[2];
    int client[2];
    CHECK(loop_new(&clock, &p->l, NULL) == STATUS_OK);
    CHECK(bus_local_new(&(bus_local_options){.l = p->l}, &p->b, NULL) == STATUS_OK);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, listener) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, client) == 0);
    const bus_door_options o = {.l = p->l,
                                .listener = listener[0],
                                .subscriptions_max = 64,
                                .payload_bytes_max = PAYLOAD_MAX,
                                .out_bytes_max = 1 << 16};
    CHECK(bus_door_new(&o, &p->d, NULL) == STATUS_OK);
    add_user(p);
    door_client_begin(p->d, client[0]);
    p->peer = client[1];
    *listener_peer = listener[1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char hello[] =
        "CONNECT {\"user\":\"u\",\"pass\":\"p\",\"headers\":true,\"no_responders\":true}\r\n";
    if (size == 0) {
        return 0;
    }
    place p = {0};
    int listener_peer;
    bus_subscription inside = {0};
    slice bytes = slice_of(data + 1, size - 1);
    parse_all(bytes);
    begin(&p, &listener_peer);
    CHECK(bus_subscribe(p.b, &inside, slice_from_text(">"), slice_empty(), on_inside, &p, NULL) == STATUS_OK);
    if ((data[0] & 0x80) == 0) {
        send_pieces(&p, slice_from_text(hello), sizeof hello);
        CHECK(bus_door_count(p.d).came == 1);
    }
    send_pieces(&p, bytes, (data[0] & 0x7f) == 0 ? 1 : (size_t)(data[0] & 0x7f) * 16);
    close(p.peer);
    turns(&p);
    CHECK(bus_door_count(p.d).connections == 0);
    bus_door_free(p.d);
    bus_free(p.b);
    close(listener_peer);
    loop_free(p.l);
    return 0;
}
