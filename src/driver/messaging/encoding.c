// SPDX-License-Identifier: Apache-2.0
// Calls, answers and messages as bytes, both directions of each.
#include "codec/values.h"
#include "driver/messaging/messaging.h"

const char *const messaging_interfaces[] = {MESSAGING_CONSUMER, MESSAGING_HANDLER, NULL};

static const char *const names[MESSAGING_FUNCTION_COUNT] = {
    [MESSAGING_REQUEST] = "request",
    [MESSAGING_PUBLISH] = "publish",
};

const char *messaging_function_name(messaging_function f) { return names[f]; }

bool messaging_function_find(slice interface, slice function, messaging_function *ret) {
    for (unsigned f = 0; f < MESSAGING_FUNCTION_COUNT; f++) {
        if (slice_equal_text(function, names[f]) && slice_equal_text(interface, MESSAGING_CONSUMER)) {
            *ret = (messaging_function)f;
            return true;
        }
    }
    return false;
}

// Without half a character at its end.
static slice cut_text(slice text) {
    size_t end = text.len < MESSAGING_ERROR_BYTES_MAX ? text.len : MESSAGING_ERROR_BYTES_MAX;
    while (end < text.len && end > 0 && (text.data[end] & 0xc0) == 0x80) {
        end--;
    }
    return slice_sub(text, 0, end);
}

// --- messages ----------------------------------------------------------------------------------------------

static void write_message(values_writer *w, const messaging_message *m) {
    values_write_string(w, m->subject);
    values_write_bytes(w, m->body);
    values_write_option(w, m->has_reply_to);
    if (m->has_reply_to) {
        values_write_string(w, m->reply_to);
    }
}

static void read_message(values_reader *r, messaging_message *ret) {
    ret->subject = values_read_string(r);
    ret->body = values_read_bytes(r);
    ret->has_reply_to = values_read_option(r);
    if (ret->has_reply_to) {
        ret->reply_to = values_read_string(r);
    }
}

status messaging_message_encode(const messaging_message *m, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    write_message(&w, m);
    return values_write_end(&w, "message", e);
}

status messaging_message_decode(slice payload, messaging_message *ret, err *e) {
    values_reader r = values_reader_of(payload);
    messaging_message m = {0};
    read_message(&r, &m);
    TRY(values_read_end(&r, "message", e));
    *ret = m;
    return STATUS_OK;
}

status messaging_handled_encode(const char *error, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_is_ok(&w, error == NULL);
    if (error != NULL) {
        values_write_string(&w, slice_from_text(error));
    }
    return values_write_end(&w, "answer of handle-message", e);
}

status messaging_handled_decode(slice payload, bool *ret_is_error, slice *ret_error, err *e) {
    values_reader r = values_reader_of(payload);
    bool is_error = !values_read_is_ok(&r);
    slice text = is_error ? values_read_string(&r) : slice_empty();
    TRY(values_read_end(&r, "answer of handle-message", e));
    *ret_is_error = is_error;
    *ret_error = cut_text(text);
    return STATUS_OK;
}

// --- calls -------------------------------------------------------------------------------------------------

status messaging_call_encode(const messaging_call *c, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    if (c->function == MESSAGING_PUBLISH) {
        write_message(&w, &c->message);
    } else {
        values_write_string(&w, c->message.subject);
        values_write_bytes(&w, c->message.body);
        values_write_u32(&w, c->timeout_ms);
    }
    return values_write_end(&w, names[c->function], e);
}

status messaging_call_decode(messaging_function f, slice payload, messaging_call *ret, err *e) {
    values_reader r = values_reader_of(payload);
    messaging_call c = {.function = f};
    if (f == MESSAGING_PUBLISH) {
        read_message(&r, &c.message);
    } else {
        c.message.subject = values_read_string(&r);
        c.message.body = values_read_bytes(&r);
        c.timeout_ms = values_read_u32(&r);
    }
    TRY(values_read_end(&r, names[f], e));
    *ret = c;
    return STATUS_OK;
}

status messaging_answer_encode(messaging_function f, const messaging_answer *a, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_is_ok(&w, !a->is_error);
    if (a->is_error) {
        values_write_string(&w, a->error);
    } else if (f == MESSAGING_REQUEST) {
        write_message(&w, &a->message);
    }
    return values_write_end(&w, names[f], e);
}

status messaging_answer_decode(messaging_function f, slice payload, messaging_answer *ret, err *e) {
    values_reader r = values_reader_of(payload);
    messaging_answer a = {.is_error = !values_read_is_ok(&r)};
    if (a.is_error) {
        a.error = cut_text(values_read_string(&r));
    } else if (f == MESSAGING_REQUEST) {
        read_message(&r, &a.message);
    }
    TRY(values_read_end(&r, names[f], e));
    *ret = a;
    return STATUS_OK;
}
