// SPDX-License-Identifier: Apache-2.0
#include "codec/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#include "base/mem.h"
#include "codec/utf.h"

typedef struct frame {
    yaml_node *node;
    yaml_entry **end; // where the next entry goes
    yaml_entry *open; // a member whose value is awaited
} frame;

typedef struct anchor {
    slice name;
    const yaml_node *node;
    bool is_open; // its node is not read to the end
    struct anchor *next;
} anchor;

typedef struct reader {
    const yaml_limits *limits;
    arena *memory;
    problems *found;
    yaml_parser_t parser;
    frame stack[YAML_DEPTH_MAX];
    uint32_t depth;
    anchor *anchors; // newest first
    size_t anchor_count;
    uint32_t nodes;
    size_t documents;
    const yaml_node *root;
    bool is_done;
} reader;

static text_place place_of(yaml_mark_t mark) {
    return (text_place){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static status give_up(reader *r, status code, text_place at, const char *rule, const char *message,
                      const char *advice) {
    problems_add(r->found, at, rule, advice, "%s", message);
    return code;
}

static status out_of_memory(reader *r, text_place at) {
    return give_up(r, STATUS_LIMIT, at, "limit", "the document needs too much memory", "split it");
}

// --- nodes -------------------------------------------------------------------------------------------------

static status count_nodes(reader *r, uint32_t more, text_place at) {
    if (more > r->limits->nodes_max - r->nodes) {
        problems_add(r->found, at, "limit", "split the file, or repeat less through aliases",
                     "the document has more than %u values", r->limits->nodes_max);
        return STATUS_LIMIT;
    }
    r->nodes += more;
    return STATUS_OK;
}

// Puts a node where the innermost open list or map awaits one.
static status attach(reader *r, const yaml_node *n) {
    if (r->depth == 0) {
        r->root = n;
        return STATUS_OK;
    }
    frame *f = &r->stack[r->depth - 1];
    yaml_entry *entry = f->open;
    if (f->node->kind == YAML_KIND_LIST) {
        entry = ARENA_NEW(r->memory, yaml_entry);
        if (entry == NULL) {
            return out_of_memory(r, n->at);
        }
    }
    entry->value = n;
    *f->end = entry;
    f->end = &entry->next;
    f->open = NULL;
    f->node->count++;
    return STATUS_OK;
}

static bool awaits_key(const reader *r) {
    const frame *f = r->depth == 0 ? NULL : &r->stack[r->depth - 1];
    return f != NULL && f->node->kind == YAML_KIND_MAP && f->open == NULL;
}

static status check_tag(reader *r, const yaml_char_t *tag, text_place at) {
    if (tag != NULL) {
        problems_add(r->found, at, "tag", "leave it out; a value in quotes is text",
                     "a tag (%.80s) is not allowed here", (const char *)tag);
    }
    return STATUS_OK;
}

static const anchor *find_anchor(const reader *r, slice name) {
    for (const anchor *a = r->anchors; a != NULL; a = a->next) {
        if (slice_equal(a->name, name)) {
            return a;
        }
    }
    return NULL;
}

static status keep_anchor(reader *r, const yaml_char_t *name, const yaml_node *n, bool is_open) {
    if (name == NULL) {
        return STATUS_OK;
    }
    if (r->anchor_count++ >= YAML_ANCHORS_MAX) {
        return give_up(r, STATUS_LIMIT, n->at, "limit", "the document has too many anchors",
                       "write values out instead of using aliases");
    }
    anchor *a = ARENA_NEW(r->memory, anchor);
    slice copy = arena_copy(r->memory, slice_from_text((const char *)name));
    if (a == NULL || copy.data == NULL) {
        return out_of_memory(r, n->at);
    }
    *a = (anchor){copy, n, is_open, r->anchors};
    r->anchors = a;
    return STATUS_OK;
}

static status new_node(reader *r, yaml_kind kind, text_place at, yaml_node **ret) {
    TRY(count_nodes(r, 1, at));
    yaml_node *n = ARENA_NEW(r->memory, yaml_node);
    if (n == NULL) {
        return out_of_memory(r, at);
    }
    *n = (yaml_node){.kind = kind, .at = at, .expanded = 1};
    *ret = n;
    return STATUS_OK;
}

// --- events ------------------------------------------------------------------------------------------------

static status on_key(reader *r, const yaml_event_t *event) {
    text_place at = place_of(event->start_mark);
    frame *f = &r->stack[r->depth - 1];
    f->open = ARENA_NEW(r->memory, yaml_entry);
    slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    if (f->open == NULL || (f->open->key = arena_copy(r->memory, text)).data == NULL) {
        return out_of_memory(r, at);
    }
    f->open->key_is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    f->open->key_at = at;
    if (event->data.scalar.anchor != NULL) {
        problems_add(r->found, at, "anchor", "leave it out", "an anchor at a key is not allowed here");
    }
    return check_tag(r, event->data.scalar.tag, at);
}

static status on_scalar(reader *r, const yaml_event_t *event) {
    if (awaits_key(r)) {
        return on_key(r, event);
    }
    text_place at = place_of(event->start_mark);
    yaml_node *n;
    TRY(check_tag(r, event->data.scalar.tag, at));
    TRY(new_node(r, YAML_KIND_SCALAR, at, &n));
    n->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->text = arena_copy(r->memory, slice_of(event->data.scalar.value, event->data.scalar.length));
    if (n->text.data == NULL) {
        return out_of_memory(r, at);
    }
    TRY(keep_anchor(r, event->data.scalar.anchor, n, false));
    return attach(r, n);
}

static status on_alias(reader *r, const yaml_event_t *event) {
    text_place at = place_of(event->start_mark);
    const char *name = (const char *)event->data.alias.anchor;
    const anchor *a = find_anchor(r, slice_from_text(name));
    if (awaits_key(r)) {
        return give_up(r, STATUS_INVALID, at, "alias", "an alias is not allowed as a key",
                       "write the key out");
    }
    if (a == NULL || a->is_open) {
        problems_add(r->found, at, "alias", "write the value out",
                     a == NULL ? "the alias *%.80s has no anchor before it"
                               : "the alias *%.80s stands inside of what it refers to",
                     name);
        return STATUS_INVALID;
    }
    TRY(count_nodes(r, a->node->expanded, at));
    if (a->node->height + r->depth >= r->limits->depth_max) {
        return give_up(r, STATUS_LIMIT, at, "limit", "lists and maps are nested too deeply",
                       "nest them less");
    }
    return attach(r, a->node);
}

static status on_start(reader *r, yaml_kind kind, const yaml_char_t *name, const yaml_char_t *tag,
                       text_place at) {
    yaml_node *n;
    if (awaits_key(r)) {
        return give_up(r, STATUS_INVALID, at, "key", "a list or map cannot be a key",
                       "write text as the key");
    }
    if (r->depth >= r->limits->depth_max) {
        return give_up(r, STATUS_LIMIT, at, "limit", "lists and maps are nested too deeply",
                       "nest them less");
    }
    TRY(check_tag(r, tag, at));
    TRY(new_node(r, kind, at, &n));
    TRY(keep_anchor(r, name, n, true));
    TRY(attach(r, n));
    r->stack[r->depth++] = (frame){.node = n, .end = &n->first};
    return STATUS_OK;
}

typedef struct keyed {
    yaml_entry *entry;
    size_t rank;
} keyed;

static int compare_keys(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    int order = slice_compare(x->entry->key, y->entry->key);
    return order != 0 ? order : (x->rank < y->rank ? -1 : x->rank > y->rank);
}

static void report_twice(reader *r, const yaml_entry *first, const yaml_entry *again) {
    char shown[128];
    const char *advice = problems_text(r->found, "the first is in line %u, column %u; remove or rename one",
                                       first->key_at.line, first->key_at.column);
    problems_add(r->found, again->key_at, "duplicate-key", advice, "the key \"%s\" stands twice in one map",
                 utf8_shown(again->key, shown, sizeof shown));
}

// Reports keys that stand twice and leaves the first of each.
static status check_keys(reader *r, yaml_node *map) {
    keyed *list = mem_try_calloc(map->count + 1, sizeof *list);
    if (list == NULL) {
        return out_of_memory(r, map->at);
    }
    size_t count = 0;
    for (yaml_entry *e = map->first; e != NULL; e = e->next, count++) {
        list[count] = (keyed){e, count};
    }
    qsort(list, count, sizeof *list, compare_keys);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (!slice_equal(list[i].entry->key, list[first].entry->key)) {
            first = i;
            continue;
        }
        report_twice(r, list[first].entry, list[i].entry);
        list[i].entry->value = NULL;
    }
    mem_free(list);
    map->count = 0;
    for (yaml_entry **at = &map->first; *at != NULL;) {
        if ((*at)->value == NULL) {
            *at = (*at)->next;
            continue;
        }
        map->count++;
        at = &(*at)->next;
    }
    return STATUS_OK;
}

static status on_end(reader *r) {
    yaml_node *n = r->stack[--r->depth].node;
    if (n->kind == YAML_KIND_MAP) {
        TRY(check_keys(r, n));
    }
    for (const yaml_entry *e = n->first; e != NULL; e = e->next) {
        n->expanded += e->value->expanded;
        n->height = e->value->height > n->height ? e->value->height : n->height;
    }
    n->height++;
    for (anchor *a = r->anchors; a != NULL; a = a->next) {
        a->is_open = a->is_open && a->node != n;
    }
    return STATUS_OK;
}

static status on_event(reader *r, const yaml_event_t *event) {
    text_place at = place_of(event->start_mark);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return r->documents++ == 0
                   ? STATUS_OK
                   : give_up(r, STATUS_UNSUPPORTED, at, "documents", "a second document begins here",
                             "write each document into a file of its own");
    case YAML_SCALAR_EVENT:
        return on_scalar(r, event);
    case YAML_ALIAS_EVENT:
        return on_alias(r, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(r, YAML_KIND_LIST, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                        at);
    case YAML_MAPPING_START_EVENT:
        return on_start(r, YAML_KIND_MAP, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                        at);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_end(r);
    case YAML_STREAM_END_EVENT:
        r->is_done = true;
        return STATUS_OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return STATUS_OK;
    }
    return STATUS_OK;
}

// --- the whole ---------------------------------------------------------------------------------------------

static status report_syntax(reader *r) {
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        return out_of_memory(r, place_of(p->mark));
    }
    const char *context = p->context == NULL ? "" : p->context, *problem_text = p->problem;
    text_place at = place_of(p->error == YAML_READER_ERROR ? p->mark : p->problem_mark);
    const char *advice = p->context == NULL
                             ? ""
                             : problems_text(r->found, "it is about what begins in line %zu, column %zu",
                                             p->context_mark.line + 1, p->context_mark.column + 1);
    problems_add(r->found, at, "syntax", advice, "YAML: %s%s%s", problem_text == NULL ? "?" : problem_text,
                 context[0] == '\0' ? "" : ", ", context);
    return STATUS_INVALID;
}

