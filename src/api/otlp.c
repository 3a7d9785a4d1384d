// SPDX-License-Identifier: Apache-2.0
// A record is encoded when it comes, so that nothing of it has to be kept but its text; a batch is those
// texts side by side, those of one workload together.
#include "api/otlp.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "codec/json.h"
#include "crypto/trust_roots.h"
#include "host/local_connector.h"
#include "host/log.h"
#include "net/http_client.h"
#include "os/clock.h"
#include "os/random.h"

#ifndef WRIT_VERSION
#error "the build defines WRIT_VERSION"
#endif

#define GATHER_NS 1000000000ull // from the first record of a batch
#define BACK_OFF_NS_MIN 1000000000ull
#define BACK_OFF_NS_MAX 60000000000ull
#define WAIT_NS 10000000000ull // for each step of a call
#define CALL_NS 60000000000ull // for the whole: bytes that come one by one are no answer
#define LAST_WORDS_NS 2000000000ull
enum { RECORD_BYTES_MAX = 64 << 10, SERVICES_MAX = HOST_WORKLOADS_MAX + 1, ANSWER_BYTES_MAX = 64 << 10 };

typedef struct record {
    list_node node;
    uint32_t service;
    uint32_t len;
    char text[];
} record;

struct otlp {
    loop *loop;
    otlp_endpoint to;
    const host_status *status;
    log_tap tap;
    connector *connector;
    trust_roots *roots;
    http_client *client;

    list_node waiting;
    uint32_t count; // of records that wait, those of the batch included
    size_t bytes;
    uint64_t dropped; // since it was said

    http_call *call; // NULL: none is on its way
    buf batch;
    size_t written;
    size_t answered;
    uint32_t batch_count; // of the first records that wait
    loop_soon step;
    loop_timer timer;    // the next batch
    loop_timer deadline; // of the call
    uint32_t failures;
};

// --- where -------------------------------------------------------------------------------------------------

status otlp_endpoint_parse(slice text, otlp_endpoint *ret, err *e) {
    static const char *const schemes[] = {"http://", "https://"};
    otlp_endpoint r = {0};
    slice rest = slice_empty();
    for (int i = 0; i < 2; i++) {
        if (slice_starts_with(text, schemes[i])) {
            r.is_https = i == 1;
            rest = slice_sub(text, strlen(schemes[i]), text.len);
        }
    }
    size_t slash = slice_find(rest, 0, '/');
    slash = slash == SIZE_MAX ? rest.len : slash;
    slice authority = slice_sub(rest, 0, slash), base = slice_sub(rest, slash, rest.len);
    base.len -= base.len > 0 && base.data[base.len - 1] == '/';
    if (authority.len >= sizeof r.authority || base.len + 9 >= sizeof r.path ||
        !http_authority_is_valid(authority) || (base.len > 0 && !http_path_is_valid(base)) ||
        slice_find(base, 0, '?') != SIZE_MAX) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" is not where a collector is: write http://HOST:PORT, such as "
                       "http://127.0.0.1:4318",
                       SLICE_ARG(slice_sub(text, 0, 100)));
    }
    (void)snprintf(r.authority, sizeof r.authority, "%.*s", SLICE_ARG(authority));
    (void)snprintf(r.path, sizeof r.path, "%.*s/v1/logs", SLICE_ARG(base));
    *ret = r;
    return STATUS_OK;
}

// --- records -----------------------------------------------------------------------------------------------

static json_value *text_value(slice text) {
    json_value *v = json_object_new();
    json_put_text(v, "stringValue", text);
    return v;
}

static void put_attribute(json_value *list, const char *key, json_value *value) {
    json_value *a = json_object_new();
    json_put_text(a, "key", slice_from_text(key));
    json_put(a, "value", value);
    json_push(list, a);
}

static json_value *number_value(int64_t number) {
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    json_value *v = json_object_new();
    json_put_text(v, "intValue", slice_from_text(text)); // 64-bit numbers are texts there
    return v;
}

// What a component says of how bad it is, is finer than our levels.
static int severity_of(const log_record *r) {
    static const struct {
        const char *name;
        int number;
    } names[] = {{"trace", 1}, {"debug", 5}, {"info", 9}, {"warn", 13}, {"error", 17}, {"critical", 21}};
    static const int levels[] = {[LOG_VERBOSE] = 5, [LOG_INFO] = 9, [LOG_WARN] = 13, [LOG_ERROR] = 17};
    for (size_t i = 0; i < r->field_count && slice_equal_text(r->event, "log"); i++) {
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            if (strcmp(r->fields[i].name, "severity") == 0 &&
                slice_equal_text(r->fields[i].text, names[k].name)) {
                return names[k].number;
            }
        }
    }
    return levels[r->level];
}

