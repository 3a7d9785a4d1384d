// SPDX-License-Identifier: Apache-2.0
#include "host/config_wire.h"

#include "base/mem.h"
#include "host/wire.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

// An absent text and an empty one are different things.
static void write_text(wire_writer *w, const char *text) {
    wire_write_bool(w, text != NULL);
    if (text != NULL) {
        wire_write_bytes(w, slice_from_text(text));
    }
}

static void read_text(wire_reader *r, char **field) {
    mem_free(*field);
    *field = NULL;
    if (wire_read_bool(r)) {
        *field = mem_slice_dup(wire_read_bytes(r, TEXT_BYTES_MAX));
    }
}

// The numbers, in one order for both directions.
typedef enum number_kind {
    NUMBER_U64,
    NUMBER_U32,
    NUMBER_U16,
    NUMBER_INT,
    NUMBER_BOOL,
    NUMBER_STDIO
} number_kind;
typedef struct number_field {
    number_kind kind;
    size_t offset;
} number_field;

#define HOST(kind, name) \
    { kind, offsetof(host_config, name) }
#define FIELD(kind, name) \
    { kind, offsetof(workload_config, name) }
static const number_field host_fields[] = {
    HOST(NUMBER_U16, listen_port),      HOST(NUMBER_INT, workers),         HOST(NUMBER_U32, header_count_max),
    HOST(NUMBER_U32, header_bytes_max), HOST(NUMBER_U32, connections_max), HOST(NUMBER_U64, hang_ns_max),
    HOST(NUMBER_U64, drain_ns_max),     HOST(NUMBER_BOOL, is_verbose),     HOST(NUMBER_BOOL, is_json),
    HOST(NUMBER_BOOL, is_assigned),
};
static const number_field workload_fields[] = {
    FIELD(NUMBER_STDIO, stdio),
    FIELD(NUMBER_BOOL, is_strict),
    FIELD(NUMBER_BOOL, is_http_linked),
    FIELD(NUMBER_BOOL, has_test_clock),
    FIELD(NUMBER_U64, test_clock_s),
    FIELD(NUMBER_BOOL, has_test_seed),
    FIELD(NUMBER_U64, test_seed),
    FIELD(NUMBER_U64, limits.memory_bytes_max),
    FIELD(NUMBER_U32, limits.table_elements_max),
    FIELD(NUMBER_U64, limits.cpu_time_ns_max),
    FIELD(NUMBER_U64, limits.wall_time_ns_max),
    FIELD(NUMBER_U32, limits.instances_max),
    FIELD(NUMBER_U32, limits.queue_max),
    FIELD(NUMBER_U32, limits.reuse_max),
    FIELD(NUMBER_U32, limits.files_max),
    FIELD(NUMBER_U32, limits.sockets_max),
    FIELD(NUMBER_U32, limits.streams_max),
    FIELD(NUMBER_U32, limits.resources_max),
    FIELD(NUMBER_U64, limits.log_bytes_per_second_max),
    FIELD(NUMBER_U64, metadata_key[0]),
    FIELD(NUMBER_U64, metadata_key[1]),
};
enum {
    HOST_FIELDS = sizeof host_fields / sizeof host_fields[0],
    WORKLOAD_FIELDS = sizeof workload_fields / sizeof workload_fields[0],
};

static void write_number(wire_writer *w, const void *c, number_field f) {
    const void *at = (const uint8_t *)c + f.offset;
    switch (f.kind) {
    case NUMBER_U64:
        wire_write_u64(w, *(const uint64_t *)at);
        break;
    case NUMBER_U32:
        wire_write_u32(w, *(const uint32_t *)at);
        break;
    case NUMBER_U16:
        wire_write_u16(w, *(const uint16_t *)at);
        break;
    case NUMBER_INT:
        wire_write_u32(w, (uint32_t)(*(const int *)at));
        break;
    case NUMBER_BOOL:
        wire_write_bool(w, *(const bool *)at);
        break;
    case NUMBER_STDIO:
        wire_write_u8(w, (uint8_t)(*(const host_stdio *)at));
        break;
    }
}

static void read_number(wire_reader *r, void *c, number_field f) {
    void *at = (uint8_t *)c + f.offset;
    switch (f.kind) {
    case NUMBER_U64:
        *(uint64_t *)at = wire_read_u64(r);
        break;
    case NUMBER_U32:
        *(uint32_t *)at = wire_read_u32(r);
        break;
    case NUMBER_U16:
        *(uint16_t *)at = wire_read_u16(r);
        break;
    case NUMBER_INT:
        *(int *)at = (int)wire_read_u32(r);
        break;
    case NUMBER_BOOL:
        *(bool *)at = wire_read_bool(r);
        break;
    case NUMBER_STDIO:
        *(host_stdio *)at = (host_stdio)wire_read_u8(r);
        break;
    }
}

