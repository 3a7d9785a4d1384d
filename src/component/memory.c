// SPDX-License-Identifier: Apache-2.0
// Transcoding goes through a decoder that re-checks what it reads: text was validated before, but calling a
// guest's realloc in between runs code that we do not trust, so nothing may depend on the bytes still being
// the same.
#include "component/memory.h"

#include "base/check.h"
#include "codec/utf.h"

void memory_refresh(memory_guest *m) {
    if (m->memory != NULL && m->memory->kind == CORE_MEMORY) {
        m->view = m->store->ops->memory_view(m->store, m->memory);
    } else {
        m->view = (core_memory_view){NULL, 0};
    }
}

status memory_range(const memory_guest *m, uint32_t ptr, uint64_t bytes, uint32_t align, const char *what,
                    uint8_t **ret, err *e) {
    if ((ptr & (align - 1)) != 0) {
        return err_set(e, STATUS_TRAP, "unaligned pointer: %s at 0x%x must be aligned to %u", what, ptr,
                       align);
    }
    if (m->view.base == NULL) {
        return err_set(e, STATUS_TRAP, "the memory for the %s does not exist yet", what);
    }
    if (ptr > m->view.len || bytes > m->view.len - ptr) {
        return err_set(e, STATUS_TRAP, "%s out-of-bounds: pointer 0x%x, %llu bytes, memory of %zu", what, ptr,
                       (unsigned long long)bytes, m->view.len);
    }
    *ret = m->view.base + ptr;
    return STATUS_OK;
}

status memory_charge(memory_guest *m, uint64_t bytes, err *e) {
    if (bytes > MEMORY_WORK_MAX - m->work) {
        return err_set(e, STATUS_TRAP, "one call passes more than %llu bytes of strings and lists",
                       (unsigned long long)MEMORY_WORK_MAX);
    }
    m->work += bytes;
    return STATUS_OK;
}

status memory_list(memory_guest *m, uint32_t ptr, uint32_t count, uint32_t size, uint32_t align,
                   uint8_t **ret, err *e) {
    uint64_t bytes = (uint64_t)count * size; // cannot overflow: two factors of 32 bits
    if (bytes > MEMORY_LIST_BYTES_MAX) {
        return err_set(e, STATUS_TRAP, "list content out-of-bounds: %u elements of %u bytes are too many",
                       count, size);
    }
    TRY(memory_range(m, ptr, bytes, align, "list content", ret, e));
    return memory_charge(m, bytes, e);
}

static status call_realloc(memory_guest *m, uint32_t old, uint32_t old_bytes, uint32_t align, uint32_t bytes,
                           const char *what, uint32_t *ret_ptr, uint8_t **ret, err *e) {
    if (m->realloc == NULL || m->realloc->kind != CORE_FUNC) {
        return err_set(e, STATUS_TRAP, "%s cannot be allocated: there is no realloc (yet)", what);
    }
    core_value v[4] = {{.u32 = old}, {.u32 = old_bytes}, {.u32 = align}, {.u32 = bytes}};
    bool may_leave = *m->may_leave;
    *m->may_leave = false;
    status called = m->store->ops->call(m->store, m->realloc, v, 4, e);
    *m->may_leave = may_leave;
    TRY(called);
    memory_refresh(m);
    uint32_t ptr = v[0].u32;
    if ((ptr & (align - 1)) != 0) {
        return err_set(e, STATUS_TRAP,
                       "unaligned pointer: realloc return: result not aligned (%s at 0x%x, alignment %u)",
                       what, ptr, align);
    }
    if (m->view.base == NULL || ptr > m->view.len || bytes > m->view.len - ptr) {
        return err_set(
            e, STATUS_TRAP,
            "%s out-of-bounds: realloc return: beyond end of memory (0x%x, %u bytes, memory of %zu)", what,
            ptr, bytes, m->view.len);
    }
    *ret_ptr = ptr;
    *ret = m->view.base + ptr;
    return STATUS_OK;
}

status memory_realloc(memory_guest *m, uint32_t old, uint32_t old_bytes, uint32_t align, uint32_t bytes,
                      const char *what, uint32_t *ret_ptr, uint8_t **ret, err *e) {
    status s = call_realloc(m, old, old_bytes, align, bytes, what, ret_ptr, ret, e);
    m->has_failed = m->has_failed || s != STATUS_OK;
    return s;
}

