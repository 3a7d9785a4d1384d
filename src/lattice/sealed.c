// SPDX-License-Identifier: Apache-2.0
#include "lattice/sealed.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "bus/nats_parse.h"
#include "lattice/sealed_internal.h"
#include "os/clock.h"
#include "os/random.h"

#define SECOND_NS UINT64_C(1000000000)

enum { NO_RESPONDERS = 503, ROOM_MIN = 16 << 10 };

session_now sealed_now(const sealed *s) {
    session_now now = {loop_now_ns(s->l), 0};
    if (s->options.wall_ms != NULL) {
        now.wall_ms = s->options.wall_ms(s->options.wall_arg);
    } else {
        clock_wall w = clock_wall_now();
        now.wall_ms = w.seconds * 1000 + w.nanoseconds / 1000000;
    }
    return now;
}

static void refuse(sealed *s, lattice_refused why, const sealed_peer *p, const char *text) {
    lattice_refuse(s->options.session.refusals, why, slice_from_text(p == NULL ? "" : p->name.text), text,
                   loop_now_ns(s->l));
}

// --- hosts -------------------------------------------------------------------------------------------------

static void on_greet_again(void *arg);

static sealed_peer **place_of(sealed *s, const nkey_public *host) {
    return &s->peers[siphash(s->hash_key, slice_of(host->bytes, SIGN_PUBLIC_BYTES)) % SEALED_BUCKETS];
}

sealed_peer *sealed_peer_of(sealed *s, const nkey_public *host, bool make) {
    sealed_peer **place = place_of(s, host), *p = *place;
    while (p != NULL && !nkey_public_equal(&p->host, host)) {
        p = p->next;
    }
    if (p != NULL || !make || s->peer_count == SEALED_HOSTS_MAX || host->kind != NKEY_SERVER) {
        return p;
    }
    p = MEM_NEW(sealed_peer);
    p->transport.ops = &sealed_transport_ops;
    p->s = s;
    p->host = *host;
    p->name = nkey_public_text(host);
    snprintf(p->subject, sizeof p->subject, "%s%s", s->prefix, p->name.text);
    list_init(&p->lines);
    loop_timer_init(&p->greet_again, s->l, on_greet_again, p);
    p->next = *place;
    *place = p;
    s->peer_count++;
    return p;
}

lattice_transport *sealed_to(sealed *s, const nkey_public *host) {
    sealed_peer *p = sealed_peer_of(s, host, true);
    return p == NULL ? NULL : &p->transport;
}

// --- sending -----------------------------------------------------------------------------------------------

size_t sealed_room(const sealed *s) {
    size_t max = bus_payload_max(s->bus);
    max = max < BUS_PAYLOAD_BYTES_MAX ? max : BUS_PAYLOAD_BYTES_MAX;
    max = max > ROOM_MIN ? max : ROOM_MIN; // a server that takes less than that is of no use
    return max - SESSION_OVERHEAD_BYTES;
}

static status publish(sealed_peer *p, slice reply, slice payload, err *e) {
    const bus_message m = {.subject = slice_from_text(p->subject), .reply = reply, .payload = payload};
    TRY(bus_publish(p->s->bus, &m, e));
    p->s->counters.frames_out++;
    return STATUS_OK;
}

// Where the bus says that nobody listens: for a call "{inbox}.{its number}", for a greeting "{inbox}.{host}".
typedef struct silence_subject {
    char text[BUS_INBOX_BYTES_MAX + NKEY_PUBLIC_TEXT_LEN + 2];
} silence_subject;

static silence_subject silence_of(const sealed_peer *p, const frame *f) {
    silence_subject r;
    if (f->kind == FRAME_CALL) {
        snprintf(r.text, sizeof r.text, "%s.%llu", p->s->inbox, (unsigned long long)f->call);
    } else {
        snprintf(r.text, sizeof r.text, "%s.%s", p->s->inbox, p->name.text);
    }
    return r;
}

