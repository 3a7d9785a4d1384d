// SPDX-License-Identifier: Apache-2.0
// The two messages of a handshake. Both have one form; a welcome has the hash of its hello in front of it.
//
//   kind 1 | version 1 | [hash of the hello 32] | time 8 | epoch 8 | id 8 | X25519 key 32 | from 32 | to 32 |
//   length 1, lattice | length 2, token | signature 64 over a sentence and the SHA-256 of all before it
#include "crypto/secret.h"
#include "lattice/bytes.h"
#include "lattice/session_internal.h"
#include "lattice/signing.h"

enum { VERSION = 1, FIXED_BYTES = 8 + 8 + 8 + 32 + 32 + 32 };

static const char HELLO_SENTENCE[] = "writ-lattice hello 1";
static const char WELCOME_SENTENCE[] = "writ-lattice welcome 1";
static const char KEYS_SENTENCE[] = "writ-lattice session 1";

typedef struct greeting {
    session_kind kind;
    slice hello_hash; // of a welcome
    uint64_t time_ms, epoch, id;
    slice key;
    nkey_public from, to;
    slice lattice, token;
    slice signed_bytes;
    slice signature;
} greeting;

// --- bytes -------------------------------------------------------------------------------------------------

static nkey_public take_host(bytes_reader *r) {
    nkey_public k = {.kind = NKEY_SERVER};
    slice s = bytes_take(r, SIGN_PUBLIC_BYTES);
    if (s.len > 0) {
        memcpy(k.bytes, s.data, s.len);
    }
    return k;
}

static bool greeting_read(slice bytes, session_kind kind, greeting *ret) {
    bytes_reader r = {bytes, bytes.len > SESSION_HELLO_BYTES_MAX};
    greeting g = {.kind = (session_kind)bytes_take_number(&r, 1)};
    bytes_take(&r, 1); // the version was looked at before
    g.hello_hash = bytes_take(&r, kind == SESSION_WELCOME ? HASH_BYTES : 0);
    g.time_ms = bytes_take_number(&r, 8);
    g.epoch = bytes_take_number(&r, 8);
    g.id = bytes_take_number(&r, 8);
    g.key = bytes_take(&r, X25519_BYTES);
    g.from = take_host(&r);
    g.to = take_host(&r);
    g.lattice = bytes_take_run(&r, 1);
    g.token = bytes_take_run(&r, 2);
    g.signed_bytes = slice_sub(bytes, 0, bytes.len - r.rest.len);
    g.signature = bytes_take(&r, SIGN_SIGNATURE_BYTES);
    if (r.is_short || r.rest.len != 0 || g.kind != kind || g.epoch == 0) {
        return false;
    }
    *ret = g;
    return true;
}

static status greeting_put(buf *b, const greeting *g) {
    TRY(bytes_put_number(b, g->kind, 1));
    TRY(bytes_put_number(b, VERSION, 1));
    TRY(buf_append(b, g->hello_hash));
    TRY(bytes_put_number(b, g->time_ms, 8));
    TRY(bytes_put_number(b, g->epoch, 8));
    TRY(bytes_put_number(b, g->id, 8));
    TRY(buf_append(b, g->key));
    TRY(buf_append(b, slice_of(g->from.bytes, SIGN_PUBLIC_BYTES)));
    TRY(buf_append(b, slice_of(g->to.bytes, SIGN_PUBLIC_BYTES)));
    TRY(bytes_put_run(b, g->lattice, 1));
    return bytes_put_run(b, g->token, 2);
}

static const char *sentence_of(session_kind kind) {
    return kind == SESSION_HELLO ? HELLO_SENTENCE : WELCOME_SENTENCE;
}

// Appends the whole message.
static status greeting_write(sessions *s, const greeting *g, buf *ret, err *e) {
    size_t begin = ret->len;
    status code = greeting_put(ret, g);
    if (code == STATUS_OK) {
        code = signing_put(s->options.key, sentence_of(g->kind), ret, begin, e);
    } else {
        err_set(e, code, "no room for a greeting of %zu bytes", ret->max);
    }
    if (code != STATUS_OK) {
        ret->len = begin;
    }
    return code;
}

// What we say of ourselves. The time of greetings only grows: that is how the other end knows an old one.
static greeting greeting_of_ours(sessions *s, session_kind kind, const nkey_public *to, session_now now) {
    s->hello_ms = now.wall_ms > s->hello_ms ? now.wall_ms : s->hello_ms + 1;
    return (greeting){
        .kind = kind,
        .time_ms = s->hello_ms,
        .epoch = s->options.epoch,
        .id = sessions_fresh_id(s),
        .from = s->self,
        .to = *to,
        .lattice = s->options.lattice,
        .token = s->options.token,
    };
}

// --- greeting ----------------------------------------------------------------------------------------------

