// SPDX-License-Identifier: Apache-2.0
// A host that can be asked by its name, and handing files to one that runs.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/control_place.h"
#include "base/mem.h"
#include "cli/host_call.h"
#include "cli/up_internal.h"
#include "os/fd.h"
#include "os/socket_open.h"

enum { OPTIONS_BYTES_MAX = 64 << 10 };

status up_absolute(const char *file, char path[PATH_MAX], err *e) {
    if (realpath(file, path) == NULL) {
        return errno == ENOENT ? err_set(e, STATUS_NOT_FOUND, "there is no file %s", file)
                               : err_set_errno(e, errno, file);
    }
    return STATUS_OK;
}

// As the host sees it, whatever folder that is in.
static status absolute_files(const up_args *a, json_value *list, err *e) {
    for (size_t i = 0; i < a->file_count; i++) {
        char path[PATH_MAX];
        TRY(up_absolute(a->files[i], path, e));
        json_value *one = json_object_new();
        json_put_text(one, "file", slice_from_text(path));
        json_put_bool(one, "unsigned", a->is_unsigned);
        json_push(list, one);
    }
    return STATUS_OK;
}

bool up_is_running(const up_args *a) {
    int fd = -1;
    bool is = control_place_open(a->host_name, &fd, NULL) == STATUS_OK;
    fd_close(fd);
    return is;
}

static status call_apply(up_args *a, int *ret_exit, err *e) {
    json_value *body = json_object_new(), *list = json_array_new();
    status s = absolute_files(a, list, e);
    json_put(body, "applications", list);
    json_put_bool(body, "json", a->host.output == CLI_JSON);
    s = s == STATUS_OK ? cli_host_change(a->host_name, "/v1/apply", body, ret_exit, e) : s;
    json_free(body);
    return s;
}

// --- options about the host, not about what it runs --------------------------------------------------------

typedef struct named_text {
    const char *name;
    const char *value; // NULL = it was not given
} named_text;

static status note_texts(const up_args *a, buf *ret) {
    const host_config *c = &a->host.config;
    const secrets_request *s = &a->host.secrets;
    const named_text texts[] = {
        {"trust", c->trust_named},
        {"config", c->settings_path},
        {"spiffe", c->spiffe_endpoint},
        {"spiffe-audience", c->spiffe_audience},
        {"data", c->data_directory},
        {"cache", c->cache_directory},
        {"ca-file", c->ca_file},
        {"proxy", c->proxy_host},
        {"proxy-login", c->proxy_login_file},
        {"audit", a->host.audit_path},
        {"otlp", a->host.otlp_url},
        {"secrets", s->directory},
        {"secrets-key-file", s->key_file},
        {"secrets-passphrase-file", s->passphrase_file},
        {"metrics", a->host.metrics_address},
        {"listen", a->is_listener_fixed ? c->listen_address : NULL},
        {"verbose", c->is_verbose ? "" : NULL},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].value != NULL) {
            TRY(buf_append_format(ret, "--%s %s\n", texts[i].name, texts[i].value));
        }
    }
    return STATUS_OK;
}

static status note_numbers(const up_args *a, buf *ret) {
    const host_config *c = &a->host.config;
    const struct {
        const char *name;
        bool is_given;
        long number;
    } numbers[] = {
        {"workers", c->workers >= 0, c->workers},
        {"proxy's port", c->proxy_host != NULL, c->proxy_port},
        {"metrics' port", a->host.metrics_address != NULL, a->host.metrics_port},
        {"listen's port", a->is_listener_fixed, c->listen_port},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].is_given) {
            TRY(buf_append_format(ret, "%s %ld\n", numbers[i].name, numbers[i].number));
        }
    }
    for (size_t i = 0; i < c->no_proxy.rule_count; i++) {
        TRY(buf_append_text(ret, "--no-proxy "));
        TRY(network_policy_format(&c->no_proxy, i, ret));
        TRY(buf_append_byte(ret, '\n'));
    }
    return STATUS_OK;
}

status up_note_options(up_args *a, err *e) {
    auto_buf text;
    buf_init(&text, OPTIONS_BYTES_MAX);
    if (note_texts(a, &text) != STATUS_OK || note_numbers(a, &text) != STATUS_OK || buf_text(&text) == NULL) {
        return err_set(e, STATUS_LIMIT, "the options about the host are longer than %d bytes",
                       OPTIONS_BYTES_MAX);
    }
    a->host.asked.options = mem_text_dup(buf_text(&text));
    return STATUS_OK;
}

// Given again as they were, they change nothing.
static status check_host_options(const up_args *a, err *e) {
    json_value *told = NULL;
    if (a->host.asked.options[0] == '\0') {
        return STATUS_OK;
    }
    TRY(cli_host_ask(a->host_name, "/v1/status", NULL, &told, e));
    slice running;
    bool is_same =
        json_as_text(json_get(told, "options"), &running) && slice_equal_text(running, a->host.asked.options);
    json_free(told);
    return is_same ? STATUS_OK
                   : err_set(e, STATUS_EXISTS,
                             "the host \"%s\" runs already, with other options about the host: these count "
                             "when it starts; `writ down` ends it, or leave them out",
                             a->host_name);
}

status up_apply(up_args *a, int *ret_exit, err *e) {
    TRY(check_host_options(a, e));
    if (a->host.output == CLI_TEXT) {
        fprintf(stderr, "writ: the host \"%s\" runs, and takes the change\n", a->host_name);
    }
    return call_apply(a, ret_exit, e);
}

status up_open_place(up_args *a, err *e) {
    cli_asked *asked = &a->host.asked;
    TRY(control_place_take(a->host_name, &asked->place_fd, &asked->lock_fd, e));
    TRY(socket_listen_local(asked->place_fd, CONTROL_SOCKET, &asked->control_fd, e));
    asked->name = a->host_name;
    return log_ring_new(&asked->ring, e);
}
