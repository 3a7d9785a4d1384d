// SPDX-License-Identifier: Apache-2.0
// The side of who is called.
#include "base/check.h"
#include "base/mem.h"
#include "lattice/sealed_internal.h"

static sealed_line **place_of(const sealed *s, const sealed_peer *p, uint64_t number) {
    uint8_t key[SIGN_PUBLIC_BYTES + sizeof number];
    memcpy(key, p->host.bytes, SIGN_PUBLIC_BYTES);
    memcpy(key + SIGN_PUBLIC_BYTES, &number, sizeof number);
    return (sealed_line **)&s->served[siphash(s->hash_key, slice_of(key, sizeof key)) % SEALED_BUCKETS];
}

sealed_line *sealed_serve_find(const sealed *s, const sealed_peer *p, uint64_t number) {
    sealed_line *l = *place_of(s, p, number);
    while (l != NULL && (l->number != number || l->peer != p)) {
        l = l->next;
    }
    return l;
}

void sealed_serve_unlist(sealed_line *l) {
    sealed_line **place = place_of(l->s, l->peer, l->number);
    while (*place != l) {
        place = &(*place)->next;
    }
    *place = l->next;
    l->peer->served_count--;
    l->s->counters.open_in--;
}

// --- the end -----------------------------------------------------------------------------------------------

static void send_fail(sealed_line *l, status code, const char *text) {
    frame f = {.kind = FRAME_FAIL, .call = l->number, .index = l->out_index, .code = code};
    if (sealed_send(l->peer, l, &f, slice_sub(slice_from_text(text), 0, FRAME_TEXT_BYTES_MAX), NULL) ==
        STATUS_OK) {
        l->out_index++;
    }
}

void sealed_serve_finish(sealed_line *l, status code) {
    if (l->is_closed) {
        return;
    }
    if (code != STATUS_OK && code != STATUS_CANCELLED && code != STATUS_CLOSED) {
        send_fail(l, code, l->end_text == NULL ? "the call was not done in its time" : l->end_text);
    }
    sealed_line_enter(l);
    sealed_line_close(l);
    if (l->served.ops != NULL) {
        l->served.ops->ended(&l->served, code);
    }
    sealed_line_leave(l);
}

static void on_deadline(void *arg) { sealed_serve_finish(arg, STATUS_TIMEOUT); }

// --- for who serves ----------------------------------------------------------------------------------------

static sealed_line *line_of(lattice_served *q) { return (sealed_line *)(void *)q; }

static void answer(lattice_served *q, slice results) {
    sealed_line *l = line_of(q);
    if (l->is_closed || l->has_root || l->fail_code != STATUS_OK) {
        return;
    }
    if (results.len > LATTICE_PARAMS_BYTES_MAX) {
        q->transport->fail(q, STATUS_LIMIT, "the results are larger than what goes to another host");
        return;
    }
    l->has_root = true;
    l->root = results;
    l->has_no_streams = !lattice_results_have_streams(&l->out_paths, results);
    sealed_line_enter(l);
    sealed_line_pump(l, NULL);
    if (sealed_line_leave(l) && l->root_at < results.len) { // the rest goes later, and is ours until then
        l->root_copy = mem_try_alloc(results.len);
        if (l->root_copy == NULL) {
            sealed_line_end_later(l, STATUS_LIMIT, "there is no memory for the results");
            return;
        }
        memcpy(l->root_copy, results.data, results.len);
        l->root = slice_of(l->root_copy, results.len);
    } else if (!l->is_closed && l->root_at == results.len) {
        l->root = slice_of(NULL, 0);
        l->root_at = 0;
    }
}

static void fail(lattice_served *q, status code, const char *why) {
    sealed_line *l = line_of(q);
    if (l->is_closed || l->is_ending || l->fail_code != STATUS_OK) {
        return;
    }
    l->fail_code = code == STATUS_OK ? STATUS_INTERNAL : code;
    l->fail_text = mem_text_dup(why == NULL ? "the call failed" : why);
    sealed_line_pump(l, NULL);
}

static status write_down(lattice_served *q, size_t path, slice bytes) {
    return line_of(q)->is_closed ? STATUS_OK : sealed_line_write(line_of(q), path, bytes);
}
static void end_down(lattice_served *q, size_t path) {
    if (!line_of(q)->is_closed) {
        sealed_line_end_path(line_of(q), path);
    }
}
static void pause_up(lattice_served *q, bool is_paused) { sealed_line_pause(line_of(q), is_paused); }

