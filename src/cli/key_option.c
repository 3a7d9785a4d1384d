// SPDX-License-Identifier: Apache-2.0
#include "cli/key_option.h"

#include <stdio.h>
#include <string.h>

#include "cli/places.h"
#include "crypto/secret_line.h"
#include "identity/key_store.h"
#include "os/fd.h"
#include "os/private.h"
#include "os/terminal.h"
#include "os/whole_file.h"

static const char default_issuer[] = "account";

enum { PASSPHRASE_BYTES_MAX = 1024, PATH_BYTES_MAX = 4096 };

status cli_keys_directory(const char *keys_dir, buf *ret, err *e) {
    if (keys_dir == NULL) {
        return cli_place("keys", ret, e);
    }
    buf_init(ret, PATH_BYTES_MAX);
    if (buf_append_text(ret, keys_dir) != STATUS_OK || buf_text(ret) == NULL) {
        return err_set(e, STATUS_LIMIT, "the directory of keys has a path longer than %d bytes",
                       PATH_BYTES_MAX);
    }
    return STATUS_OK;
}

// --- passphrases ------------------------------------------------------------------------------------------

// Shortens a secret to its first bytes.
static status keep(secret *whole, size_t len, secret *ret, err *e) {
    TRY(secret_new(len, ret, e));
    memcpy(ret->data, whole->data, len);
    return STATUS_OK;
}

static status passphrase_of_file(const char *path, secret *ret, err *e) {
    status s = secret_line_read(path, PASSPHRASE_BYTES_MAX, ret, e);
    return s == STATUS_OK ? s : err_wrap(e, "passphrase");
}

static status ask_once(const char *prompt, secret *ret, err *e) {
    auto_secret memory = {0};
    size_t len = 0;
    TRY(secret_new(PASSPHRASE_BYTES_MAX, &memory, e));
    status s = terminal_read_hidden(prompt, memory.data, memory.len, &len, e);
    if (s == STATUS_NOT_FOUND) {
        return err_set(e, s,
                       "a passphrase is needed, and there is no terminal to ask on; write "
                       "--passphrase-file FILE");
    }
    TRY(s);
    if (len == 0) {
        return err_set(e, STATUS_CANCELLED, "no passphrase was entered");
    }
    return keep(&memory, len, ret, e);
}

status cli_read_passphrase(const char *file, const char *what, bool is_new, secret *ret, err *e) {
    if (file != NULL) {
        return passphrase_of_file(file, ret, e);
    }
    char prompt[256];
    secret first = {0};
    snprintf(prompt, sizeof prompt, "%s for key %.150s: ", is_new ? "New passphrase" : "Passphrase", what);
    TRY(ask_once(prompt, &first, e));
    if (is_new) {
        auto_secret second = {0};
        status s = ask_once("The same again: ", &second, e);
        if (s == STATUS_OK && !slice_equal(secret_slice(&first), secret_slice(&second))) {
            s = err_set(e, STATUS_CANCELLED, "the two passphrases differ");
        }
        if (s != STATUS_OK) {
            secret_free(&first);
            return s;
        }
    }
    *ret = first;
    return STATUS_OK;
}

typedef struct asking {
    const char *passphrase_file;
} asking;

static status ask(void *context, const char *what, secret *ret, err *e) {
    const asking *a = context;
    return cli_read_passphrase(a->passphrase_file, what, false, ret, e);
}

// --- keys -------------------------------------------------------------------------------------------------

static status load_from_store(const char *name, const char *keys_dir, const key_asker *asker, nkey **ret,
                              err *e) {
    auto_buf path = {0};
    key_store *store = NULL;
    TRY(key_name_check(name, e));
    TRY(cli_keys_directory(keys_dir, &path, e));
    TRY(key_store_open(buf_text(&path), false, &store, e));
    status s = key_store_load(store, name, asker, ret, e);
    key_store_close(store);
    return s;
}

status cli_key_load(const char *name_or_path, const char *keys_dir, const char *passphrase_file, nkey **ret,
                    err *e) {
    asking a = {passphrase_file};
    key_asker asker = {ask, &a};
    return strchr(name_or_path, '/') != NULL ? key_file_load_path(name_or_path, &asker, ret, e)
                                             : load_from_store(name_or_path, keys_dir, &asker, ret, e);
}

status cli_issuer_load(const char *name_or_path, const char *keys_dir, const char *passphrase_file,
                       nkey **ret, err *e) {
    nkey *k;
    const char *name = name_or_path != NULL ? name_or_path : default_issuer;
    status s = cli_key_load(name, keys_dir, passphrase_file, &k, e);
    if (s == STATUS_NOT_FOUND && name_or_path == NULL) {
        return err_set(e, s,
                       "there is no key to sign with: make one with writ keys gen account, or name one with "
                       "--issuer");
    }
    TRY(s);
    nkey_kind kind = nkey_public_of(k).kind;
    if (kind != NKEY_ACCOUNT) {
        nkey_free(k);
        return err_set(
            e, STATUS_INVALID,
            "the issuer %s is a key of kind %s, but only an account signs components and providers; "
            "make one with writ keys gen account",
            name, nkey_kind_name(kind));
    }
    *ret = k;
    return STATUS_OK;
}

