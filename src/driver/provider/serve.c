// SPDX-License-Identifier: Apache-2.0
#include "driver/provider/serve.h"

#include <stdio.h>

#include "base/mem.h"
#include "crypto/secret.h"
#include "driver/provider/greeter.h"
#include "driver/provider/messages.h"
#include "net/rpc.h"
#include "os/fd.h"
#include "os/random.h"

enum { OPEN_MS_MAX = 10000 }; // from the greeting to the link

struct provider {
    provider_options options;
    driver_environment environment;
    list_node shared;
    list_node guests;
    size_t guest_count;
};

typedef struct guest { // a connection
    provider *provider;
    greeter *greeter;
    rpc *rpc; // NULL: not yet, or not any more
    const driver *driver;
    driver_environment environment;
    driver_link *link; // NULL: not yet
    secret kept;       // what the link borrows
    secret lists;      // and where, for its credentials
    slice workload;
    loop_timer patience;
    rpc_call health_call;
    bool has_news; // of the health, which were not sent yet
    rpc_call lost_call;
    list_node calls;
    size_t call_count;
    list_node deliveries;
    size_t delivery_count;
    bool is_closing; // the driver was told to let go
    bool has_ended;  // the connection is gone
    list_node node;
} guest;

typedef struct guest_call {
    driver_call base; // first
    guest *guest;
    rpc_request *request;
    list_node node;
} guest_call;

typedef struct guest_delivery {
    guest *guest;
    driver_delivery *base;
    rpc_call call;
    list_node node;
} guest_delivery;

static void tell(const guest *g, provider_event_kind what, const char *text) {
    const provider_options *o = &g->provider->options;
    const provider_event e = {what, g->driver != NULL ? g->driver->name : NULL, g->workload, text};
    if (o->on_event != NULL) {
        o->on_event(o->arg, &e);
    }
}

// --- the end -----------------------------------------------------------------------------------------------

static void end_deliveries(guest *g) {
    while (!list_empty(&g->deliveries)) {
        guest_delivery *x = LIST_ENTRY(g->deliveries.next, guest_delivery, node);
        rpc_call_cancel(&x->call);
        x->base->host = NULL;
        list_remove(&x->node);
        mem_free(x);
    }
    g->delivery_count = 0;
}

static void free_guest(guest *g) {
    loop_timer_stop(&g->patience);
    greeter_cancel(g->greeter);
    end_deliveries(g);
    secret_free(&g->kept);
    secret_free(&g->lists);
    list_remove(&g->node);
    g->provider->guest_count--;
    mem_free(g);
}

static void on_link_closed(void *arg) {
    guest *g = arg;
    tell(g, PROVIDER_CLOSED, "");
    free_guest(g);
}

static void close_unused(guest *g) {
    if (!g->has_ended || g->is_closing || g->call_count > 0) {
        return;
    }
    g->is_closing = true;
    if (g->link != NULL) {
        g->driver->link_close(g->link);
    } else {
        free_guest(g);
    }
}

static void give_up(guest_call *c) {
    if (!c->base.is_cancelled) {
        c->base.is_cancelled = true;
        c->guest->driver->cancel(c->guest->link, &c->base);
    }
}

// What is not answered at once goes on without anybody who waits for it.
static void end_guest(guest *g) {
    if (g->has_ended) {
        return;
    }
    loop_timer_stop(&g->patience);
    rpc_call_cancel(&g->health_call);
    rpc_call_cancel(&g->lost_call);
    rpc_free(g->rpc);
    g->rpc = NULL;
    for (bool found = true; found;) {
        found = false;
        for (list_node *n = g->calls.next; n != &g->calls && !found; n = n->next) {
            guest_call *c = LIST_ENTRY(n, guest_call, node);
            found = !c->base.is_cancelled;
            if (found) {
                give_up(c);
            }
        }
    }
    g->has_ended = true; // only now may it go
    close_unused(g);
}

static void refuse(guest *g, const char *why) {
    tell(g, PROVIDER_REFUSED, why);
    end_guest(g);
}

static void on_impatient(void *arg) { refuse(arg, "it did not say which link it wants in time"); }

// --- calls -------------------------------------------------------------------------------------------------

static void on_answered(driver_call *base, status code, slice payload, const err *e) {
    guest_call *c = (guest_call *)base;
    guest *g = c->guest;
    list_remove(&c->node);
    g->call_count--;
    if (code == STATUS_OK) {
        rpc_answer(c->request, payload);
    } else {
        rpc_fail(c->request, code, "%s", e != NULL ? e->message : status_name(code));
    }
    mem_free(c);
    close_unused(g);
}

