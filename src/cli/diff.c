// SPDX-License-Identifier: Apache-2.0
// writ diff: what a new version may do that the old one could not, and the reverse; to be read before an
// update. Neither file runs, and no trust is asked: what a writ says is compared, not whether this host
// believes who signed it (writ verify answers that).
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/diff_internal.h"
#include "cli/options.h"
#include "host/host.h"
#include "os/clock.h"

typedef struct diff_args {
    const char *paths[2];
    size_t path_count;
    bool fail_on_more;
    cli_output output;
} diff_args;

void diff_add(diff_list *list, diff_effect effect, const char *what, const char *format, ...) {
    if (list->count == DIFF_FINDINGS_MAX) {
        list->is_cut = true;
        return;
    }
    auto_buf text;
    buf_init(&text, DIFF_TEXT_BYTES_MAX);
    uint8_t *room;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length >= 0 && buf_reserve(&text, (size_t)length + 1, &room) == STATUS_OK) {
        (void)vsnprintf((char *)room, (size_t)length + 1, format, again);
        text.len = (size_t)length;
    }
    va_end(again);
    slice copy = arena_copy(&list->memory, buf_slice(&text));
    if (length < 0 || copy.data == NULL || text.len == 0) {
        list->is_cut = true;
        return;
    }
    list->at[list->count++] = (diff_finding){effect, what, copy};
}

// --- telling -----------------------------------------------------------------------------------------------

static const char *effect_word(diff_effect effect) {
    static const char *const words[] = {"more", "less", "other"};
    return words[effect];
}

static size_t count_of(const diff_list *list, diff_effect effect) {
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        count += list->at[i].effect == effect ? 1 : 0;
    }
    return count;
}

static json_value *side_json(const diff_side *side) {
    json_value *v = json_object_new();
    char hash[HASH_HEX_BYTES];
    hash_hex(side->v.envelope.hash, hash);
    json_put_text(v, "path", slice_from_text(side->path));
    json_put_integer(v, "bytes", (int64_t)side->bytes.len);
    json_put_text(v, "hash", slice_from_text(hash));
    json_put_text(v, "reason", slice_from_text(refusal_name(side->v.reason)));
    json_put(v, "claims", side->is_believed ? token_to_json(&side->v.claims) : json_null_new());
    return v;
}

static void print_json(const diff_side *sides, const diff_list *list) {
    json_value *document = json_object_new(), *rows = json_array_new();
    for (size_t i = 0; i < list->count; i++) {
        json_value *row = json_object_new();
        json_put_text(row, "effect", slice_from_text(effect_word(list->at[i].effect)));
        json_put_text(row, "what", slice_from_text(list->at[i].what));
        json_put_text(row, "text", list->at[i].text);
        json_push(rows, row);
    }
    json_put(document, "old", side_json(&sides[0]));
    json_put(document, "new", side_json(&sides[1]));
    json_put_bool(document, "may_do_more", count_of(list, DIFF_MORE) > 0);
    json_put(document, "differences", rows);
    cli_print_json(document);
}

static void print_side(const char *label, const diff_side *side) {
    const token_claims *c = &side->v.claims;
    auto_buf line;
    buf_init(&line, DIFF_TEXT_BYTES_MAX);
    cli_append_printable(&line, slice_from_text(side->path));
    printf("%s  %.*s, ", label, SLICE_ARG(buf_slice(&line)));
    if (!side->is_believed) {
        printf("%s\n", side->v.reason == REFUSAL_UNSIGNED ? "unsigned" : "with a token that is not believed");
        return;
    }
    buf_clear(&line);
    cli_append_printable(&line, c->name);
    printf("%.*s%ssigned by %s", SLICE_ARG(buf_slice(&line)), line.len > 0 ? ", " : "",
           nkey_public_text(&c->issuer).text);
    if (c->has_revision) {
        printf(", revision %d", c->revision);
    }
    printf("\n");
}

static void print_group(const diff_list *list, diff_effect effect) {
    static const char *const titles[] = {"The new version may do more", "The new version may do less",
                                         "Also different"};
    static const char *const colours[] = {"\033[31m", "\033[32m", ""};
    static const char marks[] = {'+', '-', '*'};
    bool colour = cli_use_colour(STDOUT_FILENO) && colours[effect][0] != '\0';
    if (count_of(list, effect) == 0) {
        return;
    }
    printf("\n%s\n", titles[effect]);
    for (size_t i = 0; i < list->count; i++) {
        const diff_finding *f = &list->at[i];
        if (f->effect != effect) {
            continue;
        }
        auto_buf line;
        buf_init(&line, 4 * DIFF_TEXT_BYTES_MAX);
        cli_append_printable(&line, f->text);
        printf("  %s%c %-9s%s %.*s\n", colour ? colours[effect] : "", marks[effect], f->what,
               colour ? "\033[0m" : "", SLICE_ARG(buf_slice(&line)));
    }
}

