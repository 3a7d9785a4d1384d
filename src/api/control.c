// SPDX-License-Identifier: Apache-2.0
#include "api/control_internal.h"

#include <string.h>

#include "api/answer.h"
#include "base/mem.h"
#include "os/clock.h"

enum { CLIENTS_MAX = 64, BODY_BYTES_MAX = 256 << 10, FLUSH_MS_MAX = 1000, TEXT_BYTES_SHORT = 128 };
#define IDLE_NS_MAX 10000000000ull

#define HEADER(name_, value_) \
    { .name = SLICE_LITERAL(name_), .value = SLICE_LITERAL(value_) }
static const http_header json_type[] = {HEADER("content-type", "application/json")};

// --- answers -----------------------------------------------------------------------------------------------

static void free_request(control_request *r) {
    if (r->owner->waiting == r) {
        r->owner->waiting = NULL;
    }
    if (r->exchange != NULL) {
        http_exchange_release(r->exchange);
    }
    list_remove(&r->node);
    plan_change_done(&r->change);
    buf_done(&r->body);
    mem_free(r);
}

void control_answer(control_request *r, uint16_t code, json_value *document) {
    auto_buf text;
    buf_init(&text, CONTROL_ANSWER_BYTES_MAX);
    bool fits = json_write(document, 0, &text) == STATUS_OK && buf_append_byte(&text, '\n') == STATUS_OK;
    json_free(document);
    if (r->exchange != NULL && fits) {
        http_exchange *x = r->exchange;
        r->exchange = NULL;
        answer_send(x, code, json_type, 1, &text);
    }
    free_request(r);
}

static uint16_t code_of(status s) {
    switch (s) {
    case STATUS_NOT_FOUND:
        return 404;
    case STATUS_DENIED:
        return 403;
    case STATUS_LIMIT:
    case STATUS_EXISTS:
        return 409;
    case STATUS_INVALID:
    case STATUS_UNSUPPORTED:
        return 400;
    default:
        return 500;
    }
}

void control_fail(control_request *r, const err *e) {
    json_value *document = json_object_new();
    json_put_text(document, "error", slice_from_text(status_name(e->code)));
    json_put_text(document, "message", slice_from_text(e->message));
    control_answer(r, code_of(e->code), document);
}

// --- requests ----------------------------------------------------------------------------------------------

static void stop(control_request *r, const json_value *body) {
    generation *g = r->owner->options.generation;
    (void)body;
    json_value *document = json_object_new();
    json_put_bool(document, "ending", true);
    control_answer(r, 200, document);
    generation_ask_end(g); // the answer leaves before the end: control_free waits for it
}

typedef struct operation {
    const char *path;
    void (*run)(control_request *r, const json_value *body);
} operation;

static const operation operations[] = {
    {"/v1/apply", control_apply},
    {"/v1/remove", control_remove},
    {"/v1/scale", control_scale},
    {"/v1/links", control_put_link},
    {"/v1/links/delete", control_delete_link},
    {"/v1/stop", stop},
};

static slice path_of(const http_exchange *x) {
    slice target = http_exchange_request(x)->path_with_query;
    return slice_sub(target, 0, slice_find(target, 0, '?'));
}

static const operation *find_operation(slice path) {
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (slice_equal_text(path, operations[i].path)) {
            return &operations[i];
        }
    }
    return NULL;
}

static void run_operation(control_request *r) {
    json_value *body = NULL;
    err e = {0};
    const operation *o = find_operation(path_of(r->exchange));
    if (r->owner->is_retiring) {
        err_set(&e, STATUS_LIMIT, "this host is being changed; try again");
        control_fail(r, &e);
        return;
    }
    status s = r->body.len == 0 ? STATUS_OK : json_parse(buf_slice(&r->body), &body, &e);
    if (s == STATUS_OK && body != NULL && !json_is_object(body)) {
        s = err_set(&e, STATUS_INVALID, "the body must be an object");
    }
    if (s != STATUS_OK) {
        control_fail(r, &e);
    } else {
        o->run(r, body);
    }
    json_free(body);
}

static void on_readable(void *arg) {
    control_request *r = arg;
    slice piece;
    err e = {0};
    for (;;) {
        http_body_state state = http_exchange_read(r->exchange, BODY_BYTES_MAX, &piece);
        if (state == HTTP_BODY_WAIT) {
            return;
        }
        if (state == HTTP_BODY_END) {
            run_operation(r);
            return;
        }
        if (state != HTTP_BODY_DATA || buf_append(&r->body, piece) != STATUS_OK) {
            err_set(&e, STATUS_INVALID, "the body was cut, or has more than %d bytes", BODY_BYTES_MAX);
            control_fail(r, &e);
            return;
        }
    }
}

