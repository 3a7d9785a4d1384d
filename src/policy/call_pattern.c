// SPDX-License-Identifier: Apache-2.0
#include "policy/call_pattern.h"

#include <string.h>

#include "policy/gate.h"

static bool is_name(slice text, const char *others) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && (c == 0 || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return text.len > 0 && text.len <= GATE_NAME_BYTES_MAX;
}

// "*", or PACKAGE/INTERFACE where the package has a namespace; with a '*' anywhere it may be any text.
static bool is_interface(slice text) {
    bool has_star = slice_find(text, 0, '*') != SIZE_MAX;
    size_t colon = slice_find(text, 0, ':'), slash = slice_find(text, 0, '/');
    bool is_whole =
        colon != SIZE_MAX && colon > 0 && slash != SIZE_MAX && slash > colon + 1 && slash + 1 < text.len;
    return is_name(text, "-:/*") && (has_star || is_whole);
}

status call_pattern_parse(slice text, call_pattern *ret, err *e) {
    size_t dot = slice_find(text, 0, '.'); // names of packages and interfaces have none
    slice interface = slice_sub(text, 0, dot == SIZE_MAX ? text.len : dot);
    slice function = dot == SIZE_MAX ? slice_empty() : slice_sub(text, dot + 1, text.len);
    slice shown = slice_sub(text, 0, text.len < 80 ? text.len : 80);
    if (slice_find(text, 0, '@') != SIZE_MAX) {
        return err_set(e, STATUS_INVALID, "\"%.*s\" has a version; write the interface without it",
                       SLICE_ARG(shown));
    }
    if (!is_interface(interface) || (dot != SIZE_MAX && !is_name(function, "-.[]*"))) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" is no call; write one such as wasi:keyvalue/store.set, wasi:keyvalue/store, "
                       "wasi:keyvalue/* or *.set",
                       SLICE_ARG(shown));
    }
    *ret = (call_pattern){interface, function};
    return STATUS_OK;
}
