// SPDX-License-Identifier: Apache-2.0
// Where hosts that can be asked have their sockets: $XDG_RUNTIME_DIR/writ/hosts/NAME, else
// $XDG_DATA_HOME/writ/hosts/NAME or $HOME/.local/share/writ/hosts/NAME. Directories of this user alone.
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/err.h"

#define CONTROL_SOCKET "control"
#define CONTROL_HOST_DEFAULT "default"
enum { CONTROL_NAME_BYTES_MAX = 64 };

// Letters, digits, '-', '_' and '.', not at the beginning. STATUS_INVALID.
status control_check_name(const char *host, err *e) WRIT_MUST_USE;

// The directory of a host that is about to run, which nobody else has, and the lock that says so; both for as
// long as it runs. STATUS_EXISTS when one of that name runs.
status control_place_take(const char *host, int *ret_dir, int *ret_lock, err *e) WRIT_MUST_USE;
// The directory of one that runs, of this user. STATUS_NOT_FOUND with what to do when there is none.
status control_place_open(const char *host, int *ret_dir, err *e) WRIT_MUST_USE;
// Connected to one of its sockets, by its name there. STATUS_NOT_FOUND likewise.
status control_place_connect(const char *host, const char *socket, int *ret_fd, err *e) WRIT_MUST_USE;
// Until the host of that name has ended. STATUS_TIMEOUT.
status control_place_wait(const char *host, uint32_t wait_ms, err *e) WRIT_MUST_USE;
