// SPDX-License-Identifier: Apache-2.0
#include "driver/sql/postgres_statements.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "codec/utf.h"

// The text, and what the server says of it: its columns have names of at most 63 bytes.
enum { MEMORY_MAX = SQL_STATEMENT_BYTES_MAX + (4 << 20) };

postgres_statement *postgres_statements_find(postgres_connection *c, slice text) {
    for (list_node *n = c->statements.prev; n != &c->statements; n = n->prev) {
        postgres_statement *s = LIST_ENTRY(n, postgres_statement, node);
        if (slice_equal(s->text, text)) {
            list_remove(&s->node);
            list_push_back(&c->statements, &s->node);
            return s;
        }
    }
    return NULL;
}

postgres_statement *postgres_statements_add(postgres_connection *c, slice text, char ret_dropped[24]) {
    ret_dropped[0] = '\0';
    postgres_statement *s = MEM_NEW(postgres_statement);
    arena_init(&s->memory, MEMORY_MAX);
    s->is_kept = text.len <= POSTGRES_STATEMENT_KEPT_BYTES_MAX;
    list_init(&s->node);
    s->text = arena_copy(&s->memory, text);
    if (!s->is_kept) {
        return s; // the one without a name, which the next one replaces
    }
    if (c->statement_count >= POSTGRES_STATEMENTS_MAX) {
        postgres_statement *oldest = LIST_ENTRY(c->statements.next, postgres_statement, node);
        memcpy(ret_dropped, oldest->name, sizeof oldest->name);
        postgres_statements_drop(c, oldest);
    }
    snprintf(s->name, sizeof s->name, "s%" PRIu64, ++c->statement_number);
    list_push_back(&c->statements, &s->node);
    c->statement_count++;
    return s;
}

void postgres_statements_drop(postgres_connection *c, postgres_statement *s) {
    if (s->is_kept) {
        list_remove(&s->node);
        c->statement_count--;
    }
    arena_done(&s->memory);
    mem_free(s);
}

void postgres_statements_clear(postgres_connection *c) {
    while (!list_empty(&c->statements)) {
        postgres_statements_drop(c, LIST_ENTRY(c->statements.next, postgres_statement, node));
    }
}

bool postgres_statement_read_params(postgres_statement *s, slice body) {
    postgres_reader r = postgres_reader_of(body);
    s->param_count = postgres_read_u16(&r);
    s->params = ARENA_ARRAY(&s->memory, uint32_t, s->param_count);
    if (s->params == NULL) {
        return false;
    }
    for (size_t i = 0; i < s->param_count; i++) {
        s->params[i] = postgres_read_u32(&r);
    }
    return postgres_read_end(&r);
}

bool postgres_statement_read_columns(postgres_statement *s, slice body) {
    postgres_reader r = postgres_reader_of(body);
    s->column_count = postgres_read_u16(&r);
    s->columns = ARENA_ARRAY(&s->memory, postgres_column, s->column_count);
    if (s->columns == NULL || s->column_count > SQL_COLUMNS_MAX) {
        return false;
    }
    for (size_t i = 0; i < s->column_count && !r.has_failed; i++) {
        slice name = postgres_read_text(&r);
        (void)postgres_read_bytes(&r, 6); // table and column
        s->columns[i].oid = postgres_read_u32(&r);
        (void)postgres_read_bytes(&r, 8); // size, modifier, format
        s->columns[i].name = arena_copy(&s->memory, utf8_valid(name) ? name : slice_empty());
        if (s->columns[i].name.data == NULL && name.len > 0) {
            return false;
        }
    }
    return postgres_read_end(&r);
}
