// SPDX-License-Identifier: Apache-2.0
// Insides of the HTTP server, shared by http_server.c (listener, pools, clock), http_connection.c (the life
// of a connection), http_parse.c (requests in), http_exchange.c and http_response.c (what handlers call). The
// fuzzer and the tests also use the part about transports.
//
// Memory: an idle connection is one small struct. From the first byte of a request to the end of its response
// it holds an exchange, which contains the buffer for the head; blocks of 64 KiB are added for streamed
// bodies and for a response that the kernel did not take at once. Both kinds come from free lists, last in
// first out, so a busy server keeps working in the same warm memory and allocates nothing per request.
#pragma once

#include <llhttp.h>
#include <sys/uio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/http_server.h"

enum {
    HTTP_HEAD_BYTES = 12 * 1024, // buffer inside an exchange; larger heads allocate
    HTTP_HEAD_FIELDS = 48,       // header fields inside an exchange; more allocate
    HTTP_BODY_ROOM = 64 * 1024,  // of the response, that a client may leave unread
    HTTP_BLOCK_BYTES = HTTP_BODY_ROOM + 1024,
    HTTP_RESPONSE_HEAD_MAX = 48 * 1024,
    HTTP_SMALL_WRITE = 8 * 1024,      // up to here bytes are collected, over it they go to the kernel at once
    HTTP_NEXT_PENDING_MAX = 8 * 1024, // no further request is begun while more than this is unsent
    HTTP_DRAIN_BYTES_MAX = 256 * 1024, // of a request body that the handler left unread
    HTTP_SPARE_EXCHANGES_MAX = 256,
    HTTP_SPARE_BLOCKS_MAX = 64,
    HTTP_ACCEPT_BATCH = 64,
    HTTP_DATE_BYTES = 32,
};

// What a connection reads from and writes to. Return values as of recv and writev.
typedef struct http_transport {
    ssize_t (*receive)(int fd, void *bytes, size_t len);
    ssize_t (*send)(int fd, const struct iovec *parts, int count);
} http_transport;

typedef struct http_block {
    struct http_block *next; // in the free list
    uint8_t bytes[HTTP_BLOCK_BYTES];
} http_block;

typedef struct http_connection http_connection;

typedef enum http_framing { // of a response body
    HTTP_FRAMING_LENGTH,
    HTTP_FRAMING_CHUNKED,
    HTTP_FRAMING_CLOSE, // HTTP/1.0: until the connection closes
    HTTP_FRAMING_NONE,  // has no body; what is written is dropped
} http_framing;

struct http_exchange {
    http_connection *c;
    http_exchange *spare_next;
    const http_exchange_ops *ops;
    void *arg;

    // The request.
    http_request request;
    http_header inline_fields[HTTP_HEAD_FIELDS];
    http_header *fields; // inline_fields or allocated
    uint32_t field_count;
    uint32_t field_capacity;
    uint32_t field_bytes;
    bool is_in_value; // the parser is in the value of the last field
    slice method;
    slice target;
    buf trailer_text;       // names and values, one after the other
    uint32_t *trailer_ends; // ends of name, value, name, value ... in trailer_text
    uint32_t trailer_count;
    http_header *trailers; // made at the end
    uint16_t refusal;      // status that the parser's callbacks chose, 0 = none
    bool expects_continue;
    bool head_done;
    bool message_done;

    // Input. `in` is the head buffer first, then `in_block`.
    uint8_t *in;
    size_t in_capacity;
    size_t in_start;  // where the head begins; used while it is incomplete
    size_t in_parsed; // given to the parser
    size_t in_len;    // received
    uint8_t *body;    // decoded and not yet read, inside `in`
    size_t body_len;
    uint64_t body_total;
    http_block *in_block;
    uint8_t *head; // inline_bytes or allocated
    size_t head_capacity;

    // The response.
    http_framing framing;
    uint64_t left;    // HTTP_FRAMING_LENGTH: bytes still to come
    uint64_t drained; // of the request's body, after the release
    bool is_head_request;
    bool is_started;
    bool is_ended;
    bool closes; // the connection ends with this exchange

    bool is_dispatched;
    bool is_released;
    bool is_aborted;
    bool wants_read;
    bool wants_write;
    uint8_t inline_bytes[HTTP_HEAD_BYTES];
};

