// SPDX-License-Identifier: Apache-2.0
// Requests about components: scale, update, auction.
#include "lattice/core_internal.h"

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
    if (!core_component_wish(q->c, p, &k->wish)) {
        core_component_drop(q->c, p);
        core_no(q, "%s", CORE_BUSY);
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
    if (core_wish_equal(&w, p->wanted)) {
        if (p->running_generation == p->generation && p->running != NULL) {
            core_event_scaled(q->c, q->t, p, p->running, p->claims, p->running->max_instances);
        }
        return true;
    }
    if (!core_component_wish(q->c, p, &w)) {
        core_no(q, "%s", CORE_BUSY);
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
        core_no(q, "%s", CORE_STOPPING);
        return;
    }
    core_component *p = core_component_find(q->c, k.id);
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
    if (core_component_wish(q->c, p, &w)) {
        core_yes(q, "component %.*s updating from %s to %.*s", SLICE_ARG(k->id), old, SLICE_ARG(k->ref));
    } else {
        core_no(q, "%s", CORE_BUSY);
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
    core_component *p = core_component_find(q->c, k.id);
    if (q->c->is_stopping) {
        core_no(q, "%s", CORE_STOPPING);
    } else if (p == NULL || p->wanted->max_instances == 0) {
        core_no(q, "component %.*s not found", SLICE_ARG(k.id));
    } else if (slice_equal(p->wanted->ref, k.ref)) {
        core_yes(q, "component %.*s already updated to %.*s", SLICE_ARG(k.id), SLICE_ARG(k.ref));
    } else {
        update(q, p, &k);
    }
}

// --- auction -----------------------------------------------------------------------------------------------

void core_on_component_auction(core_request *q) {
    core_auction a = {0};
    err e = {0};
    if (q->c->settings.refuses_component_auctions) {
        return;
    }
    if (core_read_auction(q, "component_ref", "component_id", &a, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize component auction command", &e);
        return;
    }
    // One that runs here already is no reason to stay silent: it can be scaled.
    bool has_room =
        core_component_find(q->c, a.id) != NULL || q->c->components.count < q->c->settings.components_max;
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
