// SPDX-License-Identifier: Apache-2.0
#include "lattice/within.h"

#include "base/buf.h"
#include "base/mem.h"

typedef struct stream {
    buf bytes; // not yet taken
    bool is_ended, is_end_told;
    bool wants_room; // who writes was told to wait
} stream;

typedef struct within_call {
    lattice_served q; // first: it is one
    lattice_within *w;
    list_node node;
    lattice_call *c;   // NULL: it does not want the call any more, or knows its end
    buf names, params; // what the invocation points at
    stream up[LATTICE_PATHS_MAX], down[LATTICE_PATHS_MAX];
    bool is_up_paused, is_down_paused;
    buf results;
    bool is_called, is_answered, are_results_told, is_failed;
    err why;
    loop_soon soon;
    loop_timer deadline;
} within_call;

struct lattice_within {
    lattice_transport transport; // first: it is one
    loop *loop;
    const lattice_server *server;
    list_node calls;
    size_t count;
};

static within_call *call_of(const lattice_call *c) { return c->impl; }
static within_call *call_at(lattice_served *q) { return (within_call *)(void *)q; }

static void wake(within_call *x) { loop_soon_add(x->w->loop, &x->soon); }

// --- streams -----------------------------------------------------------------------------------------------

static status stream_write(within_call *x, stream *s, slice bytes) {
    if (s->is_ended || x->is_failed) {
        return STATUS_CLOSED;
    }
    if (buf_append(&s->bytes, bytes) != STATUS_OK) {
        s->wants_room = true;
        return STATUS_LIMIT;
    }
    wake(x);
    return STATUS_OK;
}

static void stream_end(within_call *x, stream *s) {
    s->is_ended = true;
    wake(x);
}

// What there is, moved out: a callback may write more.
static bool stream_take(stream *s, buf *ret) {
    *ret = s->bytes;
    buf_init(&s->bytes, LATTICE_STREAM_QUEUE_BYTES_MAX);
    return ret->len > 0;
}

static bool stream_take_end(stream *s) {
    bool is_news = s->is_ended && !s->is_end_told && s->bytes.len == 0;
    s->is_end_told = s->is_end_told || is_news;
    return is_news;
}

// --- its end -----------------------------------------------------------------------------------------------

static void call_free(within_call *x) {
    list_remove(&x->node);
    x->w->count--;
    loop_soon_cancel(&x->soon);
    loop_timer_stop(&x->deadline);
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        buf_done(&x->up[i].bytes);
        buf_done(&x->down[i].bytes);
    }
    buf_done(&x->results);
    buf_done(&x->names);
    buf_done(&x->params);
    mem_free(x);
}

static lattice_call *leave_caller(within_call *x) {
    lattice_call *c = x->c;
    if (c != NULL) {
        c->transport = NULL;
        c->impl = NULL;
        x->c = NULL;
    }
    return c;
}

static void finish(within_call *x, status code) {
    lattice_call *c = leave_caller(x);
    const err why = x->why;
    if (x->is_called && x->q.ops != NULL) {
        x->q.ops->ended(&x->q, code);
    }
    call_free(x);
    if (c != NULL) {
        c->ops->ended(c, code, code == STATUS_OK ? NULL : &why);
    }
}

static void fail(within_call *x, status code, const char *why) {
    if (!x->is_failed) {
        x->is_failed = true;
        err_set(&x->why, code == STATUS_OK ? STATUS_INTERNAL : code, "%s", why);
        wake(x);
    }
}

static void on_deadline(void *arg) { fail(arg, STATUS_TIMEOUT, "no answer in the time that the call had"); }

// --- what is under way -------------------------------------------------------------------------------------

static void tell_up(within_call *x, size_t i) {
    buf bytes = {0};
    if (!x->is_up_paused && stream_take(&x->up[i], &bytes) && x->q.ops->on_data != NULL) {
        x->q.ops->on_data(&x->q, i, buf_slice(&bytes));
    }
    buf_done(&bytes);
    if (!x->is_up_paused && stream_take_end(&x->up[i]) && x->q.ops->on_end != NULL) {
        x->q.ops->on_end(&x->q, i);
    }
    if (x->up[i].wants_room && x->up[i].bytes.len == 0 && x->c != NULL) {
        x->up[i].wants_room = false;
        if (x->c->ops->on_room != NULL) {
            x->c->ops->on_room(x->c, i);
        }
    }
}

