// SPDX-License-Identifier: Apache-2.0
// The contract wasi:blobstore as C values, and their bytes (codec/values.h): what the component's side
// encodes as a call and decodes as an answer, and what a driver decodes and encodes.
//
// All functions travel as `wasi:blobstore/blobstore`, with the names that wasmCloud 1.x has for them. What
// are streams there are parts here, so that a call has an end and a bound:
//
//   create-container, delete-container, clear-container(name) -> result<_, string>
//   container-exists(name) -> result<bool, string>
//   get-container-info(name) -> result<{created-at: u64}, string>
//   copy-object, move-object(from: {container, object}, to: {container, object}) -> result<_, string>
//   has-object({container, object}) -> result<bool, string>
//   get-object-info({container, object}) -> result<{created-at: u64, size: u64}, string>
//   delete-object({container, object}) -> result<_, string>
//   delete-objects(container, list<string>) -> result<_, string>
//   list-container-objects(name, limit: u32, cursor: option<string>)
//       -> result<{list<string>, cursor: option<string>}, string>
//   get-container-data({container, object}, start: u64, len: u32, revision: option<string>)
//       -> result<{revision: string, size: u64, list<u8>}, string>
//   write-container-data(variant { begin({container, object}), append(upload, offset: u64, list<u8>),
//                                  finish(upload, size: u64), abort(upload) })
//       -> result<variant { begun(upload: string), done }, string>
//
// What every driver does alike (tests/unit/driver/blobstore_contract.h holds them against it):
// - A container is there from create-container until delete-container, which takes its objects with it.
//   Creating one that is there changes nothing. Everything but create and exists on one that is not there is
//   BLOBSTORE_NO_CONTAINER; for an object that is not there, but for has and delete, it is
//   BLOBSTORE_NO_OBJECT.
// - Names of objects are 1 to 1024 bytes of UTF-8 without NUL; '/', "..", blanks and the like mean nothing. A
//   backend that cannot hold a name refuses it (BLOBSTORE_BAD_NAME) and changes nothing.
// - Times are seconds since 1970; an object's is that of its last writing.
// - An upload: begin names the object, each append says how many bytes came before it (another number is
//   BLOBSTORE_NO_UPLOAD and ends the upload), finish says how many there are in all. Nothing of it can be
//   seen before finish; then the whole object is there, in the place of an older one, at once. An upload that
//   is aborted, that fails, or that nothing comes for (setting upload-idle-ms) never was. Its name cannot be
//   guessed and is good for this link only. What is wrong with the target is told by begin, an append or
//   finish.
// - get-container-data gives the bytes from `start` on, `len` of them unless the object ends before, the size
//   of the whole object, and its revision. A later part names the revision of the first: when the object has
//   changed meanwhile it is BLOBSTORE_CHANGED (or BLOBSTORE_NO_OBJECT), never a mix. A start behind the end
//   gives no bytes.
// - A listing names each object that was there the whole time exactly once; others it may name. A page may be
//   empty while there is a cursor. A cursor that the driver did not give lists from some place, or is an
//   error.
// - copy-object and move-object replace the target at once, or do not; to itself nothing changes. A move that
//   failed may have left both.
// - After a write was answered, every later read sees it, through any link with the same settings.
// - A write that ended with another status than STATUS_OK may have been done.
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "driver/driver.h"

typedef enum blobstore_function {
    BLOBSTORE_CREATE_CONTAINER,
    BLOBSTORE_CONTAINER_EXISTS,
    BLOBSTORE_DELETE_CONTAINER,
    BLOBSTORE_CLEAR_CONTAINER,
    BLOBSTORE_CONTAINER_INFO,
    BLOBSTORE_LIST,
    BLOBSTORE_COPY,
    BLOBSTORE_MOVE,
    BLOBSTORE_HAS_OBJECT,
    BLOBSTORE_OBJECT_INFO,
    BLOBSTORE_DELETE_OBJECT,
    BLOBSTORE_DELETE_OBJECTS,
    BLOBSTORE_READ,
    BLOBSTORE_WRITE,
    BLOBSTORE_FUNCTION_COUNT,
} blobstore_function;

typedef enum blobstore_step { // of BLOBSTORE_WRITE
    BLOBSTORE_BEGIN,
    BLOBSTORE_APPEND,
    BLOBSTORE_FINISH,
    BLOBSTORE_ABORT,
    BLOBSTORE_STEP_COUNT,
} blobstore_step;

