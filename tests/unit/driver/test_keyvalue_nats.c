// SPDX-License-Identifier: Apache-2.0
// Key-value in JetStream of a real NATS server: the contract, and what is the driver's own.
#include <signal.h>

#include "base/check.h"
#include "driver/nats_names.h"
#include "unit/bus/helper_nats.h"
#include "unit/driver/helper_nats_peer.h"
#include "unit/driver/keyvalue_contract.h"

typedef struct server {
    nats_process process;
    char url[64];
} server;

static const char *open_with(kv *k, const char *config, const driver_value *more, size_t more_count,
                             const driver_values *credentials) {
    server *s = MEM_NEW(server);
    const char *why = nats_process_start(&s->process, config);
    if (why != NULL) {
        nats_process_stop(&s->process);
        mem_free(s);
        return why;
    }
    snprintf(s->url, sizeof s->url, "nats://127.0.0.1:%u", s->process.port);
    driver_value values[16] = {{SLICE_LITERAL("url"), slice_from_text(s->url)}};
    for (size_t i = 0; i < more_count; i++) {
        values[i + 1] = more[i];
    }
    const driver_values settings = {values, more_count + 1};
    kv_start(k);
    k->data = s;
    err e = {0};
    EXPECT_STATUS_ERR(kv_open(k, &keyvalue_nats, &settings, credentials, &e), STATUS_OK, e);
    return NULL;
}

static const char *open_it(kv *k) {
    static const driver_value values[] = {KEYVALUE_CONTRACT_SETTINGS};
    return open_with(k, NULL, values, sizeof values / sizeof values[0], NULL);
}

static void close_it(kv *k) {
    server *s = k->data;
    kv_stop(k);
    nats_process_stop(&s->process);
    mem_free(s);
}

static nats_process *process_of(const kv *k) { return &((server *)k->data)->process; }

KEYVALUE_CONTRACT(open_it, close_it)

#define OPEN(k, config, ...)                                                                     \
    kv k = {0};                                                                                  \
    static const driver_value values_[] = {__VA_ARGS__};                                         \
    const char *why_ = open_with(&k, config, values_, sizeof values_ / sizeof values_[0], NULL); \
    if (why_ != NULL) {                                                                          \
        SKIP(why_);                                                                              \
    }

#define SETTING(name, value) \
    { SLICE_LITERAL(name), SLICE_LITERAL(value) }

static void expect_name(status (*write)(slice, buf *), const char *name, const char *expected) {
    auto_buf text = {0};
    buf_init(&text, 4096);
    EXPECT_OK(write(slice_from_text(name), &text));
    EXPECT_BYTES(buf_slice(&text), slice_from_text(expected));
}

TEST(names_are_those_of_other_clients_where_they_have_one) {
    expect_name(nats_bucket_write, "my-Bucket_1", "my-Bucket_1");
    expect_name(nats_bucket_write, "", "%");
    expect_name(nats_bucket_write, "a.b/c%", "a%2Eb%2Fc%25");
    static const char *const keys[][2] = {{"a.b/c=d-e_f", "a.b/c=d-e_f"},
                                          {".a.", "%2Ea%2E"},
                                          {"a..b", "a.%2Eb"},
                                          {"*", "%2A"},
                                          {">", "%3E"},
                                          {"%", "%25"},
                                          {"\xc3\xa4", "%C3%A4"},
                                          {".", "%2E"},
                                          {"a b", "a%20b"}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        auto_arena a;
        slice back;
        arena_init(&a, 4096);
        expect_name(nats_key_write, keys[i][0], keys[i][1]);
        EXPECT(nats_key_read(slice_from_text(keys[i][1]), &a, &back));
        EXPECT_BYTES(back, slice_from_text(keys[i][0]));
    }
    static const char *const foreign[] = {"", "%", "%2", "%zz", "%2e", "a%41", "%FF", "a%", ".a", "a*"};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        auto_arena a;
        slice back;
        arena_init(&a, 4096);
        EXPECT(!nats_key_read(slice_from_text(foreign[i]), &a, &back));
    }
}

