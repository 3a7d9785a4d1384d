// SPDX-License-Identifier: Apache-2.0
// writ token: tokens that belong to no component: who an account, operator, cluster or host is, and what was
// revoked.
#include <string.h>

#include "cli/group.h"
#include "cli/token_internal.h"
#include "os/whole_file.h"

static bool is_white_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

status cli_token_load(const char *path, buf *ret, err *e) {
    buf_init(ret, TOKEN_BYTES_MAX + 64); // a little white space is not the token's
    TRY(file_read_whole(strcmp(path, "-") == 0 ? "/dev/stdin" : path, ret->max, ret, e));
    while (ret->len > 0 && is_white_space(ret->data[ret->len - 1])) {
        ret->len--;
    }
    size_t before = 0;
    while (before < ret->len && is_white_space(ret->data[before])) {
        before++;
    }
    buf_consume(ret, before);
    return ret->len > 0 ? STATUS_OK : err_set(e, STATUS_INVALID, "%s: the file holds no token", path);
}

static const cli_member members[] = {
    {"create", "issue a token for an operator, account, cluster or host, or a list of revocations",
     cli_token_create},
    {"inspect", "check a token and show everything in it", cli_token_inspect},
};

static const cli_group group = {
    .name = "token",
    .summary = "Tokens that say who somebody is and who vouches for it.",
    .details = "Tokens of components are issued by writ sign, those of providers by writ par.",
    .members = members,
    .member_count = sizeof members / sizeof members[0],
    .examples =
        "  writ token create --kind account --issuer acme-operator --subject web --name \"web team\"\n"
        "  writ token inspect web.jwt",
};

int cli_token(int argc, char **argv) { return cli_group_run(&group, argc, argv); }
