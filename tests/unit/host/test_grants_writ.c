// SPDX-License-Identifier: Apache-2.0
// The gate with a writ: what it and the trust in its issuer do not allow is refused, whatever the options.
#include "host/grants.h"
#include "host/proposal.h"

#include "test.h"
#include "unit/component/helper_wat.c"

#define EMPTY_IMPORT(name) "(import \"" name "\" (instance))"

static const char base_wat[] = "(component " EMPTY_IMPORT("wasi:io/streams@0.2.3")
    EMPTY_IMPORT("wasi:http/outgoing-handler@0.2.0") EMPTY_IMPORT("wasi:sockets/tcp@0.2.0") ")";
static const char keyvalue_wat[] = "(component " EMPTY_IMPORT("wasi:keyvalue/store@0.2.0-draft") ")";

typedef struct fixture {
    buf binary;
    component *c;
    host_config host;
    workload_config *config;
    arena memory;
    allowance lists[2]; // of the writ, of the trust
    grants_writ writ;
    grants *g;
} fixture;

static void setup_with(fixture *f, const char *wat) {
    *f = (fixture){0};
    err e = {0};
    host_config_init(&f->host);
    REQUIRE(host_config_add_workload(&f->host, &f->config, NULL) == STATUS_OK);
    arena_init(&f->memory, 1 << 20);
    if (wat_decode(wat, &f->binary, &f->c, &e) != STATUS_OK) {
        printf("%s\n", e.message);
    }
    f->writ.issuer = "ATHEMAKER";
}

static void setup(fixture *f) { setup_with(f, base_wat); }

static void teardown(fixture *f) {
    grants_free(f->g);
    component_free(f->c);
    buf_done(&f->binary);
    arena_done(&f->memory);
    host_config_done(&f->host);
}

// A list from its text form, entries separated by spaces.
static const allowance *list(fixture *f, int which, const char *text) {
    slice all = slice_from_text(text);
    allowance_entry *entries = ARENA_ARRAY(&f->memory, allowance_entry, 16);
    size_t count = 0;
    for (size_t at = 0; at < all.len;) {
        size_t space = slice_find(all, at, ' ');
        EXPECT(allowance_entry_parse(slice_sub(all, at, space), &f->memory, &entries[count++], NULL) ==
               STATUS_OK);
        at = space == SIZE_MAX ? all.len : space + 1;
    }
    f->lists[which] = (allowance){count, entries};
    return &f->lists[which];
}

static const grant_decision *decide(fixture *f, const char *name) {
    err e = {0};
    grants_free(f->g);
    f->g = NULL;
    EXPECT(grants_new(f->c, f->config, &f->writ, &f->g, &e) == STATUS_OK);
    for (size_t i = 0; i < grants_count(f->g); i++) {
        if (slice_starts_with(grants_at(f->g, i)->import_name, name)) {
            return grants_at(f->g, i);
        }
    }
    return NULL;
}

static bool admitted(fixture *f, const char *name, semver version) {
    const host_interface *interface = NULL;
    component_gate admits = grants_gate(f->g);
    return admits.admit(admits.context, &(component_import){slice_from_text(name), &version, {0}}, &interface,
                        NULL) == STATUS_OK &&
           interface != NULL;
}

static void allow_http(fixture *f, const char *rule) {
    EXPECT(network_policy_add(&f->config->http_policy, slice_from_text(rule), NETWORK_PORT_OF_HTTP, NULL) ==
           STATUS_OK);
}

#define HTTP "wasi:http/outgoing-handler"
#define KEYVALUE "wasi:keyvalue/store"
static const semver keyvalue_version = {.minor = 2, .pre = SLICE_LITERAL("draft")};

TEST(without_a_list_nothing_narrows) {
    fixture f;
    setup(&f);
    EXPECT(decide(&f, HTTP)->state == GRANT_INERT);
    EXPECT(grants_check(f.g, NULL) == STATUS_OK);
    teardown(&f);
}

