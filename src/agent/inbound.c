// SPDX-License-Identifier: Apache-2.0
#include "agent/inbound.h"

#include "base/mem.h"
#include "component/component.h"
#include "host/delivery.h"
#include "lattice/wrpc_http.h"
#include "lattice/wrpc_names.h"

struct inbound {
    inbound_options options;
    component_links *components;
    providers *providers;
    lattice_server server;
    inbound_counters counters;
};

typedef struct incoming { // a call of a component, until its end
    driver_delivery base; // first
    inbound *owner;
    lattice_served *served;
    buf payload;
    char interface[WRPC_INSTANCE_BYTES_MAX];
    bool is_under_way; // in a worker
} incoming;

enum { PAYLOAD_BYTES_MAX = LATTICE_PARAMS_BYTES_MAX + DELIVERY_CALLER_BYTES_MAX };

// --- what there is -----------------------------------------------------------------------------------------

// The export that a call of that instance means, whose version may be a newer one that is compatible.
static bool is_export(const component_export *x, const wrpc_local_name *name, slice function) {
    slice plain, wanted = name->interface;
    semver has = {0}, wants = {0};
    bool is_versioned = component_name_split(x->interface, &plain, &has);
    if (!slice_equal(plain, wanted) || !slice_equal(wrpc_names_function(x->function), function)) {
        return false;
    }
    return name->version.len == 0 || !is_versioned ||
           (semver_parse(name->version, &wants) && semver_compatible(&has, &wants));
}

static const component_export *find_export(const inbound *i, slice target, const wrpc_local_name *name,
                                           slice function) {
    const component_facts *f = i->options.facts(i->options.context, target);
    for (size_t k = 0; f != NULL && k < f->export_count; k++) {
        if (is_export(&f->exports[k], name, function)) {
            return &f->exports[k];
        }
    }
    return NULL;
}

static bool is_provider(const inbound *i, slice target) { return providers_has(i->providers, target); }

bool inbound_serves(const inbound *i, slice target) {
    return is_provider(i, target) || (i->options.facts(i->options.context, target) != NULL &&
                                      component_links_have(i->components, target));
}

static bool paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    const inbound *i = context;
    wrpc_local_name name = wrpc_names_from_wire(instance);
    *ret_up = *ret_down = (lattice_paths){0};
    if (is_provider(i, target)) {
        const lattice_server *s = providers_server(i->providers);
        return s->paths(s->context, target, instance, function, ret_up, ret_down);
    }
    if (name.kind == WRPC_HTTP) {
        // The version on the wire says nothing of the component's. One that is linked as where requests go
        // gets them as any others.
        const wrpc_local_name handler = {.kind = WRPC_HTTP,
                                         .interface = SLICE_LITERAL("wasi:http/incoming-handler")};
        bool is_out;
        *ret_up = *ret_down = wrpc_http_paths();
        return wrpc_http_is(instance, function, &is_out) &&
               find_export(i, target, &handler, function) != NULL;
    }
    return name.kind == WRPC_PLAIN && find_export(i, target, &name, function) != NULL;
}

// --- who may -----------------------------------------------------------------------------------------------

// A call that names its link must be by that one: rules may be about it. Providers of 1.x name none.
static bool is_by(const lattice_link *l, const lattice_invocation *i) {
    return slice_equal(l->target, i->target) && (i->link.len == 0 || slice_equal(l->name, i->link));
}

static bool is_linked(const lattice_core *core, const lattice_invocation *i, slice interface) {
    const lattice_link *links;
    size_t count = lattice_core_links_from(core, i->source, &links);
    for (size_t k = 0; k < count; k++) {
        const lattice_link *l = &links[k];
        for (size_t n = 0; n < l->interfaces.count && is_by(l, i); n++) {
            size_t at = l->ns.len + 1 + l->package.len + 1;
            bool is = interface.len == at + l->interfaces.items[n].len &&
                      slice_equal(slice_sub(interface, 0, l->ns.len), l->ns) &&
                      slice_equal(slice_sub(interface, l->ns.len + 1, at - 1), l->package) &&
                      slice_equal(slice_sub(interface, at, SIZE_MAX), l->interfaces.items[n]);
            if (is) {
                return true;
            }
        }
    }
    return false;
}

// Hosts of 1.x check nothing of the kind, and `wash call` calls without a link.
static status check(void *context, const lattice_invocation *asked, err *e) {
    const inbound *i = context;
    wrpc_local_name name = wrpc_names_from_wire(asked->instance);
    const lattice_core *core = i->options.core(i->options.context);
    bool is_old = asked->source_host.len == 0;
    if (core == NULL || (!is_old && !is_linked(core, asked, name.interface))) {
        return err_set(e, STATUS_DENIED, "%.*s has no link to %.*s for %.*s", SLICE_ARG(asked->source),
                       SLICE_ARG(asked->target), SLICE_ARG(name.interface));
    }
    const gate_question q = {.parts = {[GATE_CALLER] = asked->source,
                                       [GATE_ISSUER] = asked->source_issuer,
                                       [GATE_TARGET] = asked->target,
                                       [GATE_INTERFACE] = name.interface,
                                       [GATE_FUNCTION] = asked->function,
                                       [GATE_LINK] = asked->link}};
    return gate_check(i->options.gate, &q, e);
}

