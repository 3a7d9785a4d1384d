// SPDX-License-Identifier: Apache-2.0
// What all drivers of the contract share: the way in, with what is allowed, and the ways out.
#include <stdio.h>

#include "base/mem.h"
#include "codec/utf.h"
#include "driver/messaging/messaging.h"

// --- what is allowed ---------------------------------------------------------------------------------------

static bool is_allowed(const messaging_settings *s, slice subject) {
    for (size_t i = 0; i < s->subject_count; i++) {
        if (messaging_covers(s->subjects[i], subject)) {
            return true;
        }
    }
    return false;
}

static bool is_asked(messaging_feed *const *feeds, size_t count, slice subject) {
    bool is_of_server = slice_starts_with(subject, "$"); // who sends a message says where the answer goes
    for (size_t i = 0; i < count && !is_of_server; i++) {
        if (messaging_feed_is_asked(feeds[i], subject)) {
            return true;
        }
    }
    return false;
}

static bool is_subscribed(const messaging_settings *s, slice subject) {
    for (size_t i = 0; i < s->subscription_count; i++) {
        if (messaging_covers(s->subscriptions[i].pattern, subject)) {
            return true;
        }
    }
    return false;
}

static bool is_refused(messaging_request *q, const messaging_settings *s, messaging_feed *const *feeds,
                       size_t feed_count) {
    const messaging_message *m = &q->call.message;
    char subject[128], answers[128];
    (void)utf8_shown(m->subject, subject, sizeof subject);
    (void)utf8_shown(m->reply_to, answers, sizeof answers);
    if (!subject_is_plain(m->subject)) {
        messaging_reply_error(q, "\"%s\" is no subject that a message can have", subject);
    } else if (m->body.len > s->body_bytes_max) {
        messaging_reply_error(q, "the body of %zu bytes is longer than the %llu that the link allows",
                              m->body.len, (unsigned long long)s->body_bytes_max);
    } else if (!is_allowed(s, m->subject) && !is_asked(feeds, feed_count, m->subject)) {
        messaging_reply_error(q, "the link may not publish to %s: its setting subjects does not allow it",
                              subject);
    } else if (m->has_reply_to && (!subject_is_plain(m->reply_to) ||
                                   (!is_allowed(s, m->reply_to) && !is_subscribed(s, m->reply_to)))) {
        messaging_reply_error(q,
                              "the link may not have answers sent to %s: neither its setting subjects nor "
                              "subscriptions has it",
                              answers);
    } else {
        return false;
    }
    return true;
}

// --- in ----------------------------------------------------------------------------------------------------

messaging_request *messaging_receive(driver_call *c, const messaging_settings *s,
                                     messaging_feed *const *feeds, size_t feed_count) {
    messaging_function f;
    if (!messaging_function_find(c->interface, c->function, &f)) {
        driver_fail(c, STATUS_UNSUPPORTED, "messaging has no such function");
        return NULL;
    }
    if (c->payload.len > MESSAGING_CALL_BYTES_MAX) {
        driver_fail(c, STATUS_LIMIT, "arguments of %zu bytes", c->payload.len);
        return NULL;
    }
    messaging_call call;
    err e = {0};
    status code = messaging_call_decode(f, c->payload, &call, &e);
    if (code != STATUS_OK) {
        driver_fail(c, code, "%s", e.message);
        return NULL;
    }
    messaging_request *q = MEM_NEW(messaging_request);
    q->call = call;
    q->origin = c;
    list_init(&q->node);
    c->data = q;
    return is_refused(q, s, feeds, feed_count) ? NULL : q;
}

// --- out ---------------------------------------------------------------------------------------------------

static driver_call *take_origin(messaging_request *q) {
    driver_call *c = q->origin;
    c->data = NULL;
    loop_timer_stop(&q->timer);
    list_remove(&q->node);
    mem_free(q);
    return c;
}

static void answer(messaging_request *q, const messaging_answer *a) {
    auto_buf bytes;
    err e = {0};
    buf_init(&bytes, MESSAGING_CALL_BYTES_MAX);
    status code = messaging_answer_encode(q->call.function, a, &bytes, &e);
    driver_call *c = take_origin(q);
    if (code == STATUS_OK) {
        driver_answer(c, buf_slice(&bytes));
    } else {
        driver_fail(c, code, "%s", e.message);
    }
}

void messaging_reply(messaging_request *q, const messaging_message *m) {
    messaging_answer a = {.is_error = false};
    if (m != NULL) {
        a.message = *m;
    }
    answer(q, &a);
}

void messaging_reply_error(messaging_request *q, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    answer(q, &(messaging_answer){.is_error = true, .error = slice_from_text(text)});
}

void messaging_fail(messaging_request *q, status code, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    driver_fail(take_origin(q), code, "%s", text);
}
