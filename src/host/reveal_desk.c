// SPDX-License-Identifier: Apache-2.0
#include "host/reveal_desk.h"

#include "base/mem.h"
#include "host/remote_secrets.h"

typedef struct pending {
    reveal_desk *desk;
    uint64_t id; // the worker's; 0 = free
    host_reveal reveal;
} pending;

struct reveal_desk {
    host_secrets *secrets;
    channel *channel;
    pending pending[REMOTE_SECRETS_IN_FLIGHT_MAX];
};

reveal_desk *reveal_desk_new(host_secrets *secrets, channel *c) {
    reveal_desk *d = MEM_NEW(reveal_desk);
    d->secrets = secrets;
    d->channel = c;
    return d;
}

void reveal_desk_free(reveal_desk *d) {
    for (size_t i = 0; d != NULL && i < REMOTE_SECRETS_IN_FLIGHT_MAX; i++) {
        host_reveal_cancel(&d->pending[i].reveal);
    }
    mem_free(d);
}

// The channel has room for the answers to all that a worker asks at one time; one that is gone will be seen
// elsewhere.
static void answer(pending *p, status code, const err *why) {
    channel *c = p->desk->channel;
    (void)!(code == STATUS_OK ? message_send_revealed(c, p->id, &p->reveal.value, NULL)
                              : message_send_unrevealed(c, p->id, why, NULL));
    secret_value_free(&p->reveal.value);
    p->reveal = (host_reveal){0};
    p->id = 0;
}

static void on_done(void *arg, status code, const err *why) { answer(arg, code, why); }

static pending *find(reveal_desk *d, uint64_t id) {
    for (size_t i = 0; i < REMOTE_SECRETS_IN_FLIGHT_MAX; i++) {
        if (d->pending[i].id == id) {
            return &d->pending[i];
        }
    }
    return NULL;
}

status reveal_desk_request(reveal_desk *d, const channel_packet *p, err *e) {
    message_reveal m;
    err why = {0};
    bool waits = false;
    TRY(message_read_reveal(p, &m, e));
    pending *free = find(d, 0);
    if (m.id == 0 || free == NULL || find(d, m.id) != NULL) {
        return err_set(e, STATUS_INVALID, "it asks for too many secrets at one time, or twice for one");
    }
    bool is_known = host_secrets_knows(d->secrets, m.workload, m.name);
    *free = (pending){.desk = d, .id = m.id, .reveal = {.done = on_done, .arg = free}};
    status s = host_secrets_reveal(d->secrets, m.workload, m.name, &free->reveal, &waits, &why);
    if (!is_known) { // the audit log was told
        *free = (pending){0};
        return err_set(e, STATUS_INVALID, "it asks for a secret that workload %u was not granted",
                       m.workload);
    }
    if (!waits) {
        answer(free, s, &why);
    }
    return STATUS_OK;
}
