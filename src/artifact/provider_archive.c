// SPDX-License-Identifier: Apache-2.0
#include "artifact/provider_archive.h"

#include "codec/utf.h"
#include "identity/envelope.h"
#include "os/memory_file.h"

#define CLAIMS_NAME "claims.jwt"
#define TARGET_SUFFIX ".bin"

enum {
    MEMORY_BYTES_MAX = 16 << 20, // of claims, chain and trust
};
_Static_assert(PROVIDER_ARCHIVE_TARGETS_MAX + 2 <= TAR_ENTRIES_MAX, "claims, world and targets fit");
_Static_assert(PROVIDER_ARCHIVE_TARGET_BYTES_MAX + sizeof TARGET_SUFFIX <= TAR_NAME_BYTES_MAX,
               "a target's file has a short name");

bool provider_archive_target_is_valid(slice name) {
    bool has_dash = false;
    uint8_t before = '-';
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        if (!is_word && (c != '-' || before == '-')) {
            return false;
        }
        has_dash = has_dash || c == '-';
        before = c;
    }
    return has_dash && before != '-' && name.len <= PROVIDER_ARCHIVE_TARGET_BYTES_MAX;
}

// --- reading -----------------------------------------------------------------------------------------------

const provider_archive_file *provider_archive_find(const provider_archive *a, slice target) {
    for (size_t i = 0; i < a->target_count; i++) {
        if (slice_equal(a->targets[i].name, target)) {
            return &a->targets[i];
        }
    }
    return NULL;
}

static provider_archive_file file_of(slice name, slice bytes) {
    provider_archive_file f = {.name = name, .bytes = bytes};
    hash_sha256(&bytes, 1, f.hash);
    return f;
}

static status add_target(provider_archive *a, slice name, slice bytes, err *e) {
    if (provider_archive_find(a, name) != NULL) {
        return err_set(e, STATUS_INVALID, "target %.*s is in the archive twice", SLICE_ARG(name));
    }
    if (a->target_count == PROVIDER_ARCHIVE_TARGETS_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d targets", PROVIDER_ARCHIVE_TARGETS_MAX);
    }
    size_t at = a->target_count++;
    for (; at > 0 && slice_compare(name, a->targets[at - 1].name) < 0; at--) {
        a->targets[at] = a->targets[at - 1];
    }
    a->targets[at] = file_of(name, bytes);
    return STATUS_OK;
}

static status add_claims(provider_archive *a, slice bytes, err *e) {
    if (a->token.len > 0) {
        return err_set(e, STATUS_INVALID, "there is more than one " CLAIMS_NAME);
    }
    if (bytes.len == 0 || bytes.len > TOKEN_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, CLAIMS_NAME " has %zu bytes; it must have 1 to %d", bytes.len,
                       TOKEN_BYTES_MAX);
    }
    a->token = bytes;
    return STATUS_OK;
}

static status add_world(provider_archive *a, slice bytes, err *e) {
    if (a->has_world) {
        return err_set(e, STATUS_INVALID, "there is more than one " PROVIDER_ARCHIVE_WORLD);
    }
    a->has_world = true;
    a->world = file_of(slice_from_text(PROVIDER_ARCHIVE_WORLD), bytes);
    return STATUS_OK;
}

static status add_entry(provider_archive *a, const tar_entry *t, err *e) {
    slice name = slice_from_text(t->name);
    if (slice_equal_text(name, CLAIMS_NAME)) {
        return add_claims(a, t->bytes, e);
    }
    if (slice_equal_text(name, PROVIDER_ARCHIVE_WORLD)) {
        return add_world(a, t->bytes, e);
    }
    size_t suffix = sizeof TARGET_SUFFIX - 1;
    slice stem = slice_sub(name, 0, name.len > suffix ? name.len - suffix : 0);
    if (!slice_equal_text(slice_sub(name, stem.len, name.len), TARGET_SUFFIX) ||
        !provider_archive_target_is_valid(stem)) {
        char shown[TAR_NAME_BYTES_MAX + 1];
        return err_set(e, STATUS_INVALID,
                       "\"%s\" has no place in a provider archive: only " CLAIMS_NAME
                       ", " PROVIDER_ARCHIVE_WORLD " and ARCH-OS" TARGET_SUFFIX " have",
                       utf8_shown(name, shown, sizeof shown));
    }
    return add_target(a, stem, t->bytes, e);
}

static status read_into(slice bytes, provider_archive *a, err *e) {
    a->is_compressed = tar_is_compressed(bytes);
    if (a->is_compressed) {
        TRY(tar_decompress(bytes, &a->unpacked, e));
        bytes = buf_slice(&a->unpacked);
    }
    TRY(tar_read(bytes, &a->listing, e));
    for (size_t i = 0; i < a->listing.count; i++) {
        TRY(add_entry(a, &a->listing.entries[i], e));
    }
    if (a->target_count == 0) {
        return err_set(e, STATUS_INVALID, "it has no program for any target");
    }
    return STATUS_OK;
}

