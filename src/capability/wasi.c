// SPDX-License-Identifier: Apache-2.0
// Instances and the life of their resources.
//
// A resource is freed when its owner has let go of it and its last child is gone. At the end of an instance
// whatever a trap left behind is dropped newest first, owned ones only through their owners, so that
// implementations see the same order as in a regular run.
#include "capability/wasi.h"

#include "base/check.h"
#include "base/mem.h"
#include "capability/virtual.h"
#include "os/clock.h"
#include "os/random.h"

wasi_limits wasi_limits_default(void) {
    return (wasi_limits){
        .resources_max = 4096,
        .streams_max = 1024,
        .files_max = 128,
        .sockets_max = 128,
        .log_line_bytes_max = 8192,
        .log_bytes_per_second_max = 1 << 20,
        .random_bytes_max = 1 << 20,
    };
}

// --- the machine's clock and randomness ------------------------------------------------------------------

static uint64_t machine_monotonic_ns(void *context) {
    (void)context;
    return clock_now_ns();
}

static void machine_wall(void *context, uint64_t *ret_seconds, uint32_t *ret_nanoseconds) {
    (void)context;
    clock_wall now = clock_wall_now();
    *ret_seconds = now.seconds;
    *ret_nanoseconds = now.nanoseconds;
}

static void machine_fill(void *context, void *bytes, size_t len) {
    (void)context;
    random_fill(bytes, len);
}

const wasi_clock *wasi_clock_of_machine(void) {
    static const wasi_clock machine = {.monotonic_ns = machine_monotonic_ns, .wall = machine_wall};
    return &machine;
}

const wasi_random *wasi_random_of_machine(void) {
    static const wasi_random machine = {.fill = machine_fill};
    return &machine;
}

// --- instances -------------------------------------------------------------------------------------------

static void choose_sources(wasi_instance *i) {
    const wasi_workload *w = i->workload;
    i->clock = w->clock != NULL ? w->clock : wasi_clock_of_machine();
    i->random = w->random != NULL ? w->random : wasi_random_of_machine();
    if (w->test != NULL) {
        i->virtual = wasi_virtual_new(w->test);
        const wasi_clock *clock = wasi_virtual_clock(i->virtual);
        const wasi_random *random = wasi_virtual_random(i->virtual);
        i->clock = clock != NULL ? clock : i->clock;
        i->random = random != NULL ? random : i->random;
    }
}

status wasi_instance_new(const wasi_instance_options *options, wasi_instance **ret, err *e) {
    const wasi_workload *workload = options->workload;
    wasi_instance *i = mem_try_calloc(1, sizeof *i);
    if (i == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for another instance");
    }
    i->workload = workload;
    i->loop = options->loop;
    i->connector = options->connector;
    i->http = options->http;
    choose_sources(i);
    i->wake = options->wake;
    i->waker = options->waker;
    list_init(&i->resources);
    *ret = i;
    return STATUS_OK;
}

// The newest resource that nobody else will drop; a held one only when its holder is gone without dropping
// it.
static wasi_resource *next_to_drop(wasi_instance *i) {
    wasi_resource *fallback = NULL;
    for (list_node *n = i->resources.prev; n != &i->resources; n = n->prev) {
        wasi_resource *r = LIST_ENTRY(n, wasi_resource, node);
        if (!r->is_dropped && !r->is_held) {
            return r;
        }
        if (!r->is_dropped && fallback == NULL) {
            fallback = r;
        }
    }
    return fallback;
}

void wasi_instance_free(wasi_instance *i) {
    if (i == NULL) {
        return;
    }
    for (wasi_resource *r = next_to_drop(i); r != NULL; r = next_to_drop(i)) {
        wasi_resource_drop(r);
    }
    CHECK(list_empty(&i->resources));
    for (size_t s = 0; s < WASI_SLOT_COUNT; s++) {
        if (i->slots[s].free != NULL) {
            i->slots[s].free(i->slots[s].state);
        }
    }
    wasi_virtual_free(i->virtual);
    mem_free(i->scratch);
    mem_free(i);
}

status wasi_instance_suspend(host_call *call, err *e) {
    wasi_instance *i = wasi_of(call);
    i->is_waiting = true;
    status s = host_call_suspend(call, e);
    i->is_waiting = false;
    return s;
}

void wasi_instance_wake(wasi_instance *i) {
    if (i->is_waiting) {
        i->is_waiting = false;
        i->wake(i->waker);
    }
}

uint8_t *wasi_instance_scratch(wasi_instance *i) {
    if (i->scratch == NULL) {
        i->scratch = mem_alloc(WASI_SCRATCH_BYTES);
    }
    return i->scratch;
}

// --- resources -------------------------------------------------------------------------------------------

static status check_limit(wasi_instance *i, uint32_t count, uint32_t max, const char *what, err *e) {
    if (count < max) {
        return STATUS_OK;
    }
    i->counters.limits_hit++;
    return err_set(e, STATUS_LIMIT, "the instance holds %u %s already, which is its limit", count, what);
}

static status check_limits(wasi_instance *i, wasi_class class_, err *e) {
    const wasi_limits *limits = &i->workload->limits;
    TRY(check_limit(i, i->resource_count, limits->resources_max, "resources", e));
    uint32_t count = i->class_count[class_];
    switch (class_) {
    case WASI_CLASS_STREAM:
        return check_limit(i, count, limits->streams_max, "streams", e);
    case WASI_CLASS_FILE:
        return check_limit(i, count, limits->files_max, "files", e);
    case WASI_CLASS_SOCKET:
        return check_limit(i, count, limits->sockets_max, "sockets", e);
    case WASI_CLASS_OTHER:
    case WASI_CLASS_COUNT:
        break;
    }
    return STATUS_OK;
}

status wasi_resource_init(wasi_resource *r, wasi_instance *i, const wasi_resource_ops *ops, wasi_class class_,
                          wasi_resource *parent, err *e) {
    TRY(check_limits(i, class_, e));
    *r = (wasi_resource){.instance = i, .ops = ops, .parent = parent, .resource_class = (uint8_t)class_};
    i->resource_count++;
    i->class_count[class_]++;
    if (parent != NULL) {
        parent->child_count++;
    }
    list_push_back(&i->resources, &r->node);
    return STATUS_OK;
}

void *wasi_resource_new(wasi_instance *i, size_t bytes, const wasi_resource_ops *ops, wasi_class class_,
                        wasi_resource *parent, err *e) {
    wasi_resource *r = mem_zalloc(bytes);
    if (wasi_resource_init(r, i, ops, class_, parent, e) != STATUS_OK) {
        mem_free(r);
        return NULL;
    }
    return r;
}

void wasi_resource_drop(wasi_resource *r) {
    if (r == NULL) {
        return;
    }
    CHECK(!r->is_dropped);
    r->is_dropped = true;
    if (r->ops->drop != NULL) {
        r->ops->drop(r);
    }
    while (r != NULL && r->is_dropped && r->child_count == 0) {
        wasi_resource *parent = r->parent;
        r->instance->resource_count--;
        r->instance->class_count[r->resource_class]--;
        list_remove(&r->node);
        r->ops->free(r);
        if (parent != NULL) {
            parent->child_count--;
        }
        r = parent;
    }
}
