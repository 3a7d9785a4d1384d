// SPDX-License-Identifier: Apache-2.0
#include "capability/secrets.h"
#include "helper_guest.h"
#include "marker.h"
#include "test.h"
#include "wasmcloud/secrets_reveal.h"
#include "wasmcloud/secrets_store.h"

typedef struct place { // a guest with one secret, and the process that holds it
    guest g;
    slice name;
    wasi_secrets secrets;
    secret_kind kind;
    status fails;
    bool suspends; // before it answers
    int asked;
} place;

static status reveal(void *context, host_call *call, slice name, secret_value *ret, err *e) {
    place *p = context;
    p->asked++;
    EXPECT(slice_equal_text(name, "db"));
    if (p->suspends) {
        TRY(wasi_instance_suspend(call, e));
    }
    if (p->fails != STATUS_OK) {
        return err_set(e, p->fails, "whoever holds it is away");
    }
    TRY(secret_new(MARKER_BYTES, &ret->bytes, e));
    marker_put(ret->bytes.data);
    ret->kind = p->kind;
    return STATUS_OK;
}

static void wake(host_call *call, void *arg) {
    (void)arg;
    wasi_instance_wake(call->instance);
}

static void place_init(place *p) {
    *p = (place){.name = slice_from_text("db"), .kind = SECRET_TEXT};
    p->secrets = (wasi_secrets){&p->name, 1, p, reveal};
    guest_init(&p->g);
    p->g.workload.name = slice_from_text("shop");
    p->g.workload.secrets = &p->secrets;
    p->g.on_suspend = wake;
    guest_start(&p->g);
}

static void place_done(place *p) { guest_done(&p->g); }

static wasmcloud_secrets_store_secret *get(place *p, const char *name) {
    wasmcloud_secrets_store_result_secret_secrets_error r = {0};
    EXPECT_OK(wasmcloud_secrets_store_get(&p->g, slice_from_text(name), &r, NULL));
    EXPECT(!r.is_err || r.err.tag == WASMCLOUD_SECRETS_STORE_SECRETS_ERROR_NOT_FOUND);
    return r.is_err ? NULL : r.ok;
}

TEST(a_secret_is_got_without_its_value_and_then_revealed) {
    place p;
    wasmcloud_secrets_store_secret_value v = {0};
    place_init(&p);
    p.suspends = true;
    wasmcloud_secrets_store_secret *s = get(&p, "db");
    REQUIRE(s != NULL);
    EXPECT_EQ(p.asked, 0);
    EXPECT_EQ(marker_count(), 0);
    EXPECT_OK(wasmcloud_secrets_reveal_reveal(&p.g, s, &v, NULL));
    EXPECT_EQ(v.tag, WASMCLOUD_SECRETS_STORE_SECRET_VALUE_STRING);
    EXPECT(marker_is(v.of.string.data, v.of.string.len));
    EXPECT_EQ(p.g.suspends, 1);
    EXPECT_EQ(marker_count(), 1);
    guest_return(&p.g);
    EXPECT_EQ(marker_count(), 0);
    p.kind = SECRET_BYTES;
    EXPECT_OK(wasmcloud_secrets_reveal_reveal(&p.g, s, &v, NULL));
    EXPECT_EQ(v.tag, WASMCLOUD_SECRETS_STORE_SECRET_VALUE_BYTES);
    guest_return(&p.g);
    EXPECT_EQ(p.asked, 2);
    wasmcloud_secrets_store_secret_drop(NULL, s);
    place_done(&p);
}

TEST(what_is_not_granted_does_not_exist) {
    place p;
    char longer[300];
    place_init(&p);
    memset(longer, 'd', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    EXPECT(get(&p, "api") == NULL && get(&p, "d") == NULL && get(&p, "") == NULL && get(&p, longer) == NULL);
    p.g.workload.secrets = NULL;
    EXPECT(get(&p, "db") == NULL);
    EXPECT_EQ(p.asked, 0);
    place_done(&p);
}

TEST(what_was_taken_away_is_not_revealed) {
    place p;
    err e;
    wasmcloud_secrets_store_secret_value v = {0};
    static const wasi_secrets none = {0};
    place_init(&p);
    wasmcloud_secrets_store_secret *s = get(&p, "db");
    p.g.workload.secrets = &none;
    EXPECT_STATUS(wasmcloud_secrets_reveal_reveal(&p.g, s, &v, &e), STATUS_TRAP);
    EXPECT_TEXT(e.message, "the secret db of workload shop is not granted any more");
    EXPECT_EQ(p.asked, 0);
    place_done(&p);
}

TEST(what_cannot_be_had_is_a_trap) {
    place p;
    err e;
    wasmcloud_secrets_store_secret_value v = {0};
    place_init(&p);
    wasmcloud_secrets_store_secret *s = get(&p, "db");
    p.fails = STATUS_CLOSED;
    EXPECT_STATUS(wasmcloud_secrets_reveal_reveal(&p.g, s, &v, &e), STATUS_TRAP);
    EXPECT_TEXT(e.message, "the secret db of workload shop cannot be revealed: whoever holds it is away");
    p.fails = STATUS_CANCELLED;
    EXPECT_STATUS(wasmcloud_secrets_reveal_reveal(&p.g, s, &v, &e), STATUS_CANCELLED);
    place_done(&p);
}

TEST(handles_are_counted) {
    place p;
    err e;
    wasmcloud_secrets_store_result_secret_secrets_error r = {0};
    place_init(&p);
    p.g.workload.limits.resources_max = 2;
    EXPECT(get(&p, "db") != NULL && get(&p, "db") != NULL);
    EXPECT_STATUS(wasmcloud_secrets_store_get(&p.g, slice_from_text("db"), &r, &e), STATUS_TRAP);
    place_done(&p);
}
