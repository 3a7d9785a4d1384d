// SPDX-License-Identifier: Apache-2.0
#include "cli/host_option.h"

#include "base/mem.h"
#include "host/config.h"

static status keep(char **field, const char *value) {
    mem_free(*field);
    *field = mem_text_dup(value);
    return STATUS_OK;
}

status cli_set_workers(void *target, const char *value, err *e) {
    uint64_t n;
    TRY(cli_parse_number(value, 0, 256, &n, e));
    ((host_config *)target)->workers = (int)n;
    return STATUS_OK;
}

status cli_set_trust(void *target, const char *value, WRIT_UNUSED err *e) {
    return keep(&((host_config *)target)->trust_named, value);
}
status cli_set_settings(void *target, const char *value, WRIT_UNUSED err *e) {
    return keep(&((host_config *)target)->settings_path, value);
}
status cli_set_data(void *target, const char *value, WRIT_UNUSED err *e) {
    return keep(&((host_config *)target)->data_directory, value);
}
status cli_set_cache(void *target, const char *value, WRIT_UNUSED err *e) {
    return keep(&((host_config *)target)->cache_directory, value);
}
status cli_set_ca_file(void *target, const char *value, WRIT_UNUSED err *e) {
    return keep(&((host_config *)target)->ca_file, value);
}

status cli_set_drain(void *target, const char *value, err *e) {
    return cli_parse_duration(value, &((host_config *)target)->drain_ns_max, e);
}

status cli_set_verbose(void *target, WRIT_UNUSED const char *value, WRIT_UNUSED err *e) {
    ((host_config *)target)->is_verbose = true;
    return STATUS_OK;
}

status cli_set_proxy(void *target, const char *value, err *e) {
    host_config *c = target;
    static const char scheme[] = "http://";
    slice text = slice_from_text(value);
    char host[NETWORK_NAME_BYTES_MAX + 1];
    text = slice_starts_with(text, scheme) ? slice_sub(text, sizeof scheme - 1, text.len) : text;
    text.len -= text.len > 0 && text.data[text.len - 1] == '/';
    if (!network_server_parse(text, host, &c->proxy_port)) {
        return err_set(e, STATUS_INVALID,
                       "\"%s\" is not a proxy: write HOST:PORT, such as proxy.example.org:3128", value);
    }
    return keep(&c->proxy_host, host);
}

status cli_set_proxy_login(void *target, const char *value, WRIT_UNUSED err *e) {
    return keep(&((host_config *)target)->proxy_login_file, value);
}

status cli_add_no_proxy(void *target, const char *value, err *e) {
    return network_policy_add(&((host_config *)target)->no_proxy, slice_from_text(value), NETWORK_PORT_ANY,
                              e);
}
