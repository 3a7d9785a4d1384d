// SPDX-License-Identifier: Apache-2.0
// wasi:http/outgoing-handler: requests that a guest makes, through the workload's HTTP client.
//
// The policy is asked here, before anything is looked up, and again by the connector for each address that
// the name led to. One `outgoing` stands behind the future, the response and its body, and ends with the last
// of them, which cancels what is not finished.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "capability/http/http_internal.h"
#include "loop/loop.h"
#include "net/http_client.h"
#include "policy/network.h"
#include "wasi/http_outgoing_handler.h"

typedef struct outgoing {
    list_node node; // in the account's calls
    uint32_t refs;
    wasi_instance *instance;
    http_call *call;
    http_source source;
    http_target target;
    http_outflow *outflow; // the request's body; NULL when it has none
    loop_soon soon;        // to move on what waits in the outflow
} outgoing;

struct wasi_http_types_future_incoming_response {
    wasi_resource base;
    outgoing *o;
    bool is_taken;
};

struct wasi_http_types_incoming_response {
    wasi_resource base;
    outgoing *o;
    http_fields *headers; // made when first asked for
    bool is_consumed;
};

static void unref(outgoing *o) {
    if (--o->refs > 0) {
        return;
    }
    loop_soon_cancel(&o->soon);
    list_remove(&o->node);
    http_account_refund(http_account_of(o->instance), HTTP_CALL_BYTES);
    if (o->outflow != NULL) {
        http_outflow_detach(o->outflow);
        http_outflow_unref(o->outflow);
    }
    http_call_free(o->call);
    mem_free(o);
}

static void on_soon(void *arg) {
    outgoing *o = arg;
    if (o->outflow != NULL) {
        http_outflow_push(o->outflow);
    }
    wasi_instance_wake(o->instance);
}

// From inside the client: only takes note.
static void on_progress(void *arg) {
    outgoing *o = arg;
    bool has_unsent =
        o->outflow != NULL && (o->outflow->unsent.len > 0 || o->outflow->state == HTTP_OUTFLOW_FINISHED);
    if (has_unsent) {
        loop_soon_add(o->instance->loop, &o->soon);
    } else {
        wasi_instance_wake(o->instance);
    }
}

// --- failures ----------------------------------------------------------------------------------------------

static wasi_http_types_error_code error_of(http_failure failure) {
    static const uint8_t codes[] = {
        [HTTP_FAILURE_NONE] = WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR,
        [HTTP_FAILURE_DENIED] = WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_IP_PROHIBITED,
        [HTTP_FAILURE_DNS] = WASI_HTTP_TYPES_ERROR_CODE_DNS_ERROR,
        [HTTP_FAILURE_DNS_TIMEOUT] = WASI_HTTP_TYPES_ERROR_CODE_DNS_TIMEOUT,
        [HTTP_FAILURE_REFUSED] = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_REFUSED,
        [HTTP_FAILURE_UNREACHABLE] = WASI_HTTP_TYPES_ERROR_CODE_DESTINATION_UNAVAILABLE,
        [HTTP_FAILURE_CONNECT_TIMEOUT] = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TIMEOUT,
        [HTTP_FAILURE_LIMIT] = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED,
        [HTTP_FAILURE_TERMINATED] = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_TERMINATED,
        [HTTP_FAILURE_TLS_PROTOCOL] = WASI_HTTP_TYPES_ERROR_CODE_TLS_PROTOCOL_ERROR,
        [HTTP_FAILURE_TLS_CERTIFICATE] = WASI_HTTP_TYPES_ERROR_CODE_TLS_CERTIFICATE_ERROR,
        [HTTP_FAILURE_RESPONSE_TIMEOUT] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_TIMEOUT,
        [HTTP_FAILURE_READ_TIMEOUT] = WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_READ_TIMEOUT,
        [HTTP_FAILURE_RESPONSE_INCOMPLETE] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_INCOMPLETE,
        [HTTP_FAILURE_RESPONSE_HEADER_SIZE] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_RESPONSE_HEADER_SECTION_SIZE,
        [HTTP_FAILURE_PROTOCOL] = WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR,
        [HTTP_FAILURE_INTERNAL] = WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR,
    };
    return http_error(codes[failure]);
}

