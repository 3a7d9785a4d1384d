// SPDX-License-Identifier: Apache-2.0
#include "agent/provider_life.h"

#include <stdio.h>

#include "base/check.h"
#include "base/jitter.h"
#include "base/mem.h"
#include "codec/json.h"
#include "os/random.h"

enum {
    HEALTH_BYTES_MAX = 64 << 10, // of an answer
    EARLY_BYTES_MAX = 1 << 20,   // of what is told again
};
#define CHANGE_NS 500000000ull // between the end of a link and its new beginning
#define SECOND_NS 1000000000ull
#define LONG_LIFE_NS (60 * SECOND_NS)
#define RPC_TIMEOUT_MS_DEFAULT 2000

typedef enum life_state { LIFE_NEW, LIFE_RUNNING, LIFE_WAITING, LIFE_STOPPING, LIFE_STOPPED } life_state;

typedef struct early { // a message that it may have missed
    struct early *next;
    slice subject, payload; // behind this
} early;

struct provider_life {
    provider_life_options options;
    char *texts; // what the options' slices point at
    nkey *xkey;
    nkey_text xkey_text;
    life_state state;
    provider_wants wants;
    bool *is_late; // of each link: it has ended for the provider, and is to begin anew
    uint64_t random;
    uint64_t started_ns;
    uint32_t failures;
    bool is_healthy;
    bool was_heard; // has answered since it was started
    early *first, **last;
    size_t early_bytes;
    loop_timer health_timer, restart_timer, kill_timer, change_timer;
    loop_soon stopped_soon;
    bus_request health, shutdown;
};

// --- subjects ----------------------------------------------------------------------------------------------

typedef struct subject_text {
    char text[BUS_SUBJECT_BYTES_MAX];
} subject_text;

static slice subject_of(const provider_life *l, slice whom, const char *what, subject_text *ret) {
    int n = snprintf(ret->text, sizeof ret->text, "wasmbus.rpc.%s.%.*s.%s", l->options.host->lattice,
                     SLICE_ARG(whom), what);
    CHECK(n > 0 && (size_t)n < sizeof ret->text); // an id is shorter
    return slice_of(ret->text, (size_t)n);
}

slice provider_life_link_key(const provider_life *l) { return slice_from_text(l->xkey_text.text); }

const provider_wants *provider_life_wants(const provider_life *l) { return &l->wants; }

// --- telling -----------------------------------------------------------------------------------------------

static void forget_early(provider_life *l) {
    while (l->first != NULL) {
        early *m = l->first;
        l->first = m->next;
        secret_wipe(m, sizeof *m + m->subject.len + m->payload.len);
        mem_free(m);
    }
    l->last = &l->first;
    l->early_bytes = 0;
}

// Over the bound it is told the rest with its next start only.
static void keep_early(provider_life *l, slice subject, slice payload) {
    size_t bytes = sizeof(early) + subject.len + payload.len;
    if (l->was_heard || l->early_bytes + bytes > EARLY_BYTES_MAX) {
        return;
    }
    early *m = mem_alloc(bytes);
    uint8_t *text = (uint8_t *)(m + 1);
    memcpy(text, subject.data, subject.len);
    memcpy(text + subject.len, payload.data, payload.len);
    *m = (early){NULL, slice_of(text, subject.len), slice_of(text + subject.len, payload.len)};
    *l->last = m;
    l->last = &m->next;
    l->early_bytes += bytes;
}

// Nothing to be done when it cannot be sent: whoever is not connected starts anew, with everything.
static void publish(provider_life *l, slice subject, slice payload) {
    const bus_message m = {.subject = subject, .payload = payload};
    (void)!bus_publish(l->options.bus, &m, NULL);
}

static void tell(provider_life *l, slice whom, const char *what, slice payload) {
    subject_text text;
    slice subject = subject_of(l, whom, what, &text);
    publish(l, subject, payload);
    keep_early(l, subject, payload);
}

static void tell_again(provider_life *l) {
    for (const early *m = l->first; m != NULL; m = m->next) {
        publish(l, m->subject, m->payload);
    }
    forget_early(l);
}

static void tell_config(provider_life *l) {
    auto_buf b = {0};
    buf_init(&b, bus_payload_max(l->options.bus));
    if (host_data_write_values(&l->wants.config, &b, NULL) == STATUS_OK) {
        tell(l, l->options.id, "config.update", buf_slice(&b));
    }
}

