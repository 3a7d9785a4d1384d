// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_messaging.h"

#include <signal.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

enum { BYTES_MAX = 16 << 20, TURNS_MAX = 5000 };

// --- handlers ----------------------------------------------------------------------------------------------

static void finish(void *arg) {
    msg_got *g = arg;
    driver_delivery *d = g->delivery;
    auto_buf answer = {0};
    err e = {0};
    if (d == NULL) {
        return;
    }
    buf_init(&answer, 1024);
    CHECK(messaging_handled_encode(g->error, &answer, NULL) == STATUS_OK);
    g->delivery = NULL;
    g->link->running--;
    if (g->end == STATUS_OK) {
        d->ended(d, STATUS_OK, buf_slice(&answer), NULL);
    } else {
        err_set(&e, g->end, "the test says so");
        d->ended(d, g->end, slice_empty(), &e);
    }
}

void msg_end(msg_got *g, status code, const char *error) {
    g->end = code;
    g->error = error;
    loop_soon_add(g->link->m->l, &g->soon);
}

static status deliver(void *arg, driver_delivery *d, err *e) {
    msg_link *k = arg;
    if (k->refusals > 0) {
        k->refusals--;
        k->refused++;
        return err_set(e, STATUS_CLOSED, "no worker");
    }
    CHECK(k->got_count < MSG_GOT_MAX && slice_equal_text(d->interface, MESSAGING_HANDLER) &&
          slice_equal_text(d->function, "handle-message"));
    msg_got *g = &k->got[k->got_count];
    *g = (msg_got){.link = k, .delivery = d};
    buf_init(&g->bytes, BYTES_MAX);
    CHECK(buf_append(&g->bytes, d->payload) == STATUS_OK);
    CHECK(messaging_message_decode(buf_slice(&g->bytes), &g->message, NULL) == STATUS_OK);
    loop_soon_init(&g->soon, finish, g);
    k->running++;
    k->running_max = k->running > k->running_max ? k->running : k->running_max;
    status end = k->got_count < k->end_count ? k->ends[k->got_count] : STATUS_OK;
    k->got_count++;
    if (k->on_got != NULL) {
        k->on_got(g);
    }
    if (!k->holds) {
        msg_end(g, end, NULL);
    }
    return STATUS_OK;
}

static void deliver_cancel(void *arg, driver_delivery *d) {
    msg_link *k = arg;
    for (size_t i = 0; i < k->got_count; i++) {
        if (k->got[i].delivery == d) {
            k->got[i].delivery = NULL;
            k->running--;
        }
    }
}

// --- links -------------------------------------------------------------------------------------------------

static void on_health(void *arg, const driver_health *h) { ((msg_link *)arg)->health = *h; }

static void on_closed(void *arg) { ((msg_link *)arg)->is_closed = true; }

static void on_tick(void *arg) { (void)arg; }

void msg_turn(msg *m) {
    loop_timer tick;
    loop_timer_init(&tick, m->l, on_tick, NULL);
    loop_timer_start_in(&tick, 2000000);
    loop_turn(m->l, true);
    loop_timer_stop(&tick);
}

void msg_start(msg *m, const driver *d) {
    signal(SIGPIPE, SIG_IGN);
    CHECK(loop_new(NULL, &m->l, NULL) == STATUS_OK);
    direct_connector_init(&m->connector, m->l);
    list_init(&m->shared);
    m->d = d;
    m->env =
        (driver_environment){.l = m->l, .connector = &m->connector.base, .random = 7, .shared = &m->shared};
}

static void wait_up(msg_link *k) {
    driver_health h = {0};
    for (int i = 0; i < TURNS_MAX; i++) {
        k->m->d->health(k->link, &h);
        if (h.state == DRIVER_UP) {
            return;
        }
        msg_turn(k->m);
    }
    printf("    not up: %s\n", h.reason);
}

msg_link *msg_open(msg *m, const char *subscriptions, const char *subjects, const driver_value *more) {
    driver_value values[MSG_SETTINGS_MAX];
    size_t count = 0;
    for (; count < m->common_count; count++) {
        values[count] = m->common[count];
    }
    if (subscriptions != NULL) {
        values[count++] = (driver_value){SLICE_LITERAL("subscriptions"), slice_from_text(subscriptions)};
    }
    if (subjects != NULL) {
        values[count++] = (driver_value){SLICE_LITERAL("subjects"), slice_from_text(subjects)};
    }
    for (; more != NULL && more->name.len > 0; more++) {
        values[count++] = *more;
    }
    msg_link *k = m->links;
    while (k->link != NULL) {
        k++;
        CHECK(k < m->links + MSG_LINKS_MAX);
    }
    *k = (msg_link){.m = m, .got = mem_calloc(MSG_GOT_MAX, sizeof(msg_got))};
    const driver_link_options o = {.settings = {values, count},
                                   .workload = SLICE_LITERAL("test"),
                                   .credentials = m->credentials,
                                   .on_health = on_health,
                                   .on_closed = on_closed,
                                   .deliver = deliver,
                                   .deliver_cancel = deliver_cancel,
                                   .arg = k};
    err e = {0};
    if (driver_open(m->d, &m->env, &o, &k->link, &e) != STATUS_OK) {
        printf("    %s\n", e.message);
        CHECK(false);
    }
    wait_up(k);
    return k;
}

void msg_close(msg_link *k) {
    k->m->d->link_close(k->link);
    CHECK(!k->is_closed && k->running == 0);
    while (!k->is_closed) {
        msg_turn(k->m);
    }
    for (size_t i = 0; i < k->got_count; i++) {
        loop_soon_cancel(&k->got[i].soon);
        buf_done(&k->got[i].bytes);
    }
    mem_free(k->got);
    *k = (msg_link){0};
}

