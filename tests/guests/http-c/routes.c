// SPDX-License-Identifier: Apache-2.0
//
// The routes; ../README.md says what each one answers.
#include "guest.h"

#include <stdlib.h>
#include <string.h>

static const char *method_name(const http_method_t *method) {
    static const char *const names[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH", "other"};
    return names[method->tag];
}

// The body comes back as it arrives, with the same content type; trailers, if any, follow it.
static void route_echo(struct exchange *exchange) {
    http_borrow_incoming_request_t request = http_borrow_incoming_request(exchange->request);
    http_own_headers_t in_headers = http_method_incoming_request_headers(request);
    http_field_name_t key = {(uint8_t *)"content-type", strlen("content-type")};
    http_list_field_value_t types;
    http_method_fields_get(http_borrow_fields(in_headers), &key, &types);
    http_own_fields_t headers = http_constructor_fields();
    http_header_error_t error;
    if (types.len > 0) {
        http_method_fields_set(http_borrow_fields(headers), &key, &types, &error);
    }
    http_list_field_value_free(&types);
    http_fields_drop_own(in_headers);

    http_own_incoming_body_t in_body;
    io_own_input_stream_t in;
    if (!http_method_incoming_request_consume(request, &in_body) ||
        !http_method_incoming_body_stream(http_borrow_incoming_body(in_body), &in)) {
        abort();
    }
    http_own_outgoing_body_t out_body = answer_start(exchange, 200, headers);
    io_own_output_stream_t out;
    if (!http_method_outgoing_body_write(http_borrow_outgoing_body(out_body), &out)) {
        abort();
    }
    bool whole = stream_copy(out, in);
    io_input_stream_drop_own(in);
    io_output_stream_drop_own(out);
    if (!whole) {
        // Dropped without finish: the client must see that the body is not complete.
        http_incoming_body_drop_own(in_body);
        http_outgoing_body_drop_own(out_body);
        return;
    }
    http_own_fields_t trailers;
    bool trailed = body_trailers(in_body, &trailers);
    body_finish(out_body, trailed ? &trailers : NULL);
}

static void route_headers(struct exchange *exchange) {
    static struct text text;
    text.length = 0;
    http_own_headers_t headers =
        http_method_incoming_request_headers(http_borrow_incoming_request(exchange->request));
    http_list_tuple2_field_name_field_value_t entries;
    http_method_fields_entries(http_borrow_fields(headers), &entries);
    for (size_t i = 0; i < entries.len; i++) {
        text_add(&text, entries.ptr[i].f0.ptr, entries.ptr[i].f0.len);
        text_add(&text, ": ", 2);
        text_add(&text, entries.ptr[i].f1.ptr, entries.ptr[i].f1.len);
        text_add(&text, "\n", 1);
    }
    http_list_tuple2_field_name_field_value_free(&entries);
    http_fields_drop_own(headers);
    answer_text(exchange, 200, &text);
}

static void route_query(struct exchange *exchange) {
    static struct text text;
    text.length = 0;
    http_borrow_incoming_request_t request = http_borrow_incoming_request(exchange->request);
    http_method_t method;
    http_method_incoming_request_method(request, &method);
    text_format(&text, "method: %s\n", method_name(&method));
    http_method_free(&method);

    handler_string_t authority = {0};
    http_method_incoming_request_authority(request, &authority);
    text_format(&text, "authority: ");
    text_add(&text, authority.ptr, authority.len);
    handler_string_free(&authority);

    http_scheme_t scheme;
    bool known = http_method_incoming_request_scheme(request, &scheme);
    text_format(&text, "\nscheme: %s\n",
                !known                            ? "none"
                : scheme.tag == HTTP_SCHEME_HTTP  ? "http"
                : scheme.tag == HTTP_SCHEME_HTTPS ? "https"
                                                  : "other");
    text_format(&text, "query: ");
    text_add(&text, exchange->query, strlen(exchange->query));
    text_add(&text, "\n", 1);
    answer_text(exchange, 200, &text);
}

static void route_wait(struct exchange *exchange) {
    uint64_t ms = query_number(exchange->query, "ms", 0);
    clock_own_pollable_t timer = clock_subscribe_duration(ms * 1000000);
    poll_method_pollable_block(poll_borrow_pollable(timer));
    poll_pollable_drop_own(timer);
    answer_words(exchange, 200, "waited %llu ms\n", (unsigned long long)ms);
}

static void route_random(struct exchange *exchange) {
    static struct text text;
    text.length = 0;
    handler_list_u8_t bytes;
    wasi_random_random_get_random_bytes(16, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        text_format(&text, "%02x", bytes.ptr[i]);
    }
    handler_list_u8_free(&bytes);
    text_add(&text, "\n", 1);
    answer_text(exchange, 200, &text);
}

static void route_env(struct exchange *exchange) {
    static struct text text;
    text.length = 0;
    handler_list_tuple2_string_string_t variables;
    wasi_cli_environment_get_environment(&variables);
    for (size_t i = 0; i < variables.len; i++) {
        text_add(&text, variables.ptr[i].f0.ptr, variables.ptr[i].f0.len);
        text_add(&text, "=", 1);
        text_add(&text, variables.ptr[i].f1.ptr, variables.ptr[i].f1.len);
        text_add(&text, "\n", 1);
    }
    handler_list_tuple2_string_string_free(&variables);
    answer_text(exchange, 200, &text);
}

static void route_stdout(struct exchange *exchange) {
    static const char line[] = "a line from the guest\n";
    io_own_output_stream_t stream = wasi_cli_stdout_get_stdout();
    bool written = stream_write(stream, line, sizeof line - 1);
    io_output_stream_drop_own(stream);
    answer_words(exchange, 200, written ? "written\n" : "closed\n");
}

static void route_time(struct exchange *exchange) {
    wasi_clocks_wall_clock_datetime_t now;
    wasi_clocks_wall_clock_now(&now);
    answer_words(exchange, 200, "%llu\n", (unsigned long long)now.seconds);
}

// ?bytes=N of the letters a to z, over and over.
static void route_big(struct exchange *exchange) {
    uint64_t left = query_number(exchange->query, "bytes", 1 << 20);
    static char letters[26 * 2520];
    for (size_t i = 0; i < sizeof letters; i++) {
        letters[i] = (char)('a' + i % 26);
    }
    http_own_outgoing_body_t body = answer_start(exchange, 200, headers_of_type("text/plain"));
    io_own_output_stream_t stream;
    if (!http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream)) {
        abort();
    }
    while (left > 0) {
        size_t piece = left < sizeof letters ? (size_t)left : sizeof letters;
        if (!stream_write(stream, letters, piece)) {
            break;
        }
        left -= piece;
    }
    io_output_stream_drop_own(stream);
    if (left == 0) {
        body_finish(body, NULL);
    } else {
        http_outgoing_body_drop_own(body);
    }
}

