// SPDX-License-Identifier: Apache-2.0
// The end of links: opens the drivers of lists of links and serves calls of workers to them. Runs in the
// process with the drivers.
//
// A host that takes over from another one while it serves has links of its own, and so has each of the two a
// session here. A link that is the same in both (host_link_is_same) is opened once and keeps what it has; one
// that nobody has any more is closed when its calls are answered. In a session a link can be put, which swaps
// what is behind its number, and cut.
//
// A worker's call names a link of its session, an interface and a function. Nothing in it is believed: the
// link must exist, the interface must be one of the link's, and the rest is decoded by the driver. Calls in
// flight are bounded per link, so that one workload's backend cannot take the room of another's.
#pragma once

#include "driver/driver.h"
#include "host/links.h"

typedef struct link_server link_server;
typedef struct link_session link_session;

enum {
    LINK_SERVER_SESSIONS_MAX = 4,
    // In flight of one link, of all workers. One worker alone gets half of it, of two each a third, and so
    // on.
    LINK_SERVER_CALLS_MAX = 2048,
    // Calls of drivers to workloads go to the attached worker that has the fewest of them, of the oldest
    // session where one takes them: a session that begins has no worker that serves yet, and workers that end
    // say so. Of one link, of all workers; and of one worker, of all links.
    LINK_SERVER_DELIVERIES_MAX = 1024,
    LINK_SERVER_WORKER_DELIVERIES_MAX = 2048,
    LINK_SERVER_PUT_MS_MAX = 10000, // until a backend that is put must have been reached
};

typedef struct link_server_options {
    loop *loop;
    trust_roots *roots;           // for TLS of drivers; NULL = none but those in settings
    const char *directory;        // for files of drivers, absolute; NULL = none
    const driver *const *drivers; // that links may name, NULL at the end; NULL = all in-tree ones
    void *context;                // of those that were given, in driver_environment
} link_server_options;

link_server *link_server_new(const link_server_options *options);
// Ends what sessions are left and waits on the loop until every driver has let go, up to `wait_ns`.
void link_server_free(link_server *s, uint64_t wait_ns); // accepts NULL

typedef struct link_session_options {
    connector *connector; // for as long as the session; NULL = drivers connect nowhere
    // The health of a link has changed. May be NULL.
    void (*on_health)(void *context, uint32_t link, const driver_health *h);
    // A call of a driver to the workload was given up for good: which one, and why. The oldest session that
    // has the link is told. May be NULL.
    void (*on_lost)(void *context, uint32_t link, status why, const char *what);
    // The end of link_session_put: STATUS_OK, or why nothing has changed. From the loop or from inside.
    void (*on_put)(void *context, uint32_t link, status code, const err *e);
    void *context;
} link_session_options;

// Opens every link that is not open, and empties the list. All that cannot be opened are told in one message,
// a line each; then nothing has changed.
status link_session_new(link_server *s, const link_session_options *options, host_links *links,
                        link_session **ret, err *e) WRIT_MUST_USE;
// Cuts the connections of its workers. A link that another session has too goes on with that one's connector.
void link_session_free(link_session *s); // accepts NULL

uint32_t link_session_count(const link_session *s); // of links; their numbers are below
// Another session had it when this one began, and it was not opened again.
bool link_session_was_kept(const link_session *s, uint32_t link);
bool link_session_health(const link_session *s, uint32_t link, driver_health *ret); // false: it is cut

// Whether a worker that has not said that it ends serves that workload, and the number of one of its links.
bool link_session_serves(const link_session *s, slice workload, uint32_t *ret_link);

// The workload of that link; NULL when there is none.
const char *link_session_workload(const link_session *s, uint32_t link);

// Serves one more worker over a connected stream socket, which is taken over.
status link_session_attach(link_session *s, int fd, err *e) WRIT_MUST_USE;

// Opens `config`, which is taken over, and, as soon as its backend is there, lets it take the place of the
// link of its number: new calls go to it, those in flight end where they are. on_put tells the end, once.
void link_session_put(link_session *s, host_link *config);
// There is no link of this number any more: new calls are refused, and one that is being put does not come.
void link_session_cut(link_session *s, uint32_t link);
