// SPDX-License-Identifier: Apache-2.0
// The second wall around guests: what a process gives up before it runs them, so that native code inside it
// (a guest that broke out of the engine, a bug in a library) can reach nothing that was not granted.
//
// Three steps, in this order, because each forbids what the one before still needs:
//   sandbox_drop_privileges  no new privileges, no capabilities, no core dumps, not dumpable, and a bound on
//                            descriptors.
//   sandbox_restrict_files   Landlock: only the named directories, no TCP bind or connect, no abstract local
//                            sockets and no signals to others.
//                            Applies to this thread and those that it starts later.
//   sandbox_restrict_calls   seccomp: an allow-list of system calls with checked arguments, for all threads.
// None can be undone. An older kernel protects less; sandbox_report says what is lost.
// Known gap: Landlock does not cover metadata (stat, times), so inside a worker with directory grants native
// code can learn whether a path exists.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/err.h"

typedef struct sandbox_report {
    int landlock_abi; // 0 when the kernel has none
    bool has_seccomp;
    char lost[320]; // what this kernel does not protect against, in words; empty when nothing is lost
} sandbox_report;

// What this machine can do; changes nothing.
void sandbox_probe(sandbox_report *ret);

// `descriptors_max` bounds open files of the process, whatever the limits of a workload add up to.
status sandbox_drop_privileges(uint32_t descriptors_max, err *e) WRIT_MUST_USE;

typedef struct sandbox_directory {
    int fd; // an open directory or file
    bool can_write;
} sandbox_directory;

// STATUS_UNSUPPORTED when the kernel has no Landlock; nothing is restricted then.
status sandbox_restrict_files(const sandbox_directory *directories, size_t count, err *e) WRIT_MUST_USE;

// The same for a process that connects by itself: TCP to these ports is not forbidden.
status sandbox_restrict_files_and_ports(const sandbox_directory *directories, size_t count,
                                        const uint16_t *ports, size_t port_count, err *e) WRIT_MUST_USE;

typedef struct sandbox_calls {
    bool opens_files;    // openat2 and what works on directories; else nothing can be opened at all
    bool starts_threads; // threads, never processes
    bool makes_code;     // mprotect and mmap to executable memory
    bool accepts_connections;
} sandbox_calls;

// STATUS_UNSUPPORTED when the kernel has no seccomp filters.
status sandbox_restrict_calls(const sandbox_calls *allowed, err *e) WRIT_MUST_USE;

// In place of it, where libraries use whatever they like: all calls are allowed, but connect(2) does nothing
// and says that it is done. For processes that get their sockets connected. STATUS_UNSUPPORTED likewise.
status sandbox_skip_connects(err *e) WRIT_MUST_USE;
