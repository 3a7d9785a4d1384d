// SPDX-License-Identifier: Apache-2.0
// What one instance makes the host keep for its messages. Lists of fields and bodies may outlive the instance
// (a response that is still being sent), so the account is counted.
#include "base/check.h"
#include "base/mem.h"
#include "capability/http/http_internal.h"

static void free_account(void *state) { http_account_unref(state); }

http_account *http_account_of(wasi_instance *i) {
    if (i->slots[WASI_SLOT_HTTP].state == NULL) {
        http_account *a = MEM_NEW(http_account);
        a->refs = 1;
        list_init(&a->calls);
        i->slots[WASI_SLOT_HTTP].state = a;
        i->slots[WASI_SLOT_HTTP].free = free_account;
    }
    return i->slots[WASI_SLOT_HTTP].state;
}

http_account *http_account_ref(http_account *a) {
    a->refs++;
    return a;
}

void http_account_unref(http_account *a) {
    if (--a->refs == 0) {
        mem_free(a);
    }
}

size_t http_account_left(const http_account *a) { return HTTP_MESSAGES_BYTES_MAX - a->bytes; }

bool http_account_charge(http_account *a, size_t bytes) {
    if (bytes > http_account_left(a)) {
        return false;
    }
    a->bytes += bytes;
    return true;
}

void http_account_refund(http_account *a, size_t bytes) {
    CHECK(bytes <= a->bytes);
    a->bytes -= bytes;
}
