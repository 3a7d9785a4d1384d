// SPDX-License-Identifier: Apache-2.0
#include "cli/start_table.h"

#include <string.h>
#include <unistd.h>

#include "codec/date.h"
#include "codec/utf.h"

enum { LINE_BYTES_MAX = 1024, SUGGESTION_BYTES_MAX = 64 << 10, INERT_SHOWN_MAX = 32 };

static const char *state_name(grant_state state) {
    switch (state) {
    case GRANT_GRANTED:
        return "granted";
    case GRANT_INERT:
        return "inert";
    case GRANT_REFUSED:
        break;
    }
    return "refused";
}

static const char *state_colour(grant_state state) {
    switch (state) {
    case GRANT_GRANTED:
        return "\033[32m";
    case GRANT_INERT:
        return "\033[33m";
    case GRANT_REFUSED:
        break;
    }
    return "\033[31m";
}

// An import with a name of its own is shown with what it implements.
static size_t shown_bytes(const grant_decision *d) {
    return d->interface.len + (d->label.len > 0 ? d->label.len + 2 : 0);
}

static size_t name_width(const grants *g) {
    size_t width = 6;
    for (size_t i = 0; i < grants_count(g); i++) {
        size_t n = shown_bytes(grants_at(g, i));
        width = n > width && n <= 60 ? n : width;
    }
    return width;
}

static void print_row(const grant_decision *d, size_t width, bool colour, FILE *out) {
    auto_buf name;
    buf_init(&name, LINE_BYTES_MAX);
    if (d->label.len > 0) {
        cli_append_printable(&name, slice_sub(d->label, 0, 40));
        (void)!buf_append_text(&name, ": ");
    }
    cli_append_printable(&name, slice_sub(d->interface, 0, 120));
    fprintf(out, "  %-*.*s  %s%-8s%s %s", (int)width, SLICE_ARG(buf_slice(&name)),
            colour ? state_colour(d->state) : "", state_name(d->state), colour ? "\033[0m" : "", d->why);
    if (d->state == GRANT_REFUSED && d->option[0] != '\0') {
        fprintf(out, " (add %s)", d->option);
    }
    if (d->limits[0] != '\0') {
        fprintf(out, " (its writ: %s)", d->limits);
    }
    fputc('\n', out);
}

json_value *start_table_json(const grants *g) {
    json_value *rows = json_array_new();
    for (size_t i = 0; i < grants_count(g); i++) {
        const grant_decision *d = grants_at(g, i);
        json_value *row = json_object_new();
        json_put_text(row, "import", d->import_name);
        if (d->label.len > 0) {
            json_put_text(row, "implements", d->interface);
        }
        json_put_text(row, "state", slice_from_text(state_name(d->state)));
        json_put_text(row, "why", slice_from_text(d->why));
        if (d->option[0] != '\0') {
            json_put_text(row, "option", slice_from_text(d->option));
        }
        if (d->limits[0] != '\0') {
            json_put_text(row, "limits", slice_from_text(d->limits));
        }
        json_push(rows, row);
    }
    return rows;
}

void start_table_print(const grants *g, FILE *out) {
    bool colour = cli_use_colour(fileno(out));
    size_t width = name_width(g);
    if (grants_count(g) == 0) {
        fprintf(out, "writ: the component imports nothing\n");
        return;
    }
    fprintf(out, "  %-*s  %-8s %s\n", (int)width, "IMPORT", "STATE", "WHY");
    for (size_t i = 0; i < grants_count(g); i++) {
        print_row(grants_at(g, i), width, colour, out);
    }
}

// An empty line alone would look like a failure; and what starts is not yet what works.
static void tell_inert(const grants *g, slice options) {
    size_t count = 0, shown = 0;
    for (size_t i = 0; i < grants_count(g); i++) {
        if (grants_at(g, i)->state == GRANT_REFUSED && grants_at(g, i)->option[0] == '\0') {
            return; // the refusal that follows says more
        }
        count += grants_at(g, i)->state == GRANT_INERT;
    }
    if (options.len == 0) {
        fprintf(stderr, "writ: it starts without any option\n");
    }
    if (count > 0) {
        fprintf(stderr, "writ: without authority until an option names more:\n");
    }
    for (size_t i = 0; i < grants_count(g); i++) {
        const grant_decision *d = grants_at(g, i);
        if (d->state == GRANT_INERT && shown++ < INERT_SHOWN_MAX) {
            auto_buf name;
            buf_init(&name, LINE_BYTES_MAX);
            cli_append_printable(&name, d->import_name);
            fprintf(stderr, "  %.*s: %s\n", SLICE_ARG(buf_slice(&name)), d->why);
        }
    }
}

