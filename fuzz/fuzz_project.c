// SPDX-License-Identifier: Apache-2.0
// Any text: a project file is read with errors that have places; what is valid names only what is inside the
// project.
//
// links: deploy
#include <string.h>

#include "base/check.h"
#include "deploy/project.h"
#include "fuzz.h"

static void check_path(const char *path) {
    CHECK(path[0] != '\0' && path[0] != '/' && strcmp(path, "..") != 0);
}

static void check_project(const project *p) {
    CHECK(project_name_check(slice_from_text(p->name), NULL) == STATUS_OK);
    check_path(p->manifest);
    CHECK(p->component_count > 0 && p->component_count <= PROJECT_COMPONENTS_MAX);
    for (size_t i = 0; i < p->component_count; i++) {
        const project_component *c = &p->components[i];
        CHECK(project_name_check(slice_from_text(c->name), NULL) == STATUS_OK && c->build[0] != '\0');
        check_path(c->output);
        for (size_t n = 0; n < c->source_count; n++) {
            check_path(c->sources[n]);
        }
    }
    for (size_t i = 0; i < p->tool_count; i++) {
        CHECK(p->tools[i].run[0] != '\0' && p->tools[i].get[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    project *p;
    status result = project_read(slice_of(data, size), "fuzz", &p);
    CHECK((result == STATUS_OK) == (p->found.error_count == 0));
    for (const problem *f = p->found.first; f != NULL; f = f->next) {
        CHECK(f->at.line > 0 && f->message[0] != '\0');
    }
    if (result == STATUS_OK) {
        check_project(p);
    }
    project_free(p);
    return 0;
}
