// SPDX-License-Identifier: Apache-2.0
// links: host
// Our side of wRPC behind lines, so that a script can hold it against hosts of wasmCloud 1.x in one lattice.
// A line of standard input is a request, answered by a line in the order in which they end; bytes are hex,
// "-" for none.
//
//   wrpc_peer HOST:PORT LATTICE
//
//   call TARGET INSTANCE FUNCTION BYTES    STATUS BYTES MESSAGE
//   serve TARGET INSTANCE FUNCTION BYTES   "serving": each call gets these bytes
//   front TARGET                           "front PORT": requests there are calls of TARGET
//   outgoing TARGET                        "serving": requests of components to anywhere
//   store TARGET                           "serving": key-value in memory
//   blobs TARGET FOLDER                    "serving": objects below it
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "bus/bus_nats.h"
#include "crypto/trust_roots.h"
#include "driver/blobstore/blobstore.h"
#include "driver/keyvalue/keyvalue.h"
#include "host/local_connector.h"
#include "lattice/wrpc.h"
#include "lattice/wrpc_blobstore.h"
#include "lattice/wrpc_http.h"
#include "lattice/wrpc_names.h"
#include "os/random.h"

enum { LINE_BYTES_MAX = 64 << 10, EXPORTS_MAX = 64, FRONTS_MAX = 4 };
static const uint64_t second = UINT64_C(1000000000);

typedef struct peer peer;

typedef struct served_function { // what is done for a call to it
    wrpc_export x;
    peer *p;
    enum { SERVE_BYTES, SERVE_HTTP, SERVE_DRIVER, SERVE_BLOBS } kind;
    buf results;
    const driver *driver;
    driver_link *link;
    char interface[128];
} served_function;

typedef struct front {
    peer *p;
    int fd;
    http_server *server;
    char target[64];
} front;

struct peer {
    loop *l;
    connector *connector;
    bus *b;
    bus_watcher watcher;
    wrpc *w;
    http_client *client;
    lattice_server server;
    served_function functions[EXPORTS_MAX];
    size_t function_count;
    front fronts[FRONTS_MAX];
    size_t front_count;
    loop_watch input;
    char line[LINE_BYTES_MAX];
    size_t len;
    bool was_up;
};

static void die(const char *what, const err *e) {
    fprintf(stderr, "%s: %s\n", what, e->message);
    exit(1);
}

// --- bytes -------------------------------------------------------------------------------------------------

static void print_hex(slice bytes) {
    if (bytes.len == 0) {
        printf("-");
    }
    for (size_t i = 0; i < bytes.len; i++) {
        printf("%02x", bytes.data[i]);
    }
}

static void read_hex(const char *text, buf *ret) {
    unsigned byte;
    buf_init(ret, LINE_BYTES_MAX);
    for (const char *c = text; sscanf(c, "%2x", &byte) == 1; c += 2) {
        if (buf_append_byte(ret, (uint8_t)byte) != STATUS_OK) {
            return;
        }
    }
}

// --- calling -----------------------------------------------------------------------------------------------

typedef struct calling {
    lattice_call call;
    char *words; // what the invocation points at
    buf params, results;
} calling;

static void on_results(lattice_call *c, slice results) {
    calling *k = (calling *)(void *)c;
    if (buf_append(&k->results, results) != STATUS_OK) {
        abort();
    }
}

static void on_call_ended(lattice_call *c, status code, const err *e) {
    calling *k = (calling *)(void *)c;
    printf("%s ", status_name(code));
    print_hex(buf_slice(&k->results));
    printf(" %s\n", e == NULL ? "" : e->message);
    fflush(stdout);
    buf_done(&k->params);
    buf_done(&k->results);
    mem_free(k->words);
    mem_free(k);
}

static const lattice_call_ops call_ops = {.on_results = on_results, .ended = on_call_ended};

static void start_call(peer *p, char **words) {
    calling *k = MEM_NEW(calling);
    err e;
    k->words = mem_alloc(1024);
    snprintf(k->words, 1024, "%s %s %s", words[1], words[2], words[3]);
    size_t a = strlen(words[1]), b = strlen(words[2]);
    read_hex(words[4], &k->params);
    buf_init(&k->results, LATTICE_PARAMS_BYTES_MAX);
    k->call.ops = &call_ops;
    k->call.has_results = true;
    k->call.invocation = (lattice_invocation){.source = slice_from_text("wrpc-peer"),
                                              .link = slice_from_text("default"),
                                              .target = slice_of(k->words, a),
                                              .instance = slice_of(k->words + a + 1, b),
                                              .function = slice_from_text(k->words + a + b + 2),
                                              .params = buf_slice(&k->params),
                                              .deadline_ns = loop_now_ns(p->l) + 20 * second};
    status s = lattice_call_start(wrpc_transport(p->w), &k->call, &e);
    if (s != STATUS_OK) {
        on_call_ended(&k->call, s, &e);
    }
}

// --- serving -----------------------------------------------------------------------------------------------

