// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <string.h>

#include "base/buf.h"
#include "codec/date.h"
#include "codec/quantity.h"

enum { ERRORS_BYTES_MAX = ERR_MESSAGE_BYTES_MAX - 64 };

typedef struct parser {
    const cli_command *command;
    void *target;
    buf errors; // one line per error
    size_t error_count;
    size_t operand_count;
    bool help;
} parser;

static void complain(parser *p, const char *what, const char *subject, const char *why) {
    // A message that does not fit is dropped whole; the count still says that there was one.
    p->error_count++;
    WRIT_UNUSED status s = buf_append_format(&p->errors, "%s%s %s%s%s", p->errors.len > 0 ? "\n  " : "", what,
                                             subject, why[0] != '\0' ? ": " : "", why);
}

static size_t option_count(const cli_command *c) { return c->option_count + c->shared_count; }
static const cli_option *option_at(const cli_command *c, size_t i) {
    return i < c->option_count ? &c->options[i] : &c->shared[i - c->option_count];
}

static const cli_option *find_option(const cli_command *c, const char *name, size_t length, char letter) {
    for (size_t i = 0; i < option_count(c); i++) {
        const cli_option *o = option_at(c, i);
        if (letter != 0 ? o->letter == letter
                        : strlen(o->name) == length && memcmp(o->name, name, length) == 0) {
            return o;
        }
    }
    return NULL;
}

static void set(parser *p, const cli_option *o, const char *value) {
    err e = {0};
    if (o->set(p->target, value, &e) != STATUS_OK) {
        char subject[64];
        snprintf(subject, sizeof subject, "--%s", o->name);
        complain(p, "option", subject, e.message);
    }
}

// Handles "--name", "--name=value", "-x", "-xvalue". Returns how many arguments it used.
static int take_option(parser *p, int argc, char **argv, int at) {
    const char *text = argv[at];
    bool is_long = text[1] == '-';
    const char *name = text + (is_long ? 2 : 1);
    const char *equals = is_long ? strchr(name, '=') : NULL;
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    if ((is_long && length == 4 && memcmp(name, "help", 4) == 0) || strcmp(text, "-h") == 0) {
        p->help = true;
        return 1;
    }
    const cli_option *o = find_option(p->command, name, length, is_long ? 0 : name[0]);
    if (o == NULL) {
        complain(p, "unknown option", text, "");
        return 1;
    }
    const char *attached = equals != NULL ? equals + 1 : (!is_long && name[1] != '\0' ? name + 1 : NULL);
    if (o->value == NULL) {
        if (attached != NULL) {
            complain(p, "option", text, "takes no value");
        } else {
            set(p, o, NULL);
        }
        return 1;
    }
    if (attached == NULL && at + 1 >= argc) {
        complain(p, "option", text, "needs a value");
        return 1;
    }
    set(p, o, attached != NULL ? attached : argv[at + 1]);
    return attached != NULL ? 1 : 2;
}

static void take_operand(parser *p, const char *text, cli_setter setter, const char *kind) {
    err e = {0};
    if (setter == NULL) {
        complain(p, "unexpected argument", text, "");
    } else if (setter(p->target, text, &e) != STATUS_OK) {
        complain(p, kind, text, e.message);
    }
}

static status report(parser *p, err *e) {
    const cli_command *c = p->command;
    if (p->operand_count < c->operands_min) {
        complain(p, "missing argument; usage: writ", c->name, "");
        WRIT_UNUSED status s = buf_append_format(&p->errors, " %s", c->usage);
    }
    if (p->error_count == 0) {
        return STATUS_OK;
    }
    const char *text = buf_text(&p->errors);
    return err_set(e, STATUS_INVALID, "%s\n  (try: writ %s --help)", text == NULL ? "bad arguments" : text,
                   c->name);
}

