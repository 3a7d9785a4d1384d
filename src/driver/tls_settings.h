// SPDX-License-Identifier: Apache-2.0
// TLS as settings and credentials of a link have it.
#pragma once

#include "crypto/tls.h"
#include "driver/driver.h"

#define DRIVER_TLS_SETTINGS                                                                              \
    {"ca", "certificate authorities (PEM text) to trust in place of the host's", false, false},          \
        {"tls-certificate", "what the client proves itself with: a certificate chain (PEM text)", false, \
         false},                                                                                         \
    {                                                                                                    \
        "tls-key", "the key of tls-certificate (PEM text)", true, false                                  \
    }

// For a link whose connections are under TLS when `is_on`. Goes to `tls_context_free`. Otherwise `*ret` is
// NULL, and settings that say how TLS is to be are STATUS_INVALID: whoever wrote them believes in it.
status driver_tls_make(const driver_environment *env, const driver_link_options *options, bool is_on,
                       tls_context **ret, err *e) WRIT_MUST_USE;
