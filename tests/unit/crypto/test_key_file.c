// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/key_file.h"

typedef struct place {
    char path[64];
    int dir;
} place;

static place place_new(void) {
    place p = {.path = "/tmp/writ-key-XXXXXX"};
    EXPECT(mkdtemp(p.path) != NULL);
    p.dir = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return p;
}

static void place_done(place *p) {
    unlinkat(p->dir, "key", 0);
    close(p->dir);
    EXPECT(rmdir(p->path) == 0); // nothing else was left behind
}

TEST(the_key_is_made_once) {
    place p = place_new();
    uint8_t a[HASH_KEY_BYTES] = {0};
    uint8_t b[HASH_KEY_BYTES] = {0};
    uint8_t zero[HASH_KEY_BYTES] = {0};
    EXPECT_OK(key_file_load(p.dir, "key", a, NULL));
    EXPECT_OK(key_file_load(p.dir, "key", b, NULL));
    EXPECT(hash_equal(a, b));
    EXPECT(!hash_equal(a, zero));
    struct stat st;
    EXPECT(fstatat(p.dir, "key", &st, 0) == 0);
    EXPECT_EQ(st.st_mode & 0777, 0600);
    place_done(&p);
}

TEST(a_key_that_others_can_read_is_refused) {
    place p = place_new();
    uint8_t a[HASH_KEY_BYTES];
    EXPECT_OK(key_file_load(p.dir, "key", a, NULL));
    EXPECT(fchmodat(p.dir, "key", 0640, 0) == 0);
    err e;
    EXPECT_STATUS(key_file_load(p.dir, "key", a, &e), STATUS_DENIED);
    EXPECT_CONTAINS(e.message, "nobody else");
    place_done(&p);
}

TEST(a_key_of_another_size_is_refused) {
    static const size_t sizes[] = {0, 31, 33};
    for (size_t i = 0; i < 3; i++) {
        place p = place_new();
        int fd = openat(p.dir, "key", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        uint8_t bytes[40] = {1};
        EXPECT(write(fd, bytes, sizes[i]) == (ssize_t)sizes[i]);
        close(fd);
        uint8_t a[HASH_KEY_BYTES];
        EXPECT_STATUS(key_file_load(p.dir, "key", a, NULL), STATUS_INVALID);
        place_done(&p);
    }
}

TEST(a_link_in_place_of_the_key_is_refused) {
    place p = place_new();
    EXPECT(symlinkat("/etc/hostname", p.dir, "key") == 0);
    uint8_t a[HASH_KEY_BYTES];
    EXPECT_STATUS(key_file_load(p.dir, "key", a, NULL), STATUS_IO);
    place_done(&p);
}

typedef struct racer {
    int dir;
    status result;
    uint8_t key[HASH_KEY_BYTES];
} racer;

static void *race(void *arg) {
    racer *r = arg;
    r->result = key_file_load(r->dir, "key", r->key, NULL);
    return NULL;
}

TEST(all_who_come_first_get_the_same_key) {
    enum { RACERS = 8 };
    place p = place_new();
    racer racers[RACERS] = {0};
    pthread_t threads[RACERS];
    for (int i = 0; i < RACERS; i++) {
        racers[i].dir = p.dir;
        EXPECT(pthread_create(&threads[i], NULL, race, &racers[i]) == 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_OK(racers[i].result);
        EXPECT(hash_equal(racers[i].key, racers[0].key));
    }
    place_done(&p);
}
