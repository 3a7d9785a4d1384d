// SPDX-License-Identifier: Apache-2.0
// The table has as many places as a power of two; a question has four of them, side by side, and takes the
// one whose turn it is when they are full. Entries hold the hash of the question and not its text: 64 bits
// under a secret key, so that nobody can choose two questions that share one.
#include "policy/gate.h"

#include "base/check.h"
#include "base/mem.h"

enum { PLACES = 4096, WAYS = 4 };

typedef struct entry {
    uint64_t hash;
    uint64_t generation; // 0: never used
    uint32_t rule;       // index, or NO_RULE
} entry;

enum { NO_RULE = UINT32_MAX };

struct gate {
    siphash_key key;
    gate_effect otherwise;
    gate_rule *rules;
    size_t count;
    uint8_t *texts; // what the rules' slices point at
    gate_counters counters;
    uint32_t turn;
    entry entries[PLACES];
};

gate *gate_new(siphash_key key, gate_effect otherwise) {
    gate *g = MEM_NEW(gate);
    g->key = key;
    g->otherwise = otherwise;
    g->counters.generation = 1;
    return g;
}

void gate_free(gate *g) {
    if (g != NULL) {
        mem_free(g->rules);
        mem_free(g->texts);
        mem_free(g);
    }
}

// --- rules -------------------------------------------------------------------------------------------------

static size_t bytes_of(const gate_rule *r) {
    size_t bytes = r->source.len + r->reason.len;
    for (size_t p = 0; p < GATE_PARTS; p++) {
        bytes += r->patterns[p].len;
    }
    return bytes;
}

static status check_rule(const gate_rule *r, err *e) {
    for (size_t p = 0; p < GATE_PARTS; p++) {
        if (r->patterns[p].len > GATE_NAME_BYTES_MAX) {
            return err_set(e, STATUS_INVALID, "%.*s: a pattern has at most %d bytes", SLICE_ARG(r->source),
                           GATE_NAME_BYTES_MAX);
        }
    }
    return STATUS_OK;
}

static slice copy(uint8_t **at, slice text) {
    slice copied = slice_of(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.data, text.len);
    }
    *at += text.len;
    return copied;
}

static void copy_rule(gate_rule *to, const gate_rule *from, uint8_t **at) {
    to->effect = from->effect;
    to->source = copy(at, from->source);
    to->reason = copy(at, from->reason);
    for (size_t p = 0; p < GATE_PARTS; p++) {
        to->patterns[p] = copy(at, from->patterns[p]);
    }
}

