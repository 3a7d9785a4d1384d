// SPDX-License-Identifier: Apache-2.0
// One walk over the sections decides everything: a binary in canonical form is its own normalised form, so
// its hash is one pass over bytes that lie next to each other. Only a binary that breaks a rule, and is not
// believed with a token anyway, is rewritten in memory to learn its hash.
#include "identity/envelope.h"

#include <stdio.h>

#include "base/check.h"
#include "codec/leb128.h"

enum { HEADER_BYTES = 8, SECTION_CUSTOM = 0, SECTION_CORE_MODULE = 1, SECTION_COMPONENT = 4 };

static const uint8_t module_header[HEADER_BYTES] = {0, 'a', 's', 'm', 1, 0, 0, 0};
static const uint8_t component_header[HEADER_BYTES] = {0, 'a', 's', 'm', 0x0d, 0, 1, 0};
static const slice token_section_name = SLICE_LITERAL("wasmcloud_jwt");
static const slice old_token_section_name = SLICE_LITERAL("jwt");

typedef struct binary { // that the walk is inside of
    size_t end;
    bool is_component;
    size_t out_section; // when stripping: where the section that holds it begins in the output
    size_t out_content; // and where the binary itself does, until its size is known
} binary;

typedef enum step_kind {
    STEP_SECTION,
    STEP_OPEN,  // a section that holds a binary: its sections follow
    STEP_CLOSE, // the end of that binary
    STEP_END,
} step_kind;

typedef struct step {
    step_kind kind;
    uint8_t id;
    size_t at;        // of the id
    slice content;    // behind the size
    bool has_padding; // the size, or the name's length of a token section, is not in its shortest form
    bool is_token;
    slice token;
} step;

typedef struct walk {
    slice bytes;
    size_t at;
    size_t section_count;
    size_t depth; // 0 = in the outermost binary
    binary open[ENVELOPE_DEPTH_MAX + 1];
} walk;

// --- the walk ----------------------------------------------------------------------------------------------

static size_t shortest_length(uint32_t value) {
    uint8_t scratch[LEB128_U64_BYTES_MAX];
    return leb128_write_u64(scratch, value);
}

static bool starts_with_header(const walk *w, size_t at, size_t end, bool *ret_is_component) {
    if (end - at < HEADER_BYTES) {
        return false;
    }
    *ret_is_component = memcmp(w->bytes.data + at, component_header, HEADER_BYTES) == 0;
    return *ret_is_component || memcmp(w->bytes.data + at, module_header, HEADER_BYTES) == 0;
}

static status walk_begin(walk *w, slice bytes, err *e) {
    w->bytes = bytes;
    w->at = HEADER_BYTES;
    w->section_count = 0;
    w->depth = 0;
    w->open[0] = (binary){.end = bytes.len};
    return starts_with_header(w, 0, bytes.len, &w->open[0].is_component)
               ? STATUS_OK
               : err_set(e, STATUS_INVALID,
                         "this is no WebAssembly component: it does not begin with the header of one");
}

static status read_u32(const walk *w, size_t *at, size_t end, uint32_t *ret, bool *has_padding) {
    const uint8_t *p = w->bytes.data + *at;
    if (leb128_read_u32(&p, w->bytes.data + end, ret) != LEB128_OK) {
        return STATUS_INVALID;
    }
    size_t used = (size_t)(p - w->bytes.data) - *at;
    *has_padding |= used != shortest_length(*ret);
    *at += used;
    return STATUS_OK;
}

static status read_custom(const walk *w, step *s, err *e) {
    size_t at = (size_t)(s->content.data - w->bytes.data), end = at + s->content.len;
    uint32_t name_len;
    bool name_has_padding = false;
    if (read_u32(w, &at, end, &name_len, &name_has_padding) != STATUS_OK || name_len > end - at) {
        return err_set(e, STATUS_INVALID, "custom section at byte %zu: its name does not fit into it", s->at);
    }
    slice name = slice_of(w->bytes.data + at, name_len);
    s->is_token = slice_equal(name, token_section_name) || slice_equal(name, old_token_section_name);
    if (s->is_token) {
        s->token = slice_of(w->bytes.data + at + name_len, end - at - name_len);
        s->has_padding |= name_has_padding;
    }
    return STATUS_OK;
}

