// SPDX-License-Identifier: Apache-2.0
// What a host tells of itself: ping, inventory; its labels, credentials of registries, and its end.
#include <stdio.h>

#include "crypto/secret.h"
#include "lattice/core_internal.h"

enum { UPTIME_BYTES_MAX = 96, SECONDS_NS = 1000000000, MILLISECONDS_NS = 1000000 };

// --- ping and inventory ------------------------------------------------------------------------------------

static uint64_t uptime_s(const lattice_core *c, lattice_time t) {
    return t.now_ns > c->started_ns ? (t.now_ns - c->started_ns) / SECONDS_NS : 0;
}

// "1day 2h 3m 4s", as humantime writes it.
static void write_uptime(uint64_t seconds, char ret[UPTIME_BYTES_MAX]) {
    static const struct {
        uint64_t seconds;
        const char *name;
        bool has_plural;
    } units[] = {{31557600, "year", true}, {2630016, "month", true}, {86400, "day", true},
                 {3600, "h", false},       {60, "m", false},         {1, "s", false}};
    size_t used = 0;
    (void)snprintf(ret, UPTIME_BYTES_MAX, "0s");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t n = seconds / units[i].seconds;
        seconds %= units[i].seconds;
        if (n > 0) {
            int written =
                snprintf(ret + used, UPTIME_BYTES_MAX - used, "%s%llu%s%s", used > 0 ? " " : "",
                         (unsigned long long)n, units[i].name, units[i].has_plural && n > 1 ? "s" : "");
            used += (size_t)written;
        }
    }
}

static json_value *describe(const lattice_core *c) {
    json_value *v = json_object_new();
    json_put_bool(v, "strict", !c->settings.allows_unsigned_peers);
    c->effects.describe(c->effects.context, v);
    return v;
}

static json_value *counters(const lattice_core *c) {
    json_value *v = json_object_new();
    json_put_integer(v, "requests", (int64_t)c->counters.messages);
    json_put_integer(v, "refused", (int64_t)c->counters.refused);
    json_put_integer(v, "malformed", (int64_t)c->counters.malformed);
    json_put_integer(v, "bad_entries", (int64_t)c->counters.bad_entries);
    return v;
}

void core_on_ping(core_request *q) {
    const core_settings *s = &q->c->settings;
    char uptime[UPTIME_BYTES_MAX];
    uint64_t seconds = uptime_s(q->c, q->t);
    write_uptime(seconds, uptime);
    json_value *v = json_object_new();
    json_put_text(v, "rpc_host", s->rpc_url);
    json_put_text(v, "ctl_host", s->ctl_url);
    json_put_text(v, "friendly_name", s->friendly_name);
    json_put_text(v, "id", s->host_id);
    if (s->js_domain.len > 0) {
        json_put_text(v, "js_domain", s->js_domain);
    }
    json_put(v, "labels", core_json_pairs(q->c->labels));
    json_put_text(v, "lattice", s->lattice);
    json_put_text(v, "uptime_human", slice_from_text(uptime));
    json_put_integer(v, "uptime_seconds", (int64_t)seconds);
    json_put_text(v, "version", s->version);
    json_put(v, "writ", describe(q->c));
    core_answer(q->c, q->reply, true, "", v);
}

static json_value *limits(const core_wish *w) {
    if (!w->has_limits) {
        return json_null_new();
    }
    json_value *v = json_object_new();
    char text[24];
    if (w->has_memory) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)w->memory_bytes_max);
        json_put_text(v, "max_memory_limit", slice_from_text(text));
    }
    if (w->has_execution) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)w->execution_s_max);
        json_put_text(v, "max_execution_time", slice_from_text(text));
    }
    return v;
}

static json_value *component(const core_component *p) {
    const core_wish *w = p->running;
    json_value *v = json_object_new();
    json_put_text(v, "id", p->record.key);
    json_put_text(v, "image_ref", w->ref);
    if (p->claims != NULL && p->claims->name.len > 0) {
        json_put_text(v, "name", p->claims->name);
    }
    json_put(v, "annotations", core_json_pairs(w->annotations));
    json_put_integer(v, "revision", p->claims == NULL ? 0 : p->claims->revision);
    json_put_integer(v, "max_instances", w->max_instances);
    json_put(v, "limits", limits(w));
    return v;
}

