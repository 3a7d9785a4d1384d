// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/utf.h"
#include "component/abi_internal.h"
#include "component/type_format.h"
#include "component/wave.h"

enum {
    SHOWN_BYTES_MAX = 64,
    TYPE_BYTES_MAX = 160,
    NUMBER_BYTES_MAX = 400, // a double written out in full has fewer
    ITEMS_MIN = 4,
};

typedef struct reader {
    slice text;
    size_t at;
    arena *a;
    err *e;
    status code; // the first failure
} reader;

static bool is_ok(const reader *r) { return r->code == STATUS_OK; }

static void fail(reader *r, const char *expected) {
    char shown[SHOWN_BYTES_MAX];
    slice rest = slice_sub(r->text, r->at, r->at + 24);
    if (!is_ok(r)) {
        return;
    }
    if (rest.len == 0) {
        r->code = err_set(r->e, STATUS_INVALID, "at the end of the value: expected %s", expected);
    } else {
        r->code = err_set(r->e, STATUS_INVALID, "at byte %zu of the value: expected %s, found %s", r->at,
                          expected, utf8_shown(rest, shown, sizeof shown));
    }
}

static void fail_type(reader *r, const ctype *t) {
    auto_buf name;
    buf_init(&name, TYPE_BYTES_MAX);
    type_format_definition(t, &name);
    fail(r, buf_text(&name) != NULL ? buf_text(&name) : "a value of its type");
}

static void *need(reader *r, void *p) {
    if (p == NULL && is_ok(r)) {
        r->code = err_set(r->e, STATUS_LIMIT, "the value needs more memory than one call may use");
    }
    return p;
}

// --- words -------------------------------------------------------------------------------------------------

static uint8_t peek(const reader *r) { return r->at < r->text.len ? r->text.data[r->at] : 0; }

static void skip_blanks(reader *r) {
    while (r->at < r->text.len) {
        uint8_t c = r->text.data[r->at];
        if (c == '/' && r->at + 1 < r->text.len && r->text.data[r->at + 1] == '/') {
            size_t end = slice_find(r->text, r->at, '\n');
            r->at = end == SIZE_MAX ? r->text.len : end;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            r->at++;
        } else {
            return;
        }
    }
}

static bool take(reader *r, char c) {
    skip_blanks(r);
    if (!is_ok(r) || peek(r) != (uint8_t)c) {
        return false;
    }
    r->at++;
    return true;
}

static void expect(reader *r, char c) {
    const char wanted[] = {c, '\0'};
    if (!take(r, c)) {
        fail(r, wanted);
    }
}

static bool is_label_byte(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

// A label without its %, or empty; `*at` is moved behind it.
static slice label_at(const reader *r, size_t *at, bool *ret_escaped) {
    size_t from = *at, to;
    *ret_escaped = from < r->text.len && r->text.data[from] == '%';
    from += *ret_escaped;
    for (to = from; to < r->text.len && is_label_byte(r->text.data[to]); to++) {
    }
    slice label = slice_sub(r->text, from, to);
    if (label.len == 0 || label.data[0] == '-' || (label.data[0] >= '0' && label.data[0] <= '9')) {
        return slice_empty();
    }
    *at = to;
    return label;
}

static slice take_label(reader *r, const char *expected) {
    bool escaped;
    skip_blanks(r);
    slice label = is_ok(r) ? label_at(r, &r->at, &escaped) : slice_empty();
    if (label.len == 0) {
        fail(r, expected);
    }
    return label;
}

// The keyword itself, not a longer label and not one with a %.
static bool take_keyword(reader *r, const char *word) {
    bool escaped;
    skip_blanks(r);
    size_t at = r->at;
    slice label = label_at(r, &at, &escaped);
    if (!is_ok(r) || escaped || !slice_equal_text(label, word)) {
        return false;
    }
    r->at = at;
    return true;
}

bool wave_is_keyword(slice label) {
    static const char *const words[] = {"true", "false", "inf", "nan", "some", "none", "ok", "err"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal_text(label, words[i])) {
            return true;
        }
    }
    return false;
}

// --- numbers -----------------------------------------------------------------------------------------------