static status suggest(const grants *g, cli_output output, err *e) {
    auto_buf line;
    buf_init(&line, SUGGESTION_BYTES_MAX);
    TRY(grants_suggest(g, &line));
    if (output == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "options", buf_slice(&line));
        json_put(document, "imports", start_table_json(g));
        cli_print_json(document);
        return STATUS_OK;
    }
    printf("%.*s\n", SLICE_ARG(buf_slice(&line)));
    tell_inert(g, buf_slice(&line));
    // What no option can grant is still a refusal: say it, so that nobody takes the empty line for a promise.
    for (size_t i = 0; i < grants_count(g); i++) {
        const grant_decision *d = grants_at(g, i);
        if (d->state == GRANT_REFUSED && d->option[0] == '\0') {
            return err_set(e, STATUS_DENIED, "no option grants %.*s: %s", SLICE_ARG(d->import_name), d->why);
        }
    }
    return STATUS_OK;
}

status start_table_suggest(const workload_config *config, cli_output output, err *e) {
    auto_buf bytes = {0};
    component *c;
    TRY(host_load_component(config->component_path, &bytes, &c, e));
    grants *g = NULL;
    status s = grants_new(c, config, NULL, &g, e);
    if (s == STATUS_OK) {
        s = suggest(g, output, e);
    }
    grants_free(g);
    component_free(c);
    return s;
}

// --- the writ ----------------------------------------------------------------------------------------------

static void print_value(FILE *out, const char *label, slice value, const char *more) {
    auto_buf text;
    buf_init(&text, LINE_BYTES_MAX);
    cli_append_printable(&text, slice_sub(value, 0, 200));
    fprintf(out, "  %-8s %.*s%s\n", label, SLICE_ARG(buf_slice(&text)), more);
}

static void print_signed(const vetting *v, FILE *out) {
    const token_claims *c = vetting_claims(v);
    const trust_issuer *believed = v->found.trust.believed;
    char more[HOST_SETTINGS_PATH_BYTES_MAX + 64], end[DATE_TEXT_BYTES], revision[16], version[64];
    uint64_t end_s;
    (void)snprintf(revision, sizeof revision, "%d", (int)c->revision);
    (void)snprintf(more, sizeof more, "%s%s%s%s", c->has_revision ? ", revision " : "",
                   c->has_revision ? revision : "", c->version.len > 0 ? ", version " : "",
                   utf8_shown(c->version, version, sizeof version));
    print_value(out, "WRIT", c->name, more);
    print_value(out, "issuer", slice_from_text(nkey_public_text(&c->issuer).text), "");
    print_value(out, "subject", slice_from_text(nkey_public_text(&c->subject).text), "");
    print_value(out, "until",
                slice_from_text(vetting_expiry(v, &end_s) ? date_text(end_s, end) : "without end"), "");
    if (believed != NULL) {
        (void)snprintf(more, sizeof more, "%s%s", believed->note.len > 0 ? ", in " : "in ", v->trust_path);
        print_value(out, "trusted", believed->note, more);
    }
}

static void print_unsigned(const vetting *v, const char *path, FILE *out) {
    bool colour = cli_use_colour(fileno(out));
    const char *red = colour ? "\033[1;31m" : "", *end = colour ? "\033[0m" : "";
    fprintf(out, "%swrit: WARNING: UNSIGNED: %s runs without a writ that this host believes (%s)%s\n", red,
            path, refusal_name(v->found.reason), end);
    if (vetting_claims(v) != NULL) {
        print_signed(v, out);
    }
    fprintf(out, "  %-8s %sUNSIGNED%s, allowed by --unsigned\n", "WRIT", red, end);
}

