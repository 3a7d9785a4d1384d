// SPDX-License-Identifier: Apache-2.0
#include "codec/xml.h"

#include <expat.h>

#include "base/buf.h"
#include "base/mem.h"

typedef struct reading {
    XML_Parser parser;
    const xml_limits *limits;
    xml_visitor visit;
    void *arg;
    err *e;
    status code;
    uint32_t elements;
    uint32_t depth;
    size_t path_len[XML_DEPTH_MAX + 1]; // of the element at each depth
    buf path;
    buf text; // of the innermost element
} reading;

static void stop(reading *r, status code, const char *why) {
    if (r->code == STATUS_OK) {
        r->code = err_set(r->e, code, "XML at line %lu: %s",
                          (unsigned long)XML_GetCurrentLineNumber(r->parser), why);
    }
    XML_StopParser(r->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes) {
    reading *r = arg;
    (void)attributes;
    if (r->depth == r->limits->depth_max || r->elements == r->limits->elements_max) {
        stop(r, STATUS_LIMIT, r->depth == r->limits->depth_max ? "it is too deep" : "too many elements");
        return;
    }
    r->path.len = r->path_len[r->depth];
    if ((r->depth > 0 && buf_append_byte(&r->path, '/') != STATUS_OK) ||
        buf_append_text(&r->path, name) != STATUS_OK) {
        stop(r, STATUS_LIMIT, "the names of elements are too long");
        return;
    }
    r->elements++;
    r->path_len[++r->depth] = r->path.len;
    buf_clear(&r->text);
}

static void on_end(void *arg, const XML_Char *name) {
    reading *r = arg;
    (void)name;
    if (r->code != STATUS_OK) {
        return;
    }
    slice path = slice_of(r->path.data, r->path_len[r->depth--]);
    r->code = r->visit(r->arg, path, buf_slice(&r->text), r->e);
    if (r->code != STATUS_OK) {
        XML_StopParser(r->parser, XML_FALSE);
    }
    buf_clear(&r->text);
}

static void on_text(void *arg, const XML_Char *text, int len) {
    reading *r = arg;
    if (r->code == STATUS_OK && buf_append(&r->text, slice_of(text, (size_t)len)) != STATUS_OK) {
        stop(r, STATUS_LIMIT, "an element's text is too long");
    }
}

static void on_document_type(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public,
                             int has_internal) {
    (void)name, (void)system, (void)public, (void)has_internal;
    stop(arg, STATUS_INVALID, "a document type is not taken");
}

static status parse(reading *r, slice bytes, err *e) {
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_document_type);
    enum XML_Status done = XML_Parse(r->parser, (const char *)bytes.data, (int)bytes.len, XML_TRUE);
    if (r->code == STATUS_OK && done != XML_STATUS_OK) {
        return err_set(e, STATUS_INVALID, "XML at line %lu: %s",
                       (unsigned long)XML_GetCurrentLineNumber(r->parser),
                       XML_ErrorString(XML_GetErrorCode(r->parser)));
    }
    return r->code;
}

status xml_read(slice bytes, const xml_limits *limits, xml_visitor visit, void *arg, err *e) {
    static const XML_Memory_Handling_Suite memory = {mem_try_alloc, mem_try_resize, mem_free};
    reading r = {.limits = limits, .visit = visit, .arg = arg, .e = e};
    if (bytes.len > limits->bytes_max || bytes.len > INT32_MAX) {
        return err_set(e, STATUS_LIMIT, "XML of %zu bytes", bytes.len);
    }
    r.parser = XML_ParserCreate_MM("UTF-8", &memory, NULL);
    if (r.parser == NULL) {
        return err_set(e, STATUS_LIMIT, "no memory to read XML");
    }
    buf_init(&r.path, XML_PATH_BYTES_MAX);
    buf_init(&r.text, limits->text_bytes_max);
    status code = parse(&r, bytes, e);
    XML_ParserFree(r.parser);
    buf_done(&r.path);
    buf_done(&r.text);
    return code;
}

status xml_write_text(slice text, buf *ret) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        bool is_space = byte == '\t' || byte == '\n' || byte == '\r';
        if (byte < 0x20 && !is_space) {
            return STATUS_INVALID;
        }
        bool is_plain = !is_space && (byte >= 0x80 || strchr("&<>\"'", byte) == NULL);
        TRY(is_plain ? buf_append_byte(ret, byte) : buf_append_format(ret, "&#%u;", byte));
    }
    return STATUS_OK;
}
