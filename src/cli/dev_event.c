// SPDX-License-Identifier: Apache-2.0
// The host tells what it does in events, as programs read them; people who develop want less of it, and more
// advice.
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/dev_internal.h"

enum { LINE_BYTES_MAX = 64 << 10, WORDS_BYTES_MAX = 2048 };

void dev_say(cli_output output, const char *event, const char *component, const char *format, ...) {
    char text[WORDS_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (output == CLI_TEXT) {
        bool colour = cli_use_colour(STDERR_FILENO);
        fprintf(stderr, "%swrit dev:%s %s\n", colour ? "\033[36m" : "", colour ? "\033[0m" : "", text);
        return;
    }
    json_value *document = json_object_new();
    json_put_text(document, "event", slice_from_text(event));
    if (component != NULL) {
        json_put_text(document, "component", slice_from_text(component));
    }
    json_put_text(document, "message", slice_from_text(text));
    cli_print_json_line(document, stderr);
}

// --- texts of events ---------------------------------------------------------------------------------------

slice dev_event_text(const json_value *object, const char *key) {
    slice text = {0};
    (void)json_as_text(json_get(object, key), &text);
    return text;
}

// Each line of its own: what a component writes cannot steer a terminal.
void dev_event_print(const char *before, slice text) {
    for (size_t at = 0; at <= text.len;) {
        size_t end = slice_find(text, at, '\n');
        end = end == SIZE_MAX ? text.len : end;
        auto_buf line;
        buf_init(&line, LINE_BYTES_MAX);
        cli_append_printable(&line, slice_sub(text, at, end));
        fprintf(stderr, "%s%.*s\n", at == 0 ? before : "", SLICE_ARG(buf_slice(&line)));
        at = end + 1;
    }
}

static void print_log(const json_value *v) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    slice time = dev_event_text(v, "time");
    // The date is today's.
    slice clock =
        slice_sub(time, slice_find(time, 0, 'T') == SIZE_MAX ? 0 : slice_find(time, 0, 'T') + 1, time.len);
    (void)!buf_append_format(&line, "%.*s %-5.*s %.*s: ", SLICE_ARG(slice_sub(clock, 0, 8)),
                             SLICE_ARG(dev_event_text(v, "level")), SLICE_ARG(dev_event_text(v, "workload")));
    dev_event_print(buf_text(&line) == NULL ? "" : buf_text(&line), dev_event_text(v, "message"));
}

static void print_findings(const json_value *v) {
    const json_value *list = json_get(v, "findings");
    for (size_t i = 0; i < json_count(list); i++) {
        const json_value *row = json_at(list, i);
        int64_t at = 0, column = 0;
        slice advice = dev_event_text(row, "advice");
        auto_buf line;
        buf_init(&line, LINE_BYTES_MAX);
        (void)json_as_integer(json_get(row, "line"), &at);
        (void)json_as_integer(json_get(row, "column"), &column);
        (void)!buf_append_format(&line, "%.*s%s%.*s", SLICE_ARG(dev_event_text(row, "message")),
                                 advice.len > 0 ? "; " : "", SLICE_ARG(advice));
        fprintf(stderr, "%.*s:%lld:%lld: %.*s: ", SLICE_ARG(dev_event_text(v, "file")), (long long)at,
                (long long)column, SLICE_ARG(dev_event_text(row, "level")));
        dev_event_print("", buf_slice(&line));
    }
}

// --- one event ---------------------------------------------------------------------------------------------

static void show_text(dev_host *h, const json_value *v, slice line) {
    slice event = dev_event_text(v, "event");
    if (json_get(v, "error") != NULL) {
        dev_event_print("writ: ", dev_event_text(v, "message"));
        dev_advice_links(h);
    } else if (json_get(v, "time") != NULL) {
        print_log(v);
    } else if (slice_equal_text(event, "manifest")) {
        print_findings(v);
    } else if (slice_equal_text(event, "grants")) {
        dev_advice_keep(h, line);
    } else if (slice_equal_text(event, "serving")) {
        dev_say(CLI_TEXT, "serving", NULL, "serving %.*s", SLICE_ARG(dev_event_text(v, "url")));
        dev_advice_inert(h);
    } else if (slice_equal_text(event, "kept")) {
        dev_say(CLI_TEXT, "kept", NULL, "the change is not taken; what ran before goes on");
    }
}

bool dev_event_show(dev_host *h, slice line) {
    json_value *v = NULL;
    if (json_parse(line, &v, NULL) != STATUS_OK || !json_is_object(v)) {
        dev_event_print("", line);
        json_free(v);
        return false;
    }
    slice event = dev_event_text(v, "event");
    bool is_log = json_get(v, "time") != NULL;
    bool serves = !is_log && slice_equal_text(event, "serving");
    bool ends = serves || (!is_log && slice_equal_text(event, "kept"));
    h->is_serving = h->is_serving || serves;
    if (h->options.output == CLI_JSON) {
        fprintf(stderr, "%.*s\n", SLICE_ARG(line));
    } else {
        show_text(h, v, line);
    }
    json_free(v);
    return ends;
}
