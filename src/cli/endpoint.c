// SPDX-License-Identifier: Apache-2.0
#include "cli/endpoint.h"

#include <string.h>

#include "base/mem.h"
#include "cli/options.h"
#include "policy/network.h"

status cli_parse_endpoint(const char *value, char **ret_address, uint16_t *ret_port, err *e) {
    const char *colon = strrchr(value, ':');
    uint64_t port;
    slice address = slice_of(value, colon == NULL ? 0 : (size_t)(colon - value));
    network_address parsed;
    if (slice_equal_text(address, "localhost")) {
        address = slice_from_text("127.0.0.1");
    }
    if (colon == NULL || cli_parse_number(colon + 1, 0, UINT16_MAX, &port, NULL) != STATUS_OK ||
        !network_address_parse(address, &parsed)) {
        return err_set(
            e, STATUS_INVALID,
            "\"%.60s\" is not an address to listen on; write one such as 127.0.0.1:8000 or [::1]:8000",
            value);
    }
    char text[NETWORK_ADDRESS_TEXT_BYTES];
    mem_free(*ret_address);
    *ret_address = mem_text_dup(network_address_text(&parsed, text));
    *ret_port = (uint16_t)port;
    return STATUS_OK;
}
