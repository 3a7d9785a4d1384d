// SPDX-License-Identifier: Apache-2.0
// libcurl's multi handle on the loop: its sockets become watches, its timer one of ours. What libcurl may not
// do while it runs (change or remove calls) is left to the turn of the loop that follows.
#include "base/check.h"
#include "base/mem.h"
#include "net/http_client_internal.h"
#include "os/fd.h"

typedef struct socket_watch {
    loop_watch watch;
    http_client *client;
    curl_socket_t fd;
    unsigned wanted;
} socket_watch;

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

static void take_results(http_client *c) {
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
        if (m->msg == CURLMSG_DONE) {
            http_call *call = NULL;
            CURLcode result = m->data.result;
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
            curl_multi_remove_handle(c->multi, m->easy_handle);
            http_call_on_curl_done(call, result);
            http_client_retry_queue(c);
        }
    }
}

static void run_libcurl(http_client *c, curl_socket_t fd, int events) {
    CHECK(!c->is_inside);
    int running = 0;
    c->is_inside = true;
    curl_multi_socket_action(c->multi, fd, events, &running);
    c->is_inside = false;
    take_results(c);
    http_client_serve_queue(c);
}

static void on_time(void *arg) { run_libcurl(arg, CURL_SOCKET_TIMEOUT, 0); }

void http_client_kick(http_client *c) { loop_soon_add(c->l, &c->kick); }

static int on_timer_change(CURLM *multi, long timeout_ms, void *arg) {
    (void)multi;
    http_client *c = arg;
    if (timeout_ms < 0) {
        loop_timer_stop(&c->timer);
    } else if (timeout_ms == 0) {
        loop_timer_stop(&c->timer);
        http_client_kick(c);
    } else {
        loop_timer_start_in(&c->timer, (uint64_t)timeout_ms * 1000000);
    }
    return 0;
}

// --- sockets -----------------------------------------------------------------------------------------------

static void on_socket_event(void *arg, unsigned events) {
    socket_watch *w = arg;
    int flags = ((events & LOOP_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                ((events & LOOP_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0) |
                ((events & LOOP_ERROR) != 0 ? CURL_CSELECT_ERR : 0);
    run_libcurl(w->client, w->fd, flags); // may free `w`
}

static int on_socket_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg) {
    (void)easy;
    http_client *c = arg;
    socket_watch *w = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            loop_watch_stop(&w->watch);
            mem_free(w);
            curl_multi_assign(c->multi, fd, NULL);
        }
        return 0;
    }
    unsigned events = ((what & CURL_POLL_IN) != 0 ? LOOP_READABLE : 0u) |
                      ((what & CURL_POLL_OUT) != 0 ? LOOP_WRITABLE : 0u);
    if (w != NULL) {
        loop_watch_set(&w->watch, events);
        return 0;
    }
    w = MEM_NEW(socket_watch);
    w->client = c;
    w->fd = fd;
    if (loop_watch_start(&w->watch, c->l, fd, events, on_socket_event, w, NULL) != STATUS_OK) {
        mem_free(w);
        return -1;
    }
    curl_multi_assign(c->multi, fd, w);
    return 0;
}

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
    curl_multi_add_handle(c->multi, call->easy); // starts through the timer
}

void http_client_stop(http_client *c, http_call *call) {
    if (call->state == HTTP_CALL_RUNNING) {
        CHECK(!c->is_inside);
        curl_multi_remove_handle(c->multi, call->easy);
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
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return err_set(e, STATUS_INTERNAL, "libcurl cannot be initialised");
    }
    http_client *c = MEM_NEW(http_client);
    c->l = l;
    c->options = *options;
    c->multi = curl_multi_init();
    if (c->multi == NULL) {
        mem_free(c);
        curl_global_cleanup();
        return err_set(e, STATUS_LIMIT, "no memory for an HTTP client");
    }
    list_init(&c->calls);
    list_init(&c->queue);
    loop_timer_init(&c->timer, l, on_time, c);
    loop_soon_init(&c->kick, on_time, c);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket_change);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)options->sockets_max);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)options->sockets_max);
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
    curl_multi_cleanup(c->multi);
    CHECK(c->socket_count == 0);
    loop_timer_stop(&c->timer);
    loop_soon_cancel(&c->kick);
    mem_free(c);
    curl_global_cleanup();
}
