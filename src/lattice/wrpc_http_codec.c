// SPDX-License-Identifier: Apache-2.0
#include "lattice/wrpc_http_codec.h"

#include "lattice/wrpc_http.h"

// --- names -------------------------------------------------------------------------------------------------

static const char *const methods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                      "CONNECT", "OPTIONS", "TRACE", "PATCH"};
enum {
    METHOD_COUNT = sizeof methods / sizeof methods[0],
    SCHEME_HTTP = 0,
    SCHEME_HTTPS = 1,
    SCHEME_OTHER = 2
};

// What belongs to a case: the letters are its fields, each an option unless it is in capitals.
typedef struct error_kind {
    const char *name;
    const char *fields; // s string, b u8, h u16, w u32, l u64, F field-size, f option of one; "" none
    unsigned status;
} error_kind;

static const error_kind errors[WRPC_HTTP_ERROR_COUNT] = {
    {"DNS-timeout", "", 504},
    {"DNS-error", "sh", 502},
    {"destination-not-found", "", 502},
    {"destination-unavailable", "", 503},
    {"destination-IP-prohibited", "", 403},
    {"destination-IP-unroutable", "", 502},
    {"connection-refused", "", 502},
    {"connection-terminated", "", 502},
    {"connection-timeout", "", 504},
    {"connection-read-timeout", "", 504},
    {"connection-write-timeout", "", 504},
    {"connection-limit-reached", "", 503},
    {"TLS-protocol-error", "", 502},
    {"TLS-certificate-error", "", 502},
    {"TLS-alert-received", "bs", 502},
    {"HTTP-request-denied", "", 403},
    {"HTTP-request-length-required", "", 411},
    {"HTTP-request-body-size", "l", 413},
    {"HTTP-request-method-invalid", "", 400},
    {"HTTP-request-URI-invalid", "", 400},
    {"HTTP-request-URI-too-long", "", 414},
    {"HTTP-request-header-section-size", "w", 431},
    {"HTTP-request-header-size", "f", 431},
    {"HTTP-request-trailer-section-size", "w", 431},
    {"HTTP-request-trailer-size", "F", 431},
    {"HTTP-response-incomplete", "", 502},
    {"HTTP-response-header-section-size", "w", 502},
    {"HTTP-response-header-size", "F", 502},
    {"HTTP-response-body-size", "l", 502},
    {"HTTP-response-trailer-section-size", "w", 502},
    {"HTTP-response-trailer-size", "F", 502},
    {"HTTP-response-transfer-coding", "s", 502},
    {"HTTP-response-content-coding", "s", 502},
    {"HTTP-response-timeout", "", 504},
    {"HTTP-upgrade-failed", "", 502},
    {"HTTP-protocol-error", "", 502},
    {"loop-detected", "", 508},
    {"configuration-error", "", 500},
    {"internal-error", "s", 500},
};

const char *wrpc_http_error_name(uint32_t error_code) {
    return error_code < WRPC_HTTP_ERROR_COUNT ? errors[error_code].name : "unknown";
}

unsigned wrpc_http_error_status(uint32_t error_code) {
    return error_code < WRPC_HTTP_ERROR_COUNT ? errors[error_code].status : 502;
}

uint32_t wrpc_http_error_of(http_failure failure) {
    static const uint32_t codes[] = {
        [HTTP_FAILURE_NONE] = WRPC_HTTP_INTERNAL_ERROR,
        [HTTP_FAILURE_DENIED] = WRPC_HTTP_DESTINATION_IP_PROHIBITED,
        [HTTP_FAILURE_DNS] = WRPC_HTTP_DNS_ERROR,
        [HTTP_FAILURE_DNS_TIMEOUT] = WRPC_HTTP_DNS_TIMEOUT,
        [HTTP_FAILURE_REFUSED] = WRPC_HTTP_CONNECTION_REFUSED,
        [HTTP_FAILURE_UNREACHABLE] = WRPC_HTTP_DESTINATION_UNAVAILABLE,
        [HTTP_FAILURE_CONNECT_TIMEOUT] = WRPC_HTTP_CONNECTION_TIMEOUT,
        [HTTP_FAILURE_LIMIT] = WRPC_HTTP_CONNECTION_LIMIT_REACHED,
        [HTTP_FAILURE_TERMINATED] = WRPC_HTTP_CONNECTION_TERMINATED,
        [HTTP_FAILURE_TLS_PROTOCOL] = WRPC_HTTP_TLS_PROTOCOL_ERROR,
        [HTTP_FAILURE_TLS_CERTIFICATE] = WRPC_HTTP_TLS_CERTIFICATE_ERROR,
        [HTTP_FAILURE_RESPONSE_TIMEOUT] = WRPC_HTTP_RESPONSE_TIMEOUT,
        [HTTP_FAILURE_READ_TIMEOUT] = WRPC_HTTP_CONNECTION_READ_TIMEOUT,
        [HTTP_FAILURE_RESPONSE_INCOMPLETE] = WRPC_HTTP_RESPONSE_INCOMPLETE,
        [HTTP_FAILURE_RESPONSE_HEADER_SIZE] = WRPC_HTTP_RESPONSE_HEADER_SECTION_SIZE,
        [HTTP_FAILURE_PROTOCOL] = WRPC_HTTP_PROTOCOL_ERROR,
        [HTTP_FAILURE_INTERNAL] = WRPC_HTTP_INTERNAL_ERROR,
    };
    return codes[failure];
}

