// SPDX-License-Identifier: Apache-2.0
#include "identity/secret_file.h"

#include "crypto/aead.h"

static const uint8_t magic[9] = {'W', 'R', 'I', 'T', 'S', 'E', 'C', 'R', 1};

enum {
    AT_LOCK = 9,
    AT_COUNT = 12,
    AT_GENERATION = 16,
    AT_CHANGED = 24,
    AT_ID = 32,
    AT_WRAPPED = 48,
};

// --- reading ----------------------------------------------------------------------------------------------

typedef struct reader {
    slice bytes;
    size_t at;
    arena *memory;
    uint64_t generation;
    err *e;
} reader;

static status damaged(reader *r, const char *what) {
    return err_set(r->e, STATUS_INVALID, "the store of secrets is damaged at byte %zu: %s", r->at, what);
}

static bool take(reader *r, size_t len, slice *ret) {
    if (r->bytes.len - r->at < len) {
        return false;
    }
    *ret = slice_sub(r->bytes, r->at, r->at + len);
    r->at += len;
    return true;
}

static uint64_t number_of(slice bytes) {
    uint64_t n = 0;
    for (size_t i = bytes.len; i > 0; i--) {
        n = n << 8 | bytes.data[i - 1];
    }
    return n;
}

static bool take_number(reader *r, size_t len, uint64_t *ret) {
    slice bytes;
    if (!take(r, len, &bytes)) {
        return false;
    }
    *ret = number_of(bytes);
    return true;
}

// A name behind its length.
static bool take_name(reader *r, slice *ret) {
    uint64_t len;
    return take_number(r, 1, &len) && len <= SECRET_NAME_BYTES_MAX && take(r, len, ret);
}

static status read_field(reader *r, const slice *before, secret_field *ret) {
    uint64_t kind, len;
    if (!take_name(r, &ret->name) || (before != NULL && slice_compare(*before, ret->name) >= 0)) {
        return damaged(r, "the name of a field");
    }
    if (!take_number(r, 1, &kind) || (kind != SECRET_TEXT && kind != SECRET_BYTES)) {
        return damaged(r, "the kind of a value");
    }
    if (!take_number(r, 4, &len) || len <= AEAD_OVERHEAD_BYTES ||
        len > SECRET_VALUE_BYTES_MAX + AEAD_OVERHEAD_BYTES || !take(r, len, &ret->sealed)) {
        return damaged(r, "the length of a value");
    }
    ret->kind = (secret_kind)kind;
    return STATUS_OK;
}

static status read_version(reader *r, const secret_version *before, bool is_newest, secret_version *ret) {
    uint64_t count;
    if (!take_number(r, 8, &ret->number) || ret->number == 0 || ret->number > r->generation ||
        (before != NULL && ret->number <= before->number)) {
        return damaged(r, "the number of a version");
    }
    if (!take_number(r, 8, &ret->made_s) || !take_number(r, 8, &ret->until_s) ||
        is_newest != (ret->until_s == 0)) {
        return damaged(r, "the dates of a version");
    }
    if (!take_number(r, 1, &count) || count == 0 || count > SECRET_FIELDS_MAX) {
        return damaged(r, "the number of fields");
    }
    secret_field *fields = ARENA_ARRAY(r->memory, secret_field, count);
    for (size_t i = 0; fields != NULL && i < count; i++) {
        TRY(read_field(r, i > 0 ? &fields[i - 1].name : NULL, &fields[i]));
    }
    ret->fields = fields;
    ret->field_count = count;
    return fields != NULL ? STATUS_OK : err_set(r->e, STATUS_LIMIT, "too many secrets for the memory");
}

static status read_record(reader *r, const secret_record *before, secret_record *ret) {
    uint64_t count;
    if (!take_name(r, &ret->name) || ret->name.len == 0 ||
        (before != NULL && slice_compare(before->name, ret->name) >= 0)) {
        return damaged(r, "the name of a secret");
    }
    if (!take_number(r, 1, &count) || count == 0 || count > SECRET_VERSIONS_MAX) {
        return damaged(r, "the number of versions");
    }
    secret_version *versions = ARENA_ARRAY(r->memory, secret_version, count);
    for (size_t i = 0; versions != NULL && i < count; i++) {
        TRY(read_version(r, i > 0 ? &versions[i - 1] : NULL, i + 1 == count, &versions[i]));
    }
    ret->versions = versions;
    ret->version_count = count;
    return versions != NULL ? STATUS_OK : err_set(r->e, STATUS_LIMIT, "too many secrets for the memory");
}

status secret_file_split(slice bytes, slice *ret_body, slice *ret_proof, err *e) {
    if (bytes.len < SECRET_FILE_HEADER_BYTES + HASH_BYTES || bytes.len > SECRET_STORE_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "the store of secrets has %zu bytes, %s", bytes.len,
                       bytes.len > SECRET_STORE_BYTES_MAX ? "more than it may" : "so it was cut short");
    }
    *ret_body = slice_sub(bytes, 0, bytes.len - HASH_BYTES);
    *ret_proof = slice_sub(bytes, bytes.len - HASH_BYTES, bytes.len);
    return STATUS_OK;
}

