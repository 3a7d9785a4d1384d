// SPDX-License-Identifier: Apache-2.0
#include "net/curl_driver.h"

#include "base/check.h"
#include "base/mem.h"

typedef struct socket_watch {
    loop_watch watch;
    curl_driver *driver;
    curl_socket_t fd;
} socket_watch;

// --- letting libcurl run -----------------------------------------------------------------------------------

static void take_results(curl_driver *d) {
    int left = 0;
    for (CURLMsg *m; (m = curl_multi_info_read(d->multi, &left)) != NULL;) {
        if (m->msg == CURLMSG_DONE) {
            CURL *easy = m->easy_handle;
            CURLcode result = m->data.result;
            curl_multi_remove_handle(d->multi, easy);
            d->done(d->arg, easy, result);
        }
    }
}

static void run_libcurl(curl_driver *d, curl_socket_t fd, int events) {
    CHECK(!d->is_inside);
    int running = 0;
    d->is_inside = true;
    curl_multi_socket_action(d->multi, fd, events, &running);
    d->is_inside = false;
    take_results(d);
    if (d->ran != NULL) {
        d->ran(d->arg);
    }
}

static void on_time(void *arg) { run_libcurl(arg, CURL_SOCKET_TIMEOUT, 0); }

void curl_driver_kick(curl_driver *d) { loop_soon_add(d->l, &d->kick); }

static int on_timer_change(CURLM *multi, long timeout_ms, void *arg) {
    (void)multi;
    curl_driver *d = arg;
    if (timeout_ms < 0) {
        loop_timer_stop(&d->timer);
    } else if (timeout_ms == 0) {
        loop_timer_stop(&d->timer);
        curl_driver_kick(d);
    } else {
        loop_timer_start_in(&d->timer, (uint64_t)timeout_ms * 1000000);
    }
    return 0;
}

// --- sockets -----------------------------------------------------------------------------------------------

static void on_socket_event(void *arg, unsigned events) {
    socket_watch *w = arg;
    int flags = ((events & LOOP_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                ((events & LOOP_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0) |
                ((events & LOOP_ERROR) != 0 ? CURL_CSELECT_ERR : 0);
    run_libcurl(w->driver, w->fd, flags); // may free `w`
}

static int on_socket_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg) {
    (void)easy;
    curl_driver *d = arg;
    socket_watch *w = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            loop_watch_stop(&w->watch);
            mem_free(w);
            curl_multi_assign(d->multi, fd, NULL);
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
    w->driver = d;
    w->fd = fd;
    if (loop_watch_start(&w->watch, d->l, fd, events, on_socket_event, w, NULL) != STATUS_OK) {
        mem_free(w);
        return -1;
    }
    curl_multi_assign(d->multi, fd, w);
    return 0;
}

// --- the whole ---------------------------------------------------------------------------------------------

status curl_driver_init(curl_driver *d, loop *l, err *e) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return err_set(e, STATUS_INTERNAL, "libcurl cannot be initialised");
    }
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        curl_global_cleanup();
        return err_set(e, STATUS_LIMIT, "no memory for an HTTP client");
    }
    d->l = l;
    d->multi = multi;
    loop_timer_init(&d->timer, l, on_time, d);
    loop_soon_init(&d->kick, on_time, d);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_change);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, d);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_change);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, d);
    return STATUS_OK;
}

void curl_driver_done(curl_driver *d) {
    if (d->multi == NULL) {
        return;
    }
    curl_multi_cleanup(d->multi);
    d->multi = NULL;
    loop_timer_stop(&d->timer);
    loop_soon_cancel(&d->kick);
    curl_global_cleanup();
}
