// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/secret_file.h"
#include "identity/secret_store.h"
#include "marker.h"

enum { NOW = 1700000000, FILE_BYTES_MAX = 4096 };

typedef struct place {
    char path[64];
    char file[120];
    secret_store *store;
    key_asker asker;
    const char *answer; // to who asks for a passphrase
    int asked;
} place;

static status answer(void *context, const char *what, secret *ret, err *e) {
    place *p = context;
    p->asked++;
    EXPECT(what[0] != '\0');
    TRY(secret_new(strlen(p->answer), ret, e));
    memcpy(ret->data, p->answer, ret->len);
    return STATUS_OK;
}

static status place_open(place *p, bool make, err *e) {
    const secret_store_options o = {.directory = p->path, .asker = &p->asker, .make = make};
    secret_store_close(p->store);
    p->store = NULL;
    return secret_store_open(&o, &p->store, e);
}

static void place_init(place *p) {
    *p = (place){.path = "/tmp/writ-secrets-XXXXXX", .answer = "sesame"};
    p->asker = (key_asker){answer, p};
    EXPECT(mkdtemp(p->path) != NULL);
}

static void place_new(place *p) {
    err e;
    place_init(p);
    EXPECT_STATUS_ERR(place_open(p, true, &e), STATUS_OK, e);
}

static void place_done(place *p) {
    secret_store_close(p->store);
    DIR *d = opendir(p->path);
    for (struct dirent *f; d != NULL && (f = readdir(d)) != NULL;) {
        (void)unlinkat(dirfd(d), f->d_name, 0);
    }
    closedir(d);
    EXPECT(rmdir(p->path) == 0);
}

static const char *file_of(place *p, const char *name) {
    snprintf(p->file, sizeof p->file, "%s/%s", p->path, name);
    return p->file;
}

static size_t file_read(place *p, const char *name, uint8_t ret[FILE_BYTES_MAX]) {
    FILE *f = fopen(file_of(p, name), "rb");
    size_t len = f != NULL ? fread(ret, 1, FILE_BYTES_MAX, f) : 0;
    if (f != NULL) {
        fclose(f);
    }
    return len;
}

