// SPDX-License-Identifier: Apache-2.0
#include "driver/sql/postgres_values.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/buf.h"
#include "codec/utf.h"
#include "driver/sql/postgres_protocol.h"

typedef enum format {
    FORMAT_BOOL,
    FORMAT_INT2,
    FORMAT_INT4,
    FORMAT_INT8,
    FORMAT_FLOAT4,
    FORMAT_FLOAT8,
    FORMAT_NUMERIC,
    FORMAT_MONEY,
    FORMAT_TEXT,
    FORMAT_JSONB, // a text behind a version
    FORMAT_BYTES,
    FORMAT_CHAR,
    FORMAT_VARCHAR,
    FORMAT_BIT,
    FORMAT_VARBIT,
    FORMAT_DATE,
    FORMAT_TIME,
    FORMAT_TIMESTAMP,
    FORMAT_TIMESTAMP_TZ,
    FORMAT_UUID,
    FORMAT_MAC, // 6 or 8 bytes
    FORMAT_INET,
    FORMAT_LSN,
    FORMAT_POINT,  // 2 floats
    FORMAT_LSEG,   // 4
    FORMAT_BOX,    // 4, the upper right point first
    FORMAT_CIRCLE, // 3
    FORMAT_PATH,   // a byte, a count, points
    FORMAT_POLYGON,
    FORMAT_INT2_VECTOR,
} format;

// By number: `array` is that of lists of the type, 0 = none that the contract has.
static const struct {
    uint16_t oid;
    uint16_t array;
    uint8_t format;
    uint8_t type;
    uint8_t array_type;
} types[] = {
    {16, 1000, FORMAT_BOOL, PG_BOOL, PG_BOOL_ARRAY},
    {17, 1001, FORMAT_BYTES, PG_BYTEA, PG_BYTEA_ARRAY},
    {18, 1002, FORMAT_CHAR, PG_CHAR, PG_CHAR_ARRAY},
    {19, 1003, FORMAT_TEXT, PG_NAME, PG_NAME_ARRAY},
    {20, 1016, FORMAT_INT8, PG_INT8, PG_INT8_ARRAY},
    {21, 1005, FORMAT_INT2, PG_INT2, PG_INT2_ARRAY},
    {22, 1006, FORMAT_INT2_VECTOR, PG_INT2_VECTOR, PG_INT2_VECTOR_ARRAY},
    {23, 1007, FORMAT_INT4, PG_INT4, PG_INT4_ARRAY},
    {25, 1009, FORMAT_TEXT, PG_TEXT, PG_TEXT_ARRAY},
    {114, 199, FORMAT_TEXT, PG_JSON, PG_JSON_ARRAY},
    {142, 143, FORMAT_TEXT, PG_XML, PG_XML_ARRAY},
    {600, 1017, FORMAT_POINT, PG_POINT, PG_POINT_ARRAY},
    {601, 1018, FORMAT_LSEG, PG_LSEG, PG_LSEG_ARRAY},
    {602, 1019, FORMAT_PATH, PG_PATH, PG_PATH_ARRAY},
    {603, 1020, FORMAT_BOX, PG_BOX, PG_BOX_ARRAY},
    {604, 1027, FORMAT_POLYGON, PG_POLYGON, PG_POLYGON_ARRAY},
    {650, 651, FORMAT_INET, PG_CIDR, PG_CIDR_ARRAY},
    {700, 1021, FORMAT_FLOAT4, PG_FLOAT4, PG_FLOAT4_ARRAY},
    {701, 1022, FORMAT_FLOAT8, PG_FLOAT8, PG_FLOAT8_ARRAY},
    {718, 719, FORMAT_CIRCLE, PG_CIRCLE, PG_CIRCLE_ARRAY},
    {774, 775, FORMAT_MAC, PG_MACADDR8, PG_MACADDR8_ARRAY},
    {790, 791, FORMAT_MONEY, PG_MONEY, PG_MONEY_ARRAY},
    {829, 1040, FORMAT_MAC, PG_MACADDR, PG_MACADDR_ARRAY},
    {869, 1041, FORMAT_INET, PG_INET, PG_INET_ARRAY},
    {1042, 1014, FORMAT_CHAR, PG_CHAR, PG_CHAR_ARRAY},
    {1043, 1015, FORMAT_VARCHAR, PG_VARCHAR, PG_VARCHAR_ARRAY},
    {1082, 1182, FORMAT_DATE, PG_DATE, PG_DATE_ARRAY},
    {1083, 1183, FORMAT_TIME, PG_TIME, PG_TIME_ARRAY},
    {1114, 1115, FORMAT_TIMESTAMP, PG_TIMESTAMP, PG_TIMESTAMP_ARRAY},
    {1184, 1185, FORMAT_TIMESTAMP_TZ, PG_TIMESTAMP_TZ, PG_TIMESTAMP_TZ_ARRAY},
    {1560, 1561, FORMAT_BIT, PG_BIT, PG_BIT_ARRAY},
    {1562, 0, FORMAT_BIT, PG_BIT, 0}, // 1.x gives these as `bit`, too
    {1700, 1231, FORMAT_NUMERIC, PG_NUMERIC, PG_NUMERIC_ARRAY},
    {2950, 2951, FORMAT_UUID, PG_UUID, PG_UUID_ARRAY},
    {3220, 3221, FORMAT_LSN, PG_PG_LSN, PG_PG_LSN_ARRAY},
    {3802, 3807, FORMAT_JSONB, PG_JSON, PG_JSONB_ARRAY}, // as 1.x gives them
    {0, 1563, FORMAT_VARBIT, 0, PG_VARBIT_ARRAY},
};
enum { TYPES = sizeof types / sizeof types[0] };

