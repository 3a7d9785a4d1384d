// SPDX-License-Identifier: Apache-2.0
// What the two ends of a link to a provider read of each other: the greeting, in any pieces, never believes
// anybody without the key, nor takes a byte behind it; messages that are read are written as the same bytes
// again and stay within their bounds.
//
// links: driver
#include "base/check.h"
#include "driver/provider/greeting.h"
#include "driver/provider/messages.h"
#include "fuzz.h"

static void greet(greeting_side side, slice bytes) {
    static const uint8_t nonce[GREETING_NONCE_BYTES] = {1};
    static const slice key = SLICE_LITERAL("nobody has this one");
    greeting g;
    greeting_begin(&g, side, nonce);
    for (size_t at = 0; at < bytes.len;) {
        size_t step = 1 + bytes.data[at] % 80u, taken = 0;
        status s = greeting_take(&g, key, slice_sub(bytes, at, at + step), &taken, NULL);
        CHECK(taken <= step && g.in_len <= g.in_wanted && g.out_len <= GREETING_BYTES_MAX);
        CHECK(!g.is_done);
        if (s != STATUS_OK || taken == 0) {
            return;
        }
        at += taken;
    }
}

static void read_open(slice bytes) {
    static provider_open o, again;
    auto_buf out;
    buf_init(&out, PROVIDER_MESSAGE_BYTES_MAX);
    if (provider_read_open(bytes, &o, NULL) != STATUS_OK) {
        return;
    }
    CHECK(o.interface_count <= PROVIDER_INTERFACES_MAX && o.setting_count <= PROVIDER_SETTINGS_MAX);
    CHECK(provider_write_open(&o, &out, NULL) == STATUS_OK);
    CHECK(provider_read_open(buf_slice(&out), &again, NULL) == STATUS_OK);
    CHECK(again.credential_count == o.credential_count && slice_equal(again.workload, o.workload));
}

static void read_values(slice bytes) {
    static driver_value values[PROVIDER_SETTINGS_MAX];
    size_t count = 0;
    auto_buf out;
    buf_init(&out, PROVIDER_MESSAGE_BYTES_MAX);
    if (provider_read_values(bytes, values, &count, NULL) == STATUS_OK) {
        CHECK(count <= PROVIDER_SETTINGS_MAX);
        CHECK(provider_write_values(values, count, &out, NULL) == STATUS_OK);
    }
}

static void read_answers(slice bytes) {
    driver_health h;
    status why;
    slice what;
    if (provider_read_health(bytes, &h, NULL) == STATUS_OK) {
        CHECK(h.state <= DRIVER_DOWN && strlen(h.reason) < DRIVER_REASON_BYTES_MAX);
    }
    if (provider_read_lost(bytes, &why, &what, NULL) == STATUS_OK) {
        CHECK(why <= STATUS_INTERNAL && what.len <= PROVIDER_TEXT_BYTES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const slice rest = slice_of(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
    case 1:
        greet(data[0] % 5 == 0 ? GREETING_CLIENT : GREETING_SERVER, rest);
        break;
    case 2:
        read_open(rest);
        break;
    case 3:
        read_values(rest);
        break;
    default:
        read_answers(rest);
        break;
    }
    return 0;
}
