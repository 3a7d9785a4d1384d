// SPDX-License-Identifier: Apache-2.0
#include "secrets/vault_answer.h"

#include <string.h>

#include "codec/date.h"
#include "codec/utf.h"
#include "identity/secret_store.h"

enum { DATE_BYTES_MAX = 64 };

// --- walking -----------------------------------------------------------------------------------------------

typedef struct walk {
    slice text;
    size_t at;
    bool is_bad;
} walk;

static int peek(walk *w) {
    while (w->at < w->text.len && (w->text.data[w->at] == ' ' || w->text.data[w->at] == '\n' ||
                                   w->text.data[w->at] == '\r' || w->text.data[w->at] == '\t')) {
        w->at++;
    }
    return w->at < w->text.len ? w->text.data[w->at] : -1;
}

static bool bad(walk *w) {
    w->is_bad = true;
    return false;
}

static bool eat(walk *w, int c) {
    if (peek(w) != c) {
        return bad(w);
    }
    w->at++;
    return true;
}

static int hex_of(uint8_t c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool is_escape(walk *w) {
    uint8_t c = w->at < w->text.len ? w->text.data[w->at++] : 0;
    for (int i = 0; c == 'u' && i < 4; i++, w->at++) {
        if (w->at >= w->text.len || hex_of(w->text.data[w->at]) < 0) {
            return false;
        }
    }
    return c != 0 && strchr("\"\\/bfnrtu", c) != NULL;
}

// What stands between the quotes; escapes are checked, not decoded.
static bool read_string(walk *w, slice *ret) {
    if (!eat(w, '"')) {
        return false;
    }
    size_t start = w->at;
    while (w->at < w->text.len && w->text.data[w->at] != '"') {
        uint8_t c = w->text.data[w->at++];
        if (c < 0x20 || (c == '\\' && !is_escape(w))) {
            return bad(w);
        }
    }
    *ret = slice_sub(w->text, start, w->at);
    return w->at < w->text.len ? (w->at++, true) : bad(w);
}

// A number, true, false or null: what it is, nobody asks here.
static bool skip_word(walk *w) {
    size_t start = w->at;
    while (w->at < w->text.len && w->text.data[w->at] > 0x20 &&
           strchr(",]}[{:\"", w->text.data[w->at]) == NULL) {
        w->at++;
    }
    return w->at > start ? true : bad(w);
}

static bool skip_scalar(walk *w) {
    slice ignored;
    return peek(w) == '"' ? read_string(w, &ignored) : skip_word(w);
}

static bool begins_member(walk *w) {
    slice ignored;
    return read_string(w, &ignored) && eat(w, ':');
}

// Any value. Objects and arrays that are open are kept as characters.
static bool skip_value(walk *w) {
    char open[VAULT_ANSWER_DEPTH_MAX];
    size_t depth = 0;
    do {
        int c = peek(w);
        if (c == '{' || c == '[') {
            if (depth == sizeof open) {
                return bad(w);
            }
            open[depth++] = (char)c;
            w->at++;
            int end = c == '{' ? '}' : ']';
            if (peek(w) != end) {
                if (c == '{' && !begins_member(w)) {
                    return false;
                }
                continue;
            }
        } else if (!skip_scalar(w)) {
            return false;
        }
        // A value is over; so may be what it is in.
        while (depth > 0) {
            c = peek(w);
            if (c == (open[depth - 1] == '{' ? '}' : ']')) {
                w->at++;
                depth--;
                continue;
            }
            if (!eat(w, ',') || (open[depth - 1] == '{' && !begins_member(w))) {
                return false;
            }
            break;
        }
    } while (depth > 0);
    return true;
}

// --- strings -----------------------------------------------------------------------------------------------

typedef struct decoder {
    slice raw;
    size_t at;
} decoder;

static uint32_t unit_of(decoder *d) {
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        unit = unit << 4 | (uint32_t)hex_of(d->raw.data[d->at++]);
    }
    return unit;
}

static bool has_escape_u(const decoder *d) {
    return d->at + 6 <= d->raw.len && d->raw.data[d->at] == '\\' && d->raw.data[d->at + 1] == 'u';
}

