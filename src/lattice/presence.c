// SPDX-License-Identifier: Apache-2.0
#include "lattice/presence.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/jitter.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "base/table.h"
#include "codec/subject.h"
#include "lattice/statement.h"
#include "os/clock.h"

enum {
    ITEM_BYTES = 16,      // of an item beside its id, at most
    HEAD_BYTES = 256,     // of a message beside its items, at most
    ALL_AT_ONCE_MAX = 64, // so few items are told whole after a lost connection, without being asked
    HEARD_PER_SECOND_MAX = 4000,
    MESSAGE_MEMORY_MAX = 1 << 20,
    SUBJECT_BYTES = CLUSTER_LATTICE_BYTES_MAX + 32, // "writ.v1.{lattice}.presence"
};
#define MS UINT64_C(1000000)
#define RECONNECT_SPREAD_NS (500 * MS) // over which hosts speak up again when a bus comes back

static const char topic[] = "presence";
static const char inbox_prefix[] = "_INBOX.";

typedef struct own { // something that this host serves
    table_node node;
    size_t index;

    bool is_changed;    // and not told yet
    presence_item item; // with is_gone: only to be told
    char id[];
} own;

typedef struct owns {
    own **items;
    size_t count, capacity;
} owns;

struct presence {
    presence_options options;
    loop *loop;
    peers *peers;
    char *lattice, *version, *token;
    siphash_key secret;
    uint64_t random;
    char subject[SUBJECT_BYTES];
    char ask_subject[BUS_SUBJECT_BYTES_MAX];
    char inbox_subject[BUS_INBOX_BYTES_MAX];
    bus_subscription all, asked, inbox;
    bus_watcher watcher;

    uint64_t sequence, revision;
    table own_by_id;
    owns serves, changed;
    uint32_t in_flight, room;
    bool is_draining, has_ended;
    loop_timer beat, gather;

    char *answers[PRESENCE_ANSWERS_MAX]; // reply subjects
    size_t answer_count;
    bool answer_to_all;
    loop_timer answer;

    loop_timer lost;
    loop_timer settle;
    uint64_t settle_at_most_ns;
    bool is_settled;
    uint64_t heard_second, heard_in_second;
    presence_counters counters;
};

static uint64_t now_of(const presence *p) { return loop_now_ns(p->loop); }

static uint64_t wall_of(const presence *p) {
    if (p->options.wall_ms != NULL) {
        return p->options.wall_ms(p->options.wall_arg);
    }
    clock_wall now = clock_wall_now();
    return now.seconds * 1000 + now.nanoseconds / 1000000;
}

// --- saying ------------------------------------------------------------------------------------------------

static uint64_t beat_ns(const presence *p) {
    uint64_t by_hosts = peers_count(p->peers) * PRESENCE_BEAT_NS_PER_HOST;
    uint64_t ns = by_hosts > PRESENCE_BEAT_NS ? by_hosts : PRESENCE_BEAT_NS;
    return ns > PRESENCE_BEAT_MS_MAX * MS ? PRESENCE_BEAT_MS_MAX * MS : ns;
}

// A little before what was promised, not all hosts at once.
static void start_beat(presence *p) {
    uint64_t ns = beat_ns(p);
    loop_timer_start_in(&p->beat, ns - jitter_next(&p->random) % (ns / 8));
}

static presence_message message_of(const presence *p, presence_kind kind) {
    return (presence_message){.kind = kind,
                              .allows_unsigned_peers = p->options.allows_unsigned_peers,
                              .is_draining = p->is_draining,
                              .version = slice_from_text(p->version),
                              .beat_ms = (uint32_t)(beat_ns(p) / MS),
                              .in_flight = p->in_flight,
                              .room = p->room,
                              .revision = p->revision,
                              .serves = (uint32_t)p->serves.count,
                              .parts = 1};
}

// What cannot be sent is not told again: the next message shows what was missed.
static void say(presence *p, const presence_message *m, slice subject, slice reply) {
    auto_buf content, bytes;
    buf_init(&content, PRESENCE_BYTES_MAX);
    buf_init(&bytes, PRESENCE_BYTES_MAX + STATEMENT_OVERHEAD_BYTES_MAX);
    if (presence_message_write(m, &content, NULL) != STATUS_OK) {
        return;
    }
    statement s = {.topic = slice_from_text(topic),
                   .lattice = slice_from_text(p->lattice),
                   .wall_ms = wall_of(p),
                   .epoch = p->options.epoch,
                   .sequence = ++p->sequence,
                   .content = buf_slice(&content)};
    if (statement_write(&s, p->options.key, slice_from_text(p->token), &bytes, NULL) != STATUS_OK) {
        return;
    }
    bus_message out = {.subject = subject, .reply = reply, .payload = buf_slice(&bytes)};
    if (bus_publish(p->options.bus, &out, NULL) == STATUS_OK) {
        p->counters.said++;
        p->counters.said_bytes += bytes.len;
    }
}

