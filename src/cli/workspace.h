// SPDX-License-Identifier: Apache-2.0
// A project on this machine: its file read, its programs looked for, its components built and signed. What
// `writ build` and `writ dev` have in common.
#pragma once

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/sign_internal.h"
#include "deploy/project.h"
#include "os/process.h"

typedef struct workspace {
    char *folder; // absolute
    char *file;   // the project file, as messages call it
    project *project;
} workspace;

// Reads the project file in the folder. What is wrong with it is told on stderr, all at once; then
// STATUS_INVALID.
status workspace_open(const char *folder, cli_output output, workspace *ret, err *e) WRIT_MUST_USE;
void workspace_done(workspace *w); // accepts a zeroed one

// The absolute form of a path of the project, NUL-terminated, in an empty buffer.
status workspace_path(const workspace *w, const char *path, buf *ret, err *e) WRIT_MUST_USE;

// STATUS_NOT_FOUND with all programs that are missing, each with how to get it.
status workspace_check_tools(const workspace *w, err *e) WRIT_MUST_USE;

// Starts the build of a component. What it prints goes to our standard error.
status workspace_start_build(const workspace *w, const project_component *c, bool leads_group, process *ret,
                             err *e) WRIT_MUST_USE;
// What came of it: STATUS_CANCELLED when the command failed, STATUS_NOT_FOUND when it made nothing.
status workspace_check_build(const workspace *w, const project_component *c, process_exit x,
                             err *e) WRIT_MUST_USE;

// Signs what was built, in its place: the output of a build is ours, whoever signed it last. `how` has keys
// and validity. Names the component PROJECT/COMPONENT, its module key PROJECT-COMPONENT.
status workspace_sign(const workspace *w, const project_component *c, const sign_request *how,
                      nkey_public *ret_issuer, err *e) WRIT_MUST_USE;
