// SPDX-License-Identifier: Apache-2.0
// The bytes of a provider's image, as something that can be executed: the program for this machine out of a
// provider archive, or a plain program (ELF, or a script that names its interpreter).
//
// An archive is believed as components are: signed, unchanged, in time, by an issuer that this host trusts.
// Where the operator allows unsigned ones, those without a signature or trust run too, plain programs among
// them; what was changed, has expired or was withdrawn never does.
//
// Pure but for the memory file; fit for a thread of its own (loop/work.h).
#pragma once

#include "artifact/provider_archive.h"

enum { PROVIDER_IMAGE_BYTES_MAX = 512 << 20 };

typedef struct provider_image_rules {
    const trust_store *trust; // NULL = nobody is trusted
    bool allows_unsigned;
    uint64_t now_s; // since 1970
} provider_image_rules;

typedef struct provider_image {
    int program_fd; // for providers_wanted; the image's
    provider_archive_verification found;
} provider_image;

// STATUS_DENIED with the reason, STATUS_INVALID for bytes that are neither, STATUS_NOT_FOUND for an archive
// without a program for this machine, STATUS_LIMIT.
status provider_image_open(slice bytes, const provider_image_rules *rules, provider_image *ret,
                           err *e) WRIT_MUST_USE;
void provider_image_done(provider_image *i); // of one that was opened, once
// Of a token with a good signature; NULL = there is none.
const token_claims *provider_image_claims(const provider_image *i);
