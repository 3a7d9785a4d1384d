// SPDX-License-Identifier: Apache-2.0
// Drivers that live in a process of their own, a *provider* (`writ provider`): whatever interface a driver
// there has. This driver is the host's end of a link to one: it connects, greets
// (driver/provider/greeting.h), says which link it wants (driver/provider/messages.h) and passes calls on, in
// both directions. The other end is driver/provider/serve.h.
//
// The bytes are not encrypted, so the provider is on this machine: a loopback address and nothing else.
#pragma once

#include "driver/driver.h"

extern const driver provider_remote;
