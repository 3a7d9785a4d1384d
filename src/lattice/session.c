// SPDX-License-Identifier: Apache-2.0
#include "lattice/session.h"

#include "base/check.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "lattice/bytes.h"
#include "lattice/session_internal.h"
#include "os/random.h"

enum { AT_KIND = 0, AT_ID = 1, AT_NUMBER = 9 };
// A host that is not there is forgotten when no hello that it made before could be taken for a new one.
static const uint64_t FORGET_NS = 3 * CLUSTER_CLOCK_SKEW_S * UINT64_C(1000000000);

static uint64_t number_at(const uint8_t *bytes) {
    bytes_reader r = {slice_of(bytes, 8), false};
    return bytes_take_number(&r, 8);
}

// --- making ------------------------------------------------------------------------------------------------

void sessions_random(sessions *s, void *bytes, size_t len) {
    if (s->options.random != NULL) {
        s->options.random(s->options.random_arg, bytes, len);
    } else {
        random_fill(bytes, len);
    }
}

status sessions_set_token(sessions *s, slice token, session_now now, err *e) {
    cluster_member m;
    lattice_refused why;
    status code =
        cluster_check(s->options.cluster, token, s->options.lattice, now.wall_ms / 1000, &m, &why, e);
    if (code == STATUS_OK && !nkey_public_equal(&m.host, &s->self)) {
        code = err_set(e, STATUS_DENIED, "it is the token of host %s", nkey_public_text(&m.host).text);
    }
    if (code != STATUS_OK) {
        err_wrap(e, "the token of this host, %s", nkey_public_text(&s->self).text);
        return code;
    }
    char *copy = mem_slice_dup(token);
    mem_free((void *)s->options.token.data);
    s->options.token = slice_of(copy, token.len);
    return STATUS_OK;
}

status sessions_new(const sessions_options *o, session_now now, sessions **ret, err *e) {
    TRY(cluster_lattice_check(o->lattice, e));
    sessions *s = MEM_NEW(sessions);
    s->options = *o;
    s->self = nkey_public_of(o->key);
    s->options.lattice = slice_of(mem_slice_dup(o->lattice), o->lattice.len);
    s->options.token = slice_empty();
    s->cluster_version = cluster_version(o->cluster);
    status code = sessions_set_token(s, o->token, now, e);
    if (code != STATUS_OK) {
        sessions_free(s);
        return code;
    }
    *ret = s;
    return STATUS_OK;
}

size_t sessions_count(const sessions *s) { return s->count; }

status session_refuse(const sessions *s, lattice_refused why, const nkey_public *who, session_now now, err *e,
                      const char *text) {
    nkey_text name = {0};
    if (who != NULL) {
        name = nkey_public_text(who);
    }
    lattice_refuse(s->options.refusals, why, slice_from_text(name.text), text, now.ns);
    return err_set(e, STATUS_DENIED, "%s: %s", lattice_refused_name(why), text);
}

// --- the tables --------------------------------------------------------------------------------------------

// Numbers of ours are random, and keys of hosts are verified before they come here, or our own choice: nobody
// can pile them up in one place.
static session **place_of_id(sessions *s, uint64_t id) { return &s->buckets[id % SESSION_BUCKETS]; }

static session_peer **place_of_host(sessions *s, const nkey_public *host) {
    return &s->peers[(host->bytes[0] | host->bytes[1] << 8) % SESSION_BUCKETS];
}

static session *find_id(const sessions *s, uint64_t id) {
    session *c = s->buckets[id % SESSION_BUCKETS];
    while (c != NULL && c->id != id) {
        c = c->next;
    }
    return c;
}

uint64_t sessions_fresh_id(sessions *s) {
    uint64_t id;
    do {
        sessions_random(s, &id, sizeof id);
    } while (find_id(s, id) != NULL);
    return id;
}

session_peer *sessions_peer(sessions *s, const nkey_public *host) {
    session_peer *p = *place_of_host(s, host);
    while (p != NULL && !nkey_public_equal(&p->host, host)) {
        p = p->next;
    }
    return p;
}

status sessions_peer_make(sessions *s, const nkey_public *host, session_peer **ret, err *e) {
    *ret = sessions_peer(s, host);
    if (*ret != NULL) {
        return STATUS_OK;
    }
    if (s->peer_count == SESSION_HOSTS_MAX) {
        return err_set(e, STATUS_LIMIT, "there are sessions with %d hosts already", SESSION_HOSTS_MAX);
    }
    session_peer *p = MEM_NEW(session_peer), **place = place_of_host(s, host);
    p->host = *host;
    list_init(&p->sessions);
    p->next = *place;
    *place = p;
    s->peer_count++;
    *ret = p;
    return STATUS_OK;
}

