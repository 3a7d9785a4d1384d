// SPDX-License-Identifier: Apache-2.0
// The one who is called.
#include <stdio.h>

#include "base/mem.h"
#include "bus/nats.h"
#include "codec/utf.h"
#include "lattice/wrpc_internal.h"
#include "lattice/wrpc_names.h"

typedef struct serving {
    lattice_served q; // in front: see lattice_served
    wrpc_line line;
    buf names; // what q.invocation points at, but the parameters
    bool is_called;
    bool is_answered;
    bool is_failed;
    bool has_streams;
    status outcome; // of a call that failed
} serving;

enum { NAME_BYTES_MAX = 256, TRACE_BYTES_MAX = 128, MARK_BYTES_MAX = 1024 };

static serving *serving_of(wrpc_line *l) { return LIST_ENTRY(l, serving, line); }
static serving *serving_at(lattice_served *q) { return (serving *)(void *)q; }

// --- the end -----------------------------------------------------------------------------------------------

static void end_serving(serving *s, status code) {
    bool is_called = s->is_called;
    s->is_called = false;
    wrpc_line_close(&s->line);
    if (is_called && s->q.ops != NULL) {
        s->q.ops->ended(&s->q, code);
    }
}

static void put_mark(buf *b, status code, const char *why) {
    char reason[WRPC_REASON_BYTES_MAX];
    utf8_shown(slice_from_text(why), reason, sizeof reason);
    bool is_put =
        nats_headers_begin(b) == STATUS_OK &&
        nats_headers_put(b, slice_from_text(WRPC_HEADER_STATUS), slice_from_text(status_name(code))) ==
            STATUS_OK &&
        nats_headers_put(b, slice_from_text(WRPC_HEADER_REASON), slice_from_text(reason)) == STATUS_OK &&
        nats_headers_end(b) == STATUS_OK;
    if (!is_put) {
        buf_clear(b);
    }
}

// The marks without what belongs in front of them: the caller sees an answer that ends early.
static void send_failure(serving *s, status code, const char *why) {
    auto_buf mark;
    buf_init(&mark, MARK_BYTES_MAX);
    put_mark(&mark, code, why);
    wrpc_line_end_all(&s->line, buf_slice(&mark));
}

static void on_failure(wrpc_line *l, status code, const char *why) {
    serving *s = serving_of(l);
    if (code != STATUS_CLOSED) {
        send_failure(s, code, why);
    }
    end_serving(s, code);
}

static void on_deadline(wrpc_line *l) {
    serving *s = serving_of(l);
    on_failure(l, STATUS_TIMEOUT,
               s->is_called ? "no answer in the time that calls have here"
                            : "the parameters did not come in time");
}

// --- the call ----------------------------------------------------------------------------------------------

static void answer(lattice_served *q, slice results) {
    serving *s = serving_at(q);
    wrpc_line *l = &s->line;
    if (s->is_answered || s->is_failed) {
        return;
    }
    s->is_answered = true;
    s->has_streams = lattice_results_have_streams(&q->down, results);
    l->root_out.lent = results;
    l->root_out.is_ended = true;
    l->is_open = s->has_streams;
    bool is_well = wrpc_line_flush(l);
    slice rest = l->root_out.lent;
    l->root_out.lent = slice_empty();
    if (is_well && buf_append(&l->root_out.bytes, rest) != STATUS_OK) {
        wrpc_line_fail_soon(l, STATUS_LIMIT, "the results are longer than a call may have");
    }
    loop_soon_add(l->w->options.loop, &l->soon);
}

static void fail(lattice_served *q, status code, const char *why) {
    serving *s = serving_at(q);
    if (s->is_failed) {
        return;
    }
    s->is_failed = true;
    s->outcome = code;
    send_failure(s, code, why);
    loop_soon_add(s->line.w->options.loop, &s->line.soon);
}

static status write_down(lattice_served *q, size_t down_path, slice bytes) {
    serving *s = serving_at(q);
    return s->is_failed ? STATUS_CLOSED : wrpc_line_write(&s->line, down_path, bytes);
}

static void end_down(lattice_served *q, size_t down_path) { wrpc_line_end(&serving_at(q)->line, down_path); }

static void pause_up(lattice_served *q, bool is_paused) { wrpc_line_pause(&serving_at(q)->line, is_paused); }

static const lattice_served_transport_ops transport_ops = {
    .answer = answer,
    .fail = fail,
    .write = write_down,
    .end = end_down,
    .pause = pause_up,
};

// --- what comes --------------------------------------------------------------------------------------------

static void on_open(wrpc_line *l, const bus_message *m) {
    (void)m;
    l->w->counters.strays++;
}

