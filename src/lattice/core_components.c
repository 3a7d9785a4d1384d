// SPDX-License-Identifier: Apache-2.0
// Components: a wish per id, and what of it runs.
#include <stdio.h>

#include "lattice/core_internal.h"

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

bool core_wish_equal(const core_wish *a, const core_wish *b) {
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

void core_component_drop(lattice_core *c, core_component *p) {
    core_table_remove(&c->components, &p->record);
    core_component_free(p);
    c->changes |= CORE_CHANGED_COMPONENTS;
    c->recounts = true;
}

core_component *core_component_find(const lattice_core *c, slice id) {
    return core_table_find(&c->components, id);
}

// What is wanted failed: what ran before is wanted again; nothing, when nothing did or when that fails, too.
static void fail(lattice_core *c, lattice_time t, core_component *p, const core_claims *claims,
                 const char *why) {
    core_event_scale_failed(c, t, p->record.key, p->wanted, claims, why);
    if (p->running == NULL || p->is_restored) {
        core_component_drop(c, p);
        return;
    }
    mem_free(p->wanted);
    p->wanted = core_wish_copy(p->running);
    p->generation = ++c->generation;
    p->is_ready = p->is_restored = true;
    c->changes |= CORE_CHANGED_COMPONENTS;
}

static void on_confirmed(lattice_core *c, lattice_time t, core_job *j) {
    core_component *p = core_component_find(c, j->name);
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

bool core_component_wish(lattice_core *c, core_component *p, const core_wish *w) {
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

// --- what became of a wish ---------------------------------------------------------------------------------

static void ended(lattice_core *c, lattice_time t, core_component *p) {
    const core_wish *last = p->running != NULL ? p->running : p->wanted;
    core_event_scaled(c, t, p, last, p->claims, 0);
    core_component_drop(c, p);
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
    core_component *p = core_component_find(c, id);
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
    const core_component *p = core_component_find(c, id);
    return p != NULL && view(p, ret);
}
