// SPDX-License-Identifier: Apache-2.0
// Landlock (Documentation/userspace-api/landlock.rst). Rights that the build machine's headers may not know
// yet are named here with their numbers; which of them exist is asked of the kernel that runs.
#include <errno.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/sandbox.h"
#include "os/sandbox_internal.h"

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_ABI_1 = (1 << 13) - 1,
    FS_REFER = 1 << 13,     // ABI 2: links and renames between directories
    FS_TRUNCATE = 1 << 14,  // ABI 3
    FS_IOCTL_DEV = 1 << 15, // ABI 5
    NET_BIND_TCP = 1 << 0,  // ABI 4
    NET_CONNECT_TCP = 1 << 1,
    RULE_NET_PORT = 2,
    SCOPE_ABSTRACT_UNIX = 1 << 0, // ABI 6
    SCOPE_SIGNAL = 1 << 1,

    RIGHTS_FILE_READ = FS_READ_FILE,
    RIGHTS_FILE_WRITE = FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE,
    RIGHTS_READ = FS_READ_FILE | FS_READ_DIR,
    RIGHTS_WRITE = RIGHTS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |
                   FS_MAKE_SYM | FS_REFER | FS_TRUNCATE,
};

typedef struct ruleset_attr { // struct landlock_ruleset_attr as of ABI 6; older kernels take a shorter one
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
} ruleset_attr;

int sandbox_landlock_abi(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

static uint64_t handled_fs(int abi) {
    uint64_t rights = FS_ABI_1;
    rights |= abi >= 2 ? FS_REFER : 0;
    rights |= abi >= 3 ? FS_TRUNCATE : 0;
    rights |= abi >= 5 ? FS_IOCTL_DEV : 0;
    return rights;
}

static status create_ruleset(int abi, int *ret, err *e) {
    ruleset_attr attr = {.handled_access_fs = handled_fs(abi)};
    size_t bytes = sizeof attr.handled_access_fs;
    if (abi >= 4) {
        attr.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
        bytes = offsetof(ruleset_attr, scoped);
    }
    if (abi >= 6) {
        attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
        bytes = sizeof attr;
    }
    long fd = syscall(SYS_landlock_create_ruleset, &attr, bytes, 0);
    if (fd < 0) {
        return err_set_errno(e, errno, "create a Landlock ruleset");
    }
    *ret = (int)fd;
    return STATUS_OK;
}

static status add_directory(int ruleset, int abi, const sandbox_directory *d, err *e) {
    struct stat st;
    if (fstat(d->fd, &st) != 0) {
        return err_set_errno(e, errno, "stat a granted directory");
    }
    uint64_t wanted = S_ISDIR(st.st_mode) ? (d->can_write ? RIGHTS_WRITE : RIGHTS_READ)
                                          : (d->can_write ? RIGHTS_FILE_WRITE : RIGHTS_FILE_READ);
    struct landlock_path_beneath_attr rule = {.allowed_access = wanted & handled_fs(abi), .parent_fd = d->fd};
    // Memory files lie outside every directory: Landlock does not cover them, and says so.
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0 &&
        errno != EBADFD) {
        return err_set_errno(e, errno, "add a Landlock rule");
    }
    return STATUS_OK;
}

typedef struct net_port_attr { // struct landlock_net_port_attr
    uint64_t allowed_access;
    uint64_t port;
} net_port_attr;

static status add_port(int ruleset, int abi, uint16_t port, err *e) {
    const net_port_attr rule = {.allowed_access = NET_CONNECT_TCP, .port = port};
    if (abi >= 4 && syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) != 0) {
        return err_set_errno(e, errno, "add a Landlock rule for a port");
    }
    return STATUS_OK;
}

status sandbox_restrict_files(const sandbox_directory *directories, size_t count, err *e) {
    return sandbox_restrict_files_and_ports(directories, count, NULL, 0, e);
}

status sandbox_restrict_files_and_ports(const sandbox_directory *directories, size_t count,
                                        const uint16_t *ports, size_t port_count, err *e) {
    int abi = sandbox_landlock_abi();
    if (abi == 0) {
        return err_set(e, STATUS_UNSUPPORTED, "this kernel has no Landlock");
    }
    auto_fd ruleset = -1;
    TRY(create_ruleset(abi, &ruleset, e));
    for (size_t i = 0; i < count; i++) {
        TRY(add_directory(ruleset, abi, &directories[i], e));
    }
    for (size_t i = 0; i < port_count; i++) {
        TRY(add_port(ruleset, abi, ports[i], e));
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        return err_set_errno(e, errno, "enter the Landlock sandbox");
    }
    return STATUS_OK;
}

bool sandbox_leave_others_alone(void) {
    int abi = sandbox_landlock_abi();
    if (abi == 0) {
        return true;
    }
    // A domain must restrict something: nobody but root can make device files anyway.
    ruleset_attr attr = {.handled_access_fs = FS_MAKE_BLOCK, .scoped = abi >= 6 ? SCOPE_SIGNAL : 0};
    size_t bytes = abi >= 6 ? sizeof attr : sizeof attr.handled_access_fs;
    long fd = syscall(SYS_landlock_create_ruleset, &attr, bytes, 0);
    bool is_done = fd >= 0 && syscall(SYS_landlock_restrict_self, (int)fd, 0) == 0;
    if (fd >= 0) {
        (void)close((int)fd);
    }
    return is_done;
}
