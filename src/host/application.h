// SPDX-License-Identifier: Apache-2.0
// From manifests to a configuration: each component that has instances becomes a workload, a link to a
// built-in driver a link of that workload, a link from an HTTP server a route and the address of the
// listener. What this host cannot do is found here and told like everything else that is wrong with a
// manifest: in `m->found`, with its place.
//
//   application_target t = {.config = &config};
//   manifest_read(text, "app.yaml", &m); manifest_check_local(m);
//   application_add(m, &t);                 // also with errors, so that all are found in one pass
//   m->found                                // ask it before anything runs
//
// Pure but for one thing: whether the file of an image is there.
#pragma once

#include "deploy/manifest.h"
#include "host/config.h"

typedef struct application_target {
    host_config *config;      // gets the workloads; borrowed
    bool is_listener_fixed;   // somebody said where to listen: addresses in manifests do not count
    const char *address_file; // of the link that named the listener's address, NULL = none yet; borrowed
    text_place address_at;
} application_target;

// After manifest_check_local. A workload is called APPLICATION-COMPONENT (or by the explicit id); relative
// paths start at the folder of m->file. STATUS_INVALID when the manifest has any error; the configuration is
// of no use then.
status application_add(manifest *m, application_target *t) WRIT_MUST_USE;
