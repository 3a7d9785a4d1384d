// SPDX-License-Identifier: Apache-2.0
// Any messages, entries of buckets, ends of operations and news of what runs, in any order: a line each.
// Every request that wants an answer gets exactly one (auctions at most one), everything that is published
// can be read, one message twice leaves what one does, and what could not be read changes nothing.
//
//   m TAIL BODY     a message with a reply subject       M TAIL BODY   one without
//   l KEY VALUE     an entry of the lattice's data       L KEY         ... that is removed
//   c NAME VALUE    a configuration                      C NAME
//   g VALUE         the oldest operation ends with a value       o     ... ends well, without one
//   n               ... finds nothing       e     ... was too late       x      ... fails
//   r  u            the watches begin anew, and have caught up
//   y  f  s         what is wanted runs, fails, has ended
//   t               half a minute passes
//
// links: lattice
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "fuzz.h"
#include "lattice/core.h"

enum { LINES_MAX = 64, OPERATIONS_MAX = 4096, HALF_MINUTE_NS = 30000000 };

typedef struct place {
    lattice_core *core;
    uint64_t now_ns;
    uint64_t revision;
    uint64_t operations[OPERATIONS_MAX];
    size_t first, last;
    size_t asked;
    unsigned answers[LINES_MAX];
    bool is_auction[LINES_MAX];
    size_t published;
    unsigned changed; // times
} place;

static lattice_time now(const place *p) {
    return (lattice_time){.now_ns = p->now_ns, .unix_ns = 1767225600000000000ull + p->now_ns};
}

static void check_json(slice payload, const char *member) {
    json_value *v = NULL;
    CHECK(json_parse(payload, &v, NULL) == STATUS_OK && json_get(v, member) != NULL);
    json_free(v);
}

static void publish(void *context, slice subject, slice payload) {
    place *p = context;
    uint64_t number;
    p->published++;
    if (slice_starts_with(subject, "wasmbus.evt.default.")) {
        check_json(payload, "data");
        return;
    }
    CHECK(slice_starts_with(subject, "answers.") &&
          slice_to_u64(slice_sub(subject, 8, subject.len), &number));
    CHECK(number < p->asked && ++p->answers[number] == 1);
    check_json(payload, "success");
    check_json(payload, "message");
}

static void publish_rpc(void *context, slice subject, slice payload) {
    (void)context;
    CHECK(slice_starts_with(subject, "wasmbus.rpc.default."));
    check_json(payload, "source_id");
}

static void begin(place *p, uint64_t operation) {
    CHECK(p->last < OPERATIONS_MAX);
    p->operations[p->last++] = operation;
}

static void kv_get(void *context, uint64_t operation, core_bucket bucket, slice key) {
    (void)bucket;
    CHECK(key.len > 0 && key.len <= BUS_KEY_BYTES_MAX);
    begin(context, operation);
}

static void kv_put(void *context, uint64_t operation, core_bucket bucket, slice key, slice value,
                   uint64_t expected) {
    (void)expected;
    CHECK(key.len > 0 && key.len <= BUS_KEY_BYTES_MAX);
    if (bucket == CORE_LATTICE_DATA) {
        json_value *v = NULL;
        CHECK(json_parse(value, &v, NULL) == STATUS_OK);
        json_free(v);
    }
    begin(context, operation);
}

static void kv_purge(void *context, uint64_t operation, core_bucket bucket, slice key) {
    kv_get(context, operation, bucket, key);
}

static void changed(void *context, unsigned changes) {
    CHECK(changes != 0);
    ((place *)context)->changed++;
}

static void stop(void *context, uint64_t timeout_ns) { (void)context, (void)timeout_ns; }

static void fill(void *context, void *ret, size_t len) {
    (void)context;
    memset(ret, 7, len);
}

static void describe(void *context, json_value *writ) { (void)context, (void)writ; }

// --- what is known -----------------------------------------------------------------------------------------

static void check_links(const lattice_core *core) {
    size_t total = 0;
    for (size_t i = 0; i < lattice_core_source_count(core); i++) {
        const lattice_link *links;
        size_t count;
        slice source = lattice_core_source_at(core, i, &links, &count);
        for (size_t k = 0; k < count; k++) {
            CHECK(slice_equal(links[k].source, source) && links[k].target.len > 0);
        }
        total += count;
    }
    CHECK(total == lattice_core_link_count(core) && total <= CORE_LINKS_MAX);
}

