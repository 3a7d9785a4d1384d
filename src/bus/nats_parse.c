// SPDX-License-Identifier: Apache-2.0
#include "bus/nats_parse.h"

#include "bus/nats_line.h"

enum { WORDS_MAX = 6 };

static const char version[] = "NATS/1.0";

static status malformed(err *e, const char *what) {
    return err_set(e, STATUS_INVALID, "the server does not speak the protocol of NATS: %s", what);
}

// `subject sid [reply] number` or, with headers, `subject sid [reply] number number`, behind the name.
static status read_message(slice line, bool has_headers, nats_event *ret, size_t *ret_headers,
                           size_t *ret_bytes, err *e) {
    slice words[WORDS_MAX];
    size_t count = nats_line_split(line, words, WORDS_MAX);
    size_t numbers = has_headers ? 2 : 1;
    uint64_t headers = 0;
    uint64_t bytes = 0;
    if (count < 3 + numbers || count > 4 + numbers) {
        return malformed(e, "a message with too few or too many words");
    }
    if (!slice_to_u64(words[2], &ret->sid) || !slice_to_u64(words[count - 1], &bytes) ||
        (has_headers && (!slice_to_u64(words[count - 2], &headers) || headers > bytes))) {
        return malformed(e, "a message whose numbers are none");
    }
    if (bytes > NATS_PAYLOAD_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT,
                       "the server sends a message of %llu bytes, and no server takes more than %d",
                       (unsigned long long)bytes, NATS_PAYLOAD_BYTES_MAX);
    }
    ret->op = NATS_OP_MESSAGE;
    ret->subject = words[1];
    ret->reply = count == 4 + numbers ? words[3] : slice_empty();
    if (ret->subject.len > NATS_SUBJECT_BYTES_MAX || ret->reply.len > NATS_SUBJECT_BYTES_MAX) {
        return malformed(e, "a subject that is too long");
    }
    *ret_headers = (size_t)headers;
    *ret_bytes = (size_t)bytes;
    return STATUS_OK;
}

static status read_payload(slice bytes, size_t at, size_t headers, size_t len, nats_event *ret,
                           size_t *ret_used, err *e) {
    if (bytes.len - at < len + 2) {
        return STATUS_NOT_FOUND;
    }
    if (bytes.data[at + len] != '\r' || bytes.data[at + len + 1] != '\n') {
        return malformed(e, "a payload with another length than it was announced with");
    }
    ret->headers = slice_sub(bytes, at, at + headers);
    ret->payload = slice_sub(bytes, at + headers, at + len);
    if (headers > 0 && !slice_starts_with(ret->headers, version)) {
        return malformed(e, "headers of an unknown version");
    }
    *ret_used = at + len + 2;
    return STATUS_OK;
}

static slice without_quotes(slice text) {
    bool is_quoted = text.len >= 2 && text.data[0] == '\'' && text.data[text.len - 1] == '\'';
    return is_quoted ? slice_sub(text, 1, text.len - 1) : text;
}

static status read_short(slice line, nats_event *ret, err *e) {
    static const struct {
        const char *name;
        nats_op op;
    } ops[] = {{"PING", NATS_OP_PING},
               {"PONG", NATS_OP_PONG},
               {"+OK", NATS_OP_OK},
               {"INFO", NATS_OP_INFO},
               {"-ERR", NATS_OP_ERROR}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        slice rest;
        if (nats_line_is(line, ops[i].name, &rest)) {
            ret->op = ops[i].op;
            ret->text = without_quotes(rest);
            return STATUS_OK;
        }
    }
    return malformed(e, "an unknown operation");
}

// The line without its end, and where the next begins.
static status take_line(slice bytes, slice *ret, size_t *ret_next, err *e) {
    bool is_info = bytes.len > 0 && (bytes.data[0] == 'I' || bytes.data[0] == 'i');
    size_t max = is_info ? NATS_INFO_BYTES_MAX : NATS_LINE_BYTES_MAX;
    status code = nats_line_take(bytes, max, ret, ret_next);
    return code == STATUS_OK || code == STATUS_NOT_FOUND
               ? code
               : malformed(e, code == STATUS_LIMIT ? "a line that does not end" : "a line with a NUL");
}

status nats_parse(slice bytes, size_t payload_max, nats_event *ret, size_t *ret_used, err *e) {
    slice line = slice_empty();
    slice rest;
    size_t next = 0;
    nats_event event = {0};
    size_t used = 0;
    TRY(take_line(bytes, &line, &next, e));
    bool has_headers = nats_line_is(line, "HMSG", &rest);
    if (has_headers || nats_line_is(line, "MSG", &rest)) {
        size_t headers = 0;
        size_t len = 0;
        TRY(read_message(line, has_headers, &event, &headers, &len, e));
        if (len > payload_max) {
            event.left_out = len + 2;
            used = next;
        } else {
            TRY(read_payload(bytes, next, headers, len, &event, &used, e));
        }
    } else {
        TRY(read_short(line, &event, e));
        used = next;
    }
    *ret = event;
    *ret_used = used;
    return STATUS_OK;
}

// --- headers -----------------------------------------------------------------------------------------------

unsigned nats_headers_status(slice headers, slice *ret_text) {
    size_t end = slice_find(headers, 0, '\n');
    slice line = slice_trimmed(slice_sub(headers, sizeof version - 1, end == SIZE_MAX ? headers.len : end));
    slice digits = slice_sub(line, 0, 3);
    uint64_t number = 0;
    if (headers.len < sizeof version || digits.len < 3 || !slice_to_u64(digits, &number)) {
        *ret_text = slice_empty();
        return 0;
    }
    *ret_text = slice_trimmed(slice_sub(line, 3, line.len));
    return (unsigned)number;
}

bool nats_headers_next(slice headers, size_t *at, slice *ret_name, slice *ret_value) {
    if (*at == 0) { // behind the version
        size_t end = slice_find(headers, 0, '\n');
        *at = end == SIZE_MAX ? headers.len : end + 1;
    }
    while (*at < headers.len) {
        size_t end = slice_find(headers, *at, '\n');
        end = end == SIZE_MAX ? headers.len : end;
        slice line = slice_trimmed(slice_sub(headers, *at, end));
        *at = end + 1;
        size_t colon = slice_find(line, 0, ':');
        if (colon != SIZE_MAX && colon > 0) {
            *ret_name = slice_trimmed(slice_sub(line, 0, colon));
            *ret_value = slice_trimmed(slice_sub(line, colon + 1, line.len));
            return true;
        }
    }
    return false;
}

bool nats_headers_find(slice headers, const char *name, slice *ret_value) {
    slice found;
    for (size_t at = 0; nats_headers_next(headers, &at, &found, ret_value);) {
        if (slice_equal_nocase(found, slice_from_text(name))) {
            return true;
        }
    }
    return false;
}