// On a bus of its own nobody else tells those that listen on their id, as they did before there were keys.
static void tell_link(provider_life *l, const host_data_link *link) {
    auto_buf b = {0};
    const nkey_public to = nkey_public_of(l->xkey);
    buf_init(&b, bus_payload_max(l->options.bus));
    if (host_data_write_link(link, l->options.host_xkey, &to, &b, NULL) != STATUS_OK) {
        return;
    }
    tell(l, provider_life_link_key(l), "linkdefs.put", buf_slice(&b));
    if (!l->options.is_bus_shared && link->source_secrets.count == 0 && link->target_secrets.count == 0) {
        tell(l, l->options.id, "linkdefs.put", buf_slice(&b));
    }
}

static void tell_link_end(provider_life *l, const host_data_link *link) {
    auto_buf b = {0};
    buf_init(&b, bus_payload_max(l->options.bus));
    if (host_data_write_link_end(link, &b, NULL) == STATUS_OK) {
        tell(l, l->options.id, "linkdefs.del", buf_slice(&b));
    }
}

static void tell_ends(provider_life *l, const provider_wants *before) {
    for (size_t i = 0; !l->options.is_bus_shared && i < before->link_count; i++) {
        if (provider_wants_find_link(&l->wants, &before->links[i]) == NULL) {
            tell_link_end(l, &before->links[i]);
        }
    }
}

// Providers take no second beginning of a link that they have; and the two messages are of different
// subjects, which they may read in any order. So there is time between them.
static void tell_beginnings(provider_life *l, const provider_wants *before, const bool *was_late) {
    for (size_t i = 0; i < l->wants.link_count; i++) {
        const host_data_link *link = &l->wants.links[i], *was = provider_wants_find_link(before, link);
        if (was == NULL) {
            tell_link(l, link);
        } else if (was_late != NULL && was_late[was - before->links]) {
            l->is_late[i] = true;
        } else if (!provider_wants_equal_links(was, link)) {
            tell_link_end(l, link);
            l->is_late[i] = true;
            loop_timer_start_in(&l->change_timer, CHANGE_NS);
        }
    }
}

static void tell_late(void *arg) {
    provider_life *l = arg;
    for (size_t i = 0; i < l->wants.link_count; i++) {
        if (l->is_late[i]) {
            tell_link(l, &l->wants.links[i]);
            l->is_late[i] = false;
        }
    }
}

void provider_life_want(provider_life *l, provider_wants *wants) {
    provider_wants before = l->wants;
    bool *was_late = l->is_late;
    l->wants = *wants;
    *wants = (provider_wants){0};
    l->is_late = mem_calloc(l->wants.link_count + 1, sizeof *l->is_late);
    if (l->state == LIFE_RUNNING) {
        tell_ends(l, &before);
        tell_beginnings(l, &before, was_late);
        if (!provider_wants_same_values(&before.config, &l->wants.config)) {
            tell_config(l);
        }
    }
    mem_free(was_late);
    provider_wants_done(&before);
}

// --- health ------------------------------------------------------------------------------------------------

static void on_health_text(provider_life *l, bool is_healthy) {
    providers_health h = is_healthy == l->is_healthy ? PROVIDERS_HEALTH_SAME
                         : is_healthy                ? PROVIDERS_HEALTHY
                                                     : PROVIDERS_UNHEALTHY;
    l->is_healthy = is_healthy;
    l->options.owner.health(l->options.owner.arg, h);
}

// {"healthy": bool, "message": text}; whatever is not there is "no".
static bool read_health(slice payload, bool *ret) {
    json_value *v = NULL;
    if (payload.len > HEALTH_BYTES_MAX || json_parse(payload, &v, NULL) != STATUS_OK) {
        return false;
    }
    bool is_object = json_is_object(v);
    *ret = json_as_bool(json_get(v, "healthy"), ret) && *ret;
    json_free(v);
    return is_object;
}

static void on_health(void *arg, const bus_result *r) {
    provider_life *l = arg;
    bool is_healthy = false;
    loop_timer_start_in(&l->health_timer, PROVIDER_HEALTH_NS);
    if (r->code == STATUS_OK && !l->was_heard) {
        l->was_heard = true;
        tell_again(l);
    }
    if (r->code == STATUS_OK && read_health(r->message.payload, &is_healthy)) {
        on_health_text(l, is_healthy);
    } else if (l->is_healthy) {
        on_health_text(l, false);
    }
}

