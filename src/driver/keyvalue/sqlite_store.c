// SPDX-License-Identifier: Apache-2.0
#include "driver/keyvalue/sqlite_store.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/mem.h"
#include "os/private.h"

enum { PAGE_BYTES = 4096, WAL_PAGES = 1000, RUN_BYTES_MAX = 64 << 20 };

typedef enum statement { GET, HAS, PUT, ERASE, LIST, STATEMENT_COUNT } statement;

static const char *const texts[STATEMENT_COUNT] = {
    [GET] = "SELECT value FROM keyvalue WHERE bucket = ?1 AND key = ?2",
    [HAS] = "SELECT 1 FROM keyvalue WHERE bucket = ?1 AND key = ?2",
    [PUT] = ("INSERT INTO keyvalue (bucket, key, value) VALUES (?1, ?2, ?3)"
             " ON CONFLICT (bucket, key) DO UPDATE SET value = excluded.value"),
    [ERASE] = "DELETE FROM keyvalue WHERE bucket = ?1 AND key = ?2",
    [LIST] = "SELECT number, key FROM keyvalue WHERE bucket = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
};

// The index by bucket has the number as its last part: it is the order of list-keys.
static const char schema[] = "CREATE TABLE IF NOT EXISTS keyvalue ("
                             " number INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL,"
                             " value BLOB NOT NULL, UNIQUE (bucket, key)) STRICT;"
                             "CREATE INDEX IF NOT EXISTS keyvalue_by_bucket ON keyvalue (bucket);";

struct sqlite_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

// --- opening -----------------------------------------------------------------------------------------------

static status failed(const sqlite_store *s, int rc, const char *what, err *e) {
    const char *said = s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
    return err_set(e, rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? STATUS_INVALID : STATUS_IO, "%s: %s",
                   what, said);
}

static status set_up(sqlite_store *s, const sqlite_store_options *o, err *e) {
    char pragmas[512];
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA journal_mode = WAL;"
             "PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = %d; PRAGMA max_page_count = %llu;",
             o->syncs ? "FULL" : "NORMAL", WAL_PAGES,
             (unsigned long long)(o->total_bytes_max / PAGE_BYTES + 16));
    sqlite3_busy_timeout(s->db, (int)o->busy_ms_max);
    sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, KEYVALUE_VALUE_BYTES_MAX + (1 << 20));
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int rc = sqlite3_exec(s->db, pragmas, NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(s->db, schema, NULL, NULL, NULL);
    }
    for (int i = 0; rc == SQLITE_OK && i < STATEMENT_COUNT; i++) {
        rc = sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);
    }
    return rc == SQLITE_OK ? STATUS_OK : failed(s, rc, o->path, e);
}

