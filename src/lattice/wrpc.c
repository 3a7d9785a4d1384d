// SPDX-License-Identifier: Apache-2.0
// The inbox: which line a message is for.
#include "lattice/wrpc.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/siphash.h"
#include "codec/subject.h"
#include "lattice/wrpc_internal.h"

// --- the table of lines ------------------------------------------------------------------------------------

static list_node *bucket_of(wrpc *w, uint64_t token) { return &w->buckets[token % WRPC_BUCKETS]; }

static wrpc_line *find_line(wrpc *w, uint64_t token) {
    list_node *head = bucket_of(w, token);
    for (list_node *n = head->next; n != head; n = n->next) {
        wrpc_line *l = LIST_ENTRY(n, wrpc_line, node);
        if (l->token == token) {
            return l;
        }
    }
    return NULL;
}

// Nobody who does not see the subject can guess it.
static uint64_t new_token(wrpc *w) {
    siphash_key key = {w->options.random[0], w->options.random[1]};
    uint64_t token;
    do {
        w->last++;
        token = siphash(key, slice_of(&w->last, sizeof w->last));
    } while (find_line(w, token) != NULL);
    return token;
}

void wrpc_line_open(wrpc *w, wrpc_line *l, const wrpc_line_ops *ops, char ret[BUS_SUBJECT_BYTES_MAX]) {
    wrpc_line_init(l, w, ops);
    l->token = new_token(w);
    list_push_back(bucket_of(w, l->token), &l->node);
    snprintf(ret, BUS_SUBJECT_BYTES_MAX, "%s%016" PRIx64, w->inbox, l->token);
}

