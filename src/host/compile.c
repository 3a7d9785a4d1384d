// SPDX-License-Identifier: Apache-2.0
#include "host/compile.h"

#include <signal.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/cache.h"
#include "engine/fit.h"
#include "engine/module.h"
#include "host/compile_internal.h"
#include "host/message.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/process.h"

enum {
    QUIET_MS = 300, // a person notices waiting from here on
    ARTIFACT_BYTES_MAX = 1 << 30,
    PATH_BYTES_MAX = 4096,
    CHANNEL_BYTES = 1 << 20,
};

#define CACHE_BYTES_MAX (2ull << 30)

void artifacts_done(artifacts *a) {
    for (size_t i = 0; i < a->count; i++) {
        fd_close(a->fds[i]);
    }
    mem_free(a->fds);
    *a = (artifacts){0, NULL};
}

// Any worker may be the one that all instances run on: the bound holds over the sum of them (admission.h).
engine_options compile_engine_options(const host_config *config, bool compiles) {
    engine_options o = engine_options_default();
    uint64_t instances = host_config_instances(config);
    o.instances_max = instances < UINT32_MAX ? (uint32_t)instances : UINT32_MAX;
    o.instances_max = o.instances_max > 0 ? o.instances_max : 1; // of nothing yet
    o.table_elements_max = config->workload_count > 0 ? 0 : o.table_elements_max;
    for (size_t i = 0; i < config->workload_count; i++) {
        uint32_t n = config->workloads[i].limits.table_elements_max;
        o.table_elements_max = n > o.table_elements_max ? n : o.table_elements_max;
    }
    o.compiles = compiles;
    return o;
}

void compile_fit_engine(engine_options *o, const engine_facts *facts, const component *const *list,
                        size_t count, uint32_t processes) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += component_module_count(list[i]);
    }
    slice *modules = mem_calloc(total + 1, sizeof *modules);
    slice *next = modules;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < component_module_count(list[i]); j++) {
            *next++ = component_module_bytes(list[i], j);
        }
    }
    engine_options_fit(o, facts, modules, total, processes);
    mem_free(modules);
}

void compile_report_engine(const engine *g, logger *l) {
    const engine_sizes *sizes = engine_sizes_of(g);
    if (l != NULL && sizes->warning[0] != '\0') {
        logger_event(l, LOG_WARN, "engine", NULL, 0, "%s", sizes->warning);
    }
}

// What was not in the cache, and where it goes.
typedef struct missing {
    const compile_job *job;
    compile_start start;
    int *outputs; // memory files, one for each of start.indices
    uint64_t started_ns;
    size_t done;
} missing;

static void report(missing *m) {
    const host_observer *o = m->job->observer;
    bool is_noticed = clock_now_ns() - m->started_ns >= QUIET_MS * 1000000ull;
    if (is_noticed && o != NULL && o->compiling != NULL) {
        o->compiling(o->context, m->done, m->start.count);
    }
}

static slice module_of(const missing *m, size_t i) {
    return component_module_bytes(m->job->component, m->start.indices[i]);
}

// --- in this process ---------------------------------------------------------------------------------------

static status compile_here(missing *m, err *e) {
    for (size_t i = 0; i < m->start.count; i++) {
        auto_buf code;
        buf_init(&code, ARTIFACT_BYTES_MAX);
        TRY(engine_compile(m->job->engine, module_of(m, i), &code, e));
        TRY(memory_file_from_bytes("writ-code", buf_slice(&code), &m->outputs[i], e));
        m->done++;
        report(m);
    }
    return STATUS_OK;
}

// --- in a process of its own -------------------------------------------------------------------------------

typedef struct compiler {
    process process;
    channel channel;
    missing *missing;
    bool is_finished;
} compiler;

static status start_compiler(compiler *c, err *e) {
    channel theirs;
    TRY(channel_pair(CHANNEL_BYTES, &c->channel, &theirs, e));
    const char *const argv[] = {"writ", "__compiler", NULL};
    process_options o = {.argv = argv, .channel_fd = theirs.fd, .discards_stdio = true};
    status s = process_spawn(&o, &c->process, e);
    channel_close(&theirs);
    return s;
}

