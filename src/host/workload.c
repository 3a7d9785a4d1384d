// SPDX-License-Identifier: Apache-2.0
#include "host/workload.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "component/type_format.h"
#include "engine/module.h"
#include "host/callee.h"
#include "os/clock.h"
#include "os/fd.h"

enum { ARENA_BYTES_MAX = 1 << 20, CALL_ARENA_BYTES_MAX = 16 << 20 };
#define DENIED_PAUSE_NS 1000000000ull

// The exported interface of that name in a version of the 0.2 line, or NULL.
static const component_item *find_export(const component *c, const char *interface) {
    static const semver offered = SEMVER(0, 2, 0);
    for (size_t i = 0; i < component_export_count(c); i++) {
        const component_item *item = component_export_at(c, i);
        slice name;
        semver version;
        bool has_version = component_name_split(item->name, &name, &version);
        if (slice_equal_text(name, interface) && item->kind == COMPONENT_INSTANCE &&
            (!has_version || semver_compatible(&version, &offered))) {
            return item;
        }
    }
    return NULL;
}

static bool is_own(const ctype_param *p, const char *resource) {
    return p->type->kind == CTYPE_OWN && slice_equal_text(p->type->resource->name, resource);
}

static bool is_handle_type(const ctype_func *f) {
    return f->param_count == 2 && is_own(&f->params[0], "incoming-request") &&
           is_own(&f->params[1], "response-outparam") && f->result == NULL;
}

static bool is_run_type(const ctype_func *f) {
    return f->param_count == 0 && f->result != NULL && f->result->kind == CTYPE_RESULT &&
           f->result->element == NULL && f->result->error == NULL;
}

// What the host calls must have the type that the interface says: found out now, not by the first request.
static status check_entry(const component_item *item, const char *name, const char *wanted,
                          bool (*is_right)(const ctype_func *), err *e) {
    for (size_t i = 0; i < item->item_count; i++) {
        const component_item *f = &item->items[i];
        if (f->kind == COMPONENT_FUNC && slice_equal_text(f->name, name)) {
            if (is_right(f->func)) {
                return STATUS_OK;
            }
            auto_buf found;
            buf_init(&found, 512);
            type_format_func(f->func, &found);
            return err_set(e, STATUS_INVALID, "%.*s exports %s as %.*s, but the interface says %s",
                           SLICE_ARG(item->name), name, SLICE_ARG(buf_slice(&found)), wanted);
        }
    }
    return err_set(e, STATUS_INVALID, "%.*s does not export the function %s", SLICE_ARG(item->name), name);
}

static bool is_interface(const component_item *item, slice interface) {
    slice name;
    semver version;
    (void)component_name_split(component_item_interface(item), &name, &version);
    return item->kind == COMPONENT_INSTANCE && slice_equal(name, interface);
}

static bool exports_interface(const component *c, slice interface) {
    for (size_t i = 0; i < component_export_count(c); i++) {
        if (is_interface(component_export_at(c, i), interface)) {
            return true;
        }
    }
    return false;
}

static bool imports_interface(const component *c, slice interface) {
    for (size_t i = 0; i < component_import_count(c); i++) {
        if (is_interface(component_import_at(c, i), interface)) {
            return true;
        }
    }
    return false;
}

bool workload_uses_link(const component *c, const host_link *l) {
    for (size_t k = 0; k < l->interface_count; k++) {
        slice interface = slice_from_text(l->interfaces[k]);
        if (slice_equal_text(interface, WASI_LINK_ANY) || imports_interface(c, interface) ||
            exports_interface(c, interface)) {
            return true;
        }
    }
    return false;
}

bool workload_is_called_by_drivers(const component *c, const workload_config *config) {
    for (size_t i = 0; i < config->links.count; i++) {
        const host_link *l = &config->links.items[i];
        for (size_t k = 0; k < l->interface_count; k++) {
            slice interface = slice_from_text(l->interfaces[k]);
            if (slice_equal_text(interface, WASI_LINK_ANY) || exports_interface(c, interface)) {
                return true;
            }
        }
    }
    return false;
}