static void say_to_all(presence *p, presence_kind kind) {
    presence_message m = message_of(p, kind);
    slice reply = kind == PRESENCE_ASK ? slice_from_text(p->inbox_subject) : slice_empty();
    say(p, &m, slice_from_text(p->subject), reply);
    start_beat(p);
}

static size_t part_bytes(const presence *p) {
    size_t most = bus_payload_max(p->options.bus);
    most = most > STATEMENT_OVERHEAD_BYTES_MAX ? most - STATEMENT_OVERHEAD_BYTES_MAX : 0;
    most = most > PRESENCE_BYTES_MAX ? PRESENCE_BYTES_MAX : most;
    return most > HEAD_BYTES ? most - HEAD_BYTES : 0;
}

// How many items from `from` on fit in one message.
static size_t items_that_fit(const owns *o, size_t from, size_t bytes_max) {
    size_t bytes = 0;
    size_t count = 0;
    while (from + count < o->count && count < PRESENCE_ITEMS_MAX) {
        bytes += o->items[from + count]->item.id.len + ITEM_BYTES;
        if (bytes > bytes_max && count > 0) {
            break;
        }
        count++;
    }
    return count;
}

static uint32_t parts_of(const owns *o, size_t bytes_max) {
    uint32_t parts = 0;
    for (size_t from = 0; from < o->count; from += items_that_fit(o, from, bytes_max)) {
        parts++;
    }
    return parts == 0 ? 1 : parts;
}

// One message with items, or a part of a whole list.
static void say_items(presence *p, presence_message *m, const owns *o, size_t from, size_t count,
                      slice subject) {
    presence_item *items = mem_calloc(count + 1, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        items[i] = o->items[from + i]->item;
    }
    m->items = items;
    m->item_count = count;
    say(p, m, subject, slice_empty());
    mem_free(items);
}

static void say_all(presence *p, slice subject) {
    size_t bytes_max = part_bytes(p);
    presence_message m = message_of(p, PRESENCE_ALL);
    m.parts = parts_of(&p->serves, bytes_max);
    size_t from = 0;
    for (m.part = 0; m.part < m.parts; m.part++) {
        size_t count = items_that_fit(&p->serves, from, bytes_max);
        say_items(p, &m, &p->serves, from, count, subject);
        from += count;
    }
}

// --- what is served ----------------------------------------------------------------------------------------

static void owns_push(owns *o, own *item) {
    if (o->count == o->capacity) {
        o->capacity = o->capacity == 0 ? 8 : o->capacity * 2;
        o->items = mem_resize(o->items, o->capacity * sizeof(own *));
    }
    o->items[o->count++] = item;
}

static uint64_t hash_of(const presence *p, slice id) { return siphash(p->secret, id); }

static own *find_own(const presence *p, slice id) {
    table_node *n = table_find(&p->own_by_id, hash_of(p, id));
    while (n != NULL && !slice_equal(LIST_ENTRY(n, own, node)->item.id, id)) {
        n = table_find_next(n);
    }
    return n == NULL ? NULL : LIST_ENTRY(n, own, node);
}

static void mark_changed(presence *p, own *o) {
    if (!o->is_changed) {
        o->is_changed = true;
        owns_push(&p->changed, o);
    }
    if (!loop_timer_is_active(&p->gather)) {
        loop_timer_start_in(&p->gather, PRESENCE_GATHER_NS);
    }
}

static void free_own(presence *p, own *o) {
    table_remove(&p->own_by_id, &o->node);
    mem_free(o);
}

