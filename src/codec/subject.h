// SPDX-License-Identifier: Apache-2.0
// Subjects of messages, in the form of NATS: tokens with '.' between them. A pattern may have '*' for any one
// token and, at its end, '>' for one or more.
//
// Pure. A subject is at most SUBJECT_BYTES_MAX bytes, none of which is a blank or a control character.
#pragma once

#include "base/slice.h"

enum { SUBJECT_BYTES_MAX = 255 };

bool subject_is_pattern(slice text); // of a subscription, or of a list of what is allowed
bool subject_is_plain(slice text);   // without wildcards: one that messages can have
// The same for subjects that nobody but the host makes, which may be longer.
bool subject_is_pattern_within(slice text, size_t bytes_max);
bool subject_is_plain_within(slice text, size_t bytes_max);
// Whether everything that fits `name` (a pattern, or a plain subject) fits `pattern` too. False when `name`
// is neither.
bool subject_covers(slice pattern, slice name);
bool subject_covers_within(slice pattern, slice name, size_t bytes_max);
