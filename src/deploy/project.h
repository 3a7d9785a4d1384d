// SPDX-License-Identifier: Apache-2.0
// The project file `writ.yaml`: how the components of an application are built, from which sources, and with
// which programs. docs/develop.md is the description for people.
//
//   name: shop
//   manifest: app.yaml
//   components:
//     - {name: app, build: sh build.sh app, output: build/app.wasm, sources: [app, wit]}
//   tools:
//     - {run: clang, get: "the package clang of your system"}
//
// Pure: no file is opened, no program looked for.
#pragma once

#include "codec/problems.h"

enum {
    PROJECT_BYTES_MAX = 256 << 10,
    PROJECT_COMPONENTS_MAX = 64,
    PROJECT_SOURCES_MAX = 64, // of one component
    PROJECT_TOOLS_MAX = 64,
    PROJECT_NAME_BYTES_MAX = 40,
    PROJECT_TEXT_BYTES_MAX = 4096,
};

#define PROJECT_FILE "writ.yaml"

// Paths are relative to the folder of the file, and stay inside it.
typedef struct project_component {
    const char *name;
    const char *build;  // a command for the shell
    const char *output; // where it leaves the component
    const char *const *sources;
    size_t source_count;
} project_component;

typedef struct project_tool {
    const char *run; // a name, looked for in PATH, or a path
    const char *get; // how people get it
} project_tool;

typedef struct project {
    const char *file; // how messages call it
    const char *name;
    const char *manifest;
    project_component *components;
    size_t component_count;
    project_tool *tools;
    size_t tool_count;
    problems found;
    arena memory;
} project;

// STATUS_OK when it can be used; else `found` has what is wrong, everything in one pass. Always makes one.
status project_read(slice text, const char *file, project **ret) WRIT_MUST_USE;
void project_free(project *p); // accepts NULL

// A name of a project or component: lower-case letters, digits and "-", the first a letter.
status project_name_check(slice name, err *e) WRIT_MUST_USE;
