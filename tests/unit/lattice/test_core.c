// SPDX-License-Identifier: Apache-2.0
// A core alone: what comes late, twice, out of order, too much, or not at all.
#include "lattice/core.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "test.h"

enum { OPERATIONS_MAX = 8192, TEXT_MAX = 4096, SECOND = 1000000000 };

typedef struct operation {
    char what; // 'g'et, 'p'ut, 'd'elete
    uint64_t id;
    uint64_t expected;
    core_bucket bucket;
    char key[160];
    char value[TEXT_MAX];
} operation;

typedef struct place {
    lattice_core *core;
    uint64_t now_ns;
    size_t operation_count;
    operation *operations; // all that began
    size_t answers;
    char answer[TEXT_MAX];
    char *long_answer; // all of it
    size_t events;
    char event[64]; // the last one's name
    char event_text[TEXT_MAX];
    size_t rpcs;
    char rpc[512];
    char rpc_text[TEXT_MAX];
    size_t changed;
    unsigned changes;
    size_t stops;
} place;

static lattice_time now(const place *p) {
    return (lattice_time){.now_ns = p->now_ns, .unix_ns = 1767225600ull * SECOND + p->now_ns};
}

static void copy(char *to, size_t room, slice from) { (void)snprintf(to, room, "%.*s", SLICE_ARG(from)); }

static void publish(void *context, slice subject, slice payload) {
    place *p = context;
    const char *prefix = "wasmbus.evt.default.";
    if (slice_starts_with(subject, prefix)) {
        p->events++;
        copy(p->event, sizeof p->event, slice_sub(subject, strlen(prefix), subject.len));
        copy(p->event_text, sizeof p->event_text, payload);
    } else {
        p->answers++;
        copy(p->answer, sizeof p->answer, payload);
        mem_free(p->long_answer);
        p->long_answer = mem_slice_dup(payload);
    }
}

static void publish_rpc(void *context, slice subject, slice payload) {
    place *p = context;
    p->rpcs++;
    copy(p->rpc, sizeof p->rpc, subject);
    copy(p->rpc_text, sizeof p->rpc_text, payload);
}

static void begin(place *p, char what, uint64_t id, core_bucket bucket, slice key, slice value,
                  uint64_t expected) {
    CHECK(p->operation_count < OPERATIONS_MAX);
    operation *o = &p->operations[p->operation_count++];
    *o = (operation){.what = what, .id = id, .bucket = bucket, .expected = expected};
    copy(o->key, sizeof o->key, key);
    copy(o->value, sizeof o->value, value);
}

static void kv_get(void *context, uint64_t id, core_bucket bucket, slice key) {
    begin(context, 'g', id, bucket, key, slice_empty(), 0);
}

static void kv_put(void *context, uint64_t id, core_bucket bucket, slice key, slice value,
                   uint64_t expected) {
    begin(context, 'p', id, bucket, key, value, expected);
}

static void kv_purge(void *context, uint64_t id, core_bucket bucket, slice key) {
    begin(context, 'd', id, bucket, key, slice_empty(), 0);
}

static void changed(void *context, unsigned changes) {
    place *p = context;
    p->changed++;
    p->changes |= changes;
}

static void stop(void *context, uint64_t timeout_ns) {
    (void)timeout_ns;
    ((place *)context)->stops++;
}

static void fill(void *context, void *ret, size_t len) {
    (void)context;
    memset(ret, 7, len);
}

static void describe(void *context, json_value *writ) { (void)context, (void)writ; }

static void setup(place *p, core_settings s) {
    const core_effects effects = {.context = p,
                                  .publish = publish,
                                  .publish_rpc = publish_rpc,
                                  .kv_get = kv_get,
                                  .kv_put = kv_put,
                                  .kv_purge = kv_purge,
                                  .changed = changed,
                                  .stop = stop,
                                  .random = fill,
                                  .describe = describe};
    err e = {0};
    s.host_id = slice_from_text("N");
    s.lattice = slice_from_text("default");
    *p = (place){.now_ns = SECOND};
    p->operations = mem_alloc(OPERATIONS_MAX * sizeof(operation));
    EXPECT_STATUS_ERR(lattice_core_new(&s, &effects, &p->core, &e), STATUS_OK, e);
    lattice_core_started(p->core, now(p));
}

static void teardown(place *p) {
    lattice_core_free(p->core);
    mem_free(p->operations);
    mem_free(p->long_answer);
}

#define BEGIN(p) \
    place p;     \
    setup(&p, (core_settings){0})

static const char *ask(place *p, const char *tail, const char *body) {
    char subject[256];
    p->answer[0] = '\0';
    (void)snprintf(subject, sizeof subject, "wasmbus.ctl.v1.default.%s", tail);
    const bus_message m = {.subject = slice_from_text(subject),
                           .reply = slice_from_text("answers"),
                           .payload = slice_from_text(body)};
    lattice_core_message(p->core, now(p), &m);
    return p->answer;
}

