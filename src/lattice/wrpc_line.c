// SPDX-License-Identifier: Apache-2.0
// The byte streams of one call, in both directions.
#include <stdio.h>

#include "base/mem.h"
#include "lattice/wrpc_internal.h"

enum { RETRY_NS = 5000000 };

static loop *loop_of(const wrpc_line *l) { return l->w->options.loop; }

// --- life --------------------------------------------------------------------------------------------------

static void drop_out(wrpc_out *o) {
    buf_clear(&o->bytes);
    o->lent = slice_empty();
    o->at = 0;
}

static void free_line(wrpc_line *l) {
    buf_done(&l->root_in.bytes);
    buf_done(&l->root_out.bytes);
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        buf_done(&l->in[i].bytes);
        buf_done(&l->out[i].bytes);
    }
    l->w->counters.queued_bytes -= l->queued;
    mem_free(l->to);
    l->ops->free(l);
}

void wrpc_line_enter(wrpc_line *l) { l->inside++; }

void wrpc_line_leave(wrpc_line *l) {
    if (--l->inside == 0 && l->is_closed) {
        free_line(l);
    }
}

void wrpc_line_close(wrpc_line *l) {
    if (l->is_closed) {
        return;
    }
    l->is_closed = true;
    list_remove(&l->node);
    loop_soon_cancel(&l->soon);
    loop_timer_stop(&l->deadline);
    loop_timer_stop(&l->retry);
    if (l->inside == 0) {
        free_line(l);
    }
}

void wrpc_line_fail_soon(wrpc_line *l, status code, const char *why) {
    if (l->failure == STATUS_OK && !l->is_closed) {
        l->failure = code;
        l->why = why;
        loop_soon_add(loop_of(l), &l->soon);
    }
}

bool wrpc_line_set_peer(wrpc_line *l, slice subject, const char *what) {
    if (!wrpc_reply_is_fit(l->w, subject)) {
        return false;
    }
    size_t size = subject.len + strlen(what) + 2;
    l->to = mem_alloc(size);
    snprintf(l->to, size, "%.*s.%s", SLICE_ARG(subject), what);
    return true;
}

// --- coming in ---------------------------------------------------------------------------------------------

static status keep(wrpc_line *l, wrpc_in *in, slice bytes) {
    wrpc_counters *c = &l->w->counters;
    if (bytes.len > WRPC_CALL_QUEUE_BYTES_MAX - l->queued ||
        bytes.len > WRPC_QUEUE_BYTES_MAX - c->queued_bytes) {
        return STATUS_LIMIT;
    }
    TRY(buf_append(&in->bytes, bytes));
    l->queued += bytes.len;
    c->queued_bytes += bytes.len;
    return STATUS_OK;
}

status wrpc_line_root(wrpc_line *l, slice bytes) { return keep(l, &l->root_in, bytes); }

// What had come, and nothing is there any more.
static buf take(wrpc_line *l, wrpc_in *in) {
    buf taken = in->bytes;
    buf_init(&in->bytes, WRPC_CALL_QUEUE_BYTES_MAX);
    l->queued -= taken.len;
    l->w->counters.queued_bytes -= taken.len;
    return taken;
}

static bool may_hand_over(const wrpc_line *l) { return l->is_handed && !l->is_paused && !l->is_closed; }

static void hand_over_path(wrpc_line *l, size_t path) {
    wrpc_in *in = &l->in[path];
    if (may_hand_over(l) && in->bytes.len > 0) {
        auto_buf taken = take(l, in);
        l->ops->on_data(l, path, buf_slice(&taken));
    }
    if (may_hand_over(l) && in->is_ended && !in->is_told) {
        in->is_told = true;
        l->ops->on_end(l, path);
    }
}

void wrpc_line_hand_over(wrpc_line *l) {
    for (size_t i = 0; i < l->in_paths.count && may_hand_over(l); i++) {
        hand_over_path(l, i);
    }
}

