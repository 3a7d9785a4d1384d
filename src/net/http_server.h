// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 (and 1.0) server on the event loop, upon a strict parser (llhttp). Bodies stream both ways at
// the same time, with back-pressure both ways: nothing is read from a client whose request nobody reads, and
// no more than a bounded buffer is taken for a client that does not read its response.
//
// One request and its response are an `http_exchange`. The handler gets it when the request's headers are
// complete, answers now or later, and must give it back with http_exchange_release, whatever happens; until
// then the pointer and the request stay valid, also when the client is gone (then reads fail and writes are
// refused). Requests that a client sends ahead wait: one exchange at a time per connection.
//
// What the server does alone: limits on everything a client controls, refusal of malformed and ambiguous
// requests, 100-continue, keep-alive, framing of bodies, Date and Connection fields, time-outs and minimum
// rates. Threads: everything on the thread of the loop. The process must ignore SIGPIPE.
// Sources: RFC 9110, RFC 9112. Tests: tests/unit/net, fuzz/fuzz_http_server.c.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "loop/loop.h"
#include "net/http.h"

typedef struct http_server http_server;
typedef struct http_exchange http_exchange;

typedef struct http_server_options {
    uint32_t connections_max;  // more wait in the listener's backlog
    uint32_t header_count_max; // of one request; the same again for its trailers
    uint32_t header_bytes_max; // names and values together; the same again for trailers
    uint32_t target_bytes_max; // of the request line's target
    uint64_t body_bytes_max;   // of one request, decoded; UINT64_MAX = no limit
    uint64_t idle_ns_max;      // between requests of a connection, and before the first
    uint64_t header_ns_max;    // from the first byte of a request to the end of its headers
    uint64_t rate_window_ns; // a client must move this many bytes per second, over each such time in which we
    uint32_t rate_bytes_min; // wait for it, to send the body that is read or to take the response
    bool is_for_our_user;    // of a local socket: connections of other users are closed
    uint64_t linger_ns_max;  // after a refusal: how long what the client still sends is read and dropped
} http_server_options;

http_server_options http_server_options_default(void);

// The target of a request, taken apart. Slices into the request.
typedef struct http_request {
    slice method;               // a token, as sent
    slice scheme;               // "http" or "https" for an absolute target, else empty
    slice authority;            // of an absolute target, else of the Host field; empty only with HTTP/1.0
    slice path_with_query;      // starts with '/', or is "*" (OPTIONS)
    const http_header *headers; // in the order sent, framing fields included
    size_t header_count;
    uint8_t minor_version; // HTTP/1.x
    bool has_body;
    int64_t content_length; // -1 when chunked; 0 without body
} http_request;

typedef struct http_server_handler {
    void *arg;
    // A request has come. May answer and release at once.
    void (*on_request)(void *arg, http_exchange *x);
    // After http_server_drain: the last connection is closed. May be NULL.
    void (*on_drained)(void *arg);
} http_server_handler;

// Serves connections of `listen_fd` (bound, listening; stays the caller's, who closes it after
// http_server_free; -1 = there is none).
status http_server_new(loop *l, int listen_fd, const http_server_options *options,
                       const http_server_handler *handler, http_server **ret, err *e) WRIT_MUST_USE;
// Serves one more connection, which is taken over. `tag` is what http_exchange_tag says of its exchanges; of
// connections that the listener took it is 0.
void http_server_adopt(http_server *s, int fd, uint32_t tag);
// Cuts every connection. All exchanges must have been released, or are released in the on_abort called from
// here.
void http_server_free(http_server *s); // accepts NULL

// Stops accepting, closes idle connections, lets running exchanges finish, cuts what is left at the deadline.
void http_server_drain(http_server *s, uint64_t deadline_ns);
// The same for one whose listener goes on elsewhere: what is connected and idle is not closed before the
// deadline but after its next request, because a client that sends it just now would lose it. May be followed
// by http_server_drain.
void http_server_retire(http_server *s, uint64_t deadline_ns);

