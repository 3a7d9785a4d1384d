// SPDX-License-Identifier: Apache-2.0
#include "artifact/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>

#include "codec/utf.h"

enum {
    BLOCK_BYTES = 512,
    END_BYTES_MIN = 2 * BLOCK_BYTES,
    CHECKSUM_AT = 148, // "%06o\0 " (GNU, Python, libarchive) or "%07o\0" (Rust)
    CHECKSUM_BYTES = 8,
    TYPE_AT = 156,
    MAGIC_AT = 257,
    PREFIX_AT = 345, // ustar: the folder in front of the name
};

bool tar_is_compressed(slice bytes) {
    return bytes.len >= 2 && bytes.data[0] == 0x1f && bytes.data[1] == 0x8b;
}

static const char *reason_of(struct archive *a) {
    const char *text = archive_error_string(a);
    return text != NULL ? text : "no reason given";
}

static void free_reader(struct archive **a) {
    if (*a != NULL) {
        archive_read_free(*a);
    }
}
static void free_writer(struct archive **a) {
    if (*a != NULL) {
        archive_write_free(*a);
    }
}

// --- gzip --------------------------------------------------------------------------------------------------

static status open_gzip(struct archive *a, slice bytes, err *e) {
    struct archive_entry *entry;
    if (a == NULL || archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
        archive_read_support_format_raw(a) != ARCHIVE_OK) {
        return err_set(e, STATUS_INTERNAL, "libarchive here cannot read gzip");
    }
    if (archive_read_open_memory(a, bytes.data, bytes.len) != ARCHIVE_OK ||
        archive_read_next_header(a, &entry) != ARCHIVE_OK) {
        return err_set(e, STATUS_INVALID, "gzip: %s", reason_of(a));
    }
    // The library would undo gzip in gzip as well.
    if (archive_filter_count(a) != 2 || archive_filter_code(a, 0) != ARCHIVE_FILTER_GZIP) {
        return err_set(e, STATUS_INVALID, "gzip: compressed more than once");
    }
    return STATUS_OK;
}

// The last eight bytes are the CRC and the length of what comes out; the library skips both, and takes a
// second stream for more of the first.
static status check_gzip_end(struct archive *a, slice bytes, const buf *unpacked, err *e) {
    if (archive_filter_bytes(a, -1) != (int64_t)bytes.len || bytes.len < 18) {
        return err_set(e, STATUS_INVALID, "gzip: something stands behind the compressed stream");
    }
    const uint8_t *p = bytes.data + bytes.len - 4;
    uint32_t length = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    if (length != (uint32_t)unpacked->len) {
        return err_set(e, STATUS_INVALID,
                       "gzip: its end says %u bytes, but %zu came out; it was cut, changed or put together",
                       length, unpacked->len);
    }
    return STATUS_OK;
}

status tar_decompress(slice bytes, buf *ret, err *e) {
    WRIT_CLEANUP(free_reader) struct archive *a = archive_read_new();
    TRY(open_gzip(a, bytes, e));
    for (;;) {
        const void *data;
        size_t len;
        la_int64_t offset;
        int r = archive_read_data_block(a, &data, &len, &offset);
        if (r == ARCHIVE_EOF) {
            break;
        }
        if (r != ARCHIVE_OK || (uint64_t)offset != ret->len) {
            return err_set(e, STATUS_INVALID, "gzip: %s", reason_of(a));
        }
        if (buf_append(ret, slice_of(data, len)) != STATUS_OK) {
            return err_set(e, STATUS_LIMIT, "gzip: more than %zu bytes come out of %zu, which is the limit",
                           ret->max, bytes.len);
        }
    }
    return check_gzip_end(a, bytes, ret, e);
}

// --- tar, reading ------------------------------------------------------------------------------------------

static bool is_zero(slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != 0) {
            return false;
        }
    }
    return true;
}