static void write_list(wire_writer *w, char *const *list, size_t count) {
    wire_write_u32(w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        write_text(w, list[i]);
    }
}

static void write_policy(wire_writer *w, const network_policy *p) {
    wire_write_u32(w, (uint32_t)p->rule_count);
    for (size_t i = 0; i < p->rule_count; i++) {
        auto_buf text;
        buf_init(&text, 2 * NETWORK_NAME_BYTES_MAX);
        w->has_failed = w->has_failed || network_policy_format(p, i, &text) != STATUS_OK;
        wire_write_bytes(w, buf_slice(&text));
    }
}

static void write_workload(wire_writer *w, const workload_config *c) {
    write_text(w, c->component_path);
    write_text(w, c->name);
    write_text(w, c->issuer);
    for (size_t i = 0; i < WORKLOAD_FIELDS; i++) {
        write_number(w, c, workload_fields[i]);
    }
    wire_write_u32(w, (uint32_t)c->route_count);
    for (size_t i = 0; i < c->route_count; i++) {
        write_text(w, c->routes[i].host);
        write_text(w, c->routes[i].path);
    }
    wire_write_u32(w, (uint32_t)c->directory_count);
    for (size_t i = 0; i < c->directory_count; i++) {
        write_text(w, c->directories[i].host_path);
        write_text(w, c->directories[i].guest_path);
        wire_write_bool(w, c->directories[i].read_only);
    }
    wire_write_u32(w, (uint32_t)c->variable_count);
    for (size_t i = 0; i < c->variable_count; i++) {
        write_text(w, c->variables[i].name);
        write_text(w, c->variables[i].value);
    }
    wire_write_u32(w, (uint32_t)c->value_count);
    for (size_t i = 0; i < c->value_count; i++) {
        write_text(w, c->values[i].name);
        write_text(w, c->values[i].value);
    }
    wire_write_u32(w, (uint32_t)c->secret_count);
    for (size_t i = 0; i < c->secret_count; i++) {
        write_text(w, c->secrets[i].name);
    }
    host_links_put(&c->links, HOST_LINKS_FOR_WORKERS, w);
    wire_write_u32(w, (uint32_t)c->callee_count);
    for (size_t i = 0; i < c->callee_count; i++) {
        write_text(w, c->callees[i].interface);
        write_text(w, c->callees[i].link);
        write_text(w, c->callees[i].workload);
    }
    write_list(w, c->arguments, c->argument_count);
    write_list(w, c->grants, c->grant_count);
    write_list(w, c->refusals, c->refusal_count);
    write_policy(w, &c->http_policy);
    write_policy(w, &c->net_policy);
}

status config_wire_write(const host_config *c, buf *ret, err *e) {
    wire_writer w = wire_writer_of(ret);
    write_text(&w, c->name);
    write_text(&w, c->listen_address);
    write_text(&w, c->ca_file);
    for (size_t i = 0; i < HOST_FIELDS; i++) {
        write_number(&w, c, host_fields[i]);
    }
    wire_write_u32(&w, (uint32_t)c->workload_count);
    for (size_t i = 0; i < c->workload_count; i++) {
        write_workload(&w, &c->workloads[i]);
    }
    host_rules_put(&c->rules, &w);
    return w.has_failed ? err_set(e, STATUS_LIMIT, "the configuration is larger than %zu bytes", ret->max)
                        : STATUS_OK;
}

static status read_routes(wire_reader *r, workload_config *c, err *e) {
    status s = STATUS_OK;
    for (uint32_t n = wire_read_u32(r); n > 0 && s == STATUS_OK && !r->has_failed; n--) {
        char *host = NULL, *path = NULL;
        read_text(r, &host);
        read_text(r, &path);
        if (path != NULL) {
            s = workload_config_add_route(c, host, path, e);
        }
        r->has_failed = r->has_failed || path == NULL;
        mem_free(host);
        mem_free(path);
    }
    return s;
}

static status read_directories(wire_reader *r, workload_config *c, err *e) {
    status s = STATUS_OK;
    for (uint32_t n = wire_read_u32(r); n > 0 && s == STATUS_OK && !r->has_failed; n--) {
        char *host_path = NULL, *guest_path = NULL;
        read_text(r, &host_path);
        read_text(r, &guest_path);
        bool read_only = wire_read_bool(r);
        if (host_path != NULL && guest_path != NULL) {
            s = workload_config_add_directory(c, host_path, guest_path, read_only, e);
        }
        mem_free(host_path);
        mem_free(guest_path);
    }
    return s;
}

