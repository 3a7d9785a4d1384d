// SPDX-License-Identifier: Apache-2.0
// Two tables: hosts by their key, and what is served by its id. Between them one `service` for each pair,
// which both sides list, so that a host and what it serves go with as little work as they came.
#include "lattice/peers.h"

#include <stdio.h>

#include "base/check.h"
#include "base/jitter.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "base/table.h"

enum { BEATS_MISSED = 3, PICKS = 2 };
#define MS UINT64_C(1000000)
#define ASK_AGAIN_NS (1000 * MS)

typedef struct service service;

typedef struct pointers { // an array that grows
    service **items;
    size_t count, capacity;
} pointers;

typedef struct served { // an id that somebody serves
    table_node node;
    pointers by;
    size_t id_len;
    char id[];
} served;

typedef struct host host;

struct service {
    host *at;
    served *what;
    size_t at_index, what_index; // where the two list it
    bool is_provider;
    int32_t revision;
    uint64_t mark; // of the last whole list that it was in
};

struct host {
    peer seen; // first: what others get
    table_node node;
    size_t index;        // among all, when it is there
    list_node forgotten; // when it is not
    bool is_there;
    bool has_ended;    // for good, in this epoch
    bool is_whole;     // what it serves is known as of `revision`
    uint64_t sequence; // the last that was believed
    uint64_t revision;
    uint64_t mark;         // of the whole list that comes, or came last
    uint64_t all_revision; // of the list that comes in parts
    uint32_t all_part;     // the one that is next; 0 = none
    uint64_t asked_ns;     // when it was last said that all is missing; 0 = never
    uint64_t avoid_until_ns;
    uint64_t avoid_ns; // how long the next time
    pointers services;
};

struct peers {
    peers_options options;
    siphash_key secret;
    uint64_t random;
    table hosts, ids;
    host **there; // who is there
    size_t count, capacity;
    size_t services;     // in all
    list_node forgotten; // the oldest first
    size_t forgotten_count;
    uint64_t next_ns; // nobody is lost before
};

static host *host_of_node(table_node *n) { return LIST_ENTRY(n, host, node); }
static served *served_of_node(table_node *n) { return LIST_ENTRY(n, served, node); }
static host *host_of(const peer *p) { return LIST_ENTRY(p, host, seen); }

// --- tables ------------------------------------------------------------------------------------------------

static void pointers_push(pointers *v, service *s) {
    if (v->count == v->capacity) {
        v->capacity = v->capacity == 0 ? 2 : v->capacity * 2;
        v->items = mem_resize(v->items, v->capacity * sizeof(service *));
    }
    v->items[v->count++] = s;
}

static uint64_t hash_of(const peers *p, slice bytes) { return siphash(p->secret, bytes); }

static host *find_host(const peers *p, const nkey_public *key) {
    table_node *n = table_find(&p->hosts, hash_of(p, slice_of(key->bytes, sizeof key->bytes)));
    while (n != NULL && !nkey_public_equal(&host_of_node(n)->seen.host, key)) {
        n = table_find_next(n);
    }
    return n == NULL ? NULL : host_of_node(n);
}

static host *find_there(const peers *p, const nkey_public *key) {
    host *h = find_host(p, key);
    return h != NULL && h->is_there ? h : NULL;
}

static served *find_served(const peers *p, slice id) {
    table_node *n = table_find(&p->ids, hash_of(p, id));
    while (n != NULL && !slice_equal(slice_of(served_of_node(n)->id, served_of_node(n)->id_len), id)) {
        n = table_find_next(n);
    }
    return n == NULL ? NULL : served_of_node(n);
}

static served *need_served(peers *p, slice id) {
    served *v = find_served(p, id);
    if (v == NULL) {
        v = mem_zalloc(sizeof *v + id.len);
        v->id_len = id.len;
        memcpy(v->id, id.data, id.len);
        table_add(&p->ids, &v->node, hash_of(p, id));
    }
    return v;
}

static service *find_service(const host *h, const served *v) {
    // The shorter of the two lists: a component has few replicas, or a host serves little.
    const pointers *list = h->services.count < v->by.count ? &h->services : &v->by;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->at == h && list->items[i]->what == v) {
            return list->items[i];
        }
    }
    return NULL;
}

