// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "host/log.h"

static const log_format format = {"2026-01-31T12:00:00.123Z", SLICE_LITERAL("hello"), 64};

static const char *text_of(const log_record *r, buf *b) {
    buf_init(b, 4096);
    EXPECT_OK(log_format_text(r, &format, b));
    return buf_text(b);
}

TEST(text_is_for_people) {
    auto_buf b;
    log_record r = {LOG_WARN, SLICE_LITERAL("worker-died"), SLICE_LITERAL("worker 1 ended"), NULL, 0};
    EXPECT_TEXT(text_of(&r, &b), "2026-01-31T12:00:00.123Z warn  hello: worker 1 ended");
}

// A guest's text must not be able to end our line, begin another, or talk to the terminal.
TEST(control_characters_are_escaped) {
    auto_buf b;
    log_record r = {LOG_INFO, SLICE_LITERAL("e"), SLICE_LITERAL("a\nb\rc\033[2Jd\x7f"), NULL, 0};
    EXPECT_CONTAINS(text_of(&r, &b), "a\\nb\\x0dc\\x1b[2Jd\\x7f");
}

TEST(what_terminals_obey_in_utf8_is_escaped_too) {
    auto_buf b;
    log_record r = {LOG_INFO, SLICE_LITERAL("e"),
                    SLICE_LITERAL("a\xc2\x9b"
                                  "2Jb\x9b"
                                  "c\xe2\x80\xae"
                                  "d\xc3\xa9"),
                    NULL, 0};
    EXPECT_CONTAINS(text_of(&r, &b), "a\\x9b2Jb\\x9bc\\u202ed\xc3\xa9");
}

TEST(long_texts_are_cut) {
    auto_buf b;
    static char text[1000];
    memset(text, 'x', sizeof text);
    log_record r = {LOG_INFO, SLICE_LITERAL("e"), {(const uint8_t *)text, sizeof text}, NULL, 0};
    (void)text_of(&r, &b);
    EXPECT_EQ(b.len, strlen("2026-01-31T12:00:00.123Z info  hello: ") + 64);
}

TEST(json_has_the_fields) {
    auto_buf b;
    buf_init(&b, 4096);
    const log_field fields[] = {LOG_NUMBER("pid", 12), LOG_TEXT("reason", slice_from_text("a \"b\""))};
    log_record r = {LOG_ERROR, SLICE_LITERAL("trap"), SLICE_LITERAL("m"), fields, 2};
    EXPECT_OK(log_format_json(&r, &format, &b));
    const char *text = buf_text(&b);
    EXPECT_CONTAINS(text, "\"level\":\"error\"");
    EXPECT_CONTAINS(text, "\"event\":\"trap\"");
    EXPECT_CONTAINS(text, "\"pid\":12");
    EXPECT_CONTAINS(text, "\"reason\":\"a \\\"b\\\"\"");
    EXPECT(strchr(text, '\n') == NULL);
}

typedef struct pipe_logger {
    int ends[2];
    logger *l;
} pipe_logger;

static pipe_logger pipe_logger_new(uint64_t bytes_per_second_max) {
    pipe_logger p;
    EXPECT(pipe(p.ends) == 0);
    logger_options o = {
        .workload = SLICE_LITERAL("w"), .fd = p.ends[1], .bytes_per_second_max = bytes_per_second_max};
    EXPECT_OK(logger_new(&o, &p.l, NULL));
    return p;
}

static size_t read_all(pipe_logger *p, char *text, size_t size) {
    (void)fcntl(p->ends[0], F_SETFL, O_NONBLOCK);
    size_t len = 0;
    for (ssize_t n; (n = read(p->ends[0], text + len, size - 1 - len)) > 0;) {
        len += (size_t)n;
    }
    text[len] = '\0';
    return len;
}

static void pipe_logger_done(pipe_logger *p) {
    logger_free(p->l);
    close(p->ends[0]);
    close(p->ends[1]);
}

TEST(a_reader_that_is_behind_stops_nobody) {
    pipe_logger p = pipe_logger_new(0);
    for (int i = 0; i < 5000; i++) {
        logger_event(p.l, LOG_INFO, "e", NULL, 0, "line %d", i);
    }
    static char text[1 << 20];
    EXPECT(read_all(&p, text, sizeof text) > 0);
    logger_event(p.l, LOG_INFO, "e", NULL, 0, "after");
    EXPECT(read_all(&p, text, sizeof text) > 0);
    EXPECT_CONTAINS(text, "log lines were dropped");
    EXPECT_CONTAINS(text, "after");
    pipe_logger_done(&p);
}

TEST(guests_have_a_rate) {
    pipe_logger p = pipe_logger_new(100);
    for (int i = 0; i < 50; i++) {
        logger_guest_event(p.l, LOG_INFO, "e", NULL, 0, "0123456789");
    }
    static char text[1 << 20];
    (void)read_all(&p, text, sizeof text);
    int lines = 0;
    for (const char *c = text; (c = strchr(c, '\n')) != NULL; c++) {
        lines++;
    }
    EXPECT(lines >= 10 && lines < 30); // a second may pass in between
    logger_event(p.l, LOG_INFO, "e", NULL, 0, "ours");
    EXPECT(read_all(&p, text, sizeof text) > 0);
    EXPECT_CONTAINS(text, "ours");
    EXPECT_CONTAINS(text, "dropped");
    pipe_logger_done(&p);
}

TEST(verbose_is_silent_by_default) {
    pipe_logger p = pipe_logger_new(0);
    logger_event(p.l, LOG_VERBOSE, "e", NULL, 0, "detail");
    char text[256];
    EXPECT_EQ(read_all(&p, text, sizeof text), 0);
    pipe_logger_done(&p);
}
