// SPDX-License-Identifier: Apache-2.0
// How secrets are named on a command line: KEY[:FIELD][@VERSION], as the store calls them. What is not a name
// may be a value that was written in its place, so no message repeats it.
//
//   --secret api-key                 granted under the name that it is stored as
//   --secret password=db:password    under another one; a field
//   --secret old=api-key@7           a version, for the time of a rotation
#pragma once

#include "host/config.h"

// Takes `stored` apart; for host_secret_done.
status secret_option_place(slice name, slice stored, host_secret *ret, err *e) WRIT_MUST_USE;
// --secret NAME[=STORED]
status secret_option_add(workload_config *c, slice text, err *e) WRIT_MUST_USE;
