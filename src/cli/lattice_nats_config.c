// SPDX-License-Identifier: Apache-2.0
// writ lattice nats-config: who may publish and subscribe to what on the servers of NATS, as text for their
// configuration. The servers' permissions are a second wall: calls are sealed whatever they are.
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/key_option.h"
#include "cli/lattice_trust.h"
#include "cli/options.h"
#include "lattice/cluster.h"
#include "lattice/roles.h"

enum { USERS_MAX = 1024, TEXT_BYTES_MAX = 4 << 20 };

typedef enum kind { KIND_HOST, KIND_READ, KIND_OPERATE, KIND_ADMIN } kind;

typedef struct nats_user {
    kind what;
    nkey_public user;
    nkey_public host; // of KIND_HOST
} nats_user;

typedef struct nats_request {
    const char *lattice;
    const char *prefix;
    nats_user users[USERS_MAX];
    size_t count;
    bool has_old;
    cli_output output;
} nats_request;

CLI_KEEP_TEXT(set_lattice, nats_request, lattice);
CLI_KEEP_TEXT(set_prefix, nats_request, prefix);
CLI_TURN_ON(set_old, nats_request, has_old);
CLI_KEEP_OUTPUT(set_output, nats_request, output);

// --- options -----------------------------------------------------------------------------------------------

static status need_kind(const nkey_public *key, nkey_kind wanted, err *e) {
    return key->kind == wanted
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "%s is a %s key, and a %s key belongs here",
                         nkey_public_text(key).text, nkey_kind_name(key->kind), nkey_kind_name(wanted));
}

static status add_user(nats_request *r, kind what, const char *user, const nkey_public *host, err *e) {
    nats_user u = {.what = what};
    if (r->count == USERS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d users", USERS_MAX);
    }
    TRY(cli_public_key(user, NULL, &u.user, e));
    TRY(need_kind(&u.user, NKEY_USER, e));
    for (size_t i = 0; i < r->count; i++) {
        if (nkey_public_equal(&r->users[i].user, &u.user)) {
            return err_set(e, STATUS_INVALID, "%s is named twice, and servers take each user once",
                           nkey_public_text(&u.user).text);
        }
    }
    u.host = host == NULL ? u.user : *host;
    r->users[r->count++] = u;
    return STATUS_OK;
}

static status set_host(void *target, const char *value, err *e) {
    const char *equals = strchr(value, '=');
    nkey_public host;
    if (equals == NULL) {
        return err_set(e, STATUS_INVALID, "the host's key and the key of its NATS user: N...=U...");
    }
    TRY(nkey_public_parse(slice_of(value, (size_t)(equals - value)), &host, e));
    TRY(need_kind(&host, NKEY_SERVER, e));
    return add_user(target, KIND_HOST, equals + 1, &host, e);
}

static status set_read(void *target, const char *value, err *e) {
    return add_user(target, KIND_READ, value, NULL, e);
}
static status set_operate(void *target, const char *value, err *e) {
    return add_user(target, KIND_OPERATE, value, NULL, e);
}
static status set_admin(void *target, const char *value, err *e) {
    return add_user(target, KIND_ADMIN, value, NULL, e);
}

static const cli_option options[] = {
    {"lattice", 'x', "NAME", "the lattice (default)", set_lattice},
    {"host", 0, "HOST=USER", "a host (N...) and the key of its NATS user (U...); may be repeated", set_host},
    {"read", 0, "USER", "the key of somebody who may look; may be repeated", set_read},
    {"operate", 0, "USER", "the key of somebody who may change what runs; may be repeated", set_operate},
    {"admin", 0, "USER", "the key of somebody who may stop hosts too; may be repeated", set_admin},
    {"allow-unsigned-peers", 0, NULL, "hosts also speak with hosts and providers of 1.x", set_old},
    {"prefix", 0, "SUBJECT", "what subjects of the control interface begin with (wasmbus.ctl)", set_prefix},
    CLI_OPTION_OUTPUT(set_output),
};

