// SPDX-License-Identifier: Apache-2.0
// The control interface of a host, byte for byte: what clients of 1.x send and what they can read.
#include "test.h"
#include "unit/lattice/helper_control.h"

static const core_settings PLAIN = {0};

#define BEGIN(h)             \
    control_place p = {0};   \
    control_host h = {0};    \
    control_place_begin(&p); \
    control_host_start(&p, &h, &PLAIN)
#define END(h)             \
    control_host_done(&h); \
    control_place_done(&p)

#define YES(text) "{\"success\":true,\"message\":\"" text "\"}"
#define NO(text) "{\"success\":false,\"message\":\"" text "\"}"
#define LABELS "{\"hostcore.arch\":\"x86_64\",\"hostcore.os\":\"linux\"}"

// --- hosts -------------------------------------------------------------------------------------------------

TEST(a_host_starts) {
    BEGIN(h);
    EXPECT(h.is_ready && lattice_control_is_ready(h.control));
    EXPECT(lattice_control_trouble(h.control) == NULL);
    EXPECT_TEXT(control_event(&p, "host_started", 0),
                "{\"friendly_name\":\"quiet-river-1234\",\"labels\":" LABELS
                ",\"uptime_seconds\":0,\"version\":\"1.9.2\"}");
    EXPECT_TEXT(p.last_event,
                "{\"specversion\":\"1.0\",\"id\":\"019b76da-abe8-abab-abab-abababababab\","
                "\"type\":\"com.wasmcloud.lattice.host_started\",\"source\":\"NHOST\","
                "\"datacontenttype\":\"application/json\",\"time\":\"2026-01-01T00:00:01.000Z\","
                "\"data\":{\"friendly_name\":\"quiet-river-1234\",\"labels\":" LABELS
                ",\"uptime_seconds\":0,\"version\":\"1.9.2\"}}");
    END(h);
}

TEST(hosts_tell_of_themselves) {
    BEGIN(h);
    control_pass(&p, 93784ull * CONTROL_SECOND);
    EXPECT_TEXT(control_ask(&p, "host.ping", ""),
                "{\"success\":true,\"message\":\"\",\"response\":{\"rpc_host\":\"nats://127.0.0.1:4223\","
                "\"ctl_host\":\"nats://127.0.0.1:4222\",\"friendly_name\":\"quiet-river-1234\","
                "\"id\":\"NHOST\",\"labels\":" LABELS
                ",\"lattice\":\"default\",\"uptime_human\":\"1day 2h 3m 4s\",\"uptime_seconds\":93784,"
                "\"version\":\"1.9.2\",\"writ\":{\"strict\":true,\"version\":\"0.1\"}}}");
    EXPECT_TEXT(control_ask(&p, "host.get.NHOST", ""),
                "{\"success\":true,\"message\":\"\",\"response\":{\"components\":[],\"providers\":[],"
                "\"host_id\":\"NHOST\",\"friendly_name\":\"quiet-river-1234\",\"labels\":" LABELS
                ",\"version\":\"1.9.2\",\"uptime_human\":\"1day 2h 3m 4s\",\"uptime_seconds\":93784,"
                "\"writ\":{\"strict\":true,\"version\":\"0.1\",\"control\":{\"requests\":2,\"refused\":0,"
                "\"malformed\":0,\"bad_entries\":0},\"config\":{}}}}");
    END(h);
}

TEST(a_host_beats) {
    BEGIN(h);
    control_pass(&p, 29ull * CONTROL_SECOND);
    EXPECT_EQ(control_event_count(&p, "host_heartbeat"), 0);
    control_pass(&p, 1ull * CONTROL_SECOND);
    EXPECT_CONTAINS(control_event(&p, "host_heartbeat", 0),
                    "{\"components\":[],\"providers\":[],\"host_id\"");
    control_pass(&p, 30ull * CONTROL_SECOND);
    EXPECT_EQ(control_event_count(&p, "host_heartbeat"), 2);
    END(h);
}