// --- writing -----------------------------------------------------------------------------------------------

static bool is_named_in(slice list, slice name) {
    for (size_t from = 0; from <= list.len;) {
        size_t comma = slice_find(list, from, ',');
        slice word = http_trim(slice_sub(list, from, comma));
        if (slice_equal_nocase(word, name)) {
            return true;
        }
        from = comma == SIZE_MAX ? list.len + 1 : comma + 1;
    }
    return false;
}

// Not passed on: what is about this connection, by its name or because Connection names it.
static bool is_left_out(wrpc_http_fields f, slice name) {
    if (http_field_is_transport(name)) {
        return true;
    }
    for (size_t i = 0; i < f.count; i++) {
        if (slice_equal_nocase(f.items[i].name, slice_from_text("connection")) &&
            is_named_in(f.items[i].value, name)) {
            return true;
        }
    }
    return false;
}

static bool is_repeated(wrpc_http_fields f, size_t at) {
    for (size_t i = 0; i < at; i++) {
        if (slice_equal_nocase(f.items[i].name, f.items[at].name)) {
            return true;
        }
    }
    return false;
}

static bool is_first(wrpc_http_fields f, size_t at) {
    return !is_left_out(f, f.items[at].name) && !is_repeated(f, at);
}

static void write_name(values_writer *w, slice name) {
    values_write_string(w, name);
    for (size_t i = 0; i < name.len && w->code == STATUS_OK; i++) {
        uint8_t *c = &w->out->data[w->out->len - 1 - i];
        *c = (uint8_t)(*c >= 'A' && *c <= 'Z' ? *c + 'a' - 'A' : *c);
    }
}

static void write_entry(values_writer *w, wrpc_http_fields f, size_t at) {
    uint32_t count = 0;
    for (size_t i = at; i < f.count; i++) {
        count += slice_equal_nocase(f.items[i].name, f.items[at].name);
    }
    write_name(w, f.items[at].name);
    values_write_count(w, count);
    for (size_t i = at; i < f.count; i++) {
        if (slice_equal_nocase(f.items[i].name, f.items[at].name)) {
            values_write_bytes(w, f.items[i].value);
        }
    }
}

static void write_fields(values_writer *w, wrpc_http_fields f) {
    uint32_t count = 0;
    if (f.count > WRPC_HTTP_HEADERS_MAX) {
        w->code = STATUS_LIMIT;
        return;
    }
    for (size_t i = 0; i < f.count; i++) {
        count += is_first(f, i);
    }
    values_write_count(w, count);
    for (size_t i = 0; i < f.count; i++) {
        if (is_first(f, i)) {
            write_entry(w, f, i);
        }
    }
}

static void write_method(values_writer *w, slice method) {
    for (uint32_t i = 0; i < METHOD_COUNT; i++) {
        if (slice_equal_text(method, methods[i])) {
            values_write_case(w, i);
            return;
        }
    }
    values_write_case(w, METHOD_COUNT);
    values_write_string(w, method);
}

static void write_scheme(values_writer *w, const wrpc_http_request *r) {
    values_write_option(w, r->has_scheme);
    if (!r->has_scheme) {
        return;
    }
    bool is_http = slice_equal_text(r->scheme, "http"), is_https = slice_equal_text(r->scheme, "https");
    values_write_case(w, is_http ? SCHEME_HTTP : is_https ? SCHEME_HTTPS : SCHEME_OTHER);
    if (!is_http && !is_https) {
        values_write_string(w, r->scheme);
    }
}

static void write_text_option(values_writer *w, slice text) {
    values_write_option(w, text.len > 0);
    if (text.len > 0) {
        values_write_string(w, text);
    }
}

static void write_time_option(values_writer *w, uint64_t ns) {
    values_write_option(w, ns > 0);
    if (ns > 0) {
        values_write_u64(w, ns);
    }
}

