// SPDX-License-Identifier: Apache-2.0
// Which calls a rule is about, as people write it:
//
//   wasi:keyvalue/store.set    one function
//   wasi:keyvalue/store        all of an interface; the same as wasi:keyvalue/store.*
//   wasi:keyvalue/*            all of a package
//   *.set                      a function of any interface
//   *                          everything
//
// An interface has no version here, and '*' stands for any characters.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

typedef struct call_pattern { // for policy/gate.h; borrowed from the text
    slice interface;
    slice function; // empty: any
} call_pattern;

// STATUS_INVALID with what to write instead.
status call_pattern_parse(slice text, call_pattern *ret, err *e) WRIT_MUST_USE;
