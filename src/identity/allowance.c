// SPDX-License-Identifier: Apache-2.0
// Reading and writing allow-lists, as JSON and as text.
#include "identity/allowance.h"

#include "codec/subject.h"
#include "identity/allowance_internal.h"

enum { SHOWN_BYTES = 80 };
#define SHOWN(s) SLICE_ARG(slice_sub((s), 0, SHOWN_BYTES))

static const char *const resource_names[ALLOWANCE_RESOURCE_COUNT] = {"hosts", "buckets", "subjects"};

static status no_memory(err *e) {
    return err_set(e, STATUS_LIMIT, "the allow-list needs more memory than it may");
}

// --- interfaces --------------------------------------------------------------------------------------------

static bool is_lower(uint8_t c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(uint8_t c) { return c >= 'A' && c <= 'Z'; }
static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

// Words in lower case or acronyms in upper case, joined by '-', beginning with a letter.
static bool is_label(slice label, bool acronyms) {
    bool upper = false;
    for (size_t i = 0, word = 0; i < label.len; i++) {
        uint8_t c = label.data[i];
        if (c == '-' && word > 0 && i + 1 < label.len) {
            word = 0;
        } else if (word == 0 ? is_lower(c) || (acronyms && is_upper(c))
                             : is_digit(c) || (upper ? is_upper(c) : is_lower(c))) {
            upper = word == 0 ? is_upper(c) : upper;
            word++;
        } else {
            return false;
        }
    }
    return label.len > 0;
}

static bool is_interface(slice text) {
    if (slice_equal_text(text, "*")) {
        return true;
    }
    size_t colon = slice_find(text, 0, ':'), slash = slice_find(text, 0, '/');
    if (text.len > ALLOWANCE_NAME_BYTES_MAX || colon == SIZE_MAX || (slash != SIZE_MAX && slash < colon)) {
        return false;
    }
    return is_label(slice_sub(text, 0, colon), false) && is_label(slice_sub(text, colon + 1, slash), false) &&
           (slash == SIZE_MAX || is_label(slice_sub(text, slash + 1, text.len), true));
}

static status set_interface(allowance_entry *entry, slice text, err *e) {
    if (!is_interface(text)) {
        return err_set(
            e, STATUS_INVALID,
            "\"%.*s\" names no interface; write NAMESPACE:PACKAGE/INTERFACE, NAMESPACE:PACKAGE for "
            "all of a package, or * for everything",
            SHOWN(text));
    }
    entry->interface = text;
    return STATUS_OK;
}

static status set_versions(allowance_entry *entry, slice text, err *e) {
    if (text.len > ALLOWANCE_NAME_BYTES_MAX || !version_range_parse(text, &entry->versions)) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" for %.*s is no range of versions; write such as 0.2.3, ^0.2.0 or "
                       ">=0.2.0,<0.3.0",
                       SHOWN(text), SHOWN(entry->interface));
    }
    entry->version_text = text;
    return STATUS_OK;
}

// --- names -------------------------------------------------------------------------------------------------

// What can stand in the text form too: printable, without the separators.
static bool is_plain(slice name) {
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (c <= ' ' || c > '~' || c == ',' || c == ';') {
            return false;
        }
    }
    return name.len > 0 && name.len <= ALLOWANCE_NAME_BYTES_MAX;
}

static bool is_bucket(slice name) {
    size_t star = slice_find(name, 0, '*');
    return star == SIZE_MAX || star + 1 == name.len;
}

network_default_port allowance_default_port(slice interface) {
    bool is_http = slice_equal_text(interface, "wasi:http") || slice_starts_with(interface, "wasi:http/");
    return is_http ? NETWORK_PORT_OF_HTTP : NETWORK_PORT_ANY;
}

static status check_host(slice name, err *e) {
    network_policy p = {0};
    status s = network_policy_add(&p, name, NETWORK_PORT_ANY, e);
    network_policy_done(&p);
    return s;
}

static status check_name(allowance_resource resource, slice name, err *e) {
    if (!is_plain(name)) {
        return err_set(e, STATUS_INVALID,
                       "\"%s\" has a name that is empty, longer than %d bytes, or with other bytes than "
                       "printable ASCII without space, comma and semicolon",
                       resource_names[resource], ALLOWANCE_NAME_BYTES_MAX);
    }
    switch (resource) {
    case ALLOWANCE_HOSTS:
        return check_host(name, e);
    case ALLOWANCE_BUCKETS:
        return is_bucket(name) ? STATUS_OK
                               : err_set(e, STATUS_INVALID,
                                         "bucket \"%.*s\": \"*\" may only stand at the end", SHOWN(name));
    case ALLOWANCE_SUBJECTS:
        break;
    }
    return subject_is_pattern(name)
               ? STATUS_OK
               : err_set(
                     e, STATUS_INVALID,
                     "subject \"%.*s\": tokens between dots are not empty, \"*\" is a token of its own and "
                     "\">\" the last one",
                     SHOWN(name));
}

