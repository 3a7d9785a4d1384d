// SPDX-License-Identifier: Apache-2.0
// Plans of what a host runs, as a client of its socket could bring them: each is refused, or can be written
// and read again.
//
// links: api
#include "api/plan.h"
#include "base/check.h"
#include "fuzz.h"

static void check_again(const plan *p) {
    plan again = {0};
    auto_buf text, other;
    buf_init(&text, PLAN_BYTES_MAX);
    buf_init(&other, PLAN_BYTES_MAX);
    CHECK(plan_write(p, &text, NULL) == STATUS_OK);
    CHECK(plan_read(buf_slice(&text), &again, NULL) == STATUS_OK);
    CHECK(plan_write(&again, &other, NULL) == STATUS_OK);
    CHECK(slice_equal(buf_slice(&text), buf_slice(&other)));
    plan_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    plan p = {0};
    if (plan_read(slice_of(data, size), &p, NULL) == STATUS_OK) {
        CHECK(p.application_count <= PLAN_APPLICATIONS_MAX && p.change_count <= PLAN_CHANGES_MAX);
        check_again(&p);
        plan_take_all(&p, false);
        CHECK(plan_take(&p, "/app.yaml", true, NULL) == STATUS_OK ||
              p.application_count == PLAN_APPLICATIONS_MAX);
    }
    plan_done(&p);
    return 0;
}
