// SPDX-License-Identifier: Apache-2.0
// Direct wiring past indirection modules (see indirection.h).
//
// With C the module of trampolines and F the one that fills C's table: a module that imports a function of C
// gets what F puts into the table instead. That is the same, because nobody else sees the table, and before F
// has run nothing can call: no module from the importing one up to F has a start function. A function of a
// module that is instantiated after the importing one cannot be given to it, so it stays behind C. When
// nothing of C is used any more, C and F are not instantiated at all, and the initializer that F would have
// called is called in F's place.
#include "component/wire.h"

#include "component/indirection.h"

typedef struct wiring {
    plan *plan;
    plan_step *calls_step;
    plan_step *fill_step;
    indirection_calls calls;
    indirection_fill fill;
} wiring;

static slice module_of(const plan_step *s) { return s->core->module->bytes; }

static bool comes_before(const plan_step *a, const plan_step *b) {
    for (const plan_step *s = a->next; s != NULL; s = s->next) {
        if (s == b) {
            return true;
        }
    }
    return false;
}

// The step that imports C's table, if exactly one step does and nothing else uses the table.
static plan_step *only_user_of_table(plan *p, const plan_step *calls) {
    plan_step *user = NULL;
    for (plan_step *s = p->steps; s != NULL; s = s->next) {
        p->work += 1 + s->import_count;
        for (uint32_t i = 0; s->kind == PLAN_INSTANTIATE && i < s->import_count; i++) {
            const plan_core *import = &s->imports[i];
            if (import->instance == calls->core && import->kind != CORE_FUNC) {
                if (user != NULL) {
                    return NULL;
                }
                user = s;
            }
        }
    }
    return user;
}

static bool has_slots(const plan_step *s) { return s->exports != NULL; }

// What stands behind an export of C after F has run; NULL when F does not say.
static const plan_core *target_of(const wiring *w, const plan_core *import) {
    uint32_t func = indirection_export_func(module_of(w->calls_step), import->position);
    if (func >= w->calls.func_count) {
        return NULL;
    }
    uint32_t entry = w->calls.entries[func];
    if (entry < w->fill.first || entry - w->fill.first >= w->fill.count) {
        return NULL;
    }
    return &w->fill_step->imports[w->fill.funcs[entry - w->fill.first]];
}

// No guest code runs from here until F.
static bool is_quiet_until_fill(const wiring *w, const plan_step *from) {
    for (const plan_step *s = from; s != NULL && s != w->fill_step; s = s->next) {
        if (s->kind == PLAN_CALL || (s->kind == PLAN_INSTANTIATE && indirection_has_start(module_of(s)))) {
            return false;
        }
    }
    return true;
}

// Replaces the imports of one step; false when some of them stay behind C.
static bool wire_step(wiring *w, plan_step *s) {
    bool all = true;
    for (uint32_t i = 0; i < s->import_count; i++) {
        plan_core *import = &s->imports[i];
        if (import->instance != w->calls_step->core || s == w->fill_step) {
            continue;
        }
        w->plan->work += w->calls_step->core->module->type->export_count + w->plan->core_count;
        if (w->plan->work > PLAN_WORK_MAX) {
            return false;
        }
        const plan_core *target = import->kind == CORE_FUNC ? target_of(w, import) : NULL;
        bool possible = target != NULL && comes_before(s, w->fill_step) && is_quiet_until_fill(w, s) &&
                        (target->instance == NULL || comes_before(target->instance->step, s));
        if (possible) {
            *import = *target;
        }
        all = all && possible;
    }
    return all;
}

static bool is_initializer(const plan_core *start) {
    return start->instance != NULL && start->kind == CORE_FUNC;
}

static bool recognise(wiring *w) {
    if (!indirection_is_calls(module_of(w->calls_step), w->plan->arena, &w->calls)) {
        return false;
    }
    w->fill_step = only_user_of_table(w->plan, w->calls_step);
    return w->fill_step != NULL && comes_before(w->calls_step, w->fill_step) &&
           indirection_is_fill(module_of(w->fill_step), w->fill_step->core->module->type, w->plan->arena,
                               &w->fill) &&
           w->fill_step->imports[w->fill.table].instance == w->calls_step->core;
}

// The plan itself uses an export of C, such as a destructor that is defined before the module that implements
// it: then the target's export goes to the same slot.
static bool can_move_slots(const wiring *w) {
    for (const plan_export *x = w->calls_step->exports; x != NULL; x = x->next) {
        w->plan->work += w->calls_step->core->module->type->export_count + w->plan->core_count;
        if (w->plan->work > PLAN_WORK_MAX) {
            return false;
        }
        const plan_core import = {
            .kind = CORE_FUNC, .instance = w->calls_step->core, .position = x->position};
        const plan_core *target = target_of(w, &import);
        if (target == NULL || target->instance == NULL || target->kind != CORE_FUNC ||
            !comes_before(target->instance->step, w->fill_step) ||
            !is_quiet_until_fill(w, target->instance->step)) {
            return false;
        }
    }
    return true;
}

static void move_slots(wiring *w) {
    while (w->calls_step->exports != NULL) {
        plan_export *x = w->calls_step->exports;
        const plan_core import = {
            .kind = CORE_FUNC, .instance = w->calls_step->core, .position = x->position};
        const plan_core *target = target_of(w, &import);
        w->calls_step->exports = x->next;
        x->position = target->position;
        x->next = target->instance->step->exports;
        target->instance->step->exports = x;
    }
}

static void wire(wiring *w) {
    bool all = true;
    for (plan_step *s = w->plan->steps; s != NULL; s = s->next) {
        if (s->kind == PLAN_INSTANTIATE) {
            w->plan->work += s->import_count;
            all = wire_step(w, s) && all;
        }
    }
    const plan_core *start = w->fill.start == AST_NONE ? NULL : &w->fill_step->imports[w->fill.start];
    bool removable =
        all && can_move_slots(w) && !has_slots(w->fill_step) && (start == NULL || is_initializer(start));
    if (!removable) {
        return;
    }
    move_slots(w);
    w->calls_step->skipped = true;
    if (start == NULL) {
        w->fill_step->skipped = true;
        return;
    }
    uint32_t slot = plan_slot(w->plan, start);
    w->fill_step->kind = PLAN_CALL;
    w->fill_step->slot = slot;
}

void wire_directly(plan *p) {
    for (plan_step *s = p->steps; s != NULL && p->work <= PLAN_WORK_MAX; s = s->next) {
        wiring w = {.plan = p, .calls_step = s};
        if (s->kind == PLAN_INSTANTIATE && !s->skipped && s->import_count == 0 && recognise(&w)) {
            wire(&w);
        }
    }
}
