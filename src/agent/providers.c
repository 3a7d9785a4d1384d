// SPDX-License-Identifier: Apache-2.0
#include "agent/providers.h"

#include <stdio.h>

#include "agent/provider_driver.h"
#include "agent/provider_http.h"
#include "agent/provider_life.h"
#include "agent/provider_process.h"
#include "agent/provider_side.h"
#include "base/mem.h"
#include "deploy/images.h"
#include "lattice/relay.h"
#include "lattice/within.h"
#include "os/fd.h"
#include "os/random.h"

#define STOP_LOOK_NS 10000000ull

typedef struct provider_entry {
    providers *all;
    list_node node;
    char *id;
    int program_fd;
    provider_process *process;
    provider_life *life;
    provider_side *side;     // behind the door; NULL: on the bus of the options
    provider_driver *driver; // in place of these: it is one of ours
    provider_http *http;     // likewise
    bool is_ours, is_stopping;
    bool was_healthy;
    loop_timer health_timer;
    loop_timer stop_timer; // of one of ours: looks whether its calls have ended
    uint64_t stop_ns;      // when it ends whatever is under way
    err why;               // it could not be started
    loop_soon soon;        // started, or failed
} provider_entry;

struct providers {
    providers_options options;
    nkey *host_xkey;
    list_node entries;
    size_t count;
    uint64_t restarts;
    lattice_server server;
    lattice_within *within;
    provider_doors *doors; // NULL: there is a bus for them
};

static provider_entry *find(const providers *p, slice id) {
    for (list_node *n = p->entries.next; n != &p->entries; n = n->next) {
        provider_entry *x = LIST_ENTRY(n, provider_entry, node);
        if (slice_equal_text(id, x->id)) {
            return x;
        }
    }
    return NULL;
}

static slice id_of(const provider_entry *x) { return slice_from_text(x->id); }

// --- what they tell ----------------------------------------------------------------------------------------

static void on_said(void *arg, slice line) {
    provider_entry *x = arg;
    const providers_options *o = &x->all->options;
    if (o->ops->said != NULL) {
        o->ops->said(o->arg, id_of(x), line);
    }
}

static void on_health(void *arg, providers_health h) {
    provider_entry *x = arg;
    const providers_options *o = &x->all->options;
    if (o->ops->health != NULL) {
        o->ops->health(o->arg, id_of(x), h);
    }
}

static void on_restarting(void *arg, const char *how, uint64_t wait_ns) {
    provider_entry *x = arg;
    x->all->restarts++;
    const providers_options *o = &x->all->options;
    if (o->ops->ended != NULL) {
        o->ops->ended(o->arg, id_of(x), how, wait_ns);
    }
}

static void on_ended(void *arg, const char *how) {
    provider_entry *x = arg;
    provider_life_ended(x->life, how);
}

// --- entries -----------------------------------------------------------------------------------------------

static status spawn(void *arg, slice line, err *e) {
    provider_entry *x = arg;
    return provider_process_spawn(x->process, x->program_fd, x->id, line, e);
}

static void kill_process(void *arg) {
    provider_entry *x = arg;
    provider_process_kill(x->process);
}

static void entry_free(provider_entry *x) {
    list_remove(&x->node);
    x->all->count--;
    loop_soon_cancel(&x->soon);
    loop_timer_stop(&x->health_timer);
    loop_timer_stop(&x->stop_timer);
    provider_driver_free(x->driver);
    provider_http_free(x->http);
    provider_life_free(x->life); // before the bus that it uses
    provider_side_free(x->side);
    provider_process_free(x->process);
    fd_close(x->program_fd);
    mem_free(x->id);
    mem_free(x);
}

// Frees it before anybody is told, so that it can be put again from there.
static void leave(provider_entry *x, bool has_failed) {
    const providers_options *o = &x->all->options;
    char *id = x->id;
    err why = x->why;
    x->id = NULL;
    entry_free(x);
    if (has_failed && o->ops->failed != NULL) {
        o->ops->failed(o->arg, slice_from_text(id), &why);
    } else if (!has_failed && o->ops->stopped != NULL) {
        o->ops->stopped(o->arg, slice_from_text(id));
    }
    mem_free(id);
}

