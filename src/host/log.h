// SPDX-License-Identifier: Apache-2.0
// The log: one line per event on standard error, as text for people or as JSON.
//
// Only the supervisor (or the single process of --workers 0) writes lines. A worker hands its events to a
// sink, which sends them to the supervisor as data; there they are escaped, stamped and marked with the
// worker that sent them, so that a worker can neither forge another's line nor be blocked by a slow reader.
// Lines that the reader of standard error cannot take are dropped and counted; the count is logged when there
// is room again.
// Not thread-safe.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/list.h"

typedef enum log_level {
    LOG_VERBOSE, // only with --verbose
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
} log_level;

enum {
    LOG_FIELDS_MAX = 12,
    LOG_EVENT_BYTES_MAX = 40,
    LOG_NAME_BYTES_MAX = 40,
    LOG_TEXT_BYTES_MAX = 2048, // of the message, and of each field; longer ones are cut
};

// A fact of an event, for machines: shown in JSON only, since the message says it to people.
typedef struct log_field {
    const char *name;
    bool is_number;
    int64_t number;
    slice text;
} log_field;

#define LOG_NUMBER(name_, value) ((log_field){.name = (name_), .is_number = true, .number = (int64_t)(value)})
#define LOG_TEXT(name_, value) ((log_field){.name = (name_), .text = (value)})
#define LOG_FIELDS(...) \
    (const log_field[]){__VA_ARGS__}, sizeof((const log_field[]){__VA_ARGS__}) / sizeof(log_field)

typedef struct log_record {
    log_level level;
    slice event; // what happened, for machines: "worker-replaced"
    slice message;
    const log_field *fields;
    size_t field_count;
} log_record;

// Somebody else who gets every record that is written, whatever becomes of its line. Must not log, and copies
// what it keeps.
typedef struct log_tap {
    void (*record)(void *context, slice workload, const log_record *record);
    void *context;
    list_node node;
} log_tap;

// Those of several loggers; list_init(&taps.list).
typedef struct log_taps {
    list_node list;
} log_taps;

static inline void log_taps_add(log_taps *t, log_tap *added) { list_push_back(&t->list, &added->node); }
static inline void log_taps_remove(log_tap *t) { list_remove(&t->node); }

typedef struct logger logger;

typedef struct logger_options {
    slice workload; // name; borrowed
    bool is_json;
    bool is_verbose;
    int fd; // where lines go; -1 = to the sink
    void (*sink)(void *context, const log_record *record);
    void *context;
    const log_taps *taps; // borrowed; or NULL
    uint64_t
        bytes_per_second_max; // of guest-caused events (logger_guest_event); a burst of one second is free
} logger_options;

status logger_new(const logger_options *options, logger **ret, err *e) WRIT_MUST_USE;
void logger_free(logger *l); // accepts NULL

bool logger_is_verbose(const logger *l);

// An event of the host's own doing.
void logger_event(logger *l, log_level level, const char *event, const log_field *fields, size_t field_count,
                  const char *format, ...) WRIT_FORMAT(6, 7);
// An event that a guest or a client can cause as often as it likes: bounded by bytes_per_second_max, what is
// over is dropped, counted and mentioned later.
void logger_guest_event(logger *l, log_level level, const char *event, const log_field *fields,
                        size_t field_count, const char *format, ...) WRIT_FORMAT(6, 7);
// An event as it came from a worker.
void logger_record(logger *l, const log_record *record);

typedef struct log_format {
    const char *stamp; // "2026-01-31T12:00:00.123Z"
    slice workload;
    size_t text_bytes_max; // longer texts are cut
} log_format;

// The line that an event becomes, without newline.
status log_format_text(const log_record *record, const log_format *f, buf *ret) WRIT_MUST_USE;
status log_format_json(const log_record *record, const log_format *f, buf *ret) WRIT_MUST_USE;
