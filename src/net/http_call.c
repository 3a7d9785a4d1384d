// SPDX-License-Identifier: Apache-2.0
// The life of a call: libcurl is asked first, since it may have an open connection; when it wants a new one,
// the call fails inside libcurl, the connector makes the socket, and the call is given to libcurl again with
// that in hand.
//
// libcurl calls us with parts of the response and for parts of the request. When there is no room or nothing
// to send it is told to pause, and goes on when the other side has moved.
#include "base/check.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "net/http_client_internal.h"
#include "os/socket_open.h"

#include <errno.h>
#include <stdio.h>

static void tell(http_call *call) { call->progress(call->arg); }

// --- deadlines ---------------------------------------------------------------------------------------------

static void on_deadline(void *arg) {
    http_call *call = arg;
    bool is_connecting = call->connect_deadline_ns != 0;
    http_failure failure = is_connecting        ? HTTP_FAILURE_CONNECT_TIMEOUT
                           : call->has_response ? HTTP_FAILURE_READ_TIMEOUT
                                                : HTTP_FAILURE_RESPONSE_TIMEOUT;
    http_client_stop(call->client, call);
    http_call_fail(call, failure,
                   is_connecting        ? "no connection in time"
                   : call->has_response ? "no further data in time"
                                        : "no response in time");
}

// Something moved: the time for the next thing starts anew.
static void restart_deadline(http_call *call) {
    if (call->connect_deadline_ns == 0) {
        loop_timer_start_in(&call->deadline,
                            call->has_response ? call->between_bytes_ns : call->first_byte_ns);
    }
}

// --- sockets -----------------------------------------------------------------------------------------------

static http_failure failure_of(const connect_result *r) {
    switch (r->code) {
    case STATUS_DENIED:
        return HTTP_FAILURE_DENIED;
    case STATUS_NOT_FOUND:
        return HTTP_FAILURE_DNS;
    case STATUS_TIMEOUT:
        return HTTP_FAILURE_CONNECT_TIMEOUT;
    case STATUS_LIMIT:
        return HTTP_FAILURE_LIMIT;
    default:
        break;
    }
    switch (r->os_error) {
    case ECONNREFUSED:
        return HTTP_FAILURE_REFUSED;
    case ETIMEDOUT:
        return HTTP_FAILURE_CONNECT_TIMEOUT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
        return HTTP_FAILURE_UNREACHABLE;
    case ECONNRESET:
        return HTTP_FAILURE_TERMINATED;
    default:
        return r->os_error == 0 && r->code == STATUS_IO ? HTTP_FAILURE_DNS : HTTP_FAILURE_UNREACHABLE;
    }
}

static void on_socket(void *arg, const connect_result *result) {
    http_call *call = arg;
    http_client *c = call->client;
    c->connecting_count--;
    if (result->code == STATUS_OK) {
        call->fd = result->fd;
        http_client_run(c, call);
        return;
    }
    call->state = HTTP_CALL_DONE;
    c->socket_count--;
    http_call_fail(call, failure_of(result), result->e != NULL ? result->e->message : "no connection");
    http_client_serve_queue(c);
}

void http_call_ask_for_socket(http_call *call) {
    http_client *c = call->client;
    if (c->socket_count >= c->options.sockets_max || c->connecting_count >= HTTP_CONNECTING_MAX) {
        call->state = HTTP_CALL_QUEUED;
        list_push_back(&c->queue, &call->queued);
        return;
    }
    connect_request request = {
        .purpose = CONNECT_HTTP,
        .protocol = CONNECT_TCP,
        .host = slice_from_text(call->host),
        .port = call->port,
        .deadline_ns = call->connect_deadline_ns,
        .workload = c->options.workload,
    };
    err e = {0};
    status asked = connector_request(c->options.connector, &request, on_socket, call, &call->connect_id, &e);
    if (asked != STATUS_OK) {
        connect_result refused = {.code = asked, .fd = -1};
        call->state = HTTP_CALL_DONE;
        http_call_fail(call, failure_of(&refused), e.message);
        return;
    }
    call->state = HTTP_CALL_CONNECTING;
    c->connecting_count++;
    c->socket_count++;
}

