// SPDX-License-Identifier: Apache-2.0
// What the two ends of a link to a provider tell each other besides its calls: calls of the interface
// "writ:provider", in the value encoding (codec/values.h). A connection is one link.
//
//   from the host       open          driver, workload, interfaces, settings, credentials -> health
//                       credentials   new ones -> nothing
//   from the provider   health        state, reason -> nothing
//                       lost          why, what -> nothing
//
// Every other call of the host is one of the driver, and every other call of the provider is one of the
// workload at the other end of the link, both as driver/driver.h has them.
//
// Reading is for hostile bytes; what it returns borrows from them. Fuzzed by fuzz/fuzz_provider.c.
#pragma once

#include "base/buf.h"
#include "driver/driver.h"

#define PROVIDER_INTERFACE "writ:provider"
#define PROVIDER_OPEN "open"
#define PROVIDER_CREDENTIALS "credentials"
#define PROVIDER_HEALTH "health"
#define PROVIDER_LOST "lost"

enum {
    PROVIDER_INTERFACES_MAX = 32,
    PROVIDER_SETTINGS_MAX = 256, // and as many credentials
    PROVIDER_NAME_BYTES_MAX = 1024,
    PROVIDER_MESSAGE_BYTES_MAX = 1 << 20,
    PROVIDER_TEXT_BYTES_MAX = 512, // of what was lost
};

typedef struct provider_open {
    slice driver; // empty: the first that has the interfaces
    slice workload;
    slice interfaces[PROVIDER_INTERFACES_MAX];
    size_t interface_count; // 0: all of the driver's
    driver_value settings[PROVIDER_SETTINGS_MAX];
    size_t setting_count;
    driver_value credentials[PROVIDER_SETTINGS_MAX];
    size_t credential_count;
} provider_open;

// Into an empty buffer with that maximum. STATUS_LIMIT.
status provider_write_open(const provider_open *o, buf *out, err *e) WRIT_MUST_USE;
status provider_read_open(slice bytes, provider_open *ret, err *e) WRIT_MUST_USE;

status provider_write_values(const driver_value *values, size_t count, buf *out, err *e) WRIT_MUST_USE;
status provider_read_values(slice bytes, driver_value ret[PROVIDER_SETTINGS_MAX], size_t *ret_count,
                            err *e) WRIT_MUST_USE;

// The times are not told.
status provider_write_health(const driver_health *h, buf *out, err *e) WRIT_MUST_USE;
status provider_read_health(slice bytes, driver_health *ret, err *e) WRIT_MUST_USE;

status provider_write_lost(status why, const char *what, buf *out, err *e) WRIT_MUST_USE;
status provider_read_lost(slice bytes, status *ret_why, slice *ret_what, err *e) WRIT_MUST_USE;

// What may come out of a call as driver.h has it: anything else is STATUS_IO.
status provider_check_code(status code);
