// SPDX-License-Identifier: Apache-2.0
#include "driver/tls_settings.h"

status driver_tls_make(const driver_environment *env, const driver_link_options *options, tls_context **ret,
                       err *e) {
    tls_options t = {.roots = env->roots};
    (void)!driver_values_text(&options->settings, "ca", &t.ca);
    (void)!driver_values_text(&options->settings, "tls-certificate", &t.certificate);
    (void)!driver_values_text(&options->credentials, "tls-key", &t.key);
    return tls_context_new(&t, ret, e);
}
