// SPDX-License-Identifier: Apache-2.0
// What a provider gets of what the lattice knows: its links and values, and no secret of anybody else.
#include "agent/provider_desired.h"

#include "test.h"

#define T(text) SLICE_LITERAL(text)

static void on_publish(void *context, slice subject, slice payload) {
    (void)context, (void)subject, (void)payload;
}
static void on_get(void *context, uint64_t operation, core_bucket bucket, slice key) {
    (void)context, (void)operation, (void)bucket, (void)key;
}
static void on_put(void *context, uint64_t operation, core_bucket bucket, slice key, slice value,
                   uint64_t expected) {
    (void)context, (void)operation, (void)bucket, (void)key, (void)value, (void)expected;
}
static void on_changed(void *context, unsigned changes) { (void)context, (void)changes; }
static void on_stop(void *context, uint64_t timeout_ns) { (void)context, (void)timeout_ns; }
static void on_random(void *context, void *ret, size_t len) {
    (void)context;
    memset(ret, 1, len);
}
static void on_describe(void *context, json_value *writ) { (void)context, (void)writ; }

static const core_effects effects = {.publish = on_publish,
                                     .publish_rpc = on_publish,
                                     .kv_get = on_get,
                                     .kv_put = on_put,
                                     .kv_purge = on_get,
                                     .changed = on_changed,
                                     .stop = on_stop,
                                     .random = on_random,
                                     .describe = on_describe};

static void enter(lattice_core *c, core_bucket bucket, const char *key, const char *value) {
    static uint64_t revision;
    const bus_kv_entry e = {
        .key = slice_from_text(key), .value = slice_from_text(value), .revision = ++revision};
    lattice_core_entry(c, (lattice_time){1000000000, 1800000000000000000}, bucket, &e);
}

#define LINK(source, target, source_config, target_config)                                             \
    "{\"source_id\":\"" source "\",\"target\":\"" target                                               \
    "\",\"name\":\"default\",\"wit_namespace\":\"wasi\",\"wit_package\":\"keyvalue\",\"interfaces\":[" \
    "\"store\"],\"source_config\":[" source_config "],\"target_config\":[" target_config "]}"

static lattice_core *make_core(void) {
    lattice_core *c = NULL;
    const core_settings s = {.host_id = T("NHOST"),
                             .friendly_name = T("test"),
                             .version = T("1"),
                             .lattice = T("default"),
                             .ctl_url = T(""),
                             .rpc_url = T("")};
    err e = {0};
    EXPECT_STATUS_ERR(lattice_core_new(&s, &effects, &c, &e), STATUS_OK, e);
    enter(c, CORE_CONFIG_DATA, "a", "{\"level\":\"1\",\"size\":\"big\"}");
    enter(c, CORE_CONFIG_DATA, "b", "{\"level\":\"2\"}");
    enter(c, CORE_CONFIG_DATA, "SECRET_app", "{\"name\":\"theirs\"}");
    enter(c, CORE_CONFIG_DATA, "SECRET_kv", "{\"name\":\"ours\"}");
    enter(c, CORE_LATTICE_DATA, "COMPONENT_app",
          "{\"url\":\"\",\"links\":[" LINK("app", "kv", "\"SECRET_app\",\"a\"",
                                           "\"a\",\"b\",\"SECRET_kv\"") "]}");
    enter(c, CORE_LATTICE_DATA, "COMPONENT_kv",
          "{\"url\":\"\",\"links\":[" LINK("kv", "handler", "\"b\"", "\"SECRET_app\"") "]}");
    enter(c, CORE_LATTICE_DATA, "COMPONENT_other",
          "{\"url\":\"\",\"links\":[" LINK("other", "app", "", "") "]}");
    return c;
}

typedef struct safe { // of this host: which secrets it has
    const char *has;
    int asked;
} safe;

static bool get_secret(void *context, slice name, arena *memory, host_data_secret *ret) {
    safe *s = context;
    (void)memory;
    s->asked++;
    *ret = (host_data_secret){T("password"), T("hush"), false};
    return slice_equal_text(name, s->has);
}

static void on_skipped(void *context, const lattice_link *l) {
    (void)l;
    (*(int *)context)++;
}

static status read(const lattice_core *c, lattice_texts config, safe *s, int *skipped, arena *memory,
                   providers_wanted *ret) {
    const lattice_provider p = {.id = T("kv"), .ref = T("file:///kv"), .is_wanted = true, .config = config};
    const provider_secret_source source = {get_secret, s};
    err e = {0};
    return provider_desired_read(c, &p, s == NULL ? NULL : &source, on_skipped, skipped, memory, ret, &e);
}

TEST(a_provider_gets_its_links_with_values_and_the_secrets_of_its_own_end) {
    lattice_core *c = make_core();
    auto_arena memory = {0};
    arena_init(&memory, 1 << 20);
    providers_wanted w;
    safe s = {"SECRET_kv", 0};
    int skipped = 0;
    const slice names[] = {T("a"), T("b")};
    REQUIRE(read(c, (lattice_texts){2, names}, &s, &skipped, &memory, &w) == STATUS_OK);
    EXPECT_EQ(w.config.count, 2);
    EXPECT_BYTES(w.config.items[0].value, slice_from_text("2")); // the later name
    REQUIRE(w.link_count == 2);
    const host_data_link *in = &w.links[slice_equal_text(w.links[0].source_id, "app") ? 0 : 1];
    const host_data_link *out = &w.links[in == w.links ? 1 : 0];
    EXPECT_EQ(in->source_secrets.count, 0); // nobody has asked for it either
    REQUIRE(in->target_secrets.count == 1);
    EXPECT_BYTES(in->target_secrets.items[0].value, slice_from_text("hush"));
    EXPECT_EQ(in->target_config.count, 2);
    EXPECT_BYTES(out->target, slice_from_text("handler"));
    EXPECT_EQ(out->source_secrets.count + out->target_secrets.count, 0);
    EXPECT_EQ(s.asked, 1);
    EXPECT_EQ(skipped, 0);
    lattice_core_free(c);
}

TEST(without_its_secret_a_link_is_left_out_and_a_provider_fails) {
    lattice_core *c = make_core();
    auto_arena memory = {0};
    arena_init(&memory, 1 << 20);
    providers_wanted w;
    safe s = {"SECRET_another", 0};
    int skipped = 0;
    const slice names[] = {T("SECRET_kv")};
    REQUIRE(read(c, (lattice_texts){0}, &s, &skipped, &memory, &w) == STATUS_OK);
    EXPECT_EQ(w.link_count, 1);
    EXPECT_EQ(skipped, 1);
    EXPECT_STATUS(read(c, (lattice_texts){1, names}, &s, &skipped, &memory, &w), STATUS_NOT_FOUND);
    EXPECT_STATUS(read(c, (lattice_texts){1, names}, NULL, &skipped, &memory, &w), STATUS_NOT_FOUND);
    lattice_core_free(c);
}

TEST(what_does_not_fit_is_told) {
    lattice_core *c = make_core();
    auto_arena memory = {0};
    arena_init(&memory, 64);
    providers_wanted w;
    safe s = {"SECRET_kv", 0};
    int skipped = 0;
    const slice names[] = {T("a")};
    EXPECT_STATUS(read(c, (lattice_texts){1, names}, &s, &skipped, &memory, &w), STATUS_LIMIT);
    lattice_core_free(c);
}
