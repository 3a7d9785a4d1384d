// SPDX-License-Identifier: Apache-2.0
// Objects as streams, against a store that the test plays: what an instance may have of this process's
// memory, and answers that no driver should give.
#include <sys/socket.h>

#include "capability/blobstore/blobstore_internal.h"
#include "helper_guest.h"
#include "policy/gate.h"
#include "test.h"

enum { OBJECT_BYTES = BLOB_FIRST_PART_BYTES + BLOBSTORE_PART_BYTES_MAX + 1, STREAMS = 48, NAMES = 1000 };

typedef struct place {
    guest g;
    _Atomic uint32_t state;
    wasi_link link;
    wasi_links links;
    rpc_share share;
    rpc *drivers, *server;
    gate *gate;
    struct wasi_blobstore_container_container container;
    slice upload; // what `begin` answers
    size_t large; // parts that were asked for whole
    uint8_t bytes[BLOBSTORE_PART_BYTES_MAX];
    slice names[NAMES];
    size_t large_pages;
} place;

static void on_call(void *arg, rpc_request *q) {
    place *p = arg;
    const rpc_message *m = rpc_request_message(q);
    blobstore_function f;
    blobstore_call c = {0};
    auto_arena memory;
    auto_buf payload;
    arena_init(&memory, BLOBSTORE_CALL_BYTES_MAX);
    buf_init(&payload, BLOBSTORE_CALL_BYTES_MAX);
    REQUIRE(blobstore_function_find(m->function, &f));
    REQUIRE(blobstore_call_decode(f, m->payload, &memory, &c, NULL) == STATUS_OK);
    p->large_pages += c.limit > NAMES;
    p->large += c.len == BLOBSTORE_PART_BYTES_MAX;
    uint64_t left = OBJECT_BYTES - c.start;
    const blobstore_answer a = {.size = OBJECT_BYTES,
                                .revision = slice_from_text("1"),
                                .bytes = slice_of(p->bytes, left < c.len ? left : c.len),
                                .upload = p->upload,
                                .names = p->names,
                                .count = c.limit < NAMES ? c.limit : NAMES,
                                .has_cursor = true};
    REQUIRE(blobstore_answer_encode(&c, &a, &payload, NULL) == STATUS_OK);
    rpc_answer(q, buf_slice(&payload));
}

static void place_init(place *p) {
    int fds[2];
    const rpc_handler handler = {.arg = p, .on_call = on_call};
    memset(p, 0, sizeof *p);
    p->link = (wasi_link){.interface = slice_from_text(BLOBSTORE_INTERFACE),
                          .name = slice_from_text("default"),
                          .target = slice_from_text("files"),
                          .target_name = slice_from_text("files"),
                          .state = &p->state};
    p->state = WASI_LINK_OPEN;
    memset(p->bytes, 'b', sizeof p->bytes);
    for (size_t i = 0; i < NAMES; i++) {
        p->names[i] = slice_of(p->bytes, BLOBSTORE_OBJECT_BYTES_MAX);
    }
    p->links = (wasi_links){.items = &p->link, .count = 1, .drivers = &p->drivers, .share = &p->share};
    p->container.name = "pictures";
    p->container.link.name_len = p->link.name.len;
    memcpy(p->container.link.name, p->link.name.data, p->link.name.len);
    p->gate = gate_new((siphash_key){1, 2}, GATE_ALLOW);
    guest_init(&p->g);
    p->g.workload.links = &p->links;
    p->g.workload.gate = p->gate;
    guest_start(&p->g);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    REQUIRE(rpc_new(p->g.loop, fds[0], NULL, &(rpc_handler){0}, &p->drivers, NULL) == STATUS_OK);
    REQUIRE(rpc_new(p->g.loop, fds[1], NULL, &handler, &p->server, NULL) == STATUS_OK);
}

static void place_done(place *p) {
    wasi_instance_free(p->g.instance);
    p->g.instance = NULL;
    rpc_free(p->drivers);
    rpc_free(p->server);
    loop_turn(p->g.loop, false);
    guest_done(&p->g);
    gate_free(p->gate);
}

