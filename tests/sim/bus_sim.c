// SPDX-License-Identifier: Apache-2.0
// Everything on its way is a `wire` with a timer of the network's loop. What goes to a machine is put in its
// queue when it arrives, and handed over by the machine's own loop: when that stands still, it waits.
//
// The server is a bus within the process: it knows subjects, queue groups and buckets. Each message has one
// byte in front of its payload, who sent it, so that the parts of a split lattice can be told apart.
#include "bus_sim.h"

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_local.h"

enum { FROM_SERVER = 255 };
#define REQUEST_AT_MOST_NS (600 * WORLD_S)
#define REPLAY_NS_MAX (20 * WORLD_S)

typedef struct sim_bus sim_bus;
typedef struct wire wire;

struct wire {
    loop_timer timer;
    list_node owned;   // by what it belongs to
    list_node arrived; // at its machine
    sim_bus *client;   // NULL: not of one connection
    uint32_t connection;
    void (*arrive)(wire *x);    // in the network
    void (*hand_over)(wire *x); // in the machine; NULL: nothing is handed over
    void *what;                 // that it is for
    uint8_t from;               // who sent it
    bus_message message;
    status code;
    bus_kv_entry entry;
    slice bucket;
    uint64_t expected;
    uint8_t bytes[];
};

struct bus_net {
    world *w;
    bus *server;
    bus_sim_faults faults;
    sim_bus *clients[BUS_SIM_CLIENTS_MAX];
    size_t client_count;
    list_node loose; // wires of nobody in particular
};

struct sim_bus {
    bus base; // first
    bus_net *net;
    machine *m;
    uint8_t number;
    unsigned part;
    bool is_connected; // in truth
    bool is_up;        // as it knows
    uint32_t connection;
    list_node subscriptions, requests, ops, watches; // proxies
    list_node wires;                                 // of the connection itself
    list_node arrived;
    loop_soon soon;
    uint64_t last_out, last_in; // when the last one arrives, for the order
    bus_sim_traffic traffic;
    bool (*seen)(void *arg, slice bucket, const bus_kv_entry *entry);
    void *seen_arg;
};

typedef struct proxy { // the first part of all
    list_node node;
    list_node wires;
    sim_bus *b;
} proxy;

typedef struct sub_proxy {
    proxy p;
    bus_subscription *s;
    bus_subscription at_server;
} sub_proxy;

typedef struct request_proxy {
    proxy p;
    bus_request *r;
    bus_request at_server;
    loop_timer deadline; // of the machine
} request_proxy;

typedef struct op_proxy {
    proxy p;
    bus_kv_op *o;
    bus_kv_op at_server;
    loop_timer deadline;
} op_proxy;

typedef struct watch_proxy {
    proxy p;
    bus_kv_watch *w;
    bus_kv_watch at_server;
    bool was_started;
    uint64_t last; // when the last of it arrives
    char bucket[BUS_BUCKET_BYTES_MAX + 1];
} watch_proxy;

static sim_bus *sim_of(bus *b) { return (sim_bus *)b; }

// --- wires -------------------------------------------------------------------------------------------------

static void drop_wire(wire *x) {
    loop_timer_stop(&x->timer);
    list_remove(&x->owned);
    list_remove(&x->arrived);
    mem_free(x);
}

static void drop_wires(list_node *owned) {
    while (!list_empty(owned)) {
        drop_wire(LIST_ENTRY(owned->next, wire, owned));
    }
}

static void on_timer(void *arg) {
    wire *x = arg;
    if (x->client != NULL && x->connection != x->client->connection) {
        drop_wire(x);
        return;
    }
    x->arrive(x);
}

static wire *new_wire(bus_net *n, list_node *owner, size_t bytes) {
    wire *x = mem_zalloc(sizeof *x + bytes);
    loop_timer_init(&x->timer, n->w->net, on_timer, x);
    list_init(&x->owned);
    list_init(&x->arrived);
    list_push_back(owner, &x->owned);
    return x;
}

