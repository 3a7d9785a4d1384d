// SPDX-License-Identifier: Apache-2.0
//
// The counter of a bank: shows balances, which it reads from the database by itself, and hands transfers to
// the ledger. It cannot write: its link to the database only reads, and the policies of app.yaml name the
// calls that it may make.
//
//   POST /open                                    makes the accounts
//   GET  /accounts                                a line "ID BALANCE" for each
//   GET  /balance?account=ID                      one balance
//   POST /transfer?key=K&from=A&to=B&amount=N     "done" or, when it was done before, "known"
//
// `teller.h` is generated from wit/bank.wit by `wit-bindgen c`; build.sh shows how.
#include "teller.h"

#include <string.h>

enum { PAGE_BYTES_MAX = 4096, VALUE_BYTES_MAX = 256 };

// What does not fit is left out. No printf: it would need files, which this component has not.
typedef struct page {
    uint16_t status;
    size_t length;
    char bytes[PAGE_BYTES_MAX];
} page;

static void add(page *p, const void *bytes, size_t length) {
    size_t room = PAGE_BYTES_MAX - p->length;
    length = length < room ? length : room;
    memcpy(p->bytes + p->length, bytes, length);
    p->length += length;
}

static void add_words(page *p, const char *words) { add(p, words, strlen(words)); }

static void add_number(page *p, int64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    add(p, "-", number < 0 ? 1 : 0);
    add(p, digits + at, sizeof digits - at);
}

static void refuse(page *p, uint16_t status, const char *words, const teller_string_t *why) {
    p->status = status;
    add_words(p, words);
    if (why != NULL) {
        add_words(p, ": ");
        add(p, why->ptr, why->len);
    }
    add_words(p, "\n");
}

// --- what is asked -----------------------------------------------------------------------------------------

static int digit_of(char c) {
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

// The value of a field of the query, decoded; false without it.
static bool read_field(const char *path, const char *name, char value[VALUE_BYTES_MAX]) {
    size_t length = strlen(name), n = 0;
    for (const char *at = path; (at = strpbrk(at, "?&")) != NULL;) {
        at++;
        if (strncmp(at, name, length) != 0 || at[length] != '=') {
            continue;
        }
        for (at += length + 1; *at != '\0' && *at != '&' && n < VALUE_BYTES_MAX - 1; at++) {
            bool is_code = *at == '%' && digit_of(at[1]) >= 0 && digit_of(at[2]) >= 0;
            value[n++] = is_code ? (char)(digit_of(at[1]) * 16 + digit_of(at[2])) : *at;
            at += is_code ? 2 : 0;
        }
        value[n] = '\0';
        return true;
    }
    return false;
}

static bool read_number(const char *path, const char *name, uint64_t max, uint64_t *ret) {
    char value[VALUE_BYTES_MAX];
    uint64_t number = 0;
    if (!read_field(path, name, value) || value[0] == '\0') {
        return false;
    }
    for (const char *at = value; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > (max - (uint64_t)(*at - '0')) / 10) {
            return false;
        }
        number = number * 10 + (uint64_t)(*at - '0');
    }
    *ret = number;
    return true;
}

// --- reading -----------------------------------------------------------------------------------------------

static void show_rows(page *p, const char *text, query_list_pg_value_t params) {
    teller_string_t sql = {(uint8_t *)text, strlen(text)};
    query_list_result_row_t rows;
    query_query_error_t e;
    if (!query_query(&sql, &params, &rows, &e)) {
        refuse(p, 503, "the books cannot be read", &e.val.unexpected);
        return;
    }
    p->status = rows.len > 0 ? 200 : 404;
    for (size_t i = 0; i < rows.len; i++) {
        for (size_t k = 0; k < rows.ptr[i].len; k++) {
            const query_pg_value_t *v = &rows.ptr[i].ptr[k].value;
            add_words(p, k == 0 ? "" : " ");
            add_number(p, v->tag == PG_PG_VALUE_INT8 ? v->val.int8 : 0); // all columns are
        }
        add_words(p, "\n");
    }
    query_list_result_row_free(&rows);
}

