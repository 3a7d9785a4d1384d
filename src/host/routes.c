// SPDX-License-Identifier: Apache-2.0
// The routes are sorted by how specific they are, so the first that matches is the one.
#include "host/routes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

typedef struct route {
    slice host;    // without "*", so that of a pattern begins with a dot; empty = any
    slice path;    // without a slash at its end; empty = every path
    bool is_below; // a pattern
    uint32_t workload;
} route;

struct routes {
    const host_config *config;
    size_t count;
    route *list;
};

// --- texts -------------------------------------------------------------------------------------------------

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c; }

static bool is_letter_or_digit(uint8_t c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

// Escaping these changes nothing (RFC 3986, section 2.3).
static bool is_unreserved(uint8_t c) {
    return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static int hex_digit(uint8_t c) {
    c = lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum { ESCAPED = 256 }; // added to an octet that only its escape stands for

// The next character of a path: an octet, or ESCAPED and an octet.
static unsigned next_character(slice path, size_t *at) {
    uint8_t c = path.data[(*at)++];
    if (c != '%' || path.len - *at < 2) {
        return c;
    }
    int high = hex_digit(path.data[*at]), low = hex_digit(path.data[*at + 1]);
    if (high < 0 || low < 0) {
        return c;
    }
    *at += 2;
    uint8_t octet = (uint8_t)(high * 16 + low);
    return is_unreserved(octet) ? octet : octet + (unsigned)ESCAPED;
}

// Whether `path` is `prefix` or below it.
static bool path_is_within(slice path, slice prefix) {
    size_t p = 0, q = 0;
    while (q < prefix.len) {
        if (p >= path.len || next_character(path, &p) != next_character(prefix, &q)) {
            return false;
        }
    }
    return p == path.len || path.data[p] == '/' || prefix.len == 0;
}

// An order in which equal paths are equal.
static int compare_paths(slice a, slice b) {
    size_t p = 0, q = 0;
    while (p < a.len && q < b.len) {
        unsigned x = next_character(a, &p), y = next_character(b, &q);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return (p < a.len) - (q < b.len);
}

static int compare_hosts(slice a, slice b) {
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) {
            return lower(a.data[i]) < lower(b.data[i]) ? -1 : 1;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

static size_t path_length(slice path) {
    size_t n = 0;
    for (size_t at = 0; at < path.len; n++) {
        (void)next_character(path, &at);
    }
    return n;
}

static slice without_end(slice text, uint8_t end) {
    return slice_sub(text, 0, text.len - (text.len > 0 && text.data[text.len - 1] == end ? 1 : 0));
}

// The host of "host:port", "[v6]:port", "host."
static slice host_of(slice authority) {
    size_t end = authority.len;
    while (end > 0 && authority.data[end - 1] >= '0' && authority.data[end - 1] <= '9') {
        end--;
    }
    bool has_port = end > 0 && authority.data[end - 1] == ':';
    return without_end(slice_sub(authority, 0, has_port ? end - 1 : authority.len), '.');
}

// --- one route ---------------------------------------------------------------------------------------------

static status refuse(const char *what, const char *text, const char *rule, err *e) {
    return err_set(e, STATUS_INVALID, "\"%.80s\" is no %s of a route: %s", text, what, rule);
}

static bool is_host_character(uint8_t c) { return is_unreserved(c) && c != '~'; }

static status check_name(const char *host, slice name, err *e) {
    if (name.len == 0 || name.len > NETWORK_NAME_BYTES_MAX || name.data[0] == '.') {
        return refuse("host", host, "write api.example.org, *.example.org, or leave it out for any", e);
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!is_host_character(name.data[i]) || (name.data[i] == '.' && i > 0 && name.data[i - 1] == '.')) {
            return refuse("host", host, "a name has letters, digits, '-' and single dots, and no port", e);
        }
    }
    return STATUS_OK;
}

static status check_host(const char *host, err *e) {
    slice text = slice_from_text(host);
    network_address literal;
    if (text.len > 2 && text.data[0] == '[' && text.data[text.len - 1] == ']' &&
        network_address_parse(slice_sub(text, 1, text.len - 1), &literal)) {
        return STATUS_OK;
    }
    return check_name(host, slice_starts_with(text, "*.") ? slice_sub(text, 2, text.len) : text, e);
}

static bool is_path_character(uint8_t c) {
    return is_unreserved(c) || (c != '\0' && strchr("/%!$&'()*+,;=:@", c) != NULL);
}

static bool is_dots(slice segment) {
    return slice_equal_text(segment, ".") || slice_equal_text(segment, "..");
}

static status check_path(const char *path, err *e) {
    slice text = slice_from_text(path);
    if (text.len == 0 || text.len > HOST_ROUTE_BYTES_MAX || text.data[0] != '/') {
        return refuse("path", path, "it begins with '/' and is not longer than 1024 bytes", e);
    }
    for (size_t i = 0, begin = 0; i <= text.len; i++) {
        if (i < text.len && text.data[i] != '/') {
            bool is_escape = text.data[i] != '%' || (text.len - i > 2 && hex_digit(text.data[i + 1]) >= 0 &&
                                                     hex_digit(text.data[i + 2]) >= 0);
            if (!is_path_character(text.data[i]) || !is_escape) {
                return refuse("path", path, "what a path of a URL cannot have is written as %XX", e);
            }
            continue;
        }
        if (is_dots(slice_sub(text, begin, i)) || (i == begin && i > 0 && i < text.len)) {
            return refuse("path", path, "it has no empty segments and none of dots", e);
        }
        begin = i + 1;
    }
    return STATUS_OK;
}

status route_check(const char *host, const char *path, err *e) {
    TRY(host == NULL ? STATUS_OK : check_host(host, e));
    return check_path(path, e);
}

// --- all routes --------------------------------------------------------------------------------------------

static route route_of(const host_route *from, uint32_t workload) {
    slice host = slice_from_text(from->host);
    bool is_below = slice_starts_with(host, "*.");
    return (route){
        .host = without_end(is_below ? slice_sub(host, 1, host.len) : host, '.'),
        .path = without_end(slice_from_text(from->path), '/'),
        .is_below = is_below,
        .workload = workload,
    };
}

static int larger_first(size_t a, size_t b) { return (a < b) - (a > b); }

static size_t host_rank(const route *r) {
    return r->host.len == 0 ? 0 : r->is_below ? r->host.len : (size_t)1 << 16;
}

// The more specific one first; 0 for two that are the same.
static int compare(const void *first, const void *second) {
    const route *a = first, *b = second;
    int order = larger_first(host_rank(a), host_rank(b));
    order = order != 0 ? order : larger_first(path_length(a->path), path_length(b->path));
    order = order != 0 ? order : compare_hosts(a->host, b->host);
    return order != 0 ? order : compare_paths(a->path, b->path);
}

static status refuse_same(const routes *r, const route *a, const route *b, err *e) {
    const workload_config *w = r->config->workloads;
    slice path = a->path.len > 0 ? a->path : slice_from_text("/");
    return err_set(
        e, STATUS_DENIED,
        "the workloads \"%s\" and \"%s\" have the same route (host %s%.*s, path %.*s): a request is "
        "for one of them",
        w[a->workload].name, w[b->workload].name, a->is_below ? "*" : "",
        SLICE_ARG(a->host.len > 0 ? a->host : slice_from_text("any")), SLICE_ARG(path));
}

static status check_different(const routes *r, err *e) {
    for (size_t i = 1; i < r->count; i++) {
        const route *a = &r->list[i - 1], *b = &r->list[i];
        if (a->workload != b->workload && compare(a, b) == 0) {
            return a->workload < b->workload ? refuse_same(r, a, b, e) : refuse_same(r, b, a, e);
        }
    }
    return STATUS_OK;
}

status routes_new(const host_config *c, routes **ret, err *e) {
    routes *r = MEM_NEW(routes);
    r->config = c;
    for (size_t i = 0; i < c->workload_count; i++) {
        r->count += c->workloads[i].route_count;
    }
    r->list = mem_calloc(r->count + 1, sizeof r->list[0]);
    route *next = r->list;
    for (uint32_t i = 0; i < c->workload_count; i++) {
        for (size_t j = 0; j < c->workloads[i].route_count; j++) {
            *next++ = route_of(&c->workloads[i].routes[j], i);
        }
    }
    qsort(r->list, r->count, sizeof r->list[0], compare);
    status s = check_different(r, e);
    if (s != STATUS_OK) {
        routes_free(r);
        return s;
    }
    *ret = r;
    return STATUS_OK;
}

void routes_free(routes *r) {
    if (r != NULL) {
        mem_free(r->list);
        mem_free(r);
    }
}

size_t routes_count(const routes *r) { return r->count; }

static bool host_matches(const route *r, slice host) {
    if (!r->is_below) {
        return r->host.len == 0 || slice_equal_nocase(r->host, host);
    }
    return host.len > r->host.len &&
           slice_equal_nocase(r->host, slice_sub(host, host.len - r->host.len, host.len));
}

uint32_t routes_find(const routes *r, slice authority, slice path) {
    slice host = host_of(authority);
    path = slice_sub(path, 0, slice_find(path, 0, '?'));
    for (size_t i = 0; i < r->count; i++) {
        if (host_matches(&r->list[i], host) && path_is_within(path, r->list[i].path)) {
            return r->list[i].workload;
        }
    }
    return ROUTES_NONE;
}
