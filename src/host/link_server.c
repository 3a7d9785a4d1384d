// SPDX-License-Identifier: Apache-2.0
#include "host/link_server.h"

#include "base/list.h"
#include "base/mem.h"
#include "net/rpc.h"
#include "os/random.h"

enum { PROBLEMS_BYTES_MAX = 16 << 10 };

typedef struct served_link {
    link_server *server;
    uint32_t number;
    const driver *driver;
    driver_link *opened;  // NULL: not yet, or closed
    driver_value *values; // of settings and credentials, borrowed from the configuration
    uint32_t calls;
    list_node deliveries;
    uint32_t delivery_count;
    bool is_closing;
} served_link;

typedef struct attached { // a worker
    link_server *server;
    rpc *rpc;
    list_node calls;
    uint32_t *call_counts; // by link
    uint32_t delivery_count;
    bool is_ending; // takes no more deliveries
    list_node node;
} attached;

typedef struct delivery { // of a driver, until its answer
    driver_delivery *base;
    served_link *link;
    attached *worker; // NULL: it is gone
    rpc_call call;
    list_node node; // of the link
} delivery;

typedef struct call { // of a worker, until its answer
    driver_call base;
    served_link *link;
    attached *worker; // NULL: it is gone
    rpc_request *request;
    list_node node; // of the worker
} call;

struct link_server {
    link_server_options options;
    driver_environment environment;
    served_link *links;
    list_node workers;
    uint32_t open_links; // that have not told on_closed
    bool is_ending;
};

// --- calls -------------------------------------------------------------------------------------------------

static void on_answered(driver_call *base, status code, slice payload, const err *e) {
    call *c = (call *)base;
    c->link->calls--;
    if (c->worker != NULL) {
        c->worker->call_counts[c->link->number]--;
    }
    list_remove(&c->node);
    if (code == STATUS_OK) {
        rpc_answer(c->request, payload);
    } else {
        rpc_fail(c->request, code, "%s", e != NULL ? e->message : status_name(code));
    }
    mem_free(c);
}

static bool has_interface(const host_link *l, slice interface) {
    for (size_t i = 0; i < l->interface_count; i++) {
        if (slice_equal_text(interface, l->interfaces[i])) {
            return true;
        }
    }
    return false;
}

static served_link *find_link(link_server *s, const rpc_message *m) {
    if (m->target >= s->options.links->count || s->links[m->target].opened == NULL ||
        !has_interface(&s->options.links->items[m->target], m->interface)) {
        return NULL;
    }
    return &s->links[m->target];
}

// Nobody may hold more than is left over, so that a worker that was taken over cannot keep the others from
// it.
static bool has_room(const attached *a, const served_link *l) {
    return a->call_counts[l->number] < LINK_SERVER_CALLS_MAX - l->calls;
}

static void on_call(void *arg, rpc_request *q) {
    attached *a = arg;
    const rpc_message *m = rpc_request_message(q);
    served_link *l = find_link(a->server, m);
    if (l == NULL) {
        rpc_fail(q, STATUS_DENIED, "there is no such link");
    } else if (!has_room(a, l)) {
        rpc_fail(q, STATUS_LIMIT, "%u calls through this link are waiting already", l->calls);
    } else {
        call *c = MEM_NEW(call);
        c->base = (driver_call){.interface = m->interface,
                                .function = m->function,
                                .payload = m->payload,
                                .deadline_ns = rpc_request_deadline_ns(q),
                                .end = on_answered};
        c->link = l;
        c->worker = a;
        c->request = q;
        rpc_request_set_data(q, c);
        l->calls++;
        a->call_counts[l->number]++;
        list_push_back(&a->calls, &c->node);
        l->driver->call(l->opened, &c->base);
    }
}

// It is answered soon, perhaps from inside.
static void give_up(call *c) {
    if (!c->base.is_cancelled) {
        c->base.is_cancelled = true;
        c->link->driver->cancel(c->link->opened, &c->base);
    }
}

static void on_cancel(void *arg, rpc_request *q) {
    (void)arg;
    call *c = rpc_request_data(q);
    if (c != NULL) {
        give_up(c);
    }
}

// --- calls of drivers --------------------------------------------------------------------------------------

static attached *choose_worker(link_server *s) {
    attached *best = NULL;
    for (list_node *n = s->workers.next; n != &s->workers; n = n->next) {
        attached *a = LIST_ENTRY(n, attached, node);
        if (!a->is_ending && rpc_is_open(a->rpc) &&
            (best == NULL || a->delivery_count < best->delivery_count)) {
            best = a;
        }
    }
    return best;
}

static void on_delivered(void *arg, const rpc_result *result);