extern const char *const blobstore_interfaces[]; // for a `driver`; NULL at the end
#define BLOBSTORE_INTERFACE "wasi:blobstore/blobstore"

const char *blobstore_function_name(blobstore_function f); // on the wire
bool blobstore_function_find(slice function, blobstore_function *ret);

enum {
    BLOBSTORE_CONTAINER_BYTES_MAX = 255,
    BLOBSTORE_OBJECT_BYTES_MAX = 1024,
    BLOBSTORE_PART_BYTES_MAX = 1 << 20, // of one read or append
    BLOBSTORE_PAGE_NAMES_MAX = 8000,    // of one listing's page
    BLOBSTORE_PAGE_BYTES_MAX = 1 << 20, // of the names in it
    BLOBSTORE_MANY_MAX = 1000,          // names of one delete-objects
    BLOBSTORE_CURSOR_BYTES_MAX = 2048,
    BLOBSTORE_REVISION_BYTES_MAX = 256,
    BLOBSTORE_UPLOAD_BYTES = 32,        // letters of an upload's name
    BLOBSTORE_CALL_BYTES_MAX = 2 << 20, // of a call's payload, and of an answer's
};

typedef struct blobstore_call {
    blobstore_function function;
    slice container; // unless WRITE's later steps
    slice object;    // of functions about one; COPY and MOVE: from where
    slice to_container;
    slice to_object;
    const slice *names; // DELETE_OBJECTS; DELETE_OBJECT: the one
    size_t count;
    uint32_t limit; // LIST: of names, 1 to BLOBSTORE_PAGE_NAMES_MAX
    bool has_cursor;
    slice cursor;
    uint64_t start; // READ
    uint32_t len;   // READ: 1 to BLOBSTORE_PART_BYTES_MAX
    bool has_revision;
    slice revision;
    blobstore_step step; // WRITE
    slice upload;        // APPEND, FINISH, ABORT
    uint64_t offset;     // APPEND: bytes before these; FINISH: all bytes
    slice bytes;         // APPEND
} blobstore_call;

typedef struct blobstore_answer {
    bool is_error;
    slice message;       // of an error
    bool is_there;       // CONTAINER_EXISTS, HAS_OBJECT
    uint64_t created_at; // CONTAINER_INFO, OBJECT_INFO
    uint64_t size;       // OBJECT_INFO, READ: of the whole object
    slice revision;      // READ
    slice bytes;         // READ
    slice upload;        // WRITE: BEGIN
    const slice *names;  // LIST
    size_t count;
    bool has_cursor;
    slice cursor;
} blobstore_answer;

// Each appends; STATUS_LIMIT over the maximum of `out`.
status blobstore_call_encode(const blobstore_call *c, buf *out, err *e) WRIT_MUST_USE;
status blobstore_answer_encode(const blobstore_call *c, const blobstore_answer *a, buf *out,
                               err *e) WRIT_MUST_USE;
// Each reads hostile bytes, and holds them to the bounds above; slices are borrowed from `payload`, lists
// come from `a`. Of the call that was answered, function and step are looked at. STATUS_INVALID,
// STATUS_LIMIT.
status blobstore_call_decode(blobstore_function f, slice payload, arena *a, blobstore_call *ret,
                             err *e) WRIT_MUST_USE;
status blobstore_answer_decode(const blobstore_call *c, slice payload, arena *a, blobstore_answer *ret,
                               err *e) WRIT_MUST_USE;

// --- for drivers -------------------------------------------------------------------------------------------

// The settings that all drivers of the contract have.
typedef struct blobstore_limits {
    slice containers; // names with ',' between them; empty = any. A copy of the link's own
    uint64_t object_bytes_max;
    uint32_t uploads_max;
    uint64_t upload_idle_ns;
} blobstore_limits;

#define BLOBSTORE_SETTINGS                                                                                   \
    {"containers", "names of the containers that there are, with commas; default: any", false, false},       \
        {"object-bytes-max", "the largest object, in bytes; default 5368709120", false, false},              \
        {"uploads-max", "uploads that are not finished, at one time (1 to 1024; default 32)", false, false}, \
    {                                                                                                        \
        "upload-idle-ms", "after so long without a byte an upload is over (at most 3600000; default 60000)", \
            false, false                                                                                     \
    }

