// SPDX-License-Identifier: Apache-2.0
// XML of servers: what is in it, and every bound.
#include "codec/xml.h"

#include <stdlib.h>

#include "base/buf.h"
#include "test.h"

static const xml_limits usual = {
    .bytes_max = 1 << 16, .text_bytes_max = 64, .elements_max = 100, .depth_max = 5};

// Each element as "path=text;".
static status collect(void *arg, slice path, slice text, err *e) {
    (void)e;
    return buf_append_format(arg, "%.*s=%.*s;", SLICE_ARG(path), SLICE_ARG(text));
}

static bool reads(const char *xml, const char *expected) {
    auto_buf found;
    err e = {0};
    buf_init(&found, 1 << 16);
    status s = xml_read(slice_from_text(xml), &usual, collect, &found, &e);
    bool ok = s == STATUS_OK && slice_equal_text(buf_slice(&found), expected);
    if (!ok) {
        printf("    %s %s: %.*s\n", status_name(s), e.message, SLICE_ARG(buf_slice(&found)));
    }
    return ok;
}

static status fails(slice xml, err *e) {
    auto_buf found;
    buf_init(&found, 1 << 20);
    return xml_read(xml, &usual, collect, &found, e);
}

TEST(elements_come_with_their_paths) {
    EXPECT(reads("<a/>", "a=;"));
    EXPECT(reads("<a>x</a>", "a=x;"));
    EXPECT(reads(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a xmlns=\"http://x/\"><b>1</b><c><d>2</d></c></a>",
        "a/b=1;a/c/d=2;a/c=;a=;"));
    EXPECT(reads("<a><b>&lt;&amp;&#228;&#x41;</b></a>", "a/b=<&\xc3\xa4"
                                                        "A;a=;"));
    EXPECT(reads("<a><![CDATA[<b>]]></a>", "a=<b>;"));
    EXPECT(reads("<!-- c --><a t=\"1\">x<!-- d -->y</a>", "a=xy;"));
    EXPECT(reads("<a>x<b/>y</a>", "a/b=;a=y;"));
}

TEST(what_is_no_xml_is_refused) {
    static const char *const wrong[] = {"",           "x",           "<a>",         "<a></b>",    "<a/><b/>",
                                        "<a>&b;</a>", "<a>&#0;</a>", "<a>\xff</a>", "<a>\x01</a>"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        err e;
        EXPECT_STATUS(fails(slice_from_text(wrong[i]), &e), STATUS_INVALID);
        EXPECT(strstr(e.message, "line") != NULL);
    }
}

TEST(there_is_no_document_type) {
    err e;
    EXPECT_STATUS(
        fails(slice_from_text("<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>"), &e),
        STATUS_INVALID);
    EXPECT(strstr(e.message, "document type") != NULL);
    EXPECT_STATUS(fails(slice_from_text("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>"), &e),
                  STATUS_INVALID);
    EXPECT(strstr(e.message, "document type") != NULL);
}

TEST(everything_is_bounded) {
    err e;
    auto_buf xml;
    EXPECT(reads("<a><b><c><d><e/></d></c></b></a>", "a/b/c/d/e=;a/b/c/d=;a/b/c=;a/b=;a=;"));
    EXPECT_STATUS(fails(slice_from_text("<a><b><c><d><e><f/></e></d></c></b></a>"), &e), STATUS_LIMIT);
    buf_init(&xml, 1 << 20);
    EXPECT_OK(buf_append_text(&xml, "<a>"));
    for (int i = 0; i < 65; i++) {
        EXPECT_OK(buf_append_text(&xml, "x"));
    }
    EXPECT_OK(buf_append_text(&xml, "</a>"));
    EXPECT_STATUS(fails(buf_slice(&xml), &e), STATUS_LIMIT);
    buf_clear(&xml);
    EXPECT_OK(buf_append_text(&xml, "<a>"));
    for (int i = 0; i < 100; i++) {
        EXPECT_OK(buf_append_text(&xml, "<b/>"));
    }
    EXPECT_OK(buf_append_text(&xml, "</a>"));
    EXPECT_STATUS(fails(buf_slice(&xml), &e), STATUS_LIMIT);
    buf_clear(&xml);
    EXPECT_OK(buf_append_text(&xml, "<"));
    for (int i = 0; i < 600; i++) {
        EXPECT_OK(buf_append_text(&xml, "n"));
    }
    EXPECT_OK(buf_append_text(&xml, "/>"));
    EXPECT_STATUS(fails(buf_slice(&xml), &e), STATUS_LIMIT);
    buf_clear(&xml);
    EXPECT_OK(buf_append_text(&xml, "<a/>"));
    while (xml.len <= 1 << 16) {
        EXPECT_OK(buf_append_text(&xml, "        "));
    }
    EXPECT_STATUS(fails(buf_slice(&xml), &e), STATUS_LIMIT);
}

static status refuse(void *arg, slice path, slice text, err *e) {
    (void)arg, (void)path, (void)text;
    return err_set(e, STATUS_EXISTS, "enough");
}

TEST(who_reads_may_end_it) {
    err e;
    EXPECT_STATUS(xml_read(slice_from_text("<a><b/><c/></a>"), &usual, refuse, NULL, &e), STATUS_EXISTS);
    EXPECT_TEXT(e.message, "enough");
}

TEST(what_is_written_reads_as_itself) {
    static const char text[] = "a<b>&\"'\xc3\xa4\n\t\r ]]>";
    auto_buf xml;
    auto_buf found;
    buf_init(&xml, 1024);
    buf_init(&found, 1024);
    EXPECT_OK(buf_append_text(&xml, "<a>"));
    EXPECT_OK(xml_write_text(slice_from_text(text), &xml));
    EXPECT_OK(buf_append_text(&xml, "</a>"));
    EXPECT_OK(xml_read(buf_slice(&xml), &usual, collect, &found, NULL));
    EXPECT_BYTES(slice_sub(buf_slice(&found), 2, found.len - 1), slice_from_text(text));
    EXPECT_STATUS(xml_write_text(slice_of("\x01", 1), &xml), STATUS_INVALID);
    EXPECT_STATUS(xml_write_text(slice_of("\0", 1), &xml), STATUS_INVALID);
}
