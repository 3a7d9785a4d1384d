// SPDX-License-Identifier: Apache-2.0
// One client at the door: its greeting, what it says and what it hears.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_door_internal.h"
#include "codec/base64.h"
#include "codec/subject.h"
#include "codec/utf.h"
#include "os/random.h"

enum {
    PINGS_MAX = 2,
    NONCE_RANDOM = 16,
    SHOWN_BYTES = 160,
    HEAD_BYTES = 96,
    OUT_REST_BYTES = 64 << 10,
    ANSWER_TOKENS_MAX = 16, // of a reply subject; what is looked up for each is bounded so
};

struct door_subscription {
    list_node node;
    door_subscription *next; // with the same place
    door_client *c;
    bus_subscription s;
    uint64_t count; // of messages
    uint64_t max;   // of them; 0 = no end
    size_t sid_len;
    uint8_t sid[DOOR_SID_BYTES_MAX];
};

// --- ends --------------------------------------------------------------------------------------------------

static void release(door_client *c) {
    bus_door *d = c->d;
    if (--c->holds == 0 && c->stream == NULL) {
        mem_free(c->answers);
        mem_free(c);
    }
    bus_door_release(d);
}

static void hold(door_client *c) {
    c->d->holds++;
    c->holds++;
}

static void forget(door_subscription *s) {
    door_client *c = s->c;
    door_subscription **at =
        &c->places[siphash(c->d->hash_key, slice_of(s->sid, s->sid_len)) % DOOR_SID_PLACES];
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    bus_unsubscribe(&s->s);
    list_remove(&s->node);
    c->subscription_count--;
    mem_free(s);
}

void door_client_cut(door_client *c) {
    if (c->stream == NULL) {
        return;
    }
    hold(c);
    byte_stream_free(c->stream);
    c->stream = NULL;
    loop_timer_stop(&c->timer);
    while (!list_empty(&c->subscriptions)) {
        forget(LIST_ENTRY(c->subscriptions.next, door_subscription, node));
    }
    list_remove(&c->node);
    c->d->counts.connections--;
    if (c->u != NULL) {
        c->u->connections--;
    }
    c->u = NULL;
    release(c);
}

// From the loop only.
static void end_client(door_client *c, const char *text) {
    bus_door *d = c->d;
    const bus_door_user *u = c->u;
    d->holds++;
    door_client_cut(c);
    bus_door_tell(d, u != NULL ? BUS_DOOR_WENT : BUS_DOOR_REFUSED, u, text);
    bus_door_release(d);
}

static void write_error(door_client *c, const char *text) {
    char line[BUS_SUBJECT_BYTES_MAX + 2 * DOOR_TEXT_BYTES];
    int len = snprintf(line, sizeof line, "-ERR '%s'\r\n", text);
    (void)!byte_stream_write(c->stream, slice_of(line, (size_t)len));
}

// It is told why, where it reads.
static void refuse_client(door_client *c, const char *text) {
    write_error(c, text);
    byte_stream_flush(c->stream);
    end_client(c, text);
}

// --- what it hears -----------------------------------------------------------------------------------------

static void remember_answer(door_client *c, slice reply) {
    if (c->answers != NULL && reply.len > 0) {
        c->answers[c->answer_at] = siphash(c->d->hash_key, reply);
        c->answer_at = (c->answer_at + 1) % BUS_DOOR_ANSWERS_MAX;
    }
}

static bool is_remembered(const door_client *c, slice subject) {
    uint64_t hash = siphash(c->d->hash_key, subject);
    for (size_t i = 0; i < BUS_DOOR_ANSWERS_MAX; i++) {
        if (c->answers[i] == hash) {
            return true;
        }
    }
    return false;
}

static uint8_t *put(uint8_t *to, slice bytes) {
    if (bytes.len > 0) {
        memcpy(to, bytes.data, bytes.len);
    }
    return to + bytes.len;
}

static status send_message(door_client *c, const door_subscription *s, const bus_message *m) {
    slice headers = c->has_headers ? m->headers : slice_empty();
    size_t len = headers.len + m->payload.len;
    char numbers[HEAD_BYTES];
    uint8_t *start;
    TRY(byte_stream_reserve(c->stream, m->subject.len + m->reply.len + len + HEAD_BYTES + DOOR_SID_BYTES_MAX,
                            &start));
    int count = headers.len > 0 ? snprintf(numbers, sizeof numbers, " %zu %zu\r\n", headers.len, len)
                                : snprintf(numbers, sizeof numbers, " %zu\r\n", len);
    uint8_t *to = put(start, slice_from_text(headers.len > 0 ? "HMSG " : "MSG "));
    to = put(put(to, m->subject), slice_from_text(" "));
    to = put(to, slice_of(s->sid, s->sid_len));
    if (m->reply.len > 0) {
        to = put(put(to, slice_from_text(" ")), m->reply);
    }
    to = put(to, slice_of(numbers, (size_t)count));
    to = put(put(put(to, headers), m->payload), slice_from_text("\r\n"));
    byte_stream_commit(c->stream, (size_t)(to - start));
    return STATUS_OK;
}

