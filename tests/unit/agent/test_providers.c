// SPDX-License-Identifier: Apache-2.0
// Providers against a real server of NATS: tests/scenario/provider_1x.py, which speaks the protocol by
// itself.
#include "agent/providers.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_nats.h"
#include "lattice/within.h"
#include "lattice/wrpc.h"
#include "os/fd.h"
#include "os/process.h"
#include "test.h"
#include "unit/bus/helper_nats.h"
#include "unit/net/helper_connector.h"

#define T(text) SLICE_LITERAL(text)
#define SECOND_NS 1000000000ull
#define PROGRAM WRIT_SOURCE_DIR "/tests/scenario/provider_1x.py"

typedef struct place {
    loop *l;
    direct_connector connector;
    nats_process server;
    loop_timer tick;
    bus *bus;
    lattice_within *rest; // of the lattice
    providers *providers;
    int program_fd;
    char url[64];
    buf said; // everything, a line each
    logger *logger;
    buf logged;
    char directory[40];
    int started, failed, stopped, ended, healthy, unhealthy, same;
    char why[ERR_MESSAGE_BYTES_MAX];
} place;

static void on_tick(void *arg) { (void)arg; }

static void on_started(void *arg, slice id) {
    EXPECT_BYTES(id, slice_from_text("kv"));
    ((place *)arg)->started++;
}
static void on_failed(void *arg, slice id, const err *why) {
    place *p = arg;
    EXPECT_BYTES(id, slice_from_text("kv"));
    p->failed++;
    (void)snprintf(p->why, sizeof p->why, "%s", why->message);
}
static void on_stopped(void *arg, slice id) {
    EXPECT_BYTES(id, slice_from_text("kv"));
    ((place *)arg)->stopped++;
}
static void on_ended(void *arg, slice id, const char *how, uint64_t wait_ns) {
    place *p = arg;
    EXPECT_BYTES(id, slice_from_text("kv"));
    EXPECT(wait_ns > 0);
    p->ended++;
    (void)snprintf(p->why, sizeof p->why, "%s", how);
}
static void on_health(void *arg, slice id, providers_health h) {
    place *p = arg;
    EXPECT_BYTES(id, slice_from_text("kv"));
    p->healthy += h == PROVIDERS_HEALTHY;
    p->unhealthy += h == PROVIDERS_UNHEALTHY;
    p->same += h == PROVIDERS_HEALTH_SAME;
}
static void on_said(void *arg, slice id, slice line) {
    place *p = arg;
    EXPECT_BYTES(id, slice_from_text("kv"));
    EXPECT_OK(buf_append_format(&p->said, "%.*s\n", SLICE_ARG(line)));
}

static void on_log(void *context, const log_record *r) {
    EXPECT_OK(buf_append_format(&((place *)context)->logged, "%.*s\n", SLICE_ARG(r->message)));
}

static const providers_ops ops = {on_started, on_failed, on_health, on_stopped, on_ended, on_said};

// The environment of a provider has no PATH: a script finds its interpreter by the system's own.
static int open_script(const char *text) {
    char path[] = "/tmp/writ-test-providers-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && fd_write_all(fd, slice_from_text(text), NULL) == STATUS_OK && fchmod(fd, 0700) == 0);
    fd_close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)unlink(path);
    return fd;
}

static void connect_bus(place *p) {
    const nats_server server = {.host = "127.0.0.1", .port = p->server.port};
    const bus_nats_options o = {
        .nats = {
            .l = p->l, .connector = &p->connector.base, .servers = &server, .server_count = 1, .random = 1}};
    CHECK(bus_nats_new(&o, &p->bus, NULL) == STATUS_OK);
}

// The rest of the lattice, for those behind a door: "hello" answers with who called, over which link, and
// what.
static bool world_paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                        lattice_paths *ret_down) {
    (void)context;
    *ret_up = *ret_down = (lattice_paths){.count = 0};
    return slice_equal_text(target, "hello") && instance.len > 0 && function.len > 0;
}

static void world_ended(lattice_served *q, status code) {
    (void)q;
    EXPECT_EQ(code, STATUS_OK);
}

static void world_call(void *context, lattice_served *q) {
    static const lattice_served_ops served = {.ended = world_ended};
    char text[200];
    const lattice_invocation *i = &q->invocation;
    (void)context;
    q->ops = &served;
    int n =
        snprintf(text, sizeof text, "%.*s of %.*s over %.*s: %.*s(%.*s)", SLICE_ARG(i->source),
                 SLICE_ARG(i->source_host), SLICE_ARG(i->link), SLICE_ARG(i->function), SLICE_ARG(i->params));
    q->transport->answer(q, slice_of(text, (size_t)n));
}

static const lattice_server world = {.paths = world_paths, .call = world_call};