void msg_stop(msg *m) {
    for (size_t i = 0; i < MSG_LINKS_MAX; i++) {
        if (m->links[i].link != NULL) {
            msg_close(&m->links[i]);
        }
    }
    CHECK(list_empty(&m->shared));
    direct_connector_done(&m->connector);
    loop_free(m->l);
}

// --- calls -------------------------------------------------------------------------------------------------

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    msg_pending *p = c->host;
    CHECK(!p->is_done && (code == STATUS_OK) == (e == NULL));
    p->is_done = true;
    p->code = code;
    if (code == STATUS_OK) {
        CHECK(buf_append(&p->bytes, payload) == STATUS_OK);
        CHECK(messaging_answer_decode(p->function, buf_slice(&p->bytes), &p->answer, NULL) == STATUS_OK);
    } else {
        snprintf(p->message, sizeof p->message, "%.500s", e->message);
    }
}

void msg_begin(msg_link *k, msg_pending *p, const messaging_call *c) {
    *p = (msg_pending){.function = c->function};
    buf_init(&p->payload, BYTES_MAX);
    buf_init(&p->bytes, BYTES_MAX);
    CHECK(messaging_call_encode(c, &p->payload, NULL) == STATUS_OK);
    p->call = (driver_call){.interface = SLICE_LITERAL(MESSAGING_CONSUMER),
                            .function = slice_from_text(messaging_function_name(c->function)),
                            .payload = buf_slice(&p->payload),
                            .deadline_ns = UINT64_MAX,
                            .end = on_end,
                            .host = p};
    k->m->d->call(k->link, &p->call);
}

void msg_wait(msg_link *k, msg_pending *p) {
    while (!p->is_done) {
        msg_turn(k->m);
    }
}

void msg_pending_done(msg_pending *p) {
    buf_done(&p->payload);
    buf_done(&p->bytes);
}

static void show(const messaging_call *c, const msg_pending *p) {
    printf("    %s to \"%.*s\": %s %s%.*s\n", messaging_function_name(c->function),
           SLICE_ARG(c->message.subject), status_name(p->code), p->message, SLICE_ARG(p->answer.error));
}

static messaging_call publish_call(const char *subject, slice body, const char *reply_to) {
    return (messaging_call){.function = MESSAGING_PUBLISH,
                            .message = {.subject = slice_from_text(subject),
                                        .body = body,
                                        .has_reply_to = reply_to != NULL,
                                        .reply_to = slice_from_text(reply_to)}};
}

bool msg_publish_to(msg_link *k, const char *subject, slice body, const char *reply_to) {
    const messaging_call c = publish_call(subject, body, reply_to);
    msg_pending p;
    msg_begin(k, &p, &c);
    msg_wait(k, &p);
    bool ok = p.code == STATUS_OK && !p.answer.is_error;
    if (!ok) {
        show(&c, &p);
    }
    msg_pending_done(&p);
    return ok;
}

bool msg_publish(msg_link *k, const char *subject, const char *body) {
    return msg_publish_to(k, subject, slice_from_text(body), NULL);
}

static bool is_error_with(const messaging_call *c, const msg_pending *p, const char *part) {
    char text[600];
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(p->answer.error));
    bool ok = p->code == STATUS_OK && p->answer.is_error && strstr(text, part) != NULL;
    if (!ok) {
        show(c, p);
    }
    return ok;
}

bool msg_is_refused(msg_link *k, const char *subject, slice body, const char *reply_to, const char *part) {
    const messaging_call c = publish_call(subject, body, reply_to);
    msg_pending p;
    msg_begin(k, &p, &c);
    msg_wait(k, &p);
    bool ok = is_error_with(&c, &p, part);
    msg_pending_done(&p);
    return ok;
}

bool msg_request(msg_link *k, const char *subject, const char *body, uint32_t timeout_ms,
                 const char *expected, const char *part) {
    const messaging_call c = {.function = MESSAGING_REQUEST,
                              .message = {.subject = slice_from_text(subject), .body = slice_from_text(body)},
                              .timeout_ms = timeout_ms};
    msg_pending p;
    msg_begin(k, &p, &c);
    msg_wait(k, &p);
    bool ok = false;
    if (expected == NULL) {
        ok = is_error_with(&c, &p, part);
    } else {
        ok = p.code == STATUS_OK && !p.answer.is_error && slice_equal_text(p.answer.message.body, expected);
        if (!ok) {
            show(&c, &p);
        }
    }
    msg_pending_done(&p);
    return ok;
}

// --- what came ---------------------------------------------------------------------------------------------

bool msg_wait_for(msg_link *k, size_t count) {
    for (int i = 0; i < TURNS_MAX && k->got_count < count; i++) {
        msg_turn(k->m);
    }
    if (k->got_count < count) {
        printf("    %zu of %zu messages came\n", k->got_count, count);
    }
    return k->got_count >= count;
}

bool msg_got_is(const msg_link *k, size_t index, const char *subject, const char *body) {
    if (index >= k->got_count) {
        printf("    there is no message %zu\n", index);
        return false;
    }
    const messaging_message *m = &k->got[index].message;
    bool ok = slice_equal_text(m->subject, subject) && slice_equal_text(m->body, body);
    if (!ok) {
        printf("    message %zu: \"%.*s\" to \"%.*s\"\n", index, SLICE_ARG(slice_sub(m->body, 0, 100)),
               SLICE_ARG(m->subject));
    }
    return ok;
}

bool msg_answer(msg_got *g, const char *body) {
    char to[SUBJECT_BYTES_MAX + 1];
    if (!g->message.has_reply_to) {
        return false;
    }
    snprintf(to, sizeof to, "%.*s", SLICE_ARG(g->message.reply_to));
    return msg_publish(g->link, to, body);
}
