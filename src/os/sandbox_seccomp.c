// SPDX-License-Identifier: Apache-2.0
// The system calls that are left. Everything not named here answers EPERM (an error and not a kill, since
// libraries try optional calls and fall back); calls that glibc only replaces when they are unknown answer
// ENOSYS.
//
// Reading order: tables of calls that are harmless with any arguments, then the calls whose arguments matter.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/sandbox.h"
#include "os/sandbox_internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int always[] = {
    // memory (what makes code is checked below)
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock), // secrets are not swapped out; RLIMIT_MEMLOCK says how many
    SCMP_SYS(munlock),
    SCMP_SYS(brk),
    SCMP_SYS(membarrier),
    SCMP_SYS(memfd_create), // the engine keeps memory images in one
    // open descriptors
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(preadv2),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(pwritev2),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(ftruncate),
    SCMP_SYS(dup),
    // waiting
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(eventfd2),
    SCMP_SYS(futex),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(sched_yield),
    SCMP_SYS(restart_syscall),
    // connected sockets that somebody else opened
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    // clocks, randomness, who am I
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrusage),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    // signals of one's own, threads of one's own, the end
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

// On directories that were granted; Landlock decides which.
static const int file_calls[] = {
    SCMP_SYS(openat),     SCMP_SYS(openat2),    SCMP_SYS(newfstatat),      SCMP_SYS(statx),
    SCMP_SYS(getdents64), SCMP_SYS(unlinkat),   SCMP_SYS(mkdirat),         SCMP_SYS(renameat),
    SCMP_SYS(renameat2),  SCMP_SYS(linkat),     SCMP_SYS(symlinkat),       SCMP_SYS(readlinkat),
    SCMP_SYS(fsync),      SCMP_SYS(fdatasync),  SCMP_SYS(fadvise64),       SCMP_SYS(fallocate),
    SCMP_SYS(utimensat),  SCMP_SYS(faccessat2), SCMP_SYS(copy_file_range),
};

static const int fcntl_commands[] = {F_GETFD,         F_SETFD,     F_GETFL,    F_SETFL,
                                     F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS};
static const unsigned long ioctl_requests[] = {FIONBIO, FIONREAD, TCGETS};
// By name, because some options choose where packets go: a source route (IP_OPTIONS, IPV6_RTHDR) sends those
// of a connected socket to any address, and memberships receive what was sent to others.
static const struct {
    int level, name;
} socket_options[] = {
    {SOL_SOCKET, SO_KEEPALIVE},  {SOL_SOCKET, SO_RCVBUF},           {SOL_SOCKET, SO_SNDBUF},
    {SOL_SOCKET, SO_LINGER},     {SOL_SOCKET, SO_BUSY_POLL},        {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_KEEPIDLE}, {IPPROTO_TCP, TCP_KEEPINTVL},      {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_IP, IP_TTL},        {IPPROTO_IPV6, IPV6_UNICAST_HOPS},
};

