// SPDX-License-Identifier: Apache-2.0
// Tasks: C functions on fibers of Wasmtime.
//
// A task is an asynchronous call of our host function "run", whose callback executes the task's body on the
// fiber that Wasmtime made for the call. Guest code is entered from there with plain nested calls. To
// suspend, the fiber calls our asynchronous host function "wait", whose continuation is not ready the first
// time it is asked: Wasmtime then switches away, with all C frames in place, and the poll of the outer future
// returns. The next poll asks again and comes back. When the future is deleted instead, Wasmtime makes "wait"
// fail, and every C frame returns with STATUS_CANCELLED.
//
// A start function runs on a second fiber (Wasmtime has no other way, see instance.c): its future is polled
// from the first fiber, which suspends as long as that one is not ready.
//
// The engine counts its allowance for guest code from the stack pointer at every entry, nested ones too. That
// a guest cannot run off the fiber's end by calling itself through the host is up to store_stack_has_room.
#include "base/check.h"
#include "engine/engine_internal.h"

#ifdef __SANITIZE_ADDRESS__
enum { STACK_RESERVE_BYTES = 384 * 1024 }; // frames are larger under AddressSanitizer
#else
enum { STACK_RESERVE_BYTES = 128 * 1024 };
#endif

static const char run_name[] = "run";
static const char wait_name[] = "wait";

typedef struct wait_state {
    bool has_switched;
} wait_state;

static bool wait_is_over(void *env) {
    wait_state *w = env;
    bool over = w->has_switched;
    w->has_switched = true;
    return over;
}

// The state lives in the frame of the suspension: argument 0 is its address.
static void wait_begin(void *env, wasmtime_caller_t *caller, const wasmtime_val_t *args, size_t arg_count,
                       wasmtime_val_t *results, size_t result_count, wasm_trap_t **ret_trap,
                       wasmtime_async_continuation_t *ret) {
    (void)env, (void)caller, (void)results, (void)result_count, (void)ret_trap;
    CHECK(arg_count == 1 && args[0].kind == WASMTIME_I64);
    ret->callback = wait_is_over;
    ret->env = (void *)(uintptr_t)args[0].of.i64;
    ret->finalizer = NULL;
}

static wasm_trap_t *run_body(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values, size_t count) {
    (void)env, (void)values, (void)count;
    engine_store *s = wasmtime_context_get_data(wasmtime_caller_context(caller));
    s->stack_top = (uintptr_t)__builtin_frame_address(0);
    s->task.body(&s->core, s->task.arg);
    s->stack_top = 0;
    thread_mark_end();
    return NULL;
}

status task_linker_new(wasm_engine_t *wasm, wasmtime_linker_t **ret, err *e) {
    wasmtime_linker_t *l = wasmtime_linker_new(wasm);
    wasm_functype_t *run_type = wasm_functype_new_0_0();
    wasm_functype_t *wait_type = wasm_functype_new_1_0(wasm_valtype_new_i64());
    wasmtime_error_t *failed = wasmtime_linker_define_func_unchecked(l, "", 0, run_name, sizeof run_name - 1,
                                                                     run_type, run_body, NULL, NULL);
    if (failed == NULL) {
        failed = wasmtime_linker_define_async_func(l, "", 0, wait_name, sizeof wait_name - 1, wait_type,
                                                   wait_begin, NULL, NULL);
    }
    wasm_functype_delete(run_type);
    wasm_functype_delete(wait_type);
    if (failed != NULL) {
        wasmtime_linker_delete(l);
        return error_consume(failed, STATUS_INTERNAL, "define the functions of tasks", e);
    }
    *ret = l;
    return STATUS_OK;
}

static wasmtime_func_t task_func_get(engine_store *s, const char *name, size_t len) {
    wasmtime_extern_t x;
    CHECK(wasmtime_linker_get(s->engine->task_linker, s->context, "", 0, name, len, &x));
    CHECK(x.kind == WASMTIME_EXTERN_FUNC);
    return x.of.func;
}

