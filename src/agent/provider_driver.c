// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_driver.h"

#include "agent/provider_driver_blobs.h"
#include "agent/provider_driver_links.h"
#include "base/mem.h"
#include "host/drivers.h"
#include "host/log.h"
#include "lattice/wrpc_names.h"
#include "net/rpc.h"
#include "os/clock.h"

enum {
    SESSIONS_MAX = 3, // that end, beside the one that holds; one more begins
    TROUBLE_BYTES_MAX = 64 << 10,
    TRIES_MAX = 64, // of single links, when all together cannot be opened
};
#define TRIES_NS_MAX 2000000000ull      // of all of these: the loop waits for them
#define DELIVERY_NS_MAX 600000000000ull // of a call without a deadline

typedef struct session { // with the process
    provider_driver *owner;
    list_node node; // of those that end
    provider_driver_links links;
    drivers *drivers;
    rpc *rpc; // NULL: the process is gone, and not back yet
    bool is_ending;
} session;

struct provider_driver {
    provider_driver_options options;
    char *id;
    driver_process process;
    session *current; // NULL: there are no links
    provider_wants wants;
    bool has_wants;
    list_node ending;
    list_node calls, blobs, deliveries;
};

// --- calls to the driver -----------------------------------------------------------------------------------

typedef struct driver_use { // a call that is served
    list_node node;
    lattice_served *q;
    rpc_call call;
} driver_use;

static void use_free(driver_use *u) {
    list_remove(&u->node);
    rpc_call_cancel(&u->call);
    mem_free(u);
}

static void on_use_ended(lattice_served *q, status code) {
    (void)code;
    if (q->data != NULL) {
        use_free(q->data);
        q->data = NULL;
    }
}

static const lattice_served_ops use_ops = {.ended = on_use_ended};

static void on_answered(void *arg, const rpc_result *r) {
    driver_use *u = arg;
    lattice_served *q = u->q;
    q->data = NULL;
    use_free(u);
    if (r->code == STATUS_OK) {
        q->transport->answer(q, r->payload);
    } else {
        q->transport->fail(q, r->code, r->e->message);
    }
}

static status find_way(void *context, const lattice_invocation *i, slice interface, rpc **ret,
                       uint32_t *ret_number, err *e) {
    const provider_driver *d = context;
    const host_link *l = d->current == NULL
                             ? NULL
                             : provider_driver_links_find(&d->current->links, i->source, i->link, interface);
    if (l == NULL) {
        return err_set(e, STATUS_DENIED, "%.*s has no link \"%.*s\" to %s for %.*s", SLICE_ARG(i->source),
                       SLICE_ARG(i->link), d->id, SLICE_ARG(interface));
    }
    if (d->current->rpc == NULL) {
        return err_set(e, STATUS_CLOSED, "the process of %s is being started anew", d->id);
    }
    *ret = d->current->rpc;
    *ret_number = l->number;
    return STATUS_OK;
}

static status begin_use(provider_driver *d, lattice_served *q, slice interface, err *e) {
    const lattice_invocation *i = &q->invocation;
    rpc_message m = {0, interface, i->function, i->params};
    rpc *way = NULL;
    TRY(find_way(d, i, interface, &way, &m.target, e));
    driver_use *u = MEM_NEW(driver_use);
    u->q = q;
    list_push_back(&d->calls, &u->node);
    status s = rpc_call_start(way, &u->call, &m, i->deadline_ns, on_answered, u, e);
    if (s != STATUS_OK) {
        use_free(u);
        return s;
    }
    q->data = u;
    return STATUS_OK;
}

void provider_driver_call(provider_driver *d, lattice_served *q) {
    const wrpc_local_name name = wrpc_names_from_wire(q->invocation.instance);
    err e = {0};
    if (name.kind == WRPC_BLOBSTORE) {
        provider_driver_blobs_serve(q, d->options.host->loop, find_way, d, &d->blobs);
        return;
    }
    q->ops = &use_ops;
    q->data = NULL;
    if (begin_use(d, q, name.interface, &e) != STATUS_OK) {
        q->transport->fail(q, e.code, e.message);
    }
}

