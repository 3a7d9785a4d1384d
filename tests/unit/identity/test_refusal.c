// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "identity/refusal.h"

TEST(each_reason_has_its_own_name) {
    EXPECT_TEXT(refusal_name(REFUSAL_NONE), "none");
    EXPECT_TEXT(refusal_name(REFUSAL_HASH_MISMATCH), "hash-mismatch");
    for (int a = REFUSAL_NONE; a <= REFUSAL_NOT_ALLOWED; a++) {
        EXPECT(strcmp(refusal_name((refusal)a), "unknown") != 0);
        for (int b = REFUSAL_NONE; b < a; b++) {
            EXPECT(strcmp(refusal_name((refusal)a), refusal_name((refusal)b)) != 0);
        }
    }
}
