// SPDX-License-Identifier: Apache-2.0
// The key that an option such as --key names: one of the store ("acme"), or a file that holds a seed
// ("./acme.nk", "/etc/acme.nk.enc"): what contains a "/" is a path.
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/secret.h"
#include "identity/nkey.h"
#include "identity/trust.h"

// The directory of keys: `keys_dir` itself, or the user's when NULL (cli/places.h). NUL-terminated, into an
// empty buffer.
status cli_keys_directory(const char *keys_dir, buf *ret, err *e) WRIT_MUST_USE;

// Loads a key. A passphrase, where the key needs one, is read from the first line of `passphrase_file`, or
// asked for on the terminal when that is NULL. The message of a failure names the key and never its content.
status cli_key_load(const char *name_or_path, const char *keys_dir, const char *passphrase_file, nkey **ret,
                    err *e) WRIT_MUST_USE;

// The account key that signs components and providers: the stored key "account" where none is named.
// STATUS_INVALID when it is of another kind.
status cli_issuer_load(const char *name_or_path, const char *keys_dir, const char *passphrase_file,
                       nkey **ret, err *e) WRIT_MUST_USE;

// A public key: its text, or the name of a key in the store. Never asks for a passphrase.
status cli_public_key(const char *text_or_name, const char *keys_dir, nkey_public *ret, err *e) WRIT_MUST_USE;

// The trust store that --trust names, which must be there, or the user's own.
status cli_trust_load(const char *named, trust_store **ret, err *e) WRIT_MUST_USE;
// A trust store that believes one key alone, that of an account or operator, named as above in --issuer.
status cli_trust_only(const char *text_or_name, trust_store **ret, err *e) WRIT_MUST_USE;
// Whether it can be made: for the parsing of options.
status cli_check_believable(const char *text_or_name, err *e) WRIT_MUST_USE;
// What to tell whoever named that key, instead of advice about trust stores.
void cli_explain_other_issuer(const char *text_or_name, const nkey_public *found, err *e);

// The key of this name in the store, made (without a passphrase) when there is none. STATUS_INVALID when it
// is of another kind.
status cli_key_load_or_make(const char *name, nkey_kind kind, const char *keys_dir, nkey **ret,
                            bool *ret_made, err *e) WRIT_MUST_USE;

// The passphrase of a file, or from the terminal; typed twice when it is for something `is_new`. `what`
// names it in the prompt.
status cli_read_passphrase(const char *file, const char *what, bool is_new, secret *ret,
                           err *e) WRIT_MUST_USE;
