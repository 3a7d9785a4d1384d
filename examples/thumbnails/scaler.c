// SPDX-License-Identifier: Apache-2.0
//
// Makes thumbnails: for the name in a message it reads the picture, a PPM (P6) with 8 bits, and writes one of
// at most 64 by 64 pixels under the same name. Each pixel is the mean of a square of the picture.
//
// A message may come again, because a worker that dies is not asked how far it was. Nothing comes of that:
// the same picture gives the same thumbnail under the same name, and it is there whole or not at all. What
// will not go better the next time, such as a file that is no picture, is logged and done with; what may go
// better is an error, so that the message is tried again.
#include "scaler.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE_MAX = 64, PICTURE_SIDE_MAX = 1 << 14, PIECE_BYTES = 1 << 16 };

typedef struct source {
    io_own_input_stream_t stream;
    scaler_list_u8_t piece;
    size_t at;
    bool has_failed; // and did not end
} source;

typedef struct picture {
    uint32_t width, height, step; // of the picture; how many of its pixels make one
    uint32_t columns, rows;       // of the thumbnail
    uint64_t sums[SIDE_MAX][3];
    uint8_t *out;
    size_t out_len;
} picture;

static scaler_string_t text_of(const char *s) { return (scaler_string_t){(uint8_t *)s, strlen(s)}; }

// --- reading -----------------------------------------------------------------------------------------------

static int next_byte(source *s) {
    while (s->at == s->piece.len) {
        io_stream_error_t e;
        scaler_list_u8_free(&s->piece);
        s->piece = (scaler_list_u8_t){0};
        s->at = 0;
        if (!io_method_input_stream_blocking_read(io_borrow_input_stream(s->stream), PIECE_BYTES, &s->piece,
                                                  &e)) {
            s->has_failed = e.tag != IO_STREAM_ERROR_CLOSED;
            return -1;
        }
    }
    return s->piece.ptr[s->at++];
}

static bool is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// A number of the header, with the blanks and comments before it and the blank behind.
static bool read_number(source *s, uint32_t max, uint32_t *ret) {
    uint32_t value = 0;
    int c = next_byte(s);
    while (is_space(c) || c == '#') {
        while (c == '#' && c != -1) {
            do {
                c = next_byte(s);
            } while (c != '\n' && c != -1);
        }
        c = next_byte(s);
    }
    if (c < '0' || c > '9') {
        return false;
    }
    for (; c >= '0' && c <= '9'; c = next_byte(s)) {
        value = value * 10 + (uint32_t)(c - '0');
        if (value > max) {
            return false;
        }
    }
    *ret = value;
    return value > 0 && is_space(c);
}

static bool read_header(source *s, picture *p) {
    uint32_t maximum;
    if (next_byte(s) != 'P' || next_byte(s) != '6' || !read_number(s, PICTURE_SIDE_MAX, &p->width) ||
        !read_number(s, PICTURE_SIDE_MAX, &p->height) || !read_number(s, 255, &maximum) || maximum != 255) {
        return false;
    }
    uint32_t side = p->width > p->height ? p->width : p->height;
    p->step = (side + SIDE_MAX - 1) / SIDE_MAX;
    p->columns = (p->width + p->step - 1) / p->step;
    p->rows = (p->height + p->step - 1) / p->step;
    return true;
}

// --- scaling -----------------------------------------------------------------------------------------------

static void put_number(picture *p, uint32_t value, uint8_t end) {
    if (value >= 10) {
        p->out[p->out_len++] = (uint8_t)('0' + value / 10);
    }
    p->out[p->out_len++] = (uint8_t)('0' + value % 10);
    p->out[p->out_len++] = end;
}

static void put_row(picture *p, uint32_t lines) {
    for (uint32_t i = 0; i < p->columns; i++) {
        uint32_t left = p->width - i * p->step;
        uint64_t count = (uint64_t)(left < p->step ? left : p->step) * lines;
        for (int k = 0; k < 3; k++) {
            p->out[p->out_len++] = (uint8_t)((p->sums[i][k] + count / 2) / count);
        }
    }
    memset(p->sums, 0, sizeof p->sums);
}

