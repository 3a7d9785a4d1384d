// SPDX-License-Identifier: Apache-2.0
// Calls of old peers to a driver: streams as parts and pages.
#include "base/arena.h"
#include "base/mem.h"
#include "lattice/wrpc_blobstore_internal.h"

enum { ARENA_BYTES_MAX = 8 << 20, WAITING_BYTES_MAX = 48 << 20, WAITING_BYTES_PAUSE = 2 << 20 };

typedef struct blob_serving {
    lattice_served *q; // NULL when it has ended, and only the driver is waited for
    wrpc_blob_backend backend;
    blobstore_function function;
    bool is_old;
    slice container, object;
    // The call of the driver that runs, or has just ended.
    driver_call call;
    blobstore_call asked;
    buf payload, answer;
    status code;
    char why[ERR_MESSAGE_BYTES_MAX];
    bool is_calling, has_answer;
    loop_soon soon;
    // Down: an object from `at` to `end`, or names behind `skip`, `left` at most.
    uint64_t at, end, skip, left;
    char revision[BLOBSTORE_REVISION_BYTES_MAX + 1];
    char cursor[BLOBSTORE_CURSOR_BYTES_MAX + 1];
    buf piece; // for the path of the stream, from `sent` on
    size_t sent;
    bool is_answered, is_last, is_over;
    // Up: bytes that came for an object, and the upload that takes them.
    wrpc_pieces pieces;
    buf waiting;
    bool is_up_ended, is_paused;
    char upload[BLOBSTORE_UPLOAD_BYTES + 1];
    uint64_t written;
} blob_serving;

static void step(blob_serving *s);
static void clean_up(blob_serving *s);

// --- the end -----------------------------------------------------------------------------------------------

static void free_serving(blob_serving *s) {
    loop_soon_cancel(&s->soon);
    buf_done(&s->payload);
    buf_done(&s->answer);
    buf_done(&s->piece);
    buf_done(&s->waiting);
    if (s->backend.done != NULL) {
        s->backend.done(s->backend.context);
    }
    mem_free(s);
}

static void put_outcome(buf *out, const char *error) {
    values_writer w = values_writer_of(out);
    values_write_is_ok(&w, error == NULL);
    if (error != NULL) {
        values_write_string(&w, slice_from_text(error));
    }
}

static void write_and_end(blob_serving *s, size_t path, const char *error) {
    auto_buf out;
    buf_init(&out, WRPC_BLOBS_TEXT_BYTES_MAX);
    put_outcome(&out, error);
    if (s->q->transport->write(s->q, path, buf_slice(&out)) != STATUS_OK) {
        s->q->transport->fail(s->q, STATUS_LIMIT, "no room for the outcome of a call");
        return;
    }
    s->q->transport->end(s->q, path);
}

// Where there is no answer yet it is the result. A stream that has begun ends early: of 0.2.0 with an outcome
// beside it.
static void fail_with_text(blob_serving *s, const char *text) {
    if (s->is_over) {
        return;
    }
    s->is_over = true;
    if (!s->is_answered) {
        auto_buf out;
        buf_init(&out, WRPC_BLOBS_TEXT_BYTES_MAX);
        put_outcome(&out, text);
        s->q->transport->answer(s->q, buf_slice(&out));
    } else if (s->function == BLOBSTORE_WRITE) {
        write_and_end(s, WRPC_BLOBS_STREAM, text);
    } else if (s->is_old) {
        s->q->transport->fail(s->q, STATUS_IO, text);
    } else {
        s->q->transport->end(s->q, WRPC_BLOBS_STREAM);
        write_and_end(s, WRPC_BLOBS_OUTCOME, text);
    }
}

static void fail(blob_serving *s, status code, const char *why) {
    if (!s->is_over) {
        s->is_over = true;
        s->q->transport->fail(s->q, code, why);
    }
}

// --- calls of the driver -----------------------------------------------------------------------------------

