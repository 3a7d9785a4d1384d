// SPDX-License-Identifier: Apache-2.0
// Calls and answers as bytes, both directions of both.
#include "codec/values.h"
#include "driver/blobstore/blobstore.h"

const char *const blobstore_interfaces[] = {BLOBSTORE_INTERFACE, NULL};

static const char *const names[BLOBSTORE_FUNCTION_COUNT] = {
    [BLOBSTORE_CREATE_CONTAINER] = "create-container",
    [BLOBSTORE_CONTAINER_EXISTS] = "container-exists",
    [BLOBSTORE_DELETE_CONTAINER] = "delete-container",
    [BLOBSTORE_CLEAR_CONTAINER] = "clear-container",
    [BLOBSTORE_CONTAINER_INFO] = "get-container-info",
    [BLOBSTORE_LIST] = "list-container-objects",
    [BLOBSTORE_COPY] = "copy-object",
    [BLOBSTORE_MOVE] = "move-object",
    [BLOBSTORE_HAS_OBJECT] = "has-object",
    [BLOBSTORE_OBJECT_INFO] = "get-object-info",
    [BLOBSTORE_DELETE_OBJECT] = "delete-object",
    [BLOBSTORE_DELETE_OBJECTS] = "delete-objects",
    [BLOBSTORE_READ] = "get-container-data",
    [BLOBSTORE_WRITE] = "write-container-data",
};

const char *blobstore_function_name(blobstore_function f) { return names[f]; }

bool blobstore_function_find(slice function, blobstore_function *ret) {
    for (unsigned f = 0; f < BLOBSTORE_FUNCTION_COUNT; f++) {
        if (slice_equal_text(function, names[f])) {
            *ret = (blobstore_function)f;
            return true;
        }
    }
    return false;
}

// --- parts that both directions have -----------------------------------------------------------------------

static void write_option_string(values_writer *w, bool has, slice text) {
    values_write_option(w, has);
    if (has) {
        values_write_string(w, text);
    }
}

static slice read_bounded(values_reader *r, size_t max, const char *problem) {
    slice text = values_read_string(r);
    if (text.len > max) {
        values_read_fail(r, problem);
    }
    return text;
}

static slice read_container(values_reader *r) {
    return read_bounded(r, BLOBSTORE_CONTAINER_BYTES_MAX, "the name of a container is too long");
}

static slice read_object(values_reader *r) {
    return read_bounded(r, BLOBSTORE_OBJECT_BYTES_MAX, "the name of an object is too long");
}

static slice read_option_string(values_reader *r, size_t max, const char *problem, bool *ret_has) {
    *ret_has = values_read_option(r);
    return *ret_has ? read_bounded(r, max, problem) : slice_empty();
}

static slice read_upload(values_reader *r) {
    return read_bounded(r, BLOBSTORE_UPLOAD_BYTES, "the name of an upload is too long");
}

static slice read_part(values_reader *r) {
    slice bytes = values_read_bytes(r);
    if (bytes.len > BLOBSTORE_PART_BYTES_MAX) {
        values_read_fail(r, "a part is too long");
    }
    return bytes;
}

static void write_names(values_writer *w, const slice *list, size_t count) {
    values_write_count(w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        values_write_string(w, list[i]);
    }
}

static const slice *read_names(values_reader *r, size_t max, arena *a, size_t *ret_count) {
    size_t count = values_read_count(r, 1);
    slice *list = count <= max ? ARENA_ARRAY(a, slice, count) : NULL;
    if (list == NULL) {
        values_read_fail(r, "a list of names is too long");
        return NULL;
    }
    for (size_t i = 0; values_read_ok(r) && i < count; i++) {
        list[i] = read_object(r);
    }
    *ret_count = count;
    return list;
}

// --- calls -------------------------------------------------------------------------------------------------

static void write_id(values_writer *w, slice container, slice object) {
    values_write_string(w, container);
    values_write_string(w, object);
}

