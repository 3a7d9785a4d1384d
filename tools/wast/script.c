// SPDX-License-Identifier: Apache-2.0
// Rules:
// - A component or module that needs a feature which this version does not host (STATUS_UNSUPPORTED) is
// skipped, and
//   so is everything that refers to it.
// - assert_invalid and assert_malformed want it to be refused; the text of the refusal is each tool's own.
// Modules in
//   text form are skipped, as only the tool that converted the script reads text.
// - assert_trap wants a trap whose message contains the expected text, without the prefix "wasm trap: " that
// some
//   scripts give.
#include "script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "codec/json.h"
#include "os/whole_file.h"
#include "value.h"
#include "world.h"

enum { SCRIPT_FILE_BYTES_MAX = 64 << 20 };

typedef struct script {
    wast_world *world;
    engine *engine;
    char *directory;
    slice source;
    int64_t line;
    bool verbose;
    bool current_skipped; // the current instance or definition was skipped
    wast_counts *counts;
} script;

static void passed(script *s) { s->counts->passed++; }

static void failed(script *s, const char *format, ...) WRIT_FORMAT(2, 3);
static void failed(script *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("%.*s:%lld: ", SLICE_ARG(s->source), (long long)s->line);
    vprintf(format, args);
    printf("\n");
    va_end(args);
    s->counts->failed++;
}

static void skipped(script *s, const char *why) {
    if (s->verbose) {
        printf("%.*s:%lld: skipped: %s\n", SLICE_ARG(s->source), (long long)s->line, why);
    }
    s->counts->skipped++;
}

static slice text(const json_value *object, const char *key) {
    slice s = slice_empty();
    (void)json_as_text(json_get(object, key), &s);
    return s;
}

static bool contains(const char *haystack, slice needle) {
    slice h = slice_from_text(haystack);
    for (size_t i = 0; needle.len <= h.len && i <= h.len - needle.len; i++) {
        if (memcmp(h.data + i, needle.data, needle.len) == 0) {
            return true;
        }
    }
    return false;
}

// --- modules -----------------------------------------------------------------------------------------------

static status read_beside(script *s, slice name, buf *ret, err *e) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%.*s", s->directory, SLICE_ARG(name));
    return file_read_whole(path, SCRIPT_FILE_BYTES_MAX, ret, e);
}

static status define(script *s, const json_value *command, wast_definition **ret, err *e) {
    buf bytes;
    buf_init(&bytes, SCRIPT_FILE_BYTES_MAX);
    status r = read_beside(s, text(command, "filename"), &bytes, e);
    if (r == STATUS_OK) {
        r = wast_define(s->world, buf_slice(&bytes), ret, e);
    }
    buf_done(&bytes);
    return r;
}

static bool is_text(const json_value *command) {
    return slice_equal_text(text(command, "module_type"), "text");
}

// A definition or instance that did not come to be: what follows must not use the one before it.
static void gone(script *s, status r, const err *e, const json_value *command) {
    s->current_skipped = true;
    wast_name_instance(s->world, text(command, "name"), NULL);
    if (r == STATUS_UNSUPPORTED) {
        skipped(s, e->message);
    } else {
        failed(s, "%s", e->message);
    }
}

static void run_definition(script *s, const json_value *command) {
    err e;
    err_clear(&e);
    wast_definition *d;
    status r = is_text(command) ? err_set(&e, STATUS_UNSUPPORTED, "text") : define(s, command, &d, &e);
    if (r != STATUS_OK) {
        wast_name_definition(s->world, text(command, "name"), NULL);
        gone(s, r, &e, command);
        return;
    }
    wast_name_definition(s->world, text(command, "name"), d);
    passed(s);
}

static void run_instance_of(script *s, const json_value *command, wast_definition *d, slice name) {
    err e;
    err_clear(&e);
    wast_instance *i;
    status r = wast_instantiate(s->world, d, &i, &e);
    if (r != STATUS_OK) {
        gone(s, r, &e, command);
        return;
    }
    s->current_skipped = false;
    wast_name_instance(s->world, name, i);
    passed(s);
}

