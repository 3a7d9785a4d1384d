// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_side.h"

#include <stdio.h>

#include "base/mem.h"
#include "bus/bus_local.h"
#include "host/log.h"
#include "lattice/relay.h"
#include "lattice/wrpc.h"
#include "lattice/wrpc_names.h"
#include "os/random.h"
#include "os/socket_open.h"

enum {
    URL_BYTES_MAX = 64,
    JWT_BYTES_MAX = 4096,
    CONNECTIONS_MAX = 4, // of one provider: it may connect anew before the old one is seen to be gone
    SUBSCRIBER_BYTES_MAX = 32 << 20,
    QUEUED_BYTES_MAX = 64 << 20,
    STORED_BYTES_MAX = 1 << 20, // nobody stores anything there
};

struct provider_doors {
    const providers_options *host;
    bus_door *door;
    char url[URL_BYTES_MAX];
};

typedef struct target { // that it may call
    wrpc_export export;
    list_node node;
    char *id;
    bool is_wanted;
} target;

struct provider_side {
    provider_doors *doors;
    char *id;
    bus *bus;
    wrpc *wrpc;
    lattice_server server; // the rest of the lattice
    nkey *key;
    secret seed;
    buf jwt;
    bus_door_user *user;
    const provider_wants *wants;
    list_node targets;
    list_node relays; // of calls to it
};

// --- the door ----------------------------------------------------------------------------------------------

static void on_event(void *arg, bus_door_event event, const bus_door_user *user, const char *text) {
    const provider_doors *d = arg;
    if (d->host->logger == NULL || event == BUS_DOOR_CAME || event == BUS_DOOR_WENT) {
        return;
    }
    const char *who = user == NULL ? "somebody" : bus_door_user_name(user);
    logger_guest_event(d->host->logger, LOG_WARN,
                       event == BUS_DOOR_DENIED ? "provider-denied" : "provider-refused",
                       LOG_FIELDS(LOG_TEXT("provider", slice_from_text(user == NULL ? "" : who))),
                       "at the door of providers: %s: %s", who, text);
}

status provider_doors_new(const providers_options *host, provider_doors **ret, err *e) {
    provider_doors *d = MEM_NEW(provider_doors);
    socket_address a;
    bus_door_options o = {.l = host->loop, .on_event = on_event, .arg = d};
    d->host = host;
    (void)socket_address_parse(slice_from_text("127.0.0.1"), 0, &a);
    status s = socket_listen_group(&a, 1, &o.listener, e);
    if (s == STATUS_OK) {
        (void)snprintf(d->url, sizeof d->url, "nats://127.0.0.1:%u", socket_address_port(&a));
        s = bus_door_new(&o, &d->door, e);
    }
    if (s != STATUS_OK) {
        mem_free(d);
        return s;
    }
    *ret = d;
    return STATUS_OK;
}

bus_door_counts provider_doors_count(const provider_doors *d) { return bus_door_count(d->door); }

void provider_doors_free(provider_doors *d) {
    if (d != NULL) {
        bus_door_free(d->door);
        mem_free(d);
    }
}

// --- what it calls -----------------------------------------------------------------------------------------

static bool paths(void *context, slice whom, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    (void)context;
    (void)whom;
    return lattice_relay_paths(instance, function, ret_up, ret_down);
}

static const host_data_link *link_of(const provider_side *s, slice source, slice whom,
                                     const lattice_invocation *i) {
    const slice interface = wrpc_names_from_wire(i->instance).interface;
    return s->wants == NULL ? NULL : provider_wants_link_for(s->wants, source, whom, i->link, interface);
}

// Whoever it says it is: it is who has this bus.
static status check_outgoing(void *context, const lattice_invocation *i, err *e) {
    const provider_side *s = context;
    if (link_of(s, slice_from_text(s->id), i->target, i) == NULL) {
        return err_set(e, STATUS_DENIED, "provider %s has no link to %.*s for %.*s", s->id,
                       SLICE_ARG(i->target), SLICE_ARG(i->instance));
    }
    return s->doors->host->calls == NULL
               ? err_set(e, STATUS_UNSUPPORTED, "providers of this host call nobody")
               : STATUS_OK;
}

// Providers of 1.x name no link: it is the one of that name, else any for the interface.
static void call_outgoing(void *context, lattice_served *q) {
    provider_side *s = context;
    const host_data_link *l = link_of(s, slice_from_text(s->id), q->invocation.target, &q->invocation);
    lattice_invocation as = q->invocation;
    if (l == NULL) {
        q->transport->fail(q, STATUS_DENIED, "the link has gone");
        return;
    }
    as.source = slice_from_text(s->id);
    as.source_host = slice_from_text(s->doors->host->host_id);
    as.source_issuer = slice_empty();
    as.link = l->name;
    lattice_relay(q, s->doors->host->calls, &as, NULL);
}

// --- who calls it ------------------------------------------------------------------------------------------

status provider_side_check(const provider_side *s, const lattice_invocation *i, err *e) {
    const host_data_link *l = link_of(s, i->source, slice_from_text(s->id), i);
    if (l == NULL || !slice_equal(l->name, i->link)) {
        return err_set(e, STATUS_DENIED, "%.*s has no link \"%.*s\" to %s for %.*s", SLICE_ARG(i->source),
                       SLICE_ARG(i->link), s->id, SLICE_ARG(i->instance));
    }
    return STATUS_OK;
}

void provider_side_call(provider_side *s, lattice_served *q) {
    lattice_relay(q, wrpc_transport(s->wrpc), &q->invocation, &s->relays);
}

// --- links -------------------------------------------------------------------------------------------------

