// SPDX-License-Identifier: Apache-2.0
#include "host/examination.h"

#include "base/mem.h"
#include "host/callee.h"
#include "host/host.h"

static status decide(examination *x, err *e) {
    grants_writ writ;
    TRY(grants_new(x->component, x->workload, vetting_writ(&x->vetting, &writ), &x->decisions, e));
    if (grants_check(x->decisions, &x->not_granted) == STATUS_OK) {
        x->not_granted = (err){0};
    }
    return STATUS_OK;
}

typedef struct linked { // one for each workload; those that are not linked to stay empty
    buf *bytes;
    component **components;
} linked;

// One that is not there is for callees_check to tell.
static status read_linked(const examination *x, const host_config *config, linked *l, err *e) {
    for (size_t i = 0; i < x->workload->callee_count; i++) {
        uint32_t to = host_config_find(config, slice_from_text(x->workload->callees[i].workload));
        if (to < HOST_WORKLOADS_MAX && l->components[to] == NULL) {
            const char *path = config->workloads[to].component_path;
            TRY(host_load_component(path, &l->bytes[to], &l->components[to], e));
        }
    }
    return STATUS_OK;
}

static status check_linked(const examination *x, const host_config *config, uint32_t number, err *e) {
    size_t count = config->workload_count;
    linked l = {mem_calloc(count, sizeof *l.bytes), mem_calloc(count, sizeof *l.components)};
    l.components[number] = x->component;
    status s = read_linked(x, config, &l, e);
    if (s == STATUS_OK) {
        s = callees_check(config, (const component *const *)l.components, number, e);
    }
    l.components[number] = NULL; // the examination's
    for (size_t i = 0; i < count; i++) {
        component_free(l.components[i]);
        buf_done(&l.bytes[i]);
    }
    mem_free(l.components);
    mem_free(l.bytes);
    return s;
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

void examination_make(const host_config *config, uint32_t number, uint64_t now_s, examination *ret) {
    *ret = (examination){.workload = &config->workloads[number]};
    if (read_and_decide(ret, config, now_s, &ret->unreadable) == STATUS_OK) {
        ret->unreadable = (err){0};
    }
    if (ret->component == NULL || check_linked(ret, config, number, &ret->not_linked) == STATUS_OK) {
        ret->not_linked = (err){0};
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