static bool is_among(slice name, const slice *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(names[i], name)) {
            return true;
        }
    }
    return false;
}

// Checks and takes one name of a list that has room for it.
static status take_name(const allowance_entry *entry, allowance_resource resource, slice name, slice *names,
                        size_t *count, err *e) {
    TRY(check_name(resource, name, e));
    if (is_among(name, names, *count)) {
        return err_set(e, STATUS_INVALID, "%.*s has \"%.*s\" twice in \"%s\"", SHOWN(entry->interface),
                       SHOWN(name), resource_names[resource]);
    }
    names[(*count)++] = name;
    return STATUS_OK;
}

static status check_count(size_t count, allowance_resource resource, err *e) {
    return count <= ALLOWANCE_NAMES_MAX ? STATUS_OK
                                        : err_set(e, STATUS_LIMIT, "\"%s\" has more than %d names",
                                                  resource_names[resource], ALLOWANCE_NAMES_MAX);
}

// --- from JSON ---------------------------------------------------------------------------------------------

static status text_from_json(const json_value *v, const char *what, arena *memory, slice *ret, err *e) {
    slice text;
    if (!json_as_text(v, &text) || text.len > ALLOWANCE_NAME_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "%s is no text of at most %d bytes", what,
                       ALLOWANCE_NAME_BYTES_MAX);
    }
    *ret = arena_copy(memory, text);
    return text.len > 0 && ret->data == NULL ? no_memory(e) : STATUS_OK;
}

static status names_from_json(const json_value *array, allowance_resource resource, arena *memory,
                              allowance_entry *entry, err *e) {
    if (array == NULL) {
        return STATUS_OK;
    }
    if (!json_is_array(array)) {
        return err_set(e, STATUS_INVALID, "\"%s\" is no list", resource_names[resource]);
    }
    TRY(check_count(json_count(array), resource, e));
    slice *names = ARENA_ARRAY(memory, slice, json_count(array));
    if (names == NULL) {
        return no_memory(e);
    }
    size_t count = 0;
    for (size_t i = 0; i < json_count(array); i++) {
        slice name;
        TRY(text_from_json(json_at(array, i), "a name", memory, &name, e));
        TRY(take_name(entry, resource, name, names, &count, e));
    }
    entry->names[resource] = (allowance_names){.is_given = true, .count = count, .names = names};
    return STATUS_OK;
}

static status entry_from_json(const json_value *v, arena *memory, allowance_entry *ret, err *e) {
    static const char *const known[] = {"interface", "versions", "hosts", "buckets", "subjects"};
    if (!json_is_object(v)) {
        return err_set(e, STATUS_INVALID, "it is no object");
    }
    const char *unknown = json_unknown_member(v, known, sizeof known / sizeof known[0]);
    if (unknown != NULL) {
        return err_set(e, STATUS_INVALID,
                       "\"%.80s\" is not known here and may be a restriction; use a newer version", unknown);
    }
    slice text = slice_empty();
    TRY(text_from_json(json_get(v, "interface"), "\"interface\"", memory, &text, e));
    TRY(set_interface(ret, text, e));
    if (json_get(v, "versions") != NULL) {
        TRY(text_from_json(json_get(v, "versions"), "\"versions\"", memory, &text, e));
        TRY(set_versions(ret, text, e));
    }
    for (int r = 0; r < ALLOWANCE_RESOURCE_COUNT; r++) {
        TRY(names_from_json(json_get(v, resource_names[r]), (allowance_resource)r, memory, ret, e));
    }
    return STATUS_OK;
}

static size_t names_of(const allowance_entry *entry) {
    size_t count = 0;
    for (int r = 0; r < ALLOWANCE_RESOURCE_COUNT; r++) {
        count += entry->names[r].count;
    }
    return count;
}

status allowance_from_json(const json_value *array, arena *memory, allowance *ret, err *e) {
    if (!json_is_array(array)) {
        return err_set(e, STATUS_INVALID, "the allow-list is no list");
    }
    size_t count = json_count(array), names = 0;
    if (count > ALLOWANCE_ENTRIES_MAX) {
        return err_set(e, STATUS_LIMIT, "the allow-list has more than %d entries", ALLOWANCE_ENTRIES_MAX);
    }
    allowance_entry *entries = ARENA_ARRAY(memory, allowance_entry, count);
    if (entries == NULL) {
        return no_memory(e);
    }
    for (size_t i = 0; i < count; i++) {
        status s = entry_from_json(json_at(array, i), memory, &entries[i], e);
        if (s != STATUS_OK) {
            err_wrap(e, "entry %zu of the allow-list", i + 1);
            return s;
        }
        names += names_of(&entries[i]);
    }
    if (names > ALLOWANCE_NAMES_ALL_MAX) {
        return err_set(e, STATUS_LIMIT, "the allow-list has more than %d names", ALLOWANCE_NAMES_ALL_MAX);
    }
    *ret = (allowance){.count = count, .entries = entries};
    return STATUS_OK;
}

