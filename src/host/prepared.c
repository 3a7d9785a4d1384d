// SPDX-License-Identifier: Apache-2.0
#include "host/prepared.h"

#include "base/mem.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/memory_file.h"

// Not silent anywhere: whoever reads the log later must see it too.
static void report_vetting(const prepared_workload *p, const vetting *v) {
    const token_claims *c = vetting_claims(v);
    if (!vetting_is_signed(v)) {
        slice reason = slice_from_text(refusal_name(v->found.reason));
        logger_event(p->logger, LOG_WARN, "unsigned", LOG_FIELDS(LOG_TEXT("reason", reason)),
                     "UNSIGNED: nobody whom this host trusts vouches for %s (%s); it runs because of "
                     "--unsigned",
                     p->config->component_path, refusal_name(v->found.reason));
        return;
    }
    nkey_text issuer = nkey_public_text(&c->issuer), subject = nkey_public_text(&c->subject);
    logger_event(p->logger, LOG_VERBOSE, "signed",
                 LOG_FIELDS(LOG_TEXT("issuer", slice_from_text(issuer.text)),
                            LOG_TEXT("subject", slice_from_text(subject.text)),
                            LOG_NUMBER("revision", c->revision)),
                 "signed by %s", issuer.text);
}

static void report_test_mode(const prepared_workload *p) {
    const workload_config *c = p->config;
    if (c->has_test_clock || c->has_test_seed) {
        logger_event(p->logger, LOG_WARN, "test-mode",
                     LOG_FIELDS(LOG_NUMBER("clock", c->has_test_clock), LOG_NUMBER("seed", c->has_test_seed)),
                     "TEST MODE: its %s not real; no key, token or date that it makes is worth anything",
                     !c->has_test_seed    ? "time is"
                     : !c->has_test_clock ? "random bytes are"
                                          : "time and its random bytes are");
    }
}

status prepared_vet(prepared_workload *p, const prepared_context *c, vetting *v, err *e) {
    const char *path = p->config->component_path;
    TRY(host_read_component(path, &p->bytes, e));
    vetting_examine(c->config, p->config, buf_slice(&p->bytes), clock_wall_now().seconds, v);
    if (vetting_is_no_component(v)) {
        TRY(host_decode_component(path, buf_slice(&p->bytes), &p->component, e));
    }
    TRY(vetting_check(v, c->config, p->config, e));
    if (c->observer != NULL && c->observer->vetted != NULL) {
        c->observer->vetted(c->observer->context, c->config, p->number, v);
    }
    report_vetting(p, v);
    report_test_mode(p);
    return STATUS_OK;
}

status prepared_decide(prepared_workload *p, const prepared_context *c, const vetting *v, err *e) {
    grants *g = NULL;
    grants_writ writ;
    TRY(host_decode_component(p->config->component_path, buf_slice(&p->bytes), &p->component, e));
    TRY(workload_kind_of(p->component, p->config, host_config_is_for_one(c->config), &p->kind, e));
    TRY(grants_new(p->component, p->config, vetting_writ(v, &writ), &g, e));
    if (c->observer != NULL && c->observer->decided != NULL) {
        c->observer->decided(c->observer->context, c->config, p->number, g);
    }
    status s = grants_check(g, e);
    grants_free(g);
    return s;
}

status prepared_open(prepared_workload *p, err *e) {
    p->directory_fds = mem_calloc(p->config->directory_count + 1, sizeof *p->directory_fds);
    TRY(workload_open_directories(p->config, p->directory_fds, e));
    p->directories_open = p->config->directory_count;
    return memory_file_from_bytes("writ-component", buf_slice(&p->bytes), &p->component_fd, e);
}

void prepared_drop_component(prepared_workload *p) {
    component_free(p->component);
    p->component = NULL;
    buf_done(&p->bytes);
}

void prepared_done(prepared_workload *p) {
    artifacts_done(&p->artifacts);
    for (size_t i = 0; i < p->directories_open; i++) {
        fd_close(p->directory_fds[i]);
    }
    mem_free(p->directory_fds);
    fd_close(p->component_fd);
    prepared_drop_component(p);
    logger_free(p->logger);
    *p = (prepared_workload){.component_fd = -1};
}
