// SPDX-License-Identifier: Apache-2.0
#include "host/message.h"

#include "base/check.h"
#include "host/config.h"
#include "host/wire.h"
#include "identity/secret_store.h"
#include "os/fd.h"

enum { ERROR_TEXT_BYTES_MAX = ERR_MESSAGE_BYTES_MAX };

typedef struct draft { // a payload being written
    buf bytes;
    wire_writer w;
} draft;

static void draft_init(draft *d) {
    buf_init(&d->bytes, CHANNEL_PAYLOAD_BYTES_MAX);
    d->w = wire_writer_of(&d->bytes);
}

static status draft_send(draft *d, channel *c, message_type type, const int *fds, size_t fd_count, err *e) {
    status s = d->w.has_failed ? err_set(e, STATUS_LIMIT, "message %d does not fit into a packet", (int)type)
                               : channel_send(c, (uint32_t)type, buf_slice(&d->bytes), fds, fd_count, e);
    buf_done(&d->bytes);
    return s;
}

static wire_reader read_payload(const channel_packet *p) { return wire_reader_of(channel_packet_payload(p)); }

static status check_read(const wire_reader *r, bool is_sound, const channel_packet *p, err *e) {
    if (!wire_read_is_done(r) || !is_sound) {
        return err_set(e, STATUS_INVALID, "message %u is malformed", p->type);
    }
    return STATUS_OK;
}

// --- starting and ending -----------------------------------------------------------------------------------

status message_send_start(channel *c, const message_start *m, const int *fds, size_t fd_count, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u32(&d.w, m->worker);
    wire_write_u32(&d.w, m->worker_count);
    wire_write_u32(&d.w, m->workload_count);
    wire_write_u32(&d.w, m->module_count);
    wire_write_u32(&d.w, m->directory_count);
    wire_write_u8(&d.w, m->engine_level);
    wire_write_bool(&d.w, m->has_listener);
    wire_write_u32(&d.w, m->link_count);
    return draft_send(&d, c, MESSAGE_START, fds, fd_count, e);
}

status message_read_start(const channel_packet *p, message_start *ret, err *e) {
    wire_reader r = read_payload(p);
    message_start m;
    m.worker = wire_read_u32(&r);
    m.worker_count = wire_read_u32(&r);
    m.workload_count = wire_read_u32(&r);
    m.module_count = wire_read_u32(&r);
    m.directory_count = wire_read_u32(&r);
    m.engine_level = wire_read_u8(&r);
    m.has_listener = wire_read_bool(&r);
    m.link_count = wire_read_u32(&r);
    bool is_sound = p->type == MESSAGE_START && m.worker < m.worker_count &&
                    m.worker_count <= MESSAGE_WORKERS_MAX && m.workload_count <= HOST_WORKLOADS_MAX &&
                    m.module_count <= MESSAGE_MODULES_MAX && m.directory_count <= MESSAGE_DIRECTORIES_MAX &&
                    m.link_count <= HOST_LINKS_MAX &&
                    p->fd_count == MESSAGE_START_LISTENER + (m.has_listener ? 1u : 0u);
    TRY(check_read(&r, is_sound, p, e));
    *ret = m;
    return STATUS_OK;
}

status message_send_empty(channel *c, message_type type, err *e) {
    return channel_send(c, (uint32_t)type, slice_empty(), NULL, 0, e);
}

status message_send_fd(channel *c, message_type type, int fd, err *e) {
    return channel_send(c, (uint32_t)type, slice_empty(), &fd, 1, e);
}

status message_send_serve(channel *c, int links_fd, slice directory, slice ca_file, err *e) {
    draft d;
    draft_init(&d);
    wire_write_bytes(&d.w, directory);
    wire_write_bytes(&d.w, ca_file);
    return draft_send(&d, c, MESSAGE_SERVE, &links_fd, 1, e);
}

status message_read_serve(const channel_packet *p, slice *ret_directory, slice *ret_ca_file, err *e) {
    wire_reader r = read_payload(p);
    *ret_directory = wire_read_bytes(&r, CHANNEL_PAYLOAD_BYTES_MAX);
    *ret_ca_file = wire_read_bytes(&r, CHANNEL_PAYLOAD_BYTES_MAX);
    return check_read(&r, p->type == MESSAGE_SERVE && p->fd_count == 1, p, e);
}

status message_read_empty(const channel_packet *p, err *e) {
    wire_reader r = read_payload(p);
    return check_read(&r, true, p, e);
}

