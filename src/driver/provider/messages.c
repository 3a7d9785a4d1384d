// SPDX-License-Identifier: Apache-2.0
#include "driver/provider/messages.h"

#include <stdio.h>

#include "codec/values.h"

// --- values ------------------------------------------------------------------------------------------------

static void put_values(values_writer *w, const driver_value *values, size_t count) {
    values_write_count(w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        values_write_string(w, values[i].name);
        values_write_bytes(w, values[i].value);
    }
}

static slice take_name(values_reader *r) {
    slice name = values_read_string(r);
    if (name.len > PROVIDER_NAME_BYTES_MAX) {
        values_read_fail(r, "a name is too long");
    }
    return name;
}

static size_t take_values(values_reader *r, driver_value *ret) {
    uint32_t count = values_read_count(r, 2);
    if (count > PROVIDER_SETTINGS_MAX) {
        values_read_fail(r, "there are too many settings");
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        ret[i].name = take_name(r);
        ret[i].value = values_read_bytes(r);
    }
    return count;
}

static status check_size(slice bytes, err *e) {
    return bytes.len <= PROVIDER_MESSAGE_BYTES_MAX
               ? STATUS_OK
               : err_set(e, STATUS_LIMIT, "it has more than %d bytes", PROVIDER_MESSAGE_BYTES_MAX);
}

status provider_write_values(const driver_value *values, size_t count, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    put_values(&w, values, count);
    return values_write_end(&w, "the credentials", e);
}

status provider_read_values(slice bytes, driver_value ret[PROVIDER_SETTINGS_MAX], size_t *ret_count, err *e) {
    TRY(check_size(bytes, e));
    values_reader r = values_reader_of(bytes);
    size_t count = take_values(&r, ret);
    TRY(values_read_end(&r, "credentials", e));
    *ret_count = count;
    return STATUS_OK;
}

// --- open --------------------------------------------------------------------------------------------------

status provider_write_open(const provider_open *o, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_string(&w, o->driver);
    values_write_string(&w, o->workload);
    values_write_count(&w, (uint32_t)o->interface_count);
    for (size_t i = 0; i < o->interface_count; i++) {
        values_write_string(&w, o->interfaces[i]);
    }
    put_values(&w, o->settings, o->setting_count);
    put_values(&w, o->credentials, o->credential_count);
    return values_write_end(&w, "the link", e);
}

status provider_read_open(slice bytes, provider_open *ret, err *e) {
    TRY(check_size(bytes, e));
    values_reader r = values_reader_of(bytes);
    ret->driver = take_name(&r);
    ret->workload = take_name(&r);
    uint32_t count = values_read_count(&r, 1);
    if (count > PROVIDER_INTERFACES_MAX) {
        values_read_fail(&r, "there are too many interfaces");
        count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        ret->interfaces[i] = take_name(&r);
    }
    ret->interface_count = count;
    ret->setting_count = take_values(&r, ret->settings);
    ret->credential_count = take_values(&r, ret->credentials);
    return values_read_end(&r, PROVIDER_OPEN, e);
}

// --- from the provider -------------------------------------------------------------------------------------

enum { STATES = DRIVER_DOWN + 1, CODES = STATUS_INTERNAL + 1 };

status provider_write_health(const driver_health *h, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_case(&w, (uint32_t)h->state);
    values_write_bytes(&w, slice_from_text(h->reason));
    return values_write_end(&w, PROVIDER_HEALTH, e);
}

status provider_read_health(slice bytes, driver_health *ret, err *e) {
    values_reader r = values_reader_of(bytes);
    driver_state state = (driver_state)values_read_case(&r, STATES);
    slice reason = values_read_bytes(&r);
    if (reason.len >= DRIVER_REASON_BYTES_MAX) {
        values_read_fail(&r, "the reason is too long");
    }
    TRY(values_read_end(&r, PROVIDER_HEALTH, e));
    *ret = (driver_health){.state = state, .next_try_ns = UINT64_MAX};
    (void)snprintf(ret->reason, sizeof ret->reason, "%.*s", SLICE_ARG(reason));
    return STATUS_OK;
}

status provider_write_lost(status why, const char *what, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_case(&w, (uint32_t)why);
    values_write_bytes(&w, slice_sub(slice_from_text(what), 0, PROVIDER_TEXT_BYTES_MAX));
    return values_write_end(&w, PROVIDER_LOST, e);
}

status provider_read_lost(slice bytes, status *ret_why, slice *ret_what, err *e) {
    values_reader r = values_reader_of(bytes);
    status why = (status)values_read_case(&r, CODES);
    slice what = values_read_bytes(&r);
    if (what.len > PROVIDER_TEXT_BYTES_MAX) {
        values_read_fail(&r, "the text is too long");
    }
    TRY(values_read_end(&r, PROVIDER_LOST, e));
    *ret_why = why;
    *ret_what = what;
    return STATUS_OK;
}

status provider_check_code(status code) {
    switch (code) {
    case STATUS_DENIED:
    case STATUS_CLOSED:
    case STATUS_TIMEOUT:
    case STATUS_LIMIT:
    case STATUS_UNSUPPORTED:
    case STATUS_INVALID:
        return code;
    default:
        return STATUS_IO;
    }
}
