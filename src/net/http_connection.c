// SPDX-License-Identifier: Apache-2.0
// The life of a connection: HEAD -> HANDLER -> (DRAIN) -> HEAD ... -> CLOSING -> LINGER -> gone.
//
// Everything that may end a phase runs through http_connection_advance, which is not entered twice: what
// handlers do from inside it only leaves marks, and what they do from outside either calls it (release) or
// queues it for the end of the turn. So a connection is freed in one place, never below somebody who still
// uses it.
#include <errno.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/http_server_internal.h"
#include "os/fd.h"

static void on_soon(void *arg) { http_connection_advance(arg); }

static void on_watch(void *arg, unsigned events) { http_connection_on_event(arg, events); }

http_connection *http_connection_new(http_server *s, int fd) {
    http_connection *c = MEM_NEW(http_connection);
    c->server = s;
    c->fd = fd;
    c->deadline_ns = loop_now_ns(s->l) + s->options.idle_ns_max;
    loop_soon_init(&c->soon, on_soon, c);
    list_push_back(&s->connections, &c->node);
    s->counters.open++;
    if (fd >= 0 &&
        loop_watch_start(&c->watch, s->l, fd, LOOP_READABLE | LOOP_HANGUP, on_watch, c, NULL) != STATUS_OK) {
        c->is_broken = true;
        http_connection_advance_soon(c);
    }
    return c;
}

static void give_exchange(http_connection *c) {
    if (c->x != NULL) {
        http_server_give_exchange(c->server, c->x);
        c->x = NULL;
    }
}

static void close_socket(http_connection *c) {
    loop_watch_stop(&c->watch);
    fd_close(c->fd);
    c->fd = -1;
    http_connection_drop_output(c);
    c->phase = HTTP_PHASE_DEAD;
    c->deadline_ns = UINT64_MAX;
}

void http_connection_free(http_connection *c) {
    http_server *s = c->server;
    give_exchange(c);
    loop_soon_cancel(&c->soon);
    http_server_on_connection_gone(s, c);
    mem_free(c);
}

void http_connection_advance_soon(http_connection *c) {
    if (!c->is_advancing) {
        loop_soon_add(c->server->l, &c->soon);
    }
}

// --- receiving ---------------------------------------------------------------------------------------------

// A head that fills its buffer: moved to the front, or to a larger buffer. Parsed again from its start.
static bool make_room_for_head(http_exchange *x) {
    const http_server_options *o = &x->c->server->options;
    size_t head_len = x->in_len - x->in_start;
    // Blanks around values count nowhere else.
    size_t max = (size_t)o->header_bytes_max + o->target_bytes_max + 4ul * o->header_count_max + 1024;
    if (head_len >= max) {
        x->refusal = x->target.len > o->target_bytes_max ? 414 : 431;
        return false;
    }
    if (x->in_start > 0) {
        memmove(x->in, x->in + x->in_start, head_len);
    } else {
        size_t capacity = x->in_capacity * 2 < max ? x->in_capacity * 2 : max;
        uint8_t *bytes = mem_alloc(capacity);
        memcpy(bytes, x->in, head_len);
        if (x->head != x->inline_bytes) {
            mem_free(x->head);
        }
        x->head = x->in = bytes;
        x->head_capacity = x->in_capacity = capacity;
    }
    x->in_start = 0;
    x->in_len = head_len;
    x->in_parsed = 0;
    http_exchange_reset(x);
    http_parse_begin(x->c);
    return true;
}

// Where to receive to. False when there is no room now.
static bool make_room(http_connection *c) {
    http_exchange *x = c->x;
    if (!x->head_done) {
        return x->in_len < x->in_capacity || make_room_for_head(x);
    }
    if (x->message_done) {
        return x->in_len < x->in_capacity;
    }
    CHECK(x->body_len == 0 && x->in_parsed == x->in_len);
    if (x->in_block == NULL) {
        x->in_block = http_server_take_block(c->server);
    }
    x->in = x->in_block->bytes;
    x->in_capacity = HTTP_BLOCK_BYTES;
    x->in_parsed = x->in_len = 0;
    return true;
}

