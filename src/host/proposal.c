// SPDX-License-Identifier: Apache-2.0
#include "host/proposal.h"

enum { CAPABILITY_BYTES_MAX = 2 * ALLOWANCE_NAME_BYTES_MAX };

static status propose(const component_item *item, arena *memory, allowance_entry *ret, err *e) {
    slice name;
    semver v = {0};
    bool has_version = component_name_split(component_item_interface(item), &name, &v);
    auto_buf text;
    buf_init(&text, CAPABILITY_BYTES_MAX);
    status s = buf_append(&text, name);
    if (s == STATUS_OK && has_version) {
        s = buf_append_format(&text, "@%u.%u.%u%s%.*s", v.major, v.minor, v.patch, v.pre.len > 0 ? "-" : "",
                              SLICE_ARG(v.pre));
    }
    slice copy = arena_copy(memory, buf_slice(&text));
    if (s != STATUS_OK || copy.data == NULL) {
        return err_set(e, STATUS_LIMIT, "the import \"%.*s\" is too long for an allow-list",
                       SLICE_ARG(slice_sub(item->name, 0, 80)));
    }
    if (item->kind != COMPONENT_INSTANCE || slice_find(copy, 0, '/') == SIZE_MAX ||
        allowance_entry_parse(copy, memory, ret, NULL) != STATUS_OK) {
        return err_set(
            e, STATUS_UNSUPPORTED,
            "the import \"%.*s\" is no interface of a package, so no allow-list can name it and no "
            "host can offer it; compose the component with what provides it first",
            SLICE_ARG(slice_sub(item->name, 0, 80)));
    }
    return STATUS_OK;
}

status host_propose_allowance(const component *c, arena *memory, allowance *ret, err *e) {
    size_t count = component_import_count(c);
    if (count > ALLOWANCE_ENTRIES_MAX) {
        return err_set(e, STATUS_LIMIT, "%zu imports are more than the %d entries of an allow-list", count,
                       ALLOWANCE_ENTRIES_MAX);
    }
    allowance_entry *entries = ARENA_ARRAY(memory, allowance_entry, count);
    if (entries == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for an allow-list of %zu entries", count);
    }
    for (size_t i = 0; i < count; i++) {
        TRY(propose(component_import_at(c, i), memory, &entries[i], e));
    }
    *ret = (allowance){.count = count, .entries = entries};
    return STATUS_OK;
}
