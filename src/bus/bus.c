// SPDX-License-Identifier: Apache-2.0
// What all implementations have in common: names and sizes are checked here, once.
#include "bus/bus.h"

#include <inttypes.h>

#include "base/check.h"
#include "bus/nats_parse.h"
#include "codec/subject.h"

enum { NO_RESPONDERS = 503 };

// --- the connection ----------------------------------------------------------------------------------------

void bus_init(bus *b, const bus_ops *ops, loop *l) {
    b->ops = ops;
    b->loop = l;
    list_init(&b->watchers);
}

static void on_gather_lost(void *arg, bool is_up, const char *reason);

void bus_free(bus *b) {
    if (b == NULL) {
        return;
    }
    while (!list_empty(&b->watchers)) {
        bus_watcher *w = LIST_ENTRY(b->watchers.next, bus_watcher, node);
        if (w->changed == on_gather_lost) {
            bus_gather_cancel(w->arg);
        }
        bus_remove_watcher(w);
    }
    b->ops->free(b);
}

bool bus_is_up(const bus *b) { return b->ops->is_up(b); }
size_t bus_payload_max(const bus *b) { return b->ops->payload_max(b); }
uint64_t bus_dropped(const bus *b) { return b->ops->dropped(b); }
slice bus_inbox(bus *b, char ret[BUS_INBOX_BYTES_MAX]) { return b->ops->inbox(b, ret); }

void bus_add_watcher(bus *b, bus_watcher *w) {
    CHECK(w->node.next == NULL);
    list_push_back(&b->watchers, &w->node);
}

void bus_remove_watcher(bus_watcher *w) {
    if (w->node.next != NULL) {
        list_remove(&w->node);
        w->node = (list_node){0};
    }
}

typedef struct news {
    bool is_complaint;
    bool is_up;
    const char *text;
} news;

static void tell_one(const bus_watcher *w, const news *n) {
    if (n->is_complaint && w->complains != NULL) {
        w->complains(w->arg, n->text);
    } else if (!n->is_complaint && w->changed != NULL) {
        w->changed(w->arg, n->is_up, n->text);
    }
}

// A mark goes through the list, so that anybody may come and go meanwhile.
static void tell_all(bus *b, const news *told) {
    bus_watcher mark = {0};
    list_push_back(b->watchers.next, &mark.node); // in front of the first
    for (list_node *n; (n = mark.node.next) != &b->watchers;) {
        const bus_watcher *w = LIST_ENTRY(n, bus_watcher, node);
        list_remove(&mark.node);
        list_push_back(n->next, &mark.node);
        tell_one(w, told);
        if (mark.node.next == NULL) {
            return; // the bus was freed
        }
    }
    list_remove(&mark.node);
}

void bus_tell_watchers(bus *b, bool is_up, const char *reason) {
    tell_all(b, &(news){.is_up = is_up, .text = reason});
}

void bus_tell_complaint(bus *b, const char *text) {
    tell_all(b, &(news){.is_complaint = true, .text = text});
}

// --- checks ------------------------------------------------------------------------------------------------

static status check_subject(slice subject, bool is_pattern, err *e) {
    bool ok = is_pattern ? subject_is_pattern_within(subject, BUS_SUBJECT_BYTES_MAX)
                         : subject_is_plain_within(subject, BUS_SUBJECT_BYTES_MAX);
    return ok ? STATUS_OK
              : err_set(e, STATUS_INVALID,
                        "\"%.*s\" is no subject: tokens with dots between them, at most %d bytes, without "
                        "blanks%s",
                        SLICE_ARG(slice_sub(subject, 0, BUS_SUBJECT_BYTES_MAX)), BUS_SUBJECT_BYTES_MAX,
                        is_pattern ? "" : " and wildcards");
}

static status check_headers(slice headers, err *e) {
    static const char end[] = "\r\n\r\n";
    bool ok = headers.len == 0 ||
              (slice_starts_with(headers, "NATS/1.0") &&
               slice_equal_text(slice_sub(headers, headers.len - (sizeof end - 1), headers.len), end));
    return ok ? STATUS_OK : err_set(e, STATUS_INVALID, "headers that are no block of headers");
}

static status check_message(const bus *b, const bus_message *m, err *e) {
    size_t max = bus_payload_max(b);
    TRY(check_subject(m->subject, false, e));
    if (m->reply.len > 0) {
        TRY(check_subject(m->reply, false, e));
    }
    TRY(check_headers(m->headers, e));
    if (!bus_is_up(b)) {
        return err_set(e, STATUS_CLOSED, "there is no connection to the lattice's bus");
    }
    if (m->headers.len > max || m->payload.len > max - m->headers.len) {
        return err_set(e, STATUS_LIMIT, "a message of %zu bytes for \"%.*s\", and the bus takes %zu",
                       m->headers.len + m->payload.len, SLICE_ARG(m->subject), max);
    }
    return STATUS_OK;
}

