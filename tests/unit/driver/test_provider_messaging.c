// SPDX-License-Identifier: Apache-2.0
// Messages through a provider in a second process: the contract, and with it calls of a driver there to
// workloads here.
#include "driver/provider/provider.h"
#include "unit/driver/helper_provider.h"
#include "unit/driver/messaging_contract.h"

static const char *start_it(msg *m) {
    static const driver_value credentials[] = {{SLICE_LITERAL("key"), SLICE_LITERAL(PROVIDER_KEY)}};
    provider_process *s = MEM_NEW(provider_process);
    provider_process_listen(s);
    provider_process_start(s);
    msg_start(m, &provider_remote);
    m->data = s;
    m->common[m->common_count++] = (driver_value){SLICE_LITERAL("server"), slice_from_text(s->address)};
    m->common[m->common_count++] = (driver_value){SLICE_LITERAL("driver"), SLICE_LITERAL("local")};
    m->credentials = (driver_values){credentials, 1};
    return NULL;
}

static void stop_it(msg *m) {
    provider_process *s = m->data;
    msg_stop(m);
    provider_process_stop(s);
    mem_free(s);
}

// What the driver there says of settings: test_provider.c.
MESSAGING_CONTRACT_CALLS(start_it, stop_it)
