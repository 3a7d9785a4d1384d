// SPDX-License-Identifier: Apache-2.0
// One exchange and one call of `handle`. The structure below is shared by the host (which ends it) and by the
// resources that the guest may keep (the request, its body, the outparam), so it is counted; the exchange
// belongs to it until it is over, and is not touched after that.
//
// The end of the call and the end of the response are two things: a response that the guest has finished may
// still be waiting for a slow client when `handle` returns. Then the structure lives on, without the
// instance, until the rest has been handed to the connection.
#include "capability/http/incoming.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "capability/http/http_internal.h"

struct http_incoming {
    uint32_t refs;           // the host's and one per resource or body that points here
    http_exchange *exchange; // NULL once released
    wasi_instance *instance; // NULL once the call is over
    http_source source;
    http_target target;
    http_outflow *outflow; // the response's body; NULL when it has none, or none yet
    uint16_t status_code;
    bool is_https;
    bool is_answered; // the outparam was set
    bool is_over;     // the call has ended
    void (*aborted)(void *context);
    void *context;
    wasi_http_types_incoming_request *request; // until given out
    wasi_http_types_response_outparam *outparam;
};

struct wasi_http_types_incoming_request {
    wasi_resource base;
    http_incoming *h;
    http_fields *headers; // made when first asked for
    bool is_consumed;
};

struct wasi_http_types_response_outparam {
    wasi_resource base;
    http_incoming *h;
};

static void unref(http_incoming *h) {
    if (--h->refs == 0) {
        CHECK(h->exchange == NULL);
        http_outflow_unref(h->outflow);
        mem_free(h);
    }
}

// --- the request's body ------------------------------------------------------------------------------------

static http_incoming *of_source(http_source *s) {
    return (http_incoming *)(void *)((char *)s - offsetof(http_incoming, source));
}

// The request ends with the call, even while the response is still on its way: the exchange may then be
// released in any turn of the loop, also in one between two halves of a host function that hands out its
// bytes (a guest's realloc that computes for long lets the loop run).
static bool is_readable(const http_incoming *h) { return h->exchange != NULL && !h->is_over; }

static http_body_state source_read(http_source *s, size_t max, slice *ret) {
    http_incoming *h = of_source(s);
    return is_readable(h) ? http_exchange_read(h->exchange, max, ret) : HTTP_BODY_FAILED;
}

static bool source_can_read(http_source *s) {
    http_incoming *h = of_source(s);
    return !is_readable(h) || http_exchange_can_read(h->exchange);
}

static const http_header *source_trailers(http_source *s, size_t *ret_count) {
    http_incoming *h = of_source(s);
    *ret_count = 0;
    return is_readable(h) ? http_exchange_trailers(h->exchange, ret_count) : NULL;
}

static wasi_http_types_error_code source_failure(http_source *s) {
    (void)s;
    return http_error(WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED);
}

static void source_ref(http_source *s) { of_source(s)->refs++; }
static void source_unref(http_source *s) { unref(of_source(s)); }

static const http_source_ops source_ops = {.read = source_read,
                                           .can_read = source_can_read,
                                           .trailers = source_trailers,
                                           .failure = source_failure,
                                           .ref = source_ref,
                                           .unref = source_unref};

// --- the response's body -----------------------------------------------------------------------------------

static http_incoming *of_target(http_target *t) {
    return (http_incoming *)(void *)((char *)t - offsetof(http_incoming, target));
}

static bool target_is_open(http_target *t) {
    http_incoming *h = of_target(t);
    return h->exchange != NULL && !http_exchange_is_aborted(h->exchange);
}

static size_t target_room(http_target *t) { return http_exchange_room(of_target(t)->exchange); }

static status target_write(http_target *t, slice bytes, err *e) {
    return http_exchange_write(of_target(t)->exchange, bytes, e);
}

static status target_finish(http_target *t, const http_header *trailers, size_t count, err *e) {
    return http_exchange_end(of_target(t)->exchange, trailers, count, e);
}

