// SPDX-License-Identifier: Apache-2.0
#include "helper_guest.h"
#include "test.h"
#include "wasi/logging_logging.h"

typedef struct seen {
    int count;
    wasi_log_level level;
    char part[64];
    char message[64];
} seen;

static void take(void *context, wasi_instance *instance, wasi_log_level level, slice part, slice message) {
    seen *s = context;
    EXPECT(instance != NULL);
    s->count++;
    s->level = level;
    snprintf(s->part, sizeof s->part, "%.*s", SLICE_ARG(part));
    snprintf(s->message, sizeof s->message, "%.*s", SLICE_ARG(message));
}

TEST(entries_reach_the_log) {
    guest g;
    seen s = {0};
    guest_init(&g);
    g.workload.log = (wasi_log_sink){.context = &s, .entry = take};
    guest_start(&g);
    EXPECT_OK(wasi_logging_logging_log(&g, WASI_LOGGING_LOGGING_LEVEL_WARN, slice_from_text("db"),
                                       slice_from_text("slow"), NULL));
    EXPECT_EQ(s.count, 1);
    EXPECT_EQ(s.level, WASI_LOG_WARN);
    EXPECT_TEXT(s.part, "db");
    EXPECT_TEXT(s.message, "slow");
    guest_done(&g);
}

TEST(long_ones_are_cut_and_counted) {
    guest g;
    seen s = {0};
    guest_init(&g);
    g.workload.limits.log_line_bytes_max = 6;
    g.workload.log = (wasi_log_sink){.context = &s, .entry = take};
    guest_start(&g);
    EXPECT_OK(wasi_logging_logging_log(&g, WASI_LOGGING_LOGGING_LEVEL_INFO, slice_from_text("four"),
                                       slice_from_text("message"), NULL));
    EXPECT_TEXT(s.part, "four");
    EXPECT_TEXT(s.message, "me");
    EXPECT_EQ(g.instance->counters.log_bytes_dropped, 5);
    EXPECT_OK(wasi_logging_logging_log(&g, WASI_LOGGING_LOGGING_LEVEL_INFO, slice_from_text("much longer"),
                                       slice_from_text("x"), NULL));
    EXPECT_TEXT(s.part, "much l");
    EXPECT_TEXT(s.message, "");
    EXPECT_EQ(g.instance->counters.log_bytes_dropped, 11);
    guest_done(&g);
}

TEST(without_a_log_they_are_counted) {
    guest g;
    guest_init(&g);
    guest_start(&g);
    EXPECT_OK(wasi_logging_logging_log(&g, WASI_LOGGING_LOGGING_LEVEL_CRITICAL, slice_from_text("a"),
                                       slice_from_text("bc"), NULL));
    EXPECT_EQ(g.instance->counters.log_bytes_dropped, 3);
    guest_done(&g);
}
