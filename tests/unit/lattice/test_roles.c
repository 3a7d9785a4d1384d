// SPDX-License-Identifier: Apache-2.0
// Requests of the control interface: who may, and what somebody on the wire can make of them.
#include "lattice/roles.h"

#include "test.h"

#define NOW UINT64_C(1800000000000)

typedef struct world {
    nkey *user, *other;
    roles *r;
    buf headers;
    bus_message m;
    roles_answer answer;
    lattice_refused why;
    err e;
} world;

static void sign(world *w, const nkey *key, const char *subject, const char *payload) {
    buf_clear(&w->headers);
    w->m = (bus_message){.subject = slice_from_text(subject), .payload = slice_from_text(payload)};
    REQUIRE(roles_sign(key, w->m.subject, w->m.payload, NOW, slice_from_text("00-aa-bb-01"), &w->headers,
                       &w->e) == STATUS_OK);
    w->m.headers = buf_slice(&w->headers);
}

static void world_make(world *w, role of_user, role everybody) {
    *w = (world){.r = roles_new(everybody)};
    REQUIRE(nkey_generate(NKEY_USER, &w->user, NULL) == STATUS_OK);
    REQUIRE(nkey_generate(NKEY_USER, &w->other, NULL) == STATUS_OK);
    const nkey_public key = nkey_public_of(w->user);
    REQUIRE(roles_put(w->r, &key, of_user, NULL) == STATUS_OK);
    buf_init(&w->headers, ROLES_HEADERS_BYTES_MAX);
    sign(w, w->user, "wasmbus.ctl.v1.default.link.put", "{\"target\":\"a\"}");
}

static void world_free(world *w) {
    roles_free(w->r);
    nkey_free(w->user);
    nkey_free(w->other);
    buf_done(&w->headers);
}

static status check(world *w, role needed, uint64_t wall_ms) {
    return roles_check(w->r, &w->m, needed, wall_ms, &w->answer, &w->why, &w->e);
}

TEST(a_user_with_the_role_may) {
    world w;
    world_make(&w, ROLE_OPERATE, ROLE_NONE);
    const nkey_public key = nkey_public_of(w.user);
    EXPECT_OK(check(&w, ROLE_OPERATE, NOW + 100));
    EXPECT(w.answer.is_signed && w.answer.what == ROLE_OPERATE && nkey_public_equal(&w.answer.user, &key));
    world_free(&w);
}

TEST(and_only_once) {
    world w;
    world_make(&w, ROLE_OPERATE, ROLE_ADMIN);
    EXPECT_OK(check(&w, ROLE_READ, NOW));
    EXPECT_EQ(check(&w, ROLE_READ, NOW), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_REPLAYED);
    EXPECT_EQ(check(&w, ROLE_READ, NOW + 30000), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_REPLAYED);
    EXPECT_EQ(check(&w, ROLE_READ, NOW + 30001), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_CLOCK);
    EXPECT_EQ(check(&w, ROLE_READ, NOW - 30001), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_CLOCK);
    world_free(&w);
}

TEST(a_role_that_is_too_small_is_refused) {
    world w;
    world_make(&w, ROLE_READ, ROLE_NONE);
    EXPECT_EQ(check(&w, ROLE_OPERATE, NOW), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_ROLE);
    EXPECT(strstr(w.e.message, "\"operate\"") != NULL);
    sign(&w, w.other, "wasmbus.ctl.v1.default.host.ping", "");
    EXPECT_EQ(check(&w, ROLE_READ, NOW), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_ROLE);
    world_free(&w);
}

TEST(what_is_not_signed_has_everybodys_role) {
    world w;
    world_make(&w, ROLE_ADMIN, ROLE_READ);
    w.m.headers = slice_empty();
    EXPECT_OK(check(&w, ROLE_READ, NOW));
    EXPECT(!w.answer.is_signed && w.answer.what == ROLE_READ);
    EXPECT_EQ(check(&w, ROLE_OPERATE, NOW), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_UNSIGNED);
    world_free(&w);
}

