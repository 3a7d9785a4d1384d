// SPDX-License-Identifier: Apache-2.0
// Messages on NATS. A link has one connection for what its workload sends, and one for what it is subscribed
// to. When a handler falls behind, the second one is not read any more until there is room, so that the
// server keeps what comes; a server whose own bound is passed cuts the connection, and that is told as
// health. The first one goes on meanwhile: a handler that is behind can still ask and answer.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/messaging/messaging.h"
#include "driver/nats_link.h"

enum { WAITING_MAX = 1024, WAITING_BYTES_MAX = 16 << 20 };

static const uint64_t ms = 1000000;

typedef struct subscription {
    struct driver_link *link;
    nats_subscription base;
    messaging_feed *feed;
} subscription;

struct driver_link {
    nats_link base;
    messaging_settings settings;
    nats *sender;
    nats *receiver; // NULL without subscriptions
    subscription *subscriptions;
    messaging_feed **feeds; // of the subscriptions
    // The message that found no room; the receiver is paused while there is one.
    subscription *held_by;
    messaging_message held;
    buf held_bytes;
    loop_soon settled;
    list_node waiting; // messaging_request, until the first connection
    size_t waiting_count;
    size_t waiting_bytes;
    list_node sent; // calls to publish that the server has not confirmed
    loop_soon closed;
};

typedef struct sent_call { // `data` of a request
    driver_link *link;
    messaging_request *q;
    bool is_waiting;
    nats_flush flush;
    nats_request request;
} sent_call;

// --- calls -------------------------------------------------------------------------------------------------

static void leave(sent_call *x) {
    driver_link *k = x->link;
    if (x->is_waiting) {
        k->waiting_count--;
        k->waiting_bytes -= x->q->origin->payload.len;
    }
    list_remove(&x->q->node);
    nats_flush_cancel(&x->flush);
    nats_request_cancel(&x->request);
    mem_free(x);
}

// Of a rule or a bound is the contract's error; what the transport could not do is a status.
static void refuse(messaging_request *q, status code, const char *text) {
    if (code == STATUS_CLOSED || code == STATUS_TIMEOUT) {
        messaging_fail(q, code, "%s", text);
    } else {
        messaging_reply_error(q, "%s", text);
    }
}

static void on_flushed(void *arg, status code) {
    sent_call *x = arg;
    messaging_request *q = x->q;
    leave(x);
    if (code == STATUS_OK) {
        messaging_reply(q, NULL);
    } else {
        messaging_fail(q, code,
                       "the connection to the server was lost; it is not known whether it has the message");
    }
}

static void on_answer(messaging_request *q, const nats_message *m, const messaging_settings *s) {
    if (m->payload.len > s->body_bytes_max) {
        messaging_reply_error(q, "the answer of %zu bytes is longer than the link allows", m->payload.len);
        return;
    }
    messaging_message answer = {.subject = m->subject, .body = m->payload};
    answer.has_reply_to = subject_is_plain(m->reply);
    answer.reply_to = answer.has_reply_to ? m->reply : slice_empty();
    messaging_reply(q, &answer);
}

static void on_ended(void *arg, const nats_result *r) {
    sent_call *x = arg;
    messaging_request *q = x->q;
    driver_link *k = x->link;
    leave(x);
    switch (r->code) {
    case STATUS_OK:
        on_answer(q, &r->message, &k->settings);
        break;
    case STATUS_TIMEOUT:
        messaging_reply_error(q, "no answer came within %u ms", q->call.timeout_ms);
        break;
    case STATUS_NOT_FOUND:
        messaging_reply_error(q, "nobody is subscribed to %.*s", SLICE_ARG(q->call.message.subject));
        break;
    default:
        refuse(q, r->code, r->text);
        break;
    }
}

