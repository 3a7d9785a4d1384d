// SPDX-License-Identifier: Apache-2.0
// The file of the trust store: what is refused, and that readers always see a whole one.
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/check.h"
#include "helper_token.h"
#include "identity/trust.h"
#include "os/whole_file.h"
#include "test.h"

enum { CHANGES = 1000, PATH_BYTES = 128 };

typedef struct scene {
    char directory[64];
    char path[PATH_BYTES];
    err e;
} scene;

static scene make(void) {
    scene x = {.directory = "/tmp/writ-trust-XXXXXX"};
    CHECK(mkdtemp(x.directory) != NULL);
    snprintf(x.path, sizeof x.path, "%s/trust.json", x.directory);
    return x;
}

static int remove_one(const char *path, WRIT_UNUSED const struct stat *st, WRIT_UNUSED int kind,
                      WRIT_UNUSED struct FTW *where) {
    return remove(path);
}

static void done(const scene *x) { CHECK(nftw(x->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0); }

static void put(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
    CHECK(chmod(path, 0600) == 0);
}

// Writes the text, in which A1 stands for a key of an account and M1 for one of a module.
static void put_keys(const char *path, const char *text) {
    static const struct {
        const char *mark;
        nkey_kind kind;
    } marks[] = {{"@A1@", NKEY_ACCOUNT}, {"@M1@", NKEY_MODULE}};
    char out[4096] = "";
    for (size_t len = 0; *text != '\0';) {
        bool found = false;
        for (size_t i = 0; i < 2 && !found; i++) {
            if (strncmp(text, marks[i].mark, 4) == 0) {
                nkey_public k = helper_public(marks[i].kind, 1);
                len += (size_t)snprintf(out + len, sizeof out - len, "%s", nkey_public_text(&k).text);
                text += 4;
                found = true;
            }
        }
        if (!found) {
            out[len++] = *text++;
        }
    }
    put(path, out);
}

static status load(scene *x) {
    trust_store *s = NULL;
    err_clear(&x->e);
    status result = trust_store_load(x->path, &s, &x->e);
    EXPECT((result == STATUS_OK) == (s != NULL));
    trust_store_free(s);
    return result;
}

TEST(a_missing_file_believes_nobody) {
    scene x = make();
    trust_store *s = NULL;
    EXPECT_OK(trust_store_load(x.path, &s, &x.e));
    REQUIRE(s != NULL);
    EXPECT_EQ(trust_store_issuer_count(s), 0);
    trust_store_free(s);
    snprintf(x.path, sizeof x.path, "%s/none/trust.json", x.directory);
    EXPECT_OK(load(&x));
    done(&x);
}

TEST(what_is_refused) {
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"", "half written"},
        {"{\"version\": 1, \"issuers\": [", "JSON line"},
        {"[]", "an object"},
        {"{}", "no version"},
        {"{\"version\": 2}", "version 2"},
        {"{\"version\": \"1\"}", "no version"},
        {"{\"version\": 1, \"version\": 1}", "duplicate"},
        {"{\"version\": 1, \"issuer\": []}", "\"issuer\" that is not known"},
        {"{\"version\": 1, \"issuers\": {}}", "issuers must be a list"},
        {"{\"version\": 1, \"issuers\": null}", "issuers must be a list"},
        {"{\"version\": 1, \"issuers\": [1]}", "issuers[0]"},
        {"{\"version\": 1, \"issuers\": [{}]}", "issuers[0]: has no key"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\"}, {\"key\": 7}]}", "issuers[1]: key is"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@M1@\"}]}", "account (A...)"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\", \"name\": [\"x\"]}]}", "\"name\" that is not"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\", \"names\": []}]}", "1 to 256"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\", \"names\": [\"x\", \"x\"]}]}", "names[0] again"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\", \"names\": \"x\"}]}", "list of 1"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\", \"until\": 1800000000}]}", "2027-01-31"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\", \"until\": \"10000-01-01\"}]}", "2027-01-31"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\", \"until\": null}]}", "2027-01-31"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\", \"ratchet\": 1}]}", "true or false"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\", \"allow\": {}}]}", "allow"},
        {"{\"version\": 1, \"issuers\": [{\"key\": \"@A1@\"}, {\"key\": \"@A1@\", \"note\": \"x\"}]}",
         "issuers[1] says what issuers[0] says"},
        {"{\"version\": 1, \"minimum_revisions\": [{\"subject\": \"@M1@\", \"revision\": \"7\"}]}",
         "minimum_revisions[0]: revision"},
        {"{\"version\": 1, \"minimum_revisions\": [{\"subject\": \"@M1@\", \"revision\": -1}]}", "revision"},
        {"{\"version\": 1, \"minimum_revisions\": [{\"subject\": \"@M1@\", \"revision\": 1}, {\"subject\": "
         "\"@M1@\", \"revision\": 2}]}",
         "second minimum revision"},
        {"{\"version\": 1, \"minimum_revisions\": [{\"subject\": \"@M1@\", \"issuer\": \"@M1@\", "
         "\"revision\": "
         "1}]}",
         "signed by accounts"},
        {"{\"version\": 1, \"minimum_revisions\": [{\"subject\": \"@M1@\", \"issuer\": \"@A1@\", "
         "\"revision\": "
         "1}, {\"subject\": \"@M1@\", \"revision\": 1}, {\"subject\": \"@M1@\", \"issuer\": \"@A1@\", "
         "\"revision\": 2}]}",
         "second minimum revision"},
        {"{\"version\": 1, \"revoked\": [{}]}", "either a subject"},
        {"{\"version\": 1, \"revoked\": [{\"subject\": \"@M1@\", \"hash\": \"00\"}]}", "either a subject"},
        {"{\"version\": 1, \"revoked\": [{\"hash\": \"00\"}]}", "64 hex digits"},
        {"{\"version\": 1, \"revoked\": [{\"subject\": \"@M1@\"}, {\"subject\": \"@M1@\"}]}",
         "revoked[1] says"},
    };
    scene x = make();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_keys(x.path, cases[i].text);
        EXPECT_STATUS_ERR(load(&x), STATUS_INVALID, x.e);
        EXPECT_CONTAINS(x.e.message, cases[i].message);
        EXPECT_CONTAINS(x.e.message, "trust.json");
    }
    done(&x);
}