static json_value *record_value(const log_record *r) {
    char time[32];
    clock_wall now = clock_wall_now();
    json_value *v = json_object_new(), *attributes = json_array_new();
    (void)snprintf(time, sizeof time, "%llu%09u", (unsigned long long)now.seconds, now.nanoseconds);
    put_attribute(attributes, "event", text_value(r->event));
    for (size_t i = 0; i < r->field_count; i++) {
        const log_field *f = &r->fields[i];
        put_attribute(attributes, f->name, f->is_number ? number_value(f->number) : text_value(f->text));
    }
    json_put_text(v, "timeUnixNano", slice_from_text(time));
    json_put_text(v, "observedTimeUnixNano", slice_from_text(time));
    json_put_integer(v, "severityNumber", severity_of(r));
    json_put(v, "body", text_value(r->message));
    json_put(v, "attributes", attributes);
    return v;
}

// The number of the workload; behind all of them, the host.
static uint32_t service_of(const otlp *o, slice workload) {
    const host_config *c = o->status->config;
    uint32_t found = host_config_find(c, workload);
    return found < c->workload_count ? found : (uint32_t)c->workload_count;
}

static void drop_first(otlp *o) {
    record *r = LIST_ENTRY(list_pop_front(&o->waiting), record, node);
    o->count--;
    o->bytes -= r->len;
    mem_free(r);
}

static void on_record(void *context, slice workload, const log_record *r) {
    otlp *o = context;
    auto_buf text;
    buf_init(&text, RECORD_BYTES_MAX);
    json_value *v = record_value(r);
    status s = json_write(v, 0, &text);
    json_free(v);
    if (s != STATUS_OK || o->count == OTLP_RECORDS_MAX || o->bytes + text.len > OTLP_BYTES_MAX) {
        o->dropped++;
        return;
    }
    record *kept = mem_alloc(sizeof *kept + text.len);
    kept->service = service_of(o, workload);
    kept->len = (uint32_t)text.len;
    memcpy(kept->text, text.data, text.len);
    list_push_back(&o->waiting, &kept->node);
    o->count++;
    o->bytes += text.len;
    if (o->call == NULL && o->failures == 0) {
        if (o->count >= OTLP_BATCH_RECORDS_MAX) {
            loop_timer_start_in(&o->timer, 0);
        } else if (!loop_timer_is_active(&o->timer)) {
            loop_timer_start_in(&o->timer, GATHER_NS);
        }
    }
}

// --- batches -----------------------------------------------------------------------------------------------

static status write_resource(const otlp *o, uint32_t service, buf *ret) {
    const host_config *c = o->status->config;
    const char *host = c->name != NULL ? c->name : "writ";
    slice name = slice_from_text(service < c->workload_count ? c->workloads[service].name : host);
    json_value *resource = json_object_new(), *attributes = json_array_new(), *scope = json_object_new();
    put_attribute(attributes, "service.name", text_value(name));
    json_put(resource, "attributes", attributes);
    json_put_text(scope, "name", slice_from_text("writ"));
    json_put_text(scope, "version", slice_from_text(WRIT_VERSION));
    status s = buf_append_text(ret, "{\"resource\":");
    s = s == STATUS_OK ? json_write(resource, 0, ret) : s;
    s = s == STATUS_OK ? buf_append_text(ret, ",\"scopeLogs\":[{\"scope\":") : s;
    s = s == STATUS_OK ? json_write(scope, 0, ret) : s;
    s = s == STATUS_OK ? buf_append_text(ret, ",\"logRecords\":[") : s;
    json_free(resource);
    json_free(scope);
    return s;
}

static status write_service(const otlp *o, uint32_t service, bool *is_first, buf *ret) {
    uint32_t i = 0;
    bool has_any = false;
    for (list_node *n = o->waiting.next; i < o->batch_count; n = n->next, i++) {
        const record *r = LIST_ENTRY(n, record, node);
        if (r->service != service) {
            continue;
        }
        if (!has_any) {
            TRY(buf_append_text(ret, *is_first ? "" : ","));
            TRY(write_resource(o, service, ret));
        } else {
            TRY(buf_append_text(ret, ","));
        }
        TRY(buf_append(ret, slice_of(r->text, r->len)));
        *is_first = false;
        has_any = true;
    }
    return has_any ? buf_append_text(ret, "]}]}") : STATUS_OK;
}

