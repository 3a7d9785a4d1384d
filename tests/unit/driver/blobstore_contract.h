// SPDX-License-Identifier: Apache-2.0
// The contract of the blob store (driver/blobstore/blobstore.h), as tests that hold for every driver. A test
// file says how its driver is opened, with BLOBSTORE_CONTRACT_SETTINGS and without any container, and closed:
//
//   static const char *open_it(blobs *b);   NULL, or why the tests cannot run here
//   static void close_it(blobs *b);
//   BLOBSTORE_CONTRACT(open_it, close_it)
#pragma once

#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "test.h"
#include "unit/driver/helper_blobstore.h"

// The names are fit for every backend.
#define CONTRACT_ONE "writ-one"
#define CONTRACT_TWO "writ-two"

// The settings that the contract's tests need, besides the driver's own.
#define BLOBSTORE_CONTRACT_SETTINGS                                                 \
    {SLICE_LITERAL("containers"), SLICE_LITERAL("writ-one,writ-two,writ-missing")}, \
        {SLICE_LITERAL("object-bytes-max"), SLICE_LITERAL("13631488")}, {           \
        SLICE_LITERAL("uploads-max"), SLICE_LITERAL("4")                            \
    }

static bool is_text(const char *problem, blobstore_error x) {
    bool same = problem != NULL && strcmp(problem, blobstore_error_text(x)) == 0;
    if (!same) {
        printf("    it is: %s\n", problem == NULL ? "no error" : problem);
    }
    return same;
}

static slice name_of(const char *text) { return slice_from_text(text); }

static void contract_containers(blobs *b) {
    EXPECT(!blob_exists(b, CONTRACT_ONE));
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_exists(b, CONTRACT_ONE));
    EXPECT(!blob_exists(b, CONTRACT_TWO));
    blobstore_call c = blob_on_container(BLOBSTORE_CONTAINER_INFO, CONTRACT_ONE);
    blob_pending p;
    blob_call(b, &c, &p);
    EXPECT(p.code == STATUS_OK && !p.answer.is_error);
    EXPECT(p.answer.created_at <= (uint64_t)time(NULL) + 2 &&
           p.answer.created_at + 100 > (uint64_t)time(NULL));
    blob_done(&p);
    EXPECT(blob_put(b, CONTRACT_ONE, "stays", "text"));
    EXPECT(blob_create(b, CONTRACT_ONE)); // again: nothing changes
    EXPECT(blob_is(b, CONTRACT_ONE, "stays", "text"));
    c = blob_on_container(BLOBSTORE_CLEAR_CONTAINER, CONTRACT_ONE);
    EXPECT(blob_do(b, &c));
    EXPECT(blob_is(b, CONTRACT_ONE, "stays", NULL));
    EXPECT(blob_exists(b, CONTRACT_ONE));
    EXPECT(blob_put(b, CONTRACT_ONE, "goes", "text"));
    c = blob_on_container(BLOBSTORE_DELETE_CONTAINER, CONTRACT_ONE);
    EXPECT(blob_do(b, &c));
    EXPECT(!blob_exists(b, CONTRACT_ONE));
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_is(b, CONTRACT_ONE, "goes", NULL));
}

static void contract_missing_containers(blobs *b) {
    static const blobstore_function functions[] = {
        BLOBSTORE_DELETE_CONTAINER, BLOBSTORE_CLEAR_CONTAINER, BLOBSTORE_CONTAINER_INFO, BLOBSTORE_LIST,
        BLOBSTORE_HAS_OBJECT,       BLOBSTORE_OBJECT_INFO,     BLOBSTORE_DELETE_OBJECT,  BLOBSTORE_READ};
    static const char *const containers[] = {"writ-missing", "writ-not-allowed"};
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
            blobstore_call c = blob_on_object(functions[i], containers[k], name_of("x"));
            c.limit = 10;
            EXPECT(blob_is_error(b, &c, BLOBSTORE_NO_CONTAINER));
        }
        EXPECT(is_text(blob_write(b, containers[k], name_of("x"), name_of("text")), BLOBSTORE_NO_CONTAINER));
        EXPECT(!blob_exists(b, containers[k]));
    }
    blobstore_call c = blob_on_container(BLOBSTORE_CREATE_CONTAINER, "writ-not-allowed");
    EXPECT(blob_is_error(b, &c, BLOBSTORE_DENIED));
    EXPECT(!blob_exists(b, "writ-not-allowed"));
}