static void on_soon(void *arg) {
    provider_entry *x = arg;
    const providers_options *o = &x->all->options;
    if (x->why.code != STATUS_OK) {
        leave(x, true);
    } else if (!x->is_stopping && o->ops->started != NULL) {
        o->ops->started(o->arg, id_of(x));
    }
}

static void on_stopped(void *arg) { leave(arg, false); }

// --- programs ----------------------------------------------------------------------------------------------

static status make_program(provider_entry *x, int program_fd, err *e) {
    const providers_options *o = &x->all->options;
    const provider_process_owner of_process = {.arg = x, .said = on_said, .ended = on_ended};
    const provider_life_options life = {
        .host = o,
        .bus = x->side != NULL ? provider_side_bus(x->side) : o->bus,
        .url = x->side != NULL ? provider_side_url(x->side) : slice_from_text(o->url),
        .jwt = x->side != NULL ? provider_side_jwt(x->side) : slice_from_text(o->jwt),
        .seed = x->side != NULL ? provider_side_seed(x->side) : slice_from_text(o->seed),
        .is_bus_shared = x->side == NULL && o->is_bus_shared,
        .id = id_of(x),
        .host_xkey = x->all->host_xkey,
        .random = random_u64(),
        .owner = {.arg = x,
                  .spawn = spawn,
                  .kill = kill_process,
                  .health = on_health,
                  .restarting = on_restarting,
                  .stopped = on_stopped},
    };
    TRY(fd_duplicate(program_fd, &x->program_fd, e));
    x->process = provider_process_new(o->loop, &of_process);
    return provider_life_new(&life, &x->life, e);
}

static void look_at_links(provider_entry *x) {
    if (x->side != NULL) {
        provider_side_want(x->side, provider_life_wants(x->life));
    }
}

// What cannot be executed is told from the loop, like the start.
static status start_program(provider_entry *x, const providers_wanted *wanted, provider_wants *wants,
                            err *e) {
    if (x->all->doors != NULL) {
        TRY(provider_side_new(x->all->doors, id_of(x), &x->side, e));
    }
    TRY(make_program(x, wanted->program_fd, e));
    if (provider_life_start(x->life, wants, &x->why) != STATUS_OK) {
        err_wrap(&x->why, "%.*s", SLICE_ARG(wanted->image));
    }
    look_at_links(x);
    loop_soon_add(x->all->options.loop, &x->soon);
    return STATUS_OK;
}

// --- ours --------------------------------------------------------------------------------------------------

static bool is_healthy(const provider_entry *x) {
    return x->driver != NULL ? provider_driver_is_healthy(x->driver)
           : x->http != NULL ? provider_http_is_healthy(x->http)
                             : true;
}

static void look_at_health(void *arg) {
    provider_entry *x = arg;
    if (x->http != NULL) {
        provider_http_retry(x->http);
    }
    bool now = is_healthy(x), was = x->was_healthy;
    x->was_healthy = now;
    loop_timer_start_in(&x->health_timer, PROVIDER_HEALTH_NS);
    on_health(x, now == was ? PROVIDERS_HEALTH_SAME : now ? PROVIDERS_HEALTHY : PROVIDERS_UNHEALTHY);
}

static bool is_idle(const provider_entry *x) {
    return (x->driver == NULL || provider_driver_is_idle(x->driver)) &&
           (x->http == NULL || provider_http_is_idle(x->http));
}

static void look_at_stop(void *arg) {
    provider_entry *x = arg;
    if (is_idle(x) || loop_now_ns(x->all->options.loop) >= x->stop_ns) {
        leave(x, false);
    } else {
        loop_timer_start_in(&x->stop_timer, STOP_LOOK_NS);
    }
}

