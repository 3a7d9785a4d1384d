// SPDX-License-Identifier: Apache-2.0
// Signatures, held to the examples that Amazon publishes ("Examples: Signature Calculations" of the S3 API),
// and the messages of S3.
#include "driver/blobstore/s3_messages.h"
#include "driver/blobstore/s3_sign.h"
#include "test.h"

#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const s3_keys example_keys = {.id = SLICE_LITERAL("AKIAIOSFODNN7EXAMPLE"),
                                     .secret = SLICE_LITERAL("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};

static bool signs(const s3_to_sign *r, const char *names, const char *signature) {
    auto_buf found;
    char expected[512];
    buf_init(&found, 1024);
    status s = s3_sign(r, &example_keys, &found, NULL);
    snprintf(expected, sizeof expected,
             "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
             "SignedHeaders=%s, Signature=%s",
             names, signature);
    bool ok = s == STATUS_OK && slice_equal_text(buf_slice(&found), expected);
    if (!ok) {
        printf("    %.*s\n", SLICE_ARG(buf_slice(&found)));
    }
    return ok;
}

#define FIELD(name, value) \
    { SLICE_LITERAL(name), SLICE_LITERAL(value) }

static const http_header plain_fields[] = {FIELD("host", "examplebucket.s3.amazonaws.com"),
                                           FIELD("x-amz-content-sha256", NOTHING),
                                           FIELD("x-amz-date", "20130524T000000Z")};

TEST(the_published_examples) {
    static const http_header get_fields[] = {
        FIELD("host", "examplebucket.s3.amazonaws.com"), FIELD("range", "bytes=0-9"),
        FIELD("x-amz-content-sha256", NOTHING), FIELD("x-amz-date", "20130524T000000Z")};
    s3_to_sign r = {.method = "GET",
                    .path = SLICE_LITERAL("/test.txt"),
                    .headers = get_fields,
                    .header_count = 4,
                    .body_hash = NOTHING,
                    .region = "us-east-1",
                    .date = "20130524T000000Z"};
    EXPECT(signs(&r, "host;range;x-amz-content-sha256;x-amz-date",
                 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));

    static const char hash[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    static const http_header put_fields[] = {
        FIELD("date", "Fri, 24 May 2013 00:00:00 GMT"), FIELD("host", "examplebucket.s3.amazonaws.com"),
        FIELD("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
        FIELD("x-amz-date", "20130524T000000Z"), FIELD("x-amz-storage-class", "REDUCED_REDUNDANCY")};
    r.method = "PUT";
    r.path = slice_from_text("/test%24file.text");
    r.headers = put_fields;
    r.header_count = 5;
    r.body_hash = hash;
    EXPECT(signs(&r, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));

    r = (s3_to_sign){.method = "GET",
                     .path = SLICE_LITERAL("/"),
                     .query = SLICE_LITERAL("lifecycle="),
                     .headers = plain_fields,
                     .header_count = 3,
                     .body_hash = NOTHING,
                     .region = "us-east-1",
                     .date = "20130524T000000Z"};
    EXPECT(signs(&r, "host;x-amz-content-sha256;x-amz-date",
                 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
    r.query = slice_from_text("max-keys=2&prefix=J");
    EXPECT(signs(&r, "host;x-amz-content-sha256;x-amz-date",
                 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(paths_and_dates) {
    auto_buf out;
    char date[S3_DATE_BYTES];
    buf_init(&out, 256);
    EXPECT_OK(s3_encode(slice_from_text("a b/\xc3\xa4$~-_.+%"), true, &out));
    EXPECT_BYTES(buf_slice(&out), slice_from_text("a%20b/%C3%A4%24~-_.%2B%25"));
    buf_clear(&out);
    EXPECT_OK(s3_encode(slice_from_text("a/b"), false, &out));
    EXPECT_BYTES(buf_slice(&out), slice_from_text("a%2Fb"));
    s3_date(1369353600, date);
    EXPECT_TEXT(date, "20130524T000000Z");
    EXPECT_EQ(s3_read_http_date(slice_from_text("Sun, 06 Nov 1994 08:49:37 GMT")), 784111777);
    EXPECT_EQ(s3_read_http_date(slice_from_text("Sun, 06 Nix 1994 08:49:37 GMT")), 0);
    EXPECT_EQ(s3_read_http_date(slice_from_text("yesterday")), 0);
}

TEST(a_secret_that_is_too_long) {
    static uint8_t bytes[1000];
    auto_buf out;
    err e;
    buf_init(&out, 1024);
    const s3_keys keys = {.id = SLICE_LITERAL("id"), .secret = slice_of(bytes, sizeof bytes)};
    const s3_to_sign r = {.method = "GET",
                          .path = SLICE_LITERAL("/"),
                          .headers = plain_fields,
                          .header_count = 3,
                          .body_hash = NOTHING,
                          .region = "r",
                          .date = "20130524T000000Z"};
    EXPECT_STATUS(s3_sign(&r, &keys, &out, &e), STATUS_INVALID);
}

static bool lists(const char *xml, size_t max, const char *expected, bool is_truncated) {
    auto_arena a;
    auto_buf found;
    s3_listing l;
    err e;
    arena_init(&a, 1 << 20);
    buf_init(&found, 1 << 16);
    status s = s3_read_listing(slice_from_text(xml), max, &a, &l, &e);
    for (size_t i = 0; s == STATUS_OK && i < l.count; i++) {
        EXPECT_OK(buf_append_format(&found, "%.*s;", SLICE_ARG(l.names[i])));
    }
    bool ok =
        s == STATUS_OK && slice_equal_text(buf_slice(&found), expected) && l.is_truncated == is_truncated;
    if (!ok) {
        printf("    %s %.*s\n", s == STATUS_OK ? "" : e.message, SLICE_ARG(buf_slice(&found)));
    }
    return ok;
}

TEST(listings) {
    EXPECT(lists("<ListBucketResult/>", 5, "", false));
    EXPECT(lists("<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents>"
                 "<Contents><Key>b%20c</Key></Contents></ListBucketResult>",
                 5, "a;b%20c;", true));
    EXPECT(lists("<ListBucketResult><Contents><Key>b%20c+d%2Be%zz</Key></Contents>"
                 "<EncodingType>url</EncodingType></ListBucketResult>",
                 5, "b c d+e%zz;", false));
    EXPECT(!lists("<ListBucketResult><Contents><Key>a</Key></Contents><Contents><Key>b</Key></Contents>"
                  "</ListBucketResult>",
                  1, "", false));
    EXPECT(!lists("<ListBucketResult><Contents><Key>%ff</Key></Contents><EncodingType>url</EncodingType>"
                  "</ListBucketResult>",
                  1, "", false));
    EXPECT(!lists("<ListBucketResult><Contents><Key/></Contents></ListBucketResult>", 1, "", false));
}

TEST(other_answers) {
    char code[S3_CODE_BYTES];
    uint64_t made = 1;
    auto_arena a;
    slice upload;
    arena_init(&a, 1 << 16);
    s3_read_error(slice_from_text("<Error><Code>NoSuchKey</Code><Code>x</Code></Error>"), code);
    EXPECT_TEXT(code, "NoSuchKey");
    s3_read_error(slice_from_text("<html><p>502"), code);
    EXPECT_TEXT(code, "");
    s3_read_delete_error(
        slice_from_text("<DeleteResult><Error><Code>AccessDenied</Code></Error></DeleteResult>"), code);
    EXPECT_TEXT(code, "AccessDenied");
    static const char buckets[] =
        "<ListAllMyBucketsResult><Buckets><Bucket><CreationDate>2026-01-31T12:00:00.123Z</"
        "CreationDate><Name>b</Name>"
        "</Bucket><Bucket><Name>c</Name><CreationDate>2026-01-31T12:00:01Z</CreationDate></Bucket></Buckets>"
        "</ListAllMyBucketsResult>";
    EXPECT_OK(s3_read_bucket_time(slice_from_text(buckets), slice_from_text("b"), &made, NULL));
    EXPECT_EQ(made, 1769860800);
    EXPECT_OK(s3_read_bucket_time(slice_from_text(buckets), slice_from_text("c"), &made, NULL));
    EXPECT_EQ(made, 1769860801);
    EXPECT_OK(s3_read_bucket_time(slice_from_text(buckets), slice_from_text("d"), &made, NULL));
    EXPECT_EQ(made, 0);
    EXPECT_STATUS(s3_read_upload(slice_from_text("<InitiateMultipartUploadResult/>"), &a, &upload, NULL),
                  STATUS_IO);
}
