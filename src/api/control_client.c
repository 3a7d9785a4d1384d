// SPDX-License-Identifier: Apache-2.0
#include "api/control_client.h"

#include <stdio.h>

#include "api/control_place.h"
#include "base/mem.h"
#include "net/http_client.h"
#include "os/fd.h"

enum {
    ANSWER_BYTES_MAX = 32 << 20,
    BODY_BYTES_MAX = 256 << 10,
    PIECE_BYTES_MAX = 64 << 10,
    SOCKET_PATH_BYTES_MAX = 64
};
#define FOREVER_NS 86400000000000ull // a change takes as long as its components take to compile

typedef struct client {
    const control_call *call;
    loop *loop;
    int place_fd; // the directory of the socket
    char path[SOCKET_PATH_BYTES_MAX];
    http_client *http;
    http_call *request;
    loop_soon progress;
    buf body;
    size_t sent;
    buf answer;
    bool is_over;
    status code;
    err e;
} client;

// --- the call ----------------------------------------------------------------------------------------------

static void finish(client *c, status code) {
    c->is_over = true;
    c->code = code;
    loop_stop(c->loop);
}

static void send_body(client *c) {
    while (c->sent < c->body.len && http_call_may_write(c->request)) {
        size_t room = http_call_room(c->request);
        size_t n = room < c->body.len - c->sent ? room : c->body.len - c->sent;
        if (n == 0) {
            return;
        }
        if (http_call_write(c->request, slice_of(c->body.data + c->sent, n), &c->e) != STATUS_OK) {
            return; // the call tells its end
        }
        c->sent += n;
        if (c->sent == c->body.len) {
            http_call_end(c->request, NULL, 0);
        }
    }
}

static void take(client *c, slice piece) {
    const http_response *r = http_call_response(c->request);
    bool is_streamed = c->call->on_bytes != NULL && r != NULL && r->status == 200;
    if (is_streamed && !c->call->on_bytes(c->call->arg, piece)) {
        finish(c, STATUS_CANCELLED);
    } else if (!is_streamed && buf_append(&c->answer, piece) != STATUS_OK) {
        finish(c, err_set(&c->e, STATUS_LIMIT, "the answer of the host is too long"));
    }
}

static void fail(client *c) {
    finish(c, err_set(&c->e, STATUS_CLOSED, "the host went away: %s", http_call_failure_text(c->request)));
}

static void go_on(void *arg) {
    client *c = arg;
    send_body(c);
    while (!c->is_over && http_call_response(c->request) != NULL) {
        slice piece;
        http_body_state state = http_call_read(c->request, PIECE_BYTES_MAX, &piece);
        if (state == HTTP_BODY_DATA) {
            take(c, piece);
        } else if (state == HTTP_BODY_END) {
            finish(c, STATUS_OK);
        } else if (state == HTTP_BODY_WAIT) {
            break;
        } else {
            fail(c);
        }
    }
    if (!c->is_over && http_call_failure(c->request) != HTTP_FAILURE_NONE) {
        fail(c);
    }
}

static void on_progress(void *arg) {
    client *c = arg;
    loop_soon_add(c->loop, &c->progress);
}

static status start(client *c, err *e) {
    static const http_header json_type = {.name = SLICE_LITERAL("content-type"),
                                          .value = SLICE_LITERAL("application/json")};
    http_client_options o = http_client_options_default();
    o.socket_path = c->path;
    o.connect_ns = o.first_byte_ns = o.between_bytes_ns = FOREVER_NS;
    buf_init(&c->body, BODY_BYTES_MAX);
    buf_init(&c->answer, ANSWER_BYTES_MAX);
    if (c->call->body != NULL && json_write(c->call->body, 0, &c->body) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "what the host is told is too long");
    }
    TRY(control_place_open(c->call->host, &c->place_fd, e));
    (void)snprintf(c->path, sizeof c->path, "/proc/self/fd/%d/" CONTROL_SOCKET, c->place_fd);
    TRY(http_client_new(c->loop, &o, &c->http, e));
    const http_call_request r = {.method = slice_from_text(c->call->method),
                                 .authority = SLICE_LITERAL("host"),
                                 .path_with_query = slice_from_text(c->call->target),
                                 .headers = &json_type,
                                 .header_count = 1,
                                 .has_body = c->body.len > 0,
                                 .content_length = (int64_t)c->body.len};
    return http_call_new(c->http, &r, on_progress, c, &c->request, e);
}

static status run(client *c, err *e) {
    TRY(loop_new(NULL, &c->loop, e));
    loop_soon_init(&c->progress, go_on, c);
    TRY(start(c, e));
    on_progress(c);
    loop_run(c->loop);
    return c->code == STATUS_OK ? STATUS_OK : err_set(e, c->code, "%s", c->e.message);
}

static void release(client *c) {
    if (c->loop == NULL) {
        return;
    }
    loop_soon_cancel(&c->progress);
    http_call_free(c->request);
    http_client_free(c->http);
    fd_close(c->place_fd);
    buf_done(&c->body);
    loop_free(c->loop);
}

// --- what it says ------------------------------------------------------------------------------------------

static status status_of_name(slice name) {
    for (int s = STATUS_OK + 1; s <= STATUS_INTERNAL; s++) {
        if (slice_equal_text(name, status_name((status)s))) {
            return (status)s;
        }
    }
    return STATUS_INTERNAL;
}

static status judge(const json_value *document, err *e) {
    slice name, message = slice_empty();
    if (!json_as_text(json_get(document, "error"), &name)) {
        return STATUS_OK;
    }
    (void)json_as_text(json_get(document, "message"), &message);
    return err_set(e, status_of_name(name), "%.*s", SLICE_ARG(message));
}

static status read_answer(slice text, json_value **ret, err *e) {
    json_value *document = NULL;
    TRY(json_parse(text, &document, e));
    status s = judge(document, e);
    if (s != STATUS_OK) {
        json_free(document);
        return s;
    }
    *ret = document;
    return STATUS_OK;
}

status control_client_call(const control_call *call, json_value **ret_document, err *e) {
    client c = {.call = call, .place_fd = -1};
    status s = run(&c, e);
    if (s == STATUS_OK && (call->on_bytes == NULL || c.answer.len > 0)) {
        json_value *document = NULL;
        s = read_answer(buf_slice(&c.answer), &document, e);
        if (ret_document != NULL && s == STATUS_OK) {
            *ret_document = document;
        } else {
            json_free(document);
        }
    }
    buf_done(&c.answer);
    release(&c);
    return s;
}
