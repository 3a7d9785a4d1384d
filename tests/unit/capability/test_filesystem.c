// SPDX-License-Identifier: Apache-2.0
// What the functions of wasi:filesystem do with files and directories, and what they refuse.
#include "helper_tree.h"

// --- entries ---------------------------------------------------------------------------------------------

static void change_entries(bool walks) {
    tree t;
    tree_start(&t, walks);
    descriptor *r = t.root;
    EXPECT_EQ(make_directory(&t, r, "made"), OK);
    EXPECT_EQ(make_directory(&t, r, "made/deep/"), OK); // a slash is fine here
    EXPECT_EQ(make_directory(&t, r, "made"), CODE(EXIST));
    EXPECT_EQ(make_directory(&t, r, "."), CODE(EXIST));
    EXPECT_EQ(make_directory(&t, r, "gooddir/"), CODE(EXIST));
    EXPECT_EQ(remove_directory(&t, r, "made"), CODE(NOT_EMPTY));
    EXPECT_EQ(remove_directory(&t, r, "made/."), CODE(INVALID));
    EXPECT_EQ(remove_directory(&t, r, "gooddir/"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(remove_directory(&t, r, "made/deep/"), OK);
    EXPECT_EQ(remove_directory(&t, r, "file"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "made"), CODE(IS_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "made/"), CODE(IS_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "."), CODE(IS_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "file/"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "gooddir/"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(unlink_file(&t, r, "up_link"), OK); // the link, not what it names
    EXPECT_EQ(rename_at(&t, r, "file", r, "made/"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(rename_at(&t, r, "file/", r, "x"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(rename_at(&t, r, "made/.", r, "x"), CODE(BUSY));
    EXPECT_EQ(rename_at(&t, r, "made/", r, "dir/made/"), OK);
    EXPECT_EQ(rename_at(&t, r, "dir", r, "dir/made/dir"), CODE(INVALID));
    EXPECT_EQ(rename_at(&t, r, "file", r, "dir/moved"), OK);
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/moved", r, "hard"), OK);
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/moved", r, "hard"), CODE(EXIST));
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/moved/", r, "x"), CODE(NOT_DIRECTORY));
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/moved", r, "x/"), CODE(NO_ENTRY));
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, "dir/", r, "x"), CODE(NOT_PERMITTED));
    EXPECT_EQ(link_at(&t, NO_FOLLOW, r, ".", r, "x"), CODE(NOT_PERMITTED));
    wasi_filesystem_types_descriptor_stat_data s = {0};
    EXPECT_EQ(stat_at(&t, r, NO_FOLLOW, "hard", &s), OK);
    EXPECT_EQ(s.link_count, 2);
    EXPECT_EQ(s.size, 4);
    EXPECT_EQ(s.type, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE);
    tree_done(&t);
}

TEST(changing_entries_with_openat2) { change_entries(false); }
TEST(changing_entries_with_our_walk) { change_entries(true); }

static void symbolic_links(bool walks) {
    tree t;
    tree_start(&t, walks);
    slice target = slice_empty();
    EXPECT_EQ(symlink_at(&t, t.root, "dir/inner", "link"), OK);
    EXPECT_EQ(readlink_at(&t, t.root, "link", &target), OK);
    EXPECT_BYTES(target, text("dir/inner"));
    EXPECT_EQ(symlink_at(&t, t.root, "x", "link"), CODE(EXIST));
    EXPECT_EQ(symlink_at(&t, t.root, "x", "new/"), CODE(NO_ENTRY));
    EXPECT_EQ(symlink_at(&t, t.root, "x", "."), CODE(EXIST));
    EXPECT_EQ(symlink_at(&t, t.root, "/etc", "bad"), CODE(NOT_PERMITTED));
    EXPECT_EQ(symlink_at(&t, t.root, "", "bad"), CODE(NO_ENTRY));
    EXPECT_EQ(symlink_at(&t, t.root, "../outside", "useless"), OK); // resolves for nobody here
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "useless/secret", 0, FLAG(READ), NULL), CODE(NOT_PERMITTED));
    EXPECT_EQ(readlink_at(&t, t.root, "abs_link", NULL), CODE(NOT_PERMITTED));
    EXPECT_EQ(readlink_at(&t, t.root, "file", NULL), CODE(INVALID));
    EXPECT_EQ(readlink_at(&t, t.root, "link/", NULL), CODE(INVALID));
    EXPECT_EQ(readlink_at(&t, t.root, ".", NULL), CODE(INVALID));
    EXPECT(symlinkat("\xff\xfe", t.directories[0].fd, "not_text") == 0);
    EXPECT_EQ(readlink_at(&t, t.root, "not_text", NULL), CODE(ILLEGAL_BYTE_SEQUENCE));
    tree_done(&t);
}

TEST(symbolic_links_with_openat2) { symbolic_links(false); }
TEST(symbolic_links_with_our_walk) { symbolic_links(true); }

// --- authority -------------------------------------------------------------------------------------------

TEST(a_read_only_directory_stays_as_it_is) {
    tree t;
    tree_start(&t, false);
    descriptor *r = t.read_only;
    wasi_filesystem_types_result_descriptor_flags_error_code flags = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_get_flags(&t.g, r, &flags, NULL));
    EXPECT_EQ(flags.ok, FLAG(READ));
    EXPECT_OK(wasi_filesystem_types_descriptor_get_flags(&t.g, t.root, &flags, NULL));
    EXPECT_EQ(flags.ok, FLAG(READ) | FLAG(MUTATE_DIRECTORY));

    descriptor *dir = NULL, *file = NULL;
    REQUIRE(open_at(&t, r, NO_FOLLOW, "dir", OPEN(DIRECTORY), FLAG(READ), &dir) == OK);
    REQUIRE(open_at(&t, dir, NO_FOLLOW, "inner", 0, FLAG(READ), &file) == OK);
    descriptor *both[] = {r, dir}; // what is opened below it inherits that
    for (size_t i = 0; i < 2; i++) {
        descriptor *d = both[i];
        EXPECT_EQ(open_at(&t, d, FOLLOW, "inner", 0, FLAG(WRITE), NULL), CODE(READ_ONLY));
        EXPECT_EQ(open_at(&t, d, FOLLOW, "new", OPEN(CREATE), FLAG(READ), NULL), CODE(READ_ONLY));
        EXPECT_EQ(open_at(&t, d, FOLLOW, "inner", OPEN(TRUNCATE), FLAG(READ), NULL), CODE(READ_ONLY));
        EXPECT_EQ(open_at(&t, d, FOLLOW, ".", 0, FLAG(READ) | FLAG(MUTATE_DIRECTORY), NULL), CODE(READ_ONLY));
        EXPECT_EQ(make_directory(&t, d, "new"), CODE(READ_ONLY));
        EXPECT_EQ(remove_directory(&t, d, "dir"), CODE(READ_ONLY));
        EXPECT_EQ(unlink_file(&t, d, "file"), CODE(READ_ONLY));
        EXPECT_EQ(symlink_at(&t, d, "x", "y"), CODE(READ_ONLY));
        EXPECT_EQ(set_times_at(&t, d, FOLLOW, ".", 1), CODE(READ_ONLY));
        EXPECT_EQ(set_times_at(&t, d, NO_FOLLOW, "file", 1), CODE(READ_ONLY));
        EXPECT_EQ(rename_at(&t, d, "file", t.root, "x"), CODE(READ_ONLY));
        EXPECT_EQ(rename_at(&t, t.root, "file", d, "x"), CODE(READ_ONLY));
        EXPECT_EQ(link_at(&t, NO_FOLLOW, d, "file", t.root, "x"), CODE(READ_ONLY)); // would be writable there
        EXPECT_EQ(link_at(&t, NO_FOLLOW, t.root, "file", d, "x"), CODE(READ_ONLY));
    }
    wasi_filesystem_types_result_void_error_code v = {0};
    wasi_filesystem_types_new_timestamp now = {.tag = WASI_FILESYSTEM_TYPES_NEW_TIMESTAMP_NOW};
    EXPECT_OK(wasi_filesystem_types_descriptor_set_times(&t.g, file, &now, &now, &v, NULL));
    EXPECT_EQ(RESULT(v), CODE(READ_ONLY));
    EXPECT_OK(wasi_filesystem_types_descriptor_set_size(&t.g, file, 0, &v, NULL));
    EXPECT_EQ(RESULT(v), CODE(BAD_DESCRIPTOR));
    EXPECT_EQ(write_file(&t, file, "x", 0), CODE(BAD_DESCRIPTOR));
    wasi_filesystem_types_result_output_stream_error_code o = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_write_via_stream(&t.g, file, 0, &o, NULL));
    EXPECT_EQ(RESULT(o), CODE(BAD_DESCRIPTOR));
    EXPECT_OK(wasi_filesystem_types_descriptor_append_via_stream(&t.g, file, &o, NULL));
    EXPECT_EQ(RESULT(o), CODE(BAD_DESCRIPTOR));
    EXPECT_EQ(stat_at(&t, r, FOLLOW, "file", NULL), OK);
    EXPECT_EQ(readlink_at(&t, r, "good", NULL), OK);
    tree_done(&t);
}

TEST(open_files_are_bounded) {
    tree t;
    tree_start(&t, false);
    t.g.workload.limits.files_max = 4; // two are the granted directories
    descriptor *a = NULL, *b = NULL;
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), &a), OK);
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), &b), OK);
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), NULL), CODE(QUOTA));
    wasi_filesystem_types_result_directory_entry_stream_error_code r = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_read_directory(&t.g, t.root, &r, NULL));
    EXPECT_EQ(RESULT(r), CODE(QUOTA));
    drop(&t, a);
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), NULL), OK);
    tree_done(&t);
}

