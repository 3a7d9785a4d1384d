// SPDX-License-Identifier: Apache-2.0
// Changes of links: each reads the entry of the source, changes it, and writes it when nobody was faster;
// else it begins again. What every host then does with its own links follows from the watch.
#include <stdio.h>

#include "lattice/core_internal.h"

enum { KEY_BYTES_MAX = CORE_ID_BYTES_MAX + 16 };

// --- the stored links of a source --------------------------------------------------------------------------

typedef struct spec {
    slice url;
    const json_value *links; // NULL = none
    json_value *document;    // NULL = there is no entry
    uint64_t revision;       // 0 = there is no entry
} spec;

static slice spec_key(slice id, char ret[KEY_BYTES_MAX]) {
    (void)snprintf(ret, KEY_BYTES_MAX, "COMPONENT_%.*s", SLICE_ARG(id));
    return slice_from_text(ret);
}

static status read_spec(const bus_kv_result *r, slice id, spec *ret, err *e) {
    *ret = (spec){0};
    if (r->code == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (r->code != STATUS_OK) {
        return err_set(e, r->code, "failed to get component spec");
    }
    json_value *document = NULL;
    if (json_parse(r->entry.value, &document, NULL) != STATUS_OK ||
        !json_as_text(json_get(document, "url"), &ret->url) ||
        (!json_is_absent(json_get(document, "links")) && !json_is_array(json_get(document, "links")))) {
        json_free(document);
        return err_set(e, STATUS_INVALID, "failed to deserialize stored component specification for %.*s",
                       SLICE_ARG(id));
    }
    ret->document = document;
    ret->links = json_get(document, "links");
    ret->revision = r->entry.revision;
    return STATUS_OK;
}

// Members of a stored link, which may break the rules that ours keep.
static slice member(const json_value *stored, const char *name, const char *otherwise) {
    slice text = slice_from_text(otherwise);
    (void)json_as_text(json_get(stored, name), &text);
    return text;
}

static bool is_same_way(const json_value *stored, const lattice_link *link) {
    return slice_equal(member(stored, "source_id", ""), link->source) &&
           slice_equal(member(stored, "wit_namespace", ""), link->ns) &&
           slice_equal(member(stored, "wit_package", ""), link->package) &&
           slice_equal(member(stored, "name", "default"), link->name);
}

static bool shares_interface(const json_value *stored, const lattice_link *link) {
    const json_value *list = json_get(stored, "interfaces");
    slice interface;
    for (size_t i = 0; i < json_count(list); i++) {
        if (json_as_text(json_at(list, i), &interface) && core_link_has_interface(link, interface)) {
            return true;
        }
    }
    return false;
}

static bool is_same_target(const json_value *stored, const lattice_link *link) {
    return slice_equal(member(stored, "target", ""), link->target);
}

static bool has_conflict(const spec *s, const lattice_link *link) {
    for (size_t i = 0; i < json_count(s->links); i++) {
        const json_value *stored = json_at(s->links, i);
        if (is_same_way(stored, link) && !is_same_target(stored, link) && shares_interface(stored, link)) {
            return true;
        }
    }
    return false;
}

// Writes the entry with the links in `links`, which is taken. False: it would be too large.
static bool write_spec(lattice_core *c, core_job *j, const spec *s, json_value *links, core_step step) {
    char key[KEY_BYTES_MAX];
    json_value *v = json_object_new();
    json_put_text(v, "url", s->url);
    json_put(v, "links", links);
    auto_buf text;
    buf_init(&text, BUS_PAYLOAD_BYTES_MAX);
    bool is_written = json_write(v, 0, &text) == STATUS_OK;
    if (is_written) {
        mem_free(j->written);
        j->written = mem_slice_dup(buf_slice(&text));
        core_job_put(c, j, CORE_LATTICE_DATA, spec_key(j->link.source, key), slice_from_text(j->written),
                     s->revision, step);
    }
    json_free(v);
    return is_written;
}

// This host need not wait for the watch to know what it has written itself.
static void know_written(lattice_core *c, const core_job *j, const core_operation *o,
                         const bus_kv_result *r) {
    slice written = slice_from_text(j->written);
    const core_watch *w = &c->watches[CORE_LATTICE_DATA];
    if (o->epoch == w->epoch && r->entry.revision > w->revision) {
        core_source_set(c, j->link.source, &written, r->entry.revision);
    }
}

// --- putting a link ----------------------------------------------------------------------------------------

static void begin_put(lattice_core *c, core_job *j);

static void put_failed(lattice_core *c, lattice_time t, core_job *j, const char *why) {
    core_event_link(c, t, "linkdef_set_failed", &j->link, why);
    core_job_answer(c, j, false, why, NULL);
}

static void on_put_stored(lattice_core *c, lattice_time t, core_job *j, const core_operation *o,
                          const bus_kv_result *r) {
    if (r->code == STATUS_EXISTS && ++j->attempts < CORE_LINK_ATTEMPTS_MAX) {
        begin_put(c, j);
    } else if (r->code != STATUS_OK) {
        put_failed(c, t, j, "failed to put component spec");
    } else {
        know_written(c, j, o, r);
        core_link_tell_put(c, &j->link);
        core_event_link(c, t, "linkdef_set", &j->link, NULL);
        core_job_answer(c, j, true, "successfully set link", NULL);
    }
}

// All that there is, with the link in the place of the one that it replaces, or at the end.
static json_value *with_link(const spec *s, const lattice_link *link) {
    json_value *links = json_array_new();
    bool is_in = false;
    for (size_t i = 0; i < json_count(s->links); i++) {
        const json_value *stored = json_at(s->links, i);
        bool is_it = !is_in && is_same_way(stored, link) && is_same_target(stored, link);
        json_push(links, is_it ? core_json_link(link) : json_clone(stored));
        is_in |= is_it;
    }
    if (!is_in) {
        json_push(links, core_json_link(link));
    }
    return links;
}

static void on_put_read(lattice_core *c, lattice_time t, core_job *j, const core_operation *o,
                        const bus_kv_result *r) {
    spec s;
    err e = {0};
    (void)o;
    if (read_spec(r, j->link.source, &s, &e) != STATUS_OK) {
        put_failed(c, t, j, e.message);
        return;
    }
    if (has_conflict(&s, &j->link)) {
        put_failed(c, t, j,
                   "link already exists with different target, consider deleting the existing link or using "
                   "a different link name");
    } else if (json_count(s.links) >= CORE_LINKS_OF_SOURCE_MAX || c->link_count >= CORE_LINKS_MAX) {
        put_failed(c, t, j, "the source, or the lattice, has as many links as it may have");
    } else if (!write_spec(c, j, &s, with_link(&s, &j->link), on_put_stored)) {
        put_failed(c, t, j, "the links of the source would be more than the lattice's data can hold");
    }
    json_free(s.document);
}

static void begin_put(lattice_core *c, core_job *j) {
    char key[KEY_BYTES_MAX];
    core_job_get(c, j, CORE_LATTICE_DATA, spec_key(j->link.source, key), on_put_read);
}

static void on_put_confirmed(lattice_core *c, lattice_time t, core_job *j) {
    if (j->problem != NULL) {
        char why[ERR_MESSAGE_BYTES_MAX];
        (void)snprintf(why, sizeof why, "Failed to validate configuration and secrets. %s", j->problem);
        put_failed(c, t, j, why);
    } else {
        begin_put(c, j);
    }
}

void core_on_link_put(core_request *q) {
    lattice_link link;
    err e = {0};
    if (core_read_link(q->body, &q->memory, &link, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize wrpc link definition", &e);
        return;
    }
    core_job *j = core_job_new(q->c, q->reply, link.source, &link);
    if (j == NULL) {
        core_no(q, "%s", CORE_BUSY);
        return;
    }
    const lattice_texts names[] = {j->link.source_config, j->link.target_config};
    if (core_config_confirm(q->c, j, names, 2, on_put_confirmed)) {
        begin_put(q->c, j);
    }
}

// --- deleting a link ---------------------------------------------------------------------------------------

static void begin_del(lattice_core *c, core_job *j);

static void on_del_stored(lattice_core *c, lattice_time t, core_job *j, const core_operation *o,
                          const bus_kv_result *r) {
    if (r->code == STATUS_EXISTS && ++j->attempts < CORE_LINK_ATTEMPTS_MAX) {
        begin_del(c, j);
    } else if (r->code != STATUS_OK) {
        core_job_answer(c, j, false, "failed to put component spec", NULL);
    } else {
        know_written(c, j, o, r);
        core_link_tell_del(c, &j->found);
        core_event_link_deleted(c, t, &j->link, &j->found);
        core_job_answer(c, j, true, "successfully deleted link", NULL);
    }
}

// All but the first that fits, which is told.
static json_value *without_link(const spec *s, const lattice_link *link, const json_value **ret_found) {
    json_value *links = json_array_new();
    *ret_found = NULL;
    for (size_t i = 0; i < json_count(s->links); i++) {
        const json_value *stored = json_at(s->links, i);
        if (*ret_found == NULL && is_same_way(stored, link)) {
            *ret_found = stored;
        } else {
            json_push(links, json_clone(stored));
        }
    }
    return links;
}

// Keeps what was deleted for the news of it.
static void keep_found(core_job *j, const json_value *stored) {
    lattice_link link = j->link;
    arena memory;
    arena_init(&memory, CORE_REQUEST_ARENA_BYTES);
    link.target = member(stored, "target", "");
    if (core_read_texts(stored, "interfaces", CORE_TEXT_ANY, CORE_INTERFACES_MAX, false, &memory,
                        &link.interfaces, NULL) != STATUS_OK) {
        link.interfaces = (lattice_texts){0};
    }
    core_packer count = {0};
    (void)core_pack_link(&count, &link);
    mem_free(j->found_block);
    core_packer p = {.data = mem_alloc(count.used)};
    j->found_block = p.data;
    j->found = core_pack_link(&p, &link);
    arena_done(&memory);
}

static void on_del_read(lattice_core *c, lattice_time t, core_job *j, const core_operation *o,
                        const bus_kv_result *r) {
    spec s;
    err e = {0};
    (void)o;
    if (read_spec(r, j->link.source, &s, &e) != STATUS_OK) {
        core_job_answer(c, j, false, e.message, NULL);
        return;
    }
    if (s.document == NULL) {
        core_job_answer(c, j, true, "successfully deleted link (spec doesn't exist)", NULL);
        return;
    }
    const json_value *found;
    json_value *links = without_link(&s, &j->link, &found);
    if (found == NULL) {
        json_free(links);
        core_event_link_deleted(c, t, &j->link, NULL);
        core_job_answer(c, j, true, "successfully deleted link", NULL);
    } else {
        keep_found(j, found);
        if (!write_spec(c, j, &s, links, on_del_stored)) {
            core_job_answer(c, j, false, "failed to put component spec", NULL);
        }
    }
    json_free(s.document);
}

static void begin_del(lattice_core *c, core_job *j) {
    char key[KEY_BYTES_MAX];
    core_job_get(c, j, CORE_LATTICE_DATA, spec_key(j->link.source, key), on_del_read);
}

static status read_del(const json_value *o, lattice_link *ret, err *e) {
    lattice_link link = {.name = slice_from_text("default")};
    const size_t name_max = CORE_NAME_BYTES_MAX;
    if (!json_is_object(o)) {
        return err_set(e, STATUS_INVALID, "expected an object");
    }
    TRY(core_read_text(o, "source_id", CORE_TEXT_ID, CORE_ID_BYTES_MAX, true, &link.source, e));
    TRY(core_read_text(o, "name", CORE_TEXT_WORDS, name_max, false, &link.name, e));
    TRY(core_read_text(o, "wit_namespace", CORE_TEXT_WORDS, name_max, true, &link.ns, e));
    TRY(core_read_text(o, "wit_package", CORE_TEXT_WORDS, name_max, true, &link.package, e));
    *ret = link;
    return STATUS_OK;
}

void core_on_link_del(core_request *q) {
    lattice_link link;
    err e = {0};
    if (read_del(q->body, &link, &e) != STATUS_OK) {
        core_malformed(q, "failed to deserialize wrpc link definition", &e);
        return;
    }
    core_job *j = core_job_new(q->c, q->reply, link.source, &link);
    if (j == NULL) {
        core_no(q, "%s", CORE_BUSY);
        return;
    }
    begin_del(q->c, j);
}
