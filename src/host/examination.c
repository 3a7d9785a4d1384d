// SPDX-License-Identifier: Apache-2.0
#include "host/examination.h"

#include "host/host.h"

static status decide(examination *x, err *e) {
    grants_writ writ;
    TRY(grants_new(x->component, x->workload, vetting_writ(&x->vetting, &writ), &x->decisions, e));
    if (grants_check(x->decisions, &x->not_granted) == STATUS_OK) {
        x->not_granted = (err){0};
    }
    return STATUS_OK;
}

static status read_and_decide(examination *x, const host_config *config, uint64_t now_s, err *e) {
    const char *path = x->workload->component_path;
    TRY(host_read_component(path, &x->bytes, e));
    vetting_examine(config, x->workload, buf_slice(&x->bytes), now_s, &x->vetting);
    if (vetting_check(&x->vetting, config, x->workload, &x->not_believed) == STATUS_OK) {
        x->not_believed = (err){0};
    }
    TRY(host_decode_component(path, buf_slice(&x->bytes), &x->component, e));
    return decide(x, e);
}

void examination_make(const host_config *config, uint32_t workload, uint64_t now_s, examination *ret) {
    *ret = (examination){.workload = &config->workloads[workload]};
    if (read_and_decide(ret, config, now_s, &ret->unreadable) == STATUS_OK) {
        ret->unreadable = (err){0};
    }
}

void examination_done(examination *x) {
    grants_free(x->decisions);
    component_free(x->component);
    vetting_done(&x->vetting);
    buf_done(&x->bytes);
    *x = (examination){0};
}

const grant_decision *examination_import(const examination *x, slice interface, slice link) {
    const grant_decision *found = NULL;
    for (size_t i = 0; x->decisions != NULL && i < grants_count(x->decisions); i++) {
        const grant_decision *d = grants_at(x->decisions, i);
        slice name;
        semver version;
        (void)component_name_split(d->interface, &name, &version);
        bool is_named = slice_equal(d->label, link);
        if (slice_equal(name, interface) && (is_named || d->label.len == 0) && (found == NULL || is_named)) {
            found = d;
        }
    }
    return found;
}
