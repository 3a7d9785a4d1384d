// SPDX-License-Identifier: Apache-2.0
#include "unit/agent/helper_lattice.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/providers.h"
#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_local.h"
#include "driver/blobstore/blobstore.h"
#include "driver/keyvalue/keyvalue.h"
#include "driver/messaging/messaging.h"
#include "driver/sql/sql.h"
#include "host/host.h"
#include "lattice/within.h"
#include "lattice/wrpc_blobstore.h"
#include "lattice/wrpc_names.h"

enum { SETTINGS_MAX = 16, INTERFACES_MAX = 16 };

// The process with the drivers is this program with another argument.
__attribute__((constructor)) static void be_the_drivers(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "__drivers") == 0) {
        exit(host_drivers_main(argc - 1, argv + 1));
    }
}

static const char *image = "writ:memory";

void lattice_driver_use(const char *name) { image = name; }

struct driver_link {
    driver_environment env;
    driver_link_options options;
    logger *logger;
    bus *bus;
    providers *providers;
    lattice_server back; // the workload
    lattice_within *way_back;
    wrpc_blobs *blobs; // or NULL
    list_node back_calls;
    bool is_started, has_failed;
    bool is_up; // as the log has told
    char directory[40];
    err why;
    loop_soon closed;
    int turns_left;
};

// --- calls -------------------------------------------------------------------------------------------------

typedef struct forward {
    lattice_call base;
    driver_call *c;
    wrpc_wire_names names;
    buf results;
} forward;

static void on_results(lattice_call *c, slice results) {
    CHECK(buf_append(&((forward *)c)->results, results) == STATUS_OK);
}

static void on_ended(lattice_call *c, status code, const err *e) {
    forward *f = (forward *)c;
    f->c->data = NULL;
    if (code == STATUS_OK) {
        driver_answer(f->c, buf_slice(&f->results));
    } else {
        driver_fail(f->c, code, "%s", e->message);
    }
    buf_done(&f->results);
    mem_free(f);
}

static const lattice_call_ops call_ops = {.on_results = on_results, .ended = on_ended};

static void call(driver_link *l, driver_call *c) {
    if (l->blobs != NULL) {
        wrpc_blobs_call(l->blobs, c);
        return;
    }
    forward *f = MEM_NEW(forward);
    err e = {0};
    f->c = c;
    c->data = f;
    buf_init(&f->results, LATTICE_PARAMS_BYTES_MAX);
    CHECK(wrpc_names_to_wire(c->interface, &f->names, NULL) == STATUS_OK);
    uint64_t deadline =
        c->deadline_ns != UINT64_MAX ? c->deadline_ns : loop_now_ns(l->env.l) + 60000000000ull;
    f->base = (lattice_call){.ops = &call_ops,
                             .invocation = {.source = slice_from_text("app"),
                                            .link = slice_from_text("default"),
                                            .target = slice_from_text("kv"),
                                            .instance = slice_from_text(f->names.items[0]),
                                            .function = c->function,
                                            .params = c->payload,
                                            .deadline_ns = deadline}};
    if (lattice_call_start(providers_transport(l->providers), &f->base, &e) != STATUS_OK) {
        on_ended(&f->base, e.code, &e);
    }
}

static void cancel(driver_link *l, driver_call *c) {
    if (l->blobs != NULL) {
        wrpc_blobs_cancel(l->blobs, c);
        return;
    }
    forward *f = c->data;
    if (f == NULL) { // it has ended
        return;
    }
    const err e = {STATUS_CANCELLED, "cancelled"};
    lattice_call_cancel(&f->base);
    on_ended(&f->base, STATUS_CANCELLED, &e);
}

// --- the workload ------------------------------------------------------------------------------------------

typedef struct back_call {
    driver_delivery base;
    driver_link *l;
    list_node node;
    lattice_served *q;
    char interface[200];
} back_call;

static void back_free(back_call *b) {
    list_remove(&b->node);
    mem_free(b);
}

static void on_back_ended(driver_delivery *d, status code, slice payload, const err *e) {
    back_call *b = (back_call *)d;
    b->q->data = NULL;
    if (code == STATUS_OK) {
        b->q->transport->answer(b->q, payload);
    } else {
        b->q->transport->fail(b->q, code, e->message);
    }
    back_free(b);
}

static void back_ended(lattice_served *q, status code) {
    (void)code;
    back_call *b = q->data;
    if (b != NULL) {
        q->data = NULL;
        b->l->options.deliver_cancel(b->l->options.arg, &b->base);
        back_free(b);
    }
}

static const lattice_served_ops back_ops = {.ended = back_ended};

