// SPDX-License-Identifier: Apache-2.0
//
// One call for each request; ../README.md lists the routes.
#include "named.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[4096];
static uint16_t status;

static named_string_t text_of(const char *s) { return (named_string_t){(uint8_t *)s, strlen(s)}; }

static void say(const named_string_t *s) {
    size_t at = strlen(text), room = sizeof text - 1 - at;
    size_t n = s->len < room ? s->len : room;
    memcpy(text + at, s->ptr, n);
    text[at + n] = '\0';
}

static void say_text(const char *s) {
    named_string_t t = text_of(s);
    say(&t);
}

// --- exports -----------------------------------------------------------------------------------------------

bool exports_test_named_person_name(named_string_t *ret, named_string_t *err) {
    named_string_t key = text_of("name");
    named_option_string_t value;
    config_error_t e;
    if (!config_get(&key, &value, &e) || !value.is_some) {
        named_string_dup(err, "it has no name");
        return false;
    }
    *ret = value.val;
    return true;
}

bool exports_test_named_person_fail(named_string_t *ret, named_string_t *err) {
    (void)ret, (void)err;
    __builtin_trap();
}

bool exports_test_named_person_deep(uint32_t *ret, named_string_t *err) {
    named_string_t why;
    if (!left_deep(ret, &why)) {
        *ret = 0;
        named_string_free(&why);
    }
    (void)err;
    ++*ret;
    return true;
}

struct exports_test_named_things_thing_t {
    named_string_t label;
};

exports_test_named_things_own_thing_t exports_test_named_things_constructor_thing(named_string_t *label) {
    exports_test_named_things_thing_t *t = malloc(sizeof *t);
    t->label = *label;
    return exports_test_named_things_thing_new(t);
}

void exports_test_named_things_method_thing_title(exports_test_named_things_borrow_thing_t self,
                                                  named_string_t *ret) {
    named_string_t name = text_of("?"), why;
    (void)exports_test_named_person_name(&name, &why);
    ret->len = self->label.len + 4 + name.len;
    ret->ptr = malloc(ret->len);
    memcpy(ret->ptr, self->label.ptr, self->label.len);
    memcpy(ret->ptr + self->label.len, " of ", 4);
    memcpy(ret->ptr + self->label.len + 4, name.ptr, name.len);
}

void exports_test_named_things_thing_destructor(exports_test_named_things_thing_t *rep) { free(rep); }

// --- requests ----------------------------------------------------------------------------------------------

typedef bool (*named_function)(named_string_t *ret, named_string_t *err);

static void answer(named_function f) {
    named_string_t value, why;
    if (f(&value, &why)) {
        say(&value);
    } else {
        status = 502;
        say(&why);
    }
}

static void choose(const char *name) {
    named_string_t ns = text_of("test"), package = text_of("named"), interface = text_of("person");
    named_string_t chosen = text_of(name), why;
    lattice_own_call_target_interface_t target =
        lattice_constructor_call_target_interface(&ns, &package, &interface);
    lattice_list_own_call_target_interface_t list = {&target, 1};
    if (!lattice_set_link_name(&chosen, &list, &why)) {
        say_text("set-link-name: ");
        say(&why);
        say_text("; ");
    }
    answer(test_named_person_name);
}

static void things(void) {
    named_string_t label = text_of("one"), title;
    things_left_own_thing_t left = things_left_constructor_thing(&label);
    things_right_own_thing_t right = things_right_constructor_thing(&label);
    things_left_method_thing_title(things_left_borrow_thing(left), &title);
    say(&title);
    say_text(", ");
    things_right_method_thing_title(things_right_borrow_thing(right), &title);
    say(&title);
    things_left_thing_drop_own(left);
    things_right_thing_drop_own(right);
}

#define KEYVALUE(name)                                                               \
    static void name##_use(const char *value) {                                      \
        named_string_t bucket_name = text_of("b"), key = text_of("k");               \
        name##_own_bucket_t bucket;                                                  \
        name##_error_t e;                                                            \
        named_option_list_u8_t found = {0};                                          \
        named_list_u8_t bytes = {(uint8_t *)value, strlen(value)};                   \
        bool is_good = name##_open(&bucket_name, &bucket, &e);                       \
        if (is_good) {                                                               \
            name##_borrow_bucket_t b = name##_borrow_bucket(bucket);                 \
            is_good = bytes.len > 0 ? name##_method_bucket_set(b, &key, &bytes, &e)  \
                                    : name##_method_bucket_get(b, &key, &found, &e); \
        }                                                                            \
        if (!is_good) {                                                              \
            status = 502;                                                            \
            say_text("error");                                                       \
        } else if (found.is_some) {                                                  \
            named_string_t s = {found.val.ptr, found.val.len};                       \
            say(&s);                                                                 \
        }                                                                            \
    }
KEYVALUE(cache)
KEYVALUE(backup)

static void work(const char *path) {
    uint32_t depth;
    named_string_t why;
    if (strncmp(path, "/cache/", 7) == 0) {
        cache_use(path + 7);
    } else if (strncmp(path, "/backup/", 8) == 0) {
        backup_use(path + 8);
    } else if (strcmp(path, "/left") == 0) {
        answer(left_name);
    } else if (strcmp(path, "/right") == 0) {
        answer(right_name);
    } else if (strcmp(path, "/default") == 0) {
        answer(test_named_person_name);
    } else if (strcmp(path, "/fail") == 0) {
        answer(left_fail);
        say_text("; then ");
        answer(left_name);
    } else if (strncmp(path, "/choose/", 8) == 0) {
        choose(path + 8);
    } else if (strcmp(path, "/things") == 0) {
        things();
    } else if (strcmp(path, "/deep") == 0 && left_deep(&depth, &why)) {
        snprintf(text, sizeof text, "%u", (unsigned)depth);
    } else {
        status = 404;
    }
}

static void send(exports_handler_own_response_outparam_t out) {
    http_own_outgoing_response_t response = http_constructor_outgoing_response(http_constructor_fields());
    http_own_outgoing_body_t body;
    io_own_output_stream_t stream;
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), status);
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);
    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);
    http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream);
    named_list_u8_t piece = {(uint8_t *)text, strlen(text)};
    io_stream_error_t failed;
    (void)io_method_output_stream_blocking_write_and_flush(io_borrow_output_stream(stream), &piece, &failed);
    io_output_stream_drop_own(stream);
    http_error_code_t e;
    http_static_outgoing_body_finish(body, NULL, &e);
}

void exports_handler_handle(exports_handler_own_incoming_request_t request,
                            exports_handler_own_response_outparam_t out) {
    named_string_t asked = {0};
    char path[256] = "";
    status = 200;
    if (http_method_incoming_request_path_with_query(http_borrow_incoming_request(request), &asked)) {
        size_t n = asked.len < sizeof path - 1 ? asked.len : sizeof path - 1;
        memcpy(path, asked.ptr, n);
    }
    work(path);
    send(out);
    http_incoming_request_drop_own(request);
}