status cli_parse(const cli_command *command, int argc, char **argv, void *target, err *e) {
    parser p = {.command = command, .target = target};
    buf_init(&p.errors, ERRORS_BYTES_MAX);
    for (int i = 0; i < argc;) {
        const char *text = argv[i];
        if (strcmp(text, "--") == 0) {
            for (i++; i < argc; i++) {
                take_operand(&p, argv[i], command->rest, "argument");
            }
        } else if (text[0] == '-' && text[1] != '\0') {
            i += take_option(&p, argc, argv, i);
        } else {
            take_operand(&p, text, p.operand_count < command->operands_max ? command->operand : NULL,
                         "argument");
            p.operand_count++;
            i++;
        }
    }
    status result = STATUS_CANCELLED;
    if (p.help) {
        cli_print_help(command, stdout);
    } else {
        result = report(&p, e);
    }
    buf_done(&p.errors);
    return result;
}

void cli_print_help(const cli_command *c, FILE *out) {
    fprintf(out, "%s\n\nUsage: writ %s %s\n", c->summary, c->name, c->usage);
    if (c->details != NULL) {
        fprintf(out, "\n%s\n", c->details);
    }
    fprintf(out, "\nOptions:\n");
    for (size_t i = 0; i < option_count(c); i++) {
        const cli_option *o = option_at(c, i);
        char left[64];
        snprintf(left, sizeof left, "%c%c%s--%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? ", " : "  ", o->name, o->value ? " " : "", o->value ? o->value : "");
        fprintf(out, "  %-38s %s\n", left, o->help);
    }
    fprintf(out, "  %-38s %s\n", "-h, --help", "show this text");
    if (c->examples != NULL) {
        fprintf(out, "\nExamples:\n%s\n", c->examples);
    }
}

status cli_parse_size(const char *text, uint64_t *ret_bytes, err *e) {
    if (!quantity_size(slice_from_text(text), ret_bytes)) {
        return err_set(e, STATUS_INVALID, "\"%.40s\" is not a size; write one such as 64M, 512k or 1G", text);
    }
    return STATUS_OK;
}

status cli_parse_duration(const char *text, uint64_t *ret_ns, err *e) {
    if (!quantity_duration(slice_from_text(text), ret_ns)) {
        return err_set(e, STATUS_INVALID, "\"%.40s\" is not a duration; write one such as 250ms, 10s or 2m",
                       text);
    }
    return STATUS_OK;
}

status cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret, err *e) {
    uint64_t value;
    if (!slice_to_u64(slice_from_text(text), &value) || value < min || value > max) {
        return err_set(e, STATUS_INVALID, "\"%.40s\" is not a number from %llu to %llu", text,
                       (unsigned long long)min, (unsigned long long)max);
    }
    *ret = value;
    return STATUS_OK;
}

status cli_parse_span(const char *text, uint64_t *ret_s, err *e) {
    if (!quantity_span(slice_from_text(text), ret_s)) {
        return err_set(e, STATUS_INVALID, "\"%.40s\" is not a span of time; write one such as 90d, 12h or 1y",
                       text);
    }
    return STATUS_OK;
}

status cli_parse_date_or_span(const char *text, uint64_t now_s, uint64_t *ret_s, err *e) {
    uint64_t value;
    if (date_parse(slice_from_text(text), &value)) {
        *ret_s = value;
        return STATUS_OK;
    }
    if (cli_parse_span(text, &value, NULL) != STATUS_OK) {
        return err_set(e, STATUS_INVALID,
                       "\"%.40s\" is neither a date nor a span of time; write one such as 2027-01-31, "
                       "2027-01-31T12:00:00Z or 90d",
                       text);
    }
    if (now_s > DATE_SECONDS_MAX || value > DATE_SECONDS_MAX - now_s) {
        return err_set(e, STATUS_INVALID, "\"%.40s\" from now on is after the year 9999", text);
    }
    *ret_s = now_s + value;
    return STATUS_OK;
}
