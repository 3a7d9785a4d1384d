// SPDX-License-Identifier: Apache-2.0
//
// files DIR: uses the directory in every ordinary way, then tries to get out of it in every way known to us.
// Each attempt prints one line, `name: ok` or `name: ERROR`; the test knows which is right. What the test
// puts into the directory beforehand is listed in tests/scenario/test_grants.py.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

static const char *error_name(int error) {
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {EACCES, "EACCES"}, {EPERM, "EPERM"},     {ENOENT, "ENOENT"}, {ENOTCAPABLE, "ENOTCAPABLE"},
        {EXDEV, "EXDEV"},   {ELOOP, "ELOOP"},     {EROFS, "EROFS"},   {ENOTDIR, "ENOTDIR"},
        {EINVAL, "EINVAL"}, {EEXIST, "EEXIST"},   {EISDIR, "EISDIR"}, {ENOTEMPTY, "ENOTEMPTY"},
        {EBADF, "EBADF"},   {ENOTSUP, "ENOTSUP"}, {ENOSYS, "ENOSYS"}, {EMFILE, "EMFILE"},
        {EIO, "EIO"},       {ENOSPC, "ENOSPC"},   {EFBIG, "EFBIG"},   {ENAMETOOLONG, "ENAMETOOLONG"},
        {EILSEQ, "EILSEQ"}, {EBUSY, "EBUSY"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].error == error) {
            return names[i].name;
        }
    }
    return "another error";
}

static void report(const char *name, bool ok) { printf("%s: %s\n", name, ok ? "ok" : error_name(errno)); }

static bool reads(const char *file, const char *expected) {
    char text[64] = {0};
    int fd = open(file, O_RDONLY);
    if (fd < 0) {
        return false;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    int error = errno;
    close(fd);
    errno = error;
    if (length >= 0 && expected != NULL && strcmp(text, expected) != 0) {
        errno = EIO;
        return false;
    }
    return length >= 0;
}

static bool writes(const char *file, int flags, const char *text) {
    int fd = open(file, O_WRONLY | flags, 0644);
    if (fd < 0) {
        return false;
    }
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;
    close(fd);
    errno = error;
    return ok;
}

static bool lists(const char *directory) {
    DIR *entries = opendir(directory);
    if (entries == NULL) {
        return false;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            printf("entry: %s\n", entry->d_name);
        }
    }
    closedir(entries);
    return true;
}

static void use(void) {
    struct stat info;
    report("read", reads("hello.txt", "hello\n"));
    report("read-missing", reads("missing.txt", NULL));
    report("list", lists("."));
    report("stat", stat("hello.txt", &info) == 0 && info.st_size == 6);
    report("link-inside", reads("link-inside", "hello\n"));
    report("write", writes("new.txt", O_CREAT | O_EXCL, "written"));
    report("read-back", reads("new.txt", "written"));
    report("exclusive", writes("new.txt", O_CREAT | O_EXCL, "again"));
    report("append", writes("new.txt", O_APPEND, " more"));
    report("read-appended", reads("new.txt", "written more"));
    report("truncate", writes("new.txt", O_TRUNC, "short"));
    report("read-truncated", reads("new.txt", "short"));
    report("rename", rename("new.txt", "renamed.txt") == 0);
    report("mkdir", mkdir("made", 0755) == 0);
    report("rename-into", rename("renamed.txt", "made/inner.txt") == 0);
    report("rmdir-full", rmdir("made") == 0);
    report("dots-inside", reads("made/../hello.txt", "hello\n"));
    report("trailing-slash-file", reads("hello.txt/", NULL));
    report("hard-link", link("made/inner.txt", "hard.txt") == 0);
    report("unlink-hard", unlink("hard.txt") == 0);
    report("unlink", unlink("made/inner.txt") == 0);
    report("rmdir", rmdir("made") == 0);
}

static void escape(void) {
    report("out-dotdot", reads("../secret.txt", NULL));
    report("out-dotdot-deep", reads("sub/../../secret.txt", NULL));
    report("out-dotdot-only", lists(".."));
    report("out-absolute", reads("/etc/passwd", NULL));
    report("out-link", reads("link-out", NULL));
    report("out-link-absolute", reads("link-absolute", NULL));
    report("out-link-directory", reads("link-directory/secret.txt", NULL));
    report("out-link-directory-slash", lists("link-directory/"));
    report("out-link-chain", reads("link-chain", NULL));
    report("out-create", writes("../created.txt", O_CREAT, "x"));
    report("out-create-through-link", writes("link-dangling", O_CREAT, "x"));
    report("out-mkdir", mkdir("../made", 0755) == 0);
    report("out-unlink", unlink("../secret.txt") == 0);
    report("out-rename-away", rename("hello.txt", "../stolen.txt") == 0);
    report("out-rename-in", rename("../secret.txt", "got.txt") == 0);
    report("out-rename-through-link", rename("hello.txt", "link-directory/stolen.txt") == 0);
    report("out-hard-link", link("../secret.txt", "hard.txt") == 0);
    report("out-hard-link-away", link("hello.txt", "../hard.txt") == 0);
    struct stat info;
    report("out-stat", stat("../secret.txt", &info) == 0);
    report("out-stat-link", stat("link-out", &info) == 0);
    // A link that points outside may be refused when it is made, or when it is followed.
    report("make-link", symlink("../secret.txt", "made-link") == 0);
    report("out-made-link", reads("made-link", NULL));
    report("out-made-link-absolute",
           symlink("/etc/passwd", "made-absolute") == 0 && reads("made-absolute", NULL));
}

// The same without wasi-libc's own handling of paths in between.
static void escape_raw(void) {
    static const struct {
        const char *name, *path;
    } tries[] = {
        {"raw-absolute", "/etc/passwd"},       {"raw-dotdot", "../secret.txt"},
        {"raw-dot-dotdot", "./../secret.txt"}, {"raw-slashes", "//etc/passwd"},
        {"raw-deep", "sub/../../secret.txt"},  {"raw-empty", ""},
        {"raw-inside", "hello.txt"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        __wasi_fd_t fd;
        __wasi_errno_t error = __wasi_path_open(3, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, tries[i].path, 0,
                                                __WASI_RIGHTS_FD_READ, 0, 0, &fd);
        errno = error;
        report(tries[i].name, error == 0);
    }
}

int main(int argc, char **argv) {
    if (argc != 2 || chdir(argv[1]) != 0) {
        fprintf(stderr, "usage: files DIR, and DIR must be granted\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    use();
    escape();
    escape_raw();
    printf("done\n");
    return 0;
}
