// SPDX-License-Identifier: Apache-2.0
// One connection per link. Calls wait only while the first connection is made; afterwards a provider that is
// not there is STATUS_CLOSED at once, and it is tried again after growing and random waits.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "driver/link_health.h"
#include "driver/provider/greeter.h"
#include "driver/provider/messages.h"
#include "driver/provider/provider.h"
#include "net/rpc.h"
#include "policy/network.h"

enum {
    WAITING_MAX = 1024,
    WAITING_BYTES_MAX = 64 << 20,
    DELIVERIES_MAX = 1024,
    RETRY_MS_MIN = 50,
    RETRY_MS_MAX = 15000,
};

static const uint64_t ms = 1000000;
static const uint64_t connect_ns_max = 5000000000;

typedef enum remote_phase {
    REMOTE_IDLE, // until the next attempt
    REMOTE_CONNECTING,
    REMOTE_GREETING,
    REMOTE_OPENING,
    REMOTE_READY,
} remote_phase;

struct driver_link {
    loop *l;
    connector *connector;
    driver_link_options options; // callbacks and credentials
    network_address address;
    uint16_t port;
    provider_open *wanted; // what it borrows is in `kept`; without credentials
    buf kept;
    uint64_t random;
    driver_link_health health;
    loop_soon closed;
    remote_phase phase;
    uint64_t connect_id;
    greeter *greeter;
    rpc *rpc;
    rpc_call open_call;
    rpc_call credentials_call;
    loop_timer timer; // of the next attempt, or of what an attempt waits for
    uint64_t retry_ms;
    list_node calls; // remote_call
    size_t waiting_count;
    size_t waiting_bytes;
    list_node deliveries; // remote_delivery
    size_t delivery_count;
};

typedef struct remote_call {
    driver_link *link;
    driver_call *base;
    rpc_call call;
    loop_timer deadline; // while it waits
    bool is_sent;
    list_node node;
} remote_call;

typedef struct remote_delivery {
    driver_delivery base; // first
    driver_link *link;
    rpc_request *request;
    list_node node;
} remote_delivery;

static void lose(driver_link *k, const char *why);

// --- health ------------------------------------------------------------------------------------------------

static void set_health(driver_link *k, driver_state state, const char *reason) {
    bool waits = k->phase == REMOTE_IDLE && loop_timer_is_active(&k->timer);
    driver_link_health_set(&k->health, state, reason, waits ? k->timer.deadline_ns : UINT64_MAX);
}

// --- calls -------------------------------------------------------------------------------------------------

static driver_call *release(remote_call *c) {
    driver_call *base = c->base;
    if (!c->is_sent) {
        c->link->waiting_count--;
        c->link->waiting_bytes -= base->payload.len;
    }
    rpc_call_cancel(&c->call);
    loop_timer_stop(&c->deadline);
    list_remove(&c->node);
    mem_free(c);
    base->data = NULL;
    return base;
}

static void on_ended(void *arg, const rpc_result *result) {
    driver_call *base = release(arg);
    if (result->code == STATUS_OK) {
        driver_answer(base, result->payload);
    } else {
        driver_fail(base, provider_check_code(result->code), "%s", result->e->message);
    }
}

static void on_deadline(void *arg) {
    driver_fail(release(arg), STATUS_TIMEOUT, "the provider was not reached in time");
}

static void send_call(driver_link *k, remote_call *c) {
    const driver_call *b = c->base;
    const rpc_message m = {0, b->interface, b->function, b->payload};
    err e = {0};
    if (!c->is_sent) {
        k->waiting_count--;
        k->waiting_bytes -= b->payload.len;
        c->is_sent = true;
    }
    loop_timer_stop(&c->deadline);
    status s = rpc_call_start(k->rpc, &c->call, &m, b->deadline_ns, on_ended, c, &e);
    if (s != STATUS_OK) {
        driver_fail(release(c), provider_check_code(s), "%s", e.message);
    }
}

// Those that are not on their way. An answer may begin other calls, which are behind these.
static void each_waiting(driver_link *k, const char *why) {
    for (size_t left = k->waiting_count; left > 0; left--) {
        remote_call *c = NULL;
        for (list_node *n = k->calls.next; n != &k->calls && c == NULL; n = n->next) {
            remote_call *x = LIST_ENTRY(n, remote_call, node);
            c = x->is_sent ? NULL : x;
        }
        if (c == NULL) {
            return;
        }
        if (why == NULL) {
            send_call(k, c);
        } else {
            driver_fail(release(c), STATUS_CLOSED, "%s", why);
        }
    }
}