static slice take_number(reader *r, bool is_float) {
    skip_blanks(r);
    size_t from = r->at, to = from;
    to += to < r->text.len && r->text.data[to] == '-';
    for (; to < r->text.len; to++) {
        uint8_t c = r->text.data[to];
        bool is_sign = (c == '+' || c == '-') && (r->text.data[to - (to > from)] | 0x20) == 'e';
        if (!(c >= '0' && c <= '9') && !(is_float && (c == '.' || c == 'e' || c == 'E' || is_sign))) {
            break;
        }
    }
    return slice_sub(r->text, from, to);
}

static const struct {
    int64_t min;
    uint64_t max;
    const char *name;
} bounds[] = {
    [CTYPE_S8] = {INT8_MIN, INT8_MAX, "s8 (-128 to 127)"},
    [CTYPE_U8] = {0, UINT8_MAX, "u8 (0 to 255)"},
    [CTYPE_S16] = {INT16_MIN, INT16_MAX, "s16 (-32768 to 32767)"},
    [CTYPE_U16] = {0, UINT16_MAX, "u16 (0 to 65535)"},
    [CTYPE_S32] = {INT32_MIN, INT32_MAX, "s32"},
    [CTYPE_U32] = {0, UINT32_MAX, "u32"},
    [CTYPE_S64] = {INT64_MIN, INT64_MAX, "s64"},
    [CTYPE_U64] = {0, UINT64_MAX, "u64"},
};

static void read_integer(reader *r, ctype_kind kind, component_value *ret) {
    slice text = take_number(r, false);
    bool is_negative = text.len > 0 && text.data[0] == '-';
    uint64_t n;
    bool fits = slice_to_u64(slice_sub(text, is_negative, text.len), &n);
    uint64_t magnitude_max =
        is_negative ? (uint64_t)0 - (uint64_t)bounds[kind].min : bounds[kind].max; // -0 is 0
    if (!fits || n > magnitude_max) {
        fail(r, bounds[kind].name);
        return;
    }
    r->at += text.len;
    ret->of.unsigned_ = is_negative ? (uint64_t)0 - n : n;
}

// digits [. digits] [e [sign] digits], with a sign in front
static bool is_decimal(slice t) {
    size_t i = t.len > 0 && t.data[0] == '-', from = i;
    for (; i < t.len && t.data[i] >= '0' && t.data[i] <= '9'; i++) {
    }
    bool is = i > from;
    if (i < t.len && t.data[i] == '.') {
        for (from = ++i; i < t.len && t.data[i] >= '0' && t.data[i] <= '9'; i++) {
        }
        is = is && i > from;
    }
    if (i < t.len && (t.data[i] | 0x20) == 'e') {
        i++;
        i += i < t.len && (t.data[i] == '+' || t.data[i] == '-');
        for (from = i; i < t.len && t.data[i] >= '0' && t.data[i] <= '9'; i++) {
        }
        is = is && i > from;
    }
    return is && i == t.len;
}

static bool read_special(reader *r, double *ret) {
    skip_blanks(r);
    size_t start = r->at;
    bool is_negative = take(r, '-');
    if (take_keyword(r, "inf")) {
        *ret = is_negative ? -(double)__builtin_inf() : (double)__builtin_inf();
        return true;
    }
    if (!is_negative && take_keyword(r, "nan")) {
        *ret = (double)__builtin_nan("");
        return true;
    }
    r->at = start;
    return false;
}

static void read_float(reader *r, const ctype *t, component_value *ret) {
    char text[NUMBER_BYTES_MAX + 1];
    double value;
    if (!read_special(r, &value)) {
        slice number = take_number(r, true);
        if (number.len > NUMBER_BYTES_MAX || !is_decimal(number)) {
            fail_type(r, t);
            return;
        }
        memcpy(text, number.data, number.len);
        text[number.len] = '\0';
        r->at += number.len;
        value = t->kind == CTYPE_F32 ? (double)strtof(text, NULL) : strtod(text, NULL);
    }
    if (t->kind == CTYPE_F32) {
        ret->of.f32 = (float)value;
    } else {
        ret->of.f64 = value;
    }
}

// --- characters and strings --------------------------------------------------------------------------------