static void tell_silent(sealed_peer *p) {
    if (p->s->options.host_silent != NULL) {
        p->s->options.host_silent(p->s->options.arg, &p->host);
    }
}

// Fails what waits for a session with a host that does not answer.
static void give_up(sealed_peer *p, const char *why) {
    p->greetings = 0;
    loop_timer_stop(&p->greet_again);
    for (list_node *n = p->lines.next, *next; n != &p->lines; n = next) {
        sealed_line *l = LIST_ENTRY(n, sealed_line, of_peer);
        next = n->next;
        if (l->is_waiting) {
            // What was not sent was not done.
            sealed_line_end_later(l, l->epoch == 0 ? STATUS_NOT_FOUND : STATUS_CLOSED, why);
        }
    }
    tell_silent(p);
}

// Sends a greeting: by the session that ends soon, if there is one, so that no flood keeps it from being
// heard.
static void greet(sealed_peer *p) {
    sealed *s = p->s;
    auto_buf hello = {0};
    frame f = {.kind = FRAME_GREET};
    buf_init(&hello, SESSION_HELLO_BYTES_MAX);
    status code = sessions_greet(s->sessions, &p->host, sealed_now(s), &hello, NULL);
    if (code == STATUS_OK && sessions_to(s->sessions, &p->host, sealed_now(s)) != NULL) {
        code = sealed_send(p, NULL, &f, buf_slice(&hello), NULL);
    } else if (code == STATUS_OK) {
        silence_subject silence = silence_of(p, &f);
        code = publish(p, slice_from_text(silence.text), buf_slice(&hello), NULL);
    }
    p->greetings += code == STATUS_OK || p->greetings == 0;
    loop_timer_start_in(&p->greet_again, (SECOND_NS / 4) << p->greetings);
}

static void on_greet_again(void *arg) {
    sealed_peer *p = arg;
    if (p->greetings >= SEALED_GREETINGS_MAX) {
        give_up(p, "it did not answer our greeting: it is gone, or does not believe us (its log says why)");
    } else {
        greet(p);
    }
}

static status build(sealed *s, session *c, const frame *f, slice body, err *e) {
    uint8_t *head;
    buf_clear(&s->frame);
    status code = buf_reserve(&s->frame, SESSION_OVERHEAD_BYTES + FRAME_CALL_BYTES_MAX + body.len, &head);
    s->frame.len = SESSION_HEAD_BYTES;
    code = code == STATUS_OK ? frame_write(f, &s->frame) : code;
    code = code == STATUS_OK ? buf_append(&s->frame, body) : code;
    if (code == STATUS_INVALID) {
        return err_set(e, code, "a name in the call is too long, or has characters that names do not have");
    }
    return code == STATUS_OK ? session_seal(c, &s->frame, e) : err_set(e, code, "a frame that is too long");
}

status sealed_send(sealed_peer *p, sealed_line *l, frame *f, slice body, err *e) {
    sealed *s = p->s;
    silence_subject silence = {0};
    session_now now = sealed_now(s);
    session *c = sessions_to(s->sessions, &p->host, now);
    if (c == NULL) {
        if (p->greetings == 0) {
            greet(p);
        }
        return err_set(e, STATUS_NOT_FOUND, "there is no session with host %s", p->name.text);
    }
    if (l != NULL && l->epoch != 0 && l->epoch != session_epoch(c)) {
        return err_set(e, STATUS_CLOSED, "host %s has started anew", p->name.text);
    }
    if (f->kind == FRAME_CALL) {
        silence = silence_of(p, f);
    }
    TRY(build(s, c, f, body, e));
    TRY(publish(p, slice_from_text(silence.text), buf_slice(&s->frame), e));
    if (l != NULL) {
        l->epoch = session_epoch(c);
    }
    if (f->kind == FRAME_CALL) {
        session_expect(c, now);
    }
    if (p->greetings == 0 && f->kind != FRAME_GREET && session_is_due(c, now)) {
        greet(p);
    }
    return STATUS_OK;
}

