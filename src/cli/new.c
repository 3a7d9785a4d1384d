// SPDX-License-Identifier: Apache-2.0
// writ new: makes a project from a template.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/templates.h"
#include "deploy/project.h"
#include "os/fd.h"
#include "os/file.h"

enum { OPERANDS_MAX = 2, FILE_BYTES_MAX = 1 << 20 };

typedef struct new_request {
    const char *operands[OPERANDS_MAX];
    size_t operand_count;
    const char *language;
    bool is_list;
    cli_output output;
} new_request;

CLI_KEEP_TEXT(set_language, new_request, language);
CLI_KEEP_OUTPUT(set_output, new_request, output);
CLI_TURN_ON(set_list, new_request, is_list);

static status set_operand(void *target, const char *value, WRIT_UNUSED err *e) {
    new_request *r = target;
    r->operands[r->operand_count++] = value;
    return STATUS_OK;
}

static const cli_option options[] = {
    {"lang", 0, "LANGUAGE", "the language of its components: c, js, python or go", set_language},
    {"list", 0, NULL, "show the templates and stop", set_list},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "new",
    .usage = "[OPTIONS] [TEMPLATE] NAME",
    .summary = "Make a project: sources, WIT, a manifest, and how it is built.",
    .details =
        "The project comes into the new folder NAME. Nothing that is there already is touched, and nothing "
        "is fetched.\nWithout TEMPLATE it is `hello`; --list shows all, which are the same in each language.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  writ new --list\n"
                "  writ new hello-world --lang c && cd hello-world && writ dev\n"
                "  writ new counter visits --lang js",
    .operands_min = 0,
    .operands_max = OPERANDS_MAX,
    .operand = set_operand,
};

// --- the list ----------------------------------------------------------------------------------------------

static bool begins_template(size_t i) {
    return i == 0 || strcmp(template_projects[i].name, template_projects[i - 1].name) != 0;
}

static void list_text(void) {
    printf("templates:\n");
    for (size_t i = 0; i < template_project_count; i++) {
        if (begins_template(i)) {
            printf("  %-10s %s\n", template_projects[i].name, template_projects[i].summary);
        }
    }
    printf("languages:\n");
    for (size_t i = 0; i < template_project_count && (i == 0 || !begins_template(i)); i++) {
        printf("  %-10s %s\n", template_projects[i].language, template_projects[i].language_title);
    }
}

static void list_json(void) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < template_project_count; i++) {
        const template_project *p = &template_projects[i];
        json_value *row = json_object_new();
        json_put_text(row, "template", slice_from_text(p->name));
        json_put_text(row, "lang", slice_from_text(p->language));
        json_put_text(row, "summary", slice_from_text(p->summary));
        json_push(list, row);
    }
    cli_print_json(list);
}

// --- what was asked for ------------------------------------------------------------------------------------

static status find(const new_request *r, const char *name, const template_project **ret, err *e) {
    bool has_template = false;
    for (size_t i = 0; i < template_project_count; i++) {
        const template_project *p = &template_projects[i];
        if (strcmp(p->name, name) == 0 && strcmp(p->language, r->language) == 0) {
            *ret = p;
            return STATUS_OK;
        }
        has_template = has_template || strcmp(p->name, name) == 0;
    }
    return has_template
               ? err_set(e, STATUS_INVALID,
                         "there is no template in \"%.40s\"; write --lang c, js, python or go", r->language)
               : err_set(e, STATUS_INVALID, "there is no template \"%.40s\"; writ new --list shows them",
                         name);
}

static status check(const new_request *r, const template_project **ret, const char **ret_name, err *e) {
    if (r->operand_count == 0) {
        return err_set(e, STATUS_INVALID, "a project needs a name: writ new [TEMPLATE] NAME --lang LANGUAGE");
    }
    if (r->language == NULL) {
        return err_set(e, STATUS_INVALID, "in which language? write --lang c, js, python or go");
    }
    *ret_name = r->operands[r->operand_count - 1];
    TRY(project_name_check(slice_from_text(*ret_name), e));
    return find(r, r->operand_count == 2 ? r->operands[0] : "hello", ret, e);
}

// --- writing -----------------------------------------------------------------------------------------------

