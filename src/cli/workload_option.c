// SPDX-License-Identifier: Apache-2.0
#include "cli/workload_option.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/link_option.h"
#include "cli/secret_option.h"
#include "codec/date.h"
#include "policy/call_pattern.h"

enum { SOURCE_BYTES_MAX = 2 * GATE_NAME_BYTES_MAX + 32 }; // --deny-call and what it says

static host_config *config_of(void *target) { return target; }
// The only one: workload_option_init makes it.
static workload_config *workload_of(void *target) { return &config_of(target)->workloads[0]; }

static void replace_text(char **field, const char *text) {
    mem_free(*field);
    *field = mem_text_dup(text);
}

// HOST[::GUEST][:ro]
static status set_dir(void *target, const char *value, err *e) {
    auto_buf host, guest;
    size_t length = strlen(value);
    buf_init(&host, length + 1);
    buf_init(&guest, length + 2);
    slice text = slice_of(value, length);
    bool read_only = length > 3 && strcmp(value + length - 3, ":ro") == 0;
    if (read_only) {
        text.len -= 3;
    } else if (length > 3 && strcmp(value + length - 3, ":rw") == 0) {
        text.len -= 3;
    }
    const char *separator = memmem(text.data, text.len, "::", 2);
    slice host_part = separator == NULL ? text : slice_of(value, (size_t)(separator - value));
    slice guest_part = separator == NULL ? text : slice_sub(text, host_part.len + 2, text.len);
    if (host_part.len == 0 || guest_part.len == 0) {
        return err_set(e, STATUS_INVALID, "\"%.80s\" is not HOST[::GUEST][:ro], such as ./data::/data:ro",
                       value);
    }
    TRY(buf_append(&host, host_part));
    TRY(buf_append(&guest, guest_part));
    const char *host_path = buf_text(&host), *guest_path = buf_text(&guest);
    return workload_config_add_directory(workload_of(target), host_path, guest_path, read_only, e);
}

static status set_env(void *target, const char *value, err *e) {
    const char *equals = strchr(value, '=');
    if (equals == value || value[0] == '\0') {
        return err_set(e, STATUS_INVALID, "\"%.40s\" is not NAME or NAME=VALUE", value);
    }
    if (equals == NULL) {
        const char *inherited = getenv(value);
        if (inherited == NULL) {
            return err_set(e, STATUS_INVALID, "%.40s is not set in the environment; write %.40s=VALUE", value,
                           value);
        }
        return workload_config_add_variable(workload_of(target), value, inherited, e);
    }
    auto_buf name;
    buf_init(&name, strlen(value) + 1);
    TRY(buf_append(&name, slice_of(value, (size_t)(equals - value))));
    return workload_config_add_variable(workload_of(target), buf_text(&name), equals + 1, e);
}

static status set_deny_call(void *target, const char *value, err *e) {
    call_pattern call;
    char source[SOURCE_BYTES_MAX];
    TRY(call_pattern_parse(slice_from_text(value), &call, e));
    (void)snprintf(source, sizeof source, "--deny-call %s", value);
    gate_rule rule = {.effect = GATE_DENY, .source = slice_from_text(source)};
    rule.patterns[GATE_INTERFACE] = call.interface;
    rule.patterns[GATE_FUNCTION] = call.function;
    return host_config_add_rule(config_of(target), &rule, e);
}

// INTERFACES[@NAME]=DRIVER[,SETTING=VALUE]...
static status set_link(void *target, const char *value, err *e) {
    return link_option_add(&workload_of(target)->links, slice_from_text(value), e);
}

static status set_secret(void *target, const char *value, err *e) {
    return secret_option_add(workload_of(target), slice_from_text(value), e);
}

static status set_config_value(void *target, const char *value, err *e) {
    const char *equals = strchr(value, '=');
    auto_buf name;
    if (equals == NULL || equals == value) {
        return err_set(e, STATUS_INVALID, "\"%.40s\" is not NAME=VALUE", value);
    }
    buf_init(&name, strlen(value) + 1);
    TRY(buf_append(&name, slice_of(value, (size_t)(equals - value))));
    return workload_config_add_value(workload_of(target), buf_text(&name), equals + 1, e);
}

static status set_allow_http(void *target, const char *value, err *e) {
    return network_policy_add(&workload_of(target)->http_policy, slice_from_text(value), NETWORK_PORT_OF_HTTP,
                              e);
}
static status set_allow_net(void *target, const char *value, err *e) {
    return network_policy_add(&workload_of(target)->net_policy, slice_from_text(value), NETWORK_PORT_ANY, e);
}

static status set_stdio(void *target, const char *value, err *e) {
    bool inherit = strcmp(value, "inherit") == 0;
    if (!inherit && strcmp(value, "none") != 0) {
        return err_set(e, STATUS_INVALID, "\"%.20s\" is neither inherit nor none", value);
    }
    workload_of(target)->stdio = inherit ? HOST_STDIO_INHERIT : HOST_STDIO_NONE;
    return STATUS_OK;
}

static status set_grant(void *target, const char *value, err *e) {
    workload_config *c = workload_of(target);
    return host_config_add_text(&c->grants, &c->grant_count, value, e);
}
static status set_refuse(void *target, const char *value, err *e) {
    workload_config *c = workload_of(target);
    return host_config_add_text(&c->refusals, &c->refusal_count, value, e);
}
static status set_strict(void *target, const char *value, err *e) {
    (void)value, (void)e;
    workload_of(target)->is_strict = true;
    return STATUS_OK;
}

