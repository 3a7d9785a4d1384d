// SPDX-License-Identifier: Apache-2.0
// Calls from one component to another on this host: an imported interface that is bound to what another
// program exports. Values move straight from the caller's memory into the callee's, as between components
// that were composed, and no state is shared:
//
//   - A callee is an instance of its own for each instance that calls: made at the first call, in a store of
//     its own with limits of its own, kept for later calls of the same caller, gone with it.
//   - It runs as a task of its own store. The first stretch of a call runs inside the caller's host call;
//   when
//     the callee is done by then the caller has never waited. Else the caller waits like for anything else,
//     and the loop resumes the callee until it is done.
//   - When the callee traps, runs over a limit or ends itself, this instance of it is gone, the next call
//   makes
//     a new one. The caller gets an error where the function's type has one (see bridge_failure), else it
//     traps.
//   - What the caller itself does wrong (a bad pointer, its own realloc) traps the caller, as always.
//   - Calls that go on to further components have a depth limit. A component that is called while it runs is
//     a new instance, never the running one.
//
// Types are compared when the caller is linked, by the code that compares those of host interfaces. Where
// callees live and how the loop resumes them is the embedder's part (bridge_ops). Threads: a bridge is
// immutable once connected and may be shared; callees belong to the thread of their caller.
// Source: CanonicalABI.md "canon lift", "canon lower". Tests: tests/unit/engine/test_bridge.c.
#pragma once

#include "component/component.h"

enum { BRIDGE_DEPTH_MAX = 16 };

typedef struct bridge bridge;
typedef struct bridge_callee bridge_callee;

typedef struct bridge_room { // where one callee lives
    core_store *store;
    void *context; // of its host functions: host_call_context
    void *own;     // the embedder's
} bridge_room;

// `target` is bridge_options.target. All run on the thread of the caller.
typedef struct bridge_ops {
    // Makes room for a callee of the instance whose host_call_context is `caller`.
    status (*open)(void *target, void *caller, bridge_callee *callee, bridge_room *ret, err *e);
    // After the callee's task and instance are gone: frees the store.
    void (*close)(void *target, bridge_room *room);
    // Around each call: limits, accounts. A failure of `begin` is one of the call.
    status (*begin)(void *target, bridge_room *room, host_call *caller, err *e);
    void (*end)(void *target, bridge_room *room);
    // The callee has not finished. When it used up its time slice, the embedder has the loop call
    // bridge_callee_resume soon; when it waits, whoever wakes it does.
    void (*unfinished)(void *target, bridge_room *room);
    // May put a better reason into `e`: the callee's exit, the limit that it passed.
    void (*explain)(void *target, const bridge_room *room, err *e);
    // Suspends the caller until `wake`; may return earlier. STATUS_CANCELLED when the caller is given up.
    status (*wait)(host_call *caller, err *e);
    void (*wake)(void *caller);
    // Before each call, and before there is a callee; NULL = every call is allowed. A failure is one of the
    // call.
    status (*check)(void *target, host_call *caller, err *e);
    // Which of several bridges this call goes through: leaves `*ret` as it is, or puts one that was given to
    // bridge_alternative of it. NULL = there is no choice. A failure is one of the call.
    status (*choose)(void *target, host_call *caller, bridge **ret, err *e);
    // `open` had no room (STATUS_LIMIT) for the one that this call is for: the call may go elsewhere, as a
    // host function may make it. STATUS_UNSUPPORTED: it cannot, and the call fails as it did. NULL = no call
    // can.
    status (*elsewhere)(void *target, host_call *caller, core_value *values, err *e);
} bridge_ops;

typedef struct bridge_options {
    slice name;                 // of the callee, for messages
    const component *component; // the callee's
    slice interface;            // as the caller imports it, with or without a version
    const bridge_ops *ops;      // borrowed, as everything here
    void *target;
} bridge_options;

// STATUS_NOT_FOUND when the component does not export the interface in a compatible version.
status bridge_new(const bridge_options *options, bridge **ret, err *e) WRIT_MUST_USE;
void bridge_free(bridge *b); // accepts NULL; after the programs that import it and their instances
// What the gate gives to component_link of the caller. Nothing of it may be called before bridge_connect.
const host_interface *bridge_interface(const bridge *b);
// The callee's linked program: a step of its own, so that components can call each other in a circle.
status bridge_connect(bridge *b, const component_program *program, err *e) WRIT_MUST_USE;

// From now on `choose` of `b` may name `other`, of the same interface. STATUS_UNSUPPORTED when the interface
// has resources, since a handle is one of the component that made it; STATUS_INVALID when the two differ.
status bridge_alternative(const bridge *b, bridge *other, err *e) WRIT_MUST_USE;

// From the loop: goes on with a callee that was left unfinished. Harmless at any other time.
void bridge_callee_resume(bridge_callee *c);

// Likewise: ends a callee that waits, and its call fails with `why`.
void bridge_callee_give_up(bridge_callee *c, const char *why);
