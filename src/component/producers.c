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