static const cli_command command = {
    .name = "lattice nats-config",
    .usage = "[OPTIONS]",
    .summary = "Print an account with the permissions of each host and user, for the servers of NATS.",
    .details =
        "Each host hears what is for it and nothing that is for others. The servers' permissions are a "
        "second wall: what\nhosts say to each other is signed and encrypted whatever stands here. Users "
        "prove themselves with nkeys, whose\nseeds the servers never see (writ keys gen user).",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .examples = "  writ lattice nats-config -x shop --host NB...=UB... --host NC...=UC... --operate UA... > "
                "shop.conf",
};

// --- the text ----------------------------------------------------------------------------------------------

// '@' stands for the name of the lattice, '#' for the host's key, '%' for the prefix.
static const char *const host_publishes[] = {
    "writ.v1.@.host.*",
    "writ.v1.@.presence",
    "writ.v1.@.presence.ask.*",
    "wasmbus.evt.@.>",
    "$KV.LATTICEDATA_@.>",
    "$KV.CONFIGDATA_@.>",
    "$JS.API.INFO",
    "$JS.API.STREAM.*.KV_LATTICEDATA_@",
    "$JS.API.STREAM.*.KV_CONFIGDATA_@",
    "$JS.API.STREAM.MSG.GET.KV_LATTICEDATA_@",
    "$JS.API.STREAM.MSG.GET.KV_CONFIGDATA_@",
    "$JS.API.DIRECT.GET.KV_LATTICEDATA_@.>",
    "$JS.API.DIRECT.GET.KV_CONFIGDATA_@.>",
    "$JS.API.CONSUMER.*.KV_LATTICEDATA_@",
    "$JS.API.CONSUMER.*.KV_CONFIGDATA_@",
    "$JS.API.CONSUMER.*.KV_LATTICEDATA_@.>",
    "$JS.API.CONSUMER.*.KV_CONFIGDATA_@.>",
    "$JS.FC.>",
};
static const char *const host_hears[] = {
    "writ.v1.@.host.#", "writ.v1.@.presence", "writ.v1.@.presence.ask.#", "%.v1.@.>", "_INBOX.>",
};
static const char *const old_publishes[] = {"@.*.wrpc.>", "wasmbus.rpc.@.>", "_INBOX.>"};
static const char *const old_hears[] = {"@.*.wrpc.>", "wasmbus.rpc.@.>"};
static const char *const read_publishes[] = {
    "%.v1.@.host.ping",    "%.v1.@.host.get.*",        "%.v1.@.link.get",         "%.v1.@.claims.get",
    "%.v1.@.config.get.>", "%.v1.@.component.auction", "%.v1.@.provider.auction",
};
static const char *const operate_publishes[] = {
    "%.v1.@.component.>", "%.v1.@.provider.>", "%.v1.@.link.>", "%.v1.@.config.>", "%.v1.@.label.>",
};
static const char *const admin_publishes[] = {"%.v1.@.>"};
static const char *const user_hears[] = {"_INBOX.>", "wasmbus.evt.@.>"};

#define LIST(items) items, sizeof items / sizeof *items

static status append_subject(buf *b, const nats_request *r, const nats_user *u, const char *pattern) {
    for (const char *c = pattern; *c != '\0'; c++) {
        const char one[] = {*c, '\0'};
        const nkey_text host = nkey_public_text(&u->host);
        TRY(buf_append_text(b, *c == '@' ? r->lattice : *c == '#' ? host.text : *c == '%' ? r->prefix : one));
    }
    return STATUS_OK;
}

static status append_list(buf *b, const nats_request *r, const nats_user *u, const char *const *items,
                          size_t count) {
    for (size_t i = 0; i < count; i++) {
        TRY(buf_append_text(b, "          \""));
        TRY(append_subject(b, r, u, items[i]));
        TRY(buf_append_text(b, "\"\n"));
    }
    return STATUS_OK;
}

