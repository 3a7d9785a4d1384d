// SPDX-License-Identifier: Apache-2.0
// What the two buckets hold, as their watches tell it and as this host has just changed it. Each record knows
// the revision that it stands at; what is older is passed over.
#include <stdio.h>

#include "lattice/core_internal.h"

static const char COMPONENT_PREFIX[] = "COMPONENT_";
static const char CLAIMS_PREFIX[] = "CLAIMS_";

bool core_is_news(const lattice_core *c, core_bucket bucket, core_mark *known, const slice *value,
                  uint64_t revision, core_mark *ret) {
    uint64_t epoch = c->watches[bucket].epoch;
    *ret = (core_mark){
        .revision = revision, .epoch = epoch, .hash = value == NULL ? 0 : siphash(c->key, *value)};
    if (known == NULL) {
        return true;
    }
    bool is_late = known->epoch == epoch && revision <= known->revision;
    bool is_same = value != NULL && known->hash == ret->hash;
    if (is_same && !is_late) {
        *known = *ret;
    }
    return !is_late && !is_same;
}

// --- links of a source -------------------------------------------------------------------------------------

typedef struct link_list {
    size_t count;
    lattice_link *items;
} link_list;

static link_list pack_links(core_packer *p, const link_list *from) {
    lattice_link *items = core_pack(p, from->count, sizeof *items);
    for (size_t i = 0; i < from->count; i++) {
        lattice_link link = core_pack_link(p, &from->items[i]);
        if (items != NULL) {
            items[i] = link;
        }
    }
    return (link_list){.count = from->count, .items = items};
}

// Those that can be links here; others are passed over and counted.
static void read_links(lattice_core *c, slice id, const json_value *list, arena *memory, link_list *ret) {
    size_t count = json_count(list);
    c->counters.bad_entries += count > CORE_LINKS_OF_SOURCE_MAX ? 1 : 0;
    count = count > CORE_LINKS_OF_SOURCE_MAX ? CORE_LINKS_OF_SOURCE_MAX : count;
    *ret = (link_list){.items = ARENA_ARRAY(memory, lattice_link, count)};
    for (size_t i = 0; i < count && ret->items != NULL; i++) {
        lattice_link *link = &ret->items[ret->count];
        bool is_good = core_read_link(json_at(list, i), memory, link, NULL) == STATUS_OK &&
                       slice_equal(link->source, id);
        c->counters.bad_entries += is_good ? 0 : 1;
        ret->count += is_good ? 1 : 0;
    }
}

static core_source *source_of(lattice_core *c, slice id) {
    core_source *s = core_table_find(&c->sources, id);
    if (s == NULL && c->sources.count < CORE_SOURCES_MAX) {
        s = core_record_new(sizeof *s, id);
        core_table_add(&c->sources, &s->record);
    }
    return s;
}

static void replace_links(lattice_core *c, core_source *s, const link_list *links) {
    core_packer count = {0};
    (void)pack_links(&count, links);
    core_packer p = {.data = mem_alloc(count.used + 1)};
    link_list packed = pack_links(&p, links);
    mem_free(s->block);
    c->link_count += packed.count;
    c->link_count -= s->count;
    s->block = p.data;
    s->links = packed.items;
    s->count = packed.count;
}

void core_source_drop(lattice_core *c, core_source *s) {
    c->link_count -= s->count;
    core_table_remove(&c->sources, &s->record);
    mem_free(s->block);
    mem_free(s);
}

static void links_changed(lattice_core *c) { c->changes |= CORE_CHANGED_LINKS; }

static void set_links(lattice_core *c, slice id, slice value, core_mark mark) {
    json_value *document = NULL;
    arena memory;
    link_list links = {0};
    arena_init(&memory, CORE_REQUEST_ARENA_BYTES * 4);
    if (json_parse(value, &document, NULL) == STATUS_OK && json_is_object(document)) {
        read_links(c, id, json_get(document, "links"), &memory, &links);
    } else {
        c->counters.bad_entries++; // whatever it is, it has no links
    }
    core_source *s = source_of(c, id);
    if (s == NULL || c->link_count - s->count + links.count > CORE_LINKS_MAX) {
        c->counters.bad_entries++;
    } else {
        replace_links(c, s, &links);
        s->mark = mark;
        links_changed(c);
    }
    json_free(document);
    arena_done(&memory);
}

