// SPDX-License-Identifier: Apache-2.0
// The listener, the pools, and the clock that ends slow connections: one timer visits all of them, so that no
// request starts or stops a timer of its own.
#include "net/http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/http_server_internal.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/socket.h"

enum { ACCEPT_RETRY_NS = 100 * 1000 * 1000 };

static const uint64_t second_ns = 1000000000;

http_server_options http_server_options_default(void) {
    return (http_server_options){
        .connections_max = 8192,
        .header_count_max = 100,
        .header_bytes_max = 32 * 1024,
        .target_bytes_max = 8 * 1024,
        .body_bytes_max = UINT64_MAX,
        .idle_ns_max = 75 * second_ns,
        .header_ns_max = 15 * second_ns,
        .rate_window_ns = 15 * second_ns,
        .rate_bytes_min = 128,
        .linger_ns_max = 2 * second_ns,
    };
}

static ssize_t stream_receive(int fd, void *bytes, size_t len) { return recv(fd, bytes, len, 0); }

static ssize_t stream_send(int fd, const struct iovec *parts, int count) {
    if (count == 1) {
        return send(fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
    }
    return writev(fd, parts, count);
}

static const http_transport socket_transport = {stream_receive, stream_send};

void http_server_set_transport(http_server *s, const http_transport *transport) { s->transport = transport; }

// --- pools -------------------------------------------------------------------------------------------------

http_exchange *http_server_take_exchange(http_server *s) {
    http_exchange *x = s->spare_exchanges;
    if (x != NULL) {
        s->spare_exchanges = x->spare_next;
        s->spare_exchange_count--;
    } else {
        x = mem_alloc(sizeof *x);
        memset(x, 0, offsetof(http_exchange, inline_bytes));
        x->fields = x->inline_fields;
        x->field_capacity = HTTP_HEAD_FIELDS;
        x->head = x->inline_bytes;
        x->head_capacity = HTTP_HEAD_BYTES;
    }
    x->in = x->head;
    x->in_capacity = x->head_capacity;
    x->in_start = x->in_parsed = x->in_len = 0;
    return x;
}

static void free_exchange(http_exchange *x) {
    if (x->fields != x->inline_fields) {
        mem_free(x->fields);
    }
    if (x->head != x->inline_bytes) {
        mem_free(x->head);
    }
    mem_free(x);
}

void http_server_give_exchange(http_server *s, http_exchange *x) {
    http_exchange_reset(x);
    if (x->in_block != NULL) {
        http_server_give_block(s, x->in_block);
        x->in_block = NULL;
    }
    bool is_standard = x->fields == x->inline_fields && x->head == x->inline_bytes;
    if (!is_standard || s->spare_exchange_count >= HTTP_SPARE_EXCHANGES_MAX) {
        free_exchange(x);
        return;
    }
    x->spare_next = s->spare_exchanges;
    s->spare_exchanges = x;
    s->spare_exchange_count++;
}

http_block *http_server_take_block(http_server *s) {
    http_block *b = s->spare_blocks;
    if (b == NULL) {
        return mem_alloc(sizeof *b);
    }
    s->spare_blocks = b->next;
    s->spare_block_count--;
    return b;
}

void http_server_give_block(http_server *s, http_block *b) {
    if (s->spare_block_count >= HTTP_SPARE_BLOCKS_MAX) {
        mem_free(b);
        return;
    }
    b->next = s->spare_blocks;
    s->spare_blocks = b;
    s->spare_block_count++;
}

const char *http_server_date(http_server *s) {
    clock_wall now = clock_wall_now();
    if (now.seconds != s->date_seconds) {
        s->date_seconds = now.seconds;
        static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        time_t seconds = (time_t)now.seconds;
        struct tm t = {0};
        gmtime_r(&seconds, &t);
        snprintf(s->date, sizeof s->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday,
                 months[t.tm_mon], (t.tm_year + 1900) % 10000, t.tm_hour, t.tm_min, t.tm_sec % 61);
    }
    return s->date;
}

// --- accepting ---------------------------------------------------------------------------------------------

static bool may_accept(const http_server *s) {
    return !s->is_draining && s->counters.open < s->options.connections_max &&
           !loop_timer_is_active(&s->retry_accept);
}

static void update_listener(http_server *s) {
    if (loop_watch_is_active(&s->watch)) {
        loop_watch_set(&s->watch, may_accept(s) ? LOOP_READABLE : 0);
    }
}

// Errors that concern the one connection, which is gone already (accept(2), "Error handling").
static bool is_error_of_connection(int error) {
    return error == ECONNABORTED || error == EINTR || error == ENETDOWN || error == EPROTO ||
           error == ENOPROTOOPT || error == EHOSTDOWN || error == EHOSTUNREACH || error == EOPNOTSUPP ||
           error == ENETUNREACH;
}

static void on_acceptable(void *arg, unsigned events) {
    (void)events;
    http_server *s = arg;
    for (int i = 0; i < HTTP_ACCEPT_BATCH && may_accept(s); i++) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && s->options.is_for_our_user && !socket_is_of_our_user(fd)) {
            fd_close(fd);
        } else if (fd >= 0) {
            s->counters.accepted++;
            http_connection_new(s, fd);
        } else if (!is_error_of_connection(errno)) {
            if (errno != EAGAIN) { // out of descriptors or memory: give it time
                loop_timer_start_in(&s->retry_accept, ACCEPT_RETRY_NS);
            }
            break;
        }
    }
    update_listener(s);
}

void http_server_adopt(http_server *s, int fd, uint32_t tag) {
    if (s->is_draining || s->counters.open >= s->options.connections_max ||
        fd_set_nonblocking(fd, true, NULL) != STATUS_OK) {
        fd_close(fd);
        return;
    }
    s->counters.accepted++;
    http_connection_new(s, fd)->tag = tag;
}