static void on_message(void *arg, bus_subscription *of, const bus_message *m) {
    door_subscription *s = arg;
    door_client *c = s->c;
    (void)of;
    if (!c->has_no_responders && bus_nobody_listens(m)) {
        return;
    }
    hold(c);
    if (send_message(c, s, m) != STATUS_OK) {
        c->d->counts.slow++;
        end_client(c, "it does not read what it has subscribed to");
    } else {
        remember_answer(c, m->reply);
        if (++s->count == s->max) {
            forget(s);
        }
    }
    release(c);
}

// --- what it may -------------------------------------------------------------------------------------------

static bool is_within(const door_patterns *p, slice subject) {
    for (size_t i = 0; i < p->count; i++) {
        if (subject_covers_within(slice_from_text(p->items[i]), subject, BUS_SUBJECT_BYTES_MAX)) {
            return true;
        }
    }
    return false;
}

// A reply subject that it got, or one below.
static bool may_answer(const door_client *c, slice subject) {
    if (c->answers == NULL || subject.len > BUS_SUBJECT_BYTES_MAX) {
        return false;
    }
    size_t at = 0;
    for (int i = 0; i < ANSWER_TOKENS_MAX && at != SIZE_MAX; i++) {
        at = slice_find(subject, i == 0 ? 0 : at + 1, '.');
        if (is_remembered(c, slice_sub(subject, 0, at))) {
            return true;
        }
    }
    return false;
}

static void deny(door_client *c, const char *what, slice subject) {
    char shown[SHOWN_BYTES];
    char text[DOOR_TEXT_BYTES + SHOWN_BYTES];
    snprintf(text, sizeof text, "Permissions Violation for %s \"%s\"", what,
             utf8_shown(subject, shown, sizeof shown));
    write_error(c, text);
    bus_door_tell(c->d, BUS_DOOR_DENIED, c->u, text);
}

// --- what it says ------------------------------------------------------------------------------------------

static door_subscription *find(const door_client *c, slice sid) {
    door_subscription *s = c->places[siphash(c->d->hash_key, sid) % DOOR_SID_PLACES];
    while (s != NULL && !slice_equal(slice_of(s->sid, s->sid_len), sid)) {
        s = s->next;
    }
    return s;
}

static status add_subscription(door_client *c, const door_request *r, err *e) {
    door_subscription *s = MEM_NEW(door_subscription);
    s->c = c;
    status code = bus_subscribe(c->u->b, &s->s, r->subject, r->queue, on_message, s, e);
    if (code != STATUS_OK) {
        mem_free(s);
        return code;
    }
    s->sid_len = r->sid.len;
    memcpy(s->sid, r->sid.data, r->sid.len);
    door_subscription **place = &c->places[siphash(c->d->hash_key, r->sid) % DOOR_SID_PLACES];
    s->next = *place;
    *place = s;
    list_push_back(&c->subscriptions, &s->node);
    c->subscription_count++;
    return STATUS_OK;
}

static void on_sub(door_client *c, const door_request *r) {
    err e;
    if (find(c, r->sid) != NULL) {
        return; // as servers have it
    }
    if (!subject_is_pattern_within(r->subject, BUS_SUBJECT_BYTES_MAX)) {
        write_error(c, "Invalid Subject");
    } else if (!is_within(&c->u->subscribe, r->subject)) {
        deny(c, "Subscription to", r->subject);
    } else if (c->subscription_count == c->d->options.subscriptions_max) {
        write_error(c, "maximum subscriptions exceeded");
    } else if (add_subscription(c, r, &e) != STATUS_OK) {
        write_error(c, e.code == STATUS_LIMIT ? "maximum subscriptions exceeded" : "Invalid Subject");
    }
}

static void on_unsub(door_client *c, const door_request *r) {
    door_subscription *s = find(c, r->sid);
    if (s == NULL) {
        return;
    }
    s->max = r->max;
    if (s->max == 0 || s->count >= s->max) {
        forget(s);
    }
}

static void on_pub(door_client *c, const door_request *r) {
    const bus_message m = {r->subject, r->reply, r->headers, r->payload};
    err e;
    if (!is_within(&c->u->publish, r->subject) && !may_answer(c, r->subject)) {
        deny(c, "Publish to", r->subject);
        return;
    }
    // Else somebody would answer in its place where it may not publish.
    if (r->reply.len > 0 && !is_within(&c->u->subscribe, r->reply)) {
        deny(c, "Publish with Reply of", r->reply);
        return;
    }
    status code = bus_publish(c->u->b, &m, &e);
    if (code != STATUS_OK) {
        c->d->counts.dropped++;
        write_error(c, code == STATUS_INVALID ? "Invalid Publish Subject" : "Message Was Not Taken");
    }
}

// --- the greeting ------------------------------------------------------------------------------------------

