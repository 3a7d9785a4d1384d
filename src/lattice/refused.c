// SPDX-License-Identifier: Apache-2.0
#include "lattice/refused.h"

static const char *const names[LATTICE_REFUSED_COUNT] = {
    [LATTICE_REFUSED_MALFORMED] = "malformed",
    [LATTICE_REFUSED_VERSION] = "version",
    [LATTICE_REFUSED_NOT_FOR_US] = "not-for-us",
    [LATTICE_REFUSED_UNKNOWN_ISSUER] = "unknown-issuer",
    [LATTICE_REFUSED_EXPIRED] = "expired",
    [LATTICE_REFUSED_REVOKED] = "revoked",
    [LATTICE_REFUSED_BAD_SIGNATURE] = "bad-signature",
    [LATTICE_REFUSED_CLOCK] = "clock",
    [LATTICE_REFUSED_REPLAYED] = "replayed",
    [LATTICE_REFUSED_STOPPED] = "stopped",
    [LATTICE_REFUSED_UNKNOWN_SESSION] = "unknown-session",
    [LATTICE_REFUSED_NOT_SEALED] = "not-sealed",
    [LATTICE_REFUSED_FAKE_REPLY] = "fake-reply",
    [LATTICE_REFUSED_TOO_LARGE] = "too-large",
    [LATTICE_REFUSED_FLOOD] = "flood",
    [LATTICE_REFUSED_UNSIGNED] = "unsigned",
    [LATTICE_REFUSED_ROLE] = "role",
};

const char *lattice_refused_name(lattice_refused why) { return names[why]; }

void lattice_refuse(lattice_refusals *r, lattice_refused why, slice who, const char *text, uint64_t now_ns) {
    if (r == NULL) {
        return;
    }
    r->counts[why]++;
    uint64_t second = now_ns / UINT64_C(1000000000);
    if (r->rate[why].second != second) {
        r->rate[why].second = second;
        r->rate[why].told = 0;
    }
    if (r->tell == NULL || r->rate[why].told >= LATTICE_REFUSED_TOLD_MAX) {
        r->rate[why].untold++;
        return;
    }
    const lattice_refused_event event = {why, who, text, r->rate[why].untold};
    r->rate[why].told++;
    r->rate[why].untold = 0;
    r->tell(r->arg, &event);
}
