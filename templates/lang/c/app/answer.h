#pragma once

#include "app.h" // generated from wit/world.wit

// Sends a whole answer: status, content type, body.
void answer(exports_handler_own_response_outparam_t out, uint16_t status, const char *type, const char *text);
