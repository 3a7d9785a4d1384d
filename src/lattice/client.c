// SPDX-License-Identifier: Apache-2.0
#include "lattice/client.h"

#include <stdio.h>

#include "codec/subject.h"

enum {
    TIMEOUT_NS = 2000000000,
    HEADERS_BYTES_MAX = 8192,
    OBJECT_BYTES_MAX = 256,
};

// --- names -------------------------------------------------------------------------------------------------

static bool is_word(slice text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c == '-';
        if (!is) {
            return false;
        }
    }
    return text.len > 0;
}

status lattice_name_check(slice name, err *e) {
    if (name.len > LATTICE_NAME_BYTES_MAX || !is_word(name)) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" cannot be the name of a lattice: at most %d letters, digits, _ and -",
                       SLICE_ARG(slice_sub(name, 0, 80)), LATTICE_NAME_BYTES_MAX);
    }
    return STATUS_OK;
}

static status check_prefix(slice prefix, err *e) {
    if (!subject_is_plain_within(prefix, LATTICE_PREFIX_BYTES_MAX)) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" cannot begin the subjects of a control interface: at most %d bytes of a "
                       "subject without wildcards",
                       SLICE_ARG(slice_sub(prefix, 0, 80)), LATTICE_PREFIX_BYTES_MAX);
    }
    return STATUS_OK;
}

status lattice_client_init(lattice_client *c, const lattice_client_options *options, err *e) {
    slice prefix = options->prefix.len > 0 ? options->prefix : slice_from_text(LATTICE_PREFIX_DEFAULT);
    slice lattice = options->lattice.len > 0 ? options->lattice : slice_from_text(LATTICE_NAME_DEFAULT);
    TRY(lattice_name_check(lattice, e));
    TRY(check_prefix(prefix, e));
    *c = (lattice_client){.b = options->b,
                          .signer = options->signer,
                          .timeout_ns = options->timeout_ns > 0 ? options->timeout_ns : TIMEOUT_NS};
    (void)snprintf(c->subject, sizeof c->subject, "%.*s.v1.%.*s", SLICE_ARG(prefix), SLICE_ARG(lattice));
    (void)snprintf(c->events, sizeof c->events, "wasmbus.evt.%.*s.", SLICE_ARG(lattice));
    return STATUS_OK;
}

// --- what is sent ------------------------------------------------------------------------------------------

typedef struct question {
    char subject[BUS_SUBJECT_BYTES_MAX];
    buf headers;
    buf payload;
} question;

static void question_done(question *q) {
    buf_done(&q->headers);
    buf_done(&q->payload);
}

static status write_subject(const lattice_client *c, question *q, const char *command, slice object, err *e) {
    bool is_token = object.len <= OBJECT_BYTES_MAX && slice_find(object, 0, '.') == SIZE_MAX;
    int n = snprintf(q->subject, sizeof q->subject, "%s.%s%s%.*s", c->subject, command,
                     object.len > 0 ? "." : "", SLICE_ARG(object));
    if (!is_token || n < 0 || (size_t)n >= sizeof q->subject ||
        !subject_is_plain_within(slice_from_text(q->subject), sizeof q->subject)) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" cannot be part of a subject: at most %d bytes without dots, blanks, * and >",
                       SLICE_ARG(slice_sub(object, 0, 80)), OBJECT_BYTES_MAX);
    }
    return STATUS_OK;
}

static status write_headers(const lattice_client *c, question *q, err *e) {
    if (c->signer.sign == NULL) {
        return STATUS_OK;
    }
    status s =
        c->signer.sign(c->signer.arg, slice_from_text(q->subject), buf_slice(&q->payload), &q->headers, e);
    return s == STATUS_OK ? STATUS_OK : err_wrap(e, "sign a control request");
}

static status question_make(const lattice_client *c, question *q, const char *command, slice object,
                            const json_value *body, err *e) {
    buf_init(&q->headers, HEADERS_BYTES_MAX);
    buf_init(&q->payload, LATTICE_REQUEST_BYTES_MAX);
    TRY(write_subject(c, q, command, object, e));
    if (body != NULL && json_write(body, 0, &q->payload) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "a control request of more than %d bytes", LATTICE_REQUEST_BYTES_MAX);
    }
    return write_headers(c, q, e);
}

static bus_message question_message(const question *q) {
    return (bus_message){.subject = slice_from_text(q->subject),
                         .headers = buf_slice(&q->headers),
                         .payload = buf_slice(&q->payload)};
}

// --- one answer --------------------------------------------------------------------------------------------