TEST(a_host_is_stopped) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "host.stop.NHOST", "{\"host_id\":\"NOTHER\"}"),
                NO("invalid host_id [NOTHER]"));
    EXPECT_CONTAINS(control_ask(&p, "host.stop.NHOST", "5"), "failed to deserialize stop command");
    EXPECT_EQ(h.stops, 0);
    EXPECT_TEXT(control_ask(&p, "host.stop.NHOST", "{\"host_id\":\"NHOST\",\"timeout\":2500}"),
                YES("successfully handled stop host"));
    EXPECT_EQ(h.stops, 1);
    EXPECT_EQ((int64_t)h.stop_ns, 2500000000);
    EXPECT_TEXT(control_ask(&p, "host.stop.NHOST", ""), YES("successfully handled stop host"));
    EXPECT_EQ(h.stops, 1);
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST", "{\"component_id\":\"a\",\"count\":1}"),
                NO("the host is stopping"));
    lattice_control_stopped(h.control);
    control_turns(&p);
    EXPECT_TEXT(control_event(&p, "host_stopped", 0), "{\"labels\":" LABELS "}");
    EXPECT_TEXT(control_ask(&p, "host.ping", ""), "");
    END(h);
}

TEST(what_is_no_subject_of_ours) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "host.dance.NHOST", ""), NO("unsupported subject"));
    EXPECT_TEXT(control_ask(&p, "config.get.a.b", ""), NO("unsupported subject"));
    EXPECT_TEXT(control_ask(&p, "config.get", ""), NO("unsupported subject"));
    EXPECT_TEXT(control_ask(&p, "link.frob", ""), NO("unsupported subject"));
    h.refused = "host.ping";
    EXPECT_TEXT(control_ask(&p, "host.ping", ""), NO("host.ping is not allowed"));
    EXPECT_EQ((int64_t)lattice_core_count(control_core(&h)).refused, 5);
    END(h);
}

// --- labels ------------------------------------------------------------------------------------------------

TEST(labels) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "label.put.NHOST", "{\"key\":\"zone\",\"value\":\"a\"}"),
                YES("successfully put label"));
    EXPECT_TEXT(control_event(&p, "labels_changed", 0),
                "{\"host_id\":\"NHOST\",\"labels\":{\"hostcore.arch\":\"x86_64\",\"hostcore.os\":\"linux\","
                "\"zone\":\"a\"}}");
    EXPECT_TEXT(control_ask(&p, "label.put.NHOST", "{\"key\":\"HostCore.os\",\"value\":\"a\"}"),
                NO("hostcore.* labels cannot be set dynamically"));
    EXPECT_TEXT(control_ask(&p, "label.del.NHOST", "{\"key\":\"hostcore.os\",\"value\":\"a\"}"),
                NO("hostcore.* labels cannot be deleted"));
    EXPECT_TEXT(control_ask(&p, "label.del.NHOST", "{\"key\":\"zone\",\"value\":\"x\"}"),
                YES("successfully deleted label"));
    EXPECT_TEXT(control_event(&p, "labels_changed", 1), "{\"host_id\":\"NHOST\",\"labels\":" LABELS "}");
    EXPECT_TEXT(control_ask(&p, "label.del.NHOST", "{\"key\":\"zone\"}"),
                YES("successfully deleted label (no such label)"));
    EXPECT_EQ(control_event_count(&p, "labels_changed"), 2);
    EXPECT_CONTAINS(control_ask(&p, "label.put.NHOST", "{\"key\":\"zone\"}"),
                    "failed to deserialize put label request: \\\"value\\\" is missing");
    END(h);
}

// --- components --------------------------------------------------------------------------------------------

#define SCALE(count) "{\"component_ref\":\"file:///a.wasm\",\"component_id\":\"a\",\"count\":" count "}"
#define SCALED(count)                                                                                    \
    "{\"annotations\":{},\"component_id\":\"a\",\"host_id\":\"NHOST\",\"image_ref\":\"file:///a.wasm\"," \
    "\"max_instances\":" count "}"

TEST(a_component_starts_scales_and_stops) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST", SCALE("2")), YES(""));
    EXPECT_TEXT(control_event(&p, "component_scaled", 0), SCALED("2"));
    EXPECT_CONTAINS(control_ask(&p, "host.get.NHOST", ""),
                    "\"components\":[{\"id\":\"a\",\"image_ref\":\"file:///a.wasm\",\"annotations\":{},"
                    "\"revision\":0,\"max_instances\":2,\"limits\":null}]");
    EXPECT_TEXT(control_stored(&p, "LATTICEDATA_default", "COMPONENT_a"),
                "{\"url\":\"file:///a.wasm\",\"links\":[]}");
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST", SCALE("5")), YES(""));
    EXPECT_TEXT(control_event(&p, "component_scaled", 1), SCALED("5"));
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST", SCALE("5")), YES(""));
    EXPECT_TEXT(control_event(&p, "component_scaled", 2), SCALED("5"));
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST", SCALE("0")), YES(""));
    EXPECT_TEXT(control_event(&p, "component_scaled", 3), SCALED("0"));
    EXPECT_EQ(lattice_core_component_count(control_core(&h)), 0);
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST", SCALE("0")), YES(""));
    EXPECT_TEXT(control_event(&p, "component_scaled", 4), SCALED("0"));
    EXPECT_EQ(control_event_count(&p, "component_scaled"), 5);
    END(h);
}