status provider_driver_check(provider_driver *d, const lattice_invocation *i, err *e) {
    rpc *way = NULL;
    uint32_t number = 0;
    return find_way(d, i, wrpc_names_from_wire(i->instance).interface, &way, &number, e);
}

// --- calls of the driver -----------------------------------------------------------------------------------

typedef struct delivery {
    lattice_call base; // first: it is one
    list_node node;
    rpc_request *q;
    wrpc_wire_names names;
    char *texts; // what the invocation points at
    buf results;
} delivery;

static void delivery_free(delivery *x) {
    list_remove(&x->node);
    lattice_call_cancel(&x->base);
    buf_done(&x->results);
    mem_free(x->texts);
    mem_free(x);
}

static void on_results(lattice_call *c, slice results) {
    (void)!buf_append(&((delivery *)(void *)c)->results, results);
}

static void on_delivered(lattice_call *c, status code, const err *e) {
    delivery *x = (delivery *)(void *)c;
    // Not found is what workers say that end: nobody would be asked again then.
    if (code == STATUS_OK) {
        rpc_answer(x->q, buf_slice(&x->results));
    } else {
        rpc_fail(x->q, code == STATUS_NOT_FOUND ? STATUS_LIMIT : code, "%s", e->message);
    }
    delivery_free(x);
}

static const lattice_call_ops delivery_ops = {.on_results = on_results, .ended = on_delivered};

static slice keep(char **at, slice text) {
    if (text.len > 0) {
        memcpy(*at, text.data, text.len);
    }
    slice kept = slice_of(*at, text.len);
    *at += text.len;
    return kept;
}

static delivery *make_delivery(provider_driver *d, const host_link *l, rpc_request *q) {
    const rpc_message *m = rpc_request_message(q);
    const slice id = slice_from_text(d->id), target = slice_from_text(l->workload);
    const slice link = slice_from_text(l->name);
    delivery *x = MEM_NEW(delivery);
    char *at = x->texts = mem_alloc(id.len + target.len + link.len + m->function.len + m->payload.len + 1);
    uint64_t deadline = rpc_request_deadline_ns(q);
    x->q = q;
    x->base = (lattice_call){
        .ops = &delivery_ops,
        .invocation = {.source = keep(&at, id),
                       .source_host = slice_from_text(d->options.host->host_id),
                       .link = keep(&at, link),
                       .target = keep(&at, target),
                       .function = keep(&at, m->function),
                       .params = keep(&at, m->payload),
                       .deadline_ns = deadline != UINT64_MAX
                                          ? deadline
                                          : loop_now_ns(d->options.host->loop) + DELIVERY_NS_MAX}};
    buf_init(&x->results, LATTICE_PARAMS_BYTES_MAX);
    list_push_back(&d->deliveries, &x->node);
    rpc_request_set_data(q, x);
    return x;
}

static status deliver(session *s, rpc_request *q, err *e) {
    provider_driver *d = s->owner;
    const rpc_message *m = rpc_request_message(q);
    const host_link *l = provider_driver_links_at(&s->links, m->target);
    wrpc_wire_names names;
    if (l == NULL || !host_link_serves(l, m->interface)) {
        return err_set(e, STATUS_DENIED, "the driver has no link for %.*s there", SLICE_ARG(m->interface));
    }
    if (d->options.host->calls == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "providers of this host call nobody");
    }
    TRY(wrpc_names_to_wire(m->interface, &names, e));
    delivery *x = make_delivery(d, l, q);
    x->names = names;
    x->base.invocation.instance = slice_from_text(x->names.items[0]);
    status started = lattice_call_start(d->options.host->calls, &x->base, e);
    if (started != STATUS_OK) {
        delivery_free(x);
    }
    return started;
}

static void on_call(void *arg, rpc_request *q) {
    err e = {0};
    status s = deliver(arg, q, &e);
    if (s != STATUS_OK) {
        rpc_fail(q, s == STATUS_NOT_FOUND ? STATUS_LIMIT : s, "%s", e.message);
    }
}

static void on_cancel(void *arg, rpc_request *q) {
    delivery *x = rpc_request_data(q);
    (void)arg;
    delivery_free(x);
    rpc_fail(q, STATUS_CANCELLED, "nobody waits for it");
}

// --- sessions ----------------------------------------------------------------------------------------------