static void tell_down(within_call *x, size_t i) {
    buf bytes = {0};
    if (!x->is_down_paused && stream_take(&x->down[i], &bytes) && x->c != NULL &&
        x->c->ops->on_data != NULL) {
        x->c->ops->on_data(x->c, i, buf_slice(&bytes));
    }
    buf_done(&bytes);
    if (!x->is_down_paused && stream_take_end(&x->down[i]) && x->c != NULL && x->c->ops->on_end != NULL) {
        x->c->ops->on_end(x->c, i);
    }
    if (x->down[i].wants_room && x->down[i].bytes.len == 0 && !x->is_failed && x->q.ops != NULL) {
        x->down[i].wants_room = false;
        if (x->q.ops->on_room != NULL) {
            x->q.ops->on_room(&x->q, i);
        }
    }
}

static void tell_results(within_call *x) {
    if (x->is_answered && !x->are_results_told) {
        x->are_results_told = true;
        if (x->c->ops->on_results != NULL) {
            x->c->ops->on_results(x->c, buf_slice(&x->results));
        }
    }
}

static bool is_complete(const within_call *x) {
    bool is_complete = x->are_results_told;
    bool has_streams = lattice_results_have_streams(&x->q.down, buf_slice(&x->results));
    for (size_t i = 0; is_complete && has_streams && i < x->q.down.count; i++) {
        is_complete = x->down[i].is_end_told;
    }
    return is_complete;
}

// Each callback may cancel the call, or make it fail.
static void move_on(within_call *x) {
    for (size_t i = 0; i < x->q.up.count && x->q.ops != NULL && x->c != NULL && !x->is_failed; i++) {
        tell_up(x, i);
    }
    if (x->c != NULL && !x->is_failed) {
        tell_results(x);
    }
    for (size_t i = 0; i < x->q.down.count && x->c != NULL && !x->is_failed && x->are_results_told; i++) {
        tell_down(x, i);
    }
}

static void begin(within_call *x) {
    const lattice_server *server = x->w->server;
    err e;
    status code = lattice_server_check(server, &x->q.invocation, &e);
    if (code != STATUS_OK) {
        fail(x, code, e.message);
        return;
    }
    x->is_called = true;
    server->call(server->context, &x->q);
}

static void on_soon(void *arg) {
    within_call *x = arg;
    if (!x->is_called && x->c != NULL && !x->is_failed) {
        begin(x);
    }
    move_on(x);
    if (is_complete(x)) { // also for a caller who has left when it had everything
        finish(x, STATUS_OK);
    } else if (x->c == NULL) {
        finish(x, STATUS_CANCELLED);
    } else if (x->is_failed) {
        finish(x, x->why.code);
    }
}

// --- who serves --------------------------------------------------------------------------------------------

static void served_answer(lattice_served *q, slice results) {
    within_call *x = call_at(q);
    if (x->is_answered || x->is_failed) {
        return;
    }
    if (buf_append(&x->results, results) != STATUS_OK) {
        fail(x, STATUS_LIMIT, "the results are longer than a call may have");
        return;
    }
    x->is_answered = true;
    wake(x);
}

static void served_fail(lattice_served *q, status code, const char *why) { fail(call_at(q), code, why); }

static status served_write(lattice_served *q, size_t down_path, slice bytes) {
    return stream_write(call_at(q), &call_at(q)->down[down_path], bytes);
}

static void served_end(lattice_served *q, size_t down_path) {
    stream_end(call_at(q), &call_at(q)->down[down_path]);
}

static void served_pause(lattice_served *q, bool is_paused) {
    call_at(q)->is_up_paused = is_paused;
    wake(call_at(q));
}

static const lattice_served_transport_ops served_ops = {
    .answer = served_answer,
    .fail = served_fail,
    .write = served_write,
    .end = served_end,
    .pause = served_pause,
};

// --- who calls ---------------------------------------------------------------------------------------------

static bool same_paths(const lattice_paths *a, const lattice_paths *b) {
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = strcmp(a->items[i], b->items[i]) == 0;
    }
    return is_same;
}

