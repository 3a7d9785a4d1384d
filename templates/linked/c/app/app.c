#include "answer.h"

#include <stdio.h>

// What follows the slash is the name of whom to greet; the greeter knows how.
void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    char text[512];
    app_string_t path, name, greeting;
    bool has_path =
        http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &path);
    name = has_path && path.len > 1 ? (app_string_t){path.ptr + 1, path.len - 1}
                                    : (app_string_t){(uint8_t *)"world", 5};
    greetings_greet(&name, &greeting);
    snprintf(text, sizeof text, "%.*s\n", (int)greeting.len, (const char *)greeting.ptr);
    answer(out, 200, "text/plain; charset=utf-8", text);
    app_string_free(&greeting);
    if (has_path) {
        app_string_free(&path);
    }
    http_incoming_request_drop_own(request);
}