static bool is_letter_or_digit(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool has_only(slice name, const char *more, size_t bytes_max) {
    for (size_t i = 0; i < name.len; i++) {
        if (!is_letter_or_digit(name.data[i]) &&
            (name.data[i] == '\0' || strchr(more, name.data[i]) == NULL)) {
            return false;
        }
    }
    return name.len > 0 && name.len <= bytes_max;
}

static status check_bucket(slice bucket, err *e) {
    return has_only(bucket, "_-", BUS_BUCKET_BYTES_MAX)
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "\"%.*s\" is no name of a bucket: 1 to %d letters, digits, '_' and '-'",
                         SLICE_ARG(slice_sub(bucket, 0, BUS_BUCKET_BYTES_MAX)), BUS_BUCKET_BYTES_MAX);
}

bool bus_key_is_valid(slice key) {
    return has_only(key, "-/_=.", BUS_KEY_BYTES_MAX) && subject_is_plain_within(key, BUS_KEY_BYTES_MAX);
}

static status check_key(slice key, err *e) {
    return bus_key_is_valid(key)
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "\"%.*s\" is no key: 1 to %d letters, digits and \"-/_=.\", no '.' at an end or "
                         "next to another",
                         SLICE_ARG(slice_sub(key, 0, BUS_KEY_BYTES_MAX)), BUS_KEY_BYTES_MAX);
}

// --- messages ----------------------------------------------------------------------------------------------

bool bus_nobody_listens(const bus_message *m) {
    slice text;
    return m->payload.len == 0 && nats_headers_status(m->headers, &text) == NO_RESPONDERS;
}

status bus_publish(bus *b, const bus_message *m, err *e) {
    TRY(check_message(b, m, e));
    return b->ops->publish(b, m, e);
}

status bus_subscribe(bus *b, bus_subscription *s, slice subject, slice queue, bus_on_message on_message,
                     void *arg, err *e) {
    CHECK(s->b == NULL);
    TRY(check_subject(subject, true, e));
    if (queue.len > 0) {
        TRY(check_subject(queue, false, e));
    }
    *s = (bus_subscription){.b = b, .on_message = on_message, .arg = arg};
    status code = b->ops->subscribe(b, s, subject, queue, e);
    if (code != STATUS_OK) {
        *s = (bus_subscription){0};
    }
    return code;
}

void bus_unsubscribe(bus_subscription *s) {
    if (s->b != NULL) {
        s->b->ops->unsubscribe(s);
        *s = (bus_subscription){0};
    }
}

status bus_request_start(bus *b, bus_request *r, const bus_message *m, uint64_t deadline_ns,
                         void (*ended)(void *arg, const bus_result *result), void *arg, err *e) {
    CHECK(r->b == NULL && m->reply.len == 0);
    TRY(check_message(b, m, e));
    *r = (bus_request){.b = b, .ended = ended, .arg = arg};
    status code = b->ops->request(b, r, m, deadline_ns, e);
    if (code != STATUS_OK) {
        *r = (bus_request){0};
    }
    return code;
}

void bus_request_cancel(bus_request *r) {
    if (r->b != NULL) {
        r->b->ops->request_cancel(r);
        *r = (bus_request){0};
    }
}

// --- scatter and gather ------------------------------------------------------------------------------------

void bus_gather_cancel(bus_gather *g) {
    bus_unsubscribe(&g->inbox);
    bus_remove_watcher(&g->lost);
    loop_timer_stop(&g->deadline);
    loop_timer_stop(&g->quiet);
    g->b = NULL;
}

static void end_gather(bus_gather *g, status code) {
    bus_gather_cancel(g);
    g->ended(g->arg, code);
}

static void on_gather_end(void *arg) { end_gather(arg, STATUS_OK); }

static void on_gather_lost(void *arg, bool is_up, const char *reason) {
    (void)reason;
    if (!is_up) {
        end_gather(arg, STATUS_CLOSED);
    }
}

static void on_gather_answer(void *arg, bus_subscription *s, const bus_message *m) {
    bus_gather *g = arg;
    (void)s;
    if (bus_nobody_listens(m)) {
        if (g->count == 0) {
            end_gather(g, STATUS_NOT_FOUND);
        }
        return;
    }
    bool is_last = ++g->count == g->max;
    if (is_last) {
        bus_unsubscribe(&g->inbox);
        loop_timer_start_in(&g->deadline, 0); // unless the callback cancels
    }
    if (g->quiet_ns > 0) {
        loop_timer_start_in(&g->quiet, g->quiet_ns);
    }
    g->answer(g->arg, m);
}