status lattice_answer_parse(slice payload, lattice_answer *ret, json_value **ret_document, err *e) {
    json_value *document = NULL;
    lattice_answer a = {.code = STATUS_OK};
    status s = json_parse(payload, &document, e);
    if (s != STATUS_OK) {
        return err_wrap(e, "an answer of the lattice");
    }
    const json_value *message = json_get(document, "message");
    if (!json_as_bool(json_get(document, "success"), &a.success) ||
        (!json_is_absent(message) && !json_as_text(message, &a.message))) {
        json_free(document);
        return err_set(e, STATUS_INVALID, "an answer of the lattice has no \"success\" and \"message\"");
    }
    const json_value *response = json_get(document, "response");
    a.response = json_is_absent(response) ? NULL : response;
    int64_t next = 0;
    if (json_as_integer(json_get(json_get(document, "writ"), "next"), &next) && next > 0) {
        a.next = (uint64_t)next;
    }
    *ret = a;
    *ret_document = document;
    return STATUS_OK;
}

static void on_answer(void *arg, const bus_result *result) {
    lattice_request *r = arg;
    lattice_answer a = {.code = result->code, .text = result->text};
    json_value *document = NULL;
    err e = {0};
    if (result->code == STATUS_OK) {
        status s = lattice_answer_parse(result->message.payload, &a, &document, &e);
        if (s != STATUS_OK) {
            a = (lattice_answer){.code = s, .text = e.message};
        }
    }
    r->ended(r->arg, &a);
    json_free(document);
}

status lattice_request_start(lattice_client *c, lattice_request *r, const char *command, slice object,
                             const json_value *body, void (*ended)(void *arg, const lattice_answer *answer),
                             void *arg, err *e) {
    question q;
    status s = question_make(c, &q, command, object, body, e);
    if (s == STATUS_OK) {
        bus_message m = question_message(&q);
        r->ended = ended;
        r->arg = arg;
        s = bus_request_start(c->b, &r->request, &m, loop_now_ns(c->b->loop) + c->timeout_ns, on_answer, r,
                              e);
    }
    question_done(&q);
    return s;
}

void lattice_request_cancel(lattice_request *r) { bus_request_cancel(&r->request); }

// --- the answers of all ------------------------------------------------------------------------------------

static void on_gathered(void *arg, const bus_message *m) {
    lattice_gather *g = arg;
    lattice_answer a;
    json_value *document = NULL;
    if (lattice_answer_parse(m->payload, &a, &document, NULL) != STATUS_OK) {
        g->passed_over++;
        return;
    }
    g->answer(g->arg, &a);
    json_free(document);
}

static void on_gather_ended(void *arg, status code) {
    lattice_gather *g = arg;
    g->ended(g->arg, code);
}

status lattice_gather_start(lattice_client *c, lattice_gather *g, const char *command, const json_value *body,
                            uint64_t quiet_ns, size_t max, err *e) {
    question q;
    status s = question_make(c, &q, command, slice_empty(), body, e);
    if (s == STATUS_OK) {
        bus_message m = question_message(&q);
        g->passed_over = 0;
        g->gather = (bus_gather){.answer = on_gathered, .ended = on_gather_ended, .arg = g};
        s = bus_gather_start(c->b, &g->gather, &m, loop_now_ns(c->b->loop) + c->timeout_ns, quiet_ns,
                             max > 0 ? max : LATTICE_HOSTS_MAX, e);
    }
    question_done(&q);
    return s;
}

void lattice_gather_cancel(lattice_gather *g) { bus_gather_cancel(&g->gather); }

// --- events ------------------------------------------------------------------------------------------------

static void on_event(void *arg, WRIT_UNUSED bus_subscription *s, const bus_message *m) {
    lattice_events *w = arg;
    json_value *document = NULL;
    lattice_event event = {.name = slice_sub(m->subject, w->skip, m->subject.len)};
    bool is_event = json_parse(m->payload, &document, NULL) == STATUS_OK;
    event.data = json_get(document, "data");
    is_event =
        is_event && json_is_object(event.data) && json_as_text(json_get(document, "source"), &event.source);
    (void)json_as_text(json_get(document, "time"), &event.time);
    if (is_event) {
        w->event(w->arg, &event);
    } else {
        w->passed_over++;
    }
    json_free(document);
}

status lattice_events_start(lattice_client *c, lattice_events *w,
                            void (*event)(void *arg, const lattice_event *event), void *arg, err *e) {
    char subject[sizeof c->events + 2];
    (void)snprintf(subject, sizeof subject, "%s*", c->events);
    w->event = event;
    w->arg = arg;
    w->skip = strlen(c->events);
    w->passed_over = 0;
    return bus_subscribe(c->b, &w->subscription, slice_from_text(subject), slice_empty(), on_event, w, e);
}

void lattice_events_stop(lattice_events *w) { bus_unsubscribe(&w->subscription); }