static void call(driver_link *k, driver_call *c) {
    if (k->phase != REMOTE_READY && k->health.now.state != DRIVER_CONNECTING) {
        driver_fail(c, STATUS_CLOSED, "%s", k->health.now.reason);
        return;
    }
    if (k->waiting_count >= WAITING_MAX || k->waiting_bytes + c->payload.len > WAITING_BYTES_MAX) {
        driver_fail(c, STATUS_LIMIT, "too many calls wait for the provider");
        return;
    }
    if (c->deadline_ns <= loop_now_ns(k->l)) {
        driver_fail(c, STATUS_TIMEOUT, "its time is over");
        return;
    }
    remote_call *x = MEM_NEW(remote_call);
    x->link = k;
    x->base = c;
    c->data = x;
    loop_timer_init(&x->deadline, k->l, on_deadline, x);
    list_push_back(&k->calls, &x->node);
    k->waiting_count++;
    k->waiting_bytes += c->payload.len;
    if (k->phase == REMOTE_READY) {
        send_call(k, x);
    } else if (c->deadline_ns != UINT64_MAX) {
        loop_timer_start_at(&x->deadline, c->deadline_ns);
    }
}

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    if (c->data != NULL) {
        driver_fail(release(c->data), STATUS_CANCELLED, "cancelled");
    }
}

// --- what the provider says --------------------------------------------------------------------------------

static rpc_request *release_delivery(remote_delivery *d) {
    rpc_request *q = d->request;
    d->link->delivery_count--;
    list_remove(&d->node);
    mem_free(d);
    return q;
}

static void on_delivered(driver_delivery *base, status code, slice payload, const err *e) {
    rpc_request *q = release_delivery((remote_delivery *)base);
    if (code == STATUS_OK) {
        rpc_answer(q, payload);
    } else {
        rpc_fail(q, code, "%s", e->message);
    }
}

static void give_up_delivery(remote_delivery *d) {
    d->link->options.deliver_cancel(d->link->options.arg, &d->base);
    rpc_fail(release_delivery(d), STATUS_CANCELLED, "cancelled");
}

static void end_deliveries(driver_link *k) {
    while (!list_empty(&k->deliveries)) {
        give_up_delivery(LIST_ENTRY(k->deliveries.next, remote_delivery, node));
    }
}

static bool may_call(const driver_link *k, slice interface) {
    bool is_named = k->wanted->interface_count == 0;
    for (size_t i = 0; i < k->wanted->interface_count; i++) {
        is_named |= slice_equal(k->wanted->interfaces[i], interface);
    }
    return is_named && k->options.deliver != NULL;
}

// STATUS_LIMIT says that nothing was started: what else was wrong will be so again or not.
static void deliver(driver_link *k, rpc_request *q, const rpc_message *m) {
    err e = {0};
    if (!may_call(k, m->interface)) {
        rpc_fail(q, STATUS_DENIED, "this link is not for calls of that interface");
        return;
    }
    if (k->delivery_count >= DELIVERIES_MAX) {
        rpc_fail(q, STATUS_LIMIT, "%zu calls of this link are on their way", k->delivery_count);
        return;
    }
    remote_delivery *d = MEM_NEW(remote_delivery);
    d->base = (driver_delivery){.interface = m->interface,
                                .function = m->function,
                                .payload = m->payload,
                                .deadline_ns = rpc_request_deadline_ns(q),
                                .ended = on_delivered};
    d->link = k;
    d->request = q;
    list_push_back(&k->deliveries, &d->node);
    k->delivery_count++;
    if (k->options.deliver(k->options.arg, &d->base, &e) != STATUS_OK) {
        rpc_fail(release_delivery(d), STATUS_LIMIT, "%s", e.message);
        return;
    }
    rpc_request_set_data(q, d);
}

static status take_lost(driver_link *k, slice payload, err *e) {
    status why;
    slice what;
    char text[PROVIDER_TEXT_BYTES_MAX + 1];
    TRY(provider_read_lost(payload, &why, &what, e));
    (void)snprintf(text, sizeof text, "%.*s", SLICE_ARG(what));
    if (k->options.on_lost != NULL) {
        k->options.on_lost(k->options.arg, text, why);
    }
    return STATUS_OK;
}

static status take_health(driver_link *k, slice payload, err *e) {
    driver_health h;
    TRY(provider_read_health(payload, &h, e));
    set_health(k, h.state, h.reason);
    return STATUS_OK;
}

