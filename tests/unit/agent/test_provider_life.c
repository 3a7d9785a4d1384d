// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_life.h"

#include "base/check.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "test.h"

#define T(text) SLICE_LITERAL(text)
#define SECOND_NS 1000000000ull

// A provider that is nothing but what this file says, on a bus that only remembers.
typedef struct world {
    bus bus; // first: it is one
    uint64_t now_ns;
    loop *loop;
    provider_life *life;
    nkey *host_xkey;
    buf told; // "subject payload\n" of everything that was published
    bus_request *asked;
    char asked_subject[BUS_SUBJECT_BYTES_MAX];
    char asked_payload[256];
    uint64_t asked_until_ns;
    char line[8192]; // JSON of the last start
    int spawns, kills, stops, restarts;
    bool refuses_to_start, is_disconnected;
    uint64_t wait_ns;
    char how[ERR_MESSAGE_BYTES_MAX];
    char health[32]; // a letter for each news
    providers_options host;
} world;

static world *world_of(bus *b) { return (world *)b; }

static bool bus_is_there(const bus *b) { return !((const world *)b)->is_disconnected; }

static size_t bus_max(const bus *b) { return b == NULL ? 0 : 1 << 20; }

static status bus_take(bus *b, const bus_message *m, err *e) {
    world *w = world_of(b);
    if (w->is_disconnected) {
        return err_set(e, STATUS_CLOSED, "no connection");
    }
    return buf_append_format(&w->told, "%.*s %.*s\n", SLICE_ARG(m->subject), SLICE_ARG(m->payload));
}

static status bus_ask(bus *b, bus_request *r, const bus_message *m, uint64_t deadline_ns, err *e) {
    world *w = world_of(b);
    if (w->is_disconnected) {
        return err_set(e, STATUS_CLOSED, "no connection");
    }
    EXPECT(w->asked == NULL);
    w->asked = r;
    r->b = b;
    w->asked_until_ns = deadline_ns;
    (void)snprintf(w->asked_subject, sizeof w->asked_subject, "%.*s", SLICE_ARG(m->subject));
    (void)snprintf(w->asked_payload, sizeof w->asked_payload, "%.*s", SLICE_ARG(m->payload));
    return STATUS_OK;
}

static void bus_forget(bus_request *r) {
    world_of(r->b)->asked = NULL;
    r->b = NULL;
}

static const bus_ops ops = {.is_up = bus_is_there,
                            .payload_max = bus_max,
                            .publish = bus_take,
                            .request = bus_ask,
                            .request_cancel = bus_forget};

static void answer(world *w, status code, const char *payload) {
    REQUIRE(w->asked != NULL);
    bus_request *r = w->asked;
    bus_forget(r);
    const bus_result result = {.code = code, .message = {.payload = slice_from_text(payload)}};
    r->ended(r->arg, &result);
}

static uint64_t now(void *arg) { return ((world *)arg)->now_ns; }

static void pass(world *w, uint64_t ns) {
    w->now_ns += ns;
    for (int i = 0; i < 4; i++) {
        loop_turn(w->loop, false);
    }
}

// --- the owner ---------------------------------------------------------------------------------------------

static status spawn(void *arg, slice line, err *e) {
    world *w = arg;
    if (w->refuses_to_start) {
        return err_set(e, STATUS_IO, "execute the program: no");
    }
    auto_buf json = {0};
    buf_init(&json, sizeof w->line - 1);
    EXPECT_OK(base64_decode(BASE64_STANDARD, slice_sub(line, 0, line.len - 2), &json));
    (void)snprintf(w->line, sizeof w->line, "%.*s", SLICE_ARG(buf_slice(&json)));
    w->spawns++;
    return STATUS_OK;
}

static void kill_it(void *arg) { ((world *)arg)->kills++; }
static void on_stopped(void *arg) { ((world *)arg)->stops++; }

static void on_health(void *arg, providers_health h) {
    world *w = arg;
    size_t n = strlen(w->health);
    CHECK(n + 1 < sizeof w->health);
    w->health[n] = h == PROVIDERS_HEALTHY ? 'h' : h == PROVIDERS_UNHEALTHY ? 'u' : 's';
}

static void on_restarting(void *arg, const char *how, uint64_t wait_ns) {
    world *w = arg;
    w->restarts++;
    w->wait_ns = wait_ns;
    (void)snprintf(w->how, sizeof w->how, "%s", how);
}

static const slice interfaces[] = {T("store")};
static const host_data_value config_a[] = {{T("level"), T("1")}};
static const host_data_value config_b[] = {{T("level"), T("2")}};
static const host_data_secret secrets[] = {{T("password"), T("hush"), false}};