TEST(an_import_outside_of_the_writ_is_refused) {
    fixture f;
    setup(&f);
    f.writ.writ = list(&f, 0, "wasi:io wasi:http@^0.2.0");
    const grant_decision *d = decide(&f, "wasi:sockets/tcp");
    EXPECT(d->state == GRANT_REFUSED);
    EXPECT(strstr(d->why, "its writ (ATHEMAKER) does not allow it") != NULL);
    EXPECT(strstr(d->why, "--cap wasi:sockets/tcp@0.2.0") != NULL);
    EXPECT(d->option[0] == '\0'); // no option of a run helps
    EXPECT(!admitted(&f, "wasi:sockets/tcp", (semver)SEMVER(0, 2, 0)));
    EXPECT(admitted(&f, HTTP, (semver)SEMVER(0, 2, 0)));
    err e = {0};
    EXPECT(grants_check(f.g, &e) == STATUS_DENIED);
    EXPECT(strstr(e.message, "its writ") != NULL);
    teardown(&f);
}

TEST(no_option_widens) {
    fixture f;
    setup(&f);
    f.writ.writ = list(&f, 0, "wasi:io wasi:http");
    EXPECT(host_config_add_text(&f.config->grants, &f.config->grant_count, "wasi:sockets", NULL) ==
           STATUS_OK);
    EXPECT(network_policy_add(&f.config->net_policy, slice_from_text("a.org:1"), NETWORK_PORT_ANY, NULL) ==
           STATUS_OK);
    EXPECT(decide(&f, "wasi:sockets/tcp")->state == GRANT_REFUSED);
    f.config->is_strict = true;
    EXPECT(decide(&f, "wasi:sockets/tcp")->state == GRANT_REFUSED);
    teardown(&f);
}

TEST(options_narrow) {
    fixture f;
    setup(&f);
    f.writ.writ = list(&f, 0, "*");
    EXPECT(host_config_add_text(&f.config->refusals, &f.config->refusal_count, "wasi:http", NULL) ==
           STATUS_OK);
    EXPECT(decide(&f, HTTP)->state == GRANT_REFUSED);
    EXPECT(strstr(decide(&f, HTTP)->why, "--refuse") != NULL);
    teardown(&f);
}

TEST(versions_count) {
    fixture f;
    setup(&f);
    f.writ.writ = list(&f, 0, "wasi:io@0.2.2 wasi:http wasi:sockets");
    EXPECT(decide(&f, "wasi:io/streams")->state == GRANT_REFUSED);
    f.writ.writ = list(&f, 0, "wasi:io@0.2.3 wasi:http wasi:sockets");
    EXPECT(decide(&f, "wasi:io/streams")->state == GRANT_GRANTED);
    teardown(&f);
}

TEST(rules_within_the_hosts) {
    fixture f;
    setup(&f);
    f.writ.writ = list(&f, 0, "wasi:io wasi:sockets wasi:http;hosts=*.example.com,localhost:8080");
    EXPECT(decide(&f, HTTP)->state == GRANT_INERT);
    EXPECT(strcmp(decide(&f, HTTP)->limits, "hosts *.example.com, localhost:8080") == 0);
    allow_http(&f, "api.example.com");
    EXPECT(decide(&f, HTTP)->state == GRANT_GRANTED);
    allow_http(&f, "localhost:8080");
    EXPECT(decide(&f, HTTP)->state == GRANT_GRANTED);
    allow_http(&f, "api.example.com:8443");
    const grant_decision *d = decide(&f, HTTP);
    EXPECT(d->state == GRANT_REFUSED);
    EXPECT(strstr(d->why, "--allow-http api.example.com:8443 reaches further than its writ") != NULL);
    EXPECT(strstr(d->why, "hosts *.example.com, localhost:8080") != NULL);
    EXPECT(!admitted(&f, HTTP, (semver)SEMVER(0, 2, 0)));
    teardown(&f);
}

TEST(an_empty_list_allows_no_host) {
    fixture f;
    setup(&f);
    f.writ.writ = list(&f, 0, "wasi:io wasi:sockets wasi:http;hosts=");
    EXPECT(decide(&f, HTTP)->state == GRANT_INERT);
    EXPECT(strcmp(decide(&f, HTTP)->limits, "no host") == 0);
    allow_http(&f, "a.org");
    EXPECT(decide(&f, HTTP)->state == GRANT_REFUSED);
    teardown(&f);
}

