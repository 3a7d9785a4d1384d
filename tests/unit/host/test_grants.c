// SPDX-License-Identifier: Apache-2.0
#include "host/grants.h"

#include "test.h"

#include "base/mem.h"
#include "capability/offers.h"
#include "unit/component/helper_wat.c"

// A component that imports the named interfaces, empty, and exports nothing (or a command).
typedef struct fixture {
    buf binary;
    component *c;
    host_config host;
    workload_config *config;
    const grants_writ *writ;
    grants *g;
} fixture;

static void setup(fixture *f, const char *wat) {
    *f = (fixture){0};
    err e = {0};
    host_config_init(&f->host);
    REQUIRE(host_config_add_workload(&f->host, &f->config, NULL) == STATUS_OK);
    if (wat_decode(wat, &f->binary, &f->c, &e) != STATUS_OK) {
        printf("%s\n", e.message);
    }
}

static void decide(fixture *f) {
    err e = {0};
    grants_free(f->g);
    f->g = NULL;
    EXPECT(grants_new(f->c, f->config, f->writ, &f->g, &e) == STATUS_OK);
}

static void teardown(fixture *f) {
    grants_free(f->g);
    component_free(f->c);
    buf_done(&f->binary);
    host_config_done(&f->host);
}

static const grant_decision *decision(const fixture *f, const char *name) {
    for (size_t i = 0; i < grants_count(f->g); i++) {
        if (slice_equal_text(grants_at(f->g, i)->import_name, name)) {
            return grants_at(f->g, i);
        }
    }
    return NULL;
}

static bool is(const fixture *f, const char *name, grant_state state) {
    const grant_decision *d = decision(f, name);
    return d != NULL && d->state == state && d->why[0] != '\0';
}

#define EMPTY_IMPORT(name) "(import \"" name "\" (instance))"

static const char base_wat[] = "(component " EMPTY_IMPORT("wasi:cli/stdout@0.2.0")
    EMPTY_IMPORT("wasi:io/streams@0.2.3") EMPTY_IMPORT("wasi:filesystem/types@0.2.0")
        EMPTY_IMPORT("wasi:sockets/tcp@0.2.12") EMPTY_IMPORT("wasi:http/outgoing-handler@0.2.9")
            EMPTY_IMPORT("wasi:cli/environment@0.2.0") EMPTY_IMPORT("wasi:clocks/wall-clock@0.2.0") ")";

TEST(nothing_named_means_no_authority) {
    fixture f;
    setup(&f, base_wat);
    decide(&f);
    EXPECT(is(&f, "wasi:io/streams@0.2.3", GRANT_GRANTED));
    EXPECT(is(&f, "wasi:clocks/wall-clock@0.2.0", GRANT_GRANTED));
    EXPECT(is(&f, "wasi:cli/stdout@0.2.0", GRANT_INERT));
    EXPECT(is(&f, "wasi:filesystem/types@0.2.0", GRANT_INERT));
    EXPECT(is(&f, "wasi:sockets/tcp@0.2.12", GRANT_INERT));
    EXPECT(is(&f, "wasi:http/outgoing-handler@0.2.9", GRANT_INERT));
    EXPECT(is(&f, "wasi:cli/environment@0.2.0", GRANT_INERT));
    EXPECT(grants_check(f.g, NULL) == STATUS_OK);
    teardown(&f);
}

TEST(a_secret_grants_the_interfaces_of_secrets) {
    fixture f;
    setup(&f, "(component " EMPTY_IMPORT("wasmcloud:secrets/store@0.1.0-draft")
                  EMPTY_IMPORT("wasmcloud:secrets/reveal@0.1.0-draft") ")");
    EXPECT_OK(workload_config_add_secret(f.config, &(host_secret){.name = "db", .key = "db"}, NULL));
    decide(&f);
    EXPECT(is(&f, "wasmcloud:secrets/store@0.1.0-draft", GRANT_GRANTED));
    EXPECT(is(&f, "wasmcloud:secrets/reveal@0.1.0-draft", GRANT_GRANTED));
    EXPECT_TEXT(decision(&f, "wasmcloud:secrets/store@0.1.0-draft")->why, "1 secret by --secret");
    teardown(&f);
}

