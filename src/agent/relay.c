// SPDX-License-Identifier: Apache-2.0
#include "agent/relay.h"

#include "base/buf.h"
#include "base/mem.h"
#include "lattice/wrpc_blobstore.h"
#include "lattice/wrpc_http.h"
#include "lattice/wrpc_names.h"

typedef struct held { // of one path: what has come and could not go on yet
    buf bytes;
    bool has_ended; // behind them
} held;

typedef struct relay {
    lattice_call base; // first
    lattice_served *served;
    bool is_over; // the call is
    held up[LATTICE_PATHS_MAX], down[LATTICE_PATHS_MAX];
} relay;

// Of the one direction, and of the other.
typedef status (*write_path)(relay *r, size_t path, slice bytes);
typedef void (*end_path)(relay *r, size_t path);

static status write_up(relay *r, size_t path, slice bytes) {
    return lattice_call_write(&r->base, path, bytes);
}
static void end_up(relay *r, size_t path) { lattice_call_end(&r->base, path); }
static status write_down(relay *r, size_t path, slice bytes) {
    return r->served->transport->write(r->served, path, bytes);
}
static void end_down(relay *r, size_t path) { r->served->transport->end(r->served, path); }

// Goes on with what was held; false: there is still no room.
static bool flush(relay *r, held *h, size_t path, write_path write, end_path end) {
    if (h->bytes.len > 0) {
        if (write(r, path, buf_slice(&h->bytes)) != STATUS_OK) {
            return false;
        }
        buf_clear(&h->bytes);
    }
    if (h->has_ended) {
        h->has_ended = false;
        end(r, path);
    }
    return true;
}

// False: it has to wait, so whoever sends it must. STATUS_LIMIT in `ret`: it sends all the same.
static bool pass(relay *r, held *h, size_t path, slice bytes, write_path write, status *ret) {
    *ret = STATUS_OK;
    if (h->bytes.len == 0 && write(r, path, bytes) == STATUS_OK) {
        return true;
    }
    *ret = buf_append(&h->bytes, bytes);
    return false;
}

static void give_up(relay *r, const char *why) {
    if (!r->is_over) {
        r->is_over = true;
        lattice_call_cancel(&r->base);
    }
    r->served->transport->fail(r->served, STATUS_LIMIT, why);
}

bool relay_paths(slice instance, slice function, lattice_paths *ret_up, lattice_paths *ret_down) {
    bool is_outgoing;
    switch (wrpc_names_from_wire(instance).kind) {
    case WRPC_HTTP:
        *ret_up = *ret_down = wrpc_http_paths();
        return wrpc_http_is(instance, function, &is_outgoing);
    case WRPC_BLOBSTORE:
        return wrpc_blobstore_paths(instance, function, ret_up, ret_down);
    case WRPC_PLAIN:
        break;
    }
    return true;
}

// --- from the one who is called ----------------------------------------------------------------------------

static relay *relay_of(lattice_call *c) { return (relay *)c; }

static void on_results(lattice_call *c, slice results) {
    lattice_served *q = relay_of(c)->served;
    q->transport->answer(q, results);
}

static void on_data(lattice_call *c, size_t path, slice bytes) {
    relay *r = relay_of(c);
    status s;
    if (!pass(r, &r->down[path], path, bytes, write_down, &s)) {
        lattice_call_pause(c, true);
    }
    if (s != STATUS_OK) {
        give_up(r, "the results come faster than they are taken");
    }
}

static void on_end(lattice_call *c, size_t path) {
    relay *r = relay_of(c);
    r->down[path].has_ended = true;
    (void)flush(r, &r->down[path], path, write_down, end_down);
}

static void on_room(lattice_call *c, size_t path) {
    relay *r = relay_of(c);
    if (flush(r, &r->up[path], path, write_up, end_up)) {
        r->served->transport->pause(r->served, false);
    }
}

static void on_ended(lattice_call *c, status code, const err *e) {
    relay *r = relay_of(c);
    r->is_over = true;
    if (code != STATUS_OK) {
        r->served->transport->fail(r->served, code, e != NULL ? e->message : status_name(code));
    }
}

static const lattice_call_ops call_ops = {
    .on_results = on_results, .on_data = on_data, .on_end = on_end, .on_room = on_room, .ended = on_ended};

// --- from the caller ---------------------------------------------------------------------------------------

static void served_data(lattice_served *q, size_t path, slice bytes) {
    relay *r = q->data;
    status s;
    if (r->is_over) {
        return;
    }
    if (!pass(r, &r->up[path], path, bytes, write_up, &s)) {
        q->transport->pause(q, true);
    }
    if (s != STATUS_OK) {
        give_up(r, "the parameters come faster than they are taken");
    }
}

static void served_end(lattice_served *q, size_t path) {
    relay *r = q->data;
    r->up[path].has_ended = true;
    if (!r->is_over) {
        (void)flush(r, &r->up[path], path, write_up, end_up);
    }
}

static void served_room(lattice_served *q, size_t path) {
    relay *r = q->data;
    if (flush(r, &r->down[path], path, write_down, end_down) && !r->is_over) {
        lattice_call_pause(&r->base, false);
    }
}

static void served_ended(lattice_served *q, status code) {
    relay *r = q->data;
    (void)code;
    if (!r->is_over) {
        lattice_call_cancel(&r->base);
    }
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        buf_done(&r->up[i].bytes);
        buf_done(&r->down[i].bytes);
    }
    mem_free(r);
}

static const lattice_served_ops served_ops = {
    .on_data = served_data, .on_end = served_end, .on_room = served_room, .ended = served_ended};

void relay_start(lattice_served *q, lattice_transport *to) {
    relay *r = MEM_NEW(relay);
    err e;
    *r = (relay){.served = q,
                 .base = {.ops = &call_ops, .invocation = q->invocation, .up = q->up, .down = q->down}};
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        buf_init(&r->up[i].bytes, LATTICE_STREAM_QUEUE_BYTES_MAX);
        buf_init(&r->down[i].bytes, LATTICE_STREAM_QUEUE_BYTES_MAX);
    }
    q->ops = &served_ops;
    q->data = r;
    status s = lattice_call_start(to, &r->base, &e);
    if (s != STATUS_OK) {
        r->is_over = true;
        q->transport->fail(q, s, e.message);
    }
}
