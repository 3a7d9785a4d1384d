// SPDX-License-Identifier: Apache-2.0
#include "agent/components.h"

#include <stdio.h>
#include <unistd.h>

#include "agent/component_http.h"
#include "api/assignment.h"
#include "base/mem.h"
#include "host/links.h"

enum { BATCH_MAX = 64, TEXT_BYTES_MAX = 1 << 10, VALUES_ARENA_BYTES = 8 << 20 };
#define RETRY_NS 2000000000ull

typedef struct batch { // what was found out at one time
    arena memory;
    size_t users;
} batch;

typedef struct image { // of a component
    char *ref;         // as it was asked for
    char *path;        // of the file; NULL: not fetched
    batch *batch;      // NULL: not checked
    const component_facts *facts;
    uint64_t serial;
} image;

typedef enum step { STEP_NONE, STEP_FETCH, STEP_FETCHED, STEP_CHECK, STEP_FAILED } step; // of the next image

typedef struct record { // of a component
    components *owner;
    char *id;
    uint64_t generation; // of the wish
    uint32_t instances;  // 0: it is to end
    image next;          // on its way
    step step;
    images_fetch *fetch;
    char *failure;  // with STEP_FAILED
    image ready;    // to be assigned
    image assigned; // in the assignment that is on its way
    uint64_t assigned_generation;
    uint32_t assigned_instances;
    image running;
    uint64_t running_generation; // 0: none
    uint32_t running_instances;
    bool is_wanted; // the core has it
} record;

struct components {
    components_options options;
    local_host *host;
    record **items; // by id
    size_t count;
    uint64_t serial; // of the last image that was checked
    bool is_checking, is_assigning, is_stopped;
    buf text; // of the assignment that runs
    buf text_on_way;
    loop_soon soon;
    loop_timer retry;
};

// --- images ------------------------------------------------------------------------------------------------

static void image_done(image *i) {
    mem_free(i->ref);
    mem_free(i->path);
    if (i->batch != NULL && --i->batch->users == 0) {
        arena_done(&i->batch->memory);
        mem_free(i->batch);
    }
    *i = (image){0};
}

static image image_copy(const image *i) {
    image copy = {.ref = i->ref == NULL ? NULL : mem_text_dup(i->ref),
                  .path = i->path == NULL ? NULL : mem_text_dup(i->path),
                  .batch = i->batch,
                  .facts = i->facts,
                  .serial = i->serial};
    if (copy.batch != NULL) {
        copy.batch->users++;
    }
    return copy;
}

static void image_set(image *to, const image *from) {
    image copy = image_copy(from);
    image_done(to);
    *to = copy;
}

// --- records -----------------------------------------------------------------------------------------------