static void on_soon(void *arg) {
    blob_serving *s = arg;
    s->is_calling = false;
    if (s->q == NULL) {
        clean_up(s);
    } else {
        step(s);
    }
}

// The answer is looked at in the next turn, so that a driver that answers at once costs no stack.
static void on_driver_end(driver_call *c, status code, slice payload, const err *e) {
    blob_serving *s = c->host;
    s->has_answer = true;
    s->code = code;
    buf_clear(&s->answer);
    if (code == STATUS_OK && buf_append(&s->answer, payload) != STATUS_OK) {
        s->code = STATUS_LIMIT;
    }
    size_t len = e == NULL ? 0 : strnlen(e->message, sizeof s->why - 1);
    memcpy(s->why, e == NULL ? "" : e->message, len);
    s->why[len] = '\0';
    loop_soon_add(s->backend.loop, &s->soon);
}

static void start_payload(blob_serving *s) {
    s->call = (driver_call){.interface = slice_from_text(BLOBSTORE_INTERFACE),
                            .function = slice_from_text(blobstore_function_name(s->function)),
                            .payload = buf_slice(&s->payload),
                            .deadline_ns = s->q != NULL ? s->q->invocation.deadline_ns : UINT64_MAX,
                            .end = on_driver_end,
                            .host = s};
    s->is_calling = true;
    s->has_answer = false;
    s->backend.call(s->backend.context, &s->call);
}

static void start_call(blob_serving *s, const blobstore_call *c) {
    err e;
    s->asked = *c;
    s->asked.function = s->function;
    buf_clear(&s->payload);
    if (blobstore_call_encode(&s->asked, &s->payload, &e) != STATUS_OK) {
        fail(s, STATUS_INVALID, e.message);
        return;
    }
    start_payload(s);
}

// What the driver said to the last call; false when it is not an answer, and the end was told.
static bool take_answer(blob_serving *s, arena *memory, blobstore_answer *ret) {
    err e;
    s->has_answer = false;
    if (s->code != STATUS_OK) {
        fail(s, s->code, s->why);
        return false;
    }
    if (blobstore_answer_decode(&s->asked, buf_slice(&s->answer), memory, ret, &e) != STATUS_OK) {
        fail(s, STATUS_IO, e.message);
        return false;
    }
    if (ret->is_error) {
        char text[WRPC_BLOBS_TEXT_BYTES_MAX / 2];
        size_t len = ret->message.len < sizeof text ? ret->message.len : sizeof text - 1;
        memcpy(text, ret->message.data, len);
        text[len] = '\0';
        fail_with_text(s, text);
        return false;
    }
    return true;
}

// --- down --------------------------------------------------------------------------------------------------

// ok, a stream that follows, and of 0.2.0 an outcome that follows.
static void answer_stream(blob_serving *s) {
    static const uint8_t marks[3] = {0, 0, 0};
    if (!s->is_answered) {
        s->is_answered = true;
        s->q->transport->answer(s->q, slice_of(marks, s->is_old ? 2 : 3));
    }
}

// False: there is more to send, when there is room.
static bool send_piece(blob_serving *s) {
    while (s->sent < s->piece.len) {
        slice next = slice_sub(buf_slice(&s->piece), s->sent, s->sent + WRPC_BLOBS_WRITE_BYTES_MAX);
        if (s->q->transport->write(s->q, WRPC_BLOBS_STREAM, next) != STATUS_OK) {
            return false; // on_room
        }
        s->sent += next.len;
    }
    buf_clear(&s->piece);
    s->sent = 0;
    return true;
}

static void end_stream(blob_serving *s) {
    s->is_over = true;
    s->q->transport->end(s->q, WRPC_BLOBS_STREAM);
    if (!s->is_old) {
        write_and_end(s, WRPC_BLOBS_OUTCOME, NULL);
    }
}

static void put_end(blob_serving *s) {
    s->is_last = true;
    if (buf_append_byte(&s->piece, 0) != STATUS_OK) {
        fail(s, STATUS_LIMIT, "a part is too long");
    }
}