static void remove_service(peers *p, service *s) {
    pointers *by = &s->what->by;
    by->items[s->what_index] = by->items[--by->count];
    by->items[s->what_index]->what_index = s->what_index;
    pointers *at = &s->at->services;
    at->items[s->at_index] = at->items[--at->count];
    at->items[s->at_index]->at_index = s->at_index;
    s->at->seen.serves--;
    p->services--;
    if (by->count == 0) {
        table_remove(&p->ids, &s->what->node);
        mem_free(by->items);
        mem_free(s->what);
    }
    mem_free(s);
}

static void remove_services(peers *p, host *h) {
    while (h->services.count > 0) {
        remove_service(p, h->services.items[h->services.count - 1]);
    }
}

static void add_service(peers *p, host *h, served *v, const presence_item *item) {
    service *s = MEM_NEW(service);
    *s = (service){.at = h,
                   .what = v,
                   .at_index = h->services.count,
                   .what_index = v->by.count,
                   .is_provider = item->is_provider,
                   .revision = item->revision,
                   .mark = h->mark};
    pointers_push(&h->services, s);
    pointers_push(&v->by, s);
    h->seen.serves++;
    p->services++;
}

// --- hosts that come and go --------------------------------------------------------------------------------

static void free_host(peers *p, host *h) {
    table_remove(&p->hosts, &h->node);
    remove_services(p, h);
    mem_free(h->services.items);
    mem_free(h);
}

static void forget(peers *p, host *h) {
    p->there[h->index] = p->there[--p->count];
    p->there[h->index]->index = h->index;
    h->is_there = false;
    h->is_whole = false;
    h->all_part = 0;
    h->seen.calls = 0;
    remove_services(p, h);
    list_push_back(&p->forgotten, &h->forgotten);
    if (++p->forgotten_count > PEERS_FORGOTTEN_MAX) {
        p->forgotten_count--;
        free_host(p, LIST_ENTRY(list_pop_front(&p->forgotten), host, forgotten));
    }
}

static void come(peers *p, host *h) {
    if (!list_empty(&h->forgotten)) {
        list_remove(&h->forgotten);
        p->forgotten_count--;
    }
    if (p->count == p->capacity) {
        p->capacity = p->capacity == 0 ? 16 : p->capacity * 2;
        p->there = mem_resize(p->there, p->capacity * sizeof(host *));
    }
    h->is_there = true;
    h->asked_ns = 0;
    h->avoid_until_ns = 0;
    h->avoid_ns = PEERS_AVOID_NS;
    h->index = p->count;
    p->there[p->count++] = h;
}

static host *add_host(peers *p, const nkey_public *key) {
    host *h = MEM_NEW(host);
    h->seen.host = *key;
    list_init(&h->forgotten);
    table_add(&p->hosts, &h->node, hash_of(p, slice_of(key->bytes, sizeof key->bytes)));
    return h;
}

uint64_t peer_over_before(const peer *p, peer_news news) {
    switch (news) {
    case PEER_CAME: // it may have been silent, and forgotten, in another life
    case PEER_RESTARTED:
        return p->epoch;
    case PEER_LEFT:
        return p->epoch + 1;
    case PEER_LOST:
        return UINT64_MAX;
    case PEER_CHANGED:
        break;
    }
    return 0;
}

static void tell(peers *p, const host *h, peer_news news) {
    if (p->options.changed != NULL) {
        p->options.changed(p->options.arg, &h->seen, news);
    }
}

peers *peers_new(const peers_options *o) {
    peers *p = MEM_NEW(peers);
    p->options = *o;
    p->random = o->seed;
    p->secret = (siphash_key){jitter_next(&p->random), jitter_next(&p->random)};
    p->next_ns = UINT64_MAX;
    list_init(&p->forgotten);
    return p;
}

void peers_free(peers *p) {
    if (p == NULL) {
        return;
    }
    while (p->count > 0) {
        free_host(p, p->there[--p->count]);
    }
    for (list_node *n; (n = list_pop_front(&p->forgotten)) != NULL;) {
        free_host(p, LIST_ENTRY(n, host, forgotten));
    }
    table_done(&p->hosts);
    table_done(&p->ids);
    mem_free(p->there);
    mem_free(p);
}

