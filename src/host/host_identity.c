// SPDX-License-Identifier: Apache-2.0
#include "host/host_identity.h"

#include <stdio.h>

#include "base/mem.h"
#include "codec/date.h"
#include "identity/jwt_svid.h"
#include "identity/workload_api.h"
#include "net/grpc.h"
#include "os/clock.h"
#include "os/random.h"

#define ANSWER_NS 5000000000ull
#define BACK_OFF_NS_MIN 200000000ull
#define BACK_OFF_NS_MAX 30000000000ull
#define LOOK_AGAIN_S 3600u // the wall clock may be set, and does not stop in suspend

enum { AUDIENCE_BYTES_MAX = 1024, DOUBLINGS_MAX = 8 };

// A call that is begun again when it ends.
typedef struct feed {
    grpc_call *call;
    loop_timer again;
    unsigned failures; // in a row
} feed;

struct host_identity {
    char *socket_path;
    char *audience;
    logger *logger;
    uint64_t (*wall_s)(void *arg);
    void *arg;

    loop *loop;    // NULL when nothing is going on
    bool is_fetch; // the first failure ends it
    status failure;
    bool is_absent;  // nobody answers
    bool is_unknown; // the server knows no identity for us
    err e;

    svid svid;
    bool has_svid;
    uint64_t rotations;
    loop_timer expiry;
    bool has_expired;

    jwt_bundle *jwt_keys;
    jwt_svid jwt;
    bool has_jwt;

    feed x509_feed;
    feed jwt_feed;
};

static uint64_t machine_wall_s(void *arg) {
    (void)arg;
    return clock_wall_now().seconds;
}

static uint64_t now_s(const host_identity *h) { return h->wall_s(h->arg); }

// --- when something goes wrong -----------------------------------------------------------------------------

// Doubled with each failure, and a random part of it, so that many hosts do not come back at one time.
static uint64_t back_off(unsigned failures) {
    unsigned doublings = failures - 1 < DOUBLINGS_MAX ? failures - 1 : DOUBLINGS_MAX;
    uint64_t delay = BACK_OFF_NS_MIN << doublings;
    delay = delay < BACK_OFF_NS_MAX ? delay : BACK_OFF_NS_MAX;
    return delay / 2 + random_u64() % (delay / 2 + 1);
}

static void report(const host_identity *h, log_level level, const char *event, const char *message) {
    if (h->logger != NULL) {
        logger_event(h->logger, level, event, LOG_FIELDS(LOG_TEXT("reason", slice_from_text(message))), "%s",
                     message);
    }
}

// What the server said or gave and we do not believe is a refusal; everything else is a fault of this
// machine.
static status code_of(status code, bool is_content) {
    switch (code) {
    case STATUS_DENIED:
    case STATUS_LIMIT:
    case STATUS_NOT_FOUND:
        return code;
    default:
        return is_content ? STATUS_DENIED : STATUS_IO;
    }
}

// Gives the feed's call up. While fetching this is the end; later it is tried again.
static void fail(host_identity *h, feed *f, bool is_content, const err *why) {
    grpc_call_free(f->call);
    f->call = NULL;
    f->failures++;
    if (h->is_fetch) {
        if (h->failure == STATUS_OK) {
            h->failure = code_of(why->code, is_content);
            h->is_absent = !is_content && (why->code == STATUS_NOT_FOUND || why->code == STATUS_CLOSED);
            h->is_unknown = !is_content && why->code == STATUS_DENIED;
            h->e = *why;
        }
        loop_stop(h->loop);
        return;
    }
    if (f->failures == 1) {
        char text[ERR_MESSAGE_BYTES_MAX];
        (void)snprintf(text, sizeof text, "SPIFFE: the identity is not kept up to date, trying again: %.900s",
                       why->message);
        report(h, LOG_WARN, "spiffe-lost", text);
    }
    loop_timer_start_in(&f->again, back_off(f->failures));
}

static void succeed(host_identity *h, feed *f) {
    if (f->failures > 0 && !h->is_fetch) {
        report(h, LOG_INFO, "spiffe-back", "SPIFFE: the workload API answers again");
    }
    f->failures = 0;
    if (h->is_fetch && h->has_svid && (h->audience == NULL || h->has_jwt)) {
        loop_stop(h->loop);
    }
}

