// SPDX-License-Identifier: Apache-2.0
#include "bus/jetstream.h"

#include <stdio.h>

#include "bus/nats_parse.h"
#include "codec/base64.h"
#include "codec/date.h"
#include "codec/json.h"
#include "codec/utf.h"

enum { PLACE_TOKENS_MAX = 12, NO_MESSAGE_STATUS = 404 };

// --- answers -----------------------------------------------------------------------------------------------

static void read_fault(const json_value *v, jetstream_fault *ret) {
    const json_value *error = json_get(v, "error");
    int64_t number = 0;
    int64_t code = 0;
    slice text = SLICE_LITERAL("the server gives no reason");
    *ret = (jetstream_fault){0};
    if (!json_is_object(error)) {
        return;
    }
    (void)json_as_integer(json_get(error, "code"), &code);
    (void)json_as_integer(json_get(error, "err_code"), &number);
    (void)json_as_text(json_get(error, "description"), &text);
    number = number > 0 && number <= UINT32_MAX ? number : code;
    ret->number = number > 0 && number <= UINT32_MAX ? (uint32_t)number : 1;
    utf8_shown(text, ret->text, sizeof ret->text);
}

// An object, with or without a fault.
static status read_answer(slice json, jetstream_fault *fault, json_value **ret, err *e) {
    if (json_parse(json, ret, e) != STATUS_OK) {
        return err_wrap(e, "JetStream's answer");
    }
    if (!json_is_object(*ret)) {
        json_free(*ret);
        return err_set(e, STATUS_INVALID, "JetStream's answer is no object");
    }
    read_fault(*ret, fault);
    return STATUS_OK;
}

static bool read_count(const json_value *v, const char *name, uint64_t *ret) {
    int64_t number;
    if (!json_as_integer(json_get(v, name), &number) || number < 0) {
        return false;
    }
    *ret = (uint64_t)number;
    return true;
}

static status incomplete(err *e) {
    return err_set(e, STATUS_INVALID, "JetStream's answer lacks what it is about");
}

status jetstream_read_ack(slice json, jetstream_fault *fault, uint64_t *ret_sequence, err *e) {
    json_value *v = NULL;
    TRY(read_answer(json, fault, &v, e));
    bool ok = fault->number != 0 || read_count(v, "seq", ret_sequence);
    json_free(v);
    return ok ? STATUS_OK : incomplete(e);
}

status jetstream_read_done(slice json, jetstream_fault *fault, err *e) {
    json_value *v = NULL;
    TRY(read_answer(json, fault, &v, e));
    json_free(v);
    return STATUS_OK;
}

// RFC 3339 in UTC; parts of a second are left out.
static uint64_t read_time(const json_value *v, const char *name) {
    char text[DATE_TEXT_BYTES];
    slice given;
    uint64_t time_s = 0;
    if (!json_as_text(json_get(v, name), &given)) {
        return 0;
    }
    int len = snprintf(text, sizeof text, "%.*sZ", SLICE_ARG(slice_sub(given, 0, DATE_TEXT_BYTES - 2)));
    return date_parse(slice_of(text, (size_t)len), &time_s) ? time_s : 0;
}

static bool read_stream(const json_value *v, jetstream_stream *ret) {
    const json_value *config = json_get(v, "config");
    const json_value *state = json_get(v, "state");
    *ret = (jetstream_stream){.history = -1, .created_s = read_time(v, "created")};
    (void)json_as_bool(json_get(config, "allow_direct"), &ret->has_direct);
    (void)json_as_integer(json_get(config, "max_msgs_per_subject"), &ret->history);
    return read_count(config, "num_replicas", &ret->replicas) &&
           read_count(state, "messages", &ret->messages) &&
           read_count(state, "first_seq", &ret->first_sequence) &&
           read_count(state, "last_seq", &ret->last_sequence);
}

status jetstream_read_stream(slice json, jetstream_fault *fault, jetstream_stream *ret, err *e) {
    json_value *v = NULL;
    TRY(read_answer(json, fault, &v, e));
    bool ok = fault->number != 0 || read_stream(v, ret);
    json_free(v);
    return ok ? STATUS_OK : incomplete(e);
}

