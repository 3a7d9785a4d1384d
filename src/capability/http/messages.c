// SPDX-License-Identifier: Apache-2.0
// Messages that a guest builds: outgoing-request, outgoing-response, request-options. Nothing happens before
// they are handed to the outgoing handler or to a response-outparam.
#include "base/mem.h"
#include "capability/http/http_internal.h"

// --- methods and schemes -----------------------------------------------------------------------------------

static const char *const method_names[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                           "CONNECT", "OPTIONS", "TRACE", "PATCH"};
_Static_assert(sizeof method_names / sizeof method_names[0] == WASI_HTTP_TYPES_METHOD_OTHER,
               "in the order of the WIT");

wasi_http_types_method http_method_from(slice token) {
    for (uint8_t i = 0; i < WASI_HTTP_TYPES_METHOD_OTHER; i++) {
        if (slice_equal_text(token, method_names[i])) {
            return (wasi_http_types_method){.tag = i};
        }
    }
    return (wasi_http_types_method){.tag = WASI_HTTP_TYPES_METHOD_OTHER, .of.other = token};
}

slice http_method_token(const wasi_http_types_method *m) {
    return m->tag < WASI_HTTP_TYPES_METHOD_OTHER ? slice_from_text(method_names[m->tag]) : m->of.other;
}

wasi_http_types_scheme http_scheme_from(slice scheme) {
    if (slice_equal_nocase(scheme, slice_from_text("http"))) {
        return (wasi_http_types_scheme){.tag = WASI_HTTP_TYPES_SCHEME_HTTP};
    }
    if (slice_equal_nocase(scheme, slice_from_text("https"))) {
        return (wasi_http_types_scheme){.tag = WASI_HTTP_TYPES_SCHEME_HTTPS};
    }
    return (wasi_http_types_scheme){.tag = WASI_HTTP_TYPES_SCHEME_OTHER, .of.other = scheme};
}

// --- outgoing-response -------------------------------------------------------------------------------------

static void free_response(wasi_resource *r) {
    wasi_http_types_outgoing_response *o = (wasi_http_types_outgoing_response *)(void *)r;
    http_fields_unref(o->headers);
    http_outflow_message_gone(o->body);
    mem_free(o);
}

static const wasi_resource_ops response_ops = {.free = free_response};

void wasi_http_types_outgoing_response_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_outgoing_response *)rep)->base);
}

status wasi_http_types_outgoing_response_new(host_call *call, wasi_http_types_fields *headers,
                                             wasi_http_types_outgoing_response **ret, err *e) {
    http_fields *list = http_fields_take(headers);
    wasi_http_types_outgoing_response *r =
        WASI_NEW(wasi_of(call), wasi_http_types_outgoing_response, &response_ops, WASI_CLASS_OTHER, NULL, e);
    if (r == NULL) {
        http_fields_unref(list);
        return STATUS_LIMIT;
    }
    r->status_code = 200;
    r->headers = list;
    *ret = r;
    return STATUS_OK;
}

status wasi_http_types_outgoing_response_status_code(host_call *call, wasi_http_types_outgoing_response *self,
                                                     uint16_t *ret, err *e) {
    (void)call, (void)e;
    *ret = self->status_code;
    return STATUS_OK;
}

status wasi_http_types_outgoing_response_set_status_code(host_call *call,
                                                         wasi_http_types_outgoing_response *self,
                                                         uint16_t status_code,
                                                         wasi_http_types_result_void_void *ret, err *e) {
    (void)call, (void)e;
    ret->is_err = status_code < 200 || status_code > 599; // of a final response
    if (!ret->is_err) {
        self->status_code = status_code;
    }
    return STATUS_OK;
}

status wasi_http_types_outgoing_response_headers(host_call *call, wasi_http_types_outgoing_response *self,
                                                 wasi_http_types_fields **ret, err *e) {
    return http_fields_view_new(wasi_of(call), self->headers, ret, e);
}

// The body of either kind of message, once.
static status take_body(host_call *call, http_outflow **slot, bool is_request, const http_fields *headers,
                        wasi_http_types_result_outgoing_body_void *ret, err *e) {
    int64_t length = -1;
    ret->is_err = *slot != NULL || !http_fields_content_length(headers, &length);
    if (ret->is_err) {
        return STATUS_OK;
    }
    *slot = http_outflow_new(wasi_of(call), is_request, length);
    return http_outgoing_body_new(wasi_of(call), *slot, &ret->ok, e);
}

status wasi_http_types_outgoing_response_body(host_call *call, wasi_http_types_outgoing_response *self,
                                              wasi_http_types_result_outgoing_body_void *ret, err *e) {
    return take_body(call, &self->body, false, self->headers, ret, e);
}

