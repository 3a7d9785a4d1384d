// SPDX-License-Identifier: Apache-2.0
//
//   PUT /pictures/NAME      keeps the body and has a thumbnail made of it: 202
//   GET /pictures/NAME      the picture
//   GET /thumbnails/NAME    the thumbnail; 404 until it is there
//   GET /thumbnails         the names of all, a line each
//
// A name is for one picture: one that is there stays, and asking again only has its thumbnail made again. So
// a client that does not know what became of its upload repeats it. The message goes out when the picture is
// kept, never before, and the answer when the message is: nothing that was answered with 202 can be lost
// here.
#include "gallery.h"

#include <string.h>

enum { NAME_BYTES_MAX = 100, PIECE_BYTES = 1 << 16 };

static const char pictures[] = "pictures", thumbnails[] = "thumbnails";

static gallery_string_t text_of(const char *s) { return (gallery_string_t){(uint8_t *)s, strlen(s)}; }

// --- answers -----------------------------------------------------------------------------------------------

typedef struct answer {
    io_own_output_stream_t stream;
    http_own_outgoing_body_t body;
} answer;

static answer begin(exports_handler_own_response_outparam_t out, uint16_t status) {
    answer a;
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &a.body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(a.body), &a.stream);
    return a;
}

static void end(answer *a) {
    http_error_code_t e;
    io_output_stream_drop_own(a->stream);
    http_static_outgoing_body_finish(a->body, NULL, &e);
}

static void say(answer *a, const void *bytes, size_t len) {
    for (size_t at = 0; at < len; at += 4096) {
        gallery_list_u8_t piece = {(uint8_t *)bytes + at, len - at < 4096 ? len - at : 4096};
        io_stream_error_t e;
        if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(a->stream), &piece,
                                                              &e)) {
            return;
        }
    }
}

static void refuse(exports_handler_own_response_outparam_t out, uint16_t status,
                   const gallery_string_t *why) {
    answer a = begin(out, status);
    say(&a, why->ptr, why->len);
    say(&a, "\n", 1);
    end(&a);
}

static void refuse_text(exports_handler_own_response_outparam_t out, uint16_t status, const char *why) {
    gallery_string_t text = text_of(why);
    refuse(out, status, &text);
}

// --- pictures ----------------------------------------------------------------------------------------------

static bool open_container(const char *name, container_own_container_t *ret, gallery_string_t *error) {
    gallery_string_t text = text_of(name);
    bool is_there = false;
    if (!store_container_exists(&text, &is_there, error)) {
        return false;
    }
    // Another instance may make it at the same moment: then it is there.
    return (!is_there && store_create_container(&text, ret, error)) || store_get_container(&text, ret, error);
}

// To its end. False when either side failed.
static bool move_body(http_own_incoming_request_t request, io_borrow_output_stream_t to) {
    http_own_incoming_body_t body;
    io_own_input_stream_t from;
    io_stream_error_t e = {0};
    uint64_t moved;
    if (!http_method_incoming_request_consume(http_borrow_incoming_request(request), &body) ||
        !http_method_incoming_body_stream(http_borrow_incoming_body(body), &from)) {
        return false;
    }
    while (
        io_method_output_stream_blocking_splice(to, io_borrow_input_stream(from), PIECE_BYTES, &moved, &e)) {
    }
    io_input_stream_drop_own(from);
    http_incoming_body_drop_own(body);
    return e.tag == IO_STREAM_ERROR_CLOSED;
}

// An object is there when it was written to its end, or not at all.
static bool keep(container_borrow_container_t c, gallery_string_t *name, http_own_incoming_request_t request,
                 gallery_string_t *error) {
    blobs_own_outgoing_value_t value = blobs_static_outgoing_value_new_outgoing_value();
    io_own_output_stream_t stream;
    if (!blobs_method_outgoing_value_outgoing_value_write_body(blobs_borrow_outgoing_value(value), &stream) ||
        !container_method_container_write_data(c, name, blobs_borrow_outgoing_value(value), error)) {
        return false;
    }
    bool is_whole = move_body(request, io_borrow_output_stream(stream));
    io_output_stream_drop_own(stream);
    if (!is_whole) {
        *error = text_of("the picture did not come whole");
        blobs_outgoing_value_drop_own(value);
        return false;
    }
    return blobs_static_outgoing_value_finish(value, error);
}

static bool tell(const gallery_string_t *name, gallery_string_t *error) {
    messages_broker_message_t m = {.subject = text_of("pictures.new"), .body = {name->ptr, name->len}};
    return consumer_publish(&m, error);
}

