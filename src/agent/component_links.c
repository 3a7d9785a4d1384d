// SPDX-License-Identifier: Apache-2.0
#include "agent/component_links.h"

#include "api/assignment.h"
#include "base/mem.h"
#include "lattice/wrpc_blobstore.h"
#include "lattice/wrpc_names.h"

struct component_links {
    component_links_options options;
    list_node links;
    component_links_counters counters;
};

struct driver_link { // of one component
    component_links *owner;
    char *id;
    driver_link_options options; // what the host is called by
    list_node blobs;
    loop_soon closed;
    list_node node;
};

typedef struct blob_way { // to one provider of objects, by one name of a link
    char *name;
    char *target;
    wrpc_blobs *blobs;
    list_node node;
} blob_way;

typedef struct outgoing { // a call of a component, until its end
    lattice_call base;    // first
    driver_link *link;
    driver_call *call;
    blob_way *way; // NULL unless it is about objects: then `inner` is what goes there
    driver_call inner;
    char *texts; // of the invocation
    wrpc_wire_names names;
    buf results;
} outgoing;

// --- links -------------------------------------------------------------------------------------------------

static driver_link *find_link(const component_links *c, slice id) {
    for (list_node *n = c->links.next; n != &c->links; n = n->next) {
        driver_link *l = LIST_ENTRY(n, driver_link, node);
        if (slice_equal_text(id, l->id)) {
            return l;
        }
    }
    return NULL;
}

bool component_links_have(const component_links *c, slice id) { return find_link(c, id) != NULL; }

static void on_closed(void *arg) {
    driver_link *l = arg;
    driver_link_options o = l->options;
    while (!list_empty(&l->blobs)) {
        blob_way *w = LIST_ENTRY(l->blobs.next, blob_way, node);
        list_remove(&w->node);
        wrpc_blobs_free(w->blobs);
        mem_free(w->name);
        mem_free(w->target);
        mem_free(w);
    }
    list_remove(&l->node);
    mem_free(l->id);
    mem_free(l);
    o.on_closed(o.arg);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    (void)e;
    driver_link *l = MEM_NEW(driver_link);
    *l = (driver_link){.owner = env->context, .id = mem_slice_dup(options->workload), .options = *options};
    list_init(&l->blobs);
    loop_soon_init(&l->closed, on_closed, l);
    list_push_back(&l->owner->links, &l->node);
    *ret = l;
    return STATUS_OK;
}

static void link_close(driver_link *l) { loop_soon_add(l->owner->options.loop, &l->closed); }

static void link_health(const driver_link *l, driver_health *ret) {
    (void)l;
    *ret = (driver_health){.state = DRIVER_UP, .next_try_ns = UINT64_MAX};
}

// --- calls that go out -------------------------------------------------------------------------------------

// "ns:package/interface@version NAME"
typedef struct called {
    slice interface; // with the version
    slice plain;     // without
    slice name;      // of the link
} called;

static bool read_called(slice text, called *ret) {
    size_t space = slice_find(text, 0, ' ');
    if (space == SIZE_MAX) {
        return false;
    }
    slice interface = slice_sub(text, 0, space);
    *ret = (called){.interface = interface,
                    .plain = slice_sub(interface, 0, slice_find(interface, 0, '@')),
                    .name = slice_sub(text, space + 1, SIZE_MAX)};
    return true;
}

status component_links_route(component_links *c, slice id, const component_asked *asked, component_route *ret,
                             err *e) {
    lattice_core *core = c->options.core(c->options.context);
    lattice_component self = {0};
    const lattice_link *link =
        core == NULL ? NULL : lattice_core_route(core, id, asked->name, asked->interface);
    if (link == NULL) {
        c->counters.unlinked++;
        return err_set(e, STATUS_NOT_FOUND, "%.*s has no link named \"%.*s\" for %.*s", SLICE_ARG(id),
                       SLICE_ARG(asked->name), SLICE_ARG(asked->interface));
    }
    (void)lattice_core_component(core, id, &self);
    const gate_question q = {.parts = {[GATE_CALLER] = id,
                                       [GATE_ISSUER] = self.claims.issuer,
                                       [GATE_TARGET] = link->target,
                                       [GATE_INTERFACE] = asked->interface,
                                       [GATE_FUNCTION] = asked->function,
                                       [GATE_LINK] = asked->name}};
    status allowed = gate_check(c->options.gate, &q, e);
    c->counters.denied += allowed != STATUS_OK;
    TRY(allowed);
    *ret = (component_route){link->target, self.claims.issuer, link};
    return STATUS_OK;
}

static void free_outgoing(outgoing *o) {
    o->link->owner->counters.in_flight--;
    mem_free(o->texts);
    buf_done(&o->results);
    mem_free(o);
}

static void on_results(lattice_call *c, slice results) {
    outgoing *o = (outgoing *)c;
    (void)!buf_append(&o->results, results); // a way gives no more than that
}

static void on_ended(lattice_call *c, status code, const err *e) {
    outgoing *o = (outgoing *)c;
    driver_call *call = o->call;
    if (code == STATUS_OK) {
        driver_answer(call, buf_slice(&o->results));
    } else {
        o->link->owner->counters.failed++;
        driver_fail(call, code, "%s", e != NULL ? e->message : status_name(code));
    }
    free_outgoing(o);
}

static const lattice_call_ops call_ops = {.on_results = on_results, .ended = on_ended};

static slice keep_text(char **at, slice s) {
    char *start = *at;
    if (s.len > 0) {
        memcpy(start, s.data, s.len);
    }
    *at += s.len;
    return slice_of((const uint8_t *)start, s.len);
}

