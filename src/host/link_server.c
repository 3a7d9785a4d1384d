// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "host/link_server_internal.h"
#include "host/switch_connector.h"
#include "os/random.h"

enum { PROBLEMS_BYTES_MAX = 16 << 10 };

typedef struct call { // of a worker, until its answer
    driver_call base;
    served_link *link;
    uint32_t number;
    attached *worker; // NULL: it is gone
    rpc_request *request;
    list_node node; // of the worker
} call;

// --- calls -------------------------------------------------------------------------------------------------

static void on_answered(driver_call *base, status code, slice payload, const err *e) {
    call *c = (call *)base;
    served_link *l = c->link;
    l->calls--;
    if (c->worker != NULL) {
        c->worker->call_counts[c->number]--;
    }
    list_remove(&c->node);
    if (code == STATUS_OK) {
        rpc_answer(c->request, payload);
    } else {
        rpc_fail(c->request, code, "%s", e != NULL ? e->message : status_name(code));
    }
    mem_free(c);
    served_link_close_unused(l);
}

static served_link *find_link(const link_session *s, const rpc_message *m) {
    served_link *l = m->target < s->count ? s->places[m->target].link : NULL;
    return l != NULL && served_link_has_interface(l, m->interface) ? l : NULL;
}

// Nobody may hold more than is left over, so that a worker that was taken over cannot keep the others from
// it.
static bool has_room(const attached *a, uint32_t number, const served_link *l) {
    return a->call_counts[number] < LINK_SERVER_CALLS_MAX - l->calls;
}