static bool back_paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                       lattice_paths *ret_down) {
    (void)context;
    *ret_up = *ret_down = (lattice_paths){.count = 0};
    return slice_equal_text(target, "app") && instance.len > 0 && function.len > 0;
}

static void back(void *context, lattice_served *q) {
    driver_link *l = context;
    back_call *b = MEM_NEW(back_call);
    err e = {0};
    CHECK(slice_equal_text(q->invocation.source, "kv"));
    const wrpc_local_name name = wrpc_names_from_wire(q->invocation.instance);
    b->l = l;
    b->q = q;
    (void)snprintf(b->interface, sizeof b->interface, "%.*s", SLICE_ARG(name.interface));
    b->base = (driver_delivery){.interface = slice_from_text(b->interface),
                                .function = q->invocation.function,
                                .payload = q->invocation.params,
                                .deadline_ns = q->invocation.deadline_ns,
                                .ended = on_back_ended};
    q->ops = &back_ops;
    q->data = b;
    list_push_back(&l->back_calls, &b->node);
    if (l->options.deliver == NULL || l->options.deliver(l->options.arg, &b->base, &e) != STATUS_OK) {
        q->data = NULL;
        q->transport->fail(q, STATUS_LIMIT, "nobody has room: it was not called");
        back_free(b);
    }
}

// --- the link ----------------------------------------------------------------------------------------------

static void on_started(void *arg, slice id) {
    (void)id;
    ((driver_link *)arg)->is_started = true;
}
static void on_failed(void *arg, slice id, const err *why) {
    (void)id;
    ((driver_link *)arg)->has_failed = true;
    ((driver_link *)arg)->why = *why;
}

static const providers_ops ops = {.started = on_started, .failed = on_failed};

// The log is the only one that is told of each backend at once.
static void on_log(void *context, const log_record *r) {
    driver_link *l = context;
    for (size_t i = 0; slice_equal_text(r->event, "link-health") && i < r->field_count; i++) {
        if (strcmp(r->fields[i].name, "state") == 0) {
            l->is_up = slice_equal_text(r->fields[i].text, "up");
        }
    }
    if (r->level > LOG_INFO) {
        fprintf(stderr, "    log: %.*s\n", SLICE_ARG(r->message));
    }
}

static const char *directory_of(driver_link *l) {
    if (l->env.directory != NULL) {
        return l->env.directory;
    }
    snprintf(l->directory, sizeof l->directory, "/tmp/writ-test-lattice-XXXXXX");
    CHECK(mkdtemp(l->directory) != NULL);
    return l->directory;
}

static status make(driver_link *l, err *e) {
    const bus_local_options local = {.l = l->env.l, .random = 1};
    const logger_options log = {.workload = slice_from_text("test"), .fd = -1, .sink = on_log, .context = l};
    CHECK(bus_local_new(&local, &l->bus, NULL) == STATUS_OK &&
          logger_new(&log, &l->logger, NULL) == STATUS_OK);
    l->back = (lattice_server){.context = l, .paths = back_paths, .call = back};
    l->way_back = lattice_within_new(l->env.l, &l->back);
    const providers_options o = {.loop = l->env.l,
                                 .bus = l->bus,
                                 .url = "",
                                 .jwt = "",
                                 .seed = "",
                                 .lattice = "default",
                                 .host_id = "NHOST",
                                 .calls = lattice_within_transport(l->way_back),
                                 .logger = l->logger,
                                 .directory = directory_of(l),
                                 .ops = &ops,
                                 .arg = l};
    return providers_new(&o, &l->providers, e);
}

static slice part(slice interface, char from, char to) {
    size_t begin = from == '\0' ? 0 : slice_find(interface, 0, (uint8_t)from) + 1;
    size_t end = to == '\0' ? interface.len : slice_find(interface, 0, (uint8_t)to);
    return slice_sub(interface, begin, end);
}

// A link of the lattice for each package of interfaces.
static status put(driver_link *l, const char *const *interfaces, err *e) {
    host_data_value values[SETTINGS_MAX];
    host_data_secret secrets[SETTINGS_MAX];
    host_data_link links[INTERFACES_MAX];
    slice names[INTERFACES_MAX];
    size_t count = 0;
    const driver_values *s = &l->options.settings, *c = &l->options.credentials;
    CHECK(s->count <= SETTINGS_MAX && c->count <= SETTINGS_MAX);
    for (size_t i = 0; i < s->count; i++) {
        values[i] = (host_data_value){s->values[i].name, s->values[i].value};
    }
    for (size_t i = 0; i < c->count; i++) {
        secrets[i] = (host_data_secret){c->values[i].name, c->values[i].value, false};
    }
    for (; interfaces[count] != NULL; count++) {
        slice interface = slice_from_text(interfaces[count]);
        names[count] = part(interface, '/', '\0');
        links[count] = (host_data_link){.source_id = slice_from_text("app"),
                                        .target = slice_from_text("kv"),
                                        .name = slice_from_text("default"),
                                        .wit_namespace = part(interface, '\0', ':'),
                                        .wit_package = part(interface, ':', '/'),
                                        .interfaces = &names[count],
                                        .interface_count = 1,
                                        .target_config = {values, s->count},
                                        .target_secrets = {secrets, c->count}};
    }
    const providers_wanted w = {.id = slice_from_text("kv"),
                                .image = slice_from_text(image),
                                .program_fd = -1,
                                .links = links,
                                .link_count = count};
    return providers_put(l->providers, &w, e);
}