// A word by a session, which nobody misses when it is lost.
static void say(sealed *s, session *c, frame_kind kind) {
    const frame f = {.kind = kind};
    sealed_peer *p = sealed_peer_of(s, session_host(c), true);
    if (p == NULL || build(s, c, &f, slice_empty(), NULL) != STATUS_OK ||
        publish(p, slice_empty(), buf_slice(&s->frame), NULL) != STATUS_OK) {
        return;
    }
    if (kind == FRAME_HERE) {
        session_expect(c, sealed_now(s));
    }
}

// --- sessions ----------------------------------------------------------------------------------------------

static void session_is_there(sealed_peer *p) {
    for (list_node *n = p->lines.next; n != &p->lines && p->waiting > 0; n = n->next) {
        sealed_line *l = LIST_ENTRY(n, sealed_line, of_peer);
        if (l->is_waiting) {
            sealed_line_need_work(l);
        }
    }
}

static void take_hello(sealed *s, slice hello, const session *within) {
    auto_buf welcome = {0};
    nkey_public host;
    buf_init(&welcome, SESSION_HELLO_BYTES_MAX);
    if (sessions_answer(s->sessions, hello, within, sealed_now(s), &host, &welcome, NULL) != STATUS_OK) {
        return;
    }
    sealed_peer *p = sealed_peer_of(s, &host, true);
    if (p != NULL && publish(p, slice_empty(), buf_slice(&welcome), NULL) == STATUS_OK) {
        s->counters.handshakes++;
    }
}

static void take_welcome(sealed *s, slice welcome) {
    session *c;
    if (sessions_finish(s->sessions, welcome, sealed_now(s), &c, NULL) != STATUS_OK) {
        return;
    }
    sealed_peer *p = sealed_peer_of(s, session_host(c), false);
    s->counters.handshakes++;
    if (p != NULL) {
        p->greetings = 0;
        loop_timer_stop(&p->greet_again);
        say(s, c, FRAME_HERE); // who welcomed us knows now that we have the keys
        session_is_there(p);
    }
}

// A life of a host has ended: what was sent to it may have been done.
static void end_lines(sealed_peer *p, uint64_t epoch) {
    for (list_node *n = p->lines.next; n != &p->lines; n = n->next) {
        sealed_line *l = LIST_ENTRY(n, sealed_line, of_peer);
        if (l->epoch != 0 && l->epoch <= epoch) {
            sealed_line_end_later(l, STATUS_CLOSED, "it has ended, or has started anew, during the call");
        }
    }
}

static void on_host_ended(void *arg, const nkey_public *host, uint64_t epoch) {
    sealed *s = arg;
    sealed_peer *p = sealed_peer_of(s, host, false);
    if (p != NULL) {
        end_lines(p, epoch);
    }
    if (s->options.host_ended != NULL && !s->is_told) {
        s->options.host_ended(s->options.arg, host, epoch);
    }
}

void sealed_host_ended(sealed *s, const nkey_public *host, uint64_t epoch) {
    sealed_peer *p = sealed_peer_of(s, host, false);
    if (epoch != UINT64_MAX) {
        s->is_told = true; // by who asks for it, who need not be told
        sessions_end_host(s->sessions, host, epoch, sealed_now(s));
        s->is_told = false;
    }
    if (p != NULL) {
        end_lines(p, epoch == UINT64_MAX ? epoch : epoch - 1);
        if (epoch == UINT64_MAX && p->waiting > 0) {
            give_up(p, "it is not there any more");
        }
    }
}

static void say_goodbye(void *arg, session *c) { say(arg, c, FRAME_GOODBYE); }

void sealed_goodbye(sealed *s) { sessions_each(s->sessions, sealed_now(s), say_goodbye, s); }

// --- receiving ---------------------------------------------------------------------------------------------

static void answer_ask(sealed_peer *p, const sealed_line *l, const frame *asked) {
    frame f = {.kind = FRAME_STATE,
               .call = asked->call,
               .index = l == NULL ? 0 : l->out_index,
               .is_known = l != NULL,
               .received = l == NULL ? 0 : l->in_index,
               .asked = asked->index};
    (void)!sealed_send(p, NULL, &f, slice_empty(), NULL); // it asks again
}

