// SPDX-License-Identifier: Apache-2.0
#include "lattice/presence_message.h"

#include "codec/values.h"

enum {
    FORMAT = 1,
    FLAG_UNSIGNED_PEERS = 1,
    FLAG_DRAINING = 2,
    ITEM_PROVIDER = 1,
    ITEM_GONE = 2,
    ITEM_BYTES_MIN = 4, // kind, length and one byte of the id, revision
};

static bool has_items(presence_kind kind) { return kind == PRESENCE_ALL || kind == PRESENCE_CHANGE; }

// Ids are tokens of subjects: visible ASCII without the characters that subjects give a meaning.
static bool is_id(slice id) {
    if (id.len == 0 || id.len > LATTICE_ID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.data[i];
        if (c <= ' ' || c > '~' || c == '.' || c == '*' || c == '>') {
            return false;
        }
    }
    return true;
}

// --- writing -----------------------------------------------------------------------------------------------

static status check_bounds(const presence_message *m, err *e) {
    if (m->version.len > PRESENCE_VERSION_BYTES_MAX || m->item_count > PRESENCE_ITEMS_MAX || m->parts == 0 ||
        m->parts > PRESENCE_PARTS_MAX || m->part >= m->parts || m->beat_ms == 0 ||
        m->beat_ms > PRESENCE_BEAT_MS_MAX) {
        return err_set(e, STATUS_LIMIT, "presence: version, items, parts or beat is over its bound");
    }
    for (size_t i = 0; i < m->item_count; i++) {
        if (!is_id(m->items[i].id)) {
            return err_set(e, STATUS_LIMIT,
                           "presence: '%.*s' is no id of a component or provider: 1 to %d visible characters "
                           "without '.', '*' and '>'",
                           SLICE_ARG(m->items[i].id), LATTICE_ID_BYTES_MAX);
        }
    }
    return STATUS_OK;
}

status presence_message_write(const presence_message *m, buf *ret, err *e) {
    TRY(check_bounds(m, e));
    size_t before = ret->len;
    values_writer w = values_writer_of(ret);
    values_write_u8(&w, FORMAT);
    values_write_u8(&w, (uint8_t)m->kind);
    values_write_u8(&w, (uint8_t)((m->allows_unsigned_peers ? FLAG_UNSIGNED_PEERS : 0) |
                                  (m->is_draining ? FLAG_DRAINING : 0)));
    values_write_string(&w, m->version);
    values_write_u32(&w, m->beat_ms);
    values_write_u32(&w, m->in_flight);
    values_write_u32(&w, m->room);
    values_write_u64(&w, m->revision);
    values_write_u32(&w, m->serves);
    values_write_u32(&w, m->part);
    values_write_u32(&w, m->parts);
    values_write_count(&w, (uint32_t)m->item_count);
    for (size_t i = 0; i < m->item_count; i++) {
        const presence_item *item = &m->items[i];
        values_write_u8(&w,
                        (uint8_t)((item->is_provider ? ITEM_PROVIDER : 0) | (item->is_gone ? ITEM_GONE : 0)));
        values_write_string(&w, item->id);
        values_write_s32(&w, item->revision);
    }
    if (w.code != STATUS_OK) {
        ret->len = before;
    }
    return values_write_end(&w, "presence", e);
}

// --- reading -----------------------------------------------------------------------------------------------

static void read_head(values_reader *r, presence_message *m) {
    if (values_read_u8(r) != FORMAT) {
        values_read_fail(r, "a format that this version does not know");
    }
    uint8_t kind = values_read_u8(r);
    if (kind >= PRESENCE_KIND_COUNT) {
        values_read_fail(r, "a kind that there is not");
        return;
    }
    m->kind = (presence_kind)kind;
    uint8_t flags = values_read_u8(r); // those that later versions add mean nothing here
    m->allows_unsigned_peers = (flags & FLAG_UNSIGNED_PEERS) != 0;
    m->is_draining = (flags & FLAG_DRAINING) != 0;
    m->version = values_read_string(r);
    m->beat_ms = values_read_u32(r);
    m->in_flight = values_read_u32(r);
    m->room = values_read_u32(r);
    m->revision = values_read_u64(r);
    m->serves = values_read_u32(r);
    m->part = values_read_u32(r);
    m->parts = values_read_u32(r);
}

static void check_head(values_reader *r, const presence_message *m) {
    if (m->version.len > PRESENCE_VERSION_BYTES_MAX) {
        values_read_fail(r, "the version is too long");
    } else if (m->beat_ms == 0 || m->beat_ms > PRESENCE_BEAT_MS_MAX) {
        values_read_fail(r, "the time until the next message is out of its bounds");
    } else if (m->parts == 0 || m->parts > PRESENCE_PARTS_MAX || m->part >= m->parts ||
               (m->parts > 1 && m->kind != PRESENCE_ALL)) {
        values_read_fail(r, "the parts are out of their bounds");
    }
}

static void read_item(values_reader *r, presence_kind kind, presence_item *ret) {
    uint8_t bits = values_read_u8(r);
    *ret = (presence_item){.is_provider = (bits & ITEM_PROVIDER) != 0, .is_gone = (bits & ITEM_GONE) != 0};
    ret->id = values_read_string(r);
    ret->revision = values_read_s32(r);
    if (values_read_ok(r) && !is_id(ret->id)) {
        values_read_fail(r, "an id breaks the rules of ids");
    }
    if (bits > (ITEM_PROVIDER | ITEM_GONE) || (ret->is_gone && kind != PRESENCE_CHANGE)) {
        values_read_fail(r, "a kind of item that there is not");
    }
}

static status read_items(values_reader *r, arena *memory, presence_message *m, err *e) {
    uint32_t count = values_read_count(r, ITEM_BYTES_MIN);
    if (count > PRESENCE_ITEMS_MAX || (count > 0 && !has_items(m->kind))) {
        values_read_fail(r, "more items than there may be");
    }
    if (!values_read_ok(r) || count == 0) {
        return STATUS_OK;
    }
    presence_item *items = ARENA_ARRAY(memory, presence_item, count);
    if (items == NULL) {
        return err_set(e, STATUS_LIMIT, "presence: no memory for %u items", count);
    }
    for (uint32_t i = 0; i < count && values_read_ok(r); i++) {
        read_item(r, m->kind, &items[i]);
    }
    m->items = items;
    m->item_count = count;
    return STATUS_OK;
}

status presence_message_read(slice bytes, arena *memory, presence_message *ret, err *e) {
    if (bytes.len > PRESENCE_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "presence: %zu bytes, %d are taken", bytes.len, PRESENCE_BYTES_MAX);
    }
    values_reader r = values_reader_of(bytes);
    presence_message m = {0};
    read_head(&r, &m);
    if (values_read_ok(&r)) {
        check_head(&r, &m);
    }
    TRY(read_items(&r, memory, &m, e));
    TRY(values_read_end(&r, "presence", e));
    *ret = m;
    return STATUS_OK;
}
