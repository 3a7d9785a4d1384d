// SPDX-License-Identifier: Apache-2.0
#include "driver/sql/postgres_protocol.h"

// --- reading -----------------------------------------------------------------------------------------------

static uint32_t load_u32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

status postgres_message_read(slice bytes, size_t max, postgres_message *ret, size_t *ret_bytes, err *e) {
    if (bytes.len < 5) {
        return STATUS_NOT_FOUND;
    }
    uint32_t len = load_u32(bytes.data + 1);
    if (len < 4) {
        return err_set(e, STATUS_INVALID, "the server sent a message of %u bytes", len);
    }
    if (len > max) {
        return err_set(e, STATUS_LIMIT, "the server sends a message of %u bytes, and the link allows %zu",
                       len, max);
    }
    if (bytes.len < (size_t)len + 1) {
        return STATUS_NOT_FOUND;
    }
    *ret = (postgres_message){(char)bytes.data[0], slice_sub(bytes, 5, (size_t)len + 1)};
    *ret_bytes = (size_t)len + 1;
    return STATUS_OK;
}

slice postgres_read_bytes(postgres_reader *r, size_t count) {
    if (r->has_failed || count > r->rest.len) {
        r->has_failed = true;
        return slice_empty();
    }
    slice bytes = slice_sub(r->rest, 0, count);
    r->rest = slice_sub(r->rest, count, r->rest.len);
    return bytes;
}

static uint64_t read_number(postgres_reader *r, size_t bytes) {
    slice s = postgres_read_bytes(r, bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        value = value << 8 | s.data[i];
    }
    return value;
}

uint8_t postgres_read_u8(postgres_reader *r) { return (uint8_t)read_number(r, 1); }
uint16_t postgres_read_u16(postgres_reader *r) { return (uint16_t)read_number(r, 2); }
uint32_t postgres_read_u32(postgres_reader *r) { return (uint32_t)read_number(r, 4); }
uint64_t postgres_read_u64(postgres_reader *r) { return read_number(r, 8); }

slice postgres_read_text(postgres_reader *r) {
    size_t end = r->has_failed ? SIZE_MAX : slice_find(r->rest, 0, 0);
    if (end == SIZE_MAX) {
        r->has_failed = true;
        return slice_empty();
    }
    slice text = slice_sub(r->rest, 0, end);
    r->rest = slice_sub(r->rest, end + 1, r->rest.len);
    return text;
}

bool postgres_read_end(const postgres_reader *r) { return !r->has_failed && r->rest.len == 0; }

void postgres_error_read(slice body, postgres_error *ret) {
    postgres_reader r = postgres_reader_of(body);
    *ret = (postgres_error){.state = "XX000"};
    for (;;) {
        char field = (char)postgres_read_u8(&r);
        slice text = field == 0 ? slice_empty() : postgres_read_text(&r);
        if (field == 0 || r.has_failed) {
            return;
        }
        if (field == 'C' && text.len == POSTGRES_STATE_BYTES) {
            memcpy(ret->state, text.data, POSTGRES_STATE_BYTES);
        } else if (field == 'M') {
            ret->message = text;
        } else if (field == 'D') {
            ret->detail = text;
        } else if (field == 'V') {
            ret->is_fatal = slice_equal_text(text, "FATAL") || slice_equal_text(text, "PANIC");
        }
    }
}

uint64_t postgres_tag_rows(slice tag) {
    size_t at = tag.len;
    uint64_t rows = 0;
    while (at > 0 && tag.data[at - 1] != ' ') {
        at--;
    }
    (void)slice_to_u64(slice_sub(tag, at, tag.len), &rows);
    return rows;
}

slice postgres_tag_word(slice tag) {
    size_t end = slice_find(tag, 0, ' ');
    return slice_sub(tag, 0, end == SIZE_MAX ? tag.len : end);
}

// --- writing -----------------------------------------------------------------------------------------------

void postgres_write_bytes(postgres_writer *w, slice bytes) {
    if (w->code == STATUS_OK) {
        w->code = buf_append(w->out, bytes);
    }
}

uint8_t *postgres_write_room(postgres_writer *w, size_t bytes) {
    uint8_t *to = NULL;
    w->code = w->code == STATUS_OK ? buf_reserve(w->out, bytes, &to) : w->code;
    if (w->code != STATUS_OK) {
        return NULL;
    }
    w->out->len += bytes;
    return to;
}

static void write_number(postgres_writer *w, uint64_t value, size_t bytes) {
    uint8_t text[8];
    for (size_t i = 0; i < bytes; i++) {
        text[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    }
    postgres_write_bytes(w, slice_of(text, bytes));
}

void postgres_write_u8(postgres_writer *w, uint8_t value) { write_number(w, value, 1); }
void postgres_write_u16(postgres_writer *w, uint16_t value) { write_number(w, value, 2); }
void postgres_write_u32(postgres_writer *w, uint32_t value) { write_number(w, value, 4); }

void postgres_write_text(postgres_writer *w, slice text) {
    postgres_write_bytes(w, text);
    postgres_write_u8(w, 0);
}

void postgres_begin(postgres_writer *w, char type) {
    if (type != '\0') {
        postgres_write_u8(w, (uint8_t)type);
    }
    w->start = w->out->len;
    postgres_write_u32(w, 0);
}

void postgres_end(postgres_writer *w) {
    if (w->code != STATUS_OK) {
        return;
    }
    size_t len = w->out->len - w->start;
    if (len > INT32_MAX) {
        w->code = STATUS_LIMIT;
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        w->out->data[w->start + i] = (uint8_t)(len >> (8 * (3 - i)));
    }
}

void postgres_write_query(postgres_writer *w, const char *text) {
    postgres_begin(w, 'Q');
    postgres_write_text(w, slice_from_text(text));
    postgres_end(w);
}

void postgres_write_sync(postgres_writer *w) {
    postgres_begin(w, 'S');
    postgres_end(w);
}