// Tells what has changed since it was told last.
static void tell_changes(presence *p) {
    loop_timer_stop(&p->gather);
    if (p->changed.count == 0) {
        return;
    }
    p->revision++;
    if (parts_of(&p->changed, part_bytes(p)) == 1) {
        presence_message m = message_of(p, PRESENCE_CHANGE);
        say_items(p, &m, &p->changed, 0, p->changed.count, slice_from_text(p->subject));
    } else {
        say_all(p, slice_from_text(p->subject));
    }
    for (size_t i = 0; i < p->changed.count; i++) {
        own *o = p->changed.items[i];
        o->is_changed = false;
        if (o->item.is_gone) {
            free_own(p, o);
        }
    }
    p->changed.count = 0;
    start_beat(p);
}

static void on_gather(void *arg) { tell_changes(arg); }

status presence_serve(presence *p, slice id, bool is_provider, int32_t revision, err *e) {
    own *o = find_own(p, id);
    bool is_new = o == NULL || o->item.is_gone;
    if (is_new && p->serves.count == PEER_SERVES_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d components and providers on one host", PEER_SERVES_MAX);
    }
    if (!is_new && o->item.is_provider == is_provider && o->item.revision == revision) {
        return STATUS_OK;
    }
    if (o == NULL) {
        if (id.len == 0 || id.len > LATTICE_ID_BYTES_MAX ||
            !subject_is_plain_within(id, LATTICE_ID_BYTES_MAX)) {
            return err_set(e, STATUS_INVALID, "'%.*s' is no id of a component or provider", SLICE_ARG(id));
        }
        o = mem_zalloc(sizeof *o + id.len);
        memcpy(o->id, id.data, id.len);
        o->item.id = slice_of(o->id, id.len);
        table_add(&p->own_by_id, &o->node, hash_of(p, id));
    }
    o->item.is_gone = false;
    o->item.is_provider = is_provider;
    o->item.revision = revision;
    if (is_new) {
        o->index = p->serves.count;
        owns_push(&p->serves, o);
    }
    mark_changed(p, o);
    return STATUS_OK;
}

void presence_withdraw(presence *p, slice id) {
    own *o = find_own(p, id);
    if (o == NULL || o->item.is_gone) {
        return;
    }
    p->serves.items[o->index] = p->serves.items[--p->serves.count];
    p->serves.items[o->index]->index = o->index;
    o->item.is_gone = true;
    mark_changed(p, o);
}

void presence_set_load(presence *p, uint32_t in_flight, uint32_t room) {
    p->in_flight = in_flight;
    p->room = room;
}

void presence_drain(presence *p) {
    if (!p->is_draining) {
        p->is_draining = true;
        say_to_all(p, PRESENCE_BEAT);
    }
}

static void on_beat(void *arg) {
    presence *p = arg;
    tell_changes(p);
    say_to_all(p, PRESENCE_BEAT);
}

// --- answering ---------------------------------------------------------------------------------------------

static void on_answer(void *arg) {
    presence *p = arg;
    tell_changes(p);
    if (p->answer_to_all) {
        say_all(p, slice_from_text(p->subject));
        start_beat(p);
    }
    for (size_t i = 0; i < p->answer_count; i++) {
        if (!p->answer_to_all) {
            say_all(p, slice_from_text(p->answers[i]));
        }
        mem_free(p->answers[i]);
    }
    p->answer_count = 0;
    p->answer_to_all = false;
}

// Somebody wants to know all. Answers wait for chance, so that those to one question come over some time and
// many questions can have one answer.
static void plan_answer(presence *p, slice reply) {
    if (!slice_starts_with(reply, inbox_prefix) || !subject_is_plain_within(reply, BUS_INBOX_BYTES_MAX)) {
        return;
    }
    if (p->answer_count == PRESENCE_ANSWERS_MAX) {
        p->answer_to_all = true;
    } else {
        p->answers[p->answer_count++] = mem_slice_dup(reply);
    }
    if (!loop_timer_is_active(&p->answer)) {
        uint64_t spread = PRESENCE_GATHER_NS + peers_count(p->peers) * PRESENCE_ANSWER_NS_PER_HOST;
        loop_timer_start_in(&p->answer, jitter_next(&p->random) % spread);
    }
}

static void ask_host(presence *p, const nkey_public *host) {
    char subject[BUS_SUBJECT_BYTES_MAX];
    nkey_text key = nkey_public_text(host);
    snprintf(subject, sizeof subject, "%s.ask.%s", p->subject, key.text);
    presence_message m = message_of(p, PRESENCE_ASK);
    say(p, &m, slice_from_text(subject), slice_from_text(p->inbox_subject));
    p->counters.questions++;
}