static host_data_link link_to(const char *source, const host_data_value *config) {
    return (host_data_link){.source_id = slice_from_text(source),
                            .target = T("kv"),
                            .name = T("default"),
                            .wit_namespace = T("wasi"),
                            .wit_package = T("keyvalue"),
                            .interfaces = interfaces,
                            .interface_count = 1,
                            .target_config = {config, config == NULL ? 0 : 1}};
}

static void want(world *w, const host_data_value *config, const host_data_link *links, size_t count) {
    const providers_wanted wanted = {
        .id = T("kv"), .config = {config, config == NULL ? 0 : 1}, .links = links, .link_count = count};
    provider_wants wants;
    EXPECT_OK(provider_wants_copy(&wanted, &wants, NULL));
    provider_life_want(w->life, &wants);
}

static world *world_new(bool is_bus_shared) {
    world *w = mem_zalloc(sizeof *w);
    w->bus.ops = &ops;
    w->now_ns = 1000 * SECOND_NS;
    buf_init(&w->told, 1 << 20);
    EXPECT_OK(loop_new(&(loop_clock){now, w}, &w->loop, NULL));
    EXPECT_OK(nkey_generate(NKEY_CURVE, &w->host_xkey, NULL));
    w->host = (providers_options){.loop = w->loop, .lattice = "default", .host_id = "NHOST"};
    const provider_life_options o = {.host = &w->host,
                                     .bus = &w->bus,
                                     .url = T("nats://127.0.0.1:1"),
                                     .is_bus_shared = is_bus_shared,
                                     .id = T("kv"),
                                     .host_xkey = w->host_xkey,
                                     .random = 1,
                                     .owner = {w, spawn, kill_it, on_health, on_restarting, on_stopped}};
    EXPECT_OK(provider_life_new(&o, &w->life, NULL));
    return w;
}

static void start(world *w, const host_data_value *config, const host_data_link *links, size_t count) {
    const providers_wanted wanted = {
        .id = T("kv"), .config = {config, config == NULL ? 0 : 1}, .links = links, .link_count = count};
    provider_wants wants;
    EXPECT_OK(provider_wants_copy(&wanted, &wants, NULL));
    EXPECT_OK(provider_life_start(w->life, &wants, NULL));
}

static void world_free(world *w) {
    provider_life_free(w->life);
    nkey_free(w->host_xkey);
    loop_free(w->loop);
    buf_done(&w->told);
    mem_free(w);
}

static const char *told(world *w) {
    const char *text = buf_text(&w->told);
    return text;
}

// --- health ------------------------------------------------------------------------------------------------

TEST(health_is_asked_after_five_seconds_and_then_every_thirty) {
    world *w = world_new(true);
    start(w, NULL, NULL, 0);
    pass(w, 5 * SECOND_NS - 1000000);
    EXPECT(w->asked == NULL);
    pass(w, 1000000);
    REQUIRE(w->asked != NULL);
    EXPECT_TEXT(w->asked_subject, "wasmbus.rpc.default.kv.health");
    EXPECT_TEXT(w->asked_payload, "");
    answer(w, STATUS_OK, "{\"healthy\":true}");
    EXPECT_TEXT(w->health, "h");
    pass(w, 30 * SECOND_NS - 1000000);
    EXPECT(w->asked == NULL);
    pass(w, 1000000);
    answer(w, STATUS_OK, "{\"healthy\":true,\"message\":\"fine\"}");
    pass(w, 30 * SECOND_NS);
    answer(w, STATUS_OK, "{\"message\":\"no disk\"}"); // what is not said is no
    EXPECT_TEXT(w->health, "hsu");
    pass(w, 30 * SECOND_NS);
    answer(w, STATUS_OK, "{}");
    EXPECT_TEXT(w->health, "hsus");
    world_free(w);
}

TEST(an_answer_that_is_none_is_no_health) {
    static const char *const answers[] = {"", "true", "[]", "{", "{\"healthy\":1}"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        world *w = world_new(true);
        start(w, NULL, NULL, 0);
        pass(w, 5 * SECOND_NS);
        answer(w, STATUS_OK, "{\"healthy\":true}");
        pass(w, 30 * SECOND_NS);
        answer(w, STATUS_OK, answers[i]);
        EXPECT_TEXT(w->health, "hu");
        world_free(w);
    }
}

TEST(silence_is_told_once_and_only_of_who_was_well) {
    world *w = world_new(true);
    start(w, NULL, NULL, 0);
    pass(w, 5 * SECOND_NS);
    answer(w, STATUS_NOT_FOUND, "");
    EXPECT_TEXT(w->health, "");
    pass(w, 30 * SECOND_NS);
    answer(w, STATUS_OK, "{\"healthy\":true}");
    pass(w, 30 * SECOND_NS);
    answer(w, STATUS_TIMEOUT, "");
    pass(w, 30 * SECOND_NS);
    answer(w, STATUS_TIMEOUT, "");
    EXPECT_TEXT(w->health, "hu");
    world_free(w);
}

