// SPDX-License-Identifier: Apache-2.0
// What a generation of a host was started with, as digests, and what the next one has changed of it: for the
// audit log. A host without one before it tells what holds from now on.
#pragma once

#include "audit/audit.h"
#include "base/buf.h"
#include "host/host.h"

enum { AUDIT_MEMO_BYTES_MAX = 8 << 20 };

// Lines of text, without settings or their values. `trust_path` is the trust store that counts, or NULL.
status audit_memo_write(const host_config *c, const char *trust_path, buf *ret, err *e) WRIT_MUST_USE;
// Tells the log what of `now` is not in `before` (empty: there is none): rules, trust, settings, links.
status audit_memo_tell(audit *log, const host_config *c, slice before, slice now, err *e) WRIT_MUST_USE;
