// SPDX-License-Identifier: Apache-2.0
// Any text as an allow-list: one capability per line, or JSON when it begins with "[". What is accepted can
// be written and read again and then says the same; a list is within itself; and when the first half of a
// list is within the second half, whatever the first covers the second does too.
//
// links: identity
#include "base/check.h"
#include "fuzz.h"
#include "identity/allowance.h"

enum { MEMORY_BYTES_MAX = 16 << 20, TEXT_BYTES_MAX = 4 << 20, LINES_MAX = 24, INPUT_BYTES_MAX = 8 << 10 };

static void check_text(const allowance_entry *entry, arena *memory) {
    auto_buf first, second;
    buf_init(&first, TEXT_BYTES_MAX);
    buf_init(&second, TEXT_BYTES_MAX);
    allowance_entry again;
    CHECK(allowance_entry_format(entry, &first) == STATUS_OK);
    CHECK(allowance_entry_parse(buf_slice(&first), memory, &again, NULL) == STATUS_OK);
    CHECK(allowance_entry_format(&again, &second) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&first), buf_slice(&second)));
}

static void check_json(const allowance *a, arena *memory) {
    json_value *v = allowance_to_json(a);
    allowance again;
    CHECK(allowance_from_json(v, memory, &again, NULL) == STATUS_OK);
    const allowance_entry *which = NULL;
    CHECK(allowance_within(a, &again, &which) && allowance_within(&again, a, &which));
    json_free(v);
}

// Asks both lists about the interface, the bounds of the versions and the names of an entry.
static void check_agreement(const allowance *outer, const allowance *inner, const allowance_entry *entry) {
    for (size_t i = 0; i <= entry->versions.count; i++) {
        const semver *version = i == 0 ? NULL : &entry->versions.comparisons[i - 1].version;
        if (!allowance_covers(inner, entry->interface, version)) {
            continue;
        }
        CHECK(allowance_covers(outer, entry->interface, version));
        for (size_t n = 0; n < ALLOWANCE_RESOURCE_COUNT; n++) {
            const allowance_names *names = &entry->names[n];
            for (size_t k = 0; k < names->count; k++) {
                CHECK(!allowance_covers_name(inner, entry->interface, version, (allowance_resource)n,
                                             names->names[k]) ||
                      allowance_covers_name(outer, entry->interface, version, (allowance_resource)n,
                                            names->names[k]));
            }
        }
    }
}

static size_t count_names(const allowance *a) {
    size_t count = 0;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t n = 0; n < ALLOWANCE_RESOURCE_COUNT; n++) {
            count += a->entries[i].names[n].count;
        }
    }
    return count;
}

static void check_list(const allowance *a, arena *memory) {
    const allowance_entry *which = NULL;
    if (count_names(a) > ALLOWANCE_NAMES_ALL_MAX) {
        return; // lines are read one by one, so nobody counted
    }
    CHECK(allowance_within(a, a, &which));
    for (size_t i = 0; i < a->count; i++) {
        check_text(&a->entries[i], memory);
    }
    check_json(a, memory);
    allowance inner = {a->count / 2, a->entries};
    allowance outer = {a->count - a->count / 2, a->entries + a->count / 2};
    if (allowance_within(&outer, &inner, &which)) {
        for (size_t i = 0; i < a->count; i++) {
            check_agreement(&outer, &inner, &a->entries[i]);
        }
    }
}

static bool read_json(slice text, arena *memory, allowance *ret) {
    json_value *v = NULL;
    if (json_parse(text, &v, NULL) != STATUS_OK) {
        return false;
    }
    err e = {0};
    bool good = allowance_from_json(v, memory, ret, &e) == STATUS_OK;
    CHECK(good || e.message[0] != '\0');
    json_free(v);
    return good;
}

static bool read_lines(slice text, arena *memory, allowance *ret) {
    allowance_entry *entries = ARENA_ARRAY(memory, allowance_entry, LINES_MAX);
    size_t count = 0, tried = 0;
    for (size_t at = 0; at < text.len && tried < LINES_MAX; tried++) {
        size_t end = slice_find(text, at, '\n');
        err e = {0};
        if (allowance_entry_parse(slice_sub(text, at, end), memory, &entries[count], &e) == STATUS_OK) {
            count++;
        } else {
            CHECK(e.code != STATUS_OK && e.message[0] != '\0');
        }
        at = end == SIZE_MAX ? text.len : end + 1;
    }
    *ret = (allowance){count, entries};
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice text = slice_of(data, size < INPUT_BYTES_MAX ? size : INPUT_BYTES_MAX);
    auto_arena memory;
    arena_init(&memory, MEMORY_BYTES_MAX);
    allowance a;
    if (slice_starts_with(text, "[") ? read_json(text, &memory, &a) : read_lines(text, &memory, &a)) {
        check_list(&a, &memory);
    }
    return 0;
}
