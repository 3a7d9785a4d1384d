// SPDX-License-Identifier: Apache-2.0
//
// An HTTP handler that breaks the rules of the canonical ABI, one rule per path. It calls the imports below
// the generated bindings, with the flat values of the ABI, so that nothing in between can put them right. The
// host has to trap on each path but "/hello", those that begin with "/fine-" and those with an underscore,
// which have tests of their own.
#include "handler.h"

#include <stdlib.h>
#include <string.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define HTTP "wasi:http/types@0.2.12"
#define STREAMS "wasi:io/streams@0.2.12"
#define POLL "wasi:io/poll@0.2.12"

IMPORT(HTTP, "[constructor]fields") extern uint32_t fields_new(void);
IMPORT(HTTP, "[resource-drop]fields") extern void fields_drop(uint32_t handle);
IMPORT(HTTP, "[static]fields.from-list")
extern void fields_from_list(uint32_t at, uint32_t count, uint32_t result);
IMPORT(HTTP, "[method]fields.append")
extern void fields_append(uint32_t self, uint32_t name, uint32_t name_length, uint32_t value,
                          uint32_t value_length, uint32_t result);
IMPORT(HTTP, "[method]fields.has") extern uint32_t fields_has(uint32_t self, uint32_t name, uint32_t length);
IMPORT(HTTP, "[method]fields.entries") extern void fields_entries(uint32_t self, uint32_t result);
IMPORT(HTTP, "[constructor]outgoing-response") extern uint32_t response_new(uint32_t headers);
IMPORT(HTTP, "[method]outgoing-response.set-status-code")
extern uint32_t response_set_status(uint32_t self, uint32_t status);
IMPORT(HTTP, "[constructor]outgoing-request") extern uint32_t request_new(uint32_t headers);
IMPORT(HTTP, "[method]outgoing-request.set-method")
extern uint32_t request_set_method(uint32_t self, uint32_t tag, uint32_t text, uint32_t length);
IMPORT(HTTP, "[method]outgoing-request.set-authority")
extern uint32_t request_set_authority(uint32_t self, uint32_t is_some, uint32_t text, uint32_t length);
IMPORT(HTTP, "[static]response-outparam.set")
extern void outparam_set(uint32_t param, uint32_t is_err, uint32_t response, uint32_t a, uint64_t b,
                         uint32_t c, uint32_t d, uint32_t e, uint32_t f);
IMPORT(HTTP, "[method]outgoing-response.body") extern void response_body(uint32_t self, uint32_t result);
IMPORT(HTTP, "[method]outgoing-body.write") extern void body_write(uint32_t self, uint32_t result);
IMPORT(STREAMS, "[method]output-stream.check-write")
extern void stream_check_write(uint32_t self, uint32_t result);
IMPORT(STREAMS, "[method]output-stream.write-zeroes")
extern void stream_write_zeroes(uint32_t self, uint64_t count, uint32_t result);
IMPORT(POLL, "poll") extern void poll_list(uint32_t at, uint32_t count, uint32_t result);
IMPORT("wasi:random/random@0.2.12", "get-random-bytes")
extern void random_bytes(uint64_t count, uint32_t result);

// How the next call of cabi_realloc goes wrong.
static enum {
    REALLOC_WELL,
    REALLOC_OUTSIDE,
    REALLOC_AT_END,
    REALLOC_UNALIGNED,
    REALLOC_CALLS_OUT,
    REALLOC_TRAPS
} mode;

static uint32_t area[64] __attribute__((aligned(8)));

static uint32_t at(const void *pointer) { return (uint32_t)(uintptr_t)pointer; }

static uint32_t memory_end(void) { return (uint32_t)__builtin_wasm_memory_size(0) * 65536u; }

// Takes the place of the weak one in the generated bindings.
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align,
                                                                size_t size);
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    (void)old_size;
    switch (mode) {
    case REALLOC_OUTSIDE:
        return (void *)0xfffffff0u;
    case REALLOC_AT_END:
        return (void *)(uintptr_t)(memory_end() - 4);
    case REALLOC_UNALIGNED:
        return (char *)malloc(size + align) + 1;
    case REALLOC_CALLS_OUT:
        (void)fields_new();
        break;
    case REALLOC_TRAPS:
        __builtin_trap();
    case REALLOC_WELL:
        break;
    }
    return realloc(old, size);
}