status gate_set_rules(gate *g, const gate_rule *rules, size_t count, err *e) {
    size_t bytes = 1;
    if (count > GATE_RULES_MAX) {
        return err_set(e, STATUS_LIMIT, "%zu rules; at most %d are possible", count, GATE_RULES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        TRY(check_rule(&rules[i], e));
        bytes += bytes_of(&rules[i]);
    }
    mem_free(g->rules);
    mem_free(g->texts);
    g->rules = mem_calloc(count + 1, sizeof *g->rules);
    g->texts = mem_alloc(bytes);
    g->count = count;
    uint8_t *at = g->texts;
    for (size_t i = 0; i < count; i++) {
        copy_rule(&g->rules[i], &rules[i], &at);
    }
    g->counters.generation++;
    return STATUS_OK;
}

// --- matching ----------------------------------------------------------------------------------------------

// Each '*' takes as little as it can, and more only when what follows does not fit: linear in the text for
// each '*'.
bool gate_pattern_matches(slice pattern, slice text) {
    size_t p = 0, t = 0, star = SIZE_MAX, retry = 0;
    if (pattern.len == 0) {
        return true;
    }
    while (t < text.len) {
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            retry = t;
        } else if (p < pattern.len && pattern.data[p] == text.data[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++retry;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

static bool rule_matches(const gate_rule *r, const gate_question *q) {
    for (size_t p = 0; p < GATE_PARTS; p++) {
        if (!gate_pattern_matches(r->patterns[p], q->parts[p])) {
            return false;
        }
    }
    return true;
}

static uint32_t evaluate(const gate *g, const gate_question *q) {
    for (uint32_t i = 0; i < g->count; i++) {
        if (rule_matches(&g->rules[i], q)) {
            return i;
        }
    }
    return NO_RULE;
}

// --- deciding ----------------------------------------------------------------------------------------------

// Lengths first, so that no two questions have the same bytes. False when a part is too long to be asked
// about.
static bool hash_of(const gate *g, const gate_question *q, uint64_t *ret) {
    uint8_t bytes[GATE_PARTS * (2 + GATE_NAME_BYTES_MAX)];
    size_t len = 0;
    for (size_t p = 0; p < GATE_PARTS; p++) {
        slice part = q->parts[p];
        if (part.len > GATE_NAME_BYTES_MAX) {
            return false;
        }
        bytes[len++] = (uint8_t)part.len;
        bytes[len++] = (uint8_t)(part.len >> 8);
        if (part.len > 0) {
            memcpy(bytes + len, part.data, part.len);
        }
        len += part.len;
    }
    *ret = siphash(g->key, slice_of(bytes, len));
    return true;
}

static uint32_t look_up(gate *g, const gate_question *q, uint64_t hash) {
    entry *set = &g->entries[(hash % (PLACES / WAYS)) * WAYS];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash && set[i].generation == g->counters.generation) {
            return set[i].rule;
        }
    }
    uint32_t rule = evaluate(g, q);
    entry *taken = &set[g->turn++ % WAYS];
    for (size_t i = 0; i < WAYS; i++) {
        taken = set[i].generation != g->counters.generation ? &set[i] : taken;
    }
    *taken = (entry){hash, g->counters.generation, rule};
    g->counters.evaluated++;
    return rule;
}

gate_decision gate_decide(gate *g, const gate_question *q) {
    uint64_t hash;
    gate_decision d = {0};
    g->counters.asked++;
    if (hash_of(g, q, &hash)) {
        uint32_t rule = look_up(g, q, hash);
        d.rule = rule == NO_RULE ? NULL : &g->rules[rule];
        d.is_allowed = (d.rule == NULL ? g->otherwise : d.rule->effect) == GATE_ALLOW;
    }
    g->counters.denied += !d.is_allowed;
    return d;
}

static void say_why(const gate_question *q, const gate_rule *rule, err *e) {
    auto_buf why;
    buf_init(&why, ERR_MESSAGE_BYTES_MAX);
    if (rule == NULL) {
        (void)!buf_append_text(&why, "no rule allows it");
    } else {
        (void)!buf_append_format(&why, "denied by the rule at %.*s%s%.*s", SLICE_ARG(rule->source),
                                 rule->reason.len > 0 ? ", " : "", SLICE_ARG(rule->reason));
    }
    const slice *p = q->parts;
    err_set(e, STATUS_DENIED, "%.*s may not call %.*s of %.*s at %.*s: %.*s", SLICE_ARG(p[GATE_CALLER]),
            SLICE_ARG(p[GATE_FUNCTION]), SLICE_ARG(p[GATE_INTERFACE]), SLICE_ARG(p[GATE_TARGET]),
            SLICE_ARG(buf_slice(&why)));
}

status gate_check(gate *g, const gate_question *q, err *e) {
    gate_decision d = gate_decide(g, q);
    if (d.is_allowed) {
        return STATUS_OK;
    }
    say_why(q, d.rule, e);
    return STATUS_DENIED;
}

// --- explaining --------------------------------------------------------------------------------------------

static const char *const part_names[GATE_PARTS] = {"caller",    "issuer",   "tenant", "target",
                                                   "interface", "function", "link"};

// The first part that keeps a rule from matching; GATE_PARTS when it matches.
static size_t differs_in(const gate_rule *r, const gate_question *q) {
    size_t p = 0;
    while (p < GATE_PARTS && gate_pattern_matches(r->patterns[p], q->parts[p])) {
        p++;
    }
    return p;
}

status gate_explain(const gate *g, const gate_question *q, buf *ret) {
    for (size_t i = 0; i < g->count; i++) {
        const gate_rule *r = &g->rules[i];
        size_t p = differs_in(r, q);
        const char *effect = r->effect == GATE_ALLOW ? "allows" : "denies";
        if (p == GATE_PARTS) {
            return buf_append_format(ret, "%.*s  %s it\n", SLICE_ARG(r->source), effect);
        }
        TRY(buf_append_format(
            ret, "%.*s  does not match: it %s %s \"%.*s\", and this is \"%.*s\"\n", SLICE_ARG(r->source),
            effect, part_names[p], SLICE_ARG(r->patterns[p]),
            SLICE_ARG(
                slice_sub(q->parts[p], 0,
                          q->parts[p].len < GATE_NAME_BYTES_MAX ? q->parts[p].len : GATE_NAME_BYTES_MAX))));
    }
    return buf_append_format(ret, "no rule matches: %s\n", g->otherwise == GATE_ALLOW ? "allowed" : "denied");
}

gate_counters gate_count(const gate *g) { return g->counters; }