curl_socket_t http_call_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)purpose; // the address counts for nothing, but with a path
    http_call *call = arg;
    if (call->client->options.socket_path != NULL) {
        int local = -1;
        bool is_open = socket_open_bound(address->socktype, address->family, NULL, &local) == 0;
        call->client->socket_count += is_open ? 1 : 0; // until it is closed
        return is_open ? local : CURL_SOCKET_BAD;
    }
    int fd = call->fd;
    call->wants_socket = fd < 0;
    call->fd = -1;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

// Says that the socket is connected. libcurl 7.88 asks for this and then connects all the same. That is
// harmless: in a worker the system call filter answers EINPROGRESS, after which libcurl waits until the
// socket is writable; without a filter the kernel answers 0, since this is the first call on the socket after
// its connection was completed in the background (see connector.h). The address that libcurl gives is used
// for nothing.
int http_call_socket_opened(void *arg, curl_socket_t fd, curlsocktype purpose) {
    (void)fd, (void)purpose;
    const http_call *call = arg;
    return call->client->options.socket_path != NULL ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ALREADY_CONNECTED;
}

// libcurl has a connection, with TLS, and is about to send the request.
int http_call_connected(void *arg, char *peer, char *local, int peer_port, int local_port) {
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    http_call *call = arg;
    call->connect_deadline_ns = 0;
    restart_deadline(call);
    return CURL_PREREQFUNC_OK;
}

// --- the end -----------------------------------------------------------------------------------------------

void http_call_fail(http_call *call, http_failure failure, const char *text) {
    if (call->failure == HTTP_FAILURE_NONE) {
        call->failure = failure;
        snprintf(call->failure_text, sizeof call->failure_text, "%s", text);
    }
    loop_timer_stop(&call->deadline);
    tell(call);
}

static http_failure failure_of_curl(const http_call *call, CURLcode result) {
    switch (result) {
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_FAILURE_CONNECT_TIMEOUT;
    case CURLE_COULDNT_CONNECT:
        return HTTP_FAILURE_UNREACHABLE;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_USE_SSL_FAILED:
        return HTTP_FAILURE_TLS_PROTOCOL;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_FAILURE_TLS_CERTIFICATE;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
        return HTTP_FAILURE_RESPONSE_INCOMPLETE;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
        return call->has_response ? HTTP_FAILURE_RESPONSE_INCOMPLETE : HTTP_FAILURE_TERMINATED;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR:
        return HTTP_FAILURE_PROTOCOL;
    default:
        return HTTP_FAILURE_INTERNAL;
    }
}

void http_call_on_curl_done(http_call *call, CURLcode result) {
    if (call->wants_socket && result != CURLE_OK && !call->is_out_touched && !call->has_response &&
        call->failure == HTTP_FAILURE_NONE) {
        // Also when a kept connection turned out to be dead.
        call->header_count = call->header_bytes = 0;
        http_call_ask_for_socket(call);
        return;
    }
    call->state = HTTP_CALL_DONE;
    if (call->fd >= 0) { // libcurl used another connection after all
        http_client_take_socket_back(call->client, call->fd);
        call->fd = -1;
    }
    if (result != CURLE_OK) {
        http_call_fail(call, failure_of_curl(call, result), curl_easy_strerror(result));
        return;
    }
    if (!call->has_response) {
        http_call_fail(call, HTTP_FAILURE_RESPONSE_INCOMPLETE, "the response ended before its headers did");
        return;
    }
    loop_timer_stop(&call->deadline);
    tell(call);
}

// --- the response ------------------------------------------------------------------------------------------

static slice without_line_end(const char *line, size_t len) {
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }
    return slice_of(line, len);
}

static void finish_head(http_call *call) {
    long code = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 100 && code < 200) { // informational: the response is still to come
        call->header_count = call->header_bytes = 0;
        return;
    }
    call->response = (http_response){(uint16_t)code, call->headers, call->header_count};
    call->has_response = true;
    call->headers = NULL;
    call->header_count = call->header_bytes = 0;
    restart_deadline(call);
    tell(call);
}

