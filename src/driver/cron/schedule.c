// SPDX-License-Identifier: Apache-2.0
#include "driver/cron/schedule.h"

#include "codec/date.h"
#include "codec/quantity.h"

enum {
    FIELDS_MAX = 7,
    DAY_S = 24 * 60 * 60,
    DAYS_MAX = 366 * 41, // a 29 February on a given day of the week comes within 40 years
};

typedef struct field {
    const char *name;
    uint32_t min, max;
    const char *names; // three letters each, of min, min + 1 ...
} field;

static const field fields[] = {
    {"second", 0, 59, NULL},
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of the month", 1, 31, NULL},
    {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
    {"day of the week", 0, 7, "SUNMONTUEWEDTHUFRISAT"},
};

// --- one field ---------------------------------------------------------------------------------------------

static bool take_until(slice *rest, uint8_t byte, slice *ret) {
    size_t at = slice_find(*rest, 0, byte);
    *ret = slice_sub(*rest, 0, at);
    *rest = at == SIZE_MAX ? slice_empty() : slice_sub(*rest, at + 1, rest->len);
    return at != SIZE_MAX;
}

static bool parse_number(const field *f, slice text, uint32_t *ret) {
    uint64_t number;
    if (slice_to_u64(text, &number) && text.len <= 3) {
        *ret = (uint32_t)number;
        return number >= f->min && number <= f->max;
    }
    slice names = slice_from_text(f->names);
    for (size_t i = 0; i + 3 <= names.len; i += 3) {
        if (slice_equal_nocase(text, slice_sub(names, i, i + 3))) {
            *ret = f->min + (uint32_t)(i / 3);
            return true;
        }
    }
    return false;
}

static bool is_star(slice text) { return slice_equal_text(text, "*") || slice_equal_text(text, "?"); }

static bool parse_range(const field *f, slice text, bool has_step, uint32_t *from, uint32_t *to) {
    slice rest = text, first;
    if (is_star(text)) {
        *from = f->min;
        *to = f->max;
        return true;
    }
    bool is_range = take_until(&rest, '-', &first);
    if (!parse_number(f, first, from)) {
        return false;
    }
    *to = has_step ? f->max : *from;
    return !is_range || (parse_number(f, rest, to) && *from <= *to);
}

static bool parse_part(const field *f, slice text, uint64_t *bits) {
    slice range, rest = text;
    uint64_t step = 1;
    uint32_t from = 0, to = 0;
    bool has_step = take_until(&rest, '/', &range);
    if (!parse_range(f, range, has_step, &from, &to) ||
        (has_step && (!slice_to_u64(rest, &step) || step == 0 || step > f->max))) {
        return false;
    }
    for (uint64_t i = from; i <= to; i += step) {
        *bits |= 1ull << i;
    }
    return true;
}

static status parse_field(const field *f, slice text, uint64_t *ret, err *e) {
    slice rest = text, part;
    bool more = true;
    while (more) {
        more = take_until(&rest, ',', &part);
        if (!parse_part(f, part, ret)) {
            return err_set(
                e, STATUS_INVALID,
                "\"%.*s\" is no %s: write *, a number from %u to %u, a range such as %u-%u, or */%u",
                SLICE_ARG(slice_sub(text, 0, 60)), f->name, f->min, f->max, f->min, f->min + 1, f->min + 2);
        }
    }
    return STATUS_OK;
}

// --- the whole ---------------------------------------------------------------------------------------------

static size_t split(slice text, slice *ret) {
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        size_t end = at;
        while (end < text.len && text.data[end] != ' ' && text.data[end] != '\t') {
            end++;
        }
        if (end > at) {
            if (count == FIELDS_MAX) {
                return FIELDS_MAX + 1;
            }
            ret[count++] = slice_sub(text, at, end);
        }
        at = end + 1;
    }
    return count;
}

