// SPDX-License-Identifier: Apache-2.0
// The interface "host" that every script may import: functions and a resource of the host, to test calls out
// of components. What it offers is described by the table in host.c.
#pragma once

#include "component/host.h"

extern const host_interface wast_host_interface;
