// SPDX-License-Identifier: Apache-2.0
// Time stamps (RFC 3161): an authority's signed word that some bytes existed at a time.
#pragma once

#include "crypto/certificate.h"

enum { TIMESTAMP_BYTES_MAX = 64 << 10 };

// Verifies a DER TimeStampResp over `message` against the authority: `certificates` are its leaf and
// intermediates, `roots` its anchors; the chain must be valid at the time that the stamp says. STATUS_INVALID
// for bytes that are no response, STATUS_DENIED otherwise.
status timestamp_verify(slice response, slice message, const certificate_list *certificates,
                        const certificate_list *roots, int64_t *ret_time_s, err *e) WRIT_MUST_USE;
