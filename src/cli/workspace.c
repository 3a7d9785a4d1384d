// SPDX-License-Identifier: Apache-2.0
#include "cli/workspace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/findings.h"
#include "os/file.h"
#include "os/whole_file.h"

static void tell_findings(const project *p, cli_output output) {
    if (output == CLI_TEXT) {
        findings_print(stderr, p->file, &p->found);
    } else if (p->found.error_count + p->found.warning_count > 0) {
        json_value *document = json_object_new();
        json_put_text(document, "event", slice_from_text("project"));
        json_put_text(document, "file", slice_from_text(p->file));
        json_put_bool(document, "valid", p->found.error_count == 0);
        json_put(document, "findings", findings_json(&p->found));
        cli_print_json_line(document, stderr);
    }
}

static status read_file(const char *folder, cli_output output, workspace *w, err *e) {
    auto_buf text = {0}, path;
    buf_init(&path, PATH_MAX);
    bool is_here = strcmp(folder, ".") == 0;
    TRY(buf_append_format(&path, "%s%s%s", is_here ? "" : folder, is_here ? "" : "/", PROJECT_FILE));
    w->file = mem_slice_dup(buf_slice(&path));
    status s = file_read_whole(w->file, PROJECT_BYTES_MAX, &text, e);
    if (s == STATUS_NOT_FOUND) {
        return err_set(e, s, "%s: there is no project here; writ new makes one", w->file);
    }
    TRY(s);
    s = project_read(buf_slice(&text), w->file, &w->project);
    tell_findings(w->project, output);
    return s == STATUS_OK ? s : err_set(e, s, "%s cannot be used", w->file);
}

status workspace_open(const char *folder, cli_output output, workspace *ret, err *e) {
    char absolute[PATH_MAX];
    workspace w = {0};
    if (realpath(folder, absolute) == NULL) {
        return err_set_errno(e, errno, folder);
    }
    w.folder = mem_text_dup(absolute);
    status s = read_file(folder, output, &w, e);
    if (s != STATUS_OK) {
        workspace_done(&w);
        return s;
    }
    *ret = w;
    return STATUS_OK;
}

void workspace_done(workspace *w) {
    project_free(w->project);
    mem_free(w->file);
    mem_free(w->folder);
    *w = (workspace){0};
}

status workspace_path(const workspace *w, const char *path, buf *ret, err *e) {
    buf_init(ret, PATH_MAX);
    if (buf_append_format(ret, "%s/%s", w->folder, path) != STATUS_OK || buf_text(ret) == NULL) {
        return err_set(e, STATUS_LIMIT, "%s: the path is too long", path);
    }
    return STATUS_OK;
}

status workspace_check_tools(const workspace *w, err *e) {
    auto_buf missing;
    size_t count = 0;
    buf_init(&missing, ERR_MESSAGE_BYTES_MAX);
    for (size_t i = 0; i < w->project->tool_count; i++) {
        const project_tool *t = &w->project->tools[i];
        if (!process_finds_program(t->run, w->folder)) {
            count++; // what no message could hold is only counted
            (void)!buf_append_format(&missing, "\n  %.100s: %.300s", t->run, t->get);
        }
    }
    return count == 0
               ? STATUS_OK
               : err_set(e, STATUS_NOT_FOUND, "%zu program%s of the build %s not here:%.*s", count,
                         count == 1 ? "" : "s", count == 1 ? "is" : "are", SLICE_ARG(buf_slice(&missing)));
}

status workspace_start_build(const workspace *w, const project_component *c, bool leads_group, process *ret,
                             err *e) {
    const char *const words[] = {"sh", "-c", c->build, NULL};
    const process_tool tool = {.path = "/bin/sh",
                               .argv = words,
                               .directory = w->folder,
                               .output_fd = STDERR_FILENO,
                               .error_fd = -1,
                               .leads_group = leads_group};
    return process_spawn_tool(&tool, ret, e);
}

status workspace_check_build(const workspace *w, const project_component *c, process_exit x, err *e) {
    auto_buf path = {0};
    char text[PROCESS_EXIT_TEXT_BYTES];
    file_info info;
    if (x.is_signal || x.number != 0) {
        return err_set(e, STATUS_CANCELLED, "%s was not built: `%.200s` ended with %s", c->name, c->build,
                       process_exit_text(x, text));
    }
    TRY(workspace_path(w, c->output, &path, e));
    return file_info_at(AT_FDCWD, buf_text(&path), &info) == 0
               ? STATUS_OK
               : err_set(e, STATUS_NOT_FOUND,
                         "%s was not built: `%.200s` succeeded, but left no %s; name its output "
                         "in %s",
                         c->name, c->build, c->output, w->file);
}

static void keep_issuer(void *context, const signing *s) {
    *(nkey_public *)context = s->issuer_public;
    sign_warn_of_imports(s);
}

status workspace_sign(const workspace *w, const project_component *c, const sign_request *how,
                      nkey_public *ret_issuer, err *e) {
    auto_buf path = {0};
    char name[2 * PROJECT_NAME_BYTES_MAX + 2], stem[2 * PROJECT_NAME_BYTES_MAX + 2];
    sign_request *r = MEM_NEW(sign_request);
    snprintf(name, sizeof name, "%s/%s", w->project->name, c->name);
    snprintf(stem, sizeof stem, "%s-%s", w->project->name, c->name);
    *r = *how;
    r->name = name;
    r->stem = stem;
    r->in_place = true;
    r->force = true;
    status s = workspace_path(w, c->output, &path, e);
    r->path = buf_text(&path);
    s = s == STATUS_OK ? sign_component(r, keep_issuer, ret_issuer, e) : s;
    mem_free(r);
    return s;
}
