// SPDX-License-Identifier: Apache-2.0
// A batch: have a credential (a file is read on another thread), have a token, then one request for each key
// and version. What the server or the way to it fails at ends the batch for all that is left: nothing waits
// longer than for two requests that are not answered.
#include "secrets/vault.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "crypto/trust_roots.h"
#include "loop/work.h"
#include "net/http_client.h"
#include "os/fd.h"
#include "os/private.h"
#include "os/process.h"
#include "secrets/vault_answer.h"

enum { PATH_BYTES = 4096, BODY_BYTES_MAX = 3 * VAULT_TOKEN_BYTES_MAX, HEADERS_MAX = 4, READ_BYTES = 65536 };

typedef enum request_kind { REQUEST_LOGIN, REQUEST_RENEW, REQUEST_SECRET } request_kind;

typedef struct vault {
    secret_backend base;
    vault_options options;
    trust_roots *roots;
    loop *l;
    connector *connector;
    http_client *client; // of one batch
    loop_work_pool *pool;
    loop_work work;
    bool is_given_up; // while detaching

    secret credential;    // for a login
    secret token;         // empty = there is none
    uint64_t renew_at_ns; // of the loop; UINT64_MAX = never
    bool is_fresh;        // the token was got in this batch

    secret_batch *batch; // NULL = none
    size_t at;           // the item that is asked for
    request_kind kind;
    http_call *call;
    secret answer;
    size_t answer_len;
    loop_soon starting, moved;
    loop_timer deadline;

    status read_code; // of the thread
    err read_err;
} vault;

static const secret_settings *settings_of(const vault *v) { return v->options.settings; }

// --- the end of a batch ------------------------------------------------------------------------------------

static void drop_call(vault *v) {
    loop_soon_cancel(&v->moved);
    loop_timer_stop(&v->deadline);
    http_call_free(v->call);
    v->call = NULL;
    secret_free(&v->answer);
    v->answer = (secret){0};
    v->answer_len = 0;
}

static void end_batch(vault *v) {
    secret_batch *b = v->batch;
    drop_call(v);
    secret_free(&v->credential);
    v->credential = (secret){0};
    v->batch = NULL;
    // No connection stays open in between: its buffers have had values in them.
    http_client_free(v->client);
    v->client = NULL;
    b->done(b->arg);
}

static bool is_answered(const secret_fetch *f) { return f->code != STATUS_OK || f->value.bytes.data != NULL; }

static void fail_rest(vault *v, const err *why) {
    for (size_t i = 0; i < v->batch->count; i++) {
        secret_fetch *f = &v->batch->items[i];
        if (is_answered(f)) {
            continue;
        }
        f->code = err_set(&f->e, why->code, "%s: %s", settings_of(v)->address, why->message);
    }
    end_batch(v);
}

static void fail_with(vault *v, status code, const char *message) {
    err e;
    (void)err_set(&e, code, "%s", message);
    fail_rest(v, &e);
}

static void forget_token(vault *v) {
    secret_free(&v->token);
    v->token = (secret){0};
}

// --- requests ----------------------------------------------------------------------------------------------

static void on_progress(void *arg) {
    vault *v = arg;
    loop_soon_add(v->l, &v->moved);
}

static void on_deadline(void *arg) { fail_with(arg, STATUS_TIMEOUT, "the server has not answered in time"); }

static status open_client(vault *v, err *e) {
    http_client_options o = http_client_options_default();
    if (v->client != NULL) {
        return STATUS_OK;
    }
    o.connector = v->connector;
    o.roots = v->roots;
    o.calls_max = o.sockets_max = 2;
    o.header_count_max = 100;
    o.header_bytes_max = 16 << 10;
    o.connect_ns = o.first_byte_ns = o.between_bytes_ns = settings_of(v)->timeout_ns;
    return http_client_new(v->l, &o, &v->client, e);
}

