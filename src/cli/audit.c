// SPDX-License-Identifier: Apache-2.0
// writ audit: checking the audit log of a host, reading it, and writing notes into it.
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "audit/audit.h"
#include "cli/audit_internal.h"
#include "cli/group.h"
#include "cli/key_option.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

// --- what they share --------------------------------------------------------------------------------------

int audit_run(const cli_command *command, int argc, char **argv, audit_act act) {
    audit_request r = {0};
    err e = {0};
    status parsed = cli_parse(command, argc, argv, &r, &e);
    if (parsed != STATUS_OK) {
        return parsed == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, r.output), CLI_EXIT_USAGE);
    }
    return act(&r, &e) == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, r.output);
}

status audit_set_file(void *target, const char *value, err *e) {
    audit_request *r = target;
    (void)e;
    *(r->file == NULL ? &r->file : &r->text) = value;
    return STATUS_OK;
}

status audit_set_key(void *target, const char *value, err *e) {
    (void)e;
    ((audit_request *)target)->key = value;
    return STATUS_OK;
}

status audit_set_keys(void *target, const char *value, err *e) {
    (void)e;
    ((audit_request *)target)->keys_dir = value;
    return STATUS_OK;
}

status audit_set_anchor(void *target, const char *value, err *e) {
    audit_request *r = target;
    r->has_anchor = true;
    return audit_mark_parse(slice_from_text(value), &r->anchor)
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "\"%.100s\" is no place in a log: the number of a line, \":\" and its SHA-256 in 64 "
                         "lower-case digits, as writ audit verify prints the last one",
                         value);
}

status audit_set_output(void *target, const char *value, err *e) {
    return cli_parse_output(value, &((audit_request *)target)->output, e);
}

status audit_signer(const audit_request *r, nkey_public *ret, err *e) {
    status found = cli_public_key(r->key == NULL ? CLI_AUDIT_KEY : r->key, r->keys_dir, ret, e);
    return found == STATUS_NOT_FOUND && r->key == NULL
               ? err_set(e, found,
                         "there is no stored key " CLI_AUDIT_KEY
                         " here, so name the public key of the host that wrote the log: --key N...")
               : found;
}

status audit_tell_fault(const audit_fault *f, err *e) {
    char number[48] = "";
    if (f->seq > 0) {
        snprintf(number, sizeof number, " (number %" PRIu64 ")", f->seq);
    }
    return err_set(e, STATUS_DENIED, "%s line %" PRIu64 "%s: %s: %s", f->file, f->line, number,
                   audit_rule_name(f->rule), f->message);
}

// --- verify -----------------------------------------------------------------------------------------------

static json_value *fault_json(const audit_fault *f) {
    json_value *fault = json_object_new();
    json_put_text(fault, "rule", slice_from_text(audit_rule_name(f->rule)));
    json_put_text(fault, "file", slice_from_text(f->file));
    json_put_integer(fault, "line", (int64_t)f->line);
    json_put(fault, "seq", f->seq > 0 ? json_integer_new((int64_t)f->seq) : json_null_new());
    json_put_text(fault, "message", slice_from_text(f->message));
    return fault;
}

static void print_json(const audit_request *r, const nkey_public *key, const audit_summary *s,
                       const audit_fault *fault) {
    char mark[AUDIT_MARK_TEXT_BYTES];
    json_value *document = json_object_new();
    json_put_text(document, "log", slice_from_text(r->file));
    json_put_bool(document, "valid", fault == NULL);
    json_put_text(document, "host", slice_from_text(nkey_public_text(key).text));
    json_put_integer(document, "lines", (int64_t)s->lines);
    json_put_integer(document, "files", (int64_t)s->files);
    json_put_integer(document, "first", (int64_t)s->first_seq);
    json_put_text(document, "last", slice_from_text(audit_mark_text(&s->last, mark)));
    json_put_integer(document, "clock_set_back", (int64_t)s->clock_backs);
    json_put(document, "fault", fault == NULL ? json_null_new() : fault_json(fault));
    cli_print_json(document);
}

static void print_good(const audit_request *r, const nkey_public *key, const audit_summary *s) {
    char mark[AUDIT_MARK_TEXT_BYTES];
    auto_buf name;
    buf_init(&name, 1 << 16);
    cli_append_printable(&name, slice_from_text(r->file));
    printf("%.*s: good\n", SLICE_ARG(buf_slice(&name)));
    printf("  lines  %" PRIu64 " in %" PRIu64 " file%s, numbers %" PRIu64 " to %" PRIu64 "\n", s->lines,
           s->files, s->files == 1 ? "" : "s", s->first_seq, s->last.seq);
    printf("  host   %s\n", nkey_public_text(key).text);
    printf("  last   %s\n", audit_mark_text(&s->last, mark));
    if (s->clock_backs > 0) {
        printf("  the clock was set back before %" PRIu64 " line%s\n", s->clock_backs,
               s->clock_backs == 1 ? "" : "s");
    }
}

static status read_all(audit_reader *reader, audit_fault *fault, err *e) {
    status s;
    do {
        audit_line line;
        s = audit_reader_next(reader, &line, fault, e);
        audit_line_done(&line);
    } while (s == STATUS_OK);
    return s;
}