static void file_write(place *p, const char *name, const uint8_t *bytes, size_t len) {
    FILE *f = fopen(file_of(p, name), "wb");
    EXPECT(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
    EXPECT(chmod(p->file, 0600) == 0);
}

static status put_field(place *p, const char *name, const char *field, const char *value, uint64_t overlap_s,
                        uint64_t now_s, uint64_t *ret, err *e) {
    const secret_change c = {.name = name,
                             .field = field,
                             .kind = SECRET_TEXT,
                             .value = slice_from_text(value),
                             .overlap_s = overlap_s};
    return secret_store_put(p->store, &c, now_s, ret, e);
}

static uint64_t put(place *p, const char *name, const char *value) {
    uint64_t version = 0;
    err e;
    EXPECT_STATUS_ERR(put_field(p, name, NULL, value, 0, NOW, &version, &e), STATUS_OK, e);
    return version;
}

static bool is_value(place *p, const char *name, const char *field, uint64_t version, uint64_t now_s,
                     const char *expected) {
    auto_secret_value v = {0};
    status s = secret_store_get(p->store, name, field, version, now_s, &v, NULL);
    return expected == NULL ? s == STATUS_NOT_FOUND
                            : s == STATUS_OK && slice_equal_text(secret_slice(&v.bytes), expected);
}

TEST(a_value_comes_back) {
    place p;
    place_new(&p);
    put(&p, "db/password", "hunter2");
    put(&p, "api", "k-1");
    EXPECT(is_value(&p, "db/password", NULL, 0, NOW, "hunter2"));
    EXPECT(is_value(&p, "api", NULL, 0, NOW, "k-1"));
    EXPECT(is_value(&p, "ap", NULL, 0, NOW, NULL));
    EXPECT_OK(place_open(&p, false, NULL));
    EXPECT(is_value(&p, "db/password", NULL, 0, NOW, "hunter2"));
    EXPECT_OK(secret_store_remove(p.store, "api", 0, NOW, NULL));
    EXPECT(is_value(&p, "api", NULL, 0, NOW, NULL));
    EXPECT_STATUS(secret_store_remove(p.store, "api", 0, NOW, NULL), STATUS_NOT_FOUND);
    EXPECT_EQ(secret_store_content(p.store)->record_count, 1);
    place_done(&p);
}

TEST(a_store_that_is_not_there_has_no_secrets) {
    place p;
    place_init(&p);
    EXPECT(rmdir(p.path) == 0);
    EXPECT_OK(place_open(&p, false, NULL));
    EXPECT(is_value(&p, "api", NULL, 0, NOW, NULL));
    EXPECT_EQ(secret_store_content(p.store)->record_count, 0);
    EXPECT_STATUS(secret_store_remove(p.store, "api", 0, NOW, NULL), STATUS_NOT_FOUND);
    EXPECT(access(p.path, F_OK) != 0);
    EXPECT(mkdir(p.path, 0700) == 0);
    EXPECT_OK(place_open(&p, false, NULL));
    place_done(&p);
}

TEST(nothing_of_a_value_is_on_the_disk) {
    place p;
    uint8_t bytes[FILE_BYTES_MAX];
    struct stat st;
    static const char *const files[] = {"store", "key", "key.seen"};
    place_new(&p);
    put(&p, "api", "correct horse battery");
    for (size_t i = 0; i < 3; i++) {
        size_t len = file_read(&p, files[i], bytes);
        EXPECT(len > 0 && memmem(bytes, len, "correct", 7) == NULL && memmem(bytes, len, "horse", 5) == NULL);
        EXPECT(stat(p.file, &st) == 0 && (st.st_mode & 0777) == 0600);
    }
    place_done(&p);
}

TEST(a_version_before_is_given_until_its_time_is_over) {
    place p;
    err e;
    uint64_t first, second, third, fourth;
    place_new(&p);
    first = put(&p, "api", "one");
    EXPECT_OK(put_field(&p, "api", NULL, "two", 3600, NOW, &second, &e));
    EXPECT(first < second);
    EXPECT(is_value(&p, "api", NULL, 0, NOW, "two"));
    EXPECT(is_value(&p, "api", NULL, second, NOW, "two"));
    EXPECT(is_value(&p, "api", NULL, first, NOW + 3599, "one"));
    EXPECT(is_value(&p, "api", NULL, first, NOW + 3600, NULL));
    EXPECT(is_value(&p, "api", NULL, second, NOW + 3600, "two"));
    EXPECT_OK(put_field(&p, "api", NULL, "three", 60, NOW + 10, &third, &e));
    EXPECT_EQ(secret_store_content(p.store)->records[0].version_count, 3);
    EXPECT(is_value(&p, "api", NULL, first, NOW + 20, "one"));
    EXPECT(is_value(&p, "api", NULL, second, NOW + 20, "two"));
    // What is over is not kept.
    EXPECT_OK(put_field(&p, "api", NULL, "four", 60, NOW + 71, &fourth, &e));
    EXPECT(is_value(&p, "api", NULL, second, NOW + 71, NULL));
    EXPECT(is_value(&p, "api", NULL, first, NOW + 71, "one"));
    EXPECT(is_value(&p, "api", NULL, third, NOW + 71, "three"));
    EXPECT_EQ(secret_store_content(p.store)->records[0].version_count, 3);
    // One version may go early; the newest may not.
    EXPECT_STATUS(secret_store_remove(p.store, "api", fourth, NOW + 72, &e), STATUS_INVALID);
    EXPECT_OK(secret_store_remove(p.store, "api", first, NOW + 72, &e));
    EXPECT(is_value(&p, "api", NULL, first, NOW + 72, NULL));
    EXPECT_STATUS(secret_store_remove(p.store, "api", first, NOW + 72, &e), STATUS_NOT_FOUND);
    // Without an overlap all before end at once.
    EXPECT_OK(put_field(&p, "api", NULL, "five", 0, NOW + 72, &second, &e));
    EXPECT(is_value(&p, "api", NULL, third, NOW + 72, NULL) &&
           is_value(&p, "api", NULL, fourth, NOW + 72, NULL));
    EXPECT_EQ(secret_store_content(p.store)->records[0].version_count, 1);
    place_done(&p);
}

TEST(a_number_is_never_used_twice) {
    place p;
    place_new(&p);
    uint64_t first = put(&p, "api", "one");
    EXPECT_OK(secret_store_remove(p.store, "api", 0, NOW, NULL));
    EXPECT(put(&p, "api", "other") > first);
    EXPECT(is_value(&p, "api", NULL, first, NOW, NULL));
    place_done(&p);
}

TEST(fields_of_a_version_belong_together) {
    place p;
    err e;
    uint64_t both, changed;
    place_new(&p);
    EXPECT_OK(put_field(&p, "db", "user", "ann", 0, NOW, &both, &e));
    EXPECT_OK(put_field(&p, "db", "password", "one", 0, NOW, &both, &e));
    EXPECT_OK(put_field(&p, "db", "password", "two", 60, NOW, &changed, &e));
    EXPECT(is_value(&p, "db", "user", 0, NOW, "ann"));
    EXPECT(is_value(&p, "db", "password", 0, NOW, "two"));
    EXPECT(is_value(&p, "db", "password", both, NOW, "one"));
    EXPECT(is_value(&p, "db", "user", both, NOW, "ann"));
    EXPECT(is_value(&p, "db", "pass", 0, NOW, NULL));
    EXPECT(is_value(&p, "db", NULL, 0, NOW, NULL));
    EXPECT_STATUS(put_field(&p, "db", NULL, "x", 0, NOW, &both, &e), STATUS_INVALID);
    put(&p, "api", "k");
    EXPECT_STATUS(put_field(&p, "api", "a", "x", 0, NOW, &both, &e), STATUS_INVALID);
    place_done(&p);
}

TEST(bytes_are_told_from_text) {
    place p;
    err e;
    uint64_t version;
    secret_change c = {.name = "b", .kind = SECRET_TEXT, .value = slice_of("\xff\x00", 2)};
    place_new(&p);
    EXPECT_STATUS(secret_store_put(p.store, &c, NOW, &version, &e), STATUS_INVALID);
    EXPECT_CONTAINS(e.message, "--bytes");
    c.kind = SECRET_BYTES;
    EXPECT_OK(secret_store_put(p.store, &c, NOW, &version, &e));
    auto_secret_value v = {0};
    EXPECT_OK(secret_store_get(p.store, "b", NULL, 0, NOW, &v, &e));
    EXPECT_EQ(v.kind, SECRET_BYTES);
    EXPECT_EQ(v.version, version);
    EXPECT_BYTES(secret_slice(&v.bytes), c.value);
    place_done(&p);
}

TEST(what_is_out_of_bounds_is_refused) {
    static uint8_t large[SECRET_VALUE_BYTES_MAX + 1];
    place p;
    err e;
    uint64_t version;
    char name[SECRET_NAME_BYTES_MAX + 2];
    secret_change c = {.name = "a", .kind = SECRET_BYTES, .value = slice_of(large, sizeof large)};
    place_new(&p);
    EXPECT_STATUS(secret_store_put(p.store, &c, NOW, &version, &e), STATUS_INVALID);
    c.value.len--;
    EXPECT_OK(secret_store_put(p.store, &c, NOW, &version, &e));
    c.value = slice_empty();
    EXPECT_STATUS(secret_store_put(p.store, &c, NOW, &version, &e), STATUS_INVALID);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    EXPECT_STATUS(secret_name_check(name, "a secret", &e), STATUS_INVALID);
    name[SECRET_NAME_BYTES_MAX] = '\0';
    EXPECT_OK(secret_name_check(name, "a secret", &e));
    static const char *const wrong[] = {"", ".a", "/a", "-a", "a b", "a\n", "a:b", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(secret_name_check(wrong[i], "a secret", &e), STATUS_INVALID);
    }
    for (int i = 0; i < SECRET_VERSIONS_MAX - 1; i++) {
        EXPECT_OK(put_field(&p, "a", NULL, "v", 60, NOW, &version, &e));
    }
    EXPECT_STATUS(put_field(&p, "a", NULL, "v", 60, NOW, &version, &e), STATUS_LIMIT);
    EXPECT_OK(put_field(&p, "a", NULL, "v", 60, NOW + 60, &version, &e));
    EXPECT_STATUS(put_field(&p, "a", NULL, "v", UINT64_MAX, NOW, &version, &e), STATUS_INVALID);
    place_done(&p);
}

TEST(a_change_of_any_byte_is_found) {
    place p;
    uint8_t bytes[FILE_BYTES_MAX];
    place_new(&p);
    put(&p, "api", "k");
    put(&p, "db", "l");
    size_t len = file_read(&p, "store", bytes);
    EXPECT(len > 0 && len < sizeof bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 1;
        file_write(&p, "store", bytes, len);
        status s = place_open(&p, false, NULL);
        EXPECT(s == STATUS_DENIED || s == STATUS_INVALID);
        bytes[i] ^= 1;
    }
    for (size_t i = 0; i < len; i += 7) {
        file_write(&p, "store", bytes, i);
        status s = place_open(&p, false, NULL);
        EXPECT(s == STATUS_DENIED || s == STATUS_INVALID);
    }
    file_write(&p, "store", bytes, len);
    EXPECT_OK(place_open(&p, false, NULL));
    place_done(&p);
}

TEST(another_key_opens_nothing_and_none_is_made_instead) {
    place p;
    err e;
    static const uint8_t other[32] = {7};
    place_new(&p);
    put(&p, "api", "k");
    EXPECT(unlink(file_of(&p, "key")) == 0);
    EXPECT_STATUS(place_open(&p, true, &e), STATUS_NOT_FOUND);
    EXPECT_CONTAINS(e.message, "put it back");
    EXPECT(access(p.file, F_OK) != 0);
    file_write(&p, "key", other, sizeof other);
    EXPECT_STATUS(place_open(&p, true, &e), STATUS_DENIED);
    file_write(&p, "key", other, 31);
    EXPECT_STATUS(place_open(&p, true, &e), STATUS_INVALID);
    place_done(&p);
}

TEST(an_older_copy_is_refused) {
    place p;
    err e;
    uint8_t old[FILE_BYTES_MAX], seen[FILE_BYTES_MAX];
    place_new(&p);
    put(&p, "api", "revoked");
    size_t len = file_read(&p, "store", old), seen_len = file_read(&p, "key.seen", seen);
    put(&p, "api", "new");
    file_write(&p, "store", old, len);
    EXPECT_STATUS(place_open(&p, false, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "older copy");
    EXPECT(unlink(file_of(&p, "store")) == 0);
    EXPECT_STATUS(place_open(&p, false, &e), STATUS_DENIED);
    EXPECT_STATUS(place_open(&p, true, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "gone");
    // Where the mark is put back too nothing can tell; as on purpose, by removing it.
    file_write(&p, "store", old, len);
    file_write(&p, "key.seen", seen, seen_len);
    EXPECT_OK(place_open(&p, false, &e));
    EXPECT(unlink(file_of(&p, "key.seen")) == 0);
    EXPECT_OK(place_open(&p, false, &e));
    EXPECT(is_value(&p, "api", NULL, 0, NOW, "revoked"));
    // A mark that somebody made up is no mark.
    for (size_t i = 0; i < seen_len; i++) {
        seen[i] ^= 1;
        file_write(&p, "key.seen", seen, seen_len);
        status s = place_open(&p, false, &e);
        EXPECT(s == STATUS_DENIED || s == STATUS_INVALID);
        seen[i] ^= 1;
    }
    place_done(&p);
}

TEST(files_of_others_are_refused) {
    place p;
    err e;
    static const char *const files[] = {"store", "key", "key.seen"};
    place_new(&p);
    for (size_t i = 0; i < 3; i++) {
        EXPECT(chmod(file_of(&p, files[i]), 0640) == 0);
        EXPECT_STATUS(place_open(&p, false, &e), STATUS_DENIED);
        EXPECT(chmod(p.file, 0600) == 0);
    }
    EXPECT(chmod(p.path, 0770) == 0);
    EXPECT_STATUS(place_open(&p, false, &e), STATUS_DENIED);
    EXPECT(chmod(p.path, 0700) == 0);
    EXPECT_OK(place_open(&p, false, &e));
    place_done(&p);
}

TEST(two_who_change_it_do_not_lose_what_the_other_wrote) {
    place p;
    secret_store *other = NULL;
    const secret_store_options o = {.directory = p.path, .make = true};
    bool changed = false;
    place_new(&p);
    EXPECT_OK(secret_store_open(&o, &other, NULL));
    put(&p, "mine", "1");
    secret_store *mine = p.store;
    p.store = other;
    put(&p, "theirs", "2");
    EXPECT(is_value(&p, "mine", NULL, 0, NOW, "1"));
    p.store = mine;
    EXPECT(is_value(&p, "theirs", NULL, 0, NOW, NULL));
    EXPECT_OK(secret_store_refresh(p.store, &changed, NULL));
    EXPECT(changed && is_value(&p, "theirs", NULL, 0, NOW, "2"));
    EXPECT_OK(secret_store_refresh(p.store, &changed, NULL));
    EXPECT(!changed);
    secret_store_close(other);
    place_done(&p);
}

TEST(under_a_passphrase) {
    place p;
    err e;
    place_init(&p);
    secret_store_options o = {.directory = p.path, .asker = &p.asker, .make = true, .make_asker = &p.asker};
    EXPECT_STATUS_ERR(secret_store_open(&o, &p.store, &e), STATUS_OK, e);
    put(&p, "api", "k");
    EXPECT_EQ(p.asked, 1);
    EXPECT(access(file_of(&p, "key"), F_OK) != 0);
    EXPECT_OK(place_open(&p, false, &e));
    EXPECT_EQ(p.asked, 2);
    EXPECT(is_value(&p, "api", NULL, 0, NOW, "k"));
    p.answer = "simsim";
    EXPECT_STATUS(place_open(&p, false, &e), STATUS_DENIED);
    o.asker = NULL;
    EXPECT_STATUS(secret_store_open(&o, &p.store, &e), STATUS_DENIED);
    place_done(&p);
}

TEST(a_store_under_a_key_file_does_not_become_one_under_a_passphrase) {
    place p;
    err e;
    place_new(&p);
    const secret_store_options o = {
        .directory = p.path, .asker = &p.asker, .make = true, .make_asker = &p.asker};
    secret_store_close(p.store);
    p.store = NULL;
    EXPECT_STATUS(secret_store_open(&o, &p.store, &e), STATUS_EXISTS);
    EXPECT_EQ(p.asked, 0);
    place_done(&p);
}

TEST(the_key_may_lie_elsewhere) {
    place p, keys;
    char key[120];
    err e;
    place_init(&p);
    place_init(&keys);
    snprintf(key, sizeof key, "%s/my.key", keys.path);
    const secret_store_options o = {.directory = p.path, .key_file = key, .make = true};
    EXPECT_STATUS_ERR(secret_store_open(&o, &p.store, &e), STATUS_OK, e);
    put(&p, "api", "k");
    EXPECT(access(key, F_OK) == 0 && access(file_of(&p, "key"), F_OK) != 0);
    EXPECT(access(file_of(&keys, "my.key.seen"), F_OK) == 0);
    EXPECT_STATUS(place_open(&p, false, &e), STATUS_NOT_FOUND);
    EXPECT_OK(secret_store_open(&o, &p.store, &e));
    EXPECT(is_value(&p, "api", NULL, 0, NOW, "k"));
    place_done(&keys);
    place_done(&p);
}

TEST(as_a_source) {
    place p;
    err e;
    char number[32];
    secret_value v = {0};
    place_new(&p);
    snprintf(number, sizeof number, "%llu", (unsigned long long)put(&p, "api", "k"));
    secret_source s = secret_store_source(p.store);
    EXPECT_OK(s.get(s.context, "api", NULL, number, NOW, &v, &e));
    EXPECT(slice_equal_text(secret_slice(&v.bytes), "k"));
    secret_value_free(&v);
    EXPECT_STATUS(s.get(s.context, "api", NULL, "latest", NOW, &v, &e), STATUS_INVALID);
    EXPECT_STATUS(s.get(s.context, "api", NULL, "99", NOW, &v, &e), STATUS_NOT_FOUND);
    EXPECT_STATUS(s.get(s.context, "other", NULL, NULL, NOW, &v, &e), STATUS_NOT_FOUND);
    place_done(&p);
}

// All of what the store does with a value, in a frame of its own.
__attribute__((noinline)) static void use_marker(place *p) {
    uint64_t version;
    err e;
    auto_secret value = {0};
    auto_secret_value back = {0};
    EXPECT_OK(secret_new(MARKER_BYTES, &value, &e));
    marker_put(value.data);
    EXPECT(marker_count() > 0); // the search finds what is there
    const secret_change c = {
        .name = "db", .field = "password", .kind = SECRET_TEXT, .value = secret_slice(&value)};
    EXPECT_OK(secret_store_put(p->store, &c, NOW, &version, &e));
    EXPECT_OK(put_field(p, "db", "user", "ann", 0, NOW, &version, &e)); // carries the other field over
    EXPECT_OK(secret_store_get(p->store, "db", "password", 0, NOW, &back, &e));
    EXPECT(marker_is(back.bytes.data, back.bytes.len));
}

TEST(nothing_of_a_value_stays_in_memory) {
    place p;
    place_new(&p);
    use_marker(&p);
    EXPECT_EQ(marker_count(), 0);
    EXPECT_OK(place_open(&p, false, NULL));
    EXPECT_EQ(marker_count(), 0);
    place_done(&p);
}
