// SPDX-License-Identifier: Apache-2.0
//
// Gives a text to every plug-in that its configuration names, and shows what each made of it, or how it
// failed. What a plug-in returns is shown, never believed: it is escaped, and cut.
#include "gallery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 1000, SHOWN_BYTES_MAX = 400, PAGE_BYTES_MAX = 128 * 1024, PIECE_BYTES = 4096 };

static const char page_begin[] =
    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Plug-ins</title>\n"
    "<style>body{font:1.1em/1.5 sans-serif;max-width:60em;margin:2em auto}td,th{text-align:left;padding:.2em "
    "1em .2em 0;"
    "vertical-align:top}.failed{color:#b00020}.declined{color:#8a6d00}input{font:inherit;width:30em}</"
    "style>\n"
    "<h1>Plug-ins</h1>\n<form><input name=\"text\" maxlength=\"300\" aria-label=\"text\" value=\"";

// --- the page ----------------------------------------------------------------------------------------------

// What does not fit is left out.
typedef struct page {
    size_t length;
    char bytes[PAGE_BYTES_MAX];
} page;

static void add(page *p, const void *bytes, size_t length) {
    size_t room = PAGE_BYTES_MAX - p->length;
    length = length < room ? length : room;
    memcpy(p->bytes + p->length, bytes, length);
    p->length += length;
}

static void add_words(page *p, const char *words) { add(p, words, strlen(words)); }

static void add_escaped(page *p, const gallery_string_t *text, size_t max) {
    for (size_t i = 0; i < text->len && i < max; i++) {
        switch (text->ptr[i]) {
        case '<':
            add_words(p, "&lt;");
            break;
        case '>':
            add_words(p, "&gt;");
            break;
        case '&':
            add_words(p, "&amp;");
            break;
        case '"':
            add_words(p, "&quot;");
            break;
        case '\'':
            add_words(p, "&#39;");
            break;
        default:
            add(p, &text->ptr[i], 1);
        }
    }
    if (text->len > max) {
        add_words(p, " [...]");
    }
}

// --- plug-ins ----------------------------------------------------------------------------------------------

static gallery_string_t text_of(const char *text) {
    return (gallery_string_t){(uint8_t *)text, strlen(text)};
}

// From now on calls go to the plug-in of that name.
static bool choose(gallery_string_t *name, gallery_string_t *why) {
    gallery_string_t space = text_of("example"), package = text_of("plug-ins"), interface = text_of("plugin");
    lattice_own_call_target_interface_t target =
        lattice_constructor_call_target_interface(&space, &package, &interface);
    lattice_list_own_call_target_interface_t list = {&target, 1};
    return lattice_set_link_name(name, &list, why);
}

static void add_result(page *p, const char *class, gallery_string_t *text) {
    add_words(p, "<td class=\"");
    add_words(p, class);
    add_words(p, "\">");
    add_escaped(p, text, SHOWN_BYTES_MAX);
    add_words(p, "</td>");
    gallery_string_free(text);
}

static void run(page *p, gallery_string_t *name, gallery_string_t *text) {
    gallery_string_t result;
    plugin_failure_t failure;
    if (!choose(name, &result)) {
        add_result(p, "failed", &result);
    } else if (plugin_run(text, &result, &failure)) {
        add_result(p, "done", &result);
    } else {
        bool is_its_own = failure.tag == PLUGIN_FAILURE_DECLINED;
        add_result(p, is_its_own ? "declined" : "failed",
                   is_its_own ? &failure.val.declined : &failure.val.other);
    }
}

static void add_row(page *p, gallery_string_t *name, gallery_string_t *text) {
    char words[64];
    uint64_t before = clock_now();
    add_words(p, "<tr><th>");
    add_escaped(p, name, SHOWN_BYTES_MAX);
    add_words(p, "</th>");
    run(p, name, text);
    snprintf(words, sizeof words, "<td>%llu ms</td></tr>\n",
             (unsigned long long)((clock_now() - before) / 1000000));
    add_words(p, words);
}

