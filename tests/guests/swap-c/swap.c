// SPDX-License-Identifier: Apache-2.0
//
// One request, one thing to do with the key "n" of the bucket "b"; ../README.md lists the routes.
#include "swap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[4096];
static uint16_t status;
static swap_string_t key = {(uint8_t *)"n", 1};
static keyvalue_borrow_bucket_t bucket;

static void say(const void *bytes, size_t len) {
    size_t at = strlen(text);
    len = len < sizeof text - 1 - at ? len : sizeof text - 1 - at;
    memcpy(text + at, bytes, len);
    text[at + len] = '\0';
}

static void say_error(const keyvalue_error_t *e) {
    status = 502;
    if (e->tag == KEYVALUE_ERROR_OTHER) {
        say(e->val.other.ptr, e->val.other.len);
    } else {
        const char *name = e->tag == KEYVALUE_ERROR_NO_SUCH_STORE ? "no-such-store" : "access-denied";
        say(name, strlen(name));
    }
}

static void set(const char *value) {
    keyvalue_error_t e;
    swap_list_u8_t bytes = {(uint8_t *)value, strlen(value)};
    if (!keyvalue_method_bucket_set(bucket, &key, &bytes, &e)) {
        say_error(&e);
    }
}

static uint64_t number_of(const swap_option_list_u8_t *value) {
    char digits[24] = "0";
    if (value->is_some) {
        snprintf(digits, sizeof digits, "%.*s", (int)value->val.len, (const char *)value->val.ptr);
    }
    return strtoull(digits, NULL, 10);
}

// Adds one, as often as it takes.
static void add(void) {
    atomics_own_cas_t cas;
    atomics_cas_error_t failed;
    keyvalue_error_t e;
    char digits[24];
    unsigned attempts = 0;
    if (!atomics_static_cas_new(bucket, &key, &cas, &e)) {
        say_error(&e);
        return;
    }
    for (;;) {
        swap_option_list_u8_t value;
        if (!atomics_method_cas_current(atomics_borrow_cas(cas), &value, &e)) {
            say_error(&e);
            return;
        }
        int n = snprintf(digits, sizeof digits, "%" PRIu64, number_of(&value) + 1);
        swap_list_u8_t bytes = {(uint8_t *)digits, (size_t)n};
        attempts++;
        if (atomics_swap(cas, &bytes, &failed)) {
            break;
        }
        if (failed.tag == ATOMICS_CAS_ERROR_STORE_ERROR) {
            say_error(&failed.val.store_error);
            return;
        }
        cas = failed.val.cas_failed;
    }
    snprintf(text, sizeof text, "%s after %u", digits, attempts);
}

// Somebody else writes between; the handle that comes back is good for the next attempt.
static void race(void) {
    atomics_own_cas_t cas;
    atomics_cas_error_t failed;
    keyvalue_error_t e;
    swap_list_u8_t mine = {(uint8_t *)"mine", 4};
    set("1");
    if (!atomics_static_cas_new(bucket, &key, &cas, &e)) {
        say_error(&e);
        return;
    }
    set("2");
    if (atomics_swap(cas, &mine, &failed)) {
        say("swapped over another's value", 28);
        return;
    }
    say("failed, ", 8);
    say(atomics_swap(failed.val.cas_failed, &mine, &failed) ? "then swapped" : "failed again", 12);
}

static void increment(const char *delta) {
    int64_t sum;
    keyvalue_error_t e;
    if (atomics_increment(bucket, &key, strtoll(delta, NULL, 10), &sum, &e)) {
        snprintf(text, sizeof text, "%" PRId64, sum);
    } else {
        say_error(&e);
    }
}

static void list(const char *cursor) {
    swap_string_t from = {(uint8_t *)cursor, strlen(cursor)};
    keyvalue_key_response_t page;
    keyvalue_error_t e;
    if (!keyvalue_method_bucket_list_keys(bucket, from.len > 0 ? &from : NULL, &page, &e)) {
        say_error(&e);
        return;
    }
    for (size_t i = 0; i < page.keys.len; i++) {
        say(page.keys.ptr[i].ptr, page.keys.ptr[i].len);
        say("\n", 1);
    }
}

static void get(void) {
    keyvalue_error_t e;
    swap_option_list_u8_t value;
    if (!keyvalue_method_bucket_get(bucket, &key, &value, &e)) {
        say_error(&e);
    } else if (value.is_some) {
        say(value.val.ptr, value.val.len);
    } else {
        status = 404;
    }
}

static void work(const char *path) {
    keyvalue_own_bucket_t opened;
    keyvalue_error_t e;
    swap_string_t name = {(uint8_t *)"b", 1};
    if (!keyvalue_open(&name, &opened, &e)) {
        say_error(&e);
        return;
    }
    bucket = keyvalue_borrow_bucket(opened);
    if (strcmp(path, "/add") == 0) {
        add();
    } else if (strcmp(path, "/race") == 0) {
        race();
    } else if (strncmp(path, "/increment/", 11) == 0) {
        increment(path + 11);
    } else if (strncmp(path, "/set/", 5) == 0) {
        set(path + 5);
    } else if (strncmp(path, "/list/", 6) == 0) {
        list(path + 6);
    } else {
        get();
    }
    keyvalue_bucket_drop_own(opened);
}

static void send(exports_handler_own_response_outparam_t out) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    swap_list_u8_t piece = {(uint8_t *)text, strlen(text)};
    io_stream_error_t failed;
    (void)io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece, &failed);
    io_output_stream_drop_own(stream);
    http_error_code_t e;
    http_static_outgoing_body_finish(body, NULL, &e);
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    static char path[256];
    swap_string_t asked = {0};
    status = 200;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &asked)) {
        size_t n = asked.len < sizeof path - 1 ? asked.len : sizeof path - 1;
        memcpy(path, asked.ptr, n);
    }
    work(path);
    send(out);
    http_incoming_request_drop_own(request);
}