// What is under way has the same time as a program to end.
static void stop_ours(provider_entry *x) {
    const providers_options *o = &x->all->options;
    uint64_t delay = o->shutdown_delay_ns != 0 ? o->shutdown_delay_ns : PROVIDER_SHUTDOWN_NS_DEFAULT;
    loop_timer_stop(&x->health_timer);
    if (x->http != NULL) {
        provider_http_drain(x->http);
    }
    x->stop_ns = loop_now_ns(o->loop) + delay;
    loop_timer_init(&x->stop_timer, o->loop, look_at_stop, x);
    loop_timer_start_in(&x->stop_timer, 0);
}

static status want_ours(provider_entry *x, provider_wants *wants, err *e) {
    return x->driver != NULL ? provider_driver_want(x->driver, wants, e)
           : x->http != NULL ? provider_http_want(x->http, wants, e)
                             : STATUS_OK;
}

static status start_ours(provider_entry *x, const providers_wanted *wanted, provider_wants *wants, err *e) {
    const image_reference image = image_parse(wanted->image);
    const providers_options *o = &x->all->options;
    x->is_ours = true;
    if (image.role == PROVIDER_DRIVER) {
        if (o->logger == NULL || o->directory == NULL) {
            return err_set(e, STATUS_UNSUPPORTED, "this host has no drivers");
        }
        const provider_driver_options d = {.host = o, .id = id_of(x), .driver_name = image.driver};
        x->driver = provider_driver_new(&d);
    } else if (image.role == PROVIDER_HTTP_SERVER) {
        x->http = provider_http_new(o, id_of(x));
    } else {
        return err_set(
            e, STATUS_UNSUPPORTED,
            "%.*s is no provider here: components make their requests themselves, where their host allows it",
            SLICE_ARG(wanted->image));
    }
    if (want_ours(x, wants, &x->why) != STATUS_OK) {
        err_wrap(&x->why, "%.*s", SLICE_ARG(wanted->image));
    }
    loop_timer_init(&x->health_timer, o->loop, look_at_health, x);
    loop_timer_start_in(&x->health_timer, PROVIDER_HEALTH_FIRST_NS);
    loop_soon_add(o->loop, &x->soon);
    return STATUS_OK;
}

// --- calls to them -----------------------------------------------------------------------------------------

static bool paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    return providers_serves(context, target) && lattice_relay_paths(instance, function, ret_up, ret_down);
}

static status check(void *context, const lattice_invocation *i, err *e) {
    const provider_entry *x = find(context, i->target);
    if (x == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "the provider does not run here any more");
    }
    return x->side != NULL ? provider_side_check(x->side, i, e) : provider_driver_check(x->driver, i, e);
}

static void call(void *context, lattice_served *q) {
    const provider_entry *x = find(context, q->invocation.target);
    if (x != NULL && x->driver != NULL) {
        provider_driver_call(x->driver, q);
    } else if (x != NULL && x->side != NULL) {
        provider_side_call(x->side, q);
    } else {
        q->transport->fail(q, STATUS_NOT_FOUND, "the provider does not run here any more");
    }
}

lattice_transport *providers_transport(providers *p) { return lattice_within_transport(p->within); }
const lattice_server *providers_server(providers *p) { return &p->server; }

// --- all of them -------------------------------------------------------------------------------------------

static bool is_id(slice id) {
    bool is_good = id.len > 0 && id.len <= LATTICE_ID_BYTES_MAX;
    for (size_t i = 0; is_good && i < id.len; i++) {
        uint8_t c = id.data[i];
        is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c == '-';
    }
    return is_good;
}

static status check_wanted(const providers *p, const providers_wanted *w, err *e) {
    if (!is_id(w->id)) {
        return err_set(e, STATUS_INVALID, "the id of a provider has 1 to %d letters, digits, '_' and '-'",
                       LATTICE_ID_BYTES_MAX);
    }
    if (p->count >= PROVIDERS_MAX) {
        return err_set(e, STATUS_LIMIT, "%d providers run here already; that is all that one host takes",
                       PROVIDERS_MAX);
    }
    if (w->program_fd < 0 && !providers_is_builtin(w->image)) {
        return err_set(e, STATUS_NOT_FOUND, "%.*s is no program, and none of ours", SLICE_ARG(w->image));
    }
    return STATUS_OK;
}