static bool read_token(slice text, uint64_t *ret) {
    uint64_t token = 0;
    for (size_t i = 0; i < WRPC_TOKEN_BYTES; i++) {
        uint8_t c = text.data[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
            return false;
        }
        token = token << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = token;
    return true;
}

// I.token or I.token.path
static void on_message(void *arg, bus_subscription *s, const bus_message *m) {
    wrpc *w = arg;
    slice rest = slice_sub(m->subject, w->inbox_len, m->subject.len);
    uint64_t token;
    (void)s;
    bool is_fit = rest.len >= WRPC_TOKEN_BYTES &&
                  (rest.len == WRPC_TOKEN_BYTES || rest.data[WRPC_TOKEN_BYTES] == '.') &&
                  read_token(rest, &token);
    wrpc_line *l = is_fit ? find_line(w, token) : NULL;
    if (l == NULL) {
        w->counters.strays++;
        return;
    }
    wrpc_line_enter(l);
    wrpc_line_message(l, slice_sub(rest, WRPC_TOKEN_BYTES + 1, rest.len), m);
    wrpc_line_leave(l);
}

// What was on its way when the connection was lost may be lost too, and nobody would say so.
static void on_change(void *arg, bool is_up, const char *reason) {
    wrpc *w = arg;
    (void)reason;
    for (size_t i = 0; i < WRPC_BUCKETS && !is_up; i++) {
        for (list_node *n = w->buckets[i].next; n != &w->buckets[i]; n = n->next) {
            wrpc_line_fail_soon(LIST_ENTRY(n, wrpc_line, node), STATUS_CLOSED,
                                "the connection to the bus was lost in the middle of the call");
        }
    }
}

// --- the whole ---------------------------------------------------------------------------------------------

static status subscribe(wrpc *w, err *e) {
    char inbox[BUS_INBOX_BYTES_MAX], pattern[BUS_INBOX_BYTES_MAX + 2];
    slice own = bus_inbox(w->options.bus, inbox);
    w->inbox_len = own.len + 1;
    w->inbox = mem_alloc(w->inbox_len + 1);
    snprintf(w->inbox, w->inbox_len + 1, "%.*s.", SLICE_ARG(own));
    int len = snprintf(pattern, sizeof pattern, "%s>", w->inbox);
    return bus_subscribe(w->options.bus, &w->subscription, slice_of(pattern, (size_t)len), slice_empty(),
                         on_message, w, e);
}

status wrpc_new(const wrpc_options *options, wrpc **ret, err *e) {
    if (!subject_is_plain_within(options->lattice, WRPC_SUBJECT_PART_BYTES_MAX) ||
        slice_find(options->lattice, 0, '.') != SIZE_MAX) {
        return err_set(e, STATUS_INVALID,
                       "the name of a lattice has 1 to %d bytes, without blanks, dots and wildcards",
                       WRPC_SUBJECT_PART_BYTES_MAX);
    }
    wrpc *w = MEM_NEW(wrpc);
    w->transport.ops = &wrpc_call_ops;
    w->options = *options;
    w->options.serve_ns = options->serve_ns != 0 ? options->serve_ns : UINT64_C(600000000000);
    w->options.params_ns = options->params_ns != 0 ? options->params_ns : UINT64_C(10000000000);
    w->lattice = mem_slice_dup(options->lattice);
    w->options.lattice = slice_from_text(w->lattice);
    w->watcher = (bus_watcher){.changed = on_change, .arg = w};
    list_init(&w->exports);
    for (size_t i = 0; i < WRPC_BUCKETS; i++) {
        list_init(&w->buckets[i]);
    }
    bus_add_watcher(options->bus, &w->watcher);
    status code = subscribe(w, e);
    if (code != STATUS_OK) {
        wrpc_free(w);
        return code;
    }
    *ret = w;
    return STATUS_OK;
}

void wrpc_free(wrpc *w) {
    if (w == NULL) {
        return;
    }
    CHECK(list_empty(&w->exports));
    for (size_t i = 0; i < WRPC_BUCKETS; i++) {
        while (!list_empty(&w->buckets[i])) {
            wrpc_line *l = LIST_ENTRY(w->buckets[i].next, wrpc_line, node);
            wrpc_line_enter(l);
            l->ops->on_failure(l, STATUS_CLOSED, "this host ends");
            wrpc_line_leave(l);
        }
    }
    bus_unsubscribe(&w->subscription);
    bus_remove_watcher(&w->watcher);
    mem_free(w->inbox);
    mem_free(w->lattice);
    mem_free(w);
}

lattice_transport *wrpc_transport(wrpc *w) { return &w->transport; }

wrpc_counters wrpc_count(const wrpc *w) { return w->counters; }

// --- names -------------------------------------------------------------------------------------------------

status wrpc_subject(const wrpc *w, slice target, slice instance, slice function,
                    char ret[BUS_SUBJECT_BYTES_MAX], err *e) {
    int len =
        snprintf(ret, BUS_SUBJECT_BYTES_MAX, "%s.%.*s." WRPC_PROTOCOL "%s%.*s.%.*s", w->lattice,
                 SLICE_ARG(target), instance.len > 0 ? "." : "", SLICE_ARG(instance), SLICE_ARG(function));
    if (len < 0 || len >= BUS_SUBJECT_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "the names of %.*s and its function are too long for a subject",
                       SLICE_ARG(target));
    }
    bool is_id =
        target.len > 0 && target.len <= LATTICE_ID_BYTES_MAX && slice_find(target, 0, '.') == SIZE_MAX;
    if (!is_id || function.len == 0 ||
        !subject_is_plain_within(slice_of(ret, (size_t)len), BUS_SUBJECT_BYTES_MAX)) {
        return err_set(
            e, STATUS_INVALID,
            "%.*s, %.*s, %.*s: names of targets and functions have no blanks or wildcards, and ids no dots",
            SLICE_ARG(target), SLICE_ARG(instance), SLICE_ARG(function));
    }
    return STATUS_OK;
}

bool wrpc_reply_is_fit(const wrpc *w, slice subject) {
    static const char *const reserved[] = {"$", "wasmbus.", "writ."};
    char own[WRPC_SUBJECT_PART_BYTES_MAX + 2];
    snprintf(own, sizeof own, "%s.", w->lattice);
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (slice_starts_with(subject, reserved[i])) {
            return false;
        }
    }
    // Room for what is put behind it.
    return subject_is_plain_within(subject, BUS_SUBJECT_BYTES_MAX - 32) && !slice_starts_with(subject, own);
}