static void target_abort(http_target *t) { http_exchange_abort(of_target(t)->exchange); }

static const http_target_ops target_ops = {target_is_open, target_room, target_write, target_finish,
                                           target_abort};

// --- events of the exchange --------------------------------------------------------------------------------

static void release(http_incoming *h) {
    if (h->outflow != NULL) {
        http_outflow_detach(h->outflow);
    }
    http_exchange *x = h->exchange;
    h->exchange = NULL;
    http_exchange_release(x);
}

// After the call: what the guest finished is still on its way.
static void release_when_sent(http_incoming *h) {
    if (h->outflow == NULL || h->outflow->state != HTTP_OUTFLOW_FINISHED || h->outflow->target == NULL) {
        release(h);
        unref(h);
    }
}

static void on_readable(void *arg) {
    http_incoming *h = arg;
    if (h->instance != NULL) {
        wasi_instance_wake(h->instance);
    }
}

static void on_writable(void *arg) {
    http_incoming *h = arg;
    if (h->outflow != NULL) {
        http_outflow_push(h->outflow);
    }
    if (h->is_over) {
        release_when_sent(h);
    } else {
        wasi_instance_wake(h->instance);
    }
}

static void on_abort(void *arg) {
    http_incoming *h = arg;
    if (h->outflow != NULL) {
        http_outflow_detach(h->outflow);
    }
    if (h->is_over) {
        release_when_sent(h);
        return;
    }
    wasi_instance_wake(h->instance);
    bool is_complete = h->is_answered && (h->outflow == NULL || h->outflow->state == HTTP_OUTFLOW_DONE);
    if (h->aborted != NULL && !is_complete) {
        h->aborted(h->context);
    }
}

static const http_exchange_ops exchange_ops = {on_readable, on_writable, on_abort};

// --- incoming-request --------------------------------------------------------------------------------------

static void free_request(wasi_resource *r) {
    wasi_http_types_incoming_request *q = (wasi_http_types_incoming_request *)(void *)r;
    http_fields_unref(q->headers);
    unref(q->h);
    mem_free(q);
}

static const wasi_resource_ops request_ops = {.free = free_request};

void wasi_http_types_incoming_request_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_incoming_request *)rep)->base);
}

// The parsed request, for as long as the call runs.
static status request_of(const wasi_http_types_incoming_request *q, const http_request **ret, err *e) {
    if (!is_readable(q->h)) {
        return err_set(e, STATUS_TRAP, "an incoming-request was used after the call that it belongs to");
    }
    *ret = http_exchange_request(q->h->exchange);
    return STATUS_OK;
}

status wasi_http_types_incoming_request_method(host_call *call, wasi_http_types_incoming_request *self,
                                               wasi_http_types_method *ret, err *e) {
    (void)call;
    const http_request *r = NULL;
    TRY(request_of(self, &r, e));
    *ret = http_method_from(r->method);
    return STATUS_OK;
}

status wasi_http_types_incoming_request_path_with_query(host_call *call,
                                                        wasi_http_types_incoming_request *self,
                                                        wasi_http_types_option_string *ret, err *e) {
    (void)call;
    const http_request *r = NULL;
    TRY(request_of(self, &r, e));
    *ret = (wasi_http_types_option_string){true, r->path_with_query};
    return STATUS_OK;
}

status wasi_http_types_incoming_request_scheme(host_call *call, wasi_http_types_incoming_request *self,
                                               wasi_http_types_option_scheme *ret, err *e) {
    (void)call;
    const http_request *r = NULL;
    TRY(request_of(self, &r, e));
    ret->some = true;
    ret->value = r->scheme.len > 0 ? http_scheme_from(r->scheme)
                                   : http_scheme_from(slice_from_text(self->h->is_https ? "https" : "http"));
    return STATUS_OK;
}

