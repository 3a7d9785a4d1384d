// SPDX-License-Identifier: Apache-2.0
// Key-value on a Redis server: a few connections per link, each with many commands on the way. Calls wait
// only while no connection is there yet, or while reads are sent again after one was lost.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/keyvalue/keyvalue.h"
#include "driver/keyvalue/redis_commands.h"
#include "driver/keyvalue/redis_connection.h"
#include "driver/link_health.h"
#include "driver/tls_settings.h"

enum {
    CONNECTIONS_MAX = 16,
    WAITING_MAX = 4096,
    WAITING_BYTES_MAX = 64 << 20,
    RETRY_MS_MIN = 50,
    RETRY_MS_MAX = 15000,
    PAGES_MAX = 10000, // empty pages of SCAN for one call
    LOSSES_MAX = 3,    // after which a read is not sent again
};

static const uint64_t ms = 1000000;

typedef struct redis_place {
    struct driver_link *link;
    redis_connection connection;
    loop_timer retry;
    uint64_t retry_ms; // the next wait
} redis_place;

struct driver_link {
    loop *l;
    driver_link_options options; // callbacks and credentials
    keyvalue_limits limits;
    char host[CONNECT_HOST_BYTES_MAX + 1];
    uint8_t *text; // what `server` and `prefix` point at
    redis_server server;
    slice prefix;         // with '/' at its end, or empty
    bool is_secure;       // under TLS
    uint64_t time_ns_max; // of a call
    uint64_t random;
    driver_link_health health;
    loop_soon closed;
    size_t ready_count;
    list_node waiting; // keyvalue_request
    size_t waiting_count;
    size_t waiting_bytes;
    size_t place_count;
    redis_place places[];
};

typedef struct redis_request { // `data` of a request
    driver_link *link;
    redis_connection *c; // where it is; NULL = it waits
    uint64_t number;
    uint64_t cursor;
    uint32_t pages;
    unsigned losses; // of connections that it was on
} redis_request;

// --- health ------------------------------------------------------------------------------------------------

static void set_health(driver_link *k, driver_state state, const char *reason) {
    uint64_t next_try_ns = UINT64_MAX;
    for (size_t i = 0; state == DRIVER_DOWN && i < k->place_count; i++) {
        const loop_timer *t = &k->places[i].retry;
        if (loop_timer_is_active(t) && t->deadline_ns < next_try_ns) {
            next_try_ns = t->deadline_ns;
        }
    }
    driver_link_health_set(&k->health, state, reason, next_try_ns);
}

// --- requests ----------------------------------------------------------------------------------------------

static void leave(keyvalue_request *q) {
    redis_request *x = q->data;
    driver_link *k = x->link;
    if (x->c != NULL) {
        redis_connection_forget(x->c, x->number);
        x->c = NULL;
    } else if (!list_empty(&q->node)) {
        list_remove(&q->node);
        k->waiting_count--;
        k->waiting_bytes -= q->origin->payload.len;
    }
}

static void wait(driver_link *k, keyvalue_request *q) {
    list_push_back(&k->waiting, &q->node);
    k->waiting_count++;
    k->waiting_bytes += q->origin->payload.len;
}

static void fail_waiting(driver_link *k, const char *why) {
    while (!list_empty(&k->waiting)) {
        keyvalue_request *q = LIST_ENTRY(k->waiting.next, keyvalue_request, node);
        leave(q);
        keyvalue_fail(q, STATUS_CLOSED, "%s", why);
    }
}

static redis_connection *best(driver_link *k) {
    redis_connection *found = NULL;
    for (size_t i = 0; i < k->place_count; i++) {
        redis_connection *c = &k->places[i].connection;
        if (c->phase == REDIS_READY && (found == NULL || redis_in_flight(c) < redis_in_flight(found))) {
            found = c;
        }
    }
    return found;
}

// Sends its command; the request is in no list. Answers when that cannot be.
static void dispatch(driver_link *k, keyvalue_request *q) {
    redis_request *x = q->data;
    redis_connection *c = best(k);
    redis_scratch scratch;
    redis_command command;
    status code = c == NULL ? STATUS_CLOSED : redis_command_make(q, k->prefix, x->cursor, &scratch, &command);
    if (code == STATUS_OK) {
        code = redis_connection_send(c, command.words, command.count, q, &x->number);
    }
    if (code == STATUS_OK) {
        x->c = c;
    } else if (code == STATUS_CLOSED) {
        keyvalue_fail(q, code, "%s",
                      k->health.now.state == DRIVER_UP ? "the connection to the server was lost"
                                                       : k->health.now.reason);
    } else {
        keyvalue_fail(q, code, "too many calls on the way to the server");
    }
}

static void on_deadline(void *arg) {
    keyvalue_request *q = arg;
    leave(q);
    keyvalue_fail(q, STATUS_TIMEOUT, "no answer from the server in time");
}

