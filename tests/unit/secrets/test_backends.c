// SPDX-License-Identifier: Apache-2.0
// One suite for all backends, and after it what each has alone.
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "helper_vault.h"
#include "os/clock.h"
#include "secrets/files.h"
#include "secrets/sealed.h"
#include "test.h"

#define VALUE "hunter2 \u00e9 \"quoted\" \\ end"

enum { ITEMS = 8 };

typedef struct world world;

typedef struct kind { // how a test changes what a backend has
    const char *name;
    void (*begin)(world *w);
    void (*end)(world *w);
    void (*put)(world *w, const char *key, const char *field, const char *value); // field NULL: the only one
    void (*drop)(world *w, const char *key);
    void (*lose)(world *w, bool is_lost);
} kind;

struct world {
    const kind *kind;
    loop *l;
    char directory[64];
    secret_backend *backend;
    secret_store *store;
    vault_double vault;
    secret_fetch items[ITEMS];
    secret_batch batch;
    int dones;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_all(const char *path) { EXPECT(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0); }

static uint64_t now_s(void) { return clock_wall_now().seconds; }

// --- the sealed store --------------------------------------------------------------------------------------

static void sealed_begin(world *w) {
    const secret_store_options o = {.directory = w->directory, .make = true};
    EXPECT(chmod(w->directory, 0700) == 0);
    EXPECT_OK(secret_store_open(&o, &w->store, NULL));
    w->backend = sealed_backend_new(w->store);
}

static void sealed_end(world *w) { secret_store_close(w->store); }

static void sealed_put(world *w, const char *key, const char *field, const char *value) {
    const secret_store_options o = {.directory = w->directory};
    const secret_change c = {
        .name = key, .field = field, .kind = SECRET_TEXT, .value = slice_from_text(value), .overlap_s = 3600};
    secret_store *other = NULL;
    uint64_t version;
    EXPECT_OK(secret_store_open(&o, &other, NULL));
    EXPECT_OK(secret_store_put(other, &c, now_s(), &version, NULL));
    secret_store_close(other);
}

static void sealed_drop(world *w, const char *key) {
    const secret_store_options o = {.directory = w->directory};
    secret_store *other = NULL;
    EXPECT_OK(secret_store_open(&o, &other, NULL));
    EXPECT_OK(secret_store_remove(other, key, 0, now_s(), NULL));
    secret_store_close(other);
}

static void sealed_lose(world *w, bool is_lost) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/store", w->directory);
    EXPECT(chmod(path, is_lost ? 0644 : 0600) == 0); // which nobody believes
}

// --- files -------------------------------------------------------------------------------------------------

static void files_begin(world *w) {
    EXPECT(chmod(w->directory, 0755) == 0);
    w->backend = files_backend_new(w->directory);
}

static void files_end(world *w) { (void)w; }

static void files_put(world *w, const char *key, const char *field, const char *value) {
    char path[256], fresh[300];
    (void)snprintf(path, sizeof path, "%s/%s", w->directory, key);
    if (field != NULL) {
        (void)mkdir(path, 0755);
        (void)snprintf(path, sizeof path, "%s/%s/%s", w->directory, key, field);
    }
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0400);
    EXPECT(write(fd, value, strlen(value)) == (ssize_t)strlen(value));
    close(fd);
    EXPECT(rename(fresh, path) == 0);
}

static void files_drop(world *w, const char *key) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", w->directory, key);
    remove_all(path);
}

static void files_lose(world *w, bool is_lost) {
    char other[128];
    (void)snprintf(other, sizeof other, "%s.away", w->directory);
    EXPECT(rename(is_lost ? w->directory : other, is_lost ? other : w->directory) == 0);
}

// --- the server --------------------------------------------------------------------------------------------

static void vault_begin(world *w) {
    vault_double_start(&w->vault, w->l);
    EXPECT_OK(vault_double_backend(&w->vault, &w->backend));
}

static void vault_end(world *w) { vault_double_stop(&w->vault); }

static void append_quoted(char *to, size_t size, const char *text) {
    size_t n = strlen(to);
    to[n++] = '"';
    for (; *text != '\0' && n + 4 < size; text++) {
        if (*text == '"' || *text == '\\') {
            to[n++] = '\\';
        }
        to[n++] = *text;
    }
    to[n++] = '"';
    to[n] = '\0';
}

static void append(char *to, size_t size, const char *text) {
    size_t n = strlen(to);
    (void)snprintf(to + n, size - n, "%s", text);
}