static json_value *provider(const core_provider *p) {
    json_value *v = json_object_new();
    json_put_text(v, "id", p->record.key);
    json_put_text(v, "image_ref", core_shown_ref(p->wish->ref));
    if (p->claims != NULL && p->claims->name.len > 0) {
        json_put_text(v, "name", p->claims->name);
    }
    json_put_integer(v, "revision", p->claims == NULL ? 0 : p->claims->revision);
    json_put(v, "annotations", core_json_pairs(p->wish->annotations));
    return v;
}

// Which configurations components have, by name: a scale that does not name them again takes them away.
static json_value *configurations(const lattice_core *c) {
    json_value *v = json_object_new();
    for (size_t i = 0; i < c->components.count; i++) {
        const core_component *p = (const core_component *)(const void *)c->components.items[i];
        if (p->running != NULL && p->running->config.count > 0) {
            char id[CORE_ID_BYTES_MAX + 1];
            (void)snprintf(id, sizeof id, "%.*s", SLICE_ARG(p->record.key));
            json_put(v, id, core_json_texts(p->running->config));
        }
    }
    return v;
}

json_value *core_inventory(const lattice_core *c, lattice_time t) {
    char uptime[UPTIME_BYTES_MAX];
    uint64_t seconds = uptime_s(c, t);
    write_uptime(seconds, uptime);
    json_value *components = json_array_new();
    for (size_t i = 0; i < c->components.count; i++) {
        const core_component *p = (const core_component *)(const void *)c->components.items[i];
        if (p->running != NULL) {
            json_push(components, component(p));
        }
    }
    json_value *providers = json_array_new();
    for (size_t i = 0; i < c->providers.count; i++) {
        const core_provider *p = (const core_provider *)(const void *)c->providers.items[i];
        if (p->is_running) {
            json_push(providers, provider(p));
        }
    }
    json_value *v = json_object_new();
    json_put(v, "components", components);
    json_put(v, "providers", providers);
    json_put_text(v, "host_id", c->settings.host_id);
    json_put_text(v, "friendly_name", c->settings.friendly_name);
    json_put(v, "labels", core_json_pairs(c->labels));
    json_put_text(v, "version", c->settings.version);
    json_put_text(v, "uptime_human", slice_from_text(uptime));
    json_put_integer(v, "uptime_seconds", (int64_t)seconds);
    json_value *writ = describe(c);
    json_put(writ, "control", counters(c));
    json_put(writ, "config", configurations(c));
    json_put(v, "writ", writ);
    return v;
}

void core_on_inventory(core_request *q) { core_answer(q->c, q->reply, true, "", core_inventory(q->c, q->t)); }

// --- the end -----------------------------------------------------------------------------------------------

typedef struct stop_command {
    slice host_id;
    bool has_timeout;
    uint64_t timeout_ms;
} stop_command;

static status read_stop(core_request *q, stop_command *ret, err *e) {
    if (q->payload.len == 0) {
        return STATUS_OK;
    }
    TRY(json_parse(q->payload, &q->body, e));
    if (!json_is_object(q->body)) {
        return err_set(e, STATUS_INVALID, "expected an object");
    }
    TRY(core_read_text(q->body, "host_id", CORE_TEXT_ANY, CORE_ID_BYTES_MAX, false, &ret->host_id, e));
    return core_read_u64(q->body, "timeout", INT64_MAX, &ret->has_timeout, &ret->timeout_ms, e);
}

