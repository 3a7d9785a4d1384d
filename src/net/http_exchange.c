// SPDX-License-Identifier: Apache-2.0
// What handlers do with a request: look at it, read its body, let it go.
//
// The body is pulled: a read that finds nothing decoded receives from the socket itself, so a reader that
// keeps up needs no turn of the loop between, and one that does not read stops the client by TCP's own means.
#include "base/check.h"
#include "net/http_server_internal.h"

void http_exchange_bind(http_exchange *x, const http_exchange_ops *ops, void *arg) {
    x->ops = ops;
    x->arg = arg;
}

uint32_t http_exchange_tag(const http_exchange *x) { return x->c->tag; }
const http_request *http_exchange_request(const http_exchange *x) { return &x->request; }

static void send_continue(http_exchange *x) {
    x->expects_continue = false;
    if (!x->is_started && x->body_total == 0) {
        err ignored; // the client then waits, and is cut like any that sends too slowly
        status sent = http_exchange_inform(x, 100, NULL, 0, &ignored);
        (void)sent;
        http_connection_flush(x->c);
    }
}

// Whether there is something to say to a reader; receives when that can help. While nobody waits, nothing is
// received, so that bytes which were handed out stay where they are, and the client's time does not run.
static http_body_state look(http_exchange *x) {
    http_connection *c = x->c;
    x->wants_read = false;
    for (;;) {
        if (x->body_len > 0) {
            return HTTP_BODY_DATA;
        }
        if (x->is_aborted || c->is_broken || x->refusal != 0) {
            return HTTP_BODY_FAILED;
        }
        if (x->message_done) {
            return HTTP_BODY_END;
        }
        if (x->expects_continue) {
            send_continue(x);
        }
        if (!http_connection_receive(c)) {
            if (c->is_broken || x->refusal != 0) {
                continue;
            }
            x->wants_read = true;
            http_connection_watch_update(c);
            return HTTP_BODY_WAIT;
        }
    }
}

http_body_state http_exchange_read(http_exchange *x, size_t max, slice *ret) {
    CHECK(!x->is_released && max > 0);
    http_body_state state = look(x);
    if (state == HTTP_BODY_DATA) {
        size_t len = x->body_len < max ? x->body_len : max;
        *ret = slice_of(x->body, len);
        x->body += len;
        x->body_len -= len;
    }
    return state;
}

bool http_exchange_can_read(http_exchange *x) { return look(x) != HTTP_BODY_WAIT; }

const http_header *http_exchange_trailers(const http_exchange *x, size_t *ret_count) {
    *ret_count = x->message_done ? x->trailer_count : 0;
    return x->trailers;
}

bool http_exchange_is_started(const http_exchange *x) { return x->is_started; }

bool http_exchange_is_aborted(const http_exchange *x) { return x->is_aborted || x->c->is_broken; }

void http_exchange_abort(http_exchange *x) {
    x->ops = NULL;
    if (!x->c->is_broken) {
        http_connection_flush(
            x->c); // what there is of it, so that the client sees an answer that was cut short
    }
    x->c->is_broken = true;
    http_connection_advance_soon(x->c);
}

void http_exchange_release(http_exchange *x) {
    CHECK(!x->is_released);
    x->is_released = true;
    x->ops = NULL;
    http_connection_advance(x->c);
}