static void keep_text(char *ret, size_t size, slice text) {
    size_t len = text.len < size ? text.len : size - 1;
    if (len > 0) {
        memcpy(ret, text.data, len);
    }
    ret[len] = '\0';
}

static void take_part(blob_serving *s) {
    auto_arena memory;
    blobstore_answer a;
    uint8_t head[WRPC_PIECE_HEAD_BYTES_MAX];
    arena_init(&memory, ARENA_BYTES_MAX);
    if (!take_answer(s, &memory, &a)) {
        return;
    }
    keep_text(s->revision, sizeof s->revision, a.revision);
    s->end = s->end < a.size ? s->end : a.size;
    s->at += a.bytes.len;
    size_t len = wrpc_piece_head((uint32_t)a.bytes.len, head);
    if (a.bytes.len > 0 && (buf_append(&s->piece, slice_of(head, len)) != STATUS_OK ||
                            buf_append(&s->piece, a.bytes) != STATUS_OK)) {
        fail(s, STATUS_LIMIT, "a part is too long");
    } else if (a.bytes.len == 0 || s->at >= s->end) {
        put_end(s);
    }
}

static void ask_part(blob_serving *s) {
    uint64_t left = s->end > s->at ? s->end - s->at : 0;
    start_call(s, &(blobstore_call){.container = s->container,
                                    .object = s->object,
                                    .start = s->at,
                                    .len = left < BLOBSTORE_PART_BYTES_MAX ? (uint32_t)(left > 0 ? left : 1)
                                                                           : BLOBSTORE_PART_BYTES_MAX,
                                    .has_revision = s->revision[0] != '\0',
                                    .revision = slice_from_text(s->revision)});
}

static void take_page(blob_serving *s) {
    auto_arena memory;
    blobstore_answer a;
    arena_init(&memory, ARENA_BYTES_MAX);
    if (!take_answer(s, &memory, &a)) {
        return;
    }
    keep_text(s->cursor, sizeof s->cursor, a.has_cursor ? a.cursor : slice_empty());
    size_t from = s->skip < a.count ? (size_t)s->skip : a.count;
    size_t count = s->left < a.count - from ? (size_t)s->left : a.count - from;
    s->skip -= from;
    s->left -= count;
    values_writer w = values_writer_of(&s->piece);
    if (count > 0) {
        values_write_count(&w, (uint32_t)count);
    }
    for (size_t i = from; i < from + count; i++) {
        values_write_string(&w, a.names[i]);
    }
    if (w.code != STATUS_OK) {
        fail(s, w.code, "a page of names is too long");
    } else if (!a.has_cursor || s->left == 0) {
        put_end(s);
    }
}

static void ask_page(blob_serving *s) {
    start_call(s, &(blobstore_call){.container = s->container,
                                    .limit = BLOBSTORE_PAGE_NAMES_MAX,
                                    .has_cursor = s->cursor[0] != '\0',
                                    .cursor = slice_from_text(s->cursor)});
}

static void step_down(blob_serving *s) {
    bool is_list = s->function == BLOBSTORE_LIST;
    if (s->has_answer) {
        if (is_list) {
            take_page(s);
        } else {
            take_part(s);
        }
        if (!s->is_over) {
            answer_stream(s);
        }
    }
    if (s->is_over || s->is_calling || !send_piece(s)) {
        return;
    }
    if (s->is_last) {
        end_stream(s);
    } else if (is_list) {
        ask_page(s);
    } else {
        ask_part(s);
    }
}

// --- up ----------------------------------------------------------------------------------------------------

// ok, and an outcome that follows: of 0.1.0 the outcome itself, at the end.
static void answer_upload(blob_serving *s) {
    static const uint8_t marks[2] = {0, 0};
    if (!s->is_old && !s->is_answered) {
        s->is_answered = true;
        s->q->transport->answer(s->q, slice_of(marks, sizeof marks));
    }
}

