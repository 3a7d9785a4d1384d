// SPDX-License-Identifier: Apache-2.0
// What goes over a connection that is up: messages, subscriptions, requests.
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/jitter.h"
#include "base/mem.h"
#include "bus/nats_internal.h"
#include "codec/subject.h"

enum { NUMBER_BYTES_MAX = 20, NO_RESPONDERS = 503 };

// --- writing -----------------------------------------------------------------------------------------------

static uint8_t *put(uint8_t *to, slice bytes) {
    if (bytes.len > 0) {
        memcpy(to, bytes.data, bytes.len);
    }
    return to + bytes.len;
}

static uint8_t *put_text(uint8_t *to, const char *text) { return put(to, slice_from_text(text)); }

static uint8_t *put_number(uint8_t *to, uint64_t number) {
    uint8_t digits[NUMBER_BYTES_MAX];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(to, slice_of(digits + at, sizeof digits - at));
}

// Behind a blank, when it is there.
static uint8_t *put_word(uint8_t *to, slice word) { return word.len > 0 ? put(put_text(to, " "), word) : to; }

static status check_message(const nats *n, const nats_message *m, err *e) {
    size_t len = m->headers.len + m->payload.len;
    if (!subject_is_plain_within(m->subject, NATS_SUBJECT_BYTES_MAX) ||
        (m->reply.len > 0 && !subject_is_plain_within(m->reply, NATS_SUBJECT_BYTES_MAX))) {
        return err_set(e, STATUS_INVALID,
                       "a subject is made of tokens with dots between them, without blanks");
    }
    if (n->phase != NATS_PHASE_READY) {
        return err_set(e, STATUS_CLOSED, "there is no connection to the server");
    }
    if (m->headers.len > 0 && !n->info.has_headers) {
        return err_set(e, STATUS_UNSUPPORTED, "the server knows no headers");
    }
    if (len > n->info.max_payload) {
        return err_set(e, STATUS_LIMIT, "a message of %zu bytes, and the server takes %zu", len,
                       n->info.max_payload);
    }
    return STATUS_OK;
}

// PUB subject [reply] bytes, or HPUB subject [reply] header-bytes all-bytes.
static status send_message(nats *n, const nats_message *m, err *e) {
    size_t len = m->headers.len + m->payload.len;
    uint8_t *start;
    status code = byte_stream_reserve(
        n->stream, m->subject.len + m->reply.len + len + 2 * NUMBER_BYTES_MAX + 16, &start);
    if (code != STATUS_OK) {
        return err_set(e, code, "too much is queued for the server");
    }
    uint8_t *to = put_text(start, m->headers.len > 0 ? "HPUB" : "PUB");
    to = put_word(put_word(to, m->subject), m->reply);
    to = put_text(to, " ");
    if (m->headers.len > 0) {
        to = put_text(put_number(to, m->headers.len), " ");
    }
    to = put_text(put_number(to, len), "\r\n");
    to = put_text(put(put(to, m->headers), m->payload), "\r\n");
    byte_stream_commit(n->stream, (size_t)(to - start));
    return STATUS_OK;
}

status nats_publish(nats *n, const nats_message *m, err *e) {
    TRY(check_message(n, m, e));
    return send_message(n, m, e);
}

// --- headers -----------------------------------------------------------------------------------------------

status nats_headers_begin(buf *b) { return buf_append_text(b, "NATS/1.0\r\n"); }
status nats_headers_end(buf *b) { return buf_append_text(b, "\r\n"); }

static bool has_line_end(slice s) {
    return slice_find(s, 0, '\r') != SIZE_MAX || slice_find(s, 0, '\n') != SIZE_MAX;
}

status nats_headers_put(buf *b, slice name, slice value) {
    if (name.len == 0 || has_line_end(name) || slice_find(name, 0, ':') != SIZE_MAX || has_line_end(value)) {
        return STATUS_INVALID;
    }
    return buf_append_format(b, "%.*s: %.*s\r\n", SLICE_ARG(name), SLICE_ARG(value));
}

// --- subscriptions -----------------------------------------------------------------------------------------

static status send_sub(nats *n, slice subject, slice queue, uint64_t sid, uint64_t left) {
    uint8_t *start;
    TRY(byte_stream_reserve(n->stream, subject.len + queue.len + 3 * NUMBER_BYTES_MAX + 24, &start));
    uint8_t *to = put_word(put_word(put_text(start, "SUB"), subject), queue);
    to = put_text(put_number(put_text(to, " "), sid), "\r\n");
    if (left > 0) {
        to = put_text(put_number(put_text(to, "UNSUB "), sid), " ");
        to = put_text(put_number(to, left), "\r\n");
    }
    byte_stream_commit(n->stream, (size_t)(to - start));
    return STATUS_OK;
}

