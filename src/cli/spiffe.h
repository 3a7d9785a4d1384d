// SPDX-License-Identifier: Apache-2.0
// What writ spiffe and writ run --spiffe share.
#pragma once

#include "host/host_identity.h"

// "auto" becomes what $SPIFFE_ENDPOINT_SOCKET says; NULL with an error when it says nothing.
const char *cli_spiffe_endpoint(const char *named, err *e);
