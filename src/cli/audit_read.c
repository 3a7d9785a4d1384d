// SPDX-License-Identifier: Apache-2.0
// writ audit show and export: the events of a log, line by line, so that its size does not matter.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/audit_internal.h"
#include "codec/date.h"
#include "codec/utf.h"
#include "os/clock.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { ROW_BYTES_MAX = 16 * AUDIT_LINE_BYTES_MAX };

// --- options ----------------------------------------------------------------------------------------------

static bool kind_matches(slice kind, const char *wanted) {
    size_t len = strlen(wanted);
    return slice_equal_text(kind, wanted) || (slice_starts_with(kind, wanted) && kind.data[len] == '.');
}

static bool is_kind(const char *wanted) {
    for (int i = 0; i < AUDIT_KIND_COUNT; i++) {
        if (kind_matches(slice_from_text(audit_kind_name((audit_kind)i)), wanted)) {
            return true;
        }
    }
    return false;
}

static status set_kind(void *target, const char *value, err *e) {
    audit_request *r = target;
    if (!is_kind(value)) {
        return err_set(e, STATUS_INVALID,
                       "\"%.40s\" is no kind of event; such as refusal, grant, workload.start, or link for "
                       "all that begin with it",
                       value);
    }
    if (r->kind_count == CLI_AUDIT_KINDS_MAX) {
        return err_set(e, STATUS_INVALID, "more than %d kinds", CLI_AUDIT_KINDS_MAX);
    }
    r->kinds[r->kind_count++] = value;
    return STATUS_OK;
}

// A date, or how long ago.
static status parse_moment(const char *text, uint64_t *ret_ms, err *e) {
    uint64_t seconds, now_s = clock_wall_now().seconds;
    if (!date_parse(slice_from_text(text), &seconds)) {
        if (cli_parse_span(text, &seconds, NULL) != STATUS_OK) {
            return err_set(
                e, STATUS_INVALID,
                "\"%.40s\" is no time: 2027-01-31, 2027-01-31T12:00:00Z, or how long ago, such as 2h", text);
        }
        seconds = seconds < now_s ? now_s - seconds : 0;
    }
    *ret_ms = seconds * 1000;
    return STATUS_OK;
}

static status set_since(void *target, const char *value, err *e) {
    return parse_moment(value, &((audit_request *)target)->since_ms, e);
}
static status set_until(void *target, const char *value, err *e) {
    return parse_moment(value, &((audit_request *)target)->until_ms, e);
}
CLI_KEEP_TEXT(set_about, audit_request, about);
CLI_TURN_ON(set_keep_going, audit_request, keeps_going);

static status set_format(void *target, const char *value, err *e) {
    audit_request *r = target;
    r->is_csv = strcmp(value, "csv") == 0;
    return r->is_csv || strcmp(value, "jsonl") == 0
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "\"%.20s\" is not a format; write jsonl or csv", value);
}

// --- filters ----------------------------------------------------------------------------------------------

static bool contains(slice text, slice part) {
    return part.len == 0 || memmem(text.data, text.len, part.data, part.len) != NULL;
}