static status send_subscription(nats *n, const nats_subscription *s) {
    return send_sub(n, slice_from_text(s->subject), slice_from_text(s->queue), s->sid, s->left);
}

status nats_send_subscriptions(nats *n) {
    char all[sizeof n->inbox + 2];
    snprintf(all, sizeof all, "%s.*", n->inbox);
    TRY(send_sub(n, slice_from_text(all), slice_empty(), NATS_INBOX_SID, 0));
    for (uint32_t i = 0; i < n->subscriptions.count; i++) {
        const nats_subscription *s = n->subscriptions.places[i].item;
        if (s != NULL) {
            TRY(send_subscription(n, s));
        }
    }
    return STATUS_OK;
}

static void forget(nats_subscription *s) {
    nats_table_remove(&s->n->subscriptions, s->sid);
    mem_free(s->subject);
    mem_free(s->queue);
    s->subject = s->queue = NULL;
    s->n = NULL;
}

status nats_subscribe(nats *n, nats_subscription *s, slice subject, slice queue, uint64_t max,
                      nats_on_message on_message, void *arg, err *e) {
    CHECK(s->n == NULL);
    if (!subject_is_pattern_within(subject, NATS_SUBJECT_BYTES_MAX) ||
        (queue.len > 0 && !subject_is_plain_within(queue, NATS_SUBJECT_BYTES_MAX))) {
        return err_set(e, STATUS_INVALID, "a subject or queue group that is none: %.*s", SLICE_ARG(subject));
    }
    uint64_t sid;
    if (nats_table_add(&n->subscriptions, s, &sid) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "more than %d subscriptions", NATS_SUBSCRIPTIONS_MAX);
    }
    *s = (nats_subscription){.n = n,
                             .on_message = on_message,
                             .arg = arg,
                             .subject = mem_slice_dup(subject),
                             .queue = queue.len > 0 ? mem_slice_dup(queue) : NULL,
                             .sid = sid,
                             .left = max};
    // While there is no connection it is sent with the next one.
    status code = n->is_greeted ? send_subscription(n, s) : STATUS_OK;
    if (code == STATUS_LIMIT) {
        forget(s);
        return err_set(e, code, "too much is queued for the server");
    }
    return STATUS_OK;
}

void nats_unsubscribe(nats_subscription *s) {
    nats *n = s->n;
    if (n == NULL) {
        return;
    }
    uint64_t sid = s->sid;
    forget(s);
    uint8_t *start;
    // Without room the server goes on sending; what comes is dropped.
    if (n->is_greeted && byte_stream_reserve(n->stream, NUMBER_BYTES_MAX + 16, &start) == STATUS_OK) {
        uint8_t *to = put_text(put_number(put_text(start, "UNSUB "), sid), "\r\n");
        byte_stream_commit(n->stream, (size_t)(to - start));
    }
}

// --- requests ----------------------------------------------------------------------------------------------

slice nats_inbox(nats *n, char ret[NATS_INBOX_BYTES_MAX]) {
    int len = snprintf(ret, NATS_INBOX_BYTES_MAX, "%s.m.%" PRIu64, n->inbox, ++n->inbox_count);
    return slice_of(ret, (size_t)len);
}

void nats_request_cancel(nats_request *r) {
    if (r->n != NULL) {
        nats_table_remove(&r->n->requests, r->number);
        loop_timer_stop(&r->deadline);
        r->n = NULL;
    }
}

static void end_request(nats_request *r, const nats_result *result) {
    nats_request_cancel(r);
    r->ended(r->arg, result);
}

static void fail_request(nats_request *r, status code, const char *text) {
    end_request(r, &(nats_result){.code = code, .text = text});
}

static void on_deadline(void *arg) { fail_request(arg, STATUS_TIMEOUT, "no answer in time"); }

status nats_request_start(nats *n, nats_request *r, const nats_message *m, uint64_t deadline_ns,
                          nats_ended ended, void *arg, err *e) {
    CHECK(r->n == NULL && m->reply.len == 0);
    char inbox[NATS_INBOX_BYTES_MAX];
    nats_message sent = *m;
    uint64_t number;
    TRY(check_message(n, m, e));
    if (nats_table_add(&n->requests, r, &number) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "more than %d requests are on their way", NATS_REQUESTS_MAX);
    }
    int len = snprintf(inbox, sizeof inbox, "%s.%" PRIu64, n->inbox, number);
    sent.reply = slice_of(inbox, (size_t)len);
    status code = send_message(n, &sent, e);
    if (code != STATUS_OK) {
        nats_table_remove(&n->requests, number);
        return code;
    }
    *r = (nats_request){.n = n,
                        .ended = ended,
                        .arg = arg,
                        .subject_hash = siphash(n->hash_key, m->subject),
                        .number = number};
    loop_timer_init(&r->deadline, n->options.l, on_deadline, r);
    if (deadline_ns != UINT64_MAX) {
        loop_timer_start_at(&r->deadline, deadline_ns);
    }
    return STATUS_OK;
}