void core_on_stop(core_request *q) {
    stop_command stop = {0};
    err e = {0};
    if (read_stop(q, &stop, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize stop command", &e);
        return;
    }
    if (stop.host_id.len > 0 && !slice_equal(stop.host_id, q->c->settings.host_id)) {
        core_no(q, "invalid host_id [%.*s]", SLICE_ARG(stop.host_id));
        return;
    }
    bool is_first = !q->c->is_stopping;
    q->c->is_stopping = true;
    q->c->heartbeat_ns = UINT64_MAX;
    core_yes(q, "successfully handled stop host");
    if (is_first) {
        uint64_t ms = stop.timeout_ms;
        uint64_t ns = ms > UINT64_MAX / MILLISECONDS_NS ? UINT64_MAX - 1 : ms * MILLISECONDS_NS;
        q->c->effects.stop(q->c->effects.context, stop.has_timeout ? ns : UINT64_MAX);
    }
}

// --- labels ------------------------------------------------------------------------------------------------

lattice_pairs lattice_core_labels(const lattice_core *c) { return c->labels; }

bool core_fits(const lattice_core *c, lattice_pairs constraints) {
    for (size_t i = 0; i < constraints.count; i++) {
        const lattice_pair *label = core_pairs_find(c->labels, constraints.items[i].key);
        if (label == NULL || !slice_equal(label->value, constraints.items[i].value)) {
            return false;
        }
    }
    return !c->is_stopping;
}

status core_read_auction(core_request *q, const char *ref, const char *id, core_auction *ret, err *e) {
    const json_value *o = q->body;
    if (!json_is_object(o)) {
        return err_set(e, STATUS_INVALID, "expected an object");
    }
    TRY(core_read_text(o, ref, CORE_TEXT_ANY, CORE_REF_BYTES_MAX, false, &ret->ref, e));
    TRY(core_read_text(o, id, CORE_TEXT_ID, CORE_ID_BYTES_MAX, true, &ret->id, e));
    return core_read_pairs(o, "constraints", CORE_LABELS_MAX, true, &q->memory, &ret->constraints, e);
}

static bool is_of_host(slice key) {
    slice begin = SLICE_LITERAL("hostcore.");
    return slice_equal_nocase(slice_sub(key, 0, begin.len), begin);
}

// Without the key, and with it again when there is a value.
static void set_label(core_request *q, slice key, const slice *value) {
    lattice_core *c = q->c;
    lattice_pair items[CORE_LABELS_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < c->labels.count; i++) {
        if (!slice_equal(c->labels.items[i].key, key)) {
            items[count++] = c->labels.items[i];
        }
    }
    if (value != NULL) {
        items[count++] = (lattice_pair){.key = key, .value = *value};
    }
    core_pairs_sort(items, count);
    void *old = c->labels_block;
    c->labels = core_pairs_copy((lattice_pairs){.count = count, .items = items}, &c->labels_block);
    mem_free(old);
    c->changes |= CORE_CHANGED_LABELS;
    core_event_labels(c, q->t);
}

static status read_label(core_request *q, bool has_value, slice *ret_key, slice *ret_value, err *e) {
    TRY(core_read_text(q->body, "key", CORE_TEXT_WORDS, CORE_NAME_BYTES_MAX, true, ret_key, e));
    return has_value
               ? core_read_text(q->body, "value", CORE_TEXT_ANY, CORE_VALUE_BYTES_MAX, true, ret_value, e)
               : STATUS_OK;
}

void core_on_label_put(core_request *q) {
    slice key, value;
    err e = {0};
    if (read_label(q, true, &key, &value, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize put label request", &e);
    } else if (is_of_host(key)) {
        core_no(q, "hostcore.* labels cannot be set dynamically");
    } else if (core_pairs_find(q->c->labels, key) == NULL && q->c->labels.count >= CORE_LABELS_MAX) {
        core_no(q, "the host has %d labels already, which is as many as it may have", CORE_LABELS_MAX);
    } else {
        set_label(q, key, &value);
        core_yes(q, "successfully put label");
    }
}

void core_on_label_del(core_request *q) {
    slice key, value;
    err e = {0};
    if (read_label(q, false, &key, &value, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize delete label request", &e);
    } else if (is_of_host(key)) {
        core_no(q, "hostcore.* labels cannot be deleted");
    } else if (core_pairs_find(q->c->labels, key) == NULL) {
        core_yes(q, "successfully deleted label (no such label)");
    } else {
        set_label(q, key, NULL);
        core_yes(q, "successfully deleted label");
    }
}

// --- registries --------------------------------------------------------------------------------------------

static void forget(char *text) {
    if (text != NULL) {
        secret_wipe(text, strlen(text));
        mem_free(text);
    }
}

void core_registry_free(core_registry *r) {
    mem_free(r->type);
    mem_free(r->username);
    forget(r->password);
    forget(r->token);
    mem_free(r);
}

static status read_registry(slice name, const json_value *v, lattice_registry *ret, err *e) {
    lattice_registry r = {.registry = name, .type = slice_from_text("oci")};
    if (!json_is_object(v)) {
        return err_set(e, STATUS_INVALID, "the credentials of a registry are %s, expected an object",
                       json_kind_name(v));
    }
    if (!core_text_fits(name, CORE_TEXT_WORDS, CORE_NAME_BYTES_MAX)) {
        return err_set(e, STATUS_INVALID, "the name of a registry has 1 to %d bytes", CORE_NAME_BYTES_MAX);
    }
    const size_t max = CORE_VALUE_BYTES_MAX;
    TRY(core_read_text(v, "registryType", CORE_TEXT_WORDS, CORE_NAME_BYTES_MAX, false, &r.type, e));
    TRY(core_read_text(v, "username", CORE_TEXT_ANY, max, false, &r.username, e));
    TRY(core_read_text(v, "password", CORE_TEXT_ANY, max, false, &r.password, e));
    TRY(core_read_text(v, "token", CORE_TEXT_ANY, max * 4, false, &r.token, e));
    *ret = r;
    return STATUS_OK;
}

static void keep_registry(lattice_core *c, const lattice_registry *from) {
    core_registry *old = core_table_find(&c->registries, from->registry);
    if (old != NULL) {
        core_table_remove(&c->registries, &old->record);
        core_registry_free(old);
    }
    core_registry *r = core_record_new(sizeof *r, from->registry);
    r->type = mem_slice_dup(from->type);
    r->username = from->username.len > 0 ? mem_slice_dup(from->username) : NULL;
    r->password = from->password.len > 0 ? mem_slice_dup(from->password) : NULL;
    r->token = from->token.len > 0 ? mem_slice_dup(from->token) : NULL;
    core_table_add(&c->registries, &r->record);
}

void core_on_registry_put(core_request *q) {
    lattice_registry found[CORE_REGISTRIES_MAX];
    size_t count = 0;
    size_t fresh = 0;
    err e = {0};
    status s = json_is_object(q->body) ? STATUS_OK : err_set(&e, STATUS_INVALID, "expected an object");
    void *at = NULL;
    slice name;
    const json_value *value;
    while (s == STATUS_OK && json_next_member(q->body, &at, &name, &value)) {
        if (count == CORE_REGISTRIES_MAX) {
            s = err_set(&e, STATUS_LIMIT, "more than %d registries", CORE_REGISTRIES_MAX);
            break;
        }
        s = read_registry(name, value, &found[count], &e);
        fresh += core_table_find(&q->c->registries, name) == NULL ? 1 : 0;
        count++;
    }
    if (s != STATUS_OK) {
        core_malformed(q, "failed to deserialize registries put command", &e);
    } else if (q->c->registries.count + fresh > CORE_REGISTRIES_MAX) {
        core_no(q, "the host would know more than %d registries", CORE_REGISTRIES_MAX);
    } else {
        for (size_t i = 0; i < count; i++) {
            keep_registry(q->c, &found[i]);
        }
        q->c->changes |= CORE_CHANGED_REGISTRIES;
        core_yes(q, "successfully put registries");
    }
}

size_t lattice_core_registry_count(const lattice_core *c) { return c->registries.count; }

bool lattice_core_registry_at(const lattice_core *c, size_t index, lattice_registry *ret) {
    if (index >= c->registries.count) {
        return false;
    }
    const core_registry *r = (const core_registry *)(const void *)c->registries.items[index];
    *ret = (lattice_registry){.registry = r->record.key,
                              .type = slice_from_text(r->type),
                              .username = slice_from_text(r->username),
                              .password = slice_from_text(r->password),
                              .token = slice_from_text(r->token)};
    return true;
}
