// SPDX-License-Identifier: Apache-2.0
#include "secrets/settings.h"

#include "test.h"

static status set(secret_settings *s, const char *name, const char *value) {
    err e = {0};
    status code = secret_settings_set(s, slice_from_text(name), slice_from_text(value), &e);
    EXPECT(code == STATUS_OK || e.message[0] != '\0');
    return code;
}

TEST(addresses_of_servers) {
    static const char *const good[] = {"https://vault.example",  "https://vault.example:8200",
                                       "https://10.0.0.1:8200/", "https://[2001:db8::1]:8200/behind/a/proxy",
                                       "http://127.0.0.1:8200",  "http://localhost",
                                       "http://[::1]:1"};
    static const char *const bad[] = {"",
                                      "vault.example",
                                      "ftp://vault.example",
                                      "http://vault.example",
                                      "http://10.0.0.1",
                                      "https://",
                                      "https:///x",
                                      "https://user:pw@vault.example",
                                      "https://vault.example/a?b",
                                      "https://vault.example/../x",
                                      "https://vault.example/a b",
                                      "http://127.0.0.1.example",
                                      "https://a:b"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        secret_settings s;
        secret_settings_init(&s, SECRET_BACKEND_VAULT);
        EXPECT_EQ(set(&s, "address", good[i]), STATUS_OK);
        secret_settings_done(&s);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        secret_settings s;
        secret_settings_init(&s, SECRET_BACKEND_VAULT);
        if (set(&s, "address", bad[i]) != STATUS_INVALID) {
            printf("    %s\n", bad[i]);
            EXPECT(false);
        }
        secret_settings_done(&s);
    }
}

TEST(what_goes_together) {
    secret_settings s;
    secret_settings_init(&s, SECRET_BACKEND_VAULT);
    EXPECT_EQ(secret_settings_check(&s, NULL), STATUS_INVALID); // no address
    EXPECT_OK(set(&s, "address", "https://v"));
    EXPECT_EQ(secret_settings_check(&s, NULL), STATUS_INVALID); // no token
    EXPECT_OK(set(&s, "token-secret", "bao:token"));
    EXPECT_OK(secret_settings_check(&s, NULL));
    EXPECT_TEXT(s.credential_key, "bao");
    EXPECT_TEXT(s.credential_field, "token");
    EXPECT_OK(set(&s, "token-file", "t"));
    EXPECT_EQ(secret_settings_check(&s, NULL), STATUS_INVALID); // two
    secret_settings_done(&s);
    secret_settings_init(&s, SECRET_BACKEND_VAULT);
    EXPECT_OK(set(&s, "address", "https://v"));
    EXPECT_OK(set(&s, "auth", "approle"));
    EXPECT_OK(set(&s, "secret-id-file", "s"));
    EXPECT_EQ(secret_settings_check(&s, NULL), STATUS_INVALID); // no role
    EXPECT_OK(set(&s, "role", "r"));
    EXPECT_OK(secret_settings_check(&s, NULL));
    EXPECT_OK(set(&s, "token-file", "t")); // of another method
    EXPECT_EQ(secret_settings_check(&s, NULL), STATUS_INVALID);
    secret_settings_done(&s);
    secret_settings_init(&s, SECRET_BACKEND_VAULT);
    EXPECT_OK(set(&s, "address", "https://v"));
    EXPECT_OK(set(&s, "auth", "kubernetes"));
    EXPECT_OK(set(&s, "role", "r"));
    EXPECT_OK(secret_settings_check(&s, NULL));
    EXPECT_CONTAINS(secret_settings_credential_file(&s), "serviceaccount");
    secret_settings_done(&s);
    secret_settings_init(&s, SECRET_BACKEND_KUBERNETES);
    EXPECT_EQ(secret_settings_check(&s, NULL), STATUS_INVALID);
    EXPECT_OK(set(&s, "directory", "/run/secrets"));
    EXPECT_OK(secret_settings_check(&s, NULL));
    EXPECT_EQ(set(&s, "address", "https://v"), STATUS_NOT_FOUND);
    secret_settings_done(&s);
}

TEST(spans_of_time_are_bounded) {
    secret_settings s;
    secret_settings_init(&s, SECRET_BACKEND_VAULT);
    EXPECT_U64(s.pause_ns, 30000000000);
    EXPECT_OK(set(&s, "refresh", "100ms"));
    EXPECT_U64(s.pause_ns, 100000000);
    EXPECT_OK(set(&s, "keep", "0s"));
    EXPECT_EQ(set(&s, "refresh", "10ms"), STATUS_INVALID);
    EXPECT_EQ(set(&s, "refresh", "soon"), STATUS_INVALID);
    EXPECT_EQ(set(&s, "timeout", "2h"), STATUS_INVALID);
    secret_settings_done(&s);
}

TEST(names_are_those_of_each_backend) {
    static const struct {
        secret_backend_kind kind;
        const char *what, *name;
        status expected;
    } cases[] = {
        {SECRET_BACKEND_SEALED, "key", "team/db", STATUS_OK},
        {SECRET_BACKEND_SEALED, "key", "a b", STATUS_INVALID},
        {SECRET_BACKEND_SEALED, "version", "7", STATUS_OK},
        {SECRET_BACKEND_SEALED, "version", "0", STATUS_INVALID},
        {SECRET_BACKEND_KUBERNETES, "key", "db", STATUS_OK},
        {SECRET_BACKEND_KUBERNETES, "key", "team/db", STATUS_INVALID},
        {SECRET_BACKEND_KUBERNETES, "version", "1", STATUS_INVALID},
        {SECRET_BACKEND_VAULT, "key", "team/db", STATUS_OK},
        {SECRET_BACKEND_VAULT, "key", "team/../db", STATUS_INVALID},
        {SECRET_BACKEND_VAULT, "key", "/db", STATUS_INVALID},
        {SECRET_BACKEND_VAULT, "key", "db?version=1", STATUS_INVALID},
        {SECRET_BACKEND_VAULT, "key", "db%2f", STATUS_INVALID},
        {SECRET_BACKEND_VAULT, "field", "any text", STATUS_OK},
        {SECRET_BACKEND_VAULT, "field", "a\nb", STATUS_INVALID},
        {SECRET_BACKEND_VAULT, "version", "3", STATUS_OK},
        {SECRET_BACKEND_VAULT, "version", "latest", STATUS_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        err e = {0};
        EXPECT_EQ(
            secret_settings_check_name(cases[i].kind, cases[i].what, slice_from_text(cases[i].name), &e),
            cases[i].expected);
        EXPECT(strstr(e.message, cases[i].name) == NULL || cases[i].expected == STATUS_OK ||
               strlen(cases[i].name) < 4); // it may be a value in the wrong place
    }
}
