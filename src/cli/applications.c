// SPDX-License-Identifier: Apache-2.0
#include "cli/applications.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
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

// --- texts and names ---------------------------------------------------------------------------------------

static void take_name(plan_application *a) {
    manifest *m;
    (void)!manifest_read(slice_from_text(a->text), a->file, &m); // what is wrong is told later
    mem_free(a->name);
    a->name = m->name.value.len > 0 ? mem_slice_dup(m->name.value) : NULL;
    manifest_free(m);
}

static status take_text(plan_application *a, err *e) {
    auto_buf text = {0};
    TRY(file_read_whole(a->file, MANIFEST_BYTES_MAX, &text, e));
    if (text.len > 0 && memchr(text.data, 0, text.len) != NULL) {
        return err_set(e, STATUS_INVALID, "%s is not a text", a->file);
    }
    a->text = mem_slice_dup(buf_slice(&text));
    take_name(a);
    return STATUS_OK;
}

static bool has_name_of(const plan_application *a, const plan_application *b) {
    return a != b && a->name != NULL && b->name != NULL && strcmp(a->name, b->name) == 0;
}

// What was there before gives way to what is new.
static status drop_older(plan *p, const bool *is_new, err *e) {
    bool keeps[PLAN_APPLICATIONS_MAX];
    for (size_t i = 0; i < p->application_count; i++) {
        keeps[i] = true;
        for (size_t n = 0; n < p->application_count && !is_new[i]; n++) {
            keeps[i] &= !(is_new[n] && has_name_of(&p->applications[i], &p->applications[n]));
        }
    }
    for (size_t i = p->application_count; i-- > 0;) {
        if (!keeps[i]) { // plan_remove finds the first one of that name, which is the older one
            TRY(plan_remove(p, slice_from_text(p->applications[i].name), e));
        }
    }
    return STATUS_OK;
}

static status complete(plan *p, err *e) {
    bool is_new[PLAN_APPLICATIONS_MAX] = {0};
    for (size_t i = 0; i < p->application_count; i++) {
        is_new[i] = p->applications[i].text == NULL;
        TRY(is_new[i] ? take_text(&p->applications[i], e) : STATUS_OK);
    }
    return drop_older(p, is_new, e);
}

// --- the configuration -------------------------------------------------------------------------------------

static bool add_application(const applications_input *a, const plan_application *one, application_target *t) {
    manifest *m;
    size_t before = t->config->workload_count;
    // Each step adds to what was found; whoever asks looks there.
    (void)!manifest_read(slice_from_text(one->text), one->file, &m);
    (void)!manifest_check_local(m);
    (void)!application_add(m, t);
    report(a, m);
    bool is_valid = m->found.error_count == 0;
    for (size_t i = before; i < t->config->workload_count; i++) {
        t->config->workloads[i].is_unsigned = one->is_unsigned;
    }
    manifest_free(m);
    return is_valid;
}

// All manifests, so that all that is wrong with any is told at once.
status cli_applications_read(const applications_input *a, host_config *config, err *e) {
    application_target t = {.config = config, .is_listener_fixed = a->is_listener_fixed};
    size_t invalid = 0;
    TRY(complete(a->plan, e));
    for (size_t i = 0; i < a->plan->application_count; i++) {
        invalid += add_application(a, &a->plan->applications[i], &t) ? 0 : 1;
    }
    plan_apply(a->plan, config);
    return invalid == 0 ? STATUS_OK
                        : err_set(e, STATUS_INVALID, "%zu of %zu manifests cannot be used; nothing runs",
                                  invalid, a->plan->application_count);
}

status cli_applications_of(const char *const *files, size_t count, bool is_unsigned, plan *ret, err *e) {
    for (size_t i = 0; i < count; i++) {
        TRY(plan_take(ret, files[i], is_unsigned, e));
    }
    return STATUS_OK;
}
