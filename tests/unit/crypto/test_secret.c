// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/secret.h"

TEST(a_secret_starts_zeroed_and_is_released) {
    auto_secret s = {0};
    EXPECT_OK(secret_new(100, &s, NULL));
    EXPECT_EQ(s.len, 100);
    for (size_t i = 0; i < s.len; i++) {
        EXPECT_EQ(s.data[i], 0);
    }
    memset(s.data, 7, s.len);
    secret_free(&s);
    EXPECT(s.data == NULL);
    EXPECT_EQ(s.len, 0);
}

TEST(sizes_are_bounded) {
    secret s = {0};
    err e;
    EXPECT_STATUS(secret_new(SECRET_BYTES_MAX + 1, &s, &e), STATUS_LIMIT);
    EXPECT(s.data == NULL);
    EXPECT_OK(secret_new(SECRET_BYTES_MAX, &s, NULL));
    secret_free(&s);
    EXPECT_OK(secret_new(0, &s, NULL));
    secret_free(&s);
}

static bool dies(void (*act)(secret *s)) {
    secret s = {0};
    EXPECT_OK(secret_new(64, &s, NULL));
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); // not the sanitizer's report
        act(&s);
        _exit(0);
    }
    int how = 0;
    EXPECT(waitpid(child, &how, 0) == child);
    secret_free(&s);
    return WIFSIGNALED(how);
}

static void read_behind(secret *s) {
    volatile uint8_t *p = s->data;
    (void)p[s->len];
}

static void touch(secret *s) { s->data[s->len - 1] = 1; }

TEST(the_page_behind_is_a_wall) {
    EXPECT(dies(read_behind));
    EXPECT(!dies(touch));
}

// The flags of the mapping that holds `p`, as the kernel tells them.
static bool mapping_has(const void *p, const char *flag) {
    FILE *f = fopen("/proc/self/smaps", "re");
    if (f == NULL) {
        return false;
    }
    char line[512];
    bool inside = false, found = false;
    while (fgets(line, sizeof line, f) != NULL) {
        unsigned long from = 0, to = 0;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            inside = (uintptr_t)p >= from && (uintptr_t)p < to;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, flag) != NULL;
        }
    }
    fclose(f);
    return found;
}

TEST(it_is_left_out_of_core_dumps) {
    auto_secret s = {0};
    EXPECT_OK(secret_new(64, &s, NULL));
    if (!mapping_has(s.data, " rd ")) {
        SKIP("this kernel does not show the flags of mappings");
    }
    EXPECT(mapping_has(s.data, " dd "));
}

TEST(wiping_wipes) {
    uint8_t bytes[16];
    memset(bytes, 7, sizeof bytes);
    secret_wipe(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        EXPECT_EQ(bytes[i], 0);
    }
}
