// SPDX-License-Identifier: Apache-2.0
// A blob store on a server that speaks the API of S3: the link, its settings, and the way of a call through
// its requests. A container is a bucket.
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "driver/blobstore/s3_internal.h"

enum {
    CALLS_MAX = 1024,
    BYTES_MAX = 256 << 20, // of the calls that wait, and of what they may answer
    PROBE_MS_MIN = 500,
    PROBE_MS_MAX = 30000,
    REQUEST_BYTES_MAX = 4 << 20,
    QUERY_BYTES_MAX = 16 << 10,
};

static const uint64_t ms = 1000000;

// --- health ------------------------------------------------------------------------------------------------

static void on_heard(void *arg, const char *why) {
    driver_link *k = arg;
    if (why == NULL) {
        k->probe_ms = PROBE_MS_MIN;
        loop_timer_stop(&k->probe);
        driver_link_health_set(&k->health, DRIVER_UP, "", UINT64_MAX);
    } else if (!k->is_closing && !loop_timer_is_active(&k->probe)) {
        loop_timer_start_in(&k->probe, driver_wait(&k->client.random, k->probe_ms) * ms);
        k->probe_ms = k->probe_ms * 2 < PROBE_MS_MAX ? k->probe_ms * 2 : PROBE_MS_MAX;
        driver_link_health_set(&k->health, DRIVER_DOWN, why, k->probe.deadline_ns);
    }
}

static void on_probed(void *arg, const s3_answer *a) { (void)arg, (void)a; } // on_heard has seen it

// Any answer will do: who may list the buckets is the server's business.
static void probe(void *arg) {
    driver_link *k = arg;
    s3_wanted w = s3_about("GET", slice_empty(), slice_empty());
    w.is_repeatable = true;
    if (k->probing.client == NULL) {
        s3_start(&k->client, &k->probing, &w, on_probed, k);
    }
}

// --- calls -------------------------------------------------------------------------------------------------

s3_op *s3_op_new(driver_link *k, s3_handler handler) {
    s3_op *o = MEM_NEW(s3_op);
    o->link = k;
    o->handler = handler;
    buf_init(&o->body, REQUEST_BYTES_MAX);
    buf_init(&o->query, QUERY_BYTES_MAX);
    arena_init(&o->names, REQUEST_BYTES_MAX);
    k->own_ops++;
    return o;
}

static void finish_closing(driver_link *k);

void s3_op_free(s3_op *o) {
    driver_link *k = o->link;
    s3_cancel(&o->exchange);
    buf_done(&o->body);
    buf_done(&o->query);
    arena_done(&o->names);
    mem_free(o);
    k->own_ops--;
    finish_closing(k);
}

static blobstore_request *leave(s3_op *o) {
    blobstore_request *q = o->request;
    o->link->call_count--;
    o->link->call_bytes -= o->bytes;
    q->data = NULL;
    return q;
}

void s3_reply(s3_op *o, const blobstore_answer *a) {
    blobstore_reply(leave(o), a);
    s3_op_free(o);
}

void s3_reply_error(s3_op *o, blobstore_error x) {
    blobstore_reply_error(leave(o), x);
    s3_op_free(o);
}

static void fail(s3_op *o, status code, const char *why) {
    blobstore_fail(leave(o), code, "%s", why);
    s3_op_free(o);
}

typedef struct known_error {
    const char *code;
    blobstore_error error;
} known_error;

