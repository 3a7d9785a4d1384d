// SPDX-License-Identifier: Apache-2.0
// writ lattice: who belongs to a lattice, and who may tell its hosts what to do.
#include "cli/cli.h"
#include "cli/group.h"
#include "cli/lattice_trust.h"

int cli_lattice_group(int argc, char **argv) {
    static const cli_member members[] = {
        {"admit", "sign the token with which a host belongs to a lattice", cli_lattice_admit},
        {"issuers", "cluster keys whose hosts are believed", cli_lattice_issuers},
        {"revoked", "hosts and cluster keys that are believed no more", cli_lattice_revoked},
        {"users", "users of the control interface, and what each may do", cli_lattice_users},
        {"nats-config", "accounts and permissions for the servers of NATS", cli_lattice_nats_config},
    };
    static const cli_group group = {
        .name = "lattice",
        .summary = "Who belongs to a lattice, and who may tell its hosts what to do.",
        .details =
            "A host belongs to a lattice when a cluster key (C...) that the others trust has signed a token "
            "for its key\n(N...). Whom a host believes is in lattice.json in $WRIT_HOME or ~/.config/writ.",
        .members = members,
        .member_count = sizeof members / sizeof *members,
        .examples = "  writ keys gen cluster shop\n"
                    "  writ lattice issuers add shop\n"
                    "  writ lattice admit NB... --key shop --lattice shop --for 30d --out host.jwt\n"
                    "  writ lattice users add UA... --role operate --note alice",
    };
    return cli_group_run(&group, argc, argv);
}