typedef enum http_phase {
    HTTP_PHASE_HEAD,    // waiting for a request, or in the middle of its head
    HTTP_PHASE_HANDLER, // the handler has the exchange
    HTTP_PHASE_DRAIN,   // the response is done, the rest of the request's body is read and dropped
    HTTP_PHASE_CLOSING, // sending what is left, then closing
    HTTP_PHASE_LINGER,  // our side is shut down; reading what the client still sends, so that it sees our
                        // answer
    HTTP_PHASE_DEAD,    // closed; freed when the handler has released the exchange
} http_phase;

struct http_connection {
    http_server *server;
    list_node node;
    int fd;
    uint32_t tag;
    loop_watch watch;
    loop_soon soon; // to advance at the end of the turn
    http_phase phase;
    bool is_advancing;
    bool is_broken;     // the client is gone; noticed at the next advance
    bool wants_linger;  // close only after the client has
    bool is_unwritable; // the kernel takes no more for now
    llhttp_t parser;
    http_exchange *x; // NULL while idle
    http_block *out;  // response bytes [out_start, out_end) that are not sent
    size_t out_start;
    size_t out_end;
    uint64_t deadline_ns; // of the phases HEAD and LINGER; UINT64_MAX = none
    // Rates: time spent waiting for the client since the window began, and what it moved in it.
    uint64_t in_wait_ns;
    uint64_t in_bytes;
    uint64_t out_wait_ns;
    uint64_t out_bytes;
};

struct http_server {
    loop *l;
    int listen_fd;
    const http_transport *transport;
    http_server_options options;
    http_server_handler handler;
    loop_watch watch;
    loop_timer tick;
    loop_timer retry_accept;
    loop_timer drain_deadline;
    list_node connections;
    list_node *visited_next; // the connection that visit_all comes to next
    http_server_counters counters;
    bool is_draining;
    bool is_drained_told;
    uint64_t tick_ns;
    uint64_t tick_at_ns; // when the last tick ran
    http_exchange *spare_exchanges;
    uint32_t spare_exchange_count;
    http_block *spare_blocks;
    uint32_t spare_block_count;
    uint64_t date_seconds;
    char date[HTTP_DATE_BYTES]; // "Sun, 06 Nov 1994 08:49:37 GMT"
};

// Server. Without a listener (fd -1) connections are only added by hand.
http_connection *http_connection_new(http_server *s, int fd);
void http_connection_free(http_connection *c); // by http_connection_advance only, and http_server_free
void http_server_on_connection_gone(http_server *s, http_connection *c);
http_exchange *http_server_take_exchange(http_server *s);
void http_server_give_exchange(http_server *s, http_exchange *x);
http_block *http_server_take_block(http_server *s);
void http_server_give_block(http_server *s, http_block *b);
const char *http_server_date(http_server *s);
void http_server_set_transport(http_server *s, const http_transport *transport);

// Connection.
void http_connection_on_event(http_connection *c, unsigned events);
void http_connection_advance(http_connection *c); // may free it
void http_connection_advance_soon(http_connection *c);
void http_connection_tick(http_connection *c, uint64_t now_ns, uint64_t elapsed_ns); // may free it
void http_connection_watch_update(http_connection *c);
// Ends the connection after an answer with `refusal` (0 = at once). Tells the handler when there is one.
void http_connection_cut(http_connection *c, uint16_t refusal);
void http_connection_drain(http_connection *c); // may free it
// Receives more into the exchange and parses it. False when there is nothing now or the client is gone
// (is_broken).
bool http_connection_receive(http_connection *c);

// Parser.
void http_parse_begin(http_connection *c); // a new request
// Parses what was received and not yet parsed. Sets `refusal` and returns false when it is not acceptable.
bool http_parse(http_connection *c);
void http_exchange_reset(http_exchange *x); // for the next request; input stays

// Response.
bool http_connection_flush(http_connection *c); // false when something is left or the client is gone
static inline size_t http_connection_pending(const http_connection *c) { return c->out_end - c->out_start; }
void http_connection_drop_output(http_connection *c);
void http_response_refuse(http_connection *c, uint16_t status_code);
