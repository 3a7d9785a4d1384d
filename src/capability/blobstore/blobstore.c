// SPDX-License-Identifier: Apache-2.0
// Containers, and what all functions share: calls, errors, the account of memory.
#include "base/buf.h"
#include "base/mem.h"
#include "capability/blobstore/blobstore_internal.h"

typedef wasi_blobstore_container_container container;

// --- calls -------------------------------------------------------------------------------------------------

static slice interface_name(void) { return slice_from_text(BLOBSTORE_INTERFACE); }
static slice name_of_link(const blob_link *l) { return slice_of(l->name, l->name_len); }

status blob_link_chosen(host_call *call, blob_link *ret, err *e) {
    const wasi_link *l;
    TRY(wasi_link_of(call, interface_name(), &l, e));
    if (l->name.len > sizeof ret->name) {
        return err_set(e, STATUS_LIMIT, "the name of the link is too long");
    }
    ret->name_len = l->name.len;
    if (l->name.len > 0) {
        memcpy(ret->name, l->name.data, l->name.len);
    }
    return STATUS_OK;
}

slice blob_error_text(host_call *call, const char *text) {
    return arena_copy(host_call_arena(call), slice_from_text(text));
}

static status exchange(host_call *call, const blob_link *l, const blobstore_call *c, blobstore_answer *ret,
                       err *e) {
    const wasi_link *link;
    auto_buf payload;
    slice answer;
    buf_init(&payload, BLOBSTORE_CALL_BYTES_MAX);
    TRY(wasi_link_find_named(wasi_of(call), interface_name(), name_of_link(l), &link, e));
    TRY(blobstore_call_encode(c, &payload, e));
    slice function = slice_from_text(blobstore_function_name(c->function));
    TRY(wasi_link_call(call, link, function, buf_slice(&payload), &answer, e));
    return blobstore_answer_decode(c, answer, host_call_arena(call), ret, e);
}

status blob_call(host_call *call, const blob_link *l, const blobstore_call *c, blobstore_answer *ret,
                 bool *ret_is_error, slice *ret_error, err *e) {
    err why;
    *ret = (blobstore_answer){0};
    status s = exchange(call, l, c, ret, &why);
    if (s == STATUS_CANCELLED) {
        return err_set(e, s, "%s", why.message);
    }
    *ret_is_error = s != STATUS_OK || ret->is_error;
    if (*ret_is_error) {
        *ret_error = s != STATUS_OK ? blob_error_text(call, why.message) : ret->message;
    }
    return STATUS_OK;
}

status blob_start(wasi_instance *i, const blob_link *l, const blobstore_call *c, rpc_call *pending,
                  rpc_ended ended, void *arg, err *e) {
    const wasi_link *link;
    auto_buf payload;
    buf_init(&payload, BLOBSTORE_CALL_BYTES_MAX);
    if (c->bytes.len > 0 && i->workload->links->share->bytes + c->bytes.len > BLOB_ON_THE_WAY_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "too many parts of objects are on their way");
    }
    TRY(wasi_link_find_named(i, interface_name(), name_of_link(l), &link, e));
    TRY(blobstore_call_encode(c, &payload, e));
    *pending = (rpc_call){0};
    return wasi_link_start(i, link, slice_from_text(blobstore_function_name(c->function)),
                           buf_slice(&payload), pending, ended, arg, e);
}

// --- the account -------------------------------------------------------------------------------------------

static size_t *account_of(wasi_instance *i) {
    if (i->slots[WASI_SLOT_BLOBSTORE].state == NULL) {
        i->slots[WASI_SLOT_BLOBSTORE].state = MEM_NEW(size_t);
        i->slots[WASI_SLOT_BLOBSTORE].free = mem_free;
    }
    return i->slots[WASI_SLOT_BLOBSTORE].state;
}

size_t blob_account_take(wasi_instance *i, size_t wanted, size_t *ret_charged) {
    size_t *used = account_of(i);
    *ret_charged = 0;
    if (wanted <= BLOB_SMALL_PART_BYTES) {
        return wanted;
    }
    if (wanted > BLOB_ACCOUNT_BYTES_MAX - *used) {
        return BLOB_SMALL_PART_BYTES;
    }
    *used += wanted;
    *ret_charged = wanted;
    return wanted;
}

void blob_account_give(wasi_instance *i, size_t charged) { *account_of(i) -= charged; }

// --- wasi:blobstore/blobstore ------------------------------------------------------------------------------

static void free_container(wasi_resource *r) {
    container *c = (container *)(void *)r;
    mem_free(c->name);
    mem_free(c);
}

static const wasi_resource_ops container_ops = {.free = free_container};

void wasi_blobstore_container_container_drop(void *context, void *rep) {
    (void)context;
    wasi_resource_drop(&((container *)rep)->base);
}