// Bytes of a member in base64, into the arena; a member that is not there has none.
static bool read_bytes(const json_value *v, const char *name, arena *a, slice *ret) {
    slice text;
    auto_buf bytes = {0};
    *ret = slice_empty();
    if (!json_as_text(json_get(v, name), &text) || text.len == 0) {
        return json_is_absent(json_get(v, name)) || text.len == 0;
    }
    buf_init(&bytes, text.len);
    if (base64_decode(BASE64_STANDARD, text, &bytes) != STATUS_OK) {
        return false;
    }
    *ret = arena_copy(a, buf_slice(&bytes));
    return bytes.len == 0 || ret->data != NULL;
}

static bool read_message(const json_value *v, arena *a, jetstream_message *ret) {
    const json_value *m = json_get(v, "message");
    slice subject;
    *ret = (jetstream_message){.time_s = read_time(m, "time")};
    if (!json_is_object(m) || !read_count(m, "seq", &ret->sequence) ||
        !json_as_text(json_get(m, "subject"), &subject)) {
        return false;
    }
    ret->subject = arena_copy(a, subject);
    return (subject.len == 0 || ret->subject.data != NULL) && read_bytes(m, "hdrs", a, &ret->headers) &&
           read_bytes(m, "data", a, &ret->payload);
}

status jetstream_read_message(slice json, arena *a, jetstream_fault *fault, jetstream_message *ret, err *e) {
    json_value *v = NULL;
    TRY(read_answer(json, fault, &v, e));
    bool ok = fault->number != 0 || read_message(v, a, ret);
    json_free(v);
    return ok ? STATUS_OK : incomplete(e);
}

status jetstream_read_consumer(slice json, jetstream_fault *fault, uint64_t *ret_pending, err *e) {
    json_value *v = NULL;
    TRY(read_answer(json, fault, &v, e));
    bool ok = fault->number != 0 || read_count(v, "num_pending", ret_pending);
    json_free(v);
    return ok ? STATUS_OK : incomplete(e);
}

status jetstream_read_direct(slice headers, uint64_t *ret_sequence, err *e) {
    slice text;
    unsigned code = nats_headers_status(headers, &text);
    if (code == NO_MESSAGE_STATUS) {
        return err_set(e, STATUS_NOT_FOUND, "there is no such message");
    }
    if (code != 0 || !nats_headers_find(headers, "Nats-Sequence", &text) ||
        !slice_to_u64(text, ret_sequence)) {
        return err_set(e, STATUS_INVALID, "JetStream answered with something that is no message");
    }
    return STATUS_OK;
}

// --- places ------------------------------------------------------------------------------------------------

// $JS.ACK.<stream>.<consumer>.<times>.<sequence>.<its own>.<time>.<pending>, and the same with <domain> and
// <account> behind ACK and one more token at the end.
bool jetstream_read_place(slice reply, jetstream_place *ret) {
    slice tokens[PLACE_TOKENS_MAX];
    size_t count = 0;
    if (!slice_starts_with(reply, "$JS.ACK.")) {
        return false;
    }
    for (size_t at = 0; at <= reply.len && count < PLACE_TOKENS_MAX;) {
        size_t dot = slice_find(reply, at, '.');
        size_t end = dot == SIZE_MAX ? reply.len : dot;
        tokens[count++] = slice_sub(reply, at, end);
        at = end + 1;
    }
    size_t first = count == 9 ? 0 : 2;
    return (count == 9 || count >= 11) && slice_to_u64(tokens[first + 5], &ret->sequence) &&
           slice_to_u64(tokens[first + 6], &ret->number) && slice_to_u64(tokens[first + 8], &ret->pending);
}

// --- requests ----------------------------------------------------------------------------------------------

status jetstream_write_bucket(const char *bucket, uint64_t replicas, bool in_memory, buf *ret) {
    return buf_append_format(ret,
                             "{\"name\":\"KV_%s\",\"subjects\":[\"$KV.%s.>\"],\"retention\":\"limits\","
                             "\"max_consumers\":-1,\"max_msgs_per_subject\":1,\"max_msgs\":-1,"
                             "\"max_bytes\":-1,\"max_age\":0,\"max_msg_size\":-1,\"storage\":\"%s\","
                             "\"discard\":\"new\",\"num_replicas\":%llu,\"duplicate_window\":120000000000,"
                             "\"allow_rollup_hdrs\":true,\"deny_delete\":true,\"allow_direct\":true}",
                             bucket, bucket, in_memory ? "memory" : "file", (unsigned long long)replicas);
}