static bool is_about(const audit_line *l, const char *part) {
    void *at = NULL;
    slice key, text;
    const json_value *value;
    while (json_next_member(l->about, &at, &key, &value)) {
        if (json_as_text(value, &text) && contains(text, slice_from_text(part))) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const audit_request *r, const audit_line *l) {
    bool kind = r->kind_count == 0;
    for (size_t i = 0; !kind && i < r->kind_count; i++) {
        kind = kind_matches(l->kind, r->kinds[i]);
    }
    return kind && l->at_ms >= r->since_ms && (r->until_ms == 0 || l->at_ms < r->until_ms) &&
           (r->about == NULL || is_about(l, r->about));
}

// --- forms ------------------------------------------------------------------------------------------------

typedef struct printer {
    const audit_request *request;
    void (*print)(const audit_line *l, uint64_t index);
    uint64_t count;
} printer;

// Rows have a maximum that no line of a log reaches.
#define PUT(call)                            \
    do {                                     \
        WRIT_UNUSED status ignored = (call); \
    } while (0)

static void flush_row(const buf *row) { fprintf(stdout, "%.*s\n", SLICE_ARG(buf_slice(row))); }

static void append_value(buf *row, const json_value *value) {
    slice text;
    int64_t number;
    if (json_as_text(value, &text)) {
        cli_append_printable(row, text);
    } else if (json_as_integer(value, &number)) {
        PUT(buf_append_format(row, "%" PRId64, number));
    }
}

static void print_text(const audit_line *l, uint64_t index) {
    (void)index;
    auto_buf row;
    buf_init(&row, ROW_BYTES_MAX);
    PUT(buf_append_format(&row, "%.*s %6" PRIu64 "  %-16.*s", SLICE_ARG(l->time), l->mark.seq,
                          SLICE_ARG(l->kind)));
    void *at = NULL;
    slice key;
    const json_value *value;
    while (json_next_member(l->about, &at, &key, &value)) {
        PUT(buf_append_text(&row, "  "));
        cli_append_printable(&row, key);
        PUT(buf_append_byte(&row, '='));
        append_value(&row, value);
    }
    PUT(buf_append_text(&row, "  by="));
    cli_append_printable(&row, l->by);
    if (l->back_ms > 0) {
        PUT(buf_append_format(&row, "  (clock set back by %" PRIu64 " ms)", l->back_ms));
    }
    flush_row(&row);
}

static void print_json_member(const audit_line *l, uint64_t index) {
    printf("%s\n%.*s", index == 0 ? "" : ",", SLICE_ARG(l->text));
}

static void print_json_line(const audit_line *l, uint64_t index) {
    (void)index;
    printf("%.*s\n", SLICE_ARG(l->text));
}

// RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe in front.
static void append_csv(buf *row, slice text) {
    bool is_formula = text.len > 0 && strchr("=+-@\t\r", text.data[0]) != NULL;
    PUT(buf_append_text(row, is_formula ? ",\"'" : ",\""));
    for (size_t i = 0; i < text.len; i++) {
        PUT(buf_append_text(row, text.data[i] == '"' ? "\"" : ""));
        PUT(buf_append_byte(row, text.data[i]));
    }
    PUT(buf_append_byte(row, '"'));
}

static void print_csv(const audit_line *l, uint64_t index) {
    auto_buf row, about;
    char hash[HASH_HEX_BYTES];
    buf_init(&row, ROW_BYTES_MAX);
    buf_init(&about, ROW_BYTES_MAX);
    if (index == 0) {
        puts("seq,time,back_ms,kind,host,by,about,hash");
    }
    PUT(buf_append_format(&row, "%" PRIu64, l->mark.seq));
    append_csv(&row, l->time);
    PUT(buf_append_format(&row, ",%" PRIu64, l->back_ms));
    append_csv(&row, l->kind);
    append_csv(&row, l->host);
    append_csv(&row, l->by);
    PUT(json_write(l->about, 0, &about));
    append_csv(&row, buf_slice(&about));
    hash_hex(l->mark.hash, hash);
    append_csv(&row, slice_from_text(hash));
    flush_row(&row);
}

// --- reading ----------------------------------------------------------------------------------------------

static void warn(const err *why) {
    auto_buf line;
    buf_init(&line, 16 * ERR_MESSAGE_BYTES_MAX);
    cli_append_printable(&line, slice_from_text(why->message));
    fprintf(stderr, "writ: %.*s\n", SLICE_ARG(buf_slice(&line)));
}

// The first fault is what the command fails with; a reader that goes on tells the others as they come.
static status print_lines(printer *p, audit_reader *reader, err *e) {
    status result = STATUS_OK;
    for (;;) {
        audit_line l;
        audit_fault fault;
        err why = {0};
        status s = audit_reader_next(reader, &l, &fault, &why);
        if (s != STATUS_NOT_FOUND && s != STATUS_OK && s != STATUS_DENIED) {
            *e = why;
            return s;
        }
        if (s == STATUS_DENIED && result == STATUS_OK) {
            result = audit_tell_fault(&fault, e);
        } else if (s == STATUS_DENIED) {
            WRIT_UNUSED status told = audit_tell_fault(&fault, &why);
            warn(&why);
        }
        if (l.root != NULL && is_wanted(p->request, &l)) {
            p->print(&l, p->count++);
        }
        audit_line_done(&l);
        if (s == STATUS_NOT_FOUND || (s == STATUS_DENIED && !p->request->keeps_going)) {
            return result;
        }
    }
}

static status read_log(printer *p, err *e) {
    const audit_request *r = p->request;
    nkey_public key;
    audit_reader *reader = NULL;
    err why = {0};
    status has_key = audit_signer(r, &key, &why);
    if (has_key != STATUS_OK && r->key != NULL) {
        *e = why;
        return has_key;
    }
    if (has_key != STATUS_OK) {
        fputs("writ: signatures are not checked: ", stderr);
        fprintf(stderr, "%s\n", why.message);
    }
    audit_reader_options o = {.path = r->file,
                              .key = has_key == STATUS_OK ? &key : NULL,
                              .anchor = r->has_anchor ? &r->anchor : NULL,
                              .is_lenient = r->keeps_going,
                              .wait_ms = CLI_AUDIT_WAIT_MS};
    TRY(audit_reader_open(&o, &reader, e));
    status done = print_lines(p, reader, e);
    audit_reader_close(reader);
    return done;
}

static status show(const audit_request *r, err *e) {
    printer p = {.request = r, .print = r->output == CLI_JSON ? print_json_member : print_text};
    if (r->output == CLI_JSON) {
        fputs("{\"events\": [", stdout);
    }
    status done = read_log(&p, e);
    if (r->output == CLI_JSON) {
        puts(p.count == 0 ? "]}" : "\n]}");
    }
    return done;
}

static status export_lines(const audit_request *r, err *e) {
    printer p = {.request = r, .print = r->is_csv ? print_csv : print_json_line};
    return read_log(&p, e);
}

// --- commands ---------------------------------------------------------------------------------------------

#define OPTION_KIND \
    { "kind", 0, "KIND", "events of this kind, or whose kind begins with it; repeatable", set_kind }
#define OPTION_ABOUT \
    { "about", 0, "TEXT", "events one of whose texts contains this", set_about }
#define OPTION_SINCE \
    { "since", 0, "TIME", "from this date on, or from so long ago on, such as 2h", set_since }
#define OPTION_UNTIL \
    { "until", 0, "TIME", "before this date, or until so long ago", set_until }
#define OPTION_KEEP_GOING \
    { "keep-going", 0, NULL, "go on after lines that are wrong, and name each", set_keep_going }

static const cli_option show_options[] = {
    OPTION_KIND,
    OPTION_ABOUT,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_KEEP_GOING,
    AUDIT_OPTION_KEY,
    AUDIT_OPTION_ANCHOR,
    CLI_OPTION_KEYS(audit_set_keys),
    CLI_OPTION_OUTPUT(audit_set_output),
};
static const cli_command show_command = {
    .name = "audit show",
    .usage = "[OPTIONS] FILE",
    .summary = "Print the events of an audit log for people, one per line.",
    .details = "Checks the log on the way and stops at the first line that is wrong (exit code 3).",
    .options = show_options,
    .option_count = COUNT(show_options),
    .examples = "  writ audit show audit.log\n"
                "  writ audit show --kind refusal --kind link --about orders --since 2h audit.log",
    .operands_min = 1,
    .operands_max = 1,
    .operand = audit_set_file,
};
int audit_show_main(int argc, char **argv) { return audit_run(&show_command, argc, argv, show); }

static const cli_option export_options[] = {
    {"format", 0, "jsonl|csv", "the lines as they are, or a table (jsonl)", set_format},
    OPTION_KIND,
    OPTION_ABOUT,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_KEEP_GOING,
    AUDIT_OPTION_KEY,
    AUDIT_OPTION_ANCHOR,
    CLI_OPTION_KEYS(audit_set_keys),
    CLI_OPTION_OUTPUT(audit_set_output),
};
static const cli_command export_command = {
    .name = "audit export",
    .usage = "[OPTIONS] FILE",
    .summary = "Print the events of an audit log as JSON lines, byte for byte, or as CSV.",
    .details = "Checks the log on the way and stops at the first line that is wrong (exit code 3).\n"
               "-o json writes messages as JSON; the events are in the --format.",
    .options = export_options,
    .option_count = COUNT(export_options),
    .examples =
        "  writ audit export audit.log | jq .kind\n  writ audit export --format csv audit.log > audit.csv",
    .operands_min = 1,
    .operands_max = 1,
    .operand = audit_set_file,
};
int audit_export_main(int argc, char **argv) { return audit_run(&export_command, argc, argv, export_lines); }
