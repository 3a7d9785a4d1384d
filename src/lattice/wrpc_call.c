// SPDX-License-Identifier: Apache-2.0
// The one who calls.
#include <stdio.h>

#include "base/mem.h"
#include "bus/nats.h"
#include "codec/utf.h"
#include "lattice/wrpc_internal.h"

typedef struct calling {
    wrpc_line line;
    lattice_call
        *call;        // NULL: it has ended, and only an accept is waited for, to say that nothing more comes
    bool is_given_up; // and counted
    slice params;     // that are still to be sent
} calling;

enum { HEADERS_BYTES_MAX = 2048, GIVEN_UP_MAX = 4096 };

static calling *calling_of(wrpc_line *l) { return LIST_ENTRY(l, calling, line); }

// --- the end -----------------------------------------------------------------------------------------------

// The other side gets its end marks. One that has not accepted yet would wait for them: it gets them then.
static void give_up(calling *k) {
    wrpc *w = k->line.w;
    k->call = NULL;
    k->params = slice_empty();
    w->counters.calls--;
    if (k->line.to != NULL) {
        wrpc_line_end_all(&k->line, slice_empty());
    }
    if (k->line.to != NULL || w->given_up >= GIVEN_UP_MAX) {
        wrpc_line_close(&k->line);
        return;
    }
    k->is_given_up = true;
    w->given_up++;
    loop_soon_cancel(&k->line.soon);
    loop_timer_start_in(&k->line.deadline, w->options.params_ns);
}

static void end_call(calling *k, bool is_refused, status code, const err *e) {
    lattice_call *c = k->call;
    if (c == NULL) {
        wrpc_line_close(&k->line);
        return;
    }
    k->line.w->counters.failed += code != STATUS_OK;
    c->transport = NULL;
    c->impl = NULL;
    give_up(k);
    if (is_refused) {
        wrpc_line_close(&k->line);
    }
    c->ops->ended(c, code, e);
}

static void fail_call(calling *k, bool is_refused, status code, const char *why) {
    err e;
    const lattice_invocation *i = k->call != NULL ? &k->call->invocation : NULL;
    if (i != NULL) {
        err_set(&e, code, "%.*s of %.*s in %.*s: %s", SLICE_ARG(i->function), SLICE_ARG(i->instance),
                SLICE_ARG(i->target), why);
    }
    end_call(k, is_refused, code, &e);
}

// --- the answer --------------------------------------------------------------------------------------------

static void on_refusal(calling *k, unsigned number, slice text) {
    static const struct {
        unsigned number;
        status code;
    } known[] = {{503, STATUS_NOT_FOUND}, {408, STATUS_TIMEOUT}, {403, STATUS_DENIED}, {429, STATUS_LIMIT}};
    char told[WRPC_REASON_BYTES_MAX], why[WRPC_REASON_BYTES_MAX + 64];
    status code = STATUS_IO;
    utf8_shown(text, told, sizeof told);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        code = known[i].number == number ? known[i].code : code;
    }
    if (code == STATUS_NOT_FOUND) {
        snprintf(why, sizeof why, "nobody serves it");
    } else {
        snprintf(why, sizeof why, "it was refused with %u %s", number, told);
    }
    fail_call(k, true, code, why);
}

static void on_open(wrpc_line *l, const bus_message *m) {
    calling *k = calling_of(l);
    slice text = slice_empty();
    unsigned number = nats_headers_status(m->headers, &text);
    if (l->to != NULL) {
        return;
    }
    if (number >= 300) {
        on_refusal(k, number, text);
        return;
    }
    if (m->reply.len == 0 || !wrpc_line_set_peer(l, m->reply, "params")) {
        fail_call(k, true, STATUS_IO, "it was accepted without a subject for its parameters");
        return;
    }
    if (k->call == NULL) {
        wrpc_line_end_all(l, slice_empty());
        wrpc_line_close(l);
        return;
    }
    l->is_open = true;
    l->root_out.lent = k->params;
    l->root_out.is_ended = true;
    if (wrpc_line_flush(l)) {
        loop_soon_add(l->w->options.loop, &l->soon); // there may be room again
    }
}

static status status_named(slice name) {
    for (status s = STATUS_INVALID; s <= STATUS_INTERNAL; s++) {
        if (slice_equal_text(name, status_name(s))) {
            return s;
        }
    }
    return STATUS_TRAP;
}

static bool told_failure(calling *k, slice headers) {
    char why[WRPC_REASON_BYTES_MAX];
    slice name, reason = slice_empty();
    if (!nats_headers_find(headers, WRPC_HEADER_STATUS, &name)) {
        return false;
    }
    (void)nats_headers_find(headers, WRPC_HEADER_REASON, &reason);
    utf8_shown(reason, why, sizeof why);
    fail_call(k, false, status_named(name), why);
    return true;
}

static bool has_streams(const calling *k) {
    return lattice_results_have_streams(&k->call->down, buf_slice(&k->line.root_in.bytes));
}

static void finish_if_complete(calling *k) {
    wrpc_line *l = &k->line;
    if (k->call == NULL || l->is_closed || !l->is_handed) {
        return;
    }
    for (size_t i = 0; i < l->in_paths.count && has_streams(k); i++) {
        if (!l->in[i].is_told) {
            return;
        }
    }
    end_call(k, false, STATUS_OK, NULL);
}

