// SPDX-License-Identifier: Apache-2.0
//
// Answers with lines: the wall clock, what passed on the monotonic clock while it waited for an hour and for
// a day at a time (the hour is over first), the wall clock again, and random numbers.
#include "moments.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HOUR_NS 3600000000000ull

static void say_time(char *text, size_t size) {
    wasi_clocks_wall_clock_datetime_t now;
    wasi_clocks_wall_clock_now(&now);
    snprintf(text + strlen(text), size - strlen(text), "wall %" PRIu64 "\n", now.seconds);
}

static void wait_for_an_hour(char *text, size_t size) {
    uint64_t before = clock_now();
    poll_own_pollable_t day = clock_subscribe_duration(24 * HOUR_NS),
                        hour = clock_subscribe_duration(HOUR_NS);
    poll_borrow_pollable_t both[] = {poll_borrow_pollable(day), poll_borrow_pollable(hour)};
    poll_list_borrow_pollable_t list = {both, 2};
    moments_list_u32_t ready;
    poll_poll(&list, &ready);
    uint64_t passed = clock_now() - before;
    snprintf(text + strlen(text), size - strlen(text), "ready %u of %zu, hours %" PRIu64 "\n",
             ready.len > 0 ? ready.ptr[0] : 9, ready.len, passed / HOUR_NS);
    poll_pollable_drop_own(day);
    poll_pollable_drop_own(hour);
}

// Ends only when time passes.
static void spin(void) {
    uint64_t end = clock_now() + 50000;
    while (clock_now() < end) {
    }
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    static char text[1024];
    moments_tuple2_u64_u64_t seed;
    moments_list_u8_t bytes;
    say_time(text, sizeof text);
    wait_for_an_hour(text, sizeof text);
    spin();
    say_time(text, sizeof text);
    wasi_random_random_get_random_bytes(40, &bytes);
    wasi_random_insecure_seed_insecure_seed(&seed);
    snprintf(text + strlen(text), sizeof text - strlen(text), "random %" PRIx64 " %02x%02x %" PRIx64 "\n",
             wasi_random_random_get_random_u64(), bytes.ptr[0], bytes.ptr[39], seed.f0);
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    moments_list_u8_t piece = {(uint8_t *)text, strlen(text)};
    io_stream_error_t failed;
    (void)io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece, &failed);
    io_output_stream_drop_own(stream);
    http_error_code_t e;
    http_static_outgoing_body_finish(body, NULL, &e);
    http_incoming_request_drop_own(request);
}
