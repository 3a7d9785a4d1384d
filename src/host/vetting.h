// SPDX-License-Identifier: Apache-2.0
// May this component run here at all? Its writ is verified against this host's settings and trust store
// before anything else looks at its bytes.
//
//   believed                                 runs
//   unsigned, or by an issuer that nobody    refused (exit 3); with --unsigned it runs, loudly, unless the
//   here trusts for it                       host is locked
//   a token that is wrong: other bytes,      refused, with --unsigned too: what was tampered with or
//   bad signature, expired, revoked ...      withdrawn never runs because nobody looked
//
// Settings or a trust store that cannot be read refuse everything, --unsigned included. The answer holds for
// the whole run: the bytes are read once, and workers get those very bytes. A token that expires while its
// component runs is announced (host/expiry.h) and stops the next start, not this one.
#pragma once

#include "base/buf.h"
#include "host/config.h"
#include "host/grants.h"
#include "host/settings.h"
#include "identity/verify.h"

typedef struct vetting {
    host_settings settings;
    trust_store *trust;
    const char *trust_path; // of the store that holds; NULL = none, nobody is believed
    err host_error;         // settings, store or token file could not be used: nothing may run
    verification found;
    bool allows_unsigned; // asked for and possible; decided by vetting_check
    buf token;            // detached
    nkey_text issuer;     // of the token
} vetting;

// Fills everything that can be found out and never fails; what went wrong with this host stands in
// `host_error`. The bytes need not outlive the call. `host` must.
void vetting_examine(const host_config *host, const workload_config *config, slice bytes, uint64_t now_s,
                     vetting *ret);
void vetting_done(vetting *v); // accepts a zeroed one

// Whether it may run under this configuration (with or without --unsigned). STATUS_DENIED with the commands
// that lead on; STATUS_INVALID when the bytes are no component; the code of `host_error`.
status vetting_check(vetting *v, const host_config *host, const workload_config *config,
                     err *e) WRIT_MUST_USE;

// The bytes are not even a sequence of sections: whoever decodes them can say what they are instead.
static inline bool vetting_is_no_component(const vetting *v) {
    return v->found.reason == REFUSAL_MALFORMED && !v->found.envelope.is_canonical &&
           v->found.envelope.why_not[0] == '\0';
}
// It is what its token says, and this host trusts who signed it.
static inline bool vetting_is_signed(const vetting *v) {
    return v->host_error.code == STATUS_OK && v->found.reason == REFUSAL_NONE;
}
// Its token, when there is one whose signature is good, believed or not; else NULL.
static inline const token_claims *vetting_claims(const vetting *v) {
    return v->found.has_token ? &v->found.claims : NULL;
}
// What it allows, for the gate: fills `*ret` and returns it, or NULL when there is no token with a good
// signature. A token that is not believed still narrows. `*ret` borrows from `v`.
const grants_writ *vetting_writ(const vetting *v, grants_writ *ret);
// The earliest end among its token, the tokens of the chain, and the trust in its issuer.
bool vetting_expiry(const vetting *v, uint64_t *ret_s);