static void on_reply(void *arg, redis_connection *c, void *tag, const redisReply *reply) {
    (void)c;
    driver_link *k = ((redis_place *)arg)->link;
    keyvalue_request *q = tag;
    redis_request *x = q->data;
    keyvalue_answer answer;
    status code = STATUS_OK;
    x->c = NULL;
    switch (redis_reply_read(q, k->prefix, reply, &answer, &code)) {
    case REDIS_ANSWERED:
        keyvalue_reply(q, &answer);
        break;
    case REDIS_GO_ON:
        x->cursor = answer.cursor;
        if (++x->pages < PAGES_MAX) {
            dispatch(k, q);
        } else {
            keyvalue_reply(q, &answer);
        }
        break;
    case REDIS_FAILED:
        keyvalue_fail(q, code, "%.*s", SLICE_ARG(answer.message));
        break;
    }
}

static void on_unanswered(void *arg, redis_connection *c, void *tag) {
    (void)c;
    driver_link *k = ((redis_place *)arg)->link;
    keyvalue_request *q = tag;
    redis_request *x = q->data;
    x->c = NULL;
    if (!keyvalue_is_read(q->call.function) || ++x->losses > LOSSES_MAX || k->waiting_count >= WAITING_MAX) {
        keyvalue_fail(q, STATUS_CLOSED,
                      "the connection to the server was lost; it is not known whether it was done");
        return;
    }
    wait(k, q);
}

static void send_waiting(driver_link *k) {
    while (!list_empty(&k->waiting)) {
        keyvalue_request *q = LIST_ENTRY(k->waiting.next, keyvalue_request, node);
        leave(q);
        dispatch(k, q);
    }
}

// --- connections -------------------------------------------------------------------------------------------

static void start(redis_place *p) {
    slice password = slice_empty();
    (void)!driver_values_text(&p->link->options.credentials, "password", &password);
    redis_connection_start(&p->connection, password);
}

static void on_retry(void *arg) { start(arg); }

static void on_up(void *arg, redis_connection *c) {
    (void)c;
    redis_place *p = arg;
    driver_link *k = p->link;
    p->retry_ms = RETRY_MS_MIN;
    k->ready_count++;
    set_health(k, DRIVER_UP, "");
    send_waiting(k);
}

static size_t count_ready(const driver_link *k) {
    size_t count = 0;
    for (size_t i = 0; i < k->place_count; i++) {
        count += k->places[i].connection.phase == REDIS_READY;
    }
    return count;
}

// A connection that was up is tried again almost at once, one that could not be made later and later.
static void on_lost(void *arg, redis_connection *c, status why, const char *text) {
    (void)c;
    (void)why;
    redis_place *p = arg;
    driver_link *k = p->link;
    bool was_up = count_ready(k) < k->ready_count;
    k->ready_count = count_ready(k);
    loop_timer_start_in(&p->retry, driver_wait(&k->random, p->retry_ms) * ms);
    p->retry_ms = p->retry_ms * 2 < RETRY_MS_MAX ? p->retry_ms * 2 : RETRY_MS_MAX;
    if (k->ready_count > 0) {
        send_waiting(k);
        return;
    }
    char shown[DRIVER_REASON_BYTES_MAX];
    snprintf(shown, sizeof shown, "redis at %.100s:%u: %s", k->host, k->server.port, text);
    set_health(k, DRIVER_DOWN, shown);
    if (!was_up) { // reads wait for the one attempt that follows a loss
        fail_waiting(k, shown);
    }
}

// --- settings ----------------------------------------------------------------------------------------------

static status read_host(driver_link *k, slice host, err *e) {
    if (host.len == 0 || host.len > CONNECT_HOST_BYTES_MAX || memchr(host.data, 0, host.len) != NULL) {
        return err_set(e, STATUS_INVALID, "the setting host is a name or an address of 1 to %d bytes",
                       CONNECT_HOST_BYTES_MAX);
    }
    snprintf(k->host, sizeof k->host, "%.*s", SLICE_ARG(host));
    return STATUS_OK;
}

