// SPDX-License-Identifier: Apache-2.0
// Calls that come to a worker, as a process with drivers could send them after it was taken over: a real
// component behind a real pair of sockets.
#include "host/delivery.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "capability/links.h"
#include "test.h"
#include "unit/component/helper_wat.c"

static const char wat[] =
    "(component"
    "  (core module $m"
    "    (memory (export \"memory\") 2)"
    "    (global $next (mut i32) (i32.const 1024))"
    "    (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (local $r i32)"
    "      (local.set $r (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))"
    "      (global.set $next (i32.add (local.get $r) (local.get 3))) (local.get $r))"
    "    (func (export \"echo\") (param i32 i32) (result i32)"
    "      (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))"
    "    (func (export \"add\") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))"
    "    (func (export \"count\") (result i32)" // a fresh instance each time
    "      (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1))) (i32.load (i32.const "
    "8)))"
    "    (func (export \"trap\") unreachable)"
    "    (func (export \"spin\") (loop $l (br $l)))"
    "    (data (i32.const 64) \"not today\")"
    "    (func (export \"fail\") (result i32) (i32.store8 (i32.const 32) (i32.const 1))"
    "      (i32.store (i32.const 36) (i32.const 64)) (i32.store (i32.const 40) (i32.const 9)) (i32.const 32))"
    "    (func (export \"take\") (param i32)))"
    "  (core instance $i (instantiate $m))"
    "  (type $thing (resource (rep i32)))"
    "  (func $echo (param \"x\" (list u8)) (result (list u8)) (canon lift (core func $i \"echo\")"
    "    (memory (core memory $i \"memory\")) (realloc (core func $i \"realloc\"))))"
    "  (func $add (param \"a\" u32) (param \"b\" u32) (result u32) (canon lift (core func $i \"add\")))"
    "  (func $count (result u32) (canon lift (core func $i \"count\")))"
    "  (func $trap (canon lift (core func $i \"trap\")))"
    "  (func $spin (canon lift (core func $i \"spin\")))"
    "  (func $fail (result (result (error string))) (canon lift (core func $i \"fail\")"
    "    (memory (core memory $i \"memory\"))))"
    "  (func $take (param \"x\" (own $thing)) (canon lift (core func $i \"take\")))"
    "  (instance $work (export \"thing\" (type $thing)) (export \"echo\" (func $echo)) (export \"add\" (func "
    "$add))"
    "    (export \"count\" (func $count)) (export \"trap\" (func $trap)) (export \"spin\" (func $spin))"
    "    (export \"fail\" (func $fail)))"
    "  (instance $other (export \"add\" (func $add)))"
    "  (export \"test:work/handler@0.2.0\" (instance $work))"
    "  (export \"test:work/private\" (instance $other)))";

typedef struct place {
    char folder[32];
    host_config config;
    buf binary;
    component *component;
    artifacts artifacts;
    engine *engine;
    logger *logger;
    char log[4096];
    gate *gate;
    _Atomic uint32_t states[2];
    admission_page *page;
    cell_work cell;
    loop *loop;
    guest_queue queue;
    workload *workload;
    guest_place where;
    job_pool *pool;
    deliveries *deliveries;
    rpc *worker, *driver;
    bool is_drained;
    bool has_ended;
    status code;
    char text[1024];
    size_t len;
} place;

static void keep_line(void *context, const log_record *record) {
    place *p = context;
    size_t at = strlen(p->log);
    snprintf(p->log + at, sizeof p->log - at, "%.*s: %.*s\n", SLICE_ARG(record->event),
             SLICE_ARG(record->message));
}

static void on_call(void *arg, rpc_request *q) { deliveries_call(((place *)arg)->deliveries, q); }
static void on_cancel(void *arg, rpc_request *q) {
    (void)arg;
    deliveries_cancel(q);
}
static void on_drained(void *context) { ((place *)context)->is_drained = true; }

