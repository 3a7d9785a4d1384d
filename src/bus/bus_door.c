// SPDX-License-Identifier: Apache-2.0
// The door itself: who is let in, and the socket on which they come.
#include "bus/bus_door.h"

#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "bus/bus_door_internal.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/subject.h"
#include "os/fd.h"
#include "os/random.h"
#include "os/socket.h"

enum {
    CONNECTIONS = 1024,
    SUBSCRIPTIONS = 1 << 14,
    PAYLOAD_BYTES = 1 << 20,
    OUT_BYTES = 64 << 20,
    USER_CONNECTIONS = 16,
    ACCEPT_BATCH = 64,
};

static const uint64_t second = 1000000000;
static const uint64_t accept_again_ns = 100000000;

// --- users -------------------------------------------------------------------------------------------------

static void free_patterns(door_patterns *p) {
    for (size_t i = 0; i < p->count; i++) {
        mem_free(p->items[i]);
    }
    mem_free(p->items);
}

static void free_user(bus_door_user *u) {
    free_patterns(&u->publish);
    free_patterns(&u->subscribe);
    mem_free(u->name);
    mem_free(u->user);
    mem_free(u);
}

static status copy_patterns(const bus_door_subjects *from, const char *what, door_patterns *ret, err *e) {
    if (from->count > BUS_DOOR_PATTERNS_MAX) {
        return err_set(e, STATUS_LIMIT, "a user may %s at most %d patterns of subjects", what,
                       BUS_DOOR_PATTERNS_MAX);
    }
    ret->items = mem_calloc(from->count, sizeof(char *));
    for (; ret->count < from->count; ret->count++) {
        slice item = from->items[ret->count];
        if (!subject_is_pattern_within(item, BUS_SUBJECT_BYTES_MAX)) {
            return err_set(e, STATUS_INVALID, "what a user may %s holds \"%.*s\", which is no subject", what,
                           SLICE_ARG(slice_sub(item, 0, BUS_SUBJECT_BYTES_MAX)));
        }
        ret->items[ret->count] = mem_slice_dup(item);
    }
    return STATUS_OK;
}

static bus_door_user *find_by_key(const bus_door *d, const nkey_public *key) {
    for (list_node *n = d->users.next; n != &d->users; n = n->next) {
        bus_door_user *u = LIST_ENTRY(n, bus_door_user, node);
        if (u->has_key && nkey_public_equal(&u->key, key)) {
            return u;
        }
    }
    return NULL;
}

static bus_door_user *find_by_name(const bus_door *d, slice name) {
    for (list_node *n = d->users.next; n != &d->users; n = n->next) {
        bus_door_user *u = LIST_ENTRY(n, bus_door_user, node);
        if (u->user != NULL && slice_equal_text(name, u->user)) {
            return u;
        }
    }
    return NULL;
}

static void hash_password(slice password, uint8_t ret[HASH_BYTES]) { hash_sha256(&password, 1, ret); }

bus_door_user *bus_door_find(const bus_door *d, const door_connect *c, const char *nonce) {
    if (c->has_key) {
        bus_door_user *u = find_by_key(d, &c->key);
        return u != NULL && nkey_verify(&u->key, slice_from_text(nonce), c->signature) ? u : NULL;
    }
    uint8_t password[HASH_BYTES];
    bus_door_user *u = find_by_name(d, slice_from_text(c->user));
    hash_password(slice_from_text(c->password), password);
    return u != NULL && hash_equal(u->password, password) ? u : NULL;
}

static bool is_text(slice s, size_t bytes_max) {
    return s.len <= bytes_max && slice_find(s, 0, '\0') == SIZE_MAX;
}