static const char *begin(place *p, const char *script, bool has_door, const lattice_server *rest) {
    *p = (place){.program_fd = -1};
    const char *why = has_door ? NULL : nats_process_start(&p->server, NULL);
    CHECK(loop_new(NULL, &p->l, NULL) == STATUS_OK);
    direct_connector_init(&p->connector, p->l);
    loop_timer_init(&p->tick, p->l, on_tick, p);
    buf_init(&p->said, 1 << 20);
    buf_init(&p->logged, 1 << 20);
    (void)snprintf(p->directory, sizeof p->directory, "/tmp/writ-test-providers-XXXXXX");
    const logger_options log = {.workload = T("test"), .fd = -1, .sink = on_log, .context = p};
    CHECK(mkdtemp(p->directory) != NULL && logger_new(&log, &p->logger, NULL) == STATUS_OK);
    p->program_fd = open_script(script);
    (void)snprintf(p->url, sizeof p->url, "nats://127.0.0.1:%u", p->server.port);
    p->rest = lattice_within_new(p->l, rest);
    if (!has_door) {
        connect_bus(p);
    }
    const providers_options o = {.loop = p->l,
                                 .bus = p->bus,
                                 .url = p->url,
                                 .jwt = "",
                                 .seed = "",
                                 .lattice = "default",
                                 .host_id = "NHOST",
                                 .shutdown_delay_ns = 2 * SECOND_NS,
                                 .calls = lattice_within_transport(p->rest),
                                 .logger = p->logger,
                                 .directory = p->directory,
                                 .ops = &ops,
                                 .arg = p};
    CHECK(providers_new(&o, &p->providers, NULL) == STATUS_OK);
    return why;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static void done(place *p) {
    providers_free(p->providers);
    lattice_within_free(p->rest);
    bus_free(p->bus);
    loop_timer_stop(&p->tick);
    direct_connector_done(&p->connector);
    loop_free(p->l);
    logger_free(p->logger);
    buf_done(&p->logged);
    buf_done(&p->said);
    (void)nftw(p->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    fd_close(p->program_fd);
    nats_process_stop(&p->server);
}

#define BEGIN(p, script)                                 \
    place p;                                             \
    const char *why_ = begin(&p, script, false, &world); \
    if (why_ != NULL) {                                  \
        done(&p);                                        \
        SKIP(why_);                                      \
    }

// A turn waits for a while even when nothing is to come.
static void wait_a_turn(place *p) {
    loop_timer_start_in(&p->tick, 5000000);
    loop_turn(p->l, true);
}

#define WAIT_FOR(p, condition)                          \
    for (int w_ = 0; w_ < 4000 && !(condition); w_++) { \
        wait_a_turn(p);                                 \
    }                                                   \
    EXPECT(condition)

#define SPEAKS "#!/bin/sh\nexec python3 " PROGRAM "\n"

static bool said(place *p, const char *text) {
    const char *all = buf_text(&p->said);
    return all != NULL && strstr(all, text) != NULL;
}

static const slice interfaces[] = {T("store")};
static const host_data_secret secrets[] = {{T("password"), T("hush"), false}};
static const host_data_value one[] = {{T("level"), T("1")}};
static const host_data_value two[] = {{T("level"), T("2")}};
static const host_data_value crash[] = {{T("crash"), T("5")}};
static const host_data_value stubborn[] = {{T("shutdown"), T("ignore")}};

static host_data_link link_of(const char *source) {
    return (host_data_link){.source_id = slice_from_text(source),
                            .target = T("kv"),
                            .name = T("default"),
                            .wit_namespace = T("wasi"),
                            .wit_package = T("keyvalue"),
                            .interfaces = interfaces,
                            .interface_count = 1,
                            .target_config = {one, 1}};
}

static void put(place *p, const host_data_value *config, const host_data_link *links, size_t count) {
    const providers_wanted w = {.id = T("kv"),
                                .image = T("file:///kv"),
                                .program_fd = p->program_fd,
                                .config = {config, config == NULL ? 0 : 1},
                                .links = links,
                                .link_count = count};
    EXPECT_OK(providers_put(p->providers, &w, NULL));
}

TEST(a_provider_of_1x_is_started_told_asked_and_ended) {
    BEGIN(p, SPEAKS);
    host_data_link links[] = {link_of("first"), link_of("second")};
    links[0].target_secrets = (host_data_secrets){secrets, 1};
    put(&p, one, links, 1);
    EXPECT_EQ(p.started, 0); // from the loop only
    WAIT_FOR(&p, said(&p, "\"started\""));
    EXPECT_EQ(p.started, 1);
    EXPECT(said(&p, "\"rest_of_input\":0,\"config\":{\"level\":\"1\"},\"links\":[{\"source_id\":\"first\""));
    EXPECT(said(&p, "\"target_secrets\":{\"password\":{\"kind\":\"String\",\"value\":\"hush\"}}"));
    links[1].target_secrets = (host_data_secrets){secrets, 1};
    put(&p, two, links, 2);
    WAIT_FOR(&p, said(&p, "\"link-put\",\"link\":{\"source_id\":\"second\""));
    WAIT_FOR(&p, said(&p, "\"config\",\"config\":{\"level\":\"2\"}"));
    put(&p, two, links, 1);
    WAIT_FOR(&p, said(&p, "\"link-del\",\"source\":\"second\""));
    WAIT_FOR(&p, p.healthy == 1);
    providers_stop(p.providers, slice_from_text("kv"));
    WAIT_FOR(&p, p.stopped == 1);
    EXPECT(said(&p, "{\"event\":\"shutdown\",\"right_host\":true}"));
    EXPECT_EQ(providers_count(p.providers), 0);
    EXPECT_EQ(p.ended, 0);
    done(&p);
}

TEST(one_that_crashes_is_started_anew_with_what_it_is_to_have_then) {
    BEGIN(p, SPEAKS);
    put(&p, crash, NULL, 0);
    WAIT_FOR(&p, p.ended == 1);
    EXPECT_TEXT(p.why, "exit status 5");
    EXPECT(providers_has(p.providers, slice_from_text("kv")));
    buf_clear(&p.said);
    put(&p, one, NULL, 0);
    WAIT_FOR(&p, said(&p, "\"started\""));
    EXPECT(said(&p, "\"config\":{\"level\":\"1\"}"));
    EXPECT_EQ(p.started, 1);
    done(&p); // and kills it
}

TEST(one_that_does_not_end_is_killed) {
    BEGIN(p, SPEAKS);
    put(&p, stubborn, NULL, 0);
    WAIT_FOR(&p, said(&p, "\"started\""));
    providers_stop_all(p.providers);
    const providers_wanted again = {.id = T("kv"), .image = T("file:///kv"), .program_fd = p.program_fd};
    EXPECT_STATUS(providers_put(p.providers, &again, NULL), STATUS_EXISTS);
    WAIT_FOR(&p, said(&p, "\"shutdown\""));
    WAIT_FOR(&p, p.stopped == 1);
    put(&p, one, NULL, 0);
    WAIT_FOR(&p, p.started == 2);
    done(&p);
}

TEST(what_cannot_be_started_is_told_and_gone) {
    BEGIN(p, "not a program");
    put(&p, NULL, NULL, 0);
    WAIT_FOR(&p, p.failed == 1);
    EXPECT_CONTAINS(p.why, "file:///kv: execute the program");
    EXPECT_EQ(providers_count(p.providers), 0);
    const providers_wanted bad[] = {
        {.id = T(""), .program_fd = p.program_fd},
        {.id = T("a.b"), .program_fd = p.program_fd},
        {.id = T("kv>"), .program_fd = p.program_fd},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT_STATUS(providers_put(p.providers, &bad[i], NULL), STATUS_INVALID);
    }
    const providers_wanted nothing = {.id = T("kv"), .image = T("ghcr.io/x/y:1"), .program_fd = -1};
    EXPECT_STATUS(providers_put(p.providers, &nothing, NULL), STATUS_NOT_FOUND);
    EXPECT_EQ(providers_count(p.providers), 0);
    done(&p);
}

// --- calls -------------------------------------------------------------------------------------------------

typedef struct echo_call {
    lattice_call base;
    status code;
    bool has_ended;
    buf results;
} echo_call;

static void on_results(lattice_call *c, slice results) {
    EXPECT_OK(buf_append(&((echo_call *)c)->results, results));
}
static void on_call_ended(lattice_call *c, status code, const err *e) {
    (void)e;
    ((echo_call *)c)->code = code;
    ((echo_call *)c)->has_ended = true;
}
static const lattice_call_ops call_ops = {.on_results = on_results, .ended = on_call_ended};

TEST(it_serves_calls_over_the_bus) {
    BEGIN(p, SPEAKS);
    wrpc *w = NULL;
    put(&p, one, NULL, 0);
    WAIT_FOR(&p, said(&p, "\"started\""));
    const wrpc_options o = {.bus = p.bus, .loop = p.l, .lattice = T("default"), .random = {1, 2}};
    EXPECT_OK(wrpc_new(&o, &w, NULL));
    echo_call c = {.base = {.ops = &call_ops,
                            .invocation = {.source = T("app"),
                                           .link = T("default"),
                                           .target = T("kv"),
                                           .instance = T("test:provider/echo@0.1.0"),
                                           .function = T("echo"),
                                           .params = T("some bytes"),
                                           .deadline_ns = loop_now_ns(p.l) + 20 * SECOND_NS}}};
    buf_init(&c.results, 1000);
    EXPECT_OK(lattice_call_start(wrpc_transport(w), &c.base, NULL));
    WAIT_FOR(&p, c.has_ended);
    EXPECT_EQ(c.code, STATUS_OK);
    EXPECT_BYTES(buf_slice(&c.results), slice_from_text("some bytes"));
    buf_done(&c.results);
    wrpc_free(w);
    done(&p);
}

// --- behind a door -----------------------------------------------------------------------------------------

#define BEGIN_DOOR(p, script, rest) \
    place p;                        \
    EXPECT(begin(&p, script, true, rest) == NULL)

static const slice echo[] = {T("echo")};
static const slice greet[] = {T("greet")};

static host_data_link link_between(const char *source, const char *target, const slice *interface) {
    return (host_data_link){.source_id = slice_from_text(source),
                            .target = slice_from_text(target),
                            .name = T("main"),
                            .wit_namespace = T("test"),
                            .wit_package = T("provider"),
                            .interfaces = interface,
                            .interface_count = 1};
}

static status call_echo(place *p, const char *source, const char *link, echo_call *c, err *e) {
    *c = (echo_call){.base = {.ops = &call_ops,
                              .invocation = {.source = slice_from_text(source),
                                             .link = slice_from_text(link),
                                             .target = T("kv"),
                                             .instance = T("test:provider/echo@0.1.0"),
                                             .function = T("echo"),
                                             .params = T("some bytes"),
                                             .deadline_ns = loop_now_ns(p->l) + 20 * SECOND_NS}}};
    buf_init(&c->results, 1000);
    return lattice_call_start(providers_transport(p->providers), &c->base, e);
}

TEST(behind_a_door_it_is_told_and_called_as_on_a_bus) {
    BEGIN_DOOR(p, SPEAKS, &world);
    echo_call c;
    err e = {0};
    const host_data_link links[] = {link_between("app", "kv", echo), link_between("second", "kv", echo)};
    put(&p, one, links, 1);
    WAIT_FOR(&p, said(&p, "\"started\""));
    REQUIRE(call_echo(&p, "app", "main", &c, &e) == STATUS_OK);
    WAIT_FOR(&p, c.has_ended);
    EXPECT_EQ(c.code, STATUS_OK);
    EXPECT_BYTES(buf_slice(&c.results), slice_from_text("some bytes"));
    buf_done(&c.results);
    EXPECT_STATUS(call_echo(&p, "other", "main", &c, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "other has no link \"main\" to kv");
    EXPECT_STATUS(call_echo(&p, "app", "default", &c, &e), STATUS_DENIED);
    put(&p, one, links, 2);
    WAIT_FOR(&p, said(&p, "\"link-put\",\"link\":{\"source_id\":\"second\""));
    put(&p, two, links + 1, 1);
    WAIT_FOR(&p, said(&p, "\"link-del\",\"source\":\"app\""));
    EXPECT_STATUS(call_echo(&p, "app", "main", &c, &e), STATUS_DENIED);
    REQUIRE(call_echo(&p, "second", "main", &c, &e) == STATUS_OK);
    providers_stop(p.providers, slice_from_text("kv"));
    WAIT_FOR(&p, p.stopped == 1);
    WAIT_FOR(&p, c.has_ended); // the way has gone, or it was answered just before
    buf_done(&c.results);
    EXPECT_STATUS(call_echo(&p, "second", "main", &c, &e), STATUS_NOT_FOUND);
    done(&p);
}

TEST(behind_a_door_it_calls_in_its_own_name_and_only_where_it_is_linked_to) {
    BEGIN_DOOR(p, SPEAKS, &world);
    static const host_data_value calls[][2] = {
        {{T("call"), T("hello test:provider/greet@1.0.0-rc.1.greet")}, {T("claims"), T("somebody-else")}},
        {{T("call"), T("hello test:provider/other@1.0.0.greet")}, {T("claims"), T("hello")}},
        {{T("call"), T("stranger test:provider/greet@1.0.0.greet")}, {T("claims"), T("app")}},
    };
    const host_data_link link = link_between("kv", "hello", greet);
    put(&p, one, &link, 1);
    WAIT_FOR(&p, said(&p, "\"started\""));
    providers_wanted w = {.id = T("kv"), .program_fd = p.program_fd, .links = &link, .link_count = 1};
    w.config = (host_data_values){calls[0], 2};
    EXPECT_OK(providers_put(p.providers, &w, NULL));
    WAIT_FOR(&p, said(&p, "\"answered\",\"text\":\"kv of NHOST over main: greet(ping)\""));
    w.config = (host_data_values){calls[1], 2};
    EXPECT_OK(providers_put(p.providers, &w, NULL));
    WAIT_FOR(&p, said(&p, "\"refused\",\"status\":\"NATS/1.0 403 provider kv has no link to hello"));
    buf_clear(&p.said);
    w.config = (host_data_values){calls[2], 2};
    EXPECT_OK(providers_put(p.providers, &w, NULL));
    WAIT_FOR(&p, said(&p, "\"refused\",\"status\":\"NATS/1.0 503")); // nobody of that name is there for it
    buf_clear(&p.said);
    w.config = (host_data_values){calls[0], 2};
    w.link_count = 0;
    EXPECT_OK(providers_put(p.providers, &w, NULL));
    WAIT_FOR(&p, said(&p, "\"refused\",\"status\":\"NATS/1.0 503"));
    done(&p);
}

TEST(behind_a_door_it_hears_nothing_of_others) {
    BEGIN_DOOR(p, SPEAKS, &world);
    static const host_data_value tries[][2] = {
        {{T("listen"), T(">")}, {T("speak"), T("wasmbus.ctl.v1.default.host.ping")}},
        {{T("listen"), T("default.other.wrpc.>")}, {T("speak"), T("wasmbus.rpc.default.other.health")}},
    };
    put(&p, one, NULL, 0);
    WAIT_FOR(&p, said(&p, "\"started\""));
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        buf_clear(&p.said);
        const providers_wanted w = {.id = T("kv"), .program_fd = p.program_fd, .config = {tries[i], 2}};
        EXPECT_OK(providers_put(p.providers, &w, NULL));
        WAIT_FOR(&p, said(&p, "Permissions Violation for Subscription") &&
                         said(&p, "Permissions Violation for Publish"));
    }
    EXPECT(!said(&p, "\"heard\""));
    done(&p);
}

// --- the one of 1.9.2 --------------------------------------------------------------------------------------

typedef struct web {
    lattice_paths paths;
    char source[100];
    int calls, ends;
    bool is_late;
    lattice_served *waiting; // of one that is late
} web;

static bool web_paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                      lattice_paths *ret_down) {
    *ret_up = *ret_down = ((web *)context)->paths;
    return slice_equal_text(target, "hello") && instance.len > 0 && function.len > 0;
}

static void web_ended(lattice_served *q, status code) {
    EXPECT_EQ(code, STATUS_OK);
    ((web *)q->data)->ends++;
}

static const lattice_served_ops web_ops = {.ended = web_ended};

static void web_answer(lattice_served *q) {
    static const uint8_t head[] = {0, 0, 0, 0xc8, 1, 0}; // ok, body, trailers, 200, no fields
    static const uint8_t body[] = {2, 'h', 'i', 0}, trailers[] = {0};
    q->transport->answer(q, slice_of(head, sizeof head));
    EXPECT_OK(q->transport->write(q, 0, slice_of(body, sizeof body)));
    q->transport->end(q, 0);
    EXPECT_OK(q->transport->write(q, 1, slice_of(trailers, sizeof trailers)));
    q->transport->end(q, 1);
}

static void web_call(void *context, lattice_served *q) {
    web *w = context;
    w->calls++;
    (void)snprintf(w->source, sizeof w->source, "%.*s", SLICE_ARG(q->invocation.source));
    q->ops = &web_ops;
    q->data = w;
    if (w->is_late) {
        w->waiting = q;
    } else {
        web_answer(q);
    }
}

// curl in the background: the loop must turn for its answer. `what` has options and an address, with blanks
// between.
static void ask(const char *what, char *ret, size_t size, place *p) {
    enum { WORDS_MAX = 24 };
    char words[200];
    const char *argv[WORDS_MAX] = {"curl",          "-s", "--retry",    "50", "--retry-connrefused",
                                   "--retry-delay", "1",  "--max-time", "20"};
    size_t count = 9;
    int ours = -1, theirs = -1;
    process curl;
    (void)snprintf(words, sizeof words, "%s", what);
    for (char *rest = NULL, *word = strtok_r(words, " ", &rest); word != NULL && count < WORDS_MAX - 1;
         word = strtok_r(NULL, " ", &rest)) {
        argv[count++] = word;
    }
    REQUIRE(process_error_pipe(&ours, &theirs, NULL) == STATUS_OK);
    const process_tool tool = {.path = "/usr/bin/curl", .argv = argv, .output_fd = theirs, .error_fd = -1};
    REQUIRE(process_spawn_tool(&tool, &curl, NULL) == STATUS_OK);
    fd_close(theirs);
    size_t len = 0, n = 0;
    status s = STATUS_NOT_FOUND;
    for (int i = 0; i < 4000 && s != STATUS_CLOSED; i++) {
        s = fd_read_some(ours, ret + len, size - 1 - len, &n);
        len += s == STATUS_OK ? n : 0;
        wait_a_turn(p);
    }
    ret[len] = '\0';
    fd_close(ours);
    (void)process_wait(&curl);
}

TEST(the_http_server_of_192_calls_a_component) {
    const char *program = getenv("WRIT_HTTP_SERVER_PROVIDER");
    if (program == NULL) {
        SKIP("WRIT_HTTP_SERVER_PROVIDER does not name the http-server provider of 1.9.2");
    }
    BEGIN(p, SPEAKS);
    web site = {.paths = {{"0.0", "0.1"}, 2}};
    wrpc *w = NULL;
    wrpc_export exported = {0};
    const lattice_server server = {.context = &site, .paths = web_paths, .call = web_call};
    const wrpc_options o = {
        .bus = p.bus, .loop = p.l, .lattice = T("default"), .server = &server, .random = {1, 2}};
    char answer[100];
    WAIT_FOR(&p, bus_is_up(p.bus));
    EXPECT_OK(wrpc_new(&o, &w, NULL));
    EXPECT_OK(wrpc_export_start(w, &exported, slice_from_text("hello"),
                                slice_from_text("wrpc:http/incoming-handler@0.1.0"),
                                slice_from_text("handle"), NULL));
    fd_close(p.program_fd);
    p.program_fd = open(program, O_RDONLY | O_CLOEXEC);
    const slice incoming[] = {T("incoming-handler")};
    const host_data_value address[] = {{T("address"), T("127.0.0.1:18931")}};
    const host_data_link link = {.source_id = T("kv"),
                                 .target = T("hello"),
                                 .name = T("default"),
                                 .wit_namespace = T("wasi"),
                                 .wit_package = T("http"),
                                 .interfaces = incoming,
                                 .interface_count = 1,
                                 .source_config = {address, 1}};
    put(&p, NULL, &link, 1);
    WAIT_FOR(&p, p.healthy == 1);
    ask("127.0.0.1:18931", answer, sizeof answer, &p);
    EXPECT_TEXT(answer, "hi");
    EXPECT_TEXT(site.source, "kv");
    EXPECT_EQ(site.calls, 1);
    WAIT_FOR(&p, site.ends == 1);
    put(&p, NULL, NULL, 0); // on a bus of its own its host tells it that the link has gone
    providers_stop(p.providers, slice_from_text("kv"));
    WAIT_FOR(&p, p.stopped == 1);
    EXPECT_EQ(p.ended, 0);
    wrpc_export_stop(&exported);
    wrpc_free(w);
    done(&p);
}

TEST(the_http_server_of_192_is_content_with_a_door) {
    const char *program = getenv("WRIT_HTTP_SERVER_PROVIDER");
    if (program == NULL) {
        SKIP("WRIT_HTTP_SERVER_PROVIDER does not name the http-server provider of 1.9.2");
    }
    web site = {.paths = {{"0.0", "0.1"}, 2}};
    const lattice_server server = {.context = &site, .paths = web_paths, .call = web_call};
    BEGIN_DOOR(p, SPEAKS, &server);
    char answer[100];
    fd_close(p.program_fd);
    p.program_fd = open(program, O_RDONLY | O_CLOEXEC);
    const slice incoming[] = {T("incoming-handler")};
    const host_data_value address[] = {{T("address"), T("127.0.0.1:18932")}};
    const host_data_link link = {.source_id = T("kv"),
                                 .target = T("hello"),
                                 .name = T("web"),
                                 .wit_namespace = T("wasi"),
                                 .wit_package = T("http"),
                                 .interfaces = incoming,
                                 .interface_count = 1,
                                 .source_config = {address, 1}};
    put(&p, NULL, NULL, 0);
    WAIT_FOR(&p, p.healthy == 1);
    put(&p, NULL, &link, 1);
    ask("127.0.0.1:18932", answer, sizeof answer, &p);
    EXPECT_TEXT(answer, "hi");
    EXPECT_TEXT(site.source, "kv");
    put(&p, NULL, NULL, 0);
    providers_stop(p.providers, slice_from_text("kv"));
    WAIT_FOR(&p, p.stopped == 1);
    EXPECT_EQ(p.ended, 0);
    done(&p);
}

// --- our own HTTP server -----------------------------------------------------------------------------------

static const slice handler[] = {T("incoming-handler")};

static host_data_link site_of(const char *target, const host_data_value *config, size_t count) {
    return (host_data_link){.source_id = T("kv"),
                            .target = slice_from_text(target),
                            .name = T("web"),
                            .wit_namespace = T("wasi"),
                            .wit_package = T("http"),
                            .interfaces = handler,
                            .interface_count = 1,
                            .source_config = {config, count}};
}

static void put_server(place *p, host_data_values config, const host_data_link *links, size_t count) {
    const providers_wanted w = {.id = T("kv"),
                                .image = T("wasmcloud+builtin://http-server"),
                                .program_fd = -1,
                                .config = config,
                                .links = links,
                                .link_count = count};
    EXPECT_OK(providers_put(p->providers, &w, NULL));
}

static void expect_answer(place *p, const char *url, const char *expected) {
    char answer[200];
    ask(url, answer, sizeof answer, p);
    EXPECT_TEXT(answer, expected);
}

TEST(our_http_server_calls_components_by_their_paths) {
    web site = {.paths = {{"0.0", "0.1"}, 2}};
    const lattice_server server = {.context = &site, .paths = web_paths, .call = web_call};
    BEGIN_DOOR(p, SPEAKS, &server);
    const host_data_value by_path[] = {{T("routing_mode"), T("path")},
                                       {T("default_address"), T("127.0.0.1:18933")}};
    const host_data_value shop[] = {{T("path"), T("/shop")}}, gone[] = {{T("path"), T("/gone")}},
                          nowhere[] = {{T("address"), T("127.0.0.1:1")}};
    const host_data_link links[] = {site_of("hello", shop, 1), site_of("nobody", gone, 1),
                                    site_of("other", shop, 1), site_of("third", nowhere, 1)};
    put_server(&p, (host_data_values){by_path, 2}, links, 4);
    WAIT_FOR(&p, p.started == 1);
    expect_answer(&p, "127.0.0.1:18933/shop/cart", "hi");
    EXPECT_TEXT(site.source, "kv");
    expect_answer(&p, "127.0.0.1:18933/", "nothing is here\n");
    expect_answer(&p, "127.0.0.1:18933/shopping", "nothing is here\n");
    expect_answer(&p, "-o/dev/null -w%{http_code} --retry 0 127.0.0.1:18933/gone", "502");
    EXPECT_EQ(site.calls, 1);
    put_server(&p, (host_data_values){by_path, 2}, links + 1, 1);
    expect_answer(&p, "127.0.0.1:18933/shop/cart", "nothing is here\n");
    providers_stop(p.providers, slice_from_text("kv"));
    WAIT_FOR(&p, p.stopped == 1);
    done(&p);
}

TEST(our_http_server_finishes_what_it_has_begun) {
    web site = {.paths = {{"0.0", "0.1"}, 2}, .is_late = true};
    const lattice_server server = {.context = &site, .paths = web_paths, .call = web_call};
    BEGIN_DOOR(p, SPEAKS, &server);
    const host_data_value address[] = {{T("address"), T("127.0.0.1:18936")}};
    const host_data_link link = site_of("hello", address, 1);
    char path[] = "/tmp/writ-test-answer-XXXXXX";
    auto_fd output = mkstemp(path);
    process curl;
    put_server(&p, (host_data_values){NULL, 0}, &link, 1);
    WAIT_FOR(&p, p.started == 1);
    const char *const argv[] = {"curl", "-s", "--max-time", "20", "http://127.0.0.1:18936/", NULL};
    const process_tool tool = {.path = "/usr/bin/curl", .argv = argv, .output_fd = output, .error_fd = -1};
    REQUIRE(process_spawn_tool(&tool, &curl, NULL) == STATUS_OK);
    WAIT_FOR(&p, site.waiting != NULL);
    providers_stop(p.providers, slice_from_text("kv"));
    wait_a_turn(&p);
    EXPECT_EQ(p.stopped, 0);
    web_answer(site.waiting);
    WAIT_FOR(&p, p.stopped == 1);
    EXPECT_EQ(process_wait(&curl).number, 0);
    char answer[10] = "";
    EXPECT_EQ(pread(output, answer, sizeof answer - 1, 0), 2);
    EXPECT_TEXT(answer, "hi");
    (void)unlink(path);
    done(&p);
}

TEST(our_http_server_listens_where_links_say) {
    web site = {.paths = {{"0.0", "0.1"}, 2}};
    const lattice_server server = {.context = &site, .paths = web_paths, .call = web_call};
    BEGIN_DOOR(p, SPEAKS, &server);
    const host_data_value first[] = {{T("address"), T("127.0.0.1:18934")}, {T("readonly_mode"), T("true")}};
    const host_data_value second[] = {{T("address"), T("127.0.0.1:18935")}};
    const host_data_value hosts[] = {{T("routing_mode"), T("host")},
                                     {T("default_address"), T("127.0.0.1:18934")}};
    const host_data_value named[] = {{T("host"), T("shop.example")}};
    host_data_link links[] = {site_of("hello", first, 2), site_of("hello", second, 1)};
    links[1].name = slice_from_text("again");
    put_server(&p, (host_data_values){NULL, 0}, links, 2);
    expect_answer(&p, "127.0.0.1:18934/", "hi");
    expect_answer(&p, "-d x 127.0.0.1:18934/", "here is only to be read\n");
    expect_answer(&p, "-d x 127.0.0.1:18935/", "hi");
    put_server(&p, (host_data_values){NULL, 0}, links, 1);
    expect_answer(&p, "-w%{http_code} --retry 0 127.0.0.1:18935/", "000");
    expect_answer(&p, "127.0.0.1:18934/", "hi");
    const host_data_link by_host = site_of("hello", named, 1);
    put_server(&p, (host_data_values){hosts, 2}, &by_host, 1);
    expect_answer(&p, "127.0.0.1:18934/", "nothing is here\n");
    expect_answer(&p, "-HHost:shop.example 127.0.0.1:18934/", "hi");
    WAIT_FOR(&p, p.healthy == 1);
    done(&p);
}

// --- our drivers -------------------------------------------------------------------------------------------

static status call_set(place *p, const char *source, echo_call *c, err *e) {
    static const uint8_t params[] = {1, 'b', 1, 'k', 1, 'v'};
    *c = (echo_call){.base = {.ops = &call_ops,
                              .invocation = {.source = slice_from_text(source),
                                             .link = T("default"),
                                             .target = T("kv"),
                                             .instance = T("wrpc:keyvalue/store@0.2.0-draft"),
                                             .function = T("set"),
                                             .params = {params, sizeof params},
                                             .deadline_ns = loop_now_ns(p->l) + 20 * SECOND_NS}}};
    buf_init(&c->results, 1000);
    return lattice_call_start(providers_transport(p->providers), &c->base, e);
}

static void expect_set(place *p, const char *source) {
    echo_call c;
    err e = {0};
    REQUIRE(call_set(p, source, &c, &e) == STATUS_OK);
    WAIT_FOR(p, c.has_ended);
    EXPECT_EQ(c.code, STATUS_OK);
    EXPECT_BYTES(buf_slice(&c.results), slice_of("\0", 1));
    buf_done(&c.results);
}

static void put_driver(place *p, const host_data_link *links, size_t count) {
    const providers_wanted w = {
        .id = T("kv"), .image = T("writ:sqlite"), .program_fd = -1, .links = links, .link_count = count};
    EXPECT_OK(providers_put(p->providers, &w, NULL));
}

TEST(links_that_a_driver_cannot_have_are_left_out_and_the_others_go_on) {
    BEGIN_DOOR(p, SPEAKS, &world);
    const host_data_value outside[] = {{T("path"), T("../../outside.sqlite3")}},
                          unknown[] = {{T("colour"), T("red")}};
    host_data_link links[] = {link_of("a"), link_of("b"), link_of("c"), link_of("d"), link_of("e")};
    echo_call c;
    err e = {0};
    links[0].target_config.count = links[4].target_config.count = 0;
    links[1].target_config.items = outside;
    links[2].target_config.items = unknown;
    links[3].wit_package = slice_from_text("blobstore");
    links[3].target_config.count = 0;
    put_driver(&p, links, 4);
    WAIT_FOR(&p, p.started == 1);
    expect_set(&p, "a");
    for (const char *source = "b"; source[0] <= 'd'; source = source[0] == 'b'   ? "c"
                                                              : source[0] == 'c' ? "d"
                                                                                 : "e") {
        EXPECT_STATUS(call_set(&p, source, &c, &e), STATUS_DENIED);
    }
    EXPECT_CONTAINS(buf_text(&p.logged), "the link default of b to kv is left out:");
    EXPECT_CONTAINS(buf_text(&p.logged), "the driver sqlite has no setting colour");
    EXPECT_CONTAINS(buf_text(&p.logged), "the driver sqlite has no interface wasi:blobstore/store");
    put_driver(&p, links + 4, 1);
    expect_set(&p, "e");
    EXPECT_STATUS(call_set(&p, "a", &c, &e), STATUS_DENIED);
    put_driver(&p, NULL, 0);
    EXPECT_STATUS(call_set(&p, "e", &c, &e), STATUS_DENIED);
    WAIT_FOR(&p, p.healthy == 1);
    providers_stop(p.providers, slice_from_text("kv"));
    WAIT_FOR(&p, p.stopped == 1);
    done(&p);
}

// Everything that runs is told again whenever anything changes in the lattice.
TEST(what_is_wanted_again_ends_no_call_to_a_driver) {
    BEGIN_DOOR(p, SPEAKS, &world);
    host_data_link link = link_of("a");
    echo_call c;
    err e = {0};
    link.target_config.count = 0;
    put_driver(&p, &link, 1);
    WAIT_FOR(&p, p.started == 1);
    REQUIRE(call_set(&p, "a", &c, &e) == STATUS_OK);
    loop_turn(p.l, false); // it is on its way
    for (int i = 0; i < 8; i++) {
        put_driver(&p, &link, 1);
    }
    WAIT_FOR(&p, c.has_ended);
    EXPECT_EQ(c.code, STATUS_OK);
    buf_done(&c.results);
    done(&p);
}

TEST(a_driver_that_cannot_have_its_only_link_fails_to_start) {
    BEGIN_DOOR(p, SPEAKS, &world);
    const host_data_value outside[] = {{T("path"), T("../../outside.sqlite3")}};
    host_data_link link = link_of("a");
    link.target_config.items = outside;
    put_driver(&p, &link, 1);
    WAIT_FOR(&p, p.failed == 1);
    EXPECT_CONTAINS(p.why, "writ:sqlite: ");
    EXPECT_EQ(providers_count(p.providers), 0);
    done(&p);
}

// This program has one: the process with the drivers.
static void kill_the_child(void) {
    char path[64];
    int pid = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    REQUIRE(f != NULL && fscanf(f, "%d", &pid) == 1 && pid > 1);
    (void)fclose(f);
    EXPECT_EQ(kill(pid, SIGKILL), 0);
}

TEST(drivers_come_back_after_their_process_has_died) {
    BEGIN_DOOR(p, SPEAKS, &world);
    host_data_link link = link_of("a");
    link.target_config.count = 0;
    put_driver(&p, &link, 1);
    WAIT_FOR(&p, p.started == 1);
    expect_set(&p, "a");
    kill_the_child();
    bool is_back = false;
    for (int i = 0; i < 400 && !is_back; i++) {
        echo_call c;
        err e = {0};
        if (call_set(&p, "a", &c, &e) == STATUS_OK) {
            for (int k = 0; k < 4000 && !c.has_ended; k++) {
                wait_a_turn(&p);
            }
            is_back = c.code == STATUS_OK && strstr(buf_text(&p.logged), "drivers ended by signal 9") != NULL;
        }
        buf_done(&c.results);
        wait_a_turn(&p);
    }
    EXPECT(is_back);
    done(&p);
}