static void contract_objects(blobs *b) {
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_create(b, CONTRACT_TWO));
    EXPECT(blob_is(b, CONTRACT_ONE, "o", NULL));
    EXPECT(blob_put(b, CONTRACT_ONE, "o", "one"));
    EXPECT(blob_is(b, CONTRACT_ONE, "o", "one"));
    EXPECT(blob_is(b, CONTRACT_TWO, "o", NULL));
    EXPECT(blob_put(b, CONTRACT_ONE, "o", "a longer second"));
    EXPECT(blob_is(b, CONTRACT_ONE, "o", "a longer second"));
    EXPECT(blob_put(b, CONTRACT_ONE, "o", ""));
    EXPECT(blob_is(b, CONTRACT_ONE, "o", ""));
    EXPECT(blob_has(b, CONTRACT_ONE, name_of("o")));
    EXPECT(blob_put(b, CONTRACT_ONE, "o", "sized"));
    blobstore_call c = blob_on_object(BLOBSTORE_OBJECT_INFO, CONTRACT_ONE, name_of("o"));
    blob_pending p;
    blob_call(b, &c, &p);
    EXPECT_EQ(p.answer.size, 5);
    EXPECT(p.answer.created_at <= (uint64_t)time(NULL) + 2 &&
           p.answer.created_at + 100 > (uint64_t)time(NULL));
    blob_done(&p);
    c.function = BLOBSTORE_DELETE_OBJECT;
    EXPECT(blob_do(b, &c));
    EXPECT(blob_do(b, &c)); // not there: no error
    EXPECT(blob_is(b, CONTRACT_ONE, "o", NULL));
    c.function = BLOBSTORE_OBJECT_INFO;
    EXPECT(blob_is_error(b, &c, BLOBSTORE_NO_OBJECT));
}

// Each name is an object of its own, or is refused and nothing happens.
static void contract_names(blobs *b) {
    static const char *const names[] = {
        "a",         "a/b",      "A",     "../x",    "..",         ".",   "/etc/passwd",
        "a//b",      "a/../../", "%2F",   "%",       " ",          "a b", "\xc3\xa4/\xe2\x82\xac",
        "tab\tname", "-",        "a+b=c", "a&b?c#d", "'\"<>\\|*~", "x/",  "line\nbreak",
        ".hidden",   "a%2fb"};
    enum { COUNT = sizeof names / sizeof names[0] };
    char longest[BLOBSTORE_OBJECT_BYTES_MAX + 1];
    bool is_there[COUNT + 1] = {false};
    memset(longest, '/', sizeof longest);
    for (size_t i = 0; i < BLOBSTORE_OBJECT_BYTES_MAX; i += 3) {
        memcpy(longest + i, "\xc3\xa4", 2);
    }
    longest[BLOBSTORE_OBJECT_BYTES_MAX] = longest[BLOBSTORE_OBJECT_BYTES_MAX - 1] = 'x';
    EXPECT(blob_create(b, CONTRACT_ONE));
    for (size_t i = 0; i <= COUNT; i++) {
        slice name = i < COUNT ? name_of(names[i]) : slice_of(longest, BLOBSTORE_OBJECT_BYTES_MAX);
        const char *problem = blob_write(b, CONTRACT_ONE, name, name);
        is_there[i] = problem == NULL;
        EXPECT(problem == NULL || (b->names_are_paths && is_text(problem, BLOBSTORE_BAD_NAME)));
    }
    for (size_t i = 0; i <= COUNT; i++) {
        slice name = i < COUNT ? name_of(names[i]) : slice_of(longest, BLOBSTORE_OBJECT_BYTES_MAX);
        EXPECT(!is_there[i] || blob_is_bytes(b, CONTRACT_ONE, name, name));
    }
    EXPECT(is_text(blob_write(b, CONTRACT_ONE, slice_empty(), name_of("x")), BLOBSTORE_BAD_NAME));
    EXPECT(is_text(blob_write(b, CONTRACT_ONE, slice_of("a\0b", 3), name_of("x")), BLOBSTORE_BAD_NAME));
    EXPECT(is_text(blob_write(b, CONTRACT_ONE, slice_of(longest, sizeof longest), name_of("x")),
                   BLOBSTORE_BAD_NAME) == false); // does not decode: STATUS_INVALID
    blobstore_call c = blob_on_container(BLOBSTORE_LIST, CONTRACT_ONE);
    blob_pending p;
    blob_call(b, &c, &p);
    size_t expected = 0, found = 0;
    for (size_t i = 0; i <= COUNT; i++) {
        slice name = i < COUNT ? name_of(names[i]) : slice_of(longest, BLOBSTORE_OBJECT_BYTES_MAX);
        bool is_listed = false;
        for (size_t k = 0; k < p.answer.count; k++) {
            is_listed = is_listed || slice_equal(p.answer.names[k], name);
        }
        if (is_listed != is_there[i]) {
            printf("    \"%.*s\" is %slisted\n", SLICE_ARG(slice_sub(name, 0, 40)), is_listed ? "" : "not ");
        }
        expected += is_there[i];
        found += is_there[i] && is_listed;
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(p.answer.count, expected);
    blob_done(&p);
}

// Bytes that tell where they stand.
static uint8_t *contract_pattern(size_t len, uint32_t seed) {
    uint8_t *bytes = mem_alloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(seed >> 24);
    }
    return bytes;
}