TEST(hosts_of_other_interfaces_do_not_help) {
    fixture f;
    setup(&f);
    f.writ.writ = list(&f, 0, "wasi:io wasi:sockets;hosts=a.org wasi:http;hosts=b.org");
    allow_http(&f, "a.org");
    EXPECT(decide(&f, HTTP)->state == GRANT_REFUSED);
    teardown(&f);
}

TEST(sockets_have_hosts_too) {
    fixture f;
    setup(&f);
    f.writ.writ = list(&f, 0, "wasi:io wasi:http wasi:sockets;hosts=10.0.0.0/8:5432");
    EXPECT(network_policy_add(&f.config->net_policy, slice_from_text("10.1.2.3:5432"), NETWORK_PORT_ANY,
                              NULL) == STATUS_OK);
    EXPECT(decide(&f, "wasi:sockets/tcp")->state == GRANT_GRANTED);
    EXPECT(network_policy_add(&f.config->net_policy, slice_from_text("10.1.2.3"), NETWORK_PORT_ANY, NULL) ==
           STATUS_OK);
    EXPECT(decide(&f, "wasi:sockets/tcp")->state == GRANT_REFUSED);
    EXPECT(strstr(decide(&f, "wasi:sockets/tcp")->why, "--allow-net 10.1.2.3/32 ") != NULL);
    teardown(&f);
}

TEST(trust_narrows_too) {
    fixture f;
    setup(&f);
    f.writ.writ = list(&f, 0, "*");
    f.writ.trust = list(&f, 1, "wasi:io wasi:http;hosts=*.example.com");
    const grant_decision *d = decide(&f, "wasi:sockets/tcp");
    EXPECT(d->state == GRANT_REFUSED);
    EXPECT(strstr(d->why, "the trust in its issuer (ATHEMAKER) does not allow it") != NULL);
    allow_http(&f, "other.org");
    EXPECT(decide(&f, HTTP)->state == GRANT_REFUSED);
    EXPECT(strstr(decide(&f, HTTP)->why, "the trust in its issuer") != NULL);
    // Both must allow it.
    f.writ.trust = list(&f, 1, "*");
    f.writ.writ = list(&f, 0, "wasi:io wasi:http");
    EXPECT(decide(&f, "wasi:sockets/tcp")->state == GRANT_REFUSED);
    EXPECT(decide(&f, HTTP)->state == GRANT_GRANTED);
    teardown(&f);
}

// Which buckets a link has, or NULL for any.
static void link_buckets(fixture *f, const char *name, const char *buckets) {
    host_link *l;
    REQUIRE(host_links_add(&f->config->links, name, "memory", &l, NULL) == STATUS_OK);
    EXPECT(host_link_add_interface(l, slice_from_text(KEYVALUE), NULL) == STATUS_OK);
    EXPECT(buckets == NULL ||
           host_link_add_setting(l, slice_from_text("buckets"), slice_from_text(buckets), NULL) == STATUS_OK);
}

TEST(links_have_the_buckets_that_are_allowed) {
    static const struct {
        const char *writ, *first, *second; // buckets of the two links
        bool granted;
    } rows[] = {
        {"*", NULL, "a", true},
        {KEYVALUE, NULL, "a", true},
        {KEYVALUE ";buckets=cart-*", "cart-1", "cart-1,cart-2", true},
        {KEYVALUE ";buckets=cart-*", "cart-1", "cart-1,other", false},
        {KEYVALUE ";buckets=cart-*", "cart-1", NULL, false},
        {KEYVALUE ";buckets=cart-*", "cart-1", "", false},
        {KEYVALUE ";buckets=cart-*", "cart-1", "cart-1,", false},
        {KEYVALUE ";buckets=cart-*", "*", "cart-1", false},
        {KEYVALUE ";buckets=", "a", "b", false},
        {KEYVALUE ";buckets=*", NULL, "b", true},
        {"wasi:keyvalue;buckets=a " KEYVALUE ";buckets=b", "a", "b", true},
        {"wasi:keyvalue;buckets=a " KEYVALUE, NULL, "b", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int side = 0; side < 2; side++) { // the writ, and the trust in its issuer
            fixture f;
            setup_with(&f, keyvalue_wat);
            const allowance *a = list(&f, side, rows[i].writ);
            f.writ.writ = side == 0 ? a : NULL;
            f.writ.trust = side == 1 ? a : NULL;
            link_buckets(&f, "default", rows[i].first);
            link_buckets(&f, "second", rows[i].second);
            const grant_decision *d = decide(&f, KEYVALUE);
            if (!EXPECT_EQ(d->state == GRANT_GRANTED, rows[i].granted)) {
                printf("    row %zu: %s\n", i, d->why);
            }
            EXPECT_EQ(admitted(&f, KEYVALUE, keyvalue_version), rows[i].granted);
            teardown(&f);
        }
    }
}