TEST(a_component_that_cannot_run) {
    BEGIN(h);
    h.failure = "no such file";
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST", SCALE("2")), YES(""));
    EXPECT_TEXT(control_event(&p, "component_scale_failed", 0),
                "{\"annotations\":{},\"component_id\":\"a\",\"error\":\"no such file\",\"host_id\":\"NHOST\","
                "\"image_ref\":\"file:///a.wasm\",\"max_instances\":2}");
    EXPECT_EQ(lattice_core_component_count(control_core(&h)), 0);
    EXPECT_CONTAINS(control_ask(&p, "host.get.NHOST", ""), "\"components\":[]");
    END(h);
}

TEST(limits_and_annotations_of_a_component) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST",
                            "{\"component_ref\":\"r\",\"component_id\":\"a\",\"count\":1,"
                            "\"annotations\":{\"b\":\"2\",\"a\":\"1\"},\"component_limits\":"
                            "{\"max_memory_limit\":\"65536\",\"max_execution_time\":\"soon\"}}"),
                YES(""));
    EXPECT_CONTAINS(control_ask(&p, "host.get.NHOST", ""),
                    "\"annotations\":{\"a\":\"1\",\"b\":\"2\"},\"revision\":0,\"max_instances\":1,"
                    "\"limits\":{\"max_memory_limit\":\"65536\"}}]");
    lattice_component c;
    REQUIRE(lattice_core_component(control_core(&h), slice_from_text("a"), &c));
    EXPECT_EQ((int64_t)c.memory_bytes_max, 65536);
    EXPECT_EQ((int64_t)c.execution_s_max, 0);
    END(h);
}

TEST(another_image_needs_leave) {
    BEGIN(h);
    control_ask(&p, "component.scale.NHOST", SCALE("1"));
    control_forget_events(&p);
    EXPECT_TEXT(
        control_ask(&p, "component.scale.NHOST",
                    "{\"component_ref\":\"b\",\"component_id\":\"a\",\"count\":3}"),
        YES("Requested to scale existing component to a different image reference: file:///a.wasm != "
            "b. The component will be scaled but the image reference will not be updated. If you meant "
            "to update this component to a new image ref, use the update command."));
    EXPECT_TEXT(control_event(&p, "component_scaled", 0), SCALED("3"));
    EXPECT_TEXT(
        control_ask(&p, "component.scale.NHOST",
                    "{\"component_ref\":\"b\",\"component_id\":\"a\",\"count\":4,\"allow_update\":true}"),
        YES("Requested to scale existing component, with a changed image reference: file:///a.wasm != b. "
            "The component will be scaled, and the image reference will be updated afterwards."));
    EXPECT_TEXT(control_event(&p, "component_scaled", 1), SCALED("0"));
    EXPECT_TEXT(control_event(&p, "component_scaled", 2),
                "{\"annotations\":{},\"component_id\":\"a\",\"host_id\":\"NHOST\",\"image_ref\":\"b\","
                "\"max_instances\":4}");
    END(h);
}

TEST(a_component_is_updated) {
    BEGIN(h);
    EXPECT_TEXT(
        control_ask(&p, "component.update.NHOST", "{\"component_id\":\"a\",\"new_component_ref\":\"b\"}"),
        NO("component a not found"));
    control_ask(&p, "component.scale.NHOST", SCALE("1"));
    EXPECT_TEXT(control_ask(&p, "component.update.NHOST",
                            "{\"component_id\":\"a\",\"new_component_ref\":\"file:///a.wasm\"}"),
                YES("component a already updated to file:///a.wasm"));
    control_forget_events(&p);
    EXPECT_TEXT(
        control_ask(&p, "component.update.NHOST", "{\"component_id\":\"a\",\"new_component_ref\":\"b\"}"),
        YES("component a updating from file:///a.wasm to b"));
    EXPECT_TEXT(control_event(&p, "component_scaled", 0), SCALED("0"));
    EXPECT_CONTAINS(control_event(&p, "component_scaled", 1), "\"image_ref\":\"b\",\"max_instances\":1}");
    h.failure = "it is broken";
    h.failing_ref = "c";
    control_ask(&p, "component.update.NHOST", "{\"component_id\":\"a\",\"new_component_ref\":\"c\"}");
    EXPECT_CONTAINS(control_event(&p, "component_scale_failed", 0), "\"error\":\"it is broken\"");
    EXPECT_CONTAINS(control_ask(&p, "host.get.NHOST", ""), "\"image_ref\":\"b\"");
    lattice_component c;
    REQUIRE(lattice_core_component(control_core(&h), slice_from_text("a"), &c));
    EXPECT(slice_equal_text(c.ref, "b"));
    END(h);
}