// The content with the name of the project in place of @NAME@.
static status fill(const template_file *f, const char *name, buf *ret) {
    static const char mark[] = "@NAME@";
    slice left = slice_of(f->content, f->length);
    buf_init(ret, FILE_BYTES_MAX);
    while (left.len > 0) {
        size_t at = slice_find(left, 0, '@');
        bool is_mark = at != SIZE_MAX && slice_starts_with(slice_sub(left, at, left.len), mark);
        size_t end = at == SIZE_MAX ? left.len : is_mark ? at : at + 1;
        TRY(buf_append(ret, slice_sub(left, 0, end)));
        if (is_mark) {
            TRY(buf_append_text(ret, name));
            end += sizeof mark - 1;
        }
        left = slice_sub(left, end, left.len);
    }
    return STATUS_OK;
}

static int write_bytes(int fd, slice bytes) {
    int failed = 0;
    for (size_t done = 0, n = 0; failed == 0 && done < bytes.len; done += n) {
        failed = file_write(fd, bytes.data + done, bytes.len - done, done, &n);
    }
    return failed;
}

// Makes the folders on the way to the file; `folder` becomes the last one.
static int enter(int *folder, const char **path) {
    for (const char *slash = strchr(*path, '/'); slash != NULL; slash = strchr(*path, '/')) {
        char name[256];
        int next, failed;
        snprintf(name, sizeof name, "%.*s", (int)(slash - *path), *path);
        failed = file_make_directory(*folder, name);
        if (failed != 0 && failed != EEXIST) {
            return failed;
        }
        failed = file_open_component(*folder, name, O_RDONLY | O_DIRECTORY, &next);
        if (failed != 0) {
            return failed;
        }
        fd_close(*folder);
        *folder = next;
        *path = slash + 1;
    }
    return 0;
}

static status write_file(int root, const template_file *f, const char *name, err *e) {
    auto_fd folder = -1, fd = -1;
    auto_buf content = {0};
    const char *path = f->path;
    TRY(fill(f, name, &content));
    int failed = file_open_component(root, ".", O_RDONLY | O_DIRECTORY, &folder);
    failed = failed == 0 ? enter(&folder, &path) : failed;
    failed = failed == 0 ? file_open_component(folder, path, O_WRONLY | O_CREAT | O_EXCL, &fd) : failed;
    failed = failed == 0 ? write_bytes(fd, buf_slice(&content)) : failed;
    return failed == 0 ? STATUS_OK : (err_set_errno(e, failed, f->path), err_wrap(e, "project %s", name));
}

static status make(const template_project *p, const char *name, err *e) {
    auto_fd root = -1;
    int failed = file_make_directory(AT_FDCWD, name);
    if (failed == EEXIST) {
        return err_set(e, STATUS_EXISTS,
                       "%s is there already, and is not touched; choose another name, or remove it first",
                       name);
    }
    failed = failed == 0 ? file_open_component(AT_FDCWD, name, O_RDONLY | O_DIRECTORY, &root) : failed;
    if (failed != 0) {
        err_set_errno(e, failed, "make the folder");
        return err_wrap(e, "project %s", name);
    }
    for (size_t i = 0; i < p->file_count; i++) {
        TRY(write_file(root, &p->files[i], name, e));
    }
    return STATUS_OK;
}

static void report(const new_request *r, const template_project *p, const char *name) {
    if (r->output == CLI_TEXT) {
        printf("%s: the template %s in %s, %zu files\n\n  cd %s\n  writ build      build it; names the tools "
               "that "
               "are missing, if any\n  writ dev        build and serve it, again with each change\n",
               name, p->name, p->language_title, p->file_count, name);
        return;
    }
    json_value *document = json_object_new(), *files = json_array_new();
    json_put_text(document, "name", slice_from_text(name));
    json_put_text(document, "template", slice_from_text(p->name));
    json_put_text(document, "lang", slice_from_text(p->language));
    for (size_t i = 0; i < p->file_count; i++) {
        json_push(files, json_text(slice_from_text(p->files[i].path)));
    }
    json_put(document, "files", files);
    cli_print_json(document);
}

int cli_new(int argc, char **argv) {
    new_request r = {0};
    err e = {0};
    const template_project *p = NULL;
    const char *name = NULL;
    status s = cli_parse(&command, argc, argv, &r, &e);
    if (s == STATUS_OK && r.is_list) {
        (r.output == CLI_JSON ? list_json : list_text)();
        return CLI_EXIT_OK;
    }
    s = s == STATUS_OK ? check(&r, &p, &name, &e) : s;
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, r.output), CLI_EXIT_USAGE);
    }
    if (make(p, name, &e) != STATUS_OK) {
        return cli_fail(&e, r.output);
    }
    report(&r, p, name);
    return CLI_EXIT_OK;
}
