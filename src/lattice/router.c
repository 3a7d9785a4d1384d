// SPDX-License-Identifier: Apache-2.0
// A call of the router is one call of whoever started it (`outer`) and one after the other that it makes on
// ways (`inner`). What the caller sends on streams goes straight on, with a copy for the next way until it is
// clear that there will be none.
#include "lattice/router.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"

enum { PIECE_BYTES = 16 << 10 };

typedef enum way { WAY_NONE, WAY_HERE, WAY_HOST, WAY_OLD } way;

typedef struct up_path { // a stream of the caller
    buf kept;
    size_t sent;    // of it, on the way that is tried now
    bool has_ended; // the caller ended it
    bool is_end_sent;
    bool wants_room; // the caller was told to wait
} up_path;

typedef struct routed {
    lattice_call inner; // first
    lattice_call *outer;
    router *r;
    list_node node; // of those under way, or of those that wait
    way way;        // of `inner`; WAY_NONE before the first
    bool tried_here, tried_old;
    nkey_public tried[ROUTER_TRIES_MAX];
    size_t tried_count;
    bool is_keeping; // it may still be tried again
    bool is_paused;
    bool is_waiting; // for somebody to serve it
    loop_timer wait;
    up_path up[LATTICE_PATHS_MAX];
} routed;

struct router {
    lattice_transport transport; // first
    router_options options;
    list_node calls, waiting;
    loop_soon again;
    bool is_settling;
    const struct routed *told; // whose caller is being called back; NULL when it has ended meanwhile
    router_counters counters;
};

static uint64_t now_of(const router *r) { return loop_now_ns(r->options.loop); }
static routed *routed_of(lattice_call *inner) { return (routed *)inner; }

// --- the end -----------------------------------------------------------------------------------------------

static void free_routed(routed *c) {
    list_remove(&c->node);
    loop_timer_stop(&c->wait);
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        buf_done(&c->up[i].kept);
    }
    c->r->counters.in_flight--;
    c->r->counters.waiting -= c->is_waiting;
    if (c->r->told == c) {
        c->r->told = NULL;
    }
    mem_free(c);
}

static void finish(routed *c, status code, const err *e) {
    lattice_call *outer = c->outer;
    outer->transport = NULL;
    outer->impl = NULL;
    free_routed(c);
    outer->ops->ended(outer, code, code == STATUS_OK ? NULL : e);
}

// --- what the caller sends ---------------------------------------------------------------------------------

// From now on nothing is tried again.
static void stop_keeping(routed *c) {
    c->is_keeping = false;
    for (size_t i = 0; i < c->outer->up.count; i++) {
        if (c->up[i].sent == c->up[i].kept.len) {
            buf_done(&c->up[i].kept);
            c->up[i].sent = 0;
        }
    }
}

static size_t kept_bytes(const routed *c) {
    size_t bytes = 0;
    for (size_t i = 0; i < c->outer->up.count; i++) {
        bytes += c->up[i].kept.len;
    }
    return bytes;
}

// Keeps a copy; false when there is no room for it.
static bool keep(routed *c, up_path *u, slice bytes) {
    if (bytes.len > ROUTER_KEEP_BYTES - kept_bytes(c)) {
        return false;
    }
    u->kept.max = ROUTER_KEEP_BYTES;
    return buf_append(&u->kept, bytes) == STATUS_OK;
}

// Sends of one stream what the way that is tried now has not had yet. False: later.
static bool pump_path(routed *c, size_t path) {
    up_path *u = &c->up[path];
    while (u->sent < u->kept.len) {
        slice piece = slice_sub(buf_slice(&u->kept), u->sent, u->sent + PIECE_BYTES);
        if (lattice_call_write(&c->inner, path, piece) != STATUS_OK) {
            return false;
        }
        u->sent += piece.len;
    }
    if (!c->is_keeping) {
        buf_done(&u->kept);
        u->sent = 0;
    }
    if (u->has_ended && !u->is_end_sent) {
        u->is_end_sent = true;
        lattice_call_end(&c->inner, path);
    }
    return true;
}

