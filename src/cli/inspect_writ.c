// SPDX-License-Identifier: Apache-2.0
#include "cli/inspect_writ.h"

#include "cli/cli.h"
#include "codec/date.h"
#include "codec/utf.h"

enum { LINE_BYTES_MAX = 16 << 10, NAME_BYTES_SHOWN = 200 };

// --- what is found -----------------------------------------------------------------------------------------

// Whether writ and trust allow an import, believed or not. `*ret_entry` is the entry of the writ that does,
// or NULL.
static bool allows(const writ_report *r, const component_item *item, const allowance_entry **ret_entry,
                   err *e) {
    const token_claims *c = vetting_claims(&r->vetting);
    const trust_answer *trust = &r->vetting.found.trust;
    slice name;
    semver version = {0};
    const semver *v = component_name_split(component_item_interface(item), &name, &version) ? &version : NULL;
    size_t from = 0;
    *ret_entry = c->has_allowance ? allowance_find(&c->allow, name, v, &from) : NULL;
    if (c->has_allowance && *ret_entry == NULL) {
        err_set(e, STATUS_DENIED, "its writ does not name %.*s",
                SLICE_ARG(slice_sub(component_item_interface(item), 0, 200)));
        return false;
    }
    if (trust->has_allowance && !allowance_covers(&trust->allow, name, v)) {
        err_set(e, STATUS_DENIED, "this host does not trust its issuer with %.*s",
                SLICE_ARG(slice_sub(component_item_interface(item), 0, 200)));
        return false;
    }
    return true;
}

static void check_imports(writ_report *r) {
    const allowance_entry *entry;
    for (size_t i = 0; r->runs && vetting_claims(&r->vetting) != NULL && i < component_import_count(r->c);
         i++) {
        if (!allows(r, component_import_at(r->c, i), &entry, &r->why_not)) {
            r->runs = r->runs_with_unsigned = false;
            r->reason = refusal_name(REFUSAL_NOT_ALLOWED);
        }
    }
}

void writ_report_make(const component *c, const host_config *config, slice bytes, uint64_t now_s,
                      writ_report *ret) {
    *ret = (writ_report){.c = c, .reason = ""};
    workload_config asking = config->workloads[0]; // borrows everything
    vetting_examine(config, &asking, bytes, now_s, &ret->vetting);
    asking.is_unsigned = true;
    ret->runs_with_unsigned = vetting_check(&ret->vetting, config, &asking, NULL) == STATUS_OK;
    asking.is_unsigned = false;
    ret->runs = vetting_check(&ret->vetting, config, &asking, &ret->why_not) == STATUS_OK;
    if (!ret->runs) {
        ret->reason =
            ret->vetting.host_error.code != STATUS_OK ? "host" : refusal_name(ret->vetting.found.reason);
    }
    check_imports(ret);
}

void writ_report_done(writ_report *r) { vetting_done(&r->vetting); }

// --- as JSON -----------------------------------------------------------------------------------------------

static slice format_entry(const allowance_entry *entry, buf *text) {
    buf_init(text, LINE_BYTES_MAX);
    return allowance_entry_format(entry, text) == STATUS_OK ? buf_slice(text) : slice_from_text("(too long)");
}

static json_value *imports_json(const writ_report *r) {
    json_value *rows = json_array_new();
    for (size_t i = 0; i < component_import_count(r->c); i++) {
        const component_item *item = component_import_at(r->c, i);
        const allowance_entry *entry;
        err e = {0};
        bool allowed = allows(r, item, &entry, &e);
        json_value *row = json_object_new();
        json_put_text(row, "name", item->name);
        if (item->implements.len > 0) {
            json_put_text(row, "implements", item->implements);
        }
        json_put_bool(row, "allowed", allowed);
        if (!allowed) {
            json_put_text(row, "why_not", slice_from_text(e.message));
        }
        if (entry != NULL) {
            auto_buf text;
            json_put_text(row, "entry", format_entry(entry, &text));
        }
        json_push(rows, row);
    }
    return rows;
}

static json_value *here_json(const writ_report *r) {
    const vetting *v = &r->vetting;
    json_value *here = json_object_new();
    json_put_bool(here, "runs", r->runs);
    json_put_bool(here, "runs_with_unsigned", r->runs_with_unsigned);
    json_put_bool(here, "locked", v->settings.is_locked);
    if (!r->runs) {
        json_put_text(here, "reason", slice_from_text(r->reason));
        json_put_text(here, "message", slice_from_text(r->why_not.message));
    }
    if (v->trust_path != NULL) {
        json_put_text(here, "trust_store", slice_from_text(v->trust_path));
    }
    if (v->found.trust.believed != NULL) {
        json_put_text(here, "trusted_as", v->found.trust.believed->note);
    }
    return here;
}

json_value *writ_report_json(const writ_report *r) {
    const token_claims *c = vetting_claims(&r->vetting);
    json_value *writ = json_object_new();
    json_put_bool(writ, "signed", vetting_is_signed(&r->vetting));
    if (c != NULL) {
        json_put(writ, "token", token_to_json(c));
        json_value *chain = json_array_new();
        for (size_t i = 0; i < r->vetting.found.chain_count; i++) {
            json_push(chain, token_to_json(&r->vetting.found.chain[i]));
        }
        json_put(writ, "chain", chain);
        if (c->has_allowance) {
            json_put(writ, "allow", allowance_to_json(&c->allow));
        }
        json_put(writ, "imports", imports_json(r));
    }
    json_put(writ, "here", here_json(r));
    return writ;
}

// --- as text -----------------------------------------------------------------------------------------------

