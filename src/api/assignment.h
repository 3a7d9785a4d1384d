// SPDX-License-Identifier: Apache-2.0
// What a host of a lattice is to run, as its agent hands it to the next generation (host/generations.h): a
// list of workloads. Beside what each is given here it has one link, which takes every interface under every
// name (WASI_LINK_ANY) and leads to the agent, both ways: whom a call reaches is decided there, call by call.
//
//   {"workloads": [{"name", "component", "instances", "memory", "time", "unsigned", "http", "values": {},
//                   "callees": [{"interface", "link", "workload"}], "routes": [{"host", "path"}]}]}
//
// "memory" in bytes, "time" in nanoseconds; both may be left out. "http": outgoing requests go to the agent.
// JSON of our own making, read with limits.
#pragma once

#include "base/buf.h"
#include "host/config.h"

enum { ASSIGNMENT_BYTES_MAX = 48 << 20 };

#define ASSIGNMENT_DRIVER "lattice" // what the link of each leads to

// The workloads of `c`, as far as an assignment has them.
status assignment_write(const host_config *c, buf *ret, err *e) WRIT_MUST_USE;
// Adds the workloads to `c`, each with its link.
status assignment_read(slice text, host_config *c, err *e) WRIT_MUST_USE;

// The same by a memory file.
status assignment_write_file(const host_config *c, int *ret_fd, err *e) WRIT_MUST_USE;
status assignment_read_file(int fd, host_config *c, err *e) WRIT_MUST_USE;
