// SPDX-License-Identifier: Apache-2.0
// The contract of messaging through the lattice, in both directions: providers of ours with the driver
// `nats`, whose links meet at a real server.
#include "unit/agent/helper_lattice.h"
#include "unit/bus/helper_nats.h"
#include "unit/driver/messaging_contract.h"

typedef struct server {
    nats_process process;
    char url[64];
} server;

static const char *start_it(msg *m) {
    server *s = MEM_NEW(server);
    const char *why = nats_process_start(&s->process, NULL);
    if (why != NULL) {
        nats_process_stop(&s->process);
        mem_free(s);
        return why;
    }
    lattice_driver_use("writ:nats");
    msg_start(m, &lattice_messaging);
    snprintf(s->url, sizeof s->url, "nats://127.0.0.1:%u", s->process.port);
    m->common[m->common_count++] = (driver_value){SLICE_LITERAL("url"), slice_from_text(s->url)};
    m->data = s;
    return NULL;
}

static void stop_it(msg *m) {
    server *s = m->data;
    msg_stop(m);
    nats_process_stop(&s->process);
    mem_free(s);
}

MESSAGING_CONTRACT_CALLS(start_it, stop_it)
