// SPDX-License-Identifier: Apache-2.0
// writ sign: makes the statement about a component and puts it inside, or beside it.
#include <stdio.h>

#include "base/mem.h"
#include "cli/key_option.h"
#include "cli/options.h"
#include "cli/sign_internal.h"
#include "host/host.h"
#include "os/replace.h"

enum { SIGN_ARENA_BYTES_MAX = 64 << 20 };

// --- options -----------------------------------------------------------------------------------------------

CLI_KEEP_TEXT(set_path, sign_request, path);
CLI_KEEP_TEXT(set_issuer, sign_request, issuer);
CLI_KEEP_TEXT(set_subject, sign_request, subject);
CLI_KEEP_TEXT(set_keys_dir, sign_request, keys_dir);
CLI_KEEP_TEXT(set_passphrase_file, sign_request, passphrase_file);
CLI_KEEP_TEXT(set_out, sign_request, out);
CLI_KEEP_TEXT(set_detached, sign_request, detached);
CLI_KEEP_TEXT(set_lasts_for, sign_request, validity.lasts_for);
CLI_KEEP_TEXT(set_until, sign_request, validity.until);
CLI_KEEP_TEXT(set_not_before, sign_request, validity.not_before);
CLI_KEEP_TEXT(set_at, sign_request, validity.at);
CLI_KEEP_TEXT(set_name, sign_request, name);
CLI_KEEP_TEXT(set_version, sign_request, version);
CLI_KEEP_TEXT(set_call_alias, sign_request, call_alias);
CLI_TURN_ON(set_in_place, sign_request, in_place);
CLI_TURN_ON(set_force, sign_request, force);
CLI_TURN_ON(set_from_imports, sign_request, from_imports);
CLI_TURN_ON(set_no_allow_list, sign_request, no_allow_list);

static status set_revision(void *target, const char *value, err *e) {
    sign_request *r = target;
    uint64_t n;
    TRY(cli_parse_number(value, 0, INT32_MAX, &n, e));
    r->revision = (int32_t)n;
    r->has_revision = true;
    return STATUS_OK;
}

static status add_tag(void *target, const char *value, err *e) {
    sign_request *r = target;
    if (r->tag_count == SIGN_TAGS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d tags", SIGN_TAGS_MAX);
    }
    r->tags[r->tag_count++] = slice_from_text(value);
    return STATUS_OK;
}

static status add_chain(void *target, const char *value, err *e) {
    return cli_chain_add(&((sign_request *)target)->chain, value, e);
}

static status add_cap(void *target, const char *value, err *e) {
    sign_request *r = target;
    if (r->cap_count == ALLOWANCE_ENTRIES_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d entries", ALLOWANCE_ENTRIES_MAX);
    }
    auto_arena scratch;
    arena_init(&scratch, 1 << 20);
    allowance_entry entry;
    TRY(allowance_entry_parse(slice_from_text(value), &scratch, &entry, e));
    r->caps[r->cap_count++] = value;
    return STATUS_OK;
}

CLI_KEEP_OUTPUT(set_output, sign_request, output);