TEST(buckets_are_made_only_when_it_is_allowed) {
    OPEN(k, NULL, SETTING("create", "false"));
    keyvalue_call c = kv_key_call(KEYVALUE_SET, "b", "k");
    EXPECT(kv_is_error(&k, &c, KEYVALUE_NO_SUCH_STORE, ""));
    c.function = KEYVALUE_GET;
    EXPECT(kv_is_error(&k, &c, KEYVALUE_NO_SUCH_STORE, ""));
    c.function = KEYVALUE_INCREMENT;
    EXPECT(kv_is_error(&k, &c, KEYVALUE_NO_SUCH_STORE, ""));
    close_it(&k);
}

TEST(a_server_that_keeps_nothing_is_told) {
    OPEN(k, "jetstream: false", SETTING("create", "true"));
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_pending p = {0};
    kv_call(&k, &c, &p);
    EXPECT_STATUS(p.code, STATUS_UNSUPPORTED);
    EXPECT_CONTAINS(p.message, "JetStream is off");
    kv_pending_done(&p);
    close_it(&k);
}

static void on_closed(void *arg) { *(bool *)arg = true; }

static void wait_for_state(kv *k, driver_state state) {
    driver_health h = {0};
    for (int i = 0; i < 10000 && h.state != state; i++) {
        kv_turn(k);
        k->d->health(k->link, &h);
    }
    EXPECT_EQ(h.state, state);
}

TEST(a_server_that_goes_costs_its_calls_and_keeps_its_values) {
    OPEN(k, NULL, SETTING("timeout-ms", "10000"));
    EXPECT(kv_set(&k, "b", "k", "kept"));
    EXPECT(kv_add(&k, "b", "n", 5, 5));
    nats_process_signal(process_of(&k), SIGSTOP);
    static const keyvalue_function functions[] = {KEYVALUE_GET, KEYVALUE_SET, KEYVALUE_INCREMENT,
                                                  KEYVALUE_LIST_KEYS, KEYVALUE_DELETE};
    kv_pending p[5] = {0};
    for (int i = 0; i < 5; i++) {
        keyvalue_call c = kv_key_call(functions[i], "b", "x");
        kv_begin(&k, &p[i], &c, UINT64_MAX);
    }
    nats_process_kill(process_of(&k));
    for (int i = 0; i < 5; i++) {
        kv_wait(&k, &p[i]);
        EXPECT_STATUS(p[i].code, STATUS_CLOSED);
        kv_pending_done(&p[i]);
    }
    wait_for_state(&k, DRIVER_DOWN);
    keyvalue_call c = kv_key_call(KEYVALUE_GET, "b", "k");
    kv_begin(&k, &p[0], &c, UINT64_MAX);
    EXPECT(p[0].is_done); // at once
    EXPECT_STATUS(p[0].code, STATUS_CLOSED);
    kv_pending_done(&p[0]);
    EXPECT(nats_process_start(process_of(&k), NULL) == NULL);
    wait_for_state(&k, DRIVER_UP);
    EXPECT(kv_is(&k, "b", "k", "kept"));
    EXPECT(kv_add(&k, "b", "n", 1, 6));
    close_it(&k);
}

TEST(a_server_that_does_not_answer_is_waited_for_so_long) {
    OPEN(k, NULL, SETTING("timeout-ms", "100"));
    EXPECT(kv_set(&k, "b", "k", "v"));
    nats_process_signal(process_of(&k), SIGSTOP);
    keyvalue_call c = kv_key_call(KEYVALUE_INCREMENT, "b", "n");
    kv_pending p = {0};
    kv_call(&k, &c, &p);
    EXPECT_STATUS(p.code, STATUS_TIMEOUT);
    kv_pending_done(&p);
    nats_process_signal(process_of(&k), SIGCONT);
    for (int i = 0; i < 100; i++) {
        kv_turn(&k);
    }
    EXPECT(kv_is(&k, "b", "k", "v"));
    close_it(&k);
}