// What it has asked for goes on without it.
static void on_abort(void *arg) {
    control_request *r = arg;
    http_exchange_release(r->exchange);
    r->exchange = NULL;
    if (r->owner->waiting != r && r->change.workload == NULL) {
        free_request(r);
    }
}

static const http_exchange_ops request_ops = {.on_readable = on_readable, .on_abort = on_abort};

static control_request *begin(control *c, http_exchange *x) {
    control_request *r = MEM_NEW(control_request);
    *r = (control_request){.owner = c, .exchange = x};
    buf_init(&r->body, BODY_BYTES_MAX);
    list_push_back(&c->requests, &r->node);
    return r;
}

static void on_request(void *arg, http_exchange *x) {
    control *c = arg;
    bool is_get = slice_equal_text(http_exchange_request(x)->method, "GET");
    bool is_post = slice_equal_text(http_exchange_request(x)->method, "POST");
    slice path = path_of(x);
    err e;
    bool is_log = is_get && slice_equal_text(path, "/v1/logs");
    if (is_log && control_follow(c, x, &e) == STATUS_OK) {
        return;
    }
    control_request *r = begin(c, x);
    if (is_log) {
        control_fail(r, &e);
    } else if (is_get && slice_equal_text(path, "/v1/status")) {
        control_answer(r, 200, control_status(c));
    } else if (is_post && find_operation(path) != NULL) {
        http_exchange_bind(x, &request_ops, r);
        on_readable(r);
    } else {
        err_set(&e, STATUS_NOT_FOUND, "there is no such operation; docs/control.md has all");
        control_fail(r, &e);
    }
}

// --- the log -----------------------------------------------------------------------------------------------

static bool write_line(log_ring *ring, const log_record *record, slice workload, size_t text_bytes_max) {
    char stamp[CLOCK_TEXT_BYTES];
    auto_buf line;
    const log_format f = {clock_wall_text(clock_wall_now(), stamp), workload, text_bytes_max};
    buf_init(&line, LOG_RING_LINE_BYTES_MAX);
    bool fits = log_format_json(record, &f, &line) == STATUS_OK;
    if (fits) {
        log_ring_write(ring, buf_slice(&line));
    }
    return fits;
}

static void on_record(void *context, slice workload, const log_record *record) {
    const control *c = context;
    if (!write_line(c->options.ring, record, workload, LOG_TEXT_BYTES_MAX)) {
        (void)write_line(c->options.ring, record, workload, TEXT_BYTES_SHORT);
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

status control_new(const control_options *options, control **ret, err *e) {
    control *c = MEM_NEW(control);
    c->options = *options;
    c->started_s = clock_wall_now().seconds;
    c->tap = (log_tap){.record = on_record, .context = c};
    list_init(&c->requests);
    list_init(&c->followers);
    status s = loop_watch_start(&c->answers, options->loop, generation_channel(options->generation),
                                LOOP_READABLE, control_on_answer, c, e);
    if (s != STATUS_OK) {
        mem_free(c);
        return s;
    }
    log_taps_add(options->status->taps, &c->tap);
    *ret = c;
    return STATUS_OK;
}

void control_serve(control *c, const char *url) {
    http_server_options o = http_server_options_default();
    o.connections_max = CLIENTS_MAX;
    o.idle_ns_max = IDLE_NS_MAX;
    o.header_bytes_max = 8 << 10;
    o.header_count_max = 64;
    o.target_bytes_max = 4 << 10;
    o.body_bytes_max = BODY_BYTES_MAX;
    o.is_for_our_user = true;
    const http_server_handler handler = {.arg = c, .on_request = on_request};
    mem_free(c->url);
    c->url = mem_text_dup(url);
    // Without it the host serves all the same, and nobody can ask it.
    (void)!http_server_new(c->options.loop, c->options.listen_fd, &o, &handler, &c->server, NULL);
}

void control_retire(control *c) {
    c->is_retiring = true;
    control_end_followers(c);
    if (c->server != NULL) {
        http_server_drain(c->server, UINT64_MAX);
    }
}

static void on_patience_over(void *arg) { (void)arg; } // it has ended the wait

static void flush(control *c) {
    loop_timer patience;
    loop_timer_init(&patience, c->options.loop, on_patience_over, NULL);
    loop_timer_start_in(&patience, FLUSH_MS_MAX * 1000000ull);
    while (loop_timer_is_active(&patience) && http_server_count(c->server).open > 0) {
        loop_turn(c->options.loop, true);
    }
    loop_timer_stop(&patience);
}

void control_free(control *c) {
    if (c == NULL) {
        return;
    }
    control_retire(c);
    if (c->server != NULL) {
        flush(c);
        http_server_free(c->server);
    }
    log_taps_remove(&c->tap);
    loop_watch_stop(&c->answers);
    while (!list_empty(&c->requests)) {
        free_request(LIST_ENTRY(c->requests.next, control_request, node));
    }
    mem_free(c->url);
    mem_free(c);
}
