// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "identity/key_store.h"

typedef struct place {
    char path[64];
    char keys[80];
    char file[120];
    key_store *store;
    int asked;
} place;

static place place_new(void) {
    place p = {.path = "/tmp/writ-keys-XXXXXX"};
    EXPECT(mkdtemp(p.path) != NULL);
    snprintf(p.keys, sizeof p.keys, "%s/keys", p.path);
    err e;
    EXPECT_STATUS_ERR(key_store_open(p.keys, true, &p.store, &e), STATUS_OK, e);
    return p;
}

static void place_done(place *p) {
    key_store_close(p->store);
    DIR *d = opendir(p->keys);
    for (struct dirent *f; d != NULL && (f = readdir(d)) != NULL;) {
        (void)unlinkat(dirfd(d), f->d_name, 0);
    }
    closedir(d);
    (void)unlink(p->file);
    EXPECT(rmdir(p->keys) == 0 && rmdir(p->path) == 0);
}

static const char *file_of(place *p, const char *name) {
    snprintf(p->file, sizeof p->file, "%s/%s", p->keys, name);
    return p->file;
}

static status answer(void *context, const char *what, secret *ret, err *e) {
    place *p = context;
    p->asked++;
    EXPECT(what[0] != '\0');
    TRY(secret_new(6, ret, e));
    memcpy(ret->data, "sesame", 6);
    return STATUS_OK;
}

static nkey *make(nkey_kind kind) {
    nkey *k = NULL;
    EXPECT_OK(nkey_generate(kind, &k, NULL));
    return k;
}

static bool loads_as(place *p, const char *name, const nkey *k) {
    nkey *loaded = NULL;
    err e = {0};
    key_asker asker = {answer, p};
    EXPECT_STATUS_ERR(key_store_load(p->store, name, &asker, &loaded, &e), STATUS_OK, e);
    if (loaded == NULL) {
        return false;
    }
    nkey_public a = nkey_public_of(k), b = nkey_public_of(loaded);
    nkey_free(loaded);
    return nkey_public_equal(&a, &b);
}

TEST(keys_are_saved_and_loaded) {
    place p = place_new();
    nkey *plain = make(NKEY_ACCOUNT), *sealed = make(NKEY_MODULE);
    err e;
    EXPECT_STATUS_ERR(key_store_save(p.store, "plain", plain, slice_empty(), false, &e), STATUS_OK, e);
    EXPECT_OK(key_store_save(p.store, "sealed", sealed, slice_from_text("sesame"), false, &e));
    EXPECT(loads_as(&p, "plain", plain));
    EXPECT_EQ(p.asked, 0);
    EXPECT(loads_as(&p, "sealed", sealed));
    EXPECT_EQ(p.asked, 1);
    struct stat st;
    EXPECT(stat(file_of(&p, "plain.nk"), &st) == 0 && (st.st_mode & 07777) == 0600);
    EXPECT_EQ(st.st_size, NKEY_SEED_TEXT_LEN);
    EXPECT(stat(file_of(&p, "sealed.nk.enc"), &st) == 0 && (st.st_mode & 07777) == 0600);
    EXPECT(stat(p.keys, &st) == 0 && (st.st_mode & 07777) == 0700);
    nkey_free(plain);
    nkey_free(sealed);
    place_done(&p);
}

TEST(a_name_is_not_taken_twice_unless_asked_for) {
    place p = place_new();
    nkey *first = make(NKEY_ACCOUNT), *second = make(NKEY_ACCOUNT);
    err e;
    EXPECT_OK(key_store_save(p.store, "a", first, slice_empty(), false, &e));
    EXPECT_STATUS(key_store_save(p.store, "a", second, slice_empty(), false, &e), STATUS_EXISTS);
    EXPECT_STATUS(key_store_save(p.store, "a", second, slice_from_text("sesame"), false, &e), STATUS_EXISTS);
    EXPECT(loads_as(&p, "a", first));
    EXPECT_OK(key_store_save(p.store, "a", second, slice_from_text("sesame"), true, &e));
    EXPECT(access(file_of(&p, "a.nk"), F_OK) != 0);
    EXPECT(loads_as(&p, "a", second));
    EXPECT_OK(key_store_save(p.store, "a", first, slice_empty(), true, &e));
    EXPECT(access(file_of(&p, "a.nk.enc"), F_OK) != 0);
    EXPECT(loads_as(&p, "a", first));
    key_store_entry *all = NULL;
    size_t count = 0;
    EXPECT_OK(key_store_list(p.store, &all, &count, &e));
    EXPECT_EQ(count, 1);
    mem_free(all);
    nkey_free(first);
    nkey_free(second);
    place_done(&p);
}