TEST(secrets_are_not_imported_unawares) {
    fixture f;
    setup(&f, "(component " EMPTY_IMPORT("wasmcloud:secrets/store@0.1.0-draft")
                  EMPTY_IMPORT("wasmcloud:secrets/reveal@0.1.0-draft") ")");
    decide(&f);
    EXPECT(is(&f, "wasmcloud:secrets/store@0.1.0-draft", GRANT_REFUSED));
    EXPECT(is(&f, "wasmcloud:secrets/reveal@0.1.0-draft", GRANT_REFUSED));
    EXPECT_TEXT(decision(&f, "wasmcloud:secrets/store@0.1.0-draft")->option, "--secret NAME");
    EXPECT_OK(host_config_add_text(&f.config->grants, &f.config->grant_count, "wasmcloud:secrets", NULL));
    decide(&f);
    EXPECT(is(&f, "wasmcloud:secrets/store@0.1.0-draft", GRANT_INERT));
    EXPECT_OK(host_config_add_text(&f.config->refusals, &f.config->refusal_count, "wasmcloud:secrets/reveal",
                                   NULL));
    decide(&f);
    EXPECT(is(&f, "wasmcloud:secrets/store@0.1.0-draft", GRANT_INERT));
    EXPECT(is(&f, "wasmcloud:secrets/reveal@0.1.0-draft", GRANT_REFUSED));
    teardown(&f);
}

TEST(options_grant_what_they_name_and_not_more) {
    fixture f;
    setup(&f, base_wat);
    EXPECT(workload_config_add_directory(f.config, "/tmp", "/data", true, NULL) == STATUS_OK);
    EXPECT(network_policy_add(&f.config->http_policy, slice_from_text("example.org"), NETWORK_PORT_OF_HTTP,
                              NULL) == STATUS_OK);
    decide(&f);
    EXPECT(is(&f, "wasi:filesystem/types@0.2.0", GRANT_GRANTED));
    EXPECT(is(&f, "wasi:http/outgoing-handler@0.2.9", GRANT_GRANTED));
    EXPECT(is(&f, "wasi:sockets/tcp@0.2.12", GRANT_INERT)); // another allow-list
    EXPECT(is(&f, "wasi:cli/environment@0.2.0", GRANT_INERT));
    teardown(&f);
}

TEST(strict_refuses_what_is_inert_unless_named) {
    fixture f;
    setup(&f, base_wat);
    f.config->is_strict = true;
    EXPECT(host_config_add_text(&f.config->grants, &f.config->grant_count, "wasi:sockets", NULL) ==
           STATUS_OK);
    decide(&f);
    err e = {0};
    EXPECT(grants_check(f.g, &e) == STATUS_DENIED);
    EXPECT(strstr(e.message, "wasi:cli/stdout@0.2.0") != NULL);
    EXPECT(strstr(e.message, "--grant wasi:filesystem/types") != NULL);
    EXPECT(is(&f, "wasi:sockets/tcp@0.2.12", GRANT_INERT));
    EXPECT(is(&f, "wasi:io/streams@0.2.3", GRANT_GRANTED));
    teardown(&f);
}

// What it suggests must be enough: applying it lets the component start.
TEST(suggestion_is_enough_and_smallest) {
    fixture f;
    setup(&f, "(component " EMPTY_IMPORT("wasi:cli/stdout@0.2.0") EMPTY_IMPORT("wasi:io/poll@0.2.0") ")");
    f.config->is_strict = true;
    decide(&f);
    auto_buf line;
    buf_init(&line, 4096);
    EXPECT(grants_suggest(f.g, &line) == STATUS_OK);
    EXPECT(slice_equal_text(buf_slice(&line), "--grant wasi:cli/stdout"));
    EXPECT(host_config_add_text(&f.config->grants, &f.config->grant_count, "wasi:cli/stdout", NULL) ==
           STATUS_OK);
    decide(&f);
    EXPECT(grants_check(f.g, NULL) == STATUS_OK);
    teardown(&f);
}

TEST(refuse_wins_over_everything) {
    fixture f;
    setup(&f, base_wat);
    EXPECT(host_config_add_text(&f.config->grants, &f.config->grant_count, "wasi:io/streams", NULL) ==
           STATUS_OK);
    EXPECT(host_config_add_text(&f.config->refusals, &f.config->refusal_count, "wasi:io", NULL) == STATUS_OK);
    decide(&f);
    EXPECT(is(&f, "wasi:io/streams@0.2.3", GRANT_REFUSED));
    EXPECT(is(&f, "wasi:cli/stdout@0.2.0", GRANT_INERT));
    teardown(&f);
}