// Two links, which do not know of each other, on one key.
TEST(links_that_race_lose_no_change) {
    enum { COUNT = 200 };
    OPEN(k, NULL, SETTING("create", "true"));
    server *s = k.data;
    const driver_value url = {SLICE_LITERAL("url"), slice_from_text(s->url)};
    kv other = k; // the same loop and server
    bool is_closed = false;
    const driver_link_options o = {.settings = {&url, 1}, .on_closed = on_closed, .arg = &is_closed};
    EXPECT_OK(driver_open(&keyvalue_nats, &k.env, &o, &other.link, NULL));
    kv_pending p[2][COUNT] = {0};
    keyvalue_call c = kv_key_call(KEYVALUE_INCREMENT, "b", "n");
    c.delta = 1;
    for (int i = 0; i < COUNT; i++) {
        kv_begin(&k, &p[0][i], &c, UINT64_MAX);
        kv_begin(&other, &p[1][i], &c, UINT64_MAX);
        kv_turn(&k);
    }
    for (int i = 0; i < COUNT; i++) {
        for (int j = 0; j < 2; j++) {
            kv_wait(&k, &p[j][i]);
            EXPECT_STATUS(p[j][i].code, STATUS_OK);

            kv_pending_done(&p[j][i]);
        }
    }
    EXPECT(kv_is(&k, "b", "n", "400"));
    EXPECT(kv_set(&other, "b", "n", "7")); // ours knows nothing of it
    EXPECT_EQ(kv_swap(&k, "b", "n", "400", "x"), 0);
    EXPECT_EQ(kv_swap(&k, "b", "n", "7", "x"), 1);
    EXPECT(kv_is(&other, "b", "n", "x"));
    keyvalue_nats.link_close(other.link);
    while (!is_closed) {
        kv_turn(&k);
    }
    close_it(&k);
}

TEST(more_keys_are_changed_than_are_remembered) {
    OPEN(k, NULL, SETTING("create", "true"));
    for (uint64_t round = 1; round <= 3; round++) {
        for (int i = 0; i < 100; i++) {
            char key[16];
            snprintf(key, sizeof key, "n%d", i);
            EXPECT(kv_add(&k, "b", key, 1, round));
        }
    }
    close_it(&k);
}

// --- buckets of other clients ------------------------------------------------------------------------------

// As others make one: with older values, which are never ours, and without direct reads.
TEST(a_bucket_of_another_client_is_shared_with_it) {
    static const char del[] = "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n";
    static const char purge[] = "NATS/1.0\r\nKV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n";
    OPEN(k, NULL, SETTING("create", "false"));
    nats_peer o;
    nats_peer_begin(&o, &k, process_of(&k)->port);
    nats_peer_ask(
        &o, "$JS.API.STREAM.CREATE.KV_theirs", NULL,
        "{\"name\":\"KV_theirs\",\"subjects\":[\"$KV.theirs.>\"],\"max_msgs_per_subject\":5,\"storage\":"
        "\"file\","
        "\"retention\":\"limits\",\"num_replicas\":1,\"allow_rollup_hdrs\":true,\"deny_delete\":true}");
    nats_peer_ask(&o, "$KV.theirs.a.b", NULL, "old");
    nats_peer_ask(&o, "$KV.theirs.a.b", NULL, "new");
    nats_peer_ask(&o, "$KV.theirs.gone", NULL, "x");
    nats_peer_ask(&o, "$KV.theirs.gone", del, "");
    nats_peer_ask(&o, "$KV.theirs.purged", NULL, "x");
    nats_peer_ask(&o, "$KV.theirs.purged", purge, "");
    nats_peer_ask(&o, "$KV.theirs.no%key", NULL, "x");
    EXPECT(kv_is(&k, "theirs", "a.b", "new"));
    EXPECT(kv_is(&k, "theirs", "gone", NULL));
    EXPECT(kv_is(&k, "theirs", "purged", NULL));
    EXPECT(!kv_exists(&k, "theirs", "never"));
    EXPECT(kv_add(&k, "theirs", "gone", 2, 2)); // behind the mark
    EXPECT_EQ(kv_swap(&k, "theirs", "purged", NULL, "again"), 1);
    EXPECT(kv_delete(&k, "theirs", "gone"));
    EXPECT(kv_set(&k, "theirs", "mine", "v"));
    kv_pending p = {0};
    keyvalue_call c = {.function = KEYVALUE_LIST_KEYS, .bucket = SLICE_LITERAL("theirs")};
    kv_call(&k, &c, &p);
    EXPECT_STATUS(p.code, STATUS_OK);
    EXPECT_EQ(p.answer.count, 3);
    for (size_t i = 0; i < p.answer.count; i++) {
        static const char *const names[] = {"a.b", "purged", "mine"};
        EXPECT_BYTES(p.answer.items[i].key, slice_from_text(names[i]));
    }
    EXPECT(!p.answer.has_cursor);
    kv_pending_done(&p);
    nats_peer_ask(&o, "$JS.API.STREAM.MSG.GET.KV_theirs", NULL, "{\"last_by_subj\":\"$KV.theirs.mine\"}");
    EXPECT_CONTAINS(o.answer, "\"data\":\"dg==\"");
    nats_peer_ask(&o, "$JS.API.STREAM.DELETE.KV_theirs", NULL, "");
    c = kv_key_call(KEYVALUE_GET, "theirs", "mine");
    EXPECT(kv_is_error(&k, &c, KEYVALUE_NO_SUCH_STORE, "")); // it is seen that it went
    nats_peer_end(&o);
    close_it(&k);
}

