// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/dev_internal.h"
#include "os/fd.h"

enum { LINES_BYTES_MAX = 4 << 20, READ_BYTES = 64 << 10, LAST_READS_MAX = 16 };

void dev_host_init(dev_host *h, loop *l, const dev_host_options *o) {
    *h = (dev_host){.options = *o, .loop = l, .process = {0, -1}, .lines_fd = -1};
    buf_init(&h->lines, LINES_BYTES_MAX);
    buf_init(&h->inert, LINES_BYTES_MAX);
}

static void settle(dev_host *h) {
    h->is_changing = false;
    h->options.settled(h->options.context);
}

static void show_lines(dev_host *h) {
    slice all = buf_slice(&h->lines);
    size_t at = 0;
    bool is_settled = false;
    for (size_t end = slice_find(all, 0, '\n'); end != SIZE_MAX; end = slice_find(all, at, '\n')) {
        is_settled = dev_event_show(h, slice_sub(all, at, end)) || is_settled;
        at = end + 1;
    }
    buf_consume(&h->lines, at);
    if (is_settled) {
        settle(h);
    }
}

static void stop_reading(dev_host *h) {
    loop_watch_stop(&h->lines_watch);
    fd_close(h->lines_fd);
    h->lines_fd = -1;
}

static void on_lines(void *arg, WRIT_UNUSED unsigned events) {
    dev_host *h = arg;
    uint8_t *room;
    size_t len = 0;
    status s = buf_reserve(&h->lines, READ_BYTES, &room);
    if (s != STATUS_OK) {
        buf_clear(&h->lines); // a line that long is nothing that we know
        return;
    }
    s = fd_read_some(h->lines_fd, room, READ_BYTES, &len);
    if (s == STATUS_OK) {
        h->lines.len += len;
        show_lines(h);
    } else if (s != STATUS_NOT_FOUND) {
        stop_reading(h);
    }
}

static void on_end(void *arg, WRIT_UNUSED unsigned events) {
    dev_host *h = arg;
    process_exit x;
    char text[PROCESS_EXIT_TEXT_BYTES];
    for (int i = 0; i < LAST_READS_MAX && h->lines_fd >= 0; i++) {
        on_lines(h, 0); // its last words
    }
    loop_watch_stop(&h->end_watch);
    if (!process_reap(&h->process, &x)) {
        return;
    }
    if (h->lines_fd >= 0) {
        stop_reading(h);
    }
    buf_clear(&h->lines);
    h->has_crashed = h->is_serving && (x.is_signal || x.number != 0);
    h->is_serving = false;
    if (h->has_crashed) {
        dev_say(h->options.output, "host-ended", NULL, "the host ended with %s", process_exit_text(x, text));
    }
    settle(h);
}

static status start(dev_host *h, err *e) {
    int theirs;
    TRY(process_error_pipe(&h->lines_fd, &theirs, e));
    const process_tool t = {.argv = h->options.argv,
                            .directory = h->options.folder,
                            .output_fd = STDERR_FILENO,
                            .error_fd = theirs,
                            .leads_group = true};
    // Its lines must come whole, however slowly we read.
    status s = fd_set_nonblocking(theirs, false, e);
    s = s == STATUS_OK ? process_spawn_tool(&t, &h->process, e) : s;
    fd_close(theirs);
    if (s == STATUS_OK) {
        s = loop_watch_start(&h->lines_watch, h->loop, h->lines_fd, LOOP_READABLE, on_lines, h, e);
    }
    if (s == STATUS_OK) {
        s = loop_watch_start(&h->end_watch, h->loop, h->process.pidfd, LOOP_READABLE, on_end, h, e);
    }
    return s;
}

status dev_host_run(dev_host *h, err *e) {
    h->is_changing = true;
    h->has_crashed = false;
    json_free(h->grants);
    h->grants = NULL;
    if (dev_host_is_there(h)) {
        (void)process_signal(&h->process, SIGHUP);
        return STATUS_OK;
    }
    status s = start(h, e);
    h->is_changing = s == STATUS_OK;
    if (s != STATUS_OK && h->lines_fd >= 0) {
        stop_reading(h);
    }
    return s;
}

void dev_host_end(const dev_host *h, int signal_number) { (void)process_signal(&h->process, signal_number); }

void dev_host_done(dev_host *h) {
    loop_watch_stop(&h->end_watch);
    if (h->lines_fd >= 0) {
        stop_reading(h);
    }
    json_free(h->grants);
    buf_done(&h->lines);
    buf_done(&h->inert);
}
