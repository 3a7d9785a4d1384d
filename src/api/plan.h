// SPDX-License-Identifier: Apache-2.0
// What a host that can be changed is to run: its applications, and what was changed about them by hand since
// (how many instances, what is behind a link). A generation reads it, and whoever wants a change writes the
// next one (host/generations.h). What was changed by hand about an application holds until its manifest is
// taken again.
//
// As JSON; of our own making, or of a user of this host over its socket, so it is read with limits.
#pragma once

#include "base/buf.h"
#include "codec/json.h"
#include "host/config.h"

enum { PLAN_BYTES_MAX = 32 << 20, PLAN_APPLICATIONS_MAX = 64, PLAN_CHANGES_MAX = 1024 };

typedef struct plan_application {
    char *file; // absolute
    char *name; // NULL until it was read
    char *text; // of its manifest, as it was when it was taken; NULL = to be read from the file
    bool is_unsigned;
} plan_application;

typedef struct plan_change { // of a workload, by hand
    char *file;              // of the application that it belongs to
    char *workload;
    uint32_t instances_max; // 0 = it is about the link
    host_link link;         // what is behind the link of this name with these interfaces; `is_cut`
} plan_change;

typedef struct plan {
    plan_application *applications;
    size_t application_count;
    plan_change *changes;
    size_t change_count;
    bool is_json; // how whoever asked for it wants to be told
} plan;

void plan_done(plan *p); // accepts a zeroed one

status plan_write(const plan *p, buf *ret, err *e) WRIT_MUST_USE;
status plan_read(slice text, plan *ret, err *e) WRIT_MUST_USE; // into a zeroed one; plan_done it in any case
// The same by a memory file.
status plan_write_file(const plan *p, int *ret_fd, err *e) WRIT_MUST_USE;
status plan_read_file(int fd, plan *ret, err *e) WRIT_MUST_USE;

// Takes the manifest in `file`, again or for the first time: changes by hand to its workloads are forgotten.
status plan_take(plan *p, const char *file, bool is_unsigned, err *e) WRIT_MUST_USE;
void plan_take_all(plan *p, bool keeps_changes); // again
// STATUS_NOT_FOUND names those that there are.
status plan_remove(plan *p, slice application, err *e) WRIT_MUST_USE;
// `c` is moved in; takes the place of one about the same thing.
status plan_put(plan *p, plan_change *c, err *e) WRIT_MUST_USE;
void plan_change_done(plan_change *c);

// Changes the workloads of a configuration as was done by hand. What is not there any more is left out.
void plan_apply(const plan *p, host_config *c);

// --- links -------------------------------------------------------------------------------------------------

// {"name", "interfaces": [], "driver", "settings": {}, "secrets": {setting: {"key", "field", "version"}}};
// made into a zeroed link, which is host_link_done in any case.
status plan_link_read(const json_value *v, host_link *ret, err *e) WRIT_MUST_USE;
json_value *plan_link_json(const host_link *l);

// The links of a workload that `asked` is about: of its name, with interfaces that it covers ("wasi:keyvalue"
// covers "wasi:keyvalue/store").
bool plan_link_is_about(const host_link *l, const host_link *asked);

// What `l` becomes when it is put as `asked` says: the same place, with another driver, settings and secrets.
// Into a zeroed one.
void plan_link_fill(const host_link *l, const host_link *asked, host_link *ret);