// --- values ----------------------------------------------------------------------------------------------

TEST(every_error_code_has_an_errno) {
    bool seen[CODE(CROSS_DEVICE) + 1] = {false};
    for (int number = 1; number < 134; number++) {
        seen[filesystem_code(number)] = true;
    }
    for (size_t i = 0; i < sizeof seen; i++) {
        if (!EXPECT(seen[i])) {
            printf("    code %zu\n", i);
        }
    }
    EXPECT_EQ(filesystem_code(ENOENT), CODE(NO_ENTRY));
    EXPECT_EQ(filesystem_code(EXDEV), CODE(CROSS_DEVICE));
    EXPECT_EQ(filesystem_code(9999), CODE(IO));
}

// --- contents and metadata -------------------------------------------------------------------------------

TEST(reading_and_writing) {
    tree t;
    tree_start(&t, false);
    descriptor *f = NULL, *w = NULL;
    slice bytes = slice_empty();
    bool end = false;
    REQUIRE(open_at(&t, t.root, FOLLOW, "new", OPEN(CREATE), FLAG(READ) | FLAG(WRITE), &f) == OK);
    EXPECT_EQ(write_file(&t, f, "hello", 3), OK);
    EXPECT_EQ(read_file(&t, f, 100, 0, &bytes, &end), OK);
    EXPECT_BYTES(bytes, slice_of("\0\0\0hello", 8));
    EXPECT(end);
    EXPECT_EQ(read_file(&t, f, 4, 2, &bytes, &end), OK);
    EXPECT_BYTES(bytes, slice_of("\0hel", 4));
    EXPECT(!end);
    EXPECT_EQ(read_file(&t, f, UINT64_MAX, 8, &bytes, &end), OK);
    EXPECT(bytes.len == 0 && end);
    EXPECT_EQ(read_file(&t, f, 1, UINT64_MAX, &bytes, &end), CODE(INVALID));
    EXPECT_EQ(write_file(&t, f, "x", (uint64_t)INT64_MAX + 1), CODE(INVALID));
    EXPECT_EQ(read_file(&t, t.root, 1, 0, &bytes, &end), CODE(BAD_DESCRIPTOR));
    REQUIRE(open_at(&t, t.root, FOLLOW, "new", 0, FLAG(WRITE), &w) == OK);
    EXPECT_EQ(read_file(&t, w, 1, 0, &bytes, &end), CODE(BAD_DESCRIPTOR));
    wasi_filesystem_types_result_void_error_code v = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_set_size(&t.g, f, 4, &v, NULL));
    EXPECT_EQ(RESULT(v), OK);
    EXPECT_OK(wasi_filesystem_types_descriptor_set_size(&t.g, f, UINT64_MAX, &v, NULL));
    EXPECT_EQ(RESULT(v), CODE(INVALID));
    EXPECT_OK(wasi_filesystem_types_descriptor_sync(&t.g, f, &v, NULL));
    EXPECT_EQ(RESULT(v), OK);
    EXPECT_OK(wasi_filesystem_types_descriptor_sync_data(&t.g, f, &v, NULL));
    EXPECT_EQ(RESULT(v), OK);
    EXPECT_OK(wasi_filesystem_types_descriptor_advise(&t.g, f, 0, 4, WASI_FILESYSTEM_TYPES_ADVICE_SEQUENTIAL,
                                                      &v, NULL));
    EXPECT_EQ(RESULT(v), OK);
    wasi_filesystem_types_descriptor_stat_data s = {0};
    EXPECT_EQ(stat_at(&t, t.root, FOLLOW, "new", &s), OK);
    EXPECT_EQ(s.size, 4);
    EXPECT_EQ(open_at(&t, t.root, FOLLOW, "new", OPEN(TRUNCATE), FLAG(WRITE), NULL), OK);
    EXPECT_EQ(stat_at(&t, t.root, FOLLOW, "new", &s), OK);
    EXPECT_EQ(s.size, 0);
    tree_done(&t);
}