static bool add_header(http_call *call, slice line) {
    const http_client_options *o = &call->client->options;
    size_t colon = slice_find(line, 0, ':');
    if (colon == SIZE_MAX || colon == 0) {
        return true; // not a field; libcurl has let it pass
    }
    slice name = slice_sub(line, 0, colon);
    slice value = http_trim(slice_sub(line, colon + 1, line.len));
    call->header_bytes += name.len + value.len;
    if (call->header_count >= o->header_count_max || call->header_bytes > o->header_bytes_max) {
        http_call_fail(call, HTTP_FAILURE_RESPONSE_HEADER_SIZE, "the response has too many header fields");
        return false;
    }
    if (!http_token_is_valid(name) || !http_value_is_valid(value)) {
        http_call_fail(call, HTTP_FAILURE_PROTOCOL, "the response has a malformed header field");
        return false;
    }
    if (call->headers == NULL) {
        call->headers = ARENA_ARRAY(&call->text, http_header, o->header_count_max);
    }
    name = arena_copy(&call->text, name);
    value = arena_copy(&call->text, value);
    if (call->headers == NULL || name.data == NULL || (value.data == NULL && value.len > 0)) {
        http_call_fail(call, HTTP_FAILURE_RESPONSE_HEADER_SIZE, "no memory for the response's header fields");
        return false;
    }
    call->headers[call->header_count++] = (http_header){name, value};
    return true;
}

// One line at a time: status line, fields, the empty line; after the body the trailers' fields.
size_t http_call_on_header(char *bytes, size_t size, size_t count, void *arg) {
    http_call *call = arg;
    slice line = without_line_end(bytes, size * count);
    if (!call->has_response && slice_starts_with(line, "HTTP/")) {
        call->header_count = call->header_bytes = 0;
    } else if (line.len == 0) {
        if (!call->has_response) {
            finish_head(call);
        }
    } else if (!add_header(call, line)) {
        return 0;
    }
    if (call->has_response) {
        call->trailers = call->headers;
        call->trailer_count = call->header_count;
    }
    return size * count;
}

static void make_buffer(http_call_body *b) {
    if (b->bytes == NULL) {
        b->bytes = mem_alloc(HTTP_CALL_BODY_BYTES);
        b->capacity = HTTP_CALL_BODY_BYTES;
    }
    if (b->start == b->end) {
        b->start = b->end = 0;
    }
}

// The response to a request with a body may come while the request is still being sent, and be read only
// after that: it gets more room before the server is held up.
static void grow_for_early_bytes(http_call *call, size_t len) {
    http_call_body *in = &call->in;
    if (call->has_body && in->capacity - in->end < len && in->capacity < HTTP_CALL_EARLY_BYTES_MAX) {
        in->capacity *= 2;
        in->bytes = mem_resize(in->bytes, in->capacity);
    }
}

size_t http_call_on_body(char *bytes, size_t size, size_t count, void *arg) {
    http_call *call = arg;
    size_t len = size * count;
    http_call_body *in = &call->in;
    if (in->lent == 0) {
        make_buffer(in);
        if (in->start > 0 && in->capacity - in->end < len) {
            memmove(in->bytes, in->bytes + in->start, in->end - in->start);
            in->end -= in->start;
            in->start = 0;
        }
        grow_for_early_bytes(call, len);
    }
    if (in->capacity - in->end < len) {
        call->is_in_paused = true;
        loop_timer_stop(&call->deadline); // it is the reader that we wait for
        tell(call);                       // who may wait for us, with all that it was lent used up
        return CURL_WRITEFUNC_PAUSE;
    }
    memcpy(in->bytes + in->end, bytes, len);
    in->end += len;
    restart_deadline(call);
    tell(call);
    return len;
}

const http_response *http_call_response(const http_call *call) {
    return call->has_response ? &call->response : NULL;
}

