// SPDX-License-Identifier: Apache-2.0
// Drivers for the tests of driver/ behind which is a provider of ours, through the lattice: calls become
// invocations of "app", what the provider calls comes to the workload of the link. The provider's drivers are
// in a process of their own, which is this program again.
#pragma once

#include "driver/driver.h"

extern const driver lattice_keyvalue;
extern const driver lattice_messaging;
extern const driver lattice_blobstore; // as wrpc:blobstore, whatever that cannot say
extern const driver lattice_sql;

// The image of the provider that the next links are opened to: "writ:sqlite".
void lattice_driver_use(const char *image);
