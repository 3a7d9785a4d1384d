// SPDX-License-Identifier: Apache-2.0
#include "driver/cron/cron.h"

// The end of the entry that begins at `at`: a line's end, or a ';' that is not within JSON.
static size_t find_end(slice text, size_t at) {
    uint32_t depth = 0;
    bool in_text = false;
    for (; at < text.len && text.data[at] != '\n'; at++) {
        uint8_t c = text.data[at];
        if (in_text) {
            at += c == '\\' ? 1 : 0;
            in_text = c != '"';
        } else if (c == '"' && depth > 0) {
            in_text = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        } else if (c == ';' && depth == 0) {
            break;
        }
    }
    return at < text.len ? at : text.len;
}

static bool is_name(slice text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.') {
            return false;
        }
    }
    return text.len > 0 && text.len <= CRON_NAME_BYTES_MAX;
}

static status parse_job(slice entry, cron_job *ret, err *e) {
    size_t equals = slice_find(entry, 0, '=');
    slice name = slice_trimmed(slice_sub(entry, 0, equals));
    if (equals == SIZE_MAX || !is_name(name)) {
        return err_set(e, STATUS_INVALID, "\"%.*s\" is no job: write NAME=SCHEDULE or NAME=SCHEDULE:PAYLOAD",
                       SLICE_ARG(slice_sub(entry, 0, 60)));
    }
    size_t colon = slice_find(entry, equals, ':');
    slice payload = colon == SIZE_MAX ? slice_empty() : slice_trimmed(slice_sub(entry, colon + 1, entry.len));
    if (payload.len > CRON_PAYLOAD_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "job %.*s: the payload has more than %d bytes", SLICE_ARG(name),
                       CRON_PAYLOAD_BYTES_MAX);
    }
    status s = cron_parse(slice_sub(entry, equals + 1, colon), &ret->schedule, e);
    if (s != STATUS_OK) {
        return err_wrap(e, "job %.*s", SLICE_ARG(name));
    }
    ret->name = name;
    ret->payload = payload.len > 0 ? payload : slice_from_text("{}");
    return STATUS_OK;
}

static bool is_known(const cron_job *jobs, size_t count, slice name) {
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(jobs[i].name, name)) {
            return true;
        }
    }
    return false;
}

status cron_jobs_parse(slice text, cron_job ret[CRON_JOBS_MAX], size_t *ret_count, err *e) {
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        size_t end = find_end(text, at);
        slice entry = slice_trimmed(slice_sub(text, at, end));
        at = end + 1;
        if (entry.len == 0) {
            continue;
        }
        if (count == CRON_JOBS_MAX) {
            return err_set(e, STATUS_LIMIT, "a link has at most %d jobs", CRON_JOBS_MAX);
        }
        TRY(parse_job(entry, &ret[count], e));
        if (is_known(ret, count, ret[count].name)) {
            return err_set(e, STATUS_INVALID, "there are two jobs %.*s", SLICE_ARG(ret[count].name));
        }
        count++;
    }
    *ret_count = count;
    return STATUS_OK;
}
