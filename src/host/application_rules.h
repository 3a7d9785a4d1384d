// SPDX-License-Identifier: Apache-2.0
// The rules of calls of a manifest (policies of type calls.writ/v1) as rules of a host: names of components
// become names of workloads and of targets of links.
//
// What `deny` names is denied, whatever else is written. A caller that `only` names may make the calls that
// its lines of `only` name, and no other. All other calls that links make possible are allowed.
#pragma once

#include "deploy/manifest.h"
#include "host/config.h"

// Adds to m->found what the host has no room for.
void application_add_rules(manifest *m, host_config *config);