static void configure(place *p) {
    workload_config *w;
    host_link *l;
    uint32_t count;
    host_config_init(&p->config);
    p->config.cache_directory = mem_text_dup(p->folder);
    REQUIRE(host_config_add_workload(&p->config, &w, NULL) == STATUS_OK);
    w->name = mem_text_dup("shop");
    w->limits.instances_max = 4;
    w->limits.queue_max = 2;
    w->limits.cpu_time_ns_max = 100000000;
    REQUIRE(host_links_add(&w->links, "default", "broker", &l, NULL) == STATUS_OK);
    REQUIRE(host_link_add_interface(l, slice_from_text("test:work/handler"), NULL) == STATUS_OK);
    REQUIRE(host_links_add(&w->links, "other", "store", &l, NULL) == STATUS_OK);
    REQUIRE(host_link_add_interface(l, slice_from_text("wasi:keyvalue/store"), NULL) == STATUS_OK);
    REQUIRE(host_config_number_links(&p->config, &count, NULL) == STATUS_OK && count == 2);
}

static void compile(place *p) {
    engine_options o = compile_engine_options(&p->config, true);
    err e = {0};
    o.level = engine_level_choose(&o);
    REQUIRE(wat_decode(wat, &p->binary, &p->component, &e) == STATUS_OK);
    REQUIRE(engine_new(&o, &p->engine, &e) == STATUS_OK);
    const compile_job work = {.config = &p->config,
                              .component = p->component,
                              .component_fd = -1,
                              .logger = p->logger,
                              .options = o,
                              .engine = p->engine};
    if (compile_modules(&work, &p->artifacts, &e) != STATUS_OK) {
        printf("%s\n", e.message);
        exit(1);
    }
}

static void load(place *p) {
    err e = {0};
    const siphash_key key = {1, 2};
    REQUIRE(host_rules_gate(&p->config.rules, key, &p->gate, NULL) == STATUS_OK);
    const workload_options o = {.config = &p->config.workloads[0],
                                .component = p->component,
                                .artifacts = &p->artifacts,
                                .engine = p->engine,
                                .logger = p->logger,
                                .link_states = p->states,
                                .link_count = 2,
                                .gate = p->gate};
    if (workload_new(&o, &p->workload, &e) != STATUS_OK) {
        printf("%s\n", e.message);
        exit(1);
    }
    guest_queue_init(&p->queue, p->loop);
    p->where = (guest_place){.workload = p->workload,
                             .loop = p->loop,
                             .cell = &p->cell,
                             .queue = &p->queue,
                             .admission = {p->page, 0, 1}};
    p->pool = job_pool_new(&p->where);
    const deliveries_options d = {.loop = p->loop,
                                  .places = &p->where,
                                  .pools = &p->pool,
                                  .count = 1,
                                  .drained = on_drained,
                                  .context = p};
    p->deliveries = deliveries_new(&d);
}

static void connect_both(place *p) {
    int fds[2];
    const rpc_handler handler = {.arg = p, .on_call = on_call, .on_cancel = on_cancel};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    REQUIRE(rpc_new(p->loop, fds[0], NULL, &handler, &p->worker, NULL) == STATUS_OK);
    REQUIRE(rpc_new(p->loop, fds[1], NULL, &(rpc_handler){0}, &p->driver, NULL) == STATUS_OK);
}

static void setup_with(place *p, const gate_rule *rule) {
    *p = (place){.folder = "/tmp/writ-test-XXXXXX"};
    const logger_options log = {.fd = -1, .sink = keep_line, .context = p, .bytes_per_second_max = 1 << 20};
    REQUIRE(mkdtemp(p->folder) != NULL);
    REQUIRE(loop_new(NULL, &p->loop, NULL) == STATUS_OK);
    REQUIRE(logger_new(&log, &p->logger, NULL) == STATUS_OK);
    p->states[0] = p->states[1] = WASI_LINK_OPEN;
    p->page = mem_calloc(1, sizeof *p->page);
    configure(p);
    if (rule != NULL) {
        REQUIRE(host_config_add_rule(&p->config, rule, NULL) == STATUS_OK);
    }
    compile(p);
    load(p);
    connect_both(p);
}