static const known_error known_errors[] = {
    {"NoSuchBucket", BLOBSTORE_NO_CONTAINER},   {"NoSuchKey", BLOBSTORE_NO_OBJECT},
    {"NoSuchUpload", BLOBSTORE_NO_UPLOAD},      {"PreconditionFailed", BLOBSTORE_CHANGED},
    {"AccessDenied", BLOBSTORE_DENIED},         {"AllAccessDisabled", BLOBSTORE_DENIED},
    {"EntityTooLarge", BLOBSTORE_TOO_LARGE},    {"QuotaExceeded", BLOBSTORE_FULL},
    {"XMinioStorageFull", BLOBSTORE_FULL},      {"KeyTooLongError", BLOBSTORE_BAD_NAME},
    {"KeyTooLong", BLOBSTORE_BAD_NAME},         {"InvalidBucketName", BLOBSTORE_BAD_NAME},
    {"InvalidURI", BLOBSTORE_BAD_NAME},         {"XMinioInvalidObjectName", BLOBSTORE_BAD_NAME},
    {"ObjectParentIsFile", BLOBSTORE_BAD_NAME}, {"ExistingObjectIsDirectory", BLOBSTORE_BAD_NAME},
    {"BucketAlreadyExists", BLOBSTORE_DENIED},  {"DirectoryObjectContainsData", BLOBSTORE_BAD_NAME},
    {"InvalidObjectName", BLOBSTORE_BAD_NAME},
};

void s3_reply_failure(s3_op *o, const s3_answer *a) {
    if (a->code != STATUS_OK) {
        fail(o, a->code, a->why);
        return;
    }
    for (size_t i = 0; i < sizeof known_errors / sizeof known_errors[0]; i++) {
        if (strcmp(a->error, known_errors[i].code) == 0) {
            s3_reply_error(o, known_errors[i].error);
            return;
        }
    }
    if (a->status == 507) {
        s3_reply_error(o, BLOBSTORE_FULL);
    } else if (a->error[0] == '\0' && a->status == 403) {
        s3_reply_error(o, BLOBSTORE_DENIED);
    } else {
        blobstore_reply_other(leave(o), "the server says %u %s", a->status, a->error);
        s3_op_free(o);
    }
}

s3_wanted s3_about(const char *method, slice container, slice object) {
    return (s3_wanted){.method = method, .bucket = container, .object = object};
}

static void on_answer(void *arg, const s3_answer *a) {
    s3_op *o = arg;
    o->step++;
    o->handler(o, a);
}

void s3_send(s3_op *o, const s3_wanted *w) { s3_start(&o->link->client, &o->exchange, w, on_answer, o); }

void s3_send_query(s3_op *o, s3_wanted *w, status written) {
    if (written != STATUS_OK) { // as if the server had not taken it
        buf_clear(&o->query);
    }
    w->query = buf_slice(&o->query);
    s3_send(o, w);
}

// An upload whose step is given up is in no known state: it ends.
static void give_up(s3_op *o, status code, const char *why) {
    s3_cancel(&o->exchange);
    if (o->upload != NULL) {
        s3_upload *u = o->upload;
        o->upload = NULL;
        blobstore_uploads_remove(&u->base);
        s3_upload_expired(o->link, &u->base);
    }
    fail(o, code, why);
}

static void on_deadline(void *arg) {
    give_up(((blobstore_request *)arg)->data, STATUS_TIMEOUT, "the server took too long");
}

static bool is_bucket(slice name) {
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_plain && (i == 0 || i + 1 == name.len || (c != '-' && c != '.'))) {
            return false;
        }
    }
    return name.len >= 3 && name.len <= 63;
}

// A name that no bucket has never gets into an address. Answers then.
static bool has_bad_container(blobstore_request *q) {
    const blobstore_call *c = &q->call;
    bool is_about_upload = c->function == BLOBSTORE_WRITE && c->step != BLOBSTORE_BEGIN;
    bool has_target = c->function == BLOBSTORE_COPY || c->function == BLOBSTORE_MOVE;
    if (is_about_upload || (is_bucket(c->container) && (!has_target || is_bucket(c->to_container)))) {
        return false;
    }
    if (c->function == BLOBSTORE_CONTAINER_EXISTS) {
        blobstore_reply(q, &(blobstore_answer){.is_there = false});
    } else {
        blobstore_reply_error(q, c->function == BLOBSTORE_CREATE_CONTAINER ? BLOBSTORE_BAD_NAME
                                                                           : BLOBSTORE_NO_CONTAINER);
    }
    return true;
}