static void choose_batch(otlp *o) {
    size_t bytes = 0;
    o->batch_count = 0;
    for (list_node *n = o->waiting.next; n != &o->waiting && o->batch_count < OTLP_BATCH_RECORDS_MAX;
         n = n->next) {
        bytes += LIST_ENTRY(n, record, node)->len;
        if (o->batch_count > 0 && bytes > OTLP_BATCH_BYTES_MAX) {
            return;
        }
        o->batch_count++;
    }
}

static status write_batch(otlp *o) {
    bool is_first = true;
    choose_batch(o);
    buf_clear(&o->batch);
    TRY(buf_append_text(&o->batch, "{\"resourceLogs\":["));
    for (uint32_t i = 0; i <= o->status->config->workload_count; i++) {
        TRY(write_service(o, i, &is_first, &o->batch));
    }
    return buf_append_text(&o->batch, "]}");
}

// --- one call ----------------------------------------------------------------------------------------------

static void on_progress(void *arg) {
    otlp *o = arg;
    loop_soon_add(o->loop, &o->step);
}

static void say_dropped(otlp *o) {
    if (o->dropped > 0) {
        uint64_t dropped = o->dropped;
        o->dropped = 0;
        logger_event(o->status->logger, LOG_WARN, "otlp-dropped", LOG_FIELDS(LOG_NUMBER("count", dropped)),
                     "%llu log records did not reach the collector", (unsigned long long)dropped);
    }
}

static void end_batch(otlp *o, bool is_taken) {
    o->dropped += is_taken ? 0 : o->batch_count;
    for (uint32_t i = 0; i < o->batch_count; i++) {
        drop_first(o);
    }
    o->failures = 0;
    if (is_taken) {
        say_dropped(o);
    }
    if (o->count > 0) {
        loop_timer_start_in(&o->timer, o->count >= OTLP_BATCH_RECORDS_MAX ? 0 : GATHER_NS);
    }
}

// Waits grow, and differ between hosts that lost the same collector.
static void try_later(otlp *o, const char *why) {
    uint64_t delay = BACK_OFF_NS_MIN << (o->failures < 6 ? o->failures : 6), random;
    delay = delay < BACK_OFF_NS_MAX ? delay : BACK_OFF_NS_MAX;
    random_fill(&random, sizeof random);
    loop_timer_start_in(&o->timer, delay / 2 + random % (delay / 2));
    if (o->failures++ == 0) {
        logger_event(o->status->logger, LOG_WARN, "otlp-failed", NULL, 0,
                     "the collector %s does not take log records: %s", o->to.authority, why);
    }
}

// OTLP/HTTP, "Failures": these may be tried again, others never.
static bool is_temporary(unsigned code) { return code == 429 || code == 502 || code == 503 || code == 504; }

// `why` may be the call's.
static void end_call(otlp *o, unsigned answer, const char *why) {
    char text[256];
    if (answer != 0) {
        (void)snprintf(text, sizeof text, "it answers %u", answer);
    } else {
        (void)snprintf(text, sizeof text, "%s", why);
    }
    http_call_free(o->call);
    o->call = NULL;
    loop_soon_cancel(&o->step);
    loop_timer_stop(&o->deadline);
    if (answer >= 200 && answer <= 299) {
        end_batch(o, true);
    } else if (answer == 0 || is_temporary(answer)) {
        try_later(o, text);
    } else {
        logger_event(o->status->logger, LOG_WARN, "otlp-refused", NULL, 0,
                     "the collector %s refuses log records: %s", o->to.authority, text);
        end_batch(o, false);
    }
}

static void on_deadline(void *arg) { end_call(arg, 0, "it has not answered in time"); }

static void write_some(otlp *o) {
    size_t left = o->batch.len - o->written, room = http_call_room(o->call);
    size_t n = left < room ? left : room;
    if (left == 0 || n == 0 || !http_call_may_write(o->call)) {
        return;
    }
    if (http_call_write(o->call, slice_sub(buf_slice(&o->batch), o->written, o->written + n), NULL) ==
        STATUS_OK) {
        o->written += n;
        if (o->written == o->batch.len) {
            http_call_end(o->call, NULL, 0);
        }
    }
}

