// SPDX-License-Identifier: Apache-2.0
#include "driver/blobstore/s3_messages.h"

#include <stdio.h>

#include "codec/date.h"
#include "codec/utf.h"
#include "codec/xml.h"
#include "driver/blobstore/blobstore.h"

enum { BUCKET_ELEMENTS_MAX = 1 << 17 };

// A page of the longest names, each byte as %XX.
static const xml_limits limits = {.bytes_max = S3_ANSWER_BYTES_MAX,
                                  .text_bytes_max = 8192,
                                  .elements_max = BUCKET_ELEMENTS_MAX,
                                  .depth_max = 8};

// --- errors ------------------------------------------------------------------------------------------------

typedef struct error_reader {
    const char *path;
    char *code;
} error_reader;

static status on_error_element(void *arg, slice path, slice text, err *e) {
    const error_reader *r = arg;
    (void)e;
    if (r->code[0] == '\0' && slice_equal_text(path, r->path)) {
        (void)utf8_shown(text, r->code, S3_CODE_BYTES);
    }
    return STATUS_OK;
}

static void read_code(slice body, const char *path, char ret[S3_CODE_BYTES]) {
    error_reader r = {path, ret};
    ret[0] = '\0';
    if (xml_read(body, &limits, on_error_element, &r, NULL) != STATUS_OK) {
        ret[0] = '\0';
    }
}

void s3_read_error(slice body, char ret[S3_CODE_BYTES]) { read_code(body, "Error/Code", ret); }

void s3_read_delete_error(slice body, char ret[S3_CODE_BYTES]) {
    read_code(body, "DeleteResult/Error/Code", ret);
}

typedef struct root_reader {
    const char *root;
    bool is_there;
} root_reader;

static status on_root_element(void *arg, slice path, slice text, err *e) {
    root_reader *r = arg;
    (void)text, (void)e;
    r->is_there = slice_equal_text(path, r->root); // the root comes last
    return STATUS_OK;
}

bool s3_is_result(slice body, const char *root) {
    root_reader r = {root, false};
    return xml_read(body, &limits, on_root_element, &r, NULL) == STATUS_OK && r.is_there;
}

// --- dates -------------------------------------------------------------------------------------------------

static bool read_month(slice text, unsigned *ret) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (unsigned i = 0; i < 12; i++) {
        if (text.len == 3 && memcmp(text.data, months + (size_t)i * 3, 3) == 0) {
            *ret = i + 1;
            return true;
        }
    }
    return false;
}

uint64_t s3_read_http_date(slice text) {
    char form[64];
    unsigned month = 0;
    uint64_t seconds = 0;
    if (text.len != 29 || !read_month(slice_sub(text, 8, 11), &month)) {
        return 0;
    }
    const char *t = (const char *)text.data;
    (void)snprintf(form, sizeof form, "%.4s-%02u-%.2sT%.8sZ", t + 12, month, t + 5, t + 17);
    return date_parse(slice_from_text(form), &seconds) ? seconds : 0;
}

// "2026-01-31T12:00:00.000Z", with or without a fraction.
static uint64_t read_iso_date(slice text) {
    char form[DATE_TEXT_BYTES];
    uint64_t seconds = 0;
    (void)snprintf(form, sizeof form, "%.19sZ", text.len >= 20 ? (const char *)text.data : "");
    return date_parse(slice_from_text(form), &seconds) ? seconds : 0;
}

// --- listings ----------------------------------------------------------------------------------------------

typedef struct listing_reader {
    s3_listing *ret;
    arena *memory;
    size_t max;
    bool is_encoded; // EncodingType may come behind the names
} listing_reader;

