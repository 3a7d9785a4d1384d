// SPDX-License-Identifier: Apache-2.0
// A blob store in a directory: the contract, and what is its own.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/lock.h"
#include "unit/driver/blobstore_contract.h"

static const driver_value usual[] = {BLOBSTORE_CONTRACT_SETTINGS,
                                     {SLICE_LITERAL("sync"), SLICE_LITERAL("false")}};

static const char *open_it(blobs *b) {
    const driver_values settings = {usual, sizeof usual / sizeof usual[0]};
    kv_start(&b->k);
    EXPECT_OK(kv_open(&b->k, &blobstore_directory, &settings, NULL, NULL));
    return NULL;
}

static void close_it(blobs *b) { kv_stop(&b->k); }

BLOBSTORE_CONTRACT(open_it, close_it)

// A link with these settings besides; NULL-ended pairs.
static void open_with(blobs *b, const char *name, const char *value) {
    const driver_value more[] = {{slice_from_text(name), slice_from_text(value)},
                                 {SLICE_LITERAL("sync"), SLICE_LITERAL("false")}};
    const driver_values settings = {more, 2};
    EXPECT_OK(kv_open(&b->k, &blobstore_directory, &settings, NULL, NULL));
    kv_wait_up(&b->k);
}

static const char *path_in(const blobs *b, const char *rest) {
    static char path[8192];
    snprintf(path, sizeof path, "%s/blobstore/%s", b->k.directory, rest);
    return path;
}

static bool is_file(const blobs *b, const char *rest) {
    struct stat s;
    return lstat(path_in(b, rest), &s) == 0;
}

TEST(objects_are_files_and_stay) {
    blobs b = {0};
    struct stat s;
    kv_start(&b.k);
    open_with(&b, "containers", "one,\xc3\xa4 / ..");
    EXPECT(blob_create(&b, "one") && blob_create(&b, "\xc3\xa4 / .."));
    EXPECT(blob_put(&b, "one", "a/../b", "text") && blob_put(&b, "\xc3\xa4 / ..", "..", "dots"));
    kv_close(&b.k);
    EXPECT(is_file(&b, "one/a%2F..%2Fb") && is_file(&b, "\xc3\xa4%20%2F%20../%2E."));
    EXPECT(stat(path_in(&b, "one/a%2F..%2Fb"), &s) == 0 && (s.st_mode & 0777) == 0600);
    EXPECT(stat(path_in(&b, ""), &s) == 0 && (s.st_mode & 0777) == 0700);
    open_with(&b, "containers", "");
    EXPECT(blob_is(&b, "one", "a/../b", "text") && blob_is(&b, "\xc3\xa4 / ..", "..", "dots"));
    kv_stop(&b.k);
}

// Whoever can write to the directory could make links: none is followed.
TEST(links_lead_nowhere) {
    blobs b = {0};
    char outside[] = "/tmp/writ-test-outside-XXXXXX";
    EXPECT(mkdtemp(outside) != NULL);
    kv_start(&b.k);
    open_with(&b, "containers", "");
    EXPECT(blob_create(&b, "one"));
    EXPECT_EQ(symlink("/etc/passwd", path_in(&b, "one/secret")), 0);
    EXPECT_EQ(symlink(outside, path_in(&b, "two")), 0);
    EXPECT(blob_is(&b, "one", "secret", NULL));
    EXPECT(!blob_exists(&b, "two"));
    blobstore_call c = blob_on_object(BLOBSTORE_COPY, "one", name_of("secret"));
    c.to_container = name_of("one");
    c.to_object = name_of("stolen");
    EXPECT(blob_is_error(&b, &c, BLOBSTORE_NO_OBJECT));
    EXPECT(blob_put(&b, "one", "secret", "mine")); // in its place
    EXPECT(blob_is(&b, "one", "secret", "mine"));
    EXPECT(is_text(blob_write(&b, "two", name_of("x"), name_of("y")), BLOBSTORE_NO_CONTAINER));
    EXPECT_EQ(rmdir(outside), 0); // it is empty still
    kv_stop(&b.k);
}

