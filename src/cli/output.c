// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "codec/utf.h"

enum { OUTPUT_BYTES_MAX = 64 << 20 };

status cli_parse_output(const char *text, cli_output *ret, err *e) {
    if (strcmp(text, "json") == 0) {
        *ret = CLI_JSON;
    } else if (strcmp(text, "text") == 0) {
        *ret = CLI_TEXT;
    } else {
        return err_set(e, STATUS_INVALID, "\"%.20s\" is not a format; write text or json", text);
    }
    return STATUS_OK;
}

static int exit_code(status code) {
    switch (code) {
    case STATUS_OK:
        return CLI_EXIT_OK;
    case STATUS_DENIED:
        return CLI_EXIT_REFUSED;
    case STATUS_INVALID:
    case STATUS_UNSUPPORTED:
        return CLI_EXIT_INVALID;
    case STATUS_NOT_FOUND:
    case STATUS_EXISTS:
    case STATUS_LIMIT:
    case STATUS_IO:
        return CLI_EXIT_ENVIRONMENT;
    default:
        return CLI_EXIT_FAILED;
    }
}

// The line feeds of a message are its own: what is quoted in it has none.
static void print_lines(slice text) {
    for (size_t at = 0; at <= text.len;) {
        size_t end = slice_find(text, at, '\n');
        end = end == SIZE_MAX ? text.len : end;
        auto_buf line;
        buf_init(&line, 8 * ERR_MESSAGE_BYTES_MAX);
        cli_append_printable(&line, slice_sub(text, at, end));
        fprintf(stderr, "%.*s\n", SLICE_ARG(buf_slice(&line)));
        at = end + 1;
    }
}

int cli_fail(const err *e, cli_output output) {
    if (output == CLI_JSON) {
        auto_buf text;
        buf_init(&text, OUTPUT_BYTES_MAX);
        json_value *document = json_object_new();
        json_put_text(document, "error", slice_from_text(status_name(e->code)));
        json_put_text(document, "message", slice_from_text(e->message));
        if (json_write(document, 0, &text) == STATUS_OK) {
            fprintf(stderr, "%.*s\n", SLICE_ARG(buf_slice(&text)));
        }
        json_free(document);
    } else {
        bool colour = cli_use_colour(STDERR_FILENO);
        fprintf(stderr, "%swrit:%s ", colour ? "\033[31m" : "", colour ? "\033[0m" : "");
        print_lines(slice_from_text(e->message));
    }
    return exit_code(e->code);
}

void cli_print_json(json_value *document) {
    auto_buf text;
    buf_init(&text, OUTPUT_BYTES_MAX);
    if (json_write(document, 2, &text) == STATUS_OK) {
        fwrite(text.data, 1, text.len, stdout);
        fputc('\n', stdout);
    }
    json_free(document);
}

void cli_print_json_line(json_value *document, FILE *out) {
    auto_buf text;
    buf_init(&text, OUTPUT_BYTES_MAX);
    if (json_write(document, 0, &text) == STATUS_OK) {
        fprintf(out, "%.*s\n", SLICE_ARG(buf_slice(&text)));
    }
    json_free(document);
}

void cli_append_printable(buf *line, slice text) {
    while (text.len > 0) {
        // Long enough for one character and its escape.
        char shown[16];
        uint32_t at = 0, code, len = text.len < 4 ? (uint32_t)text.len : 4;
        bool is_good = utf8_next(text.data, len, &at, &code);
        at = is_good ? at : 1;
        if (buf_append_text(line, utf8_shown(slice_sub(text, 0, at), shown, sizeof shown)) != STATUS_OK) {
            return;
        }
        text = slice_sub(text, at, text.len);
    }
}

bool cli_use_colour(int fd) {
    const char *no_colour = getenv("NO_COLOR");
    return isatty(fd) && (no_colour == NULL || no_colour[0] == '\0');
}
