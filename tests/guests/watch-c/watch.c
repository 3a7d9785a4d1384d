// SPDX-License-Identifier: Apache-2.0
//
// GET /set/KEY/VALUE, /delete/KEY, /add/KEY and /many write to the bucket "watched"; /log has what the
// watcher was told, in its order.
#include "watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[65536];
static uint16_t status;

static watch_string_t text_of(const char *s) { return (watch_string_t){(uint8_t *)s, strlen(s)}; }

static bool open(const char *name, keyvalue_own_bucket_t *ret) {
    watch_string_t id = text_of(name);
    keyvalue_error_t e;
    if (keyvalue_open(&id, ret, &e)) {
        return true;
    }
    status = 502;
    return false;
}

// --- what it is told ---------------------------------------------------------------------------------------

// Numbered, so that the order shows; the values are small.
static void record(const char *what, keyvalue_own_bucket_t in, watch_string_t *key,
                   const watch_list_u8_t *value) {
    keyvalue_own_bucket_t log;
    keyvalue_error_t e;
    watch_string_t counter = text_of("count");
    watch_option_list_u8_t now = {0};
    char line[512], name[32];
    int64_t n;
    if (!open("log", &log)) {
        __builtin_trap();
    }
    if (key->len == 4 && memcmp(key->ptr, "trap", 4) == 0) {
        __builtin_trap();
    }
    (void)keyvalue_method_bucket_get(keyvalue_borrow_bucket(in), key, &now, &e); // the bucket is a bucket
    atomics_increment(keyvalue_borrow_bucket(log), &counter, 1, &n, &e);
    snprintf(name, sizeof name, "%06" PRId64, n);
    int len = snprintf(line, sizeof line, "%s %.*s %.*s%s", what, (int)key->len, (const char *)key->ptr,
                       value != NULL ? (int)value->len : 0, value != NULL ? (const char *)value->ptr : "",
                       now.is_some ? "" : " gone");
    watch_string_t entry = text_of(name);
    watch_list_u8_t bytes = {(uint8_t *)line, (size_t)len};
    keyvalue_method_bucket_set(keyvalue_borrow_bucket(log), &entry, &bytes, &e);
    keyvalue_bucket_drop_own(log);
    keyvalue_bucket_drop_own(in);
}

void exports_watcher_on_set(exports_watcher_own_bucket_t bucket, watch_string_t *key,
                            watch_list_u8_t *value) {
    record("set", bucket, key, value);
}

void exports_watcher_on_delete(exports_watcher_own_bucket_t bucket, watch_string_t *key) {
    record("delete", bucket, key, NULL);
}

// --- requests ----------------------------------------------------------------------------------------------

static void show_log(void) {
    keyvalue_own_bucket_t log;
    keyvalue_error_t e;
    watch_option_list_u8_t value = {0};
    char name[32];
    if (!open("log", &log)) {
        return;
    }
    for (int n = 1;; n++) {
        snprintf(name, sizeof name, "%06d", n);
        watch_string_t entry = text_of(name);
        if (!keyvalue_method_bucket_get(keyvalue_borrow_bucket(log), &entry, &value, &e) || !value.is_some) {
            break;
        }
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s\n", (int)value.val.len,
                 (const char *)value.val.ptr);
    }
    keyvalue_bucket_drop_own(log);
}

static void write_many(keyvalue_borrow_bucket_t bucket) {
    keyvalue_error_t e;
    watch_string_t keys[] = {text_of("m1"), text_of("m2")};
    watch_tuple2_string_list_u8_t pairs[] = {{keys[0], {keys[0].ptr, 2}}, {keys[1], {keys[1].ptr, 2}}};
    watch_list_tuple2_string_list_u8_t all = {pairs, 2};
    watch_list_string_t names = {keys, 2};
    if (!batch_set_many(bucket, &all, &e) || !batch_delete_many(bucket, &names, &e)) {
        status = 502;
    }
}

static void work(char *path) {
    keyvalue_own_bucket_t bucket;
    keyvalue_error_t e;
    int64_t sum;
    if (strcmp(path, "/log") == 0) {
        show_log();
        return;
    }
    if (!open("watched", &bucket)) {
        return;
    }
    keyvalue_borrow_bucket_t b = keyvalue_borrow_bucket(bucket);
    char *first = strchr(path + 1, '/'), *second = first != NULL ? strchr(first + 1, '/') : NULL;
    if (second != NULL) {
        *second = '\0';
    }
    watch_string_t key = text_of(first != NULL ? first + 1 : ""),
                   value = text_of(second != NULL ? second + 1 : "");
    watch_list_u8_t bytes = {value.ptr, value.len};
    bool is_good = true;
    if (strncmp(path, "/set/", 5) == 0) {
        is_good = keyvalue_method_bucket_set(b, &key, &bytes, &e);
    } else if (strncmp(path, "/delete/", 8) == 0) {
        is_good = keyvalue_method_bucket_delete(b, &key, &e);
    } else if (strncmp(path, "/add/", 5) == 0) {
        is_good = atomics_increment(b, &key, 5, &sum, &e);
    } else {
        write_many(b);
    }
    status = is_good ? status : 502;
    keyvalue_bucket_drop_own(bucket);
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
    for (size_t at = 0; at < strlen(text); at += 4096) {
        size_t left = strlen(text) - at;
        watch_list_u8_t piece = {(uint8_t *)text + at, left < 4096 ? left : 4096};
        io_stream_error_t failed;
        (void)io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece,
                                                               &failed);
    }
    io_output_stream_drop_own(stream);
    http_error_code_t e;
    http_static_outgoing_body_finish(body, NULL, &e);
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    static char path[256];
    watch_string_t asked = {0};
    status = 200;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &asked)) {
        size_t n = asked.len < sizeof path - 1 ? asked.len : sizeof path - 1;
        memcpy(path, asked.ptr, n);
    }
    work(path);
    send(out);
    http_incoming_request_drop_own(request);
}
