// SPDX-License-Identifier: Apache-2.0
#include "lattice/roles.h"

#include <stdio.h>

#include "base/mem.h"
#include "bus/nats.h"
#include "codec/base64.h"
#include "crypto/hash.h"
#include "lattice/cluster.h"
#include "lattice/signing.h"
#include "os/random.h"

enum { BUCKETS = 1 << 12, KEY_BYTES = 16, SIGNATURE_TEXT_LEN = 86, TEXT_BYTES_MAX = 1024 };

#define HEADER_USER "Writ-User"
#define HEADER_TIME "Writ-Time"
#define HEADER_NONCE "Writ-Nonce"
#define HEADER_SIGNATURE "Writ-Signature"
#define HEADER_TRACE "traceparent"

static const char *const names[] = {
    [ROLE_NONE] = "none",
    [ROLE_READ] = "read",
    [ROLE_OPERATE] = "operate",
    [ROLE_ADMIN] = "admin",
};

const char *role_name(role r) { return names[r]; }

bool role_parse(slice name, role *ret) {
    for (int i = ROLE_NONE; i <= ROLE_ADMIN; i++) {
        if (slice_equal_text(name, names[i])) {
            *ret = (role)i;
            return true;
        }
    }
    return false;
}

role role_needed(slice operation) {
    static const struct {
        const char *operation; // noun and verb
        role needed;
    } known[] = {
        {"host.ping", ROLE_READ},
        {"host.get", ROLE_READ},
        {"link.get", ROLE_READ},
        {"claims.get", ROLE_READ},
        {"config.get", ROLE_READ},
        {"component.auction", ROLE_READ},
        {"provider.auction", ROLE_READ},
        {"component.scale", ROLE_OPERATE},
        {"component.update", ROLE_OPERATE},
        {"provider.start", ROLE_OPERATE},
        {"provider.stop", ROLE_OPERATE},
        {"link.put", ROLE_OPERATE},
        {"link.del", ROLE_OPERATE},
        {"config.put", ROLE_OPERATE},
        {"config.del", ROLE_OPERATE},
        {"label.put", ROLE_OPERATE},
        {"label.del", ROLE_OPERATE},
        {"host.stop", ROLE_ADMIN},
        {"registry.put", ROLE_ADMIN},
    };
    size_t dot = slice_find(operation, 0, '.');
    size_t end = dot == SIZE_MAX ? SIZE_MAX : slice_find(operation, dot + 1, '.');
    slice what = slice_sub(operation, 0, end);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (slice_equal_text(what, known[i].operation)) {
            return known[i].needed;
        }
    }
    return ROLE_ADMIN;
}

// --- who may -----------------------------------------------------------------------------------------------

typedef struct role_user {
    nkey_public key;
    role what;
} role_user;

// Requests that were taken, in the order in which they came; as long as their time would pass.
typedef struct seen {
    uint8_t key[KEY_BYTES];
    uint64_t until_ms;
    uint32_t next; // plus one; 0: none
} seen;

struct roles {
    role everybody;
    role_user users[ROLES_USERS_MAX];
    size_t user_count;
    seen *ring; // ROLES_NONCES_MAX
    size_t first, count;
    uint32_t buckets[BUCKETS]; // plus one
};

roles *roles_new(role everybody) {
    roles *r = MEM_NEW(roles);
    r->everybody = everybody;
    r->ring = mem_calloc(ROLES_NONCES_MAX, sizeof *r->ring);
    return r;
}

void roles_free(roles *r) {
    if (r != NULL) {
        mem_free(r->ring);
        mem_free(r);
    }
}

void roles_clear(roles *r, role everybody) {
    r->everybody = everybody;
    r->user_count = 0;
}

role roles_everybody(const roles *r) { return r->everybody; }
size_t roles_count(const roles *r) { return r->user_count; }

static role_user *find_user(roles *r, const nkey_public *key) {
    for (size_t i = 0; i < r->user_count; i++) {
        if (nkey_public_equal(&r->users[i].key, key)) {
            return &r->users[i];
        }
    }
    return NULL;
}

status roles_put(roles *r, const nkey_public *key, role what, err *e) {
    role_user *u = find_user(r, key);
    if (key->kind != NKEY_USER) {
        return err_set(e, STATUS_INVALID,
                       "a role is given to a user key, which begins with U; %s is a %s key",
                       nkey_public_text(key).text, nkey_kind_name(key->kind));
    }
    if (u == NULL && r->user_count == ROLES_USERS_MAX) {
        return err_set(e, STATUS_LIMIT, "a host knows at most %d users", ROLES_USERS_MAX);
    }
    if (u == NULL) {
        u = &r->users[r->user_count++];
    }
    *u = (role_user){*key, what};
    return STATUS_OK;
}

// --- what was seen -----------------------------------------------------------------------------------------

