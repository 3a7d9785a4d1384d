// SPDX-License-Identifier: Apache-2.0
#include "cli/call_way.h"

#include "base/mem.h"
#include "cli/key_option.h"
#include "lattice/sealed.h"
#include "lattice/wrpc.h"
#include "os/clock.h"
#include "os/random.h"

enum { ADMISSION_S = 300, GOODBYE_NS = 200000000 };

struct call_way {
    cli_lattice *l;
    wrpc *unsigned_; // or
    sealed *sealed;
    lattice_transport *transport;
    nkey *key;
    cluster *cluster;
};

// --- sealed ------------------------------------------------------------------------------------------------

static bool serves_nothing(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                           lattice_paths *ret_down) {
    (void)context, (void)target, (void)instance, (void)function, (void)ret_up, (void)ret_down;
    return false;
}

static void refuse(void *context, lattice_served *q) {
    static const lattice_served_ops none = {0};
    (void)context;
    q->ops = &none;
    q->transport->fail(q, STATUS_NOT_FOUND, "a command serves nothing");
}

static status admit(call_way *w, const nkey *issuer, buf *ret_token, err *e) {
    const nkey_public public_key = nkey_public_of(issuer);
    const cluster_admission a = {.host = nkey_public_of(w->key),
                                 .name = slice_from_text("writ call"),
                                 .lattice = slice_from_text(cli_lattice_name(w->l)),
                                 .now_s = clock_wall_now().seconds,
                                 .lifetime_s = ADMISSION_S};
    TRY(cluster_trust(w->cluster, &public_key, UINT64_MAX, e));
    return cluster_admit(issuer, &a, ret_token, e);
}

static status open_sealed(call_way *w, const cli_lattice_args *a, const char *cluster_key, slice host,
                          err *e) {
    auto_buf token;
    nkey *issuer = NULL;
    nkey_public to;
    buf_init(&token, CLUSTER_TOKEN_BYTES_MAX);
    TRY(nkey_public_parse(host, &to, e));
    TRY(nkey_generate(NKEY_SERVER, &w->key, e));
    TRY(cli_key_load(cluster_key, a->keys, a->passphrase_file, &issuer, e));
    w->cluster = cluster_new();
    status s = admit(w, issuer, &token, e);
    nkey_free(issuer);
    TRY(s);
    clock_wall now = clock_wall_now();
    const sealed_options o = {.bus = cli_lattice_bus(w->l),
                              .session = {.key = w->key,
                                          .token = buf_slice(&token),
                                          .lattice = slice_from_text(cli_lattice_name(w->l)),
                                          .epoch = now.seconds * 1000 + now.nanoseconds / 1000000,
                                          .cluster = w->cluster},
                              .server = {.paths = serves_nothing, .call = refuse}};
    TRY(sealed_new(&o, &w->sealed, e));
    w->transport = sealed_to(w->sealed, &to);
    return STATUS_OK;
}

// --- as hosts of 1.x ---------------------------------------------------------------------------------------

static status open_unsigned(call_way *w, err *e) {
    const wrpc_options o = {.bus = cli_lattice_bus(w->l),
                            .loop = cli_lattice_loop(w->l),
                            .lattice = slice_from_text(cli_lattice_name(w->l)),
                            .random = {random_u64(), random_u64()}};
    TRY(wrpc_new(&o, &w->unsigned_, e));
    w->transport = wrpc_transport(w->unsigned_);
    return STATUS_OK;
}

// --- both --------------------------------------------------------------------------------------------------

status call_way_open(cli_lattice *l, const cli_lattice_args *a, const char *cluster_key, slice host,
                     call_way **ret, err *e) {
    call_way *w = MEM_NEW(call_way);
    w->l = l;
    status s = cluster_key != NULL ? open_sealed(w, a, cluster_key, host, e) : open_unsigned(w, e);
    if (s != STATUS_OK) {
        call_way_close(w);
        return s;
    }
    *ret = w;
    return STATUS_OK;
}

lattice_transport *call_way_transport(call_way *w) { return w->transport; }

void call_way_close(call_way *w) {
    if (w == NULL) {
        return;
    }
    if (w->sealed != NULL) { // the goodbye has to leave
        const bool never = false;
        sealed_goodbye(w->sealed);
        (void)cli_lattice_wait(w->l, &never, GOODBYE_NS);
    }
    sealed_free(w->sealed);
    wrpc_free(w->unsigned_);
    cluster_free(w->cluster);
    nkey_free(w->key);
    mem_free(w);
}