http_failure http_call_failure(const http_call *call) { return call->failure; }
bool http_call_is_done(const http_call *call) { return call->state == HTTP_CALL_DONE; }
const char *http_call_failure_text(const http_call *call) { return call->failure_text; }

// Tells libcurl which directions may move. It may call back at once.
static void apply_pauses(http_call *call) {
    if (call->state == HTTP_CALL_RUNNING) {
        CHECK(!call->client->driver.is_inside);
        call->client->driver.is_inside = true;
        curl_easy_pause(call->easy, (call->is_in_paused ? CURLPAUSE_RECV : 0) |
                                        (call->is_out_paused ? CURLPAUSE_SEND : 0));
        call->client->driver.is_inside = false;
        http_client_kick(call->client);
    }
}

static void give_back(http_call *call) {
    http_call_body *in = &call->in;
    in->start += in->lent;
    in->lent = 0;
    if (call->is_in_paused && in->end - in->start <= HTTP_CALL_BODY_BYTES / 2) {
        call->is_in_paused = false;
        restart_deadline(call);
        apply_pauses(call);
    }
}

static http_body_state body_state(const http_call *call) {
    if (call->in.end - call->in.start > call->in.lent) {
        return HTTP_BODY_DATA;
    }
    if (call->failure != HTTP_FAILURE_NONE) {
        return HTTP_BODY_FAILED;
    }
    return call->state == HTTP_CALL_DONE ? HTTP_BODY_END : HTTP_BODY_WAIT;
}

http_body_state http_call_read(http_call *call, size_t max, slice *ret) {
    give_back(call);
    http_body_state state = body_state(call);
    if (state == HTTP_BODY_DATA) {
        http_call_body *in = &call->in;
        size_t len = in->end - in->start;
        in->lent = len < max ? len : max;
        *ret = slice_of(in->bytes + in->start, in->lent);
    }
    return state;
}

bool http_call_can_read(const http_call *call) {
    return body_state(call) != HTTP_BODY_WAIT || (call->is_in_paused && call->in.lent > 0);
}

const http_header *http_call_trailers(const http_call *call, size_t *ret_count) {
    *ret_count = call->state == HTTP_CALL_DONE ? call->trailer_count : 0;
    return call->trailers;
}

// --- the request's body ------------------------------------------------------------------------------------

size_t http_call_read_body(char *bytes, size_t size, size_t count, void *arg) {
    http_call *call = arg;
    http_call_body *out = &call->out;
    size_t len = out->end - out->start;
    if (len == 0) {
        if (call->is_body_ended) {
            return 0;
        }
        call->is_out_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    len = len < size * count ? len : size * count;
    memcpy(bytes, out->bytes + out->start, len);
    out->start += len;
    call->is_out_touched = true;
    restart_deadline(call);
    if (call->wants_room && out->end - out->start <= HTTP_CALL_BODY_BYTES / 2) {
        call->wants_room = false;
        tell(call);
    }
    return len;
}

int http_call_read_trailers(struct curl_slist **list, void *arg) {
    http_call *call = arg;
    *list = call->out_trailers; // libcurl's from now on
    call->out_trailers = NULL;
    return CURL_TRAILERFUNC_OK;
}

bool http_call_may_write(const http_call *call) {
    return call->has_body && !call->is_body_ended && call->failure == HTTP_FAILURE_NONE &&
           call->state != HTTP_CALL_DONE;
}

size_t http_call_room(http_call *call) {
    if (!http_call_may_write(call)) {
        return 0;
    }
    size_t pending = call->out.end - call->out.start;
    if (pending > HTTP_CALL_BODY_BYTES / 2) {
        call->wants_room = true;
        return 0;
    }
    return HTTP_CALL_BODY_BYTES - pending;
}

static void resume_sending(http_call *call) {
    if (call->is_out_paused) {
        call->is_out_paused = false;
        apply_pauses(call);
    }
}

status http_call_write(http_call *call, slice bytes, err *e) {
    if (!http_call_may_write(call)) {
        return err_set(e, STATUS_CLOSED, "the server takes no more of the request");
    }
    http_call_body *out = &call->out;
    make_buffer(out);
    CHECK(bytes.len <= HTTP_CALL_BODY_BYTES - (out->end - out->start));
    if (HTTP_CALL_BODY_BYTES - out->end < bytes.len) {
        memmove(out->bytes, out->bytes + out->start, out->end - out->start);
        out->end -= out->start;
        out->start = 0;
    }
    if (bytes.len > 0) {
        memcpy(out->bytes + out->end, bytes.data, bytes.len);
        out->end += bytes.len;
        resume_sending(call);
    }
    return STATUS_OK;
}

void http_call_end(http_call *call, const http_header *trailers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        auto_buf line;
        buf_init(&line, HTTP_CALL_TEXT_BYTES_MAX);
        if (buf_append_format(&line, "%.*s: %.*s", SLICE_ARG(trailers[i].name),
                              SLICE_ARG(trailers[i].value)) == STATUS_OK) {
            call->out_trailers = curl_slist_append(call->out_trailers, buf_text(&line));
        }
    }
    call->is_body_ended = true;
    resume_sending(call);
}

