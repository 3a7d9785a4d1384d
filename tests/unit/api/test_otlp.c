// SPDX-License-Identifier: Apache-2.0
// Where a collector is. What is sent to it is judged by another implementation (tests/interop/test_otlp.py).
#include "api/otlp.h"

#include "test.h"

TEST(where_a_collector_is) {
    static const struct {
        const char *text;
        bool is_https;
        const char *authority, *path; // NULL: refused
    } rows[] = {
        {"http://127.0.0.1:4318", false, "127.0.0.1:4318", "/v1/logs"},
        {"https://collector.example.org/", true, "collector.example.org", "/v1/logs"},
        {"http://[fd00::1]:4318/base/", false, "[fd00::1]:4318", "/base/v1/logs"},
        {"127.0.0.1:4318", false, NULL, NULL},
        {"http://", false, NULL, NULL},
        {"http://user@host:1", false, NULL, NULL},
        {"http://host:1/a?b", false, NULL, NULL},
        {"http://host:1/a b", false, NULL, NULL},
        {"http://host\r\nx", false, NULL, NULL},
        {"", false, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        otlp_endpoint to = {0};
        status s = otlp_endpoint_parse(slice_from_text(rows[i].text), &to, NULL);
        if (EXPECT_EQ(s == STATUS_OK, rows[i].path != NULL) && s == STATUS_OK) {
            EXPECT_EQ(to.is_https, rows[i].is_https);
            EXPECT_TEXT(to.authority, rows[i].authority);
            EXPECT_TEXT(to.path, rows[i].path);
        }
    }
}

TEST(names_that_are_too_long_are_refused) {
    char text[1024] = "http://host/";
    otlp_endpoint to;
    memset(text + strlen(text), 'a', 300);
    EXPECT_STATUS(otlp_endpoint_parse(slice_from_text(text), &to, NULL), STATUS_INVALID);
    (void)snprintf(text, sizeof text, "http://");
    memset(text + strlen(text), 'a', 300);
    EXPECT_STATUS(otlp_endpoint_parse(slice_from_text(text), &to, NULL), STATUS_INVALID);
}
