// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_nats_peer.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static void on_ended(void *arg, const nats_result *r) {
    nats_peer *p = arg;
    CHECK(r->code == STATUS_OK);
    snprintf(p->answer, sizeof p->answer, "%.*s", SLICE_ARG(r->message.payload));
    p->ends++;
}

void nats_peer_ask(nats_peer *p, const char *subject, const char *headers, const char *payload) {
    const nats_message m = {.subject = slice_from_text(subject),
                            .headers = slice_from_text(headers),
                            .payload = slice_from_text(payload)};
    int ends = p->ends;
    CHECK(nats_request_start(p->n, &p->request, &m, UINT64_MAX, on_ended, p, NULL) == STATUS_OK);
    while (p->ends == ends) {
        kv_turn(p->k);
    }
    if (strstr(p->answer, "\"error\"") != NULL) {
        printf("    %s: %s\n", subject, p->answer);
        CHECK(false);
    }
}

void nats_peer_begin(nats_peer *p, kv *k, uint16_t port) {
    const nats_server address = {.host = "127.0.0.1", .port = port};
    const nats_options options = {
        .l = k->l, .connector = &k->connector.base, .servers = &address, .server_count = 1, .random = 1};
    *p = (nats_peer){.k = k};
    CHECK(nats_new(&options, &p->n, NULL) == STATUS_OK);
    while (nats_state_of(p->n) != NATS_UP) {
        kv_turn(k);
    }
}

void nats_peer_end(nats_peer *p) { nats_free(p->n); }
