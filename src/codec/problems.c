// SPDX-License-Identifier: Apache-2.0
#include "codec/problems.h"

#include <stdio.h>
#include <stdlib.h>

void problems_init(problems *p, arena *memory, size_t max) { *p = (problems){.memory = memory, .max = max}; }

const char *problems_text_list(problems *p, const char *format, va_list arguments) {
    char text[PROBLEM_TEXT_BYTES_MAX];
    int length = vsnprintf(text, sizeof text, format, arguments);
    if (length < 0) {
        return "";
    }
    const char *kept = arena_text(p->memory, slice_from_text(text));
    return kept == NULL ? "" : kept;
}

const char *problems_text(problems *p, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = problems_text_list(p, format, arguments);
    va_end(arguments);
    return text;
}

static void append(problems *p, problem *one) {
    one->next = NULL;
    *(p->last == NULL ? &p->first : &p->last->next) = one;
    p->last = one;
    p->kept++;
}

static void add(problems *p, problem one, const char *format, va_list arguments) {
    *(one.is_warning ? &p->warning_count : &p->error_count) += 1;
    // Warnings leave half of the places to errors.
    if (p->kept >= (one.is_warning ? p->max / 2 : p->max)) {
        return;
    }
    problem *kept = ARENA_NEW(p->memory, problem);
    if (kept != NULL) {
        one.message = problems_text_list(p, format, arguments);
        *kept = one;
        append(p, kept);
    }
}

void problems_add(problems *p, text_place at, const char *rule, const char *advice, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add(p, (problem){.at = at, .rule = rule, .advice = advice == NULL ? "" : advice}, format, arguments);
    va_end(arguments);
}

void problems_warn(problems *p, text_place at, const char *rule, const char *advice, const char *format,
                   ...) {
    va_list arguments;
    va_start(arguments, format);
    add(p, (problem){.is_warning = true, .at = at, .rule = rule, .advice = advice == NULL ? "" : advice},
        format, arguments);
    va_end(arguments);
}

void problems_take(problems *p, problems *from) {
    for (problem *one = from->first, *next; one != NULL; one = next) {
        next = one->next;
        if (p->kept < p->max) {
            append(p, one);
        }
    }
    p->error_count += from->error_count;
    p->warning_count += from->warning_count;
    *from = (problems){.memory = from->memory, .max = from->max};
}

typedef struct ranked {
    problem *one;
    size_t rank;
} ranked;

static int compare(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->one->at.line != y->one->at.line) {
        return x->one->at.line < y->one->at.line ? -1 : 1;
    }
    if (x->one->at.column != y->one->at.column) {
        return x->one->at.column < y->one->at.column ? -1 : 1;
    }
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

void problems_sort(problems *p) {
    size_t count = 0;
    ranked *list = ARENA_ARRAY(p->memory, ranked, p->kept);
    if (p->kept == 0 || list == NULL) {
        return;
    }
    for (problem *one = p->first; one != NULL; one = one->next, count++) {
        list[count] = (ranked){one, count};
    }
    qsort(list, count, sizeof *list, compare);
    problems sorted = *p;
    sorted.first = sorted.last = NULL;
    sorted.kept = 0;
    for (size_t i = 0; i < count; i++) {
        append(&sorted, list[i].one);
    }
    *p = sorted;
}
