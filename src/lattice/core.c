// SPDX-License-Identifier: Apache-2.0
#include "lattice/core.h"

#include <stdio.h>

#include "codec/subject.h"
#include "codec/utf.h"
#include "lattice/client.h"
#include "lattice/core_internal.h"

enum { MESSAGE_BYTES_MAX = 8192 };

// --- making ------------------------------------------------------------------------------------------------

static status check_labels(lattice_pairs labels, err *e) {
    if (labels.count > CORE_LABELS_MAX) {
        return err_set(e, STATUS_INVALID, "a host with %zu labels: at most %d", labels.count,
                       CORE_LABELS_MAX);
    }
    for (size_t i = 0; i < labels.count; i++) {
        slice key = labels.items[i].key;
        slice value = labels.items[i].value;
        size_t bad;
        if (!core_text_fits(key, CORE_TEXT_WORDS, CORE_NAME_BYTES_MAX) ||
            !core_text_fits(value, CORE_TEXT_ANY, CORE_VALUE_BYTES_MAX) ||
            utf8_check(key, &bad) != UTF_VALID) {
            return err_set(e, STATUS_INVALID,
                           "the label \"%.*s\": a key has 1 to %d bytes, a value at most %d, none of them a "
                           "control character",
                           SLICE_ARG(slice_sub(key, 0, 80)), CORE_NAME_BYTES_MAX, CORE_VALUE_BYTES_MAX);
        }
    }
    return STATUS_OK;
}

static status check_settings(const core_settings *s, err *e) {
    TRY(lattice_name_check(s->lattice, e));
    if (!core_text_fits(s->host_id, CORE_TEXT_ID, CORE_ID_BYTES_MAX)) {
        return err_set(e, STATUS_INVALID, "\"%.*s\" cannot be the id of a host",
                       SLICE_ARG(slice_sub(s->host_id, 0, 80)));
    }
    if (s->prefix.len > 0 && !subject_is_plain_within(s->prefix, LATTICE_PREFIX_BYTES_MAX)) {
        return err_set(e, STATUS_INVALID, "\"%.*s\" cannot begin the subjects of a control interface",
                       SLICE_ARG(slice_sub(s->prefix, 0, 80)));
    }
    return check_labels(s->labels, e);
}

static core_settings pack_settings(core_packer *p, const core_settings *from) {
    core_settings s = *from;
    slice *const texts[] = {&s.host_id, &s.friendly_name, &s.version, &s.lattice,
                            &s.prefix,  &s.ctl_url,       &s.rpc_url, &s.js_domain};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = core_pack_text(p, *texts[i]);
    }
    s.labels = (lattice_pairs){0};
    s.heartbeat_ns = s.heartbeat_ns > 0 ? s.heartbeat_ns : CORE_HEARTBEAT_NS_DEFAULT;
    s.components_max = s.components_max > 0 ? s.components_max : CORE_COMPONENTS_MAX_DEFAULT;
    s.providers_max = s.providers_max > 0 ? s.providers_max : CORE_PROVIDERS_MAX_DEFAULT;
    return s;
}

static void keep_labels(lattice_core *c, lattice_pairs labels) {
    lattice_pair sorted[CORE_LABELS_MAX];
    if (labels.count > 0) {
        memcpy(sorted, labels.items, labels.count * sizeof sorted[0]);
    }
    core_pairs_sort(sorted, labels.count);
    c->labels = core_pairs_copy((lattice_pairs){.count = labels.count, .items = sorted}, &c->labels_block);
}

status lattice_core_new(const core_settings *settings, const core_effects *effects, lattice_core **ret,
                        err *e) {
    TRY(check_settings(settings, e));
    lattice_core *c = MEM_NEW(lattice_core);
    core_packer count = {0};
    (void)pack_settings(&count, settings);
    core_packer p = {.data = mem_alloc(count.used)};
    c->block = p.data;
    c->settings = pack_settings(&p, settings);
    c->effects = *effects;
    c->effects.random(c->effects.context, &c->key, sizeof c->key);
    keep_labels(c, settings->labels);
    slice prefix = settings->prefix.len > 0 ? settings->prefix : slice_from_text(LATTICE_PREFIX_DEFAULT);
    (void)snprintf(c->subject, sizeof c->subject, "%.*s.v1.%.*s.", SLICE_ARG(prefix),
                   SLICE_ARG(settings->lattice));
    c->heartbeat_ns = UINT64_MAX;
    list_init(&c->jobs);
    *ret = c;
    return STATUS_OK;
}