static void session_end(session *c) {
    session **place = place_of_id(c->owner, c->id);
    while (*place != c) {
        place = &(*place)->next;
    }
    *place = c->next;
    list_remove(&c->of_peer);
    c->peer->count--;
    c->owner->count--;
    aes_gcm_free(c->seal);
    aes_gcm_free(c->open);
    secret_wipe(c, sizeof *c);
    mem_free(c);
}

static session *session_of(list_node *n) { return LIST_ENTRY(n, session, of_peer); }

static void end_sessions_before(session_peer *p, uint64_t epoch) {
    for (list_node *n = p->sessions.next, *next; n != &p->sessions; n = next) {
        next = n->next;
        if (session_of(n)->epoch < epoch) {
            session_end(session_of(n));
        }
    }
}

void sessions_peer_lives(sessions *s, session_peer *p, uint64_t epoch) {
    if (epoch <= p->epoch) {
        return;
    }
    uint64_t before = p->epoch;
    p->epoch = epoch;
    p->hello_ms = 0;
    end_sessions_before(p, epoch);
    if (before != 0 && s->options.host_ended != NULL) {
        s->options.host_ended(s->options.arg, &p->host, before);
    }
}

void sessions_end_host(sessions *s, const nkey_public *host, uint64_t epoch, session_now now) {
    session_peer *p = sessions_peer(s, host);
    if (p != NULL) {
        p->idle_ns = now.ns;
        if (epoch == UINT64_MAX) {
            end_sessions_before(p, epoch);
        } else {
            sessions_peer_lives(s, p, epoch);
        }
    }
}

static void peer_free(session_peer *p) {
    secret_wipe(p, sizeof *p);
    mem_free(p);
}

void sessions_free(sessions *s) {
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < SESSION_BUCKETS; i++) {
        while (s->buckets[i] != NULL) {
            session_end(s->buckets[i]);
        }
    }
    for (size_t i = 0; i < SESSION_BUCKETS; i++) {
        for (session_peer *p = s->peers[i], *next; p != NULL; p = next) {
            next = p->next;
            peer_free(p);
        }
    }
    mem_free((void *)s->options.lattice.data);
    mem_free((void *)s->options.token.data);
    mem_free(s);
}

// --- time --------------------------------------------------------------------------------------------------

static bool is_over(const session *c, session_now now) { return now.ns >= c->ends_ns; }

static bool is_believed(const session *c, session_now now) {
    lattice_refused why;
    return cluster_check_again(c->owner->options.cluster, &c->member, now.wall_ms / 1000, &why, NULL) ==
           STATUS_OK;
}

static bool has_pending(session_peer *p, session_now now) {
    bool some = false;
    for (size_t i = 0; i < SESSION_PENDING_MAX; i++) {
        session_pending *h = &p->pending[i];
        if (h->until_ns != 0 && now.ns >= h->until_ns) {
            secret_wipe(h, sizeof *h);
        }
        some = some || h->until_ns != 0;
    }
    return some;
}

// False: the peer can be forgotten.
static bool peer_tick(session_peer *p, session_now now) {
    for (list_node *n = p->sessions.next, *next; n != &p->sessions; n = next) {
        next = n->next;
        session *c = session_of(n);
        bool is_unproved = !c->is_proved && now.ns >= c->made_ns + SESSION_HELLO_NS;
        if (is_over(c, now) || is_unproved || !is_believed(c, now)) {
            session_end(c);
        }
    }
    if (has_pending(p, now) || p->count > 0) {
        p->idle_ns = now.ns;
    }
    return now.ns < p->idle_ns + FORGET_NS;
}

void sessions_tick(sessions *s, session_now now) {
    s->cluster_version = cluster_version(s->options.cluster);
    for (size_t i = 0; i < SESSION_BUCKETS; i++) {
        for (session_peer **place = &s->peers[i], *p; (p = *place) != NULL;) {
            if (peer_tick(p, now)) {
                place = &p->next;
                continue;
            }
            *place = p->next;
            s->peer_count--;
            peer_free(p);
        }
    }
}

// The lists count from the moment on at which they change, not from the next tick.
static void look_at_lists(sessions *s, session_now now) {
    if (s->cluster_version != cluster_version(s->options.cluster)) {
        sessions_tick(s, now);
    }
}

// --- a session ---------------------------------------------------------------------------------------------

