// SPDX-License-Identifier: Apache-2.0
// The main function of a program that serves drivers in a process of its own: all options of `writ provider`,
// with other drivers. What a driver of somebody else calls (docs/drivers.md):
//
//   int main(int argc, char **argv) { return cli_provider_main(argc, argv, drivers); }
#pragma once

#include "driver/driver.h"

// `drivers` has NULL at the end. Returns the exit status.
int cli_provider_main(int argc, char **argv, const driver *const *drivers);
