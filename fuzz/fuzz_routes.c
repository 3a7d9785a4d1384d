// SPDX-License-Identifier: Apache-2.0
// Any request against any route: lines with the host and the path of a route, and those of a request. What
// can be a route matches itself, and two workloads cannot both have it.
//
// links: host
#include "base/check.h"
#include "base/mem.h"
#include "fuzz.h"
#include "host/routes.h"

enum { LINES = 4, TEXT_BYTES_MAX = 4096 };

static bool split(slice input, char lines[LINES][TEXT_BYTES_MAX]) {
    for (size_t i = 0, at = 0; i < LINES; i++) {
        size_t end = slice_find(input, at, '\n');
        slice line = slice_sub(input, at, end);
        if (line.len >= TEXT_BYTES_MAX) {
            return false;
        }
        memcpy(lines[i], line.len > 0 ? line.data : (const uint8_t *)"", line.len);
        lines[i][line.len] = '\0';
        at = end < input.len ? end + 1 : input.len;
    }
    return true;
}

static void add(host_config *c, const char *name, const char *host, const char *path) {
    workload_config *w;
    CHECK(host_config_add_workload(c, &w, NULL) == STATUS_OK);
    w->name = mem_text_dup(name);
    CHECK(workload_config_add_route(w, host, path, NULL) == STATUS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char lines[LINES][TEXT_BYTES_MAX];
    if (!split(slice_of(data, size), lines)) {
        return 0;
    }
    const char *host = lines[0][0] == '\0' ? NULL : lines[0], *path = lines[1];
    host_config c;
    routes *r;
    host_config_init(&c);
    bool is_route = route_check(host, path, NULL) == STATUS_OK;
    add(&c, "all", NULL, "/");
    if (is_route) {
        add(&c, "one", host, path);
    }
    bool is_all = is_route && host == NULL && strcmp(path, "/") == 0;
    CHECK((routes_new(&c, &r, NULL) == STATUS_OK) == !is_all);
    if (!is_all) {
        uint32_t found = routes_find(r, slice_from_text(lines[2]), slice_from_text(lines[3]));
        CHECK(found < c.workload_count);
        if (is_route && (host == NULL || host[0] != '*')) {
            CHECK(routes_find(r, slice_from_text(host), slice_from_text(path)) == 1);
        }
        routes_free(r);
    }
    if (is_route) {
        add(&c, "two", host, path);
        CHECK(routes_new(&c, &r, NULL) == STATUS_DENIED);
    }
    host_config_done(&c);
    return 0;
}