static void on_ended(host_identity *h, feed *f, const grpc_result *r) {
    err e;
    if (r->code == STATUS_OK) {
        (void)err_set(&e, STATUS_CLOSED, "the server ended the call");
    } else {
        e = *r->e;
    }
    fail(h, f, false, &e);
}

typedef struct call_kind {
    const char *method;
    void (*message)(void *arg, slice message);
    void (*ended)(void *arg, const grpc_result *r);
} call_kind;

static void begin(host_identity *h, feed *f, const call_kind *kind, slice message) {
    static const char *const metadata[] = {WORKLOAD_API_METADATA, NULL};
    const grpc_request request = {
        .socket_path = h->socket_path,
        .method = kind->method,
        .message = message,
        .answer_bytes_max = WORKLOAD_API_ANSWER_BYTES_MAX,
        .first_ns = ANSWER_NS,
        .metadata = metadata,
    };
    const grpc_events events = {h, kind->message, kind->ended};
    err e;
    grpc_call_free(f->call);
    f->call = NULL;
    if (grpc_call_new(h->loop, &request, &events, &f->call, &e) != STATUS_OK) {
        fail(h, f, false, &e);
    }
}

// --- JWT-SVID ----------------------------------------------------------------------------------------------

static status take_jwt(host_identity *h, slice message, err *e) {
    workload_jwt_reply r = {0};
    jwt_svid found;
    TRY(workload_jwt_reply_read(message, &r, e));
    status s = jwt_svid_check(r.token, h->jwt_keys, spiffe_id_trust_domain(&h->svid.id),
                              slice_from_text(h->audience), now_s(h), &found, e);
    if (s == STATUS_OK &&
        (!spiffe_id_equal(&found.id, &h->svid.id) || !slice_equal(r.id, spiffe_id_text(&h->svid.id)))) {
        s = err_set(e, STATUS_DENIED, "the JWT-SVID is for another SPIFFE ID than %s", h->svid.id.text);
    }
    secret_free(&r.memory);
    if (s == STATUS_OK) {
        h->jwt = found;
        h->has_jwt = true;
    }
    return s;
}

static void on_jwt(void *arg, slice message) {
    host_identity *h = arg;
    feed *f = &h->jwt_feed;
    err e;
    if (take_jwt(h, message, &e) != STATUS_OK) {
        fail(h, f, true, &e);
        return;
    }
    grpc_call_free(f->call);
    f->call = NULL;
    uint64_t left_s = h->jwt.expires_at_s - now_s(h); // it has not expired
    loop_timer_start_in(&f->again, (left_s / 2 < LOOK_AGAIN_S ? left_s / 2 + 1 : LOOK_AGAIN_S) * 1000000000u);
    succeed(h, f);
}

static void on_jwt_ended(void *arg, const grpc_result *r) {
    host_identity *h = arg;
    on_ended(h, &h->jwt_feed, r);
}

static const call_kind fetch_jwt = {WORKLOAD_API_FETCH_JWT, on_jwt, on_jwt_ended};

static status take_jwt_keys(host_identity *h, slice message, err *e) {
    workload_bundles_reply r = {0};
    TRY(workload_bundles_reply_read(message, &r, e));
    status s = err_set(e, STATUS_INVALID, "the answer has no keys of our own trust domain");
    for (size_t i = 0; i < r.count; i++) {
        spiffe_id id;
        if (spiffe_id_parse(r.at[i].trust_domain, &id, NULL) == STATUS_OK &&
            slice_equal(spiffe_id_trust_domain(&id), spiffe_id_trust_domain(&h->svid.id))) {
            jwt_bundle *keys = NULL;
            s = jwt_bundle_parse(r.at[i].bytes, &keys, e);
            if (s == STATUS_OK) {
                jwt_bundle_free(h->jwt_keys);
                h->jwt_keys = keys;
            }
            break;
        }
    }
    secret_free(&r.memory);
    return s;
}

static void on_jwt_keys(void *arg, slice message) {
    host_identity *h = arg;
    auto_buf request;
    buf_init(&request, GRPC_REQUEST_BYTES_MAX);
    err e;
    if (take_jwt_keys(h, message, &e) != STATUS_OK ||
        workload_jwt_request_write(slice_from_text(h->audience), spiffe_id_text(&h->svid.id), &request, &e) !=
            STATUS_OK) {
        fail(h, &h->jwt_feed, true, &e);
        return;
    }
    begin(h, &h->jwt_feed, &fetch_jwt, buf_slice(&request));
}

