// SPDX-License-Identifier: Apache-2.0
//
// Publishes and requests what is asked over HTTP. Its handler does what the body of a message says, and keeps
// what it got in key-value; ../README.md has the list.
#include "messages.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 16384, NAME_BYTES_MAX = 1024 };

typedef wasmcloud_messaging_types_broker_message_t message;

typedef struct answer {
    uint16_t status;
    size_t length;
    char text[TEXT_BYTES_MAX];
} answer;

static void add(answer *a, const void *bytes, size_t length) {
    size_t room = TEXT_BYTES_MAX - a->length;
    length = length < room ? length : room;
    memcpy(a->text + a->length, bytes, length);
    a->length += length;
}

static void say(answer *a, const char *text) { add(a, text, strlen(text)); }

static messages_string_t text_of(const char *s) { return (messages_string_t){(uint8_t *)s, strlen(s)}; }
static messages_list_u8_t bytes_of(const char *s) { return (messages_list_u8_t){(uint8_t *)s, strlen(s)}; }

// --- what is asked -----------------------------------------------------------------------------------------

static char path[4096];

// The value of NAME in the query, as it stands; "" without it.
static const char *asked(const char *name, char *value) {
    size_t len = strlen(name);
    value[0] = '\0';
    for (const char *at = strchr(path, '?'); at != NULL; at = strchr(at, '&')) {
        at++;
        if (strncmp(at, name, len) == 0 && at[len] == '=') {
            size_t n = strcspn(at + len + 1, "&");
            n = n < NAME_BYTES_MAX - 1 ? n : NAME_BYTES_MAX - 1;
            memcpy(value, at + len + 1, n);
            value[n] = '\0';
            break;
        }
    }
    return value;
}

static uint64_t asked_number(const char *name, uint64_t otherwise) {
    char value[NAME_BYTES_MAX];
    return asked(name, value)[0] == '\0' ? otherwise : strtoull(value, NULL, 10);
}

// --- messages out ------------------------------------------------------------------------------------------

static void say_error(answer *a, const messages_string_t *e) {
    a->status = 502;
    say(a, "error: ");
    add(a, e->ptr, e->len);
    say(a, "\n");
}

// "N" in the body becomes the number of the message when there are several.
static void publish(answer *a) {
    char subject[NAME_BYTES_MAX], body[NAME_BYTES_MAX], reply[NAME_BYTES_MAX], text[NAME_BYTES_MAX + 32];
    uint64_t times = asked_number("times", 1);
    asked("subject", subject);
    asked("body", body);
    asked("reply", reply);
    for (uint64_t i = 0; i < times && a->status == 200; i++) {
        messages_string_t e;
        if (times > 1) {
            snprintf(text, sizeof text, "%s%" PRIu64, body, i);
        } else {
            snprintf(text, sizeof text, "%s", body);
        }
        message m = {
            .subject = text_of(subject),
            .body = bytes_of(text),
            .reply_to = {.is_some = reply[0] != '\0', .val = text_of(reply)},
        };
        if (!wasmcloud_messaging_consumer_publish(&m, &e)) {
            say_error(a, &e);
        }
    }
}

static void request(answer *a) {
    char subject[NAME_BYTES_MAX], body[NAME_BYTES_MAX];
    messages_string_t to = text_of(asked("subject", subject)), e;
    messages_list_u8_t bytes = bytes_of(asked("body", body));
    message m;
    if (wasmcloud_messaging_consumer_request(&to, &bytes, (uint32_t)asked_number("timeout", 5000), &m, &e)) {
        add(a, m.body.ptr, m.body.len);
    } else {
        say_error(a, &e);
    }
}

// --- what was got ------------------------------------------------------------------------------------------

static keyvalue_own_bucket_t bucket(void) {
    messages_string_t name = text_of("got");
    keyvalue_own_bucket_t b;
    keyvalue_error_t e;
    if (!keyvalue_open(&name, &b, &e)) {
        abort();
    }
    return b;
}

static void keep(const message *m) {
    keyvalue_own_bucket_t b = bucket();
    messages_string_t key = {m->body.ptr, m->body.len}, count = text_of("count");
    messages_list_u8_t subject = {m->subject.ptr, m->subject.len};
    uint64_t sum;
    keyvalue_error_t e;
    if (!keyvalue_method_bucket_set(keyvalue_borrow_bucket(b), &key, &subject, &e) ||
        !atomics_increment(keyvalue_borrow_bucket(b), &count, 1, &sum, &e)) {
        abort();
    }
}