static slice put(wire *x, size_t *at, slice bytes) {
    slice copy = slice_of(x->bytes + *at, bytes.len);
    if (bytes.len > 0) {
        memcpy(x->bytes + *at, bytes.data, bytes.len);
        *at += bytes.len;
    }
    return copy;
}

static wire *message_wire(bus_net *n, list_node *owner, const bus_message *m) {
    wire *x = new_wire(n, owner, m->subject.len + m->reply.len + m->headers.len + m->payload.len);
    size_t at = 0;
    x->message.subject = put(x, &at, m->subject);
    x->message.reply = put(x, &at, m->reply);
    x->message.headers = put(x, &at, m->headers);
    x->message.payload = put(x, &at, m->payload);
    return x;
}

static wire *entry_wire(bus_net *n, list_node *owner, slice bucket, const bus_kv_entry *entry) {
    wire *x = new_wire(n, owner, bucket.len + entry->key.len + entry->value.len);
    size_t at = 0;
    x->entry = *entry;
    x->bucket = put(x, &at, bucket);
    x->entry.key = put(x, &at, entry->key);
    x->entry.value = put(x, &at, entry->value);
    return x;
}

// Sends it: it arrives after `last` unless it overtakes.
static void send(bus_net *n, wire *x, sim_bus *client, uint64_t *last, unsigned reorder) {
    uint64_t at = n->w->now_ns + world_between(n->w, n->faults.delay_ns_min, n->faults.delay_ns_max);
    if (last != NULL && !world_chance(n->w, reorder)) {
        at = at <= *last ? *last + 1 : at;
        *last = at;
    }
    x->client = client;
    x->connection = client == NULL ? 0 : client->connection;
    loop_timer_start_at(&x->timer, at);
}

static bool is_lost(bus_net *n) { return world_chance(n->w, n->faults.lose); }
static unsigned copies(bus_net *n) { return world_chance(n->w, n->faults.duplicate) ? 2 : 1; }

// It has arrived at its machine.
static void arrive_at_machine(wire *x) {
    list_push_back(&x->client->arrived, &x->arrived);
    loop_soon_add(x->client->m->l, &x->client->soon);
}

static void on_soon(void *arg) {
    sim_bus *b = arg;
    // Only what is there now: callbacks may free the bus, which takes the rest with it.
    list_node *first = list_pop_front(&b->arrived);
    if (first == NULL) {
        return;
    }
    if (!list_empty(&b->arrived)) {
        loop_soon_add(b->m->l, &b->soon);
    }
    wire *x = LIST_ENTRY(first, wire, arrived);
    x->hand_over(x);
}

static bool hears(const sim_bus *b, uint8_t from) {
    return from == FROM_SERVER || b->net->clients[from] == NULL || b->net->clients[from]->part == b->part;
}

// Takes the byte in front off.
static void strip(bus_message *m, uint8_t *ret_from) {
    *ret_from = FROM_SERVER;
    if (m->payload.len > 0) {
        *ret_from = m->payload.data[0];
        m->payload = slice_of(m->payload.data + 1, m->payload.len - 1);
    }
}

static wire *marked_wire(sim_bus *b, list_node *owner, const bus_message *m) {
    wire *x = new_wire(b->net, owner, m->subject.len + m->reply.len + m->headers.len + m->payload.len + 1);
    size_t at = 0;
    x->message.subject = put(x, &at, m->subject);
    x->message.reply = put(x, &at, m->reply);
    x->message.headers = put(x, &at, m->headers);
    put(x, &at, slice_of(&b->number, 1));
    x->message.payload = put(x, &at, m->payload);
    x->message.payload = slice_of(x->message.payload.data - 1, m->payload.len + 1);
    b->traffic.out++;
    b->traffic.out_bytes += m->subject.len + m->reply.len + m->headers.len + m->payload.len;
    return x;
}

// --- messages ----------------------------------------------------------------------------------------------

static void publish_arrives(wire *x) {
    CHECK(bus_publish(x->what, &x->message, NULL) == STATUS_OK);
    drop_wire(x);
}