static uint32_t *bucket_of(roles *r, const uint8_t key[KEY_BYTES]) {
    return &r->buckets[(key[0] | key[1] << 8) % BUCKETS];
}

static void forget_old(roles *r, uint64_t wall_ms) {
    while (r->count > 0 && r->ring[r->first].until_ms < wall_ms) {
        uint32_t *place = bucket_of(r, r->ring[r->first].key);
        while (*place != r->first + 1) {
            place = &r->ring[*place - 1].next;
        }
        *place = r->ring[r->first].next;
        r->first = (r->first + 1) % ROLES_NONCES_MAX;
        r->count--;
    }
}

// False: it was seen before, or (`*ret_full`) no more can be remembered.
static bool is_new(roles *r, slice signature, uint64_t wall_ms, bool *ret_full) {
    uint8_t hash[HASH_BYTES];
    hash_sha256(&signature, 1, hash);
    forget_old(r, wall_ms);
    for (uint32_t at = *bucket_of(r, hash); at != 0; at = r->ring[at - 1].next) {
        if (memcmp(r->ring[at - 1].key, hash, KEY_BYTES) == 0) {
            *ret_full = false;
            return false;
        }
    }
    *ret_full = r->count == ROLES_NONCES_MAX;
    if (*ret_full) {
        return false;
    }
    uint32_t at = (uint32_t)((r->first + r->count++) % ROLES_NONCES_MAX);
    seen *s = &r->ring[at];
    memcpy(s->key, hash, KEY_BYTES);
    s->until_ms = wall_ms + 2 * CLUSTER_CLOCK_SKEW_S * UINT64_C(1000);
    s->next = *bucket_of(r, hash);
    *bucket_of(r, hash) = at + 1;
    return true;
}

// --- signatures --------------------------------------------------------------------------------------------

static status text_to_sign(slice subject, slice time, slice nonce, slice payload, buf *ret) {
    uint8_t hash[HASH_BYTES];
    hash_sha256(&payload, 1, hash);
    TRY(buf_append_text(ret, "writ-control 1\n"));
    const slice parts[] = {subject, time, nonce};
    for (int i = 0; i < 3; i++) {
        TRY(buf_append(ret, parts[i]));
        TRY(buf_append_byte(ret, '\n'));
    }
    return buf_append(ret, slice_of(hash, sizeof hash));
}

// The only field of that name; false when there is none, or several.
static bool only_field(slice headers, const char *name, slice *ret) {
    size_t at = 0, count = 0;
    slice field, value;
    while (nats_headers_next(headers, &at, &field, &value)) {
        if (slice_equal_nocase(field, slice_from_text(name))) {
            *ret = value;
            count++;
        }
    }
    return count == 1;
}

typedef struct proof {
    nkey_public user;
    slice time, nonce;
    uint64_t time_ms;
    uint8_t signature[SIGN_SIGNATURE_BYTES];
} proof;