void wrpc_line_pause(wrpc_line *l, bool is_paused) {
    l->is_paused = is_paused;
    if (!is_paused && !l->is_closed) {
        loop_soon_add(loop_of(l), &l->soon);
    }
}

static void on_root(wrpc_line *l, const bus_message *m) {
    if (l->root_in.is_ended) {
        return;
    }
    if (m->payload.len == 0) {
        l->root_in.is_ended = true;
        l->ops->on_root(l, m->headers);
    } else if (wrpc_line_root(l, m->payload) != STATUS_OK) {
        l->ops->on_failure(l, STATUS_LIMIT, "the other side sent more bytes than a call may have");
    }
}

static void on_path(wrpc_line *l, size_t path, slice bytes) {
    wrpc_in *in = &l->in[path];
    if (in->is_ended) {
        return;
    }
    if (bytes.len == 0) {
        in->is_ended = true;
        hand_over_path(l, path);
    } else if (may_hand_over(l) && in->bytes.len == 0) {
        l->ops->on_data(l, path, bytes);
    } else if (keep(l, in, bytes) != STATUS_OK) {
        l->ops->on_failure(l, STATUS_LIMIT, "the other side sends faster than its bytes are taken");
    }
}

void wrpc_line_message(wrpc_line *l, slice path, const bus_message *m) {
    size_t name = strlen(l->ops->in);
    if (path.len == 0) {
        l->ops->on_open(l, m);
        return;
    }
    bool is_mine = slice_starts_with(path, l->ops->in) && (path.len == name || path.data[name] == '.');
    if (is_mine && path.len == name) {
        on_root(l, m);
        return;
    }
    for (size_t i = 0; i < l->in_paths.count && is_mine; i++) {
        if (slice_equal_text(slice_sub(path, name + 1, path.len), l->in_paths.items[i])) {
            on_path(l, i, m->payload);
            return;
        }
    }
    l->w->counters.strays++;
}

// --- going out ---------------------------------------------------------------------------------------------

static status publish(wrpc_line *l, const char *path, slice headers, slice payload) {
    char subject[BUS_SUBJECT_BYTES_MAX];
    int len =
        snprintf(subject, sizeof subject, "%s%s%s", l->to, path != NULL ? "." : "", path != NULL ? path : "");
    bus_message m = {.subject = slice_of(subject, (size_t)len), .headers = headers, .payload = payload};
    return bus_publish(l->w->options.bus, &m, NULL);
}

static slice first_piece(const wrpc_out *o, size_t max) {
    slice rest = o->lent.len > 0 ? o->lent : slice_sub(buf_slice(&o->bytes), o->at, o->bytes.len);
    return slice_sub(rest, 0, max);
}

static void advance(wrpc_out *o, size_t bytes) {
    if (o->lent.len > 0) {
        o->lent = slice_sub(o->lent, bytes, o->lent.len);
        return;
    }
    o->at += bytes;
    if (o->at == o->bytes.len) {
        drop_out(o);
    }
}

static status flush_out(wrpc_line *l, wrpc_out *o, const char *path) {
    size_t max = bus_payload_max(l->w->options.bus);
    slice piece;
    if (max == 0) {
        return STATUS_CLOSED;
    }
    while ((piece = first_piece(o, max)).len > 0) {
        TRY(publish(l, path, slice_empty(), piece));
        advance(o, piece.len);
    }
    if (o->is_ended && !o->is_done) {
        TRY(publish(l, path, slice_empty(), slice_empty()));
        o->is_done = true;
    }
    return STATUS_OK;
}

// Those with more to send wait for each other only here: each call is one turn for every stream.
static status flush_all(wrpc_line *l) {
    if (l->to == NULL) {
        return STATUS_OK;
    }
    TRY(flush_out(l, &l->root_out, NULL));
    for (size_t i = 0; i < l->out_paths.count && l->is_open; i++) {
        TRY(flush_out(l, &l->out[i], l->out_paths.items[i]));
    }
    return STATUS_OK;
}

static size_t waiting(const wrpc_out *o) { return o->bytes.len - o->at; }

