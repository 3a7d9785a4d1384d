// SPDX-License-Identifier: Apache-2.0
#include "host/driver_sessions.h"

#include "base/mem.h"
#include "host/message.h"
#include "host/remote_connector.h"
#include "os/fd.h"
#include "os/memory_file.h"

struct driver_sessions {
    driver_sessions_options options;
    list_node list;
};

typedef struct session { // a supervisor
    driver_sessions *owner;
    channel channel;
    connector *connector; // NULL: it connects nowhere for us
    link_session *links;  // NULL: not yet
    loop_watch watch;
    list_node node;
} session;

// --- what it is told ---------------------------------------------------------------------------------------

static void tell(session *s, message_type type, uint32_t link, uint8_t code, const char *text) {
    const message_link m = {link, code, slice_from_text(text)};
    (void)!message_send_link(&s->channel, type, &m, NULL);
}

static void on_health(void *context, uint32_t link, const driver_health *h) {
    tell(context, MESSAGE_LINK_HEALTH, link, (uint8_t)h->state, h->reason);
}

static void on_put(void *context, uint32_t link, status code, const err *e) {
    tell(context, MESSAGE_LINK_PUT, link, (uint8_t)code, e != NULL ? e->message : "");
}

static void on_lost(void *context, uint32_t link, status why, const char *what) {
    tell(context, MESSAGE_LINK_LOST, link, (uint8_t)why, what);
}

// Which links were open already, and what is known of those.
static status tell_opened(session *s, err *e) {
    uint32_t count = link_session_count(s->links);
    uint8_t bits[HOST_LINKS_MAX / 8] = {0};
    driver_health h;
    for (uint32_t i = 0; i < count; i++) {
        bits[i / 8] |= (uint8_t)(link_session_was_kept(s->links, i) << i % 8);
    }
    TRY(message_send_opened(&s->channel, slice_of(bits, (count + 7u) / 8u), e));
    for (uint32_t i = 0; i < count; i++) {
        if (link_session_health(s->links, i, &h) && h.state != DRIVER_CONNECTING) {
            on_health(s, i, &h); // lost when there are so many that the channel is full
        }
    }
    return STATUS_OK;
}

static status read_links(channel_packet *p, host_links *ret, err *e) {
    auto_fd fd = channel_packet_take(p, 0);
    memory_map map = {0};
    TRY(memory_map_read(fd, HOST_LINKS_WIRE_BYTES_MAX, &map, e));
    status s = host_links_read(memory_map_slice(&map), ret, e);
    memory_map_done(&map);
    return s;
}

static status open_links(session *s, channel_packet *p, err *e) {
    host_links links = {0};
    slice directory, ca_file;
    TRY(message_read_serve(p, &directory, &ca_file, e));
    const char *ours = s->owner->options.directory;
    if (s->links != NULL || (ours != NULL && !slice_equal_text(directory, ours))) {
        return err_set(e, STATUS_UNSUPPORTED,
                       "the directory for data has changed; that needs an end and a new start");
    }
    const link_session_options o = {.connector = s->connector,
                                    .on_health = on_health,
                                    .on_put = on_put,
                                    .on_lost = on_lost,
                                    .context = s};
    status opened = read_links(p, &links, e);
    if (opened == STATUS_OK) {
        opened = link_session_new(s->owner->options.server, &o, &links, &s->links, e);
    }
    host_links_done(&links);
    TRY(opened);
    return tell_opened(s, e);
}

static status put_link(session *s, channel_packet *p, err *e) {
    host_links links = {0};
    status read = read_links(p, &links, e);
    if (read == STATUS_OK && links.count == 1) {
        link_session_put(s->links, &links.items[0]);
    }
    host_links_done(&links);
    return read;
}

static status cut_link(session *s, const channel_packet *p, err *e) {
    uint32_t number;
    TRY(message_read_cut_link(p, &number, e));
    link_session_cut(s->links, number);
    return STATUS_OK;
}

static status take_http(session *s, channel_packet *p, err *e) {
    const driver_sessions_options *o = &s->owner->options;
    uint32_t number;
    auto_fd fd = channel_packet_take(p, 0);
    TRY(message_read_http(p, &number, e));
    const char *workload = fd < 0 || o->http == NULL ? NULL : link_session_workload(s->links, number);
    if (workload == NULL) {
        return err_set(e, STATUS_INVALID, "it sends a connection of link %u, which takes none", number);
    }
    o->http(o->context, slice_from_text(workload), fd);
    fd = -1;
    return STATUS_OK;
}

