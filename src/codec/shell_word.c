// SPDX-License-Identifier: Apache-2.0
#include "codec/shell_word.h"

#include <string.h>

static bool is_plain_byte(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_./:@%+,=-", c) != NULL);
}

static bool is_plain(slice word) {
    for (size_t i = 0; i < word.len; i++) {
        if (!is_plain_byte(word.data[i])) {
            return false;
        }
    }
    return word.len > 0;
}

status shell_word_append(buf *to, slice word) {
    if (is_plain(word)) {
        return buf_append(to, word);
    }
    TRY(buf_append_text(to, "'"));
    for (size_t i = 0; i < word.len; i++) {
        slice byte = slice_sub(word, i, i + 1);
        TRY(word.data[i] == '\'' ? buf_append_text(to, "'\\''") : buf_append(to, byte));
    }
    return buf_append_text(to, "'");
}