void nats_fail_requests(nats *n, const char *text) {
    for (uint32_t i = 0; i < n->requests.count && !n->is_freed; i++) {
        nats_request *r = n->requests.places[i].item;
        if (r != NULL) {
            fail_request(r, STATUS_CLOSED, text);
        }
    }
}

// Permissions Violation for Publish to "subject", where quotes and backslashes have a backslash in front.
bool nats_refused_subject(slice text, uint8_t room[NATS_SUBJECT_BYTES_MAX], slice *ret) {
    size_t at = slice_find(text, 0, '"');
    size_t len = 0;
    if (at == SIZE_MAX || !slice_starts_with(text, "Permissions Violation for Publish")) {
        return false;
    }
    for (at++; at < text.len && text.data[at] != '"' && len < NATS_SUBJECT_BYTES_MAX; at++) {
        at += text.data[at] == '\\' && at + 1 < text.len ? 1 : 0;
        room[len++] = text.data[at];
    }
    *ret = slice_of(room, len);
    return at < text.len && text.data[at] == '"';
}

void nats_refuse_subject(nats *n, slice text) {
    uint8_t room[NATS_SUBJECT_BYTES_MAX];
    slice subject;
    if (!nats_refused_subject(text, room, &subject)) {
        return;
    }
    uint64_t hash = siphash(n->hash_key, subject);
    for (uint32_t i = 0; i < n->requests.count && !n->is_freed; i++) {
        nats_request *r = n->requests.places[i].item;
        if (r != NULL && r->subject_hash == hash) {
            fail_request(r, STATUS_DENIED, "the server does not allow the subject");
        }
    }
}

// --- flushes -----------------------------------------------------------------------------------------------

void nats_flush_cancel(nats_flush *f) {
    if (f->n != NULL) {
        list_remove(&f->node);
        f->n = NULL;
    }
}

status nats_flush_start(nats *n, nats_flush *f, nats_flushed ended, void *arg, err *e) {
    CHECK(f->n == NULL);
    if (n->phase != NATS_PHASE_READY) {
        return err_set(e, STATUS_CLOSED, "there is no connection to the server");
    }
    // The PING of this turn, which goes out behind everything of it.
    *f = (nats_flush){.n = n, .ended = ended, .arg = arg, .ping = n->pings_sent + 1};
    list_push_back(&n->flushes, &f->node);
    loop_soon_add(n->options.l, &n->flush_soon);
    return STATUS_OK;
}

void nats_end_flushes(nats *n, uint64_t pongs, status code) {
    while (!n->is_freed && !list_empty(&n->flushes)) {
        nats_flush *f = LIST_ENTRY(n->flushes.next, nats_flush, node);
        if (f->ping > pongs) {
            return;
        }
        nats_flush_cancel(f);
        f->ended(f->arg, code);
    }
}

// --- receiving ---------------------------------------------------------------------------------------------

static void deliver_answer(nats *n, const nats_message *m, bool is_too_long) {
    size_t prefix = strlen(n->inbox) + 1;
    uint64_t number;
    slice text;
    if (m->subject.len <= prefix || !slice_to_u64(slice_sub(m->subject, prefix, m->subject.len), &number)) {
        return;
    }
    nats_request *r = nats_table_find(&n->requests, number);
    if (r == NULL) {
        return; // came late
    }
    if (is_too_long) {
        fail_request(r, STATUS_LIMIT, "the answer is longer than is taken");
        return;
    }
    if (m->payload.len == 0 && nats_headers_status(m->headers, &text) == NO_RESPONDERS) {
        fail_request(r, STATUS_NOT_FOUND, "nobody listens on the subject");
        return;
    }
    end_request(r, &(nats_result){.code = STATUS_OK, .message = *m});
}

void nats_deliver(nats *n, const nats_event *event) {
    bool is_cut = event->left_out > 0;
    const nats_message m = {event->subject, event->reply, event->headers, event->payload, is_cut};
    if (event->sid == NATS_INBOX_SID) {
        deliver_answer(n, &m, is_cut);
        return;
    }
    nats_subscription *s = nats_table_find(&n->subscriptions, event->sid);
    if (s == NULL) {
        return; // was cancelled; more was on its way
    }
    nats_on_message on_message = s->on_message;
    void *arg = s->arg;
    bool is_told = !is_cut || s->takes_cut;
    n->passed_over += is_cut;
    if (s->left > 0 && --s->left == 0) {
        forget(s);
    }
    if (is_told) {
        on_message(arg, s, &m);
    }
}