TEST(names_are_checked) {
    static const char *const good[] = {"a", "A-1.b_c", "_", "0"};
    static const char *const bad[] = {"", ".a", "-a", "a/b", "..", "a b", "\xc3\xa4", "a\n"};
    char longest[KEY_NAME_BYTES_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    err e;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        EXPECT_OK(key_name_check(good[i], &e));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT_STATUS(key_name_check(bad[i], &e), STATUS_INVALID);
    }
    EXPECT_STATUS(key_name_check(longest, &e), STATUS_INVALID);
    EXPECT_OK(key_name_check(longest + 1, &e));
    const char *seed = "SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY3Q";
    EXPECT_STATUS(key_name_check(seed, &e), STATUS_INVALID);
    EXPECT(strstr(e.message, "J2YN") == NULL);
}

static void put(place *p, const char *name, const char *text, mode_t mode) {
    int fd = open(file_of(p, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0);
    close(fd);
}

TEST(all_are_listed_even_when_some_are_broken) {
    place p = place_new();
    nkey *k = make(NKEY_OPERATOR);
    err e;
    EXPECT_OK(key_store_save(p.store, "good", k, slice_empty(), false, &e));
    put(&p, "b-open.nk", "SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY3Q\n", 0644);
    put(&p, "a-broken.nk", "SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHYZQ\n", 0600);
    put(&p, "readme.txt", "notes", 0644);
    put(&p, ".hidden.nk", "notes", 0644);
    key_store_entry *all = NULL;
    size_t count = 0;
    EXPECT_OK(key_store_list(p.store, &all, &count, &e));
    EXPECT_EQ(count, 3);
    if (count == 3) {
        EXPECT_TEXT(all[0].name, "a-broken");
        EXPECT_CONTAINS(all[0].problem, "checksum");
        EXPECT_TEXT(all[1].name, "b-open");
        EXPECT_CONTAINS(all[1].problem, "chmod 600");
        EXPECT_TEXT(all[2].name, "good");
        nkey_public a = nkey_public_of(k);
        EXPECT(all[2].is_good && nkey_public_equal(&a, &all[2].public_key));
    }
    mem_free(all);
    nkey_free(k);
    place_done(&p);
}

TEST(a_bad_key_file_is_refused_without_its_content) {
    place p = place_new();
    nkey *k = NULL;
    err e;
    key_asker asker = {answer, &p};
    EXPECT_STATUS(key_store_load(p.store, "a", &asker, &k, &e), STATUS_NOT_FOUND);
    put(&p, "a.nk", "SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHY3Q\n", 0640);
    EXPECT_STATUS(key_store_load(p.store, "a", &asker, &k, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "chmod 600");
    EXPECT_STATUS(key_file_load_path(p.file, &asker, &k, &e), STATUS_DENIED);
    put(&p, "a.nk", "SAAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YHYZQ\n", 0600);
    EXPECT_STATUS(key_store_load(p.store, "a", &asker, &k, &e), STATUS_INVALID);
    EXPECT(strstr(e.message, "J2YN") == NULL);
    char large[5000];
    memset(large, ' ', sizeof large);
    large[sizeof large - 1] = '\0';
    put(&p, "a.nk", large, 0600);
    EXPECT_STATUS(key_store_load(p.store, "a", &asker, &k, &e), STATUS_LIMIT);
    put(&p, "a.nk.enc", "x", 0600);
    EXPECT_STATUS(key_store_load(p.store, "a", &asker, &k, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "two keys");
    EXPECT(k == NULL);
    place_done(&p);
}

TEST(a_missing_directory_is_a_store_without_keys) {
    key_store *s = NULL;
    key_store_entry *all = NULL;
    size_t count = 7;
    err e;
    EXPECT_OK(key_store_open("/tmp/writ-there-is-no-such-directory", false, &s, &e));
    EXPECT_OK(key_store_list(s, &all, &count, &e));
    EXPECT_EQ(count, 0);
    key_store_entry one;
    EXPECT_STATUS(key_store_find(s, "a", &one, &e), STATUS_NOT_FOUND);
    key_store_close(s);
}

TEST(an_exported_key_is_a_new_private_file) {
    place p = place_new();
    nkey *k = make(NKEY_CURVE), *loaded = NULL;
    err e;
    key_asker asker = {answer, &p};
    const char *path = file_of(&p, "out");
    EXPECT_OK(key_file_export(path, k, &e));
    EXPECT_STATUS(key_file_export(path, k, &e), STATUS_EXISTS);
    struct stat st;
    EXPECT(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
    EXPECT_OK(key_file_load_path(path, &asker, &loaded, &e));
    nkey_public a = nkey_public_of(k), b = nkey_public_of(loaded);
    EXPECT(nkey_public_equal(&a, &b));
    nkey_free(k);
    nkey_free(loaded);
    place_done(&p);
}