// Who serves may look at it until `ended`, also when the caller is gone.
static status copy_invocation(within_call *x, const lattice_invocation *from) {
    x->q.invocation = lattice_invocation_keep(from, &x->names);
    buf_init(&x->params, LATTICE_PARAMS_BYTES_MAX);
    TRY(buf_append(&x->params, from->params));
    x->q.invocation.params = buf_slice(&x->params);
    return STATUS_OK;
}

static status make(lattice_within *w, lattice_call *c, err *e) {
    within_call *x = MEM_NEW(within_call);
    if (copy_invocation(x, &c->invocation) != STATUS_OK) {
        buf_done(&x->names);
        buf_done(&x->params);
        mem_free(x);
        return err_set(e, STATUS_LIMIT, "the parameters are longer than a call may have");
    }
    x->w = w;
    x->c = c;
    x->q.transport = &served_ops;
    x->q.up = c->up;
    x->q.down = c->down;
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        buf_init(&x->up[i].bytes, LATTICE_STREAM_QUEUE_BYTES_MAX);
        buf_init(&x->down[i].bytes, LATTICE_STREAM_QUEUE_BYTES_MAX);
    }
    buf_init(&x->results, LATTICE_PARAMS_BYTES_MAX);
    loop_soon_init(&x->soon, on_soon, x);
    loop_timer_init(&x->deadline, w->loop, on_deadline, x);
    loop_timer_start_at(&x->deadline, c->invocation.deadline_ns);
    list_push_back(&w->calls, &x->node);
    w->count++;
    c->transport = &w->transport;
    c->impl = x;
    wake(x);
    return STATUS_OK;
}

static status start(lattice_transport *t, lattice_call *c, err *e) {
    lattice_within *w = (lattice_within *)(void *)t;
    const lattice_invocation *i = &c->invocation;
    lattice_paths up = {0}, down = {0};
    if (!w->server->paths(w->server->context, i->target, i->instance, i->function, &up, &down)) {
        return err_set(e, STATUS_NOT_FOUND, "%.*s serves no %.*s.%.*s here", SLICE_ARG(i->target),
                       SLICE_ARG(i->instance), SLICE_ARG(i->function));
    }
    if (!same_paths(&up, &c->up) || !same_paths(&down, &c->down)) {
        return err_set(e, STATUS_INVALID, "%.*s.%.*s has other streams here", SLICE_ARG(i->instance),
                       SLICE_ARG(i->function));
    }
    if (w->count >= LATTICE_WITHIN_CALLS_MAX) {
        return err_set(e, STATUS_LIMIT, "%zu calls are under way on this host", w->count);
    }
    TRY(lattice_server_check(w->server, i, e));
    return make(w, c, e);
}

static void cancel(lattice_call *c) {
    within_call *x = call_of(c);
    (void)leave_caller(x);
    wake(x);
}

static status write_up(lattice_call *c, size_t up_path, slice bytes) {
    return stream_write(call_of(c), &call_of(c)->up[up_path], bytes);
}

static void end_up(lattice_call *c, size_t up_path) { stream_end(call_of(c), &call_of(c)->up[up_path]); }

static void pause_down(lattice_call *c, bool is_paused) {
    call_of(c)->is_down_paused = is_paused;
    wake(call_of(c));
}

static const lattice_transport_ops transport_ops = {
    .start = start, .cancel = cancel, .write = write_up, .end = end_up, .pause = pause_down};

// --- the whole ---------------------------------------------------------------------------------------------

lattice_within *lattice_within_new(loop *l, const lattice_server *server) {
    lattice_within *w = MEM_NEW(lattice_within);
    *w = (lattice_within){.transport = {&transport_ops}, .loop = l, .server = server};
    list_init(&w->calls);
    return w;
}

void lattice_within_free(lattice_within *w) {
    if (w == NULL) {
        return;
    }
    while (!list_empty(&w->calls)) {
        within_call *x = LIST_ENTRY(w->calls.next, within_call, node);
        (void)leave_caller(x);
        finish(x, STATUS_CLOSED);
    }
    mem_free(w);
}

lattice_transport *lattice_within_transport(lattice_within *w) { return &w->transport; }