static void lattice_link_done(driver_link *l) {
    wrpc_blobs_free(l->blobs);
    providers_free(l->providers);
    lattice_within_free(l->way_back);
    bus_free(l->bus);
    logger_free(l->logger);
    (void)rmdir(l->directory);
}

static status open_with(const char *const *interfaces, const driver_environment *env,
                        const driver_link_options *options, driver_link **ret, err *e) {
    driver_link *l = MEM_NEW(driver_link);
    l->env = *env;
    list_init(&l->back_calls);
    l->options = *options;
    CHECK(make(l, e) == STATUS_OK);
    status s = put(l, interfaces, e);
    if (s != STATUS_OK) {
        lattice_link_done(l);
        mem_free(l);
        return s;
    }
    while (!l->is_started && !l->has_failed) {
        loop_turn(env->l, false);
    }
    if (l->has_failed) {
        *e = l->why;
        lattice_link_done(l);
        mem_free(l);
        return e->code;
    }
    *ret = l;
    return STATUS_OK;
}

static status open_keyvalue(const driver_environment *env, const driver_link_options *options,
                            driver_link **ret, err *e) {
    return open_with(keyvalue_interfaces, env, options, ret, e);
}

static status open_messaging(const driver_environment *env, const driver_link_options *options,
                             driver_link **ret, err *e) {
    return open_with(messaging_interfaces, env, options, ret, e);
}

static status open_sql(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                       err *e) {
    return open_with(sql_interfaces, env, options, ret, e);
}

static status open_blobstore(const driver_environment *env, const driver_link_options *options,
                             driver_link **ret, err *e) {
    TRY(open_with(blobstore_interfaces, env, options, ret, e));
    const wrpc_blobs_options o = {.loop = env->l,
                                  .transport = providers_transport((*ret)->providers),
                                  .invocation = {.source = slice_from_text("app"),
                                                 .link = slice_from_text("default"),
                                                 .target = slice_from_text("kv")},
                                  .call_ns = 60000000000ull};
    (*ret)->blobs = wrpc_blobs_new(&o);
    return STATUS_OK;
}

static void on_closed(void *arg) {
    driver_link *l = arg;
    if (l->turns_left > 0) { // what cleans up does so in the next turns
        l->turns_left--;
        loop_soon_add(l->env.l, &l->closed);
        return;
    }
    const driver_link_options o = l->options;
    mem_free(l);
    o.on_closed(o.arg);
}

static void close_link(driver_link *l) {
    l->options.deliver = NULL;
    while (!list_empty(&l->back_calls)) {
        back_ended(LIST_ENTRY(l->back_calls.next, back_call, node)->q, STATUS_CLOSED);
    }
    lattice_link_done(l);
    l->turns_left = 4;
    loop_soon_init(&l->closed, on_closed, l);
    loop_soon_add(l->env.l, &l->closed);
}

static void health(const driver_link *l, driver_health *ret) {
    *ret = (driver_health){.state = l->is_up ? DRIVER_UP : DRIVER_CONNECTING, .next_try_ns = UINT64_MAX};
}

static const driver_setting settings[] = {{DRIVER_ANY, "as the provider has it", false, false},
                                          {NULL, NULL, false, false}};

#define LATTICE_DRIVER(name_, interfaces_, open_)    \
    const driver name_ = {.version = DRIVER_VERSION, \
                          .name = "lattice",         \
                          .interfaces = interfaces_, \
                          .settings = settings,      \
                          .link_open = open_,        \
                          .link_close = close_link,  \
                          .call = call,              \
                          .cancel = cancel,          \
                          .health = health}

LATTICE_DRIVER(lattice_keyvalue, keyvalue_interfaces, open_keyvalue);
LATTICE_DRIVER(lattice_messaging, messaging_interfaces, open_messaging);
LATTICE_DRIVER(lattice_blobstore, blobstore_interfaces, open_blobstore);
LATTICE_DRIVER(lattice_sql, sql_interfaces, open_sql);