TEST(a_component_that_cannot_even_go_back) {
    BEGIN(h);
    control_ask(&p, "component.scale.NHOST", SCALE("1"));
    h.failure = "the disk is full";
    control_ask(&p, "component.scale.NHOST", SCALE("2"));
    EXPECT_EQ(control_event_count(&p, "component_scale_failed"), 2);
    EXPECT_EQ(lattice_core_component_count(control_core(&h)), 0);
    END(h);
}

TEST(a_component_waits_for_its_configuration) {
    BEGIN(h);
    const char *scale =
        "{\"component_ref\":\"r\",\"component_id\":\"a\",\"count\":1,\"config\":[\"x\",\"y\"]}";
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST", scale), YES(""));
    EXPECT_CONTAINS(
        control_event(&p, "component_scale_failed", 0),
        "\"error\":\"Unable to fetch requested config: Configuration x not found in config store. "
        "Configuration y not found in config store. \"");
    EXPECT_EQ(lattice_core_component_count(control_core(&h)), 0);
    control_ask(&p, "config.put.x", "{\"k\":\"1\",\"a\":\"x\"}");
    control_ask(&p, "config.put.y", "{\"k\":\"2\"}");
    EXPECT_TEXT(control_ask(&p, "component.scale.NHOST", scale), YES(""));
    EXPECT_CONTAINS(control_ask(&p, "host.get.NHOST", ""), "\"config\":{\"a\":[\"x\",\"y\"]}");
    EXPECT_EQ(control_event_count(&p, "component_scaled"), 1);
    lattice_component c;
    lattice_pairs merged;
    auto_arena memory;
    arena_init(&memory, 1 << 20);
    REQUIRE(lattice_core_component(control_core(&h), slice_from_text("a"), &c));
    EXPECT_OK(lattice_core_config_merge(control_core(&h), c.config, &memory, &merged));
    REQUIRE(merged.count == 2);
    EXPECT(slice_equal_text(merged.items[0].key, "a") && slice_equal_text(merged.items[0].value, "x"));
    EXPECT(slice_equal_text(merged.items[1].key, "k") && slice_equal_text(merged.items[1].value, "2"));
    END(h);
}

TEST(auctions) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "component.auction",
                            "{\"component_ref\":\"r\",\"component_id\":\"a\",\"constraints\":"
                            "{\"hostcore.os\":\"linux\"}}"),
                "{\"success\":true,\"message\":\"\",\"response\":{\"component_ref\":\"r\","
                "\"component_id\":\"a\",\"host_id\":\"NHOST\",\"constraints\":{\"hostcore.os\":\"linux\"}}}");
    EXPECT_TEXT(control_ask(&p, "component.auction",
                            "{\"component_ref\":\"r\",\"component_id\":\"a\",\"constraints\":"
                            "{\"hostcore.os\":\"windows\"}}"),
                "");
    EXPECT_TEXT(control_ask(&p, "provider.auction",
                            "{\"provider_ref\":\"r\",\"provider_id\":\"a\",\"constraints\":{}}"),
                "{\"success\":true,\"message\":\"\",\"response\":{\"host_id\":\"NHOST\","
                "\"provider_ref\":\"r\",\"provider_id\":\"a\",\"constraints\":{}}}");
    control_ask(&p, "provider.start.NHOST", "{\"provider_ref\":\"r\",\"provider_id\":\"a\"}");
    EXPECT_TEXT(control_ask(&p, "provider.auction",
                            "{\"provider_ref\":\"r\",\"provider_id\":\"a\",\"constraints\":{}}"),
                "");
    EXPECT_CONTAINS(control_ask(&p, "component.auction", "{\"component_id\":\"a\"}"),
                    "failed to deserialize component auction command: \\\"constraints\\\" is missing");
    END(h);
}

// --- providers ---------------------------------------------------------------------------------------------

#define START "{\"provider_ref\":\"file:///p.par\",\"provider_id\":\"p\",\"annotations\":{\"k\":\"v\"}}"

