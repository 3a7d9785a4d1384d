// SPDX-License-Identifier: Apache-2.0
// The life of the connection: attempts, the greeting, keeping it alive, its end.
#include "bus/nats.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/check.h"
#include "base/jitter.h"
#include "base/mem.h"
#include "bus/nats_internal.h"
#include "codec/utf.h"

enum { OUT_BYTES = 64 << 20, PAYLOAD_BYTES = 8 << 20, PINGS_MAX = 2 };

static const uint64_t second = 1000000000;
static const uint64_t retry_ns_min = 50000000;

static void start_attempt(nats *n);
static void on_timer(void *arg);
static void on_ping_timer(void *arg);
static void on_flush_soon(void *arg);

// --- life --------------------------------------------------------------------------------------------------

static void release(nats *n) {
    if (--n->holds > 0 || !n->is_freed) {
        return;
    }
    nats_table_done(&n->subscriptions);
    nats_table_done(&n->requests);
    mem_free(n->name);
    mem_free(n);
}

static void fill_defaults(nats_options *o) {
    o->out_bytes_max = o->out_bytes_max == 0 ? OUT_BYTES : o->out_bytes_max;
    o->payload_bytes_max = o->payload_bytes_max == 0 ? PAYLOAD_BYTES : o->payload_bytes_max;
    o->connect_ns_max = o->connect_ns_max == 0 ? 5 * second : o->connect_ns_max;
    o->ping_ns = o->ping_ns == 0 ? 20 * second : o->ping_ns;
    o->retry_ns_max = o->retry_ns_max == 0 ? 15 * second : o->retry_ns_max;
}

void nats_name_inbox(uint64_t *random, char ret[NATS_INBOX_PREFIX_BYTES]) {
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    int at = snprintf(ret, NATS_INBOX_PREFIX_BYTES, "_INBOX.");
    for (int i = 0; i < NATS_INBOX_TOKEN; i++) {
        ret[at++] = letters[jitter_next(random) % (sizeof letters - 1)];
    }
    ret[at] = '\0';
}

static status check_options(const nats_options *o, err *e) {
    if (o->server_count == 0 || o->server_count > NATS_SERVERS_MAX) {
        return err_set(e, STATUS_INVALID, "1 to %d servers of NATS", NATS_SERVERS_MAX);
    }
    for (size_t i = 0; i < o->server_count; i++) {
        if (o->servers[i].is_secure && o->tls == NULL) {
            return err_set(e, STATUS_INVALID, "the server tls://%s is reached through TLS, which is off",
                           o->servers[i].host);
        }
    }
    return STATUS_OK;
}

status nats_new(const nats_options *options, nats **ret, err *e) {
    TRY(check_options(options, e));
    nats *n = MEM_NEW(nats);
    n->options = *options;
    fill_defaults(&n->options);
    n->name = mem_text_dup(options->name != NULL ? options->name : "");
    n->credentials = options->credentials;
    memcpy(n->servers, options->servers, options->server_count * sizeof n->servers[0]);
    n->given_count = n->server_count = options->server_count;
    n->options.servers = NULL;
    n->random = options->random;
    n->hash_key = (siphash_key){jitter_next(&n->random), jitter_next(&n->random)};
    n->server_at = jitter_next(&n->random) % n->server_count;
    n->retry_ns = retry_ns_min;
    nats_name_inbox(&n->random, n->inbox);
    nats_table_init(&n->subscriptions, NATS_SUBSCRIPTIONS_MAX);
    nats_table_init(&n->requests, NATS_REQUESTS_MAX);
    loop_timer_init(&n->timer, options->l, on_timer, n);
    loop_timer_init(&n->pinging, options->l, on_ping_timer, n);
    list_init(&n->flushes);
    loop_soon_init(&n->flush_soon, on_flush_soon, n);
    loop_timer_start_in(&n->timer, 0);
    *ret = n;
    return STATUS_OK;
}

static void cut(nats *n) {
    if (n->phase == NATS_PHASE_CONNECTING) {
        connector_cancel(n->options.connector, n->connect_id);
    }
    byte_stream_free(n->stream);
    n->stream = NULL;
    n->is_greeted = false;
    n->left_out = 0;
    n->phase = NATS_PHASE_IDLE;
    loop_timer_stop(&n->timer);
    loop_timer_stop(&n->pinging);
    loop_soon_cancel(&n->flush_soon);
}