static void write_step(values_writer *w, const blobstore_call *c) {
    values_write_case(w, c->step);
    switch (c->step) {
    case BLOBSTORE_BEGIN:
        write_id(w, c->container, c->object);
        break;
    case BLOBSTORE_APPEND:
        values_write_string(w, c->upload);
        values_write_u64(w, c->offset);
        values_write_bytes(w, c->bytes);
        break;
    case BLOBSTORE_FINISH:
        values_write_string(w, c->upload);
        values_write_u64(w, c->offset);
        break;
    default:
        values_write_string(w, c->upload);
        break;
    }
}

status blobstore_call_encode(const blobstore_call *c, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    switch (c->function) {
    case BLOBSTORE_LIST:
        values_write_string(&w, c->container);
        values_write_u32(&w, c->limit);
        write_option_string(&w, c->has_cursor, c->cursor);
        break;
    case BLOBSTORE_COPY:
    case BLOBSTORE_MOVE:
        write_id(&w, c->container, c->object);
        write_id(&w, c->to_container, c->to_object);
        break;
    case BLOBSTORE_HAS_OBJECT:
    case BLOBSTORE_OBJECT_INFO:
    case BLOBSTORE_DELETE_OBJECT:
        write_id(&w, c->container, c->object);
        break;
    case BLOBSTORE_DELETE_OBJECTS:
        values_write_string(&w, c->container);
        write_names(&w, c->names, c->count);
        break;
    case BLOBSTORE_READ:
        write_id(&w, c->container, c->object);
        values_write_u64(&w, c->start);
        values_write_u32(&w, c->len);
        write_option_string(&w, c->has_revision, c->revision);
        break;
    case BLOBSTORE_WRITE:
        write_step(&w, c);
        break;
    default:
        values_write_string(&w, c->container);
        break;
    }
    return values_write_end(&w, "arguments of a blob store's function", e);
}

static void read_id(values_reader *r, blobstore_call *c) {
    c->container = read_container(r);
    c->object = read_object(r);
}

static void read_step(values_reader *r, blobstore_call *c) {
    c->step = (blobstore_step)values_read_case(r, BLOBSTORE_STEP_COUNT);
    if (c->step == BLOBSTORE_BEGIN) {
        read_id(r, c);
        return;
    }
    c->upload = read_upload(r);
    if (c->step == BLOBSTORE_APPEND || c->step == BLOBSTORE_FINISH) {
        c->offset = values_read_u64(r);
    }
    if (c->step == BLOBSTORE_APPEND) {
        c->bytes = read_part(r);
    }
}

static uint32_t read_number(values_reader *r, uint32_t max, const char *problem) {
    uint32_t number = values_read_u32(r);
    if (number == 0 || number > max) {
        values_read_fail(r, problem);
    }
    return number;
}

static void read_call(values_reader *r, arena *a, blobstore_call *c) {
    switch (c->function) {
    case BLOBSTORE_LIST:
        c->container = read_container(r);
        c->limit = read_number(r, BLOBSTORE_PAGE_NAMES_MAX, "a page is of 1 to 8000 names");
        c->cursor = read_option_string(r, BLOBSTORE_CURSOR_BYTES_MAX, "a cursor is too long", &c->has_cursor);
        break;
    case BLOBSTORE_COPY:
    case BLOBSTORE_MOVE:
        read_id(r, c);
        c->to_container = read_container(r);
        c->to_object = read_object(r);
        break;
    case BLOBSTORE_HAS_OBJECT:
    case BLOBSTORE_OBJECT_INFO:
        read_id(r, c);
        break;
    case BLOBSTORE_DELETE_OBJECT:
        read_id(r, c);
        c->count = 1;
        break;
    case BLOBSTORE_DELETE_OBJECTS:
        c->container = read_container(r);
        c->names = read_names(r, BLOBSTORE_MANY_MAX, a, &c->count);
        break;
    case BLOBSTORE_READ:
        read_id(r, c);
        c->start = values_read_u64(r);
        c->len = read_number(r, BLOBSTORE_PART_BYTES_MAX, "a part has 1 to 1048576 bytes");
        c->revision =
            read_option_string(r, BLOBSTORE_REVISION_BYTES_MAX, "a revision is too long", &c->has_revision);
        break;
    case BLOBSTORE_WRITE:
        read_step(r, c);
        break;
    default:
        c->container = read_container(r);
        break;
    }
}

