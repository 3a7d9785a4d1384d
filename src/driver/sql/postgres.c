// SPDX-License-Identifier: Apache-2.0
// wasmcloud:postgres on a PostgreSQL server: a bounded number of connections, each of which runs one call at
// a time. The first is made at once and kept; the others when calls wait. A call that is given up is
// cancelled on the server, and its connection with it: nobody knows when the cancelling arrives.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/link_health.h"
#include "driver/sql/postgres_cancel.h"
#include "driver/sql/postgres_connection.h"

enum {
    CONNECTIONS_MAX = 64,
    WAITING_MAX = 2048,
    WAITING_BYTES_MAX = 64 << 20,
    RETRY_MS_MIN = 50,
    RETRY_MS_MAX = 15000,
    LOSSES_MAX = 2, // after which a call that only reads is not sent again
    NAME_BYTES_MAX = 63,
    MESSAGE_ROOM = 64 << 10,
};

static const uint64_t ms = 1000000;

typedef struct place {
    struct driver_link *link;
    postgres_connection connection;
    loop_timer retry;
    uint64_t retry_ms; // the next wait
    bool is_up;
} place;

struct driver_link {
    loop *l;
    driver_link_options options; // callbacks and credentials
    sql_limits limits;
    sql_statements *statements;
    char host[CONNECT_HOST_BYTES_MAX + 1];
    char user[NAME_BYTES_MAX + 1];
    char database[NAME_BYTES_MAX + 1];
    bool uses_tls;
    postgres_server server;
    postgres_cancels cancels;
    uint64_t random;
    driver_link_health health;
    loop_soon closed;
    list_node waiting; // sql_request
    size_t waiting_count;
    size_t waiting_bytes;
    size_t place_count;
    place places[];
};

typedef struct running { // the driver's part of a request
    driver_link *link;
    place *place; // NULL = it waits
    unsigned losses;
} running;

// --- health ------------------------------------------------------------------------------------------------

static bool is_any_up(const driver_link *k) {
    bool is_up = false;
    for (size_t i = 0; i < k->place_count; i++) {
        is_up = is_up || k->places[i].is_up;
    }
    return is_up;
}

// --- calls that wait ---------------------------------------------------------------------------------------

static void wait(driver_link *k, sql_request *q) {
    running *x = q->driver;
    x->place = NULL;
    list_push_back(&k->waiting, &q->node);
    k->waiting_count++;
    k->waiting_bytes += q->origin->payload.len;
}

static void stop_waiting(driver_link *k, sql_request *q) {
    list_remove(&q->node);
    k->waiting_count--;
    k->waiting_bytes -= q->origin->payload.len;
}

static void fail_waiting(driver_link *k, const char *why) {
    while (!list_empty(&k->waiting)) {
        sql_request *q = LIST_ENTRY(k->waiting.next, sql_request, node);
        stop_waiting(k, q);
        sql_fail(q, STATUS_CLOSED, "%s", why);
    }
}

// A setting by its name, or by the one that it has in manifests of 1.x.
static status find_text(const driver_values *v, const char *name, const char *old, slice *ret) {
    return driver_values_text(v, name, ret) == STATUS_OK ? STATUS_OK : driver_values_text(v, old, ret);
}

static slice password_of(const driver_link *k) {
    slice password = slice_empty();
    (void)!find_text(&k->options.credentials, "password", "postgres_password", &password);
    return password;
}

static void start(place *p) { postgres_connection_start(&p->connection, password_of(p->link)); }

static place *find_ready(driver_link *k) {
    for (size_t i = 0; i < k->place_count; i++) {
        if (k->places[i].connection.phase == POSTGRES_READY) {
            return &k->places[i];
        }
    }
    return NULL;
}

// A connection for each call that waits, as far as there may be so many.
static void open_more(driver_link *k) {
    size_t coming = 0;
    for (size_t i = 0; i < k->place_count; i++) {
        postgres_phase phase = k->places[i].connection.phase;
        coming += phase > POSTGRES_IDLE && phase < POSTGRES_READY;
    }
    for (size_t i = 0; i < k->place_count && coming < k->waiting_count; i++) {
        place *p = &k->places[i];
        if (p->connection.phase == POSTGRES_IDLE && !loop_timer_is_active(&p->retry)) {
            start(p);
            coming++;
        }
    }
}