static bool checksum_is_right(const uint8_t *header) {
    unsigned sum = 0;
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        bool is_own_field = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_BYTES;
        sum += is_own_field ? ' ' : header[i];
    }
    char text[CHECKSUM_BYTES + 1];
    snprintf(text, sizeof text, "%06o%c ", sum & 0777777, '\0');
    bool is_usual = memcmp(header + CHECKSUM_AT, text, CHECKSUM_BYTES) == 0;
    snprintf(text, sizeof text, "%07o", sum);
    return is_usual || memcmp(header + CHECKSUM_AT, text, CHECKSUM_BYTES) == 0;
}

// What the library would accept and this reader does not, looked at before the library sees the header.
static status check_header(slice header, size_t at, err *e) {
    if (header.len < BLOCK_BYTES) {
        return err_set(e, STATUS_INVALID, "tar: the archive ends in the header at byte %zu", at);
    }
    const uint8_t *h = header.data;
    if (!checksum_is_right(h)) {
        return err_set(e, STATUS_INVALID, "tar: the header at byte %zu has a wrong checksum", at);
    }
    if (h[TYPE_AT] != '0' && h[TYPE_AT] != 0) {
        return err_set(
            e, STATUS_INVALID,
            "tar: the entry at byte %zu has type 0x%02x; only plain files are read here, no links, "
            "folders or extension headers (write it with `--format=ustar` or gnu)",
            at, h[TYPE_AT]);
    }
    bool is_posix = memcmp(h + MAGIC_AT, "ustar\00000", 8) == 0;
    bool is_gnu = memcmp(h + MAGIC_AT, "ustar  \0", 8) == 0;
    if (!is_posix && !is_gnu) {
        return err_set(e, STATUS_INVALID, "tar: the header at byte %zu is neither ustar's nor GNU's", at);
    }
    if (is_posix && h[PREFIX_AT] != 0) {
        return err_set(e, STATUS_INVALID, "tar: the entry at byte %zu is in a folder", at);
    }
    return STATUS_OK;
}

static status add_entry(struct archive_entry *entry, slice bytes, size_t *at, tar_listing *ret, err *e) {
    slice name = slice_of(bytes.data + *at, TAR_NAME_BYTES_MAX);
    name = slice_sub(name, 0, slice_find(name, 0, 0));
    char shown[TAR_NAME_BYTES_MAX + 1];
    const char *known_as = archive_entry_pathname(entry);
    if (known_as == NULL || !slice_equal_text(name, known_as) || name.len == 0) {
        return err_set(e, STATUS_INVALID,
                       "tar: the entry at byte %zu has a name that can be read in two ways", *at);
    }
    int64_t size = archive_entry_size(entry);
    size_t from = *at + BLOCK_BYTES;
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != NULL || size < 0) {
        return err_set(e, STATUS_INVALID, "tar: the entry at byte %zu is not a plain file", *at);
    }
    if ((uint64_t)size > bytes.len - from) {
        return err_set(e, STATUS_INVALID, "tar: the archive ends inside \"%s\"",
                       utf8_shown(name, shown, sizeof shown));
    }
    size_t to = from + (size_t)size;
    size_t next = (to + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    if (next > bytes.len || !is_zero(slice_sub(bytes, to, next))) {
        return err_set(e, STATUS_INVALID, "tar: there is something between \"%s\" and the next entry",
                       utf8_shown(name, shown, sizeof shown));
    }
    tar_entry *added = &ret->entries[ret->count++];
    memcpy(added->name, name.data, name.len);
    added->name[name.len] = '\0';
    added->bytes = slice_sub(bytes, from, to);
    *at = next;
    return STATUS_OK;
}

static status read_entries(struct archive *a, slice bytes, tar_listing *ret, err *e) {
    size_t at = 0;
    while (!is_zero(slice_sub(bytes, at, at + BLOCK_BYTES))) {
        if (ret->count == TAR_ENTRIES_MAX) {
            return err_set(e, STATUS_LIMIT, "tar: more than %d entries", TAR_ENTRIES_MAX);
        }
        TRY(check_header(slice_sub(bytes, at, at + BLOCK_BYTES), at, e));
        struct archive_entry *entry;
        int r = archive_read_next_header(a, &entry);
        if (r != ARCHIVE_OK || archive_read_header_position(a) != (int64_t)at) {
            return err_set(e, STATUS_INVALID, "tar: the header at byte %zu: %s", at,
                           r != ARCHIVE_OK ? reason_of(a) : "it is not where it should be");
        }
        TRY(add_entry(entry, bytes, &at, ret, e));
    }
    slice end = slice_sub(bytes, at, bytes.len);
    if (end.len < END_BYTES_MIN || end.len % BLOCK_BYTES != 0 || !is_zero(end)) {
        return err_set(e, STATUS_INVALID, "tar: no proper end at byte %zu: it was cut, or something follows",
                       at);
    }
    return STATUS_OK;
}

