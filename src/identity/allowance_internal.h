// SPDX-License-Identifier: Apache-2.0
// Shared by allowance.c and allowance_match.c only.
#pragma once

#include "identity/allowance.h"

// What a host rule without a port means in an entry of the interface.
network_default_port allowance_default_port(slice interface);