status memory_alloc(memory_guest *m, uint32_t align, uint64_t bytes, const char *what, uint32_t *ret_ptr,
                    uint8_t **ret, err *e) {
    if (bytes > UINT32_MAX) {
        return err_set(e, STATUS_TRAP, "%s of %llu bytes is too large for a 32-bit memory", what,
                       (unsigned long long)bytes);
    }
    return memory_realloc(m, 0, 0, align, (uint32_t)bytes, what, ret_ptr, ret, e);
}

// --- strings -----------------------------------------------------------------------------------------------

static status text_range(const memory_guest *m, memory_text *t, err *e) {
    uint64_t bytes = t->units == MEMORY_UTF16 ? 2 * (uint64_t)t->unit_count : t->unit_count;
    uint32_t align = m->encoding == MEMORY_ENCODING_UTF8 ? 1 : 2;
    if (bytes > MEMORY_STRING_BYTES_MAX) {
        return err_set(
            e, STATUS_TRAP,
            "string content out-of-bounds: string pointer/length out of bounds of memory (%llu bytes)",
            (unsigned long long)bytes);
    }
    uint8_t *data;
    TRY(memory_range(m, t->ptr, bytes, align, "string pointer/length out of bounds of memory: string content",
                     &data, e));
    t->data = data;
    return STATUS_OK;
}

static status check_encoding(const memory_text *t, err *e) {
    size_t at;
    switch (t->units) {
    case MEMORY_LATIN1:
        return STATUS_OK;
    case MEMORY_UTF8:
        switch (utf8_check(slice_of(t->data, t->unit_count), &at)) {
        case UTF_VALID:
            return STATUS_OK;
        case UTF_INCOMPLETE:
            return err_set(e, STATUS_TRAP, "incomplete utf-8 byte sequence from index %zu of a string", at);
        case UTF_INVALID:
            break;
        }
        return err_set(e, STATUS_TRAP, "invalid utf-8 sequence at index %zu of a string", at);
    case MEMORY_UTF16:
        if (utf16_check(t->data, t->unit_count, &at) == UTF_VALID) {
            return STATUS_OK;
        }
        return err_set(e, STATUS_TRAP, "unpaired surrogate: invalid utf-16 at index %zu of a string", at);
    }
    return err_set(e, STATUS_INTERNAL, "string of an unknown encoding");
}

status memory_text_at(memory_guest *m, uint32_t ptr, uint32_t length, memory_text *ret, err *e) {
    memory_text t = {.guest = m, .ptr = ptr, .unit_count = length, .units = MEMORY_UTF8};
    if (m->encoding == MEMORY_ENCODING_UTF16) {
        t.units = MEMORY_UTF16;
    } else if (m->encoding == MEMORY_ENCODING_LATIN1_UTF16) {
        t.compact = true;
        t.units = (length & MEMORY_UTF16_TAG) != 0 ? MEMORY_UTF16 : MEMORY_LATIN1;
        t.unit_count = length & ~MEMORY_UTF16_TAG;
    }
    TRY(text_range(m, &t, e));
    TRY(memory_charge(m, t.unit_count, e));
    TRY(check_encoding(&t, e));
    *ret = t;
    return STATUS_OK;
}

status memory_text_from_utf8(slice text, memory_text *ret, err *e) {
    if (text.len > MEMORY_STRING_BYTES_MAX) {
        return err_set(e, STATUS_TRAP, "a string of %zu bytes is too long to be passed", text.len);
    }
    memory_text t = {.data = text.data, .unit_count = (uint32_t)text.len, .units = MEMORY_UTF8};
    TRY(check_encoding(&t, e));
    *ret = t;
    return STATUS_OK;
}

// A guest's code may have run: find the text again.
static status text_refresh(memory_text *t, err *e) {
    if (t->guest == NULL) {
        return STATUS_OK;
    }
    memory_refresh(t->guest);
    return text_range(t->guest, t, e);
}

// The code point at unit `*at`, which moves behind it.
static inline status text_next(const memory_text *t, uint32_t *at, uint32_t *ret, err *e) {
    bool ok;
    switch (t->units) {
    case MEMORY_LATIN1:
        *ret = t->data[(*at)++];
        return STATUS_OK;
    case MEMORY_UTF8:
        ok = utf8_next(t->data, t->unit_count, at, ret);
        break;
    default:
        ok = utf16_next(t->data, t->unit_count, at, ret);
        break;
    }
    return WRIT_LIKELY(ok) ? STATUS_OK : err_set(e, STATUS_TRAP, "a string changed while it was passed");
}