TEST(files_that_others_may_write) {
    scene x = make();
    put(x.path, "{\"version\": 1}");
    EXPECT_STATUS_ERR(load(&x), STATUS_OK, x.e);
    static const mode_t bad[] = {0620, 0602, 0666};
    for (size_t i = 0; i < 3; i++) {
        CHECK(chmod(x.path, bad[i]) == 0);
        EXPECT_STATUS(load(&x), STATUS_DENIED);
        EXPECT_CONTAINS(x.e.message, "chmod");
    }
    CHECK(chmod(x.path, 0644) == 0);
    EXPECT_OK(load(&x));
    CHECK(chmod(x.directory, 0777) == 0);
    EXPECT_STATUS(load(&x), STATUS_DENIED);
    EXPECT_CONTAINS(x.e.message, "chmod");
    CHECK(chmod(x.directory, 0755) == 0);
    EXPECT_OK(load(&x));
    if (geteuid() == 0) { // only root can give a file away
        CHECK(chown(x.path, 65534, 65534) == 0);
        EXPECT_STATUS(load(&x), STATUS_DENIED);
    }
    done(&x);
}

static trust_store *loaded(scene *x) {
    trust_store *s = NULL;
    EXPECT_STATUS_ERR(trust_store_load(x->path, &s, &x->e), STATUS_OK, x->e);
    CHECK(s != NULL);
    return s;
}

static void add(trust_store *s, uint8_t number, const char *note) {
    trust_issuer i = {.key = helper_public(NKEY_ACCOUNT, number), .note = slice_from_text(note)};
    EXPECT_OK(trust_store_add_issuer(s, &i, NULL));
}