static void show_balance(page *p, const char *path) {
    char account[VALUE_BYTES_MAX];
    if (!read_field(path, "account", account)) {
        refuse(p, 400, "which account?", NULL);
        return;
    }
    // Whatever it is, it is a value and never a part of the statement.
    query_pg_value_t value = {.tag = PG_PG_VALUE_TEXT};
    value.val.text = (teller_string_t){(uint8_t *)account, strlen(account)};
    show_rows(p, "SELECT balance FROM accounts WHERE CAST(id AS text) = $1",
              (query_list_pg_value_t){&value, 1});
}

// --- writing -----------------------------------------------------------------------------------------------

static void say_refusal(page *p, const transfers_refusal_t *r) {
    switch (r->tag) {
    case TRANSFERS_REFUSAL_NO_SUCH_ACCOUNT:
        refuse(p, 404, "there is no such account", NULL);
        break;
    case TRANSFERS_REFUSAL_NOT_ENOUGH:
        refuse(p, 409, "there is not enough on the account", NULL);
        break;
    case TRANSFERS_REFUSAL_WRONG:
        refuse(p, 400, "this is no transfer", &r->val.wrong);
        break;
    default:
        refuse(p, 503, "ask again with the same key", &r->val.unavailable);
        break;
    }
}

static void open_books(page *p) {
    transfers_refusal_t refusal;
    if (transfers_open_books(&refusal)) {
        add_words(p, "open\n");
    } else {
        say_refusal(p, &refusal);
    }
}

static void transfer(page *p, const char *path) {
    uint64_t key, source, target, amount;
    transfers_refusal_t refusal;
    bool is_new;
    if (!read_number(path, "key", INT64_MAX, &key) || !read_number(path, "from", UINT32_MAX, &source) ||
        !read_number(path, "to", UINT32_MAX, &target) || !read_number(path, "amount", UINT32_MAX, &amount)) {
        refuse(p, 400, "a transfer has key, from, to and amount, which are numbers", NULL);
    } else if (transfers_transfer(key, (uint32_t)source, (uint32_t)target, (uint32_t)amount, &is_new,
                                  &refusal)) {
        add_words(p, is_new ? "done\n" : "known\n");
    } else {
        say_refusal(p, &refusal);
    }
}

// --- HTTP --------------------------------------------------------------------------------------------------

static bool is_path(const char *path, const char *name) {
    size_t n = strlen(name);
    return strncmp(path, name, n) == 0 && (path[n] == '\0' || path[n] == '?');
}

static void serve(page *p, bool is_post, const char *path) {
    if (is_post && is_path(path, "/open")) {
        open_books(p);
    } else if (is_post && is_path(path, "/transfer")) {
        transfer(p, path);
    } else if (!is_post && is_path(path, "/accounts")) {
        show_rows(p, "SELECT id, balance FROM accounts ORDER BY id", (query_list_pg_value_t){NULL, 0});
    } else if (!is_post && is_path(path, "/balance")) {
        show_balance(p, path);
    } else {
        refuse(p, 404, "nothing is here", NULL);
    }
}

static void answer(exports_handler_own_response_outparam_t out, const page *p) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), p->status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false};
    result.val.ok = response;
    http_static_response_outparam_set(out, &result);

    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    teller_list_u8_t bytes = {(uint8_t *)p->bytes, p->length};
    io_stream_error_t broken; // a client that has gone away is no fault of ours
    if (!io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &bytes, &broken)) {
        io_stream_error_free(&broken);
    }
    io_output_stream_drop_own(stream);
    http_error_code_t error;
    if (!http_static_outgoing_body_finish(body, NULL, &error)) {
        http_error_code_free(&error);
    }
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    static char path[1024];
    page p = {.status = 200};
    teller_string_t asked = {0};
    http_method_t method;
    http_borrow_incoming_request_t borrowed = http_borrow_incoming_request(request);
    http_method_incoming_request_method(borrowed, &method);
    if (http_method_incoming_request_path_with_query(borrowed, &asked) && asked.len < sizeof path) {
        memcpy(path, asked.ptr, asked.len);
    }
    serve(&p, method.tag == HTTP_METHOD_POST, path);
    answer(out, &p);
    http_incoming_request_drop_own(request);
}
