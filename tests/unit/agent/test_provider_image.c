// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_image.h"

#include <unistd.h>

#include "test.h"

enum { BYTES_MAX = 1 << 20, NOW_S = 1800000000 };

typedef struct scene {
    nkey *issuer, *subject;
    provider_archive_plan plan;
    buf bytes;
    trust_store *trust;
} scene;

static const char program[] = "#!/bin/sh\necho hi\n";

static void scene_write(scene *s) {
    buf_clear(&s->bytes);
    EXPECT_OK(provider_archive_write(&s->plan, s->issuer, &s->bytes, NULL));
}

static void scene_init(scene *s, const char *target) {
    *s = (scene){0};
    EXPECT_OK(nkey_generate(NKEY_ACCOUNT, &s->issuer, NULL));
    EXPECT_OK(nkey_generate(NKEY_SERVICE, &s->subject, NULL));
    s->plan.claims.subject = nkey_public_of(s->subject);
    s->plan.claims.issued_at_s = NOW_S;
    s->plan.claims.has_expiry = true;
    s->plan.claims.expires_at_s = NOW_S + 100;
    s->plan.claims.name = slice_from_text("Redis");
    s->plan.claims.vendor = slice_from_text("Example");
    const provider_archive_content c = {slice_from_text(target), slice_from_text(program)};
    EXPECT_OK(provider_archive_plan_put(&s->plan, c, NULL));
    buf_init(&s->bytes, BYTES_MAX);
    scene_write(s);
    const nkey_public key = nkey_public_of(s->issuer);
    const trust_issuer who = {.key = key};
    s->trust = trust_store_new();
    EXPECT_OK(trust_store_add_issuer(s->trust, &who, NULL));
}

static void scene_done(scene *s) {
    trust_store_free(s->trust);
    buf_done(&s->bytes);
    nkey_free(s->issuer);
    nkey_free(s->subject);
}

static provider_image_rules rules_of(const scene *s, bool allows_unsigned) {
    return (provider_image_rules){s->trust, allows_unsigned, NOW_S};
}

static void expect_program(const provider_image *i) {
    char text[100];
    ssize_t n = pread(i->program_fd, text, sizeof text, 0);
    EXPECT_BYTES(slice_of(text, n < 0 ? 0 : (size_t)n), slice_from_text(program));
}

TEST(the_program_of_a_signed_archive_is_taken) {
    scene s;
    provider_image i;
    scene_init(&s, "x86_64-linux");
    provider_image_rules rules = rules_of(&s, false);
    REQUIRE(provider_image_open(buf_slice(&s.bytes), &rules, &i, NULL) == STATUS_OK);
    expect_program(&i);
    REQUIRE(provider_image_claims(&i) != NULL);
    buf_clear(&s.bytes); // claims need nothing of it
    EXPECT_BYTES(provider_image_claims(&i)->name, slice_from_text("Redis"));
    provider_image_done(&i);
    scene_done(&s);
}

TEST(without_trust_it_runs_where_that_is_allowed) {
    scene s;
    provider_image i;
    err e = {0};
    scene_init(&s, "x86_64-linux");
    provider_image_rules rules = {NULL, false, NOW_S};
    rules.trust = trust_store_new(); // of somebody who trusts nobody
    EXPECT_STATUS(provider_image_open(buf_slice(&s.bytes), &rules, &i, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "unknown-issuer");
    rules.allows_unsigned = true;
    REQUIRE(provider_image_open(buf_slice(&s.bytes), &rules, &i, NULL) == STATUS_OK);
    expect_program(&i);
    provider_image_done(&i);
    trust_store_free((trust_store *)(uintptr_t)rules.trust);
    scene_done(&s);
}

TEST(what_was_changed_or_is_over_never_runs) {
    scene s;
    provider_image i;
    err e = {0};
    scene_init(&s, "x86_64-linux");
    provider_image_rules rules = rules_of(&s, true);
    rules.now_s = NOW_S + 1000;
    EXPECT_STATUS(provider_image_open(buf_slice(&s.bytes), &rules, &i, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "expired");
    rules.now_s = NOW_S;
    uint8_t *at = memmem(s.bytes.data, s.bytes.len, "echo hi", 7);
    REQUIRE(at != NULL);
    at[5] = 'H';
    EXPECT_STATUS(provider_image_open(buf_slice(&s.bytes), &rules, &i, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "hash-mismatch");
    scene_done(&s);
}

TEST(an_archive_for_other_machines_is_told) {
    scene s;
    provider_image i;
    err e = {0};
    scene_init(&s, "s390x-linux");
    provider_image_rules rules = rules_of(&s, false);
    EXPECT_STATUS(provider_image_open(buf_slice(&s.bytes), &rules, &i, &e), STATUS_NOT_FOUND);
    EXPECT_CONTAINS(e.message, "no program for this machine");
    scene_done(&s);
}

TEST(plain_programs_are_unsigned) {
    scene s;
    provider_image i;
    scene_init(&s, "x86_64-linux");
    provider_image_rules rules = rules_of(&s, false);
    EXPECT_STATUS(provider_image_open(slice_from_text(program), &rules, &i, NULL), STATUS_DENIED);
    rules.allows_unsigned = true;
    REQUIRE(provider_image_open(slice_from_text(program), &rules, &i, NULL) == STATUS_OK);
    expect_program(&i);
    EXPECT(provider_image_claims(&i) == NULL);
    provider_image_done(&i);
    err e = {0};
    EXPECT_STATUS(provider_image_open(slice_from_text("neither"), &rules, &i, &e), STATUS_INVALID);
    EXPECT_STATUS(provider_image_open(slice_empty(), &rules, &i, &e), STATUS_INVALID);
    scene_done(&s);
}