static void make_room(session_peer *p, bool is_proved) {
    size_t unproved = 0;
    session *oldest = NULL, *oldest_unproved = NULL;
    for (list_node *n = p->sessions.next; n != &p->sessions; n = n->next) {
        session *c = session_of(n);
        unproved += !c->is_proved;
        if (c->is_proved && oldest == NULL) {
            oldest = c;
        } else if (!c->is_proved && oldest_unproved == NULL) {
            oldest_unproved = c;
        }
    }
    // What nobody has used yet must not push out what is in use.
    if (!is_proved && unproved >= SESSION_UNPROVED_MAX) {
        session_end(oldest_unproved);
    } else if (is_proved && p->count - unproved >= SESSION_HOST_MAX) {
        session_end(oldest);
    }
}

static uint64_t end_of(const cluster_member *m, session_now now) {
    uint64_t left_s = m->expires_at_s - now.wall_ms / 1000; // checked: it has not ended
    uint64_t life_s = SESSION_LIFE_NS / UINT64_C(1000000000);
    return now.ns + (left_s < life_s ? left_s : life_s) * UINT64_C(1000000000);
}

status sessions_add(sessions *s, const session_agreed *a, session_now now, session **ret, err *e) {
    make_room(a->peer, a->is_ours);
    if (s->count == SESSIONS_MAX) {
        return err_set(e, STATUS_LIMIT, "there are %d sessions already", SESSIONS_MAX);
    }
    const uint8_t *theirs = a->secrets, *ours = a->secrets + AES_GCM_KEY_BYTES;
    const uint8_t *their_nonce = a->secrets + 2 * AES_GCM_KEY_BYTES,
                  *our_nonce = their_nonce + AES_GCM_NONCE_BYTES;
    session *c = MEM_NEW(session), **place = place_of_id(s, a->id);
    c->owner = s;
    c->peer = a->peer;
    c->member = a->member;
    c->epoch = a->epoch;
    c->id = a->id;
    c->their_id = a->their_id;
    // The first half is for what goes from who greeted.
    c->seal = aes_gcm_new(a->is_ours ? theirs : ours, true);
    c->open = aes_gcm_new(a->is_ours ? ours : theirs, false);
    memcpy(c->seal_nonce, a->is_ours ? their_nonce : our_nonce, AES_GCM_NONCE_BYTES);
    memcpy(c->open_nonce, a->is_ours ? our_nonce : their_nonce, AES_GCM_NONCE_BYTES);
    c->made_ns = now.ns;
    c->ends_ns = end_of(&a->member, now);
    c->is_proved = a->is_ours;
    c->next = *place;
    *place = c;
    list_push_back(&a->peer->sessions, &c->of_peer);
    a->peer->count++;
    s->count++;
    *ret = c;
    return STATUS_OK;
}

session *sessions_to(sessions *s, const nkey_public *host, session_now now) {
    look_at_lists(s, now);
    session_peer *p = sessions_peer(s, host);
    if (p == NULL) {
        return NULL;
    }
    // A new one is used when something has come by it, so that a lost message costs none of the old one.
    session *unheard = NULL;
    for (list_node *n = p->sessions.prev; n != &p->sessions; n = n->prev) {
        session *c = session_of(n);
        if (is_over(c, now) || c->is_silent) {
            continue;
        }
        if (c->is_heard) {
            return c;
        }
        if (c->is_proved && unheard == NULL) {
            unheard = c;
        }
    }
    return unheard;
}

void sessions_each(sessions *s, session_now now, void (*each)(void *arg, session *c), void *arg) {
    for (size_t i = 0; i < SESSION_BUCKETS; i++) {
        for (session_peer *p = s->peers[i]; p != NULL; p = p->next) {
            session *c = sessions_to(s, &p->host, now);
            if (c != NULL) {
                each(arg, c);
            }
        }
    }
}

void session_expect(session *c, session_now now) {
    c->unheard_ns = c->unheard_ns == 0 ? now.ns : c->unheard_ns;
}

uint64_t session_unheard_ns(const session *c, session_now now) {
    return c->unheard_ns == 0 || now.ns < c->unheard_ns ? 0 : now.ns - c->unheard_ns;
}

void session_pass_over(session *c) { c->is_silent = true; }

bool session_is_due(const session *c, session_now now) {
    uint64_t life = c->ends_ns - c->made_ns;
    return now.ns >= c->made_ns + life / 10 * 8;
}

const nkey_public *session_host(const session *c) { return &c->peer->host; }
uint64_t session_epoch(const session *c) { return c->epoch; }
const cluster_member *session_member(const session *c) { return &c->member; }