static void contract_ranges(blobs *b) {
    enum { LEN = (2 << 20) + 17 };
    static const uint64_t starts[] = {0, 1, 65535, 1 << 20, LEN - 1, LEN, LEN + 1, UINT64_MAX};
    static const uint32_t lens[] = {1, 100, 1 << 20};
    uint8_t *bytes = contract_pattern(LEN, 7);
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_write(b, CONTRACT_ONE, name_of("o"), slice_of(bytes, LEN)) == NULL);
    EXPECT(blob_is_bytes(b, CONTRACT_ONE, name_of("o"), slice_of(bytes, LEN)));
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        for (size_t k = 0; k < sizeof lens / sizeof lens[0]; k++) {
            blobstore_call c = blob_on_object(BLOBSTORE_READ, CONTRACT_ONE, name_of("o"));
            c.start = starts[i];
            c.len = lens[k];
            size_t start = starts[i] < LEN ? (size_t)starts[i] : LEN;
            blob_pending p;
            blob_call(b, &c, &p);
            EXPECT(p.code == STATUS_OK && !p.answer.is_error && p.answer.size == LEN);
            EXPECT(slice_equal(p.answer.bytes, slice_sub(slice_of(bytes, LEN), start, start + lens[k])));
            blob_done(&p);
        }
    }
    mem_free(bytes);
}

WRIT_UNUSED static void contract_revisions(blobs *b) {
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_put(b, CONTRACT_ONE, "o", "0123456789"));
    blobstore_call c = blob_on_object(BLOBSTORE_READ, CONTRACT_ONE, name_of("o"));
    c.len = 4;
    blob_pending first;
    blob_call(b, &c, &first);
    EXPECT(first.answer.revision.len > 0 && slice_equal_text(first.answer.bytes, "0123"));
    c.has_revision = true;
    c.revision = first.answer.revision;
    c.start = 4;
    blob_pending p;
    blob_call(b, &c, &p);
    EXPECT(slice_equal_text(p.answer.bytes, "4567") && slice_equal(p.answer.revision, c.revision));
    blob_done(&p);
    EXPECT(blob_put(b, CONTRACT_ONE, "o", "abcdefghij"));
    EXPECT(blob_is_error(b, &c, BLOBSTORE_CHANGED));
    c.start = 100; // behind the end too
    EXPECT(blob_is_error(b, &c, BLOBSTORE_CHANGED));
    c.start = 4;
    c.revision = slice_from_text("\"nonsense\"");
    EXPECT(blob_is_error(b, &c, BLOBSTORE_CHANGED));
    c.revision = first.answer.revision;
    blobstore_call gone = blob_on_object(BLOBSTORE_DELETE_OBJECT, CONTRACT_ONE, name_of("o"));
    EXPECT(blob_do(b, &gone));
    EXPECT(blob_is_error(b, &c, BLOBSTORE_NO_OBJECT));
    blob_done(&first);
}