static status check_user(const bus_door *d, const bus_door_user_options *o, err *e) {
    if (d->user_count == BUS_DOOR_USERS_MAX) {
        return err_set(e, STATUS_LIMIT, "the door knows at most %d users", BUS_DOOR_USERS_MAX);
    }
    if ((o->key == NULL && o->user.len == 0) || (o->user.len == 0) != (o->password.len == 0) ||
        (o->key != NULL && o->key->kind != NKEY_USER)) {
        return err_set(e, STATUS_INVALID, "a user of the door has a user key, or a name with a password");
    }
    if (!is_text(o->name, BUS_DOOR_NAME_BYTES_MAX) || !is_text(o->user, DOOR_PASSWORD_BYTES_MAX) ||
        !is_text(o->password, DOOR_PASSWORD_BYTES_MAX)) {
        return err_set(e, STATUS_INVALID, "a name or password of a user of the door is too long or no text");
    }
    if ((o->key != NULL && find_by_key(d, o->key) != NULL) ||
        (o->user.len > 0 && find_by_name(d, o->user) != NULL)) {
        return err_set(e, STATUS_EXISTS, "another user of the door has this key or name");
    }
    return STATUS_OK;
}

status bus_door_add_user(bus_door *d, const bus_door_user_options *o, bus_door_user **ret, err *e) {
    TRY(check_user(d, o, e));
    bus_door_user *u = MEM_NEW(bus_door_user);
    u->d = d;
    u->b = o->b;
    u->name = mem_slice_dup(o->name);
    u->has_key = o->key != NULL;
    u->may_answer = o->may_answer;
    u->connections_max = o->connections_max == 0 ? USER_CONNECTIONS : o->connections_max;
    u->data = o->data;
    if (u->has_key) {
        u->key = *o->key;
    }
    if (o->user.len > 0) {
        u->user = mem_slice_dup(o->user);
        hash_password(o->password, u->password);
    }
    status code = copy_patterns(&o->publish, "publish to", &u->publish, e);
    code = code == STATUS_OK ? copy_patterns(&o->subscribe, "subscribe to", &u->subscribe, e) : code;
    if (code != STATUS_OK) {
        free_user(u);
        return code;
    }
    list_push_back(&d->users, &u->node);
    d->user_count++;
    *ret = u;
    return STATUS_OK;
}

void bus_door_remove_user(bus_door_user *u) {
    if (u == NULL) {
        return;
    }
    bus_door *d = u->d;
    for (list_node *n = d->clients.next; n != &d->clients;) {
        door_client *c = LIST_ENTRY(n, door_client, node);
        n = n->next;
        if (c->u == u) {
            door_client_cut(c);
        }
    }
    list_remove(&u->node);
    d->user_count--;
    free_user(u);
}

const char *bus_door_user_name(const bus_door_user *u) { return u->name; }
void *bus_door_user_data(const bus_door_user *u) { return u->data; }
size_t bus_door_user_connections(const bus_door_user *u) { return u->connections; }

static status write_part(const json_value *v, buf *ret) {
    auto_buf text = {0};
    buf_init(&text, 4096);
    TRY(json_write(v, 0, &text));
    return base64_encode(BASE64_URL, buf_slice(&text), ret);
}

static json_value *make_claims(const nkey *user, slice name) {
    json_value *v = json_object_new();
    json_value *nats = json_object_new();
    const nkey_public public = nkey_public_of(user);
    slice key = slice_of(nkey_public_text(&public).text, NKEY_PUBLIC_TEXT_LEN);
    json_put_text(v, "iss", key);
    json_put_text(v, "sub", key);
    json_put_text(v, "name", name);
    json_put_text(nats, "type", slice_from_text("user"));
    json_put_integer(nats, "version", 2);
    json_put(v, "nats", nats);
    return v;
}

status bus_door_write_jwt(const nkey *user, slice name, buf *ret) {
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    size_t start = ret->len;
    json_value *claims = make_claims(user, name);
    status code = base64_encode(BASE64_URL, slice_from_text(header), ret);
    code = code == STATUS_OK ? buf_append_byte(ret, '.') : code;
    code = code == STATUS_OK ? write_part(claims, ret) : code;
    json_free(claims);
    TRY(code);
    TRY(nkey_sign(user, slice_sub(buf_slice(ret), start, ret->len), signature, NULL));
    TRY(buf_append_byte(ret, '.'));
    return base64_encode(BASE64_URL, slice_of(signature, sizeof signature), ret);
}