TEST(a_pattern_is_a_whole_package_or_a_whole_interface) {
    fixture f;
    setup(&f, base_wat);
    EXPECT(host_config_add_text(&f.config->refusals, &f.config->refusal_count, "wasi:i", NULL) == STATUS_OK);
    EXPECT(host_config_add_text(&f.config->refusals, &f.config->refusal_count, "wasi:io/stream", NULL) ==
           STATUS_OK);
    decide(&f);
    EXPECT(is(&f, "wasi:io/streams@0.2.3", GRANT_GRANTED));
    EXPECT(host_config_add_text(&f.config->refusals, &f.config->refusal_count, "wasi:io/streams@0.2.0",
                                NULL) == STATUS_OK);
    decide(&f);
    EXPECT(is(&f, "wasi:io/streams@0.2.3", GRANT_REFUSED));
    teardown(&f);
}

TEST(what_nobody_offers_is_refused_without_an_option) {
    fixture f;
    setup(&f, "(component " EMPTY_IMPORT("acme:secret/store@1.0.0")
                  EMPTY_IMPORT("wasi:io/poll@0.3.0") "(import \"f\" (func)))");
    EXPECT(host_config_add_text(&f.config->grants, &f.config->grant_count, "acme:secret/store", NULL) ==
           STATUS_OK);
    decide(&f);
    EXPECT(is(&f, "acme:secret/store@1.0.0", GRANT_REFUSED));
    EXPECT(is(&f, "wasi:io/poll@0.3.0", GRANT_REFUSED));
    EXPECT(is(&f, "f", GRANT_REFUSED));
    for (size_t i = 0; i < grants_count(f.g); i++) {
        EXPECT(grants_at(f.g, i)->option[0] == '\0');
    }
    teardown(&f);
}

// The only source of imports: asks for every name, also those that the component does not import.
TEST(the_gate_binds_only_what_was_decided) {
    fixture f;
    setup(&f, "(component " EMPTY_IMPORT("wasi:io/poll@0.2.0") EMPTY_IMPORT("wasi:cli/stdout@0.2.0") ")");
    EXPECT(host_config_add_text(&f.config->refusals, &f.config->refusal_count, "wasi:cli/stdout", NULL) ==
           STATUS_OK);
    decide(&f);
    component_gate admits = grants_gate(f.g);
    const host_interface *bound = NULL;
    semver version = SEMVER(0, 2, 0), other = SEMVER(0, 2, 1);
    EXPECT(admits.admit(admits.context, &(component_import){slice_from_text("wasi:io/poll"), &version, {0}},
                        &bound, NULL) == STATUS_OK);
    EXPECT(bound != NULL && slice_equal_text(bound->name, "wasi:io/poll"));
    EXPECT(admits.admit(admits.context, &(component_import){slice_from_text("wasi:io/poll"), &other, {0}},
                        &bound, NULL) == STATUS_DENIED);
    EXPECT(admits.admit(admits.context,
                        &(component_import){slice_from_text("wasi:cli/stdout"), &version, {0}}, &bound,
                        NULL) == STATUS_DENIED);
    EXPECT(admits.admit(admits.context,
                        &(component_import){slice_from_text("wasi:io/streams"), &version, {0}}, &bound,
                        NULL) == STATUS_DENIED);
    EXPECT(admits.admit(admits.context,
                        &(component_import){slice_from_text("wasi:sockets/tcp"), &version, {0}}, &bound,
                        NULL) == STATUS_DENIED);
    teardown(&f);
}

// --- nothing is bound past the gate ------------------------------------------------------------------------

typedef struct watch { // a gate that counts, and refuses the import of one number
    size_t asked;
    size_t refused; // SIZE_MAX: none
    slice names[64];
} watch;

static status watch_admit(void *context, const component_import *asked, const host_interface **ret, err *e) {
    watch *w = context;
    size_t n = w->asked++;
    w->names[n % 64] = asked->name;
    const wasi_offer *offer = wasi_offer_find(asked->name, asked->version);
    if (n == w->refused || offer == NULL) {
        return err_set(e, STATUS_DENIED, "not here");
    }
    *ret = offer->interface;
    return STATUS_OK;
}

static status link_watched(const component *c, watch *w) {
    static const core_ops no_modules = {0};
    core_engine engine = {&no_modules};
    const component_link_options o = {.engine = &engine, .gate = {w, watch_admit}};
    component_program *p = NULL;
    err e = {0};
    w->asked = 0;
    status s = component_link(c, &o, &p, &e);
    component_program_free(p);
    return s;
}