bool http_connection_receive(http_connection *c) {
    http_exchange *x = c->x;
    if (c->is_broken || !make_room(c)) {
        return false;
    }
    ssize_t n = c->server->transport->receive(c->fd, x->in + x->in_len, x->in_capacity - x->in_len);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            c->is_broken = true;
            http_connection_advance_soon(c);
        }
        return false;
    }
    x->in_len += (size_t)n;
    c->in_bytes += (size_t)n;
    if (x->head_done && !x->message_done && !http_parse(c)) {
        http_connection_advance_soon(c); // which cuts
    }
    return true;
}

static void receive_and_drop(http_connection *c) {
    http_block *b = http_server_take_block(c->server);
    ssize_t n = c->server->transport->receive(c->fd, b->bytes, sizeof b->bytes);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        c->is_broken = true;
    }
    http_server_give_block(c->server, b);
}

// --- the phases --------------------------------------------------------------------------------------------

void http_connection_cut(http_connection *c, uint16_t refusal) {
    http_exchange *x = c->x;
    bool was_started = x != NULL && x->is_started;
    if (x != NULL && x->is_dispatched && !x->is_aborted) {
        x->is_aborted = true;
        c->server->counters.aborted += !x->is_released;
        if (!x->is_released && x->ops != NULL && x->ops->on_abort != NULL) {
            x->ops->on_abort(x->arg);
        }
    }
    if (refusal == 0 || was_started) {
        close_socket(c);
        return;
    }
    c->server->counters.refused++;
    http_response_refuse(c, refusal);
    c->wants_linger = true;
    c->phase = HTTP_PHASE_CLOSING;
    c->deadline_ns = UINT64_MAX;
}

static bool has_unparsed(const http_exchange *x) { return x != NULL && x->in_parsed < x->in_len; }

// RFC 9112 section 2.2: an empty line before a request may be ignored.
static void skip_empty_lines(http_exchange *x) {
    if (x->in_parsed == x->in_start) {
        while (x->in_parsed < x->in_len && (x->in[x->in_parsed] == '\r' || x->in[x->in_parsed] == '\n')) {
            x->in_parsed++;
        }
        x->in_start = x->in_parsed;
    }
}

static bool step_head(http_connection *c) {
    http_exchange *x = c->x;
    if (x != NULL && x->refusal != 0) {
        http_connection_cut(c, x->refusal);
        return true;
    }
    if (!has_unparsed(x) || http_connection_pending(c) > HTTP_NEXT_PENDING_MAX) {
        return false;
    }
    skip_empty_lines(x);
    if (!http_parse(c)) {
        http_connection_cut(c, x->refusal);
        return true;
    }
    if (!x->head_done) {
        return false;
    }
    c->phase = HTTP_PHASE_HANDLER;
    c->deadline_ns = UINT64_MAX;
    c->in_wait_ns = c->in_bytes = 0;
    x->closes = x->closes || c->server->is_draining;
    x->is_dispatched = true;
    c->server->counters.requests++;
    c->server->handler.on_request(c->server->handler.arg, x);
    return true;
}

// Everything about one request is done: on to the next, whose first bytes may be here.
static void begin_next(http_connection *c) {
    http_exchange *x = c->x;
    c->phase = HTTP_PHASE_HEAD;
    size_t left = x->in_len - x->in_parsed;
    if (left == 0) {
        give_exchange(c);
        c->deadline_ns = loop_now_ns(c->server->l) + c->server->options.idle_ns_max;
        return;
    }
    if (x->in != x->head) {
        if (left > x->head_capacity) {
            if (x->head != x->inline_bytes) {
                mem_free(x->head);
            }
            x->head = mem_alloc(left);
            x->head_capacity = left;
        }
        memcpy(x->head, x->in + x->in_parsed, left);
        x->in = x->head;
        x->in_capacity = x->head_capacity;
        x->in_len = left;
        x->in_parsed = 0;
    }
    x->in_start = x->in_parsed;
    http_exchange_reset(x);
    http_parse_begin(c);
    c->deadline_ns = loop_now_ns(c->server->l) + c->server->options.header_ns_max;
}

static void begin_closing(http_connection *c, bool lingers) {
    c->phase = HTTP_PHASE_CLOSING;
    c->wants_linger = lingers;
}

