// SPDX-License-Identifier: Apache-2.0
#include "host/host_audit.h"

#include "base/mem.h"

enum { LIST_BYTES_MAX = 4096, LINK_FIELDS = 8 };

struct host_audit {
    audit_queue *queue;
    logger *logger;
    bool is_lost; // the last event could not be recorded
};

status host_audit_new(audit *log, loop *l, logger *told, host_audit **ret, err *e) {
    audit_queue *queue = NULL;
    if (log == NULL) {
        *ret = NULL;
        return STATUS_OK;
    }
    TRY(audit_queue_new(log, l, &queue, e));
    host_audit *a = MEM_NEW(host_audit);
    a->queue = queue;
    a->logger = told;
    *ret = a;
    return STATUS_OK;
}

void host_audit_free(host_audit *a) {
    if (a != NULL) {
        audit_queue_free(a->queue);
        mem_free(a);
    }
}

// Once in a row: a full disk is no reason for a full log.
static void on_told(void *arg, status code, const err *why) {
    host_audit *a = arg;
    if (code != STATUS_OK && !a->is_lost) {
        logger_event(a->logger, LOG_ERROR, "audit-lost", NULL, 0, "an event is not in the audit log: %s",
                     why->message);
    }
    a->is_lost = code != STATUS_OK;
}

void host_audit_tell(host_audit *a, audit_kind kind, const audit_field *fields, size_t count) {
    err e;
    if (a != NULL && audit_queue_add(a->queue, kind, fields, count, on_told, a, NULL, &e) != STATUS_OK) {
        on_told(a, e.code, &e);
    }
}

status host_audit_ask(host_audit *a, audit_kind kind, const audit_field *fields, size_t count,
                      audit_queue_done done, void *arg, uint64_t *ret_id, bool *ret_waits, err *e) {
    if (a != NULL) {
        TRY(audit_queue_add(a->queue, kind, fields, count, done, arg, ret_id, e));
    }
    *ret_waits = a != NULL;
    return STATUS_OK;
}

void host_audit_forget(host_audit *a, uint64_t id) {
    if (a != NULL) {
        audit_queue_forget(a->queue, id);
    }
}

// --- links -------------------------------------------------------------------------------------------------

static void append_name(buf *list, const char *name) {
    (void)!buf_append_format(list, "%s%s", list->len > 0 ? " " : "", name); // what is too long is cut
}

typedef struct link_lists {
    buf interfaces, settings;
} link_lists;

static size_t link_fields(const char *workload, const host_link *l, const char *asker, link_lists *lists,
                          audit_field ret[LINK_FIELDS]) {
    size_t n = 0;
    buf_init(&lists->interfaces, LIST_BYTES_MAX);
    buf_init(&lists->settings, LIST_BYTES_MAX);
    for (size_t i = 0; i < l->interface_count; i++) {
        append_name(&lists->interfaces, l->interfaces[i]);
    }
    for (size_t i = 0; i < l->setting_count; i++) {
        append_name(&lists->settings, l->settings[i].name);
    }
    for (size_t i = 0; i < l->secret_count; i++) {
        append_name(&lists->settings, l->secrets[i].name);
    }
    ret[n++] = audit_text("workload", workload);
    ret[n++] = audit_text("link", l->name);
    ret[n++] = audit_slice("interfaces", buf_slice(&lists->interfaces));
    ret[n++] = audit_text("target", l->target == NULL ? "" : l->target);
    ret[n++] = audit_text("driver", l->driver == NULL ? "" : l->driver);
    ret[n++] = audit_slice("settings", buf_slice(&lists->settings));
    if (asker != NULL) {
        ret[n++] = audit_text("asker", asker);
    }
    return n;
}

static void lists_done(link_lists *lists) {
    buf_done(&lists->interfaces);
    buf_done(&lists->settings);
}

void host_audit_link(host_audit *a, audit_kind kind, const char *workload, const host_link *l,
                     const char *asker) {
    audit_field fields[LINK_FIELDS];
    link_lists lists;
    if (a != NULL) {
        size_t count = link_fields(workload, l, asker, &lists, fields);
        host_audit_tell(a, kind, fields, count);
        lists_done(&lists);
    }
}

status host_audit_link_now(audit *log, audit_kind kind, const char *workload, const host_link *l,
                           const char *asker, err *e) {
    audit_field fields[LINK_FIELDS];
    link_lists lists;
    if (log == NULL) {
        return STATUS_OK;
    }
    size_t count = link_fields(workload, l, asker, &lists, fields);
    status s = audit_append(log, kind, fields, count, e);
    lists_done(&lists);
    return s;
}
