// SPDX-License-Identifier: Apache-2.0
// Secrets as files, as Kubernetes mounts them: DIRECTORY/KEY has the value of a secret without fields,
// DIRECTORY/KEY/FIELD that of a field. The bytes of the file are the value, to the last one.
//
// A mount may be changed as a whole: `..data` is a link to the directory with the files of now, and is
// replaced by another. All fields of a secret are read through one reading of that link, so they are of one
// time. There are no versions to ask for.
//
// Files belong to root or to this user, nobody else may write them or their directory, and only their group
// may read them besides: what is not so is STATUS_DENIED, with what to do.
#pragma once

#include "secrets/backend.h"

enum { FILES_NAME_BYTES_MAX = 253 };

secret_backend *files_backend_new(const char *directory);

// Whether it can be the name of a secret or field here: letters, digits, ".", "_" and "-", not beginning with
// "..", and not ".".
bool files_name_is_valid(slice name);