static void say_again_later(sim_bus *b, const bus_message *m) {
    bus_net *n = b->net;
    if (slice_starts_with(m->subject, "writ.v1.") && world_chance(n->w, n->faults.replay)) {
        wire *x = marked_wire(b, &n->loose, m);
        x->arrive = publish_arrives;
        x->what = n->server;
        loop_timer_start_at(&x->timer, n->w->now_ns + world_between(n->w, WORLD_MS, REPLAY_NS_MAX));
    }
}

static status sim_publish(bus *base, const bus_message *m, err *e) {
    sim_bus *b = sim_of(base);
    (void)e;
    if (!b->is_connected) {
        return STATUS_OK; // it does not know
    }
    say_again_later(b, m);
    if (is_lost(b->net)) {
        return STATUS_OK;
    }
    for (unsigned i = copies(b->net); i > 0; i--) {
        // What was said before a crash is heard after it.
        wire *x = marked_wire(b, &b->net->loose, m);
        x->arrive = publish_arrives;
        x->what = b->net->server;
        send(b->net, x, NULL, &b->last_out, b->net->faults.reorder);
    }
    return STATUS_OK;
}

static void message_handed_over(wire *x) {
    sub_proxy *s = x->what;
    sim_bus *b = s->p.b;
    if (!hears(b, x->from)) {
        drop_wire(x);
        return;
    }
    b->traffic.in++;
    b->traffic.in_bytes += x->message.subject.len + x->message.headers.len + x->message.payload.len;
    list_remove(&x->owned); // the subscription may end in its callback
    s->s->on_message(s->s->arg, s->s, &x->message);
    drop_wire(x);
}

static void on_server_message(void *arg, bus_subscription *at_server, const bus_message *m) {
    (void)at_server;
    sub_proxy *s = arg;
    sim_bus *b = s->p.b;
    bus_message plain = *m;
    uint8_t from;
    strip(&plain, &from);
    if (!b->is_connected || !hears(b, from) || is_lost(b->net)) {
        return;
    }
    for (unsigned i = copies(b->net); i > 0; i--) {
        wire *x = message_wire(b->net, &s->p.wires, &plain);
        x->from = from;
        x->what = s;
        x->arrive = arrive_at_machine;
        x->hand_over = message_handed_over;
        send(b->net, x, b, &b->last_in, b->net->faults.reorder);
    }
}

static void *new_proxy(sim_bus *b, size_t bytes, list_node *of) {
    proxy *p = mem_zalloc(bytes);
    p->b = b;
    list_init(&p->wires);
    list_init(&p->node);
    list_push_back(of, &p->node);
    return p;
}

static void free_proxy(proxy *p) {
    drop_wires(&p->wires);
    list_remove(&p->node);
    mem_free(p);
}

static status sim_subscribe(bus *base, bus_subscription *s, slice subject, slice queue, err *e) {
    sim_bus *b = sim_of(base);
    sub_proxy *x = new_proxy(b, sizeof *x, &b->subscriptions);
    x->s = s;
    s->impl = x;
    return bus_subscribe(b->net->server, &x->at_server, subject, queue, on_server_message, x, e);
}

static void sim_unsubscribe(bus_subscription *s) {
    sub_proxy *x = s->impl;
    bus_unsubscribe(&x->at_server);
    free_proxy(&x->p);
}

// --- requests ----------------------------------------------------------------------------------------------

static void end_request(request_proxy *x, const bus_result *result) {
    bus_request was = *x->r;
    *x->r = (bus_request){0};
    loop_timer_stop(&x->deadline);
    bus_request_cancel(&x->at_server);
    free_proxy(&x->p);
    was.ended(was.arg, result);
}

static void on_request_deadline(void *arg) {
    end_request(arg, &(bus_result){.code = STATUS_TIMEOUT, .text = "no answer in time"});
}

static void answer_handed_over(wire *x) {
    request_proxy *r = x->what;
    if (!hears(r->p.b, x->from)) {
        drop_wire(x);
        return;
    }
    list_remove(&x->owned); // the request ends now
    bus_result result = {
        .code = x->code, .message = x->message, .text = x->code == STATUS_OK ? "" : "it failed"};
    r->p.b->traffic.in++;
    r->p.b->traffic.in_bytes += x->message.subject.len + x->message.headers.len + x->message.payload.len;
    end_request(r, &result);
    drop_wire(x);
}

