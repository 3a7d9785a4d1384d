// SPDX-License-Identifier: Apache-2.0
#include "host/config.h"

#include "base/mem.h"
#include "host/routes.h"
#include "os/random.h"

static const uint64_t second_ns = 1000000000;

host_limits host_limits_default(void) {
    return (host_limits){
        .memory_bytes_max = 256u << 20,
        .table_elements_max = 100000,
        .queue_max = 1000,
        .reuse_max = 1,
        .files_max = 64,
        .sockets_max = 64,
        .streams_max = 1024,
        .resources_max = 4096,
        .log_bytes_per_second_max = 64 << 10,
    };
}

void host_config_init(host_config *c) {
    *c = (host_config){
        .listen_address = mem_text_dup("127.0.0.1"),
        .listen_port = 8000,
        .workers = -1,
        .header_count_max = 100,
        .header_bytes_max = 32 << 10,
        .connections_max = 10000,
        .hang_ns_max = second_ns,
        .drain_ns_max = 10 * second_ns,
    };
}

static void free_list(char **list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(list[i]);
    }
    mem_free(list);
}

void host_callee_done(host_callee *c) {
    mem_free(c->interface);
    mem_free(c->link);
    mem_free(c->workload);
    *c = (host_callee){0};
}

static void workload_config_done(workload_config *c) {
    for (size_t i = 0; i < c->directory_count; i++) {
        mem_free(c->directories[i].host_path);
        mem_free(c->directories[i].guest_path);
    }
    for (size_t i = 0; i < c->variable_count; i++) {
        mem_free(c->variables[i].name);
        mem_free(c->variables[i].value);
    }
    for (size_t i = 0; i < c->callee_count; i++) {
        host_callee_done(&c->callees[i]);
    }
    mem_free(c->callees);
    for (size_t i = 0; i < c->route_count; i++) {
        mem_free(c->routes[i].host);
        mem_free(c->routes[i].path);
    }
    for (size_t i = 0; i < c->value_count; i++) {
        mem_free(c->values[i].name);
        mem_free(c->values[i].value);
    }
    mem_free(c->directories);
    mem_free(c->variables);
    mem_free(c->routes);
    mem_free(c->values);
    for (size_t i = 0; i < c->secret_count; i++) {
        host_secret_done(&c->secrets[i]);
    }
    mem_free(c->secrets);
    host_links_done(&c->links);
    free_list(c->arguments, c->argument_count);
    free_list(c->grants, c->grant_count);
    free_list(c->refusals, c->refusal_count);
    network_policy_done(&c->http_policy);
    network_policy_done(&c->net_policy);
    mem_free(c->component_path);
    mem_free(c->name);
    mem_free(c->token_path);
    mem_free(c->manifest_path);
    mem_free(c->issuer);
}

void host_config_done(host_config *c) {
    for (size_t i = 0; i < c->secret_backend_count; i++) {
        mem_free(c->secret_backends[i].name);
        secret_settings_done(&c->secret_backends[i].settings);
    }
    mem_free(c->secret_backends);
    for (size_t i = 0; i < c->workload_count; i++) {
        workload_config_done(&c->workloads[i]);
    }
    mem_free(c->workloads);
    host_rules_done(&c->rules);
    mem_free(c->name);
    mem_free(c->listen_address);
    mem_free(c->cache_directory);
    mem_free(c->data_directory);
    mem_free(c->ca_file);
    mem_free(c->proxy_host);
    mem_free(c->proxy_login_file);
    network_policy_done(&c->no_proxy);
    mem_free(c->trust_usual);
    mem_free(c->trust_named);
    mem_free(c->settings_path);
    mem_free(c->spiffe_endpoint);
    mem_free(c->spiffe_audience);
    *c = (host_config){0};
}

status host_config_add_workload(host_config *c, workload_config **ret, err *e) {
    if (c->workload_count >= HOST_WORKLOADS_MAX) {
        return err_set(e, STATUS_LIMIT, "a host runs at most %d workloads", HOST_WORKLOADS_MAX);
    }
    c->workloads = mem_resize(c->workloads, (c->workload_count + 1) * sizeof c->workloads[0]);
    workload_config *w = &c->workloads[c->workload_count++];
    *w = (workload_config){.limits = host_limits_default()};
    random_fill(w->metadata_key, sizeof w->metadata_key);
    *ret = w;
    return STATUS_OK;
}

uint32_t host_config_find(const host_config *c, slice name) {
    for (uint32_t i = 0; i < c->workload_count; i++) {
        if (slice_equal_text(name, c->workloads[i].name)) {
            return i;
        }
    }
    return HOST_WORKLOADS_MAX;
}

status host_config_add_rule(host_config *c, const gate_rule *rule, err *e) {
    return host_rules_add(&c->rules, rule, e);
}

