// SPDX-License-Identifier: Apache-2.0
#include "lattice/cluster.h"

#include "base/arena.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "identity/token.h"

// Tokens that were verified, by the hash of the lattice and the token: what is signed stays signed. Time and
// lists are looked at each time. A place is given to whoever comes last; a power of two.
enum { VERIFIED_MAX = 1 << 14 };

static const char LATTICE_LABEL[] = "lattice";

typedef struct issuer {
    nkey_public key;
    uint64_t until_s;
} issuer;

typedef struct revoked {
    nkey_public subject;
    uint64_t before_s;
} revoked;

typedef struct verified {
    uint8_t hash[HASH_BYTES]; // zeros: free
    cluster_member member;
} verified;

struct cluster {
    issuer issuers[CLUSTER_ISSUERS_MAX];
    size_t issuer_count;
    revoked *revocations;
    size_t revocation_count;
    uint64_t version;
    verified *tokens; // VERIFIED_MAX
};

cluster *cluster_new(void) {
    cluster *c = MEM_NEW(cluster);
    c->tokens = mem_calloc(VERIFIED_MAX, sizeof *c->tokens);
    return c;
}

void cluster_free(cluster *c) {
    if (c != NULL) {
        mem_free(c->revocations);
        mem_free(c->tokens);
        mem_free(c);
    }
}

// --- lists -------------------------------------------------------------------------------------------------

static size_t issuer_index(const cluster *c, const nkey_public *key) { // issuer_count: there is none
    size_t i = 0;
    while (i < c->issuer_count && !nkey_public_equal(&c->issuers[i].key, key)) {
        i++;
    }
    return i;
}

void cluster_clear(cluster *c) {
    c->issuer_count = c->revocation_count = 0;
    c->version++;
}

status cluster_trust(cluster *c, const nkey_public *key, uint64_t until_s, err *e) {
    if (key->kind != NKEY_CLUSTER) {
        return err_set(e, STATUS_INVALID,
                       "hosts are admitted by a cluster key, which begins with C; %s is a key of kind %s",
                       nkey_public_text(key).text, nkey_kind_name(key->kind));
    }
    size_t at = issuer_index(c, key);
    if (at == CLUSTER_ISSUERS_MAX) {
        return err_set(e, STATUS_LIMIT, "a lattice trusts at most %d cluster keys", CLUSTER_ISSUERS_MAX);
    }
    c->issuers[at] = (issuer){*key, until_s};
    c->issuer_count += at == c->issuer_count;
    c->version++;
    return STATUS_OK;
}

status cluster_trust_text(cluster *c, slice keys, err *e) {
    for (size_t at = 0; at <= keys.len;) {
        size_t comma = slice_find(keys, at, ',');
        slice text = slice_trimmed(slice_sub(keys, at, comma));
        nkey_public key;
        at = comma == SIZE_MAX ? keys.len + 1 : comma + 1;
        if (text.len == 0) {
            continue;
        }
        status s = nkey_public_parse(text, &key, e);
        if (s != STATUS_OK) {
            err_wrap(e, "the list of cluster issuers");
            return s;
        }
        TRY(cluster_trust(c, &key, UINT64_MAX, e));
    }
    return STATUS_OK;
}

status cluster_revoke(cluster *c, const nkey_public *subject, uint64_t before_s, err *e) {
    if (subject->kind != NKEY_SERVER && subject->kind != NKEY_CLUSTER) {
        return err_set(e, STATUS_INVALID,
                       "hosts (N) and cluster keys (C) can be revoked here; %s is a key of kind %s",
                       nkey_public_text(subject).text, nkey_kind_name(subject->kind));
    }
    if (c->revocation_count == CLUSTER_REVOKED_MAX) {
        return err_set(e, STATUS_LIMIT, "at most %d revoked keys are kept", CLUSTER_REVOKED_MAX);
    }
    c->revocations = mem_resize(c->revocations, (c->revocation_count + 1) * sizeof *c->revocations);
    c->revocations[c->revocation_count++] = (revoked){*subject, before_s};
    c->version++;
    return STATUS_OK;
}