static struct scmp_arg_cmp equals(unsigned argument, uint64_t value) {
    return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp has_bits(unsigned argument, uint64_t mask, uint64_t value) {
    return (struct scmp_arg_cmp){
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

typedef struct filter {
    scmp_filter_ctx context;
    int error; // the first one; later calls do nothing
} filter;

static void add(filter *f, uint32_t action, int call, unsigned count, const struct scmp_arg_cmp *arguments) {
    if (f->error == 0) {
        f->error = seccomp_rule_add_array(f->context, action, call, count, arguments);
    }
}

static void allow(filter *f, int call) { add(f, SCMP_ACT_ALLOW, call, 0, NULL); }

static void allow_if(filter *f, int call, struct scmp_arg_cmp condition) {
    add(f, SCMP_ACT_ALLOW, call, 1, &condition);
}

static void allow_all(filter *f, const int *calls, size_t count) {
    for (size_t i = 0; i < count; i++) {
        allow(f, calls[i]);
    }
}

static void add_memory_calls(filter *f, bool makes_code) {
    if (makes_code) {
        allow(f, SCMP_SYS(mmap));
        allow(f, SCMP_SYS(mprotect));
        return;
    }
    allow_if(f, SCMP_SYS(mmap), has_bits(2, PROT_EXEC, 0));
    allow_if(f, SCMP_SYS(mprotect), has_bits(2, PROT_EXEC, 0));
}

// Does nothing and says that it is done: libcurl 7.88 calls it on sockets that are connected already (see
// net/http_call.c). Any other answer makes it wait.
static void skip_connects(filter *f) { add(f, SCMP_ACT_ERRNO(0), SCMP_SYS(connect), 0, NULL); }

static void add_socket_calls(filter *f, bool accepts) {
    // Only to the connected peer: an address would reach anybody.
    allow_if(f, SCMP_SYS(sendto), equals(4, 0));
    for (size_t i = 0; i < COUNT(socket_options); i++) {
        add(f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
            (const struct scmp_arg_cmp[]){equals(1, (uint64_t)socket_options[i].level),
                                          equals(2, (uint64_t)socket_options[i].name)});
    }
    skip_connects(f);
    if (accepts) {
        allow(f, SCMP_SYS(accept4));
        // Sockets come bound or connected from the supervisor, which checked the address; an unbound one
        // cannot be had, so listening reaches nothing new.
        allow(f, SCMP_SYS(listen));
    }
}

static void add_checked_calls(filter *f) {
    for (size_t i = 0; i < COUNT(fcntl_commands); i++) {
        allow_if(f, SCMP_SYS(fcntl), equals(1, (uint64_t)fcntl_commands[i]));
    }
    for (size_t i = 0; i < COUNT(ioctl_requests); i++) {
        allow_if(f, SCMP_SYS(ioctl), equals(1, (uint64_t)ioctl_requests[i]));
    }
    // abort() signals itself; nobody else may be signalled.
    allow_if(f, SCMP_SYS(tgkill), equals(0, (uint64_t)getpid()));
    // Names of threads and of memory areas; the other prctl operations change rights.
    allow_if(f, SCMP_SYS(prctl), equals(0, PR_SET_NAME));
    allow_if(f, SCMP_SYS(prctl), equals(0, 0x53564d41 /* PR_SET_VMA */));
}

static void add_thread_calls(filter *f) {
    // clone3 hides its flags behind a pointer. Unknown, it makes glibc use clone, whose flags can be seen.
    add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
    const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    allow_if(f, SCMP_SYS(clone), has_bits(0, thread, thread));
}

static void add_rules(filter *f, const sandbox_calls *allowed) {
    allow_all(f, always, COUNT(always));
    add_memory_calls(f, allowed->makes_code);
    add_socket_calls(f, allowed->accepts_connections);
    add_checked_calls(f);
    if (allowed->opens_files) {
        allow_all(f, file_calls, COUNT(file_calls));
    }
    if (allowed->starts_threads) {
        add_thread_calls(f);
    }
}

bool sandbox_has_seccomp(void) { return seccomp_api_get() >= 2; }

// Loads a filter that answers `otherwise` to what `rules` does not speak of.
static status load(uint32_t otherwise, void (*rules)(filter *f, const sandbox_calls *allowed),
                   const sandbox_calls *allowed, err *e) {
    if (!sandbox_has_seccomp()) {
        return err_set(e, STATUS_UNSUPPORTED, "this kernel has no seccomp filters for several threads");
    }
    filter f = {.context = seccomp_init(otherwise)};
    if (f.context == NULL) {
        return err_set(e, STATUS_INTERNAL, "libseccomp has no memory for a filter");
    }
    f.error = seccomp_attr_set(f.context, SCMP_FLTATR_CTL_TSYNC, 1);
    if (f.error == 0) {
        f.error = seccomp_attr_set(f.context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    }
    rules(&f, allowed);
    if (f.error == 0) {
        f.error = seccomp_load(f.context);
    }
    seccomp_release(f.context);
    return f.error == 0 ? STATUS_OK : err_set_errno(e, -f.error, "load the system call filter");
}

status sandbox_restrict_calls(const sandbox_calls *allowed, err *e) {
    return load(SCMP_ACT_ERRNO(EPERM), add_rules, allowed, e);
}

static void skip_connects_alone(filter *f, const sandbox_calls *allowed) {
    (void)allowed;
    skip_connects(f);
}

status sandbox_skip_connects(err *e) { return load(SCMP_ACT_ALLOW, skip_connects_alone, NULL, e); }