TEST(a_provider_starts_and_stops) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "provider.stop.NHOST", "{\"provider_id\":\"p\"}"),
                NO("provider with that ID is not running"));
    EXPECT_TEXT(control_ask(&p, "provider.start.NHOST", START), YES("successfully started provider"));
    EXPECT_TEXT(control_event(&p, "provider_started", 0),
                "{\"annotations\":{\"k\":\"v\"},\"host_id\":\"NHOST\",\"image_ref\":\"/p.par\","
                "\"provider_id\":\"p\"}");
    EXPECT_TEXT(control_ask(&p, "provider.start.NHOST", START),
                NO("provider with that ID is already running"));
    EXPECT_CONTAINS(control_ask(&p, "host.get.NHOST", ""),
                    "\"providers\":[{\"id\":\"p\",\"image_ref\":\"/p.par\",\"revision\":0,"
                    "\"annotations\":{\"k\":\"v\"}}]");
    EXPECT_TEXT(control_ask(&p, "provider.stop.NHOST", "{\"provider_ref\":\"p\"}"),
                YES("successfully stopped provider"));
    EXPECT_TEXT(control_event(&p, "provider_stopped", 0),
                "{\"annotations\":{\"k\":\"v\"},\"host_id\":\"NHOST\",\"instance_id\":\"p\","
                "\"link_name\":\"default\",\"provider_id\":\"p\",\"public_key\":\"p\",\"reason\":\"stop\"}");
    EXPECT_EQ(lattice_core_provider_count(control_core(&h)), 0);
    END(h);
}

TEST(a_provider_that_cannot_start) {
    BEGIN(h);
    h.failure = "it exits at once";
    EXPECT_TEXT(control_ask(&p, "provider.start.NHOST", START), YES("successfully started provider"));
    EXPECT_TEXT(control_event(&p, "provider_start_failed", 0),
                "{\"error\":\"it exits at once\",\"host_id\":\"NHOST\",\"link_name\":\"default\","
                "\"provider_id\":\"p\",\"provider_ref\":\"file:///p.par\"}");
    EXPECT_EQ(lattice_core_provider_count(control_core(&h)), 0);
    END(h);
}

TEST(a_provider_starts_again_while_it_ends) {
    BEGIN(h);
    control_ask(&p, "provider.start.NHOST", START);
    h.is_idle = true;
    EXPECT_TEXT(control_ask(&p, "provider.stop.NHOST", "{\"provider_id\":\"p\"}"), "");
    EXPECT_TEXT(control_ask(&p, "provider.start.NHOST", "{\"provider_ref\":\"q\",\"provider_id\":\"p\"}"),
                YES("successfully started provider"));
    lattice_core_provider_ended(control_core(&h), control_time(&h), slice_from_text("p"), "stop");
    lattice_provider v;
    REQUIRE(lattice_core_provider(control_core(&h), slice_from_text("p"), &v));
    EXPECT(v.is_wanted && !v.is_running && slice_equal_text(v.ref, "q"));
    h.is_idle = false;
    control_turns(&p);
    EXPECT_CONTAINS(control_event(&p, "provider_started", 1), "\"image_ref\":\"q\"");
    END(h);
}

TEST(the_health_of_a_provider) {
    BEGIN(h);
    control_ask(&p, "provider.start.NHOST", START);
    const bool answers[] = {true, true, false, false};
    for (size_t i = 0; i < 4; i++) {
        lattice_core_provider_health(control_core(&h), control_time(&h), slice_from_text("p"), answers[i]);
    }
    control_turns(&p);
    EXPECT_TEXT(control_event(&p, "health_check_passed", 0), "{\"host_id\":\"NHOST\",\"provider_id\":\"p\"}");
    EXPECT_EQ(control_event_count(&p, "health_check_passed"), 1);
    EXPECT_EQ(control_event_count(&p, "health_check_failed"), 1);
    EXPECT_EQ(control_event_count(&p, "health_check_status"), 2);
    END(h);
}

// --- configuration -----------------------------------------------------------------------------------------

TEST(configurations) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "config.get.x", ""), YES("Configuration not found"));
    EXPECT_TEXT(control_ask(&p, "config.put.x", "{ \"k\" : \"v\" }"), YES("successfully put config"));
    EXPECT_TEXT(control_event(&p, "config_set", 0), "{\"config_name\":\"x\"}");
    EXPECT_TEXT(control_stored(&p, "CONFIGDATA_default", "x"), "{ \"k\" : \"v\" }");
    EXPECT_TEXT(control_ask(&p, "config.get.x", ""),
                "{\"success\":true,\"message\":\"\",\"response\":{\"k\":\"v\"}}");
    EXPECT_CONTAINS(control_ask(&p, "config.put.x", "{\"k\":1}"),
                    "config data should be a map of string -> string");
    EXPECT_CONTAINS(control_ask(&p, "config.put.x", "[]"), "config data should be a map of string -> string");
    EXPECT_TEXT(control_ask(&p, "config.del.x", ""), YES("successfully deleted config"));
    EXPECT_TEXT(control_event(&p, "config_deleted", 0), "{\"config_name\":\"x\"}");
    EXPECT_TEXT(control_ask(&p, "config.get.x", ""), YES("Configuration not found"));
    END(h);
}

