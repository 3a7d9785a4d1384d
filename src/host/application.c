// SPDX-License-Identifier: Apache-2.0
#include "host/application.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "codec/utf.h"
#include "driver/driver.h"
#include "host/application_rules.h"
#include "host/application_secrets.h"

enum { SHOWN = 80, INTERFACE_BYTES_MAX = 512 };

typedef struct reader {
    manifest *m;
    application_target *target;
    const manifest_component *component; // that becomes a workload
    workload_config *workload;
} reader;

// What a list says is too long or malformed, at its place.
static void note(reader *r, text_place at, status s, const err *e) {
    if (s != STATUS_OK) {
        problems_add(&r->m->found, at, "local", NULL, "%s", e->message);
    }
}

// --- what a component is given -----------------------------------------------------------------------------

static void take_image(reader *r) {
    const manifest_component *c = r->component;
    if (c->reference.kind != IMAGE_FILE || c->reference.name.len == 0) {
        return; // found already
    }
    r->workload->component_path = manifest_file_path(r->m, c->reference.name);
    if (access(r->workload->component_path, R_OK) != 0) {
        problems_add(&r->m->found, c->image.at, "local-image",
                     "build it, or write its path relative to the manifest", "there is no file %s",
                     r->workload->component_path);
    }
}

static void take_limits(reader *r) {
    const manifest_workload *w = &r->component->workload;
    host_limits *l = &r->workload->limits;
    uint64_t scale = manifest_instances(r->component);
    l->instances_max = scale < MANIFEST_INSTANCES_MAX ? (uint32_t)scale : MANIFEST_INSTANCES_MAX;
    if (w->has_instances && w->instances_max < l->instances_max) {
        l->instances_max = w->instances_max;
    }
    if (w->memory_bytes_max != 0) {
        l->memory_bytes_max = w->memory_bytes_max;
    }
    l->cpu_time_ns_max = w->cpu_time_ns_max;
    l->wall_time_ns_max = w->wall_time_ns_max;
    l->queue_max = w->has_queue ? w->queue_max : l->queue_max;
    l->reuse_max = w->has_reuse ? w->reuse_max : l->reuse_max;
}

static void take_variables(reader *r) {
    const manifest_workload *w = &r->component->workload;
    for (size_t i = 0; i < w->variable_count; i++) {
        err e;
        char *name = mem_slice_dup(w->variables[i].key), *value = mem_slice_dup(w->variables[i].value);
        note(r, w->variables[i].at, workload_config_add_variable(r->workload, name, value, &e), &e);
        mem_free(name);
        mem_free(value);
    }
}

static void take_directories(reader *r) {
    const manifest_workload *w = &r->component->workload;
    for (size_t i = 0; i < w->directory_count; i++) {
        const manifest_directory *d = &w->directories[i];
        err e;
        char *host = manifest_file_path(r->m, d->host_path), *guest = mem_slice_dup(d->guest_path);
        note(r, d->at, workload_config_add_directory(r->workload, host, guest, d->read_only, &e), &e);
        mem_free(host);
        mem_free(guest);
    }
}

static void take_hosts(reader *r, const manifest_texts *list, network_policy *ret,
                       network_default_port port) {
    for (size_t i = 0; i < list->count; i++) {
        err e;
        note(r, list->texts[i].at, network_policy_add(ret, list->texts[i].value, port, &e), &e);
    }
}

static void take_words(reader *r, const manifest_texts *list, char ***ret, size_t *count) {
    for (size_t i = 0; i < list->count; i++) {
        err e;
        char *word = mem_slice_dup(list->texts[i].value);
        note(r, list->texts[i].at, host_config_add_text(ret, count, word, &e), &e);
        mem_free(word);
    }
}

static void add_route(reader *r, workload_config *to, slice host, slice path, text_place at) {
    err e;
    char *host_text = host.len > 0 ? mem_slice_dup(host) : NULL, *path_text = mem_slice_dup(path);
    status s = workload_config_add_route(to, host_text, path_text, &e);
    if (s != STATUS_OK) {
        problems_add(&r->m->found, at, "route", NULL, "%s", e.message);
    }
    mem_free(host_text);
    mem_free(path_text);
}

