// SPDX-License-Identifier: Apache-2.0
// A blob store in JetStream of a real NATS server: the contract, and what is the driver's own.
#include <signal.h>

#include "base/check.h"
#include "bus/nats.h"
#include "driver/blobstore/nats_meta.h"
#include "unit/bus/helper_nats.h"
#include "unit/driver/blobstore_contract.h"
#include "unit/driver/helper_nats_peer.h"

static nats_process server;
static char url[64];

static const char *open_with(blobs *b, const driver_value *more, size_t count) {
    const char *why = nats_process_start(&server, NULL);
    if (why != NULL) {
        nats_process_stop(&server);
        return why;
    }
    snprintf(url, sizeof url, "nats://127.0.0.1:%u", server.port);
    driver_value values[16] = {{SLICE_LITERAL("url"), slice_from_text(url)}};
    for (size_t i = 0; i < count; i++) {
        values[i + 1] = more[i];
    }
    const driver_values settings = {values, count + 1};
    kv_start(&b->k);
    err e = {0};
    EXPECT_STATUS_ERR(kv_open(&b->k, &blobstore_nats, &settings, NULL, &e), STATUS_OK, e);
    return NULL;
}

static const char *open_it(blobs *b) {
    static const driver_value values[] = {BLOBSTORE_CONTRACT_SETTINGS};
    return open_with(b, values, sizeof values / sizeof values[0]);
}

static void close_it(blobs *b) {
    kv_stop(&b->k);
    nats_process_stop(&server);
}

BLOBSTORE_CONTRACT(open_it, close_it)

#define OPEN(b, ...)                                                               \
    blobs b = {0};                                                                 \
    static const driver_value values_[] = {__VA_ARGS__};                           \
    const char *why_ = open_with(&b, values_, sizeof values_ / sizeof values_[0]); \
    if (why_ != NULL) {                                                            \
        SKIP(why_);                                                                \
    }

#define SETTING(name, value) \
    { SLICE_LITERAL(name), SLICE_LITERAL(value) }

// What is dropped is dropped soon: nobody waits for it.
static void wait_until(nats_peer *p, const char *question, const char *part, bool is_there) {
    for (int i = 0; i < 500; i++) {
        nats_peer_ask(p, "$JS.API.STREAM.INFO.OBJ_box", NULL, question);
        if ((strstr(p->answer, part) != NULL) == is_there) {
            return;
        }
    }
    printf("    %s: %s\n", part, p->answer);
    EXPECT(false);
}

static void expect_messages(nats_peer *p, int count) {
    char part[32];
    snprintf(part, sizeof part, "\"messages\":%d,", count);
    wait_until(p, "", part, true);
}

TEST(nothing_is_left_of_what_is_no_object_any_more) {
    OPEN(b, SETTING("storage", "memory"));
    nats_peer p;
    blob_upload u;
    uint8_t *bytes = mem_zalloc(500000);
    EXPECT(blob_create(&b, "box"));
    nats_peer_begin(&p, &b.k, server.port);
    EXPECT(blob_write(&b, "box", name_of("o"), slice_of(bytes, 300000)) == NULL);
    expect_messages(&p, 3 + 1);
    EXPECT(blob_write(&b, "box", name_of("o"), slice_of(bytes, 500000)) == NULL); // replaced
    expect_messages(&p, 4 + 1);
    EXPECT(blob_upload_begin(&b, "box", name_of("p"), &u) == NULL);
    EXPECT(blob_upload_append(&b, &u, slice_of(bytes, 300000)) == NULL);
    expect_messages(&p, 4 + 1 + 2); // two of three are full
    EXPECT(blob_upload_abort(&b, &u) == NULL);
    expect_messages(&p, 4 + 1);
    blobstore_call c = blob_on_object(BLOBSTORE_MOVE, "box", name_of("o"));
    c.to_container = name_of("box");
    c.to_object = name_of("q");
    EXPECT(blob_do(&b, &c));
    expect_messages(&p, 4 + 1 + 1); // and a mark
    c = blob_on_object(BLOBSTORE_DELETE_OBJECT, "box", name_of("q"));
    EXPECT(blob_do(&b, &c));
    expect_messages(&p, 2); // marks alone
    mem_free(bytes);
    nats_peer_end(&p);
    close_it(&b);
}

// "a.txt", as another client has put it there, in uneven pieces.
#define META "$O.box.M.YS50eHQ="

