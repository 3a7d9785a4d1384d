// SPDX-License-Identifier: Apache-2.0
// A blob store in JetStream, laid out as NATS's own clients have it: nats_meta.h. This file has the link, the
// way of a call through its requests, and the functions about containers.
#include "driver/blobstore/nats_objects.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

enum { JOBS_MAX = 1024, SUBJECT_BYTES = 512 };

// --- ends --------------------------------------------------------------------------------------------------

static void free_job(nats_job *j) {
    driver_link *k = j->link;
    nats_request_cancel(&j->request);
    nats_listing_drop(j);
    if (j->has_draft) {
        nats_chunks_drop(k, j->to.bucket, j->to.meta.nuid);
    }
    nats_cursor_done(&j->cursor);
    buf_done(&j->bytes);
    list_remove(&j->node);
    k->job_count--;
    mem_free(j);
}

// The request is the caller's to answer; what it answers with may be of the job, which is freed behind it.
static blobstore_request *leave(nats_job *j) {
    j->q->data = NULL;
    if (j->upload != NULL) {
        nats_upload_give_up(j);
    }
    return j->q;
}

void nats_job_reply(nats_job *j, const blobstore_answer *a) {
    blobstore_reply(leave(j), a);
    free_job(j);
}

void nats_job_error(nats_job *j, blobstore_error x) {
    blobstore_reply_error(leave(j), x);
    free_job(j);
}

void nats_job_other(nats_job *j, const char *text) {
    blobstore_reply_other(leave(j), "%s", text);
    free_job(j);
}

void nats_job_fail(nats_job *j, status code, const char *text) {
    blobstore_fail(leave(j), code, "%s", text);
    free_job(j);
}

void nats_job_fault(nats_job *j, const jetstream_fault *fault) {
    if (fault->number == JETSTREAM_NO_STREAM) {
        nats_job_error(j, BLOBSTORE_NO_CONTAINER);
    } else if (strstr(fault->text, "maximum") != NULL || strstr(fault->text, "insufficient") != NULL) {
        nats_job_error(j, BLOBSTORE_FULL);
    } else {
        nats_job_other(j, fault->text);
    }
}

// --- requests ----------------------------------------------------------------------------------------------

static void on_ended(void *arg, const nats_result *r) {
    nats_job *j = arg;
    switch (r->code) {
    case STATUS_OK:
        j->next(j, &r->message);
        break;
    case STATUS_NOT_FOUND: // nobody listens
        if (j->is_api) {
            nats_job_fail(j, STATUS_UNSUPPORTED, "the server keeps nothing: its JetStream is off");
        } else {
            nats_job_error(j, BLOBSTORE_NO_CONTAINER);
        }
        break;
    case STATUS_DENIED:
        nats_job_error(j, BLOBSTORE_DENIED);
        break;
    default:
        if (r->code == STATUS_TIMEOUT) { // perhaps of a container that is not what it was
            memset(j->link->containers, 0, sizeof j->link->containers);
        }
        nats_job_fail(j, r->code, r->text);
        break;
    }
}

static void send_it(nats_job *j, const nats_message *m, nats_step next) {
    err e;
    j->next = next;
    status code =
        nats_request_start(j->link->client, &j->request, m,
                           loop_now_ns(j->link->base.l) + j->link->base.time_ns_max, on_ended, j, &e);
    if (code != STATUS_OK) {
        nats_job_fail(j, code, e.message);
    }
}

void nats_job_ask(nats_job *j, const char *verb, const char *bucket, slice payload, nats_step next) {
    char subject[SUBJECT_BYTES];
    int len = snprintf(subject, sizeof subject, "$JS.API.%s.OBJ_%s", verb, bucket);
    j->is_api = true;
    send_it(j, &(nats_message){.subject = slice_of(subject, (size_t)len), .payload = payload}, next);
}

void nats_job_put(nats_job *j, slice subject, slice headers, slice payload, nats_step next) {
    j->is_api = false;
    send_it(j, &(nats_message){.subject = subject, .headers = headers, .payload = payload}, next);
}

bool nats_job_stored(nats_job *j, const nats_message *m, bool *ret_is_late) {
    jetstream_fault fault;
    uint64_t sequence;
    err e;
    if (jetstream_read_ack(m->payload, &fault, &sequence, &e) != STATUS_OK) {
        nats_job_fail(j, STATUS_IO, e.message);
        return false;
    }
    bool is_late = fault.number == JETSTREAM_WRONG_SEQUENCE;
    if (fault.number != 0 && (ret_is_late == NULL || !is_late)) {
        nats_job_fault(j, &fault);
        return false;
    }
    if (ret_is_late != NULL) {
        *ret_is_late = is_late;
    }
    return true;
}