// redis://[user@]host[:port][/database]
static status read_url(driver_link *k, slice url, err *e) {
    static const char form[] = "the setting url reads redis[s]://[user@]host[:port][/database]";
    k->is_secure = slice_starts_with(url, "rediss://");
    if (!k->is_secure && !slice_starts_with(url, "redis://")) {
        return err_set(e, STATUS_INVALID, "%s", form);
    }
    slice rest = slice_sub(url, slice_find(url, 0, '/') + 2, url.len);
    size_t slash = slice_find(rest, 0, '/');
    slice authority = slice_sub(rest, 0, slash == SIZE_MAX ? rest.len : slash);
    slice database = slash == SIZE_MAX ? slice_empty() : slice_sub(rest, slash + 1, rest.len);
    size_t at = slice_find(authority, 0, '@');
    if (at != SIZE_MAX) {
        k->server.user = slice_sub(authority, 0, at);
        authority = slice_sub(authority, at + 1, authority.len);
        if (slice_find(k->server.user, 0, ':') != SIZE_MAX) {
            return err_set(e, STATUS_INVALID,
                           "the setting url holds a password: name a secret for `password`");
        }
    }
    size_t bracket = slice_starts_with(authority, "[") ? slice_find(authority, 0, ']') : 0;
    size_t colon = bracket == SIZE_MAX ? SIZE_MAX : slice_find(authority, bracket, ':');
    uint64_t port = 6379;
    uint64_t number = 0;
    slice port_text = colon == SIZE_MAX ? slice_empty() : slice_sub(authority, colon + 1, authority.len);
    if (bracket == SIZE_MAX ||
        (colon != SIZE_MAX && (!slice_to_u64(port_text, &port) || port == 0 || port > 65535)) ||
        (database.len > 0 && (!slice_to_u64(database, &number) || number > 1 << 20))) {
        return err_set(e, STATUS_INVALID, "%s", form);
    }
    slice host = slice_sub(authority, 0, colon == SIZE_MAX ? authority.len : colon);
    k->server.port = (uint16_t)port;
    k->server.database = (uint32_t)number;
    return read_host(k, bracket > 0 ? slice_sub(host, 1, bracket) : host, e);
}

static status read_server(driver_link *k, const driver_values *v, err *e) {
    slice text;
    uint64_t port = 6379;
    uint64_t database = 0;
    if (driver_values_text(v, "url", &text) == STATUS_OK) {
        TRY(read_url(k, text, e));
        port = k->server.port;
        database = k->server.database;
    } else {
        slice host = SLICE_LITERAL("127.0.0.1");
        (void)!driver_values_text(v, "host", &host);
        TRY(read_host(k, host, e));
    }
    TRY(driver_values_number(v, "port", 1, 65535, &port, e));
    TRY(driver_values_number(v, "database", 0, 1 << 20, &database, e));
    TRY(driver_values_bool(v, "tls", &k->is_secure, e));
    (void)!driver_values_text(v, "user", &k->server.user);
    k->server.host = k->host;
    k->server.port = (uint16_t)port;
    k->server.database = (uint32_t)database;
    return STATUS_OK;
}

// Copies what has no place of its own.
static status keep_texts(driver_link *k, const driver_values *v, err *e) {
    (void)!driver_values_text(v, "prefix", &k->prefix);
    if (k->prefix.len > 255 || k->server.user.len > 255) {
        return err_set(e, STATUS_INVALID, "the settings prefix and user have at most 255 bytes");
    }
    // Else keys of one prefix could be keys of another: see redis_commands.h.
    if (slice_find(k->prefix, 0, '/') != SIZE_MAX || slice_find(k->prefix, 0, ':') != SIZE_MAX) {
        return err_set(e, STATUS_INVALID,
                       "the setting prefix holds neither '/' nor ':': write \"app\" for keys that begin with "
                       "\"app/\"");
    }
    k->text = mem_alloc(k->prefix.len + k->server.user.len + 2);
    slice *texts[] = {&k->prefix, &k->server.user};
    uint8_t *to = k->text;
    for (size_t i = 0; i < 2; i++) {
        if (texts[i]->len > 0) {
            memcpy(to, texts[i]->data, texts[i]->len);
        }
        texts[i]->data = to;
        to += texts[i]->len;
        if (i == 0 && texts[i]->len > 0) {
            *to++ = '/';
            texts[i]->len++;
        }
    }
    return STATUS_OK;
}

static status read_settings(driver_link *k, const driver_values *v, err *e) {
    uint64_t time_ms = 10000;
    TRY(keyvalue_limits_read(v, &k->limits, e));
    TRY(read_server(k, v, e));
    TRY(driver_values_number(v, "timeout-ms", 10, 3600000, &time_ms, e));
    k->time_ns_max = time_ms * ms;
    k->server.stall_ns = 2 * k->time_ns_max;
    return keep_texts(k, v, e);
}

// --- the driver --------------------------------------------------------------------------------------------