// The configuration `plug-ins` has their names with blanks between them.
static void add_rows(page *p, gallery_string_t *text) {
    gallery_string_t key = text_of("plug-ins");
    gallery_option_string_t names;
    config_error_t error;
    if (!config_get(&key, &names, &error)) {
        config_error_free(&error);
        return;
    }
    for (size_t at = 0; names.is_some && at < names.val.len;) {
        size_t end = at;
        while (end < names.val.len && names.val.ptr[end] != ' ') {
            end++;
        }
        gallery_string_t name = {names.val.ptr + at, end - at};
        if (name.len > 0) {
            add_row(p, &name, text);
        }
        at = end + 1;
    }
    gallery_option_string_free(&names);
}

// --- requests ----------------------------------------------------------------------------------------------

static int digit(uint8_t c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// What follows "?text=" in the path, decoded; in its place. A text that is no UTF-8 becomes "?" where it is
// not ASCII.
static gallery_string_t text_in(gallery_string_t *path) {
    static const char mark[] = "/?text=";
    size_t start = sizeof mark - 1, kept = 0;
    if (path->len < start || memcmp(path->ptr, mark, start) != 0) {
        return (gallery_string_t){path->ptr, 0};
    }
    bool is_ascii = true;
    for (size_t i = start; i < path->len && kept < TEXT_BYTES_MAX; i++) {
        uint8_t c = path->ptr[i];
        if (c == '%' && i + 2 < path->len && digit(path->ptr[i + 1]) >= 0 && digit(path->ptr[i + 2]) >= 0) {
            c = (uint8_t)(digit(path->ptr[i + 1]) * 16 + digit(path->ptr[i + 2]));
            i += 2;
        }
        is_ascii = is_ascii && c < 0x80;
        path->ptr[kept++] = c == '+' ? ' ' : c;
    }
    for (size_t i = 0; i < kept && !is_ascii; i++) {
        path->ptr[i] = path->ptr[i] < 0x80 ? path->ptr[i] : '?';
    }
    return (gallery_string_t){path->ptr, kept};
}

static void send(exports_handler_own_response_outparam_t out, const page *p) {
    static const char *const headers[][2] = {
        {"content-type", "text/html; charset=utf-8"},
        {"content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"},
    };
    http_own_fields_t fields = http_constructor_fields();
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        http_field_name_t name = {(uint8_t *)headers[i][0], strlen(headers[i][0])};
        http_field_value_t value = {(uint8_t *)headers[i][1], strlen(headers[i][1])};
        http_header_error_t wrong;
        (void)http_method_fields_append(http_borrow_fields(fields), &name, &value, &wrong);
    }
    http_own_outgoing_response_t response = http_constructor_outgoing_response(fields);
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    for (size_t at = 0; at < p->length; at += PIECE_BYTES) {
        size_t left = p->length - at;
        gallery_list_u8_t piece = {(uint8_t *)p->bytes + at, left < PIECE_BYTES ? left : PIECE_BYTES};
        io_stream_error_t broken;
        if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece,
                                                              &broken)) {
            io_stream_error_free(&broken); // a client that has gone away is no fault of ours
            break;
        }
    }
    io_output_stream_drop_own(stream);
    http_error_code_t error;
    if (!http_static_outgoing_body_finish(body, NULL, &error)) {
        http_error_code_free(&error);
    }
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    static page p;
    gallery_string_t path = {NULL, 0}, text = {NULL, 0};
    p.length = 0;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &path)) {
        text = text_in(&path);
    }
    add_words(&p, page_begin);
    add_escaped(&p, &text, TEXT_BYTES_MAX);
    add_words(&p, "\"><button>Run</button></form>\n<table>\n");
    if (text.len > 0) {
        add_rows(&p, &text);
    }
    add_words(&p, "</table></html>\n");
    send(out, &p);
    gallery_string_free(&path);
    http_incoming_request_drop_own(request);
}
