// SPDX-License-Identifier: Apache-2.0
// What another host says of itself: reading never leaves the input, what was read can be written and says the
// same again, and a table of peers takes it as it is, from a host that was there and from one that was not.
//
// links: lattice
#include "base/check.h"
#include "fuzz.h"
#include "lattice/peers.h"

static void hear(const presence_message *m, size_t lives) {
    peers *p = peers_new(&(peers_options){.self = {.kind = NKEY_SERVER}});
    const nkey_public host = {.kind = NKEY_SERVER, .bytes = {1}};
    for (uint64_t i = 1; i <= 3; i++) {
        peers_heard heard;
        if (peers_hear(p, &host, lives == 1 ? 1 : i, i, m, i * 1000000000, &heard, NULL) != STATUS_OK) {
            break;
        }
    }
    size_t count = 0;
    presence_item item;
    const peer *who = peers_find(p, &host);
    for (size_t at = 0; who != NULL && peers_serves_next(p, who, &at, &item); count++) {
        CHECK(peers_serving(p, item.id) == 1);
        CHECK(peers_choose(p, item.id, NULL, 0, 0) == who);
    }
    CHECK(who == NULL || who->serves == count);
    peers_tick(p, UINT64_MAX - 1);
    CHECK(peers_count(p) == 0);
    peers_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    auto_arena memory;
    auto_buf bytes;
    arena_init(&memory, 4 << 20);
    buf_init(&bytes, PRESENCE_BYTES_MAX);
    presence_message m, again;
    if (presence_message_read(slice_of(data, size), &memory, &m, NULL) != STATUS_OK) {
        return 0;
    }
    CHECK(presence_message_write(&m, &bytes, NULL) == STATUS_OK);
    CHECK(presence_message_read(buf_slice(&bytes), &memory, &again, NULL) == STATUS_OK);
    CHECK(again.kind == m.kind && again.revision == m.revision && again.item_count == m.item_count);
    for (size_t i = 0; i < m.item_count; i++) {
        CHECK(slice_equal(m.items[i].id, again.items[i].id) && m.items[i].is_gone == again.items[i].is_gone);
    }
    hear(&m, 1);
    hear(&m, 2);
    return 0;
}