static void dispatch(driver_link *k) {
    place *p;
    while (!list_empty(&k->waiting) && (p = find_ready(k)) != NULL) {
        sql_request *q = LIST_ENTRY(k->waiting.next, sql_request, node);
        running *x = q->driver;
        stop_waiting(k, q);
        x->place = p;
        status code = postgres_connection_run(&p->connection, q);
        if (code != STATUS_OK) {
            sql_fail(q, code, "the call could not be sent to the server");
        }
    }
    open_more(k);
}

// --- a connection's events ---------------------------------------------------------------------------------

// The first place is always tried again, the others when calls wait.
static void on_retry(void *arg) {
    place *p = arg;
    if (p->connection.phase == POSTGRES_IDLE && (p == &p->link->places[0] || p->link->waiting_count > 0)) {
        start(p);
    }
}

static void on_up(void *arg, postgres_connection *c) {
    (void)c;
    place *p = arg;
    p->is_up = true;
    p->retry_ms = RETRY_MS_MIN;
    driver_link_health_set(&p->link->health, DRIVER_UP, "", UINT64_MAX);
    dispatch(p->link);
}

static void on_ready(void *arg, postgres_connection *c) {
    (void)c;
    dispatch(((place *)arg)->link);
}

static void on_done(void *arg, postgres_connection *c, sql_request *q) {
    (void)arg, (void)c;
    sql_reply(q);
}

// On a link that only reads nothing is lost by asking again.
static void end_lost_call(driver_link *k, sql_request *q, const char *text) {
    running *x = q->driver;
    if (k->limits.read_only && ++x->losses <= LOSSES_MAX) {
        wait(k, q);
    } else {
        sql_fail(q, STATUS_CLOSED,
                 "the connection to the server was lost (%.200s); it is not known whether it was done", text);
    }
}

static void on_lost(void *arg, postgres_connection *c, sql_request *q, status why, const char *text) {
    (void)c, (void)why;
    place *p = arg;
    driver_link *k = p->link;
    bool was_up = p->is_up;
    p->is_up = false;
    if (q != NULL) {
        end_lost_call(k, q, text);
    }
    loop_timer_start_in(&p->retry, driver_wait(&k->random, p->retry_ms) * ms);
    p->retry_ms = p->retry_ms * 2 < RETRY_MS_MAX ? p->retry_ms * 2 : RETRY_MS_MAX;
    if (is_any_up(k)) {
        return;
    }
    char shown[DRIVER_REASON_BYTES_MAX];
    snprintf(shown, sizeof shown, "postgres at %.100s:%u: %s", k->host, k->server.port, text);
    driver_link_health_set(&k->health, DRIVER_DOWN, shown, p->retry.deadline_ns);
    if (!was_up) { // calls wait for the one attempt that follows a loss
        fail_waiting(k, shown);
    }
}

// --- calls that are given up -------------------------------------------------------------------------------

static void give_up(sql_request *q, status why, const char *text) {
    running *x = q->driver;
    driver_link *k = x->link;
    place *p = x->place;
    if (p == NULL) {
        stop_waiting(k, q);
        sql_fail(q, why, "%s; nothing was done", text);
        return;
    }
    postgres_cancels_add(&k->cancels, p->connection.process, p->connection.key);
    postgres_connection_stop(&p->connection);
    p->is_up = false;
    loop_timer_start_in(&p->retry, 0);
    sql_fail(q, why, "%s; it is not known whether it was done", text);
}

static void on_deadline(void *arg) { give_up(arg, STATUS_TIMEOUT, "the call took longer than it may"); }

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    if (c->data != NULL) {
        give_up(c->data, STATUS_CANCELLED, "cancelled");
    }
}