// Until a byte of the second part was read, which is then held, and what follows it is on its way.
static void read_into_second_part(place *p, wasi_io_streams_input_stream *s) {
    wasi_io_streams_result_list_u8_stream_error got = {0};
    err e = {0};
    for (size_t done = 0; done <= BLOB_FIRST_PART_BYTES; done += got.ok.len) {
        uint64_t wanted = done < BLOB_FIRST_PART_BYTES ? BLOB_FIRST_PART_BYTES - done : 1;
        EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&p->g, s, wanted, &got, &e));
        REQUIRE(!got.is_err);
        guest_return(&p->g);
    }
}

static void open_object(place *p, wasi_io_streams_input_stream **ret) {
    wasi_blobstore_container_result_incoming_value_string value = {0};
    wasi_blobstore_types_result_input_stream_string stream = {0};
    err e = {0};
    EXPECT_OK(blob_incoming_new(&p->g, &p->container, slice_from_text("big"), 0, UINT64_MAX, &value, &e));
    REQUIRE(!value.is_err);
    EXPECT_OK(wasi_blobstore_types_incoming_value_incoming_value_consume_async(&p->g, value.ok, &stream, &e));
    REQUIRE(!stream.is_err);
    *ret = stream.ok;
}

// A part that is read counts until it was read, though the one that follows it is small.
TEST(parts_that_are_held_are_within_the_account) {
    static place p;
    place_init(&p);
    for (int i = 0; i < STREAMS; i++) {
        wasi_io_streams_input_stream *s = NULL;
        open_object(&p, &s);
        read_into_second_part(&p, s);
    }
    EXPECT(p.large > 16);
    EXPECT(p.large * BLOBSTORE_PART_BYTES_MAX <= BLOB_ACCOUNT_BYTES_MAX);
    place_done(&p);
}

static void list_a_name(place *p, wasi_blobstore_container_stream_object_names *names) {
    wasi_blobstore_container_result_tuple_list_string_bool_string got = {0};
    err e = {0};
    EXPECT_OK(
        wasi_blobstore_container_stream_object_names_read_stream_object_names(&p->g, names, 1, &got, &e));
    EXPECT(!got.is_err && got.ok.f0.count == 1 && got.ok.f0.items[0].len == BLOBSTORE_OBJECT_BYTES_MAX);
    guest_return(&p->g);
}

TEST(pages_of_names_are_within_the_account) {
    static place p;
    place_init(&p);
    for (int i = 0; i < STREAMS; i++) {
        wasi_blobstore_container_result_stream_object_names_string list = {0};
        err e = {0};
        EXPECT_OK(blob_names_new(&p.g, &p.container, &list, &e));
        REQUIRE(!list.is_err);
        guest_return(&p.g);
        list_a_name(&p, list.ok);
    }
    EXPECT(p.large_pages > 16);
    EXPECT(p.large_pages * NAMES * BLOBSTORE_OBJECT_BYTES_MAX <= BLOB_ACCOUNT_BYTES_MAX);
    place_done(&p);
}

// What has no name cannot be written to, and would wait for ever.
TEST(an_upload_without_a_name) {
    static const struct {
        const char *bytes;
        size_t len;
        bool is_good;
    } rows[] = {{"", 0, false}, {"\0x", 2, false}, {"x\0", 2, false}, {"0123", 4, true}};
    static place p;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        wasi_blobstore_types_outgoing_value *v = NULL;
        wasi_blobstore_container_result_void_string begun = {0};
        err e = {0};
        place_init(&p);
        p.upload = slice_of(rows[k].bytes, rows[k].len);
        EXPECT_OK(wasi_blobstore_types_outgoing_value_new_outgoing_value(&p.g, &v, &e));
        EXPECT_OK(blob_outgoing_begin(&p.g, &p.container, slice_from_text("x"), v, &begun, &e));
        EXPECT_EQ(begun.is_err, !rows[k].is_good);
        place_done(&p);
    }
}
