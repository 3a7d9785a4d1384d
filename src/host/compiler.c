// SPDX-License-Identifier: Apache-2.0
// The compiler process: receives the component and one empty memory file for each core module, shuts itself
// in, fills the files, ends.
#include "base/mem.h"
#include "engine/module.h"
#include "host/compile_internal.h"
#include "host/host.h"
#include "host/message.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/process.h"
#include "os/sandbox.h"

enum { ARTIFACT_BYTES_MAX = 1 << 30, START_TIMEOUT_MS = 10000, DESCRIPTORS_MAX = 4096 + 64 };

// Both sides are the same binary, so the job travels as it lies in memory.
status compile_send_start(channel *c, const compile_start *m, int component_fd, err *e) {
    return channel_send(c, MESSAGE_START, slice_of(m, sizeof *m), &component_fd, 1, e);
}

status compile_read_start(const channel_packet *p, compile_start *ret, err *e) {
    if (p->type != MESSAGE_START || p->len != sizeof *ret || p->fd_count != 1) {
        return err_set(e, STATUS_INVALID, "the first message is malformed");
    }
    memcpy(ret, p->payload, sizeof *ret);
    return ret->count <= COMPILE_MODULES_MAX ? STATUS_OK : err_set(e, STATUS_LIMIT, "too many core modules");
}

typedef struct job {
    channel channel;
    compile_start start;
    memory_map bytes;
    component *component;
    engine *engine;
    int *outputs;
} job;

static status receive_job(job *j, err *e) {
    channel_packet p;
    TRY(channel_wait(&j->channel, START_TIMEOUT_MS, 1, &p, e));
    status s = compile_read_start(&p, &j->start, e);
    int fd = channel_packet_take(&p, 0);
    channel_packet_done(&p);
    component_limits limits = component_limits_default();
    if (s == STATUS_OK) {
        s = memory_map_read(fd, limits.bytes_max, &j->bytes, e);
    }
    fd_close(fd);
    TRY(s);
    j->outputs = mem_calloc(j->start.count + 1u, sizeof *j->outputs);
    return message_receive_all_fds(&j->channel, MESSAGE_MODULES, START_TIMEOUT_MS, j->outputs, j->start.count,
                                   e);
}

static status shut_in(job *j, err *e) {
    TRY(sandbox_drop_privileges(DESCRIPTORS_MAX, e));
    status s = sandbox_restrict_files(NULL, 0, e);
    if (s != STATUS_OK && s != STATUS_UNSUPPORTED) {
        return s;
    }
    TRY(engine_new(&j->start.options, &j->engine, e));
    sandbox_calls calls = {.starts_threads = true, .makes_code = true};
    s = sandbox_restrict_calls(&calls, e);
    return s == STATUS_UNSUPPORTED ? STATUS_OK : s;
}

static status compile_one(job *j, size_t i, err *e) {
    size_t index = j->start.indices[i];
    if (index >= component_module_count(j->component)) {
        return err_set(e, STATUS_INVALID, "the component has no core module %zu", index);
    }
    auto_buf code;
    buf_init(&code, ARTIFACT_BYTES_MAX);
    TRY(engine_compile(j->engine, component_module_bytes(j->component, index), &code, e));
    TRY(fd_write_all(j->outputs[i], buf_slice(&code), e));
    return message_send_empty(&j->channel, MESSAGE_COMPILED, e);
}

static status compile_all(job *j, err *e) {
    component_limits limits = component_limits_default();
    TRY(component_decode(memory_map_slice(&j->bytes), &limits, &j->component, e));
    for (size_t i = 0; i < j->start.count; i++) {
        TRY(compile_one(j, i, e));
    }
    return message_send_finished(&j->channel, 0, e);
}

int host_compiler_main(int argc, char **argv) {
    (void)argc, (void)argv;
    process_begin_child();
    process_set_name("writ-compiler");
    job j = {.channel = {PROCESS_CHANNEL_FD}};
    err e = {0};
    status s = receive_job(&j, &e);
    if (s == STATUS_OK) {
        s = shut_in(&j, &e);
    }
    if (s == STATUS_OK) {
        s = compile_all(&j, &e);
    }
    if (s != STATUS_OK) {
        (void)!message_send_failed(&j.channel, &e, NULL);
    }
    // The end of the process frees everything, and library exit handlers would only try what is forbidden
    // now.
    process_end(s == STATUS_OK ? 0 : 1);
}
