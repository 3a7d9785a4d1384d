// SPDX-License-Identifier: Apache-2.0
// Events: CloudEvents 1.0 on wasmbus.evt.{lattice}.{name}, with the data that hosts of 1.x give (members in
// the order of their names, as theirs). Source: crates/host/src/wasmbus/event.rs of wasmCloud v1.9.2.
#include <stdio.h>

#include "lattice/core_internal.h"
#include "os/clock.h"

enum { ID_BYTES = 16, ID_TEXT_BYTES = 37, EVENT_BYTES_MAX = CORE_ANSWER_BYTES_MAX };

// A ULID (48 bits of milliseconds, then chance) in the form of a UUID.
static void write_id(const lattice_core *c, lattice_time t, char ret[ID_TEXT_BYTES]) {
    uint8_t b[ID_BYTES];
    c->effects.random(c->effects.context, b, sizeof b);
    uint64_t ms = t.unix_ns / 1000000;
    for (size_t i = 0; i < 6; i++) {
        b[i] = (uint8_t)(ms >> (8 * (5 - i)));
    }
    (void)snprintf(ret, ID_TEXT_BYTES, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                   b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
}

static json_value *envelope(const lattice_core *c, lattice_time t, const char *name, json_value *data) {
    char id[ID_TEXT_BYTES];
    char type[96];
    char time[CLOCK_TEXT_BYTES];
    clock_wall wall = {.seconds = t.unix_ns / 1000000000, .nanoseconds = (uint32_t)(t.unix_ns % 1000000000)};
    write_id(c, t, id);
    (void)snprintf(type, sizeof type, "com.wasmcloud.lattice.%s", name);
    json_value *v = json_object_new();
    json_put_text(v, "specversion", slice_from_text("1.0"));
    json_put_text(v, "id", slice_from_text(id));
    json_put_text(v, "type", slice_from_text(type));
    json_put_text(v, "source", c->settings.host_id);
    json_put_text(v, "datacontenttype", slice_from_text("application/json"));
    json_put_text(v, "time", slice_from_text(clock_wall_text(wall, time)));
    json_put(v, "data", data);
    return v;
}

void core_event(lattice_core *c, lattice_time t, const char *name, json_value *data) {
    char subject[CORE_SUBJECT_BYTES_MAX];
    (void)snprintf(subject, sizeof subject, "wasmbus.evt.%.*s.%s", SLICE_ARG(c->settings.lattice), name);
    json_value *v = envelope(c, t, name, data);
    auto_buf text;
    buf_init(&text, EVENT_BYTES_MAX);
    if (json_write(v, 0, &text) == STATUS_OK) {
        c->counters.events++;
        c->effects.publish(c->effects.context, slice_from_text(subject), buf_slice(&text));
    }
    json_free(v);
}

static json_value *text_or_null(slice text) { return text.len == 0 ? json_null_new() : json_text(text); }

static void put_time(json_value *o, const char *name, bool has, uint64_t seconds) {
    char text[24] = "never";
    if (has) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)seconds);
    }
    json_put_text(o, name, slice_from_text(text));
}

// --- components --------------------------------------------------------------------------------------------

static json_value *component_claims(const core_claims *claims) {
    json_value *v = json_object_new();
    json_put(v, "call_alias", text_or_null(claims->call_alias));
    put_time(v, "expires_human", claims->has_expiry, claims->expires_at_s);
    json_put_text(v, "issuer", claims->issuer);
    json_put(v, "name", text_or_null(claims->name));
    put_time(v, "not_before_human", claims->has_not_before, claims->not_before_s);
    json_put(v, "revision", claims->has_revision ? json_integer_new(claims->revision) : json_null_new());
    json_put(v, "tags", claims->tags.count == 0 ? json_null_new() : core_json_texts(claims->tags));
    json_put(v, "version", text_or_null(claims->version));
    return v;
}

void core_event_scaled(lattice_core *c, lattice_time t, const core_component *p, const core_wish *wish,
                       const core_claims *claims, uint32_t max_instances) {
    json_value *v = json_object_new();
    json_put(v, "annotations", core_json_pairs(wish->annotations));
    if (claims != NULL) {
        json_put(v, "claims", component_claims(claims));
    }
    json_put_text(v, "component_id", p->record.key);
    json_put_text(v, "host_id", c->settings.host_id);
    json_put_text(v, "image_ref", wish->ref);
    json_put_integer(v, "max_instances", max_instances);
    if (claims != NULL) {
        json_put_text(v, "public_key", claims->subject);
    }
    core_event(c, t, "component_scaled", v);
}

void core_event_scale_failed(lattice_core *c, lattice_time t, slice id, const core_wish *wish,
                             const core_claims *claims, const char *why) {
    json_value *v = json_object_new();
    json_put(v, "annotations", core_json_pairs(wish->annotations));
    json_put_text(v, "component_id", id);
    json_put_text(v, "error", slice_from_text(why));
    json_put_text(v, "host_id", c->settings.host_id);
    json_put_text(v, "image_ref", wish->ref);
    json_put_integer(v, "max_instances", wish->max_instances);
    if (claims != NULL) {
        json_put_text(v, "public_key", claims->subject);
    }
    core_event(c, t, "component_scale_failed", v);
}