static size_t fill_headers(const vault *v, http_header list[HEADERS_MAX]) {
    size_t n = 0;
    list[n++] = (http_header){slice_from_text("X-Vault-Request"), slice_from_text("true")};
    if (settings_of(v)->name_space != NULL) {
        list[n++] =
            (http_header){slice_from_text("X-Vault-Namespace"), slice_from_text(settings_of(v)->name_space)};
    }
    if (v->kind != REQUEST_LOGIN) {
        list[n++] = (http_header){slice_from_text("X-Vault-Token"), secret_slice(&v->token)};
    }
    return n;
}

static status open_call(vault *v, const char *path, slice body, err *e) {
    http_header headers[HEADERS_MAX];
    char whole[PATH_BYTES];
    int n = snprintf(whole, sizeof whole, "%s/v1/%s", settings_of(v)->prefix, path);
    if (n < 0 || (size_t)n >= sizeof whole) {
        return err_set(e, STATUS_INVALID, "the path of the secret is too long");
    }
    const http_call_request r = {
        .method = slice_from_text(v->kind == REQUEST_SECRET ? "GET" : "POST"),
        .is_https = settings_of(v)->is_https,
        .authority = slice_from_text(settings_of(v)->authority),
        .path_with_query = slice_from_text(whole),
        .headers = headers,
        .header_count = fill_headers(v, headers),
        .has_body = v->kind != REQUEST_SECRET,
        .content_length = v->kind != REQUEST_SECRET ? (int64_t)body.len : 0,
        .has_secrets = true,
    };
    TRY(open_client(v, e));
    TRY(secret_new(VAULT_ANSWER_BYTES_MAX, &v->answer, e));
    v->answer_len = 0;
    TRY(http_call_new(v->client, &r, on_progress, v, &v->call, e));
    if (r.has_body) {
        CHECK(http_call_room(v->call) >= body.len);
        TRY(http_call_write(v->call, body, e));
        http_call_end(v->call, NULL, 0);
    }
    loop_timer_start_in(&v->deadline, settings_of(v)->timeout_ns);
    return STATUS_OK;
}

static void request(vault *v, request_kind kind, const char *path, slice body) {
    err e;
    drop_call(v);
    v->kind = kind;
    if (open_call(v, path, body, &e) != STATUS_OK) {
        fail_rest(v, &e);
    }
}

// --- tokens ------------------------------------------------------------------------------------------------

static void ask_next(vault *v);

static const char *method_name(const vault *v) {
    return settings_of(v)->auth == VAULT_AUTH_APPROLE ? "approle" : "kubernetes";
}

// Both texts are visible ASCII without quotes and backslashes (trim_credential, is_plain).
static status write_login(const vault *v, secret *ret, size_t *ret_len, err *e) {
    bool is_approle = settings_of(v)->auth == VAULT_AUTH_APPROLE;
    TRY(secret_new(BODY_BYTES_MAX, ret, e));
    int n = snprintf((char *)ret->data, ret->len, "{\"%s\":\"%s\",\"%s\":\"%.*s\"}",
                     is_approle ? "role_id" : "role", settings_of(v)->role, is_approle ? "secret_id" : "jwt",
                     (int)v->credential.len, (const char *)v->credential.data);
    *ret_len = n > 0 && (size_t)n < ret->len ? (size_t)n : 0;
    return *ret_len > 0 ? STATUS_OK : err_set(e, STATUS_LIMIT, "the credential is too long");
}

static void log_in(vault *v) {
    auto_secret body = {0};
    char path[PATH_BYTES / 2];
    const char *mount = settings_of(v)->auth_mount != NULL ? settings_of(v)->auth_mount : method_name(v);
    size_t len = 0;
    err e;
    (void)snprintf(path, sizeof path, "auth/%s/login", mount);
    if (write_login(v, &body, &len, &e) != STATUS_OK) {
        fail_rest(v, &e);
        return;
    }
    request(v, REQUEST_LOGIN, path, slice_of(body.data, len));
}