static void call(guest *g, rpc_request *q, const rpc_message *m) {
    if (g->link == NULL || !driver_has_interface(g->driver, m->interface)) {
        rpc_fail(q, g->link == NULL ? STATUS_DENIED : STATUS_UNSUPPORTED, "%s",
                 g->link == NULL ? "no link is open" : "the driver does not have that interface");
        return;
    }
    if (g->call_count >= PROVIDER_CALLS_MAX) {
        rpc_fail(q, STATUS_LIMIT, "%zu calls through this link are waiting already", g->call_count);
        return;
    }
    guest_call *c = MEM_NEW(guest_call);
    c->base = (driver_call){.interface = m->interface,
                            .function = m->function,
                            .payload = m->payload,
                            .deadline_ns = rpc_request_deadline_ns(q),
                            .end = on_answered};
    c->guest = g;
    c->request = q;
    rpc_request_set_data(q, c);
    list_push_back(&g->calls, &c->node);
    g->call_count++;
    g->driver->call(g->link, &c->base);
}

static void on_cancel(void *arg, rpc_request *q) {
    (void)arg;
    guest_call *c = rpc_request_data(q);
    if (c != NULL) {
        give_up(c);
    }
}

// --- what the driver says ----------------------------------------------------------------------------------

static status start_own(guest *g, rpc_call *c, const char *function, slice payload, rpc_ended ended) {
    const rpc_message m = {0, slice_from_text(PROVIDER_INTERFACE), slice_from_text(function), payload};
    return rpc_call_start(g->rpc, c, &m, UINT64_MAX, ended, g, NULL);
}

static void send_health(guest *g);

// Only the last state counts.
static void on_health_told(void *arg, const rpc_result *result) {
    guest *g = arg;
    if (result->code == STATUS_OK && g->has_news) {
        send_health(g);
    }
}

static void send_health(guest *g) {
    driver_health h;
    auto_buf payload;
    buf_init(&payload, PROVIDER_MESSAGE_BYTES_MAX);
    g->has_news = rpc_call_is_active(&g->health_call);
    if (g->has_news || g->rpc == NULL || g->link == NULL) {
        return;
    }
    g->driver->health(g->link, &h);
    if (provider_write_health(&h, &payload, NULL) == STATUS_OK) {
        (void)!start_own(g, &g->health_call, PROVIDER_HEALTH, buf_slice(&payload), on_health_told);
    }
}

static void on_health(void *arg, const driver_health *h) {
    guest *g = arg;
    if (h->state == DRIVER_DOWN && !g->has_ended) {
        tell(g, PROVIDER_UNREACHED, h->reason);
    }
    send_health(g);
}

static void on_lost_told(void *arg, const rpc_result *result) { (void)arg, (void)result; }

// The host writes one line in a second: while one is on its way the others need not be told.
static void on_lost(void *arg, const char *what, status why) {
    guest *g = arg;
    auto_buf payload;
    buf_init(&payload, PROVIDER_MESSAGE_BYTES_MAX);
    if (g->rpc != NULL && !rpc_call_is_active(&g->lost_call) &&
        provider_write_lost(why, what, &payload, NULL) == STATUS_OK) {
        (void)!start_own(g, &g->lost_call, PROVIDER_LOST, buf_slice(&payload), on_lost_told);
    }
}

static driver_delivery *release_delivery(guest_delivery *x) {
    driver_delivery *d = x->base;
    d->host = NULL;
    x->guest->delivery_count--;
    list_remove(&x->node);
    mem_free(x);
    return d;
}

static void on_delivered(void *arg, const rpc_result *result) {
    driver_delivery *d = release_delivery(arg);
    d->ended(d, result->code, result->payload, result->code == STATUS_OK ? NULL : result->e);
}

static status deliver(void *arg, driver_delivery *d, err *e) {
    guest *g = arg;
    if (g->rpc == NULL) {
        return err_set(e, STATUS_CLOSED, "the host is gone");
    }
    if (g->delivery_count >= PROVIDER_DELIVERIES_MAX) {
        return err_set(e, STATUS_LIMIT, "%zu calls of this link are on their way", g->delivery_count);
    }
    guest_delivery *x = MEM_NEW(guest_delivery);
    x->guest = g;
    x->base = d;
    const rpc_message m = {0, d->interface, d->function, d->payload};
    status s = rpc_call_start(g->rpc, &x->call, &m, d->deadline_ns, on_delivered, x, e);
    if (s != STATUS_OK) {
        mem_free(x);
        return s;
    }
    d->host = x;
    g->delivery_count++;
    list_push_back(&g->deliveries, &x->node);
    return STATUS_OK;
}