// What the end of the workload's link says in place of a response, as WASI_HTTP_TYPES_ERROR_CODE_*; or -1.
static int linked_error(const outgoing *o) {
    const http_response *r = http_call_response(o->call);
    const http_header *told = o->instance->workload->is_http_linked
                                  ? http_header_find(r->headers, r->header_count, "writ-http-error")
                                  : NULL;
    uint64_t code;
    if (told == NULL) {
        return -1;
    }
    slice number = slice_sub(told->value, 0, slice_find(told->value, 0, ' '));
    return slice_to_u64(number, &code) && code <= WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR
               ? (int)code
               : WASI_HTTP_TYPES_ERROR_CODE_INTERNAL_ERROR;
}

// --- bodies ------------------------------------------------------------------------------------------------

static outgoing *of_source(http_source *s) {
    return (outgoing *)(void *)((char *)s - offsetof(outgoing, source));
}
static outgoing *of_target(http_target *t) {
    return (outgoing *)(void *)((char *)t - offsetof(outgoing, target));
}

static http_body_state source_read(http_source *s, size_t max, slice *ret) {
    return http_call_read(of_source(s)->call, max, ret);
}
static bool source_can_read(http_source *s) { return http_call_can_read(of_source(s)->call); }
static const http_header *source_trailers(http_source *s, size_t *ret_count) {
    return http_call_trailers(of_source(s)->call, ret_count);
}
static wasi_http_types_error_code source_failure(http_source *s) {
    return error_of(http_call_failure(of_source(s)->call));
}
static void source_ref(http_source *s) { of_source(s)->refs++; }
static void source_unref(http_source *s) { unref(of_source(s)); }

static const http_source_ops source_ops = {.read = source_read,
                                           .can_read = source_can_read,
                                           .trailers = source_trailers,
                                           .failure = source_failure,
                                           .ref = source_ref,
                                           .unref = source_unref};

static bool target_is_open(http_target *t) { return http_call_may_write(of_target(t)->call); }
static size_t target_room(http_target *t) { return http_call_room(of_target(t)->call); }
static status target_write(http_target *t, slice bytes, err *e) {
    return http_call_write(of_target(t)->call, bytes, e);
}
static status target_finish(http_target *t, const http_header *trailers, size_t count, err *e) {
    (void)e;
    http_call_end(of_target(t)->call, trailers, count);
    return STATUS_OK;
}
static void target_abort(http_target *t) { http_call_abort(of_target(t)->call); }

static const http_target_ops target_ops = {target_is_open, target_room, target_write, target_finish,
                                           target_abort};

// --- the handler -------------------------------------------------------------------------------------------

// Where the request goes, for the policy.
static bool split_authority(slice authority, bool is_https, slice *ret_host, uint16_t *ret_port) {
    size_t end = authority.data[0] == '[' ? slice_find(authority, 0, ']') : slice_find(authority, 0, ':');
    slice host = slice_sub(authority, authority.data[0] == '[' ? 1 : 0, end);
    slice rest = slice_sub(authority, end == SIZE_MAX ? authority.len : end, authority.len);
    size_t colon = slice_find(rest, 0, ':');
    slice port = colon == SIZE_MAX ? slice_empty() : slice_sub(rest, colon + 1, rest.len);
    uint64_t number = is_https ? 443 : 80;
    if (port.len > 0 && (!slice_to_u64(port, &number) || number == 0 || number > UINT16_MAX)) {
        return false;
    }
    *ret_host = host;
    *ret_port = (uint16_t)number;
    return true;
}

// A refusal is something that the operator wants to read: who, what, and the option that would allow it.
static void log_refusal(wasi_instance *i, const char *why) {
    const wasi_log_sink *log = &i->workload->log;
    if (log->line != NULL) {
        log->line(log->context, i, true, slice_from_text(why));
    }
}

// WASI_HTTP_TYPES_ERROR_CODE_* of a refusal, or -1 when the request may go.
static int judge(wasi_instance *i, const wasi_http_types_outgoing_request *r, bool is_https) {
    slice host = slice_empty();
    uint16_t port = 0;
    if (!r->has_authority || !split_authority(r->authority, is_https, &host, &port)) {
        return WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID;
    }
    if (i->workload->is_http_linked) { // who takes the request knows whom it may reach
        return -1;
    }
    static const network_policy nothing = {0};
    const network_policy *policy = i->workload->http_policy != NULL ? i->workload->http_policy : &nothing;
    err why = {0};
    if (network_policy_check_host(policy, host, port, "--allow-http", &why) != STATUS_OK) {
        log_refusal(i, why.message);
        return WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_DENIED;
    }
    return i->http == NULL ? WASI_HTTP_TYPES_ERROR_CODE_CONFIGURATION_ERROR : -1;
}

