// SPDX-License-Identifier: Apache-2.0
// What the files of this folder share: lists of header fields, bodies in, bodies out.
//
// Requests that come in and requests that go out have the same two kinds of body, so the resources of
// wasi:http work on two small contracts: `http_source` (a body that is read) and `http_target` (where a body
// is written to). An exchange of the server and a call of the client each implement both.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "capability/stream.h"
#include "net/http.h"
#include "wasi/http_types.h"

enum {
    HTTP_FIELDS_BYTES_MAX = 128 * 1024, // of one list of fields: names, values and 32 bytes for each
    HTTP_UNSENT_BYTES_MAX = 1 << 20,    // of a body whose message has not been sent yet
    HTTP_WRITE_BYTES_MAX = 64 * 1024,   // that check-write allows at most
    HTTP_URI_BYTES_MAX = 64 * 1024,
    HTTP_MESSAGES_BYTES_MAX = 64 << 20, // that one instance makes the host keep, of all kinds together
    HTTP_CALL_BYTES = 128 * 1024,       // that an outgoing request is taken to need
};

// --- accounts (account.c) ----------------------------------------------------------------------------------

typedef struct http_account {
    uint32_t refs;
    size_t bytes;
    list_node calls; // outgoing requests of the instance
} http_account;

http_account *http_account_of(wasi_instance *i); // borrowed
http_account *http_account_ref(http_account *a);
void http_account_unref(http_account *a);
size_t http_account_left(const http_account *a);
bool http_account_charge(http_account *a, size_t bytes); // false when there is no more; then nothing happened
void http_account_refund(http_account *a, size_t bytes);

// --- lists of fields (fields.c) ----------------------------------------------------------------------------

// Shared by reference between a message and the immutable views of its headers.
typedef struct http_fields {
    uint32_t refs;
    arena text;
    http_header *items;
    size_t count;
    size_t capacity;
    size_t bytes;   // counted against HTTP_FIELDS_BYTES_MAX
    size_t charged; // with what was removed and still takes room
    http_account *account;
} http_fields;

http_fields *http_fields_new(wasi_instance *i);
http_fields *http_fields_ref(http_fields *f);
void http_fields_unref(http_fields *f); // accepts NULL
// Copies. STATUS_LIMIT over the maximum.
status http_fields_append(http_fields *f, slice name, slice value, err *e) WRIT_MUST_USE;
// A copy of what came over the network, without the fields that are the transport's business.
status http_fields_from_wire(wasi_instance *i, const http_header *headers, size_t count, http_fields **ret,
                             err *e) WRIT_MUST_USE;
// The value of Content-Length: -1 when there is none; false when it is malformed or given twice.
bool http_fields_content_length(const http_fields *f, int64_t *ret);

// A resource over a list; takes the reference, also when it fails.
status http_fields_resource_new(wasi_instance *i, http_fields *list, bool is_immutable,
                                wasi_http_types_fields **ret, err *e) WRIT_MUST_USE;
// An immutable view of a message's headers; the list stays the message's.
status http_fields_view_new(wasi_instance *i, http_fields *list, wasi_http_types_fields **ret,
                            err *e) WRIT_MUST_USE;
// Takes the list out of a resource that the guest gave away, and drops the resource.
http_fields *http_fields_take(wasi_http_types_fields *resource);

// --- bodies in (body_in.c) ---------------------------------------------------------------------------------

typedef struct http_source http_source;
typedef struct http_source_ops {
    http_body_state (*read)(http_source *s, size_t max, slice *ret); // as http_exchange_read
    bool (*can_read)(http_source *s);
    const http_header *(*trailers)(http_source *s, size_t *ret_count); // after HTTP_BODY_END
    wasi_http_types_error_code (*failure)(http_source *s);             // after HTTP_BODY_FAILED
    void (*ref)(http_source *s);
    void (*unref)(http_source *s);
} http_source_ops;
struct http_source {
    const http_source_ops *ops;
};

// Takes a reference of the source, also when it fails.
status http_incoming_body_new(wasi_instance *i, http_source *s, wasi_http_types_incoming_body **ret,
                              err *e) WRIT_MUST_USE;

// `consume` of a message that came in: its body, once.
status http_incoming_body_consume(wasi_instance *i, http_source *s, bool *is_consumed,
                                  wasi_http_types_result_incoming_body_void *ret, err *e) WRIT_MUST_USE;

// --- bodies out (body_out.c) -------------------------------------------------------------------------------

typedef struct http_target http_target;
typedef struct http_target_ops {
    bool (*is_open)(http_target *t);
    size_t (*room)(http_target *t); // 0: http_outflow_push must be called when there is some again
    status (*write)(http_target *t, slice bytes, err *e);
    status (*finish)(http_target *t, const http_header *trailers, size_t count, err *e);
    void (*abort)(http_target *t); // the body will never be complete
} http_target_ops;
struct http_target {
    const http_target_ops *ops;
};

typedef enum http_outflow_state {
    HTTP_OUTFLOW_OPEN,     // the guest may write
    HTTP_OUTFLOW_FINISHED, // it said that this was all
    HTTP_OUTFLOW_DONE,     // and the target was told
    HTTP_OUTFLOW_ABORTED,
} http_outflow_state;

// The way of a body from the guest's stream to its target: it waits here until the message is sent, and it
// may go on after the guest has let go of it.
typedef struct http_outflow {
    uint32_t refs;
    http_outflow_state state;
    http_target *target; // NULL before the message is sent, and after the target is gone
    buf unsent;
    size_t charged; // for `unsent`
    http_account *account;
    http_fields *trailers;
    int64_t content_length; // -1: not declared
    uint64_t written;
    bool is_request; // for the error that a wrong length gives
} http_outflow;

http_outflow *http_outflow_new(wasi_instance *i, bool is_request, int64_t content_length);
void http_outflow_unref(http_outflow *o); // accepts NULL
// Moves on what there is to move.
void http_outflow_push(http_outflow *o);
void http_outflow_attach(http_outflow *o, http_target *t);
void http_outflow_detach(http_outflow *o); // the target is gone
// The message is gone, with its reference: a body that has no target by now will never have one, so its
// writer hears that the peer is gone. Accepts NULL.
void http_outflow_message_gone(http_outflow *o);

// Takes a reference of the outflow, also when it fails.
status http_outgoing_body_new(wasi_instance *i, http_outflow *o, wasi_http_types_outgoing_body **ret,
                              err *e) WRIT_MUST_USE;

// --- messages going out (messages.c) -----------------------------------------------------------------------

struct wasi_http_types_outgoing_response {
    wasi_resource base;
    uint16_t status_code;
    http_fields *headers;
    http_outflow *body; // NULL until the guest asks for it
};

struct wasi_http_types_outgoing_request {
    wasi_resource base;
    http_fields *headers;
    http_outflow *body;
    arena text; // of the parts below
    size_t charged;
    slice method;
    slice scheme; // as set; empty = not set
    bool has_scheme;
    slice authority;
    bool has_authority;
    slice path_with_query;
    bool has_path;
};

struct wasi_http_types_request_options {
    wasi_resource base;
    wasi_http_types_option_u64 connect_timeout;
    wasi_http_types_option_u64 first_byte_timeout;
    wasi_http_types_option_u64 between_bytes_timeout;
};

wasi_http_types_method http_method_from(slice token);
slice http_method_token(const wasi_http_types_method *m);
wasi_http_types_scheme http_scheme_from(slice scheme);

static inline wasi_http_types_error_code http_error(uint8_t tag) {
    return (wasi_http_types_error_code){.tag = tag};
}