static void realloc_wrong(int how) {
    uint32_t fields = fields_new();
    fields_append(fields, at("x-name"), 6, at("value"), 5, at(area));
    mode = how;
    fields_entries(fields, at(area));
}

static void pointers(const char *path) {
    uint32_t fields = fields_new();
    if (strcmp(path, "/pointer-outside") == 0) {
        fields_has(fields, memory_end() + 8, 4);
    } else if (strcmp(path, "/pointer-past-end") == 0) {
        fields_has(fields, memory_end() - 2, 4);
    } else if (strcmp(path, "/pointer-wraps") == 0) {
        fields_has(fields, 0xffffffff, 0x10);
    } else if (strcmp(path, "/length-huge") == 0) {
        fields_has(fields, at("x"), 0x7fffffff);
    } else if (strcmp(path, "/length-all-ones") == 0) {
        fields_has(fields, at("x"), 0xffffffff);
    } else if (strcmp(path, "/list-overflows") == 0) {
        fields_from_list(at(area), 0x10000001, at(area)); // × 16 bytes is 16 in 32 bits
    } else if (strcmp(path, "/list-outside") == 0) {
        fields_from_list(memory_end() - 16, 2, at(area));
    } else if (strcmp(path, "/list-unaligned") == 0) {
        fields_from_list(at(area) + 1, 1, at(area));
    } else if (strcmp(path, "/list-of-bad-pointers") == 0) {
        uint32_t entry[4] = {0xfffffff0, 8, 0, 0};
        fields_from_list(at(entry), 1, at(area));
    } else if (strcmp(path, "/handles-overflow") == 0) {
        poll_list(at(area), 0x40000001, at(area));
    } else if (strcmp(path, "/poll-nothing") == 0) {
        poll_list(at(area), 0, at(area));
    } else if (strcmp(path, "/result-outside") == 0) {
        fields_entries(fields, memory_end() - 4);
    } else if (strcmp(path, "/result-unaligned") == 0) {
        fields_entries(fields, at(area) + 2);
    } else if (strcmp(path, "/random-too-much") == 0) {
        random_bytes(0xffffffffffffull, at(area));
    }
}

static void values(const char *path) {
    uint32_t request = request_new(fields_new());
    if (strcmp(path, "/utf8-lone-byte") == 0) {
        fields_has(fields_new(), at("\xff"), 1);
    } else if (strcmp(path, "/utf8-surrogate") == 0) {
        fields_has(fields_new(), at("\xed\xa0\x80"), 3);
    } else if (strcmp(path, "/utf8-overlong") == 0) {
        fields_has(fields_new(), at("\xc0\xaf"), 2);
    } else if (strcmp(path, "/utf8-cut") == 0) {
        request_set_authority(request, 1, at("a\xe2\x82"), 3);
    } else if (strcmp(path, "/utf8-too-high") == 0) {
        request_set_authority(request, 1, at("\xf4\x90\x80\x80"), 4);
    } else if (strcmp(path, "/discriminant-variant") == 0) {
        request_set_method(request, 10, 0, 0);
    } else if (strcmp(path, "/discriminant-huge") == 0) {
        request_set_method(request, 0xffffffff, 0, 0);
    } else if (strcmp(path, "/discriminant-option") == 0) {
        request_set_authority(request, 2, 0, 0);
    }
}

static void handles(const char *path, uint32_t request, uint32_t out) {
    if (strcmp(path, "/handle-unknown") == 0) {
        fields_has(12345, at("x"), 1);
    } else if (strcmp(path, "/handle-zero") == 0) {
        fields_has(0, at("x"), 1);
    } else if (strcmp(path, "/handle-huge") == 0) {
        fields_has(0xffffffff, at("x"), 1);
    } else if (strcmp(path, "/handle-other-type") == 0) {
        fields_has(request, at("x"), 1);
    } else if (strcmp(path, "/handle-dropped-twice") == 0) {
        uint32_t fields = fields_new();
        fields_drop(fields);
        fields_drop(fields);
    } else if (strcmp(path, "/handle-used-after-drop") == 0) {
        uint32_t fields = fields_new();
        fields_drop(fields);
        fields_has(fields, at("x"), 1);
    } else if (strcmp(path, "/handle-given-away") == 0) {
        uint32_t fields = fields_new();
        (void)response_new(fields);
        fields_has(fields, at("x"), 1);
    } else if (strcmp(path, "/handle-given-twice") == 0) {
        uint32_t fields = fields_new();
        (void)response_new(fields);
        (void)response_new(fields);
    } else if (strcmp(path, "/handle-dropped-wrong-type") == 0) {
        fields_drop(out);
    } else if (strcmp(path, "/outparam-twice") == 0) {
        outparam_set(out, 0, response_new(fields_new()), 0, 0, 0, 0, 0, 0);
        outparam_set(out, 0, response_new(fields_new()), 0, 0, 0, 0, 0, 0);
    }
}