static uint64_t timeout_of(wasi_http_types_option_u64 duration) {
    return !duration.some ? 0 : duration.value == 0 ? 1 : duration.value;
}

// Starts the call; returns WASI_HTTP_TYPES_ERROR_CODE_* when that fails, else -1.
static int start(outgoing *o, wasi_http_types_outgoing_request *r,
                 const wasi_http_types_request_options *options, bool is_https) {
    http_call_request request = {
        .method = r->method,
        .is_https = is_https,
        .authority = r->authority,
        .path_with_query = r->path_with_query,
        .headers = r->headers->items,
        .header_count = r->headers->count,
        .has_body = r->body != NULL,
        .content_length = -1,
    };
    if (!http_fields_content_length(r->headers, &request.content_length)) {
        return WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR;
    }
    if (r->body == NULL && request.content_length > 0) {
        return WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_BODY_SIZE;
    }
    const http_outflow *body = r->body;
    if (body != NULL && request.content_length < 0 && body->state == HTTP_OUTFLOW_FINISHED &&
        body->trailers == NULL) {
        request.content_length = (int64_t)body->unsent.len; // all of it is here already
        request.has_body = body->unsent.len > 0;
    }
    if (options != NULL) {
        request.connect_ns = timeout_of(options->connect_timeout);
        request.first_byte_ns = timeout_of(options->first_byte_timeout);
        request.between_bytes_ns = timeout_of(options->between_bytes_timeout);
    }
    status begun = http_call_new(o->instance->http, &request, on_progress, o, &o->call, NULL);
    if (begun != STATUS_OK) {
        return begun == STATUS_INVALID ? WASI_HTTP_TYPES_ERROR_CODE_HTTP_REQUEST_URI_INVALID
                                       : WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED;
    }
    if (request.has_body) {
        o->outflow = r->body;
        o->outflow->refs++;
        http_outflow_attach(o->outflow, &o->target);
    }
    return -1;
}

// The connections are shared by all instances: one takes as many as it may have sockets. Charges the account.
static bool may_call(wasi_instance *i) {
    http_account *a = http_account_of(i);
    uint32_t count = 0;
    for (const list_node *n = a->calls.next; n != &a->calls; n = n->next) {
        const outgoing *o = LIST_ENTRY(n, outgoing, node);
        count += o->call != NULL && !http_call_is_done(o->call);
    }
    bool may = count < i->workload->limits.sockets_max && http_account_charge(a, HTTP_CALL_BYTES);
    i->counters.limits_hit += !may;
    return may;
}

static void free_future(wasi_resource *r) {
    wasi_http_types_future_incoming_response *f = (wasi_http_types_future_incoming_response *)(void *)r;
    unref(f->o);
    mem_free(f);
}

static const wasi_resource_ops future_ops = {.free = free_future};

// The request is judged and started. Fills the result; a status only when the guest must trap.
static status handle(host_call *call, wasi_http_types_outgoing_request *r,
                     const wasi_http_types_request_options *options,
                     wasi_http_outgoing_handler_result_future_incoming_response_error_code *ret, err *e) {
    wasi_instance *i = wasi_of(call);
    bool is_http = r->has_scheme && slice_equal_nocase(r->scheme, slice_from_text("http"));
    bool is_https = !r->has_scheme || slice_equal_nocase(r->scheme, slice_from_text("https"));
    int refusal =
        is_http || is_https ? judge(i, r, is_https) : WASI_HTTP_TYPES_ERROR_CODE_HTTP_PROTOCOL_ERROR;
    if (refusal >= 0) {
        ret->is_err = true;
        ret->err = http_error((uint8_t)refusal);
        return STATUS_OK;
    }
    if (!may_call(i)) {
        ret->is_err = true;
        ret->err = http_error(WASI_HTTP_TYPES_ERROR_CODE_CONNECTION_LIMIT_REACHED);
        return STATUS_OK;
    }
    wasi_http_types_future_incoming_response *f =
        WASI_NEW(i, wasi_http_types_future_incoming_response, &future_ops, WASI_CLASS_OTHER, NULL, e);
    if (f == NULL) {
        http_account_refund(http_account_of(i), HTTP_CALL_BYTES);
        return STATUS_LIMIT;
    }
    outgoing *o = MEM_NEW(outgoing);
    o->refs = 1;
    o->instance = i;
    o->source.ops = &source_ops;
    o->target.ops = &target_ops;
    loop_soon_init(&o->soon, on_soon, o);
    list_push_back(&http_account_of(i)->calls, &o->node);
    f->o = o;
    refusal = start(o, r, options, is_https);
    ret->is_err = refusal >= 0;
    if (ret->is_err) {
        ret->err = http_error((uint8_t)refusal);
        wasi_resource_drop(&f->base);
    } else {
        ret->ok = f;
    }
    return STATUS_OK;
}