static status append_publishes(buf *b, const nats_request *r, const nats_user *u) {
    switch (u->what) {
    case KIND_HOST:
        TRY(append_list(b, r, u, LIST(host_publishes)));
        return r->has_old ? append_list(b, r, u, LIST(old_publishes)) : STATUS_OK;
    case KIND_ADMIN:
        return append_list(b, r, u, LIST(admin_publishes));
    case KIND_OPERATE:
        TRY(append_list(b, r, u, LIST(operate_publishes)));
        break;
    case KIND_READ:
        break;
    }
    return append_list(b, r, u, LIST(read_publishes));
}

static status append_hears(buf *b, const nats_request *r, const nats_user *u) {
    if (u->what != KIND_HOST) {
        return append_list(b, r, u, LIST(user_hears));
    }
    TRY(append_list(b, r, u, LIST(host_hears)));
    return r->has_old ? append_list(b, r, u, LIST(old_hears)) : STATUS_OK;
}

static status append_user(buf *b, const nats_request *r, const nats_user *u) {
    static const char *const kinds[] = {"host", "read", "operate", "admin"};
    TRY(buf_append_format(
        b, "      { # %s%s%s\n        nkey: \"%s\"\n        permissions: {\n          publish: { allow: [\n",
        kinds[u->what], u->what == KIND_HOST ? " " : "",
        u->what == KIND_HOST ? nkey_public_text(&u->host).text : "", nkey_public_text(&u->user).text));
    TRY(append_publishes(b, r, u));
    TRY(buf_append_text(b, "          ] }\n          subscribe: { allow: [\n"));
    TRY(append_hears(b, r, u));
    TRY(buf_append_text(b, "          ] }\n"));
    if (u->what == KIND_HOST) { // answers to requests, and nothing else, go to inboxes of others
        TRY(buf_append_text(b, "          allow_responses: { max: 64, expires: \"5m\" }\n"));
    }
    return buf_append_text(b, "        }\n      }\n");
}

static status make(const nats_request *r, buf *b, err *e) {
    status s = buf_append_format(
        b,
        "# Permissions for the lattice \"%s\": include this in the configuration of each server.\n"
        "accounts {\n  WRIT_%s {\n    jetstream: enabled\n    users: [\n",
        r->lattice, r->lattice);
    for (size_t i = 0; i < r->count && s == STATUS_OK; i++) {
        s = append_user(b, r, &r->users[i]);
    }
    s = s == STATUS_OK ? buf_append_text(b, "    ]\n  }\n}\n") : s;
    return s == STATUS_OK ? STATUS_OK
                          : err_set(e, s, "that many users make more than %d bytes", TEXT_BYTES_MAX);
}

static status check(const nats_request *r, err *e) {
    TRY(cluster_lattice_check(slice_from_text(r->lattice), e));
    for (const char *c = r->prefix; *c != '\0'; c++) {
        if (strchr("\"\\ \n*>", *c) != NULL) {
            return err_set(e, STATUS_INVALID, "--prefix is the beginning of a subject, such as wasmbus.ctl");
        }
    }
    return r->count > 0
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "name at least one --host, --read, --operate or --admin");
}

int cli_lattice_nats_config(int argc, char **argv) {
    nats_request r = {.lattice = "default", .prefix = "wasmbus.ctl"};
    auto_buf text = {0};
    err e = {0};
    buf_init(&text, TEXT_BYTES_MAX);
    status s = cli_parse(&command, argc, argv, &r, &e);
    s = s == STATUS_OK ? check(&r, &e) : s;
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, r.output), CLI_EXIT_USAGE);
    }
    s = make(&r, &text, &e);
    if (s != STATUS_OK) {
        return cli_fail(&e, r.output);
    }
    if (r.output == CLI_JSON) {
        json_value *v = json_object_new();
        json_put_text(v, "config", buf_slice(&text));
        cli_print_json(v);
    } else {
        printf("%.*s", SLICE_ARG(buf_slice(&text)));
    }
    return CLI_EXIT_OK;
}