bool store_stack_has_room(const engine_store *s) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    const engine_options *o = &s->engine->options;
    return s->stack_top - here + o->wasm_stack_bytes + STACK_RESERVE_BYTES <= o->stack_bytes;
}

status store_suspend_nested(engine_store *s, err *e) {
    CHECK(s->stack_top != 0); // only on a task
    TRY(store_may_run(s, e));
    if (!s->has_suspend_func) {
        s->suspend_func = task_func_get(s, wait_name, sizeof wait_name - 1);
        s->has_suspend_func = true;
    }
    wait_state w = {false};
    wasmtime_val_raw_t value = {.i64 = (int64_t)(uintptr_t)&w};
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *failed = wasmtime_func_call_unchecked(s->context, &s->suspend_func, &value, 1, &trap);
    if (failed == NULL && trap == NULL) {
        wasmtime_context_set_epoch_deadline(s->context, 2);
        return store_check_limits(s, e);
    }
    CHECK(s->is_cancelled || s->stop != ENGINE_STOP_NONE); // the only way in which "wait" fails
    if (failed != NULL) {
        wasmtime_error_delete(failed);
    }
    if (trap != NULL) {
        wasm_trap_delete(trap);
    }
    return err_set(e, STATUS_CANCELLED, "the task was cancelled");
}

status store_suspend(core_store *core, err *e) {
    engine_store *s = store_of(core);
    s->is_runnable = false;
    return store_suspend_nested(s, e);
}

status task_new(core_store *core, core_task_body body, void *arg, core_task **ret, err *e) {
    engine_store *s = store_of(core);
    core_task *t = &s->task;
    CHECK(!t->is_taken);
    TRY(store_may_run(s, e));
    *t = (core_task){.body = body, .arg = arg, .is_taken = true};
    t->run = task_func_get(s, run_name, sizeof run_name - 1);
    t->future = wasmtime_func_call_async(s->context, &t->run, NULL, 0, NULL, 0, &t->trap, &t->error);
    wasmtime_context_set_epoch_deadline(s->context, 2);
    *ret = t;
    return STATUS_OK;
}

static engine_store *task_store(core_task *t) {
    return (engine_store *)(void *)((char *)t - offsetof(engine_store, task));
}

static bool task_poll(core_task *t) {
    CHECK(t->future != NULL);
    thread_mark_enter(&t->mark);
    bool finished = wasmtime_call_future_poll(t->future);
    thread_mark_leave(&t->mark);
    if (finished) {
        wasmtime_call_future_delete(t->future);
        t->future = NULL;
    }
    return finished;
}

bool task_resume(core_task *t) {
    engine_store *s = task_store(t);
    s->is_runnable = false;
    store_slice_begin(s);
    bool finished = task_poll(t);
    store_slice_end(s);
    return finished;
}

bool task_resume_within(core_store *caller, core_task *t) {
    engine_store *outer = store_of(caller);
    engine_store *s = task_store(t);
    CHECK(outer != s && outer->engine == s->engine); // whose ticker runs already
    s->is_runnable = false;
    store_slice_begin_within(s);
    bool finished = task_poll(t);
    store_slice_end_within(s, outer);
    return finished;
}

void task_free(core_task *t) {
    if (t == NULL) {
        return;
    }
    engine_store *s = task_store(t);
    if (t->future != NULL) {
        s->is_cancelled = true;
        if (s->stop == ENGINE_STOP_NONE) {
            s->stop = ENGINE_STOP_CANCELLED;
        }
        thread_mark_enter(&t->mark);
        wasmtime_call_future_delete(t->future);
        thread_mark_leave(&t->mark);
        t->future = NULL;
    }
    thread_mark_done(&t->mark);
    if (t->trap != NULL) {
        wasm_trap_delete(t->trap);
    }
    if (t->error != NULL) {
        wasmtime_error_delete(t->error);
    }
    *t = (core_task){0};
}
