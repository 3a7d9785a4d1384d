// SPDX-License-Identifier: Apache-2.0
#include "bus/door_parse.h"

#include <stdio.h>

#include "bus/nats_line.h"
#include "codec/base64.h"
#include "codec/json.h"

enum { WORDS_MAX = 5, JWT_PARTS = 3 };

static const char unknown_operation[] = "Unknown Protocol Operation";
static const char parser_error[] = "Parser Error";
static const char not_allowed[] = "Authorization Violation";

static status wrong(const char *text, const char **ret) {
    *ret = text;
    return STATUS_INVALID;
}

// --- operations --------------------------------------------------------------------------------------------

static status read_sub(slice rest, door_request *ret, const char **ret_error) {
    slice words[WORDS_MAX];
    size_t count = nats_line_split(rest, words, WORDS_MAX);
    if (count < 2 || count > 3) {
        return wrong(parser_error, ret_error);
    }
    ret->op = DOOR_SUB;
    ret->subject = words[0];
    ret->queue = count == 3 ? words[1] : slice_empty();
    ret->sid = words[count - 1];
    return ret->sid.len <= DOOR_SID_BYTES_MAX ? STATUS_OK : wrong(parser_error, ret_error);
}

static status read_unsub(slice rest, door_request *ret, const char **ret_error) {
    slice words[WORDS_MAX];
    size_t count = nats_line_split(rest, words, WORDS_MAX);
    ret->op = DOOR_UNSUB;
    bool ok = (count == 1 || count == 2) && words[0].len <= DOOR_SID_BYTES_MAX &&
              (count == 1 || slice_to_u64(words[1], &ret->max));
    if (ok) {
        ret->sid = words[0];
    }
    return ok ? STATUS_OK : wrong(parser_error, ret_error);
}

static status read_pub(slice rest, bool has_headers, size_t payload_max, door_request *ret,
                       size_t *ret_headers, size_t *ret_bytes, const char **ret_error) {
    slice words[WORDS_MAX];
    size_t count = nats_line_split(rest, words, WORDS_MAX);
    size_t numbers = has_headers ? 2 : 1;
    uint64_t headers = 0;
    uint64_t bytes = 0;
    if (count < 1 + numbers || count > 2 + numbers || !slice_to_u64(words[count - 1], &bytes) ||
        (has_headers && (!slice_to_u64(words[count - 2], &headers) || headers > bytes))) {
        return wrong(parser_error, ret_error);
    }
    if (bytes > payload_max) {
        return wrong("Maximum Payload Violation", ret_error);
    }
    ret->op = DOOR_PUB;
    ret->subject = words[0];
    ret->reply = count == 2 + numbers ? words[1] : slice_empty();
    *ret_headers = (size_t)headers;
    *ret_bytes = (size_t)bytes;
    return STATUS_OK;
}

static status read_payload(slice bytes, size_t at, size_t headers, size_t len, door_request *ret,
                           size_t *ret_used, const char **ret_error) {
    if (bytes.len - at < len + 2) {
        return STATUS_NOT_FOUND;
    }
    if (bytes.data[at + len] != '\r' || bytes.data[at + len + 1] != '\n') {
        return wrong(parser_error, ret_error);
    }
    ret->headers = slice_sub(bytes, at, at + headers);
    ret->payload = slice_sub(bytes, at + headers, at + len);
    *ret_used = at + len + 2;
    return STATUS_OK;
}

static status read_rest(slice line, door_request *ret, const char **ret_error) {
    slice rest;
    if (nats_line_is(line, "SUB", &rest)) {
        return read_sub(rest, ret, ret_error);
    }
    if (nats_line_is(line, "UNSUB", &rest)) {
        return read_unsub(rest, ret, ret_error);
    }
    return wrong(unknown_operation, ret_error);
}

// What may come before the client is known.
static bool read_first(slice line, door_request *ret) {
    slice rest;
    if (nats_line_is(line, "CONNECT", &ret->json)) {
        ret->op = DOOR_CONNECT;
        return true;
    }
    bool is_ping = nats_line_is(line, "PING", &rest);
    if (is_ping || nats_line_is(line, "PONG", &rest)) {
        ret->op = is_ping ? DOOR_PING : DOOR_PONG;
        return true;
    }
    return false;
}

status door_parse(slice bytes, bool is_known, size_t payload_max, door_request *ret, size_t *ret_used,
                  const char **ret_error) {
    bool is_connect = bytes.len > 0 && (bytes.data[0] == 'C' || bytes.data[0] == 'c');
    slice line = slice_empty();
    slice rest;
    size_t next = 0;
    door_request request = {0};
    status code =
        nats_line_take(bytes, is_connect ? DOOR_CONNECT_BYTES_MAX : DOOR_LINE_BYTES_MAX, &line, &next);
    if (code != STATUS_OK) {
        *ret_error = code == STATUS_LIMIT ? "Maximum Control Line Exceeded" : parser_error;
        return code;
    }
    size_t used = next;
    if (!read_first(line, &request)) {
        if (!is_known) {
            *ret_error = not_allowed;
            return STATUS_DENIED;
        }
        bool has_headers = nats_line_is(line, "HPUB", &rest);
        if (has_headers || nats_line_is(line, "PUB", &rest)) {
            size_t headers = 0;
            size_t len = 0;
            TRY(read_pub(rest, has_headers, payload_max, &request, &headers, &len, ret_error));
            TRY(read_payload(bytes, next, headers, len, &request, &used, ret_error));
        } else {
            TRY(read_rest(line, &request, ret_error));
        }
    }
    *ret = request;
    *ret_used = used;
    return STATUS_OK;
}

