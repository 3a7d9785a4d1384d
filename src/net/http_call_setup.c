// SPDX-License-Identifier: Apache-2.0
// A request as libcurl wants it. Everything that libcurl would do on its own account is switched off here:
// proxies, names, cookies, redirects, decoding, retries with other protocols.
#include "base/mem.h"
#include "crypto/trust_roots.h"
#include "net/http_client_internal.h"

#include <stdio.h>

#define SET(option, value) curl_easy_setopt(call->easy, option, value)

// "host", "host:port", "[v6]:port" into its parts; the authority was checked.
static bool split_authority(http_call *call, slice authority, bool is_https) {
    size_t host_end = 0;
    size_t port_at = SIZE_MAX;
    slice host = slice_empty();
    if (authority.data[0] == '[') {
        host_end = slice_find(authority, 0, ']');
        host = slice_sub(authority, 1, host_end);
        port_at = host_end + 2;
    } else {
        host_end = slice_find(authority, 0, ':');
        host = slice_sub(authority, 0, host_end);
        port_at = host_end == SIZE_MAX ? SIZE_MAX : host_end + 1;
    }
    slice port = port_at >= authority.len ? slice_empty() : slice_sub(authority, port_at, authority.len);
    uint64_t number = is_https ? 443 : 80;
    if (port.len > 0 && (!slice_to_u64(port, &number) || number == 0 || number > 65535)) {
        return false;
    }
    if (host.len == 0 || host.len > CONNECT_HOST_BYTES_MAX || slice_find(host, 0, '%') != SIZE_MAX) {
        return false;
    }
    memcpy(call->host, host.data, host.len);
    call->host[host.len] = '\0';
    call->port = (uint16_t)number;
    return true;
}

// libcurl gets an address in place of the name, so that it looks nothing up: out of a block that is never
// routed (RFC 1112 section 4), different for different hosts, since libcurl counts connections by it. It is
// not connected to.
static status pin_address(http_call *call, err *e) {
    uint32_t hash = 2166136261u; // FNV-1a: nothing but the accounting depends on it
    for (const char *c = call->host; *c != '\0'; c++) {
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    }
    char text[64];
    snprintf(text, sizeof text, "::%u.%u.%u.%u:%u", 240 + (hash >> 24 & 7), hash >> 16 & 255, hash >> 8 & 255,
             hash & 255, call->port);
    call->connect_to = curl_slist_append(NULL, text);
    if (call->connect_to == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory for a request");
    }
    SET(CURLOPT_CONNECT_TO, call->connect_to);
    return STATUS_OK;
}

static bool is_left_out(slice name) { // libcurl writes these
    static const char *const names[] = {"host",       "content-length",   "transfer-encoding", "connection",
                                        "keep-alive", "proxy-connection", "upgrade",           "te",
                                        "expect",     "http2-settings"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal_nocase(name, slice_from_text(names[i]))) {
            return true;
        }
    }
    return false;
}

static bool add_line(http_call *call, const char *line) {
    struct curl_slist *longer = curl_slist_append(call->fields, line);
    call->fields = longer != NULL ? longer : call->fields;
    return longer != NULL;
}

static status set_fields(http_call *call, const http_call_request *r, err *e) {
    bool has_accept = false;
    bool ok = true;
    auto_buf line;
    buf_init(&line, HTTP_CALL_TEXT_BYTES_MAX);
    for (size_t i = 0; i < r->header_count && ok; i++) {
        const http_header *h = &r->headers[i];
        if (!http_token_is_valid(h->name) || !http_value_is_valid(h->value)) {
            return err_set(e, STATUS_INVALID, "a header field of the request is malformed");
        }
        if (is_left_out(h->name)) {
            continue;
        }
        has_accept = has_accept || slice_equal_nocase(h->name, slice_from_text("accept"));
        buf_clear(&line);
        // The form "name;" is libcurl's for a field without value.
        status written = h->value.len == 0 ? buf_append_format(&line, "%.*s;", SLICE_ARG(h->name))
                                           : buf_append_format(&line, "%.*s: %.*s", SLICE_ARG(h->name),
                                                               SLICE_ARG(h->value));
        const char *text = written == STATUS_OK ? buf_text(&line) : NULL;
        ok = text != NULL && add_line(call, text);
    }
    bool needs_length =
        !r->has_body && (slice_equal_text(r->method, "POST") || slice_equal_text(r->method, "PUT") ||
                         slice_equal_text(r->method, "PATCH"));
    ok = ok && (has_accept || add_line(call, "Accept:")); // libcurl's own additions: none
    ok = ok && add_line(call, "Expect:");
    ok = ok && (!needs_length || add_line(call, "Content-Length: 0"));
    if (!ok) {
        return err_set(e, STATUS_LIMIT, "no memory for the header fields of a request");
    }
    SET(CURLOPT_HTTPHEADER, call->fields);
    return STATUS_OK;
}

static bool is_encrypted(const http_call *call, const http_call_request *r) {
    return r->is_https && !call->client->options.is_relayed;
}

// The target exactly as given: libcurl shall not tidy it up.
static status write_path(const http_call *call, const http_call_request *r, buf *text) {
    const char *slash = r->path_with_query.len == 0 || r->path_with_query.data[0] != '/' ? "/" : "";
    if (call->client->options.is_relayed) {
        TRY(buf_append_format(text, "%s://%.*s", r->is_https ? "https" : "http", SLICE_ARG(r->authority)));
    }
    return buf_append_format(text, "%s%.*s", slash, SLICE_ARG(r->path_with_query));
}