static blobstore_call about(const container *c, blobstore_function f) {
    return (blobstore_call){.function = f, .container = slice_from_text(c->name)};
}

// Asks with `f` for a container of that name; `*ret_is_there` is what the answer says.
static status ask(host_call *call, slice name, blobstore_function f, blob_link *ret_link, bool *ret_is_there,
                  bool *ret_is_error, slice *ret_error, err *e) {
    err why;
    blobstore_answer a;
    const blobstore_call c = {.function = f, .container = name};
    *ret_is_there = false;
    if (blob_link_chosen(call, ret_link, &why) != STATUS_OK) {
        *ret_is_error = true;
        *ret_error = blob_error_text(call, why.message);
        return STATUS_OK;
    }
    TRY(blob_call(call, ret_link, &c, &a, ret_is_error, ret_error, e));
    *ret_is_there = a.is_there;
    return STATUS_OK;
}

static status open_container(host_call *call, slice name, blobstore_function f,
                             wasi_blobstore_blobstore_result_container_string *ret, err *e) {
    container opened = {.name = mem_slice_dup(name)}; // the guest's memory may change while it waits
    bool is_there;
    err why;
    status s = ask(call, name, f, &opened.link, &is_there, &ret->is_err, &ret->err, e);
    if (s == STATUS_OK && !ret->is_err && f == BLOBSTORE_CONTAINER_EXISTS && !is_there) {
        ret->is_err = true;
        ret->err = blob_error_text(call, blobstore_error_text(BLOBSTORE_NO_CONTAINER));
    }
    if (s != STATUS_OK || ret->is_err) {
        mem_free(opened.name);
        return s;
    }
    container *c = WASI_NEW(wasi_of(call), container, &container_ops, WASI_CLASS_OTHER, NULL, &why);
    if (c == NULL) {
        mem_free(opened.name);
        ret->is_err = true;
        ret->err = blob_error_text(call, why.message);
        return STATUS_OK;
    }
    c->link = opened.link;
    c->name = opened.name;
    ret->ok = c;
    return STATUS_OK;
}

status wasi_blobstore_blobstore_create_container(host_call *call, slice name,
                                                 wasi_blobstore_blobstore_result_container_string *ret,
                                                 err *e) {
    return open_container(call, name, BLOBSTORE_CREATE_CONTAINER, ret, e);
}

status wasi_blobstore_blobstore_get_container(host_call *call, slice name,
                                              wasi_blobstore_blobstore_result_container_string *ret, err *e) {
    return open_container(call, name, BLOBSTORE_CONTAINER_EXISTS, ret, e);
}

status wasi_blobstore_blobstore_delete_container(host_call *call, slice name,
                                                 wasi_blobstore_blobstore_result_void_string *ret, err *e) {
    blob_link l;
    bool ignored;
    return ask(call, name, BLOBSTORE_DELETE_CONTAINER, &l, &ignored, &ret->is_err, &ret->err, e);
}

