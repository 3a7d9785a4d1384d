// SPDX-License-Identifier: Apache-2.0
#include "lattice/host_data.h"

#include "codec/base64.h"
#include "codec/json.h"
#include "test.h"

#define T(text) SLICE_LITERAL(text)

static const slice interfaces[] = {T("store"), T("atomics")};
static const host_data_value pairs[] = {{T("address"), T("0.0.0.0:80")}, {T("quote"), T("a\"b\n")}};
static const host_data_secret secrets[] = {{T("token"), T("hush"), false}, {T("raw"), T("\x00\xff"), true}};

static const host_data_link link_of_kv = {
    .source_id = T("app-kv"),
    .target = T("kv"),
    .name = T("default"),
    .wit_namespace = T("wasi"),
    .wit_package = T("keyvalue"),
    .interfaces = interfaces,
    .interface_count = 2,
    .target_config = {pairs, 2},
};

typedef struct keys {
    nkey *host, *provider;
    nkey_public host_public, provider_public;
} keys;

static keys make_keys(void) {
    keys k = {0};
    EXPECT_OK(nkey_generate(NKEY_CURVE, &k.host, NULL));
    EXPECT_OK(nkey_generate(NKEY_CURVE, &k.provider, NULL));
    k.host_public = nkey_public_of(k.host);
    k.provider_public = nkey_public_of(k.provider);
    return k;
}

static void free_keys(keys *k) {
    nkey_free(k->host);
    nkey_free(k->provider);
}

#define LINK_NAMES                                                                                 \
    "{\"source_id\":\"app-kv\",\"target\":\"kv\",\"name\":\"default\",\"wit_namespace\":\"wasi\"," \
    "\"wit_package\":\"keyvalue\",\"interfaces\":[\"store\",\"atomics\"],"
#define LINK_TEXT                                                                                  \
    LINK_NAMES                                                                                     \
    "\"source_config\":{},\"target_config\":{\"address\":\"0.0.0.0:80\",\"quote\":\"a\\\"b\\n\"}," \
    "\"source_secrets\":null,\"target_secrets\":null}"

TEST(a_link_is_written_as_providers_read_it) {
    auto_buf b = {0};
    buf_init(&b, 4096);
    EXPECT_OK(host_data_write_link(&link_of_kv, NULL, NULL, &b, NULL));
    EXPECT_BYTES(buf_slice(&b), slice_from_text(LINK_TEXT));
    buf_clear(&b);
    EXPECT_OK(host_data_write_link_end(&link_of_kv, &b, NULL));
    EXPECT_BYTES(buf_slice(&b),
                 slice_from_text(LINK_NAMES "\"source_config\":{},\"target_config\":{},"
                                            "\"source_secrets\":null,\"target_secrets\":null}"));
    buf_clear(&b);
    EXPECT_OK(host_data_write_values(&link_of_kv.target_config, &b, NULL));
    EXPECT_BYTES(buf_slice(&b), slice_from_text("{\"address\":\"0.0.0.0:80\",\"quote\":\"a\\\"b\\n\"}"));
}

// A JSON array of numbers.
static void read_bytes(const json_value *array, buf *ret) {
    for (size_t i = 0; i < json_count(array); i++) {
        int64_t byte = -1;
        EXPECT(json_as_integer(json_at(array, i), &byte) && byte >= 0 && byte < 256);
        EXPECT_OK(buf_append_byte(ret, (uint8_t)byte));
    }
}

TEST(secrets_of_a_link_are_for_its_provider_alone) {
    keys k = make_keys();
    host_data_link l = link_of_kv;
    l.source_secrets = (host_data_secrets){secrets, 2};
    auto_buf b = {0};
    auto_buf sealed = {0};
    buf_init(&b, 8192);
    buf_init(&sealed, 4096);
    EXPECT_OK(host_data_write_link(&l, k.host, &k.provider_public, &b, NULL));
    json_value *v = NULL;
    REQUIRE(json_parse(buf_slice(&b), &v, NULL) == STATUS_OK);
    read_bytes(json_get(v, "source_secrets"), &sealed);
    EXPECT_EQ(json_kind_of(json_get(v, "target_secrets")), JSON_KIND_NULL);
    auto_secret plain = {0};
    EXPECT_OK(nkey_open(k.provider, &k.host_public, buf_slice(&sealed), &plain, NULL));
    EXPECT_BYTES(secret_slice(&plain), slice_from_text("{\"token\":{\"kind\":\"String\",\"value\":\"hush\"},"
                                                       "\"raw\":{\"kind\":\"Bytes\",\"value\":[0,255]}}"));
    json_free(v);
    free_keys(&k);
}

static host_data data_of(const keys *k) {
    return (host_data){
        .host_id = T("NHOST"),
        .lattice = T("default"),
        .url = T("nats://127.0.0.1:4222"),
        .provider_id = T("kv"),
        .instance_id = T("00000000-0000-4000-8000-000000000000"),
        .links = &link_of_kv,
        .link_count = 1,
        .config = {pairs, 1},
        .secrets = {secrets, 1},
        .host_xkey = k->host,
        .provider_xkey = k->provider,
        .rpc_timeout_ms = 2000,
    };
}

