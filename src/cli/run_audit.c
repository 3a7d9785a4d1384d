// SPDX-License-Identifier: Apache-2.0
#include "cli/run_audit.h"

#include <signal.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/audit_internal.h"
#include "cli/audit_memo.h"
#include "cli/key_option.h"

static const char *name_of(const host_config *c, uint32_t workload) { return c->workloads[workload].name; }

// --- listening --------------------------------------------------------------------------------------------

static err *room_for_why(run_audit *a) { return a->failed == STATUS_OK ? &a->why : NULL; }

static void keep(run_audit *a, status s) { a->failed = a->failed == STATUS_OK ? s : a->failed; }

static void vetted(void *context, const host_config *c, uint32_t workload, const vetting *v) {
    run_audit *a = context;
    const token_claims *claims = vetting_claims(v);
    if (a->trust_path == NULL && v->trust_path != NULL) { // the same for all
        a->trust_path = mem_text_dup(v->trust_path);
    }
    nkey_text subject = {""};
    if (claims != NULL) {
        subject = nkey_public_text(&claims->subject);
    }
    keep(a, audit_event(a->log, room_for_why(a), AUDIT_GRANT, audit_text("workload", name_of(c, workload)),
                        audit_text("what", "run"),
                        audit_text("component", c->workloads[workload].component_path),
                        audit_text("signed", vetting_is_signed(v) ? "yes" : "no"),
                        audit_text("reason", refusal_name(v->found.reason)),
                        audit_text("issuer", claims == NULL ? "" : v->issuer.text),
                        audit_text("subject", subject.text),
                        audit_number("revision", claims == NULL ? 0 : (int64_t)claims->revision)));
    if (a->inner.vetted != NULL) {
        a->inner.vetted(a->inner.context, c, workload, v);
    }
}

static void identified(void *context, const host_config *c, const host_identity *identity, const vetting *v) {
    run_audit *a = context;
    if (a->inner.identified != NULL) {
        a->inner.identified(a->inner.context, c, identity, v);
    }
}

// What has no authority is not an event.
static void decided(void *context, const host_config *c, uint32_t workload, const grants *decisions) {
    run_audit *a = context;
    for (size_t i = 0; i < grants_count(decisions); i++) {
        const grant_decision *d = grants_at(decisions, i);
        audit_kind kind = d->state == GRANT_REFUSED ? AUDIT_REFUSAL : AUDIT_GRANT;
        if (d->state == GRANT_INERT) {
            continue;
        }
        keep(a, audit_event(a->log, room_for_why(a), kind, audit_text("workload", name_of(c, workload)),
                            audit_slice("what", d->import_name), audit_text("why", d->why),
                            audit_text("limits", d->limits), audit_text("option", d->option)));
    }
    if (a->inner.decided != NULL) {
        a->inner.decided(a->inner.context, c, workload, decisions);
    }
}

static void compiling(void *context, size_t done, size_t total) {
    run_audit *a = context;
    if (a->inner.compiling != NULL) {
        a->inner.compiling(a->inner.context, done, total);
    }
}

// What it decides by, and what stands behind imports, as far as the generation before did not tell the same.
static status tell_memo(run_audit *a, const host_config *c, err *e) {
    auto_buf before;
    buf_init(&before, AUDIT_MEMO_BYTES_MAX);
    if (a->generation != NULL) {
        TRY(generation_remembered(a->generation, &before, e));
    }
    TRY(audit_memo_write(c, a->trust_path, &a->memo, e));
    return audit_memo_tell(a->log, c, buf_slice(&before), buf_slice(&a->memo), e);
}

// All that came before is on the disk before the first instruction of a component runs.
static status starting(void *context, const host_config *c, err *e) {
    run_audit *a = context;
    keep(a, tell_memo(a, c, room_for_why(a)));
    for (uint32_t i = 0; i < c->workload_count; i++) {
        keep(a,
             audit_event(a->log, room_for_why(a), AUDIT_WORKLOAD_START, audit_text("workload", name_of(c, i)),
                         audit_text("component", c->workloads[i].component_path)));
    }
    if (a->failed == STATUS_OK) {
        keep(a, audit_sync(a->log, &a->why));
    }
    if (a->failed != STATUS_OK) {
        return err_set(e, a->failed, "%s", a->why.message);
    }
    return a->inner.starting == NULL ? STATUS_OK : a->inner.starting(a->inner.context, c, e);
}

