// SPDX-License-Identifier: Apache-2.0
#include "unit/lattice/helper_control.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

enum { TURNS = 64, WALL_S = 1767225600 }; // 2026-01-01T00:00:00Z

static uint64_t now(void *arg) { return ((control_place *)arg)->now_ns; }

static void copy(char *to, size_t room, slice from) { (void)snprintf(to, room, "%.*s", SLICE_ARG(from)); }

// --- the place ---------------------------------------------------------------------------------------------

static void on_event(void *arg, bus_subscription *s, const bus_message *m) {
    control_place *p = arg;
    json_value *v = NULL;
    (void)s;
    CHECK(p->event_count < CONTROL_EVENTS_MAX);
    CHECK(json_parse(m->payload, &v, NULL) == STATUS_OK);
    copy(p->last_event, sizeof p->last_event, m->payload);
    auto_buf data;
    buf_init(&data, CONTROL_TEXT_MAX);
    json_value *part = json_clone(json_get(v, "data"));
    CHECK(json_write(part, 0, &data) == STATUS_OK);
    json_free(part);
    json_free(v);
    size_t begin = strlen("wasmbus.evt.default.");
    copy(p->event_names[p->event_count], 64, slice_sub(m->subject, begin, m->subject.len));
    copy(p->event_data[p->event_count], 2048, buf_slice(&data));
    p->event_count++;
}

static void on_rpc(void *arg, bus_subscription *s, const bus_message *m) {
    control_place *p = arg;
    (void)s;
    copy(p->rpc_subject, sizeof p->rpc_subject, m->subject);
    copy(p->rpc_payload, sizeof p->rpc_payload, m->payload);
    p->rpc_count++;
}

void control_place_begin(control_place *p) {
    loop_clock clock = {now, p};
    p->now_ns = CONTROL_SECOND;
    CHECK(loop_new(&clock, &p->l, NULL) == STATUS_OK);
    bus_local_options o = {.l = p->l, .random = 7};
    CHECK(bus_local_new(&o, &p->b, NULL) == STATUS_OK);
    CHECK(bus_subscribe(p->b, &p->events, slice_from_text("wasmbus.evt.default.*"), slice_empty(), on_event,
                        p, NULL) == STATUS_OK);
    CHECK(bus_subscribe(p->b, &p->rpc, slice_from_text("wasmbus.rpc.>"), slice_empty(), on_rpc, p, NULL) ==
          STATUS_OK);
}

void control_place_done(control_place *p) {
    bus_unsubscribe(&p->events);
    bus_unsubscribe(&p->rpc);
    bus_free(p->b);
    loop_free(p->l);
}

void control_turns(control_place *p) {
    for (int i = 0; i < TURNS; i++) {
        loop_turn(p->l, false);
    }
}

void control_pass(control_place *p, uint64_t ns) {
    p->now_ns += ns;
    control_turns(p);
}

// --- a host ------------------------------------------------------------------------------------------------

static lattice_time host_now(void *arg) {
    const control_host *h = arg;
    uint64_t now_ns = loop_now_ns(h->place->l);
    return (lattice_time){.now_ns = now_ns, .unix_ns = WALL_S * 1000000000ull + now_ns};
}

static void host_random(void *arg, void *ret, size_t len) {
    (void)arg;
    memset(ret, 0xab, len);
}

static void make_components(control_host *h) {
    lattice_core *core = lattice_control_core(h->control);
    for (size_t i = lattice_core_component_count(core); i > 0; i--) {
        lattice_component p;
        if (lattice_core_component_at(core, i - 1, &p) && p.generation != p.running_generation) {
            char *id = mem_slice_dup(p.id);
            bool fails = h->failing_ref == NULL || slice_equal_text(p.ref, h->failing_ref);
            lattice_core_component_is(core, host_now(h), slice_from_text(id), p.generation, h->claims,
                                      fails ? h->failure : NULL);
            mem_free(id);
        }
    }
}

static void make_providers(control_host *h) {
    lattice_core *core = lattice_control_core(h->control);
    for (size_t i = lattice_core_provider_count(core); i > 0; i--) {
        lattice_provider p;
        if (!lattice_core_provider_at(core, i - 1, &p)) {
            continue;
        }
        char *id = mem_slice_dup(p.id);
        if (!p.is_wanted) {
            lattice_core_provider_ended(core, host_now(h), slice_from_text(id), "stop");
        } else if (!p.is_running) {
            lattice_core_provider_is(core, host_now(h), slice_from_text(id), p.generation, h->claims,
                                     h->failure);
        }
        mem_free(id);
    }
}

static void on_changed(void *context, unsigned changes) {
    control_host *h = context;
    h->changes |= changes;
    if (!h->is_idle) {
        make_components(h);
        make_providers(h);
    }
}

static void on_stop(void *context, uint64_t timeout_ns) {
    control_host *h = context;
    h->stop_ns = timeout_ns;
    h->stops++;
}

static void on_ready(void *context) { ((control_host *)context)->is_ready = true; }

