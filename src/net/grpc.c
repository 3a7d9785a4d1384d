// SPDX-License-Identifier: Apache-2.0
#include "net/grpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "net/curl_driver.h"
#include "net/http.h"
#include "os/socket_open.h"

enum {
    PREFIX_BYTES = 5, // a flag and a length of four bytes
    READY_MAX = 16,   // messages that wait for the next turn of the loop
    TEXT_BYTES_MAX = 256,
    HEADER_BYTES_MAX = 16 << 10, // of an answer, with its trailers
};

typedef struct ready_message {
    list_node node;
    secret bytes;
} ready_message;

struct grpc_call {
    curl_driver driver;
    CURL *easy; // NULL when it has ended
    struct curl_slist *fields;
    grpc_events events;
    char *socket_path;
    loop *l;
    loop_timer deadline;
    loop_soon deliver;
    size_t answer_bytes_max;
    uint64_t first_ns;

    // The message that is being received.
    uint8_t prefix[PREFIX_BYTES];
    size_t prefix_len;
    secret body; // as long as the message will be
    size_t body_len;
    list_node ready;
    size_t ready_count;

    size_t header_bytes;
    bool is_grpc;       // by its content type
    bool has_grpc_code; // it ended as a call should
    unsigned grpc_code;
    char grpc_text[TEXT_BYTES_MAX];
    bool has_ended;
    status code;
    err e;
};

static void end(grpc_call *c, status code) {
    if (!c->has_ended) {
        c->has_ended = true;
        c->code = code;
        loop_timer_stop(&c->deadline);
        loop_soon_add(c->l, &c->deliver);
    }
}

// --- messages ----------------------------------------------------------------------------------------------

static status begin_message(grpc_call *c) {
    size_t len =
        (size_t)c->prefix[1] << 24 | (size_t)c->prefix[2] << 16 | (size_t)c->prefix[3] << 8 | c->prefix[4];
    if (c->prefix[0] != 0) {
        return err_set(&c->e, STATUS_INVALID,
                       "the server sent a compressed message, which was not asked for");
    }
    if (len > c->answer_bytes_max) {
        return err_set(&c->e, STATUS_LIMIT, "the server sent a message of %zu bytes; at most %zu are taken",
                       len, c->answer_bytes_max);
    }
    c->body_len = 0;
    return secret_new(len, &c->body, &c->e);
}

static status end_message(grpc_call *c) {
    if (c->ready_count >= READY_MAX) {
        return err_set(&c->e, STATUS_LIMIT, "the server sent more than %d messages at one time", READY_MAX);
    }
    ready_message *m = MEM_NEW(ready_message);
    m->bytes = c->body;
    c->body = (secret){0};
    c->prefix_len = 0;
    c->ready_count++;
    list_push_back(&c->ready, &m->node);
    loop_timer_stop(&c->deadline);
    loop_soon_add(c->l, &c->deliver);
    return STATUS_OK;
}

static size_t take(uint8_t *to, size_t have, size_t want, slice *from) {
    size_t n = want - have < from->len ? want - have : from->len;
    if (n > 0) {
        memcpy(to + have, from->data, n);
        *from = slice_sub(*from, n, from->len);
    }
    return have + n;
}

static status receive(grpc_call *c, slice bytes) {
    while (bytes.len > 0) {
        if (c->prefix_len < PREFIX_BYTES) {
            c->prefix_len = take(c->prefix, c->prefix_len, PREFIX_BYTES, &bytes);
            if (c->prefix_len < PREFIX_BYTES) {
                return STATUS_OK;
            }
            TRY(begin_message(c));
        }
        c->body_len = take(c->body.data, c->body_len, c->body.len, &bytes);
        if (c->body_len == c->body.len) {
            TRY(end_message(c));
        }
    }
    return STATUS_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg) {
    grpc_call *c = arg;
    slice bytes = slice_of(data, size * count);
    if (c->has_ended || !c->is_grpc) {
        return c->has_ended ? CURL_WRITEFUNC_ERROR : bytes.len; // an error page is read and forgotten
    }
    status s = receive(c, bytes);
    if (s != STATUS_OK) {
        end(c, s);
        return CURL_WRITEFUNC_ERROR;
    }
    return bytes.len;
}

// --- headers and trailers ----------------------------------------------------------------------------------

