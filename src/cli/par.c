// SPDX-License-Identifier: Apache-2.0
// writ par: archives of capability providers.
#include "base/mem.h"
#include "cli/group.h"
#include "cli/options.h"
#include "cli/par_internal.h"
#include "os/clock.h"
#include "os/whole_file.h"

status par_load(const char *path, par_loaded *ret, err *e) {
    *ret = (par_loaded){0};
    TRY(file_read_whole(path, PROVIDER_ARCHIVE_FILE_BYTES_MAX, &ret->bytes, e));
    status s = provider_archive_read(buf_slice(&ret->bytes), 0, &ret->archive, e);
    if (s == STATUS_OK) {
        return STATUS_OK;
    }
    par_loaded_done(ret);
    if (s == STATUS_LIMIT && e != NULL) {
        e->code =
            STATUS_INVALID; // it is the file that asks for too much, not this machine that lacks something
    }
    return err_wrap(e, "%s", path);
}

void par_loaded_done(par_loaded *l) {
    provider_archive_done(&l->archive);
    buf_done(&l->bytes);
}

int par_run(const cli_command *command, int argc, char **argv, par_step check, par_step run) {
    par_args *args = MEM_NEW(par_args);
    args->now_s = clock_wall_now().seconds;
    err e = {0};
    int code = CLI_EXIT_OK;
    status s = cli_parse(command, argc, argv, args, &e);
    if (s == STATUS_OK && check != NULL) {
        s = check(args, &e);
    }
    if (s == STATUS_OK && run(args, &e) != STATUS_OK) {
        code = cli_fail(&e, args->output);
    } else if (s != STATUS_OK && s != STATUS_CANCELLED) {
        cli_fail(&e, args->output);
        code = CLI_EXIT_USAGE;
    }
    mem_free(args);
    return code;
}

status par_set_archive(void *target, const char *value, err *e) {
    (void)e;
    ((par_args *)target)->archive = value;
    return STATUS_OK;
}
status par_set_out(void *target, const char *value, err *e) {
    (void)e;
    ((par_args *)target)->out = value;
    return STATUS_OK;
}
status par_set_output(void *target, const char *value, err *e) {
    return cli_parse_output(value, &((par_args *)target)->output, e);
}

static const cli_member members[] = {
    {"create", "make and sign an archive of programs for several targets", par_create},
    {"insert", "add or replace programs, and sign again", par_insert},
    {"inspect", "show what is inside, who signed it, and whether that holds", par_inspect},
    {"verify", "check everything; for pipelines", par_verify},
    {"extract", "take one program out, once it is believed", par_extract},
};

static const cli_group group = {
    .name = "par",
    .summary = "Archives of capability providers (.par, .par.gz).",
    .details =
        "A provider archive holds one native program for each target (x86_64-linux, aarch64-macos, ...)\n"
        "and a signed token with the hash of each. The format is that of wasmCloud 1.x.",
    .members = members,
    .member_count = sizeof members / sizeof members[0],
    .examples = "  writ par create --vendor Example --name Redis --target x86_64-linux=./redis \\\n"
                "      --issuer acme --subject redis --for 90d --out redis.par.gz\n"
                "  writ par verify redis.par.gz",
};

int cli_par(int argc, char **argv) { return cli_group_run(&group, argc, argv); }