static void renew(vault *v) {
    v->renew_at_ns = UINT64_MAX;
    request(v, REQUEST_RENEW, "auth/token/renew-self", slice_from_text("{}"));
}

static bool is_quotable(slice text) {
    bool good = text.len > 0 && text.len <= VAULT_TOKEN_BYTES_MAX;
    for (size_t i = 0; good && i < text.len; i++) {
        uint8_t c = text.data[i];
        good = c > 0x20 && c < 0x7f && c != '"' && c != '\\';
    }
    return good;
}

// Editors end files with a line feed.
static slice trim(slice text) {
    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r')) {
        text.len--;
    }
    return text;
}

static status keep_credential(vault *v, slice text, err *e) {
    text = trim(text);
    if (!is_quotable(text)) {
        return err_set(e, STATUS_INVALID,
                       "the credential is not 1 to %d visible characters without quotes and backslashes",
                       VAULT_TOKEN_BYTES_MAX);
    }
    bool is_token = settings_of(v)->auth == VAULT_AUTH_TOKEN;
    secret *kept = is_token ? &v->token : &v->credential;
    secret_free(kept);
    *kept = (secret){0};
    TRY(secret_new(text.len, kept, e));
    memcpy(kept->data, text.data, text.len);
    v->renew_at_ns = is_token ? 0 : UINT64_MAX;
    v->is_fresh = v->is_fresh || is_token;
    return STATUS_OK;
}

static status read_file(vault *v, err *e) {
    auto_fd fd = -1;
    auto_secret text = {0};
    size_t len = 0;
    private_mounted kind =
        settings_of(v)->auth == VAULT_AUTH_KUBERNETES ? PRIVATE_MOUNTED_FILE : PRIVATE_MOUNTED_SECRET;
    TRY(private_mounted_open(secret_settings_credential_file(settings_of(v)), kind, &fd, e));
    TRY(secret_new(VAULT_TOKEN_BYTES_MAX + 3, &text, e));
    TRY(fd_read_at(fd, text.data, text.len, 0, &len, e));
    return keep_credential(v, slice_of(text.data, len), e);
}

static void on_thread(void *arg) {
    vault *v = arg;
    v->read_code = read_file(v, &v->read_err);
}

static void go_on_with_credential(vault *v) {
    if (settings_of(v)->auth == VAULT_AUTH_TOKEN) {
        ask_next(v);
    } else {
        log_in(v);
    }
}

static void on_file(void *arg) {
    vault *v = arg;
    if (v->is_given_up) {
        return;
    }
    if (v->read_code != STATUS_OK) {
        fail_rest(v, &v->read_err);
    } else {
        go_on_with_credential(v);
    }
}

static status read_sealed(vault *v, err *e) {
    secret_value value = {0};
    TRY(v->options.credential(v->options.context, &value, e));
    status s = keep_credential(v, secret_slice(&value.bytes), e);
    secret_value_free(&value);
    return s;
}

static void have_credential(vault *v) {
    err e;
    if (v->options.credential == NULL) {
        CHECK(loop_work_start(v->pool, &v->work, on_thread, on_file, v, NULL) == STATUS_OK); // the only one
    } else if (read_sealed(v, &e) != STATUS_OK) {
        e.code = e.code == STATUS_NOT_FOUND ? STATUS_DENIED : e.code; // it says nothing about the secrets
        fail_rest(v, &e);
    } else {
        go_on_with_credential(v);
    }
}

// --- secrets -----------------------------------------------------------------------------------------------

