// SPDX-License-Identifier: Apache-2.0
#include "cli/applications.h"

#include <stdio.h>

#include "cli/findings.h"
#include "deploy/manifest.h"
#include "host/application.h"
#include "os/whole_file.h"

static void report(const applications_input *a, const manifest *m) {
    if (a->output == CLI_TEXT) {
        findings_print(stderr, m->file, &m->found);
    } else if (m->found.error_count + m->found.warning_count > 0) {
        json_value *document = json_object_new();
        json_put_text(document, "event", slice_from_text("manifest"));
        json_put_text(document, "file", slice_from_text(m->file));
        json_put_bool(document, "valid", m->found.error_count == 0);
        json_put(document, "findings", findings_json(&m->found));
        cli_print_json_line(document, stderr);
    }
}

static status read_manifest(const char *file, application_target *t, manifest **ret, err *e) {
    auto_buf text = {0};
    TRY(file_read_whole(file, MANIFEST_BYTES_MAX, &text, e));
    // Each step adds to what was found; whoever asks looks there.
    (void)!manifest_read(buf_slice(&text), file, ret);
    (void)!manifest_check_local(*ret);
    (void)!application_add(*ret, t);
    return STATUS_OK;
}

// All manifests, so that all that is wrong with any is told at once.
status cli_applications_read(const applications_input *a, host_config *config, err *e) {
    application_target t = {.config = config, .is_listener_fixed = a->is_listener_fixed};
    size_t invalid = 0;
    for (size_t i = 0; i < a->file_count; i++) {
        manifest *m;
        TRY(read_manifest(a->files[i], &t, &m, e));
        report(a, m);
        invalid += m->found.error_count > 0;
        manifest_free(m);
    }
    for (size_t i = 0; i < config->workload_count; i++) {
        config->workloads[i].is_unsigned = a->is_unsigned;
    }
    return invalid == 0 ? STATUS_OK
                        : err_set(e, STATUS_INVALID, "%zu of %zu manifests cannot be used; nothing runs",
                                  invalid, a->file_count);
}
