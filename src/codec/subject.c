// SPDX-License-Identifier: Apache-2.0
#include "codec/subject.h"

// Takes the token before the next dot; false when nothing is left.
static bool next_token(slice subject, size_t *at, slice *ret) {
    if (*at > subject.len) {
        return false;
    }
    size_t dot = slice_find(subject, *at, '.');
    *ret = slice_sub(subject, *at, dot);
    *at = dot == SIZE_MAX ? subject.len + 1 : dot + 1;
    return true;
}

static bool is_wildcard(slice token) { return slice_equal_text(token, "*") || slice_equal_text(token, ">"); }

static bool has_good_bytes(slice token) {
    for (size_t i = 0; i < token.len; i++) {
        uint8_t byte = token.data[i];
        if (byte <= ' ' || byte == 0x7f || ((byte == '*' || byte == '>') && token.len > 1)) {
            return false;
        }
    }
    return token.len > 0;
}

bool subject_is_pattern_within(slice text, size_t bytes_max) {
    size_t at = 0;
    slice token;
    bool may_follow = text.len <= bytes_max;
    while (next_token(text, &at, &token)) {
        if (!may_follow || !has_good_bytes(token)) {
            return false;
        }
        may_follow = !slice_equal_text(token, ">");
    }
    return true;
}

bool subject_is_plain_within(slice text, size_t bytes_max) {
    size_t at = 0;
    slice token;
    if (!subject_is_pattern_within(text, bytes_max)) {
        return false;
    }
    while (next_token(text, &at, &token)) {
        if (is_wildcard(token)) {
            return false;
        }
    }
    return true;
}

bool subject_is_pattern(slice text) { return subject_is_pattern_within(text, SUBJECT_BYTES_MAX); }
bool subject_is_plain(slice text) { return subject_is_plain_within(text, SUBJECT_BYTES_MAX); }

static bool token_covers(slice pattern, slice token) {
    if (slice_equal_text(pattern, "*")) {
        return !slice_equal_text(token, ">");
    }
    return slice_equal(pattern, token);
}

bool subject_covers(slice pattern, slice name) {
    return subject_covers_within(pattern, name, SUBJECT_BYTES_MAX);
}

bool subject_covers_within(slice pattern, slice name, size_t bytes_max) {
    slice expected, token;
    size_t pattern_at = 0, at = 0;
    if (!subject_is_pattern_within(name, bytes_max)) {
        return false;
    }
    while (next_token(pattern, &pattern_at, &expected)) {
        if (!next_token(name, &at, &token)) {
            return false;
        }
        if (slice_equal_text(expected, ">")) {
            return true;
        }
        if (!token_covers(expected, token)) {
            return false;
        }
    }
    return !next_token(name, &at, &token);
}
