// SPDX-License-Identifier: Apache-2.0
// What compiled code depends on besides the module: the engine's version, how it is configured, and the
// processor.
#pragma once

#include "engine/engine.h"

enum { ENGINE_FINGERPRINT_BYTES = 256 };

// One line of text. Artifacts of one engine load in another exactly when their fingerprints are equal.
// `options->level` must not be ENGINE_AUTO.
void engine_fingerprint(const engine_options *options, char text[ENGINE_FINGERPRINT_BYTES]);