// --- labels, links, configuration --------------------------------------------------------------------------

void core_event_labels(lattice_core *c, lattice_time t) {
    json_value *v = json_object_new();
    json_put_text(v, "host_id", c->settings.host_id);
    json_put(v, "labels", core_json_pairs(c->labels));
    core_event(c, t, "labels_changed", v);
}

void core_event_link(lattice_core *c, lattice_time t, const char *name, const lattice_link *link,
                     const char *why) {
    json_value *v = json_object_new();
    if (why != NULL) {
        json_put_text(v, "error", slice_from_text(why));
    }
    json_put(v, "interfaces", core_json_texts(link->interfaces));
    json_put_text(v, "name", link->name);
    json_put(v, "source_config", core_json_texts(link->source_config));
    json_put_text(v, "source_id", link->source);
    json_put_text(v, "target", link->target);
    json_put(v, "target_config", core_json_texts(link->target_config));
    json_put_text(v, "wit_namespace", link->ns);
    json_put_text(v, "wit_package", link->package);
    core_event(c, t, name, v);
}

void core_event_link_deleted(lattice_core *c, lattice_time t, const lattice_link *wanted,
                             const lattice_link *found) {
    json_value *v = json_object_new();
    if (found != NULL) {
        json_put(v, "interfaces", core_json_texts(found->interfaces));
    }
    json_put_text(v, "name", wanted->name);
    json_put_text(v, "source_id", wanted->source);
    if (found != NULL) {
        json_put_text(v, "target", found->target);
    }
    json_put_text(v, "wit_namespace", wanted->ns);
    json_put_text(v, "wit_package", wanted->package);
    core_event(c, t, "linkdef_deleted", v);
}

void core_event_config(lattice_core *c, lattice_time t, const char *name, slice config) {
    json_value *v = json_object_new();
    json_put_text(v, "config_name", config);
    core_event(c, t, name, v);
}

// --- providers ---------------------------------------------------------------------------------------------

static json_value *provider_claims(const core_claims *claims) {
    json_value *v = json_object_new();
    put_time(v, "expires_human", claims->has_expiry, claims->expires_at_s);
    json_put_text(v, "issuer", claims->issuer);
    json_put(v, "name", text_or_null(claims->name));
    put_time(v, "not_before_human", claims->has_not_before, claims->not_before_s);
    json_put(v, "tags", json_null_new());
    json_put(v, "version", text_or_null(claims->version));
    return v;
}

void core_event_provider_started(lattice_core *c, lattice_time t, const core_provider *p) {
    json_value *v = json_object_new();
    json_put(v, "annotations", core_json_pairs(p->wish->annotations));
    if (p->claims != NULL) {
        json_put(v, "claims", provider_claims(p->claims));
    }
    json_put_text(v, "host_id", c->settings.host_id);
    json_put_text(v, "image_ref", core_shown_ref(p->wish->ref));
    if (p->claims != NULL) {
        json_put_text(v, "instance_id", p->record.key);
        json_put_text(v, "link_name", slice_from_text("default"));
    }
    json_put_text(v, "provider_id", p->record.key);
    if (p->claims != NULL) {
        json_put_text(v, "public_key", p->record.key);
    }
    core_event(c, t, "provider_started", v);
}

void core_event_provider_failed(lattice_core *c, lattice_time t, slice id, slice ref, const char *why) {
    json_value *v = json_object_new();
    json_put_text(v, "error", slice_from_text(why));
    json_put_text(v, "host_id", c->settings.host_id);
    json_put_text(v, "link_name", slice_from_text("default"));
    json_put_text(v, "provider_id", id);
    json_put_text(v, "provider_ref", ref);
    core_event(c, t, "provider_start_failed", v);
}

void core_event_provider_stopped(lattice_core *c, lattice_time t, const core_provider *p,
                                 const char *reason) {
    json_value *v = json_object_new();
    json_put(v, "annotations", core_json_pairs(p->wish->annotations));
    json_put_text(v, "host_id", c->settings.host_id);
    json_put_text(v, "instance_id", p->record.key);
    json_put_text(v, "link_name", slice_from_text("default"));
    json_put_text(v, "provider_id", p->record.key);
    json_put_text(v, "public_key", p->record.key);
    json_put_text(v, "reason", slice_from_text(reason));
    core_event(c, t, "provider_stopped", v);
}

void core_event_health(lattice_core *c, lattice_time t, const char *name, slice id) {
    json_value *v = json_object_new();
    json_put_text(v, "host_id", c->settings.host_id);
    json_put_text(v, "provider_id", id);
    core_event(c, t, name, v);
}
