// SPDX-License-Identifier: Apache-2.0
// Keys and stores as options name them, in a home of the test's own.
#include "cli/key_option.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/key_store.h"
#include "test.h"

static char home[64];

static void make_home(void) {
    snprintf(home, sizeof home, "/tmp/writ-key-option-XXXXXX");
    REQUIRE(mkdtemp(home) != NULL);
    REQUIRE(setenv("WRIT_HOME", home, 1) == 0);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}
static void remove_home(void) { EXPECT_EQ(nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0); }

static const char *in_home(const char *name) {
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", home, name);
    return path;
}

static void write_file(const char *path, const char *text, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    EXPECT_EQ((size_t)write(fd, text, strlen(text)), strlen(text));
    EXPECT_EQ(fchmod(fd, mode), 0);
    close(fd);
}

// The public key of a key that was not there before.
static nkey_public made(const char *name, nkey_kind kind) {
    err e = {0};
    nkey *k = NULL;
    nkey_public found = {0};
    bool is_new = false;
    if (EXPECT_EQ(cli_key_load_or_make(name, kind, NULL, &k, &is_new, &e), STATUS_OK)) {
        EXPECT(is_new);
        found = nkey_public_of(k);
    }
    nkey_free(k);
    return found;
}

// Takes the key that a call gave, if it did.
static bool is_key(status s, nkey **k, const nkey_public *wanted) {
    nkey_public found = {0};
    if (s == STATUS_OK) {
        found = nkey_public_of(*k);
        nkey_free(*k);
    }
    return s == STATUS_OK && nkey_public_equal(&found, wanted);
}

TEST(a_directory_is_the_named_one_or_the_users) {
    make_home();
    err e = {0};
    auto_buf path = {0}, other = {0};
    EXPECT_EQ(cli_keys_directory(NULL, &path, &e), STATUS_OK);
    EXPECT_TEXT(buf_text(&path), in_home("keys"));
    EXPECT_EQ(cli_keys_directory("./elsewhere", &other, &e), STATUS_OK);
    EXPECT_TEXT(buf_text(&other), "./elsewhere");
    remove_home();
}

TEST(a_key_is_made_once_and_found_by_name_or_path) {
    make_home();
    err e = {0};
    nkey *k = NULL;
    bool is_new = true;
    nkey_public first = made("web.module", NKEY_MODULE);
    EXPECT(is_key(cli_key_load_or_make("web.module", NKEY_MODULE, NULL, &k, &is_new, &e), &k, &first));
    EXPECT(!is_new);
    EXPECT(is_key(cli_key_load("web.module", NULL, NULL, &k, &e), &k, &first));
    EXPECT(is_key(cli_key_load(in_home("keys/web.module.nk"), NULL, NULL, &k, &e), &k, &first));
    EXPECT_EQ(cli_key_load("other", NULL, NULL, &k, &e), STATUS_NOT_FOUND);
    EXPECT_EQ(cli_key_load(in_home("keys/other.nk"), NULL, NULL, &k, &e), STATUS_NOT_FOUND);
    // A path is never made, and neither is a key of another kind used.
    EXPECT_EQ(cli_key_load_or_make(in_home("keys/new.nk"), NKEY_MODULE, NULL, &k, &is_new, &e),
              STATUS_NOT_FOUND);
    EXPECT_EQ(cli_key_load_or_make("web.module", NKEY_SERVICE, NULL, &k, &is_new, &e), STATUS_INVALID);
    EXPECT(strstr(e.message, "of kind module") != NULL);
    remove_home();
}