static served_function *find_function(peer *p, slice target, slice instance, slice function) {
    for (size_t i = 0; i < p->function_count; i++) {
        wrpc_export *x = &p->functions[i].x;
        if (slice_equal_text(target, x->target) && slice_equal_text(instance, x->instance) &&
            slice_equal_text(function, x->function)) {
            return &p->functions[i];
        }
    }
    return NULL;
}

static bool paths(void *context, slice target, slice instance, slice function, lattice_paths *ret_up,
                  lattice_paths *ret_down) {
    served_function *f = find_function(context, target, instance, function);
    *ret_up = *ret_down = (lattice_paths){.count = 0};
    if (f != NULL && f->kind == SERVE_HTTP) {
        *ret_up = *ret_down = wrpc_http_paths();
    }
    return f != NULL &&
           (f->kind != SERVE_BLOBS || wrpc_blobstore_paths(instance, function, ret_up, ret_down));
}

typedef struct driver_serving {
    driver_call call;
    lattice_served *q;
} driver_serving;

static void on_driver_answer(driver_call *c, status code, slice payload, const err *e) {
    driver_serving *s = (driver_serving *)(void *)c;
    if (code == STATUS_OK) {
        s->q->transport->answer(s->q, payload);
    } else {
        s->q->transport->fail(s->q, code, e->message);
    }
}

static void served_ended(lattice_served *q, status code) {
    (void)code;
    mem_free(q->data);
}

static const lattice_served_ops served_ops = {.ended = served_ended};

static void serve_driver(served_function *f, lattice_served *q) {
    driver_serving *s = MEM_NEW(driver_serving);
    s->q = q;
    q->data = s;
    s->call = (driver_call){.interface = slice_from_text(f->interface),
                            .function = q->invocation.function,
                            .payload = q->invocation.params,
                            .deadline_ns = q->invocation.deadline_ns,
                            .end = on_driver_answer};
    f->driver->call(f->link, &s->call);
}

static void call_blobs(void *context, driver_call *c) {
    served_function *f = context;
    f->driver->call(f->link, c);
}

static void cancel_blobs(void *context, driver_call *c) {
    served_function *f = context;
    f->driver->cancel(f->link, c);
}

static void on_served(void *context, lattice_served *q) {
    peer *p = context;
    const lattice_invocation *i = &q->invocation;
    served_function *f = find_function(p, i->target, i->instance, i->function);
    q->ops = &served_ops;
    if (f->kind == SERVE_BYTES) {
        q->transport->answer(q, buf_slice(&f->results));
    } else if (f->kind == SERVE_HTTP) {
        wrpc_http_serve_options options = {p->l, p->client, false};
        wrpc_http_serve(q, &options);
    } else if (f->kind == SERVE_BLOBS) {
        wrpc_blob_backend backend = {.loop = p->l, .call = call_blobs, .cancel = cancel_blobs, .context = f};
        wrpc_blobstore_serve(q, &backend);
    } else {
        serve_driver(f, q);
    }
}

static served_function *export(peer *p, const char *target, const char *instance, const char *function) {
    err e;
    if (p->function_count == EXPORTS_MAX) {
        exit(1);
    }
    served_function *f = &p->functions[p->function_count++];
    f->p = p;
    if (wrpc_export_start(p->w, &f->x, slice_from_text(target), slice_from_text(instance),
                          slice_from_text(function), &e) != STATUS_OK) {
        die("serve", &e);
    }
    return f;
}

static driver_link *open_driver(peer *p, const driver *d, const char *folder) {
    driver_environment env = {.l = p->l, .random = 1, .directory = folder};
    driver_link_options options = {.workload = slice_from_text("peer")};
    driver_link *link = NULL;
    err e;
    if (driver_open(d, &env, &options, &link, &e) != STATUS_OK) {
        die("driver", &e);
    }
    return link;
}

static void start_store(peer *p, const char *target) {
    driver_link *link = open_driver(p, &keyvalue_memory, NULL);
    for (keyvalue_function i = 0; i < KEYVALUE_FUNCTION_COUNT; i++) {
        const char *interface = keyvalue_interface_name(i);
        wrpc_wire_names names;
        if (wrpc_names_to_wire(slice_from_text(interface), &names, NULL) != STATUS_OK) {
            exit(1);
        }
        served_function *f = export(p, target, names.items[0], keyvalue_function_name(i));
        f->kind = SERVE_DRIVER;
        f->driver = &keyvalue_memory;
        f->link = link;
        snprintf(f->interface, sizeof f->interface, "%s", interface);
    }
}

static void start_blobs(peer *p, const char *target, const char *folder) {
    driver_link *link = open_driver(p, &blobstore_directory, folder);
    for (blobstore_function i = 0; i < BLOBSTORE_FUNCTION_COUNT; i++) {
        served_function *f = export(p, target, WRPC_BLOBSTORE_NEW, blobstore_function_name(i));
        f->kind = SERVE_BLOBS;
        f->driver = &blobstore_directory;
        f->link = link;
    }
}

// --- HTTP --------------------------------------------------------------------------------------------------

