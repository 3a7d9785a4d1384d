// SPDX-License-Identifier: Apache-2.0
// Requests in: llhttp finds the parts, this file keeps them as slices of the input buffer and decides whether
// the request is one that we serve. The parser's callbacks only record; handlers run after it has returned.
//
// A head must lie in one piece. When its buffer is full it is moved or enlarged, and parsed again from its
// start, which spares us from moving recorded slices; the size doubles, so the work stays linear.
#include "base/check.h"
#include "base/mem.h"
#include "net/http_server_internal.h"

static http_exchange *exchange_of(llhttp_t *p) { return ((http_connection *)p->data)->x; }

static int refuse(llhttp_t *p, uint16_t status_code) {
    exchange_of(p)->refusal = status_code;
    return HPE_USER;
}

// A span may come in several calls, when it was received in several; the pieces are neighbours.
static void extend(slice *s, const char *at, size_t len) {
    if (s->len == 0) {
        s->data = (const uint8_t *)at;
    }
    s->len += len;
}

static int on_method(llhttp_t *p, const char *at, size_t len) {
    extend(&exchange_of(p)->method, at, len);
    return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t len) {
    http_exchange *x = exchange_of(p);
    extend(&x->target, at, len);
    return x->target.len > x->c->server->options.target_bytes_max ? refuse(p, 414) : 0;
}

static bool grow_fields(http_exchange *x, uint32_t max) {
    if (x->field_count >= max) {
        return false;
    }
    if (x->field_count == x->field_capacity) {
        uint32_t capacity = x->field_capacity * 2;
        http_header *fields = mem_calloc(capacity, sizeof *fields);
        memcpy(fields, x->fields, x->field_count * sizeof *fields);
        if (x->fields != x->inline_fields) {
            mem_free(x->fields);
        }
        x->fields = fields;
        x->field_capacity = capacity;
    }
    return true;
}

// Trailers are copied, since the buffer of the body does not stay: all text in one buffer, and where each
// part ends.
static int add_trailer_text(llhttp_t *p, bool is_value, const char *at, size_t len) {
    http_exchange *x = exchange_of(p);
    const http_server_options *o = &x->c->server->options;
    if (x->trailer_ends == NULL) {
        x->trailer_ends = mem_calloc(o->header_count_max, 2 * sizeof *x->trailer_ends);
        buf_init(&x->trailer_text, o->header_bytes_max);
        x->is_in_value = true;
    }
    if (!is_value && x->is_in_value) {
        if (x->trailer_count >= o->header_count_max) {
            return refuse(p, 431);
        }
        x->trailer_count++;
    }
    x->is_in_value = is_value;
    if (buf_append(&x->trailer_text, slice_of(at, len)) != STATUS_OK) {
        return refuse(p, 431);
    }
    uint32_t *ends = &x->trailer_ends[(x->trailer_count - 1) * 2];
    ends[1] = (uint32_t)x->trailer_text.len;
    if (!is_value) {
        ends[0] = ends[1];
    }
    return 0;
}

static int on_header_field(llhttp_t *p, const char *at, size_t len) {
    http_exchange *x = exchange_of(p);
    if (x->head_done) {
        return add_trailer_text(p, false, at, len);
    }
    const http_server_options *o = &x->c->server->options;
    if (x->is_in_value || x->field_count == 0) {
        if (!grow_fields(x, o->header_count_max)) {
            return refuse(p, 431);
        }
        x->fields[x->field_count++] = (http_header){slice_empty(), slice_empty()};
        x->is_in_value = false;
    }
    extend(&x->fields[x->field_count - 1].name, at, len);
    x->field_bytes += (uint32_t)len;
    return x->field_bytes > o->header_bytes_max ? refuse(p, 431) : 0;
}

static int on_header_value(llhttp_t *p, const char *at, size_t len) {
    http_exchange *x = exchange_of(p);
    if (x->head_done) {
        return add_trailer_text(p, true, at, len);
    }
    x->is_in_value = true;
    extend(&x->fields[x->field_count - 1].value, at, len);
    x->field_bytes += (uint32_t)len;
    return x->field_bytes > x->c->server->options.header_bytes_max ? refuse(p, 431) : 0;
}