static void end(place *p, size_t index, status code, const char *value, uint64_t revision) {
    REQUIRE(index < p->operation_count);
    const bus_kv_result r = {.code = code,
                             .entry = {.value = slice_from_text(value), .revision = revision},
                             .text = code == STATUS_OK ? NULL : "so"};
    lattice_core_kv_ended(p->core, now(p), p->operations[index].id, &r);
}

static void entry(place *p, core_bucket bucket, const char *key, const char *value, uint64_t revision) {
    const bus_kv_entry e = {.key = slice_from_text(key),
                            .value = slice_from_text(value == NULL ? "" : value),
                            .revision = revision,
                            .kind = value == NULL ? BUS_KV_PURGE : BUS_KV_PUT};
    lattice_core_entry(p->core, now(p), bucket, &e);
}

#define LINK                                                                                         \
    "{\"source_id\":\"a\",\"target\":\"b\",\"wit_namespace\":\"wasi\",\"wit_package\":\"keyvalue\"," \
    "\"interfaces\":[\"store\"]"
#define STORED(target)                                                                                \
    "{\"source_id\":\"a\",\"target\":\"" target "\",\"name\":\"default\",\"wit_namespace\":\"wasi\"," \
    "\"wit_package\":\"keyvalue\",\"interfaces\":[\"store\"],\"source_config\":[],\"target_config\":[]}"
#define YES(text) "{\"success\":true,\"message\":\"" text "\"}"
#define NO(text) "{\"success\":false,\"message\":\"" text "\"}"

static const char *route(const place *p) {
    static char text[64];
    const lattice_link *link = lattice_core_route(p->core, slice_from_text("a"), slice_from_text("default"),
                                                  slice_from_text("wasi:keyvalue/store"));
    copy(text, sizeof text, link == NULL ? slice_empty() : link->target);
    return text;
}

// --- links and others who change them ----------------------------------------------------------------------

TEST(a_link_is_put_again_when_somebody_was_faster) {
    BEGIN(p);
    ask(&p, "link.put", LINK "}");
    EXPECT(p.operations[0].what == 'g');
    EXPECT_TEXT(p.operations[0].key, "COMPONENT_a");
    end(&p, 0, STATUS_OK, "{\"url\":\"x\",\"links\":[],\"more\":5}", 3);
    EXPECT(p.operations[1].what == 'p');
    EXPECT_EQ((int64_t)p.operations[1].expected, 3);
    EXPECT_TEXT(p.operations[1].value, "{\"url\":\"x\",\"links\":[" STORED("b") "]}");
    end(&p, 1, STATUS_EXISTS, "", 0);
    EXPECT_TEXT(p.answer, "");
    end(&p, 2, STATUS_OK, "{\"url\":\"x\",\"links\":[{\"source_id\":\"a\",\"odd\":[1]}]}", 4);
    EXPECT_EQ((int64_t)p.operations[3].expected, 4);
    EXPECT_TEXT(p.operations[3].value,
                "{\"url\":\"x\",\"links\":[{\"source_id\":\"a\",\"odd\":[1]}," STORED("b") "]}");
    end(&p, 3, STATUS_OK, "", 5);
    EXPECT_TEXT(p.answer, YES("successfully set link"));
    EXPECT_TEXT(p.event, "linkdef_set");
    EXPECT_TEXT(route(&p), "b"); // before the watch has told it
    teardown(&p);
}

static bool may_repeat(const place *p, const char *function) {
    const lattice_link *link = lattice_core_route(p->core, slice_from_text("a"), slice_from_text("default"),
                                                  slice_from_text("wasi:keyvalue/store"));
    return link != NULL && lattice_core_may_repeat(p->core, link, slice_from_text(function));
}

TEST(a_link_says_what_may_be_done_twice) {
    BEGIN(p);
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a",
          "{\"url\":\"x\",\"links\":[" LINK ",\"source_config\":[\"one\",\"two\",\"three\"]}]}", 1);
    EXPECT(!may_repeat(&p, "get"));
    entry(&p, CORE_CONFIG_DATA, "one", "{\"idempotent\":\"*\"}", 1);
    EXPECT(may_repeat(&p, "get") && may_repeat(&p, "set"));
    entry(&p, CORE_CONFIG_DATA, "two", "{\"idempotent\":\"get, bucket.exists\"}", 2);
    entry(&p, CORE_CONFIG_DATA, "three", "{\"other\":\"*\"}", 3);
    EXPECT(may_repeat(&p, "get") && may_repeat(&p, "bucket.exists"));
    EXPECT(!may_repeat(&p, "set") && !may_repeat(&p, "exists") && !may_repeat(&p, ""));
    entry(&p, CORE_CONFIG_DATA, "two", "{\"idempotent\":\"\"}", 4);
    EXPECT(!may_repeat(&p, "get"));
    teardown(&p);
}