status workload_kind_of(const component *c, const workload_config *config, bool is_alone, workload_kind *ret,
                        err *e) {
    const component_item *handler = find_export(c, "wasi:http/incoming-handler");
    const component_item *run = find_export(c, "wasi:cli/run");
    if (handler != NULL) {
        *ret = WORKLOAD_HTTP;
        return check_entry(handler, "handle",
                           "func(request: own<incoming-request>, response-out: own<response-outparam>)",
                           is_handle_type, e);
    }
    if (run != NULL && !is_alone) {
        return err_set(
            e, STATUS_UNSUPPORTED,
            "the component exports wasi:cli/run and not wasi:http/incoming-handler: a command runs "
            "alone, with writ run");
    }
    if (run != NULL) {
        *ret = WORKLOAD_COMMAND;
        return check_entry(run, "run", "func() -> result", is_run_type, e);
    }
    if (!is_alone || workload_is_called_by_drivers(c, config)) {
        *ret = WORKLOAD_LIBRARY;
        return STATUS_OK;
    }
    return err_set(
        e, STATUS_UNSUPPORTED,
        "the component exports neither wasi:http/incoming-handler nor wasi:cli/run (of 0.2), nor what a link "
        "of it would call, so there is nothing to run; `writ inspect` shows what it exports");
}

status workload_open_directories(const workload_config *config, int *ret_fds, err *e) {
    for (size_t i = 0; i < config->directory_count; i++) {
        status s = fd_open_directory(config->directories[i].host_path, &ret_fds[i], e);
        if (s != STATUS_OK) {
            while (i > 0) {
                fd_close(ret_fds[--i]);
            }
            return err_wrap(e, "--dir");
        }
    }
    return STATUS_OK;
}

static wasi_stdio stdio_of(const workload_config *c, workload_kind kind) {
    switch (c->stdio) {
    case HOST_STDIO_NONE:
        return WASI_STDIO_NONE;
    case HOST_STDIO_INHERIT:
        return kind == WORKLOAD_COMMAND ? WASI_STDIO_INHERIT : WASI_STDIO_CAPTURED;
    case HOST_STDIO_DEFAULT:
        break;
    }
    return kind == WORKLOAD_COMMAND ? WASI_STDIO_INHERIT : WASI_STDIO_NONE;
}

static void log_line(void *context, wasi_instance *instance, bool is_stderr, slice line) {
    (void)instance;
    workload *w = context;
    logger_guest_event(w->logger, LOG_INFO, is_stderr ? "stderr" : "stdout", NULL, 0, "%s: %.*s",
                       is_stderr ? "stderr" : "stdout", SLICE_ARG(line));
}

static void log_entry(void *context, wasi_instance *instance, wasi_log_level level, slice part,
                      slice message) {
    static const log_level levels[] = {LOG_VERBOSE, LOG_VERBOSE, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_ERROR};
    static const char *const names[] = {"trace", "debug", "info", "warn", "error", "critical"};
    (void)instance;
    workload *w = context;
    logger_guest_event(
        w->logger, levels[level], "log",
        LOG_FIELDS(LOG_TEXT("severity", slice_from_text(names[level])), LOG_TEXT("context", part)),
        "%s: %.*s%s%.*s", names[level], SLICE_ARG(part), part.len > 0 ? ": " : "", SLICE_ARG(message));
}

// One line a second: a guest may try as often as it likes.
static void log_denied(void *context, wasi_instance *instance, slice why) {
    (void)instance;
    workload *w = context;
    uint64_t now = clock_now_ns();
    if (now < w->denied_next_ns) {
        w->denied_unsaid++;
        return;
    }
    char more[64] = "";
    if (w->denied_unsaid > 0) {
        (void)snprintf(more, sizeof more, " (and %llu refused since the last line)",
                       (unsigned long long)w->denied_unsaid);
    }
    logger_guest_event(w->logger, LOG_WARN, "call-denied",
                       LOG_FIELDS(LOG_TEXT("reason", why), LOG_NUMBER("unsaid", w->denied_unsaid)),
                       "call refused: %.*s%s; writ explain why-denied tells what would allow it",
                       SLICE_ARG(why), more);
    w->denied_next_ns = now + DENIED_PAUSE_NS;
    w->denied_unsaid = 0;
}

static wasi_limits limits_of(const host_limits *l) {
    wasi_limits w = wasi_limits_default();
    w.resources_max = l->resources_max;
    w.streams_max = l->streams_max;
    w.files_max = l->files_max;
    w.sockets_max = l->sockets_max;
    w.log_bytes_per_second_max = l->log_bytes_per_second_max;
    return w;
}