static status send_job(compiler *c, err *e) {
    missing *m = c->missing;
    TRY(compile_send_start(&c->channel, &m->start, m->job->component_fd, e));
    for (size_t i = 0; i < m->start.count; i++) {
        TRY(memory_file_new("writ-code", &m->outputs[i], e));
    }
    return message_send_all_fds(&c->channel, MESSAGE_MODULES, m->outputs, m->start.count, e);
}

static status on_packet(compiler *c, const channel_packet *p, err *e) {
    missing *m = c->missing;
    message_failed failed;
    switch (p->type) {
    case MESSAGE_COMPILED:
        TRY(message_read_empty(p, e));
        m->done += m->done < m->start.count ? 1 : 0;
        report(m);
        return STATUS_OK;
    case MESSAGE_FAILED:
        TRY(message_read_failed(p, &failed, e));
        return err_set(e, failed.code, "%.*s", SLICE_ARG(failed.text));
    case MESSAGE_FINISHED:
        c->is_finished = true;
        return STATUS_OK;
    default:
        return err_set(e, STATUS_INVALID, "message %u from the compiler is unknown", p->type);
    }
}

#define COMPILE_NS_MAX (10 * 60000000000ull) // the largest guests we know take one on a slow machine

static status run_compiler(compiler *c, err *e) {
    uint64_t started_ns = clock_now_ns();
    while (!c->is_finished) {
        if (clock_now_ns() - started_ns > COMPILE_NS_MAX) {
            return err_set(e, STATUS_TIMEOUT, "compiling took longer than %d minutes and was given up",
                           (int)(COMPILE_NS_MAX / 60000000000));
        }
        channel_packet p;
        status s = channel_wait(&c->channel, QUIET_MS, 0, &p, e);
        if (s == STATUS_TIMEOUT) {
            report(c->missing);
            continue;
        }
        TRY(s);
        TRY(on_packet(c, &p, e));
    }
    return STATUS_OK;
}

// The compiler ended without a word: killed by the kernel for want of memory, most of the time.
static status explain_end(process_exit x, err *e) {
    char text[PROCESS_EXIT_TEXT_BYTES];
    return err_set(
        e, STATUS_LIMIT,
        "the compiler ended by %s before it was done. Compiling needs more memory than running: where a "
        "machine or cgroup has too little, start the component once where there is more, with --cache "
        "naming a directory that both use",
        process_exit_text(x, text));
}

static status compile_elsewhere(missing *m, err *e) {
    compiler c = {.process = {0, -1}, .channel = {-1}, .missing = m};
    status s = start_compiler(&c, e);
    if (s != STATUS_OK) {
        channel_close(&c.channel);
        return s;
    }
    s = send_job(&c, e);
    if (s == STATUS_OK) {
        s = run_compiler(&c, e);
    }
    channel_close(&c.channel);
    if (s != STATUS_OK && s != STATUS_CLOSED) {
        process_signal(&c.process, SIGKILL);
    }
    process_exit x = process_wait(&c.process);
    if (s == STATUS_CLOSED) {
        return explain_end(x, e);
    }
    for (size_t i = 0; i < m->start.count && s == STATUS_OK; i++) {
        s = memory_file_seal(m->outputs[i], e);
    }
    return s;
}

// --- the cache ---------------------------------------------------------------------------------------------

static void report_cache(void *context, const char *text) {
    logger_event(context, LOG_WARN, "cache", NULL, 0, "%s", text);
}

status host_cache_directory(const char *named, buf *ret, err *e) {
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (named != NULL) {
        return buf_append_text(ret, named);
    }
    if (base != NULL && base[0] == '/') {
        return buf_append_format(ret, "%s/writ/code", base);
    }
    if (home != NULL && home[0] == '/') {
        return buf_append_format(ret, "%s/.cache/writ/code", home);
    }
    return err_set(e, STATUS_NOT_FOUND, "neither --cache nor HOME names a directory");
}

status host_data_directory(const char *named, buf *ret, err *e) {
    const char *base = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (named != NULL) {
        return buf_append_text(ret, named);
    }
    if (base != NULL && base[0] == '/') {
        return buf_append_format(ret, "%s/writ/data", base);
    }
    if (home != NULL && home[0] == '/') {
        return buf_append_format(ret, "%s/.local/share/writ/data", home);
    }
    return err_set(e, STATUS_NOT_FOUND, "neither --data nor HOME names a directory");
}

