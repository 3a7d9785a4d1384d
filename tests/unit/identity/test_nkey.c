// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <stdlib.h>

#include "identity/nkey.h"

typedef struct vector {
    nkey_kind kind;
    const char *public_text;
    const char *seed_text;
} vector;

// The seed of RFC 8032, section 7.1, test 1, encoded with Python's base64 and binascii.crc_hqx; the public
// curve key with OpenSSL.
static const vector vectors[] = {
    {NKEY_ACCOUNT, "ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU",
     "SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY3Q"},
    {NKEY_CLUSTER, "CDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUDRI",
     "SCAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YH2DI"},
    {NKEY_MODULE, "MDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUV5O",
     "SMAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YFWNA"},
    {NKEY_SERVER, "NDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUM4A",
     "SNAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YFXBM"},
    {NKEY_OPERATOR, "ODLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVH7S",
     "SOAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YFUVY"},
    {NKEY_USER, "UDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUVAL",
     "SUAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YALCA"},
    {NKEY_SERVICE, "VDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUMBF",
     "SVAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YAKOM"},
    {NKEY_CURVE, "XC3VLTWWJVFCPTRSV7HRTHYYUPWR6MMJOAULB73OKUMR5JCJ3MTEIL7M",
     "SXAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YAIWU"},
};
static const size_t vector_count = sizeof vectors / sizeof vectors[0];

TEST(kinds_have_names_and_letters) {
    EXPECT_EQ(vector_count, NKEY_KIND_COUNT);
    for (size_t i = 0; i < vector_count; i++) {
        nkey_kind kind = (nkey_kind)NKEY_KIND_COUNT;
        EXPECT(nkey_kind_parse(slice_from_text(nkey_kind_name(vectors[i].kind)), &kind));
        EXPECT_EQ(kind, vectors[i].kind);
        EXPECT_EQ(nkey_kind_letter(kind), vectors[i].public_text[0]);
    }
    nkey_kind kind;
    EXPECT(!nkey_kind_parse((slice)SLICE_LITERAL("Account"), &kind));
    EXPECT(!nkey_kind_parse(slice_empty(), &kind));
}

TEST(texts_of_known_keys) {
    for (size_t i = 0; i < vector_count; i++) {
        nkey *k = NULL;
        err e = {0};
        EXPECT_OK(nkey_from_seed_text(slice_from_text(vectors[i].seed_text), &k, &e));
        if (k == NULL) {
            continue;
        }
        nkey_public p = nkey_public_of(k), q = {0};
        EXPECT_EQ(p.kind, vectors[i].kind);
        EXPECT_TEXT(nkey_public_text(&p).text, vectors[i].public_text);
        EXPECT_OK(nkey_public_parse(slice_from_text(vectors[i].public_text), &q, &e));
        EXPECT(nkey_public_equal(&p, &q));
        auto_secret seed = {0};
        EXPECT_OK(nkey_seed_text(k, &seed, &e));
        EXPECT(slice_equal_text(secret_slice(&seed), vectors[i].seed_text));
        nkey_free(k);
    }
}

TEST(generated_keys_sign_and_come_back) {
    for (int kind = 0; kind < NKEY_KIND_COUNT; kind++) {
        nkey *k = NULL, *again = NULL;
        auto_secret seed = {0};
        slice m = SLICE_LITERAL("message");
        uint8_t signature[SIGN_SIGNATURE_BYTES] = {0};
        EXPECT_OK(nkey_generate((nkey_kind)kind, &k, NULL));
        EXPECT_OK(nkey_seed_text(k, &seed, NULL));
        EXPECT_EQ(seed.data[0], 'S');
        EXPECT_EQ(seed.data[1], nkey_kind_letter((nkey_kind)kind));
        EXPECT_OK(nkey_from_seed_text(secret_slice(&seed), &again, NULL));
        nkey_public p = nkey_public_of(k), q = nkey_public_of(again);
        EXPECT(nkey_public_equal(&p, &q));
        err e;
        if (kind == NKEY_CURVE) {
            EXPECT_STATUS(nkey_sign(k, m, signature, &e), STATUS_UNSUPPORTED);
            EXPECT(!nkey_verify(&p, m, signature));
        } else {
            EXPECT_OK(nkey_sign(again, m, signature, &e));
            EXPECT(nkey_verify(&p, m, signature));
            signature[5] ^= 1;
            EXPECT(!nkey_verify(&p, m, signature));
        }
        nkey_free(k);
        nkey_free(again);
    }
}

