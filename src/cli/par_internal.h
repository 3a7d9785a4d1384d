// SPDX-License-Identifier: Apache-2.0
// What the commands of "writ par" share.
#pragma once

#include "artifact/provider_archive.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/token_file.h"
#include "cli/validity.h"

// Texts borrow from the command line.
typedef struct par_args {
    const char *archive;
    const char *out;
    const char *name;
    const char *vendor;
    const char *version;
    const char *world;
    const char *schema;
    const char *issuer;
    const char *subject;
    const char *keys;
    const char *passphrase_file;
    const char *trust;
    const char *target; // of extract
    const char *key;    // of verify: the only issuer that counts
    bool any_issuer;
    bool adopts; // signs what somebody else had signed
    bool has_revision;
    int32_t revision;
    cli_validity validity;
    cli_chain chain;
    size_t file_count; // --target NAME=FILE
    struct {
        slice target;
        const char *path;
    } files[PROVIDER_ARCHIVE_TARGETS_MAX];
    uint64_t now_s; // one clock for all of a command
    cli_output output;
} par_args;

// An archive and the bytes that it borrows from.
typedef struct par_loaded {
    buf bytes;
    provider_archive archive;
} par_loaded;

status par_load(const char *path, par_loaded *ret, err *e) WRIT_MUST_USE;
void par_loaded_done(par_loaded *l); // accepts a zeroed one

typedef status (*par_step)(const par_args *args, err *e);
// Parses, runs and turns the result into an exit code. What `check` (or NULL) refuses is an error of usage.
int par_run(const cli_command *command, int argc, char **argv, par_step check, par_step run);

// Setters of options that several of them have.
status par_set_archive(void *target, const char *value, err *e);
status par_set_out(void *target, const char *value, err *e);
status par_set_output(void *target, const char *value, err *e);

int par_create(int argc, char **argv);
int par_insert(int argc, char **argv);
int par_inspect(int argc, char **argv);
int par_verify(int argc, char **argv);
int par_extract(int argc, char **argv);