static void free_parts(driver_link *k) {
    tls_context_free(k->server.tls);
    keyvalue_limits_done(&k->limits);
    mem_free(k->text);
    mem_free(k);
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    driver_link_options options = k->options;
    for (size_t i = 0; i < k->place_count; i++) {
        loop_timer_stop(&k->places[i].retry);
        redis_connection_done(&k->places[i].connection);
    }
    driver_link_health_done(&k->health);
    free_parts(k);
    options.on_closed(options.arg);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    uint64_t count = 2;
    if (env->connector == NULL) {
        return err_set(e, STATUS_UNSUPPORTED, "this host makes no connections for drivers");
    }
    TRY(driver_values_number(&options->settings, "connections", 1, CONNECTIONS_MAX, &count, e));
    driver_link *k = mem_zalloc(sizeof *k + count * sizeof k->places[0]);
    status code = read_settings(k, &options->settings, e);
    code = code == STATUS_OK ? keyvalue_watch_open(env, options, &k->limits, e) : code;
    code = code == STATUS_OK ? driver_tls_make(env, options, k->is_secure, &k->server.tls, e) : code;
    if (code != STATUS_OK) {
        free_parts(k);
        return code;
    }
    k->l = env->l;
    k->options = *options;
    k->options.settings = (driver_values){0};
    k->random = env->random;
    driver_link_health_init(&k->health, env->l, options);
    list_init(&k->waiting);
    loop_soon_init(&k->closed, on_closed_soon, k);
    k->place_count = count;
    for (size_t i = 0; i < count; i++) {
        redis_place *p = &k->places[i];
        const redis_events events = {p, on_up, on_reply, on_unanswered, on_lost};
        p->link = k;
        p->retry_ms = RETRY_MS_MIN;
        loop_timer_init(&p->retry, env->l, on_retry, p);
        redis_connection_init(&p->connection, env->l, env->connector, &k->server, &events);
        start(p);
    }
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    CHECK(list_empty(&k->waiting));
    loop_soon_add(k->l, &k->closed);
}

// Answers what needs no server. True when it was answered.
static bool answer_alone(keyvalue_request *q) {
    const keyvalue_call *c = &q->call;
    if (c->function == KEYVALUE_INCREMENT && c->delta > INT64_MAX) {
        keyvalue_reply_other(q, "the sum does not fit 64 bits");
        return true;
    }
    return false;
}

static void call(driver_link *k, driver_call *c) {
    if (k->health.now.state == DRIVER_DOWN && k->ready_count == 0) {
        driver_fail(c, STATUS_CLOSED, "%s", k->health.now.reason);
        return;
    }
    if (k->waiting_count >= WAITING_MAX || k->waiting_bytes + c->payload.len > WAITING_BYTES_MAX) {
        driver_fail(c, STATUS_LIMIT, "too many calls wait for the server");
        return;
    }
    keyvalue_request *q = keyvalue_receive(c, &k->limits);
    if (q == NULL || answer_alone(q)) {
        return;
    }
    _Static_assert(sizeof(redis_request) <= sizeof q->room, "a request has room for it");
    redis_request *x = (redis_request *)q->room;
    x->link = k;
    x->cursor = q->call.cursor;
    q->data = x;
    uint64_t end_ns = loop_now_ns(k->l) + k->time_ns_max;
    loop_timer_init(&q->timer, k->l, on_deadline, q);
    loop_timer_start_at(&q->timer, end_ns < c->deadline_ns ? end_ns : c->deadline_ns);
    if (k->ready_count > 0) {
        dispatch(k, q);
    } else {
        wait(k, q);
    }
}

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    keyvalue_request *q = c->data;
    leave(q);
    keyvalue_fail(q, STATUS_CANCELLED, "cancelled");
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->health.now; }

static status credentials(driver_link *k, const driver_values *given, err *e) {
    (void)e;
    k->options.credentials = *given; // for the next connection
    return STATUS_OK;
}

static status peers(const driver_values *given, driver_peer found, void *arg, err *e) {
    driver_link *k = MEM_NEW(driver_link);
    status s = read_server(k, given, e);
    if (s == STATUS_OK) {
        found(arg, slice_from_text(k->host), k->server.port);
    }
    mem_free(k);
    return s;
}

static const driver_setting settings[] = {
    KEYVALUE_SETTINGS,
    {"url", "redis://[user@]host[:port][/database], in place of these settings; rediss:// for TLS", false,
     false},
    {"host", "name or address of the server; default 127.0.0.1", false, false},
    {"port", "default 6379", false, false},
    {"database", "its number; default 0", false, false},
    {"user", "of the server's access list; default: the default user", false, false},
    {"password", "of the user", true, false},
    {"tls", "whether connections are under TLS; default: only with rediss://", false, false},
    DRIVER_TLS_SETTINGS,
    {"prefix",
     "with '/' behind it, what all keys on the server begin with; no '/' or ':' in it; default: nothing",
     false, false},
    {"connections", "how many at one time, 1 to 16; default 2", false, false},
    {"timeout-ms", "the longest time for one call, in milliseconds; default 10000", false, false},
    {NULL, NULL, false, false},
};

const driver keyvalue_redis = {
    .version = DRIVER_VERSION,
    .name = "redis",
    .interfaces = keyvalue_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
    .credentials = credentials,
    .peers = peers,
};