static void call(driver_link *k, driver_call *c) {
    if (k->health.now.state == DRIVER_DOWN) {
        driver_fail(c, STATUS_CLOSED, "%s", k->health.now.reason);
        return;
    }
    if (k->waiting_count >= WAITING_MAX || k->waiting_bytes + c->payload.len > WAITING_BYTES_MAX) {
        driver_fail(c, STATUS_LIMIT, "too many calls wait for the database (%zu)", k->waiting_count);
        return;
    }
    sql_request *q = sql_receive(c, &k->limits, k->statements, sizeof(running));
    if (q == NULL) {
        return;
    }
    uint64_t end = loop_now_ns(k->l) + k->limits.run_ns_max;
    ((running *)q->driver)->link = k;
    loop_timer_init(&q->timer, k->l, on_deadline, q);
    loop_timer_start_at(&q->timer, c->deadline_ns < end ? c->deadline_ns : end);
    wait(k, q);
    dispatch(k);
}

// --- settings ----------------------------------------------------------------------------------------------

static status read_name(const driver_values *v, const char *name, const char *old, const char *usual,
                        size_t max, char *ret, err *e) {
    slice text = slice_from_text(usual);
    (void)!find_text(v, name, old, &text);
    if (text.len == 0 || text.len > max || memchr(text.data, 0, text.len) != NULL) {
        return err_set(e, STATUS_INVALID, "the setting %s is a name of 1 to %zu bytes", name, max);
    }
    snprintf(ret, max + 1, "%.*s", SLICE_ARG(text));
    return STATUS_OK;
}

static status read_peer(driver_link *k, const driver_values *v, err *e) {
    uint64_t port = 5432;
    TRY(read_name(v, "host", "postgres_host", "127.0.0.1", CONNECT_HOST_BYTES_MAX, k->host, e));
    TRY(driver_values_number(v, "postgres_port", 1, 65535, &port, e));
    TRY(driver_values_number(v, "port", 1, 65535, &port, e));
    k->server.host = k->host;
    k->server.port = (uint16_t)port;
    return STATUS_OK;
}

static bool is_loopback(const char *host) {
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0;
}

// TLS unless the server is on this machine, or a setting says otherwise.
static status read_tls(const driver_environment *env, driver_link *k, const driver_values *v, err *e) {
    slice text = slice_from_text(is_loopback(k->host) ? "off" : "require");
    slice ca = slice_empty();
    bool has_ca = driver_values_text(v, "ca", &ca) == STATUS_OK;
    bool is_old = driver_values_text(v, "postgres_tls_required", &text) == STATUS_OK;
    if (is_old) { // anything but these was "no"
        bool is_true = slice_equal_nocase(text, slice_from_text("true")) ||
                       slice_equal_nocase(text, slice_from_text("yes"));
        text = slice_from_text(is_true ? "require" : "off");
    }
    bool is_named = driver_values_text(v, "tls", &text) == STATUS_OK || is_old;
    if (!slice_equal_text(text, "require") && !slice_equal_text(text, "off")) {
        return err_set(e, STATUS_INVALID, "the setting tls is require or off");
    }
    k->uses_tls = slice_equal_text(text, "require") || (has_ca && !is_named);
    if (!k->uses_tls) {
        return has_ca ? err_set(e, STATUS_INVALID, "the setting ca is for TLS, and the setting tls is off")
                      : STATUS_OK;
    }
    const tls_options options = {.roots = env->roots, .ca = ca};
    return tls_context_new(&options, &k->server.tls, e);
}

static status read_settings(const driver_environment *env, driver_link *k, const driver_values *v, err *e) {
    TRY(sql_limits_read(v, &k->limits, e));
    TRY(read_peer(k, v, e));
    TRY(read_name(v, "user", "postgres_username", "postgres", NAME_BYTES_MAX, k->user, e));
    TRY(read_name(v, "database", "postgres_database", k->user, NAME_BYTES_MAX, k->database, e));
    k->server.user = slice_from_text(k->user);
    k->server.database = slice_from_text(k->database);
    k->server.read_only = k->limits.read_only;
    k->server.run_ms = k->limits.run_ns_max / ms;
    k->server.message_max = k->limits.answer_bytes_max + MESSAGE_ROOM;
    k->server.connect_ns = 10000 * ms;
    return read_tls(env, k, v, e);
}

