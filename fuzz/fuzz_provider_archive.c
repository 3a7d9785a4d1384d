// SPDX-License-Identifier: Apache-2.0
// Any bytes as a provider archive: refused with a message, or read into targets with good names whose
// contents lie inside. The first byte chooses: 0 the bytes as they are, 1 with the checksums of the headers
// put right (so that the fuzzer gets behind them), else the bytes as a list of names and contents, of which
// an archive is made that must be read as it was written or be refused for its names.
//
// links: artifact
#include <stdio.h>

#include "artifact/provider_archive.h"
#include "base/check.h"
#include "base/mem.h"
#include "fuzz.h"

enum { UNPACKED_BYTES_MAX = 1 << 20, BLOCK_BYTES = 512, CHECKSUM_AT = 148, NOW_S = 1800000000 };

static void check_archive(const provider_archive *a) {
    CHECK(a->target_count > 0 && a->target_count <= PROVIDER_ARCHIVE_TARGETS_MAX);
    for (size_t i = 0; i < a->target_count; i++) {
        CHECK(provider_archive_target_is_valid(a->targets[i].name));
        CHECK(i == 0 || slice_compare(a->targets[i - 1].name, a->targets[i].name) < 0);
        CHECK(provider_archive_find(a, a->targets[i].name) == &a->targets[i]);
    }
    provider_archive_verification v;
    provider_archive_verify(a, NOW_S, NULL, &v);
    CHECK((v.reason == REFUSAL_NONE) == (v.error.message[0] == '\0'));
    CHECK(v.reason != REFUSAL_NONE || v.has_token);
    provider_archive_verification_done(&v);
}

static status read_bytes(slice bytes) {
    provider_archive *a = MEM_NEW(provider_archive);
    err e = {0};
    status s = provider_archive_read(bytes, UNPACKED_BYTES_MAX, a, &e);
    if (s == STATUS_OK) {
        check_archive(a);
    } else {
        CHECK((s == STATUS_INVALID || s == STATUS_LIMIT) && e.code == s && e.message[0] != '\0');
    }
    provider_archive_done(a);
    mem_free(a);
    return s;
}

// Every block as if it were a header: contents are changed too, which does no harm here.
static void read_with_checksums(slice bytes) {
    uint8_t *copy = mem_alloc(bytes.len + 1);
    memcpy(copy, bytes.data, bytes.len);
    for (size_t at = 0; at + BLOCK_BYTES <= bytes.len; at += BLOCK_BYTES) {
        uint8_t *header = copy + at;
        unsigned sum = 0;
        for (size_t i = 0; i < BLOCK_BYTES; i++) {
            sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + 8 ? ' ' : header[i];
        }
        if (sum != 8 * ' ') {
            snprintf((char *)header + CHECKSUM_AT, 8, "%06o", sum & 0777777);
            header[CHECKSUM_AT + 7] = ' ';
        }
    }
    WRIT_UNUSED status s = read_bytes(slice_of(copy, bytes.len));
    mem_free(copy);
}

// "NAME=CONTENTS\n" per entry.
static void fill_listing(slice text, tar_listing *l) {
    for (size_t at = 0; at < text.len && l->count < TAR_ENTRIES_MAX;) {
        size_t end = slice_find(text, at, '\n');
        slice line = slice_sub(text, at, end);
        size_t equals = slice_find(line, 0, '=');
        slice name = slice_sub(line, 0, equals < TAR_NAME_BYTES_MAX ? equals : TAR_NAME_BYTES_MAX - 1);
        tar_entry *t = &l->entries[l->count];
        bool has_name = name.len > 0 && slice_find(name, 0, 0) == SIZE_MAX;
        if (has_name) {
            memcpy(t->name, name.data, name.len);
            t->name[name.len] = '\0';
            t->bytes = equals == SIZE_MAX ? slice_empty() : slice_sub(line, equals + 1, line.len);
            l->count++;
        }
        at = end == SIZE_MAX ? text.len : end + 1;
    }
}

static void write_and_read(slice text, bool is_compressed) {
    tar_listing *wrote = MEM_NEW(tar_listing), *read = MEM_NEW(tar_listing);
    fill_listing(text, wrote);
    auto_buf bytes, unpacked;
    buf_init(&bytes, UNPACKED_BYTES_MAX);
    buf_init(&unpacked, UNPACKED_BYTES_MAX);
    err e = {0};
    if (tar_write(wrote, is_compressed, &bytes, &e) == STATUS_OK) {
        slice plain = buf_slice(&bytes);
        if (is_compressed) {
            CHECK(tar_decompress(plain, &unpacked, &e) == STATUS_OK);
            plain = buf_slice(&unpacked);
        }
        if (tar_read(plain, read, &e) == STATUS_OK) {
            CHECK(read->count == wrote->count);
            for (size_t i = 0; i < read->count; i++) {
                CHECK(slice_equal(read->entries[i].bytes, wrote->entries[i].bytes));
            }
        }
        WRIT_UNUSED status s = read_bytes(buf_slice(&bytes));
    }
    mem_free(wrote);
    mem_free(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    slice rest = slice_of(data + 1, size - 1);
    if (data[0] == 0) {
        WRIT_UNUSED status s = read_bytes(rest);
    } else if (data[0] == 1) {
        read_with_checksums(rest);
    } else {
        write_and_read(rest, data[0] % 2 == 1);
    }
    return 0;
}