uint64_t cluster_version(const cluster *c) { return c->version; }
size_t cluster_issuer_count(const cluster *c) { return c->issuer_count; }
const nkey_public *cluster_issuer_at(const cluster *c, size_t index) { return &c->issuers[index].key; }

// --- deciding ----------------------------------------------------------------------------------------------

static bool is_revoked(const cluster *c, const cluster_member *m) {
    for (size_t i = 0; i < c->revocation_count; i++) {
        const revoked *r = &c->revocations[i];
        if (m->issued_at_s < r->before_s &&
            (nkey_public_equal(&r->subject, &m->host) || nkey_public_equal(&r->subject, &m->issuer))) {
            return true;
        }
    }
    return false;
}

status cluster_check_again(const cluster *c, const cluster_member *m, uint64_t now_s,
                           lattice_refused *ret_why, err *e) {
    const nkey_text text = nkey_public_text(&m->host);
    const char *host = text.text;
    size_t by = issuer_index(c, &m->issuer);
    if (by == c->issuer_count) {
        *ret_why = LATTICE_REFUSED_UNKNOWN_ISSUER;
        return err_set(e, STATUS_DENIED, "host %s was admitted by %s, which is no cluster key that we trust",
                       host, nkey_public_text(&m->issuer).text);
    }
    if (now_s >= m->expires_at_s || now_s >= c->issuers[by].until_s) {
        *ret_why = LATTICE_REFUSED_EXPIRED;
        return err_set(e, STATUS_DENIED, "the admission of host %s has ended%s", host,
                       now_s >= m->expires_at_s ? "" : " with the trust in its cluster key");
    }
    if (m->issued_at_s > now_s + CLUSTER_CLOCK_SKEW_S) {
        *ret_why = LATTICE_REFUSED_CLOCK;
        return err_set(e, STATUS_DENIED,
                       "host %s was admitted %llu s from now: clocks may be %d s apart at most", host,
                       (unsigned long long)(m->issued_at_s - now_s), CLUSTER_CLOCK_SKEW_S);
    }
    if (is_revoked(c, m)) {
        *ret_why = LATTICE_REFUSED_REVOKED;
        return err_set(e, STATUS_DENIED, "host %s, or the cluster key that admitted it, is revoked", host);
    }
    return STATUS_OK;
}

static bool is_for_lattice(const token_claims *claims, slice lattice) {
    for (size_t i = 0; i < claims->labels.count; i++) {
        if (slice_equal_text(claims->labels.at[i].name, LATTICE_LABEL)) {
            return slice_equal(claims->labels.at[i].value, lattice);
        }
    }
    return false;
}

static status judge_claims(const token_claims *claims, slice lattice, lattice_refused *ret_why, err *e) {
    *ret_why = LATTICE_REFUSED_MALFORMED;
    if (claims->kind != TOKEN_HOST || claims->subject.kind != NKEY_SERVER ||
        claims->issuer.kind != NKEY_CLUSTER) {
        return err_set(e, STATUS_DENIED,
                       "the token of a host is one of a server key (N), signed by a cluster key (C)");
    }
    if (!claims->has_expiry || claims->expires_at_s < claims->issued_at_s ||
        claims->expires_at_s - claims->issued_at_s > CLUSTER_LIFETIME_S_MAX) {
        return err_set(e, STATUS_DENIED, "the token of a host ends, at most a year after it was made");
    }
    if (!is_for_lattice(claims, lattice)) {
        *ret_why = LATTICE_REFUSED_NOT_FOR_US;
        return err_set(e, STATUS_DENIED, "the token of the host is for another lattice than \"%.*s\"",
                       SLICE_ARG(lattice));
    }
    return STATUS_OK;
}

