// SPDX-License-Identifier: Apache-2.0
// Core modules: WebAssembly to artifact (native code that Wasmtime can map), artifact to module.
// An artifact is native code and therefore trusted input: load only what engine/cache.h has verified or what
// the compiler of this host has just made.
#pragma once

#include "base/buf.h"
#include "engine/engine.h"

// Validates and compiles. STATUS_INVALID with the engine's message when the module is not valid WebAssembly,
// STATUS_UNSUPPORTED when the engine was not made to compile.
status engine_compile(engine *g, slice wasm, buf *ret_artifact, err *e) WRIT_MUST_USE;

// Copies the artifact into memory of this process.
status engine_module_load(engine *g, slice artifact, core_module **ret, err *e) WRIT_MUST_USE;
// Maps the file behind `fd`, so that processes share its pages. `fd` may be closed afterwards. The file must
// not change as long as the module lives. Opens /proc/self/fd: not for a process that may open no files any
// more (except for memory files).
status engine_module_load_fd(engine *g, int fd, core_module **ret, err *e) WRIT_MUST_USE;
// The ones above are released with core_ops.module_free.