static void on_server_answer(void *arg, const bus_result *result) {
    request_proxy *r = arg;
    sim_bus *b = r->p.b;
    bus_message plain = result->message;
    uint8_t from = FROM_SERVER;
    if (result->code == STATUS_OK) {
        strip(&plain, &from);
    } else {
        plain = (bus_message){0};
    }
    if (!b->is_connected || !hears(b, from) || is_lost(b->net)) {
        return;
    }
    wire *x = message_wire(b->net, &r->p.wires, &plain);
    x->from = from;
    x->code = result->code;
    x->what = r;
    x->arrive = arrive_at_machine;
    x->hand_over = answer_handed_over;
    send(b->net, x, b, &b->last_in, b->net->faults.reorder);
}

static void request_arrives(wire *x) {
    request_proxy *r = x->what;
    bus_net *n = r->p.b->net;
    if (r->at_server.b == NULL) {
        CHECK(bus_request_start(n->server, &r->at_server, &x->message, n->w->now_ns + REQUEST_AT_MOST_NS,
                                on_server_answer, r, NULL) == STATUS_OK);
    } else { // a copy: answers to it go nowhere
        CHECK(bus_publish(n->server, &x->message, NULL) == STATUS_OK);
    }
    drop_wire(x);
}

static status sim_request(bus *base, bus_request *r, const bus_message *m, uint64_t deadline_ns, err *e) {
    sim_bus *b = sim_of(base);
    (void)e;
    request_proxy *x = new_proxy(b, sizeof *x, &b->requests);
    x->r = r;
    r->impl = x;
    loop_timer_init(&x->deadline, b->m->l, on_request_deadline, x);
    loop_timer_start_at(&x->deadline, deadline_ns);
    if (b->is_connected && !is_lost(b->net)) {
        for (unsigned i = copies(b->net); i > 0; i--) {
            wire *out = marked_wire(b, &x->p.wires, m);
            out->what = x;
            out->arrive = request_arrives;
            send(b->net, out, b, &b->last_out, b->net->faults.reorder);
        }
    }
    return STATUS_OK;
}

static void sim_request_cancel(bus_request *r) {
    request_proxy *x = r->impl;
    loop_timer_stop(&x->deadline);
    bus_request_cancel(&x->at_server);
    free_proxy(&x->p);
}

// --- buckets -----------------------------------------------------------------------------------------------

static void end_op(op_proxy *x, const bus_kv_result *result) {
    bus_kv_op was = *x->o;
    *x->o = (bus_kv_op){0};
    loop_timer_stop(&x->deadline);
    bus_kv_cancel(&x->at_server);
    free_proxy(&x->p);
    was.ended(was.arg, result);
}

static void on_op_deadline(void *arg) {
    end_op(arg, &(bus_kv_result){.code = STATUS_TIMEOUT, .text = "not known in time"});
}

static void result_handed_over(wire *x) {
    op_proxy *o = x->what;
    list_remove(&x->owned);
    bus_kv_result result = {
        .code = x->code, .entry = x->entry, .text = x->code == STATUS_OK ? "" : "it failed"};
    end_op(o, &result);
    drop_wire(x);
}

static bool has_buckets(const sim_bus *b) { return b->is_connected && b->part == 0; }

static void on_server_result(void *arg, const bus_kv_result *result) {
    op_proxy *o = arg;
    sim_bus *b = o->p.b;
    if (!has_buckets(b) || is_lost(b->net)) {
        return;
    }
    wire *x = entry_wire(b->net, &o->p.wires, slice_empty(), &result->entry);
    x->code = result->code;
    x->what = o;
    x->arrive = arrive_at_machine;
    x->hand_over = result_handed_over;
    send(b->net, x, b, &b->last_in, b->net->faults.reorder);
}

enum { OP_OPEN, OP_GET, OP_CHANGE };