static void run_module(script *s, const json_value *command) {
    err e;
    err_clear(&e);
    wast_definition *d;
    status r = is_text(command) ? err_set(&e, STATUS_UNSUPPORTED, "text") : define(s, command, &d, &e);
    if (r != STATUS_OK) {
        gone(s, r, &e, command);
        return;
    }
    wast_name_definition(s->world, text(command, "name"), d);
    run_instance_of(s, command, d, text(command, "name"));
}

static void run_module_instance(script *s, const json_value *command) {
    wast_definition *d = wast_find_definition(s->world, text(command, "module"));
    if (d == NULL) {
        s->current_skipped = true;
        skipped(s, "its definition was skipped");
        return;
    }
    run_instance_of(s, command, d, text(command, "instance"));
}

static void run_register(script *s, const json_value *command) {
    wast_instance *i = wast_find_instance(s->world, text(command, "name"));
    if (i == NULL) {
        skipped(s, "its instance was skipped");
        return;
    }
    wast_register(s->world, text(command, "as"), i);
    passed(s);
}

// --- assertions about modules ------------------------------------------------------------------------------

static void run_refused(script *s, const json_value *command) {
    err e;
    err_clear(&e);
    if (is_text(command)) {
        skipped(s, "text");
        return;
    }
    wast_definition *d;
    status r = define(s, command, &d, &e);
    if (r == STATUS_OK) {
        failed(s, "accepted, but expected: %.*s", SLICE_ARG(text(command, "text")));
    } else if (r == STATUS_UNSUPPORTED) {
        skipped(s, e.message);
    } else if (r != STATUS_INVALID && r != STATUS_LIMIT) {
        failed(s, "refused as %s: %s", status_name(r), e.message);
    } else {
        if (s->verbose) {
            printf("%.*s:%lld: refused: %s (expected: %.*s)\n", SLICE_ARG(s->source), (long long)s->line,
                   e.message, SLICE_ARG(text(command, "text")));
        }
        passed(s);
    }
}

static void run_not_instantiated(script *s, const json_value *command, bool by_trap) {
    err e;
    err_clear(&e);
    wast_definition *d;
    status r = is_text(command) ? err_set(&e, STATUS_UNSUPPORTED, "text") : define(s, command, &d, &e);
    if (r == STATUS_UNSUPPORTED) {
        skipped(s, e.message);
        return;
    }
    wast_instance *i;
    if (r == STATUS_OK) {
        r = wast_instantiate(s->world, d, &i, &e);
    }
    if (r == STATUS_OK || (r == STATUS_TRAP) != by_trap) {
        failed(s, "%s, but expected: %.*s", r == STATUS_OK ? "instantiated" : e.message,
               SLICE_ARG(text(command, "text")));
    } else {
        passed(s);
    }
}

// --- actions -----------------------------------------------------------------------------------------------

// False when the action was skipped or failed to be one.
static bool act(script *s, const json_value *action, wast_result *ret, status *ret_status, err *e) {
    slice module = text(action, "module");
    if (!slice_equal_text(text(action, "type"), "invoke")) {
        skipped(s, "not a call");
        return false;
    }
    if (module.len == 0 && s->current_skipped) {
        skipped(s, "its instance was skipped");
        return false;
    }
    wast_instance *i = wast_find_instance(s->world, module);
    if (i == NULL) {
        skipped(s, "there is no such instance");
        return false;
    }
    err_clear(e);
    *ret_status = wast_invoke(s->world, i, text(action, "field"), json_get(action, "args"), ret, e);
    return true;
}

static void show_result(script *s, const wast_result *r) {
    buf out;
    buf_init(&out, 400);
    if (r->type != NULL) {
        wast_value_format(r->type, &r->value, &out);
    }
    failed(s, "returned something else: %.*s", SLICE_ARG(buf_slice(&out)));
    buf_done(&out);
}

static bool result_matches(const json_value *expected, const wast_result *r) {
    if (!r->is_core) {
        return r->type == NULL ? json_count(expected) == 0
                               : json_count(expected) == 1 &&
                                     wast_value_matches(json_at(expected, 0), r->type, &r->value);
    }
    if (json_count(expected) != r->core_count) {
        return false;
    }
    for (uint32_t i = 0; i < r->core_count; i++) {
        if (!wast_core_matches(json_at(expected, i), r->core_types[i], &r->core[i])) {
            return false;
        }
    }
    return true;
}

