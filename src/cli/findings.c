// SPDX-License-Identifier: Apache-2.0
#include "cli/findings.h"

static void print_line(FILE *out, const char *file, const problem *p) {
    bool colour = cli_use_colour(fileno(out));
    auto_buf line;
    buf_init(&line, 16 * PROBLEM_TEXT_BYTES_MAX);
    cli_append_printable(&line, slice_from_text(file));
    if (buf_append_format(&line, ":%u:%u: %s%s:%s ", p->at.line, p->at.column,
                          !colour         ? ""
                          : p->is_warning ? "\033[33m"
                                          : "\033[31m",
                          p->is_warning ? "warning" : "error", colour ? "\033[0m" : "") != STATUS_OK) {
        return;
    }
    cli_append_printable(&line, slice_from_text(p->message));
    if (p->advice[0] != '\0' && buf_append_text(&line, "; ") == STATUS_OK) {
        cli_append_printable(&line, slice_from_text(p->advice));
    }
    fprintf(out, "%.*s\n", SLICE_ARG(buf_slice(&line)));
}

void findings_print(FILE *out, const char *file, const problems *found) {
    for (const problem *p = found->first; p != NULL; p = p->next) {
        print_line(out, file, p);
    }
    size_t more = found->error_count + found->warning_count - found->kept;
    if (more > 0) {
        fprintf(out, "%zu more are not shown\n", more);
    }
}

json_value *findings_json(const problems *found) {
    json_value *list = json_array_new();
    for (const problem *p = found->first; p != NULL; p = p->next) {
        json_value *row = json_object_new();
        json_put_text(row, "level", slice_from_text(p->is_warning ? "warning" : "error"));
        json_put_integer(row, "line", p->at.line);
        json_put_integer(row, "column", p->at.column);
        json_put_text(row, "rule", slice_from_text(p->rule));
        json_put_text(row, "message", slice_from_text(p->message));
        json_put_text(row, "advice", slice_from_text(p->advice));
        json_push(list, row);
    }
    return list;
}
