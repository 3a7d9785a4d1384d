// SPDX-License-Identifier: Apache-2.0
#include "unit/driver/helper_keyvalue.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

enum { BYTES_MAX = 32 << 20 };

static void on_health(void *arg, const driver_health *h) {
    kv *k = arg;
    k->health = *h;
    k->health_changes++;
}

static void on_closed(void *arg) { ((kv *)arg)->is_closed = true; }

void kv_start(kv *k) {
    signal(SIGPIPE, SIG_IGN);
    CHECK(loop_new(NULL, &k->l, NULL) == STATUS_OK);
    direct_connector_init(&k->connector, k->l);
    snprintf(k->directory, sizeof k->directory, "/tmp/writ-test-kv-XXXXXX");
    CHECK(mkdtemp(k->directory) != NULL);
    k->env = (driver_environment){
        .l = k->l, .connector = &k->connector.base, .directory = k->directory, .random = 42};
}

status kv_open(kv *k, const driver *d, const driver_values *settings, const driver_values *credentials,
               err *e) {
    driver_link_options options = {.on_health = on_health, .on_closed = on_closed, .arg = k};
    if (settings != NULL) {
        options.settings = *settings;
    }
    if (credentials != NULL) {
        options.credentials = *credentials;
    }
    k->d = d;
    k->is_closed = false;
    return driver_open(d, &k->env, &options, &k->link, e);
}

static void on_tick(void *arg) { (void)arg; }

// A turn that waits blocks after it ran what was to run soon: the tick ends that.
void kv_turn(kv *k) {
    loop_timer tick;
    loop_timer_init(&tick, k->l, on_tick, NULL);
    loop_timer_start_in(&tick, 2000000);
    loop_turn(k->l, true);
    loop_timer_stop(&tick);
}

void kv_close(kv *k) {
    if (k->link != NULL) {
        k->d->link_close(k->link);
        CHECK(!k->is_closed);
        while (!k->is_closed) {
            kv_turn(k);
        }
        k->link = NULL;
    }
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path);
}