status memory_text_utf8(const memory_text *text, arena *a, slice *ret, err *e) {
    if (text->units == MEMORY_UTF8) {
        *ret = slice_of(text->data, text->unit_count);
        return STATUS_OK;
    }
    size_t worst = (size_t)text->unit_count * (text->units == MEMORY_LATIN1 ? 2 : 3);
    uint8_t *out = arena_alloc(a, worst);
    if (out == NULL) {
        return err_set(e, STATUS_TRAP, "a string of %u code units is larger than one call may use",
                       text->unit_count);
    }
    size_t len = 0;
    for (uint32_t at = 0; at < text->unit_count;) {
        uint32_t code;
        TRY(text_next(text, &at, &code, e));
        len += utf8_put(out + len, code);
    }
    *ret = slice_of(out, len);
    return STATUS_OK;
}

static status store_copy(memory_guest *m, memory_text *t, uint32_t unit_size, uint32_t align,
                         uint32_t *ret_ptr, err *e) {
    uint8_t *to;
    TRY(memory_alloc(m, align, (uint64_t)unit_size * t->unit_count, "string content", ret_ptr, &to, e));
    TRY(text_refresh(t, e));
    if (t->unit_count != 0) {
        memcpy(to, t->data, (size_t)unit_size * t->unit_count);
    }
    return STATUS_OK;
}

static status store_latin1_as_utf16(memory_guest *m, memory_text *t, uint32_t *ret_ptr, err *e) {
    uint8_t *to;
    TRY(memory_alloc(m, 2, 2 * (uint64_t)t->unit_count, "string content", ret_ptr, &to, e));
    TRY(text_refresh(t, e));
    for (uint32_t i = 0; i < t->unit_count; i++) {
        to[2 * (size_t)i] = t->data[i];
        to[2 * (size_t)i + 1] = 0;
    }
    return STATUS_OK;
}

static status store_as_utf8(memory_guest *m, memory_text *t, uint32_t *ret_ptr, uint32_t *ret_length,
                            err *e) {
    uint32_t ptr;
    uint8_t *to;
    TRY(memory_alloc(m, 1, t->unit_count, "string content", &ptr, &to, e));
    TRY(text_refresh(t, e));
    uint32_t unit = t->units == MEMORY_UTF16 ? 2 : 1;
    uint32_t at = 0;
    for (; at < t->unit_count; at++) { // plain ASCII takes as many bytes as it has units
        const uint8_t *from = t->data + (size_t)at * unit;
        if (from[0] >= 0x80 || (unit == 2 && from[1] != 0)) {
            break;
        }
        to[at] = from[0];
    }
    if (at == t->unit_count) {
        *ret_ptr = ptr;
        *ret_length = t->unit_count;
        return STATUS_OK;
    }
    uint32_t worst = t->unit_count * (t->units == MEMORY_UTF16 ? 3 : 2); // unit_count is below 2^28
    TRY(memory_realloc(m, ptr, t->unit_count, 1, worst, "string content", &ptr, &to, e));
    TRY(text_refresh(t, e));
    uint32_t len = at;
    while (at < t->unit_count) {
        uint32_t code;
        TRY(text_next(t, &at, &code, e));
        len += utf8_put(to + len, code);
    }
    if (len < worst) {
        TRY(memory_realloc(m, ptr, worst, 1, len, "string content", &ptr, &to, e));
    }
    *ret_ptr = ptr;
    *ret_length = len;
    return STATUS_OK;
}

static status store_utf8_as_utf16(memory_guest *m, memory_text *t, uint32_t *ret_ptr, uint32_t *ret_length,
                                  err *e) {
    uint32_t ptr;
    uint32_t worst = 2 * t->unit_count;
    uint8_t *to;
    TRY(memory_alloc(m, 2, worst, "string content", &ptr, &to, e));
    TRY(text_refresh(t, e));
    uint32_t units = 0;
    for (uint32_t at = 0; at < t->unit_count;) {
        uint32_t code;
        TRY(text_next(t, &at, &code, e));
        units += utf16_put(to + 2 * (size_t)units, code);
    }
    if (2 * units < worst) {
        TRY(memory_realloc(m, ptr, worst, 2, 2 * units, "string content", &ptr, &to, e));
    }
    *ret_ptr = ptr;
    *ret_length = units;
    return STATUS_OK;
}

