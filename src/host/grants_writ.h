// SPDX-License-Identifier: Apache-2.0
// The part of the gate that asks writ and trust; used by grants.c only.
#pragma once

#include "capability/offers.h"
#include "host/grants.h"

typedef struct grants_question {
    slice name;
    const semver *version; // NULL: the import has none
    wasi_authority authority;
    const workload_config *config;
} grants_question;

// Whether writ and trust cover the import, and every rule of the configuration that would give it authority.
// Fills d->why when not, and d->limits when they do. A NULL writ allows everything.
bool grants_writ_allows(const grants_writ *w, const grants_question *q, grant_decision *d);