typedef struct http_server_counters {
    uint64_t accepted;
    uint64_t requests;
    uint64_t refused; // answered by the server itself with 4xx or 5xx
    uint64_t aborted; // exchanges whose client went away or was cut
    uint32_t open;    // connections now
} http_server_counters;
http_server_counters http_server_count(const http_server *s);

// --- an exchange -------------------------------------------------------------------------------------------

// Callbacks come from the loop, never from inside a function of this header. Any may be NULL.
typedef struct http_exchange_ops {
    void (*on_readable)(void *arg); // after a read that gave HTTP_BODY_WAIT
    void (*on_writable)(void *arg); // after http_exchange_room gave 0
    void (*on_abort)(void *arg);    // the client is gone or was cut; once, no other call follows
} http_exchange_ops;

// `ops` must stay valid; may be called again to change both.
void http_exchange_bind(http_exchange *x, const http_exchange_ops *ops, void *arg);
const http_request *http_exchange_request(const http_exchange *x);
uint32_t http_exchange_tag(const http_exchange *x);

// At most `max` (> 0) bytes of the request's body, in place: valid until the next read, or the release. The
// first read asks the client to go on when it waits for 100-continue.
http_body_state http_exchange_read(http_exchange *x, size_t max, slice *ret);
// Whether a read would give anything but HTTP_BODY_WAIT; when not, on_readable will be called.
bool http_exchange_can_read(http_exchange *x);
// After HTTP_BODY_END; valid until the release.
const http_header *http_exchange_trailers(const http_exchange *x, size_t *ret_count);

typedef struct http_response_head {
    uint16_t status; // 200 to 599
    const http_header *headers;
    size_t header_count;
    int64_t content_length; // -1 = not known: chunked, or until the connection closes for HTTP/1.0
} http_response_head;

// Starts the response. Connection, Content-Length, Transfer-Encoding and the like are the server's: given
// ones are left out. STATUS_INVALID for a malformed name or value, STATUS_LIMIT when the head is over 64 KiB,
// STATUS_CLOSED when the client is gone. Sent with the first bytes of the body, at the latest at the end of
// the loop's turn.
status http_exchange_start(http_exchange *x, const http_response_head *head, err *e) WRIT_MUST_USE;
// An informational response (103 ...) before the response.
status http_exchange_inform(http_exchange *x, uint16_t status_code, const http_header *headers, size_t count,
                            err *e) WRIT_MUST_USE;
// How many bytes of body the next write takes. 0: on_writable will be called. Also 0 when the client is gone.
size_t http_exchange_room(http_exchange *x);
// Whether all that was written has been given to the kernel.
bool http_exchange_is_flushed(const http_exchange *x);
// Writes body bytes, no more than the room. STATUS_INVALID over the content length, STATUS_CLOSED. Bytes for
// a response that has no body (HEAD, 204, 304) are counted and dropped.
status http_exchange_write(http_exchange *x, slice bytes, err *e) WRIT_MUST_USE;
// Ends the response, with trailers when the framing can carry them. A body shorter than its content length
// cuts the connection: STATUS_INVALID.
status http_exchange_end(http_exchange *x, const http_header *trailers, size_t count, err *e) WRIT_MUST_USE;
// The whole of a small response: at most 32 KiB of body.
status http_exchange_reply(http_exchange *x, uint16_t status_code, const http_header *headers, size_t count,
                           slice body, err *e) WRIT_MUST_USE;

bool http_exchange_is_started(const http_exchange *x); // a response head was given
bool http_exchange_is_aborted(const http_exchange *x);
// The response cannot be finished: cuts the connection so that the client notices. on_abort is not called.
void http_exchange_abort(http_exchange *x);
// The handler's last word. A response that was not started becomes 500, one that was not ended is aborted.
// What is left of the request's body is dropped.
void http_exchange_release(http_exchange *x);