static bool file_is(const char *path, buf *ret) {
    buf_done(ret);
    *ret = (buf){0};
    return file_read_whole(path, TRUST_BYTES_MAX, ret, NULL) == STATUS_OK;
}

TEST(what_is_saved_is_loaded) {
    scene x = make();
    char temporary[2 * PATH_BYTES];
    snprintf(temporary, sizeof temporary, "%s/.trust.json.new", x.directory);
    put(temporary, "{\"version\": 1, \"iss"); // what a crash left behind
    trust_store *s = loaded(&x);
    add(s, 1, "the \"web\" team");
    add(s, 2, "");
    EXPECT_OK(trust_store_set_minimum(
        s, &(trust_minimum){.subject = helper_public(NKEY_MODULE, 3), .revision = 7}, NULL));
    EXPECT_STATUS_ERR(trust_store_save(s, x.path, &x.e), STATUS_OK, x.e);
    EXPECT(access(temporary, F_OK) != 0);
    trust_store *again = loaded(&x);
    EXPECT_EQ(trust_store_issuer_count(again), 2);
    EXPECT(slice_equal_text(trust_store_issuer_at(again, 0)->note, "the \"web\" team"));
    EXPECT_EQ(trust_store_minimum_at(again, 0)->revision, 7);
    buf before = {0}, after = {0};
    EXPECT(file_is(x.path, &before));
    struct stat st;
    CHECK(stat(x.path, &st) == 0);
    EXPECT_EQ(st.st_mode & 07777, 0600);
    CHECK(chmod(x.path, 0640) == 0);
    // A change and its reverse leave the same bytes, and who may read stays.
    add(again, 3, "");
    EXPECT_OK(trust_store_save(again, x.path, NULL));
    nkey_public third = helper_public(NKEY_ACCOUNT, 3);
    EXPECT_EQ(trust_store_remove_issuer(again, &third), 1);
    EXPECT_OK(trust_store_save(again, x.path, NULL));
    EXPECT(file_is(x.path, &after));
    EXPECT_BYTES(buf_slice(&after), buf_slice(&before));
    CHECK(stat(x.path, &st) == 0);
    EXPECT_EQ(st.st_mode & 07777, 0640);
    buf_done(&before);
    buf_done(&after);
    trust_store_free(s);
    trust_store_free(again);
    done(&x);
}

TEST(the_second_of_two_writers_is_refused) {
    scene x = make();
    trust_store *one = loaded(&x), *two = loaded(&x);
    add(one, 1, "");
    add(two, 2, "");
    EXPECT_OK(trust_store_save(one, x.path, NULL));
    EXPECT_STATUS(trust_store_save(two, x.path, &x.e), STATUS_EXISTS);
    EXPECT_CONTAINS(x.e.message, "try again");
    trust_store_free(two);
    two = loaded(&x);
    EXPECT_EQ(trust_store_issuer_count(two), 1);
    CHECK(unlink(x.path) == 0); // removed meanwhile is a change too
    add(two, 2, "");
    EXPECT_STATUS(trust_store_save(two, x.path, NULL), STATUS_EXISTS);
    trust_store_free(one);
    trust_store_free(two);
    done(&x);
}

static void write_many(scene *x) {
    trust_store *s = loaded(x);
    nkey_public key = helper_public(NKEY_ACCOUNT, 1);
    for (int i = 0; i < CHANGES; i++) {
        trust_store_remove_issuer(s, &key);
        add(s, 1, i % 2 == 0 ? "short" : "a much longer note than the other one, so that lengths differ");
        if (trust_store_save(s, x->path, NULL) != STATUS_OK) {
            _exit(1);
        }
    }
    trust_store_free(s);
    _exit(0);
}

TEST(readers_always_see_a_whole_file) {
    scene x = make();
    trust_store *s = loaded(&x);
    add(s, 1, "first");
    EXPECT_OK(trust_store_save(s, x.path, NULL));
    trust_store_free(s);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        write_many(&x);
    }
    int reads = 0, result = 0;
    do {
        s = loaded(&x);
        EXPECT_EQ(trust_store_issuer_count(s), 1);
        trust_store_free(s);
        reads++;
    } while (waitpid(child, &result, WNOHANG) == 0);
    EXPECT(WIFEXITED(result) && WEXITSTATUS(result) == 0 && reads > 1);
    done(&x);
}