static void run_return(script *s, const json_value *command, bool checked) {
    wast_result result;
    status r;
    err e;
    if (!act(s, json_get(command, "action"), &result, &r, &e)) {
        return;
    }
    if (r != STATUS_OK) {
        failed(s, "%s: %s", status_name(r), e.message);
    } else if (checked && !result_matches(json_get(command, "expected"), &result)) {
        show_result(s, &result);
    } else {
        passed(s);
    }
}

static void run_trap(script *s, const json_value *command) {
    wast_result result;
    status r;
    err e;
    if (!act(s, json_get(command, "action"), &result, &r, &e)) {
        return;
    }
    slice want = text(command, "text");
    if (slice_starts_with(want, "wasm trap: ")) {
        want = slice_sub(want, strlen("wasm trap: "), want.len);
    }
    if (r != STATUS_TRAP) {
        failed(s, "%s, but expected the trap: %.*s", r == STATUS_OK ? "returned" : e.message,
               SLICE_ARG(want));
    } else if (!contains(e.message, want)) {
        failed(s, "trapped with \"%s\", but expected: %.*s", e.message, SLICE_ARG(want));
    } else {
        passed(s);
    }
}

// --- commands ----------------------------------------------------------------------------------------------

static void run_assert_return(script *s, const json_value *command) { run_return(s, command, true); }

static void run_action(script *s, const json_value *command) { run_return(s, command, false); }

static void run_unlinkable(script *s, const json_value *command) { run_not_instantiated(s, command, false); }

static void run_uninstantiable(script *s, const json_value *command) {
    run_not_instantiated(s, command, true);
}

static void run_command(script *s, const json_value *command) {
    static const struct {
        const char *type;
        void (*run)(script *s, const json_value *command);
    } commands[] = {
        {"module", run_module},
        {"module_definition", run_definition},
        {"module_instance", run_module_instance},
        {"register", run_register},
        {"assert_malformed", run_refused},
        {"assert_invalid", run_refused},
        {"assert_unlinkable", run_unlinkable},
        {"assert_uninstantiable", run_uninstantiable},
        {"assert_return", run_assert_return},
        {"action", run_action},
        {"assert_trap", run_trap},
        {"assert_exhaustion", run_trap},
    };
    slice type = text(command, "type");
    (void)json_as_integer(json_get(command, "line"), &s->line);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (slice_equal_text(type, commands[i].type)) {
            commands[i].run(s, command);
            return;
        }
    }
    skipped(s, "a command that this runner does not know");
}

static status load(const char *path, json_value **ret, err *e) {
    buf bytes;
    buf_init(&bytes, SCRIPT_FILE_BYTES_MAX);
    status s = file_read_whole(path, SCRIPT_FILE_BYTES_MAX, &bytes, e);
    if (s == STATUS_OK) {
        s = json_parse(buf_slice(&bytes), ret, e);
    }
    buf_done(&bytes);
    return s;
}

static char *directory_of(const char *path) {
    char *copy = mem_text_dup(path);
    char *end = strrchr(copy, '/');
    if (end == NULL) {
        mem_free(copy);
        return mem_text_dup(".");
    }
    *end = '\0';
    return copy;
}

void wast_run_script(engine *g, const char *path, bool verbose, wast_counts *counts) {
    err e;
    err_clear(&e);
    json_value *json = NULL;
    script s = {.engine = g, .verbose = verbose, .counts = counts, .source = slice_from_text(path)};
    if (load(path, &json, &e) != STATUS_OK) {
        failed(&s, "%s", e.message);
        return;
    }
    s.world = wast_world_new(g);
    s.directory = directory_of(path);
    slice source = text(json, "source_filename");
    s.source = source.len > 0 ? source : s.source;
    const json_value *commands = json_get(json, "commands");
    for (size_t i = 0; i < json_count(commands); i++) {
        run_command(&s, json_at(commands, i));
    }
    wast_world_free(s.world);
    mem_free(s.directory);
    json_free(json);
}