status message_send_all_fds(channel *c, message_type type, const int *fds, size_t count, err *e) {
    for (size_t sent = 0; sent < count;) {
        size_t n = count - sent < CHANNEL_DESCRIPTORS_MAX ? count - sent : CHANNEL_DESCRIPTORS_MAX;
        TRY(channel_send(c, (uint32_t)type, slice_empty(), fds + sent, n, e));
        sent += n;
    }
    return STATUS_OK;
}

static status receive_fds(channel *c, message_type type, int timeout_ms, int *fds, size_t room, size_t *ret,
                          err *e) {
    channel_packet p;
    TRY(channel_wait(c, timeout_ms, CHANNEL_DESCRIPTORS_MAX, &p, e));
    if (p.type != (uint32_t)type || p.len != 0 || p.fd_count == 0 || p.fd_count > room) {
        channel_packet_done(&p);
        return err_set(e, STATUS_INVALID, "message %u came instead of %d", p.type, (int)type);
    }
    *ret = p.fd_count;
    for (size_t i = 0; i < *ret; i++) {
        fds[i] = channel_packet_take(&p, i);
    }
    return STATUS_OK;
}

status message_receive_all_fds(channel *c, message_type type, int timeout_ms, int *ret_fds, size_t count,
                               err *e) {
    for (size_t done = 0; done < count;) {
        size_t n = 0;
        status s = receive_fds(c, type, timeout_ms, ret_fds + done, count - done, &n, e);
        if (s != STATUS_OK) {
            while (done > 0) {
                fd_close(ret_fds[--done]);
            }
            return s;
        }
        done += n;
    }
    return STATUS_OK;
}

status message_send_failed(channel *c, const err *why, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u8(&d.w, (uint8_t)why->code);
    wire_write_bytes(&d.w, slice_from_text(why->message));
    return draft_send(&d, c, MESSAGE_FAILED, NULL, 0, e);
}

static bool is_failure(uint8_t code) { return code > STATUS_OK && code <= STATUS_INTERNAL; }

status message_read_failed(const channel_packet *p, message_failed *ret, err *e) {
    wire_reader r = read_payload(p);
    uint8_t code = wire_read_u8(&r);
    slice text = wire_read_bytes(&r, ERROR_TEXT_BYTES_MAX);
    TRY(check_read(&r, is_failure(code), p, e));
    *ret = (message_failed){(status)code, text};
    return STATUS_OK;
}

status message_send_finished(channel *c, uint8_t exit_status, err *e) {
    return channel_send(c, MESSAGE_FINISHED, slice_of(&exit_status, 1), NULL, 0, e);
}

status message_read_finished(const channel_packet *p, uint8_t *ret_exit, err *e) {
    wire_reader r = read_payload(p);
    uint8_t exit_status = wire_read_u8(&r);
    TRY(check_read(&r, true, p, e));
    *ret_exit = exit_status;
    return STATUS_OK;
}

// --- links -------------------------------------------------------------------------------------------------

status message_send_cut_link(channel *c, uint32_t number, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u32(&d.w, number);
    return draft_send(&d, c, MESSAGE_CUT_LINK, NULL, 0, e);
}

status message_send_http(channel *c, uint32_t number, int fd, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u32(&d.w, number);
    return draft_send(&d, c, MESSAGE_HTTP, &fd, 1, e);
}

static status read_number(const channel_packet *p, uint32_t *ret_number, err *e) {
    wire_reader r = read_payload(p);
    uint32_t number = wire_read_u32(&r);
    TRY(check_read(&r, true, p, e));
    *ret_number = number;
    return STATUS_OK;
}

status message_read_cut_link(const channel_packet *p, uint32_t *ret_number, err *e) {
    return read_number(p, ret_number, e);
}

status message_read_http(const channel_packet *p, uint32_t *ret_number, err *e) {
    return read_number(p, ret_number, e);
}

status message_send_opened(channel *c, slice bits, err *e) {
    return channel_send(c, MESSAGE_OPENED, bits, NULL, 0, e);
}

status message_read_opened(const channel_packet *p, uint32_t link_count, slice *ret_bits, err *e) {
    if (p->len != (link_count + 7u) / 8u) {
        return err_set(e, STATUS_INVALID, "message %u is malformed", p->type);
    }
    *ret_bits = channel_packet_payload(p);
    return STATUS_OK;
}

status message_send_link(channel *c, message_type type, const message_link *m, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u32(&d.w, m->number);
    wire_write_u8(&d.w, m->code);
    wire_write_bytes(&d.w, slice_sub(m->text, 0, ERROR_TEXT_BYTES_MAX));
    return draft_send(&d, c, type, NULL, 0, e);
}