static slice read_stream(tree *t, wasi_io_streams_input_stream *s, uint64_t len) {
    wasi_io_streams_result_list_u8_stream_error r = {0};
    EXPECT_OK(wasi_io_streams_input_stream_blocking_read(&t->g, s, len, &r, NULL));
    return r.is_err ? text("closed") : r.ok;
}

TEST(streams) {
    tree t;
    tree_start(&t, false);
    descriptor *f = NULL;
    REQUIRE(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ) | FLAG(WRITE), &f) == OK);
    wasi_filesystem_types_result_output_stream_error_code o = {0}, a = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_write_via_stream(&t.g, f, 2, &o, NULL));
    EXPECT_OK(wasi_filesystem_types_descriptor_append_via_stream(&t.g, f, &a, NULL));
    wasi_filesystem_types_result_input_stream_error_code in = {0}, bad = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_read_via_stream(&t.g, f, 1, &in, NULL));
    EXPECT_OK(wasi_filesystem_types_descriptor_read_via_stream(&t.g, t.root, 0, &bad, NULL));
    EXPECT_EQ(RESULT(bad), CODE(BAD_DESCRIPTOR));
    EXPECT_OK(wasi_filesystem_types_descriptor_read_via_stream(&t.g, f, UINT64_MAX, &bad, NULL));
    EXPECT_EQ(RESULT(bad), CODE(INVALID));
    drop(&t, f); // the streams keep it open
    wasi_io_streams_result_void_stream_error v = {0};
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(&t.g, o.ok, text("TA"), &v, NULL));
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(&t.g, a.ok, text("end"), &v, NULL));
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(&t.g, a.ok, text("."), &v, NULL));
    EXPECT(!v.is_err);
    EXPECT_BYTES(read_stream(&t, in.ok, 2), text("aT"));
    wasi_io_streams_result_u64_stream_error skipped = {0};
    EXPECT_OK(wasi_io_streams_input_stream_skip(&t.g, in.ok, 2, &skipped, NULL));
    EXPECT_EQ(skipped.ok, 2);
    EXPECT_BYTES(read_stream(&t, in.ok, 100), text("nd."));
    EXPECT_BYTES(read_stream(&t, in.ok, 100), text("closed"));
    EXPECT_EQ(t.g.suspends, 0);
    EXPECT_EQ(t.g.instance->class_count[WASI_CLASS_FILE], 3);
    wasi_io_streams_input_stream_drop(t.g.instance, in.ok);
    wasi_io_streams_output_stream_drop(t.g.instance, o.ok);
    wasi_io_streams_output_stream_drop(t.g.instance, a.ok);
    EXPECT_EQ(t.g.instance->class_count[WASI_CLASS_FILE], 2);
    tree_done(&t);
}