static void on_describe(void *context, json_value *writ) {
    (void)context;
    json_put_text(writ, "version", slice_from_text("0.1"));
}

static status on_permit(void *context, const bus_message *m, slice command, err *e) {
    const control_host *h = context;
    (void)m;
    return h->refused != NULL && slice_equal_text(command, h->refused)
               ? err_set(e, STATUS_DENIED, "%s is not allowed", h->refused)
               : STATUS_OK;
}

void control_host_start(control_place *p, control_host *h, const core_settings *settings) {
    static const lattice_pair labels[] = {{SLICE_LITERAL("hostcore.os"), SLICE_LITERAL("linux")},
                                          {SLICE_LITERAL("hostcore.arch"), SLICE_LITERAL("x86_64")}};
    lattice_control_options o = {.ctl = p->b,
                                 .rpc = p->b,
                                 .now = host_now,
                                 .random = host_random,
                                 .arg = h,
                                 .owner = {.context = h,
                                           .changed = on_changed,
                                           .stop = on_stop,
                                           .describe = on_describe,
                                           .ready = on_ready,
                                           .permit = on_permit},
                                 .core = *settings};
    h->place = p;
    h->id = h->id == NULL ? "NHOST" : h->id;
    o.core.host_id = slice_from_text(h->id);
    o.core.friendly_name = slice_from_text("quiet-river-1234");
    o.core.version = slice_from_text("1.9.2");
    o.core.lattice = slice_from_text("default");
    o.core.ctl_url = slice_from_text("nats://127.0.0.1:4222");
    o.core.rpc_url = slice_from_text("nats://127.0.0.1:4223");
    o.core.labels = (lattice_pairs){.count = 2, .items = labels};
    CHECK(lattice_control_new(&o, &h->control, NULL) == STATUS_OK);
    control_turns(p);
}

void control_host_done(control_host *h) {
    lattice_control_free(h->control);
    h->control = NULL;
}

lattice_core *control_core(control_host *h) { return lattice_control_core(h->control); }
lattice_time control_time(control_host *h) { return host_now(h); }

// --- asking ------------------------------------------------------------------------------------------------

static void on_answer(void *arg, bus_subscription *s, const bus_message *m) {
    control_place *p = arg;
    (void)s;
    copy(p->answer, sizeof p->answer, m->payload);
    p->answers++;
}

const char *control_ask(control_place *p, const char *tail, const char *body) {
    char subject[256];
    bus_subscription answers = {0};
    p->answer[0] = '\0';
    p->answers = 0;
    (void)snprintf(subject, sizeof subject, "wasmbus.ctl.v1.default.%s", tail);
    const bus_message m = {.subject = slice_from_text(subject),
                           .reply = slice_from_text("answers.here"),
                           .payload = slice_from_text(body)};
    CHECK(bus_subscribe(p->b, &answers, m.reply, slice_empty(), on_answer, p, NULL) == STATUS_OK);
    CHECK(bus_publish(p->b, &m, NULL) == STATUS_OK);
    control_turns(p);
    bus_unsubscribe(&answers);
    return p->answer;
}

void control_forget_events(control_place *p) { p->event_count = 0; }

const char *control_event(const control_place *p, const char *name, size_t index) {
    for (size_t i = 0; i < p->event_count; i++) {
        if (strcmp(p->event_names[i], name) == 0 && index-- == 0) {
            return p->event_data[i];
        }
    }
    return "";
}

size_t control_event_count(const control_place *p, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < p->event_count; i++) {
        count += strcmp(p->event_names[i], name) == 0 ? 1 : 0;
    }
    return count;
}

// --- buckets -----------------------------------------------------------------------------------------------

static void on_ended(void *arg, const bus_kv_result *r) {
    control_place *p = arg;
    p->answer_code = r->code;
    copy(p->answer, sizeof p->answer, r->code == STATUS_OK ? r->entry.value : slice_empty());
}

const char *control_stored(control_place *p, const char *bucket, const char *key) {
    bus_kv_op op = {0};
    CHECK(bus_kv_get(p->b, &op, slice_from_text(bucket), slice_from_text(key), UINT64_MAX - 1, on_ended, p,
                     NULL) == STATUS_OK);
    control_turns(p);
    return p->answer;
}

void control_store(control_place *p, const char *bucket, const char *key, const char *value) {
    bus_kv_op op = {0};
    CHECK(bus_kv_put(p->b, &op, slice_from_text(bucket), slice_from_text(key), slice_from_text(value),
                     BUS_KV_ANY, UINT64_MAX - 1, on_ended, p, NULL) == STATUS_OK);
    control_turns(p);
    CHECK(p->answer_code == STATUS_OK);
}

void control_purge(control_place *p, const char *bucket, const char *key) {
    bus_kv_op op = {0};
    CHECK(bus_kv_remove(p->b, &op, slice_from_text(bucket), slice_from_text(key), BUS_KV_PURGE, BUS_KV_ANY,
                        UINT64_MAX - 1, on_ended, p, NULL) == STATUS_OK);
    control_turns(p);
    CHECK(p->answer_code == STATUS_OK);
}
