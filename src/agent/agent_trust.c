// SPDX-License-Identifier: Apache-2.0
#include "agent/agent_internal.h"
#include "lattice/cluster_file.h"
#include "os/clock.h"

enum { TOKEN_LIFE_S = 30 * 24 * 3600, RENEWAL_S = 24 * 3600 };

static void on_refused(void *arg, const lattice_refused_event *event) {
    agent *a = arg;
    const char *why = lattice_refused_name(event->why);
    logger_event(a->logger, LOG_WARN, "refused",
                 LOG_FIELDS(LOG_TEXT("why", slice_from_text(why)), LOG_TEXT("who", event->who),
                            LOG_NUMBER("untold", event->untold)),
                 "refused: %s", event->text);
    host_audit_tell(a->audit, AUDIT_REFUSAL,
                    AUDIT_FIELDS(audit_text("what", "lattice"), audit_text("why", why),
                                 audit_slice("who", event->who), audit_text("reason", event->text),
                                 audit_number("untold", (int64_t)event->untold)));
}

// What was changed over the lattice, and by whom.
static void record_request(agent *a, slice command, const roles_answer *who) {
    nkey_text user = {0};
    if (who->is_signed) {
        user = nkey_public_text(&who->user);
    }
    host_audit_tell(a->audit, AUDIT_SETTINGS_CHANGE,
                    AUDIT_FIELDS(audit_text("what", "control"), audit_slice("command", command),
                                 audit_text("who", who->is_signed ? user.text : "everybody"),
                                 audit_text("role", role_name(who->what))));
}

status agent_permit(void *context, const bus_message *m, slice command, err *e) {
    agent *a = context;
    roles_answer who = {0};
    lattice_refused why;
    role needed = role_needed(command);
    status s = roles_check(a->roles, m, needed, agent_wall_ms(), &who, &why, e);
    if (s != STATUS_OK) {
        nkey_text user = {0};
        if (who.is_signed) {
            user = nkey_public_text(&who.user);
        }
        lattice_refuse(&a->refusals, why, slice_from_text(user.text), e->message, loop_now_ns(a->loop));
    }
    if (s == STATUS_OK && needed > ROLE_READ) {
        record_request(a, command, &who);
    }
    return s;
}

// --- whom it believes --------------------------------------------------------------------------------------

static status believe(agent *a, const cluster_file *f, err *e) {
    const agent_options *o = a->options;
    cluster_clear(a->cluster);
    roles_clear(a->roles, f->everybody > o->everybody ? f->everybody : o->everybody);
    TRY(cluster_file_apply(f, a->cluster, a->roles, e));
    if (o->cluster_issuers != NULL) {
        TRY(cluster_trust_text(a->cluster, slice_from_text(o->cluster_issuers), e));
    }
    if (o->cluster_key != NULL) {
        const nkey_public issuer = nkey_public_of(o->cluster_key);
        TRY(cluster_trust(a->cluster, &issuer, UINT64_MAX, e));
    }
    for (size_t i = 0; i < o->user_count; i++) {
        TRY(roles_put(a->roles, &o->users[i].key, o->users[i].what, e));
    }
    return STATUS_OK;
}

static status load(agent *a, err *e) {
    cluster_file f = {0};
    if (a->options->lattice_file != NULL) {
        TRY(cluster_file_load(a->options->lattice_file, &f, e));
    }
    status s = believe(a, &f, e);
    cluster_file_done(&f);
    return s;
}

void agent_trust_reload(agent *a) {
    err e = {0};
    status s = load(a, &e);
    if (s != STATUS_OK) {
        agent_log(a, LOG_ERROR, "trust", "whom this host believes was not read again: %s", e.message);
        return;
    }
    if (a->sealed != NULL) { // sessions of who is not believed any more end
        sessions_tick(sealed_sessions(a->sealed), sealed_now(a->sealed));
    }
    host_audit_tell(a->audit, AUDIT_TRUST_CHANGE,
                    AUDIT_FIELDS(audit_text("what", "lattice"),
                                 audit_number("issuers", (int64_t)cluster_issuer_count(a->cluster)),
                                 audit_number("users", (int64_t)roles_count(a->roles))));
    agent_log(a, LOG_INFO, "trust", "believes hosts of %zu cluster keys, and knows %zu users",
              cluster_issuer_count(a->cluster), roles_count(a->roles));
}

// --- what it shows -----------------------------------------------------------------------------------------

// A host that has the cluster's key admits itself.
static status make_token(agent *a, err *e) {
    const agent_options *o = a->options;
    const cluster_admission admission = {.host = a->public_key,
                                         .name = slice_from_text(o->friendly_name),
                                         .lattice = slice_from_text(o->lattice),
                                         .now_s = clock_wall_now().seconds,
                                         .lifetime_s = TOKEN_LIFE_S};
    buf_clear(&a->token);
    if (o->token.len > 0) {
        return buf_append(&a->token, o->token) == STATUS_OK
                   ? STATUS_OK
                   : err_set(e, STATUS_LIMIT, "the token of this host is too long");
    }
    return cluster_admit(o->cluster_key, &admission, &a->token, e);
}

static status renew(agent *a, err *e) {
    TRY(make_token(a, e));
    TRY(sessions_set_token(sealed_sessions(a->sealed), buf_slice(&a->token), sealed_now(a->sealed), e));
    presence_set_token(a->presence, buf_slice(&a->token));
    return STATUS_OK;
}

static void on_renewal(void *arg) {
    agent *a = arg;
    err e = {0};
    if (renew(a, &e) != STATUS_OK) {
        agent_log(a, LOG_ERROR, "trust", "the token of this host was not renewed: %s", e.message);
    }
    loop_timer_start_in(&a->renewal, RENEWAL_S * UINT64_C(1000000000));
}

void agent_trust_serve(agent *a) {
    loop_timer_init(&a->renewal, a->loop, on_renewal, a);
    if (a->options->token.len == 0) {
        loop_timer_start_in(&a->renewal, RENEWAL_S * UINT64_C(1000000000));
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

status agent_trust_start(agent *a, err *e) {
    a->refusals = (lattice_refusals){.tell = on_refused, .arg = a};
    a->cluster = cluster_new();
    a->roles = roles_new(a->options->everybody);
    buf_init(&a->token, CLUSTER_TOKEN_BYTES_MAX);
    TRY(host_audit_new(a->options->audit, a->loop, a->logger, &a->audit, e));
    TRY(load(a, e));
    return make_token(a, e);
}

void agent_trust_end(agent *a) {
    loop_timer_stop(&a->renewal);
    host_audit_free(a->audit);
    cluster_free(a->cluster);
    roles_free(a->roles);
    buf_done(&a->token);
}
