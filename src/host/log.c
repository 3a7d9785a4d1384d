// SPDX-License-Identifier: Apache-2.0
#include "host/log.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/utf.h"
#include "os/clock.h"
#include "os/fd.h"

enum { TEXT_BYTES_SHORT = 128 };

struct logger {
    logger_options options;
    uint64_t dropped; // lines since the last mention
    uint64_t budget;  // bytes that guest-caused events may still use
    uint64_t refilled_ns;
    bool is_mentioning;
};

status logger_new(const logger_options *options, logger **ret, err *e) {
    if (options->fd < 0 && options->sink == NULL) {
        return err_set(e, STATUS_INTERNAL, "a logger needs a descriptor or a sink");
    }
    logger *l = MEM_NEW(logger);
    l->options = *options;
    l->budget = options->bytes_per_second_max;
    l->refilled_ns = clock_now_ns();
    *ret = l;
    return STATUS_OK;
}

void logger_free(logger *l) { mem_free(l); }

bool logger_is_verbose(const logger *l) { return l->options.is_verbose; }

static const char *level_name(log_level level) {
    switch (level) {
    case LOG_VERBOSE:
        return "debug";
    case LOG_INFO:
        return "info";
    case LOG_WARN:
        return "warn";
    case LOG_ERROR:
        break;
    }
    return "error";
}

// A guest must neither steer the terminal nor begin a line that looks like ours.
static status append_escaped(buf *out, slice text) {
    uint32_t len = (uint32_t)text.len; // of a line; long texts were cut
    for (uint32_t at = 0; at < len;) {
        uint32_t from = at, code = 0;
        if (!utf8_next(text.data, len, &at, &code)) {
            at = from + 1;
            TRY(buf_append_format(out, "\\x%02x", text.data[from]));
        } else if (code == '\n') {
            TRY(buf_append_text(out, "\\n"));
        } else if (utf8_is_control(code)) {
            TRY(buf_append_format(out, code > 0xff ? "\\u%04x" : "\\x%02x", code));
        } else {
            TRY(buf_append(out, slice_sub(text, from, at)));
        }
    }
    return STATUS_OK;
}

status log_format_text(const log_record *record, const log_format *f, buf *ret) {
    TRY(buf_append_format(ret, "%s %-5s %.*s: ", f->stamp, level_name(record->level),
                          SLICE_ARG(f->workload)));
    return append_escaped(ret, slice_sub(record->message, 0, f->text_bytes_max));
}

status log_format_json(const log_record *record, const log_format *f, buf *ret) {
    json_value *o = json_object_new();
    json_put_text(o, "time", slice_from_text(f->stamp));
    json_put_text(o, "level", slice_from_text(level_name(record->level)));
    json_put_text(o, "event", record->event);
    json_put_text(o, "workload", f->workload);
    json_put_text(o, "message", slice_sub(record->message, 0, f->text_bytes_max));
    for (size_t i = 0; i < record->field_count; i++) {
        const log_field *field = &record->fields[i];
        if (field->is_number) {
            json_put_integer(o, field->name, field->number);
        } else {
            json_put_text(o, field->name, slice_sub(field->text, 0, f->text_bytes_max));
        }
    }
    status s = json_write(o, 0, ret);
    json_free(o);
    return s;
}

static bool try_line(logger *l, const log_record *record, size_t text_bytes_max, buf *line) {
    char stamp[CLOCK_TEXT_BYTES];
    log_format f = {clock_wall_text(clock_wall_now(), stamp), l->options.workload, text_bytes_max};
    buf_clear(line);
    status s = l->options.is_json ? log_format_json(record, &f, line) : log_format_text(record, &f, line);
    return s == STATUS_OK && buf_append_byte(line, '\n') == STATUS_OK;
}

// A pipe takes PIPE_BUF bytes whole and without waiting once it says that it is ready; a line beyond that is
// written again with its texts cut short.
static void write_line(logger *l, const log_record *record) {
    auto_buf line;
    buf_init(&line, PIPE_BUF);
    bool fits =
        try_line(l, record, LOG_TEXT_BYTES_MAX, &line) || try_line(l, record, TEXT_BYTES_SHORT, &line);
    if (!fits || !fd_write_if_ready(l->options.fd, buf_slice(&line))) {
        l->dropped++;
    }
}

static void mention_dropped(logger *l) {
    if (l->dropped == 0 || l->is_mentioning) {
        return;
    }
    uint64_t count = l->dropped;
    l->dropped = 0;
    l->is_mentioning = true; // the mention itself may be dropped, and must not be mentioned at once
    logger_event(l, LOG_WARN, "log-dropped", LOG_FIELDS(LOG_NUMBER("count", count)),
                 "%llu log lines were dropped", (unsigned long long)count);
    l->is_mentioning = false;
}

static void tell_taps(const logger *l, const log_record *record) {
    const log_taps *taps = l->options.taps;
    for (list_node *n = taps == NULL ? NULL : taps->list.next; n != NULL && n != &taps->list; n = n->next) {
        const log_tap *t = LIST_ENTRY(n, log_tap, node);
        t->record(t->context, l->options.workload, record);
    }
}

void logger_record(logger *l, const log_record *record) {
    if (record->level == LOG_VERBOSE && !l->options.is_verbose) {
        return;
    }
    mention_dropped(l);
    tell_taps(l, record);
    if (l->options.fd >= 0) {
        write_line(l, record);
    } else {
        l->options.sink(l->options.context, record);
    }
}

static size_t format_message(char text[LOG_TEXT_BYTES_MAX], const char *format, va_list args) {
    int n = vsnprintf(text, LOG_TEXT_BYTES_MAX, format, args);
    return n < 0 ? 0 : n < LOG_TEXT_BYTES_MAX ? (size_t)n : LOG_TEXT_BYTES_MAX - 1;
}

void logger_event(logger *l, log_level level, const char *event, const log_field *fields, size_t field_count,
                  const char *format, ...) {
    char text[LOG_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    size_t n = format_message(text, format, args);
    va_end(args);
    logger_record(l, &(log_record){level, slice_from_text(event), slice_of(text, n), fields, field_count});
}

static bool take_budget(logger *l, uint64_t bytes) {
    const uint64_t second_ns = 1000000000u;
    uint64_t max = l->options.bytes_per_second_max;
    uint64_t now = clock_now_ns();
    uint64_t elapsed = now - l->refilled_ns;
    if (elapsed >= second_ns) {
        l->budget = max;
        l->refilled_ns = now;
    }
    if (bytes > l->budget) {
        return false;
    }
    l->budget -= bytes;
    return true;
}

void logger_guest_event(logger *l, log_level level, const char *event, const log_field *fields,
                        size_t field_count, const char *format, ...) {
    char text[LOG_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    size_t n = format_message(text, format, args);
    va_end(args);
    if (!take_budget(l, n)) {
        l->dropped++;
        return;
    }
    logger_record(l, &(log_record){level, slice_from_text(event), slice_of(text, n), fields, field_count});
}
