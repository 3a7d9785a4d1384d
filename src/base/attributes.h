// SPDX-License-Identifier: Apache-2.0
// Compiler attributes under the names that the code uses.
#pragma once

#define WRIT_MUST_USE __attribute__((warn_unused_result))
#define WRIT_FORMAT(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define WRIT_CLEANUP(fn) __attribute__((cleanup(fn)))
#define WRIT_UNUSED __attribute__((unused))
// For a large local on a hot path that is filled field by field: not zeroed by -ftrivial-auto-var-init.
#define WRIT_UNINITIALIZED __attribute__((uninitialized))
#define WRIT_LIKELY(x) __builtin_expect(!!(x), 1)
#define WRIT_UNLIKELY(x) __builtin_expect(!!(x), 0)

// Returns early with the status of a failed call. The only control-flow macro of the project.
#define TRY(call)                                      \
    do {                                               \
        status try_status_ = (call);                   \
        if (WRIT_UNLIKELY(try_status_ != STATUS_OK)) { \
            return try_status_;                        \
        }                                              \
    } while (0)
