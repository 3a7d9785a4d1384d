// SPDX-License-Identifier: Apache-2.0
// The two formats differ, for what is used here, in the name that stands in the TYPE line of a counter and in
// the last line.
// Sources: "Exposition formats" of Prometheus (text format 0.0.4); OpenMetrics 1.0.0.
#include "api/metrics_text.h"

#include <string.h>

enum { LABEL_BYTES_MAX = 256 }; // of one value; longer ones are cut

void metrics_family(metrics_writer *w, const char *name, const char *type, const char *help) {
    bool is_suffixed = w->format == METRICS_PROMETHEUS && strcmp(type, "counter") == 0;
    const char *suffix = is_suffixed ? "_total" : "";
    METRICS_PUT(w, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, type);
}

// Names come from tokens and options: what could end the label or the line is escaped. A cut does not split
// a character.
void metrics_label(metrics_writer *w, const char *name, slice value, bool is_last) {
    size_t len = value.len < LABEL_BYTES_MAX ? value.len : LABEL_BYTES_MAX;
    while (len < value.len && len > 0 && (value.data[len] & 0xc0) == 0x80) {
        len--;
    }
    METRICS_PUT(w, "%s=\"", name);
    for (size_t i = 0; i < len; i++) {
        uint8_t c = value.data[i];
        if (c == '\n') {
            METRICS_PUT(w, "\\n");
        } else if (c == '\\' || c == '"') {
            METRICS_PUT(w, "\\%c", c);
        } else {
            METRICS_PUT(w, "%c", c < 0x20 || c == 0x7f ? '?' : c);
        }
    }
    METRICS_PUT(w, "\"%s", is_last ? "" : ",");
}

void metrics_gauge(metrics_writer *w, const char *name, const char *help, uint64_t value) {
    metrics_family(w, name, "gauge", help);
    METRICS_PUT(w, "%s %llu\n", name, (unsigned long long)value);
}

void metrics_counter(metrics_writer *w, const char *name, const char *help, uint64_t value) {
    metrics_family(w, name, "counter", help);
    METRICS_PUT(w, "%s_total %llu\n", name, (unsigned long long)value);
}

status metrics_end(metrics_writer *w) {
    if (w->format == METRICS_OPENMETRICS) {
        METRICS_PUT(w, "# EOF\n");
    }
    return w->has_failed ? STATUS_LIMIT : STATUS_OK;
}
