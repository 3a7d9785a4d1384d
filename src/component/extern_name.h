// SPDX-License-Identifier: Apache-2.0
// The grammar of names: labels, and the names of imports and exports. Source: Explainer.md, "Import and
// Export Definitions" and "Name Uniqueness".
#pragma once

#include "base/slice.h"
#include "codec/semver.h"

typedef enum extern_name_kind {
    EXTERN_NAME_PLAIN,       // "a-label"
    EXTERN_NAME_CONSTRUCTOR, // "[constructor]resource"
    EXTERN_NAME_METHOD,      // "[method]resource.label"
    EXTERN_NAME_STATIC,      // "[static]resource.label"
    EXTERN_NAME_INTERFACE,   // "namespace:package/interface@version"
} extern_name_kind;

typedef struct extern_name {
    extern_name_kind kind;
    slice resource; // of CONSTRUCTOR, METHOD and STATIC
    slice label;    // of PLAIN, METHOD and STATIC
    slice base;     // of INTERFACE: without version
    slice version;  // of INTERFACE: empty when there is none
} extern_name;

// Words in lower case or acronyms in upper case, joined by '-', beginning with a letter.
bool label_valid(slice label);
// NULL when well-formed, else the reason.
const char *extern_name_parse(slice name, extern_name *ret);

// Writes the form in which names must differ into `out` (at least name.len bytes) and returns its length.
size_t extern_name_fold(slice name, const extern_name *parsed, uint8_t *out);
// Writes a label in lower case: the form in which labels must differ.
void label_fold(slice label, uint8_t *out);

// A full version, or the beginning of one that names a compatibility track ("1", "0.2"), which reads as its
// lowest.
bool interface_version_parse(slice text, semver *ret);
// Whether `text` is such a beginning, and whether with `suffix` it is a full version.
bool interface_version_complete(slice text, slice suffix);
