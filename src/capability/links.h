// SPDX-License-Identifier: Apache-2.0
// Links: what stands behind an imported contract of this workload, and how a call gets there.
//
// A workload may have several links of one interface, told apart by a name; "default" is the one that a guest
// uses unless it says otherwise (wasmcloud:bus/lattice set-link-name, which holds for one instance, and for
// one request when an instance serves several). Calls travel to the process with the drivers (net/rpc.h), as
// bytes in the value encoding (codec/values.h); the guest is suspended meanwhile and the loop serves others.
//
// Every call that leaves a worker asks the gate (policy/gate.h) here, in wasi_call_check, and none is sent
// from elsewhere (tools/lint holds that). Without a gate no call is allowed.
//
// Whether a link may be used stands in a page that the supervisor writes and that is read at every call, so
// that a link that was cut is refused from its next call on, whoever holds what.
#pragma once

#include <stdatomic.h>

#include "capability/wasi.h"
#include "net/rpc.h"

enum {
    WASI_LINK_NAME_BYTES_MAX = 128,
    WASI_LINK_NAMES_MAX = 64,            // set-link-name of one instance
    WASI_LINK_OPEN_MAX = 256,            // links that one instance uses of one that takes every interface
    WASI_LINK_CALL_BYTES_MAX = 16 << 20, // of the arguments of one call that is passed on
};

typedef enum wasi_link_state { // what stands in the page
    WASI_LINK_CUT,             // so that a page of zeros refuses
    WASI_LINK_OPEN,
} wasi_link_state;

typedef struct wasi_link {
    slice interface;               // without a version: "wasi:keyvalue/store"
    slice name;                    // "default"
    slice target;                  // for messages: "redis at cache.example.org"
    slice target_name;             // for rules of calls: "redis"
    uint32_t number;               // what the other end knows it by
    uint64_t timeout_ns;           // of one call; 0 = none but the guest's own deadline
    const _Atomic uint32_t *state; // wasi_link_state; written by the supervisor at any moment
    // One of those that WASI_LINK_ANY stands for: whoever takes the calls tells links apart, and what may be
    // called, too. Such a call names "ns:package/interface@1.2.3 NAME-OF-LINK" as its interface, without the
    // version where the caller has none.
    bool is_any;
} wasi_link;

// As the interface of a link: it takes every interface, under every name. Another link of the interface goes
// first.
#define WASI_LINK_ANY "*"

typedef struct wasi_callee { // a link to another component, of which host/callee.h takes care
    slice interface;
    slice name;
} wasi_callee;

typedef struct wasi_links { // of a workload
    const wasi_link *items;
    size_t count;
    const wasi_callee *callees;
    size_t callee_count;
    rpc *const *drivers; // the connection; what it points at is NULL while there is none
    rpc_share *share;    // of it: the workload's, so that it cannot keep others from calling
} wasi_links;

// The link that this call to `interface` goes through: of an import with a name of its own the one of that
// name, else the one that was chosen last. STATUS_NOT_FOUND: there is none of that name; STATUS_DENIED: it
// was cut. The message names workload, interface and link.
status wasi_link_of(host_call *call, slice interface, const wasi_link **ret, err *e) WRIT_MUST_USE;

// The one of that name. What lives longer than a call (a resource) keeps the name and not the link.
status wasi_link_find_named(wasi_instance *i, slice interface, slice name, const wasi_link **ret,
                            err *e) WRIT_MUST_USE;

// The name that was chosen for the next calls to `interface`: "default" unless somebody did.
slice wasi_link_chosen(const wasi_instance *i, slice interface);

// From now on calls of this instance to `interface` go through the link of this name. STATUS_NOT_FOUND when
// there is none (it is set all the same: links may come later); STATUS_LIMIT.
status wasi_link_choose(wasi_instance *i, slice interface, slice name, err *e) WRIT_MUST_USE;

// Forgets what was chosen, between two requests that one instance serves.
void wasi_link_choose_none(wasi_instance *i);

// May this instance make that call? STATUS_DENIED with the rule that says no, which also goes to the
// workload's log; `link` is what the component calls it. For whatever reaches another workload or a driver;
// wasi_link_call asks by itself.
status wasi_call_check(wasi_instance *i, slice target, slice interface, slice function, slice link,
                       err *e) WRIT_MUST_USE;

// Calls through a link and waits for the answer, which lives until the host function returns.
// STATUS_CANCELLED when the guest is being given up: return it at once. Anything else but STATUS_OK is for
// the contract's typed error: STATUS_DENIED, STATUS_TIMEOUT, STATUS_CLOSED (no driver, or it went; whether
// the call was done is not known), STATUS_LIMIT, and what a driver says of its backend.
status wasi_link_call(host_call *call, const wasi_link *l, slice function, slice payload, slice *ret_answer,
                      err *e) WRIT_MUST_USE;

// The same without waiting, for what is fetched ahead and written behind: `ended` is called from the loop, as
// rpc_call_start says, unless the call is cancelled with rpc_call_cancel. `c` is zeroed.
status wasi_link_start(wasi_instance *i, const wasi_link *l, slice function, slice payload, rpc_call *c,
                       rpc_ended ended, void *arg, err *e) WRIT_MUST_USE;

// The body of the functions of contracts that go to their link as they are (tools/witgen). A call that was
// not done is the function's typed error, with the reason; where it has none, a trap.
status wasi_link_forward(host_call *call, core_value *values, err *e) WRIT_MUST_USE;
