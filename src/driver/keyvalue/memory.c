// SPDX-License-Identifier: Apache-2.0
// Key-value in this process's memory. A hash table, and a list in the order of making for list-keys: its
// cursor is the number of the last key that was listed, so that keys which come and go do not disturb it.
#include "base/mem.h"
#include "base/siphash.h"
#include "driver/keyvalue/keyvalue.h"
#include "os/random.h"

enum { CHAINS_AT_FIRST = 64, ENTRY_BYTES = 128 };

typedef struct entry {
    struct entry *next; // in its chain
    list_node node;     // of all
    uint64_t number;    // grows
    uint64_t hash;
    size_t bucket_len, key_len, value_len;
    uint8_t *value;
    uint8_t name[]; // bucket and key
} entry;

struct driver_link {
    loop *l;
    keyvalue_limits limits;
    uint64_t total_max;
    uint64_t total; // bytes
    siphash_key secret;
    entry **chains;
    size_t chain_count;
    size_t count;
    list_node entries;
    uint64_t next_number;
    uint64_t since_ns;
    void (*on_closed)(void *arg);
    void *arg;
    loop_soon closed;
};

// --- the table ---------------------------------------------------------------------------------------------

static uint64_t hash_of(const driver_link *k, slice bucket, slice key) {
    return siphash(k->secret, key) ^ siphash(k->secret, bucket) * 3;
}

static entry **find(driver_link *k, slice bucket, slice key) {
    uint64_t hash = hash_of(k, bucket, key);
    entry **at = &k->chains[hash & (k->chain_count - 1)];
    for (; *at != NULL; at = &(*at)->next) {
        if ((*at)->hash == hash && slice_equal(slice_of((*at)->name, (*at)->bucket_len), bucket) &&
            slice_equal(slice_of((*at)->name + (*at)->bucket_len, (*at)->key_len), key)) {
            break;
        }
    }
    return at;
}

static size_t size_of(size_t bucket_len, size_t key_len, size_t value_len) {
    return ENTRY_BYTES + bucket_len + key_len + value_len;
}

static void grow(driver_link *k) {
    if (k->count < k->chain_count) {
        return;
    }
    size_t count = k->chain_count * 2;
    entry **chains = mem_calloc(count, sizeof(entry *));
    for (list_node *n = k->entries.next; n != &k->entries; n = n->next) {
        entry *x = LIST_ENTRY(n, entry, node);
        x->next = chains[x->hash & (count - 1)];
        chains[x->hash & (count - 1)] = x;
    }
    mem_free(k->chains);
    k->chains = chains;
    k->chain_count = count;
}

static void erase(driver_link *k, slice bucket, slice key) {
    entry **at = find(k, bucket, key);
    entry *x = *at;
    if (x != NULL) {
        *at = x->next;
        list_remove(&x->node);
        k->count--;
        k->total -= size_of(x->bucket_len, x->key_len, x->value_len);
        mem_free(x->value);
        mem_free(x);
    }
}

static void add(driver_link *k, slice bucket, slice key) {
    grow(k);
    entry *x = mem_zalloc(sizeof *x + bucket.len + key.len);
    entry **chain = find(k, bucket, key);
    x->number = k->next_number++;
    x->hash = hash_of(k, bucket, key);
    x->bucket_len = bucket.len;
    x->key_len = key.len;
    if (bucket.len > 0) {
        memcpy(x->name, bucket.data, bucket.len);
    }
    memcpy(x->name + bucket.len, key.data, key.len);
    list_push_back(&k->entries, &x->node);
    *chain = x;
    k->count++;
    k->total += size_of(bucket.len, key.len, 0);
}

static void put(driver_link *k, slice bucket, slice key, slice value) {
    if (*find(k, bucket, key) == NULL) {
        add(k, bucket, key);
    }
    entry *x = *find(k, bucket, key);
    k->total += value.len - x->value_len; // wraps back when it shrinks
    mem_free(x->value);
    x->value = mem_alloc(value.len + 1);
    x->value_len = value.len;
    if (value.len > 0) {
        memcpy(x->value, value.data, value.len);
    }
}

