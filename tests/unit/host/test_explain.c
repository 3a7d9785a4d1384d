// SPDX-License-Identifier: Apache-2.0
// The names of calls (capability/calls.h) beside what the host offers and what drivers serve.
#include "capability/calls.h"

#include "capability/offers.h"
#include "driver/blobstore/blobstore.h"
#include "driver/keys/keys.h"
#include "driver/keyvalue/keyvalue.h"
#include "test.h"

static bool is_known(const wasi_wire_call *c) {
    blobstore_function b;
    keyvalue_function k;
    keys_function s;
    return (slice_equal_text(c->interface, BLOBSTORE_INTERFACE) &&
            blobstore_function_find(c->function, &b)) ||
           keyvalue_function_find(c->interface, c->function, &k) ||
           keys_function_find(c->interface, c->function, &s);
}

static bool is_asked(slice interface) {
    return slice_starts_with(interface, "wasi:blobstore/") ||
           slice_starts_with(interface, "wasi:keyvalue/") ||
           slice_equal_text(interface, "writ:crypto/keys") ||
           slice_equal_text(interface, "writ:crypto/hmac") ||
           slice_equal_text(interface, "writ:crypto/signing");
}

static void name_of(const host_interface *h, char *name, size_t bytes) {
    snprintf(name, bytes, "%.*s@%u.%u.%u%s%.*s", SLICE_ARG(h->name), h->version.major, h->version.minor,
             h->version.patch, h->version.pre.len > 0 ? "-" : "", SLICE_ARG(h->version.pre));
}

// What a function is said to send is a call that drivers know.
TEST(calls_are_those_that_drivers_have) {
    size_t seen = 0;
    for (size_t i = 0; i < wasi_offer_count(); i++) {
        const host_interface *h = wasi_offer_at(i)->interface;
        char name[200];
        name_of(h, name, sizeof name);
        for (uint32_t k = 0; is_asked(h->name) && k < h->func_count; k++) {
            wasi_wire_call calls[WASI_CALLS_MAX];
            size_t count = wasi_calls_of(slice_from_text(name), h->funcs[k].name, calls);
            for (size_t c = 0; c < count; c++) {
                if (!EXPECT(is_known(&calls[c]))) {
                    printf("    %.*s.%.*s\n", SLICE_ARG(h->name), SLICE_ARG(h->funcs[k].name));
                }
            }
            seen += count;
        }
    }
    EXPECT(seen > 40);
}

TEST(calls_with_other_names) {
    static const struct {
        const char *interface, *function, *first, *second;
    } rows[] = {
        {"wasi:blobstore/container@0.2.0-draft", "[method]container.get-data", "get-container-data", NULL},
        {"wasi:blobstore/container@0.2.0-draft", "[method]container.delete-object", "delete-object", NULL},
        {"wasi:blobstore/container@0.2.0-draft", "[method]container.name", NULL, NULL},
        {"wasi:keyvalue/store@0.2.0-draft", "[method]bucket.set", "set", NULL},
        {"wasi:keyvalue/store@0.2.0-draft", "open", NULL, NULL},
        {"wasi:keyvalue/atomics@0.2.0-draft", "increment", "increment", NULL},
        {"wasi:keyvalue/atomics@0.2.0-draft2", "increment", "increment", "increment-signed"},
        {"wasi:keyvalue/atomics@0.2.0-draft2", "swap", "compare-and-swap", "get"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wasi_wire_call calls[WASI_CALLS_MAX];
        size_t count =
            wasi_calls_of(slice_from_text(rows[i].interface), slice_from_text(rows[i].function), calls);
        EXPECT_EQ(count, (rows[i].first != NULL) + (rows[i].second != NULL));
        EXPECT(count < 1 || slice_equal_text(calls[0].function, rows[i].first));
        EXPECT(count < 2 || slice_equal_text(calls[1].function, rows[i].second));
    }
}