static void put_as_other(nats_peer *p, const char *digest) {
    char meta[400];
    nats_peer_ask(p, "$O.box.C.OtherNuid1", NULL, "he");
    nats_peer_ask(p, "$O.box.C.Unrelated", NULL, "xxxx");
    nats_peer_ask(p, "$O.box.C.OtherNuid1", NULL, "");
    nats_peer_ask(p, "$O.box.C.OtherNuid1", NULL, "l");
    nats_peer_ask(p, "$O.box.C.OtherNuid1", NULL, "lo");
    snprintf(meta, sizeof meta,
             "{\"name\":\"a.txt\",\"bucket\":\"box\",\"nuid\":\"OtherNuid1\",\"size\":5,\"chunks\":4,"
             "\"mtime\":\"0001-01-01T00:00:00Z\",\"digest\":\"SHA-256=%s\"}",
             digest);
    nats_peer_ask(p, META, "NATS/1.0\r\nNats-Rollup: sub\r\n\r\n", meta);
}

TEST(objects_are_shared_with_other_clients) {
    OPEN(b, SETTING("replicas", "1"));
    nats_peer p;
    EXPECT(blob_create(&b, "box"));
    nats_peer_begin(&p, &b.k, server.port);
    put_as_other(&p, "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="); // of "hello"
    EXPECT(blob_is(&b, "box", "a.txt", "hello"));
    blobstore_call c = blob_on_object(BLOBSTORE_READ, "box", name_of("a.txt"));
    c.start = 1;
    c.len = 3;
    blob_pending r;
    blob_call(&b, &c, &r);
    EXPECT_BYTES(r.answer.bytes, name_of("ell"));
    blob_done(&r);
    c = blob_on_object(BLOBSTORE_COPY, "box", name_of("a.txt"));
    c.to_container = name_of("box");
    c.to_object = name_of("b");
    EXPECT(blob_do(&b, &c));
    EXPECT(blob_is(&b, "box", "b", "hello"));
    nats_peer_ask(&p, "$JS.API.STREAM.MSG.GET.OBJ_box", NULL, "{\"last_by_subj\":\"$O.box.M.Yg==\"}");
    EXPECT_CONTAINS(p.answer, "\"hdrs\":"); // and what is kept of it:
    EXPECT(blob_put(&b, "box", "a.txt", "ours"));
    // Its chunks go.
    wait_until(&p, "{\"subjects_filter\":\"$O.box.C.OtherNuid1\"}", "OtherNuid1\":", false);
    nats_peer_ask(
        &p, META, "NATS/1.0\r\nNats-Rollup: sub\r\n\r\n",
        "{\"name\":\"a.txt\",\"bucket\":\"box\",\"nuid\":\"x\",\"size\":0,\"chunks\":0,\"deleted\":true}");
    EXPECT(blob_is(&b, "box", "a.txt", NULL));
    blobstore_call list = blob_on_container(BLOBSTORE_LIST, "box");
    blob_call(&b, &list, &r);
    EXPECT(r.answer.count == 1 && slice_equal_text(r.answer.names[0], "b"));
    blob_done(&r);
    nats_peer_end(&p);
    close_it(&b);
}

static void expect_other(blobs *b, blobstore_function f, const char *part) {
    blobstore_call c = blob_on_object(f, "box", name_of("a.txt"));
    blob_pending r;
    char text[300];
    c.to_container = name_of("box");
    c.to_object = name_of("copy");
    blob_call(b, &c, &r);
    EXPECT(r.code == STATUS_OK && r.answer.is_error);
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(r.answer.message));
    EXPECT_CONTAINS(text, part);
    blob_done(&r);
}