static void drop_buckets(lattice_core *c) {
    while (c->sources.count > 0) {
        core_source_drop(c, (core_source *)(void *)c->sources.items[c->sources.count - 1]);
    }
    while (c->config.count > 0) {
        core_config_drop(c, (core_config *)(void *)c->config.items[c->config.count - 1]);
    }
    while (c->claims.count > 0) {
        core_claims_drop(c, (core_stored_claims *)(void *)c->claims.items[c->claims.count - 1]);
    }
    core_table_done(&c->sources);
    core_table_done(&c->config);
    core_table_done(&c->claims);
}

void lattice_core_free(lattice_core *c) {
    if (c == NULL) {
        return;
    }
    core_operations_done(c);
    drop_buckets(c);
    for (size_t i = 0; i < c->components.count; i++) {
        core_component_free((core_component *)(void *)c->components.items[i]);
    }
    for (size_t i = 0; i < c->providers.count; i++) {
        core_provider_free((core_provider *)(void *)c->providers.items[i]);
    }
    for (size_t i = 0; i < c->registries.count; i++) {
        core_registry_free((core_registry *)(void *)c->registries.items[i]);
    }
    core_table_done(&c->components);
    core_table_done(&c->providers);
    core_table_done(&c->registries);
    mem_free(c->labels_block);
    mem_free(c->block);
    mem_free(c);
}

// --- the host's own life -----------------------------------------------------------------------------------

void core_flush(lattice_core *c) {
    if (c->recounts) {
        c->recounts = false;
        c->hidden_components = core_hidden_components(c);
        c->hidden_providers = core_hidden_providers(c);
    }
    unsigned changes = c->changes;
    c->changes = 0;
    if (changes != 0) {
        c->effects.changed(c->effects.context, changes);
    }
}

void lattice_core_started(lattice_core *c, lattice_time t) {
    if (c->has_started) {
        return;
    }
    c->has_started = true;
    c->started_ns = t.now_ns;
    c->heartbeat_ns = t.now_ns + c->settings.heartbeat_ns;
    json_value *v = json_object_new();
    json_put_text(v, "friendly_name", c->settings.friendly_name);
    json_put(v, "labels", core_json_pairs(c->labels));
    json_put_integer(v, "uptime_seconds", 0);
    json_put_text(v, "version", c->settings.version);
    core_event(c, t, "host_started", v);
}

void lattice_core_stopped(lattice_core *c, lattice_time t) {
    if (c->has_stopped || !c->has_started) {
        return;
    }
    c->is_stopping = c->has_stopped = true;
    c->heartbeat_ns = UINT64_MAX;
    json_value *v = json_object_new();
    json_put(v, "labels", core_json_pairs(c->labels));
    core_event(c, t, "host_stopped", v);
}

slice lattice_core_host_id(const lattice_core *c) { return c->settings.host_id; }

uint64_t lattice_core_next_ns(const lattice_core *c) { return c->heartbeat_ns; }

void lattice_core_tick(lattice_core *c, lattice_time t) {
    if (t.now_ns < c->heartbeat_ns) {
        return;
    }
    // Beats that were missed (a machine that slept) are not made up for.
    c->heartbeat_ns = t.now_ns + c->settings.heartbeat_ns;
    core_event(c, t, "host_heartbeat", core_inventory(c, t));
}

core_counters lattice_core_count(const lattice_core *c) { return c->counters; }

// --- answers -----------------------------------------------------------------------------------------------

