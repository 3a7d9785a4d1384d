// SPDX-License-Identifier: Apache-2.0
// Any bytes from the peer of a connection that has calls in flight: it stays or ends, every call ends once,
// and no more is held than the limits say.
//
// links: net
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "fuzz.h"
#include "net/rpc.h"
#include "os/fd.h"

enum { CALLS = 3, HELD_MAX = 8 };

typedef struct state {
    rpc *r;
    int ended;
    int closed;
    rpc_request *held[HELD_MAX];
    size_t held_count;
} state;

static uint64_t fixed_now(void *arg) {
    (void)arg;
    return 1000;
}

static void on_ended(void *arg, const rpc_result *result) {
    CHECK((result->code == STATUS_OK) == (result->e == NULL));
    ((state *)arg)->ended++;
}

static void answer_one(state *s) {
    rpc_request *q = s->held[--s->held_count];
    if (s->held_count % 2 == 0) {
        rpc_answer(q, rpc_request_message(q)->payload);
    } else {
        rpc_fail(q, STATUS_DENIED, "%s", "no");
    }
}

static void on_call(void *arg, rpc_request *q) {
    state *s = arg;
    const rpc_message *m = rpc_request_message(q);
    CHECK(m->interface.len <= RPC_NAME_BYTES_MAX && m->function.len <= RPC_NAME_BYTES_MAX);
    CHECK(rpc_count(s->r).in_bytes <= 4096 && rpc_count(s->r).calls_in <= 4);
    s->held[s->held_count++] = q;
    if (s->held_count == HELD_MAX || (m->target & 1) != 0) {
        answer_one(s);
    }
}

static void on_closed(void *arg, status why, const err *e) {
    CHECK((why == STATUS_OK) == (e == NULL));
    ((state *)arg)->closed++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 100000) {
        return 0;
    }
    state s = {0};
    loop *l = NULL;
    loop_clock clock = {fixed_now, NULL};
    int fd[2];
    CHECK(loop_new(&clock, &l, NULL) == STATUS_OK);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) == 0);
    const rpc_limits limits = {.payload_bytes_max = 80000,
                               .calls_out_max = CALLS,
                               .calls_in_max = 4,
                               .in_bytes_max = 4096,
                               .out_bytes_max = 4096};
    const rpc_handler handler = {.arg = &s, .on_call = on_call, .on_closed = on_closed};
    CHECK(rpc_new(l, fd[0], &limits, &handler, &s.r, NULL) == STATUS_OK);
    rpc_call calls[CALLS] = {0};
    const rpc_message m = {.interface = slice_from_text("i"), .function = slice_from_text("f")};
    for (int i = 0; i < CALLS; i++) {
        CHECK(rpc_call_start(s.r, &calls[i], &m, UINT64_MAX, on_ended, &s, NULL) == STATUS_OK);
    }
    for (size_t at = 0; at < size;) {
        size_t part = size - at < 4000 ? size - at : 4000;
        ssize_t n = write(fd[1], data + at, part);
        at += n > 0 ? (size_t)n : size;
        loop_turn(l, false);
        loop_turn(l, false);
    }
    while (s.held_count > 0) {
        answer_one(&s);
    }
    loop_turn(l, false);
    CHECK(s.closed <= 1);
    rpc_free(s.r);
    loop_turn(l, false);
    CHECK(s.ended == CALLS);
    fd_close(fd[1]);
    loop_free(l);
    return 0;
}
