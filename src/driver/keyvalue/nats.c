// SPDX-License-Identifier: Apache-2.0
// Key-value in JetStream, laid out as NATS's own clients have it: nats_names.h. One connection for a link.
//
// Reads, writes, increment and compare-and-swap are what the contract says. set-many and delete-many are done
// key by key, since the server has nothing else: who loses the connection, or is refused by the server, on
// the way may have done some of them.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/keyvalue/nats_store.h"
#include "os/random.h"

// --- waiting for the first connection ----------------------------------------------------------------------

static void wait_for_connection(driver_link *k, keyvalue_request *q) {
    list_push_back(&k->waiting, &q->node);
    k->waiting_count++;
    k->waiting_bytes += q->origin->payload.len;
}

static nats_task *next_waiting(driver_link *k) {
    list_node *n = list_pop_front(&k->waiting);
    if (n == NULL) {
        return NULL;
    }
    keyvalue_request *q = LIST_ENTRY(n, keyvalue_request, node);
    k->waiting_count--;
    k->waiting_bytes -= q->origin->payload.len;
    return q->data;
}

static void begin(nats_task *x) {
    x->bucket = nats_bucket_take(x);
    if (x->bucket != NULL) {
        nats_bucket_run(x);
    }
}

static void on_state(void *arg, nats_state state, status why, const char *reason) {
    driver_link *k = arg;
    (void)why;
    nats_buckets_reset(k);
    if (state == NATS_UP) {
        nats_link_set_health(&k->base, DRIVER_UP, "", UINT64_MAX);
        for (nats_task *x; (x = next_waiting(k)) != NULL;) {
            begin(x);
        }
        return;
    }
    nats_link_set_health(&k->base, DRIVER_DOWN, reason, nats_next_try_ns(k->client));
    for (nats_task *x; (x = next_waiting(k)) != NULL;) {
        nats_task_fail(x, STATUS_CLOSED, reason);
    }
    for (list_node *n; (n = list_pop_front(&k->lists)) != NULL;) {
        nats_task_fail(LIST_ENTRY(n, keyvalue_request, node)->data, STATUS_CLOSED, reason);
    }
}

// --- calls -------------------------------------------------------------------------------------------------

// One that waits for the connection is counted.
static void uncount(nats_task *x) {
    driver_link *k = x->link;
    if (x->bucket == NULL) {
        k->waiting_count--;
        k->waiting_bytes -= x->q->origin->payload.len;
    }
}

static void on_deadline(void *arg) {
    nats_task *x = ((keyvalue_request *)arg)->data;
    uncount(x);
    nats_task_fail(x, STATUS_TIMEOUT, "no answer from the server in time");
}

static void call(driver_link *k, driver_call *c) {
    bool is_first = nats_state_of(k->client) == NATS_CONNECTING;
    if (nats_state_of(k->client) == NATS_DOWN) {
        driver_fail(c, STATUS_CLOSED, "%s", k->base.health.now.reason);
        return;
    }
    if (is_first && (k->waiting_count >= NATS_STORE_WAITING_MAX ||
                     k->waiting_bytes + c->payload.len > NATS_STORE_WAITING_BYTES_MAX)) {
        driver_fail(c, STATUS_LIMIT, "too many calls wait for the server");
        return;
    }
    keyvalue_request *q = keyvalue_receive(c, &k->limits);
    if (q == NULL) {
        return;
    }
    _Static_assert(sizeof(nats_task) <= sizeof q->room, "a request has room for it");
    nats_task *x = (nats_task *)q->room;
    *x = (nats_task){.link = k, .q = q};
    q->data = x;
    uint64_t end_ns = loop_now_ns(k->base.l) + k->base.time_ns_max;
    loop_timer_init(&q->timer, k->base.l, on_deadline, q);
    loop_timer_start_at(&q->timer, end_ns < c->deadline_ns ? end_ns : c->deadline_ns);
    if (is_first) {
        wait_for_connection(k, q);
    } else {
        begin(x);
    }
}

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    nats_task *x = ((keyvalue_request *)c->data)->data;
    uncount(x);
    nats_task_fail(x, STATUS_CANCELLED, "cancelled");
}

// --- the driver --------------------------------------------------------------------------------------------

static void free_link(driver_link *k) {
    nats_hots_done(k);
    nats_buckets_done(k);
    nats_free(k->client);
    nats_link_done(&k->base);
    keyvalue_limits_done(&k->limits);
    mem_free(k);
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    driver_link_options options = k->base.options;
    free_link(k);
    options.on_closed(options.arg);
}

static status read_settings(driver_link *k, const driver_values *v, err *e) {
    k->creates = true;
    TRY(keyvalue_limits_read(v, &k->limits, e));
    TRY(driver_values_bool(v, "create", &k->creates, e));
    return nats_link_storage(v, &k->replicas, &k->in_memory, e);
}

static status open_it(driver_link *k, const driver_environment *env, const driver_link_options *options,
                      err *e) {
    nats_options o = {.on_state = on_state, .arg = k};
    TRY(nats_link_init(&k->base, env, options, e));
    random_fill(&k->hot_key, sizeof k->hot_key);
    TRY(read_settings(k, &options->settings, e));
    TRY(keyvalue_watch_open(env, options, &k->limits, e));
    return nats_link_connect(&k->base, &o, &k->client, e);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    driver_link *k = MEM_NEW(driver_link);
    list_init(&k->waiting);
    list_init(&k->buckets);
    list_init(&k->hots);
    list_init(&k->lists);
    loop_soon_init(&k->closed, on_closed_soon, k);
    status code = open_it(k, env, options, e);
    if (code != STATUS_OK) {
        free_link(k);
        return code;
    }
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    CHECK(list_empty(&k->waiting) && list_empty(&k->lists));
    loop_soon_add(k->base.l, &k->closed);
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->base.health.now; }

static status credentials(driver_link *k, const driver_values *given, err *e) {
    (void)e;
    nats_link_set_credentials(&k->base, k->client, given);
    return STATUS_OK;
}

static const driver_setting settings[] = {
    KEYVALUE_SETTINGS,
    NATS_LINK_SETTINGS,
    {"create", "whether buckets that are not there are made by the first write; default true", false, false},
    NATS_STORAGE_SETTINGS,
    {NULL, NULL, false, false},
};

const driver keyvalue_nats = {
    .version = DRIVER_VERSION,
    .name = "nats",
    .interfaces = keyvalue_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
    .credentials = credentials,
    .peers = nats_link_peers,
};