json_value *start_table_writ_json(const vetting *v) {
    json_value *writ = json_object_new();
    const token_claims *c = vetting_claims(v);
    const trust_issuer *believed = v->found.trust.believed;
    uint64_t end_s;
    char end[DATE_TEXT_BYTES];
    json_put_bool(writ, "signed", vetting_is_signed(v));
    if (v->found.reason != REFUSAL_NONE) {
        json_put_text(writ, "reason", slice_from_text(refusal_name(v->found.reason)));
    }
    if (c != NULL) {
        json_put_text(writ, "name", c->name);
        json_put_text(writ, "issuer", slice_from_text(nkey_public_text(&c->issuer).text));
        json_put_text(writ, "subject", slice_from_text(nkey_public_text(&c->subject).text));
        if (c->has_revision) {
            json_put_integer(writ, "revision", c->revision);
        }
        json_put_text(writ, "version", c->version);
    }
    if (vetting_expiry(v, &end_s)) {
        json_put_text(writ, "expires", slice_from_text(date_text(end_s, end)));
    }
    if (v->trust_path != NULL) {
        json_put_text(writ, "trust_store", slice_from_text(v->trust_path));
    }
    if (believed != NULL) {
        json_put_text(writ, "trusted_by", believed->note);
    }
    return writ;
}

// Lines that many workloads have begin with whose they are.
static void print_workload(const host_config *config, uint32_t workload, FILE *out) {
    if (config->workload_count > 1) {
        auto_buf name;
        buf_init(&name, LINE_BYTES_MAX);
        cli_append_printable(&name, slice_sub(slice_from_text(config->workloads[workload].name), 0, 120));
        fprintf(out, "writ: %.*s\n", SLICE_ARG(buf_slice(&name)));
    }
}

static void put_workload(json_value *document, const host_config *config, uint32_t workload) {
    if (config->workload_count > 1) {
        json_put_text(document, "workload", slice_from_text(config->workloads[workload].name));
    }
}

static json_value *spiffe_json(const host_identity *identity, const vetting *v) {
    spiffe_id id;
    return host_identity_of_workload(identity, v, &id) ? json_text(spiffe_id_text(&id)) : json_null_new();
}

static void print_identities_json(const host_config *config, const host_identity *identity,
                                  const vetting *vettings, const char *end) {
    json_value *document = json_object_new();
    json_put_text(document, "event", slice_from_text("identity"));
    json_put_text(document, "host", spiffe_id_text(&host_identity_svid(identity)->id));
    json_put_text(document, "expires", slice_from_text(end));
    if (config->workload_count == 1) {
        json_put(document, "workload", spiffe_json(identity, vettings));
    } else {
        json_value *list = json_object_new();
        for (size_t i = 0; i < config->workload_count; i++) {
            json_put(list, config->workloads[i].name, spiffe_json(identity, &vettings[i]));
        }
        json_put(document, "workloads", list);
    }
    cli_print_json_line(document, stderr);
}

static void on_identified(void *context, const host_config *config, const host_identity *identity,
                          const vetting *vettings) {
    const svid *s = host_identity_svid(identity);
    char end[DATE_TEXT_BYTES];
    (void)date_text((uint64_t)s->not_after_s, end);
    if (*(cli_output *)context == CLI_JSON) {
        print_identities_json(config, identity, vettings, end);
        return;
    }
    fprintf(stderr, "  %-8s %s, until %s\n", "HOST", s->id.text, end);
    for (uint32_t i = 0; i < config->workload_count; i++) {
        spiffe_id id;
        bool is_named = host_identity_of_workload(identity, &vettings[i], &id);
        print_workload(config, i, stderr);
        fprintf(stderr, "  %-8s %s\n", "SPIFFE", is_named ? id.text : "none, since nobody vouches for it");
    }
}

static void on_vetted(void *context, const host_config *config, uint32_t workload, const vetting *v) {
    if (*(cli_output *)context == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "event", slice_from_text("writ"));
        put_workload(document, config, workload);
        json_put(document, "writ", start_table_writ_json(v));
        cli_print_json_line(document, stderr);
        return;
    }
    print_workload(config, workload, stderr);
    if (vetting_is_signed(v)) {
        print_signed(v, stderr);
    } else {
        print_unsigned(v, config->workloads[workload].component_path, stderr);
    }
}