static void on_call(void *arg, rpc_request *q) {
    driver_link *k = arg;
    const rpc_message *m = rpc_request_message(q);
    if (!slice_equal_text(m->interface, PROVIDER_INTERFACE)) {
        deliver(k, q, m);
        return;
    }
    err e = {0};
    bool is_health = slice_equal_text(m->function, PROVIDER_HEALTH);
    status s = STATUS_UNSUPPORTED;
    if (is_health && k->phase == REMOTE_READY) {
        s = take_health(k, m->payload, &e);
    } else if (slice_equal_text(m->function, PROVIDER_LOST)) {
        s = take_lost(k, m->payload, &e);
    }
    if (s == STATUS_OK) {
        rpc_answer(q, slice_empty());
    } else {
        rpc_fail(q, s, "%s", e.message);
    }
}

static void on_cancel(void *arg, rpc_request *q) {
    (void)arg;
    remote_delivery *d = rpc_request_data(q);
    if (d != NULL) {
        give_up_delivery(d);
    }
}

static void on_rpc_closed(void *arg, status why, const err *e) {
    (void)why;
    lose(arg, e != NULL && why != STATUS_OK && why != STATUS_CLOSED ? e->message : "the connection was lost");
}

// --- a connection ------------------------------------------------------------------------------------------

// What is on its way ends with STATUS_CLOSED, from the loop.
static void drop_connection(driver_link *k) {
    loop_timer_stop(&k->timer);
    if (k->phase == REMOTE_CONNECTING && k->connect_id != 0) {
        connector_cancel(k->connector, k->connect_id);
    }
    greeter_cancel(k->greeter);
    k->greeter = NULL;
    rpc_call_cancel(&k->open_call);
    rpc_call_cancel(&k->credentials_call);
    end_deliveries(k);
    rpc_free(k->rpc);
    k->rpc = NULL;
    k->phase = REMOTE_IDLE;
}

// Whoever was there a moment ago is tried again almost at once, others later and later.
static void lose(driver_link *k, const char *why) {
    char text[NETWORK_ADDRESS_TEXT_BYTES], shown[DRIVER_REASON_BYTES_MAX];
    (void)snprintf(shown, sizeof shown, "provider at %s port %u: %.180s",
                   network_address_text(&k->address, text), k->port, why);
    drop_connection(k);
    loop_timer_start_in(&k->timer, driver_wait(&k->random, k->retry_ms) * ms);
    k->retry_ms = k->retry_ms * 2 < RETRY_MS_MAX ? k->retry_ms * 2 : RETRY_MS_MAX;
    set_health(k, DRIVER_DOWN, shown);
    each_waiting(k, shown);
}

static void on_opened(void *arg, const rpc_result *result) {
    driver_link *k = arg;
    driver_health h;
    err e = {0};
    if (result->code != STATUS_OK) {
        lose(k, result->e->message);
        return;
    }
    if (provider_read_health(result->payload, &h, &e) != STATUS_OK) {
        lose(k, e.message);
        return;
    }
    loop_timer_stop(&k->timer);
    k->phase = REMOTE_READY;
    k->retry_ms = RETRY_MS_MIN;
    set_health(k, h.state, h.reason);
    each_waiting(k, NULL);
}

static bool is_ours(slice name) {
    return slice_equal_text(name, "server") || slice_equal_text(name, "driver") ||
           slice_equal_text(name, "key");
}

// What the driver over there calls it: where it has a name that is one of ours, it is given with this prefix.
static slice name_there(slice name) {
    static const char prefix[] = "driver-";
    slice rest = slice_sub(name, sizeof prefix - 1, name.len);
    return slice_starts_with(name, prefix) && is_ours(rest) ? rest : name;
}

// Those that are the driver's over there.
static size_t other_credentials(const driver_link *k, driver_value *ret) {
    size_t count = 0;
    const driver_values *given = &k->options.credentials;
    for (size_t i = 0; i < given->count && count < PROVIDER_SETTINGS_MAX; i++) {
        if (!is_ours(given->values[i].name)) {
            ret[count++] = (driver_value){name_there(given->values[i].name), given->values[i].value};
        }
    }
    return count;
}

static status send_open(driver_link *k, err *e) {
    buf payload;
    buf_init(&payload, PROVIDER_MESSAGE_BYTES_MAX);
    k->wanted->credential_count = other_credentials(k, k->wanted->credentials);
    status s = provider_write_open(k->wanted, &payload, e);
    k->wanted->credential_count = 0;
    if (s == STATUS_OK) {
        const rpc_message m = {0, slice_from_text(PROVIDER_INTERFACE), slice_from_text(PROVIDER_OPEN),
                               buf_slice(&payload)};
        s = rpc_call_start(k->rpc, &k->open_call, &m, UINT64_MAX, on_opened, k, e);
    }
    secret_wipe(payload.data, payload.len);
    buf_done(&payload);
    return s;
}

