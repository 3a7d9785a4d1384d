// SPDX-License-Identifier: Apache-2.0
// wasi:random. The insecure functions promise less and get the same: the kernel's bytes are cheap enough, and
// a weaker source is one more thing to be wrong.
#include "capability/wasi.h"
#include "wasi/random_insecure.h"
#include "wasi/random_insecure_seed.h"
#include "wasi/random_random.h"

static status random_bytes(host_call *call, uint64_t len, slice *ret, err *e) {
    wasi_instance *i = wasi_of(call);
    uint32_t max = i->workload->limits.random_bytes_max;
    if (len > max) {
        i->counters.limits_hit++;
        return err_set(e, STATUS_TRAP, "the guest asked for %llu random bytes; the limit of one call is %u",
                       (unsigned long long)len, max);
    }
    uint8_t *bytes = len <= WASI_SCRATCH_BYTES ? wasi_instance_scratch(i)
                                               : arena_alloc(host_call_arena(call), (size_t)len);
    if (bytes == NULL) {
        return err_set(e, STATUS_TRAP, "%llu random bytes need more memory than a call may use",
                       (unsigned long long)len);
    }
    i->random->fill(i->random->context, bytes, (size_t)len);
    *ret = slice_of(bytes, (size_t)len);
    return STATUS_OK;
}

static uint64_t random_number(host_call *call) {
    const wasi_random *source = wasi_of(call)->random;
    uint64_t number;
    source->fill(source->context, &number, sizeof number);
    return number;
}

status wasi_random_random_get_random_bytes(host_call *call, uint64_t len, slice *ret, err *e) {
    return random_bytes(call, len, ret, e);
}

status wasi_random_random_get_random_u64(host_call *call, uint64_t *ret, err *e) {
    (void)e;
    *ret = random_number(call);
    return STATUS_OK;
}

status wasi_random_insecure_get_insecure_random_bytes(host_call *call, uint64_t len, slice *ret, err *e) {
    return random_bytes(call, len, ret, e);
}

status wasi_random_insecure_get_insecure_random_u64(host_call *call, uint64_t *ret, err *e) {
    (void)e;
    *ret = random_number(call);
    return STATUS_OK;
}

status wasi_random_insecure_seed_insecure_seed(host_call *call, wasi_random_insecure_seed_tuple_u64_u64 *ret,
                                               err *e) {
    (void)e;
    ret->f0 = random_number(call);
    ret->f1 = random_number(call);
    return STATUS_OK;
}