bool wrpc_line_flush(wrpc_line *l) {
    status code = flush_all(l);
    if (code == STATUS_LIMIT) {
        loop_timer_start_in(&l->retry, RETRY_NS);
    } else if (code != STATUS_OK) {
        wrpc_line_fail_soon(l, STATUS_CLOSED, "the connection to the bus was lost in the middle of the call");
        return false;
    }
    return true;
}

status wrpc_line_write(wrpc_line *l, size_t path, slice bytes) {
    wrpc_out *o = &l->out[path];
    if (bytes.len > LATTICE_STREAM_QUEUE_BYTES_MAX) {
        return STATUS_INVALID;
    }
    if (bytes.len > LATTICE_STREAM_QUEUE_BYTES_MAX - waiting(o)) {
        o->is_too_full = true;
        return STATUS_LIMIT;
    }
    if (o->at > 0) {
        buf_consume(&o->bytes, o->at);
        o->at = 0;
    }
    TRY(buf_append(&o->bytes, bytes));
    loop_soon_add(loop_of(l), &l->soon);
    return STATUS_OK;
}

void wrpc_line_end(wrpc_line *l, size_t path) {
    l->out[path].is_ended = true;
    loop_soon_add(loop_of(l), &l->soon);
}

static void end_out(wrpc_line *l, wrpc_out *o, const char *path, slice headers) {
    drop_out(o);
    o->is_ended = true;
    if (!o->is_done && publish(l, path, headers, slice_empty()) == STATUS_OK) {
        o->is_done = true;
    }
}

void wrpc_line_end_all(wrpc_line *l, slice headers) {
    if (l->to == NULL) {
        return;
    }
    end_out(l, &l->root_out, NULL, headers);
    for (size_t i = 0; i < l->out_paths.count; i++) {
        end_out(l, &l->out[i], l->out_paths.items[i], slice_empty());
    }
}

bool wrpc_line_is_sent(const wrpc_line *l, bool with_streams) {
    bool is_sent = l->root_out.is_done;
    for (size_t i = 0; i < l->out_paths.count && with_streams; i++) {
        is_sent = is_sent && l->out[i].is_done;
    }
    return is_sent;
}

// --- turns -------------------------------------------------------------------------------------------------

static void tell_room(wrpc_line *l) {
    for (size_t i = 0; i < l->out_paths.count && !l->is_closed; i++) {
        wrpc_out *o = &l->out[i];
        if (o->is_too_full && waiting(o) <= LATTICE_STREAM_QUEUE_BYTES_MAX / 2) {
            o->is_too_full = false;
            l->ops->on_room(l, i);
        }
    }
}

static void on_soon(void *arg) {
    wrpc_line *l = arg;
    wrpc_line_enter(l);
    if (l->failure != STATUS_OK) {
        l->ops->on_failure(l, l->failure, l->why);
    } else if (wrpc_line_flush(l)) {
        tell_room(l);
        wrpc_line_hand_over(l);
        if (!l->is_closed) {
            l->ops->on_sent(l);
        }
    }
    wrpc_line_leave(l);
}

static void on_deadline(void *arg) {
    wrpc_line *l = arg;
    wrpc_line_enter(l);
    l->ops->on_deadline(l);
    wrpc_line_leave(l);
}

void wrpc_line_init(wrpc_line *l, wrpc *w, const wrpc_line_ops *ops) {
    l->w = w;
    l->ops = ops;
    loop_soon_init(&l->soon, on_soon, l);
    loop_timer_init(&l->deadline, w->options.loop, on_deadline, l);
    loop_timer_init(&l->retry, w->options.loop, on_soon, l);
    buf_init(&l->root_in.bytes, LATTICE_PARAMS_BYTES_MAX);
    buf_init(&l->root_out.bytes, LATTICE_PARAMS_BYTES_MAX);
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        buf_init(&l->in[i].bytes, WRPC_CALL_QUEUE_BYTES_MAX);
        buf_init(&l->out[i].bytes, LATTICE_STREAM_QUEUE_BYTES_MAX);
    }
}