#define CONSUMER "wasmcloud:messaging/consumer"
static const char consumer_wat[] = "(component " EMPTY_IMPORT("wasmcloud:messaging/consumer@0.2.0") ")";

static void link_subjects(fixture *f, const char *subjects, const char *subscriptions) {
    host_link *l;
    REQUIRE(host_links_add(&f->config->links, "default", "local", &l, NULL) == STATUS_OK);
    EXPECT(host_link_add_interface(l, slice_from_text(CONSUMER), NULL) == STATUS_OK);
    EXPECT(host_link_add_setting(l, slice_from_text("subjects"), slice_from_text(subjects), NULL) ==
           STATUS_OK);
    EXPECT(host_link_add_setting(l, slice_from_text("subscriptions"), slice_from_text(subscriptions), NULL) ==
           STATUS_OK);
}

TEST(links_have_the_subjects_that_are_allowed) {
    static const struct {
        const char *writ, *subjects, *subscriptions;
        bool granted;
    } rows[] = {
        {"*", "a,b.>", ">", true},
        {CONSUMER, "a,b.>", ">", true},
        {CONSUMER ";subjects=a.*", "a.b,a.*", "a.c|q", true},
        {CONSUMER ";subjects=a.*", "a.b;a.>", "", false},
        {CONSUMER ";subjects=a.*", "a.b", "b|q", false},
        {CONSUMER ";subjects=a.*", "", "", true},
        {CONSUMER ";subjects=", "a", "", false},
        {CONSUMER ";subjects=a.*", "a..b", "", false},
        {"wasmcloud:messaging;subjects=a " CONSUMER ";subjects=b", "a", "b", true},
        {"wasmcloud:messaging;buckets=x", "a", "b", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture f;
        setup_with(&f, consumer_wat);
        f.writ.writ = list(&f, 0, rows[i].writ);
        link_subjects(&f, rows[i].subjects, rows[i].subscriptions);
        const grant_decision *d = decide(&f, CONSUMER);
        if (!EXPECT_EQ(d->state == GRANT_GRANTED, rows[i].granted)) {
            printf("    row %zu: %s\n", i, d->why);
        }
        teardown(&f);
    }
}

TEST(the_proposal_is_what_it_imports) {
    fixture f;
    setup(&f);
    allowance a;
    err e = {0};
    EXPECT(host_propose_allowance(f.c, &f.memory, &a, &e) == STATUS_OK);
    EXPECT(a.count == 3);
    EXPECT(slice_equal_text(a.entries[0].interface, "wasi:io/streams"));
    EXPECT(slice_equal_text(a.entries[0].version_text, "0.2.3"));
    f.writ.writ = &a;
    EXPECT(decide(&f, HTTP)->state == GRANT_INERT);
    EXPECT(grants_check(f.g, NULL) == STATUS_OK);
    teardown(&f);
}

TEST(what_no_list_can_name_is_not_proposed) {
    static const char *const wats[] = {"(component (import \"log\" (func)))",
                                       "(component (import \"plain\" (instance)))"};
    for (size_t i = 0; i < sizeof wats / sizeof wats[0]; i++) {
        auto_buf binary = {0};
        auto_arena memory;
        arena_init(&memory, 1 << 20);
        component *c = NULL;
        allowance a;
        err e = {0};
        EXPECT(wat_decode(wats[i], &binary, &c, &e) == STATUS_OK);
        EXPECT(host_propose_allowance(c, &memory, &a, &e) == STATUS_UNSUPPORTED);
        EXPECT(strstr(e.message, "compose") != NULL);
        component_free(c);
    }
}
