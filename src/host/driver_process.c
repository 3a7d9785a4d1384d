// SPDX-License-Identifier: Apache-2.0
#include "host/driver_process.h"

#include <signal.h>

#include "base/mem.h"
#include "host/message.h"
#include "os/fd.h"

enum { DOOR_BYTES = 64 << 10, SESSION_BYTES = 1 << 20, ANSWER_TIMEOUT_MS = 10000 };
enum { ASK_SESSION = 1, ASK_LAST, ANSWER_SESSION, ANSWER_FAILED, ANSWER_LAST }; // packets

void driver_process_init(driver_process *p) {
    *p = (driver_process){.process = {0, -1}, .door = {-1}, .error_fd = -1};
}

static void close_rest(driver_process *p) {
    channel_close(&p->door);
    fd_close(p->error_fd);
    p->error_fd = -1;
}

static void look(driver_process *p) {
    if (process_reap(&p->process, &p->last)) {
        p->has_last = true;
        close_rest(p);
    }
}

static void end(driver_process *p) {
    if (p->process.pidfd >= 0) {
        (void)process_signal(&p->process, SIGKILL);
        p->last = process_wait(&p->process);
        p->has_last = true;
    }
    close_rest(p);
}

void driver_process_done(driver_process *p) { end(p); }

process_exit driver_process_last(driver_process *p) {
    look(p);
    return p->has_last ? p->last : (process_exit){false, 0};
}

static status spawn(driver_process *p, err *e) {
    static const char *const argv[] = {"writ", "__drivers", NULL};
    channel theirs = {-1};
    auto_fd error_fd = -1;
    TRY(process_error_pipe(&p->error_fd, &error_fd, e));
    TRY(channel_pair(DOOR_BYTES, &p->door, &theirs, e));
    const process_options o = {
        .argv = argv, .channel_fd = theirs.fd, .discards_stdio = true, .error_fd = error_fd};
    status s = process_spawn(&o, &p->process, e);
    channel_close(&theirs);
    return s;
}

static status open_session(driver_process *p, driver_session *ret, err *e) {
    channel theirs = {-1};
    TRY(channel_pair(SESSION_BYTES, &ret->channel, &theirs, e));
    status s = message_send_fd(&p->door, MESSAGE_SESSION, theirs.fd, e);
    channel_close(&theirs);
    TRY(s);
    TRY(fd_duplicate(p->error_fd, &ret->error_fd, e));
    return fd_duplicate(p->process.pidfd, &ret->pidfd, e);
}

static void close_session(driver_session *s) {
    channel_close(&s->channel);
    fd_close(s->error_fd);
    fd_close(s->pidfd);
}

status driver_process_session(driver_process *p, driver_session *ret, err *e) {
    driver_session made = {{-1}, -1, -1};
    look(p);
    status s = p->process.pidfd >= 0 ? STATUS_OK : spawn(p, e);
    if (s == STATUS_OK) {
        s = open_session(p, &made, e);
    }
    if (s != STATUS_OK) { // one that does not take a session is of no use to anybody
        close_session(&made);
        end(p);
        return s;
    }
    *ret = made;
    return STATUS_OK;
}

// --- over a channel ----------------------------------------------------------------------------------------

static status ask(channel *c, uint32_t what, size_t fds_max, channel_packet *ret, err *e) {
    TRY(channel_send(c, what, slice_empty(), NULL, 0, e));
    return channel_wait(c, ANSWER_TIMEOUT_MS, fds_max, ret, e);
}

status driver_process_ask_session(channel *c, driver_session *ret, err *e) {
    channel_packet p;
    TRY(ask(c, ASK_SESSION, 3, &p, e));
    status s = STATUS_OK;
    if (p.type == ANSWER_SESSION && p.fd_count == 3) {
        ret->channel.fd = channel_packet_take(&p, 0);
        ret->error_fd = channel_packet_take(&p, 1);
        ret->pidfd = channel_packet_take(&p, 2);
    } else {
        s = err_set(e, STATUS_IO, "the process with the drivers cannot be started: %.*s",
                    SLICE_ARG(channel_packet_payload(&p)));
    }
    channel_packet_done(&p);
    return s;
}

process_exit driver_process_ask_last(channel *c) {
    channel_packet p;
    process_exit x = {false, 0};
    if (ask(c, ASK_LAST, 0, &p, NULL) == STATUS_OK) {
        if (p.type == ANSWER_LAST && p.len == sizeof x) {
            memcpy(&x, p.payload, sizeof x); // a copy of ourselves has written it
        }
        channel_packet_done(&p);
    }
    return x;
}

static void answer_session(channel *c, driver_process_open opener, void *context) {
    driver_session s = {{-1}, -1, -1};
    err e = {0};
    if (opener(context, &s, &e) == STATUS_OK) {
        const int fds[] = {s.channel.fd, s.error_fd, s.pidfd};
        (void)!channel_send(c, ANSWER_SESSION, slice_empty(), fds, 3, NULL);
    } else {
        (void)!channel_send(c, ANSWER_FAILED, slice_from_text(e.message), NULL, 0, NULL);
    }
    close_session(&s);
}

static status answer(channel *c, driver_process_open opener, void *context, process_exit (*last)(void *)) {
    channel_packet asked;
    TRY(channel_receive(c, 0, &asked, NULL));
    if (asked.type == ASK_SESSION) {
        answer_session(c, opener, context);
    } else if (asked.type == ASK_LAST) {
        process_exit x = last(context);
        (void)!channel_send(c, ANSWER_LAST, slice_of((const uint8_t *)&x, sizeof x), NULL, 0, NULL);
    }
    channel_packet_done(&asked);
    return STATUS_OK;
}

static status open_own(void *context, driver_session *ret, err *e) {
    return driver_process_session(context, ret, e);
}
static process_exit last_own(void *context) { return driver_process_last(context); }
static process_exit last_unknown(void *context) {
    (void)context;
    return (process_exit){false, 0};
}

status driver_process_answer(driver_process *p, channel *c) { return answer(c, open_own, p, last_own); }

status driver_process_answer_by(channel *c, driver_process_open opener, void *context) {
    return answer(c, opener, context, last_unknown);
}