// --- links -------------------------------------------------------------------------------------------------

#define LINK(target, more)                                                                                  \
    "{\"source_id\":\"a\",\"target\":\"" target "\",\"name\":\"default\",\"wit_namespace\":\"wasi\","       \
    "\"wit_package\":\"keyvalue\",\"interfaces\":[\"store\"],\"source_config\":[],\"target_config\":[" more \
    "]}"
#define LINK_EVENT(target)                                                                       \
    "{\"interfaces\":[\"store\"],\"name\":\"default\",\"source_config\":[],\"source_id\":\"a\"," \
    "\"target\":\"" target                                                                       \
    "\",\"target_config\":[],\"wit_namespace\":\"wasi\",\"wit_package\":\"keyvalue\"}"
#define DEL "{\"source_id\":\"a\",\"wit_namespace\":\"wasi\",\"wit_package\":\"keyvalue\"}"

TEST(links) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "link.put", LINK("kv", "")), YES("successfully set link"));
    EXPECT_TEXT(control_event(&p, "linkdef_set", 0), LINK_EVENT("kv"));
    EXPECT_TEXT(control_stored(&p, "LATTICEDATA_default", "COMPONENT_a"),
                "{\"url\":\"\",\"links\":[" LINK("kv", "") "]}");
    EXPECT_TEXT(control_ask(&p, "link.get", ""),
                "{\"success\":true,\"message\":\"\",\"response\":[" LINK("kv", "") "]}");
    EXPECT_TEXT(
        control_ask(&p, "link.put", LINK("other", "")),
        NO("link already exists with different target, consider deleting the existing link or using a "
           "different link name"));
    EXPECT_CONTAINS(control_event(&p, "linkdef_set_failed", 0), "{\"error\":\"link already exists with");
    EXPECT_CONTAINS(control_ask(&p, "link.put", "{"), "failed to deserialize wrpc link definition: ");
    const lattice_link *link =
        lattice_core_route(control_core(&h), slice_from_text("a"), slice_from_text("default"),
                           slice_from_text("wasi:keyvalue/store"));
    REQUIRE(link != NULL);
    EXPECT(slice_equal_text(link->target, "kv"));
    EXPECT_TEXT(control_ask(&p, "link.del", DEL), YES("successfully deleted link"));
    EXPECT_TEXT(control_event(&p, "linkdef_deleted", 0),
                "{\"interfaces\":[\"store\"],\"name\":\"default\",\"source_id\":\"a\",\"target\":\"kv\","
                "\"wit_namespace\":\"wasi\",\"wit_package\":\"keyvalue\"}");
    EXPECT_TEXT(control_ask(&p, "link.del", DEL), YES("successfully deleted link"));
    EXPECT_TEXT(control_event(&p, "linkdef_deleted", 1),
                "{\"name\":\"default\",\"source_id\":\"a\",\"wit_namespace\":\"wasi\","
                "\"wit_package\":\"keyvalue\"}");
    EXPECT_TEXT(control_ask(&p, "link.get", ""), "{\"success\":true,\"message\":\"\",\"response\":[]}");
    EXPECT_EQ((int64_t)lattice_core_link_count(control_core(&h)), 0);
    EXPECT_EQ(p.rpc_count, 0); // a strict host tells old peers nothing
    END(h);
}

TEST(deleting_a_link_of_a_source_that_nobody_knows) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "link.del", DEL), YES("successfully deleted link (spec doesn't exist)"));
    EXPECT_EQ(control_event_count(&p, "linkdef_deleted"), 0);
    END(h);
}

TEST(a_link_needs_its_configurations) {
    BEGIN(h);
    const char *link = LINK("kv", "\"c\",\"SECRET_s\"");
    EXPECT_TEXT(control_ask(&p, "link.put", link),
                NO("Failed to validate configuration and secrets. Configuration c not found in config store. "
                   "Secret reference SECRET_s not found in config store. "));
    EXPECT_EQ(control_event_count(&p, "linkdef_set_failed"), 1);
    EXPECT_TEXT(control_stored(&p, "LATTICEDATA_default", "COMPONENT_a"), "");
    control_ask(&p, "config.put.c", "{}");
    control_ask(&p, "config.put.SECRET_s", "{\"backend\":\"b\"}");
    EXPECT_TEXT(control_ask(&p, "link.put", link), YES("successfully set link"));
    END(h);
}

