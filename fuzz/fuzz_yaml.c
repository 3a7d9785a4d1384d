// SPDX-License-Identifier: Apache-2.0
// Any text: the YAML reader answers with a tree within its limits or with an error that has a place.
//
// links: codec
#include "base/check.h"
#include "codec/yaml.h"
#include "fuzz.h"

static const yaml_limits limits = {.bytes_max = 1 << 20, .depth_max = 24, .nodes_max = 4096};

// Follows aliases, so that a tree that multiplies or contains itself would show; the depth was checked.
static uint32_t walk(const yaml_node *n) {
    const yaml_entry *stack[YAML_DEPTH_MAX] = {n->first};
    uint32_t seen = 1, depth = 1;
    CHECK(n->height <= limits.depth_max);
    while (depth > 0) {
        const yaml_entry *e = stack[depth - 1];
        if (e == NULL) {
            depth--;
            continue;
        }
        stack[depth - 1] = e->next;
        CHECK(e->value != NULL && depth <= limits.depth_max);
        seen++;
        stack[depth++] = e->value->first;
        int64_t i;
        uint64_t u;
        double d;
        CHECK(yaml_kind_name(e->value) != NULL);
        CHECK(!yaml_as_double(e->value, &d) || !(yaml_as_i64(e->value, &i) || yaml_as_u64(e->value, &u)));
    }
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    auto_arena memory;
    arena_init(&memory, 8 << 20);
    problems found;
    problems_init(&found, &memory, 20);
    const yaml_node *root = NULL;
    if (yaml_read(slice_of(data, size), &limits, &memory, &found, &root) != STATUS_OK) {
        CHECK(root == NULL && found.error_count > 0);
        return 0;
    }
    // What stands twice in a map was counted, and is not in the tree.
    CHECK(walk(root) <= limits.nodes_max);
    return 0;
}
