// SPDX-License-Identifier: Apache-2.0
#include "agent/wanted_providers.h"

#include <stdio.h>

#include "agent/provider_desired.h"
#include "agent/provider_image.h"
#include "base/mem.h"
#include "loop/work.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/whole_file.h"

enum { OPENING_MAX = 4, WANTED_BYTES_MAX = 8 << 20, TEXT_BYTES_MAX = 512 };

typedef enum state { STATE_FETCH, STATE_OPEN, STATE_READY, STATE_ENDING } state;

typedef struct record { // of a provider
    wanted_providers *owner;
    char *id;
    uint64_t generation;
    state state;
    images_fetch *fetch;
    loop_work work; // opens the image
    char *path;
    status opened;
    err why;
    bool has_image;
    provider_image image;
    bool runs;
    bool is_dropped; // while `work` has it
    list_node node;
} record;

struct wanted_providers {
    wanted_providers_options options;
    providers *providers;
    loop_work_pool *pool;
    list_node list;
    loop_soon soon;
    bool is_stopped;
};

// --- records -----------------------------------------------------------------------------------------------

static record *find(const wanted_providers *w, slice id) {
    for (list_node *n = w->list.next; n != &w->list; n = n->next) {
        record *r = LIST_ENTRY(n, record, node);
        if (slice_equal_text(id, r->id) && !r->is_dropped) {
            return r;
        }
    }
    return NULL;
}

static void free_record(record *r) {
    if (r->fetch != NULL) {
        images_cancel(r->fetch);
    }
    if (loop_work_is_active(&r->work)) {
        r->is_dropped = true; // freed when that is done
        return;
    }
    if (r->has_image) {
        provider_image_done(&r->image);
    }
    list_remove(&r->node);
    mem_free(r->path);
    mem_free(r->id);
    mem_free(r);
}

static const token_claims *claims_of(const record *r) {
    return r->has_image ? provider_image_claims(&r->image) : NULL;
}

static void tell_core(record *r, const char *failure) {
    const wanted_providers_options *o = &r->owner->options;
    lattice_core_provider_is(o->core, o->now(o->context), slice_from_text(r->id), r->generation,
                             failure == NULL ? claims_of(r) : NULL, failure);
}

static void fail(record *r, const char *why) {
    tell_core(r, why);
    free_record(r);
}

// --- images ------------------------------------------------------------------------------------------------

static void run_open(void *arg) { // on another thread
    record *r = arg;
    const wanted_providers_options *o = &r->owner->options;
    const provider_image_rules rules = {
        .trust = o->trust, .allows_unsigned = o->allows_unsigned, .now_s = clock_wall_now().seconds};
    auto_buf bytes = {0};
    r->opened = file_read_whole(r->path, o->image_bytes_max, &bytes, &r->why);
    if (r->opened == STATUS_OK) {
        r->opened = provider_image_open(buf_slice(&bytes), &rules, &r->image, &r->why);
    }
}

static void on_opened(void *arg) {
    record *r = arg;
    wanted_providers *w = r->owner;
    r->has_image = !r->work.was_cancelled && r->opened == STATUS_OK;
    if (r->is_dropped) {
        free_record(r);
    } else if (!r->has_image) {
        fail(r, r->why.message);
    } else {
        r->state = STATE_READY;
        wanted_providers_look(w);
    }
}

static void on_fetched(void *arg, status code, const char *path, const char *why) {
    record *r = arg;
    r->fetch = NULL;
    if (code != STATUS_OK) {
        fail(r, why);
        return;
    }
    r->path = mem_text_dup(path);
    r->state = STATE_OPEN;
    if (loop_work_start(r->owner->pool, &r->work, run_open, on_opened, r, &r->why) != STATUS_OK) {
        fail(r, r->why.message);
    }
}

static void begin(wanted_providers *w, const lattice_provider *p) {
    record *r = MEM_NEW(record);
    err e;
    *r = (record){.owner = w, .id = mem_slice_dup(p->id), .generation = p->generation};
    list_push_back(&w->list, &r->node);
    if (providers_is_builtin(p->ref)) {
        r->state = STATE_READY;
        wanted_providers_look(w);
    } else if (images_start(w->options.images, p->ref, on_fetched, r, &r->fetch, &e) != STATUS_OK) {
        fail(r, e.message);
    }
}

// --- what is wanted ----------------------------------------------------------------------------------------

static void on_skipped(void *context, const lattice_link *l) {
    const wanted_providers *w = context;
    char text[TEXT_BYTES_MAX];
    (void)snprintf(text, sizeof text, "its link \"%.*s\" from %.*s needs a secret that this host cannot have",
                   SLICE_ARG(slice_sub(l->name, 0, 100)), SLICE_ARG(slice_sub(l->source, 0, 100)));
    w->options.log(w->options.context, LOG_WARN, l->target, text);
}