static bool step_handler(http_connection *c) {
    http_exchange *x = c->x;
    if (x->refusal != 0) {
        http_connection_cut(c, x->refusal);
        return true;
    }
    if (!x->is_released) {
        return false;
    }
    if (!x->is_started) {
        http_response_refuse(c, 500); // the handler gave up without a word
    } else if (!x->is_ended) {
        http_connection_flush(c); // what there is of it, so that the client sees an answer that was cut short
        close_socket(c);
        return true;
    }
    // A client that was never told to continue may send the body or the next request: nobody can tell.
    bool is_ambiguous = x->expects_continue && !x->message_done;
    if (x->closes || is_ambiguous) {
        begin_closing(c, !x->message_done);
    } else if (x->message_done) {
        begin_next(c);
    } else {
        c->phase = HTTP_PHASE_DRAIN;
    }
    return true;
}

static bool step_drain(http_connection *c) {
    http_exchange *x = c->x;
    x->drained += x->body_len;
    x->body_len = 0;
    if (x->refusal != 0 || x->drained > HTTP_DRAIN_BYTES_MAX) {
        begin_closing(c, true);
        return true;
    }
    if (x->message_done) {
        begin_next(c);
        return true;
    }
    return false;
}

static bool step_closing(http_connection *c) {
    if (http_connection_pending(c) > 0) {
        return false;
    }
    if (!c->wants_linger || c->fd < 0 || shutdown(c->fd, SHUT_WR) != 0) {
        close_socket(c);
        return true;
    }
    c->phase = HTTP_PHASE_LINGER;
    c->deadline_ns = loop_now_ns(c->server->l) + c->server->options.linger_ns_max;
    return true;
}

static bool step(http_connection *c) {
    if (c->is_broken && c->phase != HTTP_PHASE_DEAD) {
        http_connection_cut(c, 0);
    }
    switch (c->phase) {
    case HTTP_PHASE_HEAD:
        return step_head(c);
    case HTTP_PHASE_HANDLER:
        return step_handler(c);
    case HTTP_PHASE_DRAIN:
        return step_drain(c);
    case HTTP_PHASE_CLOSING:
        return step_closing(c);
    default:
        return false;
    }
}

void http_connection_advance(http_connection *c) {
    if (c->is_advancing) {
        return;
    }
    c->is_advancing = true;
    loop_soon_cancel(&c->soon);
    do {
        while (step(c)) {
        }
        // What the requests of this round answered goes out in one piece. When that makes room, there may be
        // more.
    } while (c->phase != HTTP_PHASE_DEAD && http_connection_pending(c) > 0 && !c->is_unwritable &&
             http_connection_flush(c));
    while (c->is_broken && step(c)) {
    }
    c->is_advancing = false;
    if (c->phase == HTTP_PHASE_DEAD && (c->x == NULL || !c->x->is_dispatched || c->x->is_released)) {
        http_connection_free(c);
        return;
    }
    http_connection_watch_update(c);
}

// --- events ------------------------------------------------------------------------------------------------

static bool wants_input(const http_connection *c) {
    const http_exchange *x = c->x;
    switch (c->phase) {
    case HTTP_PHASE_HEAD:
        return http_connection_pending(c) <= HTTP_NEXT_PENDING_MAX;
    case HTTP_PHASE_HANDLER: // behind a complete request: to notice the end; the next request may wait here
        return x->message_done ? x->in_len < x->in_capacity : x->wants_read;
    case HTTP_PHASE_DRAIN:
    case HTTP_PHASE_LINGER:
        return true;
    default:
        return false;
    }
}

// Changing what is watched costs two system calls, so what is watched too much stays until it bothers
// (on_event).
static void update_watch(http_connection *c, bool exactly) {
    if (!loop_watch_is_active(&c->watch)) {
        return;
    }
    unsigned events = (wants_input(c) ? LOOP_READABLE : 0u) | (c->is_unwritable ? LOOP_WRITABLE : 0u);
    events |= c->phase == HTTP_PHASE_HANDLER ? LOOP_HANGUP : 0u;
    if (!exactly) {
        events |= c->watch.events & (LOOP_READABLE | LOOP_HANGUP);
    }
    loop_watch_set(&c->watch, events);
}

void http_connection_watch_update(http_connection *c) { update_watch(c, false); }

