// SPDX-License-Identifier: Apache-2.0
// The caller's side.
#include "lattice/sealed_internal.h"

enum { ASK_FROM_S = 2, ASK_OFTEN_S = 6, ASK_SELDOM_S = 8 };

// --- the table: a place and how often it was used make the number
// -------------------------------------------

sealed_line *sealed_call_find(const sealed *s, uint64_t number) {
    uint32_t at = (uint32_t)number;
    return at < s->call_count && s->calls[at].uses == number >> 32 ? s->calls[at].line : NULL;
}

// There is a place: it was checked.
static void list_call(sealed *s, sealed_line *l) {
    uint32_t at = s->call_free;
    if (at != 0) {
        s->call_free = s->calls[--at].next_free;
    } else {
        at = s->call_count++;
        s->calls[at].uses = s->first_use;
    }
    s->calls[at].line = l;
    s->calls[at].uses++;
    l->number = (uint64_t)s->calls[at].uses << 32 | at;
    s->counters.open_out++;
}

void sealed_call_unlist(sealed_line *l) {
    sealed *s = l->s;
    uint32_t at = (uint32_t)l->number;
    s->calls[at].line = NULL;
    s->calls[at].next_free = s->call_free;
    s->call_free = at + 1;
    s->counters.open_out--;
}

// --- the end -----------------------------------------------------------------------------------------------

static void send_cancel(sealed_line *l) {
    frame f = {.kind = FRAME_CANCEL, .is_from_caller = true, .call = l->number, .index = l->out_index};
    if (l->is_root_begun && sealed_send(l->peer, l, &f, slice_empty(), NULL) == STATUS_OK) {
        l->out_index++;
    }
}

void sealed_call_finish(sealed_line *l, status code, const char *text) {
    lattice_call *c = l->call;
    err e = {0};
    if (l->is_closed) {
        return;
    }
    if (code != STATUS_OK) {
        err_set(&e, code, "host %s: %s", l->peer->name.text, text == NULL ? "the call failed" : text);
        l->s->counters.failed_out++;
    }
    if (code == STATUS_TIMEOUT || code == STATUS_INVALID) {
        send_cancel(l); // it may be at work for nobody
    }
    c->transport = NULL;
    c->impl = NULL;
    sealed_line_enter(l);
    sealed_line_close(l);
    c->ops->ended(c, code, code == STATUS_OK ? NULL : &e);
    sealed_line_leave(l);
}

// --- is it still on its way? -------------------------------------------------------------------------------

// Soon at first, since what is lost is lost at the beginning; then seldom.
static bool is_time_to_ask(const sealed_line *l) {
    return l->seconds >= ASK_FROM_S && (l->seconds < ASK_OFTEN_S || l->seconds % ASK_SELDOM_S == 0);
}

void sealed_call_look_after(sealed_line *l) {
    if (!l->is_root_begun || l->is_ending || l->is_closed) {
        return;
    }
    l->seconds++;
    if (is_time_to_ask(l)) {
        frame f = {.kind = FRAME_ASK, .is_from_caller = true, .call = l->number, .index = l->out_index};
        (void)!sealed_send(l->peer, l, &f, slice_empty(), NULL);
    }
}

// One message may have overtaken another: what is said twice, with seconds between, counts.
void sealed_call_take_state(sealed_line *l, const frame *f) {
    bool was_missing_out = l->is_missing_out;
    bool is_lost = l->in_index < l->missing_in;
    l->unknown = f->is_known ? 0 : l->unknown + 1;
    l->missing_in = f->is_known && f->index > l->in_index ? f->index : 0;
    l->is_missing_out = f->is_known && f->received < f->asked;
    if (l->unknown >= 2 || is_lost || (was_missing_out && l->is_missing_out)) {
        sealed_line_end_later(l, STATUS_CLOSED, "messages of the call were lost on the way");
    }
}

static void on_deadline(void *arg) {
    sealed_line *l = arg;
    sealed_call_finish(l, STATUS_TIMEOUT,
                       l->is_root_begun ? "no answer within the time of the call"
                                        : "there was no session within the time of the call");
}

// --- the transport -----------------------------------------------------------------------------------------

static status check(const sealed *s, const lattice_call *c, err *e) {
    if (c->invocation.params.len > LATTICE_PARAMS_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "parameters of %zu bytes; at most %d go to another host",
                       c->invocation.params.len, LATTICE_PARAMS_BYTES_MAX);
    }
    if (c->invocation.deadline_ns <= loop_now_ns(s->l)) {
        return err_set(e, STATUS_TIMEOUT, "the deadline of the call is over before it began");
    }
    if (!bus_is_up(s->bus)) {
        return err_set(e, STATUS_CLOSED, "there is no connection to the lattice");
    }
    if (s->waiting >= SEALED_WAITING_MAX) {
        return err_set(e, STATUS_LIMIT, "%d calls wait for sessions already", SEALED_WAITING_MAX);
    }
    if (s->counters.open_out >= SEALED_CALLS_MAX) {
        return err_set(e, STATUS_LIMIT, "%d calls to other hosts are under way", SEALED_CALLS_MAX);
    }
    return STATUS_OK;
}

static status start(lattice_transport *t, lattice_call *c, err *e) {
    sealed_peer *p = (sealed_peer *)(void *)t;
    sealed *s = p->s;
    TRY(check(s, c, e));
    sealed_line *l = sealed_line_new(p, true);
    list_call(s, l);
    l->call = c;
    l->has_root = true;
    l->root = c->invocation.params;
    l->out_paths = c->up;
    l->in_paths = c->down;
    loop_timer_init(&l->deadline, s->l, on_deadline, l);
    status code = sealed_line_pump(l, e);
    if (code != STATUS_OK && code != STATUS_NOT_FOUND && !l->is_root_begun) {
        sealed_line_close(l);
        return code;
    }
    loop_timer_start_at(&l->deadline, c->invocation.deadline_ns);
    c->transport = t;
    c->impl = l;
    s->counters.calls_out++;
    return STATUS_OK;
}

static void cancel(lattice_call *c) {
    sealed_line *l = c->impl;
    send_cancel(l);
    c->transport = NULL;
    c->impl = NULL;
    sealed_line_close(l);
}

static status write_up(lattice_call *c, size_t path, slice bytes) {
    return sealed_line_write(c->impl, path, bytes);
}
static void end_up(lattice_call *c, size_t path) { sealed_line_end_path(c->impl, path); }
static void pause_down(lattice_call *c, bool is_paused) { sealed_line_pause(c->impl, is_paused); }

const lattice_transport_ops sealed_transport_ops = {start, cancel, write_up, end_up, pause_down};