TEST(a_link_is_not_tried_for_ever) {
    BEGIN(p);
    ask(&p, "link.put", LINK "}");
    for (size_t i = 0; p.answer[0] == '\0'; i++) {
        end(&p, i, i % 2 == 0 ? STATUS_OK : STATUS_EXISTS, "{\"url\":\"x\"}", i + 1);
        REQUIRE(i < 200);
    }
    EXPECT_TEXT(p.answer, NO("failed to put component spec"));
    EXPECT_TEXT(p.event, "linkdef_set_failed");
    EXPECT_TEXT(route(&p), "");
    teardown(&p);
}

TEST(a_bucket_that_is_lost) {
    BEGIN(p);
    ask(&p, "link.put", LINK "}");
    end(&p, 0, STATUS_TIMEOUT, "", 0);
    EXPECT_TEXT(p.answer, NO("failed to get component spec"));
    EXPECT_TEXT(p.event, "linkdef_set_failed");
    ask(&p, "link.del", LINK "}");
    end(&p, 1, STATUS_CLOSED, "", 0);
    EXPECT_TEXT(p.answer, NO("failed to get component spec"));
    ask(&p, "config.put.c", "{}");
    end(&p, 2, STATUS_CLOSED, "", 0);
    EXPECT_TEXT(p.answer, NO("unable to store config data"));
    ask(&p, "config.get.c", "");
    end(&p, 3, STATUS_CLOSED, "", 0);
    EXPECT_TEXT(p.answer, NO("unable to read config data"));
    ask(&p, "config.del.c", "");
    end(&p, 4, STATUS_CLOSED, "", 0);
    EXPECT_TEXT(p.answer, NO("Unable to delete config data"));
    ask(&p, "link.put", LINK ",\"source_config\":[\"c\"]}");
    end(&p, 5, STATUS_CLOSED, "", 0);
    EXPECT_TEXT(p.answer,
                NO("Failed to validate configuration and secrets. Configuration c could not be read. "));
    EXPECT_EQ(p.changed, 0);
    teardown(&p);
}

TEST(what_the_watch_tells_twice_or_late) {
    BEGIN(p);
    ask(&p, "link.put", LINK "}");
    end(&p, 0, STATUS_NOT_FOUND, "", 0);
    EXPECT_EQ((int64_t)p.operations[1].expected, 0);
    end(&p, 1, STATUS_OK, "", 5);
    size_t changed_before = p.changed;
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a", "{\"url\":\"\",\"links\":[" STORED("b") "]}", 5);
    EXPECT_EQ(p.changed, changed_before);
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a", "{\"url\":\"\",\"links\":[]}", 4);
    EXPECT_TEXT(route(&p), "b");
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a", "{\"url\":\"\",\"links\":[]}", 6);
    EXPECT_TEXT(route(&p), "");
    teardown(&p);
}

TEST(a_result_that_is_older_than_what_the_watch_has_told) {
    BEGIN(p);
    ask(&p, "link.put", LINK "}");
    end(&p, 0, STATUS_NOT_FOUND, "", 0);
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a", "{\"url\":\"\",\"links\":[" STORED("b") "]}", 5);
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a", NULL, 6);
    end(&p, 1, STATUS_OK, "", 5);
    EXPECT_TEXT(p.answer, YES("successfully set link"));
    EXPECT_TEXT(route(&p), "");
    teardown(&p);
}

TEST(a_watch_that_begins_anew) {
    BEGIN(p);
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a", "{\"url\":\"\",\"links\":[" STORED("b") "]}", 1);
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_gone", "{\"url\":\"\",\"links\":[]}", 2);
    entry(&p, CORE_CONFIG_DATA, "c", "{\"k\":\"v\"}", 1);
    EXPECT(!lattice_core_is_caught_up(p.core));
    lattice_core_caught_up(p.core, now(&p), CORE_LATTICE_DATA);
    lattice_core_caught_up(p.core, now(&p), CORE_CONFIG_DATA);
    EXPECT(lattice_core_is_caught_up(p.core));
    ask(&p, "link.put", LINK ",\"name\":\"other\"}");
    end(&p, 0, STATUS_NOT_FOUND, "", 0);
    lattice_core_watch_restarted(p.core, CORE_LATTICE_DATA);
    lattice_core_watch_restarted(p.core, CORE_CONFIG_DATA);
    end(&p, 1, STATUS_OK, "", 3); // asked before the watch began: it tells this, if it still holds
    EXPECT_TEXT(route(&p), "b");
    EXPECT(lattice_core_is_caught_up(p.core));
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a", "{\"url\":\"\",\"links\":[" STORED("b") "]}", 1);
    lattice_core_caught_up(p.core, now(&p), CORE_LATTICE_DATA);
    lattice_core_caught_up(p.core, now(&p), CORE_CONFIG_DATA);
    EXPECT_TEXT(route(&p), "b");
    EXPECT_EQ((int64_t)lattice_core_source_count(p.core), 1);
    lattice_pairs values;
    EXPECT(!lattice_core_config(p.core, slice_from_text("c"), &values));
    teardown(&p);
}