status provider_archive_read(slice bytes, size_t unpacked_max, provider_archive *ret, err *e) {
    memset(ret, 0, sizeof *ret);
    buf_init(&ret->unpacked, unpacked_max != 0 ? unpacked_max : PROVIDER_ARCHIVE_UNPACKED_BYTES_MAX);
    if (read_into(bytes, ret, e) != STATUS_OK) {
        provider_archive_done(ret);
        return err_wrap(e, "provider archive");
    }
    return STATUS_OK;
}

void provider_archive_done(provider_archive *a) {
    buf_done(&a->unpacked);
    memset(a, 0, sizeof *a);
}

status provider_archive_open_target(const provider_archive_file *file, int *ret_fd, err *e) {
    return memory_file_from_bytes("provider", file->bytes, ret_fd, e);
}

// --- believing ---------------------------------------------------------------------------------------------

slice provider_archive_promised_hash(const token_claims *claims, slice name) {
    for (size_t i = 0; i < claims->target_hashes.count; i++) {
        if (slice_equal(claims->target_hashes.at[i].name, name)) {
            return claims->target_hashes.at[i].value;
        }
    }
    return slice_empty();
}

static status refuse(refusal *ret_why, refusal why, status s) {
    *ret_why = why;
    return s;
}

static status check_file(const provider_archive_file *file, const token_claims *claims, err *e) {
    slice promised = provider_archive_promised_hash(claims, file->name);
    if (promised.len == 0) {
        return err_set(e, STATUS_DENIED, "%.*s is in the archive, but the token has no hash of it",
                       SLICE_ARG(file->name));
    }
    char hex[HASH_HEX_BYTES];
    envelope_hash_text(file->hash, hex);
    if (!slice_equal_text(promised, hex)) {
        return err_set(
            e, STATUS_DENIED,
            "%.*s was changed after it was signed: the token says %.*s..., its bytes give %.16s...",
            SLICE_ARG(file->name), SLICE_ARG(slice_sub(promised, 0, 16)), hex);
    }
    return STATUS_OK;
}

// The token's names and the archive's are the same set, and each hash is right.
static status check_hashes(const provider_archive *a, const token_claims *claims, err *e) {
    if (a->has_world) {
        TRY(check_file(&a->world, claims, e));
    }
    for (size_t i = 0; i < a->target_count; i++) {
        TRY(check_file(&a->targets[i], claims, e));
    }
    for (size_t i = 0; i < claims->target_hashes.count; i++) {
        slice name = claims->target_hashes.at[i].name;
        bool is_world = slice_equal_text(name, PROVIDER_ARCHIVE_WORLD);
        if (is_world ? !a->has_world : provider_archive_find(a, name) == NULL) {
            char shown[PROVIDER_ARCHIVE_TARGET_BYTES_MAX + 1];
            return err_set(e, STATUS_DENIED, "the token has a hash of %s, which is not in the archive",
                           utf8_shown(name, shown, sizeof shown));
        }
    }
    return STATUS_OK;
}

static status read_token(const provider_archive *a, provider_archive_verification *v, err *e) {
    if (a->token.len == 0) {
        refuse(&v->reason, REFUSAL_UNSIGNED, STATUS_DENIED);
        return err_set(e, STATUS_DENIED, "it is not signed: there is no " CLAIMS_NAME " in it");
    }
    TRY(token_read(a->token, &v->memory, &v->claims, &v->reason, e));
    v->has_token = true;
    if (v->claims.kind != TOKEN_PROVIDER) {
        refuse(&v->reason, REFUSAL_WRONG_KEY_TYPE, STATUS_DENIED);
        return err_set(e, STATUS_DENIED,
                       "its token speaks for %s; a provider archive's subject is a service key (V...)",
                       token_kind_name(v->claims.kind));
    }
    return STATUS_OK;
}

static status read_chain(provider_archive_verification *v, uint64_t now_s, err *e) {
    TRY(token_read_chain(&v->claims, &v->memory, v->chain, &v->chain_count, &v->reason, e));
    for (size_t i = 0; i < v->chain_count; i++) {
        if (token_check_time(&v->chain[i], now_s, "this host's clock", &v->reason, e) != STATUS_OK) {
            return err_wrap(e, "token %zu of the chain", i + 1);
        }
    }
    return STATUS_OK;
}

static status check_all(const provider_archive *a, uint64_t now_s, const trust_store *trust,
                        provider_archive_verification *v, err *e) {
    TRY(read_token(a, v, e));
    if (check_hashes(a, &v->claims, e) != STATUS_OK) {
        return refuse(&v->reason, REFUSAL_HASH_MISMATCH, STATUS_DENIED);
    }
    TRY(token_check_time(&v->claims, now_s, "this host's clock", &v->reason, e));
    TRY(read_chain(v, now_s, e));
    if (trust == NULL) {
        return STATUS_OK;
    }
    trust_question question = {&v->claims, v->chain, v->chain_count, now_s};
    return trust_decide(trust, &question, &v->memory, &v->trust, &v->reason, e);
}