static void take_policy(reader *r) {
    const manifest_workload *w = &r->component->workload;
    workload_config *c = r->workload;
    take_limits(r);
    take_variables(r);
    take_directories(r);
    take_hosts(r, &w->http_hosts, &c->http_policy, NETWORK_PORT_OF_HTTP);
    take_hosts(r, &w->net_hosts, &c->net_policy, NETWORK_PORT_ANY);
    take_words(r, &w->grants, &c->grants, &c->grant_count);
    take_words(r, &w->refusals, &c->refusals, &c->refusal_count);
    for (size_t i = 0; i < w->route_count; i++) {
        add_route(r, c, w->routes[i].host, w->routes[i].path, w->routes[i].at);
    }
    c->is_strict = w->is_strict;
    if (manifest_has(&w->token)) {
        c->token_path = manifest_file_path(r->m, w->token.value);
    }
    if (manifest_has(&w->stdio)) {
        c->stdio = slice_equal_text(w->stdio.value, "inherit") ? HOST_STDIO_INHERIT : HOST_STDIO_NONE;
    }
}

// Whether a later set of settings has the same key: the last one counts, as in 1.x.
static bool is_overridden(const manifest_settings *s, size_t from, slice key) {
    for (size_t i = from + 1; i < s->config_count; i++) {
        const manifest_map *map = &s->configs[i].properties;
        for (size_t n = 0; n < map->count; n++) {
            if (slice_equal(map->pairs[n].key, key)) {
                return true;
            }
        }
    }
    return false;
}

static void take_values(reader *r) {
    const manifest_settings *s = &r->component->settings;
    for (size_t i = 0; i < s->config_count; i++) {
        const manifest_map *map = &s->configs[i].properties;
        for (size_t n = 0; n < map->count; n++) {
            if (is_overridden(s, i, map->pairs[n].key)) {
                continue;
            }
            err e;
            char *name = mem_slice_dup(map->pairs[n].key), *value = mem_slice_dup(map->pairs[n].value);
            note(r, map->pairs[n].at, workload_config_add_value(r->workload, name, value, &e), &e);
            mem_free(name);
            mem_free(value);
        }
    }
}

// --- links to drivers --------------------------------------------------------------------------------------

static slice interface_of(const manifest_link *l, size_t i, char text[INTERFACE_BYTES_MAX]) {
    int n = snprintf(text, INTERFACE_BYTES_MAX, "%.*s:%.*s/%.*s", SLICE_ARG(l->wit_namespace.value),
                     SLICE_ARG(l->wit_package.value), SLICE_ARG(l->interfaces[i].value));
    return n < INTERFACE_BYTES_MAX ? slice_from_text(text) : slice_empty();
}

// What the driver of that name can do, for advice.
static const char *list_interfaces(problems *found, const char *name) {
    const char *list = "";
    for (const driver *const *d = driver_all(); *d != NULL; d++) {
        for (size_t i = 0; strcmp((*d)->name, name) == 0 && (*d)->interfaces[i] != NULL; i++) {
            list =
                problems_text(found, "%s%s%s", list, list[0] == '\0' ? "it has " : ", ", (*d)->interfaces[i]);
        }
    }
    return list[0] == '\0' ? "this version does not have that driver" : list;
}

static const driver *find_driver(reader *r, const manifest_link *l, const char *name) {
    const driver *found = NULL;
    for (size_t i = 0; i < l->interface_count; i++) {
        char text[INTERFACE_BYTES_MAX], shown[INTERFACE_BYTES_MAX];
        slice interface = interface_of(l, i, text);
        const driver *d = driver_find(slice_from_text(name), interface);
        if (d == NULL) {
            problems_add(&r->m->found, l->interfaces[i].at, "local-driver",
                         list_interfaces(&r->m->found, name), "the driver %s does not serve %s", name,
                         utf8_shown(interface, shown, sizeof shown));
        }
        found = d == NULL ? found : d;
    }
    return found;
}

