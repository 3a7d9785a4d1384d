// SPDX-License-Identifier: Apache-2.0
// The custom section "producers": which languages and tools made a component. Advice for people, trusted for
// nothing. Source: tool-conventions, ProducersSection.md.
#pragma once

#include "base/arena.h"
#include "component/component.h"

enum { PRODUCERS_FIELDS_MAX = 16, PRODUCERS_VALUES_MAX = 256 };

typedef struct producers_value {
    slice name;
    slice version; // may be empty
} producers_value;

typedef struct producers_field {
    slice name; // "language", "processed-by" or "sdk"
    uint32_t value_count;
    const producers_value *values;
} producers_field;

typedef struct producers {
    uint32_t field_count;
    const producers_field *fields;
} producers;

// Borrows `section`; lists are in `a`. STATUS_INVALID when it is malformed.
status producers_decode(slice section, arena *a, producers *ret, err *e) WRIT_MUST_USE;

// What the component's own section and those of its core modules say together, without repetitions. Malformed
// sections are left out: they are advice.
void producers_of_component(const component *c, arena *a, producers *ret);