TEST(a_bucket_that_was_made_anew) {
    BEGIN(p);
    lattice_pairs values;
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a", "{\"url\":\"\",\"links\":[" STORED("b") "]}", 100);
    entry(&p, CORE_CONFIG_DATA, "c", "{\"k\":\"v\"}", 100);
    entry(&p, CORE_CONFIG_DATA, "d", "{\"k\":\"v\"}", 101);
    lattice_core_watch_restarted(p.core, CORE_LATTICE_DATA);
    lattice_core_watch_restarted(p.core, CORE_CONFIG_DATA);
    size_t before = p.changed;
    entry(&p, CORE_CONFIG_DATA, "c", "{\"k\":\"v\"}", 1); // the same
    EXPECT_EQ(p.changed, before);
    entry(&p, CORE_LATTICE_DATA, "COMPONENT_a", "{\"url\":\"\",\"links\":[" STORED("z") "]}", 1);
    entry(&p, CORE_CONFIG_DATA, "d", "{\"k\":\"w\"}", 2);
    lattice_core_caught_up(p.core, now(&p), CORE_LATTICE_DATA);
    lattice_core_caught_up(p.core, now(&p), CORE_CONFIG_DATA);
    EXPECT_TEXT(route(&p), "z");
    EXPECT(lattice_core_config(p.core, slice_from_text("c"), &values));
    REQUIRE(lattice_core_config(p.core, slice_from_text("d"), &values));
    EXPECT(slice_equal_text(values.items[0].value, "w"));
    entry(&p, CORE_CONFIG_DATA, "d", "{\"k\":1}", 3); // cannot be read
    EXPECT(!lattice_core_config(p.core, slice_from_text("d"), &values));
    teardown(&p);
}

TEST(old_peers_are_told_of_links) {
    place p;
    setup(&p, (core_settings){.allows_unsigned_peers = true});
    entry(&p, CORE_CONFIG_DATA, "c", "{\"k\":\"v\"}", 1);
    ask(&p, "link.put", LINK ",\"target_config\":[\"c\"]}");
    end(&p, 0, STATUS_NOT_FOUND, "", 0);
    end(&p, 1, STATUS_OK, "", 2);
    EXPECT_EQ(p.rpcs, 2);
    EXPECT_TEXT(p.rpc, "wasmbus.rpc.default.b.linkdefs.put");
    EXPECT_TEXT(p.rpc_text,
                "{\"source_id\":\"a\",\"target\":\"b\",\"name\":\"default\",\"wit_namespace\":\"wasi\","
                "\"wit_package\":\"keyvalue\",\"interfaces\":[\"store\"],\"source_config\":{},"
                "\"target_config\":{\"k\":\"v\"},\"source_secrets\":null,\"target_secrets\":null}");
    entry(&p, CORE_CONFIG_DATA, "SECRET_s", "{\"backend\":\"v\"}", 2);
    ask(&p, "link.put", LINK ",\"name\":\"n2\",\"target_config\":[\"SECRET_s\"]}");
    end(&p, 2, STATUS_NOT_FOUND, "", 0);
    end(&p, 3, STATUS_OK, "", 4);
    EXPECT_TEXT(p.answer, YES("successfully set link"));
    EXPECT_EQ(p.rpcs, 2); // never with secrets
    ask(&p, "link.del", LINK "}");
    end(&p, 4, STATUS_OK, "{\"url\":\"\",\"links\":[" STORED("b") "]}", 4);
    end(&p, 5, STATUS_OK, "", 5);
    EXPECT_EQ(p.rpcs, 4);
    EXPECT_TEXT(p.rpc, "wasmbus.rpc.default.b.linkdefs.del");
    EXPECT_CONTAINS(p.rpc_text, "\"source_config\":{},\"target_config\":{},\"source_secrets\":null");
    teardown(&p);
}

// --- wishes ------------------------------------------------------------------------------------------------

#define SCALE(ref, count, more) \
    "{\"component_ref\":\"" ref "\",\"component_id\":\"a\",\"count\":" count more "}"

static lattice_component component(const place *p) {
    lattice_component c = {0};
    (void)lattice_core_component(p->core, slice_from_text("a"), &c);
    return c;
}

static void is(place *p, uint64_t generation, const char *failure) {
    lattice_core_component_is(p->core, now(p), slice_from_text("a"), generation, NULL, failure);
}