void core_source_set(lattice_core *c, slice id, const slice *value, uint64_t revision) {
    core_source *s = core_table_find(&c->sources, id);
    core_mark mark;
    if (!core_is_news(c, CORE_LATTICE_DATA, s == NULL ? NULL : &s->mark, value, revision, &mark)) {
        return;
    }
    if (value != NULL) {
        set_links(c, id, *value, mark);
    } else if (s != NULL) {
        core_source_drop(c, s);
        links_changed(c);
    }
}

void core_source_ensure(lattice_core *c, slice id, slice ref) {
    if (core_table_find(&c->sources, id) != NULL) {
        return;
    }
    char key[CORE_ID_BYTES_MAX + sizeof COMPONENT_PREFIX];
    (void)snprintf(key, sizeof key, "%s%.*s", COMPONENT_PREFIX, SLICE_ARG(id));
    json_value *v = json_object_new();
    json_put_text(v, "url", ref);
    json_put(v, "links", json_array_new());
    auto_buf text;
    buf_init(&text, CORE_REQUEST_BYTES_MAX);
    if (json_write(v, 0, &text) == STATUS_OK) {
        core_store(c, CORE_LATTICE_DATA, slice_from_text(key), buf_slice(&text), 0);
    }
    json_free(v);
}

// --- configuration -----------------------------------------------------------------------------------------

void core_config_drop(lattice_core *c, core_config *s) {
    core_table_remove(&c->config, &s->record);
    mem_free(s->block);
    mem_free(s);
}

static void config_changed(lattice_core *c) { c->changes |= CORE_CHANGED_CONFIG; }

static bool read_config(slice value, arena *memory, json_value **ret_document, lattice_pairs *ret) {
    return value.len <= CORE_CONFIG_BYTES_MAX && json_parse(value, ret_document, NULL) == STATUS_OK &&
           core_read_map(*ret_document, CORE_CONFIG_KEYS_MAX, CORE_CONFIG_BYTES_MAX, memory, ret, NULL) ==
               STATUS_OK;
}

static core_config *config_of(lattice_core *c, slice name) {
    core_config *s = core_table_find(&c->config, name);
    if (s == NULL && c->config.count < CORE_CONFIG_MAX) {
        s = core_record_new(sizeof *s, name);
        core_table_add(&c->config, &s->record);
    }
    return s;
}

static void set_config(lattice_core *c, slice name, slice value, core_mark mark) {
    json_value *document = NULL;
    arena memory;
    lattice_pairs values = {0};
    arena_init(&memory, CORE_REQUEST_ARENA_BYTES * 4);
    bool is_good = read_config(value, &memory, &document, &values);
    core_config *s = is_good ? config_of(c, name) : core_table_find(&c->config, name);
    c->counters.bad_entries += is_good && s != NULL ? 0 : 1;
    if (s != NULL && is_good) {
        mem_free(s->block);
        s->values = core_pairs_copy(values, &s->block);
        s->mark = mark;
        config_changed(c);
    } else if (s != NULL) {
        core_config_drop(c, s);
        config_changed(c);
    }
    json_free(document);
    arena_done(&memory);
}

void core_config_set(lattice_core *c, slice name, const slice *value, uint64_t revision) {
    core_config *s = core_table_find(&c->config, name);
    core_mark mark;
    if (!core_is_news(c, CORE_CONFIG_DATA, s == NULL ? NULL : &s->mark, value, revision, &mark)) {
        return;
    }
    if (value != NULL) {
        set_config(c, name, *value, mark);
    } else if (s != NULL) {
        core_config_drop(c, s);
        config_changed(c);
    }
}

// --- watches -----------------------------------------------------------------------------------------------

static void lattice_entry(lattice_core *c, slice key, const slice *value, uint64_t revision) {
    if (slice_starts_with(key, COMPONENT_PREFIX)) {
        slice id = slice_sub(key, sizeof COMPONENT_PREFIX - 1, key.len);
        if (core_text_fits(id, CORE_TEXT_ID, CORE_ID_BYTES_MAX)) {
            core_source_set(c, id, value, revision);
        } else {
            c->counters.bad_entries++;
        }
    } else if (slice_starts_with(key, CLAIMS_PREFIX)) {
        core_claims_set(c, slice_sub(key, sizeof CLAIMS_PREFIX - 1, key.len), value, revision);
    } else if (!slice_starts_with(key, "LINKDEF_") && !slice_starts_with(key, "REFMAP_")) {
        c->counters.bad_entries++;
    }
}