// --- what it is told ---------------------------------------------------------------------------------------

TEST(it_starts_with_everything_and_gets_its_configuration_once_more) {
    world *w = world_new(true);
    const host_data_link links[] = {link_to("b", config_a), link_to("a", NULL)};
    start(w, config_a, links, 2);
    json_value *v = NULL;
    REQUIRE(json_parse(slice_from_text(w->line), &v, NULL) == STATUS_OK);
    EXPECT_EQ(json_count(json_get(v, "link_definitions")), 2);
    slice seed;
    REQUIRE(json_as_text(json_get(v, "provider_xkey_private_key"), &seed));
    nkey *k = NULL;
    EXPECT_OK(nkey_from_seed_text(seed, &k, NULL));
    const nkey_public public_key = nkey_public_of(k);
    EXPECT_BYTES(provider_life_link_key(w->life), slice_from_text(nkey_public_text(&public_key).text));
    EXPECT_TEXT(told(w), "wasmbus.rpc.default.kv.config.update {\"level\":\"1\"}\n");
    nkey_free(k);
    json_free(v);
    world_free(w);
}

TEST(what_changes_is_told_and_nothing_else) {
    world *w = world_new(true);
    char expected[2048];
    const host_data_link before[] = {link_to("a", config_a), link_to("b", config_a)};
    const host_data_link after[] = {link_to("c", NULL), link_to("b", config_a)};
    start(w, config_a, before, 2);
    buf_clear(&w->told);
    want(w, config_a, before, 2);
    EXPECT_TEXT(told(w), "");
    want(w, config_b, after, 2);
    (void)snprintf(
        expected, sizeof expected,
        "wasmbus.rpc.default.%.*s.linkdefs.put {\"source_id\":\"c\",\"target\":\"kv\",\"name\":"
        "\"default\",\"wit_namespace\":\"wasi\",\"wit_package\":\"keyvalue\",\"interfaces\":[\"store\"],"
        "\"source_config\":{},\"target_config\":{},\"source_secrets\":null,\"target_secrets\":null}\n"
        "wasmbus.rpc.default.kv.config.update {\"level\":\"2\"}\n",
        SLICE_ARG(provider_life_link_key(w->life)));
    EXPECT_TEXT(told(w), expected); // that a link has gone is told by who was asked to remove it
    world_free(w);
}

TEST(a_link_that_changes_ends_first) {
    world *w = world_new(true);
    char put[200];
    host_data_link link = link_to("a", config_a);
    start(w, NULL, &link, 1);
    buf_clear(&w->told);
    link.target_config.items = config_b;
    want(w, NULL, &link, 1);
    EXPECT_CONTAINS(told(w), "wasmbus.rpc.default.kv.linkdefs.del {\"source_id\":\"a\"");
    EXPECT(strstr(told(w), "linkdefs.put") == NULL);
    buf_clear(&w->told);
    link.target_config.items = config_a; // meanwhile again
    want(w, NULL, &link, 1);
    EXPECT_TEXT(told(w), "");
    pass(w, SECOND_NS / 2);
    (void)snprintf(put, sizeof put, "wasmbus.rpc.default.%.*s.linkdefs.put {\"source_id\":\"a\"",
                   SLICE_ARG(provider_life_link_key(w->life)));
    EXPECT_CONTAINS(told(w), put);
    EXPECT_CONTAINS(told(w), "\"target_config\":{\"level\":\"1\"}");
    buf_clear(&w->told);
    pass(w, SECOND_NS);
    EXPECT_TEXT(told(w), "");
    world_free(w);
}

TEST(on_a_bus_of_its_own_it_hears_everything_from_its_host) {
    world *w = world_new(false);
    const host_data_link before = link_to("a", config_a);
    host_data_link after = link_to("b", NULL);
    start(w, NULL, &before, 1);
    buf_clear(&w->told);
    want(w, NULL, &after, 1);
    EXPECT_CONTAINS(told(w), "wasmbus.rpc.default.kv.linkdefs.del {\"source_id\":\"a\"");
    EXPECT_CONTAINS(told(w), "wasmbus.rpc.default.kv.linkdefs.put {\"source_id\":\"b\"");
    buf_clear(&w->told);
    after.source_id = slice_from_text("c");
    after.target_secrets = (host_data_secrets){secrets, 1};
    want(w, NULL, &after, 1);
    EXPECT_CONTAINS(told(w), ".linkdefs.put {\"source_id\":\"c\"");
    EXPECT(strstr(told(w), "kv.linkdefs.put") == NULL); // secrets only where its key is
    EXPECT(strstr(told(w), "hush") == NULL);
    world_free(w);
}