// Takes `response` and `more`, either of which may be NULL.
static void answer(lattice_core *c, slice reply, bool success, const char *message, json_value *response,
                   json_value *more) {
    c->counters.refused += success ? 0 : 1;
    if (reply.len > 0) {
        json_value *v = json_object_new();
        json_put_bool(v, "success", success);
        json_put_text(v, "message", slice_from_text(message));
        if (response != NULL) {
            json_put(v, "response", response);
            response = NULL;
        }
        if (more != NULL) {
            json_put(v, "writ", more);
            more = NULL;
        }
        auto_buf text;
        buf_init(&text, CORE_ANSWER_BYTES_MAX);
        if (json_write(v, 0, &text) == STATUS_OK) {
            c->effects.publish(c->effects.context, reply, buf_slice(&text));
        }
        json_free(v);
    }
    json_free(response);
    json_free(more);
}

void core_answer(lattice_core *c, slice reply, bool success, const char *message, json_value *response) {
    answer(c, reply, success, message, response, NULL);
}

bool core_page_begin(core_request *q, core_page *ret) {
    err e = {0};
    *ret = (core_page){0};
    // What is no JSON is passed over: 1.x takes any payload here.
    if (q->payload.len > 0 && json_parse(q->payload, &q->body, NULL) == STATUS_OK) {
        const json_value *writ = json_get(q->body, "writ");
        ret->is_paged = json_is_object(writ);
        bool is_there;
        if (ret->is_paged && core_read_u64(writ, "skip", INT64_MAX, &is_there, &ret->skip, &e) != STATUS_OK) {
            core_malformed(q, "failed to read which page", &e);
            return false;
        }
    }
    ret->items = json_array_new();
    return true;
}

bool core_page_takes(core_page *p, size_t bytes) {
    if (p->is_full || (p->is_paged && p->bytes > 0 && p->bytes + bytes > CORE_PAGE_BYTES_MAX)) {
        p->is_full = true;
        return false;
    }
    bool is_wanted = p->at++ >= p->skip;
    p->bytes += is_wanted ? bytes : 0;
    return is_wanted;
}

void core_page_answer(core_request *q, core_page *p) {
    json_value *more = NULL;
    if (p->is_full) {
        more = json_object_new();
        json_put_integer(more, "next", (int64_t)p->at);
    }
    answer(q->c, q->reply, true, "", p->items, more);
}

static void answer_format(core_request *q, bool success, const char *format, va_list args) {
    char message[MESSAGE_BYTES_MAX];
    (void)vsnprintf(message, sizeof message, format, args);
    core_answer(q->c, q->reply, success, message, NULL);
}

void core_yes(core_request *q, const char *format, ...) {
    va_list args;
    va_start(args, format);
    answer_format(q, true, format, args);
    va_end(args);
}

void core_no(core_request *q, const char *format, ...) {
    va_list args;
    va_start(args, format);
    answer_format(q, false, format, args);
    va_end(args);
}

void core_malformed(core_request *q, const char *what, const err *e) {
    q->c->counters.malformed++;
    core_no(q, "%s: %s", what, e->message);
}

void lattice_core_refuse(lattice_core *c, const bus_message *m, slice why) {
    char message[MESSAGE_BYTES_MAX];
    (void)snprintf(message, sizeof message, "%.*s", SLICE_ARG(why));
    c->counters.messages++;
    core_answer(c, m->reply, false, message, NULL);
}

// --- messages ----------------------------------------------------------------------------------------------

typedef enum object_kind { OBJECT_NONE, OBJECT_HOST, OBJECT_NAME } object_kind;

typedef struct command {
    const char *name; // noun and verb
    object_kind object;
    const char *unreadable; // what is answered to a payload that is no JSON; NULL: the handler reads it
    void (*handle)(core_request *q);
} command;