status sqlite_store_open(const sqlite_store_options *o, sqlite_store **ret, err *e) {
    TRY(private_file_make(o->path, e)); // SQLite would make it readable for others
    sqlite_store *s = MEM_NEW(sqlite_store);
    int rc = sqlite3_open_v2(o->path, &s->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    status code = rc == SQLITE_OK ? set_up(s, o, e) : failed(s, rc, o->path, e);
    if (code != STATUS_OK) {
        sqlite_store_close(s);
        return code;
    }
    *ret = s;
    return STATUS_OK;
}

void sqlite_store_close(sqlite_store *s) {
    if (s != NULL) {
        for (int i = 0; i < STATEMENT_COUNT; i++) {
            sqlite3_finalize(s->statements[i]);
        }
        sqlite3_close(s->db);
        mem_free(s);
    }
}

// --- statements --------------------------------------------------------------------------------------------

static void bind_text(sqlite3_stmt *t, int at, slice text) {
    sqlite3_bind_text(t, at, text.len == 0 ? "" : (const char *)text.data, (int)text.len, SQLITE_STATIC);
}

static sqlite3_stmt *start(sqlite_store *s, statement which, slice bucket, slice key) {
    sqlite3_stmt *t = s->statements[which];
    bind_text(t, 1, bucket);
    bind_text(t, 2, key);
    return t;
}

static int finish(sqlite3_stmt *t, int rc) {
    sqlite3_reset(t);
    sqlite3_clear_bindings(t);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

// `*ret_there` says whether there is one; `*ret` is a copy in `a`.
static int get(sqlite_store *s, slice bucket, slice key, arena *a, bool *ret_there, slice *ret) {
    sqlite3_stmt *t = start(s, GET, bucket, key);
    int rc = sqlite3_step(t);
    *ret_there = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(t, 0);
        *ret = arena_copy(a, slice_of(bytes, (size_t)sqlite3_column_bytes(t, 0)));
        rc = ret->data == NULL && sqlite3_column_bytes(t, 0) > 0 ? SQLITE_NOMEM : rc;
    }
    return finish(t, rc);
}

static int has(sqlite_store *s, slice bucket, slice key, bool *ret) {
    sqlite3_stmt *t = start(s, HAS, bucket, key);
    int rc = sqlite3_step(t);
    *ret = rc == SQLITE_ROW;
    return finish(t, rc);
}

static int put(sqlite_store *s, slice bucket, slice key, slice value) {
    sqlite3_stmt *t = start(s, PUT, bucket, key);
    if (value.len == 0) {
        sqlite3_bind_zeroblob(t, 3, 0);
    } else {
        sqlite3_bind_blob(t, 3, value.data, (int)value.len, SQLITE_STATIC);
    }
    return finish(t, sqlite3_step(t));
}

static int erase(sqlite_store *s, slice bucket, slice key) {
    sqlite3_stmt *t = start(s, ERASE, bucket, key);
    return finish(t, sqlite3_step(t));
}

// --- the functions -----------------------------------------------------------------------------------------

static void answer_other(sqlite_outcome *o, const char *message) {
    o->answer =
        (keyvalue_answer){.is_error = true, .error = KEYVALUE_OTHER, .message = slice_from_text(message)};
}

static int increment(sqlite_store *s, const keyvalue_call *c, arena *a, sqlite_outcome *o) {
    bool is_there = false;
    slice value = slice_empty();
    int rc = get(s, c->bucket, c->key, a, &is_there, &value);
    if (rc != SQLITE_OK) {
        return rc;
    }
    int64_t before = 0;
    int64_t sum = 0;
    const char *problem = NULL;
    if (is_there && !keyvalue_number_read(value, &before)) {
        problem = "the value is not a number";
    } else if (keyvalue_add(c->function, before, c->delta, &sum, &problem) &&
               c->function == KEYVALUE_INCREMENT && sum < 0) {
        problem = "the number is below 0";
    }
    if (problem != NULL) {
        answer_other(o, problem);
        return SQLITE_OK;
    }
    char text[KEYVALUE_NUMBER_BYTES_MAX + 1];
    o->answer.number = (uint64_t)sum;
    return put(s, c->bucket, c->key, keyvalue_number_write(sum, text));
}

static int swap(sqlite_store *s, const keyvalue_call *c, arena *a, sqlite_outcome *o) {
    bool is_there = false;
    slice value = slice_empty();
    int rc = get(s, c->bucket, c->key, a, &is_there, &value);
    if (rc != SQLITE_OK) {
        return rc;
    }
    o->answer.is_there = is_there == c->has_expected && (!is_there || slice_equal(value, c->expected));
    return o->answer.is_there ? put(s, c->bucket, c->key, c->value) : SQLITE_OK;
}

static int list(sqlite_store *s, const keyvalue_call *c, arena *a, sqlite_outcome *o) {
    keyvalue_item *items = ARENA_ARRAY(a, keyvalue_item, KEYVALUE_PAGE_KEYS_MAX);
    if (items == NULL) {
        return SQLITE_NOMEM;
    }
    sqlite3_stmt *t = s->statements[LIST];
    bind_text(t, 1, c->bucket);
    sqlite3_bind_int64(t, 2,
                       !c->has_cursor          ? INT64_MIN
                       : c->cursor > INT64_MAX ? INT64_MAX
                                               : (int64_t)c->cursor);
    sqlite3_bind_int64(t, 3, KEYVALUE_PAGE_KEYS_MAX + 1);
    int rc;
    o->answer.items = items;
    while ((rc = sqlite3_step(t)) == SQLITE_ROW) {
        if (o->answer.count == KEYVALUE_PAGE_KEYS_MAX) {
            o->answer.has_cursor = true;
            break;
        }
        slice key = slice_of(sqlite3_column_text(t, 1), (size_t)sqlite3_column_bytes(t, 1));
        o->answer.cursor = (uint64_t)sqlite3_column_int64(t, 0);
        items[o->answer.count].key = arena_copy(a, key);
        if (items[o->answer.count++].key.data == NULL) {
            rc = SQLITE_NOMEM;
            break;
        }
    }
    return finish(t, rc);
}

static int many(sqlite_store *s, const keyvalue_call *c, arena *a, sqlite_outcome *o) {
    keyvalue_item *items = ARENA_ARRAY(a, keyvalue_item, c->count);
    int rc = items == NULL ? SQLITE_NOMEM : SQLITE_OK;
    size_t bytes = 0;
    for (size_t i = 0; rc == SQLITE_OK && i < c->count; i++) {
        slice key = c->items[i].key;
        if (c->function == KEYVALUE_SET_MANY) {
            rc = put(s, c->bucket, key, c->items[i].value);
        } else if (c->function == KEYVALUE_DELETE_MANY) {
            rc = erase(s, c->bucket, key);
        } else {
            items[i].key = key;
            rc = get(s, c->bucket, key, a, &items[i].is_there, &items[i].value);
            bytes += items[i].value.len;
            rc = bytes > KEYVALUE_CALL_BYTES_MAX ? SQLITE_TOOBIG : rc;
        }
    }
    o->answer.items = items;
    o->answer.count = c->count;
    return rc;
}

static int run_one(sqlite_store *s, keyvalue_request *q) {
    const keyvalue_call *c = &q->call;
    sqlite_outcome *o = q->data;
    *o = (sqlite_outcome){.code = STATUS_OK};
    switch (c->function) {
    case KEYVALUE_GET:
        return get(s, c->bucket, c->key, &q->memory, &o->answer.is_there, &o->answer.value);
    case KEYVALUE_SET:
        return put(s, c->bucket, c->key, c->value);
    case KEYVALUE_DELETE:
        return erase(s, c->bucket, c->key);
    case KEYVALUE_EXISTS:
        return has(s, c->bucket, c->key, &o->answer.is_there);
    case KEYVALUE_LIST_KEYS:
        return list(s, c, &q->memory, o);
    case KEYVALUE_INCREMENT:
    case KEYVALUE_INCREMENT_SIGNED:
        return increment(s, c, &q->memory, o);
    case KEYVALUE_COMPARE_AND_SWAP:
        return swap(s, c, &q->memory, o);
    default:
        return many(s, c, &q->memory, o);
    }
}

// --- transactions ------------------------------------------------------------------------------------------

static bool any_writes(const list_node *first, const list_node *end) {
    for (const list_node *n = first; n != end; n = n->next) {
        if (!keyvalue_is_read(LIST_ENTRY(n, keyvalue_request, node)->call.function)) {
            return true;
        }
    }
    return false;
}

static size_t memory_of(const list_node *n) { return LIST_ENTRY(n, keyvalue_request, node)->memory.used; }

// The requests from `first` to before `*end`, as a whole: SQLITE_OK, or nothing was done. When their answers
// take too much memory it ends earlier, at the new `*end`.
static int transact(sqlite_store *s, list_node *first, list_node **end) {
    size_t used = 0;
    bool writes = any_writes(first, *end);
    int rc = sqlite3_exec(s->db, writes ? "BEGIN IMMEDIATE" : "BEGIN", NULL, NULL, NULL);
    for (list_node *n = first; rc == SQLITE_OK && n != *end; n = n->next) {
        rc = run_one(s, LIST_ENTRY(n, keyvalue_request, node));
        used += memory_of(n);
        *end = rc == SQLITE_OK && used > RUN_BYTES_MAX ? n->next : *end;
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK && sqlite3_get_autocommit(s->db) == 0) {
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

// What a failed call is told. True when the file is at fault, not the call.
static bool explain(int rc, sqlite_outcome *o) {
    switch (rc & 0xff) {
    case SQLITE_FULL:
        o->code = STATUS_OK;
        answer_other(o, "the store is full");
        return false;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        o->code = STATUS_CLOSED;
        o->problem = "another process keeps the database locked";
        return false;
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
        o->code = STATUS_LIMIT;
        o->problem = "the answer is too large";
        return false;
    default:
        o->code = STATUS_CLOSED;
        o->problem = "the database cannot be used";
        return true;
    }
}

static bool is_of_one_call(int rc) {
    rc &= 0xff;
    return rc == SQLITE_FULL || rc == SQLITE_NOMEM || rc == SQLITE_TOOBIG;
}

// One by one, after they failed together with `all`.
static status run_each(sqlite_store *s, list_node *first, list_node **end, int all, err *e) {
    status code = STATUS_OK;
    size_t used = 0;
    for (list_node *n = first; n != *end; n = n->next) {
        list_node *next = n->next;
        int rc = is_of_one_call(all) ? transact(s, n, &next) : all;
        if (rc != SQLITE_OK && explain(rc, LIST_ENTRY(n, keyvalue_request, node)->data)) {
            code = failed(s, rc, "the database", e);
        }
        used += memory_of(n);
        *end = used > RUN_BYTES_MAX ? next : *end;
    }
    return code;
}

status sqlite_store_run(sqlite_store *s, list_node *requests, list_node **ret_end, err *e) {
    *ret_end = requests;
    int all = transact(s, requests->next, ret_end);
    return all == SQLITE_OK ? STATUS_OK : run_each(s, requests->next, ret_end, all, e);
}