// RFC 9112 section 3.2: origin form, absolute form, and the asterisk of OPTIONS. Returns the status of a
// refusal.
static uint16_t take_target(http_exchange *x) {
    http_request *r = &x->request;
    slice target = x->target;
    r->scheme = slice_empty();
    if (slice_equal_text(target, "*")) {
        r->path_with_query = target;
        return slice_equal_text(x->method, "OPTIONS") ? 0 : 400;
    }
    if (target.len > 0 && target.data[0] != '/') {
        size_t scheme_end = slice_find(target, 0, ':');
        slice scheme = slice_sub(target, 0, scheme_end);
        bool is_http = slice_equal_nocase(scheme, slice_from_text("http")) ||
                       slice_equal_nocase(scheme, slice_from_text("https"));
        slice rest = slice_sub(target, scheme_end == SIZE_MAX ? target.len : scheme_end, target.len);
        if (!is_http || !slice_starts_with(rest, "://")) {
            return 400;
        }
        rest = slice_sub(rest, 3, rest.len);
        size_t end = 0;
        while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?') {
            end++;
        }
        r->scheme = scheme;
        r->authority = slice_sub(rest, 0, end); // replaces the Host field: section 3.2.2
        target = slice_sub(rest, end, rest.len);
        if (target.len == 0) {
            target = slice_from_text("/");
        }
        if (!http_authority_is_valid(r->authority)) {
            return 400;
        }
    }
    r->path_with_query = target;
    return http_path_is_valid(target) && target.data[0] == '/' ? 0 : 400;
}

// Looks at the fields that concern the connection. Returns the status of a refusal.
static uint16_t take_fields(http_exchange *x) {
    http_request *r = &x->request;
    int hosts = 0;
    int codings = 0;
    for (uint32_t i = 0; i < x->field_count; i++) {
        http_header *h = &x->fields[i];
        h->value = http_trim(h->value);
        switch (h->name.len) { // most fields are passed by after this
        case 4:
            if (slice_equal_nocase(h->name, slice_from_text("host"))) {
                hosts++;
                r->authority = h->value;
            }
            break;
        case 6:
            if (slice_equal_nocase(h->name, slice_from_text("expect")) && r->minor_version >= 1) {
                if (!slice_equal_nocase(h->value, slice_from_text("100-continue"))) {
                    return 417;
                }
                x->expects_continue = true;
            }
            break;
        case 17:
            if (slice_equal_nocase(h->name, slice_from_text("transfer-encoding"))) {
                codings++;
                if (!slice_equal_nocase(h->value, slice_from_text("chunked"))) {
                    return 501; // RFC 9112 section 6.1
                }
            }
            break;
        default:
            break;
        }
    }
    if (hosts > 1 || (hosts == 0 && r->minor_version >= 1) ||
        (hosts == 1 && !http_authority_is_valid(r->authority))) {
        return 400;
    }
    if (codings > 1 || (codings == 1 && r->minor_version == 0)) {
        return 400;
    }
    return 0;
}

static uint16_t take_head(llhttp_t *p, http_exchange *x) {
    http_request *r = &x->request;
    *r = (http_request){.method = x->method, .minor_version = p->http_minor};
    if (p->http_major != 1 || p->http_minor > 1) {
        return 505;
    }
    if (p->method == HTTP_CONNECT || p->method == HTTP_PRI) {
        return 501; // tunnels are not offered
    }
    uint16_t refusal = take_fields(x);
    refusal = refusal != 0 ? refusal : take_target(x);
    if (refusal != 0) {
        return refusal;
    }
    bool is_chunked = (p->flags & F_CHUNKED) != 0;
    if (!is_chunked && p->content_length > (uint64_t)INT64_MAX) {
        return 400;
    }
    if (!is_chunked && p->content_length > x->c->server->options.body_bytes_max) {
        return 413;
    }
    r->headers = x->fields;
    r->header_count = x->field_count;
    r->content_length = is_chunked ? -1 : (int64_t)p->content_length;
    r->has_body = is_chunked || p->content_length > 0;
    return 0;
}

