// SPDX-License-Identifier: Apache-2.0
// Components: a wish per id, what of it runs, and the requests that change the wish.
#include <stdio.h>

#include "lattice/core_internal.h"

static const char BUSY[] = "the host is busy: too many operations wait for the lattice's data";
static const char STOPPING[] = "the host is stopping";

// --- wishes ------------------------------------------------------------------------------------------------

static core_wish pack_wish(core_packer *p, const core_wish *from) {
    core_wish w = *from;
    w.ref = core_pack_text(p, from->ref);
    w.annotations = core_pack_pairs(p, from->annotations);
    w.config = core_pack_texts(p, from->config);
    return w;
}

core_wish *core_wish_copy(const core_wish *from) {
    core_packer count = {0};
    (void)core_pack(&count, 1, sizeof *from);
    (void)pack_wish(&count, from);
    core_packer p = {.data = mem_alloc(count.used)};
    core_wish *w = core_pack(&p, 1, sizeof *w);
    *w = pack_wish(&p, from);
    return w;
}

static bool same_limits(const core_wish *a, const core_wish *b) {
    return a->has_limits == b->has_limits && a->has_memory == b->has_memory &&
           a->has_execution == b->has_execution && a->memory_bytes_max == b->memory_bytes_max &&
           a->execution_s_max == b->execution_s_max;
}

static bool same_wish(const core_wish *a, const core_wish *b) {
    return slice_equal(a->ref, b->ref) && a->max_instances == b->max_instances &&
           core_pairs_equal(a->annotations, b->annotations) && core_texts_equal(a->config, b->config) &&
           same_limits(a, b);
}

void core_component_free(core_component *p) {
    mem_free(p->wanted);
    mem_free(p->running);
    mem_free(p->claims);
    mem_free(p);
}

static void drop(lattice_core *c, core_component *p) {
    core_table_remove(&c->components, &p->record);
    core_component_free(p);
    c->changes |= CORE_CHANGED_COMPONENTS;
    c->recounts = true;
}

static core_component *find(const lattice_core *c, slice id) { return core_table_find(&c->components, id); }

// What is wanted failed: what ran before is wanted again; nothing, when nothing did or when that fails, too.
static void fail(lattice_core *c, lattice_time t, core_component *p, const core_claims *claims,
                 const char *why) {
    core_event_scale_failed(c, t, p->record.key, p->wanted, claims, why);
    if (p->running == NULL || p->is_restored) {
        drop(c, p);
        return;
    }
    mem_free(p->wanted);
    p->wanted = core_wish_copy(p->running);
    p->generation = ++c->generation;
    p->is_ready = p->is_restored = true;
    c->changes |= CORE_CHANGED_COMPONENTS;
}

static void on_confirmed(lattice_core *c, lattice_time t, core_job *j) {
    core_component *p = find(c, j->name);
    if (p == NULL || p->generation != j->generation) {
        return; // the wish is another one now
    }
    if (j->problem != NULL) {
        char why[ERR_MESSAGE_BYTES_MAX];
        (void)snprintf(why, sizeof why, "Unable to fetch requested config: %s", j->problem);
        fail(c, t, p, NULL, why);
        return;
    }
    p->is_ready = c->recounts = true;
    c->changes |= CORE_CHANGED_COMPONENTS;
}

// A new wish, which is shown once its configurations are known to exist. False: the host is busy.
static bool wish(lattice_core *c, core_component *p, const core_wish *w) {
    core_job *j = core_job_new(c, slice_empty(), p->record.key, NULL);
    if (j == NULL) {
        return false;
    }
    core_wish *copy = core_wish_copy(w); // `w` may borrow from the old one
    mem_free(p->wanted);
    p->wanted = copy;
    p->is_restored = false;
    c->recounts = true;
    p->generation = j->generation = ++c->generation;
    p->is_ready = w->max_instances == 0 || core_config_confirm(c, j, &p->wanted->config, 1, on_confirmed);
    c->changes |= p->is_ready ? CORE_CHANGED_COMPONENTS : 0;
    if (j->operations == 0) {
        core_job_free(j);
    }
    return true;
}

// --- scale -------------------------------------------------------------------------------------------------

