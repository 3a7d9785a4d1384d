// SPDX-License-Identifier: Apache-2.0
#include "identity/secret_grants.h"
#include "marker.h"
#include "test.h"

typedef struct server { // a source with two secrets
    const char *value;  // of "k"; NULL = it was removed
    status fails;
    int audits;
    secret_revealed last;
} server;

static status get(const void *context, const char *key, const char *field, const char *version,
                  uint64_t now_s, secret_value *ret, err *e) {
    const server *s = context;
    const char *value = strcmp(key, "k") == 0 ? s->value : strcmp(key, "other") == 0 ? "o" : NULL;
    (void)now_s;
    if (s->fails != STATUS_OK) {
        return err_set(e, s->fails, "the server is away");
    }
    if (value == NULL || field != NULL || version != NULL) {
        return err_set(e, STATUS_NOT_FOUND, "there is no secret %s", key);
    }
    TRY(secret_new(strlen(value), &ret->bytes, e));
    memcpy(ret->bytes.data, value, ret->bytes.len);
    ret->kind = SECRET_TEXT;
    ret->version = 3;
    return STATUS_OK;
}

static void audited(void *context, const secret_revealed *what) {
    server *s = context;
    s->audits++;
    s->last = *what;
}

static const secret_grant both[] = {{.name = "db", .key = "k"}, {.name = "api", .key = "other"}};

static bool is_value(const secret_grants *g, const char *name, const char *expected) {
    auto_secret_value v = {0};
    status s = secret_grants_reveal(g, slice_from_text(name), NULL, &v, NULL);
    return expected == NULL ? s == STATUS_NOT_FOUND
                            : s == STATUS_OK && slice_equal_text(secret_slice(&v.bytes), expected);
}

TEST(reveals_are_audited_and_say_no_more_than_not_found) {
    server s = {.value = "hunter2"};
    secret_source source = {&s, get};
    secret_audit audit = {&s, audited};
    secret_grants *g = NULL;
    secret_value v = {0};
    err e, other;
    EXPECT_OK(secret_grants_new(&source, "shop", both, 1, 0, &g, &e));
    EXPECT_EQ(secret_grants_count(g), 1);
    EXPECT_TEXT(secret_grants_name(g, 0), "db");
    EXPECT_OK(secret_grants_reveal(g, slice_from_text("db"), &audit, &v, &e));
    EXPECT(slice_equal_text(secret_slice(&v.bytes), "hunter2"));
    EXPECT_EQ(s.audits, 1);
    EXPECT(slice_equal_text(s.last.workload, "shop") && slice_equal_text(s.last.name, "db"));
    EXPECT(s.last.is_granted && s.last.version == 3);
    secret_value_free(&v);
    // "api" exists and was not granted, "nothing" does not exist.
    EXPECT_STATUS(secret_grants_reveal(g, slice_from_text("api"), &audit, &v, &e), STATUS_NOT_FOUND);
    EXPECT(!s.last.is_granted && slice_equal_text(s.last.name, "api"));
    EXPECT_STATUS(secret_grants_reveal(g, slice_from_text("nothing"), &audit, &v, &other), STATUS_NOT_FOUND);
    EXPECT_TEXT(e.message, other.message);
    EXPECT_EQ(s.audits, 3);
    secret_grants_free(g);
}

TEST(all_that_is_missing_is_told_at_once) {
    static const secret_grant some[] = {{.name = "a", .key = "gone-a"},
                                        {.name = "db", .key = "k"},
                                        {.name = "b", .key = "k", .field = "gone-b"},
                                        {.name = "c", .key = "k", .version = "9"}};
    server s = {.value = "v"};
    secret_source source = {&s, get};
    secret_grants *g = NULL;
    err e;
    EXPECT_STATUS(secret_grants_new(&source, "shop", some, 4, 0, &g, &e), STATUS_NOT_FOUND);
    EXPECT_CONTAINS(e.message, "3 secrets are missing");
    EXPECT_CONTAINS(e.message, "a: there is no secret gone-a");
    EXPECT_CONTAINS(e.message, "b: ");
    EXPECT_CONTAINS(e.message, "c: ");
    EXPECT(g == NULL);
}

