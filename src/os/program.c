// SPDX-License-Identifier: Apache-2.0
// Between fork and exec the child calls only what is safe there: other threads of this process may have held
// any lock.
#include "os/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/sandbox_internal.h"

enum { PROGRAM_FD = 3, REPORT_FD = 4, EXIT_NOT_STARTED = 127 };

static status make_pipe(int blocking_end, int *ret_read, int *ret_write, err *e) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_set_errno(e, errno, "pipe");
    }
    status s = fd_set_nonblocking(ends[1 - blocking_end], true, e);
    if (s != STATUS_OK) {
        fd_close(ends[0]);
        fd_close(ends[1]);
        return s;
    }
    *ret_read = ends[0];
    *ret_write = ends[1];
    return STATUS_OK;
}

status program_input_pipe(int *ret_read, int *ret_write, err *e) {
    return make_pipe(0, ret_read, ret_write, e);
}

status program_output_pipe(int *ret_read, int *ret_write, err *e) {
    return make_pipe(1, ret_read, ret_write, e);
}

// --- in the child ------------------------------------------------------------------------------------------

static bool has_died(pid_t parent) { return getppid() != parent; }

static bool arrange_descriptors(const program_options *o, int report_fd) {
    // First above all numbers that are about to be taken.
    int input = fcntl(o->input_fd, F_DUPFD_CLOEXEC, 10), output = fcntl(o->output_fd, F_DUPFD_CLOEXEC, 10);
    int program = fcntl(o->program_fd, F_DUPFD_CLOEXEC, 10), report = fcntl(report_fd, F_DUPFD_CLOEXEC, 10);
    // The program stays open for interpreters, which open a script by its number.
    return input >= 0 && output >= 0 && program >= 0 && report >= 0 && dup2(input, STDIN_FILENO) >= 0 &&
           dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0 &&
           dup2(program, PROGRAM_FD) >= 0 && dup3(report, REPORT_FD, O_CLOEXEC) >= 0 &&
           close_range(REPORT_FD + 1, ~0u, 0) == 0;
}

static void restore_signals(void) {
    sigset_t none;
    for (int number = 1; number < NSIG; number++) {
        (void)signal(number, SIG_DFL); // fails for those that cannot be set
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool give_up_rights(void) {
    const struct rlimit no_core = {0, 0};
    return setrlimit(RLIMIT_CORE, &no_core) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           sandbox_leave_others_alone();
}

_Noreturn static void run(const program_options *o, int report_fd, pid_t parent) {
    bool is_ready = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && !has_died(parent) && setpgid(0, 0) == 0 &&
                    arrange_descriptors(o, report_fd) && give_up_rights();
    if (is_ready) {
        restore_signals();
        (void)execve("/proc/self/fd/3", (char *const *)(uintptr_t)o->argv,
                     (char *const *)(uintptr_t)o->environment);
    }
    int number = errno;
    (void)!write(REPORT_FD, &number, sizeof number);
    process_end(EXIT_NOT_STARTED);
}

// --- in the parent -----------------------------------------------------------------------------------------

// The pipe closes without a word when the program runs.
static status read_report(int fd, err *e) {
    int number = 0;
    ssize_t n;
    do {
        n = read(fd, &number, sizeof number);
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        return STATUS_OK;
    }
    return err_set_errno(e, n == (ssize_t)sizeof number ? number : EIO, "execute the program");
}

status program_spawn(const program_options *options, process *ret, err *e) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_set_errno(e, errno, "pipe");
    }
    auto_fd report = ends[0];
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        run(options, ends[1], parent);
    }
    int error = errno;
    fd_close(ends[1]);
    if (pid < 0) {
        return err_set_errno(e, error, "fork");
    }
    int pidfd = pidfd_open(pid, 0);
    error = errno;
    status s = pidfd < 0 ? err_set_errno(e, error, "pidfd_open") : read_report(report, e);
    if (s != STATUS_OK) {
        fd_close(pidfd);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return s;
    }
    *ret = (process){pid, pidfd};
    return STATUS_OK;
}