static int hex(uint8_t c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

// As forms encode: '+' is a blank.
static slice decode(slice text, arena *a) {
    uint8_t *bytes = arena_alloc(a, text.len);
    size_t len = 0;
    for (size_t i = 0; bytes != NULL && i < text.len; i++) {
        uint8_t c = text.data[i];
        bool is_code =
            c == '%' && i + 2 < text.len && hex(text.data[i + 1]) >= 0 && hex(text.data[i + 2]) >= 0;
        if (is_code) {
            c = (uint8_t)(hex(text.data[i + 1]) * 16 + hex(text.data[i + 2]));
            i += 2;
        }
        bytes[len++] = c == '+' && !is_code ? ' ' : c;
    }
    return slice_of(bytes, len);
}

static status on_listing_element(void *arg, slice path, slice text, err *e) {
    listing_reader *r = arg;
    if (slice_equal_text(path, "ListBucketResult/Contents/Key")) {
        if (r->ret->count == r->max) {
            return err_set(e, STATUS_IO, "the server lists more names than were asked for");
        }
        slice name = arena_copy(r->memory, text);
        if (name.data == NULL) {
            return err_set(e, STATUS_LIMIT, "no memory for a listing");
        }
        r->ret->names[r->ret->count++] = name;
    } else if (slice_equal_text(path, "ListBucketResult/IsTruncated")) {
        r->ret->is_truncated = slice_equal_text(text, "true");
    } else if (slice_equal_text(path, "ListBucketResult/EncodingType")) {
        r->is_encoded = slice_equal_text(text, "url");
    }
    return STATUS_OK;
}

status s3_read_listing(slice body, size_t max, arena *a, s3_listing *ret, err *e) {
    s3_listing found = {.names = ARENA_ARRAY(a, slice, max)};
    listing_reader r = {.ret = &found, .memory = a, .max = max};
    if (found.names == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for a listing");
    }
    TRY(xml_read(body, &limits, on_listing_element, &r, e));
    for (size_t i = 0; i < found.count; i++) {
        slice name = r.is_encoded ? decode(found.names[i], a) : found.names[i];
        if (name.data == NULL || name.len == 0 || name.len > BLOBSTORE_OBJECT_BYTES_MAX ||
            !utf8_valid(name)) {
            return err_set(e, STATUS_IO, "the server lists what is no object's name");
        }
        found.names[i] = name;
    }
    *ret = found;
    return STATUS_OK;
}

// --- the others --------------------------------------------------------------------------------------------

typedef struct bucket_reader {
    slice bucket;
    bool is_this;
    uint64_t made; // of the element that is read
    uint64_t found;
} bucket_reader;

static status on_bucket_element(void *arg, slice path, slice text, err *e) {
    bucket_reader *r = arg;
    (void)e;
    if (slice_equal_text(path, "ListAllMyBucketsResult/Buckets/Bucket/Name")) {
        r->is_this = slice_equal(text, r->bucket);
    } else if (slice_equal_text(path, "ListAllMyBucketsResult/Buckets/Bucket/CreationDate")) {
        r->made = read_iso_date(text);
    } else if (slice_equal_text(path, "ListAllMyBucketsResult/Buckets/Bucket")) {
        r->found = r->is_this ? r->made : r->found;
        r->is_this = false;
    }
    return STATUS_OK;
}

status s3_read_bucket_time(slice body, slice bucket, uint64_t *ret, err *e) {
    bucket_reader r = {.bucket = bucket};
    TRY(xml_read(body, &limits, on_bucket_element, &r, e));
    *ret = r.found;
    return STATUS_OK;
}

typedef struct upload_reader {
    arena *memory;
    slice found;
} upload_reader;

static status on_upload_element(void *arg, slice path, slice text, err *e) {
    upload_reader *r = arg;
    (void)e;
    if (slice_equal_text(path, "InitiateMultipartUploadResult/UploadId")) {
        r->found = arena_copy(r->memory, text);
    }
    return STATUS_OK;
}

status s3_read_upload(slice body, arena *a, slice *ret, err *e) {
    upload_reader r = {.memory = a};
    TRY(xml_read(body, &limits, on_upload_element, &r, e));
    if (r.found.len == 0) {
        return err_set(e, STATUS_IO, "the server began an upload without a name");
    }
    *ret = r.found;
    return STATUS_OK;
}

// --- what we send ------------------------------------------------------------------------------------------

status s3_write_delete(const slice *names, size_t count, buf *ret) {
    TRY(buf_append_text(ret,
                        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"));
    for (size_t i = 0; i < count; i++) {
        TRY(buf_append_text(ret, "<Object><Key>"));
        TRY(xml_write_text(names[i], ret));
        TRY(buf_append_text(ret, "</Key></Object>"));
    }
    return buf_append_text(ret, "</Delete>");
}

status s3_write_complete(const slice *etags, size_t count, buf *ret) {
    TRY(buf_append_text(ret, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"));
    for (size_t i = 0; i < count; i++) {
        TRY(buf_append_format(ret, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1));
        TRY(xml_write_text(etags[i], ret));
        TRY(buf_append_text(ret, "</ETag></Part>"));
    }
    return buf_append_text(ret, "</CompleteMultipartUpload>");
}

status s3_write_create(const char *region, buf *ret) {
    TRY(buf_append_text(ret, "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                             "<LocationConstraint>"));
    TRY(xml_write_text(slice_from_text(region), ret));
    return buf_append_text(ret, "</LocationConstraint></CreateBucketConfiguration>");
}