void kv_stop(kv *k) {
    kv_close(k);
    direct_connector_done(&k->connector);
    loop_free(k->l);
    (void)nftw(k->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void kv_wait_up(kv *k) {
    driver_health h = {0};
    for (int i = 0; i < 10000; i++) {
        k->d->health(k->link, &h);
        if (h.state == DRIVER_UP) {
            return;
        }
        kv_turn(k);
    }
    printf("    not up: %s\n", h.reason);
}

// --- calls -------------------------------------------------------------------------------------------------

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    kv_pending *p = c->host;
    CHECK(!p->is_done && (code == STATUS_OK) == (e == NULL));
    p->is_done = true;
    p->code = code;
    if (code == STATUS_OK) {
        CHECK(buf_append(&p->bytes, payload) == STATUS_OK);
        CHECK(keyvalue_answer_decode(p->function, buf_slice(&p->bytes), &p->memory, &p->answer, NULL) ==
              STATUS_OK);
    } else {
        snprintf(p->message, sizeof p->message, "%.500s", e->message);
    }
    if (p->ended != NULL) {
        p->ended(p);
    }
}

void kv_begin(kv *k, kv_pending *p, const keyvalue_call *c, uint64_t deadline_ns) {
    void (*ended)(kv_pending *) = p->ended;
    void *arg = p->arg;
    *p = (kv_pending){.function = c->function, .ended = ended, .arg = arg};
    buf_init(&p->payload, BYTES_MAX);
    buf_init(&p->bytes, BYTES_MAX);
    arena_init(&p->memory, BYTES_MAX);
    CHECK(keyvalue_call_encode(c, &p->payload, NULL) == STATUS_OK);
    p->call = (driver_call){.interface = slice_from_text(keyvalue_interface_name(c->function)),
                            .function = slice_from_text(keyvalue_function_name(c->function)),
                            .payload = buf_slice(&p->payload),
                            .deadline_ns = deadline_ns,
                            .end = on_end,
                            .host = p};
    k->d->call(k->link, &p->call);
}

void kv_pending_done(kv_pending *p) {
    buf_done(&p->payload);
    buf_done(&p->bytes);
    arena_done(&p->memory);
}

void kv_wait(kv *k, kv_pending *p) {
    while (!p->is_done) {
        kv_turn(k);
    }
}

void kv_call(kv *k, const keyvalue_call *c, kv_pending *ret) {
    ret->ended = NULL;
    kv_begin(k, ret, c, UINT64_MAX);
    kv_wait(k, ret);
}

static void show(const keyvalue_call *c, const kv_pending *p) {
    printf("    %s of \"%.*s\": %s %s%.*s\n", keyvalue_function_name(c->function), SLICE_ARG(c->key),
           status_name(p->code), p->message, SLICE_ARG(p->answer.message));
}

// Whether it went well; `*ret` is to be freed.
static bool do_call(kv *k, const keyvalue_call *c, kv_pending *ret) {
    kv_call(k, c, ret);
    bool ok = ret->code == STATUS_OK && !ret->answer.is_error;
    if (!ok) {
        show(c, ret);
    }
    return ok;
}

bool kv_do(kv *k, const keyvalue_call *c) {
    kv_pending p;
    bool ok = do_call(k, c, &p);
    kv_pending_done(&p);
    return ok;
}

bool kv_set(kv *k, const char *bucket, const char *key, const char *value) {
    keyvalue_call c = kv_key_call(KEYVALUE_SET, bucket, key);
    c.value = slice_from_text(value);
    return kv_do(k, &c);
}

bool kv_delete(kv *k, const char *bucket, const char *key) {
    keyvalue_call c = kv_key_call(KEYVALUE_DELETE, bucket, key);
    return kv_do(k, &c);
}

bool kv_is(kv *k, const char *bucket, const char *key, const char *value) {
    keyvalue_call c = kv_key_call(KEYVALUE_GET, bucket, key);
    kv_pending p;
    bool ok = do_call(k, &c, &p) && p.answer.is_there == (value != NULL) &&
              (value == NULL || slice_equal_text(p.answer.value, value));
    if (!ok) {
        printf("    the value of \"%s\" is \"%.*s\"\n", key, SLICE_ARG(p.answer.value));
    }
    kv_pending_done(&p);
    return ok;
}

bool kv_exists(kv *k, const char *bucket, const char *key) {
    keyvalue_call c = kv_key_call(KEYVALUE_EXISTS, bucket, key);
    kv_pending p;
    bool is_there = do_call(k, &c, &p) && p.answer.is_there;
    kv_pending_done(&p);
    return is_there;
}

static bool add(kv *k, keyvalue_call *c, uint64_t delta, uint64_t expected) {
    kv_pending p;
    c->delta = delta;
    bool ok = do_call(k, c, &p) && p.answer.number == expected;
    kv_pending_done(&p);
    return ok;
}

bool kv_add(kv *k, const char *bucket, const char *key, uint64_t delta, uint64_t expected) {
    keyvalue_call c = kv_key_call(KEYVALUE_INCREMENT, bucket, key);
    return add(k, &c, delta, expected);
}

bool kv_add_signed(kv *k, const char *bucket, const char *key, int64_t delta, int64_t expected) {
    keyvalue_call c = kv_key_call(KEYVALUE_INCREMENT_SIGNED, bucket, key);
    return add(k, &c, (uint64_t)delta, (uint64_t)expected);
}

bool kv_is_error(kv *k, const keyvalue_call *c, keyvalue_error error, const char *part) {
    kv_pending p;
    kv_call(k, c, &p);
    char text[600];
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(p.answer.message));
    bool ok =
        p.code == STATUS_OK && p.answer.is_error && p.answer.error == error && strstr(text, part) != NULL;
    if (!ok) {
        show(c, &p);
    }
    kv_pending_done(&p);
    return ok;
}

int kv_swap(kv *k, const char *bucket, const char *key, const char *expected, const char *value) {
    keyvalue_call c = kv_key_call(KEYVALUE_COMPARE_AND_SWAP, bucket, key);
    c.has_expected = expected != NULL;
    c.expected = slice_from_text(expected);
    c.value = slice_from_text(value);
    kv_pending p;
    int result = do_call(k, &c, &p) ? p.answer.is_there : -1;
    kv_pending_done(&p);
    return result;
}
