// SPDX-License-Identifier: Apache-2.0
// What stands inside of a sealed message: one frame of a call, or a word about the session. Pure; reads what
// another host sent, which is believed to be of that host and nothing else (fuzz/fuzz_sealed.c).
//
//   kind 1 (0x80: from the caller) | call 8 | index 4 | by kind:
//   CALL    flags 1, time 8, wait 4, source 2+, issuer 1+, link 2+, target 2+, instance 2+, function 2+,
//           trace 1+, length of the parameters 4, the first of them
//   ANSWER  length of the results 4, the first of them
//   ROOT    more of the parameters or results
//   DATA    path 1, bytes          END  path 1          CREDIT  path 1 (0xff: parameters, results), bytes 4
//   CANCEL                         FAIL code 1, a sentence
//   ASK     what do you know of this call?   STATE  it is there 1, frames that came 4, index of
//           the question 4 (index: how many frames were sent; these two are in no order with the others)
//   GREET   a hello                HERE  are you?         HEARD  yes            GOODBYE
//           (call and index of these are 0)
//
// The index counts the frames of a call in one direction, from 0: what comes too early waits.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/status.h"
#include "lattice/call.h"

typedef enum frame_kind {
    FRAME_CALL = 1,
    FRAME_ANSWER,
    FRAME_ROOT,
    FRAME_DATA,
    FRAME_END,
    FRAME_CREDIT,
    FRAME_CANCEL,
    FRAME_FAIL,
    FRAME_GREET,
    FRAME_HERE,
    FRAME_HEARD,
    FRAME_GOODBYE,
    FRAME_ASK,
    FRAME_STATE,
} frame_kind;

enum {
    FRAME_FROM_CALLER = 0x80,
    FRAME_ROOT_PATH = 0xff,
    FRAME_HEAD_BYTES = 13,
    FRAME_IDEMPOTENT = 1, // flag of CALL
    FRAME_TEXT_BYTES_MAX = 512,
    FRAME_TRACE_BYTES_MAX = 255,
    FRAME_CALL_BYTES_MAX = 4096, // of CALL before the parameters, with the head
};

typedef struct frame { // slices are borrowed
    frame_kind kind;
    bool is_from_caller;
    uint64_t call;
    uint32_t index;
    lattice_invocation invocation; // CALL: without source_host, params and deadline
    uint64_t sent_ms;              // CALL: the wall clock of the caller
    uint32_t wait_ms;              // CALL: from then on
    uint32_t total;                // CALL, ANSWER
    unsigned path;                 // DATA, END, CREDIT
    uint32_t credit;
    status code;       // FAIL
    bool is_known;     // STATE
    uint32_t received; // STATE
    uint32_t asked;    // STATE
    slice body;        // CALL, ANSWER, ROOT, DATA: bytes; FAIL: the sentence; GREET: the hello
} frame;

bool frame_read(slice bytes, frame *ret) WRIT_MUST_USE;
// Appends everything but the body. STATUS_LIMIT; STATUS_INVALID when a name is too long.
status frame_write(const frame *f, buf *ret) WRIT_MUST_USE;