// Whether `bytes` more would be too many; answers then.
static bool is_full(driver_link *k, keyvalue_request *q, size_t bytes) {
    if (bytes <= k->total_max - (k->total < k->total_max ? k->total : k->total_max)) {
        return false;
    }
    keyvalue_reply_other(q, "the store is full");
    return true;
}

// --- the functions -----------------------------------------------------------------------------------------

static void do_increment(driver_link *k, keyvalue_request *q, const entry *x) {
    const keyvalue_call *c = &q->call;
    int64_t before = 0;
    int64_t sum = 0;
    const char *problem = NULL;
    if (x != NULL && !keyvalue_number_read(slice_of(x->value, x->value_len), &before)) {
        problem = "the value is not a number";
    } else if (keyvalue_add(c->function, before, c->delta, &sum, &problem) &&
               c->function == KEYVALUE_INCREMENT && sum < 0) {
        problem = "the number is below 0";
    }
    if (problem != NULL) {
        keyvalue_reply_other(q, "%s", problem);
        return;
    }
    char text[KEYVALUE_NUMBER_BYTES_MAX + 1];
    put(k, c->bucket, c->key, keyvalue_number_write(sum, text));
    keyvalue_reply(q, &(keyvalue_answer){.number = (uint64_t)sum});
}

static void do_swap(driver_link *k, keyvalue_request *q, const entry *x) {
    const keyvalue_call *c = &q->call;
    bool is_same =
        c->has_expected ? x != NULL && slice_equal(slice_of(x->value, x->value_len), c->expected) : x == NULL;
    if (is_same) {
        put(k, c->bucket, c->key, c->value);
    }
    keyvalue_reply(q, &(keyvalue_answer){.is_there = is_same});
}

static void do_list(driver_link *k, keyvalue_request *q) {
    const keyvalue_call *c = &q->call;
    keyvalue_item *items = ARENA_ARRAY(&q->memory, keyvalue_item, KEYVALUE_PAGE_KEYS_MAX);
    keyvalue_answer a = {.items = items};
    for (list_node *n = k->entries.next; n != &k->entries && items != NULL; n = n->next) {
        const entry *x = LIST_ENTRY(n, entry, node);
        if ((c->has_cursor && x->number <= c->cursor) ||
            !slice_equal(slice_of(x->name, x->bucket_len), c->bucket)) {
            continue;
        }
        if (a.count == KEYVALUE_PAGE_KEYS_MAX) {
            a.has_cursor = true;
            break;
        }
        items[a.count++].key = slice_of(x->name + x->bucket_len, x->key_len);
        a.cursor = x->number;
    }
    keyvalue_reply(q, &a);
}

static void do_many(driver_link *k, keyvalue_request *q) {
    const keyvalue_call *c = &q->call;
    keyvalue_item *items = ARENA_ARRAY(&q->memory, keyvalue_item, c->count);
    size_t bytes = 0;
    for (size_t i = 0; i < c->count; i++) {
        bytes += size_of(c->bucket.len, c->items[i].key.len, c->items[i].value.len);
    }
    if (items == NULL) {
        keyvalue_fail(q, STATUS_LIMIT, "no memory for %zu keys", c->count);
        return;
    }
    if (c->function == KEYVALUE_SET_MANY && is_full(k, q, bytes)) {
        return;
    }
    for (size_t i = 0; i < c->count; i++) {
        items[i].key = c->items[i].key;
        if (c->function == KEYVALUE_SET_MANY) {
            put(k, c->bucket, items[i].key, c->items[i].value);
        } else if (c->function == KEYVALUE_DELETE_MANY) {
            erase(k, c->bucket, items[i].key);
        } else {
            const entry *x = *find(k, c->bucket, items[i].key);
            items[i].is_there = x != NULL;
            items[i].value = x == NULL ? slice_empty() : slice_of(x->value, x->value_len);
        }
    }
    keyvalue_reply(q, &(keyvalue_answer){.items = items, .count = c->count});
}