static status on_packet(session *s, channel_packet *p, err *e) {
    if (p->type == MESSAGE_SERVE) {
        return open_links(s, p, e);
    }
    if (p->type == MESSAGE_CONNECTED && s->connector != NULL) {
        remote_connector_answer(s->connector, p);
        return STATUS_OK;
    }
    if (s->links != NULL && p->type == MESSAGE_ATTACH && p->fd_count == 1) {
        (void)!link_session_attach(s->links, channel_packet_take(p, 0), NULL);
        return STATUS_OK;
    }
    if (s->links != NULL && p->type == MESSAGE_PUT_LINK && p->fd_count == 1) {
        return put_link(s, p, e);
    }
    if (s->links != NULL && p->type == MESSAGE_CUT_LINK) {
        return cut_link(s, p, e);
    }
    if (s->links != NULL && p->type == MESSAGE_HTTP) {
        return take_http(s, p, e);
    }
    return err_set(e, STATUS_INTERNAL, "message %u came at the wrong time", p->type);
}

// --- sessions ----------------------------------------------------------------------------------------------

static void end_session(session *s) {
    loop_watch_stop(&s->watch);
    link_session_free(s->links); // before the connector that it goes through
    remote_connector_free(s->connector);
    channel_close(&s->channel);
    list_remove(&s->node);
    mem_free(s);
}

// Its supervisor has gone, or gets to know why it is not served.
static bool handle(session *s, channel_packet *p) {
    err e = {0};
    status done = on_packet(s, p, &e);
    channel_packet_done(p);
    if (done != STATUS_OK) {
        (void)!message_send_failed(&s->channel, &e, NULL);
        end_session(s);
    }
    return done == STATUS_OK;
}

static void on_channel(void *arg, unsigned events) {
    (void)events;
    session *s = arg;
    for (;;) {
        channel_packet p;
        status received = channel_receive(&s->channel, 1, &p, NULL);
        if (received == STATUS_NOT_FOUND) {
            break;
        }
        if (received != STATUS_OK) {
            end_session(s);
            return;
        }
        if (!handle(s, &p)) {
            return;
        }
    }
    if (s->connector != NULL) {
        remote_connector_flush(s->connector);
    }
}

static status begin(session *s, err *e) {
    const driver_sessions_options *o = &s->owner->options;
    if (o->connects) {
        TRY(remote_connector_new(o->loop, &s->channel, 1, &s->connector, e));
    }
    return loop_watch_start(&s->watch, o->loop, s->channel.fd, LOOP_READABLE, on_channel, s, e);
}

status driver_sessions_add(driver_sessions *d, int fd, channel_packet *first, err *e) {
    session *s = MEM_NEW(session);
    *s = (session){.owner = d, .channel = {fd}};
    list_push_back(&d->list, &s->node);
    status begun = begin(s, e);
    if (begun != STATUS_OK) {
        end_session(s);
        return begun;
    }
    if (first != NULL) {
        (void)handle(s, first);
    }
    return STATUS_OK;
}

status driver_sessions_http(driver_sessions *d, slice workload, int fd, err *e) {
    for (list_node *n = d->list.prev; n != &d->list; n = n->prev) {
        session *s = LIST_ENTRY(n, session, node);
        uint32_t number;
        if (s->links != NULL && link_session_serves(s->links, workload, &number) &&
            message_send_http(&s->channel, number, fd, NULL) == STATUS_OK) {
            return STATUS_OK;
        }
    }
    return err_set(e, STATUS_NOT_FOUND, "no worker serves %.*s", SLICE_ARG(workload));
}

driver_sessions *driver_sessions_new(const driver_sessions_options *options) {
    driver_sessions *d = MEM_NEW(driver_sessions);
    d->options = *options;
    list_init(&d->list);
    return d;
}

void driver_sessions_free(driver_sessions *d) {
    if (d == NULL) {
        return;
    }
    while (!list_empty(&d->list)) {
        end_session(LIST_ENTRY(d->list.next, session, node));
    }
    mem_free(d);
}
