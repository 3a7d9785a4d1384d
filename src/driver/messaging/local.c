// SPDX-License-Identifier: Apache-2.0
// Messages within this process: a bus that links share by its name. What is published is put into the feed of
// each subscription that fits, of a queue group into that of one member, before the publisher is answered; a
// feed that is full refuses the message for all, so that a publisher never has to guess who has it.
//
// Nothing is kept beyond the process. What waits for a link that closes goes to another member of its group,
// or to the link that has taken its place: of the same workload, with the same pattern.
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "driver/messaging/messaging.h"
#include "os/random.h"

enum { BUS_NAME_BYTES_MAX = 128, REQUESTS_MAX = 4096, INBOX_BYTES = 16, INBOX_TEXT_MAX = 64 };

typedef struct bus {
    driver_shared base;
    list_node members;
    list_node requests;         // of all links, that wait for an answer
    char inbox[INBOX_TEXT_MAX]; // "_INBOX.<random>.": what the subjects of answers begin with
    uint64_t next_request;
    uint64_t turns;     // of queue groups
    uintptr_t messages; // that were published; the tag of each is its number
} bus;

typedef struct member { // a subscription
    list_node node;
    const driver_link *link;
    const messaging_subscription *subscription;
    messaging_feed *feed;
    uint64_t last_turn;
    uintptr_t joined; // bus.messages then
    bool gets_it;     // the message that is being published
    bool is_decided;
} member;

struct driver_link {
    loop *l;
    driver_link_options options;
    messaging_settings settings;
    bus *bus;
    member *members;        // one for each subscription
    messaging_feed **feeds; // likewise
    uint32_t request_count;
    uint64_t since_ns;
    loop_soon closed;
};

// --- the bus -----------------------------------------------------------------------------------------------

static bus *take_bus(const driver_environment *env, slice name) {
    bus *b = (bus *)driver_share(env, &messaging_local, name, sizeof(bus));
    if (b->base.users == 1) {
        uint64_t secret[2];
        random_fill(&secret, sizeof secret);
        (void)snprintf(b->inbox, sizeof b->inbox, "_INBOX.%016" PRIx64 "%016" PRIx64 ".", secret[0],
                       secret[1]);
        list_init(&b->members);
        list_init(&b->requests);
    }
    return b;
}

static void give_bus(bus *b) {
    if (driver_unshare(&b->base)) {
        driver_shared_free(&b->base);
    }
}

// --- who gets a message ------------------------------------------------------------------------------------