static void do_call(driver_link *k, keyvalue_request *q) {
    const keyvalue_call *c = &q->call;
    if (c->function == KEYVALUE_LIST_KEYS) {
        do_list(k, q);
        return;
    }
    if (c->function >= KEYVALUE_GET_MANY) {
        do_many(k, q);
        return;
    }
    if (!keyvalue_is_read(c->function) && c->function != KEYVALUE_DELETE &&
        is_full(k, q, size_of(c->bucket.len, c->key.len, c->value.len + KEYVALUE_NUMBER_BYTES_MAX))) {
        return;
    }
    const entry *x = *find(k, c->bucket, c->key);
    keyvalue_answer a = {.is_there = x != NULL};
    switch (c->function) {
    case KEYVALUE_GET:
        a.value = x == NULL ? slice_empty() : slice_of(x->value, x->value_len);
        break;
    case KEYVALUE_SET:
        put(k, c->bucket, c->key, c->value);
        break;
    case KEYVALUE_DELETE:
        erase(k, c->bucket, c->key);
        break;
    case KEYVALUE_INCREMENT:
    case KEYVALUE_INCREMENT_SIGNED:
        do_increment(k, q, x);
        return;
    case KEYVALUE_COMPARE_AND_SWAP:
        do_swap(k, q, x);
        return;
    default:
        break;
    }
    keyvalue_reply(q, &a);
}

// --- the driver --------------------------------------------------------------------------------------------

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    void (*on_closed)(void *) = k->on_closed;
    void *on_closed_arg = k->arg;
    mem_free(k);
    on_closed(on_closed_arg);
}

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    driver_link *k = MEM_NEW(driver_link);
    k->total_max = 64 << 20;
    status code = keyvalue_limits_read(&options->settings, &k->limits, e);
    if (code == STATUS_OK) {
        code = driver_values_number(&options->settings, "total-bytes-max", 1, 1ull << 40, &k->total_max, e);
    }
    code = code == STATUS_OK ? keyvalue_watch_open(env, options, &k->limits, e) : code;
    if (code != STATUS_OK) {
        keyvalue_limits_done(&k->limits);
        mem_free(k);
        return code;
    }
    k->l = env->l;
    random_fill(&k->secret, sizeof k->secret);
    k->chain_count = CHAINS_AT_FIRST;
    k->chains = mem_calloc(k->chain_count, sizeof *k->chains);
    list_init(&k->entries);
    k->next_number = 1;
    k->since_ns = loop_now_ns(env->l);
    k->on_closed = options->on_closed;
    k->arg = options->arg;
    loop_soon_init(&k->closed, on_closed_soon, k);
    *ret = k;
    return STATUS_OK;
}

static void link_close(driver_link *k) {
    while (!list_empty(&k->entries)) {
        entry *x = LIST_ENTRY(list_pop_front(&k->entries), entry, node);
        mem_free(x->value);
        mem_free(x);
    }
    mem_free(k->chains);
    keyvalue_limits_done(&k->limits);
    loop_soon_add(k->l, &k->closed);
}

static void call(driver_link *k, driver_call *c) {
    keyvalue_request *q = keyvalue_receive(c, &k->limits);
    if (q != NULL) {
        do_call(k, q);
    }
}

static void cancel(driver_link *k, driver_call *c) { // all are answered at once
    (void)k;
    (void)c;
}

static void health(const driver_link *k, driver_health *ret) {
    *ret = (driver_health){.state = DRIVER_UP, .since_ns = k->since_ns, .next_try_ns = UINT64_MAX};
}

static const driver_setting settings[] = {
    KEYVALUE_SETTINGS,
    {"total-bytes-max", "all keys and values together, in bytes; default 67108864", false, false},
    {NULL, NULL, false, false},
};

const driver keyvalue_memory = {
    .version = DRIVER_VERSION,
    .name = "memory",
    .interfaces = keyvalue_interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
};