static void fill_lists(workload *w, const workload_options *o) {
    const workload_config *c = o->config;
    slice *arguments = ARENA_ARRAY(&w->arena, slice, c->argument_count + 1);
    wasi_variable *variables = ARENA_ARRAY(&w->arena, wasi_variable, c->variable_count + 1);
    wasi_directory *directories = ARENA_ARRAY(&w->arena, wasi_directory, c->directory_count + 1);
    CHECK(arguments != NULL && variables != NULL && directories != NULL); // HOST_LIST_MAX of each fit
    arguments[0] = w->wasi.name; // as programs expect of their first argument
    for (size_t i = 0; i < c->argument_count; i++) {
        arguments[i + 1] = slice_from_text(c->arguments[i]);
    }
    for (size_t i = 0; i < c->variable_count; i++) {
        variables[i] =
            (wasi_variable){slice_from_text(c->variables[i].name), slice_from_text(c->variables[i].value)};
    }
    for (size_t i = 0; i < c->directory_count; i++) {
        const host_directory *d = &c->directories[i];
        directories[i] = (wasi_directory){o->directory_fds[i], slice_from_text(d->guest_path), d->read_only};
    }
    w->wasi.arguments = arguments;
    // A workload that serves has no command line.
    w->wasi.argument_count = w->kind == WORKLOAD_COMMAND ? c->argument_count + 1 : 0;
    w->wasi.variables = variables;
    w->wasi.variable_count = c->variable_count;
    w->wasi.directories = directories;
    w->wasi.directory_count = c->directory_count;
}

static void fill_values(workload *w) {
    const workload_config *c = w->config;
    wasi_variable *items = ARENA_ARRAY(&w->arena, wasi_variable, c->value_count + 1);
    CHECK(items != NULL); // HOST_LIST_MAX of them fit
    for (size_t i = 0; i < c->value_count; i++) {
        items[i] = (wasi_variable){slice_from_text(c->values[i].name), slice_from_text(c->values[i].value)};
    }
    w->values = (wasi_config){items, c->value_count};
    w->wasi.config = &w->values;
}

static status reveal(void *context, host_call *call, slice name, secret_value *ret, err *e) {
    const workload *w = context;
    return w->teller.reveal(w->teller.context, w->number, call, name, ret, e);
}

static void fill_secrets(workload *w, const workload_options *o) {
    const workload_config *c = w->config;
    slice *names = ARENA_ARRAY(&w->arena, slice, c->secret_count + 1);
    CHECK(names != NULL); // SECRET_GRANTS_MAX of them fit
    for (size_t i = 0; i < c->secret_count; i++) {
        names[i] = slice_from_text(c->secrets[i].name);
    }
    w->teller = o->secrets;
    w->secrets = (wasi_secrets){names, c->secret_count, w, reveal};
    w->wasi.secrets = c->secret_count > 0 && o->secrets.reveal != NULL ? &w->secrets : NULL;
}

static status fill_links(workload *w, const workload_options *o, err *e) {
    const host_links *from = &w->config->links;
    size_t count = 0, next = 0;
    for (size_t i = 0; i < from->count; i++) {
        count += from->items[i].interface_count;
    }
    wasi_link *items = ARENA_ARRAY(&w->arena, wasi_link, count);
    if (items == NULL) {
        return err_set(e, STATUS_LIMIT, "%zu links are more than a workload may have", count);
    }
    for (size_t i = 0; i < from->count; i++) {
        const host_link *l = &from->items[i];
        if (l->number >= o->link_count) {
            return err_set(e, STATUS_INVALID, "the configuration has a link that the host does not have");
        }
        for (size_t k = 0; k < l->interface_count; k++) {
            items[next++] = (wasi_link){.interface = slice_from_text(l->interfaces[k]),
                                        .name = slice_from_text(l->name),
                                        .target = slice_from_text(l->target),
                                        .target_name = slice_from_text(l->target_name),
                                        .number = l->number,
                                        .timeout_ns = l->timeout_ns,
                                        .is_any = strcmp(l->interfaces[k], WASI_LINK_ANY) == 0,
                                        .state = &o->link_states[l->number]};
        }
    }
    wasi_callee *to = ARENA_ARRAY(&w->arena, wasi_callee, w->config->callee_count + 1);
    CHECK(to != NULL); // HOST_LIST_MAX of them fit
    for (size_t i = 0; i < w->config->callee_count; i++) {
        const host_callee *c = &w->config->callees[i];
        to[i] = (wasi_callee){slice_from_text(c->interface), slice_from_text(c->link)};
    }
    w->links = (wasi_links){items, count, to, w->config->callee_count, o->drivers, &w->share};
    w->wasi.links = &w->links;
    return STATUS_OK;
}