// --- CONNECT -----------------------------------------------------------------------------------------------

// The key that a JWT is about. Nothing else in it is believed.
static bool read_jwt(slice jwt, nkey_public *ret) {
    size_t dots[JWT_PARTS - 1];
    auto_buf body = {0};
    json_value *v = NULL;
    slice subject;
    dots[0] = slice_find(jwt, 0, '.');
    dots[1] = dots[0] == SIZE_MAX ? SIZE_MAX : slice_find(jwt, dots[0] + 1, '.');
    if (dots[1] == SIZE_MAX) {
        return false;
    }
    buf_init(&body, DOOR_CONNECT_BYTES_MAX);
    bool ok = base64_decode(BASE64_URL, slice_sub(jwt, dots[0] + 1, dots[1]), &body) == STATUS_OK &&
              json_parse(buf_slice(&body), &v, NULL) == STATUS_OK &&
              json_as_text(json_get(v, "sub"), &subject) &&
              nkey_public_parse(subject, ret, NULL) == STATUS_OK;
    json_free(v);
    return ok;
}

static bool read_signature(slice text, uint8_t ret[SIGN_SIGNATURE_BYTES]) {
    static const base64_form forms[] = {BASE64_URL, BASE64_STANDARD};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        auto_buf bytes = {0};
        buf_init(&bytes, 2 * SIGN_SIGNATURE_BYTES);
        if (base64_decode(forms[i], text, &bytes) == STATUS_OK && bytes.len == SIGN_SIGNATURE_BYTES) {
            memcpy(ret, bytes.data, SIGN_SIGNATURE_BYTES);
            return true;
        }
    }
    return false;
}

// Absent and empty are the same here: clients write "" for what they do not have.
static slice text_of(const json_value *v, const char *name) {
    slice text = slice_empty();
    (void)json_as_text(json_get(v, name), &text);
    return text;
}

static bool read_key(const json_value *v, door_connect *ret) {
    slice text = text_of(v, "nkey");
    slice jwt = text_of(v, "jwt");
    slice signature = text_of(v, "sig");
    nkey_public of_jwt;
    ret->has_key = text.len > 0 || jwt.len > 0;
    if (!ret->has_key) {
        return true;
    }
    if ((text.len > 0 && nkey_public_parse(text, &ret->key, NULL) != STATUS_OK) ||
        (jwt.len > 0 && !read_jwt(jwt, &of_jwt))) {
        return false;
    }
    if (jwt.len > 0 && text.len > 0 && !nkey_public_equal(&of_jwt, &ret->key)) {
        return false;
    }
    ret->key = jwt.len > 0 ? of_jwt : ret->key;
    return ret->key.kind == NKEY_USER && read_signature(signature, ret->signature);
}

static bool copy_text(slice text, char ret[DOOR_PASSWORD_BYTES_MAX + 1]) {
    if (text.len > DOOR_PASSWORD_BYTES_MAX || slice_find(text, 0, '\0') != SIZE_MAX) {
        return false;
    }
    snprintf(ret, DOOR_PASSWORD_BYTES_MAX + 1, "%.*s", SLICE_ARG(text));
    return true;
}

static status read_connect(const json_value *v, door_connect *ret, const char **ret_error) {
    bool has_echo = true;
    bool is_tls = false;
    (void)json_as_bool(json_get(v, "verbose"), &ret->is_verbose);
    (void)json_as_bool(json_get(v, "headers"), &ret->has_headers);
    (void)json_as_bool(json_get(v, "no_responders"), &ret->has_no_responders);
    (void)json_as_bool(json_get(v, "echo"), &has_echo);
    (void)json_as_bool(json_get(v, "tls_required"), &is_tls);
    if (!json_is_object(v)) {
        return wrong(parser_error, ret_error);
    }
    if (!has_echo) {
        return wrong("This Server Has No Way To Turn Echo Off", ret_error);
    }
    if (is_tls) {
        return wrong("Secure Connection - TLS Is Not Served", ret_error);
    }
    bool ok = copy_text(text_of(v, "user"), ret->user) && copy_text(text_of(v, "pass"), ret->password) &&
              read_key(v, ret);
    ret->has_no_responders = ret->has_no_responders && ret->has_headers;
    return ok ? STATUS_OK : wrong(not_allowed, ret_error);
}

status door_connect_read(slice json, door_connect *ret, const char **ret_error) {
    json_value *v = NULL;
    door_connect read = {0};
    if (json_parse(json, &v, NULL) != STATUS_OK) {
        return wrong(parser_error, ret_error);
    }
    status code = read_connect(v, &read, ret_error);
    json_free(v);
    if (code == STATUS_OK) {
        *ret = read;
    }
    return code;
}