static void print_text(const diff_side *sides, const diff_list *list) {
    print_side("old", &sides[0]);
    print_side("new", &sides[1]);
    for (int effect = 0; effect < DIFF_EFFECT_COUNT; effect++) {
        print_group(list, (diff_effect)effect);
    }
    if (count_of(list, DIFF_MORE) == 0) {
        printf("\nThe new version may do nothing that the old one could not.\n");
    }
}

// --- comparing ---------------------------------------------------------------------------------------------

static status load_side(const char *path, diff_side *side, err *e) {
    side->path = path;
    TRY(host_load_component(path, &side->bytes, &side->c, e));
    const verify_input input = {.bytes = buf_slice(&side->bytes), .now_s = clock_wall_now().seconds};
    verify_component(&input, &side->v);
    // What is only too late or too early still says what it allows.
    side->is_believed =
        side->v.has_token && (side->v.reason == REFUSAL_NONE || side->v.reason == REFUSAL_EXPIRED ||
                              side->v.reason == REFUSAL_NOT_YET_VALID);
    return STATUS_OK;
}

static void side_done(diff_side *side) {
    verification_done(&side->v);
    component_free(side->c);
    buf_done(&side->bytes);
}

static status compare(const diff_side *sides, diff_list *list, err *e) {
    arena_init(&list->memory, DIFF_ARENA_BYTES_MAX);
    list->at = ARENA_ARRAY(&list->memory, diff_finding, DIFF_FINDINGS_MAX);
    if (list->at == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for the differences");
    }
    diff_writs(&sides[0], &sides[1], list);
    diff_components(&sides[0], &sides[1], list);
    if (list->is_cut) {
        return err_set(e, STATUS_LIMIT,
                       "there are more than %d differences; these are two different components",
                       DIFF_FINDINGS_MAX);
    }
    return STATUS_OK;
}

static int diff(const diff_args *args) {
    diff_side sides[2] = {0};
    diff_list list = {0};
    err e = {0};
    int code = CLI_EXIT_OK;
    status s = load_side(args->paths[0], &sides[0], &e);
    s = s == STATUS_OK ? load_side(args->paths[1], &sides[1], &e) : s;
    s = s == STATUS_OK ? compare(sides, &list, &e) : s;
    if (s != STATUS_OK) {
        code = cli_fail(&e, args->output);
    } else {
        (args->output == CLI_JSON ? print_json : print_text)(sides, &list);
        code = args->fail_on_more && count_of(&list, DIFF_MORE) > 0 ? CLI_EXIT_REFUSED : CLI_EXIT_OK;
    }
    side_done(&sides[0]);
    side_done(&sides[1]);
    arena_done(&list.memory);
    return code;
}

// --- the command -------------------------------------------------------------------------------------------

static status set_path(void *target, const char *value, WRIT_UNUSED err *e) {
    diff_args *args = target;
    args->paths[args->path_count++] = value;
    return STATUS_OK;
}
CLI_TURN_ON(set_fail_on_more, diff_args, fail_on_more);
CLI_KEEP_OUTPUT(set_output, diff_args, output);

static const cli_option options[] = {
    {"fail-on-more", 0, NULL, "exit with 3 when the new version may do more than the old", set_fail_on_more},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "diff",
    .usage = "[OPTIONS] OLD NEW",
    .summary = "Show what a new version of a component may do that the old one could not.",
    .details =
        "Compares imports, exports, and what the writs say: who signed, for how long, and what may be\n"
        "imported and reached. What is wider comes first. Runs nothing, and asks no trust store: whether "
        "this\n"
        "host believes who signed is a question for writ verify. Exit codes: 0 compared, 3 the new version\n"
        "may do more and --fail-on-more was given, 4 one of them is no component, 5 a file cannot be read.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ diff shop-1.4.wasm shop-1.5.wasm\n"
                "  writ diff --fail-on-more -o json running.wasm candidate.wasm",
    .operands_min = 2,
    .operands_max = 2,
    .operand = set_path,
};

int cli_diff(int argc, char **argv) {
    diff_args args = {0};
    err e = {0};
    status s = cli_parse(&command, argc, argv, &args, &e);
    if (s == STATUS_CANCELLED) {
        return CLI_EXIT_OK;
    }
    if (s != STATUS_OK) {
        cli_fail(&e, args.output);
        return CLI_EXIT_USAGE;
    }
    return diff(&args);
}
