// SPDX-License-Identifier: Apache-2.0
// wasi:config: what the manifest, or whoever operates the workload, says to it. Nothing here can fail: a
// workload without configuration has an empty one.
#include "capability/wasi.h"
#include "wasi/config_runtime.h"
#include "wasi/config_store.h"

static const wasi_config *config_of(host_call *call) {
    static const wasi_config none = {0};
    const wasi_config *config = wasi_of(call)->workload->config;
    return config != NULL ? config : &none;
}

static bool find(host_call *call, slice key, slice *ret) {
    const wasi_config *config = config_of(call);
    for (size_t i = 0; i < config->count; i++) {
        if (slice_equal(config->items[i].name, key)) {
            *ret = config->items[i].value;
            return true;
        }
    }
    return false;
}

status wasi_config_store_get(host_call *call, slice key, wasi_config_store_result_option_string_error *ret,
                             err *e) {
    (void)e;
    ret->ok.some = find(call, key, &ret->ok.value);
    return STATUS_OK;
}

status wasi_config_store_get_all(host_call *call,
                                 wasi_config_store_result_list_tuple_string_string_error *ret, err *e) {
    const wasi_config *config = config_of(call);
    wasi_config_store_tuple_string_string *items =
        ARENA_ARRAY(host_call_arena(call), wasi_config_store_tuple_string_string, config->count);
    if (items == NULL) {
        return err_set(e, STATUS_TRAP, "a configuration of %zu values is more than one call may use",
                       config->count);
    }
    for (size_t i = 0; i < config->count; i++) {
        items[i] = (wasi_config_store_tuple_string_string){config->items[i].name, config->items[i].value};
    }
    ret->ok.items = items;
    ret->ok.count = config->count;
    return STATUS_OK;
}

// --- under its older name ----------------------------------------------------------------------------------

status wasi_config_runtime_get(host_call *call, slice key,
                               wasi_config_runtime_result_option_string_config_error *ret, err *e) {
    (void)e;
    ret->ok.some = find(call, key, &ret->ok.value);
    return STATUS_OK;
}

status wasi_config_runtime_get_all(host_call *call,
                                   wasi_config_runtime_result_list_tuple_string_string_config_error *ret,
                                   err *e) {
    wasi_config_store_result_list_tuple_string_string_error all = {0};
    TRY(wasi_config_store_get_all(call, &all, e));
    _Static_assert(sizeof(wasi_config_runtime_tuple_string_string) ==
                       sizeof(wasi_config_store_tuple_string_string),
                   "two names of one record");
    ret->ok.items = (void *)all.ok.items;
    ret->ok.count = all.ok.count;
    return STATUS_OK;
}