static void check_wishes(const lattice_core *core) {
    auto_arena memory;
    lattice_pairs merged;
    arena_init(&memory, 64 << 20);
    for (size_t i = 0; i < lattice_core_component_count(core); i++) {
        lattice_component c;
        CHECK(lattice_core_component_at(core, i, &c));
        CHECK(c.id.len > 0 && c.ref.len > 0 && c.running_generation <= c.generation);
        CHECK(lattice_core_config_merge(core, c.config, &memory, &merged) == STATUS_OK);
    }
    for (size_t i = 0; i < lattice_core_provider_count(core); i++) {
        lattice_provider v;
        CHECK(lattice_core_provider_at(core, i, &v) && v.id.len > 0 && v.ref.len > 0);
    }
}

// A component or provider, with texts of its own, since news of it may end it.
static void tell_components(place *p, const char *failure) {
    for (size_t i = lattice_core_component_count(p->core); i > 0; i--) {
        lattice_component c;
        if (lattice_core_component_at(p->core, i - 1, &c)) {
            char *id = mem_slice_dup(c.id);
            lattice_core_component_is(p->core, now(p), slice_from_text(id), c.generation, NULL, failure);
            mem_free(id);
        }
    }
}

static void tell_providers(place *p, const char *failure, bool has_ended) {
    for (size_t i = lattice_core_provider_count(p->core); i > 0; i--) {
        lattice_provider v;
        if (!lattice_core_provider_at(p->core, i - 1, &v)) {
            continue;
        }
        char *id = mem_slice_dup(v.id);
        if (has_ended) {
            lattice_core_provider_ended(p->core, now(p), slice_from_text(id), "stop");
        } else {
            lattice_core_provider_is(p->core, now(p), slice_from_text(id), v.generation, NULL, failure);
            lattice_core_provider_health(p->core, now(p), slice_from_text(id), failure == NULL);
        }
        mem_free(id);
    }
}

// --- the lines ---------------------------------------------------------------------------------------------

static void split(slice line, slice *ret_first, slice *ret_rest) {
    size_t blank = slice_find(line, 0, ' ');
    *ret_first = slice_sub(line, 0, blank);
    *ret_rest = blank == SIZE_MAX ? slice_empty() : slice_sub(line, blank + 1, line.len);
}

// What is wanted, as a number.
static uint64_t digest(const lattice_core *core) {
    const siphash_key key = {1, 2};
    uint64_t sum = lattice_core_labels(core).count * 31 + lattice_core_registry_count(core);
    for (size_t i = 0; i < lattice_core_component_count(core); i++) {
        lattice_component c;
        CHECK(lattice_core_component_at(core, i, &c));
        sum = sum * 31 + siphash(key, c.id) + siphash(key, c.ref) + c.generation * 7 + c.max_instances;
    }
    for (size_t i = 0; i < lattice_core_provider_count(core); i++) {
        lattice_provider v;
        CHECK(lattice_core_provider_at(core, i, &v));
        sum = sum * 31 + siphash(key, v.id) + siphash(key, v.ref) + v.generation * 7 + v.is_wanted;
    }
    return sum;
}

// What asks nothing of a bucket may come twice.
static void again(place *p, const bus_message *m, slice tail) {
    static const char *const kinds[] = {"component.", "provider.", "label.", "registry.", "host."};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (slice_starts_with(tail, kinds[i])) {
            const bus_message second = {.subject = m->subject, .payload = m->payload};
            uint64_t before = digest(p->core);
            size_t operations = p->last;
            lattice_core_message(p->core, now(p), &second);
            CHECK(digest(p->core) == before && p->last == operations);
        }
    }
}

static void message(place *p, slice line, bool wants_answer) {
    slice tail, body;
    auto_buf subject;
    char reply[32];
    split(line, &tail, &body);
    buf_init(&subject, 1 << 20);
    CHECK(buf_append_format(&subject, "wasmbus.ctl.v1.default.%.*s", SLICE_ARG(tail)) == STATUS_OK);
    snprintf(reply, sizeof reply, "answers.%zu", p->asked);
    p->is_auction[p->asked] =
        slice_equal_text(tail, "component.auction") || slice_equal_text(tail, "provider.auction");
    p->answers[p->asked] = wants_answer ? 0 : 1;
    p->asked++;
    const bus_message m = {.subject = buf_slice(&subject),
                           .reply = wants_answer ? slice_from_text(reply) : slice_empty(),
                           .payload = body};
    uint64_t malformed = lattice_core_count(p->core).malformed;
    unsigned before = p->changed;
    size_t operations = p->last;
    lattice_core_message(p->core, now(p), &m);
    CHECK(lattice_core_count(p->core).malformed == malformed ||
          (p->changed == before && p->last == operations));
    again(p, &m, tail);
}