static void take_frame(sealed *s, session *c, const frame *f, slice bytes) {
    const uint64_t epoch = session_epoch(c);
    sealed_peer *p = sealed_peer_of(s, session_host(c), true);
    if (p == NULL) {
        return;
    }
    if (p->waiting > 0) {
        session_is_there(p);
    }
    if (f->kind == FRAME_GREET) {
        take_hello(s, f->body, c);
        return;
    }
    if (f->kind == FRAME_HERE) {
        say(s, c, FRAME_HEARD);
        return;
    }
    if (f->kind == FRAME_HEARD) {
        return;
    }
    if (f->kind == FRAME_GOODBYE) {
        const nkey_public host = p->host;
        sessions_end_host(s->sessions, &host, epoch + 1, sealed_now(s));
        return;
    }
    sealed_line *l = f->is_from_caller ? sealed_serve_find(s, p, f->call) : sealed_call_find(s, f->call);
    if (f->kind == FRAME_ASK) {
        answer_ask(p, l != NULL && l->epoch == epoch ? l : NULL, f);
        return;
    }
    if (f->kind == FRAME_STATE) {
        if (l != NULL && l->peer == p && l->epoch == epoch) {
            sealed_call_take_state(l, f);
        }
        return;
    }
    if (l == NULL && f->kind == FRAME_CALL) {
        sealed_serve_call(p, epoch, f, &s->plain, s->plain_size);
    } else if (l != NULL && (l->peer != p || l->epoch != epoch)) {
        refuse(s, LATTICE_REFUSED_FAKE_REPLY, p, "a message about a call that is not of that host");
    } else if (l != NULL) {
        sealed_line_take(l, f, bytes);
    } // else it comes after the end of the call
}

static bool plain_room(sealed *s, size_t len) {
    if (s->plain_size < len || s->plain == NULL) {
        mem_free(s->plain);
        s->plain = mem_try_alloc(len);
        s->plain_size = len;
    }
    return s->plain != NULL;
}

// What a call keeps should not be a large block with a small call in it.
static bool trim_plain(sealed *s, size_t len) {
    uint8_t *exact = s->plain_size > 2 * len + 4096 ? mem_try_alloc(len) : NULL;
    if (exact == NULL) {
        return false;
    }
    memcpy(exact, s->plain, len);
    mem_free(s->plain);
    s->plain = exact;
    s->plain_size = len;
    return true;
}

static void take_sealed(sealed *s, slice payload) {
    session *c;
    frame f;
    size_t len;
    if (payload.len > BUS_PAYLOAD_BYTES_MAX || !plain_room(s, payload.len)) {
        refuse(s, LATTICE_REFUSED_TOO_LARGE, NULL, "a message that is longer than any of ours");
        return;
    }
    if (sessions_open(s->sessions, payload, sealed_now(s), &c, s->plain, &len, NULL) != STATUS_OK) {
        return;
    }
    s->counters.frames_in++;
    slice bytes = slice_of(s->plain, len);
    bool is_good = frame_read(bytes, &f);
    if (is_good && f.kind == FRAME_CALL && trim_plain(s, len)) {
        bytes = slice_of(s->plain, len);
        is_good = frame_read(bytes, &f);
    }
    if (!is_good) {
        refuse(s, LATTICE_REFUSED_MALFORMED, sealed_peer_of(s, session_host(c), false),
               "a sealed message that is no frame");
        return;
    }
    take_frame(s, c, &f, bytes);
}

static void on_own(void *arg, WRIT_UNUSED bus_subscription *sub, const bus_message *m) {
    sealed *s = arg;
    switch (m->payload.len > 0 ? m->payload.data[0] : 0) {
    case SESSION_SEALED:
        take_sealed(s, m->payload);
        break;
    case SESSION_HELLO:
        take_hello(s, m->payload, NULL);
        break;
    case SESSION_WELCOME:
        take_welcome(s, m->payload);
        break;
    default:
        refuse(s, LATTICE_REFUSED_MALFORMED, NULL, "a message to this host that is none of this protocol");
    }
}