void nats_free(nats *n) {
    if (n == NULL) {
        return;
    }
    CHECK(!n->is_freed);
    if (n->stream != NULL) {
        byte_stream_flush(n->stream); // what was published last
    }
    cut(n);
    n->is_freed = true;
    for (uint32_t i = 0; i < n->requests.count; i++) {
        if (n->requests.places[i].item != NULL) {
            nats_request_cancel(n->requests.places[i].item);
        }
    }
    for (uint32_t i = 0; i < n->subscriptions.count; i++) {
        if (n->subscriptions.places[i].item != NULL) {
            nats_unsubscribe(n->subscriptions.places[i].item);
        }
    }
    while (!list_empty(&n->flushes)) {
        nats_flush_cancel(LIST_ENTRY(n->flushes.next, nats_flush, node));
    }
    n->holds++;
    release(n);
}

void nats_set_credentials(nats *n, const nats_credentials *credentials) { n->credentials = *credentials; }
nats_state nats_state_of(const nats *n) { return n->state; }
uint64_t nats_passed_over(const nats *n) { return n->passed_over; }
size_t nats_payload_max(const nats *n) { return n->info.max_payload; }

uint64_t nats_next_try_ns(const nats *n) {
    return n->phase == NATS_PHASE_IDLE && loop_timer_is_active(&n->timer) ? n->timer.deadline_ns : UINT64_MAX;
}

// The greeting of a new connection is read all the same.
static bool is_held(const nats *n) { return n->is_paused && n->phase == NATS_PHASE_READY; }

void nats_pause(nats *n) {
    n->is_paused = true;
    if (is_held(n)) {
        byte_stream_pause(n->stream);
    }
}

void nats_resume(nats *n) {
    n->is_paused = false;
    n->was_heard = true;
    if (n->stream != NULL) {
        byte_stream_resume(n->stream);
    }
}

// --- the end of a connection -------------------------------------------------------------------------------

static void tell_state(nats *n, status why, const char *reason) {
    if (!n->is_freed && n->options.on_state != NULL) {
        n->options.on_state(n->options.arg, n->state, why, reason);
    }
}

// All servers are tried one after the other with short waits, then they are left alone for longer and longer.
static void plan_attempt(nats *n) {
    n->server_at = (n->server_at + 1) % n->server_count;
    bool is_round_over = ++n->failures % n->server_count == 0;
    loop_timer_start_in(&n->timer, jitter_wait(&n->random, is_round_over ? n->retry_ns : retry_ns_min));
    if (is_round_over) {
        uint64_t max = n->options.retry_ns_max;
        n->retry_ns = 2 * n->retry_ns < max ? 2 * n->retry_ns : max;
    }
}

// From the loop only.
static void lose(nats *n, status why, const char *text) {
    char reason[NATS_REASON_BYTES_MAX];
    const nats_server *s = &n->servers[n->server_at];
    snprintf(reason, sizeof reason, "nats at %.100s:%u: %.120s", s->host, s->port, text);
    n->holds++;
    cut(n);
    n->state = NATS_DOWN;
    plan_attempt(n);
    nats_fail_requests(n, "the connection to the server was lost");
    nats_end_flushes(n, UINT64_MAX, STATUS_CLOSED);
    tell_state(n, why, reason);
    release(n);
}

static void on_end(void *arg, status why, const err *e) {
    nats *n = arg;
    char text[NATS_REASON_BYTES_MAX];
    if (n->complaint[0] != '\0') {
        snprintf(text, sizeof text, "%.100s (the server said: %.100s)", e->message, n->complaint);
    } else {
        snprintf(text, sizeof text, "%.200s", e->message);
    }
    lose(n, why, text);
}

// --- the greeting ------------------------------------------------------------------------------------------

static slice tls_host(const nats *n) {
    struct in6_addr address;
    const nats_server *s = &n->servers[n->server_at];
    // Servers tell of each other by address, but their certificates have the name that was given.
    if (n->server_at >= n->given_count &&
        (inet_pton(AF_INET, s->host, &address) == 1 || inet_pton(AF_INET6, s->host, &address) == 1)) {
        s = &n->servers[0];
    }
    return slice_from_text(s->host);
}

static status start_tls(nats *n, err *e) {
    return byte_stream_start_tls(n->stream, n->options.tls, tls_host(n), e);
}