static void on_root(wrpc_line *l, slice headers) {
    serving *s = serving_of(l);
    const lattice_server *server = l->w->options.server;
    (void)headers;
    loop_timer_start_at(&l->deadline, s->q.invocation.deadline_ns);
    s->q.invocation.params = buf_slice(&l->root_in.bytes);
    s->is_called = true;
    server->call(server->context, &s->q);
    l->is_handed = true;
    wrpc_line_hand_over(l);
}

static bool is_over(const serving *s) { return s->is_answered || s->is_failed; }

static void on_data(wrpc_line *l, size_t path, slice bytes) {
    serving *s = serving_of(l);
    if (s->is_called && !s->is_failed && s->q.ops->on_data != NULL) {
        s->q.ops->on_data(&s->q, path, bytes);
    }
}

static void on_end(wrpc_line *l, size_t path) {
    serving *s = serving_of(l);
    if (s->is_called && !s->is_failed && s->q.ops->on_end != NULL) {
        s->q.ops->on_end(&s->q, path);
    }
}

static void on_room(wrpc_line *l, size_t path) {
    serving *s = serving_of(l);
    if (s->is_called && !s->is_failed && s->q.ops->on_room != NULL) {
        s->q.ops->on_room(&s->q, path);
    }
}

static void on_sent(wrpc_line *l) {
    serving *s = serving_of(l);
    if (is_over(s) && wrpc_line_is_sent(l, s->has_streams && s->is_answered)) {
        end_serving(s, s->is_failed ? s->outcome : STATUS_OK);
    }
}

static void free_serving(wrpc_line *l) {
    serving *s = serving_of(l);
    l->w->counters.serving--;
    buf_done(&s->names);
    mem_free(s);
}

static const wrpc_line_ops line_ops = {
    .in = "params",
    .on_open = on_open,
    .on_root = on_root,
    .on_data = on_data,
    .on_end = on_end,
    .on_room = on_room,
    .on_sent = on_sent,
    .on_failure = on_failure,
    .on_deadline = on_deadline,
    .free = free_serving,
};

// --- the beginning -----------------------------------------------------------------------------------------

static slice header_or(slice headers, const char *name, const char *otherwise, size_t bytes_max) {
    slice value;
    bool is_there = nats_headers_find(headers, name, &value) && value.len > 0 && value.len <= bytes_max &&
                    utf8_valid(value);
    for (size_t i = 0; is_there && i < value.len; i++) {
        is_there = value.data[i] >= ' ' && value.data[i] != 0x7f;
    }
    return is_there ? value : slice_from_text(otherwise);
}

static lattice_invocation read_invocation(const wrpc *w, const wrpc_export *x, slice headers) {
    return (lattice_invocation){
        .source = header_or(headers, WRPC_HEADER_SOURCE, "", NAME_BYTES_MAX),
        .link = header_or(headers, WRPC_HEADER_LINK, "default", NAME_BYTES_MAX),
        .trace = header_or(headers, WRPC_HEADER_TRACE, "", TRACE_BYTES_MAX),
        .target = slice_from_text(x->target),
        .instance = slice_from_text(x->instance),
        .function = slice_from_text(x->function),
        .deadline_ns = loop_now_ns(w->options.loop) + w->options.serve_ns,
    };
}

// Of an export of everything: what the subject has behind the target.
static bool read_function(const wrpc *w, lattice_invocation *i, slice subject) {
    size_t before = strlen(w->lattice) + 1 + i->target.len + 1 + sizeof WRPC_PROTOCOL;
    return subject.len > before &&
           wrpc_names_split(slice_sub(subject, before, subject.len), &i->instance, &i->function);
}

static void refuse(wrpc *w, slice reply, unsigned number, const char *why) {
    char headers[WRPC_REASON_BYTES_MAX + 32], reason[WRPC_REASON_BYTES_MAX];
    utf8_shown(slice_from_text(why), reason, sizeof reason);
    int len = snprintf(headers, sizeof headers, "NATS/1.0 %u %s\r\n\r\n", number, reason);
    bus_message m = {.subject = reply, .headers = slice_of(headers, (size_t)len)};
    status sent = bus_publish(w->options.bus, &m, NULL);
    (void)sent; // the caller waits for its deadline then
    w->counters.refused++;
}

