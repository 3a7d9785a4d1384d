// SPDX-License-Identifier: Apache-2.0
#include "cli/validity.h"

#include "cli/options.h"
#include "os/clock.h"

status cli_validity_check(const cli_validity *v, err *e) {
    token_claims scratch = {0};
    return cli_validity_fill(v, clock_wall_now().seconds, &scratch, e);
}

static status fill_end(const cli_validity *v, uint64_t now_s, token_claims *c, err *e) {
    if (v->until != NULL) {
        TRY(cli_parse_date_or_span(v->until, now_s, &c->expires_at_s, e));
    } else {
        uint64_t span_s, from_s = v->not_before != NULL ? c->not_before_s : now_s;
        TRY(cli_parse_span(v->lasts_for, &span_s, e));
        TRY(cli_parse_date_or_span(v->lasts_for, from_s, &c->expires_at_s, e)); // knows how far dates go
    }
    c->has_expiry = true;
    return STATUS_OK;
}

status cli_validity_fill(const cli_validity *v, uint64_t now_s, token_claims *c, err *e) {
    if (v->lasts_for != NULL && v->until != NULL) {
        return err_set(e, STATUS_INVALID, "--for and --until exclude each other; choose one");
    }
    if (v->at != NULL) {
        TRY(cli_parse_date_or_span(v->at, now_s, &now_s, e));
    }
    c->issued_at_s = now_s;
    if (v->not_before != NULL) {
        TRY(cli_parse_date_or_span(v->not_before, now_s, &c->not_before_s, e));
        c->has_not_before = true;
    }
    if (v->lasts_for == NULL && v->until == NULL) {
        return STATUS_OK;
    }
    TRY(fill_end(v, now_s, c, e));
    if (c->expires_at_s <= now_s || (c->has_not_before && c->expires_at_s <= c->not_before_s)) {
        return err_set(e, STATUS_INVALID,
                       "it would never be valid: it ends before it begins; choose a later end with --for or "
                       "--until");
    }
    return STATUS_OK;
}