static void session_free(session *s) {
    list_remove(&s->node);
    rpc_free(s->rpc);
    drivers_free(s->drivers);
    provider_driver_links_done(&s->links);
    mem_free(s);
}

static void on_closed(void *arg, status why, const err *e) {
    session *s = arg;
    (void)why;
    (void)e;
    rpc_free(s->rpc);
    s->rpc = NULL; // `replaced` brings the next
    if (s->is_ending) {
        session_free(s);
    }
}

static status attach(session *s, err *e) {
    int fd = -1;
    TRY(drivers_connect(s->drivers, &fd, e));
    const rpc_handler h = {.arg = s, .on_call = on_call, .on_cancel = on_cancel, .on_closed = on_closed};
    return rpc_new(s->owner->options.host->loop, fd, NULL, &h, &s->rpc, e);
}

static void on_replaced(void *context) {
    session *s = context;
    err e = {0};
    rpc_free(s->rpc);
    s->rpc = NULL;
    if (attach(s, &e) != STATUS_OK) {
        logger_event(s->owner->options.host->logger, LOG_ERROR, "provider-failed",
                     LOG_FIELDS(LOG_TEXT("provider", slice_from_text(s->owner->id))),
                     "there is no way to the drivers of %s: %s", s->owner->id, e.message);
    }
}

static status session_open(provider_driver *d, provider_driver_links *links, session **ret, err *e) {
    const providers_options *h = d->options.host;
    session *s = MEM_NEW(session);
    s->owner = d;
    s->links = *links;
    *links = (provider_driver_links){0};
    list_init(&s->node);
    const drivers_options o = {.config = &s->links.config,
                               .link_count = s->links.count,
                               .loop = h->loop,
                               .logger = h->logger,
                               .process = &d->process,
                               .directory = h->directory,
                               .replaced = on_replaced,
                               .context = s};
    status made = drivers_new(&o, &s->drivers, e);
    if (made == STATUS_OK) {
        made = attach(s, e);
    }
    if (made != STATUS_OK) {
        session_free(s);
        return made;
    }
    *ret = s;
    return STATUS_OK;
}

static size_t count_ending(const provider_driver *d) {
    size_t count = 0;
    for (const list_node *n = d->ending.next; n != &d->ending; n = n->next) {
        count++;
    }
    return count;
}

static void session_end(session *s) {
    s->is_ending = true;
    list_push_back(&s->owner->ending, &s->node);
    if (s->rpc == NULL) {
        session_free(s);
    } else {
        rpc_close(s->rpc);
    }
}

static void replace(provider_driver *d, session *by) {
    session *before = d->current;
    d->current = by;
    if (before != NULL) {
        session_end(before);
    }
}

// --- links that change -------------------------------------------------------------------------------------

static void log_trouble(const provider_driver *d, buf *trouble) {
    const char *text = buf_text(trouble);
    if (trouble->len > 0 && text != NULL) {
        logger_event(d->options.host->logger, LOG_WARN, "provider-link",
                     LOG_FIELDS(LOG_TEXT("provider", slice_from_text(d->id))), "%s: %s", d->id, text);
    }
}

// The links of `w` without those that are marked.
static status open_without(provider_driver *d, const provider_wants *w, const bool *is_left_out,
                           session **ret, buf *trouble, err *e) {
    host_data_link *kept = mem_calloc(w->link_count + 1, sizeof *kept);
    provider_wants some = *w;
    provider_driver_links links = {0};
    some.links = kept;
    some.link_count = 0;
    for (size_t i = 0; i < w->link_count; i++) {
        if (!is_left_out[i]) {
            kept[some.link_count++] = w->links[i];
        }
    }
    *ret = NULL;
    status s =
        provider_driver_links_read(d->options.driver_name, slice_from_text(d->id), &some, &links, trouble, e);
    if (s == STATUS_OK && links.count > 0) {
        s = session_open(d, &links, ret, e);
    }
    provider_driver_links_done(&links);
    mem_free(kept);
    return s;
}

