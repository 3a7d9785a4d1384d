// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "base/mem.h"
#include "lattice/sealed_internal.h"

// --- life --------------------------------------------------------------------------------------------------

sealed_line *sealed_line_new(sealed_peer *p, bool is_ours) {
    sealed *s = p->s;
    sealed_line *l = s->free_lines;
    if (l != NULL) {
        s->free_lines = l->next;
        s->free_count--;
        *l = (sealed_line){0};
    } else {
        l = MEM_NEW(sealed_line);
    }
    l->s = s;
    l->peer = p;
    l->is_ours = is_ours;
    l->root_credit = SEALED_ROOT_WINDOW;
    list_init(&l->held);
    list_init(&l->work);
    list_init(&l->blocked);
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        l->out[i].credit = SEALED_PATH_WINDOW;
        list_init(&l->in[i].chunks);
    }
    list_push_back(&p->lines, &l->of_peer);
    return l;
}

static void free_chunks(list_node *head) {
    for (list_node *n; (n = list_pop_front(head)) != NULL;) {
        mem_free(LIST_ENTRY(n, sealed_chunk, node));
    }
}

static void line_free(sealed_line *l) {
    sealed *s = l->s;
    free_chunks(&l->held);
    for (size_t i = 0; i < LATTICE_PATHS_MAX; i++) {
        free_chunks(&l->in[i].chunks);
    }
    s->counters.memory -= l->memory;
    l->peer->memory -= l->memory;
    mem_free(l->root_copy);
    mem_free(l->fail_text);
    mem_free(l->end_text);
    mem_free(l->block);
    mem_free(l->in_root);
    if (s->free_count == SEALED_FREE_LINES_MAX) {
        mem_free(l);
        return;
    }
    l->next = s->free_lines;
    s->free_lines = l;
    s->free_count++;
}

static void stop_waiting(sealed_line *l) {
    l->peer->waiting -= l->is_waiting;
    l->s->waiting -= l->is_waiting;
    l->is_waiting = false;
}

void sealed_line_close(sealed_line *l) {
    if (l->is_closed) {
        return;
    }
    l->is_closed = true;
    stop_waiting(l);
    loop_timer_stop(&l->deadline);
    list_remove(&l->of_peer);
    list_remove(&l->work);
    list_remove(&l->blocked);
    if (l->is_ours) {
        sealed_call_unlist(l);
    } else {
        sealed_serve_unlist(l);
    }
    if (l->inside == 0) {
        line_free(l);
    }
}

bool sealed_line_leave(sealed_line *l) {
    CHECK(l->inside > 0);
    if (--l->inside == 0 && l->is_closed) {
        line_free(l);
        return false;
    }
    return !l->is_closed;
}

bool sealed_line_charge(sealed_line *l, size_t bytes) {
    if (bytes > SEALED_MEMORY_BYTES_MAX - l->s->counters.memory ||
        bytes > SEALED_HOST_MEMORY_MAX - l->peer->memory) {
        return false;
    }
    l->memory += bytes;
    l->peer->memory += bytes;
    l->s->counters.memory += bytes;
    return true;
}

static void discharge(sealed_line *l, size_t bytes) {
    l->memory -= bytes;
    l->peer->memory -= bytes;
    l->s->counters.memory -= bytes;
}

void sealed_line_need_work(sealed_line *l) {
    if (list_empty(&l->work) && !l->is_closed) {
        list_push_back(&l->s->works, &l->work);
        loop_soon_add(l->s->l, &l->s->soon);
    }
}

void sealed_line_end_later(sealed_line *l, status code, const char *text) {
    if (l->is_ending || l->is_closed) {
        return;
    }
    l->is_ending = true;
    l->end_code = code;
    l->end_text = text == NULL ? NULL : mem_text_dup(text);
    sealed_line_need_work(l);
}

// --- what goes out -----------------------------------------------------------------------------------------

static status send_frame(sealed_line *l, frame *f, slice body, err *e) {
    f->is_from_caller = l->is_ours;
    f->call = l->number;
    f->index = l->out_index;
    TRY(sealed_send(l->peer, l, f, body, e));
    l->out_index++;
    return STATUS_OK;
}

