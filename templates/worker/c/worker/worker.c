#include "worker.h" // generated from wit/world.wit

#include <stdio.h>
#include <string.h>

// One message; a fresh instance for each. An error is in the log of the host.
bool exports_handler_handle_message(exports_handler_broker_message_t *message, worker_string_t *err) {
    char text[512];
    int len = snprintf(text, sizeof text, "Hello, %.*s. This is the worker, in C.", (int)message->body.len,
                       (const char *)message->body.ptr);
    if (!message->reply_to.is_some) {
        worker_string_dup(err, "nobody waits for an answer");
        return false;
    }
    size_t count = len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    consumer_broker_message_t reply = {.subject = message->reply_to.val, .body = {(uint8_t *)text, count}};
    return consumer_publish(&reply, err);
}