static const driver_setting *find_setting(const driver *d, slice key) {
    for (const driver_setting *s = d->settings; s->name != NULL; s++) {
        if (slice_equal_nocase(key, slice_from_text(s->name))) {
            return s;
        }
    }
    return driver_find_setting(d, key);
}

// As the driver spells it, where it knows the name. For the text of `found`.
static const char *spelled(problems *found, const driver_setting *s, slice key) {
    return driver_setting_fits(s, true) && driver_setting_fits(s, false)
               ? problems_text(found, "%.*s", SLICE_ARG(key))
               : s->name;
}

static const char *list_credentials(problems *found, const driver *d) {
    const char *list = "";
    for (const driver_setting *s = d->settings; s->name != NULL; s++) {
        if (s->is_secret) {
            list = problems_text(found, "%s%s%s", list, list[0] == '\0' ? "it has " : ", ", s->name);
        }
    }
    return list[0] == '\0' ? "it needs none" : list;
}

static const char *list_settings(problems *found, const driver *d) {
    const char *list = "";
    for (const driver_setting *s = d->settings; s->name != NULL; s++) {
        list = problems_text(found, "%s%s%s", list, list[0] == '\0' ? "it has " : ", ", s->name);
    }
    return list[0] == '\0' ? "it has none" : list;
}

typedef struct driver_link_reader {
    reader *r;
    const driver *driver;
    host_link *made; // NULL: only check
} driver_link_reader;