static const cli_option options[] = {
    {"issuer", 'i', "KEY", "who signs: a stored key, or a seed file by its path (account)", set_issuer},
    {"subject", 's', "KEY", "who the component is: a module key, or its public text (NAME.module)",
     set_subject},
    CLI_OPTION_KEYS(set_keys_dir),
    CLI_OPTION_PASSPHRASE_FILE(set_passphrase_file),
    {"out", 0, "FILE", "where the signed component goes (NAME.signed.wasm beside it)", set_out},
    {"in-place", 0, NULL, "replace the component by its signed form", set_in_place},
    {"detached", 0, "FILE", "write only the token, to FILE; the component stays as it is", set_detached},
    {"force", 0, NULL, "replace the signature of another issuer, or yours over changed bytes", set_force},
    CLI_OPTION_FOR(set_lasts_for),
    CLI_OPTION_UNTIL(set_until),
    CLI_OPTION_NOT_BEFORE(set_not_before),
    {"name", 'n', "NAME", "the name that trust is given by (the file's)", set_name},
    {"rev", 'r', "N", "revision; hosts can refuse old ones", set_revision},
    {"version", 0, "TEXT", "version for people", set_version},
    {"tag", 't', "TEXT", "a tag; may be repeated", add_tag},
    {"call-alias", 0, "TEXT", "another name to call it by", set_call_alias},
    CLI_OPTION_CHAIN(add_chain),
    {"cap", 'c', "ENTRY", "allow an import, such as wasi:http@^0.2.0; may be repeated", add_cap},
    {"from-imports", 0, NULL, "allow what it imports, and no more (the default without --cap)",
     set_from_imports},
    {"no-allow-list", 0, NULL, "sign without a list: imports are not narrowed", set_no_allow_list},
    {"at", 0, "DATE", "the date of the signature (now)", set_at},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "sign",
    .usage = "[OPTIONS] COMPONENT",
    .summary = "Sign a component: who made it, how long that holds, and what it may ever import.",
    .details =
        "The signed statement becomes the last section of the component, in the format of wasmCloud 1.x, "
        "and\n"
        "covers every other byte. It carries a list of what may be imported: from --cap, from the imports\n"
        "(--from-imports), or both. No host lets the component import more than that.\n\n"
        "ENTRY is INTERFACE[@VERSIONS][;hosts=HOST,...][;buckets=NAME,...][;subjects=NAME,...]. An "
        "INTERFACE\n"
        "without \"/\" is a whole package.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ sign --for 90d hello.wasm\n"
                "  writ sign --issuer acme --rev 7 --cap 'wasi:http@^0.2.0;hosts=api.example.com:443' "
                "--from-imports a.wasm\n"
                "  writ sign --issuer ./ci.nk --in-place a.wasm\n"
                "  writ sign --detached a.jwt a.wasm && writ verify --token a.jwt a.wasm",
    .operands_min = 1,
    .operands_max = 1,
    .operand = set_path,
};

static bool ends_with(const char *text, const char *suffix) {
    size_t len = strlen(text), n = strlen(suffix);
    return len > n && strcmp(text + len - n, suffix) == 0;
}

static bool names_place(const sign_request *r) {
    return r->in_place || r->out != NULL || r->detached != NULL;
}

// What options cannot say alone.
static status check_request(const sign_request *r, err *e) {
    if ((r->in_place ? 1 : 0) + (r->out != NULL ? 1 : 0) + (r->detached != NULL ? 1 : 0) > 1) {
        return err_set(e, STATUS_INVALID, "--out, --in-place and --detached exclude each other; choose one");
    }
    if (r->no_allow_list && (r->from_imports || r->cap_count > 0)) {
        return err_set(e, STATUS_INVALID,
                       "--no-allow-list excludes --cap and --from-imports; leave one of them out");
    }
    if (!names_place(r) && ends_with(r->path, ".signed.wasm")) {
        return err_set(e, STATUS_INVALID, "%s would replace itself; say --in-place, or --out FILE", r->path);
    }
    return cli_validity_check(&r->validity, e);
}

// --- where it goes -----------------------------------------------------------------------------------------

static void cut_suffix(char *text, const char *suffix) {
    if (ends_with(text, suffix)) {
        text[strlen(text) - strlen(suffix)] = '\0';
    }
}

static status choose_paths(signing *s, err *e) {
    const sign_request *r = s->request;
    char stem[sizeof s->out_path];
    if ((size_t)snprintf(stem, sizeof stem, "%s", r->path) >= sizeof stem - sizeof ".signed.wasm") {
        return err_set(e, STATUS_LIMIT, "the path of the component is too long");
    }
    cut_suffix(stem, ".wasm");
    cut_suffix(stem, ".signed");
    const char *slash = strrchr(stem, '/');
    snprintf(s->base_name, sizeof s->base_name, "%.*s", SIGN_NAME_BYTES - 1,
             r->stem != NULL ? r->stem
             : slash == NULL ? stem
                             : slash + 1);
    const char *given = r->in_place ? r->path : r->out != NULL ? r->out : r->detached;
    int len = given != NULL ? snprintf(s->out_path, sizeof s->out_path, "%s", given)
                            : snprintf(s->out_path, sizeof s->out_path, "%s.signed.wasm", stem);
    return len >= 0 && (size_t)len < sizeof s->out_path
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "the path of the result is too long");
}

// --- signing -----------------------------------------------------------------------------------------------

static status load_issuer(signing *s, err *e) {
    const sign_request *r = s->request;
    TRY(cli_issuer_load(r->issuer, r->keys_dir, r->passphrase_file, &s->issuer, e));
    s->issuer_public = nkey_public_of(s->issuer);
    return STATUS_OK;
}

