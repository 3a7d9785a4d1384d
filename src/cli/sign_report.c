// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <unistd.h>

#include "cli/sign_internal.h"
#include "codec/date.h"

enum { LINE_BYTES_MAX = 64 << 10 };

// --- imports that the list does not cover ------------------------------------------------------------------

static bool is_missing(const signing *s, const component_item *item) {
    slice name;
    semver version;
    bool has_version = component_name_split(component_item_interface(item), &name, &version);
    return s->claims.has_allowance && item->kind == COMPONENT_INSTANCE &&
           !allowance_covers(&s->claims.allow, name, has_version ? &version : NULL);
}

size_t sign_warn_of_imports(const signing *s) {
    size_t count = 0;
    bool colour = cli_use_colour(STDERR_FILENO);
    for (size_t i = 0; i < component_import_count(s->component); i++) {
        const component_item *item = component_import_at(s->component, i);
        if (!is_missing(s, item)) {
            continue;
        }
        if (count++ == 0 && s->request->output == CLI_TEXT) {
            fprintf(
                stderr,
                "%swrit: warning:%s its allow-list does not cover what it imports, so no host will start it; "
                "add --from-imports, or --cap for\n",
                colour ? "\033[33m" : "", colour ? "\033[0m" : "");
        }
        if (s->request->output == CLI_TEXT) {
            auto_buf line;
            buf_init(&line, LINE_BYTES_MAX);
            cli_append_printable(&line, component_item_interface(item));
            fprintf(stderr, "  %.*s\n", SLICE_ARG(buf_slice(&line)));
        }
    }
    return count;
}

static json_value *missing_json(const signing *s) {
    json_value *all = json_array_new();
    for (size_t i = 0; i < component_import_count(s->component); i++) {
        const component_item *item = component_import_at(s->component, i);
        if (is_missing(s, item)) {
            json_push(all, json_text(component_item_interface(item)));
        }
    }
    return all;
}

// --- what was signed ---------------------------------------------------------------------------------------

static void print_json(const signing *s) {
    char hash[HASH_HEX_BYTES];
    envelope_hash_text(s->claims.hash, hash);
    json_value *document = json_object_new();
    json_put_text(document, "component", slice_from_text(s->request->path));
    json_put_text(document, "written", slice_from_text(s->out_path));
    json_put_bool(document, "detached", s->request->detached != NULL);
    json_put_text(document, "subject", slice_from_text(nkey_public_text(&s->claims.subject).text));
    json_put_text(document, "issuer", slice_from_text(nkey_public_text(&s->claims.issuer).text));
    json_put_text(document, "hash", slice_from_text(hash));
    json_put_text(document, "subject_key", slice_from_text(s->subject_key));
    json_put_bool(document, "subject_key_made", s->subject_was_made);
    json_put(document, "claims", token_to_json(&s->claims));
    json_put(document, "allow",
             s->claims.has_allowance ? allowance_to_json(&s->claims.allow) : json_null_new());
    json_put(document, "not_covered", missing_json(s));
    json_put_text(document, "token", buf_slice(&s->token));
    cli_print_json(document);
}

static void print_row(const char *label, slice text, const char *after) {
    auto_buf line;
    buf_init(&line, LINE_BYTES_MAX);
    cli_append_printable(&line, text);
    printf("  %-9s %.*s%s\n", label, SLICE_ARG(buf_slice(&line)), after);
}

static void print_validity(const token_claims *c) {
    char from[DATE_TEXT_BYTES], until[DATE_TEXT_BYTES];
    date_text(c->has_not_before ? c->not_before_s : c->issued_at_s, from);
    date_text(c->expires_at_s, until);
    printf("  %-9s from %s %s%s\n", "valid", from, c->has_expiry ? "until " : "without end (see --for)",
           c->has_expiry ? until : "");
}

static void print_allowance(const token_claims *c) {
    if (!c->has_allowance) {
        printf("  %-9s anything: it has no allow-list\n", "imports");
        return;
    }
    printf("  %-9s %s\n", "imports", c->allow.count == 0 ? "nothing may be imported" : "allowed are");
    for (size_t i = 0; i < c->allow.count; i++) {
        auto_buf line;
        buf_init(&line, LINE_BYTES_MAX);
        if (allowance_entry_format(&c->allow.entries[i], &line) == STATUS_OK) {
            print_row("", buf_slice(&line), "");
        }
    }
}

static void print_text(const signing *s) {
    const token_claims *c = &s->claims;
    char hash[HASH_HEX_BYTES], key[SIGN_NAME_BYTES + 32] = "";
    envelope_hash_text(c->hash, hash);
    if (s->subject_key[0] != '\0') {
        snprintf(key, sizeof key, " (key %s%s)", s->subject_key, s->subject_was_made ? ", made now" : "");
    }
    printf("%s%s\n", s->out_path, s->request->detached != NULL ? " (the token alone)" : "");
    print_row("name", c->name, "");
    print_row("subject", slice_from_text(nkey_public_text(&c->subject).text), key);
    print_row("issuer", slice_from_text(nkey_public_text(&c->issuer).text), "");
    print_row("hash", slice_from_text(hash), "");
    if (c->has_revision) {
        printf("  %-9s %d\n", "revision", c->revision);
    }
    if (c->version.len > 0) {
        print_row("version", c->version, "");
    }
    print_validity(c);
    print_allowance(c);
}

void sign_report(const signing *s) { (s->request->output == CLI_JSON ? print_json : print_text)(s); }