void nats_chunks_drop(driver_link *k, const char *bucket, const char *nuid) {
    char subject[SUBJECT_BYTES];
    char text[SUBJECT_BYTES];
    int subject_len = snprintf(subject, sizeof subject, "$JS.API.STREAM.PURGE.OBJ_%s", bucket);
    int len = snprintf(text, sizeof text, "{\"filter\":\"$O.%s.C.%s\"}", bucket, nuid);
    const nats_message m = {.subject = slice_of(subject, (size_t)subject_len),
                            .payload = slice_of(text, (size_t)len)};
    (void)!nats_publish(k->client, &m, NULL); // what is left is of no use, and in nobody's way
}

// --- containers --------------------------------------------------------------------------------------------

// An answer that only says whether it went well.
static void on_done(nats_job *j, const nats_message *m) {
    jetstream_fault fault;
    err e;
    bool is_create = nats_job_call(j)->function == BLOBSTORE_CREATE_CONTAINER;
    if (jetstream_read_done(m->payload, &fault, &e) != STATUS_OK) {
        nats_job_fail(j, STATUS_IO, e.message);
    } else if (fault.number == 0 || (is_create && fault.number == JETSTREAM_NAME_IN_USE)) {
        nats_job_reply(j, &(blobstore_answer){0});
    } else {
        nats_job_fault(j, &fault);
    }
}

static void on_info(nats_job *j, const nats_message *m) {
    jetstream_fault fault;
    jetstream_stream s = {0};
    err e;
    bool is_question = nats_job_call(j)->function == BLOBSTORE_CONTAINER_EXISTS;
    if (jetstream_read_stream(m->payload, &fault, &s, &e) != STATUS_OK) {
        nats_job_fail(j, STATUS_IO, e.message);
    } else if (fault.number == 0 || (is_question && fault.number == JETSTREAM_NO_STREAM)) {
        nats_job_reply(j, &(blobstore_answer){.is_there = fault.number == 0, .created_at = s.created_s});
    } else {
        nats_job_fault(j, &fault);
    }
}

static void create(nats_job *j) {
    char config[3 * NATS_BUCKET_BYTES_MAX + 512];
    const char *bucket = j->from.bucket;
    int len =
        snprintf(config, sizeof config,
                 "{\"name\":\"OBJ_%s\",\"subjects\":[\"$O.%s.C.>\",\"$O.%s.M.>\"],\"retention\":\"limits\","
                 "\"max_consumers\":-1,\"max_msgs_per_subject\":-1,\"max_msgs\":-1,\"max_bytes\":-1,"
                 "\"max_age\":0,\"max_msg_size\":-1,\"storage\":\"%s\",\"discard\":\"new\","
                 "\"num_replicas\":%u,\"duplicate_window\":120000000000,\"allow_rollup_hdrs\":true,"
                 "\"allow_direct\":true}",
                 bucket, bucket, bucket, j->link->in_memory ? "memory" : "file", (unsigned)j->link->replicas);
    nats_job_ask(j, "STREAM.CREATE", bucket, slice_of(config, (size_t)len), on_done);
}

static void run(nats_job *j) {
    switch (nats_job_call(j)->function) {
    case BLOBSTORE_CREATE_CONTAINER:
        create(j);
        break;
    case BLOBSTORE_CONTAINER_EXISTS:
    case BLOBSTORE_CONTAINER_INFO:
        nats_job_ask(j, "STREAM.INFO", j->from.bucket, slice_empty(), on_info);
        break;
    case BLOBSTORE_DELETE_CONTAINER:
        nats_job_ask(j, "STREAM.DELETE", j->from.bucket, slice_empty(), on_done);
        break;
    case BLOBSTORE_CLEAR_CONTAINER:
        nats_job_ask(j, "STREAM.PURGE", j->from.bucket, slice_empty(), on_done);
        break;
    case BLOBSTORE_LIST:
        nats_job_list(j);
        break;
    case BLOBSTORE_COPY:
    case BLOBSTORE_MOVE:
        nats_job_copy(j);
        break;
    case BLOBSTORE_HAS_OBJECT:
    case BLOBSTORE_OBJECT_INFO:
        nats_job_info(j);
        break;
    case BLOBSTORE_DELETE_OBJECT:
    case BLOBSTORE_DELETE_OBJECTS:
        nats_job_delete(j);
        break;
    case BLOBSTORE_READ:
        nats_job_read(j);
        break;
    default:
        nats_job_write(j);
        break;
    }
}

// --- calls -------------------------------------------------------------------------------------------------

static bool set_object(nats_object *o, slice container, slice name) {
    auto_buf bucket = {0};
    buf_init(&bucket, 4 * NATS_BUCKET_BYTES_MAX);
    if (nats_bucket_write(container, &bucket) != STATUS_OK) {
        return false;
    }
    *o = (nats_object){.name = name};
    memcpy(o->bucket, bucket.data, bucket.len);
    return true;
}

static void on_deadline(void *arg) {
    nats_job_fail(((blobstore_request *)arg)->data, STATUS_TIMEOUT, "no answer from the server in time");
}

