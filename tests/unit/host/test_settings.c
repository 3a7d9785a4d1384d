// SPDX-License-Identifier: Apache-2.0
#include "host/settings.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static status parse(const char *text, host_settings *ret, err *e) {
    *ret = (host_settings){0};
    return host_settings_parse(slice_from_text(text), "f", ret, e);
}

static void accepts(const char *text, bool is_locked, const char *trust_store) {
    host_settings s;
    err e = {0};
    if (!EXPECT(parse(text, &s, &e) == STATUS_OK)) {
        printf("    %s\n", e.message);
        return;
    }
    EXPECT(s.is_locked == is_locked);
    EXPECT(trust_store == NULL ? s.trust_store == NULL
                               : s.trust_store != NULL && strcmp(s.trust_store, trust_store) == 0);
    host_settings_done(&s);
}

static void refuses(const char *text, const char *where) {
    host_settings s;
    err e = {0};
    EXPECT(parse(text, &s, &e) == STATUS_INVALID);
    if (!EXPECT(strncmp(e.message, where, strlen(where)) == 0)) {
        printf("    \"%s\" begins not with \"%s\"\n", e.message, where);
    }
    EXPECT(!s.is_locked && s.trust_store == NULL);
}

TEST(names_values_and_comments) {
    accepts("", false, NULL);
    accepts("# nothing\n\n \t\n", false, NULL);
    accepts("require_signatures = yes", false, NULL);
    accepts("require_signatures=locked\n", true, NULL);
    accepts("  require_signatures\t=  locked \t# for good\n trust_store = /a b/c#d  # ours\n", true,
            "/a b/c#d");
}

TEST(what_is_not_understood_is_an_error_with_its_line) {
    refuses("require_signatures = no\n", "f:1:");
    refuses("require_signatures = Locked\n", "f:1:");
    refuses("require_signatures =\n", "f:1:");
    refuses("\n\nrequire_signature = locked\n", "f:3:");
    refuses("require_signatures locked\n", "f:1:");
    refuses("require_signatures = yes\nrequire_signatures = locked\n", "f:2:");
    refuses("trust_store = /a\ntrust_store = /a\n", "f:2:");
    refuses("trust_store = a/b\n", "f:1:");
    refuses("trust_store = \n", "f:1:");
    refuses("# fine\nrequire_signatures = locked\r\n", "f:2:");
    host_settings s = {0};
    err e = {0};
    static const char nul[] = "require_signatures = locked\0\n";
    EXPECT(host_settings_parse(slice_of(nul, sizeof nul - 1), "f", &s, &e) == STATUS_INVALID);
    static char large[HOST_SETTINGS_BYTES_MAX + 1];
    memset(large, '\n', sizeof large);
    EXPECT(host_settings_parse(slice_of(large, sizeof large), "f", &s, &e) == STATUS_INVALID);
    EXPECT(host_settings_parse(slice_of(large, sizeof large - 1), "f", &s, &e) == STATUS_OK);
    memset(large, 'x', sizeof large);
    memcpy(large, "trust_store = /", 15);
    EXPECT(host_settings_parse(slice_of(large, 15 + HOST_SETTINGS_PATH_BYTES_MAX - 2), "f", &s, &e) ==
           STATUS_OK);
    host_settings_done(&s);
    EXPECT(host_settings_parse(slice_of(large, 15 + HOST_SETTINGS_PATH_BYTES_MAX - 1), "f", &s, &e) ==
           STATUS_INVALID);
}

// --- files -------------------------------------------------------------------------------------------------

typedef struct folder {
    char path[64];
    char system[96], extra[96];
} folder;

static void setup(folder *f) {
    snprintf(f->path, sizeof f->path, "/tmp/writ-settings-XXXXXX");
    REQUIRE(mkdtemp(f->path) != NULL);
    snprintf(f->system, sizeof f->system, "%s/system.conf", f->path);
    snprintf(f->extra, sizeof f->extra, "%s/extra.conf", f->path);
}

static void put(const char *path, const char *text) {
    FILE *out = fopen(path, "w");
    REQUIRE(out != NULL);
    fputs(text, out);
    fclose(out);
    REQUIRE(chmod(path, 0644) == 0);
}

static void teardown(folder *f) {
    unlink(f->system);
    unlink(f->extra);
    rmdir(f->path);
}

