// SPDX-License-Identifier: Apache-2.0
// The same through a leaf node, with the buckets in the JetStream domain of another server.
#define NATS_DOMAIN "hub"
#include "unit/bus/test_bus_nats.c" // NOLINT