void http_call_abort(http_call *call) {
    if (call->state != HTTP_CALL_DONE) {
        http_client_stop(call->client, call);
        http_call_fail(call, HTTP_FAILURE_TERMINATED, "the request was given up before it was complete");
    }
}

// --- life --------------------------------------------------------------------------------------------------

static CURL *take_easy(http_client *c) {
    return c->spare_count > 0 ? c->spare[--c->spare_count] : curl_easy_init();
}

static void give_easy(http_client *c, CURL *easy, bool is_reusable) {
    if (easy != NULL && is_reusable && c->spare_count < HTTP_SPARE_EASY_MAX) {
        curl_easy_reset(easy);
        c->spare[c->spare_count++] = easy;
    } else {
        curl_easy_cleanup(easy);
    }
}

status http_call_new(http_client *c, const http_call_request *request, http_call_progress progress, void *arg,
                     http_call **ret, err *e) {
    if (c->call_count >= c->options.calls_max) {
        return err_set(e, STATUS_LIMIT, "%u outgoing requests are under way, which is the limit",
                       c->call_count);
    }
    http_call *call = MEM_NEW(http_call);
    call->client = c;
    call->progress = progress;
    call->has_secrets = request->has_secrets;
    call->arg = arg;
    call->fd = -1;
    call->state = HTTP_CALL_DONE; // until it begins
    call->easy = take_easy(c);
    arena_init(&call->text, HTTP_CALL_TEXT_BYTES_MAX);
    list_init(&call->queued);
    list_push_back(&c->calls, &call->node);
    c->call_count++;
    loop_timer_init(&call->deadline, c->l, on_deadline, call);
    status ready = call->easy == NULL ? err_set(e, STATUS_LIMIT, "no memory for a request")
                                      : http_call_set_up(call, request, e);
    if (ready != STATUS_OK) {
        http_call_free(call);
        return ready;
    }
    loop_timer_start_at(&call->deadline, call->connect_deadline_ns);
    http_client_run(c, call);
    *ret = call;
    return STATUS_OK;
}

static void wipe_body(http_call_body *b) {
    if (b->bytes != NULL) {
        secret_wipe(b->bytes, b->capacity);
    }
}

static void wipe(http_call *call) {
    wipe_body(&call->in);
    wipe_body(&call->out);
    for (struct curl_slist *f = call->fields; f != NULL; f = f->next) {
        secret_wipe(f->data, strlen(f->data));
    }
}

void http_call_free(http_call *call) {
    if (call == NULL) {
        return;
    }
    http_client *c = call->client;
    http_client_stop(c, call);
    list_remove(&call->node);
    c->call_count--;
    give_easy(c, call->easy, !call->sends_trailers); // see set_trailers
    if (call->has_secrets) {
        wipe(call);
    }
    curl_slist_free_all(call->fields);
    curl_slist_free_all(call->connect_to);
    curl_slist_free_all(call->out_trailers);
    mem_free(call->in.bytes);
    mem_free(call->out.bytes);
    arena_done(&call->text);
    mem_free(call);
}