static void contract_uploads(blobs *b) {
    blob_upload u;
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_put(b, CONTRACT_ONE, "old", "before"));
    EXPECT(blob_upload_begin(b, CONTRACT_ONE, name_of("old"), &u) == NULL);
    EXPECT(blob_upload_append(b, &u, name_of("af")) == NULL);
    EXPECT(blob_is(b, CONTRACT_ONE, "old", "before"));
    EXPECT(blob_upload_append(b, &u, name_of("")) == NULL);
    EXPECT(blob_upload_append(b, &u, name_of("ter")) == NULL);
    EXPECT(blob_is(b, CONTRACT_ONE, "old", "before"));
    EXPECT(blob_upload_finish(b, &u) == NULL);
    EXPECT(blob_is(b, CONTRACT_ONE, "old", "after"));
    EXPECT(is_text(blob_upload_finish(b, &u), BLOBSTORE_NO_UPLOAD)); // once
    EXPECT(is_text(blob_upload_append(b, &u, name_of("x")), BLOBSTORE_NO_UPLOAD));

    EXPECT(blob_upload_begin(b, CONTRACT_ONE, name_of("new"), &u) == NULL);
    EXPECT(blob_upload_append(b, &u, name_of("text")) == NULL);
    EXPECT(!blob_has(b, CONTRACT_ONE, name_of("new")));
    EXPECT(blob_upload_abort(b, &u) == NULL);
    EXPECT(is_text(blob_upload_finish(b, &u), BLOBSTORE_NO_UPLOAD));
    EXPECT(!blob_has(b, CONTRACT_ONE, name_of("new")));

    blobstore_call list = blob_on_container(BLOBSTORE_LIST, CONTRACT_ONE);
    blob_pending p;
    blob_call(b, &list, &p);
    EXPECT(p.answer.count == 1 && slice_equal_text(p.answer.names[0], "old"));
    blob_done(&p);
}

// A part that is missing or comes twice must not become part of an object.
static void contract_upload_order(blobs *b) {
    blob_upload u;
    EXPECT(blob_create(b, CONTRACT_ONE));
    for (int i = 0; i < 4; i++) {
        EXPECT(blob_upload_begin(b, CONTRACT_ONE, name_of("o"), &u) == NULL);
        EXPECT(blob_upload_append(b, &u, name_of("text")) == NULL);
        uint64_t bytes = u.bytes;
        u.bytes = i % 2 == 0 ? bytes - 1 : bytes + 1;
        const char *problem = i < 2 ? blob_upload_append(b, &u, name_of("x")) : blob_upload_finish(b, &u);
        EXPECT(is_text(problem, BLOBSTORE_NO_UPLOAD));
        u.bytes = bytes;
        EXPECT(is_text(blob_upload_finish(b, &u), BLOBSTORE_NO_UPLOAD)); // it is over
    }
    EXPECT(blob_upload_begin(b, CONTRACT_ONE, name_of("o"), &u) == NULL);
    blob_upload guessed = u;
    guessed.name[BLOBSTORE_UPLOAD_BYTES - 1] = guessed.name[BLOBSTORE_UPLOAD_BYTES - 1] == '0' ? '1' : '0';
    EXPECT(is_text(blob_upload_append(b, &guessed, name_of("x")), BLOBSTORE_NO_UPLOAD));
    guessed.name[0] = '\0';
    EXPECT(is_text(blob_upload_abort(b, &guessed), BLOBSTORE_NO_UPLOAD));
    EXPECT(blob_upload_append(b, &u, name_of("right")) == NULL);
    EXPECT(blob_upload_finish(b, &u) == NULL);
    EXPECT(blob_is(b, CONTRACT_ONE, "o", "right"));
}