TEST(two_generated_keys_differ) {
    nkey *a = NULL, *b = NULL;
    EXPECT_OK(nkey_generate(NKEY_USER, &a, NULL));
    EXPECT_OK(nkey_generate(NKEY_USER, &b, NULL));
    nkey_public p = nkey_public_of(a), q = nkey_public_of(b);
    EXPECT(!nkey_public_equal(&p, &q));
    nkey_free(a);
    nkey_free(b);
}

static void expect_bad_public(const char *text, const char *why) {
    nkey_public k = {.kind = (nkey_kind)NKEY_KIND_COUNT};
    err e = {0};
    EXPECT_STATUS(nkey_public_parse(slice_from_text(text), &k, &e), STATUS_INVALID);
    EXPECT_EQ(k.kind, NKEY_KIND_COUNT);
    EXPECT_CONTAINS(e.message, why);
    EXPECT(strlen(text) < 20 || strstr(e.message, text + 2) == NULL);
}

TEST(each_way_to_be_no_public_key_has_its_message) {
    expect_bad_public("", "56 characters; this has 0");
    expect_bad_public("ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRT", "this has 55");
    expect_bad_public("ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTUA", "this has 57");
    expect_bad_public("ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTV", "checksum");
    expect_bad_public("AELVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU", "checksum");
    expect_bad_public("MDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU", "checksum");
    expect_bad_public("adlvvgabqkyqvn6vjp7nhslea45a5yls6pnkmizfv4bbu2hxa5irvrtu", "upper case");
    expect_bad_public("ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRT1", "character 56");
    expect_bad_public("ADLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVR==", "character 55");
    expect_bad_public(vectors[0].seed_text, "begins like a seed");
    expect_bad_public(" DLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRVRTU", "character 1");
}

static void expect_bad_seed(const char *text, const char *why) {
    nkey *k = NULL;
    err e = {0};
    EXPECT_STATUS(nkey_from_seed_text(slice_from_text(text), &k, &e), STATUS_INVALID);
    EXPECT(k == NULL);
    EXPECT_CONTAINS(e.message, why);
    EXPECT(strlen(text) < 20 || strstr(e.message, text + 2) == NULL);
    nkey_free(k);
}

TEST(each_way_to_be_no_seed_has_its_message) {
    expect_bad_seed("", "58 characters; this has 0");
    expect_bad_seed(" \n", "this has 0");
    expect_bad_seed("SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY3QA", "this has 59");
    expect_bad_seed("SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY3", "this has 57");
    expect_bad_seed("SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHYZQ", "checksum");
    expect_bad_seed("SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY3R", "sets bits");
    expect_bad_seed("saaj2ynrtxx72wtaxkcev5es5qwmircjyvuxwmtjdfydxladdsxh6yhy3q", "upper case");
    expect_bad_seed("SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY30", "character 58");
    expect_bad_seed(vectors[0].public_text, "looks like a public key");
}

TEST(white_space_around_a_seed_is_ignored) {
    nkey *k = NULL;
    char text[80];
    snprintf(text, sizeof text, "\t %s\r\n", vectors[2].seed_text);
    EXPECT_OK(nkey_from_seed_text(slice_from_text(text), &k, NULL));
    nkey_free(k);
}

// Their checksums are right.
TEST(unknown_kinds_are_refused) {
    expect_bad_public("BCOWDMM5576VUYF2QRFPJEXMFTCEISOFNF5TE2IZOA52YAY4VZ7WA3Y2", "begins with the letter");
    expect_bad_public("AGOWDMM5576VUYF2QRFPJEXMFTCEISOFNF5TE2IZOA52YAY4VZ7WBV5Z", "begins with the letter");
    expect_bad_public("PCOWDMM5576VUYF2QRFPJEXMFTCEISOFNF5TE2IZOA52YAY4VZ7WANU4", "begins with the letter");
    expect_bad_public("76OWDMM5576VUYF2QRFPJEXMFTCEISOFNF5TE2IZOA52YAY4VZ7WAQ6L", "begins with the letter");
    expect_bad_seed("SAEJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YE46I", "second letter");
    expect_bad_seed("SAAZ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YBEKE", "second letter");
    expect_bad_seed("SEAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YG5IA", "second letter");
    expect_bad_seed("TAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YCUPU", "begins with S");
}

// --- sealing -----------------------------------------------------------------------------------------------

