// SPDX-License-Identifier: Apache-2.0
// What is wrong with a text that people write, all of it in one pass: each finding with its line and column.
// Bounded: past its maximum only the count goes on.
#pragma once

#include <stdarg.h>

#include "base/arena.h"
#include "base/err.h"

typedef struct text_place {
    uint32_t line;   // from 1; 0 = the text as a whole
    uint32_t column; // from 1, in characters
} text_place;

typedef struct problem {
    bool is_warning;
    text_place at;
    const char *rule;    // one stable word for programs, such as "duplicate-key"
    const char *message; // what is wrong
    const char *advice;  // what to write instead, or ""
    struct problem *next;
} problem;

typedef struct problems {
    arena *memory;
    problem *first;
    problem *last;
    size_t kept;
    size_t max; // that are kept
    size_t error_count;
    size_t warning_count;
} problems;

enum { PROBLEMS_DEFAULT_MAX = 200, PROBLEM_TEXT_BYTES_MAX = 4096 };

void problems_init(problems *p, arena *memory, size_t max);

// Adds an error; `advice` may be NULL. The message is cut at PROBLEM_TEXT_BYTES_MAX.
void problems_add(problems *p, text_place at, const char *rule, const char *advice, const char *format, ...)
    WRIT_FORMAT(5, 6);
void problems_warn(problems *p, text_place at, const char *rule, const char *advice, const char *format, ...)
    WRIT_FORMAT(5, 6);
// Text in the memory of the findings, for advice that has to be put together. "" when memory is out.
const char *problems_text(problems *p, const char *format, ...) WRIT_FORMAT(2, 3);
const char *problems_text_list(problems *p, const char *format, va_list arguments) WRIT_FORMAT(2, 0);

// Moves all of `from` behind those of `p`; both have the same memory.
void problems_take(problems *p, problems *from);
// By line and column; what was added first stays first.
void problems_sort(problems *p);
