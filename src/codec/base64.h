// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648): the URL alphabet without padding of tokens (section 5), and the standard alphabet with
// padding of PEM and bundles (section 4).
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/slice.h"

typedef enum base64_form {
    BASE64_URL,      // "-" and "_", no padding
    BASE64_STANDARD, // "+" and "/", padded
} base64_form;

status base64_encode(base64_form form, slice bytes, buf *ret) WRIT_MUST_USE; // appends; STATUS_LIMIT
// Canonical text only: exact padding, no white space, no set bits beyond the last byte, so that no two texts
// give the same bytes. Appends. STATUS_INVALID or STATUS_LIMIT.
status base64_decode(base64_form form, slice text, buf *ret) WRIT_MUST_USE;
