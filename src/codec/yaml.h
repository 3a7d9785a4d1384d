// SPDX-License-Identifier: Apache-2.0
// YAML documents as a tree that knows its lines and columns, read with libyaml. The only place that sees the
// library.
//
// Bounded in bytes, depth and nodes. An alias shares the node of its anchor; what it stands for counts as if
// it were written out, so that a small text cannot stand for a large one, and a node never contains itself.
// Refused: a key twice in one map (both lines are named), keys that are no plain text, tags, and a second
// document.
#pragma once

#include "codec/problems.h"

typedef enum yaml_kind {
    YAML_KIND_SCALAR,
    YAML_KIND_LIST,
    YAML_KIND_MAP,
} yaml_kind;

// What a scalar is: the core schema of YAML 1.2 as the 1.x tools read it, where `yes` and `007` are text.
// Quoted scalars and blocks are text.
typedef enum yaml_type {
    YAML_TYPE_NONE, // no scalar
    YAML_TYPE_NULL,
    YAML_TYPE_BOOL,
    YAML_TYPE_INTEGER,
    YAML_TYPE_FLOAT,
    YAML_TYPE_TEXT,
} yaml_type;

typedef struct yaml_node yaml_node;

// An item of a list (without key), or a member of a map.
typedef struct yaml_entry {
    slice key;
    bool key_is_plain;
    text_place key_at;
    const yaml_node *value;
    struct yaml_entry *next;
} yaml_entry;

struct yaml_node {
    yaml_kind kind;
    bool is_plain; // of a scalar: neither quoted nor a block
    text_place at;
    slice text;        // of a scalar
    yaml_entry *first; // of a list or map, in the order of the text
    size_t count;      // of its entries
    uint32_t expanded; // nodes below it and itself, with aliases written out
    uint32_t height;   // of the tree below it; 0 for a scalar
};

typedef struct yaml_limits {
    size_t bytes_max;
    uint32_t depth_max; // at most YAML_DEPTH_MAX
    uint32_t nodes_max; // with aliases written out
} yaml_limits;

enum { YAML_DEPTH_MAX = 64, YAML_ANCHORS_MAX = 256 };

// Reads the one document of the text (a null scalar when there is none). Everything lives in the arena; the
// tree borrows nothing of the text. STATUS_OK when there is a tree, though it may have `problems`, such as a
// key twice: the first one counts. On failure there is at least one error among them.
status yaml_read(slice text, const yaml_limits *limits, arena *a, problems *p,
                 const yaml_node **ret) WRIT_MUST_USE;

yaml_type yaml_type_of(const yaml_node *n); // accepts NULL
// A null as the YAML word or as nothing at all.
static inline bool yaml_is_null(const yaml_node *n) { return n == NULL || yaml_type_of(n) == YAML_TYPE_NULL; }
// The member of a map; NULL when there is none or it is no map.
const yaml_entry *yaml_find(const yaml_node *map, const char *key);
const yaml_node *yaml_get(const yaml_node *map, const char *key);
// An integer of the YAML forms 12, +12, 0x1f, 0o17, 0b1 that fits.
bool yaml_as_u64(const yaml_node *n, uint64_t *ret);
bool yaml_as_i64(const yaml_node *n, int64_t *ret);
// A number with a fraction or exponent, .inf and .nan.
bool yaml_as_double(const yaml_node *n, double *ret);
// "a list", "a map", "a number", ... ; for messages.
const char *yaml_kind_name(const yaml_node *n);