static void on_greeted(void *arg, status code, int fd, const err *why) {
    driver_link *k = arg;
    err e = {0};
    const rpc_handler handler = {
        .arg = k, .on_call = on_call, .on_cancel = on_cancel, .on_closed = on_rpc_closed};
    k->greeter = NULL;
    if (code != STATUS_OK) {
        lose(k, code == STATUS_CLOSED ? "it has closed the connection; does it have the same key?"
                                      : why->message);
        return;
    }
    status s = rpc_new(k->l, fd, NULL, &handler, &k->rpc, &e);
    if (s == STATUS_OK) {
        k->phase = REMOTE_OPENING;
        loop_timer_start_in(&k->timer, connect_ns_max);
        s = send_open(k, &e);
    }
    if (s != STATUS_OK) {
        lose(k, e.message);
    }
}

static void on_connected(void *arg, const connect_result *result) {
    driver_link *k = arg;
    slice key = slice_empty();
    err e = {0};
    k->connect_id = 0;
    if (result->code != STATUS_OK) {
        lose(k, result->e->message);
        return;
    }
    (void)!driver_values_text(&k->options.credentials, "key", &key);
    k->phase = REMOTE_GREETING;
    loop_timer_stop(&k->timer); // the greeter has a deadline of its own
    if (greeter_start(k->l, result->fd, GREETING_CLIENT, key, on_greeted, k, &k->greeter, &e) != STATUS_OK) {
        lose(k, e.message);
    }
}

static void connect_now(driver_link *k) {
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    const connect_request request = {.purpose = CONNECT_SOCKETS,
                                     .protocol = CONNECT_TCP,
                                     .action = CONNECT_TO,
                                     .host = slice_from_text(network_address_text(&k->address, text)),
                                     .port = k->port,
                                     .deadline_ns = loop_now_ns(k->l) + connect_ns_max};
    k->phase = REMOTE_CONNECTING;
    k->connect_id = 0;
    // Also tells, from the loop, that the connection could not even be asked for.
    loop_timer_start_in(&k->timer, connect_ns_max + connect_ns_max / 5);
    if (connector_request(k->connector, &request, on_connected, k, &k->connect_id, NULL) != STATUS_OK) {
        k->connect_id = 0;
        loop_timer_start_in(&k->timer, 0);
    }
}

static void on_timer(void *arg) {
    driver_link *k = arg;
    switch (k->phase) {
    case REMOTE_IDLE:
        connect_now(k);
        break;
    case REMOTE_CONNECTING:
        lose(k, k->connect_id == 0 ? "the connection could not be asked for" : "it was not reached in time");
        break;
    case REMOTE_GREETING:
    case REMOTE_OPENING:
        lose(k, "it did not open the link in time");
        break;
    case REMOTE_READY:
        break;
    }
}

// --- settings ----------------------------------------------------------------------------------------------

static status read_server(const driver_values *v, network_address *ret, uint16_t *ret_port, err *e) {
    slice text = slice_empty();
    (void)!driver_values_text(v, "server", &text);
    if (!network_endpoint_parse(text, ret, ret_port) || *ret_port == 0) {
        return err_set(e, STATUS_INVALID,
                       "the setting server is where the provider listens, such as 127.0.0.1:7400");
    }
    return network_address_is_loopback(ret)
               ? STATUS_OK
               : err_set(e, STATUS_DENIED,
                         "the setting server is a loopback address (127.0.0.1:PORT, [::1]:PORT or "
                         "localhost:PORT): what goes to a provider is not encrypted");
}

static status check_key(const driver_values *credentials, err *e) {
    slice key = slice_empty();
    (void)!driver_values_text(credentials, "key", &key);
    return key.len >= GREETING_KEY_BYTES_MIN && key.len <= GREETING_KEY_BYTES_MAX
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "the credential key has %d to %d bytes, the same as the provider's",
                         GREETING_KEY_BYTES_MIN, GREETING_KEY_BYTES_MAX);
}

