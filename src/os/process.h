// SPDX-License-Identifier: Apache-2.0
// Child processes: the same binary again, with a clean environment and one descriptor.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/attributes.h"
#include "base/err.h"

enum { PROCESS_CHANNEL_FD = 3 }; // where the child finds the descriptor that it was given

typedef struct process {
    pid_t pid;
    int pidfd; // readable when the process has ended; -1 when there is none
} process;

typedef struct process_exit {
    bool is_signal;
    int number; // exit status, or the signal
} process_exit;

typedef struct process_options {
    const char *path;        // NULL = this program itself
    const char *const *argv; // NULL-terminated
    int channel_fd;          // becomes PROCESS_CHANNEL_FD
    bool discards_stdio;     // standard input and output become /dev/null; standard error stays
    int error_fd;            // becomes standard error; 0 = ours
} process_options;

// A pipe for it: both ends close-on-exec and non-blocking, so that neither side can hold up the other.
status process_error_pipe(int *ret_read, int *ret_write, err *e) WRIT_MUST_USE;

// The child starts with SIGINT, SIGTERM, SIGHUP and SIGQUIT blocked (a terminal sends them to the whole
// group; the parent decides what a child hears) and without our environment, which may hold secrets: only the
// variables of the loader and of sanitizers pass.
status process_spawn(const process_options *options, process *ret, err *e) WRIT_MUST_USE;

// A program that the user named, such as a compiler: it has our environment, and hears signals as programs
// do.
typedef struct process_tool {
    const char *path;        // as given, without a search; NULL = this program itself
    const char *const *argv; // NULL-terminated
    const char *directory;   // where it starts; NULL = ours
    int output_fd;           // becomes its standard output; -1 = ours
    int error_fd;            // becomes its standard error; -1 = ours
    bool leads_group;        // a process group of its own, which a terminal does not interrupt
} process_tool;

// Its standard input is empty.
status process_spawn_tool(const process_tool *t, process *ret, err *e) WRIT_MUST_USE;
// A signal for all of the group that the process leads.
void process_signal_group(const process *p, int number);
// Whether there is such a program: in one of the directories of PATH, or, when the name has a "/", as seen
// from `directory`.
bool process_finds_program(const char *name, const char *directory);

// A copy of this process, which must have one thread. The copy has the same environment and standard
// descriptors, is told so, and is killed when its parent dies; `ret` is filled in the parent only.
status process_fork(process *ret, bool *ret_is_child, err *e) WRIT_MUST_USE;

// The same, but the copy outlives its parent.
status process_fork_away(process *ret, bool *ret_is_child, err *e) WRIT_MUST_USE;

// True when it has ended; reaps it and closes the descriptor. Never waits.
bool process_reap(process *p, process_exit *ret);
// Waits for the end, however long it takes.
process_exit process_wait(process *p);
// Sends a signal; false when the process is gone already.
bool process_signal(const process *p, int number);

// "signal 11 (SEGV)" or "exit status 3".
enum { PROCESS_EXIT_TEXT_BYTES = 48 };
const char *process_exit_text(process_exit x, char text[PROCESS_EXIT_TEXT_BYTES]);

// In the child, first thing: arranges to be killed when the parent dies (and ends at once if it just has),
// and closes every descriptor beyond PROCESS_CHANNEL_FD that somebody forgot to mark close-on-exec.
void process_begin_child(void);
// Ends this process without running exit handlers of libraries.
_Noreturn void process_end(int exit_status);
// Shows `name` (15 bytes at most) in process lists.
void process_set_name(const char *name);

// From now on this process leaves no core dump, and others of its user cannot look into its memory.
void process_forbid_dumps(void);
// From now on large pieces of memory are overwritten when they are freed, those of libraries too.
void process_wipe_freed(void);

// As many descriptors as the system allows this process. (The kernel also counts descriptors that wait in
// sockets against it, for all processes of this user: one that does not read would hold up the others.)
void process_raise_descriptor_limit(void);

unsigned process_cpu_count(void); // that this process may run on