static int hex_digit(uint8_t c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

// "grpc-message" is percent-encoded; what could steer a terminal becomes '?'.
static void keep_text(grpc_call *c, slice value) {
    size_t len = 0;
    for (size_t i = 0; i < value.len && len + 1 < sizeof c->grpc_text; i++) {
        int byte = value.data[i];
        if (byte == '%' && i + 2 < value.len && hex_digit(value.data[i + 1]) >= 0 &&
            hex_digit(value.data[i + 2]) >= 0) {
            byte = hex_digit(value.data[i + 1]) * 16 + hex_digit(value.data[i + 2]);
            i += 2;
        }
        c->grpc_text[len++] = byte >= 0x20 && byte < 0x7f ? (char)byte : '?';
    }
    c->grpc_text[len] = '\0';
}

static void keep_field(grpc_call *c, slice name, slice value) {
    uint64_t code;
    if (slice_equal_nocase(name, slice_from_text("content-type"))) {
        c->is_grpc = slice_starts_with(value, "application/grpc");
    } else if (slice_equal_nocase(name, slice_from_text("grpc-message"))) {
        keep_text(c, value);
    } else if (slice_equal_nocase(name, slice_from_text("grpc-status"))) {
        c->has_grpc_code = true;
        c->grpc_code = slice_to_u64(value, &code) && code <= GRPC_CODE_MAX ? (unsigned)code : GRPC_UNKNOWN;
    }
}

static size_t on_header(char *data, size_t size, size_t count, void *arg) {
    grpc_call *c = arg;
    slice line = slice_of(data, size * count);
    size_t colon = slice_find(line, 0, ':');
    c->header_bytes += line.len;
    if (c->header_bytes > HEADER_BYTES_MAX) {
        end(c,
            err_set(&c->e, STATUS_LIMIT, "the server sent more than %d bytes of headers", HEADER_BYTES_MAX));
        return 0;
    }
    if (colon != SIZE_MAX) {
        slice value = slice_sub(line, colon + 1, line.len);
        while (value.len > 0 && (value.data[value.len - 1] == '\r' || value.data[value.len - 1] == '\n')) {
            value.len--;
        }
        keep_field(c, slice_sub(line, 0, colon), http_trim(value));
    }
    return line.len;
}

// --- how it ends -------------------------------------------------------------------------------------------

static const char *code_name(unsigned code) {
    static const char *const names[] = {
        "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED"};
    return code < sizeof names / sizeof names[0] ? names[code] : "an unknown code";
}

static status of_connecting(grpc_call *c) {
    long number = 0;
    curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &number);
    switch (number) {
    case ENOENT:
        return err_set(&c->e, STATUS_NOT_FOUND, "there is no socket at %s", c->socket_path);
    case EACCES:
    case EPERM:
        return err_set(&c->e, STATUS_DENIED, "the permissions of %s do not let this user connect",
                       c->socket_path);
    case ECONNREFUSED:
        return err_set(&c->e, STATUS_CLOSED, "nobody listens at %s", c->socket_path);
    default:
        return err_set_errno(&c->e, (int)number, c->socket_path);
    }
}

static status of_server(grpc_call *c) {
    if (c->grpc_code == GRPC_OK) {
        return STATUS_OK;
    }
    const char *colon = c->grpc_text[0] != '\0' ? ": " : "";
    return err_set(&c->e, c->grpc_code == GRPC_PERMISSION_DENIED ? STATUS_DENIED : STATUS_IO,
                   "the server answered %s%s%s", code_name(c->grpc_code), colon, c->grpc_text);
}

static status outcome(grpc_call *c, CURLcode result) {
    long http_code = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &http_code);
    if (result == CURLE_COULDNT_CONNECT) {
        return of_connecting(c);
    }
    if (http_code != 0 && (http_code != 200 || !c->is_grpc)) {
        return err_set(&c->e, STATUS_INVALID, "what listens at %s does not speak gRPC (HTTP status %ld)",
                       c->socket_path, http_code);
    }
    if (c->has_grpc_code) {
        return of_server(c);
    }
    if (result == CURLE_OK || result == CURLE_HTTP2_STREAM || result == CURLE_RECV_ERROR ||
        result == CURLE_SEND_ERROR || result == CURLE_GOT_NOTHING || result == CURLE_PARTIAL_FILE) {
        return err_set(&c->e, STATUS_CLOSED, "the server cut the call short");
    }
    return err_set(&c->e, STATUS_INVALID, "what listens at %s does not speak gRPC (%s)", c->socket_path,
                   curl_easy_strerror(result));
}

static void on_transfer_done(void *arg, CURL *easy, CURLcode result) {
    grpc_call *c = arg;
    if (!c->has_ended) {
        end(c, outcome(c, result));
    }
    curl_easy_cleanup(easy);
    c->easy = NULL;
}

static void on_deadline(void *arg) {
    grpc_call *c = arg;
    end(c, err_set(&c->e, STATUS_TIMEOUT, "no answer at %s within %llu ms", c->socket_path,
                   (unsigned long long)(c->first_ns / 1000000u)));
}

// One callback each turn, after which the call may be gone.
static void on_deliver(void *arg) {
    grpc_call *c = arg;
    if (c->ready_count == 0) {
        const grpc_result r = {c->code, c->grpc_code, c->code == STATUS_OK ? NULL : &c->e};
        if (c->has_ended) {
            c->events.ended(c->events.arg, &r);
        }
        return;
    }
    ready_message *m = LIST_ENTRY(list_pop_front(&c->ready), ready_message, node);
    auto_secret bytes = m->bytes;
    mem_free(m);
    c->ready_count--;
    if (c->ready_count > 0 || c->has_ended) {
        loop_soon_add(c->l, &c->deliver);
    }
    c->events.message(c->events.arg, secret_slice(&bytes));
}