// Each import of the root is asked for once, whatever uses it, and none that is refused can be linked.
static void check_asked(const char *wat, size_t imports) {
    fixture f;
    setup(&f, wat);
    watch w = {.refused = SIZE_MAX};
    EXPECT(f.c != NULL && component_import_count(f.c) == imports);
    EXPECT(link_watched(f.c, &w) == STATUS_OK);
    EXPECT_EQ(w.asked, imports);
    for (size_t i = 0; i < imports; i++) {
        slice name;
        semver version;
        (void)component_name_split(component_import_at(f.c, i)->name, &name, &version);
        EXPECT(slice_equal(w.names[i], name));
        w.refused = i;
        EXPECT(link_watched(f.c, &w) != STATUS_OK);
        w.refused = SIZE_MAX;
    }
    teardown(&f);
}

TEST(every_interface_that_is_offered_is_asked_for) {
    for (size_t i = 0; i < wasi_offer_count(); i++) {
        const host_interface *h = wasi_offer_at(i)->interface;
        char wat[512];
        (void)snprintf(wat, sizeof wat, "(component (import \"%.*s@%u.%u.%u%s%.*s\" (instance)))",
                       SLICE_ARG(h->name), h->version.major, h->version.minor, h->version.patch,
                       h->version.pre.len > 0 ? "-" : "", SLICE_ARG(h->version.pre));
        check_asked(wat, 1);
    }
}

TEST(imports_are_asked_for_wherever_they_are_used) {
    check_asked(base_wat, 7);
    check_asked("(component (import \"wasi:io/poll@0.2.0\" (instance $p))"
                "  (component $inner (import \"anything\" (instance))"
                "    (component $deeper (import \"wasi:io/error@0.2.0\" (instance)))"
                "    (import \"wasi:sockets/tcp@0.2.0\" (instance $e))"
                "    (instance (instantiate $deeper (with \"wasi:io/error@0.2.0\" (instance $e)))))"
                "  (instance (instantiate $inner (with \"anything\" (instance $p))"
                "    (with \"wasi:sockets/tcp@0.2.0\" (instance $p)))))",
                1);
}

TEST(commands_get_the_callers_stdio_by_default) {
    fixture f;
    setup(&f, "(component " EMPTY_IMPORT(
                  "wasi:cli/stdout@0.2.0") "(component $c (core module $m (func (export \"run\") (result "
                                           "i32) i32.const 0))"
                                           "(core instance $i (instantiate $m)) (func (export \"run\") "
                                           "(result (result)) (canon lift (core func $i \"run\"))))"
                                           "(instance $run (instantiate $c)) (export \"wasi:cli/run@0.2.0\" "
                                           "(instance $run)))");
    decide(&f);
    EXPECT(is(&f, "wasi:cli/stdout@0.2.0", GRANT_GRANTED));
    f.config->stdio = HOST_STDIO_NONE;
    decide(&f);
    EXPECT(is(&f, "wasi:cli/stdout@0.2.0", GRANT_INERT));
    teardown(&f);
}

TEST(an_import_may_be_another_workloads) {
    fixture f;
    setup(&f, "(component " EMPTY_IMPORT("test:app/sum@1.0.0") EMPTY_IMPORT("test:app/other") ")");
    decide(&f);
    EXPECT(is(&f, "test:app/sum@1.0.0", GRANT_REFUSED));
    EXPECT_OK(workload_config_add_callee(f.config, "test:app/sum", "default", "adder", NULL));
    decide(&f);
    EXPECT(is(&f, "test:app/sum@1.0.0", GRANT_GRANTED));
    EXPECT_CONTAINS(decision(&f, "test:app/sum@1.0.0")->why, "calls workload \"adder\"");
    EXPECT(is(&f, "test:app/other", GRANT_REFUSED));
    // Decided is not bound: only the process that runs it has what stands behind.
    const host_interface *bound = NULL;
    const semver version = SEMVER(1, 0, 0), later = SEMVER(1, 3, 0);
    component_gate g = grants_gate(f.g);
    EXPECT_STATUS(
        g.admit(g.context, &(component_import){slice_from_text("test:app/sum"), &version, {0}}, &bound, NULL),
        STATUS_DENIED);
    const host_interface sum = {.name = SLICE_LITERAL("test:app/sum"), .version = later};
    const host_interface other = {.name = SLICE_LITERAL("test:app/other")};
    grants_bind_callee(f.g, &sum, slice_empty());
    grants_bind_callee(f.g, &other, slice_empty()); // was not granted
    EXPECT_OK(g.admit(g.context, &(component_import){slice_from_text("test:app/sum"), &version, {0}}, &bound,
                      NULL));
    EXPECT(bound == &sum);
    EXPECT_STATUS(
        g.admit(g.context, &(component_import){slice_from_text("test:app/other"), NULL, {0}}, &bound, NULL),
        STATUS_DENIED);
    EXPECT_OK(host_config_add_text(&f.config->refusals, &f.config->refusal_count, "test:app", NULL));
    decide(&f);
    EXPECT(is(&f, "test:app/sum@1.0.0", GRANT_REFUSED));
    EXPECT_CONTAINS(decision(&f, "test:app/sum@1.0.0")->why, "refused by --refuse");
    f.config->manifest_path = mem_text_dup("app.yaml");
    decide(&f);
    EXPECT_CONTAINS(decision(&f, "test:app/sum@1.0.0")->why, "refused by its policy");
    teardown(&f);
}