// The fields of a secret are given one by one here, and are one document there.
static void vault_put(world *w, const char *key, const char *field, const char *value) {
    char data[512] = "{";
    for (size_t i = w->vault.count; i > 0 && field != NULL; i--) {
        const vault_secret *s = &w->vault.secrets[i - 1];
        char name[80] = "";
        append_quoted(name, sizeof name, field);
        if (strcmp(s->key, key) == 0 && strstr(s->data, name) == NULL) {
            (void)snprintf(data, sizeof data, "%.*s,", (int)strlen(s->data) - 1, s->data);
            break;
        }
    }
    append_quoted(data, sizeof data - 8, field == NULL ? "value" : field);
    append(data, sizeof data, ":");
    append_quoted(data, sizeof data - 8, value);
    append(data, sizeof data, "}");
    vault_double_put(&w->vault, key, data);
}

static void vault_drop(world *w, const char *key) { vault_double_put(&w->vault, key, ""); }
static void vault_lose(world *w, bool is_lost) { w->vault.answers = is_lost ? 503 : 0; }

static const kind kinds[] = {
    {"sealed", sealed_begin, sealed_end, sealed_put, sealed_drop, sealed_lose},
    {"files", files_begin, files_end, files_put, files_drop, files_lose},
    {"vault", vault_begin, vault_end, vault_put, vault_drop, vault_lose},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

// --- a world -----------------------------------------------------------------------------------------------

static void begin(world *w, const kind *k) {
    *w = (world){.kind = k, .directory = "/tmp/writ-backend-XXXXXX"};
    REQUIRE(mkdtemp(w->directory) != NULL);
    EXPECT_OK(loop_new(NULL, &w->l, NULL));
    k->begin(w);
    EXPECT_OK(w->backend->ops->attach(w->backend, w->l, NULL));
}

static void forget(world *w) {
    for (size_t i = 0; i < ITEMS; i++) {
        secret_value_free(&w->items[i].value);
    }
    memset(w->items, 0, sizeof w->items);
    w->batch = (secret_batch){0};
}

static void end(world *w) {
    forget(w);
    w->backend->ops->detach(w->backend);
    secret_backend_free(w->backend);
    w->kind->end(w);
    loop_free(w->l);
    remove_all(w->directory);
}

static void on_done(void *arg) { ((world *)arg)->dones++; }

static void want(world *w, const char *key, const char *field, const char *version) {
    w->items[w->batch.count++] = (secret_fetch){.key = key, .field = field, .version = version};
}

static void start(world *w, bool is_whole) {
    w->batch.items = w->items;
    w->batch.now_s = now_s();
    w->batch.is_whole = is_whole;
    w->batch.done = on_done;
    w->batch.arg = w;
    w->dones = 0;
    w->backend->ops->fetch(w->backend, &w->batch);
    EXPECT_EQ(w->dones, 0); // never from inside
}

static void fetch(world *w, bool is_whole) {
    start(w, is_whole);
    while (w->dones == 0) {
        loop_turn(w->l, true);
    }
    EXPECT_EQ(w->dones, 1);
}

static bool is_value(const world *w, size_t i, const char *text) {
    const secret_fetch *f = &w->items[i];
    bool good = f->code == STATUS_OK && f->value.kind == SECRET_TEXT &&
                slice_equal_text(secret_slice(&f->value.bytes), text);
    if (!good) {
        printf("    %s: item %zu is %s: %s\n", w->kind->name, i, status_name(f->code), f->e.message);
    }
    return good;
}

#define FOR_EACH_KIND(w) for (size_t k_ = 0; k_ < KINDS && (begin(w, &kinds[k_]), true); end(w), k_++)

// --- the suite ---------------------------------------------------------------------------------------------

TEST(values_and_fields_come_in_one_batch) {
    world w;
    FOR_EACH_KIND(&w) {
        w.kind->put(&w, "alone", NULL, VALUE);
        w.kind->put(&w, "db", "user", "ann");
        w.kind->put(&w, "db", "password", "pw");
        want(&w, "db", "user", NULL);
        want(&w, "alone", NULL, NULL);
        want(&w, "db", "password", NULL);
        want(&w, "db", "user", NULL);
        fetch(&w, true);
        EXPECT(is_value(&w, 0, "ann") && is_value(&w, 1, VALUE));
        EXPECT(is_value(&w, 2, "pw") && is_value(&w, 3, "ann"));
        EXPECT(w.items[0].value.version > 0);
    }
}

TEST(what_is_not_there_is_not_found_for_itself_alone) {
    world w;
    FOR_EACH_KIND(&w) {
        w.kind->put(&w, "db", "user", VALUE);
        w.kind->put(&w, "db", "password", VALUE);
        want(&w, "nothing", NULL, NULL);
        want(&w, "db", "other", NULL);
        want(&w, "db", "user", NULL);
        want(&w, "nothing", "field", NULL);
        fetch(&w, true);
        EXPECT_EQ(w.items[0].code, STATUS_NOT_FOUND);
        EXPECT_EQ(w.items[1].code, STATUS_NOT_FOUND);
        EXPECT(is_value(&w, 2, VALUE));
        EXPECT_EQ(w.items[3].code, STATUS_NOT_FOUND);
        for (size_t i = 0; i < 4; i++) {
            EXPECT(strstr(w.items[i].e.message, "hunter2") == NULL);
        }
    }
}

TEST(the_next_batch_has_what_changed) {
    world w;
    FOR_EACH_KIND(&w) {
        w.kind->put(&w, "key", NULL, "one");
        want(&w, "key", NULL, NULL);
        fetch(&w, true);
        EXPECT(is_value(&w, 0, "one"));
        uint64_t version = w.items[0].value.version;
        w.kind->put(&w, "key", NULL, "two");
        forget(&w);
        want(&w, "key", NULL, NULL);
        fetch(&w, false);
        EXPECT(!w.batch.is_unchanged && is_value(&w, 0, "two"));
        EXPECT(w.items[0].value.version >= version);
        w.kind->drop(&w, "key");
        forget(&w);
        want(&w, "key", NULL, NULL);
        fetch(&w, false);
        EXPECT_EQ(w.items[0].code, STATUS_NOT_FOUND);
    }
}

TEST(nothing_has_changed_or_all_is_told) {
    world w;
    FOR_EACH_KIND(&w) {
        w.kind->put(&w, "key", NULL, "one");
        for (int round = 0; round < 3; round++) {
            forget(&w);
            want(&w, "key", NULL, NULL);
            fetch(&w, round == 2);
            EXPECT((w.batch.is_unchanged && round != 2 && w.items[0].value.bytes.data == NULL) ||
                   is_value(&w, 0, "one"));
        }
    }
}

TEST(a_backend_that_is_lost_says_nothing_about_what_it_has) {
    world w;
    FOR_EACH_KIND(&w) {
        w.kind->put(&w, "key", NULL, VALUE);
        w.kind->lose(&w, true);
        want(&w, "key", NULL, NULL);
        want(&w, "other", "field", NULL);
        fetch(&w, true);
        for (size_t i = 0; i < 2; i++) {
            EXPECT(w.items[i].code != STATUS_OK && w.items[i].code != STATUS_NOT_FOUND);
            EXPECT(w.items[i].e.message[0] != '\0' && w.items[i].value.bytes.data == NULL);
        }
        w.kind->lose(&w, false);
        forget(&w);
        want(&w, "key", NULL, NULL);
        fetch(&w, true);
        EXPECT(is_value(&w, 0, VALUE));
    }
}

TEST(a_batch_that_was_given_up_is_not_done) {
    world w;
    FOR_EACH_KIND(&w) {
        w.kind->put(&w, "key", NULL, "one");
        want(&w, "key", NULL, NULL);
        start(&w, true);
        w.backend->ops->detach(w.backend);
        EXPECT_EQ(w.dones, 0);
        EXPECT_OK(w.backend->ops->attach(w.backend, w.l, NULL));
        forget(&w);
        want(&w, "key", NULL, NULL);
        fetch(&w, true);
        EXPECT(is_value(&w, 0, "one"));
    }
}

// --- the sealed store alone --------------------------------------------------------------------------------

TEST(sealed_versions_overlap_and_end) {
    world w;
    begin(&w, &kinds[0]);
    char first[24];
    sealed_put(&w, "key", NULL, "one");
    want(&w, "key", NULL, NULL);
    fetch(&w, true);
    (void)snprintf(first, sizeof first, "%llu", (unsigned long long)w.items[0].value.version);
    EXPECT_EQ(w.items[0].value.until_s, 0);
    sealed_put(&w, "key", NULL, "two");
    forget(&w);
    want(&w, "key", NULL, first);
    want(&w, "key", NULL, NULL);
    want(&w, "key", NULL, "seven");
    fetch(&w, true);
    EXPECT(is_value(&w, 0, "one") && is_value(&w, 1, "two"));
    EXPECT(w.items[0].value.until_s > now_s() + 3000 && w.items[0].value.until_s <= now_s() + 3600);
    EXPECT_EQ(w.items[2].code, STATUS_INVALID);
    end(&w);
}

// --- files alone -------------------------------------------------------------------------------------------

TEST(files_have_names_of_their_own) {
    static const char *const good[] = {"a", ".dockerconfigjson", "tls.crt", "A_b-9"};
    static const char *const bad[] = {"", ".", "..", "..data", "a/b", "a b", "\xc3\xa9", "a\n"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        EXPECT(files_name_is_valid(slice_from_text(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        EXPECT(!files_name_is_valid(slice_from_text(bad[i])));
    }
    world w;
    begin(&w, &kinds[1]);
    want(&w, "../etc", NULL, NULL);
    want(&w, "key", "../../etc/passwd", NULL);
    want(&w, "key", NULL, "1");
    fetch(&w, true);
    for (size_t i = 0; i < 3; i++) {
        EXPECT(w.items[i].code == STATUS_INVALID || w.items[i].code == STATUS_NOT_FOUND);
    }
    end(&w);
}

TEST(files_have_1_byte_to_64_kib) {
    world w;
    begin(&w, &kinds[1]);
    char *large = mem_zalloc(SECRET_VALUE_BYTES_MAX + 2);
    memset(large, 'x', SECRET_VALUE_BYTES_MAX + 1);
    files_put(&w, "large", NULL, large);
    large[SECRET_VALUE_BYTES_MAX] = '\0';
    files_put(&w, "full", NULL, large);
    files_put(&w, "empty", NULL, "");
    want(&w, "large", NULL, NULL);
    want(&w, "full", NULL, NULL);
    want(&w, "empty", NULL, NULL);
    fetch(&w, true);
    EXPECT_EQ(w.items[0].code, STATUS_INVALID);
    EXPECT(is_value(&w, 1, large));
    EXPECT_EQ(w.items[2].code, STATUS_INVALID);
    mem_free(large);
    end(&w);
}

// --- the server alone --------------------------------------------------------------------------------------

static void ask_vault(world *w) {
    forget(w);
    want(w, "key", NULL, NULL);
    want(w, "other", NULL, NULL);
    fetch(w, true);
}

TEST(a_server_is_asked_once_for_a_key_and_renews_its_token) {
    world w;
    begin(&w, &kinds[2]);
    vault_put(&w, "db", "user", "ann");
    vault_put(&w, "db", "password", "pw");
    want(&w, "db", "user", NULL);
    want(&w, "db", "password", NULL);
    want(&w, "db", "password", "1");
    fetch(&w, true);
    EXPECT(is_value(&w, 0, "ann") && is_value(&w, 1, "pw"));
    EXPECT_EQ(w.items[2].code, STATUS_NOT_FOUND); // the first version had one field
    EXPECT_EQ(w.vault.requests, 3);
    EXPECT_EQ(w.vault.renewals, 1);
    ask_vault(&w);
    EXPECT_EQ(w.vault.renewals, 1); // it is good for an hour
    EXPECT_TEXT(w.vault.last_path, "/v1/secret/data/other");
    end(&w);
}

TEST(a_token_that_has_ended_is_read_again) {
    world w;
    begin(&w, &kinds[2]);
    vault_put(&w, "key", NULL, "one");
    ask_vault(&w);
    EXPECT(is_value(&w, 0, "one"));
    w.vault.token = "another-token"; // both there and in the sealed store
    ask_vault(&w);
    EXPECT(is_value(&w, 0, "one"));
    end(&w);
}

TEST(answers_of_a_server_that_make_no_sense) {
    static const struct {
        unsigned code;
        const char *body;
        status expected;
    } cases[] = {
        {400, NULL, STATUS_INVALID},   {403, NULL, STATUS_DENIED},
        {404, NULL, STATUS_NOT_FOUND}, {429, NULL, STATUS_CLOSED},
        {500, NULL, STATUS_IO},        {503, NULL, STATUS_CLOSED},
        {307, NULL, STATUS_IO},        {204, NULL, STATUS_IO},
        {0, "", STATUS_INVALID},       {0, "[]", STATUS_INVALID},
        {0, "{}", STATUS_INVALID},     {0, "{\"data\":{\"data\":7}}", STATUS_INVALID},
    };
    world w;
    begin(&w, &kinds[2]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        w.vault.answers = cases[i].code;
        w.vault.body = cases[i].body;
        ask_vault(&w);
        EXPECT_EQ(w.items[0].code, cases[i].expected);
        EXPECT_EQ(w.items[1].code, cases[i].expected);
    }
    end(&w);
}

TEST(a_server_that_does_not_answer_is_waited_for_once) {
    world w;
    begin(&w, &kinds[2]);
    vault_put(&w, "key", NULL, "one");
    w.vault.settings.timeout_ns = 100000000;
    w.vault.is_silent = true;
    uint64_t begin_ns = clock_now_ns();
    ask_vault(&w);
    EXPECT(w.items[0].code == STATUS_TIMEOUT || w.items[0].code == STATUS_CLOSED);
    EXPECT_EQ(w.items[1].code, w.items[0].code);
    EXPECT(clock_now_ns() - begin_ns < 20000000000ull);
    w.vault.is_silent = false;
    ask_vault(&w);
    EXPECT(is_value(&w, 0, "one"));
    end(&w);
}