typedef struct scale_command {
    slice id;
    slice ref;
    core_wish wish;
    bool allows_update;
} scale_command;

static void read_limit(lattice_pairs limits, const char *name, bool *ret_has, uint64_t *ret) {
    const lattice_pair *p = core_pairs_find(limits, slice_from_text(name));
    *ret_has = p != NULL && slice_to_u64(p->value, ret); // what is no number is passed over, as in 1.x
}

static status read_limits(core_request *q, core_wish *w, err *e) {
    lattice_pairs limits;
    if (json_is_absent(json_get(q->body, "component_limits"))) {
        return STATUS_OK;
    }
    TRY(core_read_pairs(q->body, "component_limits", CORE_ANNOTATIONS_MAX, true, &q->memory, &limits, e));
    w->has_limits = true;
    read_limit(limits, "max_memory_limit", &w->has_memory, &w->memory_bytes_max);
    read_limit(limits, "max_execution_time", &w->has_execution, &w->execution_s_max);
    return STATUS_OK;
}

static status read_scale(core_request *q, scale_command *ret, err *e) {
    const json_value *o = q->body;
    core_wish *w = &ret->wish;
    bool has_count;
    uint64_t count;
    if (!json_is_object(o)) {
        return err_set(e, STATUS_INVALID, "expected an object");
    }
    TRY(core_read_text(o, "component_ref", CORE_TEXT_ANY, CORE_REF_BYTES_MAX, false, &w->ref, e));
    TRY(core_read_text(o, "component_id", CORE_TEXT_ID, CORE_ID_BYTES_MAX, true, &ret->id, e));
    TRY(core_read_pairs(o, "annotations", CORE_ANNOTATIONS_MAX, false, &q->memory, &w->annotations, e));
    TRY(core_read_u64(o, "count", UINT32_MAX, &has_count, &count, e));
    TRY(core_read_texts(o, "config", CORE_TEXT_KEY, CORE_CONFIGS_MAX, false, &q->memory, &w->config, e));
    TRY(core_read_bool(o, "allow_update", &ret->allows_update, e));
    w->max_instances = (uint32_t)count;
    return read_limits(q, w, e);
}

// With the warning of 1.x when the image is another one (`old` may be the same).
static void answer_scale(core_request *q, const scale_command *k, const char *old) {
    if (slice_equal_text(k->wish.ref, old)) {
        core_yes(q, "%s", "");
        return;
    }
    const char *format =
        k->allows_update
            ? "Requested to scale existing component, with a changed image reference: %s != %.*s. The "
              "component will be scaled, and the image reference will be updated afterwards."
            : "Requested to scale existing component to a different image reference: %s != %.*s. The "
              "component will be scaled but the image reference will not be updated. If you meant to update "
              "this component to a new image ref, use the update command.";
    core_yes(q, format, old, SLICE_ARG(k->wish.ref));
}

static bool start(core_request *q, const scale_command *k) {
    if (q->c->components.count >= q->c->settings.components_max) {
        core_no(q, "the host runs %zu components, which is as many as it may", q->c->components.count);
        return false;
    }
    if (k->wish.ref.len == 0) {
        core_no(q, "\"component_ref\" is empty: name the image that component %.*s is to run",
                SLICE_ARG(k->id));
        return false;
    }
    core_component *p = core_record_new(sizeof *p, k->id);
    core_table_add(&q->c->components, &p->record);
    if (!wish(q->c, p, &k->wish)) {
        drop(q->c, p);
        core_no(q, "%s", BUSY);
        return false;
    }
    return true;
}

// An existing one gets another count, other names, other limits; another image only when that is allowed.
static bool change(core_request *q, core_component *p, const scale_command *k) {
    core_wish w = k->wish;
    bool keeps_ref = !k->allows_update || w.ref.len == 0 || w.max_instances == 0;
    w.ref = keeps_ref ? p->wanted->ref : w.ref;
    if (w.max_instances == 0) { // it ends as what it is
        w = *p->wanted;
        w.max_instances = 0;
    }
    if (same_wish(&w, p->wanted)) {
        if (p->running_generation == p->generation && p->running != NULL) {
            core_event_scaled(q->c, q->t, p, p->running, p->claims, p->running->max_instances);
        }
        return true;
    }
    if (!wish(q->c, p, &w)) {
        core_no(q, "%s", BUSY);
        return false;
    }
    return true;
}

