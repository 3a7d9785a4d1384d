// SPDX-License-Identifier: Apache-2.0
// Secrets of a manifest as those of a configuration. Inside the folder only: host/application.h.
#pragma once

#include "deploy/manifest.h"
#include "host/config.h"

// Where it is kept becomes a backend of the configuration. False when something is wrong with it, which is
// among m->found then. `ret` is for host_secret_done in any case.
bool application_secret(manifest *m, const manifest_secret *one, host_config *config, host_secret *ret);
// Those that nobody takes.
void application_refuse_secrets(manifest *m, const manifest_settings *s, const char *advice);
