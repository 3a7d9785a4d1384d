// SPDX-License-Identifier: Apache-2.0
#include "bus/nats_line.h"

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

status nats_line_take(slice bytes, size_t bytes_max, slice *ret, size_t *ret_next) {
    size_t end = slice_find(slice_sub(bytes, 0, bytes_max), 0, '\n');
    if (end == SIZE_MAX) {
        return bytes.len >= bytes_max ? STATUS_LIMIT : STATUS_NOT_FOUND;
    }
    *ret = slice_sub(bytes, 0, end > 0 && bytes.data[end - 1] == '\r' ? end - 1 : end);
    *ret_next = end + 1;
    return slice_find(*ret, 0, '\0') == SIZE_MAX ? STATUS_OK : STATUS_INVALID;
}

bool nats_line_is(slice line, const char *name, slice *ret_rest) {
    size_t n = strlen(name);
    if (line.len < n || !slice_equal_nocase(slice_sub(line, 0, n), slice_from_text(name)) ||
        (line.len > n && !is_blank(line.data[n]))) {
        return false;
    }
    *ret_rest = slice_trimmed(slice_sub(line, n, line.len));
    return true;
}

size_t nats_line_split(slice line, slice *ret_words, size_t max) {
    size_t count = 0;
    for (size_t at = 0; count < max;) {
        while (at < line.len && is_blank(line.data[at])) {
            at++;
        }
        size_t start = at;
        while (at < line.len && !is_blank(line.data[at])) {
            at++;
        }
        if (start == at) {
            break;
        }
        ret_words[count++] = slice_sub(line, start, at);
    }
    return count;
}