// --- sealing -----------------------------------------------------------------------------------------------

static void nonce_of(const uint8_t base[AES_GCM_NONCE_BYTES], const uint8_t *number,
                     uint8_t ret[AES_GCM_NONCE_BYTES]) {
    memcpy(ret, base, AES_GCM_NONCE_BYTES);
    for (int i = 0; i < 8; i++) {
        ret[AES_GCM_NONCE_BYTES - 8 + i] ^= number[i];
    }
}

status session_seal(session *c, buf *frame, err *e) {
    uint8_t nonce[AES_GCM_NONCE_BYTES], *tag;
    CHECK(frame->len >= SESSION_HEAD_BYTES);
    if (buf_reserve(frame, SESSION_TAG_BYTES, &tag) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "a frame of %zu bytes is too long to be sealed", frame->len);
    }
    frame->data[AT_KIND] = SESSION_SEALED;
    bytes_write_number(frame->data + AT_ID, c->their_id, 8);
    bytes_write_number(frame->data + AT_NUMBER, c->sent++, 8);
    nonce_of(c->seal_nonce, frame->data + AT_NUMBER, nonce);
    aes_gcm_seal(c->seal, nonce, slice_of(frame->data, SESSION_HEAD_BYTES), frame->data + SESSION_HEAD_BYTES,
                 frame->len - SESSION_HEAD_BYTES, tag);
    frame->len += SESSION_TAG_BYTES;
    return STATUS_OK;
}

// --- opening -----------------------------------------------------------------------------------------------

static bool was_seen(const session *c, uint64_t number) {
    if (number >= c->highest) {
        return false;
    }
    return c->highest - number > SESSION_WINDOW - 64 || // the ring holds whole words
           (c->window[number / 64 % (SESSION_WINDOW / 64)] >> number % 64 & 1) != 0;
}

static void note_seen(session *c, uint64_t number) {
    const uint64_t words = SESSION_WINDOW / 64, word = number / 64;
    if (number >= c->highest) {
        // Words that are entered for the first time still hold what was SESSION_WINDOW numbers ago.
        uint64_t from = c->highest == 0 ? 0 : (c->highest - 1) / 64 + 1;
        for (uint64_t w = word, left = words; w + 1 > from && left > 0; w--, left--) {
            c->window[w % words] = 0;
        }
        c->highest = number + 1;
    }
    c->window[word % words] |= UINT64_C(1) << number % 64;
}

static status find_session(sessions *s, slice frame, session_now now, session **ret, err *e) {
    look_at_lists(s, now);
    if (frame.len < SESSION_OVERHEAD_BYTES || frame.data[AT_KIND] != SESSION_SEALED) {
        return session_refuse(s, LATTICE_REFUSED_MALFORMED, NULL, now, e, "it is no sealed message");
    }
    session *c = find_id(s, number_at(frame.data + AT_ID));
    if (c == NULL || is_over(c, now)) {
        session_refuse(s, LATTICE_REFUSED_UNKNOWN_SESSION, NULL, now, e,
                       "a message of a session that has ended, or never was");
        return STATUS_NOT_FOUND;
    }
    *ret = c;
    return STATUS_OK;
}

status sessions_open(sessions *s, slice frame, session_now now, session **ret, uint8_t *plain,
                     size_t *ret_len, err *e) {
    session *c;
    uint8_t nonce[AES_GCM_NONCE_BYTES];
    TRY(find_session(s, frame, now, &c, e));
    uint64_t number = number_at(frame.data + AT_NUMBER);
    if (number == UINT64_MAX || was_seen(c, number)) {
        return session_refuse(s, LATTICE_REFUSED_REPLAYED, &c->peer->host, now, e,
                              "a message that has been taken, or is too old to tell");
    }
    slice sealed = slice_sub(frame, SESSION_HEAD_BYTES, frame.len - SESSION_TAG_BYTES);
    nonce_of(c->open_nonce, frame.data + AT_NUMBER, nonce);
    if (!aes_gcm_open(c->open, nonce, slice_of(frame.data, SESSION_HEAD_BYTES), sealed,
                      frame.data + frame.len - SESSION_TAG_BYTES, plain)) {
        return session_refuse(s, LATTICE_REFUSED_NOT_SEALED, &c->peer->host, now, e,
                              "a message that the other host did not seal, or not like this");
    }
    note_seen(c, number);
    c->is_proved = c->is_heard = true;
    c->unheard_ns = 0;
    c->is_silent = false;
    *ret = c;
    *ret_len = sealed.len;
    return STATUS_OK;
}
