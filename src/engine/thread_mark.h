// SPDX-License-Identifier: Apache-2.0
// Tells ThreadSanitizer that the code of a task runs on a stack of its own, so that its view of who called
// whom stays right. Nothing in other builds.
#pragma once

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ENGINE_HAS_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define ENGINE_HAS_TSAN 1
#endif

#ifdef ENGINE_HAS_TSAN
#include <sanitizer/tsan_interface.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct thread_mark {
    void *task;
    void *caller;
} thread_mark;

// A stack that one thread has given back may be the next one's: what Wasmtime does for that to be in order is
// not visible, so every task begins after all that have ended, whose last act on their stack is
// thread_mark_end.
static const char thread_mark_stacks;

static inline void thread_mark_end(void) { __tsan_release((void *)(uintptr_t)&thread_mark_stacks); }

static inline void thread_mark_enter(thread_mark *m) {
    bool is_new = m->task == NULL;
    if (is_new) {
        m->task = __tsan_create_fiber(0);
    }
    m->caller = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(m->task, 0);
    if (is_new) {
        __tsan_acquire((void *)(uintptr_t)&thread_mark_stacks);
    }
}
static inline void thread_mark_leave(thread_mark *m) { __tsan_switch_to_fiber(m->caller, 0); }
static inline void thread_mark_done(thread_mark *m) {
    if (m->task != NULL) {
        __tsan_destroy_fiber(m->task);
        m->task = NULL;
    }
}
#else
typedef struct thread_mark {
    char unused;
} thread_mark;

static inline void thread_mark_enter(thread_mark *m) { (void)m; }
static inline void thread_mark_leave(thread_mark *m) { (void)m; }
static inline void thread_mark_done(thread_mark *m) { (void)m; }
static inline void thread_mark_end(void) {}
#endif