void provider_archive_verify(const provider_archive *a, uint64_t now_s, const trust_store *trust,
                             provider_archive_verification *ret) {
    memset(ret, 0, sizeof *ret);
    arena_init(&ret->memory, MEMORY_BYTES_MAX);
    if (check_all(a, now_s, trust, ret, &ret->error) == STATUS_OK) {
        ret->reason = REFUSAL_NONE;
        err_clear(&ret->error);
    } else if (ret->reason == REFUSAL_NONE) {
        ret->reason = REFUSAL_MALFORMED; // something refused without a word for it, such as a limit
    }
}

void provider_archive_verification_done(provider_archive_verification *v) {
    arena_done(&v->memory);
    memset(v, 0, sizeof *v);
}

// --- writing -----------------------------------------------------------------------------------------------

status provider_archive_plan_put(provider_archive_plan *plan, provider_archive_content content, err *e) {
    if (!provider_archive_target_is_valid(content.name)) {
        return err_set(e, STATUS_INVALID,
                       "\"%.*s\" names no target; write ARCH-OS in lower case, such as x86_64-linux",
                       SLICE_ARG(slice_sub(content.name, 0, PROVIDER_ARCHIVE_TARGET_BYTES_MAX)));
    }
    size_t at = 0;
    while (at < plan->target_count && slice_compare(plan->targets[at].name, content.name) < 0) {
        at++;
    }
    if (at < plan->target_count && slice_equal(plan->targets[at].name, content.name)) {
        plan->targets[at] = content;
        return STATUS_OK;
    }
    if (plan->target_count == PROVIDER_ARCHIVE_TARGETS_MAX) {
        return err_set(e, STATUS_LIMIT, "a provider archive has at most %d targets",
                       PROVIDER_ARCHIVE_TARGETS_MAX);
    }
    memmove(&plan->targets[at + 1], &plan->targets[at], (plan->target_count - at) * sizeof plan->targets[0]);
    plan->targets[at] = content;
    plan->target_count++;
    return STATUS_OK;
}

void provider_archive_plan_of(const provider_archive *a, const token_claims *claims,
                              provider_archive_plan *ret) {
    *ret = (provider_archive_plan){
        .claims = *claims,
        .is_compressed = a->is_compressed,
        .has_world = a->has_world,
        .world = a->world.bytes,
        .target_count = a->target_count,
    };
    ret->claims.id = slice_empty();
    for (size_t i = 0; i < a->target_count; i++) {
        ret->targets[i] = (provider_archive_content){a->targets[i].name, a->targets[i].bytes};
    }
}

// The hashes of everything that will be written, and their texts.
typedef struct hash_table {
    char texts[PROVIDER_ARCHIVE_TARGETS_MAX + 1][HASH_HEX_BYTES];
    token_pair pairs[PROVIDER_ARCHIVE_TARGETS_MAX + 1];
    size_t count;
} hash_table;

static void add_hash(hash_table *t, slice name, slice bytes) {
    uint8_t hash[HASH_BYTES];
    hash_sha256(&bytes, 1, hash);
    envelope_hash_text(hash, t->texts[t->count]);
    t->pairs[t->count] = (token_pair){name, slice_from_text(t->texts[t->count])};
    t->count++;
}

static status write_token(const provider_archive_plan *plan, const nkey *issuer, buf *ret, err *e) {
    hash_table hashes = {.count = 0};
    for (size_t i = 0; i < plan->target_count; i++) {
        add_hash(&hashes, plan->targets[i].name, plan->targets[i].bytes);
    }
    if (plan->has_world) {
        add_hash(&hashes, slice_from_text(PROVIDER_ARCHIVE_WORLD), plan->world);
    }
    token_claims claims = plan->claims;
    claims.kind = TOKEN_PROVIDER;
    claims.wascap_revision = TOKEN_WASCAP_REVISION;
    claims.target_hashes = (token_pairs){hashes.count, hashes.pairs};
    buf_init(ret, TOKEN_BYTES_MAX);
    return token_write(&claims, issuer, ret, e);
}

static void add_file(tar_listing *l, const char *suffix, slice name, slice bytes) {
    tar_entry *t = &l->entries[l->count++];
    memcpy(t->name, name.data, name.len);
    memcpy(t->name + name.len, suffix, strlen(suffix) + 1);
    t->bytes = bytes;
}

status provider_archive_write(const provider_archive_plan *plan, const nkey *issuer, buf *ret, err *e) {
    if (plan->target_count == 0) {
        return err_set(e, STATUS_INVALID, "a provider archive needs a program for at least one target");
    }
    auto_buf token;
    TRY(write_token(plan, issuer, &token, e));
    tar_listing listing = {.count = 0};
    add_file(&listing, "", slice_from_text(CLAIMS_NAME), buf_slice(&token));
    if (plan->has_world) {
        add_file(&listing, "", slice_from_text(PROVIDER_ARCHIVE_WORLD), plan->world);
    }
    for (size_t i = 0; i < plan->target_count; i++) {
        add_file(&listing, TARGET_SUFFIX, plan->targets[i].name, plan->targets[i].bytes);
    }
    return tar_write(&listing, plan->is_compressed, ret, e);
}
