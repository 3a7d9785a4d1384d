// SPDX-License-Identifier: Apache-2.0
// One multi handle of libcurl on the loop: its sockets become watches, its timer one of ours. What libcurl
// may not do while it runs (change or remove transfers) is left to the turn of the loop that follows.
//
// Threads: the loop's. curl's global state is initialised by curl_driver_init; no other thread may do so
// meanwhile.
#pragma once

#include <curl/curl.h>

#include "base/attributes.h"
#include "base/err.h"
#include "loop/loop.h"

typedef struct curl_driver {
    loop *l;
    CURLM *multi;
    loop_timer timer; // libcurl's
    loop_soon kick;
    bool is_inside; // libcurl is running
    // A transfer has ended and was removed from the handle.
    void (*done)(void *arg, CURL *easy, CURLcode result);
    void (*ran)(void *arg); // after each run of libcurl; may be NULL
    void *arg;
} curl_driver;

// Fill `done`, `ran` and `arg` before or after.
status curl_driver_init(curl_driver *d, loop *l, err *e) WRIT_MUST_USE;
void curl_driver_done(curl_driver *d); // every transfer must have been removed; accepts a zeroed one
// Lets libcurl look, soon, after transfers that were changed from outside.
void curl_driver_kick(curl_driver *d);