// --- accepting ---------------------------------------------------------------------------------------------

void bus_door_tell(bus_door *d, bus_door_event event, const bus_door_user *u, const char *text) {
    d->counts.came += event == BUS_DOOR_CAME;
    d->counts.refused += event == BUS_DOOR_REFUSED;
    d->counts.denied += event == BUS_DOOR_DENIED;
    if (!d->is_freed && d->options.on_event != NULL) {
        d->options.on_event(d->options.arg, event, u, text);
    }
}

static void refuse(bus_door *d, int fd) {
    static const char text[] = "-ERR 'maximum connections exceeded'\r\n";
    (void)socket_send(fd, text, sizeof text - 1);
    fd_close(fd);
    bus_door_tell(d, BUS_DOOR_REFUSED, NULL, "the door has as many connections as it takes");
}

static void on_acceptable(void *arg, unsigned events) {
    bus_door *d = arg;
    (void)events;
    d->holds++;
    for (int i = 0; i < ACCEPT_BATCH && !d->is_freed; i++) {
        struct sockaddr_storage from;
        int fd = socket_accept(d->listener, &from);
        if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
            loop_watch_set(&d->watch, 0);
            loop_timer_start_in(&d->accept_again, accept_again_ns);
        }
        if (fd < 0) {
            break; // of one connection, which is gone, or of all
        }
        if (d->counts.connections >= d->options.connections_max) {
            refuse(d, fd);
        } else {
            door_client_begin(d, fd);
        }
    }
    bus_door_release(d);
}

static void on_accept_again(void *arg) {
    bus_door *d = arg;
    loop_watch_set(&d->watch, LOOP_READABLE);
}

// --- life --------------------------------------------------------------------------------------------------

static void fill_defaults(bus_door_options *o) {
    o->connections_max = o->connections_max == 0 ? CONNECTIONS : o->connections_max;
    o->subscriptions_max = o->subscriptions_max == 0 ? SUBSCRIPTIONS : o->subscriptions_max;
    o->payload_bytes_max = o->payload_bytes_max == 0 ? PAYLOAD_BYTES : o->payload_bytes_max;
    o->out_bytes_max = o->out_bytes_max == 0 ? OUT_BYTES : o->out_bytes_max;
    o->greeting_ns_max = o->greeting_ns_max == 0 ? 2 * second : o->greeting_ns_max;
    o->ping_ns = o->ping_ns == 0 ? 60 * second : o->ping_ns;
}

status bus_door_new(const bus_door_options *options, bus_door **ret, err *e) {
    bus_door *d = MEM_NEW(bus_door);
    d->options = *options;
    fill_defaults(&d->options);
    d->listener = options->listener;
    random_fill(&d->hash_key, sizeof d->hash_key);
    d->id = random_u64();
    list_init(&d->users);
    list_init(&d->clients);
    loop_timer_init(&d->accept_again, options->l, on_accept_again, d);
    status code = loop_watch_start(&d->watch, options->l, d->listener, LOOP_READABLE, on_acceptable, d, e);
    if (code != STATUS_OK) {
        bus_door_free(d);
        return code;
    }
    *ret = d;
    return STATUS_OK;
}

void bus_door_release(bus_door *d) {
    if (--d->holds == 0 && d->is_freed) {
        mem_free(d);
    }
}

void bus_door_free(bus_door *d) {
    if (d == NULL) {
        return;
    }
    CHECK(!d->is_freed);
    d->is_freed = true;
    d->holds++;
    loop_watch_stop(&d->watch);
    loop_timer_stop(&d->accept_again);
    fd_close(d->listener);
    while (!list_empty(&d->clients)) {
        door_client_cut(LIST_ENTRY(d->clients.next, door_client, node));
    }
    while (!list_empty(&d->users)) {
        bus_door_remove_user(LIST_ENTRY(d->users.next, bus_door_user, node));
    }
    bus_door_release(d);
}

bus_door_counts bus_door_count(const bus_door *d) { return d->counts; }
