// SPDX-License-Identifier: Apache-2.0
#include "cli/secret_option.h"

#include "base/mem.h"
#include "host/config.h"
#include "identity/secret_store.h"

// The part after `byte`, which is cut off `text`; NULL when it is not there.
static char *cut(slice *text, uint8_t byte) {
    size_t at = slice_find(*text, 0, byte);
    if (at == SIZE_MAX) {
        return NULL;
    }
    char *rest = mem_slice_dup(slice_sub(*text, at + 1, text->len));
    *text = slice_sub(*text, 0, at);
    return rest;
}

static bool is_name(const char *text) { return secret_name_check(text, "a secret", NULL) == STATUS_OK; }

static bool is_version(const char *text) {
    uint64_t number;
    return slice_to_u64(slice_from_text(text), &number) && number > 0;
}

static bool is_sound(const host_secret *s, slice name, slice stored) {
    return name.len > 0 && name.len <= HOST_SECRET_NAME_BYTES_MAX && memchr(name.data, 0, name.len) == NULL &&
           (stored.len == 0 || memchr(stored.data, 0, stored.len) == NULL) && is_name(s->key) &&
           (s->field == NULL || is_name(s->field)) && (s->version == NULL || is_version(s->version));
}

status secret_option_place(slice name, slice stored, host_secret *ret, err *e) {
    slice rest = stored;
    host_secret s = {.version = cut(&rest, '@')};
    s.field = cut(&rest, ':');
    s.key = mem_slice_dup(rest);
    if (!is_sound(&s, name, stored)) {
        host_secret_done(&s);
        return err_set(
            e, STATUS_INVALID,
            "a secret is named KEY[:FIELD][@VERSION], as the store calls it (`writ secrets list`); "
            "its value is never written here");
    }
    s.name = mem_slice_dup(name);
    *ret = s;
    return STATUS_OK;
}

status secret_option_add(workload_config *c, slice text, err *e) {
    size_t at = slice_find(text, 0, '=');
    slice name = slice_sub(text, 0, at == SIZE_MAX ? text.len : at);
    slice stored = at == SIZE_MAX ? text : slice_sub(text, at + 1, text.len);
    host_secret made = {0};
    TRY(secret_option_place(name, stored, &made, e));
    status s =
        at == SIZE_MAX && (made.field != NULL || made.version != NULL)
            ? err_set(e, STATUS_INVALID, "a field or a version needs a name: NAME=KEY[:FIELD][@VERSION]")
            : workload_config_add_secret(c, &made, e);
    host_secret_done(&made);
    return s;
}
