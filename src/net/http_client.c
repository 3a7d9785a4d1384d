// SPDX-License-Identifier: Apache-2.0
// The sockets of a client and the queue of calls that wait for one.
#include "base/check.h"
#include "base/mem.h"
#include "net/http_client_internal.h"
#include "os/fd.h"

http_client_options http_client_options_default(void) {
    static const uint64_t second_ns = 1000000000;
    return (http_client_options){
        .calls_max = 4096,
        .sockets_max = 1024,
        .header_count_max = 256,
        .header_bytes_max = 128 * 1024,
        .connect_ns = 30 * second_ns,
        .first_byte_ns = 600 * second_ns,
        .between_bytes_ns = 600 * second_ns,
    };
}

// --- letting libcurl run -----------------------------------------------------------------------------------

static void on_transfer_done(void *arg, CURL *easy, CURLcode result) {
    http_call *call = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
    http_call_on_curl_done(call, result);
    http_client_retry_queue(arg);
}

static void on_libcurl_ran(void *arg) { http_client_serve_queue(arg); }

void http_client_kick(http_client *c) { curl_driver_kick(&c->driver); }

// --- sockets -----------------------------------------------------------------------------------------------

void http_client_take_socket_back(http_client *c, int fd) {
    fd_close(fd);
    CHECK(c->socket_count > 0);
    c->socket_count--;
}

int http_client_close_socket(void *arg, curl_socket_t fd) {
    http_client *c = arg;
    http_client_take_socket_back(c, fd);
    if (!list_empty(&c->queue)) {
        http_client_kick(c);
    }
    return 0;
}

// --- calls -------------------------------------------------------------------------------------------------

void http_client_run(http_client *c, http_call *call) {
    call->state = HTTP_CALL_RUNNING;
    call->wants_socket = false;
    curl_multi_add_handle(c->driver.multi, call->easy); // starts through the timer
}

void http_client_stop(http_client *c, http_call *call) {
    if (call->state == HTTP_CALL_RUNNING) {
        CHECK(!c->driver.is_inside);
        curl_multi_remove_handle(c->driver.multi, call->easy);
    } else if (call->state == HTTP_CALL_CONNECTING) {
        connector_cancel(c->options.connector, call->connect_id);
        c->socket_count--;
        c->connecting_count--;
    }
    if (call->fd >= 0) {
        http_client_take_socket_back(c, call->fd);
        call->fd = -1;
    }
    list_remove(&call->queued);
    call->state = HTTP_CALL_DONE;
    loop_timer_stop(&call->deadline);
    if (!list_empty(&c->queue)) {
        http_client_kick(c);
    }
}

void http_client_serve_queue(http_client *c) {
    uint32_t sockets = c->options.sockets_max - c->socket_count;
    uint32_t requests = HTTP_CONNECTING_MAX - c->connecting_count;
    for (uint32_t n = sockets < requests ? sockets : requests; n > 0 && !list_empty(&c->queue); n--) {
        http_client_run(c, LIST_ENTRY(list_pop_front(&c->queue), http_call, queued));
    }
}

// A connection has become idle: perhaps the first in the queue can use it; or libcurl closes it, because it
// has as many as it may, and then there is room for another. If neither, the call comes back to the front.
void http_client_retry_queue(http_client *c) {
    if (!list_empty(&c->queue)) {
        http_client_run(c, LIST_ENTRY(list_pop_front(&c->queue), http_call, queued));
    }
}

status http_client_new(loop *l, const http_client_options *options, http_client **ret, err *e) {
    http_client *c = MEM_NEW(http_client);
    c->l = l;
    c->options = *options;
    c->driver = (curl_driver){.done = on_transfer_done, .ran = on_libcurl_ran, .arg = c};
    status s = curl_driver_init(&c->driver, l, e);
    if (s != STATUS_OK) {
        mem_free(c);
        return s;
    }
    list_init(&c->calls);
    list_init(&c->queue);
    curl_multi_setopt(c->driver.multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(c->driver.multi, CURLMOPT_MAXCONNECTS, (long)options->sockets_max);
    curl_multi_setopt(c->driver.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)options->sockets_max);
    *ret = c;
    return STATUS_OK;
}

void http_client_free(http_client *c) {
    if (c == NULL) {
        return;
    }
    CHECK(list_empty(&c->calls));
    while (c->spare_count > 0) {
        curl_easy_cleanup(c->spare[--c->spare_count]);
    }
    curl_driver_done(&c->driver);
    CHECK(c->socket_count == 0);
    mem_free(c);
}
