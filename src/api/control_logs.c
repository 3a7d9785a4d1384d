// SPDX-License-Identifier: Apache-2.0
// GET /v1/logs: lines of JSON, each {"position": N, "line": {...}}, the last ones first or as they come.
#include "api/control_internal.h"
#include "base/mem.h"

enum { LINES_PER_TURN = 256, LOOK_MS = 100, WORKLOAD_BYTES_MAX = 256, FOLLOWERS_MAX = 16 };

#define HEADER(name_, value_) \
    { .name = SLICE_LITERAL(name_), .value = SLICE_LITERAL(value_) }
static const http_header lines_type[] = {HEADER("content-type", "application/x-ndjson")};

typedef struct follower {
    control *owner;
    http_exchange *exchange;
    uint64_t position;
    uint64_t until; // does not follow: where it began to look
    char workload[WORKLOAD_BYTES_MAX];
    bool follows;
    buf pending; // what the client has no room for
    loop_timer look;
    list_node node;
} follower;

static void follower_free(follower *f) {
    loop_timer_stop(&f->look);
    http_exchange_release(f->exchange);
    buf_done(&f->pending);
    list_remove(&f->node);
    mem_free(f);
}

static bool is_wanted(const follower *f, const json_value *line) {
    slice workload;
    return f->workload[0] == '\0' ||
           (json_as_text(json_get(line, "workload"), &workload) && slice_equal_text(workload, f->workload));
}

// False at the end of what there is.
static bool take_line(follower *f) {
    auto_buf text;
    json_value *line = NULL;
    buf_init(&text, LOG_RING_LINE_BYTES_MAX);
    if ((!f->follows && f->position >= f->until) ||
        log_ring_read(f->owner->options.ring, &f->position, &text) != STATUS_OK) {
        return false;
    }
    if (json_parse(buf_slice(&text), &line, NULL) == STATUS_OK && is_wanted(f, line)) {
        (void)!buf_append_format(&f->pending, "{\"position\":%llu,\"line\":%.*s}\n",
                                 (unsigned long long)f->position, SLICE_ARG(buf_slice(&text)));
    }
    json_free(line);
    return true;
}

static bool send_pending(follower *f) {
    while (f->pending.len > 0) {
        size_t room = http_exchange_room(f->exchange);
        size_t n = room < f->pending.len ? room : f->pending.len;
        if (n == 0 || http_exchange_write(f->exchange, slice_of(f->pending.data, n), NULL) != STATUS_OK) {
            return false;
        }
        buf_consume(&f->pending, n);
    }
    return true;
}

static void end(follower *f) {
    (void)!http_exchange_end(f->exchange, NULL, 0, NULL);
    follower_free(f);
}

static void go_on(void *arg) {
    follower *f = arg;
    for (int i = 0; i < LINES_PER_TURN; i++) {
        if (!send_pending(f)) {
            return; // on_writable, or on_abort, comes
        }
        if (!take_line(f)) {
            if (!f->follows) {
                end(f);
                return;
            }
            break;
        }
    }
    loop_timer_start_in(&f->look, f->pending.len > 0 ? 0 : LOOK_MS * 1000000ull);
}

static void on_abort(void *arg) { follower_free(arg); }
static const http_exchange_ops follower_ops = {.on_writable = go_on, .on_abort = on_abort};

// The value of `name` in a query; workload names have nothing that would be encoded.
static slice query_value(slice target, const char *name) {
    size_t at = slice_find(target, 0, '?');
    while (at < target.len) {
        size_t end_at = slice_find(target, at + 1, '&');
        slice pair = slice_sub(target, at + 1, end_at == SIZE_MAX ? target.len : end_at);
        size_t equals = slice_find(pair, 0, '=');
        if (slice_equal_text(slice_sub(pair, 0, equals), name)) {
            return equals == SIZE_MAX ? slice_empty() : slice_sub(pair, equals + 1, pair.len);
        }
        at = end_at;
    }
    return slice_empty();
}

static uint64_t number_of(slice text) {
    uint64_t n = 0;
    for (size_t i = 0; i < text.len && text.data[i] >= '0' && text.data[i] <= '9' && i < 18; i++) {
        n = n * 10 + (uint64_t)(text.data[i] - '0');
    }
    return n;
}

static size_t count_followers(const control *c) {
    size_t n = 0;
    for (const list_node *l = c->followers.next; l != &c->followers; l = l->next) {
        n++;
    }
    return n;
}

status control_follow(control *c, http_exchange *x, err *e) {
    slice target = http_exchange_request(x)->path_with_query;
    slice workload = query_value(target, "workload");
    const http_response_head head = {
        .status = 200, .headers = lines_type, .header_count = 1, .content_length = -1};
    if (workload.len >= WORKLOAD_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "the name of a workload has at most %d bytes",
                       WORKLOAD_BYTES_MAX - 1);
    }
    if (count_followers(c) >= FOLLOWERS_MAX) {
        return err_set(e, STATUS_LIMIT, "%d clients read the log already; end one, or try again",
                       FOLLOWERS_MAX);
    }
    TRY(http_exchange_start(x, &head, e));
    follower *f = MEM_NEW(follower);
    *f = (follower){.owner = c,
                    .exchange = x,
                    .position = number_of(query_value(target, "after")),
                    .until = log_ring_end(c->options.ring),
                    .follows = slice_equal_text(query_value(target, "follow"), "1")};
    if (workload.len > 0) {
        memcpy(f->workload, workload.data, workload.len);
    }
    buf_init(&f->pending, 2 * LOG_RING_LINE_BYTES_MAX);
    loop_timer_init(&f->look, c->options.loop, go_on, f);
    list_push_back(&c->followers, &f->node);
    http_exchange_bind(x, &follower_ops, f);
    go_on(f);
    return STATUS_OK;
}

// They go on with the next generation, where they were.
void control_end_followers(control *c) {
    for (list_node *n = c->followers.next; n != &c->followers;) {
        follower *f = LIST_ENTRY(n, follower, node);
        n = n->next;
        f->follows = false;
        f->until = log_ring_end(c->options.ring);
        loop_timer_start_in(&f->look, 0);
    }
}