static void got(answer *a) {
    char name[NAME_BYTES_MAX];
    messages_string_t key = text_of(asked("key", name));
    messages_option_list_u8_t value;
    keyvalue_error_t e;
    if (!keyvalue_method_bucket_get(keyvalue_borrow_bucket(bucket()), &key, &value, &e) || !value.is_some) {
        a->status = 404;
    } else {
        add(a, value.val.ptr, value.val.len);
    }
}

static void got_all(answer *a) {
    keyvalue_own_bucket_t b = bucket();
    messages_option_u64_t cursor = {0};
    do {
        keyvalue_key_response_t page;
        keyvalue_error_t e;
        if (!keyvalue_method_bucket_list_keys(keyvalue_borrow_bucket(b), cursor.is_some ? &cursor.val : NULL,
                                              &page, &e)) {
            a->status = 502;
            return;
        }
        for (size_t i = 0; i < page.keys.len; i++) {
            add(a, page.keys.ptr[i].ptr, page.keys.ptr[i].len);
            say(a, "\n");
        }
        cursor.is_some = page.cursor.is_some;
        cursor.val = page.cursor.val;
    } while (cursor.is_some);
}

// --- messages in -------------------------------------------------------------------------------------------

static bool answers(const message *m, const char *body, messages_string_t *err) {
    message reply = {.subject = m->reply_to.val, .body = bytes_of(body)};
    return !m->reply_to.is_some || wasmcloud_messaging_consumer_publish(&reply, err);
}

static void wait_ms(uint64_t ms) {
    clock_own_pollable_t p = clock_subscribe_duration(ms * 1000000);
    poll_method_pollable_block(poll_borrow_pollable(p));
    poll_pollable_drop_own(p);
}

bool exports_wasmcloud_messaging_handler_handle_message(message *m, messages_string_t *err) {
    char body[NAME_BYTES_MAX] = "";
    static volatile uint32_t turns;
    memcpy(body, m->body.ptr, m->body.len < sizeof body - 1 ? m->body.len : sizeof body - 1);
    if (strncmp(body, "trap", 4) == 0) {
        __builtin_trap();
    } else if (strncmp(body, "spin", 4) == 0) {
        for (;;) {
            turns++;
        }
    } else if (strncmp(body, "fail", 4) == 0) {
        messages_string_dup(err, "asked to fail"); // freed after the return
        return false;
    } else if (strncmp(body, "echo:", 5) == 0) {
        return answers(m, body + 5, err);
    } else if (strncmp(body, "steal:", 6) == 0) { // publish to where the link may not
        message stolen = {.subject = text_of(body + 6), .body = bytes_of("stolen")};
        return wasmcloud_messaging_consumer_publish(&stolen, err);
    } else if (strncmp(body, "slow", 4) == 0) {
        wait_ms(300);
    }
    keep(m);
    return true;
}

// --- schedules ---------------------------------------------------------------------------------------------

bool exports_wasmcloud_cron_scheduler_invoke(messages_list_u8_t *payload, messages_string_t *err) {
    char subject[] = "schedule";
    const message m = {.subject = text_of(subject), .body = *payload};
    if (payload->len == 4 && memcmp(payload->ptr, "fail", 4) == 0) {
        messages_string_dup(err, "asked to fail");
        return false;
    }
    keep(&m);
    return true;
}

// --- HTTP --------------------------------------------------------------------------------------------------

static void send(exports_handler_own_response_outparam_t out, const answer *a) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), a->status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    for (size_t at = 0; at < a->length; at += 4096) {
        messages_list_u8_t piece = {(uint8_t *)a->text + at, a->length - at < 4096 ? a->length - at : 4096};
        io_stream_error_t e;
        if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece, &e)) {
            break;
        }
    }
    io_output_stream_drop_own(stream);
    http_error_code_t e;
    http_static_outgoing_body_finish(body, NULL, &e);
}

void exports_handler_handle(exports_handler_own_incoming_request_t r,
                            exports_handler_own_response_outparam_t out) {
    static answer a;
    messages_string_t asked_path = {0};
    a.status = 200;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(r), &asked_path)) {
        size_t n = asked_path.len < sizeof path - 1 ? asked_path.len : sizeof path - 1;
        memcpy(path, asked_path.ptr, n);
    }
    if (strncmp(path, "/publish", 8) == 0) {
        publish(&a);
    } else if (strncmp(path, "/request", 8) == 0) {
        request(&a);
    } else if (strncmp(path, "/got?", 5) == 0) {
        got(&a);
    } else if (strncmp(path, "/got", 4) == 0) {
        got_all(&a);
    } else {
        a.status = 404;
    }
    send(out, &a);
    http_incoming_request_drop_own(r);
}
