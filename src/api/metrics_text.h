// SPDX-License-Identifier: Apache-2.0
// Writing metrics in the text format of Prometheus, or of OpenMetrics 1.0: what all that serve metrics share.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/buf.h"
#include "base/slice.h"

typedef enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS } metrics_format;

typedef struct metrics_writer {
    buf *out; // borrowed
    metrics_format format;
    bool has_failed; // it was longer than `out` may be
} metrics_writer;

#define METRICS_PUT(w, ...) \
    ((w)->has_failed = (w)->has_failed || buf_append_format((w)->out, __VA_ARGS__) != STATUS_OK)

// What stands before the samples of a metric; the name is that without "_total".
void metrics_family(metrics_writer *w, const char *name, const char *type, const char *help);
// NAME="VALUE", and a comma unless it is the last one. What could end the label or the line is escaped, what
// is too long is cut.
void metrics_label(metrics_writer *w, const char *name, slice value, bool is_last);
// A metric with one sample that has no labels.
void metrics_gauge(metrics_writer *w, const char *name, const char *help, uint64_t value);
void metrics_counter(metrics_writer *w, const char *name, const char *help, uint64_t value);
// The last of a text.
status metrics_end(metrics_writer *w) WRIT_MUST_USE;