static status send_delivery(delivery *x, err *e) {
    const driver_delivery *d = x->base;
    attached *a = choose_worker(x->link->server);
    if (a == NULL) {
        return err_set(e, STATUS_CLOSED, "no worker serves now");
    }
    if (a->delivery_count >= LINK_SERVER_WORKER_DELIVERIES_MAX) {
        return err_set(e, STATUS_LIMIT, "%u calls of drivers are on their way to each worker",
                       a->delivery_count);
    }
    const rpc_message m = {x->link->number, d->interface, d->function, d->payload};
    TRY(rpc_call_start(a->rpc, &x->call, &m, d->deadline_ns, on_delivered, x, e));
    x->worker = a;
    a->delivery_count++;
    return STATUS_OK;
}

static void leave_worker(delivery *x) {
    if (x->worker != NULL) {
        x->worker->delivery_count--;
        x->worker = NULL;
    }
}

static void free_delivery(delivery *x) {
    leave_worker(x);
    x->base->host = NULL;
    x->link->delivery_count--;
    list_remove(&x->node);
    mem_free(x);
}

// A worker that ends says so while its connection is open, and has not begun the call: another one gets it.
static bool goes_to_another(delivery *x, const rpc_result *result) {
    attached *a = x->worker;
    if (result->code != STATUS_CLOSED || a == NULL || !rpc_is_open(a->rpc)) {
        return false;
    }
    a->is_ending = true;
    leave_worker(x);
    return send_delivery(x, NULL) == STATUS_OK;
}

static void on_delivered(void *arg, const rpc_result *result) {
    delivery *x = arg;
    driver_delivery *d = x->base;
    if (!goes_to_another(x, result)) {
        free_delivery(x);
        d->ended(d, result->code, result->payload, result->code == STATUS_OK ? NULL : result->e);
    }
}

static status deliver(void *arg, driver_delivery *d, err *e) {
    served_link *l = arg;
    if (l->delivery_count >= LINK_SERVER_DELIVERIES_MAX) {
        return err_set(e, STATUS_LIMIT, "%u calls of this link are on their way", l->delivery_count);
    }
    delivery *x = MEM_NEW(delivery);
    *x = (delivery){.base = d, .link = l};
    status s = send_delivery(x, e);
    if (s != STATUS_OK) {
        mem_free(x);
        return s;
    }
    d->host = x;
    l->delivery_count++;
    list_push_back(&l->deliveries, &x->node);
    return STATUS_OK;
}

static void deliver_cancel(void *arg, driver_delivery *d) {
    (void)arg;
    delivery *x = d->host;
    if (x != NULL) {
        rpc_call_cancel(&x->call);
        free_delivery(x);
    }
}

// Of a worker that goes: they end by themselves, soon.
static void orphan_deliveries(const attached *a) {
    link_server *s = a->server;
    for (uint32_t i = 0; i < s->options.links->count; i++) {
        for (list_node *n = s->links[i].deliveries.next; n != &s->links[i].deliveries; n = n->next) {
            delivery *x = LIST_ENTRY(n, delivery, node);
            x->worker = x->worker == a ? NULL : x->worker;
        }
    }
}

// --- workers -----------------------------------------------------------------------------------------------

static void detach(attached *a) {
    orphan_deliveries(a);
    rpc_free(a->rpc);
    for (list_node *n = list_pop_front(&a->calls); n != NULL; n = list_pop_front(&a->calls)) {
        call *c = LIST_ENTRY(n, call, node);
        c->worker = NULL; // what is not answered at once goes on without it
        give_up(c);
    }
    list_remove(&a->node);
    mem_free(a->call_counts);
    mem_free(a);
}

static void on_closed(void *arg, status why, const err *e) {
    (void)why, (void)e; // the supervisor sees workers come and go by itself
    detach(arg);
}

status link_server_attach(link_server *s, int fd, err *e) {
    attached *a = MEM_NEW(attached);
    const rpc_handler handler = {
        .arg = a, .on_call = on_call, .on_cancel = on_cancel, .on_closed = on_closed};
    a->server = s;
    a->call_counts = mem_calloc(s->options.links->count + 1, sizeof *a->call_counts);
    list_init(&a->calls);
    status made = rpc_new(s->options.loop, fd, NULL, &handler, &a->rpc, e);
    if (made != STATUS_OK) {
        mem_free(a->call_counts);
        mem_free(a);
        return made;
    }
    list_push_back(&s->workers, &a->node);
    return STATUS_OK;
}

// --- links -------------------------------------------------------------------------------------------------

static void on_health(void *arg, const driver_health *h) {
    served_link *l = arg;
    const link_server_options *o = &l->server->options;
    if (o->on_health != NULL && !l->server->is_ending) {
        o->on_health(o->context, l->number, h);
    }
}

static void on_link_closed(void *arg) {
    served_link *l = arg;
    while (!list_empty(&l->deliveries)) { // the driver has cancelled its own, or forgotten them
        deliver_cancel(l, LIST_ENTRY(l->deliveries.next, delivery, node)->base);
    }
    l->opened = NULL;
    l->server->open_links--;
}