status blobstore_limits_read(const driver_values *settings, blobstore_limits *ret, err *e) WRIT_MUST_USE;
void blobstore_limits_done(blobstore_limits *l);

enum { BLOBSTORE_ROOM_BYTES = 256 };

// A call that was decoded and is within the limits. Lives until its answer.
typedef struct blobstore_request {
    blobstore_call call;
    driver_call *origin; // deadline_ns, is_cancelled; its `data` is this
    list_node node;      // the driver's
    loop_timer timer;    // the driver's; stopped when it is answered
    void *data;          // the driver's
    arena memory;        // for the driver too: of what the answer is made; bounded
    // For what `data` points at, so that a small call needs no memory but this.
    _Alignas(16) uint8_t room[BLOBSTORE_ROOM_BYTES];
} blobstore_request;

typedef enum blobstore_error { // the sentences that all drivers have alike
    BLOBSTORE_NO_CONTAINER,
    BLOBSTORE_NO_OBJECT,
    BLOBSTORE_CHANGED,
    BLOBSTORE_NO_UPLOAD,
    BLOBSTORE_BAD_NAME,
    BLOBSTORE_TOO_LARGE, // the setting object-bytes-max
    BLOBSTORE_FULL,      // the backend has no room
    BLOBSTORE_TOO_MANY,  // the setting uploads-max
    BLOBSTORE_DENIED,    // the backend says so
    BLOBSTORE_ERROR_COUNT,
} blobstore_error;
const char *blobstore_error_text(blobstore_error x);

// The one way in: decodes and checks. When the call is wrong, or its container is none of ours, it is
// answered and NULL is returned.
blobstore_request *blobstore_receive(driver_call *c, const blobstore_limits *l);
// Each answers and frees.
void blobstore_reply(blobstore_request *q, const blobstore_answer *a);
void blobstore_reply_error(blobstore_request *q, blobstore_error x);
void blobstore_reply_other(blobstore_request *q, const char *format, ...) WRIT_FORMAT(2, 3);
void blobstore_fail(blobstore_request *q, status code, const char *format, ...) WRIT_FORMAT(3, 4);

// --- uploads -----------------------------------------------------------------------------------------------

// What a driver keeps of an upload begins with this. One step of it at a time: while one runs it is busy.
typedef struct blobstore_upload {
    struct blobstore_uploads *owner; // NULL: not in the table
    list_node node;
    char name[BLOBSTORE_UPLOAD_BYTES + 1];
    uint64_t bytes; // that were appended
    bool is_busy;
    bool is_doomed; // it was aborted while it was busy
    loop_timer idle;
} blobstore_upload;

typedef struct blobstore_uploads {
    loop *l;
    const blobstore_limits *limits;
    list_node items;
    uint32_t count;
    // One that nothing came for: it was taken out of the table, and is the driver's to undo and free.
    void (*expired)(void *arg, blobstore_upload *u);
    void *arg;
} blobstore_uploads;

// `limits` is borrowed.
void blobstore_uploads_init(blobstore_uploads *t, loop *l, const blobstore_limits *limits,
                            void (*expired)(void *arg, blobstore_upload *u), void *arg);
// Gives it a name and waits for its steps. False when there are too many already.
bool blobstore_uploads_add(blobstore_uploads *t, blobstore_upload *u) WRIT_MUST_USE;
void blobstore_uploads_remove(blobstore_upload *u); // accepts one that is in no table
// The upload that a later step is about, which is busy from now on. NULL when the step was answered: the
// upload is not there, busy, or the step does not fit it; in the last case it was given to `expired`.
blobstore_upload *blobstore_uploads_begin_step(blobstore_uploads *t, blobstore_request *q) WRIT_MUST_USE;
// A step has ended well; the next may come, or it is given to `expired`.
void blobstore_uploads_end_step(blobstore_upload *u, uint64_t added);
// Any one that is not busy, taken out, for the end of a link; NULL when there is none.
blobstore_upload *blobstore_uploads_take(blobstore_uploads *t);

// The drivers.
extern const driver blobstore_directory; // files below a directory
extern const driver blobstore_s3;        // a server that speaks the API of S3
extern const driver blobstore_nats;      // a NATS server with JetStream, 2.9 or newer