TEST(a_full_directory_says_so) {
    blobs b = {0};
    uint8_t *bytes = mem_zalloc(100000);
    kv_start(&b.k);
    open_with(&b, "total-bytes-max", "110000");
    EXPECT(blob_create(&b, "one"));
    EXPECT(blob_write(&b, "one", name_of("a"), slice_of(bytes, 100000)) == NULL);
    EXPECT(is_text(blob_write(&b, "one", name_of("b"), slice_of(bytes, 5000)), BLOBSTORE_FULL));
    EXPECT(!blob_has(&b, "one", name_of("b")));
    blobs other = {0}; // a link with the same settings counts with it
    kv_start(&other.k);
    other.k.env.directory = b.k.directory;
    open_with(&other, "total-bytes-max", "110000");
    EXPECT(is_text(blob_write(&other, "one", name_of("b"), slice_of(bytes, 5000)), BLOBSTORE_FULL));
    blobstore_call c = blob_on_object(BLOBSTORE_DELETE_OBJECT, "one", name_of("a"));
    EXPECT(blob_do(&b, &c));
    EXPECT(blob_write(&other, "one", name_of("b"), slice_of(bytes, 100000)) == NULL);
    c = blob_on_object(BLOBSTORE_COPY, "one", name_of("b"));
    c.to_container = name_of("one");
    c.to_object = name_of("c");
    EXPECT(blob_is_error(&b, &c, BLOBSTORE_FULL));
    c = blob_on_container(BLOBSTORE_DELETE_CONTAINER, "one");
    EXPECT(blob_do(&b, &c));
    EXPECT(blob_create(&b, "one"));
    for (int i = 0; i < 10; i++) { // in the place of each other, and of nothing
        EXPECT(blob_write(&b, "one", name_of("a"), slice_of(bytes, 50000)) == NULL);
        blob_upload u;
        EXPECT(blob_upload_begin(&b, "one", name_of("x"), &u) == NULL);
        EXPECT(blob_upload_append(&b, &u, slice_of(bytes, 40000)) == NULL);
        EXPECT(blob_upload_abort(&b, &u) == NULL);
        kv_turn(&b.k);
    }
    mem_free(bytes);
    kv_stop(&other.k);
    kv_stop(&b.k);
}

TEST(a_directory_without_a_count_is_counted) {
    blobs b = {0};
    uint8_t *bytes = mem_zalloc(100000);
    kv_start(&b.k);
    open_with(&b, "total-bytes-max", "110000");
    EXPECT(blob_create(&b, "one"));
    EXPECT(blob_write(&b, "one", name_of("a"), slice_of(bytes, 100000)) == NULL);
    kv_close(&b.k);
    EXPECT_EQ(unlink(path_in(&b, "%usage")), 0);
    open_with(&b, "total-bytes-max", "110000");
    EXPECT(is_text(blob_write(&b, "one", name_of("b"), slice_of(bytes, 5000)), BLOBSTORE_FULL));
    blobstore_call c = blob_on_object(BLOBSTORE_DELETE_OBJECT, "one", name_of("a"));
    EXPECT(blob_do(&b, &c));
    EXPECT(blob_write(&b, "one", name_of("b"), slice_of(bytes, 100000)) == NULL);
    mem_free(bytes);
    kv_stop(&b.k);
}

// What a process that was killed left behind goes with the next link, and what lives stays.
TEST(left_over_uploads_are_removed) {
    blobs b = {0}, next = {0};
    blob_upload u;
    kv_start(&b.k);
    open_with(&b, "total-bytes-max", "1000000");
    EXPECT(blob_create(&b, "one"));
    FILE *left = fopen(path_in(&b, "%uploads/0123456789abcdef"), "w");
    EXPECT(left != NULL && fputs("left", left) >= 0 && fclose(left) == 0);
    EXPECT(blob_upload_begin(&b, "one", name_of("o"), &u) == NULL);
    EXPECT(blob_upload_append(&b, &u, name_of("lives")) == NULL);
    kv_start(&next.k);
    next.k.env.directory = b.k.directory;
    open_with(&next, "total-bytes-max", "1000000");
    EXPECT(!is_file(&b, "%uploads/0123456789abcdef"));
    blob_upload stolen = u; // an upload is of its link
    EXPECT(is_text(blob_upload_append(&next, &stolen, name_of("x")), BLOBSTORE_NO_UPLOAD));
    EXPECT(blob_upload_finish(&b, &u) == NULL);
    EXPECT(blob_is(&next, "one", "o", "lives"));
    kv_stop(&next.k);
    kv_stop(&b.k);
}