TEST(a_bucket_that_was_removed_is_made_again) {
    OPEN(k, NULL, SETTING("storage", "memory"));
    nats_peer o;
    nats_peer_begin(&o, &k, process_of(&k)->port);
    static const keyvalue_function functions[] = {KEYVALUE_SET, KEYVALUE_INCREMENT, KEYVALUE_LIST_KEYS,
                                                  KEYVALUE_DELETE, KEYVALUE_GET};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        EXPECT(kv_set(&k, "b", "k", "v"));
        nats_peer_ask(&o, "$JS.API.STREAM.DELETE.KV_b", NULL, "");
        keyvalue_call c = kv_key_call(functions[i], "b", "k");
        EXPECT(kv_do(&k, &c));
    }
    EXPECT(kv_is(&k, "b", "k", NULL));
    nats_peer_end(&o);
    close_it(&k);
}

TEST(what_the_server_forbids_is_access_denied) {
    static const driver_value password = {SLICE_LITERAL("password"), SLICE_LITERAL("secret")};
    static const driver_value user = SETTING("user", "joe");
    const driver_values credentials = {&password, 1};
    kv k = {0};
    const char *why = open_with(&k,
                                "authorization { users: [ { user: joe, password: secret, permissions: { "
                                "publish: [\"$JS.API.>\"] } } ] }",
                                &user, 1, &credentials);
    if (why != NULL) {
        SKIP(why);
    }
    keyvalue_call c = kv_key_call(KEYVALUE_SET, "b", "k");
    EXPECT(kv_is_error(&k, &c, KEYVALUE_ACCESS_DENIED, ""));
    c.function = KEYVALUE_INCREMENT;
    EXPECT(kv_is_error(&k, &c, KEYVALUE_ACCESS_DENIED, ""));
    c.function = KEYVALUE_GET;
    EXPECT(kv_do(&k, &c));
    close_it(&k);
}

TEST(it_is_found) {
    EXPECT(driver_find(slice_from_text("nats"), slice_from_text("wasi:keyvalue/store")) == &keyvalue_nats);
}

TEST(what_is_for_tls_is_not_ignored_without_it) {
    static const char *const names[] = {"ca", "tls-certificate", "tls-first"};
    kv k = {0};
    kv_start(&k);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const driver_value value = {slice_from_text(names[i]), slice_from_text("true")};
        err e = {0};
        EXPECT_STATUS(kv_open(&k, &keyvalue_nats, &(driver_values){&value, 1}, NULL, &e), STATUS_INVALID);
        EXPECT_CONTAINS(e.message, "TLS, which is off");
    }
    kv_stop(&k);
}