static status on_write(lattice_call *outer, size_t path, slice bytes) {
    routed *c = outer->impl;
    up_path *u = &c->up[path];
    if (c->way == WAY_NONE || u->sent < u->kept.len) {
        if (c->way == WAY_NONE && keep(c, u, bytes)) {
            return STATUS_OK;
        }
        u->wants_room = true;
        return STATUS_LIMIT;
    }
    status code = lattice_call_write(&c->inner, path, bytes);
    if (code != STATUS_OK) {
        u->wants_room = code == STATUS_LIMIT;
        return code;
    }
    if (c->is_keeping) {
        if (keep(c, u, bytes)) {
            u->sent = u->kept.len;
        } else {
            stop_keeping(c);
        }
    }
    return STATUS_OK;
}

static void on_write_end(lattice_call *outer, size_t path) {
    routed *c = outer->impl;
    up_path *u = &c->up[path];
    u->has_ended = true;
    if (c->way != WAY_NONE && u->sent == u->kept.len && !u->is_end_sent) {
        u->is_end_sent = true;
        lattice_call_end(&c->inner, path);
    }
}

static void on_pause(lattice_call *outer, bool is_paused) {
    routed *c = outer->impl;
    c->is_paused = is_paused;
    if (c->way != WAY_NONE) {
        lattice_call_pause(&c->inner, is_paused);
    }
}

// --- choosing a way ----------------------------------------------------------------------------------------

// An attempt at what may be done twice gets half of the time, while there is somebody else.
static uint64_t deadline_of_try(const routed *c) {
    const lattice_invocation *i = &c->outer->invocation;
    uint64_t now = now_of(c->r);
    bool is_last =
        c->tried_count >= ROUTER_TRIES_MAX || peers_serving(c->r->options.peers, i->target) <= c->tried_count;
    if (!i->is_idempotent || !c->is_keeping || is_last || i->deadline_ns <= now) {
        return i->deadline_ns;
    }
    return now + (i->deadline_ns - now) / 2;
}

static status start_on(routed *c, way w, lattice_transport *t, err *e) {
    c->inner.invocation.deadline_ns = w == WAY_HOST ? deadline_of_try(c) : c->outer->invocation.deadline_ns;
    TRY(lattice_call_start(t, &c->inner, e));
    c->way = w;
    for (size_t i = 0; i < c->outer->up.count; i++) {
        c->up[i].sent = 0;
        c->up[i].is_end_sent = false;
    }
    if (c->is_paused) {
        lattice_call_pause(&c->inner, true);
    }
    return STATUS_OK;
}

// STATUS_NOT_FOUND: no host is left that could.
static status start_on_host(routed *c, err *e) {
    router *r = c->r;
    status code = STATUS_NOT_FOUND;
    while (code != STATUS_OK && c->tried_count < ROUTER_TRIES_MAX) {
        const peer *p =
            peers_choose(r->options.peers, c->outer->invocation.target, c->tried, c->tried_count, now_of(r));
        if (p == NULL) {
            return code;
        }
        c->tried[c->tried_count++] = p->host;
        lattice_transport *t = r->options.to_host(r->options.context, &p->host);
        if (t != NULL) {
            code = start_on(c, WAY_HOST, t, e);
        }
    }
    if (code == STATUS_OK) {
        peers_call_begin(r->options.peers, &c->tried[c->tried_count - 1]);
        r->counters.sealed++;
    }
    return code;
}

// Starts on the next way. On failure nobody is left, and `e` says why the last one did not take it, or is as
// it was when there was none.
static status start_next(routed *c, err *e) {
    router *r = c->r;
    status code = STATUS_NOT_FOUND;
    lattice_transport *here =
        c->tried_here ? NULL : r->options.here(r->options.context, &c->outer->invocation);
    if (here != NULL) {
        c->tried_here = true;
        code = start_on(c, WAY_HERE, here, e);
        r->counters.here += code == STATUS_OK;
    }
    if (code != STATUS_OK) {
        status by_host = start_on_host(c, e);
        code = by_host != STATUS_NOT_FOUND ? by_host : code;
    }
    if (code != STATUS_OK && !c->tried_old && r->options.old != NULL) {
        c->tried_old = true;
        code = start_on(c, WAY_OLD, r->options.old, e);
        r->counters.old += code == STATUS_OK;
    }
    return code;
}