static const lattice_served_transport_ops served_ops = {answer, fail, write_down, end_down, pause_up};

// --- a call comes ------------------------------------------------------------------------------------------

static void refuse(sealed_peer *p, const frame *f, status code, const char *text) {
    frame answer_frame = {.kind = FRAME_FAIL, .call = f->call, .code = code};
    // The other end has its deadline when this is lost.
    if (sealed_send(p, NULL, &answer_frame, slice_from_text(text), NULL) != STATUS_OK) {
        return;
    }
}

// Sealed is not yet timely: who holds messages back could have calls done later than anybody wants them.
static bool is_stale(const sealed *s, const frame *f) {
    uint64_t skew_ms = CLUSTER_CLOCK_SKEW_S * UINT64_C(1000), now_ms = sealed_now(s).wall_ms;
    return now_ms > f->sent_ms + f->wait_ms + skew_ms || f->sent_ms > now_ms + skew_ms;
}

static uint64_t deadline_of(const sealed *s, const frame *f) {
    uint64_t wait_ns = f->wait_ms * SEALED_MS;
    return loop_now_ns(s->l) + (wait_ns < SEALED_WAIT_NS_MAX ? wait_ns : SEALED_WAIT_NS_MAX);
}

static sealed_line *line_for(sealed_peer *p, uint64_t epoch, const frame *f, const lattice_invocation *i) {
    sealed *s = p->s;
    sealed_line *l = sealed_line_new(p, false), **place = place_of(s, p, f->call);
    l->number = f->call;
    l->epoch = epoch;
    l->served.transport = &served_ops;
    l->served.invocation = *i;
    loop_timer_init(&l->deadline, s->l, on_deadline, l);
    loop_timer_start_at(&l->deadline, l->served.invocation.deadline_ns);
    l->next = *place;
    *place = l;
    p->served_count++;
    s->counters.open_in++;
    s->counters.calls_in++;
    return l;
}

void sealed_serve_call(sealed_peer *p, uint64_t epoch, const frame *f, uint8_t **block, size_t block_len) {
    sealed *s = p->s;
    lattice_paths up = {0}, down = {0};
    lattice_invocation invocation = f->invocation;
    const lattice_invocation *i = &invocation;
    const lattice_server *server = &s->options.server;
    invocation.source_host = slice_from_text(p->name.text);
    invocation.deadline_ns = deadline_of(s, f);
    if (f->index != 0) {
        return;
    }
    if (is_stale(s, f)) {
        lattice_refuse(s->options.session.refusals, LATTICE_REFUSED_CLOCK, slice_from_text(p->name.text),
                       "a call whose time is over, or of a clock that is wrong", loop_now_ns(s->l));
        refuse(p, f, STATUS_TIMEOUT, "the call came after its time, or the clocks are apart");
        return;
    }
    if (s->counters.open_in >= SEALED_CALLS_MAX || p->served_count >= SEALED_HOST_CALLS_MAX) {
        refuse(p, f, STATUS_LIMIT, "the host has as many calls as it takes");
        return;
    }
    if (!s->options.server.paths(s->options.server.context, i->target, i->instance, i->function, &up,
                                 &down)) {
        refuse(p, f, STATUS_NOT_FOUND, "the host serves no such function");
        return;
    }
    err reason = {0};
    status code = lattice_server_check(server, i, &reason);
    if (code != STATUS_OK) {
        refuse(p, f, code, reason.message);
        return;
    }
    sealed_line *l = line_for(p, epoch, f, i);
    l->served.up = l->in_paths = up;
    l->served.down = l->out_paths = down;
    if (!sealed_line_charge(l, block_len)) {
        sealed_line_end_later(l, STATUS_LIMIT, "there is no memory for the call");
        return;
    }
    l->block = *block;
    *block = NULL;
    sealed_line_take(l, f, slice_empty()); // it is the first: not held
}

static void nobody_ended(lattice_served *q, status code) { (void)q, (void)code; }

static const lattice_served_ops nobody_ops = {.ended = nobody_ended};

void sealed_serve_hand(sealed_line *l) {
    const lattice_server *server = &l->s->options.server;
    err reason;
    status code = lattice_server_check(server, &l->served.invocation, &reason);
    if (code == STATUS_OK) {
        server->call(server->context, &l->served);
    } else {
        l->served.ops = &nobody_ops;
        fail(&l->served, code, reason.message);
    }
    CHECK(l->is_closed || l->served.ops != NULL);
}
