// SPDX-License-Identifier: Apache-2.0
// What hostile native code would try inside a worker. Each try that is not refused is counted and named on
// standard error. Used by the tests of the sandbox itself and of the workers that really use it.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int escapes; // so far

// Counts and names what went through although it must not.
static void refused(bool is_refused, const char *what) {
    if (!is_refused) {
        escapes++;
        (void)dprintf(STDERR_FILENO, "    not refused: %s (errno %d)\n", what, errno);
    }
}
static void works(bool ok, const char *what) {
    if (!ok) {
        escapes++;
        (void)dprintf(STDERR_FILENO, "    does not work: %s (errno %d)\n", what, errno);
    }
}

static bool denied(long result) { return result < 0 && (errno == EPERM || errno == EACCES); }

static void try_processes(void) {
    refused(denied(fork()), "fork");
    refused(denied(syscall(SYS_vfork)), "vfork");
    refused(denied(syscall(SYS_clone3, NULL, 0)), "clone3");
    refused(denied(execl("/bin/true", "true", NULL)), "execve");
    refused(denied(syscall(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0)), "execveat");
    refused(denied(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)), "ptrace");
    refused(denied(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)), "process_vm_readv");
    refused(denied(syscall(SYS_pidfd_open, getppid(), 0)), "pidfd_open");
    refused(denied(kill(getppid(), 0)), "signal the parent");
    refused(denied(syscall(SYS_tgkill, getppid(), getppid(), 0)), "tgkill the parent");
    refused(denied(syscall(SYS_setuid, 0)), "setuid");
    refused(denied(syscall(SYS_unshare, CLONE_NEWUSER)), "unshare");
    refused(denied(syscall(SYS_io_uring_setup, 1, NULL)), "io_uring_setup");
    refused(denied(syscall(SYS_bpf, 0, NULL, 0)), "bpf");
    refused(denied(syscall(SYS_userfaultfd, 0)), "userfaultfd");
    refused(denied(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0)), "perf_event_open");
}

static void try_network(int datagram) {
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct sockaddr *address = (const struct sockaddr *)&to;
    refused(denied(socket(AF_INET, SOCK_STREAM, 0)), "socket");
    refused(denied(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0})), "socketpair");
    // The filter answers that it is done, for libcurl, and does nothing: the socket has the peer that it had.
    struct sockaddr_in before = {0}, after = {0};
    int had_peer = getpeername(datagram, (struct sockaddr *)&before, &(socklen_t){sizeof before});
    (void)connect(datagram, address, sizeof to);
    int has_peer = getpeername(datagram, (struct sockaddr *)&after, &(socklen_t){sizeof after});
    refused(had_peer == has_peer && memcmp(&before, &after, sizeof before) == 0, "connect");
    refused(denied(bind(datagram, address, sizeof to)), "bind");
    refused(denied(sendto(datagram, "x", 1, 0, address, sizeof to)), "sendto with an address");
    struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to};
    refused(denied(sendmsg(datagram, &message, 0)), "sendmsg");
    refused(denied(sendmmsg(datagram, NULL, 0, 0)), "sendmmsg");
    refused(denied(setsockopt(datagram, SOL_SOCKET, SO_ATTACH_FILTER, "", 1)), "a filter on a socket");
    // A loose source route by way of another loopback address: where packets really go.
    static const uint8_t route[] = {131, 7, 4, 127, 0, 0, 2, 0};
    refused(denied(setsockopt(datagram, IPPROTO_IP, IP_OPTIONS, route, sizeof route)), "a source route");
    refused(denied(setsockopt(datagram, IPPROTO_IPV6, IPV6_RTHDR, NULL, 0)), "a routing header");
    struct ip_mreq group = {.imr_multiaddr = {htonl(0xe0000164)}};
    refused(denied(setsockopt(datagram, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group)), "a group");
}

static void try_files(void) {
    refused(denied(open("/etc/passwd", O_RDONLY)), "open /etc/passwd");
    refused(denied(open("/proc/self/mem", O_RDWR)), "open /proc/self/mem");
    struct open_how how = {.flags = O_RDONLY};
    refused(denied(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof how)), "openat2");
    refused(denied(mkdir("/tmp/writ-sandbox-escape", 0700)), "mkdir");
    refused(denied(unlink("/tmp/writ-sandbox-escape")), "unlink");
    refused(denied(chdir("/")), "chdir");
    refused(denied(chmod("/tmp", 0777)), "chmod");
}

static void try_code(void) {
    refused(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED,
            "map executable memory");
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    works(page != MAP_FAILED, "map memory");
    refused(denied(mprotect(page, 4096, PROT_READ | PROT_EXEC)), "make memory executable");
    works(mprotect(page, 4096, PROT_READ) == 0, "make memory read-only");
}
