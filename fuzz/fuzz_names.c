// SPDX-License-Identifier: Apache-2.0
// The small text forms that a person or a peer writes: versions, numbers, network rules and addresses.
//
// links: codec policy
#include "base/check.h"
#include "codec/semver.h"
#include "fuzz.h"
#include "policy/network.h"

static void versions(slice text) {
    semver a = {0};
    if (semver_parse(text, &a)) {
        CHECK(semver_compare(&a, &a) == 0);
        CHECK(semver_compatible(&a, &a));
        CHECK(a.pre.len < text.len);
    }
    uint64_t number = 7;
    if (!slice_to_u64(text, &number)) {
        CHECK(number == 7);
    }
}

static void addresses(slice text) {
    network_address a = {0};
    if (!network_address_parse(text, &a)) {
        return;
    }
    // What we print is what we read.
    char printed[NETWORK_ADDRESS_TEXT_BYTES];
    network_address b = {0};
    CHECK(network_address_parse(slice_from_text(network_address_text(&a, printed)), &b));
    CHECK(a.is_v6 == b.is_v6);
    CHECK(memcmp(a.bytes, b.bytes, a.is_v6 ? 16 : 4) == 0);
    (void)network_address_is_special(&a);
}

static void rules(slice text) {
    network_policy p = {0};
    err e = {0};
    if (network_policy_add(&p, text, NETWORK_PORT_OF_HTTP, &e) == STATUS_OK) {
        CHECK(!network_policy_is_empty(&p));
        network_address loopback = {.bytes = {127, 0, 0, 1}};
        status host = network_policy_check_host(&p, text, 443, "--allow-http", &e);
        CHECK(host == STATUS_OK || e.message[0] != '\0');
        status address = network_policy_check_address(&p, text, &loopback, 443, "--allow-http", &e);
        CHECK(address == STATUS_OK || e.message[0] != '\0');
    } else {
        CHECK(e.message[0] != '\0');
    }
    network_policy_done(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    slice text = slice_of(data, size);
    versions(text);
    addresses(text);
    rules(text);
    return 0;
}