status sessions_greet(sessions *s, const nkey_public *host, session_now now, buf *ret, err *e) {
    session_peer *p;
    if (nkey_public_equal(host, &s->self) || host->kind != NKEY_SERVER) {
        return err_set(e, STATUS_INVALID, "%s is no other host", nkey_public_text(host).text);
    }
    TRY(sessions_peer_make(s, host, &p, e));
    session_pending h = {.until_ns = now.ns + SESSION_HELLO_NS};
    uint8_t key[X25519_BYTES];
    sessions_random(s, h.secret_key, sizeof h.secret_key);
    x25519_public(h.secret_key, key);
    greeting g = greeting_of_ours(s, SESSION_HELLO, host, now);
    g.key = slice_of(key, sizeof key);
    h.id = g.id;
    size_t begin = ret->len;
    status code = greeting_write(s, &g, ret, e);
    if (code == STATUS_OK) {
        slice bytes = slice_of(ret->data + begin, ret->len - begin);
        hash_sha256(&bytes, 1, h.hash);
        p->pending[p->pending_next] = h;
        p->pending_next = (p->pending_next + 1) % SESSION_PENDING_MAX;
        p->idle_ns = now.ns;
    }
    secret_wipe(&h, sizeof h);
    return code;
}

// --- believing ---------------------------------------------------------------------------------------------

static bool is_flood(sessions *s, session_now now) {
    uint64_t second = now.ns / UINT64_C(1000000000);
    if (second != s->hello_second) {
        s->hello_second = second;
        s->hello_count = 0;
    }
    return ++s->hello_count > SESSION_HELLOS_PER_SECOND;
}

// Everything about a greeting that costs nothing to see.
static status look(sessions *s, slice bytes, session_kind kind, session_now now, greeting *ret, err *e) {
    if (bytes.len < 2 || bytes.data[0] != kind) {
        return session_refuse(s, LATTICE_REFUSED_MALFORMED, NULL, now, e, "it is no greeting");
    }
    if (bytes.data[1] != VERSION) {
        return session_refuse(s, LATTICE_REFUSED_VERSION, NULL, now, e,
                              "a greeting of a version that is not spoken here");
    }
    if (!greeting_read(bytes, kind, ret)) {
        return session_refuse(s, LATTICE_REFUSED_MALFORMED, NULL, now, e,
                              "a greeting that is cut or too long");
    }
    if (!nkey_public_equal(&ret->to, &s->self) || nkey_public_equal(&ret->from, &s->self) ||
        !slice_equal(ret->lattice, s->options.lattice)) {
        return session_refuse(s, LATTICE_REFUSED_NOT_FOR_US, &ret->from, now, e,
                              "a greeting for another host or lattice, or our own");
    }
    if (!signing_is_near(ret->time_ms, now.wall_ms)) {
        return session_refuse(s, LATTICE_REFUSED_CLOCK, &ret->from, now, e,
                              "a greeting too old or of a clock that is wrong");
    }
    const session_peer *p = sessions_peer(s, &ret->from);
    if (p != NULL && ret->epoch < p->epoch) {
        return session_refuse(s, LATTICE_REFUSED_STOPPED, &ret->from, now, e,
                              "a greeting of a life of the host that has ended");
    }
    return STATUS_OK;
}

static status believe(sessions *s, const greeting *g, session_now now, cluster_member *ret, err *e) {
    lattice_refused why;
    err reason = {0};
    if (cluster_check(s->options.cluster, g->token, s->options.lattice, now.wall_ms / 1000, ret, &why,
                      &reason) != STATUS_OK) {
        return session_refuse(s, why, &g->from, now, e, reason.message);
    }
    if (!nkey_public_equal(&ret->host, &g->from) ||
        !signing_check(&g->from, sentence_of(g->kind), g->signed_bytes, g->signature)) {
        return session_refuse(s, LATTICE_REFUSED_BAD_SIGNATURE, &g->from, now, e,
                              "a greeting that the host did not sign, or with another host's token");
    }
    return STATUS_OK;
}

// The keys of both directions, from the secret that both have and everything that was said.
static bool derive(const uint8_t secret_key[X25519_BYTES], slice their_key, slice hello_hash, slice welcome,
                   uint8_t ret[SESSION_SECRETS_BYTES]) {
    uint8_t shared[X25519_BYTES], said[HASH_BYTES];
    if (!x25519_agree(secret_key, their_key.data, shared)) {
        return false;
    }
    const slice parts[] = {hello_hash, welcome};
    hash_sha256(parts, 2, said);
    hkdf_sha256(slice_of(said, sizeof said), slice_of(shared, sizeof shared), slice_from_text(KEYS_SENTENCE),
                ret, SESSION_SECRETS_BYTES);
    secret_wipe(shared, sizeof shared);
    return true;
}