WRIT_UNUSED static void contract_upload_bounds(blobs *b) {
    blob_upload u[5];
    EXPECT(blob_create(b, CONTRACT_ONE));
    for (int i = 0; i < 4; i++) {
        EXPECT(blob_upload_begin(b, CONTRACT_ONE, name_of("o"), &u[i]) == NULL);
    }
    EXPECT(is_text(blob_upload_begin(b, CONTRACT_ONE, name_of("o"), &u[4]), BLOBSTORE_TOO_MANY));
    EXPECT(blob_upload_append(b, &u[1], name_of("second")) == NULL); // two of one object: the last one stays
    EXPECT(blob_upload_append(b, &u[2], name_of("third")) == NULL);
    EXPECT(blob_upload_finish(b, &u[2]) == NULL);
    EXPECT(blob_is(b, CONTRACT_ONE, "o", "third"));
    EXPECT(blob_upload_finish(b, &u[1]) == NULL);
    EXPECT(blob_is(b, CONTRACT_ONE, "o", "second"));
    EXPECT(blob_upload_abort(b, &u[0]) == NULL);
    EXPECT(blob_upload_abort(b, &u[3]) == NULL);
    EXPECT(blob_put(b, CONTRACT_ONE, "o", "there is room again"));
}

// The setting object-bytes-max: 13 parts of 1 MiB.
static void contract_large(blobs *b) {
    enum { LEN = 13 << 20 };
    uint8_t *bytes = contract_pattern(LEN, 3);
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_create(b, CONTRACT_TWO));
    EXPECT(blob_write(b, CONTRACT_ONE, name_of("large"), slice_of(bytes, LEN)) == NULL);
    EXPECT(blob_is_bytes(b, CONTRACT_ONE, name_of("large"), slice_of(bytes, LEN)));
    EXPECT(is_text(blob_write(b, CONTRACT_ONE, name_of("larger"), slice_of(bytes, LEN + 1)),
                   BLOBSTORE_TOO_LARGE));
    EXPECT(!blob_has(b, CONTRACT_ONE, name_of("larger")));
    blobstore_call c = blob_on_object(BLOBSTORE_COPY, CONTRACT_ONE, name_of("large"));
    c.to_container = name_of(CONTRACT_TWO);
    c.to_object = name_of("copy");
    EXPECT(blob_do(b, &c));
    EXPECT(blob_is_bytes(b, CONTRACT_TWO, name_of("copy"), slice_of(bytes, LEN)));
    mem_free(bytes);
}

static void contract_copies(blobs *b) {
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_create(b, CONTRACT_TWO));
    EXPECT(blob_put(b, CONTRACT_ONE, "from", "text"));
    EXPECT(blob_put(b, CONTRACT_TWO, "to", "something longer"));
    blobstore_call c = blob_on_object(BLOBSTORE_COPY, CONTRACT_ONE, name_of("from"));
    c.to_container = name_of(CONTRACT_TWO);
    c.to_object = name_of("to");
    EXPECT(blob_do(b, &c));
    EXPECT(blob_is(b, CONTRACT_ONE, "from", "text") && blob_is(b, CONTRACT_TWO, "to", "text"));
    c.function = BLOBSTORE_MOVE;
    c.to_object = name_of("moved");
    EXPECT(blob_do(b, &c));
    EXPECT(blob_is(b, CONTRACT_ONE, "from", NULL) && blob_is(b, CONTRACT_TWO, "moved", "text"));
    EXPECT(blob_is_error(b, &c, BLOBSTORE_NO_OBJECT));
    c.function = BLOBSTORE_COPY;
    EXPECT(blob_is_error(b, &c, BLOBSTORE_NO_OBJECT));
    EXPECT(blob_is(b, CONTRACT_TWO, "moved", "text"));
    for (int i = 0; i < 2; i++) { // to itself
        c = blob_on_object(i == 0 ? BLOBSTORE_COPY : BLOBSTORE_MOVE, CONTRACT_TWO, name_of("moved"));
        c.to_container = c.container;
        c.to_object = c.object;
        EXPECT(blob_do(b, &c));
        EXPECT(blob_is(b, CONTRACT_TWO, "moved", "text"));
        c.to_container = name_of("writ-missing");
        EXPECT(blob_is_error(b, &c, BLOBSTORE_NO_CONTAINER));
        c.to_container = name_of("writ-not-allowed");
        EXPECT(blob_is_error(b, &c, BLOBSTORE_NO_CONTAINER));
        EXPECT(blob_is(b, CONTRACT_TWO, "moved", "text"));
    }
}