static size_t find(uint32_t oid, bool *ret_is_array) {
    for (size_t i = 0; oid != 0 && i < TYPES; i++) {
        if (types[i].oid == oid || types[i].array == oid) {
            *ret_is_array = types[i].array == oid;
            return i;
        }
    }
    return TYPES;
}

bool postgres_is_binary(uint32_t oid) {
    bool is_array;
    return find(oid, &is_array) < TYPES;
}

// --- texts -------------------------------------------------------------------------------------------------

static void write_text(postgres_reader *r, slice text, values_writer *w) {
    if (!utf8_valid(text)) {
        r->has_failed = true;
        text = slice_empty();
    }
    values_write_string(w, text);
}

static void write_rest(postgres_reader *r, values_writer *w) {
    write_text(r, postgres_read_bytes(r, r->rest.len), w);
}

static void write_money(postgres_reader *r, values_writer *w) {
    char text[32];
    int64_t cents = (int64_t)postgres_read_u64(r);
    uint64_t size = cents < 0 ? 0 - (uint64_t)cents : (uint64_t)cents;
    snprintf(text, sizeof text, "%s%llu.%02u", cents < 0 ? "-" : "", (unsigned long long)(size / 100),
             (unsigned)(size % 100));
    values_write_string(w, slice_from_text(text));
}

// Digits of base 10000, the first of which counts 10000^weight; `scale` decimal places are shown.
static void write_digits(postgres_reader *r, unsigned count, int weight, unsigned scale, buf *out) {
    status code = STATUS_OK;
    unsigned read = 0;
    for (int at = weight > 0 ? weight : 0; at >= 0 && code == STATUS_OK; at--) { // in front of the point
        unsigned digit = at <= weight && read < count ? (read++, (unsigned)postgres_read_u16(r)) : 0u;
        code = buf_append_format(out, at == (weight > 0 ? weight : 0) ? "%u" : "%04u", digit % 10000);
    }
    size_t end = out->len + 1 + scale;
    code = code == STATUS_OK && scale > 0 ? buf_append_text(out, ".") : code;
    for (int at = -1; scale > 0 && out->len < end && code == STATUS_OK; at--) {
        unsigned digit = at <= weight && read < count ? (read++, (unsigned)postgres_read_u16(r)) : 0u;
        code = buf_append_format(out, "%04u", digit % 10000);
    }
    if (scale > 0 && out->len > end) {
        out->len = end;
    }
    (void)postgres_read_bytes(r, (size_t)(count - read) * 2); // behind what is shown
    r->has_failed = r->has_failed || code != STATUS_OK;
}

static void write_numeric(postgres_reader *r, values_writer *w) {
    enum { TEXT_BYTES_MAX = 160000 }; // 131072 digits, 16383 places
    unsigned count = postgres_read_u16(r);
    int weight = (int16_t)postgres_read_u16(r);
    unsigned sign = postgres_read_u16(r);
    unsigned scale = postgres_read_u16(r);
    auto_buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    if (sign == 0xc000 || sign == 0xd000 || sign == 0xf000) {
        values_write_string(w, slice_from_text(sign == 0xc000   ? "NaN"
                                               : sign == 0xd000 ? "Infinity"
                                                                : "-Infinity"));
        return;
    }
    if (r->has_failed || scale > 0x3fff || (size_t)count * 2 != r->rest.len ||
        (sign == 0x4000 && buf_append_text(&text, "-") != STATUS_OK)) {
        r->has_failed = true;
        return;
    }
    write_digits(r, count, weight, scale, &text);
    values_write_string(w, buf_slice(&text));
}

