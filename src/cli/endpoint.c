// SPDX-License-Identifier: Apache-2.0
#include "cli/endpoint.h"

#include "base/mem.h"
#include "policy/network.h"

status cli_parse_endpoint(const char *value, char **ret_address, uint16_t *ret_port, err *e) {
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    network_address parsed;
    if (!network_endpoint_parse(slice_from_text(value), &parsed, ret_port)) {
        return err_set(
            e, STATUS_INVALID,
            "\"%.60s\" is not an address to listen on; write one such as 127.0.0.1:8000 or [::1]:8000",
            value);
    }
    mem_free(*ret_address);
    *ret_address = mem_text_dup(network_address_text(&parsed, text));
    return STATUS_OK;
}