static void reallocs(const char *path) {
    static const struct {
        const char *path;
        int mode;
    } ways[] = {
        {"/realloc-outside", REALLOC_OUTSIDE},     {"/realloc-at-end", REALLOC_AT_END},
        {"/realloc-unaligned", REALLOC_UNALIGNED}, {"/realloc-calls-out", REALLOC_CALLS_OUT},
        {"/realloc-traps", REALLOC_TRAPS},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(path, ways[i].path) == 0) {
            realloc_wrong(ways[i].mode);
        }
    }
}

// What looks odd and is right: these must not trap.
static void oddities(const char *path) {
    if (strcmp(path, "/fine-empty-lists") == 0) {
        fields_from_list(8, 0, at(area)); // an empty list may point anywhere that is aligned
        fields_has(fields_new(), 0, 0);
    } else if (strcmp(path, "/fine-status") == 0) {
        response_set_status(response_new(fields_new()), 0xabc00c8); // high bits of a u16 are ignored
    }
}

// Fills whatever room the connection has, to the last byte, in chunks and without ever waiting. The client
// does not read.
static void endless_zeroes(uint32_t out) {
    uint32_t response = response_new(fields_new());
    response_body(response, at(area));
    uint32_t body = area[1];
    body_write(body, at(area));
    uint32_t stream = area[1];
    outparam_set(out, 0, response, 0, 0, 0, 0, 0, 0);
    for (;;) {
        stream_check_write(stream, at(area));
        if ((area[0] & 1) != 0) {
            return;
        }
        stream_write_zeroes(stream, (uint64_t)area[3] << 32 | area[2], at(area));
    }
}

// Lists of fields that take as much as each of them may.
static void many_fields(void) {
    static char text[100000];
    memset(text, 'v', sizeof text);
    for (int i = 0; i < 4000; i++) {
        fields_append(fields_new(), at("x"), 1, at(text), sizeof text, at(area));
    }
}

// Bodies of messages that are never sent. Traps when the host keeps more than 128 MiB of them.
static void many_bodies(void) {
    uint64_t sum = 0;
    for (int i = 0; i < 500; i++) {
        response_body(response_new(fields_new()), at(area));
        body_write(area[1], at(area));
        uint32_t stream = area[1];
        for (stream_check_write(stream, at(area)); area[2] > 0; stream_check_write(stream, at(area))) {
            uint32_t permit = area[2];
            stream_write_zeroes(stream, permit, at(area));
            sum += permit;
        }
    }
    if (sum > 128u << 20) {
        __builtin_trap();
    }
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    handler_string_t target = {0};
    http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &target);
    char path[64] = {0};
    memcpy(path, target.ptr, target.len < sizeof path - 1 ? target.len : sizeof path - 1);
    if (strcmp(path, "/endless_zeroes") == 0) {
        endless_zeroes((uint32_t)out.__handle);
        return;
    }
    if (strcmp(path, "/many_fields") == 0) {
        many_fields();
    } else if (strcmp(path, "/many_bodies") == 0) {
        many_bodies();
    }
    pointers(path);
    values(path);
    handles(path, (uint32_t)request.__handle, (uint32_t)out.__handle);
    reallocs(path);
    oddities(path);

    // Still here: an answer that says so.
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    if (!http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body) ||
        !http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream)) {
        abort();
    }
    http_result_own_outgoing_response_error_code_t answer = {.is_err = false};
    answer.val.ok = response;
    http_static_response_outparam_set(out, &answer);
    handler_list_u8_t text = {(uint8_t *)"still here\n", 11};
    io_stream_error_t stream_error;
    io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &text, &stream_error);
    io_output_stream_drop_own(stream);
    http_error_code_t error;
    http_static_outgoing_body_finish(body, NULL, &error);
    http_incoming_request_drop_own(request);
}