// The keys first, each time: one that was withdrawn is not believed any more.
static void begin_jwt(void *arg) {
    static const call_kind kind = {WORKLOAD_API_FETCH_JWT_BUNDLES, on_jwt_keys, on_jwt_ended};
    host_identity *h = arg;
    begin(h, &h->jwt_feed, &kind, slice_empty());
}

// --- X.509-SVID --------------------------------------------------------------------------------------------

static void on_expiry(void *arg) {
    host_identity *h = arg;
    int64_t left_s = h->svid.not_after_s - (int64_t)now_s(h);
    if (left_s >= 0) {
        uint64_t wait_s = (uint64_t)left_s < LOOK_AGAIN_S ? (uint64_t)left_s + 1 : LOOK_AGAIN_S;
        loop_timer_start_in(&h->expiry, wait_s * 1000000000u);
    } else if (!h->has_expired) {
        h->has_expired = true;
        report(h, LOG_ERROR, "svid-expired",
               "SPIFFE: the X.509-SVID of this host has expired and was not renewed");
    }
}

static void report_rotation(const host_identity *h) {
    char end[DATE_TEXT_BYTES];
    if (h->logger != NULL && !h->is_fetch) {
        (void)date_text((uint64_t)h->svid.not_after_s, end);
        logger_event(h->logger, LOG_INFO, "svid-rotated",
                     LOG_FIELDS(LOG_TEXT("spiffe_id", spiffe_id_text(&h->svid.id)),
                                LOG_TEXT("expires", slice_from_text(end))),
                     "SPIFFE: a new X.509-SVID of %s, valid until %s", h->svid.id.text, end);
    }
}

static bool is_same(const svid *a, const svid *b) {
    return slice_equal(certificate_der(a->chain.items[0]), certificate_der(b->chain.items[0]));
}

static status take_x509(host_identity *h, slice message, err *e) {
    svid found = {0};
    TRY(svid_read(message, (int64_t)now_s(h), &found, e));
    if (h->has_svid && !spiffe_id_equal(&h->svid.id, &found.id)) {
        (void)err_set(e, STATUS_DENIED,
                      "the SPIFFE ID of this host has become %s; start it again to take that", found.id.text);
        svid_done(&found);
        return STATUS_DENIED;
    }
    bool is_new = !h->has_svid || !is_same(&h->svid, &found);
    svid_done(&h->svid); // and wipes the key that was
    h->svid = found;
    h->rotations += is_new && h->has_svid;
    h->has_svid = true;
    h->has_expired = false;
    if (is_new) {
        report_rotation(h);
    }
    return STATUS_OK;
}

// A stream: what is refused leaves it open, since the next message may be better.
static void on_x509(void *arg, slice message) {
    host_identity *h = arg;
    err e;
    if (take_x509(h, message, &e) != STATUS_OK) {
        if (h->is_fetch) {
            fail(h, &h->x509_feed, true, &e);
            return;
        }
        (void)err_wrap(&e, "SPIFFE: refused what the workload API sent");
        report(h, LOG_ERROR, "svid-refused", e.message);
        return;
    }
    on_expiry(h);
    if (h->audience != NULL && h->jwt_feed.call == NULL && !loop_timer_is_active(&h->jwt_feed.again)) {
        begin_jwt(h);
    }
    succeed(h, &h->x509_feed);
}

static void on_x509_ended(void *arg, const grpc_result *r) {
    host_identity *h = arg;
    on_ended(h, &h->x509_feed, r);
}

static void begin_x509(void *arg) {
    static const call_kind kind = {WORKLOAD_API_FETCH_X509, on_x509, on_x509_ended};
    host_identity *h = arg;
    begin(h, &h->x509_feed, &kind, slice_empty());
}

// --- the whole ---------------------------------------------------------------------------------------------

// The one form that a local socket has: "unix:" and an absolute path, nothing to be decoded.
static const char *path_of(const char *endpoint) {
    slice text = slice_from_text(endpoint);
    size_t skip = slice_starts_with(text, "unix:///") ? 7 : slice_starts_with(text, "unix:/") ? 5 : 0;
    bool plain = strpbrk(endpoint, "?#%") == NULL && !(skip == 5 && endpoint[6] == '/');
    return skip > 0 && plain && endpoint[skip + 1] != '\0' ? endpoint + skip : NULL;
}