// A stream and a future that come on their paths.
static void write_marks(values_writer *w) {
    values_write_count(w, 0);
    values_write_option(w, false);
}

status wrpc_http_request_encode(const wrpc_http_request *r, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    write_marks(&w);
    write_method(&w, r->method);
    write_text_option(&w, r->path);
    write_scheme(&w, r);
    write_text_option(&w, r->authority);
    write_fields(&w, r->headers);
    if (r->has_options) {
        bool is_said = r->connect_ns != 0 || r->first_byte_ns != 0 || r->between_bytes_ns != 0;
        values_write_option(&w, is_said);
        if (is_said) {
            write_time_option(&w, r->connect_ns);
            write_time_option(&w, r->first_byte_ns);
            write_time_option(&w, r->between_bytes_ns);
        }
    }
    return values_write_end(&w, "an HTTP request", e);
}

// Without what would say more: an internal error alone has a text.
static void write_error(values_writer *w, const wrpc_http_response *r) {
    values_write_is_ok(w, false);
    values_write_case(w, r->error_code);
    for (const char *f = errors[r->error_code].fields; *f != '\0'; f++) {
        if (r->error_code == WRPC_HTTP_INTERNAL_ERROR) {
            write_text_option(w, r->error_text);
        } else {
            values_write_option(w, false);
            if (*f == 'F') {
                values_write_option(w, false);
            }
        }
    }
}

status wrpc_http_response_encode(const wrpc_http_response *r, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    if (r->is_error) {
        write_error(&w, r);
    } else {
        values_write_is_ok(&w, true);
        write_marks(&w);
        values_write_u16(&w, r->status);
        write_fields(&w, r->headers);
    }
    return values_write_end(&w, "an HTTP response", e);
}

status wrpc_http_trailers_encode(wrpc_http_fields trailers, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_option(&w, trailers.count > 0);
    if (trailers.count > 0) {
        write_fields(&w, trailers);
    }
    return values_write_end(&w, "HTTP trailers", e);
}

// --- reading -----------------------------------------------------------------------------------------------

typedef struct field_list {
    http_header *items;
    size_t count;
} field_list;

static void read_value(values_reader *r, slice name, bool is_kept, field_list *list) {
    slice value = http_trim(values_read_bytes(r));
    if (!values_read_ok(r)) {
        return;
    }
    if (!http_value_is_valid(value)) {
        values_read_fail(r, "a header's value has bytes that HTTP does not allow");
    } else if (list->count >= WRPC_HTTP_HEADERS_MAX) {
        values_read_fail(r, "too many header fields");
    } else if (is_kept) {
        list->items[list->count++] = (http_header){name, value};
    }
}

static void read_entry(values_reader *r, field_list *list) {
    slice name = values_read_string(r);
    uint32_t count = values_read_count(r, 1);
    if (values_read_ok(r) && !http_token_is_valid(name)) {
        values_read_fail(r, "the name of a header field is none");
    }
    bool is_kept = values_read_ok(r) && !http_field_is_transport(name);
    for (uint32_t i = 0; i < count && values_read_ok(r); i++) {
        read_value(r, name, is_kept, list);
    }
}

static wrpc_http_fields read_fields(values_reader *r, arena *a) {
    field_list list = {.items = NULL};
    uint32_t count = values_read_count(r, 2);
    if (count == 0) {
        return (wrpc_http_fields){NULL, 0};
    }
    list.items = ARENA_ARRAY(a, http_header, WRPC_HTTP_HEADERS_MAX);
    if (list.items == NULL) {
        values_read_fail(r, "no memory for header fields");
        return (wrpc_http_fields){NULL, 0};
    }
    for (uint32_t i = 0; i < count && values_read_ok(r); i++) {
        read_entry(r, &list);
    }
    return (wrpc_http_fields){list.items, list.count};
}

static void read_marks(values_reader *r, arena *a, wrpc_http_inline *ret_body,
                       wrpc_http_inline *ret_trailers) {
    ret_body->body = values_read_bytes(r);
    ret_body->is_there = ret_body->body.len > 0;
    ret_trailers->is_there = values_read_option(r);
    if (ret_trailers->is_there && values_read_option(r)) {
        ret_trailers->trailers = read_fields(r, a);
    }
}

static slice read_method(values_reader *r) {
    uint32_t number = values_read_case(r, METHOD_COUNT + 1);
    slice method = number < METHOD_COUNT ? slice_from_text(methods[number]) : values_read_string(r);
    if (values_read_ok(r) && !http_token_is_valid(method)) {
        values_read_fail(r, "the method is none");
    }
    return method;
}