TEST(absent_settings_require_signatures_but_lock_nothing) {
    folder f;
    setup(&f);
    host_settings s = {0};
    err e = {0};
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_OK);
    EXPECT(!s.is_locked && s.trust_store == NULL);
    EXPECT(host_settings_load(f.system, f.extra, &s, &e) == STATUS_IO); // what was named must be there
    teardown(&f);
}

TEST(a_second_file_only_makes_stricter) {
    folder f;
    setup(&f);
    host_settings s = {0};
    err e = {0};
    put(f.system, "require_signatures = locked\n");
    put(f.extra, "require_signatures = yes\n");
    EXPECT(host_settings_load(f.system, f.extra, &s, &e) == STATUS_OK);
    EXPECT(s.is_locked && strcmp(s.trust_store, HOST_SETTINGS_SYSTEM_TRUST) == 0);
    host_settings_done(&s);
    put(f.extra, "trust_store = /elsewhere\n");
    EXPECT(host_settings_load(f.system, f.extra, &s, &e) == STATUS_DENIED);
    EXPECT(s.trust_store == NULL);
    put(f.system, "trust_store = /here\n");
    put(f.extra, "require_signatures = locked\n");
    EXPECT(host_settings_load(f.system, f.extra, &s, &e) == STATUS_OK);
    EXPECT(s.is_locked && strcmp(s.trust_store, "/here") == 0);
    host_settings_done(&s);
    teardown(&f);
}

TEST(files_that_others_may_write_are_not_believed) {
    folder f;
    setup(&f);
    host_settings s = {0};
    err e = {0};
    put(f.system, "require_signatures = yes\n");
    REQUIRE(chmod(f.system, 0664) == 0);
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_DENIED);
    REQUIRE(chmod(f.system, 0646) == 0);
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_DENIED);
    put(f.system, "require_signatures = maybe\n");
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_IO);
    EXPECT(strstr(e.message, "system.conf:1:") != NULL);
    REQUIRE(unlink(f.system) == 0 && mkdir(f.system, 0700) == 0);
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_IO);
    REQUIRE(rmdir(f.system) == 0 &&
            symlink("/nowhere-at-all", f.system) == 0); // a disk that is not there yet
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_IO);
    REQUIRE(unlink(f.system) == 0 && mkfifo(f.system, 0600) == 0);
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_DENIED);
    teardown(&f);
}

// Who may change the directory can take the lock away.
TEST(a_directory_that_others_may_change_is_not_believed) {
    folder f;
    setup(&f);
    host_settings s = {0};
    err e = {0};
    char directory[sizeof f.path];
    snprintf(directory, sizeof directory, "%s", f.path);
    REQUIRE(chmod(directory, 0777) == 0);
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_DENIED);
    put(f.system, "require_signatures = locked\n");
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_DENIED);
    EXPECT(!s.is_locked && s.trust_store == NULL);
    REQUIRE(chmod(directory, 0755) == 0);
    EXPECT(host_settings_load(f.system, NULL, &s, &e) == STATUS_OK && s.is_locked);
    host_settings_done(&s);
    EXPECT(host_settings_load("/nowhere-at-all/host.conf", NULL, &s, &e) == STATUS_OK);
    teardown(&f);
}

TEST(which_trust_store) {
    const char *path = NULL;
    err e = {0};
    host_settings s = {0};
    EXPECT(host_settings_trust_store(&s, NULL, "/usual", &path, &e) == STATUS_OK &&
           strcmp(path, "/usual") == 0);
    s.trust_store = (char *)"/set";
    EXPECT(host_settings_trust_store(&s, NULL, "/usual", &path, &e) == STATUS_OK &&
           strcmp(path, "/set") == 0);
    EXPECT(host_settings_trust_store(&s, "/named", "/usual", &path, &e) == STATUS_OK &&
           strcmp(path, "/named") == 0);
    s.is_locked = true;
    EXPECT(host_settings_trust_store(&s, "/named", "/usual", &path, &e) == STATUS_DENIED);
    EXPECT(host_settings_trust_store(&s, "/set", "/usual", &path, &e) == STATUS_OK);
    EXPECT(host_settings_trust_store(&s, NULL, "/usual", &path, &e) == STATUS_OK &&
           strcmp(path, "/set") == 0);
    s.trust_store = NULL;
    EXPECT(host_settings_trust_store(&s, "/named", NULL, &path, &e) == STATUS_DENIED);
    EXPECT(host_settings_trust_store(&s, "/named", "/usual", &path, &e) == STATUS_DENIED);
}