status blobstore_call_decode(blobstore_function f, slice payload, arena *a, blobstore_call *ret, err *e) {
    values_reader r = values_reader_of(payload);
    blobstore_call c = {.function = f};
    read_call(&r, a, &c);
    TRY(values_read_end(&r, "arguments of a blob store's function", e));
    *ret = c;
    if (f == BLOBSTORE_DELETE_OBJECT) {
        ret->names = &ret->object;
    }
    return STATUS_OK;
}

// --- answers -----------------------------------------------------------------------------------------------

static void write_ok(values_writer *w, const blobstore_call *c, const blobstore_answer *a) {
    switch (c->function) {
    case BLOBSTORE_CONTAINER_EXISTS:
    case BLOBSTORE_HAS_OBJECT:
        values_write_bool(w, a->is_there);
        break;
    case BLOBSTORE_CONTAINER_INFO:
        values_write_u64(w, a->created_at);
        break;
    case BLOBSTORE_OBJECT_INFO:
        values_write_u64(w, a->created_at);
        values_write_u64(w, a->size);
        break;
    case BLOBSTORE_LIST:
        write_names(w, a->names, a->count);
        write_option_string(w, a->has_cursor, a->cursor);
        break;
    case BLOBSTORE_READ:
        values_write_string(w, a->revision);
        values_write_u64(w, a->size);
        values_write_bytes(w, a->bytes);
        break;
    case BLOBSTORE_WRITE:
        values_write_case(w, c->step == BLOBSTORE_BEGIN ? 0 : 1);
        if (c->step == BLOBSTORE_BEGIN) {
            values_write_string(w, a->upload);
        }
        break;
    default:
        break;
    }
}

status blobstore_answer_encode(const blobstore_call *c, const blobstore_answer *a, buf *out, err *e) {
    values_writer w = values_writer_of(out);
    values_write_is_ok(&w, !a->is_error);
    if (a->is_error) {
        values_write_string(&w, a->message);
    } else {
        write_ok(&w, c, a);
    }
    return values_write_end(&w, "answer of a blob store's function", e);
}

static void read_ok(values_reader *r, const blobstore_call *c, arena *memory, blobstore_answer *a) {
    switch (c->function) {
    case BLOBSTORE_CONTAINER_EXISTS:
    case BLOBSTORE_HAS_OBJECT:
        a->is_there = values_read_bool(r);
        break;
    case BLOBSTORE_CONTAINER_INFO:
        a->created_at = values_read_u64(r);
        break;
    case BLOBSTORE_OBJECT_INFO:
        a->created_at = values_read_u64(r);
        a->size = values_read_u64(r);
        break;
    case BLOBSTORE_LIST:
        a->names = read_names(r, BLOBSTORE_PAGE_NAMES_MAX, memory, &a->count);
        a->cursor = read_option_string(r, BLOBSTORE_CURSOR_BYTES_MAX, "a cursor is too long", &a->has_cursor);
        break;
    case BLOBSTORE_READ:
        a->revision = read_bounded(r, BLOBSTORE_REVISION_BYTES_MAX, "a revision is too long");
        a->size = values_read_u64(r);
        a->bytes = read_part(r);
        break;
    case BLOBSTORE_WRITE:
        if (values_read_case(r, 2) != (c->step == BLOBSTORE_BEGIN ? 0 : 1)) {
            values_read_fail(r, "the answer is to another step of an upload");
        }
        a->upload = c->step == BLOBSTORE_BEGIN ? read_upload(r) : slice_empty();
        break;
    default:
        break;
    }
}

status blobstore_answer_decode(const blobstore_call *c, slice payload, arena *memory, blobstore_answer *ret,
                               err *e) {
    values_reader r = values_reader_of(payload);
    blobstore_answer a = {.is_error = !values_read_is_ok(&r)};
    if (a.is_error) {
        a.message = values_read_string(&r);
    } else {
        read_ok(&r, c, memory, &a);
    }
    TRY(values_read_end(&r, "answer of a blob store's function", e));
    *ret = a;
    return STATUS_OK;
}