static const command COMMANDS[] = {
    {"host.ping", OBJECT_NONE, NULL, core_on_ping},
    {"host.get", OBJECT_HOST, NULL, core_on_inventory},
    {"host.stop", OBJECT_HOST, NULL, core_on_stop},
    {"label.put", OBJECT_HOST, "failed to deserialize put label request", core_on_label_put},
    {"label.del", OBJECT_HOST, "failed to deserialize delete label request", core_on_label_del},
    {"component.auction", OBJECT_NONE, "failed to deserialize component auction command",
     core_on_component_auction},
    {"component.scale", OBJECT_HOST, "failed to deserialize component scale command",
     core_on_component_scale},
    {"component.update", OBJECT_HOST, "failed to deserialize component update command",
     core_on_component_update},
    {"provider.auction", OBJECT_NONE, "failed to deserialize provider auction command",
     core_on_provider_auction},
    {"provider.start", OBJECT_HOST, "failed to deserialize provider start command", core_on_provider_start},
    {"provider.stop", OBJECT_HOST, "failed to deserialize provider stop command", core_on_provider_stop},
    {"link.put", OBJECT_NONE, "failed to deserialize wrpc link definition", core_on_link_put},
    {"link.del", OBJECT_NONE, "failed to deserialize wrpc link definition", core_on_link_del},
    {"link.get", OBJECT_NONE, NULL, core_on_link_get},
    {"claims.get", OBJECT_NONE, NULL, core_on_claims_get},
    {"config.put", OBJECT_NAME, "config data should be a map of string -> string", core_on_config_put},
    {"config.get", OBJECT_NAME, NULL, core_on_config_get},
    {"config.del", OBJECT_NAME, NULL, core_on_config_del},
    {"registry.put", OBJECT_NONE, "failed to deserialize registries put command", core_on_registry_put},
};

// The command of a subject, and the token behind it.
static const command *find_command(const lattice_core *c, slice subject, slice *ret_object) {
    size_t begin = strlen(c->subject);
    if (!slice_starts_with(subject, c->subject)) {
        return NULL;
    }
    slice rest = slice_sub(subject, begin, subject.len);
    for (size_t i = 0; i < sizeof COMMANDS / sizeof COMMANDS[0]; i++) {
        const command *k = &COMMANDS[i];
        size_t n = strlen(k->name);
        bool has_object = rest.len > n + 1 && rest.data[n] == '.';
        if (!slice_starts_with(rest, k->name) || has_object != (k->object != OBJECT_NONE) ||
            (!has_object && rest.len != n)) {
            continue;
        }
        *ret_object = has_object ? slice_sub(rest, n + 1, rest.len) : slice_empty();
        return slice_find(*ret_object, 0, '.') == SIZE_MAX ? k : NULL;
    }
    return NULL;
}

slice lattice_core_command(const lattice_core *c, slice subject) {
    slice object;
    const command *k = find_command(c, subject, &object);
    return slice_from_text(k == NULL ? "" : k->name);
}

static void handle(core_request *q, const command *k) {
    err e = {0};
    if (k->object == OBJECT_HOST && !slice_equal(q->object, q->c->settings.host_id)) {
        core_no(q, "invalid host_id [%.*s]", SLICE_ARG(slice_sub(q->object, 0, CORE_ID_BYTES_MAX)));
        return;
    }
    if (q->payload.len > CORE_REQUEST_BYTES_MAX) {
        core_no(q, "a request of %zu bytes is larger than %d", q->payload.len, CORE_REQUEST_BYTES_MAX);
        return;
    }
    if (k->unreadable != NULL && json_parse(q->payload, &q->body, &e) != STATUS_OK) {
        core_malformed(q, k->unreadable, &e);
        return;
    }
    k->handle(q);
}

void lattice_core_message(lattice_core *c, lattice_time t, const bus_message *m) {
    if (c->has_stopped || !c->has_started) {
        return;
    }
    core_request q = {.c = c, .t = t, .reply = m->reply, .payload = m->payload};
    c->counters.messages++;
    const command *k = find_command(c, m->subject, &q.object);
    if (k == NULL) {
        core_no(&q, "unsupported subject");
        return;
    }
    arena_init(&q.memory, CORE_REQUEST_ARENA_BYTES);
    handle(&q, k);
    arena_done(&q.memory);
    json_free(q.body);
    core_flush(c);
}
