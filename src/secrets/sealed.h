// SPDX-License-Identifier: Apache-2.0
// The sealed store of this machine (identity/secret_store.h) as a backend. Versions are decimal numbers; one
// that was replaced by a rotation is given until its time is over.
#pragma once

#include "identity/secret_store.h"
#include "secrets/backend.h"

// The store is borrowed, and the backend's alone until it is freed.
secret_backend *sealed_backend_new(secret_store *s);