void lattice_core_entry(lattice_core *c, lattice_time t, core_bucket bucket, const bus_kv_entry *entry) {
    (void)t;
    core_watch *w = &c->watches[bucket];
    const slice *value = entry->kind == BUS_KV_PUT ? &entry->value : NULL;
    w->revision = entry->revision > w->revision ? entry->revision : w->revision;
    if (bucket == CORE_LATTICE_DATA) {
        lattice_entry(c, entry->key, value, entry->revision);
    } else if (core_text_fits(entry->key, CORE_TEXT_KEY, CORE_NAME_BYTES_MAX)) {
        core_config_set(c, entry->key, value, entry->revision);
    } else {
        c->counters.bad_entries++;
    }
    core_flush(c);
}

void lattice_core_watch_restarted(lattice_core *c, core_bucket bucket) {
    core_watch *w = &c->watches[bucket];
    *w = (core_watch){.epoch = w->epoch + 1, .was_caught_up = w->was_caught_up};
}

// What was not told since the watch began anew is gone.
static void sweep_lattice(lattice_core *c) {
    uint64_t epoch = c->watches[CORE_LATTICE_DATA].epoch;
    for (size_t i = c->sources.count; i > 0; i--) {
        core_source *s = (core_source *)(void *)c->sources.items[i - 1];
        if (s->mark.epoch != epoch) {
            core_source_drop(c, s);
            links_changed(c);
        }
    }
    for (size_t i = c->claims.count; i > 0; i--) {
        core_stored_claims *s = (core_stored_claims *)(void *)c->claims.items[i - 1];
        if (s->mark.epoch != epoch) {
            core_claims_drop(c, s);
        }
    }
}

static void sweep_config(lattice_core *c) {
    uint64_t epoch = c->watches[CORE_CONFIG_DATA].epoch;
    for (size_t i = c->config.count; i > 0; i--) {
        core_config *s = (core_config *)(void *)c->config.items[i - 1];
        if (s->mark.epoch != epoch) {
            core_config_drop(c, s);
            config_changed(c);
        }
    }
}

void lattice_core_caught_up(lattice_core *c, lattice_time t, core_bucket bucket) {
    (void)t;
    c->watches[bucket].was_caught_up = true;
    if (bucket == CORE_LATTICE_DATA) {
        sweep_lattice(c);
    } else {
        sweep_config(c);
    }
    core_flush(c);
}

bool lattice_core_is_caught_up(const lattice_core *c) {
    return c->watches[CORE_LATTICE_DATA].was_caught_up && c->watches[CORE_CONFIG_DATA].was_caught_up;
}

// --- whether configurations exist --------------------------------------------------------------------------

static void add_problem(core_job *j, const char *format, slice name) {
    auto_buf text;
    buf_init(&text, CORE_REQUEST_BYTES_MAX);
    if (j->problem != NULL && buf_append_text(&text, j->problem) != STATUS_OK) {
        return;
    }
    if (buf_append_format(&text, format, SLICE_ARG(name)) == STATUS_OK) {
        mem_free(j->problem);
        j->problem = mem_slice_dup(buf_slice(&text));
    }
}

static void on_config_known(lattice_core *c, lattice_time t, core_job *j, const core_operation *o,
                            const bus_kv_result *r) {
    const core_watch *w = &c->watches[CORE_CONFIG_DATA];
    if (r->code == STATUS_NOT_FOUND) {
        add_problem(j,
                    lattice_is_secret_name(o->key) ? "Secret reference %.*s not found in config store. "
                                                   : "Configuration %.*s not found in config store. ",
                    o->key);
    } else if (r->code != STATUS_OK) {
        add_problem(j, "Configuration %.*s could not be read. ", o->key);
    } else if (o->epoch == w->epoch && r->entry.revision > w->revision) {
        core_config_set(c, o->key, &r->entry.value, r->entry.revision); // the watch is late
    }
    if (j->operations == 0) {
        j->confirmed(c, t, j);
    }
}

bool core_config_confirm(lattice_core *c, core_job *j, const lattice_texts *names, size_t count,
                         void (*confirmed)(lattice_core *c, lattice_time t, core_job *j)) {
    j->confirmed = confirmed;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < names[i].count; k++) {
            if (core_table_find(&c->config, names[i].items[k]) == NULL) {
                core_job_get(c, j, CORE_CONFIG_DATA, names[i].items[k], on_config_known);
            }
        }
    }
    return j->operations == 0;
}