// A cache that cannot be used costs time and nothing else.
static void open_cache(const compile_job *job, engine_cache **ret) {
    auto_buf directory;
    buf_init(&directory, PATH_BYTES_MAX);
    err why = {0};
    status s = host_cache_directory(job->config->cache_directory, &directory, &why);
    if (s == STATUS_OK) {
        engine_cache_options o = {.directory = buf_text(&directory),
                                  .engine = &job->options,
                                  .bytes_max = CACHE_BYTES_MAX,
                                  .report = report_cache,
                                  .context = job->logger};
        s = engine_cache_open(&o, ret, &why);
    }
    if (s != STATUS_OK) {
        logger_event(job->logger, LOG_WARN, "cache", NULL, 0, "compiled code is not kept: %s", why.message);
    }
}

static status find_cached(const compile_job *job, engine_cache *cache, artifacts *a, missing *m, err *e) {
    for (size_t i = 0; i < a->count; i++) {
        err why = {0};
        slice wasm = component_module_bytes(job->component, i);
        if (cache != NULL && engine_cache_find(cache, wasm, &a->fds[i], &why) == STATUS_OK) {
            continue;
        }
        if (m->start.count == COMPILE_MODULES_MAX || i > UINT16_MAX) {
            return err_set(e, STATUS_LIMIT, "more than %d core modules to compile", COMPILE_MODULES_MAX);
        }
        m->start.indices[m->start.count++] = (uint16_t)i;
    }
    return STATUS_OK;
}

// Where the cache cannot keep it, the memory file itself serves.
static status keep(const missing *m, engine_cache *cache, size_t i, int *ret_fd, err *e) {
    err why = {0};
    memory_map code;
    if (cache == NULL) {
        return fd_duplicate(m->outputs[i], ret_fd, e);
    }
    TRY(memory_map_read(m->outputs[i], ARTIFACT_BYTES_MAX, &code, e));
    status s = engine_cache_store(cache, module_of(m, i), memory_map_slice(&code), ret_fd, &why);
    memory_map_done(&code);
    if (s != STATUS_OK) {
        logger_event(m->job->logger, LOG_WARN, "cache", NULL, 0, "%s", why.message);
        return fd_duplicate(m->outputs[i], ret_fd, e);
    }
    return STATUS_OK;
}

static status compile_missing(missing *m, engine_cache *cache, artifacts *a, err *e) {
    m->started_ns = clock_now_ns();
    m->outputs = mem_calloc(m->start.count + 1u, sizeof *m->outputs);
    for (size_t i = 0; i < m->start.count; i++) {
        m->outputs[i] = -1;
    }
    status s = m->job->component_fd < 0 ? compile_here(m, e) : compile_elsewhere(m, e);
    for (size_t i = 0; i < m->start.count; i++) {
        if (s == STATUS_OK) {
            s = keep(m, cache, i, &a->fds[m->start.indices[i]], e);
        }
        fd_close(m->outputs[i]);
    }
    mem_free(m->outputs);
    return s;
}

static status find_or_compile(const compile_job *job, engine_cache *cache, artifacts *a, err *e) {
    missing m = {.job = job, .start.options = job->options};
    m.start.options.compiles = true;
    TRY(find_cached(job, cache, a, &m, e));
    return m.start.count == 0 ? STATUS_OK : compile_missing(&m, cache, a, e);
}

status compile_modules(const compile_job *job, artifacts *ret, err *e) {
    engine_cache *cache = NULL;
    open_cache(job, &cache);
    artifacts a = {.count = component_module_count(job->component)};
    a.fds = mem_calloc(a.count + 1, sizeof *a.fds);
    for (size_t i = 0; i < a.count; i++) {
        a.fds[i] = -1;
    }
    status s = find_or_compile(job, cache, &a, e);
    engine_cache_close(cache);
    if (s != STATUS_OK) {
        artifacts_done(&a);
        return err_wrap(e, "compile");
    }
    *ret = a;
    return STATUS_OK;
}
