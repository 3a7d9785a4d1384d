// SPDX-License-Identifier: Apache-2.0
// writ: one binary, one function per command.
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "host/host.h"
#include "os/fd.h"

typedef struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); // arguments after the command's name
} command;

static const command commands[] = {
    {"run", "serve or execute a component", cli_run},
    {"up", "run applications as their manifests describe them", cli_up},
    {"host", "run a host of a lattice", cli_run_host},
    {"new", "make a project from a template", cli_new},
    {"build", "build the components of a project, and sign them", cli_build},
    {"dev", "build and run a project, again with each change", cli_dev},
    {"down", "end a host in the background or of a lattice, or take applications off it", cli_down},
    {"get", "show what a host in the background runs, or what a lattice has", cli_get},
    {"logs", "show what a host in the background has logged", cli_logs},
    {"scale", "change how many instances a workload or a component may have", cli_scale},
    {"link", "change what is behind links while a host runs; links of a lattice", cli_link},
    {"provider", "serve drivers to hosts, in a process of their own", cli_provider},
    {"start", "start a component or a provider on a host of a lattice", cli_start},
    {"stop", "stop a component, a provider or a host of a lattice", cli_stop},
    {"update", "put another version in the place of a component of a lattice", cli_update},
    {"config", "set, show and delete configurations of a lattice", cli_config},
    {"label", "give labels to hosts of a lattice", cli_label},
    {"drain", "take the components off a host of a lattice", cli_drain},
    {"lattice", "who belongs to a lattice, and who may tell its hosts what to do", cli_lattice_group},
    {"call", "call a function of a component in a lattice", cli_call},
    {"spy", "show calls in a lattice as they are made", cli_spy},
    {"context", "remember how lattices are reached, and which one is meant", cli_context},
    {"inspect", "show what a component imports, exports and would be granted", cli_inspect},
    {"sign", "sign a component: its maker, its validity, what it may import", cli_sign},
    {"verify", "check a component's signature and the trust in its maker", cli_verify},
    {"diff", "show what a new version may do that the old one could not", cli_diff},
    {"trust", "whom this host believes, what is revoked, which revisions are too old", cli_trust},
    {"keys", "make, list, export and import key pairs", cli_keys},
    {"secrets", "store values that components are granted by name", cli_secrets},
    {"token", "issue and inspect tokens of accounts, operators and hosts", cli_token},
    {"bundle", "sign and check with bundles in the Sigstore format", cli_bundle},
    {"par", "make, sign, check and unpack archives of capability providers", cli_par},
    {"spiffe", "show the identity that a SPIFFE workload API gives this host", cli_spiffe},
    {"manifest", "check and show manifests of applications", cli_manifest},
    {"audit", "check and read the log of what a host did, allowed and refused", cli_audit},
    {"explain", "show why something is denied or refused, and what somebody may do", cli_explain},
    {"doctor", "check what this machine offers and what would be slow here", cli_doctor},
    {"version", "show versions (also --version)", cli_version},
};

// Processes that the supervisor starts from this binary; not for people, not in the help.
static const command internal_commands[] = {
    {"__worker", NULL, host_worker_main},
    {"__compiler", NULL, host_compiler_main},
    {"__drivers", NULL, host_drivers_main},
    {CLI_DEV_HOST, NULL, cli_dev_host},
};

static void print_usage(FILE *out) {
    fputs("Writ runs WebAssembly components and grants them nothing that you did not name.\n\n"
          "Usage: writ COMMAND [OPTIONS] ...\n\nCommands:\n",
          out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\nExamples:\n"
          "  writ inspect hello.wasm             what it asks for, before it runs\n"
          "  writ keys gen account               a key that signs, once\n"
          "  writ trust add account              this host believes it, once\n"
          "  writ sign hello.wasm                vouch for it: writes hello.signed.wasm\n"
          "  writ run hello.signed.wasm          serve it on http://127.0.0.1:8000/\n"
          "  writ run --suggest-grants app.wasm  the options that it would need\n\n"
          "writ COMMAND --help shows the options of a command.\n",
          out);
}

static const command *find(const command *list, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    fd_open_standard();
    if (argc < 2) {
        print_usage(stderr);
        return CLI_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return CLI_EXIT_OK;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        name = "version";
    }
    const command *c = find(commands, sizeof commands / sizeof commands[0], name);
    if (c == NULL) {
        c = find(internal_commands, sizeof internal_commands / sizeof internal_commands[0], name);
    }
    if (c == NULL) {
        fprintf(stderr, "writ: unknown command \"%.40s\"; writ --help lists them\n", name);
        return CLI_EXIT_USAGE;
    }
    return c->run(argc - 2, argv + 2);
}