status tar_read(slice bytes, tar_listing *ret, err *e) {
    WRIT_CLEANUP(free_reader) struct archive *a = archive_read_new();
    if (a == NULL || archive_read_support_format_tar(a) != ARCHIVE_OK) {
        return err_set(e, STATUS_INTERNAL, "libarchive here cannot read tar");
    }
    if (archive_read_open_memory(a, bytes.data, bytes.len) != ARCHIVE_OK) {
        return err_set(e, STATUS_INVALID, "tar: %s", reason_of(a));
    }
    ret->count = 0;
    return read_entries(a, bytes, ret, e);
}

// --- tar, writing ------------------------------------------------------------------------------------------

typedef struct sink {
    buf *out;
    bool is_full;
} sink;

// Never answers with an error, because the library would then not free what it holds.
static la_ssize_t write_some(struct archive *a, void *context, const void *data, size_t len) {
    (void)a;
    sink *s = context;
    s->is_full = s->is_full || buf_append(s->out, slice_of(data, len)) != STATUS_OK;
    return (la_ssize_t)len;
}

static int set_up_writer(struct archive *a, bool is_compressed, sink *out) {
    int r = archive_write_set_format_gnutar(a);
    if (r == ARCHIVE_OK && is_compressed) {
        r = archive_write_add_filter_gzip(a);
        r = r == ARCHIVE_OK ? archive_write_set_options(a, "gzip:!timestamp,gzip:compression-level=9") : r;
    }
    r = r == ARCHIVE_OK ? archive_write_set_bytes_per_block(a, BLOCK_BYTES) : r;
    r = r == ARCHIVE_OK ? archive_write_set_bytes_in_last_block(a, 1) : r;
    return r == ARCHIVE_OK ? archive_write_open(a, out, NULL, write_some, NULL) : r;
}

static int write_entry(struct archive *a, const tar_entry *t) {
    struct archive_entry *entry = archive_entry_new();
    if (entry == NULL) {
        return ARCHIVE_FATAL;
    }
    archive_entry_set_pathname(entry, t->name);
    archive_entry_set_size(entry, (int64_t)t->bytes.len);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, 0, 0);
    int r = archive_write_header(a, entry);
    archive_entry_free(entry);
    for (size_t at = 0; r == ARCHIVE_OK && at < t->bytes.len;) {
        la_ssize_t n = archive_write_data(a, t->bytes.data + at, t->bytes.len - at);
        if (n <= 0) {
            return ARCHIVE_FATAL;
        }
        at += (size_t)n;
    }
    return r;
}

status tar_write(const tar_listing *listing, bool is_compressed, buf *ret, err *e) {
    WRIT_CLEANUP(free_writer) struct archive *a = archive_write_new();
    size_t before = ret->len;
    sink out = {.out = ret};
    int r = a == NULL ? ARCHIVE_FATAL : set_up_writer(a, is_compressed, &out);
    for (size_t i = 0; r == ARCHIVE_OK && !out.is_full && i < listing->count; i++) {
        r = write_entry(a, &listing->entries[i]);
    }
    r = r == ARCHIVE_OK ? archive_write_close(a) : r;
    status s = STATUS_OK;
    if (r != ARCHIVE_OK) {
        s = err_set(e, STATUS_INTERNAL, "write the archive: %s", a != NULL ? reason_of(a) : "no memory");
    } else if (out.is_full) {
        s = err_set(e, STATUS_LIMIT, "write the archive: it would be larger than %zu bytes", ret->max);
    }
    out.is_full = true; // whatever freeing it still writes is dropped
    ret->len = s == STATUS_OK ? ret->len : before;
    return s;
}