static void deliver_cancel(void *arg, driver_delivery *d) {
    (void)arg;
    guest_delivery *x = d->host;
    if (x != NULL) {
        rpc_call_cancel(&x->call);
        (void)release_delivery(x);
    }
}

// --- opening -----------------------------------------------------------------------------------------------

static status open_driver(guest *g, const provider_open *o, err *e) {
    const provider_options *p = &g->provider->options;
    g->driver = driver_choose(p->drivers, o->driver, o->interfaces, o->interface_count);
    if (g->driver == NULL) {
        return err_set(
            e, STATUS_NOT_FOUND, "this provider has no driver \"%.*s\" for %.*s%s",
            SLICE_ARG(slice_sub(o->driver, 0, 80)),
            SLICE_ARG(o->interface_count > 0 ? slice_sub(o->interfaces[0], 0, 120) : slice_empty()),
            o->interface_count > 1 ? " and the other interfaces" : "");
    }
    const driver_link_options options = {
        .interfaces = o->interfaces,
        .interface_count = o->interface_count,
        .settings = {o->settings, o->setting_count},
        .workload = o->workload,
        .credentials = {o->credentials, o->credential_count},
        .on_health = on_health,
        .on_closed = on_link_closed,
        .deliver = deliver,
        .deliver_cancel = deliver_cancel,
        .on_lost = on_lost,
        .arg = g,
    };
    g->environment = g->provider->environment;
    g->environment.random = random_u64();
    return driver_open(g->driver, &g->environment, &options, &g->link, e);
}

// A secret lies at the end of its pages.
static size_t aligned(size_t bytes) { return (bytes + 15u) & ~(size_t)15; }

static status keep(slice payload, secret *ret, err *e) {
    if (payload.len > PROVIDER_MESSAGE_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "it has more than %d bytes", PROVIDER_MESSAGE_BYTES_MAX);
    }
    TRY(secret_new(payload.len > 0 ? payload.len : 1, ret, e));
    memcpy(ret->data, payload.len > 0 ? payload.data : (const uint8_t *)"", payload.len);
    return STATUS_OK;
}

static status open_link(guest *g, slice payload, err *e) {
    TRY(keep(payload, &g->kept, e));
    TRY(secret_new(aligned(sizeof(provider_open)), &g->lists, e));
    provider_open *o = (provider_open *)(void *)g->lists.data;
    TRY(provider_read_open(slice_of(g->kept.data, payload.len), o, e));
    g->workload = o->workload;
    return open_driver(g, o, e);
}

static void answer_open(guest *g, rpc_request *q, const rpc_message *m) {
    driver_health h;
    auto_buf payload;
    err e = {0};
    buf_init(&payload, PROVIDER_MESSAGE_BYTES_MAX);
    if (g->kept.data != NULL) {
        rpc_fail(q, STATUS_INVALID, "a connection opens one link, once");
        return;
    }
    status s = open_link(g, m->payload, &e);
    if (s == STATUS_OK) {
        loop_timer_stop(&g->patience);
        g->driver->health(g->link, &h);
        s = provider_write_health(&h, &payload, &e);
    }
    if (s == STATUS_OK) {
        tell(g, PROVIDER_OPENED, "");
        rpc_answer(q, buf_slice(&payload));
        return;
    }
    tell(g, PROVIDER_REFUSED, e.message); // the other end closes the connection, or on_impatient does
    rpc_fail(q, s, "%s", e.message);
}

typedef struct credential_list { // in locked memory, behind it the bytes that it refers to
    driver_value values[PROVIDER_SETTINGS_MAX];
} credential_list;