static int on_headers_complete(llhttp_t *p) {
    http_exchange *x = exchange_of(p);
    uint16_t refusal = take_head(p, x);
    if (refusal != 0) {
        return refuse(p, refusal);
    }
    x->is_head_request = p->method == HTTP_HEAD;
    x->closes = !llhttp_should_keep_alive(p);
    x->expects_continue = x->expects_continue && x->request.has_body;
    x->head_done = true;
    p->upgrade = 0; // an offer to change the protocol may be ignored: RFC 9110 section 7.8
    return 0;
}

// Chunks are joined in place, so that the reader sees one run of bytes.
static int on_body(llhttp_t *p, const char *at, size_t len) {
    http_exchange *x = exchange_of(p);
    x->body_total += len;
    if (x->body_total > x->c->server->options.body_bytes_max) {
        return refuse(p, 413);
    }
    uint8_t *from = x->in + ((const uint8_t *)at - x->in);
    if (x->body_len == 0) {
        x->body = from;
    } else if (x->body + x->body_len != from) {
        memmove(x->body + x->body_len, from, len);
    }
    x->body_len += len;
    return 0;
}

static int on_chunk_extension(llhttp_t *p, const char *at, size_t len) {
    (void)at;
    http_exchange *x = exchange_of(p);
    x->field_bytes += (uint32_t)len; // nobody needs them: they share the bound of the header fields
    return x->field_bytes > x->c->server->options.header_bytes_max ? refuse(p, 400) : 0;
}

static slice trailer_part(const http_exchange *x, uint32_t i) {
    size_t from = i == 0 ? 0 : x->trailer_ends[i - 1];
    return slice_of(x->trailer_text.data + from, x->trailer_ends[i] - from);
}

static int on_message_complete(llhttp_t *p) {
    http_exchange *x = exchange_of(p);
    x->message_done = true;
    if (x->trailer_count > 0) {
        x->trailers = mem_calloc(x->trailer_count, sizeof *x->trailers);
        for (uint32_t i = 0; i < x->trailer_count; i++) {
            x->trailers[i].name = trailer_part(x, 2 * i);
            x->trailers[i].value = http_trim(trailer_part(x, 2 * i + 1));
        }
    }
    return HPE_PAUSED; // what follows belongs to the next request
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_message_complete = on_message_complete,
};

void http_exchange_reset(http_exchange *x) {
    if (x->trailer_ends != NULL) {
        buf_done(&x->trailer_text);
        mem_free(x->trailer_ends);
        mem_free(x->trailers);
        x->trailer_ends = NULL;
        x->trailers = NULL;
    }
    x->trailer_count = 0;
    x->ops = NULL;
    x->arg = NULL;
    x->field_count = x->field_bytes = 0;
    x->is_in_value = false;
    x->method = x->target = slice_empty();
    x->refusal = 0;
    x->expects_continue = x->head_done = x->message_done = false;
    x->body = NULL;
    x->body_len = 0;
    x->body_total = x->left = x->drained = 0;
    x->is_head_request = x->is_started = x->is_ended = x->closes = false;
    x->is_dispatched = x->is_released = x->is_aborted = x->wants_read = x->wants_write = false;
}

void http_parse_begin(http_connection *c) {
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
}

static uint16_t refusal_for(const llhttp_t *p, llhttp_errno_t error) {
    if (error == HPE_INVALID_METHOD) {
        return 501;
    }
    bool is_other_version = p->http_major > 1 || (p->http_major == 1 && p->http_minor > 1);
    return error == HPE_INVALID_VERSION && is_other_version ? 505 : 400;
}

bool http_parse(http_connection *c) {
    http_exchange *x = c->x;
    const char *from = (const char *)x->in + x->in_parsed;
    llhttp_errno_t error = llhttp_execute(&c->parser, from, x->in_len - x->in_parsed);
    if (error == HPE_OK) {
        x->in_parsed = x->in_len;
        return true;
    }
    if (error == HPE_PAUSED && x->message_done) {
        x->in_parsed = (size_t)((const uint8_t *)llhttp_get_error_pos(&c->parser) - x->in);
        CHECK(x->in_parsed <= x->in_len);
        return true;
    }
    x->in_parsed = x->in_len;
    x->refusal = x->refusal != 0 ? x->refusal : refusal_for(&c->parser, error);
    return false;
}