TEST(stream_errors_have_codes) {
    tree t;
    tree_start(&t, false);
    descriptor *f = NULL;
    REQUIRE(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(WRITE), &f) == OK);
    wasi_filesystem_types_result_output_stream_error_code o = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_write_via_stream(&t.g, f, INT64_MAX - 1, &o, NULL));
    wasi_io_streams_result_void_stream_error v = {0};
    EXPECT_OK(wasi_io_streams_output_stream_blocking_write_and_flush(&t.g, o.ok, text("too far"), &v, NULL));
    REQUIRE(v.is_err && v.err.tag == WASI_IO_STREAMS_STREAM_ERROR_LAST_OPERATION_FAILED);
    wasi_filesystem_types_option_error_code code = {0};
    EXPECT_OK(wasi_filesystem_types_filesystem_error_code(&t.g, v.err.of.last_operation_failed, &code, NULL));
    EXPECT(code.some && (code.value == CODE(INVALID) || code.value == CODE(FILE_TOO_LARGE)));
    wasi_io_error_error other = {.failure = {.code = 3}};
    EXPECT_OK(wasi_filesystem_types_filesystem_error_code(&t.g, &other, &code, NULL));
    EXPECT(!code.some);
    tree_done(&t);
}

static void times_and_hashes(bool walks) {
    tree t;
    tree_start(&t, walks);
    wasi_filesystem_types_descriptor_stat_data s = {0};
    EXPECT_EQ(set_times_at(&t, t.root, FOLLOW, "good", 1234567), OK);
    EXPECT_EQ(stat_at(&t, t.root, NO_FOLLOW, "file", &s), OK);
    EXPECT(s.data_modification_timestamp.some);
    EXPECT_EQ(s.data_modification_timestamp.value.seconds, 1234567);
    EXPECT_EQ(s.data_access_timestamp.value.nanoseconds, 5);
    EXPECT_EQ(stat_at(&t, t.root, NO_FOLLOW, "good", &s), OK); // the link itself was left alone
    EXPECT(s.data_modification_timestamp.value.seconds != 1234567);
    EXPECT_EQ(s.type, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK);
    EXPECT_EQ(set_times_at(&t, t.root, NO_FOLLOW, "gooddir/", 99), OK); // a slash: the directory
    EXPECT_EQ(stat_at(&t, t.root, NO_FOLLOW, "dir", &s), OK);
    EXPECT_EQ(s.data_modification_timestamp.value.seconds, 99);
    EXPECT_EQ(set_times_at(&t, t.root, FOLLOW, "file", UINT64_MAX), CODE(INVALID));
    EXPECT_EQ(stat_at(&t, t.root, NO_FOLLOW, "fifo", &s), OK); // looking at one is fine
    EXPECT_EQ(s.type, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_FIFO);

    wasi_filesystem_types_metadata_hash_value a = {0}, b = {0}, c = {0};
    EXPECT_EQ(hash_at(&t, t.root, FOLLOW, "good", &a), OK);
    EXPECT_EQ(hash_at(&t, t.root, NO_FOLLOW, "file", &b), OK);
    EXPECT_EQ(hash_at(&t, t.root, NO_FOLLOW, "good", &c), OK);
    EXPECT(a.lower == b.lower && a.upper == b.upper && a.lower != c.lower && a.lower != a.upper);
    tree_done(&t);
}