status host_identity_new(const host_identity_options *o, host_identity **ret, err *e) {
    const char *path = path_of(o->endpoint);
    if (path == NULL || strlen(path) > GRPC_SOCKET_PATH_BYTES_MAX) {
        return err_set(
            e, STATUS_INVALID,
            "\"%.120s\" is not the socket of a workload API: write unix:///path, with a path of at "
            "most %d bytes",
            o->endpoint, GRPC_SOCKET_PATH_BYTES_MAX);
    }
    if (o->audience != NULL && (o->audience[0] == '\0' || strlen(o->audience) > AUDIENCE_BYTES_MAX)) {
        return err_set(e, STATUS_INVALID, "the audience of a JWT-SVID has 1 to %d bytes", AUDIENCE_BYTES_MAX);
    }
    host_identity *h = MEM_NEW(host_identity);
    h->socket_path = mem_text_dup(path);
    h->audience = o->audience == NULL ? NULL : mem_text_dup(o->audience);
    h->logger = o->logger;
    h->wall_s = o->wall_s == NULL ? machine_wall_s : o->wall_s;
    h->arg = o->arg;
    *ret = h;
    return STATUS_OK;
}

void host_identity_free(host_identity *h) {
    if (h != NULL) {
        host_identity_unwatch(h);
        svid_done(&h->svid);
        jwt_bundle_free(h->jwt_keys);
        mem_free(h->socket_path);
        mem_free(h->audience);
        mem_free(h);
    }
}

static void start(host_identity *h, loop *l) {
    h->loop = l;
    loop_timer_init(&h->expiry, l, on_expiry, h);
    loop_timer_init(&h->x509_feed.again, l, begin_x509, h);
    loop_timer_init(&h->jwt_feed.again, l, begin_jwt, h);
    begin_x509(h);
}

static status explain(const host_identity *h, err *e) {
    const char *what = "";
    if (h->is_absent) {
        what = "; is the SPIFFE agent running, and is this the socket of its workload API?";
    } else if (h->is_unknown && strstr(h->e.message, "PERMISSION_DENIED") != NULL) {
        what = "; register this host there (for SPIRE: spire-server entry create ... -selector unix:uid:...)";
    }
    return err_set(e, h->failure, "no SPIFFE identity: %.800s%s", h->e.message, what);
}

status host_identity_fetch(host_identity *h, err *e) {
    loop *l = NULL;
    TRY(loop_new(NULL, &l, e));
    h->is_fetch = true;
    h->failure = STATUS_OK;
    start(h, l);
    if (h->failure == STATUS_OK) {
        loop_run(l);
    }
    host_identity_unwatch(h);
    h->is_fetch = false;
    loop_free(l);
    return h->failure == STATUS_OK ? STATUS_OK : explain(h, e);
}

void host_identity_watch(host_identity *h, loop *l) {
    start(h, l);
    on_expiry(h);
}

static void stop_feed(feed *f) {
    grpc_call_free(f->call);
    f->call = NULL;
    f->failures = 0;
    loop_timer_stop(&f->again);
}

void host_identity_unwatch(host_identity *h) {
    if (h != NULL && h->loop != NULL) {
        stop_feed(&h->x509_feed);
        stop_feed(&h->jwt_feed);
        loop_timer_stop(&h->expiry);
        h->loop = NULL;
    }
}

const svid *host_identity_svid(const host_identity *h) { return &h->svid; }
uint64_t host_identity_rotations(const host_identity *h) { return h->rotations; }
const char *host_identity_audience(const host_identity *h) { return h->audience; }

bool host_identity_jwt(const host_identity *h, uint64_t *ret_expires_at_s, size_t *ret_bundle_keys) {
    if (h->has_jwt) {
        *ret_expires_at_s = h->jwt.expires_at_s;
        *ret_bundle_keys = jwt_bundle_count(h->jwt_keys);
    }
    return h->has_jwt;
}

bool host_identity_of_workload(const host_identity *h, const vetting *v, spiffe_id *ret) {
    const token_claims *c = vetting_is_signed(v) ? vetting_claims(v) : NULL;
    return c != NULL && spiffe_id_of_workload(spiffe_id_trust_domain(&h->svid.id), &c->issuer, &c->subject,
                                              ret, NULL) == STATUS_OK;
}