// The answer's body is read to its end, so that the connection can be used again, unless it is too long.
static void on_step(void *arg) {
    otlp *o = arg;
    slice part;
    if (http_call_failure(o->call) != HTTP_FAILURE_NONE) {
        end_call(o, 0, http_call_failure_text(o->call));
        return;
    }
    write_some(o);
    const http_response *answer = http_call_response(o->call);
    if (answer == NULL) {
        return;
    }
    http_body_state state;
    do {
        state = http_call_read(o->call, ANSWER_BYTES_MAX, &part);
        o->answered += state == HTTP_BODY_DATA ? part.len : 0;
    } while (state == HTTP_BODY_DATA && o->answered <= ANSWER_BYTES_MAX);
    if (state != HTTP_BODY_WAIT) {
        end_call(o, answer->status, NULL);
    }
}

static void send_batch(otlp *o) {
    static const http_header headers[] = {
        {SLICE_LITERAL("content-type"), SLICE_LITERAL("application/json")},
        {SLICE_LITERAL("user-agent"), SLICE_LITERAL("writ/" WRIT_VERSION)},
    };
    if (o->count == 0 || o->call != NULL) {
        return;
    }
    if (write_batch(o) != STATUS_OK) {
        end_batch(o, false);
        return;
    }
    const http_call_request q = {.method = slice_from_text("POST"),
                                 .is_https = o->to.is_https,
                                 .authority = slice_from_text(o->to.authority),
                                 .path_with_query = slice_from_text(o->to.path),
                                 .headers = headers,
                                 .header_count = 2,
                                 .has_body = true,
                                 .content_length = (int64_t)o->batch.len,
                                 .connect_ns = WAIT_NS,
                                 .first_byte_ns = WAIT_NS,
                                 .between_bytes_ns = WAIT_NS};
    err e;
    o->written = o->answered = 0;
    if (http_call_new(o->client, &q, on_progress, o, &o->call, &e) != STATUS_OK) {
        try_later(o, e.message);
        return;
    }
    loop_timer_start_in(&o->deadline, CALL_NS);
    on_progress(o);
}

static void on_timer(void *arg) { send_batch(arg); }

// --- the whole ---------------------------------------------------------------------------------------------

static status open_client(otlp *o, const char *ca_file, err *e) {
    http_client_options options = http_client_options_default();
    TRY(local_connector_new(o->loop, NULL, &o->connector, e));
    if (o->to.is_https) {
        TRY(trust_roots_new(ca_file, &o->roots, e));
    }
    options.connector = o->connector;
    options.roots = o->roots;
    options.calls_max = options.sockets_max = 1;
    return http_client_new(o->loop, &options, &o->client, e);
}

status otlp_new(loop *l, const otlp_endpoint *to, const char *ca_file, const host_status *s, otlp **ret,
                err *e) {
    otlp *o = MEM_NEW(otlp);
    *o = (otlp){.loop = l, .to = *to, .status = s, .tap = {.record = on_record, .context = o}};
    list_init(&o->waiting);
    buf_init(&o->batch,
             OTLP_BATCH_BYTES_MAX + OTLP_BATCH_RECORDS_MAX + SERVICES_MAX * 512 + RECORD_BYTES_MAX);
    loop_soon_init(&o->step, on_step, o);
    loop_timer_init(&o->timer, l, on_timer, o);
    loop_timer_init(&o->deadline, l, on_deadline, o);
    status opened = open_client(o, ca_file, e);
    if (opened != STATUS_OK) {
        otlp_free(o);
        return opened;
    }
    log_taps_add(s->taps, &o->tap);
    *ret = o;
    return STATUS_OK;
}

static void on_patience_over(void *arg) { (void)arg; } // it has ended the wait

static void say_last_words(otlp *o) {
    loop_timer patience;
    loop_timer_init(&patience, o->loop, on_patience_over, NULL);
    loop_timer_start_in(&patience, LAST_WORDS_NS);
    loop_timer_stop(&o->timer);
    send_batch(o);
    while (o->call != NULL && loop_timer_is_active(&patience)) {
        loop_turn(o->loop, true);
        if (o->call == NULL && o->failures == 0) {
            send_batch(o);
        }
    }
    loop_timer_stop(&patience);
}

void otlp_free(otlp *o) {
    if (o == NULL) {
        return;
    }
    log_taps_remove(&o->tap);
    if (o->client != NULL) {
        say_last_words(o);
    }
    o->dropped += o->count;
    say_dropped(o);
    http_call_free(o->call);
    loop_soon_cancel(&o->step);
    loop_timer_stop(&o->timer);
    loop_timer_stop(&o->deadline);
    while (o->count > 0) {
        drop_first(o);
    }
    http_client_free(o->client);
    local_connector_free(o->connector);
    trust_roots_free(o->roots);
    buf_done(&o->batch);
    mem_free(o);
}