// --- answering ---------------------------------------------------------------------------------------------

static status welcome_write(sessions *s, const greeting *hello, slice hello_bytes, session_now now,
                            session_agreed *a, buf *ret, err *e) {
    uint8_t secret_key[X25519_BYTES], key[X25519_BYTES], hash[HASH_BYTES];
    size_t begin = ret->len;
    hash_sha256(&hello_bytes, 1, hash);
    sessions_random(s, secret_key, sizeof secret_key);
    x25519_public(secret_key, key);
    greeting g = greeting_of_ours(s, SESSION_WELCOME, &hello->from, now);
    g.hello_hash = slice_of(hash, sizeof hash);
    g.key = slice_of(key, sizeof key);
    a->id = g.id;
    status code = greeting_write(s, &g, ret, e);
    slice welcome = slice_of(ret->data + begin, ret->len - begin);
    if (code == STATUS_OK && !derive(secret_key, hello->key, g.hello_hash, welcome, a->secrets)) {
        ret->len = begin;
        code = session_refuse(s, LATTICE_REFUSED_MALFORMED, &hello->from, now, e,
                              "a greeting with a key that agrees on nothing");
    }
    secret_wipe(secret_key, sizeof secret_key);
    return code;
}

// The host is who it says, and says it now for the first time.
static status answer_believed(sessions *s, const greeting *g, slice hello, const cluster_member *member,
                              session_now now, buf *ret, err *e) {
    session_agreed a = {.member = *member, .epoch = g->epoch, .their_id = g->id};
    session *c;
    TRY(sessions_peer_make(s, &g->from, &a.peer, e));
    sessions_peer_lives(s, a.peer, g->epoch);
    if (g->time_ms <= a.peer->hello_ms) {
        return session_refuse(s, LATTICE_REFUSED_REPLAYED, &g->from, now, e,
                              "a greeting that has been answered, or one before it");
    }
    a.peer->hello_ms = g->time_ms;
    a.peer->idle_ns = now.ns;
    size_t begin = ret->len;
    status code = welcome_write(s, g, hello, now, &a, ret, e);
    code = code == STATUS_OK ? sessions_add(s, &a, now, &c, e) : code;
    if (code != STATUS_OK) {
        ret->len = begin;
    }
    secret_wipe(&a, sizeof a);
    return code;
}

status sessions_answer(sessions *s, slice hello, const session *within, session_now now,
                       nkey_public *ret_host, buf *ret, err *e) {
    greeting g;
    cluster_member member;
    TRY(look(s, hello, SESSION_HELLO, now, &g, e));
    bool is_known = within != NULL && nkey_public_equal(session_host(within), &g.from);
    if (!is_known && is_flood(s, now)) {
        return session_refuse(s, LATTICE_REFUSED_FLOOD, &g.from, now, e,
                              "more greetings in a second than are looked at");
    }
    TRY(believe(s, &g, now, &member, e));
    TRY(answer_believed(s, &g, hello, &member, now, ret, e));
    *ret_host = g.from;
    return STATUS_OK;
}

// --- finishing ---------------------------------------------------------------------------------------------

static session_pending *find_pending(session_peer *p, slice hash, session_now now) {
    for (size_t i = 0; p != NULL && i < SESSION_PENDING_MAX; i++) {
        session_pending *h = &p->pending[i];
        if (h->until_ns > now.ns && hash_equal(h->hash, hash.data)) {
            return h;
        }
    }
    return NULL;
}

status sessions_finish(sessions *s, slice welcome, session_now now, session **ret, err *e) {
    greeting g;
    session_agreed a = {.is_ours = true};
    TRY(look(s, welcome, SESSION_WELCOME, now, &g, e));
    session_peer *p = sessions_peer(s, &g.from);
    session_pending *h = find_pending(p, g.hello_hash, now);
    if (h == NULL) {
        return session_refuse(s, LATTICE_REFUSED_FAKE_REPLY, &g.from, now, e,
                              "an answer to a greeting that is not open");
    }
    TRY(believe(s, &g, now, &a.member, e));
    // The hash of what was sent is the hash in the pending one: the message itself need not be kept.
    a.peer = p;
    a.epoch = g.epoch;
    a.id = h->id;
    a.their_id = g.id;
    sessions_peer_lives(s, p, g.epoch);
    bool is_good = derive(h->secret_key, g.key, slice_of(h->hash, HASH_BYTES), welcome, a.secrets);
    secret_wipe(h, sizeof *h);
    status code = is_good ? sessions_add(s, &a, now, ret, e)
                          : session_refuse(s, LATTICE_REFUSED_MALFORMED, &g.from, now, e,
                                           "a greeting with a key that agrees on nothing");
    secret_wipe(&a, sizeof a);
    return code;
}
