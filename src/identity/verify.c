// SPDX-License-Identifier: Apache-2.0
// All checks that can run do run, so that what is known can be shown; the first that failed, in the order of
// refusal.h, is the reason.
//
// Not taken over from 1.x: it forgives a wrong hash when the token's wascap_revision is below 3. The revision
// is the signer's word and says nothing about the bytes, so a wrong hash is refused whatever it is.
#include "identity/verify.h"

#include <stdio.h>

enum { VERIFY_ARENA_BYTES_MAX = 64 << 20 };

static const char clock_name[] = "this host's clock";

// Keeps the first failure.
static void refuse(verification *v, refusal why, const err *e) {
    if (v->reason == REFUSAL_NONE) {
        v->reason = why;
        v->error = *e;
    }
}

#define REFUSE(v, why, code, ...)               \
    do {                                        \
        err sentence_ = {0};                    \
        err_set(&sentence_, code, __VA_ARGS__); \
        refuse(v, why, &sentence_);             \
    } while (0)

// --- the token and the bytes -------------------------------------------------------------------------------

static void check_form(const verify_input *input, verification *v) {
    const envelope *env = &v->envelope;
    if (!env->has_token && !env->has_stray_token && input->detached_token.len == 0) {
        REFUSE(v, REFUSAL_UNSIGNED, STATUS_DENIED, "the component is not signed; sign it with writ sign");
    } else if (!env->is_canonical) {
        REFUSE(v, REFUSAL_MALFORMED, STATUS_INVALID,
               "the component is not in the form that a signature covers: %s; sign it again with writ sign, "
               "which writes that form",
               env->why_not);
    } else if (env->has_token && input->detached_token.len > 0 &&
               !slice_equal(env->token, input->detached_token)) {
        REFUSE(v, REFUSAL_MALFORMED, STATUS_INVALID,
               "the token beside the component is another than the one inside; leave one of them out");
    }
}

static void read_token(const verify_input *input, verification *v) {
    slice text = input->detached_token.len > 0 ? input->detached_token : v->envelope.token;
    if (text.len == 0 && !v->envelope.has_token) {
        return; // check_form said so
    }
    refusal why = REFUSAL_MALFORMED;
    err e = {0};
    if (token_read(text, &v->memory, &v->claims, &why, &e) != STATUS_OK) {
        err_wrap(&e, "the component's token");
        refuse(v, why, &e);
        return;
    }
    v->has_token = true;
    if (v->claims.kind != TOKEN_COMPONENT) {
        REFUSE(v, REFUSAL_WRONG_KEY_TYPE, STATUS_DENIED,
               "the component carries a token of kind %s, not one of a component; sign it with writ sign",
               token_kind_name(v->claims.kind));
    }
}

static void check_hash(verification *v) {
    if (v->claims.has_hash && hash_equal(v->claims.hash, v->envelope.hash)) {
        return;
    }
    char signed_hash[HASH_HEX_BYTES], found[HASH_HEX_BYTES];
    envelope_hash_text(v->claims.hash, signed_hash);
    envelope_hash_text(v->envelope.hash, found);
    REFUSE(v, REFUSAL_HASH_MISMATCH, STATUS_DENIED,
           "the token was made for other bytes: it names the hash %.16s..., the component has %.16s...; get "
           "the component again from its maker, or have it signed again",
           v->claims.has_hash ? signed_hash : "(none)", found);
}

// --- time, chain, trust ------------------------------------------------------------------------------------

static void check_time(verification *v, const token_claims *c, const char *whose, uint64_t now_s) {
    refusal why = REFUSAL_MALFORMED;
    err e = {0};
    if (token_check_time(c, now_s, clock_name, &why, &e) != STATUS_OK) {
        err_wrap(&e, "%s", whose);
        refuse(v, why, &e);
    }
}

static void read_chain(verification *v, uint64_t now_s) {
    refusal why = REFUSAL_MALFORMED;
    err e = {0};
    if (token_read_chain(&v->claims, &v->memory, v->chain, &v->chain_count, &why, &e) != STATUS_OK) {
        err_wrap(&e, "the tokens that vouch for its issuer");
        refuse(v, why, &e);
        return;
    }
    for (size_t i = 0; i < v->chain_count; i++) {
        char whose[80];
        snprintf(whose, sizeof whose, "the token of its issuing %s", token_kind_name(v->chain[i].kind));
        check_time(v, &v->chain[i], whose, now_s);
    }
}

static void decide_trust(const verify_input *input, verification *v) {
    if (v->reason != REFUSAL_NONE || input->trust == NULL) {
        return;
    }
    trust_question q = {&v->claims, v->chain, v->chain_count, input->now_s};
    trust_answer answer = {0};
    refusal why = REFUSAL_UNKNOWN_ISSUER;
    err e = {0};
    if (trust_decide(input->trust, &q, &v->memory, &answer, &why, &e) == STATUS_OK) {
        v->trust = answer;
    } else {
        refuse(v, why, &e);
    }
}

void verify_component(const verify_input *input, verification *ret) {
    *ret = (verification){0};
    arena_init(&ret->memory, VERIFY_ARENA_BYTES_MAX);
    err e = {0};
    if (envelope_read(input->bytes, &ret->envelope, &e) != STATUS_OK) {
        refuse(ret, REFUSAL_MALFORMED, &e);
        return;
    }
    check_form(input, ret);
    read_token(input, ret);
    if (!ret->has_token) {
        return;
    }
    check_hash(ret);
    check_time(ret, &ret->claims, "the component's token", input->now_s);
    read_chain(ret, input->now_s);
    decide_trust(input, ret);
}

void verification_done(verification *v) {
    arena_done(&v->memory);
    *v = (verification){0};
}

// --- imports -----------------------------------------------------------------------------------------------

static status not_allowed(slice interface, const semver *version, const char *who, const char *what_to_do,
                          err *e) {
    char text[96] = "";
    if (version != NULL) {
        snprintf(text, sizeof text, "@%u.%u.%u%s%.*s", version->major, version->minor, version->patch,
                 version->pre.len > 0 ? "-" : "", SLICE_ARG(slice_sub(version->pre, 0, 48)));
    }
    return err_set(e, STATUS_DENIED, "%.*s%s: %s does not allow it; %s", SLICE_ARG(interface), text, who,
                   what_to_do);
}

status verification_check_import(const verification *v, slice interface, const semver *version, err *e) {
    if (v->reason != REFUSAL_NONE) {
        return err_set(e, STATUS_DENIED, "%.*s: nothing is allowed to a component that is not believed: %s",
                       SLICE_ARG(interface), v->error.message);
    }
    if (v->claims.has_allowance && !allowance_covers(&v->claims.allow, interface, version)) {
        return not_allowed(interface, version, "the component's writ",
                           "its maker can sign it again with writ sign --cap", e);
    }
    if (v->trust.has_allowance && !allowance_covers(&v->trust.allow, interface, version)) {
        return not_allowed(interface, version, "this host's trust in the issuer",
                           "see writ trust list and writ trust add --cap", e);
    }
    return STATUS_OK;
}