TEST(host_data_has_every_member_in_its_place) {
    keys k = make_keys();
    auto_buf b = {0};
    auto_buf expected = {0};
    auto_secret seed = {0};
    buf_init(&b, 8192);
    buf_init(&expected, 8192);
    const host_data d = data_of(&k);
    EXPECT_OK(nkey_seed_text(k.provider, &seed, NULL));
    EXPECT_OK(host_data_write(&d, &b, NULL));
    EXPECT_OK(buf_append_format(
        &expected,
        "{\"host_id\":\"NHOST\",\"lattice_rpc_prefix\":\"default\",\"link_name\":\"default\","
        "\"lattice_rpc_user_jwt\":\"\",\"lattice_rpc_user_seed\":\"\","
        "\"lattice_rpc_url\":\"nats://127.0.0.1:4222\",\"provider_key\":\"kv\",\"env_values\":{},"
        "\"instance_id\":\"00000000-0000-4000-8000-000000000000\",\"link_definitions\":[%s],"
        "\"cluster_issuers\":[],\"config\":{\"address\":\"0.0.0.0:80\"},"
        "\"secrets\":{\"token\":{\"kind\":\"String\",\"value\":\"hush\"}},"
        "\"host_xkey_public_key\":\"%s\",\"provider_xkey_private_key\":\"%.*s\","
        "\"default_rpc_timeout_ms\":2000,\"structured_logging\":false,\"log_level\":\"info\","
        "\"otel_config\":{\"enable_observability\":false,\"protocol\":\"Http\",\"additional_ca_paths\":[],"
        "\"trace_level\":\"info\"}}",
        LINK_TEXT, nkey_public_text(&k.host_public).text, SLICE_ARG(secret_slice(&seed))));
    EXPECT_BYTES(buf_slice(&b), buf_slice(&expected));
    auto_buf line = {0};
    auto_buf decoded = {0};
    buf_init(&line, 16384);
    buf_init(&decoded, 8192);
    EXPECT_OK(host_data_write_line(&d, &line, NULL));
    REQUIRE(line.len > 2 && memcmp(line.data + line.len - 2, "\r\n", 2) == 0);
    EXPECT_OK(base64_decode(BASE64_STANDARD, slice_sub(buf_slice(&line), 0, line.len - 2), &decoded));
    EXPECT_BYTES(buf_slice(&decoded), buf_slice(&b));
    free_keys(&k);
}

TEST(what_is_set_for_telemetry_is_told) {
    keys k = make_keys();
    const bool yes = true, no = false;
    const slice ca = T("/etc/ca.pem");
    host_data d = data_of(&k);
    d.log_level = slice_from_text("debug");
    d.structured_logging = true;
    d.otel = (host_data_otel){.is_enabled = true,
                              .traces = &yes,
                              .logs = &no,
                              .endpoint = T("http://127.0.0.1:4318"),
                              .is_grpc = true,
                              .ca_paths = &ca,
                              .ca_path_count = 1,
                              .trace_level = T("warn")};
    auto_buf b = {0};
    buf_init(&b, 8192);
    EXPECT_OK(host_data_write(&d, &b, NULL));
    static const char end[] =
        "\"structured_logging\":true,\"log_level\":\"debug\",\"otel_config\":{\"enable_observability\":true,"
        "\"enable_traces\":true,\"enable_logs\":false,\"observability_endpoint\":\"http://127.0.0.1:4318\","
        "\"protocol\":\"Grpc\",\"additional_ca_paths\":[\"/etc/ca.pem\"],\"trace_level\":\"warn\"}}";
    REQUIRE(b.len > sizeof end);
    EXPECT_BYTES(slice_sub(buf_slice(&b), b.len - (sizeof end - 1), b.len), slice_from_text(end));
    free_keys(&k);
}

TEST(what_does_not_fit_is_refused_and_leaves_nothing) {
    keys k = make_keys();
    char name[2000];
    memset(name, 'n', sizeof name);
    const host_data_value bad = {slice_of(name, sizeof name), T("v")};
    const host_data_value nul = {T("a\0b"), T("v")};
    host_data d = data_of(&k);
    auto_buf b = {0};
    buf_init(&b, 8192);
    d.config = (host_data_values){&bad, 1};
    EXPECT_STATUS(host_data_write(&d, &b, NULL), STATUS_INVALID);
    d.config = (host_data_values){&nul, 1};
    EXPECT_STATUS(host_data_write_line(&d, &b, NULL), STATUS_INVALID);
    EXPECT_EQ(b.len, 0);
    d.config = (host_data_values){NULL, 0};
    auto_buf small = {0};
    buf_init(&small, 100);
    EXPECT_STATUS(host_data_write(&d, &small, NULL), STATUS_LIMIT);
    EXPECT_STATUS(host_data_write_line(&d, &small, NULL), STATUS_LIMIT);
    EXPECT_EQ(small.len, 0);
    free_keys(&k);
}