static void missing(void *context, const host_missing_secret *what) {
    run_audit *a = context;
    keep(a, audit_event(a->log, room_for_why(a), AUDIT_REFUSAL, audit_text("workload", what->workload),
                        audit_text("what", "secret"), audit_text("name", what->name),
                        audit_text("link", what->link == NULL ? "" : what->link->name),
                        audit_text("why", what->why)));
    if (a->inner.missing != NULL) {
        a->inner.missing(a->inner.context, what);
    }
}

static void listening(void *context, const int *fds, size_t count) {
    run_audit *a = context;
    if (a->generation != NULL) {
        generation_remember(a->generation, buf_slice(&a->memo));
    }
    if (a->inner.listening != NULL) {
        a->inner.listening(a->inner.context, fds, count);
    }
}

static void serving(void *context, const char *url, int workers) {
    run_audit *a = context;
    if (a->inner.serving != NULL) {
        a->inner.serving(a->inner.context, url, workers);
    }
}

host_observer run_audit_observer(run_audit *a, const host_observer *inner) {
    a->inner = *inner;
    if (a->log == NULL) {
        return *inner;
    }
    return (host_observer){.context = a,
                           .vetted = vetted,
                           .identified = identified,
                           .decided = decided,
                           .compiling = compiling,
                           .starting = starting,
                           .listening = listening,
                           .serving = serving,
                           .missing = missing,
                           .monitor = inner->monitor,
                           .secrets = inner->secrets,
                           .audit = a->log};
}

// --- beginning and end ------------------------------------------------------------------------------------

static status begin(run_audit *a, const char *path, const host_config *c, err *e) {
    bool made;
    TRY(cli_key_load_or_make(CLI_AUDIT_KEY, NKEY_SERVER, NULL, &a->key, &made, e));
    // Lines are synced together before anything runs.
    audit_options o = {.path = path, .key = a->key, .by = "host", .sync_every = AUDIT_SYNC_NEVER};
    (void)signal(SIGXFSZ, SIG_IGN);
    TRY(audit_open(&o, &a->log, e));
    return audit_event(a->log, e, AUDIT_HOST_START, audit_text("version", WRIT_VERSION),
                       audit_number("process", getpid()), audit_number("user", geteuid()),
                       audit_number("workloads", (int64_t)c->workload_count));
}

static void release(run_audit *a) {
    audit_close(a->log);
    nkey_free(a->key);
    mem_free(a->trust_path);
    buf_done(&a->memo);
    a->trust_path = NULL;
    a->log = NULL;
    a->key = NULL;
}

status run_audit_open(run_audit *a, const char *path, const host_config *c, generation *g, err *e) {
    *a = (run_audit){.generation = g};
    buf_init(&a->memo, AUDIT_MEMO_BYTES_MAX);
    if (path == NULL) {
        return STATUS_OK;
    }
    status s = begin(a, path, c, e);
    if (s != STATUS_OK) {
        release(a);
    }
    return s;
}

static status tell_end(run_audit *a, status ran, int exit_code, const char *message, err *e) {
    if (ran == STATUS_DENIED) {
        TRY(audit_event(a->log, e, AUDIT_REFUSAL, audit_text("what", "start"), audit_text("why", message)));
    }
    TRY(audit_event(a->log, e, AUDIT_HOST_END,
                    audit_text("result", ran == STATUS_OK ? "ok" : status_name(ran)),
                    audit_number("exit", exit_code), audit_text("message", ran == STATUS_OK ? "" : message)));
    return audit_sync(a->log, e);
}

status run_audit_close(run_audit *a, status ran, int exit_code, err *e) {
    err why = {0};
    if (a->log == NULL) {
        return ran;
    }
    status told = a->failed == STATUS_OK ? tell_end(a, ran, exit_code, e->message, &why) : a->failed;
    release(a);
    return ran != STATUS_OK || told == STATUS_OK ? ran : err_set(e, told, "%s", why.message);
}
