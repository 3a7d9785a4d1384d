// SPDX-License-Identifier: Apache-2.0
// The part of writ inspect that is about the writ: who made the component, what it may import, and whether it
// may run on this host. Nothing here fails: a host that is set up wrongly is part of the answer.
#pragma once

#include <stdio.h>

#include "component/component.h"
#include "host/vetting.h"

typedef struct writ_report {
    const component *c;
    vetting vetting;
    bool runs;               // without further options; grants aside
    bool runs_with_unsigned; // --unsigned would make it run
    const char *reason;      // stable word of the refusal, "" when it runs
    err why_not;
} writ_report;

// Of the only workload of the configuration.
void writ_report_make(const component *c, const host_config *config, slice bytes, uint64_t now_s,
                      writ_report *ret);
void writ_report_done(writ_report *r);

json_value *writ_report_json(const writ_report *r);
void writ_report_print(const writ_report *r, FILE *out);