// --- lists -------------------------------------------------------------------------------------------------

static status import(trust_store *s, uint64_t number) {
    nkey *issuer = helper_key(NKEY_ACCOUNT, 1);
    nkey_public module = helper_public(NKEY_MODULE, 1);
    nkey_text text_of_module = nkey_public_text(&module);
    token_revocation r = {.subject = slice_from_text(text_of_module.text), .before_s = TOKEN_SECONDS_MAX};
    token_claims c = {.kind = TOKEN_REVOCATIONS,
                      .id = slice_from_text("a list"), // so that the same number is the same list
                      .subject = nkey_public_of(issuer),
                      .issued_at_s = 2000,
                      .revocation_number = number,
                      .revocation_count = 1,
                      .revocations = &r};
    buf text;
    refusal why;
    buf_init(&text, TOKEN_BYTES_MAX);
    EXPECT_OK(token_write(&c, issuer, &text, NULL));
    status result = trust_store_add_revocations(s, buf_slice(&text), 3000, &why, NULL);
    buf_done(&text);
    nkey_free(issuer);
    return result;
}

TEST(lists_are_kept_and_must_be_good) {
    scene x = make();
    trust_store *s = loaded(&x), *late;
    add(s, 1, "");
    EXPECT_OK(trust_store_save(s, x.path, NULL));
    late = loaded(&x);
    EXPECT_OK(import(s, 5));
    EXPECT_OK(trust_store_save(s, x.path, NULL));
    EXPECT_OK(import(late, 4)); // it did not know the newer one
    EXPECT_STATUS(trust_store_save(late, x.path, NULL), STATUS_EXISTS);
    trust_store_free(s);
    trust_store_free(late);
    s = loaded(&x);
    REQUIRE(trust_store_list_count(s) == 1);
    EXPECT_U64(trust_store_list_at(s, 0)->revocation_number, 5);
    EXPECT_OK(import(s, 5));
    EXPECT_STATUS(import(s, 4), STATUS_DENIED);
    trust_store_free(s);

    nkey_public issuer = helper_public(NKEY_ACCOUNT, 1);
    char list[2 * PATH_BYTES], other[2 * PATH_BYTES];
    snprintf(list, sizeof list, "%s/revocations/%s.jwt", x.directory, nkey_public_text(&issuer).text);
    snprintf(other, sizeof other, "%s/revocations/%s.bak", x.directory, nkey_public_text(&issuer).text);
    CHECK(rename(list, other) == 0);
    EXPECT_STATUS(load(&x), STATUS_INVALID);
    EXPECT_CONTAINS(x.e.message, "only revocation lists");
    issuer = helper_public(NKEY_ACCOUNT, 2);
    snprintf(list, sizeof list, "%s/revocations/%s.jwt", x.directory, nkey_public_text(&issuer).text);
    CHECK(rename(other, list) == 0);
    EXPECT_STATUS(load(&x), STATUS_INVALID);
    EXPECT_CONTAINS(x.e.message, "is the revocation list of");
    put(list, "half.a.tok");
    EXPECT_STATUS(load(&x), STATUS_INVALID);
    CHECK(chmod(list, 0666) == 0);
    EXPECT_STATUS(load(&x), STATUS_DENIED);
    done(&x);
}