status message_read_link(const channel_packet *p, uint32_t link_count, message_link *ret, err *e) {
    wire_reader r = read_payload(p);
    message_link m;
    m.number = wire_read_u32(&r);
    m.code = wire_read_u8(&r);
    m.text = wire_read_bytes(&r, ERROR_TEXT_BYTES_MAX);
    TRY(check_read(&r, m.number < link_count && m.code <= STATUS_INTERNAL, p, e));
    *ret = m;
    return STATUS_OK;
}

// --- log records -------------------------------------------------------------------------------------------

static void write_field(wire_writer *w, const log_field *f) {
    wire_write_bytes(w, slice_sub(slice_from_text(f->name), 0, LOG_NAME_BYTES_MAX));
    wire_write_bool(w, f->is_number);
    if (f->is_number) {
        wire_write_u64(w, (uint64_t)f->number);
    } else {
        // Shorter than in a line: several of them and the message share one packet.
        wire_write_bytes(w, slice_sub(f->text, 0, LOG_TEXT_BYTES_MAX / 4));
    }
}

status message_send_log(channel *c, uint32_t workload, const log_record *record, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u32(&d.w, workload);
    wire_write_u8(&d.w, (uint8_t)record->level);
    wire_write_bytes(&d.w, slice_sub(record->event, 0, LOG_EVENT_BYTES_MAX));
    wire_write_bytes(&d.w, slice_sub(record->message, 0, LOG_TEXT_BYTES_MAX));
    size_t count = record->field_count < LOG_FIELDS_MAX ? record->field_count : LOG_FIELDS_MAX;
    wire_write_u8(&d.w, (uint8_t)count);
    for (size_t i = 0; i < count; i++) {
        write_field(&d.w, &record->fields[i]);
    }
    return draft_send(&d, c, MESSAGE_LOG, NULL, 0, e);
}

// Names become keys of JSON objects, so they keep to the letters that our own names have.
static bool is_name(slice text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
            return false;
        }
    }
    return text.len > 0;
}

// Keys that the line itself has: a field of that name would replace them.
static bool is_reserved(slice name) {
    static const char *const reserved[] = {"time", "level", "event", "workload", "message"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (slice_equal_text(name, reserved[i])) {
            return true;
        }
    }
    return false;
}

static bool read_field(wire_reader *r, char name[LOG_NAME_BYTES_MAX + 1], log_field *ret) {
    slice text = wire_read_bytes(r, LOG_NAME_BYTES_MAX);
    if (!is_name(text) || is_reserved(text)) {
        return false;
    }
    memcpy(name, text.data, text.len);
    name[text.len] = '\0';
    *ret = (log_field){.name = name, .is_number = wire_read_bool(r)};
    if (ret->is_number) {
        ret->number = (int64_t)wire_read_u64(r);
    } else {
        ret->text = wire_read_bytes(r, LOG_TEXT_BYTES_MAX);
    }
    return !r->has_failed;
}

status message_read_log(const channel_packet *p, message_log *ret, err *e) {
    wire_reader r = read_payload(p);
    uint32_t workload = wire_read_u32(&r);
    uint8_t level = wire_read_u8(&r);
    slice event = wire_read_bytes(&r, LOG_EVENT_BYTES_MAX);
    slice message = wire_read_bytes(&r, LOG_TEXT_BYTES_MAX);
    uint8_t count = wire_read_u8(&r);
    bool is_sound = level <= LOG_ERROR && is_name(event) && count <= LOG_FIELDS_MAX;
    for (size_t i = 0; is_sound && i < count; i++) {
        is_sound = read_field(&r, ret->names[i], &ret->fields[i]);
    }
    TRY(check_read(&r, is_sound, p, e));
    ret->workload = workload;
    ret->record = (log_record){(log_level)level, event, message, ret->fields, count};
    return STATUS_OK;
}

// --- connections -------------------------------------------------------------------------------------------

static void write_address(wire_writer *w, const loop_address *a) {
    bool is_v6 = a->any.sa_family == AF_INET6;
    bool is_v4 = a->any.sa_family == AF_INET;
    wire_write_u8(w, is_v4 ? 4 : is_v6 ? 6 : 0);
    if (is_v4) {
        wire_write_u16(w, ntohs(a->v4.sin_port));
        wire_write_bytes(w, slice_of(&a->v4.sin_addr, sizeof a->v4.sin_addr));
    } else if (is_v6) {
        wire_write_u16(w, ntohs(a->v6.sin6_port));
        wire_write_u32(w, a->v6.sin6_scope_id);
        wire_write_bytes(w, slice_of(&a->v6.sin6_addr, sizeof a->v6.sin6_addr));
    }
}

