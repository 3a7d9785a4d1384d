// SPDX-License-Identifier: Apache-2.0
#include "unit/engine/helper_types.h"

#include <string.h>

enum { DEPTH_MAX = 3 };

// --- random numbers (splitmix64) --------------------------------------------------------------------------

uint32_t roll(dice *d, uint32_t below) {
    d->state += 0x9e3779b97f4a7c15u;
    uint64_t z = d->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % below);
}

// --- a component in text ----------------------------------------------------------------------------------

typedef struct writer {
    dice *dice;
    types_place place;
    buf *types; // definitions of the types that need a name
    uint32_t count;
} writer;

static void put(buf *b, const char *text) { (void)!buf_append_text(b, text); }

static void put_type(writer *w, buf *out, int depth);

// Defines a type and refers to it by its exported name.
static void put_named(writer *w, buf *out, const char *keyword, int depth, bool has_payload) {
    buf body;
    buf_init(&body, TYPES_TEXT_MAX);
    uint32_t cases = 1 + roll(w->dice, 4);
    for (uint32_t i = 0; i < cases; i++) {
        if (strcmp(keyword, "enum") == 0 || strcmp(keyword, "flags") == 0) {
            (void)!buf_append_format(&body, " \"c%u\"", i);
        } else {
            bool record = strcmp(keyword, "record") == 0;
            (void)!buf_append_format(&body, " (%s \"c%u\" ", record ? "field" : "case", i);
            if (record || (has_payload && roll(w->dice, 3) != 0)) {
                put_type(w, &body, depth + 1);
            }
            put(&body, ")");
        }
    }
    uint32_t n = w->count++;
    (void)!buf_append_format(w->types, "(type $t%u' (%s%.*s)) ", n, keyword, SLICE_ARG(buf_slice(&body)));
    const char *export = w->place == TYPES_AT_ROOT ? "(export $t%u \"t%u\" (type $t%u'))\n"
                                                   : "(export \"t%u\" (type $t%u (eq $t%u')))\n";
    (void)!buf_append_format(w->types, export, n, n, n);
    (void)!buf_append_format(out, "$t%u", n);
    buf_done(&body);
}

static void put_around(writer *w, buf *out, const char *keyword, uint32_t parts, int depth) {
    (void)!buf_append_format(out, "(%s", keyword);
    for (uint32_t i = 0; i < parts; i++) {
        put(out, i == 1 && strcmp(keyword, "result") == 0 ? " (error " : " ");
        put_type(w, out, depth + 1);
        put(out, i == 1 && strcmp(keyword, "result") == 0 ? ")" : "");
    }
    put(out, ")");
}

static void put_type(writer *w, buf *out, int depth) {
    static const char *const leaves[] = {"bool", "s8",  "u8",  "s16", "u16",  "s32",   "u32",
                                         "s64",  "u64", "f32", "f64", "char", "string"};
    uint32_t which = roll(w->dice, depth >= DEPTH_MAX ? 13 : 22);
    switch (which) {
    case 13:
        put_named(w, out, "record", depth, true);
        break;
    case 14:
    case 15:
        put_named(w, out, "variant", depth, true);
        break;
    case 16:
        put_named(w, out, "enum", depth, false);
        break;
    case 17:
        put_named(w, out, "flags", depth, false);
        break;
    case 18:
        put_around(w, out, "option", 1, depth);
        break;
    case 19:
        put_around(w, out, "result", 1 + roll(w->dice, 2), depth);
        break;
    case 20:
        put_around(w, out, "tuple", 1 + roll(w->dice, 4), depth);
        break;
    case 21:
        put_around(w, out, "list", 1, depth);
        break;
    default:
        put(out, leaves[which]);
    }
}

uint32_t types_put(dice *d, types_place place, buf *ret_definitions, buf *ret_type) {
    writer w = {.dice = d, .place = place, .types = ret_definitions};
    put_type(&w, ret_type, 0);
    return w.count;
}

void types_put_memory(dice *d, buf *out) {
    for (int i = 0; i < TYPES_MEMORY_BYTES; i++) {
        uint32_t kind = roll(d, 100);
        uint32_t byte = kind < 60   ? 0
                        : kind < 85 ? roll(d, 6)
                        : kind < 95 ? 0x40 + roll(d, 0x40)
                                    : roll(d, 256);
        (void)!buf_append_format(out, "\\%02x", byte);
    }
}
