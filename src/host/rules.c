// SPDX-License-Identifier: Apache-2.0
#include "host/rules.h"

#include "base/mem.h"
#include "host/wire.h"

enum { SOURCE_BYTES_MAX = 4096, REASON_BYTES_MAX = 1024 };

void host_rules_done(host_rules *r) {
    for (size_t i = 0; i < r->count; i++) {
        mem_free(r->items[i].texts);
    }
    mem_free(r->items);
    *r = (host_rules){0};
}

// --- building ----------------------------------------------------------------------------------------------

static status check(const gate_rule *rule, size_t *ret_bytes, err *e) {
    *ret_bytes = rule->source.len + rule->reason.len;
    for (size_t p = 0; p < GATE_PARTS; p++) {
        if (rule->patterns[p].len > GATE_NAME_BYTES_MAX) {
            return err_set(e, STATUS_INVALID, "a pattern of a rule has at most %d bytes",
                           GATE_NAME_BYTES_MAX);
        }
        *ret_bytes += rule->patterns[p].len;
    }
    if (rule->source.len > SOURCE_BYTES_MAX || rule->reason.len > REASON_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "the place of a rule has at most %d bytes, and its reason %d",
                       SOURCE_BYTES_MAX, REASON_BYTES_MAX);
    }
    return STATUS_OK;
}

static slice keep(uint8_t **at, slice text) {
    slice kept = slice_of(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.data, text.len);
    }
    *at += text.len;
    return kept;
}

status host_rules_add(host_rules *r, const gate_rule *rule, err *e) {
    size_t bytes;
    if (r->count == GATE_RULES_MAX) {
        return err_set(e, STATUS_LIMIT, "a host has at most %d rules of calls", GATE_RULES_MAX);
    }
    TRY(check(rule, &bytes, e));
    bool is_full = (r->count & (r->count - 1)) == 0; // 0, 1, 2, 4 ...
    if (is_full) {
        r->items = mem_resize(r->items, (r->count == 0 ? 1 : 2 * r->count) * sizeof *r->items);
    }
    host_rule *made = &r->items[r->count++];
    *made = (host_rule){.rule.effect = rule->effect, .texts = mem_alloc(bytes + 1)};
    uint8_t *at = made->texts;
    for (size_t p = 0; p < GATE_PARTS; p++) {
        made->rule.patterns[p] = keep(&at, rule->patterns[p]);
    }
    made->rule.source = keep(&at, rule->source);
    made->rule.reason = keep(&at, rule->reason);
    return STATUS_OK;
}

status host_rules_gate(const host_rules *r, siphash_key key, gate **ret, err *e) {
    gate *g = gate_new(key, GATE_ALLOW);
    gate_rule *rules = mem_calloc(r->count + 1, sizeof *rules);
    for (size_t i = 0; i < r->count; i++) {
        rules[i] = r->items[i].rule;
    }
    status s = gate_set_rules(g, rules, r->count, e);
    mem_free(rules);
    if (s != STATUS_OK) {
        gate_free(g);
        return s;
    }
    *ret = g;
    return STATUS_OK;
}

// --- between processes -------------------------------------------------------------------------------------

void host_rules_put(const host_rules *r, wire_writer *w) {
    wire_write_u32(w, (uint32_t)r->count);
    for (size_t i = 0; i < r->count; i++) {
        const gate_rule *rule = &r->items[i].rule;
        wire_write_bool(w, rule->effect == GATE_ALLOW);
        for (size_t p = 0; p < GATE_PARTS; p++) {
            wire_write_bytes(w, rule->patterns[p]);
        }
        wire_write_bytes(w, rule->source);
        wire_write_bytes(w, rule->reason);
    }
}

void host_rules_take(wire_reader *r, host_rules *ret) {
    for (uint32_t n = wire_read_u32(r); n > 0 && !r->has_failed; n--) {
        gate_rule rule = {.effect = wire_read_bool(r) ? GATE_ALLOW : GATE_DENY};
        for (size_t p = 0; p < GATE_PARTS; p++) {
            rule.patterns[p] = wire_read_bytes(r, GATE_NAME_BYTES_MAX);
        }
        rule.source = wire_read_bytes(r, SOURCE_BYTES_MAX);
        rule.reason = wire_read_bytes(r, REASON_BYTES_MAX);
        r->has_failed = r->has_failed || host_rules_add(ret, &rule, NULL) != STATUS_OK;
    }
}
