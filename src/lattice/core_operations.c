// SPDX-License-Identifier: Apache-2.0
// Operations on the buckets, and the jobs that wait for them. An operation's number holds its slot, so that a
// result finds it at once and one that comes twice finds nothing.
#include "lattice/core_internal.h"

enum { SLOT_BITS = 16 };

// --- jobs --------------------------------------------------------------------------------------------------

typedef struct job_texts {
    slice name;
    lattice_link link;
} job_texts;

static job_texts pack_texts(core_packer *p, slice name, const lattice_link *link) {
    job_texts t = {.name = core_pack_text(p, name)};
    if (link != NULL) {
        t.link = core_pack_link(p, link);
    }
    return t;
}

core_job *core_job_new(lattice_core *c, slice reply, slice name, const lattice_link *link) {
    if (c->operation_count >= CORE_OPERATIONS_MAX) {
        return NULL;
    }
    core_packer count = {0};
    (void)pack_texts(&count, name, link);
    core_packer p = {.data = mem_alloc(count.used)};
    job_texts t = pack_texts(&p, name, link);
    core_job *j = MEM_NEW(core_job);
    j->block = p.data;
    j->name = t.name;
    j->link = t.link;
    j->reply = reply.len > 0 ? mem_slice_dup(reply) : NULL;
    list_push_back(&c->jobs, &j->node);
    return j;
}

void core_job_free(core_job *j) {
    list_remove(&j->node);
    mem_free(j->reply);
    mem_free(j->problem);
    mem_free(j->written);
    mem_free(j->found_block);
    mem_free(j->block);
    mem_free(j);
}

void core_job_answer(lattice_core *c, core_job *j, bool success, const char *message, json_value *response) {
    core_answer(c, slice_from_text(j->reply), success, message, response);
    mem_free(j->reply); // one answer
    j->reply = NULL;
}

// --- operations --------------------------------------------------------------------------------------------

static size_t free_slot(lattice_core *c) {
    for (size_t i = 0; i < c->operation_slots; i++) {
        if (c->operations[i] == NULL) {
            return i;
        }
    }
    size_t slots = c->operation_slots == 0 ? 64 : c->operation_slots * 2;
    c->operations = mem_resize(c->operations, slots * sizeof(core_operation *));
    memset(c->operations + c->operation_slots, 0, (slots - c->operation_slots) * sizeof(core_operation *));
    size_t slot = c->operation_slots;
    c->operation_slots = slots;
    return slot;
}

static core_operation *operation_new(lattice_core *c, core_job *j, core_bucket bucket, slice key,
                                     core_step step) {
    uint8_t *memory = mem_zalloc(sizeof(core_operation) + key.len + 1);
    core_operation *o = (core_operation *)(void *)memory;
    memcpy(memory + sizeof *o, key.data, key.len);
    size_t slot = free_slot(c);
    *o = (core_operation){.id = (++c->operation_number << SLOT_BITS) | slot,
                          .epoch = c->watches[bucket].epoch,
                          .bucket = bucket,
                          .job = j,
                          .step = step,
                          .key = slice_of(memory + sizeof *o, key.len)};
    c->operations[slot] = o;
    c->operation_count++;
    j->operations++;
    return o;
}

void core_job_get(lattice_core *c, core_job *j, core_bucket bucket, slice key, core_step step) {
    const core_operation *o = operation_new(c, j, bucket, key, step);
    c->effects.kv_get(c->effects.context, o->id, bucket, o->key);
}

void core_job_put(lattice_core *c, core_job *j, core_bucket bucket, slice key, slice value, uint64_t expected,
                  core_step step) {
    const core_operation *o = operation_new(c, j, bucket, key, step);
    c->effects.kv_put(c->effects.context, o->id, bucket, o->key, value, expected);
}

void core_job_purge(lattice_core *c, core_job *j, core_bucket bucket, slice key, core_step step) {
    const core_operation *o = operation_new(c, j, bucket, key, step);
    c->effects.kv_purge(c->effects.context, o->id, bucket, o->key);
}

void lattice_core_kv_ended(lattice_core *c, lattice_time t, uint64_t operation, const bus_kv_result *result) {
    size_t slot = operation & ((1u << SLOT_BITS) - 1);
    core_operation *o = slot < c->operation_slots ? c->operations[slot] : NULL;
    if (o == NULL || o->id != operation) {
        return;
    }
    core_job *j = o->job;
    c->operations[slot] = NULL;
    c->operation_count--;
    j->operations--;
    if (o->step != NULL) {
        o->step(c, t, j, o, result);
    }
    if (j->operations == 0) {
        core_job_free(j);
    }
    mem_free(o);
    core_flush(c);
}

void core_operations_done(lattice_core *c) {
    for (size_t i = 0; i < c->operation_slots; i++) {
        mem_free(c->operations[i]);
    }
    mem_free(c->operations);
    c->operations = NULL;
    c->operation_slots = c->operation_count = 0;
    while (!list_empty(&c->jobs)) {
        core_job_free(LIST_ENTRY(c->jobs.next, core_job, node));
    }
}

void core_store(lattice_core *c, core_bucket bucket, slice key, slice value, uint64_t expected) {
    core_job *j = core_job_new(c, slice_empty(), slice_empty(), NULL);
    if (j != NULL) {
        core_job_put(c, j, bucket, key, value, expected, NULL);
    }
}