static status ping(nats *n) {
    TRY(byte_stream_write(n->stream, slice_from_text("PING\r\n")));
    n->pings_sent++;
    return STATUS_OK;
}

static status say_hello(nats *n, err *e) {
    secret line;
    TRY(nats_connect_line(&n->credentials, &n->info, n->name, n->options.tls != NULL, &line, e));
    TRY(byte_stream_write_secret(n->stream, &line));
    n->is_greeted = true;
    TRY(nats_send_subscriptions(n));
    return ping(n);
}

static void greet(nats *n) {
    err e = {.message = "no room for the greeting"};
    status code = say_hello(n, &e);
    if (code != STATUS_OK) {
        lose(n, code, e.message);
    }
}

static void on_secure(void *arg) {
    nats *n = arg;
    if (!n->options.tls_first) {
        greet(n);
    }
}

static void add_servers(nats *n, const nats_server *found, size_t count) {
    if (!n->options.discovers) {
        return;
    }
    for (size_t i = 0; i < count && n->server_count < NATS_SERVERS_MAX; i++) {
        bool is_known = false;
        for (size_t k = 0; k < n->server_count; k++) {
            is_known = is_known || (n->servers[k].port == found[i].port &&
                                    strcmp(n->servers[k].host, found[i].host) == 0);
        }
        if (!is_known) {
            n->servers[n->server_count++] = found[i];
        }
    }
}

// False when the connection is lost.
static bool on_info(nats *n, slice json) {
    nats_server found[NATS_SERVERS_MAX];
    size_t count = NATS_SERVERS_MAX;
    err e;
    status code = nats_info_read(json, &n->info, found, &count, &e);
    if (code != STATUS_OK) {
        lose(n, code, e.message);
        return false;
    }
    add_servers(n, found, count);
    if (n->is_greeted) {
        return true; // news of the cluster
    }
    bool has_tls = n->info.tls_required || n->info.tls_available;
    if (n->options.tls == NULL && n->info.tls_required) {
        lose(n, STATUS_DENIED, "the server demands TLS, which is off");
        return false;
    }
    if (n->options.tls == NULL || byte_stream_is_secure(n->stream)) {
        greet(n);
    } else if (!has_tls) {
        lose(n, STATUS_DENIED, "the server has no TLS, which is demanded");
    } else if (start_tls(n, &e) != STATUS_OK) {
        lose(n, STATUS_INVALID, e.message);
    }
    return n->stream != NULL;
}

// --- operations --------------------------------------------------------------------------------------------

static void on_pong(nats *n) {
    n->pongs++;
    if (n->phase == NATS_PHASE_READY) {
        nats_end_flushes(n, n->pongs, STATUS_OK);
        return;
    }
    n->phase = NATS_PHASE_READY;
    n->failures = 0;
    n->retry_ns = retry_ns_min;
    n->state = NATS_UP;
    loop_timer_stop(&n->timer);
    loop_timer_start_in(&n->pinging, n->options.ping_ns);
    if (n->is_paused) {
        byte_stream_pause(n->stream);
    }
    tell_state(n, STATUS_OK, "");
}

static void on_complaint(nats *n, slice text) {
    utf8_shown(text, n->complaint, sizeof n->complaint);
    if (n->phase == NATS_PHASE_GREETING) {
        char reason[NATS_REASON_BYTES_MAX];
        snprintf(reason, sizeof reason, "the server refused the greeting: %.200s", n->complaint);
        lose(n, STATUS_DENIED, reason);
        return;
    }
    nats_refuse_subject(n, text);
    if (!n->is_freed && n->options.on_error != NULL) {
        n->options.on_error(n->options.arg, text);
    }
}

static void on_operation(nats *n, const nats_event *event) {
    switch (event->op) {
    case NATS_OP_MESSAGE:
        n->left_out = event->left_out;
        nats_deliver(n, event);
        break;
    case NATS_OP_INFO:
        (void)on_info(n, event->text);
        break;
    case NATS_OP_PING:
        if (byte_stream_write(n->stream, slice_from_text("PONG\r\n")) == STATUS_LIMIT) {
            lose(n, STATUS_LIMIT, "the server does not read");
        }
        break;
    case NATS_OP_PONG:
        on_pong(n);
        break;
    case NATS_OP_ERROR:
        on_complaint(n, event->text);
        break;
    case NATS_OP_OK:
        break;
    }
}