static void send_publish(sent_call *x) {
    const messaging_message *m = &x->q->call.message;
    const nats_message sent = {
        .subject = m->subject, .reply = m->has_reply_to ? m->reply_to : slice_empty(), .payload = m->body};
    messaging_request *q = x->q;
    err e = {0};
    status code = nats_publish(x->link->sender, &sent, &e);
    if (code == STATUS_OK) {
        code = nats_flush_start(x->link->sender, &x->flush, on_flushed, x, &e);
    }
    if (code == STATUS_OK) {
        list_push_back(&x->link->sent, &q->node);
    } else {
        leave(x);
        refuse(q, code, e.message);
    }
}

static void send_request(sent_call *x) {
    messaging_request *q = x->q;
    uint64_t time_ms =
        q->call.timeout_ms < MESSAGING_TIMEOUT_MS_MAX ? q->call.timeout_ms : MESSAGING_TIMEOUT_MS_MAX;
    uint64_t deadline = loop_now_ns(x->link->base.l) + time_ms * ms;
    const nats_message sent = {.subject = q->call.message.subject, .payload = q->call.message.body};
    err e = {0};
    status code = nats_request_start(x->link->sender, &x->request, &sent, deadline, on_ended, x, &e);
    if (code != STATUS_OK) {
        leave(x);
        refuse(q, code, e.message);
    }
}

static void send_call(sent_call *x) {
    if (x->q->call.function == MESSAGING_PUBLISH) {
        send_publish(x);
    } else {
        send_request(x);
    }
}

static void wait_for_connection(driver_link *k, sent_call *x) {
    size_t bytes = x->q->origin->payload.len;
    messaging_request *q = x->q;
    if (k->waiting_count == WAITING_MAX || bytes > WAITING_BYTES_MAX - k->waiting_bytes) {
        leave(x);
        messaging_fail(q, STATUS_LIMIT, "too many calls wait for the connection to the server");
        return;
    }
    x->is_waiting = true;
    k->waiting_count++;
    k->waiting_bytes += bytes;
    list_push_back(&k->waiting, &q->node);
}

static void on_deadline(void *arg) {
    messaging_request *q = arg;
    leave(q->data);
    messaging_fail(q, STATUS_TIMEOUT, "no answer from the server in time");
}

// A request has a time of its own, from when it is sent on.
static void start_timer(driver_link *k, messaging_request *q) {
    uint64_t end_ns = loop_now_ns(k->base.l) + k->base.time_ns_max;
    bool is_publish = q->call.function == MESSAGING_PUBLISH;
    if (is_publish || q->origin->deadline_ns != UINT64_MAX) {
        loop_timer_init(&q->timer, k->base.l, on_deadline, q);
        loop_timer_start_at(&q->timer,
                            is_publish && end_ns < q->origin->deadline_ns ? end_ns : q->origin->deadline_ns);
    }
}

static void call(driver_link *k, driver_call *c) {
    messaging_request *q = messaging_receive(c, &k->settings, k->feeds, k->settings.subscription_count);
    if (q == NULL) {
        return;
    }
    sent_call *x = MEM_NEW(sent_call);
    *x = (sent_call){.link = k, .q = q};
    q->data = x;
    start_timer(k, q);
    if (nats_state_of(k->sender) == NATS_CONNECTING) {
        wait_for_connection(k, x);
    } else {
        send_call(x);
    }
}

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    messaging_request *q = c->data;
    leave(q->data);
    messaging_fail(q, STATUS_CANCELLED, "it was given up");
}

// --- connections -------------------------------------------------------------------------------------------

static uint64_t next_try(const driver_link *k) {
    uint64_t a = nats_next_try_ns(k->sender);
    uint64_t b = k->receiver == NULL ? UINT64_MAX : nats_next_try_ns(k->receiver);
    return a < b ? a : b;
}

// It is up when both are, so that whoever waits for that misses no message.
static void on_change(driver_link *k, nats_state state, const char *reason) {
    bool is_up =
        nats_state_of(k->sender) == NATS_UP && (k->receiver == NULL || nats_state_of(k->receiver) == NATS_UP);
    if (is_up) {
        nats_link_set_health(&k->base, DRIVER_UP, "", UINT64_MAX);
    } else if (state == NATS_DOWN) {
        nats_link_set_health(&k->base, DRIVER_DOWN, reason, next_try(k));
    }
}