status wasi_http_types_incoming_request_authority(host_call *call, wasi_http_types_incoming_request *self,
                                                  wasi_http_types_option_string *ret, err *e) {
    (void)call;
    const http_request *r = NULL;
    TRY(request_of(self, &r, e));
    *ret = (wasi_http_types_option_string){r->authority.len > 0, r->authority};
    return STATUS_OK;
}

status wasi_http_types_incoming_request_headers(host_call *call, wasi_http_types_incoming_request *self,
                                                wasi_http_types_fields **ret, err *e) {
    if (self->headers == NULL) {
        const http_request *r = NULL;
        TRY(request_of(self, &r, e));
        TRY(http_fields_from_wire(wasi_of(call), r->headers, r->header_count, &self->headers, e));
    }
    return http_fields_view_new(wasi_of(call), self->headers, ret, e);
}

status wasi_http_types_incoming_request_consume(host_call *call, wasi_http_types_incoming_request *self,
                                                wasi_http_types_result_incoming_body_void *ret, err *e) {
    return http_incoming_body_consume(wasi_of(call), &self->h->source, &self->is_consumed, ret, e);
}

// --- response-outparam -------------------------------------------------------------------------------------

static void free_outparam(wasi_resource *r) {
    wasi_http_types_response_outparam *o = (wasi_http_types_response_outparam *)(void *)r;
    unref(o->h);
    mem_free(o);
}

static const wasi_resource_ops outparam_ops = {.free = free_outparam};

void wasi_http_types_response_outparam_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_response_outparam *)rep)->base);
}

// What the client hears when the guest answers with an error instead of a response.
static uint16_t status_of_error(uint8_t code) {
    switch (code) {
    case WASI_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_WRITE_TIMEOUT:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT:
        return 504;
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED:
        return 403;
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_LENGTH_REQUIRED:
        return 411;
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE:
        return 413;
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_TOO_LONG:
        return 414;
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_HEADER_SECTION_SIZE:
    case WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_HEADER_SIZE:
        return 431;
    case WASI_HTTP_TYPES_ERROR_CODE_LOOP_DETECTED:
        return 508;
    case WASI_HTTP_TYPES_ERROR_CODE_CONFIGURATION_ERROR:
    case WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR:
        return 500;
    default:
        return code <= WASI_HTTP_TYPES_ERROR_CODE_TLS_ALERT_RECEIVED ||
                       code >= WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE
                   ? 502
                   : 400;
    }
}

static void answer_plainly(http_incoming *h, uint16_t status_code) {
    char text[64];
    int len = snprintf(text, sizeof text, "%u %s\n", status_code, http_reason(status_code));
    static const http_header type = {SLICE_LITERAL("Content-Type"), SLICE_LITERAL("text/plain")};
    if (http_exchange_reply(h->exchange, status_code, &type, 1, slice_of(text, (size_t)len), NULL) ==
        STATUS_OK) {
        h->status_code = status_code;
    }
}

// Sends the head of the guest's response and lets its body flow.
static void answer(http_incoming *h, wasi_http_types_outgoing_response *response) {
    http_response_head head = {response->status_code, response->headers->items, response->headers->count, -1};
    int64_t declared = -1;
    bool is_good = http_fields_content_length(response->headers, &declared);
    const http_outflow *body = response->body;
    bool is_bodiless = slice_equal_text(http_exchange_request(h->exchange)->method, "HEAD") ||
                       http_status_has_no_body(response->status_code);
    head.content_length = body == NULL && !is_bodiless ? 0 : declared;
    is_good = is_good && (body != NULL || is_bodiless || declared <= 0);
    if (declared < 0 && body != NULL && body->state == HTTP_OUTFLOW_FINISHED && body->trailers == NULL) {
        head.content_length = (int64_t)body->unsent.len; // all of it is here already
    }
    if (!is_good || http_exchange_start(h->exchange, &head, NULL) != STATUS_OK) {
        answer_plainly(h, 500); // the fields contradict the body, or are too many
        return;
    }
    h->status_code = response->status_code;
    if (response->body == NULL) {
        if (http_exchange_end(h->exchange, NULL, 0, NULL) != STATUS_OK) {
            http_exchange_abort(h->exchange);
        }
        return;
    }
    h->outflow = response->body;
    h->outflow->refs++;
    http_outflow_attach(h->outflow, &h->target);
}

