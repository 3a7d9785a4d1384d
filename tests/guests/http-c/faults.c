// SPDX-License-Identifier: Apache-2.0
//
// Routes that misbehave on purpose, each in one way that the host has to contain.
#include "guest.h"

#include <stdlib.h>
#include <string.h>

#define MIB (1024u * 1024u)

// The names of these two functions are looked for in the host's log.
__attribute__((noinline)) static void trap_inner(uint64_t divisor) {
    volatile uint64_t one = 1;
    one = one / divisor;
}

__attribute__((noinline)) void trap_on_purpose(uint64_t divisor) {
    trap_inner(divisor);
    __asm__ volatile(""); // keeps this frame: no tail call
}

static void fault_spin(void) {
    for (volatile uint64_t turns = 0;; turns++) {
    }
}

// Takes memory until there is no more, touching each page, then says how far it came.
static void fault_alloc(struct exchange *exchange) {
    unsigned taken = 0;
    for (;;) {
        volatile char *block = malloc(MIB); // volatile: or the compiler sees that nobody reads it
        if (block == NULL) {
            break;
        }
        for (size_t at = 0; at < MIB; at += 4096) {
            block[at] = 1;
        }
        taken++;
    }
    answer_words(exchange, 507, "memory ended after %u MiB\n", taken);
}

// Makes resources and never drops them.
static void fault_resources(struct exchange *exchange) {
    uint64_t count = query_number(exchange->query, "n", UINT64_MAX);
    for (uint64_t i = 0; i < count; i++) {
        (void)http_constructor_fields();
    }
    answer_words(exchange, 200, "made %llu\n", (unsigned long long)count);
}

// ?n= headers of ?size= bytes each, for the response.
static void fault_many_headers(struct exchange *exchange) {
    uint64_t count = query_number(exchange->query, "n", 10);
    size_t size = (size_t)query_number(exchange->query, "size", 10);
    char *value = malloc(size + 1);
    memset(value, 'v', size);
    value[size] = '\0';
    http_own_fields_t headers = http_constructor_fields();
    http_field_name_t name = {(uint8_t *)"x-many", strlen("x-many")};
    http_field_value_t field = {(uint8_t *)value, size};
    for (uint64_t i = 0; i < count; i++) {
        http_header_error_t error;
        if (!http_method_fields_append(http_borrow_fields(headers), &name, &field, &error)) {
            http_fields_drop_own(headers);
            answer_words(exchange, 507, "headers ended after %llu\n", (unsigned long long)i);
            return;
        }
    }
    body_finish(answer_start(exchange, 200, headers), NULL);
}

// Sends a part of the body, then traps: the client must be able to tell that the answer is not whole.
static void fault_late_trap(struct exchange *exchange) {
    http_own_outgoing_body_t body = answer_start(exchange, 200, headers_of_type("text/plain"));
    io_own_output_stream_t stream;
    if (!http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream)) {
        abort();
    }
    stream_write(stream, "the first half, ", 16);
    io_stream_error_t error;
    if (!io_method_output_stream_blocking_flush(io_borrow_output_stream(stream), &error)) {
        io_stream_error_free(&error);
    }
    __builtin_trap();
}

// Prints ?bytes= to stdout in lines of 80 bytes.
static void fault_chatter(struct exchange *exchange) {
    uint64_t left = query_number(exchange->query, "bytes", MIB);
    char line[80];
    memset(line, '.', sizeof line);
    line[sizeof line - 1] = '\n';
    io_own_output_stream_t stream = wasi_cli_stdout_get_stdout();
    while (left > 0) {
        size_t piece = left < sizeof line ? (size_t)left : sizeof line;
        if (!stream_write(stream, line, piece)) {
            break;
        }
        left -= piece;
    }
    io_output_stream_drop_own(stream);
    answer_words(exchange, 200, "%llu bytes left\n", (unsigned long long)left);
}

// Uses up the stack, a kilobyte at a time.
static unsigned fault_recurse(uint64_t left) {
    volatile char frame[1024];
    frame[left % sizeof frame] = 1;
    return left == 0 ? 0 : fault_recurse(left - 1) + (unsigned)frame[left % sizeof frame];
}

void route_fault(struct exchange *exchange, const char *path) {
    if (strcmp(path, "/trap") == 0) {
        trap_on_purpose(0);
    } else if (strcmp(path, "/late-trap") == 0) {
        fault_late_trap(exchange);
    } else if (strcmp(path, "/spin") == 0) {
        fault_spin();
    } else if (strcmp(path, "/recurse") == 0) {
        answer_words(exchange, 200, "%u deep\n",
                     fault_recurse(query_number(exchange->query, "n", UINT64_MAX)));
    } else if (strcmp(path, "/alloc") == 0) {
        fault_alloc(exchange);
    } else if (strcmp(path, "/resources") == 0) {
        fault_resources(exchange);
    } else if (strcmp(path, "/many-headers") == 0) {
        fault_many_headers(exchange);
    } else if (strcmp(path, "/chatter") == 0) {
        fault_chatter(exchange);
    } else if (strcmp(path, "/silent") != 0) { // "/silent" never answers
        answer_words(exchange, 404, "no such route\n");
    }
}