static void read_octets(wire_reader *r, void *ret, size_t len) {
    slice bytes = wire_read_bytes(r, len);
    if (bytes.len == len) {
        memcpy(ret, bytes.data, len);
    } else {
        r->has_failed = true;
    }
}

static loop_address read_address(wire_reader *r) {
    loop_address a;
    memset(&a, 0, sizeof a);
    uint8_t kind = wire_read_u8(r);
    if (kind == 4) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons(wire_read_u16(r));
        read_octets(r, &a.v4.sin_addr, sizeof a.v4.sin_addr);
    } else if (kind == 6) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(wire_read_u16(r));
        a.v6.sin6_scope_id = wire_read_u32(r);
        read_octets(r, &a.v6.sin6_addr, sizeof a.v6.sin6_addr);
    } else {
        r->has_failed = r->has_failed || kind != 0;
    }
    return a;
}

status message_send_connect(channel *c, const message_connect *m, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u64(&d.w, m->id);
    wire_write_u8(&d.w, (uint8_t)m->request.purpose);
    wire_write_u8(&d.w, (uint8_t)m->request.protocol);
    wire_write_u8(&d.w, (uint8_t)m->request.action);
    write_address(&d.w, &m->request.local);
    wire_write_bytes(&d.w, m->request.host);
    wire_write_u16(&d.w, m->request.port);
    wire_write_u64(&d.w, m->request.deadline_ns);
    wire_write_u32(&d.w, m->request.workload);
    return draft_send(&d, c, MESSAGE_CONNECT, NULL, 0, e);
}

status message_read_connect(const channel_packet *p, message_connect *ret, err *e) {
    wire_reader r = read_payload(p);
    message_connect m = {0};
    m.id = wire_read_u64(&r);
    uint8_t purpose = wire_read_u8(&r);
    uint8_t protocol = wire_read_u8(&r);
    uint8_t action = wire_read_u8(&r);
    m.request.local = read_address(&r);
    m.request.host = wire_read_bytes(&r, CONNECT_HOST_BYTES_MAX);
    m.request.port = wire_read_u16(&r);
    m.request.deadline_ns = wire_read_u64(&r);
    m.request.workload = wire_read_u32(&r);
    bool is_sound =
        m.id != 0 && purpose <= CONNECT_SOCKETS && protocol <= CONNECT_UDP && action <= CONNECT_RESOLVE;
    TRY(check_read(&r, is_sound, p, e));
    m.request.purpose = (connect_purpose)purpose;
    m.request.protocol = (connect_protocol)protocol;
    m.request.action = (connect_action)action;
    *ret = m;
    return STATUS_OK;
}

status message_send_cancel(channel *c, uint64_t id, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u64(&d.w, id);
    return draft_send(&d, c, MESSAGE_CANCEL, NULL, 0, e);
}

status message_read_cancel(const channel_packet *p, uint64_t *ret_id, err *e) {
    wire_reader r = read_payload(p);
    uint64_t id = wire_read_u64(&r);
    TRY(check_read(&r, id != 0, p, e));
    *ret_id = id;
    return STATUS_OK;
}

status message_send_connected(channel *c, const message_connected *m, int fd, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u64(&d.w, m->id);
    wire_write_u8(&d.w, (uint8_t)m->code);
    wire_write_u32(&d.w, (uint32_t)m->os_error);
    write_address(&d.w, &m->peer);
    wire_write_bytes(&d.w, slice_sub(m->text, 0, ERROR_TEXT_BYTES_MAX));
    wire_write_u8(&d.w, (uint8_t)m->address_count);
    for (size_t i = 0; i < m->address_count; i++) {
        write_address(&d.w, &m->addresses[i]);
    }
    return draft_send(&d, c, MESSAGE_CONNECTED, &fd, fd >= 0 ? 1 : 0, e);
}

status message_read_connected(const channel_packet *p, message_connected *ret, err *e) {
    wire_reader r = read_payload(p);
    ret->id = wire_read_u64(&r);
    uint8_t code = wire_read_u8(&r);
    ret->os_error = (int)wire_read_u32(&r);
    ret->peer = read_address(&r);
    ret->text = wire_read_bytes(&r, ERROR_TEXT_BYTES_MAX);
    ret->address_count = wire_read_u8(&r);
    bool is_sound =
        ret->id != 0 && code <= STATUS_INTERNAL && ret->address_count <= LOOP_RESOLVE_ADDRESSES_MAX;
    for (size_t i = 0; is_sound && i < ret->address_count; i++) {
        ret->addresses[i] = read_address(&r);
    }
    TRY(check_read(&r, is_sound, p, e));
    ret->code = (status)code;
    return STATUS_OK;
}