static bool scale(source *s, picture *p) {
    uint32_t lines = 0;
    if (!read_header(s, p)) {
        return false;
    }
    p->out = malloc((size_t)p->columns * p->rows * 3 + 16);
    memcpy(p->out, "P6\n", p->out_len = 3);
    put_number(p, p->columns, ' ');
    put_number(p, p->rows, '\n');
    memcpy(p->out + p->out_len, "255\n", 4);
    p->out_len += 4;
    for (uint32_t y = 0; y < p->height; y++) {
        for (uint32_t x = 0; x < p->width; x++) {
            for (int k = 0; k < 3; k++) {
                int c = next_byte(s);
                if (c < 0) {
                    return false;
                }
                p->sums[x / p->step][k] += (uint64_t)c;
            }
        }
        if (++lines == p->step || y + 1 == p->height) {
            put_row(p, lines);
            lines = 0;
        }
    }
    return true;
}

// --- the store ---------------------------------------------------------------------------------------------

static bool open_container(const char *name, container_own_container_t *ret, scaler_string_t *error) {
    scaler_string_t text = text_of(name);
    bool is_there = false;
    if (!store_container_exists(&text, &is_there, error)) {
        return false;
    }
    // Another instance may make it at the same moment: then it is there.
    return (!is_there && store_create_container(&text, ret, error)) || store_get_container(&text, ret, error);
}

static bool open_picture(scaler_string_t *name, source *ret, scaler_string_t *error) {
    container_own_container_t c;
    blobs_own_incoming_value_t value;
    return open_container("pictures", &c, error) &&
           container_method_container_get_data(container_borrow_container(c), name, 0, UINT64_MAX, &value,
                                               error) &&
           blobs_static_incoming_value_incoming_value_consume_async(value, &ret->stream, error);
}

static bool write_all(io_borrow_output_stream_t to, const uint8_t *bytes, size_t len) {
    for (size_t at = 0; at < len; at += 4096) {
        scaler_list_u8_t piece = {(uint8_t *)bytes + at, len - at < 4096 ? len - at : 4096};
        io_stream_error_t e;
        if (!io_method_output_stream_blocking_write_and_flush(to, &piece, &e)) {
            return false;
        }
    }
    return true;
}

static bool keep(scaler_string_t *name, const picture *p, scaler_string_t *error) {
    container_own_container_t c;
    blobs_own_outgoing_value_t value = blobs_static_outgoing_value_new_outgoing_value();
    io_own_output_stream_t stream;
    if (!open_container("thumbnails", &c, error) ||
        !blobs_method_outgoing_value_outgoing_value_write_body(blobs_borrow_outgoing_value(value), &stream) ||
        !container_method_container_write_data(container_borrow_container(c), name,
                                               blobs_borrow_outgoing_value(value), error)) {
        return false;
    }
    bool is_written = write_all(io_borrow_output_stream(stream), p->out, p->out_len);
    io_output_stream_drop_own(stream);
    if (!is_written) {
        scaler_string_dup(error, "the thumbnail could not be written");
        return false;
    }
    return blobs_static_outgoing_value_finish(value, error);
}

// --- messages ----------------------------------------------------------------------------------------------

static void log_refusal(const scaler_string_t *name) {
    static const char reason[] = " is no PPM picture of 8 bits (P6), or not all of one";
    scaler_string_t context = text_of("scaler");
    scaler_string_t text = {malloc(name->len + sizeof reason), name->len + sizeof reason - 1};
    memcpy(text.ptr, name->ptr, name->len);
    memcpy(text.ptr + name->len, reason, sizeof reason - 1);
    logging_log(LOGGING_LEVEL_WARN, &context, &text);
}

bool exports_work_handle_message(exports_work_broker_message_t *m, scaler_string_t *error) {
    static source s;
    static picture p;
    scaler_string_t name = {m->body.ptr, m->body.len};
    if (!open_picture(&name, &s, error)) {
        return false;
    }
    bool is_scaled = scale(&s, &p);
    io_input_stream_drop_own(s.stream);
    if (s.has_failed) {
        scaler_string_dup(error, "the picture could not be read");
        return false;
    }
    if (!is_scaled) {
        log_refusal(&name);
        return true;
    }
    return keep(&name, &p, error);
}