// Lists with pages of that size and counts each of "name-0" ... in `seen`. How many different ones, or -1.
static int contract_list_all(blobs *b, uint32_t limit, int *seen, int count, int *ret_pages) {
    blobstore_call c = blob_on_container(BLOBSTORE_LIST, CONTRACT_ONE);
    char cursor[BLOBSTORE_CURSOR_BYTES_MAX];
    int found = 0;
    c.limit = limit;
    *ret_pages = 0;
    memset(seen, 0, (size_t)count * sizeof *seen);
    do {
        blob_pending p;
        blob_call(b, &c, &p);
        bool ok = p.code == STATUS_OK && !p.answer.is_error && p.answer.count <= limit;
        for (size_t i = 0; ok && i < p.answer.count; i++) {
            char text[64];
            int number = -1;
            snprintf(text, sizeof text, "%.*s", SLICE_ARG(p.answer.names[i]));
            ok = sscanf(text, "folder/name-%d", &number) == 1 && number >= 0 && number < count &&
                 seen[number]++ == 0;
            found += ok;
        }
        c.has_cursor = p.answer.has_cursor;
        memcpy(cursor, p.answer.cursor.data == NULL ? (const uint8_t *)"" : p.answer.cursor.data,
               p.answer.cursor.len);
        c.cursor = slice_of(cursor, p.answer.cursor.len);
        blob_done(&p);
        if (!ok || ++*ret_pages > 1000) {
            return -1;
        }
    } while (c.has_cursor);
    return found;
}

static void contract_list(blobs *b) {
    enum { COUNT = 230 };
    int pages = 0, seen[COUNT];
    char names[COUNT][24];
    slice list[COUNT + 1];
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT_EQ(contract_list_all(b, 1000, seen, COUNT, &pages), 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "folder/name-%d", i);
        list[i] = slice_from_text(names[i]);
        EXPECT(blob_write(b, CONTRACT_ONE, list[i], list[i]) == NULL);
    }
    EXPECT_EQ(contract_list_all(b, 1000, seen, COUNT, &pages), COUNT);
    EXPECT_EQ(contract_list_all(b, 100, seen, COUNT, &pages), COUNT);
    EXPECT(pages >= 3);
    EXPECT_EQ(contract_list_all(b, 7, seen, COUNT, &pages), COUNT);
    blobstore_call c = blob_on_container(BLOBSTORE_DELETE_OBJECTS, CONTRACT_ONE);
    list[COUNT] = slice_from_text("not there");
    c.names = list + 3;
    c.count = COUNT - 2;
    EXPECT(blob_do(b, &c));
    EXPECT_EQ(contract_list_all(b, 2, seen, COUNT, &pages), 3);
    EXPECT(seen[0] && seen[1] && seen[2]);
    c.count = 0;
    EXPECT(blob_do(b, &c));
    c = blob_on_container(BLOBSTORE_CLEAR_CONTAINER, CONTRACT_ONE);
    EXPECT(blob_do(b, &c));
    EXPECT_EQ(contract_list_all(b, 1000, seen, COUNT, &pages), 0);
}

// Someone writes while someone reads: what is read in parts is one of the two, or an error.
WRIT_UNUSED static void contract_mixing(blobs *b) {
    enum { LEN = 300 };
    char text[2][LEN];
    memset(text[0], 'a', LEN);
    memset(text[1], 'b', LEN);
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_write(b, CONTRACT_ONE, name_of("o"), slice_of(text[0], LEN)) == NULL);
    int whole = 0, changed = 0;
    for (int i = 0; i < 20; i++) {
        blobstore_call c = blob_on_object(BLOBSTORE_READ, CONTRACT_ONE, name_of("o"));
        blob_pending p[4];
        c.len = 100;
        blob_call(b, &c, &p[0]);
        c.has_revision = true;
        c.revision = p[0].answer.revision;
        c.start = 100;
        blob_begin(b, &p[1], &c, UINT64_MAX);
        if (i % 2 == 1) {
            EXPECT(blob_write(b, CONTRACT_ONE, name_of("o"), slice_of(text[(i / 2 + 1) % 2], LEN)) == NULL);
        }
        blob_wait(b, &p[1]);
        c.start = 200;
        blob_call(b, &c, &p[2]);
        bool is_whole = true;
        for (int k = 0; k < 3; k++) {
            EXPECT_OK(p[k].code);
            is_whole = is_whole && !p[k].answer.is_error &&
                       slice_equal(p[k].answer.bytes, slice_of(text[p[0].answer.bytes.data[0] - 'a'], 100));
            EXPECT(!p[k].answer.is_error ||
                   slice_equal_text(p[k].answer.message, blobstore_error_text(BLOBSTORE_CHANGED)));
            changed += p[k].answer.is_error;
        }
        whole += is_whole;
        EXPECT(is_whole == (i % 2 == 0));
        for (int k = 0; k < 3; k++) {
            blob_done(&p[k]);
        }
    }
    EXPECT_EQ(whole, 10);
    EXPECT(changed >= 10);
}