static void start(driver_link *k, blobstore_request *q, size_t bytes) {
    blobstore_function f = q->call.function;
    s3_upload *u = NULL;
    if (f == BLOBSTORE_WRITE && q->call.step != BLOBSTORE_BEGIN) {
        u = (s3_upload *)blobstore_uploads_begin_step(&k->uploads, q);
        if (u == NULL) {
            return;
        }
    }
    s3_op *o = s3_op_new(k, s3_handler_of(f));
    o->request = q;
    o->upload = u;
    o->bytes = bytes;
    q->data = o;
    k->call_count++;
    k->call_bytes += bytes;
    if (q->origin->deadline_ns != UINT64_MAX) {
        loop_timer_init(&q->timer, k->l, on_deadline, q);
        loop_timer_start_at(&q->timer, q->origin->deadline_ns);
    }
    if (f == BLOBSTORE_WRITE) {
        s3_upload_call(o);
    } else {
        o->handler(o, NULL);
    }
}

static void call(driver_link *k, driver_call *c) {
    size_t bytes = c->payload.len + (64 << 10);
    if (k->call_count >= CALLS_MAX || bytes > BYTES_MAX - k->call_bytes) {
        driver_fail(c, STATUS_LIMIT, "too many calls wait for the server (%zu)", k->call_count);
        return;
    }
    blobstore_request *q = blobstore_receive(c, &k->limits);
    if (q != NULL && !has_bad_container(q)) {
        start(k, q, bytes);
    }
}

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    give_up(((blobstore_request *)c->data)->data, STATUS_CANCELLED, "cancelled");
}

// --- settings ----------------------------------------------------------------------------------------------

// "https://host[:port]"
static status read_endpoint(slice text, s3_server *s, err *e) {
    slice rest = text;
    s->is_https = slice_starts_with(text, "https://");
    s->port = s->is_https ? 443 : 80;
    if (!s->is_https && !slice_starts_with(text, "http://")) {
        return err_set(e, STATUS_INVALID,
                       "the setting endpoint is https://HOST[:PORT] or http://HOST[:PORT]");
    }
    rest = slice_sub(rest, s->is_https ? 8 : 7, rest.len);
    rest = rest.len > 0 && rest.data[rest.len - 1] == '/' ? slice_sub(rest, 0, rest.len - 1) : rest;
    size_t colon = SIZE_MAX;
    for (size_t at = 0; (at = slice_find(rest, at, ':')) != SIZE_MAX; at++) {
        colon = at;
    }
    bool is_v6 = rest.len > 0 && rest.data[0] == '[';
    colon = is_v6 && colon != SIZE_MAX && rest.data[rest.len - 1] == ']' ? SIZE_MAX : colon;
    slice host = slice_sub(rest, 0, colon == SIZE_MAX ? rest.len : colon);
    uint64_t port = s->port;
    bool is_good = host.len > 0 && rest.len < sizeof s->authority && http_authority_is_valid(rest) &&
                   slice_find(rest, 0, '/') == SIZE_MAX;
    if (colon != SIZE_MAX) {
        is_good =
            is_good && slice_to_u64(slice_sub(rest, colon + 1, rest.len), &port) && port > 0 && port < 65536;
    }
    host = is_v6 && host.len >= 2 ? slice_sub(host, 1, host.len - 1) : host;
    if (!is_good || host.len > S3_HOST_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "the setting endpoint names no server: \"%.*s\"",
                       SLICE_ARG(slice_sub(text, 0, 100)));
    }
    s->port = (uint16_t)port;
    (void)snprintf(s->authority, sizeof s->authority, "%.*s", SLICE_ARG(rest));
    (void)snprintf(s->host, sizeof s->host, "%.*s", SLICE_ARG(host));
    return STATUS_OK;
}

static status read_region(const driver_values *v, s3_server *s, err *e) {
    slice region = SLICE_LITERAL("us-east-1");
    (void)!driver_values_text(v, "region", &region);
    for (size_t i = 0; i < region.len; i++) {
        uint8_t c = region.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-') || i >= S3_REGION_BYTES_MAX) {
            return err_set(e, STATUS_INVALID, "the setting region is a name such as eu-central-1");
        }
    }
    (void)snprintf(s->region, sizeof s->region, "%.*s", SLICE_ARG(region));
    return STATUS_OK;
}