static status send_first(sealed_line *l, err *e) {
    frame f = {.kind = l->is_ours ? FRAME_CALL : FRAME_ANSWER, .total = (uint32_t)l->root.len};
    if (l->is_ours) {
        uint64_t now = loop_now_ns(l->s->l), until = l->call->invocation.deadline_ns;
        uint64_t wait_ms = until > now ? (until - now) / SEALED_MS : 0;
        f.invocation = l->call->invocation;
        f.sent_ms = sealed_now(l->s).wall_ms;
        f.wait_ms = wait_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)wait_ms;
    }
    size_t room = sealed_room(l->s) - (l->is_ours ? FRAME_CALL_BYTES_MAX : FRAME_HEAD_BYTES + 4);
    room = room < l->root_credit ? room : l->root_credit;
    slice body = slice_sub(l->root, 0, room);
    TRY(send_frame(l, &f, body, e));
    l->is_root_begun = true;
    l->root_at = body.len;
    l->root_credit -= body.len;
    return STATUS_OK;
}

static status send_root(sealed_line *l, err *e) {
    if (!l->has_root) {
        return STATUS_OK;
    }
    if (!l->is_root_begun) {
        TRY(send_first(l, e));
    }
    while (l->root_at < l->root.len && l->root_credit > 0) {
        size_t room = sealed_room(l->s) - FRAME_HEAD_BYTES;
        room = room < l->root_credit ? room : l->root_credit;
        slice body = slice_sub(l->root, l->root_at, l->root_at + room);
        frame f = {.kind = FRAME_ROOT};
        TRY(send_frame(l, &f, body, e));
        l->root_at += body.len;
        l->root_credit -= body.len;
    }
    return STATUS_OK;
}

static status send_ends(sealed_line *l, err *e) {
    for (unsigned i = 0; i < l->out_paths.count && l->is_root_begun; i++) {
        if (l->out[i].is_over && !l->out[i].is_ended) {
            frame f = {.kind = FRAME_END, .path = i};
            TRY(send_frame(l, &f, slice_empty(), e));
            l->out[i].is_ended = true;
        }
    }
    return STATUS_OK;
}

// Credit for what was taken, when half of a window is.
static status send_credit(sealed_line *l, err *e) {
    for (unsigned i = 0; i < l->in_paths.count; i++) {
        if (l->in[i].taken >= SEALED_CREDIT_BYTES && !l->in[i].is_over) {
            frame f = {.kind = FRAME_CREDIT, .path = i, .credit = (uint32_t)l->in[i].taken};
            TRY(send_frame(l, &f, slice_empty(), e));
            l->in[i].taken = 0;
        }
    }
    if (l->in_credit >= SEALED_ROOT_WINDOW / 2 && l->in_at < l->in_total) {
        frame f = {.kind = FRAME_CREDIT, .path = FRAME_ROOT_PATH, .credit = (uint32_t)l->in_credit};
        TRY(send_frame(l, &f, slice_empty(), e));
        l->in_credit = 0;
    }
    return STATUS_OK;
}

static status send_failure(sealed_line *l, err *e) {
    frame f = {.kind = FRAME_FAIL, .code = l->fail_code};
    slice text = slice_from_text(l->fail_text);
    TRY(send_frame(l, &f, slice_sub(text, 0, FRAME_TEXT_BYTES_MAX), e));
    sealed_line_end_later(l, STATUS_OK, NULL);
    return STATUS_OK;
}

// Whether everything of a served call is sent.
static bool is_all_sent(const sealed_line *l) {
    bool is = l->is_root_begun && l->root_at == l->root.len;
    for (size_t i = 0; i < l->out_paths.count && is && !l->has_no_streams; i++) {
        is = l->out[i].is_ended;
    }
    return is;
}

static status send_all(sealed_line *l, err *e) {
    if (l->fail_code != STATUS_OK) {
        return send_failure(l, e);
    }
    TRY(send_root(l, e));
    TRY(send_ends(l, e));
    TRY(send_credit(l, e));
    if (!l->is_ours && is_all_sent(l)) {
        sealed_line_end_later(l, STATUS_OK, NULL);
    }
    return STATUS_OK;
}

// It goes on when there is a session, or when the bus has room.
static void block(sealed_line *l, status code) {
    sealed *s = l->s;
    if (code == STATUS_NOT_FOUND) {
        l->peer->waiting += !l->is_waiting;
        s->waiting += !l->is_waiting;
        l->is_waiting = true;
    } else if (list_empty(&l->blocked)) {
        list_push_back(&s->blocked, &l->blocked);
        if (!loop_timer_is_active(&s->retry)) {
            loop_timer_start_in(&s->retry, 5 * SEALED_MS);
        }
    }
}

