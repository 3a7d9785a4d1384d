#include "answer.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 2000 };

// What follows the slash is the name of whom to greet; whoever works on `jobs.greet` knows how.
static uint16_t ask(const app_string_t *path, char *text, size_t size) {
    bool is_named = path->len > 1;
    app_string_t subject = {(uint8_t *)"jobs.greet", strlen("jobs.greet")}, why;
    app_list_u8_t body = {is_named ? path->ptr + 1 : (uint8_t *)"world", is_named ? path->len - 1 : 5};
    consumer_broker_message_t reply;
    if (!consumer_request(&subject, &body, PATIENCE_MS, &reply, &why)) {
        snprintf(text, size, "Nobody greets: %.*s\n", (int)why.len, (const char *)why.ptr);
        app_string_free(&why);
        return 503;
    }
    snprintf(text, size, "%.*s\n", (int)reply.body.len, (const char *)reply.body.ptr);
    messages_broker_message_free(&reply);
    return 200;
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    char text[512];
    app_string_t path = {(uint8_t *)"/", 1};
    bool has_path =
        http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &path);
    answer(out, ask(&path, text, sizeof text), "text/plain; charset=utf-8", text);
    if (has_path) {
        app_string_free(&path);
    }
    http_incoming_request_drop_own(request);
}