// The text has a character that Latin-1 does not: widens the `done` bytes written so far and goes on in
// UTF-16.
static status store_widened(memory_guest *m, memory_text *t, uint32_t ptr, uint32_t done, uint32_t at,
                            uint32_t *ret_ptr, uint32_t *ret_length, err *e) {
    uint32_t worst = 2 * t->unit_count;
    uint8_t *to;
    TRY(memory_realloc(m, ptr, t->unit_count, 2, worst, "string content", &ptr, &to, e));
    TRY(text_refresh(t, e));
    for (uint32_t i = done; i-- > 0;) {
        to[2 * (size_t)i] = to[i];
        to[2 * (size_t)i + 1] = 0;
    }
    uint32_t units = done;
    while (at < t->unit_count) {
        uint32_t code;
        TRY(text_next(t, &at, &code, e));
        units += utf16_put(to + 2 * (size_t)units, code);
    }
    if (2 * units < worst) {
        TRY(memory_realloc(m, ptr, worst, 2, 2 * units, "string content", &ptr, &to, e));
    }
    *ret_ptr = ptr;
    *ret_length = units | MEMORY_UTF16_TAG;
    return STATUS_OK;
}

static status store_as_latin1_or_utf16(memory_guest *m, memory_text *t, uint32_t *ret_ptr,
                                       uint32_t *ret_length, err *e) {
    uint32_t ptr;
    uint8_t *to;
    TRY(memory_alloc(m, 2, t->unit_count, "string content", &ptr, &to, e));
    TRY(text_refresh(t, e));
    uint32_t len = 0;
    for (uint32_t at = 0; at < t->unit_count;) {
        uint32_t code;
        uint32_t before = at;
        TRY(text_next(t, &at, &code, e));
        if (code > 0xff) {
            return store_widened(m, t, ptr, len, before, ret_ptr, ret_length, e);
        }
        to[len++] = (uint8_t)code;
    }
    if (len < t->unit_count) {
        TRY(memory_realloc(m, ptr, t->unit_count, 2, len, "string content", &ptr, &to, e));
    }
    *ret_ptr = ptr;
    *ret_length = len;
    return STATUS_OK;
}

// The source says UTF-16 but may hold nothing beyond Latin-1: then it is narrowed in place.
static status store_probably_utf16(memory_guest *m, memory_text *t, uint32_t *ret_ptr, uint32_t *ret_length,
                                   err *e) {
    uint32_t ptr;
    TRY(store_copy(m, t, 2, 2, &ptr, e));
    uint32_t units = t->unit_count;
    uint8_t *to;
    TRY(memory_range(m, ptr, 2 * (uint64_t)units, 2, "string content", &to, e));
    uint32_t high = 0;
    for (uint32_t i = 0; i < units; i++) {
        high |= to[2 * (size_t)i + 1];
    }
    if (high != 0) {
        *ret_ptr = ptr;
        *ret_length = units | MEMORY_UTF16_TAG;
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < units; i++) {
        to[i] = to[2 * (size_t)i];
    }
    TRY(memory_realloc(m, ptr, 2 * units, 1, units, "string content", ret_ptr, &to, e));
    *ret_length = units;
    return STATUS_OK;
}

status memory_text_store(memory_guest *m, const memory_text *text, uint32_t *ret_ptr, uint32_t *ret_length,
                         err *e) {
    memory_text t = *text;
    bool same_size = (m->encoding == MEMORY_ENCODING_UTF8 && t.units == MEMORY_UTF8) ||
                     (m->encoding == MEMORY_ENCODING_UTF16 && t.units == MEMORY_UTF16);
    if (same_size || (m->encoding == MEMORY_ENCODING_LATIN1_UTF16 && t.compact && t.units == MEMORY_LATIN1)) {
        uint32_t unit = t.units == MEMORY_UTF16 ? 2 : 1;
        TRY(store_copy(m, &t, unit, m->encoding == MEMORY_ENCODING_UTF8 ? 1 : 2, ret_ptr, e));
        *ret_length = t.unit_count;
        return STATUS_OK;
    }
    switch (m->encoding) {
    case MEMORY_ENCODING_UTF8:
        return store_as_utf8(m, &t, ret_ptr, ret_length, e);
    case MEMORY_ENCODING_UTF16:
        if (t.units == MEMORY_UTF8) {
            return store_utf8_as_utf16(m, &t, ret_ptr, ret_length, e);
        }
        TRY(store_latin1_as_utf16(m, &t, ret_ptr, e));
        *ret_length = t.unit_count;
        return STATUS_OK;
    case MEMORY_ENCODING_LATIN1_UTF16:
        return t.compact ? store_probably_utf16(m, &t, ret_ptr, ret_length, e)
                         : store_as_latin1_or_utf16(m, &t, ret_ptr, ret_length, e);
    }
    return err_set(e, STATUS_INTERNAL, "string of an unknown encoding");
}