static void on_input(http_connection *c) {
    http_exchange *x = c->x;
    switch (c->phase) {
    case HTTP_PHASE_HEAD:
        if (x == NULL) {
            c->x = x = http_server_take_exchange(c->server);
            x->c = c;
            http_parse_begin(c);
            c->deadline_ns = loop_now_ns(c->server->l) + c->server->options.header_ns_max;
        }
        http_connection_receive(c);
        break;
    case HTTP_PHASE_HANDLER:
        http_connection_receive(c);
        if (x->wants_read && (x->body_len > 0 || x->message_done)) {
            x->wants_read = false;
            if (x->ops != NULL && x->ops->on_readable != NULL) {
                x->ops->on_readable(x->arg);
            }
        }
        break;
    case HTTP_PHASE_DRAIN:
        http_connection_receive(c);
        break;
    default:
        receive_and_drop(c);
        break;
    }
}

static void on_room(http_connection *c) {
    c->is_unwritable = false;
    http_connection_flush(c);
    http_exchange *x = c->x;
    if (c->phase == HTTP_PHASE_HANDLER && x->wants_write && !c->is_broken &&
        http_connection_pending(c) <= HTTP_BODY_ROOM / 2) {
        x->wants_write = false;
        if (x->ops != NULL && x->ops->on_writable != NULL) {
            x->ops->on_writable(x->arg);
        }
    }
}

// Callbacks to the handler are made with is_advancing set, so that it cannot free the connection below us.
void http_connection_on_event(http_connection *c, unsigned events) {
    CHECK(!c->is_advancing);
    c->is_advancing = true;
    if ((events & LOOP_ERROR) != 0) {
        c->is_broken = true;
    }
    if ((events & LOOP_WRITABLE) != 0 && !c->is_broken) {
        on_room(c);
    }
    bool is_unwanted = false;
    if ((events & (LOOP_READABLE | LOOP_HANGUP)) != 0 && !c->is_broken) {
        if (wants_input(c)) {
            on_input(c);
        } else if ((events & LOOP_HANGUP) != 0 && c->phase == HTTP_PHASE_HANDLER) {
            c->is_broken = true;
        } else {
            is_unwanted = true;
        }
    }
    if (is_unwanted) {
        update_watch(c, true);
    }
    c->is_advancing = false;
    http_connection_advance(c);
}

// --- time --------------------------------------------------------------------------------------------------

// Whether the client moved too little over the windows in which we waited for it.
static bool is_too_slow(const http_server_options *o, uint64_t *wait_ns, uint64_t *bytes) {
    if (*wait_ns < o->rate_window_ns) {
        return false;
    }
    uint64_t least = (uint64_t)((double)o->rate_bytes_min * (double)*wait_ns / 1e9);
    bool slow = *bytes < (least > 0 ? least : 1);
    *wait_ns = *bytes = 0;
    return slow;
}

void http_connection_tick(http_connection *c, uint64_t now_ns, uint64_t elapsed_ns) {
    const http_server_options *o = &c->server->options;
    if (now_ns >= c->deadline_ns) {
        bool in_head = c->phase == HTTP_PHASE_HEAD && c->x != NULL;
        if (in_head) {
            c->x->refusal = 408;
        } else {
            c->is_broken = true;
        }
        http_connection_advance(c);
        return;
    }
    bool waits_for_body =
        (c->phase == HTTP_PHASE_HANDLER && c->x->wants_read) || c->phase == HTTP_PHASE_DRAIN;
    c->in_wait_ns += waits_for_body ? elapsed_ns : 0;
    c->out_wait_ns += http_connection_pending(c) > 0 ? elapsed_ns : 0;
    bool is_slow_in = is_too_slow(o, &c->in_wait_ns, &c->in_bytes);
    bool is_slow_out = is_too_slow(o, &c->out_wait_ns, &c->out_bytes);
    if (is_slow_in && c->x != NULL && c->phase == HTTP_PHASE_HANDLER) {
        c->x->refusal = 408;
        http_connection_advance(c);
    } else if (is_slow_in || is_slow_out) {
        c->is_broken = true;
        http_connection_advance(c);
    }
}

void http_connection_drain(http_connection *c) {
    if (c->phase == HTTP_PHASE_HEAD && c->x == NULL) {
        if (http_connection_pending(c) > 0) {
            begin_closing(c, false);
        } else {
            c->is_broken = true;
        }
        http_connection_advance(c);
    } else if (c->x != NULL) { // one that was begun to be answered, too: nothing comes after it
        c->x->closes = true;
    }
}
