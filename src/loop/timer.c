// SPDX-License-Identifier: Apache-2.0
// Timers: an intrusive pairing heap, so that starting one never allocates and never fails. (libuv's own
// timers cannot be freed from where they are stopped, and count milliseconds.)
#include "base/check.h"
#include "loop/loop_internal.h"

// Both are roots without siblings. Returns the earlier, with the other as its first child.
static loop_timer *meld(loop_timer *a, loop_timer *b) {
    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    if (b->deadline_ns < a->deadline_ns) {
        loop_timer *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL) {
        a->child->prev = b;
    }
    a->child = b;
    return a;
}

// Melds a list of siblings into one root: pairs from the left, then the pairs from the right.
static loop_timer *meld_siblings(loop_timer *first) {
    loop_timer *pairs = NULL; // last pair first, linked by next
    while (first != NULL) {
        loop_timer *a = first;
        loop_timer *b = a->next;
        first = b == NULL ? NULL : b->next;
        a->next = a->prev = NULL;
        if (b != NULL) {
            b->next = b->prev = NULL;
        }
        loop_timer *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    loop_timer *root = NULL;
    while (pairs != NULL) {
        loop_timer *next = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

static void heap_remove(loop *l, loop_timer *t) {
    loop_timer *rest = meld_siblings(t->child);
    if (l->timers == t) {
        l->timers = rest;
    } else {
        if (t->prev->child == t) {
            t->prev->child = t->next;
        } else {
            t->prev->next = t->next;
        }
        if (t->next != NULL) {
            t->next->prev = t->prev;
        }
        l->timers = meld(l->timers, rest);
    }
    t->child = t->next = t->prev = NULL;
}

void loop_timer_init(loop_timer *t, loop *l, loop_callback fn, void *arg) {
    *t = (loop_timer){.l = l, .fn = fn, .arg = arg};
    list_init(&t->due);
}

void loop_timer_start_at(loop_timer *t, uint64_t deadline_ns) {
    CHECK(t->fn != NULL);
    loop_timer_stop(t);
    t->deadline_ns = deadline_ns;
    t->state = LOOP_TIMER_WAITING;
    t->l->timers = meld(t->l->timers, t);
}

void loop_timer_start_in(loop_timer *t, uint64_t delay_ns) {
    uint64_t now = loop_now_ns(t->l);
    loop_timer_start_at(t, delay_ns > UINT64_MAX - now ? UINT64_MAX : now + delay_ns);
}

void loop_timer_stop(loop_timer *t) {
    if (t->state == LOOP_TIMER_WAITING) {
        heap_remove(t->l, t);
    } else if (t->state == LOOP_TIMER_DUE) {
        list_remove(&t->due);
    }
    t->state = LOOP_TIMER_IDLE;
}

// Fires what is due now. The due ones are taken out first, so that a timer which starts itself again without
// delay waits for the next turn.
void loop_timers_run(loop *l) {
    if (l->timers == NULL) {
        return;
    }
    uint64_t now = loop_now_ns(l);
    list_node due;
    list_init(&due);
    while (l->timers != NULL && l->timers->deadline_ns <= now) {
        loop_timer *t = l->timers;
        heap_remove(l, t);
        t->state = LOOP_TIMER_DUE;
        list_push_back(&due, &t->due);
    }
    for (list_node *node; (node = list_pop_front(&due)) != NULL;) {
        loop_timer *t = LIST_ENTRY(node, loop_timer, due);
        t->state = LOOP_TIMER_IDLE;
        t->fn(t->arg);
    }
}