static bool has_setting(const host_link *l, const char *name, size_t *ret_at) {
    for (size_t i = 0; i < l->setting_count; i++) {
        if (strcmp(l->settings[i].name, name) == 0) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

static void put_setting(driver_link_reader *p, const char *name, slice value, text_place at) {
    size_t i;
    err e;
    if (has_setting(p->made, name, &i)) {
        mem_free(p->made->settings[i].value);
        p->made->settings[i].value = mem_slice_dup(value);
        return;
    }
    note(p->r, at, host_link_add_setting(p->made, slice_from_text(name), value, &e), &e);
}

static void take_setting(driver_link_reader *p, const manifest_pair *pair) {
    const driver_setting *s = find_setting(p->driver, pair->key);
    problems *found = &p->r->m->found;
    char shown[SHOWN];
    if (s == NULL) {
        problems_add(found, pair->at, "local-driver", list_settings(found, p->driver),
                     "the driver %s has no setting `%s`", p->driver->name,
                     utf8_shown(pair->key, shown, sizeof shown));
    } else if (!driver_setting_fits(s, false)) {
        problems_add(found, pair->at, "local-driver", "name it among the `secrets` of the link's target",
                     "`%s` of the driver %s is a credential, which has no place in a manifest", s->name,
                     p->driver->name);
    } else {
        put_setting(p, spelled(found, s, pair->key), pair->value, pair->value_at);
    }
}

static void take_settings(driver_link_reader *p, const manifest_settings *s) {
    for (size_t i = 0; i < s->config_count; i++) {
        for (size_t n = 0; n < s->configs[i].properties.count; n++) {
            take_setting(p, &s->configs[i].properties.pairs[n]);
        }
    }
}

static void take_credential(driver_link_reader *p, const manifest_secret *one) {
    const driver_setting *s = find_setting(p->driver, one->name.value);
    problems *found = &p->r->m->found;
    char shown[SHOWN];
    host_secret made = {0};
    err e;
    if (!driver_setting_fits(s, true)) {
        problems_add(found, one->name.at, "local-driver", list_credentials(found, p->driver),
                     "the driver %s has no credential `%s`", p->driver->name,
                     utf8_shown(one->name.value, shown, sizeof shown));
    } else if (application_secret(p->r->m, one, p->r->target->config, &made)) {
        mem_free(made.name);
        made.name = mem_text_dup(spelled(found, s, one->name.value));
        note(p->r, one->name.at, host_link_put_secret(p->made, &made, &e), &e);
    }
    host_secret_done(&made);
}

static void take_credentials(driver_link_reader *p, const manifest_settings *s) {
    for (size_t i = 0; i < s->secret_count; i++) {
        take_credential(p, &s->secrets[i]);
    }
}

// Files of two applications are not the same unless both name it, and no more are buses.
static void default_settings(driver_link_reader *p, const manifest_link *l,
                             const manifest_component *target) {
    size_t at;
    if (strcmp(p->driver->name, "local") == 0 && find_setting(p->driver, slice_from_text("bus")) != NULL &&
        !has_setting(p->made, "bus", &at)) {
        put_setting(p, "bus", target->id, l->at);
    }
    if (strcmp(p->driver->name, "sqlite") == 0 && find_setting(p->driver, slice_from_text("path")) != NULL &&
        !has_setting(p->made, "path", &at)) {
        const char *file = problems_text(&p->r->m->found, "%.*s.sqlite3", SLICE_ARG(target->id));
        put_setting(p, "path", slice_from_text(file), l->at);
    }
    if (strcmp(p->driver->name, "directory") == 0 && !has_setting(p->made, "root", &at)) {
        put_setting(p, "root", target->id, l->at);
    }
    for (const driver_setting *s = p->driver->settings; s->name != NULL; s++) {
        if (s->is_required && !s->is_secret && !has_setting(p->made, s->name, &at)) {
            problems_add(&p->r->m->found, l->target.at, "local-driver",
                         problems_text(&p->r->m->found, "%s: %s", s->name, s->text),
                         "the driver %s needs the setting `%s`", p->driver->name, s->name);
        }
    }
}

static void name_target(host_link *made, slice name, const char *driver_name) {
    size_t n = name.len + strlen(driver_name) + 4;
    mem_free(made->target);
    made->target = mem_zalloc(n);
    (void)snprintf(made->target, n, "%.*s (%s)", SLICE_ARG(name), driver_name);
}

static host_link *find_link(host_links *links, slice name, slice target) {
    for (size_t i = 0; i < links->count; i++) {
        host_link *l = &links->items[i];
        if (slice_equal_text(name, l->name) && slice_equal_text(target, l->target_name)) {
            return l;
        }
    }
    return NULL;
}

static void make_link(driver_link_reader *p, const manifest_link *l, const manifest_component *capability) {
    const char *driver_name = capability->reference.driver;
    char *link_name = mem_slice_dup(manifest_link_name(l));
    err e;
    note(p->r, l->at, host_links_add(&p->r->workload->links, link_name, driver_name, &p->made, &e), &e);
    mem_free(link_name);
    if (p->made != NULL) {
        name_target(p->made, capability->name.value, driver_name);
        mem_free(p->made->target_name);
        p->made->target_name = mem_slice_dup(capability->id);
    }
}

// Both directions between a workload and a capability, under one name, are one link of the driver's.
static void link_driver(reader *r, const manifest_link *l, const manifest_component *capability,
                        bool is_from_driver) {
    driver_link_reader p = {.r = r, .driver = find_driver(r, l, capability->reference.driver)};
    err e;
    if (p.driver == NULL) {
        return;
    }
    p.made = is_from_driver ? find_link(&r->workload->links, manifest_link_name(l), capability->id) : NULL;
    bool is_new = p.made == NULL;
    if (is_new) {
        make_link(&p, l, capability);
    }
    if (p.made == NULL) {
        return;
    }
    for (size_t i = 0; i < l->interface_count; i++) {
        char text[INTERFACE_BYTES_MAX];
        note(r, l->interfaces[i].at, host_link_add_interface(p.made, interface_of(l, i, text), &e), &e);
    }
    if (is_new) {
        take_settings(&p, &capability->settings);
    }
    if (is_from_driver) {
        take_settings(&p, &l->source_settings);
    }
    take_settings(&p, &l->target_settings);
    if (is_new) {
        take_credentials(&p, &capability->settings);
    }
    take_credentials(&p, is_from_driver ? &l->source_settings : &l->target_settings);
    default_settings(&p, l, capability);
}

// --- other links -------------------------------------------------------------------------------------------

static void link_component(reader *r, const manifest_link *l) {
    problems *found = &r->m->found;
    char shown[SHOWN];
    if (manifest_instances(l->target_component) == 0) {
        problems_add(
            found, l->target.at, "local-link", "give it a trait of type spreadscaler with `instances: N`",
            "`%s` has no instances, so nobody can call it", utf8_shown(l->target.value, shown, sizeof shown));
        return;
    }
    char *name = mem_slice_dup(l->target_component->id), *link = mem_slice_dup(manifest_link_name(l));
    for (size_t i = 0; i < l->interface_count; i++) {
        char text[INTERFACE_BYTES_MAX];
        err e;
        if (interface_of(l, i, text).len > 0) {
            note(r, l->interfaces[i].at, workload_config_add_callee(r->workload, text, link, name, &e), &e);
        }
    }
    mem_free(link);
    mem_free(name);
}

// The link says that there may be requests, the policy to whom.
static void link_http_client(reader *r, const manifest_link *l) {
    if (r->component->workload.http_hosts.count == 0) {
        char shown[SHOWN];
        problems_warn(&r->m->found, l->at, "local-http",
                      "add `allow-http: HOST...` to a policy of type " MANIFEST_WORKLOAD_POLICY,
                      "`%s` may send requests to nobody, because no policy names hosts",
                      utf8_shown(r->component->name.value, shown, sizeof shown));
    }
}

static void take_link(reader *r, const manifest_link *l) {
    const manifest_component *to = l->target_component;
    application_refuse_secrets(r->m, &l->source_settings,
                               "name it among the `secrets` of the component, which reveals it by that name");
    if (to == NULL) {
        return; // found already
    }
    if (!to->is_capability || to->reference.role != PROVIDER_DRIVER) {
        application_refuse_secrets(r->m, &l->target_settings, "only drivers take credentials");
    }
    if (!to->is_capability) {
        link_component(r, l);
    } else if (to->reference.role == PROVIDER_DRIVER) {
        link_driver(r, l, to, false);
    } else if (to->reference.role == PROVIDER_HTTP_CLIENT) {
        link_http_client(r, l);
    } else if (to->reference.role == PROVIDER_HTTP_SERVER) {
        problems_add(&r->m->found, l->at, "local-link", "give the server a link to the component instead",
                     "an HTTP server is the source of its links, not a target");
    }
}

// --- the components ----------------------------------------------------------------------------------------

static void take_secrets(reader *r, const manifest_settings *s) {
    for (size_t i = 0; i < s->secret_count; i++) {
        host_secret made = {0};
        err e;
        if (application_secret(r->m, &s->secrets[i], r->target->config, &made)) {
            note(r, s->secrets[i].name.at, workload_config_add_secret(r->workload, &made, &e), &e);
        }
        host_secret_done(&made);
    }
}

static void take_component(reader *r, const manifest_component *c) {
    err e;
    if (host_config_find(r->target->config, c->id) < HOST_WORKLOADS_MAX) {
        char shown[SHOWN];
        problems_add(&r->m->found, c->at, "local-id", "rename it or the application",
                     "another component that runs here has the id `%s`",
                     utf8_shown(c->id, shown, sizeof shown));
        return;
    }
    status s = host_config_add_workload(r->target->config, &r->workload, &e);
    if (s != STATUS_OK) {
        note(r, c->at, s, &e);
        return;
    }
    r->component = c;
    r->workload->name = mem_slice_dup(c->id);
    r->workload->manifest_path = mem_text_dup(r->m->file);
    take_image(r);
    take_policy(r);
    take_values(r);
    take_secrets(r, &c->settings);
    for (size_t t = 0; t < c->trait_count; t++) {
        if (manifest_trait_is_link(&c->traits[t])) {
            take_link(r, &c->traits[t].link);
        }
    }
}

static workload_config *workload_of(const reader *r, const manifest_component *c) {
    uint32_t n = host_config_find(r->target->config, c->id);
    return n < HOST_WORKLOADS_MAX ? &r->target->config->workloads[n] : NULL;
}

// --- the listener ------------------------------------------------------------------------------------------

// One host has one listener; the first link that names an address decides.
static void take_address(reader *r, const manifest_serving *s) {
    application_target *t = r->target;
    host_config *c = t->config;
    char address[NETWORK_ADDRESS_TEXT_BYTES], shown[SHOWN];
    network_address parsed;
    uint16_t port;
    if (t->is_listener_fixed) {
        return;
    }
    if (!network_endpoint_parse(s->address, &parsed, &port)) {
        problems_add(&r->m->found, s->at, "local-http", "write an address such as 127.0.0.1:8000",
                     "`%s` is not an address to listen on", utf8_shown(s->address, shown, sizeof shown));
        return;
    }
    (void)network_address_text(&parsed, address);
    if (t->address_file == NULL) {
        t->address_file = r->m->file;
        t->address_at = s->at;
        mem_free(c->listen_address);
        c->listen_address = mem_text_dup(address);
        c->listen_port = port;
    } else if (port != c->listen_port || strcmp(address, c->listen_address) != 0) {
        problems_add(&r->m->found, s->at, "local-http",
                     "route by path or host on one address, or name one with --listen",
                     "the address %s is not the one of %s:%u, %s:%u: a host has one listener",
                     utf8_shown(s->address, shown, sizeof shown), t->address_file, t->address_at.line,
                     c->listen_address, (unsigned)c->listen_port);
    }
}

// What the component exports, called by the driver.
static void take_handler(reader *r, const manifest_component *capability, const manifest_link *l) {
    r->component = l->target_component;
    r->workload = workload_of(r, l->target_component);
    if (r->workload != NULL) { // else it has no instances
        link_driver(r, l, capability, true);
    }
}

static void take_serving(reader *r, const manifest_component *server, const manifest_link *l) {
    manifest_serving s;
    char shown[SHOWN];
    if (server->reference.role != PROVIDER_DRIVER) {
        application_refuse_secrets(r->m, &l->source_settings, "an HTTP server takes none");
    }
    application_refuse_secrets(r->m, &l->target_settings,
                               "name it among the `secrets` of the component, which reveals it by that name");
    if (l->target_component == NULL || server->reference.role == PROVIDER_NONE) {
        return; // found already
    }
    if (server->reference.role == PROVIDER_DRIVER && !l->target_component->is_capability) {
        take_handler(r, server, l);
        return;
    }
    if (!manifest_serving_of(server, l, &s) || s.component->is_capability) {
        problems_add(
            &r->m->found, l->at, "local-link",
            "an HTTP server calls components, with the interface incoming-handler, and a driver does",
            "a link of `%s` to this target means nothing",
            utf8_shown(server->name.value, shown, sizeof shown));
        return;
    }
    take_address(r, &s);
    workload_config *to = workload_of(r, s.component);
    if (to != NULL) { // else it has no instances
        add_route(r, to, s.host, s.path, s.at);
    }
}

static void take_capability(reader *r, const manifest_component *c) {
    if (c->reference.role != PROVIDER_DRIVER) {
        application_refuse_secrets(r->m, &c->settings, "only drivers take credentials");
    }
    for (size_t t = 0; t < c->trait_count; t++) {
        if (manifest_trait_is_link(&c->traits[t])) {
            take_serving(r, c, &c->traits[t].link);
        }
    }
}

status application_add(manifest *m, application_target *t) {
    reader r = {.m = m, .target = t};
    for (size_t i = 0; i < m->component_count; i++) {
        const manifest_component *c = &m->components[i];
        if (!c->is_capability && manifest_has(&c->name) && manifest_instances(c) > 0) {
            take_component(&r, c);
        }
    }
    for (size_t i = 0; i < m->component_count; i++) {
        if (m->components[i].is_capability) {
            take_capability(&r, &m->components[i]);
        }
    }
    application_add_rules(m, t->config);
    problems_sort(&m->found);
    return m->found.error_count > 0 ? STATUS_INVALID : STATUS_OK;
}