static void target_free(target *t) {
    wrpc_export_stop(&t->export);
    list_remove(&t->node);
    mem_free(t->id);
    mem_free(t);
}

static target *find_target(const provider_side *s, slice id) {
    for (list_node *n = s->targets.next; n != &s->targets; n = n->next) {
        target *t = LIST_ENTRY(n, target, node);
        if (slice_equal_text(id, t->id)) {
            return t;
        }
    }
    return NULL;
}

// One that cannot be made is not there: calls to it find nobody.
static void add_target(provider_side *s, slice id) {
    target *t = find_target(s, id);
    if (t == NULL) {
        t = MEM_NEW(target);
        t->id = mem_slice_dup(id);
        list_push_back(&s->targets, &t->node);
        (void)!wrpc_export_start_any(s->wrpc, &t->export, id, NULL);
    }
    t->is_wanted = true;
}

void provider_side_want(provider_side *s, const provider_wants *w) {
    s->wants = w;
    for (list_node *n = s->targets.next; n != &s->targets; n = n->next) {
        LIST_ENTRY(n, target, node)->is_wanted = false;
    }
    for (size_t i = 0; i < w->link_count; i++) {
        const host_data_link *l = &w->links[i];
        bool is_again =
            i > 0 && slice_equal(l[-1].source_id, l->source_id) && slice_equal(l[-1].target, l->target);
        if (slice_equal_text(l->source_id, s->id) && !is_again) {
            add_target(s, l->target);
        }
    }
    for (list_node *n = s->targets.next, *next = n->next; n != &s->targets; n = next, next = n->next) {
        if (!LIST_ENTRY(n, target, node)->is_wanted) {
            target_free(LIST_ENTRY(n, target, node));
        }
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

static status make_key(provider_side *s, err *e) {
    buf_init(&s->jwt, JWT_BYTES_MAX);
    TRY(nkey_generate(NKEY_USER, &s->key, e));
    TRY(nkey_seed_text(s->key, &s->seed, e));
    return bus_door_write_jwt(s->key, slice_from_text(s->id), &s->jwt) == STATUS_OK
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "the id of provider %s is too long", s->id);
}

static status make_bus(provider_side *s, err *e) {
    const providers_options *h = s->doors->host;
    const bus_local_options local = {.l = h->loop,
                                     .random = random_u64(),
                                     .subscriber_bytes_max = SUBSCRIBER_BYTES_MAX,
                                     .queued_bytes_max = QUEUED_BYTES_MAX,
                                     .stored_bytes_max = STORED_BYTES_MAX};
    TRY(bus_local_new(&local, &s->bus, e));
    s->server =
        (lattice_server){.context = s, .paths = paths, .check = check_outgoing, .call = call_outgoing};
    const wrpc_options o = {.bus = s->bus,
                            .loop = h->loop,
                            .lattice = slice_from_text(h->lattice),
                            .server = &s->server,
                            .random = {random_u64(), random_u64()}};
    return wrpc_new(&o, &s->wrpc, e);
}

// Nobody else is on this bus, so this forbids nothing that would be heard; it tells what is tried.
static status make_user(provider_side *s, err *e) {
    const char *lattice = s->doors->host->lattice;
    char calls[BUS_SUBJECT_BYTES_MAX], told[BUS_SUBJECT_BYTES_MAX], served[BUS_SUBJECT_BYTES_MAX];
    (void)snprintf(calls, sizeof calls, "%s.*.wrpc.>", lattice);
    (void)snprintf(told, sizeof told, "wasmbus.rpc.%s.>", lattice);
    (void)snprintf(served, sizeof served, "%s.%s.wrpc.>", lattice, s->id);
    const slice publish[] = {slice_from_text(calls)};
    const slice subscribe[] = {slice_from_text(told), slice_from_text(served), slice_from_text("_INBOX.>")};
    const nkey_public key = nkey_public_of(s->key);
    const bus_door_user_options o = {.name = slice_from_text(s->id),
                                     .b = s->bus,
                                     .key = &key,
                                     .publish = {publish, 1},
                                     .subscribe = {subscribe, 3},
                                     .may_answer = true,
                                     .connections_max = CONNECTIONS_MAX};
    return bus_door_add_user(s->doors->door, &o, &s->user, e);
}

status provider_side_new(provider_doors *doors, slice id, provider_side **ret, err *e) {
    provider_side *s = MEM_NEW(provider_side);
    s->doors = doors;
    s->id = mem_slice_dup(id);
    list_init(&s->targets);
    list_init(&s->relays);
    status made = make_key(s, e);
    made = made == STATUS_OK ? make_bus(s, e) : made;
    made = made == STATUS_OK ? make_user(s, e) : made;
    if (made != STATUS_OK) {
        provider_side_free(s);
        return made;
    }
    *ret = s;
    return STATUS_OK;
}

void provider_side_free(provider_side *s) {
    if (s == NULL) {
        return;
    }
    bus_door_remove_user(s->user);
    while (!list_empty(&s->targets)) {
        target_free(LIST_ENTRY(s->targets.next, target, node));
    }
    lattice_relay_end_all(&s->relays, STATUS_CLOSED, "the provider is stopped");
    wrpc_free(s->wrpc);
    bus_free(s->bus);
    nkey_free(s->key);
    secret_free(&s->seed);
    buf_done(&s->jwt);
    mem_free(s->id);
    mem_free(s);
}

bus *provider_side_bus(provider_side *s) { return s->bus; }
slice provider_side_url(const provider_side *s) { return slice_from_text(s->doors->url); }
slice provider_side_jwt(const provider_side *s) { return buf_slice(&s->jwt); }
slice provider_side_seed(const provider_side *s) { return secret_slice(&s->seed); }
