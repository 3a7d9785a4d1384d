// SPDX-License-Identifier: Apache-2.0
// The settings that all drivers of the contract have.
#include "driver/messaging/messaging.h"

enum { MEMORY_BYTES_MAX = 1 << 20 };

// The next entry of a list, without blanks around it; false at the end.
static bool next_entry(slice list, size_t *at, slice *ret) {
    if (*at > list.len || list.len == 0) {
        return false;
    }
    size_t end = *at;
    while (end < list.len && list.data[end] != ',' && list.data[end] != ';') {
        end++;
    }
    *ret = slice_trimmed(slice_sub(list, *at, end));
    *at = end + 1;
    return true;
}

static status wrong(const char *setting, slice entry, err *e) {
    return err_set(e, STATUS_INVALID,
                   "the setting %s: \"%.*s\" is not a subject, such as orders.new, orders.* or orders.>",
                   setting, SLICE_ARG(slice_sub(entry, 0, 80)));
}

static status add_subscription(messaging_settings *s, slice entry, err *e) {
    size_t bar = slice_find(entry, 0, '|');
    messaging_subscription x = {slice_sub(entry, 0, bar), slice_empty()};
    if (bar != SIZE_MAX) {
        x.queue = slice_sub(entry, bar + 1, entry.len);
    }
    if (!subject_is_pattern(x.pattern) || (bar != SIZE_MAX && !subject_is_plain(x.queue))) {
        return wrong("subscriptions", entry, e);
    }
    if (s->subscription_count == MESSAGING_SUBSCRIPTIONS_MAX) {
        return err_set(e, STATUS_LIMIT, "a link has at most %d subscriptions", MESSAGING_SUBSCRIPTIONS_MAX);
    }
    x.pattern = arena_copy(&s->memory, x.pattern);
    x.queue = arena_copy(&s->memory, x.queue);
    s->subscriptions[s->subscription_count++] = x;
    return STATUS_OK;
}

static status add_subject(messaging_settings *s, slice entry, err *e) {
    if (!subject_is_pattern(entry)) {
        return wrong("subjects", entry, e);
    }
    if (s->subject_count == MESSAGING_SUBJECTS_MAX) {
        return err_set(e, STATUS_LIMIT, "a link has at most %d subjects", MESSAGING_SUBJECTS_MAX);
    }
    s->subjects[s->subject_count++] = arena_copy(&s->memory, entry);
    return STATUS_OK;
}

static status read_list(const driver_values *v, const char *name, messaging_settings *s,
                        status (*add)(messaging_settings *s, slice entry, err *e), err *e) {
    slice list, entry;
    size_t at = 0;
    if (driver_values_text(v, name, &list) != STATUS_OK) {
        return STATUS_OK;
    }
    while (next_entry(list, &at, &entry)) {
        TRY(add(s, entry, e));
    }
    return STATUS_OK;
}

static status read_all(const driver_values *v, messaging_settings *s, err *e) {
    TRY(driver_values_number(v, "body-bytes-max", 1, MESSAGING_BODY_BYTES_MAX, &s->body_bytes_max, e));
    TRY(driver_values_number(v, "queue-max", 1, 65536, &s->queue_max, e));
    TRY(driver_values_number(v, "queue-bytes-max", 1, 1ull << 30, &s->queue_bytes_max, e));
    TRY(driver_values_number(v, "concurrency", 1, 512, &s->concurrency, e));
    TRY(driver_values_number(v, "redeliver", 0, 100, &s->redeliver, e));
    TRY(read_list(v, "subscriptions", s, add_subscription, e));
    return read_list(v, "subjects", s, add_subject, e);
}

status messaging_settings_read(const driver_values *settings, messaging_settings *ret, err *e) {
    messaging_settings s = {
        .body_bytes_max = 1 << 20, .queue_max = 1024, .queue_bytes_max = 16 << 20, .concurrency = 64};
    arena_init(&s.memory, MEMORY_BYTES_MAX); // the lists at their longest fit
    s.subscriptions = ARENA_ARRAY(&s.memory, messaging_subscription, MESSAGING_SUBSCRIPTIONS_MAX);
    s.subjects = ARENA_ARRAY(&s.memory, slice, MESSAGING_SUBJECTS_MAX);
    status code = read_all(settings, &s, e);
    if (code != STATUS_OK) {
        arena_done(&s.memory);
        return code;
    }
    *ret = s;
    return STATUS_OK;
}

bool messaging_is_hidden(slice pattern, slice subject) {
    bool is_open = slice_starts_with(pattern, "*") || slice_starts_with(pattern, ">");
    return is_open && (slice_starts_with(subject, "$") || slice_starts_with(subject, "_INBOX."));
}

bool messaging_covers(slice pattern, slice subject) {
    return !messaging_is_hidden(pattern, subject) && subject_covers(pattern, subject);
}

void messaging_settings_done(messaging_settings *s) {
    arena_done(&s->memory);
    *s = (messaging_settings){0};
}