TEST(a_writ_that_does_not_name_it_refuses_another_workload_too) {
    fixture f;
    allowance nothing = {0};
    const grants_writ writ = {.writ = &nothing};
    setup(&f, "(component " EMPTY_IMPORT("test:app/sum@1.0.0") ")");
    EXPECT_OK(workload_config_add_callee(f.config, "test:app/sum", "default", "adder", NULL));
    f.writ = &writ;
    decide(&f);
    EXPECT(is(&f, "test:app/sum@1.0.0", GRANT_REFUSED));
    EXPECT_CONTAINS(decision(&f, "test:app/sum@1.0.0")->why, "its writ");
    teardown(&f);
}

// --- contracts that this host does not know ----------------------------------------------------------------

static const char dice[] = "(component (import \"example:dice/roller@1.0.0\" (instance"
                           "  (export \"roll\" (func (param \"sides\" u32) (result (list u32)))))))";

static const char dice_with_resource[] = "(component (import \"example:dice/roller@1.0.0\" (instance"
                                         "  (export \"die\" (type (sub resource)))"
                                         "  (export \"roll\" (func (param \"sides\" u32) (result u32))))))";

static void link_dice(fixture *f) {
    host_link *l = NULL;
    EXPECT_OK(host_links_add(&f->config->links, "default", "provider", &l, NULL));
    EXPECT_OK(host_link_add_interface(l, slice_from_text("example:dice/roller"), NULL));
}

TEST(an_unknown_contract_is_passed_on_where_a_link_leads_it) {
    static const char name[] = "example:dice/roller@1.0.0";
    const host_interface *bound = NULL;
    const semver version = {.major = 1};
    const component_import asked = {.name = SLICE_LITERAL("example:dice/roller"), .version = &version};
    fixture f;
    setup(&f, dice);
    decide(&f);
    EXPECT(is(&f, name, GRANT_REFUSED));
    link_dice(&f);
    decide(&f);
    EXPECT(is(&f, name, GRANT_GRANTED));
    EXPECT_CONTAINS(decision(&f, name)->why, "linked to provider");
    const component_gate admits = grants_gate(f.g);
    EXPECT_OK(admits.admit(admits.context, &asked, &bound, NULL));
    EXPECT(bound != NULL && bound->func_count == 1 && slice_equal_text(bound->funcs[0].name, "roll"));
    EXPECT(slice_equal_text(bound->name, "example:dice/roller") && bound->version.major == 1);
    const allowance nothing = {0};
    const grants_writ writ = {.writ = &nothing};
    f.writ = &writ;
    decide(&f);
    EXPECT(is(&f, name, GRANT_REFUSED)); // it is signed for less
    f.writ = NULL;
    EXPECT_OK(host_config_add_text(&f.config->refusals, &f.config->refusal_count, "example:dice", NULL));
    decide(&f);
    EXPECT(is(&f, name, GRANT_REFUSED));
    teardown(&f);
}

TEST(an_unknown_contract_with_resources_is_refused) {
    fixture f;
    setup(&f, dice_with_resource);
    link_dice(&f);
    decide(&f);
    EXPECT(is(&f, "example:dice/roller@1.0.0", GRANT_REFUSED));
    EXPECT_CONTAINS(decision(&f, "example:dice/roller@1.0.0")->why, "resource");
    teardown(&f);
}