static void op_arrives(wire *x) {
    op_proxy *o = x->what;
    bus *server = o->p.b->net->server;
    const uint64_t never = UINT64_MAX;
    status code = STATUS_OK;
    bus_kv_op *s = &o->at_server;
    if (!has_buckets(o->p.b) || s->b != NULL) {
        // cut off, or a copy
    } else if (x->from == OP_OPEN) {
        code = bus_kv_open(server, s, x->bucket, never, on_server_result, o, NULL);
    } else if (x->from == OP_GET) {
        code = bus_kv_get(server, s, x->bucket, x->entry.key, never, on_server_result, o, NULL);
    } else if (x->entry.kind == BUS_KV_PUT) {
        code = bus_kv_put(server, s, x->bucket, x->entry.key, x->entry.value, x->expected, never,
                          on_server_result, o, NULL);
    } else {
        code = bus_kv_remove(server, s, x->bucket, x->entry.key, x->entry.kind, x->expected, never,
                             on_server_result, o, NULL);
    }
    CHECK(code == STATUS_OK);
    drop_wire(x);
}

static status start_op(bus *base, bus_kv_op *o, uint8_t kind, slice bucket, const bus_kv_entry *entry,
                       uint64_t expected, uint64_t deadline_ns) {
    sim_bus *b = sim_of(base);
    op_proxy *x = new_proxy(b, sizeof *x, &b->ops);
    x->o = o;
    o->impl = x;
    loop_timer_init(&x->deadline, b->m->l, on_op_deadline, x);
    loop_timer_start_at(&x->deadline, deadline_ns);
    if (b->is_connected && !is_lost(b->net)) {
        wire *out = entry_wire(b->net, &x->p.wires, bucket, entry);
        out->from = kind;
        out->expected = expected;
        out->what = x;
        out->arrive = op_arrives;
        send(b->net, out, b, &b->last_out, b->net->faults.reorder);
    }
    return STATUS_OK;
}

static status sim_kv_open(bus *b, bus_kv_op *o, slice bucket, uint64_t deadline_ns, err *e) {
    (void)e;
    return start_op(b, o, OP_OPEN, bucket, &(bus_kv_entry){0}, 0, deadline_ns);
}

static status sim_kv_get(bus *b, bus_kv_op *o, slice bucket, slice key, uint64_t deadline_ns, err *e) {
    (void)e;
    return start_op(b, o, OP_GET, bucket, &(bus_kv_entry){.key = key}, 0, deadline_ns);
}

static status sim_kv_change(bus *b, bus_kv_op *o, slice bucket, const bus_kv_entry *change, uint64_t expected,
                            uint64_t deadline_ns, err *e) {
    (void)e;
    return start_op(b, o, OP_CHANGE, bucket, change, expected, deadline_ns);
}

static void sim_kv_cancel(bus_kv_op *o) {
    op_proxy *x = o->impl;
    loop_timer_stop(&x->deadline);
    bus_kv_cancel(&x->at_server);
    free_proxy(&x->p);
}

// --- watches -----------------------------------------------------------------------------------------------

static void entry_handed_over(wire *x) {
    watch_proxy *w = x->what;
    list_remove(&x->owned);
    const sim_bus *b = w->p.b;
    if (b->seen == NULL || b->seen(b->seen_arg, slice_from_text(w->bucket), &x->entry)) {
        w->w->entry(w->w->arg, &x->entry);
    }
    drop_wire(x);
}

static void mark_handed_over(wire *x) {
    watch_proxy *w = x->what;
    void (*mark)(void *arg) = x->code == STATUS_OK ? w->w->caught_up : w->w->restarted;
    list_remove(&x->owned);
    if (mark != NULL) {
        mark(w->w->arg);
    }
    drop_wire(x);
}

static void send_on_watch(watch_proxy *w, wire *x, void (*hand_over)(wire *x)) {
    x->what = w;
    x->arrive = arrive_at_machine;
    x->hand_over = hand_over;
    send(w->p.b->net, x, w->p.b, &w->last, 0);
}