static void write_uuid(postgres_reader *r, values_writer *w) {
    char text[37];
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        bool has_dash = i == 4 || i == 6 || i == 8 || i == 10;
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "%s%02x", has_dash ? "-" : "", postgres_read_u8(r));
    }
    values_write_string(w, slice_of(text, at));
}

// Family 2 or 3, bits of the mask, whether it is a cidr, length, bytes. The mask is shown unless it is whole.
static void write_inet(postgres_reader *r, values_writer *w) {
    char text[64];
    uint8_t family = postgres_read_u8(r);
    unsigned bits = postgres_read_u8(r);
    (void)postgres_read_u8(r);
    size_t len = postgres_read_u8(r);
    slice a = postgres_read_bytes(r, len);
    if (r->has_failed ||
        !((family == 2 && len == 4 && bits <= 32) || (family == 3 && len == 16 && bits <= 128))) {
        r->has_failed = true;
        return;
    }
    (void)inet_ntop(len == 4 ? AF_INET : AF_INET6, a.data, text, sizeof text);
    size_t at = strlen(text);
    if (bits < len * 8) {
        at += (size_t)snprintf(text + at, sizeof text - at, "/%u", bits);
    }
    values_write_string(w, slice_of(text, at));
}

// --- numbers and shapes ------------------------------------------------------------------------------------

static void write_float8(postgres_reader *r, values_writer *w) {
    uint64_t bits = postgres_read_u64(r);
    double value;
    memcpy(&value, &bits, sizeof value);
    pg_write_float8(w, value);
}

static void write_float4(postgres_reader *r, values_writer *w) {
    uint32_t bits = postgres_read_u32(r);
    float value;
    memcpy(&value, &bits, sizeof value);
    pg_write_float4(w, value);
}

static void write_floats(postgres_reader *r, int count, values_writer *w) {
    for (int i = 0; i < count; i++) {
        write_float8(r, w);
    }
}

static void write_box(postgres_reader *r, values_writer *w) {
    postgres_reader upper = postgres_reader_of(postgres_read_bytes(r, 16));
    write_floats(r, 2, w);
    write_floats(&upper, 2, w);
}

static void write_points(postgres_reader *r, values_writer *w) {
    uint32_t count = postgres_read_u32(r);
    if (r->has_failed || count > r->rest.len / 16) {
        r->has_failed = true;
        return;
    }
    values_write_count(w, count);
    for (uint32_t i = 0; i < count; i++) {
        write_floats(r, 2, w);
    }
}

static void write_bits(postgres_reader *r, bool with_count, values_writer *w) {
    uint32_t count = postgres_read_u32(r);
    slice bytes = postgres_read_bytes(r, ((size_t)count + 7) / 8);
    if (with_count) {
        values_write_u32(w, count);
    } else {
        values_write_option(w, false);
    }
    values_write_bytes(w, bytes);
}

static void write_time(postgres_reader *r, values_writer *w) {
    int64_t time = (int64_t)postgres_read_u64(r);
    if (time < 0 || time > INT64_C(86400000000)) {
        r->has_failed = true;
        return;
    }
    pg_write_time(w, time);
}

static void write_number(postgres_reader *r, format f, values_writer *w) {
    switch (f) {
    case FORMAT_BOOL:
        values_write_bool(w, postgres_read_u8(r) != 0);
        break;
    case FORMAT_INT2:
        values_write_s16(w, (int16_t)postgres_read_u16(r));
        break;
    case FORMAT_INT4:
        values_write_s32(w, (int32_t)postgres_read_u32(r));
        break;
    case FORMAT_INT8:
        values_write_s64(w, (int64_t)postgres_read_u64(r));
        break;
    case FORMAT_FLOAT4:
        write_float4(r, w);
        break;
    case FORMAT_FLOAT8:
        write_float8(r, w);
        break;
    case FORMAT_NUMERIC:
        write_numeric(r, w);
        break;
    default:
        write_money(r, w);
        break;
    }
}

static void write_characters(postgres_reader *r, format f, values_writer *w) {
    slice text;
    switch (f) {
    case FORMAT_TEXT:
        write_rest(r, w);
        break;
    case FORMAT_JSONB:
        r->has_failed = postgres_read_u8(r) != 1 || r->has_failed;
        write_rest(r, w);
        break;
    case FORMAT_BYTES:
        values_write_bytes(w, postgres_read_bytes(r, r->rest.len));
        break;
    case FORMAT_CHAR:
        text = postgres_read_bytes(r, r->rest.len);
        values_write_u32(w, (uint32_t)text.len);
        values_write_bytes(w, text);
        break;
    case FORMAT_VARCHAR:
        values_write_option(w, false);
        values_write_bytes(w, postgres_read_bytes(r, r->rest.len));
        break;
    default:
        write_bits(r, f == FORMAT_BIT, w);
        break;
    }
}