TEST(wrong_lists) {
    static const secret_grant twice[] = {{.name = "a", .key = "k"}, {.name = "a", .key = "other"}};
    static const secret_grant nameless[] = {{.name = "", .key = "k"}};
    server s = {.value = "v"};
    secret_source source = {&s, get};
    secret_grants *g = NULL;
    err e;
    EXPECT_STATUS(secret_grants_new(&source, "shop", twice, 2, 0, &g, &e), STATUS_INVALID);
    EXPECT_STATUS(secret_grants_new(&source, "shop", nameless, 1, 0, &g, &e), STATUS_INVALID);
    EXPECT_STATUS(secret_grants_new(&source, "shop", twice, SECRET_GRANTS_MAX + 1, 0, &g, &e), STATUS_LIMIT);
    EXPECT_OK(secret_grants_new(&source, "shop", NULL, 0, 0, &g, &e));
    EXPECT(is_value(g, "a", NULL));
    secret_grants_free(g);
}

TEST(a_rotation_comes_through_a_refresh) {
    server s = {.value = "one"};
    secret_source source = {&s, get};
    secret_grants *g = NULL;
    size_t changed = 9;
    err e;
    EXPECT_OK(secret_grants_new(&source, "shop", both, 2, 0, &g, &e));
    EXPECT_OK(secret_grants_refresh(g, &source, 0, &changed, &e));
    EXPECT_EQ(changed, 0);
    s.value = "two";
    EXPECT(is_value(g, "db", "one"));
    EXPECT_OK(secret_grants_refresh(g, &source, 0, &changed, &e));
    EXPECT_EQ(changed, 1);
    EXPECT(is_value(g, "db", "two"));
    s.fails = STATUS_IO; // a server that is away takes nothing from anybody
    EXPECT_STATUS(secret_grants_refresh(g, &source, 0, &changed, &e), STATUS_IO);
    EXPECT(is_value(g, "db", "two"));
    s.fails = STATUS_OK;
    s.value = NULL;
    EXPECT_STATUS(secret_grants_refresh(g, &source, 0, &changed, &e), STATUS_NOT_FOUND);
    EXPECT_CONTAINS(e.message, "db: ");
    EXPECT(is_value(g, "db", NULL) && is_value(g, "api", "o"));
    s.value = "three";
    EXPECT_OK(secret_grants_refresh(g, &source, 0, &changed, &e));
    EXPECT_EQ(changed, 1);
    EXPECT(is_value(g, "db", "three"));
    secret_grants_free(g);
}

static status get_marker(const void *context, const char *key, const char *field, const char *version,
                         uint64_t now_s, secret_value *ret, err *e) {
    (void)context, (void)key, (void)field, (void)version, (void)now_s;
    ret->kind = SECRET_TEXT;
    TRY(secret_new(MARKER_BYTES, &ret->bytes, e));
    marker_put(ret->bytes.data);
    return STATUS_OK;
}

TEST(nothing_of_a_value_stays_in_memory) {
    secret_source source = {NULL, get_marker};
    secret_grants *g = NULL;
    secret_value v = {0};
    size_t changed;
    err e;
    EXPECT_OK(secret_grants_new(&source, "shop", both, 2, 0, &g, &e));
    EXPECT_EQ(marker_count(), 2);
    EXPECT_OK(secret_grants_refresh(g, &source, 0, &changed, &e));
    EXPECT_OK(secret_grants_reveal(g, slice_from_text("db"), NULL, &v, &e));
    EXPECT_EQ(marker_count(), 3);
    secret_value_free(&v);
    EXPECT_EQ(marker_count(), 2);
    secret_grants_free(g);
    EXPECT_EQ(marker_count(), 0);
}