// To renew one's own signature must not vouch for bytes that somebody changed meanwhile.
static status check_own_signature(const signing *s, err *e) {
    if (s->before.is_canonical && s->old.has_hash && hash_equal(s->old.hash, s->before.hash)) {
        return STATUS_OK;
    }
    return err_set(
        e, STATUS_DENIED,
        "%s was changed after you signed it: its token is yours, but was made for other bytes; if the "
        "change is yours too, sign it with --force",
        s->request->path);
}

// Replacing what somebody else has said about the component takes --force.
static status look_at_old_signature(signing *s, err *e) {
    TRY(envelope_read(s->bytes, &s->before, e));
    if (!s->before.has_token && !s->before.has_stray_token) {
        return STATUS_OK;
    }
    refusal why;
    s->was_signed =
        s->before.has_token && token_read(s->before.token, &s->memory, &s->old, &why, NULL) == STATUS_OK;
    if (s->request->force || s->request->detached != NULL) {
        return STATUS_OK;
    }
    if (s->was_signed && nkey_public_equal(&s->old.issuer, &s->issuer_public)) {
        return check_own_signature(s, e);
    }
    return err_set(e, STATUS_DENIED, "%s is signed already, by %s; replace that with --force",
                   s->request->path,
                   s->was_signed ? nkey_public_text(&s->old.issuer).text : "a token that cannot be read");
}

static status check_detachable(const signing *s, err *e) {
    if (s->request->detached == NULL) {
        return STATUS_OK;
    }
    if (s->before.has_token || !s->before.is_canonical) {
        return err_set(e, STATUS_INVALID,
                       "%s cannot have a token beside it: %s; sign it without --detached, which writes its "
                       "canonical form",
                       s->request->path, s->before.has_token ? "it has one inside" : s->before.why_not);
    }
    return STATUS_OK;
}

static status make_token(signing *s, err *e) {
    buf_init(&s->signed_bytes, s->bytes.len + TOKEN_BYTES_MAX + 64);
    buf_init(&s->token, TOKEN_BYTES_MAX);
    TRY(envelope_strip(s->bytes, &s->signed_bytes, e));
    slice covered = buf_slice(&s->signed_bytes);
    hash_sha256(&covered, 1, s->claims.hash);
    s->claims.has_hash = true;
    return token_write(&s->claims, s->issuer, &s->token, e);
}

static status write_result(signing *s, err *e) {
    slice result = buf_slice(&s->token);
    if (s->request->detached == NULL) {
        TRY(envelope_append_token(&s->signed_bytes, result, e));
        result = buf_slice(&s->signed_bytes);
    }
    return file_replace_whole(s->out_path, result, e);
}

static status make(signing *s, err *e) {
    TRY(choose_paths(s, e));
    TRY(load_issuer(s, e));
    TRY(look_at_old_signature(s, e));
    TRY(check_detachable(s, e));
    TRY(sign_fill_claims(s, e));
    TRY(make_token(s, e));
    return write_result(s, e);
}

status sign_component(const sign_request *r, void (*report)(void *context, const signing *s), void *context,
                      err *e) {
    auto_buf bytes = {0};
    component *c;
    TRY(host_load_component(r->path, &bytes, &c, e));
    signing s = {.request = r, .component = c, .bytes = buf_slice(&bytes)};
    arena_init(&s.memory, SIGN_ARENA_BYTES_MAX);
    status result = make(&s, e);
    if (result == STATUS_OK) {
        report(context, &s);
    }
    nkey_free(s.issuer);
    buf_done(&s.signed_bytes);
    buf_done(&s.token);
    arena_done(&s.memory);
    component_free(c);
    return result;
}

static void tell(WRIT_UNUSED void *context, const signing *s) {
    sign_report(s);
    sign_warn_of_imports(s);
}

int cli_sign(int argc, char **argv) {
    sign_request *r = MEM_NEW(sign_request);
    err e = {0};
    int code = CLI_EXIT_OK;
    status s = cli_parse(&command, argc, argv, r, &e);
    if (s == STATUS_OK) {
        s = check_request(r, &e);
    }
    if (s == STATUS_OK && sign_component(r, tell, NULL, &e) != STATUS_OK) {
        code = cli_fail(&e, r->output);
    } else if (s != STATUS_OK && s != STATUS_CANCELLED) {
        cli_fail(&e, r->output);
        code = CLI_EXIT_USAGE;
    }
    mem_free(r);
    return code;
}
