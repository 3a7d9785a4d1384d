// SPDX-License-Identifier: Apache-2.0
// What is wrong with a manifest, as people and programs read it.
#pragma once

#include <stdio.h>

#include "cli/cli.h"
#include "codec/problems.h"

// FILE:LINE:COLUMN: error: what is wrong; what to write
void findings_print(FILE *out, const char *file, const problems *found);
json_value *findings_json(const problems *found);