status host_config_number_links(host_config *c, uint32_t *ret_count, err *e) {
    size_t count = 0;
    for (size_t i = 0; i < c->workload_count; i++) {
        host_links *l = &c->workloads[i].links;
        if (l->count > HOST_LINKS_MAX - count) {
            return err_set(e, STATUS_LIMIT, "a host has at most %d links", HOST_LINKS_MAX);
        }
        for (size_t k = 0; k < l->count; k++) {
            l->items[k].number = (uint32_t)count++;
            mem_free(l->items[k].workload);
            l->items[k].workload = mem_text_dup(c->workloads[i].name != NULL ? c->workloads[i].name : "");
        }
    }
    *ret_count = (uint32_t)count;
    return STATUS_OK;
}

bool host_config_calls_out(const host_config *c) {
    for (size_t i = 0; i < c->workload_count; i++) {
        if (!network_policy_is_empty(&c->workloads[i].http_policy)) {
            return true;
        }
    }
    return false;
}

// --- instances ---------------------------------------------------------------------------------------------

// Together the same as one alone, while that leaves each enough.
static uint32_t default_instances(const host_config *c) {
    uint32_t part =
        c->workload_count > 1 ? HOST_INSTANCES_DEFAULT / (uint32_t)c->workload_count : HOST_INSTANCES_DEFAULT;
    return part > HOST_INSTANCES_DEFAULT_MIN ? part : HOST_INSTANCES_DEFAULT_MIN;
}

uint64_t host_config_instances(const host_config *c) {
    uint64_t sum = 0;
    for (size_t i = 0; i < c->workload_count; i++) {
        uint32_t n = c->workloads[i].limits.instances_max;
        sum += n > 0 ? n : default_instances(c);
    }
    return sum;
}

static status refuse_sum(uint64_t named, size_t rest, uint32_t capacity, err *e) {
    return err_set(
        e, STATUS_LIMIT,
        "the workloads name %llu instances at one time, %zu more workloads need at least one each, "
        "and this machine has address space for %u (see `ulimit -v`): lower the most instances of "
        "some",
        (unsigned long long)named, rest, capacity);
}

// To what the machine has room for: calls beyond it wait, as those beyond a workload's own number do.
// Each keeps one, and its part of `shared`.
static uint64_t lower_named(host_config *c, uint64_t named, uint32_t shared) {
    uint64_t sum = 0;
    for (size_t i = 0; i < c->workload_count; i++) {
        uint32_t *n = &c->workloads[i].limits.instances_max;
        uint64_t part = (uint64_t)*n * shared / named;
        *n = part < *n ? (uint32_t)part + 1 : *n;
        sum += *n;
    }
    return sum;
}

status host_config_share_instances(host_config *c, uint32_t capacity, err *e) {
    uint64_t named = 0;
    size_t rest = 0;
    for (size_t i = 0; i < c->workload_count; i++) {
        named += c->workloads[i].limits.instances_max;
        rest += c->workloads[i].limits.instances_max == 0;
    }
    if (named + rest > capacity && c->is_assigned && capacity >= 2 * c->workload_count) {
        named = lower_named(c, named, capacity - (uint32_t)rest - (uint32_t)c->workload_count);
    }
    if (named + rest > capacity) {
        return refuse_sum(named, rest, capacity, e);
    }
    uint64_t part = rest == 0 ? 0 : (capacity - named) / rest;
    part = part < default_instances(c) ? part : default_instances(c);
    for (size_t i = 0; i < c->workload_count; i++) {
        uint32_t *n = &c->workloads[i].limits.instances_max;
        *n = *n > 0 ? *n : (uint32_t)part;
    }
    return STATUS_OK;
}

// --- lists -------------------------------------------------------------------------------------------------

static status has_room(size_t count, const char *what, err *e) {
    return count < HOST_LIST_MAX ? STATUS_OK
                                 : err_set(e, STATUS_LIMIT, "more than %d %s", HOST_LIST_MAX, what);
}

status workload_config_add_directory(workload_config *c, const char *host_path, const char *guest_path,
                                     bool read_only, err *e) {
    TRY(has_room(c->directory_count, "directories", e));
    c->directories = mem_resize(c->directories, (c->directory_count + 1) * sizeof c->directories[0]);
    c->directories[c->directory_count++] = (host_directory){
        .host_path = mem_text_dup(host_path), .guest_path = mem_text_dup(guest_path), .read_only = read_only};
    return STATUS_OK;
}

status workload_config_add_value(workload_config *c, const char *name, const char *value, err *e) {
    TRY(has_room(c->value_count, "values of the configuration", e));
    for (size_t i = 0; i < c->value_count; i++) {
        if (strcmp(c->values[i].name, name) == 0) {
            return err_set(e, STATUS_EXISTS, "the configuration has two values for \"%s\"", name);
        }
    }
    c->values = mem_resize(c->values, (c->value_count + 1) * sizeof c->values[0]);
    c->values[c->value_count++] = (host_variable){.name = mem_text_dup(name), .value = mem_text_dup(value)};
    return STATUS_OK;
}

status workload_config_add_secret(workload_config *c, const host_secret *added, err *e) {
    if (c->secret_count == HOST_SECRETS_MAX) {
        return err_set(e, STATUS_LIMIT, "a workload has at most %d secrets", HOST_SECRETS_MAX);
    }
    for (size_t i = 0; i < c->secret_count; i++) {
        if (strcmp(c->secrets[i].name, added->name) == 0) {
            return err_set(e, STATUS_EXISTS, "two secrets are called \"%.128s\"", added->name);
        }
    }
    c->secrets = mem_resize(c->secrets, (c->secret_count + 1) * sizeof c->secrets[0]);
    c->secrets[c->secret_count++] = host_secret_copy(added);
    return STATUS_OK;
}

