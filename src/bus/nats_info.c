// SPDX-License-Identifier: Apache-2.0
// The greeting: what the server says of itself, and what the client answers.
#include <arpa/inet.h>
#include <stdio.h>

#include "bus/nats_internal.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "identity/nkey.h"

#ifndef WRIT_VERSION
#error "the build defines WRIT_VERSION"
#endif

enum { PORT = 4222, CREDENTIAL_BYTES_MAX = 64 << 10, LINE_REST_BYTES = 1024 };

// --- servers -----------------------------------------------------------------------------------------------

static bool take_prefix(slice *text, const char *prefix) {
    bool is_there = slice_starts_with(*text, prefix);
    *text = is_there ? slice_sub(*text, strlen(prefix), text->len) : *text;
    return is_there;
}

static status invalid_server(err *e) {
    return err_set(
        e, STATUS_INVALID,
        "a server of NATS reads nats://host[:port] or tls://host[:port]; credentials are secrets of "
        "their own");
}

status nats_server_parse(slice url, nats_server *ret, err *e) {
    slice rest = url;
    uint64_t port = PORT;
    bool is_secure = take_prefix(&rest, "tls://");
    if (!is_secure) {
        (void)take_prefix(&rest, "nats://");
    }
    size_t bracket = slice_starts_with(rest, "[") ? slice_find(rest, 0, ']') : 0;
    if (bracket == SIZE_MAX) {
        return invalid_server(e);
    }
    size_t colon = slice_find(rest, bracket, ':');
    slice host = bracket > 0 ? slice_sub(rest, 1, bracket) : slice_sub(rest, 0, colon);
    slice behind = slice_sub(rest, bracket > 0 ? bracket + 1 : host.len, rest.len);
    if (behind.len > 0 && (behind.data[0] != ':' || !slice_to_u64(slice_sub(behind, 1, behind.len), &port) ||
                           port == 0 || port > UINT16_MAX)) {
        return invalid_server(e);
    }
    if (host.len == 0 || host.len > CONNECT_HOST_BYTES_MAX) {
        return invalid_server(e);
    }
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] <= ' ' || host.data[i] >= 0x7f || strchr("/@?#[]", host.data[i]) != NULL) {
            return invalid_server(e);
        }
    }
    *ret = (nats_server){.port = (uint16_t)port, .is_secure = is_secure};
    memcpy(ret->host, host.data, host.len);
    return STATUS_OK;
}

// --- INFO --------------------------------------------------------------------------------------------------

static size_t read_servers(const json_value *list, nats_server *found, size_t max) {
    size_t count = 0;
    for (size_t i = 0; i < json_count(list) && count < max; i++) {
        slice text;
        if (json_as_text(json_at(list, i), &text) &&
            nats_server_parse(text, &found[count], NULL) == STATUS_OK) {
            count++;
        }
    }
    return count;
}

status nats_info_read(slice json, nats_info *ret, nats_server *found, size_t *found_count, err *e) {
    json_value *v = NULL;
    nats_info info = {0};
    int64_t max = 0;
    slice nonce = slice_empty();
    if (json_parse(json, &v, e) != STATUS_OK) {
        return err_wrap(e, "the server's greeting");
    }
    (void)json_as_integer(json_get(v, "max_payload"), &max);
    (void)json_as_bool(json_get(v, "headers"), &info.has_headers);
    (void)json_as_bool(json_get(v, "tls_required"), &info.tls_required);
    (void)json_as_bool(json_get(v, "tls_available"), &info.tls_available);
    (void)json_as_text(json_get(v, "nonce"), &nonce);
    bool ok = json_is_object(v) && max > 0 && nonce.len < sizeof info.nonce;
    if (ok) {
        info.max_payload = max > NATS_PAYLOAD_BYTES_MAX ? NATS_PAYLOAD_BYTES_MAX : (size_t)max;
        snprintf(info.nonce, sizeof info.nonce, "%.*s", SLICE_ARG(nonce));
        *found_count = read_servers(json_get(v, "connect_urls"), found, *found_count);
        *ret = info;
    }
    json_free(v);
    return ok ? STATUS_OK : err_set(e, STATUS_INVALID, "the server's greeting says nothing that NATS says");
}

// --- CONNECT -----------------------------------------------------------------------------------------------

typedef struct pen { // writes into memory that was measured before
    uint8_t *to;
    uint8_t *end;
    bool is_full;
} pen;