// A page of the longest names has fewer of them.
TEST(uploads_that_are_given_up_do_not_queue) {
    enum { GIVEN_UP = 2200 }; // more than the queue holds
    blobs b = {0};
    blob_pending running[2] = {0}, p = {0};
    int lock = -1;
    kv_start(&b.k);
    open_with(&b, "containers", "");
    EXPECT(blob_create(&b, "c"));
    int root = open(path_in(&b, ""), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    EXPECT_OK(lock_open(root, "%usage", true, &lock, NULL));
    EXPECT_OK(lock_take(lock, false, 0, "%usage", NULL));
    blobstore_call c = blob_on_object(BLOBSTORE_WRITE, "c", slice_from_text("o"));
    c.step = BLOBSTORE_BEGIN;
    for (size_t i = 0; i < 2; i++) { // all threads of the link wait for the lock
        blob_begin(&b, &running[i], &c, UINT64_MAX);
    }
    for (size_t i = 0; i < GIVEN_UP; i++) {
        blob_begin(&b, &p, &c, UINT64_MAX);
        p.call.is_cancelled = true;
        b.k.d->cancel(b.k.link, &p.call);
        blob_wait(&b, &p);
        EXPECT_STATUS(p.code, STATUS_CANCELLED);
        blob_done(&p);
    }
    close(lock);
    close(root);
    for (size_t i = 0; i < 2; i++) {
        blob_wait(&b, &running[i]);
        blob_done(&running[i]);
    }
    kv_stop(&b.k);
}

TEST(a_page_is_bounded_in_bytes) {
    enum { COUNT = 1100 };
    blobs b = {0};
    char name[BLOBSTORE_OBJECT_BYTES_MAX + 1], cursor[BLOBSTORE_OBJECT_BYTES_MAX];
    size_t found = 0, pages = 0;
    kv_start(&b.k);
    open_with(&b, "containers", "");
    EXPECT(blob_create(&b, "one"));
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "%01024d", i);
        EXPECT(blob_write(&b, "one", slice_from_text(name), slice_empty()) == NULL);
    }
    blobstore_call c = blob_on_container(BLOBSTORE_LIST, "one");
    do {
        blob_pending p;
        blob_call(&b, &c, &p);
        EXPECT(p.code == STATUS_OK && p.answer.count > 0);
        for (size_t i = 0; i < p.answer.count; i++) { // in the order of their bytes, too
            snprintf(name, sizeof name, "%01024zu", found++);
            EXPECT(slice_equal_text(p.answer.names[i], name));
        }
        c.has_cursor = p.answer.has_cursor;
        c.cursor = slice_of(cursor, p.answer.cursor.len);
        memcpy(cursor, p.answer.cursor.data == NULL ? (const uint8_t *)"" : p.answer.cursor.data,
               c.cursor.len);
        blob_done(&p);
    } while (c.has_cursor && ++pages < 10);
    EXPECT(found == COUNT && pages == 1);
    kv_stop(&b.k);
}

TEST(long_names_come_and_go) {
    blobs b = {0};
    char name[BLOBSTORE_OBJECT_BYTES_MAX];
    kv_start(&b.k);
    open_with(&b, "containers", "");
    EXPECT(blob_create(&b, "one"));
    for (size_t i = 0; i < sizeof name; i++) {
        name[i] = "ab/."[i % 4];
    }
    for (size_t len = 230; len <= sizeof name; len += 53) {
        EXPECT(blob_write(&b, "one", slice_of(name, len), slice_of(name, len)) == NULL);
    }
    for (size_t len = 230; len <= sizeof name; len += 53) {
        EXPECT(blob_is_bytes(&b, "one", slice_of(name, len), slice_of(name, len)));
        blobstore_call c = blob_on_object(BLOBSTORE_DELETE_OBJECT, "one", slice_of(name, len));
        EXPECT(blob_do(&b, &c));
        EXPECT(!blob_has(&b, "one", slice_of(name, len)));
    }
    EXPECT_EQ(unlink(path_in(&b, "one/%made")), 0);
    EXPECT_EQ(rmdir(path_in(&b, "one")), 0); // no directory is left in it
    kv_stop(&b.k);
}

TEST(a_directory_that_is_not_there_yet_and_one_that_cannot_be) {
    blobs b = {0};
    err e;
    char path[128];
    kv_start(&b.k);
    snprintf(path, sizeof path, "%s/blobstore", b.k.directory);
    open_with(&b, "root", "some/where/new");
    EXPECT(blob_create(&b, "one"));
    kv_close(&b.k);
    const driver_value bad = {SLICE_LITERAL("root"), SLICE_LITERAL("../x")};
    const driver_values settings = {&bad, 1};
    EXPECT_STATUS(kv_open(&b.k, &blobstore_directory, &settings, NULL, &e), STATUS_INVALID);
    EXPECT(strstr(e.message, "leads out") != NULL);
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL && fclose(file) == 0);
    EXPECT_OK(kv_open(&b.k, &blobstore_directory, NULL, NULL, NULL));
    driver_health h = {0};
    while (h.state != DRIVER_DOWN) {
        kv_turn(&b.k);
        b.k.d->health(b.k.link, &h);
    }
    blobstore_call c = blob_on_container(BLOBSTORE_CONTAINER_EXISTS, "one");
    blob_pending p;
    blob_call(&b, &c, &p);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    blob_done(&p);
    EXPECT_EQ(unlink(path), 0);
    kv_wait_up(&b.k); // it tries again by itself
    EXPECT(!blob_exists(&b, "one"));
    kv_stop(&b.k);
}