// --- the driver --------------------------------------------------------------------------------------------

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    driver_link_options options = k->options;
    for (size_t i = 0; i < k->place_count; i++) {
        loop_timer_stop(&k->places[i].retry);
        postgres_connection_stop(&k->places[i].connection);
    }
    postgres_cancels_done(&k->cancels);
    driver_link_health_done(&k->health);
    tls_context_free(k->server.tls);
    sql_statements_free(k->statements);
    mem_free(k);
    options.on_closed(options.arg);
}

static void init_place(driver_link *k, size_t i, const driver_environment *env) {
    place *p = &k->places[i];
    const postgres_events events = {p, on_up, on_done, on_ready, on_lost};
    p->link = k;
    p->retry_ms = RETRY_MS_MIN;
    loop_timer_init(&p->retry, env->l, on_retry, p);
    postgres_connection_init(&p->connection, env->l, env->connector, &k->server, &events);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    uint64_t count = 4;
    if (env->connector == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "this host makes no connections for drivers");
    }
    TRY(driver_values_number(&options->settings, "postgres_pool_size", 1, CONNECTIONS_MAX, &count, e));
    TRY(driver_values_number(&options->settings, "connections", 1, CONNECTIONS_MAX, &count, e));
    driver_link *k = mem_zalloc(sizeof *k + count * sizeof k->places[0]);
    status code = read_settings(env, k, &options->settings, e);
    if (code != STATUS_OK) {
        mem_free(k);
        return code;
    }
    k->l = env->l;
    k->options = *options;
    k->options.settings = (driver_values){0};
    k->random = env->random;
    k->statements = sql_statements_new(k->limits.statements_max);
    driver_link_health_init(&k->health, env->l, options);
    list_init(&k->waiting);
    loop_soon_init(&k->closed, on_closed_soon, k);
    postgres_cancels_init(&k->cancels, env->l, env->connector, &k->server);
    k->place_count = count;
    for (size_t i = 0; i < count; i++) {
        init_place(k, i, env);
    }
    start(&k->places[0]);
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    CHECK(list_empty(&k->waiting));
    loop_soon_add(k->l, &k->closed);
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->health.now; }

static status credentials(driver_link *k, const driver_values *given, err *e) {
    (void)e;
    k->options.credentials = *given; // for the next connection, and those that are being made
    for (size_t i = 0; i < k->place_count; i++) {
        k->places[i].connection.password = password_of(k);
    }
    return STATUS_OK;
}

static status peers(const driver_values *given, driver_peer found, void *arg, err *e) {
    driver_link *k = MEM_NEW(driver_link);
    status s = read_peer(k, given, e);
    if (s == STATUS_OK) {
        found(arg, slice_from_text(k->host), k->server.port);
    }
    mem_free(k);
    return s;
}

static const driver_setting settings[] = {
    SQL_SETTINGS,
    {"host", "name or address of the server; default 127.0.0.1", false, false},
    {"port", "default 5432", false, false},
    {"user", "default postgres", false, false},
    {"password", "of the user", true, false},
    {"database", "default: the name of the user", false, false},
    {"tls", "require or off; default: require, and off for a server on this machine", false, false},
    {"ca", "certificates (PEM) of the authorities that the server's must come from; default: the host's",
     false, false},
    {"connections", "how many at one time, 1 to 64; default 4", false, false},
    {"postgres_host", "another name of host, as manifests of 1.x have it", false, false},
    {"postgres_port", "another name of port", false, false},
    {"postgres_username", "another name of user", false, false},
    {"postgres_password", "another name of password", true, false},
    {"postgres_database", "another name of database", false, false},
    {"postgres_tls_required", "true or yes: tls=require; anything else: tls=off", false, false},
    {"postgres_pool_size", "another name of connections", false, false},
    {"postgres_share_connections_by_url", "of 1.x; means nothing here", false, false},
    {NULL, NULL, false, false},
};

const driver sql_postgres = {
    .version = DRIVER_VERSION,
    .name = "postgres",
    .interfaces = sql_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
    .credentials = credentials,
    .peers = peers,
};