// --- entries of the buckets --------------------------------------------------------------------------------

TEST(what_others_write_is_known) {
    BEGIN(h);
    control_store(&p, "LATTICEDATA_default", "COMPONENT_a",
                  "{\"url\":\"x\",\"more\":1,\"links\":[" LINK("kv", "") ",{\"source_id\":\"a.b\"}]}");
    EXPECT_EQ((int64_t)lattice_core_link_count(control_core(&h)), 1);
    EXPECT_EQ((int64_t)lattice_core_count(control_core(&h)).bad_entries, 1);
    control_store(&p, "LATTICEDATA_default", "COMPONENT_a", "nonsense");
    EXPECT_EQ((int64_t)lattice_core_link_count(control_core(&h)), 0);
    EXPECT_TEXT(control_ask(&p, "link.put", LINK("kv", "")),
                NO("failed to deserialize stored component specification for a"));
    control_store(&p, "LATTICEDATA_default", "COMPONENT_a", "{\"url\":\"x\",\"links\":[" LINK("kv", "") "]}");
    control_purge(&p, "LATTICEDATA_default", "COMPONENT_a");
    EXPECT_EQ((int64_t)lattice_core_link_count(control_core(&h)), 0);
    END(h);
}

TEST(claims_of_the_lattice) {
    BEGIN(h);
    control_store(&p, "LATTICEDATA_default", "CLAIMS_MKEY",
                  "{\"call_alias\":\"\",\"iss\":\"AKEY\",\"name\":\"n\",\"rev\":\"3\",\"sub\":\"MKEY\","
                  "\"tags\":[\"x\",\"y\"],\"version\":\"v\"}");
    control_store(&p, "LATTICEDATA_default", "CLAIMS_VKEY",
                  "{\"issuer\":\"AKEY\",\"name\":\"n\",\"revision\":\"3\",\"subject\":\"VKEY\","
                  "\"version\":\"v\"}");
    control_store(&p, "LATTICEDATA_default", "CLAIMS_MLIE",
                  "{\"issuer\":\"AKEY\",\"name\":\"n\",\"revision\":\"3\",\"subject\":\"MKEY\","
                  "\"version\":\"v\"}");
    EXPECT_TEXT(control_ask(&p, "claims.get", ""),
                "{\"success\":true,\"message\":\"\",\"response\":[{\"call_alias\":\"\",\"iss\":\"AKEY\","
                "\"issuer\":\"AKEY\",\"name\":\"n\",\"rev\":\"3\",\"revision\":\"3\",\"sub\":\"MKEY\","
                "\"subject\":\"MKEY\",\"tags\":\"x,y\",\"version\":\"v\"},{\"config_schema\":\"\","
                "\"iss\":\"AKEY\",\"issuer\":\"AKEY\",\"name\":\"n\",\"rev\":\"3\",\"revision\":\"3\","
                "\"sub\":\"VKEY\",\"subject\":\"VKEY\",\"version\":\"v\"}]}");
    control_purge(&p, "LATTICEDATA_default", "CLAIMS_MKEY");
    control_purge(&p, "LATTICEDATA_default", "CLAIMS_VKEY");
    EXPECT_TEXT(control_ask(&p, "claims.get", ""), "{\"success\":true,\"message\":\"\",\"response\":[]}");
    END(h);
}

TEST(registries) {
    BEGIN(h);
    EXPECT_TEXT(control_ask(&p, "registry.put",
                            "{\"ghcr.io\":{\"username\":\"u\",\"password\":\"s\",\"registryType\":\"oci\"}}"),
                YES("successfully put registries"));
    lattice_registry r;
    REQUIRE(lattice_core_registry_at(control_core(&h), 0, &r));
    EXPECT(slice_equal_text(r.registry, "ghcr.io") && slice_equal_text(r.username, "u") &&
           slice_equal_text(r.password, "s") && r.token.len == 0 && slice_equal_text(r.type, "oci"));
    EXPECT_CONTAINS(control_ask(&p, "registry.put", "{\"ghcr.io\":5}"),
                    "failed to deserialize registries put command");
    EXPECT_EQ(lattice_core_registry_count(control_core(&h)), 1);
    END(h);
}