static status read_events(reader *r) {
    while (!r->is_done) {
        yaml_event_t event;
        if (yaml_parser_parse(&r->parser, &event) == 0) {
            return report_syntax(r);
        }
        status result = on_event(r, &event);
        yaml_event_delete(&event);
        TRY(result);
    }
    return STATUS_OK;
}

status yaml_read(slice text, const yaml_limits *limits, arena *a, problems *p, const yaml_node **ret) {
    static const text_place start = {1, 1};
    reader r = {.limits = limits, .memory = a, .found = p};
    if (text.len > limits->bytes_max) {
        problems_add(p, start, "limit", "split it", "the file of %zu bytes is larger than %zu", text.len,
                     limits->bytes_max);
        return STATUS_LIMIT;
    }
    if (yaml_parser_initialize(&r.parser) == 0) {
        return out_of_memory(&r, start);
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, text.len == 0 ? (const uint8_t *)"" : text.data, text.len);
    status result = read_events(&r);
    yaml_parser_delete(&r.parser);
    TRY(result);
    if (r.root == NULL) {
        yaml_node *empty;
        TRY(new_node(&r, YAML_KIND_SCALAR, start, &empty));
        empty->is_plain = true;
        r.root = empty;
    }
    *ret = r.root;
    return STATUS_OK;
}