TEST(the_same_wish_twice_is_one) {
    BEGIN(p);
    ask(&p, "component.scale.N", SCALE("r", "2", ""));
    uint64_t generation = component(&p).generation;
    ask(&p, "component.scale.N", SCALE("r", "2", ""));
    EXPECT_TEXT(p.answer, YES(""));
    EXPECT(component(&p).generation == generation);
    is(&p, generation, NULL);
    size_t events = p.events;
    is(&p, generation, NULL); // told twice
    EXPECT_EQ(p.events, events);
    teardown(&p);
}

TEST(news_of_an_older_wish_are_passed_over) {
    BEGIN(p);
    ask(&p, "component.scale.N", SCALE("r", "2", ""));
    uint64_t old = component(&p).generation;
    ask(&p, "component.scale.N", SCALE("r", "3", ""));
    is(&p, old, "it failed");
    EXPECT_EQ((int64_t)component(&p).max_instances, 3);
    is(&p, old, NULL);
    EXPECT(!component(&p).is_running);
    is(&p, component(&p).generation, NULL);
    EXPECT(component(&p).is_running);
    EXPECT_CONTAINS(p.event_text, "\"max_instances\":3");
    ask(&p, "component.scale.N", SCALE("r", "0", ""));
    old = component(&p).generation;
    EXPECT_EQ((int64_t)component(&p).max_instances, 0);
    ask(&p, "component.scale.N", SCALE("r", "4", "")); // before it has ended
    is(&p, old, NULL);
    EXPECT_EQ((int64_t)component(&p).max_instances, 4);
    teardown(&p);
}

TEST(a_configuration_that_only_an_older_wish_needs) {
    BEGIN(p);
    ask(&p, "component.scale.N", SCALE("r", "2", ",\"config\":[\"c\"]"));
    EXPECT(!component(&p).is_running && component(&p).generation == 0); // not shown yet
    ask(&p, "component.scale.N", "{\"component_ref\":\"r\",\"component_id\":\"b\",\"count\":1}");
    lattice_component first;
    EXPECT_EQ((int64_t)lattice_core_component_count(p.core), 1);
    REQUIRE(lattice_core_component_at(p.core, 0, &first)); // the hidden one makes no gap
    EXPECT(slice_equal_text(first.id, "b") && !lattice_core_component_at(p.core, 1, &first));
    ask(&p, "component.scale.N", SCALE("r", "2", ""));
    EXPECT(component(&p).generation > 0);
    size_t events = p.events;
    end(&p, 0, STATUS_NOT_FOUND, "", 0);
    EXPECT_EQ(p.events, events);
    EXPECT(component(&p).generation > 0);
    teardown(&p);
}

TEST(a_running_component_waits_for_new_configurations) {
    BEGIN(p);
    ask(&p, "component.scale.N", SCALE("r", "2", ""));
    uint64_t first = component(&p).generation;
    is(&p, first, NULL);
    size_t began = p.operation_count;
    ask(&p, "component.scale.N", SCALE("r", "3", ",\"config\":[\"c\",\"d\"]"));
    EXPECT(component(&p).generation == first && component(&p).max_instances == 2); // as it was
    end(&p, began, STATUS_OK, "{\"k\":\"v\"}", 7);
    EXPECT(component(&p).generation == first);
    end(&p, began + 1, STATUS_OK, "{}", 8);
    EXPECT(component(&p).generation > first && component(&p).max_instances == 3);
    lattice_pairs values;
    EXPECT(lattice_core_config(p.core, slice_from_text("c"), &values)); // though the watch is late
    entry(&p, CORE_CONFIG_DATA, "c", NULL, 9);
    EXPECT(!lattice_core_config(p.core, slice_from_text("c"), &values));
    teardown(&p);
}

// --- claims ------------------------------------------------------------------------------------------------

