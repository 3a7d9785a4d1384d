// SPDX-License-Identifier: Apache-2.0
// One attempt: check the name -> look it up -> check each address -> try the allowed ones, the next beginning
// when one has failed or has not answered for HEAD_START (RFC 8305 in small: addresses of both families
// alternate). The first that connects wins.
#include "host/local_connector.h"

#include <errno.h>
#include <stdio.h>

#include "base/list.h"
#include "base/mem.h"
#include "os/fd.h"
#include "os/socket.h"
#include "os/socket_open.h"

#define HEAD_START_NS 250000000ull
enum { TRIES_MAX = 8 }; // sockets of one attempt at one time

typedef struct local_connector local_connector;
typedef struct local_part local_part;
typedef struct attempt attempt;

typedef struct connect_try { // one address
    attempt *attempt;
    int fd; // -1 = none
    size_t address;
    loop_watch watch;
} connect_try;

struct attempt {
    list_node node;
    local_connector *local;
    local_part *part;
    uint64_t id;
    connect_request wanted;
    char host[CONNECT_HOST_BYTES_MAX];
    connect_callback done;
    void *arg;
    loop_soon soon; // begins it, and answers it: never from inside connector_request
    loop_timer deadline;
    loop_timer next_try;
    loop_resolve *lookup;
    loop_address addresses[LOOP_RESOLVE_ADDRESSES_MAX]; // allowed ones, with ports
    size_t address_count;
    size_t next_address;
    connect_try tries[TRIES_MAX];
    int os_error;
};

// A name that a guest looked up itself: sockets are connected by address, so the address stands for the name.
typedef struct pin {
    loop_address address; // without a port
    char host[CONNECT_HOST_BYTES_MAX];
    uint8_t host_bytes; // 0 = free
    uint64_t expires_ns;
} pin;

enum { PINS_MAX = 128 }; // the oldest goes first
#define PIN_NS (10 * 60 * 1000000000ull)

// What one workload has of it: none can use up what another needs.
struct local_part {
    const workload_config *config; // NULL = it may go anywhere
    pin pins[PINS_MAX];
    size_t next_pin;
    uint32_t count; // of attempts
};

struct local_connector {
    connector base;
    loop *loop;
    uint32_t part_count;
    uint32_t share; // attempts of one workload
    list_node attempts;
    uint64_t last_id;
    local_part parts[]; // by number of the workload
};

static void attempt_free(attempt *a) {
    loop_soon_cancel(&a->soon);
    loop_timer_stop(&a->deadline);
    loop_timer_stop(&a->next_try);
    if (a->lookup != NULL) {
        loop_resolve_cancel(a->lookup);
    }
    for (size_t i = 0; i < TRIES_MAX; i++) {
        loop_watch_stop(&a->tries[i].watch);
        fd_close(a->tries[i].fd);
    }
    list_remove(&a->node);
    a->part->count--;
    mem_free(a);
}

static void answer(attempt *a, connect_result *result) {
    connect_callback done = a->done;
    void *arg = a->arg;
    done(arg, result);
    attempt_free(a);
}

static void fail(attempt *a, status code, const err *why) {
    err e;
    if (why == NULL) {
        err_set(&e, code, "no connection to %.*s port %u in time", SLICE_ARG(a->wanted.host), a->wanted.port);
        why = &e;
    }
    connect_result result = {.code = code, .fd = -1, .os_error = a->os_error, .e = why};
    answer(a, &result);
}

static void on_deadline(void *arg) { fail(arg, STATUS_TIMEOUT, NULL); }

// --- policy ------------------------------------------------------------------------------------------------

static const network_policy *policy_of(const attempt *a) {
    const workload_config *c = a->part->config;
    return a->wanted.purpose == CONNECT_HTTP ? &c->http_policy : &c->net_policy;
}

static const char *option_of(const attempt *a) {
    return a->wanted.purpose == CONNECT_HTTP ? "--allow-http" : "--allow-net";
}

static network_address policy_address(const loop_address *a) {
    network_address n = {0};
    if (a->any.sa_family == AF_INET) {
        memcpy(n.bytes, &a->v4.sin_addr, 4);
    } else if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)) {
        memcpy(n.bytes, (const uint8_t *)&a->v6.sin6_addr + 12, 4);
    } else {
        n.is_v6 = true;
        memcpy(n.bytes, &a->v6.sin6_addr, 16);
    }
    return n;
}

static bool is_free(const attempt *a) { return a->part->config == NULL; }

static status check_address(const attempt *a, slice host, const loop_address *address, uint16_t port,
                            err *e) {
    if (is_free(a)) {
        return STATUS_OK;
    }
    network_address n = policy_address(address);
    return network_policy_check_address(policy_of(a), host, &n, port, option_of(a), e);
}