status sealed_line_pump(sealed_line *l, err *e) {
    err reason = {0};
    if (l->is_closed || l->is_ending) {
        return STATUS_OK;
    }
    status code = send_all(l, &reason);
    if (code == STATUS_OK) {
        stop_waiting(l);
        return STATUS_OK;
    }
    if (l->epoch != 0 && code == STATUS_CLOSED && bus_is_up(l->s->bus)) {
        sealed_line_end_later(l, STATUS_CLOSED, "the other host has ended, or has started anew");
    } else if (code == STATUS_INVALID) {
        sealed_line_end_later(l, STATUS_INVALID, reason.message);
    } else {
        block(l, code);
    }
    if (e != NULL) {
        *e = reason;
    }
    return code;
}

status sealed_line_write(sealed_line *l, size_t path, slice bytes) {
    CHECK(path < l->out_paths.count && !l->out[path].is_over);
    sealed_out *o = &l->out[path];
    bool can = l->is_root_begun && l->root_at == l->root.len && !l->is_waiting && list_empty(&l->blocked) &&
               !l->is_ending;
    // A write may be larger than what one frame takes, and is all or nothing.
    if (!can || bytes.len > o->credit) {
        o->wanted = bytes.len;
        return STATUS_LIMIT;
    }
    for (size_t at = 0; at < bytes.len;) {
        size_t room = sealed_room(l->s) - FRAME_HEAD_BYTES - 1;
        room = room < SEALED_CHUNK_BYTES_MAX ? room : SEALED_CHUNK_BYTES_MAX;
        slice part = slice_sub(bytes, at, at + room);
        frame f = {.kind = FRAME_DATA, .path = (unsigned)path};
        status code = send_frame(l, &f, part, NULL);
        if (code != STATUS_OK && at > 0) { // a part is gone: the rest cannot be taken back
            sealed_line_end_later(l, STATUS_CLOSED, "a stream broke off, since the bus takes no more");
            return STATUS_OK;
        }
        if (code != STATUS_OK) {
            o->wanted = bytes.len;
            block(l, code);
            return STATUS_LIMIT;
        }
        at += part.len;
        o->credit -= part.len;
    }
    return STATUS_OK;
}

void sealed_line_end_path(sealed_line *l, size_t path) {
    CHECK(path < l->out_paths.count);
    l->out[path].is_over = true;
    sealed_line_pump(l, NULL);
}

// --- what comes in -----------------------------------------------------------------------------------------

static void tell_data(sealed_line *l, size_t path, slice bytes) {
    if (l->is_ours && l->call->ops->on_data != NULL) {
        l->call->ops->on_data(l->call, path, bytes);
    } else if (!l->is_ours && l->served.ops->on_data != NULL) {
        l->served.ops->on_data(&l->served, path, bytes);
    }
}

static void tell_end(sealed_line *l, size_t path) {
    if (l->is_ours && l->call->ops->on_end != NULL) {
        l->call->ops->on_end(l->call, path);
    } else if (!l->is_ours && l->served.ops->on_end != NULL) {
        l->served.ops->on_end(&l->served, path);
    }
}

static void tell_room(sealed_line *l, size_t path) {
    if (l->is_ours && l->call->ops->on_room != NULL) {
        l->call->ops->on_room(l->call, path);
    } else if (!l->is_ours && l->served.ops != NULL && l->served.ops->on_room != NULL) {
        l->served.ops->on_room(&l->served, path);
    }
}

static bool can_hand(const sealed_line *l) {
    return l->is_open && !l->is_paused && !l->is_closed && !l->is_ending;
}

// The caller stays inside.
static void deliver_path(sealed_line *l, size_t path) {
    sealed_in *in = &l->in[path];
    while (can_hand(l) && !list_empty(&in->chunks)) {
        sealed_chunk *c = LIST_ENTRY(list_pop_front(&in->chunks), sealed_chunk, node);
        in->held -= c->len;
        in->taken += c->len;
        discharge(l, c->len);
        tell_data(l, path, slice_of(c->bytes, c->len));
        mem_free(c);
    }
    if (can_hand(l) && in->is_over && !in->is_told) {
        in->is_told = true;
        tell_end(l, path);
    }
}

static bool has_all(const sealed_line *l) {
    bool is = l->is_open;
    for (size_t i = 0; i < l->in_paths.count && is && !l->has_no_streams; i++) {
        is = l->in[i].is_told;
    }
    return is;
}