static int hex_digit(uint8_t c) {
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

// Behind "\u".
static uint32_t take_code_point(reader *r) {
    uint32_t code = 0, digits = 0;
    bool is = peek(r) == '{';
    for (r->at += is; is && digits <= 6 && hex_digit(peek(r)) >= 0; r->at++, digits++) {
        code = code << 4 | (uint32_t)hex_digit(peek(r));
    }
    is = is && digits > 0 && digits <= 6 && peek(r) == '}' && code <= 0x10ffff &&
         (code < 0xd800 || code > 0xdfff);
    if (!is) {
        fail(r, "\\u{...} with the number of a character");
        return 0;
    }
    r->at++;
    return code;
}

static uint32_t take_code(reader *r) {
    static const char escapes[] = "tnr\\\"'", meanings[] = "\t\n\r\\\"'";
    uint32_t code = 0, at = 0;
    if (peek(r) != '\\') {
        slice rest = slice_sub(r->text, r->at, r->at + 4);
        if (rest.len == 0 || !utf8_next(rest.data, (uint32_t)rest.len, &at, &code)) {
            fail(r, "a character in UTF-8");
        }
        r->at += at;
        return code;
    }
    r->at++;
    uint8_t c = peek(r);
    const char *escape = c != 0 ? strchr(escapes, c) : NULL;
    r->at += c == 'u' || escape != NULL;
    if (c == 'u') {
        return take_code_point(r);
    }
    if (escape == NULL) {
        fail(r, "one of t n r u \\ \" ' behind a backslash");
        return 0;
    }
    return (uint32_t)meanings[escape - escapes];
}

static void read_char(reader *r, component_value *ret) {
    if (!take(r, '\'')) {
        fail(r, "a character such as 'x'");
        return;
    }
    if (peek(r) == '\'') {
        fail(r, "a character between the quotes");
    }
    ret->of.unsigned_ = take_code(r);
    if (is_ok(r) && peek(r) != '\'') {
        fail(r, "' behind one character");
    }
    r->at++;
}

static size_t string_end(const reader *r) {
    size_t at = r->at;
    while (at < r->text.len && r->text.data[at] != '"') {
        at += r->text.data[at] == '\\' ? 2 : 1;
    }
    return at;
}

static void read_string(reader *r, component_value *ret) {
    if (!take(r, '"')) {
        fail(r, "a string in double quotes");
        return;
    }
    size_t end = string_end(r);
    if (end >= r->text.len) {
        r->at = r->text.len;
        fail(r, "\" behind the string");
        return;
    }
    uint8_t *bytes = need(r, arena_alloc(r->a, end - r->at)); // no escape is shorter than what it stands for
    size_t n = 0;
    while (is_ok(r) && r->at < end) {
        uint8_t encoded[4];
        uint32_t len = utf8_put(encoded, take_code(r));
        if (is_ok(r)) {
            memcpy(bytes + n, encoded, len);
            n += len;
        }
    }
    r->at = end + 1;
    ret->of.string = slice_of(bytes, n);
}

// --- what has parts ----------------------------------------------------------------------------------------

static void read_value(reader *r, const ctype *t, component_value *ret);

// Room for one more item of `size` bytes; doubles.
static void *grow(reader *r, void *items, size_t size, uint32_t count, uint32_t *room) {
    if (count < *room) {
        return items;
    }
    uint32_t more = *room == 0 ? ITEMS_MIN : *room * 2;
    void *larger = more <= UINT32_MAX / 4 ? need(r, arena_calloc(r->a, more, size)) : need(r, NULL);
    if (larger != NULL && count > 0) {
        memcpy(larger, items, count * size);
    }
    *room = more;
    return larger;
}

static void read_byte_list(reader *r, component_value *ret) {
    static const ctype byte = {.kind = CTYPE_U8};
    uint8_t *bytes = NULL;
    uint32_t count = 0, room = 0;
    while (is_ok(r) && !take(r, ']')) {
        component_value item;
        bytes = grow(r, bytes, 1, count, &room);
        read_value(r, &byte, &item);
        if (is_ok(r)) {
            bytes[count++] = (uint8_t)item.of.unsigned_;
        }
        if (!take(r, ',')) {
            expect(r, ']');
            break;
        }
    }
    ret->of.list.bytes = bytes;
    ret->of.list.count = count;
    ret->of.list.is_bytes = true;
}

static void read_list(reader *r, const ctype *t, component_value *ret) {
    component_value *items = NULL;
    uint32_t count = 0, room = 0;
    if (!take(r, '[')) {
        fail_type(r, t);
    }
    if (t->element->kind == CTYPE_U8 && !t->has_fixed_length) {
        read_byte_list(r, ret);
        return;
    }
    while (is_ok(r) && !take(r, ']')) {
        items = grow(r, items, sizeof *items, count, &room);
        if (is_ok(r)) {
            read_value(r, t->element, &items[count++]);
        }
        if (!take(r, ',')) {
            expect(r, ']');
            break;
        }
    }
    if (t->has_fixed_length && count != t->fixed_length) {
        fail_type(r, t);
    }
    ret->of.list.items = items;
    ret->of.list.count = count;
}

static void read_tuple(reader *r, const ctype *t, component_value *items) {
    if (!take(r, '(')) {
        fail_type(r, t);
    }
    for (uint32_t i = 0; i < t->case_count && is_ok(r); i++) {
        read_value(r, t->cases[i].type, &items[i]);
        if (i + 1 < t->case_count) {
            expect(r, ',');
        }
    }
    (void)take(r, ',');
    expect(r, ')');
}

static uint32_t find_case(const ctype *t, slice label) {
    for (uint32_t i = 0; i < t->case_count; i++) {
        if (slice_equal(t->cases[i].name, label)) {
            return i;
        }
    }
    return UINT32_MAX;
}

// Fields that are not there must be options, which have nothing then.
static void complete_record(reader *r, const ctype *t, const bool *seen, component_value *items) {
    for (uint32_t i = 0; i < t->case_count && is_ok(r); i++) {
        const ctype *field = t->cases[i].type;
        if (!seen[i] && field->kind != CTYPE_OPTION) {
            fail_type(r, t);
        } else if (!seen[i]) {
            items[i] = (component_value){.kind = CTYPE_OPTION};
        }
    }
}

static void read_field(reader *r, const ctype *t, bool *seen, component_value *items) {
    slice label = take_label(r, "the name of a field");
    uint32_t i = is_ok(r) ? find_case(t, label) : UINT32_MAX;
    if (i == UINT32_MAX || seen[i]) {
        r->at -= label.len;
        fail_type(r, t);
        return;
    }
    expect(r, ':');
    seen[i] = true;
    read_value(r, t->cases[i].type, &items[i]);
}

static void read_record(reader *r, const ctype *t, component_value *items) {
    bool *seen = need(r, ARENA_ARRAY(r->a, bool, t->case_count));
    if (!take(r, '{')) {
        fail_type(r, t);
    }
    if (take(r, ':')) { // a record of options that has none of them
        expect(r, '}');
    } else {
        while (is_ok(r) && !take(r, '}')) {
            read_field(r, t, seen, items);
            if (!take(r, ',')) {
                expect(r, '}');
                break;
            }
        }
    }
    complete_record(r, t, seen, items);
}

static void read_fields(reader *r, const ctype *t, component_value *ret) {
    component_value *items = need(r, ARENA_ARRAY(r->a, component_value, t->case_count));
    ret->of.list.items = items;
    ret->of.list.count = t->case_count;
    if (items != NULL && t->kind == CTYPE_RECORD) {
        read_record(r, t, items);
    } else if (items != NULL) {
        read_tuple(r, t, items);
    }
}

static void read_flags(reader *r, const ctype *t, component_value *ret) {
    CHECK(t->case_count <= 64); // the decoder refuses more than 32
    expect(r, '{');
    while (is_ok(r) && !take(r, '}')) {
        slice label = take_label(r, "the name of a flag");
        uint32_t i = is_ok(r) ? find_case(t, label) : UINT32_MAX;
        if (i == UINT32_MAX || (ret->of.unsigned_ >> i & 1) != 0) {
            r->at -= label.len;
            fail_type(r, t);
            return;
        }
        ret->of.unsigned_ |= (uint64_t)1 << i;
        if (!take(r, ',')) {
            expect(r, '}');
            break;
        }
    }
}

static void read_payload(reader *r, const ctype *t, bool in_brackets, component_value *ret) {
    const ctype *payload = is_ok(r) ? abi_case_type(t, ret->of.variant.tag) : NULL;
    if (payload == NULL) {
        return;
    }
    ret->of.variant.payload = need(r, ARENA_NEW(r->a, component_value));
    if (in_brackets) {
        expect(r, '(');
    }
    if (is_ok(r)) {
        read_value(r, payload, ret->of.variant.payload);
    }
    if (in_brackets) {
        (void)take(r, ',');
        expect(r, ')');
    }
}

static void read_labelled(reader *r, const ctype *t, component_value *ret) {
    bool escaped = false;
    skip_blanks(r);
    size_t at = r->at;
    slice label = is_ok(r) ? label_at(r, &at, &escaped) : slice_empty();
    uint32_t i = find_case(t, label);
    if (label.len == 0 || i == UINT32_MAX || (!escaped && wave_is_keyword(label))) {
        fail_type(r, t);
        return;
    }
    r->at = at;
    ret->of.variant.tag = i;
    read_payload(r, t, true, ret);
}

// An option or a result. A value without its word is some or ok, where it can be nothing else.
static void read_wrapped(reader *r, const ctype *t, component_value *ret) {
    bool is_option = t->kind == CTYPE_OPTION;
    if (take_keyword(r, is_option ? "none" : "ok")) {
        ret->of.variant.tag = 0;
        read_payload(r, t, true, ret);
        return;
    }
    if (take_keyword(r, is_option ? "some" : "err")) {
        ret->of.variant.tag = 1;
        read_payload(r, t, true, ret);
        return;
    }
    const ctype *plain = t->element;
    if (plain == NULL || plain->kind == CTYPE_OPTION || plain->kind == CTYPE_RESULT) {
        fail_type(r, t);
        return;
    }
    ret->of.variant.tag = is_option;
    read_payload(r, t, false, ret);
}

static void read_bool(reader *r, component_value *ret) {
    ret->of.boolean = take_keyword(r, "true");
    if (!ret->of.boolean && !take_keyword(r, "false")) {
        fail(r, "true or false");
    }
}

static void read_value(reader *r, const ctype *t, component_value *ret) {
    *ret = (component_value){.kind = t->kind};
    if (!is_ok(r)) {
        return;
    }
    switch (t->kind) {
    case CTYPE_BOOL:
        read_bool(r, ret);
        break;
    case CTYPE_F32:
    case CTYPE_F64:
        read_float(r, t, ret);
        break;
    case CTYPE_CHAR:
        read_char(r, ret);
        break;
    case CTYPE_STRING:
        read_string(r, ret);
        break;
    case CTYPE_LIST:
        read_list(r, t, ret);
        break;
    case CTYPE_RECORD:
    case CTYPE_TUPLE:
        read_fields(r, t, ret);
        break;
    case CTYPE_VARIANT:
    case CTYPE_ENUM:
        read_labelled(r, t, ret);
        break;
    case CTYPE_OPTION:
    case CTYPE_RESULT:
        read_wrapped(r, t, ret);
        break;
    case CTYPE_FLAGS:
        read_flags(r, t, ret);
        break;
    case CTYPE_OWN:
    case CTYPE_BORROW:
    case CTYPE_STREAM:
    case CTYPE_FUTURE:
    case CTYPE_ERROR_CONTEXT:
        r->code =
            err_set(r->e, STATUS_UNSUPPORTED, "a resource, a stream or a future cannot be written as text");
        break;
    default:
        read_integer(r, t->kind, ret);
        break;
    }
}

status wave_read(const ctype *t, slice text, arena *a, component_value *ret, err *e) {
    reader r = {.text = text, .a = a, .e = e};
    component_value v;
    read_value(&r, t, &v);
    skip_blanks(&r);
    if (is_ok(&r) && r.at != text.len) {
        fail(&r, "nothing more");
    }
    if (is_ok(&r)) {
        *ret = v;
    }
    return r.code;
}