TEST(signed_components) {
    BEGIN(p);
    static const slice tags[] = {SLICE_LITERAL("x"), SLICE_LITERAL("y")};
    const token_claims claims = {.kind = TOKEN_COMPONENT,
                                 .issuer = {.kind = NKEY_ACCOUNT},
                                 .subject = {.kind = NKEY_MODULE},
                                 .name = slice_from_text("shop"),
                                 .version = slice_from_text("1.2"),
                                 .has_revision = true,
                                 .revision = 3,
                                 .has_expiry = true,
                                 .expires_at_s = 1800000000,
                                 .tags = {.count = 2, .at = tags}};
    const nkey_text issuer = nkey_public_text(&claims.issuer);
    const nkey_text subject = nkey_public_text(&claims.subject);
    char expected[1024];
    ask(&p, "component.scale.N", SCALE("r", "2", ""));
    lattice_core_component_is(p.core, now(&p), slice_from_text("a"), component(&p).generation, &claims, NULL);
    (void)snprintf(expected, sizeof expected,
                   "\"data\":{\"annotations\":{},\"claims\":{\"call_alias\":null,\"expires_human\":"
                   "\"1800000000\",\"issuer\":\"%s\",\"name\":\"shop\",\"not_before_human\":\"never\","
                   "\"revision\":3,\"tags\":[\"x\",\"y\"],\"version\":\"1.2\"},\"component_id\":\"a\","
                   "\"host_id\":\"N\",\"image_ref\":\"r\",\"max_instances\":2,\"public_key\":\"%s\"}}",
                   issuer.text, subject.text);
    EXPECT_CONTAINS(p.event_text, expected);
    EXPECT_CONTAINS(ask(&p, "host.get.N", ""), "\"name\":\"shop\",\"annotations\":{},\"revision\":3,");
    EXPECT_TEXT(p.operations[0].value, "{\"url\":\"r\",\"links\":[]}");
    EXPECT_EQ((int64_t)p.operations[0].expected, 0); // an entry that is there stays
    (void)snprintf(expected, sizeof expected,
                   "{\"call_alias\":\"\",\"issuer\":\"%s\",\"name\":\"shop\",\"revision\":\"3\","
                   "\"subject\":\"%s\",\"tags\":[\"x\",\"y\"],\"version\":\"1.2\"}",
                   issuer.text, subject.text);
    EXPECT_TEXT(p.operations[1].value, expected);
    EXPECT(slice_equal_text(component(&p).claims.subject, subject.text));
    char key[96];
    (void)snprintf(key, sizeof key, "CLAIMS_%s", subject.text);
    EXPECT_TEXT(p.operations[1].key, key);
    entry(&p, CORE_LATTICE_DATA, key, expected, 2);
    size_t began = p.operation_count;
    ask(&p, "component.scale.N", SCALE("r", "3", ""));
    lattice_core_component_is(p.core, now(&p), slice_from_text("a"), component(&p).generation, &claims, NULL);
    EXPECT_EQ(p.operation_count, began + 1); // claims are as they were
    teardown(&p);
}

TEST(signed_providers) {
    BEGIN(p);
    const token_claims claims = {.kind = TOKEN_PROVIDER,
                                 .issuer = {.kind = NKEY_ACCOUNT},
                                 .subject = {.kind = NKEY_SERVICE},
                                 .name = slice_from_text("kv"),
                                 .config_schema = slice_from_text("{}")};
    const nkey_text issuer = nkey_public_text(&claims.issuer);
    char expected[1024];
    ask(&p, "provider.start.N", "{\"provider_id\":\"p\",\"provider_ref\":\"oci://x/y:1\"}");
    lattice_provider v;
    REQUIRE(lattice_core_provider(p.core, slice_from_text("p"), &v));
    EXPECT(slice_equal_text(v.ref, "oci://x/y:1"));
    lattice_core_provider_is(p.core, now(&p), slice_from_text("p"), v.generation, &claims, NULL);
    (void)snprintf(
        expected, sizeof expected,
        "\"data\":{\"annotations\":{},\"claims\":{\"expires_human\":\"never\",\"issuer\":\"%s\","
        "\"name\":\"kv\",\"not_before_human\":\"never\",\"tags\":null,\"version\":null},"
        "\"host_id\":\"N\",\"image_ref\":\"x/y:1\",\"instance_id\":\"p\",\"link_name\":\"default\","
        "\"provider_id\":\"p\",\"public_key\":\"p\"}}",
        issuer.text);
    EXPECT_CONTAINS(p.event_text, expected);
    EXPECT_CONTAINS(p.operations[1].value, "\"version\":\"\",\"config_schema\":\"{}\"}");
    teardown(&p);
}

// --- long lists --------------------------------------------------------------------------------------------

static size_t page(place *p, const char *command, uint64_t skip, uint64_t *ret_next) {
    char body[64];
    json_value *v = NULL;
    int64_t next = 0;
    (void)snprintf(body, sizeof body, "{\"writ\":{\"skip\":%llu}}", (unsigned long long)skip);
    ask(p, command, body);
    CHECK(json_parse(slice_from_text(p->long_answer), &v, NULL) == STATUS_OK);
    (void)json_as_integer(json_get(json_get(v, "writ"), "next"), &next);
    size_t count = json_count(json_get(v, "response"));
    json_free(v);
    *ret_next = (uint64_t)next;
    return count;
}