TEST(a_wrong_signature_is_refused_also_where_everybody_may) {
    world w;
    world_make(&w, ROLE_OPERATE, ROLE_ADMIN);
    w.m.payload = slice_from_text("{\"target\":\"b\"}");
    EXPECT_EQ(check(&w, ROLE_READ, NOW), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_BAD_SIGNATURE);
    sign(&w, w.user, "wasmbus.ctl.v1.default.link.get", "");
    w.m.subject = slice_from_text("wasmbus.ctl.v1.default.link.del");
    EXPECT_EQ(check(&w, ROLE_READ, NOW), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_BAD_SIGNATURE);
    world_free(&w);
}

TEST(each_byte_of_the_headers_counts) {
    world w;
    world_make(&w, ROLE_OPERATE, ROLE_NONE);
    slice trace = slice_from_text("traceparent");
    size_t end =
        (size_t)((uint8_t *)memmem(w.headers.data, w.headers.len, trace.data, trace.len) - w.headers.data);
    for (size_t i = 12; i < end; i++) { // behind the version; the trace is not signed
        w.headers.data[i] ^= 1;
        if (check(&w, ROLE_OPERATE, NOW) == STATUS_OK) {
            printf("byte %zu\n", i);
            EXPECT(false);
        }
        w.headers.data[i] ^= 1;
    }
    EXPECT_OK(check(&w, ROLE_OPERATE, NOW));
    world_free(&w);
}

TEST(two_of_a_header_are_refused) {
    world w;
    world_make(&w, ROLE_OPERATE, ROLE_ADMIN);
    w.headers.len -= 2; // the empty line
    const nkey_public key = nkey_public_of(w.user);
    EXPECT_OK(buf_append_format(&w.headers, "Writ-User: %s\r\n\r\n", nkey_public_text(&key).text));
    w.m.headers = buf_slice(&w.headers);
    EXPECT_EQ(check(&w, ROLE_READ, NOW), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_MALFORMED);
    world_free(&w);
}

TEST(what_is_remembered_is_bounded_and_forgotten) {
    world w;
    world_make(&w, ROLE_OPERATE, ROLE_NONE);
    for (int i = 0; i < ROLES_NONCES_MAX; i++) {
        sign(&w, w.user, "wasmbus.ctl.v1.default.host.ping", "");
        EXPECT_OK(check(&w, ROLE_READ, NOW));
    }
    sign(&w, w.user, "wasmbus.ctl.v1.default.host.ping", "");
    EXPECT_EQ(check(&w, ROLE_READ, NOW), STATUS_DENIED);
    EXPECT_EQ(w.why, LATTICE_REFUSED_FLOOD);
    buf_clear(&w.headers);
    REQUIRE(roles_sign(w.user, w.m.subject, w.m.payload, NOW + 61000, slice_empty(), &w.headers, NULL) ==
            STATUS_OK);
    w.m.headers = buf_slice(&w.headers);
    EXPECT_OK(check(&w, ROLE_READ, NOW + 61000));
    world_free(&w);
}

TEST(operations_and_roles) {
    EXPECT_EQ(role_needed(slice_from_text("host.ping")), ROLE_READ);
    EXPECT_EQ(role_needed(slice_from_text("host.get.NABC")), ROLE_READ);
    EXPECT_EQ(role_needed(slice_from_text("host.stop.NABC")), ROLE_ADMIN);
    EXPECT_EQ(role_needed(slice_from_text("component.scale.NABC")), ROLE_OPERATE);
    EXPECT_EQ(role_needed(slice_from_text("config.put.name.with.dots")), ROLE_OPERATE);
    EXPECT_EQ(role_needed(slice_from_text("something.else")), ROLE_ADMIN);
    EXPECT_EQ(role_needed(slice_from_text("host")), ROLE_ADMIN);
    EXPECT_EQ(role_needed(slice_empty()), ROLE_ADMIN);
    role r;
    EXPECT(role_parse(slice_from_text("operate"), &r) && r == ROLE_OPERATE);
    EXPECT(!role_parse(slice_from_text("root"), &r));
}