// Hands over what can be, asks for more, and sees whether a call of ours is complete. False: the line is
// gone.
static bool deliver(sealed_line *l) {
    sealed_line_enter(l);
    for (size_t i = 0; i < l->in_paths.count; i++) {
        deliver_path(l, i);
    }
    if (!l->is_closed) {
        sealed_line_pump(l, NULL); // credit
    }
    if (!l->is_closed && !l->is_ending && l->is_ours && has_all(l)) {
        sealed_call_finish(l, STATUS_OK, NULL);
    }
    return sealed_line_leave(l);
}

static void broken(sealed_line *l, lattice_refused why, const char *text) {
    sealed *s = l->s;
    lattice_refuse(s->options.session.refusals, why, slice_from_text(l->peer->name.text), text,
                   loop_now_ns(s->l));
    sealed_line_end_later(l, STATUS_INVALID, text);
}

static bool keep_chunk(sealed_line *l, list_node *head, uint32_t index, slice bytes) {
    sealed_chunk *c = sealed_line_charge(l, bytes.len) ? mem_try_alloc(sizeof *c + bytes.len) : NULL;
    if (c == NULL) {
        return false;
    }
    c->index = index;
    c->len = bytes.len;
    if (bytes.len > 0) {
        memcpy(c->bytes, bytes.data, bytes.len);
    }
    list_push_back(head, &c->node);
    return true;
}

static void take_data(sealed_line *l, const frame *f) {
    sealed_in *in = &l->in[f->path];
    if (f->path >= l->in_paths.count || in->is_over) {
        broken(l, LATTICE_REFUSED_MALFORMED, "the other host sent a stream that the function does not have");
        return;
    }
    if (f->body.len > SEALED_PATH_WINDOW - in->held) {
        broken(l, LATTICE_REFUSED_TOO_LARGE, "the other host sent more of a stream than it had credit for");
        return;
    }
    if (f->body.len == 0) {
        broken(l, LATTICE_REFUSED_MALFORMED, "the other host sent nothing of a stream");
    } else if (can_hand(l) && list_empty(&in->chunks)) {
        in->taken += f->body.len;
        tell_data(l, f->path, f->body);
    } else if (keep_chunk(l, &in->chunks, 0, f->body)) {
        in->held += f->body.len;
    } else {
        sealed_line_end_later(l, STATUS_LIMIT, "there is no memory for what the other host sends");
    }
}

static void root_is_whole(sealed_line *l, slice root) {
    l->is_open = true;
    if (!l->is_ours) {
        l->served.invocation.params = root;
        sealed_serve_hand(l);
        return;
    }
    l->has_no_streams = !lattice_results_have_streams(&l->in_paths, root);
    if (l->call->ops->on_results != NULL) {
        l->call->ops->on_results(l->call, root);
    }
}

static void take_more_root(sealed_line *l, slice body) {
    if (body.len > l->in_total - l->in_at || l->is_open || !l->is_in_begun) {
        broken(l, LATTICE_REFUSED_TOO_LARGE, "the other host sent more than it had announced");
        return;
    }
    if (body.len > 0) {
        memcpy(l->in_root + l->in_at, body.data, body.len);
    }
    l->in_at += body.len;
    l->in_credit += body.len;
    if (l->in_at == l->in_total) {
        root_is_whole(l, slice_of(l->in_root, l->in_total));
    }
}

// The first of the parameters or results, which are all of them as a rule.
static void take_first_root(sealed_line *l, const frame *f) {
    if (l->is_in_begun) {
        broken(l, LATTICE_REFUSED_MALFORMED, "the other host began twice");
        return;
    }
    l->is_in_begun = true;
    l->in_total = f->total;
    if (f->body.len == f->total) {
        l->in_at = f->total;
        root_is_whole(l, f->body);
        return;
    }
    l->in_root = sealed_line_charge(l, f->total) ? mem_try_alloc(f->total) : NULL;
    if (l->in_root == NULL) {
        sealed_line_end_later(l, STATUS_LIMIT, "there is no memory for what the other host sends");
        return;
    }
    take_more_root(l, f->body);
}