static status open_binary(walk *w, step *s, err *e) {
    if (w->depth == ENVELOPE_DEPTH_MAX) {
        return err_set(e, STATUS_INVALID, "section at byte %zu: components are nested deeper than %d", s->at,
                       ENVELOPE_DEPTH_MAX);
    }
    size_t start = (size_t)(s->content.data - w->bytes.data);
    binary *b = &w->open[w->depth + 1];
    *b = (binary){.end = start + s->content.len};
    if (!starts_with_header(w, start, b->end, &b->is_component) ||
        b->is_component != (s->id == SECTION_COMPONENT)) {
        return err_set(e, STATUS_INVALID, "section at byte %zu: it does not begin with the header of a %s",
                       s->at, s->id == SECTION_COMPONENT ? "component" : "core module");
    }
    w->depth++;
    w->at = start + HEADER_BYTES;
    s->kind = STEP_OPEN;
    return STATUS_OK;
}

static status walk_next(walk *w, step *ret, err *e) {
    const binary *inside = &w->open[w->depth];
    *ret = (step){.kind = STEP_SECTION, .at = w->at};
    if (w->at == inside->end) {
        ret->kind = w->depth == 0 ? STEP_END : STEP_CLOSE;
        w->depth -= w->depth > 0;
        return STATUS_OK;
    }
    if (++w->section_count > ENVELOPE_SECTIONS_MAX) {
        return err_set(e, STATUS_INVALID, "the component has more than %d sections", ENVELOPE_SECTIONS_MAX);
    }
    size_t at = w->at + 1;
    uint32_t size;
    if (read_u32(w, &at, inside->end, &size, &ret->has_padding) != STATUS_OK || size > inside->end - at) {
        return err_set(e, STATUS_INVALID, "section at byte %zu: its size does not fit into what follows",
                       w->at);
    }
    ret->id = w->bytes.data[w->at];
    ret->content = slice_of(w->bytes.data + at, size);
    if (inside->is_component && (ret->id == SECTION_CORE_MODULE || ret->id == SECTION_COMPONENT)) {
        return open_binary(w, ret, e);
    }
    w->at = at + size;
    return ret->id == SECTION_CUSTOM ? read_custom(w, ret, e) : STATUS_OK;
}

// --- reading -----------------------------------------------------------------------------------------------

static void break_rule(envelope *v, size_t at, const char *why) {
    if (v->is_canonical) {
        v->is_canonical = false;
        snprintf(v->why_not, sizeof v->why_not, "section at byte %zu: %s", at, why);
    }
}

static void see_token(const walk *w, const step *s, envelope *v) {
    if (w->depth > 0) {
        v->has_stray_token = true;
        break_rule(v, s->at, "a token below the top, which the hash would not cover");
    } else if (w->at != w->bytes.len) {
        v->has_stray_token = true;
        break_rule(v, s->at, "a token that is not the last section");
    } else {
        v->has_token = true;
        v->token = s->token;
    }
}

static status see_sections(walk *w, envelope *v, size_t *ret_token_at, err *e) {
    step s;
    for (;;) {
        TRY(walk_next(w, &s, e));
        if (s.kind == STEP_END) {
            return STATUS_OK;
        }
        if (s.has_padding) {
            break_rule(v, s.at, "a size that is padded");
        }
        if (s.is_token) {
            see_token(w, &s, v);
            *ret_token_at = s.at;
        }
    }
}

static status hash_of_stripped(slice bytes, uint8_t ret[HASH_BYTES], err *e) {
    auto_buf plain;
    buf_init(&plain, bytes.len);
    TRY(envelope_strip(bytes, &plain, e));
    slice all = buf_slice(&plain);
    hash_sha256(&all, 1, ret);
    return STATUS_OK;
}

status envelope_read(slice bytes, envelope *ret, err *e) {
    envelope v = {.is_canonical = true};
    walk w;
    size_t token_at = bytes.len;
    TRY(walk_begin(&w, bytes, e));
    TRY(see_sections(&w, &v, &token_at, e));
    if (v.is_canonical) {
        slice covered = slice_sub(bytes, 0, token_at);
        hash_sha256(&covered, 1, v.hash);
    } else {
        TRY(hash_of_stripped(bytes, v.hash, e));
    }
    *ret = v;
    return STATUS_OK;
}

