// SPDX-License-Identifier: Apache-2.0
// Shared by allowance.c and allowance_match.c only.
#pragma once

#include "identity/allowance.h"

bool allowance_subject_valid(slice name); // tokens and wildcards stand where they may
// What a host rule without a port means in an entry of the interface.
network_default_port allowance_default_port(slice interface);
