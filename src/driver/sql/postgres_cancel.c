// SPDX-License-Identifier: Apache-2.0
#include "driver/sql/postgres_cancel.h"

#include "base/mem.h"

static const uint64_t time_ns_max = UINT64_C(5000000000);

typedef struct cancel {
    postgres_cancels *owner;
    list_node node;
    uint64_t connect_id;
    byte_stream *stream;
    loop_timer timer;
    uint32_t process;
    uint32_t key;
} cancel;

static void end(cancel *x) {
    if (x->connect_id != 0) {
        connector_cancel(x->owner->connector, x->connect_id);
    }
    loop_timer_stop(&x->timer);
    byte_stream_free(x->stream);
    list_remove(&x->node);
    x->owner->count--;
    mem_free(x);
}

static void on_timer(void *arg) { end(arg); }

static void on_end(void *arg, status why, const err *e) {
    (void)why, (void)e;
    end(arg);
}

// The server closes the connection when it has read this.
static void ask(cancel *x, uint32_t first, bool has_key) {
    auto_buf out;
    buf_init(&out, 32);
    postgres_writer w = postgres_writer_of(&out);
    postgres_begin(&w, '\0');
    postgres_write_u32(&w, first);
    if (has_key) {
        postgres_write_u32(&w, x->process);
        postgres_write_u32(&w, x->key);
    }
    postgres_end(&w);
    if (w.code != STATUS_OK || byte_stream_write(x->stream, buf_slice(&out)) != STATUS_OK) {
        end(x);
    }
}

static void on_secure(void *arg) { ask(arg, POSTGRES_CANCEL_REQUEST, true); }

static size_t on_bytes(void *arg, slice bytes) {
    cancel *x = arg;
    const postgres_server *server = x->owner->server;
    if (server->tls == NULL || byte_stream_is_secure(x->stream) || bytes.data[0] != 'S' ||
        byte_stream_start_tls(x->stream, server->tls, slice_from_text(server->host), NULL) != STATUS_OK) {
        end(x);
    }
    return 1;
}

static void on_connected(void *arg, const connect_result *result) {
    cancel *x = arg;
    const byte_stream_limits limits = {1024, 1024};
    const byte_stream_handler handler = {
        .arg = x, .on_bytes = on_bytes, .on_secure = on_secure, .on_end = on_end};
    x->connect_id = 0;
    if (result->code != STATUS_OK ||
        byte_stream_new(x->owner->l, result->fd, &limits, &handler, &x->stream, NULL) != STATUS_OK) {
        end(x);
    } else if (x->owner->server->tls != NULL) {
        ask(x, POSTGRES_SSL_REQUEST, false);
    } else {
        ask(x, POSTGRES_CANCEL_REQUEST, true);
    }
}

void postgres_cancels_init(postgres_cancels *s, loop *l, connector *by, const postgres_server *server) {
    *s = (postgres_cancels){.l = l, .connector = by, .server = server};
    list_init(&s->items);
}

void postgres_cancels_done(postgres_cancels *s) {
    while (!list_empty(&s->items)) {
        end(LIST_ENTRY(s->items.next, cancel, node));
    }
}

void postgres_cancels_add(postgres_cancels *s, uint32_t process, uint32_t key) {
    if (s->count >= POSTGRES_CANCELS_MAX) {
        return;
    }
    cancel *x = MEM_NEW(cancel);
    *x = (cancel){.owner = s, .process = process, .key = key};
    list_push_back(&s->items, &x->node);
    s->count++;
    loop_timer_init(&x->timer, s->l, on_timer, x);
    loop_timer_start_in(&x->timer, time_ns_max);
    const connect_request request = {.purpose = CONNECT_SOCKETS,
                                     .protocol = CONNECT_TCP,
                                     .action = CONNECT_TO,
                                     .host = slice_from_text(s->server->host),
                                     .port = s->server->port,
                                     .deadline_ns = loop_now_ns(s->l) + time_ns_max};
    if (connector_request(s->connector, &request, on_connected, x, &x->connect_id, NULL) != STATUS_OK) {
        x->connect_id = 0;
        end(x);
    }
}
