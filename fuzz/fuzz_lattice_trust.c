// SPDX-License-Identifier: Apache-2.0
// Any bytes to everything that reads what somebody on the bus says before anything of it is believed:
// greetings, sealed messages, statements, headers of requests, the file with the lists. None is believed.
//
// links: lattice
#include "base/check.h"
#include "base/mem.h"
#include "fuzz.h"
#include "lattice/cluster_file.h"
#include "lattice/roles.h"
#include "lattice/session.h"
#include "lattice/statement.h"

static const session_now NOW = {UINT64_C(1000000000), UINT64_C(1800000000000)};

typedef struct place {
    nkey *cluster_key, *key;
    cluster *c;
    sessions *s;
    roles *r;
} place;

static place *make(void) {
    place *p = MEM_NEW(place);
    auto_buf token = {0};
    buf_init(&token, CLUSTER_TOKEN_BYTES_MAX);
    CHECK(nkey_generate(NKEY_CLUSTER, &p->cluster_key, NULL) == STATUS_OK);
    CHECK(nkey_generate(NKEY_SERVER, &p->key, NULL) == STATUS_OK);
    const nkey_public issuer = nkey_public_of(p->cluster_key);
    const cluster_admission a = {nkey_public_of(p->key), slice_empty(), slice_from_text("fuzz"),
                                 NOW.wall_ms / 1000, 3600};
    p->c = cluster_new();
    p->r = roles_new(ROLE_NONE);
    CHECK(cluster_trust(p->c, &issuer, UINT64_MAX, NULL) == STATUS_OK);
    CHECK(cluster_admit(p->cluster_key, &a, &token, NULL) == STATUS_OK);
    const sessions_options o = {
        .key = p->key, .token = buf_slice(&token), .lattice = a.lattice, .epoch = 1, .cluster = p->c};
    CHECK(sessions_new(&o, NOW, &p->s, NULL) == STATUS_OK);
    return p;
}

// Greetings get what the checks before the signature ask for, so that what is behind these is reached.
static void mend_hello(const place *p, uint8_t *bytes, size_t size) {
    const nkey_public self = nkey_public_of(p->key);
    enum { AT_TIME = 2, AT_TO = 2 + 24 + 64 };
    for (size_t i = 0; i < 8 && AT_TIME + i < size; i++) {
        bytes[AT_TIME + i] = (uint8_t)(NOW.wall_ms >> 8 * (7 - i));
    }
    if (size >= AT_TO + SIGN_PUBLIC_BYTES) {
        memcpy(bytes + AT_TO, self.bytes, SIGN_PUBLIC_BYTES);
    }
}

static void try_sessions(const place *p, slice bytes) {
    session *c;
    size_t len;
    nkey_public host;
    buf out;
    uint8_t *plain = mem_alloc(bytes.len + 1), *mended = mem_alloc(bytes.len + 1);
    buf_init(&out, SESSION_HELLO_BYTES_MAX);
    CHECK(sessions_open(p->s, bytes, NOW, &c, plain, &len, NULL) != STATUS_OK);
    CHECK(sessions_finish(p->s, bytes, NOW, &c, NULL) != STATUS_OK);
    CHECK(sessions_answer(p->s, bytes, NULL, NOW, &host, &out, NULL) != STATUS_OK);
    if (bytes.len > 0) {
        memcpy(mended, bytes.data, bytes.len);
    }
    mend_hello(p, mended, bytes.len);
    CHECK(sessions_answer(p->s, slice_of(mended, bytes.len), NULL, NOW, &host, &out, NULL) != STATUS_OK);
    CHECK(out.len == 0 && sessions_count(p->s) == 0);
    buf_done(&out);
    mem_free(plain);
    mem_free(mended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static place *p; // NOLINT: once for all inputs
    slice bytes = slice_of(data, size);
    statement s;
    lattice_refused why;
    roles_answer answer;
    cluster_file f;
    p = p == NULL ? make() : p;
    try_sessions(p, bytes);
    CHECK(statement_read(bytes, slice_from_text("presence"), slice_from_text("fuzz"), p->c, NOW.wall_ms, &s,
                         &why, NULL) != STATUS_OK);
    const bus_message m = {.subject = slice_from_text("wasmbus.ctl.v1.fuzz.host.ping"), .headers = bytes};
    CHECK(roles_check(p->r, &m, ROLE_READ, NOW.wall_ms, &answer, &why, NULL) == STATUS_DENIED);
    if (cluster_file_read(bytes, &f, NULL) == STATUS_OK) {
        cluster_file_done(&f);
    }
    return 0;
}
