// SPDX-License-Identifier: Apache-2.0
// Privileges and the report; Landlock and seccomp have a file each.
#include "os/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/sandbox_internal.h"

static status drop_capabilities(err *e) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) != 0) {
        return err_set_errno(e, errno, "drop capabilities");
    }
    return STATUS_OK;
}

static status set_limit(__rlimit_resource_t resource, rlim_t value, err *e) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0) {
        return err_set_errno(e, errno, "getrlimit");
    }
    // Only ever downwards: raising needs rights that are being given up.
    limit.rlim_cur = limit.rlim_max < value ? limit.rlim_max : value;
    limit.rlim_max = limit.rlim_cur;
    if (setrlimit(resource, &limit) != 0) {
        return err_set_errno(e, errno, "setrlimit");
    }
    return STATUS_OK;
}

status sandbox_drop_privileges(uint32_t descriptors_max, err *e) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return err_set_errno(e, errno, "set no_new_privs");
    }
    TRY(drop_capabilities(e));
    TRY(set_limit(RLIMIT_CORE, 0, e));
    TRY(set_limit(RLIMIT_NOFILE, descriptors_max, e));
    // Not dumpable also means that processes of the same user cannot attach to us or read our memory.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return err_set_errno(e, errno, "clear the dumpable flag");
    }
    return STATUS_OK;
}

static void add_loss(sandbox_report *r, bool is_lost, const char *what) {
    if (is_lost) {
        size_t n = strlen(r->lost);
        (void)snprintf(r->lost + n, sizeof r->lost - n, "%s%s", n == 0 ? "" : "; ", what);
    }
}

void sandbox_probe(sandbox_report *ret) {
    int abi = sandbox_landlock_abi();
    *ret = (sandbox_report){.landlock_abi = abi, .has_seccomp = sandbox_has_seccomp()};
    add_loss(ret, !ret->has_seccomp, "no seccomp filters: every system call stays open to a worker");
    add_loss(ret, abi == 0,
             "no Landlock: files outside granted directories are kept away by seccomp and openat2 only");
    add_loss(ret, abi > 0 && abi < 2, "Landlock 1 forbids renames between directories");
    add_loss(ret, abi > 0 && abi < 3, "Landlock before 3 does not cover truncation");
    add_loss(ret, abi < 4, "no Landlock for TCP (seccomp still forbids it)");
    add_loss(ret, abi < 6, "no Landlock scopes for signals (seccomp still forbids them)");
}