// After "\u". False for half a pair.
static bool read_unicode(decoder *d, uint32_t *ret) {
    uint32_t unit = unit_of(d);
    if (unit >= 0xd800 && unit < 0xdc00 && has_escape_u(d)) {
        d->at += 2;
        uint32_t low = unit_of(d);
        *ret = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        return low >= 0xdc00 && low < 0xe000;
    }
    *ret = unit;
    return unit < 0xd800 || unit >= 0xe000;
}

static size_t put_utf8(uint32_t c, uint8_t ret[4]) {
    if (c < 0x80) {
        ret[0] = (uint8_t)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) {
        ret[i] = (uint8_t)(0x80 | (c & 0x3f));
    }
    ret[0] = (uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

// The next bytes of the text. False at its end or for what is no text; `is_bad` tells which.
static bool decode_next(decoder *d, uint8_t ret[4], size_t *ret_len, bool *is_bad) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (d->at >= d->raw.len) {
        return false;
    }
    uint8_t c = d->raw.data[d->at++];
    *ret_len = 1;
    ret[0] = c;
    if (c != '\\') {
        return true;
    }
    c = d->raw.data[d->at++]; // read_string has checked it
    if (c != 'u') {
        ret[0] = (uint8_t)to[strchr(from, c) - from];
        return true;
    }
    uint32_t point;
    *is_bad = !read_unicode(d, &point);
    *ret_len = put_utf8(point, ret);
    return !*is_bad;
}

static bool decoded_length(slice raw, size_t *ret) {
    decoder d = {raw, 0};
    uint8_t bytes[4];
    size_t len, total = 0;
    bool is_bad = false;
    while (decode_next(&d, bytes, &len, &is_bad)) {
        total += len;
    }
    secret_wipe(bytes, sizeof bytes);
    *ret = total;
    return !is_bad;
}

static bool is_text(slice raw, const char *text) {
    decoder d = {raw, 0};
    uint8_t bytes[4];
    size_t len, at = 0, end = strlen(text);
    bool is_bad = false, is_same = true;
    while (is_same && decode_next(&d, bytes, &len, &is_bad)) {
        is_same = len <= end - at && memcmp(bytes, text + at, len) == 0;
        at += is_same ? len : 0;
    }
    return is_same && !is_bad && at == end;
}

static status decode(slice raw, size_t max, secret *ret, err *e) {
    decoder d = {raw, 0};
    uint8_t bytes[4];
    size_t len, at = 0, total;
    bool is_bad = false;
    secret s = {0};
    if (!decoded_length(raw, &total) || total == 0 || total > max) {
        return err_set(e, STATUS_INVALID, "a text in it is empty, too long or malformed");
    }
    TRY(secret_new(total, &s, e));
    while (decode_next(&d, bytes, &len, &is_bad)) {
        memcpy(s.data + at, bytes, len);
        at += len;
    }
    secret_wipe(bytes, sizeof bytes);
    *ret = s;
    return STATUS_OK;
}

// --- members -----------------------------------------------------------------------------------------------

typedef struct members {
    size_t count;
    size_t found; // of that name
    slice value;  // text of the last of that name; else of the last
} members;

// All members of the object that `text` is; `name` NULL takes any.
static bool find_member(slice text, const char *name, members *ret) {
    walk w = {text, 0, false};
    *ret = (members){0};
    if (!eat(&w, '{')) {
        return false;
    }
    bool is_more = peek(&w) != '}';
    while (is_more) {
        slice key;
        if (!read_string(&w, &key) || !eat(&w, ':')) {
            return false;
        }
        bool is_wanted = name == NULL || is_text(key, name);
        (void)peek(&w);
        size_t start = w.at;
        if (!skip_value(&w)) {
            return false;
        }
        ret->count++;
        if (is_wanted) {
            ret->found++;
            ret->value = slice_sub(text, start, w.at);
        }
        is_more = peek(&w) == ',';
        w.at += is_more;
    }
    return eat(&w, '}');
}

static bool get(slice object, const char *name, slice *ret) {
    members m;
    bool good = find_member(object, name, &m) && m.found == 1;
    *ret = m.value;
    return good;
}

static bool get_number(slice object, const char *name, uint64_t *ret) {
    slice text;
    return get(object, name, &text) && slice_to_u64(text, ret);
}

// The text between the quotes.
static bool get_text(slice object, const char *name, slice *ret) {
    slice text;
    walk w = {0};
    if (!get(object, name, &text)) {
        return false;
    }
    w.text = text;
    return peek(&w) == '"' && read_string(&w, ret);
}

static status check_whole(slice answer, err *e) {
    walk w = {answer, 0, false};
    bool good = answer.len <= VAULT_ANSWER_BYTES_MAX && utf8_valid(answer) && peek(&w) == '{' &&
                skip_value(&w) && peek(&w) == -1;
    return good ? STATUS_OK : err_set(e, STATUS_INVALID, "the server's answer is not JSON as it should be");
}

// --- secrets -----------------------------------------------------------------------------------------------

static status find_field(slice data, const char *field, slice *ret, err *e) {
    members m;
    if (!find_member(data, field, &m) || (field != NULL && m.found > 1)) {
        return err_set(e, STATUS_INVALID, "the server's answer has no fields, or one twice");
    }
    if (m.found == 0) {
        return field == NULL ? err_set(e, STATUS_NOT_FOUND, "the secret has no field")
                             : err_set(e, STATUS_NOT_FOUND, "the secret has no field %s", field);
    }
    if (field == NULL && m.count > 1) {
        return err_set(e, STATUS_NOT_FOUND, "the secret has %zu fields: name one of them", m.count);
    }
    *ret = m.value;
    return STATUS_OK;
}

// A version with a time to be deleted at is given until then.
static status read_metadata(slice metadata, secret_value *ret, err *e) {
    slice raw;
    char text[DATE_BYTES_MAX];
    if (!get_number(metadata, "version", &ret->version)) {
        return err_set(e, STATUS_INVALID, "the server's answer does not tell the version of the secret");
    }
    ret->until_s = 0;
    if (!get_text(metadata, "deletion_time", &raw) || raw.len == 0) {
        return STATUS_OK;
    }
    // "2027-01-01T00:00:00.123456789Z": fractions of a second are cut off.
    size_t dot = slice_find(raw, 0, '.');
    size_t n = dot == SIZE_MAX ? raw.len : dot;
    if (n + 2 > sizeof text) {
        return err_set(e, STATUS_INVALID, "the server's answer has a malformed deletion_time");
    }
    memcpy(text, raw.data, n);
    memcpy(text + n, dot == SIZE_MAX ? "" : "Z", dot == SIZE_MAX ? 1 : 2);
    return date_parse(slice_from_text(text), &ret->until_s)
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "the server's answer has a malformed deletion_time");
}