static status read_server(const driver_values *v, s3_server *s, err *e) {
    char usual[128];
    slice style = SLICE_LITERAL("path"), containers = slice_empty();
    TRY(read_region(v, s, e));
    (void)snprintf(usual, sizeof usual, "https://s3.%s.amazonaws.com", s->region);
    slice endpoint = slice_from_text(usual);
    (void)!driver_values_text(v, "endpoint", &endpoint);
    (void)!driver_values_text(v, "style", &style);
    (void)!driver_values_text(v, "containers", &containers);
    s->is_path_style = slice_equal_text(style, "path");
    if (!s->is_path_style && !slice_equal_text(style, "virtual-host")) {
        return err_set(e, STATUS_INVALID, "the setting style is path or virtual-host");
    }
    if (!s->is_path_style && containers.len == 0) {
        return err_set(e, STATUS_INVALID,
                       "with style=virtual-host each bucket is a server of its own: name them in the setting "
                       "containers");
    }
    return read_endpoint(endpoint, s, e);
}

static status peers(const driver_values *given, driver_peer found, void *arg, err *e) {
    s3_server s;
    slice containers = slice_empty();
    TRY(read_server(given, &s, e));
    found(arg, slice_from_text(s.host), s.port);
    (void)!driver_values_text(given, "containers", &containers);
    for (size_t at = 0; !s.is_path_style && at <= containers.len;) {
        char host[2 * S3_HOST_BYTES_MAX];
        size_t end = slice_find(containers, at, ',');
        end = end == SIZE_MAX ? containers.len : end;
        int len = snprintf(host, sizeof host, "%.*s.%s", SLICE_ARG(slice_sub(containers, at, end)), s.host);
        if (len > 0 && len <= S3_HOST_BYTES_MAX) {
            found(arg, slice_from_text(host), s.port);
        }
        at = end + 1;
    }
    return STATUS_OK;
}

static bool read_key(const driver_values *v, const char *name, const char *old_name, slice *ret) {
    return driver_values_text(v, name, ret) == STATUS_OK || driver_values_text(v, old_name, ret) == STATUS_OK;
}

static status read_keys(const driver_values *v, s3_keys *ret, err *e) {
    s3_keys keys = {0};
    bool has_id = read_key(v, "access-key-id", "access_key_id", &keys.id);
    bool has_secret = read_key(v, "secret-access-key", "secret_access_key", &keys.secret);
    (void)read_key(v, "session-token", "session_token", &keys.token);
    if (has_id != has_secret || (has_id && (keys.id.len == 0 || keys.id.len > 256))) {
        return err_set(e, STATUS_INVALID, "access-key-id and secret-access-key belong together");
    }
    if (!http_value_is_valid(keys.id) || !http_value_is_valid(keys.token)) {
        return err_set(e, STATUS_INVALID,
                       "access-key-id or session-token holds what no header field can hold");
    }
    *ret = keys;
    return STATUS_OK;
}

static status read_settings(const driver_environment *env, const driver_link_options *o, driver_link *k,
                            err *e) {
    uint64_t connections = 8, timeout_ms = 30000, part = S3_PART_BYTES_MIN;
    TRY(blobstore_limits_read(&o->settings, &k->limits, e));
    TRY(read_server(&o->settings, &k->server, e));
    TRY(read_keys(&o->credentials, &k->client.keys, e));
    TRY(driver_values_number(&o->settings, "connections", 1, 64, &connections, e));
    TRY(driver_values_number(&o->settings, "timeout-ms", 10, 600000, &timeout_ms, e));
    TRY(driver_values_number(&o->settings, "part-bytes", S3_PART_BYTES_MIN, 64 << 20, &part, e));
    if (k->limits.object_bytes_max > part * S3_PARTS_MAX) {
        return err_set(e, STATUS_INVALID,
                       "object-bytes-max is more than 10000 parts of %llu bytes (part-bytes)",
                       (unsigned long long)part);
    }
    if (env->connector == NULL) {
        return err_set(e, STATUS_INVALID, "this host connects nowhere");
    }
    k->part_bytes = part;
    slice ca = slice_empty();
    if (driver_values_text(&o->settings, "ca", &ca) == STATUS_OK) {
        TRY(trust_roots_from_pem(ca, &k->roots, e));
    }
    http_client_options http = http_client_options_default();
    http.connector = env->connector;
    http.roots = k->roots != NULL ? k->roots : env->roots;
    http.calls_max = CALLS_MAX + 2048; // and those of our own
    http.sockets_max = (uint32_t)connections;
    http.connect_ns = timeout_ms < 10000 ? timeout_ms * ms : 10000 * ms;
    http.first_byte_ns = http.between_bytes_ns = timeout_ms * ms;
    return http_client_new(env->l, &http, &k->client.http, e);
}

