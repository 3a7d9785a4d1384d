// SPDX-License-Identifier: Apache-2.0
// writ token: tokens that belong to no component: who an account, operator, cluster or host is, and what was
// revoked.
#include "cli/group.h"
#include "cli/token_internal.h"

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