static void put_many(place *p, size_t count) {
    char key[64], value[512];
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(key, sizeof key, "COMPONENT_s%zu", i);
        (void)snprintf(value, sizeof value,
                       "{\"url\":\"\",\"links\":[{\"source_id\":\"s%zu\",\"target\":\"b\",\"wit_namespace\":"
                       "\"wasi\",\"wit_package\":\"keyvalue\",\"interfaces\":[\"store\",\"atomics\"]}]}",
                       i);
        entry(p, CORE_LATTICE_DATA, key, value, i + 1);
        (void)snprintf(key, sizeof key, "CLAIMS_M%zu", i);
        (void)snprintf(value, sizeof value,
                       "{\"issuer\":\"A\",\"name\":\"%0100zu\",\"revision\":\"3\",\"subject\":\"M%zu\","
                       "\"version\":\"v\"}",
                       i, i);
        entry(p, CORE_LATTICE_DATA, key, value, i + 1);
    }
}

TEST(long_lists_come_in_pages) {
    BEGIN(p);
    enum { MANY = 5000 };
    uint64_t next;
    put_many(&p, MANY);
    static const char *const commands[] = {"link.get", "claims.get"};
    for (size_t i = 0; i < 2; i++) {
        size_t pages = 0, total = 0;
        uint64_t skip = 0;
        do {
            total += page(&p, commands[i], skip, &next);
            EXPECT(next == 0 || next == total);
            EXPECT(strlen(p.long_answer) < (600 << 10));
            skip = next;
            pages++;
        } while (skip > 0 && pages < 20);
        EXPECT_EQ((int64_t)total, MANY);
        EXPECT(pages > 1);
        ask(&p, commands[i], ""); // of 1.x
        EXPECT(strlen(p.long_answer) > (1 << 20) - (200 << 10));
        EXPECT_EQ(page(&p, commands[i], MANY, &next), 0);
        EXPECT_EQ((int64_t)next, 0);
    }
    EXPECT_CONTAINS(ask(&p, "link.get", "{\"writ\":{\"skip\":-1}}"), "failed to read which page");
    EXPECT_CONTAINS(ask(&p, "link.get", "what?"), "\"success\":true");
    teardown(&p);
}

// --- bounds ------------------------------------------------------------------------------------------------

TEST(components_and_providers_are_bounded) {
    place p;
    setup(&p, (core_settings){.components_max = 1, .providers_max = 1});
    ask(&p, "component.scale.N", SCALE("r", "1", ""));
    EXPECT_TEXT(ask(&p, "component.scale.N", "{\"component_ref\":\"r\",\"component_id\":\"b\",\"count\":1}"),
                NO("the host runs 1 components, which is as many as it may"));
    EXPECT_TEXT(ask(&p, "component.auction", "{\"component_id\":\"b\",\"constraints\":{}}"), "");
    EXPECT_CONTAINS(ask(&p, "component.auction", "{\"component_id\":\"a\",\"constraints\":{}}"), "true");
    ask(&p, "provider.start.N", "{\"provider_id\":\"p\",\"provider_ref\":\"r\"}");
    EXPECT_TEXT(ask(&p, "provider.start.N", "{\"provider_id\":\"q\",\"provider_ref\":\"r\"}"),
                NO("the host runs 1 providers, which is as many as it may"));
    EXPECT_TEXT(ask(&p, "provider.auction", "{\"provider_id\":\"q\",\"constraints\":{}}"), "");
    teardown(&p);
}

TEST(operations_are_bounded) {
    BEGIN(p);
    for (size_t i = 0; i < CORE_OPERATIONS_MAX; i++) {
        ask(&p, "config.get.c", "");
        EXPECT_TEXT(p.answer, "");
    }
    EXPECT_CONTAINS(ask(&p, "config.get.c", ""), "the host is busy");
    EXPECT_CONTAINS(ask(&p, "link.put", LINK "}"), "the host is busy");
    EXPECT_CONTAINS(ask(&p, "component.scale.N", SCALE("r", "1", "")), "the host is busy");
    EXPECT_CONTAINS(ask(&p, "provider.start.N", "{\"provider_id\":\"p\",\"provider_ref\":\"r\"}"),
                    "the host is busy");
    EXPECT_EQ((int64_t)lattice_core_component_count(p.core), 0);
    EXPECT_EQ((int64_t)lattice_core_provider_count(p.core), 0);
    end(&p, 7, STATUS_NOT_FOUND, "", 0);
    ask(&p, "config.get.c", "");
    EXPECT_TEXT(p.answer, "");
    EXPECT(p.operations[CORE_OPERATIONS_MAX].id != p.operations[7].id);
    teardown(&p);
}

TEST(labels_are_bounded) {
    BEGIN(p);
    char body[64];
    for (int i = 0; i < CORE_LABELS_MAX; i++) {
        (void)snprintf(body, sizeof body, "{\"key\":\"k%d\",\"value\":\"v\"}", i);
        EXPECT_TEXT(ask(&p, "label.put.N", body), YES("successfully put label"));
    }
    EXPECT_CONTAINS(ask(&p, "label.put.N", "{\"key\":\"more\",\"value\":\"v\"}"), "64 labels already");
    EXPECT_TEXT(ask(&p, "label.put.N", "{\"key\":\"k7\",\"value\":\"w\"}"), YES("successfully put label"));
    EXPECT_EQ((int64_t)lattice_core_labels(p.core).count, CORE_LABELS_MAX);
    teardown(&p);
}