static void ask_health(void *arg) {
    provider_life *l = arg;
    subject_text text;
    const bus_message m = {.subject = subject_of(l, l->options.id, "health", &text)};
    uint64_t deadline = loop_now_ns(l->options.host->loop) + PROVIDER_HEALTH_WAIT_NS;
    if (bus_request_start(l->options.bus, &l->health, &m, deadline, on_health, l, NULL) != STATUS_OK) {
        loop_timer_start_in(&l->health_timer, PROVIDER_HEALTH_NS);
    }
}

// --- starting ----------------------------------------------------------------------------------------------

// A random UUID (RFC 9562, version 4).
static void make_uuid(char ret[37]) {
    uint8_t b[16];
    random_fill(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    (void)snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                   b[15]);
}

static host_data make_data(const provider_life *l, const char *instance) {
    const providers_options *h = l->options.host;
    return (host_data){
        .host_id = slice_from_text(h->host_id),
        .lattice = slice_from_text(h->lattice),
        .jwt = l->options.jwt,
        .seed = l->options.seed,
        .url = l->options.url,
        .provider_id = l->options.id,
        .instance_id = slice_from_text(instance),
        .links = l->wants.links,
        .link_count = l->wants.link_count,
        .config = l->wants.config,
        .secrets = l->wants.secrets,
        .host_xkey = l->options.host_xkey,
        .provider_xkey = l->xkey,
        .rpc_timeout_ms = h->rpc_timeout_ms != 0 ? h->rpc_timeout_ms : RPC_TIMEOUT_MS_DEFAULT,
        .log_level = slice_from_text(h->log_level),
        .structured_logging = h->structured_logging,
        .otel = h->otel,
    };
}

static status spawn(provider_life *l, err *e) {
    char instance[37];
    auto_buf line = {0};
    buf_init(&line, 2 * HOST_DATA_BYTES_MAX);
    make_uuid(instance);
    const host_data d = make_data(l, instance);
    status s = host_data_write_line(&d, &line, e);
    if (s == STATUS_OK) {
        s = l->options.owner.spawn(l->options.owner.arg, buf_slice(&line), e);
    }
    secret_wipe(line.data, line.capacity);
    TRY(s);
    l->state = LIFE_RUNNING;
    l->was_heard = false;
    loop_timer_stop(&l->change_timer); // it begins with what there is now
    mem_free(l->is_late);
    l->is_late = mem_calloc(l->wants.link_count + 1, sizeof *l->is_late);
    l->started_ns = loop_now_ns(l->options.host->loop);
    loop_timer_start_in(&l->health_timer, PROVIDER_HEALTH_FIRST_NS);
    tell_config(l); // as hosts of 1.x do, once more than is in the line
    return STATUS_OK;
}

static void wait_and_restart(provider_life *l, const char *how) {
    uint64_t now = loop_now_ns(l->options.host->loop);
    l->failures = now - l->started_ns >= LONG_LIFE_NS ? 0 : l->failures;
    uint64_t max = l->failures < 6 ? SECOND_NS << l->failures : PROVIDER_RESTART_NS_MAX;
    uint64_t wait = jitter_wait(&l->random, max);
    l->failures++;
    l->state = LIFE_WAITING;
    loop_timer_start_in(&l->restart_timer, wait);
    l->options.owner.restarting(l->options.owner.arg, how, wait);
}

static void restart(void *arg) {
    provider_life *l = arg;
    err e = {0};
    if (spawn(l, &e) != STATUS_OK) {
        l->started_ns = loop_now_ns(l->options.host->loop);
        wait_and_restart(l, e.message);
    }
}

status provider_life_start(provider_life *l, provider_wants *wants, err *e) {
    CHECK(l->state == LIFE_NEW);
    l->wants = *wants;
    *wants = (provider_wants){0};
    return spawn(l, e);
}

// --- ending ------------------------------------------------------------------------------------------------

static void quiet(provider_life *l) {
    loop_timer_stop(&l->health_timer);
    loop_timer_stop(&l->restart_timer);
    loop_timer_stop(&l->change_timer);
    bus_request_cancel(&l->health);
    forget_early(l);
}

