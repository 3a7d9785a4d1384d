// SPDX-License-Identifier: Apache-2.0
// Many messages under one key: AES-256-GCM (NIST SP 800-38D) of OpenSSL, in place. The nonce is the caller's,
// who must never seal two messages with the same one.
#pragma once

#include <stdbool.h>

#include "base/attributes.h"
#include "base/slice.h"

enum { AES_GCM_KEY_BYTES = 32, AES_GCM_NONCE_BYTES = 12, AES_GCM_TAG_BYTES = 16 };

// A key that is ready to be used, in one direction. One owner; not thread-safe.
typedef struct aes_gcm aes_gcm;

aes_gcm *aes_gcm_new(const uint8_t key[AES_GCM_KEY_BYTES], bool seals);
void aes_gcm_free(aes_gcm *g); // accepts NULL; wipes

void aes_gcm_seal(aes_gcm *g, const uint8_t nonce[AES_GCM_NONCE_BYTES], slice about, uint8_t *bytes,
                  size_t len, uint8_t ret_tag[AES_GCM_TAG_BYTES]);
// Writes `sealed.len` bytes to `plain`, which may be where they are. False when something does not fit; then
// nothing of what was written may be used.
bool aes_gcm_open(aes_gcm *g, const uint8_t nonce[AES_GCM_NONCE_BYTES], slice about, slice sealed,
                  const uint8_t tag[AES_GCM_TAG_BYTES], uint8_t *plain) WRIT_MUST_USE;