static void put_bytes(pen *p, const void *bytes, size_t len) {
    if (len > (size_t)(p->end - p->to)) {
        p->is_full = true;
    } else if (len > 0) {
        memcpy(p->to, bytes, len);
        p->to += len;
    }
}

static void put_text(pen *p, const char *text) { put_bytes(p, text, strlen(text)); }

// As JSON: the server refuses what is no UTF-8.
static void put_quoted(pen *p, slice text) {
    static const char digits[] = "0123456789abcdef";
    put_text(p, "\"");
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        const char escaped[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        if (c < ' ') {
            put_bytes(p, escaped, sizeof escaped);
            continue;
        }
        if (c == '"' || c == '\\') {
            put_text(p, "\\");
        }
        put_bytes(p, &c, 1);
    }
    put_text(p, "\"");
}

static void put_field(pen *p, const char *name, slice value) {
    if (value.len > 0) {
        put_text(p, ",\"");
        put_text(p, name);
        put_text(p, "\":");
        put_quoted(p, value);
    }
}

// The line of text that follows the one with these words.
static slice block_of(slice creds, const char *words) {
    bool is_next = false;
    for (size_t at = 0; at < creds.len;) {
        size_t end = slice_find(creds, at, '\n');
        end = end == SIZE_MAX ? creds.len : end;
        slice line = slice_trimmed(slice_sub(creds, at, end));
        at = end + 1;
        if (is_next && line.len > 0) {
            return line;
        }
        is_next = is_next || (slice_starts_with(line, "-----BEGIN ") &&
                              memmem(line.data, line.len, words, strlen(words)) != NULL);
    }
    return slice_empty();
}

static status put_signature(pen *p, slice seed, const nats_info *info, bool with_key, err *e) {
    nkey *key = NULL;
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    auto_buf text;
    buf_init(&text, 2 * SIGN_SIGNATURE_BYTES);
    if (info->nonce[0] == '\0') {
        return err_set(e, STATUS_DENIED, "the server asks for no signature, so it takes no keys");
    }
    if (nkey_from_seed_text(seed, &key, e) != STATUS_OK) {
        return err_wrap(e, "the seed of the credentials");
    }
    nkey_public public = nkey_public_of(key);
    status s = nkey_sign(key, slice_from_text(info->nonce), signature, e);
    nkey_free(key);
    TRY(s);
    TRY(base64_encode(BASE64_URL, slice_of(signature, sizeof signature), &text));
    if (with_key) {
        nkey_text name = nkey_public_text(&public);
        put_field(p, "nkey", slice_from_text(name.text));
    }
    put_field(p, "sig", buf_slice(&text));
    return STATUS_OK;
}

static status put_credentials(pen *p, const nats_credentials *c, const nats_info *info, err *e) {
    put_field(p, "user", c->user);
    put_field(p, "pass", c->password);
    put_field(p, "auth_token", c->token);
    if (c->creds.len > 0) {
        slice jwt = block_of(c->creds, "USER JWT");
        slice seed = block_of(c->creds, "USER NKEY SEED");
        if (jwt.len == 0 || seed.len == 0) {
            return err_set(e, STATUS_INVALID, "the credentials hold no user JWT with its seed");
        }
        put_field(p, "jwt", jwt);
        return put_signature(p, seed, info, false, e);
    }
    return c->seed.len > 0 ? put_signature(p, slice_trimmed(c->seed), info, true, e) : STATUS_OK;
}

status nats_connect_line(const nats_credentials *c, const nats_info *info, const char *name, bool is_secure,
                         secret *ret, err *e) {
    size_t bytes = c->user.len + c->password.len + c->token.len + c->creds.len + c->seed.len;
    if (bytes > CREDENTIAL_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "the credentials are longer than %d bytes", CREDENTIAL_BYTES_MAX);
    }
    auto_secret line = {0};
    TRY(secret_new(6 * (bytes + strlen(name)) + LINE_REST_BYTES, &line, e));
    pen p = {line.data, line.data + line.len, false};
    put_text(&p,
             "CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"c\",\"protocol\":1,\"echo\":true,"
             "\"headers\":true,\"no_responders\":true,\"version\":\"" WRIT_VERSION "\",\"tls_required\":");
    put_text(&p, is_secure ? "true" : "false");
    put_field(&p, "name", slice_from_text(name));
    TRY(put_credentials(&p, c, info, e));
    put_text(&p, "}\r\n");
    if (p.is_full) {
        return err_set(e, STATUS_LIMIT, "the credentials are too long");
    }
    line.len = (size_t)(p.to - line.data);
    *ret = line;
    line = (secret){0};
    return STATUS_OK;
}
