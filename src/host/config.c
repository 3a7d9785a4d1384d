// SPDX-License-Identifier: Apache-2.0
#include "host/config.h"

#include "base/mem.h"
#include "os/random.h"

static const uint64_t second_ns = 1000000000;

host_limits host_limits_default(void) {
    return (host_limits){
        .memory_bytes_max = 256u << 20,
        .table_elements_max = 100000,
        .instances_max = 1000,
        .queue_max = 1000,
        .reuse_max = 1,
        .files_max = 64,
        .sockets_max = 64,
        .streams_max = 1024,
        .resources_max = 4096,
        .header_count_max = 100,
        .header_bytes_max = 32 << 10,
        .connections_max = 10000,
        .log_bytes_per_second_max = 64 << 10,
    };
}

void host_config_init(host_config *c) {
    *c = (host_config){
        .listen_address = mem_text_dup("127.0.0.1"),
        .listen_port = 8000,
        .workers = -1,
        .limits = host_limits_default(),
        .hang_ns_max = second_ns,
        .drain_ns_max = 10 * second_ns,
    };
    random_fill(c->metadata_key, sizeof c->metadata_key);
}

static void free_list(char **list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(list[i]);
    }
    mem_free(list);
}

void host_config_done(host_config *c) {
    for (size_t i = 0; i < c->directory_count; i++) {
        mem_free(c->directories[i].host_path);
        mem_free(c->directories[i].guest_path);
    }
    for (size_t i = 0; i < c->variable_count; i++) {
        mem_free(c->variables[i].name);
        mem_free(c->variables[i].value);
    }
    mem_free(c->directories);
    mem_free(c->variables);
    free_list(c->arguments, c->argument_count);
    free_list(c->grants, c->grant_count);
    free_list(c->refusals, c->refusal_count);
    network_policy_done(&c->http_policy);
    network_policy_done(&c->net_policy);
    mem_free(c->component_path);
    mem_free(c->name);
    mem_free(c->listen_address);
    mem_free(c->cache_directory);
    mem_free(c->ca_file);
    mem_free(c->token_path);
    mem_free(c->trust_usual);
    mem_free(c->trust_named);
    mem_free(c->settings_path);
    mem_free(c->spiffe_endpoint);
    mem_free(c->spiffe_audience);
    *c = (host_config){0};
}

static status has_room(size_t count, const char *what, err *e) {
    return count < HOST_LIST_MAX ? STATUS_OK
                                 : err_set(e, STATUS_LIMIT, "more than %d %s", HOST_LIST_MAX, what);
}

status host_config_add_directory(host_config *c, const char *host_path, const char *guest_path,
                                 bool read_only, err *e) {
    TRY(has_room(c->directory_count, "directories", e));
    c->directories = mem_resize(c->directories, (c->directory_count + 1) * sizeof c->directories[0]);
    c->directories[c->directory_count++] = (host_directory){
        .host_path = mem_text_dup(host_path), .guest_path = mem_text_dup(guest_path), .read_only = read_only};
    return STATUS_OK;
}

status host_config_add_variable(host_config *c, const char *name, const char *value, err *e) {
    TRY(has_room(c->variable_count, "variables", e));
    c->variables = mem_resize(c->variables, (c->variable_count + 1) * sizeof c->variables[0]);
    c->variables[c->variable_count++] =
        (host_variable){.name = mem_text_dup(name), .value = mem_text_dup(value)};
    return STATUS_OK;
}

status host_config_add_text(char ***list, size_t *count, const char *text, err *e) {
    TRY(has_room(*count, "values of one option", e));
    *list = mem_resize(*list, (*count + 1) * sizeof(char *));
    (*list)[(*count)++] = mem_text_dup(text);
    return STATUS_OK;
}