static status change_credentials(guest *g, slice payload, err *e) {
    auto_secret made = {0};
    size_t count;
    if (g->link == NULL) {
        return err_set(e, STATUS_DENIED, "no link is open");
    }
    if (payload.len > PROVIDER_MESSAGE_BYTES_MAX - sizeof(credential_list) - 16) {
        return err_set(e, STATUS_LIMIT, "the credentials are too long");
    }
    TRY(secret_new(aligned(sizeof(credential_list) + payload.len), &made, e));
    credential_list *list = (credential_list *)(void *)made.data;
    uint8_t *bytes = made.data + sizeof *list;
    memcpy(bytes, payload.len > 0 ? payload.data : (const uint8_t *)"", payload.len);
    TRY(provider_read_values(slice_of(bytes, payload.len), list->values, &count, e));
    const driver_values values = {list->values, count};
    TRY(driver_renew(g->driver, g->link, &values, e));
    const secret old = g->lists;
    g->lists = made;
    made = old; // goes now
    return STATUS_OK;
}

// --- connections -------------------------------------------------------------------------------------------

static void on_call(void *arg, rpc_request *q) {
    guest *g = arg;
    const rpc_message *m = rpc_request_message(q);
    err e = {0};
    if (!slice_equal_text(m->interface, PROVIDER_INTERFACE)) {
        call(g, q, m);
    } else if (slice_equal_text(m->function, PROVIDER_OPEN)) {
        answer_open(g, q, m);
    } else if (!slice_equal_text(m->function, PROVIDER_CREDENTIALS)) {
        rpc_fail(q, STATUS_UNSUPPORTED, "a provider has no such function");
    } else if (change_credentials(g, m->payload, &e) != STATUS_OK) {
        rpc_fail(q, e.code, "%s", e.message);
    } else {
        rpc_answer(q, slice_empty());
    }
}

static void on_rpc_closed(void *arg, status why, const err *e) {
    guest *g = arg;
    if (why == STATUS_OK || why == STATUS_CLOSED) {
        end_guest(g);
    } else {
        refuse(g, e->message);
    }
}

static void on_greeted(void *arg, status code, int fd, const err *why) {
    guest *g = arg;
    err e = {0};
    const rpc_handler handler = {
        .arg = g, .on_call = on_call, .on_cancel = on_cancel, .on_closed = on_rpc_closed};
    g->greeter = NULL;
    if (code != STATUS_OK) {
        refuse(g, why->message);
    } else if (rpc_new(g->provider->options.loop, fd, NULL, &handler, &g->rpc, &e) != STATUS_OK) {
        refuse(g, e.message);
    } else {
        loop_timer_start_in(&g->patience, OPEN_MS_MAX * 1000000ull);
    }
}

status provider_accept(provider *p, int fd, err *e) {
    if (p->guest_count == PROVIDER_CONNECTIONS_MAX) {
        fd_close(fd);
        return err_set(e, STATUS_LIMIT, "%d connections are open already", PROVIDER_CONNECTIONS_MAX);
    }
    guest *g = MEM_NEW(guest);
    g->provider = p;
    list_init(&g->calls);
    list_init(&g->deliveries);
    loop_timer_init(&g->patience, p->options.loop, on_impatient, g);
    list_push_back(&p->guests, &g->node);
    p->guest_count++;
    status s =
        greeter_start(p->options.loop, fd, GREETING_SERVER, p->options.key, on_greeted, g, &g->greeter, e);
    if (s != STATUS_OK) {
        free_guest(g);
    }
    return s;
}

// --- the whole ---------------------------------------------------------------------------------------------

provider *provider_new(const provider_options *options) {
    provider *p = MEM_NEW(provider);
    p->options = *options;
    p->environment = *options->environment;
    p->environment.l = options->loop;
    p->environment.shared = &p->shared;
    list_init(&p->shared);
    list_init(&p->guests);
    return p;
}

static void on_patience_over(void *arg) { (void)arg; } // it has ended the wait

void provider_free(provider *p, uint64_t wait_ns) {
    if (p == NULL) {
        return;
    }
    for (size_t left = p->guest_count; left > 0;
         left--) { // one that is not gone at once is behind the others
        guest *g = LIST_ENTRY(p->guests.next, guest, node);
        list_remove(&g->node);
        list_push_back(&p->guests, &g->node);
        end_guest(g);
    }
    loop_timer patience;
    loop_timer_init(&patience, p->options.loop, on_patience_over, NULL);
    loop_timer_start_in(&patience, wait_ns);
    while (p->guest_count > 0 && loop_timer_is_active(&patience)) {
        loop_turn(p->options.loop, true);
    }
    loop_timer_stop(&patience);
    if (p->guest_count == 0) { // else drivers still refer to it, and the process ends anyway
        mem_free(p);
    }
}
