// SPDX-License-Identifier: Apache-2.0
#include "codec/base64.h"

#include "test.h"

static status decode(base64_form form, const char *text, buf *ret) {
    return base64_decode(form, slice_from_text(text), ret);
}

// RFC 4648, section 10.
TEST(the_vectors_of_the_rfc) {
    static const char *const rows[][3] = {{"", "", ""},
                                          {"f", "Zg==", "Zg"},
                                          {"fo", "Zm8=", "Zm8"},
                                          {"foo", "Zm9v", "Zm9v"},
                                          {"foob", "Zm9vYg==", "Zm9vYg"},
                                          {"fooba", "Zm9vYmE=", "Zm9vYmE"},
                                          {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
                                          {"\xfb\xff\xbf", "+/+/", "-_-_"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int form = BASE64_URL; form <= BASE64_STANDARD; form++) {
            const char *text = rows[i][form == BASE64_STANDARD ? 1 : 2];
            auto_buf out, back;
            buf_init(&out, 100);
            buf_init(&back, 100);
            EXPECT_OK(base64_encode((base64_form)form, slice_from_text(rows[i][0]), &out));
            EXPECT_BYTES(buf_slice(&out), slice_from_text(text));
            EXPECT_OK(decode((base64_form)form, text, &back));
            EXPECT_BYTES(buf_slice(&back), slice_from_text(rows[i][0]));
        }
    }
}

TEST(one_spelling_for_each_run_of_bytes) {
    static const char *const url[] = {"Z",     "Zg=",  "Zg==", "Zh",     "Zm9",      "Zm+v", "Zm/v",
                                      "Zm 9v", "Zm\n", "=",    "Zm9vYh", "Zm9v\xc3", "Zg.",  "Z==="};
    static const char *const standard[] = {"Z",    "Zg",   "Zg=",  "Zh==",     "Zm9=",  "Zm-v",     "Zm_v",
                                           "====", "Z===", "=Zg=", "Zg==Zg==", "Zm9v=", "Zm9v====", "Zm9v\n"};
    auto_buf out;
    buf_init(&out, 100);
    for (size_t i = 0; i < sizeof url / sizeof url[0]; i++) {
        EXPECT_STATUS(decode(BASE64_URL, url[i], &out), STATUS_INVALID);
    }
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++) {
        EXPECT_STATUS(decode(BASE64_STANDARD, standard[i], &out), STATUS_INVALID);
    }
    EXPECT_EQ(out.len, 0);
}

TEST(every_byte_and_every_length_survive) {
    uint8_t bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 167 + 13);
    }
    for (size_t len = 0; len <= sizeof bytes; len++) {
        auto_buf text, back;
        buf_init(&text, 1000);
        buf_init(&back, 1000);
        EXPECT_OK(base64_encode(BASE64_URL, slice_of(bytes, len), &text));
        EXPECT_OK(base64_decode(BASE64_URL, buf_slice(&text), &back));
        EXPECT_BYTES(buf_slice(&back), slice_of(bytes, len));
    }
}

TEST(appends_and_keeps_to_the_maximum) {
    auto_buf out;
    buf_init(&out, 6);
    EXPECT_OK(buf_append_text(&out, "ab"));
    EXPECT_STATUS(base64_encode(BASE64_URL, slice_from_text("foob"), &out), STATUS_LIMIT);
    EXPECT_OK(base64_encode(BASE64_URL, slice_from_text("foo"), &out));
    EXPECT_BYTES(buf_slice(&out), slice_from_text("abZm9v"));
    EXPECT_STATUS(decode(BASE64_URL, "Zg", &out), STATUS_LIMIT);
    EXPECT_EQ(out.len, 6);
}
