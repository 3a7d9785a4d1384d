// SPDX-License-Identifier: Apache-2.0
//
// The books of a bank: accounts, and transfers between them. Each transfer is one transaction, and what must
// hold whoever writes is a rule of the tables: no account is below zero, no transfer is of an account that is
// not there, and no transfer happens twice.
//
// `ledger.h` is generated from wit/bank.wit by `wit-bindgen c`; build.sh shows how.
#include "ledger.h"

#include <string.h>

enum { SQL_BYTES_MAX = 1024, TRIES_MAX = 10 };

static const char make_books[] =
    "CREATE TABLE IF NOT EXISTS accounts (id bigint PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= "
    "0));"
    "CREATE TABLE IF NOT EXISTS transfers (id bigint PRIMARY KEY,"
    " source bigint NOT NULL REFERENCES accounts (id), target bigint NOT NULL REFERENCES accounts (id),"
    " amount bigint NOT NULL CHECK (amount > 0));"
    "INSERT INTO accounts (id, balance) VALUES (1, 1000), (2, 1000), (3, 1000), (4, 1000), (5, 1000), (6, "
    "1000),"
    " (7, 1000), (8, 1000), (9, 1000), (10, 1000) ON CONFLICT (id) DO NOTHING";

// --- texts of SQL ------------------------------------------------------------------------------------------

// A batch takes no parameters. What goes into its text are numbers, made here of integers.
typedef struct sql {
    size_t length;
    char text[SQL_BYTES_MAX];
} sql;

static void add(sql *s, const char *words) {
    size_t n = strlen(words);
    memcpy(s->text + s->length, words, n);
    s->length += n;
}

static void add_number(sql *s, uint64_t number) {
    char digits[21];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add(s, digits + at);
}

static void add_change(sql *s, uint32_t account, bool is_source, uint32_t amount) {
    add(s, "; UPDATE accounts SET balance = balance ");
    add(s, is_source ? "- " : "+ ");
    add_number(s, amount);
    add(s, " WHERE id = ");
    add_number(s, account);
}

// Always the lower account first, so that two transfers do not wait for each other.
static void write_transfer(sql *s, uint64_t key, uint32_t source, uint32_t target, uint32_t amount) {
    uint32_t lower = source < target ? source : target;
    const uint64_t values[] = {key, source, target, amount};
    s->length = 0;
    add(s, "BEGIN; INSERT INTO transfers (id, source, target, amount) VALUES (");
    for (int i = 0; i < 4; i++) {
        add(s, i == 0 ? "" : ", ");
        add_number(s, values[i]);
    }
    add(s, ")");
    add_change(s, lower, lower == source, amount);
    add_change(s, source + target - lower, lower != source, amount);
    add(s, "; COMMIT");
}

// --- errors ------------------------------------------------------------------------------------------------

// An error of the database begins with a SQLSTATE.
static bool is_state(const query_query_error_t *e, const char *state) {
    const ledger_string_t *text = &e->val.unexpected; // all cases have a text
    return text->len >= 5 && memcmp(text->ptr, state, 5) == 0;
}

static bool may_try_again(const query_query_error_t *e) {
    return is_state(e, "40001") || is_state(e, "40P01"); // somebody was faster, or waited for us
}

static exports_transfers_refusal_t wrong(const char *why) {
    exports_transfers_refusal_t r = {.tag = EXPORTS_TRANSFERS_REFUSAL_WRONG};
    ledger_string_dup(&r.val.wrong, why);
    return r;
}

static exports_transfers_refusal_t refusal_of(const query_query_error_t *e) {
    exports_transfers_refusal_t r = {.tag = EXPORTS_TRANSFERS_REFUSAL_UNAVAILABLE};
    if (is_state(e, "23503")) {
        r.tag = EXPORTS_TRANSFERS_REFUSAL_NO_SUCH_ACCOUNT;
    } else if (is_state(e, "23514")) {
        r.tag = EXPORTS_TRANSFERS_REFUSAL_NOT_ENOUGH;
    } else {
        r.val.unavailable = e->val.unexpected; // the caller's to free
    }
    return r;
}

// --- what others may ask for -------------------------------------------------------------------------------

static bool run(const char *text, size_t length, query_query_error_t *e) {
    ledger_string_t batch = {(uint8_t *)text, length};
    for (int i = 1; i < TRIES_MAX; i++) {
        if (query_query_batch(&batch, e)) {
            return true;
        }
        if (!may_try_again(e)) {
            return false;
        }
    }
    return query_query_batch(&batch, e);
}

bool exports_transfers_open_books(exports_transfers_refusal_t *refusal) {
    query_query_error_t e;
    if (run(make_books, sizeof make_books - 1, &e)) {
        return true;
    }
    *refusal = refusal_of(&e);
    return false;
}

bool exports_transfers_transfer(uint64_t key, uint32_t source, uint32_t target, uint32_t amount, bool *ret,
                                exports_transfers_refusal_t *refusal) {
    sql s;
    query_query_error_t e;
    if (key > INT64_MAX || source == target || amount == 0) {
        *refusal = wrong(key > INT64_MAX ? "a key has at most 63 bits" : "nothing would be moved");
        return false;
    }
    write_transfer(&s, key, source, target, amount);
    *ret = run(s.text, s.length, &e);
    if (*ret || is_state(&e, "23505")) { // the key is there already
        return true;
    }
    *refusal = refusal_of(&e);
    return false;
}