static void setup(place *p) { setup_with(p, NULL); }

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void teardown(place *p) {
    rpc_free(p->driver);
    rpc_free(p->worker);
    job_pool_free(p->pool);
    deliveries_free(p->deliveries);
    guest_queue_done(&p->queue);
    workload_free(p->workload);
    gate_free(p->gate);
    artifacts_done(&p->artifacts);
    engine_free(p->engine);
    component_free(p->component);
    buf_done(&p->binary);
    host_config_done(&p->config);
    logger_free(p->logger);
    mem_free(p->page);
    loop_turn(p->loop, false);
    loop_free(p->loop);
    EXPECT(nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void on_ended(void *arg, const rpc_result *result) {
    place *p = arg;
    p->has_ended = true;
    p->code = result->code;
    p->len = result->code == STATUS_OK && result->payload.len < sizeof p->text ? result->payload.len : 0;
    if (p->len > 0) {
        memcpy(p->text, result->payload.data, p->len);
    } else {
        snprintf(p->text, sizeof p->text, "%s", result->e != NULL ? result->e->message : "");
    }
}

static status call(place *p, uint32_t target, const char *interface, const char *function, slice payload) {
    rpc_call pending = {0};
    const rpc_message m = {target, slice_from_text(interface), slice_from_text(function), payload};
    p->has_ended = false;
    EXPECT(rpc_call_start(p->driver, &pending, &m, UINT64_MAX, on_ended, p, NULL) == STATUS_OK);
    while (!p->has_ended) {
        loop_turn(p->loop, true);
    }
    return p->code;
}

#define HANDLER "test:work/handler"
#define BYTES(text) slice_of(text, sizeof(text) - 1)

TEST(exports_are_called_with_values_of_their_types) {
    place p;
    setup(&p);
    EXPECT_STATUS(call(&p, 0, HANDLER, "echo", BYTES("\x03\x00\x01\xff")), STATUS_OK);
    EXPECT_BYTES(slice_of(p.text, p.len), BYTES("\x03\x00\x01\xff"));
    EXPECT_STATUS(call(&p, 0, HANDLER, "add", BYTES("\x80\x01\x02")), STATUS_OK);
    EXPECT_BYTES(slice_of(p.text, p.len), BYTES("\x82\x01"));
    for (int i = 0; i < 3; i++) { // nothing is left of the call before
        EXPECT_STATUS(call(&p, 0, HANDLER, "count", slice_empty()), STATUS_OK);
        EXPECT_BYTES(slice_of(p.text, p.len), BYTES("\x01"));
    }
    EXPECT_EQ(p.cell.deliveries, 5);
    EXPECT_EQ(p.cell.requests, 0);
    teardown(&p);
}

TEST(nothing_else_can_be_called) {
    static const struct {
        uint32_t target;
        const char *interface, *function;
        status code;
    } rows[] = {
        {1, HANDLER, "add", STATUS_DENIED}, // another link of the workload
        {2, HANDLER, "add", STATUS_DENIED}, // none
        {UINT32_MAX, HANDLER, "add", STATUS_DENIED},
        {0, "test:work/private", "add", STATUS_DENIED}, // exported, but none of the link's
        {0, "test:work/handler@0.2.0", "add", STATUS_DENIED},
        {0, "", "add", STATUS_DENIED},
        {1, "wasi:keyvalue/store", "get", STATUS_UNSUPPORTED}, // of the link, and no export
        {0, HANDLER, "subtract", STATUS_UNSUPPORTED},
        {0, HANDLER, "", STATUS_UNSUPPORTED},
    };
    place p;
    setup(&p);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!EXPECT_STATUS(call(&p, rows[i].target, rows[i].interface, rows[i].function, BYTES("\x01\x02")),
                           rows[i].code)) {
            printf("    row %zu: %s\n", i, p.text);
        }
    }
    EXPECT_EQ(p.cell.deliveries, 0);
    teardown(&p);
}

TEST(wrong_arguments_never_reach_the_guest) {
    static const char *const wrong[] = {"", "\x01", "\x01\x02\x03", "\xff\xff\xff\xff\xff\x01\x01"};
    place p;
    setup(&p);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(call(&p, 0, HANDLER, "add", slice_from_text(wrong[i])), STATUS_INVALID);
        EXPECT_CONTAINS(p.text, "the arguments");
    }
    EXPECT_EQ(p.cell.traps, 0);
    EXPECT_TEXT(p.log, "");
    teardown(&p);
}

