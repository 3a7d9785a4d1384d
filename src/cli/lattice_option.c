// SPDX-License-Identifier: Apache-2.0
#include "cli/lattice_option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/control_place.h"
#include "base/mem.h"

#define CONTEXT_VARIABLE "WRIT_CONTEXT"

// --- options -----------------------------------------------------------------------------------------------

#define SETTING(setter, setting)                                                        \
    static status setter(void *target, const char *value, err *e) {                     \
        (void)e;                                                                        \
        ((cli_lattice_args *)target)->values[setting] = value != NULL ? value : "true"; \
        return STATUS_OK;                                                               \
    }
SETTING(set_nats, CLI_NATS)
SETTING(set_lattice, CLI_LATTICE)
SETTING(set_creds, CLI_CREDS)
SETTING(set_seed, CLI_SEED)
SETTING(set_tls_ca, CLI_TLS_CA)
SETTING(set_tls_cert, CLI_TLS_CERT)
SETTING(set_tls_key, CLI_TLS_KEY)
SETTING(set_tls_first, CLI_TLS_FIRST)
SETTING(set_prefix, CLI_PREFIX)
SETTING(set_sign_with, CLI_SIGN_WITH)

static status set_timeout(void *target, const char *value, err *e) {
    uint64_t ns;
    ((cli_lattice_args *)target)->values[CLI_TIMEOUT] = value;
    return cli_parse_duration(value, &ns, e);
}

static status set_host(void *target, const char *value, err *e) {
    ((cli_lattice_args *)target)->host = value;
    return control_check_name(value, e);
}

static status set_context(void *target, const char *value, err *e) {
    ((cli_lattice_args *)target)->context = value;
    return cli_context_name_check(value, e);
}

CLI_KEEP_TEXT(set_keys, cli_lattice_args, keys);
CLI_KEEP_TEXT(set_passphrase_file, cli_lattice_args, passphrase_file);
CLI_KEEP_OUTPUT(set_output, cli_lattice_args, output);

const cli_option cli_lattice_options[CLI_LATTICE_OPTION_COUNT] = {
    {"host", 0, "NAME", "ask through the socket of this host on this machine", set_host},
    {"context", 0, "NAME", "the lattice of a context (the one in use)", set_context},
    {"lattice", 'x', "NAME", "the lattice (default)", set_lattice},
    {"nats", 0, "URL[,URL]...", "servers of its NATS, nats:// or tls:// (nats://127.0.0.1:4222)", set_nats},
    {"creds", 0, "FILE", "who we are to NATS: a user's JWT and seed", set_creds},
    {"seed", 0, "FILE", "who we are to NATS: an nkey's seed", set_seed},
    {"tls-ca", 0, "FILE", "authorities to trust in place of the system's (PEM)", set_tls_ca},
    {"tls-certificate", 0, "FILE", "what we prove ourselves with under TLS (PEM)", set_tls_cert},
    {"tls-key", 0, "FILE", "the key of --tls-certificate (PEM)", set_tls_key},
    {"tls-first", 0, NULL, "TLS before the greeting of the server", set_tls_first},
    {"prefix", 0, "SUBJECT", "what subjects of the control interface begin with (wasmbus.ctl)", set_prefix},
    {"timeout", 0, "DURATION", "how long to wait for answers (2s)", set_timeout},
    {"sign-with", 0, "KEY", "sign requests with this user's key, of the store or a file", set_sign_with},
    CLI_OPTION_KEYS(set_keys),
    CLI_OPTION_PASSPHRASE_FILE(set_passphrase_file),
    CLI_OPTION_OUTPUT(set_output),
};
const cli_option *const cli_lattice_settings = &cli_lattice_options[2];

// --- what counts -------------------------------------------------------------------------------------------

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *context_of(const cli_lattice_args *a) {
    return a->context != NULL ? a->context : variable(CONTEXT_VARIABLE);
}

bool cli_lattice_is_meant(const cli_lattice_args *a) {
    json_value *contexts = NULL;
    if (a->host != NULL || context_of(a) != NULL || a->values[CLI_LATTICE] != NULL ||
        a->values[CLI_NATS] != NULL) {
        return a->host == NULL;
    }
    // What is wrong with the file is told by the command that needs it.
    bool is = cli_contexts_load(&contexts, NULL) == STATUS_OK && cli_context_current(contexts).len > 0;
    json_free(contexts);
    return is;
}

