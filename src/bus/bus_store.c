// SPDX-License-Identifier: Apache-2.0
#include "bus/bus_store.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/mem.h"
#include "os/private.h"

enum { PAGE_BYTES = 4096, WAL_PAGES = 1000, VERSION = 1 };

typedef enum statement { BUCKETS, ENTRIES, REVISE, PUT, ERASE, STATEMENT_COUNT } statement;

static const char *const texts[STATEMENT_COUNT] = {
    [BUCKETS] = "SELECT name, revision FROM buckets ORDER BY name",
    [ENTRIES] = "SELECT bucket, key, revision, value FROM entries ORDER BY bucket, revision",
    [REVISE] = ("INSERT INTO buckets (name, revision) VALUES (?1, ?2)"
                " ON CONFLICT (name) DO UPDATE SET revision = excluded.revision"),
    [PUT] = ("INSERT INTO entries (bucket, key, revision, value) VALUES (?1, ?2, ?3, ?4)"
             " ON CONFLICT (bucket, key) DO UPDATE SET revision = excluded.revision, value = excluded.value"),
    [ERASE] = "DELETE FROM entries WHERE bucket = ?1 AND key = ?2",
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS entries (bucket TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL,"
    " value BLOB NOT NULL, PRIMARY KEY (bucket, key)) STRICT;";

struct bus_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char *path;
};

static status failed(const bus_store *s, int rc, err *e) {
    const char *said = s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
    switch (rc & 0xff) {
    case SQLITE_BUSY:
        return err_set(e, STATUS_EXISTS, "%s is in use by another host", s->path);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_ERROR: // the tables are others
        return err_set(e, STATUS_INVALID, "%s does not hold a lattice's state: %s", s->path, said);
    case SQLITE_FULL:
        return err_set(e, STATUS_LIMIT, "%s: %s", s->path, said);
    default:
        return err_set(e, STATUS_IO, "%s: %s", s->path, said);
    }
}

// --- reading it --------------------------------------------------------------------------------------------

static slice column_text(sqlite3_stmt *t, int at) {
    return slice_of(sqlite3_column_text(t, at), (size_t)sqlite3_column_bytes(t, at));
}

static status read_row(statement which, sqlite3_stmt *t, const bus_store_reader *reader, err *e) {
    if (which == BUCKETS) {
        return reader->bucket(reader->arg, column_text(t, 0), (uint64_t)sqlite3_column_int64(t, 1), e);
    }
    const void *value = sqlite3_column_blob(t, 3);
    const bus_kv_entry entry = {.key = column_text(t, 1),
                                .revision = (uint64_t)sqlite3_column_int64(t, 2),
                                .value = slice_of(value, (size_t)sqlite3_column_bytes(t, 3))};
    return reader->entry(reader->arg, column_text(t, 0), &entry, e);
}

static status read_all(bus_store *s, statement which, const bus_store_reader *reader, err *e) {
    sqlite3_stmt *t = s->statements[which];
    status code = STATUS_OK;
    int rc;
    while (code == STATUS_OK && (rc = sqlite3_step(t)) == SQLITE_ROW) {
        code = read_row(which, t, reader, e);
    }
    if (code == STATUS_OK && rc != SQLITE_DONE) {
        code = failed(s, rc, e);
    } else if (code != STATUS_OK) {
        err_wrap(e, "%s", s->path);
    }
    sqlite3_reset(t);
    return code;
}

// --- opening -----------------------------------------------------------------------------------------------

static int set_up(bus_store *s, uint64_t bytes_max) {
    char pragmas[512];
    snprintf(pragmas, sizeof pragmas,
             "PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
             "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = %d;"
             "PRAGMA max_page_count = %llu; PRAGMA user_version = %d;",
             WAL_PAGES, (unsigned long long)(2 * bytes_max / PAGE_BYTES + 64), VERSION);
    sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, BUS_PAYLOAD_BYTES_MAX + (1 << 20));
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int rc = sqlite3_exec(s->db, pragmas, NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(s->db, schema, NULL, NULL, NULL);
    }
    for (int i = 0; rc == SQLITE_OK && i < STATEMENT_COUNT; i++) {
        rc = sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i], NULL);
    }
    return rc;
}

static status open_it(bus_store *s, uint64_t bytes_max, const bus_store_reader *reader, err *e) {
    TRY(private_file_make(s->path, e)); // SQLite would make it readable for others
    int rc = sqlite3_open_v2(s->path, &s->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    rc = rc == SQLITE_OK ? set_up(s, bytes_max) : rc;
    if (rc != SQLITE_OK) {
        return failed(s, rc, e);
    }
    TRY(read_all(s, BUCKETS, reader, e));
    return read_all(s, ENTRIES, reader, e);
}

status bus_store_open(const char *path, uint64_t bytes_max, const bus_store_reader *reader, bus_store **ret,
                      err *e) {
    bus_store *s = MEM_NEW(bus_store);
    s->path = mem_text_dup(path);
    status code = open_it(s, bytes_max, reader, e);
    if (code != STATUS_OK) {
        bus_store_close(s);
        return code;
    }
    *ret = s;
    return STATUS_OK;
}

void bus_store_close(bus_store *s) {
    if (s != NULL) {
        for (int i = 0; i < STATEMENT_COUNT; i++) {
            sqlite3_finalize(s->statements[i]);
        }
        sqlite3_close(s->db);
        mem_free(s->path);
        mem_free(s);
    }
}

// --- changes -----------------------------------------------------------------------------------------------

static void bind_text(sqlite3_stmt *t, int at, slice text) {
    sqlite3_bind_text(t, at, (const char *)text.data, (int)text.len, SQLITE_STATIC);
}

static int run(sqlite3_stmt *t) {
    int rc = sqlite3_step(t);
    sqlite3_reset(t);
    sqlite3_clear_bindings(t);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int revise(bus_store *s, slice bucket, uint64_t revision) {
    sqlite3_stmt *t = s->statements[REVISE];
    bind_text(t, 1, bucket);
    sqlite3_bind_int64(t, 2, (int64_t)revision);
    return run(t);
}

static int change_entry(bus_store *s, slice bucket, const bus_kv_entry *change) {
    sqlite3_stmt *t = s->statements[change->kind == BUS_KV_PUT ? PUT : ERASE];
    bind_text(t, 1, bucket);
    bind_text(t, 2, change->key);
    if (change->kind == BUS_KV_PUT) {
        sqlite3_bind_int64(t, 3, (int64_t)change->revision);
        if (change->value.len == 0) {
            sqlite3_bind_zeroblob(t, 4, 0);
        } else {
            sqlite3_bind_blob(t, 4, change->value.data, (int)change->value.len, SQLITE_STATIC);
        }
    }
    return run(t);
}

status bus_store_make(bus_store *s, slice bucket, err *e) {
    int rc = revise(s, bucket, 0);
    return rc == SQLITE_OK ? STATUS_OK : failed(s, rc, e);
}

status bus_store_change(bus_store *s, slice bucket, const bus_kv_entry *change, err *e) {
    int rc = sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL);
    rc = rc == SQLITE_OK ? revise(s, bucket, change->revision) : rc;
    rc = rc == SQLITE_OK ? change_entry(s, bucket, change) : rc;
    rc = rc == SQLITE_OK ? sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) : rc;
    status code = rc == SQLITE_OK ? STATUS_OK : failed(s, rc, e);
    if (sqlite3_get_autocommit(s->db) == 0) {
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return code;
}