static void on_root(wrpc_line *l, slice headers) {
    calling *k = calling_of(l);
    slice results = buf_slice(&l->root_in.bytes);
    if (k->call == NULL || told_failure(k, headers)) {
        return;
    }
    if (results.len == 0 && (k->call->has_results || k->call->down.count > 0)) {
        fail_call(k, false, STATUS_TRAP, "the one who is called failed: it gave no results");
        return;
    }
    if (k->call->ops->on_results != NULL) {
        k->call->ops->on_results(k->call, results);
    }
    if (k->call != NULL) {
        l->is_handed = true;
        wrpc_line_hand_over(l);
        finish_if_complete(k);
    }
}

static void on_data(wrpc_line *l, size_t path, slice bytes) {
    lattice_call *c = calling_of(l)->call;
    if (c != NULL && c->ops->on_data != NULL) {
        c->ops->on_data(c, path, bytes);
    }
}

static void on_end(wrpc_line *l, size_t path) {
    calling *k = calling_of(l);
    if (k->call != NULL && k->call->ops->on_end != NULL) {
        k->call->ops->on_end(k->call, path);
    }
    finish_if_complete(k);
}

static void on_room(wrpc_line *l, size_t path) {
    lattice_call *c = calling_of(l)->call;
    if (c != NULL && c->ops->on_room != NULL) {
        c->ops->on_room(c, path);
    }
}

static void on_sent(wrpc_line *l) { (void)l; }

static void on_failure(wrpc_line *l, status code, const char *why) {
    fail_call(calling_of(l), false, code, why);
}

static void on_deadline(wrpc_line *l) {
    fail_call(calling_of(l), false, STATUS_TIMEOUT,
              l->to == NULL ? "it was not accepted by the deadline" : "no answer by the deadline");
}

static void free_calling(wrpc_line *l) {
    l->w->given_up -= calling_of(l)->is_given_up;
    mem_free(calling_of(l));
}

static const wrpc_line_ops line_ops = {
    .in = "results",
    .on_open = on_open,
    .on_root = on_root,
    .on_data = on_data,
    .on_end = on_end,
    .on_room = on_room,
    .on_sent = on_sent,
    .on_failure = on_failure,
    .on_deadline = on_deadline,
    .free = free_calling,
};

// --- the beginning -----------------------------------------------------------------------------------------

static status put_headers(const lattice_invocation *i, buf *ret, err *e) {
    status s = nats_headers_begin(ret);
    if (s == STATUS_OK) {
        s = nats_headers_put(ret, slice_from_text(WRPC_HEADER_SOURCE), i->source);
    }
    if (s == STATUS_OK) {
        s = nats_headers_put(ret, slice_from_text(WRPC_HEADER_LINK), i->link);
    }
    if (s == STATUS_OK && i->trace.len > 0) {
        s = nats_headers_put(ret, slice_from_text(WRPC_HEADER_TRACE), i->trace);
    }
    if (s == STATUS_OK) {
        s = nats_headers_end(ret);
    }
    return s == STATUS_OK ? s : err_set(e, s, "the caller's name or the link's does not fit into a header");
}

// With as many bytes of the parameters as there is room for.
static status publish_invocation(calling *k, slice subject, slice reply, err *e) {
    auto_buf headers;
    bus *b = k->line.w->options.bus;
    const lattice_invocation *i = &k->call->invocation;
    buf_init(&headers, HEADERS_BYTES_MAX);
    TRY(put_headers(i, &headers, e));
    size_t used = headers.len + reply.len, max = bus_payload_max(b);
    if (!bus_is_up(b) || max <= used) {
        return err_set(e, STATUS_CLOSED, "there is no connection to the bus");
    }
    bus_message m = {subject, reply, buf_slice(&headers), slice_sub(i->params, 0, max - used)};
    k->params = slice_sub(i->params, m.payload.len, i->params.len);
    return bus_publish(b, &m, e);
}

static status start(lattice_transport *t, lattice_call *c, err *e) {
    wrpc *w = (wrpc *)(void *)t;
    char subject[BUS_SUBJECT_BYTES_MAX], own[BUS_SUBJECT_BYTES_MAX];
    const lattice_invocation *i = &c->invocation;
    if (w->counters.calls >= WRPC_CALLS_MAX || i->params.len > LATTICE_PARAMS_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "too many calls over wRPC at one time, or too many bytes in one");
    }
    TRY(wrpc_subject(w, i->target, i->instance, i->function, subject, e));
    calling *k = MEM_NEW(calling);
    k->call = c;
    k->line.in_paths = c->down;
    k->line.out_paths = c->up;
    wrpc_line_open(w, &k->line, &line_ops, own);
    status s = publish_invocation(k, slice_from_text(subject), slice_from_text(own), e);
    if (s != STATUS_OK) {
        wrpc_line_close(&k->line);
        return s;
    }
    w->counters.started++;
    w->counters.calls++;
    loop_timer_start_at(&k->line.deadline, i->deadline_ns);
    c->transport = t;
    c->impl = k;
    return STATUS_OK;
}

static void cancel(lattice_call *c) {
    calling *k = c->impl;
    c->transport = NULL;
    c->impl = NULL;
    give_up(k);
}

static status write_up(lattice_call *c, size_t up_path, slice bytes) {
    calling *k = c->impl;
    return wrpc_line_write(&k->line, up_path, bytes);
}

static void end_up(lattice_call *c, size_t up_path) {
    calling *k = c->impl;
    wrpc_line_end(&k->line, up_path);
}

static void pause_down(lattice_call *c, bool is_paused) {
    calling *k = c->impl;
    wrpc_line_pause(&k->line, is_paused);
}

const lattice_transport_ops wrpc_call_ops = {
    .start = start,
    .cancel = cancel,
    .write = write_up,
    .end = end_up,
    .pause = pause_down,
};