// Nothing runs and nothing shall: who waits for the event gets it.
static void tell_nothing(core_request *q, const scale_command *k) {
    core_wish *w = core_wish_copy(&k->wish);
    const core_component none = {.record = {.key = k->id}};
    core_event_scaled(q->c, q->t, &none, w, NULL, 0);
    mem_free(w);
}

void core_on_component_scale(core_request *q) {
    scale_command k = {0};
    err e = {0};
    if (read_scale(q, &k, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize component scale command", &e);
        return;
    }
    if (q->c->is_stopping) {
        core_no(q, "%s", STOPPING);
        return;
    }
    core_component *p = find(q->c, k.id);
    char *old = mem_slice_dup(p == NULL ? k.wish.ref : p->wanted->ref);
    bool is_done = true;
    if (p != NULL) {
        is_done = change(q, p, &k);
    } else if (k.wish.max_instances > 0) {
        is_done = start(q, &k);
    } else {
        tell_nothing(q, &k);
    }
    if (is_done) {
        answer_scale(q, &k, old);
    }
    mem_free(old);
}

// --- update ------------------------------------------------------------------------------------------------

typedef struct update_command {
    slice id;
    slice ref;
    bool has_annotations;
    lattice_pairs annotations;
} update_command;

static status read_update(core_request *q, update_command *ret, err *e) {
    const json_value *o = q->body;
    if (!json_is_object(o)) {
        return err_set(e, STATUS_INVALID, "expected an object");
    }
    ret->has_annotations = !json_is_absent(json_get(o, "annotations"));
    TRY(core_read_text(o, "component_id", CORE_TEXT_ID, CORE_ID_BYTES_MAX, true, &ret->id, e));
    TRY(core_read_text(o, "new_component_ref", CORE_TEXT_WORDS, CORE_REF_BYTES_MAX, true, &ret->ref, e));
    return core_read_pairs(o, "annotations", CORE_ANNOTATIONS_MAX, false, &q->memory, &ret->annotations, e);
}

static void update(core_request *q, core_component *p, const update_command *k) {
    core_wish w = *p->wanted;
    char *old = mem_slice_dup(w.ref);
    w.ref = k->ref;
    w.annotations = k->has_annotations ? k->annotations : w.annotations;
    if (wish(q->c, p, &w)) {
        core_yes(q, "component %.*s updating from %s to %.*s", SLICE_ARG(k->id), old, SLICE_ARG(k->ref));
    } else {
        core_no(q, "%s", BUSY);
    }
    mem_free(old);
}

void core_on_component_update(core_request *q) {
    update_command k = {0};
    err e = {0};
    if (read_update(q, &k, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize component update command", &e);
        return;
    }
    core_component *p = find(q->c, k.id);
    if (q->c->is_stopping) {
        core_no(q, "%s", STOPPING);
    } else if (p == NULL || p->wanted->max_instances == 0) {
        core_no(q, "component %.*s not found", SLICE_ARG(k.id));
    } else if (slice_equal(p->wanted->ref, k.ref)) {
        core_yes(q, "component %.*s already updated to %.*s", SLICE_ARG(k.id), SLICE_ARG(k.ref));
    } else {
        update(q, p, &k);
    }
}

// --- auction -----------------------------------------------------------------------------------------------

typedef struct auction {
    slice ref;
    slice id;
    lattice_pairs constraints;
} auction;

static status read_auction(core_request *q, auction *ret, err *e) {
    const json_value *o = q->body;
    if (!json_is_object(o)) {
        return err_set(e, STATUS_INVALID, "expected an object");
    }
    TRY(core_read_text(o, "component_ref", CORE_TEXT_ANY, CORE_REF_BYTES_MAX, false, &ret->ref, e));
    TRY(core_read_text(o, "component_id", CORE_TEXT_ID, CORE_ID_BYTES_MAX, true, &ret->id, e));
    return core_read_pairs(o, "constraints", CORE_LABELS_MAX, true, &q->memory, &ret->constraints, e);
}

void core_on_component_auction(core_request *q) {
    auction a = {0};
    err e = {0};
    if (q->c->settings.refuses_component_auctions) {
        return;
    }
    if (read_auction(q, &a, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize component auction command", &e);
        return;
    }
    // One that runs here already is no reason to stay silent: it can be scaled.
    bool has_room = find(q->c, a.id) != NULL || q->c->components.count < q->c->settings.components_max;
    if (!has_room || !core_fits(q->c, a.constraints)) {
        return;
    }
    json_value *v = json_object_new();
    json_put_text(v, "component_ref", a.ref);
    json_put_text(v, "component_id", a.id);
    json_put_text(v, "host_id", q->c->settings.host_id);
    json_put(v, "constraints", core_json_pairs(a.constraints));
    core_answer(q->c, q->reply, true, "", v);
}

// --- what became of a wish ---------------------------------------------------------------------------------

static void ended(lattice_core *c, lattice_time t, core_component *p) {
    const core_wish *last = p->running != NULL ? p->running : p->wanted;
    core_event_scaled(c, t, p, last, p->claims, 0);
    drop(c, p);
}

static void runs(lattice_core *c, lattice_time t, core_component *p, const token_claims *claims) {
    if (p->running != NULL && !slice_equal(p->running->ref, p->wanted->ref)) {
        core_event_scaled(c, t, p, p->running, p->claims, 0); // the old image is gone
    }
    mem_free(p->claims);
    p->claims = core_claims_copy(claims);
    mem_free(p->running);
    p->running = core_wish_copy(p->wanted);
    p->running_generation = p->generation;
    core_source_ensure(c, p->record.key, p->running->ref);
    core_claims_store(c, p->claims, false);
    core_event_scaled(c, t, p, p->running, p->claims, p->running->max_instances);
}

void lattice_core_component_is(lattice_core *c, lattice_time t, slice id, uint64_t generation,
                               const token_claims *claims, const char *failure) {
    core_component *p = find(c, id);
    if (p == NULL || p->generation != generation || !p->is_ready) {
        return;
    }
    if (failure != NULL) {
        core_claims *of = core_claims_copy(claims);
        fail(c, t, p, of, failure);
        mem_free(of);
    } else if (p->wanted->max_instances == 0) {
        ended(c, t, p);
    } else if (p->running_generation != generation) {
        runs(c, t, p, claims);
    }
    core_flush(c);
}

// --- what is wanted ----------------------------------------------------------------------------------------

static bool is_shown(const core_component *p) { return p->is_ready || p->running != NULL; }

static bool view(const core_component *p, lattice_component *ret) {
    if (!is_shown(p)) {
        return false;
    }
    const core_wish *w = p->is_ready ? p->wanted : p->running;
    *ret = (lattice_component){
        .id = p->record.key,
        .ref = w->ref,
        .max_instances = w->max_instances,
        .generation = p->is_ready ? p->generation : p->running_generation,
        .annotations = w->annotations,
        .config = w->config,
        .memory_bytes_max = w->has_memory ? w->memory_bytes_max : 0,
        .execution_s_max = w->has_execution ? w->execution_s_max : 0,
        .is_running = p->running != NULL,
        .running_generation = p->running_generation,
        .claims = core_claims_view(p->claims),
    };
    return true;
}

static const core_component *at(const lattice_core *c, size_t index) {
    return (const core_component *)(const void *)c->components.items[index];
}

size_t core_hidden_components(const lattice_core *c) {
    size_t count = 0;
    for (size_t i = 0; i < c->components.count; i++) {
        count += is_shown(at(c, i)) ? 0 : 1;
    }
    return count;
}

size_t lattice_core_component_count(const lattice_core *c) {
    return c->components.count - c->hidden_components;
}

bool lattice_core_component_at(const lattice_core *c, size_t index, lattice_component *ret) {
    if (c->hidden_components == 0) {
        return index < c->components.count && view(at(c, index), ret);
    }
    for (size_t i = 0; i < c->components.count; i++) {
        if (is_shown(at(c, i)) && index-- == 0) {
            return view(at(c, i), ret);
        }
    }
    return false;
}

bool lattice_core_component(const lattice_core *c, slice id, lattice_component *ret) {
    const core_component *p = find(c, id);
    return p != NULL && view(p, ret);
}