static size_t place_of(const components *c, slice id, bool *ret_is_there) {
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(slice_from_text(c->items[middle]->id), id);
        if (order == 0) {
            *ret_is_there = true;
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    *ret_is_there = false;
    return low;
}

static record *find(const components *c, slice id) {
    bool is_there;
    size_t at = place_of(c, id, &is_there);
    return is_there ? c->items[at] : NULL;
}

static record *find_or_add(components *c, slice id) {
    bool is_there;
    size_t at = place_of(c, id, &is_there);
    if (is_there) {
        return c->items[at];
    }
    record *r = MEM_NEW(record);
    *r = (record){.owner = c, .id = mem_slice_dup(id)};
    c->items = mem_resize(c->items, (c->count + 1) * sizeof(record *));
    memmove(&c->items[at + 1], &c->items[at], (c->count - at) * sizeof(record *));
    c->items[at] = r;
    c->count++;
    return r;
}

static void stop_next(record *r) {
    if (r->fetch != NULL) {
        images_cancel(r->fetch);
        r->fetch = NULL;
    }
    image_done(&r->next);
    mem_free(r->failure);
    r->failure = NULL;
    r->step = STEP_NONE;
}

static void free_record(record *r) {
    stop_next(r);
    image_done(&r->ready);
    image_done(&r->assigned);
    image_done(&r->running);
    mem_free(r->id);
    mem_free(r);
}

static void tell_core(record *r, const char *failure) {
    const components_options *o = &r->owner->options;
    const component_facts *f = r->running.facts;
    const token_claims *claims = f != NULL && f->has_claims && r->instances > 0 ? &f->claims : NULL;
    lattice_core_component_is(o->core, o->now(o->context), slice_from_text(r->id), r->generation, claims,
                              failure);
}

static void fail(record *r, const char *why) {
    stop_next(r);
    tell_core(r, why);
    components_look(r->owner);
}

// --- fetching ----------------------------------------------------------------------------------------------

static void on_fetched(void *arg, status code, const char *path, const char *why) {
    record *r = arg;
    r->fetch = NULL;
    if (code != STATUS_OK) {
        fail(r, why);
        return;
    }
    r->next.path = mem_text_dup(path);
    r->step = STEP_FETCHED;
    components_look(r->owner);
}

static void fetch(record *r, slice ref) {
    err e;
    r->next.ref = mem_slice_dup(ref);
    r->step = STEP_FETCH;
    if (images_start(r->owner->options.images, ref, on_fetched, r, &r->fetch, &e) != STATUS_OK) {
        r->step = STEP_FAILED;
        r->failure = mem_text_dup(e.message);
    }
}

static void begin(record *r, slice ref) {
    stop_next(r);
    if (r->ready.ref == NULL || !slice_equal_text(ref, r->ready.ref)) {
        fetch(r, ref);
    }
}

// Not while the core's list is gone through: being told of a failure changes it.
static void tell_failures(components *c) {
    for (size_t i = 0; i < c->count; i++) {
        record *r = c->items[i];
        if (r->step == STEP_FAILED) {
            char *why = r->failure;
            r->failure = NULL;
            fail(r, why);
            mem_free(why);
        }
    }
}

// Somebody has removed kept images: they are fetched again, and whoever has none any more fails alone.
static bool fetch_what_is_gone(components *c) {
    bool is_any = false;
    for (size_t i = 0; i < c->count; i++) {
        record *r = c->items[i];
        bool is_gone = r->ready.path != NULL && r->instances > 0 && access(r->ready.path, R_OK) != 0;
        is_any = is_any || is_gone;
        if (is_gone && r->step == STEP_NONE) {
            fetch(r, slice_from_text(r->ready.ref));
        }
    }
    tell_failures(c);
    return is_any;
}

// --- what is wanted ----------------------------------------------------------------------------------------

static void take_wish(components *c, const lattice_component *w) {
    record *r = find_or_add(c, w->id);
    r->is_wanted = true;
    if (r->generation == w->generation) {
        return;
    }
    r->generation = w->generation;
    r->instances = w->max_instances;
    if (r->instances == 0) {
        stop_next(r);
    } else {
        begin(r, w->ref);
    }
}

// Whoever is not in the core's list is to end, so each of the list is seen.
static void take_wishes(components *c) {
    lattice_component w;
    for (size_t i = 0; i < c->count; i++) {
        c->items[i]->is_wanted = false;
    }
    for (size_t i = 0; lattice_core_component_at(c->options.core, i, &w); i++) {
        take_wish(c, &w);
    }
    size_t kept = 0;
    for (size_t i = 0; i < c->count; i++) {
        record *r = c->items[i];
        if (r->is_wanted || (r->running_generation != 0 && r->running.path != NULL)) {
            r->instances = r->is_wanted ? r->instances : 0;
            c->items[kept++] = r;
        } else {
            free_record(r);
        }
    }
    c->count = kept;
    tell_failures(c);
}

// --- checking ----------------------------------------------------------------------------------------------

static status add_checked(host_config *config, const components *c, const record *r, err *e) {
    workload_config *w;
    TRY(host_config_add_workload(config, &w, e));
    w->name = mem_text_dup(r->id);
    w->component_path = mem_text_dup(r->next.path);
    w->limits.instances_max = 1;
    w->is_unsigned = c->options.allows_unsigned;
    return STATUS_OK;
}

static void check_next(components *c) {
    host_config config;
    err e;
    status s = STATUS_OK;
    if (c->is_checking || c->is_stopped) {
        return;
    }
    host_config_init(&config);
    for (size_t i = 0; i < c->count && config.workload_count < BATCH_MAX && s == STATUS_OK; i++) {
        record *r = c->items[i];
        if (r->step == STEP_FETCHED) {
            s = add_checked(&config, c, r, &e);
            r->step = STEP_CHECK;
        }
    }
    if (config.workload_count > 0) {
        s = s == STATUS_OK ? local_host_check(c->host, &config, &e) : s;
        c->is_checking = s == STATUS_OK;
        if (s != STATUS_OK) {
            components_checked(c, NULL, NULL, 0, s, e.message);
        }
    }
    host_config_done(&config);
}

static void take_facts(record *r, batch *b, const component_facts *f) {
    if (f->failure.len > 0) {
        char *why = mem_slice_dup(f->failure);
        fail(r, why);
        mem_free(why);
        return;
    }
    r->next.batch = b;
    r->next.facts = f;
    r->next.serial = ++r->owner->serial;
    b->users++;
    image_set(&r->ready, &r->next);
    stop_next(r);
}

static void fail_checks(components *c, const char *why) {
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i]->step == STEP_CHECK) {
            fail(c->items[i], why);
        }
    }
}