void envelope_hash_text(const uint8_t hash[HASH_BYTES], char ret[HASH_HEX_BYTES]) {
    hash_hex(hash, ret);
    for (char *p = ret; *p != '\0'; p++) {
        *p = *p >= 'a' ? (char)(*p - 'a' + 'A') : *p;
    }
}

// --- writing -----------------------------------------------------------------------------------------------

static status append_section(buf *out, uint8_t id, slice content, err *e) {
    uint8_t head[1 + LEB128_U64_BYTES_MAX] = {id};
    size_t len = 1 + leb128_write_u64(head + 1, content.len);
    if (buf_append(out, slice_of(head, len)) != STATUS_OK || buf_append(out, content) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the component is larger than %zu bytes", out->max);
    }
    return STATUS_OK;
}

// Leaves room for a size as long as the old one's shortest form: the new one is the same or smaller.
static status begin_binary(walk *w, const step *s, buf *out, err *e) {
    binary *b = &w->open[w->depth];
    b->out_section = out->len;
    uint8_t head[1 + LEB128_U64_BYTES_MAX] = {s->id};
    size_t len = 1 + leb128_write_u64(head + 1, s->content.len);
    if (buf_append(out, slice_of(head, len)) != STATUS_OK ||
        buf_append(out, slice_of(s->content.data, HEADER_BYTES)) != STATUS_OK) {
        return err_set(e, STATUS_LIMIT, "the component is larger than %zu bytes", out->max);
    }
    b->out_content = out->len - HEADER_BYTES;
    return STATUS_OK;
}

// Writes the size that is now known, and moves the content when the size became shorter.
static void end_binary(const binary *b, buf *out) {
    uint8_t size[LEB128_U64_BYTES_MAX];
    size_t content_len = out->len - b->out_content, size_len = leb128_write_u64(size, content_len);
    size_t start = b->out_section + 1 + size_len;
    CHECK(start <= b->out_content);
    if (start < b->out_content) {
        memmove(out->data + start, out->data + b->out_content, content_len);
        out->len -= b->out_content - start;
    }
    memcpy(out->data + b->out_section + 1, size, size_len);
}

static status strip_sections(walk *w, buf *out, err *e) {
    step s;
    for (;;) {
        TRY(walk_next(w, &s, e));
        if (s.kind == STEP_END) {
            return STATUS_OK;
        }
        if (s.kind == STEP_OPEN) {
            TRY(begin_binary(w, &s, out, e));
        } else if (s.kind == STEP_CLOSE) {
            end_binary(&w->open[w->depth + 1], out);
        } else if (!s.is_token) {
            TRY(append_section(out, s.id, s.content, e));
        }
    }
}

status envelope_strip(slice bytes, buf *ret, err *e) {
    walk w;
    CHECK(ret->len == 0);
    TRY(walk_begin(&w, bytes, e));
    status s = buf_append(ret, slice_sub(bytes, 0, HEADER_BYTES));
    s = s == STATUS_OK ? strip_sections(&w, ret, e)
                       : err_set(e, s, "the component is larger than %zu bytes", ret->max);
    if (s != STATUS_OK) {
        buf_clear(ret);
    }
    return s;
}

status envelope_append_token(buf *component, slice token, err *e) {
    envelope now;
    TRY(envelope_read(buf_slice(component), &now, e));
    if (!now.is_canonical || now.has_token) {
        return err_set(e, STATUS_INVALID,
                       "a token can be appended only to a canonical component without one%s%s",
                       now.is_canonical ? "" : ": ", now.why_not);
    }
    uint8_t head[1 + 2 * LEB128_U64_BYTES_MAX] = {SECTION_CUSTOM};
    uint8_t name_len[LEB128_U64_BYTES_MAX];
    size_t name_len_len = leb128_write_u64(name_len, token_section_name.len);
    size_t len = 1 + leb128_write_u64(head + 1, name_len_len + token_section_name.len + token.len);
    memcpy(head + len, name_len, name_len_len);
    len += name_len_len;
    size_t before = component->len;
    if (buf_append(component, slice_of(head, len)) != STATUS_OK ||
        buf_append(component, token_section_name) != STATUS_OK || buf_append(component, token) != STATUS_OK) {
        component->len = before;
        return err_set(e, STATUS_LIMIT, "the signed component is larger than %zu bytes", component->max);
    }
    return STATUS_OK;
}
