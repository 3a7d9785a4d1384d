// SPDX-License-Identifier: Apache-2.0
#include "lattice/core_read.h"

#include "lattice/core_record.h"

// --- names -------------------------------------------------------------------------------------------------

static bool is_word_byte(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool is_key_byte(uint8_t c) { return is_word_byte(c) || c == '/' || c == '=' || c == '.'; }

bool core_text_fits(slice text, core_text_rule rule, size_t bytes_max) {
    if (text.len > bytes_max || (text.len == 0 && rule != CORE_TEXT_ANY)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool fits = rule == CORE_TEXT_ID    ? is_word_byte(c)
                    : rule == CORE_TEXT_KEY ? is_key_byte(c)
                                            : c >= 0x20 && c != 0x7f;
        if (!fits) {
            return false;
        }
    }
    return rule != CORE_TEXT_KEY || (text.data[0] != '.' && text.data[text.len - 1] != '.');
}

bool core_config_name_fits(slice name) {
    return core_text_fits(name, CORE_TEXT_KEY, CORE_NAME_BYTES_MAX) && slice_find(name, 0, '.') == SIZE_MAX;
}

static const char *rule_text(core_text_rule rule) {
    switch (rule) {
    case CORE_TEXT_ANY:
        return "bytes without control characters";
    case CORE_TEXT_WORDS:
        return "bytes without control characters, and not empty";
    case CORE_TEXT_ID:
        return "letters, digits, '_' and '-', and not empty";
    case CORE_TEXT_KEY:
        return "letters, digits, '-', '/', '_', '=' and '.', and not empty";
    }
    return "";
}

static status check_text(const char *name, slice text, core_text_rule rule, size_t bytes_max, err *e) {
    if (!core_text_fits(text, rule, bytes_max)) {
        return err_set(e, STATUS_INVALID, "\"%s\" may have at most %zu %s", name, bytes_max, rule_text(rule));
    }
    return STATUS_OK;
}

// --- members -----------------------------------------------------------------------------------------------

static status wrong_kind(const char *name, const json_value *v, const char *wanted, err *e) {
    if (v == NULL) {
        return err_set(e, STATUS_INVALID, "\"%s\" is missing", name);
    }
    return err_set(e, STATUS_INVALID, "\"%s\" is %s, expected %s", name, json_kind_name(v), wanted);
}

status core_read_text(const json_value *o, const char *name, core_text_rule rule, size_t bytes_max,
                      bool is_required, slice *ret, err *e) {
    const json_value *v = json_get(o, name);
    slice text;
    if (!is_required && json_is_absent(v)) {
        return STATUS_OK;
    }
    if (!json_as_text(v, &text)) {
        return wrong_kind(name, v, "a text", e);
    }
    TRY(check_text(name, text, rule, bytes_max, e));
    *ret = text;
    return STATUS_OK;
}

status core_read_u64(const json_value *o, const char *name, uint64_t max, bool *ret_is_there, uint64_t *ret,
                     err *e) {
    const json_value *v = json_get(o, name);
    int64_t number = 0;
    if (!json_is_absent(v) && (!json_as_integer(v, &number) || number < 0 || (uint64_t)number > max)) {
        return err_set(e, STATUS_INVALID, "\"%s\" is %s, expected a whole number from 0 to %llu", name,
                       json_kind_name(v), (unsigned long long)max);
    }
    *ret_is_there = !json_is_absent(v);
    *ret = (uint64_t)number;
    return STATUS_OK;
}

status core_read_bool(const json_value *o, const char *name, bool *ret, err *e) {
    const json_value *v = json_get(o, name);
    bool value = false;
    if (!json_is_absent(v) && !json_as_bool(v, &value)) {
        return wrong_kind(name, v, "true or false", e);
    }
    *ret = value;
    return STATUS_OK;
}

static status no_room(const char *name, err *e) {
    return err_set(e, STATUS_LIMIT, "\"%s\" is more than there is memory for", name);
}

status core_read_texts(const json_value *o, const char *name, core_text_rule rule, size_t count_max,
                       bool is_required, arena *memory, lattice_texts *ret, err *e) {
    const json_value *v = json_get(o, name);
    if (!is_required && json_is_absent(v)) {
        *ret = (lattice_texts){0};
        return STATUS_OK;
    }
    if (!json_is_array(v)) {
        return wrong_kind(name, v, "a list", e);
    }
    size_t count = json_count(v);
    if (count > count_max) {
        return err_set(e, STATUS_LIMIT, "\"%s\" has %zu entries, more than %zu", name, count, count_max);
    }
    slice *items = ARENA_ARRAY(memory, slice, count);
    if (items == NULL) {
        return no_room(name, e);
    }
    for (size_t i = 0; i < count; i++) {
        if (!json_as_text(json_at(v, i), &items[i])) {
            return wrong_kind(name, json_at(v, i), "texts in the list", e);
        }
        TRY(check_text(name, items[i], rule, CORE_NAME_BYTES_MAX, e));
    }
    *ret = (lattice_texts){.count = count, .items = items};
    return STATUS_OK;
}

static status read_map(const char *name, const json_value *map, size_t count_max, size_t value_bytes_max,
                       arena *memory, lattice_pairs *ret, err *e) {
    size_t count = json_member_count(map);
    if (count > count_max) {
        return err_set(e, STATUS_LIMIT, "\"%s\" has %zu members, more than %zu", name, count, count_max);
    }
    lattice_pair *items = ARENA_ARRAY(memory, lattice_pair, count);
    if (items == NULL) {
        return no_room(name, e);
    }
    void *at = NULL;
    slice key;
    const json_value *value;
    for (size_t i = 0; json_next_member(map, &at, &key, &value); i++) {
        items[i].key = key;
        if (!json_as_text(value, &items[i].value)) {
            return wrong_kind(name, value, "texts as values", e);
        }
        if (key.len > CORE_VALUE_BYTES_MAX || items[i].value.len > value_bytes_max) {
            return err_set(e, STATUS_LIMIT,
                           "\"%s\" has a key of more than %d bytes or a value of more than %zu", name,
                           CORE_VALUE_BYTES_MAX, value_bytes_max);
        }
    }
    core_pairs_sort(items, count);
    *ret = (lattice_pairs){.count = count, .items = items};
    return STATUS_OK;
}

status core_read_pairs(const json_value *o, const char *name, size_t count_max, bool is_required,
                       arena *memory, lattice_pairs *ret, err *e) {
    const json_value *v = json_get(o, name);
    if (!is_required && json_is_absent(v)) {
        *ret = (lattice_pairs){0};
        return STATUS_OK;
    }
    return json_is_object(v) ? read_map(name, v, count_max, CORE_VALUE_BYTES_MAX, memory, ret, e)
                             : wrong_kind(name, v, "an object", e);
}

status core_read_map(const json_value *map, size_t count_max, size_t value_bytes_max, arena *memory,
                     lattice_pairs *ret, err *e) {
    return json_is_object(map) ? read_map("the map", map, count_max, value_bytes_max, memory, ret, e)
                               : wrong_kind("the map", map, "an object of texts", e);
}

status core_read_link(const json_value *o, arena *memory, lattice_link *ret, err *e) {
    lattice_link link = {.name = slice_from_text("default")};
    if (!json_is_object(o)) {
        return wrong_kind("the link", o, "an object", e);
    }
    const size_t name_max = CORE_NAME_BYTES_MAX;
    TRY(core_read_text(o, "source_id", CORE_TEXT_ID, CORE_ID_BYTES_MAX, true, &link.source, e));
    TRY(core_read_text(o, "target", CORE_TEXT_ID, CORE_ID_BYTES_MAX, true, &link.target, e));
    TRY(core_read_text(o, "name", CORE_TEXT_WORDS, name_max, false, &link.name, e));
    TRY(core_read_text(o, "wit_namespace", CORE_TEXT_WORDS, name_max, true, &link.ns, e));
    TRY(core_read_text(o, "wit_package", CORE_TEXT_WORDS, name_max, true, &link.package, e));
    TRY(core_read_texts(o, "interfaces", CORE_TEXT_WORDS, CORE_INTERFACES_MAX, true, memory, &link.interfaces,
                        e));
    TRY(core_read_texts(o, "source_config", CORE_TEXT_KEY, CORE_CONFIGS_MAX, false, memory,
                        &link.source_config, e));
    TRY(core_read_texts(o, "target_config", CORE_TEXT_KEY, CORE_CONFIGS_MAX, false, memory,
                        &link.target_config, e));
    *ret = link;
    return STATUS_OK;
}

// --- writing -----------------------------------------------------------------------------------------------

json_value *core_json_texts(lattice_texts texts) {
    json_value *v = json_array_new();
    for (size_t i = 0; i < texts.count; i++) {
        json_push(v, json_text(texts.items[i]));
    }
    return v;
}

json_value *core_json_pairs(lattice_pairs pairs) {
    json_value *v = json_object_new();
    for (size_t i = 0; i < pairs.count; i++) {
        json_put_text(v, (const char *)pairs.items[i].key.data, pairs.items[i].value);
    }
    return v;
}

json_value *core_json_link(const lattice_link *link) {
    json_value *v = json_object_new();
    json_put_text(v, "source_id", link->source);
    json_put_text(v, "target", link->target);
    json_put_text(v, "name", link->name);
    json_put_text(v, "wit_namespace", link->ns);
    json_put_text(v, "wit_package", link->package);
    json_put(v, "interfaces", core_json_texts(link->interfaces));
    json_put(v, "source_config", core_json_texts(link->source_config));
    json_put(v, "target_config", core_json_texts(link->target_config));
    return v;
}