void components_checked(components *c, arena *memory, const component_facts *facts, size_t count, status code,
                        const char *why) {
    c->is_checking = false;
    if (code == STATUS_OK) {
        batch *b = MEM_NEW(batch);
        b->memory = *memory;
        *memory = (arena){0};
        b->users = 1;
        for (size_t i = 0; i < count; i++) {
            record *r = find(c, facts[i].name);
            if (r != NULL && r->step == STEP_CHECK) {
                take_facts(r, b, &facts[i]);
            }
        }
        image ours = {.batch = b};
        image_done(&ours);
    }
    fail_checks(c, code == STATUS_OK ? "nothing was found out about it" : why);
    components_look(c);
}

// --- assigning ---------------------------------------------------------------------------------------------

static bool runs_next(const record *r) { return r->ready.path != NULL && r->instances > 0; }

static bool exports(const record *r, const char *interface) {
    const component_facts *f = r->ready.facts;
    for (size_t i = 0; f != NULL && i < f->export_count; i++) {
        slice name = f->exports[i].interface;
        if (slice_equal_text(slice_sub(name, 0, slice_find(name, 0, '@')), interface)) {
            return true;
        }
    }
    return false;
}

static void add_callees_of(const components *c, workload_config *w, const lattice_link *l) {
    const record *to = find(c, l->target);
    char interface[TEXT_BYTES_MAX];
    if (to == NULL || !runs_next(to)) {
        return;
    }
    char *name = mem_slice_dup(l->name);
    for (size_t i = 0; i < l->interfaces.count; i++) {
        int n = snprintf(interface, sizeof interface, "%.*s:%.*s/%.*s", SLICE_ARG(l->ns),
                         SLICE_ARG(l->package), SLICE_ARG(l->interfaces.items[i]));
        if (n > 0 && (size_t)n < sizeof interface && exports(to, interface)) {
            (void)!workload_config_add_callee(w, interface, name, to->id, NULL); // else it goes by the link
        }
    }
    mem_free(name);
}

static void add_callees(const components *c, workload_config *w) {
    const lattice_link *links;
    size_t count = lattice_core_links_from(c->options.core, slice_from_text(w->name), &links);
    for (size_t i = count; i-- > 0;) { // the last one holds
        add_callees_of(c, w, &links[i]);
    }
}

// Whom a link reaches is not known by the name of a host: one that may go to some hosts only goes by none.
static bool is_http_linked(const components *c, const record *r) {
    return !r->ready.facts->has_http_limits &&
           lattice_core_route(c->options.core, slice_from_text(r->id), slice_from_text(COMPONENT_HTTP_LINK),
                              slice_from_text(COMPONENT_HTTP_INTERFACE)) != NULL;
}

static status add_values(const components *c, workload_config *w, lattice_texts names, err *e) {
    arena memory;
    lattice_pairs values;
    arena_init(&memory, VALUES_ARENA_BYTES);
    status s = lattice_core_config_merge(c->options.core, names, &memory, &values);
    if (s != STATUS_OK) {
        arena_done(&memory);
        return err_set(e, s, "the configuration of %s is too long", w->name);
    }
    for (size_t i = 0; i < values.count && s == STATUS_OK; i++) {
        char *name = mem_slice_dup(values.items[i].key), *value = mem_slice_dup(values.items[i].value);
        s = workload_config_add_value(w, name, value, e);
        mem_free(name);
        mem_free(value);
    }
    arena_done(&memory);
    return s;
}

static status add_assigned(host_config *config, const components *c, const record *r, err *e) {
    const components_options *o = &c->options;
    workload_config *w;
    lattice_component wish = {0};
    (void)lattice_core_component(o->core, slice_from_text(r->id), &wish);
    TRY(host_config_add_workload(config, &w, e));
    w->name = mem_text_dup(r->id);
    w->component_path = mem_text_dup(r->ready.path);
    w->is_unsigned = o->allows_unsigned;
    w->limits.instances_max = r->instances;
    uint64_t memory = wish.memory_bytes_max > 0 ? wish.memory_bytes_max : o->memory_bytes_max;
    w->limits.memory_bytes_max = memory > 0 ? memory : w->limits.memory_bytes_max;
    w->limits.wall_time_ns_max =
        wish.execution_s_max > 0 ? wish.execution_s_max * 1000000000ull : o->time_ns_max;
    TRY(add_values(c, w, wish.config, e));
    add_callees(c, w);
    w->is_http_linked = is_http_linked(c, r);
    return STATUS_OK;
}