static bool is_nonce(slice s) {
    bool is = s.len == ROLES_NONCE_LEN;
    for (size_t i = 0; i < s.len && is; i++) {
        uint8_t b = s.data[i];
        is = (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z');
    }
    return is;
}

static bool proof_read(slice headers, proof *ret) {
    slice key, signature;
    auto_buf bytes = {0};
    buf_init(&bytes, SIGN_SIGNATURE_BYTES);
    if (!only_field(headers, HEADER_USER, &key) || !only_field(headers, HEADER_TIME, &ret->time) ||
        !only_field(headers, HEADER_NONCE, &ret->nonce) ||
        !only_field(headers, HEADER_SIGNATURE, &signature) || !slice_to_u64(ret->time, &ret->time_ms) ||
        ret->time.len > 20 || !is_nonce(ret->nonce) || signature.len != SIGNATURE_TEXT_LEN ||
        nkey_public_parse(key, &ret->user, NULL) != STATUS_OK || ret->user.kind != NKEY_USER ||
        base64_decode(BASE64_URL, signature, &bytes) != STATUS_OK || bytes.len != SIGN_SIGNATURE_BYTES) {
        return false;
    }
    memcpy(ret->signature, bytes.data, SIGN_SIGNATURE_BYTES);
    return true;
}

static bool has_proof(slice headers) {
    slice value;
    return nats_headers_find(headers, HEADER_USER, &value) ||
           nats_headers_find(headers, HEADER_SIGNATURE, &value);
}

static bool is_signed_by(const proof *p, const bus_message *m) {
    auto_buf text = {0};
    buf_init(&text, TEXT_BYTES_MAX);
    return text_to_sign(m->subject, p->time, p->nonce, m->payload, &text) == STATUS_OK &&
           nkey_verify(&p->user, buf_slice(&text), p->signature);
}

// --- deciding ----------------------------------------------------------------------------------------------

static status refuse(lattice_refused why, lattice_refused *ret_why, err *e, const char *text) {
    *ret_why = why;
    return err_set(e, STATUS_DENIED, "%s", text);
}

static status check_role(role has, role needed, const roles_answer *a, lattice_refused *ret_why, err *e) {
    if (has >= needed) {
        return STATUS_OK;
    }
    *ret_why = a->is_signed ? LATTICE_REFUSED_ROLE : LATTICE_REFUSED_UNSIGNED;
    if (!a->is_signed) {
        return err_set(
            e, STATUS_DENIED,
            "this needs the role \"%s\", and requests without a signature have \"%s\" here: sign it "
            "with a user's key that the host knows",
            role_name(needed), role_name(has));
    }
    return err_set(e, STATUS_DENIED, "this needs the role \"%s\", and user %s has \"%s\" here",
                   role_name(needed), nkey_public_text(&a->user).text, role_name(has));
}

status roles_check(roles *r, const bus_message *m, role needed, uint64_t wall_ms, roles_answer *ret,
                   lattice_refused *ret_why, err *e) {
    proof p;
    bool is_full;
    roles_answer a = {.what = r->everybody};
    if (!has_proof(m->headers)) {
        TRY(check_role(r->everybody, needed, &a, ret_why, e));
        *ret = a;
        return STATUS_OK;
    }
    if (!proof_read(m->headers, &p)) {
        return refuse(LATTICE_REFUSED_MALFORMED, ret_why, e, "the signature of the request cannot be read");
    }
    if (!signing_is_near(p.time_ms, wall_ms)) {
        return refuse(LATTICE_REFUSED_CLOCK, ret_why, e,
                      "the request is too old, or the clocks of the user and the host are apart");
    }
    const role_user *u = find_user(r, &p.user);
    // Who signs may do no less than who does not. Who may not costs no signature.
    role own = u == NULL ? ROLE_NONE : u->what;
    a = (roles_answer){true, p.user, own > r->everybody ? own : r->everybody};
    TRY(check_role(a.what, needed, &a, ret_why, e));
    if (!is_signed_by(&p, m)) {
        return refuse(LATTICE_REFUSED_BAD_SIGNATURE, ret_why, e,
                      "the signature of the request is not of that user, or of another request");
    }
    if (!is_new(r, slice_of(p.signature, sizeof p.signature), wall_ms, &is_full)) {
        return is_full ? refuse(LATTICE_REFUSED_FLOOD, ret_why, e, "more requests than can be remembered")
                       : refuse(LATTICE_REFUSED_REPLAYED, ret_why, e, "the request was made before");
    }
    *ret = a;
    return STATUS_OK;
}

// --- signing -----------------------------------------------------------------------------------------------

static void fresh_nonce(char ret[ROLES_NONCE_LEN]) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < ROLES_NONCE_LEN; i++) {
        ret[i] = digits[random_u64() % 62];
    }
}

static status put(buf *b, const char *name, slice value) {
    return nats_headers_put(b, slice_from_text(name), value);
}

static status put_all(buf *b, const nkey_public *user, slice time, slice nonce, slice signature,
                      slice trace) {
    const nkey_text key = nkey_public_text(user);
    TRY(nats_headers_begin(b));
    TRY(put(b, HEADER_USER, slice_from_text(key.text)));
    TRY(put(b, HEADER_TIME, time));
    TRY(put(b, HEADER_NONCE, nonce));
    TRY(put(b, HEADER_SIGNATURE, signature));
    if (trace.len > 0) {
        TRY(put(b, HEADER_TRACE, trace));
    }
    return nats_headers_end(b);
}

status roles_sign(const nkey *key, slice subject, slice payload, uint64_t wall_ms, slice trace, buf *ret,
                  err *e) {
    char time[24], nonce[ROLES_NONCE_LEN];
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    auto_buf text = {0}, encoded = {0};
    const nkey_public user = nkey_public_of(key);
    buf_init(&text, TEXT_BYTES_MAX);
    buf_init(&encoded, SIGNATURE_TEXT_LEN);
    if (user.kind != NKEY_USER) {
        return err_set(e, STATUS_INVALID,
                       "requests are signed by a user key, which begins with U; %s is a %s key",
                       nkey_public_text(&user).text, nkey_kind_name(user.kind));
    }
    snprintf(time, sizeof time, "%llu", (unsigned long long)wall_ms);
    fresh_nonce(nonce);
    const slice time_text = slice_from_text(time), nonce_text = slice_of(nonce, sizeof nonce);
    status code = text_to_sign(subject, time_text, nonce_text, payload, &text);
    if (code == STATUS_OK) {
        TRY(nkey_sign(key, buf_slice(&text), signature, e));
        code = base64_encode(BASE64_URL, slice_of(signature, sizeof signature), &encoded);
    }
    if (code == STATUS_OK) {
        code = put_all(ret, &user, time_text, nonce_text, buf_slice(&encoded), trace);
    }
    return code == STATUS_OK ? STATUS_OK
                             : err_set(e, code, "the subject is too long for a request that is signed");
}