static void begin(driver_link *k, blobstore_request *q, nats_upload *u) {
    const blobstore_call *c = &q->call;
    nats_job *j = MEM_NEW(nats_job);
    *j = (nats_job){.link = k, .q = q, .upload = u};
    list_push_back(&k->jobs, &j->node);
    k->job_count++;
    q->data = j;
    buf_init(&j->bytes, BLOBSTORE_PART_BYTES_MAX);
    if (q->origin->deadline_ns != UINT64_MAX) {
        loop_timer_init(&q->timer, k->base.l, on_deadline, q);
        loop_timer_start_at(&q->timer, q->origin->deadline_ns);
    }
    bool has_target = c->function == BLOBSTORE_COPY || c->function == BLOBSTORE_MOVE;
    bool fits = u != NULL || (set_object(&j->from, c->container, c->object) &&
                              (!has_target || set_object(&j->to, c->to_container, c->to_object)));
    if (!fits) {
        nats_job_error(j, BLOBSTORE_BAD_NAME);
    } else if (nats_state_of(k->client) != NATS_CONNECTING) {
        run(j);
    }
}

static void call(driver_link *k, driver_call *c) {
    if (nats_state_of(k->client) == NATS_DOWN) {
        driver_fail(c, STATUS_CLOSED, "%s", k->base.health.now.reason);
        return;
    }
    if (k->job_count >= JOBS_MAX) {
        driver_fail(c, STATUS_LIMIT, "too many calls wait for the server");
        return;
    }
    blobstore_request *q = blobstore_receive(c, &k->limits);
    if (q == NULL) {
        return;
    }
    nats_upload *u = NULL;
    if (q->call.function == BLOBSTORE_WRITE && q->call.step != BLOBSTORE_BEGIN) {
        u = (nats_upload *)blobstore_uploads_begin_step(&k->uploads, q);
        if (u == NULL) {
            return;
        }
    }
    begin(k, q, u);
}

static void cancel(driver_link *k, driver_call *c) {
    (void)k;
    nats_job_fail(((blobstore_request *)c->data)->data, STATUS_CANCELLED, "cancelled");
}

// --- the link ----------------------------------------------------------------------------------------------

// Calls that came before the first connection wait for it; others have lost what they asked, or a consumer.
static void on_state(void *arg, nats_state state, status why, const char *reason) {
    driver_link *k = arg;
    list_node all;
    (void)why;
    memset(k->containers, 0, sizeof k->containers);
    nats_link_set_health(&k->base, state == NATS_UP ? DRIVER_UP : DRIVER_DOWN, reason,
                         nats_next_try_ns(k->client));
    list_init(&all);
    for (list_node *n; (n = list_pop_front(&k->jobs)) != NULL;) {
        list_push_back(&all, n);
    }
    for (list_node *n; (n = list_pop_front(&all)) != NULL;) {
        nats_job *j = LIST_ENTRY(n, nats_job, node);
        list_push_back(&k->jobs, n);
        if (state == NATS_UP) {
            run(j);
        } else {
            nats_job_fail(j, STATUS_CLOSED, reason);
        }
    }
}

static void free_link(driver_link *k) {
    for (size_t i = 0; i < NATS_CURSORS_MAX; i++) {
        nats_cursor_done(&k->cursors[i]);
    }
    nats_free(k->client);
    nats_link_done(&k->base);
    blobstore_limits_done(&k->limits);
    mem_free(k);
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    driver_link_options options = k->base.options;
    free_link(k);
    options.on_closed(options.arg);
}

static status open_it(driver_link *k, const driver_environment *env, const driver_link_options *options,
                      err *e) {
    nats_options o = {.on_state = on_state, .arg = k};
    TRY(nats_link_init(&k->base, env, options, e));
    TRY(blobstore_limits_read(&options->settings, &k->limits, e));
    TRY(nats_link_storage(&options->settings, &k->replicas, &k->in_memory, e));
    return nats_link_connect(&k->base, &o, &k->client, e);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    driver_link *k = MEM_NEW(driver_link);
    list_init(&k->jobs);
    loop_soon_init(&k->closed, on_closed_soon, k);
    blobstore_uploads_init(&k->uploads, env->l, &k->limits, nats_upload_expired, k);
    status code = open_it(k, env, options, e);
    if (code != STATUS_OK) {
        free_link(k);
        return code;
    }
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    CHECK(k->job_count == 0);
    for (blobstore_upload *u; (u = blobstore_uploads_take(&k->uploads)) != NULL;) {
        nats_upload_expired(k, u);
    }
    loop_soon_add(k->base.l, &k->closed);
}

static void health(const driver_link *k, driver_health *ret) { *ret = k->base.health.now; }

static status credentials(driver_link *k, const driver_values *given, err *e) {
    (void)e;
    nats_link_set_credentials(&k->base, k->client, given);
    return STATUS_OK;
}

static const driver_setting settings[] = {
    BLOBSTORE_SETTINGS,
    NATS_LINK_SETTINGS,
    NATS_STORAGE_SETTINGS,
    {NULL, NULL, false, false},
};

const driver blobstore_nats = {
    .version = DRIVER_VERSION,
    .name = "nats",
    .interfaces = blobstore_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
    .credentials = credentials,
    .peers = nats_link_peers,
};
