// SPDX-License-Identifier: Apache-2.0
#include "unit/lattice/helper_wire.h"

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_local.h"
#include "lattice/wrpc.h"
#include "lattice/wrpc_blobstore.h"

struct driver_link {
    loop *l;
    bus *b;
    wrpc *w;
    wrpc_export exports[2 * BLOBSTORE_FUNCTION_COUNT];
    size_t export_count;
    lattice_server server;
    driver_link *inner;
    wrpc_blobs *blobs;
    unsigned calls; // of the directory, on their way
    driver_link_options options;
};

// --- the serving end ---------------------------------------------------------------------------------------

static bool paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    (void)context, (void)target;
    return wrpc_blobstore_paths(instance, function, ret_up, ret_down);
}

typedef struct inner_call {
    driver_call call; // in front
    driver_link *k;
    driver_call *outer;
} inner_call;

static void on_inner_end(driver_call *c, status code, slice payload, const err *e) {
    inner_call *i = (inner_call *)(void *)c;
    i->k->calls--;
    i->outer->end(i->outer, code, payload, e);
    mem_free(i);
}

static void call_inner(void *context, driver_call *c) {
    inner_call *i = MEM_NEW(inner_call);
    i->k = context;
    i->k->calls++;
    i->outer = c;
    i->call = *c;
    i->call.end = on_inner_end;
    c->node.next = &i->call.node; // for cancel_inner
    blobstore_directory.call(i->k->inner, &i->call);
}

static void cancel_inner(void *context, driver_call *c) {
    driver_call *inner = LIST_ENTRY(c->node.next, driver_call, node);
    inner->is_cancelled = true;
    blobstore_directory.cancel(((driver_link *)context)->inner, inner);
}

static void serve(void *context, lattice_served *q) {
    driver_link *k = context;
    wrpc_blob_backend backend = {.loop = k->l, .call = call_inner, .cancel = cancel_inner, .context = k};
    wrpc_blobstore_serve(q, &backend);
}

static void export(driver_link *k, const char *instance) {
    for (unsigned f = 0; f < BLOBSTORE_FUNCTION_COUNT; f++) {
        wrpc_export *x = &k->exports[k->export_count++];
        CHECK(wrpc_export_start(k->w, x, slice_from_text("blobs"), slice_from_text(instance),
                                slice_from_text(blobstore_function_name((blobstore_function)f)),
                                NULL) == STATUS_OK);
    }
}

// --- the link ----------------------------------------------------------------------------------------------

static void on_health(void *arg, const driver_health *h) {
    driver_link *k = arg;
    k->options.on_health(k->options.arg, h);
}

static void on_closed(void *arg) {
    driver_link *k = arg;
    driver_link_options options = k->options;
    for (size_t i = 0; i < k->export_count; i++) {
        wrpc_export_stop(&k->exports[i]);
    }
    wrpc_free(k->w);
    bus_free(k->b);
    mem_free(k);
    options.on_closed(options.arg);
}

static status open_link(const driver_environment *env, const driver_link_options *options, bool has_new,
                        driver_link **ret, err *e) {
    driver_link *k = MEM_NEW(driver_link);
    k->l = env->l;
    k->options = *options;
    driver_link_options inner = *options;
    inner.on_health = on_health;
    inner.on_closed = on_closed;
    inner.arg = k;
    status s = driver_open(&blobstore_directory, env, &inner, &k->inner, e);
    if (s != STATUS_OK) {
        mem_free(k);
        return s;
    }
    k->server = (lattice_server){.context = k, .paths = paths, .call = serve};
    CHECK(bus_local_new(&(bus_local_options){.l = k->l, .random = 9}, &k->b, NULL) == STATUS_OK);
    wrpc_options w = {.bus = k->b,
                      .loop = k->l,
                      .lattice = slice_from_text("main"),
                      .server = &k->server,
                      .random = {5, 6}};
    CHECK(wrpc_new(&w, &k->w, NULL) == STATUS_OK);
    if (has_new) {
        export(k, WRPC_BLOBSTORE_NEW);
    }
    export(k, WRPC_BLOBSTORE_OLD);
    wrpc_blobs_options blobs = {
        .loop = k->l,
        .transport = wrpc_transport(k->w),
        .invocation = {.source = slice_from_text("shop"),
                       .link = slice_from_text("default"),
                       .target = slice_from_text("blobs")},
        .call_ns = UINT64_C(10000000000),
    };
    k->blobs = wrpc_blobs_new(&blobs);
    *ret = k;
    return STATUS_OK;
}

static status open_new(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                       err *e) {
    return open_link(env, options, true, ret, e);
}

static status open_old(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                       err *e) {
    return open_link(env, options, false, ret, e);
}

static bool is_serving(const driver_link *k) { return wrpc_count(k->w).serving > 0; }

static void close_link(driver_link *k) {
    wrpc_blobs_free(k->blobs);
    while (is_serving(k) || k->calls > 0) { // what was given up is undone first
        loop_turn(k->l, true);
    }
    blobstore_directory.link_close(k->inner);
}

static void call(driver_link *k, driver_call *c) { wrpc_blobs_call(k->blobs, c); }
static void cancel(driver_link *k, driver_call *c) { wrpc_blobs_cancel(k->blobs, c); }
static void health(const driver_link *k, driver_health *ret) { blobstore_directory.health(k->inner, ret); }

static const driver_setting settings[] = {
    BLOBSTORE_SETTINGS, {"sync", "as of the directory", false, false}, {NULL, NULL, false, false}};

#define WIRE(open)                                                                                           \
    {                                                                                                        \
        .version = DRIVER_VERSION, .name = "wire", .interfaces = blobstore_interfaces, .settings = settings, \
        .link_open = open, .link_close = close_link, .call = call, .cancel = cancel, .health = health        \
    }

const driver wire_new = WIRE(open_new);
const driver wire_old = WIRE(open_old);