static status add(providers *p, const providers_wanted *wanted, provider_wants *wants, err *e) {
    TRY(check_wanted(p, wanted, e));
    provider_entry *x = MEM_NEW(provider_entry);
    x->all = p;
    x->id = mem_slice_dup(wanted->id);
    x->program_fd = -1;
    loop_soon_init(&x->soon, on_soon, x);
    list_push_back(&p->entries, &x->node);
    p->count++;
    status s = wanted->program_fd >= 0 ? start_program(x, wanted, wants, e) : start_ours(x, wanted, wants, e);
    if (s != STATUS_OK) {
        entry_free(x);
    }
    return s;
}

status providers_put(providers *p, const providers_wanted *wanted, err *e) {
    provider_entry *x = find(p, wanted->id);
    provider_wants wants = {0};
    if (x != NULL && x->is_stopping) {
        return err_set(e, STATUS_EXISTS, "provider %s is ending; start it again when it has", x->id);
    }
    TRY(provider_wants_copy(wanted, &wants, e));
    status s = STATUS_OK;
    if (x != NULL && x->is_ours) {
        s = want_ours(x, &wants, e);
    } else if (x != NULL) {
        provider_life_want(x->life, &wants);
        look_at_links(x);
    } else {
        s = add(p, wanted, &wants, e);
    }
    provider_wants_done(&wants);
    return s;
}

static void stop(provider_entry *x) {
    bool was_stopping = x->is_stopping;
    x->is_stopping = true;
    if (x->life != NULL) {
        provider_life_stop(x->life);
    } else if (!was_stopping) {
        stop_ours(x);
    }
}

void providers_stop(providers *p, slice id) {
    provider_entry *x = find(p, id);
    if (x != NULL) {
        stop(x);
    }
}

void providers_stop_all(providers *p) {
    for (list_node *n = p->entries.next; n != &p->entries; n = n->next) {
        stop(LIST_ENTRY(n, provider_entry, node));
    }
}

size_t providers_count(const providers *p) { return p->count; }
uint64_t providers_restarts(const providers *p) { return p->restarts; }
bus_door_counts providers_door_count(const providers *p) {
    return p->doors == NULL ? (bus_door_counts){0} : provider_doors_count(p->doors);
}
bool providers_has(const providers *p, slice id) { return find(p, id) != NULL; }
bool providers_serves(const providers *p, slice id) {
    const provider_entry *x = find(p, id);
    return x != NULL && !x->is_stopping && (x->driver != NULL || x->side != NULL);
}
bool providers_is_builtin(slice image) { return image_parse(image).role != PROVIDER_NONE; }

status providers_new(const providers_options *options, providers **ret, err *e) {
    nkey *xkey = NULL;
    TRY(nkey_generate(NKEY_CURVE, &xkey, e));
    providers *p = MEM_NEW(providers);
    p->options = *options;
    p->host_xkey = xkey;
    list_init(&p->entries);
    p->server = (lattice_server){.context = p, .paths = paths, .check = check, .call = call};
    p->within = lattice_within_new(options->loop, &p->server);
    if (options->bus == NULL && provider_doors_new(&p->options, &p->doors, e) != STATUS_OK) {
        providers_free(p);
        return err_wrap(e, "the door for providers");
    }
    *ret = p;
    return STATUS_OK;
}

void providers_free(providers *p) {
    if (p == NULL) {
        return;
    }
    while (!list_empty(&p->entries)) {
        entry_free(LIST_ENTRY(p->entries.next, provider_entry, node));
    }
    lattice_within_free(p->within);
    provider_doors_free(p->doors);
    nkey_free(p->host_xkey);
    mem_free(p);
}
