// SPDX-License-Identifier: Apache-2.0
// A lookup lives until the resolver's thread is done with it. Its user is told earlier when the deadline
// passes.
#include "loop/resolve.h"

#include <netdb.h>

#include "base/mem.h"
#include "loop/loop_internal.h"

struct loop_resolve {
    uv_getaddrinfo_t request; // first, so that libuv's pointer is ours
    loop *l;
    loop_resolve_callback fn; // NULL once the user was told or gave up
    void *arg;
    loop_timer deadline;
    char name[LOOP_RESOLVE_NAME_BYTES_MAX + 1];
};

static void tell(loop_resolve *r, status result, const loop_address *addresses, size_t count, const err *e) {
    loop_resolve_callback fn = r->fn;
    loop_timer_stop(&r->deadline);
    r->fn = NULL;
    if (fn != NULL) {
        fn(r->arg, result, addresses, count, e);
    }
}

static size_t copy_addresses(const struct addrinfo *found, loop_address out[LOOP_RESOLVE_ADDRESSES_MAX]) {
    size_t count = 0;
    for (; found != NULL && count < LOOP_RESOLVE_ADDRESSES_MAX; found = found->ai_next) {
        if (found->ai_family == AF_INET && found->ai_addrlen >= sizeof out[0].v4) {
            memcpy(&out[count++].v4, found->ai_addr, sizeof out[0].v4);
        } else if (found->ai_family == AF_INET6 && found->ai_addrlen >= sizeof out[0].v6) {
            memcpy(&out[count++].v6, found->ai_addr, sizeof out[0].v6);
        }
    }
    return count;
}

static void on_found(uv_getaddrinfo_t *request, int failed, struct addrinfo *found) {
    loop_resolve *r = (loop_resolve *)request;
    r->l->lookups_in_flight--;
    err e = {0};
    loop_address addresses[LOOP_RESOLVE_ADDRESSES_MAX];
    size_t count = failed == 0 ? copy_addresses(found, addresses) : 0;
    if (count > 0) {
        tell(r, STATUS_OK, addresses, count, NULL);
    } else if (failed == 0 || failed == UV_EAI_NONAME || failed == UV_EAI_NODATA) {
        err_set(&e, STATUS_NOT_FOUND, "the name \"%s\" has no address", r->name);
        tell(r, STATUS_NOT_FOUND, NULL, 0, &e);
    } else {
        err_set(&e, STATUS_IO, "look up \"%s\": %s", r->name, uv_strerror(failed));
        tell(r, STATUS_IO, NULL, 0, &e);
    }
    uv_freeaddrinfo(found);
    mem_free(r);
}

static void on_late(void *arg) {
    loop_resolve *r = arg;
    err e = {0};
    err_set(&e, STATUS_TIMEOUT, "look up \"%s\": the resolver did not answer in time", r->name);
    uv_cancel((uv_req_t *)&r->request); // frees its place when it has not begun; else it runs to its end
    tell(r, STATUS_TIMEOUT, NULL, 0, &e);
}

status loop_resolve_start(loop *l, slice name, uint64_t deadline_ns, loop_resolve_callback fn, void *arg,
                          loop_resolve **ret, err *e) {
    if (name.len == 0 || name.len > LOOP_RESOLVE_NAME_BYTES_MAX || memchr(name.data, 0, name.len) != NULL) {
        return err_set(e, STATUS_INVALID, "a host name has 1 to %d bytes, none of them zero",
                       LOOP_RESOLVE_NAME_BYTES_MAX);
    }
    if (l->lookups_in_flight >= LOOP_RESOLVE_IN_FLIGHT_MAX) {
        return err_set(e, STATUS_LIMIT, "too many name lookups at one time (%d)", LOOP_RESOLVE_IN_FLIGHT_MAX);
    }
    loop_resolve *r = MEM_NEW(loop_resolve);
    r->l = l;
    r->fn = fn;
    r->arg = arg;
    memcpy(r->name, name.data, name.len);
    loop_timer_init(&r->deadline, l, on_late, r);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    int failed = uv_getaddrinfo(&l->uv, &r->request, on_found, r->name, NULL, &hints);
    if (failed != 0) {
        status code = err_set(e, STATUS_IO, "look up \"%s\": %s", r->name, uv_strerror(failed));
        mem_free(r);
        return code;
    }
    l->lookups_in_flight++;
    loop_timer_start_at(&r->deadline, deadline_ns);
    *ret = r;
    return STATUS_OK;
}

void loop_resolve_cancel(loop_resolve *r) {
    loop_timer_stop(&r->deadline);
    r->fn = NULL;
    uv_cancel((uv_req_t *)&r->request);
}