static bool is_same(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_answered_by(const secret_fetch *a, const secret_fetch *b) {
    return strcmp(a->key, b->key) == 0 && is_same(a->version, b->version);
}

static void ask_next(vault *v) {
    char path[PATH_BYTES / 2];
    if (v->token.len == 0) {
        have_credential(v);
        return;
    }
    if (loop_now_ns(v->l) >= v->renew_at_ns) {
        if (settings_of(v)->auth == VAULT_AUTH_TOKEN) {
            renew(v);
        } else {
            forget_token(v);
            have_credential(v);
        }
        return;
    }
    while (v->at < v->batch->count && is_answered(&v->batch->items[v->at])) {
        v->at++;
    }
    if (v->at == v->batch->count) {
        end_batch(v);
        return;
    }
    const secret_fetch *f = &v->batch->items[v->at];
    (void)snprintf(path, sizeof path, "%s/data/%s%s%s",
                   settings_of(v)->mount == NULL ? "secret" : settings_of(v)->mount, f->key,
                   f->version == NULL ? "" : "?version=", f->version == NULL ? "" : f->version);
    request(v, REQUEST_SECRET, path, slice_empty());
}

// --- answers -----------------------------------------------------------------------------------------------

// Items of one key and version are answered together.
static void answer_items(vault *v, status code, const char *message) {
    const secret_fetch first = v->batch->items[v->at];
    slice answer = slice_of(v->answer.data, v->answer_len);
    for (size_t i = v->at; i < v->batch->count; i++) {
        secret_fetch *f = &v->batch->items[i];
        if (!is_answered_by(f, &first)) {
            continue;
        }
        f->code = code == STATUS_OK ? vault_answer_secret(answer, f->field, &f->value, &f->e)
                                    : err_set(&f->e, code, "%s", message);
        if (f->code != STATUS_OK) {
            (void)err_wrap(&f->e, "%s: %s", settings_of(v)->address, f->key);
        }
    }
    drop_call(v);
    ask_next(v);
}

static void on_secret(vault *v, unsigned code) {
    if (code == 200) {
        answer_items(v, STATUS_OK, NULL);
    } else if (code == 404) {
        answer_items(v, STATUS_NOT_FOUND, "there is no such secret or version, or it was deleted");
    } else if (code == 403 && !v->is_fresh) { // the token may have ended
        forget_token(v);
        ask_next(v);
    } else if (code == 403) {
        answer_items(v, STATUS_DENIED,
                     "the server refuses to tell it: the token is not good, or its policies "
                     "do not allow to read it");
    } else if (code == 400 || code == 405) {
        answer_items(v, STATUS_INVALID,
                     "the server does not understand it; is the engine KV, version 2, mounted there?");
    } else {
        answer_items(v, STATUS_IO, "the server gives no secret");
    }
}

// Before two thirds of its time are over.
static void keep_lease(vault *v, uint64_t lease_s) {
    v->renew_at_ns = lease_s == 0 ? UINT64_MAX : loop_now_ns(v->l) + lease_s * 1000000000ull / 3 * 2;
}

static void on_login(vault *v, unsigned code) {
    vault_login login = {0};
    err e;
    if (code != 200) {
        fail_with(v, code == 400 || code == 403 ? STATUS_DENIED : STATUS_IO,
                  "the server refuses the login: role, credential or the mount of the method is wrong");
    } else if (vault_answer_login(slice_of(v->answer.data, v->answer_len), &login, &e) != STATUS_OK) {
        fail_rest(v, &e);
    } else {
        forget_token(v);
        v->token = login.token;
        v->is_fresh = true;
        keep_lease(v, login.lease_s < UINT32_MAX ? login.lease_s : UINT32_MAX);
        drop_call(v);
        ask_next(v);
    }
}

// A token that cannot be renewed is used as long as it is good.
static void on_renewed(vault *v, unsigned code) {
    vault_login login = {0};
    if (code == 200 &&
        vault_answer_login(slice_of(v->answer.data, v->answer_len), &login, NULL) == STATUS_OK) {
        if (login.is_renewable) {
            keep_lease(v, login.lease_s < UINT32_MAX ? login.lease_s : UINT32_MAX);
        }
        secret_free(&login.token);
    }
    drop_call(v);
    ask_next(v);
}

static void on_answer(vault *v) {
    unsigned code = http_call_response(v->call)->status;
    if (code == 503 || code == 429 || code == 472 || code == 473) {
        fail_with(v, STATUS_CLOSED,
                  code == 429 ? "the server has too much to do"
                              : "the server is sealed, or another one is active");
    } else if (code >= 300 && code < 400) {
        fail_with(v, STATUS_IO, "the server sends its clients elsewhere: name that address");
    } else if (code >= 500) {
        fail_with(v, STATUS_IO, "the server has failed");
    } else if (v->kind == REQUEST_LOGIN) {
        on_login(v, code);
    } else if (v->kind == REQUEST_RENEW) {
        on_renewed(v, code);
    } else {
        on_secret(v, code);
    }
}

// False when there is more to come, or the batch has ended.
static bool read_body(vault *v) {
    slice part;
    http_body_state state;
    while ((state = http_call_read(v->call, READ_BYTES, &part)) == HTTP_BODY_DATA) {
        if (part.len > v->answer.len - v->answer_len) {
            fail_with(v, STATUS_INVALID, "the server's answer is too long");
            return false;
        }
        memcpy(v->answer.data + v->answer_len, part.data, part.len);
        v->answer_len += part.len;
    }
    return state == HTTP_BODY_END;
}

static void on_moved(void *arg) {
    vault *v = arg;
    err e;
    if (v->call == NULL) {
        return;
    }
    if (http_call_failure(v->call) != HTTP_FAILURE_NONE) {
        (void)err_set(&e, STATUS_CLOSED, "%s", http_call_failure_text(v->call));
        fail_rest(v, &e);
    } else if (http_call_response(v->call) != NULL && read_body(v)) {
        on_answer(v);
    }
}

// --- the backend -------------------------------------------------------------------------------------------

static void ask_first(void *arg) { ask_next(arg); }

static status attach(secret_backend *b, loop *l, err *e) {
    vault *v = (vault *)b;
    v->l = l;
    loop_soon_init(&v->starting, ask_first, v);
    loop_soon_init(&v->moved, on_moved, v);
    loop_timer_init(&v->deadline, l, on_deadline, v);
    forget_token(v); // its times are of the other loop
    TRY(v->options.connector_new(v->options.context, l, &v->connector, e));
    return loop_work_pool_new(l, 1, 0, &v->pool, e);
}

static void detach(secret_backend *b) {
    vault *v = (vault *)b;
    v->is_given_up = true;
    while (v->pool != NULL && !loop_work_pool_is_idle(v->pool)) {
        loop_turn(v->l, true);
    }
    v->is_given_up = false;
    loop_soon_cancel(&v->starting);
    drop_call(v);
    v->batch = NULL;
    http_client_free(v->client);
    v->client = NULL;
    loop_work_pool_free(v->pool);
    v->pool = NULL;
    v->options.connector_free(v->connector);
    v->connector = NULL;
}

static void fetch(secret_backend *b, secret_batch *batch) {
    vault *v = (vault *)b;
    v->batch = batch;
    v->at = 0;
    v->is_fresh = false;
    loop_soon_add(v->l, &v->starting); // a batch never ends from inside this
}

static void free_vault(secret_backend *b) {
    vault *v = (vault *)b;
    secret_free(&v->token);
    secret_free(&v->credential);
    trust_roots_free(v->roots);
    mem_free(v);
}

status vault_backend_new(const vault_options *o, secret_backend **ret, err *e) {
    static const secret_backend_ops ops = {attach, detach, fetch, free_vault};
    trust_roots *roots = NULL;
    if (o->settings->role != NULL && !is_quotable(slice_from_text(o->settings->role))) {
        return err_set(e, STATUS_INVALID,
                       "the role is not visible characters without quotes and backslashes");
    }
    if (o->settings->is_https) {
        TRY(trust_roots_new(o->settings->ca_file, &roots, e));
    }
    process_wipe_freed();
    vault *v = MEM_NEW(vault);
    v->base.ops = &ops;
    v->options = *o;
    v->roots = roots;
    *ret = &v->base;
    return STATUS_OK;
}