// --- to JSON -----------------------------------------------------------------------------------------------

static json_value *names_to_json(const allowance_names *names) {
    json_value *array = json_array_new();
    for (size_t i = 0; i < names->count; i++) {
        json_push(array, json_text(names->names[i]));
    }
    return array;
}

json_value *allowance_to_json(const allowance *a) {
    json_value *array = json_array_new();
    for (size_t i = 0; i < a->count; i++) {
        const allowance_entry *entry = &a->entries[i];
        json_value *v = json_object_new();
        json_put_text(v, "interface", entry->interface);
        if (entry->version_text.len > 0) {
            json_put_text(v, "versions", entry->version_text);
        }
        for (int r = 0; r < ALLOWANCE_RESOURCE_COUNT; r++) {
            if (entry->names[r].is_given) {
                json_put(v, resource_names[r], names_to_json(&entry->names[r]));
            }
        }
        json_push(array, v);
    }
    return array;
}

// --- text --------------------------------------------------------------------------------------------------

static status names_from_text(slice list, allowance_resource resource, arena *memory, allowance_entry *entry,
                              err *e) {
    size_t count = 0, most = list.len > 0 ? 1 : 0;
    for (size_t i = 0; i < list.len; i++) {
        most += list.data[i] == ',' ? 1 : 0;
    }
    TRY(check_count(most, resource, e));
    slice *names = ARENA_ARRAY(memory, slice, most);
    if (names == NULL) {
        return no_memory(e);
    }
    for (size_t at = 0; count < most;) {
        size_t comma = slice_find(list, at, ',');
        TRY(take_name(entry, resource, slice_sub(list, at, comma), names, &count, e));
        at = comma == SIZE_MAX ? list.len : comma + 1;
    }
    entry->names[resource] = (allowance_names){.is_given = true, .count = count, .names = names};
    return STATUS_OK;
}

static status part_from_text(slice part, arena *memory, allowance_entry *entry, err *e) {
    size_t equals = slice_find(part, 0, '=');
    for (int r = 0; equals != SIZE_MAX && r < ALLOWANCE_RESOURCE_COUNT; r++) {
        if (!slice_equal_text(slice_sub(part, 0, equals), resource_names[r])) {
            continue;
        }
        if (entry->names[r].is_given) {
            return err_set(e, STATUS_INVALID, "\"%s\" stands twice", resource_names[r]);
        }
        return names_from_text(slice_sub(part, equals + 1, part.len), (allowance_resource)r, memory, entry,
                               e);
    }
    return err_set(e, STATUS_INVALID, "\"%.*s\" is none of hosts=..., buckets=..., subjects=...",
                   SHOWN(part));
}

static status entry_from_text(slice text, arena *memory, allowance_entry *entry, err *e) {
    size_t end = slice_find(text, 0, ';');
    slice head = slice_sub(text, 0, end);
    size_t at = slice_find(head, 0, '@');
    TRY(set_interface(entry, slice_sub(head, 0, at), e));
    if (at != SIZE_MAX) {
        if (at + 1 == head.len) {
            return err_set(e, STATUS_INVALID, "no version follows the \"@\"; leave it out for any version");
        }
        TRY(set_versions(entry, slice_sub(head, at + 1, head.len), e));
    }
    while (end != SIZE_MAX) {
        size_t next = slice_find(text, end + 1, ';');
        TRY(part_from_text(slice_sub(text, end + 1, next), memory, entry, e));
        end = next;
    }
    return STATUS_OK;
}

status allowance_entry_parse(slice text, arena *memory, allowance_entry *ret, err *e) {
    allowance_entry entry = {0};
    status s = entry_from_text(text, memory, &entry, e);
    if (s != STATUS_OK) {
        err_wrap(e, "capability \"%.*s\"", SHOWN(text));
        return s;
    }
    *ret = entry;
    return STATUS_OK;
}

static status append_entry(const allowance_entry *entry, buf *ret) {
    TRY(buf_append(ret, entry->interface));
    if (entry->version_text.len > 0) {
        TRY(buf_append_byte(ret, '@'));
        TRY(buf_append(ret, entry->version_text));
    }
    for (int r = 0; r < ALLOWANCE_RESOURCE_COUNT; r++) {
        const allowance_names *names = &entry->names[r];
        if (names->is_given) {
            TRY(buf_append_format(ret, ";%s=", resource_names[r]));
        }
        for (size_t i = 0; i < names->count; i++) {
            TRY(buf_append_text(ret, i > 0 ? "," : ""));
            TRY(buf_append(ret, names->names[i]));
        }
    }
    return STATUS_OK;
}

status allowance_entry_format(const allowance_entry *entry, buf *ret) {
    size_t before = ret->len;
    status s = append_entry(entry, ret);
    ret->len = s == STATUS_OK ? ret->len : before;
    return s;
}
