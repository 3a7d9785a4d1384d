// SPDX-License-Identifier: Apache-2.0
// Reads the JSON of requests and of entries of buckets into checked types. Everything is borrowed from the
// document, or stands in the arena.
#pragma once

#include "base/arena.h"
#include "lattice/core.h"

typedef enum core_text_rule {
    CORE_TEXT_ANY,   // without control characters
    CORE_TEXT_WORDS, // not empty either
    CORE_TEXT_ID,    // letters, digits, '_', '-'
    CORE_TEXT_KEY,   // what a bucket takes as a key
} core_text_rule;

bool core_text_fits(slice text, core_text_rule rule, size_t bytes_max);
// A name of a configuration that a subject can carry.
bool core_config_name_fits(slice name);

// STATUS_INVALID says which member breaks which rule. A member that may be missing may be null, too.
status core_read_text(const json_value *o, const char *name, core_text_rule rule, size_t bytes_max,
                      bool is_required, slice *ret, err *e) WRIT_MUST_USE;
status core_read_u64(const json_value *o, const char *name, uint64_t max, bool *ret_is_there, uint64_t *ret,
                     err *e) WRIT_MUST_USE;
status core_read_bool(const json_value *o, const char *name, bool *ret, err *e) WRIT_MUST_USE;
status core_read_texts(const json_value *o, const char *name, core_text_rule rule, size_t count_max,
                       bool is_required, arena *memory, lattice_texts *ret, err *e) WRIT_MUST_USE;
// A map of texts, in the order of keys.
status core_read_pairs(const json_value *o, const char *name, size_t count_max, bool is_required,
                       arena *memory, lattice_pairs *ret, err *e) WRIT_MUST_USE;
// The same of a whole document.
status core_read_map(const json_value *map, size_t count_max, size_t value_bytes_max, arena *memory,
                     lattice_pairs *ret, err *e) WRIT_MUST_USE;
status core_read_link(const json_value *o, arena *memory, lattice_link *ret, err *e) WRIT_MUST_USE;

json_value *core_json_texts(lattice_texts texts);
json_value *core_json_pairs(lattice_pairs pairs); // whose keys end with a NUL
json_value *core_json_link(const lattice_link *link);