static status find_driver(const host_link *l, const driver **ret, err *e) {
    slice name = slice_from_text(l->driver);
    for (size_t i = 0; i < l->interface_count; i++) {
        const driver *d = driver_find(name, slice_from_text(l->interfaces[i]));
        if (d == NULL) {
            return err_set(e, STATUS_NOT_FOUND, "there is no driver \"%s\" for %s", l->driver,
                           l->interfaces[i]);
        }
        if (*ret != NULL && *ret != d) {
            return err_set(e, STATUS_INVALID, "%s and %s are of two drivers: give each a link of its own",
                           l->interfaces[0], l->interfaces[i]);
        }
        *ret = d;
    }
    return *ret != NULL ? STATUS_OK : err_set(e, STATUS_INVALID, "it names no interface");
}

static driver_values values_of(driver_value *room, const host_setting *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        room[i] = (driver_value){slice_from_text(list[i].name), slice_from_text(list[i].value)};
    }
    return (driver_values){room, count};
}

static status open_link(link_server *s, uint32_t number, err *e) {
    const host_link *l = &s->options.links->items[number];
    served_link *o = &s->links[number];
    *o = (served_link){.server = s, .number = number};
    list_init(&o->deliveries);
    TRY(find_driver(l, &o->driver, e));
    o->values = mem_calloc(l->setting_count + l->credential_count + 1, sizeof *o->values);
    const driver_link_options options = {
        .settings = values_of(o->values, l->settings, l->setting_count),
        .credentials = values_of(o->values + l->setting_count, l->credentials, l->credential_count),
        .workload = slice_from_text(l->workload != NULL ? l->workload : ""),
        .on_health = on_health,
        .on_closed = on_link_closed,
        .deliver = deliver,
        .deliver_cancel = deliver_cancel,
        .arg = o,
    };
    TRY(driver_open(o->driver, &s->environment, &options, &o->opened, e));
    s->open_links++;
    return STATUS_OK;
}

static status open_all(link_server *s, err *e) {
    auto_buf problems;
    status first = STATUS_OK;
    buf_init(&problems, PROBLEMS_BYTES_MAX);
    for (uint32_t i = 0; i < s->options.links->count; i++) {
        err why;
        status opened = open_link(s, i, &why);
        if (opened != STATUS_OK) {
            const host_link *l = &s->options.links->items[i];
            first = first == STATUS_OK ? opened : first;
            (void)!buf_append_format(&problems, "%slink \"%s\" to %s: %s", problems.len > 0 ? "\n" : "",
                                     l->name, l->target, why.message);
        }
    }
    return first == STATUS_OK ? STATUS_OK : err_set(e, first, "%.*s", SLICE_ARG(buf_slice(&problems)));
}

status link_server_new(const link_server_options *options, link_server **ret, err *e) {
    link_server *s = MEM_NEW(link_server);
    s->options = *options;
    s->environment = (driver_environment){.l = options->loop,
                                          .connector = options->connector,
                                          .roots = options->roots,
                                          .directory = options->directory};
    random_fill(&s->environment.random, sizeof s->environment.random);
    s->links = mem_calloc(options->links->count + 1, sizeof *s->links);
    list_init(&s->workers);
    for (uint32_t i = 0; i < options->links->count; i++) {
        list_init(&s->links[i].deliveries);
    }
    status opened = open_all(s, e);
    if (opened != STATUS_OK) {
        link_server_free(s, 0);
        return opened;
    }
    *ret = s;
    return STATUS_OK;
}

// --- the end -----------------------------------------------------------------------------------------------

static void on_patience_over(void *arg) { (void)arg; } // it has ended the wait

static void close_links(link_server *s) {
    for (uint32_t i = 0; i < s->options.links->count; i++) {
        served_link *l = &s->links[i];
        if (l->opened != NULL && !l->is_closing && l->calls == 0) {
            l->is_closing = true;
            l->driver->link_close(l->opened);
        }
    }
}

// Requests of connections that were cut are cancelled; drivers answer them soon, and only then may a link be
// closed.
void link_server_free(link_server *s, uint64_t wait_ns) {
    if (s == NULL) {
        return;
    }
    s->is_ending = true;
    while (!list_empty(&s->workers)) {
        detach(LIST_ENTRY(s->workers.next, attached, node));
    }
    loop_timer patience;
    loop_timer_init(&patience, s->options.loop, on_patience_over, NULL);
    loop_timer_start_in(&patience, wait_ns);
    close_links(s);
    while (s->open_links > 0 && loop_timer_is_active(&patience)) {
        loop_turn(s->options.loop, true);
        close_links(s);
    }
    loop_timer_stop(&patience);
    bool is_clean = s->open_links == 0;
    for (uint32_t i = 0; i < s->options.links->count && is_clean; i++) {
        mem_free(s->links[i].values);
    }
    if (is_clean) { // else drivers still refer to it, and the process ends anyway
        mem_free(s->links);
        mem_free(s);
    }
}