static void finish_upload(blob_serving *s) {
    s->is_over = true;
    if (s->is_old) {
        s->q->transport->answer(s->q, slice_of("", 1));
    } else {
        write_and_end(s, WRPC_BLOBS_STREAM, NULL);
    }
}

static void take_step(blob_serving *s) {
    auto_arena memory;
    blobstore_answer a;
    arena_init(&memory, ARENA_BYTES_MAX);
    if (!take_answer(s, &memory, &a)) {
        s->upload[0] = '\0'; // the driver has ended it
        return;
    }
    if (s->asked.step == BLOBSTORE_BEGIN) {
        keep_text(s->upload, sizeof s->upload, a.upload);
        answer_upload(s);
    } else if (s->asked.step == BLOBSTORE_APPEND) {
        s->written += s->asked.bytes.len;
        buf_consume(&s->waiting, s->asked.bytes.len);
    } else {
        s->upload[0] = '\0';
        finish_upload(s);
    }
}

static void pause(blob_serving *s) {
    bool is_paused = s->waiting.len > WAITING_BYTES_PAUSE;
    if (is_paused != s->is_paused) {
        s->is_paused = is_paused;
        s->q->transport->pause(s->q, is_paused);
    }
}

static void step_up(blob_serving *s) {
    slice upload = slice_from_text(s->upload);
    if (s->has_answer) {
        take_step(s);
    }
    if (s->is_over || s->is_calling) {
        return;
    }
    pause(s);
    upload = slice_from_text(s->upload);
    if (s->waiting.len >= BLOBSTORE_PART_BYTES_MAX || (s->is_up_ended && s->waiting.len > 0)) {
        slice bytes = slice_sub(buf_slice(&s->waiting), 0, BLOBSTORE_PART_BYTES_MAX);
        start_call(s, &(blobstore_call){
                          .step = BLOBSTORE_APPEND, .upload = upload, .offset = s->written, .bytes = bytes});
    } else if (s->is_up_ended && s->pieces.is_ended) {
        start_call(s, &(blobstore_call){.step = BLOBSTORE_FINISH, .upload = upload, .offset = s->written});
    } else if (s->is_up_ended) {
        fail_with_text(s, "the bytes of the object ended too early");
    }
}

static void step_plain(blob_serving *s) {
    if (!s->has_answer) {
        return;
    }
    s->is_over = true;
    if (s->code == STATUS_OK) {
        s->q->transport->answer(s->q, buf_slice(&s->answer));
    } else {
        s->q->transport->fail(s->q, s->code, s->why);
    }
}

static void step(blob_serving *s) {
    if (s->is_over) {
        return;
    }
    switch (s->function) {
    case BLOBSTORE_READ:
    case BLOBSTORE_LIST:
        step_down(s);
        break;
    case BLOBSTORE_WRITE:
        step_up(s);
        break;
    default:
        step_plain(s);
        break;
    }
}

static void on_data(lattice_served *q, size_t up_path, slice bytes) {
    blob_serving *s = q->data;
    slice run;
    (void)up_path;
    while (bytes.len > 0 && !s->is_over) {
        if (wrpc_pieces_read(&s->pieces, &bytes, &run) != STATUS_OK) {
            fail_with_text(s, "the bytes of the object are malformed");
        } else if (buf_append(&s->waiting, run) != STATUS_OK) {
            fail_with_text(s, "the bytes of the object come faster than they are written");
        }
    }
    if (!s->is_calling && !s->is_over) {
        step(s);
    } else if (!s->is_over) {
        pause(s);
    }
}

static void on_end(lattice_served *q, size_t up_path) {
    blob_serving *s = q->data;
    (void)up_path;
    s->is_up_ended = true;
    if (!s->is_calling) {
        step(s);
    }
}

static void on_room(lattice_served *q, size_t down_path) {
    blob_serving *s = q->data;
    (void)down_path;
    if (!s->is_calling) {
        step(s);
    }
}