status wasi_blobstore_blobstore_container_exists(host_call *call, slice name,
                                                 wasi_blobstore_blobstore_result_bool_string *ret, err *e) {
    blob_link l;
    bool is_there;
    TRY(ask(call, name, BLOBSTORE_CONTAINER_EXISTS, &l, &is_there, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = is_there;
    }
    return STATUS_OK;
}

static status copy_or_move(host_call *call, blobstore_function f, const wasi_blobstore_types_object_id *src,
                           const wasi_blobstore_types_object_id *dest,
                           wasi_blobstore_blobstore_result_void_string *ret, err *e) {
    blob_link l;
    blobstore_answer a;
    err why;
    const blobstore_call c = {.function = f,
                              .container = src->container,
                              .object = src->object,
                              .to_container = dest->container,
                              .to_object = dest->object};
    if (blob_link_chosen(call, &l, &why) != STATUS_OK) {
        ret->is_err = true;
        ret->err = blob_error_text(call, why.message);
        return STATUS_OK;
    }
    return blob_call(call, &l, &c, &a, &ret->is_err, &ret->err, e);
}

status wasi_blobstore_blobstore_copy_object(host_call *call, const wasi_blobstore_types_object_id *src,
                                            const wasi_blobstore_types_object_id *dest,
                                            wasi_blobstore_blobstore_result_void_string *ret, err *e) {
    return copy_or_move(call, BLOBSTORE_COPY, src, dest, ret, e);
}

status wasi_blobstore_blobstore_move_object(host_call *call, const wasi_blobstore_types_object_id *src,
                                            const wasi_blobstore_types_object_id *dest,
                                            wasi_blobstore_blobstore_result_void_string *ret, err *e) {
    return copy_or_move(call, BLOBSTORE_MOVE, src, dest, ret, e);
}

// --- wasi:blobstore/container ------------------------------------------------------------------------------

status wasi_blobstore_container_container_name(host_call *call, container *self,
                                               wasi_blobstore_container_result_string_string *ret, err *e) {
    (void)call, (void)e;
    ret->is_err = false;
    ret->ok = slice_from_text(self->name);
    return STATUS_OK;
}

status wasi_blobstore_container_container_info(host_call *call, container *self,
                                               wasi_blobstore_container_result_container_metadata_string *ret,
                                               err *e) {
    blobstore_answer a;
    const blobstore_call c = about(self, BLOBSTORE_CONTAINER_INFO);
    TRY(blob_call(call, &self->link, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = (wasi_blobstore_types_container_metadata){slice_from_text(self->name), a.created_at};
    }
    return STATUS_OK;
}

status wasi_blobstore_container_container_get_data(host_call *call, container *self, slice name,
                                                   uint64_t start, uint64_t end,
                                                   wasi_blobstore_container_result_incoming_value_string *ret,
                                                   err *e) {
    return blob_incoming_new(call, self, name, start, end, ret, e);
}

status wasi_blobstore_container_container_write_data(host_call *call, container *self, slice name,
                                                     wasi_blobstore_types_outgoing_value *data,
                                                     wasi_blobstore_container_result_void_string *ret,
                                                     err *e) {
    return blob_outgoing_begin(call, self, name, data, ret, e);
}

status wasi_blobstore_container_container_list_objects(
    host_call *call, container *self, wasi_blobstore_container_result_stream_object_names_string *ret,
    err *e) {
    return blob_names_new(call, self, ret, e);
}

status wasi_blobstore_container_container_delete_object(host_call *call, container *self, slice name,
                                                        wasi_blobstore_container_result_void_string *ret,
                                                        err *e) {
    blobstore_answer a;
    blobstore_call c = about(self, BLOBSTORE_DELETE_OBJECT);
    c.object = name;
    return blob_call(call, &self->link, &c, &a, &ret->is_err, &ret->err, e);
}

// As many calls as it takes, each of so many names that it cannot be too large.
status wasi_blobstore_container_container_delete_objects(host_call *call, container *self,
                                                         const wasi_blobstore_container_list_string *names,
                                                         wasi_blobstore_container_result_void_string *ret,
                                                         err *e) {
    blobstore_answer a;
    slice *copies = ARENA_ARRAY(host_call_arena(call), slice, names->count);
    for (size_t i = 0; copies != NULL && i < names->count; i++) { // they are the guest's, which will wait
        copies[i] = arena_copy(host_call_arena(call), names->items[i]);
        copies = copies[i].data == NULL && names->items[i].len > 0 ? NULL : copies;
    }
    if (copies == NULL) {
        return err_set(e, STATUS_TRAP, "%zu names are more than one call may use", names->count);
    }
    ret->is_err = false;
    for (size_t i = 0; !ret->is_err && (i < names->count || i == 0); i += BLOBSTORE_MANY_MAX) {
        blobstore_call c = about(self, BLOBSTORE_DELETE_OBJECTS);
        size_t left = names->count - i;
        c.names = copies + i;
        c.count = left < BLOBSTORE_MANY_MAX ? left : BLOBSTORE_MANY_MAX;
        TRY(blob_call(call, &self->link, &c, &a, &ret->is_err, &ret->err, e));
    }
    return STATUS_OK;
}

status wasi_blobstore_container_container_has_object(host_call *call, container *self, slice name,
                                                     wasi_blobstore_container_result_bool_string *ret,
                                                     err *e) {
    blobstore_answer a;
    blobstore_call c = about(self, BLOBSTORE_HAS_OBJECT);
    c.object = name;
    TRY(blob_call(call, &self->link, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = a.is_there;
    }
    return STATUS_OK;
}

status
wasi_blobstore_container_container_object_info(host_call *call, container *self, slice name,
                                               wasi_blobstore_container_result_object_metadata_string *ret,
                                               err *e) {
    blobstore_answer a;
    blobstore_call c = about(self, BLOBSTORE_OBJECT_INFO);
    c.object = arena_copy(host_call_arena(call), name); // goes back after the wait
    TRY(blob_call(call, &self->link, &c, &a, &ret->is_err, &ret->err, e));
    if (!ret->is_err) {
        ret->ok = (wasi_blobstore_types_object_metadata){
            .name = c.object, .container = c.container, .created_at = a.created_at, .size = a.size};
    }
    return STATUS_OK;
}

status wasi_blobstore_container_container_clear(host_call *call, container *self,
                                                wasi_blobstore_container_result_void_string *ret, err *e) {
    blobstore_answer a;
    const blobstore_call c = about(self, BLOBSTORE_CLEAR_CONTAINER);
    return blob_call(call, &self->link, &c, &a, &ret->is_err, &ret->err, e);
}
