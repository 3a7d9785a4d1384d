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

static slice text_of(const json_value *object, const char *key) {
    slice text = {0};
    (void)json_as_text(json_get(object, key), &text);
    return text;
}

// Each line of its own: what a component writes cannot steer a terminal.
static void print(const char *before, slice text) {
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
    slice time = text_of(v, "time");
    // The date is today's.
    slice clock =
        slice_sub(time, slice_find(time, 0, 'T') == SIZE_MAX ? 0 : slice_find(time, 0, 'T') + 1, time.len);
    (void)!buf_append_format(&line, "%.*s %-5.*s %.*s: ", SLICE_ARG(slice_sub(clock, 0, 8)),
                             SLICE_ARG(text_of(v, "level")), SLICE_ARG(text_of(v, "workload")));
    print(buf_text(&line) == NULL ? "" : buf_text(&line), text_of(v, "message"));
}

static void print_findings(const json_value *v) {
    const json_value *list = json_get(v, "findings");
    for (size_t i = 0; i < json_count(list); i++) {
        const json_value *row = json_at(list, i);
        int64_t at = 0, column = 0;
        slice advice = text_of(row, "advice");
        auto_buf line;
        buf_init(&line, LINE_BYTES_MAX);
        (void)json_as_integer(json_get(row, "line"), &at);
        (void)json_as_integer(json_get(row, "column"), &column);
        (void)!buf_append_format(&line, "%.*s%s%.*s", SLICE_ARG(text_of(row, "message")),
                                 advice.len > 0 ? "; " : "", SLICE_ARG(advice));
        fprintf(stderr, "%.*s:%lld:%lld: %.*s: ", SLICE_ARG(text_of(v, "file")), (long long)at,
                (long long)column, SLICE_ARG(text_of(row, "level")));
        print("", buf_slice(&line));
    }
}

// --- links that are missing --------------------------------------------------------------------------------

// An import such as "wasi:keyvalue/store@0.2.0-draft" in its parts; false for what is no interface of a
// package.
static bool split(slice import, slice *ret_namespace, slice *ret_package, slice *ret_interface) {
    size_t colon = slice_find(import, 0, ':'), slash = slice_find(import, 0, '/'),
           at = slice_find(import, 0, '@');
    if (colon == SIZE_MAX || slash == SIZE_MAX || slash < colon) {
        return false;
    }
    *ret_namespace = slice_sub(import, 0, colon);
    *ret_package = slice_sub(import, colon + 1, slash);
    *ret_interface = slice_sub(import, slash + 1, at);
    return true;
}

static bool wants_link(const json_value *row) {
    return slice_equal_text(text_of(row, "state"), "refused") &&
           slice_starts_with(text_of(row, "option"), "a trait of type link");
}

static bool is_of_package(const json_value *row, slice name, slice package) {
    slice its_name, its_package, interface;
    return wants_link(row) && split(text_of(row, "import"), &its_name, &its_package, &interface) &&
           slice_equal(name, its_name) && slice_equal(package, its_package);
}

static bool is_told_already(const json_value *rows, size_t number, slice name, slice package) {
    for (size_t i = 0; i < number; i++) {
        if (is_of_package(json_at(rows, i), name, package)) {
            return true;
        }
    }
    return false;
}

// One link for all interfaces of a package that are refused, as the manifest has it.
static void print_link(const json_value *rows, size_t number) {
    slice name, package, interface;
    if (!wants_link(json_at(rows, number)) ||
        !split(text_of(json_at(rows, number), "import"), &name, &package, &interface) ||
        is_told_already(rows, number, name, package)) {
        return;
    }
    auto_buf list;
    buf_init(&list, LINE_BYTES_MAX);
    for (size_t i = number; i < json_count(rows); i++) {
        if (is_of_package(json_at(rows, i), name, package) &&
            split(text_of(json_at(rows, i), "import"), &name, &package, &interface)) {
            (void)!buf_append_format(&list, "%s%.*s", i > number ? ", " : "", SLICE_ARG(interface));
        }
    }
    fprintf(stderr, "        - type: link\n          properties: {target: WHO, ");
    fprintf(stderr, "namespace: %.*s, package: %.*s, interfaces: [%.*s]}\n", SLICE_ARG(name),
            SLICE_ARG(package), SLICE_ARG(buf_slice(&list)));
}

static void print_links(const dev_host *h) {
    for (size_t i = 0; i < json_count(h->refused); i++) {
        const json_value *event = json_at(h->refused, i), *rows = json_get(event, "imports");
        slice workload = text_of(event, "workload");
        bool has_any = false;
        for (size_t n = 0; n < json_count(rows); n++) {
            has_any = has_any || wants_link(json_at(rows, n));
        }
        if (!has_any) {
            continue;
        }
        fprintf(stderr, "the smallest addition to %s, among the traits of %.*s, where WHO provides it:\n",
                h->options.manifest, workload.len == 0 ? 13 : (int)workload.len,
                workload.len == 0 ? "the component" : (const char *)workload.data);
        for (size_t n = 0; n < json_count(rows); n++) {
            print_link(rows, n);
        }
    }
}

static void keep_refused(dev_host *h, slice line) {
    json_value *copy;
    if (json_parse(line, &copy, NULL) == STATUS_OK) {
        h->refused = h->refused == NULL ? json_array_new() : h->refused;
        json_push(h->refused, copy);
    }
}

// --- one event ---------------------------------------------------------------------------------------------

static void show_text(dev_host *h, const json_value *v, slice line) {
    slice event = text_of(v, "event");
    if (json_get(v, "error") != NULL) {
        print("writ: ", text_of(v, "message"));
        print_links(h);
    } else if (json_get(v, "time") != NULL) {
        print_log(v);
    } else if (slice_equal_text(event, "manifest")) {
        print_findings(v);
    } else if (slice_equal_text(event, "grants")) {
        keep_refused(h, line);
    } else if (slice_equal_text(event, "serving")) {
        dev_say(CLI_TEXT, "serving", NULL, "serving %.*s", SLICE_ARG(text_of(v, "url")));
    } else if (slice_equal_text(event, "kept")) {
        dev_say(CLI_TEXT, "kept", NULL, "the change is not taken; what ran before goes on");
    }
}

bool dev_event_show(dev_host *h, slice line) {
    json_value *v = NULL;
    if (json_parse(line, &v, NULL) != STATUS_OK || !json_is_object(v)) {
        print("", line);
        json_free(v);
        return false;
    }
    slice event = text_of(v, "event");
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