status host_config_add_secret_backend(host_config *c, const char *name, secret_settings *settings,
                                      uint32_t *ret, err *e) {
    for (size_t i = 0; i < c->secret_backend_count; i++) {
        if (secret_settings_equal(&c->secret_backends[i].settings, settings)) {
            secret_settings_done(settings);
            *ret = (uint32_t)i + 1;
            return STATUS_OK;
        }
    }
    if (c->secret_backend_count == HOST_SECRET_BACKENDS_MAX) {
        secret_settings_done(settings);
        return err_set(e, STATUS_LIMIT, "a host takes secrets from at most %d places",
                       HOST_SECRET_BACKENDS_MAX);
    }
    c->secret_backends =
        mem_resize(c->secret_backends, (c->secret_backend_count + 1) * sizeof c->secret_backends[0]);
    c->secret_backends[c->secret_backend_count++] = (host_secret_backend){mem_text_dup(name), *settings};
    *settings = (secret_settings){0};
    *ret = (uint32_t)c->secret_backend_count;
    return STATUS_OK;
}

bool host_config_needs_secrets(const host_config *c) {
    for (size_t i = 0; i < c->workload_count; i++) {
        const workload_config *w = &c->workloads[i];
        bool needs = w->secret_count > 0;
        for (size_t k = 0; k < w->links.count; k++) {
            needs = needs || w->links.items[k].secret_count > 0;
        }
        if (needs) {
            return true;
        }
    }
    return false;
}

status workload_config_add_variable(workload_config *c, const char *name, const char *value, err *e) {
    TRY(has_room(c->variable_count, "variables", e));
    c->variables = mem_resize(c->variables, (c->variable_count + 1) * sizeof c->variables[0]);
    c->variables[c->variable_count++] =
        (host_variable){.name = mem_text_dup(name), .value = mem_text_dup(value)};
    return STATUS_OK;
}

status workload_config_add_route(workload_config *c, const char *host, const char *path, err *e) {
    if (c->route_count >= HOST_ROUTES_MAX) {
        return err_set(e, STATUS_LIMIT, "a workload has at most %d routes", HOST_ROUTES_MAX);
    }
    TRY(route_check(host, path, e));
    c->routes = mem_resize(c->routes, (c->route_count + 1) * sizeof c->routes[0]);
    c->routes[c->route_count++] =
        (host_route){.host = host == NULL ? NULL : mem_text_dup(host), .path = mem_text_dup(path)};
    return STATUS_OK;
}

const host_callee *workload_config_callee(const workload_config *c, slice interface, slice link) {
    for (size_t i = 0; i < c->callee_count; i++) {
        if (slice_equal_text(interface, c->callees[i].interface) &&
            slice_equal_text(link, c->callees[i].link)) {
            return &c->callees[i];
        }
    }
    return NULL;
}

static bool has_driver(const workload_config *c, slice interface) {
    for (size_t i = 0; i < c->links.count; i++) {
        if (host_link_serves(&c->links.items[i], interface)) {
            return true;
        }
    }
    return false;
}

const host_callee *workload_config_import(const workload_config *c, slice interface, slice label) {
    const host_callee *found =
        workload_config_callee(c, interface, label.len > 0 ? label : slice_from_text("default"));
    for (size_t i = 0; i < c->callee_count && label.len == 0 && found == NULL; i++) {
        bool is_one = slice_equal_text(interface, c->callees[i].interface) && !has_driver(c, interface);
        found = is_one ? &c->callees[i] : NULL;
    }
    return found;
}

status workload_config_add_callee(workload_config *c, const char *interface, const char *link,
                                  const char *workload, err *e) {
    TRY(has_room(c->callee_count, "linked workloads", e));
    const host_callee *other = workload_config_callee(c, slice_from_text(interface), slice_from_text(link));
    if (other != NULL) {
        return err_set(e, STATUS_INVALID, "%s is linked to workload \"%s\" already, under the name %s",
                       interface, other->workload, link);
    }
    if (strchr(interface, '@') != NULL || strchr(interface, '/') == NULL) {
        return err_set(e, STATUS_INVALID,
                       "\"%s\" is not the name of an interface without a version, such as "
                       "example:shop/catalog",
                       interface);
    }
    c->callees = mem_resize(c->callees, (c->callee_count + 1) * sizeof c->callees[0]);
    c->callees[c->callee_count++] =
        (host_callee){mem_text_dup(interface), mem_text_dup(link), mem_text_dup(workload)};
    return STATUS_OK;
}

status host_config_add_text(char ***list, size_t *count, const char *text, err *e) {
    TRY(has_room(*count, "values of one option", e));
    *list = mem_resize(*list, (*count + 1) * sizeof(char *));
    (*list)[(*count)++] = mem_text_dup(text);
    return STATUS_OK;
}
