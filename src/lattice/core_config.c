// SPDX-License-Identifier: Apache-2.0
// Configurations: requests about them, and what names together mean.
#include <stdlib.h>

#include "lattice/core_internal.h"

// --- requests ----------------------------------------------------------------------------------------------

static core_job *new_job(core_request *q) {
    if (!core_config_name_fits(q->object)) {
        core_no(q,
                "\"%.*s\" cannot be the name of a configuration: at most %d letters, digits, '-', '/', '_' "
                "and '='",
                SLICE_ARG(slice_sub(q->object, 0, CORE_NAME_BYTES_MAX)), CORE_NAME_BYTES_MAX);
        return NULL;
    }
    core_job *j = core_job_new(q->c, q->reply, q->object, NULL);
    if (j == NULL) {
        core_no(q, "%s", CORE_BUSY);
    }
    return j;
}

static void on_put(lattice_core *c, lattice_time t, core_job *j, const core_operation *o,
                   const bus_kv_result *r) {
    (void)o;
    if (r->code != STATUS_OK) {
        core_job_answer(c, j, false, "unable to store config data", NULL);
        return;
    }
    core_event_config(c, t, "config_set", j->name);
    core_job_answer(c, j, true, "successfully put config", NULL);
}

void core_on_config_put(core_request *q) {
    lattice_pairs values;
    err e = {0};
    status s =
        q->payload.len > CORE_CONFIG_BYTES_MAX
            ? err_set(&e, STATUS_LIMIT, "%zu bytes are more than the %d that a configuration may have",
                      q->payload.len, CORE_CONFIG_BYTES_MAX)
            : core_read_map(q->body, CORE_CONFIG_KEYS_MAX, CORE_CONFIG_BYTES_MAX, &q->memory, &values, &e);
    if (s != STATUS_OK) {
        core_malformed(q, "config data should be a map of string -> string", &e);
        return;
    }
    core_job *j = new_job(q);
    if (j != NULL) {
        core_job_put(q->c, j, CORE_CONFIG_DATA, q->object, q->payload, BUS_KV_ANY, on_put);
    }
}

static void on_get(lattice_core *c, lattice_time t, core_job *j, const core_operation *o,
                   const bus_kv_result *r) {
    json_value *document = NULL;
    (void)t;
    (void)o;
    if (r->code == STATUS_NOT_FOUND) {
        core_job_answer(c, j, true, "Configuration not found", NULL);
    } else if (r->code != STATUS_OK) {
        core_job_answer(c, j, false, "unable to read config data", NULL);
    } else if (json_parse(r->entry.value, &document, NULL) != STATUS_OK || !json_is_object(document)) {
        json_free(document);
        core_job_answer(c, j, false, "config data should be a map of string -> string", NULL);
    } else {
        core_job_answer(c, j, true, "", document);
    }
}

void core_on_config_get(core_request *q) {
    core_job *j = new_job(q);
    if (j != NULL) {
        core_job_get(q->c, j, CORE_CONFIG_DATA, q->object, on_get);
    }
}

static void on_del(lattice_core *c, lattice_time t, core_job *j, const core_operation *o,
                   const bus_kv_result *r) {
    (void)o;
    if (r->code != STATUS_OK) {
        core_job_answer(c, j, false, "Unable to delete config data", NULL);
        return;
    }
    core_event_config(c, t, "config_deleted", j->name);
    core_job_answer(c, j, true, "successfully deleted config", NULL);
}

void core_on_config_del(core_request *q) {
    core_job *j = new_job(q);
    if (j != NULL) {
        core_job_purge(q->c, j, CORE_CONFIG_DATA, q->object, on_del);
    }
}

// --- what is known -----------------------------------------------------------------------------------------

bool lattice_is_secret_name(slice name) { return slice_starts_with(name, "SECRET"); }

bool lattice_core_config(const lattice_core *c, slice name, lattice_pairs *ret) {
    const core_config *s = core_table_find(&c->config, name);
    if (s != NULL) {
        *ret = s->values;
    }
    return s != NULL;
}

static const core_config *plain_config(const lattice_core *c, slice name) {
    return lattice_is_secret_name(name) ? NULL : core_table_find(&c->config, name);
}

typedef struct ranked_pair {
    lattice_pair pair;
    size_t rank; // of those with the same key the highest holds
} ranked_pair;

static int compare_ranked(const void *a, const void *b) {
    const ranked_pair *x = a, *y = b;
    int order = slice_compare(x->pair.key, y->pair.key);
    return order != 0 ? order : x->rank < y->rank ? -1 : x->rank > y->rank;
}

static size_t count_values(const lattice_core *c, lattice_texts names) {
    size_t count = 0;
    for (size_t i = 0; i < names.count; i++) {
        const core_config *s = plain_config(c, names.items[i]);
        count += s == NULL ? 0 : s->values.count;
    }
    return count;
}

status lattice_core_config_merge(const lattice_core *c, lattice_texts names, arena *memory,
                                 lattice_pairs *ret) {
    size_t most = count_values(c, names);
    ranked_pair *all = ARENA_ARRAY(memory, ranked_pair, most);
    lattice_pair *items = ARENA_ARRAY(memory, lattice_pair, most);
    if (all == NULL || items == NULL) {
        return STATUS_LIMIT;
    }
    size_t n = 0;
    for (size_t i = 0; i < names.count; i++) {
        const core_config *s = plain_config(c, names.items[i]);
        for (size_t k = 0; s != NULL && k < s->values.count; k++, n++) {
            all[n] = (ranked_pair){.pair = s->values.items[k], .rank = n};
        }
    }
    if (n > 1) {
        qsort(all, n, sizeof *all, compare_ranked);
    }
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_same = count > 0 && slice_equal(items[count - 1].key, all[i].pair.key);
        items[is_same ? count - 1 : count] = all[i].pair;
        count += is_same ? 0 : 1;
    }
    *ret = (lattice_pairs){.count = count, .items = items};
    return STATUS_OK;
}

// --- what a link says --------------------------------------------------------------------------------------

static bool is_listed(slice list, slice name) {
    for (size_t at = 0; at <= list.len;) {
        size_t comma = slice_find(list, at, ',');
        size_t to = comma == SIZE_MAX ? list.len : comma;
        slice item = slice_trimmed(slice_sub(list, at, to));
        if (slice_equal(item, name) || slice_equal_text(item, "*")) {
            return true;
        }
        at = to + 1;
    }
    return false;
}

bool lattice_core_may_repeat(const lattice_core *c, const lattice_link *link, slice function) {
    for (size_t i = link->source_config.count; i-- > 0;) {
        const core_config *s = plain_config(c, link->source_config.items[i]);
        const lattice_pair *p = s == NULL ? NULL : core_pairs_find(s->values, slice_from_text("idempotent"));
        if (p != NULL) {
            return function.len > 0 && is_listed(p->value, function);
        }
    }
    return false;
}