static void on_timer(void *arg) {
    door_client *c = arg;
    if (c->u == NULL) {
        refuse_client(c, "Authentication Timeout");
        return;
    }
    c->silences = c->was_heard ? 0 : c->silences + 1;
    c->was_heard = false;
    if (c->silences > PINGS_MAX) {
        refuse_client(c, "Stale Connection");
        return;
    }
    if (c->silences > 0 && byte_stream_write(c->stream, slice_from_text("PING\r\n")) != STATUS_OK) {
        c->d->counts.slow++;
        end_client(c, "it does not read");
        return;
    }
    loop_timer_start_in(&c->timer, c->d->options.ping_ns);
}

static void on_connect(door_client *c, const door_request *r) {
    const char *error = "Authorization Violation";
    door_connect said;
    bus_door_user *u = NULL;
    if (c->u != NULL) {
        return; // once is enough; what it may stays
    }
    if (door_connect_read(r->json, &said, &error) == STATUS_OK) {
        u = bus_door_find(c->d, &said, c->nonce);
    }
    if (u != NULL && u->connections >= u->connections_max) {
        error = "maximum connections exceeded";
        u = NULL;
    }
    if (u == NULL) {
        refuse_client(c, error);
        return;
    }
    c->u = u;
    u->connections++;
    c->is_verbose = said.is_verbose;
    c->has_headers = said.has_headers;
    c->has_no_responders = said.has_no_responders;
    if (u->may_answer) {
        c->answers = mem_calloc(BUS_DOOR_ANSWERS_MAX, sizeof *c->answers);
    }
    loop_timer_start_in(&c->timer, c->d->options.ping_ns);
    bus_door_tell(c->d, BUS_DOOR_CAME, u, "it is connected");
}

static status greet(door_client *c) {
    uint8_t random[NONCE_RANDOM];
    char line[512];
    auto_buf nonce = {0};
    buf_init(&nonce, DOOR_NONCE_BYTES);
    random_fill(random, sizeof random);
    TRY(base64_encode(BASE64_URL, slice_of(random, sizeof random), &nonce));
    snprintf(c->nonce, sizeof c->nonce, "%.*s", SLICE_ARG(buf_slice(&nonce)));
    int len =
        snprintf(line, sizeof line,
                 "INFO {\"server_id\":\"WRIT%016" PRIx64 "\",\"server_name\":\"writ\",\"version\":\"2.10.0\","
                 "\"proto\":1,\"go\":\"\",\"host\":\"127.0.0.1\",\"port\":4222,\"headers\":true,"
                 "\"auth_required\":true,\"jetstream\":false,\"max_payload\":%zu,\"client_id\":%" PRIu64
                 ",\"nonce\":\"%s\"}\r\n",
                 c->d->id, c->d->options.payload_bytes_max, ++c->d->last_id, c->nonce);
    return byte_stream_write(c->stream, slice_of(line, (size_t)len));
}

// --- receiving ---------------------------------------------------------------------------------------------

static void on_request(door_client *c, const door_request *r) {
    switch (r->op) {
    case DOOR_CONNECT:
        on_connect(c, r);
        break;
    case DOOR_PING:
        if (byte_stream_write(c->stream, slice_from_text("PONG\r\n")) != STATUS_OK) {
            c->d->counts.slow++;
            end_client(c, "it does not read");
        }
        return;
    case DOOR_PONG:
        return;
    case DOOR_SUB:
        on_sub(c, r);
        break;
    case DOOR_UNSUB:
        on_unsub(c, r);
        break;
    case DOOR_PUB:
        on_pub(c, r);
        break;
    }
    if (c->stream != NULL && c->is_verbose) {
        (void)!byte_stream_write(c->stream, slice_from_text("+OK\r\n"));
    }
}

static size_t on_bytes(void *arg, slice bytes) {
    door_client *c = arg;
    size_t used = 0;
    hold(c);
    c->was_heard = true;
    while (c->stream != NULL) {
        door_request r;
        size_t more = 0;
        const char *error = "";
        status code = door_parse(slice_sub(bytes, used, bytes.len), c->u != NULL,
                                 c->d->options.payload_bytes_max, &r, &more, &error);
        if (code == STATUS_NOT_FOUND) {
            break;
        }
        if (code != STATUS_OK) {
            refuse_client(c, error);
            break;
        }
        used += more;
        on_request(c, &r);
    }
    release(c);
    return used;
}

static void on_end(void *arg, status why, const err *e) {
    (void)why;
    end_client(arg, e->message);
}

void door_client_begin(bus_door *d, int fd) {
    door_client *c = MEM_NEW(door_client);
    const byte_stream_limits limits = {d->options.payload_bytes_max + DOOR_CONNECT_BYTES_MAX,
                                       d->options.out_bytes_max + OUT_REST_BYTES};
    const byte_stream_handler handler = {c, on_bytes, NULL, NULL, on_end};
    c->d = d;
    list_init(&c->subscriptions);
    if (byte_stream_new(d->options.l, fd, &limits, &handler, &c->stream, NULL) != STATUS_OK) {
        mem_free(c);
        return;
    }
    list_push_back(&d->clients, &c->node);
    d->counts.connections++;
    loop_timer_init(&c->timer, d->options.l, on_timer, c);
    loop_timer_start_in(&c->timer, d->options.greeting_ns_max);
    CHECK(greet(c) == STATUS_OK); // an empty queue has room
}