// --- a call of a component ---------------------------------------------------------------------------------

static void on_delivered(driver_delivery *base, status code, slice payload, const err *e) {
    incoming *c = (incoming *)base;
    lattice_served *q = c->served;
    c->is_under_way = false;
    if (code == STATUS_OK) {
        q->transport->answer(q, payload);
    } else {
        c->owner->counters.failed++;
        q->transport->fail(q, code, e != NULL ? e->message : status_name(code));
    }
}

static void on_ended(lattice_served *q, status code) {
    incoming *c = q->data;
    (void)code;
    if (c->is_under_way) {
        component_links_deliver_cancel(c->owner->components, q->invocation.target, &c->base);
    }
    c->owner->counters.in_flight--;
    buf_done(&c->payload);
    mem_free(c);
}

static const lattice_served_ops served_ops = {.ended = on_ended};

static void fail(incoming *c, status code, const char *why) {
    c->owner->counters.failed++;
    c->served->transport->fail(c->served, code, why);
}

static status fill(incoming *c, const component_export *x, err *e) {
    const lattice_invocation *i = &c->served->invocation;
    const delivery_caller caller = {.name = i->source, .issuer = i->source_issuer, .link = i->link};
    buf_init(&c->payload, PAYLOAD_BYTES_MAX);
    TRY(delivery_caller_write(&caller, &c->payload, e));
    if (buf_append(&c->payload, i->params) != STATUS_OK || x->interface.len >= sizeof c->interface) {
        return err_set(e, STATUS_LIMIT, "the parameters have more than %d bytes", LATTICE_PARAMS_BYTES_MAX);
    }
    memcpy(c->interface, x->interface.data, x->interface.len);
    c->base = (driver_delivery){.interface = slice_of((uint8_t *)c->interface, x->interface.len),
                                .function = i->function,
                                .payload = buf_slice(&c->payload),
                                .deadline_ns = i->deadline_ns,
                                .ended = on_delivered};
    return STATUS_OK;
}

static void call_component(inbound *i, lattice_served *q) {
    const lattice_invocation *asked = &q->invocation;
    wrpc_local_name name = wrpc_names_from_wire(asked->instance);
    const component_export *x = find_export(i, asked->target, &name, asked->function);
    incoming *c = MEM_NEW(incoming);
    err e;
    *c = (incoming){.owner = i, .served = q};
    q->ops = &served_ops;
    q->data = c;
    i->counters.calls++;
    i->counters.in_flight++;
    status s = x != NULL ? fill(c, x, &e) : err_set(&e, STATUS_NOT_FOUND, "it does not run here any more");
    s = s == STATUS_OK ? component_links_deliver(i->components, asked->target, &c->base, &e) : s;
    if (s != STATUS_OK) { // nothing was started, so another host may have it
        fail(c, s == STATUS_CLOSED ? STATUS_NOT_FOUND : s, e.message);
        return;
    }
    c->is_under_way = true;
}

static void end_unserved(lattice_served *q, status code) { (void)q, (void)code; }

static void call_over_http(inbound *i, lattice_served *q) {
    http_client *client = http_ways_to(i->options.ways, q->invocation.target);
    const wrpc_http_serve_options o = {.loop = i->options.loop, .client = client, .is_inside = true};
    i->counters.calls++;
    if (client != NULL) {
        wrpc_http_serve(q, &o);
        return;
    }
    static const lattice_served_ops none = {.ended = end_unserved};
    q->ops = &none;
    q->transport->fail(q, STATUS_LIMIT, "too many components are called over HTTP");
}

static void call(void *context, lattice_served *q) {
    inbound *i = context;
    if (is_provider(i, q->invocation.target)) {
        const lattice_server *s = providers_server(i->providers);
        i->counters.calls++;
        s->call(s->context, q);
    } else if (wrpc_names_from_wire(q->invocation.instance).kind == WRPC_HTTP) {
        call_over_http(i, q);
    } else {
        call_component(i, q);
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

inbound *inbound_new(const inbound_options *options) {
    inbound *i = MEM_NEW(inbound);
    *i = (inbound){.options = *options, .server = {i, paths, check, call}};
    return i;
}

void inbound_use(inbound *i, component_links *components, providers *p) {
    i->components = components;
    i->providers = p;
}

void inbound_free(inbound *i) { mem_free(i); }
const lattice_server *inbound_server(const inbound *i) { return &i->server; }
inbound_counters inbound_count(const inbound *i) { return i->counters; }