// --- several hosts -----------------------------------------------------------------------------------------

TEST(hosts_know_the_same) {
    control_place p = {0};
    control_host hosts[3] = {{.id = "NA"}, {.id = "NB"}, {.id = "NC"}};
    control_place_begin(&p);
    control_host_start(&p, &hosts[0], &PLAIN);
    control_host_start(&p, &hosts[1], &PLAIN);
    char body[512];
    for (int i = 0; i < 40; i++) { // whoever of the group gets it
        (void)snprintf(body, sizeof body,
                       "{\"source_id\":\"a\",\"target\":\"b%d\",\"name\":\"n%d\",\"wit_namespace\":\"wasi\","
                       "\"wit_package\":\"keyvalue\",\"interfaces\":[\"store\"]}",
                       i, i);
        EXPECT_TEXT(control_ask(&p, "link.put", body), YES("successfully set link"));
        EXPECT_EQ(p.answers, 1);
        p.event_count = 0;
    }
    control_ask(&p, "config.put.c", "{\"k\":\"v\"}");
    control_host_start(&p, &hosts[2], &PLAIN); // comes later
    for (size_t i = 0; i < 3; i++) {
        lattice_pairs values;
        EXPECT_EQ((int64_t)lattice_core_link_count(control_core(&hosts[i])), 40);
        EXPECT(lattice_core_config(control_core(&hosts[i]), slice_from_text("c"), &values));
    }
    control_ask(&p, "host.ping", "");
    EXPECT_EQ(p.answers, 3);
    control_ask(&p, "component.scale.NB", SCALE("1"));
    EXPECT_EQ(p.answers, 1);
    EXPECT_EQ((int64_t)lattice_core_component_count(control_core(&hosts[0])), 0);
    EXPECT_EQ((int64_t)lattice_core_component_count(control_core(&hosts[1])), 1);
    for (size_t i = 0; i < 3; i++) {
        control_host_done(&hosts[i]);
    }
    control_place_done(&p);
}

// All at once, so that they get into each other's way.
TEST(changes_of_one_source_on_several_hosts_at_once) {
    enum { HOSTS = 4, LINKS = 24 };
    control_place p = {0};
    control_host hosts[HOSTS] = {{.id = "NA"}, {.id = "NB"}, {.id = "NC"}, {.id = "ND"}};
    control_place_begin(&p);
    for (size_t i = 0; i < HOSTS; i++) {
        control_host_start(&p, &hosts[i], &PLAIN);
    }
    for (int i = 0; i < LINKS; i++) {
        char body[512];
        (void)snprintf(body, sizeof body,
                       "{\"source_id\":\"a\",\"target\":\"b\",\"name\":\"n%d\",\"wit_namespace\":\"wasi\","
                       "\"wit_package\":\"keyvalue\",\"interfaces\":[\"store\"]}",
                       i);
        const bus_message m = {.subject = slice_from_text("wasmbus.ctl.v1.default.link.put"),
                               .payload = slice_from_text(body)};
        EXPECT_OK(bus_publish(p.b, &m, NULL));
    }
    control_turns(&p);
    control_turns(&p);
    EXPECT_EQ((int64_t)control_event_count(&p, "linkdef_set"), LINKS);
    for (size_t i = 0; i < HOSTS; i++) {
        EXPECT_EQ((int64_t)lattice_core_link_count(control_core(&hosts[i])), LINKS);
        control_host_done(&hosts[i]);
    }
    control_place_done(&p);
}

TEST(a_host_that_is_drained_leaves_requests_to_others) {
    control_place p = {0};
    control_host hosts[2] = {{.id = "NA"}, {.id = "NB"}};
    control_place_begin(&p);
    control_host_start(&p, &hosts[0], &PLAIN);
    control_host_start(&p, &hosts[1], &PLAIN);
    lattice_control_drain(hosts[0].control);
    for (int i = 0; i < 20; i++) {
        control_forget_events(&p);
        control_ask(&p, "config.put.c", "{}");
        EXPECT_CONTAINS(p.last_event, "\"source\":\"NB\"");
    }
    control_ask(&p, "component.auction", "{\"component_id\":\"x\",\"constraints\":{}}");
    EXPECT_EQ(p.answers, 1);
    EXPECT_CONTAINS(p.answer, "\"host_id\":\"NB\"");
    EXPECT_CONTAINS(control_ask(&p, "host.get.NA", ""), "\"host_id\":\"NA\"");
    control_host_done(&hosts[0]);
    control_host_done(&hosts[1]);
    control_place_done(&p);
}