static void route_status(struct exchange *exchange) {
    uint16_t code = (uint16_t)query_number(exchange->query, "code", 200);
    answer_words(exchange, code, "status %u\n", code);
}

static void route_trailers(struct exchange *exchange) {
    http_own_fields_t headers = headers_of_type("text/plain");
    headers_add(headers, "trailer", "x-checksum");
    http_own_outgoing_body_t body = answer_start(exchange, 200, headers);
    io_own_output_stream_t stream;
    if (!http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream)) {
        abort();
    }
    stream_write(stream, "trailers follow\n", 16);
    io_output_stream_drop_own(stream);
    http_own_fields_t trailers = http_constructor_fields();
    headers_add(trailers, "x-checksum", "1234");
    body_finish(body, &trailers);
}

static void route_hello(struct exchange *exchange) { answer_words(exchange, 200, "hello from C\n"); }

static void dispatch(struct exchange *exchange, const char *path) {
    static const struct {
        const char *path;
        void (*run)(struct exchange *exchange);
    } routes[] = {
        {"/hello", route_hello},       {"/echo", route_echo},   {"/headers", route_headers},
        {"/query", route_query},       {"/fetch", route_fetch}, {"/wait", route_wait},
        {"/random", route_random},     {"/env", route_env},     {"/stdout", route_stdout},
        {"/time", route_time},         {"/big", route_big},     {"/status", route_status},
        {"/trailers", route_trailers},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(path, routes[i].path) == 0) {
            routes[i].run(exchange);
            return;
        }
    }
    route_fault(exchange, path);
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    struct exchange exchange = {.request = request, .out = out, .query = ""};
    handler_string_t target = {0};
    http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &target);
    char *path = malloc(target.len + 1);
    memcpy(path, target.ptr, target.len);
    path[target.len] = '\0';
    handler_string_free(&target);
    char *query = strchr(path, '?');
    if (query != NULL) {
        *query = '\0';
        exchange.query = query + 1;
    }
    dispatch(&exchange, path);
    free(path);
    http_incoming_request_drop_own(exchange.request);
}
