// SPDX-License-Identifier: Apache-2.0
#include "driver/tls_settings.h"

status driver_tls_make(const driver_environment *env, const driver_link_options *options, bool is_on,
                       tls_context **ret, err *e) {
    tls_options t = {.roots = env->roots};
    (void)!driver_values_text(&options->settings, "ca", &t.ca);
    (void)!driver_values_text(&options->settings, "tls-certificate", &t.certificate);
    (void)!driver_values_text(&options->credentials, "tls-key", &t.key);
    if (is_on) {
        return tls_context_new(&t, ret, e);
    }
    *ret = NULL;
    return t.ca.len == 0 && t.certificate.len == 0 && t.key.len == 0
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "ca, tls-certificate and tls-key are for TLS, which is off: set tls=true");
}
