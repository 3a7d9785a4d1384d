// SPDX-License-Identifier: Apache-2.0
// Whatever a worker sends: every reader of messages answers with a value within its bounds or an error. The
// first four bytes are the packet's type.
//
// links: host
#include "base/check.h"
#include "fuzz.h"
#include "host/message.h"

static void read_log(const channel_packet *p) {
    message_log m;
    if (message_read_log(p, &m, NULL) != STATUS_OK) {
        return;
    }
    CHECK(m.record.field_count <= LOG_FIELDS_MAX);
    // What was accepted can be written, in both forms.
    log_format f = {"", slice_empty(), LOG_TEXT_BYTES_MAX};
    for (int i = 0; i < 2; i++) {
        auto_buf line;
        buf_init(&line, 1 << 20);
        CHECK((i == 0 ? log_format_text : log_format_json)(&m.record, &f, &line) == STATUS_OK);
        CHECK(memchr(line.data, '\n', line.len) == NULL);
    }
}

static void read_connect(const channel_packet *p) {
    message_connect m;
    if (message_read_connect(p, &m, NULL) == STATUS_OK) {
        CHECK(m.id != 0 && m.request.host.len <= CONNECT_HOST_BYTES_MAX);
        CHECK(m.request.purpose <= CONNECT_SOCKETS && m.request.action <= CONNECT_RESOLVE);
    }
}

static void read_connected(const channel_packet *p) {
    message_connected m;
    if (message_read_connected(p, &m, NULL) == STATUS_OK) {
        CHECK(m.address_count <= LOOP_RESOLVE_ADDRESSES_MAX);
    }
}

static void read_secrets(const channel_packet *p) {
    message_reveal reveal;
    message_revealed m;
    if (message_read_reveal(p, &reveal, NULL) == STATUS_OK) {
        CHECK(reveal.id != 0 && reveal.name.len > 0 && reveal.name.len <= MESSAGE_SECRET_NAME_BYTES_MAX);
    }
    if (message_read_revealed(p, &m, NULL) == STATUS_OK) {
        CHECK(m.code == STATUS_OK ? m.part.len > 0 && m.part.len <= m.total - m.offset : m.part.len == 0);
    }
}

static void read_links(const channel_packet *p) {
    message_link m;
    slice bits;
    uint32_t number;
    if (message_read_link(p, 10, &m, NULL) == STATUS_OK) {
        CHECK(m.number < 10 && m.code <= STATUS_INTERNAL && m.text.len <= ERR_MESSAGE_BYTES_MAX);
    }
    if (message_read_opened(p, 10, &bits, NULL) == STATUS_OK) {
        CHECK(bits.len == 2);
    }
    (void)!message_read_cut_link(p, &number, NULL);
}

static void read_others(const channel_packet *p) {
    err e = {0};
    message_failed failed;
    uint8_t exit_status;
    uint64_t id;
    message_start start;
    if (message_read_failed(p, &failed, &e) == STATUS_OK) {
        CHECK(failed.code != STATUS_OK && failed.text.len <= ERR_MESSAGE_BYTES_MAX);
    }
    if (message_read_cancel(p, &id, &e) == STATUS_OK) {
        CHECK(id != 0);
    }
    (void)!message_read_finished(p, &exit_status, &e);
    (void)!message_read_empty(p, &e);
    (void)!message_read_start(p, &start, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    channel_packet p = {.fd_count = 0};
    if (size < sizeof p.type || size - sizeof p.type > sizeof p.payload) {
        return 0;
    }
    memcpy(&p.type, data, sizeof p.type);
    p.len = size - sizeof p.type;
    memcpy(p.payload, data + sizeof p.type, p.len);
    read_log(&p);
    read_connect(&p);
    read_connected(&p);
    read_secrets(&p);
    read_links(&p);
    read_others(&p);
    return 0;
}