static void put(http_own_incoming_request_t request, gallery_string_t *name,
                exports_handler_own_response_outparam_t out) {
    container_own_container_t c;
    gallery_string_t error = text_of("");
    bool is_there = false;
    bool ok = open_container(pictures, &c, &error) &&
              container_method_container_has_object(container_borrow_container(c), name, &is_there, &error) &&
              (is_there || keep(container_borrow_container(c), name, request, &error)) && tell(name, &error);
    if (!ok) {
        refuse(out, 503, &error);
        return;
    }
    answer a = begin(out, 202);
    end(&a);
}

static void get(const char *from, gallery_string_t *name, exports_handler_own_response_outparam_t out) {
    container_own_container_t c;
    blobs_own_incoming_value_t value;
    io_own_input_stream_t body;
    gallery_string_t error;
    bool is_there = false;
    if (!open_container(from, &c, &error) ||
        !container_method_container_has_object(container_borrow_container(c), name, &is_there, &error)) {
        refuse(out, 503, &error);
        return;
    }
    if (!is_there) {
        refuse_text(out, 404, "there is nothing of that name");
        return;
    }
    if (!container_method_container_get_data(container_borrow_container(c), name, 0, UINT64_MAX, &value,
                                             &error) ||
        !blobs_static_incoming_value_incoming_value_consume_async(value, &body, &error)) {
        refuse(out, 503, &error);
        return;
    }
    answer a = begin(out, 200);
    uint64_t moved;
    io_stream_error_t e;
    while (io_method_output_stream_blocking_splice(io_borrow_output_stream(a.stream),
                                                   io_borrow_input_stream(body), PIECE_BYTES, &moved, &e)) {
    }
    io_input_stream_drop_own(body);
    end(&a);
}

static void list(exports_handler_own_response_outparam_t out) {
    container_own_container_t c;
    container_own_stream_object_names_t names;
    container_tuple2_list_object_name_bool_t page = {.f1 = false};
    gallery_string_t error;
    if (!open_container(thumbnails, &c, &error) ||
        !container_method_container_list_objects(container_borrow_container(c), &names, &error)) {
        refuse(out, 503, &error);
        return;
    }
    answer a = begin(out, 200);
    while (!page.f1 && container_method_stream_object_names_read_stream_object_names(
                           container_borrow_stream_object_names(names), 500, &page, &error)) {
        for (size_t i = 0; i < page.f0.len; i++) {
            say(&a, page.f0.ptr[i].ptr, page.f0.ptr[i].len);
            say(&a, "\n", 1);
        }
    }
    container_stream_object_names_drop_own(names);
    end(&a);
}

// --- requests ----------------------------------------------------------------------------------------------

static bool is_name(const gallery_string_t *s) {
    for (size_t i = 0; i < s->len; i++) {
        uint8_t c = s->ptr[i];
        bool is_letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (!is_letter && !(c >= '0' && c <= '9') && strchr("._-", c) == NULL) {
            return false;
        }
    }
    return s->len > 0 && s->len <= NAME_BYTES_MAX && s->ptr[0] != '.';
}

// What follows "/PREFIX/".
static bool is_below(const gallery_string_t *path, const char *prefix, gallery_string_t *ret) {
    size_t n = strlen(prefix);
    if (path->len < n + 2 || path->ptr[0] != '/' || memcmp(path->ptr + 1, prefix, n) != 0 ||
        path->ptr[n + 1] != '/') {
        return false;
    }
    *ret = (gallery_string_t){path->ptr + n + 2, path->len - n - 2};
    return true;
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    http_method_t method;
    gallery_string_t path = text_of("/"), name = text_of("");
    http_method_incoming_request_method(http_borrow_incoming_request(request), &method);
    http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &path);
    bool is_get = method.tag == HTTP_METHOD_GET, is_put = method.tag == HTTP_METHOD_PUT;
    bool is_picture = is_below(&path, pictures, &name);
    bool is_thumbnail = !is_picture && is_below(&path, thumbnails, &name);
    if (is_get && path.len == 11 && memcmp(path.ptr, "/thumbnails", 11) == 0) {
        list(out);
    } else if (!is_name(&name)) {
        refuse_text(out, 404, "PUT /pictures/NAME, GET /thumbnails/NAME or GET /thumbnails");
    } else if (is_picture && is_put) {
        put(request, &name, out);
    } else if (is_get && (is_picture || is_thumbnail)) {
        get(is_picture ? pictures : thumbnails, &name, out);
    } else {
        refuse_text(out, 405, "not that method");
    }
    http_incoming_request_drop_own(request);
}