static void on_server_entry(void *arg, const bus_kv_entry *entry) {
    watch_proxy *w = arg;
    send_on_watch(w, entry_wire(w->p.b->net, &w->p.wires, slice_empty(), entry), entry_handed_over);
}

static void send_mark(watch_proxy *w, status code) {
    wire *x = new_wire(w->p.b->net, &w->p.wires, 0);
    x->code = code;
    send_on_watch(w, x, mark_handed_over);
}

static void on_server_failed(void *arg, status code, const char *text) { (void)arg, (void)code, (void)text; }

static void on_server_caught_up(void *arg) { send_mark(arg, STATUS_OK); }

static void stop_watch(watch_proxy *w) {
    bus_kv_watch_stop(&w->at_server);
    drop_wires(&w->p.wires);
}

// What it should be, given the connection.
static void refresh_watch(watch_proxy *w) {
    bool is_to_run = has_buckets(w->p.b);
    if (!is_to_run) {
        stop_watch(w);
    } else if (w->at_server.b == NULL) {
        if (w->was_started) {
            send_mark(w, STATUS_CLOSED);
        }
        w->was_started = true;
        w->at_server = (bus_kv_watch){
            .entry = on_server_entry, .caught_up = on_server_caught_up, .failed = on_server_failed, .arg = w};
        CHECK(bus_kv_watch_start(w->p.b->net->server, &w->at_server, slice_from_text(w->bucket), NULL) ==
              STATUS_OK);
    }
}

static void refresh_watches(sim_bus *b) {
    for (list_node *n = b->watches.next; n != &b->watches; n = n->next) {
        refresh_watch(LIST_ENTRY(n, watch_proxy, p.node));
    }
}

static status sim_watch(bus *base, bus_kv_watch *w, slice bucket, err *e) {
    sim_bus *b = sim_of(base);
    (void)e;
    watch_proxy *x = new_proxy(b, sizeof *x, &b->watches);
    x->w = w;
    w->impl = x;
    memcpy(x->bucket, bucket.data, bucket.len);
    refresh_watch(x);
    return STATUS_OK;
}

static void sim_watch_stop(bus_kv_watch *w) {
    watch_proxy *x = w->impl;
    bus_kv_watch_stop(&x->at_server);
    free_proxy(&x->p);
}

void bus_sim_observe(bus *b, bool (*seen)(void *arg, slice bucket, const bus_kv_entry *entry), void *arg) {
    sim_of(b)->seen = seen;
    sim_of(b)->seen_arg = arg;
}

void bus_sim_break_watches(bus *base) {
    sim_bus *b = sim_of(base);
    for (list_node *n = b->watches.next; n != &b->watches; n = n->next) {
        stop_watch(LIST_ENTRY(n, watch_proxy, p.node));
    }
    refresh_watches(b);
}

// --- the connection ----------------------------------------------------------------------------------------

static void end_all(sim_bus *b) {
    while (!list_empty(&b->requests)) {
        end_request(LIST_ENTRY(b->requests.next, request_proxy, p.node),
                    &(bus_result){.code = STATUS_CLOSED, .text = "the connection was lost"});
    }
    while (!list_empty(&b->ops)) {
        end_op(LIST_ENTRY(b->ops.next, op_proxy, p.node),
               &(bus_kv_result){.code = STATUS_CLOSED, .text = "the connection was lost"});
    }
}

// The machine learns what became of its connection.
static void connection_handed_over(wire *x) {
    sim_bus *b = x->what;
    bool is_up = b->is_connected;
    drop_wire(x);
    if (b->is_up == is_up) {
        return;
    }
    b->is_up = is_up;
    if (!is_up) {
        end_all(b);
    }
    bus_tell_watchers(&b->base, is_up, is_up ? "connected" : "lost");
}

void bus_sim_set_connected(bus *base, bool is_connected) {
    sim_bus *b = sim_of(base);
    if (b->is_connected == is_connected) {
        return;
    }
    b->is_connected = is_connected;
    b->connection++;
    refresh_watches(b);
    wire *x = new_wire(b->net, &b->wires, 0);
    x->what = b;
    x->arrive = arrive_at_machine;
    x->hand_over = connection_handed_over;
    send(b->net, x, b, NULL, 0);
}