TEST(a_link_that_was_cut) {
    place p;
    setup(&p);
    p.states[0] = WASI_LINK_CUT;
    EXPECT_STATUS(call(&p, 0, HANDLER, "add", BYTES("\x01\x02")), STATUS_DENIED);
    EXPECT_CONTAINS(p.text, "the link was cut");
    p.states[0] = WASI_LINK_OPEN;
    EXPECT_STATUS(call(&p, 0, HANDLER, "add", BYTES("\x01\x02")), STATUS_OK);
    teardown(&p);
}

TEST(a_rule_that_denies_it) {
    gate_rule rule = {.effect = GATE_DENY, .source = slice_from_text("the test")};
    place p;
    rule.patterns[GATE_CALLER] = slice_from_text("broker");
    rule.patterns[GATE_TARGET] = slice_from_text("shop");
    rule.patterns[GATE_FUNCTION] = slice_from_text("add");
    setup_with(&p, &rule);
    EXPECT_STATUS(call(&p, 0, HANDLER, "add", BYTES("\x01\x02")), STATUS_DENIED);
    EXPECT_CONTAINS(p.text,
                    "broker may not call add of test:work/handler at shop: denied by the rule at the test");
    EXPECT_CONTAINS(p.log, "call-denied");
    EXPECT_STATUS(call(&p, 0, HANDLER, "count", slice_empty()), STATUS_OK);
    teardown(&p);
}

TEST(failures_are_told_logged_and_counted) {
    place p;
    setup(&p);
    EXPECT_STATUS(call(&p, 0, HANDLER, "trap", slice_empty()), STATUS_TRAP);
    EXPECT_CONTAINS(p.text, "unreachable");
    EXPECT_CONTAINS(p.log, "trap: trap trapped: ");
    EXPECT_STATUS(call(&p, 0, HANDLER, "spin", slice_empty()), STATUS_TIMEOUT);
    EXPECT_CONTAINS(p.log, "timeout: spin was stopped: over its CPU time limit");
    EXPECT_STATUS(call(&p, 0, HANDLER, "fail", slice_empty()), STATUS_OK);
    EXPECT_BYTES(slice_of(p.text, p.len), BYTES("\x01\x09not today"));
    EXPECT_CONTAINS(p.log, "delivery-error: fail answers with an error: not today");
    EXPECT_EQ(p.cell.traps, 1);
    EXPECT_EQ(p.cell.timeouts, 1);
    EXPECT_EQ(p.cell.deliveries, 3);
    teardown(&p);
}

// --- more than there is room for
// -----------------------------------------------------------------------------

typedef struct many {
    place *place;
    rpc_call call;
    bool has_ended;
    status code;
} many;

static void on_one_ended(void *arg, const rpc_result *result) {
    many *m = arg;
    m->has_ended = true;
    m->code = result->code;
}

static void start_spinning(place *p, many *list, size_t count) {
    const rpc_message m = {0, slice_from_text(HANDLER), slice_from_text("spin"), slice_empty()};
    for (size_t i = 0; i < count; i++) {
        list[i] = (many){.place = p};
        REQUIRE(rpc_call_start(p->driver, &list[i].call, &m, UINT64_MAX, on_one_ended, &list[i], NULL) ==
                STATUS_OK);
    }
}

TEST(calls_over_the_bounds_were_not_begun) {
    enum { COUNT = 10 };
    place p;
    many list[COUNT];
    size_t limited = 0, timed_out = 0;
    setup(&p);
    start_spinning(&p, list, COUNT); // 4 run, 2 wait
    for (size_t i = 0; i < COUNT; i++) {
        while (!list[i].has_ended) {
            loop_turn(p.loop, true);
        }
        limited += list[i].code == STATUS_LIMIT;
        timed_out += list[i].code == STATUS_TIMEOUT;
    }
    EXPECT_EQ(limited, 4);
    EXPECT_EQ(timed_out, 6);
    EXPECT_EQ(p.cell.rejected, 4);
    EXPECT_STATUS(call(&p, 0, HANDLER, "count", slice_empty()), STATUS_OK);
    teardown(&p);
}

TEST(calls_that_are_given_up_make_room) {
    place p;
    many list[6];
    setup(&p);
    start_spinning(&p, list, 6);
    for (int i = 0; i < 5; i++) {
        loop_turn(p.loop, false);
    }
    for (size_t i = 0; i < 6; i++) {
        rpc_call_cancel(&list[i].call);
    }
    EXPECT_STATUS(call(&p, 0, HANDLER, "count", slice_empty()), STATUS_OK);
    EXPECT_EQ(p.cell.timeouts, 0);
    teardown(&p);
}