TEST(what_it_may_have_missed_is_told_again_with_its_first_answer) {
    world *w = world_new(true);
    const host_data_link link = link_to("a", config_a);
    start(w, NULL, NULL, 0);
    want(w, config_b, &link, 1);
    buf_clear(&w->told);
    pass(w, 5 * SECOND_NS);
    answer(w, STATUS_NOT_FOUND, ""); // it does not listen yet
    EXPECT_TEXT(told(w), "");
    pass(w, 30 * SECOND_NS);
    answer(w, STATUS_OK, "{\"healthy\":true}");
    EXPECT_CONTAINS(told(w), ".linkdefs.put {\"source_id\":\"a\"");
    EXPECT_CONTAINS(told(w), "config.update {\"level\":\"2\"}");
    buf_clear(&w->told);
    pass(w, 30 * SECOND_NS);
    answer(w, STATUS_OK, "{\"healthy\":true}");
    EXPECT_TEXT(told(w), "");
    world_free(w);
}

// --- ends --------------------------------------------------------------------------------------------------

TEST(one_that_ends_is_started_anew_after_waits_that_grow) {
    world *w = world_new(true);
    const host_data_link link = link_to("a", config_a);
    uint64_t max = SECOND_NS;
    start(w, NULL, NULL, 0);
    want(w, NULL, &link, 1);
    for (int i = 1; i <= 8; i++) {
        provider_life_ended(w->life, "exit status 1");
        EXPECT_EQ(w->restarts, i);
        EXPECT(w->wait_ns >= max / 2 && w->wait_ns <= max);
        EXPECT_TEXT(w->how, "exit status 1");
        pass(w, w->wait_ns + 1000000);
        EXPECT_EQ(w->spawns, i + 1);
        max = max * 2 > PROVIDER_RESTART_NS_MAX ? PROVIDER_RESTART_NS_MAX : max * 2;
    }
    EXPECT_CONTAINS(w->line, "\"link_definitions\":[{\"source_id\":\"a\"");
    pass(w, 5 * SECOND_NS);
    answer(w, STATUS_OK, "{\"healthy\":true}");
    pass(w, 55 * SECOND_NS); // it lived long: from the beginning again
    provider_life_ended(w->life, "signal 9 (KILL)");
    EXPECT_TEXT(w->health, "hu");
    EXPECT(w->wait_ns <= SECOND_NS);
    w->refuses_to_start = true;
    pass(w, w->wait_ns + 1000000);
    EXPECT_CONTAINS(w->how, "execute the program: no");
    EXPECT_EQ(w->restarts, 10);
    world_free(w);
}

TEST(stop_asks_and_waits_for_the_end) {
    world *w = world_new(true);
    start(w, NULL, NULL, 0);
    provider_life_stop(w->life);
    provider_life_stop(w->life);
    EXPECT_TEXT(w->asked_subject, "wasmbus.rpc.default.kv.default.shutdown");
    EXPECT_TEXT(w->asked_payload, "{\"host_id\":\"NHOST\"}");
    EXPECT_EQ(w->asked_until_ns - w->now_ns, 300000000);
    answer(w, STATUS_OK, "shutting down");
    EXPECT_EQ(w->stops, 0);
    provider_life_ended(w->life, "exit status 0");
    EXPECT_EQ(w->stops, 1);
    EXPECT_EQ(w->kills, 0);
    pass(w, 1000 * SECOND_NS);
    EXPECT_EQ(w->spawns, 1);
    world_free(w);
}

TEST(one_that_does_not_end_is_killed_after_the_delay) {
    world *w = world_new(true);
    w->host.shutdown_delay_ns = SECOND_NS;
    start(w, NULL, NULL, 0);
    w->is_disconnected = true; // nobody can be asked
    provider_life_stop(w->life);
    pass(w, SECOND_NS - 1000000);
    EXPECT_EQ(w->kills, 0);
    pass(w, 1000000);
    EXPECT_EQ(w->kills, 1);
    EXPECT_EQ(w->stops, 1);
    world_free(w);
}

TEST(one_that_waits_to_be_started_is_stopped_at_once) {
    world *w = world_new(true);
    start(w, NULL, NULL, 0);
    provider_life_ended(w->life, "exit status 1");
    provider_life_stop(w->life);
    EXPECT_EQ(w->stops, 0); // from the loop
    pass(w, 100 * SECOND_NS);
    EXPECT_EQ(w->stops, 1);
    EXPECT_EQ(w->spawns, 1);
    EXPECT_EQ(w->kills, 0);
    world_free(w);
}
