// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <unistd.h>

#include "artifact/provider_archive.h"
#include "base/mem.h"

enum { BYTES_MAX = 4 << 20, NOW_S = 1800000000, EXPIRES_S = NOW_S + 100 };

// Two keys, a plan with two targets and a world, and what comes of it.
typedef struct scene {
    nkey *issuer;
    nkey *subject;
    provider_archive_plan plan;
    buf bytes;
    provider_archive archive;
    provider_archive_verification v;
} scene;

static scene *scene_new(void) {
    scene *s = MEM_NEW(scene);
    err e = {0};
    EXPECT_STATUS_ERR(nkey_generate(NKEY_ACCOUNT, &s->issuer, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(nkey_generate(NKEY_SERVICE, &s->subject, &e), STATUS_OK, e);
    token_claims *c = &s->plan.claims;
    c->subject = nkey_public_of(s->subject);
    c->id = slice_from_text("an id");
    c->issued_at_s = NOW_S;
    c->has_expiry = true;
    c->expires_at_s = EXPIRES_S;
    c->has_not_before = true;
    c->not_before_s = NOW_S - 100;
    c->name = slice_from_text("Redis");
    c->vendor = slice_from_text("Example");
    c->has_revision = true;
    c->revision = 7;
    c->version = slice_from_text("0.7.0");
    c->config_schema = slice_from_text("{\"type\":\"object\"}");
    s->plan.has_world = true;
    s->plan.world = slice_from_text("a world");
    provider_archive_content linux_ = {slice_from_text("x86_64-linux"), slice_from_text("a program")};
    provider_archive_content macos = {slice_from_text("aarch64-macos"), slice_from_text("another")};
    EXPECT_OK(provider_archive_plan_put(&s->plan, linux_, &e));
    EXPECT_OK(provider_archive_plan_put(&s->plan, macos, &e));
    buf_init(&s->bytes, BYTES_MAX);
    return s;
}

static void scene_free(scene *s) {
    provider_archive_verification_done(&s->v);
    provider_archive_done(&s->archive);
    buf_done(&s->bytes);
    nkey_free(s->issuer);
    nkey_free(s->subject);
    mem_free(s);
}

static void scene_write(scene *s) {
    err e = {0};
    buf_clear(&s->bytes);
    EXPECT_STATUS_ERR(provider_archive_write(&s->plan, s->issuer, &s->bytes, &e), STATUS_OK, e);
}

// What is thought of the bytes: the reason of a refusal, MALFORMED too when they cannot be read.
static refusal judge_at(scene *s, slice bytes, uint64_t now_s, err *e) {
    provider_archive_verification_done(&s->v);
    provider_archive_done(&s->archive);
    if (provider_archive_read(bytes, BYTES_MAX, &s->archive, e) != STATUS_OK) {
        return REFUSAL_MALFORMED;
    }
    provider_archive_verify(&s->archive, now_s, NULL, &s->v);
    *e = s->v.error;
    return s->v.reason;
}
static refusal judge(scene *s, err *e) { return judge_at(s, buf_slice(&s->bytes), NOW_S, e); }

// Replaces the archive by one of the given entries.
static void pack(scene *s, const char *const names[], const slice contents[], size_t count) {
    tar_listing *l = MEM_NEW(tar_listing);
    for (size_t i = 0; i < count; i++) {
        snprintf(l->entries[i].name, sizeof l->entries[i].name, "%s", names[i]);
        l->entries[i].bytes = contents[i];
    }
    l->count = count;
    err e = {0};
    buf_clear(&s->bytes);
    EXPECT_STATUS_ERR(tar_write(l, s->plan.is_compressed, &s->bytes, &e), STATUS_OK, e);
    mem_free(l);
}

TEST(names_of_targets) {
    static const char *const good[] = {"x86_64-linux", "aarch64-linux-android", "wasm32-wasi", "a-b"};
    static const char *const bad[] = {
        "",
        "linux",
        "-linux",
        "linux-",
        "a--b",
        "X86_64-linux",
        "a/b-c",
        "../a-b",
        "x86_64-a.b",
        "x86_64 linux",
        "a-\xc3\xa9",
        "a-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        EXPECT(provider_archive_target_is_valid(slice_from_text(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT(!provider_archive_target_is_valid(slice_from_text(bad[i])));
    }
}

TEST(what_was_written_is_believed) {
    for (int compressed = 0; compressed < 2; compressed++) {
        scene *s = scene_new();
        s->plan.is_compressed = compressed != 0;
        scene_write(s);
        err e = {0};
        EXPECT_EQ(judge(s, &e), REFUSAL_NONE);
        EXPECT_TEXT(e.message, "");
        EXPECT_EQ(s->archive.is_compressed, compressed != 0);
        REQUIRE(s->archive.target_count == 2 && s->archive.has_world);
        EXPECT(slice_equal_text(s->archive.targets[0].name, "aarch64-macos"));
        EXPECT(slice_equal_text(s->archive.targets[1].bytes, "a program"));
        EXPECT(slice_equal_text(s->archive.world.bytes, "a world"));
        const token_claims *c = &s->v.claims;
        EXPECT_EQ(c->kind, TOKEN_PROVIDER);
        EXPECT(slice_equal_text(c->name, "Redis") && slice_equal_text(c->vendor, "Example"));
        EXPECT(slice_equal_text(c->version, "0.7.0") && c->has_revision && c->revision == 7);
        EXPECT_EQ(c->target_hashes.count, 3);
        EXPECT(c->config_schema.len > 0);
        scene_free(s);
    }
}

TEST(the_same_plan_gives_the_same_bytes) {
    scene *s = scene_new();
    for (int compressed = 0; compressed < 2; compressed++) {
        s->plan.is_compressed = compressed != 0;
        scene_write(s);
        auto_buf again;
        buf_init(&again, BYTES_MAX);
        err e = {0};
        EXPECT_OK(provider_archive_write(&s->plan, s->issuer, &again, &e));
        EXPECT(slice_equal(buf_slice(&again), buf_slice(&s->bytes)));
    }
    scene_free(s);
}

TEST(order_is_that_of_1_x) {
    scene *s = scene_new();
    scene_write(s);
    err e = {0};
    EXPECT_EQ(judge(s, &e), REFUSAL_NONE);
    static const char *const order[] = {"claims.jwt", "world.wasm", "aarch64-macos.bin", "x86_64-linux.bin"};
    REQUIRE(s->archive.listing.count == 4);
    for (size_t i = 0; i < 4; i++) {
        EXPECT_TEXT(s->archive.listing.entries[i].name, order[i]);
    }
    scene_free(s);
}

TEST(every_changed_byte_is_refused) {
    scene *s = scene_new();
    scene_write(s);
    size_t of_reason[REFUSAL_NOT_ALLOWED + 1] = {0};
    for (size_t i = 0; i < s->bytes.len; i++) {
        s->bytes.data[i] ^= 0x10;
        err e = {0};
        refusal why = judge(s, &e);
        EXPECT(why != REFUSAL_NONE && e.message[0] != '\0');
        of_reason[why]++;
        s->bytes.data[i] ^= 0x10;
    }
    EXPECT_U64(of_reason[REFUSAL_HASH_MISMATCH], strlen("a program") + strlen("another") + strlen("a world"));
    EXPECT(of_reason[REFUSAL_BAD_SIGNATURE] > 100 && of_reason[REFUSAL_MALFORMED] > 2000);
    scene_free(s);
}

// What gzip says of itself (its time, system and checksum) is not covered, nor where it takes a zero from;
// how much that is depends on the keys of this run. Whatever comes out of it is covered.
TEST(changed_bytes_of_gzip_are_refused_or_change_nothing) {
    scene *s = scene_new();
    s->plan.is_compressed = true;
    scene_write(s);
    size_t believed = 0;
    for (size_t i = 0; i < s->bytes.len; i++) {
        s->bytes.data[i] ^= 0x10;
        err e = {0};
        if (judge(s, &e) == REFUSAL_NONE) {
            believed++;
            EXPECT(slice_equal_text(s->archive.targets[0].bytes, "another"));
            EXPECT(slice_equal_text(s->archive.targets[1].bytes, "a program"));
        }
        s->bytes.data[i] ^= 0x10;
    }
    EXPECT(believed * 10 < s->bytes.len);
    scene_free(s);
}

TEST(time_is_checked_to_the_second) {
    scene *s = scene_new();
    scene_write(s);
    static const struct {
        uint64_t now_s;
        refusal why;
    } cases[] = {
        {0, REFUSAL_NOT_YET_VALID},   {NOW_S - 101, REFUSAL_NOT_YET_VALID},
        {NOW_S - 100, REFUSAL_NONE},  {EXPIRES_S - 1, REFUSAL_NONE},
        {EXPIRES_S, REFUSAL_EXPIRED}, {TOKEN_SECONDS_MAX, REFUSAL_EXPIRED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        err e = {0};
        EXPECT_EQ(judge_at(s, buf_slice(&s->bytes), cases[i].now_s, &e), cases[i].why);
        EXPECT(s->v.has_token);
    }
    scene_free(s);
}

TEST(without_claims_it_is_unsigned) {
    scene *s = scene_new();
    const char *names[] = {"x86_64-linux.bin"};
    slice contents[] = {slice_from_text("a program")};
    pack(s, names, contents, 1);
    err e = {0};
    EXPECT_EQ(judge(s, &e), REFUSAL_UNSIGNED);
    EXPECT_CONTAINS(e.message, "claims.jwt");
    scene_free(s);
}

// Writes the plan and packs its token together with other files.
static void pack_with_token(scene *s, const char *const names[], const slice contents[], size_t count) {
    scene_write(s);
    err e = {0};
    EXPECT_EQ(judge(s, &e), REFUSAL_NONE);
    arena memory;
    arena_init(&memory, BYTES_MAX);
    slice copies[8];
    for (size_t i = 0; i < count; i++) {
        copies[i] = contents[i].len == 0 ? arena_copy(&memory, s->archive.token) : contents[i];
    }
    provider_archive_done(&s->archive);
    pack(s, names, copies, count);
    arena_done(&memory);
}

static void expect_packed(const char *const names[], const slice contents[], size_t count, refusal why,
                          const char *says) {
    scene *s = scene_new();
    pack_with_token(s, names, contents, count);
    err e = {0};
    EXPECT_EQ(judge(s, &e), why);
    EXPECT_CONTAINS(e.message, says);
    scene_free(s);
}

// Contents without bytes stand for the token.
#define T SLICE_LITERAL("")
#define W SLICE_LITERAL("a world")
#define L SLICE_LITERAL("a program")
#define M SLICE_LITERAL("another")
#define EXPECT_PACKED(why, says, count, names, ...)                \
    do {                                                           \
        static const slice contents_[] = {__VA_ARGS__};            \
        expect_packed((names), contents_, (count), (why), (says)); \
    } while (0)

TEST(token_and_archive_name_the_same_files) {
    const char *all[] = {"claims.jwt", "world.wasm", "x86_64-linux.bin", "aarch64-macos.bin", "a-b.bin"};
    EXPECT_PACKED(REFUSAL_NONE, "", 4, all, T, W, L, M);
    EXPECT_PACKED(REFUSAL_HASH_MISMATCH, "aarch64-macos, which is not", 3, all, T, W, L);
    EXPECT_PACKED(REFUSAL_HASH_MISMATCH, "no hash of it", 5, all, T, W, L, M, M);
    EXPECT_PACKED(REFUSAL_HASH_MISMATCH, "aarch64-macos was changed", 4, all, T, W, M, L);
    EXPECT_PACKED(REFUSAL_HASH_MISMATCH, "world.wasm was changed", 4, all, T, L, L, M);
    const char *bare[] = {"claims.jwt", "x86_64-linux.bin", "aarch64-macos.bin"};
    EXPECT_PACKED(REFUSAL_HASH_MISMATCH, "world.wasm, which is not", 3, bare, T, L, M);
    const char *last[] = {"x86_64-linux.bin", "aarch64-macos.bin", "world.wasm", "claims.jwt"};
    EXPECT_PACKED(REFUSAL_NONE, "", 4, last, L, M, W, T);
}

TEST(a_world_without_hash_is_refused) {
    scene *s = scene_new();
    s->plan.has_world = false;
    const char *all[] = {"claims.jwt", "world.wasm", "x86_64-linux.bin", "aarch64-macos.bin"};
    static const slice contents[] = {T, W, L, M};
    pack_with_token(s, all, contents, 4);
    err e = {0};
    EXPECT_EQ(judge(s, &e), REFUSAL_HASH_MISMATCH);
    EXPECT_CONTAINS(e.message, "no hash of it");
    scene_free(s);
}

TEST(what_has_no_place_is_refused) {
    const char *twice[] = {"claims.jwt", "claims.jwt", "x86_64-linux.bin"};
    EXPECT_PACKED(REFUSAL_MALFORMED, "more than one claims.jwt", 3, twice, T, T, L);
    const char *worlds[] = {"claims.jwt", "world.wasm", "world.wasm", "x86_64-linux.bin"};
    EXPECT_PACKED(REFUSAL_MALFORMED, "more than one world.wasm", 4, worlds, T, W, W, L);
    const char *targets[] = {"claims.jwt", "x86_64-linux.bin", "x86_64-linux.bin"};
    EXPECT_PACKED(REFUSAL_MALFORMED, "twice", 3, targets, T, L, L);
    const char *none[] = {"claims.jwt", "world.wasm"};
    EXPECT_PACKED(REFUSAL_MALFORMED, "no program", 2, none, T, W);
    // Stems that 1.x would take for the same file.
    static const char *const strange[] = {
        "claims.bin", "claims", "world.bin",          "world",      "x86_64-linux.so", "x86_64-linux",
        "readme.txt", ".bin",   "./x86_64-linux.bin", "../a-b.bin", "/a-b.bin",        "a-b/c-d.bin",
    };
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        const char *names[] = {"claims.jwt", "x86_64-linux.bin", strange[i]};
        EXPECT_PACKED(REFUSAL_MALFORMED, "no place", 3, names, T, L, L);
    }
}

TEST(a_token_of_something_else_is_refused) {
    scene *s = scene_new();
    auto_buf token;
    buf_init(&token, TOKEN_BYTES_MAX);
    token_claims c = {.kind = TOKEN_ACCOUNT, .subject = nkey_public_of(s->issuer), .issued_at_s = NOW_S};
    c.name = slice_from_text("an account");
    err e = {0};
    EXPECT_STATUS_ERR(token_write(&c, s->issuer, &token, &e), STATUS_OK, e);
    const char *names[] = {"claims.jwt", "x86_64-linux.bin"};
    slice contents[] = {buf_slice(&token), slice_from_text("a program")};
    pack(s, names, contents, 2);
    EXPECT_EQ(judge(s, &e), REFUSAL_WRONG_KEY_TYPE);
    EXPECT_CONTAINS(e.message, "service key");
    scene_free(s);
}

TEST(only_an_account_signs_and_only_for_a_service) {
    scene *s = scene_new();
    err e = {0};
    EXPECT(provider_archive_write(&s->plan, s->subject, &s->bytes, &e) != STATUS_OK);
    EXPECT_U64(s->bytes.len, 0);
    s->plan.claims.subject = nkey_public_of(s->issuer);
    EXPECT(provider_archive_write(&s->plan, s->issuer, &s->bytes, &e) != STATUS_OK);
    EXPECT_U64(s->bytes.len, 0);
    s->plan.claims.subject = nkey_public_of(s->subject);
    s->plan.target_count = 0;
    EXPECT_STATUS(provider_archive_write(&s->plan, s->issuer, &s->bytes, &e), STATUS_INVALID);
    scene_free(s);
}

TEST(a_target_is_added_and_replaced) {
    scene *s = scene_new();
    scene_write(s);
    err e = {0};
    EXPECT_EQ(judge(s, &e), REFUSAL_NONE);
    provider_archive_plan plan;
    provider_archive_plan_of(&s->archive, &s->v.claims, &plan);
    provider_archive_content more = {slice_from_text("riscv64-linux"), slice_from_text("more")};
    provider_archive_content newer = {slice_from_text("x86_64-linux"), slice_from_text("newer")};
    EXPECT_OK(provider_archive_plan_put(&plan, more, &e));
    EXPECT_OK(provider_archive_plan_put(&plan, newer, &e));
    EXPECT_U64(plan.target_count, 3);
    auto_buf bytes;
    buf_init(&bytes, BYTES_MAX);
    EXPECT_STATUS_ERR(provider_archive_write(&plan, s->issuer, &bytes, &e), STATUS_OK, e);
    scene *t = scene_new();
    EXPECT_EQ(judge_at(t, buf_slice(&bytes), NOW_S, &e), REFUSAL_NONE);
    const provider_archive_file *f = provider_archive_find(&t->archive, slice_from_text("x86_64-linux"));
    REQUIRE(f != NULL && t->archive.target_count == 3);
    EXPECT(slice_equal_text(f->bytes, "newer"));
    EXPECT(slice_equal_text(t->v.claims.name, "Redis") && t->v.claims.expires_at_s == EXPIRES_S);
    EXPECT(slice_equal_text(t->archive.world.bytes, "a world"));
    EXPECT(!slice_equal(t->v.claims.id, s->v.claims.id));
    scene_free(t);
    scene_free(s);
}

TEST(targets_are_counted) {
    scene *s = scene_new();
    err e = {0};
    char names[PROVIDER_ARCHIVE_TARGETS_MAX][8];
    s->plan.target_count = 0;
    for (int i = 0; i < PROVIDER_ARCHIVE_TARGETS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "t-%03d", 999 - i);
        provider_archive_content c = {slice_from_text(names[i]), slice_from_text("x")};
        EXPECT_OK(provider_archive_plan_put(&s->plan, c, &e));
    }
    provider_archive_content c = {slice_from_text("one-more"), slice_from_text("x")};
    EXPECT_STATUS(provider_archive_plan_put(&s->plan, c, &e), STATUS_LIMIT);
    scene_write(s);
    EXPECT_EQ(judge(s, &e), REFUSAL_NONE);
    EXPECT_U64(s->archive.target_count, PROVIDER_ARCHIVE_TARGETS_MAX);
    scene_free(s);
}

TEST(a_bomb_is_refused) {
    scene *s = scene_new();
    uint8_t *zeros = mem_zalloc(2 * BYTES_MAX);
    s->plan.is_compressed = true;
    s->plan.targets[0].bytes = slice_of(zeros, 2 * BYTES_MAX);
    scene_write(s);
    EXPECT(s->bytes.len < 32 << 10);
    err e = {0};
    EXPECT_STATUS(provider_archive_read(buf_slice(&s->bytes), BYTES_MAX, &s->archive, &e), STATUS_LIMIT);
    EXPECT_OK(provider_archive_read(buf_slice(&s->bytes), 0, &s->archive, &e));
    mem_free(zeros);
    scene_free(s);
}

TEST(trust_decides) {
    scene *s = scene_new();
    scene_write(s);
    err e = {0};
    EXPECT_EQ(judge(s, &e), REFUSAL_NONE);
    trust_store *store = trust_store_new();
    provider_archive_verification_done(&s->v);
    provider_archive_verify(&s->archive, NOW_S, store, &s->v);
    EXPECT_EQ(s->v.reason, REFUSAL_UNKNOWN_ISSUER);
    trust_issuer issuer = {.key = nkey_public_of(s->issuer)};
    EXPECT_STATUS_ERR(trust_store_add_issuer(store, &issuer, &e), STATUS_OK, e);
    provider_archive_verification_done(&s->v);
    provider_archive_verify(&s->archive, NOW_S, store, &s->v);
    EXPECT_EQ(s->v.reason, REFUSAL_NONE);
    trust_minimum minimum = {.subject = nkey_public_of(s->subject), .revision = 8};
    EXPECT_STATUS_ERR(trust_store_set_minimum(store, &minimum, &e), STATUS_OK, e);
    provider_archive_verification_done(&s->v);
    provider_archive_verify(&s->archive, NOW_S, store, &s->v);
    EXPECT_EQ(s->v.reason, REFUSAL_ROLLED_BACK);
    trust_store_free(store);
    scene_free(s);
}

// Without a trust store too: who is shown as vouching for the issuer does.
TEST(the_chain_must_be_that_of_the_issuer) {
    scene *s = scene_new();
    nkey *operator_key = NULL;
    err e = {0};
    EXPECT_STATUS_ERR(nkey_generate(NKEY_OPERATOR, &operator_key, &e), STATUS_OK, e);
    token_claims of_operator = {.kind = TOKEN_OPERATOR, .subject = nkey_public_of(operator_key)};
    token_claims of_account = {.kind = TOKEN_ACCOUNT, .subject = nkey_public_of(s->issuer)};
    auto_buf wrong, right;
    buf_init(&wrong, TOKEN_BYTES_MAX);
    buf_init(&right, TOKEN_BYTES_MAX);
    EXPECT_STATUS_ERR(token_write(&of_operator, operator_key, &wrong, &e), STATUS_OK, e);
    EXPECT_STATUS_ERR(token_write(&of_account, operator_key, &right, &e), STATUS_OK, e);
    slice token = buf_slice(&right);
    s->plan.claims.chain = (token_texts){1, &token};
    scene_write(s);
    EXPECT_EQ(judge(s, &e), REFUSAL_NONE);
    EXPECT_EQ(s->v.chain_count, 1);
    token = buf_slice(&wrong);
    scene_write(s);
    EXPECT_EQ(judge(s, &e), REFUSAL_WRONG_ISSUER);
    nkey_free(operator_key);
    scene_free(s);
}

TEST(a_target_is_opened_for_execution) {
    scene *s = scene_new();
    scene_write(s);
    err e = {0};
    EXPECT_EQ(judge(s, &e), REFUSAL_NONE);
    int fd = -1;
    EXPECT_STATUS_ERR(provider_archive_open_target(&s->archive.targets[1], &fd, &e), STATUS_OK, e);
    char text[32] = {0};
    EXPECT_EQ(pread(fd, text, sizeof text, 0), (int)strlen("a program"));
    EXPECT_TEXT(text, "a program");
    EXPECT(write(fd, "x", 1) < 0);
    close(fd);
    scene_free(s);
}