static bool admit(wrpc *w, const lattice_invocation *i, slice reply, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    const lattice_server *server = w->options.server;
    err e = {.message = ""};
    if (!server->paths(server->context, i->target, i->instance, i->function, ret_up, ret_down)) {
        refuse(w, reply, 503, "nobody serves it");
        return false;
    }
    status code = STATUS_OK;
    if (w->counters.serving >= WRPC_SERVED_MAX) {
        code = err_set(&e, STATUS_LIMIT, "this host serves as many calls as it can");
    } else if (server->check != NULL) {
        code = server->check(server->context, i, &e);
    }
    if (code != STATUS_OK) {
        refuse(w, reply, code == STATUS_LIMIT ? 429 : 403, e.message);
    }
    return code == STATUS_OK;
}

static void accept_call(wrpc *w, const lattice_invocation *i, const bus_message *m, lattice_paths up,
                        lattice_paths down) {
    char own[BUS_SUBJECT_BYTES_MAX];
    serving *s = MEM_NEW(serving);
    s->q.transport = &transport_ops;
    s->q.up = s->line.in_paths = up;
    s->q.down = s->line.out_paths = down;
    s->q.invocation = lattice_invocation_keep(i, &s->names);
    w->counters.serving++;
    wrpc_line_open(w, &s->line, &line_ops, own);
    bus_message accept = {.subject = m->reply, .reply = slice_from_text(own)};
    if (!wrpc_line_set_peer(&s->line, m->reply, "results") ||
        wrpc_line_root(&s->line, m->payload) != STATUS_OK ||
        bus_publish(w->options.bus, &accept, NULL) != STATUS_OK) {
        wrpc_line_close(&s->line);
        w->counters.refused++;
        return;
    }
    w->counters.served++;
    loop_timer_start_in(&s->line.deadline, w->options.params_ns);
}

static void on_invocation(void *arg, bus_subscription *subscription, const bus_message *m) {
    wrpc_export *x = arg;
    wrpc *w = x->w;
    lattice_paths up = {.count = 0}, down = {.count = 0};
    (void)subscription;
    if (!wrpc_reply_is_fit(w, m->reply)) { // there is nobody to tell
        w->counters.refused++;
        return;
    }
    lattice_invocation i = read_invocation(w, x, m->headers);
    if (i.function.len == 0 && !read_function(w, &i, m->subject)) {
        refuse(w, m->reply, 503, "there is no such function");
    } else if (admit(w, &i, m->reply, &up, &down)) {
        accept_call(w, &i, m, up, down);
    }
}

// --- exports -----------------------------------------------------------------------------------------------

static void keep_export(wrpc_export *x, slice target, slice instance, slice function) {
    x->target = mem_zalloc(target.len + instance.len + function.len + 3);
    char *at = x->target;
    memcpy(at, target.data, target.len);
    at += target.len + 1;
    x->instance = at;
    if (instance.len > 0) {
        memcpy(at, instance.data, instance.len);
    }
    at += instance.len + 1;
    x->function = at;
    if (function.len > 0) {
        memcpy(at, function.data, function.len);
    }
}

static status subscribe(wrpc *w, wrpc_export *x, slice subject, slice target, err *e) {
    char group[LATTICE_ID_BYTES_MAX + WRPC_SUBJECT_PART_BYTES_MAX + 2];
    int len = snprintf(group, sizeof group, "%s.%.*s", w->lattice, SLICE_ARG(target));
    x->w = w;
    list_push_back(&w->exports, &x->node);
    status s = bus_subscribe(w->options.bus, &x->subscription, subject, slice_of(group, (size_t)len),
                             on_invocation, x, e);
    if (s != STATUS_OK) {
        wrpc_export_stop(x);
    }
    return s;
}

status wrpc_export_start(wrpc *w, wrpc_export *x, slice target, slice instance, slice function, err *e) {
    char subject[BUS_SUBJECT_BYTES_MAX];
    TRY(wrpc_subject(w, target, instance, function, subject, e));
    keep_export(x, target, instance, function);
    return subscribe(w, x, slice_from_text(subject), target, e);
}

status wrpc_export_start_any(wrpc *w, wrpc_export *x, slice target, err *e) {
    char subject[BUS_SUBJECT_BYTES_MAX];
    TRY(wrpc_subject(w, target, slice_empty(), slice_from_text("any"), subject, e));
    (void)snprintf(subject, sizeof subject, "%s.%.*s." WRPC_PROTOCOL ".>", w->lattice, SLICE_ARG(target));
    keep_export(x, target, slice_empty(), slice_empty());
    return subscribe(w, x, slice_from_text(subject), target, e);
}

void wrpc_export_stop(wrpc_export *x) {
    if (x->w == NULL) {
        return;
    }
    bus_unsubscribe(&x->subscription);
    list_remove(&x->node);
    mem_free(x->target);
    *x = (wrpc_export){.w = NULL};
}