static void contract_wrong(blobs *b, blob_pending *p, const char *interface, const char *function,
                           slice payload) {
    blobstore_call c = blob_on_container(BLOBSTORE_CONTAINER_EXISTS, CONTRACT_ONE);
    blob_begin(b, p, &c, UINT64_MAX); // fills it
    blob_wait(b, p);
    p->is_done = false;
    buf_clear(&p->bytes);
    p->call.interface = slice_from_text(interface);
    p->call.function = slice_from_text(function);
    p->call.payload = payload;
    b->k.d->call(b->k.link, &p->call);
    blob_wait(b, p);
    blob_done(p);
}

static void contract_wrong_calls(blobs *b) {
    blob_pending p = {0};
    EXPECT(blob_create(b, CONTRACT_ONE));
    contract_wrong(b, &p, BLOBSTORE_INTERFACE, "steal", slice_empty());
    EXPECT_STATUS(p.code, STATUS_UNSUPPORTED);
    contract_wrong(b, &p, "wasi:blobstore/container", "has-object", slice_empty());
    EXPECT_STATUS(p.code, STATUS_UNSUPPORTED);
    contract_wrong(b, &p, BLOBSTORE_INTERFACE, "container-exists", slice_from_text("\x05x"));
    EXPECT_STATUS(p.code, STATUS_INVALID);
    contract_wrong(b, &p, BLOBSTORE_INTERFACE, "container-exists", slice_from_text("\x01xx"));
    EXPECT_STATUS(p.code, STATUS_INVALID);
    contract_wrong(b, &p, BLOBSTORE_INTERFACE, "write-container-data", slice_from_text("\x04\x01x"));
    EXPECT_STATUS(p.code, STATUS_INVALID);
    EXPECT(blob_put(b, CONTRACT_ONE, "o", "still works"));
}

static void contract_cancel(blobs *b) {
    blob_pending p[40] = {0};
    EXPECT(blob_create(b, CONTRACT_ONE));
    EXPECT(blob_put(b, CONTRACT_ONE, "o", "text"));
    blobstore_call c = blob_on_object(BLOBSTORE_READ, CONTRACT_ONE, name_of("o"));
    for (int i = 0; i < 40; i++) {
        c.function = i % 3 == 0 ? BLOBSTORE_READ : i % 3 == 1 ? BLOBSTORE_HAS_OBJECT : BLOBSTORE_WRITE;
        blob_begin(b, &p[i], &c, UINT64_MAX);
    }
    for (int i = 0; i < 40; i += 2) {
        if (!p[i].is_done) {
            p[i].call.is_cancelled = true;
            b->k.d->cancel(b->k.link, &p[i].call);
        }
    }
    for (int i = 0; i < 40; i++) {
        blob_wait(b, &p[i]);
        EXPECT(p[i].code == STATUS_OK || (i % 2 == 0 && p[i].code == STATUS_CANCELLED));
        blob_done(&p[i]);
    }
    EXPECT(blob_is(b, CONTRACT_ONE, "o", "text"));
}

#define BLOBSTORE_CONTRACT_TEST(open_it, close_it, name) \
    TEST(contract_##name) {                              \
        blobs b = {0};                                   \
        const char *why = open_it(&b);                   \
        if (why != NULL) {                               \
            SKIP(why);                                   \
        }                                                \
        contract_##name(&b);                             \
        close_it(&b);                                    \
    }

#define BLOBSTORE_CONTRACT(open_it, close_it)                      \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, containers)         \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, missing_containers) \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, objects)            \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, names)              \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, ranges)             \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, revisions)          \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, uploads)            \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, upload_order)       \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, upload_bounds)      \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, large)              \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, copies)             \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, list)               \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, mixing)             \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, wrong_calls)        \
    BLOBSTORE_CONTRACT_TEST(open_it, close_it, cancel)
