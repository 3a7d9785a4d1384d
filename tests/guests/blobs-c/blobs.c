// SPDX-License-Identifier: Apache-2.0
//
// One use of the blob store for each request; ../README.md lists the routes. Errors of the contract are
// answers, too.
#include "blobs.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 1 << 16, NAME_BYTES_MAX = 2048, PIECE_BYTES = 1 << 16, NAMES_MAX = 64 };

typedef wasi_blobstore_container_own_container_t own_container;
typedef wasi_blobstore_container_borrow_container_t borrowed_container;

typedef struct answer {
    uint16_t status;
    size_t length;
    char text[TEXT_BYTES_MAX];
    bool is_streamed; // instead of the text: `body`
    io_own_input_stream_t body;
} answer;

static char path[4096];
static uint8_t piece[PIECE_BYTES];

static void add(answer *a, const void *bytes, size_t length) {
    size_t room = TEXT_BYTES_MAX - a->length;
    length = length < room ? length : room;
    memcpy(a->text + a->length, bytes, length);
    a->length += length;
}

__attribute__((format(printf, 2, 3))) static void say(answer *a, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    add(a, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

// Whether it went well; else the error is the answer.
static bool good(answer *a, bool ok, const blobs_string_t *error) {
    if (!ok) {
        a->status = 502;
        add(a, error->ptr, error->len);
        say(a, "\n");
    }
    return ok;
}

static bool good_stream(answer *a, bool ok, io_stream_error_t *e) {
    if (ok) {
        return true;
    }
    a->status = 502;
    if (e->tag == IO_STREAM_ERROR_CLOSED) {
        say(a, "the stream is closed\n");
        return false;
    }
    blobs_string_t text;
    wasi_io_error_method_error_to_debug_string(wasi_io_error_borrow_error(e->val.last_operation_failed),
                                               &text);
    say(a, "stream: ");
    add(a, text.ptr, text.len);
    say(a, "\n");
    return false;
}

// --- what is asked -----------------------------------------------------------------------------------------

static int digit(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

// The value of NAME in the query, %XX decoded; "" without it.
static blobs_string_t asked(const char *name) {
    size_t len = strlen(name), n = 0;
    char *value = malloc(NAME_BYTES_MAX);
    for (const char *at = strchr(path, '?'); at != NULL; at = strchr(at, '&')) {
        at++;
        if (strncmp(at, name, len) == 0 && at[len] == '=') {
            for (at += len + 1; *at != '\0' && *at != '&' && n < NAME_BYTES_MAX; at++) {
                if (at[0] == '%' && at[1] != '\0' && at[2] != '\0') {
                    value[n++] = (char)(digit(at[1]) * 16 + digit(at[2]));
                    at += 2;
                } else {
                    value[n++] = *at;
                }
            }
            break;
        }
    }
    return (blobs_string_t){(uint8_t *)value, n};
}

static uint64_t asked_number(const char *name, uint64_t otherwise) {
    char text[32] = "";
    blobs_string_t value = asked(name);
    memcpy(text, value.ptr, value.len < 31 ? value.len : 31);
    return value.len == 0 ? otherwise : strtoull(text, NULL, 10);
}

static bool is(const char *route) {
    size_t n = strlen(route);
    return strncmp(path, route, n) == 0 && (path[n] == '\0' || path[n] == '?');
}

// --- streams -----------------------------------------------------------------------------------------------

// Bytes that tell where they stand.
static uint32_t pattern_next(uint32_t *state) { return (*state = *state * 1664525 + 1013904223) >> 24; }

static bool write_some(answer *a, io_borrow_output_stream_t to, uint8_t *bytes, size_t len) {
    for (size_t at = 0; at < len;) {
        uint64_t room = 0;
        io_stream_error_t e;
        if (!good_stream(a, io_method_output_stream_check_write(to, &room, &e), &e)) {
            return false;
        }
        if (room == 0) {
            poll_own_pollable_t p = io_method_output_stream_subscribe(to);
            poll_method_pollable_block(poll_borrow_pollable(p));
            poll_pollable_drop_own(p);
            continue;
        }
        blobs_list_u8_t part = {bytes + at, len - at < room ? len - at : (size_t)room};
        if (!good_stream(a, io_method_output_stream_write(to, &part, &e), &e)) {
            return false;
        }
        at += part.len;
    }
    return true;
}

static bool write_pattern(answer *a, io_borrow_output_stream_t to, uint64_t count) {
    uint32_t state = 1;
    for (uint64_t done = 0; done < count;) {
        size_t len = count - done < PIECE_BYTES ? (size_t)(count - done) : PIECE_BYTES;
        for (size_t i = 0; i < len; i++) {
            piece[i] = (uint8_t)pattern_next(&state);
        }
        if (!write_some(a, to, piece, len)) {
            return false;
        }
        done += len;
    }
    return true;
}

// The bytes of a request's body as they come. With ?slow=1 as std libraries do it: 4 KiB and a flush.
static bool write_body(answer *a, io_borrow_output_stream_t to, http_own_incoming_request_t request) {
    http_own_incoming_body_t body;
    io_own_input_stream_t from;
    io_stream_error_t e = {0};
    bool ok = http_method_incoming_request_consume(http_borrow_incoming_request(request), &body) &&
              http_method_incoming_body_stream(http_borrow_incoming_body(body), &from);
    bool is_slow = asked_number("slow", 0) == 1;
    uint64_t moved;
    while (
        ok && !is_slow &&
        io_method_output_stream_blocking_splice(to, io_borrow_input_stream(from), PIECE_BYTES, &moved, &e)) {
    }
    blobs_list_u8_t part;
    while (ok && is_slow &&
           io_method_input_stream_blocking_read(io_borrow_input_stream(from), 4096, &part, &e)) {
        ok = io_method_output_stream_blocking_write_and_flush(to, &part, &e);
        blobs_list_u8_free(&part);
    }
    if (e.tag != IO_STREAM_ERROR_CLOSED) {
        ok = good_stream(a, false, &e);
    }
    io_input_stream_drop_own(from);
    http_incoming_body_drop_own(body);
    return ok;
}

// --- objects -----------------------------------------------------------------------------------------------

static bool fill(answer *a, io_own_output_stream_t stream, http_own_incoming_request_t request) {
    io_borrow_output_stream_t to = io_borrow_output_stream(stream);
    uint64_t pattern = asked_number("pattern", UINT64_MAX);
    return pattern != UINT64_MAX ? write_pattern(a, to, pattern) : write_body(a, to, request);
}

// ?late=1: the body first, then write-data. ?leave=1: no finish. ?trap=1: traps before it.
static void put(answer *a, borrowed_container c, http_own_incoming_request_t request) {
    blobs_string_t name = asked("name"), error;
    bool is_late = asked_number("late", 0) == 1;
    wasi_blobstore_types_own_outgoing_value_t value =
        wasi_blobstore_types_static_outgoing_value_new_outgoing_value();
    wasi_blobstore_types_borrow_outgoing_value_t borrowed = wasi_blobstore_types_borrow_outgoing_value(value);
    io_own_output_stream_t stream, again;
    bool ok = wasi_blobstore_types_method_outgoing_value_outgoing_value_write_body(borrowed, &stream) &&
              !wasi_blobstore_types_method_outgoing_value_outgoing_value_write_body(borrowed, &again);
    ok = ok && (!is_late || fill(a, stream, request));
    ok = ok &&
         good(a, wasi_blobstore_container_method_container_write_data(c, &name, borrowed, &error), &error);
    ok = ok && (is_late || fill(a, stream, request));
    io_output_stream_drop_own(stream);
    if (asked_number("trap", 0) == 1) {
        __builtin_trap();
    }
    if (!ok || asked_number("leave", 0) == 1) {
        wasi_blobstore_types_outgoing_value_drop_own(value);
        return;
    }
    if (good(a, wasi_blobstore_types_static_outgoing_value_finish(value, &error), &error)) {
        say(a, "written\n");
    }
}

// Uses in an order that nobody should rely on; each line is what came of one.
static void odd(answer *a, borrowed_container c) {
    blobs_string_t name = asked("name"), error;
    io_own_output_stream_t stream;
    io_stream_error_t e;
    uint64_t room;
    wasi_blobstore_types_own_outgoing_value_t value =
        wasi_blobstore_types_static_outgoing_value_new_outgoing_value();
    wasi_blobstore_types_borrow_outgoing_value_t borrowed = wasi_blobstore_types_borrow_outgoing_value(value);
    wasi_blobstore_types_method_outgoing_value_outgoing_value_write_body(borrowed, &stream);
    bool first = wasi_blobstore_container_method_container_write_data(c, &name, borrowed, &error);
    bool second = wasi_blobstore_container_method_container_write_data(c, &name, borrowed, &error);
    say(a, "write-data: %d, again: %d %.*s\n", first, second, (int)error.len, (char *)error.ptr);
    write_some(a, io_borrow_output_stream(stream), (uint8_t *)"text", 4);
    say(a, "finish: %d\n", wasi_blobstore_types_static_outgoing_value_finish(value, &error));
    bool open = io_method_output_stream_check_write(io_borrow_output_stream(stream), &room, &e);
    say(a, "stream after finish: %s\n",
        open                              ? "open"
        : e.tag == IO_STREAM_ERROR_CLOSED ? "closed"
                                          : "failed");
    io_output_stream_drop_own(stream);

    value = wasi_blobstore_types_static_outgoing_value_new_outgoing_value();
    borrowed = wasi_blobstore_types_borrow_outgoing_value(value);
    wasi_blobstore_types_method_outgoing_value_outgoing_value_write_body(borrowed, &stream);
    wasi_blobstore_container_method_container_write_data(c, &name, borrowed, &error);
    write_some(a, io_borrow_output_stream(stream), (uint8_t *)"lost", 4);
    wasi_blobstore_types_outgoing_value_drop_own(value);
    open = io_method_output_stream_check_write(io_borrow_output_stream(stream), &room, &e);
    say(a, "stream after drop: %s\n", open ? "open" : e.tag == IO_STREAM_ERROR_CLOSED ? "closed" : "failed");
    io_output_stream_drop_own(stream);

    value = wasi_blobstore_types_static_outgoing_value_new_outgoing_value();
    first = wasi_blobstore_types_static_outgoing_value_finish(value, &error);
    say(a, "finish of nothing: %d %.*s\n", first, (int)error.len, (char *)error.ptr);
}

static void get(answer *a, borrowed_container c) {
    wasi_blobstore_types_own_incoming_value_t value;
    blobs_string_t name = asked("name"), error;
    uint64_t start = asked_number("start", 0), end = asked_number("end", UINT64_MAX);
    if (!good(a, wasi_blobstore_container_method_container_get_data(c, &name, start, end, &value, &error),
              &error)) {
        return;
    }
    if (is("/size")) {
        say(a, "%" PRIu64 "\n",
            wasi_blobstore_types_method_incoming_value_size(
                wasi_blobstore_types_borrow_incoming_value(value)));
        wasi_blobstore_types_incoming_value_drop_own(value);
    } else if (is("/sync")) {
        wasi_blobstore_types_incoming_value_sync_body_t bytes;
        if (good(
                a,
                wasi_blobstore_types_static_incoming_value_incoming_value_consume_sync(value, &bytes, &error),
                &error)) {
            add(a, bytes.ptr, bytes.len);
        }
    } else {
        a->is_streamed = good(
            a,
            wasi_blobstore_types_static_incoming_value_incoming_value_consume_async(value, &a->body, &error),
            &error);
    }
}

// Reads an object of the pattern to its end; ?pause= first changes what it is reading.
static void check(answer *a, borrowed_container c) {
    uint32_t state = 1;
    uint64_t count = 0, wrong = 0;
    blobs_list_u8_t part;
    io_stream_error_t e;
    get(a, c);
    if (!a->is_streamed) {
        return;
    }
    a->is_streamed = false;
    if (asked_number("replace", 0) == 1) {
        blobs_string_t name = asked("name"), from = asked("from"), container = asked("container"), error;
        wasi_blobstore_blobstore_object_id_t src = {container, from}, dest = {container, name};
        good(a, wasi_blobstore_blobstore_copy_object(&src, &dest, &error), &error);
    }
    while (io_method_input_stream_blocking_read(io_borrow_input_stream(a->body), PIECE_BYTES, &part, &e)) {
        for (size_t i = 0; i < part.len; i++) {
            wrong += part.ptr[i] != (uint8_t)pattern_next(&state);
        }
        count += part.len;
        blobs_list_u8_free(&part);
    }
    io_input_stream_drop_own(a->body);
    if (e.tag == IO_STREAM_ERROR_CLOSED || good_stream(a, false, &e)) {
        say(a, "%" PRIu64 " bytes, %" PRIu64 " wrong\n", count, wrong);
    }
}

static void list(answer *a, borrowed_container c) {
    wasi_blobstore_container_own_stream_object_names_t stream;
    wasi_blobstore_container_tuple2_list_object_name_bool_t page;
    blobs_tuple2_u64_bool_t skipped;
    blobs_string_t error;
    if (!good(a, wasi_blobstore_container_method_container_list_objects(c, &stream, &error), &error)) {
        return;
    }
    wasi_blobstore_container_borrow_stream_object_names_t names =
        wasi_blobstore_container_borrow_stream_object_names(stream);
    uint64_t skip = asked_number("skip", 0), count = 0;
    bool ok = skip == 0 || good(a,
                                wasi_blobstore_container_method_stream_object_names_skip_stream_object_names(
                                    names, skip, &skipped, &error),
                                &error);
    for (page.f1 = false; ok && !page.f1;) {
        ok = good(a,
                  wasi_blobstore_container_method_stream_object_names_read_stream_object_names(
                      names, asked_number("page", 100), &page, &error),
                  &error);
        for (size_t i = 0; ok && i < page.f0.len; i++) {
            if (!is("/count")) {
                add(a, page.f0.ptr[i].ptr, page.f0.ptr[i].len);
                say(a, "\n");
            }
            count++;
        }
    }
    if (ok && is("/count")) {
        say(a, "%" PRIu64 "\n", count);
    }
    wasi_blobstore_container_stream_object_names_drop_own(stream);
}

// ?names=a,b,c
static void delete_many(answer *a, borrowed_container c) {
    blobs_string_t names = asked("names"), items[NAMES_MAX], error;
    size_t count = 0;
    for (size_t at = 0, start = 0; at <= names.len && count < NAMES_MAX; at++) {
        if (at == names.len || names.ptr[at] == ',') {
            items[count++] = (blobs_string_t){names.ptr + start, at - start};
            start = at + 1;
        }
    }
    wasi_blobstore_container_list_object_name_t all = {items, count};
    good(a, wasi_blobstore_container_method_container_delete_objects(c, &all, &error), &error);
}

static void about_object(answer *a, borrowed_container c) {
    blobs_string_t name = asked("name"), error;
    wasi_blobstore_container_object_metadata_t info;
    bool is_there;
    if (is("/has")) {
        if (good(a, wasi_blobstore_container_method_container_has_object(c, &name, &is_there, &error),
                 &error)) {
            say(a, is_there ? "yes\n" : "no\n");
        }
    } else if (is("/object-info")) {
        if (good(a, wasi_blobstore_container_method_container_object_info(c, &name, &info, &error), &error)) {
            say(a, "%.*s/%.*s %" PRIu64 " bytes, %" PRIu64 "\n", (int)info.container.len,
                (char *)info.container.ptr, (int)info.name.len, (char *)info.name.ptr, info.size,
                info.created_at);
        }
    } else if (is("/delete")) {
        good(a, wasi_blobstore_container_method_container_delete_object(c, &name, &error), &error);
    } else {
        a->status = 404;
    }
}

// --- containers --------------------------------------------------------------------------------------------

static void about_container(answer *a, borrowed_container c) {
    wasi_blobstore_container_container_metadata_t info;
    blobs_string_t error, name;
    if (is("/clear")) {
        good(a, wasi_blobstore_container_method_container_clear(c, &error), &error);
    } else if (good(a, wasi_blobstore_container_method_container_info(c, &info, &error), &error) &&
               good(a, wasi_blobstore_container_method_container_name(c, &name, &error), &error)) {
        say(a, "%.*s %.*s %" PRIu64 "\n", (int)name.len, (char *)name.ptr, (int)info.name.len,
            (char *)info.name.ptr, info.created_at);
    }
}

// Those of the interface itself; false for another route.
static bool about_store(answer *a) {
    blobs_string_t container = asked("container"), error;
    own_container made;
    bool is_there;
    if (is("/create")) {
        if (good(a, wasi_blobstore_blobstore_create_container(&container, &made, &error), &error)) {
            wasi_blobstore_container_container_drop_own(made);
        }
    } else if (is("/exists")) {
        if (good(a, wasi_blobstore_blobstore_container_exists(&container, &is_there, &error), &error)) {
            say(a, is_there ? "yes\n" : "no\n");
        }
    } else if (is("/delete-container")) {
        good(a, wasi_blobstore_blobstore_delete_container(&container, &error), &error);
    } else if (is("/copy") || is("/move")) {
        blobs_string_t to = asked("to-container");
        wasi_blobstore_blobstore_object_id_t src = {container, asked("name")};
        wasi_blobstore_blobstore_object_id_t dest = {to.len > 0 ? to : container, asked("to")};
        good(a,
             is("/copy") ? wasi_blobstore_blobstore_copy_object(&src, &dest, &error)
                         : wasi_blobstore_blobstore_move_object(&src, &dest, &error),
             &error);
    } else {
        return false;
    }
    return true;
}

static void with_container(answer *a, http_own_incoming_request_t request) {
    blobs_string_t name = asked("container"), error;
    own_container owned;
    if (!good(a, wasi_blobstore_blobstore_get_container(&name, &owned, &error), &error)) {
        return;
    }
    borrowed_container c = wasi_blobstore_container_borrow_container(owned);
    if (is("/put")) {
        put(a, c, request);
    } else if (is("/odd")) {
        odd(a, c);
    } else if (is("/get") || is("/size") || is("/sync")) {
        get(a, c);
    } else if (is("/check")) {
        check(a, c);
    } else if (is("/list") || is("/count")) {
        list(a, c);
    } else if (is("/delete-many")) {
        delete_many(a, c);
    } else if (is("/clear") || is("/info")) {
        about_container(a, c);
    } else {
        about_object(a, c);
    }
    wasi_blobstore_container_container_drop_own(owned);
}

// --- the answer --------------------------------------------------------------------------------------------

static void send(exports_handler_own_response_outparam_t out, answer *a) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), a->status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    io_stream_error_t e;
    uint64_t moved;
    bool is_whole = true;
    if (a->is_streamed) {
        while (io_method_output_stream_blocking_splice(
            io_borrow_output_stream(stream), io_borrow_input_stream(a->body), PIECE_BYTES, &moved, &e)) {
        }
        is_whole = e.tag == IO_STREAM_ERROR_CLOSED;
        io_input_stream_drop_own(a->body);
    } else {
        write_some(a, io_borrow_output_stream(stream), (uint8_t *)a->text, a->length);
    }
    io_output_stream_drop_own(stream);
    http_error_code_t error;
    if (is_whole) {
        http_static_outgoing_body_finish(body, NULL, &error);
    } else { // who reads must see that it is not all
        http_outgoing_body_drop_own(body);
    }
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    static answer a;
    blobs_string_t asked_path = {0};
    a.status = 200;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &asked_path)) {
        size_t n = asked_path.len < sizeof path - 1 ? asked_path.len : sizeof path - 1;
        memcpy(path, asked_path.ptr, n);
    }
    if (!about_store(&a)) {
        with_container(&a, request);
    }
    send(out, &a);
    http_incoming_request_drop_own(request);
}