const char *cli_local_host(const cli_lattice_args *a) {
    return a->host != NULL ? a->host : CONTROL_HOST_DEFAULT;
}

static char *nats_of_variables(void) {
    const char *host = variable("WASMCLOUD_CTL_HOST"), *port = variable("WASMCLOUD_CTL_PORT");
    char url[512];
    if (host == NULL && port == NULL) {
        return NULL;
    }
    host = host != NULL ? host : "127.0.0.1";
    if (strstr(host, "://") != NULL) {
        (void)snprintf(url, sizeof url, "%s%s%s", host, port != NULL ? ":" : "", port != NULL ? port : "");
    } else {
        (void)snprintf(url, sizeof url, "nats://%s:%s", host, port != NULL ? port : "4222");
    }
    return mem_text_dup(url);
}

static char *timeout_of_variables(void) {
    const char *ms = variable("WASMCLOUD_CTL_TIMEOUT_MS");
    char text[64];
    if (ms == NULL) {
        return NULL;
    }
    (void)snprintf(text, sizeof text, "%sms", ms);
    return mem_text_dup(text);
}

static char *of_variables(cli_setting s) {
    static const char *const names[CLI_SETTINGS] = {
        [CLI_LATTICE] = "WASMCLOUD_LATTICE",         [CLI_CREDS] = "WASH_CTL_CREDS",
        [CLI_TLS_CA] = "WASH_CTL_TLS_CA_FILE",       [CLI_TLS_FIRST] = "WASH_CTL_TLS_FIRST",
        [CLI_PREFIX] = "WASMCLOUD_CTL_TOPIC_PREFIX",
    };
    const char *value = names[s] != NULL ? variable(names[s]) : NULL;
    return s == CLI_NATS      ? nats_of_variables()
           : s == CLI_TIMEOUT ? timeout_of_variables()
           : value != NULL    ? mem_text_dup(value)
                              : NULL;
}

static void take(cli_lattice_args *a, cli_setting s, char *value) {
    if (a->values[s] == NULL && value != NULL) {
        a->owned[s] = value;
        a->values[s] = value;
    } else {
        mem_free(value);
    }
}

static void take_context(cli_lattice_args *a, const json_value *context) {
    for (size_t i = 0; i < CLI_SETTINGS; i++) {
        slice text;
        if (json_as_text(json_get(context, cli_setting_names[i]), &text)) {
            take(a, (cli_setting)i, mem_slice_dup(text));
        }
    }
}

static status take_named(cli_lattice_args *a, const json_value *contexts, slice name, err *e) {
    const json_value *context = cli_context_find(contexts, name);
    if (context == NULL) {
        return err_set(e, STATUS_NOT_FOUND,
                       "there is no context \"%.*s\"; writ context list shows those there are",
                       SLICE_ARG(slice_sub(name, 0, CLI_CONTEXT_NAME_BYTES_MAX)));
    }
    take_context(a, context);
    return STATUS_OK;
}

static status take_all(cli_lattice_args *a, const json_value *contexts, err *e) {
    const char *named = context_of(a);
    slice current = cli_context_current(contexts);
    if (named != NULL) {
        TRY(take_named(a, contexts, slice_from_text(named), e));
    }
    for (size_t i = 0; i < CLI_SETTINGS; i++) {
        take(a, (cli_setting)i, of_variables((cli_setting)i));
    }
    return named == NULL && current.len > 0 ? take_named(a, contexts, current, e) : STATUS_OK;
}

status cli_lattice_resolve(cli_lattice_args *a, err *e) {
    json_value *contexts = NULL;
    if (a->host != NULL && (a->context != NULL || a->values[CLI_NATS] != NULL)) {
        return err_set(e, STATUS_INVALID,
                       "--host is one way to a lattice, --nats or --context another: name one");
    }
    status s = cli_contexts_load(&contexts, e);
    s = s == STATUS_OK ? take_all(a, contexts, e) : s;
    json_free(contexts);
    return s;
}

void cli_lattice_args_done(cli_lattice_args *a) {
    for (size_t i = 0; i < CLI_SETTINGS; i++) {
        mem_free(a->owned[i]);
        a->owned[i] = NULL;
    }
}