status
wasi_http_outgoing_handler_handle(host_call *call, wasi_http_types_outgoing_request *request,
                                  const wasi_http_outgoing_handler_option_request_options *options,
                                  wasi_http_outgoing_handler_result_future_incoming_response_error_code *ret,
                                  err *e) {
    status handled = handle(call, request, options->some ? options->value : NULL, ret, e);
    wasi_resource_drop(&request->base);
    if (options->some) {
        wasi_resource_drop(&options->value->base);
    }
    return handled;
}

// --- future-incoming-response ------------------------------------------------------------------------------

void wasi_http_types_future_incoming_response_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_future_incoming_response *)rep)->base);
}

static bool is_answered(const outgoing *o) {
    return http_call_response(o->call) != NULL || http_call_failure(o->call) != HTTP_FAILURE_NONE;
}

static bool future_ready(wasi_io_poll_pollable *p) {
    const wasi_http_types_future_incoming_response *f = p->source;
    return f->is_taken || is_answered(f->o);
}

status wasi_http_types_future_incoming_response_subscribe(host_call *call,
                                                          wasi_http_types_future_incoming_response *self,
                                                          wasi_io_poll_pollable **ret, err *e) {
    static const wasi_pollable_ops ops = {.ready = future_ready};
    return wasi_pollable_new(wasi_of(call), &ops, &self->base, self, ret, e);
}

static void free_response(wasi_resource *r) {
    wasi_http_types_incoming_response *p = (wasi_http_types_incoming_response *)(void *)r;
    http_fields_unref(p->headers);
    unref(p->o);
    mem_free(p);
}

static const wasi_resource_ops response_ops = {.free = free_response};

status wasi_http_types_future_incoming_response_get(
    host_call *call, wasi_http_types_future_incoming_response *self,
    wasi_http_types_option_result_result_incoming_response_error_code_void *ret, err *e) {
    *ret = (wasi_http_types_option_result_result_incoming_response_error_code_void){
        .some = self->is_taken || is_answered(self->o)};
    if (!ret->some) {
        return STATUS_OK;
    }
    if (self->is_taken) {
        ret->value.is_err = true;
        return STATUS_OK;
    }
    self->is_taken = true;
    bool has_response = http_call_response(self->o->call) != NULL;
    int told = has_response ? linked_error(self->o) : -1;
    if (!has_response || told >= 0) {
        ret->value.ok.is_err = true;
        ret->value.ok.err =
            has_response ? http_error((uint8_t)told) : error_of(http_call_failure(self->o->call));
        return STATUS_OK;
    }
    wasi_http_types_incoming_response *p =
        WASI_NEW(wasi_of(call), wasi_http_types_incoming_response, &response_ops, WASI_CLASS_OTHER, NULL, e);
    if (p == NULL) {
        return STATUS_LIMIT;
    }
    p->o = self->o;
    p->o->refs++;
    ret->value.ok.ok = p;
    return STATUS_OK;
}

// --- incoming-response -------------------------------------------------------------------------------------

void wasi_http_types_incoming_response_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_incoming_response *)rep)->base);
}

status wasi_http_types_incoming_response_status(host_call *call, wasi_http_types_incoming_response *self,
                                                uint16_t *ret, err *e) {
    (void)call, (void)e;
    *ret = http_call_response(self->o->call)->status;
    return STATUS_OK;
}

status wasi_http_types_incoming_response_headers(host_call *call, wasi_http_types_incoming_response *self,
                                                 wasi_http_types_fields **ret, err *e) {
    if (self->headers == NULL) {
        const http_response *r = http_call_response(self->o->call);
        TRY(http_fields_from_wire(wasi_of(call), r->headers, r->header_count, &self->headers, e));
    }
    return http_fields_view_new(wasi_of(call), self->headers, ret, e);
}

status wasi_http_types_incoming_response_consume(host_call *call, wasi_http_types_incoming_response *self,
                                                 wasi_http_types_result_incoming_body_void *ret, err *e) {
    return http_incoming_body_consume(wasi_of(call), &self->o->source, &self->is_consumed, ret, e);
}