status vault_answer_secret(slice answer, const char *field, secret_value *ret, err *e) {
    slice outer, data, metadata, value, raw;
    secret_value made = {.kind = SECRET_TEXT};
    TRY(check_whole(answer, e));
    if (!get(answer, "data", &outer) || !get(outer, "data", &data) || !get(outer, "metadata", &metadata)) {
        return err_set(e, STATUS_INVALID,
                       "the server's answer is not one of the engine KV, version 2; is that what is mounted "
                       "there?");
    }
    TRY(read_metadata(metadata, &made, e));
    TRY(find_field(data, field, &value, e));
    walk w = {value, 0, false};
    if (peek(&w) != '"' || !read_string(&w, &raw)) {
        return err_set(e, STATUS_INVALID, "the field is no text; store it as one");
    }
    TRY(decode(raw, SECRET_VALUE_BYTES_MAX, &made.bytes, e));
    *ret = made;
    return STATUS_OK;
}

// --- tokens ------------------------------------------------------------------------------------------------

static bool is_visible(const secret *s) {
    bool good = true;
    for (size_t i = 0; i < s->len; i++) {
        good = good && s->data[i] > 0x20 && s->data[i] < 0x7f;
    }
    return good;
}

status vault_answer_login(slice answer, vault_login *ret, err *e) {
    slice auth, token, renewable;
    vault_login made = {0};
    TRY(check_whole(answer, e));
    if (!get(answer, "auth", &auth) || !get_text(auth, "client_token", &token) ||
        !get_number(auth, "lease_duration", &made.lease_s)) {
        return err_set(e, STATUS_INVALID, "the server's answer has no token");
    }
    made.is_renewable = get(auth, "renewable", &renewable) && slice_equal_text(renewable, "true");
    TRY(decode(token, VAULT_TOKEN_BYTES_MAX, &made.token, e));
    if (!is_visible(&made.token)) {
        secret_free(&made.token);
        return err_set(e, STATUS_INVALID, "the server's answer has a token that cannot be sent");
    }
    *ret = made;
    return STATUS_OK;
}
