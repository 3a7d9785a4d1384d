// SPDX-License-Identifier: Apache-2.0
#include "calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// --- what it does for others -------------------------------------------------------------------------------

bool exports_test_calls_work_wait(uint32_t milliseconds, uint32_t *ret, calls_string_t *err) {
    (void)err;
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&time, NULL);
    *ret = milliseconds;
    return true;
}

bool exports_test_calls_work_spin(uint32_t *ret, exports_test_calls_work_failure_t *err) {
    (void)err;
    for (volatile uint32_t n = 0;; n++) {
        *ret = n;
    }
}

bool exports_test_calls_work_fill(uint32_t *ret, exports_test_calls_work_failure_t *err) {
    (void)err;
    for (*ret = 0;; ++*ret) {
        volatile char *block = malloc(1 << 20);
        if (block == NULL) {
            abort();
        }
        block[0] = 1;
    }
}

bool exports_test_calls_work_leave(void) { exit(7); }

bool exports_test_calls_work_deep(uint32_t n, uint32_t *ret, calls_string_t *err) {
    *ret = 0;
    if (n == 0) {
        return true;
    }
    bool good = test_calls_work_deep(n - 1, ret, err);
    ++*ret;
    return good;
}

// --- what it shows -----------------------------------------------------------------------------------------

static char answer[2048];

static void say_text(const char *what, bool good, uint32_t number, const calls_string_t *text) {
    if (good) {
        snprintf(answer, sizeof answer, "%s: %u\n", what, number);
    } else {
        snprintf(answer, sizeof answer, "%s: error %.*s\n", what, (int)text->len, (const char *)text->ptr);
    }
}

static void say_failure(const char *what, bool good, uint32_t number,
                        const test_calls_work_failure_t *failure) {
    static const calls_string_t refused = {(uint8_t *)"refused", 7};
    say_text(what, good, number,
             failure->tag == TEST_CALLS_WORK_FAILURE_OTHER ? &failure->val.other : &refused);
}

static void ask(const char *path) {
    const char *slash = strrchr(path, '/');
    uint32_t argument = slash != NULL ? (uint32_t)atoi(slash + 1) : 0, number = 0;
    calls_string_t text = {0};
    test_calls_work_failure_t failure = {0};
    if (strncmp(path, "/wait", 5) == 0) {
        say_text("wait", test_calls_work_wait(argument, &number, &text), number, &text);
    } else if (strcmp(path, "/spin") == 0) {
        say_failure("spin", test_calls_work_spin(&number, &failure), number, &failure);
    } else if (strcmp(path, "/fill") == 0) {
        say_failure("fill", test_calls_work_fill(&number, &failure), number, &failure);
    } else if (strcmp(path, "/leave") == 0) {
        snprintf(answer, sizeof answer, "leave: %s\n", test_calls_work_leave() ? "stayed" : "error");
    } else {
        say_text("deep", test_calls_work_deep(argument, &number, &text), number, &text);
    }
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
    calls_list_u8_t chunk = {(uint8_t *)answer, strlen(answer)};
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
    calls_string_t given;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &given)) {
        snprintf(path, sizeof path, "%.*s", (int)given.len, (const char *)given.ptr);
        calls_string_free(&given);
    }
    http_incoming_request_drop_own(request);
    ask(path);
    send(out);
}
