// SPDX-License-Identifier: Apache-2.0
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "os/fd.h"

enum { ENVIRONMENT_MAX = 16 };

static bool is_variable_kept(const char *entry) {
    static const char *const kept[] = {"LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=",
                                       "LSAN_OPTIONS=",    "TSAN_OPTIONS=", "LLVM_PROFILE_FILE="};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (strncmp(entry, kept[i], strlen(kept[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void clean_environment(char *ret[ENVIRONMENT_MAX + 1]) {
    size_t count = 0;
    // Else the C library looks for a file that a worker may not open. (posix_spawn does not write to it.)
    ret[count++] = (char *)(uintptr_t) "TZ=UTC0";
    for (char **v = environ; v != NULL && *v != NULL && count < ENVIRONMENT_MAX; v++) {
        if (is_variable_kept(*v)) {
            ret[count++] = *v;
        }
    }
    ret[count] = NULL;
}

// Each posix_spawn call returns an errno value; the first that is not 0 wins.
static int first_error(int a, int b) { return a != 0 ? a : b; }

static int set_actions(const process_options *o, posix_spawn_file_actions_t *actions) {
    int error = posix_spawn_file_actions_adddup2(actions, o->channel_fd, PROCESS_CHANNEL_FD);
    if (o->error_fd > 0) {
        error = first_error(error, posix_spawn_file_actions_adddup2(actions, o->error_fd, STDERR_FILENO));
    }
    if (o->discards_stdio) {
        error = first_error(error,
                            posix_spawn_file_actions_addopen(actions, 0, "/dev/null", 0 /* O_RDONLY */, 0));
        error = first_error(error,
                            posix_spawn_file_actions_addopen(actions, 1, "/dev/null", 1 /* O_WRONLY */, 0));
    }
    return error;
}

static int set_attributes(posix_spawnattr_t *attributes) {
    sigset_t blocked;
    sigset_t defaults;
    (void)sigemptyset(&blocked);
    for (size_t i = 0; i < 4; i++) {
        (void)sigaddset(&blocked, (const int[]){SIGINT, SIGTERM, SIGHUP, SIGQUIT}[i]);
    }
    (void)sigfillset(&defaults);
    int error = posix_spawnattr_setsigmask(attributes, &blocked);
    error = first_error(error, posix_spawnattr_setsigdefault(attributes, &defaults));
    return first_error(error,
                       posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
}

static int spawn(const process_options *o, pid_t *ret) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
    int error = first_error(set_actions(o, &actions), set_attributes(&attributes));
    char *environment[ENVIRONMENT_MAX + 1];
    clean_environment(environment);
    if (error == 0) {
        const char *path = o->path == NULL ? "/proc/self/exe" : o->path;
        error = posix_spawn(ret, path, &actions, &attributes, (char *const *)(uintptr_t)o->argv, environment);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return error;
}

status process_error_pipe(int *ret_read, int *ret_write, err *e) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return err_set_errno(e, errno, "pipe");
    }
    *ret_read = ends[0];
    *ret_write = ends[1];
    return STATUS_OK;
}

// The child cannot vanish before this: it stays a zombie until we reap it.
static status adopt(pid_t pid, process *ret, err *e) {
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        int error = errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return err_set_errno(e, error, "pidfd_open");
    }
    *ret = (process){pid, pidfd};
    return STATUS_OK;
}

status process_spawn(const process_options *options, process *ret, err *e) {
    pid_t pid = 0;
    int error = spawn(options, &pid);
    return error == 0 ? adopt(pid, ret, e) : err_set_errno(e, error, "start a process");
}

// --- programs of the user ----------------------------------------------------------------------------------

static int set_tool_actions(const process_tool *t, posix_spawn_file_actions_t *actions) {
    int error = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", 0 /* O_RDONLY */, 0);
    if (t->output_fd >= 0) {
        error = first_error(error, posix_spawn_file_actions_adddup2(actions, t->output_fd, STDOUT_FILENO));
    }
    if (t->error_fd >= 0) {
        error = first_error(error, posix_spawn_file_actions_adddup2(actions, t->error_fd, STDERR_FILENO));
    }
    if (t->directory != NULL) {
        error = first_error(error, posix_spawn_file_actions_addchdir_np(actions, t->directory));
    }
    return error;
}

static int set_tool_attributes(const process_tool *t, posix_spawnattr_t *attributes) {
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    int error = posix_spawnattr_setsigmask(attributes, &none);
    error = first_error(error, posix_spawnattr_setsigdefault(attributes, &all));
    error = first_error(error, posix_spawnattr_setpgroup(attributes, 0));
    return first_error(error, posix_spawnattr_setflags(
                                  attributes, (short)(flags | (t->leads_group ? POSIX_SPAWN_SETPGROUP : 0))));
}

status process_spawn_tool(const process_tool *t, process *ret, err *e) {
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    const char *path = t->path == NULL ? "/proc/self/exe" : t->path;
    CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
    int error = first_error(set_tool_actions(t, &actions), set_tool_attributes(t, &attributes));
    if (error == 0) {
        error = posix_spawn(&pid, path, &actions, &attributes, (char *const *)(uintptr_t)t->argv, environ);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return error == 0 ? adopt(pid, ret, e) : err_set_errno(e, error, path);
}

void process_signal_group(const process *p, int number) {
    if (p->pidfd >= 0) {
        (void)kill(-p->pid, number);
    }
}

static bool is_program(int directory, const char *path) {
    struct stat st;
    return fstatat(directory, path, &st, 0) == 0 && S_ISREG(st.st_mode) &&
           faccessat(directory, path, X_OK, AT_EACCESS) == 0;
}

static bool is_in_path(const char *name) {
    const char *at = getenv("PATH");
    while (at != NULL) {
        char file[PATH_MAX];
        const char *end = strchrnul(at, ':');
        // An empty part of PATH is the current directory.
        int len = snprintf(file, sizeof file, "%.*s%s%s", (int)(end - at), at, end > at ? "/" : "", name);
        if (len > 0 && (size_t)len < sizeof file && is_program(AT_FDCWD, file)) {
            return true;
        }
        at = *end == ':' ? end + 1 : NULL;
    }
    return false;
}

bool process_finds_program(const char *name, const char *directory) {
    if (strchr(name, '/') == NULL) {
        return is_in_path(name);
    }
    auto_fd fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && is_program(fd, name);
}

status process_fork(process *ret, bool *ret_is_child, err *e) {
    pid_t parent = getpid();
    TRY(process_fork_away(ret, ret_is_child, e));
    if (*ret_is_child) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            process_end(1);
        }
    }
    return STATUS_OK;
}

status process_fork_away(process *ret, bool *ret_is_child, err *e) {
    (void)fflush(NULL); // or both would write it
    pid_t pid = fork();
    if (pid < 0) {
        return err_set_errno(e, errno, "fork");
    }
    *ret_is_child = pid == 0;
    if (pid == 0) {
        return STATUS_OK;
    }
    return adopt(pid, ret, e);
}

static bool wait_for(process *p, int flags, process_exit *ret) {
    siginfo_t info = {0};
    int result;
    do {
        result = waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | flags);
        if (result != 0 && errno == EAGAIN) { // an event loop has made the descriptor non-blocking
            struct pollfd ended = {.fd = p->pidfd, .events = POLLIN};
            (void)poll(&ended, 1, -1);
            errno = EINTR;
        }
    } while (result != 0 && errno == EINTR);
    CHECK(result == 0);
    if (info.si_pid == 0) {
        return false;
    }
    *ret = (process_exit){info.si_code != CLD_EXITED, info.si_status};
    fd_close(p->pidfd);
    *p = (process){0, -1};
    return true;
}

bool process_reap(process *p, process_exit *ret) { return p->pidfd >= 0 && wait_for(p, WNOHANG, ret); }

process_exit process_wait(process *p) {
    process_exit x = {false, 0};
    CHECK(p->pidfd >= 0 && wait_for(p, 0, &x));
    return x;
}

bool process_signal(const process *p, int number) {
    return p->pidfd >= 0 && pidfd_send_signal(p->pidfd, number, NULL, 0) == 0;
}

const char *process_exit_text(process_exit x, char text[PROCESS_EXIT_TEXT_BYTES]) {
    if (!x.is_signal) {
        (void)snprintf(text, PROCESS_EXIT_TEXT_BYTES, "exit status %d", x.number);
        return text;
    }
    const char *name = sigabbrev_np(x.number);
    (void)snprintf(text, PROCESS_EXIT_TEXT_BYTES, "signal %d (%s)", x.number,
                   name == NULL ? "unknown" : name);
    return text;
}

void process_begin_child(void) {
    pid_t parent = getppid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The parent may have died just before that call; if it did so even earlier, its end of the channel is
    // closed.
    if (getppid() != parent) {
        process_end(1);
    }
    (void)close_range(PROCESS_CHANNEL_FD + 1, ~0u, 0);
}

void process_end(int exit_status) { _exit(exit_status); }

void process_set_name(const char *name) { (void)prctl(PR_SET_NAME, name); }

void process_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

unsigned process_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1; // more than 1024 processors, or a strange kernel
    }
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}

void process_forbid_dumps(void) {
    const struct rlimit none = {0, 0};
    // Either alone is enough against a core dump; neither can fail for a process that only gives up.
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void process_wipe_freed(void) { (void)mallopt(M_PERTURB, 0x5a); }