// --- hearing -----------------------------------------------------------------------------------------------

static void set_lost(presence *p) {
    uint64_t at = peers_next_ns(p->peers);
    if (at == UINT64_MAX) {
        loop_timer_stop(&p->lost);
    } else if (!loop_timer_is_active(&p->lost) || p->lost.deadline_ns != at) {
        loop_timer_start_at(&p->lost, at);
    }
}

static void on_lost(void *arg) {
    presence *p = arg;
    peers_tick(p->peers, now_of(p));
    set_lost(p);
}

static void on_settle(void *arg) {
    presence *p = arg;
    p->is_settled = true;
    if (p->options.settled != NULL) {
        p->options.settled(p->options.arg);
    }
}

static void on_peer_changed(void *arg, const peer *who, peer_news news) {
    presence *p = arg;
    if (news == PEER_CAME && !p->is_settled && loop_timer_is_active(&p->settle)) {
        uint64_t at = now_of(p) + PRESENCE_SETTLE_NS;
        loop_timer_start_at(&p->settle, at < p->settle_at_most_ns ? at : p->settle_at_most_ns);
    }
    if (p->options.peer_changed != NULL) {
        p->options.peer_changed(p->options.arg, who, news);
    }
}

static void refuse(presence *p, lattice_refused why, slice who, const char *text) {
    p->counters.refused++;
    lattice_refuse(p->options.refusals, why, who, text, now_of(p));
}

static bool is_flood(presence *p) {
    uint64_t second = now_of(p) / (1000 * MS);
    if (second != p->heard_second) {
        p->heard_second = second;
        p->heard_in_second = 0;
    }
    return ++p->heard_in_second > HEARD_PER_SECOND_MAX;
}

// What a host has said, which is verified.
static void hear(presence *p, const statement *s, const bus_message *m) {
    auto_arena memory;
    arena_init(&memory, MESSAGE_MEMORY_MAX);
    presence_message said;
    peers_heard heard;
    err e;
    nkey_text who = nkey_public_text(&s->host);
    if (presence_message_read(s->content, &memory, &said, &e) != STATUS_OK) {
        refuse(p, LATTICE_REFUSED_MALFORMED, slice_from_text(who.text), e.message);
        return;
    }
    if (peers_hear(p->peers, &s->host, s->epoch, s->sequence, &said, now_of(p), &heard, &e) != STATUS_OK) {
        refuse(p, LATTICE_REFUSED_TOO_LARGE, slice_from_text(who.text), e.message);
        return;
    }
    if (heard == PEERS_HEARD_OLD) {
        return;
    }
    p->counters.heard++;
    p->counters.heard_bytes += m->payload.len;
    if (heard == PEERS_HEARD_PART) {
        ask_host(p, &s->host);
    }
    if (said.kind == PRESENCE_ASK && m->reply.len > 0) {
        plan_answer(p, m->reply);
    }
    set_lost(p);
}

static void on_message(void *arg, bus_subscription *s, const bus_message *m) {
    (void)s;
    presence *p = arg;
    if (p->has_ended) {
        return;
    }
    if (is_flood(p)) {
        refuse(p, LATTICE_REFUSED_FLOOD, slice_empty(), "presence: more messages in a second than are read");
        return;
    }
    statement said;
    lattice_refused why;
    err e;
    if (statement_read(m->payload, slice_from_text(topic), slice_from_text(p->lattice), p->options.cluster,
                       wall_of(p), &said, &why, &e) != STATUS_OK) {
        refuse(p, why, slice_empty(), e.message);
        return;
    }
    hear(p, &said, m);
}

// After a lost connection: nobody asks, since all would at once. What is new shows in the beats.
static void on_connection(void *arg, bool is_up, const char *reason) {
    (void)reason;
    presence *p = arg;
    if (!is_up || p->has_ended) {
        return;
    }
    if (p->serves.count <= ALL_AT_ONCE_MAX) {
        p->answer_to_all = true;
        loop_timer_start_in(&p->answer, jitter_next(&p->random) % RECONNECT_SPREAD_NS);
    } else {
        loop_timer_start_in(&p->beat, jitter_next(&p->random) % RECONNECT_SPREAD_NS);
    }
}

// --- life --------------------------------------------------------------------------------------------------

