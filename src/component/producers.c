// SPDX-License-Identifier: Apache-2.0
#include "component/producers.h"

#include "codec/leb128.h"
#include "codec/utf.h"

typedef struct reader {
    const uint8_t *at;
    const uint8_t *end;
} reader;

static status malformed(const char *what, err *e) {
    return err_set(e, STATUS_INVALID, "malformed producers section: %s", what);
}

static status read_count(reader *r, uint32_t max, uint32_t *ret, err *e) {
    if (leb128_read_u32(&r->at, r->end, ret) != LEB128_OK || *ret > max) {
        return malformed("a count is missing or too large", e);
    }
    return STATUS_OK;
}

static status read_text(reader *r, slice *ret, err *e) {
    uint32_t len;
    if (leb128_read_u32(&r->at, r->end, &len) != LEB128_OK || len > (size_t)(r->end - r->at)) {
        return malformed("a string does not fit", e);
    }
    slice text = slice_of(r->at, len);
    if (!utf8_valid(text)) {
        return malformed("a string is not UTF-8", e);
    }
    r->at += len;
    *ret = text;
    return STATUS_OK;
}

static status read_field(reader *r, arena *a, producers_field *field, err *e) {
    TRY(read_text(r, &field->name, e));
    TRY(read_count(r, PRODUCERS_VALUES_MAX, &field->value_count, e));
    producers_value *values = ARENA_ARRAY(a, producers_value, field->value_count);
    if (values == NULL) {
        return err_set(e, STATUS_LIMIT, "the producers section is too large");
    }
    for (uint32_t i = 0; i < field->value_count; i++) {
        TRY(read_text(r, &values[i].name, e));
        TRY(read_text(r, &values[i].version, e));
    }
    field->values = values;
    return STATUS_OK;
}

status producers_decode(slice section, arena *a, producers *ret, err *e) {
    reader r = {section.data, section.data + section.len};
    producers p = {0};
    TRY(read_count(&r, PRODUCERS_FIELDS_MAX, &p.field_count, e));
    producers_field *fields = ARENA_ARRAY(a, producers_field, p.field_count);
    if (fields == NULL) {
        return err_set(e, STATUS_LIMIT, "the producers section is too large");
    }
    for (uint32_t i = 0; i < p.field_count; i++) {
        TRY(read_field(&r, a, &fields[i], e));
    }
    if (r.at != r.end) {
        return malformed("there are bytes after its end", e);
    }
    p.fields = fields;
    *ret = p;
    return STATUS_OK;
}

// --- of a whole component ----------------------------------------------------------------------------------

enum { MODULE_HEADER_BYTES = 8, SECTION_CUSTOM = 0 };

// The custom section of that name in a core module (Binary Format, "Modules"), which was validated before.
static bool find_in_module(slice module, slice *ret) {
    if (module.len < MODULE_HEADER_BYTES) {
        return false;
    }
    reader r = {module.data + MODULE_HEADER_BYTES, module.data + module.len};
    while (r.at < r.end) {
        uint8_t id = *r.at++;
        uint32_t size;
        if (leb128_read_u32(&r.at, r.end, &size) != LEB128_OK || size > (size_t)(r.end - r.at)) {
            return false;
        }
        reader section = {r.at, r.at + size};
        slice name;
        r.at += size;
        if (id == SECTION_CUSTOM && read_text(&section, &name, NULL) == STATUS_OK &&
            slice_equal_text(name, "producers")) {
            *ret = slice_of(section.at, (size_t)(section.end - section.at));
            return true;
        }
    }
    return false;
}

typedef struct collection { // grows in place; both maxima are small
    producers_field fields[PRODUCERS_FIELDS_MAX];
    producers_value values[PRODUCERS_FIELDS_MAX][PRODUCERS_VALUES_MAX];
    uint32_t count;
} collection;

static void collect_value(collection *all, uint32_t field, const producers_value *v) {
    producers_field *f = &all->fields[field];
    for (uint32_t i = 0; i < f->value_count; i++) {
        if (slice_equal(all->values[field][i].name, v->name) &&
            slice_equal(all->values[field][i].version, v->version)) {
            return;
        }
    }
    if (f->value_count < PRODUCERS_VALUES_MAX) {
        all->values[field][f->value_count++] = *v;
    }
}

static void collect(collection *all, const producers *p) {
    for (uint32_t i = 0; i < p->field_count; i++) {
        uint32_t field = 0;
        while (field < all->count && !slice_equal(all->fields[field].name, p->fields[i].name)) {
            field++;
        }
        if (field == PRODUCERS_FIELDS_MAX) {
            continue;
        }
        if (field == all->count) {
            all->fields[all->count++] =
                (producers_field){.name = p->fields[i].name, .values = all->values[field]};
        }
        for (uint32_t j = 0; j < p->fields[i].value_count; j++) {
            collect_value(all, field, &p->fields[i].values[j]);
        }
    }
}

static void collect_section(collection *all, slice section, arena *a) {
    producers p;
    if (producers_decode(section, a, &p, NULL) == STATUS_OK) {
        collect(all, &p);
    }
}

void producers_of_component(const component *c, arena *a, producers *ret) {
    *ret = (producers){0};
    collection *all = ARENA_NEW(a, collection);
    if (all == NULL) {
        return;
    }
    for (size_t i = 0; i < component_section_count(c); i++) {
        const component_section *section = component_section_at(c, i);
        if (slice_equal_text(section->name, "producers")) {
            collect_section(all, section->bytes, a);
        }
    }
    for (size_t i = 0; i < component_module_count(c); i++) {
        slice section;
        if (find_in_module(component_module_bytes(c, i), &section)) {
            collect_section(all, section, a);
        }
    }
    *ret = (producers){.field_count = all->count, .fields = all->fields};
}