// --- how it begins -----------------------------------------------------------------------------------------

// Not inherited by the processes that we start.
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    (void)arg, (void)purpose;
    int fd = -1;
    return socket_open_bound(address->socktype, address->family, NULL, &fd) == 0 ? fd : CURL_SOCKET_BAD;
}

static bool add_field(grpc_call *c, const char *line) {
    struct curl_slist *more = curl_slist_append(c->fields, line);
    c->fields = more != NULL ? more : c->fields;
    return more != NULL;
}

static bool add_fields(grpc_call *c, const grpc_request *r) {
    bool good = add_field(c, "content-type: application/grpc") && add_field(c, "te: trailers") &&
                add_field(c, "accept:") && add_field(c, "expect:");
    for (size_t i = 0; good && r->metadata != NULL && r->metadata[i] != NULL; i++) {
        good = add_field(c, r->metadata[i]);
    }
    return good;
}

static status set_body(grpc_call *c, slice message, err *e) {
    auto_buf body;
    buf_init(&body, GRPC_REQUEST_BYTES_MAX + PREFIX_BYTES);
    const uint8_t prefix[PREFIX_BYTES] = {0, 0, (uint8_t)(message.len >> 16), (uint8_t)(message.len >> 8),
                                          (uint8_t)message.len};
    TRY(buf_append(&body, slice_of(prefix, PREFIX_BYTES)));
    if (message.len > GRPC_REQUEST_BYTES_MAX || buf_append(&body, message) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "a request of %zu bytes; at most %d are sent", message.len,
                       GRPC_REQUEST_BYTES_MAX);
    }
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)body.len);
    return curl_easy_setopt(c->easy, CURLOPT_COPYPOSTFIELDS, (char *)body.data) == CURLE_OK
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "no memory for a request");
}

static status set_up(grpc_call *c, const grpc_request *r, err *e) {
    char url[TEXT_BYTES_MAX];
    c->easy = curl_easy_init();
    if (c->easy == NULL || !add_fields(c, r)) {
        return err_set(e, STATUS_LIMIT, "no memory for a call");
    }
    (void)snprintf(url, sizeof url, "http://localhost%s", r->method);
    curl_easy_setopt(c->easy, CURLOPT_URL, url);
    curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(c->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_UNIX_SOCKET_PATH, r->socket_path);
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    curl_easy_setopt(c->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->fields);
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
    TRY(set_body(c, r->message, e));
    TRY(curl_driver_init(&c->driver, c->l, e));
    curl_multi_add_handle(c->driver.multi, c->easy); // starts through the timer
    return STATUS_OK;
}

status grpc_call_new(loop *l, const grpc_request *r, const grpc_events *events, grpc_call **ret, err *e) {
    size_t len = strlen(r->socket_path);
    if (len == 0 || len > GRPC_SOCKET_PATH_BYTES_MAX || r->socket_path[0] != '/') {
        return err_set(e, STATUS_INVALID,
                       "\"%.120s\" is not the path of a socket: absolute and at most %d bytes",
                       r->socket_path, GRPC_SOCKET_PATH_BYTES_MAX);
    }
    grpc_call *c = MEM_NEW(grpc_call);
    c->l = l;
    c->events = *events;
    c->socket_path = mem_text_dup(r->socket_path);
    c->answer_bytes_max = r->answer_bytes_max;
    c->first_ns = r->first_ns;
    c->driver = (curl_driver){.done = on_transfer_done, .arg = c};
    list_init(&c->ready);
    loop_timer_init(&c->deadline, l, on_deadline, c);
    loop_soon_init(&c->deliver, on_deliver, c);
    status s = set_up(c, r, e);
    if (s != STATUS_OK) {
        grpc_call_free(c);
        return s;
    }
    loop_timer_start_in(&c->deadline, r->first_ns);
    *ret = c;
    return STATUS_OK;
}

void grpc_call_free(grpc_call *c) {
    if (c == NULL) {
        return;
    }
    if (c->easy != NULL) {
        if (c->driver.multi != NULL) {
            curl_multi_remove_handle(c->driver.multi, c->easy);
        }
        curl_easy_cleanup(c->easy);
    }
    curl_driver_done(&c->driver);
    curl_slist_free_all(c->fields);
    loop_timer_stop(&c->deadline);
    loop_soon_cancel(&c->deliver);
    while (!list_empty(&c->ready)) {
        ready_message *m = LIST_ENTRY(list_pop_front(&c->ready), ready_message, node);
        secret_free(&m->bytes);
        mem_free(m);
    }
    secret_free(&c->body);
    mem_free(c->socket_path);
    mem_free(c);
}
