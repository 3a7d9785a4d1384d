// SPDX-License-Identifier: Apache-2.0
// The same against the newest server.
#define NATS_PROGRAM WRIT_DEPS_DIR "/tools/bin/nats-server"
#include "unit/bus/test_nats_server.c" // NOLINT
