// SPDX-License-Identifier: Apache-2.0
// Who may tell a host what to do over the lattice. A request of the control interface can carry a signature
// of a user's key in headers, which other hosts ignore:
//
//   Writ-User: U...      Writ-Time: milliseconds since 1970      Writ-Nonce: 22 letters and digits
//   Writ-Signature: base64url(Ed25519("writ-control 1\n" subject "\n" time "\n" nonce "\n" SHA-256(payload)))
//
// A host knows users with a role each. What is not signed has the role that the operator gives to everybody:
// none, unless said otherwise.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "bus/bus.h"
#include "identity/nkey.h"
#include "lattice/refused.h"

typedef enum role {
    ROLE_NONE,
    ROLE_READ,    // see hosts, inventories, links, claims, config; auctions; ping
    ROLE_OPERATE, // start, scale, update and stop components and providers; links, config, labels
    ROLE_ADMIN,   // stop hosts, credentials of registries
} role;
const char *role_name(role r); // "none", "read", "operate", "admin"
bool role_parse(slice name, role *ret) WRIT_MUST_USE;

// What a control request needs, by its subject behind "wasmbus.ctl.v1.{lattice}.": "host.ping",
// "component.scale.N...". What is not known needs ROLE_ADMIN.
role role_needed(slice operation);

enum {
    ROLES_USERS_MAX = 1024,
    ROLES_NONCES_MAX = 1 << 14, // remembered requests; when it is full, requests are refused
    ROLES_NONCE_LEN = 22,
    ROLES_HEADERS_BYTES_MAX = 512,
};

typedef struct roles roles;

// `everybody`: the role of requests without a signature.
roles *roles_new(role everybody);
void roles_free(roles *r);                  // accepts NULL
void roles_clear(roles *r, role everybody); // knows nobody again; what was seen stays seen
status roles_put(roles *r, const nkey_public *user, role what, err *e) WRIT_MUST_USE; // a user key (U)
role roles_everybody(const roles *r);
size_t roles_count(const roles *r);

typedef struct roles_answer {
    bool is_signed;
    nkey_public user; // when it is signed
    role what;        // of that user, or everybody's
} roles_answer;

// Whether the request may be done. A signature is checked wherever there is one, also when everybody may: a
// wrong one is refused. STATUS_DENIED with a sentence and `*ret_why`.
status roles_check(roles *r, const bus_message *m, role needed, uint64_t wall_ms, roles_answer *ret,
                   lattice_refused *ret_why, err *e) WRIT_MUST_USE;

// Signs a request: appends a block of headers (with others of `trace`, a traceparent, when that is not
// empty).
status roles_sign(const nkey *user, slice subject, slice payload, uint64_t wall_ms, slice trace, buf *ret,
                  err *e) WRIT_MUST_USE;
