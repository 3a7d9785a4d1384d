// SPDX-License-Identifier: Apache-2.0
// Any bytes as a signed component: no crash; what can be read can be stripped, to the same hash; stripping
// twice changes nothing more; and a token that is appended to the result is found again.
//
// links: identity
#include "base/check.h"
#include "fuzz.h"
#include "identity/envelope.h"

static void check_stripped(const envelope *v, slice bytes) {
    err e = {0};
    auto_buf once, twice;
    buf_init(&once, bytes.len + 64);
    buf_init(&twice, bytes.len);
    CHECK(envelope_strip(bytes, &once, &e) == STATUS_OK && once.len <= bytes.len);
    CHECK(envelope_strip(buf_slice(&once), &twice, &e) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
    envelope after;
    CHECK(envelope_read(buf_slice(&once), &after, &e) == STATUS_OK);
    CHECK(after.is_canonical && !after.has_token && !after.has_stray_token);
    CHECK(hash_equal(after.hash, v->hash));
    CHECK(envelope_append_token(&once, slice_from_text("a.b.c"), &e) == STATUS_OK);
    CHECK(envelope_read(buf_slice(&once), &after, &e) == STATUS_OK);
    CHECK(after.is_canonical && after.has_token && !after.has_stray_token);
    CHECK(slice_equal_text(after.token, "a.b.c") && hash_equal(after.hash, v->hash));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice bytes = slice_of(data, size);
    envelope v;
    err e = {0};
    if (envelope_read(bytes, &v, &e) != STATUS_OK) {
        CHECK(e.message[0] != '\0');
        return 0;
    }
    CHECK(v.is_canonical == (v.why_not[0] == '\0'));
    CHECK(!v.has_stray_token || !v.is_canonical);
    CHECK(!v.has_token || v.token.len < size);
    check_stripped(&v, bytes);
    return 0;
}