// Nothing is known but that a call was not heard of; whether it was done, only the other host could say.
static void call_is_silent(sealed *s, uint64_t number) {
    sealed_line *l = sealed_call_find(s, number);
    if (l != NULL) {
        sealed_peer *p = l->peer;
        sealed_call_finish(l, STATUS_CLOSED, "nobody listens where it was");
        tell_silent(p);
    }
}

// The bus says that nobody listens at a subject of ours; nothing else is taken here.
static void on_silence(void *arg, WRIT_UNUSED bus_subscription *sub, const bus_message *m) {
    sealed *s = arg;
    slice token = slice_sub(m->subject, strlen(s->inbox) + 1, m->subject.len), text;
    nkey_public host;
    uint64_t number;
    if (nats_headers_status(m->headers, &text) != NO_RESPONDERS || m->payload.len != 0) {
        refuse(s, LATTICE_REFUSED_FAKE_REPLY, NULL, "an answer to where no answers are taken");
        return;
    }
    if (slice_to_u64(token, &number)) {
        call_is_silent(s, number);
        return;
    }
    sealed_peer *p =
        nkey_public_parse(token, &host, NULL) == STATUS_OK ? sealed_peer_of(s, &host, false) : NULL;
    if (p != NULL && p->greetings > 0) {
        give_up(p, "nobody listens where it was");
    }
}

// --- from the loop -----------------------------------------------------------------------------------------

static void on_soon(void *arg) {
    sealed *s = arg;
    list_node now; // what is added meanwhile waits for the next turn
    list_init(&now);
    for (list_node *n; (n = list_pop_front(&s->works)) != NULL;) {
        list_push_back(&now, n);
    }
    for (list_node *n; (n = list_pop_front(&now)) != NULL;) {
        sealed_line_work(LIST_ENTRY(n, sealed_line, work));
    }
}

static void on_retry(void *arg) {
    sealed *s = arg;
    for (list_node *n; (n = list_pop_front(&s->blocked)) != NULL;) {
        sealed_line_need_work(LIST_ENTRY(n, sealed_line, blocked));
    }
}

// A session that was lost with the life of its host is silent: another one is made for what comes next.
static void look_after(sealed_peer *p, session_now now) {
    sealed *s = p->s;
    session *c = sessions_to(s->sessions, &p->host, now);
    uint64_t silence_ns = c == NULL ? 0 : session_unheard_ns(c, now);
    for (list_node *n = p->lines.next; n != &p->lines; n = n->next) {
        sealed_line *l = LIST_ENTRY(n, sealed_line, of_peer);
        if (l->is_ours && silence_ns >= SEALED_SILENCE_NS && l->epoch == session_epoch(c)) {
            sealed_line_end_later(l, STATUS_CLOSED, "it has not been heard of for seconds");
        } else if (l->is_ours) {
            sealed_call_look_after(l);
        }
    }
    if (silence_ns >= SEALED_SILENCE_NS) {
        session_pass_over(c);
        if (!list_empty(&p->lines) && p->greetings == 0) {
            greet(p);
        }
    } else if (silence_ns >= SEALED_ASK_NS) {
        say(s, c, FRAME_HERE);
    }
}

static void on_tick(void *arg) {
    sealed *s = arg;
    const session_now now = sealed_now(s);
    sessions_tick(s->sessions, now);
    for (size_t i = 0; i < SEALED_BUCKETS; i++) {
        for (sealed_peer *p = s->peers[i]; p != NULL; p = p->next) {
            look_after(p, now);
        }
    }
    loop_timer_start_in(&s->tick, SECOND_NS);
}

// --- making ------------------------------------------------------------------------------------------------

