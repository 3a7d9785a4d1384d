// SPDX-License-Identifier: Apache-2.0
#include "api/answer.h"

#include "base/mem.h"

typedef struct answer {
    http_exchange *exchange;
    buf text;
    size_t sent;
} answer;

static void answer_free(answer *a) {
    http_exchange_release(a->exchange);
    buf_done(&a->text);
    mem_free(a);
}

static void on_writable(void *arg) {
    answer *a = arg;
    status s = STATUS_OK;
    while (s == STATUS_OK && a->sent < a->text.len) {
        size_t room = http_exchange_room(a->exchange);
        if (room == 0) {
            return;
        }
        slice piece = slice_sub(buf_slice(&a->text), a->sent, a->sent + room);
        s = http_exchange_write(a->exchange, piece, NULL);
        a->sent += piece.len;
    }
    if (s == STATUS_OK) {
        (void)!http_exchange_end(a->exchange, NULL, 0, NULL);
    }
    answer_free(a);
}

static void on_abort(void *arg) { answer_free(arg); }

static const http_exchange_ops answer_ops = {.on_writable = on_writable, .on_abort = on_abort};

void answer_send(http_exchange *x, uint16_t code, const http_header *headers, size_t header_count,
                 buf *text) {
    answer *a = MEM_NEW(answer);
    *a = (answer){.exchange = x, .text = *text};
    *text = (buf){.max = text->max};
    const http_response_head head = {.status = code,
                                     .headers = headers,
                                     .header_count = header_count,
                                     .content_length = (int64_t)a->text.len};
    if (http_exchange_start(x, &head, NULL) != STATUS_OK) {
        answer_free(a);
        return;
    }
    http_exchange_bind(x, &answer_ops, a);
    on_writable(a);
}