static void fill_authority(workload *w, const workload_options *o) {
    const workload_config *c = o->config;
    w->wasi.name = slice_from_text(c->name);
    w->wasi.issuer = c->issuer != NULL ? slice_from_text(c->issuer) : slice_empty();
    w->wasi.number = w->number;
    w->wasi.gate = o->gate;
    fill_lists(w, o);
    fill_values(w);
    fill_secrets(w, o);
    w->test = (wasi_test_mode){c->has_test_clock, c->test_clock_s, c->has_test_seed, c->test_seed};
    w->wasi.test = c->has_test_clock || c->has_test_seed ? &w->test : NULL;
    w->wasi.stdio = stdio_of(c, w->kind);
    w->wasi.log = (wasi_log_sink){.context = w, .line = log_line, .entry = log_entry, .denied = log_denied};
    w->wasi.metadata_key = (siphash_key){c->metadata_key[0], c->metadata_key[1]};
    w->wasi.http_policy = &c->http_policy;
    w->wasi.is_http_linked = c->is_http_linked;
    w->wasi.net_policy = &c->net_policy;
    w->wasi.limits = limits_of(&c->limits);
    // A command runs as long as it likes unless somebody said otherwise.
    bool serves = w->kind != WORKLOAD_COMMAND;
    w->cpu_ns_max = c->limits.cpu_time_ns_max == 0 && serves ? HOST_CPU_NS_MAX : c->limits.cpu_time_ns_max;
    w->wall_ns_max =
        c->limits.wall_time_ns_max == 0 && serves ? HOST_WALL_NS_MAX : c->limits.wall_time_ns_max;
    w->store_options = engine_store_options_default();
    w->store_options.memory_bytes_max = c->limits.memory_bytes_max;
    w->store_options.table_elements_max = c->limits.table_elements_max;
}

static status load_modules(workload *w, const artifacts *a, err *e) {
    size_t count = component_module_count(w->component);
    if (a->count != count) {
        return err_set(e, STATUS_INTERNAL, "there is native code for %zu of %zu core modules", a->count,
                       count);
    }
    w->modules = mem_calloc(count + 1, sizeof *w->modules);
    for (; w->module_count < count; w->module_count++) {
        TRY(engine_module_load_fd(w->engine, a->fds[w->module_count], &w->modules[w->module_count], e));
    }
    return STATUS_OK;
}

// The limit is for all memories together, and the store adds up those that it sees. When there are others,
// each gets an equal part, so that the sum holds all the same.
static void share_memory(workload *w) {
    uint32_t hidden = 0;
    uint32_t count = component_program_memory_count(w->program, &hidden);
    if (hidden > 0) {
        w->store_options.memory_bytes_max /= count;
    }
}

static status link_program(workload *w, err *e) {
    component_link_options o = {
        .engine = engine_core(w->engine),
        .modules = w->modules,
        .module_count = w->module_count,
        .gate = grants_gate(w->grants),
        .handles_max = w->config->limits.resources_max,
        .call_arena_bytes_max = CALL_ARENA_BYTES_MAX,
    };
    TRY(component_link(w->component, &o, &w->program, e));
    share_memory(w);
    if (w->kind == WORKLOAD_LIBRARY) {
        return STATUS_OK;
    }
    bool serves = w->kind == WORKLOAD_HTTP;
    slice interface = slice_from_text(serves ? "wasi:http/incoming-handler" : "wasi:cli/run");
    w->entry = component_program_export(w->program, interface, slice_from_text(serves ? "handle" : "run"));
    if (w->entry == NULL) {
        return err_set(e, STATUS_INVALID, "%.*s has no function \"%s\"", SLICE_ARG(interface),
                       serves ? "handle" : "run");
    }
    return STATUS_OK;
}

static status prepare(workload *w, const workload_options *o, err *e) {
    TRY(workload_kind_of(w->component, o->config, o->is_alone, &w->kind, e));
    TRY(grants_new(w->component, w->config, NULL, &w->grants, e));
    TRY(grants_check(w->grants, e));
    fill_authority(w, o);
    TRY(fill_links(w, o, e));
    if (o->callees != NULL) {
        callees_offer(o->callees, w->number, w->grants);
    }
    TRY(load_modules(w, o->artifacts, e));
    return link_program(w, e);
}

status workload_new(const workload_options *options, workload **ret, err *e) {
    workload *w = MEM_NEW(workload);
    w->config = options->config;
    w->number = options->number;
    w->engine = options->engine;
    w->logger = options->logger;
    w->component = options->component;
    arena_init(&w->arena, ARENA_BYTES_MAX);
    status s = prepare(w, options, e);
    if (s != STATUS_OK) {
        workload_free(w);
        return s;
    }
    *ret = w;
    return STATUS_OK;
}

void workload_free(workload *w) {
    if (w == NULL) {
        return;
    }
    component_program_free(w->program);
    for (size_t i = 0; i < w->module_count; i++) {
        engine_core(w->engine)->ops->module_free(w->modules[i]);
    }
    mem_free(w->modules);
    grants_free(w->grants);
    arena_done(&w->arena);
    mem_free(w);
}
