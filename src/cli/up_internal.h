// SPDX-License-Identifier: Apache-2.0
// What the files of `writ up` share.
#pragma once

#include <limits.h>
#include <stdio.h>

#include "api/plan.h"
#include "cli/host_start.h"
#include "host/background.h"
#include "host/generations.h"

enum { UP_FILES_MAX = PLAN_APPLICATIONS_MAX };

typedef struct up_args {
    cli_host host; // first; workloads come from the manifests
    const char *files[UP_FILES_MAX];
    size_t file_count;
    bool is_listener_fixed;
    bool is_unsigned;
    bool is_dry;
    bool is_detached;
    const char *host_name; // NULL = nobody can ask it; else its name
    plan plan;             // what runs in this process
    background background;
} up_args;

// up_show.c
json_value *up_workloads_json(const host_config *c);
void up_print_workloads(FILE *out, const host_config *c);

// up_changes.c: what is other than in the generation before, whose summary is in `before_fd` (or -1). Tells
// it, and writes the summary of this one. `s` may be NULL.
void up_tell_changes(const up_args *a, const host_status *s, int before_fd, int *ret_summary_fd);

// up_host.c
bool up_is_running(const up_args *a); // a host of that name
// Before the host is opened: what the options say about it, so that they can be given again.
status up_note_options(up_args *a, err *e) WRIT_MUST_USE;
// Hands the files to it.
status up_apply(up_args *a, int *ret_exit, err *e) WRIT_MUST_USE;
status up_absolute(const char *file, char path[PATH_MAX], err *e) WRIT_MUST_USE;
// Makes this host one that can be asked, by its name.
status up_open_place(up_args *a, err *e) WRIT_MUST_USE;
