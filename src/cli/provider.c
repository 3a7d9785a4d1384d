// SPDX-License-Identifier: Apache-2.0
// writ provider: drivers in a process of their own.
#include "cli/provider.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/endpoint.h"
#include "cli/options.h"
#include "host/provider.h"
#include "os/fd.h"
#include "policy/network.h"

enum { DRIVERS_MAX = 64 };

typedef struct provider_args {
    const driver *const *known;
    const driver *chosen[DRIVERS_MAX + 1];
    size_t chosen_count;
    char *address;
    uint16_t port;
    const char *key_file;
    const char *directory;
    const char *ca_file;
    host_provider_peer peers[HOST_PROVIDER_PEERS_MAX];
    size_t peer_count;
    bool allows_root;
    bool is_verbose;
    cli_output output;
} provider_args;

static status set_listen(void *target, const char *value, err *e) {
    provider_args *a = target;
    return cli_parse_endpoint(value, &a->address, &a->port, e);
}

static status set_connect(void *target, const char *value, err *e) {
    provider_args *a = target;
    if (a->peer_count == HOST_PROVIDER_PEERS_MAX) {
        return err_set(e, STATUS_LIMIT, "at most %d servers can be named", HOST_PROVIDER_PEERS_MAX);
    }
    host_provider_peer *p = &a->peers[a->peer_count];
    char host[NETWORK_NAME_BYTES_MAX + 1];
    if (!network_server_parse(slice_from_text(value), host, &p->port)) {
        return err_set(e, STATUS_INVALID, "\"%.60s\" is not HOST:PORT, such as cache.example.org:6379",
                       value);
    }
    (void)snprintf(p->host, sizeof p->host, "%s", host);
    a->peer_count++;
    return STATUS_OK;
}

static bool is_chosen(const provider_args *a, const driver *d) {
    for (size_t i = 0; i < a->chosen_count; i++) {
        if (a->chosen[i] == d) {
            return true;
        }
    }
    return false;
}

// All of that name: some have one for each of several contracts. One that passes calls on is not served
// again.
static status add_driver(void *target, const char *value, err *e) {
    provider_args *a = target;
    bool is_known = false;
    for (size_t i = 0; a->known[i] != NULL; i++) {
        if (strcmp(a->known[i]->name, value) != 0 || driver_has_any_interface(a->known[i])) {
            continue;
        }
        is_known = true;
        if (!is_chosen(a, a->known[i]) && a->chosen_count < DRIVERS_MAX) {
            a->chosen[a->chosen_count++] = a->known[i];
        }
    }
    return is_known ? STATUS_OK : err_set(e, STATUS_INVALID, "there is no driver \"%.60s\" to serve", value);
}

CLI_KEEP_TEXT(set_key_file, provider_args, key_file);
CLI_KEEP_TEXT(set_directory, provider_args, directory);
CLI_KEEP_TEXT(set_ca_file, provider_args, ca_file);
CLI_TURN_ON(set_allow_root, provider_args, allows_root);
CLI_TURN_ON(set_verbose, provider_args, is_verbose);
CLI_KEEP_OUTPUT(set_output, provider_args, output);

static const cli_option options[] = {
    {"listen", 'l', "ADDR:PORT",
     "where hosts reach it: a loopback address; port 0 takes a free one (127.0.0.1:7400)", set_listen},
    {"key-file", 0, "FILE", "the key that hosts have to know: its first line, at least 16 bytes",
     set_key_file},
    {"data", 0, "DIR", "where drivers keep their files; nothing else can be opened (nowhere)", set_directory},
    {"connect", 0, "HOST:PORT", "a server that drivers may connect to; may be repeated (none)", set_connect},
    {"ca-file", 0, "FILE", "more certificate authorities for TLS (PEM)", set_ca_file},
    {"allow-root", 0, NULL, "run although this user is root", set_allow_root},
    {"verbose", 'v', NULL, "log more", set_verbose},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "provider",
    .usage = "[OPTIONS] --key-file FILE [DRIVER...]",
    .summary = "Serve drivers to hosts on this machine, in a process of its own.",
    .details =
        "Without a name, all drivers of this program. A host reaches them with the driver `provider`:\n"
        "its settings are `server` (where this listens), the credential `key`, and those of the driver "
        "here.\n\nStart it as a user of its own. It shuts itself in: of files it has the directory of "
        "--data, of the\nnetwork the servers of --connect.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = "  head -c 32 /dev/urandom | base64 > key; chmod 600 key\n"
                "  writ provider --key-file key --data /var/lib/provider sqlite\n"
                "  writ provider --key-file key --connect cache.example.org:6379 redis\n"
                "  writ run --link wasi:keyvalue=provider,server=127.0.0.1:7400,key=@provider-key app.wasm",
    .operands_max = DRIVERS_MAX,
    .operand = add_driver,
};

static void choose_all(provider_args *a) {
    for (size_t i = 0; a->known[i] != NULL && a->chosen_count < DRIVERS_MAX; i++) {
        if (!driver_has_any_interface(a->known[i])) {
            a->chosen[a->chosen_count++] = a->known[i];
        }
    }
}

static status run(provider_args *a, err *e) {
    if (a->chosen_count == 0) {
        choose_all(a);
    }
    const host_provider_options o = {
        .drivers = a->chosen,
        .address = a->address,
        .port = a->port,
        .key_file = a->key_file,
        .directory = a->directory,
        .ca_file = a->ca_file,
        .peers = a->peers,
        .peer_count = a->peer_count,
        .allow_root = a->allows_root,
        .is_json = a->output == CLI_JSON,
        .is_verbose = a->is_verbose,
    };
    return host_provider_run(&o, e);
}

static int serve(int argc, char **argv, const driver *const *drivers) {
    provider_args *a = MEM_NEW(provider_args);
    err e = {0};
    a->known = drivers;
    a->address = mem_text_dup("127.0.0.1");
    a->port = 7400;
    status s = cli_parse(&command, argc, argv, a, &e);
    if (s == STATUS_OK && a->key_file == NULL) {
        s = err_set(&e, STATUS_INVALID,
                    "--key-file names the key that hosts have to know\n"
                    "  (try: writ provider --help)");
    }
    int code = CLI_EXIT_OK;
    if (s != STATUS_OK) {
        code = s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a->output), CLI_EXIT_USAGE);
    } else if (run(a, &e) != STATUS_OK) {
        code = cli_fail(&e, a->output);
    }
    mem_free(a->address);
    mem_free(a);
    return code;
}

int cli_provider(int argc, char **argv) { return serve(argc, argv, driver_all()); }

int cli_provider_main(int argc, char **argv, const driver *const *drivers) {
    fd_open_standard();
    return serve(argc - 1, argv + 1, drivers);
}
