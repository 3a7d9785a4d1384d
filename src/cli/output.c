// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"

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
        fprintf(stderr, "%swrit:%s %s\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "", e->message);
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

void cli_append_printable(buf *line, slice text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool control = c < 0x20 || c == 0x7f;
        status s = control ? buf_append_format(line, "\\x%02x", c) : buf_append_byte(line, c);
        if (s != STATUS_OK) {
            return;
        }
    }
}

bool cli_use_colour(int fd) {
    const char *no_colour = getenv("NO_COLOR");
    return isatty(fd) && (no_colour == NULL || no_colour[0] == '\0');
}
