// SPDX-License-Identifier: Apache-2.0
// Reading XML of servers, with bounds: no document type (so no entities but the five that every document
// has), UTF-8 whatever the document says, no namespaces: names are taken as they stand. The only file that
// sees expat. Fuzzed by fuzz/fuzz_xml.c.
#pragma once

#include "base/attributes.h"
#include "base/err.h"
#include "base/slice.h"

typedef struct xml_limits {
    size_t bytes_max;
    size_t text_bytes_max; // of one element
    uint32_t elements_max;
    uint32_t depth_max; // at most XML_DEPTH_MAX
} xml_limits;

enum { XML_DEPTH_MAX = 16, XML_PATH_BYTES_MAX = 512 };

// An element has ended: its path from the root, such as "ListBucketResult/Contents/Key",
// and its text behind the last element in it, all of it where there is none. Both are borrowed for
// the call. Other than STATUS_OK ends the reading.
typedef status (*xml_visitor)(void *arg, slice path, slice text, err *e);

// STATUS_INVALID for what is no XML or has a document type, STATUS_LIMIT, or what the visitor said.
status xml_read(slice bytes, const xml_limits *limits, xml_visitor visit, void *arg, err *e) WRIT_MUST_USE;

struct buf;
// Appends text such that it reads as itself, as a character reference where that is needed. STATUS_INVALID
// for characters that XML cannot say at all (U+0001 and the like), STATUS_LIMIT.
status xml_write_text(slice text, struct buf *ret) WRIT_MUST_USE;