// --- secrets -----------------------------------------------------------------------------------------------

status message_send_reveal(channel *c, const message_reveal *m, err *e) {
    draft d;
    draft_init(&d);
    wire_write_u64(&d.w, m->id);
    wire_write_u32(&d.w, m->workload);
    wire_write_bytes(&d.w, m->name);
    return draft_send(&d, c, MESSAGE_REVEAL, NULL, 0, e);
}

status message_read_reveal(const channel_packet *p, message_reveal *ret, err *e) {
    wire_reader r = read_payload(p);
    message_reveal m;
    m.id = wire_read_u64(&r);
    m.workload = wire_read_u32(&r);
    m.name = wire_read_bytes(&r, MESSAGE_SECRET_NAME_BYTES_MAX);
    TRY(check_read(&r, m.id != 0 && m.name.len > 0, p, e));
    *ret = m;
    return STATUS_OK;
}

static void write_revealed(wire_writer *w, const message_revealed *m) {
    wire_write_u64(w, m->id);
    wire_write_u8(w, (uint8_t)m->code);
    wire_write_bytes(w, slice_sub(m->text, 0, ERROR_TEXT_BYTES_MAX));
    wire_write_u8(w, (uint8_t)m->kind);
    wire_write_u64(w, m->version);
    wire_write_u32(w, m->total);
    wire_write_u32(w, m->offset);
    wire_write_u32(w, (uint32_t)m->part.len); // and then the part
}

// The part of the value is never in memory that grows and leaves copies behind.
static status send_part(channel *c, const message_revealed *m, err *e) {
    uint8_t packet[CHANNEL_PAYLOAD_BYTES_MAX];
    draft d;
    draft_init(&d);
    write_revealed(&d.w, m);
    CHECK(!d.w.has_failed && d.bytes.len + m->part.len <= sizeof packet);
    memcpy(packet, d.bytes.data, d.bytes.len);
    memcpy(packet + d.bytes.len, m->part.data, m->part.len);
    status s = channel_send(c, MESSAGE_REVEALED, slice_of(packet, d.bytes.len + m->part.len), NULL, 0, e);
    secret_wipe(packet, sizeof packet);
    buf_done(&d.bytes);
    return s;
}

status message_send_revealed(channel *c, uint64_t id, const secret_value *value, err *e) {
    slice rest = secret_slice(&value->bytes);
    message_revealed m = {
        .id = id, .kind = value->kind, .version = value->version, .total = (uint32_t)rest.len};
    CHECK(rest.len > 0 && rest.len <= SECRET_VALUE_BYTES_MAX);
    while (m.offset < m.total) {
        size_t left = m.total - m.offset;
        size_t n = left < MESSAGE_SECRET_PART_BYTES_MAX ? left : MESSAGE_SECRET_PART_BYTES_MAX;
        m.part = slice_sub(rest, m.offset, m.offset + n);
        TRY(send_part(c, &m, e));
        m.offset += (uint32_t)n;
    }
    return STATUS_OK;
}

status message_send_unrevealed(channel *c, uint64_t id, const err *why, err *e) {
    draft d;
    draft_init(&d);
    write_revealed(&d.w,
                   &(message_revealed){.id = id, .code = why->code, .text = slice_from_text(why->message)});
    return draft_send(&d, c, MESSAGE_REVEALED, NULL, 0, e);
}

static bool is_part(const message_revealed *m) {
    return (m->kind == SECRET_TEXT || m->kind == SECRET_BYTES) && m->text.len == 0 && m->part.len > 0 &&
           m->total <= SECRET_VALUE_BYTES_MAX && m->offset <= m->total && m->part.len <= m->total - m->offset;
}

status message_read_revealed(const channel_packet *p, message_revealed *ret, err *e) {
    wire_reader r = read_payload(p);
    message_revealed m;
    m.id = wire_read_u64(&r);
    uint8_t code = wire_read_u8(&r);
    m.text = wire_read_bytes(&r, ERROR_TEXT_BYTES_MAX);
    m.kind = (secret_kind)wire_read_u8(&r);
    m.version = wire_read_u64(&r);
    m.total = wire_read_u32(&r);
    m.offset = wire_read_u32(&r);
    m.part = wire_read_bytes(&r, MESSAGE_SECRET_PART_BYTES_MAX);
    bool is_sound = m.id != 0 && (code == STATUS_OK ? is_part(&m) : is_failure(code) && m.part.len == 0);
    TRY(check_read(&r, is_sound, p, e));
    m.code = (status)code;
    *ret = m;
    return STATUS_OK;
}