// --- hearing -----------------------------------------------------------------------------------------------

// Puts the items of a message in; returns whether something is different now.
static bool apply_items(peers *p, host *h, const presence_message *m) {
    bool is_different = false;
    for (size_t i = 0; i < m->item_count; i++) {
        const presence_item *item = &m->items[i];
        served *v = item->is_gone ? find_served(p, item->id) : need_served(p, item->id);
        service *s = v == NULL ? NULL : find_service(h, v);
        if (item->is_gone) {
            if (s != NULL) {
                remove_service(p, s);
                is_different = true;
            }
        } else if (s == NULL) {
            add_service(p, h, v, item);
            is_different = true;
        } else {
            is_different =
                is_different || s->revision != item->revision || s->is_provider != item->is_provider;
            s->is_provider = item->is_provider;
            s->revision = item->revision;
            s->mark = h->mark;
        }
    }
    return is_different;
}

// What was in no part of the whole list that has come is not served any more.
static bool sweep(peers *p, host *h) {
    bool is_different = false;
    for (size_t i = h->services.count; i-- > 0;) {
        if (h->services.items[i]->mark != h->mark) {
            remove_service(p, h->services.items[i]);
            is_different = true;
        }
    }
    return is_different;
}

static bool hear_all(peers *p, host *h, const presence_message *m) {
    if (m->part == 0) {
        h->mark++;
        h->all_revision = m->revision;
        h->all_part = 0;
    } else if (m->part != h->all_part || m->revision != h->all_revision) {
        h->all_part = 0;
        h->is_whole = false;
        return false; // one was lost: what is here is of no use without it
    }
    bool is_different = apply_items(p, h, m);
    h->all_part = m->part + 1;
    if (h->all_part == m->parts) {
        h->all_part = 0;
        is_different = sweep(p, h) || is_different;
        h->revision = m->revision;
        h->is_whole = h->services.count == m->serves;
    }
    return is_different;
}

// Returns whether it serves something else than before.
static bool hear_serves(peers *p, host *h, const presence_message *m) {
    if (m->kind == PRESENCE_ALL) {
        return hear_all(p, h, m);
    }
    bool is_different = false;
    if (m->kind == PRESENCE_CHANGE) {
        bool is_next = h->is_whole && h->revision + 1 == m->revision;
        is_different = apply_items(p, h, m);
        h->revision = m->revision;
        h->is_whole = is_next && h->services.count == m->serves;
    } else if (m->revision != h->revision) {
        h->is_whole = false;
    }
    if (m->serves == 0) {
        is_different = h->services.count > 0 || is_different;
        remove_services(p, h);
        h->revision = m->revision;
        h->is_whole = true;
    }
    return is_different;
}

static void hear_head(peers *p, host *h, const presence_message *m, uint64_t now_ns) {
    peer *s = &h->seen;
    s->heard_ns = now_ns;
    s->lost_at_ns = now_ns + BEATS_MISSED * m->beat_ms * MS + PEERS_GRACE_NS;
    p->next_ns = s->lost_at_ns < p->next_ns ? s->lost_at_ns : p->next_ns;
    snprintf(s->version, sizeof s->version, "%.*s", SLICE_ARG(m->version));
    s->allows_unsigned_peers = m->allows_unsigned_peers;
    s->is_draining = m->is_draining;
    s->in_flight = m->in_flight;
    s->room = m->room;
}

static bool is_old(const host *h, uint64_t epoch, uint64_t sequence) {
    return epoch < h->seen.epoch || (epoch == h->seen.epoch && (h->has_ended || sequence <= h->sequence));
}

static status check_room(const peers *p, const host *h, const presence_message *m, err *e) {
    if ((h == NULL || !h->is_there) && p->count == PEERS_MAX) {
        return err_set(e, STATUS_LIMIT, "presence: more than %d hosts", PEERS_MAX);
    }
    // A list that replaces another one stands beside it until it is whole.
    size_t now = h == NULL ? 0 : h->services.count;
    if (m->serves > PEER_SERVES_MAX || now + m->item_count > 2 * (size_t)PEER_SERVES_MAX ||
        p->services + m->item_count > PEERS_SERVES_MAX) {
        return err_set(e, STATUS_LIMIT,
                       "presence: a host serves %u components and providers, %d are taken of one host and %d "
                       "of all",
                       m->serves, PEER_SERVES_MAX, PEERS_SERVES_MAX);
    }
    return STATUS_OK;
}