static bool tried_any(const routed *c) { return c->tried_here || c->tried_old || c->tried_count > 0; }

static status nobody(const routed *c, err *e) {
    c->r->counters.unserved++;
    return err_set(e, STATUS_NOT_FOUND,
                   "no host of the lattice serves '%.*s': start it (writ start), or see where it runs (writ "
                   "get inventory)",
                   SLICE_ARG(c->outer->invocation.target));
}

// --- the ends of attempts ----------------------------------------------------------------------------------

static bool may_be_tried_again(const routed *c, status code) {
    if (!c->is_keeping) {
        return false;
    }
    if (code == STATUS_NOT_FOUND || code == STATUS_LIMIT) {
        return true;
    }
    bool is_in_time = now_of(c->r) < c->outer->invocation.deadline_ns;
    return c->outer->invocation.is_idempotent && is_in_time &&
           (code == STATUS_CLOSED || code == STATUS_TIMEOUT);
}

static void pump(routed *c) {
    for (size_t i = 0; i < c->outer->up.count; i++) {
        pump_path(c, i);
    }
}

static void inner_ended(lattice_call *inner, status code, const err *e) {
    routed *c = routed_of(inner);
    if (c->way == WAY_HOST) {
        peers_call_end(c->r->options.peers, &c->tried[c->tried_count - 1],
                       code != STATUS_CLOSED && code != STATUS_TIMEOUT, now_of(c->r));
    }
    if (code == STATUS_OK || !may_be_tried_again(c, code)) {
        finish(c, code, e);
        return;
    }
    err last = *e;
    status next = start_next(c, &last);
    if (next == STATUS_OK) {
        c->r->counters.retried++;
        pump(c);
    } else {
        // With nobody left the reason of the one who was asked tells more than that there is nobody.
        bool is_nobody = next == STATUS_NOT_FOUND;
        finish(c, is_nobody ? code : next, is_nobody ? e : &last);
    }
}

static void inner_results(lattice_call *inner, slice results) {
    routed *c = routed_of(inner);
    stop_keeping(c);
    if (c->outer->ops->on_results != NULL) {
        c->outer->ops->on_results(c->outer, results);
    }
}

static void inner_data(lattice_call *inner, size_t path, slice bytes) {
    routed *c = routed_of(inner);
    stop_keeping(c);
    if (c->outer->ops->on_data != NULL) {
        c->outer->ops->on_data(c->outer, path, bytes);
    }
}

static void inner_end(lattice_call *inner, size_t path) {
    routed *c = routed_of(inner);
    stop_keeping(c);
    if (c->outer->ops->on_end != NULL) {
        c->outer->ops->on_end(c->outer, path);
    }
}

static void inner_room(lattice_call *inner, size_t path) {
    routed *c = routed_of(inner);
    up_path *u = &c->up[path];
    if (pump_path(c, path) && u->wants_room) {
        u->wants_room = false;
        if (c->outer->ops->on_room != NULL) {
            c->outer->ops->on_room(c->outer, path);
        }
    }
}

static const lattice_call_ops inner_ops = {
    .on_results = inner_results,
    .on_data = inner_data,
    .on_end = inner_end,
    .on_room = inner_room,
    .ended = inner_ended,
};

// --- waiting for somebody to serve it ----------------------------------------------------------------------

static void on_wait_over(void *arg) {
    routed *c = arg;
    err e;
    nobody(c, &e);
    finish(c, STATUS_NOT_FOUND, &e);
}

static void wait_for_somebody(routed *c) {
    router *r = c->r;
    list_remove(&c->node);
    list_push_back(&r->waiting, &c->node);
    c->is_waiting = true;
    r->counters.waiting++;
    loop_timer_start_at(&c->wait, c->outer->invocation.deadline_ns);
}

// Streams of which the caller was told to wait go on, once what was kept is sent.
static void tell_room(routed *c) {
    router *r = c->r;
    size_t count = c->outer->up.count;
    r->told = c;
    for (size_t i = 0; i < count && r->told == c; i++) {
        inner_room(&c->inner, i);
    }
    r->told = NULL;
}