static void on_request(void *arg, http_exchange *x) {
    front *f = arg;
    wrpc_http_forward_options options = {
        .loop = f->p->l,
        .transport = wrpc_transport(f->p->w),
        .invocation = {.source = slice_from_text("wrpc-peer"),
                       .link = slice_from_text("default"),
                       .target = slice_from_text(f->target),
                       .instance = slice_from_text(WRPC_HTTP_INCOMING),
                       .deadline_ns = loop_now_ns(f->p->l) + 20 * second},
    };
    wrpc_http_forward_start(x, &options, NULL);
}

static void start_front(peer *p, const char *target) {
    if (p->front_count == FRONTS_MAX) {
        exit(1);
    }
    front *f = &p->fronts[p->front_count++];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    http_server_options options = http_server_options_default();
    http_server_handler handler = {f, on_request, NULL};
    err e = {.message = "no socket"};
    f->p = p;
    snprintf(f->target, sizeof f->target, "%s", target);
    f->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(f->fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(f->fd, 64) != 0 ||
        getsockname(f->fd, (struct sockaddr *)&a, &len) != 0 ||
        http_server_new(p->l, f->fd, &options, &handler, &f->server, &e) != STATUS_OK) {
        die("front", &e);
    }
    printf("front %u\n", ntohs(a.sin_port));
}

// --- lines -------------------------------------------------------------------------------------------------

static void obey(peer *p, char *line) {
    char *words[5] = {"", "", "", "", ""};
    size_t count = 0;
    for (char *w = line; w != NULL && count < 5; count++) {
        words[count] = w;
        w = strchr(w, ' ');
        if (w != NULL) {
            *w++ = '\0';
        }
    }
    if (strcmp(words[0], "call") == 0) {
        start_call(p, words);
        return;
    }
    if (strcmp(words[0], "front") == 0) {
        start_front(p, words[1]);
    } else if (strcmp(words[0], "serve") == 0) {
        read_hex(words[4], &export(p, words[1], words[2], words[3])->results);
        printf("serving\n");
    } else if (strcmp(words[0], "outgoing") == 0) {
        export(p, words[1], WRPC_HTTP_OUTGOING, WRPC_HTTP_FUNCTION)->kind = SERVE_HTTP;
        printf("serving\n");
    } else if (strcmp(words[0], "store") == 0) {
        start_store(p, words[1]);
        printf("serving\n");
    } else if (strcmp(words[0], "blobs") == 0) {
        start_blobs(p, words[1], words[2]);
        printf("serving\n");
    } else {
        printf("what?\n");
    }
    fflush(stdout);
}

static void on_input(void *arg, unsigned events) {
    peer *p = arg;
    (void)events;
    ssize_t n = read(STDIN_FILENO, p->line + p->len, sizeof p->line - 1 - p->len);
    if (n <= 0) {
        exit(0);
    }
    p->len += (size_t)n;
    p->line[p->len] = '\0';
    for (char *end = strchr(p->line, '\n'); end != NULL; end = strchr(p->line, '\n')) {
        *end = '\0';
        obey(p, p->line);
        p->len -= (size_t)(end + 1 - p->line);
        memmove(p->line, end + 1, p->len + 1);
    }
}

// Only the first time on standard output, so that answers stay in step.
static void on_change(void *arg, bool is_up, const char *reason) {
    peer *p = arg;
    fprintf(p->was_up ? stderr : stdout, "%s\n", is_up ? "up" : reason);
    fflush(stdout);
    p->was_up = p->was_up || is_up;
}

int main(int argc, char **argv) {
    static peer p;
    err e = {.message = "wrpc_peer HOST:PORT LATTICE"};
    nats_server server;
    signal(SIGPIPE, SIG_IGN);
    if (argc != 3 || nats_server_parse(slice_from_text(argv[1]), &server, &e) != STATUS_OK ||
        loop_new(NULL, &p.l, &e) != STATUS_OK ||
        local_connector_new(p.l, NULL, &p.connector, &e) != STATUS_OK) {
        die("start", &e);
    }
    bus_nats_options bus_options = {.nats = {.l = p.l,
                                             .connector = p.connector,
                                             .servers = &server,
                                             .server_count = 1,
                                             .random = random_u64()}};
    http_client_options client_options = http_client_options_default();
    client_options.connector = p.connector;
    if (bus_nats_new(&bus_options, &p.b, &e) != STATUS_OK ||
        http_client_new(p.l, &client_options, &p.client, &e) != STATUS_OK) {
        die("start", &e);
    }
    p.watcher = (bus_watcher){.changed = on_change, .arg = &p};
    bus_add_watcher(p.b, &p.watcher);
    p.server = (lattice_server){.context = &p, .paths = paths, .call = on_served};
    wrpc_options options = {.bus = p.b,
                            .loop = p.l,
                            .lattice = slice_from_text(argv[2]),
                            .server = &p.server,
                            .random = {random_u64(), random_u64()}};
    if (wrpc_new(&options, &p.w, &e) != STATUS_OK ||
        loop_watch_start(&p.input, p.l, STDIN_FILENO, LOOP_READABLE, on_input, &p, &e) != STATUS_OK) {
        die("start", &e);
    }
    loop_run(p.l);
    return 0;
}
