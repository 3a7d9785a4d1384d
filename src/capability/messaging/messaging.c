// SPDX-License-Identifier: Apache-2.0
// wasmcloud:messaging/consumer, the component's side: each function is one call through the link. Whatever
// keeps it from being done is the contract's error, in words.
#include "driver/messaging/messaging.h"
#include "base/buf.h"
#include "capability/links.h"
#include "wasmcloud/messaging_consumer.h"

static status exchange(host_call *call, const messaging_call *c, buf *payload, messaging_answer *ret,
                       err *e) {
    const wasi_link *link;
    slice answer;
    TRY(wasi_link_of(call, slice_from_text(MESSAGING_CONSUMER), &link, e));
    TRY(messaging_call_encode(c, payload, e));
    TRY(wasi_link_call(call, link, slice_from_text(messaging_function_name(c->function)), buf_slice(payload),
                       &answer, e));
    return messaging_answer_decode(c->function, answer, ret, e);
}

// STATUS_OK: look at `*ret`. What it refers to lives until the host function returns.
static status do_call(host_call *call, const messaging_call *c, messaging_answer *ret, err *e) {
    auto_buf payload;
    err why;
    buf_init(&payload, MESSAGING_CALL_BYTES_MAX);
    status s = exchange(call, c, &payload, ret, &why);
    if (s == STATUS_CANCELLED) {
        return err_set(e, s, "%s", why.message);
    }
    if (s != STATUS_OK) {
        *ret = (messaging_answer){.is_error = true,
                                  .error = arena_copy(host_call_arena(call), slice_from_text(why.message))};
    }
    return STATUS_OK;
}

status wasmcloud_messaging_consumer_request(host_call *call, slice subject, slice body, uint32_t timeout_ms,
                                            wasmcloud_messaging_consumer_result_broker_message_string *ret,
                                            err *e) {
    const messaging_call c = {.function = MESSAGING_REQUEST,
                              .message = {.subject = subject, .body = body},
                              .timeout_ms = timeout_ms};
    messaging_answer a = {0};
    TRY(do_call(call, &c, &a, e));
    ret->is_err = a.is_error;
    if (a.is_error) {
        ret->err = a.error;
        return STATUS_OK;
    }
    ret->ok.subject = a.message.subject;
    ret->ok.body = a.message.body;
    ret->ok.reply_to = (wasmcloud_messaging_types_option_string){a.message.has_reply_to, a.message.reply_to};
    return STATUS_OK;
}

status wasmcloud_messaging_consumer_publish(host_call *call,
                                            const wasmcloud_messaging_types_broker_message *msg,
                                            wasmcloud_messaging_consumer_result_void_string *ret, err *e) {
    const messaging_call c = {
        .function = MESSAGING_PUBLISH,
        .message = {.subject = msg->subject,
                    .body = msg->body,
                    .has_reply_to = msg->reply_to.some,
                    .reply_to = msg->reply_to.some ? msg->reply_to.value : slice_empty()}};
    messaging_answer a = {0};
    TRY(do_call(call, &c, &a, e));
    ret->is_err = a.is_error;
    ret->err = a.error;
    return STATUS_OK;
}
