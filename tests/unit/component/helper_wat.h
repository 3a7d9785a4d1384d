// SPDX-License-Identifier: Apache-2.0
// Components from their text, for tests. Uses the pinned `wasm-tools parse`, which checks syntax only, so
// that invalid components can be written down too.
#pragma once

#include "base/buf.h"
#include "component/component.h"

enum { WAT_BYTES_MAX = 1 << 20 };

// The binary of `text`. Ends the test program when the text cannot be parsed.
void wat_parse(const char *text, buf *ret);

// Decodes `text` with the default limits. `ret` keeps pointing into `binary`.
status wat_decode(const char *text, buf *binary, component **ret, err *e);