static status set_target(http_call *call, const http_call_request *r, err *e) {
    if (!http_token_is_valid(r->method) || !http_authority_is_valid(r->authority) ||
        !split_authority(call, r->authority, r->is_https)) {
        return err_set(e, STATUS_INVALID, "the request has no valid method and authority");
    }
    if (r->path_with_query.len > 0 && !http_path_is_valid(r->path_with_query)) {
        return err_set(e, STATUS_INVALID, "the request has no valid path");
    }
    auto_buf text;
    buf_init(&text, HTTP_CALL_TEXT_BYTES_MAX);
    if (buf_append_format(&text, "%s://%.*s/", is_encrypted(call, r) ? "https" : "http",
                          SLICE_ARG(r->authority)) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the request's address is too long");
    }
    SET(CURLOPT_URL, buf_text(&text));
    buf_clear(&text);
    if (write_path(call, r, &text) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the request's address is too long");
    }
    SET(CURLOPT_REQUEST_TARGET, buf_text(&text));
    return pin_address(call, e);
}

static bool announces_trailers(const http_call_request *r) {
    for (size_t i = 0; i < r->header_count; i++) {
        if (slice_equal_nocase(r->headers[i].name, slice_from_text("trailer"))) {
            return true;
        }
    }
    return false;
}

// libcurl (7.88 at least) remembers in the handle that trailers were sent, also when it repeats a request
// whose kept connection turned out to be closed, and when the handle is used again. A chunk that is sent then
// is written in front of its buffer. So trailers are only sent by requests that announce them, and those get
// a connection and a handle of their own.
static void set_trailers(http_call *call, const http_call_request *r) {
    if (r->content_length < 0 && announces_trailers(r)) {
        call->sends_trailers = true;
        SET(CURLOPT_TRAILERFUNCTION, http_call_read_trailers);
        SET(CURLOPT_TRAILERDATA, call);
        SET(CURLOPT_FRESH_CONNECT, 1L);
    }
}

static void set_method(http_call *call, const http_call_request *r) {
    char method[64];
    snprintf(method, sizeof method, "%.*s", SLICE_ARG(r->method));
    call->has_body = r->has_body;
    if (slice_equal_text(r->method, "HEAD") && !r->has_body) {
        SET(CURLOPT_NOBODY, 1L);
    } else if (r->has_body) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->content_length);
        SET(CURLOPT_READFUNCTION, http_call_read_body);
        SET(CURLOPT_READDATA, call);
        SET(CURLOPT_UPLOAD_BUFFERSIZE, 32 * 1024L);
        set_trailers(call, r);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, method);
}

static CURLcode trust(CURL *easy, void *ssl_context, void *arg) {
    (void)easy;
    http_client *c = arg;
    return c->options.roots != NULL && trust_roots_apply(c->options.roots, ssl_context, NULL) == STATUS_OK
               ? CURLE_OK
               : CURLE_SSL_CACERT_BADFILE;
}

static void set_tls(http_call *call) {
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_CAINFO, NULL); // no files: the roots were read before the process gave them up
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_SSL_CTX_FUNCTION, trust);
    SET(CURLOPT_SSL_CTX_DATA, call->client);
}

static void set_common(http_call *call, bool is_https) {
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_HTTP_VERSION, is_https ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PIPEWAIT, is_https ? 1L : 0L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, 24L * 3600 * 1000); // the deadlines are ours
    SET(CURLOPT_OPENSOCKETFUNCTION, http_call_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, call);
    SET(CURLOPT_SOCKOPTFUNCTION, http_call_socket_opened);
    SET(CURLOPT_SOCKOPTDATA, call);
    SET(CURLOPT_UNIX_SOCKET_PATH, call->client->options.socket_path);
    SET(CURLOPT_CLOSESOCKETFUNCTION, http_client_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, call->client);
    SET(CURLOPT_PREREQFUNCTION, http_call_connected);
    SET(CURLOPT_PREREQDATA, call);
    SET(CURLOPT_HEADERFUNCTION, http_call_on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEFUNCTION, http_call_on_body);
    SET(CURLOPT_WRITEDATA, call);
}

status http_call_set_up(http_call *call, const http_call_request *r, err *e) {
    const http_client_options *o = &call->client->options;
    TRY(set_target(call, r, e));
    if (r->method.len > 63) {
        return err_set(e, STATUS_INVALID, "the request's method is too long");
    }
    set_common(call, is_encrypted(call, r));
    if (is_encrypted(call, r)) {
        set_tls(call);
    }
    set_method(call, r);
    TRY(set_fields(call, r, e));
    uint64_t connect_ns = r->connect_ns != 0 ? r->connect_ns : o->connect_ns;
    uint64_t now = loop_now_ns(call->client->l);
    call->connect_deadline_ns = connect_ns > UINT64_MAX - now ? UINT64_MAX : now + connect_ns;
    call->first_byte_ns = r->first_byte_ns != 0 ? r->first_byte_ns : o->first_byte_ns;
    call->between_bytes_ns = r->between_bytes_ns != 0 ? r->between_bytes_ns : o->between_bytes_ns;
    return STATUS_OK;
}
