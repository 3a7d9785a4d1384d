// SPDX-License-Identifier: Apache-2.0
// Names, validity in time, and the chain of who vouches for whom.
#include "identity/token.h"

#include "codec/date.h"

const char *token_kind_name(token_kind kind) {
    static const char *const names[] = {
        [TOKEN_COMPONENT] = "component",     [TOKEN_PROVIDER] = "provider", [TOKEN_ACCOUNT] = "account",
        [TOKEN_OPERATOR] = "operator",       [TOKEN_CLUSTER] = "cluster",   [TOKEN_HOST] = "host",
        [TOKEN_REVOCATIONS] = "revocations",
    };
    return names[kind];
}

bool token_kind_parse(slice name, token_kind *ret) {
    for (int i = 0; i <= TOKEN_REVOCATIONS; i++) {
        if (slice_equal_text(name, token_kind_name((token_kind)i))) {
            *ret = (token_kind)i;
            return true;
        }
    }
    return false;
}

status token_check_time(const token_claims *c, uint64_t now_s, const char *clock_name, refusal *ret_why,
                        err *e) {
    char limit[DATE_TEXT_BYTES], now[DATE_TEXT_BYTES];
    date_text(now_s, now);
    *ret_why = REFUSAL_NONE;
    if (c->has_not_before && now_s < c->not_before_s) {
        *ret_why = REFUSAL_NOT_YET_VALID;
        return err_set(e, STATUS_DENIED, "the token is not valid before %s; %s says %s",
                       date_text(c->not_before_s, limit), clock_name, now);
    }
    if (c->has_expiry && now_s >= c->expires_at_s) {
        *ret_why = REFUSAL_EXPIRED;
        return err_set(e, STATUS_DENIED, "the token expired at %s; %s says %s",
                       date_text(c->expires_at_s, limit), clock_name, now);
    }
    return STATUS_OK;
}

// --- the chain ---------------------------------------------------------------------------------------------

// What `link` must be to vouch for the issuer of `of`.
static status judge_link(const token_claims *of, const token_claims *link, refusal *ret_why, err *e) {
    *ret_why = REFUSAL_WRONG_ISSUER;
    // A list of revocations speaks of itself, but somebody else may vouch for its issuer.
    if (of->kind != TOKEN_REVOCATIONS && nkey_public_equal(&of->issuer, &of->subject)) {
        return err_set(e, STATUS_DENIED,
                       "the one before it was issued by its own subject %s and ends the chain",
                       nkey_public_text(&of->subject).text);
    }
    if (!nkey_public_equal(&link->subject, &of->issuer)) {
        return err_set(e, STATUS_DENIED, "its subject is %s, and the issuer of the one before it is %s",
                       nkey_public_text(&link->subject).text, nkey_public_text(&of->issuer).text);
    }
    if (link->kind == TOKEN_REVOCATIONS) {
        *ret_why = REFUSAL_MALFORMED;
        return err_set(e, STATUS_INVALID, "a list of revocations vouches for nobody");
    }
    *ret_why = REFUSAL_NONE;
    return STATUS_OK;
}

static status read_link(const token_claims *of, slice text, arena *memory, token_claims *ret,
                        refusal *ret_why, err *e) {
    TRY(token_read(text, memory, ret, ret_why, e));
    return judge_link(of, ret, ret_why, e);
}

status token_read_chain(const token_claims *c, arena *memory, token_claims ret[TOKEN_CHAIN_MAX],
                        size_t *ret_count, refusal *ret_why, err *e) {
    const token_claims *of = c;
    size_t count = c->chain.count;
    *ret_why = REFUSAL_MALFORMED;
    if (count > TOKEN_CHAIN_MAX) {
        return err_set(e, STATUS_INVALID, "the chain has more than %d tokens", TOKEN_CHAIN_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        status s = read_link(of, c->chain.at[i], memory, &ret[i], ret_why, e);
        if (s != STATUS_OK) {
            err_wrap(e, "token %zu of the chain", i + 1);
            return s;
        }
        of = &ret[i];
    }
    *ret_count = count;
    *ret_why = REFUSAL_NONE;
    return STATUS_OK;
}