TEST(damaged_objects_are_told) {
    OPEN(b, SETTING("replicas", "1"));
    nats_peer p;
    EXPECT(blob_create(&b, "box"));
    nats_peer_begin(&p, &b.k, server.port);
    put_as_other(&p, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    expect_other(&b, BLOBSTORE_READ, "damaged");
    expect_other(&b, BLOBSTORE_COPY, "damaged");
    EXPECT(!blob_has(&b, "box", name_of("copy")));
    nats_peer_ask(&p, "$JS.API.STREAM.PURGE.OBJ_box", NULL, "{\"filter\":\"$O.box.C.OtherNuid1\"}");
    expect_other(&b, BLOBSTORE_READ, "damaged"); // its bytes are missing
    nats_peer_ask(
        &p, META, NULL,
        "{\"name\":\"a.txt\",\"nuid\":\"x\",\"options\":{\"link\":{\"bucket\":\"box\",\"name\":\"b\"}}}");
    expect_other(&b, BLOBSTORE_READ, "a link");
    nats_peer_ask(&p, META, NULL, "{\"nuid\":\"a.*.>\",\"size\":5}");
    blobstore_call c = blob_on_object(BLOBSTORE_READ, "box", name_of("a.txt"));
    blob_pending r;
    blob_call(&b, &c, &r);
    EXPECT_STATUS(r.code, STATUS_IO);
    blob_done(&r);
    nats_peer_end(&p);
    close_it(&b);
}

static void wait_for_state(blobs *b, driver_state state) {
    driver_health h = {0};
    for (int i = 0; i < 10000 && h.state != state; i++) {
        kv_turn(&b->k);
        b->k.d->health(b->k.link, &h);
    }
    EXPECT_EQ(h.state, state);
}

TEST(a_server_that_goes_costs_its_calls_and_keeps_its_objects) {
    OPEN(b, SETTING("replicas", "1"));
    blob_upload u;
    EXPECT(blob_create(&b, "box"));
    EXPECT(blob_put(&b, "box", "o", "kept"));
    EXPECT(blob_upload_begin(&b, "box", name_of("p"), &u) == NULL);
    EXPECT(blob_upload_append(&b, &u, name_of("first")) == NULL);
    nats_process_signal(&server, SIGSTOP);
    static const blobstore_function functions[] = {BLOBSTORE_READ, BLOBSTORE_LIST, BLOBSTORE_DELETE_OBJECT,
                                                   BLOBSTORE_CONTAINER_EXISTS};
    blob_pending r[4] = {0};
    const slice name = name_of("o");
    for (int i = 0; i < 4; i++) {
        blobstore_call c = blob_on_object(functions[i], "box", name);
        c.limit = 5;
        c.names = &name;
        c.count = 1;
        blob_begin(&b, &r[i], &c, UINT64_MAX);
    }
    nats_process_kill(&server);
    for (int i = 0; i < 4; i++) {
        blob_wait(&b, &r[i]);
        EXPECT_STATUS(r[i].code, STATUS_CLOSED);
        blob_done(&r[i]);
    }
    wait_for_state(&b, DRIVER_DOWN);
    EXPECT(nats_process_start(&server, NULL) == NULL);
    wait_for_state(&b, DRIVER_UP);
    EXPECT(blob_is(&b, "box", "o", "kept"));
    EXPECT(blob_upload_append(&b, &u, name_of(" second")) == NULL); // no step of it was on its way
    EXPECT(blob_upload_finish(&b, &u) == NULL);
    EXPECT(blob_is(&b, "box", "p", "first second"));
    close_it(&b);
}

TEST(what_is_kept_of_an_object_is_read_with_care) {
    nats_meta m;
    err e;
    EXPECT_OK(nats_meta_read(name_of("{\"nuid\":\"abc\",\"size\":7,\"chunks\":1}"), &m, &e));
    EXPECT(m.is_there && !m.is_link && !m.has_digest && m.size == 7);
    static const char *const wrong[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"nuid\":\"\"}",
                                        "{\"nuid\":\"a b\"}",
                                        "{\"nuid\":\"a\",\"size\":-1}",
                                        "{\"nuid\":\"a\",\"size\":\"7\"}",
                                        "{\"nuid\":\"a\",\"digest\":\"MD5=abc\"}",
                                        "{\"nuid\":\"a\",\"digest\":\"SHA-256=abc\"}",
                                        "{\"nuid\":7}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(nats_meta_read(name_of(wrong[i]), &m, &e), STATUS_INVALID);
    }
    auto_buf text = {0};
    buf_init(&text, 1000);
    EXPECT_OK(nats_meta_subject("box", name_of("a?>"), &text));
    EXPECT_BYTES(buf_slice(&text), name_of("$O.box.M.YT8-"));
    auto_buf name = {0};
    buf_init(&name, 1000);
    EXPECT_OK(nats_meta_name("box", buf_slice(&text), &name));
    EXPECT_BYTES(buf_slice(&name), name_of("a?>"));
    EXPECT_STATUS(nats_meta_name("box", name_of("$O.box.M."), &name), STATUS_INVALID);
    EXPECT_STATUS(nats_meta_name("box", name_of("$O.box.M.!"), &name), STATUS_INVALID);
}

TEST(it_is_found) {
    EXPECT(driver_find(slice_from_text("nats"), slice_from_text("wasi:blobstore/blobstore")) ==
           &blobstore_nats);
}
