// SPDX-License-Identifier: Apache-2.0
#include "helper_wat.h"

#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/check.h"

static const char tool[] = WRIT_DEPS_DIR "/tools/bin/wasm-tools";

static int run_tool(FILE *in, FILE *out) {
    char *arguments[] = {(char *)(uintptr_t)tool, (char *)(uintptr_t) "parse", (char *)(uintptr_t) "-", NULL};
    char *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int code;
    CHECK(posix_spawn_file_actions_init(&actions) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&actions, fileno(in), 0) == 0);
    CHECK(posix_spawn_file_actions_adddup2(&actions, fileno(out), 1) == 0);
    CHECK(posix_spawn(&pid, tool, &actions, NULL, arguments, environment) == 0);
    posix_spawn_file_actions_destroy(&actions);
    CHECK(waitpid(pid, &code, 0) == pid);
    return code;
}

void wat_parse(const char *text, buf *ret) {
    FILE *in = tmpfile();
    FILE *out = tmpfile();
    CHECK(in != NULL && out != NULL);
    CHECK(fputs(text, in) >= 0 && fflush(in) == 0);
    rewind(in);
    int code = run_tool(in, out);
    if (code != 0) {
        fprintf(stderr, "cannot make a binary of:\n%s\n", text);
    }
    CHECK(code == 0);
    rewind(out);
    uint8_t block[4096];
    for (size_t count; (count = fread(block, 1, sizeof block, out)) > 0;) {
        CHECK(buf_append(ret, slice_of(block, count)) == STATUS_OK);
    }
    fclose(in);
    fclose(out);
}

status wat_decode(const char *text, buf *binary, component **ret, err *e) {
    buf_init(binary, WAT_BYTES_MAX);
    wat_parse(text, binary);
    return component_decode(buf_slice(binary), NULL, ret, e);
}
