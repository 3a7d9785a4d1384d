// SPDX-License-Identifier: Apache-2.0
// Providers: like components with one instance. An end is answered when it has come, and a start that is
// asked for meanwhile waits for it.
#include <stdio.h>

#include "lattice/core_internal.h"

void core_provider_free(core_provider *p) {
    for (size_t i = 0; i < p->waiting_count; i++) {
        mem_free(p->waiting[i]);
    }
    mem_free(p->wish);
    mem_free(p->next);
    mem_free(p->claims);
    mem_free(p);
}

slice core_shown_ref(slice ref) {
    static const char *const schemes[] = {"file://", "oci://", "https://", "http://", "wasmcloud+builtin://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (slice_starts_with(ref, schemes[i])) {
            return slice_sub(ref, strlen(schemes[i]), ref.len);
        }
    }
    return ref;
}

static core_provider *find(const lattice_core *c, slice id) { return core_table_find(&c->providers, id); }

static void drop(lattice_core *c, core_provider *p) {
    core_table_remove(&c->providers, &p->record);
    core_provider_free(p);
    c->changes |= CORE_CHANGED_PROVIDERS;
    c->recounts = true;
}

// --- start -------------------------------------------------------------------------------------------------

static void fail(lattice_core *c, lattice_time t, core_provider *p, const char *why) {
    core_event_provider_failed(c, t, p->record.key, p->wish->ref, why);
    drop(c, p);
}

static void on_confirmed(lattice_core *c, lattice_time t, core_job *j) {
    core_provider *p = find(c, j->name);
    if (p == NULL || p->generation != j->generation || !p->is_wanted) {
        return;
    }
    if (j->problem != NULL) {
        char why[ERR_MESSAGE_BYTES_MAX];
        (void)snprintf(why, sizeof why, "Unable to fetch requested config: %s", j->problem);
        fail(c, t, p, why);
        return;
    }
    p->is_ready = c->recounts = true;
    c->changes |= CORE_CHANGED_PROVIDERS;
}

// False: the host is busy.
static bool wish(lattice_core *c, core_provider *p, core_wish *w) {
    core_job *j = core_job_new(c, slice_empty(), p->record.key, NULL);
    if (j == NULL) {
        return false;
    }
    mem_free(p->wish);
    p->wish = w;
    p->generation = j->generation = ++c->generation;
    p->is_wanted = c->recounts = true;
    p->is_ready = core_config_confirm(c, j, &p->wish->config, 1, on_confirmed);
    c->changes |= CORE_CHANGED_PROVIDERS;
    if (j->operations == 0) {
        core_job_free(j);
    }
    return true;
}

typedef struct start_command {
    slice id;
    core_wish wish;
} start_command;

static status read_start(core_request *q, start_command *ret, err *e) {
    const json_value *o = q->body;
    core_wish *w = &ret->wish;
    if (!json_is_object(o)) {
        return err_set(e, STATUS_INVALID, "expected an object");
    }
    TRY(core_read_text(o, "provider_id", CORE_TEXT_ID, CORE_ID_BYTES_MAX, true, &ret->id, e));
    TRY(core_read_text(o, "provider_ref", CORE_TEXT_WORDS, CORE_REF_BYTES_MAX, true, &w->ref, e));
    TRY(core_read_texts(o, "config", CORE_TEXT_KEY, CORE_CONFIGS_MAX, false, &q->memory, &w->config, e));
    return core_read_pairs(o, "annotations", CORE_ANNOTATIONS_MAX, false, &q->memory, &w->annotations, e);
}

static void start(core_request *q, const start_command *k) {
    lattice_core *c = q->c;
    if (c->providers.count >= c->settings.providers_max) {
        core_no(q, "the host runs %zu providers, which is as many as it may", c->providers.count);
        return;
    }
    core_provider *p = core_record_new(sizeof *p, k->id);
    core_wish *w = core_wish_copy(&k->wish);
    core_table_add(&c->providers, &p->record);
    if (!wish(c, p, w)) {
        mem_free(w);
        drop(c, p);
        core_no(q, "%s", CORE_BUSY);
        return;
    }
    core_yes(q, "successfully started provider");
}