status secret_file_read_header(slice bytes, secret_file *ret, size_t *ret_len, err *e) {
    secret_file f = {0};
    if (bytes.len < SECRET_FILE_HEADER_BYTES || memcmp(bytes.data, magic, sizeof magic) != 0) {
        return err_set(e, STATUS_INVALID, "not a store of secrets of a version that is known here");
    }
    reader r = {.bytes = bytes, .at = SECRET_FILE_HEADER_BYTES, .e = e};
    uint64_t lock = number_of(slice_sub(bytes, AT_LOCK, AT_COUNT)); // with the two bytes that are 0
    uint64_t wrapped = number_of(slice_sub(bytes, AT_WRAPPED, SECRET_FILE_HEADER_BYTES));
    f.stated_count = (uint32_t)number_of(slice_sub(bytes, AT_COUNT, AT_GENERATION));
    f.generation = number_of(slice_sub(bytes, AT_GENERATION, AT_CHANGED));
    f.changed_s = number_of(slice_sub(bytes, AT_CHANGED, AT_ID));
    memcpy(f.id, bytes.data + AT_ID, sizeof f.id);
    f.lock = (secret_lock)lock;
    if ((lock != SECRET_LOCK_KEY_FILE && lock != SECRET_LOCK_PASSPHRASE) || f.generation == UINT64_MAX ||
        f.stated_count > SECRET_STORE_SECRETS_MAX || wrapped > SECRET_FILE_WRAPPED_BYTES_MAX ||
        (wrapped > 0) != (lock == SECRET_LOCK_PASSPHRASE) || !take(&r, wrapped, &f.wrapped_key)) {
        return damaged(&r, "the header");
    }
    *ret = f;
    *ret_len = r.at;
    return STATUS_OK;
}

status secret_file_read(slice bytes, arena *a, secret_file *ret, err *e) {
    secret_file f;
    slice body, proof;
    size_t at = 0;
    TRY(secret_file_split(bytes, &body, &proof, e));
    TRY(secret_file_read_header(body, &f, &at, e));
    reader r = {.bytes = body, .at = at, .memory = a, .generation = f.generation, .e = e};
    secret_record *records = ARENA_ARRAY(a, secret_record, f.stated_count);
    if (records == NULL) {
        return err_set(e, STATUS_LIMIT, "too many secrets for the memory");
    }
    for (size_t i = 0; i < f.stated_count; i++) {
        TRY(read_record(&r, i > 0 ? &records[i - 1] : NULL, &records[i]));
    }
    if (r.at != body.len) {
        return damaged(&r, "something stands behind the last secret");
    }
    f.records = records;
    f.record_count = f.stated_count;
    *ret = f;
    return STATUS_OK;
}

// --- writing ----------------------------------------------------------------------------------------------

static status put_number(buf *b, uint64_t n, size_t len) {
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(n >> 8 * i);
    }
    return buf_append(b, slice_of(bytes, len));
}

static status put_with_length(buf *b, slice bytes, size_t len_bytes) {
    TRY(put_number(b, bytes.len, len_bytes));
    return buf_append(b, bytes);
}

static status put_version(const secret_version *v, buf *b) {
    TRY(put_number(b, v->number, 8));
    TRY(put_number(b, v->made_s, 8));
    TRY(put_number(b, v->until_s, 8));
    TRY(put_number(b, v->field_count, 1));
    for (size_t i = 0; i < v->field_count; i++) {
        TRY(put_with_length(b, v->fields[i].name, 1));
        TRY(put_number(b, v->fields[i].kind, 1));
        TRY(put_with_length(b, v->fields[i].sealed, 4));
    }
    return STATUS_OK;
}

static status put_all(const secret_file *f, buf *b) {
    TRY(buf_append(b, slice_of(magic, sizeof magic)));
    TRY(put_number(b, f->lock, AT_COUNT - AT_LOCK));
    TRY(put_number(b, f->record_count, 4));
    TRY(put_number(b, f->generation, 8));
    TRY(put_number(b, f->changed_s, 8));
    TRY(buf_append(b, slice_of(f->id, sizeof f->id)));
    TRY(put_with_length(b, f->wrapped_key, 4));
    for (size_t i = 0; i < f->record_count; i++) {
        const secret_record *r = &f->records[i];
        TRY(put_with_length(b, r->name, 1));
        TRY(put_number(b, r->version_count, 1));
        for (size_t k = 0; k < r->version_count; k++) {
            TRY(put_version(&r->versions[k], b));
        }
    }
    return STATUS_OK;
}

status secret_file_write(const secret_file *f, buf *ret, err *e) {
    return put_all(f, ret) == STATUS_OK
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "the secrets would be larger than %d MiB together; remove some",
                         SECRET_STORE_BYTES_MAX >> 20);
}

status secret_file_about(const secret_file *f, slice name, uint64_t version, slice field, secret_kind kind,
                         buf *ret) {
    TRY(buf_append(ret, slice_of(f->id, sizeof f->id)));
    TRY(put_number(ret, version, 8));
    TRY(put_number(ret, kind, 1));
    TRY(put_with_length(ret, name, 1));
    return put_with_length(ret, field, 1);
}

const secret_record *secret_file_find(const secret_file *f, const char *name) {
    for (size_t i = 0; i < f->record_count; i++) {
        if (slice_equal_text(f->records[i].name, name)) {
            return &f->records[i];
        }
    }
    return NULL;
}
