// SPDX-License-Identifier: Apache-2.0
// Calls of wasmcloud:postgres from any bytes; parameters become text that is UTF-8 without zeros. The first
// byte names the function; a driver's way in answers exactly once whatever came.
//
// links: driver
#include "base/check.h"
#include "codec/utf.h"
#include "driver/sql/sql.h"
#include "fuzz.h"

enum { MEMORY_MAX = 16 << 20 };

static void on_end(driver_call *c, status code, slice payload, const err *e) {
    int *count = c->host;
    ++*count;
    CHECK((code == STATUS_OK) == (e == NULL));
    CHECK(code != STATUS_OK || payload.len > 0);
}

static void params(slice bytes) {
    auto_arena a;
    arena_init(&a, MEMORY_MAX);
    values_reader r = values_reader_of(bytes);
    pg_param p;
    while (values_read_ok(&r) && r.at < r.end && a.used < MEMORY_MAX / 2) {
        const char *problem = pg_param_read(&r, &a, &p);
        if (problem == NULL && values_read_ok(&r) && p.class == PG_IS_TEXT) {
            CHECK(utf8_valid(p.text) && (p.text.len == 0 || memchr(p.text.data, 0, p.text.len) == NULL));
        }
    }
}

static void whole(sql_function f, slice payload) {
    int count = 0;
    const sql_limits limits = {.statement_bytes_max = 100,
                               .answer_bytes_max = 1000,
                               .rows_max = 10,
                               .statements_max = 2,
                               .run_ns_max = 1};
    sql_statements *statements = sql_statements_new(2);
    for (int i = 0; i < 3; i++) {
        driver_call c = {.interface = slice_from_text(sql_interface_name(f)),
                         .function = slice_from_text(sql_function_name(f)),
                         .payload = payload,
                         .deadline_ns = UINT64_MAX,
                         .end = on_end,
                         .host = &count};
        sql_request *q = sql_receive(&c, &limits, statements, 8);
        if (q != NULL && i == 1) {
            sql_set_error(q, SQL_UNEXPECTED, "12345", "%.*s", SLICE_ARG(q->text));
        }
        if (q != NULL && i == 2) {
            sql_fail(q, STATUS_CLOSED, "closed");
        } else if (q != NULL) {
            sql_reply(q);
        }
    }
    CHECK(count == 3);
    sql_statements_free(statements);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 100000) {
        return 0;
    }
    slice payload = slice_of(data + 1, size - 1);
    params(payload);
    whole((sql_function)(data[0] % SQL_FUNCTION_COUNT), payload);
    return 0;
}