static void write_moment(postgres_reader *r, format f, values_writer *w) {
    switch (f) {
    case FORMAT_DATE:
        pg_write_date(w, (int32_t)postgres_read_u32(r));
        break;
    case FORMAT_TIME:
        write_time(r, w);
        break;
    case FORMAT_TIMESTAMP:
        pg_write_timestamp(w, (int64_t)postgres_read_u64(r));
        break;
    default:
        pg_write_timestamp_tz(w, (int64_t)postgres_read_u64(r));
        break;
    }
}

static void write_other(postgres_reader *r, format f, values_writer *w) {
    switch (f) {
    case FORMAT_UUID:
        write_uuid(r, w);
        break;
    case FORMAT_MAC:
        while (r->rest.len > 0) {
            values_write_u8(w, postgres_read_u8(r));
        }
        break;
    case FORMAT_INET:
        write_inet(r, w);
        break;
    case FORMAT_LSN:
        values_write_u64(w, postgres_read_u64(r));
        break;
    case FORMAT_POINT:
        write_floats(r, 2, w);
        break;
    case FORMAT_LSEG:
        write_floats(r, 4, w);
        break;
    case FORMAT_BOX:
        write_box(r, w);
        break;
    case FORMAT_CIRCLE:
        write_floats(r, 3, w);
        break;
    case FORMAT_PATH:
        (void)postgres_read_u8(r); // open or closed: the contract does not say
        write_points(r, w);
        break;
    default:
        write_points(r, w);
        break;
    }
}

static void write_list(postgres_reader *r, size_t type, format f, values_writer *w);

static void write_payload(postgres_reader *r, size_t type, format f, values_writer *w) {
    if (f == FORMAT_MAC && r->rest.len != (types[type].type == PG_MACADDR ? 6 : 8)) {
        r->has_failed = true;
    } else if (f == FORMAT_INT2_VECTOR) {
        write_list(r, type, FORMAT_INT2, w);
    } else if (f <= FORMAT_MONEY) {
        write_number(r, f, w);
    } else if (f <= FORMAT_VARBIT) {
        write_characters(r, f, w);
    } else if (f <= FORMAT_TIMESTAMP_TZ) {
        write_moment(r, f, w);
    } else {
        write_other(r, f, w);
    }
}

// Dimensions, whether there are nulls, type, count and first index; then each value behind its length.
static void write_list(postgres_reader *r, size_t type, format f, values_writer *w) {
    uint32_t dimensions = postgres_read_u32(r);
    (void)postgres_read_u32(r);
    (void)postgres_read_u32(r);
    uint32_t count = 0;
    if (dimensions == 1) {
        count = postgres_read_u32(r);
        (void)postgres_read_u32(r);
    }
    if (r->has_failed || dimensions > 1 || count > r->rest.len / 4) {
        r->has_failed = true;
        return;
    }
    values_write_count(w, count);
    // A short value may be a long text (1e131071): nothing is made of what finds no room any more.
    for (uint32_t i = 0; i < count && !r->has_failed && w->code == STATUS_OK; i++) {
        uint32_t len = postgres_read_u32(r); // UINT32_MAX for a null: more than there is
        postgres_reader item = postgres_reader_of(postgres_read_bytes(r, len));
        item.has_failed = r->has_failed;
        write_payload(&item, type, f, w);
        r->has_failed = !postgres_read_end(&item);
    }
}

const char *postgres_value_write(uint32_t oid, slice text, values_writer *w) {
    bool is_array = false;
    size_t i = find(oid, &is_array);
    if (i == TYPES) {
        if (!utf8_valid(text)) {
            return "a text that is not UTF-8";
        }
        pg_write_text(w, PG_TEXT, text);
        return NULL;
    }
    postgres_reader r = postgres_reader_of(text);
    pg_write_case(w, (pg_case)(is_array ? types[i].array_type : types[i].type));
    if (is_array) {
        write_list(&r, i, (format)types[i].format, w);
    } else {
        write_payload(&r, i, (format)types[i].format, w);
    }
    return postgres_read_end(&r) || w->code != STATUS_OK
               ? NULL
               : "a value that the contract cannot hold, such as a list with NULL in it; cast it "
                 "to text";
}