static void on_retry_accept(void *arg) { update_listener(arg); }

static void tell_when_drained(http_server *s) {
    if (s->is_draining && s->counters.open == 0 && !s->is_drained_told) {
        s->is_drained_told = true;
        loop_timer_stop(&s->drain_deadline);
        if (s->handler.on_drained != NULL) {
            s->handler.on_drained(s->handler.arg);
        }
    }
}

void http_server_on_connection_gone(http_server *s, http_connection *c) {
    if (s->visited_next == &c->node) {
        s->visited_next = c->node.next;
    }
    list_remove(&c->node);
    s->counters.open--;
    update_listener(s);
    if (s->is_draining && s->counters.open == 0) {
        loop_timer_start_in(&s->tick, 0); // which tells
    }
}

// --- time --------------------------------------------------------------------------------------------------

// Calls `visit` for every connection; any may be freed meanwhile.
static void visit_all(http_server *s, void (*visit)(http_connection *c, uint64_t a, uint64_t b), uint64_t a,
                      uint64_t b) {
    for (list_node *node = s->connections.next; node != &s->connections; node = s->visited_next) {
        s->visited_next = node->next;
        visit(LIST_ENTRY(node, http_connection, node), a, b);
    }
    s->visited_next = NULL;
}

static void on_tick(void *arg) {
    http_server *s = arg;
    uint64_t now = loop_now_ns(s->l);
    uint64_t elapsed = now - s->tick_at_ns;
    s->tick_at_ns = now;
    visit_all(s, http_connection_tick, now, elapsed);
    tell_when_drained(s);
    loop_timer_start_at(&s->tick, now + s->tick_ns);
}

static uint64_t tick_for(const http_server_options *o) {
    uint64_t shortest = o->idle_ns_max;
    shortest = o->header_ns_max < shortest ? o->header_ns_max : shortest;
    shortest = o->rate_window_ns < shortest ? o->rate_window_ns : shortest;
    shortest = o->linger_ns_max < shortest ? o->linger_ns_max : shortest;
    uint64_t tick = shortest / 8;
    tick = tick > second_ns / 2 ? second_ns / 2 : tick;
    return tick < second_ns / 200 ? second_ns / 200 : tick;
}

// --- life --------------------------------------------------------------------------------------------------

static void on_drain_deadline(void *arg);

status http_server_new(loop *l, int listen_fd, const http_server_options *options,
                       const http_server_handler *handler, http_server **ret, err *e) {
    http_server *s = MEM_NEW(http_server);
    s->l = l;
    s->listen_fd = listen_fd;
    s->transport = &socket_transport;
    s->options = *options;
    s->handler = *handler;
    s->date_seconds = UINT64_MAX;
    list_init(&s->connections);
    s->tick_ns = tick_for(options);
    s->tick_at_ns = loop_now_ns(l);
    loop_timer_init(&s->tick, l, on_tick, s);
    loop_timer_init(&s->retry_accept, l, on_retry_accept, s);
    loop_timer_init(&s->drain_deadline, l, on_drain_deadline, s);
    if (listen_fd >= 0) {
        int one = 1;
        setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); // accepted sockets inherit it
        status failed = loop_watch_start(&s->watch, l, listen_fd, LOOP_READABLE, on_acceptable, s, e);
        if (failed != STATUS_OK) {
            mem_free(s);
            return err_wrap(e, "HTTP listener");
        }
    }
    loop_timer_start_in(&s->tick, s->tick_ns);
    *ret = s;
    return STATUS_OK;
}

static void cut_one(http_connection *c, uint64_t a, uint64_t b) {
    (void)a;
    (void)b;
    c->is_broken = true;
    http_connection_advance(c);
}

void http_server_free(http_server *s) {
    if (s == NULL) {
        return;
    }
    s->handler.on_drained = NULL;
    s->is_draining = true;
    visit_all(s, cut_one, 0, 0);
    CHECK(list_empty(&s->connections)); // an exchange was not released
    loop_watch_stop(&s->watch);
    loop_timer_stop(&s->tick);
    loop_timer_stop(&s->retry_accept);
    loop_timer_stop(&s->drain_deadline);
    while (s->spare_exchanges != NULL) {
        http_exchange *x = s->spare_exchanges;
        s->spare_exchanges = x->spare_next;
        free_exchange(x);
    }
    while (s->spare_blocks != NULL) {
        http_block *b = s->spare_blocks;
        s->spare_blocks = b->next;
        mem_free(b);
    }
    mem_free(s);
}

static void on_drain_deadline(void *arg) {
    http_server *s = arg;
    visit_all(s, cut_one, 0, 0);
    tell_when_drained(s);
}

static void drain_one(http_connection *c, uint64_t a, uint64_t b) {
    (void)a;
    (void)b;
    http_connection_drain(c);
}

static void stop_accepting(http_server *s) {
    s->is_draining = true;
    loop_watch_stop(&s->watch);
    loop_timer_stop(&s->retry_accept);
}

static void end_by(http_server *s, uint64_t deadline_ns) {
    if (s->counters.open > 0) {
        loop_timer_start_at(&s->drain_deadline, deadline_ns);
    }
    loop_timer_start_in(&s->tick, 0); // tells, from the loop, when there is nothing left
}

void http_server_drain(http_server *s, uint64_t deadline_ns) {
    stop_accepting(s);
    visit_all(s, drain_one, 0, 0);
    end_by(s, deadline_ns);
}

void http_server_retire(http_server *s, uint64_t deadline_ns) {
    stop_accepting(s);
    end_by(s, deadline_ns);
}

http_server_counters http_server_count(const http_server *s) { return s->counters; }