static const char *ask_long(place *p, const char *tail, const char *format, size_t length) {
    static char body[2 << 20];
    static char filler[2 << 20];
    memset(filler, 'x', length);
    filler[length] = '\0';
    (void)snprintf(body, sizeof body, format, filler);
    return ask(p, tail, body);
}

TEST(texts_are_bounded) {
    BEGIN(p);
    const char *scale = "{\"component_ref\":\"r\",\"component_id\":\"%s\",\"count\":1}";
    EXPECT_CONTAINS(ask_long(&p, "component.scale.N", scale, 129),
                    "\\\"component_id\\\" may have at most 128");
    EXPECT_TEXT(ask_long(&p, "component.scale.N", scale, 128), YES(""));
    EXPECT_CONTAINS(
        ask(&p, "component.scale.N", "{\"component_ref\":\"r\",\"component_id\":\"a.b\",\"count\":1}"),
        "letters, digits");
    EXPECT_CONTAINS(ask_long(&p, "component.scale.N",
                             "{\"component_ref\":\"%s\",\"component_id\":\"a\",\"count\":1}", 2049),
                    "at most 2048");
    EXPECT_CONTAINS(ask_long(&p, "label.put.N", "{\"key\":\"k\",\"value\":\"%s\"}", 4097), "at most 4096");
    EXPECT_CONTAINS(ask_long(&p, "config.put.c", "{\"k\":\"%s\"}", CORE_CONFIG_BYTES_MAX), "are more than");
    EXPECT_CONTAINS(ask_long(&p, "link.put", "{\"source_id\":\"%s\"}", 1 << 20), "is larger than");
    EXPECT_CONTAINS(ask(&p, "component.scale.N", SCALE("r", "4294967296", "")), "from 0 to 4294967295");
    EXPECT_CONTAINS(ask(&p, "component.scale.N", SCALE("r", "1", ",\"annotations\":[]")),
                    "expected an object");
    EXPECT_CONTAINS(ask(&p, "component.scale.N", SCALE("", "1", "")), "\\\"component_ref\\\" is empty");
    EXPECT_EQ((int64_t)lattice_core_component_count(p.core), 1);
    teardown(&p);
}

TEST(settings_that_cannot_be) {
    const core_effects effects = {0};
    lattice_core *core = NULL;
    err e = {0};
    const lattice_pair bad[] = {{SLICE_LITERAL("a\nb"), SLICE_LITERAL("x")}};
    core_settings s = {.host_id = slice_from_text("N"), .lattice = slice_from_text("a.b")};
    EXPECT_STATUS(lattice_core_new(&s, &effects, &core, &e), STATUS_INVALID);
    s = (core_settings){.host_id = slice_from_text("N.1"), .lattice = slice_from_text("a")};
    EXPECT_STATUS(lattice_core_new(&s, &effects, &core, &e), STATUS_INVALID);
    s = (core_settings){.host_id = slice_from_text("N"), .lattice = slice_from_text("a"), .labels = {1, bad}};
    EXPECT_STATUS(lattice_core_new(&s, &effects, &core, &e), STATUS_INVALID);
    s = (core_settings){
        .host_id = slice_from_text("N"), .lattice = slice_from_text("a"), .prefix = slice_from_text("x.>")};
    EXPECT_STATUS(lattice_core_new(&s, &effects, &core, &e), STATUS_INVALID);
    EXPECT(core == NULL);
}

TEST(subjects_of_others) {
    BEGIN(p);
    bus_message m = {.subject = slice_from_text("wasmbus.ctl.v1.other.host.ping"),
                     .reply = slice_from_text("answers")};
    lattice_core_message(p.core, now(&p), &m);
    EXPECT_TEXT(p.answer, NO("unsupported subject"));
    m.subject = slice_from_text("wasmbus.ctl.v2.default.host.ping");
    lattice_core_message(p.core, now(&p), &m);
    EXPECT_TEXT(p.answer, NO("unsupported subject"));
    EXPECT_TEXT(ask(&p, "component.scale.NOTHER", SCALE("r", "1", "")), NO("invalid host_id [NOTHER]"));
    EXPECT_EQ((int64_t)lattice_core_component_count(p.core), 0);
    EXPECT(slice_equal_text(
        lattice_core_command(p.core, slice_from_text("wasmbus.ctl.v1.default.component.scale.N")),
        "component.scale"));
    EXPECT(lattice_core_command(p.core, slice_from_text("wasmbus.ctl.v1.default.host")).len == 0);
    teardown(&p);
}