// --- the driver --------------------------------------------------------------------------------------------

static void free_link(driver_link *k) {
    loop_timer_stop(&k->probe);
    driver_link_health_done(&k->health);
    loop_soon_cancel(&k->closed_soon);
    s3_cancel(&k->probing);
    http_client_free(k->client.http);
    trust_roots_free(k->roots);
    blobstore_limits_done(&k->limits);
    mem_free(k);
}

// Our own requests (uploads that are forgotten) have their time; the caller of link_close waits so long.
static void finish_closing(driver_link *k) {
    if (k->is_closing && k->own_ops == 0) {
        loop_soon_add(k->l, &k->closed_soon);
    }
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    driver_link_options options = k->options;
    free_link(k);
    options.on_closed(options.arg);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    driver_link *k = MEM_NEW(driver_link);
    k->l = env->l;
    k->options = *options;
    k->client =
        (s3_client){.l = env->l, .server = &k->server, .random = env->random, .heard = on_heard, .arg = k};
    k->probe_ms = PROBE_MS_MIN;
    driver_link_health_init(&k->health, env->l, options);
    loop_soon_init(&k->closed_soon, on_closed_soon, k);
    loop_timer_init(&k->probe, env->l, probe, k);
    blobstore_uploads_init(&k->uploads, env->l, &k->limits, s3_upload_expired, k);
    status code = read_settings(env, options, k, e);
    if (code != STATUS_OK) {
        free_link(k);
        return code;
    }
    probe(k);
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    CHECK(k->call_count == 0);
    k->is_closing = true;
    for (blobstore_upload *u; (u = blobstore_uploads_take(&k->uploads)) != NULL;) {
        s3_upload_expired(k, u);
    }
    finish_closing(k);
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->health.now; }

static status credentials(driver_link *k, const driver_values *given, err *e) {
    return read_keys(given, &k->client.keys, e);
}

static const driver_setting settings[] = {
    BLOBSTORE_SETTINGS,
    {"endpoint", "the server, https://HOST[:PORT]; default https://s3.REGION.amazonaws.com", false, false},
    {"region", "default us-east-1", false, false},
    {"style", "where the bucket's name stands: path (default) or virtual-host", false, false},
    {"access-key-id", "who signs; without it requests are not signed", true, false},
    {"secret-access-key", "the key of access-key-id", true, false},
    {"session-token", "of temporary keys", true, false},
    {"access_key_id", "another name of access-key-id, as 1.x has it", true, false},
    {"secret_access_key", "another name of secret-access-key", true, false},
    {"session_token", "another name of session-token", true, false},
    {"ca", "certificate authorities (PEM text) to trust in place of the host's", false, false},
    {"connections", "how many at one time, 1 to 64; default 8", false, false},
    {"timeout-ms", "the longest silence of the server, in milliseconds; default 30000", false, false},
    {"part-bytes",
     "of multipart uploads, 5242880 (default) to 67108864; one is held in memory for each upload", false,
     false},
    {NULL, NULL, false, false},
};

const driver blobstore_s3 = {
    .version = DRIVER_VERSION,
    .name = "s3",
    .interfaces = blobstore_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
    .credentials = credentials,
    .peers = peers,
};
