// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "identity/sealed_key.h"

static const slice passphrase = SLICE_LITERAL("correct horse");

TEST(a_sealed_key_comes_back) {
    nkey *k = NULL, *opened = NULL, *wrong = NULL;
    sealed_key sealed, again;
    auto_buf text;
    err e;
    buf_init(&text, SEALED_KEY_TEXT_BYTES_MAX);
    EXPECT_OK(nkey_generate(NKEY_ACCOUNT, &k, &e));
    EXPECT_OK(sealed_key_seal(k, passphrase, &sealed, &e));
    EXPECT_OK(sealed_key_write(&sealed, &text));
    EXPECT(sealed_key_is(buf_slice(&text)));
    EXPECT_STATUS_ERR(sealed_key_read(buf_slice(&text), &again, &e), STATUS_OK, e);
    nkey_public a = nkey_public_of(k);
    EXPECT(nkey_public_equal(&a, &again.public_key));
    EXPECT_OK(sealed_key_open(&again, passphrase, &opened, &e));
    nkey_public b = nkey_public_of(opened);
    EXPECT(nkey_public_equal(&a, &b));
    EXPECT_STATUS(sealed_key_open(&again, (slice)SLICE_LITERAL("wrong"), &wrong, &e), STATUS_DENIED);
    nkey *other = NULL;
    EXPECT_OK(nkey_generate(NKEY_ACCOUNT, &other, &e));
    again.public_key = nkey_public_of(other);
    EXPECT_STATUS(sealed_key_open(&again, passphrase, &wrong, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "another's seed");
    EXPECT(wrong == NULL);
    nkey_free(k);
    nkey_free(opened);
    nkey_free(other);
}

#define PUBLIC "public ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU\n"

TEST(other_texts_are_refused) {
    static const char *const bad[] = {
        "",
        "writ sealed key 2\n" PUBLIC "sealed MY\n",
        "writ sealed key 1\n",
        "writ sealed key 1\n" PUBLIC,
        "writ sealed key 1\n" PUBLIC "sealed MY",
        "writ sealed key 1\n" PUBLIC "sealed MY\n\n",
        "writ sealed key 1\n" PUBLIC "sealed my\n",
        "writ sealed key 1\r\n" PUBLIC "sealed MY\n",
        "writ sealed key 1\npublic A\nsealed MY\n",
        "writ sealed key 1\nsealed MY\n" PUBLIC,
        " writ sealed key 1\n" PUBLIC "sealed MY\n",
    };
    sealed_key k = {.sealed_len = 77};
    err e;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT_STATUS(sealed_key_read(slice_from_text(bad[i]), &k, &e), STATUS_INVALID);
    }
    EXPECT_EQ(k.sealed_len, 77);
    EXPECT_OK(sealed_key_read(slice_from_text("writ sealed key 1\n" PUBLIC "sealed MY\n"), &k, &e));
    nkey *opened = NULL;
    EXPECT_STATUS(sealed_key_open(&k, passphrase, &opened, &e), STATUS_INVALID);
}
