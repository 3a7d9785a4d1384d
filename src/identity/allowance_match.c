// SPDX-License-Identifier: Apache-2.0
// What an allow-list covers. Every comparison is between patterns: a single name is the pattern that matches
// only itself. Whatever cannot be decided counts as not covered.
#include "codec/subject.h"
#include "identity/allowance_internal.h"

// --- interfaces --------------------------------------------------------------------------------------------

static bool interface_covers(slice pattern, slice interface) {
    if (slice_equal_text(pattern, "*") || slice_equal(pattern, interface)) {
        return true;
    }
    // A package covers its interfaces.
    return slice_find(pattern, 0, '/') == SIZE_MAX && interface.len > pattern.len &&
           interface.data[pattern.len] == '/' && slice_equal(slice_sub(interface, 0, pattern.len), pattern);
}

const allowance_entry *allowance_find(const allowance *a, slice interface, const semver *version,
                                      size_t *from) {
    for (size_t i = *from; i < a->count; i++) {
        const allowance_entry *entry = &a->entries[i];
        if (interface_covers(entry->interface, interface) &&
            version_range_covers(&entry->versions, version)) {
            *from = i + 1;
            return entry;
        }
    }
    *from = a->count;
    return NULL;
}

bool allowance_covers(const allowance *a, slice interface, const semver *version) {
    size_t from = 0;
    return allowance_find(a, interface, version, &from) != NULL;
}

// --- buckets and subjects ----------------------------------------------------------------------------------

static bool bucket_covers(slice pattern, slice name) {
    if (pattern.len > 0 && pattern.data[pattern.len - 1] == '*') {
        size_t stem = pattern.len - 1;
        return name.len >= stem && slice_equal(slice_sub(pattern, 0, stem), slice_sub(name, 0, stem));
    }
    return slice_equal(pattern, name);
}

static bool list_covers(const allowance_names *names, allowance_resource resource, slice name) {
    for (size_t i = 0; names->is_given && i < names->count; i++) {
        if ((resource == ALLOWANCE_BUCKETS ? bucket_covers : subject_covers)(names->names[i], name)) {
            return true;
        }
    }
    return !names->is_given;
}

// --- hosts -------------------------------------------------------------------------------------------------

static status add_rules(network_policy *p, const allowance_entry *entry, err *e) {
    const allowance_names *hosts = &entry->names[ALLOWANCE_HOSTS];
    for (size_t i = 0; i < hosts->count; i++) {
        TRY(network_policy_add(p, hosts->names[i], allowance_default_port(entry->interface), e));
    }
    return STATUS_OK;
}

status allowance_hosts(const allowance *a, slice interface, const semver *version, network_policy *ret,
                       bool *ret_narrows, err *e) {
    bool narrows = true;
    const allowance_entry *entry;
    for (size_t from = 0; (entry = allowance_find(a, interface, version, &from)) != NULL;) {
        narrows = narrows && entry->names[ALLOWANCE_HOSTS].is_given;
        TRY(add_rules(ret, entry, e));
    }
    *ret_narrows = narrows;
    return STATUS_OK;
}

static bool covers_host(const allowance *a, slice interface, const semver *version, slice rule) {
    network_policy outer = {0}, inner = {0};
    bool narrows = true;
    size_t which;
    bool covered = network_policy_add(&inner, rule, allowance_default_port(interface), NULL) == STATUS_OK &&
                   allowance_hosts(a, interface, version, &outer, &narrows, NULL) == STATUS_OK &&
                   (!narrows || network_policy_within(&outer, &inner, &which));
    network_policy_done(&outer);
    network_policy_done(&inner);
    return covered;
}

bool allowance_covers_name(const allowance *a, slice interface, const semver *version,
                           allowance_resource resource, slice name) {
    if (resource == ALLOWANCE_HOSTS) {
        return covers_host(a, interface, version, name);
    }
    const allowance_entry *entry;
    for (size_t from = 0; (entry = allowance_find(a, interface, version, &from)) != NULL;) {
        if (list_covers(&entry->names[resource], resource, name)) {
            return true;
        }
    }
    return false;
}

// --- one list in another -----------------------------------------------------------------------------------

// The next entry of `outer` that covers the interface and versions of `inner` as a whole.
static const allowance_entry *next_around(const allowance *outer, const allowance_entry *inner,
                                          size_t *from) {
    while (*from < outer->count) {
        const allowance_entry *entry = &outer->entries[(*from)++];
        if (interface_covers(entry->interface, inner->interface) &&
            version_range_within(&entry->versions, &inner->versions)) {
            return entry;
        }
    }
    return NULL;
}

static bool is_unnarrowed(const allowance *outer, const allowance_entry *inner, allowance_resource resource) {
    const allowance_entry *entry;
    for (size_t from = 0; (entry = next_around(outer, inner, &from)) != NULL;) {
        if (!entry->names[resource].is_given) {
            return true;
        }
    }
    return false;
}

static bool name_within(const allowance *outer, const allowance_entry *inner, allowance_resource resource,
                        slice name) {
    const allowance_entry *entry;
    for (size_t from = 0; (entry = next_around(outer, inner, &from)) != NULL;) {
        if (list_covers(&entry->names[resource], resource, name)) {
            return true;
        }
    }
    return false;
}

static bool hosts_within(const allowance *outer, const allowance_entry *inner) {
    network_policy around = {0}, rules = {0};
    const allowance_entry *entry;
    bool good = add_rules(&rules, inner, NULL) == STATUS_OK;
    for (size_t from = 0; good && (entry = next_around(outer, inner, &from)) != NULL;) {
        good = add_rules(&around, entry, NULL) == STATUS_OK;
    }
    size_t which;
    good = good && network_policy_within(&around, &rules, &which);
    network_policy_done(&around);
    network_policy_done(&rules);
    return good;
}

static bool names_within(const allowance *outer, const allowance_entry *inner, allowance_resource resource) {
    const allowance_names *names = &inner->names[resource];
    if (is_unnarrowed(outer, inner, resource)) {
        return true;
    }
    if (!names->is_given) {
        return false;
    }
    if (resource == ALLOWANCE_HOSTS) {
        return hosts_within(outer, inner);
    }
    for (size_t i = 0; i < names->count; i++) {
        if (!name_within(outer, inner, resource, names->names[i])) {
            return false;
        }
    }
    return true;
}

static bool entry_within(const allowance *outer, const allowance_entry *inner) {
    size_t from = 0;
    bool within = next_around(outer, inner, &from) != NULL;
    for (int r = 0; within && r < ALLOWANCE_RESOURCE_COUNT; r++) {
        within = names_within(outer, inner, (allowance_resource)r);
    }
    return within;
}

bool allowance_within(const allowance *outer, const allowance *inner, const allowance_entry **ret) {
    for (size_t i = 0; i < inner->count; i++) {
        if (!entry_within(outer, &inner->entries[i])) {
            *ret = &inner->entries[i];
            return false;
        }
    }
    return true;
}
