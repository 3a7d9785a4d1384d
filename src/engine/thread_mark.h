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

typedef struct thread_mark {
    void *task;
    void *caller;
} thread_mark;

static inline void thread_mark_enter(thread_mark *m) {
    if (m->task == NULL) {
        m->task = __tsan_create_fiber(0);
    }
    m->caller = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(m->task, 0);
}
static inline void thread_mark_leave(thread_mark *m) { __tsan_switch_to_fiber(m->caller, 0); }
static inline void thread_mark_done(thread_mark *m) {
    if (m->task != NULL) {
        __tsan_destroy_fiber(m->task);
        m->task = (void *)0;
    }
}
#else
typedef struct thread_mark {
    char unused;
} thread_mark;

static inline void thread_mark_enter(thread_mark *m) { (void)m; }
static inline void thread_mark_leave(thread_mark *m) { (void)m; }
static inline void thread_mark_done(thread_mark *m) { (void)m; }
#endif