// People put lines where they like; reading takes no longer for it.
TEST(minimum_revisions_in_any_order) {
    enum { COUNT = 100, ROW_BYTES = 160 };
    scene x = make();
    auto_buf text;
    buf_init(&text, COUNT * ROW_BYTES);
    EXPECT_OK(buf_append_text(&text, "{\"version\": 1, \"minimum_revisions\": ["));
    for (int i = 0; i < COUNT; i++) {
        nkey_public subject = helper_public(NKEY_MODULE, (uint8_t)(i * 37 % COUNT));
        EXPECT_OK(buf_append_format(&text, "%s{\"subject\": \"%s\", \"revision\": %d}", i > 0 ? ", " : "",
                                    nkey_public_text(&subject).text, i * 37 % COUNT));
    }
    EXPECT_OK(buf_append_text(&text, "]}"));
    put(x.path, buf_text(&text));
    trust_store *s = loaded(&x);
    REQUIRE(trust_store_minimum_count(s) == COUNT);
    for (int i = 0; i < COUNT; i++) {
        const trust_minimum like = {.subject = helper_public(NKEY_MODULE, (uint8_t)i)};
        const trust_minimum *m = trust_store_minimum_of(s, &like);
        EXPECT(m != NULL && m->revision == i);
    }
    trust_store_free(s);
    done(&x);
}

// A disk that is not mounted yet is no reason to forget what was revoked.
TEST(a_link_that_leads_nowhere_is_an_error) {
    scene x = make();
    char lists[2 * PATH_BYTES];
    snprintf(lists, sizeof lists, "%s/revocations", x.directory);
    put(x.path, "{\"version\": 1}");
    CHECK(symlink("/nowhere-at-all", lists) == 0);
    EXPECT_STATUS(load(&x), STATUS_IO);
    EXPECT_CONTAINS(x.e.message, "leads nowhere");
    CHECK(unlink(lists) == 0);
    EXPECT_OK(load(&x));
    CHECK(unlink(x.path) == 0 && symlink("/nowhere-at-all", x.path) == 0);
    EXPECT_STATUS(load(&x), STATUS_IO);
    CHECK(unlink(x.path) == 0);
    done(&x);
}

// --- the ratchet -------------------------------------------------------------------------------------------

TEST(the_ratchet_raises_and_never_lowers) {
    scene x = make();
    token_claims c = {.subject = helper_public(NKEY_MODULE, 1),
                      .issuer = helper_public(NKEY_ACCOUNT, 1),
                      .has_revision = true,
                      .revision = 7};
    trust_answer with = {.ratchet = true}, without = {0};
    bool raised = true;
    EXPECT_OK(trust_note_revision(x.path, &without, &c, &raised, NULL));
    EXPECT(!raised && access(x.path, F_OK) != 0);
    EXPECT_STATUS_ERR(trust_note_revision(x.path, &with, &c, &raised, &x.e), STATUS_OK, x.e);
    EXPECT(raised);
    EXPECT_OK(trust_note_revision(x.path, &with, &c, &raised, NULL));
    EXPECT(!raised);
    c.revision = 6;
    EXPECT_OK(trust_note_revision(x.path, &with, &c, &raised, NULL));
    EXPECT(!raised);
    c.has_revision = false;
    EXPECT_OK(trust_note_revision(x.path, &with, &c, &raised, NULL));
    EXPECT(!raised);
    trust_store *s = loaded(&x);
    REQUIRE(trust_store_minimum_count(s) == 1);
    EXPECT_EQ(trust_store_minimum_at(s, 0)->revision, 7);
    trust_store_free(s);
    // The same subject from somebody else is another thing.
    c.issuer = helper_public(NKEY_ACCOUNT, 2);
    c.has_revision = true;
    c.revision = INT32_MAX;
    EXPECT_STATUS_ERR(trust_note_revision(x.path, &with, &c, &raised, &x.e), STATUS_OK, x.e);
    EXPECT(raised);
    s = loaded(&x);
    nkey_public first = helper_public(NKEY_ACCOUNT, 1);
    REQUIRE(trust_store_minimum_count(s) == 2);
    for (size_t i = 0; i < 2; i++) {
        const trust_minimum *m = trust_store_minimum_at(s, i);
        EXPECT(m->has_issuer);
        EXPECT_EQ(m->revision, nkey_public_equal(&m->issuer, &first) ? 7 : INT32_MAX);
    }
    trust_store_free(s);
    done(&x);
}
