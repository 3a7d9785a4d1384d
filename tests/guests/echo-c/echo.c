// SPDX-License-Identifier: Apache-2.0
// /once/BYTES      one call: how many bytes came back
// /time/COUNT/BYTES  so many calls, one after the other: how long they took, as JSON, in nanoseconds
#include "echoes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALLS_MAX = 100000, BYTES_MAX = 1 << 20 };

void exports_test_echo_echo_echo(echoes_list_u8_t *data, echoes_list_u8_t *ret) { *ret = *data; }

static char answer[512];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t call(uint8_t *bytes, size_t len) {
    echoes_list_u8_t data = {bytes, len}, back;
    test_echo_echo_echo(&data, &back);
    size_t came = back.len == len && (len == 0 || memcmp(back.ptr, bytes, len) == 0) ? back.len : 0;
    echoes_list_u8_free(&back);
    return came;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void measure(uint8_t *bytes, size_t len, size_t count) {
    uint64_t *times = malloc(count * sizeof *times), sum = 0;
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t begin = now_ns();
        wrong += call(bytes, len) != len;
        times[i] = now_ns() - begin;
        sum += times[i];
    }
    qsort(times, count, sizeof *times, by_size);
    snprintf(
        answer, sizeof answer,
        "{\"calls\": %zu, \"bytes\": %zu, \"wrong\": %zu, \"mean\": %llu, \"p50\": %llu, \"p99\": %llu}\n",
        count, len, wrong, (unsigned long long)(sum / count), (unsigned long long)times[count / 2],
        (unsigned long long)times[count - 1 - count / 100]);
    free(times);
}

static void ask(const char *path) {
    unsigned long count = 0, len = 0;
    bool is_timed = sscanf(path, "/time/%lu/%lu", &count, &len) == 2;
    if (!is_timed && sscanf(path, "/once/%lu", &len) != 1) {
        snprintf(answer, sizeof answer, "/once/BYTES or /time/COUNT/BYTES\n");
        return;
    }
    len = len < BYTES_MAX ? len : BYTES_MAX;
    count = count < 1 ? 1 : count < CALLS_MAX ? count : CALLS_MAX;
    uint8_t *bytes = malloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(i * 31);
    }
    if (is_timed) {
        measure(bytes, len, count);
    } else {
        snprintf(answer, sizeof answer, "%zu\n", call(bytes, len));
    }
    free(bytes);
}

static void send(exports_handler_own_response_outparam_t out) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    if (!http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body) ||
        !http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream)) {
        abort();
    }
    http_result_own_outgoing_response_error_code_t result = {.is_err = false};
    result.val.ok = response;
    http_static_response_outparam_set(out, &result);
    echoes_list_u8_t chunk = {(uint8_t *)answer, strlen(answer)};
    io_stream_error_t stream_error;
    if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &chunk,
                                                          &stream_error)) {
        io_stream_error_free(&stream_error);
    }
    io_output_stream_drop_own(stream);
    http_error_code_t error;
    if (!http_static_outgoing_body_finish(body, NULL, &error)) {
        http_error_code_free(&error);
    }
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    char path[64] = "";
    echoes_string_t given;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &given)) {
        snprintf(path, sizeof path, "%.*s", (int)given.len, (const char *)given.ptr);
        echoes_string_free(&given);
    }
    http_incoming_request_drop_own(request);
    ask(path);
    send(out);
}