// Whether to ask for the rest: not while it comes, and not again at once.
static bool is_to_be_asked(host *h, uint64_t now_ns) {
    if (h->is_whole || h->all_part != 0 || (h->asked_ns != 0 && now_ns - h->asked_ns < ASK_AGAIN_NS)) {
        return false;
    }
    h->asked_ns = now_ns;
    return true;
}

static void begin_life(host *h, uint64_t epoch) {
    h->seen.epoch = epoch;
    h->has_ended = false;
    h->is_whole = false;
    h->revision = 0;
    h->all_part = 0;
    h->asked_ns = 0;
    h->avoid_until_ns = 0;
    h->avoid_ns = PEERS_AVOID_NS;
}

static void end_life(peers *p, host *h, peer_news news) {
    tell(p, h, news);
    if (h->is_there) { // else who was told has ended it already
        forget(p, h);
    }
}

status peers_hear(peers *p, const nkey_public *key, uint64_t epoch, uint64_t sequence,
                  const presence_message *m, uint64_t now_ns, peers_heard *ret, err *e) {
    host *h = find_host(p, key);
    if (nkey_public_equal(key, &p->options.self) || (h != NULL && is_old(h, epoch, sequence))) {
        *ret = PEERS_HEARD_OLD;
        return STATUS_OK;
    }
    TRY(check_room(p, h, m, e));
    h = h == NULL ? add_host(p, key) : h;
    bool was_there = h->is_there;
    bool is_new_life = epoch != h->seen.epoch;
    if (is_new_life) {
        remove_services(p, h);
        begin_life(h, epoch);
    }
    h->sequence = sequence;
    if (!was_there) {
        come(p, h);
    }
    if (m->kind == PRESENCE_END) {
        h->has_ended = true;
        end_life(p, h, PEER_LEFT);
        *ret = PEERS_HEARD;
        return STATUS_OK;
    }
    hear_head(p, h, m, now_ns);
    bool is_different = hear_serves(p, h, m);
    *ret = is_to_be_asked(h, now_ns) ? PEERS_HEARD_PART : PEERS_HEARD;
    if (!was_there) {
        tell(p, h, PEER_CAME);
    } else if (is_new_life) {
        tell(p, h, PEER_RESTARTED);
    } else if (is_different) {
        tell(p, h, PEER_CHANGED);
    }
    return STATUS_OK;
}

void peers_end(peers *p, const nkey_public *key, uint64_t epoch, uint64_t now_ns) {
    (void)now_ns;
    host *h = find_there(p, key);
    if (h != NULL && h->seen.epoch <= epoch) {
        h->has_ended = true;
        end_life(p, h, PEER_LEFT);
    }
}

void peers_tick(peers *p, uint64_t now_ns) {
    if (now_ns < p->next_ns) {
        return;
    }
    p->next_ns = UINT64_MAX;
    for (size_t i = p->count; i-- > 0;) {
        host *h = p->there[i];
        if (h->seen.lost_at_ns <= now_ns) {
            end_life(p, h, PEER_LOST);
        } else if (h->seen.lost_at_ns < p->next_ns) {
            p->next_ns = h->seen.lost_at_ns;
        }
    }
}

uint64_t peers_next_ns(const peers *p) { return p->next_ns; }

// --- asking ------------------------------------------------------------------------------------------------

size_t peers_count(const peers *p) { return p->count; }

const peer *peers_find(const peers *p, const nkey_public *key) {
    host *h = find_there(p, key);
    return h == NULL ? NULL : &h->seen;
}

const peer *peers_next(const peers *p, size_t *at) {
    return *at < p->count ? &p->there[(*at)++]->seen : NULL;
}

