// SPDX-License-Identifier: Apache-2.0
// Statements behind tokens. A token is made of the hash of the text, so that one that is still held by
// somebody never comes to mean another statement, also not after the process was replaced.
#include "base/list.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "driver/sql/sql.h"

static const char prefix[] = "prepared-statement-";
enum { PREFIX_BYTES = sizeof prefix - 1, HEX_BYTES = SQL_TOKEN_BYTES - PREFIX_BYTES, CHAINS = 256 };

typedef struct entry {
    list_node chain;
    list_node use; // the least used first
    uint8_t hash[HASH_BYTES];
    slice text; // behind this
} entry;

struct sql_statements {
    list_node chains[CHAINS];
    list_node uses;
    size_t count;
    size_t max;
};

sql_statements *sql_statements_new(size_t max) {
    sql_statements *s = MEM_NEW(sql_statements);
    for (size_t i = 0; i < CHAINS; i++) {
        list_init(&s->chains[i]);
    }
    list_init(&s->uses);
    s->max = max;
    return s;
}

static void drop(sql_statements *s, entry *x) {
    list_remove(&x->chain);
    list_remove(&x->use);
    s->count--;
    mem_free(x);
}

void sql_statements_free(sql_statements *s) {
    if (s == NULL) {
        return;
    }
    while (!list_empty(&s->uses)) {
        drop(s, LIST_ENTRY(s->uses.next, entry, use));
    }
    mem_free(s);
}

// By the bytes that are in a token.
static entry *find(sql_statements *s, const uint8_t hash[HASH_BYTES]) {
    list_node *chain = &s->chains[hash[0] % CHAINS];
    for (list_node *n = chain->next; n != chain; n = n->next) {
        entry *x = LIST_ENTRY(n, entry, chain);
        if (memcmp(x->hash, hash, HEX_BYTES / 2) == 0) {
            list_remove(&x->use);
            list_push_back(&s->uses, &x->use);
            return x;
        }
    }
    return NULL;
}

void sql_statements_add(sql_statements *s, slice text, char ret[SQL_TOKEN_BYTES + 1]) {
    uint8_t hash[HASH_BYTES];
    char hex[HASH_HEX_BYTES];
    hash_sha256(&text, 1, hash);
    hash_hex(hash, hex);
    memcpy(ret, prefix, PREFIX_BYTES);
    memcpy(ret + PREFIX_BYTES, hex, HEX_BYTES);
    ret[SQL_TOKEN_BYTES] = '\0';
    if (find(s, hash) != NULL) {
        return;
    }
    if (s->count >= s->max) {
        drop(s, LIST_ENTRY(s->uses.next, entry, use));
    }
    entry *x = mem_zalloc(sizeof *x + text.len);
    memcpy(x->hash, hash, HASH_BYTES);
    if (text.len > 0) {
        memcpy(x + 1, text.data, text.len);
    }
    x->text = slice_of(x + 1, text.len);
    list_push_back(&s->chains[hash[0] % CHAINS], &x->chain);
    list_push_back(&s->uses, &x->use);
    s->count++;
}

status sql_statements_find(sql_statements *s, slice token, arena *a, slice *ret) {
    uint8_t hash[HASH_BYTES];
    char hex[HASH_HEX_BYTES];
    memset(hex, '0', sizeof hex);
    if (token.len != SQL_TOKEN_BYTES || !slice_starts_with(token, prefix)) {
        return STATUS_NOT_FOUND;
    }
    memcpy(hex, token.data + PREFIX_BYTES, HEX_BYTES);
    if (!hash_from_hex(slice_of(hex, HASH_HEX_BYTES - 1), HASH_LOWER_CASE, hash)) {
        return STATUS_NOT_FOUND;
    }
    const entry *x = find(s, hash);
    if (x == NULL) {
        return STATUS_NOT_FOUND;
    }
    slice copy = arena_copy(a, x->text);
    if (copy.data == NULL && copy.len > 0) {
        return STATUS_LIMIT;
    }
    *ret = copy;
    return STATUS_OK;
}
