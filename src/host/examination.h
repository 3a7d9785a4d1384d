// SPDX-License-Identifier: Apache-2.0
// What the start of one workload would find out, without starting anything: its bytes, its writ, whether it
// may run, and the gate's decision over every import. Each step is the one that the start takes (host/run.c),
// but none ends the examination: a component that may not run is decoded all the same, so that everything
// that is in its way can be told at once.
#pragma once

#include "host/grants.h"
#include "host/vetting.h"

typedef struct examination {
    const workload_config *workload; // borrowed
    buf bytes;
    vetting vetting;
    err unreadable;       // the file is not there, or no component; code STATUS_OK: it is one
    err not_believed;     // why its writ, or the lack of one, stops it; likewise
    err not_granted;      // which imports stop it; likewise
    err not_linked;       // which component that it is linked to does not have what it imports; likewise
    component *component; // NULL when it could not be decoded
    grants *decisions;    // likewise
} examination;

// Of the workload of that number. Fails never. `config` must outlive the examination.
void examination_make(const host_config *config, uint32_t number, uint64_t now_s, examination *ret);
void examination_done(examination *x);

// Nothing stops it that can be known before it starts.
static inline bool examination_may_start(const examination *x) {
    return x->unreadable.code == STATUS_OK && x->not_believed.code == STATUS_OK &&
           x->not_granted.code == STATUS_OK && x->not_linked.code == STATUS_OK;
}
// What decided over the import of an interface (without a version) that calls through this link go through:
// the one of that name, else the one without a name; NULL when it does not import it.
const grant_decision *examination_import(const examination *x, slice interface, slice link);
