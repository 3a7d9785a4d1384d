// SPDX-License-Identifier: Apache-2.0
// Result codes. Every fallible function returns one; 0 is success and nothing else is.
#pragma once

typedef enum status {
    STATUS_OK = 0,
    STATUS_INVALID,     // outside input breaks a rule of its format
    STATUS_UNSUPPORTED, // well-formed, but asks for something this version does not do
    STATUS_DENIED,      // policy says no
    STATUS_NOT_FOUND,
    STATUS_EXISTS,
    STATUS_LIMIT,     // a bound on size, count, depth or rate was reached
    STATUS_TIMEOUT,   // a deadline passed
    STATUS_CANCELLED, // the unit of work was given up; unwind without side effects
    STATUS_CLOSED,    // the peer or the resource is gone
    STATUS_IO,        // the operating system or a peer reported a failure
    STATUS_TRAP,      // the guest is at fault; its instance must not run again
    STATUS_INTERNAL,  // a dependency broke its contract
} status;

// The lower-case name used in messages and in JSON output, such as "denied".
const char *status_name(status code);