static slice read_text_option(values_reader *r) {
    return values_read_option(r) ? values_read_string(r) : slice_empty();
}

static void read_target(values_reader *r, wrpc_http_request *ret) {
    ret->path = read_text_option(r);
    if (ret->path.len == 0) {
        ret->path = slice_from_text("/");
    }
    ret->has_scheme = values_read_option(r);
    if (ret->has_scheme) {
        uint32_t number = values_read_case(r, SCHEME_OTHER + 1);
        ret->scheme = number == SCHEME_HTTP    ? slice_from_text("http")
                      : number == SCHEME_HTTPS ? slice_from_text("https")
                                               : values_read_string(r);
    }
    ret->authority = read_text_option(r);
    bool is_path = http_path_is_valid(ret->path) || slice_equal_text(ret->path, "*");
    if (values_read_ok(r) &&
        (!is_path || (ret->authority.len > 0 && !http_authority_is_valid(ret->authority)))) {
        values_read_fail(r, "the path or the authority is none");
    }
}

static uint64_t read_time_option(values_reader *r) { return values_read_option(r) ? values_read_u64(r) : 0; }

static void read_options(values_reader *r, wrpc_http_request *ret) {
    ret->has_options = true;
    if (values_read_option(r)) {
        ret->connect_ns = read_time_option(r);
        ret->first_byte_ns = read_time_option(r);
        ret->between_bytes_ns = read_time_option(r);
    }
}

static status check_size(slice bytes, err *e) {
    // An inline body is part of it, and as long as it likes within a call's bound.
    return bytes.len <= LATTICE_PARAMS_BYTES_MAX
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "an HTTP message with more bytes than a call may have");
}

status wrpc_http_request_decode(slice params, bool is_outgoing, arena *a, wrpc_http_request *ret, err *e) {
    wrpc_http_request q = {.has_scheme = false};
    values_reader r = values_reader_of(params);
    TRY(check_size(params, e));
    read_marks(&r, a, &q.body, &q.trailers);
    q.method = read_method(&r);
    read_target(&r, &q);
    q.headers = read_fields(&r, a);
    if (is_outgoing) {
        read_options(&r, &q);
    }
    TRY(values_read_end(&r, "the HTTP request", e));
    *ret = q;
    return STATUS_OK;
}

static void skip_field_size(values_reader *r) {
    (void)read_text_option(r);
    if (values_read_option(r)) {
        (void)values_read_u32(r);
    }
}

static void read_error_field(values_reader *r, char kind, slice *ret_text) {
    if (kind == 'F') {
        skip_field_size(r);
        return;
    }
    if (!values_read_option(r)) {
        return;
    }
    switch (kind) {
    case 's':
        *ret_text = values_read_string(r);
        break;
    case 'b':
        (void)values_read_u8(r);
        break;
    case 'h':
        (void)values_read_u16(r);
        break;
    case 'w':
        (void)values_read_u32(r);
        break;
    case 'l':
        (void)values_read_u64(r);
        break;
    default:
        skip_field_size(r);
        break;
    }
}

static void read_error(values_reader *r, wrpc_http_response *ret) {
    ret->is_error = true;
    ret->error_code = values_read_case(r, WRPC_HTTP_ERROR_COUNT);
    for (const char *f = errors[ret->error_code].fields; *f != '\0' && values_read_ok(r); f++) {
        read_error_field(r, *f, &ret->error_text);
    }
}

status wrpc_http_response_decode(slice results, arena *a, wrpc_http_response *ret, err *e) {
    wrpc_http_response q = {.is_error = false};
    values_reader r = values_reader_of(results);
    TRY(check_size(results, e));
    if (values_read_is_ok(&r)) {
        read_marks(&r, a, &q.body, &q.trailers);
        q.status = values_read_u16(&r);
        q.headers = read_fields(&r, a);
        if (values_read_ok(&r) && (q.status < 200 || q.status > 599)) {
            values_read_fail(&r, "the status is none of a response");
        }
    } else if (values_read_ok(&r)) {
        read_error(&r, &q);
    }
    TRY(values_read_end(&r, "the HTTP response", e));
    *ret = q;
    return STATUS_OK;
}

status wrpc_http_trailers_decode(slice bytes, arena *a, wrpc_http_fields *ret, err *e) {
    wrpc_http_fields found = {NULL, 0};
    values_reader r = values_reader_of(bytes);
    if (values_read_option(&r)) {
        found = read_fields(&r, a);
    }
    TRY(values_read_end(&r, "the HTTP trailers", e));
    *ret = found;
    return STATUS_OK;
}