void core_on_provider_start(core_request *q) {
    start_command k = {0};
    err e = {0};
    if (read_start(q, &k, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize provider start command", &e);
        return;
    }
    core_provider *p = find(q->c, k.id);
    if (q->c->is_stopping) {
        core_no(q, "%s", CORE_STOPPING);
    } else if (p == NULL) {
        start(q, &k);
    } else if (p->is_wanted || p->next != NULL) {
        core_no(q, "provider with that ID is already running");
    } else {
        p->next = core_wish_copy(&k.wish);
        core_yes(q, "successfully started provider");
    }
}

// --- stop --------------------------------------------------------------------------------------------------

static status read_stop(core_request *q, slice *ret_id, err *e) {
    const json_value *o = q->body;
    if (!json_is_object(o)) {
        return err_set(e, STATUS_INVALID, "expected an object");
    }
    const char *name = json_is_absent(json_get(o, "provider_id")) ? "provider_ref" : "provider_id";
    return core_read_text(o, name, CORE_TEXT_ID, CORE_ID_BYTES_MAX, true, ret_id, e);
}

void core_on_provider_stop(core_request *q) {
    slice id;
    err e = {0};
    if (read_stop(q, &id, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize provider stop command", &e);
        return;
    }
    core_provider *p = find(q->c, id);
    if (p == NULL) {
        core_no(q, "provider with that ID is not running");
        return;
    }
    mem_free(p->next);
    p->next = NULL;
    if (p->is_wanted) {
        p->is_wanted = false;
        q->c->recounts = true;
        p->generation = ++q->c->generation;
        q->c->changes |= CORE_CHANGED_PROVIDERS;
    }
    if (q->reply.len > 0 && p->waiting_count == CORE_STOPS_WAITING_MAX) {
        core_no(q, "%d requests wait for the end of that provider already", CORE_STOPS_WAITING_MAX);
    } else if (q->reply.len > 0) {
        p->waiting[p->waiting_count++] = mem_slice_dup(q->reply);
    }
}

// --- auction -----------------------------------------------------------------------------------------------

void core_on_provider_auction(core_request *q) {
    core_auction a = {0};
    err e = {0};
    if (q->c->settings.refuses_provider_auctions) {
        return;
    }
    if (core_read_auction(q, "provider_ref", "provider_id", &a, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize provider auction command", &e);
        return;
    }
    if (find(q->c, a.id) != NULL || q->c->providers.count >= q->c->settings.providers_max ||
        !core_fits(q->c, a.constraints)) {
        return;
    }
    json_value *v = json_object_new();
    json_put_text(v, "host_id", q->c->settings.host_id);
    json_put_text(v, "provider_ref", a.ref);
    json_put_text(v, "provider_id", a.id);
    json_put(v, "constraints", core_json_pairs(a.constraints));
    core_answer(q->c, q->reply, true, "", v);
}

// --- what became of it -------------------------------------------------------------------------------------

void lattice_core_provider_is(lattice_core *c, lattice_time t, slice id, uint64_t generation,
                              const token_claims *claims, const char *failure) {
    core_provider *p = find(c, id);
    if (p == NULL || p->generation != generation || !p->is_wanted || !p->is_ready || p->is_running) {
        return;
    }
    if (failure != NULL) {
        fail(c, t, p, failure);
    } else {
        p->claims = core_claims_copy(claims);
        p->is_running = true;
        core_source_ensure(c, id, core_shown_ref(p->wish->ref));
        core_claims_store(c, p->claims, true);
        core_event_provider_started(c, t, p);
    }
    core_flush(c);
}

static void answer_waiting(lattice_core *c, core_provider *p) {
    for (size_t i = 0; i < p->waiting_count; i++) {
        core_answer(c, slice_from_text(p->waiting[i]), true, "successfully stopped provider", NULL);
        mem_free(p->waiting[i]);
    }
    p->waiting_count = 0;
}

// The start that was asked for meanwhile.
static void begin_next(lattice_core *c, lattice_time t, core_provider *p) {
    core_wish *next = p->next;
    p->next = NULL;
    mem_free(p->claims);
    p->claims = NULL;
    p->is_running = p->is_healthy = false;
    if (!wish(c, p, next)) {
        core_event_provider_failed(c, t, p->record.key, next->ref, CORE_BUSY);
        mem_free(next);
        drop(c, p);
    }
}

void lattice_core_provider_ended(lattice_core *c, lattice_time t, slice id, const char *reason) {
    core_provider *p = find(c, id);
    if (p == NULL) {
        return;
    }
    core_event_provider_stopped(c, t, p, reason);
    answer_waiting(c, p);
    if (p->next != NULL) {
        begin_next(c, t, p);
    } else {
        drop(c, p);
    }
    core_flush(c);
}

void lattice_core_provider_health(lattice_core *c, lattice_time t, slice id, bool is_healthy) {
    core_provider *p = find(c, id);
    if (p == NULL || !p->is_running) {
        return;
    }
    const char *name = is_healthy == p->is_healthy ? "health_check_status"
                       : is_healthy                ? "health_check_passed"
                                                   : "health_check_failed";
    p->is_healthy = is_healthy;
    core_event_health(c, t, name, id);
    core_flush(c);
}

// --- what is wanted ----------------------------------------------------------------------------------------

static bool is_shown(const core_provider *p) { return p->is_ready || !p->is_wanted; }

static bool view(const core_provider *p, lattice_provider *ret) {
    if (!is_shown(p)) {
        return false;
    }
    *ret = (lattice_provider){
        .id = p->record.key,
        .ref = p->wish->ref,
        .is_wanted = p->is_wanted,
        .generation = p->generation,
        .annotations = p->wish->annotations,
        .config = p->wish->config,
        .is_running = p->is_running,
        .is_healthy = p->is_healthy,
        .claims = core_claims_view(p->claims),
    };
    return true;
}

static const core_provider *at(const lattice_core *c, size_t index) {
    return (const core_provider *)(const void *)c->providers.items[index];
}

size_t core_hidden_providers(const lattice_core *c) {
    size_t count = 0;
    for (size_t i = 0; i < c->providers.count; i++) {
        count += is_shown(at(c, i)) ? 0 : 1;
    }
    return count;
}

size_t lattice_core_provider_count(const lattice_core *c) { return c->providers.count - c->hidden_providers; }

bool lattice_core_provider_at(const lattice_core *c, size_t index, lattice_provider *ret) {
    for (size_t i = 0; i < c->providers.count; i++) {
        if (is_shown(at(c, i)) && index-- == 0) {
            return view(at(c, i), ret);
        }
    }
    return false;
}

bool lattice_core_provider(const lattice_core *c, slice id, lattice_provider *ret) {
    const core_provider *p = find(c, id);
    return p != NULL && view(p, ret);
}
