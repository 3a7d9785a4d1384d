// SPDX-License-Identifier: Apache-2.0
#include "lattice/relay.h"

#include "base/buf.h"
#include "base/mem.h"
#include "lattice/wrpc_blobstore.h"
#include "lattice/wrpc_http.h"
#include "lattice/wrpc_names.h"

typedef struct kept { // what one end has said and the other has no room for
    buf bytes;
    bool is_ended;
} kept;

typedef struct relay {
    lattice_call c; // first: it is one
    lattice_served *q;
    list_node node;  // of its group
    bool is_calling; // `c` has not ended
    buf names;       // what its invocation points at
    kept up[LATTICE_PATHS_MAX], down[LATTICE_PATHS_MAX];
} relay;

static void relay_free(relay *r) {
    list_remove(&r->node);
    buf_done(&r->names);
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        buf_done(&r->up[i].bytes);
        buf_done(&r->down[i].bytes);
    }
    mem_free(r);
}

// Whether everything that was kept has gone.
static bool is_empty(const kept *all, size_t count) {
    bool is_empty = true;
    for (size_t i = 0; i < count; i++) {
        is_empty = is_empty && all[i].bytes.len == 0;
    }
    return is_empty;
}

static void fail(relay *r, status code, const char *why) {
    lattice_call_cancel(&r->c);
    r->is_calling = false;
    r->q->transport->fail(r->q, code, why);
}

// A pause holds all paths of one direction, so that what is kept is what came before it: one piece.
static void keep(relay *r, kept *k, slice bytes) {
    if (buf_append(&k->bytes, bytes) != STATUS_OK) {
        fail(r, STATUS_LIMIT, "more came than this host keeps of a stream");
    }
}

// --- towards the one who is called -------------------------------------------------------------------------

static void send_up(relay *r, size_t path, slice bytes) {
    status s = r->up[path].bytes.len > 0 ? STATUS_LIMIT : lattice_call_write(&r->c, path, bytes);
    if (s == STATUS_LIMIT) {
        r->q->transport->pause(r->q, true);
        keep(r, &r->up[path], bytes);
    } else if (s != STATUS_OK) {
        fail(r, s, "the one who is called takes no more of the stream");
    }
}

static void on_up_data(lattice_served *q, size_t path, slice bytes) {
    relay *r = q->data;
    if (r->is_calling) {
        send_up(r, path, bytes);
    }
}

static void on_up_end(lattice_served *q, size_t path) {
    relay *r = q->data;
    if (r->is_calling && r->up[path].bytes.len > 0) {
        r->up[path].is_ended = true;
    } else if (r->is_calling) {
        lattice_call_end(&r->c, path);
    }
}

static void on_up_room(lattice_call *c, size_t path) {
    relay *r = (relay *)(void *)c;
    kept *k = &r->up[path];
    if (k->bytes.len == 0 || lattice_call_write(c, path, buf_slice(&k->bytes)) != STATUS_OK) {
        return; // the next one tells
    }
    buf_clear(&k->bytes);
    if (k->is_ended) {
        lattice_call_end(c, path);
    }
    if (is_empty(r->up, r->q->up.count)) {
        r->q->transport->pause(r->q, false);
    }
}

// --- back --------------------------------------------------------------------------------------------------

static void on_results(lattice_call *c, slice results) {
    lattice_served *q = ((relay *)(void *)c)->q;
    q->transport->answer(q, results);
}

static void on_down_data(lattice_call *c, size_t path, slice bytes) {
    relay *r = (relay *)(void *)c;
    status s = r->down[path].bytes.len > 0 ? STATUS_LIMIT : r->q->transport->write(r->q, path, bytes);
    if (s == STATUS_LIMIT) {
        lattice_call_pause(c, true);
        keep(r, &r->down[path], bytes);
    } else if (s != STATUS_OK) {
        fail(r, s, "the caller takes no more of the stream");
    }
}

static void on_down_end(lattice_call *c, size_t path) {
    relay *r = (relay *)(void *)c;
    if (r->down[path].bytes.len > 0) {
        r->down[path].is_ended = true;
    } else {
        r->q->transport->end(r->q, path);
    }
}

static void on_down_room(lattice_served *q, size_t path) {
    relay *r = q->data;
    kept *k = &r->down[path];
    if (k->bytes.len == 0 || q->transport->write(q, path, buf_slice(&k->bytes)) != STATUS_OK) {
        return;
    }
    buf_clear(&k->bytes);
    if (k->is_ended) {
        q->transport->end(q, path);
    }
    if (r->is_calling && is_empty(r->down, q->down.count)) {
        lattice_call_pause(&r->c, false);
    }
}

// --- the end -----------------------------------------------------------------------------------------------

static void on_call_ended(lattice_call *c, status code, const err *e) {
    relay *r = (relay *)(void *)c;
    r->is_calling = false;
    if (code != STATUS_OK) {
        r->q->transport->fail(r->q, code, e->message);
    }
}

static void on_served_ended(lattice_served *q, status code) {
    relay *r = q->data;
    (void)code;
    lattice_call_cancel(&r->c);
    relay_free(r);
}

static const lattice_call_ops call_ops = {.on_results = on_results,
                                          .on_data = on_down_data,
                                          .on_end = on_down_end,
                                          .on_room = on_up_room,
                                          .ended = on_call_ended};
static const lattice_served_ops served_ops = {
    .on_data = on_up_data, .on_end = on_up_end, .on_room = on_down_room, .ended = on_served_ended};

void lattice_relay_end_all(list_node *group, status code, const char *why) {
    for (list_node *n = list_pop_front(group); n != NULL; n = list_pop_front(group)) {
        relay *r = LIST_ENTRY(n, relay, node);
        if (r->is_calling) {
            fail(r, code, why);
        }
    }
}

void lattice_relay(lattice_served *q, lattice_transport *by, const lattice_invocation *as, list_node *group) {
    relay *r = MEM_NEW(relay);
    err e = {0};
    r->q = q;
    r->c = (lattice_call){.ops = &call_ops, .up = q->up, .down = q->down};
    r->c.invocation = lattice_invocation_keep(as, &r->names);
    r->c.invocation.params = q->invocation.params;
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        buf_init(&r->up[i].bytes, 2 * LATTICE_STREAM_QUEUE_BYTES_MAX);
        buf_init(&r->down[i].bytes, 2 * LATTICE_STREAM_QUEUE_BYTES_MAX);
    }
    list_init(&r->node);
    if (group != NULL) {
        list_push_back(group, &r->node);
    }
    q->ops = &served_ops;
    q->data = r;
    r->is_calling = lattice_call_start(by, &r->c, &e) == STATUS_OK;
    if (!r->is_calling) {
        q->transport->fail(q, e.code, e.message);
    }
}

bool lattice_relay_paths(slice instance, slice function, lattice_paths *ret_up, lattice_paths *ret_down) {
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
    *ret_up = *ret_down = (lattice_paths){.count = 0};
    return function.len > 0;
}