status
wasi_http_types_response_outparam_set(host_call *call, wasi_http_types_response_outparam *param,
                                      const wasi_http_types_result_outgoing_response_error_code *response,
                                      err *e) {
    (void)call, (void)e;
    http_incoming *h = param->h;
    if (h->exchange != NULL && !h->is_over && !h->is_answered) {
        h->is_answered = true;
        if (response->is_err) {
            answer_plainly(h, status_of_error(response->err.tag));
        } else {
            answer(h, response->ok);
        }
    }
    if (!response->is_err) {
        wasi_resource_drop(&response->ok->base);
    }
    wasi_resource_drop(&param->base);
    return STATUS_OK;
}

// --- the host's side ---------------------------------------------------------------------------------------

static status make_resources(http_incoming *h, err *e) {
    wasi_http_types_incoming_request *q =
        WASI_NEW(h->instance, wasi_http_types_incoming_request, &request_ops, WASI_CLASS_OTHER, NULL, e);
    if (q == NULL) {
        return STATUS_LIMIT;
    }
    q->h = h;
    h->refs++;
    wasi_http_types_response_outparam *o =
        WASI_NEW(h->instance, wasi_http_types_response_outparam, &outparam_ops, WASI_CLASS_OTHER, NULL, e);
    if (o == NULL) {
        wasi_resource_drop(&q->base);
        return STATUS_LIMIT;
    }
    o->h = h;
    h->refs++;
    h->request = q;
    h->outparam = o;
    return STATUS_OK;
}

status http_incoming_new(const http_incoming_options *options, http_incoming **ret, err *e) {
    http_incoming *h = MEM_NEW(http_incoming);
    h->refs = 1;
    h->instance = options->instance;
    h->is_https = options->is_https;
    h->aborted = options->aborted;
    h->context = options->context;
    h->source.ops = &source_ops;
    h->target.ops = &target_ops;
    status made = make_resources(h, e);
    if (made != STATUS_OK) {
        unref(h);
        return made;
    }
    h->exchange = options->exchange;
    http_exchange_bind(h->exchange, &exchange_ops, h);
    *ret = h;
    return STATUS_OK;
}

void http_incoming_args(http_incoming *h, component_value ret_args[2]) {
    CHECK(h->request != NULL);
    ret_args[0] = (component_value){.kind = CTYPE_OWN};
    ret_args[0].of.handle.type = &wasi_http_types_incoming_request_resource;
    ret_args[0].of.handle.rep = h->request;
    ret_args[1] = (component_value){.kind = CTYPE_OWN};
    ret_args[1].of.handle.type = &wasi_http_types_response_outparam_resource;
    ret_args[1].of.handle.rep = h->outparam;
    h->request = NULL;
    h->outparam = NULL;
}

void http_incoming_end(http_incoming *h, http_incoming_outcome outcome) {
    CHECK(!h->is_over);
    if (h->request != NULL) {
        wasi_resource_drop(&h->request->base);
        wasi_resource_drop(&h->outparam->base);
    }
    h->is_over = true;
    h->instance = NULL;
    bool is_open = !http_exchange_is_aborted(h->exchange);
    if (is_open && !http_exchange_is_started(h->exchange) && outcome != HTTP_INCOMING_ABORTED) {
        answer_plainly(h, outcome == HTTP_INCOMING_TIMED_OUT ? 504 : 500);
    }
    release_when_sent(h); // a response that is not ended is cut by the release
}

uint16_t http_incoming_status(const http_incoming *h) { return h->status_code; }
