// SPDX-License-Identifier: Apache-2.0
// writ secrets list and show: names, fields, versions, dates.
#include <stdio.h>

#include "cli/secrets_internal.h"
#include "codec/date.h"
#include "identity/secret_file.h"
#include "os/clock.h"

enum { LINE_BYTES_MAX = 8192 };
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const cli_option options[] = {SECRETS_OPTIONS};

static const cli_command list_command = {
    .name = "secrets list",
    .usage = "[OPTIONS]",
    .summary = "Show the names of secrets, their newest versions and when they were set. Never values.",
    .options = options,
    .option_count = COUNT(options),
    .examples = "  writ secrets list\n  writ secrets list -o json",
};
static const cli_command show_command = {
    .name = "secrets show",
    .usage = "[OPTIONS] NAME",
    .summary = "Show the fields and versions of a secret, and until when old ones are valid. Never values.",
    .options = options,
    .option_count = COUNT(options),
    .examples = "  writ secrets show api-key",
    .operands_min = 1,
    .operands_max = 1,
    .operand = secrets_set_name,
};

static const char *kind_name(secret_kind k) { return k == SECRET_TEXT ? "text" : "bytes"; }
static bool is_over(const secret_version *v, uint64_t now_s) {
    return v->until_s != 0 && now_s >= v->until_s;
}

// --- JSON -------------------------------------------------------------------------------------------------

static json_value *version_json(const secret_version *v) {
    char date[DATE_TEXT_BYTES];
    json_value *row = json_object_new(), *fields = json_array_new();
    json_put_integer(row, "version", (int64_t)v->number);
    json_put_text(row, "set", slice_from_text(date_text(v->made_s, date)));
    json_put(row, "until",
             v->until_s != 0 ? json_text(slice_from_text(date_text(v->until_s, date))) : json_null_new());
    for (size_t i = 0; i < v->field_count; i++) {
        json_value *field = json_object_new();
        slice name = v->fields[i].name;
        json_put(field, "field", name.len > 0 ? json_text(name) : json_null_new());
        json_put_text(field, "kind", slice_from_text(kind_name(v->fields[i].kind)));
        json_push(fields, field);
    }
    json_put(row, "fields", fields);
    return row;
}

static json_value *record_json(const secret_record *r, uint64_t now_s) {
    json_value *row = json_object_new(), *versions = json_array_new();
    json_put_text(row, "name", r->name);
    json_put_integer(row, "version", (int64_t)r->versions[r->version_count - 1].number);
    for (size_t i = r->version_count; i > 0; i--) {
        if (!is_over(&r->versions[i - 1], now_s)) {
            json_push(versions, version_json(&r->versions[i - 1]));
        }
    }
    json_put(row, "versions", versions);
    return row;
}

static void list_json(const secret_file *f, uint64_t now_s) {
    char date[DATE_TEXT_BYTES];
    json_value *document = json_object_new(), *rows = json_array_new();
    for (size_t i = 0; i < f->record_count; i++) {
        json_push(rows, record_json(&f->records[i], now_s));
    }
    json_put_integer(document, "change", (int64_t)f->generation);
    json_put(document, "changed",
             f->generation > 0 ? json_text(slice_from_text(date_text(f->changed_s, date))) : json_null_new());
    json_put_bool(document, "passphrase", f->lock == SECRET_LOCK_PASSPHRASE);
    json_put(document, "secrets", rows);
    cli_print_json(document);
}

// --- text -------------------------------------------------------------------------------------------------

static void print_version(const secret_version *v, uint64_t now_s) {
    char set[DATE_TEXT_BYTES], until[DATE_TEXT_BYTES];
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    if (is_over(v, now_s)) {
        return;
    }
    for (size_t i = 0; i < v->field_count; i++) {
        slice name = v->fields[i].name;
        WRIT_UNUSED status full = buf_append_format(&line, "%s%.*s%s%s", i > 0 ? ", " : "", SLICE_ARG(name),
                                                    name.len > 0 ? " " : "", kind_name(v->fields[i].kind));
    }
    printf("version %-6llu set %s  %.*s%s%s\n", (unsigned long long)v->number, date_text(v->made_s, set),
           SLICE_ARG(buf_slice(&line)), v->until_s != 0 ? "  valid until " : "",
           v->until_s != 0 ? date_text(v->until_s, until) : "");
}

static void print_row(const secret_record *r, int width, uint64_t now_s) {
    const secret_version *newest = &r->versions[r->version_count - 1];
    char date[DATE_TEXT_BYTES];
    size_t older = 0;
    for (size_t i = 0; i + 1 < r->version_count; i++) {
        older += !is_over(&r->versions[i], now_s);
    }
    printf("%-*.*s  version %-6llu set %s", width, (int)r->name.len, (const char *)r->name.data,
           (unsigned long long)newest->number, date_text(newest->made_s, date));
    if (older > 0) {
        printf("  %zu older still valid", older);
    }
    printf("\n");
}

static void list_text(const secret_file *f, uint64_t now_s) {
    int width = 0;
    for (size_t i = 0; i < f->record_count; i++) {
        width = (int)f->records[i].name.len > width ? (int)f->records[i].name.len : width;
    }
    for (size_t i = 0; i < f->record_count; i++) {
        print_row(&f->records[i], width, now_s);
    }
    if (f->record_count == 0) {
        fprintf(stderr, "writ: there are no secrets there yet; writ secrets set NAME stores one\n");
    }
}

// --- the commands -----------------------------------------------------------------------------------------

static status list(const secrets_request *r, err *e) {
    secret_store *store = NULL;
    uint64_t now_s = clock_wall_now().seconds;
    TRY(secrets_open(r, false, &store, e));
    (r->output == CLI_JSON ? list_json : list_text)(secret_store_content(store), now_s);
    secret_store_close(store);
    return STATUS_OK;
}

static status show_record(const secrets_request *r, const secret_file *f, err *e) {
    uint64_t now_s = clock_wall_now().seconds;
    const secret_record *record = secret_file_find(f, r->name);
    if (record == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "there is no secret %s; writ secrets list shows those that are",
                       r->name);
    }
    if (r->output == CLI_JSON) {
        cli_print_json(record_json(record, now_s));
        return STATUS_OK;
    }
    for (size_t i = record->version_count; i > 0; i--) {
        print_version(&record->versions[i - 1], now_s);
    }
    return STATUS_OK;
}

static status show(const secrets_request *r, err *e) {
    secret_store *store = NULL;
    TRY(secrets_open(r, false, &store, e));
    status s = show_record(r, secret_store_content(store), e);
    secret_store_close(store);
    return s;
}

int secrets_list(int argc, char **argv) { return secrets_run(&list_command, argc, argv, list); }
int secrets_show(int argc, char **argv) { return secrets_run(&show_command, argc, argv, show); }
