// SPDX-License-Identifier: Apache-2.0
// The members of `writ lattice`.
#pragma once

#define CLI_LATTICE_FILE "lattice.json" // of the user's own directory (cli/places.h)
#define CLI_OPTION_LATTICE_FILE(setter) \
    { "file", 'f', "FILE", "whom hosts believe (lattice.json in $WRIT_HOME or ~/.config/writ)", setter }

int cli_lattice_admit(int argc, char **argv);
int cli_lattice_issuers(int argc, char **argv);
int cli_lattice_revoked(int argc, char **argv);
int cli_lattice_users(int argc, char **argv);
int cli_lattice_nats_config(int argc, char **argv);