TEST(an_issuer_is_an_account) {
    make_home();
    err e = {0};
    nkey *k = NULL;
    nkey_public boss = made("boss", NKEY_OPERATOR);
    EXPECT_EQ(boss.kind, NKEY_OPERATOR);
    EXPECT_EQ(cli_issuer_load(NULL, NULL, NULL, &k, &e), STATUS_NOT_FOUND);
    EXPECT(strstr(e.message, "writ keys gen account") != NULL);
    EXPECT_EQ(cli_issuer_load("missing", NULL, NULL, &k, &e), STATUS_NOT_FOUND);
    EXPECT_EQ(cli_issuer_load("boss", NULL, NULL, &k, &e), STATUS_INVALID);
    nkey_public usual = made("account", NKEY_ACCOUNT), named = made("acme", NKEY_ACCOUNT);
    EXPECT(is_key(cli_issuer_load(NULL, NULL, NULL, &k, &e), &k, &usual));
    EXPECT(is_key(cli_issuer_load("acme", NULL, NULL, &k, &e), &k, &named));
    remove_home();
}

TEST(a_public_key_is_a_text_or_a_name) {
    make_home();
    err e = {0};
    nkey_public account = made("acme", NKEY_ACCOUNT), module = made("web", NKEY_MODULE), found;
    nkey_text text = nkey_public_text(&account);
    EXPECT_EQ(cli_public_key(text.text, NULL, &found, &e), STATUS_OK);
    EXPECT(nkey_public_equal(&found, &account));
    EXPECT_EQ(cli_public_key("acme", NULL, &found, &e), STATUS_OK);
    EXPECT(nkey_public_equal(&found, &account));
    EXPECT_EQ(cli_public_key("other", NULL, &found, &e), STATUS_NOT_FOUND);
    text.text[20] = text.text[20] == 'A' ? 'B' : 'A';
    EXPECT_EQ(cli_public_key(text.text, NULL, &found, &e), STATUS_INVALID); // mistyped, and no name
    EXPECT(strstr(e.message, text.text) == NULL);
    EXPECT_EQ(cli_check_believable("acme", &e), STATUS_OK);
    EXPECT_EQ(cli_check_believable("web", &e), STATUS_INVALID);
    EXPECT_EQ(module.kind, NKEY_MODULE);
    remove_home();
}

TEST(a_trust_store_that_is_named_must_be_there) {
    make_home();
    err e = {0};
    trust_store *s = NULL;
    EXPECT_EQ(cli_trust_load(in_home("missing.json"), &s, &e), STATUS_NOT_FOUND);
    EXPECT_EQ(cli_trust_load(NULL, &s, &e), STATUS_OK); // the user's own: nobody is believed
    trust_store_free(s);
    write_file(in_home("trust.json"), "{}", 0600);
    EXPECT(cli_trust_load(NULL, &s, &e) != STATUS_OK);
    EXPECT(cli_trust_load(in_home("trust.json"), &s, &e) != STATUS_OK);
    write_file(in_home("trust.json"), "{\"version\": 1, \"issuers\": []}", 0600);
    EXPECT_EQ(cli_trust_load(in_home("trust.json"), &s, &e), STATUS_OK);
    trust_store_free(s);
    remove_home();
}

TEST(a_passphrase_is_the_first_line_of_a_private_file) {
    static const struct {
        const char *content;
        const char *passphrase; // NULL: refused
    } rows[] = {{"open\n", "open"}, {"open", "open"}, {"a b\r\nmore\n", "a b"},
                {" x \n", " x "},   {"", NULL},       {"\nsecond\n", NULL},
                {"\r\n", NULL}};
    make_home();
    err e = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        auto_secret found = {0};
        write_file(in_home("p"), rows[i].content, 0600);
        status s = cli_read_passphrase(in_home("p"), "acme", false, &found, &e);
        EXPECT_EQ(s, rows[i].passphrase != NULL ? STATUS_OK : STATUS_INVALID);
        EXPECT(s != STATUS_OK || slice_equal_text(secret_slice(&found), rows[i].passphrase));
    }
    char line[1100];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\0';
    auto_secret long_one = {0};
    write_file(in_home("p"), line, 0600);
    EXPECT_EQ(cli_read_passphrase(in_home("p"), "acme", false, &long_one, &e), STATUS_INVALID);
    write_file(in_home("p"), "open\n", 0644);
    EXPECT_EQ(cli_read_passphrase(in_home("p"), "acme", false, &long_one, &e), STATUS_DENIED);
    remove_home();
}