static void end(provider_life *l) {
    loop_timer_stop(&l->kill_timer);
    bus_request_cancel(&l->shutdown);
    l->state = LIFE_STOPPED;
    l->options.owner.stopped(l->options.owner.arg);
}

void provider_life_ended(provider_life *l, const char *how) {
    quiet(l);
    if (l->state == LIFE_STOPPING) {
        end(l);
    } else if (l->state == LIFE_RUNNING) {
        if (l->is_healthy) {
            on_health_text(l, false);
        }
        wait_and_restart(l, how);
    }
}

static void on_kill(void *arg) {
    provider_life *l = arg;
    l->options.owner.kill(l->options.owner.arg);
    end(l);
}

static void on_stopped_soon(void *arg) { end(arg); }

// It has said that it ends, or nothing: the timer runs on either way.
static void on_shutdown(void *arg, const bus_result *r) {
    (void)arg;
    (void)r;
}

static void ask_to_end(provider_life *l) {
    const providers_options *h = l->options.host;
    uint64_t delay = h->shutdown_delay_ns != 0 ? h->shutdown_delay_ns : PROVIDER_SHUTDOWN_NS_DEFAULT;
    subject_text text;
    char payload[256];
    int n = snprintf(payload, sizeof payload, "{\"host_id\":\"%s\"}", h->host_id);
    const bus_message m = {.subject = subject_of(l, l->options.id, "default.shutdown", &text),
                           .payload = slice_of(payload, (size_t)n)};
    // Without a connection there is nobody to ask: it is killed after the delay all the same.
    (void)!bus_request_start(l->options.bus, &l->shutdown, &m, loop_now_ns(h->loop) + delay, on_shutdown, l,
                             NULL);
    loop_timer_start_in(&l->kill_timer, delay);
}

void provider_life_stop(provider_life *l) {
    bool was_running = l->state == LIFE_RUNNING;
    if (!was_running && l->state != LIFE_WAITING) {
        return;
    }
    quiet(l);
    l->state = LIFE_STOPPING;
    if (was_running) {
        ask_to_end(l);
    } else {
        loop_soon_add(l->options.host->loop, &l->stopped_soon);
    }
}

// --- being made --------------------------------------------------------------------------------------------

static void keep_text(char **at, slice *text) {
    if (text->len > 0) {
        memcpy(*at, text->data, text->len);
    }
    *text = slice_of(*at, text->len);
    *at += text->len;
}

static void keep_texts(provider_life *l) {
    provider_life_options *o = &l->options;
    char *at = l->texts = mem_alloc(o->id.len + o->url.len + o->jwt.len + o->seed.len + 1);
    keep_text(&at, &o->id);
    keep_text(&at, &o->url);
    keep_text(&at, &o->jwt);
    keep_text(&at, &o->seed);
}

status provider_life_new(const provider_life_options *options, provider_life **ret, err *e) {
    nkey *xkey = NULL;
    TRY(nkey_generate(NKEY_CURVE, &xkey, e));
    provider_life *l = MEM_NEW(provider_life);
    l->options = *options;
    keep_texts(l);
    l->xkey = xkey;
    const nkey_public public_key = nkey_public_of(xkey);
    l->xkey_text = nkey_public_text(&public_key);
    l->random = options->random;
    l->last = &l->first;
    loop_timer_init(&l->health_timer, options->host->loop, ask_health, l);
    loop_timer_init(&l->restart_timer, options->host->loop, restart, l);
    loop_timer_init(&l->kill_timer, options->host->loop, on_kill, l);
    loop_timer_init(&l->change_timer, options->host->loop, tell_late, l);
    loop_soon_init(&l->stopped_soon, on_stopped_soon, l);
    *ret = l;
    return STATUS_OK;
}

void provider_life_free(provider_life *l) {
    if (l == NULL) {
        return;
    }
    quiet(l);
    if (l->state == LIFE_RUNNING || l->state == LIFE_STOPPING) {
        l->options.owner.kill(l->options.owner.arg);
    }
    loop_timer_stop(&l->kill_timer);
    loop_soon_cancel(&l->stopped_soon);
    bus_request_cancel(&l->shutdown);
    provider_wants_done(&l->wants);
    mem_free(l->is_late);
    nkey_free(l->xkey);
    secret_wipe(l->texts, l->options.id.len + l->options.url.len + l->options.jwt.len + l->options.seed.len);
    mem_free(l->texts);
    mem_free(l);
}