static status verify(const audit_request *r, err *e) {
    nkey_public key;
    audit_reader *reader = NULL;
    audit_fault fault;
    TRY(audit_signer(r, &key, e));
    audit_reader_options o = {.path = r->file,
                              .key = &key,
                              .anchor = r->has_anchor ? &r->anchor : NULL,
                              .wait_ms = CLI_AUDIT_WAIT_MS};
    TRY(audit_reader_open(&o, &reader, e));
    status end = read_all(reader, &fault, e);
    audit_summary sum = audit_reader_summary(reader);
    audit_reader_close(reader);
    if (end != STATUS_NOT_FOUND && end != STATUS_DENIED) {
        return end;
    }
    if (r->output == CLI_JSON) {
        print_json(r, &key, &sum, end == STATUS_DENIED ? &fault : NULL);
    } else if (end == STATUS_NOT_FOUND) {
        print_good(r, &key, &sum);
    }
    return end == STATUS_DENIED ? audit_tell_fault(&fault, e) : STATUS_OK;
}

static const cli_option verify_options[] = {
    AUDIT_OPTION_KEY,
    AUDIT_OPTION_ANCHOR,
    CLI_OPTION_KEYS(audit_set_keys),
    CLI_OPTION_OUTPUT(audit_set_output),
};
static const cli_command verify_command = {
    .name = "audit verify",
    .usage = "[OPTIONS] FILE",
    .summary = "Check every line of an audit log: its number, its chain, its signature; and the log's end.",
    .details =
        "Names the first line that was edited, removed, reordered, inserted or cut off. Prints the last "
        "line\n"
        "as SEQ:HASH: noted on another machine and given to --anchor later, it also shows when log and head\n"
        "were put back together, or written anew with the host's key. Exit codes: 0 good, 3 not, 5 there is\n"
        "no log or no key.",
    .options = verify_options,
    .option_count = COUNT(verify_options),
    .examples = "  writ audit verify /var/lib/writ/audit.log\n"
                "  writ audit verify --key NCK5... -o json copy/audit.log",
    .operands_min = 1,
    .operands_max = 1,
    .operand = audit_set_file,
};
static int verify_main(int argc, char **argv) { return audit_run(&verify_command, argc, argv, verify); }

// --- note -------------------------------------------------------------------------------------------------

static status write_note(const audit_request *r, const nkey *key, err *e) {
    char by[32];
    audit *a = NULL;
    audit_options o = {.path = r->file, .key = key, .by = by};
    snprintf(by, sizeof by, "uid:%u", (unsigned)geteuid());
    TRY(audit_open(&o, &a, e));
    status written = audit_event(a, e, AUDIT_NOTE, audit_text("text", r->text));
    audit_mark last = audit_last(a);
    audit_close(a);
    TRY(written);
    char mark[AUDIT_MARK_TEXT_BYTES];
    audit_mark_text(&last, mark);
    if (r->output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "last", slice_from_text(mark));
        cli_print_json(document);
    } else {
        printf("%s\n", mark);
    }
    return STATUS_OK;
}

static status note(const audit_request *r, err *e) {
    nkey *key = NULL;
    bool made;
    TRY(cli_key_load_or_make(r->key == NULL ? CLI_AUDIT_KEY : r->key, NKEY_SERVER, r->keys_dir, &key, &made,
                             e));
    status done = write_note(r, key, e);
    nkey_free(key);
    return done;
}

static const cli_option note_options[] = {
    {"key", 0, "NAME", "the stored key, or key file, that signs (host, made when it is missing)",
     audit_set_key},
    CLI_OPTION_KEYS(audit_set_keys),
    CLI_OPTION_OUTPUT(audit_set_output),
};
static const cli_command note_command = {
    .name = "audit note",
    .usage = "[OPTIONS] FILE TEXT",
    .summary =
        "Write a note into an audit log, for those who read it later; begins a log where there is none.",
    .details = "Also while hosts write the log: they take turns. Prints the place of the line as SEQ:HASH.",
    .options = note_options,
    .option_count = COUNT(note_options),
    .examples = "  writ audit note /var/lib/writ/audit.log \"disk replaced, log restored from backup\"",
    .operands_min = 2,
    .operands_max = 2,
    .operand = audit_set_file,
};
static int note_main(int argc, char **argv) { return audit_run(&note_command, argc, argv, note); }

// --- the group --------------------------------------------------------------------------------------------

static const cli_member members[] = {
    {"verify", "check every line of a log, and its end", verify_main},
    {"show", "print events for people, by kind, text and time", audit_show_main},
    {"export", "print events as JSON lines or CSV", audit_export_main},
    {"note", "write a note into a log", note_main},
};

static const cli_group group = {
    .name = "audit",
    .summary = "The audit log of a host: what it started, allowed and refused, chained and signed.",
    .members = members,
    .member_count = COUNT(members),
    .examples = "  writ audit verify audit.log\n  writ audit show --kind refusal --since 1d audit.log",
};

int cli_audit(int argc, char **argv) { return cli_group_run(&group, argc, argv); }