static void put(record *r, const lattice_provider *p) {
    wanted_providers *w = r->owner;
    providers_wanted wanted;
    arena memory;
    err e;
    arena_init(&memory, WANTED_BYTES_MAX);
    status s = provider_desired_read(w->options.core, p, NULL, on_skipped, w, &memory, &wanted, &e);
    if (s == STATUS_OK) {
        wanted.program_fd = r->has_image ? r->image.program_fd : -1;
        s = providers_put(w->providers, &wanted, &e);
    }
    arena_done(&memory);
    if (s != STATUS_OK && !r->runs) {
        fail(r, e.message);
    } else if (s != STATUS_OK) {
        w->options.log(w->options.context, LOG_WARN, p->id, e.message);
    }
}

static void look_at(wanted_providers *w, const lattice_provider *p) {
    record *r = find(w, p->id);
    if (!p->is_wanted && r == NULL) {
        lattice_core_provider_ended(w->options.core, w->options.now(w->options.context), p->id, "stop");
    } else if (!p->is_wanted && r->state != STATE_ENDING) {
        bool is_here = providers_has(w->providers, p->id);
        r->state = STATE_ENDING;
        if (is_here) {
            w->options.ended(w->options.context, p->id);
            providers_stop(w->providers, p->id);
        } else {
            free_record(r);
            wanted_providers_look(w);
        }
    } else if (p->is_wanted && r == NULL) {
        begin(w, p);
    } else if (p->is_wanted && r->state == STATE_READY) {
        r->generation = p->generation;
        put(r, p);
    }
}

// What is told to the core changes its list, and has it looked at again.
static void look(void *arg) {
    wanted_providers *w = arg;
    lattice_provider p;
    for (size_t i = 0; lattice_core_provider_at(w->options.core, i, &p); i++) {
        look_at(w, &p);
    }
}

void wanted_providers_look(wanted_providers *w) {
    if (!w->is_stopped) {
        loop_soon_add(w->options.loop, &w->soon);
    }
}

void wanted_providers_stop(wanted_providers *w) {
    w->is_stopped = true;
    loop_soon_cancel(&w->soon);
}

bool wanted_providers_is_idle(const wanted_providers *w) { return loop_work_pool_is_idle(w->pool); }

// --- what becomes of it ------------------------------------------------------------------------------------

static void on_started(void *arg, slice id) {
    wanted_providers *w = arg;
    record *r = find(w, id);
    if (r != NULL) {
        r->runs = true;
        w->options.runs(w->options.context, id, claims_of(r));
        tell_core(r, NULL);
        wanted_providers_look(w);
    }
}

static void on_failed(void *arg, slice id, const err *why) {
    wanted_providers *w = arg;
    record *r = find(w, id);
    if (r != NULL) {
        fail(r, why->message);
    }
}

static void on_health(void *arg, slice id, providers_health h) {
    const wanted_providers *w = arg;
    lattice_provider p;
    bool is_known = lattice_core_provider(w->options.core, id, &p);
    bool is_healthy = h == PROVIDERS_HEALTHY || (h == PROVIDERS_HEALTH_SAME && is_known && p.is_healthy);
    lattice_core_provider_health(w->options.core, w->options.now(w->options.context), id, is_healthy);
}

static void on_stopped(void *arg, slice id) {
    wanted_providers *w = arg;
    record *r = find(w, id);
    if (r != NULL) {
        free_record(r);
    }
    lattice_core_provider_ended(w->options.core, w->options.now(w->options.context), id, "stop");
    wanted_providers_look(w);
}

static void on_ended(void *arg, slice id, const char *how, uint64_t wait_ns) {
    const wanted_providers *w = arg;
    char text[TEXT_BYTES_MAX];
    (void)snprintf(text, sizeof text, "it ended by %s, and is started again in %llu ms", how,
                   (unsigned long long)(wait_ns / 1000000u));
    w->options.log(w->options.context, LOG_WARN, id, text);
}

static void on_said(void *arg, slice id, slice line) {
    const wanted_providers *w = arg;
    char text[TEXT_BYTES_MAX];
    (void)snprintf(text, sizeof text, "%.*s", SLICE_ARG(slice_sub(line, 0, TEXT_BYTES_MAX - 1)));
    w->options.log(w->options.context, LOG_INFO, id, text);
}

const providers_ops wanted_providers_ops = {on_started, on_failed, on_health, on_stopped, on_ended, on_said};

// --- the whole ---------------------------------------------------------------------------------------------

status wanted_providers_new(const wanted_providers_options *options, wanted_providers **ret, err *e) {
    loop_work_pool *pool;
    TRY(loop_work_pool_new(options->loop, OPENING_MAX, PROVIDERS_MAX, &pool, e));
    wanted_providers *w = MEM_NEW(wanted_providers);
    w->options = *options;
    w->pool = pool;
    list_init(&w->list);
    loop_soon_init(&w->soon, look, w);
    *ret = w;
    return STATUS_OK;
}

void wanted_providers_use(wanted_providers *w, providers *p) { w->providers = p; }

void wanted_providers_free(wanted_providers *w) {
    if (w == NULL) {
        return;
    }
    wanted_providers_stop(w);
    while (!loop_work_pool_is_idle(w->pool)) {
        loop_turn(w->options.loop, true);
    }
    while (!list_empty(&w->list)) {
        free_record(LIST_ENTRY(w->list.next, record, node));
    }
    loop_work_pool_free(w->pool);
    mem_free(w);
}