static void print_text(FILE *out, const char *label, slice text, const char *more) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, text);
    fprintf(out, "  %-8s %.*s%s\n", label, SLICE_ARG(buf_slice(&line)), more);
}

static void print_key(FILE *out, const char *label, const nkey_public *key) {
    print_text(out, label, slice_from_text(nkey_public_text(key).text), "");
}

static void print_validity(FILE *out, const char *label, const token_claims *c) {
    char begin[DATE_TEXT_BYTES], end[DATE_TEXT_BYTES];
    fprintf(out, "  %-8s from %s %s%s\n", label,
            date_text(c->has_not_before ? c->not_before_s : c->issued_at_s, begin),
            c->has_expiry ? "until " : "on, without end",
            c->has_expiry ? date_text(c->expires_at_s, end) : "");
}

static void print_chain(const writ_report *r, FILE *out) {
    for (size_t i = 0; i < r->vetting.found.chain_count; i++) {
        const token_claims *c = &r->vetting.found.chain[i];
        char more[160];
        (void)snprintf(more, sizeof more, " (%s), vouched for by %s", token_kind_name(c->kind),
                       nkey_public_text(&c->issuer).text);
        print_text(out, i == 0 ? "chain" : "", slice_sub(c->name, 0, NAME_BYTES_SHOWN), more);
        print_key(out, "", &c->subject);
        print_validity(out, "", c);
    }
}

static void print_allowance(const token_claims *c, FILE *out) {
    if (!c->has_allowance) {
        fprintf(out, "  %-8s anything: its token has no allow-list\n", "allows");
    } else if (c->allow.count == 0) {
        fprintf(out, "  %-8s nothing\n", "allows");
    }
    for (size_t i = 0; c->has_allowance && i < c->allow.count; i++) {
        auto_buf text;
        print_text(out, i == 0 ? "allows" : "", format_entry(&c->allow.entries[i], &text), "");
    }
}

static int width_of_imports(const component *c) {
    enum { WIDTH_MAX = 60 };
    size_t width = 0;
    for (size_t i = 0; i < component_import_count(c); i++) {
        size_t len = component_item_interface(component_import_at(c, i)).len;
        width = len > width ? len : width;
    }
    return width < WIDTH_MAX ? (int)width : WIDTH_MAX;
}

static void print_imports(const writ_report *r, FILE *out) {
    bool colour = cli_use_colour(fileno(out));
    int width = width_of_imports(r->c);
    for (size_t i = 0; i < component_import_count(r->c); i++) {
        const component_item *item = component_import_at(r->c, i);
        const allowance_entry *entry;
        err e = {0};
        auto_buf line, by = {0};
        buf_init(&line, LINE_BYTES_MAX);
        cli_append_printable(&line, component_item_interface(item));
        bool allowed = allows(r, item, &entry, &e);
        fprintf(out, "  %-8s %-*.*s  ", i == 0 ? "imports" : "", width, SLICE_ARG(buf_slice(&line)));
        if (!allowed) {
            fprintf(out, "%sNOT allowed%s: %s\n", colour ? "\033[31m" : "", colour ? "\033[0m" : "",
                    e.message);
        } else if (entry != NULL) {
            slice text = format_entry(entry, &by);
            fprintf(out, "allowed by %.*s\n", SLICE_ARG(text));
        } else {
            fputs("allowed\n", out);
        }
    }
}

// A message of several lines, each further one below the first.
static void print_below(const char *message, FILE *out) {
    for (const char *line = message; line != NULL;) {
        const char *end = strchr(line, '\n');
        int len = end == NULL ? (int)strlen(line) : (int)(end - line);
        fprintf(out, "%s%.*s\n", line == message ? "" : "         ", len, line);
        line = end == NULL ? NULL : end + 1;
    }
}

static void print_token(const writ_report *r, const token_claims *c, FILE *out) {
    char more[160], revision[16], version[64];
    (void)snprintf(revision, sizeof revision, "%d", (int)c->revision);
    (void)snprintf(more, sizeof more, "%s%s%s%s", c->has_revision ? ", revision " : "",
                   c->has_revision ? revision : "", c->version.len > 0 ? ", version " : "",
                   utf8_shown(c->version, version, sizeof version));
    print_text(out, "name", slice_sub(c->name, 0, NAME_BYTES_SHOWN), more);
    print_key(out, "issuer", &c->issuer);
    print_key(out, "subject", &c->subject);
    print_validity(out, "valid", c);
    print_chain(r, out);
    print_allowance(c, out);
    print_imports(r, out);
}

void writ_report_print(const writ_report *r, FILE *out) {
    const token_claims *c = vetting_claims(&r->vetting);
    bool colour = cli_use_colour(fileno(out));
    const char *red = colour ? "\033[31m" : "", *end = colour ? "\033[0m" : "";
    fprintf(out, "\nwrit%s\n", c == NULL ? ": UNSIGNED" : "");
    if (c != NULL) {
        print_token(r, c, out);
    }
    if (r->runs) {
        const trust_issuer *by = r->vetting.found.trust.believed;
        char more[HOST_SETTINGS_PATH_BYTES_MAX + 32];
        (void)snprintf(more, sizeof more, "%sin %s", by->note.len > 0 ? ", " : "", r->vetting.trust_path);
        fprintf(out, "  %-8s it may run, since its issuer is trusted:\n", "here");
        print_text(out, "", slice_sub(by->note, 0, NAME_BYTES_SHOWN), more);
    } else {
        fprintf(out, "  %-8s %sREFUSED%s (%s): ", "here", red, end, r->reason);
        print_below(r->why_not.message, out);
    }
}