// An upload that was begun is undone; the driver's answer to that is waited for.
static void clean_up(blob_serving *s) {
    if (s->upload[0] == '\0') {
        free_serving(s);
        return;
    }
    char upload[sizeof s->upload];
    memcpy(upload, s->upload, sizeof upload);
    s->upload[0] = '\0';
    start_call(s, &(blobstore_call){.step = BLOBSTORE_ABORT, .upload = slice_from_text(upload)});
}

static void on_ended(lattice_served *q, status code) {
    blob_serving *s = q->data;
    (void)code;
    s->q = NULL;
    s->is_over = true;
    if (!s->is_calling) {
        clean_up(s);
    } else if (!s->has_answer) {
        s->call.is_cancelled = true;
        s->backend.cancel(s->backend.context, &s->call);
    }
}

static const lattice_served_ops served_ops = {on_data, on_end, on_room, on_ended};

// --- the beginning -----------------------------------------------------------------------------------------

static uint64_t read_option(values_reader *r, uint64_t otherwise) {
    return values_read_option(r) ? values_read_u64(r) : otherwise;
}

static void read_inline(values_reader *r, blob_serving *s) {
    slice bytes = values_read_bytes(r);
    if (bytes.len > 0) {
        s->pieces.is_ended = s->is_up_ended = true;
        if (buf_append(&s->waiting, bytes) != STATUS_OK) {
            values_read_fail(r, "the object is too long");
        }
    }
}

static status read_params(blob_serving *s, err *e) {
    values_reader r = values_reader_of(s->q->invocation.params);
    s->container = values_read_string(&r);
    if (s->function == BLOBSTORE_LIST) {
        s->left = read_option(&r, UINT64_MAX);
        s->skip = read_option(&r, 0);
    } else {
        s->object = values_read_string(&r);
    }
    if (s->function == BLOBSTORE_READ) {
        s->at = values_read_u64(&r);
        s->end = values_read_u64(&r);
    }
    if (s->function == BLOBSTORE_WRITE) {
        read_inline(&r, s);
    }
    return values_read_end(&r, "arguments of a blob store's function", e);
}

static void start(blob_serving *s) {
    if (s->function == BLOBSTORE_WRITE) {
        start_call(
            s, &(blobstore_call){.step = BLOBSTORE_BEGIN, .container = s->container, .object = s->object});
    } else {
        step(s);
    }
}

void wrpc_blobstore_serve(lattice_served *q, const wrpc_blob_backend *backend) {
    blob_serving *s = MEM_NEW(blob_serving);
    err e;
    s->q = q;
    s->backend = *backend;
    s->is_old = slice_equal_text(q->invocation.instance, WRPC_BLOBSTORE_OLD);
    q->ops = &served_ops;
    q->data = s;
    loop_soon_init(&s->soon, on_soon, s);
    buf_init(&s->payload, BLOBSTORE_CALL_BYTES_MAX);
    buf_init(&s->answer, BLOBSTORE_CALL_BYTES_MAX);
    buf_init(&s->piece, BLOBSTORE_CALL_BYTES_MAX);
    buf_init(&s->waiting, WAITING_BYTES_MAX);
    if (!blobstore_function_find(q->invocation.function, &s->function)) {
        fail(s, STATUS_UNSUPPORTED, "a blob store has no such function");
        return;
    }
    bool is_plain =
        s->function != BLOBSTORE_READ && s->function != BLOBSTORE_LIST && s->function != BLOBSTORE_WRITE;
    if (is_plain && buf_append(&s->payload, q->invocation.params) == STATUS_OK) {
        start_payload(s);
    } else if (is_plain) {
        fail(s, STATUS_LIMIT, "the arguments are too long");
    } else if (read_params(s, &e) != STATUS_OK) {
        fail(s, STATUS_INVALID, e.message);
    } else {
        start(s);
    }
}