static slice expand(slice text) {
    static const struct {
        const char *name, *meaning;
    } names[] = {
        {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
        {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
        {"@hourly", "0 * * * *"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal_text(text, names[i].name)) {
            return slice_from_text(names[i].meaning);
        }
    }
    return text;
}

static status parse_every(slice text, cron_schedule *ret, err *e) {
    uint64_t ns = 0;
    if (!quantity_duration(slice_trimmed(text), &ns) || ns % 1000000000 != 0 || ns == 0 ||
        ns / 1000000000 > DAY_S) {
        return err_set(e, STATUS_INVALID,
                       "@every needs whole seconds up to a day, such as @every 30s or @every 2h");
    }
    *ret = (cron_schedule){.every_s = (uint32_t)(ns / 1000000000)};
    return STATUS_OK;
}

static status parse_fields(const slice *parts, size_t count, cron_schedule *ret, err *e) {
    uint64_t bits[6] = {1}; // second 0
    size_t skipped = count == 5 ? 1 : 0;
    for (size_t i = skipped; i < 6; i++) {
        bits[i] = 0;
        TRY(parse_field(&fields[i], parts[i - skipped], &bits[i], e));
    }
    if (count == FIELDS_MAX && !is_star(parts[6])) {
        return err_set(e, STATUS_INVALID, "the year must be *");
    }
    *ret = (cron_schedule){
        .seconds = bits[0],
        .minutes = bits[1],
        .hours = (uint32_t)bits[2],
        .days = (uint32_t)bits[3],
        .months = (uint32_t)bits[4],
        .weekdays = (uint32_t)((bits[5] | bits[5] >> 7) & 0x7f),
        .any_day = (parts[3 - skipped].data[0] == '*' || parts[3 - skipped].data[0] == '?'),
        .any_weekday = (parts[5 - skipped].data[0] == '*' || parts[5 - skipped].data[0] == '?'),
    };
    return STATUS_OK;
}

status cron_parse(slice text, cron_schedule *ret, err *e) {
    slice parts[FIELDS_MAX];
    cron_schedule s = {0};
    text = slice_trimmed(text);
    if (text.len > CRON_TEXT_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "a schedule has at most %d bytes", CRON_TEXT_BYTES_MAX);
    }
    if (slice_starts_with(text, "@every")) {
        return parse_every(slice_sub(text, 6, text.len), ret, e);
    }
    size_t count = split(expand(text), parts);
    if (count < 5 || count > FIELDS_MAX) {
        return err_set(
            e, STATUS_INVALID,
            "\"%.*s\" is no schedule: write five fields (minute, hour, day, month, day of the week), six "
            "with seconds first, or @hourly and its like",
            SLICE_ARG(slice_sub(text, 0, 60)));
    }
    TRY(parse_fields(parts, count, &s, e));
    if (cron_next(&s, 0) == UINT64_MAX) {
        return err_set(e, STATUS_INVALID, "\"%.*s\" never comes", SLICE_ARG(slice_sub(text, 0, 60)));
    }
    *ret = s;
    return STATUS_OK;
}

// --- when --------------------------------------------------------------------------------------------------

static bool has(uint64_t bits, uint32_t number) { return (bits >> number & 1) != 0; }

static bool is_on(const cron_schedule *s, uint64_t day) {
    const date_day d = date_day_at(day);
    bool of_month = has(s->days, d.day), of_week = has(s->weekdays, d.weekday);
    if (!has(s->months, d.month)) {
        return false;
    }
    return s->any_day || s->any_weekday ? of_month && of_week : of_month || of_week;
}

// The first second of a day from `from` on; UINT32_MAX without one.
static uint32_t find_time(const cron_schedule *s, uint32_t from) {
    for (uint32_t hour = from / 3600; hour < 24; hour++) {
        uint32_t minute = hour == from / 3600 ? from / 60 % 60 : 0;
        for (; has(s->hours, hour) && minute < 60; minute++) {
            bool is_first = hour * 60 + minute == from / 60;
            for (uint32_t second = is_first ? from % 60 : 0; has(s->minutes, minute) && second < 60;
                 second++) {
                if (has(s->seconds, second)) {
                    return hour * 3600 + minute * 60 + second;
                }
            }
        }
    }
    return UINT32_MAX;
}

uint64_t cron_next(const cron_schedule *s, uint64_t after_s) {
    if (after_s >= DATE_SECONDS_MAX) {
        return UINT64_MAX;
    }
    uint64_t at = after_s + 1;
    if (s->every_s != 0) {
        return (after_s / s->every_s + 1) * s->every_s;
    }
    for (uint64_t day = at / DAY_S; day < at / DAY_S + DAYS_MAX && day <= DATE_SECONDS_MAX / DAY_S; day++) {
        uint32_t second =
            is_on(s, day) ? find_time(s, day == at / DAY_S ? (uint32_t)(at % DAY_S) : 0) : UINT32_MAX;
        if (second != UINT32_MAX) {
            return day * DAY_S + second;
        }
    }
    return UINT64_MAX;
}