static status subscribe(sealed *s, err *e) {
    char text[SEALED_SUBJECT_BYTES_MAX + NKEY_PUBLIC_TEXT_LEN + 1], inbox[BUS_INBOX_BYTES_MAX];
    const nkey_public self = nkey_public_of(s->options.session.key);
    snprintf(text, sizeof text, "%s%s", s->prefix, nkey_public_text(&self).text);
    TRY(bus_subscribe(s->bus, &s->own, slice_from_text(text), slice_empty(), on_own, s, e));
    slice name = bus_inbox(s->bus, inbox);
    memcpy(s->inbox, name.data, name.len);
    snprintf(text, sizeof text, "%s.*", s->inbox);
    return bus_subscribe(s->bus, &s->silence, slice_from_text(text), slice_empty(), on_silence, s, e);
}

static void fill(const sealed *s, void *bytes, size_t len) {
    const sessions_options *o = &s->options.session;
    if (o->random != NULL) {
        o->random(o->random_arg, bytes, len);
    } else {
        random_fill(bytes, len);
    }
}

status sealed_new(const sealed_options *o, sealed **ret, err *e) {
    sealed *s = MEM_NEW(sealed);
    s->options = *o;
    s->bus = o->bus;
    s->l = o->bus->loop;
    s->options.session.host_ended = on_host_ended;
    s->options.session.arg = s;
    s->calls = mem_calloc(SEALED_CALLS_MAX, sizeof *s->calls);
    fill(s, &s->hash_key, sizeof s->hash_key);
    fill(s, &s->first_use, sizeof s->first_use);
    list_init(&s->works);
    list_init(&s->blocked);
    loop_soon_init(&s->soon, on_soon, s);
    loop_timer_init(&s->retry, s->l, on_retry, s);
    loop_timer_init(&s->tick, s->l, on_tick, s);
    buf_init(&s->frame, BUS_PAYLOAD_BYTES_MAX + SESSION_OVERHEAD_BYTES + FRAME_CALL_BYTES_MAX);
    snprintf(s->prefix, sizeof s->prefix, "writ.v1.%.*s.host.", SLICE_ARG(o->session.lattice));
    status code = sessions_new(&s->options.session, sealed_now(s), &s->sessions, e);
    code = code == STATUS_OK ? subscribe(s, e) : code;
    if (code != STATUS_OK) {
        sealed_free(s);
        return code;
    }
    loop_timer_start_in(&s->tick, SECOND_NS);
    *ret = s;
    return STATUS_OK;
}

static void drop_lines(sealed_peer *p) {
    while (!list_empty(&p->lines)) {
        sealed_line *l = LIST_ENTRY(p->lines.next, sealed_line, of_peer);
        if (l->is_ours) {
            l->call->transport = NULL;
            l->call->impl = NULL;
            sealed_line_close(l);
        } else {
            sealed_serve_finish(l, STATUS_CLOSED);
        }
    }
}

static void free_peers(sealed *s) {
    for (size_t i = 0; i < SEALED_BUCKETS; i++) {
        for (sealed_peer *p = s->peers[i]; p != NULL; p = p->next) {
            drop_lines(p);
        }
    }
    for (size_t i = 0; i < SEALED_BUCKETS; i++) {
        for (sealed_peer *p; (p = s->peers[i]) != NULL;) {
            s->peers[i] = p->next;
            loop_timer_stop(&p->greet_again);
            mem_free(p);
        }
    }
}

void sealed_free(sealed *s) {
    if (s == NULL) {
        return;
    }
    bus_unsubscribe(&s->own);
    bus_unsubscribe(&s->silence);
    free_peers(s);
    loop_timer_stop(&s->tick);
    loop_timer_stop(&s->retry);
    loop_soon_cancel(&s->soon);
    for (sealed_line *l; (l = s->free_lines) != NULL;) {
        s->free_lines = l->next;
        mem_free(l);
    }
    sessions_free(s->sessions);
    buf_done(&s->frame);
    mem_free(s->plain);
    mem_free(s->calls);
    mem_free(s);
}

sessions *sealed_sessions(sealed *s) { return s->sessions; }
sealed_counters sealed_count(const sealed *s) { return s->counters; }
