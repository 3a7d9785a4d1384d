// SPDX-License-Identifier: Apache-2.0
#include "net/grpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "net/curl_driver.h"
#include "net/grpc_answer.h"
#include "os/socket_open.h"

enum {
    READY_MAX = 16, // messages that wait for the next turn of the loop
    URL_BYTES_MAX = 256,
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
    uint64_t first_ns;
    grpc_answer answer;
    list_node ready;
    size_t ready_count;
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

// --- what comes --------------------------------------------------------------------------------------------

static status on_message(void *arg, secret *message, err *e) {
    grpc_call *c = arg;
    if (c->ready_count >= READY_MAX) {
        secret_free(message);
        return err_set(e, STATUS_LIMIT, "the server sent more than %d messages at one time", READY_MAX);
    }
    ready_message *m = MEM_NEW(ready_message);
    m->bytes = *message;
    c->ready_count++;
    list_push_back(&c->ready, &m->node);
    loop_timer_stop(&c->deadline);
    loop_soon_add(c->l, &c->deliver);
    return STATUS_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg) {
    grpc_call *c = arg;
    if (c->has_ended) {
        return CURL_WRITEFUNC_ERROR;
    }
    status s = grpc_answer_body(&c->answer, slice_of(data, size * count), &c->e);
    if (s != STATUS_OK) {
        end(c, s);
        return CURL_WRITEFUNC_ERROR;
    }
    return size * count;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg) {
    grpc_call *c = arg;
    status s = c->has_ended ? c->code : grpc_answer_line(&c->answer, slice_of(data, size * count), &c->e);
    if (s != STATUS_OK) {
        end(c, s);
        return 0;
    }
    return size * count;
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
    if (c->answer.code == GRPC_OK) {
        return STATUS_OK;
    }
    const char *colon = c->answer.text[0] != '\0' ? ": " : "";
    return err_set(&c->e, c->answer.code == GRPC_PERMISSION_DENIED ? STATUS_DENIED : STATUS_IO,
                   "the server answered %s%s%s", code_name(c->answer.code), colon, c->answer.text);
}

static status outcome(grpc_call *c, CURLcode result) {
    long http_code = 0;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &http_code);
    if (result == CURLE_COULDNT_CONNECT) {
        return of_connecting(c);
    }
    if (http_code != 0 && (http_code != 200 || !c->answer.is_grpc)) {
        return err_set(&c->e, STATUS_INVALID, "what listens at %s does not speak gRPC (HTTP status %ld)",
                       c->socket_path, http_code);
    }
    if (c->answer.has_code) {
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
        const grpc_result r = {c->code, c->answer.code, c->code == STATUS_OK ? NULL : &c->e};
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
    buf_init(&body, GRPC_REQUEST_BYTES_MAX + GRPC_PREFIX_BYTES);
    const uint8_t prefix[GRPC_PREFIX_BYTES] = {0, 0, (uint8_t)(message.len >> 16),
                                               (uint8_t)(message.len >> 8), (uint8_t)message.len};
    TRY(buf_append(&body, slice_of(prefix, GRPC_PREFIX_BYTES)));
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
    char url[URL_BYTES_MAX];
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
    c->answer = (grpc_answer){.message_bytes_max = r->answer_bytes_max, .message = on_message, .arg = c};
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
    grpc_answer_done(&c->answer);
    mem_free(c->socket_path);
    mem_free(c);
}