typedef status (*add_pair)(workload_config *c, const char *name, const char *value, err *e);

static status read_pairs(wire_reader *r, workload_config *c, add_pair add, err *e) {
    status s = STATUS_OK;
    for (uint32_t n = wire_read_u32(r); n > 0 && s == STATUS_OK && !r->has_failed; n--) {
        char *name = NULL, *value = NULL;
        read_text(r, &name);
        read_text(r, &value);
        if (name != NULL && value != NULL) {
            s = add(c, name, value, e);
        }
        mem_free(name);
        mem_free(value);
    }
    return s;
}

// Workers know no other name of a secret than the guest does.
static status read_secrets(wire_reader *r, workload_config *c, err *e) {
    status s = STATUS_OK;
    for (uint32_t n = wire_read_u32(r); n > 0 && s == STATUS_OK && !r->has_failed; n--) {
        char *name = NULL;
        read_text(r, &name);
        if (name != NULL) {
            s = workload_config_add_secret(c, &(host_secret){.name = name, .key = name}, e);
        }
        r->has_failed = r->has_failed || name == NULL;
        mem_free(name);
    }
    return s;
}

static status read_callees(wire_reader *r, workload_config *c, err *e) {
    status s = STATUS_OK;
    for (uint32_t n = wire_read_u32(r); n > 0 && s == STATUS_OK && !r->has_failed; n--) {
        char *interface = NULL, *link = NULL, *workload = NULL;
        read_text(r, &interface);
        read_text(r, &link);
        read_text(r, &workload);
        bool is_whole = interface != NULL && link != NULL && workload != NULL;
        if (is_whole) {
            s = workload_config_add_callee(c, interface, link, workload, e);
        }
        r->has_failed = r->has_failed || !is_whole;
        mem_free(interface);
        mem_free(link);
        mem_free(workload);
    }
    return s;
}

static status read_list(wire_reader *r, char ***list, size_t *count, err *e) {
    status s = STATUS_OK;
    for (uint32_t n = wire_read_u32(r); n > 0 && s == STATUS_OK && !r->has_failed; n--) {
        char *text = NULL;
        read_text(r, &text);
        if (text != NULL) {
            s = host_config_add_text(list, count, text, e);
        }
        mem_free(text);
    }
    return s;
}

static status read_policy(wire_reader *r, network_policy *p, network_default_port without_port, err *e) {
    for (uint32_t n = wire_read_u32(r); n > 0 && !r->has_failed; n--) {
        slice text = wire_read_bytes(r, 2 * NETWORK_NAME_BYTES_MAX);
        TRY(network_policy_add(p, text, without_port, e));
    }
    return STATUS_OK;
}

static status read_workload(wire_reader *r, workload_config *c, err *e) {
    read_text(r, &c->component_path);
    read_text(r, &c->name);
    read_text(r, &c->issuer);
    for (size_t i = 0; i < WORKLOAD_FIELDS; i++) {
        read_number(r, c, workload_fields[i]);
    }
    TRY(read_routes(r, c, e));
    TRY(read_directories(r, c, e));
    TRY(read_pairs(r, c, workload_config_add_variable, e));
    TRY(read_pairs(r, c, workload_config_add_value, e));
    TRY(read_secrets(r, c, e));
    host_links_take(r, &c->links);
    TRY(read_callees(r, c, e));
    TRY(read_list(r, &c->arguments, &c->argument_count, e));
    TRY(read_list(r, &c->grants, &c->grant_count, e));
    TRY(read_list(r, &c->refusals, &c->refusal_count, e));
    TRY(read_policy(r, &c->http_policy, NETWORK_PORT_OF_HTTP, e));
    TRY(read_policy(r, &c->net_policy, NETWORK_PORT_ANY, e));
    r->has_failed = r->has_failed || c->stdio > HOST_STDIO_NONE || c->name == NULL;
    return STATUS_OK;
}

status config_wire_read(slice bytes, host_config *c, err *e) {
    wire_reader r = wire_reader_of(bytes);
    read_text(&r, &c->name);
    read_text(&r, &c->listen_address);
    read_text(&r, &c->ca_file);
    for (size_t i = 0; i < HOST_FIELDS; i++) {
        read_number(&r, c, host_fields[i]);
    }
    for (uint32_t n = wire_read_u32(&r); n > 0 && !r.has_failed; n--) {
        workload_config *w;
        TRY(host_config_add_workload(c, &w, e));
        TRY(read_workload(&r, w, e));
    }
    host_rules_take(&r, &c->rules);
    return wire_read_is_done(&r) ? STATUS_OK : err_set(e, STATUS_INVALID, "the configuration is malformed");
}