TEST(times_and_hashes_with_openat2) { times_and_hashes(false); }
TEST(times_and_hashes_with_our_walk) { times_and_hashes(true); }

TEST(reading_directories) {
    tree t;
    tree_start(&t, false);
    for (int i = 0; i < 500; i++) { // more than one buffer of the kernel's records
        char name[32];
        snprintf(name, sizeof name, "dir/entry-number-%d", i);
        put_file(t.directories[0].fd, name, "");
    }
    put_file(t.directories[0].fd, "dir/\xff", "");
    descriptor *dir = NULL;
    REQUIRE(open_at(&t, t.root, FOLLOW, "dir", 0, FLAG(READ), &dir) == OK);
    wasi_filesystem_types_result_directory_entry_stream_error_code s = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_read_directory(&t.g, dir, &s, NULL));
    REQUIRE(!s.is_err);
    int files = 0, symbolic = 0, bad = 0;
    for (;;) {
        wasi_filesystem_types_result_option_directory_entry_error_code r = {0};
        EXPECT_OK(wasi_filesystem_types_directory_entry_stream_read_directory_entry(&t.g, s.ok, &r, NULL));
        if (r.is_err) {
            EXPECT_EQ(r.err, CODE(ILLEGAL_BYTE_SEQUENCE)); // and it goes on behind that name
            bad++;
            continue;
        }
        if (!r.ok.some) {
            break;
        }
        EXPECT(!slice_equal_text(r.ok.value.name, ".") && !slice_equal_text(r.ok.value.name, ".."));
        files += r.ok.value.type == WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE;
        symbolic += r.ok.value.type == WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_SYMBOLIC_LINK;
    }
    EXPECT_EQ(files, 501);
    EXPECT_EQ(symbolic, 2);
    EXPECT_EQ(bad, 1);
    wasi_filesystem_types_directory_entry_stream_drop(t.g.instance, s.ok);
    descriptor *f = NULL;
    REQUIRE(open_at(&t, t.root, FOLLOW, "file", 0, FLAG(READ), &f) == OK);
    EXPECT_OK(wasi_filesystem_types_descriptor_read_directory(&t.g, f, &s, NULL));
    EXPECT_EQ(RESULT(s), CODE(NOT_DIRECTORY));
    EXPECT_EQ(stat_at(&t, f, FOLLOW, "x", NULL), CODE(NOT_DIRECTORY));
    bool same = true;
    EXPECT_OK(wasi_filesystem_types_descriptor_is_same_object(&t.g, f, dir, &same, NULL));
    EXPECT(!same);
    EXPECT_OK(wasi_filesystem_types_descriptor_is_same_object(&t.g, t.root, t.read_only, &same, NULL));
    EXPECT(same);
    wasi_filesystem_types_result_descriptor_type_error_code type = {0};
    EXPECT_OK(wasi_filesystem_types_descriptor_get_type(&t.g, f, &type, NULL));
    EXPECT_EQ(type.ok, WASI_FILESYSTEM_TYPES_DESCRIPTOR_TYPE_REGULAR_FILE);
    tree_done(&t);
}