// --- outgoing-request --------------------------------------------------------------------------------------

static void free_request(wasi_resource *r) {
    wasi_http_types_outgoing_request *o = (wasi_http_types_outgoing_request *)(void *)r;
    http_fields_unref(o->headers);
    http_outflow_message_gone(o->body);
    arena_done(&o->text);
    http_account_refund(http_account_of(r->instance), o->charged);
    mem_free(o);
}

static const wasi_resource_ops request_ops = {.free = free_request};

void wasi_http_types_outgoing_request_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_outgoing_request *)rep)->base);
}

status wasi_http_types_outgoing_request_new(host_call *call, wasi_http_types_fields *headers,
                                            wasi_http_types_outgoing_request **ret, err *e) {
    http_fields *list = http_fields_take(headers);
    wasi_http_types_outgoing_request *r =
        WASI_NEW(wasi_of(call), wasi_http_types_outgoing_request, &request_ops, WASI_CLASS_OTHER, NULL, e);
    if (r == NULL) {
        http_fields_unref(list);
        return STATUS_LIMIT;
    }
    arena_init(&r->text, 8 * HTTP_URI_BYTES_MAX);
    r->headers = list;
    r->method = slice_from_text("GET");
    *ret = r;
    return STATUS_OK;
}

status wasi_http_types_outgoing_request_body(host_call *call, wasi_http_types_outgoing_request *self,
                                             wasi_http_types_result_outgoing_body_void *ret, err *e) {
    return take_body(call, &self->body, true, self->headers, ret, e);
}

status wasi_http_types_outgoing_request_method(host_call *call, wasi_http_types_outgoing_request *self,
                                               wasi_http_types_method *ret, err *e) {
    (void)call, (void)e;
    *ret = http_method_from(self->method);
    return STATUS_OK;
}

// Keeps a part of the request. False when there is too much of it, which the guest hears as "not valid".
static bool keep(wasi_http_types_outgoing_request *self, slice text, slice *ret) {
    if (text.len > HTTP_URI_BYTES_MAX ||
        !http_account_charge(http_account_of(self->base.instance), text.len)) {
        return false;
    }
    self->charged += text.len;
    slice copy = arena_copy(&self->text, text);
    if (copy.data == NULL && text.len > 0) {
        return false;
    }
    *ret = copy;
    return true;
}

status wasi_http_types_outgoing_request_set_method(host_call *call, wasi_http_types_outgoing_request *self,
                                                   const wasi_http_types_method *method,
                                                   wasi_http_types_result_void_void *ret, err *e) {
    (void)call, (void)e;
    slice token = http_method_token(method);
    ret->is_err = !http_token_is_valid(token) || !keep(self, token, &self->method);
    return STATUS_OK;
}

status wasi_http_types_outgoing_request_path_with_query(host_call *call,
                                                        wasi_http_types_outgoing_request *self,
                                                        wasi_http_types_option_string *ret, err *e) {
    (void)call, (void)e;
    *ret = (wasi_http_types_option_string){self->has_path, self->path_with_query};
    return STATUS_OK;
}

status
wasi_http_types_outgoing_request_set_path_with_query(host_call *call, wasi_http_types_outgoing_request *self,
                                                     const wasi_http_types_option_string *path_with_query,
                                                     wasi_http_types_result_void_void *ret, err *e) {
    (void)call, (void)e;
    slice path = path_with_query->value;
    ret->is_err = false;
    if (!path_with_query->some) {
        self->has_path = false;
        self->path_with_query = slice_empty();
        return STATUS_OK;
    }
    // An empty path becomes "/" when the request is sent.
    bool is_valid = path.len == 0 || http_path_is_valid(path);
    ret->is_err = !is_valid || !keep(self, path, &self->path_with_query);
    self->has_path = self->has_path || !ret->is_err;
    return STATUS_OK;
}

status wasi_http_types_outgoing_request_scheme(host_call *call, wasi_http_types_outgoing_request *self,
                                               wasi_http_types_option_scheme *ret, err *e) {
    (void)call, (void)e;
    ret->some = self->has_scheme;
    if (ret->some) {
        ret->value = http_scheme_from(self->scheme);
    }
    return STATUS_OK;
}

