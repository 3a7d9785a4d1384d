#include "answer.h"

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    http_incoming_request_drop_own(request);
    answer(out, 200, "text/plain; charset=utf-8", "Hello from C.\n");
}