// Sealed by nkeys of NATS (Go, 0.4.7) from the first key to the second.
#define XKEY_SEED_A "SXAP2NPDOIJYHIYUKFEUZXKANQFDRENY7BP7US3JCB3ONINSFMBNBQVDUA"
#define XKEY_SEED_B "SXADH2A7QWB7T3VZYSLYH5ULQTEVV7YNXPYKNNEOUHI2BXXQXB4TLIVV5Y"
#define XKEY_PUBLIC_A "XD2BVQNEK2JLN5T23CGHFZEHABGQQMZL7OFQGMXYTWPDLOHEJEWU3YPX"
#define XKEY_PUBLIC_B "XA6TPNGJPH3SMQNZEZN3G3TVQKK3XVRISQBXTOKWIDFAE7IGPU3CFYD5"
#define XKEY_PLAIN "{\"token\":{\"kind\":\"String\",\"value\":\"hush\"}}"
static const char xkey_sealed[] =
    "786b763175005fe6d09075e2f88c49a1176063fd17791060913162718b4ad0c56ec3002447d85eac241ad48735918fb3e3f60ff3"
    "38cc6fea809cfa26241b3563af009f3247c3df7d0b0ba47b239eb4228d80b7361a81";

static nkey *key_of(const char *seed) {
    nkey *k = NULL;
    EXPECT_OK(nkey_from_seed_text(slice_from_text(seed), &k, NULL));
    return k;
}

TEST(curve_keys_open_what_others_have_sealed) {
    uint8_t sealed[sizeof xkey_sealed / 2];
    nkey *a = key_of(XKEY_SEED_A), *b = key_of(XKEY_SEED_B);
    nkey_public from = nkey_public_of(a), to = nkey_public_of(b);
    EXPECT_TEXT(nkey_public_text(&from).text, XKEY_PUBLIC_A);
    EXPECT_TEXT(nkey_public_text(&to).text, XKEY_PUBLIC_B);
    for (size_t i = 0; i < sizeof sealed; i++) {
        unsigned byte = 0;
        (void)sscanf(xkey_sealed + 2 * i, "%2x", &byte);
        sealed[i] = (uint8_t)byte;
    }
    auto_secret plain = {0};
    EXPECT_OK(nkey_open(b, &from, slice_of(sealed, sizeof sealed), &plain, NULL));
    EXPECT_BYTES(secret_slice(&plain), slice_from_text(XKEY_PLAIN));
    secret other = {0};
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 1;
        EXPECT_STATUS(nkey_open(b, &from, slice_of(sealed, sizeof sealed), &other, NULL), STATUS_DENIED);
        EXPECT_STATUS(nkey_open(b, &from, slice_of(sealed, i), &other, NULL), STATUS_DENIED);
        sealed[i] ^= 1;
    }
    EXPECT_STATUS(nkey_open(b, &to, slice_of(sealed, sizeof sealed), &other, NULL), STATUS_DENIED);
    EXPECT(other.data == NULL);
    nkey_free(a);
    nkey_free(b);
}

TEST(what_a_curve_key_seals_only_the_other_opens) {
    nkey *a = key_of(XKEY_SEED_A), *b = key_of(XKEY_SEED_B), *account = NULL, *stranger = NULL;
    EXPECT_OK(nkey_generate(NKEY_ACCOUNT, &account, NULL));
    EXPECT_OK(nkey_generate(NKEY_CURVE, &stranger, NULL));
    nkey_public from = nkey_public_of(a), to = nkey_public_of(b), wrong = nkey_public_of(account);
    auto_buf sealed = {0};
    buf_init(&sealed, 1000);
    EXPECT_OK(nkey_seal(a, &to, slice_from_text("hush"), &sealed, NULL));
    EXPECT_EQ(sealed.len, 4 + NKEY_SEAL_OVERHEAD_BYTES);
    auto_secret plain = {0};
    secret other = {0};
    EXPECT_OK(nkey_open(b, &from, buf_slice(&sealed), &plain, NULL));
    EXPECT_BYTES(secret_slice(&plain), slice_from_text("hush"));
    EXPECT_STATUS(nkey_open(stranger, &from, buf_slice(&sealed), &other, NULL), STATUS_DENIED);
    EXPECT_STATUS(nkey_open(account, &from, buf_slice(&sealed), &other, NULL), STATUS_UNSUPPORTED);
    EXPECT_STATUS(nkey_seal(a, &wrong, slice_from_text("hush"), &sealed, NULL), STATUS_UNSUPPORTED);
    const nkey_public zero = {.kind = NKEY_CURVE};
    EXPECT_STATUS(nkey_seal(a, &zero, slice_from_text("hush"), &sealed, NULL), STATUS_INVALID);
    EXPECT_EQ(sealed.len, 4 + NKEY_SEAL_OVERHEAD_BYTES);
    uint8_t room[2000] = {0};
    EXPECT_STATUS(nkey_seal(a, &to, slice_of(room, sizeof room), &sealed, NULL), STATUS_LIMIT);
    EXPECT_EQ(sealed.len, 4 + NKEY_SEAL_OVERHEAD_BYTES);
    nkey_free(a);
    nkey_free(b);
    nkey_free(account);
    nkey_free(stranger);
}