// No message repeats the text, which may be a seed in the wrong place.
static status public_from_store(const char *name, const char *keys_dir, nkey_public *ret, err *e) {
    auto_buf path = {0};
    key_store *store = NULL;
    key_store_entry found;
    TRY(cli_keys_directory(keys_dir, &path, e));
    TRY(key_store_open(buf_text(&path), false, &store, e));
    status s = key_store_find(store, name, &found, e);
    key_store_close(store);
    if (s == STATUS_NOT_FOUND) {
        return err_set(
            e, s,
            "neither a public key, which has 56 characters, nor the name of a key in %s; writ keys "
            "list shows those",
            buf_text(&path));
    }
    TRY(s);
    *ret = found.public_key;
    return STATUS_OK;
}

status cli_public_key(const char *text_or_name, const char *keys_dir, nkey_public *ret, err *e) {
    enum { NAMES_ARE_SHORTER = 50 }; // what is as long as a key is one, perhaps a mistyped one
    if (strlen(text_or_name) >= NAMES_ARE_SHORTER || key_name_check(text_or_name, NULL) != STATUS_OK) {
        return nkey_public_parse(slice_from_text(text_or_name), ret, e);
    }
    return public_from_store(text_or_name, keys_dir, ret, e);
}

status cli_trust_load(const char *named, trust_store **ret, err *e) {
    auto_buf text = {0}, place = {0};
    if (named != NULL) {
        TRY(file_read_whole(named, TRUST_BYTES_MAX, &text, e)); // without a store nobody would be believed
        return trust_store_load(named, ret, e);
    }
    TRY(cli_place("trust.json", &place, e));
    return trust_store_load(buf_text(&place), ret, e);
}

status cli_trust_only(const char *text_or_name, trust_store **ret, err *e) {
    trust_issuer issuer = {0};
    TRY(cli_public_key(text_or_name, NULL, &issuer.key, e));
    trust_store *store = trust_store_new();
    status s = trust_store_add_issuer(store, &issuer, e);
    if (s != STATUS_OK) {
        trust_store_free(store);
        return s;
    }
    *ret = store;
    return STATUS_OK;
}

status cli_check_believable(const char *text_or_name, err *e) {
    nkey_public key;
    TRY(cli_public_key(text_or_name, NULL, &key, e));
    return key.kind == NKEY_ACCOUNT || key.kind == NKEY_OPERATOR
               ? STATUS_OK
               : err_set(e, STATUS_INVALID, "a key of kind %s signs nothing; name an account or operator",
                         nkey_kind_name(key.kind));
}

void cli_explain_other_issuer(const char *text_or_name, const nkey_public *found, err *e) {
    nkey_public asked;
    if (cli_public_key(text_or_name, NULL, &asked, NULL) != STATUS_OK) {
        return;
    }
    WRIT_UNUSED status ignored = err_set(
        e, STATUS_DENIED,
        "it was signed by %s; --issuer believes %s alone, and no token of the chain says that this key "
        "vouches for that one",
        nkey_public_text(found).text, nkey_public_text(&asked).text);
}

static status make_in_store(const char *name, nkey_kind kind, const char *keys_dir, nkey **ret, err *e) {
    auto_buf path = {0};
    key_store *store = NULL;
    nkey *k = NULL;
    TRY(cli_keys_directory(keys_dir, &path, e));
    TRY(key_store_open(buf_text(&path), true, &store, e));
    status s = nkey_generate(kind, &k, e);
    if (s == STATUS_OK) {
        s = key_store_save(store, name, k, slice_empty(), false, e);
    }
    key_store_close(store);
    if (s != STATUS_OK) {
        nkey_free(k);
        return s;
    }
    *ret = k;
    return STATUS_OK;
}

status cli_key_load_or_make(const char *name, nkey_kind kind, const char *keys_dir, nkey **ret,
                            bool *ret_made, err *e) {
    nkey *k = NULL;
    status s = cli_key_load(name, keys_dir, NULL, &k, e);
    bool made = s == STATUS_NOT_FOUND && strchr(name, '/') == NULL;
    if (made) {
        s = make_in_store(name, kind, keys_dir, &k, e);
        if (s == STATUS_EXISTS) { // another process was faster
            made = false;
            s = cli_key_load(name, keys_dir, NULL, &k, e);
        }
    }
    TRY(s);
    nkey_public is = nkey_public_of(k);
    if (is.kind != kind) {
        nkey_free(k);
        return err_set(e, STATUS_INVALID, "key %s is of kind %s; this needs one of kind %s", name,
                       nkey_kind_name(is.kind), nkey_kind_name(kind));
    }
    *ret = k;
    *ret_made = made;
    return STATUS_OK;
}
