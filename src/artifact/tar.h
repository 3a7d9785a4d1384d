// SPDX-License-Identifier: Apache-2.0
// A tar archive of a few plain files, compressed with gzip or not, on libarchive. The only place that sees
// the library.
//
// Two readers of one archive must never see different files: what one of them checks, the other runs. So only
// what every reader understands alike is read: regular files, each behind exactly one header of 512 bytes in
// the ustar or GNU form, names of at most 100 bytes. Links, folders, devices and every kind of extension
// header (PAX, GNU long names, sparse files) are refused. Each header's checksum must be right and in its
// usual spelling, and whatever is no header and no contents must be zero, so that no byte is left that nobody
// looks at. Of gzip exactly one stream is read, without anything behind it.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"

enum { TAR_ENTRIES_MAX = 64, TAR_NAME_BYTES_MAX = 100 };

typedef struct tar_entry {
    char name[TAR_NAME_BYTES_MAX + 1]; // NUL-terminated, as it stands in the archive
    slice bytes;
} tar_entry;

typedef struct tar_listing {
    size_t count;
    tar_entry entries[TAR_ENTRIES_MAX]; // in the order of the archive
} tar_listing;

// Whether the bytes begin like a gzip stream.
bool tar_is_compressed(slice bytes);

// Undoes gzip into an empty buffer, whose maximum bounds the result. STATUS_INVALID, or STATUS_LIMIT.
status tar_decompress(slice bytes, buf *ret, err *e) WRIT_MUST_USE;

// Lists an uncompressed archive; contents borrow from `bytes`. STATUS_INVALID when a rule of the contract
// above is broken, STATUS_LIMIT for more than TAR_ENTRIES_MAX entries.
status tar_read(slice bytes, tar_listing *ret, err *e) WRIT_MUST_USE;

// Appends an archive of the entries in their order. The same entries give the same bytes: times, owners and
// such are fixed.
status tar_write(const tar_listing *listing, bool is_compressed, buf *ret, err *e) WRIT_MUST_USE;