// One that cannot be opened takes all of its session with it: find out which, each alone.
static void mark_bad(provider_driver *d, const provider_wants *w, bool *is_left_out, buf *trouble) {
    auto_buf said_later;
    bool *others = mem_calloc(w->link_count + 1, sizeof *others);
    buf_init(&said_later, TROUBLE_BYTES_MAX);
    uint64_t end = clock_now_ns() + TRIES_NS_MAX;
    for (size_t i = 0; i < w->link_count && i < TRIES_MAX && clock_now_ns() < end; i++) {
        err why = {0};
        session *alone = NULL;
        memset(others, true, w->link_count);
        others[i] = false;
        if (open_without(d, w, others, &alone, &said_later, &why) != STATUS_OK) {
            is_left_out[i] = true;
            (void)!buf_append_format(trouble, "the link %.*s of %.*s to %.*s is left out: %s\n",
                                     SLICE_ARG(w->links[i].name), SLICE_ARG(w->links[i].source_id),
                                     SLICE_ARG(w->links[i].target), why.message);
        } else if (alone != NULL) {
            session_free(alone);
        }
    }
    mem_free(others);
}

status provider_driver_want(provider_driver *d, provider_wants *w, err *e) {
    auto_buf trouble = {0};
    if (d->has_wants && provider_wants_equal(&d->wants, w)) {
        return STATUS_OK; // what others want has changed
    }
    bool *is_left_out = mem_calloc(w->link_count + 1, sizeof *is_left_out);
    session *made = NULL;
    buf_init(&trouble, TROUBLE_BYTES_MAX);
    while (count_ending(d) >= SESSIONS_MAX - 1) { // the oldest has had its time
        session_free(LIST_ENTRY(d->ending.next, session, node));
    }
    err why = {0};
    status s = open_without(d, w, is_left_out, &made, &trouble, &why);
    if (s != STATUS_OK && w->link_count > 1) {
        buf_clear(&trouble);
        mark_bad(d, w, is_left_out, &trouble);
        s = open_without(d, w, is_left_out, &made, &trouble, &why);
    }
    mem_free(is_left_out);
    log_trouble(d, &trouble);
    if (s != STATUS_OK) {
        return err_set(e, s, "%s", why.message);
    }
    replace(d, made);
    provider_wants_done(&d->wants);
    d->wants = *w;
    d->has_wants = true;
    *w = (provider_wants){0};
    return STATUS_OK;
}

bool provider_driver_is_idle(const provider_driver *d) {
    return list_empty(&d->calls) && list_empty(&d->blobs) && list_empty(&d->deliveries);
}

bool provider_driver_is_healthy(const provider_driver *d) {
    bool is_healthy = true;
    for (uint32_t i = 0; d->current != NULL && is_healthy && i < d->current->links.count; i++) {
        host_link_state state;
        drivers_read_link(d->current->drivers, i, &state);
        is_healthy = strcmp(state.state, "down") != 0;
    }
    return is_healthy;
}

// --- the whole ---------------------------------------------------------------------------------------------

provider_driver *provider_driver_new(const provider_driver_options *options) {
    provider_driver *d = MEM_NEW(provider_driver);
    d->options = *options;
    d->id = mem_slice_dup(options->id);
    driver_process_init(&d->process);
    list_init(&d->ending);
    list_init(&d->calls);
    list_init(&d->blobs);
    list_init(&d->deliveries);
    return d;
}

void provider_driver_free(provider_driver *d) {
    if (d == NULL) {
        return;
    }
    while (!list_empty(&d->calls)) {
        driver_use *u = LIST_ENTRY(d->calls.next, driver_use, node);
        lattice_served *q = u->q;
        q->data = NULL;
        use_free(u);
        q->transport->fail(q, STATUS_CLOSED, "the provider is stopped");
    }
    provider_driver_blobs_end_all(&d->blobs);
    while (!list_empty(&d->deliveries)) {
        delivery *x = LIST_ENTRY(d->deliveries.next, delivery, node);
        rpc_request *q = x->q;
        delivery_free(x);
        rpc_fail(q, STATUS_CLOSED, "the provider is stopped");
    }
    while (!list_empty(&d->ending)) {
        session_free(LIST_ENTRY(d->ending.next, session, node));
    }
    if (d->current != NULL) {
        session_free(d->current);
    }
    driver_process_done(&d->process);
    provider_wants_done(&d->wants);
    mem_free(d->id);
    mem_free(d);
}
