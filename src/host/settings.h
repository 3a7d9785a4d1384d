// SPDX-License-Identifier: Apache-2.0
// What the owner of this machine decided for every workload on it, whoever starts them:
//
//   # /etc/writ/host.conf
//   require_signatures = locked        # or yes
//   trust_store = /etc/writ/trust.json
//
// `yes` (the default) lets --unsigned make an exception for one run, `locked` never does, and nails down the
// trust store: neither --trust nor --config nor a variable of the environment can then name another. Without
// trust_store, locked means /etc/writ/trust.json when /etc/writ/host.conf says it, else the user's own store
// (and its place is the environment's to say).
//
// The file of --config is read after it and can only make things stricter. A file that is malformed, cannot
// be read, or could have been written by somebody else fails the start: what it says is not known, so nothing
// is allowed.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

#define HOST_SETTINGS_SYSTEM_PATH "/etc/writ/host.conf"
#define HOST_SETTINGS_SYSTEM_TRUST "/etc/writ/trust.json"

enum { HOST_SETTINGS_BYTES_MAX = 64 << 10, HOST_SETTINGS_PATH_BYTES_MAX = 4096 };

typedef struct host_settings {
    bool is_locked;    // require_signatures = locked
    char *trust_store; // absolute path, or NULL; owned
} host_settings;

void host_settings_done(host_settings *s); // accepts a zeroed one

// One file's text. STATUS_INVALID with "FILE:LINE: ..." for an unknown or repeated name, a value that is
// none, a line that is neither. Fills a zeroed structure.
status host_settings_parse(slice text, const char *file, host_settings *ret, err *e) WRIT_MUST_USE;

// The settings that hold on this machine: those of `system_path`, where it exists, made stricter by those of
// `extra_path` (--config; may be NULL, and must exist if not). STATUS_DENIED for a file that others may write
// and for a trust store that moves what is locked, STATUS_IO for anything else that is wrong with a file.
status host_settings_load(const char *system_path, const char *extra_path, host_settings *ret,
                          err *e) WRIT_MUST_USE;

// Which trust store holds: `named` is that of --trust (NULL: not given), `usual` the user's own. The result
// is one of the three texts. STATUS_DENIED when --trust names another than the locked one.
status host_settings_trust_store(const host_settings *s, const char *named, const char *usual,
                                 const char **ret, err *e) WRIT_MUST_USE;