static void init_timers(presence *p) {
    loop_timer_init(&p->beat, p->loop, on_beat, p);
    loop_timer_init(&p->gather, p->loop, on_gather, p);
    loop_timer_init(&p->answer, p->loop, on_answer, p);
    loop_timer_init(&p->lost, p->loop, on_lost, p);
    loop_timer_init(&p->settle, p->loop, on_settle, p);
}

static status subscribe(presence *p, err *e) {
    bus *b = p->options.bus;
    bus_inbox(b, p->inbox_subject);
    TRY(bus_subscribe(b, &p->all, slice_from_text(p->subject), slice_empty(), on_message, p, e));
    TRY(bus_subscribe(b, &p->asked, slice_from_text(p->ask_subject), slice_empty(), on_message, p, e));
    return bus_subscribe(b, &p->inbox, slice_from_text(p->inbox_subject), slice_empty(), on_message, p, e);
}

static presence *new_presence(const presence_options *o) {
    presence *p = MEM_NEW(presence);
    p->options = *o;
    p->loop = o->bus->loop;
    p->lattice = mem_slice_dup(o->lattice);
    p->version = mem_slice_dup(slice_sub(o->version, 0, PRESENCE_VERSION_BYTES_MAX));
    p->token = mem_slice_dup(o->token);
    p->random = o->seed;
    p->secret = (siphash_key){jitter_next(&p->random), jitter_next(&p->random)};
    nkey_public self = nkey_public_of(o->key);
    snprintf(p->subject, sizeof p->subject, "writ.v1.%s.%s", p->lattice, topic);
    snprintf(p->ask_subject, sizeof p->ask_subject, "writ.v1.%s.%s.ask.%s", p->lattice, topic,
             nkey_public_text(&self).text);
    p->peers = peers_new(&(peers_options){
        .self = self, .seed = jitter_next(&p->random), .changed = on_peer_changed, .arg = p});
    init_timers(p);
    return p;
}

status presence_start(const presence_options *o, presence **ret, err *e) {
    TRY(cluster_lattice_check(o->lattice, e));
    presence *p = new_presence(o);
    status code = subscribe(p, e);
    if (code != STATUS_OK) {
        presence_free(p);
        return code;
    }
    p->watcher = (bus_watcher){.changed = on_connection, .arg = p};
    bus_add_watcher(o->bus, &p->watcher);
    p->settle_at_most_ns = now_of(p) + PRESENCE_SETTLE_NS_MAX;
    loop_timer_start_in(&p->settle, PRESENCE_SETTLE_NS);
    say_to_all(p, PRESENCE_ASK);
    *ret = p;
    return STATUS_OK;
}

static void free_owns(presence *p) {
    for (size_t i = 0; i < p->changed.count; i++) {
        if (p->changed.items[i]->item.is_gone) {
            free_own(p, p->changed.items[i]);
        }
    }
    for (size_t i = 0; i < p->serves.count; i++) {
        free_own(p, p->serves.items[i]);
    }
    table_done(&p->own_by_id);
    mem_free(p->serves.items);
    mem_free(p->changed.items);
}

void presence_free(presence *p) {
    if (p == NULL) {
        return;
    }
    bus_unsubscribe(&p->all);
    bus_unsubscribe(&p->asked);
    bus_unsubscribe(&p->inbox);
    bus_remove_watcher(&p->watcher);
    loop_timer *const timers[] = {&p->beat, &p->gather, &p->answer, &p->lost, &p->settle};
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        loop_timer_stop(timers[i]);
    }
    for (size_t i = 0; i < p->answer_count; i++) {
        mem_free(p->answers[i]);
    }
    free_owns(p);
    peers_free(p->peers);
    mem_free(p->lattice);
    mem_free(p->version);
    mem_free(p->token);
    mem_free(p);
}

void presence_end(presence *p) {
    if (p->has_ended) {
        return;
    }
    p->has_ended = true;
    say_to_all(p, PRESENCE_END);
    loop_timer_stop(&p->beat);
    loop_timer_stop(&p->gather);
    loop_timer_stop(&p->answer);
}

void presence_set_token(presence *p, slice token) {
    mem_free(p->token);
    p->token = mem_slice_dup(token);
}

peers *presence_peers(presence *p) { return p->peers; }

bool presence_is_settled(const presence *p) { return p->is_settled; }

void presence_end_host(presence *p, const nkey_public *host, uint64_t epoch) {
    peers_end(p->peers, host, epoch, now_of(p));
    set_lost(p);
}

presence_counters presence_count(const presence *p) { return p->counters; }
