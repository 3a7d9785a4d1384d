// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

// Sets of ASCII characters, a bit for each.
typedef struct char_set {
    uint64_t bits[2];
} char_set;

static const char_set token_chars = {{0x03ff6cfa00000000, 0x57ffffffc7fffffe}}; // RFC 9110 tchar
static const char_set host_chars = {
    {0x2fff7ff200000000, 0x47fffffeaffffffe}}; // RFC 3986 reg-name, IP-literal, port
static const char_set path_chars = {{0xfffffff600000000, 0x7fffffffffffffff}}; // visible ASCII except '#'

static bool all_in(slice s, const char_set *set) {
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c >= 0x80 || (set->bits[c >> 6] >> (c & 63) & 1) == 0) {
            return false;
        }
    }
    return true;
}

bool http_token_is_valid(slice token) { return token.len > 0 && all_in(token, &token_chars); }

bool http_value_is_valid(slice value) {
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return http_trim(value).len == value.len;
}

static bool port_is_valid(slice port) {
    uint64_t number = 0;
    return port.len == 0 || (port.len <= 5 && slice_to_u64(port, &number) && number <= 65535);
}

bool http_authority_is_valid(slice authority) {
    if (authority.len == 0 || !all_in(authority, &host_chars)) {
        return false;
    }
    size_t host_end = 0;
    if (authority.data[0] == '[') {
        host_end = slice_find(authority, 0, ']');
        if (host_end == SIZE_MAX) {
            return false;
        }
        host_end++;
        slice inside = slice_sub(authority, 1, host_end - 1);
        if (inside.len == 0 || slice_find(inside, 0, '[') != SIZE_MAX) {
            return false;
        }
    } else {
        host_end = slice_find(authority, 0, ':');
        host_end = host_end == SIZE_MAX ? authority.len : host_end;
        slice host = slice_sub(authority, 0, host_end);
        if (host.len == 0 || slice_find(host, 0, '[') != SIZE_MAX || slice_find(host, 0, ']') != SIZE_MAX) {
            return false;
        }
    }
    return host_end == authority.len || (authority.data[host_end] == ':' &&
                                         port_is_valid(slice_sub(authority, host_end + 1, authority.len)));
}

bool http_path_is_valid(slice path) {
    return path.len > 0 && (path.data[0] == '/' || path.data[0] == '?') && all_in(path, &path_chars);
}

typedef struct reason {
    uint16_t status;
    const char *text;
} reason;

static const reason reasons[] = {
    // RFC 9110 section 15 and the IANA registry; sorted
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

const char *http_reason(unsigned status) {
    size_t low = 0;
    size_t high = sizeof reasons / sizeof reasons[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (reasons[middle].status == status) {
            return reasons[middle].text;
        }
        if (reasons[middle].status < status) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return "";
}

bool http_status_has_no_body(unsigned status) { return status < 200 || status == 204 || status == 304; }

const http_header *http_header_find(const http_header *headers, size_t count, const char *name) {
    slice wanted = slice_from_text(name);
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_nocase(headers[i].name, wanted)) {
            return &headers[i];
        }
    }
    return NULL;
}

bool http_field_is_transport(slice name) {
    static const char *const names[] = {"connection",
                                        "keep-alive",
                                        "proxy-connection",
                                        "proxy-authenticate",
                                        "proxy-authorization",
                                        "te",
                                        "transfer-encoding",
                                        "upgrade",
                                        "host",
                                        "expect",
                                        "http2-settings"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (name.len > 0 && (name.data[0] | 0x20) == names[i][0] &&
            slice_equal_nocase(name, slice_from_text(names[i]))) {
            return true;
        }
    }
    return false;
}

slice http_trim(slice value) {
    while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value.data++;
        value.len--;
    }
    while (value.len > 0 && (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t')) {
        value.len--;
    }
    return value;
}