// What the core gives is valid until its next input.
static void fill_invocation(outgoing *o, const called *to, slice target, slice issuer) {
    driver_call *c = o->call;
    const component_links_options *options = &o->link->owner->options;
    uint64_t own = loop_now_ns(options->loop) + options->call_ns;
    char *at = o->texts = mem_alloc(target.len + issuer.len + to->name.len + 1);
    o->base.ops = &call_ops;
    o->base.has_results = o->names.has_results;
    o->base.invocation = (lattice_invocation){
        .source = slice_from_text(o->link->id),
        .source_issuer = keep_text(&at, issuer),
        .link = keep_text(&at, to->name),
        .target = keep_text(&at, target),
        .instance = slice_from_text(o->names.items[0]),
        .function = wrpc_names_function(c->function),
        .params = c->payload,
        .deadline_ns = c->deadline_ns < own ? c->deadline_ns : own,
    };
}

static blob_way *find_way(driver_link *l, slice name, slice target) {
    for (list_node *n = l->blobs.next; n != &l->blobs; n = n->next) {
        blob_way *w = LIST_ENTRY(n, blob_way, node);
        if (slice_equal_text(name, w->name) && slice_equal_text(target, w->target)) {
            return w;
        }
    }
    const component_links_options *options = &l->owner->options;
    blob_way *w = MEM_NEW(blob_way);
    *w = (blob_way){.name = mem_slice_dup(name), .target = mem_slice_dup(target)};
    const wrpc_blobs_options o = {.loop = options->loop,
                                  .transport = options->calls,
                                  .invocation = {.source = slice_from_text(l->id),
                                                 .link = slice_from_text(w->name),
                                                 .target = slice_from_text(w->target)},
                                  .call_ns = options->call_ns};
    w->blobs = wrpc_blobs_new(&o);
    list_push_back(&l->blobs, &w->node);
    return w;
}

static void on_blob_ended(driver_call *inner, status code, slice payload, const err *e) {
    outgoing *o = inner->host;
    driver_call *call = o->call;
    o->link->owner->counters.failed += code != STATUS_OK;
    free_outgoing(o);
    call->end(call, code, payload, e);
}

static void send_blob(outgoing *o, const called *to, slice target) {
    o->way = find_way(o->link, to->name, target);
    o->inner = *o->call;
    o->inner.interface = to->plain;
    o->inner.end = on_blob_ended;
    o->inner.host = o;
    wrpc_blobs_call(o->way->blobs, &o->inner);
}

static status send_call(outgoing *o, const called *to, err *e) {
    const component_links_options *options = &o->link->owner->options;
    const component_asked asked = {to->plain, to->name, o->call->function};
    component_route route;
    TRY(component_links_route(o->link->owner, slice_from_text(o->link->id), &asked, &route, e));
    TRY(wrpc_names_to_wire(to->interface, &o->names, e));
    if (o->names.kind == WRPC_BLOBSTORE) {
        send_blob(o, to, route.target);
        return STATUS_OK;
    }
    fill_invocation(o, to, route.target, route.issuer);
    o->base.invocation.is_idempotent =
        lattice_core_may_repeat(options->core(options->context), route.link, o->base.invocation.function);
    return lattice_call_start(options->calls, &o->base, e);
}

static void link_call(driver_link *l, driver_call *c) {
    called to;
    err e;
    outgoing *o = MEM_NEW(outgoing);
    *o = (outgoing){.link = l, .call = c};
    buf_init(&o->results, LATTICE_PARAMS_BYTES_MAX);
    l->owner->counters.calls++;
    l->owner->counters.in_flight++;
    c->data = o;
    status s =
        read_called(c->interface, &to) ? STATUS_OK : err_set(&e, STATUS_INVALID, "the call names no link");
    s = s == STATUS_OK ? send_call(o, &to, &e) : s;
    if (s != STATUS_OK) {
        l->owner->counters.failed++;
        free_outgoing(o);
        driver_fail(c, s, "%s", e.message);
    }
}

static void link_cancel(driver_link *l, driver_call *c) {
    outgoing *o = c->data;
    (void)l;
    if (o->way != NULL) { // it answers
        o->inner.is_cancelled = true;
        wrpc_blobs_cancel(o->way->blobs, &o->inner);
        return;
    }
    lattice_call_cancel(&o->base);
    free_outgoing(o);
    driver_fail(c, STATUS_CANCELLED, "it was given up");
}

static const char *const any_interface[] = {DRIVER_ANY, NULL};
static const driver_setting no_settings[] = {{NULL, NULL, false, false}};
const driver component_link_driver = {
    .version = DRIVER_VERSION,
    .name = ASSIGNMENT_DRIVER,
    .interfaces = any_interface,
    .settings = no_settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = link_call,
    .cancel = link_cancel,
    .health = link_health,
};

// --- calls that come in ------------------------------------------------------------------------------------

status component_links_deliver(component_links *c, slice id, driver_delivery *d, err *e) {
    driver_link *l = find_link(c, id);
    if (l == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "%.*s does not run here", SLICE_ARG(id));
    }
    return l->options.deliver(l->options.arg, d, e);
}

void component_links_deliver_cancel(component_links *c, slice id, driver_delivery *d) {
    driver_link *l = find_link(c, id);
    if (l != NULL) { // else it went with its link
        l->options.deliver_cancel(l->options.arg, d);
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

component_links *component_links_new(const component_links_options *options) {
    component_links *c = MEM_NEW(component_links);
    c->options = *options;
    list_init(&c->links);
    return c;
}

void component_links_free(component_links *c) { mem_free(c); }

component_links_counters component_links_count(const component_links *c) { return c->counters; }