// Whether the operation may come now.
static bool is_expected(const nats *n, nats_op op) {
    return n->is_greeted || op == NATS_OP_INFO || op == NATS_OP_ERROR;
}

static size_t pass_over(nats *n, size_t there) {
    size_t passed = n->left_out < there ? n->left_out : there;
    n->left_out -= passed;
    return passed;
}

static size_t on_bytes(void *arg, slice bytes) {
    nats *n = arg;
    const byte_stream *stream = n->stream;
    size_t used = 0;
    n->was_heard = true;
    n->holds++;
    while (n->stream == stream && !is_held(n)) {
        used += pass_over(n, bytes.len - used);
        nats_event event;
        size_t more = 0;
        err e;
        status code =
            nats_parse(slice_sub(bytes, used, bytes.len), n->options.payload_bytes_max, &event, &more, &e);
        if (code == STATUS_NOT_FOUND) {
            break;
        }
        if (code == STATUS_OK && !is_expected(n, event.op)) {
            code = err_set(&e, STATUS_INVALID, "the server sends before it was greeted");
        }
        if (code != STATUS_OK) {
            lose(n, code, e.message);
            break;
        }
        used += more;
        on_operation(n, &event);
        if (event.op == NATS_OP_INFO && !n->is_greeted) {
            break; // TLS begins here
        }
    }
    release(n);
    return used;
}

static void on_ping_timer(void *arg) {
    nats *n = arg;
    n->silences = n->was_heard || n->is_paused ? 0 : n->silences + 1;
    if (n->silences > PINGS_MAX) {
        lose(n, STATUS_TIMEOUT, "the server does not answer");
        return;
    }
    if (n->silences > 0 && ping(n) == STATUS_LIMIT) {
        lose(n, STATUS_LIMIT, "the server does not read");
        return;
    }
    n->was_heard = false;
    loop_timer_start_in(&n->pinging, n->options.ping_ns);
}

static void on_flush_soon(void *arg) {
    nats *n = arg;
    if (ping(n) == STATUS_LIMIT) {
        lose(n, STATUS_LIMIT, "the server does not read");
    }
}

// --- attempts ----------------------------------------------------------------------------------------------

static void on_connected(void *arg, const connect_result *result) {
    nats *n = arg;
    err e;
    n->phase = NATS_PHASE_GREETING;
    if (result->code != STATUS_OK) {
        char text[NATS_REASON_BYTES_MAX];
        snprintf(text, sizeof text, "%.200s", result->e->message);
        lose(n, result->code == STATUS_IO ? STATUS_CLOSED : result->code, text);
        return;
    }
    const byte_stream_limits limits = {n->options.payload_bytes_max + NATS_INFO_BYTES_MAX + 1024,
                                       n->options.out_bytes_max};
    const byte_stream_handler handler = {n, on_bytes, on_secure, NULL, on_end};
    status code = byte_stream_new(n->options.l, result->fd, &limits, &handler, &n->stream, &e);
    if (code == STATUS_OK && n->options.tls_first && n->options.tls != NULL) {
        code = start_tls(n, &e);
    }
    if (code != STATUS_OK) {
        lose(n, code, e.message);
    }
}

static void start_attempt(nats *n) {
    const nats_server *s = &n->servers[n->server_at];
    connect_request request = {.purpose = CONNECT_SOCKETS,
                               .protocol = CONNECT_TCP,
                               .action = CONNECT_TO,
                               .host = slice_from_text(s->host),
                               .port = s->port,
                               .deadline_ns = loop_now_ns(n->options.l) + n->options.connect_ns_max,
                               .workload = n->options.workload};
    err e;
    n->silences = 0;
    n->pings_sent = n->pongs = 0;
    n->complaint[0] = '\0';
    status code = connector_request(n->options.connector, &request, on_connected, n, &n->connect_id, &e);
    if (code != STATUS_OK) {
        lose(n, code, e.message);
        return;
    }
    n->phase = NATS_PHASE_CONNECTING;
    loop_timer_start_at(&n->timer, request.deadline_ns);
}

static void on_timer(void *arg) {
    nats *n = arg;
    if (n->phase == NATS_PHASE_IDLE) {
        start_attempt(n);
    } else {
        lose(n, STATUS_TIMEOUT, "the server did not answer the greeting in time");
    }
}