#define EACH_MEMBER(b, m)                                                                               \
    for (list_node *m##_node = (b)->members.next; m##_node != &(b)->members; m##_node = m##_node->next) \
        for (member *m = LIST_ENTRY(m##_node, member, node); m != NULL; m = NULL)

static bool is_same_group(const member *a, const member *b) {
    return slice_equal(a->subscription->queue, b->subscription->queue) &&
           slice_equal(a->subscription->pattern, b->subscription->pattern);
}

// Rather one that has room, rather one that has waited longer for its turn.
static bool is_better(const member *a, const member *b, size_t bytes) {
    bool a_has_room = messaging_feed_has_room(a->feed, bytes);
    bool b_has_room = messaging_feed_has_room(b->feed, bytes);
    return a_has_room != b_has_room ? a_has_room : a->last_turn < b->last_turn;
}

static void choose_of_group(bus *b, member *first, size_t bytes) {
    member *best = first;
    EACH_MEMBER(b, m) {
        if (m->gets_it && is_same_group(m, first)) {
            best = is_better(m, best, bytes) ? m : best;
            m->gets_it = false;
            m->is_decided = true;
        }
    }
    best->gets_it = true;
    best->last_turn = ++b->turns;
}

static void choose(bus *b, const messaging_message *msg) {
    EACH_MEMBER(b, m) {
        m->gets_it = messaging_covers(m->subscription->pattern, msg->subject);
        m->is_decided = m->subscription->queue.len == 0;
    }
    EACH_MEMBER(b, m) {
        if (m->gets_it && !m->is_decided) {
            choose_of_group(b, m, msg->body.len);
        }
    }
}

// STATUS_NOT_FOUND: nobody is subscribed. STATUS_LIMIT: somebody has no room, and nobody has it.
static status deliver(bus *b, const messaging_message *msg, err *e) {
    size_t count = 0;
    b->messages++;
    choose(b, msg);
    EACH_MEMBER(b, m) {
        count += m->gets_it;
        if (m->gets_it && !messaging_feed_has_room(m->feed, msg->body.len)) {
            return err_set(e, STATUS_LIMIT, "the queue of workload %.*s for %.*s is full",
                           SLICE_ARG(slice_sub(m->link->options.workload, 0, 100)),
                           SLICE_ARG(m->subscription->pattern));
        }
    }
    EACH_MEMBER(b, m) {
        if (m->gets_it) {
            TRY(messaging_feed_put(m->feed, msg, (void *)b->messages, e));
        }
    }
    return count > 0 ? STATUS_OK
                     : err_set(e, STATUS_NOT_FOUND, "nobody is subscribed to %.*s", SLICE_ARG(msg->subject));
}

// --- calls -------------------------------------------------------------------------------------------------

static void leave_requests(messaging_request *q) {
    driver_link *k = q->data;
    k->request_count--;
    list_remove(&q->node);
}

// False when it is no answer to a request. The request may have been given up: nobody needs it then.
static bool is_answer(bus *b, const messaging_message *m) {
    uint64_t number;
    size_t prefix = strlen(b->inbox);
    if (!slice_starts_with(m->subject, b->inbox) ||
        !slice_to_u64(slice_sub(m->subject, prefix, m->subject.len), &number)) {
        return false;
    }
    for (list_node *n = b->requests.next; n != &b->requests; n = n->next) {
        messaging_request *q = LIST_ENTRY(n, messaging_request, node);
        if (q->number == number) {
            leave_requests(q);
            messaging_reply(q, m);
            break;
        }
    }
    return true;
}

static void publish(driver_link *k, messaging_request *q) {
    err e = {0};
    if (is_answer(k->bus, &q->call.message) || deliver(k->bus, &q->call.message, &e) != STATUS_LIMIT) {
        messaging_reply(q, NULL);
    } else {
        messaging_reply_error(q, "%s", e.message);
    }
}

static void on_timeout(void *arg) {
    messaging_request *q = arg;
    leave_requests(q);
    messaging_reply_error(q, "no answer came within %u ms", q->call.timeout_ms);
}

static void wait_for_answer(driver_link *k, messaging_request *q) {
    uint32_t ms =
        q->call.timeout_ms < MESSAGING_TIMEOUT_MS_MAX ? q->call.timeout_ms : MESSAGING_TIMEOUT_MS_MAX;
    q->data = k;
    k->request_count++;
    list_push_back(&k->bus->requests, &q->node);
    loop_timer_init(&q->timer, k->l, on_timeout, q);
    loop_timer_start_in(&q->timer, ms * 1000000ull);
}

static void request(driver_link *k, messaging_request *q) {
    char inbox[INBOX_TEXT_MAX + 24];
    err e = {0};
    if (k->request_count == REQUESTS_MAX) {
        messaging_reply_error(q, "%d requests of this link wait for an answer, which is the limit",
                              REQUESTS_MAX);
        return;
    }
    q->number = k->bus->next_request++;
    (void)snprintf(inbox, sizeof inbox, "%s%" PRIu64, k->bus->inbox, q->number);
    messaging_message m = q->call.message;
    m.has_reply_to = true;
    m.reply_to = slice_from_text(inbox);
    if (deliver(k->bus, &m, &e) != STATUS_OK) {
        messaging_reply_error(q, "%s", e.message);
    } else {
        wait_for_answer(k, q);
    }
}

static void call(driver_link *k, driver_call *c) {
    messaging_request *q = messaging_receive(c, &k->settings, k->feeds, k->settings.subscription_count);
    if (q == NULL) {
        return;
    }
    if (q->call.function == MESSAGING_PUBLISH) {
        publish(k, q);
    } else {
        request(k, q);
    }
}

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    messaging_request *q = c->data;
    leave_requests(q);
    messaging_fail(q, STATUS_CANCELLED, "it was given up");
}

// --- links -------------------------------------------------------------------------------------------------

static void join(driver_link *k, const driver_environment *env) {
    size_t count = k->settings.subscription_count;
    k->members = mem_calloc(count + 1, sizeof *k->members);
    k->feeds = mem_calloc(count + 1, sizeof *k->feeds);
    for (size_t i = 0; i < count; i++) {
        const messaging_feed_options o = {
            .l = k->l, .settings = &k->settings, .link = &k->options, .random = env->random + i};
        k->feeds[i] = messaging_feed_new(&o);
        k->members[i] = (member){.link = k,
                                 .subscription = &k->settings.subscriptions[i],
                                 .feed = k->feeds[i],
                                 .joined = k->bus->messages + 1};
        list_push_back(&k->bus->members, &k->members[i].node);
    }
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    void (*on_closed)(void *) = k->options.on_closed;
    void *on_closed_arg = k->options.arg;
    mem_free(k);
    on_closed(on_closed_arg);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    messaging_settings settings;
    slice name = slice_from_text("default");
    TRY(messaging_settings_read(&options->settings, &settings, e));
    (void)!driver_values_text(&options->settings, "bus", &name);
    if (name.len == 0 || name.len > BUS_NAME_BYTES_MAX) {
        messaging_settings_done(&settings);
        return err_set(e, STATUS_INVALID, "the setting bus is a name of 1 to %d bytes", BUS_NAME_BYTES_MAX);
    }
    driver_link *k = MEM_NEW(driver_link);
    k->l = env->l;
    k->options = *options;
    k->settings = settings;
    k->bus = take_bus(env, name);
    k->since_ns = loop_now_ns(env->l);
    loop_soon_init(&k->closed, on_closed_soon, k);
    join(k, env);
    *ret = k;
    return STATUS_OK;
}

// What another link of the workload has got itself by then is not given to it again.
static void hand_over(bus *b, const member *from) {
    EACH_MEMBER(b, m) {
        bool is_successor = from->subscription->queue.len > 0 ||
                            slice_equal(m->link->options.workload, from->link->options.workload);
        if (is_same_group(m, from) && is_successor) {
            messaging_feed_move(from->feed, m->feed,
                                from->subscription->queue.len > 0 ? UINTPTR_MAX : m->joined);
        }
    }
}

static void link_close(driver_link *k) {
    for (size_t i = 0; i < k->settings.subscription_count; i++) {
        list_remove(&k->members[i].node);
        hand_over(k->bus, &k->members[i]);
        messaging_feed_free(k->feeds[i]);
    }
    give_bus(k->bus);
    mem_free(k->members);
    mem_free(k->feeds);
    messaging_settings_done(&k->settings);
    loop_soon_add(k->l, &k->closed);
}

static void health(const driver_link *k, driver_health *ret) {
    *ret = (driver_health){.state = DRIVER_UP, .since_ns = k->since_ns, .next_try_ns = UINT64_MAX};
}

static const driver_setting settings[] = {
    MESSAGING_SETTINGS,
    {"bus", "the name that links of this host share the bus by; default: default", false, false},
    {NULL, NULL, false, false},
};

const driver messaging_local = {
    .version = DRIVER_VERSION,
    .name = "local",
    .interfaces = messaging_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
};