static void take_credit(sealed_line *l, const frame *f) {
    size_t *credit = f->path == FRAME_ROOT_PATH ? &l->root_credit : &l->out[f->path].credit;
    size_t max = f->path == FRAME_ROOT_PATH ? SEALED_ROOT_WINDOW : SEALED_PATH_WINDOW;
    *credit = f->credit > max - *credit ? max : *credit + f->credit;
    sealed_line_need_work(l);
}

static void take_failure(sealed_line *l, const frame *f) {
    char text[FRAME_TEXT_BYTES_MAX + 1];
    memcpy(text, f->body.data == NULL ? (const uint8_t *)"" : f->body.data, f->body.len);
    text[f->body.len] = '\0';
    sealed_call_finish(l, f->code, text);
}

// The caller stays inside.
static void take_in_order(sealed_line *l, const frame *f) {
    switch (f->kind) {
    case FRAME_CALL:
    case FRAME_ANSWER:
        take_first_root(l, f);
        break;
    case FRAME_ROOT:
        take_more_root(l, f->body);
        break;
    case FRAME_DATA:
        take_data(l, f);
        break;
    case FRAME_END:
        if (f->path < l->in_paths.count) {
            l->in[f->path].is_over = true;
        }
        break;
    case FRAME_CREDIT:
        take_credit(l, f);
        break;
    case FRAME_CANCEL:
        sealed_serve_finish(l, STATUS_CANCELLED);
        break;
    case FRAME_FAIL:
        take_failure(l, f);
        break;
    case FRAME_GREET:
    case FRAME_HERE:
    case FRAME_HEARD:
    case FRAME_GOODBYE:
    case FRAME_ASK:
    case FRAME_STATE:
        break; // are in no order
    }
}

// Frames that have waited for this one.
static void take_held(sealed_line *l) {
    for (list_node *n = l->held.next; n != &l->held && !l->is_closed;) {
        sealed_chunk *c = LIST_ENTRY(n, sealed_chunk, node);
        n = n->next;
        if (c->index != l->in_index) {
            continue;
        }
        frame f;
        list_remove(&c->node);
        l->held_count--;
        discharge(l, c->len);
        l->in_index++;
        if (frame_read(slice_of(c->bytes, c->len), &f)) {
            take_in_order(l, &f);
        }
        mem_free(c);
        n = l->held.next; // from the beginning: the next one may stand before
    }
}

static void hold(sealed_line *l, const frame *f, slice bytes) {
    for (list_node *n = l->held.next; n != &l->held; n = n->next) {
        if (LIST_ENTRY(n, sealed_chunk, node)->index == f->index) {
            return;
        }
    }
    if (l->held_count == SEALED_HELD_MAX || !keep_chunk(l, &l->held, f->index, bytes)) {
        sealed_line_end_later(l, STATUS_CLOSED, "messages of the call were lost on the way");
        return;
    }
    l->held_count++;
}

void sealed_line_take(sealed_line *l, const frame *f, slice bytes) {
    if (l->is_ending || l->is_closed || f->index < l->in_index) {
        return;
    }
    if (f->index > l->in_index) {
        hold(l, f, bytes);
        return;
    }
    sealed_line_enter(l);
    l->in_index++;
    take_in_order(l, f);
    if (!l->is_closed && l->held_count > 0) {
        take_held(l);
    }
    if (sealed_line_leave(l)) {
        deliver(l);
    }
}

void sealed_line_pause(sealed_line *l, bool is_paused) {
    l->is_paused = is_paused;
    if (!is_paused) {
        sealed_line_need_work(l);
    }
}

// --- from the loop -----------------------------------------------------------------------------------------

static void tell_rooms(sealed_line *l) {
    for (size_t i = 0; i < l->out_paths.count && !l->is_closed; i++) {
        sealed_out *o = &l->out[i];
        bool can = l->is_root_begun && l->root_at == l->root.len && !l->is_waiting && list_empty(&l->blocked);
        if (o->wanted > 0 && !o->is_over && can && o->credit >= o->wanted) {
            o->wanted = 0;
            tell_room(l, i);
        }
    }
}

void sealed_line_work(sealed_line *l) {
    sealed_line_enter(l);
    if (!l->is_ending) {
        sealed_line_pump(l, NULL);
        tell_rooms(l);
    }
    if (!sealed_line_leave(l) || (!l->is_ending && !deliver(l))) {
        return;
    }
    if (l->is_ending && l->is_ours) {
        sealed_call_finish(l, l->end_code, l->end_text);
    } else if (l->is_ending) {
        sealed_serve_finish(l, l->end_code);
    }
}
