// SPDX-License-Identifier: Apache-2.0
#include "host/log_ring.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { LINES = 20000 };

TEST(lines_come_in_order_and_old_ones_go) {
    log_ring *r = NULL;
    char text[600];
    buf line;
    uint64_t position = 0;
    int first = -1, count = 0, number = 0;
    EXPECT_OK(log_ring_new(&r, NULL));
    buf_init(&line, LOG_RING_LINE_BYTES_MAX + 1);
    EXPECT_STATUS(log_ring_read(r, &position, &line), STATUS_NOT_FOUND);
    for (int i = 0; i < LINES; i++) {
        int n = snprintf(text, sizeof text, "%d %0500d", i, 0);
        log_ring_write(r, slice_of(text, (size_t)n));
    }
    while (log_ring_read(r, &position, &line) == STATUS_OK) {
        EXPECT(sscanf(buf_text(&line), "%d", &number) == 1);
        first = first < 0 ? number : first;
        EXPECT_EQ(number, first + count);
        count++;
    }
    EXPECT_EQ(number, LINES - 1);
    EXPECT(count > LOG_RING_BYTES / 600 && count < LOG_RING_BYTES / 500);
    EXPECT_EQ(position, log_ring_end(r));
    log_ring_write(r, slice_from_text("one more"));
    EXPECT_OK(log_ring_read(r, &position, &line));
    EXPECT_TEXT(buf_text(&line), "one more");
    buf_done(&line);
    log_ring_free(r);
}

TEST(a_copy_of_the_process_writes_to_the_same) {
    log_ring *r = NULL;
    uint64_t position = 0;
    buf line;
    EXPECT_OK(log_ring_new(&r, NULL));
    buf_init(&line, LOG_RING_LINE_BYTES_MAX + 1);
    pid_t pid = fork();
    for (int i = 0; i < 1000; i++) {
        log_ring_write(r, slice_from_text(pid == 0 ? "theirs" : "ours"));
    }
    if (pid == 0) {
        _exit(0);
    }
    EXPECT(waitpid(pid, NULL, 0) == pid);
    int ours = 0, theirs = 0;
    while (log_ring_read(r, &position, &line) == STATUS_OK) {
        ours += slice_equal_text(buf_slice(&line), "ours");
        theirs += slice_equal_text(buf_slice(&line), "theirs");
    }
    EXPECT_EQ(ours, 1000);
    EXPECT_EQ(theirs, 1000);
    buf_done(&line);
    log_ring_free(r);
}

TEST(a_position_that_nobody_was_given_reads_nothing_bad) {
    log_ring *r = NULL;
    buf line;
    EXPECT_OK(log_ring_new(&r, NULL));
    buf_init(&line, LOG_RING_LINE_BYTES_MAX + 1);
    for (int i = 0; i < 100; i++) {
        log_ring_write(r, slice_from_text("xxxxxxxxxxxxxxxx"));
    }
    for (uint64_t at = 0; at < 3000; at++) {
        uint64_t position = at;
        status s = log_ring_read(r, &position, &line);
        EXPECT(s == STATUS_OK || s == STATUS_NOT_FOUND);
        EXPECT(position >= at);
    }
    buf_done(&line);
    log_ring_free(r);
}
