// SPDX-License-Identifier: Apache-2.0
// wasmcloud:secrets. `get` looks among the names of this workload alone, so that it cannot tell what others
// have; a `secret` is a name, and only `reveal` fetches a value: that of now, also after a rotation.
#include "capability/secrets.h"

#include "base/mem.h"
#include "wasmcloud/secrets_reveal.h"
#include "wasmcloud/secrets_store.h"

struct wasmcloud_secrets_store_secret {
    wasi_resource base;
    size_t len;
    uint8_t name[WASI_SECRET_NAME_BYTES_MAX];
};

static void secret_free_resource(wasi_resource *r) { mem_free(r); }

static const wasi_resource_ops secret_ops = {.free = secret_free_resource};

static bool is_granted(const wasi_secrets *s, slice name) {
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        if (slice_equal(s->names[i], name)) {
            return name.len <= WASI_SECRET_NAME_BYTES_MAX;
        }
    }
    return false;
}

status wasmcloud_secrets_store_get(host_call *call, slice key,
                                   wasmcloud_secrets_store_result_secret_secrets_error *ret, err *e) {
    wasi_instance *i = wasi_of(call);
    if (!is_granted(i->workload->secrets, key)) {
        ret->is_err = true;
        ret->err.tag = WASMCLOUD_SECRETS_STORE_SECRETS_ERROR_NOT_FOUND;
        return STATUS_OK;
    }
    wasmcloud_secrets_store_secret *s =
        WASI_NEW(i, wasmcloud_secrets_store_secret, &secret_ops, WASI_CLASS_OTHER, NULL, e);
    if (s == NULL) {
        return STATUS_TRAP;
    }
    s->len = key.len;
    memcpy(s->name, key.data, key.len);
    ret->ok = s;
    return STATUS_OK;
}

void wasmcloud_secrets_store_secret_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(rep);
}

// --- reveal -----------------------------------------------------------------------------------------------

static void free_value(void *arg) { secret_value_free(arg); }

// reveal has no errors of its own, so what goes wrong is a trap.
static status trap(const wasi_workload *w, slice name, const char *why, err *e) {
    return err_set(e, STATUS_TRAP, "the secret %.*s of workload %.*s %s", SLICE_ARG(name), SLICE_ARG(w->name),
                   why);
}

static status trap_for(const wasi_workload *w, slice name, const err *why, err *e) {
    if (why->code == STATUS_CANCELLED) {
        return err_set(e, STATUS_CANCELLED, "%s", why->message);
    }
    return err_set(e, STATUS_TRAP, "the secret %.*s of workload %.*s cannot be revealed: %s", SLICE_ARG(name),
                   SLICE_ARG(w->name), why->message);
}

// A place for a value that is wiped when this host function returns, by then the glue has copied it.
static status new_place(host_call *call, secret_value **ret, err *e) {
    secret_value *v = ARENA_NEW(host_call_arena(call), secret_value);
    if (v == NULL || !arena_defer(host_call_arena(call), free_value, v)) {
        return err_set(e, STATUS_TRAP, "no memory for a secret");
    }
    *ret = v;
    return STATUS_OK;
}

status wasmcloud_secrets_reveal_reveal(host_call *call, wasmcloud_secrets_store_secret *s,
                                       wasmcloud_secrets_store_secret_value *ret, err *e) {
    const wasi_workload *w = wasi_of(call)->workload;
    slice name = slice_of(s->name, s->len);
    secret_value *v;
    err why = {0};
    if (!is_granted(w->secrets, name)) {
        return trap(w, name, "is not granted any more", e);
    }
    TRY(new_place(call, &v, e));
    status got = w->secrets->reveal(w->secrets->context, call, name, v, &why);
    if (got != STATUS_OK) {
        why.code = got;
        return trap_for(w, name, &why, e);
    }
    slice value = secret_slice(&v->bytes); // text is checked when it is lowered
    ret->tag = v->kind == SECRET_TEXT ? WASMCLOUD_SECRETS_STORE_SECRET_VALUE_STRING
                                      : WASMCLOUD_SECRETS_STORE_SECRET_VALUE_BYTES;
    *(v->kind == SECRET_TEXT ? &ret->of.string : &ret->of.bytes) = value;
    return STATUS_OK;
}
