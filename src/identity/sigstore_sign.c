// SPDX-License-Identifier: Apache-2.0
#include "codec/base64.h"
#include "identity/sigstore_internal.h"

enum { TEXT_BYTES_MAX = 2 * SIGNATURE_BYTES_MAX };

static void put_bytes(json_value *object, const char *name, slice bytes) {
    auto_buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    WRIT_UNUSED status s = base64_encode(BASE64_STANDARD, bytes, &text); // all are small
    json_put_text(object, name, buf_slice(&text));
}

static json_value *material(const public_key *key) {
    uint8_t id[PUBLIC_KEY_ID_BYTES];
    json_value *hint = json_object_new(), *all = json_object_new();
    public_key_id(key, id);
    put_bytes(hint, "hint", slice_of(id, sizeof id));
    json_put(all, "publicKey", hint);
    return all;
}

static json_value *message(slice file, slice signature) {
    uint8_t hash[HASH_BYTES];
    json_value *digest = json_object_new(), *all = json_object_new();
    hash_sha256(&file, 1, hash);
    json_put_text(digest, "algorithm", slice_from_text("SHA2_256"));
    put_bytes(digest, "digest", slice_of(hash, sizeof hash));
    json_put(all, "messageDigest", digest);
    put_bytes(all, "signature", signature);
    return all;
}

status sigstore_sign(slice file, const private_key *key, buf *ret, err *e) {
    auto_buf signature;
    buf_init(&signature, SIGNATURE_BYTES_MAX);
    TRY(private_key_sign(key, file, &signature, e));
    json_value *document = json_object_new();
    json_put_text(document, "mediaType", slice_from_text("application/vnd.dev.sigstore.bundle.v0.3+json"));
    json_put(document, "verificationMaterial", material(private_key_public(key)));
    json_put(document, "messageSignature", message(file, buf_slice(&signature)));
    status s = json_write(document, 2, ret);
    json_free(document);
    s = s == STATUS_OK ? buf_append_byte(ret, '\n') : s;
    return s == STATUS_OK ? s : err_set(e, s, "the bundle does not fit into its buffer");
}