static void on_sender_state(void *arg, nats_state state, status why, const char *reason) {
    driver_link *k = arg;
    (void)why;
    while (!list_empty(&k->waiting)) {
        messaging_request *q = LIST_ENTRY(k->waiting.next, messaging_request, node);
        sent_call *x = q->data;
        list_remove(&q->node);
        x->is_waiting = false;
        k->waiting_count--;
        k->waiting_bytes -= q->origin->payload.len;
        if (state == NATS_UP) {
            send_call(x);
        } else {
            leave(x);
            messaging_fail(q, STATUS_CLOSED, "%s", reason);
        }
    }
    on_change(k, state, reason);
}

static void on_receiver_state(void *arg, nats_state state, status why, const char *reason) {
    (void)why;
    on_change(arg, state, reason);
}

// What the server did not let be published.
static void on_sender_error(void *arg, slice text) {
    driver_link *k = arg;
    uint8_t room[NATS_SUBJECT_BYTES_MAX];
    slice subject;
    if (!nats_refused_subject(text, room, &subject)) {
        return;
    }
    for (list_node *n = k->sent.next; n != &k->sent;) {
        messaging_request *q = LIST_ENTRY(n, messaging_request, node);
        n = n->next;
        if (slice_equal(q->call.message.subject, subject)) {
            leave(q->data);
            messaging_reply_error(q, "the server does not let this link publish to %.*s", SLICE_ARG(subject));
        }
    }
}

// --- messages ----------------------------------------------------------------------------------------------

static messaging_message message_of(const nats_message *m) {
    bool has_reply_to = subject_is_plain(m->reply);
    return (messaging_message){.subject = m->subject,
                               .body = m->payload,
                               .has_reply_to = has_reply_to,
                               .reply_to = has_reply_to ? m->reply : slice_empty()};
}

static void hold(driver_link *k, subscription *s, const messaging_message *m) {
    size_t subject = m->subject.len;
    size_t body = m->body.len;
    buf_clear(&k->held_bytes);
    if (buf_append(&k->held_bytes, m->subject) != STATUS_OK ||
        buf_append(&k->held_bytes, m->body) != STATUS_OK ||
        buf_append(&k->held_bytes, m->reply_to) != STATUS_OK) {
        return; // no memory: as if it had never come
    }
    slice all = buf_slice(&k->held_bytes);
    k->held = (messaging_message){.subject = slice_sub(all, 0, subject),
                                  .body = slice_sub(all, subject, subject + body),
                                  .has_reply_to = m->has_reply_to,
                                  .reply_to = slice_sub(all, subject + body, all.len)};
    k->held_by = s;
    nats_pause(k->receiver);
}

static void on_message(void *arg, nats_subscription *base, const nats_message *m) {
    (void)base;
    subscription *s = arg;
    const messaging_message x = message_of(m);
    slice pattern = s->link->settings.subscriptions[s - s->link->subscriptions].pattern;
    if (m->payload.len > s->link->settings.body_bytes_max || !subject_is_plain(m->subject) ||
        messaging_is_hidden(pattern, m->subject)) {
        return; // more than the link takes, or not for it
    }
    if (!messaging_feed_has_room(s->feed, x.body.len)) {
        hold(s->link, s, &x);
    } else if (messaging_feed_put(s->feed, &x, NULL, NULL) != STATUS_OK) {
        return; // no memory: as if it had never come
    }
}

static void on_settled_soon(void *arg) {
    driver_link *k = arg;
    subscription *s = k->held_by;
    if (s != NULL && messaging_feed_has_room(s->feed, k->held.body.len)) {
        k->held_by = NULL;
        (void)!messaging_feed_put(s->feed, &k->held, NULL, NULL);
        nats_resume(k->receiver);
    }
}

// The feed begins with the next message after this call.
static void on_settled(void *arg, void *tag, messaging_fate fate) {
    driver_link *k = arg;
    (void)tag;
    (void)fate;
    loop_soon_add(k->base.l, &k->settled);
}

// --- links -------------------------------------------------------------------------------------------------

