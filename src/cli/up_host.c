// SPDX-License-Identifier: Apache-2.0
// A host that can be asked by its name, and handing files to one that runs.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/control_place.h"
#include "cli/host_call.h"
#include "cli/up_internal.h"
#include "os/fd.h"
#include "os/socket_open.h"

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

// Whether options say something about the host, not about what it runs.
static bool has_host_options(const up_args *a) {
    const host_config *c = &a->host.config;
    return a->is_listener_fixed || c->workers >= 0 || c->trust_named != NULL || c->settings_path != NULL ||
           c->spiffe_endpoint != NULL || c->data_directory != NULL || c->cache_directory != NULL ||
           c->ca_file != NULL || a->host.audit_path != NULL || a->host.metrics_address != NULL ||
           a->host.secrets.directory != NULL || a->host.otlp_url != NULL || c->is_verbose;
}

status up_apply(up_args *a, int *ret_exit, err *e) {
    if (has_host_options(a)) {
        return err_set(
            e, STATUS_EXISTS,
            "the host \"%s\" runs already: options about the host count when it starts; `writ down` "
            "ends it, or leave them out",
            a->host_name);
    }
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