static void on_call(void *arg, rpc_request *q) {
    attached *a = arg;
    const rpc_message *m = rpc_request_message(q);
    served_link *l = find_link(a->session, m);
    if (l == NULL) {
        rpc_fail(q, STATUS_DENIED, "there is no such link");
    } else if (!has_room(a, m->target, l)) {
        rpc_fail(q, STATUS_LIMIT, "%u calls through this link are waiting already", l->calls);
    } else {
        call *c = MEM_NEW(call);
        c->base = (driver_call){.interface = m->interface,
                                .function = m->function,
                                .payload = m->payload,
                                .deadline_ns = rpc_request_deadline_ns(q),
                                .end = on_answered};
        c->link = l;
        c->number = m->target;
        c->worker = a;
        c->request = q;
        rpc_request_set_data(q, c);
        l->calls++;
        a->call_counts[m->target]++;
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

// --- workers -----------------------------------------------------------------------------------------------

static void detach(attached *a) {
    link_orphan_deliveries(a);
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

status link_session_attach(link_session *s, int fd, err *e) {
    attached *a = MEM_NEW(attached);
    const rpc_handler handler = {
        .arg = a, .on_call = on_call, .on_cancel = on_cancel, .on_closed = on_closed};
    a->session = s;
    a->call_counts = mem_calloc(s->count + 1u, sizeof *a->call_counts);
    list_init(&a->calls);
    status made = rpc_new(s->server->place.loop, fd, NULL, &handler, &a->rpc, e);
    if (made != STATUS_OK) {
        mem_free(a->call_counts);
        mem_free(a);
        return made;
    }
    list_push_back(&s->workers, &a->node);
    return STATUS_OK;
}

// --- links of a session ------------------------------------------------------------------------------------

static void refer(served_link **at, served_link *l) {
    served_link *before = *at;
    *at = l;
    if (l != NULL) {
        l->references++;
    }
    if (before != NULL) {
        before->references--;
        served_link_close_unused(before);
    }
}

static void settle(link_session *s, uint32_t number, status code, const err *e) {
    link_place *p = &s->places[number];
    served_link *l = p->candidate;
    loop_timer_stop(&p->patience);
    if (code == STATUS_OK && l != NULL) {
        refer(&p->link, l);
    }
    refer(&p->candidate, NULL);
    if (s->options.on_put != NULL) {
        s->options.on_put(s->options.context, number, code, e);
    }
}

static void judge(link_session *s, uint32_t number, const driver_health *h) {
    err e = {0};
    if (h->state == DRIVER_UP) {
        settle(s, number, STATUS_OK, NULL);
    } else if (h->state == DRIVER_DOWN) {
        err_set(&e, STATUS_CLOSED, "%s", h->reason);
        settle(s, number, STATUS_CLOSED, &e);
    }
}

static void on_impatient(void *arg) {
    link_place *p = arg;
    err e;
    err_set(&e, STATUS_TIMEOUT, "its backend was not reached within %d s", LINK_SERVER_PUT_MS_MAX / 1000);
    settle(p->session, (uint32_t)(p - p->session->places), STATUS_TIMEOUT, &e);
}

static void on_health(void *context, served_link *l, const driver_health *h) {
    link_server *server = context;
    for (list_node *n = server->sessions.next; n != &server->sessions; n = n->next) {
        link_session *s = LIST_ENTRY(n, link_session, node);
        for (uint32_t i = 0; i < s->count; i++) {
            if (s->places[i].candidate == l) {
                judge(s, i, h);
            }
            if (s->places[i].link == l && s->options.on_health != NULL) {
                s->options.on_health(s->options.context, i, h);
            }
        }
    }
}

static void on_lost(void *context, served_link *l, status why, const char *what) {
    link_server *server = context;
    for (list_node *n = server->sessions.next; n != &server->sessions; n = n->next) {
        link_session *s = LIST_ENTRY(n, link_session, node);
        for (uint32_t i = 0; i < s->count; i++) {
            if (s->places[i].link == l && s->options.on_lost != NULL) {
                s->options.on_lost(s->options.context, i, why, what);
                return;
            }
        }
    }
}

static bool is_in(const link_session *s, const served_link *l) {
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->places[i].link == l) {
            return true;
        }
    }
    return false;
}

// One that is open and not of this session: two places of a session never share one.
static served_link *find_same(const link_session *s, const host_link *wanted) {
    list_node *head = &s->server->links;
    for (list_node *n = head->next; n != head; n = n->next) {
        served_link *l = LIST_ENTRY(n, served_link, node);
        if (!l->is_closing && host_link_is_same(&l->config, wanted) && !is_in(s, l)) {
            return l;
        }
    }
    return NULL;
}

static status open_link(link_session *s, host_link *config, served_link **ret, err *e) {
    TRY(served_link_open(&s->server->place, config, s->options.connector, ret, e));
    (*ret)->way = s;
    list_push_back(&s->server->links, &(*ret)->node);
    return STATUS_OK;
}

static status take_link(link_session *s, uint32_t number, host_link *config, err *e) {
    link_place *p = &s->places[number];
    served_link *l = find_same(s, config);
    p->was_kept = l != NULL;
    if (l == NULL) {
        TRY(open_link(s, config, &l, e));
    }
    refer(&p->link, l);
    return STATUS_OK;
}

static status take_all(link_session *s, host_links *links, err *e) {
    auto_buf problems;
    status first = STATUS_OK;
    buf_init(&problems, PROBLEMS_BYTES_MAX);
    for (uint32_t i = 0; i < s->count; i++) {
        err why;
        status opened = take_link(s, i, &links->items[i], &why);
        if (opened != STATUS_OK) {
            const host_link *l = &links->items[i];
            first = first == STATUS_OK ? opened : first;
            (void)!buf_append_format(&problems, "%slink \"%s\" to %s: %s", problems.len > 0 ? "\n" : "",
                                     l->name, l->target, why.message);
        }
    }
    return first == STATUS_OK ? STATUS_OK : err_set(e, first, "%.*s", SLICE_ARG(buf_slice(&problems)));
}

uint32_t link_session_count(const link_session *s) { return s->count; }
bool link_session_was_kept(const link_session *s, uint32_t link) { return s->places[link].was_kept; }

bool link_session_health(const link_session *s, uint32_t link, driver_health *ret) {
    const served_link *l = s->places[link].link;
    if (l != NULL) {
        l->driver->health(l->opened, ret);
    }
    return l != NULL;
}

bool link_session_serves(const link_session *s, slice workload, uint32_t *ret_link) {
    bool is_served = false;
    for (list_node *n = s->workers.next; n != &s->workers; n = n->next) {
        const attached *a = LIST_ENTRY(n, attached, node);
        is_served = is_served || (!a->is_ending && rpc_is_open(a->rpc));
    }
    for (uint32_t i = 0; is_served && i < s->count; i++) {
        const served_link *l = s->places[i].link;
        if (l != NULL && slice_equal_text(workload, l->config.workload)) {
            *ret_link = i;
            return true;
        }
    }
    return false;
}

const char *link_session_workload(const link_session *s, uint32_t link) {
    const served_link *l = link < s->count ? s->places[link].link : NULL;
    return l == NULL ? NULL : l->config.workload;
}

void link_session_put(link_session *s, host_link *config) {
    uint32_t number = config->number;
    served_link *l = NULL;
    driver_health h;
    err e = {0};
    if (number >= s->count || s->places[number].candidate != NULL) {
        err_set(&e, number >= s->count ? STATUS_NOT_FOUND : STATUS_LIMIT, "%s",
                number >= s->count ? "there is no such link" : "it is being changed already");
        host_link_done(config);
        s->options.on_put(s->options.context, number, e.code, &e);
        return;
    }
    status opened = open_link(s, config, &l, &e);
    host_link_done(config);
    if (opened != STATUS_OK) {
        s->options.on_put(s->options.context, number, opened, &e);
        return;
    }
    refer(&s->places[number].candidate, l);
    loop_timer_start_in(&s->places[number].patience, LINK_SERVER_PUT_MS_MAX * 1000000ull);
    l->driver->health(l->opened, &h);
    judge(s, number, &h);
}

void link_session_cut(link_session *s, uint32_t link) {
    if (link >= s->count) {
        return;
    }
    if (s->places[link].candidate != NULL) { // else it would come back with its backend
        err e;
        err_set(&e, STATUS_CANCELLED, "the link was cut");
        settle(s, link, STATUS_CANCELLED, &e);
    }
    refer(&s->places[link].link, NULL);
}

// --- sessions ----------------------------------------------------------------------------------------------

static link_session *newest_with(link_server *server, const served_link *l) {
    for (list_node *n = server->sessions.prev; n != &server->sessions; n = n->prev) {
        link_session *s = LIST_ENTRY(n, link_session, node);
        if (is_in(s, l)) {
            return s;
        }
    }
    return NULL;
}

// What its supervisor connected goes on with that of another session.
static void leave_ways(link_session *gone) {
    list_node *head = &gone->server->links;
    for (list_node *n = head->next; n != head; n = n->next) {
        served_link *l = LIST_ENTRY(n, served_link, node);
        if (l->way == gone && l->connector != NULL) {
            link_session *next = newest_with(gone->server, l);
            l->way = next;
            switch_connector_set(l->connector, next == NULL ? NULL : next->options.connector);
        }
    }
}

void link_session_free(link_session *s) {
    if (s == NULL) {
        return;
    }
    list_remove(&s->node);
    s->server->session_count--;
    while (!list_empty(&s->workers)) {
        detach(LIST_ENTRY(s->workers.next, attached, node));
    }
    leave_ways(s);
    for (uint32_t i = 0; i < s->count; i++) {
        loop_timer_stop(&s->places[i].patience);
        refer(&s->places[i].candidate, NULL);
        refer(&s->places[i].link, NULL);
    }
    mem_free(s->places);
    mem_free(s);
}

status link_session_new(link_server *server, const link_session_options *options, host_links *links,
                        link_session **ret, err *e) {
    if (server->session_count == LINK_SERVER_SESSIONS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d sessions", LINK_SERVER_SESSIONS_MAX);
    }
    link_session *s = MEM_NEW(link_session);
    s->server = server;
    s->options = *options;
    s->count = (uint32_t)links->count;
    s->places = mem_calloc(links->count + 1, sizeof *s->places);
    list_init(&s->workers);
    for (uint32_t i = 0; i < s->count; i++) {
        s->places[i].session = s;
        loop_timer_init(&s->places[i].patience, server->place.loop, on_impatient, &s->places[i]);
    }
    list_push_back(&server->sessions, &s->node);
    server->session_count++;
    status opened = take_all(s, links, e);
    host_links_done(links);
    if (opened != STATUS_OK) {
        link_session_free(s);
        return opened;
    }
    *ret = s;
    return STATUS_OK;
}

// --- the whole ---------------------------------------------------------------------------------------------

link_server *link_server_new(const link_server_options *options) {
    link_server *s = MEM_NEW(link_server);
    s->place = (served_link_place){
        .loop = options->loop,
        .roots = options->roots,
        .directory = options->directory,
        .drivers = options->drivers != NULL ? options->drivers : driver_all(),
        .context = options->context,
        .shared = &s->shared,
        .events = {s, on_health, link_deliver, link_deliver_cancel, link_end_deliveries, on_lost},
    };
    random_fill(&s->place.random, sizeof s->place.random);
    list_init(&s->links);
    list_init(&s->shared);
    list_init(&s->sessions);
    return s;
}

static void on_patience_over(void *arg) { (void)arg; } // it has ended the wait

// Requests of connections that were cut are cancelled; drivers answer them soon, and only then may a link be
// closed.
void link_server_free(link_server *s, uint64_t wait_ns) {
    if (s == NULL) {
        return;
    }
    while (!list_empty(&s->sessions)) {
        link_session_free(LIST_ENTRY(s->sessions.next, link_session, node));
    }
    loop_timer patience;
    loop_timer_init(&patience, s->place.loop, on_patience_over, NULL);
    loop_timer_start_in(&patience, wait_ns);
    while (!list_empty(&s->links) && loop_timer_is_active(&patience)) {
        loop_turn(s->place.loop, true);
    }
    loop_timer_stop(&patience);
    if (list_empty(&s->links)) { // else drivers still refer to it, and the process ends anyway
        mem_free(s);
    }
}