// --- connecting --------------------------------------------------------------------------------------------

static socket_address to_socket_address(const loop_address *a) {
    socket_address s = {0};
    if (a->any.sa_family == AF_INET) {
        s.length = sizeof a->v4;
        memcpy(&s.storage, &a->v4, sizeof a->v4);
    } else if (a->any.sa_family == AF_INET6) {
        s.length = sizeof a->v6;
        memcpy(&s.storage, &a->v6, sizeof a->v6);
    }
    return s;
}

static void set_port(loop_address *a, uint16_t port) {
    if (a->any.sa_family == AF_INET6) {
        a->v6.sin6_port = htons(port);
    } else {
        a->v4.sin_port = htons(port);
    }
}

static uint16_t port_of(const loop_address *a) {
    return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

static int socket_type(const attempt *a) {
    return a->wanted.protocol == CONNECT_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

static void win(connect_try *t) {
    attempt *a = t->attempt;
    loop_watch_stop(&t->watch);
    connect_result result = {.code = STATUS_OK, .fd = t->fd, .peer = a->addresses[t->address]};
    t->fd = -1;
    answer(a, &result);
}

static bool begin_tries(attempt *a);

static bool is_trying(const attempt *a) {
    for (size_t i = 0; i < TRIES_MAX; i++) {
        if (a->tries[i].fd >= 0) {
            return true;
        }
    }
    return false;
}

static void fail_all(attempt *a) {
    err e;
    char what[CONNECT_HOST_BYTES_MAX + 32];
    (void)snprintf(what, sizeof what, "connect to %.*s port %u", SLICE_ARG(a->wanted.host), a->wanted.port);
    err_set_errno(&e, a->os_error, what);
    fail(a, STATUS_IO, &e);
}

// A try has failed: the next address at once, or the end.
static void lose(connect_try *t, int error) {
    attempt *a = t->attempt;
    a->os_error = error;
    loop_watch_stop(&t->watch);
    fd_close(t->fd);
    t->fd = -1;
    if (!begin_tries(a) && !is_trying(a)) {
        fail_all(a);
    }
}

static void on_writable(void *arg, unsigned events) {
    (void)events;
    connect_try *t = arg;
    int error = socket_error(t->fd);
    if (error == 0) {
        win(t);
    } else {
        lose(t, error);
    }
}

static int open_try(attempt *a, connect_try *t, size_t address) {
    socket_address to = to_socket_address(&a->addresses[address]);
    socket_address local = to_socket_address(&a->wanted.local);
    int error = socket_open_connecting(socket_type(a), &to, &local, &t->fd);
    if (error != 0) {
        return error;
    }
    t->attempt = a;
    t->address = address;
    if (loop_watch_start(&t->watch, a->local->loop, t->fd, LOOP_WRITABLE, on_writable, t, NULL) !=
        STATUS_OK) {
        fd_close(t->fd);
        t->fd = -1;
        return EMFILE;
    }
    return 0;
}

static connect_try *free_try(attempt *a) {
    for (size_t i = 0; i < TRIES_MAX; i++) {
        if (a->tries[i].fd < 0) {
            return &a->tries[i];
        }
    }
    return NULL;
}

// Begins with the next address that can be tried at all. False when there is none left.
static bool begin_tries(attempt *a) {
    connect_try *t = free_try(a);
    while (t != NULL && a->next_address < a->address_count) {
        int error = open_try(a, t, a->next_address++);
        if (error == 0) {
            loop_timer_start_in(&a->next_try, HEAD_START_NS);
            return true;
        }
        a->os_error = error;
    }
    return false;
}

static void on_next_try(void *arg) { (void)begin_tries(arg); }

static void start_connecting(attempt *a) {
    if (!begin_tries(a)) {
        fail_all(a);
    }
}

// --- names -------------------------------------------------------------------------------------------------

// Alternates families, keeping the resolver's order within each: the second address to be tried is of the
// other kind.
static void alternate(attempt *a) {
    loop_address sorted[LOOP_RESOLVE_ADDRESSES_MAX];
    size_t n = 0, next[2] = {0, 0};
    sa_family_t first = a->address_count > 0 ? a->addresses[0].any.sa_family : AF_UNSPEC;
    for (size_t turn = 0; n < a->address_count; turn++) {
        size_t *i = &next[turn % 2];
        while (*i < a->address_count && (a->addresses[*i].any.sa_family == first) != (turn % 2 == 0)) {
            (*i)++;
        }
        if (*i < a->address_count) {
            sorted[n++] = a->addresses[(*i)++];
        }
    }
    memcpy(a->addresses, sorted, n * sizeof sorted[0]);
}

static bool same_ip(const loop_address *a, const loop_address *b) {
    if (a->any.sa_family != b->any.sa_family) {
        return false;
    }
    return a->any.sa_family == AF_INET ? a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr
                                       : memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

static void remember(attempt *a, const loop_address *address) {
    pin *p = &a->part->pins[a->part->next_pin++ % PINS_MAX];
    p->address = *address;
    memcpy(p->host, a->host, a->wanted.host.len);
    p->host_bytes = (uint8_t)a->wanted.host.len;
    p->expires_ns = loop_now_ns(a->local->loop) + PIN_NS;
}

// Whether a name that was looked up lately leads to this address and may be reached at this port.
static bool is_pinned(const attempt *a, const loop_address *address) {
    for (size_t i = 0; i < PINS_MAX; i++) {
        const pin *p = &a->part->pins[i];
        if (p->host_bytes > 0 && p->expires_ns > loop_now_ns(a->local->loop) &&
            same_ip(&p->address, address) &&
            check_address(a, slice_of(p->host, p->host_bytes), address, a->wanted.port, NULL) == STATUS_OK) {
            return true;
        }
    }
    return false;
}

static void answer_lookup(attempt *a) {
    for (size_t i = 0; i < a->address_count && a->wanted.purpose == CONNECT_SOCKETS; i++) {
        remember(a, &a->addresses[i]);
    }
    connect_result result = {
        .code = STATUS_OK, .fd = -1, .addresses = a->addresses, .address_count = a->address_count};
    answer(a, &result);
}

static void on_resolved(void *arg, status code, const loop_address *addresses, size_t count, const err *why) {
    attempt *a = arg;
    a->lookup = NULL;
    if (code != STATUS_OK) {
        fail(a, code, why);
        return;
    }
    err e;
    bool is_lookup = a->wanted.action == CONNECT_RESOLVE;
    for (size_t i = 0; i < count; i++) {
        if (check_address(a, a->wanted.host, &addresses[i], a->wanted.port, &e) == STATUS_OK) {
            a->addresses[a->address_count] = addresses[i];
            set_port(&a->addresses[a->address_count++], is_lookup ? 0 : a->wanted.port);
        }
    }
    if (a->address_count == 0) {
        fail(a, STATUS_DENIED, &e);
    } else if (is_lookup) {
        answer_lookup(a);
    } else {
        alternate(a);
        start_connecting(a);
    }
}

static bool parse_literal(slice host, uint16_t port, loop_address *ret) {
    socket_address s;
    if (!socket_address_parse(host, port, &s)) {
        return false;
    }
    memset(ret, 0, sizeof *ret);
    memcpy(ret, &s.storage, s.length);
    return true;
}

static void begin_named(attempt *a) {
    err e;
    loop_address literal;
    if (parse_literal(a->wanted.host, a->wanted.port, &literal)) {
        status s = check_address(a, slice_empty(), &literal, a->wanted.port, &e);
        if (s != STATUS_OK && (a->wanted.purpose != CONNECT_SOCKETS || !is_pinned(a, &literal))) {
            fail(a, s, &e);
            return;
        }
        a->addresses[a->address_count++] = literal;
        if (a->wanted.action == CONNECT_RESOLVE) {
            answer_lookup(a);
        } else {
            start_connecting(a);
        }
        return;
    }
    status s = is_free(a) ? STATUS_OK
                          : network_policy_check_host(policy_of(a), a->wanted.host, a->wanted.port,
                                                      option_of(a), &e);
    if (s == STATUS_OK) {
        s = loop_resolve_start(a->local->loop, a->wanted.host, a->wanted.deadline_ns, on_resolved, a,
                               &a->lookup, &e);
    }
    if (s != STATUS_OK) {
        fail(a, s, &e);
    }
}

// --- binding -----------------------------------------------------------------------------------------------

static bool is_unspecified(const loop_address *a) {
    return a->any.sa_family == AF_INET ? a->v4.sin_addr.s_addr == INADDR_ANY
                                       : IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

// A datagram socket on any free port of any address reaches nobody by itself: its peers are connected one by
// one.
static bool is_harmless(const attempt *a) {
    return a->wanted.protocol == CONNECT_UDP && port_of(&a->wanted.local) == 0 &&
           is_unspecified(&a->wanted.local) && !is_free(a) && !network_policy_is_empty(policy_of(a));
}

static void begin_bind(attempt *a) {
    err e;
    const loop_address *to = &a->wanted.local;
    if (to->any.sa_family != AF_INET && to->any.sa_family != AF_INET6) {
        err_set(&e, STATUS_INVALID, "an address to bind is missing");
        fail(a, STATUS_INVALID, &e);
        return;
    }
    status s = is_harmless(a) ? STATUS_OK : check_address(a, slice_empty(), to, port_of(to), &e);
    if (s != STATUS_OK) {
        fail(a, s, &e);
        return;
    }
    socket_address local = to_socket_address(to);
    connect_result result = {.code = STATUS_OK, .fd = -1};
    int error = socket_open_bound(socket_type(a), to->any.sa_family, &local, &result.fd);
    if (error != 0) {
        a->os_error = error;
        err_set_errno(&e, error, "bind");
        fail(a, STATUS_IO, &e);
        return;
    }
    answer(a, &result);
}

// --- the interface -----------------------------------------------------------------------------------------

// A connected datagram socket hears its peer only, so where it sends from matters to nobody else. A guest's
// socket that talks to several peers asks for one from the free port that it was given.
static bool is_own_datagram_port(const attempt *a) {
    return a->wanted.protocol == CONNECT_UDP && port_of(&a->wanted.local) >= 1024;
}

// A local address to connect from needs the same right as binding it.
static status check_local(const attempt *a, err *e) {
    const loop_address *local = &a->wanted.local;
    if (local->any.sa_family == AF_UNSPEC ||
        (is_unspecified(local) && (port_of(local) == 0 || is_own_datagram_port(a)))) {
        return STATUS_OK;
    }
    return check_address(a, slice_empty(), &a->wanted.local, port_of(&a->wanted.local), e);
}

static void begin(void *arg) {
    attempt *a = arg;
    err e;
    loop_timer_start_at(&a->deadline, a->wanted.deadline_ns);
    if (a->wanted.action == CONNECT_BIND) {
        begin_bind(a);
        return;
    }
    status s = check_local(a, &e);
    if (s != STATUS_OK) {
        fail(a, s, &e);
    } else {
        begin_named(a);
    }
}

static status local_request(connector *c, const connect_request *wanted, connect_callback done, void *arg,
                            uint64_t *ret_id, err *e) {
    local_connector *l = (local_connector *)c;
    if (wanted->host.len > CONNECT_HOST_BYTES_MAX) {
        return err_set(e, STATUS_INVALID, "a host name has at most %d bytes", CONNECT_HOST_BYTES_MAX);
    }
    if (wanted->workload >= l->part_count) {
        return err_set(e, STATUS_INVALID, "there is no workload %u", wanted->workload);
    }
    local_part *part = &l->parts[wanted->workload];
    if (part->count >= l->share) {
        return err_set(e, STATUS_LIMIT, "%u connections of this workload are being made already", l->share);
    }
    attempt *a = MEM_NEW(attempt);
    *a = (attempt){.local = l, .part = part, .id = ++l->last_id, .wanted = *wanted, .done = done, .arg = arg};
    memcpy(a->host, wanted->host.len > 0 ? wanted->host.data : (const uint8_t *)"", wanted->host.len);
    a->wanted.host = slice_of(a->host, wanted->host.len);
    for (size_t i = 0; i < TRIES_MAX; i++) {
        a->tries[i].fd = -1;
    }
    loop_soon_init(&a->soon, begin, a);
    loop_timer_init(&a->deadline, l->loop, on_deadline, a);
    loop_timer_init(&a->next_try, l->loop, on_next_try, a);
    list_push_back(&l->attempts, &a->node);
    part->count++;
    loop_soon_add(l->loop, &a->soon);
    *ret_id = a->id;
    return STATUS_OK;
}

static void local_cancel(connector *c, uint64_t id) {
    local_connector *l = (local_connector *)c;
    for (list_node *n = l->attempts.next; n != &l->attempts; n = n->next) {
        attempt *a = LIST_ENTRY(n, attempt, node);
        if (a->id == id) {
            attempt_free(a);
            return;
        }
    }
}

static const connector_ops local_ops = {local_request, local_cancel};

status local_connector_new(loop *l, const host_config *config, connector **ret, err *e) {
    (void)e;
    uint32_t count = config == NULL ? 1 : (uint32_t)config->workload_count;
    uint32_t share = count == 0 ? 0 : LOCAL_CONNECTIONS_MAX / count;
    local_connector *c = mem_zalloc(sizeof *c + count * sizeof c->parts[0]);
    c->base.ops = &local_ops;
    c->loop = l;
    c->part_count = count;
    c->share = share > LOCAL_SHARE_MIN ? share : LOCAL_SHARE_MIN;
    for (uint32_t i = 0; i < count && config != NULL; i++) {
        c->parts[i].config = &config->workloads[i];
    }
    list_init(&c->attempts);
    *ret = &c->base;
    return STATUS_OK;
}

void local_connector_free(connector *c) {
    if (c != NULL) {
        local_connector *l = (local_connector *)c;
        while (!list_empty(&l->attempts)) {
            attempt_free(LIST_ENTRY(l->attempts.next, attempt, node));
        }
        mem_free(l);
    }
}