static void look_again(routed *c) {
    router *r = c->r;
    err e;
    status code = start_next(c, &e);
    if (code == STATUS_OK) {
        c->is_waiting = false;
        r->counters.waiting--;
        loop_timer_stop(&c->wait);
        list_push_back(&r->calls, &c->node);
        tell_room(c);
    } else if (!tried_any(c) && r->is_settling) {
        list_push_back(&r->waiting, &c->node);
    } else {
        finish(c, code == STATUS_NOT_FOUND ? nobody(c, &e) : code, &e);
    }
}

static void on_again(void *arg) {
    router *r = arg;
    size_t count = r->counters.waiting;
    for (list_node *n; count > 0 && (n = list_pop_front(&r->waiting)) != NULL; count--) {
        look_again(LIST_ENTRY(n, routed, node));
    }
}

void router_look_again(router *r, bool is_settled) {
    r->is_settling = r->is_settling && !is_settled;
    loop_soon_add(r->options.loop, &r->again);
}

// --- calls -------------------------------------------------------------------------------------------------

static routed *new_routed(router *r, lattice_call *outer) {
    routed *c = MEM_NEW(routed);
    c->r = r;
    c->outer = outer;
    c->inner.ops = &inner_ops;
    c->inner.invocation = outer->invocation;
    c->inner.up = outer->up;
    c->inner.down = outer->down;
    c->inner.has_results = outer->has_results;
    c->is_keeping = true;
    loop_timer_init(&c->wait, r->options.loop, on_wait_over, c);
    list_init(&c->node);
    list_push_back(&r->calls, &c->node);
    r->counters.in_flight++;
    return c;
}

static status on_start(lattice_transport *t, lattice_call *outer, err *e) {
    router *r = (router *)t;
    if (r->counters.in_flight >= r->options.calls_max) {
        r->counters.limited++;
        return err_set(e, STATUS_LIMIT, "%zu calls to the lattice are under way, no more at a time",
                       r->options.calls_max);
    }
    routed *c = new_routed(r, outer);
    status code = start_next(c, e);
    bool may_wait = code != STATUS_OK && !tried_any(c) && r->is_settling;
    if (code == STATUS_OK || may_wait) {
        outer->transport = &r->transport;
        outer->impl = c;
        if (may_wait) {
            wait_for_somebody(c);
        }
        return STATUS_OK;
    }
    code = code == STATUS_NOT_FOUND ? nobody(c, e) : code;
    free_routed(c);
    return code;
}

static void drop(routed *c) {
    if (c->way == WAY_HOST) {
        peers_call_cancelled(c->r->options.peers, &c->tried[c->tried_count - 1]);
    }
    if (c->way != WAY_NONE) {
        lattice_call_cancel(&c->inner);
    }
    c->outer->transport = NULL;
    c->outer->impl = NULL;
    free_routed(c);
}

static void on_cancel(lattice_call *outer) { drop(outer->impl); }

static const lattice_transport_ops ops = {
    .start = on_start,
    .cancel = on_cancel,
    .write = on_write,
    .end = on_write_end,
    .pause = on_pause,
};

router *router_new(const router_options *o) {
    router *r = MEM_NEW(router);
    r->transport.ops = &ops;
    r->options = *o;
    r->options.calls_max = o->calls_max == 0 ? ROUTER_CALLS_MAX : o->calls_max;
    r->is_settling = o->is_settling;
    list_init(&r->calls);
    list_init(&r->waiting);
    loop_soon_init(&r->again, on_again, r);
    return r;
}

void router_free(router *r) {
    if (r == NULL) {
        return;
    }
    while (!list_empty(&r->calls)) {
        drop(LIST_ENTRY(r->calls.next, routed, node));
    }
    while (!list_empty(&r->waiting)) {
        drop(LIST_ENTRY(r->waiting.next, routed, node));
    }
    loop_soon_cancel(&r->again);
    mem_free(r);
}

lattice_transport *router_transport(router *r) { return &r->transport; }

router_counters router_count(const router *r) { return r->counters; }