// RFC 3986 section 3.1.
static bool scheme_is_valid(slice s) {
    bool ok = s.len > 0 && ((s.data[0] | 0x20) >= 'a' && (s.data[0] | 0x20) <= 'z');
    for (size_t i = 1; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool alpha = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        ok = ok && (alpha || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.');
    }
    return ok;
}

status wasi_http_types_outgoing_request_set_scheme(host_call *call, wasi_http_types_outgoing_request *self,
                                                   const wasi_http_types_option_scheme *scheme,
                                                   wasi_http_types_result_void_void *ret, err *e) {
    (void)call, (void)e;
    static const char *const names[] = {"http", "https"};
    ret->is_err = false;
    if (!scheme->some) {
        self->has_scheme = false;
        return STATUS_OK;
    }
    bool is_other = scheme->value.tag == WASI_HTTP_TYPES_SCHEME_OTHER;
    slice text = is_other ? scheme->value.of.other : slice_from_text(names[scheme->value.tag]);
    ret->is_err = !scheme_is_valid(text) || !keep(self, text, &self->scheme);
    self->has_scheme = self->has_scheme || !ret->is_err;
    return STATUS_OK;
}

status wasi_http_types_outgoing_request_authority(host_call *call, wasi_http_types_outgoing_request *self,
                                                  wasi_http_types_option_string *ret, err *e) {
    (void)call, (void)e;
    *ret = (wasi_http_types_option_string){self->has_authority, self->authority};
    return STATUS_OK;
}

status wasi_http_types_outgoing_request_set_authority(host_call *call, wasi_http_types_outgoing_request *self,
                                                      const wasi_http_types_option_string *authority,
                                                      wasi_http_types_result_void_void *ret, err *e) {
    (void)call, (void)e;
    ret->is_err = false;
    if (!authority->some) {
        self->has_authority = false;
        self->authority = slice_empty();
        return STATUS_OK;
    }
    ret->is_err =
        !http_authority_is_valid(authority->value) || !keep(self, authority->value, &self->authority);
    self->has_authority = self->has_authority || !ret->is_err;
    return STATUS_OK;
}

status wasi_http_types_outgoing_request_headers(host_call *call, wasi_http_types_outgoing_request *self,
                                                wasi_http_types_fields **ret, err *e) {
    return http_fields_view_new(wasi_of(call), self->headers, ret, e);
}

// --- request-options ---------------------------------------------------------------------------------------

static void free_options(wasi_resource *r) { mem_free(r); }

static const wasi_resource_ops options_ops = {.free = free_options};

void wasi_http_types_request_options_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((wasi_http_types_request_options *)rep)->base);
}

status wasi_http_types_request_options_new(host_call *call, wasi_http_types_request_options **ret, err *e) {
    wasi_http_types_request_options *o =
        WASI_NEW(wasi_of(call), wasi_http_types_request_options, &options_ops, WASI_CLASS_OTHER, NULL, e);
    if (o == NULL) {
        return STATUS_LIMIT;
    }
    *ret = o;
    return STATUS_OK;
}

status wasi_http_types_request_options_connect_timeout(host_call *call, wasi_http_types_request_options *self,
                                                       wasi_http_types_option_u64 *ret, err *e) {
    (void)call, (void)e;
    *ret = self->connect_timeout;
    return STATUS_OK;
}

status wasi_http_types_request_options_set_connect_timeout(host_call *call,
                                                           wasi_http_types_request_options *self,
                                                           const wasi_http_types_option_u64 *duration,
                                                           wasi_http_types_result_void_void *ret, err *e) {
    (void)call, (void)e;
    self->connect_timeout = *duration;
    ret->is_err = false;
    return STATUS_OK;
}

status wasi_http_types_request_options_first_byte_timeout(host_call *call,
                                                          wasi_http_types_request_options *self,
                                                          wasi_http_types_option_u64 *ret, err *e) {
    (void)call, (void)e;
    *ret = self->first_byte_timeout;
    return STATUS_OK;
}

status wasi_http_types_request_options_set_first_byte_timeout(host_call *call,
                                                              wasi_http_types_request_options *self,
                                                              const wasi_http_types_option_u64 *duration,
                                                              wasi_http_types_result_void_void *ret, err *e) {
    (void)call, (void)e;
    self->first_byte_timeout = *duration;
    ret->is_err = false;
    return STATUS_OK;
}

status wasi_http_types_request_options_between_bytes_timeout(host_call *call,
                                                             wasi_http_types_request_options *self,
                                                             wasi_http_types_option_u64 *ret, err *e) {
    (void)call, (void)e;
    *ret = self->between_bytes_timeout;
    return STATUS_OK;
}

status wasi_http_types_request_options_set_between_bytes_timeout(host_call *call,
                                                                 wasi_http_types_request_options *self,
                                                                 const wasi_http_types_option_u64 *duration,
                                                                 wasi_http_types_result_void_void *ret,
                                                                 err *e) {
    (void)call, (void)e;
    self->between_bytes_timeout = *duration;
    ret->is_err = false;
    return STATUS_OK;
}