static void entry(place *p, slice line, core_bucket bucket, bus_kv_kind kind) {
    bus_kv_entry e = {.kind = kind, .revision = ++p->revision};
    split(line, &e.key, &e.value);
    e.value = kind == BUS_KV_PUT ? e.value : slice_empty();
    lattice_core_entry(p->core, now(p), bucket, &e);
}

static void end_operation(place *p, status code, slice value) {
    if (p->first < p->last) {
        const bus_kv_result r = {.code = code,
                                 .entry = {.value = value, .revision = ++p->revision},
                                 .text = code == STATUS_OK ? NULL : "so"};
        uint64_t operation = p->operations[p->first++];
        lattice_core_kv_ended(p->core, now(p), operation, &r);
        lattice_core_kv_ended(p->core, now(p), operation, &r); // a second one is nobody's
    }
}

static void step(place *p, slice line) {
    slice rest = slice_sub(line, 2, line.len);
    switch (line.data[0]) {
    case 'm':
    case 'M':
        message(p, rest, line.data[0] == 'm');
        break;
    case 'l':
    case 'L':
        entry(p, rest, CORE_LATTICE_DATA, line.data[0] == 'l' ? BUS_KV_PUT : BUS_KV_PURGE);
        break;
    case 'c':
    case 'C':
        entry(p, rest, CORE_CONFIG_DATA, line.data[0] == 'c' ? BUS_KV_PUT : BUS_KV_DELETE);
        break;
    case 'g':
        end_operation(p, STATUS_OK, rest);
        break;
    case 'o':
        end_operation(p, STATUS_OK, slice_from_text("{}"));
        break;
    case 'n':
        end_operation(p, STATUS_NOT_FOUND, slice_empty());
        break;
    case 'e':
        end_operation(p, STATUS_EXISTS, slice_empty());
        break;
    case 'x':
        end_operation(p, STATUS_CLOSED, slice_empty());
        break;
    case 'r':
        lattice_core_watch_restarted(p->core, CORE_LATTICE_DATA);
        lattice_core_watch_restarted(p->core, CORE_CONFIG_DATA);
        break;
    case 'u':
        lattice_core_caught_up(p->core, now(p), CORE_LATTICE_DATA);
        lattice_core_caught_up(p->core, now(p), CORE_CONFIG_DATA);
        break;
    case 'y':
        tell_components(p, NULL);
        tell_providers(p, NULL, false);
        break;
    case 'f':
        tell_components(p, "it failed");
        tell_providers(p, "it failed", false);
        break;
    case 's':
        tell_providers(p, NULL, true);
        break;
    case 't':
        p->now_ns += HALF_MINUTE_NS * 1000ull;
        lattice_core_tick(p->core, now(p));
        break;
    default:
        break;
    }
}

static void settle(place *p) {
    while (p->first < p->last) {
        end_operation(p, STATUS_CLOSED, slice_empty());
    }
    tell_providers(p, NULL, true);
    while (p->first < p->last) {
        end_operation(p, STATUS_CLOSED, slice_empty());
    }
    tell_providers(p, NULL, true);
    for (size_t i = 0; i < p->asked; i++) {
        CHECK(p->answers[i] == 1 || p->is_auction[i]);
    }
}

static lattice_core *new_core(place *p) {
    static const lattice_pair labels[] = {{SLICE_LITERAL("hostcore.os"), SLICE_LITERAL("linux")}};
    const core_effects effects = {.context = p,
                                  .publish = publish,
                                  .publish_rpc = publish_rpc,
                                  .kv_get = kv_get,
                                  .kv_put = kv_put,
                                  .kv_purge = kv_purge,
                                  .changed = changed,
                                  .stop = stop,
                                  .random = fill,
                                  .describe = describe};
    const core_settings settings = {.host_id = slice_from_text("N"),
                                    .lattice = slice_from_text("default"),
                                    .labels = {.count = 1, .items = labels},
                                    .components_max = 4,
                                    .providers_max = 4,
                                    .allows_unsigned_peers = true};
    lattice_core *core;
    CHECK(lattice_core_new(&settings, &effects, &core, NULL) == STATUS_OK);
    return core;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    place *p = MEM_NEW(place);
    slice input = slice_of(data, size);
    p->now_ns = 1;
    p->core = new_core(p);
    lattice_core_started(p->core, now(p));
    for (size_t i = 0, at = 0; i < LINES_MAX && at < size; i++) {
        size_t end = slice_find(input, at, '\n');
        slice line = slice_sub(input, at, end);
        at = end == SIZE_MAX ? size : end + 1;
        if (line.len > 0) {
            step(p, line);
            check_links(p->core);
            check_wishes(p->core);
        }
    }
    settle(p);
    lattice_core_stopped(p->core, now(p));
    lattice_core_free(p->core);
    mem_free(p);
    return 0;
}