TEST(a_driver_that_is_gone_takes_its_calls_along) {
    place p;
    many list[6];
    setup(&p);
    start_spinning(&p, list, 6);
    for (int i = 0; i < 5; i++) {
        loop_turn(p.loop, false);
    }
    rpc_free(p.driver);
    p.driver = NULL;
    for (int i = 0; i < 1000 && !job_pool_is_idle(p.pool); i++) {
        loop_turn(p.loop, true);
    }
    EXPECT(job_pool_is_idle(p.pool));
    EXPECT_EQ(p.cell.timeouts, 0);
    teardown(&p);
}

TEST(a_worker_that_ends_finishes_what_it_has_and_takes_no_more) {
    place p;
    many list[2];
    setup(&p);
    start_spinning(&p, list, 2);
    for (int i = 0; i < 5; i++) {
        loop_turn(p.loop, false);
    }
    deliveries_drain(p.deliveries, UINT64_MAX);
    EXPECT_STATUS(call(&p, 0, HANDLER, "count", slice_empty()), STATUS_NOT_FOUND);
    EXPECT(!p.is_drained);
    while (!p.is_drained) {
        loop_turn(p.loop, true);
    }
    while (!list[0].has_ended || !list[1].has_ended) {
        loop_turn(p.loop, true);
    }
    EXPECT_STATUS(list[0].code, STATUS_TIMEOUT);
    EXPECT_STATUS(list[1].code, STATUS_TIMEOUT);
    teardown(&p);
}

TEST(a_worker_that_has_to_end_gives_up_what_it_has) {
    place p;
    many list[6];
    setup(&p);
    start_spinning(&p, list, 6);
    for (int i = 0; i < 5; i++) {
        loop_turn(p.loop, false);
    }
    deliveries_drain(p.deliveries, loop_now_ns(p.loop));
    while (!p.is_drained) {
        loop_turn(p.loop, true);
    }
    EXPECT_EQ(p.cell.timeouts, 0);
    for (int i = 0; i < 5; i++) {
        loop_turn(p.loop, false);
    }
    for (size_t i = 0; i < 6; i++) {
        EXPECT(list[i].has_ended && list[i].code == STATUS_CANCELLED);
    }
    teardown(&p);
}

// --- instances that serve again ----------------------------------------------------------------------------

typedef struct chooser {
    job base;
    const guest *guest;
    char had[32]; // the link that the one before has left to it
    bool is_released;
} chooser;

static bool prepare_chooser(job *j) {
    (void)j;
    return true;
}

static status choose_other(job *j, component_instance *instance, err *e) {
    chooser *c = (chooser *)j;
    wasi_instance *i = guest_wasi(j->guest);
    const slice store = slice_from_text("wasi:keyvalue/store");
    (void)instance;
    c->guest = j->guest;
    snprintf(c->had, sizeof c->had, "%.*s", SLICE_ARG(wasi_link_chosen(i, store)));
    return wasi_link_choose(i, store, slice_from_text("other"), e);
}

static void chooser_ended(job *j, const guest_end *end) {
    (void)j;
    EXPECT_EQ(end->outcome, GUEST_RETURNED);
}

static void chooser_released(job *j) { ((chooser *)j)->is_released = true; }

TEST(a_link_that_was_chosen_is_not_left_to_the_next_request) {
    static const job_ops ops = {.prepare = prepare_chooser,
                                .body = choose_other,
                                .ended = chooser_ended,
                                .release = chooser_released};
    place p;
    chooser list[2] = {0};
    setup(&p);
    p.config.workloads[0].limits.reuse_max = 2;
    for (size_t i = 0; i < 2; i++) {
        REQUIRE(job_admit(p.pool, &list[i].base, &ops, UINT64_MAX));
        while (!list[i].is_released) {
            loop_turn(p.loop, true);
        }
    }
    EXPECT(list[0].guest == list[1].guest);
    EXPECT_TEXT(list[0].had, "default");
    EXPECT_TEXT(list[1].had, "default");
    teardown(&p);
}
