// SPDX-License-Identifier: Apache-2.0
// What a running host tells its audit log: from its loop, in order, without waiting for a disk
// (audit/queue.h). Before the loop runs and after it, the log is its opener's.
//
// Everything here accepts NULL: a host without a log, which records nothing and does everything.
#pragma once

#include "audit/queue.h"
#include "host/config.h"
#include "host/log.h"

typedef struct host_audit host_audit;

// `log` is borrowed until host_audit_free; NULL gives NULL.
status host_audit_new(audit *log, loop *l, logger *told, host_audit **ret, err *e) WRIT_MUST_USE;
// Writes what was taken: when nothing else is left on the loop.
void host_audit_free(host_audit *a);

// An event that nobody waits for. What cannot be recorded is a line in the host's log.
//   host_audit_tell(a, AUDIT_POLICY_CHANGE, AUDIT_FIELDS(audit_text("what", "rules")))
#define AUDIT_FIELDS(...) \
    (const audit_field[]){__VA_ARGS__}, sizeof((const audit_field[]){__VA_ARGS__}) / sizeof(audit_field)
void host_audit_tell(host_audit *a, audit_kind kind, const audit_field *fields, size_t count);

// AUDIT_LINK_PUT, AUDIT_LINK_CHANGE or AUDIT_LINK_CUT; `asker` is who wanted it ("uid:1000"), NULL = this
// host by itself. Nothing of its settings is told but their names.
void host_audit_link(host_audit *a, audit_kind kind, const char *workload, const host_link *l,
                     const char *asker);
// The same, at once, for whoever has the log to himself.
status host_audit_link_now(audit *log, audit_kind kind, const char *workload, const host_link *l,
                           const char *asker, err *e) WRIT_MUST_USE;

// An event that must be on the disk before what it tells is done: audit_queue_add. Without a log `done` is
// not called, `*ret_waits` is false.
status host_audit_ask(host_audit *a, audit_kind kind, const audit_field *fields, size_t count,
                      audit_queue_done done, void *arg, uint64_t *ret_id, bool *ret_waits,
                      err *e) WRIT_MUST_USE;
void host_audit_forget(host_audit *a, uint64_t id);