static status set_test_clock(void *target, const char *value, err *e) {
    workload_config *c = workload_of(target);
    c->has_test_clock = date_parse(slice_from_text(value), &c->test_clock_s);
    return c->has_test_clock
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "\"%.40s\" is not a moment such as 2030-01-31T12:00:00Z", value);
}
static status set_test_seed(void *target, const char *value, err *e) {
    workload_config *c = workload_of(target);
    c->has_test_seed = true;
    return cli_parse_number(value, 0, UINT64_MAX, &c->test_seed, e);
}

static status set_max_memory(void *target, const char *value, err *e) {
    return cli_parse_size(value, &workload_of(target)->limits.memory_bytes_max, e);
}
static status set_cpu_time(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &workload_of(target)->limits.cpu_time_ns_max, e);
}
static status set_timeout(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &workload_of(target)->limits.wall_time_ns_max, e);
}

static status set_count(const char *value, uint64_t min, uint32_t *field, err *e) {
    uint64_t n;
    TRY(cli_parse_number(value, min, 1000000, &n, e));
    *field = (uint32_t)n;
    return STATUS_OK;
}
static status set_max_instances(void *target, const char *value, err *e) {
    return set_count(value, 1, &workload_of(target)->limits.instances_max, e);
}
static status set_queue(void *target, const char *value, err *e) {
    return set_count(value, 0, &workload_of(target)->limits.queue_max, e);
}
static status set_reuse(void *target, const char *value, err *e) {
    return set_count(value, 1, &workload_of(target)->limits.reuse_max, e);
}

static status set_name(void *target, const char *value, err *e) {
    (void)e;
    replace_text(&workload_of(target)->name, value);
    return STATUS_OK;
}
static status set_unsigned(void *target, const char *value, err *e) {
    (void)value, (void)e;
    workload_of(target)->is_unsigned = true;
    return STATUS_OK;
}
static status set_token(void *target, const char *value, err *e) {
    (void)e;
    replace_text(&workload_of(target)->token_path, value);
    return STATUS_OK;
}

const cli_option workload_options[WORKLOAD_OPTIONS] = {
    {"dir", 0, "HOST[::GUEST][:ro]", "grant a directory, read-only with :ro", set_dir},
    {"env", 0, "NAME[=VALUE]", "grant an environment variable; without a value, ours", set_env},
    {"allow-http", 0, "HOST[:PORT]", "grant outgoing HTTP to a host, *.DOMAIN or CIDR (ports 80, 443)",
     set_allow_http},
    {"allow-net", 0, "HOST|CIDR[:PORT]", "grant sockets to a host, *.DOMAIN or CIDR (any port)",
     set_allow_net},
    {"stdio", 0, "inherit|none", "grant our stdio, or discard it (commands inherit, HTTP none)", set_stdio},
    {"grant", 0, "INTERFACE", "bind an interface even under --strict", set_grant},
    {"refuse", 0, "INTERFACE", "refuse an interface (or package) whatever else is granted", set_refuse},
    {"unsigned", 0, NULL, "run it this once although nobody whom this host trusts has signed it",
     set_unsigned},
    {"token", 0, "FILE", "the token, where it is beside the component", set_token},
    {"strict", 0, NULL, "refuse what would be bound without authority, too", set_strict},
    {"max-memory", 0, "SIZE", "linear memory of one instance (256M)", set_max_memory},
    {"cpu-time", 0, "DURATION", "CPU time of one call (10s)", set_cpu_time},
    {"timeout", 0, "DURATION", "wall time of one call (30s; commands: none)", set_timeout},
    {"max-instances", 0, "N", "instances at one time (1000)", set_max_instances},
    {"queue", 0, "N", "requests that may wait for an instance; more get 503 at once (1000)", set_queue},
    {"reuse", 0, "N", "requests that one instance may serve (1: fresh for each)", set_reuse},
    {"name", 'n', "NAME", "name of the workload in logs (the file's name)", set_name},
    {"link", 0, "WHAT=DRIVER[,..]", "let a driver serve a contract, such as wasi:keyvalue=sqlite", set_link},
    {"deny-call", 0, "CALL", "refuse a call through a link, such as wasi:keyvalue/store.set", set_deny_call},
    {"secret", 0, "NAME[=STORED]", "let it reveal a secret, stored as NAME or as KEY[:FIELD][@VERSION]",
     set_secret},
    {"test-clock", 0, "MOMENT", "only for tests: its time begins there and passes when it waits",
     set_test_clock},
    {"test-seed", 0, "N", "only for tests: the same random bytes in every instance", set_test_seed},
    {"config-value", 0, "NAME=VALUE", "a value that wasi:config tells", set_config_value},
};

status workload_option_component(void *target, const char *value, err *e) {
    (void)e;
    workload_config *c = workload_of(target);
    replace_text(&c->component_path, value);
    return STATUS_OK;
}
status workload_option_argument(void *target, const char *value, err *e) {
    workload_config *c = workload_of(target);
    return host_config_add_text(&c->arguments, &c->argument_count, value, e);
}

static void cut_end(char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    if (n > m && strcmp(name + n - m, end) == 0) {
        name[n - m] = '\0';
    }
}

// "path/to/hello.wasm" and "path/to/hello.signed.wasm" -> "hello"
void workload_option_name(workload_config *c) {
    if (c->name != NULL) {
        return;
    }
    const char *slash = strrchr(c->component_path, '/');
    char *name = mem_text_dup(slash == NULL ? c->component_path : slash + 1);
    cut_end(name, ".wasm");
    cut_end(name, ".signed");
    c->name = name;
}

status workload_option_init(host_config *c, err *e) {
    workload_config *w;
    host_config_init(c);
    TRY(host_config_add_workload(c, &w, e));
    return workload_config_add_route(w, NULL, "/", e);
}