static status verify(slice token, slice lattice, cluster_member *ret, lattice_refused *ret_why, err *e) {
    auto_arena memory = {0};
    token_claims claims;
    refusal why = REFUSAL_NONE;
    arena_init(&memory, TOKEN_ARENA_BYTES);
    *ret_why = LATTICE_REFUSED_MALFORMED;
    if (token.len > CLUSTER_TOKEN_BYTES_MAX) {
        return err_set(e, STATUS_DENIED, "the token of a host has at most %d bytes", CLUSTER_TOKEN_BYTES_MAX);
    }
    if (token_read(token, &memory, &claims, &why, e) != STATUS_OK) {
        *ret_why = why == REFUSAL_BAD_SIGNATURE ? LATTICE_REFUSED_BAD_SIGNATURE : LATTICE_REFUSED_MALFORMED;
        err_wrap(e, "the token of the host");
        return STATUS_DENIED;
    }
    TRY(judge_claims(&claims, lattice, ret_why, e));
    // A beginning that the token states counts like its date.
    uint64_t from_s = claims.has_not_before && claims.not_before_s > claims.issued_at_s ? claims.not_before_s
                                                                                        : claims.issued_at_s;
    *ret = (cluster_member){claims.subject, claims.issuer, from_s, claims.expires_at_s};
    return STATUS_OK;
}

status cluster_check(cluster *c, slice token, slice lattice, uint64_t now_s, cluster_member *ret,
                     lattice_refused *ret_why, err *e) {
    uint8_t hash[HASH_BYTES];
    const slice parts[] = {lattice, SLICE_LITERAL("\n"), token};
    cluster_member m;
    hash_sha256(parts, 3, hash);
    verified *place = &c->tokens[(hash[0] | hash[1] << 8) & (VERIFIED_MAX - 1)];
    if (memcmp(place->hash, hash, HASH_BYTES) == 0) {
        m = place->member;
    } else {
        TRY(verify(token, lattice, &m, ret_why, e));
        // Only of issuers that are known: others must not push out what is.
        if (issuer_index(c, &m.issuer) < c->issuer_count) {
            memcpy(place->hash, hash, HASH_BYTES);
            place->member = m;
        }
    }
    TRY(cluster_check_again(c, &m, now_s, ret_why, e));
    *ret = m;
    return STATUS_OK;
}

// --- admitting ---------------------------------------------------------------------------------------------

status cluster_lattice_check(slice lattice, err *e) {
    bool is_good = lattice.len > 0 && lattice.len <= CLUSTER_LATTICE_BYTES_MAX;
    for (size_t i = 0; i < lattice.len && is_good; i++) {
        uint8_t b = lattice.data[i];
        is_good = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '_' ||
                  b == '-';
    }
    return is_good ? STATUS_OK
                   : err_set(e, STATUS_INVALID,
                             "the name of a lattice has 1 to %d letters, digits, \"_\" and \"-\"",
                             CLUSTER_LATTICE_BYTES_MAX);
}

status cluster_admit(const nkey *key, const cluster_admission *a, buf *ret, err *e) {
    const nkey_public issuer_key = nkey_public_of(key);
    if (issuer_key.kind != NKEY_CLUSTER || a->host.kind != NKEY_SERVER) {
        return err_set(e, STATUS_INVALID, "a cluster key (C) admits a host (N); these are of kind %s and %s",
                       nkey_kind_name(issuer_key.kind), nkey_kind_name(a->host.kind));
    }
    if (a->lifetime_s == 0 || a->lifetime_s > CLUSTER_LIFETIME_S_MAX) {
        return err_set(e, STATUS_INVALID, "a host is admitted for at least a second and at most 366 days");
    }
    TRY(cluster_lattice_check(a->lattice, e));
    const token_pair label = {SLICE_LITERAL(LATTICE_LABEL), a->lattice};
    const token_claims claims = {
        .kind = TOKEN_HOST,
        .subject = a->host,
        .issued_at_s = a->now_s,
        .has_expiry = true,
        .expires_at_s = a->now_s + a->lifetime_s,
        .name = a->name,
        .labels = {1, &label},
    };
    size_t before = ret->len;
    TRY(token_write(&claims, key, ret, e));
    if (ret->len - before > CLUSTER_TOKEN_BYTES_MAX) {
        ret->len = before;
        return err_set(e, STATUS_INVALID, "the name of the host is too long");
    }
    return STATUS_OK;
}