void start_table_metrics(const char *what, const char *address, uint16_t port, cli_output output) {
    const char *open = strchr(address, ':') != NULL ? "[" : "", *close = open[0] != '\0' ? "]" : "";
    if (output == CLI_TEXT) {
        fprintf(stderr, "writ: %s on http://%s%s%s:%u/metrics\n", what, open, address, close, port);
        return;
    }
    char url[128];
    (void)snprintf(url, sizeof url, "http://%s%s%s:%u/metrics", open, address, close, port);
    json_value *document = json_object_new();
    json_put_text(document, "event", slice_from_text(what));
    json_put_text(document, "url", slice_from_text(url));
    cli_print_json_line(document, stderr);
}

static void on_decided(void *context, const host_config *config, uint32_t workload, const grants *decisions) {
    if (*(cli_output *)context == CLI_JSON) {
        json_value *document = json_object_new();
        json_put_text(document, "event", slice_from_text("grants"));
        put_workload(document, config, workload);
        json_put(document, "imports", start_table_json(decisions));
        cli_print_json_line(document, stderr);
        return;
    }
    print_workload(config, workload, stderr);
    start_table_print(decisions, stderr);
}

static void on_missing_json(const host_missing_secret *what) {
    json_value *document = json_object_new();
    json_put_text(document, "event", slice_from_text("secret-missing"));
    json_put_text(document, "workload", slice_from_text(what->workload));
    json_put_text(document, "secret", slice_from_text(what->name));
    json_put(document, "link",
             what->link == NULL ? json_null_new() : json_text(slice_from_text(what->link->name)));
    json_put(document, "place",
             what->origin == NULL ? json_null_new() : json_text(slice_from_text(what->origin)));
    json_put_bool(document, "absent", what->code == STATUS_NOT_FOUND);
    json_put_text(document, "reason", slice_from_text(what->why));
    cli_print_json_line(document, stderr);
}

// As a finding of the manifest, where it is named in one.
static void on_missing(void *context, const host_missing_secret *what) {
    if (*(cli_output *)context == CLI_JSON) {
        on_missing_json(what);
        return;
    }
    auto_buf line;
    buf_init(&line, 8 * LINE_BYTES_MAX);
    cli_append_printable(&line, slice_from_text(what->origin == NULL ? "writ" : what->origin));
    (void)!buf_append_format(&line, ": %s%s", what->origin == NULL ? "" : "error: ",
                             what->link == NULL ? "the secret `" : "the credential `");
    cli_append_printable(&line, slice_from_text(what->name));
    (void)!buf_append_format(&line, "` of ");
    cli_append_printable(&line, slice_from_text(what->workload));
    if (what->link != NULL) {
        (void)!buf_append_format(&line, " for its link to ");
        cli_append_printable(&line, slice_from_text(what->link->target));
    }
    (void)!buf_append_format(&line, ": ");
    cli_append_printable(&line, slice_from_text(what->why));
    fprintf(stderr, "%.*s\n", SLICE_ARG(buf_slice(&line)));
}

static void on_compiling(void *context, size_t done, size_t total) {
    if (*(cli_output *)context == CLI_TEXT) {
        bool live = isatty(STDERR_FILENO);
        fprintf(stderr, "%swrit: compiling, %zu of %zu core modules ready%s", live ? "\r" : "", done, total,
                live && done < total ? "" : "\n");
    }
}

static void on_serving(void *context, const char *url, int workers) {
    if (*(cli_output *)context == CLI_TEXT) {
        fprintf(stderr, "writ: serving %s with %d worker%s\n", url, workers, workers == 1 ? "" : "s");
        return;
    }
    json_value *document = json_object_new();
    json_put_text(document, "event", slice_from_text("serving"));
    json_put_text(document, "url", slice_from_text(url));
    json_put_integer(document, "workers", workers);
    cli_print_json_line(document, stderr);
}

host_observer start_table_observer(cli_output *output) {
    return (host_observer){.context = output,
                           .vetted = on_vetted,
                           .identified = on_identified,
                           .decided = on_decided,
                           .compiling = on_compiling,
                           .missing = on_missing,
                           .serving = on_serving};
}