static void note_assigned(components *c) {
    for (size_t i = 0; i < c->count; i++) {
        record *r = c->items[i];
        r->assigned_generation = r->step == STEP_NONE ? r->generation : r->running_generation;
        r->assigned_instances = r->instances;
        if (runs_next(r)) {
            image_set(&r->assigned, &r->ready);
        } else {
            image_done(&r->assigned);
        }
    }
}

static status write_next(components *c, host_config *config, err *e) {
    buf_clear(&c->text_on_way);
    for (size_t i = 0; i < c->count; i++) {
        if (runs_next(c->items[i])) {
            TRY(add_assigned(config, c, c->items[i], e));
        }
    }
    return assignment_write(config, &c->text_on_way, e);
}

static void assign_next(components *c) {
    host_config config;
    err e;
    if (c->is_assigning || c->is_stopped || loop_timer_is_active(&c->retry)) {
        return;
    }
    host_config_init(&config);
    status s = write_next(c, &config, &e);
    bool is_same = s == STATUS_OK && slice_equal(buf_slice(&c->text_on_way), buf_slice(&c->text));
    if (s == STATUS_OK) {
        note_assigned(c);
        c->is_assigning = true;
        s = is_same ? STATUS_OK : local_host_assign(c->host, &config, &e);
    }
    host_config_done(&config);
    if (s != STATUS_OK || is_same) {
        components_assigned(c, s, s == STATUS_OK ? "" : e.message);
    }
}

static void take_assigned(record *r) {
    bool is_news = r->running_generation != r->assigned_generation;
    image_set(&r->running, &r->assigned);
    r->running_generation = r->assigned_generation;
    r->running_instances = r->assigned_instances;
    if (is_news && r->generation == r->assigned_generation) {
        tell_core(r, NULL);
    }
}

// Each was checked for itself, so this is about the whole: what was new in it does not come.
static void refuse_assigned(components *c, const char *why) {
    c->options.trouble(c->options.context, why);
    bool is_any_gone = fetch_what_is_gone(c);
    for (size_t i = 0; i < c->count && !is_any_gone; i++) {
        record *r = c->items[i];
        if (r->assigned_generation != r->running_generation && r->generation == r->assigned_generation) {
            image_set(&r->ready, &r->running);
            fail(r, why);
        }
    }
    loop_timer_start_in(&c->retry, RETRY_NS);
}

void components_assigned(components *c, status code, const char *why) {
    c->is_assigning = false;
    if (code != STATUS_OK) {
        refuse_assigned(c, why);
        return;
    }
    bool is_same = slice_equal(buf_slice(&c->text_on_way), buf_slice(&c->text));
    buf before = c->text;
    c->text = c->text_on_way;
    c->text_on_way = before;
    for (size_t i = 0; i < c->count; i++) {
        take_assigned(c->items[i]);
    }
    if (!is_same) {
        c->options.changed(c->options.context);
        components_look(c);
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

static void look(void *arg) {
    components *c = arg;
    if (c->host == NULL) {
        return;
    }
    take_wishes(c);
    check_next(c);
    assign_next(c);
}

void components_look(components *c) {
    if (!c->is_stopped) {
        loop_soon_add(c->options.loop, &c->soon);
    }
}

void components_stop(components *c) {
    c->is_stopped = true;
    loop_soon_cancel(&c->soon);
    loop_timer_stop(&c->retry);
}

void components_use(components *c, local_host *h) {
    c->host = h;
    components_look(c);
}

components *components_new(const components_options *options) {
    components *c = MEM_NEW(components);
    c->options = *options;
    buf_init(&c->text, ASSIGNMENT_BYTES_MAX);
    buf_init(&c->text_on_way, ASSIGNMENT_BYTES_MAX);
    loop_soon_init(&c->soon, look, c);
    loop_timer_init(&c->retry, options->loop, look, c);
    return c;
}

void components_free(components *c) {
    if (c == NULL) {
        return;
    }
    components_stop(c);
    for (size_t i = 0; i < c->count; i++) {
        free_record(c->items[i]);
    }
    mem_free(c->items);
    buf_done(&c->text);
    buf_done(&c->text_on_way);
    mem_free(c);
}

size_t components_count(const components *c) { return c->count; }

static const component_facts *running_facts(const record *r) {
    return r != NULL && r->running.path != NULL ? r->running.facts : NULL;
}

const component_facts *components_at(const components *c, size_t index, slice *ret_id, uint64_t *ret_serial) {
    *ret_id = slice_from_text(c->items[index]->id);
    *ret_serial = c->items[index]->running.serial;
    return running_facts(c->items[index]);
}

const component_facts *components_facts(const components *c, slice id) { return running_facts(find(c, id)); }

uint32_t components_instances(const components *c, slice id) {
    const record *r = find(c, id);
    return running_facts(r) != NULL ? r->running_instances : 0;
}