static void free_link(driver_link *k) {
    nats_free(k->receiver); // and with them their subscriptions
    nats_free(k->sender);
    for (size_t i = 0; k->feeds != NULL && i < k->settings.subscription_count; i++) {
        messaging_feed_free(k->feeds[i]);
    }
    loop_soon_cancel(&k->settled);
    nats_link_done(&k->base);
    messaging_settings_done(&k->settings);
    buf_done(&k->held_bytes);
    mem_free(k->subscriptions);
    mem_free(k->feeds);
    mem_free(k);
}

static status subscribe(driver_link *k, size_t i, err *e) {
    const messaging_subscription *wanted = &k->settings.subscriptions[i];
    subscription *s = &k->subscriptions[i];
    const messaging_feed_options o = {.l = k->base.l,
                                      .settings = &k->settings,
                                      .link = &k->base.options,
                                      .random = k->base.random + i,
                                      .settled = on_settled,
                                      .arg = k};
    s->link = k;
    s->feed = k->feeds[i] = messaging_feed_new(&o);
    return nats_subscribe(k->receiver, &s->base, wanted->pattern, wanted->queue, 0, on_message, s, e);
}

static status connect_all(driver_link *k, err *e) {
    size_t count = k->settings.subscription_count;
    size_t payload_max = k->settings.body_bytes_max < 1 << 20 ? 1 << 20 : (size_t)k->settings.body_bytes_max;
    nats_options sender = {
        .payload_bytes_max = payload_max, .on_state = on_sender_state, .on_error = on_sender_error, .arg = k};
    nats_options receiver = {.payload_bytes_max = payload_max, .on_state = on_receiver_state, .arg = k};
    TRY(nats_link_connect(&k->base, &sender, &k->sender, e));
    if (count == 0) {
        return STATUS_OK;
    }
    TRY(nats_link_connect(&k->base, &receiver, &k->receiver, e));
    k->subscriptions = mem_calloc(count, sizeof *k->subscriptions);
    k->feeds = mem_calloc(count, sizeof(messaging_feed *));
    for (size_t i = 0; i < count; i++) {
        TRY(subscribe(k, i, e));
    }
    return STATUS_OK;
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    driver_link_options options = k->base.options;
    free_link(k);
    options.on_closed(options.arg);
}

static status open_it(driver_link *k, const driver_environment *env, const driver_link_options *options,
                      err *e) {
    TRY(nats_link_init(&k->base, env, options, e));
    TRY(messaging_settings_read(&options->settings, &k->settings, e));
    return connect_all(k, e);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    driver_link *k = MEM_NEW(driver_link);
    list_init(&k->waiting);
    list_init(&k->sent);
    buf_init(&k->held_bytes, MESSAGING_CALL_BYTES_MAX);
    loop_soon_init(&k->settled, on_settled_soon, k);
    loop_soon_init(&k->closed, on_closed_soon, k);
    status code = open_it(k, env, options, e);
    if (code != STATUS_OK) {
        free_link(k);
        return code;
    }
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    CHECK(list_empty(&k->waiting) && list_empty(&k->sent));
    nats_free(k->receiver);
    k->receiver = NULL;
    for (size_t i = 0; i < k->settings.subscription_count; i++) {
        messaging_feed_free(k->feeds[i]); // cancels what handlers run
        k->feeds[i] = NULL;
    }
    loop_soon_cancel(&k->settled);
    loop_soon_add(k->base.l, &k->closed);
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->base.health.now; }

static status credentials(driver_link *k, const driver_values *given, err *e) {
    (void)e;
    nats_link_set_credentials(&k->base, k->sender, given);
    if (k->receiver != NULL) {
        nats_link_set_credentials(&k->base, k->receiver, given);
    }
    return STATUS_OK;
}

static const driver_setting settings[] = {
    MESSAGING_SETTINGS,
    NATS_LINK_SETTINGS,
    {NULL, NULL, false, false},
};

const driver messaging_nats = {
    .version = DRIVER_VERSION,
    .name = "nats",
    .interfaces = messaging_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
    .credentials = credentials,
    .peers = nats_link_peers,
};