bool peers_serves_next(const peers *p, const peer *who, size_t *at, presence_item *ret) {
    (void)p;
    const host *h = host_of(who);
    if (*at >= h->services.count) {
        return false;
    }
    const service *s = h->services.items[(*at)++];
    *ret = (presence_item){
        .id = slice_of(s->what->id, s->what->id_len), .is_provider = s->is_provider, .revision = s->revision};
    return true;
}

size_t peers_serving(const peers *p, slice id) {
    const served *v = find_served(p, id);
    return v == NULL ? 0 : v->by.count;
}

static bool is_among(const nkey_public *keys, size_t count, const nkey_public *key) {
    for (size_t i = 0; i < count; i++) {
        if (nkey_public_equal(&keys[i], key)) {
            return true;
        }
    }
    return false;
}

// How good it is to send a call to: the smaller the better; hosts that said no room count as small ones.
typedef struct fitness {
    bool is_avoided, is_draining;
    uint64_t busy; // per mille of its room
} fitness;

static fitness fitness_of(const host *h, uint64_t now_ns) {
    uint64_t room = h->seen.room == 0 ? 1 : h->seen.room;
    return (fitness){.is_avoided = now_ns < h->avoid_until_ns,
                     .is_draining = h->seen.is_draining,
                     .busy = (h->seen.calls + h->seen.in_flight) * UINT64_C(1000) / room};
}

static bool is_fitter(fitness a, fitness b) {
    if (a.is_avoided != b.is_avoided) {
        return b.is_avoided;
    }
    return a.is_draining != b.is_draining ? b.is_draining : a.busy < b.busy;
}

// A replica by chance, or the next one after it that may be taken; those that are well before others.
static host *pick(peers *p, const pointers *by, const nkey_public *not_these, size_t not_these_count,
                  const host *not_this, uint64_t now_ns) {
    host *second_best = NULL;
    size_t start = (size_t)(jitter_next(&p->random) % by->count);
    for (size_t i = 0; i < by->count; i++) {
        host *h = by->items[(start + i) % by->count]->at;
        if (h == not_this || is_among(not_these, not_these_count, &h->seen.host)) {
            continue;
        }
        if (now_ns >= h->avoid_until_ns && !h->seen.is_draining) {
            return h;
        }
        if (second_best == NULL || is_fitter(fitness_of(h, now_ns), fitness_of(second_best, now_ns))) {
            second_best = h;
        }
    }
    return second_best;
}

const peer *peers_choose(peers *p, slice id, const nkey_public *not_these, size_t not_these_count,
                         uint64_t now_ns) {
    const served *v = find_served(p, id);
    if (v == NULL) {
        return NULL;
    }
    host *best = NULL;
    for (int i = 0; i < PICKS; i++) {
        host *h = pick(p, &v->by, not_these, not_these_count, best, now_ns);
        if (h != NULL && (best == NULL || is_fitter(fitness_of(h, now_ns), fitness_of(best, now_ns)))) {
            best = h;
        }
    }
    return best == NULL ? NULL : &best->seen;
}

void peers_call_begin(peers *p, const nkey_public *key) {
    host *h = find_there(p, key);
    if (h != NULL) {
        h->seen.calls++;
    }
}

static void avoid(host *h, uint64_t now_ns) {
    h->avoid_until_ns = now_ns + h->avoid_ns;
    h->avoid_ns = h->avoid_ns * 2 > PEERS_AVOID_NS_MAX ? PEERS_AVOID_NS_MAX : h->avoid_ns * 2;
}

void peers_call_end(peers *p, const nkey_public *key, bool is_well, uint64_t now_ns) {
    host *h = find_there(p, key);
    if (h == NULL) {
        return;
    }
    peers_call_cancelled(p, key);
    if (is_well) {
        h->avoid_until_ns = 0;
        h->avoid_ns = PEERS_AVOID_NS;
    } else {
        avoid(h, now_ns);
    }
}

void peers_call_cancelled(peers *p, const nkey_public *key) {
    host *h = find_there(p, key);
    if (h != NULL) {
        h->seen.calls -= h->seen.calls > 0; // one that was lost and came back counts from 0
    }
}

void peers_avoid(peers *p, const nkey_public *key, uint64_t now_ns) {
    host *h = find_there(p, key);
    if (h != NULL && now_ns >= h->avoid_until_ns) {
        avoid(h, now_ns);
    }
}