// As it will be sent, and then read from its own bytes: a copy of all that it refers to.
static status keep_wanted(driver_link *k, const driver_link_options *o, err *e) {
    provider_open *w = k->wanted;
    (void)!driver_values_text(&o->settings, "driver", &w->driver);
    w->workload = o->workload;
    if (o->interface_count > PROVIDER_INTERFACES_MAX) {
        return err_set(e, STATUS_LIMIT, "a link has at most %d interfaces", PROVIDER_INTERFACES_MAX);
    }
    for (size_t i = 0; i < o->interface_count; i++) {
        w->interfaces[w->interface_count++] = o->interfaces[i];
    }
    for (size_t i = 0; i < o->settings.count; i++) {
        if (is_ours(o->settings.values[i].name)) {
            continue;
        }
        if (w->setting_count == PROVIDER_SETTINGS_MAX) {
            return err_set(e, STATUS_LIMIT, "a provider takes at most %d settings", PROVIDER_SETTINGS_MAX);
        }
        const driver_value *v = &o->settings.values[i];
        w->settings[w->setting_count++] = (driver_value){name_there(v->name), v->value};
    }
    buf_init(&k->kept, PROVIDER_MESSAGE_BYTES_MAX);
    TRY(provider_write_open(w, &k->kept, e));
    return provider_read_open(buf_slice(&k->kept), w, e);
}

// --- the driver --------------------------------------------------------------------------------------------

static void free_link(driver_link *k) {
    buf_done(&k->kept);
    mem_free(k->wanted);
    mem_free(k);
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    driver_link_options options = k->options;
    drop_connection(k);
    driver_link_health_done(&k->health);
    free_link(k);
    options.on_closed(options.arg);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    if (env->connector == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "this host makes no connections for drivers");
    }
    driver_link *k = MEM_NEW(driver_link);
    k->wanted = MEM_NEW(provider_open);
    status s = read_server(&options->settings, &k->address, &k->port, e);
    s = s == STATUS_OK ? check_key(&options->credentials, e) : s;
    s = s == STATUS_OK ? keep_wanted(k, options, e) : s;
    if (s != STATUS_OK) {
        free_link(k);
        return s;
    }
    k->l = env->l;
    k->connector = env->connector;
    k->options = *options;
    k->options.settings = (driver_values){0};
    k->random = env->random;
    k->retry_ms = RETRY_MS_MIN;
    driver_link_health_init(&k->health, env->l, options);
    list_init(&k->calls);
    list_init(&k->deliveries);
    loop_soon_init(&k->closed, on_closed_soon, k);
    loop_timer_init(&k->timer, k->l, on_timer, k);
    connect_now(k);
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    CHECK(list_empty(&k->calls));
    end_deliveries(k);
    k->options.deliver = NULL; // no more of them
    loop_soon_add(k->l, &k->closed);
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->health.now; }

// The next connection says them again.
static void on_credentials(void *arg, const rpc_result *result) {
    if (result->code != STATUS_OK) {
        lose(arg, result->e->message);
    }
}

static status send_credentials(driver_link *k, err *e) {
    driver_value *values = mem_calloc(PROVIDER_SETTINGS_MAX, sizeof *values);
    buf payload;
    buf_init(&payload, PROVIDER_MESSAGE_BYTES_MAX);
    status s = provider_write_values(values, other_credentials(k, values), &payload, e);
    if (s == STATUS_OK) {
        const rpc_message m = {0, slice_from_text(PROVIDER_INTERFACE), slice_from_text(PROVIDER_CREDENTIALS),
                               buf_slice(&payload)};
        rpc_call_cancel(&k->credentials_call);
        s = rpc_call_start(k->rpc, &k->credentials_call, &m, loop_now_ns(k->l) + connect_ns_max,
                           on_credentials, k, e);
    }
    secret_wipe(payload.data, payload.len);
    buf_done(&payload);
    mem_free(values);
    return s;
}

static status credentials(driver_link *k, const driver_values *given, err *e) {
    TRY(check_key(given, e));
    k->options.credentials = *given;   // those before are gone after the return
    if (k->phase == REMOTE_GREETING) { // with a key that is gone
        lose(k, "its key was changed");
    }
    return k->phase == REMOTE_READY || k->phase == REMOTE_OPENING ? send_credentials(k, e) : STATUS_OK;
}

static status peers(const driver_values *given, driver_peer found, void *arg, err *e) {
    network_address address;
    uint16_t port;
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    TRY(read_server(given, &address, &port, e));
    found(arg, slice_from_text(network_address_text(&address, text)), port);
    return STATUS_OK;
}

static const driver_setting settings[] = {
    {"server", "where `writ provider` listens: a loopback address and a port", false, true},
    {"driver", "its name there; default: the first that has the interfaces of the link", false, false},
    {"key", "what both ends know: the content of the provider's --key-file", true, true},
    {DRIVER_ANY, "settings and credentials of the driver there; driver-NAME for one of the names above",
     false, false},
    {NULL, NULL, false, false},
};

static const char *const interfaces[] = {DRIVER_ANY, NULL};

const driver provider_remote = {
    .version = DRIVER_VERSION,
    .name = "provider",
    .interfaces = interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
    .credentials = credentials,
    .peers = peers,
};