status bus_gather_start(bus *b, bus_gather *g, const bus_message *m, uint64_t deadline_ns, uint64_t quiet_ns,
                        size_t max, err *e) {
    CHECK(g->b == NULL && m->reply.len == 0);
    char room[BUS_INBOX_BYTES_MAX];
    bus_message sent = *m;
    sent.reply = bus_inbox(b, room);
    TRY(check_message(b, &sent, e));
    g->b = b;
    g->quiet_ns = quiet_ns;
    g->count = 0;
    g->max = max == 0 || max > BUS_ANSWERS_MAX ? BUS_ANSWERS_MAX : max;
    g->lost = (bus_watcher){.changed = on_gather_lost, .arg = g};
    g->inbox = (bus_subscription){0};
    loop_timer_init(&g->deadline, b->loop, on_gather_end, g);
    loop_timer_init(&g->quiet, b->loop, on_gather_end, g);
    status code = bus_subscribe(b, &g->inbox, sent.reply, slice_empty(), on_gather_answer, g, e);
    code = code == STATUS_OK ? b->ops->publish(b, &sent, e) : code;
    if (code != STATUS_OK) {
        bus_gather_cancel(g);
        return code;
    }
    bus_add_watcher(b, &g->lost);
    loop_timer_start_at(&g->deadline, deadline_ns);
    return STATUS_OK;
}

// --- buckets -----------------------------------------------------------------------------------------------

static void begin_op(bus *b, bus_kv_op *o, bus_kv_ended ended, void *arg) {
    CHECK(o->b == NULL);
    *o = (bus_kv_op){.b = b, .ended = ended, .arg = arg};
}

static status begun(bus_kv_op *o, status code) {
    if (code != STATUS_OK) {
        *o = (bus_kv_op){0};
    }
    return code;
}

status bus_kv_open(bus *b, bus_kv_op *o, slice bucket, uint64_t deadline_ns, bus_kv_ended ended, void *arg,
                   err *e) {
    TRY(check_bucket(bucket, e));
    begin_op(b, o, ended, arg);
    return begun(o, b->ops->kv_open(b, o, bucket, deadline_ns, e));
}

status bus_kv_get(bus *b, bus_kv_op *o, slice bucket, slice key, uint64_t deadline_ns, bus_kv_ended ended,
                  void *arg, err *e) {
    TRY(check_bucket(bucket, e));
    TRY(check_key(key, e));
    begin_op(b, o, ended, arg);
    return begun(o, b->ops->kv_get(b, o, bucket, key, deadline_ns, e));
}

status bus_kv_change(bus *b, bus_kv_op *o, slice bucket, const bus_kv_entry *change, uint64_t expected,
                     uint64_t deadline_ns, bus_kv_ended ended, void *arg, err *e) {
    TRY(check_bucket(bucket, e));
    TRY(check_key(change->key, e));
    if (change->value.len > BUS_PAYLOAD_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "the value of \"%.*s\" has %zu bytes, at most %d are kept",
                       SLICE_ARG(change->key), change->value.len, BUS_PAYLOAD_BYTES_MAX);
    }
    begin_op(b, o, ended, arg);
    return begun(o, b->ops->kv_change(b, o, bucket, change, expected, deadline_ns, e));
}

status bus_kv_put(bus *b, bus_kv_op *o, slice bucket, slice key, slice value, uint64_t expected,
                  uint64_t deadline_ns, bus_kv_ended ended, void *arg, err *e) {
    const bus_kv_entry change = {.key = key, .value = value, .kind = BUS_KV_PUT};
    return bus_kv_change(b, o, bucket, &change, expected, deadline_ns, ended, arg, e);
}

status bus_kv_remove(bus *b, bus_kv_op *o, slice bucket, slice key, bus_kv_kind kind, uint64_t expected,
                     uint64_t deadline_ns, bus_kv_ended ended, void *arg, err *e) {
    const bus_kv_entry change = {.key = key, .kind = kind};
    CHECK(kind != BUS_KV_PUT);
    return bus_kv_change(b, o, bucket, &change, expected, deadline_ns, ended, arg, e);
}

void bus_kv_cancel(bus_kv_op *o) {
    if (o->b != NULL) {
        o->b->ops->kv_cancel(o);
        *o = (bus_kv_op){0};
    }
}

status bus_kv_watch_start(bus *b, bus_kv_watch *w, slice bucket, err *e) {
    CHECK(w->b == NULL);
    TRY(check_bucket(bucket, e));
    w->b = b;
    w->impl = NULL;
    status code = b->ops->watch(b, w, bucket, e);
    if (code != STATUS_OK) {
        w->b = NULL;
    }
    return code;
}

void bus_kv_watch_stop(bus_kv_watch *w) {
    if (w->b != NULL) {
        w->b->ops->watch_stop(w);
        w->b = NULL;
        w->impl = NULL;
    }
}