void bus_sim_set_part(bus *base, unsigned part) {
    sim_bus *b = sim_of(base);
    b->part = part;
    refresh_watches(b);
}

static bool sim_is_up(const bus *b) { return ((const sim_bus *)b)->is_up; }
static size_t sim_payload_max(const bus *b) { return bus_payload_max(((const sim_bus *)b)->net->server) - 1; }
static uint64_t sim_dropped(const bus *b) {
    (void)b;
    return 0;
}
static slice sim_inbox(bus *b, char ret[BUS_INBOX_BYTES_MAX]) {
    return bus_inbox(sim_of(b)->net->server, ret);
}

bus_sim_traffic bus_sim_count(const bus *b) { return ((const sim_bus *)b)->traffic; }

static void sim_free(bus *base) {
    sim_bus *b = sim_of(base);
    while (!list_empty(&b->subscriptions)) {
        bus_unsubscribe(LIST_ENTRY(b->subscriptions.next, sub_proxy, p.node)->s);
    }
    while (!list_empty(&b->requests)) {
        bus_request_cancel(LIST_ENTRY(b->requests.next, request_proxy, p.node)->r);
    }
    while (!list_empty(&b->ops)) {
        bus_kv_cancel(LIST_ENTRY(b->ops.next, op_proxy, p.node)->o);
    }
    while (!list_empty(&b->watches)) {
        bus_kv_watch_stop(LIST_ENTRY(b->watches.next, watch_proxy, p.node)->w);
    }
    drop_wires(&b->wires);
    loop_soon_cancel(&b->soon);
    b->net->clients[b->number] = NULL;
    mem_free(b);
}

static const bus_ops sim_ops = {
    .free = sim_free,
    .is_up = sim_is_up,
    .payload_max = sim_payload_max,
    .dropped = sim_dropped,
    .inbox = sim_inbox,
    .publish = sim_publish,
    .subscribe = sim_subscribe,
    .unsubscribe = sim_unsubscribe,
    .request = sim_request,
    .request_cancel = sim_request_cancel,
    .kv_open = sim_kv_open,
    .kv_get = sim_kv_get,
    .kv_change = sim_kv_change,
    .kv_cancel = sim_kv_cancel,
    .watch = sim_watch,
    .watch_stop = sim_watch_stop,
};

status bus_sim_new(bus_net *n, machine *m, bus **ret) {
    size_t number = 0;
    while (number < n->client_count && n->clients[number] != NULL) {
        number++;
    }
    CHECK(number < BUS_SIM_CLIENTS_MAX);
    n->client_count = number == n->client_count ? number + 1 : n->client_count;
    sim_bus *b = MEM_NEW(sim_bus);
    bus_init(&b->base, &sim_ops, m->l);
    b->net = n;
    b->m = m;
    b->number = (uint8_t)number;
    b->is_connected = b->is_up = true;
    list_node *const lists[] = {&b->subscriptions, &b->requests, &b->ops,
                                &b->watches,       &b->wires,    &b->arrived};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        list_init(lists[i]);
    }
    loop_soon_init(&b->soon, on_soon, b);
    n->clients[number] = b;
    *ret = &b->base;
    return STATUS_OK;
}

bus_net *bus_net_new(world *w, const bus_sim_faults *faults) {
    bus_net *n = MEM_NEW(bus_net);
    n->w = w;
    n->faults = *faults;
    list_init(&n->loose);
    const bus_local_options o = {.l = w->net, .random = world_random(w)};
    CHECK(bus_local_new(&o, &n->server, NULL) == STATUS_OK);
    return n;
}

void bus_net_free(bus_net *n) {
    drop_wires(&n->loose);
    bus_free(n->server);
    mem_free(n);
}

void bus_net_set_faults(bus_net *n, const bus_sim_faults *faults) { n->faults = *faults; }

bus *bus_net_server(bus_net *n) { return n->server; }
